//! What `residual` adds: a layer and what it reads.
//!
//! **Invariant:** the two have one shape, or one of them is a number.

use super::{Evaluated, Evaluator};
use crate::diagnostics::{Diagnostic, Extent};
use crate::elaborate::system::{DefKind, Right};
use crate::elaborate::term::{Term, TermKind};
use rnn_ir::op::Binary;

impl<'a> Evaluator<'_, 'a> {
    /// A layer plus what it reads. `written` is where `residual` was.
    pub(super) fn residual(
        &mut self,
        term: &Term<'a>,
        layer: &Term<'a>,
        input: &Term<'a>,
        written: Extent,
    ) -> Evaluated {
        let (gives, reads) = (self.real(layer), self.real(input));
        let (Some(a), Some(b)) = (gives, reads) else {
            return self.guess(&[gives, reads]);
        };
        let (gives, reads) = (self.builder.shape(a), self.builder.shape(b));
        if gives != reads && !gives.is_scalar() && !reads.is_scalar() {
            let (output, read) = (self.named(layer), self.named(input));
            let error = Diagnostic::new(
                written,
                format!(
                    "`residual` adds what the layer gives, `{output}`, to what it reads, `{read}`: {gives} and {reads}"
                ),
            );
            let way = match (gives.0.as_slice(), reads.0.as_slice()) {
                ([to], [from]) => format!(
                    "give the layer the size of what it reads, or apply it to `P @ {}` with a `param P: [{to}, {from}] ~ glorot_uniform;`",
                    as_factor(&read)
                ),
                _ => "give the layer the shape of what it reads".to_owned(),
            };
            let both = matches!(layer.kind, TermKind::Concat(_)).then(|| {
                "`bi` puts both directions end to end: `bi(residual(c))` adds what is read to each of them".to_owned()
            });
            let error = error.label(term.extent, format!("applied here, to `{read}`"));
            self.diagnostics.report(error.help(way).help_if(both));
            return self.guess(&[Some(a), Some(b)]);
        }
        let built = self.builder.binary(Binary::Add, a, b);
        let sum = self.built(term, &[(layer, a), (input, b)], built)?;
        self.weaken(sum, &[a, b]);
        Some(sum.into())
    }

    /// A value of a layer by the name that it has outside of it, an argument as it is written.
    fn named(&self, term: &Term<'a>) -> String {
        match &term.kind {
            TermKind::Read(read) => {
                let def = &self.system.defs[read.def];
                match &def.kind {
                    DefKind::Equation {
                        right: Right::Written { expr, .. },
                        ..
                    } if def.name.ends_with(".input") => expr.to_string(),
                    _ => def.text.clone(),
                }
            }
            TermKind::Concat(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.named(part)).collect();
                format!("[{}]", parts.join(", "))
            }
            TermKind::Residual { layer, input, .. } => {
                format!("{} + {}", self.named(layer), self.named(input))
            }
            _ => term.text().trim_matches('`').to_owned(),
        }
    }
}

/// An expression as the right side of a product.
fn as_factor(text: &str) -> String {
    match text.contains([' ', '(']) {
        true => format!("({text})"),
        false => text.to_owned(),
    }
}
