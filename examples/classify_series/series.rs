//! Labelled series: generated waveforms, or files in the `.ts` format.

use std::f32::consts::{PI, TAU};
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Axis};
use rand::{Rng, RngExt};
use rnn::data::{LabelledSeries, Scaler, TsFile};
use rnn::rng;
use rnn::train::AnyError;

use crate::arguments::Arguments;

/// Series to learn from, and series to be asked about.
pub(crate) struct Data {
    pub(crate) classes: Vec<String>,
    pub(crate) channels: usize,
    pub(crate) training: Vec<LabelledSeries>,
    pub(crate) test: Vec<LabelledSeries>,
}

impl Data {
    /// Reads or makes the series; every channel then has mean 0 and variance 1 over all steps of the training series.
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, AnyError> {
        let mut data = match &arguments.data {
            Some(path) => Self::read(path)?,
            None => Self::waveforms(arguments),
        };
        data.standardise()?;
        Ok(data)
    }

    fn standardise(&mut self) -> Result<(), AnyError> {
        let views: Vec<_> = (self.training.iter())
            .map(|example| example.series.view())
            .collect();
        let scaler = Scaler::standard(&views)?;
        for example in self.training.iter_mut().chain(&mut self.test) {
            scaler.apply(example.series.view_mut())?;
        }
        Ok(())
    }

    /// The two files of a folder, or a training file and the test file beside it.
    fn read(path: &Path) -> Result<Self, AnyError> {
        let (training, test) = match path.is_dir() {
            true => (find(path, TRAINING)?, find(path, TEST)?),
            false => (path.to_owned(), beside(path)?),
        };
        let (training, test) = (TsFile::read(training)?, TsFile::read(test)?);
        if training.classes != test.classes || training.channels != test.channels {
            return Err("the files differ in classes or channels".into());
        }
        Ok(Self {
            classes: training.classes,
            channels: training.channels,
            training: training.examples,
            test: test.examples,
        })
    }

    fn waveforms(arguments: &Arguments) -> Self {
        let make = |count: usize, name| {
            let mut rng = rng::stream(arguments.seed, "waveforms", name);
            (0..count).map(|_| waveform(&mut rng)).collect()
        };
        Self {
            classes: WAVES.iter().map(|name| (*name).to_owned()).collect(),
            channels: 1,
            training: make(arguments.waveforms, "training"),
            test: make(arguments.waveforms / 2, "test"),
        }
    }
}

/// What the generated waveforms are.
const WAVES: [&str; 6] = [
    "sine",
    "square",
    "triangle",
    "rising saw",
    "falling saw",
    "chirp",
];

// A noisy wave of any frequency, phase and height that begins somewhere in silence of its own length.
fn waveform(rng: &mut impl Rng) -> LabelledSeries {
    let class = rng.random_range(0..WAVES.len());
    let (before, wave, after) = (
        rng.random_range(0..30),
        rng.random_range(30..70),
        rng.random_range(0..30_usize),
    );
    let cycle = rng.random_range(8.0..20.0_f32);
    let start: f32 = rng.random();
    let height = rng.random_range(0.5..1.5_f32);
    let at = |step: usize| {
        let time = step as f32 / cycle + start;
        let phase = time.fract();
        match class {
            0 => (TAU * phase).sin(),
            1 if phase < 0.5 => 1.0,
            1 => -1.0,
            2 => (TAU * phase).sin().asin() * 2.0 / PI,
            3 => 2.0 * phase - 1.0,
            4 => 1.0 - 2.0 * phase,
            // Twice as fast at the end as at the start.
            _ => (TAU * time * (0.75 + 0.5 * step as f32 / wave as f32)).sin(),
        }
    };
    let mut values = vec![0.0; before];
    values.extend((0..wave).map(|step| height * at(step)));
    values.extend(vec![0.0; after]);
    let noisy = |value: f32| value + rng.random_range(-0.25..0.25_f32);
    let values: Array1<f32> = values.into_iter().map(noisy).collect();
    LabelledSeries {
        series: values.insert_axis(Axis(1)),
        class: class as u32,
    }
}

/// How the names of the files end.
const TRAINING: &str = "_TRAIN.ts";
const TEST: &str = "_TEST.ts";

// The test file of a training file.
fn beside(training: &Path) -> Result<PathBuf, AnyError> {
    let name = training.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(TRAINING).ok_or_else(|| {
        format!(
            "expected a folder or a file `*{TRAINING}`, found {}",
            training.display()
        )
    })?;
    Ok(training.with_file_name(format!("{name}{TEST}")))
}

fn find(folder: &Path, ending: &str) -> Result<PathBuf, AnyError> {
    let mut found = Vec::new();
    let of = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(of)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    match <[PathBuf; 1]>::try_from(found) {
        Ok([path]) => Ok(path),
        Err(found) => Err(format!(
            "expected one file `*{ending}` in {}, found {}",
            folder.display(),
            found.len()
        )
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_file_is_beside_the_training_file() {
        let found = beside(Path::new("archive/Vowels_TRAIN.ts")).ok();
        assert_eq!(found, Some(PathBuf::from("archive/Vowels_TEST.ts")));
        let error = beside(Path::new("Vowels.ts")).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("a folder or a file `*_TRAIN.ts`"), "{error}");
    }
}
