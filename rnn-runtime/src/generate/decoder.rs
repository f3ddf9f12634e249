//! The step of a model whose last token is chosen outside, with its memory: rows of hypotheses, `width` for each example.
//!
//! **Invariant:** rows are in the order of `Decoder::order`: examples longest first along the first axis, as compiled code needs
//! them, and the hypotheses of an example side by side.

use ndarray::{ArrayD, Axis};
use rnn_ir::decode::{BEFORE, FIRST, LOGITS};
use rnn_ir::graph::ResultKind;
use rnn_jit::{Computed, Given, Stepper};

use super::plan::Plan;
use super::{Generate, Method};
use crate::batch::Batch;
use crate::call::{Call, Data};
use crate::compiled::Inner;
use crate::error::{CallError, GenerateError};
use crate::model::{Model, OutputValue};
use crate::outputs::OutputMemory;
use crate::pipeline::Fed;
use crate::routine::{Source, flat_params};
use crate::signature::Signature;

// A value that is known before the first step.
#[derive(Debug)]
struct Known {
    value: OutputValue,
    place: Given,
    /// Its time axes, by position; then the batch, if it varies over it.
    axes: Vec<usize>,
    batch: bool,
}

/// A model that takes one token a row and gives logits for the next.
pub(super) struct Decoder<'m> {
    plan: &'m Plan,
    stepper: Stepper,
    token: Option<Given>,
    logits: Computed,
    fresh: Option<Given>,
    /// Values with a step for each step of the loop.
    known: Vec<Known>,
    /// The example of each group of rows.
    pub(super) order: Vec<usize>,
    /// Hypotheses of an example.
    pub(super) width: usize,
    /// The tokens that each example starts with, by example.
    pub(super) prompts: Vec<Vec<u32>>,
    /// The most tokens of each example.
    pub(super) most: Vec<usize>,
    /// States before a step, to be reordered.
    moved: Vec<f32>,
    steps: usize,
}

impl<'m> Decoder<'m> {
    pub(super) fn new<M: Model>(
        inner: &'m Inner,
        params: &M::Params,
        mut batch: Batch<'_, M::Inputs<'_>, M::State>,
        settings: &Generate,
    ) -> Result<Self, GenerateError> {
        let width = settings.width();
        check(settings)?;
        let plan = inner.plan()?;
        batch.beside.open_steps = Some(settings.max_steps);
        let call = inner.call(&batch, None::<&M::Targets<'_>>, None, Fed::Own)?;
        let flat = flat_params(&inner.signature, params)?;
        let examples = call.shape.batch;
        let lengths = |axis: usize| -> Vec<usize> {
            (0..examples)
                .map(|example| call.length(axis, example))
                .collect()
        };
        let order = plan.order(examples, |example| call.length(0, example));
        let own = lengths(plan.axis);
        let (prompts, most) = match plan.prompt {
            Some(at) => {
                let Some(Some(Data::Index(tokens))) = call.inputs.get(at) else {
                    return Err(CallError::MissingInput {
                        name: inner.signature.inputs[at].name.clone(),
                    }
                    .into());
                };
                if let Some(example) = own.iter().position(|length| *length == 0) {
                    return Err(GenerateError::EmptyPrompt { example });
                }
                let prompt = |example: usize| {
                    let steps = (0..own[example]).map(|step| tokens[step * examples + example]);
                    steps.collect::<Vec<u32>>()
                };
                let prompts = (0..examples).map(prompt).collect();
                (prompts, vec![settings.max_steps; examples])
            }
            None => {
                let most = own.iter().map(|own| (*own).min(settings.max_steps));
                (vec![vec![0]; examples], most.collect())
            }
        };
        let mut decoder = Self::stepper(plan, &flat, &call, order, width)?;
        decoder.prompts = prompts;
        decoder.most = most;
        decoder.fill(&inner.signature, &flat, &call)?;
        Ok(decoder)
    }

    fn stepper(
        plan: &'m Plan,
        params: &[std::borrow::Cow<'_, [f32]>],
        call: &Call<'_>,
        order: Vec<usize>,
        width: usize,
    ) -> Result<Self, GenerateError> {
        let routine = &plan.step;
        let length = |axis: usize, example: usize| call.length(axis, example);
        let shape = plan.step_shape(&call.shape.steps, &order, width, length);
        let carried = plan.carried();
        let executable = &routine.executable;
        let stepper = executable.stepper_of(shape, &routine.params_of(params, None), &carried)?;
        let given = |wanted: usize| {
            let here = |source| matches!(source, Source::Input(at) if at == wanted);
            routine
                .input(here)
                .and_then(|node| stepper.input(executable, node))
        };
        let token = given(plan.token);
        let logits = (routine.result(&ResultKind::Output, LOGITS)).ok_or_else(|| {
            CallError::MissingInput {
                name: LOGITS.to_owned(),
            }
        })?;
        let logits = stepper.result(executable, logits)?;
        let fresh = routine.input(|source| matches!(source, Source::Fresh));
        let fresh = fresh.and_then(|node| stepper.input(executable, node));
        Ok(Self {
            plan,
            token,
            logits,
            fresh,
            known: Vec::new(),
            order,
            width,
            prompts: Vec::new(),
            most: Vec::new(),
            moved: Vec::new(),
            steps: 0,
            stepper,
        })
    }

    // Computes what is known before the first step.
    fn fill(
        &mut self,
        model: &Signature,
        params: &[std::borrow::Cow<'_, [f32]>],
        call: &Call<'_>,
    ) -> Result<(), GenerateError> {
        let mut values: Vec<(String, OutputValue)> = Vec::new();
        if let Some((signature, routine)) = &self.plan.before {
            let mut memory = OutputMemory::new(signature, routine, &call.shape);
            let whole = 0..call.shape.batch;
            let mut rows = memory.of_parts(signature, std::slice::from_ref(&whole));
            routine.with_workspace(|workspace| {
                routine.run(workspace, params, call)?;
                for rows in rows.pop().into_iter().flatten().flatten() {
                    rows.write(routine, workspace)?;
                }
                Ok(())
            })?;
            drop(rows);
            let all = memory.into_values();
            for (port, value) in signature.outputs.iter().zip(all) {
                values.extend(value.map(|value| (port.name.clone(), value)));
            }
        }
        let routine = &self.plan.step;
        for (name, value) in values {
            if name == FIRST {
                if let OutputValue::Index(tokens) = &value {
                    let one = tokens.len() == 1;
                    let tokens: Vec<u32> = tokens.iter().copied().collect();
                    for (example, prompt) in self.prompts.iter_mut().enumerate() {
                        prompt[0] = tokens[if one { 0 } else { example }];
                    }
                }
                continue;
            }
            debug_assert!(
                name.starts_with(BEFORE),
                "an output of what is known before"
            );
            let inputs = &self.plan.signature.inputs;
            let Some(at) = inputs.iter().position(|port| port.name == name) else {
                continue;
            };
            let here = |source| matches!(source, Source::Input(input) if input == at);
            let node = routine.input(here);
            let Some(place) = node.and_then(|node| self.stepper.input(&routine.executable, node))
            else {
                continue;
            };
            let known = Known {
                value,
                place,
                axes: inputs[at].axes.clone(),
                batch: inputs[at].batch,
            };
            self.put(&known, 0);
            if known.axes.contains(&self.plan.axis) {
                self.known.push(known);
            }
        }
        self.start(model, call);
        Ok(())
    }

    // Examples start afresh, or continue from the states given.
    fn start(&mut self, model: &Signature, call: &Call<'_>) {
        let rows: Vec<usize> = self.examples().collect();
        for (at, port) in self.plan.signature.states.iter().enumerate() {
            let given = model
                .states
                .iter()
                .position(|state| state.name == port.name);
            let (Some(given), Some(place)) = (given, self.stepper.carried(at)) else {
                continue;
            };
            let width = port.width();
            let to = self.stepper.given_mut(place).chunks_exact_mut(width.max(1));
            for (to, example) in to.zip(&rows) {
                let from = example * width..(example + 1) * width;
                match &call.states[given] {
                    Data::Real(data) => to.copy_from_slice(&data[from]),
                    Data::Index(data) => {
                        let bits = data[from].iter().map(|token| f32::from_bits(*token));
                        to.iter_mut().zip(bits).for_each(|(to, from)| *to = from);
                    }
                    // No state is one of truth values.
                    Data::Bool(_) => {}
                }
            }
        }
        if let Some(place) = self.fresh {
            let to = self.stepper.given_mut(place).iter_mut();
            to.zip(&rows).for_each(|(to, example)| {
                *to = f32::from_bits(if call.fresh[*example] { u32::MAX } else { 0 });
            });
        }
    }

    // The example of each row.
    fn examples(&self) -> impl Iterator<Item = usize> {
        let width = self.width;
        let order = self.order.iter().copied();
        order.flat_map(move |example| std::iter::repeat_n(example, width))
    }

    // Writes a value, at a step of the loop, for the hypotheses of every example.
    fn put(&mut self, known: &Known, step: usize) {
        let along = known.axes.iter().position(|axis| *axis == self.plan.axis);
        let rows: Option<Vec<usize>> = known.batch.then(|| self.examples().collect());
        let picked = Picked {
            at: along.map(|axis| (axis, step)),
            rows: rows.as_deref(),
            outer: known.axes.len(),
        };
        let to = self.stepper.given_mut(known.place);
        match &known.value {
            OutputValue::Real(array) => picked.copy(array, to, |value| value),
            OutputValue::Index(array) => picked.copy(array, to, f32::from_bits),
        }
    }

    /// Rows: hypotheses of all examples.
    pub(super) fn rows(&self) -> usize {
        self.order.len() * self.width
    }

    /// Size of the vocabulary.
    pub(super) fn vocabulary(&self) -> usize {
        self.plan.vocabulary
    }

    /// Runs a step on the last token of each row.
    pub(super) fn step(&mut self, tokens: &[u32]) -> Result<(), GenerateError> {
        let known = std::mem::take(&mut self.known);
        for value in &known {
            self.put(value, self.steps);
        }
        self.known = known;
        if let Some(place) = self.token {
            let to = self.stepper.given_mut(place).iter_mut();
            to.zip(tokens)
                .for_each(|(to, token)| *to = f32::from_bits(*token));
        }
        self.stepper.step(&self.plan.step.executable)?;
        if let (0, Some(place)) = (self.steps, self.fresh) {
            self.stepper.given_mut(place).fill(f32::from_bits(0));
        }
        self.steps += 1;
        Ok(())
    }

    /// The logits of a row after the last step.
    pub(super) fn logits(&self, row: usize) -> &[f32] {
        let row = if self.logits.rows() == 1 { 0 } else { row };
        self.stepper.row(self.logits, row)
    }

    /// Each row goes on from the states of another one.
    pub(super) fn reorder(&mut self, from: &[usize]) {
        if from.iter().enumerate().all(|(row, from)| row == *from) {
            return;
        }
        for (at, port) in self.plan.signature.states.iter().enumerate() {
            let (Some(place), width) = (self.stepper.carried(at), port.width()) else {
                continue;
            };
            self.moved.clear();
            let states = self.stepper.given(place);
            for from in from {
                self.moved
                    .extend_from_slice(&states[from * width..][..width]);
            }
            self.stepper.given_mut(place).copy_from_slice(&self.moved);
        }
    }
}

// The elements of `[time axes.., B, features..]` at one step of an axis, with these examples in place of all.
struct Picked<'r> {
    at: Option<(usize, usize)>,
    rows: Option<&'r [usize]>,
    /// Time axes.
    outer: usize,
}

impl Picked<'_> {
    fn copy<T: Copy>(&self, array: &ArrayD<T>, to: &mut [f32], bits: impl Fn(T) -> f32) {
        let mut view = array.view();
        if let Some((axis, step)) = self.at {
            let step = step.min(view.shape()[axis].saturating_sub(1));
            view.slice_axis_inplace(Axis(axis), (step..=step).into());
        }
        let Some(rows) = self.rows else {
            (to.iter_mut().zip(&view)).for_each(|(to, from)| *to = bits(*from));
            return;
        };
        let width: usize = view.shape()[self.outer + 1..].iter().product();
        for (row, from) in rows.iter().enumerate() {
            let steps = to.chunks_exact_mut((rows.len() * width).max(1));
            let own = steps.flat_map(|step| &mut step[row * width..][..width]);
            let from = view.index_axis(Axis(self.outer), *from);
            (own.zip(&from)).for_each(|(to, from)| *to = bits(*from));
        }
    }
}

/// The widest beam: rows of as many hypotheses of an example have an address.
const WIDEST: usize = 1 << 16;

pub(super) fn check(settings: &Generate) -> Result<(), GenerateError> {
    let wrong = |what, found: String, expected: &str| {
        Err(GenerateError::Setting {
            what,
            found,
            expected: expected.to_owned(),
        })
    };
    match settings.method {
        Method::Beam { width, .. } if width == 0 || width > WIDEST => wrong(
            "the width of the beam",
            width.to_string(),
            &format!("from 1 to {WIDEST}"),
        ),
        Method::Beam { length_penalty, .. }
            if !(length_penalty.is_finite() && length_penalty >= 0.0) =>
        {
            wrong(
                "the length penalty",
                length_penalty.to_string(),
                "a finite number that is not negative",
            )
        }
        _ => Ok(()),
    }
}
