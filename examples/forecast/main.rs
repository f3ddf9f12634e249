//! Forecasts of a series with a season: a GRU that runs on by its own forecasts, beside the naive forecasts and an autoregression.
//!
//! ```text
//! cargo run --release --example forecast
//! cargo run --release --example forecast -- --plot forecast.svg
//! cargo run --release --example forecast -- --data FILE --period 12
//! ```
//!
//! Without `--data` it is the airline passengers of Box & Jenkins (1976), of which the last two years are the test: a year is forecast from
//! each month from which all of it is known, by what was learnt from the ten years before. For how many epochs the networks learn is
//! chosen by forecasts of the last four of those. With the default seed their MASE is 0.508, beside 1.801 of the season before and 0.771
//! of an autoregression of the logarithms; one of the changes over a season has 0.353, and is not beaten.

mod arguments;
mod baselines;
mod least_squares;
mod network;
mod series;

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use arguments::Arguments;
use baselines::Autoregression;
use clap::Parser;
use ndarray::{Array2, Axis};
use network::Ensemble;
use rnn::metrics::{Errors, Mase};
use rnn::plot::{self, Panel};
use series::Series;

/// The quantile of the standard normal distribution that leaves a tenth above it.
const TENTH: f32 = 1.281_55;

/// Who forecasts, and what: in the units of the series, `[origins, P]`.
struct Forecasts {
    name: String,
    validation: Vec<Array2<f32>>,
    test: Array2<f32>,
}

/// Forecasts of one way from all origins whose seasons lie among `steps`, by what is learnt from all steps before.
fn each(series: &Series, steps: Range<usize>, forecast: impl Fn(usize) -> Vec<f32>) -> Array2<f32> {
    let origins = series.origins(steps);
    let mut all = Array2::zeros((origins.len(), series.period));
    for (mut row, origin) in all.outer_iter_mut().zip(origins) {
        row.iter_mut()
            .zip(forecast(origin))
            .for_each(|(own, value)| *own = value);
    }
    all
}

/// The forecasts of the naive ways, and of autoregressions of the values and of their changes over a season.
fn baselines(series: &Series) -> Result<Vec<Forecasts>, Box<dyn Error>> {
    let (period, values, seen) = (series.period, &series.values, series.seen());
    let test = series.training()..values.len();
    let folds = series.folds();
    let both = |way: &dyn Fn(Range<usize>) -> Result<Array2<f32>, Box<dyn Error>>| {
        let validation: Result<_, _> = folds.iter().cloned().map(way).collect();
        Ok::<_, Box<dyn Error>>((validation?, way(test.clone())?))
    };
    // An order of a season and one is that of what depends on the step before and, in the same way, on the season before.
    let fit = |known: &[f32]| {
        let fitted = Autoregression::fit(known, period + 1);
        fitted.ok_or("the series is too regular or too short for an autoregression")
    };
    let last = |steps| {
        Ok(each(series, steps, |at| {
            baselines::naive(&values[..at], period)
        }))
    };
    let seasonal = |steps| {
        Ok(each(series, steps, |at| {
            baselines::seasonal_naive(&values[..at], period)
        }))
    };
    let levels = |steps: Range<usize>| {
        let fitted = fit(&seen[..steps.start])?;
        Ok(each(series, steps, |at| {
            let said = fitted.forecast(&seen[..at], period).into_iter();
            said.map(|own| series.value(own)).collect()
        }))
    };
    let changes = |steps: Range<usize>| {
        let fitted = fit(&series.changes(steps.start))?;
        Ok(each(series, steps, |at| {
            let said = fitted.forecast(&series.changes(at), period).into_iter();
            let said = said.zip(&seen[at - period..]);
            said.map(|(own, before)| series.value(own + before))
                .collect()
        }))
    };
    let order = |known: &[f32]| fit(known).map(|fitted| fitted.order());
    let training = series.training();
    let mut all = Vec::new();
    for (name, (validation, test)) in [
        ("naive".to_owned(), both(&last)?),
        ("seasonal naive".to_owned(), both(&seasonal)?),
        (format!("AR({})", order(&seen[..training])?), both(&levels)?),
        (
            format!(
                "AR({}) of changes over a season",
                order(&series.changes(training))?
            ),
            both(&changes)?,
        ),
    ] {
        all.push(Forecasts {
            name,
            validation,
            test,
        });
    }
    Ok(all)
}

/// The errors of forecasts from the origins among `steps`.
fn errors(series: &Series, forecasts: &Array2<f32>, steps: Range<usize>) -> Errors {
    let mut errors = Errors::default();
    for (row, origin) in forecasts.outer_iter().zip(series.origins(steps)) {
        errors.add(&row.to_vec(), &series.values[origin..]);
    }
    errors
}

/// What came of it.
struct Figures {
    /// MASE of each way on the test part, the networks last.
    test: Vec<(String, f64)>,
    /// The share of the test values that lie in their intervals of 80 %.
    covered: f64,
}

fn run(arguments: &Arguments) -> Result<Figures, Box<dyn Error>> {
    let series = match &arguments.data {
        Some(path) => Series::read(path, &arguments.column, arguments.period)?,
        None => Series::passengers(),
    };
    let (training, steps, period) = (series.training(), series.values.len(), series.period);
    let (folds, seen) = (series.folds(), series.seen());
    println!(
        "{steps} steps in seasons of {period}, the last {} to test on; {} forecasts of a season each{}",
        series.test,
        series.origins(training..steps).len(),
        if series.logarithmic {
            ", of logarithms"
        } else {
            ""
        },
    );

    // How long to learn: the mean over all parts, so that the one year that is unlike others does not decide alone.
    let mut curve = vec![0.0; arguments.epochs as usize];
    for fold in &folds {
        let judged = Some(fold.clone());
        let ensemble = Ensemble::train(&series, fold.start, judged, arguments.epochs, arguments)?;
        let own = ensemble.validation.iter();
        curve.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
    }
    let best = (1..).zip(&curve).min_by(|a, b| a.1.total_cmp(b.1));
    let epochs = best.map_or(1, |(epoch, _)| epoch);
    println!(
        "{} networks learn for {epochs} epochs\n",
        arguments.networks
    );

    let mut validation = Vec::new();
    for fold in &folds {
        let ensemble = Ensemble::train(&series, fold.start, None, epochs, arguments)?;
        validation.push(ensemble.forecast(&seen, fold.clone())?);
    }
    let ensemble = Ensemble::train(&series, training, None, epochs, arguments)?;
    let said = ensemble.forecast(&seen, training..steps)?;
    if let Some(path) = &arguments.save {
        ensemble.save(path)?;
    }
    let spread = spread(&series, &validation);
    let covered = covered(&series, &said, &spread);
    let value = |seen: &Array2<f32>| seen.mapv(|own| series.value(own));
    let mut all = baselines(&series)?;
    all.push(Forecasts {
        name: "GRU".to_owned(),
        validation: validation.iter().map(value).collect(),
        test: value(&said),
    });

    let scale = Mase::new(&series.values[..training], period)?;
    let mase = |errors: &Errors| scale.of(errors).unwrap_or(f64::NAN);
    let mut test = Vec::new();
    println!("{:32} validation MASE  test MASE  test RMSE", "");
    for way in &all {
        let own = way.validation.iter().zip(&folds);
        let own = own.map(|(forecasts, fold)| mase(&errors(&series, forecasts, fold.clone())));
        let judged = own.sum::<f64>() / folds.len() as f64;
        let errors = errors(&series, &way.test, training..steps);
        let rmse = errors.rmse().unwrap_or(f64::NAN);
        println!(
            "{:32} {judged:15.3} {:10.3} {rmse:10.3}",
            way.name,
            mase(&errors)
        );
        test.push((way.name.clone(), mase(&errors)));
    }
    if let Some(path) = &arguments.plot {
        draw(path, &series, &all, &said, &spread)?;
    }
    Ok(Figures { test, covered })
}

/// The standard deviation of the errors of the validation forecasts, `h` steps ahead, as models see values.
fn spread(series: &Series, validation: &[Array2<f32>]) -> Vec<f32> {
    let seen = series.seen();
    let mut squares = vec![0.0; series.period];
    let mut count = 0.0;
    for (forecasts, fold) in validation.iter().zip(series.folds()) {
        for (row, origin) in forecasts.outer_iter().zip(series.origins(fold)) {
            count += 1.0;
            for (square, (said, came)) in squares.iter_mut().zip(row.iter().zip(&seen[origin..])) {
                *square += (said - came).powi(2);
            }
        }
    }
    squares
        .iter()
        .map(|square| (square / count).sqrt())
        .collect()
}

/// The share of the test values within a spread and a bit of their forecasts.
fn covered(series: &Series, said: &Array2<f32>, spread: &[f32]) -> f64 {
    let seen = series.seen();
    let origins = series.origins(series.training()..seen.len());
    let mut inside = 0;
    for (row, origin) in said.outer_iter().zip(origins) {
        let came = row.iter().zip(&seen[origin..]).zip(spread);
        inside += came
            .filter(|((said, came), own)| (*said - *came).abs() <= TENTH * *own)
            .count();
    }
    inside as f64 / said.len() as f64
}

fn draw(
    path: &Path,
    series: &Series,
    all: &[Forecasts],
    said: &Array2<f32>,
    spread: &[f32],
) -> Result<(), Box<dyn Error>> {
    let (period, steps, training) = (series.period, series.values.len(), series.training());
    let at = |step: usize| 1.0 + step as f64 / period as f64;
    let from = training - 2 * period;
    let points = |first: usize, values: &mut dyn Iterator<Item = f32>| -> Vec<(f64, f64)> {
        (first..)
            .zip(values)
            .map(|(step, own)| (at(step), f64::from(own)))
            .collect()
    };
    let came = points(from, &mut series.values[from..].iter().copied());
    // From the first origin and from the last one, the two seasons in a row.
    let last = said.nrows() - 1;
    let bound = |share: f32| {
        let rows = [said.row(0), said.row(last)];
        let all = rows.into_iter().flat_map(|row| row.to_vec());
        let all = all.zip(spread.iter().cycle());
        points(
            training,
            &mut all.map(|(own, spread)| series.value(own + share * spread)),
        )
    };
    // A panel for each way: all of them in one hide what came. The networks, which are last, are the first to be seen.
    let mut panels = Vec::new();
    for (position, way) in all.iter().enumerate().rev() {
        if way.name == "naive" {
            continue;
        }
        let rows = [way.test.row(0), way.test.row(last)];
        let mut both = rows.into_iter().flat_map(|row| row.to_vec());
        let title = format!("{}: two test seasons", way.name);
        let mut panel = Panel::new(title, "season")
            .points("came", came.clone())
            .points("forecast", points(training, &mut both));
        if position + 1 == all.len() {
            // Of 80 %.
            let (low, high) = (bound(-TENTH), bound(TENTH));
            let between = low.into_iter().zip(high);
            panel = panel.band(
                between
                    .map(|((at, low), (_, high))| (at, low, high))
                    .collect(),
            );
        }
        panels.push(panel);
    }

    let scale = Mase::new(&series.values[..training], period)?;
    let mut ahead = Panel::new("MASE on the test seasons", "steps ahead");
    for way in all {
        let columns = way.test.axis_iter(Axis(1)).enumerate();
        let errors = columns.map(|(ahead, column)| {
            let mut errors = Errors::default();
            let origins = series.origins(training..steps);
            let came: Vec<f32> = origins
                .map(|origin| series.values[origin + ahead])
                .collect();
            errors.add(&column.to_vec(), &came);
            scale.of(&errors).unwrap_or(f64::NAN)
        });
        ahead = ahead.curve(way.name.clone(), errors.collect());
    }
    panels.push(ahead);
    Ok(plot::curves(path, &panels)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let figures = run(&Arguments::parse())?;
    let all = figures.test.iter().rev();
    let all: Vec<String> = all
        .map(|(name, mase)| format!("{name} {mase:.3}"))
        .collect();
    println!(
        "\n{:.0} % of the test values are in their 80 % intervals\ntest MASE: {}",
        100.0 * figures.covered,
        all.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_epochs_beat_the_season_before() {
        let folder = tempfile::tempdir().unwrap();
        let (plot, save) = (
            folder.path().join("a.svg"),
            folder.path().join("a.safetensors"),
        );
        let line = "forecast --networks 1 --hidden 4 --epochs 12 --rate 0.01";
        let line = line.split(' ').map(String::from).chain([
            format!("--plot={}", plot.display()),
            format!("--save={}", save.display()),
        ]);
        let figures = run(&Arguments::parse_from(line)).unwrap();
        let of = |asked: &str| {
            figures
                .test
                .iter()
                .find(|(name, _)| name == asked)
                .unwrap()
                .1
        };
        assert!(of("GRU") < of("seasonal naive"), "{:?}", figures.test);
        assert!(of("seasonal naive") < of("naive"));
        assert!(
            std::fs::read_to_string(plot)
                .unwrap()
                .contains("seasonal naive")
        );
        assert!(folder.path().join("a-1.safetensors").exists());
    }

    #[test]
    fn files_of_series_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("series.csv");
        let values: Vec<f32> = (0..36).map(|step| (step % 4) as f32 + 0.5).collect();
        let lines = |with: &dyn Fn(usize, f32) -> String| {
            let all = values
                .iter()
                .enumerate()
                .map(|(step, own)| with(step, *own));
            all.collect::<Vec<_>>().join("\n")
        };
        let table = format!(
            "date,value\n{}\n",
            lines(&|step, own| format!("2001-{step},{own}"))
        );
        for text in [table, lines(&|_, own| own.to_string())] {
            std::fs::write(&path, text).unwrap();
            let series = Series::read(&path, "value", 4).unwrap();
            assert_eq!((series.values, series.test), (values.clone(), 8));
        }
        let error = Series::read(&path, "value", 12).unwrap_err().to_string();
        assert!(error.contains("at least 9 seasons"), "{error}");
        std::fs::write(&path, "date,load\n2001-1,1\n").unwrap();
        let error = Series::read(&path, "value", 4).unwrap_err().to_string();
        assert!(error.contains("no column `value`"), "{error}");
    }
}
