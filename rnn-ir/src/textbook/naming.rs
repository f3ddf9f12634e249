//! Decides which nodes have a line of their own, what they are called, and which boundaries need a line.
//!
//! **Invariant:** every cycle passes through a name, no expression that stands for itself is deeper than
//! [`MAX_DEPTH`], and names are unique.

use super::render::Index;
use super::view::{View, resolve, same, view};
use crate::axis::AxisId;
use crate::graph::{Graph, ResultKind};
use crate::id::SideTable;
use crate::node::NodeId;
use crate::op::{Binary, Op, Over, Position, Reduction, Unary};
use std::collections::{BTreeMap, HashSet};

/// How deep an expression may be before a part of it gets a name.
const MAX_DEPTH: usize = 40;

/// A place outside an axis: `h[0]`, `h[-1]`, `h[T+1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outside {
    pub(super) axis: AxisId,
    /// How many steps outside: negative before the first, positive after the last.
    pub(super) by: i64,
}

impl Outside {
    /// The index of the place.
    pub(super) fn index(self) -> Index {
        if self.by < 0 {
            Index::At(Position::First, self.by)
        } else {
            Index::At(Position::Last, self.by)
        }
    }
}

/// Shifts in one direction along one axis, one after the other: `h[t-2]`.
pub(super) struct Chain {
    pub(super) base: NodeId,
    pub(super) axis: AxisId,
    pub(super) by: i64,
    /// What each step outside holds, nearest first.
    pub(super) outside: Vec<Option<NodeId>>,
}

/// The names of a graph's equations.
pub(super) struct Naming<'g> {
    pub(super) graph: &'g Graph,
    names: SideTable<NodeId, Option<String>>,
    // Nodes that get a name when they are come to: shifted before they are defined, repeated along the axis of the
    // shift, or with a boundary.
    forced: HashSet<NodeId>,
    boundaries: BTreeMap<(NodeId, Outside), Option<NodeId>>,
}

impl<'g> Naming<'g> {
    /// Names what needs a name.
    pub(super) fn of(graph: &'g Graph) -> Self {
        let mut naming = Self {
            graph,
            names: SideTable::filled(None, graph.nodes.len()),
            forced: HashSet::new(),
            boundaries: BTreeMap::new(),
        };
        let mut taken = HashSet::new();
        for (id, node) in graph.nodes.iter() {
            let name = match &node.op {
                Op::Input { name, .. } | Op::Param { name, .. } => Some(name),
                _ => node.name.as_ref(),
            };
            if let Some(name) = name {
                naming.names[id] = Some(unique(&mut taken, name));
            }
        }
        for result in &graph.results {
            let node = resolve(graph, result.node);
            if naming.names[node].is_none() {
                let name = match result.kind {
                    ResultKind::Output | ResultKind::Loss | ResultKind::BatchLoss => {
                        result.name.clone()
                    }
                    ResultKind::Gradient => format!("d_{}", result.name),
                    ResultKind::State => format!("{}_last", result.name),
                };
                naming.names[node] = Some(unique(&mut taken, &name));
            }
        }
        naming.find_boundaries();
        naming.name_shared(&mut taken);
        naming
    }

    /// The name of a node that has one.
    pub(super) fn name(&self, id: NodeId) -> Option<&str> {
        self.names[id].as_deref()
    }

    fn is_or_will_be_named(&self, id: NodeId) -> bool {
        self.names[id].is_some() || self.forced.contains(&id)
    }

    /// Whether a node has a line of its own.
    pub(super) fn is_equation(&self, id: NodeId) -> bool {
        let op = &self.graph.nodes[id].op;
        self.names[id].is_some() && !matches!(op, Op::Input { .. } | Op::Param { .. })
    }

    /// The values of a node outside its axes that are not zero.
    pub(super) fn boundaries_of(&self, id: NodeId) -> impl Iterator<Item = (Outside, NodeId)> {
        let at = |by| Outside {
            axis: AxisId::BATCH,
            by,
        };
        self.boundaries
            .range((id, at(i64::MIN))..)
            .take_while(move |((node, _), _)| *node == id)
            .filter_map(|((_, outside), value)| value.map(|value| (*outside, value)))
    }

    /// Whether the shifts of a chain hold what the lines say about the places outside.
    pub(super) fn agrees(&self, chain: &Chain) -> bool {
        chain.outside.iter().zip(1i64..).all(|(value, steps)| {
            let outside = Outside {
                axis: chain.axis,
                by: steps * chain.by.signum(),
            };
            let said = self.boundaries.get(&(chain.base, outside));
            self.alike(*value, said.copied().flatten())
        })
    }

    // Whether two boundaries are the same value, as far as one can see.
    fn alike(&self, a: Option<NodeId>, b: Option<NodeId>) -> bool {
        let (Some(a), Some(b)) = (a, b) else {
            return a.is_none() && b.is_none();
        };
        let (a, b) = (resolve(self.graph, a), resolve(self.graph, b));
        let op = |id: NodeId| &self.graph.nodes[id].op;
        a == b || matches!((op(a), op(b)), (Op::Const(a), Op::Const(b)) if a == b)
    }

    /// The shifts that end in `id`, which is one.
    pub(super) fn chain(&self, id: NodeId) -> Option<Chain> {
        let Op::Shift { axis, by, .. } = self.graph.nodes[id].op else {
            return None;
        };
        let mut links = Vec::new();
        let (mut base, mut total) = (id, 0i64);
        while let Op::Shift {
            axis: along,
            by: steps,
            x,
            boundary,
        } = self.graph.nodes[base].op
        {
            let own_line = base != id && self.names[base].is_some();
            if own_line
                || along != axis
                || steps.signum() != by.signum()
                || links.len() == MAX_DEPTH
            {
                break;
            }
            let zero = |id: &NodeId| {
                let op = &self.graph.nodes[resolve(self.graph, *id)].op;
                matches!(op, Op::Const(number) if number.0 == 0.0)
            };
            links.push((steps, boundary.filter(|boundary| !zero(boundary))));
            total += i64::from(steps);
            let operand = resolve(self.graph, x);
            // A value that is repeated along the axis ends where the axis does.
            let varies = self.graph.nodes[operand].ty.domain.contains(axis);
            base = if varies { operand } else { x };
            if base == id || !varies {
                break;
            }
        }
        let mut outside = Vec::new();
        for (steps, boundary) in links.into_iter().rev() {
            match boundary {
                Some(boundary) => outside.push(Some(boundary)),
                None if steps.unsigned_abs() as usize > MAX_DEPTH => outside.push(None),
                None => outside.extend(vec![None; steps.unsigned_abs() as usize]),
            }
        }
        Some(Chain {
            base,
            axis,
            by: total,
            outside,
        })
    }

    fn find_boundaries(&mut self) {
        for id in self.graph.nodes.ids() {
            let Some(chain) = self.chain(id) else {
                continue;
            };
            for (value, steps) in chain.outside.iter().zip(1i64..) {
                let outside = Outside {
                    axis: chain.axis,
                    by: steps * chain.by.signum(),
                };
                let said = self.boundaries.entry((chain.base, outside)).or_default();
                *said = said.or(*value);
            }
        }
        self.boundaries.retain(|_, value| value.is_some());
    }

    /// What the expression of a node mentions, besides boundaries.
    fn mentions(&self, id: NodeId) -> Vec<NodeId> {
        let mentioned = match view(self.graph, id) {
            View::Same(x)
            | View::MeanOver(_, x)
            | View::SoftmaxOver(_, x)
            | View::LogSumExpOver(_, x)
            | View::Mean(x) => vec![x],
            View::CrossEntropy(logits, target) => vec![logits, target],
            View::Plain => match &self.graph.nodes[id].op {
                Op::Shift { .. } => self.chain(id).map(|chain| chain.base).into_iter().collect(),
                Op::At { x, .. } => vec![*x],
                op => op.operands(),
            },
        };
        let resolved = mentioned.into_iter().map(|id| {
            if self.names[id].is_some() {
                id
            } else {
                resolve(self.graph, id)
            }
        });
        resolved.collect()
    }

    // Counts mentions from the lines that are certain, and names what would stand in two lines, break a cycle, or is
    // shifted and would not be zero where the shift is.
    fn name_shared(&mut self, taken: &mut HashSet<String>) {
        let graph = self.graph;
        let mut uses = SideTable::filled(0usize, graph.nodes.len());
        let mut seen = SideTable::filled(false, graph.nodes.len());
        let mut work: Vec<NodeId> = graph
            .nodes
            .ids()
            .filter(|id| self.names[*id].is_some())
            .collect();
        for ((base, _), value) in &self.boundaries {
            work.push(*base);
            if let Some(value) = value {
                let value = resolve(graph, *value);
                uses[value] += 1;
                work.push(value);
            }
        }
        while let Some(id) = work.pop() {
            if std::mem::replace(&mut seen[id], true) {
                continue;
            }
            for mentioned in self.mentions(id) {
                uses[mentioned] += 1;
                work.push(mentioned);
            }
        }

        self.forced = self.boundaries.keys().map(|(base, _)| *base).collect();
        for id in graph.nodes.ids().filter(|id| seen[*id]) {
            if let Some(chain) = self.chain(id) {
                let repeated = same(graph, chain.base).is_some();
                if chain.base >= id || repeated {
                    self.forced.insert(chain.base);
                }
            }
        }
        let mut depth = SideTable::filled(0usize, graph.nodes.len());
        let mut trivial = SideTable::filled(false, graph.nodes.len());
        let mut count = 0;
        for id in graph.nodes.ids().filter(|id| seen[*id]) {
            if self.names[id].is_some() {
                trivial[id] = true;
                continue;
            }
            if let Some(chain) = self.chain(id)
                && self.names[chain.base].is_none()
                && !self.forced.contains(&chain.base)
                && !self.vanishes(chain.base, chain.axis, chain.by, 0)
            {
                // The base is earlier, and had no need of a name until now.
                count += 1;
                self.names[chain.base] = Some(unique(taken, &format!("s{count}")));
                trivial[chain.base] = true;
                depth[chain.base] = 0;
            }
            let parts = self.mentions(id);
            let simple = |id: &NodeId| trivial[*id] || self.is_or_will_be_named(*id);
            trivial[id] = match &graph.nodes[id].op {
                Op::Const(_) | Op::Step(_) | Op::Length(_) => true,
                Op::Shift { .. }
                | Op::At { .. }
                | Op::Transpose(_)
                | Op::Slice { .. }
                | Op::Gather { .. } => parts.iter().all(simple),
                _ => false,
            };
            let deepest = parts
                .iter()
                .filter(|part| self.names[**part].is_none() && **part < id)
                .map(|part| depth[*part])
                .max();
            depth[id] = 1 + deepest.unwrap_or(0);
            let shared = uses[id] > 1 && !trivial[id];
            if self.forced.contains(&id) || shared || depth[id] > MAX_DEPTH {
                count += 1;
                self.names[id] = Some(unique(taken, &format!("s{count}")));
                trivial[id] = true;
                depth[id] = 0;
            }
        }
    }

    // Whether an expression is zero wherever its index, moved by `by` along the axis, is outside it; `inner` is how far
    // the shifts inside the expression have moved it on. A name is zero outside its axis, unless it has a boundary.
    fn vanishes(&self, id: NodeId, axis: AxisId, by: i64, inner: i64) -> bool {
        let id = if self.names[id].is_some() {
            id
        } else {
            resolve(self.graph, id)
        };
        let node = &self.graph.nodes[id];
        if !node.ty.domain.contains(axis) {
            return false;
        }
        if self.is_or_will_be_named(id) {
            // At least as far outside as the index itself.
            let outside = if by < 0 { inner <= 0 } else { inner >= 0 };
            let side =
                |outside: &Outside| outside.axis == axis && outside.by.signum() == by.signum();
            return outside && !self.boundaries_of(id).any(|(outside, _)| side(&outside));
        }
        let zero = |id: &NodeId| self.vanishes(*id, axis, by, inner);
        match &node.op {
            Op::Unary(unary, x) => match unary {
                Unary::Neg
                | Unary::Abs
                | Unary::Sign
                | Unary::Sqrt
                | Unary::Sin
                | Unary::Tanh
                | Unary::Relu => zero(x),
                Unary::Exp | Unary::Ln | Unary::Cos | Unary::Sigmoid | Unary::Softplus => false,
            },
            Op::Binary(binary, a, b) => match binary {
                Binary::Add | Binary::Sub | Binary::Min | Binary::Max => zero(a) && zero(b),
                Binary::Mul => zero(a) || zero(b),
                // Nothing divided by nothing is not nothing.
                Binary::Div => zero(a) && !self.graph.nodes[*b].ty.domain.contains(axis),
            },
            Op::MatMul(a, b) | Op::Outer(a, b) => zero(a) || zero(b),
            Op::Select(_, then, otherwise) => zero(then) && zero(otherwise),
            Op::StopGradient(x)
            | Op::Transpose(x)
            | Op::Expand { x, .. }
            | Op::Slice { x, .. }
            | Op::Pad { x, .. }
            | Op::Scatter { x, .. }
            | Op::Gather { table: x, .. }
            | Op::Reduce {
                kind: Reduction::Sum | Reduction::Max,
                x,
                ..
            }
            | Op::AxisReduce {
                kind: Over::Sum, x, ..
            } => zero(x),
            Op::Concat { parts, .. } => parts.iter().all(zero),
            Op::Shift { axis: along, .. } => match self.chain(id) {
                Some(chain) if *along == axis => {
                    self.vanishes(chain.base, axis, by, inner + chain.by)
                }
                Some(chain) => self.vanishes(chain.base, axis, by, inner),
                None => false,
            },
            Op::Input { .. }
            | Op::Param { .. }
            | Op::Const(_)
            | Op::Step(_)
            | Op::Length(_)
            | Op::Compare(..)
            | Op::Reduce {
                kind: Reduction::LogSumExp,
                ..
            }
            | Op::Softmax(_)
            | Op::ArgMax(_)
            | Op::Broadcast { .. }
            | Op::AxisReduce {
                kind: Over::Max, ..
            }
            | Op::At { .. }
            | Op::Place { .. } => false,
        }
    }
}

// The name, or the name with the first number behind it that makes it new.
fn unique(taken: &mut HashSet<String>, name: &str) -> String {
    let mut candidate = name.to_owned();
    let mut next = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}_{next}");
        next += 1;
    }
    candidate
}
