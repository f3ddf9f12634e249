//! What each kernel of a program has to do in a call of some shape.
//!
//! **Invariant:** the rows of a kernel are those that emitted code computes: at a step of a ragged batch, the examples that
//! reach it.

use super::{Meters, Task, Work};
use crate::lower::Part;
use crate::storage::{Blocks, ELEMENT, Storage};
use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::id::Id;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Form, Item, Kernel, Read, Schedule, sizes};

/// How much there is of everything in a call.
pub(crate) struct Extents<'a> {
    /// Examples.
    pub(crate) batch: usize,
    /// Steps of each time axis.
    pub(crate) steps: &'a [usize],
    /// The length of each example along each time axis, in the order in which rows lie.
    pub(crate) lengths: &'a [Vec<u32>],
    /// Steps in a segment of each time axis.
    pub(crate) segments: &'a [usize],
}

impl Extents<'_> {
    fn steps(&self, axis: AxisId) -> u64 {
        self.steps[axis.index() - 1] as u64
    }

    // Nothing, where no call has had a shape yet.
    fn segment(&self, at: usize) -> usize {
        self.segments.get(at).copied().unwrap_or(0)
    }

    // The answer for all segments of an axis but the last.
    fn before_the_last_segment(
        &self,
        axis: AxisId,
        answer: impl FnOnce(&Extents<'_>) -> Work,
    ) -> Work {
        let at = axis.index() - 1;
        let segment = self.segment(at).max(1);
        let steps = self.steps[at].saturating_sub(1) / segment * segment;
        if steps == 0 {
            return Work::default();
        }
        let mut all = self.steps.to_vec();
        all[at] = steps;
        let mut lengths = self.lengths.to_vec();
        for own in &mut lengths[at] {
            *own = (*own).min(u32::try_from(steps).unwrap_or(u32::MAX));
        }
        answer(&Extents {
            batch: self.batch,
            steps: &all,
            lengths: &lengths,
            segments: self.segments,
        })
    }

    // Blocks of steps of an axis.
    fn blocks(&self, blocks: &Blocks) -> u64 {
        let at = blocks.axis.index() - 1;
        let (all, segment) = (self.steps[at], self.segment(at));
        let steps = blocks.steps(self.batch, all, segment);
        let of = |steps_of: usize| steps_of.div_ceil(steps) as u64;
        match blocks.in_segments && segment > 0 {
            true => (all / segment) as u64 * of(segment) + of(all % segment),
            false => of(all),
        }
    }

    // All steps of the axes, of each example if it is one of them.
    fn rows(&self, domain: Domain) -> u64 {
        self.counted(domain, true)
    }

    // As `rows`, of each example those that are within its own length.
    fn reached(&self, domain: Domain) -> u64 {
        self.counted(domain, false)
    }

    // A step has a prefix of the rows: up to the last that is long enough.
    fn counted(&self, domain: Domain, prefix: bool) -> u64 {
        let axes = domain.time_axes();
        if !domain.contains(AxisId::BATCH) {
            return axes.map(|axis| self.steps(axis)).product();
        }
        let mut longest: Vec<u64> = vec![0; self.steps.len()];
        let mut rows = 0;
        for row in (0..self.batch).rev() {
            let mut product = 1;
            for axis in axes.clone() {
                let at = axis.index() - 1;
                let own = u64::from(self.lengths[at][row]);
                longest[at] = longest[at].max(own);
                product *= if prefix { longest[at] } else { own };
            }
            rows += product;
        }
        rows
    }
}

/// What each meter of a program has to do in a call of a part.
pub(crate) fn work_of(
    schedule: &Schedule,
    storage: &Storage,
    meters: &Meters,
    extents: &Extents<'_>,
    packed: &dyn Fn(NodeId) -> usize,
) -> Vec<Work> {
    let kernels = schedule.kernels();
    let count = |meter: &super::meters::Meter| match meter.task {
        Task::Stage(_) => Work::default(),
        Task::Pack(id) => match &storage.weights[id] {
            Some(weights) => Work {
                flops: 0,
                read: bytes(weights.m * weights.k),
                written: bytes(packed(id)),
            },
            None => Work::default(),
        },
        Task::Kernel(order, part) => {
            let (around, kernel) = &kernels[order];
            let Some(kernel) = part.members(storage, kernel) else {
                return Work::default();
            };
            let work = |extents: &Extents<'_>, kernel: &Kernel| {
                Counted::new(schedule, storage, extents, around, part).work(kernel)
            };
            let mut all = work(extents, &kernel);
            if let Some((axis, again)) = again(schedule, &kernel) {
                all += extents.before_the_last_segment(axis, |extents| work(extents, &again));
            }
            all
        }
    };
    meters.all.iter().map(count).collect()
}

// The members of a kernel that run again for the backward pass, and the axis of the segments that they do so for.
fn again(schedule: &Schedule, kernel: &Kernel) -> Option<(AxisId, Kernel)> {
    schedule.items.iter().find_map(|item| {
        let Item::Segments { axis, again, .. } = item else {
            return None;
        };
        let again: Vec<NodeId> = again.iter().flat_map(Item::nodes).collect();
        let mut kernel = kernel.clone();
        kernel.nodes.retain(|id| again.contains(id));
        (!kernel.nodes.is_empty()).then_some((*axis, kernel))
    })
}

fn bytes(elements: usize) -> u64 {
    (elements * ELEMENT) as u64
}

struct Counted<'a> {
    schedule: &'a Schedule,
    storage: &'a Storage,
    extents: &'a Extents<'a>,
    /// The axes of the loops around the kernel.
    around: Domain,
    part: Part,
}

impl<'a> Counted<'a> {
    fn new(
        schedule: &'a Schedule,
        storage: &'a Storage,
        extents: &'a Extents<'a>,
        around: &[AxisId],
        part: Part,
    ) -> Self {
        Self {
            schedule,
            storage,
            extents,
            around: around.iter().copied().collect(),
            part,
        }
    }

    fn width(&self, id: NodeId) -> usize {
        sizes(&self.schedule.graph.nodes[id].ty).iter().product()
    }

    fn domain(&self, id: NodeId) -> Domain {
        self.schedule.graph.nodes[id].ty.domain
    }

    fn work(&self, kernel: &Kernel) -> Work {
        let graph = &self.schedule.graph;
        let id = kernel.nodes[0];
        let calls = self.calls(id);
        let whole = kernel.domain.union(self.around);
        let mut work = Work::default();
        let rows = self.extents.rows(whole);
        if kernel.pointwise {
            let mut seen: Vec<Read> = Vec::new();
            for id in &kernel.nodes {
                for read in self.storage.reads(self.schedule, *id) {
                    let register = self.storage.in_register(self.schedule, *id, read.node);
                    if !register && !seen.contains(&read) {
                        seen.push(read);
                    }
                }
                if self.storage.places[*id].is_some() {
                    work.written += bytes(self.width(*id)) * rows;
                }
            }
            work.read = seen
                .iter()
                .map(|read| self.operand(read, whole, calls))
                .sum();
            return work;
        }
        let reads = self.storage.reads(self.schedule, id);
        let operands = |reads: &[Read]| -> u64 {
            let operands = reads.iter();
            operands.map(|read| self.operand(read, whole, calls)).sum()
        };
        work.read = operands(&reads);
        work.written = bytes(self.width(id)) * rows;
        match &graph.nodes[id].op {
            Op::MatMul(_, right) => {
                let inner = sizes(&graph.nodes[*right].ty)[0];
                work.flops = 2 * (self.width(id) * inner) as u64 * rows;
                if let Some(weights) = &self.storage.weights[id] {
                    // The matrix in the place of the parameters that it is made of.
                    let matrix = bytes(weights.m * weights.k) * calls;
                    work.read = operands(&reads[weights.blocks.len()..]) + matrix;
                }
            }
            Op::Outer(..) => work.flops = 2 * self.width(id) as u64 * rows,
            // Of the table, an entry.
            Op::Gather { .. } => work.read = bytes(1 + self.width(id)) * rows,
            Op::Concat { parts, .. } => {
                let moved = |part: &&NodeId| {
                    self.schedule.forms[**part] == Form::View
                        || self.storage.places[**part].map(|place| place.slot)
                            != self.storage.places[id].map(|place| place.slot)
                };
                let moved: usize = parts
                    .iter()
                    .filter(moved)
                    .map(|part| self.width(*part))
                    .sum();
                work.read = bytes(moved) * rows;
                work.written = bytes(moved) * rows;
            }
            Op::AxisReduce { x, axes, .. } => {
                let over = self.domain(*x).union(*axes).union(self.domain(id));
                let rows = self.extents.reached(over.union(self.around));
                let sum = bytes(self.width(id)) * self.entries(self.domain(id), calls);
                let inlined = self.schedule.forms[*x] == Form::Inlined;
                work.written = sum;
                match graph.nodes[*x].op {
                    Op::Outer(a, b) if inlined => {
                        work.flops = 2 * self.width(id) as u64 * rows;
                        work.read = bytes(self.width(a) + self.width(b)) * rows + sum;
                    }
                    // Of the table, a row for each that is added.
                    Op::Scatter { x, .. } if inlined => {
                        work.read = bytes(2 * self.width(x) + 1) * rows;
                        work.written = bytes(self.width(x)) * rows;
                    }
                    _ => work.read = bytes(self.width(*x)) * rows + sum,
                }
            }
            _ => {}
        }
        work
    }

    // How often the kernel of a node runs in a call.
    fn calls(&self, id: NodeId) -> u64 {
        if self.part == Part::Prepare {
            return 1;
        }
        let loops: u64 = (self.around.time_axes())
            .map(|axis| self.extents.steps(axis))
            .product();
        let site = self.storage.sites[id].as_ref();
        let blocks = site.and_then(|site| Some(&self.storage.blocks[site.block?]));
        match blocks {
            Some(blocks) if !self.around.contains(blocks.axis) => {
                loops * self.extents.blocks(blocks)
            }
            _ => loops,
        }
    }

    // How often an element of a value counts: once for each of its rows, or once a call.
    fn entries(&self, domain: Domain, calls: u64) -> u64 {
        if domain.minus(self.around).is_empty() {
            calls
        } else {
            self.extents.rows(domain.union(self.around))
        }
    }

    // Bytes of an operand, inside the axes that its reader varies over.
    fn operand(&self, read: &Read, whole: Domain, calls: u64) -> u64 {
        match self.schedule.graph.nodes[read.node].op {
            Op::Const(_) => 0,
            _ => {
                let domain = self.domain(read.node).intersect(whole);
                bytes(self.width(read.node)) * self.entries(domain, calls)
            }
        }
    }
}
