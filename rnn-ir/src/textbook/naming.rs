//! Decides which nodes have a line of their own, what they are called, and which boundaries need a line.
//!
//! **Invariant:** every cycle passes through a name, no expression that stands for itself is deeper than
//! [`MAX_DEPTH`], and names are unique.

use super::boundary::Outside;
use super::view::{View, resolve, same, view};
use crate::components::components;
use crate::graph::{Graph, ResultKind};
use crate::id::{Id, SideTable};
use crate::node::NodeId;
use crate::op::Op;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How deep an expression may be before a part of it gets a name.
const MAX_DEPTH: usize = 40;

/// The names of a graph's equations.
pub(super) struct Naming<'g> {
    pub(super) graph: &'g Graph,
    names: SideTable<NodeId, Option<String>>,
    // Nodes that are going to have a generated name.
    forced: HashSet<NodeId>,
    pub(super) boundaries: BTreeMap<(NodeId, Outside), Option<NodeId>>,
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
        let mut taken = Taken::new();
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
                    ResultKind::Output | ResultKind::Loss => result.name.clone(),
                    ResultKind::BatchLoss => format!("batch_{}", result.name),
                    ResultKind::Gradient => format!("d_{}", result.name),
                    ResultKind::State => format!("{}_last", result.name),
                    ResultKind::Running => format!("{}_next", result.name),
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

    /// Whether a node has a name, or will have one.
    pub(super) fn is_named(&self, id: NodeId) -> bool {
        self.names[id].is_some() || self.forced.contains(&id)
    }

    /// Whether a node has a line of its own.
    pub(super) fn is_equation(&self, id: NodeId) -> bool {
        let op = &self.graph.nodes[id].op;
        self.names[id].is_some() && !matches!(op, Op::Input { .. } | Op::Param { .. })
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
            View::Drawn(drawn) => drawn.operands(),
            View::Plain => match &self.graph.nodes[id].op {
                Op::Shift { .. } => self.chain(id).map(|chain| chain.base).into_iter().collect(),
                Op::At { x, .. } => vec![*x],
                op => op.operands(),
            },
        };
        let resolved = mentioned.into_iter().map(|id| {
            if self.is_named(id) {
                id
            } else {
                resolve(self.graph, id)
            }
        });
        resolved.collect()
    }

    // Names what would stand in two lines, closes a cycle, or is shifted and would not be zero where the shift is.
    fn name_shared(&mut self, taken: &mut Taken) {
        let uses = self.count_uses();
        self.forced = self.boundaries.keys().map(|(base, _)| *base).collect();
        self.break_cycles(&uses);
        self.force_shared(&uses);

        let mut boundary_names = self.boundary_names();
        let mut count = 0;
        for id in self.graph.nodes.ids() {
            if self.names[id].is_some() || !self.forced.contains(&id) {
                continue;
            }
            let name = boundary_names.remove(&id).unwrap_or_else(|| {
                count += 1;
                format!("s{count}")
            });
            self.names[id] = Some(unique(taken, &name));
        }
    }

    // How often each node is mentioned, in the lines that are certain and all that they mention.
    fn count_uses(&self) -> SideTable<NodeId, usize> {
        let graph = self.graph;
        let mut uses = SideTable::filled(0usize, graph.nodes.len());
        let mut work: Vec<NodeId> = Vec::new();
        let named = graph.nodes.ids().filter(|id| self.names[*id].is_some());
        let bases = self.boundaries.keys().map(|(base, _)| *base);
        let values = self.boundaries.values().flatten();
        let values = values.map(|value| resolve(graph, *value));
        for id in named.chain(bases).chain(values) {
            uses[id] += 1;
            work.push(id);
        }
        let mut seen = SideTable::filled(false, graph.nodes.len());
        while let Some(id) = work.pop() {
            if std::mem::replace(&mut seen[id], true) {
                continue;
            }
            for mentioned in self.mentions(id) {
                uses[mentioned] += 1;
                work.push(mentioned);
            }
        }
        uses
    }

    // After this no expression contains itself: along a cycle ids fall, but for some shift of a later value.
    fn break_cycles(&mut self, uses: &SideTable<NodeId, usize>) {
        let named = |id: NodeId| self.names[id].is_some();
        for component in components(self.graph, |dependence| !named(dependence.operand)) {
            for id in &component {
                let Some(chain) = self.chain(*id).filter(|_| uses[*id] > 0) else {
                    continue;
                };
                let repeated = same(self.graph, chain.base).is_some();
                let closes = chain.base >= *id && component.binary_search(&chain.base).is_ok();
                if repeated || closes {
                    self.forced.insert(chain.base);
                }
            }
        }
    }

    // Operands first, so that what is inlined into an expression is settled before the expression is.
    fn force_shared(&mut self, uses: &SideTable<NodeId, usize>) {
        let graph = self.graph;
        let named: Vec<bool> = graph.nodes.ids().map(|id| self.is_named(id)).collect();
        let order = components(graph, |dependence| !named[dependence.operand.index()]);
        let mut depth = SideTable::filled(0usize, graph.nodes.len());
        let mut trivial = SideTable::filled(false, graph.nodes.len());
        for id in order.into_iter().flatten().filter(|id| uses[*id] > 0) {
            if let Some(chain) = self.chain(id)
                && !self.is_named(chain.base)
                && !self.vanishes(chain.base, chain.axis, chain.by, 0)
            {
                self.forced.insert(chain.base);
            }
            let parts = self.mentions(id);
            let simple = |id: &NodeId| trivial[*id] || self.is_named(*id);
            trivial[id] = match &graph.nodes[id].op {
                Op::Const(_) | Op::Step(_) | Op::Length(_) | Op::Entries => true,
                Op::Shift { .. }
                | Op::At { .. }
                | Op::Transpose(_)
                | Op::Slice { .. }
                | Op::Gather { .. } => parts.iter().all(simple),
                _ => false,
            };
            let inlined = parts.iter().filter(|part| !self.is_named(**part));
            depth[id] = 1 + inlined.map(|part| depth[*part]).max().unwrap_or(0);
            let shared = uses[id] > 1 && !trivial[id];
            if self.names[id].is_none() && (shared || depth[id] > MAX_DEPTH) {
                self.forced.insert(id);
            }
        }
    }

    // `h[0]`, for the value of that boundary.
    fn boundary_names(&self) -> HashMap<NodeId, String> {
        let time = |id: NodeId| self.graph.nodes[id].ty.domain.time_axes().count();
        let mut names = HashMap::new();
        for ((base, outside), value) in &self.boundaries {
            let Some(value) = value.map(|value| resolve(self.graph, value)) else {
                continue;
            };
            if self.names[*base].is_some() && time(*base) == 1 && time(value) == 0 {
                names
                    .entry(value)
                    .or_insert_with(|| self.reference(*base, &outside.scope()));
            }
        }
        names
    }
}

// Names in use, and the number to try next behind each.
type Taken = HashMap<String, usize>;

// The name, or the name with the first number behind it that makes it new.
fn unique(taken: &mut Taken, name: &str) -> String {
    let mut candidate = name.to_owned();
    while taken.contains_key(&candidate) {
        let next = taken.entry(name.to_owned()).or_insert(2);
        candidate = format!("{name}_{next}");
        *next += 1;
    }
    taken.insert(candidate.clone(), 2);
    candidate
}
