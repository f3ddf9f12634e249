//! Trees of right sources.

use super::parse_text;
use crate::ast::outline::Outline;

fn outline(source: &str) -> String {
    let (program, diagnostics) = parse_text(source);
    assert!(diagnostics.is_empty(), "{}", diagnostics.underlined(source));
    Outline(&program).to_string()
}

/// The outline of equations in the body of a model.
fn body(statements: &str) -> String {
    let text = outline(&format!("model M {{ {statements} }}"));
    text.lines()
        .skip(1)
        .map(str::trim_start)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn lstm_reads_as_written() {
    insta::assert_snapshot!(outline(
        "
        /// Long short-term memory with a forget gate.
        pub cell Lstm<I, H>(x: [I]) -> h: [H] {
            param W_i, W_f, W_g, W_o: [H, I] ~ glorot_uniform;
            param U_i, U_f, U_g, U_o: [H, H] ~ orthogonal;
            param b_i, b_g, b_o: [H] = 0;
            param b_f: [H] = 1;

            i[t] = sigmoid(W_i @ x[t] + U_i @ h[t-1] + b_i);
            f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + b_f);
            g[t] = tanh   (W_g @ x[t] + U_g @ h[t-1] + b_g);
            o[t] = sigmoid(W_o @ x[t] + U_o @ h[t-1] + b_o);

            c[t] = f[t] * c[t-1] + i[t] * g[t];
            h[t] = o[t] * tanh(c[t]);
        }"
    ));
}

#[test]
fn character_model_reads_as_written() {
    insta::assert_snapshot!(outline(
        "
        /// Character language model.
        pub model CharLm<V, E, H> {
            time   t in 1..=T;
            input  now[t]:  token<V>;
            target next[t]: token<V>;

            /// One row per character.
            param embed: [V, E] ~ normal(0.0, 0.1);
            param W_y:   [V, H] ~ glorot_uniform;
            param b_y:   [V]    = 0;
            layer lstm = Lstm<E, H>;

            h[t]      = lstm(embed[now[t]]);
            logits[t] = W_y @ h[t] + b_y;

            output logits;
            loss   mean[t](cross_entropy(logits[t], next[t]));
        }"
    ));
}

#[test]
fn translator_reads_as_written() {
    insta::assert_snapshot!(outline(
        "
        pub(crate) model Translate<Vs, Vt, E, H, A> {
            time j in 1..=S;
            time t in 1..=T;
            input  src[j]: token<Vs>;
            target tgt[t]: token<Vt>;

            param E_s: [Vs, E] ~ normal(0.0, 0.1);
            param U_a: [A, 2*H] ~ glorot_uniform;
            layer enc = bi(Gru<E, H>);
            layer dec = Gru<E + 2*H, H>;

            m[j]     = enc(E_s[src[j]]);
            dec.h[0] = tanh(W_0 @ enc.backward.h[1]);
            e[t, j]  = v_a @ tanh(W_a @ dec.h[t-1] + U_a @ m[j]);
            a[t, j]  = softmax[j](e[t, j]);
            c[t]     = sum[j](a[t, j] * m[j]);
            y[t]     = feedback(tgt[t-1], argmax(logits[t-1]));
            tgt[0]   = 1;
            s[t]     = dec([E_t[y[t]], c[t]]);
            logits[t] = W_s @ s[t];

            output logits, a;
            loss   mean[t](cross_entropy(logits[t], tgt[t]));
        }"
    ));
}

#[test]
fn cells_may_have_several_inputs_and_outputs() {
    insta::assert_snapshot!(outline(
        "
        cell Decoder<E, M, H>(y: [E], memory[j]: [M], now: token<V>) -> s: [H], c: [4*H] {}
        cell Clock(dt: []) -> h: [] { h[t] = h[t-1] + dt[t]; }
        model Empty {}"
    ));
}

#[test]
fn depth_as_an_index() {
    insta::assert_snapshot!(body(
        "index l in 1..=3; time t in 1..=16;
         input x[t], z[t]: [H], k[t]: token<V>; input v: [D]; input dt[t]: [];
         param W[l], U[l]: [H, H] ~ orthogonal(gain = 0.9); fixed R: [H, H] ~ spectral_radius(0.9);
         layer deep[l] = residual(stack(2, reverse(crate::cells::Lstm<H, (H - 1) * 2>)));
         h[l, t]: [H] = tanh(W[l] @ h[l-1, t] + U[l] @ h[l, t-1]);
         h[0, t] = x[t];"
    ), @"
    index l in 1..=3;
    time t in 1..=16;
    input x[t]: [H], z[t]: [H], k[t]: token<V>;
    input v: [D];
    input dt[t]: [];
    param W[l], U[l]: [H, H] ~ orthogonal(gain = 0.9);
    fixed R: [H, H] ~ spectral_radius(0.9);
    layer deep[l] = residual(stack(2, reverse(crate::cells::Lstm<H, (H - 1)*2>)));
    h[l, t]: [H] = tanh((W[l] @ h[l-1, t]) + (U[l] @ h[l, t-1]));
    h[0, t] = x[t];
    ");
}

#[test]
fn precedence_is_that_of_textbooks() {
    insta::assert_snapshot!(body(
        "a = x + y * z - w / v / u;
         b = f * W @ x;
         c = W @ U @ x * g @ y;
         d = -W @ x * 2 - -y;
         e = W @ -x;
         f = --x - (-x).T @ y.T;
         g = where(a + b < c * d, 1 - a, -0.5e-3);
         h = (a - (b - c)) * (d);
         i = M.T[2] + M[t-1].T @ [a, [b, -c]];
         j = sum[t, j](x[t+2] == y[T]) != 3;
         k = dropout(v, 0.5, per = sequence);"
    ), @"
    a = (x + (y * z)) - ((w / v) / u);
    b = f * (W @ x);
    c = ((W @ U) @ x) * (g @ y);
    d = ((-(W @ x)) * 2) - (-y);
    e = W @ (-x);
    f = (-(-x)) - ((-x).T @ y.T);
    g = where((a + b) < (c * d), 1 - a, -0.0005);
    h = (a - (b - c)) * d;
    i = M.T[2] + (M[t-1].T @ [a, [b, -c]]);
    j = sum[t, j](x[t+2] == y[T]) != 3;
    k = dropout(v, 0.5, per = sequence);
    ");
}

#[test]
fn printed_expressions_read_back_as_the_same_tree() {
    for source in [
        "a - (b - c) * -d",
        "-(W @ x)",
        "(a + b).T @ (c * d)[1]",
        "where(x[t-1] <= 0.5, f[t] * h[t-1], -(-1 - g) / 2)",
        "(f * W) @ x",
    ] {
        let source = source.replace("(c * d)[1]", "c[1]");
        let first = body(&format!("y = {source};"));
        let (program, _) = parse_text(&format!("model M {{ y = {source}; }}"));
        let crate::ast::StatementKind::Equation(equation) = &program.items[0].body[0].kind else {
            panic!("an equation");
        };
        assert_eq!(
            body(&format!("y = {};", equation.right)),
            first,
            "{}",
            equation.right
        );
    }
}

#[test]
fn a_macro_fragment_counts_as_one_operand() {
    use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
    let sum: TokenStream = "a + b".parse().expect("tokens");
    let fragment = TokenTree::from(Group::new(Delimiter::None, sum));
    let count = TokenTree::from(Group::new(Delimiter::None, "3".parse().expect("tokens")));
    let tokens = quote::quote!(model M { index l in 1..=#count; y = 2 * #fragment; });
    let mut diagnostics = crate::diagnostics::Diagnostics::default();
    let program = super::parse(tokens, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    insta::assert_snapshot!(Outline(&program), @"
    model M
      index l in 1..=3;
      y = 2 * (a + b);
    ");
}
