//! Pointwise clusters as calls of code as wide as the machine ([`crate::wide`]).
//!
//! A cluster goes there when the lines of everything it reads are contiguous, or one value for the whole line, and all it computes
//! has instructions ([`record`]). The calling code ([`call`]) fills a table on its stack: the address of each stream, as [`super::address`] computes it, and the bytes from a row
//! to the next. Where that depends on a row's own length, one call serves all rows when no example is shorter, and else each
//! row gets its own.
//!
//! **Invariant:** the rows of a stream, at the stride in the table, are the rows that the storage gives its node.

mod call;
mod record;

use super::Lower;
use super::cluster::function_of;
use crate::kernels::Isa;
use crate::wide::{self, Access, LANES, Program, Stream};
use rnn_ir::axis::AxisId;
use rnn_ir::id::Id;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Form, Kernel, sizes, viewed};
use std::collections::BTreeSet;
use std::time::Instant;

/// Tenths of the lanes of its vectors that a row of functions has to use.
///
/// Measured on the gates of an LSTM: rows of 11 or 13 are faster here, rows of 8 or 20 slower.
const LEAST_TENTHS: usize = 7;

/// What a stream is the memory of.
enum Source {
    /// Something read; elements from an entry to the next along each axis of its shape.
    Operand {
        id: NodeId,
        /// Whether it is read as the view shows it, to be copied.
        copied: bool,
        steps: Vec<usize>,
    },
    /// A number that the calling code has.
    Scalar(NodeId),
    /// What a node is stored in.
    Result(NodeId),
}

/// Whether all rows of all streams are one line.
enum Runs {
    Never,
    /// If the strides of these streams, which depend on the step, are a row.
    If(Vec<Stream>),
}

/// A cluster that has been compiled.
pub(super) struct Wide {
    /// Position among the functions of the module.
    function: u32,
    /// By [`Stream`].
    sources: Vec<Source>,
    /// Sizes of the axes before the last, if operands do not lie as results do.
    outer: Vec<usize>,
    width: usize,
    runs: Runs,
    /// Whether the function is faster for a single row alone.
    pub(super) single: bool,
    /// Axes whose lengths tell where a row is read.
    lengths: Vec<AxisId>,
}

impl Lower<'_, '_> {
    /// Compiles a cluster; `None` for those that 128-bit code serves.
    pub(super) fn wide(&mut self, kernel: &Kernel) -> Option<Wide> {
        let (first, start) = (self.first_wide?, Instant::now());
        if self.isa != Isa::Avx512 {
            return None;
        }
        let flat = self.is_flat(kernel);
        let mut outer = sizes(&self.schedule.graph.nodes[kernel.nodes[0]].ty);
        outer.pop();
        if flat {
            outer.clear();
        }
        let total = self.width(kernel.nodes[0]);
        let width = total / outer.iter().product::<usize>().max(1);
        let (program, sources) = self.recorded(kernel)?;
        let runs = match outer.is_empty() {
            true => self.runs(&program, &sources, width),
            false => Runs::Never,
        };
        // Tiles share the vectors of a function between rows; here every row has vectors of its own.
        let functions = |id: &NodeId| function_of(&self.schedule.graph.nodes[*id].op).is_some();
        let wasteful = width * 10 < width.next_multiple_of(LANES) * LEAST_TENTHS;
        let single = matches!(runs, Runs::Never) && wasteful && kernel.nodes.iter().any(functions);
        if single && !outer.is_empty() {
            return None;
        }
        let compiled = wide::compile(program, width, matches!(runs, Runs::If(_)))?;
        let function = first + u32::try_from(self.wides.len()).expect("fewer than 2^32 kernels");
        self.wides.push(super::Wide {
            nodes: kernel.nodes.clone(),
            function: compiled,
            time: start.elapsed(),
        });
        let mut lengths = BTreeSet::new();
        for source in &sources {
            match source {
                Source::Operand { id, copied, .. } => self.lengths_of(*id, *copied, &mut lengths),
                Source::Scalar(id) => {
                    if let Op::Length(axis) = self.schedule.graph.nodes[*id].op {
                        lengths.insert(axis);
                    }
                }
                Source::Result(_) => {}
            }
        }
        Some(Wide {
            function,
            sources,
            outer,
            width,
            runs,
            single,
            lengths: lengths.into_iter().collect(),
        })
    }

    // Rows that lie behind each other in all streams are one line.
    fn runs(&self, program: &Program, sources: &[Source], width: usize) -> Runs {
        let mut depends = Vec::new();
        for (stream, access) in program.streams.iter() {
            let stride = match &sources[stream.index()] {
                Source::Operand { id, copied, .. } => self.known_stride(*id, *copied),
                Source::Scalar(_) => Some(0),
                Source::Result(id) => self.known_stride(*id, false),
            };
            match (access, stride) {
                (Access::Once, Some(0)) => {}
                (Access::Load | Access::Store, Some(stride)) if stride == width => {}
                (Access::Load, None) => depends.push(stream),
                _ => return Runs::Never,
            }
        }
        Runs::If(depends)
    }

    // Elements from a row to the next, where that does not depend on the step.
    fn known_stride(&self, id: NodeId, copied: bool) -> Option<usize> {
        if self.schedule.forms[id] != Form::View && !copied {
            return Some(self.stored_stride(id));
        }
        match &self.schedule.graph.nodes[id].op {
            Op::Shift { .. } | Op::At { .. } | Op::Place { .. } => None,
            op => self.known_stride(viewed(op).expect("a view looks at an operand"), false),
        }
    }

    fn lengths_of(&self, id: NodeId, copied: bool, out: &mut BTreeSet<AxisId>) {
        if self.schedule.forms[id] != Form::View && !copied {
            return;
        }
        let op = &self.schedule.graph.nodes[id].op;
        match op {
            Op::Shift { axis, by, .. } if *by > 0 => {
                out.insert(*axis);
            }
            Op::At { axis, .. } | Op::Place { axis, .. } => {
                out.insert(*axis);
            }
            _ => {}
        }
        if let Op::Shift {
            boundary: Some(boundary),
            ..
        }
        | Op::At {
            boundary: Some(boundary),
            ..
        } = op
        {
            self.lengths_of(*boundary, false, out);
        }
        self.lengths_of(viewed(op).expect("a view looks at an operand"), false, out);
    }
}
