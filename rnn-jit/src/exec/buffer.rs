//! Memory aligned to a cache line.
//!
//! **Invariant:** a buffer is a whole number of lines, all initialised.

use crate::error::JitError;

/// A line of memory.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Aligned memory, zero when it is new.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// At least this many bytes; what it held is lost when it has to grow.
    ///
    /// # Errors
    /// The machine has less memory.
    pub(super) fn reserve(&mut self, bytes: usize) -> Result<(), JitError> {
        let lines = bytes.div_ceil(size_of::<Line>());
        if lines > self.lines.len() {
            // The old memory goes before the new comes.
            self.lines = Vec::new();
            let mut grown = Vec::new();
            grown
                .try_reserve_exact(lines)
                .map_err(|error| JitError::TooLarge {
                    what: "a buffer".to_owned(),
                    reason: format!("{bytes} bytes: {error}"),
                })?;
            grown.resize(lines, Line([0.0; 16]));
            self.lines = grown;
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.lines.as_mut_ptr().cast()
    }

    /// The elements from a byte offset on.
    #[inline]
    pub(super) fn reals(&self, offset: usize, count: usize) -> &[f32] {
        self.lines
            .as_flattened_reals()
            .get(offset / 4..offset / 4 + count)
            .unwrap_or(&[])
    }

    #[inline]
    pub(super) fn reals_mut(&mut self, offset: usize, count: usize) -> &mut [f32] {
        self.lines
            .as_flattened_reals_mut()
            .get_mut(offset / 4..offset / 4 + count)
            .unwrap_or(&mut [])
    }
}

trait Flatten {
    fn as_flattened_reals(&self) -> &[f32];
    fn as_flattened_reals_mut(&mut self) -> &mut [f32];
}

impl Flatten for Vec<Line> {
    #[inline]
    fn as_flattened_reals(&self) -> &[f32] {
        // SAFETY: a line is sixteen floats without padding, and all are initialised.
        unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), self.len() * 16) }
    }
    #[inline]
    fn as_flattened_reals_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above; the borrow of the vector is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), self.len() * 16) }
    }
}
