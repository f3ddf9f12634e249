//! Processes that are told to end, or ended without being told.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rnn_runtime::Options;
use rnn_runtime::optim::OptimizerConfig;
use rnn_runtime::train::{Checkpoints, End, Run, Settings};

use super::*;

/// Where the child of the tests saves.
const FOLDER: &str = "RNN_TEST_TRAINING_FOLDER";

/// Times a run is killed; ten times as often by name.
const KILLS: usize = 20;

/// Epochs that no child lives for.
const FOREVER: u64 = 1 << 40;

/// So small that most of the time goes into saves.
const TINY: CharLm = CharLm { V: 11, E: 3, H: 4 };

fn fresh() -> (Trainer<CharLm>, TextSource<LayOut>) {
    let settings = Settings::default();
    let trainer = trainer_of(
        TINY,
        OptimizerConfig::default(),
        Options::default(),
        settings,
    );
    (trainer, source(text(100, 1), 4, 5))
}

/// Prints the steps done.
struct Printed;

impl Observer for Printed {
    fn step(&mut self, record: &StepRecord) -> Result<(), AnyError> {
        println!("step {}", record.step);
        Ok(())
    }
}

#[test]
#[ignore = "run by the tests below, by its name, in a process that is ended"]
fn child_that_trains_for_ever() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let saves = Checkpoints::folder(folder).every(1).keep(3);
    let (mut trainer, mut source) = fresh();
    if saves.last().exists() {
        trainer.resume(saves.last(), &mut source).expect("whole");
    }
    let run = Run::epochs(FOREVER)
        .observer(Printed)
        .checkpoints(saves)
        .interrupt(Interrupt::on_signals().expect("no other handler"));
    let outcome = trainer.fit(&mut source, None, run).expect("runs");
    assert!(matches!(outcome.end, End::Interrupted));
    println!("saved after {}", outcome.steps);
}

fn child(folder: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "killed::child_that_trains_for_ever"])
        .args(["--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test runs");
    let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
    (child, lines)
}

fn number(line: &str) -> u64 {
    let last = line.rsplit(' ').next();
    last.and_then(|word| word.parse().ok()).expect("a number")
}

/// The parameters after so many steps of a run that nothing interrupts.
struct Whole {
    trainer: Trainer<CharLm>,
    source: TextSource<LayOut>,
}

impl Whole {
    fn bits_after(&mut self, steps: u64) -> Vec<u32> {
        while self.trainer.steps() < steps {
            if let Some(batch) =
                rnn_runtime::train::Source::<CharLm>::next(&mut self.source).expect("a text")
            {
                self.trainer.learn(batch).expect("fits");
            }
        }
        assert_eq!(self.trainer.steps(), steps);
        bits(self.trainer.params())
    }
}

#[test]
fn a_run_that_is_killed_while_it_saves_goes_on_from_the_old_or_the_new_state() {
    killed(KILLS);
}

#[test]
#[ignore = "takes minutes: cargo test -p rnn-runtime --test training -- --ignored --nocapture a_run_that_is_killed_often"]
fn a_run_that_is_killed_often() {
    let interrupted = killed(10 * KILLS);
    assert!(interrupted > 0);
}

/// Kills a run so many times, and checks what each leaves; how many were interrupted in a save.
fn killed(kills: usize) -> usize {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let (trainer, source) = fresh();
    let mut whole = Whole { trainer, source };
    let mut interrupted = 0;
    let mut before = 0;
    for kill in 0..kills {
        let (mut child, mut lines) = child(directory.path());
        // The step before this one is saved.
        let is_step =
            |line: &std::io::Result<String>| line.as_ref().is_ok_and(|line| line.contains("step "));
        let at_least = lines
            .by_ref()
            .filter(is_step)
            .nth(1)
            .expect("trains")
            .expect("text");
        let at_least = number(&at_least) - 1;
        (0..kill % 40 * 5_000).for_each(|_| std::hint::spin_loop());
        child.kill().expect("lives");
        child.wait().expect("was killed");
        let files = std::fs::read_dir(directory.path()).expect("is there");
        let temporary =
            |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".tmp");
        interrupted += usize::from(files.flatten().any(temporary));
        let saves = Checkpoints::folder(directory.path());
        let (mut trainer, mut source) = fresh();
        trainer.resume(saves.last(), &mut source).expect("whole");
        assert!(trainer.steps() >= at_least && trainer.steps() > before);
        before = trainer.steps();
        assert_eq!(bits(trainer.params()), whole.bits_after(before));
        for kept in saves.kept().expect("is there") {
            let (mut trainer, mut source) = fresh();
            trainer.resume(kept, &mut source).expect("whole");
        }
    }
    println!("{interrupted} of {kills} kills interrupted a save");
    interrupted
}

#[test]
#[cfg(unix)]
fn a_run_that_is_told_to_end_saves_its_step_and_exits() {
    for signal in ["TERM", "INT", "HUP"] {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let (mut child, mut lines) = child(directory.path());
        for _ in 0..9 {
            lines.next().expect("trains").expect("text");
        }
        let kill = Command::new("kill")
            .args([format!("-{signal}"), child.id().to_string()])
            .status();
        assert!(kill.expect("is there").success());
        let last = lines
            .map_while(Result::ok)
            .filter(|line| line.starts_with("saved after "))
            .last();
        assert!(child.wait().expect("ends").success(), "{signal}");
        let (mut trainer, mut source) = fresh();
        let saves = Checkpoints::folder(directory.path());
        trainer.resume(saves.last(), &mut source).expect("whole");
        assert_eq!(trainer.steps(), number(&last.expect("says so")), "{signal}");
    }
}
