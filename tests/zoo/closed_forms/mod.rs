//! What cells compute where it is known in closed form, and forms of one cell that are equal.

mod equal_forms;
mod parts;
mod scalars;
mod states;

/// Of numbers near one after a few dozen operations in f32, 2^-24 each.
const TOLERANCE: f32 = 1e-5;

fn assert_near<'f>(
    what: &str,
    expected: impl IntoIterator<Item = &'f f32>,
    found: impl IntoIterator<Item = &'f f32>,
) {
    let (expected, found): (Vec<&f32>, Vec<&f32>) =
        (expected.into_iter().collect(), found.into_iter().collect());
    assert_eq!(expected.len(), found.len(), "{what}");
    for (at, (expected, found)) in expected.iter().zip(&found).enumerate() {
        let bound = TOLERANCE * expected.abs().max(1.0);
        assert!(
            (*expected - *found).abs() <= bound,
            "{what}[{at}]: expected {expected}, found {found}"
        );
    }
}
