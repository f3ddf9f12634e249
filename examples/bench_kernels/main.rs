//! How fast a recurrent layer runs on this machine, and how near that is to what the machine can do.
//!
//! ```text
//! cargo run --release --example bench_kernels
//! cargo run --release --example bench_kernels -- --cell lstm,gru --pass train --batch 1,32 --hidden 128 --json rows.json
//! ```
//!
//! Cells are those of this tool (`lstm`, `gru`, ..) and all of the zoo by their names (`Lstm`, `Mlstm`, ..).
//! `--dropout none,step,zoneout` trains an LSTM with and without random numbers, in turns. `--profile` adds a table of the kernels
//! of each case. Lists give all combinations. Rounds of calls alternate with measurements of the peak, a register-only chain of
//! multiply-adds, and medians over all rounds are shown: pin it to a core (`taskset -c 1 ..`) and leave the machine alone.

#[path = "../../tests/zoo/models.rs"]
#[expect(dead_code, reason = "the tests step through values, too")]
#[macro_use]
mod models;

mod case;
mod decay;
#[path = "../../tests/zoo/drawn.rs"]
#[expect(dead_code, reason = "the tests draw parameters, too")]
mod drawn;
mod dropped;
#[path = "../zoo/flops.rs"]
mod flops;
#[path = "../../tests/zoo/formula.rs"]
mod formula;
mod language;
mod layers;
mod serve;
#[path = "../../tests/zoo/table.rs"]
#[expect(dead_code, reason = "the tests count parameters, too")]
mod table;
mod work;
mod zoo;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use case::{Case, Cell, Dropout, Pass};
use clap::Parser;
use rnn::timing;
use serde_json::{Value, json};

/// Measures recurrent layers.
#[derive(Parser, Debug)]
struct Arguments {
    /// Cells: of this tool in small letters, such as `lstm`; of the zoo by their names, such as `Mlstm`.
    #[arg(long, value_parser = Cell::named, value_delimiter = ',', default_value = "lstm")]
    cell: Vec<Cell>,
    /// What to time.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "forward,train"
    )]
    pass: Vec<Pass>,
    /// Examples; a stream has one unless this is given.
    #[arg(long, value_delimiter = ',')]
    batch: Vec<usize>,
    /// Sizes of the hidden state.
    #[arg(long, value_delimiter = ',', default_value = "128")]
    hidden: Vec<usize>,
    /// Size of the input; that of the hidden state if not given.
    #[arg(long)]
    input: Option<usize>,
    /// Steps; a stream does one at a time.
    #[arg(long, default_value_t = 100)]
    steps: usize,
    /// Threads that a call may use.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Trains in a part of the memory that a step takes: one in so many.
    #[arg(long, default_value_t = 1)]
    memory_share: usize,
    /// What an LSTM drops in training; several take turns, and are compared with the first.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "none")]
    dropout: Vec<Dropout>,
    /// Rounds of calls.
    #[arg(long, default_value_t = 8)]
    rounds: usize,
    /// Seconds of calls in a round.
    #[arg(long, default_value_t = 0.1)]
    seconds: f64,
    /// Also prints where the time of each case goes, from calls of a model that measures itself; of compiling, its stages.
    #[arg(long)]
    profile: bool,
    /// Writes the rows to a file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measures what is asked for on standard input, a JSON object a line.
    #[arg(long)]
    serve: bool,
}

impl Arguments {
    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (&cell, &pass) in self
            .cell
            .iter()
            .flat_map(|c| self.pass.iter().map(move |p| (c, p)))
        {
            let batches: &[usize] = match (self.batch.as_slice(), pass) {
                ([], Pass::Stream) => &[1],
                ([], Pass::Compile) => &[1],
                ([], _) => &[32],
                (given, _) => given,
            };
            for (&batch, &hidden) in batches
                .iter()
                .flat_map(|b| self.hidden.iter().map(move |h| (b, h)))
            {
                let steps = if pass == Pass::Stream { 1 } else { self.steps };
                cases.push(Case {
                    cell,
                    pass,
                    batch,
                    steps,
                    inputs: self.input.unwrap_or(hidden),
                    hidden,
                    threads: self.threads,
                    share: self.memory_share,
                    dropout: Dropout::None,
                });
            }
        }
        cases
    }
}

// Cases that differ in what they drop take turns, round by round, so that a disturbance meets all of them.
fn measure(case: &Case, arguments: &Arguments) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut all = Vec::new();
    for &dropout in &arguments.dropout {
        let case = Case { dropout, ..*case };
        all.push((case, work::prepare(&case, false)?, Vec::new(), Vec::new()));
    }
    for _ in 0..arguments.rounds.max(1) {
        for (_, work, samples, peaks) in &mut all {
            let round = timing::round(arguments.seconds, |calls| work.run(calls))?;
            samples.extend(round.samples);
            peaks.push(round.peak);
        }
    }
    let mut rows: Vec<Value> = Vec::new();
    let mut first = None;
    for (case, work, samples, peaks) in &mut all {
        let (us, peak) = (timing::median(samples), timing::median(peaks));
        let mut row = report(case, work.as_ref(), (us, peak), arguments)?;
        if let Some(first) = first {
            println!("    {:.3} of the time of the first", us / first);
            row["of_first"] = json!(us / first);
        }
        first = first.or(Some(us));
        rows.push(row);
    }
    Ok(rows)
}

fn report(
    case: &Case,
    work: &dyn work::Work,
    (us, peak): (f64, f64),
    arguments: &Arguments,
) -> Result<Value, Box<dyn Error>> {
    println!(
        "{:36} {us:12.2} {:9.1} {:6.0} % {:9.1} {:9.1}",
        case.to_string(),
        work.flops() / us * 1e-3,
        100.0 * work.flops() / us * 1e-3 / peak,
        work.compiled_in().as_secs_f64() * 1e3,
        work.bytes() as f64 / (1 << 20) as f64,
    );
    let mut row = case.row(work.flops(), us, peak);
    if let Some(tokens) = case.tokens() {
        let after = work.optimiser_us().unwrap_or_default();
        println!(
            "    {:.0} tokens per second; clipping and Adam take {after:.0} us, {:.1} % of a step",
            tokens / us * 1e6,
            100.0 * after / us
        );
        row["optimiser_us"] = json!(after);
    }
    if arguments.profile && case.pass == Pass::Compile {
        println!("\n{}", work.compile_report());
    } else if arguments.profile {
        let mut work = work::prepare(case, true)?;
        // The first calls take memory.
        timing::round(0.0, |calls| work.run(calls))?;
        work.reset_profile();
        timing::round(arguments.seconds, |calls| work.run(calls))?;
        let profile = work.profile()?;
        println!("\n{profile}");
        row["profile"] = profile.to_json();
    }
    Ok(row)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if arguments.serve {
        return serve::serve();
    }
    println!(
        "{:36} {:>12} {:>9} {:>8} {:>9} {:>9}",
        "case", "us per call", "GFLOP/s", "of peak", "compile ms", "MiB"
    );
    let mut rows = Vec::new();
    for case in arguments.cases() {
        rows.extend(measure(&case, &arguments)?);
    }
    if let Some(path) = &arguments.json {
        fs::write(path, format!("{:#}\n", json!(rows)))?;
    }
    Ok(())
}
