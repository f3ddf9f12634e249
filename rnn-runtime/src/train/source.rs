//! Where the batches of a run come from.
//!
//! A [`Source`] hands out one epoch after the other, batch by batch, and can say and take up its place. [`Ordered`] is one made
//! of two parts: [`Examples`], which lay out the batch of some examples, and an [`Order`], which says which examples make the
//! batches of a pass: shuffled, by length, or along a curriculum. [`Arrays`](super::Arrays) and [`Gathered`](super::Gathered) are
//! examples that need no type of one's own.
//!
//! **Invariant:** from one cursor on, a source gives the same batches, however often it is resumed there.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use thiserror::Error;

use super::fingerprint::{self, Fingerprint};
use crate::batch::Batch;
use crate::error::StateTextError;
use crate::model::Model;
use crate::ragged::LengthBatches;
use crate::rng;

/// A batch to learn from, or to be judged by.
pub struct TrainingBatch<'a, M: Model> {
    /// The inputs with their lengths. A seed, a feedback or a state given here is kept; where there is none, the trainer gives
    /// its own.
    pub batch: Batch<'a, M::Inputs<'a>, M::State>,
    /// What only the loss reads.
    pub targets: M::Targets<'a>,
    /// Whether examples continue from the state that the batch before ended with.
    pub continues: bool,
    /// Steps before those of the batch, which the state runs through without a gradient.
    pub lead_in: Option<Steps<'a, M>>,
    /// Where the next batch continues.
    pub next: Next<'a, M>,
    /// Tokens or examples in it, for those who count them.
    pub seen: u64,
}

/// Steps that a state runs through.
pub struct Steps<'a, M: Model> {
    /// The inputs with their lengths.
    pub batch: Batch<'a, M::Inputs<'a>, M::State>,
    /// What only the loss reads.
    pub targets: M::Targets<'a>,
}

/// Where the batch after one continues.
#[expect(
    clippy::large_enum_variant,
    reason = "made once a batch and taken apart at once; a box would be allocated in each step"
)]
pub enum Next<'a, M: Model> {
    /// After its last step.
    AfterAll,
    /// Where it starts itself.
    AtItsStart,
    /// After these steps, which are those at its front.
    After(Steps<'a, M>),
}

impl<'a, M: Model> TrainingBatch<'a, M> {
    /// A batch that starts anew.
    pub fn new(
        batch: Batch<'a, M::Inputs<'a>, M::State>,
        targets: M::Targets<'a>,
        seen: u64,
    ) -> Self {
        Self {
            batch,
            targets,
            continues: false,
            lead_in: None,
            next: Next::AfterAll,
            seen,
        }
    }

    /// A batch that continues from the state of the one before, if `continues`.
    #[must_use]
    pub fn continuing(mut self, continues: bool) -> Self {
        self.continues = continues;
        self
    }
}

/// Batches, one epoch after the other.
pub trait Source<M: Model> {
    /// The next batch; `None` once at the end of each epoch, after which the next epoch begins.
    ///
    /// # Errors
    /// [`SourceError`], when the data cannot be read or laid out.
    fn next(&mut self) -> Result<Option<TrainingBatch<'_, M>>, SourceError>;

    /// Batches of the current epoch, if that is known.
    fn batches(&self) -> Option<u64>;

    /// Its place, as text for a checkpoint.
    fn cursor(&self) -> String;

    /// Takes up a place that [`cursor`](Self::cursor) gave.
    ///
    /// # Errors
    /// [`SourceError`] tells what differs from the data that the cursor was taken from; the place is unchanged then.
    fn resume(&mut self, cursor: &str) -> Result<(), SourceError>;

    /// Whether [`fit`](super::Trainer::fit) is to tell it the loss of each example that was learnt from, which takes a pass forward for
    /// each batch.
    fn listens(&self) -> bool {
        false
    }

    /// The loss of each example of the batch that it gave last, before the update, as [`Compiled::losses`](crate::Compiled::losses)
    /// computes it.
    fn told(&mut self, losses: &[f32]) {
        let _ = losses;
    }
}

/// Examples that are found by their position.
pub trait Examples<M: Model> {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they are, part by part: a run is not taken up with others. It is asked for once, when a checkpoint is written or read, and
    /// may be of parts of them, or of none.
    fn fingerprints(&self) -> Vec<(String, Fingerprint)> {
        Vec::new()
    }

    /// Lays out the batch of some of them, in memory of its own which the next batch overwrites.
    ///
    /// # Errors
    /// [`SourceError`], when they cannot be read or laid out.
    fn batch(&mut self, rows: &[usize]) -> Result<TrainingBatch<'_, M>, SourceError>;
}

/// Which examples make the batches of each pass.
pub trait Order {
    /// The batches of a pass, counted from 0: positions of examples.
    ///
    /// The answer depends on the pass and on the [`state`](Self::state) alone, so that a pass can be taken up in its middle.
    fn pass(&mut self, pass: u64) -> Vec<Vec<usize>>;

    /// Examples it was made for.
    fn examples(&self) -> usize;

    /// Batches of every pass, if they are known to be as many in each.
    fn batches(&self) -> Option<u64> {
        None
    }

    /// The pass is over.
    fn end(&mut self) {}

    /// Whether it is to be told the losses of examples, as [`Source::listens`] is asked.
    fn listens(&self) -> bool {
        false
    }

    /// The loss of each of some examples, which were learnt from.
    fn told(&mut self, examples: &[usize], losses: &[f32]) {
        let _ = (examples, losses);
    }

    /// What it was made with and what it has learnt on the way, as text without line breaks: its seed, the losses of a self-paced
    /// curriculum. What it learns in the middle of a pass may not change the batches of that pass, and the text has to say what they
    /// depend on, too.
    fn state(&self) -> String {
        String::new()
    }

    /// Takes up a state.
    ///
    /// # Errors
    /// [`SourceError`], when the text is none; the state is unchanged then.
    fn restore(&mut self, state: &str) -> Result<(), SourceError> {
        match state {
            "" => Ok(()),
            found => Err(SourceError::Text(StateTextError::new("empty state", found))),
        }
    }
}

/// Batches of like lengths, in another order each pass.
#[derive(Clone, Debug)]
pub struct Shuffled {
    batches: LengthBatches,
    seed: u64,
}

impl Shuffled {
    /// The batches in an order that depends on the seed and the pass.
    pub fn new(batches: LengthBatches, seed: u64) -> Self {
        Self { batches, seed }
    }
}

impl Order for Shuffled {
    fn pass(&mut self, pass: u64) -> Vec<Vec<usize>> {
        let mut rng = rng::stream(self.seed, "order", "");
        rng.set_stream(pass);
        self.batches.shuffled(&mut rng)
    }

    fn examples(&self) -> usize {
        self.batches.lengths().len()
    }

    fn batches(&self) -> Option<u64> {
        Some(self.batches.len() as u64)
    }

    fn state(&self) -> String {
        format!("{}.{}", self.seed, Order::state(&self.batches))
    }

    fn restore(&mut self, state: &str) -> Result<(), SourceError> {
        let (seed, batches) = state.split_once('.').unwrap_or((state, ""));
        same("seed of the order", seed, &self.seed.to_string())?;
        self.batches.restore(batches)
    }
}

// An order is of the data and the settings that it was saved with, or it is another one.
fn same(what: &'static str, found: &str, expected: &str) -> Result<(), SourceError> {
    match found == expected {
        true => Ok(()),
        false => Err(SourceError::Data {
            what,
            expected: expected.to_owned(),
            found: found.chars().take(80).collect(),
        }),
    }
}

/// Batches of like lengths from the shortest to the longest, in the same order each pass.
impl Order for LengthBatches {
    fn pass(&mut self, _: u64) -> Vec<Vec<usize>> {
        self.in_order()
    }

    fn examples(&self) -> usize {
        self.lengths().len()
    }

    fn batches(&self) -> Option<u64> {
        Some(self.len() as u64)
    }

    fn state(&self) -> String {
        let bytes = (self.lengths().iter()).map(|length| (*length as u64).to_le_bytes());
        let hash = bytes.fold(rng::fnv1a64(&[]), |hash, own| rng::fnv1a64_from(hash, &own));
        format!("{}.{hash:x}", self.batch())
    }

    fn restore(&mut self, state: &str) -> Result<(), SourceError> {
        let (batch, lengths) = state.split_once('.').unwrap_or((state, ""));
        let own = Order::state(self);
        let (own_batch, own_lengths) = own.split_once('.').unwrap_or_default();
        same("number of examples of a batch", batch, own_batch)?;
        same("hash of the lengths of the examples", lengths, own_lengths)
    }
}

/// Examples in the order of an [`Order`].
#[derive(Clone, Debug)]
pub struct Ordered<E, O> {
    examples: E,
    order: O,
    pass: u64,
    next: usize,
    /// The batches of the pass; `None` until one is asked for.
    batches: Option<Vec<Vec<usize>>>,
    /// Of the examples, once they are asked for.
    fingerprints: OnceLock<Vec<(String, Fingerprint)>>,
}

impl<E, O: Order> Ordered<E, O> {
    /// From the first pass on.
    ///
    /// # Errors
    /// [`SourceError::Data`], when the order was made for another number of examples, or there is none.
    pub fn new<M: Model>(examples: E, order: O) -> Result<Self, SourceError>
    where
        E: Examples<M>,
    {
        let (expected, found) = (examples.len(), order.examples());
        if expected == 0 {
            return Err(SourceError::Empty);
        }
        if expected != found {
            return Err(SourceError::Data {
                what: "number of examples",
                expected: expected.to_string(),
                found: found.to_string(),
            });
        }
        Ok(Self {
            examples,
            order,
            pass: 0,
            next: 0,
            batches: None,
            fingerprints: OnceLock::new(),
        })
    }

    /// The examples.
    pub fn examples(&self) -> &E {
        &self.examples
    }

    /// The order.
    pub fn order(&self) -> &O {
        &self.order
    }

    /// The order, to be changed between passes: what it says of the current pass counts from the next one on, if a batch was
    /// taken.
    pub fn order_mut(&mut self) -> &mut O {
        if self.next == 0 {
            self.batches = None;
        }
        &mut self.order
    }

    /// Passes completed.
    pub fn passes(&self) -> u64 {
        self.pass
    }
}

impl<E, O> Ordered<E, O> {
    fn fingerprints<M: Model>(&self) -> &[(String, Fingerprint)]
    where
        E: Examples<M>,
    {
        (self.fingerprints).get_or_init(|| self.examples.fingerprints())
    }
}

impl<M: Model, E: Examples<M>, O: Order> Source<M> for Ordered<E, O> {
    fn next(&mut self) -> Result<Option<TrainingBatch<'_, M>>, SourceError> {
        let (order, pass) = (&mut self.order, self.pass);
        let batches = self.batches.get_or_insert_with(|| order.pass(pass));
        let Some(rows) = batches.get(self.next) else {
            self.order.end();
            self.pass = self.pass.saturating_add(1);
            self.next = 0;
            self.batches = None;
            return Ok(None);
        };
        let examples = self.examples.len();
        if let Some(row) = rows.iter().find(|row| **row >= examples) {
            return Err(SourceError::Row {
                row: *row,
                examples,
            });
        }
        self.next += 1;
        self.examples.batch(rows).map(Some)
    }

    fn batches(&self) -> Option<u64> {
        let known = self.batches.as_ref().map(|batches| batches.len() as u64);
        known.or(self.order.batches())
    }

    fn cursor(&self) -> String {
        let place = OrderedCursor {
            examples: self.order.examples() as u64,
            pass: self.pass,
            next: self.next as u64,
        };
        let data = fingerprint::text(self.fingerprints());
        format!("{place}/{data}/{}", self.order.state())
    }

    fn resume(&mut self, cursor: &str) -> Result<(), SourceError> {
        let mut fields = cursor.splitn(5, '/');
        let place: Vec<&str> = fields.by_ref().take(3).collect();
        let (data, state) = (fields.next(), fields.next());
        let place: OrderedCursor = place.join("/").parse()?;
        let here = self.order.examples() as u64;
        if place.examples != here {
            return Err(SourceError::Data {
                what: "number of examples",
                expected: here.to_string(),
                found: place.examples.to_string(),
            });
        }
        fingerprint::compare(self.fingerprints(), data.unwrap_or_default())?;
        let before = self.order.state();
        self.order.restore(state.unwrap_or_default())?;
        let batches = self.order.pass(place.pass);
        if place.next > batches.len() as u64 {
            self.order.restore(&before)?;
            return Err(SourceError::Data {
                what: "number of batches",
                expected: batches.len().to_string(),
                found: place.next.to_string(),
            });
        }
        self.pass = place.pass;
        self.next = place.next as usize;
        self.batches = Some(batches);
        Ok(())
    }

    fn listens(&self) -> bool {
        self.order.listens()
    }

    fn told(&mut self, losses: &[f32]) {
        let last = self.next.checked_sub(1);
        let batches = self.batches.as_deref().unwrap_or_default();
        if let Some(rows) = last.and_then(|last| batches.get(last)) {
            self.order.told(rows, losses);
        }
    }
}

/// A place in [`Ordered`] examples: three hexadecimal fields `examples/pass/next`, before their fingerprints and the state of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OrderedCursor {
    examples: u64,
    pass: u64,
    next: u64,
}

impl fmt::Display for OrderedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            examples,
            pass,
            next,
        } = self;
        write!(f, "{examples:x}/{pass:x}/{next:x}")
    }
}

impl FromStr for OrderedCursor {
    type Err = StateTextError;

    fn from_str(text: &str) -> Result<Self, StateTextError> {
        let bad = || StateTextError::new("cursor of three hexadecimal fields and a state", text);
        let fields: Vec<u64> = text
            .split('/')
            .map(|field| u64::from_str_radix(field, 16))
            .collect::<Result<_, _>>()
            .map_err(|_| bad())?;
        let &[examples, pass, next] = fields.as_slice() else {
            return Err(bad());
        };
        Ok(Self {
            examples,
            pass,
            next,
        })
    }
}

/// Batches cannot be had.
#[derive(Error)]
pub enum SourceError {
    /// There is nothing to learn from.
    #[error("expected at least one example, found none")]
    Empty,
    /// An order names an example that there is not.
    #[error("the order names example {row}, expected one of {examples}, counted from 0")]
    Row {
        /// The example.
        row: usize,
        /// How many there are.
        examples: usize,
    },
    /// A cursor or an order that belongs to other data.
    #[error(
        "other data: expected {expected} as {what}, found {found}; give the data it was made for"
    )]
    Data {
        /// What differs.
        what: &'static str,
        /// The value here.
        expected: String,
        /// The value given.
        found: String,
    },
    /// A cursor of examples that have changed since.
    #[error(
        "other data: `{name}` has changed: expected fingerprint {expected}, found {found}; give the data of that run, or begin another one with its parameters by `load`"
    )]
    Changed {
        /// What of the examples.
        name: String,
        /// Of the examples here.
        expected: String,
        /// Of those that the run was begun with.
        found: String,
    },
    /// Arrays that are not those of as many examples, or lengths that do not fit them.
    #[error("examples of arrays: {name}: {reason}")]
    Array {
        /// The array, or what else is wrong.
        name: String,
        /// What was expected, and what was found.
        reason: String,
    },
    /// A cursor or a state that cannot be read.
    #[error(transparent)]
    Text(#[from] StateTextError),
    /// The data itself.
    #[error("{0}")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SourceError {
    /// An error of the data itself: a file that cannot be read, an example that cannot be laid out.
    pub fn other(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(source.into())
    }
}
