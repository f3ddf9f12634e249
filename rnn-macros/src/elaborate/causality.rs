//! Which equation needs which, at what delay, and whether there is an order to evaluate them in.
//!
//! A system has an order if its cycles can be cut: a set of equations that need each other must have an axis along which
//! every need points the same way, and some needs point at another step; those are met by the loop over that axis, and what
//! is left must have an order in turn (Karp, Miller & Winograd 1967).
//!
//! **Invariant:** without reports, [`Order::sorted`] lists every definition after all that it needs at the same step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rnn_ir::axis::AxisId;
use rnn_ir::id::Id;
use rnn_ir::op::Position;
use rnn_ir::random::draw::Per;

use super::system::{DefId, DefKind, Outside, System};
use super::term::{Offset, Read, Term, TermKind};
use crate::diagnostics::{Diagnostic, Diagnostics, Extent};

/// One equation needs a value of another.
#[derive(Clone, Debug)]
pub(super) struct Need {
    pub(super) from: DefId,
    pub(super) to: DefId,
    /// For the axes both have.
    delays: Vec<(AxisId, Delay)>,
    /// Whether it reads an end of an axis, or all of it.
    whole: bool,
    /// Whether it is normalised over all steps.
    normalised: bool,
    extent: Extent,
    text: String,
}

/// How far away along one axis a need points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delay {
    By(i32),
    /// At a fixed step, or all of them.
    Anywhere,
}

impl Need {
    /// Whether the value is needed before the equation can be evaluated at the same step.
    fn is_immediate(&self) -> bool {
        !self
            .delays
            .iter()
            .any(|(_, delay)| matches!(delay, Delay::By(by) if *by != 0))
    }

    fn delay(&self, axis: AxisId) -> Option<Delay> {
        self.delays
            .iter()
            .find(|(known, _)| *known == axis)
            .map(|(_, delay)| *delay)
    }
}

/// What a term is inside of.
#[derive(Debug, Default)]
struct Within {
    /// Axes of which all steps are read.
    reduced: Vec<AxisId>,
    normalised: bool,
}

/// An order of evaluation.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) sorted: Vec<DefId>,
    /// Definitions of cycles that cannot be cut.
    pub(super) broken: BTreeSet<DefId>,
    /// Boundaries that something reads.
    pub(super) read: BTreeSet<DefId>,
    needs: Vec<Need>,
}

impl Order {
    /// Whether `from` is computed from `to`, at whatever step; of itself it is.
    pub(super) fn leads(&self, from: DefId, to: DefId) -> bool {
        let (mut seen, mut next) = (BTreeSet::from([from]), vec![from]);
        while let Some(def) = next.pop() {
            if def == to {
                return true;
            }
            let needed = self.needs.iter().filter(|need| need.from == def);
            next.extend(needed.map(|need| need.to).filter(|to| seen.insert(*to)));
        }
        false
    }

    /// Whether a value is read at another step by what it is computed from.
    pub(super) fn carries(&self, def: DefId) -> bool {
        self.needs
            .iter()
            .any(|need| need.to == def && !need.is_immediate() && self.leads(def, need.from))
    }
}

/// Orders the definitions of a system; cycles that cannot be cut are reported.
pub(super) fn order(system: &System<'_>, diagnostics: &mut Diagnostics) -> Order {
    let mut needs = Vec::new();
    for (id, def) in system.defs.iter() {
        if let DefKind::Equation {
            term: Some(term), ..
        } = &def.kind
        {
            collect(system, id, term, &mut Within::default(), &mut needs);
        }
    }
    let read = needs.iter().map(|need| need.to).collect();
    let mut broken = BTreeSet::new();
    let all: Vec<DefId> = system.defs.ids().collect();
    cut(
        system,
        &all,
        &needs.iter().collect::<Vec<_>>(),
        diagnostics,
        &mut broken,
    );
    let sorted = sort(system, &needs, &broken);
    Order {
        sorted,
        broken,
        read,
        needs,
    }
}

fn collect<'a>(
    system: &System<'a>,
    from: DefId,
    term: &Term<'a>,
    within: &mut Within,
    needs: &mut Vec<Need>,
) {
    match &term.kind {
        TermKind::Read(read) => needs_of(system, from, read, term, within, needs),
        TermKind::BatchNorm(norm) if norm.per == Per::Sequence => {
            let mut inside = Within {
                reduced: system.defs[from].axes.clone(),
                normalised: true,
            };
            inside.reduced.extend(&within.reduced);
            for operand in &norm.operands {
                collect(system, from, operand, &mut inside, needs);
            }
        }
        TermKind::Along { axis, operand, .. } => {
            within.reduced.push(*axis);
            collect(system, from, operand, within, needs);
            within.reduced.pop();
        }
        _ => {
            for child in term.children() {
                collect(system, from, child, within, needs);
            }
        }
    }
}

fn needs_of(
    system: &System<'_>,
    from: DefId,
    read: &Read,
    term: &Term<'_>,
    within: &Within,
    needs: &mut Vec<Need>,
) {
    let own = &system.defs[from].axes;
    let reduced = &within.reduced;
    let delays_of = |axes: &[(AxisId, Offset)]| {
        axes.iter()
            .filter(|(axis, _)| own.contains(axis))
            .map(|(axis, offset)| match offset {
                Offset::By(by) if !reduced.contains(axis) => (*axis, Delay::By(*by)),
                _ => (*axis, Delay::Anywhere),
            })
            .collect()
    };
    let whole = read.offsets.iter().any(|(axis, offset)| {
        !own.contains(axis) || reduced.contains(axis) || !matches!(offset, Offset::By(_))
    });
    let need = |to, delays| Need {
        from,
        to,
        delays,
        whole,
        normalised: within.normalised,
        extent: term.extent,
        text: term.text(),
    };
    needs.push(need(read.def, delays_of(&read.offsets)));
    for (boundary, offsets) in boundaries_of(system, read) {
        needs.push(need(boundary, delays_of(&offsets)));
    }
}

/// The boundaries that a read may be answered with, corners included, each with the steps of the axes that are left.
fn boundaries_of(system: &System<'_>, read: &Read) -> Vec<(DefId, Vec<(AxisId, Offset)>)> {
    let mut found = Vec::new();
    for boundary in &system.defs[read.def].boundaries {
        let own = |(axis, _): &&(AxisId, Offset)| *axis == boundary.axis;
        let Some((_, offset)) = read.offsets.iter().find(own) else {
            continue;
        };
        if !leads_to(*offset, boundary.place) {
            continue;
        }
        let rest = read.offsets.iter().filter(|offset| !own(offset)).copied();
        let rest = Read {
            def: boundary.def,
            offsets: rest.collect(),
        };
        found.extend(boundaries_of(system, &rest));
        found.push((rest.def, rest.offsets));
    }
    found
}

/// Whether a read may be answered with what lies at a place outside.
pub(super) fn leads_to(offset: Offset, place: Outside) -> bool {
    match (offset, place) {
        (Offset::By(by), Outside::Before(place)) => i64::from(by) < -i64::from(place),
        (Offset::By(by), Outside::After(place)) => i64::from(by) > i64::from(place),
        // An example without that step has the boundary instead.
        (Offset::At { position, .. }, Outside::After(0)) => position == Position::First,
        (Offset::At { position, by }, Outside::Before(place)) => {
            position == Position::Last && i64::from(by) <= -i64::from(place)
        }
        _ => false,
    }
}

/// Cuts the cycles among `nodes`, or reports them.
fn cut(
    system: &System<'_>,
    nodes: &[DefId],
    needs: &[&Need],
    diagnostics: &mut Diagnostics,
    broken: &mut BTreeSet<DefId>,
) {
    for component in components(nodes, needs) {
        let members: BTreeSet<DefId> = component.iter().copied().collect();
        let inner: Vec<&Need> = needs
            .iter()
            .copied()
            .filter(|need| members.contains(&need.from) && members.contains(&need.to))
            .collect();
        if inner.is_empty() {
            continue;
        }
        match loop_axis(system, &component, &inner) {
            Some(axis) => {
                let rest: Vec<&Need> = inner
                    .into_iter()
                    .filter(|need| !matches!(need.delay(axis), Some(Delay::By(by)) if by != 0))
                    .collect();
                cut(system, &component, &rest, diagnostics, broken);
            }
            None => {
                broken.extend(&component);
                diagnostics.report(uncut(system, &inner));
            }
        }
    }
}

/// An axis along which all needs point one way, and some to another step.
fn loop_axis(system: &System<'_>, members: &[DefId], needs: &[&Need]) -> Option<AxisId> {
    let axes = &system.defs[*members.first()?].axes;
    axes.iter().copied().find(|axis| {
        let mut signs = BTreeSet::new();
        members
            .iter()
            .all(|member| system.defs[*member].axes.contains(axis))
            && needs.iter().all(|need| match need.delay(*axis) {
                Some(Delay::By(by)) => {
                    signs.insert(by.signum());
                    true
                }
                _ => false,
            })
            && signs.contains(&1) != signs.contains(&-1)
    })
}

/// Why the cycles of a component cannot be cut.
fn uncut(system: &System<'_>, needs: &[&Need]) -> Diagnostic {
    let text = |def: DefId| system.defs[def].text.clone();
    let immediate: Vec<&Need> = needs
        .iter()
        .copied()
        .filter(|need| need.is_immediate())
        .collect();
    let first_cycle = immediate
        .iter()
        .filter_map(|need| cycle(need, &immediate))
        .min_by_key(Vec::len);
    if let Some(path) = first_cycle {
        let mut names: Vec<String> = path
            .iter()
            .map(|need| format!("`{}`", text(need.from)))
            .collect();
        names.extend(names.first().cloned());
        let whole = path.iter().find(|need| need.whole);
        let message = format!("cycle without delay: {}", names.join(" needs "));
        let mut error = Diagnostic::new(path[0].extent, message);
        for need in &path[1..] {
            error = error.label(need.extent, format!("`{}` is needed here", text(need.to)));
        }
        return error.help(match whole {
            Some(need) if need.normalised => over_all_steps(&text(need.from)),
            Some(need) => format!(
                "`{}` reads a whole axis, or an end of it, before its last step is there: read the step before, as in `h[t-1]`, or accumulate, as in `s[t] = s[t-1] + h[t]`",
                text(need.from)
            ),
            None => "one of them must read the step before, as in `h[t-1]`".to_owned(),
        });
    }
    // No cycle at one step, and no axis: along some axis the needs point both ways, or anywhere.
    let points = |need: &&&Need, sign: i32| {
        need.delays
            .iter()
            .any(|(_, delay)| matches!(delay, Delay::By(by) if by.signum() == sign))
    };
    let past = needs.iter().find(|need| points(need, -1));
    let future = needs.iter().find(|need| points(need, 1));
    if let (Some(past), Some(future)) = (past, future) {
        let message = format!(
            "`{}` needs both its past, {}, and its future, {}",
            text(past.from),
            past.text,
            future.text
        );
        return Diagnostic::new(past.extent, message)
            .label(future.extent, "looks ahead")
            .help(
                "write one equation for each direction and join them: `y[t] = W @ [f[t], b[t]];`",
            );
    }
    let whole = needs.iter().find(|need| {
        need.delays
            .iter()
            .any(|(_, delay)| *delay == Delay::Anywhere)
    });
    let (delayed, whole) = (past.or(future).or(needs.first()), whole.or(needs.first()));
    match (delayed, whole) {
        (Some(delayed), Some(whole)) => Diagnostic::new(
            whole.extent,
            format!(
                "`{}` needs {} before its last step is there",
                text(whole.from),
                whole.text
            ),
        )
        .label(
            delayed.extent,
            format!("which needs `{}` in turn", text(delayed.to)),
        )
        .help(match whole.normalised {
            true => over_all_steps(&text(whole.from)),
            false => "read the step before, as in `h[t-1]`, instead of an end or a sum of the axis"
                .to_owned(),
        }),
        _ => unreachable!("a component without needs has no cycle"),
    }
}

fn over_all_steps(name: &str) -> String {
    format!(
        "in the loop of `{name}` there is one step at a time: write `batch_norm(.., per = step)`"
    )
}

/// The shortest cycle through a need, starting with it.
fn cycle<'n>(through: &'n Need, needs: &[&'n Need]) -> Option<Vec<&'n Need>> {
    let mut outgoing: BTreeMap<DefId, Vec<&'n Need>> = BTreeMap::new();
    for need in needs {
        outgoing.entry(need.from).or_default().push(need);
    }
    let mut reached: BTreeMap<DefId, &'n Need> = BTreeMap::new();
    let mut queue = VecDeque::from([through.to]);
    while let Some(node) = queue.pop_front() {
        if node == through.from {
            let mut path = Vec::new();
            let mut at = node;
            while at != through.to {
                let need = reached[&at];
                path.push(need);
                at = need.from;
            }
            path.push(through);
            path.reverse();
            return Some(path);
        }
        for need in outgoing.get(&node).into_iter().flatten() {
            if need.to != through.to && !reached.contains_key(&need.to) {
                reached.insert(need.to, need);
                queue.push_back(need.to);
            }
        }
    }
    None
}

/// Strongly connected components (Tarjan 1972), without recursion.
fn components(nodes: &[DefId], needs: &[&Need]) -> Vec<Vec<DefId>> {
    let place: BTreeMap<DefId, usize> = nodes
        .iter()
        .enumerate()
        .map(|(at, node)| (*node, at))
        .collect();
    let mut outgoing = vec![Vec::new(); nodes.len()];
    for need in needs {
        if let (Some(from), Some(to)) = (place.get(&need.from), place.get(&need.to)) {
            outgoing[*from].push(*to);
        }
    }
    const UNSEEN: usize = usize::MAX;
    let (mut index, mut low) = (vec![UNSEEN; nodes.len()], vec![0; nodes.len()]);
    let (mut on_stack, mut stack, mut found) = (vec![false; nodes.len()], Vec::new(), Vec::new());
    let mut count = 0;
    for root in 0..nodes.len() {
        if index[root] != UNSEEN {
            continue;
        }
        let mut work = vec![(root, 0)];
        while let Some((node, edge)) = work.pop() {
            if edge == 0 {
                (index[node], low[node]) = (count, count);
                count += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(&to) = outgoing[node].get(edge) {
                work.push((node, edge + 1));
                if index[to] == UNSEEN {
                    work.push((to, 0));
                } else if on_stack[to] {
                    low[node] = low[node].min(index[to]);
                }
                continue;
            }
            if low[node] == index[node] {
                let mut component = Vec::new();
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    component.push(nodes[member]);
                    if member == node {
                        break;
                    }
                }
                component.sort_unstable();
                found.push(component);
            }
            if let Some((parent, _)) = work.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
        }
    }
    found
}

/// Definitions after what they need at the same step: inputs and parameters first, else in source order.
fn sort(system: &System<'_>, needs: &[Need], broken: &BTreeSet<DefId>) -> Vec<DefId> {
    let mut outgoing = vec![Vec::new(); system.defs.len()];
    for need in needs {
        let both = broken.contains(&need.from) && broken.contains(&need.to);
        if need.is_immediate() && !both {
            outgoing[need.from.index()].push(need.to);
        }
    }
    let is_source = |id: &DefId| {
        matches!(
            system.defs[*id].kind,
            DefKind::Input { .. } | DefKind::Param { .. }
        )
    };
    let mut sorted: Vec<DefId> = system.defs.ids().filter(is_source).collect();
    let mut seen: Vec<bool> = system.defs.ids().map(|id| is_source(&id)).collect();
    for root in system.defs.ids() {
        if std::mem::replace(&mut seen[root.index()], true) {
            continue;
        }
        let mut work = vec![(root, 0)];
        while let Some((node, edge)) = work.pop() {
            match outgoing[node.index()].get(edge) {
                Some(&to) => {
                    work.push((node, edge + 1));
                    if !std::mem::replace(&mut seen[to.index()], true) {
                        work.push((to, 0));
                    }
                }
                None => sorted.push(node),
            }
        }
    }
    sorted
}
