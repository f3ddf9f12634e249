//! Every primitive, in a model of its own: first and second derivatives, ragged, with empty sequences.

use crate::second::twice;
use rnn_ir::autodiff::check::{check_direction, check_elements};
use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::axis::{AxisId, Domain, Extent};
use rnn_ir::builder::{Builder, Built};
use rnn_ir::dim::Dim;
use rnn_ir::generate::{Draw, op_histogram, surroundings};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::node::{DType, NodeId, Shape, Type};
use rnn_ir::op::{Binary, Compare, Init, Over, ParamKind, Position, Reduction, Role, Unary};
use rnn_ir::random::draw::Per;
use rnn_ir::verify::verify;
use std::collections::BTreeMap;

// What a case may use: values of every rank and domain.
struct Bench {
    b: Builder,
    t: AxisId,
    // Over batch and time: a scalar, a vector [3], a matrix [2, 3].
    s: NodeId,
    v: NodeId,
    m: NodeId,
    // Parameters: a vector [3], a matrix [2, 3], a square [3, 3].
    p: NodeId,
    a: NodeId,
    q: NodeId,
    // Over the batch alone, a vector [3]; over time alone, a vector [3].
    u: NodeId,
    c: NodeId,
    // A token below 3, over batch and time.
    k: NodeId,
}

fn dim(size: i64) -> Dim {
    Dim::constant(size)
}

impl Bench {
    fn new() -> Self {
        let mut b = Builder::new("Case");
        let t = b.axis("t", Extent::Length("T".into()));
        let every = Domain::BATCH.with(t);
        let vector = Shape::vector(dim(3));
        let matrix = Shape::matrix(dim(2), dim(3));
        let init = || Init {
            kind: "zeros".into(),
            args: Vec::new(),
        };
        let mut input = |name: &str, domain: Domain, shape: &Shape| {
            b.input(name, Role::Input, Type::real(domain, shape.clone()))
                .unwrap()
        };
        let s = input("s", every, &Shape::scalar());
        let v = input("v", every, &vector);
        let m = input("m", every, &matrix);
        let u = input("u", Domain::BATCH, &vector);
        let c = input("c", Domain::of(t), &vector);
        let p = b.param("p", vector, init(), ParamKind::Trained).unwrap();
        let a = b.param("a", matrix, init(), ParamKind::Trained).unwrap();
        let square = Shape::matrix(dim(3), dim(3));
        let q = b.param("q", square, init(), ParamKind::Trained).unwrap();
        let token = Type {
            domain: every,
            shape: Shape::scalar(),
            dtype: DType::Index,
        };
        let k = b.input("k", Role::Input, token).unwrap();
        Self {
            b,
            t,
            s,
            v,
            m,
            p,
            a,
            q,
            u,
            c,
            k,
        }
    }

    fn number(&mut self, value: f64) -> NodeId {
        self.b.constant(value, Shape::scalar())
    }

    // Something positive: x^2 + 1/2.
    fn positive(&mut self, x: NodeId) -> NodeId {
        let square = self.b.mul(x, x).unwrap();
        let half = self.number(0.5);
        self.b.add(square, half).unwrap()
    }

    // The largest of nothing is minus infinity: zero for an empty sequence instead.
    fn unless_empty(&mut self, y: NodeId) -> Built {
        let (length, zero) = (self.b.length(self.t)?, self.number(0.0));
        let some = self.b.compare(Compare::Gt, length, zero)?;
        self.b.select(some, y, zero)
    }

    // loss = sum of y, each element weighted by another number.
    fn model(mut self, y: NodeId) -> Verified {
        let ty = self.b.ty(y).clone();
        let probe = Type::real(ty.domain.union(Domain::BATCH), ty.shape);
        let probe = self.b.input("probe", Role::Target, probe).unwrap();
        let weighted = self.b.mul(y, probe).unwrap();
        let sum = self.b.sum_features(weighted).unwrap();
        let time = self.b.ty(sum).domain.time_axes().collect();
        let loss = self.b.axis_reduce(Over::Sum, sum, time).unwrap();
        self.b.result(ResultKind::Loss, "loss", loss);
        verify(self.b.finish()).unwrap()
    }
}

type Case = (String, Box<dyn Fn(&mut Bench) -> Built>);

fn case(name: impl Into<String>, build: impl Fn(&mut Bench) -> Built + 'static) -> Case {
    (name.into(), Box::new(build))
}

fn unary_cases() -> impl Iterator<Item = Case> {
    Unary::ALL.into_iter().map(|f| {
        case(f.name(), move |k| {
            let x = match f {
                Unary::Ln | Unary::Sqrt => k.positive(k.v),
                _ => k.v,
            };
            let y = k.b.unary(f, x)?;
            // Something varies even where the function has no derivative.
            k.b.mul(y, k.p)
        })
    })
}

fn binary_cases() -> impl Iterator<Item = Case> {
    Binary::ALL.into_iter().flat_map(|f| {
        [
            case(format!("{} of two inputs", f.name()), move |k| {
                let below = k.positive(k.u);
                k.b.binary(f, k.v, below)
            }),
            case(format!("{} with a parameter", f.name()), move |k| {
                let below = k.positive(k.v);
                k.b.binary(f, k.p, below)
            }),
            case(format!("{} with itself", f.name()), move |k| {
                let below = k.positive(k.c);
                k.b.binary(f, below, below)
            }),
        ]
    })
}

fn compare_cases() -> impl Iterator<Item = Case> {
    Compare::ALL.into_iter().flat_map(|f| {
        [
            case(format!("{} of reals", f.name()), move |k| {
                let is = k.b.compare(f, k.v, k.p)?;
                k.b.select(is, k.v, k.u)
            }),
            case(format!("{} of tokens", f.name()), move |k| {
                let one = k.b.token(1);
                let is = k.b.compare(f, k.k, one)?;
                k.b.select(is, k.p, k.s)
            }),
        ]
    })
}

fn product_cases() -> Vec<Case> {
    vec![
        case("vector @ vector", |k| k.b.matmul(k.v, k.p)),
        case("vector @ vector, over the batch", |k| k.b.matmul(k.u, k.c)),
        case("matrix @ vector", |k| k.b.matmul(k.a, k.v)),
        case("matrix @ vector, matrix varies", |k| k.b.matmul(k.m, k.p)),
        case("vector @ matrix", |k| k.b.matmul(k.v, k.q)),
        case("vector @ matrix, both vary", |k| {
            let turned = k.b.transpose(k.m)?;
            k.b.matmul(k.v, turned)
        }),
        case("matrix @ matrix", |k| k.b.matmul(k.a, k.q)),
        case("matrix @ matrix, both vary", |k| {
            let turned = k.b.transpose(k.m)?;
            k.b.matmul(k.m, turned)
        }),
        case("outer", |k| k.b.outer(k.v, k.p)),
        case("outer with itself", |k| k.b.outer(k.c, k.c)),
        case("transpose", |k| {
            let turned = k.b.transpose(k.a)?;
            k.b.mul(turned, k.s)
        }),
    ]
}

fn shape_cases() -> Vec<Case> {
    let mut cases = vec![
        case("expand in front", |k| k.b.expand(k.v, 0, dim(2))),
        case("expand behind", |k| k.b.expand(k.v, 1, dim(2))),
        case("softmax of a vector", |k| k.b.softmax(k.v)),
        case("softmax of a matrix", |k| k.b.softmax(k.m)),
        case("concat of vectors", |k| k.b.concat(vec![k.v, k.p, k.v], 0)),
        case("concat of rows", |k| k.b.concat(vec![k.m, k.a], 0)),
        case("concat of columns", |k| k.b.concat(vec![k.m, k.a], 1)),
        case("slice of rows", |k| k.b.slice(k.m, 0, dim(1), dim(1))),
        case("slice of columns", |k| k.b.slice(k.a, 1, dim(1), dim(2))),
        case("pad of rows", |k| k.b.pad(k.m, 0, dim(0), dim(2))),
        case("pad of columns", |k| k.b.pad(k.a, 1, dim(1), dim(2))),
        case("gather of an element", |k| k.b.gather(k.v, k.k)),
        case("gather of a row", |k| k.b.gather(k.q, k.k)),
        case("scatter of a scalar", |k| k.b.scatter(k.k, k.s, dim(3))),
        case("scatter of a row", |k| k.b.scatter(k.k, k.p, dim(4))),
        case("argmax", |k| {
            let largest = k.b.argmax(k.v)?;
            k.b.gather(k.q, largest)
        }),
        // No difference moves a step, so none passes a whole number, where the row jumps.
        case("token of a number", |k| {
            let (step, half) = (k.b.step(k.t)?, k.number(0.5));
            let row = k.b.sub(step, half)?;
            let last = k.number(2.5);
            let row = k.b.binary(Binary::Min, row, last)?;
            let row = k.b.whole(row)?;
            let row = k.b.gather(k.q, row)?;
            k.b.mul(row, k.v)
        }),
        case("token of a number that varies", |k| {
            let zero = k.number(0.0);
            let is = k.b.compare(Compare::Gt, k.s, zero)?;
            let (below, above) = (k.number(-0.5), k.number(1.5));
            let row = k.b.select(is, above, below)?;
            let row = k.b.whole(row)?;
            k.b.scatter(row, k.v, dim(2))
        }),
        case("stop_gradient", |k| {
            let stopped = k.b.stop_gradient(k.v)?;
            k.b.mul(stopped, k.v)
        }),
        case("step", |k| {
            let step = k.b.step(k.t)?;
            k.b.mul(step, k.p)
        }),
        case("length", |k| {
            let length = k.b.length(k.t)?;
            k.b.mul(k.v, length)
        }),
    ];
    for kind in Reduction::ALL {
        for at in [0, 1] {
            cases.push(case(format!("{} of axis {at}", kind.name()), move |k| {
                k.b.reduce(kind, k.m, at)
            }));
        }
    }
    cases
}

fn axis_cases() -> Vec<Case> {
    let mut cases = vec![
        case("broadcast over time", |k| {
            k.b.broadcast(k.u, Domain::of(k.t))
        }),
        case("broadcast over the batch", |k| {
            k.b.broadcast(k.c, Domain::BATCH)
        }),
        case("broadcast over both", |k| {
            k.b.broadcast(k.p, Domain::BATCH.with(k.t))
        }),
        case("broadcast over time, for all examples alike", |k| {
            let y = k.b.broadcast(k.p, Domain::of(k.t))?;
            k.b.mul(y, y)
        }),
    ];
    for kind in Over::ALL {
        let name = kind.name();
        cases.push(case(format!("{name} over time"), move |k| {
            let y = k.b.axis_reduce(kind, k.v, Domain::of(k.t))?;
            k.unless_empty(y)
        }));
        cases.push(case(
            format!("{name} over time, for all examples alike"),
            move |k| {
                let y = k.b.axis_reduce(kind, k.c, Domain::of(k.t))?;
                k.unless_empty(y)
            },
        ));
        cases.push(case(format!("{name} over the batch"), move |k| {
            let y = k.b.axis_reduce(kind, k.v, Domain::BATCH)?;
            k.b.mul(y, k.v)
        }));
        cases.push(case(format!("{name} over the batch alone"), move |k| {
            k.b.axis_reduce(kind, k.u, Domain::BATCH)
        }));
        cases.push(case(format!("{name} over both"), move |k| {
            k.b.axis_reduce(kind, k.v, Domain::BATCH.with(k.t))
        }));
    }
    cases
}

fn shift_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for by in [-2, -1, 1, 2] {
        cases.push(case(format!("shift by {by}"), move |k| {
            k.b.shift(k.v, k.t, by, None)
        }));
        cases.push(case(format!("product of a shift by {by}"), move |k| {
            let y = k.b.shift(k.v, k.t, by, None)?;
            let turned = k.b.matmul(k.a, y)?;
            let other = k.b.matmul(y, k.q)?;
            let other = k.b.matmul(k.a, other)?;
            k.b.add(turned, other)
        }));
    }
    for by in [-1, 1] {
        cases.push(case(format!("shift by {by} else a parameter"), move |k| {
            k.b.shift(k.v, k.t, by, Some(k.p))
        }));
        cases.push(case(format!("shift by {by} else an input"), move |k| {
            k.b.shift(k.c, k.t, by, Some(k.u))
        }));
        cases.push(case(
            format!("product of a shift by {by} else an input"),
            move |k| {
                let y = k.b.shift(k.v, k.t, by, Some(k.u))?;
                let product = k.b.matmul(k.q, y)?;
                k.b.mul(product, y)
            },
        ));
        cases.push(case(
            format!("product of a shift by {by} of what does not vary, else a parameter"),
            move |k| {
                let fixed = k.b.stop_gradient(k.v)?;
                let y = k.b.shift(fixed, k.t, by, Some(k.p))?;
                k.b.matmul(k.a, y)
            },
        ));
        // h[t] = tanh(q @ h[t + by] + v[t]), for all examples alike too.
        for alike in [false, true] {
            let name = format!("recurrence by {by}, for all examples alike: {alike}");
            cases.push(case(name, move |k| {
                let x = if alike { k.c } else { k.v };
                let mut ty = k.b.ty(x).clone();
                if by > 0 {
                    ty.domain = ty.domain.union(Domain::BATCH);
                }
                let before = k.b.open_shift(&ty, k.t, by, Some(k.p))?;
                let product = k.b.matmul(k.q, before)?;
                let a = k.b.add(product, x)?;
                let h = k.b.unary(Unary::Tanh, a)?;
                k.b.name(h, "h");
                k.b.close(before, h)?;
                Ok(h)
            }));
        }
    }
    let positions = [
        Position::First,
        Position::Last,
        Position::Step(1),
        Position::Step(2),
    ];
    for position in positions {
        cases.push(case(format!("at {position:?}"), move |k| {
            k.b.at(k.v, k.t, position, None)
        }));
        cases.push(case(format!("at {position:?} else"), move |k| {
            k.b.at(k.c, k.t, position, Some(k.u))
        }));
        cases.push(case(
            format!("at {position:?} else a parameter"),
            move |k| k.b.at(k.v, k.t, position, Some(k.p)),
        ));
        cases.push(case(format!("place {position:?}"), move |k| {
            k.b.place(k.u, k.t, position)
        }));
        cases.push(case(
            format!("place {position:?} of a parameter"),
            move |k| k.b.place(k.p, k.t, position),
        ));
    }
    cases
}

// Masks are those of one seed on both sides of a difference, so that the derivative is that of the training loss.
fn random_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for per in [Per::Step, Per::Sequence] {
        cases.push(case(format!("dropout per {per:?}"), move |k| {
            let p = k.number(0.4);
            k.b.dropout(k.v, p, per)
        }));
        cases.push(case(format!("zoneout per {per:?}"), move |k| {
            let p = k.number(0.4);
            k.b.zoneout(k.v, k.u, p, per)
        }));
        cases.push(case(format!("noise per {per:?}"), move |k| {
            let std = k.number(0.5);
            k.b.noise(k.v, std, per)
        }));
    }
    cases.push(case("dropout of a parameter", |k| {
        let p = k.number(0.4);
        let w = k.b.dropout(k.q, p, Per::Step)?;
        k.b.matmul(w, k.v)
    }));
    cases.push(case(
        "dropout of a matrix, of a number, over time alone",
        |k| {
            let p = k.number(0.4);
            let m = k.b.dropout(k.m, p, Per::Step)?;
            let s = k.b.dropout(k.s, p, Per::Step)?;
            let c = k.b.dropout(k.c, p, Per::Step)?;
            let product = k.b.matmul(m, c)?;
            k.b.mul(s, product)
        },
    ));
    cases.push(case("dropout with a computed probability", |k| {
        let p = k.b.unary(Unary::Sigmoid, k.s)?;
        k.b.dropout(k.v, p, Per::Step)
    }));
    cases.push(case("zoneout with a computed probability", |k| {
        let p = k.b.unary(Unary::Sigmoid, k.s)?;
        k.b.zoneout(k.v, k.p, p, Per::Step)
    }));
    // The scale of noise is learned through it.
    cases.push(case("noise of a learned scale", |k| {
        k.b.noise(k.p, k.p, Per::Step)
    }));
    cases
}

fn all_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = unary_cases()
        .chain(binary_cases())
        .chain(compare_cases())
        .collect();
    cases.extend(product_cases());
    cases.extend(shape_cases());
    cases.extend(axis_cases());
    cases.extend(shift_cases());
    cases.extend(random_cases());
    cases
}

pub(crate) fn models() -> impl Iterator<Item = (String, Verified)> {
    all_cases().into_iter().map(|(name, build)| {
        let mut bench = Bench::new();
        let y = build(&mut bench).unwrap_or_else(|e| panic!("{name}: {e}"));
        (name, bench.model(y))
    })
}

// Lengths in any order, an empty one, one step, one example.
pub(crate) const LENGTHS: [&[usize]; 4] = [&[3, 1, 2], &[1, 0, 2], &[1], &[7]];

#[test]
fn first_derivatives_agree_with_differences() {
    for (name, model) in models() {
        let graph = differentiate(&model, &Wrt::everything(&model)).unwrap();
        for (seed, lengths) in LENGTHS.iter().enumerate() {
            let (batch, lengths) = (lengths.len(), [("T", lengths.to_vec())]);
            let mut draw = Draw::new(seed as u64);
            let env = surroundings(&graph, &mut draw, batch, &lengths).unwrap();
            check_elements(&graph, &env).unwrap_or_else(|e| panic!("{name} {lengths:?}: {e}"));
        }
    }
}

#[test]
fn second_derivatives_agree_with_differences() {
    for (name, model) in models() {
        let graph = twice(&model);
        for (seed, lengths) in LENGTHS.iter().enumerate() {
            let (batch, lengths) = (lengths.len(), [("T", lengths.to_vec())]);
            let mut draw = Draw::new(seed as u64);
            let env = surroundings(&graph, &mut draw, batch, &lengths).unwrap();
            check_direction(&graph, &env, 1).unwrap_or_else(|e| panic!("{name} {lengths:?}: {e}"));
        }
    }
}

#[test]
fn every_primitive_has_a_case() {
    let mut total: BTreeMap<String, usize> = BTreeMap::new();
    for (_, model) in models() {
        for (kind, count) in op_histogram(&model) {
            *total.entry(kind).or_default() += count;
        }
    }
    let without: Vec<_> = total.iter().filter(|(_, count)| **count == 0).collect();
    assert!(without.is_empty(), "no case for {without:?}");
}
