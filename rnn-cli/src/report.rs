//! `rnn report`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use rnn::log::History;
use rnn::plot::curves;

use crate::error::{CliError, Outcome};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder that a `RunLog` writes.
    run: PathBuf,
    /// The page; `report.html` in the folder if not given.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Also writes the curves alone: as PNG if the name ends so, else as SVG.
    #[arg(long)]
    curves: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Outcome {
    let run = History::read(&arguments.run)?;
    let path = match &arguments.output {
        Some(path) => path.clone(),
        None => arguments.run.join("report.html"),
    };
    fs::write(&path, run.html()?).map_err(|source| CliError::File {
        action: "write",
        path: path.clone(),
        source,
    })?;
    writeln!(out, "{}", path.display())?;
    if let Some(path) = &arguments.curves {
        curves(path, &run.panels())?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}
