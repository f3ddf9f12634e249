//! A small model of every cell.
//!
//! **Invariant:** every cell of [`rnn::cells`] is in one of these models.

use ndarray::{ArrayD, ArrayView, Axis, Dimension};
use rnn::cells::*;
use rnn::prelude::*;
use std::collections::BTreeMap;

/// Inputs and targets by name, as a model's structs take them: `[time axes.., B, features..]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    pub(crate) reals: BTreeMap<String, ArrayD<f32>>,
    pub(crate) tokens: BTreeMap<String, ArrayD<u32>>,
}

impl Values {
    pub(crate) fn real<D: Dimension>(&self, name: &str) -> ArrayView<'_, f32, D> {
        view(&self.reals, name)
    }

    pub(crate) fn token<D: Dimension>(&self, name: &str) -> ArrayView<'_, u32, D> {
        view(&self.tokens, name)
    }

    /// One step of all of them, along their first axis.
    pub(crate) fn step(&self, t: usize) -> Self {
        Self {
            reals: slices(&self.reals, t),
            tokens: slices(&self.tokens, t),
        }
    }
}

fn view<'a, A, D: Dimension>(
    arrays: &'a BTreeMap<String, ArrayD<A>>,
    name: &str,
) -> ArrayView<'a, A, D> {
    let array = arrays.get(name).expect("drawn for every input");
    let view = array.view().into_dimensionality();
    view.expect("of the rank that the equations give it")
}

fn slices<A: Clone>(arrays: &BTreeMap<String, ArrayD<A>>, t: usize) -> BTreeMap<String, ArrayD<A>> {
    let slice = |array: &ArrayD<A>| array.slice_axis(Axis(0), (t..=t).into()).to_owned();
    arrays
        .iter()
        .map(|(name, array)| (name.clone(), slice(array)))
        .collect()
}

/// A model whose inputs can be made of values by name.
pub(crate) trait Sample: Model<Outputs: Clone> {
    fn inputs(values: &Values) -> Self::Inputs<'_>;
    fn targets(values: &Values) -> Self::Targets<'_>;
    /// The same views.
    fn again<'a>(inputs: &Self::Inputs<'a>) -> Self::Inputs<'a>;
}

macro_rules! sample {
    ($model:ident $inputs:ident { $($input:ident: $kind:ident),* } $targets:ident { $($target:ident: $of:ident),+ }) => {
        impl Sample for $model {
            fn inputs(values: &Values) -> $inputs<'_> {
                $inputs { $($input: values.$kind(stringify!($input))),* }
            }
            fn targets(values: &Values) -> $targets<'_> {
                $targets { $($target: values.$of(stringify!($target))),* }
            }
            fn again<'a>(inputs: &Self::Inputs<'a>) -> Self::Inputs<'a> {
                inputs.clone()
            }
        }
    };
    ($model:ident $inputs:ident { $($input:ident: $kind:ident),* } $targets:ident {}) => {
        impl Sample for $model {
            fn inputs(values: &Values) -> $inputs<'_> {
                $inputs { $($input: values.$kind(stringify!($input))),* }
            }
            fn targets(_: &Values) -> $targets<'_> {
                $targets::default()
            }
            fn again<'a>(inputs: &Self::Inputs<'a>) -> Self::Inputs<'a> {
                inputs.clone()
            }
        }
    };
}

// A cell over a sequence of vectors, whose output has a target at every step.
macro_rules! over {
    ($($model:ident<$($size:ident),*> $inputs:ident $targets:ident: $cell:ident<$($of:tt),*>, $from:tt -> $to:tt;)*) => {$(
        rnn! {
            pub(crate) model $model<$($size),*> {
                time   t in 1..=T;
                input  x[t]: $from;
                target y[t]: $to;
                layer unit = $cell<$($of),*>;
                h[t] = unit(x[t]);
                output h;
                loss   mean[t](squared_error(h[t], y[t]));
            }
        }
        sample!($model $inputs { x: real } $targets { y: real });
    )*};
}

over! {
    OverElman<I, H> OverElmanInputs OverElmanTargets: Elman<I, H>, [I] -> [H];
    OverJordan<I, H, O> OverJordanInputs OverJordanTargets: Jordan<I, H, O>, [I] -> [O];
    OverIrnn<I, H> OverIrnnInputs OverIrnnTargets: Irnn<I, H>, [I] -> [H];
    OverIndRnn<I, H> OverIndRnnInputs OverIndRnnTargets: IndRnn<I, H>, [I] -> [H];
    OverSkipElman<I, H> OverSkipElmanInputs OverSkipElmanTargets: SkipElman<I, H>, [I] -> [H];
    OverScrn<I, H, S> OverScrnInputs OverScrnTargets: Scrn<I, H, S>, [I] -> [H + S];

    OverLstm<I, H> OverLstmInputs OverLstmTargets: Lstm<I, H>, [I] -> [H];
    OverPeepholeLstm<I, H> OverPeepholeLstmInputs OverPeepholeLstmTargets: PeepholeLstm<I, H>, [I] -> [H];
    OverCoupledLstm<I, H> OverCoupledLstmInputs OverCoupledLstmTargets: CoupledLstm<I, H>, [I] -> [H];
    OverProjectedLstm<I, H, P> OverProjectedLstmInputs OverProjectedLstmTargets: ProjectedLstm<I, H, P>, [I] -> [P];
    OverLayerNormLstm<I, H> OverLayerNormLstmInputs OverLayerNormLstmTargets: LayerNormLstm<I, H>, [I] -> [H];
    OverBatchNormLstm<I, H, S> OverBatchNormLstmInputs OverBatchNormLstmTargets: BatchNormLstm<I, H, S>, [I] -> [H];
    OverMultiplicativeLstm<I, H> OverMultiplicativeLstmInputs OverMultiplicativeLstmTargets: MultiplicativeLstm<I, H>, [I] -> [H];
    OverMogrifierLstm<I, H> OverMogrifierLstmInputs OverMogrifierLstmTargets: MogrifierLstm<I, H, 2>, [I] -> [H];

    OverGru<I, H> OverGruInputs OverGruTargets: Gru<I, H>, [I] -> [H];
    OverGruResetAfter<I, H> OverGruResetAfterInputs OverGruResetAfterTargets: GruResetAfter<I, H>, [I] -> [H];
    OverLayerNormGru<I, H> OverLayerNormGruInputs OverLayerNormGruTargets: LayerNormGru<I, H>, [I] -> [H];
    OverMgu<I, H> OverMguInputs OverMguTargets: Mgu<I, H>, [I] -> [H];
    OverUgrnn<I, H> OverUgrnnInputs OverUgrnnTargets: Ugrnn<I, H>, [I] -> [H];
    OverLiGru<I, H> OverLiGruInputs OverLiGruTargets: LiGru<I, H>, [I] -> [H];
    OverRhn<I, H> OverRhnInputs OverRhnTargets: Rhn<I, H, 3>, [I] -> [H];

    OverLinearStateSpace<I, N, O> OverLinearStateSpaceInputs OverLinearStateSpaceTargets: LinearStateSpace<I, N, O>, [I] -> [O];
    OverSru<H> OverSruInputs OverSruTargets: Sru<H>, [H] -> [H];
    OverQrnnF<I, H> OverQrnnFInputs OverQrnnFTargets: QrnnF<I, H>, [I] -> [H];
    OverQrnnFo<I, H> OverQrnnFoInputs OverQrnnFoTargets: QrnnFo<I, H>, [I] -> [H];
    OverMinGru<I, H> OverMinGruInputs OverMinGruTargets: MinGru<I, H>, [I] -> [H];
    OverMinLstm<I, H> OverMinLstmInputs OverMinLstmTargets: MinLstm<I, H>, [I] -> [H];
    OverLru<I, N, O> OverLruInputs OverLruTargets: Lru<I, N, O>, [I] -> [O];
    OverRgLru<H> OverRgLruInputs OverRgLruTargets: RgLru<H>, [H] -> [H];

    OverSlstm<I, H> OverSlstmInputs OverSlstmTargets: Slstm<I, H>, [I] -> [H];
    OverMlstm<I, D> OverMlstmInputs OverMlstmTargets: Mlstm<I, D>, [I] -> [D];

    OverAntisymmetric<I, H> OverAntisymmetricInputs OverAntisymmetricTargets: Antisymmetric<I, H>, [I] -> [H];
    OverGatedAntisymmetric<I, H> OverGatedAntisymmetricInputs OverGatedAntisymmetricTargets: GatedAntisymmetric<I, H>, [I] -> [H];
    OverCoRnn<I, H> OverCoRnnInputs OverCoRnnTargets: CoRnn<I, H>, [I] -> [H];
    OverUnicornn<I, H> OverUnicornnInputs OverUnicornnTargets: Unicornn<I, H>, [I] -> [H];
    OverLem<I, H> OverLemInputs OverLemTargets: Lem<I, H>, [I] -> [H];

    OverClockwork<I, K> OverClockworkInputs OverClockworkTargets: Clockwork<I, K, 4>, [I] -> [4*K];
    OverNtm<I, H, N, D> OverNtmInputs OverNtmTargets: Ntm<I, H, N, D>, [I] -> [H + D];
}

rnn! {
    /// Steps that are `dt` apart.
    pub(crate) model OverCfc<I, K, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  dt[t]: [];
        target y[t]: [H];
        layer unit = Cfc<I, K, H>;
        h[t] = unit(x[t], dt[t]);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// Steps at given times.
    pub(crate) model OverPhasedLstm<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  at[t]: [];
        target y[t]: [H];
        layer unit = PhasedLstm<I, H>;
        h[t] = unit(x[t], at[t]);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// A reservoir and what is trained of it: the readout.
    pub(crate) model OverLeakyEsn<I, H, O> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [O];
        param  W_out: [O, H] ~ glorot_uniform;
        layer unit = LeakyEsn<I, H>;
        h[t] = unit(x[t]);
        o[t] = W_out @ h[t];
        output o, h;
        loss   mean[t](squared_error(o[t], y[t]));
    }

    /// Minus the log-likelihood of a sequence of symbols.
    pub(crate) model OverHmmForward<S, V> {
        time  t in 1..=T;
        input x[t]: token<V>;
        layer unit = HmmForward<S, V>;
        h[t] = unit(x[t]);
        output h;
        loss  -logsumexp(h[T]);
    }

    /// A decoder over a memory.
    pub(crate) model OverBahdanau<E, M, H, A> {
        time   j in 1..=S;
        time   t in 1..=T;
        input  x[t]: [E];
        input  m[j]: [M];
        target y[t]: [H];
        layer unit = BahdanauDecoder<E, M, H, A>;
        h[t] = unit(x[t], m);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// A decoder over a memory of its own size.
    pub(crate) model OverLuongDot<E, H> {
        time   j in 1..=S;
        time   t in 1..=T;
        input  x[t]: [E];
        input  m[j]: [H];
        target y[t]: [H];
        layer unit = LuongDotDecoder<E, H>;
        h[t] = unit(x[t], m);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// A decoder over a memory.
    pub(crate) model OverLuongGeneral<E, M, H> {
        time   j in 1..=S;
        time   t in 1..=T;
        input  x[t]: [E];
        input  m[j]: [M];
        target y[t]: [H];
        layer unit = LuongGeneralDecoder<E, M, H>;
        h[t] = unit(x[t], m);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }

    /// A decoder over a memory.
    pub(crate) model OverScaledDot<E, M, H, K> {
        time   j in 1..=S;
        time   t in 1..=T;
        input  x[t]: [E];
        input  m[j]: [M];
        target y[t]: [H];
        layer unit = ScaledDotDecoder<E, M, H, K>;
        h[t] = unit(x[t], m);
        output h;
        loss   mean[t](squared_error(h[t], y[t]));
    }
}

sample!(OverCfc OverCfcInputs { x: real, dt: real } OverCfcTargets { y: real });
sample!(OverPhasedLstm OverPhasedLstmInputs { x: real, at: real } OverPhasedLstmTargets { y: real });
sample!(OverLeakyEsn OverLeakyEsnInputs { x: real } OverLeakyEsnTargets { y: real });
sample!(OverHmmForward OverHmmForwardInputs { x: token } OverHmmForwardTargets {});
sample!(OverBahdanau OverBahdanauInputs { x: real, m: real } OverBahdanauTargets { y: real });
sample!(OverLuongDot OverLuongDotInputs { x: real, m: real } OverLuongDotTargets { y: real });
sample!(OverLuongGeneral OverLuongGeneralInputs { x: real, m: real } OverLuongGeneralTargets { y: real });
sample!(OverScaledDot OverScaledDotInputs { x: real, m: real } OverScaledDotTargets { y: real });
