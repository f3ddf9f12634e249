//! Calls: what depends on parameters, and the program itself.
//!
//! **Invariant:** between calls no address of a caller's memory is used.

use super::arguments::{Arguments, CallShape};
use super::shape::argument;
use super::{Executable, Helpers, Workspace};
use crate::error::JitError;
use crate::lower::Part;
use crate::profile::Stage;

impl Executable {
    /// Computes what depends on parameters alone, for new values of them. `params` has every parameter.
    ///
    /// # Errors
    /// A parameter that is missing or of the wrong size.
    pub fn prepare(
        &self,
        workspace: &mut Workspace,
        params: &dyn Arguments,
    ) -> Result<(), JitError> {
        self.check_owner(workspace)?;
        workspace.prepared = false;
        self.point_persistent(workspace);
        self.point_params(workspace, params)?;
        self.count(workspace, Part::Prepare);
        // SAFETY: the workspace is of this executable; the persistent slots were sized by the same plan, parameters checked against their slots; this part of
        // the program touches no others.
        unsafe { self.code.prepare(&workspace.context) };
        workspace.prepared = true;
        Ok(())
    }

    /// Runs the program. [`prepare`](Self::prepare) must have run for these parameters.
    ///
    /// # Errors
    /// An input that is missing, or of another size than the shape says; more memory than the limit.
    pub fn run(
        &self,
        workspace: &mut Workspace,
        params: &dyn Arguments,
        inputs: &dyn Arguments,
        shape: &CallShape,
    ) -> Result<(), JitError> {
        self.run_with(None, workspace, params, inputs, shape)
    }

    /// As [`run`](Self::run), with threads that may take branches of the program's forks. Results are the same bits.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_with(
        &self,
        helpers: Option<Helpers<'_>>,
        workspace: &mut Workspace,
        params: &dyn Arguments,
        inputs: &dyn Arguments,
        shape: &CallShape,
    ) -> Result<(), JitError> {
        self.check_owner(workspace)?;
        workspace.done = false;
        workspace.start_lap();
        if !workspace.prepared {
            self.prepare(workspace, params)?;
        }
        if workspace.shape.as_ref() != Some(shape) {
            self.reshape(workspace, Some(inputs), shape)?;
        }
        self.point_persistent(workspace);
        self.point_handed(workspace)?;
        self.point_params(workspace, params)?;
        workspace.end_lap(Stage::Rest);
        self.point_inputs(workspace, inputs, shape)?;
        workspace.end_lap(Stage::CopyIn);
        self.count(workspace, Part::Run);
        // The laps of a profile are those of one thread.
        let helpers = helpers.filter(|helpers| helpers.most > 0 && self.meters.is_none());
        let plan = workspace.plan.as_ref();
        let together = |at: usize| {
            let (fork, plan) = (self.forks.get(at)?, plan?);
            let pays = fork.saves(shape) >= self.options.fork_work;
            helpers.filter(|_| pays && fork.is_apart(&self.storage, plan))
        };
        // SAFETY: `point_*` have just set every slot to memory of at least the size that the plan for this shape gives it, or to an
        // output's of exactly its elements, which is as good: no access needs more than an element's alignment, or goes past the
        // last element (`guarded` runs programs in memory of such sizes);
        // lengths and live rows are consistent with the shape; counters are those of the workspace. `together` answers helpers
        // only for forks whose branches it has found apart in this plan.
        unsafe { self.code.run(&workspace.context, &together) };
        // SAFETY: the program has come to its end right now.
        unsafe { workspace.handed_are_written() };
        workspace.done = true;
        Ok(())
    }

    // Sizes and offsets of a workspace are those of the program it was made for.
    pub(super) fn check_owner(&self, workspace: &Workspace) -> Result<(), JitError> {
        if workspace.owner == self.id {
            return Ok(());
        }
        Err(argument(
            "workspace",
            "one made for this program".to_owned(),
            "one of another".to_owned(),
        ))
    }
}
