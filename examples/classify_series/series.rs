//! Labelled series: generated waveforms, or files in the `.ts` format.

use std::error::Error;
use std::f32::consts::{PI, TAU};
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Axis};
use rand::{Rng, RngExt};
use rnn::rng;

use crate::arguments::Arguments;

/// A series `[T, channels]` and the position of its class.
pub(crate) struct Example {
    pub(crate) series: Array2<f32>,
    pub(crate) class: u32,
}

/// Series to learn from, and series to be asked about.
pub(crate) struct Data {
    pub(crate) classes: Vec<String>,
    pub(crate) channels: usize,
    pub(crate) training: Vec<Example>,
    pub(crate) test: Vec<Example>,
}

impl Data {
    /// Reads or makes the series; every channel then has mean 0 and variance 1 over all steps of the training series.
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let mut data = match &arguments.data {
            Some(folder) => Self::read(folder)?,
            None => Self::waveforms(arguments),
        };
        data.standardise()?;
        Ok(data)
    }

    fn standardise(&mut self) -> Result<(), Box<dyn Error>> {
        let views: Vec<_> = (self.training.iter())
            .map(|example| example.series.view())
            .collect();
        let all = ndarray::concatenate(Axis(0), &views)?;
        let mean = all.mean_axis(Axis(0)).ok_or("no steps to train on")?;
        let deviation = all.std_axis(Axis(0), 0.0).mapv(|own| own.max(1e-6));
        for example in self.training.iter_mut().chain(&mut self.test) {
            example.series = (&example.series - &mean) / &deviation;
        }
        Ok(())
    }

    /// The two files of a folder.
    fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let training = File::read(&find(folder, "_TRAIN.ts")?)?;
        let test = File::read(&find(folder, "_TEST.ts")?)?;
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
fn waveform(rng: &mut impl Rng) -> Example {
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
    Example {
        series: values.insert_axis(Axis(1)),
        class: class as u32,
    }
}

fn find(folder: &Path, ending: &str) -> Result<PathBuf, Box<dyn Error>> {
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

/// A `.ts` file: a line per series, its channels apart by `:`, their numbers by `,`, the class last.
struct File {
    classes: Vec<String>,
    channels: usize,
    examples: Vec<Example>,
}

impl File {
    fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut classes: Vec<String> = Vec::new();
        let mut channels = None;
        let mut examples = Vec::new();
        let mut in_data = false;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let of = |error: String| format!("line {}: {error}", number + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if !in_data {
                let mut words = line.split_whitespace();
                match words.next().map(str::to_lowercase).as_deref() {
                    Some("@classlabel") => {
                        if words.next() != Some("true") {
                            return Err(of("expected series with classes".to_owned()));
                        }
                        classes = words.map(str::to_owned).collect();
                    }
                    Some("@data") => in_data = true,
                    _ => {}
                }
                continue;
            }
            let (channel_text, class) = line
                .rsplit_once(':')
                .ok_or_else(|| of("expected channels and a class".to_owned()))?;
            let class = (classes.iter().position(|own| own == class))
                .ok_or_else(|| of(format!("class `{class}` is not declared")))?;
            let series = series(channel_text).map_err(of)?;
            let expected = *channels.get_or_insert(series.ncols());
            if series.ncols() != expected {
                return Err(of(format!(
                    "expected {expected} channels, found {}",
                    series.ncols()
                )));
            }
            examples.push(Example {
                series,
                class: class as u32,
            });
        }
        let channels = channels.ok_or("no series after `@data`")?;
        Ok(Self {
            classes,
            channels,
            examples,
        })
    }
}

fn series(text: &str) -> Result<Array2<f32>, String> {
    let mut channels: Vec<Vec<f32>> = Vec::new();
    for channel in text.split(':') {
        let numbers: Result<Vec<f32>, String> = channel
            .split(',')
            .map(|number| {
                number
                    .trim()
                    .parse()
                    .map_err(|error| format!("`{number}`: {error}"))
            })
            .collect();
        channels.push(numbers?);
    }
    let steps = channels.first().map_or(0, Vec::len);
    if channels.iter().any(|channel| channel.len() != steps) {
        return Err("expected channels of one length".to_owned());
    }
    Ok(Array2::from_shape_fn((steps, channels.len()), |(t, c)| {
        channels[c][t]
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "# said\n@problemName two\n@classLabel true a b\n@data\n";

    #[test]
    fn series_of_unequal_length_are_read() {
        let file = File::parse(&format!("{HEADER}1,2.5,-3:4,5,6:b\n0.5:7:a\n")).unwrap();
        assert_eq!((file.channels, file.classes.len()), (2, 2));
        let found: Vec<_> = (file.examples.iter())
            .map(|example| (example.series.clone(), example.class))
            .collect();
        assert_eq!(
            found[0],
            (ndarray::array![[1.0, 4.0], [2.5, 5.0], [-3.0, 6.0]], 1)
        );
        assert_eq!(found[1], (ndarray::array![[0.5, 7.0]], 0));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (line, error) in [
            ("1,2:c", "line 5: class `c` is not declared"),
            ("1,2:3:a", "line 5: expected channels of one length"),
            ("1,x:a", "line 5: `x`: invalid float literal"),
            ("1,2", "line 5: expected channels and a class"),
        ] {
            assert_eq!(
                File::parse(&format!("{HEADER}{line}\n")).err().as_deref(),
                Some(error)
            );
        }
    }
}
