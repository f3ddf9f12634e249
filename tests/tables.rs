//! Recurrences over the cells of a table, with values outside its rows, its columns and its corner: what they compute is held
//! against the definitions, and their gradients against differences.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use ndarray::Array4;
use rnn::ir::autodiff::Wrt;
use rnn::ir::autodiff::check::check_model;
use rnn::ir::bind::bind;
use rnn::ir::interp::{Env, Tensor};
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::prelude::*;

rnn! {
    /// How many symbols have to be changed, put in or taken out (Wagner & Fischer 1974).
    model EditDistance<V> {
        time  i in 1..=I;
        time  j in 1..=J;
        input a[i]: token<V>;
        input b[j]: token<V>;

        D[i, j] = min(min(D[i-1, j], D[i, j-1]) + 1, D[i-1, j-1] + where(a[i] == b[j], 0, 1));
        D[0, 0] = 0;
        D[i, 0] = i;
        D[0, j] = D[0, j-1] + 1;
        distance = D[I, J];
        first = D[0, 0] + D[0, 1] + D[1, 0];

        output distance, first;
    }

    /// How far apart two series are after the best warping of time, softly: the least of three sums is `-ln(sum(exp(-x)))`
    /// (Cuturi & Blondel 2017, eq. 1 and alg. 1). Outside the table nothing is reached but its corner.
    model SoftDtw<F, H> {
        time  i in 1..=I;
        time  j in 1..=J;
        input x[i]: [F];
        input y[j]: [F];
        param W: [H, F] ~ glorot_uniform;
        param start: [] = 0.5;

        cost[i, j] = squared_error(W @ x[i], W @ y[j]);
        R[i, j] = cost[i, j] - logsumexp([-R[i-1, j], -R[i, j-1], -R[i-1, j-1]]);
        R[0, j] = 1000;
        R[i, 0] = 1000;
        R[0, 0] = start;
        total = R[I, J];

        output total;
        loss   total;
    }

    /// A corner beside zeros: what lies outside rows and columns is not given.
    model Corner<H> {
        time  r in 1..=3;
        time  c in 1..=4;
        input x[r, c]: [H];
        param start: [H] = 2;

        g[r, c] = x[r, c] + 0.5 * g[r-1, c] + 0.25 * g[r, c-1] + g[r-1, c-1];
        g[0, 0] = start;

        output g;
        loss   sum[r](sum[c](sum(g[r, c])));
    }
}

const LENGTHS: ([usize; 5], [usize; 5]) = ([4, 6, 1, 3, 0], [5, 2, 1, 0, 3]);

fn tokens(steps: usize, salt: usize) -> Array2<u32> {
    Array2::from_shape_fn((steps, 5), |(t, b)| {
        ((t * 5 + b * 3 + salt * (t + 1)) % 3) as u32
    })
}

fn distance(a: &[u32], b: &[u32]) -> usize {
    match (a, b) {
        ([], rest) | (rest, []) => rest.len(),
        ([x, left @ ..], [y, right @ ..]) => {
            let changed = distance(left, right) + usize::from(x != y);
            changed.min(1 + distance(left, b).min(distance(a, right)))
        }
    }
}

#[test]
fn an_edit_distance_is_that_of_its_definition() {
    let model = EditDistance { V: 3 }.compile(Options::default()).unwrap();
    let params = EditDistanceParams::init(&EditDistance { V: 3 }, 0).unwrap();
    let (a, b) = (tokens(6, 1), tokens(5, 2));
    let (rows, columns) = LENGTHS;
    let inputs = EditDistanceInputs {
        a: a.view(),
        b: b.view(),
    };
    let inputs = Batch::new(inputs)
        .lengths_of("i", &rows)
        .lengths_of("j", &columns);
    let out = model.forward(&params, inputs).unwrap();
    for example in 0..5 {
        let of = |tokens: &Array2<u32>, len: usize| -> Vec<u32> {
            tokens.column(example).iter().take(len).copied().collect()
        };
        let expected = distance(&of(&a, rows[example]), &of(&b, columns[example]));
        assert_eq!(out.distance[example], expected as f32, "example {example}");
    }
    // D[0, 1] is D[0, 0] + 1, and D[1, 0] is 1; where there is no step, zero.
    assert_eq!(out.first.to_vec(), [2.0, 2.0, 2.0, 1.0, 1.0]);
}

fn series(steps: usize, width: usize, salt: usize) -> Array3<f32> {
    Array3::from_shape_fn((steps, 5, width), |(t, b, i)| {
        ((t * 31 + b * 17 + i * 7 + salt) % 23) as f32 / 23.0 - 0.4
    })
}

// The sum over all paths, by their definition: each goes down, right, or both.
fn paths(cost: &dyn Fn(usize, usize) -> f64, i: usize, j: usize) -> f64 {
    match (i, j) {
        (0, 0) => (-0.5f64).exp(),
        (0, _) | (_, 0) => 0.0,
        _ => {
            let before = paths(cost, i - 1, j) + paths(cost, i, j - 1) + paths(cost, i - 1, j - 1);
            (-cost(i - 1, j - 1)).exp() * before
        }
    }
}

#[test]
fn a_soft_warping_distance_sums_over_all_paths_from_the_corner() {
    let spec = SoftDtw { F: 2, H: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let params = SoftDtwParams::init(&spec, 3).unwrap();
    let (x, y) = (series(5, 2, 0), series(4, 2, 9));
    let inputs = || SoftDtwInputs {
        x: x.view(),
        y: y.view(),
    };
    let (rows, columns) = ([5, 2, 1, 4, 3], [4, 4, 1, 2, 3]);
    let batch = || {
        Batch::new(inputs())
            .lengths_of("i", &rows)
            .lengths_of("j", &columns)
    };
    let out = model.forward(&params, batch()).unwrap();
    let row = |of: &Array3<f32>, t: usize, b: usize| {
        let step = of.slice(ndarray::s![t, b, ..]);
        params.W.dot(&step).mapv(f64::from)
    };
    for b in 0..5 {
        let cost = |i: usize, j: usize| (row(&x, i, b) - row(&y, j, b)).mapv(|d| d * d).sum();
        let expected = -paths(&cost, rows[b], columns[b]).ln();
        let found = f64::from(out.total[b]);
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }

    // All paths leave the corner, so what it costs is paid once.
    let mut grads = SoftDtwParams::zeros(&spec).unwrap();
    let value = model.loss_and_grad(&params, batch(), SoftDtwTargets::default(), &mut grads);
    value.unwrap();
    assert!((grads.start.first().unwrap() - 1.0).abs() < 1e-5);
    let env = Env::new(5)
        .with_lengths("I", rows.to_vec())
        .with_lengths("J", columns.to_vec())
        .with_input("x", tensor(&x))
        .with_input("y", tensor(&y));
    checked(spec, &params, env);
}

fn tensor(array: &Array3<f32>) -> Tensor {
    let data: Vec<f64> = array.iter().map(|x| f64::from(*x)).collect();
    Tensor::real(array.shape(), data)
}

fn checked<M: Model>(spec: M, params: &M::Params, mut env: Env) {
    params.visit(&mut |name, view| {
        let data: Vec<f64> = view.iter().map(|x| f64::from(*x)).collect();
        let value = Tensor::real(view.shape(), data);
        env.params.insert(name.to_owned(), value);
    });
    let graph = verify(parse(M::IR).unwrap()).unwrap();
    let graph = bind(&graph, &spec.sizes()).unwrap();
    check_model(&graph, &env, &Wrt::params()).unwrap();
}

#[test]
fn a_corner_alone_leaves_zeros_beside_it() {
    let spec = Corner { H: 2 };
    let model = spec.compile(Options::default()).unwrap();
    let params = CornerParams::init(&spec, 0).unwrap();
    let x = Array4::<f32>::zeros((3, 4, 2, 2));
    let g = model
        .forward(&params, CornerInputs { x: x.view() })
        .unwrap()
        .g;
    let mut expected = [[0.0f32; 5]; 4];
    expected[0][0] = 2.0;
    for r in 1..4 {
        for c in 1..5 {
            expected[r][c] =
                0.5 * expected[r - 1][c] + 0.25 * expected[r][c - 1] + expected[r - 1][c - 1];
        }
    }
    for (at, found) in g.indexed_iter() {
        let (r, c) = (at[0], at[1]);
        assert_eq!(*found, expected[r + 1][c + 1], "{r} {c}");
    }
    let zeros: Vec<f64> = vec![0.0; x.len()];
    let env = Env::new(2).with_input("x", Tensor::real(x.shape(), zeros));
    checked(spec, &params, env);
}
