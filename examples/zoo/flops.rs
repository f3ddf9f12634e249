//! How many operations the equations of a model ask for: two a multiply-add of its products. Pointwise work is not counted: a
//! rate is the share of the time that a machine without any would need.

use rnn::ir::autodiff::{Wrt, differentiate};
use rnn::ir::bind::bind;
use rnn::ir::graph::ResultKind;
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::ir::work::multiply_adds_of;
use rnn::{Model, Program};
use std::error::Error;

/// Operations of a call of a model: of its outputs, or of its loss and all gradients.
pub(crate) fn flops_of<M: Model>(
    spec: &M,
    program: Program,
    steps: usize,
    batch: usize,
) -> Result<f64, Box<dyn Error>> {
    let graph = verify(parse(M::IR)?).map_err(|found| format!("{}: {found:?}", M::NAME))?;
    let graph = bind(&graph, &spec.sizes())?;
    if program == Program::Forward {
        return Ok(2.0 * multiply_adds_of(&graph, &[ResultKind::Output], steps, batch));
    }
    let derived = differentiate(&graph, &Wrt::params())?;
    let kinds = [ResultKind::BatchLoss, ResultKind::Gradient];
    Ok(2.0 * multiply_adds_of(&derived, &kinds, steps, batch))
}
