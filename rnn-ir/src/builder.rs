//! Builds graphs: primitives with their types checked, and the compositions that the language offers.
//!
//! **Invariant:** every node is appended through [`Builder::push`], which asks [`crate::typing`] for its type.

use crate::axis::{Axis, AxisId, Domain, Extent};
use crate::dim::Dim;
use crate::graph::{Graph, GraphResult, ResultKind};
use crate::id::Id;
use crate::node::{DType, FileId, Loc, Node, NodeId, Shape, Type};
use crate::op::{
    Binary, Compare, Init, Number, Op, Over, ParamKind, Position, Reduction, Role, Unary,
};
use crate::typing::{TypeError, infer};

/// What a builder method answers.
pub type Built = Result<NodeId, TypeError>;

/// Appends nodes to a graph.
#[derive(Clone, Debug)]
pub struct Builder {
    graph: Graph,
    loc: Option<Loc>,
}

impl Builder {
    /// Starts an empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self::extend(Graph::new(name))
    }

    /// Goes on with a graph.
    pub fn extend(graph: Graph) -> Self {
        Self { graph, loc: None }
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph, for [`crate::verify::verify`].
    pub fn finish(self) -> Graph {
        self.graph
    }

    /// The type of a node.
    pub fn ty(&self, id: NodeId) -> &Type {
        &self.graph.nodes[id].ty
    }

    /// The shape of a node.
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.ty(id).shape
    }

    /// Sets the source location of the nodes that follow.
    pub fn set_loc(&mut self, loc: Option<Loc>) {
        self.loc = loc;
    }

    /// Names a node as the value of an equation. A node keeps its first name.
    pub fn name(&mut self, id: NodeId, name: impl Into<String>) -> NodeId {
        let node = &mut self.graph.nodes[id];
        node.name.get_or_insert_with(|| name.into());
        id
    }

    /// Declares a size parameter.
    pub fn size(&mut self, name: impl Into<String>) -> Dim {
        let name = name.into();
        if !self.graph.sizes.contains(&name) {
            self.graph.sizes.push(name.clone());
        }
        Dim::size(name)
    }

    /// Declares a time axis.
    pub fn axis(&mut self, name: impl Into<String>, extent: Extent) -> AxisId {
        self.graph.axes.push(Axis {
            name: name.into(),
            extent,
        })
    }

    /// Declares a source file beside that of the model; the same name is the same file.
    pub fn file(&mut self, name: &str) -> FileId {
        let files = &mut self.graph.files;
        let known = files.ids().find(|id| files[*id] == name);
        known.unwrap_or_else(|| files.push(name.to_owned()))
    }

    /// Declares a result.
    pub fn result(&mut self, kind: ResultKind, name: impl Into<String>, node: NodeId) {
        self.graph.results.push(GraphResult {
            kind,
            name: name.into(),
            node,
        });
    }

    /// Appends a primitive.
    ///
    /// # Errors
    /// The type rule that its operands break.
    pub fn push(&mut self, op: Op, declared: Option<&Type>) -> Built {
        let nodes = &self.graph.nodes;
        let ty = infer(&op, declared, &|id| &nodes[id].ty)?;
        Ok(self.graph.nodes.push(Node {
            op,
            ty,
            name: None,
            loc: self.loc,
        }))
    }

    fn op(&mut self, op: Op) -> Built {
        self.push(op, None)
    }

    /// Declares an input; it is its own equation.
    pub fn input(&mut self, name: impl Into<String>, role: Role, ty: Type) -> Built {
        let name = name.into();
        let id = self.push(
            Op::Input {
                name: name.clone(),
                role,
            },
            Some(&ty),
        )?;
        Ok(self.name(id, name))
    }

    /// Declares a parameter; it is its own equation.
    pub fn param(
        &mut self,
        name: impl Into<String>,
        shape: Shape,
        init: Init,
        kind: ParamKind,
    ) -> Built {
        let name = name.into();
        let ty = Type::real(Domain::NONE, shape);
        let id = self.push(
            Op::Param {
                name: name.clone(),
                init,
                kind,
            },
            Some(&ty),
        )?;
        Ok(self.name(id, name))
    }

    /// A real constant of the shape.
    pub fn constant(&mut self, value: f64, shape: Shape) -> NodeId {
        self.graph.nodes.push(Node {
            op: Op::Const(Number(value)),
            ty: Type::real(Domain::NONE, shape),
            name: None,
            loc: self.loc,
        })
    }

    /// A constant token.
    pub fn token(&mut self, value: u32) -> NodeId {
        self.graph.nodes.push(Node {
            op: Op::Const(Number(f64::from(value))),
            ty: Type {
                domain: Domain::NONE,
                shape: Shape::scalar(),
                dtype: DType::Index,
            },
            name: None,
            loc: self.loc,
        })
    }

    /// The same constant token in every element of a shape.
    pub fn tokens(&mut self, value: u32, shape: Shape) -> NodeId {
        let token = self.token(value);
        self.graph.nodes[token].ty.shape = shape;
        token
    }

    /// The index of the step, from 1.
    pub fn step(&mut self, axis: AxisId) -> Built {
        self.op(Op::Step(axis))
    }

    /// The number of steps of each example.
    pub fn length(&mut self, axis: AxisId) -> Built {
        self.op(Op::Length(axis))
    }

    /// Repeats a scalar until it has the shape; a value that already has it is left alone.
    ///
    /// # Errors
    /// The value is neither a scalar nor of the shape.
    pub fn expand_to(&mut self, op: &'static str, x: NodeId, shape: &Shape) -> Built {
        if self.shape(x) == shape {
            return Ok(x);
        }
        if !self.shape(x).is_scalar() {
            return Err(TypeError::ShapeMismatch {
                op,
                left: self.shape(x).clone(),
                right: shape.clone(),
            });
        }
        if let Op::Const(value) = self.graph.nodes[x].op {
            let ty = Type {
                shape: shape.clone(),
                ..self.ty(x).clone()
            };
            return self.push(Op::Const(value), Some(&ty));
        }
        let mut x = x;
        for (at, dim) in shape.0.iter().enumerate() {
            x = self.op(Op::Expand {
                x,
                at,
                dim: dim.clone(),
            })?;
        }
        Ok(x)
    }

    fn expand_both(
        &mut self,
        op: &'static str,
        a: NodeId,
        b: NodeId,
    ) -> Result<(NodeId, NodeId), TypeError> {
        let (left, right) = (self.shape(a).clone(), self.shape(b).clone());
        if left.is_scalar() {
            Ok((self.expand_to(op, a, &right)?, b))
        } else if right.is_scalar() {
            Ok((a, self.expand_to(op, b, &left)?))
        } else {
            Ok((a, b))
        }
    }

    /// An elementwise function.
    pub fn unary(&mut self, unary: Unary, x: NodeId) -> Built {
        self.op(Op::Unary(unary, x))
    }

    /// An elementwise function of two operands; a scalar is repeated.
    pub fn binary(&mut self, binary: Binary, a: NodeId, b: NodeId) -> Built {
        let (a, b) = self.expand_both(binary.name(), a, b)?;
        self.op(Op::Binary(binary, a, b))
    }

    /// `a + b`
    pub fn add(&mut self, a: NodeId, b: NodeId) -> Built {
        self.binary(Binary::Add, a, b)
    }
    /// `a - b`
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> Built {
        self.binary(Binary::Sub, a, b)
    }
    /// `a * b`
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> Built {
        self.binary(Binary::Mul, a, b)
    }
    /// `a / b`
    pub fn div(&mut self, a: NodeId, b: NodeId) -> Built {
        self.binary(Binary::Div, a, b)
    }
    /// `-x`
    pub fn neg(&mut self, x: NodeId) -> Built {
        self.unary(Unary::Neg, x)
    }

    /// A comparison; a scalar is repeated.
    pub fn compare(&mut self, compare: Compare, a: NodeId, b: NodeId) -> Built {
        let (a, b) = self.expand_both(compare.name(), a, b)?;
        self.op(Op::Compare(compare, a, b))
    }

    /// `where(condition, then, otherwise)`; scalars are repeated.
    pub fn select(&mut self, condition: NodeId, then: NodeId, otherwise: NodeId) -> Built {
        let operands = [condition, then, otherwise];
        let shape = operands
            .iter()
            .map(|id| self.shape(*id))
            .find(|shape| !shape.is_scalar())
            .cloned();
        let shape = shape.unwrap_or_default();
        let condition = self.expand_to("where", condition, &shape)?;
        let then = self.expand_to("where", then, &shape)?;
        let otherwise = self.expand_to("where", otherwise, &shape)?;
        self.op(Op::Select(condition, then, otherwise))
    }

    /// Its operand, with no derivative.
    pub fn stop_gradient(&mut self, x: NodeId) -> Built {
        self.op(Op::StopGradient(x))
    }

    /// The whole part of a real as an index.
    pub fn whole(&mut self, x: NodeId) -> Built {
        self.op(Op::Token(x))
    }

    /// `a @ b`
    pub fn matmul(&mut self, a: NodeId, b: NodeId) -> Built {
        self.op(Op::MatMul(a, b))
    }
    /// `outer(a, b)`
    pub fn outer(&mut self, a: NodeId, b: NodeId) -> Built {
        self.op(Op::Outer(a, b))
    }
    /// `x.T`
    pub fn transpose(&mut self, x: NodeId) -> Built {
        self.op(Op::Transpose(x))
    }

    /// Repeats along a new feature axis.
    pub fn expand(&mut self, x: NodeId, at: usize, dim: Dim) -> Built {
        self.op(Op::Expand { x, at, dim })
    }
    /// Reduces feature axis `at`.
    pub fn reduce(&mut self, kind: Reduction, x: NodeId, at: usize) -> Built {
        self.op(Op::Reduce { kind, x, at })
    }
    /// Reduces the last feature axis, as the language's `sum(x)` does.
    pub fn reduce_last(&mut self, kind: Reduction, x: NodeId) -> Built {
        let rank = self.shape(x).rank();
        if rank == 0 {
            let expected = "a vector or a matrix";
            return Err(TypeError::Rank {
                op: kind.name(),
                expected,
                found: Shape::scalar(),
            });
        }
        self.reduce(kind, x, rank - 1)
    }
    /// `softmax(x)` over the last feature axis.
    pub fn softmax(&mut self, x: NodeId) -> Built {
        self.op(Op::Softmax(x))
    }
    /// Joins along feature axis `at`.
    pub fn concat(&mut self, parts: Vec<NodeId>, at: usize) -> Built {
        self.op(Op::Concat { parts, at })
    }
    /// `len` entries from `start` along feature axis `at`.
    pub fn slice(&mut self, x: NodeId, at: usize, start: Dim, len: Dim) -> Built {
        self.op(Op::Slice { x, at, start, len })
    }
    /// Zeros before and after, along feature axis `at`.
    pub fn pad(&mut self, x: NodeId, at: usize, before: Dim, after: Dim) -> Built {
        self.op(Op::Pad {
            x,
            at,
            before,
            after,
        })
    }

    /// Row `index` of `table`.
    pub fn gather(&mut self, table: NodeId, index: NodeId) -> Built {
        self.op(Op::Gather { table, index })
    }
    /// `x` in row `index` of zeros.
    pub fn scatter(&mut self, index: NodeId, x: NodeId, dim: Dim) -> Built {
        self.op(Op::Scatter { index, x, dim })
    }
    /// Index of the largest element along the last feature axis.
    pub fn argmax(&mut self, x: NodeId) -> Built {
        self.op(Op::ArgMax(x))
    }

    /// The same value on more axes; none more is the value itself.
    pub fn broadcast(&mut self, x: NodeId, axes: Domain) -> Built {
        let axes = axes.minus(self.ty(x).domain);
        if axes.is_empty() {
            Ok(x)
        } else {
            self.op(Op::Broadcast { x, axes })
        }
    }
    /// Reduces axes of the domain; none is the value itself.
    pub fn axis_reduce(&mut self, kind: Over, x: NodeId, axes: Domain) -> Built {
        if axes.is_empty() {
            Ok(x)
        } else {
            self.op(Op::AxisReduce { kind, x, axes })
        }
    }

    /// `x[t + by]`; outside the axis, the boundary.
    pub fn shift(&mut self, x: NodeId, axis: AxisId, by: i32, boundary: Option<NodeId>) -> Built {
        self.op(Op::Shift {
            axis,
            by,
            x,
            boundary,
        })
    }

    /// `x[t + by]` of a value that is defined later, by [`close`](Self::close). `ty` is the type of `x`.
    pub fn open_shift(
        &mut self,
        ty: &Type,
        axis: AxisId,
        by: i32,
        boundary: Option<NodeId>,
    ) -> Built {
        self.push(
            Op::Shift {
                axis,
                by,
                x: NodeId::OPEN,
                boundary,
            },
            Some(ty),
        )
    }

    /// Says what an open shift shifts.
    ///
    /// # Errors
    /// The value is not of the type that the shift was opened with.
    pub fn close(&mut self, shift: NodeId, value: NodeId) -> Result<(), TypeError> {
        let found = self.ty(value).clone();
        let opened = self.ty(shift).clone();
        let declaration = |reason| TypeError::Declaration {
            op: "shift",
            reason,
        };
        if found.shape != opened.shape {
            return Err(TypeError::ShapeMismatch {
                op: "shift",
                left: opened.shape,
                right: found.shape,
            });
        }
        if found.dtype != opened.dtype {
            return Err(TypeError::Kind {
                op: "shift",
                expected: opened.dtype,
                found: found.dtype,
            });
        }
        let Op::Shift {
            x, axis, boundary, ..
        } = self.graph.nodes[shift].op.clone()
        else {
            return Err(declaration("is the only op that is closed"));
        };
        if x != NodeId::OPEN {
            return Err(declaration("is closed already"));
        }
        // A cycle varies over whatever its members vary over: opening with a smaller domain is an error of the caller.
        let boundary = boundary.map_or(Domain::NONE, |boundary| self.ty(boundary).domain);
        if !found.domain.contains(axis) || !opened.domain.covers(found.domain.union(boundary)) {
            return Err(declaration(
                "is closed with a value of another domain than it was opened with",
            ));
        }
        if let Op::Shift { x, .. } = &mut self.graph.nodes[shift].op {
            *x = value;
        }
        Ok(())
    }

    /// `x` at one step.
    pub fn at(
        &mut self,
        x: NodeId,
        axis: AxisId,
        position: Position,
        boundary: Option<NodeId>,
    ) -> Built {
        self.op(Op::At {
            axis,
            position,
            x,
            boundary,
        })
    }
    /// `x` at one step, zero at the others.
    pub fn place(&mut self, x: NodeId, axis: AxisId, position: Position) -> Built {
        self.op(Op::Place { axis, position, x })
    }

    /// Everything that has a type, a node and a name so far: nodes in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.graph.nodes.len()).map(NodeId::from_index)
    }

    /// Replaces what is written about a node's origin.
    pub(crate) fn set_origin(&mut self, id: NodeId, name: Option<String>, loc: Option<Loc>) {
        let node = &mut self.graph.nodes[id];
        if node.name.is_none() {
            node.name = name;
        }
        if node.loc.is_none() {
            node.loc = loc;
        }
    }
}
