//! Weights as a layout: which blocks of which parameters make up the matrix of a product.
//!
//! Stacked gates, transposes and column slices of parameters are never built in memory; packing reads the parameters
//! where they are.
//!
//! **Invariant:** the blocks of a matrix cover each of its elements once.

use rnn_ir::id::SideTable;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Form, Schedule, packed_strides, sizes};

/// A part of a matrix, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightBlock {
    /// The parameter, or the value computed from parameters.
    pub source: NodeId,
    /// First element in the source.
    pub offset: usize,
    /// Elements from a row to the next, in the source.
    pub row_stride: usize,
    /// Elements from a column to the next, in the source.
    pub col_stride: usize,
    /// Rows of the block.
    pub rows: usize,
    /// Columns of the block.
    pub cols: usize,
    /// First row in the matrix.
    pub dst_row: usize,
    /// First column in the matrix.
    pub dst_col: usize,
}

/// The matrix `[m, k]` of a product `Y[n, m] = X[n, k] @ W.T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Its parts.
    pub blocks: Vec<WeightBlock>,
    /// Outputs.
    pub m: usize,
    /// Inputs.
    pub k: usize,
    /// Whether the matrix is the left operand.
    pub left: bool,
    /// Which packed slot holds it.
    pub packed: usize,
}

/// The weights of a product of a matrix made of parameters with a vector.
pub fn of_product(
    schedule: &Schedule,
    prepared: &SideTable<NodeId, bool>,
    id: NodeId,
) -> Option<Weights> {
    let Op::MatMul(a, b) = schedule.graph.nodes[id].op else {
        return None;
    };
    let rank = |id: NodeId| schedule.graph.nodes[id].ty.shape.rank();
    let (matrix, left) = match (rank(a), rank(b)) {
        (2, 1) if prepared[a] && !prepared[b] => (a, true),
        (1, 2) if prepared[b] && !prepared[a] => (b, false),
        _ => return None,
    };
    let mut blocks = blocks(schedule, matrix)?;
    if !left {
        transpose(&mut blocks);
    }
    let shape = sizes(&schedule.graph.nodes[matrix].ty);
    let (m, k) = if left {
        (shape[0], shape[1])
    } else {
        (shape[1], shape[0])
    };
    Some(Weights {
        blocks,
        m,
        k,
        left,
        packed: 0,
    })
}

fn transpose(blocks: &mut [WeightBlock]) {
    for block in blocks {
        std::mem::swap(&mut block.row_stride, &mut block.col_stride);
        std::mem::swap(&mut block.rows, &mut block.cols);
        std::mem::swap(&mut block.dst_row, &mut block.dst_col);
    }
}

fn blocks(schedule: &Schedule, id: NodeId) -> Option<Vec<WeightBlock>> {
    let node = &schedule.graph.nodes[id];
    let shape = sizes(&node.ty);
    match &node.op {
        Op::StopGradient(x) => blocks(schedule, *x),
        Op::Transpose(x) => {
            let mut out = blocks(schedule, *x)?;
            transpose(&mut out);
            Some(out)
        }
        Op::Slice { x, at, start, len } => {
            let start = usize::try_from(start.as_constant()?).ok()?;
            let len = usize::try_from(len.as_constant()?).ok()?;
            Some(
                blocks(schedule, *x)?
                    .iter()
                    .filter_map(|block| crop(block, *at, start, len))
                    .collect(),
            )
        }
        Op::Concat { parts, at } => {
            let mut out = Vec::new();
            let mut offset = 0;
            for part in parts {
                for mut block in blocks(schedule, *part)? {
                    if *at == 0 {
                        block.dst_row += offset;
                    } else {
                        block.dst_col += offset;
                    }
                    out.push(block);
                }
                offset += sizes(&schedule.graph.nodes[*part].ty)[*at];
            }
            Some(out)
        }
        _ if schedule.forms[id] == Form::View => None,
        _ => {
            let strides = packed_strides(&shape);
            Some(vec![WeightBlock {
                source: id,
                offset: 0,
                row_stride: strides[0],
                col_stride: strides[1],
                rows: shape[0],
                cols: shape[1],
                dst_row: 0,
                dst_col: 0,
            }])
        }
    }
}

// The part of a block inside `start..start + len` along an axis, relative to `start`.
fn crop(block: &WeightBlock, at: usize, start: usize, len: usize) -> Option<WeightBlock> {
    let (first, size, stride) = match at {
        0 => (block.dst_row, block.rows, block.row_stride),
        _ => (block.dst_col, block.cols, block.col_stride),
    };
    let low = first.max(start);
    let high = (first + size).min(start + len);
    if low >= high {
        return None;
    }
    let mut out = block.clone();
    out.offset += (low - first) * stride;
    if at == 0 {
        (out.dst_row, out.rows) = (low - start, high - low);
    } else {
        (out.dst_col, out.cols) = (low - start, high - low);
    }
    Some(out)
}
