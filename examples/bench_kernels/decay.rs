//! States that decay into subnormal numbers, on which a processor computes up to fifty times slower.
//!
//! The recurrent weights are small, the forget gate is at 0.95, and only the first step has an input. With an input of
//! `1e-37` every state is subnormal within a few steps, and stays so for hundreds; with one of ordinary size the same
//! arithmetic has ordinary operands.

use ndarray::{ArrayD, Axis};
use rnn::Tensors;

use crate::case::{Case, Cell, Pass};
use crate::layers::PREFIX;
use crate::work::Fallible;

/// The size of the input that ends in subnormal states.
const NOTHING: f32 = 1e-37;

/// The size of the first input of a case of this kind; `None` for others.
pub(crate) fn scale(case: &Case) -> Fallible<Option<f32>> {
    let scale = match case.pass {
        Pass::Decay => NOTHING,
        Pass::Live => 1.0,
        _ => return Ok(None),
    };
    match case.cell {
        Cell::Lstm | Cell::OwnLstm => Ok(Some(scale)),
        _ => Err(format!("expected pass decay or live of an LSTM, found {case}").into()),
    }
}

/// Makes states decay.
pub(crate) fn prepare(params: &mut impl Tensors, x: &mut ArrayD<f32>, scale: f32) {
    params.visit_mut(
        &mut |name, mut view| match name.trim_start_matches(PREFIX) {
            "b_f" => view.fill(3.0),
            bias if bias.starts_with("b_") => view.fill(0.0),
            recurrent if recurrent.starts_with("U_") => view.mapv_inplace(|weight| 0.1 * weight),
            _ => {}
        },
    );
    for (step, mut x) in x.axis_iter_mut(Axis(0)).enumerate() {
        x.mapv_inplace(|x| if step == 0 { scale * x } else { 0.0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{LstmLayer, LstmLayerParams};
    use ndarray::Array2;
    use rand::RngExt;

    fn sigmoid(x: f32) -> f32 {
        1.0 / (1.0 + (-x).exp())
    }

    // Subnormal numbers among the cells of an LSTM, in ordinary arithmetic, by step.
    fn subnormal(scale: f32, steps: usize) -> Vec<usize> {
        const SIZE: usize = 16;
        let spec = LstmLayer { I: SIZE, H: SIZE };
        let mut params: LstmLayerParams = rnn::init_params(&spec, 42).expect("small");
        let mut rng = rnn::rng::stream(42, "bench", "data");
        let mut x =
            ArrayD::from_shape_simple_fn(vec![steps, 1, SIZE], || rng.random_range(-1.0..1.0));
        prepare(&mut params, &mut x, scale);
        let net = &params.net;
        let (mut c, mut h) = (vec![0.0f32; SIZE], vec![0.0f32; SIZE]);
        let mut counts = Vec::new();
        for step in 0..steps {
            let gate = |w: &Array2<f32>, u: &Array2<f32>, b: f32, at: usize| -> f32 {
                let x = x.index_axis(Axis(0), step);
                let inputs: f32 = (0..SIZE).map(|from| w[[at, from]] * x[[0, from]]).sum();
                let states: f32 = (0..SIZE).map(|from| u[[at, from]] * h[from]).sum();
                inputs + states + b
            };
            let next: Vec<(f32, f32)> = (0..SIZE)
                .map(|at| {
                    let i = sigmoid(gate(&net.W_i, &net.U_i, 0.0, at));
                    let f = sigmoid(gate(&net.W_f, &net.U_f, 3.0, at));
                    let g = gate(&net.W_g, &net.U_g, 0.0, at).tanh();
                    let o = sigmoid(gate(&net.W_o, &net.U_o, 0.0, at));
                    let c = f * c[at] + i * g;
                    (c, o * c.tanh())
                })
                .collect();
            (c, h) = next.into_iter().unzip();
            counts.push(
                c.iter()
                    .chain(&h)
                    .filter(|state| state.is_subnormal())
                    .count(),
            );
        }
        counts
    }

    #[test]
    fn a_decaying_state_is_subnormal_and_a_live_one_is_not() {
        let all = 2 * 16;
        let decaying = subnormal(NOTHING, 100);
        let full = decaying.iter().filter(|count| **count * 10 >= all * 9);
        assert!(full.count() >= 30, "{decaying:?}");
        assert!(subnormal(1.0, 100).iter().all(|count| *count == 0));
    }
}
