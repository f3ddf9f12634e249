//! What a workspace measures of a profiled program: its counters, and what the calls so far had to do.
//!
//! **Invariant:** counters have the words that the program's meters ask for, and are one workspace's alone.

use super::{Executable, Workspace};
use crate::kernels::lap::{METER, lap, start, ticks_per_lap, ticks_per_second};
use crate::lower::Part;
use crate::profile::{Extents, Laps, Measured, Stage, Task, Work, work_of};
use rnn_ir::node::NodeId;
use std::time::Duration;

/// Counters of one workspace.
#[derive(Debug)]
pub(super) struct Counters {
    /// As [`crate::kernels::lap`] has them.
    words: Vec<u64>,
    prepare: Counted,
    run: Counted,
}

/// What calls of one part have had to do.
#[derive(Debug)]
struct Counted {
    /// By meter, in one call of the shape that the workspace has.
    each: Vec<Work>,
    /// Calls of that shape.
    calls: u64,
    /// By meter, in calls of other shapes.
    before: Vec<Work>,
}

impl Counted {
    fn new(each: Vec<Work>) -> Self {
        Self {
            before: vec![Work::default(); each.len()],
            calls: 0,
            each,
        }
    }

    fn total(&self, at: usize) -> Work {
        let mut work = self.before[at];
        work += self.each[at].times(self.calls);
        work
    }

    fn change(&mut self, each: Vec<Work>) {
        self.before = (0..each.len()).map(|at| self.total(at)).collect();
        self.each = each;
        self.calls = 0;
    }

    fn reset(&mut self) {
        self.before.fill(Work::default());
        self.calls = 0;
    }
}

impl Executable {
    /// Whether it was compiled to measure itself.
    pub fn is_profiled(&self) -> bool {
        self.meters.is_some()
    }

    /// What the calls in these workspaces took, since they were made or reset; `None` if the program is not profiled.
    /// Workspaces of other programs do not count.
    pub fn laps<'w>(&self, workspaces: impl IntoIterator<Item = &'w Workspace>) -> Option<Laps> {
        let meters = self.meters.as_ref()?;
        let mut ticks = vec![0u64; meters.all.len()];
        let mut laps = vec![0u64; meters.all.len()];
        let mut measured: Vec<Measured> = (meters.all.iter())
            .map(|meter| Measured {
                name: meter.name.clone(),
                kind: meter.kind,
                calls: 0,
                time: Duration::ZERO,
                work: Work::default(),
            })
            .collect();
        for workspace in workspaces {
            let Some(counters) =
                (workspace.counters.as_deref()).filter(|_| workspace.owner == self.id)
            else {
                continue;
            };
            for (at, measured) in measured.iter_mut().enumerate() {
                let word = crate::kernels::lap::HEAD + METER * at;
                ticks[at] += counters.words[word];
                laps[at] += counters.words[word + 1];
                measured.calls += counters.words[word + 2];
                measured.work += counters.prepare.total(at);
                measured.work += counters.run.total(at);
            }
        }
        let (each, rate) = (ticks_per_lap(), ticks_per_second());
        for (at, measured) in measured.iter_mut().enumerate() {
            let own = ticks[at] as f64 - each * laps[at] as f64;
            measured.time = Duration::from_secs_f64(own.max(0.0) / rate);
        }
        Some(Laps {
            meters: measured,
            readings: laps.iter().sum(),
            reading: Duration::from_secs_f64(each / rate),
        })
    }

    pub(super) fn counters(&self) -> Option<Box<Counters>> {
        let meters = self.meters.as_ref()?;
        let steps = vec![0; self.time_axes().count()];
        let nothing = Extents {
            batch: 0,
            steps: &steps,
            lengths: &[],
            segments: &[],
        };
        Some(Box::new(Counters {
            words: vec![0; meters.words()],
            prepare: Counted::new(self.work(&nothing, Part::Prepare)),
            run: Counted::new(vec![Work::default(); meters.all.len()]),
        }))
    }

    // Calls have the shape of the workspace from now on.
    pub(super) fn reshape_counters(&self, workspace: &mut Workspace) {
        let Some(mut counters) = workspace.counters.take() else {
            return;
        };
        if let (Some(shape), Some(plan)) = (&workspace.shape, &workspace.plan) {
            let segments: Vec<usize> = (self.time_axes()).map(|axis| plan.segments[axis]).collect();
            let extents = Extents {
                batch: shape.batch,
                steps: &shape.steps,
                lengths: &workspace.lengths,
                segments: &segments,
            };
            counters.run.change(self.work(&extents, Part::Run));
        }
        workspace.counters = Some(counters);
    }

    fn work(&self, extents: &Extents<'_>, part: Part) -> Vec<Work> {
        let Some(meters) = &self.meters else {
            return Vec::new();
        };
        let packed = |id: NodeId| match &self.storage.weights[id] {
            Some(weights) => self.storage.slots[self.storage.packed[weights.packed]].row,
            None => 0,
        };
        let mut all = work_of(&self.schedule, &self.storage, meters, extents, &packed);
        for (work, meter) in all.iter_mut().zip(&meters.all) {
            let of = match meter.task {
                Task::Kernel(_, part) => part,
                Task::Pack(_) => Part::Prepare,
                Task::Stage(_) => continue,
            };
            if of != part {
                *work = Work::default();
            }
        }
        all
    }

    // Right before a part runs: compiled code counts in the words of this workspace.
    pub(super) fn count(&self, workspace: &mut Workspace, part: Part) {
        let Some(counters) = workspace.counters.as_deref_mut() else {
            return;
        };
        match part {
            Part::Prepare => counters.prepare.calls += 1,
            Part::Run => counters.run.calls += 1,
        }
        let address = counters.words.as_mut_ptr() as u64;
        self.layout.set_counters(&mut workspace.context, address);
    }
}

impl Workspace {
    /// In a profiled program, starts a lap: what has passed since the last one counts nowhere.
    #[inline]
    pub fn start_lap(&mut self) {
        if let Some(counters) = self.counters.as_deref_mut() {
            start(&mut counters.words);
        }
    }

    /// In a profiled program, ends a lap: what has passed since the last one was for this stage.
    #[inline]
    pub fn end_lap(&mut self, stage: Stage) {
        if let Some(counters) = self.counters.as_deref_mut() {
            // Programs count how often they were entered themselves.
            let calls = usize::from(stage != Stage::Rest);
            lap(&mut counters.words, stage.word(), calls);
        }
    }

    /// Forgets what was measured.
    pub fn reset_laps(&mut self) {
        if let Some(counters) = self.counters.as_deref_mut() {
            counters.words.fill(0);
            counters.prepare.reset();
            counters.run.reset();
        }
    }
}
