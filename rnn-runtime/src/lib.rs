//! Everything around a compiled model: compiling and calling it, parameters, training, text, sampling, checkpoints.
//!
//! The macro implements [`Model`]; [`compile`] makes a [`Compiled`] of it, which runs batches, and [`Stream`]s, which run
//! step by step. All other modules meet at [`Tensors`]: [`init`] draws them, [`optim`] and [`clip`] change them,
//! [`checkpoint`] stores them. [`text`] makes batches for truncated back-propagation through time
//! over one long text and [`ragged`] those of examples of unequal length; [`data`] reads files, and [`curriculum`] says which examples
//! come when. [`schedule`] gives learning rates, [`sample`] draws from logits, [`ctc`] decodes labels, [`reinforce`] makes rewards a
//! loss, [`metrics`] and [`progress`] report, [`log`] and [`tensorboard`] keep what a run says in files, [`plot`] draws and [`html`]
//! makes a page of it. [`train`] puts them together: one step, or a whole run.
//!
//! **Invariant:** on one platform, equal seeds and equal inputs give equal bits; no number depends on a clock, a thread count or
//! the order of a hash map. (Between platforms `exp`, `ln` and `cos` of the system library may differ in the last bit.)

#![forbid(unsafe_code)]

pub mod batch;
mod call;
pub mod carry;
mod causal;
pub mod checkpoint;
pub mod clip;
pub mod compiled;
pub mod ctc;
pub mod curriculum;
pub mod data;
mod derivative;
mod diagnose;
pub mod error;
mod explain;
pub mod feedback;
mod fixing;
#[cfg(test)]
pub(crate) mod fixture;
mod forward;
pub mod frozen;
pub mod generate;
mod gradient;
pub mod html;
pub mod init;
pub mod initial;
pub mod log;
pub mod metrics;
pub mod model;
pub mod optim;
pub mod options;
mod outputs;
mod parts;
mod pattern;
mod pipeline;
pub mod plot;
mod ports;
mod profile;
pub mod progress;
pub mod ragged;
pub mod reinforce;
mod report;
mod reuse;
pub mod rng;
mod routine;
mod running;
pub mod sample;
pub mod schedule;
pub mod share;
mod signature;
pub mod stages;
pub mod state_gradient;
mod states;
pub mod stream;
pub mod tangent;
pub mod tensorboard;
pub mod tensors;
pub mod text;
pub mod timing;
pub mod train;
pub mod workbench;

pub use batch::{Batch, BatchFirst, IntoBatch};
pub use carry::Carry;
pub use checkpoint::{TrainingState, load, load_params, save, save_params};
pub use clip::{AdaptiveClip, clip_global_norm, clip_values, global_norm};
pub use compiled::{Compiled, Forward, LossValue, compile};
pub use error::{CallError, CompileError, InitError, ModelError, NonFiniteError, StreamError};
pub use feedback::Feedback;
pub use frozen::Frozen;
pub use generate::{Generate, Generated, Hypothesis};
pub use init::{Init, initialize};
pub use initial::{init_params, param_specs, zero_params, zero_state};
pub use model::{
    InputSlice, InputView, Inputs, Model, OutputSliceMut, OutputValue, OutputViewMut, Outputs,
};
pub use optim::{Adam, Optimizer, RmsProp, Sgd};
pub use options::{NonFinite, Options, PERF_MAP_VARIABLE, Reduction};
pub use pipeline::Program;
pub use profile::{Profile, ProfileRow};
pub use report::{CompileReport, CompileStage, ProgramReport};
pub use rnn_jit::profile::Kind;
pub use sample::Sampler;
pub use share::{BatchSize, CallBytes};
pub use state_gradient::{StateGradient, StateGradients};
pub use stream::Stream;
pub use tangent::{Direction, InputGradients, Jvp};
pub use tensors::{ParamKind, ParamSpec, Tensors};
pub use text::{BioTags, ByteVocab, CharVocab, ContinuousText, WordVocab};
pub use train::{Run, Settings, Trainer};
