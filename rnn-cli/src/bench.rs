//! `rnn bench`.

use std::io::Write;

use clap::Args;
use rnn::ir::graph::{ResultKind, Verified};
use rnn::timing::{median, round};
use rnn::workbench::{Workbench, WorkbenchError};
use rnn::{Options, Program};
use serde_json::{Value, json};

use crate::error::{CliError, Outcome};
use crate::model::Source;

/// Every size that is not given.
const SIZE: usize = 64;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Programs; those of the model if none is given.
    #[arg(long, value_delimiter = ',', value_parser = program)]
    program: Vec<Program>,
    /// Examples.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Steps.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Seconds that each program is timed for.
    #[arg(long, default_value_t = 0.5, value_parser = seconds)]
    seconds: f64,
    /// Says nothing of kernels.
    #[arg(long)]
    no_kernels: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

fn program(text: &str) -> Result<Program, String> {
    let found = Program::ALL
        .into_iter()
        .find(|program| program.name() == text);
    found.ok_or_else(|| format!("expected forward, loss or gradient, found `{text}`"))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err(format!("expected seconds from 0 to 3600, found `{text}`")),
    }
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Outcome {
    let model = arguments.source.model()?;
    let bound = arguments.source.bound(&model, |_| Some(SIZE))?;
    let programs = match arguments.program.as_slice() {
        [] => programs(&bound),
        given => given.to_vec(),
    };
    if programs.is_empty() {
        let reason = format!(
            "`{}` has neither an output nor a loss, nothing to time",
            model.name
        );
        return Err(CliError::Usage(reason));
    }
    let mut rows = Vec::new();
    if !arguments.json {
        let (batch, steps) = (arguments.batch, arguments.steps);
        writeln!(
            out,
            "{}, {batch} examples, {steps} steps, one thread",
            model.name
        )?;
    }
    for program in programs {
        let row = time(arguments, &bound, program, out)?;
        rows.push(row);
    }
    if arguments.json {
        let row = json!({ "model": model.name, "B": arguments.batch, "T": arguments.steps, "programs": rows });
        writeln!(out, "{row:#}")?;
    }
    Ok(())
}

fn programs(bound: &Verified) -> Vec<Program> {
    let has_output = bound.results_of(ResultKind::Output).next().is_some();
    let forward = has_output.then_some(Program::Forward);
    let gradient = bound.loss().map(|_| Program::Gradient);
    forward.into_iter().chain(gradient).collect()
}

fn time(
    arguments: &Arguments,
    bound: &Verified,
    program: Program,
    out: &mut dyn Write,
) -> Outcome<Value> {
    let lengths = vec![arguments.steps as usize; arguments.batch as usize];
    let bench = |profile: bool| {
        let options = Options::default().profile(profile);
        Workbench::new(bound, program, &options, &lengths, 1)
    };
    let timed = |bench: &mut Workbench, seconds: f64| {
        round(seconds, |calls| (0..calls).try_for_each(|_| bench.run()))
            .map_err(WorkbenchError::Jit)
    };
    let mut plain = bench(false)?;
    let mut timed_plain = timed(&mut plain, arguments.seconds)?;
    let us = median(&mut timed_plain.samples);
    let gflops = 2.0 * plain.multiply_adds() / us * 1e-3;
    let compiled_ms = plain.compiled_in().as_secs_f64() * 1e3;
    let share = gflops / timed_plain.peak;
    if !arguments.json {
        writeln!(
            out,
            "\n{}: {us:.1} us a call, {gflops:.1} GFLOP/s, {:.1} % of the peak; compiled in {compiled_ms:.1} ms",
            program.name(),
            100.0 * share,
        )?;
    }
    let mut row = json!({
        "program": program.name(), "us": us, "gflops": gflops, "peak_share": share, "compile_ms": compiled_ms,
    });
    if !arguments.no_kernels {
        drop(plain);
        let mut profiled = bench(true)?;
        timed(&mut profiled, arguments.seconds)?;
        if let Some(profile) = profiled.profile() {
            match arguments.json {
                true => row["kernels"] = profile.to_json(),
                false => write!(out, "{profile}")?,
            }
        }
    }
    Ok(row)
}
