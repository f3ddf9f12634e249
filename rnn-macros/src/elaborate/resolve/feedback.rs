//! What `feedback(target, own)` may be given: a target at an earlier step, and a value of the model that is known there.
//!
//! **Invariant:** of an accepted call, the target is read at another step of exactly one axis, and nothing that the own value
//! reads along it is nearer.

use crate::diagnostics::Diagnostic;
use crate::elaborate::Elaborator;
use crate::elaborate::system::{DefKind, Outside};
use crate::elaborate::term::{Offset, Read, Term, TermKind};
use rnn_ir::axis::AxisId;
use rnn_ir::op::Role;

/// The axis along which a value is read at another step, and how far away.
pub(in crate::elaborate) fn delay(read: &Read) -> Option<(AxisId, i32)> {
    let mut away = None;
    for (axis, offset) in &read.offsets {
        match offset {
            Offset::By(0) => {}
            Offset::By(by) if away.is_none() => away = Some((*axis, *by)),
            Offset::By(_) | Offset::At { .. } => return None,
        }
    }
    away
}

impl<'a> Elaborator<'a, '_> {
    /// Nothing if an error was reported, here or in an operand.
    pub(super) fn check_feedback(&mut self, operands: &[Term<'a>]) -> Option<()> {
        let [target, own] = operands else {
            return None;
        };
        if target.has_error() || own.has_error() {
            return None;
        }
        let text = target.text();
        let read = match &target.kind {
            TermKind::Read(read) => read,
            _ => return self.no_target(target),
        };
        let def = &self.system.defs[read.def];
        let DefKind::Input {
            role: Role::Target, ..
        } = def.kind
        else {
            return self.no_target(target);
        };
        let (name, is_token) = (def.name.clone(), def.vocabulary.is_some());
        let declared_at = def.extent;
        let Some((axis, by)) = delay(read) else {
            let axes = &self.system.defs[read.def].axes;
            let index = axes
                .first()
                .map_or("t", |axis| &self.system.axis(*axis).name);
            let help = format!(
                "what is fed back is of an earlier step of one axis: `feedback({name}[{index}-1], ..)`"
            );
            let error = Diagnostic::new(
                target.extent,
                format!("`feedback` reads {text}, which is not of an earlier step"),
            );
            self.report(error.label(declared_at, "the target").help(help));
            return None;
        };
        let index = self.system.axis(axis).name.clone();
        if is_token {
            for away in 0..by.unsigned_abs() {
                let (place, step) = match by < 0 {
                    true => (Outside::Before(away), format!("-{away}")),
                    false => (Outside::After(away), format!("T+{}", away + 1)),
                };
                if self.system.boundary(read.def, axis, place).is_some() {
                    continue;
                }
                let step = if step == "-0" { "0".to_owned() } else { step };
                let error = Diagnostic::new(
                    target.extent,
                    format!("{text} has no value at the first step: `{name}[{step}]` is not given"),
                );
                self.report(
                    error
                        .label(declared_at, "the target")
                        .help(format!("give it the start token: `{name}[{step}] = 0;`")),
                );
                return None;
            }
        }
        let Some((nearer, at)) = nearer(own, axis, by) else {
            return Some(());
        };
        let step = |by: i32| match by {
            0 => format!("`{index}`"),
            by => format!("`{index}{by:+}`"),
        };
        let error = Diagnostic::new(
            nearer.extent,
            format!(
                "the model's own value reads {} at step {}, and the target is of step {}",
                nearer.text(),
                step(at),
                step(by)
            ),
        );
        self.report(error.label(target.extent, "the target").help(format!(
            "both are of the same step: read it at {}",
            step(by)
        )));
        None
    }

    fn no_target(&mut self, found: &Term<'a>) -> Option<()> {
        let error = Diagnostic::new(
            found.extent,
            format!(
                "`feedback` takes a target and the model's own value, found {} in place of the target",
                found.text()
            ),
        );
        self.report(error.help(
            "declare `target y[t]: ..;` and write `feedback(y[t-1], own[t-1])`; a value of the model is read as it is, without `feedback`",
        ));
        None
    }
}

/// A read along the axis that is not as far away as `by`, and where it is.
fn nearer<'t, 'a>(term: &'t Term<'a>, axis: AxisId, by: i32) -> Option<(&'t Term<'a>, i32)> {
    if let TermKind::Read(read) = &term.kind {
        let at = read.offsets.iter().find_map(|(of, offset)| match offset {
            Offset::By(at) if *of == axis => Some(*at),
            _ => None,
        })?;
        let near = match by < 0 {
            true => at > by,
            false => at < by,
        };
        return near.then_some((term, at));
    }
    let mut children = term.children().into_iter();
    children.find_map(|child| nearer(child, axis, by))
}
