//! The models of the zoo's tests, as equations.

#[path = "../../tests/zoo/formula.rs"]
#[allow(dead_code, reason = "the tests count parameters")]
mod formula;
#[path = "../../tests/zoo/models.rs"]
#[expect(dead_code, reason = "the tests call them")]
mod models;
#[path = "../../tests/zoo/table.rs"]
#[expect(dead_code, reason = "the tests and examples say more of a cell")]
mod table;

use models::Sample;
use table::{Cell, Visitor, visit};

#[derive(Default)]
struct All(Vec<(&'static str, &'static str)>);

impl Visitor for All {
    fn cell<M: Sample>(&mut self, cell: &Cell, _: M, _: fn(usize) -> M) {
        self.0.push((cell.name, M::IR));
    }
}

fn all() -> Vec<(&'static str, &'static str)> {
    let mut all = All::default();
    visit(&mut all);
    all.0
}

/// The names of all cells.
pub(crate) fn names() -> Vec<&'static str> {
    all().into_iter().map(|(name, _)| name).collect()
}

/// The equations of a model of a cell, in text form.
pub(crate) fn text(cell: &str) -> Option<&'static str> {
    let mut all = all().into_iter();
    all.find(|(name, _)| name.eq_ignore_ascii_case(cell))
        .map(|(_, text)| text)
}
