//! What is measured: a cell, a pass, and sizes.

use std::fmt;

use clap::ValueEnum;
use rnn::Program;
use serde_json::{Value, json};

use crate::zoo;

/// A recurrent cell: those in small letters are of this tool, and `Lstm`, `Mlstm` .. of the zoo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cell {
    /// Long short-term memory.
    Lstm,
    /// The LSTM in both directions.
    #[value(name = "bilstm")]
    BiLstm,
    /// The LSTM, written in this tool.
    OwnLstm,
    /// Gated recurrent unit as PyTorch, ONNX and JAX libraries have it: the reset gate after the product.
    Gru,
    /// Gated recurrent unit of Cho et al.: the reset gate before the product.
    GruBefore,
    /// LSTM with layer normalisation.
    #[value(name = "lnlstm")]
    NormLstm,
    /// LSTM with peepholes and coupled input gate.
    Peephole,
    /// GRU with a scaled shortcut.
    #[value(name = "resgru")]
    ResidualGru,
    /// Minimal GRU.
    #[value(name = "mingru")]
    MinGru,
    /// Independently recurrent network.
    #[value(name = "indrnn")]
    IndRnn,
    /// The character language model, with 96 characters: an embedding as large as the input, an LSTM, logits.
    #[value(name = "charlm")]
    CharLm,
    /// A cell of [`rnn::cells`], by its name there. It has the sizes of the zoo's table, in proportion to the hidden state.
    #[value(skip)]
    Zoo(&'static str),
}

impl Cell {
    /// The cell of a name.
    pub(crate) fn named(text: &str) -> Result<Self, String> {
        let zoo = zoo::names();
        if let Some(name) = zoo.iter().find(|name| **name == text) {
            return Ok(Self::Zoo(name));
        }
        Self::from_str(text, false).map_err(|_| {
            let own = Self::value_variants().iter().map(|cell| cell.name());
            let known: Vec<String> = own.chain(zoo.into_iter().map(str::to_owned)).collect();
            format!("no cell `{text}`; there are {}", known.join(", "))
        })
    }

    fn name(self) -> String {
        match self {
            Self::Zoo(name) => name.to_owned(),
            own => name(own),
        }
    }
}

/// What an LSTM drops, or disturbs, in training; [`crate::dropped`] has the equations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dropout {
    /// Nothing.
    None,
    /// Inputs and states, by one mask a sequence.
    Sequence,
    /// Inputs and states, by a mask a step.
    Step,
    /// Recurrent weights, by one mask a batch.
    Weights,
    /// Candidates, by a mask a step.
    Candidate,
    /// Steps of both states.
    Zoneout,
    /// Inputs, by normal numbers.
    Noise,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pass {
    /// One step of a stream.
    Stream,
    /// All outputs of a batch of sequences, with parameters that stay as they are.
    Forward,
    /// All outputs, and from a gradient of each the gradients of all parameters; parameters change between calls.
    Train,
    /// As `train`, of an LSTM whose states decay into subnormal numbers: the input is nearly nothing, and after the first
    /// step nothing.
    Decay,
    /// As `decay`, from an input of ordinary size.
    Live,
    /// A whole step of training of the language model: forward, backward, clipping by the global norm, Adam.
    Step,
    /// Compiling: outputs, loss and gradient.
    Compile,
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) cell: Cell,
    pub(crate) pass: Pass,
    /// Examples.
    pub(crate) batch: usize,
    /// Steps; 1 for [`Pass::Stream`].
    pub(crate) steps: usize,
    pub(crate) inputs: usize,
    pub(crate) hidden: usize,
    /// Threads that a call may use.
    pub(crate) threads: usize,
    /// Into how small a part of the memory of a training step it has to fit: one in so many.
    pub(crate) share: usize,
    pub(crate) dropout: Dropout,
}

fn name(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Case {
    /// Characters that a step of training predicts.
    pub(crate) fn tokens(&self) -> Option<f64> {
        (self.pass == Pass::Step).then(|| (self.steps * self.batch) as f64)
    }

    /// What is compiled for it.
    pub(crate) fn program(&self) -> Program {
        match self.pass {
            Pass::Stream | Pass::Forward => Program::Forward,
            _ => Program::Gradient,
        }
    }

    /// The row of a measurement, of a call of so many operations.
    pub(crate) fn row(&self, flops: f64, ours_us: f64, peak: f64) -> Value {
        let gflops = flops / ours_us * 1e-3;
        json!({
            "case": self.to_string(), "cell": self.cell.name(), "pass": name(self.pass),
            "B": self.batch, "T": self.steps, "I": self.inputs, "H": self.hidden, "threads": self.threads,
            "dropout": name(self.dropout),
            "ours_us": ours_us, "gflops": gflops, "peak_share": gflops / peak,
            "tokens_per_second": self.tokens().map(|tokens| tokens / ours_us * 1e6),
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cell, pass, .. } = *self;
        write!(
            f,
            "{}_{}_b{}_t{}_i{}_h{}",
            cell.name(),
            name(pass),
            self.batch,
            self.steps,
            self.inputs,
            self.hidden
        )?;
        match self.threads {
            1 => Ok(()),
            threads => write!(f, "_{threads}threads"),
        }?;
        match self.share {
            1 => Ok(()),
            share => write!(f, "_memory/{share}"),
        }?;
        match self.dropout {
            Dropout::None => Ok(()),
            dropout => write!(f, "_{}", name(dropout)),
        }
    }
}
