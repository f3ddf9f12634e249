//! Recurrent architectures written as equations, compiled to native code.
//!
//! A model is written the way a textbook writes it, in [`rnn!`]. Its names, shapes and order in time are checked where it
//! is written; when its sizes are known it is differentiated symbolically, optimised and compiled, in milliseconds.
//!
//! ```
//! use rnn::prelude::*;
//!
//! rnn! {
//!     /// A leaky integrator that learns its leak and its input weights.
//!     pub model Leaky<I, H> {
//!         time   t in 1..=T;
//!         input  x[t]: [I];
//!         target y[t]: [H];
//!         param W: [H, I] ~ glorot_uniform;
//!         param a: [H]    = 0;
//!         h[t] = sigmoid(a) * h[t-1] + W @ x[t];
//!         output h;
//!         loss   mean[t](squared_error(h[t], y[t]));
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let spec = Leaky { I: 3, H: 2 };
//! let model = spec.compile(Options::default())?;
//! let params = LeakyParams::init(&spec, 42)?;
//! let mut grads = LeakyParams::zeros(&spec)?;
//!
//! let (x, y) = (Array3::<f32>::ones((5, 4, 3)), Array3::<f32>::zeros((5, 4, 2))); // [T, B, features]
//! let out = model.forward(&params, LeakyInputs { x: x.view() })?;
//! assert_eq!(out.h.dim(), (5, 4, 2));
//!
//! let targets = LeakyTargets { y: y.view() };
//! let value = model.loss_and_grad(&params, LeakyInputs { x: x.view() }, targets, &mut grads)?;
//! assert!(value.loss > 0.0 && grads.W.iter().any(|g| *g != 0.0));
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant:** this crate holds documentation, the cells of the literature, and re-exports.

#![forbid(unsafe_code)]

extern crate self as rnn;

/// Cells and models as recurrence equations.
///
/// See the crate's documentation for an example, and [`language`] for all that can be written. Everything that is wrong with a model and
/// can be known without its sizes is an error at the place where it is written.
#[macro_export]
macro_rules! rnn {
    ($($tokens:tt)*) => {
        $crate::__private::rnn_impl! { ($crate) $($tokens)* }
    };
}

pub mod cells;
pub mod losses;

/// The reference of what is written in [`rnn!`].
#[doc = ""]
#[doc = include_str!("../docs/language.md")]
pub mod language {}

pub use rnn_ir as ir;
pub use rnn_jit as jit;
pub use rnn_runtime::*;

/// What a file that declares and trains models needs.
pub mod prelude {
    pub use crate::rnn;
    pub use ndarray::{Array0, Array1, Array2, Array3, ArrayView1, ArrayView2, ArrayView3, array};
    pub use rnn_runtime::{
        Adam, Batch, BatchFirst, Carry, Compiled, Feedback, Generate, Inputs, Model, Optimizer,
        Options, Outputs, Profile, Program, Reduction, Sgd, Stream, Tensors, clip_global_norm,
    };
}

#[doc(hidden)]
pub mod __private {
    pub use ndarray::{
        Array0, Array1, Array2, Array3, Array4, Array5, Array6, ArrayD, ArrayView0, ArrayView1,
        ArrayView2, ArrayView3, ArrayView4, ArrayView5, ArrayView6, ArrayViewD, ArrayViewMutD,
    };
    pub use rnn_macros::rnn_impl;
    pub use rnn_runtime::{
        InputSlice, InputView, Inputs, OutputSliceMut, OutputValue, OutputViewMut, Outputs,
        Tensors, compile, init_params, zero_params, zero_state,
    };
}
