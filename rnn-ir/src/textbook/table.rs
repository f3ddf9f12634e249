//! Tables of text: columns as wide as their longest cell.
//!
//! **Invariant:** no line ends with a space.

/// Appends a head, a rule and rows; nothing for a table without rows. Columns of `numbers` end at their right edge.
pub(super) fn write_table<const N: usize>(
    out: &mut String,
    head: [&str; N],
    numbers: [bool; N],
    rows: &[[String; N]],
) {
    if rows.is_empty() {
        return;
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].as_str());
        let widths = cells.chain([head[column]]).map(|cell| cell.chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (column, cell) in cells.into_iter().enumerate() {
            let width = widths[column];
            line += &match numbers[column] {
                true => format!("  {cell:>width$}"),
                false => format!("  {cell:width$}"),
            };
        }
        format!("{}\n", line.trim_end())
    };
    out.push('\n');
    out.push_str(&line(head));
    let rule = widths.iter().sum::<usize>() + 2 * N.saturating_sub(1);
    out.push_str(&format!("  {}\n", "-".repeat(rule)));
    for row in rows {
        out.push_str(&line(std::array::from_fn(|column| row[column].as_str())));
    }
}
