//! Cells get their time axis, their inputs and their equations.
//!
//! **Invariant:** every input of a cell is a definition of its own, of the declared type.

use super::{Source, input_indices};
use crate::ast::{self, Expr, ExprKind, Item, ItemKind};
use crate::diagnostics::{Diagnostic, Extent, Reported};
use crate::elaborate::Elaborator;
use crate::elaborate::declare::indexed_text;
use crate::elaborate::scope::{Along, Entity, IndexKind, Run, ScopeId};
use crate::elaborate::system::{Context, Def, DefKind, Output, Right};
use rnn_ir::axis::AxisId;
use rnn_ir::node::Shape;
use std::collections::BTreeMap;

impl<'a> Elaborator<'a, '_> {
    /// What an argument is to the cells of a layer. One that several cells read is a definition of its own.
    pub(super) fn argument(
        &mut self,
        input: &'a ast::CellInput,
        value: &'a Expr,
        context: &Context,
        shared: Option<&str>,
    ) -> Result<Source<'a>, Option<Reported>> {
        let axes = if input.axes.is_empty() {
            context.axes.clone()
        } else {
            self.sequence_axes(input, value, context)?
        };
        let own = if input.axes.is_empty() {
            Vec::new()
        } else {
            axes.clone()
        };
        if !input.axes.is_empty()
            && let ExprKind::Name(path) = &value.kind
            && let Some(Entity::Value(whole)) = path
                .as_ident()
                .and_then(|name| self.system.scopes[context.scope].lookup(&name.to_string()))
            && let Some(def) = self.system.values[*whole].instances.get(&Vec::new())
        {
            return Ok(Source {
                right: Right::Passed(Output::Of(*def)),
                own,
                extent: value.extent,
            });
        }
        let inner = Context {
            axes: axes.clone(),
            ..context.clone()
        };
        let right = Right::Written {
            expr: value,
            context: inner,
        };
        let Some(layer) = shared else {
            return Ok(Source {
                right,
                own,
                extent: value.extent,
            });
        };
        let prefix = self.system.scopes[context.scope].prefix.clone();
        let suffix: String = context
            .statics
            .iter()
            .map(|(_, member)| format!("_{member}"))
            .collect();
        // `input` is a word of the language, so no cell defines it.
        let position = if input.axes.is_empty() {
            "input".to_owned()
        } else {
            format!("input_{}", input.name)
        };
        let name = format!("{prefix}{layer}{suffix}.{position}");
        let def = Def {
            text: name.clone(),
            name,
            axes: axes.iter().map(|along| along.axis).collect(),
            kind: DefKind::Equation { right, term: None },
            extent: value.extent,
            declared: None,
            vocabulary: None,
            boundaries: Vec::new(),
            of: None,
        };
        let def = self.add(def).map_err(Some)?;
        Ok(Source {
            right: Right::Passed(Output::Of(def)),
            own,
            extent: value.extent,
        })
    }

    /// The axes of a whole sequence that is passed to an input such as `memory[j]`.
    fn sequence_axes(
        &mut self,
        input: &ast::CellInput,
        value: &Expr,
        context: &Context,
    ) -> Result<Vec<Along>, Option<Reported>> {
        let mut axes: Vec<Along> = Vec::new();
        if let ExprKind::Name(path) = &value.kind
            && let Some(name) = path.as_ident()
        {
            match self.system.scopes[context.scope].lookup(&name.to_string()) {
                Some(Entity::Broken) => return Err(None),
                Some(Entity::Value(whole)) => {
                    axes.extend(
                        self.system.values[*whole]
                            .indices
                            .iter()
                            .filter_map(|index| match index.kind {
                                IndexKind::Time(Run::Along(along)) => Some(along),
                                _ => None,
                            }),
                    );
                }
                _ => {}
            }
        } else {
            let mut found = Vec::new();
            self.free_axes(value, context.scope, &mut found);
            axes.extend(
                found
                    .into_iter()
                    .filter(|along| !context.axes.contains(along)),
            );
        }
        if axes.len() == input.axes.len() {
            return Ok(axes);
        }
        let wanted = indexed_text(&input.name.to_string(), &input.axes);
        let error = Diagnostic::new(
            value.extent,
            format!("`{wanted}` takes a whole sequence, found `{value}`"),
        );
        let axes = match input.axes.len() {
            1 => "one axis without its index".to_owned(),
            several => format!("{several} axes without its indices"),
        };
        Err(Some(self.report(
            error.help(format!("pass the name of a value over {axes}")),
        )))
    }

    fn free_axes(&self, expr: &Expr, scope: ScopeId, found: &mut Vec<Along>) {
        if let Some(name) = expr.as_ident()
            && let Some(Entity::Time(Run::Along(along))) =
                self.system.scopes[scope].lookup(&name.to_string())
            && !found.contains(along)
        {
            found.push(*along);
        }
        for child in expr.kind.children() {
            self.free_axes(child, scope, found);
        }
    }

    /// Gives a cell its axis, its inputs and its equations.
    pub(super) fn apply_cell(
        &mut self,
        scope: ScopeId,
        run: Run,
        inputs: Vec<Source<'a>>,
        extent: Extent,
    ) -> Result<Output, Option<Reported>> {
        let item = self.system.scopes[scope].item;
        let ItemKind::Cell(cell) = &item.kind else {
            return Err(None);
        };
        self.bind_time(scope, run, item);
        let mut bound: BTreeMap<String, AxisId> = BTreeMap::new();
        for (input, source) in cell.inputs.iter().zip(inputs) {
            for (name, along) in input.axes.iter().zip(&source.own) {
                let first = *bound.entry(name.to_string()).or_insert(along.axis);
                if first != along.axis {
                    let (first, second) = (
                        self.system.axis(first).name.clone(),
                        self.system.axis(along.axis).name.clone(),
                    );
                    let error = Diagnostic::new(
                        source.extent,
                        format!(
                            "the inputs over `{name}` of `{}` run over different axes: `{first}` and `{second}`",
                            item.name
                        ),
                    );
                    return Err(Some(
                        self.report(error.help("pass sequences over the same axis")),
                    ));
                }
                self.system.scopes[scope].imply(
                    &name.to_string(),
                    Entity::Time(Run::Along(*along)),
                    name.into(),
                );
            }
            self.bind_input(scope, run, input, source)?;
        }
        self.declare_equations(scope, &item.body);
        let Some(output) = cell.outputs.first() else {
            return Err(None);
        };
        match self.system.scopes[scope].lookup(&output.name.to_string()) {
            Some(Entity::Value(value)) => {
                let def = self.system.values[*value]
                    .instances
                    .get(&Vec::new())
                    .copied();
                def.map(Output::Of).ok_or(None)
            }
            Some(Entity::Broken) => Err(None),
            _ => {
                // Backstop: a cell without its output is broken by its own check.
                let error = Diagnostic::new(
                    &output.name,
                    format!(
                        "no equation defines the output `{}` of `{}`",
                        output.name, item.name
                    ),
                );
                let help = format!("add an equation `{}[t] = ..;`", output.name);
                Err(Some(
                    self.report(error.label(extent, "applied here").help(help)),
                ))
            }
        }
    }

    /// Binds `t` and `T` of a cell.
    pub(in crate::elaborate) fn bind_time(&mut self, scope: ScopeId, run: Run, item: &Item) {
        self.system.scopes[scope].imply("t", Entity::Time(run), (&item.name).into());
        self.system.scopes[scope].imply("T", Entity::Length(run), (&item.name).into());
    }

    fn bind_input(
        &mut self,
        scope: ScopeId,
        run: Run,
        input: &'a ast::CellInput,
        source: Source<'a>,
    ) -> Result<(), Option<Reported>> {
        let (shape, vocabulary) = self.input_type(scope, &input.ty);
        let prefix = self.system.scopes[scope].prefix.clone();
        let name = input.name.to_string();
        let (indices, axes) = input_indices(input, run, &source.own);
        let def = Def {
            name: format!("{prefix}{name}"),
            text: format!("{prefix}{name}"),
            axes,
            kind: DefKind::Equation {
                right: source.right,
                term: None,
            },
            extent: source.extent,
            declared: shape.map(|shape: Shape| (shape, input.ty.extent)),
            vocabulary,
            boundaries: Vec::new(),
            of: None,
        };
        let def = self.add(def).map_err(Some)?;
        let value = self.new_value(name, &input.name, indices, [(Vec::new(), def)]);
        self.define(scope, &input.name, Entity::Value(value));
        Ok(())
    }
}
