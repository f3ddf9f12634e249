//! What operations are told beside their operands: numbers, what an input is, how a parameter is drawn and what changes it.
//!
//! **Invariant:** all of it compares and hashes by value, so that equal operations are found.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A real constant that compares by its bits, so that operations can be hashed.
#[derive(Clone, Copy)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
impl Eq for Number {}
impl Hash for Number {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.0.to_bits().hash(state);
    }
}
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A word of the 64 random bits that draws start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Word {
    /// The low bits.
    First,
    /// The high bits.
    Second,
}

/// What an input is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Given whenever the model runs.
    Input,
    /// Given when there is a loss; only the loss reads it.
    Target,
    /// The value a carried state had after the step before the first; `[batch]`.
    State,
    /// True for an example whose sequence starts here, false for one that continues from its [`Role::State`].
    Fresh,
    /// True where a step reads the target that [`feedback`](crate::feedback) gives it, false where it reads the model's own
    /// value.
    Teacher,
    /// The weight of each example's loss in the batch loss: the cotangent that differentiation starts from.
    Weight,
    /// What the random numbers of an example are drawn from, or those that all examples share, when it varies over nothing.
    Seed(Word),
    /// Whether the model is trained; false while it is only evaluated. Varies over nothing.
    Training,
}

impl Role {
    /// Whether the model's user gives a value, so that the input stays even when nothing reads it.
    pub fn is_declared(self) -> bool {
        !matches!(self, Self::Seed(_) | Self::Training)
    }
}

/// What changes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParamKind {
    /// Its gradient.
    Trained,
    /// Its gradient, along the matrices with orthonormal rows or columns, of which it stays one.
    Orthonormal,
    /// Nothing: it is a setting.
    Fixed,
    /// What training finds in its batches; the model says how, by a result of kind
    /// [`Running`](crate::graph::ResultKind::Running).
    Running,
}

impl ParamKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Trained, Self::Orthonormal, Self::Fixed, Self::Running];

    /// Whether there is a gradient by it, and optimisers change it.
    pub fn is_trained(self) -> bool {
        match self {
            Self::Trained | Self::Orthonormal => true,
            Self::Fixed | Self::Running => false,
        }
    }

    /// Its word in source and text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trained => "param",
            Self::Orthonormal => "orthonormal",
            Self::Fixed => "fixed",
            Self::Running => "running",
        }
    }
}

/// How a parameter is drawn: `~ normal(0.0, 0.1)`, or filled: `= 1` (kind `constant`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Init {
    /// The name of the rule, such as `glorot_uniform`.
    pub kind: String,
    /// Its arguments.
    pub args: Vec<Number>,
}
