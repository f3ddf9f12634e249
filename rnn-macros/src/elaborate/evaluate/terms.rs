//! Operators, literals and lookups.
//!
//! **Invariant:** a condition becomes a number, and a whole number a token, only where the other operand asks for it.

use super::diagonal::{Scaled, diagonal};
use super::{Evaluated, Evaluator, Item};
use crate::ast::BinaryOp;
use crate::diagnostics::Diagnostic;
use crate::elaborate::function::AxisFunction;
use crate::elaborate::term::{Term, TermKind};
use rnn_ir::axis::AxisId;
use rnn_ir::dim::Dim;
use rnn_ir::id::Id;
use rnn_ir::node::{DType, NodeId, Shape};
use rnn_ir::op::{Binary, Compare, Reduction};

impl<'s, 'a> Evaluator<'s, 'a> {
    pub(super) fn term(&mut self, term: &Term<'a>) -> Evaluated {
        let node = match &term.kind {
            TermKind::Error => return None,
            TermKind::Number { value, .. } => self.builder.constant(*value, Shape::scalar()),
            TermKind::Size(dim) => {
                let ones = self.builder.constant(1.0, Shape::vector(dim.clone()));
                self.builder.reduce_last(Reduction::Sum, ones).ok()?
            }
            TermKind::Step { axis, reversed } => self.step(*axis, *reversed)?,
            TermKind::Length(axis) => self.builder.length(*axis).ok()?,
            TermKind::Zero(def) => {
                let known = self.known[def.index()].as_ref()?;
                let shape = known.ty.shape.clone();
                match known.ty.dtype {
                    DType::Index => self.builder.tokens(0, shape),
                    DType::Real | DType::Bool => self.builder.constant(0.0, shape),
                }
            }
            TermKind::Read(read) => return self.read(read, term),
            TermKind::Gather(table, index) => return self.gather(term, table, index),
            TermKind::Transpose(inner) => {
                let x = self.real(inner)?;
                let built = self.builder.transpose(x);
                self.built(term, &[(inner, x)], built)?
            }
            TermKind::Negate(inner) => {
                let x = self.real(inner)?;
                let built = self.builder.neg(x);
                self.built(term, &[(inner, x)], built)?
            }
            TermKind::Binary(op, left, right) => return self.binary(term, *op, left, right),
            TermKind::Residual {
                layer,
                input,
                written,
            } => return self.residual(term, layer, input, *written),
            TermKind::Concat(parts) => {
                let nodes: Vec<Option<NodeId>> =
                    parts.iter().map(|part| self.vector(part)).collect();
                let nodes: Vec<NodeId> = nodes.into_iter().collect::<Option<_>>()?;
                let operands: Vec<_> = parts.iter().zip(nodes.iter().copied()).collect();
                let built = self.builder.concat(nodes.clone(), 0);
                self.built(term, &operands, built)?
            }
            TermKind::Call {
                function,
                operands,
                options,
                sizes,
            } => {
                return self.call(term, *function, operands, options, sizes);
            }
            TermKind::BatchNorm(norm) => return self.batch_norm(term, norm),
            TermKind::Along {
                function,
                axis,
                operand,
            } => {
                let x = self.real(operand)?;
                let built = match function {
                    AxisFunction::Sum => self.builder.sum_over(x, *axis),
                    AxisFunction::Mean => self.builder.mean_over(x, *axis),
                    AxisFunction::Max => self.builder.max_over(x, *axis),
                    AxisFunction::LogSumExp => self.builder.logsumexp_over(x, *axis),
                    AxisFunction::Softmax => self.builder.softmax_over(x, *axis),
                    AxisFunction::LogSoftmax => self.builder.log_softmax_over(x, *axis),
                    AxisFunction::Concat => {
                        unreachable!("the members of a family are listed when names are resolved")
                    }
                };
                self.built(term, &[(operand, x)], built)?
            }
            TermKind::Family {
                function,
                members,
                own,
            } => self.family(term, *function, members, *own)?,
        };
        Some(node.into())
    }

    fn step(&mut self, axis: AxisId, reversed: bool) -> Option<NodeId> {
        let step = self.builder.step(axis).ok()?;
        if !reversed {
            return Some(step);
        }
        let (length, one) = (
            self.builder.length(axis).ok()?,
            self.builder.constant(1.0, Shape::scalar()),
        );
        let left = self.builder.sub(length, step).ok()?;
        self.builder.add(left, one).ok()
    }

    pub(super) fn token(&mut self, value: i64, term: &Term<'a>) -> Option<NodeId> {
        match u32::try_from(value) {
            Ok(value) => Some(self.builder.token(value)),
            Err(_) => {
                self.diagnostics.report(Diagnostic::new(
                    term.extent,
                    format!("a token is a whole number below 2^32, found {value}"),
                ));
                None
            }
        }
    }

    /// `1` where a condition holds, `0` elsewhere.
    pub(super) fn number_of_condition(&mut self, node: NodeId) -> Option<NodeId> {
        let (one, zero) = (
            self.builder.constant(1.0, Shape::scalar()),
            self.builder.constant(0.0, Shape::scalar()),
        );
        self.builder.select(node, one, zero).ok()
    }

    /// A term that must be a number.
    pub(super) fn real(&mut self, term: &Term<'a>) -> Option<NodeId> {
        let item = self.term(term)?;
        match self.dtype(&item) {
            DType::Real => Some(item.node),
            DType::Bool => self.number_of_condition(item.node),
            DType::Index => {
                let text = term.text();
                let what = if self.shape(&item).is_scalar() {
                    "is a token, not a number"
                } else {
                    "is made of tokens, not of numbers"
                };
                let error = Diagnostic::new(term.extent, format!("{text} {what}"));
                let text = text.trim_matches('`').to_owned();
                let is_token = self.shape(&item).is_scalar();
                self.diagnostics.report(error.help(match is_token {
                    true => format!(
                        "look its row up, `embed[{text}]`, or spread it, `one_hot({text}, V)`"
                    ),
                    false => {
                        format!("`{text} == k` is 1 where they are the token `k`, and 0 elsewhere")
                    }
                }));
                None
            }
        }
    }

    /// A part of a concatenation: a scalar is a vector of one.
    fn vector(&mut self, term: &Term<'a>) -> Option<NodeId> {
        let node = self.real(term)?;
        if self.builder.shape(node).is_scalar() {
            self.builder.expand(node, 0, Dim::constant(1)).ok()
        } else {
            Some(node)
        }
    }

    fn gather(&mut self, term: &Term<'a>, table: &Term<'a>, index: &Term<'a>) -> Evaluated {
        let (rows, at) = (self.term(table), self.index(index));
        let (rows, at) = (rows?, at?);
        let first = self.shape(&rows).0.first().cloned();
        if let (Some(first), Some(vocabulary)) = (&first, &at.vocabulary)
            && first != vocabulary
        {
            let shape = self.shape(&rows);
            self.diagnostics.report(
                Diagnostic::new(
                    index.extent,
                    format!(
                        "{} is a token below {vocabulary}, and {} has {first} rows",
                        index.text(),
                        table.text()
                    ),
                )
                .label(table.extent, format!("{shape}"))
                .help("a table has one row for each token"),
            );
            return None;
        }
        let built = self.builder.gather(rows.node, at.node);
        let node = self.built(term, &[(table, rows.node), (index, at.node)], built)?;
        // An element of a vector of tokens is a token.
        let vocabulary = rows.vocabulary;
        Some(Item { node, vocabulary })
    }

    /// A term that must be a token.
    pub(super) fn index(&mut self, term: &Term<'a>) -> Evaluated {
        if let TermKind::Number {
            integer: Some(value),
            ..
        } = term.kind
        {
            return self.token(value, term).map(Into::into);
        }
        let item = self.term(term)?;
        if self.dtype(&item) == DType::Index {
            return Some(item);
        }
        self.diagnostics.report(
            Diagnostic::new(
                term.extent,
                format!("{} has to be a token, and is a number", term.text()),
            )
            .help("tokens come from an input or a target of type `token<V>`, or from `argmax`"),
        );
        None
    }

    pub(super) fn binary(
        &mut self,
        term: &Term<'a>,
        op: BinaryOp,
        left: &Term<'a>,
        right: &Term<'a>,
    ) -> Evaluated {
        if op.is_comparison() {
            return self.compare(term, op, left, right);
        }
        if op == BinaryOp::Contract {
            if let Some(diagonal) = diagonal(left) {
                return self.scaled(term, diagonal, right, Scaled::Rows);
            }
            if let Some(diagonal) = diagonal(right) {
                return self.scaled(term, diagonal, left, Scaled::Columns);
            }
        }
        let (a, b) = (self.real(left), self.real(right));
        if op == BinaryOp::Contract {
            let (Some(a), Some(b)) = (a, b) else {
                return self.guess_product(a, b);
            };
            let built = self.builder.matmul(a, b);
            let product = self.built(term, &[(left, a), (right, b)], built);
            return match product {
                Some(node) => Some(node.into()),
                None => self.guess_product(Some(a), None),
            };
        }
        let (Some(mut a), Some(mut b)) = (a, b) else {
            return self.guess(&[a, b]);
        };
        let binary = match op {
            BinaryOp::Add => Binary::Add,
            BinaryOp::Sub => Binary::Sub,
            BinaryOp::Mul => Binary::Mul,
            _ => Binary::Div,
        };
        if matches!(binary, Binary::Add | Binary::Sub) {
            (a, b) = (self.rows(a, b)?, self.rows(b, a)?);
        }
        let built = self.builder.binary(binary, a, b);
        match self.built(term, &[(left, a), (right, b)], built) {
            Some(node) => {
                self.weaken(node, &[a, b]);
                Some(node.into())
            }
            None => self.guess(&[Some(a), Some(b)]),
        }
    }

    /// A guess at the operands is one at the result.
    pub(super) fn weaken(&mut self, result: NodeId, operands: &[NodeId]) {
        let weak = |node: &NodeId| self.weak.contains(node);
        let scalar = |node: &NodeId| self.builder.shape(*node).is_scalar();
        if operands.iter().any(weak) && operands.iter().all(|node| weak(node) || scalar(node)) {
            self.weak.insert(result);
        }
    }

    /// A vector that is added to a matrix with rows of its size is added to each row: `alpha[t-1] + A.T`.
    fn rows(&mut self, vector: NodeId, matrix: NodeId) -> Option<NodeId> {
        match (
            self.builder.shape(vector).0.as_slice(),
            self.builder.shape(matrix).0.as_slice(),
        ) {
            ([size], [rows, columns]) if size == columns => {
                let rows = rows.clone();
                self.builder.expand(vector, 0, rows).ok()
            }
            _ => Some(vector),
        }
    }

    pub(super) fn compare(
        &mut self,
        term: &Term<'a>,
        op: BinaryOp,
        left: &Term<'a>,
        right: &Term<'a>,
    ) -> Evaluated {
        let compare = match op {
            BinaryOp::Less => Compare::Lt,
            BinaryOp::LessEqual => Compare::Le,
            BinaryOp::Greater => Compare::Gt,
            BinaryOp::GreaterEqual => Compare::Ge,
            BinaryOp::Equal => Compare::Eq,
            _ => Compare::Ne,
        };
        let ([a, b], _) = self.alike([left, right])?;
        let built = self.builder.compare(compare, a, b);
        self.built(term, &[(left, a), (right, b)], built)
            .map(Into::into)
    }

    /// Terms of one kind: numbers, or tokens if one of them is a token and the others can be.
    pub(super) fn alike<const N: usize>(
        &mut self,
        terms: [&Term<'a>; N],
    ) -> Option<([NodeId; N], Option<Dim>)> {
        let items = terms.map(|term| self.term(term));
        let tokens = items
            .iter()
            .flatten()
            .any(|item| self.dtype(item) == DType::Index);
        let vocabulary = items
            .iter()
            .flatten()
            .find_map(|item| item.vocabulary.clone());
        let mut nodes = Vec::new();
        for (item, term) in items.into_iter().zip(terms) {
            let node = match (item, &term.kind) {
                (
                    _,
                    TermKind::Number {
                        integer: Some(value),
                        ..
                    },
                ) if tokens => self.token(*value, term),
                (Some(item), _) if tokens && self.dtype(&item) != DType::Index => {
                    let error = Diagnostic::new(
                        term.extent,
                        format!(
                            "{} is a number, and what it stands beside is a token",
                            term.text()
                        ),
                    );
                    let is_vector = self.builder.shape(item.node).rank() == 1;
                    self.diagnostics.report(error.help(if is_vector {
                        format!(
                            "the token of its largest entry is `argmax({})`",
                            term.text().trim_matches('`')
                        )
                    } else {
                        "beside tokens stand tokens and whole numbers".to_owned()
                    }));
                    None
                }
                (Some(item), _) if self.dtype(&item) == DType::Bool => {
                    self.number_of_condition(item.node)
                }
                (item, _) => item.map(|item| item.node),
            };
            nodes.push(node);
        }
        let mut all = nodes.iter().flatten().copied();
        if self.draft && nodes.iter().any(Option::is_none) {
            // In a draft one operand says enough.
            let any = all.next()?;
            return Some(([any; N], vocabulary));
        }
        let nodes: Vec<NodeId> = nodes.into_iter().collect::<Option<_>>()?;
        Some((nodes.try_into().ok()?, vocabulary))
    }

    /// In a draft an elementwise result has the shape of the first operand that is no scalar, also where the operands do
    /// not agree: what is wrong with them is reported in the final run, and not that no shape follows.
    pub(super) fn guess(&self, operands: &[Option<NodeId>]) -> Evaluated {
        let mut shaped = operands
            .iter()
            .flatten()
            .copied()
            .filter(|node| !self.builder.shape(*node).is_scalar());
        let sure = shaped.clone().find(|node| !self.weak.contains(node));
        sure.or_else(|| shaped.next())
            .filter(|_| self.draft)
            .map(Into::into)
    }

    /// In a draft a matrix times what is not known yet is a vector of its rows, which only a matrix recurrence denies.
    fn guess_product(&mut self, a: Option<NodeId>, b: Option<NodeId>) -> Evaluated {
        if !self.draft || b.is_some() {
            return None;
        }
        let matrix = a.filter(|a| self.builder.shape(*a).rank() == 2)?;
        let vector = self.builder.reduce_last(Reduction::Sum, matrix).ok()?;
        self.weak.insert(vector);
        Some(vector.into())
    }
}
