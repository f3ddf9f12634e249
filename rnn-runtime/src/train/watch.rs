//! Which epoch was the best, and whether waiting for a better one is worth while.
//!
//! **Invariant:** the judgement is a function of the figures reported; its text form restores it exactly.

use std::fmt;
use std::str::FromStr;

use super::record::EpochRecord;
use crate::error::StateTextError;

/// How epochs are judged: by which figure, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// The figure; `None` is `validation` where there is one, else `loss`.
    figure: Option<String>,
    highest: bool,
    least: f64,
    patience: Option<u64>,
    restore: bool,
}

impl Default for Watch {
    /// The lowest validation loss, or training loss where nothing is validated; never stops.
    fn default() -> Self {
        Self {
            figure: None,
            highest: false,
            least: 0.0,
            patience: None,
            restore: false,
        }
    }
}

impl Watch {
    /// The epoch whose figure of this name is lowest is the best.
    pub fn lowest(figure: impl Into<String>) -> Self {
        Self {
            figure: Some(figure.into()),
            ..Self::default()
        }
    }

    /// The epoch whose figure of this name is highest is the best.
    pub fn highest(figure: impl Into<String>) -> Self {
        Self {
            highest: true,
            ..Self::lowest(figure)
        }
    }

    /// Stops early: after so many epochs in a row that are no better. The parameters are those of the best epoch then, and
    /// also at the end of a run that was not stopped.
    #[must_use]
    pub fn patience(mut self, epochs: u64) -> Self {
        self.patience = Some(epochs);
        self.restore = true;
        self
    }

    /// An epoch is better only if its figure is by more than this.
    #[must_use]
    pub fn least_improvement(mut self, least: f64) -> Self {
        self.least = least;
        self
    }

    /// Whether the parameters are those of the best epoch at the end.
    #[must_use]
    pub fn restore_best(mut self, restore: bool) -> Self {
        self.restore = restore;
        self
    }

    /// Whether parameters are kept to be restored.
    pub(super) fn restores(&self) -> bool {
        self.restore
    }

    /// The watched figure as it is to be lowered; the name of one that is not there is the error.
    pub(super) fn figure_of(&self, record: &EpochRecord) -> Result<f64, String> {
        let found = match &self.figure {
            Some(name) => record.figure(name).ok_or_else(|| name.clone())?,
            None => (record.figure("validation"))
                .or(record.figure("loss"))
                .unwrap_or(f64::NAN),
        };
        Ok(if self.highest { -found } else { found })
    }

    /// Takes the figure of an epoch.
    pub(super) fn judge(&self, judged: &mut Judged, epoch: u64, figure: f64) -> Verdict {
        // A figure that is NaN is no improvement.
        if figure < judged.best - self.least {
            *judged = Judged {
                best: figure,
                epoch,
                waited: 0,
            };
            return Verdict::Best;
        }
        judged.waited = judged.waited.saturating_add(1);
        match self.is_over(judged) {
            true => Verdict::Stop,
            false => Verdict::Wait,
        }
    }

    /// Whether a better epoch was waited for long enough.
    pub(super) fn is_over(&self, judged: &Judged) -> bool {
        (self.patience).is_some_and(|patience| judged.waited >= patience.max(1))
    }

    /// The best figure as it was reported.
    pub(super) fn best(&self, judged: &Judged) -> Option<(u64, f64)> {
        let value = if self.highest {
            -judged.best
        } else {
            judged.best
        };
        (judged.epoch > 0).then_some((judged.epoch, value))
    }
}

/// What follows from an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the best so far.
    Best,
    /// There was a better one before.
    Wait,
    /// There was a better one before, too long ago.
    Stop,
}

/// The epochs so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    /// The figure of the best, to be lowered.
    best: f64,
    /// The best; 0 is none.
    epoch: u64,
    /// Epochs since.
    waited: u64,
}

impl Default for Judged {
    fn default() -> Self {
        Self {
            best: f64::INFINITY,
            epoch: 0,
            waited: 0,
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            best,
            epoch,
            waited,
        } = self;
        write!(f, "{:x}/{epoch:x}/{waited:x}", best.to_bits())
    }
}

impl FromStr for Judged {
    type Err = StateTextError;

    fn from_str(text: &str) -> Result<Self, StateTextError> {
        let bad = || StateTextError::new("judgement of three hexadecimal fields", text);
        let fields: Vec<u64> = text
            .split('/')
            .map(|field| u64::from_str_radix(field, 16))
            .collect::<Result<_, _>>()
            .map_err(|_| bad())?;
        let &[best, epoch, waited] = fields.as_slice() else {
            return Err(bad());
        };
        let best = f64::from_bits(best);
        if best.is_nan() {
            return Err(bad());
        }
        Ok(Self {
            best,
            epoch,
            waited,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_epochs_that_are_no_better() {
        let watch = Watch::lowest("loss").patience(2).least_improvement(0.1);
        let mut judged = Judged::default();
        let figures = [3.0, 2.95, 2.0, f64::NAN, 1.95];
        let verdicts: Vec<Verdict> = (1..)
            .zip(figures)
            .map(|(epoch, figure)| watch.judge(&mut judged, epoch, figure))
            .collect();
        use Verdict::{Best, Stop, Wait};
        assert_eq!(verdicts, [Best, Wait, Best, Wait, Stop]);
        assert_eq!(watch.best(&judged), Some((3, 2.0)));
        assert_eq!(judged.to_string().parse(), Ok(judged));
        assert_eq!(Judged::default().to_string().parse(), Ok(Judged::default()));
        for bad in ["", "0/0", "7ff8000000000000/0/0", "0/0/0/0"] {
            assert!(bad.parse::<Judged>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_highest_figure_is_the_lowest_of_its_negative() {
        let watch = Watch::highest("accuracy");
        let record = |value| EpochRecord {
            figures: vec![("loss".to_owned(), 9.0), ("accuracy".to_owned(), value)],
            ..EpochRecord::default()
        };
        let mut judged = Judged::default();
        for (epoch, value, expected) in [(1, 0.5, Verdict::Best), (2, 0.4, Verdict::Wait)] {
            let figure = watch.figure_of(&record(value)).unwrap();
            assert_eq!(watch.judge(&mut judged, epoch, figure), expected);
        }
        assert_eq!(watch.best(&judged), Some((1, 0.5)));
        assert_eq!(
            Watch::lowest("bleu").figure_of(&record(1.0)),
            Err("bleu".to_owned())
        );
        assert_eq!(Watch::default().figure_of(&record(1.0)), Ok(9.0));
    }
}
