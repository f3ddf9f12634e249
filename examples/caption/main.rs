//! From a vector to a sentence (one to many): what is in a small picture, in words.
//!
//! ```text
//! cargo run --release --example caption
//! cargo run --release --example caption -- --plot caption.svg
//! cargo run --release --example caption -- --data SCENES
//! ```
//!
//! Two layers look at 16 x 16 pixels, and what they see is the first state of a GRU that says a word at a time (as in "Show and
//! tell", Vinyals, Toshev, Bengio & Erhan 2015). Training feeds the sentence back; then the most likely word is, or a beam. No
//! sentence of the test is one of training: all its words are, but not together. With the default seed 89.70 % of 466 scenes are
//! described without a mistake greedily, and 89.70 % by a beam.

mod arguments;
mod corpus;
mod scenes;

use arguments::Arguments;
use clap::Parser;
use corpus::{Batched, Corpus, END, Example};
use rnn::cells::Gru;
use rnn::metrics::Accuracy;
use rnn::plot::{self, Panel};
use rnn::prelude::*;
use rnn::progress::Progress;
use rnn::ragged::LengthBatches;
use rnn::schedule::Cosine;
use rnn::train::{
    AnyError, Clip, Gathered, Ordered, Rate, Run, Settings, Shuffled, Source, Trainer,
};

rnn! {
    /// Says up to `T` words for a vector; token 0 stands before the first.
    pub model Caption<P, K, V, E, H> {
        time   t in 1..=T;
        input  picture: [P];
        target said[t]: token<V>;

        param W_1: [K, P]   ~ he_uniform;
        param W_2: [K, K]   ~ he_uniform;
        param W_0: [H, K]   ~ glorot_uniform;
        param b_1, b_2: [K] = 0;
        param b_0: [H]      = 0;
        param embed: [V, E] ~ normal(0.0, 0.1);
        param W_y: [V, H]   ~ glorot_uniform;
        param b_y: [V]      = 0;
        fixed forget: []    = 0;
        layer gru = Gru<E, H>;

        seen      = relu(W_2 @ dropout(relu(W_1 @ picture + b_1), forget) + b_2);
        gru.h[0]  = tanh(W_0 @ dropout(seen, forget) + b_0);
        word[t]   = feedback(said[t-1], argmax(logits[t-1]));
        said[0]   = 0;
        logits[t] = W_y @ gru(embed[word[t]]) + b_y;

        output logits;
        loss   mean[t](cross_entropy(logits[t], said[t]));
    }
}

/// The share of the examples whose sentence is said word by word, and the first of what is said.
fn test(
    model: &Compiled<Caption>,
    params: &CaptionParams,
    corpus: &Corpus,
    examples: &[Example],
    how: &Generate,
) -> Result<(Accuracy, Vec<String>), AnyError> {
    let lengths = examples.iter().map(|own| own.words.len());
    let longest = lengths.max().unwrap_or(0);
    let how = (how.clone().max_steps(longest + 2)).stop(corpus.vocabulary.token(END));
    let (mut exact, mut said) = (Accuracy::default(), Vec::new());
    let rows: Vec<usize> = (0..examples.len()).collect();
    for rows in rows.chunks(256) {
        let batch = Batched::of(examples, rows)?;
        let inputs = CaptionInputs {
            picture: batch.pictures.view(),
        };
        let generated = model.generate(params, inputs, how.clone())?;
        for (b, row) in rows.iter().enumerate() {
            let best = &generated.best(b).tokens;
            exact.correct += u64::from(*best == examples[*row].words);
            exact.total += 1;
            if said.len() < SHOWN {
                said.push(corpus.sentence(best));
            }
        }
    }
    Ok((exact, said))
}

/// Scenes that are shown at the end.
const SHOWN: usize = 3;
/// Scenes of training that sentences are said of after each epoch.
const PROBED: usize = 500;

/// Exact matches on scenes that were held out.
#[derive(Debug)]
struct Figures {
    /// Cross-entropy of a word in nats, over the last epoch of training.
    loss: f64,
    greedy: Accuracy,
    beam: Accuracy,
}

fn share(accuracy: Accuracy) -> f64 {
    100.0 * accuracy.value().unwrap_or_default()
}

fn run(arguments: &Arguments) -> Result<Figures, AnyError> {
    let corpus = Corpus::open(arguments)?;
    let spec = Caption {
        P: corpus.training.first().map_or(0, |own| own.picture.len()),
        K: arguments.seen,
        V: corpus.vocabulary.len(),
        E: arguments.embed,
        H: arguments.hidden,
    };
    println!(
        "{} scenes to learn from, {} to test on; {spec:?}",
        corpus.training.len(),
        corpus.test.len()
    );
    let model = spec.compile(Options::default())?;
    let mut params = CaptionParams::init(&spec, arguments.seed)?;
    params.forget.fill(arguments.forget);
    let lengths: Vec<usize> = corpus.training.iter().map(|own| own.words.len()).collect();
    let order = Shuffled::new(
        LengthBatches::new(&lengths, arguments.batch)?,
        arguments.seed,
    );
    let scenes = Gathered::of::<Caption>(
        corpus.training.len(),
        |rows| Ok(Batched::of(&corpus.training, rows)?),
        |batch| {
            let (picture, said) = (batch.pictures.view(), batch.words.view());
            let inputs = CaptionInputs { picture }.lengths(&batch.lengths);
            (inputs, CaptionTargets { said })
        },
    );
    let mut training = Ordered::new(scenes, order)?;
    let rate = f64::from(arguments.rate);
    let steps = arguments.epochs * training.batches().unwrap_or(1);
    let settings = Settings::default()
        .rate(Rate::per_step(Cosine::new(
            rate,
            rate / 50.0,
            steps.max(1),
        )?))
        .clip(Clip::Norm(1.0))
        .seed(arguments.seed);
    let mut trainer = Trainer::new(model, params, settings)?;
    let probed = &corpus.training[..PROBED.min(corpus.training.len())];
    let (mut losses, mut known, mut new) = (Vec::new(), Vec::new(), Vec::new());
    let run = Run::epochs(arguments.epochs)
        .observer(Progress::stderr(arguments.epochs))
        .hook(|end| {
            let greedy = |examples| {
                test(
                    end.model,
                    end.params,
                    &corpus,
                    examples,
                    &Generate::greedy(),
                )
            };
            known.push(share(greedy(probed)?.0));
            let exact = share(greedy(&corpus.test)?.0);
            new.push(exact);
            losses.extend(end.record.figure("loss"));
            (end.record.figures).push(("exact match %".to_owned(), exact));
            Ok(())
        });
    trainer.fit(&mut training, None, run)?;
    let test = |how| {
        test(
            trainer.model(),
            trainer.params(),
            &corpus,
            &corpus.test,
            &how,
        )
    };
    let (greedy, _) = test(Generate::greedy())?;
    let (beam, said) = test(Generate::beam(arguments.beam))?;
    for (example, said) in corpus.test.iter().zip(&said) {
        if corpus.drawn {
            println!("\n{}", scenes::letters(&example.picture.to_vec()));
        }
        println!("says   {said}\nis     {}", corpus.sentence(&example.words));
    }
    let loss = losses.last().copied().unwrap_or_default();
    if let Some(path) = &arguments.plot {
        let entropy = Panel::new("cross-entropy of a word, in nats", "epoch").logarithmic();
        let exact = Panel::new("sentences without a mistake, in %", "epoch");
        let exact = exact.curve("scenes of training", known);
        let panels = [
            entropy.curve("training", losses),
            exact.curve("held-out sentences", new),
        ];
        plot::curves(path, &panels)?;
        println!("\ncurves are in {}", path.display());
    }
    if let Some(path) = &arguments.save {
        rnn::save_params(path, trainer.params())?;
        println!("\nparameters are in {}", path.display());
    }
    Ok(Figures { loss, greedy, beam })
}

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let Figures { loss, greedy, beam } = run(&arguments)?;
    println!("\ncross-entropy of a word in training {loss:.4} nats");
    println!(
        "exact match {:.2} % greedily, {} of {} scenes of new sentences; {:.2} % by a beam of {}",
        share(greedy),
        greedy.correct,
        greedy.total,
        share(beam),
        arguments.beam
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_training_says_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenes.tsv");
        // Pictures of two numbers and a colour for each sign of them.
        let lines: String = (0..200)
            .map(|at| {
                let (x, y) = (at % 2, at / 2 % 2);
                let words = [["red", "blue"][x], ["dog", "old cat"][y]];
                format!("a {}\t{} {}\n", words.join(" "), 2 * x, 2 * y)
            })
            .collect();
        // What is tested was not seen: a sentence of the words that were.
        let new = "a blue old cat\t2 2\n";
        let known: String = lines
            .lines()
            .filter(|line| !line.starts_with("a blue old"))
            .fold(String::new(), |text, line| text + line + "\n");
        std::fs::write(&path, known + &new.repeat(16)).unwrap();
        let plot = folder.path().join("curves.svg");
        let line = "caption --seen 16 --hidden 16 --embed 8 --epochs 20 --batch 10 --rate 0.01 --forget 0 --beam 2";
        let mut arguments: Vec<&str> = line.split(' ').collect();
        let [path, plot] = [&path, &plot].map(|path| path.to_str().unwrap());
        arguments.extend(["--data", path, "--plot", plot]);
        let figures = run(&Arguments::parse_from(arguments)).unwrap();
        assert_eq!(figures.greedy.total, 16);
        assert_eq!(figures.beam.total, 16);
        // Three sentences of up to five words.
        assert!(figures.loss < 0.1, "{}", figures.loss);
        assert!(std::fs::read_to_string(plot).unwrap().contains("held-out"));
    }

    #[test]
    fn a_few_epochs_learn_how_sentences_about_shapes_go() {
        let line = "caption --scenes 600 --seen 32 --hidden 32 --embed 16 --epochs 4 --batch 20 --rate 0.01 --forget 0";
        let figures = run(&Arguments::parse_from(line.split(' '))).unwrap();
        assert_eq!(figures.greedy.total, 60);
        // Who knows which words there are, and nothing else, is at 3.3; who knows how sentences go, below 1.2.
        assert!(figures.loss < 1.2, "{}", figures.loss);
    }
}
