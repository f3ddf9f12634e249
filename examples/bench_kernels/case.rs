//! What is measured: a cell, a pass, and sizes.

use std::fmt;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::language::CHARACTERS;

/// A recurrent cell.
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
    /// Operations, two a multiply-add of its products. Pointwise work is not counted: a rate is the share of the time that
    /// a machine without any would need.
    pub(crate) fn flops(&self) -> f64 {
        let (gates, recurrent) = match self.cell {
            Cell::Lstm | Cell::OwnLstm | Cell::NormLstm => (4, 1),
            Cell::BiLstm => (8, 1),
            Cell::Gru | Cell::GruBefore | Cell::Peephole | Cell::ResidualGru => (3, 1),
            Cell::MinGru => (2, 0),
            Cell::IndRnn => (1, 0),
            Cell::CharLm => (4, 1),
        };
        let of_inputs = gates * self.hidden * self.inputs;
        let of_states = gates * self.hidden * self.hidden * recurrent;
        let of_logits = match self.cell {
            Cell::CharLm => CHARACTERS * self.hidden,
            _ => 0,
        };
        let multiply_adds = match self.pass {
            Pass::Stream | Pass::Forward => of_inputs + of_states,
            // Outputs, weight gradients, and what flows back through the states.
            Pass::Train | Pass::Decay | Pass::Live => 2 * (of_inputs + of_states) + of_states,
            // And into the embedding and the states below the logits.
            Pass::Step => 3 * (of_inputs + of_states + of_logits),
            Pass::Compile => 0,
        };
        2.0 * (self.steps * self.batch * multiply_adds) as f64
    }

    /// Characters that a step of training predicts.
    pub(crate) fn tokens(&self) -> Option<f64> {
        (self.pass == Pass::Step).then(|| (self.steps * self.batch) as f64)
    }

    /// Features of an output.
    pub(crate) fn outputs(&self) -> usize {
        match self.cell {
            Cell::BiLstm => 2 * self.hidden,
            _ => self.hidden,
        }
    }

    /// The row of a measurement.
    pub(crate) fn row(&self, ours_us: f64, peak: f64) -> Value {
        let gflops = self.flops() / ours_us * 1e-3;
        json!({
            "case": self.to_string(), "cell": name(self.cell), "pass": name(self.pass),
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
            name(cell),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_those_of_the_products() {
        let case = |cell, pass| Case {
            cell,
            pass,
            batch: 3,
            steps: 5,
            inputs: 7,
            hidden: 11,
            threads: 1,
            share: 1,
            dropout: Dropout::None,
        };
        let forward = 2.0 * 15.0 * 4.0 * 11.0 * 18.0;
        assert_eq!(case(Cell::Lstm, Pass::Forward).flops(), forward);
        let backward = forward + 2.0 * 15.0 * 4.0 * 11.0 * 11.0;
        assert_eq!(case(Cell::Lstm, Pass::Train).flops(), forward + backward);
        // No state passes through a product: the forward pass, and as much for the weight gradient.
        let forward = 2.0 * 15.0 * 11.0 * 7.0;
        assert_eq!(case(Cell::IndRnn, Pass::Train).flops(), 2.0 * forward);
        let forward = 2.0 * 15.0 * (4.0 * 11.0 * 18.0 + 96.0 * 11.0);
        assert_eq!(case(Cell::CharLm, Pass::Step).flops(), 3.0 * forward);
        assert_eq!(case(Cell::CharLm, Pass::Step).tokens(), Some(15.0));
    }
}
