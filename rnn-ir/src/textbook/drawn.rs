//! Random numbers on paper: `dropout(x, 0.2)` where it is one, and `bernoulli(0.8, 3, t)` where a mask stands alone.
//!
//! A draw is named by its probability, its number in the model, and the axes at whose steps it is drawn anew.
//!
//! **Invariant:** what is read as a draw was made by [`crate::random::draw`]: its words come from a seed.

use super::naming::Naming;
use super::render::{Scope, Strength};
use super::view::resolve;
use crate::axis::Domain;
use crate::graph::Graph;
use crate::node::NodeId;
use crate::op::{Binary, Compare, Number, Op, Role, Unary};
use crate::text::NumberText;

/// The probability of a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chance {
    Known(Number),
    Of(NodeId),
}

/// Which draw it is, and over which axes it varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draw {
    number: Number,
    over: Domain,
}

/// A value that is drawn, or made with one that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawn {
    /// Whether an element is kept: not with the chance.
    Kept(Chance, Draw),
    /// Between 0 and 1.
    Uniform(Draw),
    /// Of mean 0 and variance 1.
    Normal(Draw),
    /// `dropout(x, p)`; whether once for a sequence.
    Dropout(NodeId, Chance, bool),
    /// `zoneout(new, old, p)`
    Zoneout([NodeId; 2], Chance, bool),
    /// `noise(x, std)`
    Noise([NodeId; 2], bool),
}

impl Drawn {
    /// What it mentions.
    pub(super) fn operands(self) -> Vec<NodeId> {
        let chance = |chance| match chance {
            Chance::Of(p) => Some(p),
            Chance::Known(_) => None,
        };
        match self {
            Self::Kept(p, _) => chance(p).into_iter().collect(),
            Self::Uniform(_) | Self::Normal(_) => Vec::new(),
            Self::Dropout(x, p, _) => [x].into_iter().chain(chance(p)).collect(),
            Self::Zoneout(both, p, _) => both.into_iter().chain(chance(p)).collect(),
            Self::Noise(both, _) => both.to_vec(),
        }
    }
}

/// Reads a node as a draw.
pub(super) fn drawn(graph: &Graph, id: NodeId) -> Option<Drawn> {
    Reader(graph).read(id)
}

/// Digits of a probability that is known by 32 bits.
const DIGITS: f64 = 1e9;

struct Reader<'g>(&'g Graph);

impl Reader<'_> {
    fn op(&self, id: NodeId) -> &Op {
        &self.0.nodes[resolve(self.0, id)].op
    }

    fn same(&self, a: NodeId, b: NodeId) -> bool {
        resolve(self.0, a) == resolve(self.0, b)
    }

    fn constant(&self, id: NodeId) -> Option<f64> {
        match self.op(id) {
            Op::Const(number) => Some(number.0),
            _ => None,
        }
    }

    fn read(&self, id: NodeId) -> Option<Drawn> {
        match self.0.nodes[id].op {
            Op::Compare(..) => self.kept(id).map(|(p, draw)| Drawn::Kept(p, draw)),
            Op::Uniform(bits) => self.bits(bits).map(Drawn::Uniform),
            Op::Binary(Binary::Mul, radius, cosine) => self.normal(radius, cosine),
            Op::Select(condition, a, b) => {
                let training = matches!(
                    self.op(condition),
                    Op::Input {
                        role: Role::Training,
                        ..
                    }
                );
                match training {
                    true => self.in_training(a, b),
                    false => self.masked(id),
                }
            }
            _ => None,
        }
    }

    // The two cases of a value that is drawn in training.
    fn in_training(&self, drawn: NodeId, otherwise: NodeId) -> Option<Drawn> {
        let drawn = resolve(self.0, drawn);
        if self.0.nodes[drawn].name.is_some() {
            return None;
        }
        if let Op::Binary(Binary::Add, x, scaled) = self.0.nodes[drawn].op {
            let Op::Binary(Binary::Mul, std, normal) = *self.op(scaled) else {
                return None;
            };
            let Some(Drawn::Normal(draw)) = self.read(resolve(self.0, normal)) else {
                return None;
            };
            let once = self.is_once(draw, &[x]);
            return self
                .same(x, otherwise)
                .then_some(Drawn::Noise([x, std], once));
        }
        match self.masked(drawn)? {
            // In inference it is the value itself.
            Drawn::Dropout(x, ..) if !self.same(x, otherwise) => None,
            made => Some(made),
        }
    }

    // A choice by a mask: dropout of a value that is scaled, zoneout of two.
    fn masked(&self, id: NodeId) -> Option<Drawn> {
        let Op::Select(keep, then, otherwise) = self.0.nodes[id].op else {
            return None;
        };
        let (p, draw) = self.kept(resolve(self.0, keep))?;
        let zero = |id| self.constant(id) == Some(0.0);
        if zero(otherwise) {
            let Op::Binary(Binary::Mul, scale, x) = *self.op(then) else {
                return None;
            };
            let fits = match (p, self.op(scale)) {
                (Chance::Known(p), Op::Const(scale)) => {
                    (scale.0 * (1.0 - p.0) - 1.0).abs() < 1.0 / DIGITS
                }
                (Chance::Of(p), Op::Binary(Binary::Div, one, kept)) => {
                    let of = matches!(*self.op(*kept), Op::Binary(Binary::Sub, one, own)
                        if self.constant(one) == Some(1.0) && self.same(self.unstopped(own), p));
                    self.constant(*one) == Some(1.0) && of
                }
                _ => false,
            };
            return fits.then(|| Drawn::Dropout(x, p, self.is_once(draw, &[x])));
        }
        let both = [then, otherwise];
        (!zero(then)).then(|| Drawn::Zoneout(both, p, self.is_once(draw, &both)))
    }

    fn unstopped(&self, id: NodeId) -> NodeId {
        match *self.op(id) {
            Op::StopGradient(x) => x,
            _ => id,
        }
    }

    // Whether a mask is drawn once for values that vary over time.
    fn is_once(&self, draw: Draw, of: &[NodeId]) -> bool {
        let domain = |id: &NodeId| self.0.nodes[*id].ty.domain;
        let all = of.iter().map(domain).fold(Domain::NONE, Domain::union);
        all.time_axes().next().is_some() && draw.over.is_empty()
    }

    fn kept(&self, id: NodeId) -> Option<(Chance, Draw)> {
        let Op::Compare(Compare::Ge, drawn, limit) = self.0.nodes[id].op else {
            return None;
        };
        if let Op::Uniform(bits) = *self.op(drawn) {
            let p = self.unstopped(limit);
            return Some((Chance::Of(resolve(self.0, p)), self.bits(bits)?));
        }
        let p = self.constant(limit)? / 2f64.powi(32);
        let p = (p * DIGITS).round() / DIGITS;
        Some((Chance::Known(Number(p)), self.bits(drawn)?))
    }

    // `sqrt(-2 ln(1 - u)) cos(2 pi v)`
    fn normal(&self, radius: NodeId, cosine: NodeId) -> Option<Drawn> {
        let Op::Unary(Unary::Sqrt, square) = *self.op(radius) else {
            return None;
        };
        let Op::Unary(Unary::Cos, angle) = *self.op(cosine) else {
            return None;
        };
        let (Op::Binary(Binary::Mul, two, ln), Op::Binary(Binary::Mul, turn, v)) =
            (self.op(square), self.op(angle))
        else {
            return None;
        };
        let Op::Unary(Unary::Ln, rest) = *self.op(*ln) else {
            return None;
        };
        let (Op::Binary(Binary::Sub, one, u), Op::Uniform(second)) = (self.op(rest), self.op(*v))
        else {
            return None;
        };
        let Op::Uniform(first) = *self.op(*u) else {
            return None;
        };
        let constants = [(*two, -2.0), (*turn, std::f64::consts::TAU), (*one, 1.0)];
        let fits = constants
            .iter()
            .all(|(id, value)| self.constant(*id) == Some(*value));
        let (first, _) = (self.bits(first)?, self.bits(*second)?);
        fits.then_some(Drawn::Normal(first))
    }

    // The bits of each element: two keys of the row, and the place in it.
    fn bits(&self, id: NodeId) -> Option<Draw> {
        let Op::Mix(inner, second) = *self.op(id) else {
            return None;
        };
        let Op::Mix(first, entries) = *self.op(inner) else {
            return None;
        };
        let draw = self.key(second)?;
        let fits = matches!(self.op(entries), Op::Entries) && self.key(first) == Some(draw);
        fits.then_some(draw)
    }

    // A word of the seed, the number of the draw, and steps.
    fn key(&self, id: NodeId) -> Option<Draw> {
        let (mut id, mut over) = (id, Domain::NONE);
        while let Op::Mix(before, by) = *self.op(id) {
            match *self.op(by) {
                Op::Step(axis) => over = over.with(axis),
                Op::Const(number) => {
                    let seed = matches!(
                        self.op(before),
                        Op::Input {
                            role: Role::Seed(_),
                            ..
                        }
                    );
                    return seed.then_some(Draw { number, over });
                }
                _ => return None,
            }
            id = before;
        }
        None
    }
}

impl Naming<'_> {
    /// A draw as it is called.
    pub(super) fn drawn(&self, drawn: Drawn, scope: &Scope) -> (String, Strength) {
        let value = |id: NodeId| self.render(id, scope, Strength::Loosest);
        let chance = |chance: Chance| match chance {
            Chance::Known(p) => NumberText(p).to_string(),
            Chance::Of(p) => value(p),
        };
        let place = |draw: Draw| {
            let number = NumberText(draw.number).to_string();
            let steps = draw.over.time_axes().map(|axis| self.step_of(axis, scope));
            let all: Vec<String> = std::iter::once(number).chain(steps).collect();
            all.join(", ")
        };
        let per = |once: bool| if once { ", per = sequence" } else { "" };
        let text = match drawn {
            Drawn::Kept(p, draw) => {
                let kept = match p {
                    Chance::Known(p) => {
                        let kept = ((1.0 - p.0) * DIGITS).round() / DIGITS;
                        NumberText(Number(kept)).to_string()
                    }
                    Chance::Of(p) => {
                        format!("1 - {}", self.render(p, scope, Strength::Product))
                    }
                };
                format!("bernoulli({kept}, {})", place(draw))
            }
            Drawn::Uniform(draw) => format!("uniform({})", place(draw)),
            Drawn::Normal(draw) => format!("normal({})", place(draw)),
            Drawn::Dropout(x, p, once) => {
                format!("dropout({}, {}{})", value(x), chance(p), per(once))
            }
            Drawn::Zoneout([new, old], p, once) => format!(
                "zoneout({}, {}, {}{})",
                value(new),
                value(old),
                chance(p),
                per(once)
            ),
            Drawn::Noise([x, std], once) => {
                format!("noise({}, {}{})", value(x), value(std), per(once))
            }
        };
        (text, Strength::Tightest)
    }
}
