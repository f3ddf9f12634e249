//! Calls of some examples of a larger batch, whose other rows nothing may read.

use rnn_ir::axis::AxisId;
use rnn_ir::id::Id;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_jit::{Arguments, CallShape, Executable, JitError, OwnedValue, PartOf, Value, Workspace};

/// Rows before and behind those of the call.
const BESIDE: [usize; 2] = [2, 1];

struct Among<'a> {
    alone: &'a dyn Arguments,
    own: Vec<(NodeId, OwnedValue)>,
    part: PartOf,
}

impl Arguments for Among<'_> {
    fn value(&self, node: NodeId) -> Option<Value<'_>> {
        let mut own = self.own.iter();
        match own.find(|(known, _)| *known == node) {
            Some((_, value)) => Some(value.value()),
            None => self.alone.value(node),
        }
    }

    fn part_of(&self) -> Option<PartOf> {
        Some(self.part)
    }
}

// The rows of every step with others before and behind them.
fn widened<T: Copy>(alone: &[T], steps: usize, batch: usize, poison: T) -> Vec<T> {
    let rows = (steps * batch).max(1);
    let width = alone.len() / rows;
    let [before, behind] = BESIDE.map(|rows| vec![poison; rows * width]);
    let mut all = Vec::new();
    for step in 0..steps {
        all.extend_from_slice(&before);
        all.extend_from_slice(&alone[step * batch * width..][..batch * width]);
        all.extend_from_slice(&behind);
    }
    all
}

/// As `Executable::run`, with inputs among those of other examples: not a number, tokens that no table has, and true.
pub(crate) fn run(
    executable: &Executable,
    workspace: &mut Workspace,
    params: &dyn Arguments,
    inputs: &dyn Arguments,
    shape: &CallShape,
) -> Result<(), JitError> {
    let mut own = Vec::new();
    for (id, node) in executable.graph().nodes.iter() {
        let by_row = node.ty.domain.contains(AxisId::BATCH);
        let Some(value) = inputs
            .value(id)
            .filter(|_| by_row && matches!(node.op, Op::Input { .. }))
        else {
            continue;
        };
        let times = node.ty.domain.time_axes();
        let steps: usize = times.map(|axis| shape.steps[axis.index() - 1]).product();
        own.push((
            id,
            match value {
                Value::Real(alone) => {
                    OwnedValue::Real(widened(alone, steps, shape.batch, f32::NAN))
                }
                Value::Index(alone) => {
                    OwnedValue::Index(widened(alone, steps, shape.batch, u32::MAX))
                }
                Value::Bool(alone) => OwnedValue::Bool(widened(alone, steps, shape.batch, true)),
            },
        ));
    }
    let part = PartOf {
        first: BESIDE[0],
        batch: BESIDE[0] + shape.batch + BESIDE[1],
    };
    let among = Among {
        alone: inputs,
        own,
        part,
    };
    executable.run(workspace, params, &among, shape)
}
