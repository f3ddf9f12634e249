//! Whether a size is written anywhere in an item.
//!
//! **Invariant:** the list of sizes itself is no mention; everything that may hold a size is looked at.

use proc_macro2::Ident;

use super::{
    CellExpr, CellExprKind, Combinator, Dim, DimKind, Expr, ExprKind, Init, Item, ItemKind, Shape,
    StatementKind, Type, TypeKind,
};

impl Item {
    /// Whether something in the signature or in the body has this size.
    pub(crate) fn mentions(&self, size: &Ident) -> bool {
        let signature = match &self.kind {
            ItemKind::Cell(cell) => {
                cell.inputs.iter().any(|input| input.ty.mentions(size))
                    || cell
                        .outputs
                        .iter()
                        .any(|output| output.shape.mentions(size))
            }
            ItemKind::Model(_) => false,
        };
        let mut body = self.body.iter();
        signature || body.any(|statement| statement.kind.mentions(size))
    }
}

impl StatementKind {
    fn mentions(&self, size: &Ident) -> bool {
        match self {
            Self::Axis(axis) => axis.end.mentions(size),
            Self::Inputs(inputs) => inputs.iter().any(|input| input.ty.mentions(size)),
            Self::Params(params) => params
                .iter()
                .any(|param| param.shape.mentions(size) || param.init.mentions(size)),
            Self::Layer(layer) => layer.cell.mentions(size),
            Self::Equation(equation) => {
                let shape = equation.shape.as_ref();
                let mut left = equation.left.indices.iter();
                shape.is_some_and(|shape| shape.mentions(size))
                    || left.any(|index| index.mentions(size))
                    || equation.right.mentions(size)
            }
            Self::Outputs(outputs) => {
                let mut indices = outputs.iter().flat_map(|output| &output.indices);
                indices.any(|index| index.mentions(size))
                    || outputs
                        .iter()
                        .any(|output| output.name.as_ident() == Some(size))
            }
            Self::Loss(loss) => loss.mentions(size),
        }
    }
}

impl Init {
    fn mentions(&self, size: &Ident) -> bool {
        match self {
            Self::Draw { arguments, .. } => arguments.iter().any(|it| it.value.mentions(size)),
            Self::Fill(value) => value.mentions(size),
            Self::Missing => false,
        }
    }
}

impl CellExpr {
    fn mentions(&self, size: &Ident) -> bool {
        match &self.kind {
            CellExprKind::Instance { sizes, .. } => sizes.iter().any(|dim| dim.mentions(size)),
            CellExprKind::Combined { combinator, inner } => {
                let counted = match combinator {
                    Combinator::Stack(count) => count.mentions(size),
                    Combinator::Reverse | Combinator::Bi | Combinator::Residual => false,
                };
                counted || inner.mentions(size)
            }
            CellExprKind::Error => false,
        }
    }
}

impl Expr {
    fn mentions(&self, size: &Ident) -> bool {
        match &self.kind {
            ExprKind::Name(path) => path.as_ident() == Some(size),
            kind => kind.children().any(|child| child.mentions(size)),
        }
    }
}

impl Type {
    fn mentions(&self, size: &Ident) -> bool {
        match &self.kind {
            TypeKind::Real(shape) => shape.mentions(size),
            TypeKind::Token(count) => count.mentions(size),
        }
    }
}

impl Shape {
    fn mentions(&self, size: &Ident) -> bool {
        self.dims.iter().any(|dim| dim.mentions(size))
    }
}

impl Dim {
    /// Whether a name is in it.
    pub(crate) fn mentions(&self, name: &Ident) -> bool {
        match &self.kind {
            DimKind::Name(own) => own == name,
            DimKind::Binary(_, left, right) => left.mentions(name) || right.mentions(name),
            DimKind::Int(_) | DimKind::Error => false,
        }
    }
}
