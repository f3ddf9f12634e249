//! A position in a list of token trees.
//!
//! **Invariant:** operators of several characters are read whole: where `<=` stands, `<` does not.

use proc_macro2::{Delimiter, Group, Spacing, Span, TokenStream, TokenTree};

use crate::diagnostics::Extent;

/// Operators of more than one character, longest first. Some are here only to be refused by name.
const LONG_SYMBOLS: [&str; 20] = [
    "..=", "...", "**=", "..", "->", "=>", "<=", ">=", "==", "!=", "::", "+=", "-=", "*=", "/=",
    "&&", "||", "**", "@=", ":=",
];

/// The tokens of one group, or of the whole input, and how far they were read.
pub(super) struct Cursor {
    tokens: Vec<TokenTree>,
    position: usize,
    end: Span,
    closing: &'static str,
}

/// An operator or other punctuation at the cursor.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    pub(super) text: &'static str,
    pub(super) extent: Extent,
    length: usize,
}

impl Cursor {
    /// Over the whole input.
    pub(super) fn over_input(tokens: TokenStream) -> Self {
        let tokens = collect(tokens);
        let end = tokens.last().map_or_else(Span::call_site, TokenTree::span);
        Self {
            tokens,
            position: 0,
            end,
            closing: "the end of the input",
        }
    }

    /// Over what is between the delimiters of `group`.
    pub(super) fn over_group(group: &Group) -> Self {
        let (closing, end) = match group.delimiter() {
            Delimiter::Parenthesis => ("`)`", group.span_close()),
            Delimiter::Bracket => ("`]`", group.span_close()),
            Delimiter::Brace => ("`}`", group.span_close()),
            Delimiter::None => ("the end of the macro fragment", group.span()),
        };
        Self {
            tokens: collect(group.stream()),
            position: 0,
            end,
            closing,
        }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn at_end(&self) -> bool {
        self.position >= self.tokens.len()
    }

    /// The token `ahead` places on.
    pub(super) fn peek(&self, ahead: usize) -> Option<&TokenTree> {
        self.tokens.get(self.position + ahead)
    }

    /// Takes one token.
    pub(super) fn advance(&mut self) -> Option<TokenTree> {
        let token = self.tokens.get(self.position).cloned();
        self.position += usize::from(token.is_some());
        token
    }

    /// Takes a symbol that [`Cursor::symbol`] found here.
    pub(super) fn advance_over(&mut self, symbol: Symbol) {
        self.position += symbol.length;
    }

    /// The longest operator that starts `ahead` places on.
    pub(super) fn symbol(&self, ahead: usize) -> Option<Symbol> {
        let rest = self.tokens.get(self.position + ahead..)?;
        let punct = |at: usize| match rest.get(at) {
            Some(TokenTree::Punct(punct)) => Some(punct),
            _ => None,
        };
        let first = punct(0)?;
        let long = LONG_SYMBOLS.iter().find(|text| {
            text.chars().enumerate().all(|(at, c)| {
                let joined = at + 1 == text.len()
                    || punct(at).is_some_and(|p| p.spacing() == Spacing::Joint);
                joined && punct(at).is_some_and(|p| p.as_char() == c)
            })
        });
        let text = long.copied().unwrap_or_else(|| single(first.as_char()));
        let last = punct(text.len() - 1).unwrap_or(first);
        Some(Symbol {
            text,
            extent: Extent {
                start: first.span(),
                end: last.span(),
            },
            length: text.len(),
        })
    }

    /// Where the next token is; at the end, the closing delimiter.
    pub(super) fn here(&self) -> Extent {
        match (self.symbol(0), self.peek(0)) {
            (Some(symbol), _) => symbol.extent,
            (None, Some(TokenTree::Group(group))) => group.span_open().into(),
            (None, Some(token)) => token.into(),
            (None, None) => self.end.into(),
        }
    }

    /// The next token in words, for "expected x, found y".
    pub(super) fn found(&self) -> String {
        if let Some(symbol) = self.symbol(0) {
            return if symbol.text.is_empty() {
                self.peek(0)
                    .map(|token| format!("`{token}`"))
                    .unwrap_or_default()
            } else {
                format!("`{}`", symbol.text)
            };
        }
        match self.peek(0) {
            None => self.closing.to_owned(),
            Some(TokenTree::Group(group)) => match group.delimiter() {
                Delimiter::Parenthesis => "`(`".to_owned(),
                Delimiter::Bracket => "`[`".to_owned(),
                Delimiter::Brace => "`{`".to_owned(),
                Delimiter::None => "a macro fragment".to_owned(),
            },
            Some(TokenTree::Ident(ident)) => format!("`{ident}`"),
            Some(token) => {
                let text = token.to_string();
                if text.chars().count() > 24 {
                    "a long literal".to_owned()
                } else {
                    format!("`{text}`")
                }
            }
        }
    }

    /// Where the last token taken ends.
    pub(super) fn previous(&self) -> Span {
        match self
            .position
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
        {
            Some(TokenTree::Group(group)) => group.span_close(),
            Some(token) => token.span(),
            None => self.end,
        }
    }

    /// The tokens from `position` up to here.
    pub(super) fn since(&self, position: usize) -> TokenStream {
        self.tokens[position..self.position]
            .iter()
            .cloned()
            .collect()
    }
}

/// Text of a punctuation character; empty for one the language has no use for.
fn single(c: char) -> &'static str {
    const SINGLE: &str = "+-*/@<>=!~.,;:#^%&|?$'";
    SINGLE.find(c).map_or("", |at| &SINGLE[at..at + 1])
}

/// The tokens of a stream. A fragment of one token (`$n:literal`) counts as that token.
fn collect(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().map(unwrap_fragment).collect()
}

fn unwrap_fragment(mut token: TokenTree) -> TokenTree {
    loop {
        let TokenTree::Group(group) = &token else {
            return token;
        };
        if group.delimiter() != Delimiter::None {
            return token;
        }
        let mut inner = group.stream().into_iter();
        match (inner.next(), inner.next()) {
            (Some(only), None) => token = only,
            _ => return token,
        }
    }
}
