//! Every variant of every error of the runtime is named by a test, as `CallError::Row`, or its whole message is quoted by one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[path = "../reading/mod.rs"]
mod reading;

use reading::{code_of, in_name, sources, unread, within, word};

/// A variant, and the parts of its message between what it is given; none where it tells what another error tells.
#[derive(Debug, PartialEq)]
struct Variant {
    of: String,
    name: String,
    parts: Vec<String>,
}

/// Letters of a message that make it known.
const KNOWN_BY: usize = 12;

/// The strings of a source, without the marks of lines that go on.
fn strings(text: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let skipped = unread(rest).max(first.len_utf8());
        if first == '"' {
            let own = rest[1..skipped]
                .strip_suffix('"')
                .unwrap_or(&rest[1..skipped]);
            let own = own.replace("\\\"", "\"");
            let lines = own.split("\\\n").map(str::trim_start);
            found.push(lines.collect());
        }
        rest = &rest[skipped..];
    }
    found
}

/// What a message says of itself, between `{` and `}`.
fn parts(message: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for c in message.chars() {
        match c {
            '{' => {
                depth += 1;
                parts.push(String::new());
            }
            '}' => depth = depth.saturating_sub(1),
            c if depth == 0 => parts.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The variants of the errors that a source declares: enums that derive `Error`.
fn variants(source: &str) -> Vec<Variant> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("pub enum ") {
        let of = word(&source[at + "pub enum ".len()..]);
        let derived = source[..at].trim_end().ends_with("Error)]");
        if !derived {
            continue;
        }
        let mut rest = within(&source[at + source[at..].find('{').unwrap()..]);
        let mut message = Vec::new();
        while let Some(first) = rest.chars().next() {
            let skip = match first {
                '#' => {
                    let attribute = within(&rest[1..]);
                    if attribute.starts_with("error(") {
                        let quoted = strings(attribute).into_iter().next();
                        message = quoted.map_or_else(Vec::new, |quoted| parts(&quoted));
                    }
                    attribute.len() + 3
                }
                '(' | '{' => within(rest).len() + 2,
                c if c.is_ascii_uppercase() => {
                    let name = word(rest);
                    found.push(Variant {
                        of: of.to_owned(),
                        name: name.to_owned(),
                        parts: std::mem::take(&mut message),
                    });
                    name.len()
                }
                c => unread(rest).max(c.len_utf8()),
            };
            rest = &rest[skip..];
        }
    }
    found
}

/// Whether a text quotes a message, in whole.
fn quotes(text: &str, parts: &[String]) -> bool {
    let mut rest = text;
    parts
        .iter()
        .all(|part| match rest.split_once(part.as_str()) {
            Some((_, behind)) => {
                rest = behind;
                true
            }
            None => false,
        })
}

/// The names `A::B` in a code.
fn paths(code: &str, found: &mut BTreeSet<String>) {
    for (at, _) in code.match_indices("::") {
        let owner = code[..at].rsplit(|c: char| !in_name(c)).next();
        let name = word(&code[at + 2..]);
        found.insert(format!("{}::{name}", owner.unwrap_or_default()));
    }
}

/// Those of a source that are tests.
fn tests_of(path: &Path, source: &str) -> String {
    let within_tests = path
        .iter()
        .any(|part| part == "tests" || part == "tests.rs");
    match source.find("#[cfg(test)]\nmod tests {") {
        _ if within_tests => source.to_owned(),
        Some(at) => source[at..].to_owned(),
        None => String::new(),
    }
}

#[test]
fn every_error_of_the_runtime_is_provoked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut of_runtime): (Vec<PathBuf>, Vec<PathBuf>) = Default::default();
    for folder in ["src", "tests", "rnn-runtime", "rnn-cli", "examples"] {
        sources(&root.join(folder), &mut files);
    }
    sources(&root.join("rnn-runtime/src"), &mut of_runtime);
    let (mut named, mut quoted) = (BTreeSet::new(), Vec::new());
    for file in &files {
        let own = file.strip_prefix(root).unwrap();
        let tests = tests_of(own, &std::fs::read_to_string(file).unwrap());
        paths(&code_of(&tests), &mut named);
        quoted.extend(strings(&tests));
    }
    let mut all = Vec::new();
    for file in &of_runtime {
        all.extend(variants(&std::fs::read_to_string(file).unwrap()));
    }
    assert!(all.len() > 140, "{} variants were read", all.len());
    let missing: Vec<String> = (all.iter())
        .filter(|own| {
            let letters: usize = own.parts.iter().map(String::len).sum();
            let told = letters >= KNOWN_BY && quoted.iter().any(|text| quotes(text, &own.parts));
            !told && !named.contains(&format!("{}::{}", own.of, own.name))
        })
        .map(|own| format!("{}::{}", own.of, own.name))
        .collect();
    assert!(
        missing.is_empty(),
        "no test provokes {}",
        missing.join(", ")
    );
}

#[test]
fn a_variant_is_read_with_its_message() {
    let source = r##"
/// Not an error.
pub enum Mode { Fast }
#[derive(Clone, Error)]
pub enum AError {
    /// `Text` that is "no" variant.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io { action: &'static str, source: Source },
    #[error(transparent)]
    Other(#[from] BError),
    #[error("say \"this\"")]
    Last,
}
"##;
    let own = |name: &str, parts: &[&str]| Variant {
        of: "AError".to_owned(),
        name: name.to_owned(),
        parts: parts.iter().map(|part| (*part).to_owned()).collect(),
    };
    let expected = [
        own("Io", &["cannot ", " `", "`: "]),
        own("Other", &[]),
        own("Last", &["say \"this\""]),
    ];
    assert_eq!(variants(source), expected);
    assert!(quotes(
        "it cannot open `a`: no such file",
        &expected[0].parts
    ));
    assert!(!quotes(
        "it cannot open a: no such file",
        &expected[0].parts
    ));
    let mut named = BTreeSet::new();
    paths("match error { rnn::AError::Io { .. } => 1 }", &mut named);
    assert!(named.contains("AError::Io"));
}
