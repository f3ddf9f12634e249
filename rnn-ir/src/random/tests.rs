//! What the generator has to be good for: means, buckets, neighbours in every coordinate, and every bit of what it is
//! computed from.

use super::draw::Per;
use super::mode::{Mode, has_modes, in_mode, is_random};
use super::*;
use crate::axis::{Domain, Extent};
use crate::builder::Builder;
use crate::dim::Dim;
use crate::graph::{ResultKind, Verified};
use crate::interp::{Env, Interpreter, Tensor};
use crate::node::{NodeId, Shape, Type};
use crate::op::{Op, Role, Word};
use crate::text::print;
use crate::verify::verify;

/// Where a number is read.
#[derive(Clone, Copy, Debug)]
struct Place {
    seed: u64,
    example: usize,
    draw: u32,
    step: u32,
    entry: u32,
}

type Move = fn(&mut Place, u32);

/// Every coordinate, moved by some steps.
const COORDINATES: [(&str, Move); 5] = [
    ("seed", |at, by| at.seed += u64::from(by)),
    ("example", |at, by| at.example += by as usize),
    ("draw", |at, by| at.draw += by),
    ("step", |at, by| at.step += by),
    ("entry", |at, by| at.entry += by),
];

impl Place {
    fn start(seed: u64) -> Self {
        Self {
            seed,
            example: 0,
            draw: 0,
            step: 1,
            entry: 0,
        }
    }

    fn bits(self) -> u32 {
        let keys = words(self.seed, Some(self.example))
            .map(|word| mix(mix(word, self.draw), (self.step as f32).to_bits()));
        mix(mix(keys[0], self.entry), keys[1])
    }

    fn unit(self) -> f64 {
        uniform(self.bits())
    }
}

// A grid of places: all entries of all steps of all examples, in an order that makes a coordinate run fastest.
fn grid(seed: u64, size: u32) -> impl Iterator<Item = Place> {
    (0..size).flat_map(move |example| {
        (0..size).flat_map(move |step| {
            (0..size).map(move |entry| Place {
                example: example as usize,
                step: step + 1,
                entry,
                ..Place::start(seed)
            })
        })
    })
}

/// Standard deviations that a statistic may be off: once in 10^9 by chance, and the seeds are fixed.
const SIGMAS: f64 = 6.0;

#[test]
fn numbers_are_uniform() {
    for seed in [0, 1, u64::MAX] {
        let mut buckets = [0usize; 256];
        let mut sum = 0.0;
        let mut count = 0.0;
        for place in grid(seed, 64) {
            let unit = place.unit();
            assert!((0.0..1.0).contains(&unit));
            buckets[(unit * 256.0) as usize] += 1;
            sum += unit;
            count += 1.0;
        }
        let mean: f64 = sum / count;
        let deviation = (1.0 / 12.0 / count).sqrt();
        assert!((mean - 0.5).abs() < SIGMAS * deviation, "mean {mean}");
        let expected = count / 256.0;
        let chi: f64 = (buckets.iter())
            .map(|found| (*found as f64 - expected).powi(2) / expected)
            .sum();
        // Of 255 degrees of freedom: mean 255, variance 510.
        assert!((chi - 255.0).abs() < SIGMAS * 510f64.sqrt(), "chi {chi}");
    }
}

#[test]
fn neighbours_in_every_coordinate_do_not_correlate() {
    for (name, along) in COORDINATES {
        for by in [1, 2, 16, 128] {
            let mut product = 0.0;
            let mut agree = 0.0;
            let mut count = 0.0;
            for place in grid(7, 48) {
                let mut other = place;
                along(&mut other, by);
                product += (place.unit() - 0.5) * (other.unit() - 0.5);
                // Of the masks of p = 0.1, where few are zero.
                agree += f64::from(u8::from((place.unit() < 0.1) && (other.unit() < 0.1)));
                count += 1.0;
            }
            let correlation = product / count * 12.0;
            assert!(
                correlation.abs() < SIGMAS / f64::sqrt(count),
                "{name} by {by}: {correlation}"
            );
            let both = agree / count;
            let deviation = (0.01 * 0.99 / count).sqrt();
            assert!(
                (both - 0.01).abs() < SIGMAS * deviation,
                "{name} by {by}: both are dropped with probability {both}"
            );
        }
    }
}

/// What changes one bit of a part of a place.
type Flip = fn(&mut Place, u32);

#[test]
fn every_bit_of_a_place_changes_every_bit_of_the_number() {
    let flips: [(&str, u32, Flip); 4] = [
        ("seed", 64, |at, bit| at.seed ^= 1 << bit),
        ("draw", 8, |at, bit| at.draw ^= 1 << bit),
        ("step", 10, |at, bit| at.step ^= 1 << bit),
        ("entry", 32, |at, bit| at.entry ^= 1 << bit),
    ];
    for (name, bits, flip) in flips {
        for bit in 0..bits {
            let mut changed = [0u32; 32];
            let count = 4096;
            for at in 0..count {
                let place = Place {
                    step: 1 + (at % 1000),
                    example: (at / 8) as usize,
                    entry: at * 5,
                    ..Place::start(u64::from(at))
                };
                let mut other = place;
                flip(&mut other, bit);
                let difference = place.bits() ^ other.bits();
                for (to, changed) in changed.iter_mut().enumerate() {
                    *changed += difference >> to & 1;
                }
            }
            for (to, changed) in changed.iter().enumerate() {
                let share = f64::from(*changed) / f64::from(count);
                let deviation = 0.5 / f64::from(count).sqrt();
                assert!(
                    (share - 0.5).abs() < SIGMAS * deviation,
                    "bit {bit} of the {name} changes bit {to} with probability {share}"
                );
            }
        }
    }
}

#[test]
fn elements_of_a_row_are_all_different() {
    let mut bits: Vec<u32> = (0..100_000)
        .map(|entry| {
            Place {
                entry,
                ..Place::start(3)
            }
            .bits()
        })
        .collect();
    bits.sort_unstable();
    bits.dedup();
    assert_eq!(bits.len(), 100_000, "mix is a permutation");
}

const STEPS: usize = 5;
const BATCH: usize = 3;
const WIDTH: usize = 40;

// A model of one value, and what it is in training and in inference.
fn values(seed: u64, build: impl Fn(&mut Builder, NodeId) -> NodeId) -> (Verified, [Vec<f64>; 2]) {
    let mut b = Builder::new("Case");
    let t = b.axis("t", Extent::Length("T".into()));
    let shape = Shape::vector(Dim::constant(WIDTH as i64));
    let every = Domain::BATCH.with(t);
    let x = b.input("x", Role::Input, Type::real(every, shape)).unwrap();
    let y = build(&mut b, x);
    b.result(ResultKind::Output, "y", y);
    let graph = verify(b.finish()).unwrap();
    let found = [true, false].map(|training| {
        let env = env(&graph, seed, training);
        let mut interpreter = Interpreter::new(&graph, &env).unwrap();
        interpreter.value(y).unwrap().reals().to_vec()
    });
    (graph, found)
}

fn env(graph: &Verified, seed: u64, training: bool) -> Env {
    let x = (0..STEPS * BATCH * WIDTH).map(|at| 1.0 + at as f64);
    let mut env = Env::new(BATCH)
        .with_lengths("T", vec![STEPS; BATCH])
        .with_input(
            "x",
            Tensor::real([STEPS, BATCH, WIDTH], x.collect::<Vec<_>>()),
        );
    for (id, name, role) in graph.inputs() {
        let shared = graph.nodes[id].ty.domain.is_empty();
        let value = match role {
            Role::Training => Tensor::bool([], [training]),
            Role::Seed(word) => {
                let at = usize::from(word == Word::Second);
                if shared {
                    Tensor::index([], [words(seed, None)[at]])
                } else {
                    let each = (0..BATCH).map(|example| words(seed, Some(example))[at]);
                    Tensor::index([BATCH], each.collect::<Vec<_>>())
                }
            }
            _ => continue,
        };
        env = env.with_input(name.to_owned(), value);
    }
    env
}

fn number(b: &mut Builder, value: f64) -> NodeId {
    b.constant(value, Shape::scalar())
}

#[test]
fn equations_draw_what_is_defined_here() {
    let (_, [training, _]) = values(11, |b, x| {
        let ty = b.ty(x).clone();
        b.uniform(ty.domain, &ty.shape).unwrap();
        b.uniform(ty.domain, &ty.shape).unwrap()
    });
    for step in 0..STEPS {
        for example in 0..BATCH {
            for entry in 0..WIDTH {
                let place = Place {
                    example,
                    step: step as u32 + 1,
                    entry: entry as u32,
                    draw: 1,
                    ..Place::start(11)
                };
                let found = training[(step * BATCH + example) * WIDTH + entry];
                assert_eq!(found, place.unit());
            }
        }
    }
}

#[test]
fn dropout_keeps_the_mean_and_is_the_identity_in_inference() {
    for p in [0.0, 0.1, 0.5, 0.9] {
        for known in [true, false] {
            let (_, [training, inference]) = values(5, |b, x| {
                let mut p = number(b, p);
                if !known {
                    // A probability that is computed: the length of no step is 0.
                    let t = b.graph().axis_named("t").unwrap();
                    let length = b.length(t).unwrap();
                    let zero = number(b, 0.0);
                    let none = b.mul(zero, length).unwrap();
                    p = b.add(p, none).unwrap();
                }
                b.dropout(x, p, Per::Step).unwrap()
            });
            let mut dropped = 0;
            for (at, (training, inference)) in training.iter().zip(&inference).enumerate() {
                let x = 1.0 + at as f64;
                assert_eq!(*inference, x);
                if *training == 0.0 {
                    dropped += 1;
                } else {
                    assert!((training - x / (1.0 - p)).abs() < 1e-9 * x);
                }
            }
            let count = training.len() as f64;
            let deviation = (p * (1.0 - p) / count).sqrt();
            let share = f64::from(dropped) / count;
            assert!((share - p).abs() <= SIGMAS * deviation, "{p}: {share}");
        }
    }
}

#[test]
fn a_mask_of_a_sequence_is_the_same_at_all_of_its_steps() {
    let masks = |per| {
        let (_, [training, _]) = values(9, |b, x| {
            let half = number(b, 0.5);
            b.dropout(x, half, per).unwrap()
        });
        let zeros: Vec<bool> = training.iter().map(|x| *x == 0.0).collect();
        zeros
            .chunks(BATCH * WIDTH)
            .map(<[bool]>::to_vec)
            .collect::<Vec<_>>()
    };
    let sequence = masks(Per::Sequence);
    assert!(sequence.iter().all(|step| *step == sequence[0]));
    let (first, rest) = sequence[0].split_at(WIDTH);
    assert_ne!(first, &rest[..WIDTH], "examples differ");
    let step = masks(Per::Step);
    assert!(step[1..].iter().all(|other| *other != step[0]));
}

#[test]
fn zoneout_is_one_of_both_and_their_mean_in_inference() {
    let (_, [training, inference]) = values(2, |b, x| {
        let (p, two) = (number(b, 0.25), number(b, 2.0));
        let old = b.mul(two, x).unwrap();
        b.zoneout(x, old, p, Per::Step).unwrap()
    });
    let mut stayed = 0;
    for (at, (training, inference)) in training.iter().zip(&inference).enumerate() {
        let x = 1.0 + at as f64;
        assert_eq!(*inference, 1.25 * x);
        assert!(*training == x || *training == 2.0 * x);
        stayed += usize::from(*training == 2.0 * x);
    }
    let share = stayed as f64 / training.len() as f64;
    let deviation = (0.25 * 0.75 / training.len() as f64).sqrt();
    assert!((share - 0.25).abs() < SIGMAS * deviation, "{share}");
}

#[test]
fn noise_is_normal() {
    let (_, [training, inference]) = values(4, |b, x| {
        let std = number(b, 0.5);
        b.noise(x, std, Per::Step).unwrap()
    });
    let noise: Vec<f64> = (training.iter().zip(&inference))
        .map(|(training, inference)| (training - inference) / 0.5)
        .collect();
    let count = noise.len() as f64;
    let moment = |power: i32| noise.iter().map(|x| x.powi(power)).sum::<f64>() / count;
    // Moments 0, 1, 0, 3 with variances 1, 2, 15, 96.
    for (power, expected, variance) in
        [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
    {
        let found = moment(power);
        let deviation = f64::sqrt(variance / count);
        assert!(
            (found - expected).abs() < SIGMAS * deviation,
            "{power}: {found}"
        );
    }
}

#[test]
fn a_mode_leaves_the_branch_of_its_own() {
    let (graph, [training, inference]) = values(6, |b, x| {
        let half = number(b, 0.5);
        let dropped = b.dropout(x, half, Per::Step).unwrap();
        b.zoneout(dropped, x, half, Per::Sequence).unwrap()
    });
    assert!(has_modes(&graph) && is_random(&graph));
    for (mode, expected) in [(Mode::Training, training), (Mode::Inference, inference)] {
        let chosen = verify(in_mode(&graph, mode).unwrap()).unwrap();
        assert!(!has_modes(&chosen));
        assert_eq!(is_random(&chosen), mode == Mode::Training);
        let seeds = chosen
            .inputs()
            .filter(|(.., role)| matches!(role, Role::Seed(_)));
        assert_eq!(seeds.count(), if mode == Mode::Training { 2 } else { 0 });
        let env = env(&chosen, 6, true);
        let y = chosen.results[0].node;
        let mut interpreter = Interpreter::new(&chosen, &env).unwrap();
        assert_eq!(interpreter.value(y).unwrap().reals(), expected);
    }
}

#[test]
fn inference_is_the_graph_without_random_numbers() {
    let model = |random: bool| {
        let (graph, _) = values(0, |b, x| {
            let half = number(b, 0.5);
            let x = match random {
                true => b.dropout(x, half, Per::Step).unwrap(),
                false => x,
            };
            b.tanh_of(x)
        });
        in_mode(&graph, Mode::Inference).unwrap()
    };
    assert_eq!(print(&model(true)), print(&model(false)));
}

impl Builder {
    fn tanh_of(&mut self, x: NodeId) -> NodeId {
        self.unary(crate::op::Unary::Tanh, x).unwrap()
    }
}

#[test]
fn draws_have_numbers_of_their_own() {
    let (graph, _) = values(0, |b, x| {
        let half = number(b, 0.5);
        let once = b.dropout(x, half, Per::Step).unwrap();
        b.dropout(once, half, Per::Step).unwrap()
    });
    let draws = graph
        .nodes
        .iter()
        .filter(|(_, node)| matches!(node.op, Op::Entries));
    assert_eq!(draws.count(), 2);
    let y = graph.results[0].node;
    let env = env(&graph, 1, true);
    let mut interpreter = Interpreter::new(&graph, &env).unwrap();
    let zeros = |values: &[f64]| values.iter().filter(|x| **x == 0.0).count();
    let share =
        zeros(interpreter.value(y).unwrap().reals()) as f64 / (STEPS * BATCH * WIDTH) as f64;
    // Of two masks of one half that do not agree, a quarter is left.
    assert!((share - 0.75).abs() < 0.1, "{share}");
}
