//! Numbers that are not finite: an error, a step less, or the end.

use rnn_runtime::optim::{OptimizerConfig, SgdConfig};
use rnn_runtime::train::{
    End, Learnt, OnNonFinite, Rate, Run, Settings, Source, SourceError, TrainingBatch,
};
use rnn_runtime::{Batch, NonFinite, Options};

use super::*;
use ndarray::Array3;
use std::marker::PhantomData;

/// Batches of which some overflow: `s = exp(x + s[t-1])`.
struct Wild {
    good: Array3<f32>,
    bad: Array3<f32>,
    /// Which batches are bad, in order.
    plan: Vec<bool>,
    next: usize,
}

impl Wild {
    fn new(plan: &[bool]) -> Self {
        Self {
            good: Array3::from_elem((3, 1, 2), -2.0),
            bad: Array3::from_elem((6, 1, 2), 2.0),
            plan: plan.to_vec(),
            next: 0,
        }
    }
}

impl Source<Overflow> for Wild {
    fn next(&mut self) -> Result<Option<TrainingBatch<'_, Overflow>>, SourceError> {
        let Some(bad) = self.plan.get(self.next) else {
            self.next = 0;
            return Ok(None);
        };
        self.next += 1;
        let x = if *bad {
            self.bad.view()
        } else {
            self.good.view()
        };
        let batch = Batch::new(OverflowInputs { x });
        let batch = TrainingBatch::new(batch, OverflowTargets(PhantomData), 1);
        Ok(Some(batch.continuing(true)))
    }

    fn batches(&self) -> Option<u64> {
        None
    }

    fn cursor(&self) -> String {
        self.next.to_string()
    }

    fn resume(&mut self, cursor: &str) -> Result<(), SourceError> {
        self.next = cursor.parse().map_err(SourceError::other)?;
        Ok(())
    }
}

fn trainer(answer: OnNonFinite, options: Options) -> Trainer<Overflow> {
    let model = compile(OVERFLOW, options).expect("compiles");
    let mut params = init_params::<Overflow>(&OVERFLOW, 3).expect("draws");
    params.fill(1.0);
    let sgd = OptimizerConfig::Sgd(SgdConfig::default())
        .build(model.param_specs(), &[])
        .expect("valid");
    let settings = Settings::default()
        .rate(Rate::constant(0.01))
        .on_nonfinite(answer);
    Trainer::with_optimizer(model, params, sgd, settings).expect("valid")
}

#[test]
fn an_error_names_step_equation_and_time() {
    let mut trainer = trainer(OnNonFinite::Error, Options::default());
    let error = trainer
        .fit(&mut Wild::new(&[false, true]), None, Run::epochs(1))
        .expect_err("overflows");
    let text = error.to_string();
    assert!(
        text.starts_with("step 2: the loss is inf: equation `s` (written at"),
        "{text}"
    );
    assert!(text.contains("t = "), "{text}");
    assert_eq!(trainer.steps(), 1);
}

#[test]
fn skipped_steps_leave_everything_but_the_count() {
    let plan = [false, true, true, false];
    for options in [
        Options::default(),
        Options::default().nonfinite(NonFinite::Return),
    ] {
        let mut trainer = trainer(OnNonFinite::Skip { in_a_row: 2 }, options);
        let mut records = Records::default();
        let run = Run::epochs(2).observer(&mut records);
        let outcome = trainer
            .fit(&mut Wild::new(&plan), None, run)
            .expect("goes on");
        assert!(matches!(outcome.end, End::Finished));
        assert_eq!(outcome.steps, 8);
        let norms: Vec<bool> = (records.steps.iter())
            .map(|step| step.gradient_norm.is_none())
            .collect();
        assert_eq!(norms, [plan, plan].concat());
        assert!(
            records
                .steps
                .iter()
                .zip(norms)
                .all(|(step, bad)| step.loss.is_finite() != bad)
        );
        assert!(
            records
                .epochs
                .iter()
                .all(|epoch| epoch.figures[0].1.is_finite())
        );
        // As if the bad ones had not been there, but what follows one starts anew.
        let mut other = self::trainer(OnNonFinite::Error, Options::default());
        let wild = Wild::new(&plan);
        for continues in [false, false, true, false] {
            let x = wild.good.view();
            let batch = Batch::new(OverflowInputs { x });
            let batch = TrainingBatch::new(batch, OverflowTargets(PhantomData), 1);
            other.learn(batch.continuing(continues)).expect("finite");
        }
        assert_eq!(bits(trainer.params()), bits(other.params()));
        assert_eq!(trainer.carried(), other.carried());
    }
}

#[test]
fn too_many_in_a_row_are_an_error() {
    let mut trainer = trainer(OnNonFinite::Skip { in_a_row: 1 }, Options::default());
    let error = trainer
        .fit(&mut Wild::new(&[true, true, false]), None, Run::epochs(1))
        .expect_err("two in a row");
    let text = error.to_string();
    assert!(
        text.starts_with(
            "no loss or gradient of 2 steps in a row is finite, up to step 2, where 1 may be skipped: the loss is inf"
        ),
        "{text}"
    );
}

#[test]
fn a_run_can_stop_there() {
    let mut trainer = trainer(OnNonFinite::Stop, Options::default());
    let mut wild = Wild::new(&[false, false, true, false]);
    let before = {
        let mut shorter = self::trainer(OnNonFinite::Stop, Options::default());
        let run = Run::epochs(1);
        shorter
            .fit(&mut Wild::new(&[false, false]), None, run)
            .expect("finite");
        bits(shorter.params())
    };
    let outcome = trainer
        .fit(&mut wild, None, Run::epochs(1))
        .expect("is no error");
    match outcome.end {
        End::NonFinite(found) => assert_eq!(found.name, "s"),
        other => panic!("{other:?}"),
    }
    assert_eq!((outcome.steps, outcome.epochs), (2, 0));
    assert_eq!(bits(trainer.params()), before);
    let learnt = trainer.learn(wild.next().expect("is there").expect("one more"));
    assert!(matches!(learnt, Ok(Learnt::Updated)));
}
