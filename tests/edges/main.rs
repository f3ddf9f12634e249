//! At the edges: numbers that are huge, tiny or none at all, and models that lack what most have.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

mod lacking;
mod numbers;
