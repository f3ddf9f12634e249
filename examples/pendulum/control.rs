//! The controller, and how it learns within the world.

use std::error::Error;

use ndarray::{Array2, Array3};
use rnn::cells::Gru;
use rnn::prelude::*;
use rnn::progress::Progress;
use rnn::rng;
use rnn::schedule::Cosine;
use rnn::train::{
    AnyError, Clip, Observer, OnNonFinite, Rate, Run, Settings, Source, SourceError, StepRecord,
    Trainer, TrainingBatch,
};

use crate::arguments::Arguments;
use crate::episodes::Logged;
use crate::simulator::Pendulum;
use crate::trials::Controller;
use crate::world::{Identify, World};

rnn! {
    /// A torque, of the limit, for what is believed.
    pub(crate) cell Policy<H>(s: [3]) -> u: [1] {
        param W_1: [H, 3 + H] ~ glorot_uniform;
        param W_2: [1, H]     ~ normal(0.0, 0.1);
        param b_1: [H]        = 0;
        param b_2: [1]        = 0;
        layer gru = Gru<3, H>;

        u[t] = tanh(W_2 @ tanh(W_1 @ [s[t], gru(s[t])] + b_1) + b_2);
    }

    /// The controller in a world: where nothing is known, it acts on what it has the world do. `world.discount` damps its gradient.
    pub(crate) model Control<W, H> {
        time   t in 1..=T;
        input  seen[t]: [3];
        input  known[t]: [];
        fixed noise_std: [] = 0;
        fixed speed: []     = 0;
        fixed effort: []    = 0;
        layer world  = World<W>;
        layer policy = Policy<H>;

        u[t]    = policy(noise(world.s[t], noise_std));
        y[t]    = world(seen[t], known[t], u[t]);
        cost[t] = 1 - sum(slice(y[t], 1, 1)) + speed * sum(square(slice(y[t], 2, 1))) + effort * sum(square(u[t]));

        output u, y;
        loss   mean[t](cost[t]);
    }
}

/// Pendulums anywhere, of which the first step is measured.
struct Starts {
    left: u64,
    updates: u64,
    rng: rng::ChaCha8Rng,
    velocity: f32,
    seen: Array3<f32>,
    known: Array2<f32>,
}

impl Source<Control> for Starts {
    fn next(&mut self) -> Result<Option<TrainingBatch<'_, Control>>, SourceError> {
        if self.left == 0 {
            self.left = self.updates;
            return Ok(None);
        }
        self.left -= 1;
        for mut row in self
            .seen
            .index_axis_mut(ndarray::Axis(0), 0)
            .outer_iter_mut()
        {
            let own = measurement(Pendulum::anywhere(&mut self.rng), self.velocity);
            row.iter_mut().zip(own).for_each(|(seen, own)| *seen = own);
        }
        self.known.row_mut(0).fill(1.0);
        let inputs = ControlInputs {
            seen: self.seen.view(),
            known: self.known.view(),
        };
        let seen = self.known.ncols() as u64;
        Ok(Some(TrainingBatch::new(
            Batch::new(inputs),
            ControlTargets::default(),
            seen,
        )))
    }

    fn batches(&self) -> Option<u64> {
        Some(self.updates)
    }

    fn cursor(&self) -> String {
        String::new()
    }

    fn resume(&mut self, _: &str) -> Result<(), SourceError> {
        Ok(())
    }
}

/// What the models read of a pendulum.
fn measurement(at: Pendulum, velocity: f32) -> [f32; 3] {
    let (sine, cosine) = at.angle.sin_cos();
    [sine as f32, cosine as f32, at.velocity as f32 / velocity]
}

/// The loss of each update.
#[derive(Default)]
struct Losses(Vec<f64>);

impl Observer for Losses {
    fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
        self.0.push(record.loss);
        Ok(())
    }
}

/// Learns a controller within the world, which stays as it is; also the loss of each update.
pub(crate) fn learn(
    world: &Trainer<Identify>,
    logged: &Logged,
    arguments: &Arguments,
) -> Result<(Trainer<Control>, Vec<f64>), Box<dyn Error>> {
    let spec = Control {
        W: arguments.world,
        H: arguments.controller,
    };
    let model = spec.compile(Options::default().fixed("world.*"))?;
    let mut params = ControlParams::init(&spec, arguments.seed)?;
    // The parameters of the layer `world` have the same names in both models.
    params.visit_mut(&mut |name, mut own| {
        if let Some(learnt) = world.params().tensor(name) {
            own.assign(&learnt);
        }
        if name == "world.discount" {
            own.fill(arguments.discount);
        }
    });
    params.noise_std.fill(arguments.noise);
    params.speed.fill(arguments.speed);
    params.effort.fill(arguments.effort);
    let rate = f64::from(arguments.control_rate);
    let settings = Settings::default()
        .rate(Rate::per_step(Cosine::new(
            rate,
            rate / 100.0,
            arguments.updates.max(1),
        )?))
        .clip(Clip::Norm(1.0))
        .on_nonfinite(OnNonFinite::Skip { in_a_row: 10 })
        .seed(arguments.seed);
    let mut trainer = Trainer::new(model, params, settings)?;
    let mut starts = Starts {
        left: arguments.updates,
        updates: arguments.updates,
        rng: rng::stream(arguments.seed, "starts", "training"),
        velocity: logged.velocity,
        seen: Array3::zeros((arguments.horizon, arguments.batch, 3)),
        known: Array2::zeros((arguments.horizon, arguments.batch)),
    };
    let mut losses = Losses::default();
    let run = Run::epochs(1)
        .observer(Progress::stderr(1))
        .observer(&mut losses);
    trainer.fit(&mut starts, None, run)?;
    Ok((trainer, losses.0))
}

/// The controller at work: it reads measurements, one period after the other.
pub(crate) struct Learnt {
    stream: Stream<Control>,
    torque: f32,
    velocity: f32,
}

impl Learnt {
    /// For so many pendulums side by side.
    pub(crate) fn new(
        trainer: &Trainer<Control>,
        logged: &Logged,
        batch: usize,
    ) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            stream: trainer.model().stream_batch(trainer.params(), batch)?,
            torque: logged.torque,
            velocity: logged.velocity,
        })
    }
}

impl Controller for Learnt {
    fn torques(&mut self, measured: &[Pendulum]) -> Result<Vec<f64>, Box<dyn Error>> {
        let seen: Vec<f32> = measured
            .iter()
            .flat_map(|at| measurement(*at, self.velocity))
            .collect();
        let seen = Array3::from_shape_vec((1, measured.len(), 3), seen)?;
        let known = Array2::ones((1, measured.len()));
        let inputs = ControlInputs {
            seen: seen.view(),
            known: known.view(),
        };
        let said = self.stream.step(inputs)?;
        Ok(said
            .u
            .iter()
            .map(|own| f64::from(*own * self.torque))
            .collect())
    }
}
