//! Errors as the compiler would print them, for tests.
//!
//! **Invariant:** every underlined column lies inside the source text.

use std::fmt::Write;

use super::{Diagnostics, Extent};

impl Diagnostics {
    /// Message, source lines underlined with `^`, labels underlined with `-`, helps.
    pub(crate) fn underlined(&self, source: &str) -> String {
        let mut text = String::new();
        let errors = self.shown.iter().map(|error| ("error", error));
        let remarks = self.remarks.iter();
        let remarks = remarks.map(|remark| ("warning", &remark.diagnostic));
        for (what, error) in errors.chain(remarks) {
            let _ = writeln!(text, "{what}: {}", error.message);
            underline(&mut text, source, error.extent, '^', "");
            for (extent, label) in &error.labels {
                underline(&mut text, source, *extent, '-', label);
            }
            for help in &error.helps {
                let _ = writeln!(text, "  help: {help}");
            }
            text.push('\n');
        }
        if self.omitted > 0 {
            let _ = writeln!(text, "and {} more errors", self.omitted);
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// Whether every extent lies inside `source`.
    pub(crate) fn inside(&self, source: &str) -> bool {
        let lines: Vec<&str> = source.lines().collect();
        self.shown
            .iter()
            .flat_map(|e| std::iter::once(&e.extent).chain(e.labels.iter().map(|l| &l.0)))
            .all(|extent| {
                let (start, end) = (extent.start.start(), extent.end.end());
                let within = |at: proc_macro2::LineColumn| {
                    lines
                        .get(at.line.wrapping_sub(1))
                        .is_some_and(|line| at.column <= line.chars().count())
                };
                within(start) && within(end) && start <= end
            })
    }
}

fn underline(text: &mut String, source: &str, extent: Extent, mark: char, label: &str) {
    let (start, end) = (extent.start.start(), extent.end.end());
    let last = if end.line > start.line {
        start.line
    } else {
        end.line
    };
    let Some(line) = source.lines().nth(start.line - 1) else {
        let _ = writeln!(text, "  (no source) {label}");
        return;
    };
    let until = if last == end.line {
        end.column
    } else {
        line.chars().count()
    };
    let number = start.line.to_string();
    let _ = writeln!(text, "  {number} | {line}");
    let marks = mark
        .to_string()
        .repeat(until.saturating_sub(start.column).max(1));
    let more = if end.line > start.line {
        format!(".. line {}", end.line)
    } else {
        String::new()
    };
    let _ = writeln!(
        text,
        "  {} | {}{marks}{more}{}{label}",
        " ".repeat(number.len()),
        " ".repeat(start.column),
        if label.is_empty() { "" } else { " " }
    );
}
