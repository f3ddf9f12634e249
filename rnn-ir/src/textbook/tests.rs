use super::*;
use crate::samples;

#[test]
fn vanilla_reads_as_the_textbook_writes_it() {
    insta::assert_snapshot!(equations(&samples::vanilla()));
}

#[test]
fn samples_read_well() {
    let mut text = String::new();
    for (name, graph) in samples::all() {
        text.push_str(&format!("--- {name}\n{}\n", equations(&graph)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn summaries() {
    let text = [samples::char_lm(), samples::attention()].map(|graph| summary(&graph));
    insta::assert_snapshot!(text.join("\n"));
}
