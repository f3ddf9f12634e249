//! Ctrl-C and its like: a run finishes its step, saves, and ends.
//!
//! **Invariant:** while nothing listens, a signal ends the process as it would without this module; the second signal always
//! does.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::TrainError;

/// What a shell reports of a process that Ctrl-C ended.
const EXIT_CODE: i32 = 130;

/// Those who listen to signals.
static LISTENERS: Mutex<Vec<Weak<AtomicBool>>> = Mutex::new(Vec::new());

/// Whether the handler is there.
static INSTALLED: Mutex<bool> = Mutex::new(false);

/// A request to end a run after its step; clones are the same request.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// One that is [requested](Self::request) by the program alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that Ctrl-C, SIGTERM or SIGHUP requests too, as long as it or a clone lives; a second signal ends the process.
    ///
    /// It takes the place of other handlers, and of a shell's wish to ignore a signal: a run started in the background of a
    /// script, where Ctrl-C is ignored, can still be told to end, and one under `nohup` saves and ends when its terminal closes.
    ///
    /// # Errors
    /// [`TrainError::Signals`], when the program has a handler by `ctrlc` of its own: let that call [`request`](Self::request).
    pub fn on_signals() -> Result<Self, TrainError> {
        let own = Self::new();
        {
            let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.retain(|listener| listener.strong_count() > 0);
            listeners.push(Arc::downgrade(&own.requested));
        }
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if !*installed {
            ctrlc::set_handler(on_signal)
                .map_err(|error| TrainError::Signals(error.to_string()))?;
            *installed = true;
        }
        Ok(own)
    }

    /// Asks the run to end after its step.
    pub fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
    }

    /// Whether the run is to end.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }
}

// Runs on a thread of its own, so it may lock.
fn on_signal() {
    let listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut heard = false;
    for listener in listeners.iter().filter_map(Weak::upgrade) {
        heard |= !listener.swap(true, Ordering::SeqCst);
    }
    if !heard {
        process::exit(EXIT_CODE);
    }
}
