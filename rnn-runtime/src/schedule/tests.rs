//! Rates at the steps where schedules bend.

use super::*;

fn values(schedule: impl Schedule, counts: &[u64]) -> Vec<f32> {
    counts.iter().map(|&t| schedule.at(t)).collect()
}

#[test]
fn closed_forms() {
    assert_eq!(values(Constant(0.5), &[0, 9, u64::MAX]), [0.5, 0.5, 0.5]);
    assert_eq!(
        values(TimeBased::new(1.0, 0.5).unwrap(), &[0, 2, 6]),
        [1.0, 0.5, 0.25]
    );
    assert_eq!(
        values(Exponential::new(8.0, 0.5).unwrap(), &[0, 1, 3]),
        [8.0, 4.0, 1.0]
    );
    assert_eq!(
        values(Linear::new(1.0, 0.25, 0.125).unwrap(), &[0, 2, 9]),
        [1.0, 0.5, 0.125]
    );
    assert_eq!(values(|t: u64| t as f32, &[3]), [3.0]);
}

#[test]
fn an_inverse_sigmoid_is_its_formula_and_falls_from_its_start_to_nothing() {
    // k / (k + e^(t/k)): k / (k + 1) at the start, one half at t = k ln k.
    assert_eq!(values(InverseSigmoid::new(1.0).unwrap(), &[0]), [0.5]);
    assert_eq!(values(InverseSigmoid::new(3.0).unwrap(), &[0]), [0.75]);
    for k in [1.0f64, 2.5, 10.0, 100.0] {
        let schedule = InverseSigmoid::new(k).unwrap();
        let middle = (k * k.ln()).round() as u64;
        let slope = 1.0 / (4.0 * k);
        assert!((f64::from(schedule.at(middle)) - 0.5).abs() <= 0.5 * slope + 1e-6);
        for t in 0..1000u64 {
            // The same by the logistic function: sigmoid(ln k - t/k).
            let expected = 1.0 / (1.0 + (t as f64 / k - k.ln()).exp());
            assert!(
                (f64::from(schedule.at(t)) - expected).abs() < 1e-6,
                "{k} at {t}"
            );
            assert!(schedule.at(t + 1) <= schedule.at(t));
        }
        assert_eq!(schedule.at(u64::MAX), 0.0);
    }
    for k in [0.0, 0.99, -1.0, f64::NAN, f64::INFINITY] {
        assert!(InverseSigmoid::new(k).is_err(), "{k}");
    }
}

#[test]
fn cosine_meets_its_ends_and_middle_and_stays_low() {
    let found = values(
        Cosine::new(1.0, 0.25, 100).unwrap(),
        &[0, 50, 100, 101, u64::MAX],
    );
    assert_eq!(found, [1.0, 0.625, 0.25, 0.25, 0.25]);
}

#[test]
fn warm_up_joins_any_schedule_without_a_step() {
    let schedule = WarmUp::new(4, TimeBased::new(1.0, 1.0).unwrap());
    assert_eq!(
        values(schedule, &[0, 1, 2, 3, 4, 5, 7]),
        [0.0, 0.25, 0.5, 0.75, 1.0, 0.5, 0.25]
    );
    assert_eq!(values(WarmUp::new(0, Constant(0.5)), &[0, 1]), [0.5, 0.5]);
    assert_eq!(
        values(WarmUp::new(2, WarmUp::new(2, Constant(1.0))), &[1, 2, 3, 4]),
        [0.0, 0.0, 0.5, 1.0]
    );
}

#[test]
fn plateau_waits_for_its_patience_and_restores() {
    let mut plateau = Plateau::new(1.0, 0.5, 2).unwrap();
    let rates: Vec<f32> = [3.0, 2.0, 2.0, f64::NAN, 2.5, 2.0, 1.0]
        .iter()
        .map(|&loss| plateau.report(loss))
        .collect();
    assert_eq!(rates, [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]);
    assert_eq!(plateau.to_string().parse(), Ok(plateau));
    let fresh = Plateau::new(0.1, 0.5, 3).unwrap();
    assert_eq!(fresh.to_string().parse(), Ok(fresh));
    for bad in [
        "",
        "0/0/0/0/0",
        "0/0/1/7ff8000000000000/0",
        "1ffffffff/0/1/0/0",
        "0/0/1/0/1",
    ] {
        assert!(bad.parse::<Plateau>().is_err(), "{bad}");
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let error = Cosine::new(0.1, 0.2, 10).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cosine schedule: expected lowest value not above the highest, found 0.2"
    );
    assert!(Cosine::new(1.0, 0.0, 0).is_err());
    assert!(TimeBased::new(f64::NAN, 0.0).is_err());
    assert!(Exponential::new(1.0, 1.5).is_err());
    assert!(Linear::new(1.0, -1.0, 0.0).is_err());
    assert!(Plateau::new(1.0, 1.0, 1).is_err());
}
