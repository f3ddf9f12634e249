//! What a whole model must satisfy besides being well typed.
//!
//! **Invariant:** checks here look at the finished graph and report; they never change it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rnn_ir::axis::{AxisId, Domain};
use rnn_ir::feedback::teacher_of;
use rnn_ir::graph::Graph;
use rnn_ir::id::Id;
use rnn_ir::node::NodeId;
use rnn_ir::op::{Op, ParamKind, Role};

use super::causality::{Order, leads_to};
use super::system::{DefId, DefKind, OpenCorner, Outside, System};
use super::term::{Term, TermKind};
use crate::ast::{Item, ItemKind};
use crate::diagnostics::{Diagnostic, Diagnostics, Extent};

/// A result and where it is declared.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) node: NodeId,
    pub(super) extent: Extent,
}

/// Boundaries that nothing reads.
pub(super) fn check_boundaries(
    system: &System<'_>,
    boundaries: &[(DefId, Extent)],
    order: &Order,
    diagnostics: &mut Diagnostics,
) {
    for (def, extent) in boundaries {
        if !order.read.contains(def) {
            let text = &system.defs[*def].text;
            diagnostics.report(
                Diagnostic::new(*extent, format!("`{text}` is given and never read"))
                    .help("values outside an axis are read by a shift, such as `h[t-1]`, or by an end, such as `h[T]`"),
            );
        }
    }
}

/// Reads of what lies outside two axes, where equations say what lies outside each of them and none what lies outside both.
/// Each corner is told once, at the first read.
pub(super) fn check_corners(system: &System<'_>, diagnostics: &mut Diagnostics) {
    let mut told = BTreeSet::new();
    for (_, def) in system.defs.iter() {
        if let DefKind::Equation {
            term: Some(term), ..
        } = &def.kind
        {
            check_corners_in(system, term, &mut told, diagnostics);
        }
    }
}

fn check_corners_in(
    system: &System<'_>,
    term: &Term<'_>,
    told: &mut BTreeSet<String>,
    diagnostics: &mut Diagnostics,
) {
    for child in term.children() {
        check_corners_in(system, child, told, diagnostics);
    }
    let TermKind::Read(read) = &term.kind else {
        return;
    };
    // A boundary of its own is outside already: `g[0, c-1]`.
    let of = system.defs[read.def].of.unwrap_or(read.def);
    let boundaries = &system.defs[of].boundaries;
    let left = boundaries
        .iter()
        .filter(|boundary| boundary.def == read.def);
    let left = left.map(|boundary| (boundary.axis, boundary.place));
    // The end of an axis is outside it for an example without steps there.
    let stepped = boundaries.iter().filter(|boundary| {
        let mut offsets = read.offsets.iter();
        offsets.any(|(axis, offset)| *axis == boundary.axis && leads_to(*offset, boundary.place))
    });
    let stepped = stepped.map(|boundary| (boundary.axis, boundary.place));
    let outside: Vec<(AxisId, Outside)> = left.chain(stepped).collect();
    for (at, one) in outside.iter().enumerate() {
        let mut others = outside[at + 1..].iter().filter(|other| other.0 != one.0);
        if let Some(open) = others.find_map(|other| system.open_corner(of, [*one, *other])) {
            let error = no_corner(system, term.extent, &term.text(), &open);
            if told.insert(open.text) {
                diagnostics.report(error);
            }
            return;
        }
    }
}

/// The error of what is read outside two axes and not given.
pub(super) fn no_corner(
    system: &System<'_>,
    extent: Extent,
    text: &str,
    open: &OpenCorner,
) -> Diagnostic {
    let corner = &open.text;
    let [one, other] = open.beside.map(|def| &system.defs[def]);
    let read = match text.trim_matches('`') {
        text if text == corner => format!("`{corner}` is not given"),
        text => format!("`{text}` reads `{corner}`, which is not given"),
    };
    let (a, b) = (&one.text, &other.text);
    Diagnostic::new(
        extent,
        format!("{read}: neither `{a}` nor `{b}` says what lies outside both axes"),
    )
    .label(one.extent, "outside one axis")
    .label(other.extent, "outside the other")
    .help(format!("add an equation `{corner} = ..;`"))
}

/// Parameters that no equation reads.
pub(super) fn check_parameters(system: &System<'_>, order: &Order, diagnostics: &mut Diagnostics) {
    for (id, def) in system.defs.iter() {
        if matches!(def.kind, DefKind::Param { .. }) && !order.read.contains(&id) {
            let name = &def.text;
            diagnostics.report(
                Diagnostic::new(def.extent, format!("the parameter `{name}` is never used"))
                    .help("read it in an equation, or take it out"),
            );
        }
    }
}

/// Inputs and targets that no equation reads. In a model, one may be there to say how many steps an axis has.
pub(super) fn check_inputs(
    system: &System<'_>,
    order: &Order,
    returned: &[DefId],
    item: &Item,
    diagnostics: &mut Diagnostics,
) {
    let in_cell = matches!(item.kind, ItemKind::Cell(_));
    let inputs = || {
        let defs = system.defs.iter();
        defs.filter(|(_, def)| matches!(def.kind, DefKind::Input { .. }))
    };
    let is_read = |id: &DefId| order.read.contains(id) || returned.contains(id);
    for (id, def) in inputs().filter(|(id, _)| !is_read(id)) {
        let measured = |axis: &AxisId| {
            let mut others =
                inputs().filter(|(other, def)| *other != id && def.axes.contains(axis));
            others.next().is_some()
        };
        let measures = !in_cell && !def.axes.iter().all(measured);
        if measures || def.name.starts_with('_') {
            continue;
        }
        let (text, name) = (&def.text, &def.name);
        let what = match def.kind {
            DefKind::Input {
                role: Role::Target, ..
            } => "target",
            _ => "input",
        };
        let help = match in_cell {
            true => format!(
                "read it in an equation, take it out, or call it `_{name}` where callers give it to every cell of a kind"
            ),
            false => "read it in an equation, or take it out".to_owned(),
        };
        diagnostics.report(
            Diagnostic::new(def.extent, format!("the {what} `{text}` is never read")).help(help),
        );
    }
}

/// Sizes that nothing has. Those of a cell are in every place where it is used, so one that is there for what other cells of its
/// kind ask for is told by its name: it begins with `_`.
pub(super) fn check_sizes(item: &Item, diagnostics: &mut Diagnostics) {
    let unused = item.sizes.iter().filter(|size| !item.mentions(size));
    for size in unused.filter(|size| !size.to_string().starts_with('_')) {
        let help = match item.kind {
            ItemKind::Cell(_) => format!(
                "give something that size, take it out, or call it `_{size}` where callers give it to every cell of a kind"
            ),
            ItemKind::Model(_) => "give something that size, or take it out".to_owned(),
        };
        diagnostics
            .report(Diagnostic::new(size, format!("the size `{size}` is never used")).help(help));
    }
}

/// Running parameters that nothing brings on.
pub(super) fn check_running(system: &System<'_>, brought: &[DefId], diagnostics: &mut Diagnostics) {
    for (id, def) in system.defs.iter() {
        let running =
            matches!(&def.kind, DefKind::Param { changed, .. } if *changed == ParamKind::Running);
        if running && !brought.contains(&id) {
            let name = &def.text;
            diagnostics.report(
                Diagnostic::new(
                    def.extent,
                    format!("nothing brings on the running parameter `{name}`"),
                )
                .help("`batch_norm(x, mean, variance)` brings on its two; a setting is `fixed`"),
            );
        }
    }
}

/// A loss is one number per example, and training must be able to lower it.
pub(super) fn check_loss(
    graph: &Graph,
    loss: &Declared,
    system: &System<'_>,
    diagnostics: &mut Diagnostics,
) {
    let ty = &graph.nodes[loss.node].ty;
    if !ty.shape.is_scalar() {
        diagnostics.report(
            Diagnostic::new(
                loss.extent,
                format!("a loss is one number per example, found {}", ty.shape),
            )
            .help("sum it over its features, `sum(..)`, or use `squared_error(y, target)`"),
        );
        return;
    }
    if let Some(axis) = ty.domain.minus(Domain::BATCH).axes().next() {
        let axis = &graph.axes[axis].name;
        // Backstop: the right side of a loss is refused where it reads over an axis.
        diagnostics.report(
            Diagnostic::new(
                loss.extent,
                format!("a loss is one number per example, and this one varies over `{axis}`"),
            )
            .help(format!(
                "reduce it: `mean[{axis}](..)` or `sum[{axis}](..)`"
            )),
        );
        return;
    }
    let trained: Vec<NodeId> = graph.trained_params().map(|(id, _)| id).collect();
    let (reached, differentiable) = (
        reach(graph, loss.node, false),
        reach(graph, loss.node, true),
    );
    if trained.is_empty() || trained.iter().any(|param| differentiable.contains(param)) {
        for param in trained
            .iter()
            .filter(|param| reached.contains(param) && !differentiable.contains(param))
        {
            let name = graph.nodes[*param].name.clone().unwrap_or_default();
            let extent = system
                .names
                .get(&name)
                .map_or(loss.extent, |def| system.defs[*def].extent);
            diagnostics.report(
                Diagnostic::new(extent, format!("`{name}` reaches the loss only where there is no derivative"))
                    .label(loss.extent, "the loss")
                    .help("`argmax`, `stop_gradient` and comparisons have none: declare it `fixed`, or take another way"),
            );
        }
        return;
    }
    let why = if trained.iter().any(|param| reached.contains(param)) {
        "every way to one passes through `argmax`, `stop_gradient` or a comparison, which have no derivative"
    } else {
        "no trained parameter is read on the way to it"
    };
    diagnostics.report(
        Diagnostic::new(loss.extent, "the loss has no derivative by any parameter").help(why),
    );
}

/// Targets are what the model is asked for; an output that reads one has seen the answer.
pub(super) fn check_leaks(
    graph: &Graph,
    outputs: &[&Declared],
    system: &System<'_>,
    diagnostics: &mut Diagnostics,
) {
    for output in outputs {
        let mut reader = BTreeMap::from([(output.node, output.node)]);
        let mut work = VecDeque::from([output.node]);
        while let Some(id) = work.pop_front() {
            if let Op::Input {
                name,
                role: Role::Target,
            } = &graph.nodes[id].op
            {
                let mut error = Diagnostic::new(
                    output.extent,
                    format!("the output `{}` reads the target `{name}`", output.name),
                );
                let mut at = id;
                while at != reader[&at] {
                    at = reader[&at];
                    if let Some(def) = graph.nodes[at]
                        .name
                        .as_ref()
                        .and_then(|name| system.names.get(name))
                    {
                        let def = &system.defs[*def];
                        error = error.label(def.extent, format!("`{}` reads it", def.text));
                        break;
                    }
                }
                diagnostics.report(
                    error.help(format!("only the loss may read a target, and `feedback({name}[t-1], ..)` the step before")),
                );
                break;
            }
            for operand in own_operands(graph, &graph.nodes[id].op) {
                if let Entry::Vacant(place) = reader.entry(operand) {
                    place.insert(id);
                    work.push_back(operand);
                }
            }
        }
    }
}

/// What a value depends on when it reads no target: of a feedback, the model's own value.
fn own_operands(graph: &Graph, op: &Op) -> Vec<NodeId> {
    match op {
        Op::Select(condition, _, own) if teacher_of(graph, *condition).is_some() => vec![*own],
        op => op.operands(),
    }
}

/// The nodes that `from` depends on; with `by_derivative`, only along operands that have a derivative.
fn reach(graph: &Graph, from: NodeId, by_derivative: bool) -> BTreeSet<NodeId> {
    let mut seen = BTreeSet::from([from]);
    let mut work = vec![from];
    while let Some(id) = work.pop() {
        let op = &graph.nodes[id].op;
        let operands = match op {
            Op::ArgMax(_) | Op::StopGradient(_) | Op::Compare(..) if by_derivative => Vec::new(),
            Op::Select(_, a, b) if by_derivative => vec![*a, *b],
            Op::Gather { table, .. } if by_derivative => vec![*table],
            op => op.operands(),
        };
        for operand in operands {
            if operand.index() < graph.nodes.len() && seen.insert(operand) {
                work.push(operand);
            }
        }
    }
    seen
}
