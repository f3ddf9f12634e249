//! Remarks: models that are right, and rarely what was meant.
//!
//! **Invariant:** a remark is about an equation of the item itself, so a cell has its remarks where it is written and nowhere else.

use rnn_ir::random::draw::Per;

use super::causality::Order;
use super::function::Function;
use super::system::{DefId, DefKind, System};
use super::term::{Offset, Read, Term, TermKind};
use crate::ast::Item;
use crate::diagnostics::{Diagnostic, Diagnostics};

/// Dropout that forgets: another part of a recurrent state at every step. What is left of a state after `n` steps is then a share of
/// `(1 - p)^n` of it (Gal & Ghahramani 2016; Semeniuta, Severyn & Barth 2016). What is fed back beside another state that comes in whole
/// is an input more than a memory, as a context is that attention found (Luong, Pham & Manning 2015): of that there is no remark.
pub(super) fn remark_on_dropout(
    system: &System<'_>,
    order: &Order,
    item: &Item,
    diagnostics: &mut Diagnostics,
) {
    for (id, def) in system.defs.iter() {
        let DefKind::Equation {
            term: Some(term), ..
        } = &def.kind
        else {
            continue;
        };
        if !def.name.contains('.') {
            look(system, order, id, (term, term), item, diagnostics);
        }
    }
}

fn look(
    system: &System<'_>,
    order: &Order,
    id: DefId,
    (term, equation): (&Term<'_>, &Term<'_>),
    item: &Item,
    diagnostics: &mut Diagnostics,
) {
    if let Some(dropped) = dropped(term) {
        let whole = std::ptr::eq(term, equation);
        let state = states(dropped).find(|read| {
            order.leads(read.def, id)
                && !has_another(equation, &|def| order.leads(def, id), read.def)
        });
        let name = match state {
            Some(read) => Some(&system.defs[read.def].text),
            None if whole && order.carries(id) => Some(&system.defs[id].text),
            None => None,
        };
        if let Some(name) = name {
            let remark = Diagnostic::new(
                term.extent,
                format!(
                    "{} drops another part of the state `{name}` at every step, which forgets it",
                    term.text()
                ),
            );
            let remark = remark
                .help("`dropout(.., per = sequence)` drops the same units at all steps, `zoneout(new, old, p)` keeps old values, and `dropout(U, p)` drops weights")
                .help("`#[allow(deprecated)]` in front of the item takes the warning away");
            diagnostics.remark(remark, item);
        }
    }
    for child in term.children() {
        look(system, order, id, (child, equation), item, diagnostics);
    }
}

/// What a term drops anew at each step.
fn dropped<'t, 'a>(term: &'t Term<'a>) -> Option<&'t Term<'a>> {
    match &term.kind {
        TermKind::Call {
            function: Function::Dropout(Per::Step),
            operands,
            ..
        } => match operands.as_slice() {
            [dropped, p] if p.number() != Some(0.0) => Some(dropped),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a term reads a state other than `this` that it does not drop.
fn has_another(term: &Term<'_>, is_state: &dyn Fn(DefId) -> bool, this: DefId) -> bool {
    if dropped(term).is_some() {
        return false;
    }
    if let TermKind::Read(read) = &term.kind
        && read.def != this
        && is_of_other_steps(read)
        && is_state(read.def)
    {
        return true;
    }
    term.children()
        .into_iter()
        .any(|child| has_another(child, is_state, this))
}

/// What of other steps is in a value as it is: `h[t-1]`, or a part of `[x[t], h[t-1]]`.
fn states<'t>(term: &'t Term<'_>) -> impl Iterator<Item = &'t Read> {
    let parts: Vec<&Term<'_>> = match &term.kind {
        TermKind::Concat(parts) => parts.iter().collect(),
        _ => vec![term],
    };
    parts.into_iter().filter_map(|part| match &part.kind {
        TermKind::Read(read) => is_of_other_steps(read).then_some(read),
        _ => None,
    })
}

fn is_of_other_steps(read: &Read) -> bool {
    let other = |(_, offset): &(_, Offset)| matches!(offset, Offset::By(by) if *by != 0);
    read.offsets.iter().any(other)
}
