//! Learning-rate and sampling-probability schedules.
//!
//! A schedule is a function of a count `t` from 0: optimiser steps or epochs, as the caller decides.
//!
//! ```text
//! constant      eta
//! time-based    eta0 / (1 + d t)
//! exponential   eta0 d^t
//! cosine        eta_min + (eta_max - eta_min)/2 (1 + cos(pi t / T))     (Loshchilov & Hutter 2017, eq. 5)
//! warm-up       eta0 t / T_w, then decay(t - T_w)
//! linear        max(floor, start - slope t)                             (Bengio et al. 2015, scheduled sampling)
//! inverse sigmoid   k / (k + e^(t/k))                                   (likewise)
//! ```
//!
//! **Invariant:** a schedule has no state, so a resumed run needs the count alone; [`Plateau`], which has, restores
//! from its text form.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use crate::error::{ScheduleError, StateTextError};

/// A value for every count from 0. Any `Fn(u64) -> f32` is one.
pub trait Schedule {
    /// The value at count `t`.
    fn at(&self, t: u64) -> f32;
}

impl<F: Fn(u64) -> f32> Schedule for F {
    fn at(&self, t: u64) -> f32 {
        self(t)
    }
}

/// The same value always.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constant(pub f32);

impl Schedule for Constant {
    fn at(&self, _: u64) -> f32 {
        self.0
    }
}

/// `initial / (1 + decay t)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeBased {
    initial: f64,
    decay: f64,
}

impl TimeBased {
    /// # Errors
    /// [`ScheduleError`] unless both are finite and not negative.
    pub fn new(initial: f64, decay: f64) -> Result<Self, ScheduleError> {
        not_negative("time-based", "initial value", initial)?;
        not_negative("time-based", "decay", decay)?;
        Ok(Self { initial, decay })
    }
}

impl Schedule for TimeBased {
    fn at(&self, t: u64) -> f32 {
        (self.initial / (1.0 + self.decay * t as f64)) as f32
    }
}

/// `initial decay^t`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    initial: f64,
    decay: f64,
}

impl Exponential {
    /// # Errors
    /// [`ScheduleError`] unless `initial` is finite and not negative and `decay` is in `0..=1`.
    pub fn new(initial: f64, decay: f64) -> Result<Self, ScheduleError> {
        not_negative("exponential", "initial value", initial)?;
        check(
            "exponential",
            "decay",
            "in 0..=1",
            decay,
            (0.0..=1.0).contains(&decay),
        )?;
        Ok(Self { initial, decay })
    }
}

impl Schedule for Exponential {
    fn at(&self, t: u64) -> f32 {
        (self.initial * self.decay.powf(t as f64)) as f32
    }
}

/// Half a cosine from `highest` at 0 to `lowest` at `period`, and `lowest` after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosine {
    highest: f64,
    lowest: f64,
    period: u64,
}

impl Cosine {
    /// # Errors
    /// [`ScheduleError`] unless `0 <= lowest <= highest` and `period > 0`.
    pub fn new(highest: f64, lowest: f64, period: u64) -> Result<Self, ScheduleError> {
        not_negative("cosine", "highest value", highest)?;
        not_negative("cosine", "lowest value", lowest)?;
        check(
            "cosine",
            "lowest value",
            "not above the highest",
            lowest,
            lowest <= highest,
        )?;
        check("cosine", "period", "above 0", period as f64, period > 0)?;
        Ok(Self {
            highest,
            lowest,
            period,
        })
    }
}

impl Schedule for Cosine {
    fn at(&self, t: u64) -> f32 {
        let phase = t.min(self.period) as f64 / self.period as f64;
        (self.lowest + 0.5 * (self.highest - self.lowest) * (1.0 + (PI * phase).cos())) as f32
    }
}

/// `max(floor, start - slope t)`: the linear schedule of teacher-forcing probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    start: f64,
    slope: f64,
    floor: f64,
}

impl Linear {
    /// # Errors
    /// [`ScheduleError`] unless all are finite and not negative.
    pub fn new(start: f64, slope: f64, floor: f64) -> Result<Self, ScheduleError> {
        not_negative("linear", "start", start)?;
        not_negative("linear", "slope", slope)?;
        not_negative("linear", "floor", floor)?;
        Ok(Self {
            start,
            slope,
            floor,
        })
    }
}

impl Schedule for Linear {
    fn at(&self, t: u64) -> f32 {
        (self.start - self.slope * t as f64).max(self.floor) as f32
    }
}

/// `k / (k + e^(t/k))`: the inverse sigmoid schedule of teacher-forcing probabilities, near 1 for about `k ln k` counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InverseSigmoid {
    k: f64,
}

impl InverseSigmoid {
    /// # Errors
    /// [`ScheduleError`] unless `k` is finite and at least 1.
    pub fn new(k: f64) -> Result<Self, ScheduleError> {
        check(
            "inverse sigmoid",
            "k",
            "finite and at least 1",
            k,
            k.is_finite() && k >= 1.0,
        )?;
        Ok(Self { k })
    }
}

impl Schedule for InverseSigmoid {
    fn at(&self, t: u64) -> f32 {
        // e^(t/k) may be infinite, and the quotient is 0 then.
        (self.k / (self.k + (t as f64 / self.k).exp())) as f32
    }
}

/// Rises from 0 for `length` counts to the first value of `then`, which follows from there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmUp<S> {
    length: u64,
    then: S,
}

impl<S: Schedule> WarmUp<S> {
    /// A warm-up of `length` counts, then `then` from its own 0.
    pub fn new(length: u64, then: S) -> Self {
        Self { length, then }
    }
}

impl<S: Schedule> Schedule for WarmUp<S> {
    fn at(&self, t: u64) -> f32 {
        match t.checked_sub(self.length) {
            Some(after) => self.then.at(after),
            None => (f64::from(self.then.at(0)) * (t as f64 / self.length as f64)) as f32,
        }
    }
}

/// Multiplies the rate by `factor` whenever the loss has not improved for `patience` reports.
///
/// Its text form restores it exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plateau {
    rate: f32,
    factor: f32,
    patience: u64,
    best: f64,
    waited: u64,
}

impl Plateau {
    /// Starts at `rate`.
    ///
    /// # Errors
    /// [`ScheduleError`] unless `rate` is finite and not negative, `factor` in `0..1`, and `patience` above 0.
    pub fn new(rate: f32, factor: f32, patience: u64) -> Result<Self, ScheduleError> {
        not_negative("plateau", "rate", f64::from(rate))?;
        check(
            "plateau",
            "factor",
            "in 0..1",
            f64::from(factor),
            (0.0..1.0).contains(&factor),
        )?;
        check(
            "plateau",
            "patience",
            "above 0",
            patience as f64,
            patience > 0,
        )?;
        Ok(Self {
            rate,
            factor,
            patience,
            best: f64::INFINITY,
            waited: 0,
        })
    }

    /// Takes a validation loss and gives the rate to use from now on. A loss that is NaN is no improvement.
    pub fn report(&mut self, loss: f64) -> f32 {
        if loss < self.best {
            self.best = loss;
            self.waited = 0;
        } else {
            self.waited = self.waited.saturating_add(1);
            if self.waited >= self.patience {
                self.rate *= self.factor;
                self.waited = 0;
            }
        }
        self.rate
    }

    /// The current rate.
    pub fn rate(&self) -> f32 {
        self.rate
    }

    /// What the rate is multiplied by.
    pub fn factor(&self) -> f32 {
        self.factor
    }

    /// After how many reports that are no better.
    pub fn patience(&self) -> u64 {
        self.patience
    }
}

impl fmt::Display for Plateau {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rate,
            factor,
            patience,
            best,
            waited,
        } = self;
        write!(
            f,
            "{:x}/{:x}/{patience:x}/{:x}/{waited:x}",
            rate.to_bits(),
            factor.to_bits(),
            best.to_bits()
        )
    }
}

impl FromStr for Plateau {
    type Err = StateTextError;

    fn from_str(text: &str) -> Result<Self, StateTextError> {
        let bad = || StateTextError::new("plateau state of five hexadecimal fields", text);
        let fields: Vec<u64> = text
            .split('/')
            .map(|field| u64::from_str_radix(field, 16))
            .collect::<Result<_, _>>()
            .map_err(|_| bad())?;
        let &[rate, factor, patience, best, waited] = fields.as_slice() else {
            return Err(bad());
        };
        let float = |bits: u64| u32::try_from(bits).map(f32::from_bits).map_err(|_| bad());
        let fresh = Self::new(float(rate)?, float(factor)?, patience).map_err(|_| bad())?;
        let best = f64::from_bits(best);
        if best.is_nan() || waited >= patience {
            return Err(bad());
        }
        Ok(Self {
            best,
            waited,
            ..fresh
        })
    }
}

fn not_negative(
    schedule: &'static str,
    setting: &'static str,
    found: f64,
) -> Result<(), ScheduleError> {
    check(
        schedule,
        setting,
        "finite and not negative",
        found,
        found.is_finite() && found >= 0.0,
    )
}

fn check(
    schedule: &'static str,
    setting: &'static str,
    expected: &'static str,
    found: f64,
    holds: bool,
) -> Result<(), ScheduleError> {
    if holds {
        Ok(())
    } else {
        Err(ScheduleError {
            schedule,
            setting,
            expected,
            found,
        })
    }
}

#[cfg(test)]
mod tests;
