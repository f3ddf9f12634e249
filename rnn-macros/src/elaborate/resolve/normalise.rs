//! What `batch_norm` may be called with.
//!
//! **Invariant:** the statistics of a resolved batch normalisation are read from two running parameters.

use super::Place;
use crate::diagnostics::Diagnostic;
use crate::elaborate::Elaborator;
use crate::elaborate::system::DefKind;
use crate::elaborate::term::{BatchNorm, Read, Term, TermKind};
use rnn_ir::axis::AxisId;
use rnn_ir::op::ParamKind;
use rnn_ir::random::draw::Per;

impl<'a> Elaborator<'a, '_> {
    /// `batch_norm(x, mean, variance, momentum = 0.1, epsilon = 1e-5)`
    pub(super) fn batch_norm(
        &mut self,
        operands: Vec<Term<'a>>,
        per: Per,
        options: &[f64],
        place: &Place<'_>,
    ) -> Option<TermKind<'a>> {
        let ([_, mean, variance], [momentum, epsilon]) = (operands.as_slice(), options) else {
            unreachable!("the signature of a batch normalisation has these");
        };
        let both = [(mean, "mean"), (variance, "variance")]
            .map(|(kept, what)| self.check_statistic(kept, what));
        let in_range = [
            (*momentum > 0.0 && *momentum <= 1.0, "a momentum is above 0 and at most 1", momentum),
            (*epsilon >= 0.0, "`epsilon` is not negative", epsilon),
        ]
        .map(|(fits, rule, found)| {
            if !fits {
                let message = format!("{rule}, found {found}");
                self.report(
                    Diagnostic::new(operands[0].extent, message).help(
                        "the momentum is the share of a batch in what is kept, `epsilon` is added to variances",
                    ),
                );
            }
            fits
        });
        if both.contains(&false) || in_range.contains(&false) {
            return None;
        }
        let along = place.context.axes.iter().filter(|along| along.reversed);
        let reversed: Vec<AxisId> = along.map(|along| along.axis).collect();
        let (momentum, epsilon) = (*momentum, *epsilon);
        Some(TermKind::BatchNorm(Box::new(BatchNorm {
            operands: operands.try_into().ok()?,
            per,
            momentum,
            epsilon,
            reversed,
        })))
    }

    fn check_statistic(&mut self, kept: &Term<'a>, what: &str) -> bool {
        if kept.has_error() {
            return false;
        }
        let def = match &kept.kind {
            TermKind::Read(Read { def, .. }) => Some(*def),
            _ => None,
        };
        let kind = def.map(|def| &self.system.defs[def].kind);
        if let Some(DefKind::Param {
            changed: ParamKind::Running,
            ..
        }) = kind
        {
            return true;
        }
        let text = kept.text();
        let found = match kind {
            Some(DefKind::Param { changed, .. }) => {
                format!("and {text} is declared `{}`", changed.name())
            }
            _ => format!("found {text}"),
        };
        let start = if what == "mean" { 0 } else { 1 };
        let error = Diagnostic::new(
            kept.extent,
            format!("`batch_norm` keeps its {what} in a running parameter, {found}"),
        )
        .help(format!(
            "declare `running {what}: [..] = {start};` with the shape of what is normalised"
        ));
        let error = match def.map(|def| self.system.defs[def].extent) {
            Some(declared) => error.label(declared, "its declaration"),
            None => error,
        };
        self.report(error);
        false
    }
}
