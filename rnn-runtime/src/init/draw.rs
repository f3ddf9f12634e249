//! Fills tensors from an [`Init`].
//!
//! Draws are made in `f64`, in row-major order, and rounded once to `f32`. Uniform draws use 53 random bits; normal
//! draws use the ziggurat method of `rand_distr`.
//!
//! **Invariant:** the value of a tensor is a function of (seed, name, shape, init) alone.

use ndarray::{ArrayD, ArrayViewMutD, IxDyn};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::scheme::Init;
use super::spectrum::{orthonormalise, spectral_radius};
use crate::error::InitError;
use crate::rng::stream;
use crate::tensors::{ParamSpec, Tensors, check_specs};

/// Purpose part of the stream key.
const PURPOSE: &str = "init";

/// Draws every tensor of `params` from `specs` and `seed`, trained or not.
///
/// # Errors
/// [`InitError::Params`] when `params` and `specs` differ in names or shapes, otherwise as [`draw`]. `params` are
/// unchanged on error.
pub fn initialize<P: Tensors>(
    params: &mut P,
    specs: &[ParamSpec],
    seed: u64,
) -> Result<(), InitError> {
    check_specs(params, specs)?;
    let drawn: Vec<Vec<f32>> = specs
        .iter()
        .map(|spec| draw_values(&spec.init, &spec.name, &spec.shape, seed))
        .collect::<Result<_, _>>()?;
    let mut drawn = drawn.into_iter();
    params.visit_mut(&mut |_, view| {
        if let Some(values) = drawn.next() {
            assign(view, &values);
        }
    });
    Ok(())
}

/// Draws one tensor called `name`.
///
/// ```
/// use rnn_runtime::init::{Init, draw};
///
/// let u = draw(&Init::Orthogonal { gain: 1.0 }, "lstm.U_i", &[8, 8], 42)?;
/// assert_eq!(u.shape(), [8, 8]);
/// # Ok::<(), rnn_runtime::error::InitError>(())
/// ```
///
/// # Errors
/// [`InitError`] when the initialiser does not fit the shape, an argument is out of range, or the size overflows.
pub fn draw(init: &Init, name: &str, shape: &[usize], seed: u64) -> Result<ArrayD<f32>, InitError> {
    let values = draw_values(init, name, shape, seed)?;
    Ok(ArrayD::from_shape_vec(IxDyn(shape), values)
        .unwrap_or_else(|_| unreachable!("as many values as the shape has")))
}

fn assign(mut view: ArrayViewMutD<'_, f32>, values: &[f32]) {
    for (place, &value) in view.iter_mut().zip(values) {
        *place = value;
    }
}

/// Row-major values of one tensor.
fn draw_values(init: &Init, name: &str, shape: &[usize], seed: u64) -> Result<Vec<f32>, InitError> {
    init.check()?;
    let too_large = || InitError::TooLarge {
        name: name.to_owned(),
        shape: shape.to_vec(),
    };
    let count = shape
        .iter()
        .try_fold(1_usize, |count, &size| count.checked_mul(size))
        .ok_or_else(too_large)?;
    if count > isize::MAX as usize / size_of::<f64>() {
        return Err(too_large());
    }
    let mut rng = stream(seed, PURPOSE, name);
    let values = match *init {
        Init::Zeros => vec![0.0; count],
        Init::Constant(value) => vec![value; count],
        Init::Uniform { low, high } => uniform(&mut rng, count, low, high),
        Init::Normal { mean, std } => normal(&mut rng, count, mean, std),
        Init::GlorotUniform | Init::GlorotNormal | Init::HeUniform | Init::HeNormal => {
            let (fan_in, fan_out) = fans(init, name, shape)?;
            let variance = match init {
                Init::GlorotUniform | Init::GlorotNormal => 2.0 / (fan_in + fan_out),
                _ => 2.0 / fan_in,
            };
            match init {
                Init::GlorotUniform | Init::HeUniform => {
                    symmetric(&mut rng, count, (3.0 * variance).sqrt())
                }
                _ => normal(&mut rng, count, 0.0, variance.sqrt()),
            }
        }
        Init::LecunUniform => symmetric(&mut rng, count, fans(init, name, shape)?.0.sqrt().recip()),
        Init::LecunNormal => normal(
            &mut rng,
            count,
            0.0,
            fans(init, name, shape)?.0.sqrt().recip(),
        ),
        Init::Orthogonal { gain } => {
            let [m, n] = matrix(init, name, shape)?;
            let mut values = orthonormalise(&normal(&mut rng, count, 0.0, 1.0), m, n);
            values.iter_mut().for_each(|value| *value *= gain);
            values
        }
        Init::Identity { gain } => {
            let [_, n] = matrix(init, name, shape)?;
            diagonal(count, n, gain)
        }
        Init::IdentityNoise { epsilon } => {
            let [_, n] = matrix(init, name, shape)?;
            let noise = normal(&mut rng, count, 0.0, epsilon);
            diagonal(count, n, 1.0)
                .into_iter()
                .zip(noise)
                .map(|(one, noise)| one + noise)
                .collect()
        }
        Init::Ring { low, high } => {
            let squares = uniform(&mut rng, count, low * low, high * high);
            let exponent = |square: f64| (-0.5 * square.ln()).ln();
            squares.into_iter().map(exponent).collect()
        }
        Init::SigmoidRoot { low, high, power } => {
            let root = |value: f64| value.powf(power.recip());
            let logit = |value: f64| (value / (1.0 - value)).ln();
            let values = uniform(&mut rng, count, low, high);
            values.into_iter().map(|value| logit(root(value))).collect()
        }
        Init::SpectralRadius { radius } => {
            let needs = "a square matrix [n, n]";
            let &[m, n] = shape else {
                return Err(misfit(init, name, shape, needs));
            };
            if m != n {
                return Err(misfit(init, name, shape, needs));
            }
            of_radius(normal(&mut rng, count, 0.0, 1.0), n, radius, name)?
        }
    };
    Ok(values.into_iter().map(|value| value as f32).collect())
}

/// Fan-in and fan-out, at least 1 each so that empty tensors divide by no zero.
fn fans(init: &Init, name: &str, shape: &[usize]) -> Result<(f64, f64), InitError> {
    let (fan_in, fan_out) = match *shape {
        [n] => (n, 1),
        [m, n] => (n, m),
        _ => return Err(misfit(init, name, shape, "a matrix [m, n] or a vector [n]")),
    };
    Ok((fan_in.max(1) as f64, fan_out.max(1) as f64))
}

fn matrix(init: &Init, name: &str, shape: &[usize]) -> Result<[usize; 2], InitError> {
    shape
        .try_into()
        .map_err(|_| misfit(init, name, shape, "a matrix [m, n]"))
}

fn misfit(init: &Init, name: &str, shape: &[usize], needs: &'static str) -> InitError {
    InitError::Shape {
        name: name.to_owned(),
        init: init.to_string(),
        needs,
        shape: shape.to_vec(),
    }
}

fn uniform(rng: &mut ChaCha8Rng, count: usize, low: f64, high: f64) -> Vec<f64> {
    (0..count)
        .map(|_| low + (high - low) * rng.random::<f64>())
        .collect()
}

fn symmetric(rng: &mut ChaCha8Rng, count: usize, bound: f64) -> Vec<f64> {
    uniform(rng, count, -bound, bound)
}

fn normal(rng: &mut ChaCha8Rng, count: usize, mean: f64, std: f64) -> Vec<f64> {
    (0..count)
        .map(|_| mean + std * rng.sample::<f64, _>(StandardNormal))
        .collect()
}

fn diagonal(count: usize, n: usize, value: f64) -> Vec<f64> {
    let mut values = vec![0.0; count];
    values
        .iter_mut()
        .step_by(n + 1)
        .take(n)
        .for_each(|entry| *entry = value);
    values
}

// A square matrix times what gives it a spectral radius.
fn of_radius(
    mut values: Vec<f64>,
    n: usize,
    radius: f64,
    name: &str,
) -> Result<Vec<f64>, InitError> {
    if n > 0 {
        let found = spectral_radius(&values, n);
        if !(found.is_finite() && found > 0.0) {
            return Err(InitError::Spectrum {
                name: name.to_owned(),
                radius: found,
            });
        }
        values.iter_mut().for_each(|value| *value *= radius / found);
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
