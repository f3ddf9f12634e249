//! Names with indices: which definition, at which step of each axis.
//!
//! **Invariant:** steps are in true time; a scope that runs against time is turned around here and nowhere else.

use super::Place;
use crate::ast::{Expr, ExprKind};
use crate::diagnostics::{Diagnostic, Extent};
use crate::elaborate::Elaborator;
use crate::elaborate::check::no_corner;
use crate::elaborate::index::{Linear, linear};
use crate::elaborate::scope::{Entity, IndexKind, Run, Value, ValueId};
use crate::elaborate::system::{DefId, DefKind, Outside};
use crate::elaborate::term::{Offset, Read, Term, TermKind};
use proc_macro2::Ident;
use rnn_ir::axis::{AxisId, Extent as Length};
use rnn_ir::op::Position;

/// Most steps between an equation and what it reads.
const MAX_LAG: u32 = 64;

/// A step of an axis, before boundaries are looked up.
#[derive(Clone, Copy, Debug)]
enum Step {
    By(i32),
    At(Position, i32),
    Outside(Outside),
}

/// A step counted from an end: `First(0)` is `1`, `Last(0)` is `T`.
#[derive(Clone, Copy)]
enum End {
    First(i64),
    Last(i64),
}

impl<'a> Elaborator<'a, '_> {
    /// Reports an axis that the equation does not have.
    pub(super) fn require_axis(
        &mut self,
        extent: Extent,
        axis: AxisId,
        shown: &str,
        place: &mut Place<'_>,
    ) -> Option<()> {
        if place.bound.contains(&axis) || place.context.axes.iter().any(|along| along.axis == axis)
        {
            return Some(());
        }
        if place.missing.contains(&axis) {
            return None;
        }
        place.missing.push(axis);
        let left = place.left;
        // No name of a model is `loss`, so this is what the statement is called.
        let error = if left == "loss" {
            Diagnostic::new(
                extent,
                format!("a loss is one number per example, and this one varies over `{shown}`"),
            )
            .help(format!(
                "reduce it: `mean[{shown}](..)` or `sum[{shown}](..)`"
            ))
        } else {
            Diagnostic::new(
                extent,
                format!("the right side varies over `{shown}`, and `{left}` does not"),
            )
            .help(format!("reduce it with `sum[{shown}](..)`, read one step such as `[T]`, or put `{shown}` on the left"))
        };
        self.report(error);
        None
    }

    /// A value at the steps that its indices name; what is left over picks rows.
    pub(super) fn value(
        &mut self,
        expr: &'a Expr,
        value: ValueId,
        indices: &'a [Expr],
        place: &mut Place<'_>,
    ) -> Option<TermKind<'a>> {
        let Value {
            name,
            extent: defined,
            indices: declared,
            ..
        } = &self.system.values[value];
        let (name, defined, declared) = (name.clone(), *defined, declared.clone());
        if indices.iter().any(Expr::has_error) {
            return None;
        }
        if indices.len() < declared.len() {
            let text = self.system.values[value].index_text();
            self.report(
                Diagnostic::new(
                    expr.extent,
                    format!("`{name}` is indexed by `{text}`, found `{expr}`"),
                )
                .label(defined, "its definition")
                .help(format!("write `{name}{text}`")),
            );
            return None;
        }
        let mut key = Vec::new();
        let mut steps: Vec<(AxisId, Step)> = Vec::new();
        for (index, axis) in indices.iter().zip(&declared) {
            match axis.kind {
                IndexKind::Static(_) => {
                    match self.counted(place.context.scope, index, &place.statics) {
                        Some(Linear { base: None, offset }) => key.push(offset),
                        _ => {
                            let error = Diagnostic::new(
                                index.extent,
                                format!(
                                    "`{name}` needs a member of the family `{}`, found `{index}`",
                                    axis.name
                                ),
                            );
                            self.report(error.help(format!(
                            "write a number, or `{0}` or `{0}-1` where `{0}` is on the left or reduced over",
                            axis.name
                        )));
                            return None;
                        }
                    }
                }
                IndexKind::Time(run) => steps.extend(self.step(
                    (&name, declared.len()),
                    index,
                    &axis.name,
                    run,
                    place,
                )?),
            }
        }
        let rest = &indices[declared.len()..];
        let Some(def) = self.system.values[value].instances.get(&key).copied() else {
            self.check_member(value, indices, &key, place)?;
            let any = self.system.values[value]
                .instances
                .values()
                .next()
                .copied()?;
            return self.gathers(
                Term {
                    kind: TermKind::Zero(any),
                    extent: expr.extent,
                    source: Some(expr),
                },
                rest,
                place,
            );
        };
        if let Some(index) = rest.first() {
            self.check_row(expr, &name, def, index, place)?;
        }
        self.check_corner(expr, def, &steps)?;
        let kind = self.read(def, &steps);
        if let (ExprKind::Index(base, _), true) = (&expr.kind, declared.is_empty()) {
            let table = Term {
                kind,
                extent: base.extent,
                source: Some(base),
            };
            return self.gathers(table, rest, place);
        }
        self.gathers(
            Term {
                kind,
                extent: expr.extent,
                source: Some(expr),
            },
            rest,
            place,
        )
    }

    /// A member that a family does not have: none of a parameter, and of an equation none that is named by its number. What an
    /// equation reads beside its own member, as `h[l-1, t]` does of the first, is a boundary. What a branch reads that the member does
    /// not have is not looked at.
    fn check_member(
        &mut self,
        value: ValueId,
        indices: &[Expr],
        key: &[i64],
        place: &Place<'_>,
    ) -> Option<()> {
        if place.is_idle {
            return Some(());
        }
        let Value {
            name,
            indices: declared,
            instances,
            ..
        } = &self.system.values[value];
        let any = instances.values().next().copied();
        let is_param =
            any.is_some_and(|any| matches!(self.system.defs[any].kind, DefKind::Param { .. }));
        let families = indices.iter().zip(declared).filter_map(|(index, axis)| {
            let IndexKind::Static(end) = axis.kind else {
                return None;
            };
            Some((index, &axis.name, end))
        });
        let wrong = families
            .zip(key)
            .find(|((index, _, end), member)| {
                let base = linear(index, &[]).and_then(|index| index.base);
                let is_beside =
                    base.is_some_and(|base| place.statics.iter().any(|(known, _)| base == known));
                !(1..=*end).contains(*member) && (is_param || !is_beside)
            })
            .map(|((index, family, end), outside)| (index, family, end, *outside));
        let Some((index, family, end, outside)) = wrong else {
            return Some(());
        };
        let (index, text) = (index.extent, index.to_string());
        let shown = if text == outside.to_string() {
            format!("`{text}`")
        } else {
            format!("`{text}`, which is {outside} here,")
        };
        let member: Vec<String> = key.iter().map(ToString::to_string).collect();
        let error = Diagnostic::new(
            index,
            format!("{shown} is no member of `{name}`: `{family}` runs from 1 to {end}"),
        );
        let help = if is_param {
            format!(
                "there are `{name}_1` to `{name}_{end}`; `where({family} == 1, a, b)` is decided for each member"
            )
        } else {
            format!(
                "read one of them, or give this one by an equation: `{name}[{}, ..] = ..;`",
                member.join(", ")
            )
        };
        self.report(error.help(help));
        None
    }

    /// An index too many that is no row.
    fn check_row(
        &mut self,
        expr: &Expr,
        name: &str,
        def: DefId,
        index: &Expr,
        place: &Place<'_>,
    ) -> Option<()> {
        let scope = place.context.scope;
        let base = linear(index, &[]).and_then(|index| index.base);
        let base = base.map(Ident::to_string).unwrap_or_default();
        let meaning = self.system.scopes[scope].lookup(&base);
        let is_family = matches!(meaning, Some(Entity::Static(_)));
        let is_axis = is_family || matches!(meaning, Some(Entity::Time(_) | Entity::Length(_)));
        let is_number = linear(index, &place.statics).is_some_and(|index| index.base.is_none());
        let is_param = matches!(self.system.defs[def].kind, DefKind::Param { .. });
        if !is_axis && (!is_number || is_param) {
            return Some(());
        }
        let what = if self.system.defs[def].axes.is_empty() {
            "has no index"
        } else {
            "has fewer indices"
        };
        let text = self.system.defs[def].text.clone();
        let extent = self.system.defs[def].extent;
        self.report(
            Diagnostic::new(index.extent, format!("`{name}` {what}, found `{expr}`"))
                .label(extent, "its definition")
                .help(if is_param && is_family {
                    format!("write `{text}`, or declare one for each member: `{name}[{base}]: ..`")
                } else if is_axis {
                    format!("write `{text}`; rows are picked by tokens, as in `embed[now[t]]`")
                } else {
                    format!(
                        "write `{text}`; its element {index}, counted from 0, is `{text}[{index}]`, and one that a token picks is `u[t, tag[t]]`"
                    )
                }),
        );
        None
    }

    /// One index over time, of a value with `among` indices. Nothing is read where the cell has no axis.
    fn step(
        &mut self,
        (name, among): (&str, usize),
        index: &Expr,
        axis_name: &str,
        run: Run,
        place: &mut Place<'_>,
    ) -> Option<Option<(AxisId, Step)>> {
        let scope = place.context.scope;
        let written = linear(index, &place.statics);
        let base = written.and_then(|index| index.base).map(|base| {
            (
                base,
                self.system.scopes[scope].lookup(&base.to_string()).cloned(),
            )
        });
        let offset = written.map_or(0, |index| index.offset);
        let Run::Along(along) = run else {
            return if offset == 0 && matches!(base, Some((_, Some(Entity::Time(_))))) {
                Some(None)
            } else {
                let item = self.system.scopes[scope].item.name.to_string();
                let error = Diagnostic::new(
                    index.extent,
                    format!(
                        "the cell `{item}` looks along time, and the equation that applies it has no time axis"
                    ),
                );
                self.report(error.help("apply it in an equation over `t`"));
                None
            };
        };
        let reversed = self.system.scopes[scope].is_reversed(along.axis);
        let shown = self.system.scopes[scope]
            .index_of(along.axis)
            .unwrap_or(axis_name)
            .to_owned();
        let place_of = match (written, base) {
            (Some(_), Some((_, Some(Entity::Broken)))) => return None,
            (Some(_), Some((ident, Some(Entity::Time(Run::Along(found)))))) => {
                if found.axis != along.axis {
                    let error = Diagnostic::new(
                        ident,
                        format!("`{name}` varies over `{shown}`, not over `{ident}`"),
                    );
                    self.report(error.help(if among > 1 {
                        format!("its indices stand in the order of its equation: write `{shown}` here")
                    } else {
                        format!("write `{shown}`: two axes have no common steps; where their numbers are equal, they meet in `sum[{shown}](where({shown} == {ident}, .., 0))`")
                    }));
                    return None;
                }
                self.require_axis(index.extent, along.axis, &shown, place)?;
                let by = if found.reversed {
                    offset.checked_neg()?
                } else {
                    offset
                };
                match i32::try_from(by) {
                    Ok(by) if by.unsigned_abs() <= MAX_LAG => {
                        return Some(Some((along.axis, Step::By(by))));
                    }
                    _ => {
                        let error = Diagnostic::new(
                            index.extent,
                            format!("`{index}` is more than {MAX_LAG} steps away"),
                        );
                        self.report(error.help("each step back is carried as a state of its own"));
                        return None;
                    }
                }
            }
            (Some(_), Some((ident, Some(Entity::Length(Run::Along(found)))))) => {
                if found.axis != along.axis {
                    let own = match &self.system.axis(along.axis).length {
                        Length::Length(own) => own.clone(),
                        Length::Fixed(steps) => steps.to_string(),
                    };
                    let error = Diagnostic::new(
                        ident,
                        format!(
                            "`{name}` varies over `{shown}`, whose end is `{own}`, not `{ident}`"
                        ),
                    );
                    self.report(error.help(format!("write `{own}` for the last step")));
                    return None;
                }
                End::Last(offset)
            }
            (Some(Linear { base: None, offset }), None) => {
                match self.system.axis(along.axis).length {
                    Length::Fixed(steps) if offset >= i64::from(steps) => {
                        End::Last(offset - i64::from(steps))
                    }
                    _ => End::First(offset.checked_sub(1)?),
                }
            }
            _ => {
                let error = Diagnostic::new(
                    index.extent,
                    format!("`{index}` is no step of the axis `{shown}`"),
                );
                self.report(error.help(format!(
                    "an index is `{shown}`, `{shown}-1`, a number or an end of the axis"
                )));
                return None;
            }
        };
        let place_of = if reversed {
            place_of.mirrored()
        } else {
            place_of
        };
        let step = match place_of {
            End::First(0) => Step::At(Position::First, 0),
            End::First(offset) if offset > 0 => match u32::try_from(offset + 1) {
                Ok(step) => Step::At(Position::Step(step), 0),
                Err(_) => Step::Outside(Outside::After(u32::MAX)),
            },
            End::First(offset) => Step::Outside(Outside::Before(
                u32::try_from(-1 - offset).unwrap_or(u32::MAX),
            )),
            End::Last(offset) if offset > 0 => Step::Outside(Outside::After(
                u32::try_from(offset - 1).unwrap_or(u32::MAX),
            )),
            End::Last(offset) => match i32::try_from(offset) {
                Ok(by) if by.unsigned_abs() <= MAX_LAG => Step::At(Position::Last, by),
                _ => {
                    let error = Diagnostic::new(
                        index.extent,
                        format!("`{index}` is more than {MAX_LAG} steps from the end"),
                    );
                    self.report(error.help("each step back is carried as a state of its own"));
                    return None;
                }
            },
        };
        Some(Some((along.axis, step)))
    }

    /// A step outside two axes.
    fn check_corner(&mut self, expr: &Expr, def: DefId, steps: &[(AxisId, Step)]) -> Option<()> {
        let outside = steps.iter().filter_map(|(axis, step)| match step {
            Step::Outside(place) => Some((*axis, *place)),
            Step::By(_) | Step::At(..) => None,
        });
        let outside: Vec<(AxisId, Outside)> = outside.collect();
        for (at, one) in outside.iter().enumerate() {
            let mut others = outside[at + 1..].iter();
            let open = others.find_map(|other| self.system.open_corner(def, [*one, *other]));
            if let Some(open) = open {
                let error = no_corner(&self.system, expr.extent, &expr.to_string(), &open);
                self.report(error);
                return None;
            }
        }
        Some(())
    }

    /// Reads a definition at these steps. A step outside an axis is the boundary there, or zero.
    fn read(&self, def: DefId, steps: &[(AxisId, Step)]) -> TermKind<'a> {
        let outside = steps.iter().find_map(|(axis, step)| match step {
            Step::Outside(place) => Some((*axis, *place)),
            _ => None,
        });
        if let Some((axis, place)) = outside {
            return match self.system.boundary(def, axis, place) {
                Some(boundary) => {
                    let rest: Vec<(AxisId, Step)> = steps
                        .iter()
                        .filter(|(other, _)| *other != axis)
                        .cloned()
                        .collect();
                    self.read(boundary, &rest)
                }
                None => TermKind::Zero(def),
            };
        }
        let offsets = steps.iter().map(|(axis, step)| {
            let offset = match *step {
                Step::By(by) => Offset::By(by),
                Step::At(position, by) => Offset::At { position, by },
                Step::Outside(_) => unreachable!("steps outside were taken away above"),
            };
            (*axis, offset)
        });
        TermKind::Read(Read {
            def,
            offsets: offsets.collect(),
        })
    }
}

impl End {
    /// The same step counted against time.
    fn mirrored(self) -> Self {
        match self {
            Self::First(offset) => Self::Last(offset.saturating_neg()),
            Self::Last(offset) => Self::First(offset.saturating_neg()),
        }
    }
}
