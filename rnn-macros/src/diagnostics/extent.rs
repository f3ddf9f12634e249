//! Where something was written.
//!
//! **Invariant:** both ends are spans of tokens of the input (or the call site when the input is empty), never made up.

use proc_macro2::{Span, TokenTree};

/// From one token to another. Stable Rust cannot join two spans, so both ends are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) start: Span,
    pub(crate) end: Span,
}

impl Extent {
    /// From the first span to the last, or the call site without any.
    pub(crate) fn over(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut spans = spans.into_iter();
        let start = spans.next().unwrap_or_else(Span::call_site);
        let end = spans.last().unwrap_or(start);
        Self { start, end }
    }

    /// From the start of `self` to the end of `other`.
    pub(crate) fn to(self, other: impl Into<Extent>) -> Self {
        Self {
            start: self.start,
            end: other.into().end,
        }
    }
}

impl From<Span> for Extent {
    fn from(span: Span) -> Self {
        Self {
            start: span,
            end: span,
        }
    }
}

impl From<&TokenTree> for Extent {
    fn from(token: &TokenTree) -> Self {
        token.span().into()
    }
}

impl From<&proc_macro2::Ident> for Extent {
    fn from(ident: &proc_macro2::Ident) -> Self {
        ident.span().into()
    }
}
