//! What the network believes of the pendulum, and how it learns that.

use std::error::Error;

use ndarray::{Array2, Array3, ArrayView2, s};
use rnn::cells::Gru;
use rnn::data::Windows;
use rnn::prelude::*;
use rnn::progress::Progress;
use rnn::ragged::LengthBatches;
use rnn::schedule::{Cosine, WarmUp};
use rnn::train::{
    Clip, Examples, Ordered, Rate, Run, Settings, Shuffled, SourceError, Trainer, TrainingBatch,
    Watch,
};

use crate::arguments::Arguments;

rnn! {
    /// What is measured next, of the sine and cosine of the angle, and the velocity: `s` is turned by an angle and changed in
    /// its velocity, both of which a network tells from `s`, the torque and what was before.
    ///
    /// What was measured corrects what was expected, each number by a gain of its own; where nothing is measured, `s` is what was
    /// expected, through which `discount` of a gradient goes on to the step before.
    pub(crate) cell World<H>(seen: [3], known: [], u: [1]) -> y: [3] {
        param gain: [3]    = 1;
        fixed discount: [] = 1;
        param W_1: [H, 4 + H] ~ glorot_uniform;
        param b_1: [H]     = 0;
        param W_2: [2, H]  ~ normal(0.0, 0.1);
        param b_2: [2]     = 0;
        layer gru = Gru<4, H>;

        e[t]    = discount * y[t-1] + (1 - discount) * stop_gradient(y[t-1]);
        s[t]    = where(t == 1, seen[t], e[t] + known[t] * (sigmoid(gain) * (seen[t] - e[t])));
        x[t]    = [s[t], u[t]];
        d[t]    = W_2 @ tanh(W_1 @ [x[t], gru(x[t])] + b_1) + b_2;
        turn[t] = slice(d[t], 0, 1);
        y[t]    = [
            slice(s[t], 0, 1) * cos(turn[t]) + slice(s[t], 1, 1) * sin(turn[t]),
            slice(s[t], 1, 1) * cos(turn[t]) - slice(s[t], 0, 1) * sin(turn[t]),
            slice(s[t], 2, 1) + slice(d[t], 1, 1)
        ];
    }

    /// The world, learnt from what it is measured to do.
    pub(crate) model Identify<W> {
        time   t in 1..=T;
        input  seen[t]: [3];
        input  known[t]: [];
        input  u[t]: [1];
        target next[t]: [3];
        layer world = World<W>;

        y[t] = world(seen[t], known[t], u[t]);

        output y;
        loss   mean[t](squared_error(y[t], next[t]));
    }
}

/// Measurements before a forecast of what comes, at the most.
pub(crate) const WARM_UP: usize = 10;
/// Steps that are forecast in training.
const AHEAD: usize = 40;
/// Steps that an episode has at least: a warm-up, two seconds, and what comes then.
pub(crate) const LEAST: usize = WARM_UP + AHEAD + 1;

/// After how many steps a window is measured again, window after window; three of eight are not measured again.
///
/// Whoever learns from forecasts of two seconds alone meets gradients of chaos before the first forecast of a step is right, and may never
/// get on; the windows that are measured often say at once what a step does. They are also what a world at the pendulum gets.
const AGAIN: [Option<usize>; 8] = [
    Some(1),
    Some(2),
    Some(4),
    Some(8),
    Some(16),
    None,
    None,
    None,
];

/// Whether a step of a window is measured: from one step to all of a warm-up, so that it learns to believe measurements and to do without,
/// and then every so many.
fn measured(window: usize, step: usize) -> bool {
    // No factor in common with the windows of an episode, so that each of these is measured in all ways.
    let again = AGAIN[window / 7 % AGAIN.len()];
    step <= window % WARM_UP || again.is_some_and(|every| step.is_multiple_of(every))
}

/// Windows of episodes: some measurements, and torques.
struct Cuts<'e> {
    series: Vec<ArrayView2<'e, f32>>,
    windows: Windows,
    seen: Array3<f32>,
    known: Array2<f32>,
    u: Array3<f32>,
    next: Array3<f32>,
}

impl<'e> Cuts<'e> {
    fn of(series: Vec<ArrayView2<'e, f32>>) -> Result<Self, Box<dyn Error>> {
        let lengths: Vec<usize> = series.iter().map(ArrayView2::nrows).collect();
        Ok(Self {
            windows: Windows::new(&lengths, WARM_UP + AHEAD)?.stride(WARM_UP)?,
            series,
            seen: Array3::zeros((0, 0, 3)),
            known: Array2::zeros((0, 0)),
            u: Array3::zeros((0, 0, 1)),
            next: Array3::zeros((0, 0, 3)),
        })
    }
}

impl Examples<Identify> for Cuts<'_> {
    fn len(&self) -> usize {
        self.windows.len()
    }

    fn batch(&mut self, rows: &[usize]) -> Result<TrainingBatch<'_, Identify>, SourceError> {
        let all = (self.windows.inputs(&self.series, rows)).map_err(SourceError::other)?;
        let next = (self.windows.shifted(&self.series, rows)).map_err(SourceError::other)?;
        self.seen = all.slice(s![.., .., ..3]).to_owned();
        self.u = all.slice(s![.., .., 3..]).to_owned();
        self.next = next.slice(s![.., .., ..3]).to_owned();
        self.known = Array2::from_shape_fn((all.shape()[0], rows.len()), |(step, b)| {
            f32::from(u8::from(measured(rows[b], step)))
        });
        let inputs = IdentifyInputs {
            seen: self.seen.view(),
            known: self.known.view(),
            u: self.u.view(),
        };
        let targets = IdentifyTargets {
            next: self.next.view(),
        };
        Ok(TrainingBatch::new(
            Batch::new(inputs),
            targets,
            rows.len() as u64,
        ))
    }
}

/// Updates over which the learning rate rises.
const WARM: u64 = 100;

/// Learns the world from episodes; the parameters are those of the best epoch on the validation part.
pub(crate) fn identify(
    training: Vec<ArrayView2<'_, f32>>,
    validation: Vec<ArrayView2<'_, f32>>,
    arguments: &Arguments,
) -> Result<Trainer<Identify>, Box<dyn Error>> {
    let spec = Identify { W: arguments.world };
    let model = spec.compile(Options::default())?;
    let params = IdentifyParams::init(&spec, arguments.seed)?;
    let source = |series| -> Result<_, Box<dyn Error>> {
        let cuts = Cuts::of(series)?;
        let batches = LengthBatches::new(&vec![WARM_UP + AHEAD; cuts.windows.len()], 32)?;
        Ok(Ordered::new(cuts, Shuffled::new(batches, arguments.seed))?)
    };
    let (mut training, mut validation) = (source(training)?, source(validation)?);
    let updates = arguments.epochs * rnn::train::Source::batches(&training).unwrap_or(1);
    let rate = f64::from(arguments.rate);
    let decay = Cosine::new(rate, rate / 100.0, updates.max(1))?;
    let settings = Settings::default()
        .rate(Rate::per_step(WarmUp::new(WARM, decay)))
        .clip(Clip::Norm(1.0))
        .watch(Watch::lowest("validation").restore_best(true))
        .seed(arguments.seed);
    let mut trainer = Trainer::new(model, params, settings)?;
    let run = Run::epochs(arguments.epochs).observer(Progress::stderr(arguments.epochs));
    trainer.fit(&mut training, Some(&mut validation), run)?;
    Ok(trainer)
}

/// What the world forecasts after a warm-up, knowing the torques: `[ahead, B, 3]`, of series `[steps, B, 4]`.
pub(crate) fn forecast(
    trainer: &Trainer<Identify>,
    series: &Array3<f32>,
) -> Result<Array3<f32>, Box<dyn Error>> {
    let (steps, batch, _) = series.dim();
    let known = Array2::from_shape_fn((steps, batch), |(t, _)| f32::from(u8::from(t < WARM_UP)));
    let (seen, u) = (series.slice(s![.., .., ..3]), series.slice(s![.., .., 3..]));
    let inputs = IdentifyInputs {
        seen,
        known: known.view(),
        u,
    };
    let y = trainer.model().forward(trainer.params(), inputs)?.y;
    Ok(y.slice(s![WARM_UP - 1..steps - 1, .., ..]).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_measured_in_all_ways() {
        let known =
            |window: usize| (0..WARM_UP + AHEAD).filter(move |step| measured(window, *step));
        // Of six windows of an episode each is measured in each way somewhere, from always to once or twice.
        for own in 0..6 {
            let counts = || (0..160).map(|episode| known(6 * episode + own).count());
            assert_eq!(counts().max(), Some(WARM_UP + AHEAD));
            assert!(counts().min() <= Some(2), "{own}");
        }
        assert!((0..960).all(|window| measured(window, 0)));
    }
}
