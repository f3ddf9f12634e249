//! Every stage of a compiled model can be read.

use rnn_jit::kernels::Isa;
use rnn_runtime::{Options, Program, compile};

use crate::models::*;

#[test]
fn explain_shows_every_stage() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let text = model.explain();
    for expected in [
        "# equations",
        "lstm.h[t] = ",
        "# recurrences\n\nlstm.h, lstm.c along t forward: nonlinear, dense\n",
        "# back-propagation through time",
        "d_lstm.c[t]",
        "# forward program",
        "# gradient program",
        "for t reverse",
        "arena",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert_eq!(text, model.explain());
    let wide = Isa::detect() == Isa::Avx512;
    assert_eq!(text.contains("; 16 lanes"), wide, "{text}");
    let asm = model.asm(Program::Gradient).expect("compiles");
    for expected in [" = MulAdd %", "vfmadd213ps", "zmm"] {
        assert_eq!(asm.contains(expected), wide, "{expected} in\n{asm}");
    }
}

#[test]
fn stages_can_be_asked_for() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let share = model.ir_after(Program::Gradient, "share").expect("a pass");
    assert!(share.matches("; ").count() >= 5, "{share}");
    assert!(share.contains("; gradient pass"));
    let error = model
        .ir_after(Program::Forward, "shrae")
        .expect_err("no pass");
    assert!(
        error
            .to_string()
            .starts_with("there is no pass `shrae`, expected one of carry_state")
    );
    assert!(model.ir().starts_with("model CharLm"));
    assert!(
        model
            .schedule(Program::Loss)
            .expect("has a loss")
            .contains("for t forward")
    );
    assert!(
        model
            .memory(Program::Forward, 2, 3)
            .expect("small")
            .contains("arena")
    );
    assert!(
        model
            .clif(Program::Forward)
            .expect("compiles")
            .contains("function")
    );
    assert!(!model.asm(Program::Forward).expect("compiles").is_empty());
}
