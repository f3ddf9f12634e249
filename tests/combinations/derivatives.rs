//! Derivatives beside the gradient: by the interpreter, and by each other.

use super::case::direction;
use super::checks::{call, outputs_given, with_fixed, without_fixed};
use super::choice::Choice;
use super::oracle::{self, TOLERANCE, agree, number, product};
use super::subject::{Answers, Arrays, Given, Subject};

/// The inputs that are real, by which there is a derivative.
fn real_inputs(given: &Given) -> Vec<&str> {
    given.reals.keys().map(String::as_str).collect()
}

fn input_alone<'g>(subject: &dyn Subject, given: &'g Given) -> Vec<&'g str> {
    let graph = subject.bound();
    let of = |name: &&str| {
        graph
            .inputs()
            .any(|(_, own, role)| own == *name && role == rnn::ir::op::Role::Input)
    };
    real_inputs(given).into_iter().filter(of).collect()
}

pub(crate) fn jvp(subject: &dyn Subject, choice: &Choice, given: &Given) -> Result<usize, String> {
    let given = &outputs_given(given);
    let names = input_alone(subject, given);
    let mut along = direction(&subject.bound(), given, &names, 11);
    without_fixed(choice, &mut along);
    let found = call(subject, choice, given, &|model, given| {
        model.jvp(given, &along)
    })?;
    let expected = oracle::jvp(subject, given, &along);
    agree(&expected, &found, TOLERANCE).map_err(|error| format!("jvp: {error}"))
}

fn near(what: &str, one: f64, other: f64, scale: f64) -> Result<(), String> {
    let close = (one - other).abs() <= 3e-4 * scale.max(one.abs()).max(1e-3);
    close
        .then_some(())
        .ok_or_else(|| format!("{what}: {one} and {other}"))
}

fn size(answers: &Answers, word: &str) -> f64 {
    let own = answers.iter().filter(|(name, _)| name.starts_with(word));
    own.flat_map(|(_, array)| array.iter())
        .map(|x| f64::from(*x).abs())
        .sum()
}

/// Products with the Hessian: by the interpreter, and the same from both sides.
pub(crate) fn hessian(
    subject: &dyn Subject,
    choice: &Choice,
    given: &Given,
) -> Result<usize, String> {
    let given = &outputs_given(given);
    let graph = subject.bound();
    let (mut u, mut v) = (
        direction(&graph, given, &[], 13),
        direction(&graph, given, &[], 17),
    );
    without_fixed(choice, &mut u);
    without_fixed(choice, &mut v);
    let of_v = call(subject, choice, given, &|model, given| model.hvp(given, &v))?;
    let mut expected = oracle::hvp(subject, given, &v, choice.reduction);
    with_fixed(choice, &mut expected, "H");
    let compared =
        agree(&expected, &of_v, 4.0 * TOLERANCE).map_err(|error| format!("hvp: {error}"))?;
    let of_u = call(subject, choice, given, &|model, given| model.hvp(given, &u))?;
    let (one, other) = (product(&of_v, "H", &u), product(&of_u, "H", &v));
    near("the Hessian from both sides", one, other, size(&of_v, "H"))?;
    Ok(compared)
}

/// Derivatives by inputs: by the interpreter, and the slope along a direction both ways.
pub(crate) fn inputs(
    subject: &dyn Subject,
    choice: &Choice,
    given: &Given,
) -> Result<usize, String> {
    let given = &outputs_given(given);
    let names = real_inputs(given);
    let found = call(subject, choice, given, &|model, given| {
        model.by_inputs(given, &names)
    })?;
    let expected = oracle::by_inputs(subject, given, &names, choice.reduction);
    let compared =
        agree(&expected, &found, TOLERANCE).map_err(|error| format!("by inputs: {error}"))?;
    let mut along: Arrays = direction(&subject.bound(), given, &names, 19);
    along.retain(|name, _| given.reals.contains_key(name));
    let slope = call(subject, choice, given, &|model, given| {
        model.slope(given, &along)
    })?;
    let (forwards, backwards) = (number(&slope, "slope"), product(&found, "d", &along));
    near("slope by inputs", forwards, backwards, size(&found, "d"))?;
    // Along parameters, where the gradient is that of inference.
    if choice.form < 2 && choice.base.name != "Normalised" {
        let grads = call(subject, choice, given, &|model, given| {
            model.gradient(given)
        })?;
        let mut along = direction(&subject.bound(), given, &[], 23);
        without_fixed(choice, &mut along);
        let slope = call(subject, choice, given, &|model, given| {
            model.slope(given, &along)
        })?;
        let (forwards, backwards) = (number(&slope, "slope"), product(&grads, "d", &along));
        near(
            "slope by parameters",
            forwards,
            backwards,
            size(&grads, "d "),
        )?;
    }
    Ok(compared)
}

/// Derivatives by carried states at every step.
pub(crate) fn states(
    subject: &dyn Subject,
    choice: &Choice,
    given: &Given,
) -> Result<usize, String> {
    let given = &outputs_given(given);
    let found = call(subject, choice, given, &|model, given| {
        model.by_states(given)
    })?;
    let expected = oracle::by_states(subject, given, choice.reduction);
    agree(&expected, &found, TOLERANCE).map_err(|error| format!("by states: {error}"))
}
