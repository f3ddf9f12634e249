//! A save that fails, races or dies leaves a whole file.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use ndarray::Array1;

use super::*;
use crate::fixture::{Many, Tiny};

#[test]
fn a_save_that_fails_leaves_the_old_file_and_no_other() {
    let (directory, path) = scratch();
    save_params(&path, &Tiny::waving(3.0)).unwrap();
    let before = fs::read(&path).unwrap();
    let result = file::replace(&path, |file| {
        file.write_all(&[1; 100_000])?;
        Err(std::io::ErrorKind::StorageFull.into())
    });
    assert!(matches!(
        result,
        Err(CheckpointError::Io {
            action: "write",
            ..
        })
    ));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn files_of_dead_writers_are_removed_and_those_of_live_ones_kept() {
    let (directory, path) = scratch();
    let dead = directory.path().join(".model.safetensors.1-7.tmp");
    let live = directory.path().join(".model.safetensors.1-8.tmp");
    let other = directory.path().join(".other.safetensors.1-7.tmp");
    for path in [&dead, &live, &other] {
        fs::write(path, b"part").unwrap();
    }
    let held = fs::File::open(&live).unwrap();
    held.try_lock().unwrap();
    save_params(&path, &Tiny::counting()).unwrap();
    assert!(!dead.exists() && live.exists() && other.exists() && path.exists());
}

#[test]
fn concurrent_saves_leave_one_of_them() {
    let (directory, path) = scratch();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let mut params = Tiny::counting();
                params.fill(writer as f32);
                (0..25).for_each(|_| save_params(path, &params).unwrap());
            });
        }
    });
    let mut params = Tiny::counting();
    load_params(&path, &mut params).unwrap();
    assert!(bits(&params).windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// Where the child of the next test saves.
const KILLED_PATH: &str = "RNN_TEST_KILLED_PATH";

/// Times the child is killed.
const KILLS: usize = 200;

/// Large enough that a save takes longer than the parent's reaction.
fn large() -> Many {
    Many {
        vectors: (0..4)
            .map(|k| (format!("v{k}"), Array1::zeros(100_000)))
            .collect(),
    }
}

#[test]
#[ignore = "run by the test below, by its name, in a process that is killed"]
fn child_that_saves_for_ever() {
    let Some(path) = std::env::var_os(KILLED_PATH) else {
        return;
    };
    let mut params = large();
    for round in 1_u32.. {
        params.fill(round as f32);
        save_params(&path, &params).unwrap();
        println!("saved {round}");
    }
}

#[test]
fn a_process_killed_while_saving_leaves_the_old_or_the_new_state() {
    let (directory, path) = scratch();
    let mut interrupted = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "checkpoint::tests::interruption::child_that_saves_for_ever",
                "--ignored",
                "--nocapture",
            ])
            .env(KILLED_PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let saved =
            |line: &std::io::Result<String>| line.as_ref().is_ok_and(|line| line.contains("saved"));
        let at_least = lines.find(saved).unwrap().unwrap();
        let at_least: f32 = at_least.rsplit(' ').next().unwrap().parse().unwrap();
        // Another moment of the save each time.
        (0..kill % 40 * 5_000).for_each(|_| std::hint::spin_loop());
        child.kill().unwrap();
        child.wait().unwrap();
        interrupted += usize::from(fs::read_dir(directory.path()).unwrap().count() > 1);
        let mut params = large();
        load_params(&path, &mut params).unwrap();
        let round = params.vectors[0].1[0];
        assert!(round >= at_least);
        assert!(
            params
                .vectors
                .iter()
                .all(|(_, values)| values.iter().all(|&value| value == round))
        );
    }
    println!("{interrupted} of {KILLS} kills interrupted a save");
    assert!(interrupted > 0);
    save_params(&path, &large()).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
