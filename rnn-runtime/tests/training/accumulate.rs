//! Gradients of several batches are that of one.

use rnn_runtime::Options;
use rnn_runtime::optim::{OptimizerConfig, SgdConfig};
use rnn_runtime::train::{Learnt, Rate, Settings, TrainingBatch};
use rnn_runtime::{Batch, Inputs};

use super::*;

/// Rounding: gradients are sums over at most 700 steps, in another order.
const TOLERANCE: f32 = 2e-6;

#[test]
fn several_batches_make_the_update_of_one_large_batch() {
    for reduction in [Reduction::Mean, Reduction::Sum, Reduction::Tokens] {
        let now = tokens((20, 35), 11, 1);
        let next = tokens((20, 35), 11, 2);
        let lengths: Vec<usize> = (0..35).map(|row| 20 - row * 7 % 13).collect();
        let new = |accumulate| {
            let model = compile(MODEL, Options::default().reduction(reduction)).expect("compiles");
            let params = init_params(&MODEL, 3).expect("draws");
            let sgd = OptimizerConfig::Sgd(SgdConfig::default())
                .build(model.param_specs(), &[])
                .expect("valid");
            let settings = Settings::default()
                .rate(Rate::constant(0.1))
                .accumulate(accumulate);
            Trainer::with_optimizer(model, params, sgd, settings).expect("valid")
        };
        let mut whole = new(1);
        let inputs = CharLmInputs { now: now.view() }.lengths(&lengths);
        let targets = CharLmTargets { next: next.view() };
        assert!(matches!(whole.step(inputs, targets), Ok(Learnt::Updated)));

        // Batches of unequal size, and of unequal numbers of steps.
        let parts = [0..8, 8..11, 11..27, 27..35];
        let mut pieces = new(parts.len() as u64);
        for (at, part) in parts.into_iter().enumerate() {
            let rows = ndarray::s![.., part.clone()];
            let batch = Batch::new(CharLmInputs {
                now: now.slice(rows),
            });
            let targets = CharLmTargets {
                next: next.slice(rows),
            };
            let batch = TrainingBatch::new(batch.lengths(&lengths[part]), targets, 1);
            let learnt = pieces.learn(batch).expect("fits");
            assert_eq!(matches!(learnt, Learnt::Updated), at == 3);
        }
        assert_eq!((whole.steps(), pieces.steps()), (1, 1));
        let (one, other) = (whole.record().clone(), pieces.record().clone());
        assert_eq!(other.seen, 4);
        let mean = match reduction {
            Reduction::Sum => 4.0,
            _ => 1.0,
        };
        assert!(
            (one.loss / (mean * other.loss) - 1.0).abs() < 1e-6,
            "{one:?} {other:?}"
        );
        let norms = [one, other].map(|record| record.gradient_norm.expect("not skipped"));
        assert!((norms[0] / norms[1] - 1.0).abs() < 1e-5, "{norms:?}");
        let scale = match reduction {
            Reduction::Sum => 35.0,
            _ => 1.0,
        };
        let before = init_params::<CharLm>(&MODEL, 3).expect("draws");
        let mut moved = 0.0_f32;
        before.visit(&mut |name, before| {
            let [one, other] =
                [&whole, &pieces].map(|own| own.params().tensor(name).expect("is there"));
            for ((before, one), other) in before.iter().zip(&one).zip(&other) {
                assert!(
                    (one - other).abs() <= TOLERANCE * scale,
                    "{name}: {one} {other}"
                );
                moved = moved.max((one - before).abs());
            }
        });
        assert!(moved > 100.0 * TOLERANCE, "{moved}");
    }
}
