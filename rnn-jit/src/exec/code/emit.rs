//! From a program to functions of a module, one after the other.
//!
//! **Invariant:** functions are numbered in the order in which they are declared, which is how calls of wide functions name
//! them.

use super::{Code, Entry, Memory, Stage};
use crate::error::JitError;
use crate::exec::report::{Emitted, Stage as CompileStage, Times};
use crate::exec::{JitOptions, perf_map};
use crate::kernels::Isa;
use crate::lower::{Needs, Part, Section, Target, Wide, lower};
use crate::profile::Meters;
use crate::storage::Storage;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, types};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, ModuleError, ModuleReloc};
use rnn_ir::node::NodeId;
use rnn_ir::schedule::{Item, Schedule};
use std::fmt::Write;
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

/// Constants of wide functions lie in cache lines of their own.
const WIDE_ALIGNMENT: u64 = 64;

/// A module while its functions are made.
pub(super) struct Emitter<'a> {
    schedule: &'a Schedule,
    storage: &'a Storage,
    meters: Option<&'a Meters>,
    options: &'a JitOptions,
    isa: Isa,
    memory: Memory,
    /// For functions that only call: registers in one pass.
    quick: Option<OwnedTargetIsa>,
    context: Context,
    reused: FunctionBuilderContext,
    /// Functions declared so far.
    functions: u32,
    emitted: Vec<(FuncId, Emitted)>,
    scratch: usize,
    bytes: usize,
    wide_nodes: Vec<Vec<NodeId>>,
    kernels: Vec<(usize, Duration)>,
    times: Times,
    clif: String,
    asm: String,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(
        schedule: &'a Schedule,
        storage: &'a Storage,
        meters: Option<&'a Meters>,
        isa: Isa,
        options: &'a JitOptions,
    ) -> Result<Self, JitError> {
        let mut times = Times::start();
        let machine = machine(options, None)?;
        let quick = match options.quick {
            true => Some(self::machine(options, Some("single_pass"))?),
            false => None,
        };
        let builder = JITBuilder::with_isa(machine, cranelift_module::default_libcall_names());
        let module = JITModule::new(builder);
        let context = module.make_context();
        times.end(CompileStage::Module);
        Ok(Self {
            schedule,
            storage,
            meters,
            options,
            isa,
            memory: Memory(ManuallyDrop::new(module)),
            quick,
            context,
            reused: FunctionBuilderContext::new(),
            functions: 0,
            emitted: Vec::new(),
            scratch: 0,
            bytes: 0,
            wide_nodes: Vec::new(),
            kernels: Vec::new(),
            times,
            clif: String::new(),
            asm: String::new(),
        })
    }

    /// Makes the function of a section, and those of its clusters.
    pub(super) fn function(
        &mut self,
        name: &str,
        section: Section<'_>,
    ) -> Result<FuncId, JitError> {
        let pointer = AbiParam::new(types::I64);
        self.context.func.signature.params.push(pointer);
        let module = &mut *self.memory.0;
        let id = module
            .declare_function(name, Linkage::Local, &self.context.func.signature)
            .map_err(|error| failed(name, error))?;
        self.functions += 1;
        let target = Target {
            isa: self.isa,
            call_conv: module.isa().default_call_conv(),
            first_wide: self.options.wide.then_some(self.functions),
        };
        let mut builder = FunctionBuilder::new(&mut self.context.func, &mut self.reused);
        let (schedule, storage) = (self.schedule, self.storage);
        let needs = lower(
            schedule,
            storage,
            self.meters,
            target,
            section,
            &mut builder,
        );
        builder.finalize(module.target_config());
        let Needs {
            scratch,
            wides,
            narrow,
            kernels,
        } = needs;
        self.scratch = self.scratch.max(scratch);
        self.kernels.extend(kernels);
        let encoding: Duration = wides.iter().map(|wide| wide.time).sum();
        let lowering = (self.times.end(CompileStage::Lower)).saturating_sub(encoding);
        self.times.move_to(CompileStage::Wide, encoding);
        for wide in wides {
            self.wide(wide)?;
        }
        self.times.end(CompileStage::Wide);
        self.generate(name, id, narrow, lowering)?;
        Ok(id)
    }

    // Puts the function of a cluster into the module.
    fn wide(&mut self, wide: Wide) -> Result<(), JitError> {
        let start = Instant::now();
        let name = cluster_name(self.schedule, self.storage, &wide.nodes);
        let module = &mut *self.memory.0;
        let mut signature = module.make_signature();
        signature.call_conv = CallConv::SystemV;
        signature.params.extend([AbiParam::new(types::I64); 3]);
        // Clusters of both functions may have the same position; modules want names of their own.
        let unique = format!("{name} {}", self.functions);
        let id = module
            .declare_function(&unique, Linkage::Local, &signature)
            .map_err(|error| failed(&name, error))?;
        assert_eq!(
            id.as_u32(),
            self.functions,
            "functions are numbered in order"
        );
        self.functions += 1;
        let bytes = &wide.function.bytes;
        module
            .define_function_bytes(id, WIDE_ALIGNMENT, bytes, &[])
            .map_err(|error| failed(&name, error))?;
        if self.options.keep_listing {
            let listing = disassembly(module.isa(), bytes);
            let _ = writeln!(self.asm, "; {name}\n{}", wide.function.program);
            let _ = writeln!(self.asm, "{listing}");
        }
        self.bytes += bytes.len();
        self.wide_nodes.push(wide.nodes);
        let emitted = Emitted {
            name,
            address: 0,
            bytes: bytes.len(),
            lower: wide.time,
            generate: start.elapsed(),
        };
        self.emitted.push((id, emitted));
        Ok(())
    }

    // Compiles the function in the context.
    fn generate(
        &mut self,
        name: &str,
        id: FuncId,
        narrow: bool,
        lowering: Duration,
    ) -> Result<(), JitError> {
        let (module, context) = (&mut *self.memory.0, &mut self.context);
        if self.options.keep_listing {
            let _ = writeln!(self.clif, "{}", context.func.display());
            context.set_disasm(true);
        }
        match self.quick.as_deref().filter(|_| !narrow) {
            Some(machine) => define_with(module, id, context, machine),
            None => module.define_function(id, context).map_err(Box::new),
        }
        .map_err(|error| failed(name, format!("{error:?}")))?;
        let generate = self.times.end(CompileStage::Generate);
        if let Some(code) = context.compiled_code() {
            let bytes = code.buffer.data().len();
            self.bytes += bytes;
            let emitted = Emitted {
                name: name.to_owned(),
                address: 0,
                bytes,
                lower: lowering,
                generate,
            };
            self.emitted.push((id, emitted));
            if let Some(listing) = &code.vcode {
                let _ = writeln!(self.asm, "; {name}\n{listing}");
            }
        }
        module.clear_context(context);
        Ok(())
    }

    /// Makes all functions executable; `ids` are those of the sections.
    pub(super) fn finish(
        mut self,
        ids: &[FuncId],
        stages: Vec<Stage<usize>>,
    ) -> Result<Code, JitError> {
        #[cfg(all(test, target_os = "linux"))]
        if super::tests::FAIL.get() {
            return Err(unsupported("a test"));
        }
        let module = &mut *self.memory.0;
        module.finalize_definitions().map_err(unsupported)?;
        let entry = |at: usize| {
            let address = module.get_finalized_function(ids[at]);
            // SAFETY: the function was compiled with exactly this signature and calling convention.
            unsafe { std::mem::transmute::<*const u8, Entry>(address) }
        };
        let prepare = entry(0);
        let run = (stages.into_iter())
            .map(|stage| match stage {
                Stage::Items(at) => Stage::Items(entry(at)),
                Stage::Branches(all) => Stage::Branches(all.into_iter().map(entry).collect()),
            })
            .collect();
        let functions: Vec<Emitted> = (self.emitted.into_iter())
            .map(|(id, function)| Emitted {
                address: module.get_finalized_function(id) as usize,
                ..function
            })
            .collect();
        if self.options.perf_map {
            perf_map::write(&self.schedule.graph.name, self.options.program, &functions)?;
        }
        self.times.end(CompileStage::Finalize);
        let kept = |text: String| self.options.keep_listing.then_some(text);
        Ok(Code {
            _memory: self.memory,
            prepare,
            run,
            scratch: self.scratch,
            bytes: self.bytes,
            wide_nodes: self.wide_nodes,
            functions,
            times: self.times.all,
            kernels: self.kernels,
            clif: kept(self.clif),
            asm: kept(self.asm),
        })
    }
}

// How code is generated for this machine, by an algorithm for registers if it is named.
fn machine(options: &JitOptions, registers: Option<&str>) -> Result<OwnedTargetIsa, JitError> {
    let mut flags = settings::builder();
    let verifies = if options.checks { "true" } else { "false" };
    // The optimiser of Cranelift sinks arithmetic to its uses and spills; equations are simplified before.
    for (name, value) in [
        ("opt_level", "none"),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        ("enable_verifier", verifies),
    ] {
        flags.set(name, value).map_err(unsupported)?;
    }
    if let Some(registers) = registers {
        flags
            .set("regalloc_algorithm", registers)
            .map_err(unsupported)?;
    }
    let machine = cranelift_native::builder().map_err(unsupported)?;
    let machine = machine.finish(settings::Flags::new(flags));
    machine.map_err(unsupported)
}

fn failed(function: &str, reason: impl ToString) -> JitError {
    JitError::Codegen {
        function: function.to_owned(),
        reason: reason.to_string(),
    }
}

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

/// The functions of a program, and which of them run when: positions among all functions.
pub(super) fn sections(schedule: &Schedule) -> (Vec<(String, Section<'_>)>, Vec<Stage<usize>>) {
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
