//! Training by [`Trainer`]: PyTorch's curve, and models whose steps draw random numbers.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

use std::path::Path;

use ndarray::{Array2, ArrayView2, ArrayViewMutD};
use rnn::cells::Lstm;
use rnn::optim::{AdamConfig, OptimizerConfig};
use rnn::prelude::*;
use rnn::ragged::{LengthBatches, lengths, pad};
use rnn::schedule::Linear;
use rnn::train::{
    AnyError, Checkpoints, Clip, End, Examples, Interrupt, Observer, Ordered, Rate, Run, Settings,
    Shuffled, Source, SourceError, StepRecord, TextSource, Trainer, TrainingBatch,
};
use rnn::{Batch, ContinuousText, Tensors};
use safetensors::{Dtype, SafeTensors};

rnn! {
    /// Character language model.
    model CharLm<V, E, H> {
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

    /// A decoder that reads its targets or itself, with dropout.
    model Recite<V, E, H> {
        time   t in 1..=T;
        input  x[t]: token<V>;
        target tgt[t]: token<V>;
        param embed: [V, E] ~ normal(0.0, 0.5);
        param W_y:   [V, H] ~ glorot_uniform;
        layer lstm = Lstm<E + E, H>;
        tgt[0]    = 1;
        y[t]      = feedback(tgt[t-1], argmax(logits[t-1]));
        h[t]      = lstm([embed[x[t]], dropout(embed[y[t]], 0.3)]);
        logits[t] = W_y @ h[t];
        output logits;
        loss mean[t](cross_entropy(logits[t], tgt[t]));
    }
}

/// A curve in double precision against one in single: Adam divides by gradients, so differences grow with the steps.
const CURVE_TOLERANCE: f64 = 1e-4;

type LayOut =
    for<'a> fn(ArrayView2<'a, u32>, ArrayView2<'a, u32>) -> (CharLmInputs<'a>, CharLmTargets<'a>);

fn lay_out<'a>(
    now: ArrayView2<'a, u32>,
    next: ArrayView2<'a, u32>,
) -> (CharLmInputs<'a>, CharLmTargets<'a>) {
    (CharLmInputs { now }, CharLmTargets { next })
}

fn reals(file: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let view = file.tensor(name).unwrap();
    let data = view.data();
    match view.dtype() {
        Dtype::F64 => (data.chunks_exact(8))
            .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()))
            .collect(),
        Dtype::F32 => (data.chunks_exact(4))
            .map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap())))
            .collect(),
        Dtype::I32 => (data.chunks_exact(4))
            .map(|bytes| f64::from(i32::from_le_bytes(bytes.try_into().unwrap())))
            .collect(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn the_curve_is_that_of_pytorch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/pytorch/char_lm_curve.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    #[rustfmt::skip]
    let spec = CharLm { V: 30, E: 16, H: 32 };
    let mut params = CharLmParams::zeros(&spec).unwrap();
    let fill = |mut view: ArrayViewMutD<'_, f32>, values: &[f64]| {
        assert_eq!(view.len(), values.len());
        view.iter_mut()
            .zip(values)
            .for_each(|(place, value)| *place = *value as f32);
    };
    params.visit_mut(&mut |name, view| {
        let whole = match name {
            "embed" => Some("embedding.weight"),
            "W_y" => Some("linear.weight"),
            "b_y" => Some("linear.bias"),
            _ => None,
        };
        if let Some(whole) = whole {
            return fill(view, &reals(&file, whole));
        }
        // PyTorch stacks the gates along the rows, as i f g o.
        let (kind, gate) = name.strip_prefix("lstm.").unwrap().split_once('_').unwrap();
        let from = match kind {
            "W" => "lstm.weight_ih_l0",
            "U" => "lstm.weight_hh_l0",
            "b" => "lstm.bias_ih_l0",
            other => panic!("{other}"),
        };
        let block = ["i", "f", "g", "o"].iter().position(|own| *own == gate);
        let start = block.unwrap() * view.len();
        let end = start + view.len();
        fill(view, &reals(&file, from)[start..end]);
    });
    assert!(reals(&file, "lstm.bias_hh_l0").iter().all(|b| *b == 0.0));
    let tokens = reals(&file, "text").into_iter().map(|token| token as u32);
    let text = ContinuousText::new(tokens.collect(), 4, 16).unwrap();
    let mut source = TextSource::new::<CharLm>(text, lay_out as LayOut);
    let model = spec
        .compile(Options::default().reduction(Reduction::Tokens))
        .unwrap();
    let settings = Settings::default()
        .rate(Rate::constant(1e-2))
        .clip(Clip::Norm(0.5));
    let mut trainer = Trainer::new(model, params, settings).unwrap();
    let mut records = Records::default();
    let run = Run::epochs(10).observer(&mut records);
    trainer.fit(&mut source, None, run).unwrap();
    let (losses, norms) = (reals(&file, "loss"), reals(&file, "norm"));
    assert_eq!(records.steps.len(), losses.len());
    assert!(norms.iter().any(|norm| *norm > 0.5) && norms.iter().any(|norm| *norm < 0.5));
    let (mut worst, mut last) = (0.0_f64, 0.0);
    for ((record, loss), norm) in records.steps.iter().zip(&losses).zip(&norms) {
        last = (record.loss / loss - 1.0).abs();
        let of_norm = (record.gradient_norm.unwrap() / norm - 1.0).abs();
        worst = worst.max(last).max(of_norm);
    }
    println!("relative difference at most {worst:.1e}, {last:.1e} of the loss of step 100");
    assert!(worst < CURVE_TOLERANCE, "{worst}");
    assert!(losses[99] < 0.7 * losses[0]);
}

/// Keeps the records, and asks for the end after a step.
#[derive(Default)]
struct Records {
    steps: Vec<StepRecord>,
    stop_after: Option<u64>,
    interrupt: Interrupt,
}

impl Observer for Records {
    fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
        self.steps.push(StepRecord {
            seconds: 0.0,
            ..record.clone()
        });
        if self.stop_after == Some(record.step) {
            self.interrupt.request();
        }
        Ok(())
    }
}

/// Sequences to repeat.
struct Sequences {
    all: Vec<Vec<u32>>,
    batch: Array2<u32>,
    lengths: Vec<usize>,
}

impl Sequences {
    fn new() -> Self {
        let length = |k: usize| 3 + k * 7 % 11;
        let sequence = |k: usize| (0..length(k)).map(|t| ((t * t + k) % 7) as u32).collect();
        Self {
            all: (0..45).map(sequence).collect(),
            batch: Array2::default((0, 0)),
            lengths: Vec::new(),
        }
    }

    fn source(seed: u64) -> Ordered<Self, Shuffled> {
        let own = Self::new();
        let batches = LengthBatches::new(&lengths(&own.all), 6).unwrap();
        Ordered::new(own, Shuffled::new(batches, seed)).unwrap()
    }
}

impl Examples<Recite> for Sequences {
    fn len(&self) -> usize {
        self.all.len()
    }

    fn batch(&mut self, rows: &[usize]) -> Result<TrainingBatch<'_, Recite>, SourceError> {
        let rows: Vec<&[u32]> = rows.iter().map(|row| self.all[*row].as_slice()).collect();
        self.batch = pad(&rows);
        self.lengths = lengths(&rows);
        let inputs = ReciteInputs {
            x: self.batch.view(),
        };
        let targets = ReciteTargets {
            tgt: self.batch.view(),
        };
        let batch = Batch::new(inputs).lengths(&self.lengths);
        Ok(TrainingBatch::new(batch, targets, rows.len() as u64))
    }
}

fn bits<P: Tensors>(params: &P) -> Vec<u32> {
    let mut bits = Vec::new();
    params.visit(&mut |_, view| bits.extend(view.iter().map(|value| value.to_bits())));
    bits
}

fn reciting(seed: u64) -> Trainer<Recite> {
    #[rustfmt::skip]
    let spec = Recite { V: 7, E: 4, H: 6 };
    let model = spec.compile(Options::default()).unwrap();
    let adam = OptimizerConfig::Adam(AdamConfig::decoupled(0.01));
    let adam = adam.build(model.param_specs(), &[]).unwrap();
    let params = ReciteParams::init(&spec, 1).unwrap();
    let settings = Settings::default()
        .rate(Rate::constant(1e-2))
        .clip(Clip::Norm(1.0))
        .sampling(Linear::new(0.9, 0.02, 0.2).unwrap())
        .seed(seed);
    Trainer::with_optimizer(model, params, adam, settings).unwrap()
}

#[test]
fn dropout_scheduled_sampling_and_shuffles_are_those_of_the_run_that_was_not_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let fit = |seed, path: &str, from: Option<&str>, stop_after| {
        let mut trainer = reciting(seed);
        let mut source = Sequences::source(3);
        if let Some(from) = from {
            let from = directory.path().join(from);
            trainer.resume(from, &mut source).unwrap();
        }
        let mut records = Records {
            stop_after,
            ..Records::default()
        };
        let interrupt = records.interrupt.clone();
        let run = Run::epochs(4)
            .observer(&mut records)
            .checkpoints(Checkpoints::file(directory.path().join(path)))
            .interrupt(interrupt);
        let outcome = trainer.fit(&mut source, None, run).unwrap();
        assert_eq!(
            matches!(outcome.end, End::Interrupted),
            stop_after.is_some()
        );
        (records.steps, bits(trainer.params()))
    };
    let (steps, params) = fit(7, "whole", None, None);
    // Eight batches a pass.
    assert_eq!(steps.len(), 32);
    for stop in [3, 8, 21] {
        let (first, _) = fit(7, "parts", None, Some(stop));
        let (rest, resumed) = fit(7, "parts", Some("parts"), None);
        assert_eq!([first, rest].concat(), steps, "stopped after {stop}");
        assert_eq!(resumed, params, "stopped after {stop}");
    }
    let (other, _) = fit(8, "other", None, None);
    assert_ne!(other[0].loss, steps[0].loss);
}

#[test]
fn passes_of_examples_can_be_taken_up_anywhere() {
    let mut source = Sequences::source(3);
    let mut all: Vec<(String, Option<Array2<u32>>)> = Vec::new();
    for _ in 0..20 {
        let place = Source::<Recite>::cursor(&source);
        let batch = Source::<Recite>::next(&mut source).unwrap();
        all.push((place, batch.map(|batch| batch.targets.tgt.to_owned())));
    }
    // Nine places a pass, its end included.
    assert_eq!(all.iter().filter(|(_, batch)| batch.is_none()).count(), 2);
    assert_ne!(all[0].1, all[9].1);
    for (at, (place, _)) in all.iter().enumerate() {
        let mut resumed = Sequences::source(3);
        Source::<Recite>::resume(&mut resumed, place).unwrap();
        for (place, expected) in &all[at..] {
            assert_eq!(&Source::<Recite>::cursor(&resumed), place);
            let batch = Source::<Recite>::next(&mut resumed).unwrap();
            assert_eq!(&batch.map(|batch| batch.targets.tgt.to_owned()), expected);
        }
    }
    let mut other = Sequences::source(3);
    for bad in [
        "",
        "2d/0",
        "2c/0/0/",
        "2d/0/9/",
        "2d/0/0/threshold",
        "x/0/0/",
    ] {
        assert!(Source::<Recite>::resume(&mut other, bad).is_err(), "{bad}");
    }
}
