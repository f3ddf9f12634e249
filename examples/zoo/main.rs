//! Every cell of `rnn::cells`: compiled, checked against the interpreter on a small size, and timed.
//!
//! ```text
//! cargo run --release --example zoo -- --list             one cell a line
//! cargo run --release --example zoo -- --list --loops     and what kind of recurrence its loops are
//! cargo run --release --example zoo
//! cargo run --release --example zoo -- --cell Lstm,Mlstm --json rows.json
//! ```
//!
//! Rates count the products of the equations, two operations a multiply-add: a share of the peak is the share of the time that
//! a machine without any pointwise work would need, so a cell with few products has a small one however fast it runs.

#[path = "../../tests/zoo/agreement.rs"]
mod agreement;
#[path = "../../tests/zoo/drawn.rs"]
mod drawn;
mod flops;
#[path = "../../tests/zoo/formula.rs"]
mod formula;
#[path = "../../tests/zoo/loops.rs"]
mod loops;
#[path = "../../tests/zoo/models.rs"]
#[expect(dead_code, reason = "the tests step through values, too")]
mod models;
#[path = "../../tests/zoo/table.rs"]
mod table;
mod work;

use clap::Parser;
use loops::loops;
use models::Sample;
use serde_json::{Value, json};
use std::error::Error;
use std::path::PathBuf;
use table::{Cell, Visitor, WIDTH, visit};

/// Compiles, checks and times the cells of the literature.
#[derive(Parser, Debug)]
struct Arguments {
    /// Only says which cells there are.
    #[arg(long)]
    list: bool,
    /// With the list, says of each loop what kind of recurrence it is, on lines of their own.
    #[arg(long, requires = "list")]
    loops: bool,
    /// Cells; all if none is given.
    #[arg(long, value_delimiter = ',')]
    cell: Vec<String>,
    /// Examples in a batch.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Steps.
    #[arg(long, default_value_t = 50)]
    steps: usize,
    /// Threads that a call may use.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Seconds that each pass is timed for.
    #[arg(long, default_value_t = 0.25)]
    seconds: f64,
    /// Writes the rows to a file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The cells, a line each.
struct List<'a>(&'a Arguments);

impl Visitor for List<'_> {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, _: M, sized: fn(usize) -> M) {
        let large = sized(WIDTH);
        if self.0.asks_for(cell.name) {
            println!(
                "{:20} {:30} {:>8}  {:48} {}",
                cell.name,
                cell.source,
                cell.count(&large),
                cell.recurrence,
                cell.parameters,
            );
            let verdicts = match self.0.loops {
                true => loops(&large),
                false => Vec::new(),
            };
            for (states, verdict) in verdicts {
                println!("    {states}: {verdict}");
            }
        }
    }
}

/// What was measured.
struct Measured<'a> {
    arguments: &'a Arguments,
    rows: Vec<Value>,
    failed: Vec<String>,
}

impl Visitor for Measured<'_> {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, small: M, sized: fn(usize) -> M) {
        let large = sized(WIDTH);
        if !self.arguments.asks_for(cell.name) {
            return;
        }
        match work::measure(self.arguments, small, large) {
            Ok(measured) => {
                println!("{:20} {:>8} {measured}", cell.name, cell.count(&large));
                let mut row = measured.row();
                row["cell"] = json!(cell.name);
                row["parameters"] = json!(cell.count(&large));
                row["sizes"] = large.sizes().into_iter().collect();
                self.rows.push(row);
            }
            Err(error) => {
                println!("{:20} {:>8} {error}", cell.name, cell.count(&large));
                self.failed.push(cell.name.to_owned());
            }
        }
    }
}

impl Arguments {
    fn asks_for(&self, name: &str) -> bool {
        let named = |asked: &String| asked.eq_ignore_ascii_case(name);
        self.cell.is_empty() || self.cell.iter().any(named)
    }
}

/// The names of all cells.
struct Names(Vec<&'static str>);

impl Visitor for Names {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, _: M, _: fn(usize) -> M) {
        self.0.push(cell.name);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut names = Names(Vec::new());
    visit(&mut names);
    for asked in &arguments.cell {
        if !names.0.iter().any(|name| asked.eq_ignore_ascii_case(name)) {
            let known = names.0.join(", ");
            return Err(format!("no cell `{asked}`; there are {known}").into());
        }
    }
    if arguments.list {
        visit(&mut List(&arguments));
        return Ok(());
    }
    println!(
        "{} examples, {} steps, {} of {} GFLOP/s each",
        arguments.batch,
        arguments.steps,
        match arguments.threads {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads"),
        },
        work::peak().round(),
    );
    println!("{:20} {:>8} {}", "cell", "params", work::HEADER);
    let mut measured = Measured {
        arguments: &arguments,
        rows: Vec::new(),
        failed: Vec::new(),
    };
    visit(&mut measured);
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{:#}\n", json!(measured.rows)))?;
    }
    if measured.failed.is_empty() {
        return Ok(());
    }
    Err(format!("failed: {}", measured.failed.join(", ")).into())
}
