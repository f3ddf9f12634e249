//! Parameters that a model is compiled not to train.
//!
//! A parameter that is fixed when a model is compiled is one that was declared so: nothing is differentiated by it, so whatever
//! of the backward pass only its gradient needs falls away, and optimisers, clipping and norms leave it alone.
//!
//! **Invariant:** the loss and the other gradients are those of the model as it is declared.

use rnn_ir::graph::{Graph, Verified};
use rnn_ir::op::{Op, ParamKind};
use rnn_ir::verify::verify;

use crate::error::{CompileError, ModelError, quoted_list};
use crate::pattern;

/// The equations with the trained parameters whose names match one of the patterns fixed.
pub(crate) fn fixed(bound: Verified, patterns: &[String]) -> Result<Verified, CompileError> {
    if patterns.is_empty() {
        return Ok(bound);
    }
    let trained: Vec<String> = (bound.trained_params())
        .map(|(_, name)| name.to_owned())
        .collect();
    let matched = |pattern: &String| trained.iter().any(|name| pattern::matches(pattern, name));
    if let Some(pattern) = patterns.iter().find(|pattern| !matched(pattern)) {
        return Err(CompileError::Fixed {
            model: bound.name.clone(),
            pattern: pattern.clone(),
            known: quoted_list(&trained),
        });
    }
    let mut graph: Graph = bound.into_graph();
    let ids: Vec<_> = graph.nodes.ids().collect();
    for id in ids {
        if let Op::Param { name, kind, .. } = &mut graph.nodes[id].op
            && kind.is_trained()
            && patterns.iter().any(|own| pattern::matches(own, name))
        {
            *kind = ParamKind::Fixed;
        }
    }
    let model = graph.name.clone();
    verify(graph).map_err(|violations| ModelError::Invalid { model, violations }.into())
}
