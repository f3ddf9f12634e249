//! The contract of the IR. [`verify`] is the only maker of [`Verified`]; every later stage takes nothing else, and does
//! not panic on it.
//!
//! Of the whole graph:
//!
//! 1. Size parameters are identifiers, each declared once. The files of places are declared.
//! 2. The first axis is the batch, of no fixed extent; there are at most [`MAX_AXES`] axes; their names are
//!    identifiers, each used once; a fixed extent is at least one step.
//! 3. No two inputs or parameters have one name.
//! 4. Results have values, and no two of one kind have one name. There is at most one loss: a real scalar for each
//!    example. There is at most one batch loss: a real scalar. A running result has the name and the type of a running
//!    parameter.
//! 5. Every cycle of equations passes through a shift (which rule 6 implies) and can be evaluated: along some axis
//!    over which all of its members vary, all of its shifts look the same way, and without those shifts what is left
//!    of it can be evaluated too ([`crate::components`]).
//!
//! Of every node:
//!
//! 6. Its operands exist and come before it, save for what a shift shifts, which exists.
//! 7. The axes of its type and of its op are axes of the graph; an op about time is about a time axis; a reduction or
//!    a broadcast over axes is over at least one; steps are counted from 1; no shift is by more than [`MAX_SHIFT`].
//! 8. Its type is what [`crate::typing`] computes from its operands. A shift may vary over more axes than that, since
//!    it was typed before its operand was known.
//! 9. The names in its sizes are declared size parameters, and a constant size is at least 1 (zeros put around a value
//!    by `pad`: at least 0).
//! 10. A constant index is a whole number from 0 to 2^32 - 1, a constant truth value is 0 or 1.
//! 11. The `fresh` input is a truth value, the `weight` input a real scalar.
//! 12. A token that it makes, a constant or the position of a largest element, is below every size that it indexes, where both are
//!     known ([`crate::tokens`]).
//!
//! **Invariant:** all violations are reported, in the order of the nodes; the evaluation rule is asked last, when the
//! others hold.

use crate::axis::{AxisId, Domain, Extent, MAX_AXES};
use crate::bind::map_dims;
use crate::components::{dependences, stuck};
use crate::dim::Dim;
use crate::graph::{Graph, ResultKind, Verified};
use crate::id::{Id, SideTable};
use crate::node::{DType, Node, NodeId, Type};
use crate::op::{Op, ParamKind, Position, Role};
use crate::text::{TypeText, is_identifier};
use crate::tokens::{largest_made, limits};
use crate::typing::{TypeError, infer};
use std::collections::{HashMap, HashSet};

#[cfg(test)]
mod tests;
mod violation;

pub use violation::{Rule, Violation};

/// The furthest a shift looks, in steps.
pub const MAX_SHIFT: i32 = 1 << 20;

// How many shifts of a cycle are reported.
const MAX_READS: usize = 12;

/// Checks a graph against the contract above.
///
/// # Errors
/// Every violation.
pub fn verify(graph: Graph) -> Result<Verified, Vec<Violation>> {
    let found = violations(&graph);
    if found.is_empty() {
        Ok(Verified(graph))
    } else {
        Err(found)
    }
}

/// Every violation of the contract, in order; none for a graph that [`verify`] accepts.
pub fn violations(graph: &Graph) -> Vec<Violation> {
    let mut check = Check {
        graph,
        declared: graph.sizes.iter().map(String::as_str).collect(),
        found: Vec::new(),
        equations: None,
    };
    check.sizes();
    check.axes();
    check.names();
    for id in graph.nodes.ids() {
        check.node(id);
    }
    check.results();
    if check.found.is_empty() {
        check.tokens();
    }
    if check.found.is_empty() {
        for component in stuck(graph) {
            let rule = Rule::Unevaluable {
                reads: check.delays(&component),
            };
            check.report(component.first().copied(), rule);
        }
    }
    check.found
}

struct Check<'g> {
    graph: &'g Graph,
    declared: HashSet<&'g str>,
    found: Vec<Violation>,
    equations: Option<SideTable<NodeId, Option<NodeId>>>,
}

impl Check<'_> {
    fn report(&mut self, node: Option<NodeId>, rule: Rule) {
        let named = node.and_then(|id| self.equation_of(id));
        let name_of = |id: NodeId| self.graph.nodes[id].name.clone();
        let loc_of = |id: NodeId| self.graph.nodes[id].loc;
        let loc = node.and_then(loc_of).or_else(|| named.and_then(loc_of));
        self.found.push(Violation {
            node,
            equation: named.and_then(name_of),
            loc,
            file: loc.and_then(|loc| self.graph.file(loc).map(str::to_owned)),
            rule,
        });
    }

    // The named node that a node is, or is part of: the first named one among its users and their users.
    fn equation_of(&mut self, id: NodeId) -> Option<NodeId> {
        let graph = self.graph;
        let equations = self.equations.get_or_insert_with(|| {
            let mut table = SideTable::filled(None, graph.nodes.len());
            for (id, node) in graph.nodes.iter().rev() {
                if node.name.is_some() {
                    table[id] = Some(id);
                }
                let equation = table[id];
                if equation.is_none() {
                    continue;
                }
                for operand in node.op.earlier_operands() {
                    if operand < id && graph.nodes[operand].name.is_none() {
                        table[operand] = equation;
                    }
                }
            }
            table
        });
        equations[id]
    }

    fn sizes(&mut self) {
        let mut seen = HashSet::new();
        for size in &self.graph.sizes {
            if !is_identifier(size) {
                let name = size.clone();
                self.report(None, Rule::NotAnIdentifier { what: "size", name });
            }
            if !seen.insert(size) {
                self.report(None, Rule::DuplicateSize { name: size.clone() });
            }
        }
    }

    fn axes(&mut self) {
        let graph = self.graph;
        let first = graph.axes.get(AxisId::BATCH);
        if !first
            .is_some_and(|axis| axis.name == "batch" && matches!(axis.extent, Extent::Length(_)))
        {
            let found = first.map_or("no axis".into(), |axis| format!("axis `{}`", axis.name));
            self.report(None, Rule::NoBatchAxis { found });
        }
        if graph.axes.len() > MAX_AXES {
            let found = graph.axes.len();
            self.report(None, Rule::TooManyAxes { found });
        }
        let mut seen = HashSet::new();
        for (_, axis) in graph.axes.iter() {
            let length = match &axis.extent {
                Extent::Length(length) => Some(length),
                Extent::Fixed(_) => None,
            };
            for name in std::iter::once(&axis.name).chain(length) {
                if !is_identifier(name) {
                    let name = name.clone();
                    self.report(None, Rule::NotAnIdentifier { what: "axis", name });
                }
            }
            if !seen.insert(&axis.name) {
                let name = axis.name.clone();
                self.report(None, Rule::DuplicateAxis { name });
            }
            if axis.extent == Extent::Fixed(0) {
                let name = axis.name.clone();
                self.report(None, Rule::EmptyAxis { name });
            }
        }
    }

    fn names(&mut self) {
        let mut seen: HashMap<&str, NodeId> = HashMap::new();
        for (id, node) in self.graph.nodes.iter() {
            let (Op::Input { name, .. } | Op::Param { name, .. }) = &node.op else {
                continue;
            };
            if let Some(first) = seen.get(name.as_str()).copied() {
                let name = name.clone();
                self.report(Some(id), Rule::DuplicateName { name, first });
            } else {
                seen.insert(name, id);
            }
        }
    }

    fn node(&mut self, id: NodeId) {
        let graph = self.graph;
        let node = &graph.nodes[id];
        let operands = self.operands(id, node);
        let axes = self.axes_of(id, node);
        self.dims(id, node);
        self.source(id, node);
        if let Some(file) = node.loc.and_then(|loc| loc.file)
            && graph.files.get(file).is_none()
        {
            let count = graph.files.len();
            self.report(Some(id), Rule::UnknownFile { file, count });
        }
        if operands && axes {
            self.typing(id, node);
        }
    }

    fn operands(&mut self, id: NodeId, node: &Node) -> bool {
        let before = self.found.len();
        for dependence in dependences(self.graph, id) {
            let operand = dependence.operand;
            let shifted = dependence.delay.is_some();
            if shifted && operand == NodeId::OPEN {
                self.report(Some(id), Rule::OpenShift);
            } else if self.graph.nodes.get(operand).is_none() {
                let nodes = self.graph.nodes.len();
                self.report(Some(id), Rule::MissingOperand { operand, nodes });
            } else if !shifted && operand >= id {
                self.report(Some(id), Rule::LateOperand { operand });
            }
        }
        if let Op::Shift { by, .. } = node.op
            && by.unsigned_abs() > MAX_SHIFT.unsigned_abs()
        {
            self.report(Some(id), Rule::FarShift { by });
        }
        self.found.len() == before
    }

    fn axes_of(&mut self, id: NodeId, node: &Node) -> bool {
        let before = self.found.len();
        let known: Domain = (0..self.graph.axes.len().min(MAX_AXES))
            .map(AxisId::from_index)
            .collect();
        let mut mentioned = node.ty.domain;
        match &node.op {
            Op::Step(axis)
            | Op::Length(axis)
            | Op::Shift { axis, .. }
            | Op::At { axis, .. }
            | Op::Place { axis, .. } => {
                if !axis.is_time() {
                    self.report(Some(id), Rule::NotTime);
                } else if axis.index() >= self.graph.axes.len().min(MAX_AXES) {
                    self.report(Some(id), Rule::UnknownAxis { axis: *axis });
                }
            }
            Op::Broadcast { axes, .. } | Op::AxisReduce { axes, .. } => {
                if axes.is_empty() {
                    self.report(Some(id), Rule::NoAxes);
                }
                mentioned = mentioned.union(*axes);
            }
            _ => {}
        }
        for axis in mentioned.minus(known).axes() {
            self.report(Some(id), Rule::UnknownAxis { axis });
        }
        if let Op::At { position, .. } | Op::Place { position, .. } = node.op
            && position == Position::Step(0)
        {
            self.report(Some(id), Rule::StepZero);
        }
        self.found.len() == before
    }

    fn dims(&mut self, id: NodeId, node: &Node) {
        let mut dims: Vec<(Dim, i64)> =
            node.ty.shape.0.iter().map(|dim| (dim.clone(), 1)).collect();
        let least = match node.op {
            Op::Slice { .. } | Op::Pad { .. } => 0,
            _ => 1,
        };
        // The clone keeps one list of dims for reading and for binding.
        let mapped: Result<(), std::convert::Infallible> =
            map_dims(&mut node.op.clone(), &mut |dim| {
                dims.push((dim.clone(), least));
                Ok(dim.clone())
            });
        let Ok(()) = mapped;
        for (dim, least) in dims {
            if let Some(value) = dim.as_constant()
                && value < least
            {
                self.report(Some(id), Rule::SizeTooSmall { value, least });
            }
            for name in dim.names() {
                if !self.declared.contains(name) {
                    let (name, dim) = (name.to_owned(), dim.clone());
                    self.report(Some(id), Rule::UndeclaredSize { name, dim });
                }
            }
        }
    }

    fn source(&mut self, id: NodeId, node: &Node) {
        let Type { shape, dtype, .. } = &node.ty;
        match &node.op {
            Op::Const(number) => {
                let value = number.0;
                let fits = match dtype {
                    DType::Real => true,
                    DType::Index => {
                        value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)
                    }
                    DType::Bool => value == 0.0 || value == 1.0,
                };
                if !fits {
                    let dtype = *dtype;
                    self.report(Some(id), Rule::ConstantValue { value, dtype });
                }
            }
            Op::Input { name, role } => {
                let expected = match role {
                    Role::Fresh | Role::Teacher | Role::Training => DType::Bool,
                    Role::Weight => DType::Real,
                    Role::Seed(_) => DType::Index,
                    Role::Input | Role::Target | Role::State => return,
                };
                if *dtype != expected || !shape.is_scalar() {
                    let rule = Rule::InputType {
                        name: name.clone(),
                        expected,
                        found: TypeText::of(self.graph, &node.ty),
                    };
                    self.report(Some(id), rule);
                }
            }
            _ => {}
        }
    }

    fn typing(&mut self, id: NodeId, node: &Node) {
        let graph = self.graph;
        let inferred = match infer(&node.op, Some(&node.ty), &|id| &graph.nodes[id].ty) {
            Ok(inferred) => inferred,
            Err(error) => {
                let axis = match error {
                    TypeError::MissingAxis { axis, .. } | TypeError::ExtraAxis { axis, .. } => {
                        graph.axes.get(axis).map(|axis| axis.name.clone())
                    }
                    _ => None,
                };
                return self.report(Some(id), Rule::Typing { error, axis });
            }
        };
        let wide = matches!(node.op, Op::Shift { .. })
            && node.ty.domain.covers(inferred.domain)
            && node.ty.shape == inferred.shape
            && node.ty.dtype == inferred.dtype;
        if node.ty != inferred && !wide {
            let rule = Rule::WrongType {
                declared: TypeText::of(graph, &node.ty),
                inferred: TypeText::of(graph, &inferred),
            };
            self.report(Some(id), rule);
        }
    }

    // Tokens that a caller gives are checked when they are given.
    fn tokens(&mut self) {
        let graph = self.graph;
        let limits = limits(graph);
        for id in graph.nodes.ids() {
            let (Some(limit), Some(largest)) = (limits[id], largest_made(graph, id)) else {
                continue;
            };
            if largest < limit.entries {
                continue;
            }
            let table = self.equation_of(limit.of);
            let table = table.and_then(|table| graph.nodes[table].name.clone());
            let rule = Rule::TokenBeyond {
                made: match graph.nodes[id].op {
                    Op::ArgMax(_) => "a position up to",
                    _ => "token",
                },
                largest,
                table: table.unwrap_or_else(|| limit.of.to_string()),
                entries: limit.entries,
            };
            self.report(Some(id), rule);
        }
    }

    fn results(&mut self) {
        let graph = self.graph;
        let mut seen = HashSet::new();
        let mut counts = HashMap::new();
        for result in &graph.results {
            let kind = result.kind.name();
            let name = result.name.clone();
            if !seen.insert((kind, &result.name)) {
                let name = name.clone();
                self.report(None, Rule::DuplicateResult { kind, name });
            }
            let count: &mut usize = counts.entry(kind).or_default();
            *count += 1;
            let single = matches!(result.kind, ResultKind::Loss | ResultKind::BatchLoss);
            if single && *count == 2 {
                let name = name.clone();
                self.report(None, Rule::SecondLoss { kind, name });
            }
            let Some(node) = graph.nodes.get(result.node) else {
                let operand = result.node;
                self.report(None, Rule::MissingResult { name, operand });
                continue;
            };
            let allowed = match result.kind {
                ResultKind::Loss => Domain::BATCH,
                ResultKind::BatchLoss => Domain::NONE,
                ResultKind::Running => {
                    self.running(&name, result.node);
                    continue;
                }
                ResultKind::Output | ResultKind::Gradient | ResultKind::State => continue,
            };
            let Type {
                domain,
                shape,
                dtype,
            } = &node.ty;
            if *dtype != DType::Real || !shape.is_scalar() || !allowed.covers(*domain) {
                let found = TypeText::of(graph, &node.ty);
                self.report(Some(result.node), Rule::LossType { kind, found });
            }
        }
    }

    // A running result is the next value of the running parameter of its name.
    fn running(&mut self, name: &str, node: NodeId) {
        let graph = self.graph;
        let mut params = graph.params();
        let param = params.find(|(_, known, kind)| *known == name && *kind == ParamKind::Running);
        let rule = match param {
            None => Rule::NotRunning { name: name.into() },
            Some((id, ..)) if graph.nodes[id].ty != graph.nodes[node].ty => Rule::WrongType {
                declared: TypeText::of(graph, &graph.nodes[id].ty),
                inferred: TypeText::of(graph, &graph.nodes[node].ty),
            },
            Some(_) => return,
        };
        self.report(Some(node), rule);
    }

    // `h` reads `b[t+1]`, for each shift inside a component.
    fn delays(&mut self, component: &[NodeId]) -> Vec<String> {
        let graph = self.graph;
        let mut reads = Vec::new();
        for id in component {
            for dependence in dependences(graph, *id) {
                let Some((axis, by)) = dependence.delay else {
                    continue;
                };
                if component.binary_search(&dependence.operand).is_err() {
                    continue;
                }
                let mut name = |id: NodeId| match self.equation_of(id) {
                    Some(named) => graph.nodes[named].name.clone().unwrap_or_default(),
                    None => id.to_string(),
                };
                let (user, operand) = (name(*id), name(dependence.operand));
                let axis = &graph.axes[axis].name;
                let read = format!("`{user}` needs `{operand}[{axis}{by:+}]`");
                if reads.len() == MAX_READS {
                    reads.push("and so on".into());
                    return reads;
                }
                if !reads.contains(&read) {
                    reads.push(read);
                }
            }
        }
        reads
    }
}
