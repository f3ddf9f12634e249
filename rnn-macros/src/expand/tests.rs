//! Tests of what models and cells expand to.

use std::str::FromStr;

use proc_macro2::TokenStream;

fn expanded(source: &str) -> String {
    let tokens = TokenStream::from_str(&format!("(rnn) {source}")).expect("tokens");
    let out = super::expand(tokens);
    match syn::parse2(out.clone()) {
        Ok(file) => prettyplease::unparse(&file),
        Err(error) => panic!("{error}\n{out}"),
    }
}

#[test]
fn a_model_becomes_its_structs() {
    insta::assert_snapshot!(expanded(
        "/// Counts.
        pub model Counter<I, H> {
            time t in 1..=T;
            input x[t]: [I];
            target y[t]: [H];
            param W: [H, I] ~ glorot_uniform;
            layer sum = Sum<H>;
            h[t] = sum(W @ x[t]);
            output h;
            loss mean[t](squared_error(h[t], y[t]));
        }
        cell Sum<H>(x: [H]) -> s: [H] {
            param d: [H] = 0.5;
            s[t] = d * s[t-1] + x[t];
        }"
    ));
}

#[test]
fn a_missing_cell_is_asked_for() {
    let out = super::expand(
        TokenStream::from_str(
            "(rnn) model M<I> { time t in 1..=T; input x[t]: [I]; layer l = cells::Lstm<I, I>; y[t] = l(x[t]); output y; }",
        )
        .expect("tokens"),
    );
    let text = out.to_string();
    assert!(
        text.starts_with("cells :: Lstm ! { (rnn) [] [cells :: Lstm] {"),
        "{text}"
    );
}

#[test]
fn expansion_is_deterministic() {
    let source = "pub cell Sum<H>(x: [H]) -> s: [H] { s[t] = s[t-1] + x[t]; }";
    assert_eq!(expanded(source), expanded(source));
}
