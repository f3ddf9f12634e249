//! What kind of recurrence each cell is: the verdicts by the equations of its paper, and the verdicts against numbers.

use super::drawn::{bound, params, surroundings, values};
use super::loops::loops;
use super::models::Sample;
use super::table::{Cell, Visitor, visit};
use rnn::ir::generate::Draw;
use rnn::ir::recurrence::check::{Checked, check_recurrences};

struct Show;

impl Visitor for Show {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, small: M, _: M) {
        for (states, verdict) in loops(&small) {
            println!("    (\"{}\", \"{states}\", \"{verdict}\"),", cell.name);
        }
        println!("{}", rnn::ir::recurrence::report(&bound(&small)));
    }
}

#[test]
fn show() {
    visit(&mut Show);
}

struct Numbers(Checked, Vec<String>);

impl Visitor for Numbers {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, small: M, _: M) {
        let lengths = [3, 2, 4];
        let (params, values) = (params(&small, 7), values(&small, 4, 3, 8));
        let env = surroundings(&small, &params, &values, &lengths);
        match check_recurrences(&bound(&small), &env, &mut Draw::new(9)) {
            Ok(checked) => self.0.add(checked),
            Err(error) => self.1.push(format!("{}: {error}", cell.name)),
        }
    }
}

#[test]
fn verdicts_hold_for_jacobians_and_on_the_way_back() {
    let mut numbers = Numbers(Checked::default(), Vec::new());
    visit(&mut numbers);
    assert!(numbers.1.is_empty(), "{}", numbers.1.join("\n"));
    let all = numbers.0;
    assert!(
        all.loops > 45 && all.linear > 10 && all.diagonal > 10 && all.inverted > 8,
        "{all:?}"
    );
}
