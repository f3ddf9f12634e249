//! The reference of the language names what the language has, and nothing else.
//!
//! The tables of `docs/language.md` are read here; the tests beside the parser and the elaborator compare them with the tables
//! that those work from.
//!
//! **Invariant:** a statement, function, option, initialiser, combinator or operator that is added, renamed or taken away
//! fails a test until the reference says so.

use std::collections::BTreeSet;

/// The reference, by its headings.
pub(crate) struct Reference(pub(crate) String);

impl Reference {
    pub(crate) fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/language.md");
        Self(std::fs::read_to_string(path).expect("the reference lies beside the crates"))
    }

    /// What stands in the first column of the tables under a heading.
    pub(crate) fn first_column(&self, heading: &str) -> Vec<String> {
        let start = format!("\n## {heading}\n");
        let (_, below) =
            (self.0.split_once(&start)).unwrap_or_else(|| panic!("no heading `{heading}`"));
        let section = below.split("\n## ").next().unwrap_or(below);
        let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
        rows.flat_map(|row| code(row.split(" | ").next().unwrap_or(row)))
            .collect()
    }
}

/// The pieces of code of a line.
pub(crate) fn code(line: &str) -> Vec<String> {
    let pieces = line.split('`').skip(1).step_by(2);
    pieces.map(str::to_owned).collect()
}

/// The identifier that code starts with.
pub(crate) fn word(code: &str) -> String {
    let end = code.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    code[..end.unwrap_or(code.len())].to_owned()
}

pub(crate) fn words(codes: &[String]) -> BTreeSet<String> {
    codes
        .iter()
        .map(|code| word(code))
        .filter(|word| !word.is_empty())
        .collect()
}

pub(crate) fn assert_same(
    what: &str,
    written: &BTreeSet<String>,
    known: impl IntoIterator<Item = &'static str>,
) {
    let known: BTreeSet<String> = known.into_iter().map(str::to_owned).collect();
    let missing: Vec<_> = known.difference(written).collect();
    let invented: Vec<_> = written.difference(&known).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "{what} of docs/language.md: {missing:?} are missing, and there are no {invented:?}"
    );
}
