//! A call: everything given to it, checked against the model's signature.
//!
//! **Invariant:** a [`Call`] that exists fits the model: compiled code reads no element outside what was given, and every
//! token within an example's length is in range.

mod extents;
mod inputs;
mod room;
mod states;

use std::borrow::Cow;
use std::mem::take;
use std::ops::Range;

use ndarray::ArrayViewD;
use rnn_ir::node::DType;
use rnn_ir::random;
use rnn_jit::{CallShape, PartOf, Value};

pub(crate) use self::extents::check_lengths;
pub(crate) use self::inputs::{check_port, place_of, shape_error};
pub(crate) use self::room::{Buffers, Room, Shelf, Stash};
pub(crate) use self::states::given_states;

use self::extents::Extents;
use self::inputs::{Given, check_tokens, collect};
use self::room::emptied;
use self::states::zero_states;
use crate::batch::Beside;
use crate::error::CallError;
use crate::model::InputView;
use crate::options::Reduction;
use crate::pipeline::Fed;
use crate::signature::Signature;

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

    /// The same, where it is.
    pub(crate) fn borrowed(&self) -> Data<'_> {
        match self {
            Self::Real(data) => Data::Real(Cow::Borrowed(data)),
            Self::Index(data) => Data::Index(Cow::Borrowed(data)),
            Self::Bool(data) => Data::Bool(Cow::Borrowed(data)),
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
    /// Of a call that is a part of a larger one: which examples of these are its own. All but the shape is that of the larger.
    pub(crate) among: Option<PartOf>,
    /// Memory that it has no use for.
    pub(crate) room: Room,
}

/// What random numbers are drawn from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seeds {
    /// Both words of every example.
    pub(crate) each: [Vec<u32>; 2],
    /// Both words of what all examples share.
    pub(crate) shared: [[u32; 1]; 2],
}

impl Seeds {
    fn of_all(mut self, seed: u64, examples: usize) -> Self {
        self.each.iter_mut().for_each(Vec::clear);
        for example in 0..examples {
            for (each, word) in self.each.iter_mut().zip(random::words(seed, Some(example))) {
                each.push(word);
            }
        }
        self.shared = random::words(seed, None).map(|word| [word]);
        self
    }

    /// Those of some examples, which keep theirs, in the memory of others.
    pub(crate) fn of(&self, range: Range<usize>, mut own: Self) -> Self {
        for (own, all) in own.each.iter_mut().zip(&self.each) {
            own.clear();
            own.extend_from_slice(&all[range.clone()]);
        }
        own.shared = self.shared;
        own
    }
}

/// Takes views by name.
pub(crate) type Each<'e, V> = dyn FnMut(&str, V) + 'e;

/// Hands views over by name.
pub(crate) type Views<'v, V> = &'v dyn Fn(&mut Each<'_, V>);

/// What a call is given, without the types of a model: so that checks are compiled once, not with each model of a crate.
pub(crate) struct Offer<'v, 'c> {
    pub(crate) beside: &'v Beside<'c>,
    pub(crate) inputs: Views<'v, InputView<'c>>,
    pub(crate) targets: Option<Views<'v, InputView<'c>>>,
    pub(crate) state: Option<Views<'v, ArrayViewD<'c, f32>>>,
    /// Whether the state is that of the chunk before, which says nothing of the size of the batch.
    pub(crate) carried: bool,
}

impl<'c> Call<'c> {
    /// Checks what is given, and lays it out in the memory of a call before.
    pub(crate) fn new(
        signature: &Signature,
        offer: &Offer<'_, 'c>,
        reduction: Reduction,
        mut room: Room,
    ) -> Result<Self, CallError> {
        let Offer {
            beside, targets, ..
        } = *offer;
        let own = offer.state.filter(|_| !offer.carried);
        let mut given: Vec<Option<Given<'c>>> = emptied(take(&mut room.given));
        given.resize_with(signature.inputs.len(), || None);
        let stash = &mut room.stash;
        collect(signature, offer.inputs, false, &mut given, stash);
        if let Some(targets) = targets {
            collect(signature, targets, true, &mut given, stash);
        }
        let mut extents = Extents::new(signature, take(&mut room.steps));
        for (at, (port, given)) in signature.inputs.iter().zip(&given).enumerate() {
            match given {
                Some(given) => extents.input(at, given)?,
                None if port.target && targets.is_none() => {}
                None => {
                    let name = port.name.clone();
                    return Err(CallError::MissingInput { name });
                }
            }
        }
        let shape = extents.finish(beside, own, targets.is_some(), &mut room)?;
        let batch = shape.batch;
        let mut inputs = emptied(take(&mut room.inputs));
        for (port, given) in signature.inputs.iter().zip(given.drain(..)) {
            let data = given.map(|given| given.data);
            if let Some(Data::Index(tokens)) = &data {
                check_tokens(signature, port, tokens, &shape)?;
            }
            inputs.push(data);
        }
        room.given = emptied(given);
        let states = match offer.state {
            Some(state) => given_states(signature, state, batch, &mut room)?,
            None => zero_states(signature, batch, &mut room),
        };
        // What starts anew after a chunk does so without being told.
        let flags = beside
            .fresh
            .filter(|_| offer.state.is_some() || !offer.carried);
        let fresh = starts(offer.state.is_none(), flags, batch, take(&mut room.fresh))?;
        let weights = take(&mut room.weights);
        let (weights, weight) = weights_of(signature, reduction, &shape, weights);
        let seeds = take(&mut room.seeds);
        Ok(Self {
            inputs,
            states,
            fresh,
            teachers: emptied(take(&mut room.teachers)),
            weights,
            weight,
            seeds: (beside.seed).map(|seed| seeds.of_all(seed, batch)),
            shape,
            among: None,
            room,
        })
    }

    /// A state of its examples, by position in the signature, of so many elements.
    pub(crate) fn state(&self, at: usize, elements: usize) -> Value<'_> {
        let first = self.among.map_or(0, |among| among.first);
        let first = elements / self.shape.batch.max(1) * first;
        self.states[at].value().slice(first..first + elements)
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

fn starts(
    anew: bool,
    fresh: Option<&[bool]>,
    examples: usize,
    own: Vec<bool>,
) -> Result<Vec<bool>, CallError> {
    let Some(fresh) = fresh else {
        return Ok(filled(own, examples, anew));
    };
    let fresh = flags(fresh, examples, own)?;
    match fresh.iter().position(|fresh| !fresh) {
        Some(example) if anew => Err(CallError::FreshWithoutState { example }),
        _ => Ok(fresh),
    }
}

fn flags(fresh: &[bool], examples: usize, mut own: Vec<bool>) -> Result<Vec<bool>, CallError> {
    if fresh.len() != examples {
        return Err(CallError::FreshCount {
            expected: examples,
            found: fresh.len(),
        });
    }
    own.clear();
    own.extend_from_slice(fresh);
    Ok(own)
}

fn filled<A: Clone>(mut own: Vec<A>, len: usize, value: A) -> Vec<A> {
    own.clear();
    own.resize(len, value);
    own
}

// What each example weighs in the loss of a batch, and the batch among others.
fn weights_of(
    signature: &Signature,
    reduction: Reduction,
    shape: &CallShape,
    mut own: Vec<f32>,
) -> (Vec<f32>, u64) {
    let examples = shape.batch;
    match reduction {
        Reduction::Mean => (
            filled(own, examples, 1.0 / examples as f32),
            examples as u64,
        ),
        Reduction::Sum => (filled(own, examples, 1.0), 1),
        Reduction::Tokens => {
            let count = |example| -> f64 {
                let steps = |axis: &usize| length(shape, *axis, example) as f64;
                signature.counted.iter().map(steps).product()
            };
            let all = (0..examples).map(count).sum::<f64>();
            let total = all.max(f64::MIN_POSITIVE);
            #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
            let weight = |example| (count(example) / total) as f32;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a sum of products of lengths"
            )]
            let all = all as u64;
            own.clear();
            own.extend((0..examples).map(weight));
            (own, all)
        }
    }
}
