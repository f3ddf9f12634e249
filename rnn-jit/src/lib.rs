//! Loop programs to native code.
//!
//! A [`Schedule`](rnn_ir::schedule::Schedule) gets memory ([`storage`]), its loops and pointwise work become machine code
//! through Cranelift, and its products and row functions become calls of [`kernels`]. On machines with AVX-512, pointwise work
//! is encoded here instead (`wide`), at the width of the machine. An [`Executable`] owns the code; a
//! [`Workspace`] owns the memory of one caller, and what it measured of a program that was compiled to be profiled
//! ([`profile`]).
//!
//! **Invariant:** unsafe code is in [`kernels`] and in the module that calls compiled code, nowhere else.

// Tests inside the crate share their oracle with those outside.
#[cfg(test)]
extern crate self as rnn_jit;

mod context;
mod error;
mod exec;
pub mod kernels;
mod lower;
pub mod plan;
pub mod profile;
pub mod storage;
pub mod weights;
mod wide;

pub use error::JitError;
pub use exec::{
    Arguments, CallShape, Carried, CompileStage, Compiling, Computed, Emitted, Executable,
    FORK_WORK, Given, Helpers, Input, JitOptions, OwnedValue, PartOf, Pool, Residuals, Stepper,
    Value, Workspace, peak_gflops, perf_map_path, reading_seconds,
};
