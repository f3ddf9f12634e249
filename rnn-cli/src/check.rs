//! `rnn check`.

use std::io::Write;

use clap::Args;
use rnn::ir::autodiff::check::{check_direction, check_elements, with_weights};
use rnn::ir::autodiff::{Wrt, differentiate};
use rnn::ir::axis::Extent;
use rnn::ir::generate::{Draw, surroundings};
use rnn::ir::graph::{ResultKind, Verified};
use rnn::ir::random::mode::{Mode, in_mode};
use rnn::ir::verify::verify;
use rnn::ir::work::values_of;
use rnn::workbench::Workbench;
use rnn::{Options, Program};

use crate::error::{CliError, Outcome};
use crate::model::Source;

/// The smallest size of those that are not given; all differ, so that a transposed product cannot go unnoticed.
const SMALLEST: usize = 2;
/// Scalars of all equations of a call that the interpreter is asked for.
const MOST_VALUES: f64 = 2e6;
/// Scalars computed for all differences together; beyond, a few directions are checked instead of every element.
const MOST_WORK: f64 = 2e8;
/// Directions that are checked.
const DIRECTIONS: u64 = 5;
/// Of compiled code, relative to the largest magnitude of a result: sums of a few hundred terms in f32 (2^-24 each), through
/// recurrences that carry an error over a few steps.
const TOLERANCE: f64 = 2e-5;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Lengths of the examples of the batch.
    #[arg(long, value_delimiter = ',', default_values_t = [3, 1, 2], value_parser = length)]
    lengths: Vec<usize>,
    /// What values are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn length(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(length @ 1..=1_000_000) => Ok(length),
        _ => Err(format!(
            "expected a length from 1 to 1000000, found `{text}`"
        )),
    }
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Outcome {
    let model = arguments.source.model()?;
    writeln!(
        out,
        "{}: {} nodes, {} results, valid",
        model.name,
        model.nodes.len(),
        model.results.len()
    )?;
    let bound = arguments
        .source
        .bound(&model, |position| Some(SMALLEST + position))?;
    let steps = arguments.lengths.iter().copied().max().unwrap_or(1);
    let values = values_of(&bound, steps, arguments.lengths.len());
    if values > MOST_VALUES {
        let reason = format!(
            "the interpreter would compute {values:.1e} numbers, expected at most {MOST_VALUES:.0e}; give it smaller sizes or lengths"
        );
        return Err(CliError::Usage(reason));
    }
    check_gradient(arguments, &bound, out)?;
    check_code(arguments, &bound, out)
}

fn check_gradient(arguments: &Arguments, bound: &Verified, out: &mut dyn Write) -> Outcome {
    let finding = |reason: String| CliError::Finding(format!("gradient: {reason}"));
    let has = |kind: ResultKind| bound.results_of(kind).next().is_some();
    let derived = match (has(ResultKind::Gradient), bound.loss()) {
        // A gradient that was written down.
        (true, _) => bound.clone(),
        (false, Some(_)) => {
            let trained =
                in_mode(bound, Mode::Training).map_err(|error| finding(error.to_string()))?;
            let trained = verify(trained).map_err(|found| {
                finding(
                    found
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join("; "),
                )
            })?;
            let wrt = Wrt::everything(&trained);
            differentiate(&trained, &wrt).map_err(|error| finding(error.to_string()))?
        }
        (false, None) => {
            writeln!(out, "gradient: no loss, nothing to check")?;
            return Ok(());
        }
    };
    let axes = derived.axes.iter().filter(|(axis, _)| axis.is_time());
    let lengths = axes.filter_map(|(_, axis)| match &axis.extent {
        Extent::Length(name) => Some((name.as_str(), arguments.lengths.clone())),
        Extent::Fixed(_) => None,
    });
    let lengths: Vec<_> = lengths.collect();
    let mut draw = Draw::new(arguments.seed);
    let env = surroundings(&derived, &mut draw, arguments.lengths.len(), &lengths);
    let env = with_weights(&derived, &env.map_err(|error| finding(error.to_string()))?);
    for seed in 1..=DIRECTIONS {
        check_direction(&derived, &env, seed).map_err(|error| finding(error.to_string()))?;
    }
    let longest = arguments.lengths.iter().copied().max().unwrap_or(1);
    let each = values_of(&derived, longest, arguments.lengths.len());
    let elements: usize = derived
        .results_of(ResultKind::Gradient)
        .filter_map(|result| {
            env.params
                .get(&result.name)
                .or_else(|| env.inputs.get(&result.name))
        })
        .map(|value| value.len())
        .sum();
    if 2.0 * each * elements as f64 > MOST_WORK {
        writeln!(
            out,
            "gradient: {DIRECTIONS} directions through {elements} elements agree with differences"
        )?;
        return Ok(());
    }
    let checked = check_elements(&derived, &env).map_err(|error| finding(error.to_string()))?;
    writeln!(
        out,
        "gradient: {checked} elements and {DIRECTIONS} directions agree with differences"
    )?;
    Ok(())
}

fn check_code(arguments: &Arguments, bound: &Verified, out: &mut dyn Write) -> Outcome {
    let has = |kind: ResultKind| bound.results_of(kind).next().is_some();
    if has(ResultKind::Gradient) || has(ResultKind::BatchLoss) {
        writeln!(
            out,
            "code: equations of a program, not of a model, nothing to check"
        )?;
        return Ok(());
    }
    for program in Program::ALL {
        let is_there = match program {
            Program::Forward => has(ResultKind::Output),
            Program::Loss | Program::Gradient => bound.loss().is_some(),
        };
        if !is_there {
            continue;
        }
        let options = Options::default();
        let mut bench =
            Workbench::new(bound, program, &options, &arguments.lengths, arguments.seed)?;
        let checked = bench.check(TOLERANCE)?;
        writeln!(
            out,
            "code: {} program, {checked} elements agree with the interpreter",
            program.name()
        )?;
    }
    Ok(())
}
