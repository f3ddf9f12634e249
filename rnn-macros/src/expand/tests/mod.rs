//! Tests of whole expansions: their items, the search for cells, and damaged input.

mod random;

use std::str::FromStr;

use proc_macro2::TokenStream;

use super::expand;

/// The expansion of a source behind the facade's header.
fn expansion(source: &str) -> TokenStream {
    expand(TokenStream::from_str(&format!("(::rnn) {source}")).expect("source is Rust tokens"))
}

/// The expansion of items, formatted.
fn formatted(source: &str) -> String {
    let tokens = expansion(source);
    let file = syn::parse2(tokens.clone()).unwrap_or_else(|error| panic!("{error}\n{tokens}"));
    prettyplease::unparse(&file)
}

const ELMAN: &str = "
/// A simple recurrent network.
pub cell Elman<I, H>(x: [I]) -> h: [H] {
    param W_xh: [H, I] ~ glorot_uniform;
    param W_hh: [H, H] ~ orthogonal;
    h[t] = tanh(W_xh @ x[t] + W_hh @ h[t-1]);
}";

#[test]
fn a_model_with_a_layer() {
    insta::assert_snapshot!(formatted(&format!(
        "{}
        /// Tags tokens.
        pub model Tagger<V, E, H, K> {{
            time t in 1..=T;
            /// What to tag.
            input word[t]: token<V>;
            target tag[t]: token<K>;
            /// One row per word.
            param embed: [V, E] ~ normal(0.0, 0.1);
            fixed scale: [] = 2;
            param W_y: [K, H] ~ glorot_uniform;
            layer rnn = Elman<E, H>;
            h[t] = rnn(embed[word[t]]);
            scores[t] = scale * W_y @ h[t];
            best[t] = argmax(scores[t]);
            output scores, best, rnn.h;
            loss mean[t](cross_entropy(scores[t], tag[t]));
        }}",
        ELMAN.replace("pub cell", "cell")
    )));
}

#[test]
fn a_model_of_nothing() {
    insta::assert_snapshot!(formatted(
        "model Empty { output x; time t in 1..=T; input x[t]: []; }"
    ));
}

#[test]
fn a_public_cell_is_a_macro() {
    insta::assert_snapshot!(expansion(ELMAN).to_string().replace(" ;", ";\n"));
}

#[test]
fn a_cell_that_is_not_known_is_asked_for() {
    let asked = expansion(
        "pub model M<I> { time t in 1..=T; input x[t]: [I]; layer a = bi(zoo::Elman<I, I>); y[t] = a(x[t]); output y; }",
    );
    insta::assert_snapshot!(asked);
}

#[test]
fn cells_that_wait_for_nothing_come_before_the_question() {
    let source = "cell Wrong<I>(x: [I]) -> h: [I] { h[t] = x[t] + q; }
        cell Right<I>(x: [I]) -> h: [I] { h[t] = x[t] + h[t-1]; }
        cell Uses<I>(x: [I]) -> h: [I] { layer a = Right<I>; h[t] = a(x[t]); }
        cell Waits<I>(x: [I]) -> h: [I] { layer a = Elsewhere<I>; h[t] = a(x[t]); }
        cell Follows<I>(x: [I]) -> h: [I] { layer a = Waits<I>; h[t] = a(x[t]); }
        model M<I> { time t in 1..=T; input x[t]: [I]; layer a = Follows<I>; layer b = Uses<I>; y[t] = a(x[t]) + b(x[t]); output y; }";
    let text = expansion(source).to_string();
    let (before, question) = text.split_once("Elsewhere ! {").expect("a question");
    let defined = |name: &str| before.contains(&format!("as {name} ;"));
    assert!(
        defined("Right") && defined("Uses") && defined("Wrong"),
        "{before}"
    );
    assert!(!defined("Waits") && !defined("Follows"), "{before}");
    assert_eq!(question.matches("compile_error").count(), 1, "{question}");
    for waiting in ["cell Waits", "cell Follows", "model M", "{ Uses } {"] {
        assert!(question.contains(waiting), "{waiting} in\n{question}");
    }
}

#[test]
fn the_answer_of_a_cell_makes_it_known() {
    let model = "model M<I> { time t in 1..=T; input x[t]: [I]; layer a = zoo::Twice<I>; y[t] = a(x[t]); output y; }";
    let twice = "cell Twice<I>(x: [I]) -> y: [I] { layer a = super::Elman<I, I>; y[t] = a(x[t]); }";
    let known = format!(
        "@known {{ {{zoo::Twice}} {{{twice}}} {{ {{super::Elman}} {{{ELMAN}}} {{}} }} }} {model}"
    );
    let items = formatted(&known);
    assert!(!items.contains("compile_error"), "{items}");
    assert!(
        items.contains("param a.a.W_xh ~ glorot_uniform : [] [I, I]"),
        "{items}"
    );
}

#[test]
fn a_cell_brings_the_cells_it_uses() {
    let text = expansion(&format!(
        "{ELMAN} cell Two<I>(x: [I]) -> y: [I] {{ layer a = Elman<I, I>; y[t] = a(x[t]); }}"
    ))
    .to_string();
    let two = text.split("macro_rules").nth(2).expect("two macros");
    assert!(two.contains("{ Elman } {"), "{two}");
}

#[test]
fn a_broken_cell_is_known_and_silent() {
    let wrong = "pub cell Wrong<I>(x: [I]) -> y: [I] { y[t] = x[t] + q; }";
    let text = expansion(wrong).to_string();
    assert_eq!(text.matches("compile_error").count(), 1);
    assert!(text.contains("{ $ ($ path) * } { } { }"), "{text}");
    let model = "model M<I> { time t in 1..=T; input x[t]: [I]; layer a = Wrong<I>; y[t] = a(x[t]); output y; }";
    let items = formatted(&format!("@known {{ {{Wrong}} {{}} {{}} }} {model}"));
    assert!(!items.contains("compile_error"), "{items}");
    assert!(
        items.contains("pub struct MOutputs") || items.contains("struct MOutputs"),
        "{items}"
    );
}

#[test]
fn a_broken_model_still_has_its_types() {
    insta::assert_snapshot!(formatted(
        "pub model M<I, H> {
            time t in 1..=T;
            input x[t]: [I];
            param W: [H, I] ~ glorot;
            layer a = Elsewhere<I>;
            y[t] = W @ x[t] + ;
            z[t] = a(x[t]);
            output y, z;
        }"
    ));
}

#[test]
fn expansion_is_the_same_each_time() {
    let source = format!(
        "{ELMAN} model M<I> {{ time t in 1..=T; input x[t]: [I]; layer a = stack(2, Elman<I, I>); y[t] = a(x[t]); output y; }}"
    );
    assert_eq!(
        expansion(&source).to_string(),
        expansion(&source).to_string()
    );
}

#[test]
fn what_is_expected_stands_where_it_can_be_met() {
    let source = |equation: &str| {
        format!(
            "#[expect(dead_code, deprecated, reason = \"why\")] #[expect(deprecated)]
            model M<I> {{ time t in 1..=T; input x[t]: [I]; h[t] = {equation}; output h; }}"
        )
    };
    let plain = formatted(&source("x[t] + h[t-1]"));
    assert_eq!(plain.matches("expect(").count(), 2 + unwrapped(&plain));
    assert!(
        plain.contains("#[expect(dead_code, deprecated, reason = \"why\")]\n#[expect(deprecated)]")
    );
    let remarked = formatted(&source("x[t] + dropout(h[t-1], 0.5)"));
    assert!(
        remarked.contains("#[expect(dead_code, reason = \"why\")]"),
        "{remarked}"
    );
    assert!(
        remarked
            .contains("#[expect(deprecated, reason = \"why\")]\n#[expect(deprecated)]\nconst _"),
        "{remarked}"
    );
    assert_eq!(
        remarked.matches("expect(").count(),
        3 + unwrapped(&remarked)
    );
}

/// Values that an expansion unwraps by `.expect(..)`.
fn unwrapped(text: &str) -> usize {
    text.matches(".expect(").count()
}
