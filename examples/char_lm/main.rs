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
use std::time::{Duration, Instant};

use arguments::Arguments;
use clap::Parser;
use corpus::Corpus;
use rnn::cells::Lstm;
use rnn::checkpoint::{TrainingState, load, save};
use rnn::metrics::{Mean, bits_per_symbol};
use rnn::prelude::*;
use rnn::progress::Progress;
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

/// What training works on.
struct Training {
    model: Compiled<CharLm>,
    params: CharLmParams,
    grads: CharLmParams,
    adam: Adam,
}

impl Training {
    /// One pass over the text. Returns nats per character and the time it took.
    fn epoch(
        &mut self,
        text: &mut ContinuousText,
        rate: f32,
        progress: &mut Progress,
    ) -> Result<(f64, Duration), Box<dyn Error>> {
        let start = Instant::now();
        let mut mean = Mean::default();
        let mut state: Option<CharLmState> = None;
        while let Some(chunk) = text.next_chunk() {
            let inputs = CharLmInputs { now: chunk.inputs };
            let mut batch = Batch::new(inputs).lengths(chunk.lengths);
            if let Some(state) = &state {
                batch = batch.state(state);
            }
            let targets = CharLmTargets {
                next: chunk.targets,
            };
            let value = self
                .model
                .loss_and_grad(&self.params, batch, targets, &mut self.grads)?;
            clip_global_norm(&mut self.grads, self.model.param_specs(), 1.0)?;
            self.adam.step(&mut self.params, &self.grads, rate)?;
            state = Some(value.state);
            let nats = f64::from(value.loss);
            mean.add(nats, chunk.lengths.iter().sum::<usize>() as u64);
            progress.step(bits_per_symbol(nats));
        }
        Ok((mean.value().unwrap_or_default(), start.elapsed()))
    }

    /// Nats per character of a text that is not learnt from.
    fn validate(&self, text: &mut ContinuousText) -> Result<f64, Box<dyn Error>> {
        let mut mean = Mean::default();
        let mut state: Option<CharLmState> = None;
        while let Some(chunk) = text.next_chunk() {
            let inputs = CharLmInputs { now: chunk.inputs };
            let mut batch = Batch::new(inputs).lengths(chunk.lengths);
            if let Some(state) = &state {
                batch = batch.state(state);
            }
            let targets = CharLmTargets {
                next: chunk.targets,
            };
            let value = self.model.loss_with_state(&self.params, batch, targets)?;
            state = Some(value.state);
            mean.add(
                f64::from(value.loss),
                chunk.lengths.iter().sum::<usize>() as u64,
            );
        }
        Ok(mean.value().unwrap_or_default())
    }

    /// A passage that starts with `prompt`.
    fn write(&self, corpus: &Corpus, arguments: &Arguments) -> Result<String, Box<dyn Error>> {
        let mut stream = self.model.stream(&self.params)?;
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
    let adam = Adam::new(model.param_specs(), Default::default())?;
    let params = CharLmParams::init(&spec, arguments.seed)?;
    let grads = CharLmParams::zeros(&spec)?;
    let mut training = Training {
        model,
        params,
        grads,
        adam,
    };
    let mut done = 0;
    if let Some(path) = &arguments.resume {
        let state = load(path, &mut training.params)?;
        let saved = state.optimizer.ok_or("the checkpoint holds no optimiser")?;
        training.adam.import(&saved)?;
        done = corpus.check_saved(&state.metadata)?;
        println!("resumed after epoch {done}");
    }

    let mut text = ContinuousText::new(corpus.training.clone(), arguments.batch, arguments.steps)?;
    let mut held_back = ContinuousText::new(corpus.validation.clone(), 8, 128)?;
    let mut progress = Progress::stderr(arguments.epochs).after(done);
    let (mut characters, mut seconds) = (0.0, 0.0);
    let mut validation = training.validate(&mut held_back)?;
    for epoch in done..arguments.epochs {
        progress.start_epoch(text.chunks() as u64);
        let rate = arguments.rate * arguments.decay.powi(i32::try_from(epoch)?);
        let (nats, time) = training.epoch(&mut text, rate, &mut progress)?;
        characters += text.predictions() as f64;
        seconds += time.as_secs_f64();
        validation = training.validate(&mut held_back)?;
        progress.end_epoch(&[
            ("bits per character", bits_per_symbol(nats)),
            ("validation", bits_per_symbol(validation)),
        ]);
        if let Some(path) = &arguments.save {
            let state = TrainingState {
                optimizer: Some(training.adam.export()),
                metadata: corpus.metadata(epoch + 1),
                ..TrainingState::default()
            };
            save(path, &training.params, &state)?;
        }
    }

    println!("\n{}\n", training.write(&corpus, &arguments)?);
    let speed = if seconds > 0.0 {
        characters / seconds
    } else {
        0.0
    };
    println!(
        "validation {:.3} bits per character, {speed:.0} characters per second",
        bits_per_symbol(validation)
    );
    Ok(())
}
