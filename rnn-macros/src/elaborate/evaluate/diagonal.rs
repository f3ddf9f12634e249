//! Products with a diagonal matrix, of which only the diagonal is there.
//!
//! **Invariant:** `diag(v)` is a factor of `@`; nothing else evaluates it.

use super::{Evaluated, Evaluator};
use crate::diagnostics::Diagnostic;
use crate::elaborate::function::Function;
use crate::elaborate::term::{Term, TermKind};
use rnn_ir::dim::Dim;

/// What of a matrix is multiplied by the elements of a vector.
#[derive(Clone, Copy)]
pub(super) enum Scaled {
    Rows,
    Columns,
}

/// The vector of `diag(v)`.
pub(super) fn diagonal<'t, 'a>(term: &'t Term<'a>) -> Option<&'t Term<'a>> {
    match &term.kind {
        TermKind::Call {
            function: Function::Diag,
            operands,
            ..
        } => operands.first(),
        _ => None,
    }
}

impl<'a> Evaluator<'_, 'a> {
    /// `diag(v) @ M`, `M @ diag(v)`: rows or columns of a matrix times elements of a vector. No matrix is made of the vector.
    pub(super) fn scaled(
        &mut self,
        term: &Term<'a>,
        vector: &Term<'a>,
        matrix: &Term<'a>,
        scaled: Scaled,
    ) -> Evaluated {
        let (v, m) = (self.real(vector), self.real(matrix));
        let (Some(v), Some(m)) = (v, m) else {
            return self.guess(&[m]);
        };
        let operands = [(vector, v), (matrix, m)];
        let (of_vector, of_matrix) = (self.builder.shape(v).clone(), self.builder.shape(m).clone());
        let (what, expected, spread) = match (scaled, of_matrix.0.as_slice()) {
            (_, []) => ("elements", &Dim::constant(1), None),
            (_, [size]) => ("elements", size, None),
            (Scaled::Rows, [rows, columns, ..]) => ("rows", rows, Some((1, columns))),
            (Scaled::Columns, [rows, columns, ..]) => ("columns", columns, Some((0, rows))),
        };
        let [size] = of_vector.0.as_slice() else {
            let text = vector.text();
            let error = Diagnostic::new(
                vector.extent,
                format!("`diag` puts a vector on a diagonal, and {text} is {of_vector}"),
            );
            self.diagnostics
                .report(error.help("a matrix is a factor as it is, a number is one by `*`"));
            return self.guess(&[Some(m)]);
        };
        if size != expected {
            let (texts, other) = (
                [vector.text(), matrix.text()],
                match scaled {
                    Scaled::Rows => of_matrix.0.get(1),
                    Scaled::Columns => of_matrix.0.first(),
                },
            );
            let error = Diagnostic::new(
                term.extent,
                format!(
                    "{} is {of_vector}, and {} has {expected} {what}: {of_matrix}",
                    texts[0], texts[1]
                ),
            );
            self.diagnostics.report(error.help(match scaled {
                Scaled::Rows if other == Some(size) => {
                    "columns are multiplied from the right: `M @ diag(v)`"
                }
                Scaled::Columns if other == Some(size) => {
                    "rows are multiplied from the left: `diag(v) @ M`"
                }
                _ => "`diag(v) @ M` multiplies rows, `M @ diag(v)` columns",
            }));
            return self.guess(&[Some(m)]);
        }
        let built = match spread {
            Some((at, size)) => self.builder.expand(v, at, size.clone()),
            None => Ok(v),
        };
        let built = built.and_then(|factor| self.builder.mul(factor, m));
        let node = self.built(term, &operands, built)?;
        self.weaken(node, &[m]);
        Some(node.into())
    }
}
