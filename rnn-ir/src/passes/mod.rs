//! Passes: each takes a graph and makes another one with the same results.
//!
//! **Invariant:** a pass is stateless, keeps the value and the type of every result, and never makes a model slower.
//! All of them are in [`ALL`]; [`FORWARD`] runs before differentiation, [`BACKWARD`] after it.

pub mod choose_residuals;
pub mod counts;
pub mod cycles;
pub mod fuse_gates;
pub mod lift_shifts;
pub mod local;
pub mod order;
pub mod pipeline;
pub mod prune;
pub mod share;
pub mod simplify;
pub mod sink_transposes;
pub mod split_concat;
pub mod unroll;
pub mod weights;

use crate::graph::Graph;
use crate::op::Role;
use crate::state;
use crate::typing::TypeError;
use counts::Counts;

/// What passes may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The longest axis that is unrolled, in steps.
    pub unroll_limit: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { unroll_limit: 16 }
    }
}

/// A pass.
#[derive(Clone, Copy)]
pub struct Pass {
    /// Its name: a verb phrase.
    pub name: &'static str,
    /// The names of its rules.
    pub rules: fn() -> Vec<&'static str>,
    /// Makes the new graph.
    pub run: fn(&Graph, &Options, &mut Counts) -> Result<Graph, TypeError>,
}

const CARRY_STATE: Pass = Pass {
    name: "carry_state",
    rules: || vec!["carry_state"],
    run: |graph, _, counts| carry_state(graph, counts),
};
const SIMPLIFY: Pass = Pass {
    name: "simplify",
    rules: || simplify::rules().collect(),
    run: |graph, _, counts| simplify::simplify(graph, counts),
};
const SHARE: Pass = Pass {
    name: "share",
    rules: || share::RULES.to_vec(),
    run: |graph, _, counts| share::share(graph, counts),
};
const SPLIT_CONCAT: Pass = Pass {
    name: "split_concat",
    rules: || split_concat::RULES.to_vec(),
    run: |graph, _, counts| split_concat::split_concat(graph, counts),
};
const SINK_TRANSPOSES: Pass = Pass {
    name: "sink_transposes",
    rules: || sink_transposes::RULES.to_vec(),
    run: |graph, _, counts| sink_transposes::sink_transposes(graph, counts),
};
const LIFT_SHIFTS: Pass = Pass {
    name: "lift_shifts",
    rules: || lift_shifts::RULES.to_vec(),
    run: |graph, _, counts| lift_shifts::lift_shifts(graph, counts),
};
const FUSE_GATES: Pass = Pass {
    name: "fuse_gates",
    rules: || fuse_gates::RULES.to_vec(),
    run: |graph, _, counts| fuse_gates::fuse_gates(graph, counts),
};
const UNROLL: Pass = Pass {
    name: "unroll",
    rules: || unroll::RULES.to_vec(),
    run: |graph, options, counts| unroll::unroll(graph, options.unroll_limit, counts),
};
const CHOOSE_RESIDUALS: Pass = Pass {
    name: "choose_residuals",
    rules: || choose_residuals::RULES.to_vec(),
    run: |graph, _, counts| choose_residuals::choose_residuals(graph, counts),
};
const PRUNE: Pass = Pass {
    name: "prune",
    rules: || prune::RULES.to_vec(),
    run: |graph, _, counts| prune::prune(graph, counts),
};

/// Every pass.
pub const ALL: &[Pass] = &[
    CARRY_STATE,
    SIMPLIFY,
    SHARE,
    SPLIT_CONCAT,
    SINK_TRANSPOSES,
    LIFT_SHIFTS,
    FUSE_GATES,
    UNROLL,
    CHOOSE_RESIDUALS,
    PRUNE,
];

/// Before differentiation. Equal shifts must be one value before products with it are found to be of one operand.
pub const FORWARD: &[Pass] = &[
    CARRY_STATE,
    SIMPLIFY,
    SHARE,
    SPLIT_CONCAT,
    FUSE_GATES,
    SIMPLIFY,
    SHARE,
    PRUNE,
];

/// After differentiation, or after [`FORWARD`] for a model that is not differentiated.
///
/// Adjoints are simplified first: sums of padded gates become joins, which fusing looks for. Unrolling comes last, since
/// a product over a whole axis is one; then its steps are simplified. What is computed twice on purpose must not be shared
/// after that.
pub const BACKWARD: &[Pass] = &[
    SIMPLIFY,
    SHARE,
    SINK_TRANSPOSES,
    SPLIT_CONCAT,
    LIFT_SHIFTS,
    FUSE_GATES,
    SIMPLIFY,
    SHARE,
    UNROLL,
    SIMPLIFY,
    SHARE,
    CHOOSE_RESIDUALS,
    PRUNE,
];

/// The pass of a name.
pub fn pass(name: &str) -> Option<Pass> {
    ALL.iter().find(|pass| pass.name == name).copied()
}

// A graph that says which examples start here has its states already.
fn carry_state(graph: &Graph, counts: &mut Counts) -> Result<Graph, TypeError> {
    if graph.inputs().any(|(.., role)| role == Role::Fresh) {
        return Ok(graph.clone());
    }
    counts.add("carry_state", state::carried(graph).len());
    state::carry_state(graph)
}
