//! What is said of the loops of a model against numbers: Jacobians of their steps, and running them forward and back.
//!
//! **Invariant:** nothing here reads the reasons of a verdict; a verdict that is wrong at the values drawn is an error.

use crate::autodiff::{DiffError, Wrt, linearize};
use crate::axis::{AxisId, Domain};
use crate::builder::Builder;
use crate::components::Direction;
use crate::generate::Draw;
use crate::graph::{Graph, ResultKind, Verified};
use crate::interp::{Env, EvalError, Tensor, dims, evaluate};
use crate::node::{DType, NodeId};
use crate::op::Position;
use crate::recurrence::{
    Inverse, Linearity, Loop, Semiring, Structure, TransitionError, recurrences, transition,
};
use crate::typing::TypeError;
use crate::verify::verify;

/// A derivative that does not depend on the states is the same to this, relative to the largest.
const CONSTANT: f64 = 1e-12;

/// Pivots below this, relative to the largest element, are roundings.
const PIVOT: f64 = 1e-9;

/// A state that was computed forward and back over a few steps is the same to this, relative to the largest: dividing by a
/// thousandth loses three digits a step.
const RETURNED: f64 = 1e-6;

/// How often each verdict was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Loops whose Jacobians were computed.
    pub loops: usize,
    /// Of these, linear ones.
    pub linear: usize,
    /// Diagonal ones, in one state or several.
    pub diagonal: usize,
    /// Ones with blocks or of low rank.
    pub structured: usize,
    /// Loops that were run forward and back.
    pub inverted: usize,
}

impl Checked {
    /// Adds what was checked in another model.
    pub fn add(&mut self, other: Self) {
        self.loops += other.loops;
        self.linear += other.linear;
        self.diagonal += other.diagonal;
        self.structured += other.structured;
        self.inverted += other.inverted;
    }
}

/// A verdict that does not hold, or a check that could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RecurrenceError {
    /// The Jacobian of a linear step differs between states.
    #[error("{states}: said to be linear, but the Jacobian reads the states: {left} and {right}")]
    NotLinear {
        /// The states of the loop.
        states: String,
        /// An element of the Jacobian.
        left: f64,
        /// The same element at other states.
        right: f64,
    },
    /// Units are mixed that are said not to be.
    #[error("{states}: said to be {said}, but unit {to} depends on unit {from}: {value}")]
    Mixed {
        /// The states of the loop.
        states: String,
        /// What was said.
        said: String,
        /// The row of the Jacobian.
        to: usize,
        /// The column.
        from: usize,
        /// The derivative.
        value: f64,
    },
    /// A part of the Jacobian beside the diagonal has a greater rank than is said.
    #[error("{states}: said to mix with rank {said}, found {found}")]
    Rank {
        /// The states of the loop.
        states: String,
        /// The greatest rank that was said to be.
        said: u64,
        /// The rank of a part.
        found: u64,
    },
    /// A state is not what the inverse says it was.
    #[error("{state}: run back, expected {expected}, found {found}")]
    NotInverse {
        /// The state.
        state: String,
        /// Its value forward.
        expected: f64,
        /// Its value on the way back.
        found: f64,
    },
    /// The step is not a graph.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// It cannot be differentiated.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// It cannot be evaluated.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// An output breaks a type rule.
    #[error(transparent)]
    Type(#[from] TypeError),
}

/// Checks every loop of a bound model whose states are real numbers that vary over no axis but the loop's.
///
/// # Errors
/// The first verdict that does not hold.
pub fn check_recurrences(
    graph: &Verified,
    env: &Env,
    draw: &mut Draw,
) -> Result<Checked, RecurrenceError> {
    let mut checked = Checked::default();
    for found in recurrences(graph) {
        let cycle = &found.cycle;
        let flat = |node: NodeId| {
            let ty = &graph.nodes[node].ty;
            let own = ty.domain.without(cycle.axis).without(AxisId::BATCH);
            own.is_empty() && ty.dtype == DType::Real
        };
        if !cycle.states.iter().all(|state| flat(state.before)) {
            continue;
        }
        let step = Step::new(graph, cycle, env)?;
        let (here, there) = (step.jacobian(draw)?, step.jacobian(draw)?);
        checked.loops += 1;
        if found.linearity == Linearity::Linear(Semiring::Real) {
            checked.linear += 1;
            step.check_equal(&here, &there)?;
        }
        match found.structure {
            Structure::Diagonal | Structure::Units => checked.diagonal += 1,
            Structure::Rows { .. } | Structure::LowRank { .. } => checked.structured += 1,
            Structure::Dense { .. } => {}
        }
        step.check_structure(&here, found.structure)?;
        if let Inverse::Found {
            graph: back,
            nonzero,
        } = &found.inverse
        {
            checked.inverted += 1;
            check_inverse(graph, cycle, back, nonzero.is_empty(), env)?;
        }
    }
    Ok(checked)
}

// A unit of the states of a loop: which state, and which element.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Unit {
    state: usize,
    element: usize,
}

// Derivatives at every step and for every example, `[unit after][unit before]`.
type Jacobian = Vec<Vec<Vec<f64>>>;

struct Step<'g> {
    graph: &'g Verified,
    cycle: &'g Loop,
    env: &'g Env,
    names: Vec<String>,
    linear: Verified,
    units: Vec<Unit>,
}

impl<'g> Step<'g> {
    fn new(graph: &'g Verified, cycle: &'g Loop, env: &'g Env) -> Result<Self, RecurrenceError> {
        let names = cycle.names(graph);
        let mut step = transition(graph, cycle)?;
        let moved = names.iter().map(|name| format!("before.{name}"));
        let wrt = Wrt {
            params: false,
            inputs: moved.collect(),
        };
        step = linearize(&step, &wrt)?;
        let mut units = Vec::new();
        for (state, carried) in cycle.states.iter().enumerate() {
            let sizes = graph.nodes[carried.before]
                .ty
                .shape
                .sizes()
                .unwrap_or_default();
            let elements = sizes.iter().product();
            units.extend((0..elements).map(|element| Unit { state, element }));
        }
        Ok(Self {
            graph,
            cycle,
            env,
            names,
            linear: step,
            units,
        })
    }

    fn states(&self) -> String {
        self.names.join(", ")
    }

    // How many elements the state of a unit has.
    fn width(&self, state: usize) -> usize {
        self.units.iter().filter(|unit| unit.state == state).count()
    }

    // At states that are drawn.
    fn jacobian(&self, draw: &mut Draw) -> Result<Jacobian, RecurrenceError> {
        let mut env = self.env.clone();
        let mut shapes = Vec::new();
        for (state, name) in self.cycle.states.iter().zip(&self.names) {
            let dims = dims(self.graph, self.env, state.before)?;
            let len = dims.iter().product();
            let value = Tensor::real(dims.clone(), draw.reals(len, -1.0, 1.0));
            env = env.with_input(format!("before.{name}"), value);
            shapes.push(dims);
        }
        let mut jacobian: Jacobian = Vec::new();
        for (from, unit) in self.units.iter().enumerate() {
            for (state, (name, dims)) in self.names.iter().zip(&shapes).enumerate() {
                let width = self.width(state);
                let len: usize = dims.iter().product();
                let own = |at: usize| state == unit.state && at % width == unit.element;
                let one: Vec<f64> = (0..len).map(|at| f64::from(u8::from(own(at)))).collect();
                env = env.with_input(format!("v_before.{name}"), Tensor::real(dims.clone(), one));
            }
            let results = evaluate(&self.linear, &env)?;
            for (to, row) in self.units.iter().enumerate() {
                let name = format!("t_after.{}", self.names[row.state]);
                let Some(tangent) = results.get(&ResultKind::Output, &name) else {
                    continue;
                };
                let width = self.width(row.state);
                let own = tangent.reals().iter().skip(row.element).step_by(width);
                for (place, value) in own.enumerate() {
                    if jacobian.len() == place {
                        let empty = vec![vec![0.0; self.units.len()]; self.units.len()];
                        jacobian.push(empty);
                    }
                    jacobian[place][to][from] = *value;
                }
            }
        }
        Ok(jacobian)
    }

    fn check_equal(&self, here: &Jacobian, there: &Jacobian) -> Result<(), RecurrenceError> {
        let flat = |of: &Jacobian| of.iter().flatten().flatten().copied().collect::<Vec<f64>>();
        let (here, there) = (flat(here), flat(there));
        let largest = here
            .iter()
            .fold(1.0f64, |most, value| most.max(value.abs()));
        for (left, right) in here.into_iter().zip(there) {
            let same = (left - right).abs() <= CONSTANT * largest;
            if !same {
                return Err(RecurrenceError::NotLinear {
                    states: self.states(),
                    left,
                    right,
                });
            }
        }
        Ok(())
    }

    fn check_structure(&self, of: &Jacobian, said: Structure) -> Result<(), RecurrenceError> {
        if let Structure::LowRank { rank, .. } = said {
            // Beside the diagonal: rows of one half of the units by columns of the other.
            for parity in 0..2 {
                for matrix in of {
                    let half = |even: usize| {
                        (0..self.units.len()).filter(move |at| self.units[*at].element % 2 == even)
                    };
                    let part: Vec<Vec<f64>> = half(parity)
                        .map(|row| half(1 - parity).map(|column| matrix[row][column]).collect())
                        .collect();
                    let found = rank_of(part);
                    if found > rank {
                        return Err(RecurrenceError::Rank {
                            states: self.states(),
                            said: rank,
                            found,
                        });
                    }
                }
            }
            return Ok(());
        }
        let sizes = self.graph.nodes[self.cycle.states[0].before]
            .ty
            .shape
            .sizes();
        let sizes = sizes.unwrap_or_default();
        let coordinate = |axis: usize, element: usize| {
            let inner: usize = sizes[axis + 1..].iter().product();
            element / inner % sizes[axis]
        };
        let apart = |axis: usize, a: Unit, b: Unit| {
            coordinate(axis, a.element) != coordinate(axis, b.element)
        };
        let mixed = |holds: &dyn Fn(Unit, Unit) -> bool| {
            of.iter().find_map(|matrix| {
                let pairs = (0..self.units.len())
                    .flat_map(|to| (0..self.units.len()).map(move |from| (to, from)));
                let wrong = |(to, from): &(usize, usize)| {
                    matrix[*to][*from] != 0.0 && !holds(self.units[*to], self.units[*from])
                };
                let (to, from) = pairs.into_iter().find(wrong)?;
                Some((to, from, matrix[to][from]))
            })
        };
        let found = match said {
            Structure::Dense { .. } | Structure::LowRank { .. } => None,
            Structure::Diagonal => mixed(&|to, from| to == from),
            Structure::Units => mixed(&|to, from| to.element == from.element),
            // Along one of the axes nothing is mixed.
            Structure::Rows { .. } => (0..sizes.len())
                .map(|axis| mixed(&|to, from| !apart(axis, to, from)))
                .min_by_key(Option::is_some)
                .flatten(),
        };
        match found {
            None => Ok(()),
            Some((to, from, value)) => Err(RecurrenceError::Mixed {
                states: self.states(),
                said: said.name(),
                to,
                from,
                value,
            }),
        }
    }
}

// By elimination with complete pivoting.
fn rank_of(mut matrix: Vec<Vec<f64>>) -> u64 {
    let elements = || matrix.iter().flatten();
    let least = PIVOT * elements().fold(0.0f64, |most, value| most.max(value.abs()));
    let mut rank = 0;
    let mut free: Vec<usize> = (0..matrix.first().map_or(0, Vec::len)).collect();
    while !matrix.is_empty() && !free.is_empty() {
        let places =
            (0..matrix.len()).flat_map(|row| free.iter().map(move |column| (row, *column)));
        let size = |(row, column): &(usize, usize)| matrix[*row][*column].abs();
        let Some((row, column)) = places.max_by(|a, b| size(a).total_cmp(&size(b))) else {
            break;
        };
        if size(&(row, column)) <= least {
            break;
        }
        let pivot = matrix.swap_remove(row);
        free.retain(|other| *other != column);
        for other in &mut matrix {
            let factor = other[column] / pivot[column];
            for (value, own) in other.iter_mut().zip(&pivot) {
                *value -= factor * own;
            }
        }
        rank += 1;
    }
    rank
}

// Runs a loop forward, and from its last states back.
fn check_inverse(
    graph: &Verified,
    cycle: &Loop,
    back: &Verified,
    everywhere: bool,
    env: &Env,
) -> Result<(), RecurrenceError> {
    let names = cycle.names(graph);
    let mut model = Graph::clone(graph);
    model.results.clear();
    let mut b = Builder::extend(model);
    let end = match cycle.direction {
        Direction::Forward => Position::Last,
        Direction::Reverse => Position::First,
    };
    for (state, name) in cycle.states.iter().zip(&names) {
        let last = b.at(state.after, cycle.axis, end, None)?;
        let last = b.broadcast(last, Domain::BATCH)?;
        let before = b.broadcast(state.before, Domain::BATCH)?;
        b.result(ResultKind::Output, format!("last.{name}"), last);
        b.result(ResultKind::Output, format!("before.{name}"), before);
    }
    let forward = verify(b.finish()).map_err(|violations| {
        RecurrenceError::Transition(TransitionError::Invalid { violations })
    })?;
    let expected = evaluate(&forward, env)?;
    let mut given = env.clone();
    for name in &names {
        if let Some(last) = expected.get(&ResultKind::Output, &format!("last.{name}")) {
            given = given.with_input(format!("after.{name}"), last.clone());
        }
    }
    let found = evaluate(back, &given)?;
    for name in &names {
        let output = format!("before.{name}");
        let expected = expected.get(&ResultKind::Output, &output);
        let found = found.get(&ResultKind::Output, &output);
        let (Some(expected), Some(found)) = (expected, found) else {
            continue;
        };
        let largest = (expected.reals().iter()).fold(1.0f64, |most, value| most.max(value.abs()));
        for (expected, found) in expected.reals().iter().zip(found.reals()) {
            let same = (expected - found).abs() <= RETURNED * largest;
            // Where it divides by what may be zero it may be.
            if !same && (everywhere || found.is_finite()) {
                return Err(RecurrenceError::NotInverse {
                    state: name.clone(),
                    expected: *expected,
                    found: *found,
                });
            }
        }
    }
    Ok(())
}
