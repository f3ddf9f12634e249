//! `batch_norm(x, mean, variance)`: the value, and what its running parameters become.
//!
//! **Invariant:** a running parameter is brought on once.

use super::{Evaluated, Evaluator};
use crate::diagnostics::Diagnostic;
use crate::elaborate::term::{BatchNorm, Term, TermKind};
use rnn_ir::axis::AxisId;
use rnn_ir::normalise::{self, Running};
use rnn_ir::typing::TypeError;

impl<'s, 'a> Evaluator<'s, 'a> {
    pub(super) fn batch_norm(&mut self, term: &Term<'a>, norm: &BatchNorm<'a>) -> Evaluated {
        let [x, mean, variance] = &norm.operands;
        let value = self.real(x)?;
        if self.draft {
            // Of the type of what is normalised, whatever the batch.
            return Some(value.into());
        }
        let running = Running {
            mean: self.real(mean)?,
            variance: self.real(variance)?,
        };
        self.bring_on(mean);
        self.bring_on(variance);
        let time = self.builder.ty(value).domain.time_axes();
        let how = normalise::BatchNorm {
            per: norm.per,
            momentum: norm.momentum,
            epsilon: norm.epsilon,
            reversed: time.into_iter().any(|axis| norm.reversed.contains(&axis)),
        };
        let built = self.builder.batch_norm(value, running, &how);
        let operands = [(mean, running.mean), (variance, running.variance)];
        let error = match built {
            Ok(node) => return Some(node.into()),
            Err(error) => error,
        };
        self.diagnostics.report(match error {
            TypeError::ShapeMismatch { left, right, .. } => {
                let shape = self.builder.shape(value).clone();
                let kept = operands
                    .into_iter()
                    .find(|(_, kept)| *self.builder.shape(*kept) == right);
                let kept = kept.map_or(mean, |(term, _)| term);
                Diagnostic::new(
                    kept.extent,
                    format!("{} is {right}, and {} is {shape}", kept.text(), x.text()),
                )
                .help(format!(
                    "declare it {left}; with an axis more in front, both statistics have a row for each step"
                ))
            }
            TypeError::MissingAxis { axis, .. } if axis == AxisId::BATCH => Diagnostic::new(
                x.extent,
                format!("{} is the same for all examples, and has no mean over the batch", x.text()),
            )
            .help("normalise what depends on an input"),
            TypeError::Declaration { .. } => {
                let shape = self.builder.shape(running.mean).clone();
                Diagnostic::new(
                    term.extent,
                    format!(
                        "{} is {shape}, a row for each step, and {} is not normalised by the steps of one axis",
                        mean.text(),
                        x.text()
                    ),
                )
                .help("rows are for `per = step`, and for a value over one time axis")
            }
            // Backstop: nothing else is refused.
            error => Diagnostic::new(term.extent, format!("{}: {error}", term.text())),
        });
        None
    }

    fn bring_on(&mut self, kept: &Term<'a>) {
        let TermKind::Read(read) = &kept.kind else {
            return;
        };
        let known = self.brought.iter().find(|(def, _)| *def == read.def);
        if let Some((_, first)) = known {
            let error = Diagnostic::new(
                kept.extent,
                format!("{} keeps the statistics of two values", kept.text()),
            );
            let error = error.label(*first, "first value");
            self.diagnostics
                .report(error.help("declare running parameters for each of them"));
        } else {
            self.brought.push((read.def, kept.extent));
        }
    }
}
