//! The tables of `docs/coverage.md` speak of what there is: a test, a cell, an example or a file that is renamed or taken away fails
//! here until the tables say so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Sources below a folder, but for what is built.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The identifier that a text starts with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

/// Tests of a file: functions behind `#[test]`, and names in the lists of macros that make such functions.
fn tests_of(text: &str, found: &mut BTreeSet<String>) {
    let mut waiting = false;
    let listed = text.contains("fn $") || text.contains("agree! {");
    for line in text.lines().map(str::trim) {
        waiting |= line == "#[test]";
        if let Some(name) = line.strip_prefix("fn ").filter(|_| waiting) {
            found.insert(word(name).to_owned());
            waiting = false;
        }
        let name = word(line);
        if listed && !name.is_empty() && line[name.len()..].starts_with(": ") {
            found.insert(name.to_owned());
        }
        if let Some((_, rest)) = line.split_once("!(").filter(|_| listed) {
            found.insert(word(rest).to_owned());
        }
    }
    found.remove("");
}

/// What a file declares by a name: cells, models, types, functions.
fn declared_in(text: &str, found: &mut BTreeSet<String>) {
    for line in text.lines() {
        for keyword in ["cell ", "model ", "struct ", "enum ", "trait ", "fn "] {
            for (at, _) in line.match_indices(keyword) {
                let starts = at == 0 || line[..at].ends_with([' ', '(']);
                if starts {
                    found.insert(word(&line[at + keyword.len()..]).to_owned());
                }
            }
        }
    }
}

#[test]
fn what_the_tables_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| std::fs::read_to_string(path).expect("a file of the project");
    let mut files = Vec::new();
    for folder in [
        "src",
        "tests",
        "examples",
        "rnn-ir",
        "rnn-macros",
        "rnn-jit",
        "rnn-runtime",
        "rnn-cli",
    ] {
        sources(&root.join(folder), &mut files);
    }
    let (mut tests, mut declared) = (BTreeSet::new(), BTreeSet::new());
    let mut by_file: Vec<(PathBuf, BTreeSet<String>)> = Vec::new();
    for file in files
        .iter()
        .filter(|file| !file.ends_with("tests/coverage.rs"))
    {
        let text = read(file);
        let mut own = BTreeSet::new();
        tests_of(&text, &mut own);
        tests.extend(own.iter().cloned());
        by_file.push((file.clone(), own));
        declared_in(&text, &mut declared);
    }
    let language = read(&root.join("docs/language.md"));
    let coverage = read(&root.join("docs/coverage.md"));

    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in coverage.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [asked, how, held] = cells.as_slice() else {
            wrong.push(format!("no row of three: {line}"));
            continue;
        };
        if ["asked", "what"].contains(&asked.trim()) {
            continue;
        }
        rows += 1;
        let code = |cell: &str| -> Vec<String> {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        for name in code(how) {
            let start = word(&name);
            let exists = match &name[start.len()..] {
                _ if name.contains(['=', '@', ' ']) || name.starts_with('.') => true,
                _ if name.contains('/') => root.join(&name).exists(),
                "" => declared.contains(start) || language.contains(&format!("`{start}`")),
                rest if rest.ends_with(')') => {
                    language.contains(&format!("{start}("))
                        || language.contains(&format!("{start}["))
                }
                _ => true,
            };
            if !exists {
                wrong.push(format!("{}: there is no `{name}`", asked.trim()));
            }
        }
        let held = code(held);
        if held.is_empty() {
            wrong.push(format!("{}: no test holds it", asked.trim()));
        }
        // By its name, or by the end of its file's path and its name.
        let is_test = |name: &str| match name.split_once("::") {
            Some((path, function)) => {
                (by_file.iter()).any(|(file, own)| file.ends_with(path) && own.contains(function))
            }
            None => tests.contains(name),
        };
        for name in held.iter().filter(|name| !is_test(name)) {
            wrong.push(format!("{}: there is no test `{name}`", asked.trim()));
        }
    }
    assert!(rows > 60, "{rows} rows were read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tests_are_told_from_other_functions() {
    let mut tests = BTreeSet::new();
    tests_of("#[test]\nfn holds() {}\nfn helps() {}\n", &mut tests);
    tests_of(
        "#[test]\nfn $name() {}\nagree! {\n    of_a_list: Model { I: 2 };\n}\nagree!(of_a_call, \"x\");\n",
        &mut tests,
    );
    assert_eq!(
        tests.iter().map(String::as_str).collect::<Vec<_>>(),
        ["holds", "of_a_call", "of_a_list"]
    );
}
