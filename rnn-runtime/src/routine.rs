//! One compiled program of a model, with the memory of its callers.
//!
//! **Invariant:** a workspace is used by one call at a time; calls of one shape reuse it and grow nothing.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use ndarray::ArrayViewMutD;
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::node::NodeId;
use rnn_ir::op::{Op, Role, Word};
use rnn_ir::schedule::Schedule;
use rnn_jit::storage::is_given_with_params;
use rnn_jit::{
    Arguments, CallShape, Executable, Helpers, JitError, JitOptions, PartOf, Value, Workspace,
};

use crate::call::{Call, Room, Seeds, Shelf};
use crate::error::{CallError, CompileError};
use crate::gradient::PartShare;
use crate::pipeline::scheduled;
use crate::profile::{Calls, Running};
use crate::report::Times;
use crate::share::Division;
use crate::signature::Signature;
use crate::tensors::{Tensors, check_specs};

/// Where the value of an input comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// By position in the signature.
    Input(usize),
    /// By position in the signature.
    State(usize),
    Fresh,
    /// By position in the signature.
    Teacher(usize),
    Weight,
    Seed(Word),
}

/// A result by name.
#[derive(Clone, Debug)]
pub(crate) struct ResultPort {
    pub(crate) kind: ResultKind,
    pub(crate) name: String,
    pub(crate) node: NodeId,
}

/// A compiled program.
#[derive(Debug)]
pub(crate) struct Routine {
    pub(crate) executable: Executable,
    /// Nodes of parameters, by position in the signature.
    pub(crate) params: Vec<(NodeId, usize)>,
    pub(crate) inputs: Vec<(NodeId, Source)>,
    /// Seeds of all examples, which are given with the parameters.
    shared: Vec<(NodeId, Word)>,
    pub(crate) results: Vec<ResultPort>,
    pool: Mutex<Vec<Workspace>>,
    /// What parts of calls have left before it was added up.
    pub(crate) shares: Shelf<Vec<Mutex<PartShare>>>,
    /// How the last call with a limit was divided.
    pub(crate) division: Mutex<Option<(CallShape, Division)>>,
    /// Of calls that are profiled.
    pub(crate) calls: Calls,
    /// What compiling took.
    pub(crate) times: Times,
}

impl Routine {
    pub(crate) fn new(
        signature: &Signature,
        derived: Verified,
        options: JitOptions,
        limited: bool,
        mut times: Times,
    ) -> Result<Self, CompileError> {
        let schedule = scheduled(derived, limited, &mut times)?;
        let mut routine =
            Self::traced(signature, schedule, options).map_err(|source| CompileError::Jit {
                model: signature.model.to_owned(),
                source,
            })?;
        times.code(&routine.executable);
        routine.times = times;
        let without = |result: &&ResultPort| !routine.executable.has_memory(result.node);
        match routine.results.iter().find(without) {
            Some(result) => Err(CompileError::compiler(
                signature.model,
                format!("no memory holds the result `{}`", result.name),
            )),
            None => Ok(routine),
        }
    }

    /// A program some of whose results may not be computed into memory.
    pub(crate) fn traced(
        signature: &Signature,
        schedule: Schedule,
        options: JitOptions,
    ) -> Result<Self, JitError> {
        let executable = Executable::new(schedule, options)?;
        let graph = executable.graph();
        let (mut params, mut inputs, mut shared) = (Vec::new(), Vec::new(), Vec::new());
        for (id, node) in graph.nodes.iter() {
            match &node.op {
                Op::Param { name, .. } => {
                    let at = signature.params.iter().position(|spec| spec.name == *name);
                    params.extend(at.map(|at| (id, at)));
                }
                Op::Input {
                    role: Role::Seed(word),
                    ..
                } if is_given_with_params(Role::Seed(*word), &node.ty) => {
                    shared.push((id, *word));
                }
                Op::Input { name, role } => {
                    inputs.extend(source(signature, name, *role).map(|source| (id, source)));
                }
                _ => {}
            }
        }
        let mut results = Vec::new();
        for result in &graph.results {
            results.push(ResultPort {
                kind: result.kind.clone(),
                name: result.name.clone(),
                node: result.node,
            });
        }
        Ok(Self {
            executable,
            params,
            inputs,
            shared,
            results,
            pool: Mutex::default(),
            shares: Shelf::default(),
            division: Mutex::default(),
            calls: Calls::default(),
            times: Times::start(),
        })
    }

    /// Drops the memory that no call has.
    pub(crate) fn clear(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.clear();
    }

    /// Calls `body` with memory that no other call has.
    pub(crate) fn with_workspace<R>(
        &self,
        body: impl FnOnce(&mut Workspace) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        self.with_workspace_of(&self.pool, body)
    }

    /// The memory of all calls that have come back.
    pub(crate) fn with_pool<R>(&self, body: impl FnOnce(&mut Vec<Workspace>) -> R) -> R {
        body(&mut self.pool.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Starts to time a call, if the program is profiled.
    pub(crate) fn start(&self) -> Option<Running<'_>> {
        self.calls.start(self.executable.is_profiled())
    }

    /// Calls `body` with memory from `pool` that no other call has.
    pub(crate) fn with_workspace_of<R>(
        &self,
        pool: &Mutex<Vec<Workspace>>,
        body: impl FnOnce(&mut Workspace) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        let taken = {
            let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
            pool.pop()
        };
        let mut workspace = match taken {
            Some(workspace) => workspace,
            None => self.executable.workspace()?,
        };
        let outcome = body(&mut workspace);
        let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.push(workspace);
        outcome
    }

    /// Runs the program on parameters that may have changed since the last call.
    pub(crate) fn run(
        &self,
        workspace: &mut Workspace,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
    ) -> Result<(), JitError> {
        workspace.params_changed();
        self.run_prepared(workspace, params, call, None)
    }

    /// Parameters by node.
    pub(crate) fn params_of<'c>(
        &'c self,
        params: &'c [Cow<'c, [f32]>],
        seeds: Option<&'c Seeds>,
    ) -> FlatParams<'c> {
        FlatParams {
            routine: self,
            params,
            seeds,
        }
    }

    /// Runs the program on the parameters that this workspace was called with before, if it was.
    pub(crate) fn run_prepared(
        &self,
        workspace: &mut Workspace,
        params: &[Cow<'_, [f32]>],
        call: &Call<'_>,
        helpers: Option<Helpers<'_>>,
    ) -> Result<(), JitError> {
        let params = self.params_of(params, call.seeds.as_ref());
        let given = Given {
            routine: self,
            call,
        };
        let executable = &self.executable;
        executable.run_with(helpers, workspace, &params, &given, &call.shape)
    }

    /// The node of an input by where its value comes from.
    pub(crate) fn input(&self, from: impl Fn(Source) -> bool) -> Option<NodeId> {
        let mut inputs = self.inputs.iter();
        inputs
            .find(|(_, source)| from(*source))
            .map(|(node, _)| *node)
    }

    /// The node of a result.
    pub(crate) fn result(&self, kind: &ResultKind, name: &str) -> Option<NodeId> {
        let mut results = self.results.iter();
        results
            .find(|result| result.kind == *kind && result.name == name)
            .map(|result| result.node)
    }

    /// The first result of a kind.
    pub(crate) fn first(&self, kind: &ResultKind) -> Option<NodeId> {
        let mut results = self.results.iter();
        results
            .find(|result| result.kind == *kind)
            .map(|result| result.node)
    }

    /// The batch loss; 0 for a program without one.
    pub(crate) fn batch_loss(&self, workspace: &Workspace) -> Result<f32, JitError> {
        match self.first(&ResultKind::BatchLoss) {
            Some(node) => self.scalar(workspace, node),
            None => Ok(0.0),
        }
    }

    /// The value of a real scalar.
    pub(crate) fn scalar(&self, workspace: &Workspace, node: NodeId) -> Result<f32, JitError> {
        let mut out = [0.0];
        self.executable.read_reals(workspace, node, &mut out)?;
        Ok(out[0])
    }

    /// Writes a gradient, or zeros where there is none.
    pub(crate) fn gradient(
        &self,
        workspace: &Workspace,
        name: &str,
        mut view: ArrayViewMutD<'_, f32>,
    ) -> Result<(), JitError> {
        let Some(node) = self.result(&ResultKind::Gradient, name) else {
            view.fill(0.0);
            return Ok(());
        };
        if let Some(slice) = view.as_slice_mut() {
            return self.executable.read_reals(workspace, node, slice);
        }
        let mut data = vec![0.0; view.len()];
        self.executable.read_reals(workspace, node, &mut data)?;
        for (to, from) in view.iter_mut().zip(data) {
            *to = from;
        }
        Ok(())
    }
}

fn source(signature: &Signature, name: &str, role: Role) -> Option<Source> {
    let input = |target: bool| {
        let mut inputs = signature.inputs.iter();
        inputs.position(|port| port.name == name && port.target == target)
    };
    match role {
        Role::Input => input(false).map(Source::Input),
        Role::Target => input(true).map(Source::Input),
        Role::State => {
            let name = name.strip_prefix("state.")?;
            let mut states = signature.states.iter();
            states.position(|port| port.name == name).map(Source::State)
        }
        Role::Fresh => Some(Source::Fresh),
        Role::Teacher => {
            let mut teachers = signature.teachers.iter();
            teachers
                .position(|port| port.name == name)
                .map(Source::Teacher)
        }
        Role::Weight => Some(Source::Weight),
        Role::Seed(word) => Some(Source::Seed(word)),
        // Decided before a program is compiled.
        Role::Training => None,
    }
}

fn place_of_word(word: Word) -> usize {
    match word {
        Word::First => 0,
        Word::Second => 1,
    }
}

/// Parameters in the order of the signature, found by node.
pub(crate) struct FlatParams<'c> {
    routine: &'c Routine,
    params: &'c [Cow<'c, [f32]>],
    seeds: Option<&'c Seeds>,
}

impl Arguments for FlatParams<'_> {
    fn value(&self, node: NodeId) -> Option<Value<'_>> {
        let mut shared = self.routine.shared.iter();
        if let Some((_, word)) = shared.find(|(known, _)| *known == node) {
            return Some(Value::Index(&self.seeds?.shared[place_of_word(*word)]));
        }
        let mut params = self.routine.params.iter();
        let (_, at) = params.find(|(known, _)| *known == node)?;
        self.params.get(*at).map(|data| Value::Real(data))
    }
}

struct Given<'c> {
    routine: &'c Routine,
    call: &'c Call<'c>,
}

impl Arguments for Given<'_> {
    fn part_of(&self) -> Option<PartOf> {
        self.call.among
    }

    fn value(&self, node: NodeId) -> Option<Value<'_>> {
        let mut inputs = self.routine.inputs.iter();
        let (_, source) = inputs.find(|(known, _)| *known == node)?;
        match *source {
            Source::Input(at) => self.call.inputs.get(at)?.as_ref().map(|data| data.value()),
            Source::State(at) => self.call.states.get(at).map(|data| data.value()),
            Source::Teacher(at) => self.call.teachers.get(at).map(|data| data.value()),
            Source::Fresh => Some(Value::Bool(&self.call.fresh)),
            Source::Weight => Some(Value::Real(&self.call.weights)),
            Source::Seed(word) => {
                let seeds = self.call.seeds.as_ref()?;
                Some(Value::Index(&seeds.each[place_of_word(word)]))
            }
        }
    }
}

/// The elements of every parameter, row-major, by position in the signature.
pub(crate) fn flat_params<'p, P: Tensors>(
    signature: &Signature,
    params: &'p P,
) -> Result<Vec<Cow<'p, [f32]>>, CallError> {
    flat_params_in(&mut Room::default(), signature, params)
}

/// As [`flat_params`], in the memory of a call before.
pub(crate) fn flat_params_in<'p, P: Tensors>(
    room: &mut Room,
    signature: &Signature,
    params: &'p P,
) -> Result<Vec<Cow<'p, [f32]>>, CallError> {
    check_specs(params, &signature.params).map_err(|source| CallError::Params {
        what: "parameters",
        source,
    })?;
    let mut flat = room.params();
    // As many as there are specs, in their order.
    params.visit(&mut |_, view| {
        flat.push(match view.to_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => {
                let mut copy = room.stash.reals.take(view.len());
                copy.extend(view.iter().copied());
                Cow::Owned(copy)
            }
        });
    });
    Ok(flat)
}
