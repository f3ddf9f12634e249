//! Parameters that are fixed when a model is compiled: the same model, less work.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

use rnn::cells::{Gru, Lstm};
use rnn::optim::{AdamConfig, OptimizerConfig};
use rnn::prelude::*;
use rnn::train::{Clip, Rate, Settings, TextSource, Trainer};
use rnn::{BatchSize, ContinuousText, Direction};

rnn! {
    /// Two layers, the first of which can be left as it is.
    model TwoLayers<V, E, H> {
        time   t in 1..=T;
        input  now[t]:  token<V>;
        target next[t]: token<V>;
        param embed: [V, E] ~ normal(0.0, 0.5);
        layer below = Gru<E, H>;
        layer above = Lstm<H, H>;
        param W_y:   [V, H] ~ glorot_uniform;
        param b_y:   [V]    = 0;
        h[t]      = above(below(embed[now[t]]));
        logits[t] = W_y @ h[t] + b_y;
        output logits;
        loss   mean[t](cross_entropy(logits[t], next[t]));
    }
}

#[rustfmt::skip]
const SPEC: TwoLayers = TwoLayers { V: 11, E: 5, H: 9 };

fn tokens(steps: usize, examples: usize, seed: usize) -> Array2<u32> {
    Array2::from_shape_fn((steps, examples), |(t, b)| {
        ((t * t + 3 * b + seed * t) % 11) as u32
    })
}

fn frozen() -> Options {
    Options::default().fixed("embed").fixed("below.*")
}

fn is_frozen(name: &str) -> bool {
    name == "embed" || name.starts_with("below.")
}

#[test]
fn gradients_of_fixed_parameters_are_zeros_and_the_others_are_what_they_were() {
    let params = TwoLayersParams::init(&SPEC, 3).unwrap();
    // In one part, and in several of which each leaves its gradients to be added up.
    for (examples, threads) in [(5, 1), (70, 2)] {
        let (now, next) = (tokens(8, examples, 1), tokens(8, examples, 2));
        let lengths: Vec<usize> = (0..examples).map(|b| b % 9).collect();
        let step = |options: Options| {
            let model = SPEC.compile(options.threads(threads)).unwrap();
            let mut grads = params.clone();
            let inputs = TwoLayersInputs { now: now.view() }.lengths(&lengths);
            let targets = TwoLayersTargets { next: next.view() };
            let value = model
                .loss_and_grad(&params, inputs, targets, &mut grads)
                .unwrap();
            (value.loss, grads)
        };
        let (loss, whole) = step(Options::default());
        let (own_loss, own) = step(frozen());
        assert_eq!(loss.to_bits(), own_loss.to_bits());
        let mut compared = 0;
        own.visit(&mut |name, view| {
            let of_all = whole.tensor(name).unwrap();
            assert!(of_all.iter().any(|value| *value != 0.0), "{name}");
            if is_frozen(name) {
                assert!(view.iter().all(|value| *value == 0.0), "{name}");
            } else {
                compared += 1;
                assert_eq!(view, of_all, "{name}");
            }
        });
        assert_eq!(compared, 12 + 2);
    }
}

#[test]
fn what_only_their_gradients_need_is_left_out() {
    let (all, few) = (Options::default(), frozen());
    let [all, few] = [all, few].map(|options| SPEC.compile(options).unwrap());
    let bytes = |model: &Compiled<TwoLayers>| {
        let size = BatchSize::new(32).steps("t", 100);
        model.bytes(Program::Gradient, &size).unwrap()
    };
    let (whole, less) = (bytes(&all), bytes(&few));
    // No gate of the layer below is stored for its backward pass.
    assert!(5 * less.total < 4 * whole.total, "{less:?} {whole:?}");
    for (model, bytes) in [(&all, &whole), (&few, &less)] {
        let trained = model.param_specs().iter().filter(|spec| spec.is_trained());
        let scalars: usize = trained
            .map(|spec| spec.shape.iter().product::<usize>())
            .sum();
        // One after the other for each of two parts of the batch.
        assert_eq!(bytes.gradients, 2 * 4 * scalars);
    }
    let schedule = |model: &Compiled<TwoLayers>| model.schedule(Program::Gradient).unwrap();
    let backward = |text: &str| text.matches("d_below").count();
    assert!(backward(&schedule(&all)) > 0);
    assert_eq!(backward(&schedule(&few)), 0, "{}", schedule(&few));
    let text = few.summary().to_string();
    assert!(text.contains("fixed"), "{text}");
}

fn source() -> TextSource<
    impl for<'a> Fn(
        ndarray::ArrayView2<'a, u32>,
        ndarray::ArrayView2<'a, u32>,
    ) -> (TwoLayersInputs<'a>, TwoLayersTargets<'a>),
> {
    let text = (0..900_u32).map(|at| at * at % 7 + at % 4).collect();
    let text = ContinuousText::new(text, 4, 16).unwrap();
    TextSource::new::<TwoLayers>(text, |now, next| {
        (TwoLayersInputs { now }, TwoLayersTargets { next })
    })
}

fn trainer(options: Options) -> Trainer<TwoLayers> {
    let model = SPEC.compile(options).unwrap();
    let params = TwoLayersParams::init(&SPEC, 3).unwrap();
    // Decay would pull at parameters without a gradient, too.
    let adam = OptimizerConfig::Adam(AdamConfig::decoupled(0.1));
    let adam = adam.build(model.param_specs(), &[]).unwrap();
    let settings = Settings::default()
        .rate(Rate::constant(0.01))
        .clip(Clip::Norm(1.0))
        .parameter_norms(true);
    Trainer::with_optimizer(model, params, adam, settings).unwrap()
}

#[test]
fn a_run_leaves_them_alone_and_is_taken_up_with_the_same_ones_fixed() {
    let mut trainer = trainer(frozen());
    let mut own = source();
    let run = rnn::train::Run::epochs(1);
    trainer.fit(&mut own, None, run).unwrap();
    let start = TwoLayersParams::init(&SPEC, 3).unwrap();
    trainer.params().visit(&mut |name, view| {
        assert_eq!(
            view == start.tensor(name).unwrap(),
            is_frozen(name),
            "{name}"
        );
    });
    let norms = &trainer.record().parameter_norms;
    assert!(norms.iter().all(|(name, _)| !is_frozen(name)) && norms.len() == 14);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    trainer.save(&path, &own).unwrap();
    // All parameters are in it.
    let mut read = start;
    rnn::load_params(&path, &mut read).unwrap();
    assert_eq!(&read, trainer.params());
    let error = self::trainer(Options::default())
        .resume(&path, &mut source())
        .unwrap_err();
    assert!(error.to_string().contains("embed"), "{error}");
    self::trainer(frozen())
        .resume(&path, &mut source())
        .unwrap();
}

#[test]
fn a_pattern_that_fixes_nothing_is_an_error() {
    let error = SPEC.compile(Options::default().fixed("bellow.*"));
    let text = error.err().unwrap().to_string();
    assert!(
        text.starts_with(
            "model `TwoLayers`: expected `bellow.*` to match a trained parameter, one of `embed`, `below.W_"
        ),
        "{text}"
    );
}

#[test]
fn all_parameters_can_be_fixed() {
    let model = SPEC.compile(Options::default().fixed("*")).unwrap();
    let params = TwoLayersParams::init(&SPEC, 3).unwrap();
    let (now, next) = (tokens(4, 3, 1), tokens(4, 3, 2));
    let inputs = || TwoLayersInputs { now: now.view() };
    let targets = || TwoLayersTargets { next: next.view() };
    let mut grads = params.clone();
    let value = model
        .loss_and_grad(&params, inputs(), targets(), &mut grads)
        .unwrap();
    let loss = model.loss(&params, inputs(), targets()).unwrap();
    assert_eq!(value.loss.to_bits(), loss.to_bits());
    assert_eq!(grads, params.zeros_like());
    // Derivatives by parameters are by none, and those by states are as before.
    let (_, slope) = model
        .loss_jvp(&params, inputs(), targets(), &Direction::params(&params))
        .unwrap();
    assert_eq!(slope, 0.0);
    let states = model.state_gradients(&params, inputs(), targets()).unwrap();
    assert!(states.states.len() == 3);
}
