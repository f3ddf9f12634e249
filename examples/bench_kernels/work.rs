//! A case made ready: compiled, with parameters and data, to be called again and again.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use ndarray::{Array3, ArrayD};
use rand::RngExt;
use rnn::Frozen;
use rnn::prelude::*;
use safetensors::serialize_to_file;
use safetensors::tensor::{Dtype, TensorView};

use crate::case::{Case, Cell, Pass};
use crate::decay;
use crate::dropped;
use crate::language::Language;
use crate::layers::*;

pub(crate) type Fallible<T> = Result<T, Box<dyn Error>>;

/// What can be timed.
pub(crate) trait Work {
    /// Does the work `calls` times.
    fn run(&mut self, calls: usize) -> Fallible<()>;
    /// Writes parameters, inputs, outputs and gradients, for another implementation to be held against.
    fn export(&self, path: &Path) -> Fallible<()>;
    /// Time that compiling took.
    fn compiled_in(&self) -> Duration;
    /// Where the time of the calls went, if it was prepared to be profiled.
    fn profile(&self) -> Fallible<Profile>;
    /// Forgets what was measured so far.
    fn reset_profile(&mut self);
    /// What compiling took, stage by stage.
    fn compile_report(&self) -> String;
    /// Microseconds of a call that clipping and the optimiser took.
    fn optimiser_us(&self) -> Option<f64> {
        None
    }
    /// Bytes that a call takes.
    fn bytes(&self) -> usize;
}

/// A case made ready.
pub(crate) fn prepare(case: &Case, profile: bool) -> Fallible<Box<dyn Work>> {
    fn boxed<M: Layer>(case: &Case, profile: bool) -> Fallible<Box<dyn Work>> {
        Ok(Box::new(Ready::<M>::new(case, profile)?))
    }
    if let Some(work) = dropped::prepare(case, profile)? {
        return Ok(work);
    }
    match case.cell {
        Cell::Lstm => boxed::<LstmLayer>(case, profile),
        Cell::BiLstm => boxed::<BiLstmLayer>(case, profile),
        Cell::OwnLstm => boxed::<OwnLstmLayer>(case, profile),
        Cell::Gru => boxed::<GruLayer>(case, profile),
        Cell::GruBefore => boxed::<GruBeforeLayer>(case, profile),
        Cell::NormLstm => boxed::<NormLstmLayer>(case, profile),
        Cell::Peephole => boxed::<PeepholeLayer>(case, profile),
        Cell::ResidualGru => boxed::<ResidualGruLayer>(case, profile),
        Cell::MinGru => boxed::<MinGruLayer>(case, profile),
        Cell::IndRnn => boxed::<IndRnnLayer>(case, profile),
        Cell::CharLm => Ok(Box::new(Language::new(case, profile)?)),
    }
}

/// A layer, made ready.
pub(crate) struct Ready<M: Layer> {
    model: Compiled<M>,
    compiled_in: Duration,
    bytes: usize,
    params: M::Params,
    grads: M::Params,
    x: Array3<f32>,
    dy: Array3<f32>,
    /// Calls so far: the seed of the next.
    calls: u64,
    doing: Doing<M>,
}

enum Doing<M: Layer> {
    Stream(Box<Stream<M>>),
    Forward(Frozen<M>),
    Train,
    Compile(M, Options),
}

impl<M: Layer> Ready<M> {
    pub(crate) fn new(case: &Case, profile: bool) -> Fallible<Self> {
        let spec = M::sized(case.inputs, case.hidden);
        let start = Instant::now();
        let options = Options::default()
            .reduction(Reduction::Sum)
            .threads(case.threads)
            .profile(profile);
        let mut model = rnn::compile(spec, options.clone())?;
        let compiled_in = start.elapsed();
        let size = rnn::BatchSize::new(case.batch).steps("t", case.steps);
        let program = match case.pass {
            Pass::Stream | Pass::Forward => Program::Forward,
            _ => Program::Gradient,
        };
        let mut bytes = model.bytes(program, &size)?.total;
        if case.share > 1 {
            model = rnn::compile(spec, options.clone().memory_limit(bytes / case.share))?;
            bytes = model.bytes(program, &size)?.total;
        }
        if case.pass == Pass::Stream {
            bytes = model.stream_bytes(case.batch)?;
        }
        let mut params = rnn::init_params(&spec, 42)?;
        let mut rng = rnn::rng::stream(42, "bench", "data");
        // Of the size that libraries start from, biases included: no value is special.
        let bound = (case.hidden as f32).sqrt().recip();
        params.visit_mut(&mut |name, mut view| {
            let gain = name.trim_start_matches(M::PREFIX).starts_with('g') as u8;
            view.mapv_inplace(|_| f32::from(gain) + rng.random_range(-bound..bound));
        });
        let mut draw = |features| {
            Array3::from_shape_simple_fn((case.steps, case.batch, features), || {
                rng.random_range(-1.0..1.0)
            })
        };
        let (mut x, dy) = (draw(case.inputs), draw(case.outputs()));
        if let Some(scale) = decay::scale(case)? {
            decay::prepare::<M>(&mut params, &mut x, scale);
        }
        let doing = match case.pass {
            Pass::Stream => Doing::Stream(Box::new(model.stream_batch(&params, case.batch)?)),
            Pass::Forward => Doing::Forward(model.freeze(&params)?),
            Pass::Train | Pass::Decay | Pass::Live => Doing::Train,
            Pass::Compile => Doing::Compile(spec, options),
            Pass::Step => {
                return Err(
                    format!("expected pass step of cell charlm alone, found {case}").into(),
                );
            }
        };
        Ok(Self {
            model,
            compiled_in,
            bytes,
            grads: rnn::zero_params(&spec)?,
            params,
            x,
            dy,
            calls: 0,
            doing,
        })
    }
}

impl<M: Layer> Work for Ready<M> {
    fn run(&mut self, calls: usize) -> Fallible<()> {
        for _ in 0..calls {
            let inputs = M::inputs(self.x.view());
            match &mut self.doing {
                Doing::Stream(stream) => {
                    stream.step(inputs)?;
                }
                Doing::Forward(model) => {
                    model.forward(inputs)?;
                }
                Doing::Train => {
                    let targets = M::targets(self.dy.view());
                    let (params, grads) = (&self.params, &mut self.grads);
                    let inputs = Batch::new(inputs).seed(self.calls);
                    self.calls += 1;
                    self.model.loss_and_grad(params, inputs, targets, grads)?;
                }
                Doing::Compile(spec, options) => {
                    rnn::compile(*spec, options.clone())?;
                }
            }
        }
        Ok(())
    }

    fn export(&self, path: &Path) -> Fallible<()> {
        let mut grads = self.grads.clone();
        let inputs = || M::inputs(self.x.view());
        let outputs = self.model.forward(&self.params, inputs())?;
        let targets = M::targets(self.dy.view());
        self.model.loss_and_grad(
            &self.params,
            Batch::new(inputs()).seed(0),
            targets,
            &mut grads,
        )?;
        let mut tensors: HashMap<String, ArrayD<f32>> = HashMap::new();
        for (kind, params) in [("param", &self.params), ("grad", &grads)] {
            for (name, tensor) in params.to_map() {
                let name = name.trim_start_matches(M::PREFIX);
                tensors.insert(format!("{kind}.{name}"), tensor);
            }
        }
        for (name, array) in [("x", &self.x), ("dy", &self.dy), ("h", M::h(&outputs))] {
            tensors.insert(name.to_owned(), array.clone().into_dyn());
        }
        write(tensors, path)
    }

    fn compiled_in(&self) -> Duration {
        self.compiled_in
    }

    fn profile(&self) -> Fallible<Profile> {
        Ok(match &self.doing {
            Doing::Stream(stream) => stream.profile()?,
            Doing::Forward(model) => model.profile()?,
            Doing::Train | Doing::Compile(..) => self.model.profile(Program::Gradient)?,
        })
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn compile_report(&self) -> String {
        self.model.compile_report().to_string()
    }

    fn reset_profile(&mut self) {
        match &mut self.doing {
            Doing::Stream(stream) => stream.reset_profile(),
            Doing::Forward(model) => model.reset_profile(),
            Doing::Train | Doing::Compile(..) => self.model.reset_profile(),
        }
    }
}

/// Writes tensors as a safetensors file.
pub(crate) fn write(tensors: HashMap<String, ArrayD<f32>>, path: &Path) -> Fallible<()> {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = (tensors.into_iter())
        .map(|(name, array)| {
            let bytes = array.iter().flat_map(|value| value.to_le_bytes());
            (name, array.shape().to_vec(), bytes.collect())
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Fallible<Vec<_>>>()?;
    Ok(serialize_to_file(views, None, path)?)
}
