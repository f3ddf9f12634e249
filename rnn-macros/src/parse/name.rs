//! Names and the words that cannot be one.
//!
//! **Invariant:** a name in the tree is a valid Rust identifier that is no keyword, so it can become a field.

use proc_macro2::{Delimiter, Ident, TokenTree};

use super::parser::{Parsed, Parser};
use crate::ast::NamePath;
use crate::diagnostics::{Diagnostic, nearest};

/// Words that start a statement.
pub(super) const STATEMENT_WORDS: [&str; 11] = [
    "time",
    "index",
    "input",
    "target",
    "param",
    "orthonormal",
    "fixed",
    "running",
    "layer",
    "output",
    "loss",
];

/// Words that start an item.
pub(super) const ITEM_WORDS: [&str; 2] = ["cell", "model"];

const RUST_WORDS: [&str; 50] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "Self", "static", "struct", "super", "trait", "true", "try", "type",
    "typeof", "unsafe", "unsized", "use", "virtual", "where",
];

/// Rust keywords that are no names but are called like functions.
const CALLED_WORDS: [&str; 2] = ["where", "mod"];

impl Parser<'_> {
    /// A name to be defined or read. A word of the language is reported and then taken as the name, so that what follows
    /// is still read; a keyword of Rust more likely starts something that is not of the language.
    pub(super) fn name(&mut self, what: &str) -> Parsed<Ident> {
        let Some(ident) = self.ident(0).cloned() else {
            return Err(self.expected(what));
        };
        self.cursor.advance();
        if let Some(diagnostic) = refuse(&ident) {
            let reported = self.error(diagnostic);
            if RUST_WORDS.iter().any(|word| ident == word) {
                return Err(reported);
            }
        }
        Ok(ident)
    }

    /// `h`, `enc.backward.h`; stops before `.T`.
    pub(super) fn name_path(&mut self, what: &str) -> Parsed<NamePath> {
        let called = self
            .ident(0)
            .is_some_and(|ident| CALLED_WORDS.iter().any(|word| ident == word))
            && matches!(self.cursor.peek(1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
        if called && let Some(TokenTree::Ident(ident)) = self.cursor.advance() {
            return Ok(NamePath {
                segments: vec![ident],
            });
        }
        let mut segments = vec![self.name(what)?];
        while self.at(".") && self.ident(1).is_some_and(|ident| ident != "T") {
            self.cursor.advance();
            segments.push(self.name("a name")?);
        }
        Ok(NamePath { segments })
    }

    /// `[t]`, `[t, j]` behind a name that is being declared; nothing is an empty list.
    pub(super) fn declared_axes(&mut self) -> Parsed<Vec<Ident>> {
        let Some(group) = self.eat_group(Delimiter::Bracket) else {
            return Ok(Vec::new());
        };
        self.enter(&group, |inner| {
            if inner.cursor.at_end() {
                inner.expected("an axis");
            }
            inner.list(
                |inner| {
                    let name = inner.name("the name of an axis")?;
                    if inner.cursor.at_end() || inner.at(",") {
                        return Ok(name);
                    }
                    let error = inner.expectation("`,` or `]`");
                    Err(inner.error(error.help(format!(
                        "a declaration covers the whole axis: write `[{name}]`"
                    ))))
                },
                |_| None,
            )
        })
    }
}

/// Whether an identifier can be a name; one that cannot is refused by the parser.
pub(crate) fn is_name(ident: &Ident) -> bool {
    refuse(ident).is_none()
}

/// Why this identifier cannot be a name.
fn refuse(ident: &Ident) -> Option<Diagnostic> {
    let text = ident.to_string();
    let text = text.as_str();
    let is = |words: &[&str]| words.contains(&text);
    if is(&STATEMENT_WORDS) || is(&ITEM_WORDS) {
        Some(
            Diagnostic::new(
                ident,
                format!("`{text}` is a word of the language and cannot be a name"),
            )
            .help(format!("choose another name, such as `{text}_1`")),
        )
    } else if is(&RUST_WORDS) {
        let error = Diagnostic::new(
            ident,
            format!("`{text}` is a keyword of Rust and cannot be a name"),
        );
        Some(if text == "if" || text == "match" {
            error.help("a choice is written `where(condition, a, b)`")
        } else {
            error.help(format!("choose another name, such as `{text}_1`"))
        })
    } else if text == "_" {
        Some(Diagnostic::new(ident, "`_` cannot be a name"))
    } else if text.starts_with("r#") {
        Some(
            Diagnostic::new(ident, format!("raw identifier `{text}` cannot be a name"))
                .help("a name is also a key in checkpoints: choose one that is no keyword"),
        )
    } else {
        None
    }
}

/// "did you mean `x`?" for the nearest of `candidates`.
pub(super) fn meant<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, candidates).map(|near| format!("did you mean `{near}`?"))
}
