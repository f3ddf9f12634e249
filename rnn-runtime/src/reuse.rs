//! Models that are compiled already: whoever compiles the same one again gets the same code.
//!
//! Kept is who has a model, not the model: code is freed with the last [`Compiled`](crate::Compiled) of it, as if it had never been
//! shared. Nothing is kept on disk, since code holds addresses of the process and of kernels for its machine, and compiling takes
//! milliseconds.
//!
//! **Invariant:** two models share their code only where everything that it was made from is equal: equations, sizes, options. What
//! calls return does not depend on it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::compiled::Inner;
use crate::model::Model;
use crate::options::Options;

/// All that code is made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    name: &'static str,
    equations: &'static str,
    sizes: Vec<(&'static str, usize)>,
    options: Options,
    perf_map: bool,
}

impl Key {
    /// `None` for a model whose calls are counted for itself, and where sharing is not wanted.
    pub(crate) fn of<M: Model>(spec: &M, options: &Options) -> Option<Self> {
        (options.reuse && !options.profile).then(|| Self {
            name: M::NAME,
            equations: M::IR,
            sizes: spec.sizes(),
            options: options.clone(),
            perf_map: options.jit("").perf_map,
        })
    }
}

/// Those that are alive, and some that were.
static COMPILED: Mutex<Vec<(Key, Weak<Inner>)>> = Mutex::new(Vec::new());

/// The model with this key, if someone has it.
pub(crate) fn find(key: &Key) -> Option<Arc<Inner>> {
    let known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, inner) = known.iter().find(|(own, _)| own == key)?;
    inner.upgrade()
}

/// Makes a model known; the one to use, which is another where two threads have compiled it at once.
pub(crate) fn add(key: Key, inner: Inner) -> Arc<Inner> {
    let inner = Arc::new(inner);
    let mut known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    known.retain(|(_, inner)| inner.strong_count() > 0);
    let first = known.iter().find(|(own, _)| *own == key);
    if let Some(first) = first.and_then(|(_, first)| first.upgrade()) {
        return first;
    }
    known.push((key, Arc::downgrade(&inner)));
    inner
}
