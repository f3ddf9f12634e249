//! What a model takes and gives, with its sizes: axes, inputs, parameters, carried states, outputs.
//!
//! **Invariant:** everything here is read off the bound graph of the model, before any pass changes it.

use ndarray::ArrayD;
use rnn_ir::axis::{AxisId, Domain, Extent};
use rnn_ir::bind::bind;
use rnn_ir::graph::{Graph, ResultKind, Verified};
use rnn_ir::id::Id;
use rnn_ir::node::{DType, Type};
use rnn_ir::op::{Op, Role};
use rnn_ir::state::carried;
use rnn_ir::text::parse;
use rnn_ir::tokens::token_limits;
use rnn_ir::verify::verify;

use crate::error::{InitError, ModelError};
use crate::init::Init;
use crate::model::Model;
use crate::tensors::{ParamSpec, Tensors};

/// A time axis.
#[derive(Clone, Debug)]
pub(crate) struct TimeAxis {
    pub(crate) name: String,
    /// The letter of its length, or its length.
    pub(crate) length: String,
    pub(crate) fixed: Option<usize>,
    /// Whether only the loss has values along it, so that a call without targets has no steps there.
    pub(crate) only_loss: bool,
}

/// A value by name: over which axes it varies, and what one example at one step has.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) name: String,
    /// Positions among the time axes of the model.
    pub(crate) axes: Vec<usize>,
    pub(crate) batch: bool,
    pub(crate) features: Vec<usize>,
    pub(crate) dtype: DType,
    /// What its tokens have to be below.
    pub(crate) limit: Option<usize>,
    /// Whether only the loss reads it.
    pub(crate) target: bool,
}

impl Port {
    pub(crate) fn new(name: &str, ty: &Type) -> Self {
        Self {
            name: name.to_owned(),
            axes: ty.domain.time_axes().map(|axis| axis.index() - 1).collect(),
            batch: ty.domain.contains(AxisId::BATCH),
            // Sizes of a bound graph are known.
            features: ty.shape.sizes().unwrap_or_default(),
            dtype: ty.dtype,
            limit: None,
            target: false,
        }
    }

    /// Elements of one example at one step.
    pub(crate) fn width(&self) -> usize {
        self.features.iter().product()
    }
}

/// What a model takes and gives.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) model: &'static str,
    pub(crate) axes: Vec<TimeAxis>,
    /// Inputs, then targets, each in the order of declaration.
    pub(crate) inputs: Vec<Port>,
    pub(crate) params: Vec<ParamSpec>,
    pub(crate) states: Vec<Port>,
    /// What says, for each feedback, which steps read the target.
    pub(crate) teachers: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    /// The axes whose steps count the targets of an example.
    pub(crate) counted: Vec<usize>,
}

impl Signature {
    pub(crate) fn new(model: &'static str, graph: &Verified, params: Vec<ParamSpec>) -> Self {
        let axes = graph.axes.iter().filter(|(id, _)| id.is_time());
        let axes = axes.map(|(_, axis)| match &axis.extent {
            Extent::Length(length) => TimeAxis {
                name: axis.name.clone(),
                length: length.clone(),
                fixed: None,
                only_loss: false,
            },
            Extent::Fixed(steps) => TimeAxis {
                name: axis.name.clone(),
                length: steps.to_string(),
                fixed: Some(*steps as usize),
                only_loss: false,
            },
        });
        let axes = axes.collect();
        let limits = token_limits(graph);
        let mut inputs = Vec::new();
        for wanted in [Role::Input, Role::Target] {
            for (id, name, role) in graph.inputs().filter(|(.., role)| *role == wanted) {
                inputs.push(Port {
                    limit: limits[id],
                    target: role == Role::Target,
                    ..Port::new(name, &graph.nodes[id].ty)
                });
            }
        }
        let states = carried(graph).into_iter().map(|state| Port {
            limit: limits[state.node],
            ..Port::new(
                &state.name,
                &Type {
                    domain: Domain::BATCH,
                    shape: state.shape,
                    dtype: state.dtype,
                },
            )
        });
        let states: Vec<Port> = states.collect();
        let teachers = graph.inputs().filter(|(.., role)| *role == Role::Teacher);
        let teachers = teachers.map(|(id, name, _)| Port::new(name, &graph.nodes[id].ty));
        let outputs = graph.results_of(ResultKind::Output);
        let outputs = outputs.map(|result| Port::new(&result.name, &graph.nodes[result.node].ty));
        let mut counted: Vec<usize> = Vec::new();
        let targets = inputs.iter().any(|port| port.target);
        for port in inputs.iter().filter(|port| port.target == targets) {
            counted.extend(&port.axes);
        }
        counted.sort_unstable();
        counted.dedup();
        Self {
            model,
            axes,
            params,
            states,
            teachers: teachers.collect(),
            outputs: outputs.collect(),
            counted,
            inputs,
        }
    }

    /// Finds the axes along which inference has no value.
    pub(crate) fn note_inference(&mut self, graph: &Graph) {
        for (at, own) in self.axes.iter_mut().enumerate() {
            let axis = AxisId::from_index(at + 1);
            // Inputs are declared, whoever reads them.
            let target = |op: &Op| {
                matches!(
                    op,
                    Op::Input {
                        role: Role::Target,
                        ..
                    }
                )
            };
            let mut nodes = graph.nodes.iter().filter(|(_, node)| !target(&node.op));
            own.only_loss = !nodes.any(|(_, node)| node.ty.domain.contains(axis));
        }
    }

    /// The parameters that are trained.
    pub(crate) fn trained(&self) -> impl Iterator<Item = &ParamSpec> {
        self.params.iter().filter(|spec| spec.is_trained())
    }

    /// The names of axes whose length a call decides.
    pub(crate) fn variable_axes(&self) -> Vec<String> {
        let axes = self.axes.iter().filter(|axis| axis.fixed.is_none());
        axes.map(|axis| axis.name.clone()).collect()
    }

    /// The shape of an input in the model's letters: `[T, B, 3]`.
    pub(crate) fn shape_of(&self, port: &Port) -> String {
        let axes = port.axes.iter().map(|at| self.axes[*at].length.clone());
        let batch = port.batch.then(|| "B".to_owned());
        let features = port.features.iter().map(ToString::to_string);
        let all: Vec<String> = axes.chain(batch).chain(features).collect();
        format!("[{}]", all.join(", "))
    }
}

/// The equations of a model with its sizes.
pub(crate) fn bound_graph<M: Model>(spec: &M) -> Result<Verified, ModelError> {
    bound_text(M::NAME, M::IR, &spec.sizes())
}

fn bound_text(
    name: &'static str,
    text: &str,
    sizes: &[(&'static str, usize)],
) -> Result<Verified, ModelError> {
    let model = || name.to_owned();
    let graph = parse(text).map_err(|source| ModelError::Parse {
        model: model(),
        source,
    })?;
    let graph = verify(graph).map_err(|violations| ModelError::Invalid {
        model: model(),
        violations,
    })?;
    bind(&graph, sizes).map_err(|source| ModelError::Sizes {
        model: model(),
        source: Box::new(source),
    })
}

/// The parameters of a bound graph, in the order in which the model's struct visits them.
pub(crate) fn specs_of<M: Model>(graph: &Graph) -> Result<Vec<ParamSpec>, InitError> {
    let mut specs = unordered_specs(graph)?;
    let names = M::Params::from_tensors(&mut |name| {
        let spec = specs.iter().find(|spec| spec.name == name);
        let rank = spec.map_or(0, |spec| spec.shape.len());
        ArrayD::zeros(vec![0; rank])
    })
    .names();
    sort(&mut specs, &names);
    Ok(specs)
}

fn unordered_specs(graph: &Graph) -> Result<Vec<ParamSpec>, InitError> {
    let mut specs = Vec::new();
    for (_, node) in graph.nodes.iter() {
        let Op::Param { name, init, kind } = &node.op else {
            continue;
        };
        let arguments: Vec<f64> = init.args.iter().map(|number| number.0).collect();
        specs.push(ParamSpec {
            name: name.clone(),
            shape: node.ty.shape.sizes().unwrap_or_default(),
            init: Init::from_call(&init.kind, &arguments)?,
            kind: *kind,
        });
    }
    Ok(specs)
}

fn sort(specs: &mut [ParamSpec], names: &[String]) {
    specs.sort_by_key(|spec| names.iter().position(|name| *name == spec.name));
}
