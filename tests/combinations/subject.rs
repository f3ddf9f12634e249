//! A model without its types: what is given and what comes back are arrays by name, so that a check is compiled once for all models.

use ndarray::{ArrayD, ArrayViewD, Axis, Slice};
use rnn::ir::bind::bind;
use rnn::ir::graph::Verified;
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::jit::JitError;
use rnn::prelude::*;
use rnn::{CallError, Direction, InputView, OutputViewMut, compile, init_params, zero_params};
use std::collections::BTreeMap;

/// Arrays by name.
pub(crate) type Arrays = BTreeMap<String, ArrayD<f32>>;

/// What a call is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) params: Arrays,
    pub(crate) reals: Arrays,
    pub(crate) tokens: BTreeMap<String, ArrayD<u32>>,
    /// Of each time axis, in the order of the model: its name, and the steps of each example.
    pub(crate) lengths: Vec<(String, Vec<usize>)>,
    /// Whether the call says the lengths.
    pub(crate) says_lengths: bool,
    pub(crate) seed: Option<u64>,
    pub(crate) state: Option<Arrays>,
    pub(crate) fresh: Option<Vec<bool>>,
    /// Whether steps read the model's own value where the loss would read a target.
    pub(crate) own: bool,
}

impl Given {
    pub(crate) fn examples(&self) -> usize {
        self.lengths[0].1.len()
    }

    fn batch<'a, I: Inputs<'a>, S>(&'a self, inputs: I, state: Option<&'a S>) -> Batch<'a, I, S> {
        let mut batch = Batch::new(inputs);
        if self.says_lengths {
            for (axis, lengths) in &self.lengths {
                batch = batch.lengths_of(axis, lengths);
            }
        }
        if let Some(seed) = self.seed {
            batch = batch.seed(seed);
        }
        if let Some(state) = state {
            batch = batch.state(state);
        }
        if let Some(fresh) = &self.fresh {
            batch = batch.fresh(fresh);
        }
        if self.own {
            batch = batch.feedback(Feedback::Own);
        }
        batch
    }

    fn views<'a, I: Inputs<'a>>(&'a self) -> I {
        let views = I::from_views(&mut |name| match self.reals.get(name) {
            Some(array) => Some(InputView::Real(array.view())),
            None => (self.tokens.get(name)).map(|array| InputView::Index(array.view())),
        });
        views.expect("drawn for every input")
    }
}

/// What comes back, by kind and name: `loss`, `output h`, `state h`, `d W`, `running m`.
pub(crate) type Answers = BTreeMap<String, ArrayD<f32>>;

/// Why a call was refused.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) told: String,
    /// The bytes that would do, where the limit did not.
    pub(crate) needed: Option<usize>,
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        let needed = match &error {
            CallError::Jit(JitError::MemoryLimit { needed, .. }) => Some(*needed),
            _ => None,
        };
        let told = error.to_string();
        Self { told, needed }
    }
}

/// What comes back, or why not.
pub(crate) type Answered = Result<Answers, Refused>;

/// A model and its sizes.
pub(crate) trait Subject {
    fn name(&self) -> &'static str;
    /// Its equations, with its sizes.
    fn bound(&self) -> Verified;
    fn params(&self, seed: u64) -> Arrays;
    fn compile(&self, options: Options) -> Box<dyn Runs>;
}

/// A compiled model.
pub(crate) trait Runs {
    fn forward(&self, given: &Given) -> Answered;
    fn frozen(&self, given: &Given) -> Answered;
    fn loss(&self, given: &Given) -> Answered;
    fn gradient(&self, given: &Given) -> Answered;
    /// `direction` has parameters and inputs by name.
    fn jvp(&self, given: &Given, direction: &Arrays) -> Answered;
    fn slope(&self, given: &Given, direction: &Arrays) -> Answered;
    fn hvp(&self, given: &Given, direction: &Arrays) -> Answered;
    fn by_inputs(&self, given: &Given, inputs: &[&str]) -> Answered;
    /// By every carried state at every step.
    fn by_states(&self, given: &Given) -> Answered;
    /// A state that was saved and loaded.
    fn through_a_file(&self, state: &Arrays) -> Answered;
    /// Outputs at each step along the first axis, and the state after the last.
    fn stream(&self, given: &Given) -> Answered;
}

/// A model with its types.
pub(crate) struct Of<M>(pub(crate) M);

impl<M: Model<Outputs: Clone>> Subject for Of<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn bound(&self) -> Verified {
        let graph = verify(parse(M::IR).expect("the macro's text")).expect("verified");
        bind(&graph, &self.0.sizes()).expect("sizes are positive")
    }

    fn params(&self, seed: u64) -> Arrays {
        init_params(&self.0, seed).expect("draws").to_map()
    }

    fn compile(&self, options: Options) -> Box<dyn Runs> {
        let compiled = compile(self.0, options);
        Box::new(Running(
            compiled.unwrap_or_else(|error| panic!("{}: {error}", M::NAME)),
        ))
    }
}

struct Running<M: Model>(Compiled<M>);

/// A struct of named arrays from a map; what the map lacks is empty.
fn tensors<T: Tensors>(arrays: &Arrays) -> T {
    T::from_tensors(&mut |name| match arrays.get(name) {
        Some(array) => array.clone(),
        None => panic!("no value for `{name}`"),
    })
}

fn put(answers: &mut Answers, kind: &str, tensors: &impl Tensors) {
    tensors.visit(&mut |name, view| {
        answers.insert(format!("{kind} {name}"), view.to_owned());
    });
}

fn put_outputs<O: Outputs>(answers: &mut Answers, kind: &str, mut outputs: O) {
    outputs.visit_mut(&mut |name, view| {
        let array = match view {
            OutputViewMut::Real(view) => view.to_owned(),
            OutputViewMut::Index(view) => view.mapv(|token| token as f32),
        };
        answers.insert(format!("{kind} {name}"), array);
    });
}

fn scalar(value: f32) -> ArrayD<f32> {
    ArrayD::from_elem(ndarray::IxDyn(&[]), value)
}

fn refused(error: CallError) -> Refused {
    Refused::from(error)
}

fn told(error: impl std::fmt::Display) -> Refused {
    let told = error.to_string();
    Refused { told, needed: None }
}

/// One step of everything that varies over the first axis.
fn step_of(given: &Given, axes: &BTreeMap<String, usize>, t: usize) -> Given {
    let slice = |name: &str, view: ArrayViewD<'_, f32>| match axes.get(name) {
        Some(_) => view.slice_axis(Axis(0), Slice::from(t..t + 1)).to_owned(),
        None => view.to_owned(),
    };
    let mut step = given.clone();
    for (name, array) in &mut step.reals {
        *array = slice(name, array.view());
    }
    for (name, array) in &mut step.tokens {
        if axes.contains_key(name) {
            *array = array.slice_axis(Axis(0), Slice::from(t..t + 1)).to_owned();
        }
    }
    step
}

impl<M: Model<Outputs: Clone>> Running<M> {
    fn state(&self, given: &Given) -> Option<M::State> {
        given.state.as_ref().map(tensors)
    }

    fn direction<'d>(
        arrays: &'d Arrays,
        params: Option<&'d M::Params>,
        given: &Given,
    ) -> Direction<'d, M::Params> {
        let inputs = arrays
            .iter()
            .filter(|(name, _)| given.reals.contains_key(*name));
        match params {
            Some(params) => inputs.fold(Direction::params(params), |all, (name, array)| {
                all.and_input(name, array.view())
            }),
            None => {
                let mut inputs = inputs;
                let (name, array) = inputs.next().expect("something moves");
                inputs.fold(
                    Direction::input(name, array.view()),
                    |all, (name, array)| all.and_input(name, array.view()),
                )
            }
        }
    }

    /// The parameters of a direction, if it has any.
    fn moved(given: &Given, direction: &Arrays) -> Option<M::Params> {
        let mut all = given.params.clone();
        let mut any = false;
        for (name, array) in &mut all {
            match direction.get(name) {
                Some(own) => (*array, any) = (own.clone(), true),
                None => array.fill(0.0),
            }
        }
        any.then(|| tensors(&all))
    }
}

impl<M: Model<Outputs: Clone>> Runs for Running<M> {
    fn forward(&self, given: &Given) -> Answered {
        let (params, state) = (tensors(&given.params), self.state(given));
        let batch = given.batch(given.views(), state.as_ref());
        let found = self.0.forward_with_state(&params, batch).map_err(refused)?;
        let mut answers = Answers::new();
        put_outputs(&mut answers, "output", found.outputs);
        put(&mut answers, "state", &found.state);
        Ok(answers)
    }

    fn frozen(&self, given: &Given) -> Answered {
        let (params, state) = (tensors(&given.params), self.state(given));
        let batch = given.batch(given.views(), state.as_ref());
        let frozen = self.0.freeze(&params).map_err(refused)?;
        let found = frozen.forward_with_state(batch).map_err(refused)?;
        let mut answers = Answers::new();
        put_outputs(&mut answers, "output", found.outputs);
        put(&mut answers, "state", &found.state);
        Ok(answers)
    }

    fn loss(&self, given: &Given) -> Answered {
        let (params, state) = (tensors(&given.params), self.state(given));
        let batch = given.batch(given.views(), state.as_ref());
        let found = self.0.loss_with_state(&params, batch, given.views());
        let found = found.map_err(refused)?;
        let mut answers = Answers::from([("loss".to_owned(), scalar(found.loss))]);
        put(&mut answers, "state", &found.state);
        Ok(answers)
    }

    fn gradient(&self, given: &Given) -> Answered {
        let (params, state) = (tensors(&given.params), self.state(given));
        let batch = given.batch(given.views(), state.as_ref());
        let mut grads = zero_params(self.0.spec()).map_err(told)?;
        let found = (self.0).loss_and_grad(&params, batch, given.views(), &mut grads);
        let found = found.map_err(refused)?;
        let mut answers = Answers::from([("loss".to_owned(), scalar(found.loss))]);
        put(&mut answers, "state", &found.state);
        put(&mut answers, "d", &grads);
        let mut after = params.clone();
        found.apply_running(&mut after).map_err(told)?;
        for spec in self.0.param_specs() {
            if spec.kind == rnn::ParamKind::Running {
                let own = after.tensor(&spec.name).map(|view| view.to_owned());
                answers.extend(own.map(|own| (format!("running {}", spec.name), own)));
            }
        }
        Ok(answers)
    }

    fn jvp(&self, given: &Given, direction: &Arrays) -> Answered {
        let (params, state) = (tensors(&given.params), self.state(given));
        let batch = given.batch(given.views(), state.as_ref());
        let moved = Self::moved(given, direction);
        let direction = Self::direction(direction, moved.as_ref(), given);
        let found = self.0.jvp(&params, batch, &direction).map_err(refused)?;
        let mut answers = Answers::new();
        put_outputs(&mut answers, "output", found.outputs);
        put_outputs(&mut answers, "tangent", found.tangents);
        Ok(answers)
    }

    fn slope(&self, given: &Given, direction: &Arrays) -> Answered {
        let (params, state) = (tensors(&given.params), self.state(given));
        let batch = given.batch(given.views(), state.as_ref());
        let moved = Self::moved(given, direction);
        let direction = Self::direction(direction, moved.as_ref(), given);
        let found = (self.0).loss_jvp(&params, batch, given.views(), &direction);
        let (loss, slope) = found.map_err(refused)?;
        Ok(Answers::from([
            ("loss".to_owned(), scalar(loss)),
            ("slope".to_owned(), scalar(slope)),
        ]))
    }

    fn hvp(&self, given: &Given, direction: &Arrays) -> Answered {
        let (params, state) = (tensors(&given.params), self.state(given));
        let batch = given.batch(given.views(), state.as_ref());
        let mut product = zero_params(self.0.spec()).map_err(told)?;
        let direction = Self::moved(given, direction).unwrap_or_else(|| product.clone());
        let found = (self.0).hvp(&params, batch, given.views(), &direction, &mut product);
        let mut answers = Answers::from([("loss".to_owned(), scalar(found.map_err(refused)?))]);
        put(&mut answers, "H", &product);
        Ok(answers)
    }

    fn by_inputs(&self, given: &Given, inputs: &[&str]) -> Answered {
        let (params, state) = (tensors(&given.params), self.state(given));
        let batch = given.batch(given.views(), state.as_ref());
        let found = (self.0).input_gradients(&params, batch, given.views(), inputs);
        let found = found.map_err(refused)?;
        let mut answers = Answers::from([("loss".to_owned(), scalar(found.loss))]);
        for (name, array) in found.gradients {
            answers.insert(format!("d {name}"), array);
        }
        Ok(answers)
    }

    fn by_states(&self, given: &Given) -> Answered {
        let (params, state) = (tensors(&given.params), self.state(given));
        let batch = given.batch(given.views(), state.as_ref());
        let found = (self.0).state_gradients(&params, batch, given.views());
        let found = found.map_err(refused)?;
        let mut answers = Answers::from([("loss".to_owned(), scalar(found.loss))]);
        for state in found.states {
            answers.insert(format!("by {}", state.name), state.values);
        }
        Ok(answers)
    }

    fn through_a_file(&self, state: &Arrays) -> Answered {
        let state: M::State = tensors(state);
        let folder = tempfile::tempdir().map_err(told)?;
        let path = folder.path().join("state.safetensors");
        rnn::save_params(&path, &state).map_err(told)?;
        let mut loaded = state.zeros_like();
        rnn::load_params(&path, &mut loaded).map_err(told)?;
        Ok(loaded.to_map())
    }

    fn stream(&self, given: &Given) -> Answered {
        let params = tensors(&given.params);
        let graph = Of(*self.0.spec()).bound();
        let steps = graph.inputs().filter_map(|(id, name, _)| {
            let axes = graph.nodes[id].ty.domain.time_axes().count();
            (axes > 0).then(|| (name.to_owned(), axes))
        });
        let axes: BTreeMap<String, usize> = steps.collect();
        let mut stream = (self.0.stream_batch(&params, given.examples())).map_err(told)?;
        // What was before a stream starts anew is gone.
        if given.lengths[0].1[0] > 0 {
            let mut step = step_of(given, &axes, 0);
            step.reals
                .values_mut()
                .for_each(|array| array.fill(f32::NAN));
            stream.step(step.views()).map_err(refused)?;
            stream.reset();
        }
        if let Some(state) = self.state(given) {
            stream.set_state(&state).map_err(refused)?;
        }
        let mut all: Vec<Answers> = Vec::new();
        for t in 0..given.lengths[0].1[0] {
            let step = step_of(given, &axes, t);
            let mut answers = Answers::new();
            let outputs = stream.step(step.views()).map_err(refused)?;
            put_outputs(&mut answers, "output", outputs.clone());
            all.push(answers);
        }
        let mut answers = Answers::new();
        if let Some(first) = all.first() {
            for name in first.keys() {
                let views: Vec<_> = all.iter().map(|step| step[name].view()).collect();
                let joined = ndarray::concatenate(Axis(0), &views).map_err(told)?;
                answers.insert(name.clone(), joined);
            }
        }
        put(&mut answers, "state", &stream.state());
        Ok(answers)
    }
}
