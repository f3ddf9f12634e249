//! The true pendulum, which no model sees the equations of.
//!
//! ```text
//! m l^2 theta'' = m g l sin(theta) - b theta' + u        theta = 0 is upright
//! m = 1 kg, l = 1 m, g = 9.81 m/s^2, b = 0.1 N m s
//! ```
//!
//! The torque `u` is held for 0.05 s and limited to 5 N m, half of what would hold the pendulum level: whoever wants it upright has to
//! swing. Angle and velocity are measured with normal errors of 0.02 rad and 0.05 rad/s.

use std::f64::consts::{PI, TAU};

use rand::{Rng, RngExt};

/// Seconds that a torque is held.
pub(crate) const PERIOD: f64 = 0.05;
/// The largest torque, in N m.
pub(crate) const LIMIT: f64 = 5.0;
const MASS: f64 = 1.0;
const LENGTH: f64 = 1.0;
const GRAVITY: f64 = 9.81;
const DAMPING: f64 = 0.1;
/// Standard deviations of what is measured, in rad and rad/s.
const NOISE: [f64; 2] = [0.02, 0.05];
/// Steps of the Runge-Kutta method in a period.
const STEPS: usize = 5;

/// An angle in `-pi..=pi`.
pub(crate) fn wrapped(angle: f64) -> f64 {
    angle - TAU * (angle / TAU).round()
}

/// Angle and velocity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pendulum {
    /// In rad from upright, however often it went round.
    pub(crate) angle: f64,
    /// In rad/s.
    pub(crate) velocity: f64,
}

impl Pendulum {
    /// At any angle, slow.
    pub(crate) fn anywhere(rng: &mut impl Rng) -> Self {
        Self {
            angle: rng.random_range(-PI..PI),
            velocity: rng.random_range(-1.0..1.0),
        }
    }

    /// After a period of this torque, by the classical Runge-Kutta method.
    pub(crate) fn after(self, torque: f64) -> Self {
        let torque = torque.clamp(-LIMIT, LIMIT);
        let inertia = MASS * LENGTH * LENGTH;
        let slope = |at: Self| Self {
            angle: at.velocity,
            velocity: GRAVITY / LENGTH * at.angle.sin()
                + (torque - DAMPING * at.velocity) / inertia,
        };
        let moved = |at: Self, time: f64, by: Self| Self {
            angle: at.angle + time * by.angle,
            velocity: at.velocity + time * by.velocity,
        };
        let h = PERIOD / STEPS as f64;
        (0..STEPS).fold(self, |at, _| {
            let a = slope(at);
            let b = slope(moved(at, h / 2.0, a));
            let c = slope(moved(at, h / 2.0, b));
            let d = slope(moved(at, h, c));
            let outer = moved(moved(at, h / 6.0, a), h / 6.0, d);
            moved(moved(outer, h / 3.0, b), h / 3.0, c)
        })
    }

    /// What sensors say.
    pub(crate) fn measured(self, rng: &mut impl Rng) -> Self {
        Self {
            angle: self.angle + NOISE[0] * normal(rng),
            velocity: self.velocity + NOISE[1] * normal(rng),
        }
    }

    /// Kinetic and potential energy in J, 0 where it stands upright.
    pub(crate) fn energy(self) -> f64 {
        let kinetic = MASS * (LENGTH * self.velocity).powi(2) / 2.0;
        kinetic + MASS * GRAVITY * LENGTH * (self.angle.cos() - 1.0)
    }
}

/// A normal number (Box & Muller 1958).
fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (TAU * v).cos()
}

/// Torques for so many periods: each is held for a tenth of a second to a whole one; half of them are the limit, to one side or the
/// other.
pub(crate) fn excitation(periods: usize, rng: &mut impl Rng) -> Vec<f64> {
    let mut torques = Vec::with_capacity(periods);
    while torques.len() < periods {
        let torque = match rng.random_range(0..4) {
            0 => -LIMIT,
            1 => LIMIT,
            _ => rng.random_range(-LIMIT..LIMIT),
        };
        let held = rng.random_range(2..=20);
        torques.extend(std::iter::repeat_n(torque, held));
    }
    torques.truncate(periods);
    torques
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_falls_by_what_friction_takes() {
        let mut at = Pendulum {
            angle: 0.5,
            velocity: 0.0,
        };
        let (mut lost, before) = (0.0, at.energy());
        for _ in 0..100 {
            let next = at.after(0.0);
            // The trapezoid rule, over periods that are short beside a swing.
            lost += PERIOD * DAMPING * (at.velocity.powi(2) + next.velocity.powi(2)) / 2.0;
            at = next;
        }
        assert!(lost > 1.0);
        assert!((before - at.energy() - lost).abs() < 0.02 * lost);
    }

    #[test]
    fn the_limit_does_not_lift_it() {
        let mut at = Pendulum {
            angle: PI,
            velocity: 0.0,
        };
        let mut highest = -1.0_f64;
        for _ in 0..200 {
            at = at.after(100.0);
            highest = highest.max(at.angle.cos());
        }
        assert!(highest < 0.5, "{highest}");
    }
}
