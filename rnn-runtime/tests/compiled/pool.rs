//! Threads come when a call can use them, and go with the last model.

use rnn_runtime::{Inputs, Options, compile, init_params};

use crate::models::*;

const ALONE: &str = "RNN_ALONE";

// Threads of this process, when there are as many as expected, or after a while: the system lists a thread for a moment
// after it has been joined.
#[cfg(target_os = "linux")]
fn threads(expected: usize) -> usize {
    let count = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("readable");
        tasks.count()
    };
    for _ in 0..1000 {
        if count() == expected {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    count()
}

// Enough work for two parts and more than one thread.
const LARGE: CharLm = CharLm {
    V: 11,
    E: 17,
    H: 61,
};

fn forward(model: &rnn_runtime::Compiled<CharLm>, steps: usize, examples: usize) {
    let params = init_params(&LARGE, 3).expect("draws");
    let now = tokens((steps, examples), 11, 1);
    let lengths = vec![steps; examples];
    let inputs = CharLmInputs { now: now.view() }.lengths(&lengths);
    model.forward(&params, inputs).expect("runs");
}

#[test]
#[cfg(target_os = "linux")]
fn models_that_come_and_go_leave_no_threads_behind() {
    // In a process of its own: threads of other tests are not counted.
    if std::env::var_os(ALONE).is_none() {
        let this = "pool::models_that_come_and_go_leave_no_threads_behind";
        let output =
            std::process::Command::new(std::env::current_exe().expect("a test has a file"))
                .args([this, "--exact", "--test-threads=1"])
                .env(ALONE, "1")
                .output()
                .expect("starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    let before = threads(2);
    for _ in 0..20 {
        let models = [4, 3]
            .map(|threads| compile(LARGE, Options::default().threads(threads)).expect("compiles"));
        assert_eq!(threads(before), before, "none before there is work");
        forward(&models[0], 1, 1);
        assert_eq!(threads(before), before, "none for a small call");
        models.iter().for_each(|model| forward(model, 40, 64));
        assert_eq!(
            threads(before + 3),
            before + 3,
            "as many as one call uses at most"
        );
        let [first, second] = models;
        drop(first);
        forward(&second, 40, 64);
        assert_eq!(threads(before + 3), before + 3, "the pool is the process's");
        drop(second);
        assert_eq!(threads(before), before, "all have been waited for");
    }
}
