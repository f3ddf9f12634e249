//! Gradients of every sample model against central differences: every parameter, every real input, ragged.

use rnn_ir::autodiff::check::{check_direction, check_elements};
use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::axis::Extent;
use rnn_ir::bind::bind;
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::Verified;
use rnn_ir::samples;
use rnn_ir::verify::verify;

// Every size different.
fn bound(graph: &Verified) -> Verified {
    let names = graph.sizes.iter().enumerate();
    let sizes: Vec<(&str, usize)> = names.map(|(i, name)| (name.as_str(), i + 2)).collect();
    bind(graph, &sizes).unwrap()
}

/// One list of lengths for every axis that has them.
pub(crate) fn lengths(graph: &Verified, of: [usize; 3]) -> Vec<(&str, Vec<usize>)> {
    let axes = graph.axes.iter().filter(|(id, _)| id.is_time());
    axes.filter_map(|(_, axis)| match &axis.extent {
        Extent::Length(name) => Some((name.as_str(), of.to_vec())),
        Extent::Fixed(_) => None,
    })
    .collect()
}

/// Every sample that has a loss, with sizes.
pub(crate) fn models() -> Vec<(&'static str, Verified)> {
    let all = samples::all().into_iter();
    all.map(|(name, graph)| (name, bound(&verify(graph).unwrap())))
        .filter(|(_, model)| model.loss().is_some())
        .collect()
}

#[test]
fn gradients_of_every_sample_agree_with_differences() {
    for (name, graph) in samples::all() {
        let model = verify(graph).unwrap();
        // Symbolic first: differentiation does not need sizes.
        let graph = differentiate(&model, &Wrt::everything(&model)).unwrap();
        let graph = bound(&graph);
        for (seed, of) in [(1, [3, 1, 2]), (2, [1, 1, 1]), (3, [2, 5, 4])] {
            let mut draw = Draw::new(seed);
            let env = surroundings(&graph, &mut draw, 3, &lengths(&graph, of)).unwrap();
            check_direction(&graph, &env, seed).unwrap_or_else(|e| panic!("{name} {of:?}: {e}"));
            if seed == 1 {
                check_elements(&graph, &env).unwrap_or_else(|e| panic!("{name} {of:?}: {e}"));
            }
        }
    }
}
