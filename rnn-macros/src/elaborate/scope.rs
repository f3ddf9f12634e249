//! What a name means in one model or one instance of a cell.
//!
//! **Invariant:** sizes, axes, lengths, values and layers share one namespace per scope, so a name has one meaning.

use std::collections::BTreeMap;

use proc_macro2::Ident;
use rnn_ir::axis::AxisId;
use rnn_ir::define_id;
use rnn_ir::dim::Dim;

use super::system::DefId;
use crate::ast::Item;
use crate::diagnostics::{Extent, nearest};

define_id!(
    /// Names a [`Scope`].
    ScopeId,
    "scope"
);
define_id!(
    /// Names a [`Value`].
    ValueId,
    "value"
);
define_id!(
    /// Names a [`Layer`].
    LayerId,
    "layer"
);

/// The names of one model or one instance of a cell.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) item: &'a Item,
    /// What the names of its definitions start with: empty, `lstm.`, `enc.forward.`.
    pub(super) prefix: String,
    /// Position in the library, to find the cells it names.
    pub(super) origin: super::library::Origin,
    names: BTreeMap<String, (Entity, Extent)>,
}

/// What a name means.
#[derive(Clone, Debug)]
pub(super) enum Entity {
    /// A size.
    Size(Dim),
    /// An index variable over time.
    Time(Run),
    /// The name of the length of an axis: `T`.
    Length(Run),
    /// An index variable of a static family, from 1 to this.
    Static(i64),
    /// Something that has a value.
    Value(ValueId),
    /// A layer.
    Layer(LayerId),
    /// Its declaration has a reported error.
    Broken,
}

/// Which axis an index variable runs along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Along a time axis.
    Along(Along),
    /// Nowhere: the cell is applied in an equation without a time axis.
    Nowhere,
}

/// A time axis and a direction on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Along {
    pub(super) axis: AxisId,
    /// Against time: what the scope writes as `t-1` is `t+1`.
    pub(super) reversed: bool,
}

/// A named value and its instances over static families.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) extent: Extent,
    /// Its indices as declared.
    pub(super) indices: Vec<IndexAxis>,
    /// One definition per combination of static indices.
    pub(super) instances: BTreeMap<Vec<i64>, DefId>,
}

/// One index of a value.
#[derive(Clone, Debug)]
pub(super) struct IndexAxis {
    /// The index variable it was declared with.
    pub(super) name: String,
    pub(super) kind: IndexKind,
}

/// What an index ranges over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexKind {
    Time(Run),
    /// From 1 to this.
    Static(i64),
}

/// A declared layer.
#[derive(Debug)]
pub(super) struct Layer<'a> {
    pub(super) declaration: &'a crate::ast::Layer,
    pub(super) statics: Vec<(String, i64)>,
    /// One tree of cells per combination of static indices.
    pub(super) instances: BTreeMap<Vec<i64>, Instance>,
}

/// One instance of a layer.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) tree: Tree,
    /// Where it is applied, and what that gives.
    pub(super) applied: Option<(Extent, super::system::Output)>,
}

/// The cells of a layer as its combinators arrange them.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Cell(ScopeId),
    Reverse(Box<Tree>),
    Bi(Box<Tree>, Box<Tree>),
    Stack(Vec<Tree>),
    /// With the place where it is written.
    Residual(Box<Tree>, Extent),
    /// A reported error.
    Broken,
}

impl<'a> Scope<'a> {
    /// A scope without names.
    pub(super) fn new(item: &'a Item, prefix: String, origin: super::library::Origin) -> Self {
        Self {
            item,
            prefix,
            origin,
            names: BTreeMap::new(),
        }
    }

    /// What a name means here.
    pub(super) fn lookup(&self, name: &str) -> Option<&Entity> {
        self.names.get(name).map(|(entity, _)| entity)
    }

    /// Gives a name its meaning, or says where it already has one.
    pub(super) fn define(&mut self, name: &Ident, entity: Entity) -> Result<(), Extent> {
        match self.names.get(&name.to_string()) {
            Some((_, first)) => Err(*first),
            None => {
                self.names.insert(name.to_string(), (entity, name.into()));
                Ok(())
            }
        }
    }

    /// Gives a name that is not written down its meaning, if it has none.
    pub(super) fn imply(&mut self, name: &str, entity: Entity, extent: Extent) {
        self.names
            .entry(name.to_owned())
            .or_insert((entity, extent));
    }

    /// Whether the scope runs against this axis.
    pub(super) fn is_reversed(&self, axis: AxisId) -> bool {
        self.names.values().any(|(entity, _)| {
            matches!(entity, Entity::Time(Run::Along(along)) if along.axis == axis && along.reversed)
        })
    }

    /// The name of the index variable along an axis.
    pub(super) fn index_of(&self, axis: AxisId) -> Option<&str> {
        let runs = |entity: &Entity| matches!(entity, Entity::Time(Run::Along(along)) if along.axis == axis);
        self.names
            .iter()
            .find(|(_, (entity, _))| runs(entity))
            .map(|(name, _)| name.as_str())
    }

    /// The nearest name with a meaning that `wanted` accepts.
    pub(super) fn nearest(&self, name: &str, wanted: impl Fn(&Entity) -> bool) -> Option<&str> {
        let candidates = self.names.iter().filter(|(_, (entity, _))| wanted(entity));
        nearest(name, candidates.map(|(name, _)| name.as_str()))
    }

    /// The names with a meaning that `wanted` accepts, in alphabetical order.
    pub(super) fn names(&self, wanted: impl Fn(&Entity) -> bool) -> Vec<&str> {
        self.names
            .iter()
            .filter(|(_, (entity, _))| wanted(entity))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}
