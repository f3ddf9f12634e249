//! What can be wrong with a graph, in words for the one who wrote it.
//!
//! **Invariant:** each rule of [`crate::verify`] has its variants here, and each says what was expected and found.

use crate::axis::{AxisId, MAX_AXES};
use crate::dim::Dim;
use crate::node::{DType, FileId, Loc, NodeId};
use crate::typing::TypeError;
use std::fmt;

/// A broken rule, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The node, if one is at fault.
    pub node: Option<NodeId>,
    /// The equation that the node is part of.
    pub equation: Option<String>,
    /// Where the user wrote it.
    pub loc: Option<Loc>,
    /// The file of that place, if it is another than that of the model.
    pub file: Option<String>,
    /// The rule.
    pub rule: Rule,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.equation, self.node) {
            (Some(equation), Some(id)) => write!(f, "equation `{equation}` ({id}")?,
            (None, Some(id)) => write!(f, "equation without a name ({id}")?,
            (_, None) => return write!(f, "model: {}", self.rule),
        }
        if let Some(loc) = self.loc {
            write!(f, ", line {}, column {}", loc.line, loc.column)?;
        }
        if let Some(file) = &self.file {
            write!(f, " of {file}")?;
        }
        write!(f, "): {}", self.rule)
    }
}

impl std::error::Error for Violation {}

/// A rule of the contract, and how it is broken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rule {
    /// A size or an axis whose name is not an identifier.
    #[error("expected an identifier as the name of a {what}, found {name:?}")]
    NotAnIdentifier {
        /// What is named so.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A size that is declared twice.
    #[error("size `{name}` is declared twice; rename one or drop it")]
    DuplicateSize {
        /// The size.
        name: String,
    },
    /// A place in a file that the graph does not declare.
    #[error("its place is in `{file}`, which is not declared; the graph has {count} files")]
    UnknownFile {
        /// The file.
        file: FileId,
        /// How many are declared.
        count: usize,
    },
    /// The first axis is not the batch.
    #[error("expected `batch` of no fixed extent as the first axis, found {found}")]
    NoBatchAxis {
        /// The first axis.
        found: String,
    },
    /// More axes than a domain holds.
    #[error("expected at most {MAX_AXES} axes, found {found}")]
    TooManyAxes {
        /// How many there are.
        found: usize,
    },
    /// An axis that is declared twice.
    #[error("axis `{name}` is declared twice; rename one or drop it")]
    DuplicateAxis {
        /// The axis.
        name: String,
    },
    /// An axis of no steps.
    #[error("axis `{name}` has 0 steps, expected at least 1")]
    EmptyAxis {
        /// The axis.
        name: String,
    },
    /// Two inputs or parameters of one name.
    #[error("`{name}` is the name of an earlier input or parameter too ({first}); rename one")]
    DuplicateName {
        /// The name.
        name: String,
        /// The first of that name.
        first: NodeId,
    },
    /// A shift whose operand was never defined.
    #[error("the shifted value is never defined; give it an equation")]
    OpenShift,
    /// An operand that is not a node.
    #[error("operand {operand} does not exist, the model has {nodes} nodes")]
    MissingOperand {
        /// The operand.
        operand: NodeId,
        /// How many nodes there are.
        nodes: usize,
    },
    /// An operand that comes later: a cycle without delay.
    #[error(
        "operand {operand} is defined here or later: a value cannot need itself at the same step; read it at another step"
    )]
    LateOperand {
        /// The operand.
        operand: NodeId,
    },
    /// A shift that looks too far.
    #[error(
        "a shift by {by} steps is too far, expected at most {}",
        super::MAX_SHIFT
    )]
    FarShift {
        /// The steps.
        by: i32,
    },
    /// An axis that is not one of the graph's.
    #[error("{axis} is not an axis of the model")]
    UnknownAxis {
        /// The axis.
        axis: AxisId,
    },
    /// Time on the batch axis.
    #[error("expected a time axis, found `batch`: examples have no order")]
    NotTime,
    /// A reduction or a broadcast over nothing.
    #[error("expected at least one axis to reduce or to broadcast over, found none")]
    NoAxes,
    /// Step 0.
    #[error("steps are counted from 1, found step 0; a value before the first step is a boundary")]
    StepZero,
    /// A size parameter that is not declared.
    #[error("size `{dim}` mentions `{name}`, which is not declared; declare it or use one that is")]
    UndeclaredSize {
        /// The parameter.
        name: String,
        /// The size that mentions it.
        dim: Dim,
    },
    /// A size that is too small for any model.
    #[error("expected a size of at least {least}, found {value}")]
    SizeTooSmall {
        /// The size.
        value: i64,
        /// The smallest allowed.
        least: i64,
    },
    /// A constant that its kind does not hold.
    #[error("{value} is not a value of kind {dtype}")]
    ConstantValue {
        /// The number.
        value: f64,
        /// The kind.
        dtype: DType,
    },
    /// A token that the equations make, beyond what it indexes.
    #[error(
        "{made} {largest} is looked up in `{table}`, which has {entries}; make it one below {entries}, or the size larger"
    )]
    TokenBeyond {
        /// What makes it, in words.
        made: &'static str,
        /// The largest that is made.
        largest: usize,
        /// The equation that has the entries.
        table: String,
        /// How many it has.
        entries: usize,
    },
    /// An input of a special role with the wrong type.
    #[error("input `{name}` is a scalar of kind {expected} by its role, found {found}")]
    InputType {
        /// Its name.
        name: String,
        /// The kind its role asks for.
        expected: DType,
        /// Its type.
        found: String,
    },
    /// A primitive that cannot be applied to its operands.
    #[error("{error}{}", axis.as_ref().map(|axis| format!(" (axis `{axis}`)")).unwrap_or_default())]
    Typing {
        /// The type rule.
        error: TypeError,
        /// The axis it is about.
        axis: Option<String>,
    },
    /// A declared type that is not what the operands give.
    #[error("declared as `{declared}`, but its operands make it `{inferred}`")]
    WrongType {
        /// What it says.
        declared: String,
        /// What it is.
        inferred: String,
    },
    /// Two results of one kind and name.
    #[error("{kind} `{name}` is declared twice; rename one or drop it")]
    DuplicateResult {
        /// The kind.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A second loss.
    #[error("expected at most one {kind}, found `{name}` too; add the two up")]
    SecondLoss {
        /// The kind.
        kind: &'static str,
        /// The name of the second.
        name: String,
    },
    /// A result without a value.
    #[error("result `{name}` is the value of {operand}, which does not exist")]
    MissingResult {
        /// The result.
        name: String,
        /// The node that is missing.
        operand: NodeId,
    },
    /// A loss of a type that cannot be differentiated.
    #[error(
        "a {kind} is a real scalar that varies over no time axis, found `{found}`; reduce it, as `mean[t]` and `sum` do"
    )]
    LossType {
        /// The kind.
        kind: &'static str,
        /// Its type.
        found: String,
    },
    /// A running result that belongs to no running parameter.
    #[error("the next value of `{name}` belongs to no running parameter; declare one of this name")]
    NotRunning {
        /// The name of the result.
        name: String,
    },
    /// A cycle that no order of evaluation serves.
    #[error(
        "no order of evaluation exists: {}; along some time axis, all of these must look the same way, and every equation between them must vary over it",
        reads.join(", ")
    )]
    Unevaluable {
        /// What needs what at another step.
        reads: Vec<String>,
    },
}
