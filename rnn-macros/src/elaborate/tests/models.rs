//! Graphs of right models, as text.

use super::{CELLS, graph};

fn text(source: &str) -> String {
    rnn_ir::text::print(&graph(source))
}

fn with_cells(model: &str) -> String {
    text(&format!("{CELLS}{model}"))
}

#[test]
fn vanilla_network() {
    insta::assert_snapshot!(text(
        "model Vanilla<I, H, O> {
            time t in 1..=T;
            input x[t]: [I];
            target y[t]: [O];
            param W_xh: [H, I] ~ glorot_uniform;
            param W_hh: [H, H] ~ orthogonal;
            param b_h: [H] = 0;
            param W_hy: [O, H] ~ normal(0, 0.1);
            h[t] = tanh(W_xh @ x[t] + W_hh @ h[t-1] + b_h);
            o[t] = W_hy @ h[t];
            output o;
            loss mean[t](squared_error(o[t], y[t]));
        }"
    ));
}

#[test]
fn character_model_with_an_lstm() {
    insta::assert_snapshot!(with_cells(
        "model CharLm<V, E, H> {
            time   t in 1..=T;
            input  now[t]:  token<V>;
            target next[t]: token<V>;
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
fn gru_with_an_initial_state() {
    insta::assert_snapshot!(with_cells(
        "model Start<I, H> {
            time t in 1..=T;
            input x[t]: [I]; input v: [H];
            layer gru = Gru<I, H>;
            s[t] = gru(x[t]);
            gru.h[0] = tanh(v);
            y = s[T];
            output y, gru.z;
        }"
    ));
}

#[test]
fn bidirectional_stacked_and_residual_layers() {
    insta::assert_snapshot!(with_cells(
        "model Deep<I, H> {
            time t in 1..=T;
            input x[t]: [I];
            layer enc = bi(Elman<I, H>);
            layer deep = stack(2, Elman<2*H, H>);
            layer res = residual(reverse(Elman<H, H>));
            m[t] = enc(x[t]);
            y[t] = res(deep(m[t]));
            first = enc.backward.h[1];
            output y, first, deep.l1.h;
        }"
    ));
}

#[test]
fn translator_with_attention() {
    insta::assert_snapshot!(with_cells(
        "model Translate<Vs, Vt, E, H, A> {
            time j in 1..=S;
            time t in 1..=T;
            input  src[j]: token<Vs>;
            target tgt[t]: token<Vt>;
            param E_s: [Vs, E] ~ normal(0.0, 0.1);
            param E_t: [Vt, E] ~ normal(0.0, 0.1);
            param W_a: [A, H]   ~ glorot_uniform;
            param U_a: [A, 2*H] ~ glorot_uniform;
            param v_a: [A]      ~ normal(0.0, 0.01);
            param W_0: [H, H]   ~ glorot_uniform;
            param W_s: [Vt, H]  ~ glorot_uniform;
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

/// A model of these declarations and equations, with those of the sizes `I`, `H`, `K` that they have and an input `x[t]: [I]`.
fn form(statements: &str) -> String {
    let words = || statements.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let is_used = |size: &&str| *size == "I" || words().any(|word| word == *size);
    let sizes: Vec<&str> = ["I", "H", "K"].into_iter().filter(is_used).collect();
    let sizes = sizes.join(", ");
    let source =
        format!("model Form<{sizes}> {{ time t in 1..=T; input x[t]: [I];\n{statements}\n}}");
    let text = text(&source);
    text.lines()
        .skip_while(|line| !line.starts_with('%'))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn depth_as_an_index() {
    insta::assert_snapshot!(form(
        "index l in 1..=2;
         param W[l], U[l]: [I, I] ~ orthogonal; param b[l]: [I] = 0;
         h[l, t] = tanh(W[l] @ h[l-1, t] + U[l] @ h[l, t-1] + b[l]);
         h[0, t] = x[t];
         y[t] = sum[l](h[l, t]) + l_mean[t];
         l_mean[t] = mean[l](h[l, t] * l);
         output h, y;"
    ));
}

#[test]
fn many_to_one_and_pooling() {
    insta::assert_snapshot!(form(
        "param W: [H, I] ~ glorot_uniform; param w: [I] = 0.5; param b: [H] = 0;
         y = W @ x[T] + b;
         a[t] = softmax[t](w @ x[t]);
         c = sum[t](a[t] * x[t]);
         d = x[T-1] - x[1] + max[t](x[t]) / T;
         output y, c, d;"
    ));
}

#[test]
fn one_to_many() {
    insta::assert_snapshot!(form(
        "input v: [I]; param W: [H, I] ~ glorot_uniform; param U: [H, H] ~ orthogonal;
         param R: [H, K] ~ glorot_uniform; param W_y: [K, H] ~ glorot_uniform;
         h[0] = tanh(W @ v);
         h[t] = tanh(U @ h[t-1] + R @ y[t-1]);
         y[t] = W_y @ h[t];
         z[t] = tanh(W @ x[t]);
         output y, z;"
    ));
}

#[test]
fn lags_and_convolution() {
    insta::assert_snapshot!(form(
        "param K0, K1, K2: [H, I] ~ glorot_uniform; param a1, a2: [] = 0.1;
         z[t] = K0 @ x[t-1] + K1 @ x[t] + K2 @ x[t+1];
         y[t] = a1 * y[t-1] + a2 * y[t-2] + z[t];
         y[0] = 1; y[-1] = 2;
         output y;"
    ));
}

#[test]
fn two_directions() {
    insta::assert_snapshot!(form(
        "param W, V: [H, I] ~ glorot_uniform; param U, R: [H, H] ~ orthogonal; param W_y: [K, 2*H] ~ glorot_uniform;
         param end: [H] = 0;
         f[t] = tanh(W @ x[t] + U @ f[t-1]);
         b[t] = tanh(V @ x[t] + R @ b[t+1]);
         b[T+1] = end;
         y[t] = W_y @ [f[t], b[t]];
         output y;"
    ));
}

#[test]
fn crf_normaliser() {
    insta::assert_snapshot!(form(
        "param W: [K, I] ~ glorot_uniform; param A: [K, K] = 0; param alpha_0: [K] = 0; target tag[t]: token<K>;
         u[t] = W @ x[t];
         alpha[0] = alpha_0;
         alpha[t] = logsumexp(alpha[t-1] + A.T) + u[t];
         total = logsumexp(alpha[T]);
         output total;
         loss total - sum[t](u[t, tag[t]]);"
    ));
}

#[test]
fn matrix_memory() {
    insta::assert_snapshot!(form(
        "param W_w: [H, I] ~ glorot_uniform; param W_e, W_v: [K, I] ~ glorot_uniform;
         w[t] = softmax(W_w @ x[t]); e[t] = sigmoid(W_e @ x[t]); v[t] = tanh(W_v @ x[t]);
         M[t] = M[t-1] * (1 - outer(w[t], e[t])) + outer(w[t], v[t]);
         r[t] = w[t] @ M[t];
         output r;"
    ));
}

#[test]
fn a_grid_and_its_corner() {
    insta::assert_snapshot!(text(
        "model Grid<I, H> {
            time r in 1..=R; time c in 1..=4;
            input x[r, c]: [I];
            param W: [H, I] ~ glorot_uniform; param U_r, U_c, U_d: [H, H] ~ orthogonal; param top: [H] = 0.5;
            h[r, c] = tanh(W @ x[r, c] + U_r @ h[r-1, c] + U_c @ h[r, c-1] + U_d @ h[r-1, c-1]);
            h[0, c] = top * c;
            corner = h[R, 4];
            output corner;
        }"
    ));
}

#[test]
fn steps_conditions_and_functions() {
    insta::assert_snapshot!(form(
        "param v: [I] = 0; input k[t]: token<K>; param E: [K, I] ~ normal(0, 1);
         y[t] = where(t == 1, v, x[t] * (x[t] > 0.5)) / sqrt(I) + pow(x[t], 2) * t / T;
         z[t] = where(k[t] == 3, one_hot(k[t], K), one_hot(0, K));
         p[t] = [slice(y[t], 0, I - 1), sum(x[t])] + leaky_relu(x[t], slope = 0.2) + layer_norm(E[k[t]]);
         output y, z, p;"
    ));
}

#[test]
fn a_vector_and_the_rows_of_a_matrix_are_normalised() {
    insta::assert_snapshot!(form(
        "y[t] = rms_norm(x[t]); z[t] = rms_norm(outer(x[t], x[t]), epsilon = 0.001);
         M[t] = layer_norm(M[t-1] + outer(x[t], x[t])); output y, z, M;"
    ));
}

#[test]
fn statistics_of_a_batch() {
    insta::assert_snapshot!(text(
        "cell Normal<I, H>(x: [I]) -> h: [H] {
             param W: [H, I] ~ glorot_uniform; param U: [H, H] ~ orthogonal;
             running mean_h: [8, H] = 0; running variance_h: [8, H] = 1;
             h[t] = tanh(W @ x[t] + batch_norm(U @ h[t-1], mean_h, variance_h));
         }
         model M<I, H> {
             time t in 1..=T; input x[t]: [I];
             running mean_x: [I] = 0; running variance_x: [I] = 1;
             layer both = bi(Normal<I, H>);
             n[t] = batch_norm(x[t], mean_x, variance_x, per = sequence, momentum = 0.5, epsilon = 0.001);
             y[t] = both(n[t]);
             output y;
         }"
    ));
}

#[test]
fn recurrences_without_a_seed_have_the_least_shape() {
    let shapes = |statements: &str, of: &[&str]| -> String {
        let graph = graph(&format!(
            "model M<V, E, H> {{ time t in 1..=T; input x[t]: [E], k[t]: token<V>, z[t]: [H]; output x, k, z;\n{statements}\n}}"
        ));
        let shape = |name: &&str| {
            let found = graph.results.iter().find(|result| result.name == *name);
            graph.nodes[found.expect("an output").node]
                .ty
                .shape
                .to_string()
        };
        of.iter().map(shape).collect::<Vec<_>>().join(" ")
    };
    // A running sum of numbers.
    assert_eq!(shapes("s[t] = s[t-1] + t * 2; output s;", &["s"]), "[]");
    // What is made of a declared number, which the sum is made of.
    assert_eq!(
        shapes(
            "param v: [2] = 0; u[t] = v @ m[t-1]; a[t]: [] = a[t-1] + u[t]; m[t] = [a[t], 2 * a[t]]; output m;",
            &["m"]
        ),
        "[2]"
    );
    // Nothing but itself, and through a function.
    assert_eq!(shapes("s[t] = exp(s[t-1]); output s;", &["s"]), "[]");
    // Two values that need each other, neither with an operand that has a shape.
    assert_eq!(
        shapes(
            "a[t] = 1 - b[t-1]; b[t] = tanh(a[t] + a[t-1]); output a, b;",
            &["a", "b"]
        ),
        "[] []"
    );
    // The shape comes from what it starts from.
    assert_eq!(
        shapes(
            "param v: [H] = 0; s[t] = exp(s[t-1]); s[0] = v; output s;",
            &["s"]
        ),
        "[H]"
    );
    // A scalar at first sight, a vector once the other is known.
    assert_eq!(
        shapes(
            "a[t] = 0.5 * b[t-1]; b[t] = where(t < 3, a[t-1], slice([a[t-1], x[t]], 0, 1)); output a, b;",
            &["a", "b"]
        ),
        "[1] [1]"
    );
    // A matrix times what is not known yet may be a matrix.
    assert_eq!(
        shapes(
            "param A: [H, H] = 0; param W: [H, E] = 0; M[t] = tanh(0.5 * (A @ M[t-1])) + outer(W @ x[t], x[t]); output M;",
            &["M"]
        ),
        "[H, E]"
    );
    // A token that is carried.
    assert_eq!(
        shapes(
            "first[t] = where(t == 1, k[t], first[t-1]); output first;",
            &["first"]
        ),
        "[]"
    );
}

#[test]
fn a_cell_without_a_time_axis_and_one_with_a_memory() {
    insta::assert_snapshot!(text(
        "cell Dense<I, O>(x: [I]) -> y: [O] { param W: [O, I] ~ glorot_uniform; y[t] = W @ x[t]; }
         cell Reader<Q, M>(q: [Q], memory[j]: [M]) -> r: [M], a: [] {
             param W: [M, Q] ~ glorot_uniform;
             a[t] = max[j](memory[j] @ (W @ q[t]));
             w[t, j] = softmax[j](memory[j] @ (W @ q[t] + r[t-1]));
             r[t] = sum[j](w[t, j] * memory[j]);
         }
         model M<I, H> {
             time s in 1..=S; time t in 1..=T;
             input m[s]: [H]; input x[t]: [I];
             layer read = Reader<I, H>; layer out = Dense<H, I>;
             r[t] = read(x[t], m);
             y = out(r[T]);
             output y, read.w, read.a;
         }"
    ));
}

#[test]
fn reversed_cells_start_at_the_end() {
    insta::assert_snapshot!(text(
        "cell Sum<I>(x: [I]) -> s: [I] { param s_0: [I] = 1; s[0] = s_0; s[t] = s[t-1] + x[t] * t + s_end; s_end: [I] = x[T]; }
         model M<I> {
             time t in 1..=T; input x[t]: [I];
             layer back = reverse(Sum<I>);
             y[t] = back(x[t]);
             last = back.s[1];
             output y, last;
         }"
    ));
}

#[test]
fn families_of_layers() {
    insta::assert_snapshot!(with_cells(
        "model Tower<I> {
            time t in 1..=T; index l in 1..=2; input x[t]: [I];
            layer deep[l] = Elman<I, I>;
            h[l, t] = deep[l](h[l-1, t]);
            h[0, t] = x[t];
            y[t] = h[2, t] + deep.h[1, t-1];
            output y;
        }"
    ));
}

#[test]
fn families_whose_members_differ_in_size() {
    // The number of members is a size of the cell, and the number of a member is part of a size.
    insta::assert_snapshot!(text(
        "cell Steps<I, K, G>(x: [I]) -> h: [G*K] {
             index g in 1..=G;
             param W[g]: [K, I] ~ glorot_uniform;
             param U[g]: [K, (G - g + 1)*K] ~ orthogonal;
             n[t] = mod(n[t-1] + 1, 4);
             p[g] = 2 * p[g-1];
             p[0] = 0.5;
             s[g, t] = where(mod(n[t], p[g]) == 0, tanh(W[g] @ x[t] + U[g] @ slice(h[t-1], (g - 1)*K, (G - g + 1)*K)), s[g, t-1]);
             h[t] = concat[g](s[g, t]);
         }
         model M<I, H> {
             time t in 1..=T; input x[t]: [I];
             layer steps = Steps<I, H, 3>;
             y[t] = steps(x[t]);
             output y;
         }"
    ));
}

#[test]
fn members_of_a_family_choose_by_their_number_and_the_last_is_named_by_its_size() {
    insta::assert_snapshot!(text(
        "cell Deep<H, L>(x: [H]) -> s: [H] {
             index l in 1..=L;
             param U[l]: [H, H] ~ orthogonal;
             d[l, t] = tanh(U[l] @ d[l-1, t] + where(l == 1, x[t], where(l < L, 1, 2)));
             d[0, t] = d[L, t-1];
             s[t] = d[L, t];
         }
         model M<H> {
             time t in 1..=T; input x[t]: [H];
             layer deep = Deep<H, 3>;
             y[t] = deep(x[t]);
             output y;
         }"
    ));
}

#[test]
fn cells_of_the_tests_are_right_by_themselves() {
    let (graphs, diagnostics) = super::elaborate_text(CELLS);
    assert!(
        graphs.is_empty() && diagnostics.is_empty(),
        "{}",
        diagnostics.underlined(CELLS)
    );
}
