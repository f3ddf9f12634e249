//! Accuracy against an `f64` reference, special values, and independence of position.

use super::*;

/// The reference in `f64`, whose error is far below an ulp of `f32`.
fn reference(function: Function, x: f32) -> f64 {
    let x = f64::from(x);
    match function {
        Function::Exp => x.exp(),
        Function::Tanh => x.tanh(),
        Function::Sigmoid if x < 0.0 => x.exp() / (1.0 + x.exp()),
        Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Function::Ln => x.ln(),
        Function::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Function::Sin => x.sin(),
        Function::Cos => x.cos(),
    }
}

/// Stated bound in ulps.
fn bound(function: Function) -> f64 {
    match function {
        Function::Exp => 1.0,
        Function::Ln | Function::Sin | Function::Cos => 2.0,
        Function::Tanh | Function::Sigmoid => 3.0,
        Function::Softplus => 4.0,
    }
}

/// Distance between neighbouring floats at `|y|`.
fn ulp(y: f64) -> f64 {
    let exponent = ((y.abs().to_bits() >> 52) as i32 - 1023).clamp(-126, 127);
    f64::from_bits(((exponent - 23 + 1023) as u64) << 52)
}

/// Error of `y` in ulps of the true value; NaN where a NaN is due, 0; infinite otherwise. A sigmoid without normal floats has to
/// be one that is not normal either.
fn error(function: Function, y: f32, expected: f64) -> f64 {
    if function == Function::Sigmoid && expected < f64::from(f32::MIN_POSITIVE) {
        return if (0.0..=f32::MIN_POSITIVE).contains(&y) {
            0.0
        } else {
            f64::INFINITY
        };
    }
    if expected.is_nan() || y.is_nan() {
        return if expected.is_nan() == y.is_nan() {
            0.0
        } else {
            f64::INFINITY
        };
    }
    if f64::from(y) == expected
        || (y.is_infinite()
            && expected.abs() >= 2f64.powi(128)
            && y.is_sign_positive() == (expected > 0.0))
    {
        return 0.0;
    }
    (f64::from(y) - expected).abs() / ulp(expected)
}

/// Largest error over `inputs` and where it is.
fn worst(isa: Isa, function: Function, inputs: &[f32]) -> (f64, f32) {
    let mut outputs = vec![0.0; inputs.len()];
    map(isa, function, inputs, &mut outputs);
    let mut worst = (0.0, 0.0);
    for (x, y) in inputs.iter().zip(&outputs) {
        if matches!(function, Function::Sin | Function::Cos) && x.abs() > poly::TRIGONOMETRIC_LIMIT
        {
            continue;
        }
        assert!(
            function != Function::Tanh || y.is_nan() || y.abs() <= 1.0,
            "tanh({x}) = {y}"
        );
        let error = error(function, *y, reference(function, *x));
        if error > worst.0 {
            worst = (error, *x);
        }
    }
    worst
}

/// Every exponent and sign with `count` mantissas each, ends included.
fn stratified(count: u32) -> Vec<f32> {
    let mut state = 0x9e37_79b9_u32;
    let mut inputs = Vec::new();
    for high in 0..512u32 {
        for i in 0..count {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mantissa = match i {
                0 => 0,
                1 => 0x7f_ffff,
                2 => 1,
                _ => state >> 9,
            };
            inputs.push(f32::from_bits(high << 23 | mantissa));
        }
    }
    inputs
}

#[test]
fn errors_stay_within_the_stated_ulps_on_every_exponent() {
    let mut inputs = stratified(3000);
    // The range where the functions move, more densely than the exponents give.
    inputs.extend((0..500_000).map(|i| (i as f32 - 250_000.0) * 4.2e-4));
    inputs.extend((0..200_000).map(|i| i as f32 * 0.5 + 0.1));
    let mut failures = Vec::new();
    for isa in Isa::available() {
        for function in Function::ALL {
            let (error, at) = worst(isa, function, &inputs);
            println!("{} {function:?}: {error:.3} ulp at {at:e}", isa.name());
            if error > bound(function) {
                failures.push((isa, function, error, at));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

/// All 2^32 inputs, one test a function:
/// `cargo test --release -p rnn-jit -- --ignored all_inputs --nocapture`
mod all_inputs {
    use super::*;

    fn check(function: Function) {
        const CHUNK: u32 = 1 << 20;
        let variants = Isa::available();
        let mut outputs = vec![vec![0.0; CHUNK as usize]; variants.len()];
        let mut worst = vec![(0.0, 0.0); variants.len()];
        for chunk in 0..u32::MAX / CHUNK + 1 {
            let inputs: Vec<f32> = (0..CHUNK)
                .map(|i| f32::from_bits(chunk * CHUNK + i))
                .collect();
            for (isa, outputs) in variants.iter().zip(&mut outputs) {
                map(*isa, function, &inputs, outputs);
            }
            for (i, x) in inputs.iter().enumerate() {
                if matches!(function, Function::Sin | Function::Cos)
                    && x.abs() > poly::TRIGONOMETRIC_LIMIT
                {
                    continue;
                }
                let expected = reference(function, *x);
                for (outputs, worst) in outputs.iter().zip(&mut worst) {
                    let error = error(function, outputs[i], expected);
                    if error > worst.0 {
                        *worst = (error, *x);
                    }
                    assert!(
                        function != Function::Tanh || x.is_nan() || outputs[i].abs() <= 1.0,
                        "tanh({x})"
                    );
                }
            }
        }
        for (isa, (error, at)) in variants.iter().zip(&worst) {
            println!("{} {function:?}: {error:.3} ulp at {at:e}", isa.name());
        }
        assert!(
            worst.iter().all(|(error, _)| *error <= bound(function)),
            "{function:?}: {worst:?}"
        );
    }

    macro_rules! tests {
        ($($name:ident = $function:ident;)*) => {$(
            #[test]
            #[ignore = "2^32 inputs take minutes: cargo test --release -p rnn-jit --lib -- --ignored math::tests"]
            fn $name() {
                check(Function::$function);
            }
        )*};
    }
    tests! {
        exp = Exp;
        tanh = Tanh;
        sigmoid = Sigmoid;
        ln = Ln;
        softplus = Softplus;
        sin = Sin;
        cos = Cos;
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn logarithms_of_zero_are_right_where_subnormal_numbers_are_zero() {
    let tiny = f32::from_bits(1);
    let x = [0.0, -0.0, tiny, -tiny, 1.0, -1.0, f32::INFINITY, f32::NAN];
    for isa in Isa::available() {
        let mut y = [0.0; 8];
        crate::exec::flushing_denormals(|| map(isa, Function::Ln, &x, &mut y));
        let zero = f32::NEG_INFINITY;
        assert_eq!(y[..5], [zero, zero, zero, zero, 0.0], "{}", isa.name());
        assert!(
            y[5].is_nan() && y[6] == f32::INFINITY && y[7].is_nan(),
            "{y:?}"
        );
    }
}

#[test]
fn special_values_are_right() {
    let inf = f32::INFINITY;
    let cases: [(Function, f32, f32); 21] = [
        (Function::Exp, inf, inf),
        (Function::Exp, -inf, 0.0),
        (Function::Exp, 0.0, 1.0),
        (Function::Exp, 89.0, inf),
        (Function::Tanh, inf, 1.0),
        (Function::Tanh, -inf, -1.0),
        (Function::Tanh, -0.0, -0.0),
        (Function::Sigmoid, inf, 1.0),
        // `1 / (1 + e^SIGMOID_LIMIT)`.
        (Function::Sigmoid, -inf, f32::from_bits(0x20_0010)),
        (Function::Sigmoid, 0.0, 0.5),
        (Function::Ln, inf, inf),
        (Function::Ln, 0.0, -inf),
        (Function::Ln, -0.0, -inf),
        (Function::Ln, 1.0, 0.0),
        (Function::Softplus, inf, inf),
        (Function::Softplus, -inf, 0.0),
        (Function::Softplus, 1e10, 1e10),
        (Function::Sin, -0.0, -0.0),
        (Function::Sin, 0.0, 0.0),
        (Function::Cos, 0.0, 1.0),
        (Function::Tanh, 1e-30, 1e-30),
    ];
    for isa in Isa::available() {
        for (function, x, expected) in cases {
            let mut y = [0.0];
            map(isa, function, &[x], &mut y);
            assert_eq!(
                y[0].to_bits(),
                expected.to_bits(),
                "{} {function:?}({x}) = {}",
                isa.name(),
                y[0]
            );
        }
        for function in Function::ALL {
            let mut y = [0.0; 2];
            map(isa, function, &[f32::NAN, -f32::NAN], &mut y);
            assert!(
                y.iter().all(|y| y.is_nan()),
                "{} {function:?}(NaN) = {y:?}",
                isa.name()
            );
        }
        for (function, x) in [
            (Function::Ln, -1.0),
            (Function::Ln, -inf),
            (Function::Sin, inf),
            (Function::Cos, -inf),
        ] {
            let mut y = [0.0];
            map(isa, function, &[x], &mut y);
            assert!(y[0].is_nan(), "{} {function:?}({x}) = {}", isa.name(), y[0]);
        }
    }
}

#[test]
fn a_result_depends_neither_on_position_nor_on_length_and_in_place_is_allowed() {
    let inputs: Vec<f32> = (0..200).map(|i| (i as f32 - 100.0) * 0.37).collect();
    for isa in Isa::available() {
        for function in Function::ALL {
            let mut all = vec![0.0; 200];
            map(isa, function, &inputs, &mut all);
            for start in 0..20 {
                for n in 0..50 {
                    let mut part = [7.0; 51];
                    map(isa, function, &inputs[start..start + n], &mut part[..n]);
                    let same = part[..n]
                        .iter()
                        .zip(&all[start..])
                        .all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(
                        same,
                        "{} {function:?} from {start}, {n} elements",
                        isa.name()
                    );
                    assert_eq!(part[n], 7.0, "wrote past the end");
                }
            }
            let mut place = inputs.clone();
            let pointer = place.as_mut_ptr();
            // SAFETY: both pointers name the same 200 floats, which the kernel allows.
            unsafe { entry(function, isa)(pointer, pointer, 200) };
            let same = place
                .iter()
                .zip(&all)
                .all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{} {function:?} in place", isa.name());
        }
    }
}

#[test]
fn avx2_and_avx512_agree_bit_for_bit() {
    if !Isa::Avx512.is_available() {
        return;
    }
    let inputs = stratified(500);
    let (mut narrow, mut wide) = (vec![0.0; inputs.len()], vec![0.0; inputs.len()]);
    for function in Function::ALL {
        map(Isa::Avx2, function, &inputs, &mut narrow);
        map(Isa::Avx512, function, &inputs, &mut wide);
        for ((x, a), b) in inputs.iter().zip(&narrow).zip(&wide) {
            assert!(
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
                "{function:?}({x:e}): {a:e} and {b:e}"
            );
        }
    }
}
