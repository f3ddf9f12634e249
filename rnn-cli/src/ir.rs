//! `rnn ir`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rnn::Program;
use rnn::ir::autodiff::{Wrt, differentiate};
use rnn::ir::graph::Verified;
use rnn::ir::text::print;
use rnn::ir::textbook::{Diagram, equations, summary};
use rnn::stages::{Until, run_named, stage};

use crate::draw::draw;
use crate::error::{CliError, Outcome};
use crate::model::Source;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Which equations: the model as it is written, its gradient as it is derived, or those of a program.
    #[arg(long, value_enum, default_value_t = Stage::Model)]
    stage: Stage,
    /// Stops the pipeline of a program after the first run of this pass; `backward:PASS` after differentiation.
    #[arg(long, value_name = "PASS")]
    until: Option<String>,
    /// Passes to run on the equations, in order; may be given several times.
    #[arg(long = "pass", value_name = "PASS")]
    passes: Vec<String>,
    /// Draws parameters, too.
    #[arg(long)]
    params: bool,
    /// Writes to a file; a name that ends with `.png` paints the picture.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The text form, `.rir`.
    Text,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
    /// A picture.
    Svg,
    /// As a textbook writes them.
    Equations,
    /// Tables of shapes, parameters, multiply-adds and bytes.
    Summary,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// As it is written.
    Model,
    /// With its derivatives by all parameters, before any pass.
    Adjoint,
    /// The program of outputs.
    Forward,
    /// The program of the loss.
    Loss,
    /// The program of the loss and its gradient.
    Gradient,
}

impl Arguments {
    fn graph(&self) -> Outcome<Verified> {
        let model = self.source.sized()?;
        let program = match self.stage {
            Stage::Forward => Some(Program::Forward),
            Stage::Loss => Some(Program::Loss),
            Stage::Gradient => Some(Program::Gradient),
            Stage::Model | Stage::Adjoint => None,
        };
        let graph = match (program, &self.until) {
            (Some(program), None) => stage(&model, program, Until::End)?,
            (Some(program), Some(pass)) => {
                let until = match pass.strip_prefix("backward:") {
                    Some(pass) => Until::Backward(pass),
                    None => Until::Pass(pass),
                };
                stage(&model, program, until)?
            }
            (None, Some(_)) => {
                let reason =
                    "`--until` is of a pipeline; add `--stage forward`, `loss` or `gradient`";
                return Err(CliError::Usage(reason.to_owned()));
            }
            (None, None) if self.stage == Stage::Adjoint => {
                differentiate(&model, &Wrt::params())
                    .map_err(|error| CliError::Finding(error.to_string()))?
            }
            (None, None) => model,
        };
        Ok(run_named(graph, &self.passes)?)
    }
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Outcome {
    let graph = arguments.graph()?;
    let diagram = || match arguments.params {
        true => Diagram::with_params(&graph),
        false => Diagram::of(&graph),
    };
    let text = match arguments.format {
        Format::Text => print(&graph),
        Format::Dot => diagram().dot(),
        Format::Mermaid => diagram().mermaid(),
        Format::Svg => draw(&diagram())?,
        Format::Equations => equations(&graph),
        Format::Summary => summary(&graph).to_string(),
    };
    let Some(path) = &arguments.output else {
        out.write_all(text.as_bytes())?;
        return Ok(());
    };
    let is_png = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    let bytes = match (is_png, arguments.format) {
        (false, _) => text.into_bytes(),
        (true, Format::Svg) => rnn::plot::png(&text, 2.0)?,
        (true, _) => {
            let reason = "a PNG is painted from a picture; add `--format svg`";
            return Err(CliError::Usage(reason.to_owned()));
        }
    };
    fs::write(path, bytes).map_err(|source| CliError::File {
        action: "write",
        path: path.clone(),
        source,
    })
}
