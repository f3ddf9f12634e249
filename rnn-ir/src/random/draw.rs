//! The functions of the language that draw: dropout, zoneout, noise.
//!
//! Each is one value in training and another in inference, chosen by the input of [`Role::Training`]:
//!
//! ```text
//! dropout(x, p)       where(u >= p, x / (1 - p), 0)            x
//! zoneout(new, old, p)  where(u >= p, new, old)                p old + (1 - p) new
//! noise(x, std)       x + std n                                x
//! ```
//!
//! `u` is uniform in `[0, 1)` and `n` normal. They vary over what the value varies over, or over the batch alone, if
//! it does: a value that is the same for all examples, such as a parameter, has one mask for all of them.
//!
//! **Invariant:** every draw of a model has a number of its own, so no two of them agree.

use crate::axis::{AxisId, Domain};
use crate::builder::{Builder, Built};
use crate::node::{DType, NodeId, Shape, Type};
use crate::op::{Binary, Compare, Op, Role, Unary, Word};
use crate::typing::TypeError;

/// How often a mask is drawn, or the statistics of a batch are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Per {
    /// At every step that the value varies over.
    Step,
    /// Once for a sequence: the same at all of its steps.
    Sequence,
}

impl Per {
    fn domain(self, of: Domain) -> Domain {
        match self {
            Self::Step => of,
            Self::Sequence => of.intersect(Domain::BATCH),
        }
    }
}

/// The name of the input that tells training from inference.
pub const TRAINING: &str = "training";

// The name of an input that draws start from.
fn seed_name(word: Word, domain: Domain) -> &'static str {
    match (word, domain.contains(AxisId::BATCH)) {
        (Word::First, true) => "seed.first",
        (Word::Second, true) => "seed.second",
        (Word::First, false) => "seed.shared.first",
        (Word::Second, false) => "seed.shared.second",
    }
}

fn scalar(domain: Domain, dtype: DType) -> Type {
    Type {
        domain,
        shape: Shape::scalar(),
        dtype,
    }
}

impl Builder {
    /// In training each element of `x` is zero with probability `p`, and else divided by `1 - p`, so that its mean stays;
    /// in inference it is `x` (Srivastava et al. 2014). `p` is a scalar, which has no derivative.
    ///
    /// With [`Per::Sequence`] this is variational dropout (Gal & Ghahramani 2016), of a parameter DropConnect (Wan et al.
    /// 2013).
    ///
    /// # Errors
    /// `p` is not a scalar.
    pub fn dropout(&mut self, x: NodeId, p: NodeId, per: Per) -> Built {
        let keep = self.keep(p, per.domain(self.ty(x).domain), &self.shape(x).clone())?;
        let one = self.constant(1.0, Shape::scalar());
        let scale = match self.graph().nodes[p].op {
            Op::Const(p) => self.constant(1.0 / (1.0 - p.0), Shape::scalar()),
            _ => {
                let p = self.stop_gradient(p)?;
                let kept = self.sub(one, p)?;
                self.div(one, kept)?
            }
        };
        let scaled = self.mul(scale, x)?;
        let zero = self.constant(0.0, Shape::scalar());
        let dropped = self.select(keep, scaled, zero)?;
        self.in_training(dropped, x)
    }

    /// In training each element is that of `old` with probability `p`, else that of `new`; in inference the mean of both
    /// cases (Krueger et al. 2017). `p` is a scalar, which has no derivative.
    ///
    /// # Errors
    /// `p` is not a scalar, or `new` and `old` differ in shape.
    pub fn zoneout(&mut self, new: NodeId, old: NodeId, p: NodeId, per: Per) -> Built {
        if !self.shape(new).is_scalar()
            && !self.shape(old).is_scalar()
            && self.shape(new) != self.shape(old)
        {
            return Err(TypeError::ShapeMismatch {
                op: "zoneout",
                left: self.shape(new).clone(),
                right: self.shape(old).clone(),
            });
        }
        let domain = self.ty(new).domain.union(self.ty(old).domain);
        let keep = self.keep(p, per.domain(domain), &self.shape(new).clone())?;
        let drawn = self.select(keep, new, old)?;
        let one = self.constant(1.0, Shape::scalar());
        let p = match self.graph().nodes[p].op {
            Op::Const(_) => p,
            _ => self.stop_gradient(p)?,
        };
        let rest = match self.graph().nodes[p].op {
            Op::Const(p) => self.constant(1.0 - p.0, Shape::scalar()),
            _ => self.sub(one, p)?,
        };
        let (stays, moves) = (self.mul(p, old)?, self.mul(rest, new)?);
        let mean = self.add(stays, moves)?;
        self.in_training(drawn, mean)
    }

    /// In training `x` plus a normal number of standard deviation `std` for each element, in inference `x`; of a parameter
    /// this is weight noise (Graves 2013, sec. 3.2).
    ///
    /// # Errors
    /// `std` is neither a scalar nor of the shape of `x`.
    pub fn noise(&mut self, x: NodeId, std: NodeId, per: Per) -> Built {
        let (domain, shape) = (per.domain(self.ty(x).domain), self.shape(x).clone());
        let normal = self.normal(domain, &shape)?;
        let scaled = self.mul(std, normal)?;
        let noisy = self.add(x, scaled)?;
        self.in_training(noisy, x)
    }

    /// A number between 0 and 1 for each element, 1 excluded.
    ///
    /// # Errors
    /// None for axes of the graph.
    pub fn uniform(&mut self, domain: Domain, shape: &Shape) -> Built {
        let bits = self.random_bits(domain, shape)?;
        self.push(Op::Uniform(bits), None)
    }

    /// A normal number of mean 0 and variance 1 for each element: `sqrt(-2 ln(1 - u)) cos(2 pi v)` (Box & Muller 1958). Of
    /// 24 bits of `u`, the largest magnitude is 5.8.
    ///
    /// # Errors
    /// None for axes of the graph.
    pub fn normal(&mut self, domain: Domain, shape: &Shape) -> Built {
        let (u, v) = (self.uniform(domain, shape)?, self.uniform(domain, shape)?);
        let one = self.constant(1.0, Shape::scalar());
        let rest = self.sub(one, u)?;
        let ln = self.unary(Unary::Ln, rest)?;
        let minus_two = self.constant(-2.0, Shape::scalar());
        let square = self.mul(minus_two, ln)?;
        let radius = self.unary(Unary::Sqrt, square)?;
        let turn = self.constant(std::f64::consts::TAU, Shape::scalar());
        let angle = self.mul(turn, v)?;
        let cosine = self.unary(Unary::Cos, angle)?;
        self.binary(Binary::Mul, radius, cosine)
    }

    // Whether each element is kept, which it is with probability 1 - p.
    fn keep(&mut self, p: NodeId, domain: Domain, shape: &Shape) -> Built {
        if !self.shape(p).is_scalar() {
            return Err(TypeError::Rank {
                op: "dropout",
                expected: "a scalar",
                found: self.shape(p).clone(),
            });
        }
        if let Op::Const(p) = self.graph().nodes[p].op {
            // A known probability is compared as the bits are, to 32 digits.
            let bits = self.random_bits(domain, shape)?;
            let limit = (p.0 * 2f64.powi(32))
                .round()
                .clamp(0.0, f64::from(u32::MAX));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "rounded and clamped right before"
            )]
            let limit = self.token(limit as u32);
            return self.compare(Compare::Ge, bits, limit);
        }
        let p = self.stop_gradient(p)?;
        let u = self.uniform(domain, shape)?;
        self.compare(Compare::Ge, u, p)
    }

    // The bits of the next draw, of its own for every element.
    fn random_bits(&mut self, domain: Domain, shape: &Shape) -> Built {
        let nodes = self.graph().nodes.iter();
        let drawn = nodes.filter(|(_, node)| matches!(node.op, Op::Entries));
        let draw = u32::try_from(drawn.count()).unwrap_or(u32::MAX);
        let mut keys = Vec::new();
        for word in [Word::First, Word::Second] {
            let seed = self.seed(word, domain.intersect(Domain::BATCH))?;
            let draw = self.token(draw);
            let mut key = self.push(Op::Mix(seed, draw), None)?;
            for axis in domain.time_axes() {
                let step = self.step(axis)?;
                key = self.push(Op::Mix(key, step), None)?;
            }
            keys.push(self.expand_to("mix", key, shape)?);
        }
        let ty = Type {
            shape: shape.clone(),
            ..scalar(Domain::NONE, DType::Index)
        };
        let entries = self.push(Op::Entries, Some(&ty))?;
        let bits = self.push(Op::Mix(keys[0], entries), None)?;
        self.push(Op::Mix(bits, keys[1]), None)
    }

    fn seed(&mut self, word: Word, domain: Domain) -> Built {
        self.hidden(
            seed_name(word, domain),
            Role::Seed(word),
            scalar(domain, DType::Index),
        )
    }

    /// `drawn` in training, `otherwise` in inference.
    pub(crate) fn in_training(&mut self, drawn: NodeId, otherwise: NodeId) -> Built {
        let ty = scalar(Domain::NONE, DType::Bool);
        let training = self.hidden(TRAINING, Role::Training, ty)?;
        self.select(training, drawn, otherwise)
    }

    // The input of a role, declared once.
    fn hidden(&mut self, name: &str, role: Role, ty: Type) -> Built {
        let known = (self.graph().inputs())
            .find(|(id, _, known)| *known == role && self.ty(*id) == &ty)
            .map(|(id, ..)| id);
        match known {
            Some(id) => Ok(id),
            None => self.input(name, role, ty),
        }
    }
}
