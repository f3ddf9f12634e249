//! The cells of [`rnn::cells`], each over a sequence, with the sizes of the zoo's table.

use crate::case::Case;
use crate::models::Sample;
use crate::table::{Cell, Visitor, visit};
use crate::work::{Fallible, Ready, Work};

/// What the names of the parameters of a cell start with.
pub(crate) const PREFIX: &str = "unit.";

/// The names of all cells.
pub(crate) fn names() -> Vec<&'static str> {
    struct Names(Vec<&'static str>);

    impl Visitor for Names {
        #[inline(never)]
        fn cell<M: Sample>(&mut self, cell: &Cell, _: M, _: fn(usize) -> M) {
            self.0.push(cell.name);
        }
    }

    let mut names = Names(Vec::new());
    visit(&mut names);
    names.0
}

/// The cell of a name, made ready.
struct Prepare<'a> {
    name: &'a str,
    case: &'a Case,
    profile: bool,
    found: Option<Fallible<Box<dyn Work>>>,
}

impl Visitor for Prepare<'_> {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, _: M, sized: fn(usize) -> M) {
        if cell.name == self.name {
            let ready = Ready::new(sized(self.case.hidden), self.case, self.profile);
            self.found = Some(ready.map(|ready| Box::new(ready) as Box<dyn Work>));
        }
    }
}

/// A case of a cell of the zoo, made ready. Its input is as large as its state: the table says how its sizes are related.
pub(crate) fn prepare(name: &str, case: &Case, profile: bool) -> Fallible<Box<dyn Work>> {
    if case.inputs != case.hidden {
        let text =
            "expected as many inputs as units of a cell of the zoo, whose sizes are in proportion";
        return Err(format!("{text}; found {case}").into());
    }
    let mut prepare = Prepare {
        name,
        case,
        profile,
        found: None,
    };
    visit(&mut prepare);
    let found = prepare.found;
    found.unwrap_or_else(|| Err(format!("no cell `{name}` in the zoo").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_a_peer() {
        let peers = include_str!("../../benches/peers/zoo.py");
        for name in names() {
            assert!(peers.contains(&format!("\ndef {name}(o, p, d):")), "{name}");
        }
    }
}
