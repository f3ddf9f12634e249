//! What a row of choices says: a model, what it is called with, and how it is compiled.

use super::bases::{BASES, Base, DRAWS};
use super::case::{Lengths, Setting, given};
use super::models::FIXED;
use super::rows::Row;
use super::subject::{Given, Runs, Subject};
use rnn::jit::kernels::Isa;
use rnn::{NonFinite, Options, Reduction};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The parameter that is fixed where one is; every model has it.
pub(crate) const FIXED_PARAM: &str = "U";

/// What is called beside the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Forward,
    Jvp,
    Hessian,
    Inputs,
    States,
    Pieces,
    Stream,
}

/// What is compiled beside the equations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    Nothing,
    /// `U` is not trained.
    Fixed,
    /// The time that each kernel takes is measured.
    Profile,
}

const EXTRAS: [Extra; 3] = [Extra::Nothing, Extra::Fixed, Extra::Profile];
const ASKS: [Ask; 7] = [
    Ask::Forward,
    Ask::Jvp,
    Ask::Hessian,
    Ask::Inputs,
    Ask::States,
    Ask::Pieces,
    Ask::Stream,
];
const BATCHES: [usize; 4] = [1, 2, 17, 33];
const STEPS: [usize; 4] = [1, 2, 5, 7];
const LENGTHS: [Lengths; 5] = [
    Lengths::Full,
    Lengths::Ragged,
    Lengths::Empty,
    Lengths::Ones,
    Lengths::Spare,
];
/// Of the memory between the least that a call can do with and all that it takes.
const LIMITS: [Option<f64>; 4] = [None, None, Some(0.0), Some(0.5)];
const ISAS: [Isa; 3] = [Isa::Avx512, Isa::Avx2, Isa::Portable];
const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::Tokens];
const WIDTHS: [usize; 3] = [1, 5, 19];

/// Plain, over fixed steps, one random number of each kind, and all of them.
const FORMS: usize = 2 + DRAWS.len() + 1;

/// How many choices there are of each kind.
pub(crate) const KINDS: [usize; 13] = [
    BASES.len(),
    FORMS,
    ASKS.len(),
    BATCHES.len(),
    STEPS.len(),
    LENGTHS.len(),
    LIMITS.len(),
    ISAS.len(),
    3, // no state, the state of all, of some
    REDUCTIONS.len(),
    WIDTHS.len(),
    2, // targets, own values
    EXTRAS.len(),
];

/// What one row says.
pub(crate) struct Choice {
    pub(crate) base: &'static Base,
    pub(crate) form: usize,
    pub(crate) ask: Ask,
    pub(crate) batch: usize,
    pub(crate) steps: usize,
    pub(crate) lengths: Lengths,
    pub(crate) limit: Option<f64>,
    pub(crate) isa: Isa,
    pub(crate) carried: usize,
    pub(crate) reduction: Reduction,
    pub(crate) width: usize,
    pub(crate) own: bool,
    pub(crate) extra: Extra,
    /// What is compiled: by the bytes that a call may take.
    pub(crate) models: RefCell<BTreeMap<Option<usize>, Rc<dyn Runs>>>,
}

static TABLE: [Base; BASES.len()] = BASES;

impl Choice {
    pub(crate) fn of(row: &Row) -> Self {
        let at = |kind: usize| row.0[kind];
        Self {
            base: &TABLE[at(0)],
            form: at(1),
            ask: ASKS[at(2)],
            batch: BATCHES[at(3)],
            steps: STEPS[at(4)],
            lengths: LENGTHS[at(5)],
            limit: LIMITS[at(6)],
            isa: ISAS[at(7)],
            carried: at(8),
            reduction: REDUCTIONS[at(9)],
            width: WIDTHS[at(10)],
            own: at(11) == 1,
            extra: EXTRAS[at(12)],
            models: RefCell::default(),
        }
    }

    /// The model, compiled for calls of so many bytes.
    pub(crate) fn model(&self, subject: &dyn Subject, limit: Option<usize>) -> Rc<dyn Runs> {
        let mut models = self.models.borrow_mut();
        let compile = || {
            let options = self.options();
            Rc::from(subject.compile(match limit {
                Some(bytes) => options.memory_limit(bytes),
                None => options,
            }))
        };
        Rc::clone(models.entry(limit).or_insert_with(compile))
    }

    pub(crate) fn subject(&self) -> Box<dyn Subject> {
        match self.form {
            0 => (self.base.plain)(self.width),
            1 => (self.base.fixed)(self.width),
            _ => (self.base.drawn)(self.width),
        }
    }

    pub(crate) fn options(&self) -> Options {
        let options = Options::default().reduction(self.reduction).threads(1);
        let options = options.isa(self.isa).nonfinite(NonFinite::Return);
        match self.extra {
            Extra::Nothing => options,
            Extra::Fixed => options.fixed(FIXED_PARAM),
            Extra::Profile => options.profile(true),
        }
    }

    pub(crate) fn given(&self, subject: &dyn Subject, salt: u64) -> Given {
        self.given_of(subject, self.lengths, salt)
    }

    pub(crate) fn given_of(&self, subject: &dyn Subject, lengths: Lengths, salt: u64) -> Given {
        let fixed = self.form == 1;
        let setting = Setting {
            batch: self.batch,
            steps: if fixed { FIXED } else { self.steps },
            lengths,
            seed: salt,
        };
        let mut given = given(subject, &setting, self.base.traits.least);
        // A random model draws at this rate, where it is the one that is asked for.
        for (at, (name, _)) in DRAWS.iter().enumerate() {
            if let Some(rate) = given.params.get_mut(*name) {
                let all = self.form == 2 + DRAWS.len();
                rate.fill(if all || self.form == 2 + at { 0.3 } else { 0.0 });
            }
        }
        given
    }
}

/// A combination in words.
pub(crate) fn describe(row: &Row) -> String {
    let choice = Choice::of(row);
    let form = match choice.form {
        0 => "plain",
        1 => "fixed steps",
        at if at == 2 + DRAWS.len() => "all draws",
        at => DRAWS[at - 2].1,
    };
    format!(
        "{} of {}, {form}: {:?} and gradient, {} examples, {} steps, {:?}, limit {:?}, {:?}, state {}, {:?}, own {}, {:?}",
        choice.base.name,
        choice.width,
        choice.ask,
        choice.batch,
        choice.steps,
        choice.lengths,
        choice.limit,
        choice.isa,
        choice.carried,
        choice.reduction,
        choice.own,
        choice.extra
    )
}
