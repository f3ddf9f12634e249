//! A profile has a row for each kernel, counts what ran, and changes no result.

use ndarray::Array2;
use rnn_jit::profile::Kind;
use rnn_runtime::{
    CallError, Compiled, Inputs, Options, Profile, ProfileRow, Program, Tensors, compile,
    init_params, zero_params,
};

use crate::models::*;

fn profiled() -> Compiled<CharLm> {
    compile(CHAR_LM, Options::default().profile(true).threads(1)).expect("compiles")
}

fn tokens(steps: usize, batch: usize) -> Array2<u32> {
    Array2::from_shape_fn((steps, batch), |(t, b)| {
        ((7 * t + 3 * b + t * b) % CHAR_LM.V) as u32
    })
}

// Whether it is the row of a kernel: where no equation has its name, that of one it is for is behind it.
fn is_row_of(row: &ProfileRow, label: &str) -> bool {
    let rest = row.name.strip_prefix(label);
    is_kernel(row.kind) && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" for "))
}

// Loss and gradients as bits.
fn train(model: &Compiled<CharLm>, steps: usize, lengths: &[usize]) -> Vec<u32> {
    let params = init_params(&CHAR_LM, 3).expect("small");
    let mut grads = zero_params(&CHAR_LM).expect("small");
    let tokens = tokens(steps, lengths.len());
    let inputs = CharLmInputs { now: tokens.view() }.lengths(lengths);
    let targets = CharLmTargets {
        next: tokens.view(),
    };
    let value = (model.loss_and_grad(&params, inputs, targets, &mut grads)).expect("trains");
    let mut bits = vec![value.loss.to_bits()];
    grads.visit(&mut |_, view| bits.extend(view.iter().map(|value| value.to_bits())));
    bits
}

fn is_kernel(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Packing | Kind::CopyIn | Kind::CopyOut | Kind::Rest
    )
}

// The kernels of the printed program: the end of each line, and how many loops over steps are around it.
fn kernels(model: &Compiled<CharLm>, program: Program) -> Vec<(String, usize)> {
    let text = model.schedule(program).expect("has a loss");
    let mut loops: Vec<(usize, bool)> = Vec::new();
    let mut out = Vec::new();
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        loops.retain(|(at, _)| *at < depth);
        if line.trim_start().starts_with("for ") {
            loops.push((depth, !line.ends_with("in blocks")));
            continue;
        }
        let around = loops.iter().filter(|(_, steps)| *steps).count();
        let (_, label) = line.split_once("] ").expect("axes come before names");
        // Stacked parameters are a layout for the packer, and no kernel runs for them.
        let params = |name: &str| model.param_specs().iter().any(|spec| spec.name == name);
        let reads = label.split_once("<- ").map(|(_, reads)| reads);
        if !reads.is_some_and(|reads| reads.split(' ').all(params)) {
            out.push((label.to_owned(), around));
        }
    }
    out
}

#[test]
fn rows_are_the_kernels_of_the_program_and_count_its_steps() {
    let model = profiled();
    const STEPS: usize = 6;
    for _ in 0..3 {
        train(&model, STEPS, &[STEPS; 4]);
    }
    let profile = model.profile(Program::Gradient).expect("profiled");
    assert_eq!(profile.calls, 3);
    let kernels = kernels(&model, Program::Gradient);
    assert!(kernels.iter().any(|(_, around)| *around == 1));
    for (label, around) in &kernels {
        let rows: Vec<_> = (profile.rows.iter())
            .filter(|row| is_row_of(row, label))
            .collect();
        assert_eq!(rows.len(), 1, "{label} in\n{profile}");
        let expected = 3 * if *around == 1 { STEPS } else { 1 };
        assert_eq!(rows[0].calls, expected as u64, "{label} in\n{profile}");
    }
    let rows = profile.rows.iter().filter(|row| is_kernel(row.kind));
    assert_eq!(rows.count(), kernels.len(), "{profile}");
    let packs = profile.rows.iter().filter(|row| row.kind == Kind::Packing);
    assert!(
        packs.clone().count() >= 3 && packs.clone().all(|row| row.calls == 3),
        "{profile}"
    );
    let forward = model.profile(Program::Forward).expect("profiled");
    assert!(forward.rows.iter().all(|row| row.calls == 0), "{forward}");
    model.reset_profile();
    let empty = model.profile(Program::Gradient).expect("profiled");
    assert_eq!((empty.calls, empty.readings), (0, 0));
    assert!(
        empty
            .rows
            .iter()
            .all(|row| row.calls == 0 && row.work.flops == 0)
    );
}

#[test]
fn operations_are_those_of_the_equations() {
    let CharLm { V, E, H } = CHAR_LM;
    // Outputs, weight gradients, and what flows back: into the states, and into the embedding.
    let each = 3 * 2 * (V * H + 4 * H * (E + H));
    let flops = |profile: &Profile, kind: Kind| -> u64 {
        let rows = profile.rows.iter().filter(|row| row.kind == kind);
        rows.map(|row| row.work.flops).sum()
    };
    let model = profiled();
    for lengths in [vec![5; 3], vec![5, 2, 3], vec![1]] {
        model.reset_profile();
        // Two shapes, of which each has its own share.
        train(&model, 5, &lengths);
        train(&model, 7, &[7, 7]);
        let steps: usize = lengths.iter().sum::<usize>() + 14;
        let profile = model.profile(Program::Gradient).expect("profiled");
        let (products, gradients) = (
            flops(&profile, Kind::Product),
            flops(&profile, Kind::WeightGradient),
        );
        assert_eq!(
            products + gradients,
            (each * steps) as u64,
            "{lengths:?}\n{profile}"
        );
        assert_eq!(2 * gradients, products, "{lengths:?}\n{profile}");
    }
    // h[t] is written once a step, and the table's rows and tokens are read once each.
    let gather = |profile: &Profile| {
        let mut rows = profile.rows.iter();
        rows.find(|row| row.kind == Kind::Gather && row.name.contains("<- embed now"))
            .cloned()
    };
    model.reset_profile();
    train(&model, 4, &[4, 4, 4]);
    let profile = model.profile(Program::Gradient).expect("profiled");
    let gather = gather(&profile).expect("an embedding");
    assert_eq!(gather.work.read, (4 * 12 * (E + 1)) as u64, "{profile}");
    assert_eq!(gather.work.written, (4 * 12 * E) as u64, "{profile}");
}

#[test]
fn a_profile_changes_no_bit_and_adds_up_threads() {
    let plain = compile(CHAR_LM, Options::default()).expect("compiles");
    let lengths: Vec<usize> = (0..50).map(|at| 1 + at % 9).collect();
    let expected = train(&plain, 9, &lengths);
    for threads in [1, 2, 3] {
        let options = Options::default().profile(true).threads(threads);
        let model = compile(CHAR_LM, options).expect("compiles");
        assert_eq!(train(&model, 9, &lengths), expected);
        let profile = model.profile(Program::Gradient).expect("profiled");
        let parts = 3;
        for (label, around) in kernels(&model, Program::Gradient) {
            let mut rows = profile.rows.iter();
            let row = rows.find(|row| is_row_of(row, &label)).expect("a row");
            let expected = parts * if around == 1 { 9 } else { 1 };
            assert_eq!(row.calls, expected, "{label} in\n{profile}");
        }
        let bytes = model.code_bytes(Program::Gradient).expect("has a loss");
        assert!(bytes > plain.code_bytes(Program::Gradient).expect("has a loss"));
    }
}

#[test]
fn streams_and_frozen_models_have_profiles_of_their_own() {
    let model = profiled();
    let params = init_params(&CHAR_LM, 3).expect("small");
    let mut stream = model.stream_batch(&params, 2).expect("causal");
    let step = tokens(1, 2);
    for _ in 0..5 {
        stream
            .step(CharLmInputs { now: step.view() })
            .expect("steps");
    }
    let profile = stream.profile().expect("profiled");
    assert_eq!(profile.calls, 5);
    for row in profile.rows.iter().filter(|row| is_kernel(row.kind)) {
        assert_eq!(row.calls, 5, "{profile}");
    }
    stream.reset_profile();
    assert_eq!(stream.profile().expect("profiled").calls, 0);

    let frozen = model.freeze(&params).expect("fits");
    let all = tokens(4, 2);
    for _ in 0..2 {
        frozen
            .forward(CharLmInputs { now: all.view() })
            .expect("runs");
    }
    let profile = frozen.profile().expect("profiled");
    assert_eq!(profile.calls, 2);
    // Weights are packed once.
    let packs = profile.rows.iter().filter(|row| row.kind == Kind::Packing);
    assert!(
        packs.clone().count() > 0 && packs.clone().all(|row| row.calls == 1),
        "{profile}"
    );
    frozen.reset_profile();
    assert_eq!(frozen.profile().expect("profiled").calls, 0);
    assert_eq!(model.profile(Program::Forward).expect("profiled").calls, 0);
}

#[test]
fn a_profile_prints_and_adds_up() {
    let model = profiled();
    train(&model, 6, &[6, 4]);
    let profile = model.profile(Program::Gradient).expect("profiled");
    assert!(profile.rows.is_sorted_by(|a, b| a.time >= b.time));
    let shares: f64 = profile.rows.iter().map(|row| row.share).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    let text = profile.to_string();
    let first = text.lines().next().expect("a line");
    assert!(first.starts_with("CharLm gradient: 1 calls"), "{text}");
    let ran = profile.rows.iter().filter(|row| row.calls > 0).count();
    assert_eq!(text.lines().count(), 2 + ran, "{text}");
    let json = profile.to_json();
    let rows = json["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), profile.rows.len());
    for (json, row) in rows.iter().zip(&profile.rows) {
        assert_eq!(json["name"], row.name.as_str());
        assert_eq!(json["kind"], row.kind.name());
        assert_eq!(json["calls"], row.calls);
        assert_eq!(json["flops"], row.work.flops);
        assert_eq!(json["gflops"].is_null(), row.gflops().is_none());
    }
}

#[test]
fn a_model_that_is_not_profiled_says_what_to_do() {
    let model = compile(CHAR_LM, Options::default()).expect("compiles");
    let error = model
        .profile(Program::Gradient)
        .expect_err("nothing is measured");
    assert!(matches!(
        &error,
        CallError::NotProfiled {
            program: "gradient",
            ..
        }
    ));
    let text = error.to_string();
    assert!(
        text.contains("CharLm") && text.contains("profile(true)"),
        "{text}"
    );
    let clif = |options: Options| {
        let model = compile(CHAR_LM, options).expect("compiles");
        model.clif(Program::Gradient).expect("compiles")
    };
    // A call for each lap, and nothing of it without a profile.
    let calls = |text: &str| text.matches("call_indirect").count();
    let (plain, profiled) = (
        clif(Options::default()),
        clif(Options::default().profile(true)),
    );
    assert_eq!(plain, clif(Options::default()));
    let laps = calls(&profiled) - calls(&plain);
    let model = compile(CHAR_LM, Options::default().profile(true)).expect("compiles");
    let meters = model
        .profile(Program::Gradient)
        .expect("profiled")
        .rows
        .len();
    assert!(
        (meters - 2..meters + 10).contains(&laps),
        "{laps} laps for {meters} rows"
    );
}
