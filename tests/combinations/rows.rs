//! Which combinations are checked: rows of choices, so that every two choices of different kinds are in a row together.

use rnn::ir::generate::Draw;
use std::collections::BTreeSet;

/// What a row chooses, each by its position among the choices of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row(pub(crate) Vec<usize>);

type Pair = ((usize, usize), (usize, usize));

impl Row {
    fn random(kinds: &[usize], draw: &mut Draw) -> Self {
        Self(kinds.iter().map(|choices| draw.below(*choices)).collect())
    }

    fn pairs(&self) -> impl Iterator<Item = Pair> + '_ {
        let all = self.0.iter().copied().enumerate();
        all.clone().flat_map(move |one| {
            let others = all.clone().filter(move |other| other.0 > one.0);
            others.map(move |other| (one, other))
        })
    }
}

/// Rows in which every two choices of different kinds are together, `kinds` being how many there are of each kind. Each row is the one
/// of some drawn ones that has the most pairs that no other has.
pub(crate) fn covering(kinds: &[usize], seed: u64) -> Vec<Row> {
    const TRIED: usize = 60;
    let mut draw = Draw::new(seed);
    let mut open: BTreeSet<Pair> = BTreeSet::new();
    for (one, choices) in kinds.iter().enumerate() {
        for (other, others) in kinds.iter().enumerate().skip(one + 1) {
            for pair in (0..*choices).flat_map(|a| (0..*others).map(move |b| (a, b))) {
                open.insert(((one, pair.0), (other, pair.1)));
            }
        }
    }
    let mut rows = Vec::new();
    while let Some((one, other)) = open.first().copied() {
        let tried = (0..TRIED).map(|_| {
            let mut row = Row::random(kinds, &mut draw);
            row.0[one.0] = one.1;
            row.0[other.0] = other.1;
            row
        });
        let news = |row: &Row| row.pairs().filter(|pair| open.contains(pair)).count();
        let best = tried.max_by_key(news).expect("some are tried");
        for pair in best.pairs() {
            open.remove(&pair);
        }
        rows.push(best);
    }
    rows
}

/// So many rows without a rule.
pub(crate) fn drawn(kinds: &[usize], count: usize, seed: u64) -> Vec<Row> {
    let mut draw = Draw::new(seed);
    (0..count).map(|_| Row::random(kinds, &mut draw)).collect()
}

#[test]
fn every_two_choices_are_together_in_a_row() {
    let kinds = [4, 3, 2, 5];
    let rows = covering(&kinds, 1);
    let pairs: BTreeSet<Pair> = rows.iter().flat_map(Row::pairs).collect();
    assert_eq!(pairs.len(), 4 * 3 + 4 * 2 + 4 * 5 + 3 * 2 + 3 * 5 + 2 * 5);
    assert!(rows.len() < 40, "{}", rows.len());
}
