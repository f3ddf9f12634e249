//! Compiled models: against the interpreter, in pieces, side by side, and on bad input.

mod allocation;
mod branches;
mod chunks;
mod derivatives;
mod errors;
mod explain;
mod limits;
mod models;
mod nonfinite;
mod oracle;
mod parts;
mod pool;
mod profile;
mod reference;
mod report;
mod sharing;
mod stream;

/// Prints how long a model takes to compile.
#[test]
#[ignore = "measures: cargo test --release -p rnn-runtime --test compiled -- --ignored --nocapture compile_time"]
fn compile_time() {
    use std::time::Instant;
    let time = |name: &str, compile: &dyn Fn()| {
        compile();
        let start = Instant::now();
        for _ in 0..5 {
            compile();
        }
        println!("{name}: {:?}", start.elapsed() / 5);
    };
    let options = || rnn_runtime::Options::default().reuse(false);
    let lm = models::CharLm {
        V: 96,
        E: 32,
        H: 256,
    };
    time("char_lm", &|| {
        drop(rnn_runtime::compile(lm, options()).expect("compiles"))
    });
    time("translate", &|| {
        drop(rnn_runtime::compile(models::TRANSLATE, options()).expect("compiles"))
    });
    time("greedy", &|| {
        drop(rnn_runtime::compile(models::GREEDY, options()).expect("compiles"))
    });
}
