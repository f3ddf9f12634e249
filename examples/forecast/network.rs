//! The network, how it learns, and what it forecasts.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use ndarray::{Array2, Array3, s};
use rnn::cells::Gru;
use rnn::checkpoint::save_params;
use rnn::data::Windows;
use rnn::optim::{AdamConfig, OptimizerConfig};
use rnn::prelude::*;
use rnn::ragged::LengthBatches;
use rnn::train::{
    Clip, Examples, Ordered, Rate, Run, Settings, Shuffled, Source, SourceError, Trainer,
    TrainingBatch,
};

use crate::arguments::Arguments;
use crate::series::Series;

rnn! {
    /// Says the next value as that of a season before and a change, which it tells from the changes of a season of `P` steps.
    ///
    /// Where a value is not known, it reads what it said itself: so it forecasts, and so it is trained to.
    pub(crate) model Forecast<P, H> {
        time   t in 1..=T;
        input  seen[t]: [1];
        input  known[t]: [];
        target next[t]: [1];
        target asked[t]: [];

        param A:   [1, P] = 0;
        param W_y: [1, H] ~ normal(0.0, 0.1);
        param b_y: [1]    = 0;
        fixed forget: []  = 0;
        layer gru = Gru<P, H>;

        now[t]    = where(known[t], seen[t], y[t-1]);
        past[t]: [P]   = [now[t], slice(past[t-1], 0, P - 1)];
        change[t] = now[t] - slice(past[t-1], P - 1, 1);
        recent[t]: [P] = [change[t], slice(recent[t-1], 0, P - 1)];
        e[t]      = dropout(recent[t], forget);
        y[t]      = slice(past[t], P - 1, 1) + A @ e[t] + W_y @ gru(e[t]) + b_y;

        output y;
        loss   sum[t](asked[t] * squared_error(y[t], next[t])) / sum[t](asked[t]);
    }
}

/// Seasons that the network has seen where it begins to forecast: two until all its changes are known, and one to get into its state.
const BEFORE: usize = 3;

/// Forecasts of a season from some origins each, as the network reads them.
pub(crate) struct Seasons {
    windows: Windows,
    /// `[steps, 1]`
    series: Array2<f32>,
    seen: Array3<f32>,
    known: Array2<f32>,
    next: Array3<f32>,
    asked: Array2<f32>,
}

impl Seasons {
    /// All forecasts of a season whose steps are among `steps`.
    pub(crate) fn of(
        seen: &[f32],
        period: usize,
        steps: Range<usize>,
    ) -> Result<Self, Box<dyn Error>> {
        let before = BEFORE * period;
        let first = steps.start.checked_sub(before).ok_or_else(|| {
            format!(
                "expected at least {before} steps before the first forecast, found {}",
                steps.start
            )
        })?;
        let series: Array2<f32> = seen[first..steps.end]
            .iter()
            .map(|value| [*value])
            .collect::<Vec<_>>()
            .into();
        Ok(Self {
            windows: Windows::new(&[series.nrows()], before)?.horizon(period)?,
            series,
            seen: Array3::zeros((0, 0, 1)),
            known: Array2::zeros((0, 0)),
            next: Array3::zeros((0, 0, 1)),
            asked: Array2::zeros((0, 0)),
        })
    }

    fn lay_out(&mut self, rows: &[usize]) -> Result<(), SourceError> {
        let views = [self.series.view()];
        let before = self
            .windows
            .inputs(&views, rows)
            .map_err(SourceError::other)?;
        let after = (self.windows.following(&views, rows)).map_err(SourceError::other)?;
        // The last step forecasts the last value, and does not read it.
        let (known, steps) = (before.shape()[0], before.shape()[0] + after.shape()[0] - 1);
        let asked = known - 1;
        self.seen = Array3::zeros((steps, rows.len(), 1));
        self.seen.slice_mut(s![..known, .., ..]).assign(&before);
        self.known =
            Array2::from_shape_fn((steps, rows.len()), |(t, _)| f32::from(u8::from(t < known)));
        self.next = Array3::zeros((steps, rows.len(), 1));
        self.next.slice_mut(s![asked.., .., ..]).assign(&after);
        self.asked = Array2::from_shape_fn((steps, rows.len()), |(t, _)| {
            f32::from(u8::from(t >= asked))
        });
        Ok(())
    }

    fn inputs(&self) -> ForecastInputs<'_> {
        ForecastInputs {
            seen: self.seen.view(),
            known: self.known.view(),
        }
    }
}

impl Examples<Forecast> for Seasons {
    fn len(&self) -> usize {
        self.windows.len()
    }

    fn batch(&mut self, rows: &[usize]) -> Result<TrainingBatch<'_, Forecast>, SourceError> {
        self.lay_out(rows)?;
        let targets = ForecastTargets {
            next: self.next.view(),
            asked: self.asked.view(),
        };
        Ok(TrainingBatch::new(
            Batch::new(self.inputs()),
            targets,
            rows.len() as u64,
        ))
    }
}

/// Networks whose forecasts are averaged.
pub(crate) struct Ensemble {
    trainers: Vec<Trainer<Forecast>>,
    /// What values are divided by: the standard deviation of a change over a season.
    scale: f32,
    period: usize,
    /// The mean loss of the networks on the validation part after each epoch.
    pub(crate) validation: Vec<f64>,
}

impl Ensemble {
    /// Learns for `epochs` to forecast from the first `training` steps, and is judged on the steps of `validation`, if there are any.
    pub(crate) fn train(
        series: &Series,
        training: usize,
        validation: Option<Range<usize>>,
        epochs: u64,
        arguments: &Arguments,
    ) -> Result<Self, Box<dyn Error>> {
        let (period, seen) = (series.period, series.seen());
        let changes = series.changes(training);
        let mean = changes.iter().sum::<f32>() / changes.len() as f32;
        let squares: f32 = changes.iter().map(|own| (own - mean).powi(2)).sum();
        let mut ensemble = Self {
            trainers: Vec::new(),
            scale: (squares / changes.len() as f32).sqrt(),
            period,
            validation: vec![0.0; epochs as usize],
        };
        let scaled = ensemble.scaled(&seen);
        let spec = Forecast {
            P: period,
            H: arguments.hidden,
        };
        for member in 0..arguments.networks {
            let seed = arguments.seed + member;
            let model = spec.compile(Options::default().threads(1))?;
            let mut params = ForecastParams::init(&spec, seed)?;
            params.forget.fill(arguments.dropout);
            let adam = OptimizerConfig::Adam(AdamConfig::decoupled(arguments.decay));
            let adam = adam.build(model.param_specs(), &[])?;
            let settings = Settings::default()
                .rate(Rate::constant(arguments.rate))
                .clip(Clip::Norm(1.0))
                .seed(seed);
            let mut trainer = Trainer::with_optimizer(model, params, adam, settings)?;
            let source = |steps| -> Result<_, Box<dyn Error>> {
                let seasons = Seasons::of(&scaled, period, steps)?;
                let lengths = vec![(BEFORE + 1) * period - 1; seasons.windows.len()];
                let batches = LengthBatches::new(&lengths, arguments.batch)?;
                Ok(Ordered::new(seasons, Shuffled::new(batches, seed))?)
            };
            let mut learnt_from = source(BEFORE * period..training)?;
            let mut judged = validation.clone().map(source).transpose()?;
            let (curve, networks) = (&mut ensemble.validation, arguments.networks as f64);
            let run = Run::epochs(epochs).hook(|end| {
                let epoch = end.record.epoch as usize - 1;
                curve[epoch] += end.record.figure("validation").unwrap_or(f64::NAN) / networks;
                Ok(())
            });
            let judged = judged.as_mut().map(|source| source as &mut dyn Source<_>);
            trainer.fit(&mut learnt_from, judged, run)?;
            ensemble.trainers.push(trainer);
        }
        Ok(ensemble)
    }

    fn scaled(&self, seen: &[f32]) -> Vec<f32> {
        seen.iter().map(|value| value / self.scale).collect()
    }

    /// The forecasts of a season from each origin whose season lies among `steps`, as models see values: `[origins, P]`.
    pub(crate) fn forecast(
        &self,
        seen: &[f32],
        steps: Range<usize>,
    ) -> Result<Array2<f32>, Box<dyn Error>> {
        let mut seasons = Seasons::of(&self.scaled(seen), self.period, steps)?;
        let rows: Vec<usize> = (0..seasons.windows.len()).collect();
        seasons.lay_out(&rows)?;
        let mut sum = Array2::zeros((rows.len(), self.period));
        for trainer in &self.trainers {
            let said = trainer
                .model()
                .forward(trainer.params(), seasons.inputs())?
                .y;
            sum += &said.slice(s![BEFORE * self.period - 1.., .., 0]).t();
        }
        Ok(sum * (self.scale / self.trainers.len() as f32))
    }

    /// Writes the parameters of each network, counted from 1 before the ending of the name.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let (stem, ending) = (path.file_stem(), path.extension());
        let stem = stem
            .ok_or("the file to save to has no name")?
            .to_string_lossy();
        for (count, trainer) in (1..).zip(&self.trainers) {
            let mut own = path.with_file_name(format!("{stem}-{count}"));
            own.set_extension(ending.unwrap_or("safetensors".as_ref()));
            save_params(own, trainer.params())?;
        }
        Ok(())
    }
}
