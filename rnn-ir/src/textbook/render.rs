//! Prints expressions, with the parentheses they need and no others.
//!
//! **Invariant:** an expression is printed under a [`Scope`] that says which step each axis stands at, so `x[t]` under
//! `t = T` is `x[T]`; a reduction over an axis binds its index anew.

use super::naming::Naming;
use super::view::{View, resolve, same, view};
use crate::axis::{AxisId, Domain, Extent};
use crate::dim::Dim;
use crate::node::{DType, NodeId};
use crate::op::{Binary, Compare, Number, Op, Position, Unary};
use crate::text::NumberText;

/// How tightly an expression holds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// `a > b`
    Loosest,
    /// `a + b`
    Sum,
    /// `a * b`
    Product,
    /// `-a`
    Sign,
    /// `a @ b`
    MatMul,
    /// `a.T`, `a[t]`, `f(a)`
    Tightest,
}

/// Which step an axis stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// The index variable, and so many steps on: `t+1`.
    Here(i64),
    /// A step counted from an end, or from the start.
    At(Position, i64),
}

/// The step of every axis; the index variable itself where nothing else is said.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope(Vec<(AxisId, Index)>);

impl Scope {
    fn index(&self, axis: AxisId) -> Index {
        let found = self.0.iter().find(|(of, _)| *of == axis);
        found.map_or(Index::Here(0), |(_, index)| *index)
    }

    /// Says which step an axis stands at.
    pub(super) fn set(&mut self, axis: AxisId, index: Index) {
        self.0.retain(|(of, _)| *of != axis);
        self.0.push((axis, index));
    }

    fn with(&self, axis: AxisId, index: Index) -> Self {
        let mut scope = self.clone();
        scope.set(axis, index);
        scope
    }

    fn shifted(&self, axis: AxisId, by: i64) -> Self {
        let index = match self.index(axis) {
            Index::Here(on) => Index::Here(on + by),
            Index::At(position, on) => Index::At(position, on + by),
        };
        self.with(axis, index)
    }

    fn unbound(&self, axes: Domain) -> Self {
        let mut scope = self.clone();
        scope.0.retain(|(axis, _)| !axes.contains(*axis));
        scope
    }
}

fn step(base: &str, on: i64) -> String {
    match on {
        0 => base.to_owned(),
        on => format!("{base}{on:+}"),
    }
}

fn number(number: Number, dtype: DType) -> String {
    match (dtype, number.0 == 0.0) {
        (DType::Bool, true) => "false".into(),
        (DType::Bool, false) => "true".into(),
        (DType::Real | DType::Index, _) => NumberText(number).to_string(),
    }
}

fn compare_sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Lt => "<",
        Compare::Le => "<=",
        Compare::Gt => ">",
        Compare::Ge => ">=",
        Compare::Eq => "==",
        Compare::Ne => "!=",
    }
}

impl Naming<'_> {
    fn index_text(&self, axis: AxisId, index: Index) -> String {
        let axis = &self.graph.axes[axis];
        match index {
            Index::Here(on) => step(&axis.name, on),
            Index::At(Position::First, on) => (1 + on).to_string(),
            Index::At(Position::Step(first), on) => (i64::from(first) + on).to_string(),
            Index::At(Position::Last, on) => match &axis.extent {
                Extent::Length(length) => step(length, on),
                Extent::Fixed(steps) => (i64::from(*steps) + on).to_string(),
            },
        }
    }

    /// The step that an axis stands at: `t-1`.
    pub(super) fn step_of(&self, axis: AxisId, scope: &Scope) -> String {
        self.index_text(axis, scope.index(axis))
    }

    /// A name with its indices: `h[t-1]`.
    pub(super) fn reference(&self, id: NodeId, scope: &Scope) -> String {
        let name = self.name(id).unwrap_or("?");
        let indices: Vec<String> = self.graph.nodes[id]
            .ty
            .domain
            .time_axes()
            .map(|axis| self.index_text(axis, scope.index(axis)))
            .collect();
        if indices.is_empty() {
            name.to_owned()
        } else {
            format!("{name}[{}]", indices.join(", "))
        }
    }

    /// A value where it is used: by its name if it has one.
    pub(super) fn render(&self, id: NodeId, scope: &Scope, least: Strength) -> String {
        let mut id = id;
        while self.name(id).is_none()
            && let Some(operand) = same(self.graph, id)
        {
            id = operand;
        }
        if self.name(id).is_some() {
            self.reference(id, scope)
        } else {
            self.expression(id, scope, least)
        }
    }

    /// A value whose every element counts: a repeated scalar says how often.
    fn whole(&self, id: NodeId, scope: &Scope, least: Strength) -> String {
        let mut scalar = id;
        let mut repeated = false;
        while self.name(scalar).is_none() {
            match (same(self.graph, scalar), &self.graph.nodes[scalar].op) {
                (Some(x), op) => {
                    repeated |= matches!(op, Op::Expand { .. });
                    scalar = x;
                }
                (None, Op::Const(_)) => {
                    repeated = !self.graph.nodes[id].ty.shape.is_scalar();
                    break;
                }
                (None, _) => break,
            }
        }
        if !repeated {
            return self.render(id, scope, least);
        }
        let scalar = self.render(scalar, scope, Strength::Loosest);
        let shape = self.graph.nodes[id].ty.shape.to_string();
        format!("repeat({scalar}, {})", shape.trim_matches(['[', ']']))
    }

    /// How a value is computed, in parentheses if it holds together less than asked for.
    pub(super) fn expression(&self, id: NodeId, scope: &Scope, least: Strength) -> String {
        let (text, strength) = self.parts(id, scope);
        if strength < least {
            format!("({text})")
        } else {
            text
        }
    }

    fn call(&self, function: &str, operands: &[NodeId], scope: &Scope) -> (String, Strength) {
        let operands: Vec<String> = operands
            .iter()
            .map(|id| self.render(*id, scope, Strength::Loosest))
            .collect();
        (
            format!("{function}({})", operands.join(", ")),
            Strength::Tightest,
        )
    }

    fn call_whole(&self, function: &str, operands: &[NodeId], scope: &Scope) -> (String, Strength) {
        let operands: Vec<String> = operands
            .iter()
            .map(|id| self.whole(*id, scope, Strength::Loosest))
            .collect();
        let text = format!("{function}({})", operands.join(", "));
        (text, Strength::Tightest)
    }

    fn call_over(
        &self,
        function: &str,
        axes: Domain,
        x: NodeId,
        scope: &Scope,
    ) -> (String, Strength) {
        let batch = axes.contains(AxisId::BATCH).then_some(AxisId::BATCH);
        let names: Vec<&str> = axes
            .time_axes()
            .chain(batch)
            .map(|axis| self.graph.axes[axis].name.as_str())
            .collect();
        let function = format!("{function}[{}]", names.join(", "));
        self.call(&function, &[x], &scope.unbound(axes))
    }

    fn infix(
        &self,
        (a, sign, b): (NodeId, &str, NodeId),
        scope: &Scope,
        strength: Strength,
        (left, right): (Strength, Strength),
    ) -> (String, Strength) {
        let a = self.render(a, scope, left);
        let b = self.render(b, scope, right);
        (format!("{a} {sign} {b}"), strength)
    }

    // ` axis = 0`, unless it is the one that goes without saying.
    fn at_axis(&self, at: usize, usual: usize) -> String {
        if at == usual {
            String::new()
        } else {
            format!(", axis = {at}")
        }
    }

    fn parts(&self, id: NodeId, scope: &Scope) -> (String, Strength) {
        match view(self.graph, id) {
            View::Plain => self.primitive(id, scope),
            View::Same(x) => (
                self.render(x, scope, Strength::Loosest),
                // A name or a whole right side: what it holds together is its own line's matter.
                Strength::Loosest,
            ),
            View::MeanOver(axis, x) => self.call_over("mean", Domain::of(axis), x, scope),
            View::SoftmaxOver(axis, x) => {
                // The axis is bound for the sum and free for the quotient.
                let name = &self.graph.axes[axis].name;
                self.call(&format!("softmax[{name}]"), &[x], scope)
            }
            View::LogSumExpOver(axis, x) => self.call_over("logsumexp", Domain::of(axis), x, scope),
            View::Mean(x) => self.call_whole("mean", &[x], scope),
            View::Drawn(drawn) => self.drawn(drawn, scope),
            View::CrossEntropy(logits, target) => {
                self.call_whole("cross_entropy", &[logits, target], scope)
            }
        }
    }

    fn binary(
        &self,
        binary: Binary,
        (a, b): (NodeId, NodeId),
        scope: &Scope,
    ) -> (String, Strength) {
        use Strength::{Product, Sign, Sum};
        match binary {
            Binary::Add => {
                // `a + -b` is `a - b`.
                let right = resolve(self.graph, b);
                if let Op::Unary(Unary::Neg, negated) = self.graph.nodes[right].op
                    && self.name(right).is_none()
                {
                    return self.infix((a, "-", negated), scope, Sum, (Sum, Product));
                }
                self.infix((a, "+", b), scope, Sum, (Sum, Sum))
            }
            Binary::Sub => self.infix((a, "-", b), scope, Sum, (Sum, Product)),
            Binary::Mul => {
                if let Some(text) = self.scaled(a, b, scope) {
                    return (text, Strength::MatMul);
                }
                let right = resolve(self.graph, b);
                let divides = self.name(right).is_none()
                    && matches!(self.graph.nodes[right].op, Op::Binary(Binary::Div, ..))
                    && view(self.graph, right) == View::Plain;
                let least = if divides { Sign } else { Product };
                self.infix((a, "*", b), scope, Product, (Product, least))
            }
            Binary::Div => self.infix((a, "/", b), scope, Product, (Product, Sign)),
            Binary::Min | Binary::Max => self.call(binary.name(), &[a, b], scope),
        }
    }

    // Rows or columns times the elements of a vector.
    fn scaled(&self, a: NodeId, b: NodeId, scope: &Scope) -> Option<String> {
        use Strength::{Loosest, MatMul, Tightest};
        for (factor, matrix) in [(a, b), (b, a)] {
            let factor = resolve(self.graph, factor);
            let unnamed = self.name(factor).is_none() && view(self.graph, factor) == View::Plain;
            let Op::Expand { x, at, .. } = self.graph.nodes[factor].op else {
                continue;
            };
            if !unnamed || self.graph.nodes[x].ty.shape.rank() != 1 {
                continue;
            }
            let vector = self.whole(x, scope, Loosest);
            return Some(match at {
                0 => format!("{} @ diag({vector})", self.whole(matrix, scope, MatMul)),
                _ => format!("diag({vector}) @ {}", self.whole(matrix, scope, Tightest)),
            });
        }
        None
    }

    fn shift(&self, id: NodeId, scope: &Scope) -> (String, Strength) {
        let Some(chain) = self.chain(id) else {
            unreachable!("only shifts are printed as shifts");
        };
        let moved = scope.shifted(chain.axis, chain.by);
        if self.name(chain.base).is_none() {
            return self.parts(chain.base, &moved);
        }
        let text = self.reference(chain.base, &moved);
        if self.agrees(&chain) {
            return (text, Strength::Tightest);
        }
        let outside = match chain.outside.last().copied().flatten() {
            Some(boundary) => self.render(boundary, scope, Strength::Sum),
            None => "0".into(),
        };
        (format!("{text} else {outside}"), Strength::Loosest)
    }

    fn primitive(&self, id: NodeId, scope: &Scope) -> (String, Strength) {
        use Strength::{Loosest, MatMul, Sign, Sum, Tightest};
        let node = &self.graph.nodes[id];
        let rank = |id: NodeId| self.graph.nodes[id].ty.shape.rank();
        match &node.op {
            Op::Input { name, .. } | Op::Param { name, .. } => (name.clone(), Tightest),
            Op::Const(value) => {
                let text = number(*value, node.ty.dtype);
                let strength = if text.starts_with('-') {
                    Sign
                } else {
                    Tightest
                };
                (text, strength)
            }
            Op::Step(axis) => {
                let text = self.index_text(*axis, scope.index(*axis));
                let moved = text.contains(['+', '-']);
                (text, if moved { Sum } else { Tightest })
            }
            Op::Length(axis) => (
                self.index_text(*axis, Index::At(Position::Last, 0)),
                Tightest,
            ),

            Op::Entries => ("entries".into(), Tightest),

            Op::Unary(Unary::Neg, x) => (format!("-{}", self.render(*x, scope, MatMul)), Sign),
            Op::Unary(unary, x) => self.call(unary.name(), &[*x], scope),
            Op::Binary(binary, a, b) => self.binary(*binary, (*a, *b), scope),
            Op::Compare(compare, a, b) => {
                self.infix((*a, compare_sign(*compare), *b), scope, Loosest, (Sum, Sum))
            }
            Op::Select(condition, target, own)
                if crate::feedback::teacher_of(self.graph, *condition).is_some() =>
            {
                self.call("feedback", &[*target, *own], scope)
            }
            Op::Select(condition, then, otherwise) => {
                self.call("where", &[*condition, *then, *otherwise], scope)
            }
            Op::StopGradient(x) => self.call("stop", &[*x], scope),
            Op::Mix(a, b) => self.call("mix", &[*a, *b], scope),
            Op::Uniform(x) => self.call("random", &[*x], scope),
            Op::Token(x) => self.call("token", &[*x], scope),

            Op::MatMul(a, b) => {
                let (a, b) = (
                    self.whole(*a, scope, MatMul),
                    self.whole(*b, scope, Tightest),
                );
                (format!("{a} @ {b}"), MatMul)
            }
            Op::Outer(a, b) => self.call_whole("outer", &[*a, *b], scope),
            Op::Transpose(x) => (format!("{}.T", self.whole(*x, scope, Tightest)), Tightest),

            Op::Expand { x, at, .. } => match (rank(*x), *at) {
                (1, 0) => self.call_whole("rows", &[*x], scope),
                (1, 1) => self.call_whole("columns", &[*x], scope),
                (_, at) => {
                    let x = self.whole(*x, scope, Loosest);
                    (format!("repeat({x}{})", self.at_axis(at, 0)), Tightest)
                }
            },
            Op::Reduce { kind, x, at } => {
                let axis = self.at_axis(*at, rank(*x).saturating_sub(1));
                let x = self.whole(*x, scope, Loosest);
                (format!("{}({x}{axis})", kind.name()), Tightest)
            }
            Op::Softmax(x) => self.call_whole("softmax", &[*x], scope),
            Op::Concat { parts, at } => {
                let parts: Vec<String> = parts
                    .iter()
                    .map(|part| self.whole(*part, scope, Loosest))
                    .collect();
                let parts = parts.join(", ");
                let text = match at {
                    0 => format!("[{parts}]"),
                    at => format!("concat({parts}, axis = {at})"),
                };
                (text, Tightest)
            }
            Op::Slice { x, at, start, len } => {
                let end = Dim::sum([start, len]);
                let skipped = ":, ".repeat(*at);
                let x = self.whole(*x, scope, Tightest);
                (format!("{x}{{{skipped}{start}..{end}}}"), Tightest)
            }
            Op::Pad {
                x,
                at,
                before,
                after,
            } => {
                let axis = self.at_axis(*at, 0);
                let x = self.whole(*x, scope, Loosest);
                (format!("pad({x}, {before}, {after}{axis})"), Tightest)
            }

            Op::Gather { table, index } => {
                let table = self.whole(*table, scope, Tightest);
                let index = self.render(*index, scope, Loosest);
                (format!("{table}[{index}]"), Tightest)
            }
            Op::Scatter { index, x, .. } => self.call_whole("scatter", &[*index, *x], scope),
            Op::ArgMax(x) => self.call_whole("argmax", &[*x], scope),

            Op::Broadcast { x, .. } => (self.render(*x, scope, Tightest), Tightest),
            Op::AxisReduce { kind, x, axes } => self.call_over(kind.name(), *axes, *x, scope),
            Op::Shift { .. } => self.shift(id, scope),
            Op::At {
                axis, position, x, ..
            } => {
                let scope = scope.with(*axis, Index::At(*position, 0));
                let text = self.render(*x, &scope, Tightest);
                (text, Tightest)
            }
            Op::Place { axis, position, x } => {
                let here = self.index_text(*axis, scope.index(*axis));
                let there = self.index_text(*axis, Index::At(*position, 0));
                let x = self.render(*x, scope, Sign);
                (format!("[{here} = {there}] {x}"), Strength::Product)
            }
        }
    }
}
