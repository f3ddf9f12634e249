//! Features together: recurrences of every kind, crossed with random numbers, lengths, batches, threads, limits of memory, vector
//! instructions, carried states, derivatives, streams and pieces. Single tests show each of these by itself.
//!
//! The oracles are the interpreter, finite differences, identities between derivatives, and equal bits.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

mod bases;
mod case;
mod checks;
mod choice;
mod derivatives;
mod models;
mod oracle;
mod pieces;
mod rows;
mod subject;
mod threads;

use checks::check;
use choice::{KINDS, describe};
use rows::Row;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs rows, on several threads, and names all that fail.
fn run(rows: &[Row]) {
    let trace = std::env::var_os("RNN_TRACE").is_some();
    let (next, compared) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let before = std::time::Instant::now();
            let run = || check(row);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
                .unwrap_or_else(|_| Err("panicked".to_owned()));
            if trace {
                eprintln!(
                    "{:6.3} s  {}",
                    before.elapsed().as_secs_f64(),
                    describe(row)
                );
            }
            match outcome {
                Ok(numbers) => {
                    compared.fetch_add(numbers, Ordering::Relaxed);
                }
                Err(error) => {
                    let line = format!("{:?} {}: {error}", row.0, describe(row));
                    eprintln!("FAILED {line}");
                    failures.lock().unwrap().push(line);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let others = std::thread::available_parallelism().map_or(1, usize::from) - 1;
        for _ in 0..others {
            scope.spawn(work);
        }
        work();
    });
    println!(
        "{} combinations, {} numbers compared",
        rows.len(),
        compared.into_inner()
    );
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} failed:\n{}",
        failures.len(),
        rows.len(),
        failures.join("\n")
    );
}

#[test]
fn every_two_features_work_together() {
    run(&rows::covering(&KINDS, 7));
}

/// A wider sweep: `RNN_COMBINATIONS` rows drawn from `RNN_SEED`, or the one row that a failure names, `RNN_ROW`.
#[test]
#[ignore = "takes minutes: RNN_COMBINATIONS=5000 RNN_SEED=1 cargo test --test combinations -- --ignored --nocapture sweep"]
fn sweep() {
    let asked = |name: &str, or: u64| -> u64 {
        let given = std::env::var(name).ok();
        given.and_then(|given| given.parse().ok()).unwrap_or(or)
    };
    let count = usize::try_from(asked("RNN_COMBINATIONS", 1000)).unwrap();
    let rows = match std::env::var("RNN_ROW") {
        Ok(row) => vec![Row(row
            .split(',')
            .map(|own| own.trim().parse().unwrap())
            .collect())],
        Err(_) => rows::drawn(&KINDS, count, asked("RNN_SEED", 1)),
    };
    run(&rows);
}
