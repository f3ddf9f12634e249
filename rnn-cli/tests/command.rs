//! The command as it is built, on files.

#![allow(
    clippy::unwrap_used,
    reason = "a file or a process that cannot be had is a failure"
)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rnn::log::{RunInfo, RunLog};
use rnn::train::{EpochRecord, Observer, StepRecord};
use safetensors::tensor::{Dtype, TensorView};

/// No command on a small file takes longer, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn rnn(arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rnn"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pipes = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |mut pipe: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            bytes
        })
    };
    let (stdout, stderr) = (read(Box::new(pipes.0)), read(Box::new(pipes.1)));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{arguments:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Output {
        status,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// What it prints, of a command that ends with this code and says nothing of a panic.
#[track_caller]
fn ends(code: i32, arguments: &[&str]) -> String {
    let output = rnn(arguments);
    let (out, error) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}\n{out}\n{error}"
    );
    assert!(!error.contains("panicked"), "{arguments:?}\n{error}");
    match code {
        0 => out,
        _ => {
            assert!(error.starts_with("error: "), "{error}");
            format!("{out}{error}")
        }
    }
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "expected `{part}` in\n{text}");
    }
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn help_names_every_command_and_wrong_arguments_are_told() {
    has(
        &ends(0, &["--help"]),
        &["inspect", "ir", "check", "bench", "report", "Exit codes"],
    );
    ends(2, &["paint"]);
    ends(2, &["ir"]);
    ends(2, &["ir", "--cell", "Lstm", "file.rir"]);
    has(
        &ends(2, &["ir", "--cell", "Foo"]),
        &["no cell `Foo`", "Lstm"],
    );
    has(
        &ends(2, &["ir", "--cell", "Lstm", "--size", "H"]),
        &["such as `H=64`"],
    );
    has(
        &ends(2, &["ir", "--cell", "Lstm", "--size", "Q=3"]),
        &["`Q`", "`H`"],
    );
    has(
        &ends(2, &["ir", "--cell", "Lstm", "--pass", "polish"]),
        &["polish", "simplify"],
    );
    has(
        &ends(2, &["ir", "--cell", "Lstm", "--until", "share"]),
        &["--stage"],
    );
    has(&ends(1, &["ir", "/nowhere/at.all"]), &["/nowhere/at.all"]);
}

#[test]
fn equations_are_written_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let text = ends(0, &["ir", "--cell", "lstm"]);
    has(&text, &["model OverLstm<I, H>", "axis t: 1..=T"]);
    let file = write(folder.path(), "lstm.rir", &text);
    assert_eq!(ends(0, &["ir", &file]), text, "the text form comes back");
    has(
        &ends(0, &["ir", &file, "--size", "I=3", "H=5"]),
        &["[5, 3]"],
    );
    has(
        &ends(0, &["ir", &file, "--format", "dot"]),
        &["digraph", "->"],
    );
    has(
        &ends(0, &["ir", &file, "--format", "mermaid"]),
        &["flowchart TB", "-.->"],
    );
    has(
        &ends(
            0,
            &["ir", &file, "--format", "equations", "--stage", "adjoint"],
        ),
        &["d_", "[t+1]"],
    );
    has(
        &ends(
            0,
            &["ir", &file, "--format", "summary", "--size", "I=3", "H=5"],
        ),
        &["multiply-adds", "each t"],
    );
    has(
        &ends(0, &["ir", &file, "--format", "svg", "--params"]),
        &["<svg", "W_i", "</svg>"],
    );
    let picture = path(folder.path(), "lstm.png");
    ends(0, &["ir", &file, "--format", "svg", "-o", &picture]);
    assert_eq!(fs::read(&picture).unwrap()[..4], *b"\x89PNG");
    has(&ends(2, &["ir", &file, "-o", &picture]), &["--format svg"]);
}

#[test]
fn passes_run_alone_and_in_the_pipeline() {
    let nodes = |arguments: &[&str]| {
        let all: Vec<&str> = ["ir", "--cell", "Lstm"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let text = ends(0, &all);
        text.lines().filter(|line| line.starts_with('%')).count()
    };
    let products = |arguments: &[&str]| {
        let all: Vec<&str> = ["ir", "--cell", "Lstm"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        ends(0, &all).matches(" = matmul ").count()
    };
    assert!(
        products(&["--pass", "fuse_gates"]) < products(&[]),
        "gates are one product"
    );
    let carried = ends(
        0,
        &[
            "ir",
            "--cell",
            "Lstm",
            "--stage",
            "forward",
            "--until",
            "carry_state",
        ],
    );
    has(&carried, &["state "]);
    assert!(nodes(&["--stage", "gradient"]) > nodes(&["--stage", "forward"]));
    assert!(
        nodes(&["--stage", "gradient", "--until", "backward:simplify"])
            != nodes(&["--stage", "gradient", "--until", "simplify"])
    );
    has(
        &ends(
            2,
            &[
                "ir",
                "--cell",
                "Lstm",
                "--stage",
                "gradient",
                "--until",
                "backward:carry_state",
            ],
        ),
        &["carry_state"],
    );
}

#[test]
fn a_right_model_passes_its_checks_and_a_wrong_gradient_is_found() {
    has(
        &ends(0, &["check", "--cell", "Gru"]),
        &["valid", "agree with differences", "gradient program"],
    );
    has(
        &ends(
            0,
            &[
                "check",
                "--cell",
                "PeepholeLstm",
                "--lengths",
                "2,4",
                "--seed",
                "9",
            ],
        ),
        &["agree with the interpreter"],
    );
    let folder = tempfile::tempdir().unwrap();
    // A gradient that was written down by hand: of `w x^2` by `w` it is the sum of `x^2`, not of `2 x^2`.
    let right = "model Hand\naxis batch: 1..=B\n\
                 %0 = input x : [batch] []\n%1 = param w ~ normal(0, 1) : [] []\n%2 = mul %0, %0 : [batch] []\n\
                 %3 = broadcast[batch] %1 : [batch] []\n%4 = mul %3, %2 : [batch] []\n\
                 %5 = sum[batch] %4 : [] []\n%6 = sum[batch] %2 : [] []\nbatch_loss loss = %5\ngradient w = %6\n";
    let wrong = right.replace("gradient w = %6", "gradient w = %5");
    let file = write(folder.path(), "right.rir", right);
    has(&ends(0, &["check", &file]), &["1 elements"]);
    let file = write(folder.path(), "wrong.rir", wrong);
    has(
        &ends(1, &["check", &file]),
        &["gradient:", "expected", "found"],
    );
    has(
        &ends(2, &["check", "--cell", "Lstm", "--size", "H=5000"]),
        &["smaller sizes"],
    );
    has(
        &ends(2, &["check", "--cell", "Lstm", "--lengths", "0"]),
        &["a length from 1"],
    );
}

#[test]
fn kernels_are_timed() {
    let text = ends(
        0,
        &[
            "bench",
            "--cell",
            "Gru",
            "--size",
            "I=8",
            "H=16",
            "--batch",
            "4",
            "--steps",
            "5",
            "--seconds",
            "0",
        ],
    );
    has(
        &text,
        &[
            "OverGru, 4 examples, 5 steps",
            "forward: ",
            "gradient: ",
            "GFLOP/s",
            "product",
            "share",
        ],
    );
    let json = ends(
        0,
        &[
            "bench",
            "--cell",
            "Gru",
            "--size",
            "I=8",
            "H=16",
            "--seconds",
            "0",
            "--program",
            "forward",
            "--json",
        ],
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["programs"][0]["us"].as_f64().unwrap() > 0.0);
    assert!(
        !json["programs"][0]["kernels"]["rows"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    has(
        &ends(2, &["bench", "--cell", "Gru", "--program", "paint"]),
        &["forward, loss or gradient"],
    );
    has(
        &ends(2, &["bench", "--cell", "Gru", "--size", "H=200000"]),
        &["smaller sizes"],
    );
}

#[test]
fn a_checkpoint_is_described_and_lost_numbers_are_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, values: [f32; 4]| {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let view = || TensorView::new(Dtype::F32, vec![2, 2], &bytes).unwrap();
        let metadata = [
            ("rnn.optimizer", "adam"),
            ("rnn.steps", "7"),
            ("vocabulary", "abc\u{1b}[31m"),
        ];
        let metadata: HashMap<String, String> = metadata
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let path = folder.path().join(name);
        let tensors = [
            ("lstm.W", view()),
            ("optimizer/first_moment/lstm.W", view()),
        ];
        safetensors::serialize_to_file(tensors, Some(metadata), &path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let file = save("good.safetensors", [1.0, 2.0, 3.0, 0.0]);
    let text = ends(0, &["inspect", &file]);
    has(
        &text,
        &[
            "lstm.W",
            "F32",
            "[2, 2]",
            "1.5000e0",
            "state of the optimiser",
            "optimizer = adam",
            "steps = 7",
            "vocabulary = abc",
        ],
    );
    assert!(
        !text.contains('\u{1b}'),
        "a file does not control the terminal"
    );
    let json: serde_json::Value =
        serde_json::from_str(&ends(0, &["inspect", &file, "--json"])).unwrap();
    assert_eq!(json["tensors"][0]["statistics"]["largest"], 3.0);
    let file = save("lost.safetensors", [1.0, f32::NAN, f32::INFINITY, 0.0]);
    has(&ends(1, &["inspect", &file]), &["`lstm.W` has 2"]);
    let file = write(folder.path(), "short.safetensors", [9, 0, 0]);
    has(&ends(1, &["inspect", &file]), &["short.safetensors"]);
    ends(1, &["inspect", folder.path().to_str().unwrap()]);
}

#[test]
fn a_run_becomes_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RunLog::new(folder.path(), RunInfo::new("a run").setting("seed", 7));
    log.start(0).unwrap();
    for step in 1..=4 {
        log.step(&StepRecord {
            step,
            loss: 1.0 / step as f64,
            gradient_norm: Some(0.5),
            ..StepRecord::default()
        })
        .unwrap();
    }
    log.epoch(&EpochRecord {
        epoch: 1,
        steps: 4,
        figures: vec![("loss".into(), 0.5)],
        seconds: 1.0,
        ..EpochRecord::default()
    })
    .unwrap();
    log.end().unwrap();
    let curves = path(folder.path(), "curves.png");
    let run = folder.path().to_str().unwrap();
    has(
        &ends(0, &["report", run, "--curves", &curves]),
        &["report.html", "curves.png"],
    );
    has(
        &fs::read_to_string(folder.path().join("report.html")).unwrap(),
        &["a run", "<svg", "seed"],
    );
    assert_eq!(fs::read(curves).unwrap()[..4], *b"\x89PNG");
    let empty = tempfile::tempdir().unwrap();
    has(
        &ends(1, &["report", empty.path().to_str().unwrap()]),
        &["log.jsonl"],
    );
    write(empty.path(), "log.jsonl", "hello\n");
    has(
        &ends(1, &["report", empty.path().to_str().unwrap()]),
        &["line 1"],
    );
}

// Every file that tests of passes have, cut, doubled and with lines changed: an answer, whatever it is.
#[test]
fn damaged_equations_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let text = ends(0, &["ir", "--cell", "Lstm"]);
    let lines: Vec<&str> = text.lines().collect();
    let without = |at: usize| -> String {
        let kept = lines.iter().enumerate().filter(|(line, _)| *line != at);
        kept.map(|(_, line)| format!("{line}\n")).collect()
    };
    let mut damaged: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        b"model".to_vec(),
        b"model M\n%0 = ".to_vec(),
        text.as_bytes()[..text.len() / 2].to_vec(),
        format!("{text}{text}").into_bytes(),
        text.replace("%1", "%99999999999999999999").into_bytes(),
        text.replace("[H", "[H*H*H*H*H*H*H*H*H*H*H").into_bytes(),
        text.replace("axis t: 1..=T", "axis t: 1..=4294967295")
            .into_bytes(),
        text.replace(" [H, I]", " [9223372036854775807, I]")
            .into_bytes(),
        format!(
            "model M\naxis batch: 1..=B\n%0 = {}",
            "neg ".repeat(100_000)
        )
        .into_bytes(),
        {
            let mut deep =
                String::from("model Deep\naxis batch: 1..=B\n%0 = input x : [batch] []\n");
            for at in 1..3000 {
                deep += &format!("%{at} = tanh %{} : [batch] []\n", at - 1);
            }
            (deep + "output y = %2999\n").into_bytes()
        },
    ];
    damaged.extend(
        (0..lines.len())
            .step_by(4)
            .map(|at| without(at).into_bytes()),
    );
    let file = path(folder.path(), "damaged.rir");
    for bytes in damaged {
        fs::write(&file, &bytes).unwrap();
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        for arguments in [
            &["ir", &file, "--format", "equations"][..],
            &["ir", &file, "--format", "svg", "--stage", "gradient"],
            &["check", &file],
        ] {
            let output = rnn(arguments);
            let error = String::from_utf8_lossy(&output.stderr);
            let code = output.status.code();
            assert!(
                matches!(code, Some(0..=2)),
                "{arguments:?} {head:?}: {code:?}\n{error}"
            );
            assert!(
                !error.contains("panicked"),
                "{arguments:?} {head:?}\n{error}"
            );
        }
    }
}

#[test]
fn what_the_tests_of_passes_hold_is_read_and_drawn() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../rnn-ir/tests/passes/fuse_gates");
    let mut drawn = 0;
    for entry in fs::read_dir(root).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "rir") {
            let file = file.to_str().unwrap();
            has(&ends(0, &["ir", file, "--format", "svg"]), &["</svg>"]);
            has(&ends(0, &["check", file]), &["valid"]);
            drawn += 1;
        }
    }
    assert!(drawn > 0);
}
