//! Gradient checkpointing: runs everything along a time axis in segments of steps, so that the forward pass leaves behind
//! what a segment starts from, and the backward pass computes the rest of each segment again (Chen et al. 2016; Gruslys et
//! al. 2016).
//!
//! ```text
//! for t forward in segments
//!     for t forward in blocks
//!         product    [batch, t] %14 <- W x
//!         for t forward
//!             ..
//! pointwise  [batch] loss
//! for t reverse in segments
//!     again
//!         for t forward in blocks
//!             ..
//!     for t reverse in blocks
//!         ..
//! ```
//!
//! Along one axis the items of the program have five places, found from what they read. *Before*: what does not depend on
//! the forward segments. *Forward*: loops that go forward along the axis, kernels that vary over it, sums over it and values
//! at one step of it, as long as no step needs a later one. *Middle*: what needs the forward segments as a whole, and comes
//! before any loop in reverse. *Reverse* and *later* follow as forward and what comes after it, with time reversed. What
//! does not fit, such as attention over all steps of an encoder, finds its place in between, and what it reads is stored for
//! all steps; so a bidirectional model keeps its states whole.
//!
//! **Invariant:** the order stays an order of evaluation, and inside a segment nothing is read that a later segment computes.

use super::blocks::own_reads;
use super::forms::{Form, Forms, Read, packed_strides, sizes};
use super::{Direction, Item, Kernel};
use crate::axis::AxisId;
use crate::graph::Verified;
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::Op;

/// Puts what can run in segments into them, along one time axis after the other.
pub(super) fn in_segments(graph: &Verified, forms: &Forms, mut items: Vec<Item>) -> Vec<Item> {
    for axis in graph.axes.ids().filter(|axis| axis.is_time()) {
        items = Program::new(graph, forms, axis, items).in_segments();
    }
    items
}

/// Whether a node comes together over the steps of an axis: a sum over it, or a copy of one step of it.
pub(super) fn grows(graph: &Verified, forms: &Forms, id: NodeId, axis: AxisId) -> bool {
    match graph.nodes[id].op {
        Op::AxisReduce { axes, .. } => axes.contains(axis),
        // Until its step is there the copy is read in place of it, so both have to lie alike.
        Op::At { axis: along, .. } => {
            along == axis
                && forms[id] == Form::Pointwise
                && forms.view_strides(graph, id)
                    == Some(packed_strides(&sizes(&graph.nodes[id].ty)))
        }
        _ => false,
    }
}

/// What an item is to the axis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A loop along it.
    Loop(Direction),
    /// A kernel that varies over it.
    Steps,
    /// Sums over it, or values at one step of it.
    Grows,
    /// All else.
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Before,
    Inside,
    After,
}

struct Edge {
    of: usize,
    read: Read,
}

struct Program<'g> {
    graph: &'g Verified,
    forms: &'g Forms,
    axis: AxisId,
    items: Vec<Item>,
    kinds: Vec<Kind>,
    /// The item that computes a node.
    home: SideTable<NodeId, Option<usize>>,
    /// What each item reads of others.
    edges: Vec<Vec<Edge>>,
}

impl<'g> Program<'g> {
    fn new(graph: &'g Verified, forms: &'g Forms, axis: AxisId, items: Vec<Item>) -> Self {
        let mut out = Self {
            graph,
            forms,
            axis,
            items: Vec::new(),
            kinds: Vec::new(),
            home: SideTable::filled(None, graph.nodes.len()),
            edges: Vec::new(),
        };
        for item in items {
            out.push(item);
        }
        out.kinds = out.items.iter().map(|item| out.kind(item)).collect();
        for (at, item) in out.items.iter().enumerate() {
            item.each_node(&mut |id| out.home[id] = Some(at));
        }
        for (at, item) in out.items.iter().enumerate() {
            let mut edges = Vec::new();
            let mut note = |id: NodeId| {
                for read in out.own_reads(id) {
                    let of = out.home[read.node].filter(|of| *of != at);
                    edges.extend(of.map(|of| Edge { of, read }));
                }
            };
            item.each_node(&mut note);
            if let Item::Segments { again, .. } = item {
                again.iter().for_each(|item| item.each_node(&mut note));
            }
            out.edges.push(edges);
        }
        out
    }

    // A copy of one step does not wait for what a cluster computes beside it.
    fn push(&mut self, item: Item) {
        let Item::Kernel(Kernel {
            nodes,
            domain,
            pointwise: true,
        }) = item
        else {
            return self.items.push(item);
        };
        let ends = |id: &NodeId| grows(self.graph, self.forms, *id, self.axis);
        let (ends, rest): (Vec<NodeId>, Vec<NodeId>) = nodes.into_iter().partition(ends);
        for nodes in [ends, rest].into_iter().filter(|nodes| !nodes.is_empty()) {
            self.items.push(Item::Kernel(Kernel {
                nodes,
                domain,
                pointwise: true,
            }));
        }
    }

    fn kind(&self, item: &Item) -> Kind {
        match item {
            Item::Loop {
                axis, direction, ..
            }
            | Item::Blocks {
                axis, direction, ..
            } if *axis == self.axis => Kind::Loop(*direction),
            Item::Kernel(kernel) if kernel.domain.contains(self.axis) => Kind::Steps,
            Item::Kernel(kernel) => {
                let mut nodes = kernel.nodes.iter();
                match nodes.all(|id| grows(self.graph, self.forms, *id, self.axis)) {
                    true => Kind::Grows,
                    false => Kind::Other,
                }
            }
            _ => Kind::Other,
        }
    }

    // What a node reads; of what grows over the steps, that it does so is no obstacle.
    fn own_reads(&self, id: NodeId) -> Vec<Read> {
        let mut reads = own_reads(self.graph, self.forms, id);
        if let Op::At { .. } = self.graph.nodes[id].op
            && grows(self.graph, self.forms, id, self.axis)
        {
            for read in &mut reads {
                read.whole = read.whole.without(self.axis);
            }
        }
        reads
    }

    // Whether a value can be read in the segment that computes it, or in the one after that.
    fn fits(&self, edge: &Edge, direction: Direction) -> bool {
        let later = match direction {
            Direction::Forward => edge.read.ahead,
            Direction::Reverse => edge.read.back,
        };
        let varies = self.graph.nodes[edge.read.node].ty.domain;
        varies.contains(self.axis) && !later.union(edge.read.whole).contains(self.axis)
    }

    fn in_segments(mut self) -> Vec<Item> {
        let all = vec![true; self.items.len()];
        let forward = self.phases(Direction::Forward, &all, &|_| false);
        let loops = |phases: &[Phase], direction| {
            let mut kinds = self.kinds.iter().zip(phases);
            kinds.any(|(kind, phase)| *kind == Kind::Loop(direction) && *phase == Phase::Inside)
        };
        if !loops(&forward, Direction::Forward) {
            return self.items;
        }
        let after: Vec<bool> = (forward.iter())
            .map(|phase| *phase == Phase::After)
            .collect();
        let of_forward = |at: usize| forward[at] == Phase::Inside;
        let reverse = self.phases(Direction::Reverse, &after, &of_forward);
        let twice = loops(&reverse, Direction::Reverse);
        let again = match twice {
            true => self.again(&forward, &reverse),
            false => SideTable::filled(false, self.graph.nodes.len()),
        };
        let mut parts: [Vec<Item>; 5] = Default::default();
        for (at, item) in std::mem::take(&mut self.items).into_iter().enumerate() {
            let part = match (forward[at], reverse[at]) {
                (Phase::Before, _) => 0,
                (Phase::Inside, _) => 1,
                (Phase::After, Phase::Inside) if twice => 3,
                (Phase::After, Phase::After) if twice => 4,
                (Phase::After, _) => 2,
            };
            parts[part].push(item);
        }
        let [before, forward, middle, reverse, later] = parts;
        let axis = self.axis;
        let mut out = before;
        let again: Vec<Item> = (forward.iter())
            .filter_map(|item| only(item, &again))
            .collect();
        out.push(Item::Segments {
            axis,
            direction: Direction::Forward,
            again: Vec::new(),
            body: forward,
        });
        out.extend(middle);
        if twice {
            out.push(Item::Segments {
                axis,
                direction: Direction::Reverse,
                again,
                body: reverse,
            });
        }
        out.extend(later);
        out
    }

    // Which of the items that count go inside segments in a direction, which before and which after them. `known` are items
    // outside of these whose values are there for each segment.
    fn phases(
        &self,
        direction: Direction,
        counts: &[bool],
        known: &dyn Fn(usize) -> bool,
    ) -> Vec<Phase> {
        let before = self.wanted_before(direction, counts);
        let mut phases = vec![Phase::Before; self.items.len()];
        for at in 0..self.items.len() {
            if !counts[at] || before[at] {
                continue;
            }
            let edges = &self.edges[at];
            let inside = edges.iter().any(|edge| phases[edge.of] == Phase::Inside);
            let late = edges.iter().any(|edge| match phases[edge.of] {
                Phase::Before => false,
                Phase::Inside => !self.fits(edge, direction),
                Phase::After => true,
            });
            let touches = || {
                let varies = |edge: &Edge| self.graph.nodes[edge.read.node].ty.domain;
                inside
                    || (edges.iter()).any(|edge| known(edge.of) && varies(edge).contains(self.axis))
            };
            let phase = match self.kinds[at] {
                _ if late => Phase::After,
                Kind::Loop(way) if way == direction => Phase::Inside,
                Kind::Steps => Phase::Inside,
                Kind::Grows if touches() => Phase::Inside,
                _ if inside => Phase::After,
                _ => Phase::Before,
            };
            phases[at] = phase;
        }
        phases
    }

    // The items that some loop needs as a whole, and what they need: they come before the segments, since the loop could
    // not run in them otherwise.
    fn wanted_before(&self, direction: Direction, counts: &[bool]) -> Vec<bool> {
        let edges = |at: usize| self.edges[at].iter().filter(|edge| counts[edge.of]);
        let is_loop = |at: usize| counts[at] && self.kinds[at] == Kind::Loop(direction);
        let mut of_loop = vec![false; self.items.len()];
        for at in 0..self.items.len() {
            of_loop[at] = is_loop(at) || edges(at).any(|edge| of_loop[edge.of]);
        }
        let mut before = vec![false; self.items.len()];
        let mut seen = vec![false; self.items.len()];
        let mut work: Vec<usize> = (0..self.items.len()).filter(|at| is_loop(*at)).collect();
        while let Some(at) = work.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            for edge in edges(at) {
                before[edge.of] |= !of_loop[edge.of] && !self.fits(edge, direction);
                work.push(edge.of);
            }
        }
        for at in (0..self.items.len()).rev() {
            if before[at] {
                edges(at).for_each(|edge| before[edge.of] = true);
            }
        }
        before
    }

    // The nodes of the forward segments that have to be computed again: what the reverse ones read of a segment, and what
    // that is computed from.
    fn again(&self, forward: &[Phase], reverse: &[Phase]) -> SideTable<NodeId, bool> {
        let place = |id: NodeId| match self.home[id] {
            Some(at) => (forward[at], reverse[at]),
            None => (Phase::Before, Phase::Before),
        };
        let (first, second) = (
            (Phase::Inside, Phase::Before),
            (Phase::After, Phase::Inside),
        );
        let mut kept = SideTable::filled(false, self.graph.nodes.len());
        for result in &self.graph.results {
            kept[result.node] = true;
        }
        let mut reads: SideTable<NodeId, Vec<NodeId>> =
            SideTable::filled(Vec::new(), self.graph.nodes.len());
        for id in self.graph.nodes.ids().filter(|id| self.home[*id].is_some()) {
            for read in self.own_reads(id) {
                let there = place(id) == first || place(id) == second;
                // Stored for all steps, whoever else reads it.
                kept[read.node] |= !there || read.whole.contains(self.axis);
                reads[id].push(read.node);
            }
        }
        let kernels = self.kernels();
        let varies = |id: NodeId| self.graph.nodes[id].ty.domain.contains(self.axis);
        let mut again = SideTable::filled(false, self.graph.nodes.len());
        let mut work: Vec<NodeId> = (self.graph.nodes.ids())
            .filter(|id| place(*id) == second)
            .collect();
        while let Some(reader) = work.pop() {
            for id in &reads[reader] {
                // Inside a cluster it is read from a register, wherever else it is.
                let there = kept[*id] && kernels[*id] != kernels[reader];
                if place(*id) == first && varies(*id) && !there && !again[*id] {
                    again[*id] = true;
                    work.push(*id);
                }
            }
        }
        again
    }

    // The kernel of each node, by its place among all.
    fn kernels(&self) -> SideTable<NodeId, usize> {
        fn walk(items: &[Item], next: &mut usize, out: &mut SideTable<NodeId, usize>) {
            for item in items {
                match item {
                    Item::Kernel(kernel) => {
                        kernel.nodes.iter().for_each(|id| out[*id] = *next);
                        *next += 1;
                    }
                    Item::Loop { body, .. }
                    | Item::Blocks { body, .. }
                    | Item::Segments { body, .. } => walk(body, next, out),
                    Item::Fork(_) => unreachable!("a program in segments has no forks"),
                }
            }
        }
        let mut out = SideTable::filled(usize::MAX, self.graph.nodes.len());
        walk(&self.items, &mut 0, &mut out);
        out
    }
}

// An item with nothing but some of its nodes.
fn only(item: &Item, nodes: &SideTable<NodeId, bool>) -> Option<Item> {
    let part =
        |body: &[Item]| -> Vec<Item> { body.iter().filter_map(|item| only(item, nodes)).collect() };
    let mut item = item.clone();
    let empty = match &mut item {
        Item::Kernel(kernel) => {
            kernel.nodes.retain(|id| nodes[*id]);
            kernel.nodes.is_empty()
        }
        Item::Loop { body, .. } | Item::Blocks { body, .. } | Item::Segments { body, .. } => {
            *body = part(body);
            body.is_empty()
        }
        Item::Fork(_) => unreachable!("a program in segments has no forks"),
    };
    (!empty).then_some(item)
}
