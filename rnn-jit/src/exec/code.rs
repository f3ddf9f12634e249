//! Machine code: compiled, called, freed.
//!
//! **Invariant:** the functions live as long as the module that owns their memory, and are freed with it.

use super::report::{Emitted, Stage as CompileStage, Times};
use super::{Helpers, JitOptions, perf_map};
use crate::error::JitError;
use crate::kernels::Isa;
use crate::lower::{Part, Section, Target, lower};
use crate::profile::Meters;
use crate::storage::Storage;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, types};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, ModuleError, ModuleReloc};
use rnn_ir::node::NodeId;
use rnn_ir::schedule::{Item, Schedule};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Constants of wide functions lie in cache lines of their own.
const WIDE_ALIGNMENT: u64 = 64;

type Entry = unsafe extern "C" fn(*const u64);

/// A piece of a program.
enum Stage<F> {
    /// Items of the top level up to a fork.
    Items(F),
    /// The branches of a fork.
    Branches(Vec<F>),
}

/// The memory that functions are in. The module alone would leave it behind.
struct Memory(Option<JITModule>);

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(module) = self.0.take() {
            // SAFETY: functions are reachable through the `Code` that owns this memory and is going away, or, when
            // compilation failed, not at all.
            unsafe { module.free_memory() }
        }
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

fn unsupported(reason: impl ToString) -> JitError {
    JitError::UnsupportedMachine {
        reason: reason.to_string(),
    }
}

// The instructions of bytes, as far as the disassembler knows them.
fn disassembly(isa: &dyn TargetIsa, bytes: &[u8]) -> String {
    match isa.to_capstone() {
        Ok(capstone) => match capstone.disasm_all(bytes, 0) {
            Ok(instructions) => instructions.to_string(),
            Err(error) => format!("; {error}"),
        },
        Err(error) => format!("; {error}"),
    }
}

// Compiles a function by other settings than the module's.
fn define_with(
    module: &mut JITModule,
    id: FuncId,
    context: &mut Context,
    machine: &dyn TargetIsa,
) -> Result<(), Box<ModuleError>> {
    let code = context.compile(machine, &mut ControlPlane::default());
    let code = code.map_err(|error| Box::new(error.into()))?;
    let (bytes, alignment) = (code.code_buffer().to_vec(), code.buffer.alignment);
    let relocations: Vec<ModuleReloc> = (context.compiled_code().into_iter())
        .flat_map(|code| code.buffer.relocs())
        .map(|relocation| ModuleReloc::from_mach_reloc(relocation, &context.func, id))
        .collect();
    module
        .define_function_bytes(id, u64::from(alignment), &bytes, &relocations)
        .map_err(Box::new)
}

// A pointwise cluster, by its position among the kernels and the equations it computes.
fn cluster_name(schedule: &Schedule, storage: &Storage, nodes: &[NodeId]) -> String {
    let site = nodes.iter().find_map(|id| storage.sites[*id].as_ref());
    let named = nodes
        .iter()
        .filter_map(|id| schedule.graph.nodes[*id].name.as_deref());
    let named: Vec<&str> = named.collect();
    let order = site.map_or(0, |site| site.order);
    format!("cluster_{order}[{}]", named.join(","))
}

// The functions of a program, and which of them run when: positions among all functions.
fn sections(schedule: &Schedule) -> (Vec<(String, Section<'_>)>, Vec<Stage<usize>>) {
    let part = Part::Run;
    let prepare = Section {
        part: Part::Prepare,
        items: &schedule.items,
        branch: 0,
        first: false,
    };
    let mut out = vec![("prepare".to_owned(), prepare)];
    let mut stages = Vec::new();
    let mut add = |name: String, items, branch| {
        let first = out.len() == 1;
        out.push((
            name,
            Section {
                part,
                items,
                branch,
                first,
            },
        ));
        out.len() - 1
    };
    let is_fork = |item: &Item| matches!(item, Item::Fork(_));
    for items in (schedule.items).chunk_by(|a, b| !is_fork(a) && !is_fork(b)) {
        let stage = match items {
            [Item::Fork(branches)] => {
                let names = (0..branches.len()).map(|at| format!("run {} {at}", stages.len()));
                let named = branches.iter().enumerate().zip(names);
                let all = named.map(|((at, items), name)| add(name, items.as_slice(), at));
                Stage::Branches(all.collect())
            }
            items if items.len() == schedule.items.len() => {
                Stage::Items(add("run".to_owned(), items, 0))
            }
            items => Stage::Items(add(format!("run {}", stages.len()), items, 0)),
        };
        stages.push(stage);
    }
    (out, stages)
}

impl Code {
    pub(super) fn compile(
        schedule: &Schedule,
        storage: &Storage,
        meters: Option<&Meters>,
        isa: Isa,
        options: &JitOptions,
    ) -> Result<Self, JitError> {
        let mut times = Times::start();
        let mut flags = settings::builder();
        // The optimiser of Cranelift sinks arithmetic to its uses and spills; equations are simplified before.
        for (name, value) in [
            ("opt_level", "none"),
            ("is_pic", "false"),
            ("use_colocated_libcalls", "false"),
            (
                "enable_verifier",
                if options.checks { "true" } else { "false" },
            ),
        ] {
            flags.set(name, value).map_err(unsupported)?;
        }
        let finish = |flags: settings::Builder| {
            let machine = cranelift_native::builder().map_err(unsupported)?;
            let machine = machine.finish(settings::Flags::new(flags));
            machine.map_err(unsupported)
        };
        let quick = if options.quick {
            let mut flags = flags.clone();
            let single = flags.set("regalloc_algorithm", "single_pass");
            single.map_err(unsupported)?;
            Some(finish(flags)?)
        } else {
            None
        };
        let machine = finish(flags)?;
        let builder = JITBuilder::with_isa(machine, cranelift_module::default_libcall_names());
        let mut memory = Memory(Some(JITModule::new(builder)));
        let Some(module) = &mut memory.0 else {
            unreachable!("it was just made")
        };
        let target = Target {
            isa,
            call_conv: module.isa().default_call_conv(),
            first_wide: None,
        };
        let mut context = module.make_context();
        let mut reused = FunctionBuilderContext::new();
        let (mut scratch, mut bytes) = (0, 0);
        let (mut clif, mut asm) = (String::new(), String::new());
        let mut ids = Vec::new();
        let mut functions = 0;
        let mut wide_nodes = Vec::new();
        let (mut emitted, mut kernels) = (Vec::new(), Vec::new());
        times.end(CompileStage::Module);
        let (sections, stages) = sections(schedule);
        for (name, section) in sections {
            let name = name.as_str();
            let failed = |reason: String| JitError::Codegen {
                function: name.to_owned(),
                reason,
            };
            context
                .func
                .signature
                .params
                .push(AbiParam::new(types::I64));
            let id = module
                .declare_function(name, Linkage::Local, &context.func.signature)
                .map_err(|error| failed(error.to_string()))?;
            functions += 1;
            let target = Target {
                first_wide: options.wide.then_some(functions),
                ..target
            };
            let needs = {
                let mut builder = FunctionBuilder::new(&mut context.func, &mut reused);
                let needs = lower(schedule, storage, meters, target, section, &mut builder);
                builder.finalize(module.target_config());
                needs
            };
            scratch = needs.scratch.max(scratch);
            kernels.extend(needs.kernels);
            let encoding: Duration = needs.wides.iter().map(|wide| wide.time).sum();
            let lowering = times.end(CompileStage::Lower).saturating_sub(encoding);
            times.move_to(CompileStage::Wide, encoding);
            for wide in needs.wides {
                let start = Instant::now();
                let (nodes, took, wide) = (wide.nodes, wide.time, wide.function);
                let name = cluster_name(schedule, storage, &nodes);
                wide_nodes.push(nodes);
                let failed = |reason: String| JitError::Codegen {
                    function: name.clone(),
                    reason,
                };
                let mut signature = module.make_signature();
                signature.call_conv = CallConv::SystemV;
                signature.params.extend([AbiParam::new(types::I64); 3]);
                // Clusters of both functions may have the same position; modules want names of their own.
                let id = module
                    .declare_function(&format!("{name} {functions}"), Linkage::Local, &signature)
                    .map_err(|error| failed(error.to_string()))?;
                assert_eq!(id.as_u32(), functions, "functions are numbered in order");
                functions += 1;
                module
                    .define_function_bytes(id, WIDE_ALIGNMENT, &wide.bytes, &[])
                    .map_err(|error| failed(error.to_string()))?;
                bytes += wide.bytes.len();
                emitted.push((
                    id,
                    Emitted {
                        name: name.clone(),
                        address: 0,
                        bytes: wide.bytes.len(),
                        lower: took,
                        generate: start.elapsed(),
                    },
                ));
                if options.keep_listing {
                    let _ = writeln!(asm, "; {name}\n{}", wide.program);
                    let _ = writeln!(asm, "{}", disassembly(module.isa(), &wide.bytes));
                }
            }
            times.end(CompileStage::Wide);
            if options.keep_listing {
                let _ = writeln!(clif, "{}", context.func.display());
                context.set_disasm(true);
            }
            match quick.as_deref().filter(|_| !needs.narrow) {
                Some(machine) => define_with(module, id, &mut context, machine),
                None => module.define_function(id, &mut context).map_err(Box::new),
            }
            .map_err(|error| failed(format!("{error:?}")))?;
            let generate = times.end(CompileStage::Generate);
            if let Some(code) = context.compiled_code() {
                let size = code.buffer.data().len();
                bytes += size;
                emitted.push((
                    id,
                    Emitted {
                        name: name.to_owned(),
                        address: 0,
                        bytes: size,
                        lower: lowering,
                        generate,
                    },
                ));
                if let Some(listing) = &code.vcode {
                    let _ = writeln!(asm, "; {name}\n{listing}");
                }
            }
            module.clear_context(&mut context);
            ids.push(id);
        }
        #[cfg(all(test, target_os = "linux"))]
        if tests::FAIL.get() {
            return Err(unsupported("a test"));
        }
        module.finalize_definitions().map_err(unsupported)?;
        let entry = |at: usize| {
            let address = module.get_finalized_function(ids[at]);
            // SAFETY: the function was compiled with exactly this signature and calling convention.
            unsafe { std::mem::transmute::<*const u8, Entry>(address) }
        };
        let prepare = entry(0);
        let stages = stages.into_iter().map(|stage| match stage {
            Stage::Items(at) => Stage::Items(entry(at)),
            Stage::Branches(all) => Stage::Branches(all.into_iter().map(entry).collect()),
        });
        let functions: Vec<Emitted> = (emitted.into_iter())
            .map(|(id, function)| Emitted {
                address: module.get_finalized_function(id) as usize,
                ..function
            })
            .collect();
        if options.perf_map {
            perf_map::write(&schedule.graph.name, options.program, &functions)?;
        }
        times.end(CompileStage::Finalize);
        let run = stages.collect();
        let kept = |text: String| options.keep_listing.then_some(text);
        Ok(Self {
            _memory: memory,
            prepare,
            run,
            scratch,
            bytes,
            wide_nodes,
            functions,
            times: times.all,
            kernels,
            clif: kept(clif),
            asm: kept(asm),
        })
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
pub(crate) fn flushing_denormals(body: impl FnOnce()) {
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
pub(crate) fn flushing_denormals(body: impl FnOnce()) {
    body();
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rnn_ir::bind::bind;
    use rnn_ir::samples;
    use rnn_ir::verify::verify;
    use std::cell::Cell;
    use std::process::Command;

    thread_local! {
        /// Whether compilation stops when both functions are there, and not yet executable.
        pub(super) static FAIL: Cell<bool> = const { Cell::new(false) };
    }

    // A program whose functions take more than a page, so that not all of them are in the page that is being filled.
    fn schedule() -> Schedule {
        let mut samples = samples::all();
        samples.sort_by_key(|(_, graph)| graph.nodes.len());
        let (_, graph) = samples.pop().expect("there are samples");
        let graph = verify(graph).expect("samples are valid");
        let sizes: Vec<(&str, usize)> = graph.sizes.iter().map(|name| (&**name, 5)).collect();
        Schedule::new(bind(&graph, &sizes).expect("positive")).expect("has an order")
    }

    // Pages of the process in memory.
    fn resident() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("readable");
        let pages = statm.split(' ').nth(1).expect("the second is resident");
        pages.parse().expect("a number")
    }

    #[test]
    fn a_compilation_that_fails_leaves_no_memory_behind() {
        const TIMES: usize = 500;
        const ALONE: &str = "RNN_ALONE";
        // In a process of its own: what other tests take is not counted.
        if std::env::var_os(ALONE).is_none() {
            let this = "a_compilation_that_fails_leaves_no_memory_behind";
            let output = Command::new(std::env::current_exe().expect("a test has a file"))
                .args([this, "--test-threads=1"])
                .env(ALONE, "1")
                .output()
                .expect("starts");
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{said}");
            assert!(said.contains("1 passed"), "{said}");
            return;
        }
        let schedule = schedule();
        let compile = || {
            let storage = Storage::new(&schedule);
            Code::compile(
                &schedule,
                &storage,
                None,
                Isa::detect(),
                &JitOptions::default(),
            )
        };
        assert!(compile().is_ok_and(|code| code.bytes > 4096));
        FAIL.set(true);
        let fail = |times: usize| {
            for _ in 0..times {
                assert!(matches!(
                    compile(),
                    Err(JitError::UnsupportedMachine { .. })
                ));
            }
        };
        fail(50);
        let before = resident();
        fail(TIMES);
        let more = resident().saturating_sub(before);
        assert!(more < TIMES / 2, "{more} more pages");
    }
}
