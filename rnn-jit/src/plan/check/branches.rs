//! Branches of a fork in the replay: what one writes, no other touches.
//!
//! **Invariant:** a branch is compared with every other, by values and by cells of the arena.

use super::{PlanViolation, Replay};
use crate::plan::ALIGNMENT;
use crate::storage::SlotId;
use rnn_ir::node::NodeId;
use rnn_ir::schedule::Item;
use std::collections::{BTreeMap, BTreeSet};

/// What a branch of a fork reads and writes.
#[derive(Default)]
pub(super) struct Touched {
    /// Each value with its reader.
    pub(super) reads: Vec<(NodeId, NodeId)>,
    pub(super) writes: Vec<NodeId>,
    /// The slots as which each cell of the arena is read or written.
    cells: BTreeMap<usize, BTreeSet<SlotId>>,
    /// The slots as which each cell is written.
    written: BTreeMap<usize, BTreeSet<SlotId>>,
}

impl Replay<'_> {
    pub(super) fn fork(&mut self, branches: &[Vec<Item>]) -> Result<(), PlanViolation> {
        let tiles: BTreeSet<SlotId> = self.storage.scratch.iter().copied().collect();
        if tiles.len() < branches.len() {
            return Err(PlanViolation::Tiles {
                branches: branches.len(),
                tiles: tiles.len(),
            });
        }
        let mut all = Vec::new();
        for body in branches {
            self.touched = Some(Touched::default());
            self.items(body)?;
            all.extend(self.touched.take());
        }
        for (at, own) in all.iter().enumerate() {
            for (_, theirs) in all.iter().enumerate().filter(|(other, _)| *other != at) {
                self.apart(own, theirs)?;
            }
        }
        Ok(())
    }

    // Nobody else touches what a branch writes. Values that share a slot have features of their own in it, which
    // `values_fit` has seen to.
    fn apart(&self, own: &Touched, theirs: &Touched) -> Result<(), PlanViolation> {
        for value in &own.writes {
            if let Some((reader, _)) = theirs.reads.iter().find(|(_, read)| read == value) {
                return Err(PlanViolation::Beside {
                    reader: *reader,
                    value: *value,
                });
            }
        }
        for (cell, slots) in &own.written {
            for other in theirs.cells.get(cell).into_iter().flatten() {
                if let Some(written) = slots.iter().find(|slot| *slot != other) {
                    return Err(PlanViolation::Raced {
                        written: *written,
                        other: *other,
                        at: cell * ALIGNMENT,
                    });
                }
            }
        }
        Ok(())
    }

    // Notes that the branch that is replayed touches a slot.
    pub(super) fn touch(&mut self, slot: SlotId, writes: bool) {
        let cells = self.cells(slot).unwrap_or_default();
        let Some(touched) = &mut self.touched else {
            return;
        };
        for cell in cells {
            touched.cells.entry(cell).or_default().insert(slot);
            if writes {
                touched.written.entry(cell).or_default().insert(slot);
            }
        }
    }
}
