//! Pointwise clusters: one pass over each row, with everything in between in registers.
//!
//! Clusters that [`super::wide`] does not take are emitted here, with 128-bit vectors. Functions that have no instruction
//! (`tanh`, `exp`, ...) are computed by wide kernels on tiles that stay in the first cache: the cluster is cut into stages,
//! each of which leaves the arguments of the next calls in a tile, and goes on with the results after them. What is emitted
//! for one line of a row is in [`super::line`].
//!
//! ```text
//! for a tile of rows
//!     stage 0   a tile of arguments            x + h + b
//!     call      sigmoid on it, in place
//!     stage 1   goes on with it                i * g
//! ```
//!
//! **Invariant:** a node is computed once, in the first stage that has all its operands.

use super::Lower;
use super::address::Run;
use super::lanes::Lanes;
use super::line::{Line, Load};
use crate::kernels::{Function, Kernel as Micro};
use crate::storage::{ELEMENT, pass_through};
use cranelift_codegen::ir::{self, InstBuilder, types};
use rnn_ir::axis::AxisId;
use rnn_ir::node::NodeId;
use rnn_ir::op::{Op, Unary};
use rnn_ir::schedule::{Kernel, packed_strides, sizes, viewed};
use std::collections::BTreeMap;

/// Elements of a tile row that make a call worth while; shorter rows share a tile.
const TILE: usize = 256;

/// A cluster, planned.
struct Plan {
    /// The nodes, operands first.
    nodes: Vec<NodeId>,
    stage: BTreeMap<NodeId, usize>,
    stages: usize,
    /// Tiles: of arguments, and of values that a later stage needs.
    tiles: BTreeMap<NodeId, usize>,
    /// Rows in a tile.
    rows: usize,
    /// Sizes of the axes before the last, when an operand is seen through a view that does not lie as the results do; else a
    /// row is one line.
    outer: Vec<usize>,
    /// Lines in a row and elements in a line.
    lines: usize,
    width: usize,
}

fn tile_rows(width: usize) -> usize {
    (TILE / width.max(1)).max(1)
}

// Elements that all tiles of a cluster take.
fn tiles_elements(tiles: &BTreeMap<NodeId, usize>, each: usize) -> usize {
    tiles.len() * each
}

// The wide kernel that computes a node, and its argument.
pub(super) fn function_of(op: &Op) -> Option<(Function, NodeId)> {
    let Op::Unary(unary, x) = op else { return None };
    let function = match unary {
        Unary::Exp => Function::Exp,
        Unary::Ln => Function::Ln,
        Unary::Sin => Function::Sin,
        Unary::Cos => Function::Cos,
        Unary::Tanh => Function::Tanh,
        Unary::Sigmoid => Function::Sigmoid,
        Unary::Softplus => Function::Softplus,
        Unary::Neg | Unary::Abs | Unary::Sign | Unary::Floor | Unary::Sqrt | Unary::Relu => {
            return None;
        }
    };
    Some((function, *x))
}

impl Lower<'_, '_> {
    pub(super) fn cluster(&mut self, kernel: &Kernel) {
        let unbound = self.unbound(kernel.domain);
        let run = match unbound.as_slice() {
            [axis] if kernel.domain.contains(AxisId::BATCH) => {
                self.cluster_run(&kernel.nodes, *axis)
            }
            _ => Run::Never,
        };
        let wide = self.wide(kernel);
        if let Some(wide) = wide.as_ref().filter(|wide| !wide.single) {
            return self.over(kernel.domain, run, &mut |lower, rows| {
                lower.wide_rows(wide, rows)
            });
        }
        let plan = self.plan(kernel);
        self.narrow |= plan.width > 1;
        if let Some(wide) = wide {
            return self.over(kernel.domain, run, &mut |lower, rows| {
                let equal = ir::condcodes::IntCC::UnsignedLessThanOrEqual;
                let single = lower.b.ins().icmp_imm_u(equal, rows, 1);
                lower.either(
                    single,
                    |lower| lower.wide_rows(&wide, rows),
                    |lower| lower.tiles(&plan, rows),
                );
            });
        }
        self.over(kernel.domain, run, &mut |lower, rows| {
            lower.tiles(&plan, rows)
        });
    }

    fn plan(&self, kernel: &Kernel) -> Plan {
        let graph = &self.schedule.graph;
        let mut stage = BTreeMap::new();
        for id in &kernel.nodes {
            let mut at = 0;
            for operand in self.register_operands(*id) {
                if let Some(before) = stage.get(&operand) {
                    let call = usize::from(function_of(&graph.nodes[operand].op).is_some());
                    at = at.max(before + call);
                }
            }
            stage.insert(*id, at);
        }
        let stages = kernel
            .nodes
            .iter()
            .map(|id| stage[id] + usize::from(function_of(&graph.nodes[*id].op).is_some()) + 1)
            .max()
            .unwrap_or(0);
        let mut needs_tile: Vec<NodeId> = Vec::new();
        for id in &kernel.nodes {
            let later = kernel
                .nodes
                .iter()
                .any(|user| stage[user] > stage[id] && self.register_operands(*user).contains(id));
            let call = function_of(&graph.nodes[*id].op).is_some();
            if call || (later && self.storage.places[*id].is_none()) {
                needs_tile.push(*id);
            }
        }
        // Arguments of one function in one stage lie side by side, for one call.
        needs_tile.sort_by_key(|id| {
            let function = function_of(&graph.nodes[*id].op).map(|(function, _)| function as usize);
            (function.is_none(), stage[id], function, *id)
        });
        let tiles: BTreeMap<NodeId, usize> = needs_tile
            .into_iter()
            .enumerate()
            .map(|(at, id)| (id, at))
            .collect();
        let total = self.width(kernel.nodes[0]);
        let mut outer = sizes(&graph.nodes[kernel.nodes[0]].ty);
        outer.pop();
        if self.is_flat(kernel) {
            outer.clear();
        }
        let lines: usize = outer.iter().product();
        let rows = tile_rows(total);
        self.scratch
            .set(self.scratch.get().max(tiles_elements(&tiles, rows * total)));
        Plan {
            nodes: kernel.nodes.clone(),
            stage,
            stages,
            tiles,
            rows,
            outer,
            lines,
            width: total / lines.max(1),
        }
    }

    // The cluster members that a node finds in registers.
    fn register_operands(&self, id: NodeId) -> Vec<NodeId> {
        let op = &self.schedule.graph.nodes[id].op;
        if viewed(op).is_some() && !matches!(op, Op::StopGradient(_)) {
            return Vec::new();
        }
        let operands = op
            .operands()
            .into_iter()
            .map(|operand| pass_through(self.schedule, operand));
        operands
            .filter(|operand| self.storage.in_register(self.schedule, id, *operand))
            .collect()
    }

    // Whether every operand's features are one run, as the results' are, or one scalar for all.
    pub(super) fn is_flat(&self, kernel: &Kernel) -> bool {
        let graph = &self.schedule.graph;
        kernel.nodes.iter().all(|id| {
            let shape = sizes(&graph.nodes[*id].ty);
            self.memory_operands(*id).into_iter().all(|operand| {
                let strides = self.strides(*id, operand);
                strides == packed_strides(&shape) || strides.iter().all(|stride| *stride == 0)
            })
        })
    }

    // How a reader sees an operand's features. A copy of a view reads what the view shows; others read the copy.
    pub(super) fn strides(&self, reader: NodeId, operand: NodeId) -> Vec<usize> {
        let (forms, graph) = (&self.schedule.forms, &self.schedule.graph);
        let strides = if reader == operand {
            forms.view_strides(graph, operand)
        } else {
            forms.strides(graph, operand)
        };
        strides.expect("views with two layouts are materialised")
    }

    // What a node loads: operands that are no register, or, for a copy of a view, the view itself.
    fn memory_operands(&self, id: NodeId) -> Vec<NodeId> {
        let op = &self.schedule.graph.nodes[id].op;
        if viewed(op).is_some() && !matches!(op, Op::StopGradient(_)) {
            return vec![id];
        }
        let registers = self.register_operands(id);
        let constant = |id: &NodeId| matches!(self.schedule.graph.nodes[*id].op, Op::Const(_));
        let mut out = op.operands();
        out.retain(|operand| {
            let through = pass_through(self.schedule, *operand);
            !registers.contains(&through) && !constant(&through)
        });
        out
    }

    fn cluster_run(&self, nodes: &[NodeId], axis: AxisId) -> Run {
        let runs = nodes.iter().map(|id| {
            let op = &self.schedule.graph.nodes[*id].op;
            let by_row = matches!(
                op,
                Op::Shift { .. } | Op::At { .. } | Op::Place { .. } | Op::Step(_) | Op::Length(_)
            );
            let copies = viewed(op).filter(|_| !matches!(op, Op::StopGradient(_)));
            let loads = match copies {
                Some(x) => vec![x],
                None => self.memory_operands(*id),
            };
            let stored = self.storage.places[*id].is_none() || self.flattens_stored(*id, axis);
            if by_row || !stored {
                return Run::Never;
            }
            let loads = loads.into_iter().map(|operand| self.run(operand, axis));
            loads.max().unwrap_or(Run::Always)
        });
        runs.max().unwrap_or(Run::Always)
    }

    fn flattens_stored(&self, id: NodeId, axis: AxisId) -> bool {
        let stored = self.storage.slots[self.place(id).slot].stored;
        stored.contains(axis)
            && stored.contains(AxisId::BATCH)
            && stored.time_axes().next_back() == Some(axis)
    }

    fn tiles(&mut self, plan: &Plan, rows: ir::Value) {
        if plan.tiles.is_empty() {
            let zero = self.int(0);
            self.stage(plan, 0, zero, rows);
            return;
        }
        let height = i64::try_from(plan.rows).expect("a tile has few rows");
        self.count(rows, height, |lower, first| {
            let left = lower.b.ins().isub(rows, first);
            let most = lower.int(plan.rows);
            let count = lower.b.ins().umin(left, most);
            for stage in 0..plan.stages {
                lower.stage(plan, stage, first, count);
                lower.calls(plan, stage, count);
            }
        });
    }

    fn tile_address(&mut self, plan: &Plan, tile: usize) -> ir::Value {
        let base = self.slot_address(self.storage.scratch[self.branch]);
        let bytes = self.int(tile * plan.rows * plan.lines * plan.width * ELEMENT);
        self.b.ins().iadd(base, bytes)
    }

    fn calls(&mut self, plan: &Plan, stage: usize, count: ir::Value) {
        let mut groups: Vec<(Function, usize, usize)> = Vec::new();
        let mut calls: Vec<(usize, Function)> = (plan.tiles.iter())
            .filter(|(id, _)| plan.stage[id] == stage)
            .filter_map(|(id, tile)| {
                Some((*tile, function_of(&self.schedule.graph.nodes[*id].op)?.0))
            })
            .collect();
        calls.sort_unstable_by_key(|(tile, _)| *tile);
        for (tile, function) in calls {
            match groups.last_mut() {
                Some((before, first, many))
                    if plan.rows == 1 && *before == function && *first + *many == tile =>
                {
                    *many += 1;
                }
                _ => groups.push((function, tile, 1)),
            }
        }
        for (function, first, many) in groups {
            let at = self.tile_address(plan, first);
            let per_row = self.int(many * plan.lines * plan.width);
            let n = self.b.ins().imul(count, per_row);
            self.call(Micro::Map(function), &[at, at, n]);
        }
    }

    fn stage(&mut self, plan: &Plan, stage: usize, first: ir::Value, count: ir::Value) {
        let graph = &self.schedule.graph;
        let members: Vec<NodeId> = plan
            .nodes
            .iter()
            .copied()
            .filter(|id| plan.stage[id] == stage)
            .collect();
        // Results of the calls before this stage that have a place of their own.
        let arrived: Vec<NodeId> = (plan.nodes.iter().copied())
            .filter(|id| plan.stage[id] + 1 == stage && function_of(&graph.nodes[*id].op).is_some())
            .filter(|id| self.storage.places[*id].is_some())
            .collect();
        if members.is_empty() && arrived.is_empty() {
            return;
        }
        self.count(count, 1, |lower, index| {
            let row = lower.b.ins().iadd(first, index);
            let mut line = Line::new(index);
            lower.prepare(plan, stage, &members, &arrived, row, &mut line);
            lower.lines_from(plan, 0, &members, &arrived, &line);
        });
    }

    // Loops over the axes before the last, from one on.
    fn lines_from(
        &mut self,
        plan: &Plan,
        axis: usize,
        members: &[NodeId],
        arrived: &[NodeId],
        line: &Line,
    ) {
        let Some(size) = plan.outer.get(axis) else {
            return self.line(plan.width, members, arrived, line);
        };
        let size = self.int(*size);
        self.count(size, 1, |lower, at| {
            let moved = lower.move_line(line, axis, size, at);
            lower.lines_from(plan, axis + 1, members, arrived, &moved);
        });
    }

    // The addresses that a stage needs for a row, and the values that are one for the whole row.
    fn prepare(
        &mut self,
        plan: &Plan,
        stage: usize,
        members: &[NodeId],
        arrived: &[NodeId],
        row: ir::Value,
        line: &mut Line,
    ) {
        for id in members {
            let node = &self.schedule.graph.nodes[*id];
            if let Op::Step(_) | Op::Length(_) = node.op {
                let value = self.scalar(*id, row);
                line.scalars.insert(*id, value);
            }
            let copied = viewed(&node.op).is_some() && !matches!(node.op, Op::StopGradient(_));
            for operand in self.memory_operands(*id) {
                if line.loads.contains_key(&operand) {
                    continue;
                }
                let address = if copied {
                    self.viewed_address(operand, row)
                } else {
                    self.address(operand, row)
                };
                let strides = self.strides(*id, operand);
                let dtype = self.schedule.graph.nodes[operand].ty.dtype;
                if !strides.is_empty() && strides.iter().all(|stride| *stride == 0) {
                    let value = self.load(Lanes::One, dtype, address);
                    line.scalars.insert(operand, value);
                }
                let inner = strides.last().copied().unwrap_or(1);
                line.loads.insert(
                    operand,
                    Load {
                        address,
                        steps: strides,
                        inner,
                    },
                );
            }
            for operand in self.register_operands(*id) {
                if plan.stage[&operand] < stage {
                    self.later_load(plan, operand, row, line);
                }
            }
            if function_of(&node.op).is_none() && self.storage.places[*id].is_some() {
                let address = self.stored_address(*id, row);
                line.stores.insert(*id, address);
            }
        }
        for id in arrived {
            self.later_load(plan, *id, row, line);
            let address = self.stored_address(*id, row);
            line.stores.insert(*id, address);
        }
        for id in members {
            if let Some(tile) = plan.tiles.get(id) {
                let address = self.tile_row(plan, *tile, line.index);
                line.tiles.insert(*id, address);
            }
        }
    }

    // A step or a length, as a real.
    pub(super) fn scalar(&mut self, id: NodeId, row: ir::Value) -> ir::Value {
        let number = match self.schedule.graph.nodes[id].op {
            Op::Step(axis) => {
                let step = self.step(axis);
                self.b.ins().iadd_imm_s(step, 1)
            }
            Op::Length(axis) => self.length(axis, row),
            _ => unreachable!("steps and lengths are the scalars of a cluster"),
        };
        self.b.ins().fcvt_from_uint(types::F32, number)
    }

    // A value of an earlier stage: from its tile, or from where it is stored.
    fn later_load(&mut self, plan: &Plan, id: NodeId, row: ir::Value, line: &mut Line) {
        if line.later.contains_key(&id) {
            return;
        }
        let address = match plan.tiles.get(&id) {
            Some(tile) => self.tile_row(plan, *tile, line.index),
            None => self.stored_address(id, row),
        };
        line.later.insert(id, address);
    }

    fn tile_row(&mut self, plan: &Plan, tile: usize, index: ir::Value) -> ir::Value {
        let base = self.tile_address(plan, tile);
        let bytes = self.int(plan.lines * plan.width * ELEMENT);
        let offset = self.b.ins().imul(index, bytes);
        self.b.ins().iadd(base, offset)
    }
}
