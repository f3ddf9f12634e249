//! Memory of calls between them: what is given to a call goes into the vectors that an earlier one has left, so that a step like
//! the one before allocates nothing.
//!
//! **Invariant:** a room that no call has holds capacity, and no values.

use std::borrow::Cow;
use std::mem::take;
use std::sync::{Mutex, PoisonError};

use ndarray::ArrayViewD;
use rnn_jit::CallShape;

use super::inputs::Given;
use super::{Call, Data, Seeds};

/// Things that calls take and give back; a call that finds none has a new one.
#[derive(Debug, Default)]
pub(crate) struct Shelf<T>(Mutex<Vec<T>>);

impl<T: Default> Shelf<T> {
    /// What was given back last.
    pub(crate) fn take(&self) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.pop().unwrap_or_default()
    }

    pub(crate) fn give(&self, own: T) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(own);
    }

    /// Drops all that no call has.
    pub(crate) fn clear(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clear();
    }
}

/// The vectors of a call.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(super) given: Vec<Option<Given<'static>>>,
    pub(super) steps: Vec<Option<(usize, usize)>>,
    pub(super) inputs: Vec<Option<Data<'static>>>,
    pub(super) states: Vec<Data<'static>>,
    pub(super) views: Vec<Option<ArrayViewD<'static, f32>>>,
    pub(super) teachers: Vec<Data<'static>>,
    pub(super) shape: CallShape,
    pub(super) fresh: Vec<bool>,
    pub(super) weights: Vec<f32>,
    pub(super) seeds: Seeds,
    params: Vec<Cow<'static, [f32]>>,
    pub(crate) stash: Stash,
}

impl Room {
    /// An empty vector for the parameters of a call.
    pub(crate) fn params<'p>(&mut self) -> Vec<Cow<'p, [f32]>> {
        emptied(take(&mut self.params))
    }

    /// Keeps the memory of the parameters of a call.
    pub(crate) fn keep_params(&mut self, mut params: Vec<Cow<'_, [f32]>>) {
        for own in params.drain(..) {
            if let Cow::Owned(own) = own {
                self.stash.reals.give(own);
            }
        }
        self.params = emptied(params);
    }
}

impl<'c> Call<'c> {
    /// A call that nothing is given to yet, in the memory of another.
    pub(crate) fn of(mut room: Room) -> Call<'c> {
        let mut shape = take(&mut room.shape);
        shape.steps.clear();
        (shape.lengths.drain(..)).for_each(|own| room.stash.indices.give(own));
        let (mut fresh, mut weights) = (take(&mut room.fresh), take(&mut room.weights));
        fresh.clear();
        weights.clear();
        Call {
            shape,
            inputs: emptied(take(&mut room.inputs)),
            states: emptied(take(&mut room.states)),
            fresh,
            teachers: emptied(take(&mut room.teachers)),
            weights,
            weight: 0,
            seeds: None,
            among: None,
            room,
        }
    }

    /// Takes the seeds of another call, if it has any.
    pub(crate) fn set_seeds(&mut self, all: Option<&Seeds>) {
        let own = take(&mut self.room.seeds);
        self.seeds = all.map(|all| all.of(0..all.each[0].len(), own));
    }

    /// Ends the call, and leaves its memory for the next.
    pub(crate) fn into_room(self) -> Room {
        let Self {
            shape,
            mut inputs,
            mut states,
            fresh,
            mut teachers,
            weights,
            weight: _,
            seeds,
            among: _,
            mut room,
        } = self;
        for data in inputs.drain(..).flatten() {
            room.stash.keep(data);
        }
        for data in states.drain(..).chain(teachers.drain(..)) {
            room.stash.keep(data);
        }
        room.inputs = emptied(inputs);
        room.states = emptied(states);
        room.teachers = emptied(teachers);
        (room.shape, room.fresh, room.weights) = (shape, fresh, weights);
        if let Some(seeds) = seeds {
            room.seeds = seeds;
        }
        room
    }
}

/// The memory of a vector for elements of the same layout: those of another lifetime. The standard library collects them where
/// they are.
pub(super) fn emptied<A, B>(mut from: Vec<A>) -> Vec<B> {
    from.clear();
    let none = from.into_iter();
    none.map(|_| unreachable!("it was emptied")).collect()
}

/// Memory of copies.
#[derive(Debug, Default)]
pub(crate) struct Stash {
    pub(crate) reals: Buffers<f32>,
    pub(crate) indices: Buffers<u32>,
    pub(crate) flags: Buffers<bool>,
}

impl Stash {
    /// Keeps the memory of a value, if it is its own.
    pub(super) fn keep(&mut self, data: Data<'_>) {
        match data {
            Data::Real(Cow::Owned(own)) => self.reals.give(own),
            Data::Index(Cow::Owned(own)) => self.indices.give(own),
            Data::Bool(Cow::Owned(own)) => self.flags.give(own),
            Data::Real(_) | Data::Index(_) | Data::Bool(_) => {}
        }
    }
}

/// Vectors of one kind of element.
#[derive(Debug)]
pub(crate) struct Buffers<A>(Vec<Vec<A>>);

impl<A> Default for Buffers<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A> Buffers<A> {
    /// An empty vector with room for so many elements: the least that has it. Where there is none, one goes for it, so that there
    /// are never more than the largest call has needed.
    pub(crate) fn take(&mut self, len: usize) -> Vec<A> {
        let all = self.0.iter().enumerate();
        let fitting = all.filter(|(_, own)| own.capacity() >= len);
        match fitting.min_by_key(|(_, own)| own.capacity()) {
            Some((at, _)) => self.0.swap_remove(at),
            None => {
                drop(self.0.pop());
                Vec::with_capacity(len)
            }
        }
    }

    pub(crate) fn give(&mut self, mut own: Vec<A>) {
        own.clear();
        self.0.push(own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_for_elements_of_another_lifetime() {
        let text = String::from("of a while");
        let mut borrowed: Vec<Option<Data<'_>>> = Vec::with_capacity(7);
        let bits: Vec<f32> = text.bytes().map(f32::from).collect();
        borrowed.push(Some(Data::Real(Cow::Borrowed(&bits))));
        let at = borrowed.as_ptr().addr();
        let kept: Vec<Option<Data<'static>>> = emptied(borrowed);
        assert_eq!(
            (kept.as_ptr().addr(), kept.capacity(), kept.len()),
            (at, 7, 0)
        );
    }

    #[test]
    fn the_least_that_fits_is_taken_and_none_is_left_over() {
        let mut buffers = Buffers::default();
        for len in [8, 2, 4] {
            buffers.give(Vec::<u32>::with_capacity(len));
        }
        assert_eq!(buffers.take(3).capacity(), 4);
        assert_eq!(buffers.take(3).capacity(), 8);
        // What is too small goes.
        assert_eq!(buffers.take(3).capacity(), 3);
        assert!(buffers.0.is_empty());
        // No element takes any.
        assert_eq!(buffers.take(0).capacity(), 0);
    }
}
