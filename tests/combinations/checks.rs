//! One combination: what is compiled, called and compared.

use super::choice::{Ask, Choice, Extra, FIXED_PARAM};
use super::derivatives::{hessian, inputs, jvp, states};
use super::oracle::{self, TOLERANCE, agree, same_bits};
use super::pieces::{pieces, stream};
use super::rows::Row;
use super::subject::{Answered, Answers, Arrays, Given, Refused, Runs, Subject};
use ndarray::Axis;
use rnn::ir::autodiff::check::check_direction;
use std::collections::BTreeMap;

/// Without what is fixed: it does not move, and nothing is differentiated by it.
pub(crate) fn without_fixed(choice: &Choice, direction: &mut Arrays) {
    if let (Extra::Fixed, Some(own)) = (choice.extra, direction.get_mut(FIXED_PARAM)) {
        own.fill(0.0);
    }
}

/// Zeros by what is fixed.
pub(crate) fn with_fixed(choice: &Choice, expected: &mut oracle::Expected, word: &str) {
    let own = expected.get_mut(&format!("{word} {FIXED_PARAM}"));
    if let (Extra::Fixed, Some((_, values))) = (choice.extra, own) {
        values.fill(0.0);
    }
}

type Called<'c> = &'c dyn Fn(&dyn Runs, &Given) -> Answered;

/// The same call with no number in it that is one, of examples that are all as long as the longest.
fn poisoned(given: &Given) -> Given {
    let mut poisoned = given.clone();
    let states = poisoned.state.iter_mut().flat_map(BTreeMap::values_mut);
    let all = poisoned
        .reals
        .values_mut()
        .chain(poisoned.params.values_mut());
    for array in all {
        array.fill(f32::NAN);
    }
    // Tokens that are carried are numbers too.
    states.for_each(|array| {
        array.mapv_inplace(|own| if own.fract() == 0.0 { own } else { f32::NAN })
    });
    for (_, lengths) in &mut poisoned.lengths {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        lengths.fill(longest);
    }
    for array in poisoned.tokens.values_mut() {
        array.mapv_inplace(|token| if token == u32::MAX { 0 } else { token });
    }
    poisoned
}

/// Runs a call as its options say, and within a limit of memory if there is one. What calls leave behind in memory is NaN before.
pub(crate) fn call(
    subject: &dyn Subject,
    choice: &Choice,
    given: &Given,
    called: Called<'_>,
) -> Result<Answers, String> {
    let after_another = |model: &dyn Runs| {
        let _ = called(model, &poisoned(given));
        called(model, given)
    };
    let whole = after_another(&*choice.model(subject, None)).map_err(|refused| refused.told)?;
    let Some(share) = choice.limit else {
        return Ok(whole);
    };
    let limited = |bytes: usize| after_another(&*choice.model(subject, Some(bytes)));
    let needed = |answer: Answered| match answer {
        Err(Refused {
            needed: Some(needed),
            ..
        }) => Ok(needed),
        Err(refused) => Err(refused.told),
        Ok(_) => Err("runs within one byte".to_owned()),
    };
    let least = needed(limited(1))?;
    let bytes = least + (least as f64 * share) as usize;
    let found = limited(bytes).map_err(|refused| format!("within {bytes}: {}", refused.told))?;
    if let (Some(one), Some(other)) = (whole.get("loss"), found.get("loss")) {
        let pairs = one.iter().zip(other);
        let near = |(a, b): (&f32, &f32)| {
            (a - b).abs() <= 1e-5 * a.abs().max(1.0) || (a.is_nan() && b.is_nan())
        };
        if !pairs.into_iter().all(near) {
            return Err(format!(
                "loss: {one} without a limit, {other} within {bytes}"
            ));
        }
    }
    Ok(found)
}

/// Checks a combination; answers how many numbers were compared.
pub(crate) fn check(row: &Row) -> Result<usize, String> {
    let choice = Choice::of(row);
    let subject = &*choice.subject();
    let salt = row
        .0
        .iter()
        .fold(1, |salt, at| (salt * 31 + *at as u64) % 1_000_003);
    let mut given = choice.given(subject, salt);
    let feeds_back = ["Decoder", "Series"].contains(&choice.base.name);
    given.own = choice.own && feeds_back;
    if choice.carried > 0 {
        let before = choice.given(subject, salt + 1);
        let before = Given {
            params: given.params.clone(),
            ..before
        };
        let state = choice.model(subject, None).forward(&before);
        let state = state.map_err(|refused| refused.told)?;
        let states = state.into_iter().filter_map(|(name, array)| {
            let own = name.strip_prefix("state ")?;
            Some((own.to_owned(), array))
        });
        given.state = Some(states.collect());
        if choice.carried == 2 {
            given.fresh = Some((0..choice.batch).map(|row| row % 3 == 0).collect());
        }
    }
    let mut compared = gradient(subject, &choice, &given)?;
    compared += match choice.ask {
        Ask::Forward => forward(subject, &choice, &given)?,
        Ask::Jvp => jvp(subject, &choice, &given)?,
        Ask::Hessian => hessian(subject, &choice, &given)?,
        Ask::Inputs => inputs(subject, &choice, &given)?,
        Ask::States => states(subject, &choice, &given)?,
        Ask::Pieces if choice.base.traits.in_pieces => pieces(subject, &choice, &given)?,
        Ask::Stream if choice.base.traits.streams => stream(subject, &choice, &given)?,
        Ask::Pieces | Ask::Stream => 0,
    };
    Ok(compared)
}

pub(crate) fn gradient(
    subject: &dyn Subject,
    choice: &Choice,
    given: &Given,
) -> Result<usize, String> {
    let found = call(subject, choice, given, &|model, given| {
        model.gradient(given)
    })?;
    let (graph, env, mut expected) = oracle::gradient(subject, given, choice.reduction);
    with_fixed(choice, &mut expected, "d");
    let compared =
        agree(&expected, &found, TOLERANCE).map_err(|error| format!("gradient: {error}"))?;
    if choice.batch < 17 {
        check_direction(&graph, &env, 5).map_err(|error| format!("interpreter: {error}"))?;
    }
    // What inference says of the loss.
    let found = call(subject, choice, given, &|model, given| model.loss(given))?;
    let expected = oracle::loss(subject, given, choice.reduction);
    let more = agree(&expected, &found, TOLERANCE).map_err(|error| format!("loss: {error}"))?;
    Ok(compared + more)
}

/// Without what only a loss is told.
pub(crate) fn outputs_given(given: &Given) -> Given {
    Given {
        own: false,
        ..given.clone()
    }
}

pub(crate) fn forward(
    subject: &dyn Subject,
    choice: &Choice,
    given: &Given,
) -> Result<usize, String> {
    let given = &outputs_given(given);
    let found = call(subject, choice, given, &|model, given| model.forward(given))?;
    let expected = oracle::forward(subject, given);
    let compared =
        agree(&expected, &found, TOLERANCE).map_err(|error| format!("forward: {error}"))?;
    let frozen = call(subject, choice, given, &|model, given| model.frozen(given))?;
    same_bits(&found, &frozen).map_err(|error| format!("frozen: {error}"))?;
    // In another order.
    let batch = choice.batch;
    let order: Vec<usize> = (0..batch).map(|row| (row * 5 + 3) % batch).collect();
    let distinct = order
        .iter()
        .collect::<std::collections::BTreeSet<_>>()
        .len()
        == batch;
    if distinct && subject.name() != "ScalarsFixed" {
        let graph = subject.bound();
        let other = reordered(given, &order, &graph);
        let moved = call(subject, choice, &other, &|model, given| {
            model.forward(given)
        })?;
        let graph_outputs = |name: &str| {
            let result = graph
                .results
                .iter()
                .find(|own| format!("output {}", own.name) == name)?;
            let ty = &graph.nodes[result.node].ty;
            let varies = ty.domain.contains(rnn::ir::axis::AxisId::BATCH);
            varies.then(|| ty.domain.time_axes().count())
        };
        for (name, array) in &found {
            let dim = match name.starts_with("state ") {
                true => Some(0),
                false => graph_outputs(name),
            };
            let Some(dim) = dim else { continue };
            let expected = array.select(Axis(dim), &order);
            let one = Answers::from([(name.clone(), expected)]);
            let other = Answers::from([(name.clone(), moved[name].clone())]);
            same_bits(&one, &other).map_err(|error| format!("in another order: {error}"))?;
        }
    }
    Ok(compared)
}

fn reordered(given: &Given, order: &[usize], graph: &rnn::ir::graph::Graph) -> Given {
    let mut other = given.clone();
    for (id, name, _) in graph.inputs() {
        let dim = Axis(graph.nodes[id].ty.domain.time_axes().count());
        if let Some(array) = other.reals.get_mut(name) {
            *array = array.select(dim, order);
        }
        if let Some(array) = other.tokens.get_mut(name) {
            *array = array.select(dim, order);
        }
    }
    for (_, lengths) in &mut other.lengths {
        *lengths = order.iter().map(|row| lengths[*row]).collect();
    }
    for state in other.state.iter_mut().flat_map(|state| state.values_mut()) {
        *state = state.select(Axis(0), order);
    }
    if let Some(fresh) = &mut other.fresh {
        *fresh = order.iter().map(|row| fresh[*row]).collect();
    }
    other
}
