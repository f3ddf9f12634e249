//! Tests of elaboration: graphs of right models, errors of wrong ones, and damaged models.

pub(crate) mod errors;
mod models;
mod reference;

use std::str::FromStr;

use proc_macro2::TokenStream;
use rnn_ir::graph::Graph;

use super::{Library, check_cell, elaborate_model};
use crate::ast::{ItemKind, Program};
use crate::diagnostics::Diagnostics;

/// The graphs of all models in a source, and the errors.
fn elaborate_text(source: &str) -> (Vec<Graph>, Diagnostics) {
    let tokens = TokenStream::from_str(source).expect("source is Rust tokens");
    let mut diagnostics = Diagnostics::default();
    let program = crate::parse::parse(tokens, &mut diagnostics);
    let graphs = elaborate_all(&program, &mut diagnostics);
    assert!(
        diagnostics.inside(source),
        "an error lies outside the input:\n{source}"
    );
    (graphs, diagnostics)
}

fn elaborate_all(program: &Program, diagnostics: &mut Diagnostics) -> Vec<Graph> {
    let mut library = Library::new(&program.items);
    let mut broken = Vec::new();
    for item in program
        .items
        .iter()
        .filter(|item| matches!(item.kind, ItemKind::Cell(_)))
    {
        if !check_cell(item, &library, diagnostics) {
            broken.push(item.name.to_string());
        }
    }
    for name in broken {
        library.mark_broken(&name);
    }
    let models = program
        .items
        .iter()
        .filter(|item| matches!(item.kind, ItemKind::Model(_)));
    models
        .filter_map(|item| elaborate_model(item, &library, diagnostics).graph)
        .collect()
}

/// The graph of a right source with one model, verified.
fn graph(source: &str) -> Graph {
    let (mut graphs, diagnostics) = elaborate_text(source);
    assert!(diagnostics.is_empty(), "{}", diagnostics.underlined(source));
    let graph = graphs.pop().expect("a model");
    match rnn_ir::verify::verify(graph.clone()) {
        Ok(_) => graph,
        Err(violations) => {
            let all: Vec<String> = violations.iter().map(ToString::to_string).collect();
            panic!("{}\n{}", all.join("\n"), rnn_ir::text::print(&graph));
        }
    }
}

/// The cells that the tests use.
const CELLS: &str = "
cell Elman<I, H>(x: [I]) -> h: [H] {
    param W_xh: [H, I] ~ glorot_uniform;
    param W_hh: [H, H] ~ orthogonal;
    param b_h: [H] = 0;
    h[t] = tanh(W_xh @ x[t] + W_hh @ h[t-1] + b_h);
}
cell Lstm<I, H>(x: [I]) -> h: [H] {
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
}
cell Gru<I, H>(x: [I]) -> h: [H] {
    param W_z, W_r, W_n: [H, I] ~ glorot_uniform;
    param U_z, U_r, U_n: [H, H] ~ orthogonal;
    param b_z, b_r, b_n: [H] = 0;
    z[t] = sigmoid(W_z @ x[t] + U_z @ h[t-1] + b_z);
    r[t] = sigmoid(W_r @ x[t] + U_r @ h[t-1] + b_r);
    n[t] = tanh(W_n @ x[t] + U_n @ (r[t] * h[t-1]) + b_n);
    h[t] = (1 - z[t]) * h[t-1] + z[t] * n[t];
}
";
