//! Expressions to terms: every name looked up, every index understood.
//!
//! **Invariant:** a term without [`TermKind::Error`] reads only definitions whose axes are axes of the equation or bound by
//! a function along that axis.

mod call;
mod feedback;
mod normalise;
pub(super) use feedback::delay;
mod value;

use super::Elaborator;
use super::function::is_function;
use super::scope::{Entity, Run, ScopeId};
use super::system::{Context, DefId, DefKind, Output, Right};
use super::term::{Offset, Read, Term, TermKind};
use crate::ast::{Expr, ExprKind, NamePath};
use crate::diagnostics::{Diagnostic, Extent};
use proc_macro2::Ident;
use rnn_ir::axis::AxisId;

/// Where a term is being resolved.
struct Place<'p> {
    context: &'p Context,
    /// The left side, for messages.
    left: &'p str,
    /// Axes bound by functions along them.
    bound: Vec<AxisId>,
    /// Axes that were reported to be missing on the left.
    missing: Vec<AxisId>,
    /// Members bound by functions along static families, and those of the equation.
    statics: Vec<(String, i64)>,
    /// Whether it is in a branch of `where` that the member does not have.
    is_idle: bool,
}

impl<'a> Elaborator<'a, '_> {
    /// Resolves the right sides of all equations.
    pub(super) fn resolve(&mut self) {
        let ids: Vec<DefId> = self.system.defs.ids().collect();
        for id in ids {
            let DefKind::Equation { right, .. } = &self.system.defs[id].kind else {
                continue;
            };
            let right = right.clone();
            let resolved = match right {
                Right::Written { expr, context } => {
                    let left = self.system.defs[id].text.clone();
                    let statics = context.statics.clone();
                    self.term(
                        expr,
                        &mut Place {
                            context: &context,
                            left: &left,
                            bound: Vec::new(),
                            missing: Vec::new(),
                            statics,
                            is_idle: false,
                        },
                    )
                }
                Right::Zero => Term {
                    kind: TermKind::Number {
                        value: 0.0,
                        integer: Some(0),
                    },
                    extent: self.system.defs[id].extent,
                    source: None,
                },
                Right::Passed(output) => {
                    self.output_term(&output, self.system.defs[id].extent, None)
                }
            };
            if let DefKind::Equation { term, .. } = &mut self.system.defs[id].kind {
                *term = Some(resolved);
            }
        }
    }

    fn output_term(&self, output: &Output, extent: Extent, source: Option<&'a Expr>) -> Term<'a> {
        let kind = match output {
            Output::Of(def) => TermKind::Read(Read {
                def: *def,
                offsets: self.system.defs[*def]
                    .axes
                    .iter()
                    .map(|axis| (*axis, Offset::By(0)))
                    .collect(),
            }),
            Output::Joined(a, b) => TermKind::Concat(vec![
                self.output_term(a, extent, None),
                self.output_term(b, extent, None),
            ]),
            Output::Added(layer, input, written) => TermKind::Residual {
                layer: Box::new(self.output_term(layer, extent, None)),
                input: Box::new(self.output_term(input, extent, None)),
                written: *written,
            },
        };
        Term {
            kind,
            extent,
            source,
        }
    }

    fn term(&mut self, expr: &'a Expr, place: &mut Place<'_>) -> Term<'a> {
        let kind = self.term_kind(expr, place).unwrap_or(TermKind::Error);
        Term {
            kind,
            extent: expr.extent,
            source: Some(expr),
        }
    }

    fn boxed(&mut self, expr: &'a Expr, place: &mut Place<'_>) -> Box<Term<'a>> {
        Box::new(self.term(expr, place))
    }

    /// Nothing stands for a reported error.
    fn term_kind(&mut self, expr: &'a Expr, place: &mut Place<'_>) -> Option<TermKind<'a>> {
        Some(match &expr.kind {
            ExprKind::Error => return None,
            ExprKind::Number(number) => TermKind::Number {
                value: number.value,
                integer: number.integer.and_then(|value| i64::try_from(value).ok()),
            },
            ExprKind::Negate(inner) => TermKind::Negate(self.boxed(inner, place)),
            ExprKind::Transpose(inner) => TermKind::Transpose(self.boxed(inner, place)),
            ExprKind::Binary(op, left, right) => {
                TermKind::Binary(*op, self.boxed(left, place), self.boxed(right, place))
            }
            ExprKind::Concat(parts) => {
                TermKind::Concat(parts.iter().map(|part| self.term(part, place)).collect())
            }
            ExprKind::Name(path) => return self.name(expr, path, &[], place),
            ExprKind::Index(base, indices) => match &base.kind {
                ExprKind::Name(path) => return self.name(expr, path, indices, place),
                _ => {
                    let table = self.term(base, place);
                    return self.gathers(table, indices, place);
                }
            },
            ExprKind::Call {
                callee,
                axes,
                arguments,
            } => return self.call(expr, callee, axes, arguments, place),
        })
    }

    /// `table[i][j]`, one row after the other.
    fn gathers(
        &mut self,
        table: Term<'a>,
        indices: &'a [Expr],
        place: &mut Place<'_>,
    ) -> Option<TermKind<'a>> {
        let (extent, source) = (table.extent, table.source);
        let mut kind = table.kind;
        for index in indices {
            let table = Term {
                kind,
                extent,
                source,
            };
            kind = TermKind::Gather(Box::new(table), self.boxed(index, place));
        }
        Some(kind)
    }

    /// A name with the list in its brackets.
    fn name(
        &mut self,
        expr: &'a Expr,
        path: &'a NamePath,
        indices: &'a [Expr],
        place: &mut Place<'_>,
    ) -> Option<TermKind<'a>> {
        let scope = place.context.scope;
        let Some(name) = path.as_ident() else {
            let statics = place.statics.clone();
            let (value, leading) =
                self.inner_value_of(scope, path, indices, expr.extent, &statics)?;
            let rest = indices.get(leading.len()..).unwrap_or_default();
            return self.value(expr, value, rest, place);
        };
        let text = name.to_string();
        let entity = self.system.scopes[scope].lookup(&text).cloned();
        if let Some(Entity::Value(value)) = entity {
            return self.value(expr, value, indices, place);
        }
        if let (Some(first), Some(entity)) = (indices.first(), &entity)
            && !matches!(entity, Entity::Layer(_) | Entity::Broken)
        {
            let what = if matches!(entity, Entity::Size(_)) {
                "a size"
            } else {
                "an axis"
            };
            let error =
                Diagnostic::new(first.extent, format!("`{text}` is {what} and has no index"));
            self.report(error.help(format!("write `{text}` alone for its value as a number")));
            return None;
        }
        match entity {
            Some(Entity::Value(_) | Entity::Broken) => None,
            Some(Entity::Size(dim)) => Some(TermKind::Size(dim)),
            Some(Entity::Length(Run::Along(along))) => Some(TermKind::Length(along.axis)),
            Some(Entity::Time(Run::Along(along))) => {
                self.require_axis(name.into(), along.axis, &text, place)?;
                Some(TermKind::Step {
                    axis: along.axis,
                    reversed: along.reversed,
                })
            }
            Some(Entity::Time(Run::Nowhere) | Entity::Length(Run::Nowhere)) => {
                let error = Diagnostic::new(
                    name,
                    format!("`{text}` has no value: the cell is applied without a time axis"),
                );
                self.report(error.help("apply it in an equation over `t`"));
                None
            }
            Some(Entity::Static(_)) => match place.statics.iter().find(|(known, _)| *known == text)
            {
                Some((_, member)) => {
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "a family has at most a thousand members"
                    )]
                    let value = *member as f64;
                    Some(TermKind::Number {
                        value,
                        integer: Some(*member),
                    })
                }
                None => {
                    let error = Diagnostic::new(
                        name,
                        format!("`{text}` has no value in the equation of `{}`", place.left),
                    );
                    self.report(error.help(format!(
                        "put `{text}` on the left, or reduce over it with `sum[{text}](..)`"
                    )));
                    None
                }
            },
            Some(Entity::Layer(layer)) => {
                let error = Diagnostic::new(name, format!("`{text}` is a layer, not a value"));
                let inner = self.system.layers[layer]
                    .instances
                    .values()
                    .find_map(|it| it.tree.first_cell());
                let help = self.layer_help(name, inner);
                self.report(error.help(help));
                None
            }
            None => {
                self.unknown_value(scope, name);
                None
            }
        }
    }

    /// What to do with a layer that stands where a value is needed.
    pub(super) fn layer_help(&self, name: &Ident, inner: Option<ScopeId>) -> String {
        let is_value = |entity: &Entity| matches!(entity, Entity::Value(_));
        let names = inner
            .map(|inner| self.system.scopes[inner].names(is_value))
            .unwrap_or_default();
        let inside: Vec<String> = names
            .iter()
            .take(8)
            .map(|inside| format!("`{name}.{inside}`"))
            .collect();
        if inside.is_empty() {
            format!("call it: `{name}(x[t])`")
        } else {
            format!(
                "call it, `{name}(x[t])`, or name a value inside, such as {}",
                inside.join(", ")
            )
        }
    }

    /// Reports a name that has no meaning.
    pub(super) fn unknown_value(&mut self, scope: ScopeId, name: &Ident) {
        if !crate::parse::is_name(name) {
            return;
        }
        let text = name.to_string();
        let error = Diagnostic::new(name, format!("unknown name `{text}`"));
        let error = if is_function(&text) {
            error.help(format!("`{text}` is a function: call it, `{text}(x)`"))
        } else if let Some(near) = self.system.scopes[scope]
            .nearest(&text, |entity| matches!(entity, Entity::Value(_)))
            .or_else(|| self.system.scopes[scope].nearest(&text, |_| true))
        {
            error.help(format!("did you mean `{near}`?"))
        } else {
            error.help(format!(
                "define it by an equation, `{text}[t] = ..;`, or declare it as `input` or `param`"
            ))
        };
        self.report(error);
    }
}
