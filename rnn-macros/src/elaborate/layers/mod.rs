//! Layers: their cells are opened where the layer is declared and fed where it is applied.
//!
//! Opening gives a cell its sizes and its parameters; applying gives it its time axis, its inputs and its equations. In
//! between, combinators arrange the cells:
//!
//! | written | stands for | names inside |
//! |---|---|---|
//! | `c` | one cell | `l.h` |
//! | `reverse(c)` | against time | `l.h` |
//! | `bi(c)` | along and against time, `[forward, backward]` | `l.forward.h`, `l.backward.h` |
//! | `stack(n, c)` | each fed by the one before, which also sets its input size | `l.l1.h`, `l.l2.h` |
//! | `residual(c)` | input plus output | `l.h` |
//!
//! **Invariant:** a layer is applied at most once, so the names inside it have one meaning.

mod apply;
mod feed;
mod inside;
mod open;

use super::scope::{Along, IndexAxis, IndexKind, Run, ScopeId, Tree, Value};
use super::system::Right;
use crate::ast::{self};
use crate::diagnostics::Extent;
use rnn_ir::axis::AxisId;

/// What is passed to an input.
#[derive(Clone)]
struct Source<'a> {
    right: Right<'a>,
    /// The axes it brings, for an input that has its own.
    own: Vec<Along>,
    extent: Extent,
}

/// What names lead on in a tree of cells.
enum Part<'t> {
    Same(&'t Tree),
    Parts(Vec<(String, &'t Tree)>),
    Broken,
}

/// The indices and axes of an input of a cell.
pub(super) fn input_indices(
    input: &ast::CellInput,
    run: Run,
    own: &[Along],
) -> (Vec<IndexAxis>, Vec<AxisId>) {
    if input.axes.is_empty() {
        let index = IndexAxis {
            name: "t".to_owned(),
            kind: IndexKind::Time(run),
        };
        let axes = match run {
            Run::Along(along) => vec![along.axis],
            Run::Nowhere => Vec::new(),
        };
        return (vec![index], axes);
    }
    let index = |(name, along): (&proc_macro2::Ident, &Along)| IndexAxis {
        name: name.to_string(),
        kind: IndexKind::Time(Run::Along(*along)),
    };
    (
        input.axes.iter().zip(own).map(index).collect(),
        own.iter().map(|along| along.axis).collect(),
    )
}

impl Tree {
    /// The scope of the first cell.
    pub(super) fn first_cell(&self) -> Option<ScopeId> {
        match self {
            Self::Cell(scope) => Some(*scope),
            Self::Reverse(inner) | Self::Residual(inner, _) | Self::Bi(inner, _) => {
                inner.first_cell()
            }
            Self::Stack(trees) => trees.first().and_then(Self::first_cell),
            Self::Broken => None,
        }
    }

    /// Whether an input is read by one cell only.
    fn is_one_cell(&self) -> bool {
        match self {
            Self::Cell(_) => true,
            Self::Reverse(inner) => inner.is_one_cell(),
            Self::Bi(..) | Self::Stack(_) | Self::Residual(..) | Self::Broken => false,
        }
    }

    fn named_part(&self) -> Option<Part<'_>> {
        match self {
            Self::Cell(_) => None,
            Self::Broken => Some(Part::Broken),
            Self::Reverse(inner) | Self::Residual(inner, _) => Some(Part::Same(inner)),
            Self::Bi(forward, backward) => Some(Part::Parts(vec![
                ("forward".to_owned(), forward),
                ("backward".to_owned(), backward),
            ])),
            Self::Stack(trees) => Some(Part::Parts(
                trees
                    .iter()
                    .enumerate()
                    .map(|(at, tree)| (format!("l{}", at + 1), tree))
                    .collect(),
            )),
        }
    }
}

impl Value {
    /// `[l, t]`, empty without indices.
    pub(super) fn index_text(&self) -> String {
        let names: Vec<&str> = self
            .indices
            .iter()
            .map(|index| index.name.as_str())
            .collect();
        if names.is_empty() {
            String::new()
        } else {
            format!("[{}]", names.join(", "))
        }
    }
}
