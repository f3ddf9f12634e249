//! The known name a misspelt one was meant to be.
//!
//! **Invariant:** the answer depends on the set of candidates, not on their order.

/// The candidate nearest to `name`: equal but for case, or at most a third of its letters (at least one) inserted, deleted,
/// replaced or swapped with a neighbour. Ties go to the alphabetically first.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| {
            let cost = if candidate.eq_ignore_ascii_case(name) {
                0
            } else {
                distance(name, candidate)
            };
            (cost, candidate)
        })
        // A name of one letter is one edit from every other such name; only its other case is a likely slip.
        .filter(|&(cost, candidate)| {
            cost <= allowed && cost < name.chars().count().max(candidate.chars().count())
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// `1 input`, `2 inputs`
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// Optimal string alignment distance (Damerau 1964, without repeated edits of one substring).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut current = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let replace = previous[j] + usize::from(from != to);
            let mut cost = replace.min(previous[j + 1] + 1).min(current[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                cost = cost.min(before[j - 1] + 1);
            }
            current.push(cost);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits_and_swaps() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("sigmoid", "sigmoid"), 0);
        assert_eq!(distance("sigmod", "sigmoid"), 1);
        assert_eq!(distance("tahn", "tanh"), 1);
        assert_eq!(distance("W_ih", "W_hh"), 1);
    }

    #[test]
    fn nearest_name_is_close_or_absent() {
        assert_eq!(nearest("sigmod", ["tanh", "sigmoid"]), Some("sigmoid"));
        assert_eq!(nearest("logit", ["logits", "h"]), Some("logits"));
        assert_eq!(nearest("w_y", ["W_h", "W_y"]), Some("W_y"));
        assert_eq!(nearest("q", ["h", "x", "Q"]), Some("Q"));
        assert_eq!(nearest("q", ["h", "x"]), None);
        assert_eq!(nearest("attention", ["h", "softmax"]), None);
    }

    #[test]
    fn ties_go_to_the_alphabetically_first() {
        assert_eq!(
            nearest("W_x", ["W_z", "W_a"]),
            nearest("W_x", ["W_a", "W_z"])
        );
        assert_eq!(nearest("W_x", ["W_z", "W_a"]), Some("W_a"));
    }
}
