//! Where the time of a model's calls goes.
//!
//! ```no_run
//! # use rnn_runtime::train::AnyError;
//! # use rnn_runtime::{Model, Options, Program, compile};
//! # fn example<M: Model>(spec: M, params: M::Params, mut grads: M::Params, inputs: M::Inputs<'_>, targets: M::Targets<'_>) -> Result<(), AnyError> {
//! let model = compile(spec, Options::default().profile(true))?;
//! model.loss_and_grad(&params, inputs, targets, &mut grads)?;
//! println!("{}", model.profile(Program::Gradient)?);
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant:** the shares of a profile's rows add up to one, save for a profile in which nothing has run.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rnn_jit::kernels::Isa;
use rnn_jit::profile::{Kind, Laps, Work};
use rnn_jit::{Workspace, peak_gflops};
use serde_json::{Value, json};

use crate::compiled::Compiled;
use crate::error::CallError;
use crate::frozen::Frozen;
use crate::model::Model;
use crate::pipeline::Program;
use crate::routine::Routine;
use crate::stream::Stream;

/// One kernel of a program, or one thing that happens around them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProfileRow {
    /// The equations it computes and what it reads, named as [`Compiled::explain`] names them.
    pub name: String,
    /// The kind of work.
    pub kind: Kind,
    /// How often it ran: a kernel inside a loop over time once a step, one outside once a call, or once a block of steps. A
    /// batch of 32 or more is a call of the program for each of its parts.
    pub calls: u64,
    /// How long it took, on all threads together, without the time of the clock.
    pub time: Duration,
    /// Its part of the time of all rows.
    pub share: f64,
    /// Operations, two a multiply-add, of products and outer products; bytes read and written, by shapes.
    pub work: Work,
    /// Its rate as a part of the peak of one core; of products and outer products, where the peak can be measured.
    pub peak_share: Option<f64>,
}

impl ProfileRow {
    /// Operations a nanosecond; `None` if it has none, or took no time.
    pub fn gflops(&self) -> Option<f64> {
        self.rate(self.work.flops)
    }

    /// Bytes a nanosecond, read and written; `None` if it has none, or took no time.
    pub fn gbytes(&self) -> Option<f64> {
        self.rate(self.work.read.saturating_add(self.work.written))
    }

    fn rate(&self, amount: u64) -> Option<f64> {
        let seconds = self.time.as_secs_f64();
        (amount > 0 && seconds > 0.0).then(|| amount as f64 / seconds * 1e-9)
    }
}

/// Where the time of a program's calls went, by kernel.
///
/// Made by [`Compiled::profile`], [`Frozen::profile`](crate::Frozen::profile) and [`Stream::profile`](crate::Stream::profile)
/// of a model compiled with [`Options::profile`](crate::Options::profile). It prints as a table, the longest row first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// What was measured: model and program.
    pub name: String,
    /// Calls of the model; steps, for a stream.
    pub calls: u64,
    /// The time from the start of each call to its end.
    pub wall: Duration,
    /// All kernels of the program, and what happens around them; the longest first.
    pub rows: Vec<ProfileRow>,
    /// How often the clock was read.
    pub readings: u64,
    /// What a reading takes. It was subtracted from the rows; `wall` has all readings in it.
    pub reading: Duration,
    /// The peak of one core, in operations a nanosecond, measured when the profile was made.
    pub peak_gflops: Option<f64>,
}

impl Profile {
    pub(crate) fn new(
        name: String,
        laps: Laps,
        calls: u64,
        wall: Option<Duration>,
        isa: Isa,
    ) -> Self {
        let peak = peak_gflops(isa);
        let readings = laps.reading.as_secs_f64() * laps.readings as f64;
        let mut rows: Vec<ProfileRow> = (laps.meters.into_iter())
            .map(|meter| ProfileRow {
                name: meter.name,
                kind: meter.kind,
                calls: meter.calls,
                time: meter.time,
                share: 0.0,
                work: meter.work,
                peak_share: None,
            })
            .collect();
        let measured: Duration = rows.iter().map(|row| row.time).sum();
        let wall = wall.unwrap_or(measured + Duration::from_secs_f64(readings));
        // What no workspace sees: checks of what is given, threads, sums of parts. On several threads it hides behind them.
        let around = wall.saturating_sub(measured + Duration::from_secs_f64(readings));
        if let Some(rest) = rows.iter_mut().find(|row| row.kind == Kind::Rest) {
            rest.time += around;
        }
        let whole: f64 = rows.iter().map(|row| row.time.as_secs_f64()).sum();
        for row in &mut rows {
            row.share = if whole > 0.0 {
                row.time.as_secs_f64() / whole
            } else {
                0.0
            };
            row.peak_share = row.gflops().zip(peak).map(|(rate, peak)| rate / peak);
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.time));
        Self {
            name,
            calls,
            wall,
            rows,
            readings: laps.readings,
            reading: laps.reading,
            peak_gflops: peak,
        }
    }

    /// The time of all rows, on all threads together.
    pub fn total(&self) -> Duration {
        self.rows.iter().map(|row| row.time).sum()
    }

    /// The time of the rows of a kind.
    pub fn time_of(&self, kind: Kind) -> Duration {
        let rows = self.rows.iter().filter(|row| row.kind == kind);
        rows.map(|row| row.time).sum()
    }

    /// The profile as JSON: `{"name", "calls", "wall_us", "total_us", "readings", "reading_ns", "peak_gflops", "rows": [..]}`,
    /// rows with `"name", "kind", "calls", "us", "share", "gflops", "read", "written", "gbytes", "flops", "peak_share"`; what a
    /// row does not have is `null`.
    pub fn to_json(&self) -> Value {
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        let rows: Vec<Value> = (self.rows.iter())
            .map(|row| {
                json!({
                    "name": row.name, "kind": row.kind.name(), "calls": row.calls, "us": us(row.time),
                    "share": row.share, "flops": row.work.flops, "gflops": row.gflops(),
                    "read": row.work.read, "written": row.work.written, "gbytes": row.gbytes(),
                    "peak_share": row.peak_share,
                })
            })
            .collect();
        json!({
            "name": self.name, "calls": self.calls, "wall_us": us(self.wall), "total_us": us(self.total()),
            "readings": self.readings, "reading_ns": us(self.reading) * 1e3, "peak_gflops": self.peak_gflops,
            "rows": rows,
        })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(
            f,
            "{}: {} calls, {:.3} ms; {:.3} ms on all threads, {} readings of the clock of {} ns not counted",
            self.name,
            self.calls,
            ms(self.wall),
            ms(self.total()),
            self.readings,
            self.reading.as_nanos(),
        )?;
        writeln!(
            f,
            "{:>7} {:>12} {:>9} {:>9} {:>8} {:>9} {:>7} {:<16}name",
            "share", "time us", "calls", "us each", "GFLOP/s", "of peak", "GB/s", "kind"
        )?;
        let number =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        for row in self.rows.iter().filter(|row| row.calls > 0) {
            let us = row.time.as_secs_f64() * 1e6;
            let peak = row
                .peak_share
                .map(|share| format!("{:.0} %", 100.0 * share));
            writeln!(
                f,
                "{:>5.1} % {us:>12.1} {:>9} {:>9.2} {:>8} {:>9} {:>7} {:<16}{}",
                100.0 * row.share,
                row.calls,
                us / row.calls as f64,
                number(row.gflops()),
                peak.as_deref().unwrap_or("-"),
                number(row.gbytes()),
                row.kind,
                row.name,
            )?;
        }
        Ok(())
    }
}

/// Calls of a program from start to end, as their caller sees them.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    seen: Mutex<(u64, Duration)>,
}

/// A call that runs; it counts when it is dropped.
#[derive(Debug)]
pub(crate) struct Running<'c> {
    calls: &'c Calls,
    start: Instant,
}

impl Calls {
    /// Starts to time a call, if it is to be profiled.
    pub(crate) fn start(&self, profiled: bool) -> Option<Running<'_>> {
        profiled.then(|| Running {
            calls: self,
            start: Instant::now(),
        })
    }

    fn seen(&self) -> (u64, Duration) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reset(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let passed = self.start.elapsed();
        let mut seen = (self.calls.seen.lock()).unwrap_or_else(PoisonError::into_inner);
        seen.0 += 1;
        seen.1 += passed;
    }
}

fn profile_of<M: Model>(
    routine: &Routine,
    program: Program,
    workspaces: &[&Workspace],
    calls: Option<&Calls>,
) -> Result<Profile, CallError> {
    let laps = routine.executable.laps(workspaces.iter().copied());
    let laps = laps.ok_or_else(|| CallError::NotProfiled {
        model: M::NAME.to_owned(),
        program: program.name(),
    })?;
    let (count, wall) = match calls.map(Calls::seen) {
        Some((count, wall)) => (count, Some(wall)),
        // Each step is one lap of all that is around.
        None => (entries(&laps), None),
    };
    let name = format!("{} {}", M::NAME, program.name());
    Ok(Profile::new(
        name,
        laps,
        count,
        wall,
        routine.executable.isa(),
    ))
}

// How often the program was entered.
fn entries(laps: &Laps) -> u64 {
    let inputs = laps.meters.iter().find(|meter| meter.kind == Kind::CopyIn);
    inputs.map_or(0, |meter| meter.calls)
}

impl<M: Model> Compiled<M> {
    /// Where the time went of the calls of a program that have come back since it was compiled or
    /// [reset](Self::reset_profile), on all threads: [`Program::Gradient`] for `loss_and_grad`, [`Program::Loss`] for `loss`
    /// and `losses`, [`Program::Forward`] for `forward`. Frozen models and streams have profiles of their own.
    ///
    /// # Errors
    /// [`CallError::NotProfiled`] for a model compiled without [`Options::profile`](crate::Options::profile),
    /// [`CallError::NoLoss`] for a program that the model does not have.
    pub fn profile(&self, program: Program) -> Result<Profile, CallError> {
        let routine = self.routine(program)?;
        routine.with_pool(|pool| {
            let pool: Vec<&Workspace> = pool.iter().collect();
            profile_of::<M>(routine, program, &pool, Some(&routine.calls))
        })
    }

    /// Forgets what was measured of the calls of all programs so far.
    pub fn reset_profile(&self) {
        for program in Program::ALL {
            if let Ok(routine) = self.routine(program) {
                routine.calls.reset();
                routine.with_pool(|pool| pool.iter_mut().for_each(Workspace::reset_laps));
            }
        }
    }
}

impl<M: Model> Frozen<M> {
    /// As [`Compiled::profile`], for the calls of this frozen model.
    ///
    /// # Errors
    /// [`CallError::NotProfiled`] for a model compiled without [`Options::profile`](crate::Options::profile).
    pub fn profile(&self) -> Result<Profile, CallError> {
        let routine = &self.model.inner.forward;
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let pool: Vec<&Workspace> = pool.iter().collect();
        profile_of::<M>(routine, Program::Forward, &pool, Some(&self.calls))
    }

    /// Forgets what was measured so far.
    pub fn reset_profile(&self) {
        self.calls.reset();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.iter_mut().for_each(Workspace::reset_laps);
    }
}

impl<M: Model> Stream<M> {
    /// Where the time of this stream's steps went, since it was made or [reset](Self::reset_profile).
    ///
    /// # Errors
    /// [`CallError::NotProfiled`] for a model compiled without [`Options::profile`](crate::Options::profile).
    pub fn profile(&self) -> Result<Profile, CallError> {
        let workspace = self.stepper.workspace();
        profile_of::<M>(&self.inner.forward, Program::Forward, &[workspace], None)
    }

    /// Forgets what was measured so far.
    pub fn reset_profile(&mut self) {
        self.stepper.workspace_mut().reset_laps();
    }
}
