//! The cells an expansion knows, by the path they are named with.
//!
//! A cell that comes from another expansion brings the cells it uses, under the paths it names them with, so a path means
//! what it meant where the cell was written.
//!
//! **Invariant:** [`Origin`] is always the place of a namespace of the library that made it.

use std::collections::BTreeMap;

use crate::ast::{Item, ItemKind};

/// Where the paths of an item are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin(usize);

/// A cell and where the paths in its body are looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) item: &'a Item,
    pub(crate) origin: Origin,
    /// Its own check found errors, so nothing more is said about it.
    pub(crate) broken: bool,
}

/// All cells an expansion knows.
#[derive(Debug)]
pub(crate) struct Library<'a> {
    namespaces: Vec<BTreeMap<String, Known<'a>>>,
}

impl<'a> Library<'a> {
    /// The namespace of the expansion itself.
    pub(crate) const HERE: Origin = Origin(0);

    /// A library of the cells among `items`.
    pub(crate) fn new(items: &'a [Item]) -> Self {
        let cells = items
            .iter()
            .filter(|item| matches!(item.kind, ItemKind::Cell(_)));
        let known = |item: &'a Item| {
            (
                item.name.to_string(),
                Known {
                    item,
                    origin: Self::HERE,
                    broken: item.broken,
                },
            )
        };
        Self {
            namespaces: vec![cells.map(known).collect()],
        }
    }

    /// Adds an empty namespace.
    pub(crate) fn namespace(&mut self) -> Origin {
        self.namespaces.push(BTreeMap::new());
        Origin(self.namespaces.len() - 1)
    }

    /// Adds a cell under a path.
    pub(crate) fn add(&mut self, within: Origin, path: String, known: Known<'a>) {
        self.namespaces[within.0].entry(path).or_insert(known);
    }

    /// The cell a path names.
    pub(crate) fn find(&self, within: Origin, path: &str) -> Option<Known<'a>> {
        self.namespaces[within.0].get(path).copied()
    }

    /// Records that the check of a cell of this expansion found errors.
    pub(crate) fn mark_broken(&mut self, name: &str) {
        if let Some(known) = self.namespaces[Self::HERE.0].get_mut(name) {
            known.broken = true;
        }
    }

    /// The paths of a namespace.
    pub(crate) fn paths(&self, within: Origin) -> impl Iterator<Item = &str> {
        self.namespaces[within.0].keys().map(String::as_str)
    }
}
