//! Measuring on request: one JSON request a line on standard input, one JSON row a line on standard output.
//!
//! ```json
//! {"cell": "lstm", "pass": "train", "B": 32, "T": 100, "I": 128, "H": 128, "threads": 2, "seconds": 0.2}
//! ```
//!
//! answers with the row of the case, `samples_us`, `peak_gflops` and `compile_ms`, for a stream also with `reading_us`, the time
//! it takes to read its weights once. A case stays compiled until another is
//! asked for, so a script can alternate its rounds with those of other implementations. `"export": "FILE"` writes
//! parameters, data and results as safetensors before measuring. What is wrong with a request is answered as `{"error": ..}`.
//!
//! `{"reading": 65536}` answers with `reading_us` alone, the time it takes to read so many floats from the cache they fit in: how
//! fast the machine is at the moment.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;

use clap::ValueEnum;
use rnn::jit::kernels::Isa;
use rnn::jit::reading_seconds;
use rnn::timing::{median, round};
use serde_json::{Value, json};

use crate::case::{Case, Cell, Dropout, Pass};
use crate::work::{Work, prepare};

/// Answers until the input ends.
pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    let mut held: Option<(Case, Box<dyn Work>)> = None;
    for line in stdin().lock().lines() {
        let row =
            answer(&line?, &mut held).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        let mut out = stdout().lock();
        writeln!(out, "{row}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(line: &str, held: &mut Option<(Case, Box<dyn Work>)>) -> Result<Value, Box<dyn Error>> {
    let request: Value = serde_json::from_str(line)?;
    if let Some(floats) = request.get("reading").and_then(Value::as_u64) {
        return Ok(json!({ "reading_us": reading_us(usize::try_from(floats)?) }));
    }
    let case = requested(&request)?;
    if held.as_ref().is_none_or(|(known, _)| *known != case) {
        // The memory of the case before is free by the time that this one takes its own.
        *held = None;
    }
    let (_, work) = match held {
        Some(held) => held,
        None => held.insert((case, prepare(&case, false)?)),
    };
    if let Some(path) = request.get("export").and_then(Value::as_str) {
        work.export(Path::new(path))?;
    }
    let seconds = request.get("seconds").and_then(Value::as_f64);
    let mut round = round(seconds.unwrap_or(0.1), |calls| work.run(calls))?;
    let samples = round.samples.clone();
    let mut row = case.row(work.flops(), median(&mut round.samples), round.peak);
    row["samples_us"] = json!(samples);
    row["peak_gflops"] = json!(round.peak);
    row["flops"] = json!(work.flops());
    if case.pass == Pass::Stream {
        row["reading_us"] = json!(reading_us((work.flops() / 2.0) as usize / case.batch));
    }
    row["compile_ms"] = json!(work.compiled_in().as_secs_f64() * 1e3);
    Ok(row)
}

/// Microseconds that reading so many floats takes, which lie as packed weights do: from the start of a cache line.
fn reading_us(floats: usize) -> Option<f64> {
    let all = vec![1.0; floats + 16];
    let start = all.as_ptr().align_offset(64).min(16);
    let seconds = reading_seconds(Isa::detect(), &all[start..start + floats]);
    seconds.map(|seconds| seconds * 1e6)
}

fn requested(request: &Value) -> Result<Case, Box<dyn Error>> {
    let word = |key: &str| {
        let word = request.get(key).and_then(Value::as_str);
        word.ok_or(format!("expected a word for `{key}`"))
    };
    let number = |key: &str| match request.get(key).and_then(Value::as_u64) {
        Some(number @ 1..) => Ok(usize::try_from(number)?),
        _ => Err(Box::<dyn Error>::from(format!(
            "expected a number above 0 for `{key}`"
        ))),
    };
    Ok(Case {
        cell: Cell::named(word("cell")?)?,
        pass: Pass::from_str(word("pass")?, false)?,
        batch: number("B")?,
        steps: number("T")?,
        inputs: number("I")?,
        hidden: number("H")?,
        threads: match request.get("threads") {
            Some(_) => number("threads")?,
            None => 1,
        },
        share: 1,
        dropout: Dropout::None,
    })
}
