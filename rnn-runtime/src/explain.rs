//! Every stage of a compiled model as text.
//!
//! **Invariant:** the text depends on the equations, the sizes and the instruction set alone.

use std::fmt::Write;

use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::passes::pipeline::Settings;
use rnn_ir::passes::{BACKWARD, FORWARD, Pass};
use rnn_ir::random::mode::Mode;
use rnn_ir::recurrence::report;
use rnn_ir::text::print;
use rnn_ir::textbook::{Diagram, Summary, equations, summary};

use crate::compiled::Compiled;
use crate::error::{CallError, CompileError};
use crate::model::Model;
use crate::pipeline::{Fed, Program, derived, keep, of_mode, passed, start_of};
use crate::report::Times;
use crate::routine::Routine;
use crate::stages::unknown;

/// The batch and the steps for which [`Compiled::explain`] shows a memory plan.
const SHOWN: (usize, usize) = (16, 32);

impl<M: Model> Compiled<M> {
    /// The model from its equations to its memory: equations, what kind of recurrence its loops are, the equations of back-propagation through time that are
    /// derived from them, and for each program its loops, kernels and memory plan.
    pub fn explain(&self) -> String {
        let inner = &*self.inner;
        let mut out = String::new();
        section(&mut out, "equations", &equations(&inner.bound));
        section(&mut out, "summary", &self.summary().to_string());
        let loops = report(&inner.bound);
        if !loops.is_empty() {
            section(&mut out, "recurrences", &loops);
        }
        if inner.bound.loss().is_some() {
            let derived = self
                .adjoint()
                .map_or_else(|error| format!("{error}\n"), |graph| equations(&graph));
            section(&mut out, "back-propagation through time", &derived);
        }
        for program in Program::ALL {
            let Ok(routine) = self.routine(program) else {
                continue;
            };
            let executable = &routine.executable;
            let name = program.name();
            section(
                &mut out,
                &format!(
                    "{name} program, {} kernels of {}, {} bytes of code",
                    executable.schedule().kernels().len(),
                    executable.isa().name(),
                    executable.code_bytes()
                ),
                &executable.describe_program(),
            );
            let (batch, steps) = SHOWN;
            let memory = self
                .memory(program, batch, steps)
                .unwrap_or_else(|error| format!("{error}\n"));
            section(&mut out, &format!("memory of the {name} program"), &memory);
        }
        out
    }

    /// Its parameters, and its equations with their shapes, multiply-adds and bytes. It prints as tables.
    pub fn summary(&self) -> Summary {
        summary(&self.inner.bound)
    }

    /// The equations as boxes, and which reads which as arrows: drawn by [`Diagram::dot`], [`Diagram::mermaid`], or as you like.
    pub fn diagram(&self) -> Diagram {
        Diagram::of(&self.inner.bound)
    }

    /// The model in the language of Graphviz.
    pub fn to_dot(&self) -> String {
        self.diagram().dot()
    }

    /// The model in the language of Mermaid, which GitHub shows in Markdown.
    pub fn to_mermaid(&self) -> String {
        self.diagram().mermaid()
    }

    /// The equations of the model, and those of its gradient, in the text form of the intermediate representation, after
    /// each run of a pass: its place in the order of passes, and the graph.
    ///
    /// # Errors
    /// [`CompileError::UnknownPass`] for a pass that does not exist, [`CompileError::NoLoss`] for a program that the model
    /// does not have.
    pub fn ir_after(&self, program: Program, pass: &str) -> Result<String, CompileError> {
        if rnn_ir::passes::pass(pass).is_none() {
            return Err(unknown(pass));
        }
        let mut out = String::new();
        let mut show = |list: &str, graph: Verified, passes: &[Pass]| {
            let mut dump = |step: &rnn_ir::passes::pipeline::Step, graph: &Verified| {
                if step.name == pass {
                    // Writing to a string does not fail.
                    let _ = writeln!(out, "; {list} pass {}: {}", step.position, step.name);
                    let _ = writeln!(out, "{}", print(graph));
                }
            };
            let settings = Settings {
                dump: Some(&mut dump),
                ..Settings::default()
            };
            passed(graph, passes, settings).map(|outcome| outcome.graph)
        };
        let fed = match program {
            Program::Forward => Fed::Own,
            Program::Loss | Program::Gradient => Fed::Targets,
        };
        let chosen = of_mode(&self.inner.bound, program.mode())?;
        let model = show("forward", start_of(&chosen, fed)?, FORWARD)?;
        let graph = derived(&model, program)?;
        show(program.name(), graph, BACKWARD)?;
        Ok(out)
    }

    /// The text form of the model with its sizes, as written: no pass has run.
    pub fn ir(&self) -> String {
        print(&self.inner.bound)
    }

    /// The loop program.
    ///
    /// # Errors
    /// [`CallError::NoLoss`] for a program that the model does not have.
    pub fn schedule(&self, program: Program) -> Result<String, CallError> {
        Ok(self.routine(program)?.executable.schedule().to_string())
    }

    /// Bytes of machine code of a program: the same for every batch and any number of steps.
    ///
    /// # Errors
    /// [`CallError::NoLoss`] for a program that the model does not have.
    pub fn code_bytes(&self, program: Program) -> Result<usize, CallError> {
        Ok(self.routine(program)?.executable.code_bytes())
    }

    /// The memory plan for a batch of so many examples and steps: a line for each value.
    ///
    /// # Errors
    /// [`CallError::NoLoss`] for a program that the model does not have, and sizes beyond the address space.
    pub fn memory(
        &self,
        program: Program,
        batch: usize,
        steps: usize,
    ) -> Result<String, CallError> {
        let executable = &self.routine(program)?.executable;
        Ok(executable.describe_memory(batch, steps)?)
    }

    /// The code generator's intermediate language. The program is compiled anew to get it.
    ///
    /// # Errors
    /// [`CompileError::NoLoss`] for a program that the model does not have.
    pub fn clif(&self, program: Program) -> Result<String, CompileError> {
        let routine = self.listed(program)?;
        Ok(routine.executable.clif().unwrap_or_default().to_owned())
    }

    /// The machine code. The program is compiled anew to get it.
    ///
    /// # Errors
    /// [`CompileError::NoLoss`] for a program that the model does not have.
    pub fn asm(&self, program: Program) -> Result<String, CompileError> {
        let routine = self.listed(program)?;
        Ok(routine.executable.asm().unwrap_or_default().to_owned())
    }

    fn listed(&self, program: Program) -> Result<Routine, CompileError> {
        let inner = &*self.inner;
        let graph = derived(inner.model_of(program), program)?;
        let mut options = inner.options.jit(program.name());
        options.keep_listing = true;
        // The code that runs has its names there; this is freed when it has been read.
        options.perf_map = false;
        let limited = inner.options.memory_limit.is_some();
        Routine::new(&inner.signature, graph, options, limited, Times::start())
    }

    pub(crate) fn routine(&self, program: Program) -> Result<&Routine, CallError> {
        Ok(match program {
            Program::Forward => &self.inner.forward,
            Program::Loss => &self.inner.training()?.loss,
            Program::Gradient => &self.inner.training()?.gradient,
        })
    }

    // The gradient of training before any pass: its equations have the names of those that they are derived from.
    fn adjoint(&self) -> Result<Verified, CompileError> {
        let bound = of_mode(&self.inner.bound, Mode::Training)?;
        let graph = differentiate(&bound, &Wrt::params())
            .map_err(|source| CompileError::compiler(M::NAME, source))?;
        keep(graph.into_graph(), &|result| {
            result.kind == ResultKind::Gradient
        })
    }
}

fn section(out: &mut String, title: &str, body: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "# {title}\n\n{}\n", body.trim_end());
}
