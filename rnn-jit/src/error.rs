//! What can go wrong between a schedule and running code.

/// An error of compilation or of a call.
#[derive(Debug, thiserror::Error)]
pub enum JitError {
    /// Cranelift has no back end for this machine.
    #[error("no native code generator for this machine: {reason}")]
    UnsupportedMachine {
        /// What it said.
        reason: String,
    },
    /// Cranelift refused a function that this crate emitted.
    #[error("code generation of `{function}` failed: {reason}")]
    Codegen {
        /// The function.
        function: String,
        /// What it said.
        reason: String,
    },
    /// A size in bytes does not fit into the machine's index type.
    #[error("`{what}` needs more memory than can be addressed: {reason}")]
    TooLarge {
        /// The value.
        what: String,
        /// Its sizes.
        reason: String,
    },
    /// More memory than the caller allows.
    #[error("the model needs {needed} bytes for a batch of {batch}, expected at most {limit}")]
    MemoryLimit {
        /// Bytes needed.
        needed: usize,
        /// Bytes allowed.
        limit: usize,
        /// Examples in the batch.
        batch: usize,
    },
    /// The names of functions could not be written for `perf`.
    #[error(
        "`{path}` could not be written: {source}; compile without a perf map, or make it writable"
    )]
    PerfMap {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A value given to a call has the wrong shape or kind.
    #[error("`{name}`: expected {expected}, found {found}")]
    Argument {
        /// Its name.
        name: String,
        /// What is expected.
        expected: String,
        /// What was given.
        found: String,
    },
}
