//! Every place that makes an error has a snapshot that shows it.
//!
//! The kinds of errors are the places that make them. A test expands the sources of all snapshots, records which places were
//! reached, and looks for the others in the files of this crate.
//!
//! **Invariant:** a new `Diagnostic::new` without a snapshot fails the test by its file and line.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::Location;
use std::path::Path;

thread_local! {
    static REACHED: RefCell<BTreeSet<(String, u32)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes that an error was made there.
pub(super) fn record(place: &Location<'_>) {
    let file = place.file().replace('\\', "/");
    let file = file
        .rsplit_once("src/")
        .map_or(file.as_str(), |(_, file)| file);
    REACHED.with_borrow_mut(|reached| reached.insert((file.to_owned(), place.line())));
}

/// Every line of this crate that makes an error, tests aside, and those that a comment calls a backstop: no source reaches
/// them while the checks before them are complete.
fn places() -> BTreeSet<(String, u32)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of this crate") {
            let path = entry.expect("an entry").path();
            let is_source = path.extension().is_some_and(|extension| extension == "rs");
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if is_source && !path.ends_with("diagnostics/coverage.rs") {
                let text = std::fs::read_to_string(&path).expect("a file of this crate");
                let file = path.strip_prefix(&root).expect("below the root");
                let file = file.to_string_lossy().replace('\\', "/");
                let mut backstop = false;
                for (line, number) in text.lines().zip(1..) {
                    if line == "mod tests {" {
                        break;
                    }
                    backstop |= line.contains("// Backstop: ");
                    if line.contains("Diagnostic::new(") && !std::mem::take(&mut backstop) {
                        found.insert((file.clone(), number));
                    }
                }
            }
        }
    }
    found
}

#[test]
fn every_kind_of_error_has_a_snapshot() {
    REACHED.take();
    crate::parse::tests::errors::show_all();
    crate::elaborate::tests::errors::show_all();
    let (reached, places) = (REACHED.take(), places());
    assert!(places.len() > 100, "{} places were found", places.len());
    let missing: Vec<String> = places
        .difference(&reached)
        .map(|(file, line)| format!("{file}:{line}"))
        .collect();
    assert!(
        missing.is_empty(),
        "{} of {} errors have no snapshot:\n{}",
        missing.len(),
        places.len(),
        missing.join("\n")
    );
}
