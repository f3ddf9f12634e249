//! How many steps a segment has: all of them where that fits into the bytes that a call may take, else as many as fit.
//!
//! A call in one segment computes nothing twice. In more, the forward pass of all but the last runs once more, however many
//! there are; so the longest that fit are taken. Fewer bytes than a segment of about the square root of the steps needs are
//! not to be had this way.
//!
//! **Invariant:** the plan chosen depends on the shape and its limit alone.

use super::Executable;
use super::arguments::CallShape;
use crate::error::JitError;
use crate::plan::{Extents, Plan};
use rnn_ir::axis::AxisId;
use rnn_ir::id::Id;

impl Executable {
    /// The plan for a shape that leaves `beside` bytes for what does not lie in the arena.
    pub(super) fn plan(&self, shape: &CallShape, beside: usize) -> Result<Plan, JitError> {
        let all = |axis: AxisId| shape.steps[axis.index() - 1];
        if let Some(steps) = self.options.segment_steps {
            return self.plan_in(shape, &|axis| steps.min(all(axis)));
        }
        let mut plan = self.plan_in(shape, &all)?;
        let Some(limit) = shape.limit else {
            return Ok(plan);
        };
        let fits = |plan: &Plan| plan.total.saturating_add(beside) <= limit;
        let axes = self.storage.segmented.iter();
        let longest = axes.map(|axis| all(*axis)).max().unwrap_or(0);
        let (mut steps, mut least) = (longest, plan.total);
        while !fits(&plan) && steps > 1 {
            // The fewest segments that are shorter than those before.
            let pieces = longest.div_ceil(steps - 1);
            steps = longest.div_ceil(pieces);
            plan = self.plan_in(shape, &|axis| all(axis).div_ceil(pieces))?;
            least = least.min(plan.total);
        }
        if fits(&plan) {
            return Ok(plan);
        }
        Err(JitError::MemoryLimit {
            needed: least.saturating_add(beside),
            limit,
            batch: shape.batch,
        })
    }

    fn plan_in(
        &self,
        shape: &CallShape,
        segment: &dyn Fn(AxisId) -> usize,
    ) -> Result<Plan, JitError> {
        let extents = Extents {
            batch: shape.batch,
            steps: &|axis| shape.steps[axis.index() - 1],
            segment: &|axis| segment(axis).max(self.storage.least_segment(axis)),
        };
        Plan::new(&self.schedule, &self.storage, &self.intervals, extents)
    }

    /// Steps in a segment of each time axis that runs in segments, for a shape: the axis, its steps, and those of a segment.
    ///
    /// # Errors
    /// A shape that is not one of this program, sizes beyond the address space, more bytes than the shape's limit.
    pub fn segments(&self, shape: &CallShape) -> Result<Vec<(AxisId, usize, usize)>, JitError> {
        let (plan, _) = self.check_shape(shape, None)?;
        let axes = self.storage.segmented.iter();
        Ok(axes
            .map(|axis| {
                let all = shape.steps[axis.index() - 1];
                (*axis, all, plan.segments[*axis].min(all))
            })
            .collect())
    }
}
