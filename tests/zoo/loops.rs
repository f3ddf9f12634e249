//! What kind of recurrence the loops of a cell are.

use super::drawn::of_mode;
use super::models::Sample;
use rnn::ir::random::mode::Mode;
use rnn::ir::recurrence::{recurrences, verdict};

/// The loops of a model of one cell: the states of each, without the name of the layer, and the verdict.
pub(crate) fn loops<M: Sample>(spec: &M) -> Vec<(String, String)> {
    let graph = of_mode(spec, Mode::Inference);
    let found = recurrences(&graph).into_iter();
    found
        .map(|found| {
            let names = found.cycle.names(&graph);
            let own = |text: &str| text.replace("unit.", "");
            (own(&names.join(", ")), own(&verdict(&found)))
        })
        .collect()
}
