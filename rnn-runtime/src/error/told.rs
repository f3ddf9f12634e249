//! Errors as they are told.
//!
//! `fn main() -> Result<(), Box<dyn Error>>` and `unwrap` print the `Debug` form of an error. Whoever reads it there made the mistake, or
//! met it, and needs the message with its fix rather than the names of our variants.
//!
//! **Invariant:** the `Debug` form of an error of this crate is its message.

use std::fmt;

use super::*;
use crate::train::SourceError;
use crate::workbench::WorkbenchError;

macro_rules! told_by_their_message {
    ($($error:ident)*) => {$(
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

told_by_their_message! {
    BioError CallError CheckpointError ClipError CompileError CtcError CurriculumError DataError FileError FileTextError GenerateError
    InitError LogError MalformedReason ModelError NonFiniteError OptimError ParamsError PlotError RaggedError ResumeError RewardError
    SampleError ScheduleError SourceError StateTextError StreamError TextError TrainError WorkbenchError
}
