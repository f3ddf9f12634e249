//! Which units of its states a step mixes.
//!
//! The step is followed from each state to the new values, path by path. On the way an element of a value stands for an
//! element of the state (*aligned*), until an operation mixes several: a product, a sum. A path that ends aligned at its own
//! place adds to the diagonal of the Jacobian; all others together are what is mixed, and everything that is mixed passes
//! through the values of any cut between the states and their next values, so the smallest cut bounds its rank.
//!
//! **Invariant:** an element that is aligned depends on that one element of the state alone, along this path.

use crate::axis::{AxisId, Domain};
use crate::dim::Dim;
use crate::graph::Verified;
use crate::node::NodeId;
use crate::op::Op;
use crate::recurrence::cut::Network;
use crate::recurrence::loops::Loop;
use std::collections::BTreeMap;

/// Which units of the states depend on which in the step after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Each unit on its own past alone.
    Diagonal,
    /// Each unit on its own past in several states of one shape, as a complex number that is two of them: blocks on the
    /// diagonal, as large as there are states.
    Units,
    /// Rows of matrices, or columns, on their own past alone: blocks on the diagonal, as large as a row.
    Rows {
        /// The first operation that mixes the elements of a row.
        at: NodeId,
    },
    /// Diagonal, and what mixes units has a rank below the number of units that it reads or changes.
    LowRank {
        /// The rank is at most this.
        rank: u64,
        /// How many units there are.
        units: u64,
        /// The first operation that mixes units.
        at: NodeId,
    },
    /// On all units.
    Dense {
        /// The first operation that mixes units.
        at: NodeId,
    },
}

// Where the elements of a state lie in a value: for each feature axis of the state the axis of the value and how far its
// entries are moved along it; nothing where the entries of an axis are mixed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    state: usize,
    axes: Vec<Option<(usize, Dim)>>,
}

impl Place {
    fn start(graph: &Verified, of: &Loop, state: usize) -> Self {
        let rank = graph.nodes[of.states[state].before].ty.shape.rank();
        let axes = (0..rank).map(|axis| Some((axis, Dim::constant(0))));
        Self {
            state,
            axes: axes.collect(),
        }
    }

    fn is_aligned(&self) -> bool {
        self.axes.iter().all(Option::is_some)
    }

    /// Whether an axis of the state is where it was.
    fn keeps(&self, axis: usize) -> bool {
        let place = self.axes.get(axis).and_then(Option::as_ref);
        place.is_some_and(|(at, moved)| *at == axis && moved.as_constant() == Some(0))
    }

    // Moves each axis that is not mixed; one for which there is no place any more is.
    fn moved(mut self, to: impl Fn(usize, Dim) -> Option<(usize, Dim)>) -> Self {
        for axis in &mut self.axes {
            *axis = axis.take().and_then(|(at, moved)| to(at, moved));
        }
        self
    }
}

// A value on a path from a state; without a place once all its elements are mixed.
type Point = (NodeId, Option<Place>);

/// Beyond so many points of paths nothing is said but that units are mixed.
const MAX_POINTS: usize = 1 << 12;

struct Paths {
    points: Vec<Point>,
    // By position in `points`.
    steps: Vec<(usize, usize)>,
    /// The first operation that mixes what was aligned.
    mixes: Option<NodeId>,
    /// Whether there are too many.
    cut_short: bool,
}

pub(super) fn structure(graph: &Verified, of: &Loop) -> Structure {
    let paths = paths(graph, of);
    // Points that are the next value of a state but not in their place.
    let (mut astray, mut crosses) = (Vec::new(), false);
    for (at, (node, place)) in paths.points.iter().enumerate() {
        for (state, _) in of
            .states
            .iter()
            .enumerate()
            .filter(|(_, s)| s.after == *node)
        {
            match place {
                Some(place) if is_home(graph, of, place, state) => crosses |= place.state != state,
                _ => astray.push((at, state)),
            }
        }
    }
    let first_astray = astray.iter().map(|(at, _)| paths.points[*at].0).min();
    let Some(at) = paths.mixes.or(first_astray) else {
        return match crosses {
            true => Structure::Units,
            false => Structure::Diagonal,
        };
    };
    if !paths.cut_short {
        if astray.is_empty() {
            // What was mixed does not come back.
            return match crosses {
                true => Structure::Units,
                false => Structure::Diagonal,
            };
        }
        if has_rows(graph, of, &paths) {
            return Structure::Rows { at };
        }
        if let Some((rank, units)) = rank(graph, of, &paths, &astray)
            && rank < units
        {
            return Structure::LowRank { rank, units, at };
        }
    }
    Structure::Dense { at }
}

// Whether a path that ends in the next value of a state adds to the diagonal, or to that of two states of one shape.
fn is_home(graph: &Verified, of: &Loop, place: &Place, state: usize) -> bool {
    let shape = |state: usize| &graph.nodes[of.states[state].before].ty.shape;
    shape(place.state) == shape(state) && (0..place.axes.len()).all(|axis| place.keeps(axis))
}

// Whether there is an axis of all states along which every path stays where it is.
fn has_rows(graph: &Verified, of: &Loop, paths: &Paths) -> bool {
    let shape = |state: usize| &graph.nodes[of.states[state].before].ty.shape;
    let alike = (0..of.states.len()).all(|state| shape(state) == shape(0));
    let ends = |node: &NodeId| of.states.iter().any(|state| state.after == *node);
    let stays = |axis: usize| {
        let mut ends = paths.points.iter().filter(|(node, _)| ends(node));
        ends.all(|(_, place)| place.as_ref().is_some_and(|place| place.keeps(axis)))
    };
    alike && (0..shape(0).rank()).any(stays)
}

// The greatest rank of what is mixed, and how many units that reads or changes, whichever is fewer.
fn rank(
    graph: &Verified,
    of: &Loop,
    paths: &Paths,
    astray: &[(usize, usize)],
) -> Option<(u64, u64)> {
    let mut network = Network::new(paths.points.len());
    for (at, (node, _)) in paths.points.iter().enumerate() {
        // What has no known size is not cut.
        network.limit(at, elements(graph, of, *node).unwrap_or(u64::MAX));
    }
    for (from, to) in &paths.steps {
        network.connect(*from, *to);
    }
    let ends: Vec<usize> = astray.iter().map(|(at, _)| *at).collect();
    let starts: Vec<usize> = (0..of.states.len()).collect();
    let rank = network.least_cut(&starts, &ends)?;
    let leads = network.leads_to(&ends);
    let read = starts.iter().filter(|at| leads[**at]);
    let read = read.map(|at| elements(graph, of, of.states[*at].before));
    let mut changed: Vec<usize> = astray.iter().map(|(_, state)| *state).collect();
    changed.sort_unstable();
    changed.dedup();
    let changed = changed.into_iter();
    let changed = changed.map(|at| elements(graph, of, of.states[at].after));
    Some((rank, total(read)?.min(total(changed)?)))
}

fn total(mut counts: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    counts.try_fold(0u64, |total, count| total.checked_add(count?))
}

// The elements of a value for one example at one step.
fn elements(graph: &Verified, of: &Loop, node: NodeId) -> Option<u64> {
    let ty = &graph.nodes[node].ty;
    let steps = of.around.with(of.axis).with(AxisId::BATCH);
    if !ty.domain.minus(steps).is_empty() {
        return None;
    }
    let sizes = ty.shape.sizes()?;
    let mut sizes = sizes.into_iter().map(|size| u64::try_from(size).ok());
    sizes.try_fold(1u64, |total, size| total.checked_mul(size?))
}

// Follows every state through the step. The first points are the states themselves.
fn paths(graph: &Verified, of: &Loop) -> Paths {
    let mut users: BTreeMap<NodeId, Vec<(NodeId, usize)>> = BTreeMap::new();
    for user in &of.members {
        let op = &graph.nodes[*user].op;
        // What is shifted along the loop is read in the step after.
        let next = matches!(op, Op::Shift { axis, .. } if of.around.with(of.axis).contains(*axis));
        for (at, operand) in op.operands().into_iter().enumerate() {
            // Several shifts may read one state, as where a cell and what is around it do.
            let operand = match of.state(graph, operand) {
                Some(state) => of.states[state].before,
                None => operand,
            };
            if of.contains(operand) && !(next && at == 0) {
                users.entry(operand).or_default().push((*user, at));
            }
        }
    }
    let mut paths = Paths {
        points: Vec::new(),
        steps: Vec::new(),
        mixes: None,
        cut_short: false,
    };
    let mut known: BTreeMap<Point, usize> = BTreeMap::new();
    for (state, carried) in of.states.iter().enumerate() {
        let point = (carried.before, Some(Place::start(graph, of, state)));
        known.insert(point.clone(), paths.points.len());
        paths.points.push(point);
    }
    let mut at = 0;
    while at < paths.points.len() {
        let (node, place) = paths.points[at].clone();
        for (user, position) in users.get(&node).into_iter().flatten() {
            let to = place.clone().map(|place| {
                let was_aligned = place.is_aligned();
                let to = follow(graph, of, *user, position, place);
                let mixed = !to.as_ref().is_some_and(Place::is_aligned);
                if was_aligned && mixed && paths.mixes.is_none_or(|first| *user < first) {
                    paths.mixes = Some(*user);
                }
                to
            });
            let point = (*user, to.flatten());
            let to = match known.get(&point) {
                Some(to) => *to,
                None if paths.points.len() == MAX_POINTS => {
                    paths.cut_short = true;
                    paths.mixes = paths.mixes.or(Some(*user));
                    return paths;
                }
                None => {
                    known.insert(point.clone(), paths.points.len());
                    paths.points.push(point);
                    paths.points.len() - 1
                }
            };
            paths.steps.push((at, to));
        }
        at += 1;
    }
    paths
}

// Where the elements of a state lie in the value of `user`, of which an operand holds them at `place`.
fn follow(
    graph: &Verified,
    of: &Loop,
    user: NodeId,
    position: &usize,
    place: Place,
) -> Option<Place> {
    let position = *position;
    let domain = graph.nodes[of.states[place.state].before].ty.domain;
    // Along these an element of the state at one step, or of one example, is not one at another.
    let apart = domain.minus(of.around.with(of.axis));
    let rank = |id: NodeId| graph.nodes[id].ty.shape.rank();
    let scalar = place.axes.is_empty();
    let place = match &graph.nodes[user].op {
        Op::Input { .. }
        | Op::Param { .. }
        | Op::Const(_)
        | Op::Step(_)
        | Op::Length(_)
        | Op::Entries => place,
        Op::Unary(..)
        | Op::Binary(..)
        | Op::Compare(..)
        | Op::Select(..)
        | Op::StopGradient(_)
        | Op::Mix(..)
        | Op::Uniform(_)
        | Op::Token(_)
        | Op::Broadcast { .. } => place,
        Op::MatMul(a, _) if position == 0 => {
            let contracted = rank(*a) - 1;
            place.moved(|at, by| (at != contracted).then_some((at, by)))
        }
        Op::MatMul(a, _) => {
            let rows = rank(*a) - 1;
            place.moved(|at, by| (at != 0).then_some((rows, by)))
        }
        Op::Outer(..) => place.moved(|_, by| Some((position, by))),
        Op::Transpose(_) => place.moved(|at, by| Some((1 - at, by))),
        Op::Expand { at: new, .. } => {
            place.moved(|at, by| Some((if at >= *new { at + 1 } else { at }, by)))
        }
        Op::Reduce { at: gone, .. } => place.moved(|at, by| match at.cmp(gone) {
            std::cmp::Ordering::Less => Some((at, by)),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some((at - 1, by)),
        }),
        Op::Softmax(x) | Op::ArgMax(x) => {
            let last = rank(*x) - 1;
            place.moved(|at, by| (at != last).then_some((at, by)))
        }
        Op::Concat { parts, at: along } => {
            let sizes = parts[..position].iter();
            let before = Dim::sum(sizes.map(|part| &graph.nodes[*part].ty.shape.0[*along]));
            place.moved(|at, by| match at == *along {
                true => Some((at, by.checked_add(&before)?)),
                false => Some((at, by)),
            })
        }
        Op::Slice {
            at: along, start, ..
        } => place.moved(|at, by| match at == *along {
            true => Some((at, by.checked_sub(start)?)),
            false => Some((at, by)),
        }),
        Op::Pad {
            at: along, before, ..
        } => place.moved(|at, by| match at == *along {
            true => Some((at, by.checked_add(before)?)),
            false => Some((at, by)),
        }),
        // Which row it is depends on the index: any of them.
        Op::Gather { .. } if position == 0 => place.moved(|at, by| Some((at.checked_sub(1)?, by))),
        Op::Gather { .. } => place,
        Op::Scatter { .. } if position == 1 => place.moved(|at, by| Some((at + 1, by))),
        Op::Scatter { .. } => place,
        Op::AxisReduce { axes, .. } => across(place, *axes, apart)?,
        Op::Shift { axis, .. } | Op::At { axis, .. } | Op::Place { axis, .. } if position == 0 => {
            across(place, Domain::of(*axis), apart)?
        }
        Op::Shift { .. } | Op::At { .. } | Op::Place { .. } => place,
    };
    (scalar || place.axes.iter().any(Option::is_some)).then_some(place)
}

// A value that mixes steps of other axes, or examples, mixes all that it holds.
fn across(place: Place, axes: Domain, apart: Domain) -> Option<Place> {
    axes.intersect(apart).is_empty().then_some(place)
}
