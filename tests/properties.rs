//! What holds of every model, shown on some: bits that may not change when something else does.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

use std::hint::black_box;

use ndarray::{Axis, Slice, concatenate, s};
use rnn::cells::{Gru, Lstm};
use rnn::prelude::*;

rnn! {
    /// Two layers, one after the other.
    model Composed<I, H> {
        time t in 1..=T;
        input x[t]: [I];
        layer below = Lstm<I, H>;
        layer above = Lstm<H, H>;
        y[t] = above(below(x[t]));
        output y;
    }

    /// The same in three letters.
    model Stacked<I, H> {
        time t in 1..=T;
        input x[t]: [I];
        layer first = Lstm<I, H>;
        layer rest = stack(1, Lstm<H, H>);
        y[t] = rest(first(x[t]));
        output y;
    }

    /// A layer that runs backwards, and what a loss makes of it.
    model Backwards<I, H> {
        time t in 1..=T;
        input x[t]: [I];
        layer gru = reverse(Gru<I, H>);
        y[t] = gru(x[t]);
        output y;
    }

    /// The same layer, forwards.
    model Forwards<I, H> {
        time t in 1..=T;
        input x[t]: [I];
        layer gru = Gru<I, H>;
        y[t] = gru(x[t]);
        output y;
    }

    /// A layer of each direction.
    model Both<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target k[t]: token<H>;
        param  W: [H, 2*H] ~ glorot_uniform;
        layer  both = bi(Gru<I, H>);
        y[t] = W @ both(x[t]);
        output y;
        loss   mean[t](cross_entropy(y[t], k[t]));
    }

    /// A network and its loss.
    model Named<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [H];
        param  W: [H, I] ~ glorot_uniform;
        param  U: [H, H] ~ orthogonal;
        param  b: [H]    = 1;
        a[t] = W @ x[t] + U @ h[t-1] + b;
        h[t] = tanh(a[t]) + 0.5 * h[t-1];
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// The same with other names, whose order in the alphabet is another one.
    model Renamed<N, M> {
        time   s in 1..=S;
        input  seen[s]: [N];
        target wanted[s]: [M];
        param  z_weight: [M, N]   ~ glorot_uniform;
        param  a_weight: [M, M]   ~ orthogonal;
        param  c_bias: [M]        = 1;
        sum_of_all[s] = z_weight @ seen[s] + a_weight @ now[s-1] + c_bias;
        now[s] = tanh(sum_of_all[s]) + 0.5 * now[s-1];
        output now;
        loss   mean[s](squared_error(now[s], wanted[s]));
    }

    /// Three layers, both ways, each number of whose state may stay as it was.
    model Three<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [2*H];
        layer  low  = bi(Gru<I, H>);
        layer  mid  = bi(Lstm<2*H, H>);
        layer  high = bi(Gru<2*H, H>);
        z[t] = zoneout(mid(low(x[t])), z[t-1], 0.3);
        v[t] = high(z[t]);
        output v;
        loss   mean[t](squared_error(v[t], y[t]));
    }

    /// A number that becomes smaller.
    model Smaller {
        time  t in 1..=T;
        input x[t]: [];
        y[t] = 0.25 * x[t];
        output y;
    }
}

const I: usize = 5;
const H: usize = 19;

fn values(steps: usize, examples: usize, width: usize) -> Array3<f32> {
    Array3::from_shape_fn((steps, examples, width), |(t, b, i)| {
        ((t * 31 + b * 17 + i * 7) % 23) as f32 / 23.0 - 0.4
    })
}

#[test]
fn what_comes_later_changes_nothing_before() {
    let spec = Composed { I, H };
    let model = spec.compile(Options::default()).unwrap();
    let params = ComposedParams::init(&spec, 3).unwrap();
    let x = values(20, 3, I);
    let whole = model.forward(&params, ComposedInputs { x: x.view() });
    let whole = whole.unwrap().y;
    for steps in [1, 2, 7, 19] {
        let mut before = x.clone();
        before.slice_mut(s![steps.., .., ..]).fill(1e3);
        let other = model.forward(&params, ComposedInputs { x: before.view() });
        let part = ComposedInputs {
            x: x.slice(s![..steps, .., ..]),
        };
        let part = model.forward(&params, part).unwrap().y;
        let expected = whole.slice(s![..steps, .., ..]);
        assert_eq!(part, expected, "{steps}");
        assert_eq!(other.unwrap().y.slice(s![..steps, .., ..]), expected);
    }
}

#[test]
fn neighbours_their_order_and_padding_change_no_bit_of_a_row() {
    let spec = Both { I, H };
    let model = spec.compile(Options::default()).unwrap();
    let params = BothParams::init(&spec, 3).unwrap();
    let lengths = [4, 9, 1, 0, 9, 6];
    let x = values(9, lengths.len(), I);
    let k = Array2::from_shape_fn((9, lengths.len()), |(t, b)| ((3 * t + b) % H) as u32);
    let inputs = BothInputs { x: x.view() }.lengths(&lengths);
    let together = model.forward(&params, inputs).unwrap().y;
    let targets = || BothTargets { k: k.view() };
    let losses = model.losses(
        &params,
        BothInputs { x: x.view() }.lengths(&lengths),
        targets(),
    );
    let losses = losses.unwrap();
    // Alone, without padding.
    for (b, steps) in lengths.into_iter().enumerate() {
        let rows = s![..steps, b..=b, ..];
        let alone = model.forward(&params, BothInputs { x: x.slice(rows) });
        assert_eq!(alone.unwrap().y, together.slice(rows), "{b}");
        assert!(
            together
                .slice(s![steps.., b, ..])
                .iter()
                .all(|own| *own == 0.0)
        );
    }
    // In another order, with other numbers in the padding.
    let order = [2, 5, 0, 4, 3, 1];
    let (mut x, k) = (x.select(Axis(1), &order), k.select(Axis(1), &order));
    let other_lengths = order.map(|b| lengths[b]);
    for (b, steps) in other_lengths.into_iter().enumerate() {
        x.slice_mut(s![steps.., b, ..]).fill(f32::NAN);
    }
    let inputs = || BothInputs { x: x.view() }.lengths(&other_lengths);
    let y = model.forward(&params, inputs()).unwrap().y;
    assert_eq!(y, together.select(Axis(1), &order));
    let other = model.losses(&params, inputs(), BothTargets { k: k.view() });
    let expected = order.map(|b| losses[b]);
    assert_eq!(other.unwrap(), expected);
}

#[test]
fn backwards_over_what_is_turned_round_is_forwards() {
    let (back, on) = (Backwards { I, H }, Forwards { I, H });
    let params = BackwardsParams::init(&back, 3).unwrap();
    let mut same = ForwardsParams::init(&on, 4).unwrap();
    same.visit_mut(&mut |name, mut own| own.assign(&params.tensor(name).unwrap()));
    let (back, on) = (
        back.compile(Options::default()).unwrap(),
        on.compile(Options::default()).unwrap(),
    );
    let lengths = [7, 3, 5];
    let x = values(7, 3, I);
    // Each example by its own length: nothing starts in the padding.
    let turned = |x: &Array3<f32>| {
        let mut turned = x.clone();
        for (b, steps) in lengths.into_iter().enumerate() {
            let own = x.slice(s![..steps, b, ..]);
            let own = own.slice_axis(Axis(0), Slice::new(0, None, -1));
            turned.slice_mut(s![..steps, b, ..]).assign(&own);
        }
        turned
    };
    let y = back.forward(&params, BackwardsInputs { x: x.view() }.lengths(&lengths));
    let x = turned(&x);
    let forwards = on.forward(&same, ForwardsInputs { x: x.view() }.lengths(&lengths));
    assert_eq!(y.unwrap().y, turned(&forwards.unwrap().y));
}

#[test]
fn a_stack_is_what_it_is_composed_of() {
    let (composed, stacked) = (Composed { I, H }, Stacked { I, H });
    let params = ComposedParams::init(&composed, 3).unwrap();
    let mut same = StackedParams::init(&stacked, 4).unwrap();
    same.visit_mut(&mut |name, mut own| {
        let name = name
            .replace("first.", "below.")
            .replace("rest.l1.", "above.");
        own.assign(&params.tensor(&name).unwrap());
    });
    let x = values(8, 3, I);
    let one = composed.compile(Options::default()).unwrap();
    let one = one
        .forward(&params, ComposedInputs { x: x.view() })
        .unwrap();
    let other = stacked.compile(Options::default()).unwrap();
    let other = other.forward(&same, StackedInputs { x: x.view() }).unwrap();
    assert_eq!(one.y, other.y);
}

#[test]
fn names_change_no_number() {
    let (named, renamed) = (Named { I, H }, Renamed { N: I, M: H });
    let params = NamedParams::init(&named, 3).unwrap();
    let other = RenamedParams {
        z_weight: params.W.clone(),
        a_weight: params.U.clone(),
        c_bias: params.b.clone(),
    };
    let (x, y) = (values(8, 33, I), values(8, 33, H));
    let mut grads = params.zeros_like();
    let one = named.compile(Options::default()).unwrap();
    let inputs = NamedInputs { x: x.view() };
    let one = one.loss_and_grad(&params, inputs, NamedTargets { y: y.view() }, &mut grads);
    let mut others = other.zeros_like();
    let two = renamed.compile(Options::default()).unwrap();
    let (inputs, targets) = (
        RenamedInputs { seen: x.view() },
        RenamedTargets { wanted: y.view() },
    );
    let two = two.loss_and_grad(&other, inputs, targets, &mut others);
    assert_eq!(one.unwrap().loss.to_bits(), two.unwrap().loss.to_bits());
    assert_eq!(grads.W, others.z_weight);
    assert_eq!(grads.U, others.a_weight);
    assert_eq!(grads.b, others.c_bias);
}

#[test]
fn a_layer_in_both_directions_is_one_of_each() {
    let spec = Both { I, H };
    let params = BothParams::init(&spec, 3).unwrap();
    let (back, on) = (Backwards { I, H }, Forwards { I, H });
    let mut backward = BackwardsParams::zeros(&back).unwrap();
    let mut forward = ForwardsParams::zeros(&on).unwrap();
    let of = |name: &str, direction: &str| name.replace("gru.", &format!("both.{direction}."));
    backward.visit_mut(&mut |name, mut own| {
        own.assign(&params.tensor(&of(name, "backward")).unwrap());
    });
    forward.visit_mut(&mut |name, mut own| {
        own.assign(&params.tensor(&of(name, "forward")).unwrap());
    });
    let x = values(6, 2, I);
    let back = back.compile(Options::default()).unwrap();
    let back = back.forward(&backward, BackwardsInputs { x: x.view() });
    let on = on.compile(Options::default()).unwrap();
    let on = on.forward(&forward, ForwardsInputs { x: x.view() });
    let joined = concatenate![Axis(2), on.unwrap().y, back.unwrap().y];
    let both = spec.compile(Options::default()).unwrap();
    let y = both.forward(&params, BothInputs { x: x.view() }).unwrap().y;
    for ((t, b), row) in ndarray::indices((6, 2)).into_iter().zip(y.rows()) {
        let expected = params.W.dot(&joined.slice(s![t, b, ..]));
        for (own, expected) in row.iter().zip(&expected) {
            // A sum of forty products below one, in another order.
            assert!((own - expected).abs() < 1e-5, "{own} {expected}");
        }
    }
}

#[test]
fn subnormal_numbers_are_flushed_in_calls_and_nowhere_else() {
    let model = Smaller {}.compile(Options::default()).unwrap();
    let params = SmallerParams::init(&Smaller {}, 1).unwrap();
    let x = Array2::from_elem((70, 40), f32::MIN_POSITIVE);
    let half = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
    assert!(half() > 0.0);
    let y = model
        .forward(&params, SmallerInputs { x: x.view() })
        .unwrap()
        .y;
    #[cfg(target_arch = "x86_64")]
    assert!(y.iter().all(|own| *own == 0.0));
    assert_eq!(y.dim(), x.dim());
    // The caller's mode is as it was, after an error too.
    assert!(half() > 0.0);
    let empty = Array2::zeros((0, 0));
    let _ = model.forward(&params, SmallerInputs { x: empty.view() }.lengths(&[3]));
    assert!(half() > 0.0);
}

#[test]
fn each_of_three_layers_has_its_own_gradient() {
    // Steps of a difference of numbers near one, and what is left of their digits.
    const STEP: f32 = 1e-2;
    const TOLERANCE: f32 = 2e-2;
    let spec = Three { I, H: 6 };
    let model = spec.compile(Options::default()).unwrap();
    let params = ThreeParams::init(&spec, 3).unwrap();
    let lengths = [7, 2, 5];
    let (x, y) = (values(7, 3, I), values(7, 3, 12));
    // Masks are those of the seed, so the loss is a function of the parameters.
    let loss = |params: &ThreeParams, grads: &mut ThreeParams| {
        let inputs = ThreeInputs { x: x.view() }.lengths(&lengths).seed(5);
        let targets = ThreeTargets { y: y.view() };
        model
            .loss_and_grad(params, inputs, targets, grads)
            .unwrap()
            .loss
    };
    let mut grads = params.zeros_like();
    loss(&params, &mut grads);
    for name in params.names() {
        let own = grads.tensor(&name).unwrap().to_owned();
        let norm = own.iter().map(|g| g * g).sum::<f32>().sqrt();
        assert!(norm > 0.0, "{name} learns nothing");
        // Along the gradient of this tensor alone the slope is its norm.
        let moved = |by: f32| {
            let mut moved = params.clone();
            moved.visit_mut(&mut |other, mut values| {
                if other == name {
                    values.scaled_add(by / norm, &own);
                }
            });
            loss(&moved, &mut params.zeros_like())
        };
        let slope = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        let near = TOLERANCE * norm.max(0.05);
        assert!((slope - norm).abs() < near, "{name}: {slope} and {norm}");
    }
}
