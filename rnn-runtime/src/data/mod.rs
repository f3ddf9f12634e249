//! Data from files, and series as examples.
//!
//! | file | read by |
//! |---|---|
//! | tables of numbers | [`Csv`] |
//! | NumPy arrays, `.npy` and `.npz` | [`read_npy`], [`read_npz`]; [`write_npy`], [`write_npz`] |
//! | NumPy arrays larger than memory, row by row | [`NpyRows`] |
//! | labelled series, `.ts` of the UEA and UCR archives | [`TsFile`] |
//! | tagged words, CoNLL | [`Conll`] |
//! | text larger than memory | [`FileText`](crate::text::FileText) |
//!
//! [`Windows`] cuts series into inputs and what follows them, [`Scaler`] brings channels to one scale, by what the training
//! part says, and back.
//!
//! **Invariant:** a file is not trusted: what does not fit its format is an error with its place, and no file makes a reader take
//! more memory than a small multiple of its own bytes, or of the limit it was given.

mod conll;
mod csv;
mod npy;
mod npz;
mod rows;
mod scaler;
mod ts;
mod windows;

pub use conll::Conll;
pub use csv::{Csv, Table};
pub use npy::{Number, read_npy, write_npy};
pub use npz::{read_npz, write_npz};
pub use rows::NpyRows;
pub use scaler::Scaler;
pub use ts::{LabelledSeries, TsFile};
pub use windows::Windows;
