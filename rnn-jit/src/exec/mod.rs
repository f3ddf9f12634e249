//! Running compiled programs.
//!
//! [`Executable`] owns machine code and everything known when it was compiled; it is shared between threads. A
//! [`Workspace`] owns the memory one caller works in: weights in packed order, the arena, the order of rows. Calls with the
//! shape of the call before allocate nothing.
//!
//! **Invariant:** compiled code is called with a context whose every slot address points at as many bytes as the plan for
//! this call's shape says, checked right before the call.

mod arguments;
mod buffer;
mod call;
mod code;
mod describe;
mod fork;
#[cfg(test)]
mod guarded;
mod handed;
mod laps;
#[cfg(test)]
mod mutations;
mod peak;
mod perf_map;
mod point;
mod pool;
mod read;
mod report;
mod segments;
mod shape;
mod stepper;
mod workspace;

#[cfg(test)]
#[path = "../../tests/oracle/corpus.rs"]
mod corpus;
#[cfg(test)]
#[path = "../../tests/oracle/mod.rs"]
mod oracle;
#[cfg(test)]
#[path = "../../tests/oracle/states.rs"]
mod states;

pub use arguments::{Arguments, CallShape, Input, OwnedValue, PartOf, Value};
pub use describe::Residuals;
pub use fork::{FORK_WORK, Helpers};
pub use peak::{peak_gflops, reading_seconds};
pub use perf_map::perf_map_path;
pub use pool::Pool;
pub use report::{Compiling, Emitted, Stage as CompileStage};
pub use stepper::{Carried, Computed, Given, Stepper};
pub use workspace::Workspace;

use crate::context::Layout;
use crate::error::JitError;
use crate::kernels::Isa;
use crate::plan::{self, Interval};
use crate::profile::Meters;
use crate::storage::{Owner, SlotId, Storage};
use code::Code;
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use code::flushing_denormals;
use fork::Fork;
use report::Times;
use rnn_ir::graph::Verified;
use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::schedule::{Schedule, sizes};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How to compile.
#[derive(Clone, Debug)]
pub struct JitOptions {
    /// Variant of the kernels; `None` is the widest that the machine has.
    pub isa: Option<Isa>,
    /// Check every memory plan by replay, and every emitted function by Cranelift's verifier.
    pub checks: bool,
    /// Emit pointwise clusters as wide as the machine, where that is wider than the code generator's vectors.
    pub wide: bool,
    /// Keep Cranelift's intermediate language and the disassembly.
    pub keep_listing: bool,
    /// Measure every kernel while the program runs: see [`crate::profile`].
    pub profile: bool,
    /// Write the names of its functions to [`perf_map_path`], for `perf report`.
    pub perf_map: bool,
    /// The name of the program there.
    pub program: &'static str,
    /// Steps in a block, for loops that run in blocks with their neighbours; `None` goes by the caches of the machine.
    pub block_steps: Option<usize>,
    /// Steps in a segment, for programs in segments; `None` goes by the limit of each call.
    pub segment_steps: Option<usize>,
    /// Give out registers in one pass where a function only calls kernels: compiling it takes a third of the time, and a
    /// call from it a few nanoseconds more.
    pub quick: bool,
    /// Multiply-adds that another thread has to take off the caller's before the branches of a fork run at the same time.
    pub fork_work: usize,
}

impl Default for JitOptions {
    fn default() -> Self {
        Self {
            isa: None,
            checks: cfg!(debug_assertions),
            wide: true,
            keep_listing: false,
            profile: false,
            perf_map: false,
            program: "program",
            block_steps: None,
            segment_steps: None,
            quick: false,
            fork_work: FORK_WORK,
        }
    }
}

/// A compiled program.
#[derive(Debug)]
pub struct Executable {
    /// Tells the workspaces of this program from those of others.
    id: u64,
    schedule: Schedule,
    storage: Storage,
    intervals: SideTable<SlotId, Option<Interval>>,
    layout: Layout,
    isa: Isa,
    options: JitOptions,
    /// Of a program that is profiled.
    meters: Option<Meters>,
    code: Code,
    /// How long compiling took.
    stages: Vec<(report::Stage, Duration)>,
    forks: Vec<Fork>,
    /// Outputs that may be computed in memory of their own.
    handed: Vec<(SlotId, NodeId)>,
}

impl Executable {
    /// Compiles a loop program.
    ///
    /// # Errors
    /// A machine without a code generator, or sizes beyond the address space.
    pub fn new(schedule: Schedule, options: JitOptions) -> Result<Self, JitError> {
        let mut times = Times::start();
        let isa = options
            .isa
            .filter(|isa| isa.is_available())
            .unwrap_or_else(Isa::detect);
        check_sizes(&schedule)?;
        let mut storage = Storage::new(&schedule);
        for blocks in &mut storage.blocks {
            blocks.fixed = options.block_steps;
        }
        let meters = (options.profile).then(|| Meters::new(&schedule, &storage));
        times.end(report::Stage::Storage);
        let code = Code::compile(&schedule, &storage, meters.as_ref(), isa, &options)?;
        times.take(&code.times);
        let widest = (schedule.graph.nodes.iter())
            .map(|(_, node)| sizes(&node.ty).iter().product::<usize>())
            .max()
            .unwrap_or(1);
        for id in storage.slots.ids() {
            let row = match storage.slots[id].owner {
                Owner::Zeros => widest,
                Owner::Scratch => code.scratch.max(1),
                Owner::Packed(at) => packed_elements(&schedule, &storage, at, isa)?,
                _ => continue,
            };
            storage.slots[id].row = row;
        }
        let intervals = plan::intervals(&schedule, &storage);
        let layout = Layout::new(&schedule.graph, &storage);
        let forks = Fork::all(&schedule, &storage);
        let handed = handed::outputs(&schedule, &storage);
        times.end(report::Stage::Plan);
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            schedule,
            storage,
            intervals,
            layout,
            isa,
            options,
            meters,
            code,
            stages: times.all,
            forks,
            handed,
        })
    }

    /// The equations.
    pub fn graph(&self) -> &Verified {
        &self.schedule.graph
    }
    /// The loop program.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
    /// Where values live.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }
    /// The variant of the kernels.
    pub fn isa(&self) -> Isa {
        self.isa
    }
    /// How many pointwise clusters are code as wide as the machine.
    pub fn wide_clusters(&self) -> usize {
        self.code.wide_nodes.len()
    }
    /// The loop program, with a note behind each pointwise cluster that is wider than the code generator's vectors.
    pub fn describe_program(&self) -> String {
        self.schedule.with_notes(|kernel| {
            let here = |node: &NodeId| kernel.nodes.contains(node);
            let wide = self
                .code
                .wide_nodes
                .iter()
                .any(|nodes| nodes.iter().any(here));
            wide.then(|| format!("{} lanes", self.isa.lanes()))
        })
    }
    /// Bytes of machine code.
    pub fn code_bytes(&self) -> usize {
        self.code.bytes
    }
    /// Cranelift's intermediate language, if it was kept.
    pub fn clif(&self) -> Option<&str> {
        self.code.clif.as_deref()
    }
    /// The disassembly, if it was kept.
    pub fn asm(&self) -> Option<&str> {
        self.code.asm.as_deref()
    }
}

// The features of all values together stay far inside the address space, so that sums and products of sizes and strides do
// not overflow from here on.
fn check_sizes(schedule: &Schedule) -> Result<(), JitError> {
    let limit = isize::MAX as usize / 64 / (1 + schedule.graph.nodes.len());
    for (id, node) in schedule.graph.nodes.iter() {
        let sizes = sizes(&node.ty);
        let elements = sizes
            .iter()
            .try_fold(1usize, |elements, size| elements.checked_mul(*size));
        if elements.is_none_or(|elements| elements > limit) {
            return Err(JitError::TooLarge {
                what: node.name.clone().unwrap_or_else(|| id.to_string()),
                reason: format!("{sizes:?} elements"),
            });
        }
    }
    Ok(())
}

fn packed_elements(
    schedule: &Schedule,
    storage: &Storage,
    at: usize,
    isa: Isa,
) -> Result<usize, JitError> {
    let of = schedule
        .graph
        .nodes
        .ids()
        .find_map(|id| match &storage.weights[id] {
            Some(weights) if storage.needed[id] && weights.packed == at => Some(weights),
            _ => None,
        });
    let Some(weights) = of else { return Ok(1) };
    crate::kernels::packed_len(weights.m, weights.k, isa).ok_or_else(|| JitError::TooLarge {
        what: "packed weights".to_owned(),
        reason: format!("[{}, {}]", weights.m, weights.k),
    })
}
