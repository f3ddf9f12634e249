//! Models large enough to be worth several threads: equal bits for every number of them.

use super::bases::{BASES, DRAWS};
use super::case::{Lengths, Setting, direction, given};
use super::oracle::{number, product, same_bits};
use super::subject::{Answered, Given, Runs, Subject};
use rnn::Options;

/// Wide enough that examples times steps times parameters keep three threads busy.
const WIDTH: usize = 80;

fn call_of(subject: &dyn Subject, least: [usize; 2]) -> Given {
    let setting = Setting {
        batch: 49,
        steps: 30,
        lengths: Lengths::Ragged,
        seed: 3,
    };
    let mut given = given(subject, &setting, least);
    for (name, _) in DRAWS {
        if let Some(rate) = given.params.get_mut(name) {
            rate.fill(0.2);
        }
    }
    given
}

type Call<'c> = (&'c str, &'c dyn Fn(&dyn Runs) -> Answered);

fn compare(subject: &dyn Subject, calls: &[Call<'_>], failures: &mut Vec<String>) {
    let model = |threads: usize| subject.compile(Options::default().threads(threads));
    let alone = model(1);
    let alone: Vec<_> = calls.iter().map(|(_, call)| call(&*alone)).collect();
    for threads in [2, 3] {
        let several = model(threads);
        for ((what, call), alone) in calls.iter().zip(&alone) {
            let outcome = match (alone, call(&*several)) {
                (Ok(alone), Ok(several)) => same_bits(alone, &several),
                (Err(refused), _) => Err(refused.told.clone()),
                (_, Err(refused)) => Err(refused.told),
            };
            if let Err(error) = outcome {
                failures.push(format!(
                    "{}, {what}, {threads} threads: {error}",
                    subject.name()
                ));
            }
        }
    }
}

#[test]
fn several_threads_give_the_bits_of_one() {
    let mut failures = Vec::new();
    for base in BASES {
        let subject = (base.drawn)(WIDTH);
        let given = call_of(&*subject, base.traits.least);
        let calls: [Call<'_>; 2] = [
            ("gradient", &|model| model.gradient(&given)),
            ("forward", &|model| model.forward(&given)),
        ];
        compare(&*subject, &calls, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Sums over time in another order, in single precision.
const ORDER: f32 = 2e-5;

/// Blocks of steps and segments are as long here as they are in use; the interpreter would take too long.
#[test]
#[ignore = "compiles every model three times: cargo test --test combinations -- --ignored limits_and_directions"]
fn limits_and_directions_say_what_a_gradient_says() {
    let mut failures = Vec::new();
    for base in BASES {
        let subject = (base.plain)(WIDTH);
        let given = call_of(&*subject, base.traits.least);
        let options = Options::default().threads(2);
        let whole = subject.compile(options.clone());
        let gradient = whole.gradient(&given).expect("runs");
        let along = direction(&subject.bound(), &given, &[], 7);
        if base.name != "Normalised" {
            let slope = whole.slope(&given, &along).expect("runs");
            let (one, other) = (number(&slope, "slope"), product(&gradient, "d", &along));
            let size: f64 = gradient
                .iter()
                .filter(|(name, _)| name.starts_with("d "))
                .flat_map(|(_, array)| array.iter())
                .map(|x| f64::from(x.abs()))
                .sum();
            if (one - other).abs() > 1e-4 * size.max(1.0) {
                failures.push(format!(
                    "{}: slope {one}, by the gradient {other}",
                    base.name
                ));
            }
        }
        let least = subject
            .compile(options.clone().memory_limit(1))
            .gradient(&given);
        let least = least
            .expect_err("needs more than a byte")
            .needed
            .expect("says how much");
        for bytes in [least, least + least / 3, least * 2] {
            let limited = subject.compile(options.clone().memory_limit(bytes));
            let found = limited.gradient(&given).expect("fits");
            for (name, array) in &gradient {
                let most = array.iter().fold(1e-3f32, |most, x| most.max(x.abs()));
                let apart = array.iter().zip(&found[name]).map(|(a, b)| (a - b).abs());
                let apart = apart.fold(0.0f32, |most, x| if x <= most { most } else { x });
                if apart.is_nan() || apart > ORDER * most {
                    failures.push(format!(
                        "{}, {bytes} bytes, {name}: {apart} of {most}",
                        base.name
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
#[ignore = "compiles every derivative of every model for every number of threads: cargo test --test combinations -- --ignored in_every_derivative"]
fn several_threads_give_the_bits_of_one_in_every_derivative() {
    let mut failures = Vec::new();
    for base in BASES {
        let subject = (base.plain)(WIDTH);
        let given = call_of(&*subject, base.traits.least);
        let graph = subject.bound();
        let names: Vec<&str> = given.reals.keys().map(String::as_str).collect();
        let along = direction(&graph, &given, &names, 5);
        let params = direction(&graph, &given, &[], 7);
        let calls: [Call<'_>; 4] = [
            ("gradient", &|model| model.gradient(&given)),
            ("slope", &|model| model.slope(&given, &along)),
            ("hvp", &|model| model.hvp(&given, &params)),
            ("by inputs", &|model| model.by_inputs(&given, &names)),
        ];
        compare(&*subject, &calls, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
