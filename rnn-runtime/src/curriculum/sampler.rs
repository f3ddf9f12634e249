//! Batches of an epoch.
//!
//! **Invariant:** in one epoch every example of the curriculum is in exactly one batch.

use std::fmt;
use std::str::FromStr;

use rand::seq::SliceRandom;

use super::Curriculum;
use crate::error::{CurriculumError, StateTextError};
use crate::ragged::LengthBatches;
use crate::rng;
use crate::train::{Order as PassOrder, SourceError};

/// How the examples of an epoch become batches.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    Shuffled,
    AsGiven,
    /// Those of like lengths together, in random order.
    ByLength(Vec<usize>),
}

/// Batches of the examples that a curriculum admits, epoch after epoch.
///
/// A batch is a list of positions in the data set, to be given to what lays examples out, such as
/// [`pad`](crate::ragged::pad) or [`Windows`](crate::data::Windows).
#[derive(Clone, Debug)]
pub struct Sampler<C> {
    curriculum: C,
    batch: usize,
    seed: u64,
    order: Order,
    epoch: u64,
    next: usize,
    /// State of the curriculum when the epoch began.
    before: String,
    batches: Vec<Vec<usize>>,
    pass: Pass,
}

/// Where a sampler is in a pass that it orders for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Between,
    Within,
    /// A pass is to be taken up that began with the state before, not with the one now.
    Resumed,
}

impl<C: Curriculum> Sampler<C> {
    /// Batches of at most `batch` examples in random order, another one in each epoch.
    ///
    /// # Errors
    /// [`CurriculumError::Setting`] when `batch` is 0.
    pub fn new(curriculum: C, batch: usize, seed: u64) -> Result<Self, CurriculumError> {
        if batch == 0 {
            return Err(CurriculumError::Setting {
                what: "the number of examples of a batch",
                found: 0.0,
                expected: "at least 1",
            });
        }
        let mut sampler = Self {
            curriculum,
            batch,
            seed,
            order: Order::Shuffled,
            epoch: 0,
            next: 0,
            before: String::new(),
            batches: Vec::new(),
            pass: Pass::Between,
        };
        sampler.begin();
        Ok(sampler)
    }

    /// Examples come as the curriculum gives them, for instance from the easiest on.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.order = Order::AsGiven;
        self.begin();
        self
    }

    /// Examples of like lengths come together, as in [`LengthBatches`]. `lengths` are those of all examples.
    ///
    /// # Errors
    /// [`CurriculumError::Lengths`] unless there are as many lengths as examples.
    pub fn by_length(mut self, lengths: &[usize]) -> Result<Self, CurriculumError> {
        let expected = self.curriculum.total();
        if lengths.len() != expected {
            return Err(CurriculumError::Lengths {
                expected,
                found: lengths.len(),
            });
        }
        self.order = Order::ByLength(lengths.to_vec());
        self.begin();
        Ok(self)
    }

    fn begin(&mut self) {
        self.before = self.curriculum.state();
        self.batches = self.batches_of(self.epoch);
    }

    /// The batches of an epoch, with the losses that are known now.
    pub fn batches_of(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut examples = self.curriculum.examples(epoch);
        let mut rng = rng::stream(self.seed, "curriculum", &epoch.to_string());
        let chunks =
            |examples: Vec<usize>| examples.chunks(self.batch).map(<[usize]>::to_vec).collect();
        match &self.order {
            Order::AsGiven => chunks(examples),
            Order::Shuffled => {
                examples.shuffle(&mut rng);
                chunks(examples)
            }
            Order::ByLength(lengths) => {
                let own: Vec<usize> = (examples.iter())
                    // A curriculum of the caller's own may name what there is not, which is told when it is asked for.
                    .map(|example| lengths.get(*example).copied().unwrap_or(0))
                    .collect();
                let batches = LengthBatches::new(&own, self.batch)
                    .unwrap_or_else(|_| unreachable!("a batch has an example"));
                let of = |rows: Vec<usize>| rows.iter().map(|row| examples[*row]).collect();
                batches.shuffled(&mut rng).into_iter().map(of).collect()
            }
        }
    }

    /// The next batch, or `None` once at the end of each epoch, after which the next one begins.
    pub fn next_batch(&mut self) -> Option<&[usize]> {
        if self.next >= self.batches.len() {
            self.epoch = self.epoch.saturating_add(1);
            self.next = 0;
            self.begin();
            return None;
        }
        self.next += 1;
        self.batches.get(self.next - 1).map(Vec::as_slice)
    }

    /// Tells the curriculum the losses of examples, such as [`Compiled::losses`](crate::Compiled::losses) gives them.
    pub fn observe(&mut self, examples: &[usize], losses: &[f32]) {
        self.curriculum.observe(examples, losses);
    }

    /// The epoch of the next batch, counted from 0.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Batches of this epoch.
    pub fn batches(&self) -> usize {
        self.batches.len()
    }

    /// Examples of this epoch.
    pub fn examples(&self) -> usize {
        self.batches.iter().map(Vec::len).sum()
    }

    /// The curriculum.
    pub fn curriculum(&self) -> &C {
        &self.curriculum
    }

    /// The place of the next batch, to be stored in a checkpoint.
    pub fn cursor(&self) -> SamplerCursor {
        SamplerCursor {
            seed: self.seed,
            batch: self.batch as u64,
            epoch: self.epoch,
            next: self.next as u64,
            before: self.before.clone(),
            now: self.curriculum.state(),
        }
    }

    /// Continues from a cursor of a sampler that was made in the same way.
    ///
    /// # Errors
    /// [`CurriculumError::Cursor`] tells what differs; nothing is changed then.
    pub fn resume(&mut self, cursor: &SamplerCursor) -> Result<(), CurriculumError> {
        for (what, expected, found) in [
            ("seed", self.seed, cursor.seed),
            (
                "number of examples of a batch",
                self.batch as u64,
                cursor.batch,
            ),
        ] {
            if expected != found {
                return Err(CurriculumError::Cursor {
                    what,
                    expected,
                    found,
                });
            }
        }
        let (epoch, next, state) = (self.epoch, self.next, self.curriculum.state());
        let batches = std::mem::take(&mut self.batches);
        let before = std::mem::take(&mut self.before);
        let result = self.go(cursor);
        if result.is_err() {
            self.put_back(&state);
            (self.epoch, self.next, self.batches, self.before) = (epoch, next, batches, before);
        }
        result
    }

    // A state that the curriculum itself gave: one that does not take it keeps the state that it has.
    fn put_back(&mut self, state: &str) {
        let _ = self.curriculum.restore(state);
    }

    fn go(&mut self, cursor: &SamplerCursor) -> Result<(), CurriculumError> {
        self.curriculum.restore(&cursor.before)?;
        self.epoch = cursor.epoch;
        self.begin();
        let batches = self.batches.len() as u64;
        if cursor.next > batches {
            return Err(CurriculumError::Cursor {
                what: "number of batches of an epoch",
                expected: batches,
                found: cursor.next,
            });
        }
        // No more than there are batches.
        self.next = cursor.next as usize;
        Ok(self.curriculum.restore(&cursor.now)?)
    }
}

/// The batches of each pass of an [`Ordered`](crate::train::Ordered) source; where it stands in epochs of its own does not matter.
impl<C: Curriculum> PassOrder for Sampler<C> {
    fn pass(&mut self, pass: u64) -> Vec<Vec<usize>> {
        let now = self.curriculum.state();
        if self.pass == Pass::Resumed {
            self.put_back(&self.before.clone());
        } else {
            self.before.clone_from(&now);
        }
        let batches = self.batches_of(pass);
        if self.pass == Pass::Resumed {
            self.put_back(&now);
        }
        self.pass = Pass::Within;
        batches
    }

    fn examples(&self) -> usize {
        self.curriculum.total()
    }

    fn end(&mut self) {
        self.pass = Pass::Between;
    }

    fn listens(&self) -> bool {
        self.curriculum.listens()
    }

    fn told(&mut self, examples: &[usize], losses: &[f32]) {
        self.observe(examples, losses);
    }

    /// The states of the curriculum when the pass began and now, `before/now`, with the seed and the size of a batch in front.
    fn state(&self) -> String {
        let now = self.curriculum.state();
        let before = match self.pass {
            Pass::Between => &now,
            Pass::Within | Pass::Resumed => &self.before,
        };
        format!("{:x}/{:x}/{before}/{now}", self.seed, self.batch)
    }

    fn restore(&mut self, state: &str) -> Result<(), SourceError> {
        let bad = || {
            let expected = "seed and batch of a sampler and two states, apart by `/`";
            StateTextError::new(expected, state)
        };
        let fields: Vec<&str> = state.split('/').collect();
        let &[seed, batch, before, now] = fields.as_slice() else {
            return Err(bad().into());
        };
        for (what, expected, found) in [
            ("seed of the sampler", self.seed, seed),
            ("number of examples of a batch", self.batch as u64, batch),
        ] {
            let found = u64::from_str_radix(found, 16).map_err(|_| bad())?;
            if expected != found {
                return Err(SourceError::Data {
                    what,
                    expected: expected.to_string(),
                    found: found.to_string(),
                });
            }
        }
        let own = self.curriculum.state();
        self.curriculum.restore(before)?;
        if let Err(error) = self.curriculum.restore(now) {
            self.put_back(&own);
            return Err(error.into());
        }
        self.before = before.to_owned();
        self.pass = Pass::Resumed;
        Ok(())
    }
}

/// A place in a [`Sampler`].
///
/// Its text form is four hexadecimal fields and two states of the curriculum: `seed/batch/epoch/next/before/now`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplerCursor {
    /// The seed.
    pub seed: u64,
    /// Examples of a batch.
    pub batch: u64,
    /// The epoch.
    pub epoch: u64,
    /// The next batch of the epoch.
    pub next: u64,
    /// State of the curriculum when the epoch began.
    pub before: String,
    /// State of the curriculum now.
    pub now: String,
}

impl fmt::Display for SamplerCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            batch,
            epoch,
            next,
            before,
            now,
        } = self;
        write!(f, "{seed:x}/{batch:x}/{epoch:x}/{next:x}/{before}/{now}")
    }
}

impl FromStr for SamplerCursor {
    type Err = StateTextError;

    fn from_str(text: &str) -> Result<Self, StateTextError> {
        let bad = || {
            let expected = "cursor of four hexadecimal fields and two states, apart by `/`";
            StateTextError::new(expected, text)
        };
        let fields: Vec<&str> = text.split('/').collect();
        let &[seed, batch, epoch, next, before, now] = fields.as_slice() else {
            return Err(bad());
        };
        let number = |field| u64::from_str_radix(field, 16).map_err(|_| bad());
        Ok(Self {
            seed: number(seed)?,
            batch: number(batch)?,
            epoch: number(epoch)?,
            next: number(next)?,
            before: before.to_owned(),
            now: now.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
