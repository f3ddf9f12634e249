//! Cross-entropy with smoothed labels and with weights of classes.

use ndarray::{Ix0, Ix3};
use rnn::ir::interp::Tensor;
use rnn::losses::{SmoothedCrossEntropy, WeightedCrossEntropy};
use rnn::prelude::*;

use crate::given::{CLASSES, assert_near, checked, drawn_classes, reals, tokens};

rnn! {
    model Smoothed<V> {
        time   t in 1..=T;
        input  x[t]: [V];
        target k[t]: token<V>;
        param  scale: [] = 1;
        layer  ce = SmoothedCrossEntropy<V>;
        z[t] = scale * x[t];
        e[t] = ce(z[t], k[t]);
        output z;
        loss   mean[t](e[t]);
    }

    model Weighted<V> {
        time   t in 1..=T;
        input  x[t]: [V];
        target k[t]: token<V>;
        param  scale: [] = 1;
        layer  ce = WeightedCrossEntropy<V>;
        z[t]   = scale * x[t];
        e[t]   = ce(z[t], k[t]);
        output z;
        loss   sum[t](e[t]) / sum[t](ce.weight[t]);
    }

    /// Smoothed by a number that is written down.
    model SmoothedByOption<V> {
        time   t in 1..=T;
        input  x[t]: [V];
        target k[t]: token<V>;
        param  scale: [] = 1;
        z[t] = scale * x[t];
        output z;
        loss   mean[t](cross_entropy(z[t], k[t], smoothing = 0.1));
    }
}

// The loss of the fixture and its derivative by logits.
macro_rules! agrees {
    ($test:ident, $fixture:literal, $model:ident, $params:ident, $inputs:ident, $targets:ident, $settings:expr) => {
        #[test]
        fn $test() {
            let (x, k): (Array3<f32>, _) = (reals("classes.logits"), tokens("classes.targets"));
            let spec = $model { V: 5 };
            let model = spec.compile(Options::default()).unwrap();
            let mut params = $params::init(&spec, 1).unwrap();
            let settings: fn(&mut $params) = $settings;
            settings(&mut params);
            let (inputs, targets) = ($inputs { x: x.view() }, $targets { k: k.view() });
            let by = model
                .input_gradients(&params, inputs, targets, &["x"])
                .unwrap();
            let expected = |what: &str| format!("{}.{what}", $fixture);
            assert_near("loss", &reals::<Ix0>(&expected("loss")), &[by.loss]);
            assert_near(
                "d logits",
                &reals::<Ix3>(&expected("grad.logits")),
                by.get("x").unwrap(),
            );
        }
    };
}

agrees!(
    smoothing_is_that_of_pytorch,
    "smoothed",
    Smoothed,
    SmoothedParams,
    SmoothedInputs,
    SmoothedTargets,
    |_| {}
);
agrees!(
    the_option_is_the_same,
    "smoothed",
    SmoothedByOption,
    SmoothedByOptionParams,
    SmoothedByOptionInputs,
    SmoothedByOptionTargets,
    |_| {}
);
agrees!(
    weights_are_those_of_pytorch,
    "weighted",
    Weighted,
    WeightedParams,
    WeightedInputs,
    WeightedTargets,
    |params| {
        params.ce.weights = reals("classes.weights");
    }
);

#[test]
fn gradients_are_those_of_finite_differences() {
    checked(Smoothed { V: CLASSES }, 0, |env| {
        env.with_input("k", drawn_classes())
            .with_param("ce.smoothing", Tensor::real([], [0.2]))
    });
    checked(SmoothedByOption { V: CLASSES }, 0, |env| {
        env.with_input("k", drawn_classes())
    });
    checked(Weighted { V: CLASSES }, 0, |env| {
        env.with_input("k", drawn_classes())
            .with_param("ce.weights", Tensor::real([3], [0.5, 2.0, 1.2]))
    });
}
