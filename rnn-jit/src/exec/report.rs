//! How long compiling a program took, stage by stage and function by function.
//!
//! **Invariant:** the stages of a report follow each other without a gap.

use super::Executable;
use std::fmt;
use std::time::{Duration, Instant};

/// A stage of the code generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Where values live, what packed weights are made of.
    Storage,
    /// A back end for this machine, and memory for its code.
    Module,
    /// Loops and kernels in Cranelift's intermediate language.
    Lower,
    /// Pointwise clusters encoded as wide functions.
    Wide,
    /// Cranelift: selection of instructions, registers, encoding.
    Generate,
    /// Code made executable.
    Finalize,
    /// Lifetimes of slots.
    Plan,
}

impl Stage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Module => "module",
            Self::Lower => "lower",
            Self::Wide => "wide clusters",
            Self::Generate => "generate",
            Self::Finalize => "finalize",
            Self::Plan => "plan",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A compiled function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// `prepare`, `run`, or `cluster_12[i,f,g,o,c,h]` by position among the kernels and equations.
    pub name: String,
    /// Where it is.
    pub address: usize,
    /// Its size in bytes.
    pub bytes: usize,
    /// How long it took to say what it does: in the intermediate language, or encoded.
    pub lower: Duration,
    /// How long it took to make machine code of that and put it in place.
    pub generate: Duration,
}

/// How long compiling took.
#[derive(Clone, Debug)]
pub struct Compiling {
    /// Each stage once, in order.
    pub stages: Vec<(Stage, Duration)>,
    /// All functions.
    pub functions: Vec<Emitted>,
    /// Each kernel as the printed program names it, and how long emitting it took: a part of [`Stage::Lower`] and
    /// [`Stage::Wide`].
    pub kernels: Vec<(String, Duration)>,
}

impl Executable {
    /// How long each stage of compiling it took, in order.
    pub fn compile_stages(&self) -> &[(Stage, Duration)] {
        &self.stages
    }

    /// How long compiling it took.
    pub fn compiling(&self) -> Compiling {
        let all = self.schedule.kernels();
        let kernels = (self.code.kernels.iter())
            .filter_map(|(order, time)| Some((self.schedule.label(all.get(*order)?.1), *time)));
        Compiling {
            stages: self.stages.clone(),
            functions: self.code.functions.clone(),
            kernels: kernels.collect(),
        }
    }
}

/// Times of stages that follow each other.
pub(super) struct Times {
    last: Instant,
    pub(super) all: Vec<(Stage, Duration)>,
}

impl Times {
    pub(super) fn start() -> Self {
        Self {
            last: Instant::now(),
            all: Vec::new(),
        }
    }

    /// What has passed since the last stage ended was for this one; answers how long that was.
    pub(super) fn end(&mut self, stage: Stage) -> Duration {
        let now = Instant::now();
        let passed = now - self.last;
        self.last = now;
        *self.of(stage) += passed;
        passed
    }

    /// A part of [`Stage::Lower`] that was for another stage.
    pub(super) fn move_to(&mut self, stage: Stage, time: Duration) {
        let lower = self.of(Stage::Lower);
        let moved = time.min(*lower);
        *lower -= moved;
        *self.of(stage) += moved;
    }

    fn of(&mut self, stage: Stage) -> &mut Duration {
        let at = self.all.iter().position(|(known, _)| *known == stage);
        let at = at.unwrap_or_else(|| {
            self.all.push((stage, Duration::ZERO));
            self.all.len() - 1
        });
        &mut self.all[at].1
    }

    /// Goes on after stages that were timed elsewhere.
    pub(super) fn take(&mut self, stages: &[(Stage, Duration)]) {
        for (stage, time) in stages {
            *self.of(*stage) += *time;
        }
        self.last = Instant::now();
    }
}
