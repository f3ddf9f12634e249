//! The cells an expansion knows, by the path they are named with.
//!
//! A cell that comes from another expansion brings the cells it uses, under the paths it names them with, so a path means
//! what it meant where the cell was written.
//!
//! **Invariant:** [`Origin`] is always the place of a namespace of the library that made it.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Cells that are not known and that nothing is said about.
    silent: BTreeSet<(usize, String)>,
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
            silent: BTreeSet::new(),
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

    /// Says nothing about a path that names no known cell.
    pub(crate) fn tolerate_path(&mut self, within: Origin, path: String) {
        self.silent.insert((within.0, path));
    }

    /// Says nothing about these paths of the expansion itself.
    pub(crate) fn tolerate(&mut self, paths: Vec<String>) {
        self.silent
            .extend(paths.into_iter().map(|path| (Self::HERE.0, path)));
    }

    /// Whether nothing is said about an unknown cell.
    pub(crate) fn tolerates(&self, within: Origin, path: &str) -> bool {
        self.silent.contains(&(within.0, path.to_owned()))
    }

    /// Whether a path names a cell, or one that nothing is said about.
    pub(crate) fn knows(&self, within: Origin, path: &str) -> bool {
        self.find(within, path).is_some() || self.tolerates(within, path)
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
