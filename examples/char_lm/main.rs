//! A character language model, trained on real text and asked for more of it.
//!
//! ```text
//! cargo run --release --example char_lm
//! cargo run --release --example char_lm -- --data shakespeare.txt --hidden 256 --epochs 8
//! ```
//!
//! Without `--data` it reads this repository's own sources and documents. The last tenth of the text is held back for
//! validation.

mod arguments;
mod corpus;

use std::error::Error;
use std::time::Instant;

use arguments::Arguments;
use clap::Parser;
use corpus::Corpus;
use rnn::cells::Lstm;
use rnn::error::TextError;
use rnn::metrics::bits_per_symbol;
use rnn::prelude::*;
use rnn::progress::Progress;
use rnn::schedule::Exponential;
use rnn::train::{
    Checkpoints, Clip, End, EpochEnd, Interrupt, Observer, ObserverError, Rate, Run, Settings,
    Source, StepRecord, TextSource, Trainer,
};
use rnn::{ContinuousText, Sampler, rng};

rnn! {
    /// Character language model: the next character from all before it.
    pub model CharLm<V, E, H> {
        time   t in 1..=T;
        input  now[t]:  token<V>;
        target next[t]: token<V>;

        param embed: [V, E] ~ normal(0.0, 0.1);
        param W_y:   [V, H] ~ glorot_uniform;
        param b_y:   [V]    = 0;
        layer lstm = Lstm<E, H>;

        h[t]      = lstm(embed[now[t]]);
        logits[t] = W_y @ h[t] + b_y;

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
    fn step(&mut self, record: &StepRecord) -> Result<(), ObserverError> {
        self.characters += record.seen;
        self.seconds += record.seconds;
        Ok(())
    }
}

/// Says bits per character instead of nats.
fn in_bits(end: EpochEnd<'_, CharLm>) -> Result<(), ObserverError> {
    for (name, value) in &mut end.record.figures {
        if name == "loss" {
            *name = "bits per character".to_owned();
        }
        *value = bits_per_symbol(*value);
    }
    Ok(())
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

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let corpus = Corpus::read(&arguments)?;
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
    let rate = Exponential::new(f64::from(arguments.rate), f64::from(arguments.decay))?;
    let settings = Settings::default()
        .rate(Rate::per_epoch(rate))
        .clip(Clip::Norm(1.0))
        .seed(arguments.seed);
    let params = CharLmParams::init(&spec, arguments.seed)?;
    let mut trainer = Trainer::new(model, params, settings)?;
    let vocabulary = corpus.vocabulary.to_string();
    (trainer.metadata_mut()).insert("vocabulary".to_owned(), vocabulary);

    let mut text = source(&corpus.training, arguments.batch, arguments.steps)?;
    let mut held_back = source(&corpus.validation, 8, 128)?;
    if let Some(path) = &arguments.resume {
        trainer.resume(path, &mut text)?;
        let (step, epoch) = (trainer.steps(), trainer.epochs());
        println!("resumed after step {step}, with {epoch} epochs behind it");
    }
    let mut speed = Speed::default();
    let mut run = Run::<CharLm>::epochs(arguments.epochs)
        .observer(Progress::stderr(arguments.epochs))
        .observer(&mut speed)
        .hook(in_bits);
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
        return Ok(());
    }

    println!("\n{}\n", write(&trainer, &corpus, &arguments)?);
    let nats = trainer.evaluate(&mut held_back)?.unwrap_or_default();
    println!(
        "validation {:.3} bits per character, {:.0} characters per second",
        bits_per_symbol(nats),
        speed.characters as f64 / speed.seconds.max(f64::MIN_POSITIVE)
    );
    Ok(())
}
