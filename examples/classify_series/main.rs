//! Classes of series of unequal length, by a bidirectional GRU whose states are pooled by attention.
//!
//! ```text
//! cargo run --release --example classify_series
//! cargo run --release --example classify_series -- --data FOLDER
//! ```
//!
//! Without `--data` it tells six kinds of noisy waveforms apart, which begin and end anywhere in silence. A folder holds a training
//! and a test file in the `.ts` format of the UEA and UCR archives, such as `JapaneseVowels_TRAIN.ts` and
//! `JapaneseVowels_TEST.ts` (Kudo, Toyama & Shimbo 1999). With the default
//! settings 95.8 % of the test waveforms are told right, and 97.3 % of the 370 test series of the vowels; with
//! `--epochs 60 --noise 0.3` it is 98.1 % to 98.7 % of the latter, for four seeds.

mod arguments;
mod series;

use std::error::Error;

use arguments::Arguments;
use clap::Parser;
use rand::Rng;
use rand::RngExt;
use rnn::cells::Gru;
use rnn::data::LabelledSeries;
use rnn::metrics::{Accuracy, Mean};
use rnn::optim::AdamConfig;
use rnn::prelude::*;
use rnn::progress::Progress;
use rnn::ragged::{LengthBatches, pad_rows};
use rnn::rng;
use rnn::schedule::{Cosine, Schedule};
use series::Data;

rnn! {
    /// The class of a series: a mean of the states in both directions, weighted by how much each step has to say.
    pub model Classify<I, H, A, C> {
        time   t in 1..=T;
        input  x[t]: [I];
        target class: token<C>;

        param W_a: [A, 2*H] ~ glorot_uniform;
        param b_a: [A]      = 0;
        param v_a: [A]      ~ normal(0.0, 0.1);
        param W_y: [C, 2*H] ~ glorot_uniform;
        param b_y: [C]      = 0;
        layer gru = bi(Gru<I, H>);

        h[t]   = gru(x[t]);
        a[t]   = softmax[t](v_a @ tanh(W_a @ h[t] + b_a));
        c      = sum[t](a[t] * h[t]);
        logits = W_y @ c + b_y;

        output logits, a;
        loss   cross_entropy(logits, class);
    }
}

/// Some of the series, as a call takes them.
struct Batched {
    x: Array3<f32>,
    class: Array1<u32>,
    lengths: Vec<usize>,
}

impl Batched {
    fn of(examples: &[LabelledSeries], rows: &[usize]) -> Result<Self, Box<dyn Error>> {
        let own = || rows.iter().map(|row| &examples[*row]);
        let views: Vec<_> = own().map(|example| example.series.view()).collect();
        Ok(Self {
            x: pad_rows(&views)?,
            class: own().map(|example| example.class).collect(),
            lengths: own().map(|example| example.series.nrows()).collect(),
        })
    }

    /// Adds normal noise (Box & Muller 1958) to what the model reads.
    fn disturb(&mut self, deviation: f32, rng: &mut impl Rng) {
        self.x.mapv_inplace(|value| {
            let (u, v): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
            value + deviation * (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
        });
    }
}

fn batches(examples: &[LabelledSeries], batch: usize) -> Result<LengthBatches, Box<dyn Error>> {
    let lengths: Vec<usize> = (examples.iter())
        .map(|example| example.series.nrows())
        .collect();
    Ok(LengthBatches::new(&lengths, batch)?)
}

/// Share of the test series whose class is found.
fn run(arguments: &Arguments) -> Result<Accuracy, Box<dyn Error>> {
    let data = Data::open(arguments)?;
    println!(
        "{} series of {} channels to train on, {} to test on, classes {}",
        data.training.len(),
        data.channels,
        data.test.len(),
        data.classes.join(", ")
    );
    let spec = Classify {
        I: data.channels,
        H: arguments.hidden,
        A: arguments.hidden,
        C: data.classes.len(),
    };
    let model = spec.compile(Options::default())?;
    let mut params = ClassifyParams::init(&spec, arguments.seed)?;
    let mut grads = ClassifyParams::zeros(&spec)?;
    let mut adam = Adam::new(model.param_specs(), AdamConfig::decoupled(arguments.decay))?;
    let (training, testing) = (
        batches(&data.training, arguments.batch)?,
        batches(&data.test, 64)?,
    );
    let rate = f64::from(arguments.rate);
    let rates = Cosine::new(rate, rate / 100.0, arguments.epochs.max(1))?;
    let mut order = rng::stream(arguments.seed, "order", "");
    let mut noise = rng::stream(arguments.seed, "noise", "");
    let mut progress = Progress::stderr(arguments.epochs);
    let mut accuracy = Accuracy::default();
    for epoch in 0..arguments.epochs {
        progress.start_epoch(training.len() as u64);
        let mut mean = Mean::default();
        for rows in training.shuffled(&mut order) {
            let mut batch = Batched::of(&data.training, &rows)?;
            batch.disturb(arguments.noise, &mut noise);
            let inputs = ClassifyInputs { x: batch.x.view() }.lengths(&batch.lengths);
            let targets = ClassifyTargets {
                class: batch.class.view(),
            };
            let value = model.loss_and_grad(&params, inputs, targets, &mut grads)?;
            clip_global_norm(&mut grads, model.param_specs(), 1.0)?;
            adam.step(&mut params, &grads, rates.at(epoch))?;
            progress.step(f64::from(value.loss));
            mean.add(f64::from(value.loss), rows.len() as u64);
        }
        accuracy = Accuracy::default();
        for rows in testing.in_order() {
            let batch = Batched::of(&data.test, &rows)?;
            let inputs = ClassifyInputs { x: batch.x.view() }.lengths(&batch.lengths);
            let logits = model.forward(&params, inputs)?.logits;
            for (logits, class) in logits.outer_iter().zip(&batch.class) {
                accuracy.add(logits.iter().copied(), *class);
            }
        }
        progress.end_epoch(&[
            ("loss", mean.value().unwrap_or_default()),
            ("test accuracy", accuracy.value().unwrap_or_default()),
        ]);
    }
    Ok(accuracy)
}

fn main() -> Result<(), Box<dyn Error>> {
    let accuracy = run(&Arguments::parse())?;
    println!(
        "test accuracy {:.2} %, {} of {} series",
        100.0 * accuracy.value().unwrap_or_default(),
        accuracy.correct,
        accuracy.total
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test fails where something is missing"
    )]

    use super::*;

    #[test]
    fn a_few_epochs_tell_most_waveforms_apart() {
        let arguments = Arguments::parse_from(
            "classify_series --waveforms 120 --hidden 12 --epochs 12 --batch 12 --rate 0.02 --noise 0.1"
                .split(' '),
        );
        let share = run(&arguments).unwrap().value().unwrap();
        // One in six by chance; 60 series.
        assert!(share > 0.5, "{share}");
    }
}
