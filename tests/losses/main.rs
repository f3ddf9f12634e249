//! Losses of `rnn::losses`, and training by rewards: against all alignments, all tag sequences and all outcomes where these can be
//! listed, against finite differences, and against PyTorch.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

mod classes;
mod given;
mod labels;
mod rewards;
mod tags;
