//! What is measured: a cell, a pass, and sizes.

use std::fmt;

use clap::ValueEnum;
use serde_json::{Value, json};

/// A recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cell {
    /// Long short-term memory.
    Lstm,
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
            Cell::Gru | Cell::GruBefore | Cell::Peephole | Cell::ResidualGru => (3, 1),
            Cell::MinGru => (2, 0),
            Cell::IndRnn => (1, 0),
        };
        let of_inputs = gates * self.hidden * self.inputs;
        let of_states = gates * self.hidden * self.hidden * recurrent;
        let multiply_adds = match self.pass {
            Pass::Stream | Pass::Forward => of_inputs + of_states,
            // Outputs, weight gradients, and what flows back through the states.
            Pass::Train => 2 * (of_inputs + of_states) + of_states,
        };
        2.0 * (self.steps * self.batch * multiply_adds) as f64
    }

    /// The row of a measurement.
    pub(crate) fn row(&self, ours_us: f64, peak: f64) -> Value {
        let gflops = self.flops() / ours_us * 1e-3;
        json!({
            "case": self.to_string(), "cell": name(self.cell), "pass": name(self.pass),
            "B": self.batch, "T": self.steps, "I": self.inputs, "H": self.hidden, "threads": self.threads,
            "ours_us": ours_us, "gflops": gflops, "peak_share": gflops / peak,
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
        };
        let forward = 2.0 * 15.0 * 4.0 * 11.0 * 18.0;
        assert_eq!(case(Cell::Lstm, Pass::Forward).flops(), forward);
        let backward = forward + 2.0 * 15.0 * 4.0 * 11.0 * 11.0;
        assert_eq!(case(Cell::Lstm, Pass::Train).flops(), forward + backward);
        // No state passes through a product: the forward pass, and as much for the weight gradient.
        let forward = 2.0 * 15.0 * 11.0 * 7.0;
        assert_eq!(case(Cell::IndRnn, Pass::Train).flops(), 2.0 * forward);
    }
}
