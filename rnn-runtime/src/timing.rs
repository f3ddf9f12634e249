//! How long calls take: medians of pieces that are long enough for the clock.
//!
//! **Invariant:** calls that warm the caches are not counted, and at least one piece is.

use std::time::Instant;

use rnn_jit::kernels::Isa;
use rnn_jit::peak_gflops;

/// Shortest time that is measured in one piece, in microseconds: the clock itself takes a fortieth of one.
const PIECE_US: f64 = 40.0;

/// What a round of calls took.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// Microseconds per call, of each piece.
    pub samples: Vec<f64>,
    /// The peak of one core right after, in GFLOP/s; NaN where it cannot be measured.
    pub peak: f64,
}

/// Makes calls for about `seconds`, at least once, after calls that are not counted: another program has had the caches before.
/// `run` makes as many as it is told.
///
/// # Errors
/// Those of `run`.
pub fn round<E>(seconds: f64, mut run: impl FnMut(usize) -> Result<(), E>) -> Result<Round, E> {
    let mut timed = |calls: usize| -> Result<f64, E> {
        let start = Instant::now();
        run(calls)?;
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

/// The middle value; NaN of none.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_counts_calls_and_passes_errors() {
        let mut calls = 0;
        let round = round(0.0, |more| {
            calls += more;
            Ok::<_, String>(())
        });
        assert_eq!(round.unwrap().samples.len(), 1);
        assert!(calls >= 3, "{calls}");
        assert_eq!(super::round(1e9, |_| Err("no")), Err("no"));
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert!(median(&mut []).is_nan());
    }
}
