//! The model that a command is about: a `.rir` file, or a cell of the zoo.
//!
//! **Invariant:** what comes out is verified.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use rnn::ir::bind::bind;
use rnn::ir::graph::Verified;
use rnn::ir::text::parse;
use rnn::ir::verify::verify;

use crate::cells;
use crate::error::{CliError, Outcome};

/// Bytes of a file of equations that are read.
const LONGEST: u64 = 1 << 26;
/// Violations that are shown.
const SHOWN: usize = 20;

/// Which model, and its sizes.
#[derive(Args)]
pub(crate) struct Source {
    /// A file of equations in text form, as `Model::IR` and `rnn ir` write it.
    #[arg(required_unless_present = "cell", conflicts_with = "cell")]
    file: Option<PathBuf>,
    /// A cell of `rnn::cells`, in the model that its tests are on.
    #[arg(long)]
    cell: Option<String>,
    /// Sizes, such as `H=64`; may be given several times.
    #[arg(long = "size", value_name = "NAME=SIZE", num_args = 1.., value_parser = size)]
    sizes: Vec<(String, usize)>,
}

fn size(text: &str) -> Result<(String, usize), String> {
    let wrong = || format!("expected a name and a number, such as `H=64`, found `{text}`");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok((
        name.trim().to_owned(),
        value.trim().parse().map_err(|_| wrong())?,
    ))
}

impl Source {
    /// The text of the model, and where it is from.
    pub(crate) fn text(&self) -> Outcome<(PathBuf, String)> {
        match (&self.file, &self.cell) {
            (Some(path), _) => Ok((path.clone(), read(path)?)),
            (None, Some(cell)) => {
                let text = cells::text(cell).ok_or_else(|| {
                    let known = cells::names().join(", ");
                    CliError::Usage(format!("no cell `{cell}`, expected one of {known}"))
                })?;
                Ok((PathBuf::from(cell), text.to_owned()))
            }
            (None, None) => Err(CliError::Usage("expected a file or a cell".to_owned())),
        }
    }

    /// The model, without sizes.
    pub(crate) fn model(&self) -> Outcome<Verified> {
        let (path, text) = self.text()?;
        let content = |reason| CliError::Content {
            path: path.clone(),
            reason,
        };
        let graph = parse(&text).map_err(|error| content(error.to_string()))?;
        verify(graph).map_err(|violations| {
            let mut lines: Vec<String> = violations
                .iter()
                .take(SHOWN)
                .map(ToString::to_string)
                .collect();
            if violations.len() > SHOWN {
                lines.push(format!("and {} more", violations.len() - SHOWN));
            }
            content(format!(
                "the equations are not valid:\n  {}",
                lines.join("\n  ")
            ))
        })
    }

    /// The model with its sizes if any was given.
    pub(crate) fn sized(&self) -> Outcome<Verified> {
        let model = self.model()?;
        match self.sizes.is_empty() {
            true => Ok(model),
            false => self.bound(&model, |_| None),
        }
    }

    /// The model with sizes: those given, and others by their position.
    pub(crate) fn bound(
        &self,
        model: &Verified,
        other: impl Fn(usize) -> Option<usize>,
    ) -> Outcome<Verified> {
        let mut sizes: Vec<(&str, usize)> = self
            .sizes
            .iter()
            .map(|(name, size)| (name.as_str(), *size))
            .collect();
        for (position, name) in model.sizes.iter().enumerate() {
            let given = sizes.iter().any(|(known, _)| known == name);
            if let (false, Some(size)) = (given, other(position)) {
                sizes.push((name, size));
            }
        }
        Ok(bind(model, &sizes)?)
    }
}

fn read(path: &Path) -> Outcome<String> {
    let failed = |source| CliError::File {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let content = |reason: String| CliError::Content {
        path: path.to_owned(),
        reason,
    };
    // A pipe or a device may never end.
    let known = fs::metadata(path).map_err(failed)?;
    if !known.is_file() {
        return Err(content("expected a file".to_owned()));
    }
    if known.len() > LONGEST {
        return Err(content(format!(
            "expected at most {LONGEST} bytes, found {}",
            known.len()
        )));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LONGEST).read_to_end(&mut bytes).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| content(error.to_string()))
}
