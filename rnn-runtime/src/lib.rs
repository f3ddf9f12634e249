//! Everything around a compiled model: parameters, training, text, sampling, checkpoints.
//!
//! The modules meet at [`tensors::Tensors`], which the macro implements: [`init`] draws the tensors, [`optim`] and
//! [`clip`] change them, [`checkpoint`] stores them. [`text`] makes batches for truncated back-propagation through time
//! over one long text, [`schedule`] gives learning rates, [`sample`] draws from logits, [`metrics`] and [`progress`]
//! report.
//!
//! **Invariant:** on one platform, equal seeds and equal inputs give equal bits; nothing here reads a clock, a thread count or the
//! order of a hash map. (Between platforms `exp`, `ln` and `cos` of the system library may differ in the last bit.)

#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod clip;
pub mod error;
#[cfg(test)]
pub(crate) mod fixture;
pub mod init;
pub mod metrics;
pub mod optim;
pub mod tensors;
pub mod progress;
pub mod rng;
pub mod sample;
pub mod schedule;
pub mod text;

pub use checkpoint::{TrainingState, load, load_params, save, save_params};
pub use clip::{AdaptiveClip, clip_global_norm, clip_values, global_norm};
pub use init::{Init, initialize};
pub use optim::{Adam, Optimizer, RmsProp, Sgd};
pub use tensors::{ParamSpec, Tensors};
pub use sample::Sampler;
pub use text::{ByteVocab, CharVocab, ContinuousText};
