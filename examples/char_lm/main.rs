//! A character language model, trained on a text and asked for more of it.
//!
//! ```text
//! cargo run --release --example char_lm
//! cargo run --release --example char_lm -- --data shakespeare.txt --hidden 512 --embed 64 --epochs 10 --rate 3e-3 \
//!     --dropout 0.4 --weight-dropout 0.3
//! ```
//!
//! Without `--data` it reads tales of a grammar that is known, and with it how many bits a character nobody can foresee: what has
//! been said has to be kept in mind for lines, numbers of geese, names, and which brackets are open. A tenth of the text is held back
//! for validation, and with the default seed 0.257 bits a character are left of it, where who knows the grammar needs 0.141. `--data .` reads the sources and documents of this repository. A text that is small for its network is learned by heart unless something is dropped: numbers of states (Zaremba,
//! Sutskever & Vinyals 2014) and recurrent weights (Merity, Keskar & Socher 2018).

mod arguments;
mod corpus;
mod tales;
#[path = "../telling/teller.rs"]
mod teller;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use arguments::Arguments;
use clap::Parser;
use corpus::Corpus;
use rnn::error::{PlotError, TextError};
use rnn::metrics::bits_per_symbol;
use rnn::plot::{self, Panel};
use rnn::prelude::*;
use rnn::progress::Progress;
use rnn::schedule::{Cosine, WarmUp};
use rnn::train::{
    AnyError, Checkpoints, Clip, End, EpochEnd, Interrupt, Observer, Rate, Run, Settings, Source,
    StepRecord, TextSource, Trainer, Watch,
};
use rnn::{ContinuousText, Sampler, rng};

rnn! {
    /// An LSTM, as `rnn::cells::Lstm`, whose recurrent weights are dropped in training, for all steps of a batch alike (Merity, Keskar
    /// & Socher 2018).
    cell DropLstm<I, H>(x: [I]) -> h: [H] {
        param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
        param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
        param b_i, b_g, b_o: [H] = 0;
        param b_f: [H] = 1;
        fixed drop: [] = 0;

        i[t] = sigmoid(W_i @ x[t] + dropout(U_i, drop) @ h[t-1] + b_i);
        f[t] = sigmoid(W_f @ x[t] + dropout(U_f, drop) @ h[t-1] + b_f);
        g[t] = tanh(W_g @ x[t] + dropout(U_g, drop) @ h[t-1] + b_g);
        o[t] = sigmoid(W_o @ x[t] + dropout(U_o, drop) @ h[t-1] + b_o);

        c[t] = f[t] * c[t-1] + i[t] * g[t];
        h[t] = o[t] * tanh(c[t]);
    }

    /// Character language model: the next character from all before it.
    pub model CharLm<V, E, H> {
        time   t in 1..=T;
        input  now[t]:  token<V>;
        target next[t]: token<V>;

        param embed: [V, E] ~ normal(0.0, 0.1);
        param W_y:   [V, H] ~ glorot_uniform;
        param b_y:   [V]    = 0;
        fixed drop:  []     = 0;
        layer lstm = DropLstm<E, H>;

        h[t]      = lstm(dropout(embed[now[t]], 0.25 * drop));
        logits[t] = W_y @ dropout(h[t], drop) + b_y;

        output logits;
        loss   mean[t](cross_entropy(logits[t], next[t]));
    }
}

/// The chunks of a text, for truncated back-propagation through time.
fn source(tokens: &[u32], batch: usize, steps: usize) -> Result<impl Source<CharLm>, TextError> {
    let text = ContinuousText::new(tokens.to_vec(), batch, steps)?;
    Ok(TextSource::new::<CharLm>(text, |now, next| {
        (CharLmInputs { now }, CharLmTargets { next })
    }))
}

/// How fast the steps are.
#[derive(Default)]
struct Speed {
    characters: u64,
    seconds: f64,
}

impl Observer for Speed {
    fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
        self.characters += record.seen;
        self.seconds += record.seconds;
        Ok(())
    }
}

/// Bits per character over the epochs, of training and validation.
#[derive(Default)]
struct Curves([Vec<f64>; 2]);

impl Curves {
    /// Says bits per character instead of nats.
    fn in_bits(&mut self, end: EpochEnd<'_, CharLm>) -> Result<(), AnyError> {
        for ((name, value), curve) in end.record.figures.iter_mut().zip(&mut self.0) {
            if name == "loss" {
                *name = "bits per character".to_owned();
            }
            *value = bits_per_symbol(*value);
            curve.push(*value);
        }
        Ok(())
    }

    fn draw(self, path: &Path, entropy: Option<f64>) -> Result<(), PlotError> {
        let [training, validation] = self.0;
        let mut panel = Panel::new("bits per character", "epoch")
            .logarithmic()
            .curve("training", training)
            .curve("validation", validation);
        if let Some(entropy) = entropy {
            panel = panel.baseline("who knows the grammar", entropy);
        }
        plot::curves(path, &[panel])
    }
}

/// A passage that starts with the prompt.
fn write(
    trainer: &Trainer<CharLm>,
    corpus: &Corpus,
    arguments: &Arguments,
) -> Result<String, Box<dyn Error>> {
    let mut stream = trainer.model().stream(trainer.params())?;
    let mut sampler = Sampler::new(corpus.vocabulary.len(), arguments.temperature, None)?;
    let mut rng = rng::stream(arguments.seed, "sample", "passage");
    let mut passage = corpus.vocabulary.encode(&arguments.prompt)?;
    let mut read = 0;
    for _ in 0..arguments.length {
        let mut next = None;
        for token in &passage[read..] {
            let now = Array2::from_elem((1, 1), *token);
            let logits = &stream.step(CharLmInputs { now: now.view() })?.logits;
            let logits = logits.as_slice().ok_or("logits are not in one piece")?;
            next = Some(sampler.draw(logits, &mut rng)?);
        }
        read = passage.len();
        passage.push(next.ok_or("the prompt is empty")?);
    }
    Ok(corpus.vocabulary.decode(&passage)?)
}

/// Trains and writes; bits per character of the text that was held back, unless the run was interrupted.
fn run(arguments: &Arguments) -> Result<Option<f64>, Box<dyn Error>> {
    let corpus = Corpus::open(arguments)?;
    let spec = CharLm {
        V: corpus.vocabulary.len(),
        E: arguments.embed,
        H: arguments.hidden,
    };
    let start = Instant::now();
    let model = spec.compile(Options::default().reduction(Reduction::Tokens))?;
    println!(
        "{} characters, {} of them different; {spec:?} compiled in {:.1} ms",
        corpus.training.len() + corpus.validation.len(),
        spec.V,
        start.elapsed().as_secs_f64() * 1e3
    );
    let mut text = source(&corpus.training, arguments.batch, arguments.steps)?;
    let mut held_back = source(&corpus.validation, 8, 128)?;
    let steps = arguments.epochs * text.batches().unwrap_or(1);
    let rate = f64::from(arguments.rate);
    let rates = WarmUp::new(100, Cosine::new(rate, rate / 50.0, steps.max(1))?);
    let settings = Settings::default()
        .rate(Rate::per_step(rates))
        .clip(Clip::Norm(1.0))
        .watch(Watch::default().restore_best(true))
        .seed(arguments.seed);
    let mut params = CharLmParams::init(&spec, arguments.seed)?;
    params.drop.fill(arguments.dropout);
    params.lstm.drop.fill(arguments.weight_dropout);
    let mut trainer = Trainer::new(model, params, settings)?;
    let vocabulary = corpus.vocabulary.to_string();
    (trainer.metadata_mut()).insert("vocabulary".to_owned(), vocabulary);

    if let Some(path) = &arguments.resume {
        trainer.resume(path, &mut text)?;
        let (step, epoch) = (trainer.steps(), trainer.epochs());
        println!("resumed after step {step}, with {epoch} epochs behind it");
    }
    let (mut speed, mut curves) = (Speed::default(), Curves::default());
    let mut run = Run::<CharLm>::epochs(arguments.epochs)
        .observer(Progress::stderr(arguments.epochs))
        .observer(&mut speed)
        .hook(|end| curves.in_bits(end));
    if let Some(path) = &arguments.save {
        run = run
            .checkpoints(Checkpoints::file(path))
            .interrupt(Interrupt::on_signals()?);
    }
    let outcome = trainer.fit(&mut text, Some(&mut held_back), run)?;
    if let (End::Interrupted, Some(path)) = (outcome.end, &arguments.save) {
        let path = path.display();
        println!(
            "saved after step {}; go on with --resume {path}",
            outcome.steps
        );
        return Ok(None);
    }
    if let Some(path) = &arguments.plot {
        curves.draw(path, corpus.entropy)?;
        println!("curves are in {}", path.display());
    }

    println!("\n{}\n", write(&trainer, &corpus, arguments)?);
    let nats = trainer.evaluate(&mut held_back)?.unwrap_or_default();
    let bits = bits_per_symbol(nats);
    let known = corpus.entropy.map_or_else(String::new, |entropy| {
        format!("{entropy:.3} by who knows the grammar, ")
    });
    println!(
        "validation {bits:.3} bits per character, {known}{:.0} characters per second",
        speed.characters as f64 / speed.seconds.max(f64::MIN_POSITIVE)
    );
    Ok(Some(bits))
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&Arguments::parse())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_training_finds_a_period_and_a_resumed_run_repeats_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let [data, plot, save] = ["text.txt", "plot.svg", "model.safetensors"].map(path);
        std::fs::write(&data, "one two three ".repeat(400)).unwrap();
        let line = "char_lm --hidden 16 --embed 8 --batch 4 --steps 16 --epochs 3 --rate 0.03 --dropout 0.1 --weight-dropout 0.1 --length 10 --prompt o";
        let mut arguments: Vec<&str> = line.split(' ').collect();
        arguments.extend(["--data", &data, "--save", &save]);
        let whole = [&arguments[..], &["--plot", &plot]].concat();
        let bits = run(&Arguments::parse_from(&whole)).unwrap().unwrap();
        assert!(bits < 0.5, "{bits}");
        assert!(
            std::fs::read_to_string(&plot)
                .unwrap()
                .contains("validation")
        );
        // Nothing is left to be done.
        let again = [&arguments[..], &["--resume", &save]].concat();
        assert_eq!(run(&Arguments::parse_from(again)).unwrap(), Some(bits));
    }
}
