//! Generation: tokens that follow from a prompt, or from a source.
//!
//! ```no_run
//! # use rnn_runtime::error::GenerateError;
//! # use rnn_runtime::{Compiled, Generate, Model};
//! # fn example<M: Model>(model: &Compiled<M>, params: M::Params, inputs: impl Fn() -> M::Inputs<'static>) -> Result<(), GenerateError> {
//! let out = model.generate(&params, inputs(), Generate::greedy().max_steps(80).stop(2))?;
//! let out = model.generate(&params, inputs(), Generate::sampled().temperature(0.8).top_k(40).seed(7))?;
//! let out = model.generate(&params, inputs(), Generate::beam(5).length_penalty(1.0))?;
//! println!("{:?}", out.best(0).tokens);
//! # Ok(())
//! # }
//! ```
//!
//! The equations are those that train. In `feedback(tgt[t-1], argmax(logits[t-1]))` the choice of a token takes the place of
//! `argmax`, and `logits` is what it is chosen from. A model without `feedback` has an input that holds the last token: what is
//! given there is the prompt, and examples may have prompts of different lengths.
//!
//! What does not depend on the last token (an encoder, the projection of its states) is computed once, and the rest one step at a
//! time, with its states carried (`decoder.rs`); `search.rs` chooses.
//!
//! **Invariant:** what an example gets depends on its inputs, the settings, the seed and its position alone, not on the other
//! examples.

mod bytes;
mod decoder;
mod plan;
mod search;

use crate::batch::IntoBatch;
use crate::compiled::Compiled;
use crate::error::GenerateError;
use crate::model::Model;

pub(crate) use plan::Plan;

/// How tokens are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Method {
    Sample {
        temperature: f32,
        top_k: Option<usize>,
    },
    Beam {
        width: usize,
        length_penalty: f64,
    },
}

/// How to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Generate {
    pub(crate) method: Method,
    pub(crate) max_steps: usize,
    pub(crate) stop: Vec<u32>,
    pub(crate) seed: u64,
}

impl Generate {
    fn with(method: Method) -> Self {
        Self {
            method,
            max_steps: 100,
            stop: Vec::new(),
            seed: 0,
        }
    }

    /// The most likely token at each step, the first of equals.
    pub fn greedy() -> Self {
        Self::with(Method::Sample {
            temperature: 0.0,
            top_k: None,
        })
    }

    /// Tokens drawn from the model's distribution.
    pub fn sampled() -> Self {
        Self::with(Method::Sample {
            temperature: 1.0,
            top_k: None,
        })
    }

    /// The most likely sequences among those that `width` hypotheses an example find.
    pub fn beam(width: usize) -> Self {
        Self::with(Method::Beam {
            width,
            length_penalty: 0.0,
        })
    }

    /// Logits are divided by this before a token is drawn; 0 is the most likely token. A beam has none.
    #[must_use]
    pub fn temperature(mut self, value: f32) -> Self {
        if let Method::Sample { temperature, .. } = &mut self.method {
            *temperature = value;
        }
        self
    }

    /// Draws among the so many most likely tokens. A beam has all of them.
    #[must_use]
    pub fn top_k(mut self, tokens: usize) -> Self {
        if let Method::Sample { top_k, .. } = &mut self.method {
            *top_k = Some(tokens);
        }
        self
    }

    /// Hypotheses of a beam are compared by their log-probability over their length to this power: 0, as it is, prefers short ones, 1 is
    /// the mean of their tokens.
    #[must_use]
    pub fn length_penalty(mut self, power: f64) -> Self {
        if let Method::Beam { length_penalty, .. } = &mut self.method {
            *length_penalty = power;
        }
        self
    }

    /// At most so many tokens an example; 100 if nothing is said.
    #[must_use]
    pub fn max_steps(mut self, steps: usize) -> Self {
        self.max_steps = steps;
        self
    }

    /// An example ends with this token. May be said of several.
    #[must_use]
    pub fn stop(mut self, token: u32) -> Self {
        self.stop.push(token);
        self
    }

    // Hypotheses of an example.
    fn width(&self) -> usize {
        match self.method {
            Method::Sample { .. } => 1,
            Method::Beam { width, .. } => width,
        }
    }

    /// The seed of the draws; each example has a stream of its own.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// A sequence that was generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// Its tokens, without the prompt; a stop token is the last of them.
    pub tokens: Vec<u32>,
    /// The log-probability that the model gives each of them after those before, whatever it was chosen by.
    pub log_probs: Vec<f64>,
    /// What a beam compares: the sum of the log-probabilities, over the length to the power of the penalty.
    pub score: f64,
    /// Whether it ended with a stop token.
    pub stopped: bool,
}

impl Hypothesis {
    /// The log-probability of the whole sequence.
    pub fn log_prob(&self) -> f64 {
        self.log_probs.iter().sum()
    }
}

/// What was generated, for each example in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The hypotheses of each example, the best first; one where tokens are drawn.
    pub hypotheses: Vec<Vec<Hypothesis>>,
}

impl Generated {
    /// The best sequence of an example.
    ///
    /// # Panics
    /// There is no such example.
    pub fn best(&self, example: usize) -> &Hypothesis {
        &self.hypotheses[example][0]
    }

    /// How many tokens each example got.
    pub fn lengths(&self) -> Vec<usize> {
        let best = (0..self.hypotheses.len()).map(|example| self.best(example));
        best.map(|best| best.tokens.len()).collect()
    }
}

impl<M: Model> Compiled<M> {
    /// Generates tokens for a batch.
    ///
    /// A model with one `feedback` of an `argmax` starts from its start token, after the inputs. A model without has one input of
    /// tokens, which is the prompt, and one output of logits over them. Lengths along the axis of the loop are those of the prompts, or
    /// the most tokens of each example.
    ///
    /// # Errors
    /// [`GenerateError`] for a model that this does not apply to, and says why; inputs that do not fit; settings out of range.
    pub fn generate<'a, 'b>(
        &self,
        params: &M::Params,
        batch: impl IntoBatch<'a, 'b, M>,
        settings: Generate,
    ) -> Result<Generated, GenerateError> {
        let mut decoder =
            decoder::Decoder::new::<M>(&self.inner, params, batch.into_batch(), &settings)?;
        search::run(&mut decoder, &settings)
    }
}
