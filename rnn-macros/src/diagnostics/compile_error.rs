//! Errors as `compile_error!` tokens.
//!
//! A stable procedural macro can underline one place per error. Other places are named by line in the text.
//!
//! **Invariant:** each error is one item-position macro call whose first token has the start span and whose last token the
//! end span, so the compiler underlines what is between.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use super::{Diagnostic, Diagnostics, Extent, line_column};

impl Diagnostics {
    /// One `compile_error!` per error.
    pub(crate) fn to_compile_errors(&self) -> TokenStream {
        let mut tokens: TokenStream = self
            .shown
            .iter()
            .flat_map(|error| invocation(error.extent, &error.text()))
            .collect();
        if let (Some(last), true) = (self.shown.last(), self.omitted > 0) {
            tokens.extend(invocation(
                last.extent,
                &format!("and {} more errors in this `rnn!`", self.omitted),
            ));
        }
        tokens
    }
}

impl Diagnostic {
    pub(super) fn text(&self) -> String {
        let mut text = self.message.clone();
        for (extent, label) in &self.labels {
            text.push_str("\nnote: ");
            text.push_str(label);
            if let Some(place) = place(extent.start, self.extent.start) {
                text.push_str(" at ");
                text.push_str(&place);
            }
        }
        for help in &self.helps {
            text.push_str("\nhelp: ");
            text.push_str(help);
        }
        text
    }
}

/// `line 12`, or `cells.rs:12` when that is another file than `from`'s.
fn place(span: Span, from: Span) -> Option<String> {
    let (line, _) = line_column(span)?;
    if !proc_macro::is_available() {
        return Some(format!("line {line}"));
    }
    let (file, here) = (span.unwrap().file(), from.unwrap().file());
    Some(if file == here {
        format!("line {line}")
    } else {
        format!("{file}:{line}")
    })
}

/// `::core::compile_error! { "text" }` from `extent.start` to `extent.end`.
fn invocation(extent: Extent, text: &str) -> TokenStream {
    let punct = |symbol, spacing, span| {
        let mut punct = Punct::new(symbol, spacing);
        punct.set_span(span);
        TokenTree::from(punct)
    };
    let mut literal = Literal::string(text);
    literal.set_span(extent.end);
    let mut body = Group::new(Delimiter::Brace, TokenTree::from(literal).into());
    body.set_span(extent.end);
    [
        punct(':', Spacing::Joint, extent.start),
        punct(':', Spacing::Alone, extent.start),
        Ident::new("core", extent.start).into(),
        punct(':', Spacing::Joint, extent.start),
        punct(':', Spacing::Alone, extent.start),
        Ident::new("compile_error", extent.start).into(),
        punct('!', Spacing::Alone, extent.start),
        body.into(),
    ]
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_expands_to_a_call_that_spans_its_extent() {
        let mut diagnostics = Diagnostics::default();
        let call = Extent::from(Span::call_site());
        diagnostics.report(
            Diagnostic::new(call, "two definitions of `h`")
                .label(call, "first definition")
                .help("rename one"),
        );
        insta::assert_snapshot!(
            diagnostics.to_compile_errors(),
            @r#":: core :: compile_error ! { "two definitions of `h`\nnote: first definition at line 1\nhelp: rename one" }"#
        );
    }

    #[test]
    fn errors_past_the_limit_are_counted() {
        let mut diagnostics = Diagnostics::default();
        for number in 0..53 {
            diagnostics.report(Diagnostic::new(Span::call_site(), format!("no {number}")));
        }
        assert_eq!(diagnostics.count(), 53);
        assert!(
            diagnostics
                .to_compile_errors()
                .to_string()
                .contains("and 3 more errors")
        );
    }
}
