//! The character language model and a whole training step of it: forward, backward, clipping by the global norm, Adam.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use ndarray::{Array2, ArrayD, arr0};
use rand::RngExt;
use rnn::cells::Lstm;
use rnn::prelude::*;

use crate::case::{Case, Pass};
use crate::flops::flops_of;
use crate::work::{Fallible, Work, write};

/// Characters.
pub(crate) const CHARACTERS: usize = 96;
/// The largest global norm of the gradients.
const NORM: f32 = 1.0;
const RATE: f32 = 1e-3;
/// Steps whose losses are exported.
const STEPS: usize = 3;

rnn! {
    /// Character language model.
    pub(crate) model CharLm<V, E, H> {
        time   t in 1..=T;
        input  now[t]:  token<V>;
        target next[t]: token<V>;

        param embed: [V, E] ~ normal(0.0, 0.1);
        param W_y:   [V, H] ~ glorot_uniform;
        param b_y:   [V]    = 0;
        layer lstm = Lstm<E, H>;

        h[t]      = lstm(embed[now[t]]);
        logits[t] = W_y @ h[t] + b_y;

        output logits;
        loss   mean[t](cross_entropy(logits[t], next[t]));
    }
}

/// A model that is trained.
pub(crate) struct Language {
    spec: CharLm,
    options: Options,
    pass: Pass,
    model: Compiled<CharLm>,
    compiled_in: Duration,
    bytes: usize,
    flops: f64,
    state: Training,
    now: Array2<u32>,
    next: Array2<u32>,
    /// Calls, and the time that clipping and the optimiser took in them.
    after: (u32, Duration),
}

struct Training {
    params: CharLmParams,
    grads: CharLmParams,
    adam: Adam,
}

impl Language {
    pub(crate) fn new(case: &Case, profile: bool) -> Fallible<Self> {
        if !matches!(case.pass, Pass::Step | Pass::Compile) {
            let text = format!("expected pass step or compile of cell charlm, found {case}");
            return Err(text.into());
        }
        let spec = CharLm {
            V: CHARACTERS,
            E: case.inputs,
            H: case.hidden,
        };
        let options = Options::default().threads(case.threads).profile(profile);
        let start = Instant::now();
        let model = spec.compile(options.clone())?;
        let compiled_in = start.elapsed();
        let size = rnn::BatchSize::new(case.batch).steps("t", case.steps);
        let bytes = model.bytes(Program::Gradient, &size)?.total;
        let flops = match case.pass {
            Pass::Compile => 0.0,
            _ => flops_of(&spec, case.program(), case.steps, case.batch)?,
        };
        let mut rng = rnn::rng::stream(42, "bench", "text");
        let mut draw = || {
            Array2::from_shape_simple_fn((case.steps, case.batch), || {
                rng.random_range(0..CHARACTERS as u32)
            })
        };
        let (now, next) = (draw(), draw());
        let state = Training::new(&spec, &model)?;
        Ok(Self {
            spec,
            options,
            pass: case.pass,
            model,
            compiled_in,
            bytes,
            flops,
            state,
            now,
            next,
            after: Default::default(),
        })
    }
}

impl Training {
    fn new(spec: &CharLm, model: &Compiled<CharLm>) -> Fallible<Self> {
        Ok(Self {
            params: CharLmParams::init(spec, 42)?,
            grads: CharLmParams::zeros(spec)?,
            adam: Adam::new(model.param_specs(), Default::default())?,
        })
    }

    // One step; the loss before it, and the time that clipping and the optimiser took.
    fn step(
        &mut self,
        model: &Compiled<CharLm>,
        [now, next]: [&Array2<u32>; 2],
    ) -> Fallible<(f32, Duration)> {
        let inputs = CharLmInputs { now: now.view() };
        let targets = CharLmTargets { next: next.view() };
        let value = model.loss_and_grad(&self.params, inputs, targets, &mut self.grads)?;
        let start = Instant::now();
        clip_global_norm(&mut self.grads, model.param_specs(), NORM)?;
        self.adam.step(&mut self.params, &self.grads, RATE)?;
        Ok((value.loss, start.elapsed()))
    }
}

impl Work for Language {
    fn run(&mut self, calls: usize) -> Fallible<()> {
        for _ in 0..calls {
            if self.pass == Pass::Compile {
                self.spec.compile(self.options.clone().reuse(false))?;
                continue;
            }
            let (_, after) = self.state.step(&self.model, [&self.now, &self.next])?;
            self.after.0 += 1;
            self.after.1 += after;
        }
        Ok(())
    }

    fn export(&self, path: &Path) -> Fallible<()> {
        // From the first parameters on, whatever has been trained since.
        let mut state = Training::new(&self.spec, &self.model)?;
        let mut tensors: HashMap<String, ArrayD<f32>> = HashMap::new();
        let keep = |tensors: &mut HashMap<_, _>, kind: &str, params: &CharLmParams| {
            for (name, tensor) in params.to_map() {
                tensors.insert(format!("{kind}.{name}"), tensor);
            }
        };
        keep(&mut tensors, "param", &state.params);
        for step in 0..STEPS {
            let (loss, _) = state.step(&self.model, [&self.now, &self.next])?;
            tensors.insert(format!("loss{step}"), arr0(loss).into_dyn());
            if step == 0 {
                keep(&mut tensors, "grad", &state.grads);
            }
        }
        keep(&mut tensors, "after", &state.params);
        for (name, tokens) in [("now", &self.now), ("next", &self.next)] {
            tensors.insert(
                name.to_owned(),
                tokens.mapv(|token| token as f32).into_dyn(),
            );
        }
        for (name, value) in [("norm", NORM), ("rate", RATE)] {
            tensors.insert(name.to_owned(), arr0(value).into_dyn());
        }
        write(tensors, path)
    }

    fn compiled_in(&self) -> Duration {
        self.compiled_in
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn flops(&self) -> f64 {
        self.flops
    }

    fn profile(&self) -> Fallible<Profile> {
        Ok(self.model.profile(Program::Gradient)?)
    }

    fn compile_report(&self) -> String {
        self.model.compile_report().to_string()
    }

    fn reset_profile(&mut self) {
        self.model.reset_profile();
    }

    fn optimiser_us(&self) -> Option<f64> {
        let (calls, time) = self.after;
        (calls > 0).then(|| time.as_secs_f64() * 1e6 / f64::from(calls))
    }
}
