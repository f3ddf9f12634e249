//! A program of a model that is known by its equations alone, compiled and run on values that are drawn: what tools measure and
//! check.
//!
//! Where there is a type for the model, [`Compiled`](crate::Compiled) is what to use.
//!
//! **Invariant:** what is drawn depends on the equations, the shape and the seed alone.

use std::time::{Duration, Instant};

use rnn_ir::axis::{AxisId, Extent};
use rnn_ir::bind::BindError;
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::id::Id;
use rnn_ir::interp::{Data, Env, Tensor, evaluate};
use rnn_ir::node::{DType, NodeId};
use rnn_ir::op::Op;
use rnn_ir::schedule::sizes;
use rnn_ir::work::multiply_adds_of;
use rnn_jit::storage::is_given_with_params;
use rnn_jit::{CallShape, Executable, Input, JitError, OwnedValue, Workspace};

use crate::error::{CompileError, ModelError};
use crate::options::Options;
use crate::pipeline::{Fed, Program, carried_model, derived, of_mode, scheduled};
use crate::profile::Profile;
use crate::report::Times;

/// Bytes that drawn values and a call may take, each.
const LIMIT: usize = 4 << 30;

/// A model cannot be run on drawn values.
#[derive(thiserror::Error)]
pub enum WorkbenchError {
    /// It cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It cannot be called.
    #[error(transparent)]
    Jit(#[from] JitError),
    /// Its inputs and parameters are too large.
    #[error(
        "inputs and parameters have {found:.3e} elements, expected at most {limit}; give it smaller sizes, batch or steps"
    )]
    TooLarge {
        /// Elements.
        found: f64,
        /// The most that are drawn.
        limit: usize,
    },
    /// Compiled code differs from the interpreter.
    #[error(
        "{result}[{element}] of the {program} program: compiled code gives {found:e}, the interpreter {expected:e}"
    )]
    Differs {
        /// The program.
        program: &'static str,
        /// The result.
        result: String,
        /// The element, counted over its dims.
        element: usize,
        /// By the interpreter.
        expected: f64,
        /// By compiled code.
        found: f64,
    },
}

/// What is given to a call.
struct Given {
    node: NodeId,
    with_params: bool,
    value: OwnedValue,
}

/// A program with values for all that it reads.
pub struct Workbench {
    program: Program,
    executable: Executable,
    workspace: Workspace,
    given: Vec<Given>,
    env: Env,
    shape: CallShape,
    multiply_adds: f64,
    compiled_in: Duration,
    calls: u64,
    wall: Duration,
}

impl Workbench {
    /// Compiles a program of a bound model, and draws values for a call of so many examples, all of so many steps along every axis
    /// that has no length of its own.
    ///
    /// # Errors
    /// [`WorkbenchError`] for a program that the model does not have, for sizes that have no value, and for some that are too large to
    /// draw.
    pub fn new(
        bound: &Verified,
        program: Program,
        options: &Options,
        lengths: &[usize],
        seed: u64,
    ) -> Result<Self, WorkbenchError> {
        let start = Instant::now();
        let mut times = Times::start();
        let model = || bound.name.clone();
        if let Some(name) = bound.sizes.first() {
            let (own, name) = (model(), name.clone());
            let source = Box::new(BindError::Missing { model: own, name });
            return Err(CompileError::from(ModelError::Sizes {
                model: model(),
                source,
            })
            .into());
        }
        let fed = match program {
            Program::Forward => Fed::Own,
            Program::Loss | Program::Gradient => Fed::Targets,
        };
        let carried = carried_model(&of_mode(bound, program.mode())?, fed, &mut times)?;
        let graph = derived(&carried, program)?;
        let batch = lengths.len();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let written = [
            ResultKind::Output,
            ResultKind::BatchLoss,
            ResultKind::Gradient,
        ];
        let multiply_adds = multiply_adds_of(&graph, &written, longest, batch);
        let schedule = scheduled(graph, false, &mut times)?;
        let jit = |source| CompileError::Jit {
            model: model(),
            source,
        };
        let executable = Executable::new(schedule, options.jit(program.name())).map_err(jit)?;
        let compiled_in = start.elapsed();

        let graph = executable.graph();
        let mut shape = CallShape {
            batch,
            limit: Some(LIMIT),
            ..CallShape::default()
        };
        let mut named: Vec<(&str, Vec<usize>)> = Vec::new();
        for (axis, declared) in graph.axes.iter().filter(|(axis, _)| axis.is_time()) {
            debug_assert_ne!(axis, AxisId::BATCH);
            let (steps, own) = match &declared.extent {
                Extent::Fixed(steps) => (*steps as usize, vec![*steps; batch]),
                Extent::Length(name) => {
                    if !named.iter().any(|(known, _)| known == name) {
                        named.push((name, lengths.to_vec()));
                    }
                    let own = lengths.iter().map(|length| u32::try_from(*length));
                    (
                        longest,
                        own.map(|length| length.unwrap_or(u32::MAX)).collect(),
                    )
                }
            };
            shape.steps.push(steps);
            shape.lengths.push(own);
        }
        let found = given_elements(&executable, &shape);
        let limit = LIMIT / size_of::<f64>();
        if found > limit as f64 {
            return Err(WorkbenchError::TooLarge { found, limit });
        }
        let mut env = surroundings(graph, &mut Draw::new(seed), batch, &named)
            .map_err(|source| CompileError::compiler(model(), source))?;
        // What compiled code is given.
        for tensor in env.inputs.values_mut().chain(env.params.values_mut()) {
            if tensor.dtype() == DType::Real {
                let values = tensor.reals_mut().iter_mut();
                values.for_each(|value| *value = f64::from(*value as f32));
            }
        }
        let mut given = Vec::new();
        for (node, known) in graph.nodes.iter() {
            let (tensor, with_params) = match &known.op {
                Op::Input { name, role } => {
                    (env.inputs.get(name), is_given_with_params(*role, &known.ty))
                }
                Op::Param { name, .. } => (env.params.get(name), true),
                _ => continue,
            };
            given.extend(tensor.map(|tensor| Given {
                node,
                with_params,
                value: OwnedValue::new(tensor),
            }));
        }
        let workspace = executable.workspace()?;
        Ok(Self {
            program,
            workspace,
            given,
            env,
            shape,
            multiply_adds,
            compiled_in,
            calls: 0,
            wall: Duration::ZERO,
            executable,
        })
    }

    /// Runs it once. In training, parameters change between calls, so that what depends on them alone is computed again.
    ///
    /// # Errors
    /// [`JitError`] for a call that takes too much memory.
    pub fn run(&mut self) -> Result<(), JitError> {
        let start = Instant::now();
        let of = |with_params: bool| -> Vec<Input<'_>> {
            let given = self.given.iter();
            given
                .filter(|given| given.with_params == with_params)
                .map(|given| Input {
                    node: given.node,
                    value: given.value.value(),
                })
                .collect()
        };
        let (params, inputs) = (of(true), of(false));
        if self.program == Program::Gradient {
            self.workspace.params_changed();
        }
        let (workspace, shape) = (&mut self.workspace, &self.shape);
        self.executable.run(workspace, &params, &inputs, shape)?;
        self.calls += 1;
        self.wall += start.elapsed();
        Ok(())
    }

    /// The program.
    pub fn program(&self) -> Program {
        self.program
    }

    /// The multiply-adds of a call, by its equations as they are written and differentiated.
    pub fn multiply_adds(&self) -> f64 {
        self.multiply_adds
    }

    /// How long compiling took.
    pub fn compiled_in(&self) -> Duration {
        self.compiled_in
    }

    /// Where the time went, of a program that was compiled with [`Options::profile`].
    pub fn profile(&self) -> Option<Profile> {
        let laps = self.executable.laps([&self.workspace])?;
        let name = format!("{} {}", self.executable.graph().name, self.program.name());
        let wall = Some(self.wall);
        let isa = self.executable.isa();
        Some(Profile::new(name, laps, self.calls, wall, isa))
    }

    /// Runs it once, and compares every result with the interpreter's; answers how many elements.
    ///
    /// # Errors
    /// [`WorkbenchError::Differs`] with the first element that is further away than `tolerance` of the largest of its result, or of 1.
    pub fn check(&mut self, tolerance: f64) -> Result<usize, WorkbenchError> {
        let graph = self.executable.graph();
        let expected = evaluate(graph, &self.env)
            .map_err(|source| CompileError::compiler(graph.name.as_str(), source))?;
        self.run()?;
        let graph = self.executable.graph();
        let mut checked = 0;
        for (result, (kind, name, expected)) in graph.results.iter().zip(&expected.all) {
            let ty = &graph.nodes[result.node].ty;
            let expected = numbers(expected);
            let mut words = vec![0; expected.len()];
            self.executable
                .read(&self.workspace, result.node, &mut words)?;
            let found = words.into_iter().map(|word| match ty.dtype {
                DType::Real => f64::from(f32::from_bits(word)),
                DType::Index => f64::from(word),
                DType::Bool => f64::from(u8::from(word != 0)),
            });
            let finite = expected.iter().filter(|value| value.is_finite());
            let scale = finite.fold(1.0_f64, |most, value| most.max(value.abs()));
            for (element, (found, expected)) in found.zip(&expected).enumerate() {
                let same = found == *expected || (found.is_nan() && expected.is_nan());
                // A NaN is near nothing.
                let near = (found - expected).abs() <= tolerance * scale;
                if !same && !near {
                    return Err(WorkbenchError::Differs {
                        program: self.program.name(),
                        result: format!("{} {name}", kind.name()),
                        element,
                        expected: *expected,
                        found,
                    });
                }
                checked += 1;
            }
        }
        Ok(checked)
    }
}

// Elements of everything that is given to a call.
fn given_elements(executable: &Executable, shape: &CallShape) -> f64 {
    let nodes = executable.graph().nodes.iter();
    let given = nodes.filter(|(_, node)| matches!(node.op, Op::Input { .. } | Op::Param { .. }));
    let along = |axis: AxisId| match axis.is_time() {
        true => shape.steps[axis.index() - 1] as f64,
        false => shape.batch as f64,
    };
    given
        .map(|(_, node)| {
            let features: f64 = sizes(&node.ty).iter().map(|size| *size as f64).product();
            features * node.ty.domain.axes().map(along).product::<f64>()
        })
        .sum()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        Data::Real(values) => values.clone(),
        Data::Index(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Data::Bool(values) => (values.iter())
            .map(|value| f64::from(u8::from(*value)))
            .collect(),
    }
}
