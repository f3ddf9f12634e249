//! What the equations say: every kind of call, by the interpreter in `f64`.

use super::case::{equations, surroundings};
use super::subject::{Answers, Arrays, Given, Subject};
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use rnn::Reduction;
use rnn::ir::autodiff::{Wrt, differentiate, differentiate_by_states, linearize};
use rnn::ir::graph::{ResultKind, Verified};
use rnn::ir::interp::{Env, Interpreter, Tensor};
use rnn::ir::node::DType;
use rnn::ir::random::mode::Mode;

/// Values by kind and name, as calls return them.
pub(crate) type Expected = std::collections::BTreeMap<String, (Vec<usize>, Vec<f64>)>;

fn reals(tensor: &Tensor) -> Vec<f64> {
    match tensor.dtype() {
        DType::Real => tensor.reals().to_vec(),
        DType::Index => tensor
            .indices()
            .iter()
            .map(|token| f64::from(*token))
            .collect(),
        DType::Bool => tensor
            .bools()
            .iter()
            .map(|truth| f64::from(u8::from(*truth)))
            .collect(),
    }
}

fn evaluated(graph: &Verified, env: &Env, kinds: &[(ResultKind, &str)]) -> Expected {
    let mut interpreter = Interpreter::new(graph, env).expect("given as declared");
    let mut expected = Expected::new();
    for result in &graph.results {
        let Some((_, word)) = kinds.iter().find(|(kind, _)| *kind == result.kind) else {
            continue;
        };
        let value = interpreter.value(result.node).expect("all is given");
        let name = match result.kind {
            ResultKind::BatchLoss => (*word).to_owned(),
            _ => format!("{word} {}", result.name),
        };
        expected.insert(name, (value.dims().to_vec(), reals(&value)));
    }
    expected
}

pub(crate) fn forward(subject: &dyn Subject, given: &Given) -> Expected {
    let graph = equations(subject, Mode::Inference, true);
    let env = surroundings(&graph, given, Reduction::Mean);
    let kinds = [(ResultKind::Output, "output"), (ResultKind::State, "state")];
    evaluated(&graph, &env, &kinds)
}

/// The loss, the gradient of training, states and running parameters.
pub(crate) fn gradient(
    subject: &dyn Subject,
    given: &Given,
    reduction: Reduction,
) -> (Verified, Env, Expected) {
    let graph = equations(subject, Mode::Training, given.own);
    let env = surroundings(&graph, given, reduction);
    let graph = differentiate(&graph, &Wrt::params()).expect("differentiable");
    let kinds = [
        (ResultKind::BatchLoss, "loss"),
        (ResultKind::Gradient, "d"),
        (ResultKind::State, "state"),
        (ResultKind::Running, "running"),
    ];
    let expected = evaluated(&graph, &env, &kinds);
    (graph, env, expected)
}

/// The loss of inference.
pub(crate) fn loss(subject: &dyn Subject, given: &Given, reduction: Reduction) -> Expected {
    let graph = equations(subject, Mode::Inference, given.own);
    let env = surroundings(&graph, given, reduction);
    let graph = differentiate(&graph, &Wrt::default()).expect("differentiable");
    let kinds = [
        (ResultKind::BatchLoss, "loss"),
        (ResultKind::State, "state"),
    ];
    evaluated(&graph, &env, &kinds)
}

/// Inputs of a direction, beside its parameters.
fn wrt(given: &Given, direction: &Arrays) -> Wrt {
    let inputs = direction
        .keys()
        .filter(|name| given.reals.contains_key(*name));
    Wrt {
        params: true,
        inputs: inputs.cloned().collect(),
    }
}

fn with_direction(graph: &Verified, mut env: Env, given: &Given, direction: &Arrays) -> Env {
    for (name, array) in direction {
        let mut view = array.view();
        // Without the steps that no example has.
        if let Some(longest) = given.reals.get(name).and_then(|_| env.inputs.get(name)) {
            let dims = longest.dims().to_vec();
            for (dim, steps) in dims.into_iter().enumerate() {
                view.slice_axis_inplace(Axis(dim), Slice::from(..steps));
            }
        }
        let data: Vec<f64> = view.iter().map(|value| f64::from(*value)).collect();
        env = env.with_input(format!("v_{name}"), Tensor::real(view.shape(), data));
    }
    let _ = graph;
    env
}

/// Outputs and their tangents.
pub(crate) fn jvp(subject: &dyn Subject, given: &Given, direction: &Arrays) -> Expected {
    let graph = equations(subject, Mode::Inference, true);
    let env = surroundings(&graph, given, Reduction::Mean);
    let graph = linearize(&graph, &wrt(given, direction)).expect("differentiable");
    let env = with_direction(&graph, env, given, direction);
    let mut expected = evaluated(&graph, &env, &[(ResultKind::Output, "output")]);
    expected.retain(|name, _| !name.starts_with("output t_state."));
    let tangents: Vec<String> = (expected.keys().filter(|name| name.starts_with("output t_")))
        .cloned()
        .collect();
    for name in tangents {
        let value = expected.remove(&name).expect("just found");
        let of = name.trim_start_matches("output t_");
        if expected.contains_key(&format!("output {of}")) {
            expected.insert(format!("tangent {of}"), value);
        }
    }
    expected
}

/// The loss, and a product of its Hessian by the parameters.
pub(crate) fn hvp(
    subject: &dyn Subject,
    given: &Given,
    direction: &Arrays,
    reduction: Reduction,
) -> Expected {
    let graph = equations(subject, Mode::Inference, false);
    let env = surroundings(&graph, given, reduction);
    let graph = differentiate(&graph, &Wrt::params()).expect("differentiable");
    let graph = linearize(&graph, &Wrt::params()).expect("differentiable");
    let env = with_direction(&graph, env, given, direction);
    let kinds = [
        (ResultKind::BatchLoss, "loss"),
        (ResultKind::Output, "output"),
    ];
    let all = evaluated(&graph, &env, &kinds);
    let products =
        all.into_iter()
            .filter_map(|(name, value)| match name.strip_prefix("output t_d_") {
                Some(of) => Some((format!("H {of}"), value)),
                None => (name == "loss").then_some((name, value)),
            });
    products.collect()
}

/// The loss, and its derivative by inputs.
pub(crate) fn by_inputs(
    subject: &dyn Subject,
    given: &Given,
    inputs: &[&str],
    reduction: Reduction,
) -> Expected {
    let graph = equations(subject, Mode::Inference, false);
    let env = surroundings(&graph, given, reduction);
    let wrt = Wrt {
        params: false,
        inputs: inputs.iter().map(|name| (*name).to_owned()).collect(),
    };
    let graph = differentiate(&graph, &wrt).expect("differentiable");
    let kinds = [(ResultKind::BatchLoss, "loss"), (ResultKind::Gradient, "d")];
    evaluated(&graph, &env, &kinds)
}

/// The loss, and its derivative by carried states.
pub(crate) fn by_states(subject: &dyn Subject, given: &Given, reduction: Reduction) -> Expected {
    let graph = equations(subject, Mode::Inference, false);
    let env = surroundings(&graph, given, reduction);
    let graph = differentiate_by_states(&graph).expect("differentiable");
    let kinds = [
        (ResultKind::BatchLoss, "loss"),
        (ResultKind::Gradient, "by"),
    ];
    evaluated(&graph, &env, &kinds)
}

/// Relative to the largest magnitude among the results of its kind: sums of a few dozen products in f32 (2^-24 each), through
/// recurrences over some steps.
pub(crate) const TOLERANCE: f64 = 5e-5;

/// The largest magnitude of results whose terms cancel, as a slope that is 0.
const FLOOR: f64 = 0.1;

/// An output in which no example has a part is that of the first, at the steps of that.
fn of_the_first(
    name: &str,
    (dims, values): (&[usize], &[f64]),
    found: &ArrayD<f32>,
) -> Result<usize, String> {
    let batch = dims[1];
    for (t, found) in found.iter().enumerate().take(dims[0]) {
        let expected = values[t * batch];
        if expected != 0.0 && (expected - f64::from(*found)).abs() > TOLERANCE {
            return Err(format!("{name}[{t}]: expected {expected}, found {found}"));
        }
    }
    Ok(dims[0])
}

/// Compares what a call returns with what it should.
pub(crate) fn agree(expected: &Expected, found: &Answers, tolerance: f64) -> Result<usize, String> {
    let word = |name: &str| name.split(' ').next().unwrap_or_default().to_owned();
    let mut compared = 0;
    for (name, (dims, values)) in expected {
        let Some(array) = found.get(name) else {
            // Inference does not compute states that only a target leads to.
            continue;
        };
        if array.ndim() + 1 == dims.len() {
            compared += of_the_first(name, (dims, values), array)?;
            continue;
        }
        // Steps that no example has are zeros.
        let inside = cut(array, dims)
            .ok_or_else(|| format!("{name}: expected dims {dims:?}, found {:?}", array.shape()))?;
        let of_kind = expected
            .iter()
            .filter(|(other, _)| word(other) == word(name));
        let all = of_kind.flat_map(|(_, (_, values))| values.iter());
        let scale = all.fold(FLOOR, |most, value| most.max(value.abs()));
        for (at, (expected, found)) in values.iter().zip(&inside).enumerate() {
            let found = f64::from(*found);
            let same = *expected == found || (expected.is_nan() && found.is_nan());
            // A NaN is a difference.
            let close = (expected - found).abs() <= tolerance * scale;
            if !same && !close {
                return Err(format!(
                    "{name}[{at}] of {dims:?}: expected {expected}, found {found}"
                ));
            }
            compared += 1;
        }
        let outside: f64 = array
            .iter()
            .map(|value| f64::from(*value).abs())
            .sum::<f64>()
            - inside
                .iter()
                .map(|value| f64::from(*value).abs())
                .sum::<f64>();
        if array.len() != inside.len() && outside.is_finite() && outside.abs() > 1e-3 * scale {
            return Err(format!("{name}: not zero past all lengths"));
        }
    }
    Ok(compared)
}

fn cut(array: &ArrayD<f32>, dims: &[usize]) -> Option<ArrayD<f32>> {
    if array.ndim() != dims.len() {
        return None;
    }
    let mut view = array.view();
    for (dim, steps) in dims.iter().enumerate() {
        if view.shape()[dim] < *steps {
            return None;
        }
        view.slice_axis_inplace(Axis(dim), Slice::from(..*steps));
    }
    Some(view.to_owned())
}

/// The first result of which two calls differ in a bit.
pub(crate) fn same_bits(one: &Answers, other: &Answers) -> Result<(), String> {
    for (name, array) in one {
        let Some(other) = other.get(name) else {
            return Err(format!("{name}: is in one call alone"));
        };
        if array.shape() != other.shape() {
            return Err(format!(
                "{name}: {:?} and {:?}",
                array.shape(),
                other.shape()
            ));
        }
        for (at, (a, b)) in array.iter().zip(other).enumerate() {
            // Zeros of either sign are alike.
            if a != b && a.to_bits() != b.to_bits() {
                return Err(format!("{name}[{at}]: {a:e} and {b:e}"));
            }
        }
    }
    Ok(())
}

/// The sum of products over arrays of the same names.
pub(crate) fn product(answers: &Answers, word: &str, direction: &Arrays) -> f64 {
    let mut sum = 0.0;
    for (name, along) in direction {
        if let Some(own) = answers.get(&format!("{word} {name}")) {
            let pairs = own.iter().zip(along);
            sum += pairs
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum::<f64>();
        }
    }
    sum
}

/// An array of one number.
pub(crate) fn number(answers: &Answers, name: &str) -> f64 {
    let array: &ArrayD<f32> = &answers[name];
    f64::from(array[IxDyn(&[])])
}
