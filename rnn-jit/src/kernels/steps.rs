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
        // Kernels take steps without rows to have one.
        let step_rows = self.rows.max(1);
        let last = rows.saturating_sub(1) / step_rows;
        // As if the last step had all of its rows.
        let own = super::span(rows.min(step_rows), row_stride, width)?;
        last.checked_mul(self.stride)?.checked_add(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_reaches_to_the_end_of_the_last_row() {
        let span = |rows: usize, step_rows: usize| {
            let steps = Steps {
                rows: step_rows,
                stride: 100,
            };
            steps.span(rows, 10, 7)
        };
        assert_eq!(span(0, 3), Some(0));
        assert_eq!(span(3, 3), Some(27));
        assert_eq!(span(6, 3), Some(127));
        // A last step with fewer rows counts as whole.
        assert_eq!(span(7, 3), Some(227));
        assert_eq!(span(3, 0), Some(207));
        assert_eq!(Steps::ONE.span(6, 10, 7), Some(57));
        assert_eq!(Steps::ONE.span(usize::MAX, 10, 7), None);
    }
}
