//! `time` and `index` statements.
//!
//! **Invariant:** a time axis is in the system once it has a name; a static family is only a number.

use crate::ast::{self, AxisDecl, AxisKind, Statement, StatementKind};
use crate::diagnostics::{Diagnostic, Extent};
use crate::elaborate::Elaborator;
use crate::elaborate::scope::{Along, Entity, Run, ScopeId};
use crate::elaborate::system::TimeAxis;
use proc_macro2::Ident;
use rnn_ir::axis::{AxisId, Extent as Length, MAX_AXES};
use rnn_ir::id::Id;

/// Longest static family.
const MAX_FAMILY: i64 = 1_000;

impl<'a> Elaborator<'a, '_> {
    /// `time` and `index` statements.
    pub(in crate::elaborate) fn declare_axes(&mut self, scope: ScopeId, body: &'a [Statement]) {
        for statement in body {
            if let StatementKind::Axis(axis) = &statement.kind {
                match axis.kind {
                    AxisKind::Time => self.declare_time(scope, axis),
                    AxisKind::Index => self.declare_index(scope, axis),
                }
            }
        }
    }

    fn declare_time(&mut self, scope: ScopeId, axis: &'a AxisDecl) {
        if self.in_cell(scope) {
            let error = Diagnostic::new(&axis.name, "a cell has no time axis of its own");
            let name = &axis.name;
            self.report(error.help(format!(
                "`t` is the axis of the equation that applies the cell; another one comes with an input: `memory[{name}]: [M]`"
            )));
            return self.define(scope, &axis.name, Entity::Broken);
        }
        let length = match &axis.end.kind {
            ast::DimKind::Name(name) => Length::Length(name.to_string()),
            ast::DimKind::Int(0) => {
                let error = Diagnostic::new(axis.end.extent, "an axis has at least one step");
                self.report(error.help(
                    "write `1..=T` for a length that each example has, `1..=16` for a fixed one",
                ));
                return self.define(scope, &axis.name, Entity::Broken);
            }
            ast::DimKind::Int(steps) if u32::try_from(*steps).is_ok() => {
                Length::Fixed(u32::try_from(*steps).unwrap_or(u32::MAX))
            }
            ast::DimKind::Error => return self.define(scope, &axis.name, Entity::Broken),
            ast::DimKind::Int(_) | ast::DimKind::Binary(..) => {
                let error = Diagnostic::new(
                    axis.end.extent,
                    "the end of a time axis is a name or a number",
                );
                self.report(error.help(
                    "write `1..=T` for a length that each example has, `1..=16` for a fixed one",
                ));
                return self.define(scope, &axis.name, Entity::Broken);
            }
        };
        let Some(id) = self.new_axis(&axis.name.to_string(), length, (&axis.name).into()) else {
            return self.define(scope, &axis.name, Entity::Broken);
        };
        let run = Run::Along(Along {
            axis: id,
            reversed: false,
        });
        self.define(scope, &axis.name, Entity::Time(run));
        if let ast::DimKind::Name(name) = &axis.end.kind {
            if let Some(Entity::Size(_)) = self.system.scopes[scope].lookup(&name.to_string()) {
                let error = Diagnostic::new(
                    name,
                    format!("`{name}` is a size of the model, not the length of an axis"),
                );
                self.report(error.help(format!(
                    "take `{name}` out of `<..>`: a length comes with the data"
                )));
            } else if let Err(first) = self.system.scopes[scope].define(name, Entity::Length(run)) {
                let error = Diagnostic::new(name, format!("two definitions of `{name}`"));
                self.report(error.label(first, "first definition").help(
                    "each axis has a length of its own, `1..=S`; two of them may be given equal ones",
                ));
            }
        }
    }

    /// Adds a time axis.
    pub(in crate::elaborate) fn new_axis(
        &mut self,
        name: &str,
        length: Length,
        extent: Extent,
    ) -> Option<AxisId> {
        let index = self.system.axes.len() + 1;
        if index >= MAX_AXES {
            self.report(Diagnostic::new(
                extent,
                format!("a model has at most {} time axes", MAX_AXES - 1),
            ));
            return None;
        }
        let id = AxisId::from_index(index);
        self.system.axes.push(TimeAxis {
            id,
            name: name.to_owned(),
            length,
        });
        Some(id)
    }

    fn declare_index(&mut self, scope: ScopeId, axis: &'a AxisDecl) {
        let end = self.dim(scope, &axis.end).and_then(|dim| match dim.as_constant() {
            Some(end) if (1..=MAX_FAMILY).contains(&end) => Some(end),
            Some(_) => {
                let error = Diagnostic::new(axis.end.extent, format!("a static family has 1 to {MAX_FAMILY} members"));
                self.report(error.help("declare `time` for an axis that the data determines"));
                None
            }
            None => {
                let error = Diagnostic::new(axis.end.extent, format!("`{dim}` is not known when the model is written"));
                self.report(error.help("an `index` is written out member by member: give it a number, as in `1..=3`"));
                None
            }
        });
        self.define(
            scope,
            &axis.name,
            end.map_or(Entity::Broken, Entity::Static),
        );
    }

    /// Static indices of a declaration: `W[l]`.
    pub(super) fn static_axes(
        &mut self,
        scope: ScopeId,
        what: &str,
        axes: &[Ident],
    ) -> Option<Vec<(String, i64)>> {
        let mut statics = Vec::new();
        for name in axes {
            match self.system.scopes[scope].lookup(&name.to_string()).cloned() {
                Some(Entity::Static(end)) => statics.push((name.to_string(), end)),
                Some(Entity::Broken) => return None,
                Some(Entity::Time(_)) => {
                    let error = Diagnostic::new(name, format!("a {what} does not vary over time"));
                    self.report(
                        error.help("its index is a static family, declared as `index l in 1..=3;`"),
                    );
                    return None;
                }
                _ => {
                    self.unknown_axis(scope, name);
                    return None;
                }
            }
        }
        Some(statics)
    }
}
