//! Terms to nodes of the graph.
//!
//! The same evaluation runs in two modes. A draft finds the types of values that are read before they are defined: what is
//! not known yet has no node, and an operator takes the shape of the operand that has one. The final run appends to the
//! graph that is kept, opens a shift for each value that is defined later, and reports what the type rules refuse.
//!
//! **Invariant:** types are decided by [`rnn_ir::typing`] alone; the final run accepts nothing that the builder refuses.

mod calls;
mod diagonal;
mod feedback;
mod normalise;
mod reads;
mod residual;
mod terms;
mod types;

use feedback::FedBack;
use types::declared;
pub(super) use types::infer;

use super::causality::Order;
use super::declare::domain;
use super::system::{Def, DefId, DefKind, Right, System};
use super::term::{Term, TermKind};
use super::type_error;
use crate::diagnostics::{Diagnostic, Diagnostics, Extent, file, line_column, within_its_crate};
use proc_macro2::Span;
use rnn_ir::axis::AxisId;
use rnn_ir::builder::Builder;
use rnn_ir::dim::Dim;
use rnn_ir::graph::Graph;
use rnn_ir::id::Id;
use rnn_ir::node::{DType, Loc, NodeId, Shape, Type};
use rnn_ir::op::Role;
use rnn_ir::typing::TypeError;
use std::collections::{BTreeSet, HashMap};

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

/// Where a shift along each axis leads.
type Shifts = Vec<(AxisId, i32)>;

/// Evaluates the definitions of a system into a graph.
pub(super) struct Evaluator<'s, 'a> {
    system: &'s System<'a>,
    builder: Builder,
    /// The file of the item.
    file: Option<String>,
    known: &'s [Option<Known>],
    values: Vec<Option<Item>>,
    shifts: HashMap<(DefId, Shifts), NodeId>,
    open: Vec<(DefId, NodeId, AxisId)>,
    fed_back: Vec<FedBack<'a>>,
    /// Running parameters that a batch normalisation brings on, and where.
    brought: Vec<(DefId, Extent)>,
    diagnostics: Diagnostics,
    /// Values that are read before they are defined, and whose types are not known.
    untyped: BTreeSet<DefId>,
    /// Nodes of a draft whose shape is a guess that any other operand overrules.
    weak: BTreeSet<NodeId>,
    draft: bool,
}

/// Nothing stands for a value that is not known yet, or has a reported error.
type Evaluated = Option<Item>;

/// A graph with the node of each definition.
pub(super) struct Built {
    pub(super) builder: Builder,
    /// Nothing for a definition with an error.
    pub(super) nodes: Vec<Option<NodeId>>,
    /// Running parameters that training brings on.
    pub(super) brought: Vec<DefId>,
    pub(super) diagnostics: Diagnostics,
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
        let root = system.scopes.iter().next();
        Self {
            system,
            builder,
            file: root.and_then(|(_, scope)| file(scope.item.name.span())),
            known,
            values: vec![None; system.defs.len()],
            shifts: HashMap::new(),
            open: Vec::new(),
            fed_back: Vec::new(),
            brought: Vec::new(),
            diagnostics: Diagnostics::default(),
            untyped: BTreeSet::new(),
            weak: BTreeSet::new(),
            draft,
        }
    }

    fn run(&mut self, order: &Order) {
        for id in &order.sorted {
            let def = &self.system.defs[*id];
            let place = self.place(def.extent.start);
            self.builder.set_loc(place);
            let value = if order.broken.contains(id) {
                None
            } else {
                self.define(def)
            };
            // In a draft, a declared shape is known before what its equation reads.
            let stands = !self.draft || def.declared.is_some();
            let value = value.or_else(|| if stands { self.stand_in(*id) } else { None });
            self.values[id.index()] = value;
        }
    }

    /// The place of a span, where the compiler tells it: a line, a column, and the file if it is not that of the item.
    fn place(&mut self, span: Span) -> Option<Loc> {
        let (line, column) = line_column(span)?;
        let file = file(span).filter(|file| Some(file) != self.file.as_ref());
        Some(Loc {
            file: file.map(|file| self.builder.file(&within_its_crate(&file))),
            line: u32::try_from(line).ok()?,
            column: u32::try_from(column).ok()?,
        })
    }

    /// A node of the right type in place of one with an error, so that what reads it is checked too. A type that a draft
    /// drew from an equation with an error is no base for reports about others.
    fn stand_in(&mut self, id: DefId) -> Evaluated {
        let def = &self.system.defs[id];
        if def.declared.is_none() && def.of.is_none() {
            return None;
        }
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
            DefKind::Param { init, changed } => {
                let (shape, _) = def.declared.clone()?;
                self.builder
                    .param(def.name.clone(), shape, init.clone(), *changed)
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
        if def.vocabulary.is_some() && self.dtype(&item) != DType::Index {
            self.diagnostics.report(
                Diagnostic::new(
                    term.extent,
                    format!("`{}` takes tokens, found real numbers", def.text),
                )
                .label(*declared_at, "the declaration")
                .help("tokens come from an input of type `token<V>` or from `argmax`"),
            );
            return None;
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
        if self.shape(&item).is_scalar()
            && !wanted.is_scalar()
            && self.dtype(&item) == like.ty.dtype
        {
            item.node = self.builder.expand_to("=", item.node, wanted).ok()?;
        }
        let (found, kind) = (self.shape(&item), self.dtype(&item));
        if found == *wanted && kind == like.ty.dtype {
            return Some(item);
        }
        let of = &self.system.defs[of];
        let describe = |kind: DType, shape: &Shape| match kind {
            DType::Index if shape.is_scalar() => "a token".to_owned(),
            DType::Index => format!("{shape} of tokens"),
            DType::Real | DType::Bool => shape.to_string(),
        };
        let message = format!(
            "`{}` is {}, and `{}` is {}",
            def.text,
            describe(kind, &found),
            of.text,
            describe(like.ty.dtype, wanted)
        );
        let place = match of.kind {
            DefKind::Equation { .. } => "its equation",
            DefKind::Input { .. } | DefKind::Param { .. } => "its declaration",
        };
        let help = match like.ty.dtype {
            DType::Index => {
                Some("a token is a whole number, `0`, an input of type `token<V>`, or `argmax(..)`")
            }
            DType::Real | DType::Bool => None,
        };
        self.diagnostics.report(
            Diagnostic::new(term.extent, message)
                .label(of.extent, place)
                .help_if(help.map(str::to_owned)),
        );
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
                    // What follows from an error before it: its domain is not known.
                    _ if !self.diagnostics.is_empty() => continue,
                    error => format!("`{}` cannot be read along `{axis}`: {error}", def.text),
                };
                let (name, shape) = (&def.text, self.builder.shape(value.node));
                self.diagnostics.report(
                    Diagnostic::new(def.extent, what)
                        .help(format!("declare its shape: `{name}: {shape} = ..;`")),
                );
            }
        }
    }

    /// Reports the values without a type, unless that may follow from another error.
    fn report_untyped(&mut self, is_right: bool) {
        if !is_right || !self.diagnostics.is_empty() {
            return;
        }
        for def in &self.untyped {
            let def = &self.system.defs[*def];
            let text = &def.text;
            let error = Diagnostic::new(
                def.extent,
                format!("the shape of `{text}` does not follow from the equations"),
            );
            let sizes = match &def.kind {
                DefKind::Equation {
                    right: Right::Written { context, .. },
                    ..
                } => self.system.scopes[context.scope].item.sizes.as_slice(),
                _ => &[],
            };
            self.diagnostics.report(match sizes.last() {
                Some(size) => error.help(format!(
                    "declare it in sizes of the model, as in `{text}: [{size}] = ..;`"
                )),
                None => error.help(format!("declare it, as in `{text}: [4] = ..;`")),
            });
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
}

impl From<NodeId> for Item {
    fn from(node: NodeId) -> Self {
        Self {
            node,
            vocabulary: None,
        }
    }
}

/// Builds the graph of a system. `is_right` if nothing was reported about it so far.
pub(super) fn build(
    system: &System<'_>,
    order: &Order,
    known: &[Option<Known>],
    name: &str,
    is_right: bool,
) -> Built {
    let mut evaluator = Evaluator::new(system, known, name, false);
    evaluator.run(order);
    evaluator.feed_back();
    evaluator.close();
    evaluator.report_untyped(is_right);
    let nodes = evaluator
        .values
        .iter()
        .map(|item| item.as_ref().map(|item| item.node))
        .collect();
    Built {
        builder: evaluator.builder,
        nodes,
        brought: evaluator.brought.iter().map(|(def, _)| *def).collect(),
        diagnostics: evaluator.diagnostics,
    }
}
