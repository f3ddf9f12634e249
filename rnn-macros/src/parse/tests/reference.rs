//! The reference of the language has the statements, combinators and operators that are parsed.

use std::collections::BTreeSet;

use crate::parse::declaration::COMBINATORS;
use crate::parse::expression::BINARY;
use crate::parse::item::ATTRIBUTES;
use crate::parse::name::{ITEM_WORDS, STATEMENT_WORDS};
use crate::reference::{Reference, assert_same, words};

#[test]
fn statements_are_those_of_the_parser() {
    let mut written = words(&Reference::read().first_column("Items"));
    // An equation and a boundary start with a name, which is `h` there.
    assert!(written.remove("h"), "equations");
    assert_same("statements", &written, STATEMENT_WORDS);
    let text = Reference::read().0;
    for attribute in ATTRIBUTES.iter().filter(|name| **name != "doc") {
        assert!(text.contains(&format!("`{attribute}`")), "`{attribute}`");
    }
    for word in ITEM_WORDS {
        assert!(text.contains(&format!("`{word}`")), "`{word}`");
    }
}

#[test]
fn combinators_are_those_of_the_parser() {
    let written = words(&Reference::read().first_column("Cells and layers"));
    assert_same("combinators", &written, COMBINATORS);
}

#[test]
fn operators_are_those_of_the_parser() {
    let written = Reference::read().first_column("Shapes and operators");
    let symbols: BTreeSet<String> = written
        .iter()
        .filter_map(|code| {
            code.strip_prefix("a ")?
                .strip_suffix(" b")
                .map(str::to_owned)
        })
        .collect();
    let known = BINARY.iter().map(|op| op.symbol());
    assert_same("operators", &symbols, known);
    for code in ["-a", "W.T", "[a, b, ..]", "E[k]"] {
        assert!(written.iter().any(|written| written == code), "{code}");
    }
}
