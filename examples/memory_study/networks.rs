//! A network of each cell for each task, and how they are trained and judged.

use ndarray::Zip;
use rand::Rng;
use rnn::cells::{Elman, Gru, Lstm};
use rnn::prelude::*;

use crate::material::Material;
use crate::tasks::{Copies, SYMBOLS, Sums};

/// How wrong a network is, in the measure of its task, and the share of its answers that are right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) error: f64,
    pub(crate) right: f64,
}

/// A network for a task.
pub(crate) trait Student: Model {
    type Sequences;
    /// The cell.
    const CELL: &'static str;
    fn sized(hidden: usize) -> Self;
    /// Sequences whose memory is so long.
    fn draw(material: &Material, delay: usize, batch: usize, rng: &mut impl Rng)
    -> Self::Sequences;
    fn inputs(sequences: &Self::Sequences) -> Self::Inputs<'_>;
    fn targets(sequences: &Self::Sequences) -> Self::Targets<'_>;
    fn judge(outputs: &Self::Outputs, sequences: &Self::Sequences) -> Figures;
}

/// A sum is right if it is nearer than this (Hochreiter & Schmidhuber 1997).
const NEAR: f32 = 0.04;

macro_rules! adders {
    ($($model:ident $inputs:ident $targets:ident = $cell:ident;)*) => {$(
        rnn! {
            /// Says the sum of the marked numbers at the end.
            pub(crate) model $model<H> {
                time   t in 1..=T;
                input  x[t]: [2];
                target total: [];
                param w_y: [H] ~ normal(0.0, 0.1);
                param b_y: []  = 0;
                layer unit = $cell<2, H>;
                h[t] = unit(x[t]);
                y    = w_y @ h[T] + b_y;
                output y;
                loss   squared_error(y, total);
            }
        }

        impl Student for $model {
            type Sequences = Sums;
            const CELL: &'static str = stringify!($cell);
            fn sized(hidden: usize) -> Self {
                Self { H: hidden }
            }
            fn draw(material: &Material, delay: usize, batch: usize, rng: &mut impl Rng) -> Sums {
                Sums::draw(material, delay, batch, rng)
            }
            fn inputs(sums: &Sums) -> $inputs<'_> {
                $inputs { x: sums.x.view() }
            }
            fn targets(sums: &Sums) -> $targets<'_> {
                $targets { total: sums.sum.view() }
            }
            fn judge(outputs: &Self::Outputs, sums: &Sums) -> Figures {
                let (mut error, mut right) = (0.0, 0.0);
                for (y, sum) in outputs.y.iter().zip(&sums.sum) {
                    error += f64::from((y - sum).powi(2));
                    right += f64::from(u8::from((y - sum).abs() < NEAR));
                }
                let count = sums.sum.len() as f64;
                Figures { error: error / count, right: right / count }
            }
        }
    )*};
}

adders! {
    AddElman AddElmanInputs AddElmanTargets = Elman;
    AddLstm AddLstmInputs AddLstmTargets = Lstm;
    AddGru AddGruInputs AddGruTargets = Gru;
}

macro_rules! copiers {
    ($($model:ident $inputs:ident $targets:ident = $cell:ident;)*) => {$(
        rnn! {
            /// Says symbols again, `S` of them, after a mark.
            pub(crate) model $model<V, S, H> {
                time   t in 1..=T;
                input  now[t]:    token<V>;
                target symbol[t]: token<S>;
                target asked[t]:  [];
                param embed: [V, V] ~ identity;
                param W_y: [S, H]   ~ glorot_uniform;
                param b_y: [S]      = 0;
                layer unit = $cell<V, H>;
                logits[t] = W_y @ unit(embed[now[t]]) + b_y;
                output logits;
                loss   sum[t](asked[t] * cross_entropy(logits[t], symbol[t])) / sum[t](asked[t]);
            }
        }

        impl Student for $model {
            type Sequences = Copies;
            const CELL: &'static str = stringify!($cell);
            fn sized(hidden: usize) -> Self {
                Self { V: Copies::TOKENS, S: SYMBOLS, H: hidden }
            }
            fn draw(material: &Material, delay: usize, batch: usize, rng: &mut impl Rng) -> Copies {
                Copies::draw(material, delay, batch, rng)
            }
            fn inputs(copies: &Copies) -> $inputs<'_> {
                $inputs { now: copies.now.view() }
            }
            fn targets(copies: &Copies) -> $targets<'_> {
                $targets { symbol: copies.symbol.view(), asked: copies.asked.view() }
            }
            fn judge(outputs: &Self::Outputs, copies: &Copies) -> Figures {
                recalled(&outputs.logits, copies)
            }
        }
    )*};
}

copiers! {
    CopyElman CopyElmanInputs CopyElmanTargets = Elman;
    CopyLstm CopyLstmInputs CopyLstmTargets = Lstm;
    CopyGru CopyGruInputs CopyGruTargets = Gru;
}

/// Cross-entropy in nats and share of right symbols, of those that are asked for.
fn recalled(logits: &Array3<f32>, copies: &Copies) -> Figures {
    let (mut error, mut right, mut count) = (0.0, 0.0, 0.0);
    Zip::from(logits.rows())
        .and(&copies.symbol)
        .and(&copies.asked)
        .for_each(|logits, symbol, asked| {
            if *asked > 0.5 {
                let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = logits.iter().map(|logit| (logit - most).exp()).sum();
                let own = logits[*symbol as usize];
                error += f64::from(most + sum.ln() - own);
                right += f64::from(u8::from(own == most));
                count += 1.0;
            }
        });
    Figures {
        error: error / count,
        right: right / count,
    }
}
