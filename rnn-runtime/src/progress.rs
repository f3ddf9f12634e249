//! Progress of a training run: a bar on a terminal, one plain line per epoch elsewhere.
//!
//! **Invariant:** what is written to anything but a terminal depends on the numbers reported alone, not on time.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::AnyError;
use crate::train::record::{EpochRecord, Observer, StepRecord};

/// Layout of the bar.
const TEMPLATE: &str = "{prefix} {wide_bar} {pos}/{len} {msg} {eta}";

/// Reports epochs of a known number of steps.
///
/// ```
/// use rnn_runtime::progress::Progress;
///
/// let mut progress = Progress::stderr(2);
/// for epoch in 0..2 {
///     progress.start_epoch(100);
///     for step in 0..100 {
///         progress.step(3.0 - 0.01 * f64::from(step));
///     }
///     progress.end_epoch(&[("loss", 2.0), ("valid_bpc", 2.9)]);
/// }
/// ```
#[derive(Debug)]
pub struct Progress {
    epochs: u64,
    epoch: u64,
    output: Output,
}

enum Output {
    Bar(ProgressBar),
    Lines(Box<dyn Write + Send>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bar(_) => "Bar",
            Self::Lines(_) => "Lines",
        })
    }
}

impl Progress {
    /// Reports a run of `epochs` on standard error: a bar if that is a terminal, else lines.
    pub fn stderr(epochs: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self::lines(epochs, io::stderr());
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self {
            epochs,
            epoch: 0,
            output: Output::Bar(bar),
        }
    }

    /// Reports a run of `epochs` as one line per epoch to `target`.
    ///
    /// A target that fails, such as a closed pipe, is ignored: training goes on.
    pub fn lines(epochs: u64, target: impl Write + Send + 'static) -> Self {
        Self {
            epochs,
            epoch: 0,
            output: Output::Lines(Box::new(target)),
        }
    }

    /// Continues a resumed run after `epochs` completed ones.
    #[must_use]
    pub fn after(mut self, epochs: u64) -> Self {
        self.epoch = epochs;
        self
    }

    /// Begins the next epoch, of `steps` steps.
    pub fn start_epoch(&mut self, steps: u64) {
        self.epoch += 1;
        if let Output::Bar(bar) = &self.output {
            bar.reset();
            bar.set_length(steps);
            bar.set_prefix(format!("epoch {}/{}", self.epoch, self.epochs));
        }
    }

    /// Ends a step with its loss.
    pub fn step(&mut self, loss: f64) {
        if let Output::Bar(bar) = &self.output {
            bar.set_message(format!("loss {}", Figure(loss)));
            bar.inc(1);
        }
    }

    /// Ends the epoch with named figures, printed in the order given.
    pub fn end_epoch(&mut self, figures: &[(&str, f64)]) {
        let mut line = format!("epoch {}/{}", self.epoch, self.epochs);
        for (name, value) in figures {
            line += &format!(" {name} {}", Figure(*value));
        }
        match &mut self.output {
            Output::Bar(bar) => {
                bar.println(line);
                if self.epoch >= self.epochs {
                    bar.finish_and_clear();
                }
            }
            Output::Lines(target) => {
                let _ = writeln!(target, "{line}").and_then(|()| target.flush());
            }
        }
    }
}

/// Of a run that is trained by [`train`](crate::train).
impl Observer for Progress {
    fn start_epoch(&mut self, epoch: u64, steps: Option<u64>) -> Result<(), AnyError> {
        self.epoch = epoch.saturating_sub(1);
        Progress::start_epoch(self, steps.unwrap_or(0));
        Ok(())
    }

    fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
        Progress::step(self, record.loss);
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), AnyError> {
        let figures = record.figures.iter();
        let figures: Vec<(&str, f64)> = figures
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        self.end_epoch(&figures);
        Ok(())
    }

    fn end(&mut self) -> Result<(), AnyError> {
        if let Output::Bar(bar) = &self.output {
            bar.finish_and_clear();
        }
        Ok(())
    }
}

/// A number with four decimals, or in scientific form when those would hide it.
struct Figure(f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size == 0.0 || (0.01..1e6).contains(&size) || !size.is_finite() {
            write!(f, "{:.4}", self.0)
        } else {
            write!(f, "{:.3e}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn lines_are_one_per_epoch_with_figures_in_order() {
        let target = Shared::default();
        let mut progress = Progress::lines(3, target.clone()).after(1);
        for rate in [1e-3, 0.0] {
            progress.start_epoch(2);
            progress.step(3.0);
            progress.step(2.0);
            progress.end_epoch(&[("loss", 2.5), ("rate", rate), ("norm", f64::NAN)]);
        }
        let text = String::from_utf8(target.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "epoch 2/3 loss 2.5000 rate 1.000e-3 norm NaN\nepoch 3/3 loss 2.5000 rate 0.0000 norm NaN\n"
        );
    }

    #[test]
    fn a_closed_target_does_not_stop_the_run() {
        let mut progress = Progress::lines(1, Closed);
        progress.start_epoch(1);
        progress.step(1.0);
        progress.end_epoch(&[]);
    }

    #[test]
    fn the_bar_template_is_valid() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
