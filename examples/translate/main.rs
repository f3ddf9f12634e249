//! Translation with additive attention (Bahdanau, Cho & Bengio 2015): dates as people write them to `2019-03-07`.
//!
//! ```text
//! cargo run --release --example translate
//! cargo run --release --example translate -- --picture attention.svg
//! cargo run --release --example translate -- --data PAIRS
//! ```
//!
//! The encoder reads the characters in both directions; each step of the decoder asks where to look. Training feeds the translation
//! back, the test what the decoder itself said. With the default seed all
//! of 994 held-out texts are translated without a mistake.

mod arguments;
mod corpus;
mod dates;

use std::error::Error;
use std::path::Path;

use arguments::Arguments;
use clap::Parser;
use corpus::{Batched, Corpus, Pair};
use ndarray::{Axis, s};
use rnn::cells::Gru;
use rnn::metrics::Accuracy;
use rnn::prelude::*;
use rnn::progress::Progress;
use rnn::ragged::LengthBatches;
use rnn::schedule::Cosine;
use rnn::train::{Clip, Gathered, Ordered, Rate, Run, Settings, Shuffled, Source, Trainer};
use rnn::{log, plot};

rnn! {
    /// From a text of `J` characters to one of `T`; token 0 ends a translation, and stands before its first character.
    pub model Translate<S, V, E, H, A> {
        time j in 1..=J;
        time t in 1..=T;
        input  src[j]: token<S>;
        target tgt[t]: token<V>;

        param E_s: [S, E]   ~ normal(0.0, 0.1);
        param E_t: [V, E]   ~ normal(0.0, 0.1);
        param W_a: [A, H]   ~ glorot_uniform;
        param U_a: [A, 2*H] ~ glorot_uniform;
        param v_a: [A]      ~ normal(0.0, 0.1);
        param W_0: [H, H]   ~ glorot_uniform;
        param W_y: [V, H + 2*H] ~ glorot_uniform;
        param b_y: [V]      = 0;
        layer enc = bi(Gru<E, H>);
        layer dec = Gru<E + 2*H, H>;

        m[j]      = enc(E_s[src[j]]);
        dec.h[0]  = tanh(W_0 @ enc.backward.h[1]);
        e[t, j]   = v_a @ tanh(W_a @ dec.h[t-1] + U_a @ m[j]);
        a[t, j]   = softmax[j](e[t, j]);
        c[t]      = sum[j](a[t, j] * m[j]);
        y[t]      = feedback(tgt[t-1], argmax(logits[t-1]));
        tgt[0]    = 0;
        s[t]      = dec([E_t[y[t]], c[t]]);
        logits[t] = W_y @ [s[t], c[t]] + b_y;

        output logits, a;
        loss   mean[t](cross_entropy(logits[t], tgt[t]));
    }
}

/// What a decoder said by itself.
struct Said {
    /// `[T, B]`, where `T` is the longest translation that may be.
    tokens: Array2<u32>,
    /// Where it looked, `[J, T, B]`.
    attention: Array3<f32>,
}

/// Lets the decoder read what it said in the step before: there are no targets.
fn say(
    model: &Compiled<Translate>,
    params: &TranslateParams,
    batch: &Batched,
    steps: usize,
) -> Result<Said, Box<dyn Error>> {
    let lengths = vec![steps; batch.source_lengths.len()];
    let inputs = TranslateInputs {
        src: batch.source.view(),
    };
    let inputs = inputs
        .lengths_of("j", &batch.source_lengths)
        .lengths_of("t", &lengths);
    let outputs = model.forward(params, inputs)?;
    let tokens = outputs.logits.map_axis(Axis(2), |logits| {
        let mut best = 0;
        for (token, logit) in logits.iter().enumerate() {
            if *logit > logits[best] {
                best = token;
            }
        }
        best as u32
    });
    Ok(Said {
        tokens,
        attention: outputs.a,
    })
}

/// Share of the pairs whose translation is said without a mistake; draws where the decoder looked in the first of them.
fn test(
    model: &Compiled<Translate>,
    params: &TranslateParams,
    corpus: &Corpus,
    picture: Option<&Path>,
) -> Result<Accuracy, Box<dyn Error>> {
    let lengths: Vec<usize> = corpus.test.iter().map(|pair| pair.source.len()).collect();
    let longest = corpus
        .test
        .iter()
        .map(|pair| pair.target.len())
        .max()
        .unwrap_or(0);
    let mut exact = Accuracy::default();
    for rows in LengthBatches::new(&lengths, 128)?.in_order() {
        let batch = Batched::of(&corpus.test, &rows);
        let said = say(model, params, &batch, longest)?;
        for (b, row) in rows.iter().enumerate() {
            let pair = &corpus.test[*row];
            let own = said.tokens.column(b);
            let right = pair.target.iter().zip(own).all(|(one, other)| one == other);
            exact.correct += u64::from(right);
            exact.total += 1;
            if let (0, Some(path)) = (row, picture) {
                let weights = (said.attention)
                    .slice(s![..pair.source.len(), ..pair.target.len(), b])
                    .reversed_axes();
                draw(path, corpus, pair, &own.to_vec(), weights)?;
            }
        }
    }
    Ok(exact)
}

fn draw(
    path: &Path,
    corpus: &Corpus,
    pair: &Pair,
    said: &[u32],
    weights: ArrayView2<'_, f32>,
) -> Result<(), Box<dyn Error>> {
    let letters =
        |text: String| -> Vec<String> { text.chars().map(|own| own.to_string()).collect() };
    let rows = corpus
        .target
        .decode(&said[..pair.target.len()])?
        .replace(corpus::END, "\u{b7}");
    let columns = corpus.source.decode(&pair.source)?;
    let title = format!("{columns}: {rows}");
    plot::matrix(path, &title, &letters(rows), &letters(columns), weights)?;
    println!("{title}, in {}", path.display());
    Ok(())
}

/// Exact matches of the test.
fn run(arguments: &Arguments) -> Result<Accuracy, Box<dyn Error>> {
    let corpus = Corpus::open(arguments)?;
    let spec = Translate {
        S: corpus.source.len(),
        V: corpus.target.len(),
        E: arguments.embed,
        H: arguments.hidden,
        A: arguments.hidden,
    };
    println!(
        "{} pairs to learn from, {} to test on; {spec:?}",
        corpus.training.len(),
        corpus.test.len()
    );
    let model = spec.compile(Options::default())?;
    let params = TranslateParams::init(&spec, arguments.seed)?;
    let lengths: Vec<usize> = (corpus.training.iter())
        .map(|pair| pair.source.len())
        .collect();
    let order = Shuffled::new(
        LengthBatches::new(&lengths, arguments.batch)?,
        arguments.seed,
    );
    let pairs = Gathered::of::<Translate>(
        corpus.training.len(),
        |rows| Ok(Batched::of(&corpus.training, rows)),
        |batch| {
            let (src, tgt) = (batch.source.view(), batch.target.view());
            let inputs = TranslateInputs { src }.lengths_of("j", &batch.source_lengths);
            let inputs = inputs.lengths_of("t", &batch.target_lengths);
            (inputs, TranslateTargets { tgt })
        },
    );
    let mut training = Ordered::new(pairs, order)?;
    let rate = f64::from(arguments.rate);
    let steps = arguments.epochs * training.batches().unwrap_or(1);
    let rates = Cosine::new(rate, rate / 50.0, steps.max(1))?;
    let settings = Settings::default()
        .rate(Rate::per_step(rates))
        .clip(Clip::Norm(1.0))
        .seed(arguments.seed);
    let mut trainer = Trainer::new(model, params, settings)?;
    let mut seen = log::History::default();
    let run = Run::epochs(arguments.epochs)
        .observer(Progress::stderr(arguments.epochs))
        .observer(&mut seen);
    trainer.fit(&mut training, None, run)?;
    if let Some(path) = &arguments.plot {
        plot::curves(path, &seen.panels())?;
        println!("curves are in {}", path.display());
    }
    if let Some(path) = &arguments.save {
        rnn::save_params(path, trainer.params())?;
        println!("parameters are in {}", path.display());
    }
    let picture = arguments.picture.as_deref();
    test(trainer.model(), trainer.params(), &corpus, picture)
}

fn main() -> Result<(), Box<dyn Error>> {
    let exact = run(&Arguments::parse())?;
    println!(
        "exact match {:.2} %, {} of {} held-out pairs",
        100.0 * exact.value().unwrap_or_default(),
        exact.correct,
        exact.total
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_training_learns_what_a_translation_looks_like() {
        let picture = tempfile::tempdir().unwrap();
        let path = picture.path().join("attention.svg");
        let line = "translate --pairs 220 --hidden 16 --embed 8 --epochs 6 --batch 10 --rate 0.02 --picture";
        let mut arguments: Vec<&str> = line.split(' ').collect();
        let own = path.to_string_lossy();
        arguments.push(&own);
        let exact = run(&Arguments::parse_from(arguments)).unwrap();
        assert!(exact.total > 15);
        // The picture of a translation that ends where translations end: ten characters and the end.
        let drawn = std::fs::read_to_string(&path).unwrap();
        assert!(drawn.matches("<rect").count() > 2 * 11 * 8, "{drawn}");
    }
}
