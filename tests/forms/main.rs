//! Forms that the literature names and that no cell of the zoo and no other test has: each model written as its equations, its
//! gradients against finite differences, its compiled programs against the interpreter.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod dropped;
mod durations;
mod latent;
mod memories;
mod recent;
mod sampled;
mod textbook;
mod two_axes;

use rnn::ir::autodiff::check::{check_elements, with_weights};
use rnn::ir::autodiff::{Wrt, differentiate};
use rnn::ir::axis::Extent;
use rnn::ir::bind::bind;
use rnn::ir::generate::{Draw, surroundings};
use rnn::ir::random::mode::{Mode, in_mode};
use rnn::ir::text::parse;
use rnn::ir::verify::verify;
use rnn::prelude::*;
use rnn::workbench::Workbench;

/// Relative to the largest magnitude of a result: sums of a few dozen terms in f32 (2^-24 each), through short recurrences.
const TOLERANCE: f64 = 2e-5;
const LENGTHS: [usize; 3] = [3, 1, 4];
/// Of a second axis.
const OTHER_LENGTHS: [usize; 3] = [2, 4, 1];

fn agrees<M: Model>(spec: M) {
    let graph = verify(parse(M::IR).unwrap()).unwrap();
    let bound = bind(&graph, &spec.sizes()).unwrap();
    let training = verify(in_mode(&bound, Mode::Training).unwrap()).unwrap();
    let derived = differentiate(&training, &Wrt::everything(&training)).unwrap();
    let axes = derived.axes.iter().filter(|(axis, _)| axis.is_time());
    let axes = axes.filter_map(|(_, axis)| match &axis.extent {
        Extent::Length(name) => Some(name.as_str()),
        Extent::Fixed(_) => None,
    });
    let lengths = axes.zip([LENGTHS, OTHER_LENGTHS].iter().cycle());
    let lengths: Vec<(&str, Vec<usize>)> = lengths
        .map(|(name, lengths)| (name, lengths.to_vec()))
        .collect();
    let env = surroundings(&derived, &mut Draw::new(5), LENGTHS.len(), &lengths).unwrap();
    let checked = check_elements(&derived, &with_weights(&derived, &env));
    checked.unwrap_or_else(|error| panic!("{}: {error}", M::NAME));
    for program in Program::ALL {
        let mut bench = Workbench::new(&bound, program, &Options::default(), &LENGTHS, 7).unwrap();
        let compared = bench.check(TOLERANCE);
        let compared =
            compared.unwrap_or_else(|error| panic!("{}, {}: {error}", M::NAME, program.name()));
        assert!(compared > 0, "{}", M::NAME);
    }
}

/// A test for each model: it agrees.
macro_rules! agree {
    ($($test:ident: $model:ident { $($size:ident: $value:literal),* };)*) => {$(
        #[test]
        fn $test() {
            $crate::agrees($model { $($size: $value),* });
        }
    )*};
}
use agree;
