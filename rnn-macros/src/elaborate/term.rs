//! Right sides with every name looked up and every index understood; types are not known yet.
//!
//! **Invariant:** a [`Read`] has one offset per time axis of what it reads, in that order.

use rnn_ir::axis::AxisId;
use rnn_ir::dim::Dim;
use rnn_ir::op::Position;
use rnn_ir::random::draw::Per;

use super::function::{AxisFunction, Function};
use super::system::DefId;
use crate::ast::{BinaryOp, Expr};
use crate::diagnostics::Extent;

/// A resolved expression.
#[derive(Clone, Debug)]
pub(super) struct Term<'a> {
    pub(super) kind: TermKind<'a>,
    pub(super) extent: Extent,
    /// What it was written as; what a layer passes on was not written.
    pub(super) source: Option<&'a Expr>,
}

/// What a resolved expression is.
#[derive(Clone, Debug)]
pub(super) enum TermKind<'a> {
    /// A literal, or the value of a static index.
    Number {
        value: f64,
        integer: Option<i64>,
    },
    /// A size as a number.
    Size(Dim),
    /// The index of the step; against time, counted from the end.
    Step {
        axis: AxisId,
        reversed: bool,
    },
    /// The number of steps.
    Length(AxisId),
    /// A value at some step.
    Read(Read),
    /// Zero of the shape of a definition: what lies outside its axes.
    Zero(DefId),
    /// A row of a table.
    Gather(Box<Term<'a>>, Box<Term<'a>>),
    Transpose(Box<Term<'a>>),
    Negate(Box<Term<'a>>),
    Binary(BinaryOp, Box<Term<'a>>, Box<Term<'a>>),
    /// A layer plus what it reads; `residual` was written there.
    Residual {
        layer: Box<Term<'a>>,
        input: Box<Term<'a>>,
        written: Extent,
    },
    Concat(Vec<Term<'a>>),
    /// A function of features.
    Call {
        function: Function,
        operands: Vec<Term<'a>>,
        options: Vec<f64>,
        sizes: Vec<Dim>,
    },
    /// A value brought to mean 0 and variance 1 over the batch.
    BatchNorm(Box<BatchNorm<'a>>),
    /// A function along a time axis.
    Along {
        function: AxisFunction,
        axis: AxisId,
        operand: Box<Term<'a>>,
    },
    /// A function along a static family, one operand per member.
    Family {
        function: AxisFunction,
        members: Vec<Term<'a>>,
        own: usize,
    },
    /// A reported error.
    Error,
}

/// `batch_norm(x, mean, variance)`
#[derive(Clone, Debug)]
pub(super) struct BatchNorm<'a> {
    /// What is normalised, and the running parameters of its means and variances.
    pub(super) operands: [Term<'a>; 3],
    pub(super) per: Per,
    pub(super) momentum: f64,
    pub(super) epsilon: f64,
    /// Axes that run against time.
    pub(super) reversed: Vec<AxisId>,
}

/// A value at some step of each of its axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Read {
    pub(super) def: DefId,
    pub(super) offsets: Vec<(AxisId, Offset)>,
}

/// Which step of an axis is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Offset {
    /// `t + by`
    By(i32),
    /// `position + by`
    At { position: Position, by: i32 },
}

impl<'a> Term<'a> {
    /// Direct sub-terms, in source order.
    pub(super) fn children(&self) -> Vec<&Term<'a>> {
        match &self.kind {
            TermKind::Number { .. }
            | TermKind::Size(_)
            | TermKind::Step { .. }
            | TermKind::Length(_)
            | TermKind::Read(_)
            | TermKind::Zero(_)
            | TermKind::Error => Vec::new(),
            TermKind::Gather(a, b)
            | TermKind::Binary(_, a, b)
            | TermKind::Residual {
                layer: a, input: b, ..
            } => vec![a, b],
            TermKind::Transpose(x) | TermKind::Negate(x) | TermKind::Along { operand: x, .. } => {
                vec![x]
            }
            TermKind::Concat(terms)
            | TermKind::Call {
                operands: terms, ..
            }
            | TermKind::Family { members: terms, .. } => terms.iter().collect(),
            TermKind::BatchNorm(norm) => norm.operands.iter().collect(),
        }
    }

    /// The number that it is written as.
    pub(super) fn number(&self) -> Option<f64> {
        match &self.kind {
            TermKind::Number { value, .. } => Some(*value),
            TermKind::Negate(x) => Some(-x.number()?),
            _ => None,
        }
    }

    /// Direct sub-terms, to be changed.
    fn children_mut(&mut self) -> Vec<&mut Term<'a>> {
        match &mut self.kind {
            TermKind::Number { .. }
            | TermKind::Size(_)
            | TermKind::Step { .. }
            | TermKind::Length(_)
            | TermKind::Read(_)
            | TermKind::Zero(_)
            | TermKind::Error => Vec::new(),
            TermKind::Gather(a, b)
            | TermKind::Binary(_, a, b)
            | TermKind::Residual {
                layer: a, input: b, ..
            } => vec![a, b],
            TermKind::Transpose(x) | TermKind::Negate(x) | TermKind::Along { operand: x, .. } => {
                vec![x]
            }
            TermKind::Concat(terms)
            | TermKind::Call {
                operands: terms, ..
            }
            | TermKind::Family { members: terms, .. } => terms.iter_mut().collect(),
            TermKind::BatchNorm(norm) => norm.operands.iter_mut().collect(),
        }
    }

    /// What it is so many steps on: `x[t-1]` is `x[t]` one step on.
    pub(super) fn moved(&self, axis: AxisId, by: i32) -> Self {
        let mut term = self.clone();
        term.move_on(axis, by);
        term
    }

    fn move_on(&mut self, axis: AxisId, by: i32) {
        match &mut self.kind {
            TermKind::Read(read) => {
                for (of, offset) in &mut read.offsets {
                    if let (Offset::By(steps), true) = (offset, *of == axis) {
                        *steps += by;
                    }
                }
            }
            TermKind::Step { axis: of, reversed } if *of == axis => {
                let by = if *reversed { -by } else { by };
                let number = Term {
                    kind: TermKind::Number {
                        value: f64::from(by),
                        integer: Some(by.into()),
                    },
                    extent: self.extent,
                    source: self.source,
                };
                let step = self.clone();
                self.kind = TermKind::Binary(BinaryOp::Add, Box::new(step), Box::new(number));
            }
            _ => {
                for child in self.children_mut() {
                    child.move_on(axis, by);
                }
            }
        }
    }

    /// Whether a comparison of numbers holds, such as `l == 1` in the equation of a member.
    pub(super) fn decided(&self) -> Option<bool> {
        let number = |term: &Term<'a>| match &term.kind {
            TermKind::Number { value, .. } => Some(*value),
            #[expect(
                clippy::cast_precision_loss,
                reason = "the sizes of families are at most a thousand"
            )]
            TermKind::Size(size) => size.as_constant().map(|size| size as f64),
            _ => None,
        };
        let TermKind::Binary(op, left, right) = &self.kind else {
            return None;
        };
        let order = number(left)?.partial_cmp(&number(right)?)?;
        match op {
            BinaryOp::Less => Some(order.is_lt()),
            BinaryOp::LessEqual => Some(order.is_le()),
            BinaryOp::Greater => Some(order.is_gt()),
            BinaryOp::GreaterEqual => Some(order.is_ge()),
            BinaryOp::Equal => Some(order.is_eq()),
            BinaryOp::NotEqual => Some(order.is_ne()),
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Contract => {
                None
            }
        }
    }

    /// Whether part of it is a reported error.
    pub(super) fn has_error(&self) -> bool {
        matches!(self.kind, TermKind::Error) || self.children().into_iter().any(Self::has_error)
    }

    /// The source, or a stand-in for what was not written; long ones are cut.
    pub(super) fn text(&self) -> String {
        let Some(source) = self.source else {
            return "the layer's value".to_owned();
        };
        let text = source.to_string();
        if text.chars().count() <= 48 {
            format!("`{text}`")
        } else {
            let start: String = text.chars().take(44).collect();
            format!("`{start} ..`")
        }
    }
}
