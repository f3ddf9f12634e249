//! Shifts read as indices, and what stands outside the axes: `h[t-2]`, `h[0] = ...`.
//!
//! **Invariant:** a boundary has one line, and a shift that holds another value outside says so where it stands.

use super::naming::Naming;
use super::render::{Index, Scope};
use super::view::resolve;
use crate::axis::AxisId;
use crate::node::NodeId;
use crate::op::{Op, Position};

/// How many shifts in a row are read as one index.
const MAX_LINKS: usize = 40;

/// A place outside an axis: `h[0]`, `h[-1]`, `h[T+1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outside {
    pub(super) axis: AxisId,
    /// How many steps outside: negative before the first, positive after the last.
    pub(super) by: i64,
}

impl Outside {
    /// Where a value there is read.
    pub(super) fn scope(self) -> Scope {
        let end = if self.by < 0 {
            Position::First
        } else {
            Position::Last
        };
        let mut scope = Scope::default();
        scope.set(self.axis, Index::At(end, self.by));
        scope
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

impl Naming<'_> {
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
            let own_line = base != id && self.is_named(base);
            if own_line
                || along != axis
                || steps.signum() != by.signum()
                || links.len() == MAX_LINKS
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
                None if steps.unsigned_abs() as usize > MAX_LINKS => outside.push(None),
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

    /// Notes what the shifts say about the places outside their axes.
    pub(super) fn find_boundaries(&mut self) {
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
}
