//! Rebuilding: every pass makes a new graph out of an old one, node by node.
//!
//! **Invariant:** a graph is never edited in place; what a rebuilt graph does not reach is gone.

use crate::axis::AxisId;
use crate::builder::Builder;
use crate::graph::Graph;
use crate::id::{Id, SideTable};
use crate::node::{Node, NodeId, Type};
use crate::op::Op;
use crate::typing::TypeError;

/// A graph being rebuilt: the new one, and where old nodes went.
pub struct Rebuild<'g> {
    /// The graph that is read.
    pub old: &'g Graph,
    /// The graph that is written.
    pub new: Builder,
    map: SideTable<NodeId, Option<NodeId>>,
    open: Vec<(NodeId, NodeId)>,
}

impl<'g> Rebuild<'g> {
    /// Starts an empty graph with the sizes, axes and files of the old one.
    pub fn new(old: &'g Graph) -> Self {
        Self {
            old,
            new: Builder::extend(Graph::like(old)),
            map: SideTable::filled(None, old.nodes.len()),
            open: Vec::new(),
        }
    }

    /// Where an old node went.
    ///
    /// # Panics
    /// The old node was not visited yet: only operands of the node being visited may be asked for.
    pub fn at(&self, old: NodeId) -> NodeId {
        self.map[old].expect("operands are rebuilt before their users")
    }

    /// The node as it stands, over the new operands. A shift stays open until all nodes are rebuilt.
    ///
    /// # Errors
    /// The new operands break a type rule.
    pub fn keep(&mut self, id: NodeId) -> Result<NodeId, TypeError> {
        let Node { op, ty, name, loc } = self.old.nodes[id].clone();
        let new = match op {
            Op::Shift {
                axis,
                by,
                x,
                boundary,
            } => {
                let boundary = boundary.map(|boundary| self.at(boundary));
                self.keep_shift(&ty, (axis, by), x, boundary)?
            }
            mut op => {
                op.map_operands(&mut |operand| self.at(operand));
                self.new.push(op, Some(&ty))?
            }
        };
        self.new.set_origin(new, name, loc);
        Ok(new)
    }

    /// A shift of the old value `x`, of the type given, over a new boundary.
    ///
    /// # Errors
    /// The boundary breaks the rule for shifts.
    pub fn keep_shift(
        &mut self,
        ty: &Type,
        (axis, by): (AxisId, i32),
        x: NodeId,
        boundary: Option<NodeId>,
    ) -> Result<NodeId, TypeError> {
        let new = self.new.open_shift(ty, axis, by, boundary)?;
        self.open.push((new, x));
        Ok(new)
    }

    /// Says where an old node went; a value that varies over less than it did is broadcast.
    ///
    /// # Errors
    /// The new value is not of the old shape.
    pub fn put(&mut self, old: NodeId, new: NodeId) -> Result<(), TypeError> {
        let Node { ty, name, loc, .. } = &self.old.nodes[old];
        if self.new.shape(new) != &ty.shape {
            let (left, right) = (ty.shape.clone(), self.new.shape(new).clone());
            return Err(TypeError::ShapeMismatch {
                op: "rewrite",
                left,
                right,
            });
        }
        let new = self.new.broadcast(new, ty.domain)?;
        self.new.set_origin(new, name.clone(), *loc);
        self.map[old] = Some(new);
        Ok(())
    }

    /// Closes the shifts and carries the results over. To be called when every node was put.
    ///
    /// # Errors
    /// A shifted value changed its type.
    pub fn close(&mut self) -> Result<(), TypeError> {
        for (shift, x) in std::mem::take(&mut self.open) {
            let value = self.at(x);
            self.new.close(shift, value)?;
        }
        for result in &self.old.results {
            let node = self.at(result.node);
            self.new
                .result(result.kind.clone(), result.name.clone(), node);
        }
        Ok(())
    }

    /// The new graph, without what no result depends on.
    pub fn finish(self) -> Graph {
        drop_unreachable(self.new.finish())
    }
}

/// Rebuilds a graph: `visit` makes the new node for each old one, in order, and the results follow.
///
/// # Errors
/// A rewrite that breaks a type rule.
pub fn rebuild(
    old: &Graph,
    mut visit: impl FnMut(&mut Rebuild<'_>, NodeId) -> Result<NodeId, TypeError>,
) -> Result<Graph, TypeError> {
    let mut state = Rebuild::new(old);
    for id in old.nodes.ids() {
        let new = visit(&mut state, id)?;
        state.put(id, new)?;
    }
    state.close()?;
    Ok(state.finish())
}

/// Which nodes the results depend on.
pub fn reachable(graph: &Graph) -> SideTable<NodeId, bool> {
    let mut live = SideTable::filled(false, graph.nodes.len());
    let mut work: Vec<NodeId> = graph.results.iter().map(|result| result.node).collect();
    while let Some(id) = work.pop() {
        if !std::mem::replace(&mut live[id], true) {
            graph.nodes[id]
                .op
                .each_operand(|operand| work.push(operand));
        }
    }
    live
}

/// Drops what no result depends on. Declared inputs and parameters stay: they are the model's signature.
pub fn drop_unreachable(graph: Graph) -> Graph {
    let live = reachable(&graph);
    let keep = |id: NodeId, node: &Node| match &node.op {
        Op::Input { role, .. } => live[id] || role.is_declared(),
        op => live[id] || matches!(op, Op::Param { .. }),
    };
    let mut map = SideTable::filled(NodeId::OPEN, graph.nodes.len());
    let mut next = 0;
    for (id, node) in graph.nodes.iter() {
        if keep(id, node) {
            map[id] = NodeId::from_index(next);
            next += 1;
        }
    }
    let mut out = Graph::like(&graph);
    for (id, node) in graph.nodes.iter() {
        if keep(id, node) {
            let mut node = node.clone();
            node.op.map_operands(&mut |operand| map[operand]);
            out.nodes.push(node);
        }
    }
    out.results = graph.results.clone();
    for result in &mut out.results {
        result.node = map[result.node];
    }
    out
}
