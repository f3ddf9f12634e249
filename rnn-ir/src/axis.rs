//! Axes a value varies over: time axes, and the batch.
//!
//! Equations describe one example; the batch is an axis like any other here, so that the adjoint of using one
//! parameter in every example is the sum over it, as the adjoint of using it at every step is the sum over time.
//!
//! **Invariant:** [`AxisId::BATCH`] is the first axis of every graph, and the only one that is not time.

use crate::define_id;
use crate::id::Id;

define_id!(
    /// Names an [`Axis`].
    AxisId,
    "axis"
);

impl AxisId {
    /// The axis of examples.
    pub const BATCH: Self = Self(0);

    /// Whether this is a time axis.
    pub fn is_time(self) -> bool {
        self != Self::BATCH
    }
}

/// How long a time axis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// `1..=T`: known when the model runs, and different for every example. Holds the name of the length.
    Length(String),
    /// `1..=16`: the same for every example, known when the model is written.
    Fixed(u32),
}

/// An axis: `time t in 1..=T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The index variable, such as `t`.
    pub name: String,
    /// How far it runs.
    pub extent: Extent,
}

/// The set of axes a value varies over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Domain(u32);

/// How many axes a graph may have.
pub const MAX_AXES: usize = 32;

impl Domain {
    /// Varies over nothing: a parameter, a constant.
    pub const NONE: Self = Self(0);
    /// Differs between examples and not over time.
    pub const BATCH: Self = Self(1);

    /// The set of one axis.
    pub fn of(axis: AxisId) -> Self {
        Self(1 << axis.index())
    }
    /// With one axis more.
    #[must_use]
    pub fn with(self, axis: AxisId) -> Self {
        Self(self.0 | 1 << axis.index())
    }
    /// With one axis less.
    #[must_use]
    pub fn without(self, axis: AxisId) -> Self {
        Self(self.0 & !(1 << axis.index()))
    }
    /// All axes of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// The axes of `self` that `other` lacks.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// The axes of both.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// Whether the axis is in the set.
    pub fn contains(self, axis: AxisId) -> bool {
        self.0 & (1 << axis.index()) != 0
    }
    /// Whether every axis of `other` is in the set.
    pub fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// The axes, in order.
    pub fn axes(self) -> impl DoubleEndedIterator<Item = AxisId> + Clone {
        (0..MAX_AXES)
            .filter(move |index| self.0 & (1 << index) != 0)
            .map(AxisId::from_index)
    }
    /// The time axes, in order.
    pub fn time_axes(self) -> impl DoubleEndedIterator<Item = AxisId> + Clone {
        self.without(AxisId::BATCH).axes()
    }
}

impl FromIterator<AxisId> for Domain {
    fn from_iter<T: IntoIterator<Item = AxisId>>(axes: T) -> Self {
        axes.into_iter().fold(Self::NONE, Self::with)
    }
}
