//! From a loop program to Cranelift's intermediate language: one function of loops, pointwise code and calls of kernels.
//!
//! The function receives a [`context`](crate::context): the sizes of the batch and of the axes, and the address of every
//! slot. Loops over time run as the schedule says; the axes that no loop binds are mapped, flattened into one run of
//! `T * B` rows when no example is shorter than the others. Products, reductions and gathers are calls of the kernels in
//! [`crate::kernels`]; pointwise clusters are emitted here ([`cluster`]). A loop that runs in blocks of steps with its
//! neighbours is a loop over blocks; inside, the axis has the steps of the block alone ([`loops`]), and so it is with
//! segments of steps ([`segments`]).
//!
//! **Invariant:** emitted code reads and writes through slot addresses alone, inside the rows that the storage gives a node.

mod address;
mod calls;
mod cluster;
mod lanes;
mod line;
mod loops;
mod reduce;
mod segments;
mod wide;

pub(crate) use reduce::is_sorted;

use crate::context::Layout;
use crate::kernels::{Isa, Kernel as Micro};
use crate::profile::{Meters, Stage, Task};
use crate::storage::Storage;
use crate::wide::Function;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};
use cranelift_frontend::FunctionBuilder;
use rnn_ir::axis::AxisId;
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::schedule::{Item, Kernel, Schedule};
use std::time::{Duration, Instant};

/// Which part of a program a function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What depends on parameters alone, and the packing of weights.
    Prepare,
    /// The rest.
    Run,
}

impl Part {
    /// A kernel with the members that this part computes; `None` if it computes none.
    pub(crate) fn members(self, storage: &Storage, kernel: &Kernel) -> Option<Kernel> {
        let mut kernel = kernel.clone();
        let prepared = self == Self::Prepare;
        (kernel.nodes).retain(|id| storage.needed[*id] && storage.prepared[*id] == prepared);
        (!kernel.nodes.is_empty()).then_some(kernel)
    }
}

/// What one function runs: items of the program's top level, or of a branch of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'s> {
    pub(crate) part: Part,
    pub(crate) items: &'s [Item],
    /// The branch, or 0.
    pub(crate) branch: usize,
    /// Whether it is where a run begins.
    pub(crate) first: bool,
}

/// Emits one function.
pub(crate) struct Lower<'a, 'f> {
    schedule: &'a Schedule,
    storage: &'a Storage,
    layout: Layout,
    isa: Isa,
    /// Of a program that is profiled.
    meters: Option<&'a Meters>,

    b: &'a mut FunctionBuilder<'f>,
    context: ir::Value,
    batch: ir::Value,
    /// Examples that inputs have at a step.
    given: ir::Value,
    /// The step each axis stands at, from 0, inside the loops that bind it.
    steps: SideTable<AxisId, Option<ir::Value>>,
    /// The block of steps, or else the segment, that runs, and its axis.
    within: Option<(AxisId, loops::Range)>,
    /// Which scratch is this function's.
    branch: usize,
    /// The segment of steps that runs, and its axis.
    segment: Option<(AxisId, loops::Range)>,
    call_conv: cranelift_codegen::isa::CallConv,
    /// Elements that the tiles of the largest cluster take.
    scratch: std::cell::Cell<usize>,
    /// Position among the module's functions of the first one for a cluster.
    first_wide: Option<u32>,
    wides: Vec<Wide>,
    narrow: bool,
    kernels: Vec<(usize, Duration)>,
    /// The table of streams that calls of them fill.
    table: Option<ir::StackSlot>,
}

/// What [`lower`] needs to know about the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Variant of the kernels.
    pub(crate) isa: Isa,
    /// How kernels are called.
    pub(crate) call_conv: cranelift_codegen::isa::CallConv,
    /// Position among the module's functions of the first one made for a cluster; `None` makes none.
    pub(crate) first_wide: Option<u32>,
}

/// What a function needs besides its own body.
pub(crate) struct Needs {
    /// Elements of scratch.
    pub(crate) scratch: usize,
    /// Pointwise clusters and their functions, in the order of the module from [`Target::first_wide`] on.
    pub(crate) wides: Vec<Wide>,
    /// Whether it computes elements itself, and not by calls alone.
    pub(crate) narrow: bool,
    /// How long emitting each kernel took, its wide function included, by its position among all.
    pub(crate) kernels: Vec<(usize, Duration)>,
}

/// A pointwise cluster as a function of its own.
pub(crate) struct Wide {
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) function: Function,
    /// How long encoding it took.
    pub(crate) time: Duration,
}

/// Emits the body of a function of one parameter, the context.
pub(crate) fn lower(
    schedule: &Schedule,
    storage: &Storage,
    meters: Option<&Meters>,
    target: Target,
    section: Section<'_>,
    b: &mut FunctionBuilder<'_>,
) -> Needs {
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    let context = b.block_params(entry)[0];
    let layout = Layout::new(&schedule.graph, storage);
    let batch = b
        .ins()
        .load(types::I64, readonly(), context, layout.batch());
    let given = b
        .ins()
        .load(types::I64, readonly(), context, layout.given());
    let mut lower = Lower {
        schedule,
        storage,
        layout,
        isa: target.isa,
        meters,

        b,
        context,
        batch,
        given,
        steps: SideTable::filled(None, schedule.graph.axes.len()),
        within: None,
        branch: section.branch,
        segment: None,
        call_conv: target.call_conv,
        scratch: std::cell::Cell::new(0),
        first_wide: target.first_wide,
        wides: Vec::new(),
        narrow: false,
        kernels: Vec::new(),
        table: None,
    };
    // Once for the program, not for each of its functions.
    let first = section.part == Part::Run && section.first;
    lower.lap(Task::Stage(Stage::Rest), usize::from(first));
    lower.items(section.items, section.part);
    if section.part == Part::Prepare {
        lower.pack_all();
    }
    lower.b.ins().return_(&[]);
    Needs {
        scratch: lower.scratch.get(),
        wides: lower.wides,
        narrow: lower.narrow,
        kernels: lower.kernels,
    }
}

/// Flags of a load of what does not change while the function runs.
pub(crate) fn readonly() -> MemFlagsData {
    MemFlagsData::trusted().with_readonly().with_can_move()
}

/// Flags of a load or store of features, which are aligned to their element.
pub(crate) fn element() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl Lower<'_, '_> {
    fn items(&mut self, items: &[Item], part: Part) {
        for item in items {
            match item {
                Item::Kernel(kernel) => self.kernel(kernel, part),
                // What depends on parameters alone, in any branch; the rest of a branch is a function of its own.
                Item::Fork(branches) => branches.iter().for_each(|body| self.items(body, part)),
                Item::Blocks {
                    number,
                    axis,
                    direction,
                    body,
                } => {
                    if part == Part::Run {
                        self.block_loop(*number, (*axis, *direction), body);
                    }
                }
                Item::Segments {
                    axis,
                    direction,
                    again,
                    body,
                } => {
                    if part == Part::Run {
                        self.segment_loop((*axis, *direction), again, body);
                    }
                }
                Item::Loop {
                    axis,
                    direction,
                    body,
                } => {
                    if part == Part::Run {
                        self.time_loop(*axis, *direction, |lower| lower.items(body, part));
                    }
                }
            }
        }
    }

    fn kernel(&mut self, kernel: &Kernel, part: Part) {
        let Some(kernel) = part.members(self.storage, kernel) else {
            return;
        };
        let start = Instant::now();
        if kernel.pointwise {
            self.cluster(&kernel);
        } else {
            self.call_kernel(&kernel);
        }
        let task = self.task_of(kernel.nodes[0]);
        self.lap(task, 1);
        if let Task::Kernel(order, _) = task {
            self.kernels.push((order, start.elapsed()));
        }
    }

    // What the time of a node's kernel counts as.
    fn task_of(&self, id: NodeId) -> Task {
        let site = self.storage.sites[id].as_ref();
        let site = site.unwrap_or_else(|| unreachable!("what is computed is in a kernel"));
        let prepared = self.storage.prepared[id];
        let part = if prepared { Part::Prepare } else { Part::Run };
        Task::Kernel(site.order, part)
    }

    // Ends a lap, in a program that is profiled: what has run since the last one was for this task, now done `calls` times.
    fn lap(&mut self, task: Task, calls: usize) {
        let Some(meters) = self.meters else { return };
        let counters = self.layout.counters();
        let counters = (self.b.ins()).load(types::I64, readonly(), self.context, counters);
        let word = self.int(meters.word(task));
        let calls = self.int(calls);
        self.call(Micro::Lap, &[counters, word, calls]);
    }
}
