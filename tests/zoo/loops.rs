//! What kind of recurrence the loops of a cell are.

use super::drawn::bound;
use super::models::Sample;
use rnn::ir::recurrence::{recurrences, verdict};

/// The loops of a model of one cell: the states of each, without the name of the layer, and the verdict.
pub(crate) fn loops<M: Sample>(spec: &M) -> Vec<(String, String)> {
    let graph = bound(spec);
    let found = recurrences(&graph).into_iter();
    found
        .map(|found| {
            let names = found.cycle.names(&graph);
            let own = |text: &str| text.replace("unit.", "");
            (own(&names.join(", ")), own(&verdict(&found)))
        })
        .collect()
}
