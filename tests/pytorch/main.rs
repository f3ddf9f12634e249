//! Agreement with PyTorch on its own cells: outputs, final states, losses and gradients.
//!
//! The fixtures and their equations are described in `tests/fixtures/pytorch/README.md`. Each is computed twice: by the
//! interpreter in `f64`, which can be held to the last digits and also differentiates by inputs and initial states, and
//! by compiled code in `f32`.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

mod case;
mod character_model;
mod fixture;
mod layers;
mod models;
