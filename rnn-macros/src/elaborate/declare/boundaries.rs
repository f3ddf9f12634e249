//! Equations that give values outside axes: `h[0] = ..`, `b[T+1] = ..`, `h[0, t] = ..`, and at corners `g[0, 0] = ..`.
//!
//! **Invariant:** a boundary hangs on the definition it belongs to, in true time whatever the direction of its cell. A corner hangs
//! on all boundaries that meet there, so that it is found in whichever order axes are left; one that is not given is zero.

use super::{keys, member_name};
use crate::ast::{Equation, Expr};
use crate::diagnostics::{Diagnostic, Reported};
use crate::elaborate::Elaborator;
use crate::elaborate::index::{Linear, linear};
use crate::elaborate::scope::{Along, Entity, IndexKind, Run, ScopeId, ValueId};
use crate::elaborate::system::{Boundary, Context, Def, DefId, DefKind, Outside, Right};
use rnn_ir::axis::{AxisId, Extent as Length};

enum LeftIndex {
    Whole(Option<Along>),
    Outside(AxisId, Outside),
}

impl<'a> Elaborator<'a, '_> {
    /// `h[0] = ..`, `b[T+1] = ..`, `h[0, t] = ..`. `leading` are the static indices of layers on the way to the value.
    pub(in crate::elaborate) fn declare_partial(
        &mut self,
        scope: ScopeId,
        value: ValueId,
        equation: &'a Equation,
        leading: &[i64],
    ) {
        let left = &equation.left;
        let (declared, name) = (
            self.system.values[value].indices.clone(),
            self.system.values[value].name.clone(),
        );
        let written = &left.indices[leading.len().min(left.indices.len())..];
        if written.len() != declared.len() {
            let first = self.system.values[value].extent;
            let indices: Vec<&str> = declared.iter().map(|index| index.name.as_str()).collect();
            self.report(
                Diagnostic::new(
                    left.extent,
                    format!(
                        "`{name}` is indexed by `[{}]`, found `{left}`",
                        indices.join(", ")
                    ),
                )
                .label(first, "its definition")
                .help("write one index for each of them, as on the left of its equation"),
            );
            return;
        }
        let mut statics: Vec<(String, i64)> = Vec::new();
        let mut fixed: Vec<Option<i64>> = Vec::new();
        let mut axes = Vec::new();
        let mut outside: Vec<(AxisId, Outside)> = Vec::new();
        for (index, axis) in written.iter().zip(&declared) {
            match axis.kind {
                IndexKind::Static(end) => match self.counted(scope, index, &[]) {
                    Some(Linear { base: None, offset }) => fixed.push(Some(offset)),
                    Some(Linear {
                        base: Some(base),
                        offset: 0,
                    }) if *base == axis.name => {
                        statics.push((axis.name.clone(), end));
                        fixed.push(None);
                    }
                    _ => {
                        let error = Diagnostic::new(
                            index.extent,
                            format!("expected `{}` or a number, found `{index}`", axis.name),
                        );
                        self.report(error);
                        return;
                    }
                },
                IndexKind::Time(run) => match self.left_index(scope, index, run) {
                    Ok(LeftIndex::Whole(along)) => axes.extend(along),
                    Ok(LeftIndex::Outside(at, place)) => outside.push((at, place)),
                    Err(Reported { .. }) => return,
                },
            }
        }
        for key in keys(&statics) {
            let mut free = key.iter().copied();
            let members: Vec<i64> = fixed
                .iter()
                .map(|member| member.or_else(|| free.next()).unwrap_or_default())
                .collect();
            let context = Context {
                scope,
                statics: statics
                    .iter()
                    .map(|(name, _)| name.clone())
                    .zip(key.iter().copied())
                    .collect(),
                axes: axes.clone(),
            };
            self.declare_outside(value, members, &outside, equation, context);
        }
    }

    fn declare_outside(
        &mut self,
        value: ValueId,
        members: Vec<i64>,
        outside: &[(AxisId, Outside)],
        equation: &'a Equation,
        context: Context,
    ) {
        let left = &equation.left;
        let prefix = self.system.scopes[context.scope].prefix.clone();
        let existing = self.system.values[value].instances.get(&members).copied();
        let declared = equation
            .shape
            .as_ref()
            .and_then(|shape| Some((self.shape(context.scope, shape)?, shape.extent)));
        let suffix: String = context
            .statics
            .iter()
            .map(|(_, member)| format!("_{member}"))
            .collect();
        let mut def = Def {
            name: format!("{prefix}{left}{suffix}"),
            text: format!("{prefix}{left}"),
            axes: context.axes.iter().map(|along| along.axis).collect(),
            kind: DefKind::Equation {
                right: Right::Written {
                    expr: &equation.right,
                    context,
                },
                term: None,
            },
            extent: left.extent,
            declared,
            vocabulary: None,
            boundaries: Vec::new(),
            of: None,
        };
        match (outside, existing) {
            ([_, ..], Some(of)) => {
                def.of = Some(of);
                match self.system.at_corner(of, outside) {
                    None => {
                        let Ok(def) = self.add(def) else { return };
                        self.hang(of, outside, def);
                        self.boundaries.push((def, left.extent));
                    }
                    // What a corner was given beside: now it is given itself.
                    Some(implied) if self.system.is_implied(implied) => {
                        let known = &mut self.system.defs[implied];
                        (known.kind, known.text, known.extent) = (def.kind, def.text, def.extent);
                        self.boundaries.push((implied, left.extent));
                    }
                    Some(first) => {
                        let first = self.system.defs[first].extent;
                        self.report(
                            Diagnostic::new(left.extent, format!("two definitions of `{left}`"))
                                .label(first, "first definition"),
                        );
                    }
                }
            }
            ([_, ..], None) => {
                self.report(Diagnostic::new(
                    left.extent,
                    format!("`{left}` is outside a member that no equation defines"),
                ));
            }
            ([], Some(first)) => {
                let first = self.system.defs[first].extent;
                self.report(
                    Diagnostic::new(left.extent, format!("two definitions of `{left}`"))
                        .label(first, "first definition covers the whole axis")
                        .help("choose by step with `where(t == 1, a, b)`, or give a value outside the axis, as in `h[0] = ..;`"),
                );
            }
            ([], None) => {
                // A member outside the family: `h[0, t] = x[t]` of `index l in 1..=3`.
                let name = self.system.values[value].name.clone();
                def.name = format!("{prefix}{}", member_name(&name, &members));
                let Ok(def) = self.add(def) else { return };
                self.system.values[value].instances.insert(members, def);
                self.boundaries.push((def, left.extent));
            }
        }
    }

    /// Hangs a value outside some axes on all that meets there: what is outside all of these axes but one.
    fn hang(&mut self, of: DefId, outside: &[(AxisId, Outside)], def: DefId) {
        for (at, (axis, place)) in outside.iter().copied().enumerate() {
            let mut rest = outside.to_vec();
            rest.remove(at);
            let on = match (rest.as_slice(), self.system.at_corner(of, &rest)) {
                ([], _) => of,
                (_, Some(on)) => on,
                (_, None) => {
                    let Ok(on) = self.add(self.implied(of, &rest)) else {
                        return;
                    };
                    self.hang(of, &rest, on);
                    on
                }
            };
            let boundary = Boundary { axis, place, def };
            self.system.defs[on].boundaries.push(boundary);
        }
    }

    /// Zero outside some axes.
    fn implied(&self, of: DefId, outside: &[(AxisId, Outside)]) -> Def<'a> {
        let inside = &self.system.defs[of];
        let left = |axis: &AxisId| outside.iter().all(|(left, _)| left != axis);
        Def {
            name: self.system.corner_text(&inside.name, of, outside),
            text: self.system.corner_text(&inside.text, of, outside),
            axes: inside.axes.iter().copied().filter(left).collect(),
            kind: DefKind::Equation {
                right: Right::Zero,
                term: None,
            },
            extent: inside.extent,
            declared: None,
            vocabulary: None,
            boundaries: Vec::new(),
            of: Some(of),
        }
    }

    /// One index on the left of a boundary.
    fn left_index(
        &mut self,
        scope: ScopeId,
        index: &Expr,
        run: Run,
    ) -> Result<LeftIndex, Reported> {
        let Run::Along(along) = run else {
            let error = Diagnostic::new(index.extent, "a boundary needs a time axis");
            return Err(self.report(
                error.help("the equation that applies the cell has none: apply it in one over `t`"),
            ));
        };
        let reversed = self.system.scopes[scope].is_reversed(along.axis);
        let shown = self.system.axis(along.axis).name.clone();
        let place = match linear(index, &[]) {
            Some(Linear {
                base: Some(base),
                offset,
            }) => match self.system.scopes[scope].lookup(&base.to_string()) {
                Some(Entity::Time(Run::Along(found)))
                    if found.axis == along.axis && offset == 0 =>
                {
                    return Ok(LeftIndex::Whole(Some(*found)));
                }
                Some(Entity::Length(Run::Along(found)))
                    if found.axis == along.axis && offset > 0 =>
                {
                    Some(Outside::After(saturate(offset - 1)))
                }
                _ => None,
            },
            Some(Linear { base: None, offset }) if offset <= 0 => {
                Some(Outside::Before(saturate(-offset)))
            }
            Some(Linear { base: None, offset }) => match self.system.axis(along.axis).length {
                Length::Fixed(steps) if offset > i64::from(steps) => {
                    Some(Outside::After(saturate(offset - i64::from(steps) - 1)))
                }
                _ => None,
            },
            None => None,
        };
        match place {
            Some(Outside::Before(by)) if reversed => {
                Ok(LeftIndex::Outside(along.axis, Outside::After(by)))
            }
            Some(Outside::After(by)) if reversed => {
                Ok(LeftIndex::Outside(along.axis, Outside::Before(by)))
            }
            Some(place) => Ok(LeftIndex::Outside(along.axis, place)),
            None => {
                let error = Diagnostic::new(
                    index.extent,
                    format!("`{index}` is no step outside the axis `{shown}`"),
                );
                Err(self.report(error.help(
                    "values are given outside the axis, `h[0]` or `h[T+1]`; choose inside it with `where(t == 1, a, b)`",
                )))
            }
        }
    }
}

fn saturate(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
