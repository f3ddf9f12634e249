//! Values at other steps: shifts by one step each, ends of axes, boundaries.
//!
//! **Invariant:** there is one shift per value, axis and distance, however often it is read.

use super::{Evaluated, Evaluator, Item, Shifts};
use crate::elaborate::system::{DefId, Outside};
use crate::elaborate::term::{Offset, Read, Term};
use rnn_ir::axis::AxisId;
use rnn_ir::id::Id;
use rnn_ir::node::NodeId;
use rnn_ir::op::Position;

impl<'s, 'a> Evaluator<'s, 'a> {
    /// The value of a definition at some step.
    pub(super) fn read(&mut self, read: &Read, term: &Term<'a>) -> Evaluated {
        let node = self.read_node(read.def, &read.offsets, term)?;
        let vocabulary = match &self.values[read.def.index()] {
            Some(item) => item.vocabulary.clone(),
            None => self.known[read.def.index()]
                .as_ref()
                .and_then(|known| known.vocabulary.clone()),
        };
        Some(Item { node, vocabulary })
    }

    fn read_node(
        &mut self,
        def: DefId,
        offsets: &[(AxisId, Offset)],
        term: &Term<'a>,
    ) -> Option<NodeId> {
        let shifts: Shifts = offsets
            .iter()
            .map(|(axis, offset)| match offset {
                Offset::By(by) | Offset::At { by, .. } => (*axis, *by),
            })
            .collect();
        let mut node = self.shifted(def, &shifts, term)?;
        for (at, (axis, offset)) in offsets.iter().enumerate() {
            let Offset::At { position, by } = *offset else {
                continue;
            };
            let place = match position {
                Position::First => Some(Outside::After(0)),
                Position::Last => Some(Outside::Before(by.unsigned_abs())),
                Position::Step(_) => None,
            };
            let boundary = place.and_then(|place| self.system.boundary(def, *axis, place));
            let boundary = match boundary {
                None => None,
                Some(boundary) => {
                    // The other axes stand where they stand for the value itself: those before are taken already.
                    let rest = offsets
                        .iter()
                        .enumerate()
                        .filter(|(other, _)| *other != at)
                        .map(|(other, (axis, offset))| {
                            let offset = match *offset {
                                Offset::At { by, .. } if other > at => Offset::By(by),
                                offset => offset,
                            };
                            (*axis, offset)
                        });
                    Some(self.read_node(boundary, &rest.collect::<Vec<_>>(), term)?)
                }
            };
            let built = self.builder.at(node, *axis, position, boundary);
            node = self.built(term, &[], built)?;
        }
        Some(node)
    }

    /// A definition, shifted along its axes by one step at a time, each with its boundary.
    fn shifted(&mut self, def: DefId, shifts: &[(AxisId, i32)], term: &Term<'a>) -> Option<NodeId> {
        let Some(last) = shifts.iter().rposition(|(_, by)| *by != 0) else {
            return self.values[def.index()].as_ref().map(|item| item.node);
        };
        if let Some(node) = self.shifts.get(&(def, shifts.to_vec())) {
            return Some(*node);
        }
        let (axis, by) = shifts[last];
        let sign = by.signum();
        let mut inner = shifts.to_vec();
        inner[last].1 -= sign;
        let place = if sign < 0 {
            Outside::Before(by.unsigned_abs() - 1)
        } else {
            Outside::After(by.unsigned_abs() - 1)
        };
        let boundary = match self.system.boundary(def, axis, place) {
            None => None,
            Some(boundary) => {
                let rest: Shifts = shifts
                    .iter()
                    .filter(|(other, _)| *other != axis)
                    .copied()
                    .collect();
                Some(self.shifted(boundary, &rest, term)?)
            }
        };
        let unshifted = inner.iter().all(|(_, by)| *by == 0);
        let node = if unshifted && self.values[def.index()].is_none() {
            self.open(def, axis, sign, boundary, term)?
        } else {
            let x = self.shifted(def, &inner, term)?;
            let built = self.builder.shift(x, axis, sign, boundary);
            self.built(term, &[], built)?
        };
        self.shifts.insert((def, shifts.to_vec()), node);
        Some(node)
    }

    /// Reads a value that is defined later.
    fn open(
        &mut self,
        def: DefId,
        axis: AxisId,
        by: i32,
        boundary: Option<NodeId>,
        term: &Term<'a>,
    ) -> Option<NodeId> {
        let Some(mut known) = self.known[def.index()].clone() else {
            self.untyped.insert(def);
            return None;
        };
        // A boundary is of the shape of what it is the boundary of, also where it is written as a number.
        let of = self.system.defs[def].of;
        if let Some(like) = of.and_then(|of| self.known[of.index()].as_ref()) {
            (known.ty.shape, known.ty.dtype) = (like.ty.shape.clone(), like.ty.dtype);
        }
        let built = self.builder.open_shift(&known.ty, axis, by, boundary);
        let node = self.built(term, &[], built)?;
        self.open.push((def, node, axis));
        Some(node)
    }
}
