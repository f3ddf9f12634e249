//! The inputs and targets of a call: found by name, row-major, of the kind and the features that their ports have, and with
//! tokens in range.

use std::borrow::Cow;

use ndarray::{ArrayViewD, Dimension, IxDyn};
use rnn_ir::node::DType;
use rnn_jit::CallShape;

use super::{Buffers, Data, Stash, Views, length};
use crate::error::{CallError, Place};
use crate::model::InputView;
use crate::signature::{Port, Signature};

/// An input with its shape.
#[derive(Debug)]
pub(super) struct Given<'c> {
    dim: IxDyn,
    pub(super) data: Data<'c>,
}

impl Given<'_> {
    pub(super) fn shape(&self) -> &[usize] {
        self.dim.slice()
    }
}

/// Inputs by the position of their name in the signature; a name that it lacks is of no use to the model.
pub(super) fn collect<'c>(
    signature: &Signature,
    inputs: Views<'_, InputView<'c>>,
    target: bool,
    given: &mut [Option<Given<'c>>],
    stash: &mut Stash,
) {
    inputs(&mut |name, view| {
        let mut ports = signature.inputs.iter();
        let at = ports.position(|port| port.name == name && port.target == target);
        if let Some(at) = at {
            let dim = match &view {
                InputView::Real(view) => view.raw_dim(),
                InputView::Index(view) => view.raw_dim(),
            };
            let data = contiguous(view, stash);
            given[at] = Some(Given { dim, data });
        }
    });
}

/// The elements of a view in row-major order, copied where they lie otherwise.
pub(super) fn contiguous<'a>(view: InputView<'a>, stash: &mut Stash) -> Data<'a> {
    fn of<'a, A: Copy>(view: &ArrayViewD<'a, A>, copies: &mut Buffers<A>) -> Cow<'a, [A]> {
        match view.to_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => {
                let mut copy = copies.take(view.len());
                copy.extend(view.iter().copied());
                Cow::Owned(copy)
            }
        }
    }
    match view {
        InputView::Real(view) => Data::Real(of(&view, &mut stash.reals)),
        InputView::Index(view) => Data::Index(of(&view, &mut stash.indices)),
    }
}

/// Checks the kind and the rank of an input, and its features; not the extents of its axes.
pub(crate) fn check_port(
    signature: &Signature,
    port: &Port,
    found: DType,
    shape: &[usize],
) -> Result<(), CallError> {
    let kinds = |dtype| match dtype {
        DType::Index => "tokens",
        DType::Real | DType::Bool => "real numbers",
    };
    if found != port.dtype {
        return Err(CallError::Kind {
            name: port.name.clone(),
            expected: kinds(port.dtype),
            found: kinds(found),
        });
    }
    let outer = port.axes.len() + usize::from(port.batch);
    if shape.get(outer..) != Some(port.features.as_slice()) {
        return Err(shape_error(signature, port, shape));
    }
    Ok(())
}

pub(crate) fn shape_error(signature: &Signature, port: &Port, found: &[usize]) -> CallError {
    CallError::Shape {
        name: port.name.clone(),
        expected: signature.shape_of(port),
        found: found.to_vec(),
    }
}

/// Checks the tokens of an input that lie within the lengths of their examples.
pub(crate) fn check_tokens(
    signature: &Signature,
    port: &Port,
    tokens: &[u32],
    shape: &CallShape,
) -> Result<(), CallError> {
    let Some(limit) = port.limit else {
        return Ok(());
    };
    let good = |token: u32| (token as usize) < limit;
    if tokens.iter().all(|token| good(*token)) {
        return Ok(());
    }
    let width = port.width().max(1);
    for (at, value) in tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !good(**token))
    {
        let place = place_of(signature, port, at / width, shape);
        let example = place.example.unwrap_or(0);
        let within = port.axes.iter().zip(&place.steps);
        let alive = within
            .into_iter()
            .all(|(axis, (_, step))| !port.batch || *step <= length(shape, *axis, example));
        if alive {
            return Err(CallError::Token {
                name: port.name.clone(),
                place,
                value: *value,
                limit,
            });
        }
    }
    Ok(())
}

/// Where the row at a position lies in time, and in which example.
pub(crate) fn place_of(signature: &Signature, port: &Port, row: usize, shape: &CallShape) -> Place {
    let examples = if port.batch { shape.batch.max(1) } else { 1 };
    let mut rest = row / examples;
    let mut steps = Vec::new();
    for axis in port.axes.iter().rev() {
        let size = shape.steps[*axis].max(1);
        steps.push((signature.axes[*axis].name.clone(), rest % size + 1));
        rest /= size;
    }
    steps.reverse();
    Place {
        steps,
        example: port.batch.then_some(row % examples),
    }
}
