//! A call: everything given to it, checked against the model's signature.
//!
//! **Invariant:** a [`Call`] that exists fits the model: compiled code reads no element outside what was given, and every
//! token within an example's length is in range.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{ArrayViewD, Dimension};
use rnn_ir::node::DType;
use rnn_ir::random;
use rnn_jit::{CallShape, Value};

use crate::batch::Batch;
use crate::error::{CallError, Place};
use crate::model::{InputView, Inputs};
use crate::options::Reduction;
use crate::pipeline::Fed;
use crate::signature::{Port, Signature};
use crate::tensors::Tensors;

/// The elements of a value, row-major; borrowed where the caller's memory is in that order.
#[derive(Clone, Debug)]
pub(crate) enum Data<'a> {
    Real(Cow<'a, [f32]>),
    Index(Cow<'a, [u32]>),
    Bool(Cow<'a, [bool]>),
}

impl Data<'_> {
    fn dtype(&self) -> DType {
        match self {
            Self::Real(_) => DType::Real,
            Self::Index(_) => DType::Index,
            Self::Bool(_) => DType::Bool,
        }
    }

    fn into_owned<'a>(self) -> Data<'a> {
        match self {
            Self::Real(data) => Data::Real(Cow::Owned(data.into_owned())),
            Self::Index(data) => Data::Index(Cow::Owned(data.into_owned())),
            Self::Bool(data) => Data::Bool(Cow::Owned(data.into_owned())),
        }
    }

    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Real(data) => Value::Real(data),
            Self::Index(data) => Value::Index(data),
            Self::Bool(data) => Value::Bool(data),
        }
    }
}

/// What is given to a call.
#[derive(Debug)]
pub(crate) struct Call<'c> {
    pub(crate) shape: CallShape,
    /// By position in the signature; `None` for targets of a call without a loss.
    pub(crate) inputs: Vec<Option<Data<'c>>>,
    pub(crate) states: Vec<Data<'c>>,
    pub(crate) fresh: Vec<bool>,
    /// By position in the signature; none for a program whose feedback is decided.
    pub(crate) teachers: Vec<Data<'c>>,
    pub(crate) weights: Vec<f32>,
    /// What the loss weighs beside those of other calls.
    pub(crate) weight: u64,
    /// Of a call that was given a seed.
    pub(crate) seeds: Option<Seeds>,
}

/// What random numbers are drawn from.
#[derive(Clone, Debug)]
pub(crate) struct Seeds {
    /// Both words of every example.
    pub(crate) each: [Vec<u32>; 2],
    /// Both words of what all examples share.
    pub(crate) shared: [[u32; 1]; 2],
}

impl Seeds {
    fn new(seed: u64, examples: usize) -> Self {
        let mut each = [Vec::with_capacity(examples), Vec::with_capacity(examples)];
        for example in 0..examples {
            for (each, word) in each.iter_mut().zip(random::words(seed, Some(example))) {
                each.push(word);
            }
        }
        Self {
            each,
            shared: random::words(seed, None).map(|word| [word]),
        }
    }

    /// Those of some examples, which keep theirs.
    pub(crate) fn of(&self, range: Range<usize>) -> Self {
        Self {
            each: (self.each.each_ref()).map(|words| words[range.clone()].to_vec()),
            shared: self.shared,
        }
    }
}

impl<'c> Call<'c> {
    pub(crate) fn new<'a: 'c, 'b: 'c, 't: 'c, I: Inputs<'a>, S: Tensors, T: Inputs<'t>>(
        signature: &Signature,
        batch: &Batch<'b, I, S>,
        targets: Option<&T>,
        reduction: Reduction,
    ) -> Result<Self, CallError> {
        let mut given: Vec<Option<Given<'c>>> = vec![None; signature.inputs.len()];
        collect(signature, &batch.inputs, false, &mut given);
        if let Some(targets) = targets {
            collect(signature, targets, true, &mut given);
        }
        let mut extents = Extents::new(signature);
        for (port, given) in signature.inputs.iter().zip(&given) {
            match given {
                Some(given) => extents.input(port, given)?,
                None if port.target && targets.is_none() => {}
                None => {
                    let name = port.name.clone();
                    return Err(CallError::MissingInput { name });
                }
            }
        }
        let shape = extents.finish(batch)?;
        let mut inputs = Vec::with_capacity(given.len());
        for (port, given) in signature.inputs.iter().zip(given) {
            let data = given.map(|given| given.data);
            if let Some(Data::Index(tokens)) = &data {
                check_tokens(signature, port, tokens, &shape)?;
            }
            inputs.push(data);
        }
        let states = match batch.state {
            Some(state) => given_states(signature, state, shape.batch)?,
            None => zero_states(signature, shape.batch),
        };
        let fresh = starts(batch, shape.batch)?;
        let (weights, weight) = weights(signature, reduction, &shape);
        let seeds = batch.seed.map(|seed| Seeds::new(seed, shape.batch));
        Ok(Self {
            shape,
            inputs,
            states,
            fresh,
            teachers: Vec::new(),
            weights,
            weight,
            seeds,
        })
    }

    /// Continues examples from a state, but for those that start here.
    pub(crate) fn continue_from<S: Tensors>(
        &mut self,
        signature: &Signature,
        state: &S,
        fresh: Option<&[bool]>,
    ) -> Result<(), CallError> {
        let batch = self.shape.batch;
        let states = given_states(signature, state, batch)?;
        self.states = states.into_iter().map(Data::into_owned).collect();
        self.fresh = match fresh {
            Some(fresh) => flags(fresh, batch)?,
            None => vec![false; batch],
        };
        Ok(())
    }

    /// What its steps read through `feedback`, in a program that trains.
    pub(crate) fn fed(&self) -> Fed {
        match self.teachers.is_empty() {
            true => Fed::Targets,
            false => Fed::Mixed,
        }
    }

    /// The steps of an example along a time axis.
    pub(crate) fn length(&self, axis: usize, example: usize) -> usize {
        length(&self.shape, axis, example)
    }
}

pub(crate) fn length(shape: &CallShape, axis: usize, example: usize) -> usize {
    let own = shape.lengths.get(axis).filter(|own| !own.is_empty());
    own.map_or(shape.steps[axis], |own| own[example] as usize)
}

/// An input with its shape.
#[derive(Clone, Debug)]
struct Given<'c> {
    shape: Vec<usize>,
    data: Data<'c>,
}

// Inputs by the position of their name in the signature; a name that it lacks is of no use to the model.
fn collect<'a: 'c, 'c>(
    signature: &Signature,
    inputs: &impl Inputs<'a>,
    target: bool,
    given: &mut [Option<Given<'c>>],
) {
    inputs.visit(&mut |name, view| {
        let mut ports = signature.inputs.iter();
        let at = ports.position(|port| port.name == name && port.target == target);
        if let Some(place) = at.and_then(|at| given.get_mut(at)) {
            *place = Some(Given {
                shape: view.shape().to_vec(),
                data: contiguous(view),
            });
        }
    });
}

fn contiguous(view: InputView<'_>) -> Data<'_> {
    fn of<'a, A: Clone>(view: &ArrayViewD<'a, A>) -> Cow<'a, [A]> {
        match view.to_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(view.iter().cloned().collect()),
        }
    }
    match view {
        InputView::Real(view) => Data::Real(of(&view)),
        InputView::Index(view) => Data::Index(of(&view)),
    }
}

/// Checks the kind and the rank of an input, and its features; not the extents of its axes.
pub(crate) fn check_port(
    signature: &Signature,
    port: &Port,
    found: DType,
    shape: &[usize],
) -> Result<(), CallError> {
    let kinds = |dtype| match dtype {
        DType::Index => "tokens",
        DType::Real | DType::Bool => "real numbers",
    };
    if found != port.dtype {
        return Err(CallError::Kind {
            name: port.name.clone(),
            expected: kinds(port.dtype),
            found: kinds(found),
        });
    }
    let outer = port.axes.len() + usize::from(port.batch);
    if shape.get(outer..) != Some(port.features.as_slice()) {
        return Err(shape_error(signature, port, shape));
    }
    Ok(())
}

pub(crate) fn shape_error(signature: &Signature, port: &Port, found: &[usize]) -> CallError {
    CallError::Shape {
        name: port.name.clone(),
        expected: signature.shape_of(port),
        found: found.to_vec(),
    }
}

/// Steps and examples, each with the first input that has them.
struct Extents<'s> {
    signature: &'s Signature,
    steps: Vec<Option<(usize, &'s str)>>,
    batch: Option<(usize, String)>,
}

impl<'s> Extents<'s> {
    fn new(signature: &'s Signature) -> Self {
        Self {
            signature,
            steps: vec![None; signature.axes.len()],
            batch: None,
        }
    }

    fn input(&mut self, port: &'s Port, given: &Given<'_>) -> Result<(), CallError> {
        let shape = &given.shape;
        check_port(self.signature, port, given.data.dtype(), shape)?;
        for (at, found) in port.axes.iter().zip(shape) {
            let axis = &self.signature.axes[*at];
            if let Some(expected) = axis.fixed.filter(|expected| expected != found) {
                return Err(CallError::FixedAxis {
                    axis: axis.name.clone(),
                    expected,
                    found: *found,
                    given: port.name.clone(),
                });
            }
            match self.steps[*at] {
                None => self.steps[*at] = Some((*found, &port.name)),
                Some((expected, first)) if expected != *found => {
                    return Err(CallError::Steps {
                        axis: axis.name.clone(),
                        first: first.to_owned(),
                        expected,
                        second: port.name.clone(),
                        found: *found,
                    });
                }
                Some(_) => {}
            }
        }
        if port.batch {
            self.examples(shape[port.axes.len()], &port.name)?;
        }
        Ok(())
    }

    fn examples(&mut self, found: usize, second: &str) -> Result<(), CallError> {
        match &self.batch {
            None => self.batch = Some((found, second.to_owned())),
            Some((expected, first)) if *expected != found => {
                return Err(CallError::Examples {
                    first: first.clone(),
                    expected: *expected,
                    second: second.to_owned(),
                    found,
                });
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn finish<I, S: Tensors>(mut self, batch: &Batch<'_, I, S>) -> Result<CallShape, CallError> {
        let signature = self.signature;
        let axes = signature.variable_axes();
        let mut lengths: Vec<(&str, &[usize])> = batch.lengths_of.clone();
        if let Some(own) = batch.lengths {
            let [axis] = axes.as_slice() else {
                let model = signature.model.to_owned();
                return Err(CallError::WhichAxis { model, axes });
            };
            lengths.push((axis, own));
        }
        let mut by_axis: Vec<&[usize]> = vec![&[]; signature.axes.len()];
        let mut any = false;
        for (name, own) in &lengths {
            let Some(at) = signature.axes.iter().position(|axis| axis.name == *name) else {
                return Err(CallError::UnknownAxis {
                    model: signature.model.to_owned(),
                    axis: (*name).to_owned(),
                    axes: axes.clone(),
                });
            };
            if self.batch.is_none() {
                self.batch = Some((own.len(), "lengths".to_owned()));
            }
            by_axis[at] = own;
            any = true;
        }
        if self.batch.is_none()
            && let Some(state) = batch.state
        {
            state.visit(&mut |name, view| {
                if let (None, Some(examples)) = (&self.batch, view.shape().first()) {
                    self.batch = Some((*examples, name.to_owned()));
                }
            });
        }
        let Some((examples, _)) = self.batch else {
            return Err(CallError::NoExamples {
                model: signature.model.to_owned(),
            });
        };
        let mut shape = CallShape {
            batch: examples,
            ..CallShape::default()
        };
        for (at, axis) in signature.axes.iter().enumerate() {
            let own = by_axis[at];
            if any && own.is_empty() && !lengths.iter().any(|(name, _)| *name == axis.name) {
                shape.lengths.push(Vec::new());
            } else if any {
                shape.lengths.push(check_lengths(
                    axis.fixed,
                    &axis.name,
                    own,
                    self.steps[at],
                    examples,
                )?);
            }
            let longest = own.iter().copied().max();
            let steps = (self.steps[at].map(|(steps, _)| steps))
                .or(axis.fixed)
                .or(longest)
                .or(batch.open_steps);
            shape
                .steps
                .push(steps.ok_or_else(|| CallError::MissingLengths {
                    axis: axis.name.clone(),
                })?);
        }
        if examples == 0 {
            return Err(CallError::EmptyBatch);
        }
        Ok(shape)
    }
}

/// The lengths of all examples along an axis, none past its steps.
pub(crate) fn check_lengths(
    fixed: Option<usize>,
    axis: &str,
    own: &[usize],
    steps: Option<(usize, &str)>,
    examples: usize,
) -> Result<Vec<u32>, CallError> {
    if own.len() != examples {
        return Err(CallError::LengthCount {
            axis: axis.to_owned(),
            expected: examples,
            found: own.len(),
        });
    }
    let mut out = Vec::with_capacity(own.len());
    for (example, found) in own.iter().enumerate() {
        if let Some(expected) = fixed.filter(|expected| expected != found) {
            return Err(CallError::FixedAxis {
                axis: axis.to_owned(),
                expected,
                found: *found,
                given: "lengths".to_owned(),
            });
        }
        let (steps, input) = steps.unwrap_or((u32::MAX as usize - 1, "none"));
        let length = u32::try_from(*found).ok().filter(|_| *found <= steps);
        out.push(length.ok_or_else(|| CallError::LengthRange {
            axis: axis.to_owned(),
            example,
            found: *found,
            steps,
            input: input.to_owned(),
        })?);
    }
    Ok(out)
}

/// Checks the tokens of an input that lie within the lengths of their examples.
pub(crate) fn check_tokens(
    signature: &Signature,
    port: &Port,
    tokens: &[u32],
    shape: &CallShape,
) -> Result<(), CallError> {
    let Some(limit) = port.limit else {
        return Ok(());
    };
    let good = |token: u32| (token as usize) < limit;
    if tokens.iter().all(|token| good(*token)) {
        return Ok(());
    }
    let width = port.width().max(1);
    for (at, value) in tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !good(**token))
    {
        let place = place_of(signature, port, at / width, shape);
        let example = place.example.unwrap_or(0);
        let within = port.axes.iter().zip(&place.steps);
        let alive = within
            .into_iter()
            .all(|(axis, (_, step))| !port.batch || *step <= length(shape, *axis, example));
        if alive {
            return Err(CallError::Token {
                name: port.name.clone(),
                place,
                value: *value,
                limit,
            });
        }
    }
    Ok(())
}

/// Where the row at a position lies in time, and in which example.
pub(crate) fn place_of(signature: &Signature, port: &Port, row: usize, shape: &CallShape) -> Place {
    let examples = if port.batch { shape.batch.max(1) } else { 1 };
    let mut rest = row / examples;
    let mut steps = Vec::new();
    for axis in port.axes.iter().rev() {
        let size = shape.steps[*axis].max(1);
        steps.push((signature.axes[*axis].name.clone(), rest % size + 1));
        rest /= size;
    }
    steps.reverse();
    Place {
        steps,
        example: port.batch.then_some(row % examples),
    }
}

/// The carried states of a typed struct, checked.
pub(crate) fn given_states<'a, S: Tensors>(
    signature: &Signature,
    state: &'a S,
    batch: usize,
) -> Result<Vec<Data<'a>>, CallError> {
    let mut views: Vec<Option<ArrayViewD<'a, f32>>> = vec![None; signature.states.len()];
    state.visit(&mut |name, view| {
        let at = (signature.states.iter()).position(|port| port.name == name);
        if let Some(place) = at.and_then(|at| views.get_mut(at)) {
            *place = Some(view);
        }
    });
    let mut out = Vec::with_capacity(views.len());
    for (port, view) in signature.states.iter().zip(views) {
        let name = port.name.clone();
        let Some(view) = view else {
            return Err(CallError::MissingState { name });
        };
        let fits = view.shape().split_first();
        if fits != Some((&batch, port.features.as_slice())) {
            let expected = std::iter::once(batch).chain(port.features.iter().copied());
            return Err(CallError::State {
                name,
                expected: expected.collect(),
                found: view.shape().to_vec(),
            });
        }
        out.push(match port.dtype {
            DType::Index => Data::Index(Cow::Owned(carried_tokens(port, &view)?)),
            DType::Real | DType::Bool => contiguous(InputView::Real(view)),
        });
    }
    Ok(out)
}

// Tokens are carried as reals in the typed struct; those up to 2^24 are exact.
fn carried_tokens(port: &Port, view: &ArrayViewD<'_, f32>) -> Result<Vec<u32>, CallError> {
    let limit = port.limit.unwrap_or(1 << 24);
    let mut tokens = Vec::with_capacity(view.len());
    for (at, value) in view.indexed_iter() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "compared with the value right after"
        )]
        let token = *value as u32;
        #[expect(clippy::float_cmp, reason = "a token is a whole number")]
        let whole = token as f32 == *value;
        if !whole || token as usize >= limit {
            return Err(CallError::StateToken {
                name: port.name.clone(),
                example: at.as_array_view().first().copied().unwrap_or(0),
                value: *value,
                limit,
            });
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn zero_states<'a>(signature: &Signature, batch: usize) -> Vec<Data<'a>> {
    let states = signature.states.iter().map(|port| {
        let len = batch * port.width();
        match port.dtype {
            DType::Index => Data::Index(Cow::Owned(vec![0; len])),
            DType::Real | DType::Bool => Data::Real(Cow::Owned(vec![0.0; len])),
        }
    });
    states.collect()
}

fn starts<I, S>(batch: &Batch<'_, I, S>, examples: usize) -> Result<Vec<bool>, CallError> {
    let Some(fresh) = batch.fresh else {
        return Ok(vec![batch.state.is_none(); examples]);
    };
    let fresh = flags(fresh, examples)?;
    match fresh.iter().position(|fresh| !fresh) {
        Some(example) if batch.state.is_none() => Err(CallError::FreshWithoutState { example }),
        _ => Ok(fresh),
    }
}

fn flags(fresh: &[bool], examples: usize) -> Result<Vec<bool>, CallError> {
    if fresh.len() != examples {
        return Err(CallError::FreshCount {
            expected: examples,
            found: fresh.len(),
        });
    }
    Ok(fresh.to_vec())
}

// What each example weighs in the loss of a batch, and the batch among others.
fn weights(signature: &Signature, reduction: Reduction, shape: &CallShape) -> (Vec<f32>, u64) {
    let examples = shape.batch;
    match reduction {
        Reduction::Mean => (vec![1.0 / examples as f32; examples], examples as u64),
        Reduction::Sum => (vec![1.0; examples], 1),
        Reduction::Tokens => {
            let count = |example| -> f64 {
                let steps = |axis: &usize| length(shape, *axis, example) as f64;
                signature.counted.iter().map(steps).product()
            };
            let counts: Vec<f64> = (0..examples).map(count).collect();
            let all = counts.iter().sum::<f64>();
            let total = all.max(f64::MIN_POSITIVE);
            #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
            let weight = |count: f64| (count / total) as f32;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a sum of products of lengths"
            )]
            let all = all as u64;
            (counts.into_iter().map(weight).collect(), all)
        }
    }
}
