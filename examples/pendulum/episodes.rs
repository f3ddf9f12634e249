//! Episodes of a pendulum: made by the simulator, or read from a log.

use std::error::Error;
use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

use ndarray::{Array2, ArrayView2};
use rand::Rng;
use rnn::data::Csv;

use crate::simulator::{PERIOD, Pendulum, excitation};

/// What is logged, step by step: a row is what was measured, and the torque that acted from then on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Episode {
    /// `[steps, 4]`: time, torque, angle and velocity.
    pub(crate) rows: Array2<f32>,
}

/// The columns of a log.
const COLUMNS: [&str; 4] = ["time", "torque", "angle", "velocity"];

impl Episode {
    /// Random torques from anywhere.
    pub(crate) fn excited(steps: usize, rng: &mut impl Rng) -> Self {
        let mut at = Pendulum::anywhere(rng);
        let mut rows = Array2::zeros((steps, COLUMNS.len()));
        let torques = excitation(steps, rng);
        for (step, (mut row, torque)) in rows.outer_iter_mut().zip(torques).enumerate() {
            let seen = at.measured(rng);
            let values = [step as f64 * PERIOD, torque, seen.angle, seen.velocity];
            row.iter_mut()
                .zip(values)
                .for_each(|(own, value)| *own = value as f32);
            at = at.after(torque);
        }
        Self { rows }
    }

    /// The episodes of a log: one begins wherever time does not go on.
    pub(crate) fn read(path: &Path, least: usize) -> Result<Vec<Self>, Box<dyn Error>> {
        let table = Csv::default().columns(COLUMNS).read(path)?.values;
        let times: Vec<f32> = table.column(0).to_vec();
        let mut starts: Vec<usize> = vec![0];
        starts.extend((1..times.len()).filter(|row| times[*row] <= times[*row - 1]));
        starts.push(times.len());
        let mut all = Vec::new();
        for ends in starts.windows(2) {
            let rows = table.slice(ndarray::s![ends[0]..ends[1], ..]).to_owned();
            if rows.nrows() < least {
                let (path, found) = (path.display(), rows.nrows());
                let row = ends[0] + 1;
                return Err(format!("{path}: expected episodes of at least {least} steps, found {found} in that which starts in row {row}").into());
            }
            all.push(Self { rows });
        }
        if all.len() < 5 {
            let (path, found) = (path.display(), all.len());
            return Err(format!("{path}: expected at least 5 episodes, found {found}; one begins where time starts again").into());
        }
        Ok(all)
    }

    /// Writes episodes as [`read`](Self::read) takes them.
    pub(crate) fn write(path: &Path, all: &[Self]) -> Result<(), Box<dyn Error>> {
        let mut text = COLUMNS.join(",") + "\n";
        for row in all.iter().flat_map(|episode| episode.rows.outer_iter()) {
            writeln!(text, "{},{},{},{}", row[0], row[1], row[2], row[3])?;
        }
        Ok(std::fs::write(path, text)?)
    }
}

/// Episodes in numbers of the size of 1, and what they were divided by.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    /// `[steps, 4]` each: sine and cosine of the angle, velocity, torque.
    pub(crate) series: Vec<Array2<f32>>,
    /// The largest torque, in N m.
    pub(crate) torque: f32,
    /// Twice the root of the mean square of the velocity, in rad/s.
    pub(crate) velocity: f32,
    training: usize,
    validation: usize,
}

impl Logged {
    /// All but a fifth is learnt from; half of that is validation, and half the test.
    pub(crate) fn new(episodes: &[Episode]) -> Result<Self, Box<dyn Error>> {
        let held = (episodes.len() / 10).max(1);
        let training = episodes.len() - 2 * held;
        let all = || episodes[..training].iter().map(|episode| &episode.rows);
        let torque = all().flat_map(|rows| rows.column(1).to_vec());
        let torque = torque.fold(0.0_f32, |most, own| most.max(own.abs()));
        let squares: f32 = all().map(|rows| rows.column(3).dot(&rows.column(3))).sum();
        let count: usize = all().map(|rows| rows.nrows()).sum();
        let velocity = 2.0 * (squares / count as f32).sqrt();
        if torque == 0.0 || velocity == 0.0 {
            return Err("expected torques and velocities that are not all 0".into());
        }
        let scaled = |episode: &Episode| {
            let rows = &episode.rows;
            Array2::from_shape_fn((rows.nrows(), 4), |(step, channel)| match channel {
                0 => rows[[step, 2]].sin(),
                1 => rows[[step, 2]].cos(),
                2 => rows[[step, 3]] / velocity,
                _ => rows[[step, 1]] / torque,
            })
        };
        Ok(Self {
            series: episodes.iter().map(scaled).collect(),
            torque,
            velocity,
            training,
            validation: held,
        })
    }

    fn of(&self, episodes: Range<usize>) -> Vec<ArrayView2<'_, f32>> {
        self.series[episodes].iter().map(|own| own.view()).collect()
    }

    pub(crate) fn training(&self) -> Vec<ArrayView2<'_, f32>> {
        self.of(0..self.training)
    }

    pub(crate) fn validation(&self) -> Vec<ArrayView2<'_, f32>> {
        self.of(self.training..self.training + self.validation)
    }

    pub(crate) fn test(&self) -> Vec<ArrayView2<'_, f32>> {
        self.of(self.training + self.validation..self.series.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_as_it_was_written() {
        let mut rng = rnn::rng::stream(1, "episodes", "");
        let all: Vec<Episode> = (0..5).map(|_| Episode::excited(12, &mut rng)).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        Episode::write(&path, &all).unwrap();
        assert_eq!(Episode::read(&path, 12).unwrap(), all);
        let error = Episode::read(&path, 13).unwrap_err().to_string();
        assert!(error.contains("at least 13 steps, found 12"), "{error}");
        Episode::write(&path, &all[..4]).unwrap();
        let error = Episode::read(&path, 12).unwrap_err().to_string();
        assert!(error.contains("at least 5 episodes, found 4"), "{error}");
        let logged = Logged::new(&all).unwrap();
        let parts = [logged.training(), logged.validation(), logged.test()];
        assert_eq!(parts.map(|part| part.len()), [3, 1, 1]);
    }
}
