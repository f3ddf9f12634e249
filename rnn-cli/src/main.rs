//! The command `rnn`.
//!
//! ```text
//! rnn inspect model.safetensors         tensors, statistics, metadata
//! rnn ir model.rir --format svg         equations as text or as a picture, at any stage of the compiler
//! rnn check model.rir                   verified, differentiated, compiled, and held against two oracles
//! rnn bench --cell Lstm                 times and rates of a model and its kernels
//! rnn report runs/first                 a page about a training run
//! ```
//!
//! **Invariant:** the exit code is 0 for what is fine, 1 for what was found to be wrong, be it a file or what it says, and 2 for
//! arguments that mean nothing; what is wrong is one message on standard error.

#![forbid(unsafe_code)]

mod bench;
mod cells;
mod check;
mod draw;
mod error;
mod inspect;
mod ir;
mod model;
mod report;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::CliError;

/// Checkpoints, equations, kernels and runs of recurrent models.
///
/// Exit codes: 0 fine, 1 something is wrong with a file or what it says, 2 wrong arguments.
#[derive(Parser)]
#[command(name = "rnn", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Says what a checkpoint holds: tensors with their statistics, optimiser, random generators, metadata.
    ///
    /// Any safetensors file is one. Numbers that are not finite are a finding: exit code 1.
    Inspect(inspect::Arguments),
    /// Prints or draws the equations of a model at a stage of the compiler.
    Ir(ir::Arguments),
    /// Checks a model: parsed, verified, its gradient held against differences, its code against the interpreter.
    Check(check::Arguments),
    /// Times the programs of a model and their kernels on drawn values.
    Bench(bench::Arguments),
    /// Makes an HTML page of the folder of a training run.
    Report(report::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let out = &mut io::stdout().lock();
    let outcome = match &arguments.command {
        Command::Inspect(arguments) => inspect::run(arguments, out),
        Command::Ir(arguments) => ir::run(arguments, out),
        Command::Check(arguments) => check::run(arguments, out),
        Command::Bench(arguments) => bench::run(arguments, out),
        Command::Report(arguments) => report::run(arguments, out),
    };
    let outcome = outcome.and_then(|()| out.flush().map_err(CliError::Print));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read has had enough.
        Err(CliError::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // There is nowhere left to say so if this fails.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(error.code())
        }
    }
}
