//! The reference of the language has the functions and initialisers that are evaluated, with their options.

use crate::elaborate::declare::RESERVED;
use crate::elaborate::function::{
    AXIS_FUNCTIONS, FUNCTIONS, INITIALISERS, OptionDecl, PERIODS, function_names,
};
use crate::reference::{Reference, assert_same, code, word, words};

/// Every function and initialiser with its options.
fn calls() -> impl Iterator<Item = (&'static str, &'static [OptionDecl])> {
    let functions = FUNCTIONS.iter().map(|call| (call.name, call.options));
    functions.chain(INITIALISERS)
}

#[test]
fn functions_are_those_that_are_evaluated() {
    let reference = Reference::read();
    let mut written = words(&reference.first_column("Functions"));
    written.extend(words(&reference.first_column("Reductions")));
    assert_same("functions", &written, function_names());
}

#[test]
fn functions_along_an_axis_have_brackets() {
    let along: Vec<String> = Reference::read()
        .first_column("Reductions")
        .into_iter()
        .filter(|code| code.contains('['))
        .collect();
    let known = AXIS_FUNCTIONS.iter().map(|(name, _)| *name);
    assert_same("functions along an axis", &words(&along), known);
}

#[test]
fn options_have_the_defaults_that_are_taken() {
    let text = Reference::read().0;
    let codes: Vec<String> = text.lines().flat_map(code).collect();
    let mut checked = 0;
    for (name, options) in calls() {
        let usages: Vec<&String> = codes.iter().filter(|code| word(code) == name).collect();
        for (option, default) in options {
            let shown = usages.iter().any(|usage| {
                let arguments = usage.split(['(', ',', ')']).skip(1).map(str::trim);
                let mut arguments = arguments.map(|argument| match argument.split_once('=') {
                    Some((name, value)) => (name.trim(), value.trim().parse::<f64>().ok()),
                    None => (argument, None),
                });
                arguments.any(|(name, value)| name == *option && value == *default)
            });
            assert!(
                shown,
                "`{name}`: `{option}` is not shown, or its default is not {default:?}"
            );
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
    for (period, _) in PERIODS {
        assert!(text.contains(&format!("per = {period}")) || text.contains(&format!("`{period}`")));
    }
}

#[test]
fn initialisers_are_those_that_are_drawn() {
    let written = words(&Reference::read().first_column("Parameters"));
    let known = INITIALISERS.iter().map(|(name, _)| *name);
    assert_same("initialisers", &written, known);
}

#[test]
fn names_that_every_model_has_are_told() {
    let text = Reference::read().0;
    for name in RESERVED {
        assert!(text.contains(&format!("`{name}`")), "`{name}`");
    }
}
