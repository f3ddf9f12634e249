//! Machine code: compiled, called, freed.
//!
//! **Invariant:** the functions live as long as the module that owns their memory, and are freed with it.

mod emit;

use self::emit::{Emitter, sections};
use super::report::{Emitted, Stage as CompileStage};
use super::{Helpers, JitOptions};
use crate::error::JitError;
use crate::kernels::Isa;
use crate::profile::Meters;
use crate::storage::Storage;
use cranelift_jit::JITModule;
use rnn_ir::node::NodeId;
use rnn_ir::schedule::Schedule;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

type Entry = unsafe extern "C" fn(*const u64);

/// A piece of a program.
enum Stage<F> {
    /// Items of the top level up to a fork.
    Items(F),
    /// The branches of a fork.
    Branches(Vec<F>),
}

/// The memory that functions are in. The module alone would leave it behind.
struct Memory(ManuallyDrop<JITModule>);

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: nobody takes the module but this, once. Functions are reachable through the `Code` that owns this memory and
        // is going away, or, when compilation failed, not at all.
        unsafe { ManuallyDrop::take(&mut self.0).free_memory() }
    }
}

/// The functions of a program, and the memory they are in.
pub(super) struct Code {
    _memory: Memory,
    prepare: Entry,
    run: Vec<Stage<Entry>>,
    pub(super) scratch: usize,
    pub(super) bytes: usize,
    /// The nodes of each wide function.
    pub(super) wide_nodes: Vec<Vec<NodeId>>,
    pub(super) functions: Vec<Emitted>,
    pub(super) times: Vec<(CompileStage, Duration)>,
    pub(super) kernels: Vec<(usize, Duration)>,
    pub(super) clif: Option<String>,
    pub(super) asm: Option<String>,
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

// Emitted functions call each other and the kernels alone. Those that `crate::wide` made read and write the rows that their
// table names, `width` elements each, which the calling code takes from the storage as it does for its own accesses; they
// use instructions that `Isa::Avx512` stands for, keep the registers that System V asks to keep, and less than a page of
// stack.
//
// SAFETY: after `compile` the module is only kept to be freed; code is immutable and holds no state.
unsafe impl Send for Code {}
// SAFETY: as above; calls share nothing but the context that each caller owns.
unsafe impl Sync for Code {}

impl Code {
    pub(super) fn compile(
        schedule: &Schedule,
        storage: &Storage,
        meters: Option<&Meters>,
        isa: Isa,
        options: &JitOptions,
    ) -> Result<Self, JitError> {
        let mut emitter = Emitter::new(schedule, storage, meters, isa, options)?;
        let (sections, stages) = sections(schedule);
        let ids = sections
            .into_iter()
            .map(|(name, section)| emitter.function(&name, section))
            .collect::<Result<Vec<_>, _>>()?;
        emitter.finish(&ids, stages)
    }

    /// Runs what depends on parameters alone.
    ///
    /// # Safety
    /// The context is one of [`crate::context::Layout`] for this program, and its slots are as large as its shape needs.
    pub(super) unsafe fn prepare(&self, context: &[u64]) {
        flushing_denormals(|| {
            // SAFETY: the caller's promise.
            unsafe { (self.prepare)(context.as_ptr()) }
        });
    }

    /// Runs the program; `together` is asked for each fork who helps with its branches, if anyone does.
    ///
    /// # Safety
    /// As [`prepare`](Self::prepare), which has run for these parameters. Where `together` answers helpers, no branch of
    /// that fork writes memory that another one touches.
    pub(super) unsafe fn run<'p>(
        &self,
        context: &[u64],
        together: &dyn Fn(usize) -> Option<Helpers<'p>>,
    ) {
        // SAFETY: the caller's promise.
        let call = |entry: &Entry| unsafe { entry(context.as_ptr()) };
        flushing_denormals(|| {
            let mut forks = 0;
            for stage in &self.run {
                let branches = match stage {
                    Stage::Items(entry) => {
                        call(entry);
                        continue;
                    }
                    Stage::Branches(branches) => branches,
                };
                match together(forks) {
                    Some(helpers) => {
                        let next = AtomicUsize::new(0);
                        // Branches read the context and write what no other branch touches: the caller's promise. That
                        // all are done, and seen to be, before the next stage is the pool's.
                        helpers.run(branches.len() - 1, &|| {
                            flushing_denormals(|| {
                                while let Some(entry) =
                                    branches.get(next.fetch_add(1, Ordering::Relaxed))
                                {
                                    call(entry);
                                }
                            });
                        });
                    }
                    None => branches.iter().for_each(call),
                }
                forks += 1;
            }
        });
    }
}

/// Runs a body with subnormal numbers taken as zero, and restores the caller's mode after it.
///
/// A decaying state becomes subnormal, and arithmetic on such numbers is up to fifty times slower.
#[cfg(target_arch = "x86_64")]
fn flushing_denormals(body: impl FnOnce()) {
    const FLUSH_TO_ZERO: u32 = 1 << 15;
    const DENORMALS_ARE_ZERO: u32 = 1 << 6;
    struct Restore(u32);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: the word was read from the register.
            unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &self.0, options(nostack, readonly)) }
        }
    }
    let mut word = 0u32;
    // SAFETY: writes the control word to a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut word, options(nostack)) }
    let restore = Restore(word);
    let flushing = word | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO;
    // SAFETY: both bits exist on every processor with SSE2 that this crate's code generator supports.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &flushing, options(nostack, readonly)) }
    body();
    drop(restore);
}

/// Runs a body; other machines keep their mode.
#[cfg(not(target_arch = "x86_64"))]
fn flushing_denormals(body: impl FnOnce()) {
    body();
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
