//! How many operations the equations of a model ask for: two a multiply-add of its products. Pointwise work is not counted: a
//! rate is the share of the time that a machine without any would need.

use rnn::ir::autodiff::{Wrt, differentiate};
use rnn::ir::axis::AxisId;
use rnn::ir::bind::bind;
use rnn::ir::graph::{Graph, ResultKind};
use rnn::ir::id::SideTable;
use rnn::ir::node::NodeId;
use rnn::ir::op::Op;
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::{Model, Program};
use std::error::Error;

/// Operations of a call of a model: of its outputs, or of its loss and all gradients. As in [`flops`].
pub(crate) fn flops_of<M: Model>(
    spec: &M,
    program: Program,
    steps: usize,
    batch: usize,
) -> Result<f64, Box<dyn Error>> {
    let graph = verify(parse(M::IR)?).map_err(|found| format!("{}: {found:?}", M::NAME))?;
    let graph = bind(&graph, &spec.sizes())?;
    if program == Program::Forward {
        return Ok(flops(&graph, &[ResultKind::Output], steps, batch));
    }
    let derived = differentiate(&graph, &Wrt::params())?;
    let kinds = [ResultKind::BatchLoss, ResultKind::Gradient];
    Ok(flops(&derived, &kinds, steps, batch))
}

/// Operations of the products that results of some kinds depend on, as they are written.
fn flops(graph: &Graph, kinds: &[ResultKind], steps: usize, batch: usize) -> f64 {
    let mut needed = SideTable::filled(false, graph.nodes.len());
    let results = graph
        .results
        .iter()
        .filter(|result| kinds.contains(&result.kind));
    let mut work: Vec<NodeId> = results.map(|result| result.node).collect();
    while let Some(id) = work.pop() {
        if !std::mem::replace(&mut needed[id], true) {
            work.extend(graph.nodes[id].op.operands());
        }
    }
    let elements = |id: NodeId| -> f64 {
        let ty = &graph.nodes[id].ty;
        let features: f64 = (ty.shape.0.iter())
            .map(|dim| dim.as_constant().unwrap_or(1) as f64)
            .product();
        let along = |axis: AxisId| if axis.is_time() { steps } else { batch };
        let domain: f64 = ty.domain.axes().map(|axis| along(axis) as f64).product();
        features * domain
    };
    let nodes = graph.nodes.iter().filter(|(id, _)| needed[*id]);
    let products = nodes.map(|(id, node)| match node.op {
        Op::MatMul(a, _) => {
            let shape = &graph.nodes[a].ty.shape.0;
            let contracted = shape.last().and_then(rnn::ir::dim::Dim::as_constant);
            2.0 * elements(id) * contracted.unwrap_or(1) as f64
        }
        Op::Outer(..) => 2.0 * elements(id),
        _ => 0.0,
    });
    products.sum()
}
