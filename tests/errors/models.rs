//! Models that cannot be compiled, drawn or run.

use rnn::error::{InitError, ModelError, ParamsError};
use rnn::ir::bind::bind;
use rnn::workbench::{Workbench, WorkbenchError};
use rnn::{CompileError, Init, Program};

use crate::*;

#[test]
fn sizes_beyond_the_address_space() {
    let huge = Follow {
        I: 1 << 40,
        H: 1 << 40,
    };
    fails!(
        huge.compile(Options::default()),
        CompileError::Model(ModelError::Sizes { .. }),
        "Follow",
        "elements"
    );
    // Elements that can be counted, and bytes that cannot.
    let large = Follow {
        I: 1 << 28,
        H: 1 << 28,
    };
    fails!(
        large.compile(Options::default()),
        CompileError::Jit { .. },
        "model `Follow`",
        "more memory than can be addressed"
    );
    fails!(
        FollowParams::init(&huge, 1),
        InitError::Model(ModelError::Sizes { .. }),
        "Follow"
    );
}

#[test]
fn initialisers_that_draw_nothing() {
    fails!(
        Init::parse("normal(0.0, 0.1"),
        InitError::Syntax { .. },
        "expected an initialiser such as",
        "found `normal(0.0, 0.1`"
    );
    let (_, params) = say();
    let specs = follow().0.param_specs().to_vec();
    fails!(
        rnn::initialize(&mut params.clone(), &specs, 1),
        InitError::Params(ParamsError::Name { .. }),
        "tensor 0",
        "`W`",
        "`E`"
    );
}

#[test]
fn workbenches_of_programs_and_sizes_that_there_are_not() {
    let graph = |text: &str, sizes: &[(&str, usize)]| {
        let graph = rnn::ir::text::parse(text).unwrap();
        let verified = rnn::ir::verify::verify(graph).unwrap();
        bind(&verified, sizes).unwrap()
    };
    let open = |graph, program, lengths: &[usize]| {
        Workbench::new(graph, program, &Options::default(), lengths, 1)
    };
    let small = graph(<Unfold as rnn::Model>::IR, &[("H", 3)]);
    fails!(
        open(&small, Program::Loss, &[2]),
        WorkbenchError::Compile(CompileError::NoLoss { .. }),
        "model `Unfold` has no loss",
        "loss program"
    );
    let unbound = rnn::ir::text::parse(<Unfold as rnn::Model>::IR).unwrap();
    let unbound = rnn::ir::verify::verify(unbound).unwrap();
    fails!(
        open(&unbound, Program::Forward, &[2]),
        WorkbenchError::Compile(CompileError::Model(ModelError::Sizes { .. })),
        "model `Unfold`",
        "size `H`",
        "has no value; give it one"
    );
    let large = graph(<Unfold as rnn::Model>::IR, &[("H", 40_000)]);
    fails!(
        open(&large, Program::Forward, &[2]),
        WorkbenchError::TooLarge { .. },
        "expected at most",
        "give it smaller sizes, batch or steps"
    );
    let mut bench = open(&small, Program::Forward, &[3, 2]).unwrap();
    assert!(bench.check(1e-4).unwrap() > 0);
    fails!(
        bench.check(-1.0),
        WorkbenchError::Differs { .. },
        "forward program",
        "the interpreter"
    );
    // Little is given, and much is computed of it.
    let wide = graph(<Unfold as rnn::Model>::IR, &[("H", 500)]);
    let mut bench = open(&wide, Program::Forward, &[1 << 22]).unwrap();
    fails!(
        bench.run().map_err(WorkbenchError::from),
        WorkbenchError::Jit(_),
        "bytes"
    );
}

rnn! {
    /// Starts from a symbol of its own.
    pub model Start<V, H> {
        time   t in 1..=T;
        target next[t]: token<V>;
        param E, W: [V, H] ~ normal(0.0, 1.0);
        next[0] = 2;
        h[t] = tanh(h[t-1] + E[next[t-1]]);
        logits[t] = W @ h[t];
        loss mean[t](cross_entropy(logits[t], next[t]));
    }

    /// The third row.
    pub model Third<V, H> {
        time  t in 1..=T;
        input x[t]: [H];
        param E: [V, H] ~ normal(0.0, 1.0);
        y[t] = x[t] * E[2];
        output y;
    }
}

#[test]
fn tokens_that_equations_make_beyond_what_they_index() {
    assert!(Start { V: 3, H: 2 }.compile(Options::default()).is_ok());
    fails!(
        Start { V: 2, H: 2 }.compile(Options::default()),
        CompileError::Model(ModelError::Sizes { .. }),
        "model `Start`",
        "token 2 is looked up in `E`, which has 2; make it one below 2, or the size larger"
    );
    assert!(Third { V: 3, H: 2 }.compile(Options::default()).is_ok());
    fails!(
        Third { V: 2, H: 2 }.compile(Options::default()),
        CompileError::Model(ModelError::Sizes { .. }),
        "model `Third`",
        "`y`"
    );
}
