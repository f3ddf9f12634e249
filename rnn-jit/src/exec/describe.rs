//! The memory of a program as text.
//!
//! **Invariant:** the text depends on the program, the batch and the steps alone.

use super::Executable;
use super::arguments::CallShape;
use crate::error::JitError;
use crate::plan::{self, Plan};
use crate::storage::{Owner, SlotId};
use rnn_ir::axis::AxisId;
use rnn_ir::id::Id;
use rnn_ir::node::NodeId;
use rnn_ir::schedule::Item;
use std::fmt::Write;

/// What is stored between the items of a program, and what is computed twice instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Residuals {
    /// Values that a later loop or kernel reads: stored for all steps of their axes.
    pub whole: Vec<String>,
    /// Values that a later loop reads in the segment that computed them: stored for one segment.
    pub segment: Vec<String>,
    /// Values that each segment starts from: saved at its border.
    pub borders: Vec<String>,
    /// Values that are computed again for each segment of a backward pass.
    pub again: Vec<String>,
}

impl Executable {
    /// What the program stores from one of its items for another, and what it computes again: names of equations, or of
    /// nodes that have none.
    pub fn residuals(&self) -> Residuals {
        let mut out = Residuals::default();
        let results = &self.schedule.graph.results;
        let result = |node: NodeId| results.iter().any(|result| result.node == node);
        for (id, slot) in self.storage.slots.iter() {
            let timed = slot.stored.time_axes().next().is_some();
            let apart = self.intervals[id].is_some_and(|interval| interval.first < interval.last);
            match slot.owner {
                Owner::Borders(of) => out.borders.extend(self.names_in(of)),
                Owner::Computed(node)
                    if timed && apart && slot.block.is_none() && !result(node) =>
                {
                    let list = match slot.segment {
                        Some(_) => &mut out.segment,
                        None => &mut out.whole,
                    };
                    list.extend(self.names_in(id));
                }
                _ => {}
            }
        }
        for item in &self.schedule.items {
            if let Item::Segments { again, .. } = item {
                let nodes = again.iter().flat_map(Item::nodes);
                out.again.extend(nodes.map(|id| self.name_of_node(id)));
            }
        }
        out
    }

    // The values that lie in a slot: its parts, or the whole where it has none.
    fn names_in(&self, slot: SlotId) -> Vec<String> {
        let ids = self.schedule.graph.nodes.ids();
        let mut all: Vec<NodeId> = ids
            .filter(|id| self.storage.places[*id].is_some_and(|place| place.slot == slot))
            .collect();
        if let Owner::Computed(whole) = self.storage.slots[slot].owner
            && all.len() > 1
        {
            all.retain(|id| *id != whole);
        }
        all.into_iter().map(|id| self.name_of_node(id)).collect()
    }

    fn name_of_node(&self, id: NodeId) -> String {
        let name = self.schedule.graph.nodes[id].name.clone();
        name.unwrap_or_else(|| id.to_string())
    }

    /// The memory plan for a batch: what is stored for how long, and a line a slot.
    ///
    /// # Errors
    /// Sizes beyond the address space.
    pub fn describe_memory(&self, batch: usize, steps: usize) -> Result<String, JitError> {
        let shape = CallShape {
            batch,
            steps: vec![steps; self.time_axes().count()],
            ..CallShape::default()
        };
        let plan = self.plan(&shape, 0)?;
        let mut out = String::new();
        let _ = writeln!(
            out,
            "arena {} bytes for a batch of {batch}, {steps} steps",
            plan.total
        );
        let residuals = self.residuals();
        for (what, names) in [
            ("stored for all steps", residuals.whole),
            ("stored for a segment", residuals.segment),
            ("saved at the borders of segments", residuals.borders),
            ("computed again", residuals.again),
        ] {
            if !names.is_empty() {
                let _ = writeln!(out, "{what}: {}", names.join(" "));
            }
        }
        for (id, slot) in self.storage.slots.iter() {
            let (Some(at), Some(interval)) = (plan.offsets[id], self.intervals[id]) else {
                continue;
            };
            let axes: Vec<String> = slot
                .stored
                .axes()
                .map(|axis| self.described_axis(id, axis, &plan, &shape))
                .collect();
            let _ = writeln!(
                out,
                "{at:>10} +{:<10} items {:>2}..{:<2} [{}] x {:<6} {}",
                plan.bytes[id],
                interval.first,
                interval.last,
                axes.join(", "),
                slot.row,
                plan::owner_name(&self.schedule, &self.storage, slot.owner)
            );
        }
        Ok(out)
    }

    // An axis of a slot, with the steps that are stored of it where these are not all.
    fn described_axis(&self, id: SlotId, axis: AxisId, plan: &Plan, shape: &CallShape) -> String {
        let name = &self.schedule.graph.axes[axis].name;
        if axis == AxisId::BATCH {
            return name.clone();
        }
        let (all, segment) = (shape.steps[axis.index() - 1], plan.segments[axis]);
        let kept = (self.storage).kept_steps(id, axis, shape.batch, all, segment);
        match kept == all {
            true => name.clone(),
            false => format!("{kept} of {name}"),
        }
    }
}
