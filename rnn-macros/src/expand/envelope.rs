//! What `rnn_impl!` is called with.
//!
//! ```text
//! ($crate) items                                          by the facade's `rnn!`
//! ($crate) @resume [{ [path] closure } ..] { items }      by a cell's macro, with that cell added
//! ```
//!
//! **Invariant:** items keep their spans through any number of rounds.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

use crate::ast::Path;

/// A cell that another expansion handed over.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// The path that it was asked for with.
    pub(crate) path: String,
    /// `[path]`
    path_tokens: TokenStream,
    /// The cell's tokens, and the cells that it uses.
    pub(crate) closure: Closure,
}

/// A cell's tokens with the cells that it uses.
#[derive(Clone, Debug)]
pub(crate) struct Closure {
    pub(crate) item: TokenStream,
    pub(crate) uses: Vec<Given>,
}

/// The parts of an invocation.
pub(crate) struct Envelope {
    /// `$crate` of the facade.
    pub(crate) facade: TokenStream,
    pub(crate) given: Vec<Given>,
    pub(crate) items: TokenStream,
}

/// The text of a path, as [`Path`] prints.
fn path_text(tokens: &TokenStream) -> String {
    tokens
        .clone()
        .into_iter()
        .map(|token| token.to_string())
        .collect()
}

fn group(token: Option<TokenTree>, delimiter: Delimiter) -> Option<TokenStream> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group.stream()),
        _ => None,
    }
}

impl Given {
    fn read_all(tokens: TokenStream) -> Option<Vec<Self>> {
        tokens
            .into_iter()
            .map(|token| Self::read(group(Some(token), Delimiter::Brace)?))
            .collect()
    }

    // `[path] {item} [{..} ..]`
    fn read(tokens: TokenStream) -> Option<Self> {
        let mut tokens = tokens.into_iter();
        let path_tokens = group(tokens.next(), Delimiter::Bracket)?;
        let item = group(tokens.next(), Delimiter::Brace)?;
        let uses = Self::read_all(group(tokens.next(), Delimiter::Bracket)?)?;
        let path = path_text(&path_tokens);
        Some(Self {
            path,
            path_tokens,
            closure: Closure { item, uses },
        })
    }

    /// A cell under the path it is used with.
    pub(crate) fn new(path: &Path, closure: Closure) -> Self {
        let leading = path.leading.map(|span| quote_spanned!(span=> ::));
        let segments = &path.segments;
        let path_tokens = quote!(#leading #(#segments)::*);
        Self {
            path: path.to_string(),
            path_tokens,
            closure,
        }
    }

    fn tokens(&self) -> TokenStream {
        let (path, closure) = (&self.path_tokens, self.closure.tokens());
        quote!({ [#path] #closure })
    }
}

impl Closure {
    /// `{item} [{[path] ..} ..]`
    pub(crate) fn tokens(&self) -> TokenStream {
        let item = &self.item;
        let uses = self.uses.iter().map(Given::tokens);
        quote!({ #item } [#(#uses)*])
    }
}

impl Envelope {
    /// Reads an invocation.
    ///
    /// # Errors
    /// A call of `rnn_impl!` by something other than `rnn!` or a cell: the tokens of an error.
    pub(crate) fn read(input: TokenStream) -> Result<Self, TokenStream> {
        let wrong = || {
            quote_spanned! { Span::call_site() =>
                ::core::compile_error! { "`rnn_impl!` is called by `rnn!` alone" }
            }
        };
        let mut tokens = input.into_iter();
        let facade = group(tokens.next(), Delimiter::Parenthesis).ok_or_else(wrong)?;
        let rest: TokenStream = tokens.collect();
        let mut ahead = rest.clone().into_iter();
        let resumes = matches!(ahead.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '@')
            && matches!(ahead.next(), Some(TokenTree::Ident(word)) if word == "resume");
        if !resumes {
            return Ok(Self {
                facade,
                given: Vec::new(),
                items: rest,
            });
        }
        let given = group(ahead.next(), Delimiter::Bracket).and_then(Given::read_all);
        let items = group(ahead.next(), Delimiter::Brace);
        match (given, items) {
            (Some(given), Some(items)) => Ok(Self {
                facade,
                given,
                items,
            }),
            _ => Err(wrong()),
        }
    }

    /// A call of a cell's macro, which comes back with the cell.
    pub(crate) fn ask_for(&self, path: &Path) -> TokenStream {
        let leading = path.leading.map(|span| quote_spanned!(span=> ::));
        let segments = &path.segments;
        let called = quote!(#leading #(#segments)::*);
        let given = self.given.iter().map(Given::tokens);
        let (facade, items) = (&self.facade, &self.items);
        let mut body = Group::new(
            Delimiter::Brace,
            quote!((#facade) [#(#given)*] [#called] { #items }),
        );
        body.set_span(
            path.segments
                .last()
                .map_or_else(Span::call_site, |last| last.span()),
        );
        quote!(#called ! #body)
    }
}
