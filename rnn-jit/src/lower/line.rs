//! One line of a cluster's row: vectors of four lanes, then what is left one by one.
//!
//! **Invariant:** an operand is loaded at most once for its elements, and what is one value for the whole line before it.

use super::Lower;
use super::cluster::function_of;
use super::lanes::Lanes;
use crate::storage::{ELEMENT, pass_through};
use cranelift_codegen::ir::{self, InstBuilder};
use rnn_ir::node::{DType, NodeId};
use rnn_ir::op::Op;
use rnn_ir::schedule::viewed;
use std::collections::BTreeMap;

/// Where an operand of a line lies.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) address: ir::Value,
    /// Elements from an entry to the next, along each axis.
    pub(super) steps: Vec<usize>,
    /// Elements from a feature to the next: 0 for one value a line, more than 1 only in the copy of a view.
    pub(super) inner: usize,
}

/// Where a row's operands and results are.
#[derive(Clone)]
pub(super) struct Line {
    /// The row in the tile.
    pub(super) index: ir::Value,
    /// The line in the row, when a row has several.
    pub(super) at: Option<ir::Value>,
    pub(super) loads: BTreeMap<NodeId, Load>,
    pub(super) later: BTreeMap<NodeId, ir::Value>,
    pub(super) stores: BTreeMap<NodeId, ir::Value>,
    pub(super) tiles: BTreeMap<NodeId, ir::Value>,
    pub(super) scalars: BTreeMap<NodeId, ir::Value>,
}

impl Line {
    pub(super) fn new(index: ir::Value) -> Self {
        Self {
            index,
            at: None,
            loads: BTreeMap::new(),
            later: BTreeMap::new(),
            stores: BTreeMap::new(),
            tiles: BTreeMap::new(),
            scalars: BTreeMap::new(),
        }
    }
}

impl Lower<'_, '_> {
    // The addresses of another line of the same row: `at` entries along an axis of some size.
    pub(super) fn move_line(
        &mut self,
        line: &Line,
        axis: usize,
        size: ir::Value,
        at: ir::Value,
    ) -> Line {
        let mut moved = line.clone();
        for load in moved.loads.values_mut() {
            let bytes = self.int(load.steps[axis] * ELEMENT);
            let offset = self.b.ins().imul(at, bytes);
            load.address = self.b.ins().iadd(load.address, offset);
        }
        moved.at = Some(match line.at {
            None => at,
            Some(outer) => {
                let outer = self.b.ins().imul(outer, size);
                self.b.ins().iadd(outer, at)
            }
        });
        moved
    }

    /// Emits some members of a cluster for one line, and stores the results of calls that have arrived.
    pub(super) fn line(
        &mut self,
        width: usize,
        members: &[NodeId],
        arrived: &[NodeId],
        line: &Line,
    ) {
        let mut line = line.clone();
        if let Some(at) = line.at {
            let bytes = self.int(width * ELEMENT);
            let offset = self.b.ins().imul(at, bytes);
            let Line {
                stores,
                tiles,
                later,
                ..
            } = &mut line;
            for address in stores
                .values_mut()
                .chain(tiles.values_mut())
                .chain(later.values_mut())
            {
                *address = self.b.ins().iadd(*address, offset);
            }
        }
        // One value for the whole line is loaded before it.
        let once: Vec<(NodeId, ir::Value)> = (line.loads.iter())
            .filter(|(id, load)| load.inner == 0 && !line.scalars.contains_key(id))
            .map(|(id, load)| (*id, load.address))
            .collect();
        for (id, address) in once {
            let dtype = self.schedule.graph.nodes[id].ty.dtype;
            let value = self.load(Lanes::One, dtype, address);
            line.scalars.insert(id, value);
        }
        // A transposed operand is read element by element.
        let apart = line.loads.values().any(|load| load.inner > 1);
        let vectors = if apart { 0 } else { width / 4 * 4 };
        if vectors > 0 {
            let mut splats = BTreeMap::new();
            for (id, scalar) in &line.scalars {
                let dtype = self.schedule.graph.nodes[*id].ty.dtype;
                splats.insert(*id, self.splat(Lanes::Four, dtype, *scalar));
            }
            let end = self.int(vectors * ELEMENT);
            self.count(end, 16, |lower, offset| {
                lower.elements(Lanes::Four, members, arrived, &line, &splats, offset);
            });
        }
        if vectors < width {
            let rest = self.int((width - vectors) * ELEMENT);
            let start = self.int(vectors * ELEMENT);
            let scalars = line.scalars.clone();
            self.count(rest, 4, |lower, offset| {
                let offset = lower.b.ins().iadd(start, offset);
                lower.elements(Lanes::One, members, arrived, &line, &scalars, offset);
            });
        }
    }

    fn elements(
        &mut self,
        lanes: Lanes,
        members: &[NodeId],
        arrived: &[NodeId],
        line: &Line,
        once: &BTreeMap<NodeId, ir::Value>,
        offset: ir::Value,
    ) {
        let mut values: BTreeMap<NodeId, ir::Value> = once.clone();
        for id in members {
            let node = self.schedule.graph.nodes[*id].clone();
            let value = match &node.op {
                Op::Step(_) | Op::Length(_) => once[id],
                op if viewed(op).is_some() && !matches!(op, Op::StopGradient(_)) => {
                    self.operand(lanes, line, &mut values, *id, offset)
                }
                Op::Unary(unary, x) => {
                    let x = self.operand(lanes, line, &mut values, *x, offset);
                    // The argument of a call; its result is a tile of the next stage.
                    self.unary(lanes, *unary, x).unwrap_or(x)
                }
                Op::Binary(binary, a, b) => {
                    let a = self.operand(lanes, line, &mut values, *a, offset);
                    let b = self.operand(lanes, line, &mut values, *b, offset);
                    self.binary(*binary, a, b)
                }
                Op::Compare(compare, a, b) => {
                    let dtype = self.schedule.graph.nodes[*a].ty.dtype;
                    let a = self.operand(lanes, line, &mut values, *a, offset);
                    let b = self.operand(lanes, line, &mut values, *b, offset);
                    self.compare(lanes, dtype, *compare, a, b)
                }
                Op::Select(condition, then, otherwise) => {
                    let condition = self.operand(lanes, line, &mut values, *condition, offset);
                    let then = self.operand(lanes, line, &mut values, *then, offset);
                    let otherwise = self.operand(lanes, line, &mut values, *otherwise, offset);
                    self.choose(lanes, node.ty.dtype, condition, then, otherwise)
                }
                Op::Mix(a, b) => {
                    let kind = self.schedule.graph.nodes[*b].ty.dtype;
                    let a = self.operand(lanes, line, &mut values, *a, offset);
                    let b = self.operand(lanes, line, &mut values, *b, offset);
                    self.mix(lanes, a, (b, kind))
                }
                Op::Uniform(x) => {
                    let bits = self.operand(lanes, line, &mut values, *x, offset);
                    self.uniform(lanes, bits)
                }
                Op::Token(x) => {
                    let x = self.operand(lanes, line, &mut values, *x, offset);
                    self.whole_part(lanes, x)
                }
                Op::StopGradient(x) => self.operand(lanes, line, &mut values, *x, offset),
                _ => unreachable!("a cluster has pointwise members alone"),
            };
            if let Some(address) = line.tiles.get(id) {
                let address = self.b.ins().iadd(*address, offset);
                self.store(value, address);
            }
            if let Some(address) = line.stores.get(id) {
                let address = self.b.ins().iadd(*address, offset);
                self.store(value, address);
            }
            if function_of(&node.op).is_none() {
                values.insert(*id, value);
            }
        }
        for id in arrived {
            let value = match values.get(id) {
                Some(value) => *value,
                None => {
                    let address = self.b.ins().iadd(line.later[id], offset);
                    self.load(lanes, DType::Real, address)
                }
            };
            let address = self.b.ins().iadd(line.stores[id], offset);
            self.store(value, address);
        }
    }

    // The value of an operand for these elements, loaded at most once.
    fn operand(
        &mut self,
        lanes: Lanes,
        line: &Line,
        values: &mut BTreeMap<NodeId, ir::Value>,
        id: NodeId,
        offset: ir::Value,
    ) -> ir::Value {
        if let Some(value) = values.get(&id) {
            return *value;
        }
        let through = pass_through(self.schedule, id);
        if let Some(value) = values.get(&through) {
            return *value;
        }
        let node = &self.schedule.graph.nodes[through];
        let dtype = node.ty.dtype;
        if let Op::Const(number) = node.op {
            return self.number(lanes, dtype, number.0);
        }
        let (key, address, inner) = match (line.loads.get(&id), line.later.get(&through)) {
            (Some(load), _) => (id, load.address, load.inner),
            (None, Some(address)) => (through, *address, 1),
            (None, None) => unreachable!("an operand is a register, a load or a constant"),
        };
        let offset = if inner == 1 {
            offset
        } else {
            let inner = self.int(inner);
            self.b.ins().imul(offset, inner)
        };
        let address = self.b.ins().iadd(address, offset);
        let value = self.load(lanes, dtype, address);
        values.insert(key, value);
        value
    }
}
