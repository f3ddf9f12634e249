//! Models that are compiled already: whoever compiles the same one again gets the same code.
//!
//! Kept is who has a model, not the model: code is freed with the last [`Compiled`](crate::Compiled) of it, as if it had never been
//! shared. Nothing is kept on disk, since code holds addresses of the process and of kernels for its machine, and compiling takes
//! milliseconds.
//!
//! **Invariant:** two models share their code only where everything that it was made from is equal: equations, sizes, options. What
//! calls return does not depend on it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rnn_jit::kernels::Isa;

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
        (options.reuse && !options.profile).then(|| {
            // What the environment may say otherwise at the next call.
            let isa = options.isa.filter(|isa| isa.is_available());
            Self {
                name: M::NAME,
                equations: M::IR,
                sizes: spec.sizes(),
                options: options.clone().isa(isa.unwrap_or_else(Isa::detect)),
                perf_map: options.jit("").perf_map,
            }
        })
    }
}

/// Who has which model.
struct Known<T>(Mutex<Vec<(Key, Weak<T>)>>);

static COMPILED: Known<Inner> = Known::new();

/// The model with this key, if someone has it.
pub(crate) fn find(key: &Key) -> Option<Arc<Inner>> {
    COMPILED.find(key)
}

/// Makes a model known; the one to use, which is another where two threads have compiled it at once.
pub(crate) fn add(key: Key, inner: Inner) -> Arc<Inner> {
    COMPILED.add(key, inner)
}

impl<T> Known<T> {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn find(&self, key: &Key) -> Option<Arc<T>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, model) = known.iter().find(|(own, _)| own == key)?;
        model.upgrade()
    }

    fn add(&self, key: Key, model: T) -> Arc<T> {
        let model = Arc::new(model);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A weak reference keeps the memory of what it points at, though not what that held.
        known.retain(|(_, model)| model.strong_count() > 0);
        let first = known.iter().find(|(own, _)| *own == key);
        if let Some(first) = first.and_then(|(_, first)| first.upgrade()) {
            return first;
        }
        known.push((key, Arc::downgrade(&model)));
        model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::thread;

    fn key(size: usize) -> Key {
        Key {
            name: "Model",
            equations: "model Model",
            sizes: vec![("H", size)],
            options: Options::default(),
            perf_map: false,
        }
    }

    #[test]
    fn code_is_freed_with_its_last_holder_and_the_list_stays_short() {
        let known = Known::new();
        for size in 0..1000 {
            let model = known.add(key(size), size);
            let again = known.find(&key(size)).expect("someone has it");
            assert!(Arc::ptr_eq(&model, &again));
            assert_eq!(Arc::strong_count(&model), 2, "the list holds none");
            drop((model, again));
            assert!(known.find(&key(size)).is_none(), "nobody has it");
            assert!(known.0.lock().expect("no panic").len() <= 1);
        }
    }

    #[test]
    fn threads_that_compile_a_model_at_once_have_one() {
        let (known, both) = (Known::new(), Barrier::new(2));
        let compiled = || {
            assert!(known.find(&key(1)).is_none());
            both.wait();
            known.add(key(1), thread::current().id())
        };
        let [first, second] = thread::scope(|scope| {
            let other = scope.spawn(compiled);
            let own = compiled();
            [own, other.join().expect("no panic")]
        });
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn models_that_differ_in_anything_share_nothing() {
        let known = Known::new();
        let _model = known.add(key(1), ());
        let mut others = vec![key(2); 4];
        others[1] = Key {
            name: "Other",
            ..key(1)
        };
        others[2] = Key {
            equations: "model Model; ",
            ..key(1)
        };
        others[3] = Key {
            options: Options::default().threads(2),
            ..key(1)
        };
        assert!(others.iter().all(|other| known.find(other).is_none()));
        assert!(known.find(&key(1)).is_some());
    }
}
