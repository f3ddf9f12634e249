//! Threads that help the thread of a caller.
//!
//! One pool serves all programs of a process ([`Pool::shared`]). Its threads start when they are first asked for, sleep
//! between calls, and end with the last holder of the pool.
//!
//! A caller offers its work and does it itself as well: work is a function that takes pieces until none are left. What no
//! thread has taken up when the caller is done is withdrawn. So nobody waits for a thread that has yet to start, and calls
//! from many threads, and calls inside of calls, cannot wait for each other in a circle.
//!
//! **Invariant:** nobody calls a function given to [`Pool::run`] after `run` has returned.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{Builder, JoinHandle};

/// Looks at a counter before a thread sleeps: about 20 µs, which is what waking it takes.
const SPINS: usize = 500;

/// Looks of a caller whose helpers are still at it, each after letting other threads run: about a millisecond. Helpers do
/// work like the caller's, so they end soon after it.
const YIELDS: usize = 2000;

type Panic = Box<dyn Any + Send>;

/// Threads that help the thread of a caller.
#[derive(Debug, Default)]
pub struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Offers that a thread may take up, for those that look before they sleep.
    open: AtomicUsize,
    /// Calls of work that have come to their end, for callers that look before they sleep.
    ended: AtomicUsize,
    offered: Condvar,
    left: Condvar,
}

#[derive(Default)]
struct State {
    offers: Vec<Offer>,
    next: u64,
    /// Threads that sleep.
    asleep: usize,
    /// Callers that sleep.
    waiting: usize,
    closing: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("offers", &self.offers.len())
            .field("asleep", &self.asleep)
            .finish_non_exhaustive()
    }
}

/// Work of a caller who is inside [`Pool::run`].
struct Offer {
    id: u64,
    work: &'static (dyn Fn() + Sync),
    /// Threads that may still take it up.
    open: usize,
    /// Threads that are at it.
    running: usize,
    panic: Option<Panic>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What a thread does: takes up offers, one after the other, until the pool closes.
    fn help(&self) {
        let mut state = self.lock();
        loop {
            if let Some(offer) = state.offers.iter_mut().find(|offer| offer.open > 0) {
                offer.open -= 1;
                offer.running += 1;
                let (id, work) = (offer.id, offer.work);
                self.open.fetch_sub(1, Ordering::Relaxed);
                drop(state);
                let panic = catch_unwind(AssertUnwindSafe(work)).err();
                state = self.lock();
                if let Some(offer) = state.offers.iter_mut().find(|offer| offer.id == id) {
                    offer.running -= 1;
                    offer.panic = offer.panic.take().or(panic);
                }
                self.ended.fetch_add(1, Ordering::Release);
                if state.waiting > 0 {
                    self.left.notify_all();
                }
                continue;
            }
            if state.closing {
                return;
            }
            drop(state);
            spin(|| self.open.load(Ordering::Relaxed) > 0);
            state = self.lock();
            if self.open.load(Ordering::Relaxed) == 0 && !state.closing {
                state.asleep += 1;
                state = (self.offered.wait(state)).unwrap_or_else(PoisonError::into_inner);
                state.asleep -= 1;
            }
        }
    }

    fn offer(&self, work: &'static (dyn Fn() + Sync), helpers: usize) -> u64 {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        state.offers.push(Offer {
            id,
            work,
            open: helpers,
            running: 0,
            panic: None,
        });
        self.open.fetch_add(helpers, Ordering::Relaxed);
        let asleep = state.asleep.min(helpers);
        drop(state);
        (0..asleep).for_each(|_| self.offered.notify_one());
        id
    }

    // Takes an offer back, and waits for those who have taken it up.
    fn withdraw(&self, id: u64) -> Option<Panic> {
        let mut state = self.lock();
        loop {
            let at = state.offers.iter().position(|offer| offer.id == id)?;
            let offer = &mut state.offers[at];
            self.open.fetch_sub(offer.open, Ordering::Relaxed);
            offer.open = 0;
            if offer.running == 0 {
                return state.offers.swap_remove(at).panic;
            }
            let before = self.ended.load(Ordering::Acquire);
            drop(state);
            let ended = || self.ended.load(Ordering::Acquire) != before;
            let ended = spin(ended) || yielding(ended);
            state = self.lock();
            // A thread says that it has ended under the lock, so that this cannot be missed between look and sleep.
            if !ended && self.ended.load(Ordering::Acquire) == before {
                state.waiting += 1;
                state = (self.left.wait(state)).unwrap_or_else(PoisonError::into_inner);
                state.waiting -= 1;
            }
        }
    }
}

// Whether something came to be while we looked.
fn spin(is: impl Fn() -> bool) -> bool {
    (0..SPINS).any(|_| {
        std::hint::spin_loop();
        is()
    })
}

// As `spin`, while other threads may have the processor.
fn yielding(is: impl Fn() -> bool) -> bool {
    (0..YIELDS).any(|_| {
        std::thread::yield_now();
        is()
    })
}

/// An offer that is taken back when the call is left, whichever way.
struct Offered<'p> {
    shared: &'p Shared,
    id: u64,
}

impl Drop for Offered<'_> {
    fn drop(&mut self) {
        self.shared.withdraw(self.id);
    }
}

impl Pool {
    /// The pool of the process: made for the first who asks, gone with the last who holds it.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Pool>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let pool = Arc::new(Self::default());
            *shared = Arc::downgrade(&pool);
            pool
        })
    }

    /// Calls `work` on this thread and on up to `helpers` others, and returns when all these calls have. Threads that are
    /// busy elsewhere, or cannot be had, do not call it.
    ///
    /// # Panics
    /// With the panic of a helper.
    pub fn run(&self, helpers: usize, work: &(dyn Fn() + Sync)) {
        if helpers == 0 {
            return work();
        }
        self.grow(helpers);
        // SAFETY: only the lifetime changes. The reference is in the offer alone, and threads call it only between taking
        // up the offer and ending it; `withdraw` lets nobody take it up any more and waits until nobody is at it, and it
        // runs before this frame, for which `work` is borrowed, is left: by the call below, or by `Offered` in a panic.
        let erased =
            unsafe { std::mem::transmute::<&(dyn Fn() + Sync), &'static (dyn Fn() + Sync)>(work) };
        let offered = Offered {
            shared: &self.shared,
            id: self.shared.offer(erased, helpers),
        };
        work();
        let panic = self.shared.withdraw(offered.id);
        drop(offered);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Threads that have started.
    pub fn threads(&self) -> usize {
        let threads = self.threads.lock();
        threads.unwrap_or_else(PoisonError::into_inner).len()
    }

    fn grow(&self, threads: usize) {
        let mut own = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        while own.len() < threads {
            let shared = Arc::clone(&self.shared);
            let named = Builder::new().name("rnn".to_owned());
            match named.spawn(move || shared.help()) {
                Ok(thread) => own.push(thread),
                // The caller does the work.
                Err(_) => return,
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.offered.notify_all();
        let threads = self.threads.get_mut();
        for thread in threads.unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A thread has caught the panics of what it called.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn helpers_take_part_and_all_calls_end_before_run_returns() {
        let pool = Pool::default();
        for round in 0..200 {
            let together = Barrier::new(3);
            let ended = AtomicUsize::new(0);
            pool.run(2, &|| {
                together.wait();
                ended.fetch_add(1, Ordering::SeqCst);
            });
            assert_eq!(ended.load(Ordering::SeqCst), 3, "{round}");
        }
        assert_eq!(pool.threads(), 2);
    }

    #[test]
    fn calls_inside_calls_from_many_threads_end() {
        let pool = Pool::default();
        let count = AtomicUsize::new(0);
        let take = |pieces: &AtomicUsize| pieces.fetch_add(1, Ordering::Relaxed) < 5;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let outer = AtomicUsize::new(0);
                        pool.run(2, &|| {
                            while take(&outer) {
                                let inner = AtomicUsize::new(0);
                                pool.run(3, &|| {
                                    while take(&inner) {
                                        count.fetch_add(1, Ordering::Relaxed);
                                    }
                                });
                            }
                        });
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 8 * 50 * 25);
        assert_eq!(pool.shared.open.load(Ordering::Relaxed), 0);
        assert!(pool.shared.lock().offers.is_empty());
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::default();
        for helper_panics in [true, false] {
            let together = Barrier::new(2);
            let caller = std::thread::current().id();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                pool.run(1, &|| {
                    together.wait();
                    if (std::thread::current().id() == caller) != helper_panics {
                        resume_unwind(Box::new("a test"));
                    }
                });
            }));
            let said = panicked.expect_err("it panics");
            assert_eq!(said.downcast_ref(), Some(&"a test"));
        }
        let ended = AtomicUsize::new(0);
        let together = Barrier::new(2);
        pool.run(1, &|| {
            together.wait();
            ended.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(ended.into_inner(), 2);
    }

    #[test]
    fn the_shared_pool_ends_with_its_last_holder() {
        let weak = {
            let first = Pool::shared();
            let second = Pool::shared();
            assert!(Arc::ptr_eq(&first, &second));
            first.run(3, &|| {});
            assert!(second.threads() >= 3);
            Arc::downgrade(&first.shared)
        };
        // Threads hold it too: all have been joined.
        assert!(weak.upgrade().is_none());
        assert_eq!(Pool::shared().threads(), 0);
    }
}
