//! The tables of `docs/coverage.md` speak of what there is: a test, a cell, an example or a file that is renamed or taken away fails
//! here until the tables say so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

mod reading;

use reading::{code_of, in_name, sources, within, word};

/// A macro that makes a test of each name that it is given.
struct TestMacro {
    called: String,
    /// Whether it takes a list, each of whose lines may start with a name, or one name in front.
    of_list: bool,
    /// What stands behind a name.
    behind: char,
}

/// Those of a file: in what they make, `#[test]` is in front of `fn $name`.
fn test_macros(code: &str) -> Vec<TestMacro> {
    let defined = code.split("macro_rules! ").skip(1);
    defined
        .filter_map(|definition| {
            let rule = within(&definition[definition.find('{')?..]);
            let (pattern, made) = rule.split_once("=>")?;
            let (_, function) = made.split_once("#[test]")?.1.split_once("fn $")?;
            let (before, after) = pattern.split_once(&format!("${}:ident", word(function)))?;
            Some(TestMacro {
                called: word(definition).to_owned(),
                of_list: before.contains("$("),
                behind: after.trim_start().chars().next()?,
            })
        })
        .collect()
}

/// Tests of a file: functions behind `#[test]`, and the names that macros are given which make such functions.
fn tests_of(code: &str, macros: &[TestMacro], found: &mut BTreeSet<String>) {
    let mut waiting = false;
    for line in code.lines().map(str::trim) {
        waiting |= line == "#[test]";
        if let Some(name) = line.strip_prefix("fn ").filter(|_| waiting) {
            found.insert(word(name).to_owned());
            waiting = false;
        }
    }
    for made in macros {
        let call = format!("{}!", made.called);
        for (at, _) in code.match_indices(&call) {
            let given = code[at + call.len()..].trim_start();
            if code[..at].ends_with(in_name) || !given.starts_with(['(', '[', '{']) {
                continue;
            }
            let given = within(given);
            let entries: Vec<&str> = match made.of_list {
                true => given.lines().collect(),
                false => vec![given],
            };
            for entry in entries.into_iter().map(str::trim_start) {
                let name = word(entry);
                if entry[name.len()..].trim_start().starts_with(made.behind) {
                    found.insert(name.to_owned());
                }
            }
        }
    }
    found.remove("");
}

/// What a file declares by a name: cells, models, types and their variants and public fields, functions, modules.
fn declared_in(code: &str, found: &mut BTreeSet<String>) {
    for line in code.lines() {
        for keyword in [
            "cell ", "model ", "struct ", "enum ", "trait ", "type ", "fn ", "mod ",
        ] {
            for (at, _) in line.match_indices(keyword) {
                let starts = at == 0 || line[..at].ends_with([' ', '(']);
                if starts {
                    found.insert(word(&line[at + keyword.len()..]).to_owned());
                }
            }
        }
        if let Some(field) = line.trim_start().strip_prefix("pub ") {
            let name = word(field);
            if field[name.len()..].starts_with(": ") {
                found.insert(name.to_owned());
            }
        }
    }
    for (at, _) in code.match_indices("enum ") {
        let Some(open) = code[at..].find('{') else {
            continue;
        };
        let mut depth = 0;
        for line in within(&code[at + open..]).lines() {
            let name = word(line.trim_start());
            if depth == 0 && name.starts_with(|c: char| c.is_ascii_uppercase()) {
                found.insert(name.to_owned());
            }
            depth += line.matches(['(', '[', '{']).count();
            depth -= line.matches([')', ']', '}']).count().min(depth);
        }
    }
    found.remove("");
}

/// What the names of a file may be found in: its modules, and the types that it has blocks of `impl` for.
fn owners_of(path: &Path, code: &str, found: &mut BTreeSet<String>) {
    for part in path.with_extension("").iter() {
        found.extend(part.to_str().map(str::to_owned));
    }
    for line in code.lines().map(str::trim_start) {
        if word(line) == "impl" {
            let words = line.split(|c: char| !in_name(c)).map(str::to_owned);
            found.extend(words);
        }
    }
}

/// What a table may speak of.
struct Known {
    /// What sources declare, modules and crates.
    declared: BTreeSet<String>,
    /// Of each file, what it declares, and what that and its names are found in.
    files: Vec<(BTreeSet<String>, BTreeSet<String>)>,
    /// The words in the code of the reference of the language.
    words: BTreeSet<String>,
    /// The reference.
    language: String,
}

impl Known {
    fn is_declared(&self, name: &str) -> bool {
        self.declared.contains(name)
    }

    /// Whether a file has a name of a module or a type.
    fn is_part(&self, owner: &str, name: &str) -> bool {
        let mut files = self.files.iter();
        files.any(|(own, owners)| {
            own.contains(name) && (own.contains(owner) || owners.contains(owner))
        })
    }

    fn is_word(&self, name: &str) -> bool {
        self.is_declared(name) || self.words.contains(name)
    }

    /// A function, or a form of the language such as `sum[t](..)`.
    fn is_called(&self, name: &str) -> bool {
        let form = |open: &str| {
            let form = format!("{name}{open}");
            let mut hits = self.language.match_indices(&form);
            hits.any(|(at, _)| !self.language[..at].ends_with(in_name))
        };
        let function = self.language.contains(&format!("`{name}`"));
        self.is_declared(name) || function || form("(") || form("[")
    }

    /// Names in a text that nothing declares: parts of paths `A::b`, what is called, types; and where nothing is called, words.
    /// Letters of an equation, and what is given to a function, may be any.
    fn unknown(&self, text: &str) -> Vec<String> {
        let text = code_of(text);
        let calls = text.contains('(') || text.contains("::");
        let mut unknown = Vec::new();
        let mut at = 0;
        while let Some(next) = text[at..].find(in_name) {
            let start = at + next;
            let name = word(&text[start..]);
            at = start + name.len();
            let mut behind = &text[at..];
            let owner = text[..start].strip_suffix("::");
            let owner = owner.and_then(|path| path.rsplit(|c: char| !in_name(c)).next());
            let in_path = owner.is_some() || behind.starts_with("::");
            if behind.starts_with('[') {
                behind = behind.get(within(behind).len() + 2..).unwrap_or("");
            }
            let is_number = name.starts_with(|c: char| c.is_ascii_digit());
            let is_type = name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.contains(|c: char| c.is_ascii_lowercase())
                && !name.contains('_');
            let exists = match (behind.starts_with('('), owner) {
                (_, Some(owner)) if owner != "rnn" => self.is_part(owner, name),
                (true, _) if !in_path => self.is_called(name),
                _ if in_path || is_type => self.is_declared(name),
                _ => calls || (name.len() < 4 && name != text) || self.is_word(name),
            };
            if !is_number && !exists {
                unknown.push(name.to_owned());
            }
        }
        unknown
    }
}

/// What stands between backticks.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether a text is the name of a file or a folder.
fn names_a_file(text: &str) -> bool {
    let of_path = |c: char| in_name(c) || "./-".contains(c);
    let extension = Path::new(text).extension();
    text.chars().all(of_path) && (text.contains('/') || extension.is_some())
}

/// The rows of all tables, without their headers: each with as many cells as the header has, two or three.
fn rows_of(document: &str) -> Result<Vec<Vec<&str>>, String> {
    let lines: Vec<&str> = document.lines().collect();
    let mut rows = Vec::new();
    let mut columns = 0;
    for (at, line) in lines.iter().copied().enumerate() {
        if !line.starts_with('|') {
            columns = 0;
            continue;
        }
        if line.starts_with("|---") {
            continue;
        }
        let inner = line.trim_matches('|');
        let cells: Vec<&str> = inner.split(" | ").map(str::trim).collect();
        if (lines.get(at + 1)).is_some_and(|below| below.starts_with("|---")) {
            columns = cells.len();
            continue;
        }
        if cells.len() != columns || !(2..=3).contains(&columns) {
            return Err(format!("no row of a table of two or three columns: {line}"));
        }
        rows.push(cells);
    }
    Ok(rows)
}

#[test]
fn what_the_tables_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| std::fs::read_to_string(path).expect("a file of the project");
    let mut files = Vec::new();
    let mut declared = BTreeSet::from(["rnn".to_owned()]);
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
    files.retain(|file| !file.ends_with("tests/coverage.rs"));
    let mut tests = BTreeSet::new();
    let mut by_file: Vec<(PathBuf, BTreeSet<String>)> = Vec::new();
    let mut files_of_names = Vec::new();
    for file in files {
        let code = code_of(&read(&file));
        let mut macros = test_macros(&code);
        // Those of the file that has this one as a module.
        let above = file.with_file_name("main.rs");
        if code.contains("super::") && above != file && above.exists() {
            macros.extend(test_macros(&code_of(&read(&above))));
        }
        let mut own = BTreeSet::new();
        tests_of(&code, &macros, &mut own);
        tests.extend(own.iter().cloned());
        by_file.push((file.clone(), own));
        let (mut own, mut owners) = (BTreeSet::new(), BTreeSet::new());
        declared_in(&code, &mut own);
        let within_root = file.strip_prefix(root).expect("a file of the project");
        owners_of(within_root, &code, &mut owners);
        declared.extend(own.iter().cloned());
        files_of_names.push((own, owners));
    }
    let language = read(&root.join("docs/language.md"));
    let words = (language.split('`').skip(1).step_by(2))
        .flat_map(|code| code.split(|c: char| !in_name(c)))
        .map(str::to_owned)
        .collect();
    let known = Known {
        declared,
        files: files_of_names,
        words,
        language,
    };
    // By its name, or by the end of its file's path and its name.
    let is_test = |name: &str| match name.split_once("::") {
        Some((path, function)) => {
            (by_file.iter()).any(|(file, own)| file.ends_with(path) && own.contains(function))
        }
        None => tests.contains(name),
    };

    let document = read(&root.join("docs/coverage.md"));
    let rows = rows_of(&document).expect("tables");
    assert!(rows.len() > 150, "{} rows were read", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let asked = row[0];
        for file in row.iter().flat_map(|cell| code(cell)) {
            if names_a_file(file) && !root.join(file).exists() {
                wrong.push(format!("{asked}: there is no file `{file}`"));
            }
        }
        for text in row[1..row.len() - 1].iter().flat_map(|cell| code(cell)) {
            if !names_a_file(text) {
                let unknown = known.unknown(text).into_iter();
                wrong.extend(unknown.map(|name| format!("{asked}: no `{name}` of `{text}`")));
            }
        }
        let last = row[row.len() - 1];
        let held: Vec<&str> = (code(last).into_iter())
            .filter(|text| !names_a_file(text))
            .collect();
        // Times are no test's, but a report's.
        if held.is_empty() && last != "measured, in `BENCHMARKS.md`" {
            wrong.push(format!("{asked}: no test holds it"));
        }
        for name in held.iter().filter(|name| !is_test(name)) {
            wrong.push(format!("{asked}: there is no test `{name}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tests_are_told_from_other_functions() {
    let found = |text: &str| {
        let code = code_of(text);
        let mut tests = BTreeSet::new();
        tests_of(&code, &test_macros(&code), &mut tests);
        Vec::from_iter(tests)
    };
    assert_eq!(
        found(
            "#[test]\nfn holds() {}\nfn helps() {}\n// #[test]\n// fn was() {}\n/*\n#[test]\nfn is_none() {}\n*/\n"
        ),
        ["holds"]
    );
    let listed = "macro_rules! agree {\n    ($($test:ident: $model:ident { $($size:ident: $value:literal),* };)*) => {$(\n        \
                  #[test]\n        fn $test() { agrees($model); }\n    )*};\n}\n";
    let of_list = "agree! {\n    of_a_list: Model { I: 2 };\n    // gone: Model { I: 2 };\n}\nlet a = Other {\n    field: 3,\n};\n\
                   assert!(a_call, \"not: one\");\n";
    assert_eq!(found(&format!("{listed}{of_list}")), ["of_a_list"]);
    // No macro of the file makes tests of it.
    assert!(found(of_list).is_empty());
    let single = "macro_rules! agree {\n    ($name:ident, $case:literal) => {\n        #[test]\n        fn $name() {}\n    };\n}\n\
                  agree!(of_a_call, \"x\");\nagree!(\n    of_another, \"{\"\n);\ndisagree!(of_none, \"x\");\n";
    assert_eq!(found(single), ["of_a_call", "of_another"]);
    // A macro that makes functions, but no tests.
    assert!(
        found("macro_rules! make {\n    ($name:ident,) => { fn $name() {} };\n}\nmake!(of_it,);\n")
            .is_empty()
    );
}

#[test]
fn names_that_nothing_declares_are_found() {
    let mut declared = BTreeSet::new();
    declared_in(
        &code_of(
            "/// A struct of_a_comment, fn neither.\npub struct Group {\n    pub rate: f32,\n}\nimpl Group {\n    fn new() {}\n}\n\
             enum Clip {\n    Norm(f32),\n    Value {\n        Inner: f32,\n    },\n}\nlet text = \"fn of_a_string\";\n",
        ),
        &mut declared,
    );
    let declared_ones: Vec<&str> = declared.iter().map(String::as_str).collect();
    assert_eq!(
        declared_ones,
        ["Clip", "Group", "Norm", "Value", "new", "rate"]
    );
    let language = "`tanh`, `sum[t](x[t])`, `param W: [H] = 1`".to_owned();
    let words = ["tanh", "sum", "param"].map(str::to_owned).into();
    let files = vec![
        (declared.clone(), BTreeSet::new()),
        (
            BTreeSet::from(["elsewhere".to_owned()]),
            BTreeSet::from(["module".to_owned()]),
        ),
    ];
    declared.extend(["elsewhere", "module"].map(str::to_owned));
    let known = Known {
        declared,
        files,
        words,
        language,
    };
    for text in [
        "Group::new(\"*.W_*\")",
        "Clip::Norm",
        "module::elsewhere",
        "sum[t](u[t] * w)",
        "param V: [K] = 2",
        ".new(3)",
        "x[t-1]",
        "Group",
        "tanh",
    ] {
        assert_eq!(known.unknown(text), Vec::<String>::new(), "{text}");
    }
    for (text, name) in [
        ("Group::old(2)", "old"),
        ("Group::elsewhere", "elsewhere"),
        ("Groups::new(2)", "Groups"),
        ("Clip::Nothing", "Nothing"),
        ("prod[t](u[t])", "prod"),
        ("y[t] = sinh(x[t])", "sinh"),
        ("Group::new(2).keep(3)", "keep"),
        ("layer l = Other<I>", "Other"),
        ("parameter W", "parameter"),
        ("cosh", "cosh"),
    ] {
        assert!(
            known.unknown(text).iter().any(|found| found == name),
            "{text}"
        );
    }
    assert!(names_a_file("BENCHMARKS.md") && names_a_file("examples/zoo"));
    assert!(!names_a_file("W.T @ x") && !names_a_file(".npy") && !names_a_file("a / b"));
}

#[test]
fn tables_have_rows_of_two_or_three_cells() {
    let table = "| what | how | test |\n|---|---|---|\n| a | `b` | `c` |\n\n| what | test |\n|---|---|\n| d | `e` |\n";
    assert_eq!(
        rows_of(table),
        Ok(vec![vec!["a", "`b`", "`c`"], vec!["d", "`e`"]])
    );
    assert!(rows_of(&format!("{table}| f | `g` | `h` |\n")).is_err());
    assert!(rows_of("| without | a header |\n").is_err());
}
