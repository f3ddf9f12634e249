//! Every stage of a model of your own, from its equations to machine code.
//!
//! ```text
//! cargo run --release --example inspect_ir            equations, BPTT equations, loop program, kernels, memory
//! cargo run --release --example inspect_ir -- --ir    the graph as text
//! cargo run --release --example inspect_ir -- --clif  what is given to Cranelift
//! cargo run --release --example inspect_ir -- --asm   what Cranelift made of it
//! ```

use clap::Parser;
use rnn::Program;
use rnn::prelude::*;

rnn! {
    /// The network of the textbooks, with its pre-activation and output named.
    pub model Vanilla<I, H, O> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [O];

        param W_xh: [H, I] ~ glorot_uniform;
        param W_hh: [H, H] ~ orthogonal;
        param b_h:  [H]    = 0;
        param W_hy: [O, H] ~ glorot_uniform;
        param b_y:  [O]    = 0;

        a[t] = W_xh @ x[t] + W_hh @ h[t-1] + b_h;
        h[t] = tanh(a[t]);
        o[t] = W_hy @ h[t] + b_y;

        output o;
        loss   sum[t](squared_error(o[t], y[t]));
    }
}

/// Shows what a model becomes.
#[derive(Parser)]
struct Arguments {
    /// The graph in text form.
    #[arg(long)]
    ir: bool,
    /// The intermediate language of the code generator, of the training program.
    #[arg(long)]
    clif: bool,
    /// The disassembly of the training program.
    #[arg(long)]
    asm: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let model = Vanilla { I: 3, H: 8, O: 2 }.compile(Options::default())?;
    if arguments.ir {
        println!("{}", model.ir());
    } else if arguments.clif {
        println!("{}", model.clif(Program::Gradient)?);
    } else if arguments.asm {
        println!("{}", model.asm(Program::Gradient)?);
    } else {
        println!("{}", model.explain());
    }
    Ok(())
}
