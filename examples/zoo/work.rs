//! One cell: compiled, checked, timed.

use super::Arguments;
use super::agreement::agree;
use super::drawn::{bound, values};
use super::models::Sample;
use rnn::ir::autodiff::{Wrt, differentiate};
use rnn::ir::graph::ResultKind;
use rnn::ir::work::multiply_adds_of;
use rnn::jit::kernels::Isa;
use rnn::jit::peak_gflops;
use rnn::{Compiled, Options, Tensors, compile, init_params};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt;
use std::time::Instant;

/// The names of the columns of [`Measured`].
pub(crate) const HEADER: &str =
    "compile ms   forward us  GFLOP/s  of peak     train us  GFLOP/s  of peak";

/// Lengths of the examples that a cell is checked on.
const CHECKED: [usize; 3] = [5, 2, 7];

/// Of one core, in GFLOP/s.
pub(crate) fn peak() -> f64 {
    peak_gflops(Isa::detect()).unwrap_or(f64::NAN)
}

/// Time and operations of a call.
struct Pass {
    us: f64,
    flops: f64,
    peak: f64,
}

impl Pass {
    fn gflops(&self) -> f64 {
        self.flops / self.us * 1e-3
    }

    fn share(&self) -> f64 {
        self.gflops() / self.peak
    }

    fn row(&self) -> Value {
        json!({ "us": self.us, "gflops": self.gflops(), "peak_share": self.share() })
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * self.share();
        write!(f, "{:12.1} {:8.1} {share:6.1} %", self.us, self.gflops())
    }
}

/// What was measured of a cell.
pub(crate) struct Measured {
    compile_ms: f64,
    forward: Pass,
    train: Pass,
}

impl Measured {
    pub(crate) fn row(&self) -> Value {
        json!({
            "compile_ms": self.compile_ms, "forward": self.forward.row(), "train": self.train.row(),
        })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:10.1} {} {}",
            self.compile_ms, self.forward, self.train
        )
    }
}

/// Checks the small model against the interpreter and times the large one: outputs, and a loss with all gradients.
#[inline(never)]
pub(crate) fn measure<M: Sample>(
    arguments: &Arguments,
    small: M,
    large: M,
) -> Result<Measured, Box<dyn Error>> {
    let options = || Options::default().threads(arguments.threads);
    agree(&compile(small, options())?, &small, &CHECKED)?;

    let start = Instant::now();
    let model: Compiled<M> = compile(large, options())?;
    let compile_ms = start.elapsed().as_secs_f64() * 1e3;
    let params = init_params(&large, 1)?;
    let (steps, batch) = (arguments.steps, arguments.batch);
    let values = values(&large, steps, batch, 2);
    let mut grads = params.zeros_like();
    let graph = bound(&large);
    let derived = differentiate(&graph, &Wrt::params())?;
    let peak = peak() * arguments.threads as f64;

    let forward = Pass {
        us: median_us(arguments.seconds, || {
            model.forward(&params, M::inputs(&values)).map(drop)
        })?,
        flops: 2.0 * multiply_adds_of(&graph, &[ResultKind::Output], steps, batch),
        peak,
    };
    let train = Pass {
        us: median_us(arguments.seconds, || {
            let targets = M::targets(&values);
            let value = model.loss_and_grad(&params, M::inputs(&values), targets, &mut grads);
            value.map(drop)
        })?,
        flops: 2.0
            * multiply_adds_of(
                &derived,
                &[ResultKind::BatchLoss, ResultKind::Gradient],
                steps,
                batch,
            ),
        peak,
    };
    Ok(Measured {
        compile_ms,
        forward,
        train,
    })
}

// The middle of the calls of so many seconds, of three at least; the first is not counted.
fn median_us<E>(seconds: f64, mut call: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    call()?;
    let (start, mut samples) = (Instant::now(), Vec::new());
    while samples.len() < 3 || start.elapsed().as_secs_f64() < seconds {
        let one = Instant::now();
        call()?;
        samples.push(one.elapsed().as_secs_f64() * 1e6);
    }
    samples.sort_unstable_by(f64::total_cmp);
    Ok(samples[samples.len() / 2])
}
