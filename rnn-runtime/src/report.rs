//! How long compiling a model took, pass by pass and stage by stage.
//!
//! **Invariant:** the stages of a program follow each other, so that they add up to its total.

use std::fmt;
use std::time::{Duration, Instant};

use rnn_ir::passes::pipeline::Step;
use rnn_jit::{Emitted, Executable};

use crate::compiled::Compiled;
use crate::model::Model;
use crate::pipeline::Program;

/// Kernels that are shown: those that took longest.
const SHOWN: usize = 5;

/// A stage of compiling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileStage {
    /// `parse and bind`, `differentiate`, `pass simplify`, `schedule`, or one of [`rnn_jit::CompileStage`].
    pub name: String,
    /// How often it ran.
    pub runs: usize,
    /// How long all runs took.
    pub time: Duration,
}

/// What compiling one program took.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramReport {
    /// The program.
    pub program: Program,
    /// From the equations with carried states to code.
    pub total: Duration,
    /// Its stages.
    pub stages: Vec<CompileStage>,
    /// Its functions: sizes, and how long each took.
    pub functions: Vec<Emitted>,
    /// Its kernels as [`Compiled::explain`] names them, and how long emitting each took: parts of the stages `lower` and
    /// `wide clusters`.
    pub kernels: Vec<(String, Duration)>,
}

/// What compiling a model took. Programs are compiled side by side, so their totals may add up to more than the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileReport {
    /// The model.
    pub model: String,
    /// From sizes to the compiled model.
    pub total: Duration,
    /// What all programs share.
    pub shared: Vec<CompileStage>,
    /// One for each program that the model has.
    pub programs: Vec<ProgramReport>,
}

impl<M: Model> Compiled<M> {
    /// What compiling this model took.
    pub fn compile_report(&self) -> CompileReport {
        let inner = &*self.inner;
        let programs = Program::ALL.into_iter().filter_map(|program| {
            let routine = self.routine(program).ok()?;
            Some(routine.times.report(program, &routine.executable))
        });
        CompileReport {
            model: M::NAME.to_owned(),
            total: inner.times.total(),
            shared: inner.times.stages.clone(),
            programs: programs.collect(),
        }
    }
}

impl fmt::Display for CompileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(f, "{}: compiled in {:.3} ms", self.model, ms(self.total))?;
        let stages = |f: &mut fmt::Formatter<'_>, stages: &[CompileStage]| {
            stages.iter().try_for_each(|stage| {
                let runs = match stage.runs {
                    1 => String::new(),
                    runs => format!(" x {runs}"),
                };
                let time = ms(stage.time);
                writeln!(
                    f,
                    "    {:<28} {time:>9.3} ms",
                    format!("{}{runs}", stage.name)
                )
            })
        };
        stages(f, &self.shared)?;
        for program in &self.programs {
            let bytes: usize = program
                .functions
                .iter()
                .map(|function| function.bytes)
                .sum();
            writeln!(
                f,
                "{}: {:.3} ms, {} kernels, {} functions, {bytes} bytes of code",
                program.program.name(),
                ms(program.total),
                program.kernels.len(),
                program.functions.len(),
            )?;
            stages(f, &program.stages)?;
            for function in &program.functions {
                writeln!(
                    f,
                    "    {:>9.3} ms lower {:>9.3} ms generate {:>7} bytes  function {}",
                    ms(function.lower),
                    ms(function.generate),
                    function.bytes,
                    function.name,
                )?;
            }
            let mut kernels: Vec<&(String, Duration)> = program.kernels.iter().collect();
            kernels.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
            for (name, time) in kernels.into_iter().take(SHOWN) {
                writeln!(f, "    {:>9.3} ms kernel {name}", ms(*time))?;
            }
        }
        Ok(())
    }
}

/// The times of what follows each other.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    start: Instant,
    end: Instant,
    stages: Vec<CompileStage>,
}

impl Times {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            end: now,
            stages: Vec::new(),
        }
    }

    /// What has passed since the last stage was for this one.
    pub(crate) fn end(&mut self, name: &str) {
        let now = Instant::now();
        self.add(name, now - self.end);
        self.end = now;
    }

    /// What has passed since the last stage were these passes, and checks of what they made.
    pub(crate) fn passes(&mut self, steps: &[Step]) {
        let now = Instant::now();
        let mut left = now - self.end;
        for step in steps {
            self.add(&format!("pass {}", step.name), step.time);
            left = left.saturating_sub(step.time);
        }
        self.add("checks of graphs", left);
        self.end = now;
    }

    /// What has passed since the last stage was the code generator, which has timed itself.
    pub(crate) fn code(&mut self, executable: &Executable) {
        for (stage, time) in executable.compile_stages() {
            self.add(stage.name(), *time);
        }
        self.end = Instant::now();
    }

    fn add(&mut self, name: &str, time: Duration) {
        match self.stages.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => {
                stage.runs += 1;
                stage.time += time;
            }
            None => self.stages.push(CompileStage {
                name: name.to_owned(),
                runs: 1,
                time,
            }),
        }
    }

    pub(crate) fn total(&self) -> Duration {
        self.end - self.start
    }

    fn report(&self, program: Program, executable: &Executable) -> ProgramReport {
        let compiling = executable.compiling();
        ProgramReport {
            program,
            total: self.total(),
            stages: self.stages.clone(),
            functions: compiling.functions,
            kernels: compiling.kernels,
        }
    }
}
