//! The memory plan: where in one arena each computed slot lies, for a batch size and axis lengths.
//!
//! A slot lives from the first item of the program that writes it to the last that reads it; one that stores a block of steps,
//! from item to item of the block. Slots are placed largest
//! first, each at the lowest offset where it overlaps no placed slot that lives at the same time (greedy by size:
//! Pisarchyk & Lee 2020).
//!
//! **Invariant:** [`check`] accepts every plan that [`Plan::new`] makes; it replays the program and shares no code with it.

mod check;
mod violation;

pub use check::check;
pub use violation::PlanViolation;

use crate::error::JitError;
use crate::storage::{Branch, ELEMENT, Owner, Site, SlotId, Storage};
use rnn_ir::axis::AxisId;
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::schedule::{Form, Item, Schedule};

/// Bytes to which slots are aligned: a cache line, and a 512-bit vector.
pub const ALIGNMENT: usize = 64;

/// When a slot is in use, in items of the program's top level and of its branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first item that writes it.
    pub first: usize,
    /// The last item that reads it.
    pub last: usize,
    /// The branch that alone uses it, and the first and last item of the branch's fork: items of other branches may run at
    /// any time between these.
    pub branch: Option<(Branch, usize, usize)>,
    /// The blocks of steps that alone use it, each its own, with the first and the last of their items that do.
    pub inside: Option<(usize, usize, usize)>,
}

impl Interval {
    fn overlaps(self, other: Self) -> bool {
        if let (Some((own, first, last)), Some((theirs, start, end))) = (self.inside, other.inside)
            && own == theirs
        {
            return first <= end && start <= last;
        }
        let (a, b) = match (self.branch, other.branch) {
            (Some((own, ..)), Some((theirs, ..))) if own == theirs => {
                ((self.first, self.last), (other.first, other.last))
            }
            _ => (self.anyhow(), other.anyhow()),
        };
        a.0 <= b.1 && b.0 <= a.1
    }

    // First and last item in whichever order branches run.
    fn anyhow(self) -> (usize, usize) {
        match self.branch {
            Some((_, first, last)) => (first, last),
            None => (self.first, self.last),
        }
    }
}

/// Where each slot of the arena lies.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Byte offset of each slot in the arena, for slots that lie in it.
    pub offsets: SideTable<SlotId, Option<usize>>,
    /// Bytes of each slot.
    pub bytes: SideTable<SlotId, usize>,
    /// Bytes of the arena.
    pub total: usize,
    /// Steps in a segment of each axis, for those that run in segments.
    pub segments: SideTable<AxisId, usize>,
}

/// How many of everything a plan is for.
#[derive(Clone, Copy)]
pub struct Extents<'a> {
    /// Examples.
    pub batch: usize,
    /// Steps of a time axis.
    pub steps: &'a dyn Fn(AxisId) -> usize,
    /// Steps in a segment of a time axis, at least one.
    pub segment: &'a dyn Fn(AxisId) -> usize,
}

impl Plan {
    /// Plans for a number of examples, of steps on each axis, and of steps in its segments.
    ///
    /// # Errors
    /// A slot, or all of them, that do not fit into the address space.
    pub fn new(
        schedule: &Schedule,
        storage: &Storage,
        intervals: &SideTable<SlotId, Option<Interval>>,
        extents: Extents<'_>,
    ) -> Result<Self, JitError> {
        let mut segments = SideTable::filled(0, schedule.graph.axes.len());
        for axis in schedule.graph.axes.ids().filter(|axis| axis.is_time()) {
            segments[axis] = (extents.segment)(axis);
        }
        let mut bytes = SideTable::filled(0, storage.slots.len());
        for id in storage.slots.ids() {
            bytes[id] = slot_bytes(schedule, storage, id, extents)?;
        }
        let mut order: Vec<SlotId> = storage
            .slots
            .iter()
            .filter(|(_, slot)| slot.in_arena())
            .map(|(id, _)| id)
            .collect();
        order.sort_by_key(|id| (std::cmp::Reverse(bytes[*id]), *id));
        let mut offsets: SideTable<SlotId, Option<usize>> =
            SideTable::filled(None, storage.slots.len());
        let mut placed: Vec<SlotId> = Vec::new();
        let mut total = 0;
        for id in order {
            let Some(interval) = intervals[id] else {
                continue;
            };
            let mut taken: Vec<(usize, usize)> = (placed.iter())
                .filter(|other| intervals[**other].is_some_and(|other| other.overlaps(interval)))
                .filter_map(|other| Some((offsets[*other]?, bytes[*other])))
                .collect();
            taken.sort_unstable();
            let mut at = 0usize;
            for (start, size) in taken {
                if start >= at.saturating_add(bytes[id]) {
                    break;
                }
                at = at.max(start + size);
            }
            offsets[id] = Some(at);
            total = total.max(
                at.checked_add(bytes[id])
                    .filter(|end| isize::try_from(*end).is_ok())
                    .ok_or_else(|| too_large("the arena", extents.batch))?,
            );
            placed.push(id);
        }
        Ok(Self {
            offsets,
            bytes,
            total,
            segments,
        })
    }
}

fn too_large(what: &str, batch: usize) -> JitError {
    JitError::TooLarge {
        what: what.to_owned(),
        reason: format!("a batch of {batch}"),
    }
}

/// Bytes of a slot, rounded up to [`ALIGNMENT`].
///
/// # Errors
/// More than the address space.
pub fn slot_bytes(
    schedule: &Schedule,
    storage: &Storage,
    id: SlotId,
    extents: Extents<'_>,
) -> Result<usize, JitError> {
    let batch = extents.batch;
    let slot = &storage.slots[id];
    let mut elements = slot.row;
    let limit = isize::MAX as usize / 4;
    for axis in slot.stored.axes() {
        let count = if axis == AxisId::BATCH {
            batch
        } else {
            let (all, segment) = ((extents.steps)(axis), (extents.segment)(axis));
            storage.kept_steps(id, axis, batch, all, segment)
        };
        elements = elements
            .checked_mul(count)
            .ok_or_else(|| too_large(&owner_name(schedule, storage, slot.owner), batch))?;
    }
    elements
        .checked_mul(ELEMENT)
        .filter(|bytes| *bytes <= limit)
        .map(|bytes| bytes.next_multiple_of(ALIGNMENT))
        .ok_or_else(|| too_large(&owner_name(schedule, storage, slot.owner), batch))
}

/// What a slot holds, in words.
pub fn owner_name(schedule: &Schedule, storage: &Storage, owner: Owner) -> String {
    match owner {
        Owner::Input(id)
        | Owner::Param(id)
        | Owner::Const(id)
        | Owner::Prepared(id)
        | Owner::Computed(id) => schedule.graph.nodes[id]
            .name
            .clone()
            .unwrap_or_else(|| id.to_string()),
        Owner::Borders(of) => format!(
            "borders of {}",
            owner_name(schedule, storage, storage.slots[of].owner)
        ),
        Owner::Packed(at) => format!("packed weights {at}"),
        Owner::Scratch => "tiles".to_owned(),
        Owner::Zeros => "zeros".to_owned(),
    }
}

/// When each slot of the arena is in use.
pub fn intervals(schedule: &Schedule, storage: &Storage) -> SideTable<SlotId, Option<Interval>> {
    let mut uses: SideTable<SlotId, Vec<&Site>> =
        SideTable::filled(Vec::new(), storage.slots.len());
    let mut kept = SideTable::filled(false, storage.slots.len());
    for id in schedule.graph.nodes.ids() {
        let (Some(place), Some(site)) = (storage.places[id], &storage.sites[id]) else {
            continue;
        };
        if !storage.slots[place.slot].in_arena() {
            continue;
        }
        let readers = storage.readers[id].iter();
        let readers = readers.filter_map(|(reader, _)| storage.sites[*reader].as_ref());
        uses[place.slot].extend(readers.chain([site]));
        let mut results = schedule.graph.results.iter();
        kept[place.slot] |= results.any(|result| result.node == id);
    }
    let forks = forks(schedule);
    let inside = storage.inside_blocks(schedule);
    let sites = (schedule.graph.nodes.ids()).filter_map(|id| storage.sites[id].as_ref());
    let end = sites.map(|site| site.top + 1).max().unwrap_or(0);
    let mut out = SideTable::filled(None, storage.slots.len());
    for slot in storage.slots.ids() {
        let own = &uses[slot];
        let Some(some) = own.first() else { continue };
        let alone = (some.branch)
            .filter(|_| !kept[slot] && own.iter().all(|site| site.branch == some.branch));
        // Items of a fork are at work until its last.
        let span = |site: &&Site| match (alone, site.branch) {
            (None, Some(branch)) => forks[branch.fork],
            _ => (site.top, site.top),
        };
        let (first, mut last) = own.iter().map(span).fold((usize::MAX, 0), |all, one| {
            (all.0.min(one.0), all.1.max(one.1))
        });
        if kept[slot] {
            last = end;
        }
        out[slot] = Some(Interval {
            first,
            last,
            branch: alone.map(|branch| (branch, forks[branch.fork].0, forks[branch.fork].1)),
            inside: (storage.slots[slot].block.zip(inside[slot]))
                .map(|(block, (first, last))| (block, first, last)),
        });
    }
    // What is computed again is written and read once more. A program in segments has no forks: items stand at their places.
    for (top, item) in schedule.items.iter().enumerate() {
        let Item::Segments { again, .. } = item else {
            continue;
        };
        for id in again.iter().flat_map(Item::nodes) {
            let reads = storage.reads(schedule, id).into_iter();
            for node in reads.map(|read| read.node).chain([id]) {
                if let Some(place) = storage.places[node]
                    && storage.slots[place.slot].in_arena()
                {
                    let interval = out[place.slot].get_or_insert(Interval {
                        first: top,
                        last: top,
                        branch: None,
                        inside: None,
                    });
                    interval.first = interval.first.min(top);
                    interval.last = interval.last.max(top);
                }
            }
        }
    }
    for borders in &storage.borders {
        out[borders.slot] = out[borders.of];
    }
    out
}

// The first and the last item of each fork.
fn forks(schedule: &Schedule) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut top = 0;
    for item in &schedule.items {
        let Item::Fork(branches) = item else {
            top += 1;
            continue;
        };
        let items = branches.iter().flatten().count();
        out.push((top, (top + items).saturating_sub(1)));
        top += items;
    }
    out
}

/// Whether a node is computed in a call.
pub(crate) fn is_computed(schedule: &Schedule, storage: &Storage, id: NodeId) -> bool {
    matches!(schedule.forms[id], Form::Pointwise | Form::Kernel)
        && storage.needed[id]
        && !storage.prepared[id]
}
