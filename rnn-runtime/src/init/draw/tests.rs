//! Moments, bounds and properties of what initialisers draw.

use super::*;
use crate::fixture::{Tiny, tiny_specs};

const SEED: u64 = 20_240_229;

/// Standard errors allowed: 6 sigma, so a right sampler fails once in 5e8 draws of a seed.
const SIGMAS: f64 = 6.0;

/// Checks mean and variance; `kurtosis` is that of the distribution (9/5 uniform, 3 normal), which gives the
/// standard error of the sample variance: `variance * sqrt((kurtosis - 1) / count)`.
fn check_moments(init: Init, shape: [usize; 2], mean: f64, variance: f64, kurtosis: f64) {
    let values = draw(&init, "W", &shape, SEED).unwrap();
    let count = values.len() as f64;
    let found_mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let found = values
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / count;
    let mean_error = SIGMAS * (variance / count).sqrt();
    let variance_error = SIGMAS * variance * ((kurtosis - 1.0) / count).sqrt();
    assert!(
        (found_mean - mean).abs() <= mean_error,
        "{init}: mean {found_mean}, expected {mean}"
    );
    assert!(
        (found - variance).abs() <= variance_error,
        "{init}: variance {found}, expected {variance}"
    );
}

#[test]
fn moments_are_those_of_the_papers() {
    let (m, n) = (120, 250);
    let (uniform, normal) = (9.0 / 5.0, 3.0);
    check_moments(
        Init::Uniform {
            low: 1.0,
            high: 3.0,
        },
        [m, n],
        2.0,
        4.0 / 12.0,
        uniform,
    );
    check_moments(
        Init::Normal {
            mean: -1.0,
            std: 0.5,
        },
        [m, n],
        -1.0,
        0.25,
        normal,
    );
    check_moments(Init::GlorotUniform, [m, n], 0.0, 2.0 / 370.0, uniform);
    check_moments(Init::GlorotNormal, [m, n], 0.0, 2.0 / 370.0, normal);
    check_moments(Init::HeUniform, [m, n], 0.0, 2.0 / 250.0, uniform);
    check_moments(Init::HeNormal, [m, n], 0.0, 2.0 / 250.0, normal);
    check_moments(Init::LecunUniform, [m, n], 0.0, 1.0 / 750.0, uniform);
    check_moments(Init::LecunNormal, [m, n], 0.0, 1.0 / 250.0, normal);
}

#[test]
fn uniform_draws_stay_within_their_bounds() {
    for (init, bound) in [
        (Init::GlorotUniform, (6.0_f64 / 12.0).sqrt()),
        (Init::HeUniform, (6.0_f64 / 8.0).sqrt()),
        (Init::LecunUniform, (1.0_f64 / 8.0).sqrt()),
    ] {
        let values = draw(&init, "W", &[4, 8], SEED).unwrap();
        assert!(
            values.iter().all(|value| value.abs() <= bound as f32),
            "{init}"
        );
        assert!(
            values.iter().any(|value| value.abs() > 0.8 * bound as f32),
            "{init}"
        );
    }
}

#[test]
fn orthogonal_rows_or_columns_are_orthonormal_to_1e_6() {
    for (m, n) in [
        (1, 1),
        (1, 5),
        (5, 1),
        (7, 7),
        (32, 32),
        (9, 20),
        (20, 9),
        (64, 48),
    ] {
        let gain = 1.5;
        let w = draw(&Init::Orthogonal { gain }, "U", &[m, n], SEED).unwrap();
        let (k, inner) = (m.min(n), m.max(n));
        let entry = |i: usize, j: usize| f64::from(if m <= n { w[[i, j]] } else { w[[j, i]] });
        for i in 0..k {
            for j in 0..k {
                let dot: f64 = (0..inner).map(|l| entry(i, l) * entry(j, l)).sum();
                let expected = if i == j { gain * gain } else { 0.0 };
                assert!(
                    (dot - expected).abs() <= 1e-6,
                    "[{m}, {n}] at ({i}, {j}): {dot}"
                );
            }
        }
    }
}

#[test]
fn orthogonal_diagonal_has_both_signs() {
    // Without the sign correction, Householder QR gives a 1 x 1 matrix that never changes.
    let signs: Vec<bool> = (0..32)
        .map(|seed| {
            draw(&Init::Orthogonal { gain: 1.0 }, "U", &[1, 1], seed).unwrap()[[0, 0]] > 0.0
        })
        .collect();
    assert!(signs.contains(&true) && signs.contains(&false));
}

#[test]
fn spectral_radius_is_the_one_asked_for() {
    for (n, radius) in [(1, 0.9), (2, 1.0), (17, 0.5), (60, 1.25)] {
        let w = draw(&Init::SpectralRadius { radius }, "W", &[n, n], SEED).unwrap();
        let values: Vec<f64> = w.iter().map(|&v| f64::from(v)).collect();
        // Rounding every entry to f32 moves the eigenvalues by about 2^-24 times the norm, 2 radius here.
        assert!(
            (spectral_radius(&values, n) - radius).abs() <= 1e-6 * n as f64,
            "n = {n}"
        );
    }
}

#[test]
fn identity_may_be_rectangular_scaled_and_noisy() {
    let w = draw(&Init::Identity { gain: 0.5 }, "U", &[2, 3], SEED).unwrap();
    assert_eq!(
        w.iter().copied().collect::<Vec<_>>(),
        [0.5, 0.0, 0.0, 0.0, 0.5, 0.0]
    );
    let w = draw(&Init::Identity { gain: 1.0 }, "U", &[3, 2], SEED).unwrap();
    assert_eq!(
        w.iter().copied().collect::<Vec<_>>(),
        [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    );
    let epsilon = 0.01;
    let w = draw(&Init::IdentityNoise { epsilon }, "U", &[100, 100], SEED).unwrap();
    let noise =
        |(index, &value): (usize, &f32)| f64::from(value) - f64::from(u8::from(index % 101 == 0));
    let variance = w.iter().enumerate().map(noise).map(|e| e * e).sum::<f64>() / 1e4;
    assert!((variance / epsilon.powi(2) - 1.0).abs() <= SIGMAS * (2.0_f64 / 1e4).sqrt());
}

#[test]
fn decays_are_uniform_in_what_they_stand_for() {
    // The modulus squared and the power of the gate: uniform numbers have a standard error of width / sqrt(12 n).
    let (n, low, high) = (10_000, 0.4, 0.99);
    let drawn = |init: Init| {
        draw(&init, "nu", &[n], SEED)
            .unwrap()
            .into_raw_vec_and_offset()
            .0
    };
    let ring = drawn(Init::Ring { low, high }).into_iter();
    let ring = ring.map(|x| (-2.0 * f64::from(x).exp()).exp());
    let power = 8.0;
    let root = drawn(Init::SigmoidRoot { low, high, power }).into_iter();
    let root = root.map(|x| (1.0 + (-f64::from(x)).exp()).powf(-power));
    for (values, low, high) in [
        (ring.collect::<Vec<f64>>(), low * low, high * high),
        (root.collect(), low, high),
    ] {
        // Rounding x to f32 moves them by less than 1e-5 here.
        let inside = |value: &f64| (low - 1e-5..=high + 1e-5).contains(value);
        assert!(values.iter().all(inside));
        let mean = values.iter().sum::<f64>() / n as f64;
        let error = (high - low) / (12.0 * n as f64).sqrt();
        assert!(
            (mean - 0.5 * (low + high)).abs() <= SIGMAS * error,
            "{mean}"
        );
    }
}

#[test]
fn adding_a_tensor_never_changes_the_draw_of_another() {
    let mut tiny = Tiny::counting();
    initialize(&mut tiny, &tiny_specs(), SEED).unwrap();
    let alone = draw(&Init::GlorotUniform, "cell.W", &[2, 3], SEED).unwrap();
    assert_eq!(tiny.cell.w.into_dyn(), alone);
    assert_eq!(tiny.scale[()], 1.0);
    assert_ne!(
        draw(&Init::GlorotUniform, "cell.U", &[2, 3], SEED).unwrap(),
        alone
    );
    assert_ne!(
        draw(&Init::GlorotUniform, "cell.W", &[2, 3], SEED + 1).unwrap(),
        alone
    );
}

#[test]
fn shapes_that_do_not_fit_are_refused_and_nothing_changes() {
    let message =
        |init: Init, shape: &[usize]| draw(&init, "b", shape, SEED).unwrap_err().to_string();
    assert_eq!(
        message(Init::Orthogonal { gain: 1.0 }, &[4]),
        "initialiser `orthogonal` of `b` needs a matrix [m, n], found shape [4]"
    );
    assert_eq!(
        message(Init::SpectralRadius { radius: 0.9 }, &[4, 5]),
        "initialiser `spectral_radius(0.9)` of `b` needs a square matrix [n, n], found shape [4, 5]"
    );
    assert!(matches!(
        draw(&Init::GlorotUniform, "b", &[], SEED),
        Err(InitError::Shape { .. })
    ));
    assert!(matches!(
        draw(&Init::Zeros, "b", &[usize::MAX, 2], SEED),
        Err(InitError::TooLarge { .. })
    ));
    assert!(matches!(
        draw(&Init::Zeros, "b", &[usize::MAX], SEED),
        Err(InitError::TooLarge { .. })
    ));

    let mut tiny = Tiny::counting();
    let mut specs = tiny_specs();
    specs[1].init = Init::Orthogonal { gain: 1.0 };
    assert!(initialize(&mut tiny, &specs, SEED).is_err());
    assert_eq!(tiny, Tiny::counting());
}

#[test]
fn empty_tensors_are_fine() {
    for init in [
        Init::GlorotUniform,
        Init::Orthogonal { gain: 1.0 },
        Init::SpectralRadius { radius: 1.0 },
    ] {
        assert_eq!(draw(&init, "W", &[0, 0], SEED).unwrap().len(), 0);
    }
    assert_eq!(
        draw(&Init::Orthogonal { gain: 1.0 }, "W", &[0, 3], SEED)
            .unwrap()
            .len(),
        0
    );
    assert_eq!(draw(&Init::HeNormal, "W", &[3, 0], SEED).unwrap().len(), 0);
}

#[test]
fn a_draw_without_a_spectrum_is_refused() {
    // A chance of nothing for drawn numbers: a matrix whose powers vanish.
    let error = of_radius(vec![0.0, 1.0, 0.0, 0.0], 2, 0.9, "U").err();
    assert!(matches!(error, Some(InitError::Spectrum { .. })));
    let told = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(
        told.contains("`U`") && told.contains("use another seed"),
        "{told}"
    );
}
