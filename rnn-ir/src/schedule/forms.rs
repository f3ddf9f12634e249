//! What each node is to a loop program: given, computed, or only another way to look at a value.
//!
//! `x[t-1]`, a slice, a transpose or a broadcast move no data: they say where to read. A kernel that can not read a
//! value that way (a product cannot, when the steps of `x[t+1]` end at different places for different rows) needs it as
//! a copy; such a view is *materialised*, and then is a pointwise node like any other.
//!
//! **Invariant:** [`Forms::root`] of a computed node is itself, and of a view it is what the view finally looks at.

use crate::axis::{AxisId, Domain, Extent};
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::{NodeId, Type};
use crate::op::{Binary, Op, Over, Position, Reduction};

/// What a node is to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Given from outside: an input, a parameter, a constant.
    Source,
    /// Another way to look at its operand.
    View,
    /// Computed element by element, together with its neighbours.
    Pointwise,
    /// Computed by a kernel of its own.
    Kernel,
    /// Computed inside the kernel of its only user: the outer product, or the product of elements, under a sum.
    Inlined,
}

/// The form of every node of a graph.
#[derive(Clone, Debug)]
pub struct Forms {
    forms: SideTable<NodeId, Form>,
}

impl std::ops::Index<NodeId> for Forms {
    type Output = Form;
    fn index(&self, id: NodeId) -> &Form {
        &self.forms[id]
    }
}

/// How a kernel reads an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// Row by row, at any place, but with neighbouring features side by side (or one for all).
    Rows,
    /// Many rows at once: the same step for all of them, features side by side.
    Block,
    /// The same, or one feature for all.
    Factor,
    /// Many rows at once, features at any stride.
    Strided,
}

impl Read {
    /// The axes along which another step than the reader's own is read.
    pub fn elsewhere(&self) -> Domain {
        self.back.union(self.ahead).union(self.whole)
    }
}

impl Forms {
    /// Classifies the nodes, and materialises the views that a user cannot read as they are.
    pub fn new(graph: &Graph) -> Self {
        let mut forms = Self::as_they_are(graph);
        forms.inline_under_sums(graph);
        forms.materialise(graph);
        forms
    }

    /// As [`new`](Self::new), with a copy of every value that is read at one step of a time axis, so that nobody needs the
    /// other steps for it.
    pub fn with_ends(graph: &Graph) -> Self {
        let mut forms = Self::as_they_are(graph);
        forms.inline_under_sums(graph);
        for (id, node) in graph.nodes.iter() {
            let end = matches!(node.op, Op::At { .. });
            if end && forms[forms.root(graph, id)] != Form::Source {
                forms.forms[id] = Form::Pointwise;
            }
        }
        forms.materialise(graph);
        forms
    }

    // What each node is by its op.
    fn as_they_are(graph: &Graph) -> Self {
        let mut forms = SideTable::filled(Form::Kernel, graph.nodes.len());
        for (id, node) in graph.nodes.iter() {
            forms[id] = match &node.op {
                Op::Input { .. } | Op::Param { .. } | Op::Const(_) => Form::Source,
                Op::Broadcast { .. }
                | Op::StopGradient(_)
                | Op::Slice { .. }
                | Op::Expand { .. }
                | Op::Transpose(_)
                | Op::Shift { .. }
                | Op::At { .. }
                | Op::Place { .. } => Form::View,
                Op::Unary(..)
                | Op::Binary(..)
                | Op::Compare(..)
                | Op::Select(..)
                | Op::Mix(..)
                | Op::Uniform(_)
                | Op::Token(_)
                | Op::Step(_)
                | Op::Length(_) => Form::Pointwise,
                Op::Entries
                | Op::MatMul(..)
                | Op::Outer(..)
                | Op::Reduce { .. }
                | Op::Softmax(_)
                | Op::Concat { .. }
                | Op::Pad { .. }
                | Op::Gather { .. }
                | Op::Scatter { .. }
                | Op::ArgMax(_)
                | Op::AxisReduce { .. } => Form::Kernel,
            };
        }
        Self { forms }
    }

    /// What a view finally looks at; the node itself if it is no view. The boundary of a shift is another root.
    pub fn root(&self, graph: &Graph, mut id: NodeId) -> NodeId {
        while self[id] == Form::View {
            id = viewed(&graph.nodes[id].op).expect("a view looks at an operand");
        }
        id
    }

    /// What a computed node reads: its operands seen through views, and those of the nodes inlined into it.
    pub fn operands(&self, graph: &Graph, id: NodeId) -> Vec<Read> {
        let mut out = Vec::new();
        let whole = match graph.nodes[id].op {
            Op::AxisReduce { axes, .. } => axes,
            _ => Domain::NONE,
        };
        let here = Read {
            node: id,
            back: Domain::NONE,
            ahead: Domain::NONE,
            whole,
        };
        if self[id] == Form::Pointwise && viewed(&graph.nodes[id].op).is_some() {
            self.look_through(graph, here, &mut out);
            return out;
        }
        graph.nodes[id].op.each_operand(|operand| {
            if self[operand] == Form::Inlined {
                let inner = self.operands(graph, operand).into_iter();
                out.extend(inner.map(|read| Read {
                    whole: read.whole.union(whole),
                    ..read
                }));
            } else {
                self.collect_reads(
                    graph,
                    Read {
                        node: operand,
                        ..here
                    },
                    &mut out,
                );
            }
        });
        out
    }

    /// What reading `id` touches: itself, or what it shows.
    pub fn reads_of(&self, graph: &Graph, id: NodeId) -> Vec<Read> {
        let here = Read {
            node: id,
            back: Domain::NONE,
            ahead: Domain::NONE,
            whole: Domain::NONE,
        };
        let mut out = Vec::new();
        self.collect_reads(graph, here, &mut out);
        out
    }

    fn collect_reads(&self, graph: &Graph, read: Read, out: &mut Vec<Read>) {
        if self[read.node] == Form::View {
            self.look_through(graph, read, out);
        } else {
            out.push(read);
        }
    }

    // The reads behind a view.
    fn look_through(&self, graph: &Graph, read: Read, out: &mut Vec<Read>) {
        match &graph.nodes[read.node].op {
            Op::Shift {
                axis,
                by,
                x,
                boundary,
            } => {
                let (mut back, mut ahead) = (read.back, read.ahead);
                if *by < 0 {
                    back = back.with(*axis);
                } else {
                    ahead = ahead.with(*axis);
                }
                self.collect_reads(
                    graph,
                    Read {
                        node: *x,
                        back,
                        ahead,
                        ..read
                    },
                    out,
                );
                if let Some(boundary) = boundary {
                    self.collect_reads(
                        graph,
                        Read {
                            node: *boundary,
                            ..read
                        },
                        out,
                    );
                }
            }
            Op::At {
                axis, x, boundary, ..
            } => {
                let whole = read.whole.with(*axis);
                self.collect_reads(
                    graph,
                    Read {
                        node: *x,
                        whole,
                        ..read
                    },
                    out,
                );
                if let Some(boundary) = boundary {
                    self.collect_reads(
                        graph,
                        Read {
                            node: *boundary,
                            ..read
                        },
                        out,
                    );
                }
            }
            op => op.each_operand(|operand| {
                self.collect_reads(
                    graph,
                    Read {
                        node: operand,
                        ..read
                    },
                    out,
                )
            }),
        }
    }

    /// How far from its own step along an axis a computed node reads others: for each value, the most steps back and the
    /// most steps ahead.
    pub fn reach(&self, graph: &Graph, id: NodeId, axis: AxisId) -> Vec<(NodeId, usize, usize)> {
        let mut out = Vec::new();
        let mut work: Vec<(NodeId, usize, usize)> = Vec::new();
        let own = |work: &mut Vec<_>, id: NodeId, (back, ahead): (usize, usize)| match &graph.nodes
            [id]
            .op
        {
            Op::Shift {
                axis: along,
                by,
                x,
                boundary,
            } => {
                let steps = by.unsigned_abs() as usize * usize::from(*along == axis);
                work.push(match *by < 0 {
                    true => (*x, back + steps, ahead),
                    false => (*x, back, ahead + steps),
                });
                work.extend(boundary.map(|boundary| (boundary, back, ahead)));
            }
            op => op.each_operand(|operand| work.push((operand, back, ahead))),
        };
        own(&mut work, id, (0, 0));
        while let Some((node, back, ahead)) = work.pop() {
            match self[node] {
                Form::View | Form::Inlined => own(&mut work, node, (back, ahead)),
                Form::Source | Form::Pointwise | Form::Kernel => out.push((node, back, ahead)),
            }
        }
        out
    }

    // sum(outer(a, b)) and sum(scatter(i, x)) over all axes that they vary over are kernels: nothing is stored per step.
    fn inline_under_sums(&mut self, graph: &Graph) {
        let mut uses = SideTable::filled(0usize, graph.nodes.len());
        for (_, node) in graph.nodes.iter() {
            node.op.each_operand(|operand| uses[operand] += 1);
        }
        for result in &graph.results {
            uses[result.node] += 1;
        }
        self.inline_products(graph, &uses);
        for (_, node) in graph.nodes.iter() {
            let Op::AxisReduce {
                kind: Over::Sum,
                x,
                axes,
            } = node.op
            else {
                continue;
            };
            let inner = &graph.nodes[x];
            let sums = matches!(inner.op, Op::Outer(..) | Op::Scatter { .. });
            // Without the batch among the axes the sum is each example's own.
            let all = axes == inner.ty.domain && axes.contains(AxisId::BATCH);
            if sums && uses[x] == 1 && all {
                self.forms[x] = Form::Inlined;
            }
        }
    }

    // sum(a * b) over features, and sum[j](a * b) for each example where one of them has one element for all features, or one
    // for each: the product of elements is not stored, if what it multiplies is, or is one element for all.
    fn inline_products(&mut self, graph: &Graph, uses: &SideTable<NodeId, usize>) {
        let mut readers = SideTable::filled(0usize, graph.nodes.len());
        for (id, node) in graph.nodes.iter() {
            if self[id] != Form::View {
                node.op
                    .each_operand(|operand| readers[self.root(graph, operand)] += 1);
            }
        }
        for (_, node) in graph.nodes.iter() {
            let (x, features) = match node.op {
                Op::Reduce {
                    kind: Reduction::Sum,
                    x,
                    ..
                } => (x, true),
                Op::AxisReduce {
                    kind: Over::Sum,
                    x,
                    axes,
                } if !axes.contains(AxisId::BATCH) && axes.time_axes().count() == 1 => (x, false),
                _ => continue,
            };
            let Op::Binary(Binary::Mul, a, b) = graph.nodes[x].op else {
                continue;
            };
            let one = graph.nodes[x].ty.shape.rank() == 1;
            if uses[x] != 1 || !one {
                continue;
            }
            let stored = |id: NodeId| {
                let root = self.root(graph, id);
                match self[root] {
                    Form::Source | Form::Kernel => true,
                    _ => readers[root] > 1,
                }
            };
            let one_for_all = |id: NodeId| {
                let strides = self.strides(graph, id);
                strides.is_some_and(|strides| strides.iter().all(|stride| *stride == 0))
            };
            let fits = match features {
                true => [a, b]
                    .iter()
                    .all(|id| self.readable(graph, *id, Reads::Block) && stored(*id)),
                false => {
                    let blocks = [a, b].map(|id| self.readable(graph, id, Reads::Block));
                    let factors = [a, b].map(|id| self.readable(graph, id, Reads::Factor));
                    // One element a row is little beside the row of products that it saves, and may be stored for that.
                    ((blocks[0] && factors[1]) || (blocks[1] && factors[0]))
                        && [a, b].iter().all(|id| one_for_all(*id) || stored(*id))
                }
            };
            if fits {
                self.forms[x] = Form::Inlined;
            }
        }
    }

    fn materialise(&mut self, graph: &Graph) {
        for result in &graph.results {
            if matches!(self[result.node], Form::View) {
                self.forms[result.node] = Form::Pointwise;
            }
        }
        // Until nothing changes: a copy is itself a reader.
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for (_, node) in graph.nodes.iter() {
                // Both branches of a boundary have to lie alike: packed, where they would not.
                let (Op::Shift {
                    x,
                    boundary: Some(boundary),
                    ..
                }
                | Op::At {
                    x,
                    boundary: Some(boundary),
                    ..
                }) = node.op
                else {
                    continue;
                };
                if self.strides(graph, x) != self.strides(graph, boundary) {
                    for branch in [x, boundary] {
                        let packed = packed_strides(&sizes(&graph.nodes[branch].ty));
                        if self[branch] == Form::View && self.strides(graph, branch) != Some(packed)
                        {
                            self.forms[branch] = Form::Pointwise;
                            changed = true;
                        }
                    }
                }
            }
            for (id, node) in graph.nodes.iter() {
                let reads = match self[id] {
                    Form::Source | Form::View => continue,
                    Form::Pointwise => Reads::Rows,
                    Form::Kernel | Form::Inlined => match node.op {
                        Op::MatMul(..) => Reads::Strided,
                        Op::Concat { .. } | Op::Pad { .. } => Reads::Rows,
                        Op::Binary(..) => Reads::Factor,
                        _ => Reads::Block,
                    },
                };
                // A copy of a view reads what the view looks at.
                for operand in node.op.operands() {
                    if self[operand] == Form::View && !self.readable(graph, operand, reads) {
                        self.forms[operand] = Form::Pointwise;
                        changed = true;
                    }
                }
            }
        }
    }

    fn readable(&self, graph: &Graph, id: NodeId, reads: Reads) -> bool {
        let strides = self.strides(graph, id);
        let inner_fits = match (reads, &strides) {
            (_, None) => false,
            (Reads::Strided, _) => true,
            (Reads::Rows, Some(strides)) => strides.last().is_none_or(|stride| *stride <= 1),
            (Reads::Block, Some(strides)) => {
                *strides == packed_strides(&sizes(&graph.nodes[id].ty))
            }
            (Reads::Factor, Some(strides)) => {
                *strides == packed_strides(&sizes(&graph.nodes[id].ty))
                    || strides.iter().all(|stride| *stride == 0)
            }
        };
        inner_fits && (reads == Reads::Rows || self.uniform(graph, id))
    }

    /// Whether a view looks at the same step for every example.
    pub fn uniform(&self, graph: &Graph, id: NodeId) -> bool {
        if self[id] != Form::View {
            return true;
        }
        match &graph.nodes[id].op {
            Op::Shift {
                by,
                x,
                boundary,
                axis,
            } => {
                let fixed = matches!(graph.axes[*axis].extent, Extent::Fixed(_));
                (*by < 0 || fixed)
                    && self.uniform(graph, *x)
                    && boundary.is_none_or(|boundary| self.uniform(graph, boundary))
            }
            Op::At {
                axis,
                position,
                x,
                boundary,
            } => {
                let fixed = matches!(graph.axes[*axis].extent, Extent::Fixed(_));
                fixed
                    && *position != Position::Last
                    && self.uniform(graph, *x)
                    && boundary.is_none_or(|boundary| self.uniform(graph, boundary))
            }
            Op::Place { .. } => false,
            op => viewed(op).is_none_or(|x| self.uniform(graph, x)),
        }
    }

    /// How far apart neighbours are along each feature axis, in elements, when `id` is read where its root is stored;
    /// `None` when the two branches of a boundary lie differently.
    pub fn strides(&self, graph: &Graph, id: NodeId) -> Option<Vec<usize>> {
        if self[id] == Form::View {
            self.view_strides(graph, id)
        } else {
            Some(packed_strides(&sizes(&graph.nodes[id].ty)))
        }
    }

    /// The same for what a view shows, whether or not the view is also stored.
    pub fn view_strides(&self, graph: &Graph, id: NodeId) -> Option<Vec<usize>> {
        match &graph.nodes[id].op {
            Op::Expand { x, at, .. } => {
                let mut strides = self.strides(graph, *x)?;
                strides.insert(*at, 0);
                Some(strides)
            }
            Op::Transpose(x) => {
                let mut strides = self.strides(graph, *x)?;
                strides.reverse();
                Some(strides)
            }
            Op::Shift { x, boundary, .. } | Op::At { x, boundary, .. } => {
                let strides = self.strides(graph, *x)?;
                match boundary {
                    Some(boundary) if self.strides(graph, *boundary)? != strides => None,
                    _ => Some(strides),
                }
            }
            op => self.strides(graph, viewed(op)?),
        }
    }
}

/// A computed node or source that another reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// What is read.
    pub node: NodeId,
    /// The axes along which an earlier step is read.
    pub back: Domain,
    /// The axes along which a later step is read.
    pub ahead: Domain,
    /// The axes along which all steps, or one fixed step, are read.
    pub whole: Domain,
}

/// The operand that an op of another look shows.
pub fn viewed(op: &Op) -> Option<NodeId> {
    match op {
        Op::Broadcast { x, .. }
        | Op::StopGradient(x)
        | Op::Slice { x, .. }
        | Op::Expand { x, .. }
        | Op::Transpose(x)
        | Op::Shift { x, .. }
        | Op::At { x, .. }
        | Op::Place { x, .. } => Some(*x),
        _ => None,
    }
}

/// The sizes of a bound type.
pub fn sizes(ty: &Type) -> Vec<usize> {
    ty.shape
        .sizes()
        .expect("the graph is bound before it is scheduled")
}

/// Row-major strides, in elements.
pub fn packed_strides(sizes: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; sizes.len()];
    for at in (1..sizes.len()).rev() {
        strides[at - 1] = strides[at].saturating_mul(sizes[at]);
    }
    strides
}
