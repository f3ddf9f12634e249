//! Sample models, built through [`Builder`](crate::builder::Builder): what the tests of every stage run on.
//!
//! All sizes of a model are different symbols, every bias is drawn, and every recurrence has the form its paper gives
//! it, so a transposed product or a forgotten boundary cannot go unnoticed.
//!
//! **Invariant:** every sample passes [`crate::verify::verify`]; [`all`] lists each of them once.

mod attention;
mod cells;
mod forms;
mod sketch;

pub use attention::{attention, seq2seq};
pub use cells::{bidirectional, char_lm, gru, lstm, stacked, vanilla};
pub use forms::{
    crf, fused_lstm, greedy, grid, lags, matrix_memory, pooling, primitives, skip, spiking,
};

use crate::graph::Graph;

/// Every sample with its name.
pub fn all() -> Vec<(&'static str, Graph)> {
    vec![
        ("vanilla", vanilla()),
        ("lstm", lstm()),
        ("gru", gru()),
        ("bidirectional", bidirectional()),
        ("stacked", stacked()),
        ("char_lm", char_lm()),
        ("seq2seq", seq2seq()),
        ("attention", attention()),
        ("spiking", spiking()),
        ("pooling", pooling()),
        ("lags", lags()),
        ("skip", skip()),
        ("grid", grid()),
        ("matrix_memory", matrix_memory()),
        ("crf", crf()),
        ("greedy", greedy()),
        ("fused_lstm", fused_lstm()),
        ("primitives", primitives()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Op;

    // What random numbers and running statistics are made of; generated models have them, whose histogram fails at zero.
    const GENERATED_ALONE: [&str; 4] = ["entries", "mix", "random", "token"];

    #[test]
    fn every_primitive_is_in_a_sample_but_those_of_draws_and_statistics() {
        let samples = all();
        let nodes = samples.iter().flat_map(|(_, graph)| graph.nodes.iter());
        let used: Vec<&str> = nodes.map(|(_, node)| node.op.name()).collect();
        for name in Op::NAMES {
            let elsewhere = GENERATED_ALONE.contains(name);
            assert!(used.contains(name) != elsewhere, "{name}");
        }
    }

    #[test]
    fn sizes_of_a_sample_are_all_used() {
        for (name, graph) in all() {
            for size in &graph.sizes {
                let used = graph.nodes.iter().any(|(_, node)| {
                    let mut dims = node.ty.shape.0.iter();
                    dims.any(|dim| dim.names().contains(&size.as_str()))
                });
                assert!(used, "{name} declares {size}");
            }
        }
    }
}
