//! Where every value lives: slots of memory, and the place of each node in one.
//!
//! A slot holds `[time axes.., batch, features]`, row-major, for the axes that it stores. A value that is read only in the
//! step of the loop that computes it drops the loop's axis. The parts of a concatenation live inside its slot, so that
//! joining gates moves no data.
//!
//! **Invariant:** a node that some kernel reads from memory has a place; a node without one lives in a register.

mod blocks;
mod segments;
mod sites;
mod working;

pub use blocks::Blocks;
pub use segments::{Borders, Segment};
pub use sites::{Branch, Site, is_given_with_params};
use working::Working;

use crate::weights::{self, Weights};
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::define_id;
use rnn_ir::id::{Arena, SideTable};
use rnn_ir::node::{DType, NodeId};
use rnn_ir::op::Op;
use rnn_ir::schedule::{Form, Item, Read, Schedule, sizes, viewed};

define_id!(
    /// Names a [`Slot`].
    SlotId,
    "slot"
);

/// Whose memory a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The caller's, or a copy of it: an input.
    Input(NodeId),
    /// The caller's: a parameter.
    Param(NodeId),
    /// A constant, written once.
    Const(NodeId),
    /// Computed once per version of the parameters.
    Prepared(NodeId),
    /// Computed in every call; lies in the arena.
    Computed(NodeId),
    /// The steps of another slot in front of each segment but the first.
    Borders(SlotId),
    /// Weights in the order in which the product kernel reads them.
    Packed(usize),
    /// Tiles of a pointwise cluster.
    Scratch,
    /// Zeros.
    Zeros,
}

/// A piece of memory.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Whose it is.
    pub owner: Owner,
    /// The axes it stores.
    pub stored: Domain,
    /// Elements of 4 bytes in a row: one example at one step.
    pub row: usize,
    /// The blocks of steps whose values do not outlive their block: one block of steps of their axis is stored.
    pub block: Option<usize>,
    /// Where values do not outlive their segment of steps: one segment of their axis is stored.
    pub segment: Option<Segment>,
}

/// The place of a node in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The slot.
    pub slot: SlotId,
    /// First element of the node's features in a row of the slot.
    pub offset: usize,
}

/// The places of all nodes, and what follows from them.
#[derive(Clone, Debug)]
pub struct Storage {
    /// All slots.
    pub slots: Arena<SlotId, Slot>,
    /// Where each node lives.
    pub places: SideTable<NodeId, Option<Place>>,
    /// The weights of each product with packed weights, by the product's node.
    pub weights: SideTable<NodeId, Option<Weights>>,
    /// The slot of each packed matrix.
    pub packed: Vec<SlotId>,
    /// Whether a node depends on parameters alone.
    pub prepared: SideTable<NodeId, bool>,
    /// Whether the node's kernel has to run.
    pub needed: SideTable<NodeId, bool>,
    /// Where each computed node is computed.
    pub sites: SideTable<NodeId, Option<Site>>,
    /// Who reads each node, from memory.
    pub readers: SideTable<NodeId, Vec<(NodeId, Read)>>,
    /// Zeros, for reads outside an axis.
    pub zeros: SlotId,
    /// Tiles of pointwise clusters, for each branch that may run beside others; the first also for what is in no branch.
    pub scratch: Vec<SlotId>,
    /// The blocks of steps, in program order.
    pub blocks: Vec<Blocks>,
    /// The axes along which the program runs in segments of steps.
    pub segmented: Vec<AxisId>,
    /// What is saved between segments.
    pub borders: Vec<Borders>,
    /// What a step of each outermost loop touches.
    working: Vec<Working>,
}

impl Storage {
    /// Gives every node its place.
    pub fn new(schedule: &Schedule) -> Self {
        let graph = &schedule.graph;
        let count = graph.nodes.len();
        let prepared = sites::prepared_nodes(schedule);
        let mut weight_table = SideTable::filled(None, count);
        for (id, node) in graph.nodes.iter() {
            if let Op::MatMul(..) = node.op {
                weight_table[id] = weights::of_product(schedule, &prepared, id);
            }
        }
        let mut slots = Arena::default();
        let zeros = slots.push(Slot {
            owner: Owner::Zeros,
            stored: Domain::NONE,
            row: 1,
            block: None,
            segment: None,
        });
        let branches = schedule.items.iter().map(|item| match item {
            Item::Fork(branches) => branches.len(),
            _ => 1,
        });
        let scratch = (0..branches.max().unwrap_or(1).max(1)).map(|_| {
            slots.push(Slot {
                owner: Owner::Scratch,
                stored: Domain::NONE,
                row: 1,
                block: None,
                segment: None,
            })
        });
        let scratch = scratch.collect();
        let mut storage = Self {
            slots,
            places: SideTable::filled(None, count),
            weights: weight_table,
            packed: Vec::new(),
            prepared,
            needed: SideTable::filled(false, count),
            sites: sites::sites(schedule),
            readers: SideTable::filled(Vec::new(), count),
            zeros,
            scratch,
            blocks: blocks::blocks(schedule),
            segmented: segments::segmented(schedule),
            borders: Vec::new(),
            working: Vec::new(),
        };
        storage.find_needed(schedule);
        storage.place_sources(schedule);
        storage.place_computed(schedule);
        storage.place_borders(schedule);
        storage.measure_blocks(schedule);
        storage.measure_steps(schedule);
        storage
    }

    /// What the kernel of `id` reads from memory or registers.
    pub fn reads(&self, schedule: &Schedule, id: NodeId) -> Vec<Read> {
        let all = schedule.forms.operands(&schedule.graph, id);
        let Some(weights) = &self.weights[id] else {
            return all;
        };
        // A packed product reads the leaves of its weights, and its right operand.
        let here = Read {
            node: id,
            back: Domain::NONE,
            ahead: Domain::NONE,
            whole: Domain::NONE,
        };
        let mut out: Vec<Read> = weights
            .blocks
            .iter()
            .map(|block| Read {
                node: block.source,
                ..here
            })
            .collect();
        let (a, b) = match schedule.graph.nodes[id].op {
            Op::MatMul(a, b) => (a, b),
            _ => unreachable!("only products have weights"),
        };
        let vector = if weights.left { b } else { a };
        out.extend(schedule.forms.reads_of(&schedule.graph, vector));
        out
    }

    fn find_needed(&mut self, schedule: &Schedule) {
        let graph = &schedule.graph;
        let mut work: Vec<NodeId> = graph.results.iter().map(|result| result.node).collect();
        while let Some(id) = work.pop() {
            if std::mem::replace(&mut self.needed[id], true) {
                continue;
            }
            if matches!(schedule.forms[id], Form::Source) {
                continue;
            }
            for read in self.reads(schedule, id) {
                self.readers[read.node].push((id, read));
                work.push(read.node);
            }
        }
    }

    fn place_sources(&mut self, schedule: &Schedule) {
        for (id, node) in schedule.graph.nodes.iter() {
            let owner = match node.op {
                Op::Input { role, .. } if is_given_with_params(role, &node.ty) => Owner::Param(id),
                Op::Input { .. } => Owner::Input(id),
                Op::Param { .. } => Owner::Param(id),
                Op::Const(_) if self.needed[id] => Owner::Const(id),
                _ => continue,
            };
            let row = sizes(&node.ty).iter().product();
            let slot = self.slots.push(Slot {
                owner,
                stored: node.ty.domain,
                row,
                block: None,
                segment: None,
            });
            self.places[id] = Some(Place { slot, offset: 0 });
        }
    }

    fn place_computed(&mut self, schedule: &Schedule) {
        let graph = &schedule.graph;
        // Concatenations first: their parts live in them. Outer ones before inner ones.
        let order: Vec<NodeId> = graph.nodes.ids().rev().collect();
        for id in order {
            let computed = matches!(schedule.forms[id], Form::Pointwise | Form::Kernel);
            if !computed
                || !self.needed[id]
                || self.places[id].is_some()
                || !self.in_memory(schedule, id)
            {
                continue;
            }
            if let Some(place) = self.joined_place(schedule, id) {
                self.places[id] = Some(place);
                continue;
            }
            let owner = if self.prepared[id] {
                Owner::Prepared(id)
            } else {
                Owner::Computed(id)
            };
            let row = sizes(&graph.nodes[id].ty).iter().product();
            let parts = self.parts(schedule, id);
            let members: Vec<NodeId> = parts.iter().map(|(part, _)| *part).chain([id]).collect();
            let stored = self.stored_domain(schedule, id, &members);
            let (block, segment) = self.kept_for(schedule, stored, &members);
            let slot = self.slots.push(Slot {
                owner,
                stored,
                row,
                block,
                segment,
            });
            self.places[id] = Some(Place { slot, offset: 0 });
            for (part, offset) in parts {
                self.places[part] = Some(Place { slot, offset });
            }
        }
        for id in graph.nodes.ids() {
            if let (true, Some(weights)) = (self.needed[id], &mut self.weights[id]) {
                weights.packed = self.packed.len();
                let owner = Owner::Packed(weights.packed);
                let slot = self.slots.push(Slot {
                    owner,
                    stored: Domain::NONE,
                    row: 1,
                    block: None,
                    segment: None,
                });
                self.packed.push(slot);
            }
        }
    }

    // Whether some reader needs the value in memory: another kernel, another step, another look, or the caller.
    fn in_memory(&self, schedule: &Schedule, id: NodeId) -> bool {
        let result = schedule
            .graph
            .results
            .iter()
            .any(|result| result.node == id);
        let kernel = schedule.forms[id] == Form::Kernel;
        let segment = self.sites[id].as_ref().and_then(|site| site.segment);
        let grows = segment.is_some_and(|axis| schedule.grows(id, axis));
        result
            || kernel
            || grows
            || self.readers[id]
                .iter()
                .any(|(reader, _)| !self.in_register(schedule, *reader, id))
    }

    /// Whether `reader` finds the value of `id` in a register: same cluster, and read as it is.
    pub fn in_register(&self, schedule: &Schedule, reader: NodeId, id: NodeId) -> bool {
        let (Some(at), Some(of)) = (&self.sites[reader], &self.sites[id]) else {
            return false;
        };
        if at.order != of.order || schedule.forms[id] != Form::Pointwise {
            return false;
        }
        // The members of a cluster that depend on parameters alone run in another function.
        if self.prepared[reader] != self.prepared[id] {
            return false;
        }
        let op = &schedule.graph.nodes[reader].op;
        if viewed(op).is_some() && !matches!(op, Op::StopGradient(_)) {
            return false;
        }
        schedule.graph.nodes[reader]
            .op
            .operands()
            .into_iter()
            .all(|operand| {
                let through = pass_through(schedule, operand);
                through == id
                    || schedule
                        .forms
                        .reads_of(&schedule.graph, operand)
                        .iter()
                        .all(|read| read.node != id)
            })
    }

    // The parts of a concatenation that can be written in place, with their offsets.
    fn parts(&self, schedule: &Schedule, id: NodeId) -> Vec<(NodeId, usize)> {
        let graph = &schedule.graph;
        let Op::Concat { parts, at: 0 } = &graph.nodes[id].op else {
            return Vec::new();
        };
        let mut out: Vec<(NodeId, usize)> = Vec::new();
        let mut offset = 0;
        for part in parts {
            let width: usize = sizes(&graph.nodes[*part].ty).iter().product();
            let direct = matches!(schedule.forms[*part], Form::Pointwise)
                || (schedule.forms[*part] == Form::Kernel && self.weights[*part].is_some());
            let together = match (&self.sites[*part], &self.sites[id]) {
                (Some(part), Some(whole)) => part.loops.starts_with(&whole.loops),
                _ => false,
            };
            let free = self.places[*part].is_none() && out.iter().all(|(other, _)| other != part);
            let result = graph.results.iter().any(|result| result.node == *part);
            let same_domain = graph.nodes[*part].ty.domain == graph.nodes[id].ty.domain;
            if direct
                && together
                && free
                && !result
                && same_domain
                && self.prepared[*part] == self.prepared[id]
            {
                out.push((*part, offset));
            }
            offset += width;
        }
        out
    }

    // Where a concatenation already lies, one part behind the other, in the slot of a larger one: for stacked gates of
    // which a step reads some and a weight gradient reads all.
    fn joined_place(&self, schedule: &Schedule, id: NodeId) -> Option<Place> {
        let graph = &schedule.graph;
        let Op::Concat { parts, at: 0 } = &graph.nodes[id].op else {
            return None;
        };
        let first = self.places[*parts.first()?]?;
        let mut end = first.offset;
        for part in parts {
            let whole = schedule.forms[*part] != Form::View;
            if !whole
                || self.places[*part]?
                    != (Place {
                        offset: end,
                        ..first
                    })
            {
                return None;
            }
            end += sizes(&graph.nodes[*part].ty).iter().product::<usize>();
        }
        let slot = &self.slots[first.slot];
        let (Owner::Computed(owner) | Owner::Prepared(owner)) = slot.owner else {
            return None;
        };
        let members: Vec<NodeId> = (graph.nodes.ids())
            .filter(|other| self.places[*other].is_some_and(|place| place.slot == first.slot))
            .chain([id])
            .collect();
        let stored = self.stored_domain(schedule, owner, &members);
        let kept = stored == slot.stored
            && self.kept_for(schedule, stored, &members) == (slot.block, slot.segment);
        let alike = graph.nodes[id].ty.domain == graph.nodes[owner].ty.domain
            && self.prepared[id] == self.prepared[owner];
        (kept && alike).then_some(first)
    }

    // The block of steps, or the segment, that some members do not outlive.
    fn kept_for(
        &self,
        schedule: &Schedule,
        stored: Domain,
        members: &[NodeId],
    ) -> (Option<usize>, Option<Segment>) {
        match self.one_block(schedule, stored, members) {
            Some(block) => (Some(block), None),
            None => (None, self.one_segment(schedule, stored, members)),
        }
    }

    // The axes that a slot has to store: all but those of loops whose every step is done with the value.
    fn stored_domain(&self, schedule: &Schedule, id: NodeId, members: &[NodeId]) -> Domain {
        let graph = &schedule.graph;
        let mut domain = graph.nodes[id].ty.domain;
        let Some(site) = &self.sites[id] else {
            return domain;
        };
        let mut turns = Domain::NONE;
        for (position, axis) in &site.loops {
            // Another turn of a loop outside is another run of this one.
            turns = turns.with(*axis);
            let inside = members.iter().all(|member| {
                let result = graph.results.iter().any(|result| result.node == *member);
                !result
                    && self.readers[*member].iter().all(|(reader, read)| {
                        let around = self.sites[*reader]
                            .as_ref()
                            .map(|site| site.loops.as_slice());
                        let same =
                            around.is_some_and(|loops| loops.iter().any(|(at, _)| at == position));
                        same && read.elsewhere().intersect(turns).is_empty()
                    })
            });
            if inside {
                domain = domain.without(*axis);
            }
        }
        domain
    }
}

/// The node whose value an operand is, element for element.
pub fn pass_through(schedule: &Schedule, mut id: NodeId) -> NodeId {
    while let (Form::View, Op::StopGradient(x)) = (schedule.forms[id], &schedule.graph.nodes[id].op)
    {
        id = *x;
    }
    id
}

impl Slot {
    /// Whether the slot lies in the arena of a call.
    pub fn in_arena(&self) -> bool {
        matches!(self.owner, Owner::Computed(_) | Owner::Borders(_))
    }
}

/// Bytes of an element: reals, indices and truth values all take four.
pub const ELEMENT: usize = 4;

/// The word that a constant is in memory: a truth value is a mask of all ones or zeros.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "compiled code computes in 32 bits, and a token is below 2^32"
)]
pub fn constant_word(dtype: DType, value: f64) -> u32 {
    match dtype {
        DType::Real => (value as f32).to_bits(),
        DType::Index => value as u32,
        DType::Bool => {
            if value == 0.0 {
                0
            } else {
                u32::MAX
            }
        }
    }
}
