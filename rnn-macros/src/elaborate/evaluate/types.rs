//! Drafts: the types of values that are read before they are defined.
//!
//! **Invariant:** a declared shape is never changed; a domain only grows.

use super::{Evaluator, Known};
use crate::elaborate::causality::Order;
use crate::elaborate::declare::domain;
use crate::elaborate::system::{Def, DefKind, System};
use rnn_ir::axis::Domain;
use rnn_ir::id::Id;
use rnn_ir::node::{DType, Type};

/// Most drafts. Each settles the types that follow from those before it, which takes two or three in any model that is
/// written by hand; what is not settled then must be declared.
const MAX_ROUNDS: usize = 64;

/// The types of all definitions, as far as they follow from those that are declared.
pub(in crate::elaborate) fn infer(system: &System<'_>, order: &Order) -> Vec<Option<Known>> {
    let mut known: Vec<Option<Known>> = system.defs.iter().map(|(_, def)| declared(def)).collect();
    for _ in 0..MAX_ROUNDS {
        let mut evaluator = Evaluator::new(system, &known, "draft", true);
        evaluator.run(order);
        let mut changed = false;
        let mut next = known.clone();
        for (id, slot) in system.defs.ids().zip(&mut next) {
            let Some(item) = &evaluator.values[id.index()] else {
                continue;
            };
            let mut ty = evaluator.builder.ty(item.node).clone();
            ty.domain = ty.domain.union(domain(&system.defs[id].axes));
            let found = Known {
                ty,
                vocabulary: item.vocabulary.clone(),
            };
            match slot {
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
                }
            }
        }
        known = next;
        if !changed {
            break;
        }
    }
    known
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
