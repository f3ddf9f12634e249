//! What a training step stores for its backward pass.

#[allow(dead_code, reason = "graphs alone are looked at")]
#[path = "oracle/corpus.rs"]
mod corpus;
mod oracle;

use rnn_jit::kernels::Isa;
use rnn_jit::{Executable, Residuals};

fn residuals(model: &str, segment_steps: Option<usize>) -> Residuals {
    let name = format!("{model}, gradient after all passes");
    let graphs = corpus::graphs();
    let (_, graph) = graphs
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a sample");
    let executable: Executable = oracle::compile(graph, Isa::detect(), segment_steps);
    executable.residuals()
}

fn named(names: &[String]) -> Vec<&str> {
    let mut out: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.starts_with('%'))
        .collect();
    out.sort_unstable();
    out
}

#[test]
fn an_lstm_stores_its_gates_and_states() {
    let at_once = residuals("lstm", None);
    assert_eq!(
        named(&at_once.whole),
        ["c", "d_logits", "f", "g", "h", "i", "o"]
    );
    assert!(at_once.segment.is_empty() && at_once.again.is_empty());
}

#[test]
fn in_segments_an_lstm_saves_its_states_at_their_borders() {
    let found = residuals("lstm", Some(2));
    assert_eq!(named(&found.whole), [""; 0]);
    assert_eq!(named(&found.borders), ["c", "h"]);
    let again = named(&found.again);
    for name in ["i", "f", "g", "o", "c", "h"] {
        assert!(again.contains(&name), "{again:?}");
    }
    assert!(!again.contains(&"loss"), "{again:?}");
}

#[test]
fn in_segments_a_gru_saves_its_state_at_their_borders() {
    let found = residuals("gru", Some(2));
    assert_eq!(named(&found.whole), [""; 0]);
    assert_eq!(named(&found.borders), ["h"]);
}

#[test]
fn a_gru_stores_its_gates_and_computes_what_is_cheaper_again() {
    let found = residuals("gru", None);
    assert_eq!(named(&found.whole), ["d_logits", "h", "n", "r", "z"]);
    // And without a name: `r * h[t-1]`, which a weight gradient reads as it is, the rows of the labels, and what the gradient
    // of `x` is computed from; not `1 - z`, which is computed again.
    assert_eq!(found.whole.len(), 8, "{:?}", found.whole);
}
