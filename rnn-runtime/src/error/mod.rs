//! What can go wrong, one type per stage.
//!
//! **Invariant:** every message is lower case, names both parties (expected and found) and, where one exists, the fix.

mod call;
mod checkpoint;
mod compile;
mod curriculum;
mod data;
mod generate;
mod log;
mod optim;
mod params;
mod plot;
mod sequence;
mod text;
mod told;
mod train;

pub use call::{CallError, NonFiniteError, Origin, Place, StreamError};
pub use checkpoint::{
    CheckpointError, DtypeMismatch, MalformedReason, NameMismatch, ShapeMismatch,
};
pub use compile::{CompileError, ModelError};
pub use curriculum::CurriculumError;
pub use data::{DataError, FileError, FileTextError};
pub use generate::GenerateError;
pub use log::LogError;
pub use optim::{ClipError, OptimError, ScheduleError};
pub use params::{InitError, ParamsError};
pub use plot::PlotError;
pub use sequence::{CtcError, RewardError};
pub use text::{BioError, RaggedError, SampleError, TextError};
pub use train::{ResumeError, SettingDiffers, TrainError};

use thiserror::Error;

/// What a caller's own code fails with, in hooks, observers and functions that make batches: any error, by `?`, or a text, by
/// `.into()`. Who called it says where.
pub type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A small state stored as text cannot be read back.
#[derive(Clone, PartialEq, Error)]
#[error("expected a {expected}, found `{found}`")]
pub struct StateTextError {
    /// What the text should be.
    pub expected: &'static str,
    /// The text, cut to 80 characters.
    pub found: String,
}

impl StateTextError {
    pub(crate) fn new(expected: &'static str, found: &str) -> Self {
        Self {
            expected,
            found: found.chars().take(80).collect(),
        }
    }
}

pub(crate) fn quoted_list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
