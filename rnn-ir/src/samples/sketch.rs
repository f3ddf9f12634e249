//! Shorthand for writing models down: declarations with initialisers, affine maps, equations with source lines.
//!
//! **Invariant:** each equation stands on a source line of its own.

use crate::axis::{AxisId, Domain, Extent};
use crate::builder::{Builder, Built};
use crate::dim::Dim;
use crate::graph::{Graph, ResultKind};
use crate::node::{DType, Loc, NodeId, Shape, Type};
use crate::op::{Init, Number, ParamKind, Role};
use crate::typing::TypeError;

/// A model being written.
pub(super) struct Sketch {
    pub(super) b: Builder,
    line: u32,
}

/// A sample is well typed, or the sample is wrong.
pub(super) fn built(model: Result<Graph, TypeError>) -> Graph {
    model.unwrap_or_else(|error| unreachable!("samples are well typed: {error}"))
}

/// The axes of a value of every example and step.
pub(super) fn every(axes: &[AxisId]) -> Domain {
    axes.iter()
        .copied()
        .collect::<Domain>()
        .union(Domain::BATCH)
}

/// The type of a real vector.
pub(super) fn vector(domain: Domain, dim: &Dim) -> Type {
    Type::real(domain, Shape::vector(dim.clone()))
}

impl Sketch {
    pub(super) fn new(name: &str) -> Self {
        let mut sketch = Self {
            b: Builder::new(name),
            line: 1,
        };
        sketch.next_line();
        sketch
    }

    fn next_line(&mut self) {
        self.line += 1;
        self.b.set_loc(Some(Loc {
            file: None,
            line: self.line,
            column: 9,
        }));
    }

    /// `time name in 1..=length`
    pub(super) fn time(&mut self, name: &str, length: &str) -> AxisId {
        self.b.axis(name, Extent::Length(length.into()))
    }

    /// `input name: [dim]`
    pub(super) fn input(&mut self, name: &str, axes: &[AxisId], dim: &Dim) -> Built {
        self.next_line();
        self.b.input(name, Role::Input, vector(every(axes), dim))
    }

    /// `input name: token`
    pub(super) fn tokens(&mut self, name: &str, role: Role, axes: &[AxisId]) -> Built {
        self.next_line();
        let ty = Type {
            domain: every(axes),
            shape: Shape::scalar(),
            dtype: DType::Index,
        };
        self.b.input(name, role, ty)
    }

    /// `target name: [dim]`
    pub(super) fn target(&mut self, name: &str, axes: &[AxisId], dim: &Dim) -> Built {
        self.next_line();
        self.b.input(name, Role::Target, vector(every(axes), dim))
    }

    /// `param name: shape ~ glorot_uniform`
    pub(super) fn weight(&mut self, name: &str, dims: &[&Dim]) -> Built {
        self.draw(name, dims, "glorot_uniform", &[])
    }

    /// `param name: [dim] ~ normal(0, 0.5)`
    pub(super) fn bias(&mut self, name: &str, dim: &Dim) -> Built {
        self.draw(name, &[dim], "normal", &[0.0, 0.5])
    }

    /// `param name: shape ~ kind(args)`
    pub(super) fn draw(&mut self, name: &str, dims: &[&Dim], kind: &str, args: &[f64]) -> Built {
        self.next_line();
        let shape = Shape(dims.iter().map(|dim| (*dim).clone()).collect());
        let init = Init {
            kind: kind.into(),
            args: args.iter().copied().map(Number).collect(),
        };
        self.b.param(name, shape, init, ParamKind::Trained)
    }

    /// `W1 @ x1 + W2 @ x2 + ... + b`
    pub(super) fn affine(&mut self, terms: &[(NodeId, NodeId)], bias: NodeId) -> Built {
        let mut total = None;
        for (weight, x) in terms {
            let product = self.b.matmul(*weight, *x)?;
            total = Some(match total {
                None => product,
                Some(total) => self.b.add(total, product)?,
            });
        }
        match total {
            None => Ok(bias),
            Some(total) => self.b.add(total, bias),
        }
    }

    /// `name = value;`
    pub(super) fn equation(&mut self, name: &str, value: NodeId) -> NodeId {
        let value = self.b.name(value, name);
        self.next_line();
        value
    }

    /// `output name;`
    pub(super) fn output(&mut self, name: &str, value: NodeId) {
        self.b.result(ResultKind::Output, name, value);
    }

    /// `loss mean[axis](value);`
    pub(super) fn mean_loss(&mut self, value: NodeId, axis: AxisId) -> Result<(), TypeError> {
        let loss = self.b.mean_over(value, axis)?;
        self.loss(loss);
        Ok(())
    }

    /// `loss value;`
    pub(super) fn loss(&mut self, value: NodeId) {
        let loss = self.equation("loss", value);
        self.b.result(ResultKind::Loss, "loss", loss);
    }

    pub(super) fn finish(self) -> Graph {
        self.b.finish()
    }
}
