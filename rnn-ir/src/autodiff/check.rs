//! Gradients against central finite differences, in `f64`: the second oracle.
//!
//! The difference quotient `(f(x + h) - f(x - h)) / 2h` misses the derivative by `h^2 |f'''| / 6` and by the rounding of
//! `f`, about `n eps |f| / h` for a value that takes `n` roundings. Both are smallest together near `h = eps^(1/3)`,
//! 6e-6, where each is of the order of `eps^(2/3)`, 4e-11, times `|f'''|` and `n |f|`. With a hundred for both factors
//! the quotient is good to about 4e-9: [`ATOL`]`= 1e-8` relative to `max(1, |f|)`, and [`RTOL`]` = 1e-5` of the
//! derivative for those larger than it. A wrong formula misses by far more.
//!
//! **Invariant:** the gradient that is checked comes from the graph, the difference from evaluating its batch loss alone.

use crate::autodiff::{DiffError, WEIGHT, Wrt, differentiate};
use crate::generate::Draw;
use crate::graph::{ResultKind, Verified};
use crate::interp::{Env, EvalError, Interpreter, Tensor};
use crate::op::{Op, Role};
use crate::rewrite::rebuild;
use crate::verify::verify;

/// The relative tolerance.
pub const RTOL: f64 = 1e-5;

/// The absolute tolerance, for a loss of the order of one.
pub const ATOL: f64 = 1e-8;

/// The step, for a value of the order of one: the cube root of the distance from 1 to the next number.
pub const STEP: f64 = 6.055_454_452_393_343e-6;

/// Why a gradient was not found right.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CheckError {
    /// The model cannot be differentiated.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// The model cannot be evaluated.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// The graph has no batch loss, or none of its gradients is of something given.
    #[error("`{model}` has no {missing}")]
    Missing {
        /// The model.
        model: String,
        /// What it lacks.
        missing: String,
    },
    /// An element of a gradient differs from the difference quotient.
    #[error("d loss / d {name}[{element}]: expected {expected:e}, found {found:e}")]
    Element {
        /// The parameter or input.
        name: String,
        /// The element, counted over its dims.
        element: usize,
        /// The difference quotient.
        expected: f64,
        /// The gradient.
        found: f64,
    },
    /// The derivative along a direction differs from the difference quotient.
    #[error("d loss along direction {seed}: expected {expected:e}, found {found:e}")]
    Direction {
        /// The seed of the direction.
        seed: u64,
        /// The difference quotient.
        expected: f64,
        /// The gradient, contracted with the direction.
        found: f64,
    },
}

/// Differentiates a model and checks every element of its gradients. Examples without a given weight get different
/// ones. Answers how many elements were checked.
///
/// # Errors
/// The first element that is wrong.
pub fn check_model(model: &Verified, env: &Env, wrt: &Wrt) -> Result<usize, CheckError> {
    let graph = differentiate(model, wrt)?;
    check_elements(&graph, &with_weights(&graph, env))
}

/// Checks every element of the gradients that a graph with a batch loss has. Answers how many.
///
/// # Errors
/// The first element that is wrong.
pub fn check_elements(graph: &Verified, env: &Env) -> Result<usize, CheckError> {
    let mut checked = 0;
    let (loss, gradients) = evaluate(graph, env)?;
    let (graph, env) = &hold_stopped(graph, env)?;
    for (name, gradient) in gradients {
        for element in 0..gradient.len() {
            let at = given(graph, &mut env.clone(), &name)?[element];
            let step = STEP * at.abs().max(1.0);
            let moved = |by: f64| -> Result<f64, CheckError> {
                let mut env = env.clone();
                given(graph, &mut env, &name)?[element] = at + by;
                batch_loss(graph, &env)
            };
            let expected = (moved(step)? - moved(-step)?) / (2.0 * step);
            let found = gradient.reals()[element];
            if !is_close(found, expected, loss) {
                return Err(CheckError::Element {
                    name,
                    element,
                    expected,
                    found,
                });
            }
            checked += 1;
        }
    }
    Ok(checked)
}

/// Checks the derivative along a random direction of unit length through all that a graph has gradients of.
///
/// # Errors
/// The derivative is wrong.
pub fn check_direction(graph: &Verified, env: &Env, seed: u64) -> Result<(), CheckError> {
    let mut draw = Draw::new(seed);
    let (loss, gradients) = evaluate(graph, env)?;
    let (graph, env) = &hold_stopped(graph, env)?;
    let mut directions: Vec<Vec<f64>> = gradients
        .iter()
        .map(|(_, gradient)| draw.reals(gradient.len(), -1.0, 1.0))
        .collect();
    // Of unit length, so that a step moves a model of many parameters no further than one of few.
    let squares = directions.iter().flatten().map(|x| x * x);
    let norm = squares.sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    directions.iter_mut().flatten().for_each(|x| *x /= norm);
    let moved = |by: f64| -> Result<f64, CheckError> {
        let mut env = env.clone();
        for ((name, _), direction) in gradients.iter().zip(&directions) {
            let values = given(graph, &mut env, name)?;
            for (value, along) in values.iter_mut().zip(direction) {
                *value += by * along;
            }
        }
        batch_loss(graph, &env)
    };
    let expected = (moved(STEP)? - moved(-STEP)?) / (2.0 * STEP);
    let pairs = gradients.iter().zip(&directions);
    let found = pairs
        .flat_map(|((_, gradient), direction)| gradient.reals().iter().zip(direction))
        .map(|(gradient, along)| gradient * along)
        .sum();
    if is_close(found, expected, loss) {
        Ok(())
    } else {
        Err(CheckError::Direction {
            seed,
            expected,
            found,
        })
    }
}

/// With a different weight for each example, where a graph asks for weights that are not given.
pub fn with_weights(graph: &Verified, env: &Env) -> Env {
    let mut env = env.clone();
    for (_, name, role) in graph.inputs() {
        if role == Role::Weight && !env.inputs.contains_key(name) {
            debug_assert!(name.starts_with(WEIGHT));
            let weights: Vec<f64> = (0..env.batch).map(|i| 1.0 + 0.25 * i as f64).collect();
            let weights = Tensor::real([env.batch], weights);
            env.inputs.insert(name.to_owned(), weights);
        }
    }
    env
}

// A graph whose stopped values are inputs, and surroundings that give them the values they have: a difference quotient
// does not see through them either.
fn hold_stopped(graph: &Verified, env: &Env) -> Result<(Verified, Env), CheckError> {
    let mut interpreter = Interpreter::new(graph, env)?;
    let mut held = env.clone();
    for (id, node) in graph.nodes.iter() {
        if matches!(node.op, Op::StopGradient(_)) {
            let value = interpreter.value(id)?;
            held.inputs.insert(format!("stopped {id}"), value);
        }
    }
    let rebuilt = rebuild(graph, |r, id| {
        let node = &r.old.nodes[id];
        match node.op {
            Op::StopGradient(_) => {
                r.new
                    .input(format!("stopped {id}"), Role::Input, node.ty.clone())
            }
            _ => r.keep(id),
        }
    });
    let rebuilt = rebuilt.map_err(DiffError::Type)?;
    let rebuilt = verify(rebuilt).map_err(|violations| DiffError::Invalid { violations })?;
    Ok((rebuilt, held))
}

fn is_close(found: f64, expected: f64, loss: f64) -> bool {
    let tolerance = RTOL * found.abs().max(expected.abs()) + ATOL * loss.abs().max(1.0);
    (found - expected).abs() <= tolerance
}

fn missing(graph: &Verified, missing: impl Into<String>) -> CheckError {
    CheckError::Missing {
        model: graph.name.clone(),
        missing: missing.into(),
    }
}

fn batch_loss(graph: &Verified, env: &Env) -> Result<f64, CheckError> {
    let loss = graph
        .results_of(ResultKind::BatchLoss)
        .next()
        .ok_or_else(|| missing(graph, "batch loss"))?;
    Ok(Interpreter::new(graph, env)?.value(loss.node)?.reals()[0])
}

type Gradients = Vec<(String, Tensor)>;

fn evaluate(graph: &Verified, env: &Env) -> Result<(f64, Gradients), CheckError> {
    let loss = batch_loss(graph, env)?;
    let mut interpreter = Interpreter::new(graph, env)?;
    let mut gradients = Vec::new();
    for result in graph.results_of(ResultKind::Gradient) {
        gradients.push((result.name.clone(), interpreter.value(result.node)?));
    }
    if gradients.is_empty() {
        return Err(missing(graph, "gradient"));
    }
    Ok((loss, gradients))
}

// The elements of the parameter or input of a name.
fn given<'e>(graph: &Verified, env: &'e mut Env, name: &str) -> Result<&'e mut [f64], CheckError> {
    let value = match env.params.get_mut(name) {
        Some(value) => Some(value),
        None => env.inputs.get_mut(name),
    };
    value
        .map(Tensor::reals_mut)
        .ok_or_else(|| missing(graph, format!("value for `{name}`")))
}
