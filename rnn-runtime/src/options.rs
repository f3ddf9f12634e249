//! How to compile and run a model.
//!
//! **Invariant:** no option changes which equations are computed; [`Reduction`] alone changes a number, the batch loss, and
//! [`Options::fixed`] leaves gradients out.

use rnn_jit::kernels::Isa;
use rnn_jit::{FORK_WORK, JitOptions};

/// How the losses of the examples become the loss of the batch: `sum[b](w_b loss_b)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// `w_b = 1 / B`: the mean over examples, however long each is.
    #[default]
    Mean,
    /// `w_b = 1`.
    Sum,
    /// `w_b = n_b / sum(n)`, where `n_b` is the number of target steps of example `b`: the product of its lengths along the
    /// time axes that the model's targets vary over (its inputs, where there are no targets; 1 where these have no time
    /// axis).
    ///
    /// With a loss that is `mean[t](..)` the batch loss is then the mean over all steps of all examples, as with one
    /// long sequence. A batch without any step has loss 0.
    Tokens,
}

/// What to do about a loss or a gradient that is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NonFinite {
    /// Return an error that names the equation and the step; gradients are left as they were.
    #[default]
    Error,
    /// Return the numbers as they are.
    Return,
}

/// The environment variable that asks for [`Options::perf_map`] when it is `1`.
pub const PERF_MAP_VARIABLE: &str = "RNN_PERF_MAP";

/// How to compile and run a model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Vector instructions to use; `None` is the widest set that the machine has, and so is a set that it lacks.
    pub isa: Option<Isa>,
    /// Most bytes that one call may work in, on all threads, weights in packed order included; `None` is no limit.
    ///
    /// A training step that needs more runs in segments of steps: the forward pass keeps what each segment starts from, and
    /// the backward pass computes the rest of it again. [`Compiled::bytes`](crate::Compiled::bytes) says beforehand what a
    /// call takes; where no segments are short enough, the error says what would do. Derivatives ([`crate::tangent`]) run in
    /// segments in the same way; a stream, whose steps have none, is refused if it needs more. What
    /// [`generate`](crate::Compiled::generate) takes is not counted.
    pub memory_limit: Option<usize>,
    /// How losses of examples are added up.
    pub reduction: Reduction,
    /// What to do about a loss or a gradient that is not finite.
    pub nonfinite: NonFinite,
    /// Names of trained parameters that are not to be trained, where `*` stands for any characters; see [`fixed`](Self::fixed).
    pub fixed: Vec<String>,
    /// Most threads that one call runs on; `None` is as many as the machine has. Results are the same for any number, bit
    /// for bit, and small calls stay on the thread of the caller.
    pub threads: Option<usize>,
    /// Check every memory plan by replay and every function by the code generator's verifier; always done in debug
    /// builds.
    pub checks: bool,
    /// Measure where the time goes, for [`Compiled::profile`](crate::Compiled::profile). Results are the same bits; each
    /// kernel takes the time of reading a clock longer, ten to twenty nanoseconds on x86-64, and does not overlap with the
    /// next. Without it nothing is measured and nothing is added to the code.
    pub profile: bool,
    /// Write the address, size and name of every compiled function to `/tmp/perf-<pid>.map`, so that `perf report` shows
    /// names such as `rnn::CharLm::loss::cluster_12[i,f,g,o,c,h]`. Also done when [`PERF_MAP_VARIABLE`] is `1`.
    pub perf_map: bool,
    /// Whether a model that is compiled twice shares its code, where equations, sizes and options are the same and the first is still
    /// alive: [`compile`](crate::compile) then returns at once. As with clones, what is measured of calls and of compiling is that of the
    /// first. A model with a [`profile`](Self::profile) is never shared. True by default.
    pub reuse: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            isa: None,
            memory_limit: None,
            reduction: Reduction::default(),
            nonfinite: NonFinite::default(),
            fixed: Vec::new(),
            threads: None,
            checks: false,
            profile: false,
            perf_map: false,
            reuse: true,
        }
    }
}

impl Options {
    /// With this way to add up losses.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// With at most so many bytes for a call.
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// With the trained parameters fixed whose whole name matches `pattern`, where `*` stands for any characters: `encoder.*`. It can be
    /// called more than once.
    ///
    /// Their gradients are neither computed nor stored, nor whatever only these need: a frozen first layer has no backward pass. They
    /// are among the parameters of a call as before, their gradients in a struct of gradients are zeros, and what is made of
    /// [`Compiled::param_specs`](crate::Compiled::param_specs) leaves them alone: optimisers, clipping, norms. Derivatives by
    /// parameters ([`crate::tangent`]) are by the others. Checkpoints have all parameters, so that a model compiled otherwise
    /// reads them; a run can only be resumed with the same ones fixed.
    ///
    /// A pattern that matches no trained parameter is an error when the model is compiled.
    #[must_use]
    pub fn fixed(mut self, pattern: impl Into<String>) -> Self {
        self.fixed.push(pattern.into());
        self
    }

    /// With these vector instructions.
    #[must_use]
    pub fn isa(mut self, isa: Isa) -> Self {
        self.isa = Some(isa);
        self
    }

    /// With this answer to a loss that is not finite.
    #[must_use]
    pub fn nonfinite(mut self, nonfinite: NonFinite) -> Self {
        self.nonfinite = nonfinite;
        self
    }

    /// With at most so many threads for a call.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// With or without checks of what the compiler makes.
    #[must_use]
    pub fn checks(mut self, checks: bool) -> Self {
        self.checks = checks;
        self
    }

    /// With or without names for `perf`.
    #[must_use]
    pub fn perf_map(mut self, perf_map: bool) -> Self {
        self.perf_map = perf_map;
        self
    }

    /// With or without a profile.
    #[must_use]
    pub fn profile(mut self, profile: bool) -> Self {
        self.profile = profile;
        self
    }

    /// With or without code that is shared with the same model compiled before.
    #[must_use]
    pub fn reuse(mut self, reuse: bool) -> Self {
        self.reuse = reuse;
        self
    }

    pub(crate) fn jit(&self, program: &'static str) -> JitOptions {
        JitOptions {
            isa: self.isa,
            checks: self.checks || cfg!(debug_assertions),
            keep_listing: false,
            wide: true,
            profile: self.profile,
            perf_map: self.perf_map
                || std::env::var_os(PERF_MAP_VARIABLE).is_some_and(|value| value == "1"),
            program,
            block_steps: None,
            segment_steps: None,
            quick: false,
            fork_work: FORK_WORK,
        }
    }
}
