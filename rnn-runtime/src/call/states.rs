//! The carried states of a call: those of a typed struct, or zeros.

use std::borrow::Cow;
use std::mem::take;

use ndarray::{ArrayViewD, Dimension};
use rnn_ir::node::DType;

use super::inputs::contiguous;
use super::room::emptied;
use super::{Data, Room, Views, filled};
use crate::error::CallError;
use crate::model::InputView;
use crate::signature::{Port, Signature};

/// The carried states of a typed struct, checked.
pub(crate) fn given_states<'a>(
    signature: &Signature,
    state: Views<'_, ArrayViewD<'a, f32>>,
    batch: usize,
    room: &mut Room,
) -> Result<Vec<Data<'a>>, CallError> {
    let mut views: Vec<Option<ArrayViewD<'a, f32>>> = emptied(take(&mut room.views));
    views.resize_with(signature.states.len(), || None);
    state(&mut |name, view| {
        let at = (signature.states.iter()).position(|port| port.name == name);
        if let Some(place) = at.and_then(|at| views.get_mut(at)) {
            *place = Some(view);
        }
    });
    let mut out = emptied(take(&mut room.states));
    for (port, view) in signature.states.iter().zip(views.drain(..)) {
        let Some(view) = view else {
            let name = port.name.clone();
            return Err(CallError::MissingState { name });
        };
        let fits = view.shape().split_first();
        if fits != Some((&batch, port.features.as_slice())) {
            let expected = std::iter::once(batch).chain(port.features.iter().copied());
            return Err(CallError::State {
                name: port.name.clone(),
                expected: expected.collect(),
                found: view.shape().to_vec(),
            });
        }
        out.push(match port.dtype {
            DType::Index => {
                let tokens = room.stash.indices.take(view.len());
                Data::Index(Cow::Owned(carried_tokens(port, &view, tokens)?))
            }
            DType::Real | DType::Bool => contiguous(InputView::Real(view), &mut room.stash),
        });
    }
    room.views = emptied(views);
    Ok(out)
}

// Tokens are carried as reals in the typed struct; those up to 2^24 are exact.
fn carried_tokens(
    port: &Port,
    view: &ArrayViewD<'_, f32>,
    mut tokens: Vec<u32>,
) -> Result<Vec<u32>, CallError> {
    let limit = port.limit.unwrap_or(1 << 24);
    for (at, value) in view.indexed_iter() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "compared with the value right after"
        )]
        let token = *value as u32;
        #[expect(clippy::float_cmp, reason = "a token is a whole number")]
        let whole = token as f32 == *value;
        if !whole || token as usize >= limit {
            return Err(CallError::StateToken {
                name: port.name.clone(),
                example: at.as_array_view().first().copied().unwrap_or(0),
                value: *value,
                limit,
            });
        }
        tokens.push(token);
    }
    Ok(tokens)
}

pub(super) fn zero_states<'a>(
    signature: &Signature,
    batch: usize,
    room: &mut Room,
) -> Vec<Data<'a>> {
    let mut states = emptied(take(&mut room.states));
    for port in &signature.states {
        let len = batch * port.width();
        let stash = &mut room.stash;
        states.push(match port.dtype {
            DType::Index => Data::Index(Cow::Owned(filled(stash.indices.take(len), len, 0))),
            DType::Real | DType::Bool => {
                Data::Real(Cow::Owned(filled(stash.reals.take(len), len, 0.0)))
            }
        });
    }
    states
}
