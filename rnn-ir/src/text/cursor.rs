//! Reads one line of the text form, piece by piece.
//!
//! **Invariant:** every read skips the blanks before it, and advances or fails; nothing is read past the end of a line.

use super::is_identifier;
use crate::id::Id;
use crate::node::NodeId;

/// Where a text is not a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: expected {expected}, found {found}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Column, in characters from 1.
    pub column: usize,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

pub(super) type Parsed<T> = Result<T, ParseError>;

// How much of the text an error quotes.
const QUOTED: usize = 24;

/// A line, and how much of it is read.
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
    number: usize,
}

impl<'t> Cursor<'t> {
    /// The start of the line of this number, from 1.
    pub(super) fn new(text: &'t str, number: usize) -> Self {
        Self {
            text,
            at: 0,
            number,
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The next character, after blanks; `None` at the end or before a comment.
    pub(super) fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next().filter(|next| *next != ';')
    }

    /// An error at this place.
    pub(super) fn fail<T>(&mut self, expected: impl Into<String>) -> Parsed<T> {
        let found = match self.peek() {
            None => "the end of the line".into(),
            Some(_) => {
                let quoted: String = self.rest().chars().take(QUOTED).collect();
                let quoted = quoted.split_whitespace().next().unwrap_or_default();
                format!("`{}`", quoted.escape_debug())
            }
        };
        Err(self.error(self.at, expected, found))
    }

    /// An error about what was read from `start` on.
    pub(super) fn fail_at<T>(
        &self,
        start: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Parsed<T> {
        Err(self.error(start, expected, found))
    }

    fn error(
        &self,
        at: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> ParseError {
        ParseError {
            line: self.number,
            column: self.text[..at].chars().count() + 1,
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Where the next piece starts.
    pub(super) fn start(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// Whether the line is read to its end.
    pub(super) fn is_done(&mut self) -> bool {
        self.peek().is_none()
    }

    /// The line must be read to its end.
    pub(super) fn done(&mut self) -> Parsed<()> {
        if self.is_done() {
            Ok(())
        } else {
            self.fail("the end of the line")
        }
    }

    /// Reads a mark such as `=` or `..=` if it comes next.
    pub(super) fn eat(&mut self, mark: &str) -> bool {
        let found = self.peek().is_some() && self.rest().starts_with(mark);
        if found {
            self.at += mark.len();
        }
        found
    }

    /// Reads a mark.
    pub(super) fn expect(&mut self, mark: &str) -> Parsed<()> {
        if self.eat(mark) {
            Ok(())
        } else {
            self.fail(format!("`{mark}`"))
        }
    }

    // Reads while the characters are of a class.
    fn take_while(&mut self, class: impl Fn(char) -> bool) -> &'t str {
        self.peek();
        let rest = self.rest();
        let end = rest.find(|next| !class(next)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Reads a word of letters, digits, `_` and dots, if one comes next.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        let start = self.start();
        if !self
            .peek()
            .is_some_and(|next| next.is_alphabetic() || next == '_')
        {
            return None;
        }
        let word = self.take_while(|next| next.is_alphanumeric() || next == '_' || next == '.');
        // A range or a full stop is not part of the word.
        let word = &word[..word.find("..").unwrap_or(word.len())];
        let word = word.trim_end_matches('.');
        self.at = start + word.len();
        Some(word)
    }

    /// Reads a word if it is this one.
    pub(super) fn eat_word(&mut self, expected: &str) -> bool {
        let start = self.start();
        let found = self.word() == Some(expected);
        if !found {
            self.at = start;
        }
        found
    }

    /// Reads a word that must be this one.
    pub(super) fn expect_word(&mut self, expected: &str) -> Parsed<()> {
        if self.eat_word(expected) {
            Ok(())
        } else {
            self.fail(format!("`{expected}`"))
        }
    }

    /// Reads a name: a word, or anything in quotes.
    pub(super) fn name(&mut self, what: &str) -> Parsed<String> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        match self.word() {
            Some(word) => Ok(word.to_owned()),
            None => self.fail(what),
        }
    }

    /// Reads a name in quotes.
    pub(super) fn quoted(&mut self) -> Parsed<String> {
        self.expect("\"")?;
        let mut name = String::new();
        loop {
            let before = self.at;
            let Some(letter) = self.next_letter() else {
                return self.fail_at(before, "`\"`", "the end of the line");
            };
            match letter {
                '"' => return Ok(name),
                '\\' => match self.next_letter() {
                    Some('n') => name.push('\n'),
                    Some('u') => name.push(self.code_point(before)?),
                    Some(letter @ ('"' | '\\')) => name.push(letter),
                    _ => {
                        let expected = "one of `\\\\`, `\\\"`, `\\n`, `\\u{...}`";
                        return self.fail_at(before, expected, "`\\`");
                    }
                },
                letter => name.push(letter),
            }
        }
    }

    fn next_letter(&mut self) -> Option<char> {
        let letter = self.rest().chars().next()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn code_point(&mut self, before: usize) -> Parsed<char> {
        let rest = self.rest();
        let digits = rest
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
            .map(|(digits, _)| digits);
        let letter = digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        match (digits, letter) {
            (Some(digits), Some(letter)) => {
                self.at += digits.len() + 2;
                Ok(letter)
            }
            _ => self.fail_at(before, "a code point such as `\\u{1f}`", "`\\u`"),
        }
    }

    /// Reads a size or axis name that must be an identifier.
    pub(super) fn identifier(&mut self, what: &str) -> Parsed<&'t str> {
        let start = self.start();
        match self.word() {
            Some(word) if is_identifier(word) => Ok(word),
            Some(word) => self.fail_at(start, what, format!("`{word}`")),
            None => self.fail(what),
        }
    }

    /// Reads digits.
    pub(super) fn unsigned<N: std::str::FromStr>(&mut self, what: &str) -> Parsed<N> {
        let start = self.start();
        let digits = self.take_while(|next| next.is_ascii_digit());
        if digits.is_empty() {
            return self.fail(what);
        }
        match digits.parse() {
            Ok(value) => Ok(value),
            Err(_) => {
                let found: String = digits.chars().take(QUOTED).collect();
                self.fail_at(start, what, format!("`{found}`, which is too large"))
            }
        }
    }

    /// Reads a real number, `inf` or `nan` among them.
    pub(super) fn real(&mut self) -> Parsed<f64> {
        let start = self.start();
        let sign = if self.eat("-") { "-" } else { "" };
        let body = self.take_while(|next| next.is_ascii_alphanumeric() || next == '.');
        // The sign of an exponent.
        let exponent = if body.ends_with('e') && body.starts_with(|c: char| c.is_ascii_digit()) {
            let sign = if self.rest().starts_with('-') {
                "-"
            } else {
                ""
            };
            self.at += sign.len();
            format!("{sign}{}", self.take_while(|next| next.is_ascii_digit()))
        } else {
            String::new()
        };
        if body == "nan" && self.eat("(") {
            let bits = self.take_while(|next| next.is_ascii_hexdigit());
            let value = u64::from_str_radix(bits, 16).map(f64::from_bits);
            self.expect(")")?;
            return match value {
                Ok(value) if value.is_nan() => Ok(value),
                _ => self.fail_at(start, "the bits of a number that is none", "other bits"),
            };
        }
        let text = format!("{sign}{body}{exponent}");
        match text.parse() {
            Ok(value) if !body.is_empty() => Ok(value),
            _ if text.is_empty() => self.fail("a number"),
            _ => self.fail_at(start, "a number", format!("`{text}`")),
        }
    }

    /// Reads `%3`.
    pub(super) fn id(&mut self) -> Parsed<NodeId> {
        if self.peek() != Some('%') {
            return self.fail("a node such as `%3`");
        }
        self.at += 1;
        let number: u32 = self.unsigned("the number of a node")?;
        Ok(NodeId::from_index(number as usize))
    }
}
