//! Compiled code against the interpreter.

use super::drawn::{bound, of_mode, params, surroundings, time_axes, values};
use super::models::Sample;
use ndarray::ArrayD;
use rnn::ir::autodiff::{Wrt, differentiate};
use rnn::ir::graph::ResultKind;
use rnn::ir::interp::{Tensor, evaluate};
use rnn::ir::random::mode::{Mode, has_modes};
use rnn::prelude::*;
use rnn::{OutputViewMut, Tensors};

/// Relative to the largest magnitude of a result: sums of a few dozen terms in f32 (2^-24 each), through recurrences that
/// carry an error over a few steps.
const TOLERANCE: f64 = 2e-5;

fn differs<'f>(
    name: &str,
    expected: &Tensor,
    found: impl IntoIterator<Item = &'f f32>,
) -> Result<(), String> {
    let expected = expected.reals();
    let found: Vec<f64> = found.into_iter().map(|value| f64::from(*value)).collect();
    if expected.len() != found.len() {
        return Err(format!(
            "{name}: {} values, found {}",
            expected.len(),
            found.len()
        ));
    }
    let scale = expected
        .iter()
        .fold(1.0f64, |most, value| most.max(value.abs()));
    for (at, (expected, found)) in expected.iter().zip(&found).enumerate() {
        // A NaN is a difference.
        let close = (expected - found).abs() <= TOLERANCE * scale;
        if !close {
            return Err(format!("{name}[{at}]: expected {expected}, found {found}"));
        }
    }
    Ok(())
}

/// The outputs that are numbers, by name.
pub(crate) fn outputs_of<O: Outputs>(mut outputs: O) -> Vec<(String, ArrayD<f32>)> {
    let mut arrays = Vec::new();
    outputs.visit_mut(&mut |name, view| {
        if let OutputViewMut::Real(view) = view {
            arrays.push((name.to_owned(), view.to_owned()));
        }
    });
    arrays
}

/// Runs a compiled model and the interpreter on equal values, with examples of these lengths: outputs, loss, the gradient of every
/// parameter, and what training keeps of the batch.
// One caller per model would have all of them inlined into one function, which takes long to compile.
#[inline(never)]
pub(crate) fn agree<M: Sample>(
    model: &Compiled<M>,
    spec: &M,
    lengths: &[usize],
) -> Result<(), String> {
    let steps = lengths.iter().copied().max().unwrap_or_default();
    let (params, values) = (params(spec, 3), values(spec, steps, lengths.len(), 4));
    let graph = bound(spec);
    let axes = time_axes(&graph);
    let batch = || {
        let batch = Batch::new(M::inputs(&values));
        axes.iter()
            .fold(batch, |batch, (_, axis, _)| batch.lengths_of(axis, lengths))
    };
    let weights = vec![1.0 / lengths.len() as f64; lengths.len()];
    let env = surroundings(spec, &params, &values, lengths)
        .with_input("weight", Tensor::real([lengths.len()], weights));
    let trained = of_mode(spec, Mode::Training);
    let derived = differentiate(&trained, &Wrt::params()).map_err(|error| error.to_string())?;
    let expected = evaluate(&derived, &env).map_err(|error| error.to_string())?;
    let inferred = match has_modes(&graph) {
        true => Some(evaluate(&of_mode(spec, Mode::Inference), &env)),
        false => None,
    };
    let inferred = inferred.transpose().map_err(|error| error.to_string())?;
    let inferred = inferred.as_ref().unwrap_or(&expected);

    let outputs = model
        .forward(&params, batch())
        .map_err(|error| error.to_string())?;
    for (name, found) in outputs_of(outputs) {
        let expected = inferred
            .get(&ResultKind::Output, &name)
            .expect("the same outputs");
        differs(&name, expected, &found)?;
    }
    let mut grads = params.zeros_like();
    let value = model.loss_and_grad(&params, batch(), M::targets(&values), &mut grads);
    let value = value.map_err(|error| error.to_string())?;
    let loss = expected
        .get(&ResultKind::BatchLoss, "loss")
        .expect("a loss");
    differs("loss", loss, &[value.loss])?;
    let mut wrong = Ok(());
    grads.visit(&mut |name, found| {
        if let (Some(expected), Ok(())) = (expected.get(&ResultKind::Gradient, name), &wrong) {
            wrong = differs(&format!("d {name}"), expected, &found);
        }
    });
    wrong?;
    let mut after = params.clone();
    let applied = value.apply_running(&mut after);
    applied.map_err(|error| error.to_string())?;
    let mut wrong = Ok(());
    after.visit(&mut |name, found| {
        if let (Some(expected), Ok(())) = (expected.get(&ResultKind::Running, name), &wrong) {
            wrong = differs(&format!("running {name}"), expected, &found);
        }
    });
    wrong
}
