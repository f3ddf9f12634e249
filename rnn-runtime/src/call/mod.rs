//! A call: everything given to it, checked against the model's signature.
//!
//! **Invariant:** a [`Call`] that exists fits the model: compiled code reads no element outside what was given, and every
//! token within an example's length is in range.

mod extents;
mod inputs;
mod states;

use std::borrow::Cow;
use std::ops::Range;

use rnn_ir::node::DType;
use rnn_ir::random;
use rnn_jit::{CallShape, Value};

pub(crate) use self::extents::check_lengths;
pub(crate) use self::inputs::{check_port, place_of, shape_error};
pub(crate) use self::states::given_states;

use self::extents::Extents;
use self::inputs::{Given, check_tokens, collect};
use self::states::zero_states;
use crate::batch::Batch;
use crate::error::CallError;
use crate::model::Inputs;
use crate::options::Reduction;
use crate::pipeline::Fed;
use crate::signature::Signature;
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
