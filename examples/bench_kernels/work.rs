//! A case made ready: compiled, with parameters and data, to be called again and again.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use ndarray::ArrayD;
use rand::RngExt;
use rnn::prelude::*;
use rnn::{Frozen, OutputViewMut, Outputs, ParamSpec, Tensors};
use safetensors::serialize_to_file;
use safetensors::tensor::{Dtype, TensorView};

use crate::case::{Case, Cell, Pass};
use crate::decay;
use crate::drawn::{bound, time_axes, values};
use crate::dropped;
use crate::flops::flops_of;
use crate::language::Language;
use crate::layers::*;
use crate::models::{Sample, Values};
use crate::zoo;

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
    /// Operations of a call.
    fn flops(&self) -> f64;
}

/// A case made ready.
pub(crate) fn prepare(case: &Case, profile: bool) -> Fallible<Box<dyn Work>> {
    fn boxed<M: Layer>(case: &Case, profile: bool) -> Fallible<Box<dyn Work>> {
        let spec = M::sized(case.inputs, case.hidden);
        Ok(Box::new(Ready::new(spec, case, profile)?))
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
        Cell::Zoo(name) => zoo::prepare(name, case, profile),
    }
}

/// A model of one cell.
pub(crate) struct Ready<M: Sample> {
    model: Compiled<M>,
    compiled_in: Duration,
    bytes: usize,
    flops: f64,
    params: M::Params,
    grads: M::Params,
    values: Values,
    /// Calls so far: the seed of the next.
    calls: u64,
    doing: Doing<M>,
}

enum Doing<M: Sample> {
    Stream(Box<Stream<M>>),
    Forward(Frozen<M>),
    Train,
    Compile(M, Options),
}

impl<M: Sample> Ready<M> {
    pub(crate) fn new(spec: M, case: &Case, profile: bool) -> Fallible<Self> {
        let start = Instant::now();
        let options = Options::default()
            .reduction(Reduction::Sum)
            .threads(case.threads)
            .profile(profile);
        let mut model = rnn::compile(spec, options.clone())?;
        let compiled_in = start.elapsed();
        let axes = time_axes(&bound(&spec));
        let size = rnn::BatchSize::new(case.batch);
        let size = (axes.iter()).fold(size, |size, (_, axis, _)| size.steps(axis, case.steps));
        let program = case.program();
        let mut bytes = model.bytes(program, &size)?.total;
        if case.share > 1 {
            model = rnn::compile(spec, options.clone().memory_limit(bytes / case.share))?;
            bytes = model.bytes(program, &size)?.total;
        }
        if case.pass == Pass::Stream {
            bytes = model.stream_bytes(case.batch)?;
        }
        let flops = match case.pass {
            Pass::Compile => 0.0,
            _ => flops_of(&spec, program, case.steps, case.batch)?,
        };
        let mut params = rnn::init_params(&spec, 42)?;
        move_params(case, &mut params, model.param_specs());
        let mut values = values(&spec, case.steps, case.batch, 42);
        if let (Some(scale), Some(x)) = (decay::scale(case)?, values.reals.get_mut("x")) {
            decay::prepare(&mut params, x, scale);
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
            flops,
            grads: rnn::zero_params(&spec)?,
            params,
            values,
            calls: 0,
            doing,
        })
    }
}

/// Draws parameters so that no value is special, biases included. Those of this tool's cells are of the size that libraries start
/// from. A cell of the zoo stays near what its paper starts from, since others may grow or be chaotic, and then no two
/// implementations agree after a hundred steps; what is fixed in it stays.
fn move_params(case: &Case, params: &mut impl Tensors, specs: &[ParamSpec]) {
    let mut rng = rnn::rng::stream(42, "bench", "data");
    let bound = (case.hidden as f32).sqrt().recip();
    params.visit_mut(&mut |name, mut view| match case.cell {
        Cell::Zoo(_) => {
            if specs
                .iter()
                .any(|spec| spec.name == name && spec.is_trained())
            {
                let bound = 0.1 * bound;
                view.mapv_inplace(|value| value + rng.random_range(-bound..bound));
            }
        }
        _ => {
            let gain = name.trim_start_matches(PREFIX).starts_with('g') as u8;
            view.mapv_inplace(|_| f32::from(gain) + rng.random_range(-bound..bound));
        }
    });
}

impl<M: Sample> Work for Ready<M> {
    fn run(&mut self, calls: usize) -> Fallible<()> {
        let given = M::inputs(&self.values);
        for _ in 0..calls {
            let inputs = M::again(&given);
            match &mut self.doing {
                Doing::Stream(stream) => {
                    stream.step(inputs)?;
                }
                Doing::Forward(model) => {
                    model.forward(inputs)?;
                }
                Doing::Train => {
                    let targets = M::targets(&self.values);
                    let (params, grads) = (&self.params, &mut self.grads);
                    let inputs = Batch::new(inputs).seed(self.calls);
                    self.calls += 1;
                    self.model.loss_and_grad(params, inputs, targets, grads)?;
                }
                Doing::Compile(spec, options) => {
                    rnn::compile(*spec, options.clone().reuse(false))?;
                }
            }
        }
        Ok(())
    }

    fn export(&self, path: &Path) -> Fallible<()> {
        let mut grads = self.grads.clone();
        let inputs = || M::inputs(&self.values);
        let outputs = self.model.forward(&self.params, inputs())?;
        let targets = M::targets(&self.values);
        self.model.loss_and_grad(
            &self.params,
            Batch::new(inputs()).seed(0),
            targets,
            &mut grads,
        )?;
        let mut tensors: HashMap<String, ArrayD<f32>> = HashMap::new();
        let specs = self.model.param_specs();
        for (kind, params) in [("param", &self.params), ("grad", &grads)] {
            for (name, tensor) in params.to_map() {
                let trained = specs
                    .iter()
                    .any(|spec| spec.name == name && spec.is_trained());
                if trained || kind == "param" {
                    let name = name
                        .trim_start_matches(PREFIX)
                        .trim_start_matches(zoo::PREFIX);
                    tensors.insert(format!("{kind}.{name}"), tensor);
                }
            }
        }
        let tokens = self.values.tokens.iter();
        let tokens = tokens.map(|(name, array)| (name.clone(), array.mapv(|token| token as f32)));
        tensors.extend(tokens);
        tensors.extend(self.values.reals.clone());
        tensors.extend(outputs_of(outputs));
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

    fn flops(&self) -> f64 {
        self.flops
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

/// The outputs that are numbers, by name.
fn outputs_of(mut outputs: impl Outputs) -> Vec<(String, ArrayD<f32>)> {
    let mut arrays = Vec::new();
    outputs.visit_mut(&mut |name, view| {
        if let OutputViewMut::Real(view) = view {
            arrays.push((name.to_owned(), view.to_owned()));
        }
    });
    arrays
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Dropout;
    use crate::language::{CHARACTERS, CharLm};

    #[test]
    fn operations_are_those_of_the_products() {
        const SIZES: [usize; 2] = [7, 11];
        fn counted<M: Layer>(program: Program) -> f64 {
            let [inputs, hidden] = SIZES;
            flops_of(&M::sized(inputs, hidden), program, 5, 3).expect("counts")
        }
        let forward = 2.0 * 15.0 * 4.0 * 11.0 * 18.0;
        assert_eq!(counted::<LstmLayer>(Program::Forward), forward);
        // Outputs, weight gradients, and what flows back through the states.
        let backward = forward + 2.0 * 15.0 * 4.0 * 11.0 * 11.0;
        let train = counted::<LstmLayer>(Program::Gradient);
        assert_eq!(train, forward + backward);
        // No state passes through a product: the forward pass, and as much for the weight gradient.
        let forward = 2.0 * 15.0 * 11.0 * 7.0;
        let train = counted::<IndRnnLayer>(Program::Gradient);
        assert_eq!(train, 2.0 * forward);
        // And into the embedding and the states below the logits.
        let forward = 2.0 * 15.0 * (4.0 * 11.0 * 18.0 + 96.0 * 11.0);
        let [embedded, hidden] = SIZES;
        let spec = CharLm {
            V: CHARACTERS,
            E: embedded,
            H: hidden,
        };
        let train = flops_of(&spec, Program::Gradient, 5, 3).expect("counts");
        assert_eq!(train, 3.0 * forward);
    }

    #[test]
    fn every_cell_of_the_zoo_is_offered_and_exported() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("case.safetensors");
        for name in zoo::names() {
            let case = Case {
                cell: Cell::named(name).expect("a name"),
                pass: Pass::Train,
                batch: 2,
                steps: 3,
                inputs: 16,
                hidden: 16,
                threads: 1,
                share: 1,
                dropout: Dropout::None,
            };
            let mut work = prepare(&case, false).expect("compiles");
            work.run(1).expect("runs");
            work.export(&path).expect("writes");
            assert!(work.flops() > 0.0 || name == "HmmForward", "{name}");
        }
        assert!(Cell::named("lsmt").is_err_and(|error| error.contains("Mlstm")));
    }
}
