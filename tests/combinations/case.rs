//! What a call is given in a check, and the same for the interpreter.
//!
//! **Invariant:** nothing past the length of an example is a number: reals are NaN there, tokens beyond every table. What reads it shows.

use super::subject::{Arrays, Given, Subject};
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice};
use rnn::Reduction;
use rnn::ir::axis::{AxisId, Extent};
use rnn::ir::feedback::{Choice, decided, feedbacks};
use rnn::ir::generate::Draw;
use rnn::ir::graph::{Graph, Verified};
use rnn::ir::interp::{Env, Tensor};
use rnn::ir::node::{DType, NodeId};
use rnn::ir::op::{Op, ParamKind, Role};
use rnn::ir::random::mode::{Mode, in_mode, is_random};
use rnn::ir::random::words;
use rnn::ir::state::{FRESH, carry_state};
use rnn::ir::tokens::token_limits;
use rnn::ir::verify::verify;

/// How long the examples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lengths {
    /// All the same, and nobody says so.
    Full,
    /// From one step on, not in order.
    Ragged,
    /// Some have no steps.
    Empty,
    /// One step each.
    Ones,
    /// The arrays have more steps than any example.
    Spare,
}

/// What a call does not leave to its model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) batch: usize,
    pub(crate) steps: usize,
    pub(crate) lengths: Lengths,
    pub(crate) seed: u64,
}

/// The axes of time: each with its name, the name of its length if that varies, and its steps if it does not.
pub(crate) fn axes(graph: &Graph) -> Vec<(AxisId, String, Option<String>, usize)> {
    let axes = graph.axes.iter().filter(|(id, _)| id.is_time());
    axes.map(|(id, axis)| match &axis.extent {
        Extent::Length(length) => (id, axis.name.clone(), Some(length.clone()), 0),
        Extent::Fixed(steps) => (id, axis.name.clone(), None, *steps as usize),
    })
    .collect()
}

fn lengths_of(setting: &Setting, at: usize) -> Vec<usize> {
    let Setting { batch, steps, .. } = *setting;
    let row = |row: usize| match setting.lengths {
        Lengths::Full => steps + at,
        Lengths::Ones => 1,
        Lengths::Ragged | Lengths::Spare => 1 + (row * 5 + at + 2) % steps.max(1),
        // An encoder of no steps has nothing to look at; the axis declared last may have none.
        Lengths::Empty => (row * 3 + at) % (steps + 1),
    };
    (0..batch).map(row).collect()
}

/// Draws a call for a model.
pub(crate) fn given(subject: &dyn Subject, setting: &Setting, least: [usize; 2]) -> Given {
    let graph = subject.bound();
    let mut draw = Draw::new(setting.seed);
    let mut given = Given {
        says_lengths: setting.lengths != Lengths::Full,
        ..Given::default()
    };
    for (at, (_, name, length, fixed)) in axes(&graph).into_iter().enumerate() {
        let lengths = match length {
            Some(_) => {
                let own = lengths_of(setting, at).into_iter();
                own.map(|own| own.max(least[at])).collect()
            }
            None => vec![fixed; setting.batch],
        };
        given.lengths.push((name, lengths));
    }
    let spare = if setting.lengths == Lengths::Spare {
        2
    } else {
        0
    };
    let limits = token_limits(&graph);
    for (id, name, role) in graph.inputs() {
        if !matches!(role, Role::Input | Role::Target) {
            continue;
        }
        let (dims, own) = dims_of(&graph, id, &given, spare, setting.batch);
        let inside = |index: &[usize]| {
            let mut axes = own.iter().enumerate();
            axes.all(|(dim, lengths)| index[dim] < lengths[index[own.len()]])
        };
        if graph.nodes[id].ty.dtype == DType::Index {
            let limit = limits[id].unwrap_or(3);
            let token = |index: IxDyn| {
                let token = draw.below(limit) as u32;
                if inside(ndarray::Dimension::slice(&index)) {
                    token
                } else {
                    u32::MAX
                }
            };
            given
                .tokens
                .insert(name.to_owned(), ArrayD::from_shape_fn(dims, token));
        } else {
            let real = |index: IxDyn| {
                let real = draw.reals(1, -1.0, 1.0)[0] as f32;
                if inside(ndarray::Dimension::slice(&index)) {
                    real
                } else {
                    f32::NAN
                }
            };
            given
                .reals
                .insert(name.to_owned(), ArrayD::from_shape_fn(dims, real));
        }
    }
    given.params = subject.params(setting.seed);
    for (name, array) in &mut given.params {
        // No bias is zero and no statistic what it starts from.
        if kind_of(&graph, name) != Some(ParamKind::Fixed) {
            array.mapv_inplace(|value| value + 0.2 * draw.reals(1, -1.0, 1.0)[0] as f32);
        }
    }
    if is_random(&graph) {
        given.seed = Some(setting.seed);
    }
    given
}

fn kind_of(graph: &Graph, param: &str) -> Option<ParamKind> {
    graph.nodes.iter().find_map(|(_, node)| match &node.op {
        Op::Param { name, kind, .. } if name == param => Some(*kind),
        _ => None,
    })
}

/// The dims of an input, and the lengths along each of its axes.
fn dims_of(
    graph: &Graph,
    id: NodeId,
    given: &Given,
    spare: usize,
    batch: usize,
) -> (Vec<usize>, Vec<Vec<usize>>) {
    let ty = &graph.nodes[id].ty;
    let (mut dims, mut own) = (Vec::new(), Vec::new());
    for axis in ty.domain.time_axes() {
        let (_, lengths) = &given.lengths[axis.index_of_time()];
        let fixed = matches!(graph.axes[axis].extent, Extent::Fixed(_));
        let longest = lengths.iter().copied().max().unwrap_or(0);
        dims.push(if fixed { longest } else { longest + spare });
        own.push(lengths.clone());
    }
    dims.push(batch);
    dims.extend(ty.shape.sizes().expect("bound"));
    (dims, own)
}

/// The position of a time axis among those of its model.
trait OfTime {
    fn index_of_time(self) -> usize;
}

impl OfTime for AxisId {
    fn index_of_time(self) -> usize {
        rnn::ir::id::Id::index(self) - 1
    }
}

/// The equations of a call: in training or inference, with states, and what is fed back decided.
pub(crate) fn equations(subject: &dyn Subject, mode: Mode, own: bool) -> Verified {
    let graph = in_mode(&subject.bound(), mode).expect("valid");
    let graph = carry_state(&graph).expect("valid");
    let choice = if own { Choice::Own } else { Choice::Target };
    let graph = match feedbacks(&graph).is_empty() {
        true => graph,
        false => decided(&graph, choice).expect("valid"),
    };
    verify(rnn::ir::rewrite::drop_unreachable(graph)).expect("what it was")
}

fn wide(view: ArrayViewD<'_, f32>) -> Tensor {
    let data: Vec<f64> = view.iter().map(|value| f64::from(*value)).collect();
    Tensor::real(view.shape(), data)
}

/// The same for the interpreter, with losses weighed as the options say.
pub(crate) fn surroundings(graph: &Verified, given: &Given, reduction: Reduction) -> Env {
    let batch = given.examples();
    let mut env = Env::new(batch);
    let all = axes(graph);
    for (_, name, length, _) in &all {
        let lengths = given.lengths.iter().find(|(own, _)| own == name);
        if let (Some(length), Some((_, lengths))) = (length, lengths) {
            env = env.with_lengths(length, lengths.clone());
        }
    }
    let longest = |axis: AxisId| {
        let name = &graph.axes[axis].name;
        let own = given.lengths.iter().find(|(own, _)| own == name);
        own.map_or(0, |(_, own)| own.iter().copied().max().unwrap_or(0))
    };
    let mut targets: Vec<AxisId> = Vec::new();
    let (mut any_target, mut of_inputs) = (false, Vec::new());
    for (id, name, role) in graph.inputs() {
        let ty = &graph.nodes[id].ty;
        // Without the steps that no example has.
        let cut = |dim: usize| ty.domain.time_axes().nth(dim).map(longest);
        if let Some(array) = given.reals.get(name) {
            let mut view = array.view();
            for dim in 0..ty.domain.time_axes().count() {
                view.slice_axis_inplace(Axis(dim), Slice::from(..cut(dim).unwrap_or(0)));
            }
            env = env.with_input(name, wide(view));
        }
        if let Some(array) = given.tokens.get(name) {
            let mut view = array.view();
            for dim in 0..ty.domain.time_axes().count() {
                view.slice_axis_inplace(Axis(dim), Slice::from(..cut(dim).unwrap_or(0)));
            }
            let data: Vec<u32> = view.iter().copied().collect();
            env = env.with_input(name, Tensor::index(view.shape(), data));
        }
        let own = ty.domain.time_axes();
        match role {
            Role::Target => {
                any_target = true;
                targets.extend(own);
            }
            Role::Input => of_inputs.extend(own),
            Role::Seed(word) => {
                let shared =
                    ty.domain.time_axes().count() == 0 && !ty.domain.contains(AxisId::BATCH);
                let seed = given.seed.unwrap_or(0);
                let at = usize::from(word == rnn::ir::op::Word::Second);
                let value = match shared {
                    true => Tensor::index([], [words(seed, None)[at]]),
                    false => {
                        let of = |example| words(seed, Some(example))[at];
                        Tensor::index([batch], (0..batch).map(of).collect::<Vec<_>>())
                    }
                };
                env = env.with_input(name, value);
            }
            Role::Fresh => {
                let fresh = match (&given.state, &given.fresh) {
                    (None, _) => vec![true; batch],
                    (Some(_), None) => vec![false; batch],
                    (Some(_), Some(fresh)) => fresh.clone(),
                };
                env = env.with_input(name, Tensor::bool([batch], fresh));
            }
            Role::State => {
                let own = name.strip_prefix("state.").expect("called so");
                let dims: Vec<usize> = [batch]
                    .into_iter()
                    .chain(ty.shape.sizes().expect("bound"))
                    .collect();
                let zeros = ArrayD::zeros(IxDyn(&dims));
                let array = given.state.as_ref().and_then(|state| state.get(own));
                let array = array.unwrap_or(&zeros);
                let value = match ty.dtype {
                    DType::Index => {
                        let tokens: Vec<u32> = array.iter().map(|value| *value as u32).collect();
                        Tensor::index(dims, tokens)
                    }
                    _ => wide(array.view()),
                };
                env = env.with_input(name, value);
            }
            Role::Teacher | Role::Weight | Role::Training => {}
        }
    }
    debug_assert_eq!(FRESH, "fresh");
    let mut over = if any_target { targets } else { of_inputs };
    over.sort_unstable();
    over.dedup();
    let steps = |example: usize| -> f64 {
        let of = |axis: &AxisId| {
            let name = &graph.axes[*axis].name;
            let own = given.lengths.iter().find(|(own, _)| own == name);
            own.map_or(1.0, |(_, own)| own[example] as f64)
        };
        over.iter().map(of).product()
    };
    let all: f64 = (0..batch).map(steps).sum();
    let weight = |example: usize| match reduction {
        Reduction::Mean => 1.0 / batch as f64,
        Reduction::Sum => 1.0,
        Reduction::Tokens if all == 0.0 => 0.0,
        Reduction::Tokens => steps(example) / all,
    };
    env = env.with_input(
        "weight",
        Tensor::real([batch], (0..batch).map(weight).collect::<Vec<_>>()),
    );
    for (name, array) in &given.params {
        env = env.with_param(name, wide(array.view()));
    }
    env
}

/// A direction through all trained parameters, and through these inputs; zero past the end of each example.
pub(crate) fn direction(graph: &Graph, given: &Given, inputs: &[&str], seed: u64) -> Arrays {
    let mut draw = Draw::new(seed);
    let mut all = Arrays::new();
    let mut real = |from: f32| {
        let real = draw.reals(1, -1.0, 1.0)[0] as f32;
        if from.is_nan() { 0.0 } else { real }
    };
    for (_, name) in graph.trained_params() {
        if let Some(array) = given.params.get(name) {
            all.insert(name.to_owned(), array.mapv(&mut real));
        }
    }
    for name in inputs {
        let array = &given.reals[*name];
        all.insert((*name).to_owned(), array.mapv(&mut real));
    }
    all
}
