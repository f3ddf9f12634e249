//! A sequence in pieces, and step by step: the bits of the whole.

use super::case::Lengths;
use super::checks::{call, gradient, outputs_given};
use super::choice::Choice;
use super::oracle::same_bits;
use super::subject::{Answers, Given, Subject};
use ndarray::{Axis, Slice, concatenate};

/// A part of the steps, of inputs that vary over time.
fn piece(subject: &dyn Subject, given: &Given, from: usize, to: usize) -> Given {
    let graph = subject.bound();
    let mut piece = given.clone();
    for (id, name, _) in graph.inputs() {
        if graph.nodes[id].ty.domain.time_axes().next().is_none() {
            continue;
        }
        let cut = |steps: usize| Slice::from(from.min(steps)..to.min(steps));
        if let Some(array) = piece.reals.get_mut(name) {
            *array = array.slice_axis(Axis(0), cut(array.shape()[0])).to_owned();
        }
        if let Some(array) = piece.tokens.get_mut(name) {
            *array = array.slice_axis(Axis(0), cut(array.shape()[0])).to_owned();
        }
    }
    for (_, lengths) in &mut piece.lengths {
        for own in lengths.iter_mut() {
            *own = (*own).min(to).saturating_sub(from);
        }
    }
    piece.says_lengths = true;
    piece
}

/// A sequence in pieces of several lengths, the state going through a file in between; and each piece's own gradient.
pub(crate) fn pieces(
    subject: &dyn Subject,
    choice: &Choice,
    given: &Given,
) -> Result<usize, String> {
    if choice.form == 1 {
        return Ok(0);
    }
    let given = &outputs_given(given);
    let whole = call(subject, choice, given, &|model, given| model.forward(given))?;
    let steps = given.lengths[0].1.iter().copied().max().unwrap_or(0);
    let mut compared = 0;
    for length in [1, 2, steps + 2] {
        let mut state = given.state.clone();
        let mut fresh = given.fresh.clone();
        let mut outputs: Vec<Answers> = Vec::new();
        for from in (0..steps.max(1)).step_by(length) {
            let mut own = piece(subject, given, from, from + length);
            (own.state, own.fresh) = (state, fresh.take());
            let found = call(subject, choice, &own, &|model, given| model.forward(given))?;
            if length == 2 && choice.batch < 17 {
                // A piece is differentiated from its state on.
                compared += gradient(subject, choice, &own)?;
            }
            let own = found.iter().filter_map(|(name, array)| {
                Some((name.strip_prefix("state ")?.to_owned(), array.clone()))
            });
            let carried = choice.model(subject, None).through_a_file(&own.collect());
            state = Some(carried.map_err(|refused| refused.told)?);
            outputs.push(found);
        }
        for (name, array) in &whole {
            let joined = match name.starts_with("state ") {
                true => outputs.last().map(|last| last[name].clone()),
                false => {
                    let views: Vec<_> = outputs.iter().map(|own| own[name].view()).collect();
                    concatenate(Axis(0), &views).ok()
                }
            };
            let joined = joined.ok_or_else(|| format!("{name}: pieces do not fit"))?;
            let mut view = array.view();
            if !name.starts_with("state ") {
                view.slice_axis_inplace(Axis(0), Slice::from(..joined.shape()[0]));
            }
            let one = Answers::from([(name.clone(), view.to_owned())]);
            let other = Answers::from([(name.clone(), joined)]);
            same_bits(&one, &other).map_err(|error| format!("pieces of {length}: {error}"))?;
            compared += array.len();
        }
    }
    Ok(compared)
}

/// Step by step, with the bits of the whole.
pub(crate) fn stream(
    subject: &dyn Subject,
    choice: &Choice,
    given: &Given,
) -> Result<usize, String> {
    if choice.form == 1 {
        return Ok(0);
    }
    // All examples of a stream have all steps, and continue if one does.
    let mut own = choice.given_of(subject, Lengths::Full, 29);
    own.params = given.params.clone();
    own.state = given.state.clone();
    let model = choice.model(subject, None);
    let whole = model.forward(&own).map_err(|refused| refused.told)?;
    let found = model.stream(&own).map_err(|refused| refused.told)?;
    same_bits(&whole, &found).map_err(|error| format!("stream: {error}"))?;
    Ok(whole.values().map(ndarray::ArrayBase::len).sum())
}
