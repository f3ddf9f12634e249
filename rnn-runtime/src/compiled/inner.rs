//! What a compiled model has that does not depend on its types: programs, and how calls are made of them.
//!
//! **Invariant:** all of it is made once, when a model is compiled; calls change nothing but shelves of memory.

use std::sync::Arc;
use std::thread;

use ndarray::ArrayViewD;
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::random::mode::{Mode, has_modes, is_random};
use rnn_jit::Pool;

use crate::batch::Batch;
use crate::call::{Call, Each, Offer, Room, Shelf, Views};
use crate::derivative::Derivatives;
use crate::error::{CallError, CompileError};
use crate::feedback::Variants;
use crate::model::{InputView, Inputs};
use crate::options::Options;
use crate::parts::{Team, examples_are_independent};
use crate::pipeline::{Fed, Program, carried_model, derived, of_mode, reads_target};
use crate::report::Times;
use crate::routine::Routine;
use crate::signature::Signature;
use crate::tensors::Tensors;

/// What does not depend on the types of a model: programs and what calls share. Its functions are compiled once, not with each
/// model of a crate.
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) signature: Signature,
    pub(crate) bound: Verified,
    /// The equations for inference, where nothing is drawn.
    pub(crate) inferred: Verified,
    /// With carried states and the targets fed back; nothing is drawn.
    pub(crate) model: Verified,
    /// The same as it infers: what it feeds back is its own.
    pub(crate) free: Verified,
    /// The same in training, if that differs: it draws, or takes statistics of its batch.
    trained: Option<Verified>,
    pub(crate) forward: Routine,
    pub(crate) training: Option<Training>,
    /// Programs that are compiled when they are asked for.
    pub(crate) derivatives: Derivatives,
    /// Programs that few callers ask for, compiled when one does.
    pub(crate) variants: Variants,
    /// Whether a batch may be divided into parts, in inference and in training.
    divide: [bool; 2],
    pub(crate) pool: Arc<Pool>,
    /// Memory of calls that have ended.
    pub(crate) rooms: Shelf<Room>,
    /// An output and a target that it reads.
    pub(crate) needs: Option<(String, String)>,
    /// What compiling took.
    pub(crate) times: Times,
}

pub(crate) struct Training {
    pub(crate) loss: Routine,
    pub(crate) gradient: Routine,
}

impl Inner {
    pub(super) fn new(
        mut signature: Signature,
        bound: Verified,
        options: Options,
        mut times: Times,
    ) -> Result<Self, CompileError> {
        times.end("parse and bind");
        let inferred = of_mode(&bound, Mode::Inference)?;
        let model = carried_model(&inferred, Fed::Targets, &mut times)?;
        // Inference feeds back what the model says itself.
        let free = match signature.teachers.is_empty() {
            true => model.clone(),
            false => carried_model(&inferred, Fed::Own, &mut times)?,
        };
        let trained = match has_modes(&bound) {
            true => Some(carried_model(
                &of_mode(&bound, Mode::Training)?,
                Fed::Targets,
                &mut times,
            )?),
            false => None,
        };
        let routine = |program: Program| {
            let model = match program {
                Program::Forward => &free,
                Program::Loss => &model,
                Program::Gradient => trained.as_ref().unwrap_or(&model),
            };
            routine_of(&signature, &options, model, program)
        };
        let (forward, training) = match model.loss() {
            Some(_) => {
                // The gradient takes as long as the rest together.
                let ((forward, loss), gradient) = beside(
                    || (routine(Program::Forward), routine(Program::Loss)),
                    || routine(Program::Gradient),
                );
                let training = Training {
                    loss: loss?,
                    gradient: gradient?,
                };
                (forward?, Some(training))
            }
            None => (routine(Program::Forward)?, None),
        };
        times.end("programs");
        signature.note_inference(forward.executable.graph());
        let divide = [&model, trained.as_ref().unwrap_or(&model)]
            .map(|model| examples_are_independent(model));
        let reads = reads_target(&free);
        let needs = free
            .results_of(ResultKind::Output)
            .find_map(|output| Some((output.name.clone(), reads[output.node].clone()?)));
        Ok(Self {
            options,
            signature,
            bound,
            inferred,
            model,
            free,
            trained,
            forward,
            training,
            derivatives: Derivatives::default(),
            variants: Variants::default(),
            divide,
            pool: Pool::shared(),
            rooms: Shelf::default(),
            needs,
            times,
        })
    }
}

/// A program of a model whose states are carried and whose feedback is decided, or left to each call.
pub(crate) fn routine_of(
    signature: &Signature,
    options: &Options,
    model: &Verified,
    program: Program,
) -> Result<Routine, CompileError> {
    let mut times = Times::start();
    let graph = derived(model, program)?;
    times.end("differentiate");
    let limited = options.memory_limit.is_some();
    let mut jit = options.jit(program.name());
    // What runs step by step as well is called for microseconds.
    jit.quick = program != Program::Forward;
    Routine::new(signature, graph, jit, limited, times)
}

// Runs two functions side by side, one after the other where no thread can be had.
fn beside<A, B: Send>(here: impl FnOnce() -> A, there: impl Fn() -> B + Sync) -> (A, B) {
    thread::scope(|scope| {
        let spawned = thread::Builder::new().spawn_scoped(scope, &there);
        let here = here();
        let there = match spawned {
            Ok(handle) => handle
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => there(),
        };
        (here, there)
    })
}

// Inputs without their type.
fn views_of<'v, 'c, 'a: 'c, I: Inputs<'a>>(
    inputs: &'v I,
) -> impl Fn(&mut Each<'_, InputView<'c>>) + use<'v, 'c, 'a, I> {
    move |each| inputs.visit(&mut |name, view| each(name, view.reborrow()))
}

// A state without its type.
fn tensors_of<'c, S: Tensors>(state: &'c S) -> impl Fn(&mut Each<'_, ArrayViewD<'c, f32>>) + 'c {
    move |each| state.visit(&mut |name, view| each(name, view))
}

impl Inner {
    /// Whether a step reads what an earlier one says.
    pub(crate) fn feeds_back(&self) -> bool {
        !self.signature.teachers.is_empty()
    }

    pub(crate) fn training(&self) -> Result<&Training, CallError> {
        self.training.as_ref().ok_or_else(|| CallError::NoLoss {
            model: self.signature.model.to_owned(),
        })
    }

    /// Whether training draws random numbers.
    pub(crate) fn draws(&self) -> bool {
        self.trained.is_some()
    }

    /// The model that a program is derived from.
    pub(crate) fn model_of(&self, program: Program) -> &Verified {
        match program {
            Program::Forward => &self.free,
            Program::Loss => &self.model,
            Program::Gradient => self.trained.as_ref().unwrap_or(&self.model),
        }
    }

    /// An error if random numbers are drawn from no seed.
    pub(crate) fn check_seed(&self, call: &Call<'_>) -> Result<(), CallError> {
        match (is_random(&self.bound), &call.seeds) {
            (true, None) => Err(CallError::NoSeed {
                model: self.signature.model.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// An error if an output reads a target and there are none.
    pub(crate) fn check_needs(&self, targets: bool) -> Result<(), CallError> {
        match &self.needs {
            Some((output, target)) if !targets => Err(CallError::NeedsTargets {
                model: self.signature.model.to_owned(),
                output: output.clone(),
                target: target.clone(),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn call<'c, 'a: 'c, 'b: 'c, 't: 'c, I: Inputs<'a>, S: Tensors, T: Inputs<'t>>(
        &self,
        batch: &Batch<'b, I, S>,
        targets: Option<&T>,
        carried: Option<Option<&'c S>>,
        fed: Fed,
    ) -> Result<Call<'c>, CallError> {
        self.call_in(Room::default(), batch, targets, carried, fed)
    }

    /// As [`call`](Self::call), in the memory of a call before.
    pub(crate) fn call_in<'c, 'a: 'c, 'b: 'c, 't: 'c, I: Inputs<'a>, S: Tensors, T: Inputs<'t>>(
        &self,
        room: Room,
        batch: &Batch<'b, I, S>,
        targets: Option<&T>,
        carried: Option<Option<&'c S>>,
        fed: Fed,
    ) -> Result<Call<'c>, CallError> {
        let inputs = views_of(&batch.inputs);
        let targets = targets.map(views_of);
        let state = carried.unwrap_or(batch.state).map(tensors_of);
        let offer = Offer {
            beside: &batch.beside,
            inputs: &inputs,
            targets: targets
                .as_ref()
                .map(|targets| targets as Views<'_, InputView<'c>>),
            state: state
                .as_ref()
                .map(|state| state as Views<'_, ArrayViewD<'c, f32>>),
            carried: carried.is_some(),
        };
        self.call_of(room, &offer, fed)
    }

    fn call_of<'c>(
        &self,
        room: Room,
        offer: &Offer<'_, 'c>,
        fed: Fed,
    ) -> Result<Call<'c>, CallError> {
        let mut call = Call::new(&self.signature, offer, self.options.reduction, room)?;
        call.shape.limit = self.options.memory_limit;
        if fed == Fed::Mixed {
            offer.beside.feedback.teach(&self.signature, &mut call);
        }
        Ok(call)
    }

    pub(crate) fn team(&self, program: Program) -> Team<'_> {
        let threads = match self.options.threads {
            Some(threads) => threads,
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        Team {
            signature: &self.signature,
            pool: &self.pool,
            rooms: &self.rooms,
            threads,
            divide: self.divide[usize::from(program.mode() == Mode::Training)],
            sums: true,
            frozen: None,
        }
    }
}
