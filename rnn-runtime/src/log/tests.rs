use std::fs;
use std::path::Path;

use super::*;
use crate::error::LogError;
use crate::train::{EpochRecord, Observer, StepRecord};

fn step(step: u64, norms: &[(&str, f64)]) -> StepRecord {
    StepRecord {
        step,
        epoch: step.div_ceil(2),
        loss: 1.0 / step as f64,
        learning_rate: 1e-3,
        gradient_norm: (step != 3).then_some(0.1 * step as f64),
        parameter_norms: norms
            .iter()
            .map(|(name, norm)| ((*name).to_owned(), *norm))
            .collect(),
        seen: 32,
        seconds: 0.5,
    }
}

fn epoch(epoch: u64, figures: &[(&str, f64)]) -> EpochRecord {
    EpochRecord {
        epoch,
        steps: 2 * epoch,
        figures: figures
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
        slices: Vec::new(),
        seconds: 1.0,
    }
}

// Steps from one on to another, with an epoch after every second.
fn train(observer: &mut dyn Observer, after: u64, until: u64) {
    observer.start(after).unwrap();
    for at in after + 1..=until {
        observer.step(&step(at, &[])).unwrap();
        if at % 2 == 0 {
            observer.epoch(&epoch(at / 2, &[("loss", 0.5)])).unwrap();
        }
    }
    observer.end().unwrap();
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_resumed_run_leaves_the_files_of_one_that_was_not_interrupted() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let info = || RunInfo::new("m").setting("seed", 1);
    let logs =
        |folder: &Path| -> (RunLog, CsvLog) { (RunLog::new(folder, info()), CsvLog::new(folder)) };
    let (mut run, mut csv) = logs(whole.path());
    train(&mut run, 0, 9);
    train(&mut csv, 0, 9);
    // Killed at step 7 while it wrote, resumed from a checkpoint of step 4, and once more from the one of step 5.
    for (after, until) in [(0, 7), (4, 7), (5, 9)] {
        let (mut run, mut csv) = logs(parts.path());
        train(&mut run, after, until);
        train(&mut csv, after, until);
        if until == 7 {
            for name in ["log.jsonl", "steps.csv", "epochs.csv"] {
                let path = parts.path().join(name);
                let mut text = fs::read_to_string(&path).unwrap();
                text.push_str("8,4,0.1");
                fs::write(&path, text).unwrap();
            }
        }
    }
    assert_eq!(files(whole.path()), files(parts.path()));
    let run = History::read(parts.path()).unwrap();
    assert_eq!(
        run.steps,
        (1..=9).map(|at| step(at, &[])).collect::<Vec<_>>()
    );
    assert_eq!(run.epochs.len(), 4);
    assert_eq!(run.info, info());
    // A run from its start empties them.
    let (mut log, mut csv) = logs(parts.path());
    train(&mut log, 0, 1);
    train(&mut csv, 0, 1);
    assert_eq!(History::read(parts.path()).unwrap().steps.len(), 1);
    let steps = fs::read_to_string(parts.path().join("steps.csv")).unwrap();
    assert_eq!(
        steps,
        "step,epoch,loss,learning_rate,gradient_norm,seen,seconds\n1,1,1,0.001,0.1,32,0.5\n"
    );
}

#[test]
fn a_column_that_comes_later_is_empty_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = CsvLog::new(folder.path());
    log.start(0).unwrap();
    log.step(&step(1, &[])).unwrap();
    log.step(&step(2, &[("W", 0.5), ("a,b", f64::NAN)]))
        .unwrap();
    log.epoch(&epoch(1, &[("loss", 0.5)])).unwrap();
    log.step(&step(3, &[("b", f64::INFINITY)])).unwrap();
    log.epoch(&epoch(2, &[("validation", 0.75)])).unwrap();
    log.end().unwrap();
    let mut log = CsvLog::new(folder.path());
    log.start(3).unwrap();
    log.step(&step(4, &[("W", 0.25)])).unwrap();
    log.end().unwrap();
    let text = |name| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(
        text("steps.csv"),
        "step,epoch,loss,learning_rate,gradient_norm,seen,seconds,gradient_norm/W,\"gradient_norm/a,b\",gradient_norm/b\n\
         1,1,1,0.001,0.1,32,0.5,,,\n2,1,0.5,0.001,0.2,32,0.5,0.5,NaN,\n\
         3,2,0.3333333333333333,0.001,,32,0.5,,,inf\n4,2,0.25,0.001,0.4,32,0.5,0.25,,\n"
    );
    assert_eq!(
        text("epochs.csv"),
        "steps,epoch,seconds,loss,validation\n2,1,1,0.5,\n"
    );
}

#[test]
fn files_that_are_no_logs_are_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["log.jsonl", "steps.csv", "epochs.csv"] {
        fs::write(folder.path().join(name), "dear diary,\nnothing happened\n").unwrap();
    }
    let before = files(folder.path());
    let errors = [
        RunLog::new(folder.path(), RunInfo::new("m"))
            .start(0)
            .unwrap_err(),
        CsvLog::new(folder.path()).start(0).unwrap_err(),
        CsvLog::new(folder.path()).start(5).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("line 1: "), "{error}");
    }
    assert_eq!(files(folder.path()), before);
    assert!(matches!(
        History::read(folder.path()),
        Err(LogError::Row { line: 1, .. })
    ));
}

#[test]
fn damaged_runs_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        History::read(folder.path()),
        Err(LogError::Io { .. })
    ));
    let log = folder.path().join("log.jsonl");
    fs::write(&log, "").unwrap();
    for info in [
        "",
        "[]",
        "{",
        r#"{"name":1}"#,
        r#"{"name":"m","settings":[["a"]]}"#,
        r#"{"name":"m","tables":[{"title":"t","head":["a"],"rows":[["1","2"]]}]}"#,
    ] {
        fs::write(folder.path().join("run.json"), info).unwrap();
        assert!(
            matches!(
                History::read(folder.path()),
                Err(LogError::Row { line: 1, .. })
            ),
            "{info}"
        );
    }
    fs::remove_file(folder.path().join("run.json")).unwrap();
    assert!(History::read(folder.path()).is_ok());
    fs::write(&log, vec![b'['; 10 << 20]).unwrap();
    assert!(matches!(
        History::read(folder.path()),
        Err(LogError::Row { .. })
    ));
    fs::write(&log, "[[[[".repeat(1 << 18) + "\n").unwrap();
    assert!(matches!(
        History::read(folder.path()),
        Err(LogError::Row { .. })
    ));
    fs::write(&log, b"\xff\xfe\n").unwrap();
    assert!(matches!(
        History::read(folder.path()),
        Err(LogError::Row { .. })
    ));
}

#[test]
fn a_record_before_the_start_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RunLog::new(folder.path(), RunInfo::new("m"));
    let error = log.step(&step(1, &[])).unwrap_err();
    assert!(error.to_string().contains("expected the start"), "{error}");
    assert!(CsvLog::new(folder.path()).epoch(&epoch(1, &[])).is_err());
}

#[test]
fn a_run_seen_is_the_run_that_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = History::default();
    let mut log = RunLog::new(folder.path(), RunInfo::new("run"));
    for observer in [&mut seen as &mut dyn Observer, &mut log] {
        train(observer, 0, 7);
        // Resumed at a checkpoint before its end.
        train(observer, 4, 6);
    }
    let read = History::read(folder.path()).unwrap();
    assert_eq!((&seen.steps, &seen.epochs), (&read.steps, &read.epochs));
    assert_eq!((seen.steps.len(), seen.epochs.len()), (6, 3));
}
