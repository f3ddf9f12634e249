//! Training by rewards of whole sequences.

use ndarray::Axis;
use rnn::prelude::*;
use rnn::reinforce::{Drawn, MovingAverage, self_critical};

use crate::given::{TOLERANCE, assert_near};

rnn! {
    /// What to say after each token, and first of all.
    model Policy<V> {
        time   t in 1..=T;
        target said[t]: token<V>;
        target advantage: [];
        param  table: [V, V] ~ normal(0.0, 0.5);
        last[t]   = feedback(said[t-1], argmax(logits[t-1]));
        said[0]   = 0;
        logits[t] = table[last[t]];
        output logits;
        loss   advantage * sum[t](cross_entropy(logits[t], said[t]));
    }
}

const POLICY: Policy = Policy { V: 3 };
/// Tokens said in each sequence of the policy.
const SAID: usize = 2;

/// A reward that likes 2 after 1.
fn reward(tokens: &[u32]) -> f32 {
    let liked = tokens.windows(2).filter(|pair| *pair == [1, 2]).count() as f32;
    3.0 * liked + tokens.iter().filter(|token| **token == 2).count() as f32 - 0.5
}

fn compiled() -> Compiled<Policy> {
    let options = Options::default().reduction(Reduction::Mean);
    POLICY.compile(options).unwrap()
}

fn targets<'a>(said: &'a Array2<u32>, advantage: &'a Array1<f32>) -> PolicyTargets<'a> {
    PolicyTargets {
        said: said.view(),
        advantage: advantage.view(),
    }
}

fn policy_gradient(model: &Compiled<Policy>, params: &PolicyParams, drawn: &Drawn) -> Array2<f32> {
    let mut grads = PolicyParams::zeros(&POLICY).unwrap();
    let batch = PolicyInputs::default().lengths(&drawn.lengths);
    let targets = targets(&drawn.tokens, &drawn.advantages);
    let value = model.loss_and_grad(params, batch, targets, &mut grads);
    value.unwrap();
    grads.table
}

#[test]
fn the_mean_of_the_estimate_is_the_gradient_of_the_expected_reward() {
    let model = compiled();
    let params = PolicyParams::init(&POLICY, 3).unwrap();
    // All that can be said, with its probability: the loss is the negative of what rises.
    let count = 3_usize.pow(SAID as u32);
    let all = Array2::from_shape_fn((SAID, count), |(t, b)| {
        (b / 3_usize.pow(t as u32) % 3) as u32
    });
    let lengths = vec![SAID; count];
    let once = Array1::ones(count);
    let probabilities = |params: &PolicyParams| -> Array1<f32> {
        let inputs = PolicyInputs::default().lengths(&lengths);
        let nll = model.losses(params, inputs, targets(&all, &once)).unwrap();
        nll.iter().map(|own| (-own).exp()).collect()
    };
    let p = probabilities(&params);
    assert!((p.sum() - 1.0).abs() < TOLERANCE);
    let rewards: Array1<f32> = all
        .axis_iter(Axis(1))
        .map(|own| reward(&own.to_vec()))
        .collect();
    let weighed = |rewards: &Array1<f32>| {
        let drawn = Drawn {
            tokens: all.clone(),
            lengths: lengths.clone(),
            advantages: rewards * &p * count as f32,
        };
        policy_gradient(&model, &params, &drawn)
    };
    let exact = weighed(&rewards);
    // It is the slope of the expected reward.
    let expected = |params: &PolicyParams| {
        let terms = probabilities(params) * &rewards;
        terms.mapv(f64::from).sum()
    };
    for (place, slope) in exact.indexed_iter() {
        let moved = |by: f32| {
            let mut params = params.clone();
            params.table[place] += by;
            expected(&params)
        };
        let difference = (moved(0.05) - moved(-0.05)) / 0.1;
        // The third derivative times 0.05^2 / 6, of rewards below five.
        assert!(
            (difference + f64::from(*slope)).abs() < 4e-3,
            "{place:?}: {difference} {slope}"
        );
    }
    // A baseline changes nothing in the mean.
    let shifted = weighed(&(&rewards - 1.7));
    assert_near("with a baseline", &exact, &shifted);

    // Draws, with a baseline: the mean of batches is within four standard errors of it, and varies less than without.
    let (batches, batch) = (60, 64);
    let mut spread = [0.0_f64; 2];
    for (at, baseline) in [0.0, p.dot(&rewards)].into_iter().enumerate() {
        let (mut sum, mut squares) = (Array2::<f64>::zeros((3, 3)), Array2::<f64>::zeros((3, 3)));
        for seed in 0..batches {
            let lengths = vec![SAID; batch];
            let settings = Generate::sampled().max_steps(SAID).seed(seed);
            let drawn = model
                .generate(&params, PolicyInputs::default().lengths(&lengths), settings)
                .unwrap();
            let advantages = (0..batch)
                .map(|example| reward(&drawn.best(example).tokens) - baseline)
                .collect();
            let drawn = Drawn::new(&drawn, advantages).unwrap();
            let own = policy_gradient(&model, &params, &drawn);
            sum += &own.mapv(f64::from);
            squares += &own.mapv(|own| f64::from(own).powi(2));
        }
        let mean = &sum / batches as f64;
        let variance = &squares / batches as f64 - &mean * &mean;
        for ((place, mean), exact) in mean.indexed_iter().zip(&exact) {
            let error = (variance[place] / batches as f64).sqrt();
            assert!(
                (mean - f64::from(*exact)).abs() <= 4.0 * error + 1e-9,
                "{place:?}: {mean}, expected {exact}, {error}"
            );
        }
        spread[at] = variance.sum();
    }
    assert!(spread[1] < spread[0], "{spread:?}");
}

#[test]
fn a_policy_learns_from_rewards_alone() {
    for critical in [false, true] {
        let model = compiled();
        let mut params = PolicyParams::init(&POLICY, 1).unwrap();
        let mut baseline = MovingAverage::new(0.9).unwrap();
        let (steps, batch) = (6, 32);
        let lengths = vec![steps; batch];
        let say = |params: &PolicyParams, settings: Generate| {
            let inputs = PolicyInputs::default().lengths(&lengths);
            let said = model
                .generate(params, inputs, settings.max_steps(steps))
                .unwrap();
            let rewards: Vec<f32> = (0..batch)
                .map(|example| reward(&said.best(example).tokens))
                .collect();
            (said, rewards)
        };
        let mean = |rewards: &[f32]| rewards.iter().sum::<f32>() / batch as f32;
        let before = mean(&say(&params, Generate::sampled()).1);
        for step in 0..150 {
            let (said, rewards) = say(&params, Generate::sampled().seed(step));
            let advantages = if critical {
                self_critical(&rewards, &say(&params, Generate::greedy()).1).unwrap()
            } else {
                baseline.advantages(&rewards).unwrap()
            };
            let drawn = Drawn::new(&said, advantages).unwrap();
            let slope = policy_gradient(&model, &params, &drawn);
            params.table.scaled_add(-0.3, &slope);
        }
        // 1 2 1 2 1 2 has three pairs and three twos, 11.5; saying 2 alone has 5.5, chance 3.0.
        let after = mean(&say(&params, Generate::sampled()).1);
        assert!(before < 5.0 && after > 10.0, "from {before} to {after}");
    }
}
