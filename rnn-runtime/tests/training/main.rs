//! Runs of a trainer: interrupted, resumed, stopped, skipped, accumulated; and what they take.

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../compiled/models/mod.rs"]
mod models;

mod accumulate;
mod curriculum;
mod killed;
mod nonfinite;
mod observe;
mod resume;
mod steady;
mod stopping;
mod truncated;

use models::*;
use ndarray::ArrayView2;
use rnn_runtime::optim::OptimizerConfig;
use rnn_runtime::train::{
    AnyError, EpochRecord, Interrupt, Observer, Settings, StepRecord, TextSource, Trainer,
};
use rnn_runtime::{ContinuousText, Options, Reduction, Tensors, compile, init_params};

/// Large enough that two threads share a step.
const MODEL: CharLm = CharLm {
    V: 11,
    E: 16,
    H: 32,
};

type LayOut =
    for<'a> fn(ArrayView2<'a, u32>, ArrayView2<'a, u32>) -> (CharLmInputs<'a>, CharLmTargets<'a>);

fn lay_out<'a>(
    now: ArrayView2<'a, u32>,
    next: ArrayView2<'a, u32>,
) -> (CharLmInputs<'a>, CharLmTargets<'a>) {
    (CharLmInputs { now }, CharLmTargets { next })
}

/// A text in which the next token depends on the two before, now and then on chance.
fn text(tokens: usize, seed: u32) -> Vec<u32> {
    let noise = models::tokens((tokens, 1), 44, seed);
    let mut text = vec![1, 2];
    for t in 2..tokens {
        let chance = noise[[t, 0]];
        text.push(match chance {
            0..11 => chance,
            _ => (text[t - 1] + 3 * text[t - 2]) % 11,
        });
    }
    text
}

fn source(tokens: Vec<u32>, batch: usize, steps: usize) -> TextSource<LayOut> {
    let text = ContinuousText::new(tokens, batch, steps).expect("long enough");
    TextSource::new::<CharLm>(text, lay_out as LayOut)
}

fn trainer_of(
    model: CharLm,
    optimizer: OptimizerConfig,
    options: Options,
    settings: Settings,
) -> Trainer<CharLm> {
    let model =
        compile(model, options.reduction(Reduction::Tokens).reuse(false)).expect("compiles");
    let params = init_params(model.spec(), 3).expect("draws");
    let optimizer = optimizer
        .build(model.param_specs(), &[])
        .expect("valid settings");
    Trainer::with_optimizer(model, params, optimizer, settings).expect("valid settings")
}

fn bits<P: Tensors>(params: &P) -> Vec<u32> {
    let mut bits = Vec::new();
    params.visit(&mut |_, view| bits.extend(view.iter().map(|value| value.to_bits())));
    bits
}

/// Keeps all records, and asks for the end after a step.
#[derive(Debug, Default)]
struct Records {
    steps: Vec<StepRecord>,
    epochs: Vec<EpochRecord>,
    starts: Vec<u64>,
    ends: u64,
    stop_after: Option<u64>,
    interrupt: Interrupt,
}

impl Records {
    fn stopping_after(step: u64) -> Self {
        Self {
            stop_after: Some(step),
            ..Self::default()
        }
    }
}

impl Observer for Records {
    fn start(&mut self, steps: u64) -> Result<(), AnyError> {
        self.starts.push(steps);
        Ok(())
    }

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

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), AnyError> {
        self.epochs.push(EpochRecord {
            seconds: 0.0,
            ..record.clone()
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), AnyError> {
        self.ends += 1;
        Ok(())
    }
}
