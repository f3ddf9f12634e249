//! Medians over calls.

use std::error::Error;
use std::time::Instant;

use rnn::jit::kernels::Isa;
use rnn::jit::peak_gflops;

use crate::work::Work;

/// Shortest time that is measured in one piece, in microseconds: the clock itself takes a fortieth of one.
const PIECE_US: f64 = 40.0;

/// What a round of calls took.
pub(crate) struct Round {
    /// Microseconds per call, of each piece.
    pub(crate) samples: Vec<f64>,
    /// The peak of one core right after, in GFLOP/s.
    pub(crate) peak: f64,
}

/// Calls for about `seconds`, at least once, after calls that are not counted: another program has had the caches before.
pub(crate) fn round(work: &mut dyn Work, seconds: f64) -> Result<Round, Box<dyn Error>> {
    let mut timed = |calls: usize| -> Result<f64, Box<dyn Error>> {
        let start = Instant::now();
        work.run(calls)?;
        Ok(start.elapsed().as_secs_f64() * 1e6)
    };
    let cold = timed(1)?;
    let once = if cold < 1e3 { timed(1)? } else { cold }.max(0.01);
    let calls = (PIECE_US / once).clamp(1.0, 1e4).ceil() as usize;
    let (start, mut samples) = (Instant::now(), Vec::new());
    while samples.is_empty() || start.elapsed().as_secs_f64() < seconds {
        samples.push(timed(calls)? / calls as f64);
    }
    let peak = peak_gflops(Isa::detect()).unwrap_or(f64::NAN);
    Ok(Round { samples, peak })
}

/// The middle value.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
