//! The parser's state and the steps every rule is made of.
//!
//! **Invariant:** [`Parser::enter`] is the only way into a group, so it alone bounds the recursion.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use super::MAX_NESTING;
use super::cursor::{Cursor, Symbol};
use crate::diagnostics::{Diagnostic, Diagnostics, Extent, Reported};

/// A result whose error has been reported.
pub(super) type Parsed<T> = Result<T, Reported>;

/// Reads one group and reports into the diagnostics of the expansion.
pub(super) struct Parser<'d> {
    pub(super) cursor: Cursor,
    pub(super) diagnostics: &'d mut Diagnostics,
    nesting: usize,
}

impl<'d> Parser<'d> {
    pub(super) fn new(tokens: TokenStream, diagnostics: &'d mut Diagnostics) -> Self {
        Self {
            cursor: Cursor::over_input(tokens),
            diagnostics,
            nesting: 0,
        }
    }

    /// Runs `rule` on the contents of `group`; the rule may leave tokens unread.
    pub(super) fn enter<T>(
        &mut self,
        group: &Group,
        rule: impl FnOnce(&mut Self) -> T,
    ) -> Parsed<T> {
        if self.nesting == MAX_NESTING {
            return Err(self.error(
                Diagnostic::new(
                    group.span_open(),
                    format!("more than {MAX_NESTING} brackets inside each other"),
                )
                .help("name an inner part by an equation of its own"),
            ));
        }
        let outside = std::mem::replace(&mut self.cursor, Cursor::over_group(group));
        self.nesting += 1;
        let value = rule(self);
        self.nesting -= 1;
        self.cursor = outside;
        Ok(value)
    }

    /// As [`Parser::enter`], and what the rule leaves unread is an error.
    pub(super) fn enter_whole<T>(
        &mut self,
        group: &Group,
        rule: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        self.enter(group, |inner| {
            let value = rule(inner)?;
            if inner.cursor.at_end() {
                Ok(value)
            } else {
                Err(inner.expected("an operator"))
            }
        })?
    }

    /// Comma-separated elements up to the end of the group. An element that fails becomes `recover(extent)`, if that is
    /// something, and reading goes on behind the next comma.
    pub(super) fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Parsed<T>,
        recover: impl Fn(Extent) -> Option<T>,
    ) -> Vec<T> {
        let mut elements = Vec::new();
        while !self.cursor.at_end() {
            let start = self.cursor.here();
            let parsed = element(self).and_then(|value| {
                if self.cursor.at_end() || self.at(",") {
                    return Ok(value);
                }
                Err(self.misplaced("`,` or an operator"))
            });
            match parsed {
                Ok(value) => elements.push(value),
                Err(_) => {
                    while !self.cursor.at_end() && !self.at(",") {
                        self.cursor.advance();
                    }
                    elements.extend(recover(start.to(self.cursor.previous())));
                }
            }
            self.eat(",");
        }
        elements
    }

    /// Whether exactly this operator is next.
    pub(super) fn at(&self, text: &str) -> bool {
        self.cursor
            .symbol(0)
            .is_some_and(|symbol| symbol.text == text)
    }

    /// Takes this operator if it is next.
    pub(super) fn eat(&mut self, text: &str) -> Option<Symbol> {
        let symbol = self.cursor.symbol(0).filter(|symbol| symbol.text == text)?;
        self.cursor.advance_over(symbol);
        Some(symbol)
    }

    /// Takes this operator or reports what is there.
    pub(super) fn require(&mut self, text: &str) -> Parsed<Symbol> {
        match self.eat(text) {
            Some(symbol) => Ok(symbol),
            None => Err(self.expected(&format!("`{text}`"))),
        }
    }

    /// The identifier `ahead` places on.
    pub(super) fn ident(&self, ahead: usize) -> Option<&Ident> {
        match self.cursor.peek(ahead) {
            Some(TokenTree::Ident(ident)) => Some(ident),
            _ => None,
        }
    }

    /// Takes this word if it is next.
    pub(super) fn eat_word(&mut self, word: &str) -> Option<Span> {
        let span = self.ident(0).filter(|ident| *ident == word)?.span();
        self.cursor.advance();
        Some(span)
    }

    /// Whether a group with this delimiter is next.
    pub(super) fn at_group(&self, delimiter: Delimiter) -> bool {
        matches!(self.cursor.peek(0), Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
    }

    /// Takes a group with this delimiter if it is next.
    pub(super) fn eat_group(&mut self, delimiter: Delimiter) -> Option<Group> {
        if !self.at_group(delimiter) {
            return None;
        }
        match self.cursor.advance() {
            Some(TokenTree::Group(group)) => Some(group),
            _ => None,
        }
    }

    /// From `start` to the last token taken.
    pub(super) fn since(&self, start: Extent) -> Extent {
        start.to(self.cursor.previous())
    }

    /// Reports "expected x, found y" at the next token.
    pub(super) fn expected(&mut self, what: &str) -> Reported {
        let diagnostic = self.expectation(what);
        self.error(diagnostic)
    }

    /// Reports an operator that other languages have, or what else cannot follow an expression.
    pub(super) fn misplaced(&mut self, what: &str) -> Reported {
        let error = self.expectation(what);
        let error = match self.cursor.symbol(0).map(|symbol| symbol.text) {
            Some("^" | "**") => error.help("a power is `square(x)` or `pow(x, n)`"),
            Some("&&" | "&" | "||" | "|") => {
                error.help("conditions are numbers: `a * b` is and, `max(a, b)` is or")
            }
            Some("::") => error.help("functions and names have no path"),
            _ => error,
        };
        self.error(error)
    }

    /// "expected x, found y" at the next token, to add help to.
    pub(super) fn expectation(&self, what: &str) -> Diagnostic {
        Diagnostic::new(
            self.cursor.here(),
            format!("expected {what}, found {}", self.cursor.found()),
        )
    }

    /// Reports an error.
    pub(super) fn error(&mut self, diagnostic: Diagnostic) -> Reported {
        self.diagnostics.report(diagnostic)
    }
}
