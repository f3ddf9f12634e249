//! `rnn inspect`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use rnn::checkpoint::{Statistics, TensorSummary, inspect, statistics};
use serde_json::{Map, Value, json};

use crate::error::{CliError, Outcome};

/// Letters of a value of the metadata that are shown.
const SHOWN: usize = 160;
/// What the keys of state tensors begin with.
const OPTIMIZER: &str = "optimizer/";
/// What the keys of the format begin with.
const RESERVED: &str = "rnn.";

#[derive(Args)]
pub(crate) struct Arguments {
    /// A checkpoint, or any other safetensors file.
    checkpoint: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Prints values of the metadata whole.
    #[arg(long)]
    full: bool,
}

type Row = (TensorSummary, Option<Statistics>);

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Outcome {
    let metadata = inspect(&arguments.checkpoint)?.metadata;
    let rows = statistics(&arguments.checkpoint)?;
    if arguments.json {
        let tensors: Vec<Value> = rows.iter().map(row_json).collect();
        let metadata: Map<String, Value> = metadata
            .into_iter()
            .map(|(key, value)| (key, value.into()))
            .collect();
        writeln!(
            out,
            "{:#}",
            json!({ "tensors": tensors, "metadata": metadata })
        )?;
    } else {
        let has_state = metadata.contains_key("rnn.optimizer");
        let is_state = |row: &&Row| has_state && row.0.name.starts_with(OPTIMIZER);
        let (state, params): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(is_state);
        write_tensors(out, "tensor", &params)?;
        write_tensors(out, "state of the optimiser", &state)?;
        for (title, reserved) in [("run", true), ("metadata", false)] {
            let own = metadata
                .iter()
                .filter(|(key, _)| key.starts_with(RESERVED) == reserved);
            for (at, (key, value)) in own.enumerate() {
                if at == 0 {
                    writeln!(out, "{title}")?;
                }
                let key = if reserved {
                    key.trim_start_matches(RESERVED)
                } else {
                    key
                };
                writeln!(
                    out,
                    "  {} = {}",
                    shown(key, true),
                    shown(value, arguments.full)
                )?;
            }
        }
    }
    let lost: Vec<String> = rows
        .iter()
        .filter_map(|(tensor, own)| {
            let lost = own.as_ref()?.not_finite;
            (lost > 0).then(|| format!("`{}` has {lost}", tensor.name))
        })
        .collect();
    match lost.is_empty() {
        true => Ok(()),
        false => Err(CliError::Finding(format!(
            "numbers that are not finite: {}",
            lost.join(", ")
        ))),
    }
}

fn elements(tensor: &TensorSummary) -> u128 {
    tensor.shape.iter().map(|size| *size as u128).product()
}

fn write_tensors(out: &mut dyn Write, title: &str, rows: &[&Row]) -> Outcome {
    if rows.is_empty() {
        return Ok(());
    }
    let head = [
        title,
        "type",
        "shape",
        "elements",
        "mean",
        "deviation",
        "smallest",
        "largest",
        "zeros",
    ];
    let mut table: Vec<[String; 9]> = vec![head.map(str::to_owned)];
    let mut total = 0;
    for (tensor, own) in rows {
        total += elements(tensor);
        let number = |of: fn(&Statistics) -> f64| match own {
            Some(own) if own.finite > 0 => format!("{:.4e}", of(own)),
            _ => "-".to_owned(),
        };
        let zeros = own
            .as_ref()
            .map_or("-".to_owned(), |own| own.zeros.to_string());
        table.push([
            shown(&tensor.name, true),
            tensor.dtype.clone(),
            format!("{:?}", tensor.shape),
            elements(tensor).to_string(),
            number(|own| own.mean),
            number(|own| own.deviation),
            number(|own| own.smallest),
            number(|own| own.largest),
            zeros,
        ]);
    }
    let width = |column: usize| {
        table
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 9] = std::array::from_fn(width);
    for row in &table {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            line += &match column {
                0..=2 => format!("{cell:width$}  "),
                _ => format!("{cell:>width$}  "),
            };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out, "{} tensors, {total} elements\n", rows.len())?;
    Ok(())
}

// A text on one line, cut where it is long.
fn shown(text: &str, full: bool) -> String {
    let line: String = text
        .chars()
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect();
    let length = line.chars().count();
    match full || length <= SHOWN {
        true => line,
        false => {
            let head: String = line.chars().take(SHOWN).collect();
            format!("{head}.. ({length} letters)")
        }
    }
}

fn row_json((tensor, own): &Row) -> Value {
    let statistics = own.as_ref().map(|own| {
        json!({
            "finite": own.finite, "not_finite": own.not_finite, "zeros": own.zeros,
            "smallest": own.smallest, "largest": own.largest, "mean": own.mean, "deviation": own.deviation,
        })
    });
    json!({ "name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape, "statistics": statistics })
}
