//! Rows of several steps.

/// Rows that come in steps: so many of one, and floats from the first of a step to the first of the next.
///
/// The rows of some examples at every step, where the caller has those of more.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// Rows of a step, of which the last may have fewer.
    pub rows: usize,
    /// Floats from a step to the next.
    pub stride: usize,
}

impl Steps {
    /// All rows in one.
    pub const ONE: Self = Self {
        rows: usize::MAX,
        stride: 0,
    };

    /// Floats covered by so many rows of `width` floats every `row_stride` in each step, or `None` if that exceeds `usize`.
    pub(super) fn span(self, rows: usize, row_stride: usize, width: usize) -> Option<usize> {
        let last = rows.saturating_sub(1) / self.rows.max(1);
        // As if the last step had all of its rows.
        let own = super::span(rows.min(self.rows), row_stride, width)?;
        last.checked_mul(self.stride)?.checked_add(own)
    }
}
