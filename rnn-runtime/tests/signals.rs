//! A program that listens to signals itself. In a process of its own: handlers are of the whole process.

use rnn_runtime::error::TrainError;
use rnn_runtime::train::Interrupt;

#[test]
fn a_program_with_a_handler_of_its_own_is_told_so() {
    ctrlc::set_handler(|| {}).expect("the first handler");
    match Interrupt::on_signals() {
        Err(error @ TrainError::Signals(_)) => {
            let told = error.to_string();
            assert!(told.starts_with("cannot listen to signals: "), "{told}");
            assert!(told.contains("call `request` from the handler"), "{told}");
        }
        other => panic!("expected signals that are taken, found {other:?}"),
    }
    // Which is what such a program does.
    let interrupt = Interrupt::new();
    interrupt.request();
    assert!(interrupt.is_requested());
}
