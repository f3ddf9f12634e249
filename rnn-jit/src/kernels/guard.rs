//! Memory between two inaccessible pages: an access beyond either end stops the process.
//!
//! **Invariant:** new memory is poison, the quiet NaN [`POISON`] in every word, so a value that nobody wrote shows.

use region::{Allocation, Protection, alloc, page, protect};

/// A word that nobody wrote: as a real number NaN, as a token beyond every table.
pub(crate) const POISON: u32 = 0x7fc0_dead;

/// Which end of the memory is at an inaccessible page; the other end is where it falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// An access before the first word stops the process.
    Start,
    /// An access after the last word stops the process.
    End,
}

impl Side {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Start, Self::End];
}

/// Words of 32 bits at an inaccessible page.
pub(crate) struct Guarded {
    pages: Allocation,
    first: usize,
    len: usize,
}

impl Guarded {
    /// So many words of poison.
    pub(crate) fn new(len: usize, side: Side) -> Self {
        let bytes = len * size_of::<u32>();
        let inside = page::ceil(std::ptr::without_provenance::<u8>(bytes.max(1))) as usize;
        let mut pages =
            alloc(inside + 2 * page::size(), Protection::READ_WRITE).expect("memory for a test");
        let base = pages.as_mut_ptr::<u8>();
        let first = page::size()
            + match side {
                Side::Start => 0,
                Side::End => inside - bytes,
            };
        for guard in [0, page::size() + inside] {
            // SAFETY: both pages are of the allocation, and nothing refers to them.
            unsafe { protect(base.add(guard), page::size(), Protection::NONE) }
                .expect("a page can be protected");
        }
        let mut out = Self { pages, first, len };
        out.words_mut().fill(POISON);
        out
    }

    /// These words.
    pub(crate) fn of(words: &[u32], side: Side) -> Self {
        let mut out = Self::new(words.len(), side);
        out.words_mut().copy_from_slice(words);
        out
    }

    /// From here on a write stops the process.
    pub(crate) fn make_read_only(&mut self) {
        let inside = self.pages.len() - 2 * page::size();
        // SAFETY: the pages are of the allocation; those between the guards are made readable only, and a write through
        // `words_mut` stops the process, which is what they are for.
        unsafe {
            let first = self.pages.as_ptr::<u8>().add(page::size());
            protect(first, inside, Protection::READ)
        }
        .expect("pages can be protected");
    }

    /// Where the words are.
    pub(crate) fn address(&self) -> u64 {
        self.words().as_ptr() as u64
    }

    /// The words.
    pub(crate) fn words(&self) -> &[u32] {
        // SAFETY: `len` words from `first` on lie between the guards, aligned to four bytes and initialised.
        unsafe {
            let first = self.pages.as_ptr::<u8>().add(self.first);
            std::slice::from_raw_parts(first.cast(), self.len)
        }
    }

    /// The words, to be written.
    pub(crate) fn words_mut(&mut self) -> &mut [u32] {
        // SAFETY: as above; the borrow is exclusive.
        unsafe {
            let first = self.pages.as_mut_ptr::<u8>().add(self.first);
            std::slice::from_raw_parts_mut(first.cast(), self.len)
        }
    }

    /// The words as reals.
    pub(crate) fn reals(&self) -> &[f32] {
        // SAFETY: every word is a float.
        unsafe { std::slice::from_raw_parts(self.words().as_ptr().cast(), self.len) }
    }

    /// The words as reals, to be written.
    pub(crate) fn reals_mut(&mut self) -> &mut [f32] {
        // SAFETY: every word is a float, and every float a word.
        unsafe { std::slice::from_raw_parts_mut(self.words_mut().as_mut_ptr().cast(), self.len) }
    }
}

mod tests {
    use super::*;
    use std::process::Command;

    const ACCESS: &str = "RNN_GUARD_ACCESS";

    // Makes the access that the variable names; run in a process of its own.
    fn make_access(name: &str) {
        let side = if name == "before" {
            Side::Start
        } else {
            Side::End
        };
        let mut memory = Guarded::new(7, side);
        memory.reals_mut()[6] = 1.0;
        let first = memory.words_mut().as_mut_ptr();
        if name == "read only" {
            memory.make_read_only();
        }
        // SAFETY: none; the access is to stop the process.
        unsafe {
            match name {
                "inside" => first.add(6).write_volatile(1),
                "before" => drop(first.sub(1).read_volatile()),
                "after" => drop(first.add(7).read_volatile()),
                _ => first.write_volatile(1),
            }
        }
    }

    #[test]
    fn an_access_outside_or_a_write_to_what_is_read_only_stops_the_process() {
        if let Ok(name) = std::env::var(ACCESS) {
            make_access(&name);
            return;
        }
        for (name, survives) in [
            ("inside", true),
            ("before", false),
            ("after", false),
            ("read only", false),
        ] {
            let this = "an_access_outside_or_a_write_to_what_is_read_only_stops_the_process";
            let status = Command::new(std::env::current_exe().expect("a test has a file"))
                .args([this, "--test-threads=1"])
                .env(ACCESS, name)
                .output()
                .expect("starts")
                .status;
            assert_eq!(status.success(), survives, "{name}: {status}");
        }
    }
}
