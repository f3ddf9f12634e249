//! Terms to nodes of the graph.
//!
//! The same evaluation runs in two modes. A draft finds the types of values that are read before they are defined: what is
//! not known yet has no node, and an operator takes the shape of the operand that has one. The final run appends to the
//! graph that is kept, opens a shift for each value that is defined later, and reports what the type rules refuse.
//!
//! **Invariant:** types are decided by [`rnn_ir::typing`] alone; the final run accepts nothing that the builder refuses.

use std::collections::{BTreeSet, HashMap};

use proc_macro2::Span;
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::builder::Builder;
use rnn_ir::dim::Dim;
use rnn_ir::graph::Graph;
use rnn_ir::id::Id;
use rnn_ir::node::{DType, Loc, NodeId, Shape, Type};
use rnn_ir::op::{Binary, Compare, Position, Reduction, Role, Unary};
use rnn_ir::typing::TypeError;

use super::causality::Order;
use super::declare::domain;
use super::function::{AxisFunction, Function};
use super::system::{Def, DefId, DefKind, Outside, System};
use super::term::{Offset, Read, Term, TermKind};
use super::type_error;
use crate::ast::BinaryOp;
use crate::diagnostics::{Diagnostic, Diagnostics};

/// What is known about a definition before the graph is built.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) ty: Type,
    pub(super) vocabulary: Option<Dim>,
}

/// A value: its node, and below what its tokens are.
#[derive(Clone, Debug)]
struct Item {
    node: NodeId,
    vocabulary: Option<Dim>,
}

impl From<NodeId> for Item {
    fn from(node: NodeId) -> Self {
        Self {
            node,
            vocabulary: None,
        }
    }
}

/// Where a shift along each axis leads.
type Shifts = Vec<(AxisId, i32)>;

/// Evaluates the definitions of a system into a graph.
pub(super) struct Evaluator<'s, 'a> {
    system: &'s System<'a>,
    builder: Builder,
    known: &'s [Option<Known>],
    values: Vec<Option<Item>>,
    shifts: HashMap<(DefId, Shifts), NodeId>,
    open: Vec<(DefId, NodeId, AxisId)>,
    fed_back: BTreeSet<NodeId>,
    diagnostics: Diagnostics,
    draft: bool,
}

/// Nothing stands for a value that is not known yet, or has a reported error.
type Evaluated = Option<Item>;

/// Most drafts. Each settles the types that follow from those before it, which takes two or three in any model that is
/// written by hand; what is not settled then must be declared.
const MAX_ROUNDS: usize = 64;

/// The types of all definitions, as far as they follow from those that are declared.
pub(super) fn infer(system: &System<'_>, order: &Order) -> Vec<Option<Known>> {
    let mut known: Vec<Option<Known>> = system.defs.iter().map(|(_, def)| declared(def)).collect();
    for _ in 0..MAX_ROUNDS {
        let mut evaluator = Evaluator::new(system, &known, "draft", true);
        evaluator.run(order);
        let mut changed = false;
        let mut next = known.clone();
        for (id, slot) in system.defs.ids().zip(&mut next) {
            let Some(item) = &evaluator.values[id.index()] else {
                continue;
            };
            let mut ty = evaluator.builder.ty(item.node).clone();
            ty.domain = ty.domain.union(domain(&system.defs[id].axes));
            let found = Known {
                ty,
                vocabulary: item.vocabulary.clone(),
            };
            match slot {
                None => {
                    *slot = Some(found);
                    changed = true;
                }
                Some(settled) => {
                    let wider = settled.ty.domain.union(found.ty.domain);
                    changed |= wider != settled.ty.domain;
                    settled.ty.domain = wider;
                    if settled.vocabulary.is_none() && found.vocabulary.is_some() {
                        settled.vocabulary = found.vocabulary;
                        changed = true;
                    }
                }
            }
        }
        known = next;
        if !changed {
            break;
        }
    }
    known
}

/// What a declaration says about a type by itself.
fn declared(def: &Def<'_>) -> Option<Known> {
    let (shape, _) = def.declared.as_ref()?;
    let is_token = match &def.kind {
        DefKind::Input { is_token, .. } => *is_token,
        DefKind::Param { .. } => false,
        DefKind::Equation { .. } => def.vocabulary.is_some(),
    };
    let dtype = if is_token { DType::Index } else { DType::Real };
    let own = if matches!(def.kind, DefKind::Input { .. }) {
        Domain::BATCH
    } else {
        Domain::NONE
    };
    let ty = Type {
        domain: domain(&def.axes).union(own),
        shape: shape.clone(),
        dtype,
    };
    Some(Known {
        ty,
        vocabulary: def.vocabulary.clone(),
    })
}

/// A graph with the node of each definition.
pub(super) struct Built {
    pub(super) builder: Builder,
    /// Nothing for a definition with an error.
    pub(super) nodes: Vec<Option<NodeId>>,
    /// Targets that are read through `feedback`.
    pub(super) fed_back: BTreeSet<NodeId>,
    pub(super) diagnostics: Diagnostics,
}

/// Builds the graph of a system.
pub(super) fn build(
    system: &System<'_>,
    order: &Order,
    known: &[Option<Known>],
    name: &str,
) -> Built {
    let mut evaluator = Evaluator::new(system, known, name, false);
    evaluator.run(order);
    evaluator.close();
    let nodes = evaluator
        .values
        .iter()
        .map(|item| item.as_ref().map(|item| item.node))
        .collect();
    Built {
        builder: evaluator.builder,
        nodes,
        fed_back: evaluator.fed_back,
        diagnostics: evaluator.diagnostics,
    }
}

impl<'s, 'a> Evaluator<'s, 'a> {
    fn new(system: &'s System<'a>, known: &'s [Option<Known>], name: &str, draft: bool) -> Self {
        let mut builder = Builder::extend(Graph::new(name));
        for size in &system.sizes {
            builder.size(size.clone());
        }
        for axis in &system.axes {
            builder.axis(axis.name.clone(), axis.length.clone());
        }
        Self {
            system,
            builder,
            known,
            values: vec![None; system.defs.len()],
            shifts: HashMap::new(),
            open: Vec::new(),
            fed_back: BTreeSet::new(),
            diagnostics: Diagnostics::default(),
            draft,
        }
    }

    fn run(&mut self, order: &Order) {
        for id in &order.sorted {
            let def = &self.system.defs[*id];
            self.builder.set_loc(loc(def.extent.start));
            let value = if order.broken.contains(id) {
                None
            } else {
                self.define(def)
            };
            let value = value.or_else(|| if self.draft { None } else { self.stand_in(*id) });
            self.values[id.index()] = value;
        }
    }

    /// A node of the right type in place of one with an error, so that what reads it is checked too.
    fn stand_in(&mut self, id: DefId) -> Evaluated {
        let mut known = self.known[id.index()].clone()?;
        if let Some(of) = self.system.defs[id]
            .of
            .and_then(|of| self.known[of.index()].clone())
        {
            (known.ty.shape, known.ty.dtype) = (of.ty.shape, of.ty.dtype);
        }
        let node = self
            .builder
            .input(format!("error.{id}"), Role::Input, known.ty)
            .ok()?;
        Some(Item {
            node,
            vocabulary: known.vocabulary,
        })
    }

    fn define(&mut self, def: &Def<'a>) -> Evaluated {
        match &def.kind {
            DefKind::Input { role, .. } => {
                let known = declared(def)?;
                let node = self.builder.input(def.name.clone(), *role, known.ty).ok()?;
                Some(Item {
                    node,
                    vocabulary: known.vocabulary,
                })
            }
            DefKind::Param { init, trained } => {
                let (shape, _) = def.declared.clone()?;
                self.builder
                    .param(def.name.clone(), shape, init.clone(), *trained)
                    .ok()
                    .map(Into::into)
            }
            DefKind::Equation { term, .. } => {
                let term = term.as_ref()?;
                let item = self.equation(def, term)?;
                let node = self.builder.broadcast(item.node, domain(&def.axes)).ok()?;
                self.builder.name(node, def.name.clone());
                Some(Item { node, ..item })
            }
        }
    }

    /// The right side, brought to the declared shape.
    fn equation(&mut self, def: &Def<'a>, term: &Term<'a>) -> Evaluated {
        // A boundary is of the kind of what it is the boundary of.
        let like = def.of.or_else(|| self.system.names.get(&def.name).copied());
        let like = like.and_then(|like| self.known[like.index()].clone());
        let tokens = like
            .as_ref()
            .is_some_and(|known| known.ty.dtype == DType::Index);
        let mut item = match (&term.kind, tokens) {
            (
                TermKind::Number {
                    integer: Some(value),
                    ..
                },
                true,
            ) => Item::from(self.token(*value, term)?),
            _ => self.term(term)?,
        };
        if self.dtype(&item) == DType::Bool {
            item.node = self.number_of_condition(item.node)?;
        }
        if let (Some(of), Some(like)) = (def.of, like) {
            return self.boundary(def, of, &like, item, term);
        }
        let Some((shape, declared_at)) = &def.declared else {
            return Some(item);
        };
        if self.builder.shape(item.node).is_scalar()
            && !shape.is_scalar()
            && self.dtype(&item) == DType::Real
        {
            item.node = self.builder.expand_to("=", item.node, shape).ok()?;
        }
        let found = self.builder.shape(item.node).clone();
        if found != *shape {
            self.diagnostics.report(
                Diagnostic::new(
                    term.extent,
                    format!("`{}` is declared as {shape}, found {found}", def.text),
                )
                .label(*declared_at, "the declaration")
                .help(format!("{} is {found}", term.text())),
            );
            return None;
        }
        if let (Some(declared), Some(found)) = (&def.vocabulary, &item.vocabulary)
            && declared != found
        {
            self.diagnostics.report(
                Diagnostic::new(
                    term.extent,
                    format!(
                        "`{}` takes tokens below {declared}, found tokens below {found}",
                        def.text
                    ),
                )
                .label(*declared_at, "the declaration"),
            );
            return None;
        }
        if def.vocabulary.is_some() && self.dtype(&item) != DType::Index {
            self.diagnostics.report(
                Diagnostic::new(
                    term.extent,
                    format!("`{}` takes tokens, found real numbers", def.text),
                )
                .label(*declared_at, "the declaration"),
            );
            return None;
        }
        Some(item)
    }

    /// The value outside an axis has the type of the value inside.
    fn boundary(
        &mut self,
        def: &Def<'a>,
        of: DefId,
        like: &Known,
        mut item: Item,
        term: &Term<'a>,
    ) -> Evaluated {
        let wanted = &like.ty.shape;
        if self.shape(&item).is_scalar() && !wanted.is_scalar() && self.dtype(&item) == DType::Real
        {
            item.node = self.builder.expand_to("=", item.node, wanted).ok()?;
        }
        let (found, kind) = (self.shape(&item), self.dtype(&item));
        if found == *wanted && kind == like.ty.dtype {
            return Some(item);
        }
        let of = &self.system.defs[of];
        let describe = |kind: DType, shape: &Shape| match kind {
            DType::Index => "a token".to_owned(),
            DType::Real | DType::Bool => shape.to_string(),
        };
        let message = format!(
            "`{}` is {}, and `{}` is {}",
            def.text,
            describe(kind, &found),
            of.text,
            describe(like.ty.dtype, wanted)
        );
        self.diagnostics
            .report(Diagnostic::new(term.extent, message).label(of.extent, "its equation"));
        None
    }

    /// Closes the shifts of values that are defined by now.
    fn close(&mut self) {
        for (def, shift, axis) in std::mem::take(&mut self.open) {
            let Some(value) = self.values[def.index()].clone() else {
                continue;
            };
            if let Err(error) = self.builder.close(shift, value.node) {
                let def = &self.system.defs[def];
                let axis = &self.system.axis(axis).name;
                let what = match error {
                    TypeError::ShapeMismatch { left, right, .. } => {
                        format!(
                            "`{}` is {left} where it is read along `{axis}`, and its equation gives {right}",
                            def.text
                        )
                    }
                    TypeError::Kind {
                        expected, found, ..
                    } => {
                        format!(
                            "`{}` is of kind {expected} where it is read along `{axis}`, and its equation gives {found}",
                            def.text
                        )
                    }
                    error => format!("`{}` cannot be read along `{axis}`: {error}", def.text),
                };
                let name = def.text.clone();
                self.diagnostics.report(
                    Diagnostic::new(def.extent, what)
                        .help(format!("declare its shape: `{name}: [H] = ..;`")),
                );
            }
        }
    }

    fn dtype(&self, item: &Item) -> DType {
        self.builder.ty(item.node).dtype
    }

    fn shape(&self, item: &Item) -> Shape {
        self.builder.shape(item.node).clone()
    }

    /// What the builder refuses is reported at the term.
    fn built(
        &mut self,
        term: &Term<'a>,
        operands: &[(&Term<'a>, NodeId)],
        built: Result<NodeId, TypeError>,
    ) -> Option<NodeId> {
        built
            .map_err(|error| {
                let shapes: Vec<(String, Shape, crate::diagnostics::Extent)> = operands
                    .iter()
                    .map(|(term, node)| {
                        (term.text(), self.builder.shape(*node).clone(), term.extent)
                    })
                    .collect();
                let axis = |axis: AxisId| self.system.axis(axis).name.clone();
                self.diagnostics
                    .report(type_error::diagnostic(term, &shapes, &error, &axis));
            })
            .ok()
    }

    fn term(&mut self, term: &Term<'a>) -> Evaluated {
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
                match known.ty.dtype {
                    DType::Index => self.builder.token(0),
                    _ => self.builder.constant(0.0, known.ty.shape.clone()),
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

    fn token(&mut self, value: i64, term: &Term<'a>) -> Option<NodeId> {
        match u32::try_from(value) {
            Ok(value) => Some(self.builder.token(value)),
            Err(_) => {
                self.diagnostics.report(Diagnostic::new(
                    term.extent,
                    format!("a token is at least 0, found {value}"),
                ));
                None
            }
        }
    }

    /// `1` where a condition holds, `0` elsewhere.
    fn number_of_condition(&mut self, node: NodeId) -> Option<NodeId> {
        let (one, zero) = (
            self.builder.constant(1.0, Shape::scalar()),
            self.builder.constant(0.0, Shape::scalar()),
        );
        self.builder.select(node, one, zero).ok()
    }

    /// A term that must be a number.
    fn real(&mut self, term: &Term<'a>) -> Option<NodeId> {
        let item = self.term(term)?;
        match self.dtype(&item) {
            DType::Real => Some(item.node),
            DType::Bool => self.number_of_condition(item.node),
            DType::Index => {
                let text = term.text();
                let error =
                    Diagnostic::new(term.extent, format!("{text} is a token, not a number"));
                let text = text.trim_matches('`').to_owned();
                self.diagnostics.report(error.help(format!(
                    "look its row up, `embed[{text}]`, or spread it, `one_hot({text}, V)`"
                )));
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
        self.built(term, &[(table, rows.node), (index, at.node)], built)
            .map(Into::into)
    }

    /// A term that must be a token.
    fn index(&mut self, term: &Term<'a>) -> Evaluated {
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
                format!(
                    "{} picks a row and must be a token, found a number",
                    term.text()
                ),
            )
            .help("tokens come from an input of type `token<V>` or from `argmax`"),
        );
        None
    }

    fn binary(
        &mut self,
        term: &Term<'a>,
        op: BinaryOp,
        left: &Term<'a>,
        right: &Term<'a>,
    ) -> Evaluated {
        if op.is_comparison() {
            return self.compare(term, op, left, right);
        }
        let (a, b) = (self.real(left), self.real(right));
        if op == BinaryOp::Contract {
            let (Some(a), Some(b)) = (a, b) else {
                return self.guess_product(a, b);
            };
            let built = self.builder.matmul(a, b);
            return self
                .built(term, &[(left, a), (right, b)], built)
                .map(Into::into);
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
        self.built(term, &[(left, a), (right, b)], built)
            .map(Into::into)
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

    fn compare(
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
    fn alike<const N: usize>(
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
                    self.diagnostics
                        .report(error.help("tokens compare with tokens and whole numbers"));
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

    /// In a draft an elementwise result has the shape of an operand that is no scalar.
    fn guess(&self, operands: &[Option<NodeId>]) -> Evaluated {
        let known = operands
            .iter()
            .flatten()
            .copied()
            .find(|node| !self.builder.shape(*node).is_scalar());
        known.filter(|_| self.draft).map(Into::into)
    }

    /// In a draft a matrix times what is not known yet is a vector of its rows, which only a matrix recurrence denies.
    fn guess_product(&mut self, a: Option<NodeId>, b: Option<NodeId>) -> Evaluated {
        if !self.draft || b.is_some() {
            return None;
        }
        let matrix = a.filter(|a| self.builder.shape(*a).rank() == 2)?;
        self.builder
            .reduce_last(Reduction::Sum, matrix)
            .ok()
            .map(Into::into)
    }

    fn family(
        &mut self,
        term: &Term<'a>,
        function: AxisFunction,
        members: &[Term<'a>],
        own: usize,
    ) -> Option<NodeId> {
        let nodes: Vec<Option<NodeId>> = members.iter().map(|member| self.real(member)).collect();
        let nodes: Vec<NodeId> = nodes.into_iter().collect::<Option<_>>()?;
        let built = self.fold_family(function, &nodes, own);
        let operands: Vec<_> = members.iter().zip(nodes).take(2).collect();
        self.built(term, &operands, built)
    }

    fn fold_family(
        &mut self,
        function: AxisFunction,
        nodes: &[NodeId],
        own: usize,
    ) -> Result<NodeId, TypeError> {
        let fold = |builder: &mut Builder, binary: Binary, nodes: &[NodeId]| {
            let mut total = nodes[0];
            for node in &nodes[1..] {
                total = builder.binary(binary, total, *node)?;
            }
            Ok(total)
        };
        match function {
            AxisFunction::Sum => fold(&mut self.builder, Binary::Add, nodes),
            AxisFunction::Max => fold(&mut self.builder, Binary::Max, nodes),
            AxisFunction::Mean => {
                let sum = fold(&mut self.builder, Binary::Add, nodes)?;
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a family has at most a thousand members"
                )]
                let count = self.builder.constant(nodes.len() as f64, Shape::scalar());
                self.builder.div(sum, count)
            }
            AxisFunction::LogSumExp | AxisFunction::Softmax | AxisFunction::LogSoftmax => {
                let largest = fold(&mut self.builder, Binary::Max, nodes)?;
                let largest = self.builder.stop_gradient(largest)?;
                let mut powers = Vec::new();
                for node in nodes {
                    let shifted = self.builder.sub(*node, largest)?;
                    powers.push(self.builder.unary(Unary::Exp, shifted)?);
                }
                let sum = fold(&mut self.builder, Binary::Add, &powers)?;
                if function == AxisFunction::Softmax {
                    return self.builder.div(powers[own], sum);
                }
                let ln = self.builder.unary(Unary::Ln, sum)?;
                let total = self.builder.add(ln, largest)?;
                if function == AxisFunction::LogSumExp {
                    Ok(total)
                } else {
                    self.builder.sub(nodes[own], total)
                }
            }
        }
    }

    fn call(
        &mut self,
        term: &Term<'a>,
        function: Function,
        operands: &[Term<'a>],
        options: &[f64],
        sizes: &[Dim],
    ) -> Evaluated {
        let option = options.first().copied().unwrap_or_default();
        match (function, operands) {
            (Function::Feedback, [target, own]) => {
                // While a target is given it is what is fed back; the model's own output only has to be of its kind.
                let ([target, _], vocabulary) = self.alike([target, own])?;
                self.fed_back.insert(target);
                Some(Item {
                    node: target,
                    vocabulary,
                })
            }
            (Function::Where, [condition, a, b]) => {
                let holds = self.condition(condition);
                let ([yes, no], vocabulary) = self.alike([a, b])?;
                let Some(holds) = holds else {
                    return self.guess(&[Some(yes), Some(no)]);
                };
                let built = self.builder.select(holds, yes, no);
                let node = self.built(term, &[(condition, holds), (a, yes), (b, no)], built)?;
                Some(Item { node, vocabulary })
            }
            (Function::OneHot, [token]) => {
                let index = self.index(token)?;
                let one = self.builder.constant(1.0, Shape::scalar());
                let built = self
                    .builder
                    .scatter(index.node, one, sizes.first()?.clone());
                self.built(term, &[(token, index.node)], built)
                    .map(Into::into)
            }
            (Function::CrossEntropy, [logits, target]) => {
                let (x, at) = (self.real(logits), self.index(target));
                let (x, at) = (x?, at?);
                let size = self.builder.shape(x).0.last().cloned();
                if let (Some(size), Some(vocabulary)) = (&size, &at.vocabulary)
                    && size != vocabulary
                {
                    self.diagnostics.report(
                        Diagnostic::new(
                            target.extent,
                            format!(
                                "{} is a token below {vocabulary}, and {} has {size} logits",
                                target.text(),
                                logits.text()
                            ),
                        )
                        .label(logits.extent, format!("[{size}]"))
                        .help("there is one logit for each token"),
                    );
                    return None;
                }
                let built = self.builder.cross_entropy(x, at.node);
                self.built(term, &[(logits, x), (target, at.node)], built)
                    .map(Into::into)
            }
            (Function::ArgMax, [operand]) => {
                let x = self.real(operand)?;
                let vocabulary = self.builder.shape(x).0.first().cloned();
                let built = self.builder.argmax(x);
                let node = self.built(term, &[(operand, x)], built)?;
                Some(Item { node, vocabulary })
            }
            (_, [operand]) => {
                let x = self.real(operand)?;
                let built = self.of_one(function, x, option, sizes);
                self.built(term, &[(operand, x)], built).map(Into::into)
            }
            (_, [left, right]) => {
                let (a, b) = (self.real(left), self.real(right));
                let (Some(a), Some(b)) = (a, b) else {
                    let elementwise = matches!(function, Function::Min | Function::Max);
                    return if elementwise {
                        self.guess(&[a, b])
                    } else {
                        None
                    };
                };
                let built = match function {
                    Function::Min => self.builder.binary(Binary::Min, a, b),
                    Function::Max => self.builder.binary(Binary::Max, a, b),
                    Function::Outer => self.builder.outer(a, b),
                    Function::SquaredError => self.builder.squared_error(a, b),
                    Function::BinaryCrossEntropy => self.builder.binary_cross_entropy(a, b),
                    _ => unreachable!("{function:?} has another number of operands"),
                };
                self.built(term, &[(left, a), (right, b)], built)
                    .map(Into::into)
            }
            (_, [x, low, high]) => {
                let (a, b, c) = (self.real(x), self.real(low), self.real(high));
                let (Some(a), Some(b), Some(c)) = (a, b, c) else {
                    return self.guess(&[a, b, c]);
                };
                let built = self.builder.clamp(a, b, c);
                self.built(term, &[(x, a), (low, b), (high, c)], built)
                    .map(Into::into)
            }
            _ => unreachable!("{function:?} has another number of operands"),
        }
    }

    /// A function of one operand.
    fn of_one(
        &mut self,
        function: Function,
        x: NodeId,
        option: f64,
        sizes: &[Dim],
    ) -> Result<NodeId, TypeError> {
        let builder = &mut self.builder;
        match function {
            Function::Elementwise(unary) => builder.unary(unary, x),
            Function::Square => builder.mul(x, x),
            Function::Pow => power(builder, x, option),
            Function::LeakyRelu => builder.leaky_relu(x, option),
            Function::Elu => builder.elu(x, option),
            Function::Gelu => builder.gelu(x),
            Function::Silu => builder.silu(x),
            Function::Softsign => builder.softsign(x),
            Function::HardSigmoid => builder.hard_sigmoid(x),
            Function::HardTanh => builder.hard_tanh(x),
            Function::StopGradient => builder.stop_gradient(x),
            Function::LayerNorm => layer_norm(builder, x, option),
            Function::Slice => match sizes {
                [start, len] => builder.slice(x, 0, start.clone(), len.clone()),
                _ => unreachable!("a slice has two sizes"),
            },
            Function::Last(AxisFunction::Sum) => builder.reduce_last(Reduction::Sum, x),
            Function::Last(AxisFunction::Mean) => builder.mean_last(x),
            Function::Last(AxisFunction::Max) => builder.reduce_last(Reduction::Max, x),
            Function::Last(AxisFunction::LogSumExp) => builder.reduce_last(Reduction::LogSumExp, x),
            Function::Last(AxisFunction::Softmax) => builder.softmax(x),
            Function::Last(AxisFunction::LogSoftmax) => builder.log_softmax(x),
            _ => unreachable!("{function:?} has another number of operands"),
        }
    }

    /// A condition: a comparison, or a number that is not zero.
    fn condition(&mut self, term: &Term<'a>) -> Option<NodeId> {
        let item = self.term(term)?;
        if self.dtype(&item) == DType::Bool {
            return Some(item.node);
        }
        let number = if self.dtype(&item) == DType::Index {
            self.real(term)?
        } else {
            item.node
        };
        let zero = self.builder.constant(0.0, Shape::scalar());
        self.builder.compare(Compare::Ne, number, zero).ok()
    }

    /// The value of a definition at some step.
    fn read(&mut self, read: &Read, term: &Term<'a>) -> Evaluated {
        let node = self.read_node(read.def, &read.offsets, term)?;
        let vocabulary = match &self.values[read.def.index()] {
            Some(item) => item.vocabulary.clone(),
            None => self.known[read.def.index()]
                .as_ref()
                .and_then(|known| known.vocabulary.clone()),
        };
        Some(Item { node, vocabulary })
    }

    fn read_node(
        &mut self,
        def: DefId,
        offsets: &[(AxisId, Offset)],
        term: &Term<'a>,
    ) -> Option<NodeId> {
        let shifts: Shifts = offsets
            .iter()
            .map(|(axis, offset)| match offset {
                Offset::By(by) | Offset::At { by, .. } => (*axis, *by),
            })
            .collect();
        let mut node = self.shifted(def, &shifts, term)?;
        for (at, (axis, offset)) in offsets.iter().enumerate() {
            let Offset::At { position, by } = *offset else {
                continue;
            };
            let place = match position {
                Position::First => Some(Outside::After(0)),
                Position::Last => Some(Outside::Before(by.unsigned_abs())),
                Position::Step(_) => None,
            };
            let boundary = place.and_then(|place| self.system.boundary(def, *axis, place));
            let boundary = match boundary {
                None => None,
                Some(boundary) => {
                    // The other axes stand where they stand for the value itself: those before are taken already.
                    let rest = offsets
                        .iter()
                        .enumerate()
                        .filter(|(other, _)| *other != at)
                        .map(|(other, (axis, offset))| {
                            let offset = match *offset {
                                Offset::At { by, .. } if other > at => Offset::By(by),
                                offset => offset,
                            };
                            (*axis, offset)
                        });
                    Some(self.read_node(boundary, &rest.collect::<Vec<_>>(), term)?)
                }
            };
            let built = self.builder.at(node, *axis, position, boundary);
            node = self.built(term, &[], built)?;
        }
        Some(node)
    }

    /// A definition, shifted along its axes by one step at a time, each with its boundary.
    fn shifted(&mut self, def: DefId, shifts: &[(AxisId, i32)], term: &Term<'a>) -> Option<NodeId> {
        let Some(last) = shifts.iter().rposition(|(_, by)| *by != 0) else {
            return self.values[def.index()].as_ref().map(|item| item.node);
        };
        if let Some(node) = self.shifts.get(&(def, shifts.to_vec())) {
            return Some(*node);
        }
        let (axis, by) = shifts[last];
        let sign = by.signum();
        let mut inner = shifts.to_vec();
        inner[last].1 -= sign;
        let place = if sign < 0 {
            Outside::Before(by.unsigned_abs() - 1)
        } else {
            Outside::After(by.unsigned_abs() - 1)
        };
        let boundary = match self.system.boundary(def, axis, place) {
            None => None,
            Some(boundary) => {
                let rest: Shifts = shifts
                    .iter()
                    .filter(|(other, _)| *other != axis)
                    .copied()
                    .collect();
                Some(self.shifted(boundary, &rest, term)?)
            }
        };
        let unshifted = inner.iter().all(|(_, by)| *by == 0);
        let node = if unshifted && self.values[def.index()].is_none() {
            self.open(def, axis, sign, boundary, term)?
        } else {
            let x = self.shifted(def, &inner, term)?;
            let built = self.builder.shift(x, axis, sign, boundary);
            self.built(term, &[], built)?
        };
        self.shifts.insert((def, shifts.to_vec()), node);
        Some(node)
    }

    /// Reads a value that is defined later.
    fn open(
        &mut self,
        def: DefId,
        axis: AxisId,
        by: i32,
        boundary: Option<NodeId>,
        term: &Term<'a>,
    ) -> Option<NodeId> {
        let Some(known) = self.known[def.index()].clone() else {
            let (text, extent) = (
                self.system.defs[def].text.clone(),
                self.system.defs[def].extent,
            );
            self.diagnostics.report(
                Diagnostic::new(
                    extent,
                    format!("the shape of `{text}` does not follow from the equations"),
                )
                .help(format!("declare it: `{text}: [H] = ..;`")),
            );
            return None;
        };
        let built = self.builder.open_shift(&known.ty, axis, by, boundary);
        let node = self.built(term, &[], built)?;
        self.open.push((def, node, axis));
        Some(node)
    }
}

/// `x^n`: products for a small whole number, else `e^(n ln x)`.
fn power(builder: &mut Builder, x: NodeId, n: f64) -> Result<NodeId, TypeError> {
    if n.fract() == 0.0 && (1.0..=16.0).contains(&n) {
        let mut product = x;
        let mut left = n;
        while left > 1.0 {
            product = builder.mul(product, x)?;
            left -= 1.0;
        }
        return Ok(product);
    }
    let ln = builder.unary(Unary::Ln, x)?;
    let n = builder.constant(n, Shape::scalar());
    let scaled = builder.mul(n, ln)?;
    builder.unary(Unary::Exp, scaled)
}

/// `(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)` (Ba, Kiros & Hinton 2016, eq. 3 and 4).
fn layer_norm(builder: &mut Builder, x: NodeId, epsilon: f64) -> Result<NodeId, TypeError> {
    let mean = builder.mean_last(x)?;
    let centred = builder.sub(x, mean)?;
    let square = builder.mul(centred, centred)?;
    let variance = builder.mean_last(square)?;
    let epsilon = builder.constant(epsilon, Shape::scalar());
    let variance = builder.add(variance, epsilon)?;
    let deviation = builder.unary(Unary::Sqrt, variance)?;
    builder.div(centred, deviation)
}

/// Line and column of a span, where the compiler tells.
pub(super) fn loc(span: Span) -> Option<Loc> {
    let (line, column) = crate::diagnostics::line_column(span)?;
    Some(Loc {
        line: u32::try_from(line).ok()?,
        column: u32::try_from(column).ok()?,
    })
}
