//! A model while it is drawn: its axes, what has been computed so far, and shorthand for drawing declarations.
//!
//! **Invariant:** every value that is kept lies between about -2 and 2.

use super::{Draw, Settings};
use crate::axis::{AxisId, Domain, Extent};
use crate::builder::{Builder, Built};
use crate::dim::Dim;
use crate::graph::{Graph, ResultKind};
use crate::node::{DType, NodeId, Shape, Type};
use crate::op::{Compare, Init, ParamKind, Role, Unary};
use crate::typing::TypeError;

/// A token and the number of values it may have.
pub(super) type Token = (NodeId, usize);

/// What an expression is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) vectors: Vec<NodeId>,
    pub(super) tokens: Vec<Token>,
    /// The time axis, where the expression may ask which step it is.
    pub(super) axis: Option<AxisId>,
    /// Whether the values are defined already, so that they can be looked at from other steps.
    pub(super) settled: bool,
}

/// The model being drawn.
pub(super) struct Sketch<'d> {
    pub(super) b: Builder,
    pub(super) draw: &'d mut Draw,
    pub(super) axes: Vec<AxisId>,
    pub(super) vectors: Vec<NodeId>,
    pub(super) tokens: Vec<Token>,
    pub(super) sizes: Vec<usize>,
    count: usize,
}

pub(super) fn dim(size: usize) -> Dim {
    Dim::constant(i64::try_from(size).unwrap_or(i64::MAX))
}

pub(super) fn vector(size: usize) -> Shape {
    Shape::vector(dim(size))
}

impl<'d> Sketch<'d> {
    /// Draws axes and inputs.
    pub(super) fn new(
        name: String,
        draw: &'d mut Draw,
        settings: &Settings,
    ) -> Result<Self, TypeError> {
        let mut b = Builder::new(name);
        let first = if draw.once_in(6) {
            Extent::Fixed(u32::try_from(draw.below(4)).unwrap_or(0) + 1)
        } else {
            Extent::Length("T".into())
        };
        let mut axes = vec![b.axis("t", first)];
        if draw.once_in(2) {
            axes.push(b.axis("j", Extent::Length("S".into())));
        }
        let mut sketch = Self {
            b,
            draw,
            axes,
            vectors: Vec::new(),
            tokens: Vec::new(),
            sizes: settings.sizes.clone(),
            count: 0,
        };
        for axis in sketch.axes.clone() {
            let every = Domain::BATCH.with(axis);
            sketch.input(every)?;
            if sketch.draw.once_in(2) {
                sketch.token(every)?;
            }
        }
        if sketch.draw.once_in(2) {
            sketch.input(Domain::BATCH)?;
        }
        if sketch.draw.once_in(3) {
            sketch.input(Domain::of(sketch.axes[0]))?;
        }
        if sketch.draw.once_in(3) {
            sketch.token(Domain::BATCH)?;
        }
        Ok(sketch)
    }

    /// Draws the blocks, outputs and the loss.
    pub(super) fn write(mut self, settings: &Settings) -> Result<Graph, TypeError> {
        for _ in 0..=self.draw.below(settings.blocks) {
            self.block()?;
        }
        let mut loss = self.number(0.0);
        for (position, value) in self.vectors.clone().into_iter().rev().enumerate() {
            // What came last depends on the rest.
            if position < 3 || self.draw.once_in(4) {
                if self.draw.once_in(2) {
                    let name = self.fresh("y");
                    self.b.result(ResultKind::Output, name, value);
                }
                let part = self.loss_of(value)?;
                loss = self.b.add(loss, part)?;
            }
        }
        let loss = self.b.broadcast(loss, Domain::BATCH)?;
        self.b.name(loss, "loss");
        self.b.result(ResultKind::Loss, "loss", loss);
        Ok(self.b.finish())
    }

    pub(super) fn fresh(&mut self, prefix: &str) -> String {
        self.count += 1;
        format!("{prefix}{}", self.count)
    }

    pub(super) fn size(&mut self) -> usize {
        *self.draw.pick(&self.sizes)
    }

    pub(super) fn number(&mut self, value: f64) -> NodeId {
        self.b.constant(value, Shape::scalar())
    }

    pub(super) fn param(&mut self, shape: Shape) -> Built {
        let name = self.fresh("p");
        let init = Init {
            kind: "glorot_uniform".into(),
            args: Vec::new(),
        };
        let kind = match self.draw.once_in(8) {
            true => ParamKind::Fixed,
            false => ParamKind::Trained,
        };
        self.b.param(name, shape, init, kind)
    }

    pub(super) fn matrix(&mut self, rows: usize, columns: usize) -> Built {
        self.param(Shape::matrix(dim(rows), dim(columns)))
    }

    fn input(&mut self, domain: Domain) -> Result<(), TypeError> {
        let (name, size) = (self.fresh("x"), self.size());
        let ty = Type::real(domain, vector(size));
        let x = self.b.input(name, Role::Input, ty)?;
        self.vectors.push(x);
        Ok(())
    }

    fn token(&mut self, domain: Domain) -> Result<(), TypeError> {
        let (name, limit) = (self.fresh("k"), self.size());
        let ty = Type {
            domain,
            shape: Shape::scalar(),
            dtype: DType::Index,
        };
        let token = self.b.input(name, Role::Input, ty)?;
        // A table of its own makes the limit part of the model.
        let table = self.param(vector(limit))?;
        let row = self.b.gather(table, token)?;
        let row = self.b.expand(row, 0, dim(1))?;
        self.vectors.push(row);
        self.tokens.push((token, limit));
        Ok(())
    }

    pub(super) fn len(&self, x: NodeId) -> usize {
        let sizes = self.b.shape(x).sizes();
        sizes.and_then(|sizes| sizes.first().copied()).unwrap_or(1)
    }

    /// What varies over nothing but the batch and this axis.
    pub(super) fn along(&self, axis: AxisId) -> Scope {
        let inside = Domain::BATCH.with(axis);
        let fits = |id: &NodeId| inside.covers(self.b.ty(*id).domain);
        Scope {
            vectors: self.vectors.iter().copied().filter(fits).collect(),
            tokens: self
                .tokens
                .iter()
                .copied()
                .filter(|(id, _)| fits(id))
                .collect(),
            axis: Some(axis),
            settled: true,
        }
    }

    /// A bounded function of a value that is not too large.
    pub(super) fn tame(&mut self, x: NodeId) -> Built {
        match self.draw.below(12) {
            0..6 => self.b.unary(Unary::Tanh, x),
            6..9 => self.b.unary(Unary::Sigmoid, x),
            9 => self.b.unary(Unary::Sin, x),
            10 => self.b.unary(Unary::Cos, x),
            _ => self.b.softsign(x),
        }
    }

    /// A sum of so many terms, made a mean.
    pub(super) fn mean_of(&mut self, sum: NodeId, terms: usize) -> Built {
        let part = self.number(1.0 / terms as f64);
        self.b.mul(sum, part)
    }

    /// Zero for an empty sequence.
    pub(super) fn unless_empty(&mut self, y: NodeId, axis: AxisId) -> Built {
        let (length, zero) = (self.b.length(axis)?, self.number(0.0));
        let some = self.b.compare(Compare::Gt, length, zero)?;
        self.b.select(some, y, zero)
    }

    // A scalar of each example: an error in hitting a target, summed or averaged over time.
    fn loss_of(&mut self, value: NodeId) -> Built {
        let domain = self.b.ty(value).domain.union(Domain::BATCH);
        let (name, size) = (self.fresh("target"), self.len(value));
        let mut loss = match self.draw.below(4) {
            0 => {
                let ty = Type {
                    domain,
                    shape: Shape::scalar(),
                    dtype: DType::Index,
                };
                let target = self.b.input(name, Role::Target, ty)?;
                self.b.cross_entropy(value, target)?
            }
            1 => {
                let target = Type::real(domain, vector(size));
                let target = self.b.input(name, Role::Target, target)?;
                self.b.binary_cross_entropy(value, target)?
            }
            2 => {
                let target = Type::real(domain, vector(size));
                let target = self.b.input(name, Role::Target, target)?;
                self.b.squared_error(value, target)?
            }
            _ => self.b.mean_last(value)?,
        };
        for axis in domain.time_axes() {
            // A loss that is one for all examples is still reduced over each example's own steps.
            loss = if self.b.ty(loss).domain.contains(axis) {
                match self.draw.below(3) {
                    0 => self.b.sum_over(loss, axis)?,
                    _ => self.b.mean_over(loss, axis)?,
                }
            } else {
                loss
            };
        }
        Ok(loss)
    }
}
