//! What a value is, given what it is computed from: the meaning of every primitive on the features of one instance.
//!
//! **Invariant:** formulas are written as their definitions; no two primitives share code for the sake of speed.

use crate::interp::{Data, Tensor};
use crate::node::DType;
use crate::op::{Binary, Compare, Op, Over, Reduction};
use crate::random;

/// A token that is not below the size it indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange {
    pub(crate) value: u32,
    pub(crate) limit: usize,
}

/// The value of an op that is not a source, from what [`super::reads::reads`] lists; `dims` and `dtype` are the result's.
pub(crate) fn apply(
    op: &Op,
    dtype: DType,
    dims: Vec<usize>,
    from: &[&Tensor],
) -> Result<Tensor, OutOfRange> {
    let real = |data: Vec<f64>| Tensor::real(dims.clone(), data);
    Ok(match op {
        Op::Input { .. }
        | Op::Param { .. }
        | Op::Const(_)
        | Op::Step(_)
        | Op::Length(_)
        | Op::Entries => {
            unreachable!("a source is computed from nothing")
        }

        Op::Unary(f, _) => real(from[0].reals().iter().map(|x| f.of(*x)).collect()),
        Op::Binary(f, ..) => {
            let pairs = from[0].reals().iter().zip(from[1].reals());
            real(pairs.map(|(a, b)| f.of(*a, *b)).collect())
        }
        Op::Compare(f, ..) => {
            let truths = if from[0].dtype() == DType::Index {
                let pairs = from[0].indices().iter().zip(from[1].indices());
                pairs.map(|(a, b)| compare(*f, a, b)).collect::<Vec<_>>()
            } else {
                let pairs = from[0].reals().iter().zip(from[1].reals());
                pairs.map(|(a, b)| compare(*f, a, b)).collect()
            };
            Tensor::bool(dims, truths)
        }
        Op::Select(..) => {
            let conditions = from[0].bools().iter().enumerate();
            let picks: Vec<_> = conditions
                .map(|(i, condition)| (if *condition { 0 } else { 1 }, i))
                .collect();
            Tensor::pick(dims, &from[1..], &picks)
        }
        Op::StopGradient(_) | Op::Broadcast { .. } => from[0].clone(),
        Op::Mix(..) => {
            let pairs = from[0].indices().iter().zip(words(from[1]));
            Tensor::index(
                dims,
                pairs.map(|(a, b)| random::mix(*a, b)).collect::<Vec<_>>(),
            )
        }
        Op::Uniform(_) => real(
            from[0]
                .indices()
                .iter()
                .map(|x| random::uniform(*x))
                .collect(),
        ),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the definition: whole parts, saturated"
        )]
        Op::Token(_) => {
            let whole: Vec<u32> = from[0].reals().iter().map(|x| *x as u32).collect();
            Tensor::index(dims, whole)
        }

        Op::MatMul(..) => real(matmul(from[0], from[1])),
        Op::Outer(..) => {
            let (a, b) = (from[0].reals(), from[1].reals());
            real(
                a.iter()
                    .flat_map(|a| b.iter().map(move |b| a * b))
                    .collect(),
            )
        }
        Op::Transpose(_) => {
            let (x, rows, columns) = (from[0].reals(), dims[0], dims[1]);
            let flipped = (0..rows).flat_map(|i| (0..columns).map(move |j| x[j * rows + i]));
            real(flipped.collect())
        }

        Op::Expand { at, .. } => {
            let (outer, inner) = around(from[0].dims(), *at);
            let picks = (0..outer).flat_map(|o| {
                (0..dims[*at]).flat_map(move |_| (0..inner).map(move |i| (0, o * inner + i)))
            });
            Tensor::pick(dims.clone(), from, &picks.collect::<Vec<_>>())
        }
        Op::Reduce { kind, at, .. } => real(
            lines(from[0], *at)
                .iter()
                .map(|line| reduce(*kind, line))
                .collect(),
        ),
        Op::Softmax(_) => {
            let rows = from[0].reals().chunks(dims[dims.len() - 1]);
            real(rows.flat_map(softmax).collect())
        }
        Op::Concat { at, .. } => {
            let mut picks = Vec::new();
            let (outer, _) = around(&dims, *at);
            for o in 0..outer {
                for (which, part) in from.iter().enumerate() {
                    let run: usize = part.dims()[*at..].iter().product();
                    picks.extend((o * run..(o + 1) * run).map(|i| (which, i)));
                }
            }
            Tensor::pick(dims, from, &picks)
        }
        Op::Slice { at, start, .. } => {
            let start = constant(start);
            let (outer, inner) = around(&dims, *at);
            let (outer, inner) = (outer, inner / dims[*at]);
            let (of, len) = (from[0].dims()[*at], dims[*at]);
            let picks = (0..outer).flat_map(|o| {
                (start * inner..(start + len) * inner).map(move |i| (0, o * of * inner + i))
            });
            let picks: Vec<_> = picks.collect();
            Tensor::pick(dims, from, &picks)
        }
        Op::Pad { at, before, .. } => {
            let before = constant(before);
            let (outer, inner) = around(&dims, *at);
            let inner = inner / dims[*at];
            let (len, of) = (from[0].dims()[*at] * inner, dims[*at] * inner);
            let mut out = vec![0.0; outer * of];
            for o in 0..outer {
                let start = o * of + before * inner;
                out[start..start + len].copy_from_slice(&from[0].reals()[o * len..(o + 1) * len]);
            }
            real(out)
        }

        Op::Gather { .. } => {
            let (table, index) = (from[0], from[1].indices()[0]);
            below(index, table.dims()[0])?;
            table.block(dims, index as usize)
        }
        Op::Scatter { .. } => {
            let (index, row) = (from[0].indices()[0], from[1]);
            below(index, dims[0])?;
            let mut out = Tensor::zeros(DType::Real, dims);
            out.set_block(index as usize, row);
            out
        }
        Op::ArgMax(_) => {
            let width = from[0].dims().last().copied().unwrap_or(1);
            // NaN counts as the largest.
            let larger = |a: f64, b: f64| a > b || (a.is_nan() && !b.is_nan());
            let first_largest = |x: &[f64]| {
                let largest =
                    (0..x.len()).fold(0, |best, i| if larger(x[i], x[best]) { i } else { best });
                u32::try_from(largest).expect("a size is below 2^32")
            };
            let rows = from[0].reals().chunks(width);
            Tensor::index(dims, rows.map(first_largest).collect::<Vec<_>>())
        }

        Op::AxisReduce { kind, .. } => {
            let start = match kind {
                Over::Sum => 0.0,
                Over::Max => f64::NEG_INFINITY,
            };
            let mut out = vec![start; dims.iter().product()];
            for x in from {
                for (out, x) in out.iter_mut().zip(x.reals()) {
                    *out = match kind {
                        Over::Sum => *out + x,
                        Over::Max => Binary::Max.of(*out, *x),
                    };
                }
            }
            real(out)
        }
        Op::Shift { .. } | Op::At { .. } | Op::Place { .. } => match from.first() {
            Some(x) => (*x).clone(),
            None => Tensor::zeros(dtype, dims),
        },
    })
}

// Tokens as they are, reals as the bits of their `f32`.
fn words(x: &Tensor) -> Vec<u32> {
    match x.data() {
        Data::Index(tokens) => tokens.clone(),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the bits of the nearest `f32`"
        )]
        Data::Real(reals) => reals.iter().map(|x| (*x as f32).to_bits()).collect(),
        Data::Bool(_) => unreachable!("words are tokens or reals"),
    }
}

fn below(value: u32, limit: usize) -> Result<(), OutOfRange> {
    if (value as usize) < limit {
        Ok(())
    } else {
        Err(OutOfRange { value, limit })
    }
}

fn constant(dim: &crate::dim::Dim) -> usize {
    dim.as_constant()
        .and_then(|value| usize::try_from(value).ok())
        .expect("a bound graph has constant offsets")
}

// How many elements precede feature axis `at`, and how many there are from it on.
fn around(dims: &[usize], at: usize) -> (usize, usize) {
    (dims[..at].iter().product(), dims[at..].iter().product())
}

// The lines of elements along feature axis `at`, in the order of the other axes.
fn lines(x: &Tensor, at: usize) -> Vec<Vec<f64>> {
    let (outer, rest) = around(x.dims(), at);
    let inner = rest / x.dims()[at];
    (0..outer)
        .flat_map(|o| (0..inner).map(move |i| (o, i)))
        .map(|(o, i)| {
            (0..x.dims()[at])
                .map(|k| x.reals()[(o * x.dims()[at] + k) * inner + i])
                .collect()
        })
        .collect()
}

fn matmul(a: &Tensor, b: &Tensor) -> Vec<f64> {
    let contracted = b.dims()[0];
    let (rows, columns) = (a.len() / contracted, b.len() / contracted);
    let (a, b) = (a.reals(), b.reals());
    let mut out = Vec::with_capacity(rows * columns);
    for i in 0..rows {
        for j in 0..columns {
            out.push(
                (0..contracted)
                    .map(|k| a[i * contracted + k] * b[k * columns + j])
                    .sum(),
            );
        }
    }
    out
}

fn compare<T: PartialOrd>(f: Compare, a: &T, b: &T) -> bool {
    match f {
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Gt => a > b,
        Compare::Ge => a >= b,
        Compare::Eq => a == b,
        Compare::Ne => a != b,
    }
}

fn largest(line: &[f64]) -> f64 {
    line.iter()
        .fold(f64::NEG_INFINITY, |m, x| Binary::Max.of(m, *x))
}

// ln(sum(e^x)) = m + ln(sum(e^(x - m))), m the largest; an infinite m is the result itself.
fn reduce(kind: Reduction, line: &[f64]) -> f64 {
    match kind {
        Reduction::Sum => line.iter().sum(),
        Reduction::Max => largest(line),
        Reduction::LogSumExp => {
            let m = largest(line);
            if m.is_infinite() {
                return m;
            }
            m + line.iter().map(|x| (x - m).exp()).sum::<f64>().ln()
        }
    }
}

// e^(x - m) / sum(e^(x - m)), m the largest.
fn softmax(line: &[f64]) -> Vec<f64> {
    let m = largest(line);
    let sum: f64 = line.iter().map(|x| (x - m).exp()).sum();
    line.iter().map(|x| (x - m).exp() / sum).collect()
}
