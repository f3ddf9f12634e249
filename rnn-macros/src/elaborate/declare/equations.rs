//! Equations that define a name for every step: `h[t] = ..`.
//!
//! **Invariant:** the left side has index variables only, each once.

use super::{keys, member_name};
use crate::ast::{self, Equation, Expr, Statement, StatementKind};
use crate::diagnostics::{Diagnostic, Extent};
use crate::elaborate::Elaborator;
use crate::elaborate::index::{Linear, linear};
use crate::elaborate::scope::{Along, Entity, IndexAxis, IndexKind, Run, ScopeId};
use crate::elaborate::system::{Context, Def, DefKind, Right};
use proc_macro2::Ident;
use rnn_ir::node::Shape;

/// The left side of an equation.
enum Left {
    /// Index variables only: it defines its name.
    Whole(Vec<IndexAxis>),
    /// A number or an end among the indices: it gives values outside an axis.
    Partial,
    Broken,
}

impl<'a> Elaborator<'a, '_> {
    /// Equations with plain names on the left: first those that define, then those that give boundaries. Equations with
    /// dotted names are left for [`Elaborator::declare_inner_boundaries`].
    pub(in crate::elaborate) fn declare_equations(
        &mut self,
        scope: ScopeId,
        body: &'a [Statement],
    ) {
        let mut partial = Vec::new();
        for equation in equations(body) {
            let Some(name) = equation.left.name.as_ident() else {
                continue;
            };
            match self.left_axes(scope, equation) {
                Left::Whole(indices) => self.declare_whole(scope, name, indices, equation),
                Left::Partial => partial.push((name, equation)),
                Left::Broken => {
                    if self.system.scopes[scope]
                        .lookup(&name.to_string())
                        .is_none()
                    {
                        self.define(scope, name, Entity::Broken);
                    }
                }
            }
        }
        // A corner hangs on the boundaries beside it, which may be written after it.
        partial.sort_by_key(|(_, equation)| fixed_indices(equation));
        for (name, equation) in partial {
            match self.system.scopes[scope].lookup(&name.to_string()).cloned() {
                Some(Entity::Value(value)) => self.declare_partial(scope, value, equation, &[]),
                Some(Entity::Broken) => {}
                _ => {
                    let left = &equation.left;
                    let error = Diagnostic::new(
                        left.extent,
                        format!(
                            "`{left}` is given, but no equation defines `{name}` for every step"
                        ),
                    );
                    self.report(error.help(format!("add an equation `{name}[t] = ..;`")));
                    self.define(scope, name, Entity::Broken);
                }
            }
        }
    }

    fn left_axes(&mut self, scope: ScopeId, equation: &'a Equation) -> Left {
        let mut indices: Vec<IndexAxis> = Vec::new();
        for index in &equation.left.indices {
            if index.has_error() {
                return Left::Broken;
            }
            let Some(name) = index.as_ident() else {
                if let Some(gap) = self.offset_on_the_left(scope, index) {
                    let error = Diagnostic::new(
                        index.extent,
                        format!("`{}` is defined at an offset", equation.left),
                    );
                    self.report(error.help(format!("an equation holds for every step: write `{gap}` on the left and shift the right side")));
                    return Left::Broken;
                }
                return Left::Partial;
            };
            let text = name.to_string();
            let kind = match self.system.scopes[scope].lookup(&text) {
                Some(Entity::Time(run)) => IndexKind::Time(*run),
                Some(Entity::Static(end)) => IndexKind::Static(*end),
                Some(Entity::Length(_)) => return Left::Partial,
                Some(Entity::Broken) => return Left::Broken,
                _ => {
                    self.unknown_axis(scope, name);
                    return Left::Broken;
                }
            };
            if indices.iter().any(|seen| seen.name == text) {
                self.report(
                    Diagnostic::new(
                        name,
                        format!("`{text}` is an index of `{}` twice", equation.left.name),
                    )
                    .help("declare a second axis for the second index"),
                );
                return Left::Broken;
            }
            indices.push(IndexAxis { name: text, kind });
        }
        Left::Whole(indices)
    }

    /// The index variable of `t-1` or `t+1`.
    fn offset_on_the_left(&self, scope: ScopeId, index: &Expr) -> Option<String> {
        let Linear { base, offset } = linear(index, &[])?;
        let base = base?.to_string();
        let is_index = matches!(
            self.system.scopes[scope].lookup(&base),
            Some(Entity::Time(_) | Entity::Static(_))
        );
        (is_index && offset != 0).then_some(base)
    }

    /// `h[t] = ..`, once per combination of static indices.
    fn declare_whole(
        &mut self,
        scope: ScopeId,
        name: &Ident,
        indices: Vec<IndexAxis>,
        equation: &'a Equation,
    ) {
        let prefix = self.system.scopes[scope].prefix.clone();
        let local = name.to_string();
        let statics: Vec<(String, i64)> = indices
            .iter()
            .filter_map(|index| match index.kind {
                IndexKind::Static(end) => Some((index.name.clone(), end)),
                IndexKind::Time(_) => None,
            })
            .collect();
        let alongs: Vec<Along> = indices.iter().filter_map(along_of).collect();
        let second = self.system.scopes[scope].lookup(&local).is_some();
        let mut instances = Vec::new();
        for key in keys(&statics) {
            if second {
                break;
            }
            let members = statics.iter().map(|(name, _)| name.clone());
            let context = Context {
                scope,
                statics: members.zip(key.iter().copied()).collect(),
                axes: alongs.clone(),
            };
            let errors = self.diagnostics.count();
            let declared = self.declared_shape(scope, name, equation, &context.statics);
            if self.diagnostics.count() > errors {
                return self.define(scope, name, Entity::Broken);
            }
            let def = Def {
                name: format!("{prefix}{}", member_name(&local, &key)),
                text: format!("{prefix}{}", equation.left),
                axes: alongs.iter().map(|along| along.axis).collect(),
                kind: DefKind::Equation {
                    right: Right::Written {
                        expr: &equation.right,
                        context,
                    },
                    term: None,
                },
                extent: equation.left.extent,
                declared,
                vocabulary: None,
                boundaries: Vec::new(),
                of: None,
            };
            let Ok(def) = self.add(def) else {
                return self.define(scope, name, Entity::Broken);
            };
            instances.push((key, def));
        }
        let value = self.new_value(local, name, indices, instances);
        self.define(scope, name, Entity::Value(value));
    }

    /// The shape an equation is declared with: its own, or that of the cell's output.
    fn declared_shape(
        &mut self,
        scope: ScopeId,
        name: &Ident,
        equation: &'a Equation,
        statics: &[(String, i64)],
    ) -> Option<(Shape, Extent)> {
        let own = equation.shape.as_ref().and_then(|shape| {
            let of_member = self.shape_of_member(scope, shape, statics)?;
            Some((of_member, shape.extent))
        });
        let item = self.system.scopes[scope].item;
        let ast::ItemKind::Cell(cell) = &item.kind else {
            return own;
        };
        let output = cell.outputs.iter().find(|output| output.name == *name)?;
        let promised = self
            .shape(scope, &output.shape)
            .map(|shape| (shape, output.shape.extent));
        if let (Some((own, at)), Some((promised, by))) = (&own, &promised)
            && own != promised
        {
            self.report(
                Diagnostic::new(
                    *at,
                    format!("`{name}` is {own} here and {promised} in the signature of the cell"),
                )
                .label(*by, "the signature")
                .help("leave the shape out here: the signature gives it"),
            );
        }
        own.or(promised)
    }
}

fn along_of(index: &IndexAxis) -> Option<Along> {
    match index.kind {
        IndexKind::Time(Run::Along(along)) => Some(along),
        _ => None,
    }
}

/// How many indices on the left are no index variables.
pub(in crate::elaborate) fn fixed_indices(equation: &Equation) -> usize {
    let indices = equation.left.indices.iter();
    indices.filter(|index| index.as_ident().is_none()).count()
}

/// The equations of a body, in source order.
pub(in crate::elaborate) fn equations(body: &[Statement]) -> impl Iterator<Item = &Equation> {
    body.iter().filter_map(|statement| match &statement.kind {
        StatementKind::Equation(equation) => Some(equation),
        _ => None,
    })
}
