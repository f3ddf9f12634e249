//! Names of curves below a chart, in rows as wide as the picture.
//!
//! **Invariant:** names do not overlap, whatever their length and number.

use super::extent;

/// Width of a letter of a name; the fonts of SVG are chosen by who shows it, so this is an estimate.
const LETTER: usize = 8;
/// Width of the line in front of a name, and of the room behind it.
const SAMPLE: usize = 40;
/// Letters of a name that are shown.
const LONGEST: usize = 36;
/// Rows of names that are shown.
const ROWS: usize = 12;
/// Height of a row.
pub(super) const ROW: i32 = 20;

/// A name and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) text: String,
    /// The position of the curve; none for what stands for those that are left out.
    pub(super) curve: Option<usize>,
    pub(super) x: i32,
    pub(super) y: i32,
}

/// Where names stand, and how many rows they take.
pub(super) fn legend(names: &[&str], width: usize) -> (Vec<Entry>, i32) {
    let mut entries: Vec<Entry> = Vec::new();
    let (mut x, mut row) = (0, 0);
    let texts: Vec<String> = names.iter().map(|name| shortened(name, LONGEST)).collect();
    // Columns where there are several rows.
    let longest = texts.iter().map(|text| text.chars().count()).max();
    let column = SAMPLE + LETTER * longest.unwrap_or(0);
    for (curve, text) in texts.into_iter().enumerate() {
        if x > 0 && x + column > width {
            (x, row) = (0, row + 1);
        }
        if row == ROWS - 1 && x + 2 * column > width && curve + 1 < names.len() {
            let text = format!("and {} more", names.len() - curve);
            entries.push(entry(text, None, x, row));
            break;
        }
        entries.push(entry(text, Some(curve), x, row));
        x += column;
    }
    let rows = if entries.is_empty() { 0 } else { row + 1 };
    (entries, extent(rows))
}

fn entry(text: String, curve: Option<usize>, x: usize, row: usize) -> Entry {
    Entry {
        text,
        curve,
        x: extent(x),
        y: ROW * extent(row),
    }
}

/// A name that is too long loses its middle: both ends of a dotted name say more.
pub(super) fn shortened(name: &str, most: usize) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= most {
        return name.to_owned();
    }
    let half = (most - 2) / 2;
    let (head, tail) = (&letters[..half], &letters[letters.len() - half..]);
    head.iter().chain(&['.', '.']).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_columns_and_the_last_says_how_many_are_left_out() {
        let long = "encoder.layers.forward.gates.of.the.first.W_i";
        assert_eq!(shortened(long, LONGEST).chars().count(), LONGEST);
        assert!(shortened(long, LONGEST).ends_with("first.W_i"));
        let many = vec![long; 100];
        let (entries, rows) = legend(&many, 628);
        assert_eq!(rows, extent(ROWS));
        let shown = entries.iter().filter(|entry| entry.curve.is_some()).count();
        assert_eq!(
            entries.last().map(|entry| entry.text.clone()),
            Some(format!("and {} more", 100 - shown))
        );
        let (entries, rows) = legend(&["loss", "validation"], 628);
        assert_eq!((entries.len(), rows), (2, 1));
        assert!(entries[1].x > entries[0].x);
        assert_eq!(legend(&[], 628), (vec![], 0));
    }
}
