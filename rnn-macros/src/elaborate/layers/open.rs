//! Cells get their sizes and their parameters, where the layer is declared.
//!
//! **Invariant:** a cell that contains itself is refused before it is opened twice.

use crate::ast::{self, CellExpr, CellExprKind, Combinator, DimKind, Item, ItemKind, TypeKind};
use crate::diagnostics::{Diagnostic, Extent, counted, nearest};
use crate::elaborate::Elaborator;
use crate::elaborate::scope::{Entity, Instance, Scope, ScopeId, Tree};
use crate::elaborate::system::MAX_DEFS;
use rnn_ir::dim::Dim;

/// Most cells in one stack.
const MAX_STACK: u64 = 100;

impl<'a> Elaborator<'a, '_> {
    /// Opens the cells of a layer. `input` is the size of what a stack feeds it, which overrides the size that is written.
    pub(in crate::elaborate) fn open(
        &mut self,
        scope: ScopeId,
        cell: &'a CellExpr,
        prefix: &str,
        input: Option<&Dim>,
    ) -> Instance {
        let tree = self
            .open_tree(scope, cell, prefix, input)
            .map_or(Tree::Broken, |(tree, _)| tree);
        Instance {
            tree,
            applied: None,
        }
    }

    fn open_tree(
        &mut self,
        scope: ScopeId,
        cell: &'a CellExpr,
        prefix: &str,
        input: Option<&Dim>,
    ) -> Option<(Tree, Option<Dim>)> {
        match &cell.kind {
            CellExprKind::Error => None,
            CellExprKind::Instance { path, sizes } => {
                self.open_cell(scope, cell.extent, path, sizes, prefix, input)
            }
            CellExprKind::Combined {
                combinator: Combinator::Reverse,
                inner,
                ..
            } => {
                let (tree, size) = self.open_tree(scope, inner, prefix, input)?;
                Some((Tree::Reverse(Box::new(tree)), size))
            }
            CellExprKind::Combined {
                combinator: Combinator::Residual,
                inner,
                ..
            } => {
                let (tree, size) = self.open_tree(scope, inner, prefix, input)?;
                Some((Tree::Residual(Box::new(tree), cell.extent), size))
            }
            CellExprKind::Combined {
                combinator: Combinator::Bi,
                inner,
                ..
            } => {
                let forward = self.open_tree(scope, inner, &format!("{prefix}forward."), input);
                let backward = self.open_tree(scope, inner, &format!("{prefix}backward."), input);
                let ((forward, size), (backward, other)) = (forward?, backward?);
                let both = size
                    .zip(other)
                    .and_then(|(size, other)| size.checked_add(&other));
                Some((Tree::Bi(Box::new(forward), Box::new(backward)), both))
            }
            CellExprKind::Combined {
                combinator: Combinator::Stack(count),
                inner,
                ..
            } => {
                let DimKind::Int(number @ 1..=MAX_STACK) = count.kind else {
                    if !matches!(count.kind, DimKind::Error | DimKind::Int(0)) {
                        self.report(Diagnostic::new(
                            count.extent,
                            format!("a stack has 1 to {MAX_STACK} cells, found `{count}`"),
                        ));
                    }
                    return None;
                };
                let mut size = input.cloned();
                let mut trees = Vec::new();
                for number in 1..=number {
                    let (tree, output) = self.open_tree(
                        scope,
                        inner,
                        &format!("{prefix}l{number}."),
                        size.as_ref(),
                    )?;
                    size = output;
                    trees.push(tree);
                }
                Some((Tree::Stack(trees), size))
            }
        }
    }

    fn open_cell(
        &mut self,
        scope: ScopeId,
        extent: Extent,
        path: &'a ast::Path,
        sizes: &'a [ast::Dim],
        prefix: &str,
        input: Option<&Dim>,
    ) -> Option<(Tree, Option<Dim>)> {
        let origin = self.system.scopes[scope].origin;
        let text = path.to_string();
        let Some(known) = self.library.find(origin, &text) else {
            if self.library.tolerates(origin, &text) {
                return None;
            }
            let near = nearest(&text, self.library.paths(origin))
                .map(|near| format!("did you mean `{near}`?"));
            self.report(
                Diagnostic::new(path.extent(), format!("unknown cell `{text}`")).help_if(near),
            );
            return None;
        };
        let dims: Vec<Option<Dim>> = sizes.iter().map(|size| self.dim(scope, size)).collect();
        if known.broken {
            return None;
        }
        let item = known.item;
        let ItemKind::Cell(cell) = &item.kind else {
            return None;
        };
        if dims.len() != item.sizes.len() {
            let names: Vec<String> = item.sizes.iter().map(ToString::to_string).collect();
            let error = Diagnostic::new(
                extent,
                format!(
                    "`{}` has {}, found {}",
                    item.name,
                    counted(names.len(), "size"),
                    dims.len()
                ),
            );
            self.report(error.help(format!(
                "write `{text}<{}>` with a size for each",
                names.join(", ")
            )));
            return None;
        }
        let mut dims: Vec<Dim> = dims.into_iter().collect::<Option<_>>()?;
        if self.opening.iter().any(|open| std::ptr::eq(*open, item))
            || self.system.scopes.len() > MAX_DEFS
        {
            let error = Diagnostic::new(
                path.extent(),
                format!("the cell `{}` contains itself", item.name),
            );
            self.report(error.help("repeat a cell with `stack(n, c)`, or over time with `[t-1]`"));
            return None;
        }
        if let Some(input) = input {
            self.override_input(extent, item, cell, &mut dims, input)?;
        }

        let inner = self
            .system
            .scopes
            .push(Scope::new(item, prefix.to_owned(), known.origin));
        for (name, dim) in item.sizes.iter().zip(dims) {
            self.define(inner, name, Entity::Size(dim));
        }
        self.opening.push(item);
        self.declare_axes(inner, &item.body);
        self.declare_owned(inner, &item.body);
        self.opening.pop();
        let output = cell
            .outputs
            .first()
            .and_then(|output| self.shape(inner, &output.shape));
        let size = output
            .filter(|shape| shape.rank() == 1)
            .map(|shape| shape.0[0].clone());
        Some((Tree::Cell(inner), size))
    }

    /// Gives the size of the first input the value that the cell before has put out.
    fn override_input(
        &mut self,
        extent: Extent,
        item: &Item,
        cell: &ast::Cell,
        dims: &mut [Dim],
        input: &Dim,
    ) -> Option<()> {
        let first = cell.inputs.first()?;
        let named = match &first.ty.kind {
            TypeKind::Real(shape) => match shape.dims.as_slice() {
                [
                    ast::Dim {
                        kind: DimKind::Name(name),
                        ..
                    },
                ] => item.sizes.iter().position(|size| size == name),
                _ => None,
            },
            TypeKind::Token(_) => None,
        };
        match named {
            Some(at) => {
                dims[at] = input.clone();
                Some(())
            }
            None => {
                let error = Diagnostic::new(
                    extent,
                    format!(
                        "`{}` cannot be stacked: `{}` is {}, not a size of its own",
                        item.name, first.name, first.ty
                    ),
                );
                self.report(error.help("write the layers one by one, each with its own sizes"));
                None
            }
        }
    }
}
