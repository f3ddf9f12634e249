//! Models with the structs that the macro would write for them.

use ndarray::{Array0, Array1, Array2, Array3, ArrayD, ArrayView1, ArrayView2, ArrayView3};
use ndarray::{Array4, ArrayViewD, ArrayViewMutD};
use rnn_runtime::{
    InputSlice, InputView, Inputs, Model, OutputValue, OutputViewMut, Outputs, Tensors,
};

macro_rules! tensors {
    ($name:ident { $($key:literal $field:ident: $array:ty),* $(,)? }) => {
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) struct $name { $(pub(crate) $field: $array),* }
        impl Tensors for $name {
            fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
                let _ = &visitor;
                $(visitor($key, self.$field.view().into_dyn());)*
            }
            fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
                let _ = &visitor;
                $(visitor($key, self.$field.view_mut().into_dyn());)*
            }
            fn from_tensors(take: &mut dyn FnMut(&str) -> ArrayD<f32>) -> Self {
                let _ = &take;
                Self { $($field: take($key).into_dimensionality().expect("the rank of the field")),* }
            }
        }
    };
}

macro_rules! inputs {
    ($name:ident { $($kind:ident $field:ident: $view:ident<$element:ty>),* $(,)? }) => {
        #[derive(Clone, Debug)]
        pub(crate) struct $name<'a> { $(pub(crate) $field: $view<'a, $element>),* }
        impl<'a> Inputs<'a> for $name<'a> {
            fn visit(&self, visitor: &mut dyn FnMut(&'static str, InputView<'a>)) {
                $(visitor(stringify!($field), InputView::$kind(self.$field.clone().into_dyn()));)*
            }
            fn from_views(take: &mut dyn FnMut(&'static str) -> Option<InputView<'a>>) -> Option<Self> {
                Some(Self { $($field: match take(stringify!($field))? {
                    InputView::$kind(view) => view.into_dimensionality().ok()?,
                    _ => return None,
                }),* })
            }
            fn visit_slices(&self, visitor: &mut dyn FnMut(&'static str, InputSlice<'_>)) -> bool {
                $(let Some(elements) = self.$field.as_slice() else { return false };
                visitor(stringify!($field), InputSlice::$kind(self.$field.shape(), elements));)*
                true
            }
        }
    };
}

macro_rules! outputs {
    ($name:ident { $($kind:ident $into:ident $field:ident: $array:ty),* $(,)? }) => {
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) struct $name { $(pub(crate) $field: $array),* }
        impl Outputs for $name {
            fn from_values(take: &mut dyn FnMut(&str) -> OutputValue) -> Self {
                Self { $($field: take(stringify!($field)).$into().into_dimensionality().expect("the rank of the field")),* }
            }
            fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(&str, OutputViewMut<'a>)) {
                $(visitor(stringify!($field), OutputViewMut::$kind(self.$field.view_mut().into_dyn()));)*
            }
        }
    };
}

macro_rules! model {
    ($name:ident [$($size:ident),*] $ir:literal $params:ident $inputs:ident $targets:ident $outputs:ident $state:ident) => {
        #[allow(non_snake_case, reason = "sizes have their letters, as in the equations")]
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name { $(pub(crate) $size: usize),* }
        impl Model for $name {
            const NAME: &'static str = stringify!($name);
            const IR: &'static str = include_str!($ir);
            type Params = $params;
            type Inputs<'a> = $inputs<'a>;
            type Targets<'a> = $targets<'a>;
            type Outputs = $outputs;
            type State = $state;
            fn sizes(&self) -> Vec<(&'static str, usize)> {
                vec![$((stringify!($size), self.$size)),*]
            }
        }
    };
}

type Vector = Array1<f32>;
type Matrix = Array2<f32>;

tensors!(CharLmParams {
    "embed" embed: Matrix, "W_y" w_y: Matrix, "b_y" b_y: Vector,
    // The order of a struct is not always that of the equations.
    "lstm.W_i" w_i: Matrix, "lstm.W_f" w_f: Matrix, "lstm.W_g" w_g: Matrix, "lstm.W_o" w_o: Matrix,
    "lstm.U_i" u_i: Matrix, "lstm.U_f" u_f: Matrix, "lstm.U_g" u_g: Matrix, "lstm.U_o" u_o: Matrix,
    "lstm.b_i" b_i: Vector, "lstm.b_f" b_f: Vector, "lstm.b_g" b_g: Vector, "lstm.b_o" b_o: Vector,
});
tensors!(LstmState { "lstm.h" h: Matrix, "lstm.c" c: Matrix });
inputs!(CharLmInputs { Index now: ArrayView2<u32> });
inputs!(CharLmTargets { Index next: ArrayView2<u32> });
outputs!(CharLmOutputs { Real into_real logits: Array3<f32> });
model!(CharLm [V, E, H] "char_lm.rir" CharLmParams CharLmInputs CharLmTargets CharLmOutputs LstmState);

tensors!(GreedyParams {
    "embed" embed: Matrix, "W" w: Matrix, "U" u: Matrix, "W_y" w_y: Matrix, "b_y" b_y: Vector,
});
tensors!(GreedyState { "y" y: Vector, "h" h: Matrix });
inputs!(GreedyInputs { Real x: ArrayView3<f32> });
inputs!(GreedyTargets { Index next: ArrayView2<u32> });
outputs!(GreedyOutputs { Index into_index y: Array2<u32> });
model!(Greedy [I, V, H] "greedy.rir" GreedyParams GreedyInputs GreedyTargets GreedyOutputs GreedyState);

tensors!(TranslateParams {
    "E_s" e_s: Matrix, "E_t" e_t: Matrix, "W_a" w_a: Matrix, "U_a" u_a: Matrix, "v_a" v_a: Vector,
    "W_0" w_0: Matrix, "b_0" b_0: Vector, "W_s" w_s: Matrix, "b_s" b_s: Vector,
    "enc.forward.W_r" f0: Matrix, "enc.forward.U_r" f1: Matrix, "enc.forward.b_r" f2: Vector,
    "enc.forward.W_z" f3: Matrix, "enc.forward.U_z" f4: Matrix, "enc.forward.b_z" f5: Vector,
    "enc.forward.W_n" f6: Matrix, "enc.forward.U_n" f7: Matrix, "enc.forward.b_n" f8: Vector,
    "enc.backward.W_r" b0: Matrix, "enc.backward.U_r" b1: Matrix, "enc.backward.b_r" b2: Vector,
    "enc.backward.W_z" b3: Matrix, "enc.backward.U_z" b4: Matrix, "enc.backward.b_z" b5: Vector,
    "enc.backward.W_n" b6: Matrix, "enc.backward.U_n" b7: Matrix, "enc.backward.b_n" b8: Vector,
    "dec.W_r" d0: Matrix, "dec.U_r" d1: Matrix, "dec.b_r" d2: Vector,
    "dec.W_z" d3: Matrix, "dec.U_z" d4: Matrix, "dec.b_z" d5: Vector,
    "dec.W_n" d6: Matrix, "dec.U_n" d7: Matrix, "dec.b_n" d8: Vector,
});
tensors!(TranslateState {
    "enc.forward.h" encoder: Matrix, "dec.h" decoder: Matrix, "tgt" tgt: Vector,
});
inputs!(TranslateInputs { Index src: ArrayView2<u32> });
inputs!(TranslateTargets { Index tgt: ArrayView2<u32> });
outputs!(TranslateOutputs {
    Real into_real logits: Array3<f32>, Real into_real a: Array3<f32>,
});
model!(Translate [Vs, Vt, D, E, H, G, A] "attention.rir"
    TranslateParams TranslateInputs TranslateTargets TranslateOutputs TranslateState);

tensors!(BidirectionalParams {
    "forward.W_xh" f0: Matrix, "forward.W_hh" f1: Matrix, "forward.b_h" f2: Vector,
    "reverse.W_xh" r0: Matrix, "reverse.W_hh" r1: Matrix, "reverse.b_h" r2: Vector,
    "W_hy" w_hy: Matrix, "b_y" b_y: Vector,
});
tensors!(BidirectionalState { "forward.h" h: Matrix });
inputs!(BidirectionalInputs { Real x: ArrayView3<f32> });
inputs!(BidirectionalTargets { Index y: ArrayView2<u32> });
outputs!(BidirectionalOutputs { Real into_real o: Array3<f32> });
model!(Bidirectional [I, F, R, V] "bidirectional.rir"
    BidirectionalParams BidirectionalInputs BidirectionalTargets BidirectionalOutputs BidirectionalState);

tensors!(PoolingParams {
    "embed" embed: Matrix, "U" u: Matrix, "w" w: Vector, "h_0" h_0: Vector, "W_y" w_y: Matrix, "b_y" b_y: Vector,
});
tensors!(PoolingState { "h" h: Matrix });
inputs!(PoolingInputs { Index words: ArrayView2<u32> });
inputs!(PoolingTargets { Index label: ArrayView1<u32> });
outputs!(PoolingOutputs { Real into_real y: Array2<f32> });
model!(Pooling [V, H, K] "pooling.rir" PoolingParams PoolingInputs PoolingTargets PoolingOutputs PoolingState);

tensors!(OverflowParams { "w" w: Vector, "scale" scale: Vector });
tensors!(OverflowState { "s" s: Vector });
inputs!(OverflowInputs { Real x: ArrayView3<f32> });
outputs!(OverflowOutputs { Real into_real s: Array2<f32> });
#[derive(Clone, Debug)]
pub(crate) struct OverflowTargets<'a>(pub std::marker::PhantomData<&'a ()>);
impl<'a> Inputs<'a> for OverflowTargets<'a> {
    fn visit(&self, _: &mut dyn FnMut(&'static str, InputView<'a>)) {}
    fn from_views(_: &mut dyn FnMut(&'static str) -> Option<InputView<'a>>) -> Option<Self> {
        Some(Self(std::marker::PhantomData))
    }
}
model!(Overflow [I] "overflow.rir" OverflowParams OverflowInputs OverflowTargets OverflowOutputs OverflowState);

/// Sizes that are all different.
pub(crate) const CHAR_LM: CharLm = CharLm { V: 11, E: 5, H: 7 };
pub(crate) const GREEDY: Greedy = Greedy { I: 3, V: 6, H: 5 };
#[rustfmt::skip]
pub(crate) const TRANSLATE: Translate = Translate { Vs: 7, Vt: 9, D: 3, E: 4, H: 5, G: 6, A: 2 };
#[rustfmt::skip]
pub(crate) const BIDIRECTIONAL: Bidirectional = Bidirectional { I: 3, F: 4, R: 5, V: 6 };
pub(crate) const POOLING: Pooling = Pooling { V: 7, H: 4, K: 3 };
pub(crate) const OVERFLOW: Overflow = Overflow { I: 2 };

/// Tokens below `limit`, of no pattern.
pub(crate) fn tokens(shape: (usize, usize), limit: u32, seed: u32) -> Array2<u32> {
    let mut next = seed;
    Array2::from_shape_simple_fn(shape, || {
        next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (next >> 16) % limit
    })
}

/// Numbers between -1 and 1, of no pattern.
pub(crate) fn reals(shape: (usize, usize, usize), seed: u32) -> Array3<f32> {
    let mut next = seed;
    Array3::from_shape_simple_fn(shape, || {
        next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (next >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

#[test]
fn models_are_those_of_the_samples() {
    for (text, graph) in [
        (CharLm::IR, rnn_ir::samples::char_lm()),
        (Greedy::IR, rnn_ir::samples::greedy()),
        (Translate::IR, rnn_ir::samples::attention()),
        (Bidirectional::IR, rnn_ir::samples::bidirectional()),
        (Pooling::IR, rnn_ir::samples::pooling()),
    ] {
        assert_eq!(text, rnn_ir::text::print(&graph));
    }
}

const _: fn() = || {
    fn shared<T: Send + Sync + Clone>() {}
    fn moved<T: Send>() {}
    shared::<rnn_runtime::Compiled<CharLm>>();
    moved::<rnn_runtime::Stream<CharLm>>();
    let _: Option<(Array0<f32>, Array4<f32>)> = None;
};
