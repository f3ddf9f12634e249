//! The functions of the language that bring values to mean 0 and variance 1: of one example, and of a batch.
//!
//! ```text
//! layer_norm(x)    (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)      over the last feature axis
//! rms_norm(x)      x / sqrt(mean(x^2) + epsilon)
//! batch_norm(x)    (x - m) / sqrt(v + epsilon)                                each element by itself
//! ```
//!
//! In training `m` and `v` are mean and variance over the examples of the batch, at each step or over all steps; in inference
//! they are [`Running`] parameters, to which training brings what it finds in each batch, by results of kind
//! [`ResultKind::Running`]:
//!
//! ```text
//! mean      <- mean     + momentum (found mean - mean)
//! variance  <- variance + momentum (found variance - variance)
//! ```
//!
//! What is found is over all examples and steps: the mean of all elements, and the mean of the variances that were divided by,
//! without bias. A running parameter with an axis in front, `[S, ..]`, has a row for each of the first `S` steps, the last of
//! which is for all later ones too (Cooijmans et al. 2017, sec. 4); a row is brought to what is found at its steps.
//!
//! **Invariant:** an example counts at its own steps alone. A statistic of no elements changes nothing.

use crate::axis::{AxisId, Domain};
use crate::builder::{Builder, Built};
use crate::dim::Dim;
use crate::graph::ResultKind;
use crate::node::{NodeId, Shape, Type};
use crate::op::{Binary, Op, Over, ParamKind, Reduction, Unary};
use crate::random::draw::Per;
use crate::typing::TypeError;

/// The running parameters of a batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Of the means.
    pub mean: NodeId,
    /// Of the variances.
    pub variance: NodeId,
}

/// How a batch is normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Whether each step has its own mean and variance, or all of them one.
    pub per: Per,
    /// The share of what a training step finds in what is kept.
    pub momentum: f64,
    /// What is added to a variance.
    pub epsilon: f64,
    /// Whether the first step is the last one in time.
    pub reversed: bool,
}

/// Which row of a running parameter belongs to a step.
#[derive(Clone, Debug)]
struct Rows {
    index: NodeId,
    count: Dim,
}

impl Builder {
    /// `(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)` over the last feature axis (Ba, Kiros & Hinton 2016, eq. 3 and
    /// 4, without gain and bias).
    ///
    /// # Errors
    /// `x` is a scalar.
    pub fn layer_norm(&mut self, x: NodeId, epsilon: f64) -> Built {
        let mean = self.mean_last(x)?;
        let mean = self.along_last(mean, x)?;
        let centred = self.sub(x, mean)?;
        self.rms_norm(centred, epsilon)
    }

    /// `x / sqrt(mean(x^2) + epsilon)` over the last feature axis (Zhang & Sennrich 2019, eq. 4, without gain).
    ///
    /// # Errors
    /// `x` is a scalar.
    pub fn rms_norm(&mut self, x: NodeId, epsilon: f64) -> Built {
        let square = self.mul(x, x)?;
        let mean = self.mean_last(square)?;
        let size = self.deviation(mean, epsilon)?;
        let size = self.along_last(size, x)?;
        self.div(x, size)
    }

    /// `x` with mean 0 and variance 1 over the batch (Ioffe & Szegedy 2015; in recurrences Laurent et al. 2016, Cooijmans et
    /// al. 2017), without gain and bias.
    ///
    /// # Errors
    /// `x` does not vary over the batch, the statistics are not running parameters of its shape, or they have rows for steps
    /// that `x` does not have.
    pub fn batch_norm(&mut self, x: NodeId, running: Running, how: &BatchNorm) -> Built {
        let Type { domain, shape, .. } = self.ty(x).clone();
        if !domain.contains(AxisId::BATCH) {
            let axis = AxisId::BATCH;
            return Err(TypeError::MissingAxis {
                op: "batch_norm",
                axis,
            });
        }
        let rows = self.rows(x, running.mean, how)?;
        for kept in [running.mean, running.variance] {
            let count = rows.iter().map(|rows| &rows.count);
            let expected = Shape(count.chain(&shape.0).cloned().collect());
            if *self.shape(kept) != expected {
                return Err(TypeError::ShapeMismatch {
                    op: "batch_norm",
                    left: expected,
                    right: self.shape(kept).clone(),
                });
            }
        }
        let one = self.constant(1.0, Shape::scalar());
        let ones = self.broadcast(one, domain)?;
        let axes = match how.per {
            Per::Step => Domain::BATCH,
            Per::Sequence => domain,
        };
        let own = |b: &mut Self, x| b.axis_reduce(Over::Sum, x, axes);
        let count = own(self, ones)?;
        let count = self.binary(Binary::Max, count, one)?;
        let sum = own(self, x)?;
        let mean = self.div(sum, count)?;
        let centred = self.sub(x, mean)?;
        let squares = self.mul(centred, centred)?;
        let sum = own(self, squares)?;
        let variance = self.div(sum, count)?;

        self.keep_mean((x, ones), running.mean, rows.as_ref(), how)?;
        // Each statistic takes one of the elements that it is of: its share of each of them.
        let share = self.div(one, count)?;
        let free = self.sub(ones, share)?;
        self.keep_mean((squares, free), running.variance, rows.as_ref(), how)?;

        let mut chosen = [(mean, running.mean), (variance, running.variance)];
        for (found, kept) in &mut chosen {
            let row = match &rows {
                Some(rows) => self.gather(*kept, rows.index)?,
                None => *kept,
            };
            *found = self.in_training(*found, row)?;
        }
        let [(mean, _), (variance, _)] = chosen;
        let centred = self.sub(x, mean)?;
        let deviation = self.deviation(variance, how.epsilon)?;
        self.div(centred, deviation)
    }

    // The next value of a running parameter, by the mean of some values: their sum over how many they count for.
    fn keep_mean(
        &mut self,
        (values, counts): (NodeId, NodeId),
        kept: NodeId,
        rows: Option<&Rows>,
        how: &BatchNorm,
    ) -> Result<(), TypeError> {
        let Op::Param {
            name,
            kind: ParamKind::Running,
            ..
        } = self.graph().nodes[kept].op.clone()
        else {
            return Err(TypeError::Declaration {
                op: "batch_norm",
                reason: "keeps its statistics in running parameters",
            });
        };
        let one = self.constant(1.0, Shape::scalar());
        let shape = self.shape(kept).clone();
        let total = self.total(values, rows)?;
        let mut count = self.total(counts, rows)?;
        if rows.is_some() {
            for (at, dim) in shape.0.iter().enumerate().skip(1) {
                count = self.expand(count, at, dim.clone())?;
            }
        }
        let least = self.binary(Binary::Max, count, one)?;
        let found = self.div(total, least)?;
        // Nothing counted changes nothing.
        let any = self.binary(Binary::Min, count, one)?;
        let momentum = self.constant(how.momentum, Shape::scalar());
        let weight = self.mul(momentum, any)?;
        let change = self.sub(found, kept)?;
        let change = self.mul(weight, change)?;
        let next = self.add(kept, change)?;
        self.result(ResultKind::Running, name, next);
        Ok(())
    }

    // The sum over all examples and steps, in each row.
    fn total(&mut self, x: NodeId, rows: Option<&Rows>) -> Built {
        let placed = match rows {
            Some(rows) => self.scatter(rows.index, x, rows.count.clone())?,
            None => x,
        };
        let domain = self.ty(placed).domain;
        self.axis_reduce(Over::Sum, placed, domain)
    }

    // The row of each step, from 0, if the running parameter `kept` has rows: how many steps there are so far, but at most
    // the last. It is counted and not read off the axis, so that a sequence in pieces goes on counting.
    fn rows(
        &mut self,
        x: NodeId,
        kept: NodeId,
        how: &BatchNorm,
    ) -> Result<Option<Rows>, TypeError> {
        let Type { domain, shape, .. } = self.ty(x).clone();
        let [count, rest @ ..] = self.shape(kept).0.as_slice() else {
            return Ok(None);
        };
        if rest != shape.0.as_slice() {
            return Ok(None);
        }
        let (count, mut time) = (count.clone(), domain.time_axes());
        let (Some(axis), None, Per::Step) = (time.next(), time.next(), how.per) else {
            return Err(TypeError::Declaration {
                op: "batch_norm",
                reason: "has rows for the steps of one axis, each with its own mean and variance",
            });
        };
        let one = self.constant(1.0, Shape::scalar());
        let ones = self.constant(1.0, Shape::vector(count.clone()));
        let last = self.reduce_last(Reduction::Sum, ones)?;
        let ty = Type::real(domain, Shape::scalar());
        let by = if how.reversed { 1 } else { -1 };
        let before = self.open_shift(&ty, axis, by, None)?;
        let next = self.add(before, one)?;
        let step = self.binary(Binary::Min, next, last)?;
        if let Op::Param { name, .. } = &self.graph().nodes[kept].op {
            let name = format!("{name}.step");
            self.name(step, name);
        }
        self.close(before, step)?;
        let row = self.sub(step, one)?;
        let index = self.whole(row)?;
        Ok(Some(Rows { index, count }))
    }

    // `sqrt(x + epsilon)`
    fn deviation(&mut self, x: NodeId, epsilon: f64) -> Built {
        let epsilon = self.constant(epsilon, Shape::scalar());
        let x = self.add(x, epsilon)?;
        self.unary(Unary::Sqrt, x)
    }

    // A value without the last feature axis of `like`, repeated along it.
    fn along_last(&mut self, x: NodeId, like: NodeId) -> Built {
        let shape = self.shape(like).clone();
        let last = shape.rank() - 1;
        self.expand(x, last, shape.0[last].clone())
    }
}
