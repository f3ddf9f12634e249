//! Controllers at the true pendulum.

use std::error::Error;

use rnn::rng;

use crate::simulator::{PERIOD, Pendulum, wrapped};

/// Seconds of a trial.
const SECONDS: f64 = 8.0;
/// It stands that stays within so many rad of upright over the last second.
const NEAR: f64 = 0.1;

/// Says torques for what is measured of pendulums, period after period.
pub(crate) trait Controller {
    /// In N m, for each pendulum.
    fn torques(&mut self, measured: &[Pendulum]) -> Result<Vec<f64>, Box<dyn Error>>;
}

/// A torque that depends on the last measurement alone.
pub(crate) struct Law<F>(pub(crate) F);

impl<F: Fn(Pendulum) -> f64> Controller for Law<F> {
    fn torques(&mut self, measured: &[Pendulum]) -> Result<Vec<f64>, Box<dyn Error>> {
        Ok(measured.iter().map(|at| (self.0)(*at)).collect())
    }
}

/// `u = -k_p theta - k_d theta'`, limited as all torques are.
pub(crate) fn pd(gains: [f64; 2]) -> impl Fn(Pendulum) -> f64 {
    move |at| -gains[0] * wrapped(at.angle) - gains[1] * at.velocity
}

/// Swings by bringing energy to that of standing upright (Åström & Furuta 2000), and holds by a PD controller where that can.
///
/// It knows the equations of the pendulum, from which the energy is.
pub(crate) fn energy(gains: [f64; 2]) -> impl Fn(Pendulum) -> f64 {
    let hold = pd(gains);
    move |at| match wrapped(at.angle).abs() < 0.4 {
        true => hold(at),
        // Also where it does not move yet.
        false => -10.0 * at.energy() * if at.velocity < 0.0 { -1.0 } else { 1.0 },
    }
}

/// What came of trials.
#[derive(Debug)]
pub(crate) struct Trials {
    /// The share of pendulums that stand at the end.
    pub(crate) stand: f64,
    /// The mean of `1 - cos(theta)` over all trials, from 0 of standing to 2 of hanging.
    pub(crate) cost: f64,
    /// The angles of the first trials, wrapped, step by step.
    pub(crate) angles: Vec<Vec<f64>>,
}

/// Trials that are kept.
const KEPT: usize = 4;

/// Lets a controller act on pendulums that start anywhere, the same ones for one seed and purpose.
pub(crate) fn trials(
    controller: &mut dyn Controller,
    count: usize,
    seed: u64,
    purpose: &str,
) -> Result<Trials, Box<dyn Error>> {
    let mut rng = rng::stream(seed, "trials", purpose);
    let mut all: Vec<Pendulum> = (0..count).map(|_| Pendulum::anywhere(&mut rng)).collect();
    let steps = (SECONDS / PERIOD).round() as usize;
    let last = steps - (1.0 / PERIOD).round() as usize;
    let mut stand = vec![true; count];
    let mut angles = vec![Vec::with_capacity(steps); count.min(KEPT)];
    let mut cost = 0.0;
    for step in 0..steps {
        let measured: Vec<Pendulum> = all.iter().map(|at| at.measured(&mut rng)).collect();
        let torques = controller.torques(&measured)?;
        for (at, torque) in all.iter_mut().zip(torques) {
            *at = at.after(torque);
        }
        for (at, stand) in all.iter().zip(&mut stand) {
            *stand &= step < last || wrapped(at.angle).abs() < NEAR;
            cost += 1.0 - at.angle.cos();
        }
        for (at, angles) in all.iter().zip(&mut angles) {
            angles.push(wrapped(at.angle));
        }
    }
    let standing = stand.iter().filter(|own| **own).count();
    Ok(Trials {
        stand: standing as f64 / count as f64,
        cost: cost / (steps * count) as f64,
        angles,
    })
}

/// The gains of the PD controller, of a grid, by which most pendulums stand, and among equals those of the least cost; tried on the true
/// pendulum, on trials of their own.
pub(crate) fn tuned(
    count: usize,
    seed: u64,
    law: impl Fn([f64; 2]) -> Box<dyn Fn(Pendulum) -> f64>,
) -> Result<[f64; 2], Box<dyn Error>> {
    let mut best: Option<(f64, f64, [f64; 2])> = None;
    for proportional in [10.0, 15.0, 20.0, 30.0, 40.0, 60.0] {
        for derivative in [0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0] {
            let gains = [proportional, derivative];
            let own = trials(&mut Law(law(gains)), count, seed, "tuning")?;
            let better =
                best.is_none_or(|(stand, cost, _)| (own.stand, -own.cost) > (stand, -cost));
            if better {
                best = Some((own.stand, own.cost, gains));
            }
        }
    }
    Ok(best.map_or([0.0; 2], |(.., gains)| gains))
}
