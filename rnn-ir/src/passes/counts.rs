//! How often each rewrite rule fired.
//!
//! **Invariant:** a rule that never fires over the test corpus is a rule nobody has tested; the counters make that a
//! failure.

use std::collections::BTreeMap;

/// Counters by rule name, in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, usize>);

impl Counts {
    /// Counts one application of a rule.
    pub fn fire(&mut self, rule: &'static str) {
        self.add(rule, 1);
    }

    /// Counts several applications of a rule; none leaves no trace.
    pub fn add(&mut self, rule: &'static str, times: usize) {
        if times > 0 {
            *self.0.entry(rule).or_insert(0) += times;
        }
    }

    /// How often a rule fired.
    pub fn of(&self, rule: &str) -> usize {
        self.0.get(rule).copied().unwrap_or(0)
    }

    /// How often any rule fired.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Adds the counters of another run.
    pub fn merge(&mut self, other: &Self) {
        for (rule, times) in other.iter() {
            self.add(rule, times);
        }
    }

    /// The rules that fired, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.0.iter().map(|(rule, times)| (*rule, *times))
    }
}
