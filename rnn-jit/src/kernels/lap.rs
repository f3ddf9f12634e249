//! The clock of profiled programs: what has passed since it was read last goes to one of many counters.
//!
//! A program reads it after each of its kernels, so that the laps of a call add up to the whole without a gap. On x86-64 it is
//! the time-stamp counter behind a fence: a lap ends when the work before it has, and one reading takes about ten to twenty
//! nanoseconds. Elsewhere it is the system's clock.
//!
//! Counters are `[last reading, (ticks, laps, calls) per meter ..]`.
//!
//! **Invariant:** nothing is counted outside the counters given.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Words before the first meter.
pub(crate) const HEAD: usize = 1;
/// Words of a meter.
pub(crate) const METER: usize = 3;

/// Ends a lap: see [`Kernel::Lap`](super::Kernel::Lap).
///
/// # Safety
/// `counters` has the words of the meter that starts at `at`, and no other thread uses them.
pub(super) unsafe extern "C" fn lap_entry(counters: *mut u64, at: usize, calls: usize) {
    let now = ticks();
    // SAFETY: the caller's promise; the first word is that of the last reading.
    unsafe {
        let meter = counters.add(at);
        *meter = (*meter).wrapping_add(now.wrapping_sub(*counters));
        *meter.add(1) += 1;
        *meter.add(2) += calls as u64;
        *counters = now;
    }
}

/// Ends a lap of the meter whose words start at `at`, which is done `calls` times by now.
///
/// # Panics
/// Counters without this meter.
pub(crate) fn lap(counters: &mut [u64], at: usize, calls: usize) {
    assert!(at >= HEAD && at + METER <= counters.len(), "a known meter");
    // SAFETY: compared just now, and the borrow is exclusive.
    unsafe { lap_entry(counters.as_mut_ptr(), at, calls) }
}

/// Starts a lap, so that what has passed since the last one counts nowhere.
pub(crate) fn start(counters: &mut [u64]) {
    if let Some(last) = counters.first_mut() {
        *last = ticks();
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn ticks() -> u64 {
    use std::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: both instructions are part of every x86-64.
    unsafe {
        _mm_lfence();
        _rdtsc()
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Ticks in a second, held against the system's clock once in a process, for ten milliseconds.
pub(crate) fn ticks_per_second() -> f64 {
    const WINDOW: Duration = Duration::from_millis(10);
    static RATE: OnceLock<f64> = OnceLock::new();
    *RATE.get_or_init(|| {
        let (start, first) = (Instant::now(), ticks());
        loop {
            let (passed, last) = (start.elapsed(), ticks());
            if passed >= WINDOW {
                return last.wrapping_sub(first) as f64 / passed.as_secs_f64();
            }
        }
    })
}

/// Ticks from a reading to the next with nothing in between: what a lap counts of itself. Measured once in a process.
pub(crate) fn ticks_per_lap() -> f64 {
    const LAPS: usize = 256;
    const ROUNDS: usize = 64;
    static COST: OnceLock<f64> = OnceLock::new();
    *COST.get_or_init(|| {
        let mut least = f64::INFINITY;
        for _ in 0..ROUNDS {
            let mut counters = [0; HEAD + METER];
            start(&mut counters);
            for _ in 0..LAPS {
                lap(black_box(&mut counters), black_box(HEAD), 1);
            }
            // An interrupted round is longer, none is shorter.
            least = least.min(counters[HEAD] as f64 / LAPS as f64);
        }
        least
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_add_up_to_what_has_passed() {
        let mut counters = vec![0; HEAD + 2 * METER];
        let first = Instant::now();
        start(&mut counters);
        for turn in 0..200 {
            std::thread::sleep(Duration::from_micros(50));
            lap(&mut counters, HEAD + METER * (turn % 2), 3);
        }
        let passed = first.elapsed().as_secs_f64();
        assert_eq!(counters[HEAD + 1..HEAD + 3], [100, 300]);
        assert_eq!(counters[HEAD + METER + 1..], [100, 300]);
        let counted = (counters[HEAD] + counters[HEAD + METER]) as f64 / ticks_per_second();
        // Two clocks, and the two calls of them that are not inside both.
        assert!(
            counted <= passed * 1.01 && counted >= passed * 0.9,
            "{counted} of {passed}"
        );
    }

    #[test]
    fn a_lap_touches_the_counters_alone() {
        use crate::kernels::guard::{Guarded, Side};
        for side in [Side::Start, Side::End] {
            let mut memory = Guarded::new(2 * (HEAD + 2 * METER), side);
            memory.words_mut().fill(0);
            let counters: *mut u64 = memory.words_mut().as_mut_ptr().cast();
            for meter in 0..2 {
                // SAFETY: the memory has the words of two meters, aligned: it starts or ends with a page.
                unsafe { lap_entry(counters, HEAD + METER * meter, 5) };
            }
            let words = memory.words();
            for meter in 0..2 {
                let first = 2 * (HEAD + METER * meter);
                assert_eq!(words[first + 2..first + 6], [1, 0, 5, 0]);
            }
        }
    }

    #[test]
    fn a_lap_of_nothing_costs_less_than_a_microsecond() {
        let cost = ticks_per_lap() / ticks_per_second();
        assert!(cost > 0.0 && cost < 1e-6, "{cost}");
    }

    #[test]
    #[should_panic(expected = "a known meter")]
    fn a_meter_that_is_not_there_is_refused() {
        lap(&mut [0; HEAD + METER], HEAD + 1, 1);
    }
}
