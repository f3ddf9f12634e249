//! The `rnn!` macro.
