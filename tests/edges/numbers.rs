//! Every function of the language on every special number, at widths around those of vectors, on all vector instructions: what the
//! interpreter says, rounded to single precision.

use ndarray::{ArrayD, ArrayViewD};
use rnn::ir::autodiff::{Wrt, linearize};
use rnn::ir::bind::bind;
use rnn::ir::graph::{ResultKind, Verified};
use rnn::ir::interp::{Env, Tensor, evaluate};
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::jit::kernels::Isa;
use rnn::prelude::*;
use rnn::{Direction, OutputViewMut, init_params};

rnn! {
    /// Of every element.
    pub model Elements<H> {
        time  t in 1..=T;
        input x[t]: [H];
        exp_x[t] = exp(x[t]);
        ln_x[t] = ln(x[t]);
        sqrt_x[t] = sqrt(x[t]);
        square_x[t] = square(x[t]);
        abs_x[t] = abs(x[t]);
        sign_x[t] = sign(x[t]);
        floor_x[t] = floor(x[t]);
        tanh_x[t] = tanh(x[t]);
        sigmoid_x[t] = sigmoid(x[t]);
        relu_x[t] = relu(x[t]);
        softplus_x[t] = softplus(x[t]);
        softsign_x[t] = softsign(x[t]);
        gelu_x[t] = gelu(x[t]);
        silu_x[t] = silu(x[t]);
        elu_x[t] = elu(x[t]);
        leaky_x[t] = leaky_relu(x[t]);
        hard_sigmoid_x[t] = hard_sigmoid(x[t]);
        hard_tanh_x[t] = hard_tanh(x[t]);
        clamp_x[t] = clamp(x[t], -2, 3);
        pow_x[t] = pow(x[t], 3);
        negative[t] = -x[t];
        inverse[t] = 1 / x[t];
        output exp_x, ln_x, sqrt_x, square_x, abs_x, sign_x, floor_x, tanh_x, sigmoid_x, relu_x, softplus_x, softsign_x, gelu_x, silu_x,
            elu_x, leaky_x, hard_sigmoid_x, hard_tanh_x, clamp_x, pow_x, negative, inverse;
    }

    /// Of two.
    pub model Pairs<H> {
        time  t in 1..=T;
        input x[t], z[t]: [H];
        sum_[t] = x[t] + z[t];
        difference[t] = x[t] - z[t];
        product[t] = x[t] * z[t];
        quotient[t] = x[t] / z[t];
        least[t] = min(x[t], z[t]);
        most[t] = max(x[t], z[t]);
        rest[t] = mod(x[t], z[t]);
        less[t] = x[t] < z[t];
        same[t] = x[t] == z[t];
        other[t] = x[t] != z[t];
        chosen[t] = where(x[t] >= z[t], x[t], 1);
        output sum_, difference, product, quotient, least, most, rest, less, same, other, chosen;
    }

    /// Of vectors, and of all steps.
    pub model Rows<H> {
        time  t in 1..=T;
        input x[t]: [H];
        total[t] = sum(x[t]);
        mean_x[t] = mean(x[t]);
        most[t] = max(x[t]);
        log_total[t] = logsumexp(x[t]);
        share[t] = softmax(x[t]);
        log_share[t] = log_softmax(x[t]);
        place[t] = argmax(x[t]);
        all = sum[t](x[t]);
        all_most = max[t](x[t]);
        all_log = logsumexp[t](x[t]);
        output total, mean_x, most, log_total, share, log_share, place, all, all_most, all_log;
    }
}

const SPECIAL: [f32; 24] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    -2.5,
    3.0,
    17.0,
    -17.0,
    88.0,
    89.5,
    -87.0,
    -104.0,
    1e-6,
    -1e-6,
    1e-30,
    1e30,
    -1e30,
    3e38,
    -3e38,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
];

fn wide(view: ArrayViewD<'_, f32>) -> Tensor {
    let data: Vec<f64> = view.iter().map(|value| f64::from(*value)).collect();
    Tensor::real(view.shape(), data)
}

fn bound<M: Model>(spec: &M) -> Verified {
    bind(&verify(parse(M::IR).unwrap()).unwrap(), &spec.sizes()).unwrap()
}

fn collected<O: Outputs>(mut outputs: O) -> Vec<(String, ArrayD<f32>)> {
    let mut all = Vec::new();
    outputs.visit_mut(&mut |name, view| {
        let array = match view {
            OutputViewMut::Real(view) => view.to_owned(),
            OutputViewMut::Index(view) => view.mapv(|token| token as f32),
        };
        all.push((name.to_owned(), array));
    });
    all
}

/// What single precision makes of a number: beyond its range infinite, below it 0.
fn near(expected: f64, found: f32, tolerance: f64) -> bool {
    if expected.is_nan() {
        return found.is_nan();
    }
    let single = expected as f32;
    if single.is_infinite() || found.is_infinite() {
        // One rounding away from the end of the range.
        let end = f64::from(f32::MAX) * (1.0 - 1e-5);
        return single == found || (expected.abs() > end && f64::from(found).abs() > end);
    }
    let tiny = f64::from(f32::MIN_POSITIVE);
    // What is small is a difference of numbers near one: `e^x - 1`, `1 - y^2`.
    (f64::from(found) - expected).abs() <= tolerance * expected.abs().max(0.05) + tiny
}

fn compare(
    what: &str,
    given: &dyn Fn(usize) -> String,
    expected: &[f64],
    found: &ArrayD<f32>,
    tolerance: f64,
    failures: &mut Vec<String>,
) {
    assert_eq!(expected.len(), found.len(), "{what}");
    for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
        if !near(*expected, *found, tolerance) {
            let line = format!(
                "{what} of {}: expected {expected:e}, found {found:e}",
                given(at)
            );
            failures.push(line);
        }
    }
}

fn reals(tensor: &Tensor) -> Vec<f64> {
    match tensor.dtype() {
        rnn::ir::node::DType::Real => tensor.reals().to_vec(),
        rnn::ir::node::DType::Index => tensor.indices().iter().map(|x| f64::from(*x)).collect(),
        rnn::ir::node::DType::Bool => tensor
            .bools()
            .iter()
            .map(|x| f64::from(u8::from(*x)))
            .collect(),
    }
}

/// A few units in the last place of a function, and of what it is made of.
const TOLERANCE: f64 = 6e-6;

/// Every width has all special numbers in other places of its vectors.
const WIDTHS: [usize; 6] = [1, 3, 16, 17, 24, 50];

// Some of what failed says as much as all of it.
fn report(failures: &[String]) {
    let some = failures.iter().take(60).map(String::as_str);
    let some: Vec<&str> = some.collect();
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        some.join("\n")
    );
}

#[test]
fn functions_of_every_element() {
    let mut failures = Vec::new();
    for isa in Isa::available() {
        for width in WIDTHS {
            let spec = Elements { H: width };
            let model = spec.compile(Options::default().isa(isa)).unwrap();
            let params = init_params(&spec, 1).unwrap();
            let steps = SPECIAL.len();
            let x = Array3::from_shape_fn((steps, 1, width), |(t, _, i)| SPECIAL[(t + i) % steps]);
            let ones = x.mapv(|_| 1.0);
            let inputs = || ElementsInputs { x: x.view() };
            let found = model
                .jvp(&params, inputs(), &Direction::input("x", ones.view()))
                .unwrap();
            let graph = linearize(&bound(&spec), &Wrt::default().and_input("x")).unwrap();
            let env = Env::new(1).with_lengths("T", [steps]);
            let env = env.with_input("x", wide(x.view().into_dyn()));
            let env = env.with_input("v_x", wide(ones.view().into_dyn()));
            let expected = evaluate(&graph, &env).unwrap();
            let at = |at: usize| format!("{:e}", x.as_slice().unwrap()[at]);
            let outputs = model.forward(&params, inputs()).unwrap();
            for (kind, prefix, all) in [
                ("", "", collected(outputs)),
                ("jvp ", "", collected(found.outputs)),
                ("slope of ", "t_", collected(found.tangents)),
            ] {
                for (name, found) in all {
                    let value = expected.get(&ResultKind::Output, &format!("{prefix}{name}"));
                    let what = format!("{} {width}: {kind}{name}", isa.name());
                    let mut value = reals(value.unwrap());
                    let mut found = found;
                    if (kind, name.as_str()) == ("slope of ", "gelu_x") {
                        // Of numbers whose square is beyond single precision there is none.
                        let finite = x.iter().map(|x| (x * x).is_finite() || !x.is_finite());
                        for (finite, (value, found)) in finite.zip(value.iter_mut().zip(&mut found))
                        {
                            if !finite {
                                (*value, *found) = (0.0, 0.0);
                            }
                        }
                    }
                    compare(&what, &at, &value, &found, TOLERANCE, &mut failures);
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn functions_of_two_numbers() {
    let mut failures = Vec::new();
    let count = SPECIAL.len();
    for isa in Isa::available() {
        for width in [1, 24, 31] {
            let spec = Pairs { H: width };
            let model = spec.compile(Options::default().isa(isa)).unwrap();
            let params = init_params(&spec, 1).unwrap();
            let steps = count * count;
            let shape = (steps, 1, width);
            let x = Array3::from_shape_fn(shape, |(t, _, i)| SPECIAL[(t + i) % count]);
            let z = Array3::from_shape_fn(shape, |(t, _, i)| SPECIAL[(t / count + i * 5) % count]);
            let inputs = PairsInputs {
                x: x.view(),
                z: z.view(),
            };
            let found = model.forward(&params, inputs).unwrap();
            let env = Env::new(1).with_lengths("T", [steps]);
            let env = env.with_input("x", wide(x.view().into_dyn()));
            let env = env.with_input("z", wide(z.view().into_dyn()));
            let expected = evaluate(&bound(&spec), &env).unwrap();
            let at = |at: usize| {
                format!(
                    "{:e}, {:e}",
                    x.as_slice().unwrap()[at],
                    z.as_slice().unwrap()[at]
                )
            };
            for (name, mut found) in collected(found) {
                let value = expected.get(&ResultKind::Output, &name);
                let what = format!("{} {width}: {name}", isa.name());
                let mut value = reals(value.unwrap());
                if name == "rest" {
                    // `x - z floor(x / z)` has no digits where the quotient has more than these, or none.
                    let pairs = value.iter_mut().zip(&mut found);
                    for ((value, found), (x, z)) in pairs.zip(x.iter().zip(&z)) {
                        let quotient = (x / z).abs();
                        let digits = quotient < 1e4 && (quotient > 1e-4 || *x == 0.0);
                        if !digits && x.is_finite() && z.is_finite() && *z != 0.0 {
                            (*value, *found) = (0.0, 0.0);
                        }
                    }
                }
                compare(&what, &at, &value, &found, TOLERANCE, &mut failures);
            }
        }
    }
    report(&failures);
}

#[test]
fn functions_of_rows_and_of_all_steps() {
    let mut failures = Vec::new();
    // Rows of tame numbers with one or two special ones among them.
    let count = SPECIAL.len();
    for isa in Isa::available() {
        for width in [1, 2, 16, 19, 40] {
            let spec = Rows { H: width };
            let model = spec.compile(Options::default().isa(isa)).unwrap();
            let params = init_params(&spec, 1).unwrap();
            let x = Array3::from_shape_fn((3, count, width), |(t, b, i)| match (t + b + i) % 5 {
                _ if (i + t) % width == b % width && t != 1 => SPECIAL[b],
                left => left as f32 * 0.25 - 0.5,
            });
            let found = model.forward(&params, RowsInputs { x: x.view() }).unwrap();
            let env = Env::new(count).with_lengths("T", vec![3; count]);
            let env = env.with_input("x", wide(x.view().into_dyn()));
            let expected = evaluate(&bound(&spec), &env).unwrap();
            for (name, found) in collected(found) {
                let value = expected.get(&ResultKind::Output, &name);
                let what = format!("{} {width}: {name}", isa.name());
                let at = |at: usize| format!("element {at}");
                let value = reals(value.unwrap());
                compare(&what, &at, &value, &found, 2e-5, &mut failures);
            }
        }
    }
    report(&failures);
}
