//! Drafts: the types of values that are read before they are defined.
//!
//! **Invariant:** a declared shape is never changed; a domain only grows; a type that was assumed is kept only if a draft gives
//! it back.

use super::{Evaluator, Known};
use crate::elaborate::causality::Order;
use crate::elaborate::declare::domain;
use crate::elaborate::system::{Def, DefId, DefKind, System};
use rnn_ir::axis::Domain;
use rnn_ir::id::Id;
use rnn_ir::node::{DType, Shape, Type};

/// Most drafts. Each settles the types that follow from those before it, which takes two or three in any model that is
/// written by hand; what is not settled then must be declared.
const MAX_ROUNDS: usize = 64;

/// The types of all definitions, as far as they follow from those that are declared.
///
/// A recurrence that no operand gives a shape, `s[t] = s[t-1] + 1`, has the least one that its equations allow.
pub(in crate::elaborate) fn infer(system: &System<'_>, order: &Order) -> Vec<Option<Known>> {
    let mut known: Vec<Option<Known>> = system.defs.iter().map(|(_, def)| declared(def)).collect();
    for _ in 0..MAX_ROUNDS {
        if !draft(system, order, &mut known, &[]) {
            break;
        }
    }
    let mut assumed: Vec<DefId> = system
        .defs
        .ids()
        .filter(|id| known[id.index()].is_none() && !order.broken.contains(id))
        .collect();
    for id in &assumed {
        known[id.index()] = Some(least(&system.defs[*id], &known));
    }
    // A shape grows by passing from one assumed value to the next.
    for _ in 0..(assumed.len() + 2).min(MAX_ROUNDS) {
        if assumed.is_empty() || !draft(system, order, &mut known, &assumed) {
            return known;
        }
        assumed.retain(|id| known[id.index()].is_some());
    }
    for id in assumed {
        known[id.index()] = None;
    }
    known
}

/// The least type of a recurrence: that of what it starts from, or a scalar.
fn least(def: &Def<'_>, known: &[Option<Known>]) -> Known {
    let first = def.boundaries.iter().find_map(|boundary| {
        known[boundary.def.index()]
            .clone()
            .filter(|first| !first.ty.shape.is_scalar() || first.ty.dtype == DType::Index)
    });
    let (shape, dtype, vocabulary) = match first {
        Some(Known { ty, vocabulary }) => (ty.shape, ty.dtype, vocabulary),
        None => (Shape::scalar(), DType::Real, None),
    };
    let domain = domain(&def.axes);
    Known {
        ty: Type {
            domain,
            shape,
            dtype,
        },
        vocabulary,
    }
}

/// Adds what follows from the types that are known, and replaces those of `assumed` by what comes out of them, or by
/// nothing where nothing does. Returns whether anything changed.
fn draft(
    system: &System<'_>,
    order: &Order,
    known: &mut Vec<Option<Known>>,
    assumed: &[DefId],
) -> bool {
    let mut evaluator = Evaluator::new(system, known, "draft", true);
    evaluator.run(order);
    let mut changed = false;
    let mut next = known.clone();
    for (id, slot) in system.defs.ids().zip(&mut next) {
        let is_assumed = assumed.contains(&id);
        let Some(item) = &evaluator.values[id.index()] else {
            changed |= is_assumed && slot.is_some();
            if is_assumed {
                *slot = None;
            }
            continue;
        };
        let mut ty = evaluator.builder.ty(item.node).clone();
        ty.domain = ty.domain.union(domain(&system.defs[id].axes));
        let found = Known {
            ty,
            vocabulary: item.vocabulary.clone(),
        };
        match slot {
            // What was given up is not taken up again, so rounds end.
            None if is_assumed => {}
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
                let same =
                    (&settled.ty.shape, settled.ty.dtype) == (&found.ty.shape, found.ty.dtype);
                if is_assumed && !same {
                    (settled.ty.shape, settled.ty.dtype) = (found.ty.shape, found.ty.dtype);
                    changed = true;
                }
            }
        }
    }
    *known = next;
    changed
}

/// What a declaration says about a type by itself.
pub(super) fn declared(def: &Def<'_>) -> Option<Known> {
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
