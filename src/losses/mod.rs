//! Losses of the literature, each written in [`rnn!`](macro@crate::rnn) as cells are: there is nothing in them that a model could not
//! write itself.
//!
//! | loss | source | a model says |
//! |---|---|---|
//! | [`SmoothedCrossEntropy`] | Szegedy et al. 2016 | `nll[t] = ce(logits[t], next[t]); loss mean[t](nll[t]);` |
//! | [`WeightedCrossEntropy`] | King & Zeng 2001 | `nll[t] = ce(logits[t], next[t]); loss sum[t](nll[t]) / sum[t](ce.weight[t]);` |
//! | [`Crf`] | Lafferty, McCallum & Pereira 2001 | `nll[t] = crf(u[t], tag[t]); loss nll[T];` |
//! | [`Ctc`] | Graves et al. 2006 | `total[t] = ctc(logits[t], label); loss -total[T];` |
//!
//! ```
//! use rnn::cells::Lstm;
//! use rnn::losses::Ctc;
//! use rnn::prelude::*;
//!
//! rnn! {
//!     /// Phonemes of an utterance, without saying where they are.
//!     pub model Phonemes<I, H, V> {
//!         time t in 1..=T;
//!         time u in 1..=U;
//!         input  x[t]: [I];
//!         target label[u]: token<V>;
//!         param W: [V, 2*H] ~ glorot_uniform;
//!         layer lstm = bi(Lstm<I, H>);
//!         layer ctc = Ctc<V>;
//!
//!         logits[t] = W @ lstm(x[t]);
//!         total[t]  = ctc(logits[t], label);
//!
//!         output logits;
//!         loss   -total[T];
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let spec = Phonemes { I: 3, H: 4, V: 5 };
//! let model = spec.compile(Options::default())?;
//! let params = PhonemesParams::init(&spec, 42)?;
//! let (x, label) = (Array3::<f32>::ones((6, 2, 3)), Array2::<u32>::ones((2, 2)));
//! let inputs = || PhonemesInputs { x: x.view() }.lengths_of("t", &[6, 4]).lengths_of("u", &[2, 1]);
//! assert!(model.loss(&params, inputs(), PhonemesTargets { label: label.view() })? > 0.0);
//!
//! // Of each example there are steps enough for its labels; the second has four for one.
//! rnn::ctc::check_labels(label.view(), &[2, 1], &[6, 4], 0)?;
//!
//! // What the model hears, where no labels are known: blanks and repetitions are taken out.
//! let unknown = PhonemesInputs { x: x.view() }.lengths_of("t", &[6, 4]);
//! let logits = model.forward(&params, unknown)?.logits;
//! let heard = rnn::ctc::greedy(logits.index_axis(ndarray::Axis(1), 0), 0)?;
//! let best = &rnn::ctc::beam(logits.index_axis(ndarray::Axis(1), 0), 0, 8)?[0];
//! assert!(heard.len() <= 6 && best.log_prob <= 0.0);
//! # Ok(())
//! # }
//! ```
//!
//! Sequence-level rewards (REINFORCE; Williams 1992) need no loss of their own. A sampled sequence is a target, weighted by how much
//! better it was than a baseline: `target advantage: []; loss advantage * sum[t](cross_entropy(logits[t], said[t]));`, with
//! [`reinforce`](crate::reinforce).
//!
//! **Invariant:** logits go in, and nats come out.

mod classes;
mod crf;
mod ctc;

pub use classes::{SmoothedCrossEntropy, WeightedCrossEntropy};
pub use crf::Crf;
pub use ctc::Ctc;
