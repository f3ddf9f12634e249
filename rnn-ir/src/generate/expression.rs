//! Random expressions: a vector of a wanted size out of what is in scope.
//!
//! **Invariant:** the result lies between about -2 and 2 if what is in scope does.

use super::sketch::{Scope, Sketch, dim, vector};
use crate::axis::{AxisId, Domain};
use crate::builder::Built;
use crate::node::{NodeId, Shape};
use crate::op::{Binary, Compare, Position, Reduction, Unary};
use crate::random::draw::Per;
use crate::typing::TypeError;

impl Sketch<'_> {
    /// A vector of a size, of so many nested operations.
    pub(super) fn vector(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        if depth == 0 {
            return self.leaf(scope, size);
        }
        match self.draw.below(20) {
            0 => self.affine(scope, size, depth),
            1 | 2 => self.function(scope, size, depth),
            3 | 4 => self.combination(scope, size, depth),
            5 => self.choice(scope, size, depth),
            6 => self.joined(scope, size, depth),
            7 => self.cut(scope, size, depth),
            8 => self.table_row(scope, size),
            9 => self.put_in_zeros(scope, size, depth),
            10 => self.through_a_matrix(scope, size, depth),
            11 => self.reduced(scope, size, depth),
            12 => self.distribution(scope, size, depth),
            13 => self.scaled_by_a_scalar(scope, size, depth),
            14 => self.stopped(scope, size, depth),
            15 => self.by_step(scope, size, depth),
            16 => self.other_steps(scope, size, depth),
            17 => self.an_end(scope, size, depth),
            18 => self.at_random(scope, size, depth),
            _ => self.over_the_sequence(scope, size, depth),
        }
    }

    // Something in scope, brought to the size.
    fn leaf(&mut self, scope: &Scope, size: usize) -> Built {
        if scope.vectors.is_empty() {
            return self.param(vector(size));
        }
        let x = *self.draw.pick(&scope.vectors);
        if self.len(x) == size && !self.draw.once_in(3) {
            return Ok(x);
        }
        let w = self.matrix(size, self.len(x))?;
        let y = self.b.matmul(w, x)?;
        self.tame(y)
    }

    // f(W @ x + b), or with the vector on the left.
    fn affine(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let width = self.size();
        let x = self.vector(scope, width, depth - 1)?;
        let y = match self.draw.below(3) {
            0 => {
                let w = self.matrix(width, size)?;
                self.b.matmul(x, w)?
            }
            1 => {
                let w = self.matrix(width, size)?;
                let w = self.b.transpose(w)?;
                self.b.matmul(w, x)?
            }
            _ => {
                let w = self.matrix(size, width)?;
                self.b.matmul(w, x)?
            }
        };
        let bias = self.param(vector(size))?;
        let y = self.b.add(y, bias)?;
        self.tame(y)
    }

    // x^2 + 1/2
    fn positive(&mut self, x: NodeId) -> Built {
        let (square, half) = (self.b.mul(x, x)?, self.number(0.5));
        self.b.add(square, half)
    }

    fn function(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let x = self.vector(scope, size, depth - 1)?;
        let f = *self.draw.pick(&Unary::ALL);
        let y = match f {
            Unary::Ln | Unary::Sqrt => {
                let x = self.positive(x)?;
                self.b.unary(f, x)?
            }
            Unary::Sign => {
                let sign = self.b.unary(f, x)?;
                self.b.mul(sign, x)?
            }
            // It jumps at whole numbers, where the last bit decides: tanh(x) / 2 has only zero of them, and there the
            // factor is zero as well.
            Unary::Floor => {
                let (bounded, half) = (self.b.unary(Unary::Tanh, x)?, self.number(0.5));
                let inside = self.b.mul(half, bounded)?;
                let floor = self.b.unary(f, inside)?;
                self.b.mul(floor, x)?
            }
            Unary::Neg
            | Unary::Abs
            | Unary::Exp
            | Unary::Sin
            | Unary::Cos
            | Unary::Tanh
            | Unary::Sigmoid
            | Unary::Relu
            | Unary::Softplus => self.b.unary(f, x)?,
        };
        match f {
            Unary::Exp | Unary::Softplus => self.tame(y),
            _ => Ok(y),
        }
    }

    fn combination(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let x = self.vector(scope, size, depth - 1)?;
        let y = self.vector(scope, size, depth - 1)?;
        let f = *self.draw.pick(&Binary::ALL);
        let y = match f {
            Binary::Div => self.positive(y)?,
            _ => y,
        };
        let z = self.b.binary(f, x, y)?;
        match f {
            Binary::Min | Binary::Max => Ok(z),
            _ => self.tame(z),
        }
    }

    fn choice(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let x = self.vector(scope, size, depth - 1)?;
        let y = self.vector(scope, size, depth - 1)?;
        let f = *self.draw.pick(&Compare::ALL);
        let condition = match scope.tokens.as_slice() {
            [] => self.b.compare(f, x, y)?,
            _ if self.draw.once_in(2) => self.b.compare(f, x, y)?,
            tokens => {
                let (token, limit) = *self.draw.pick(tokens);
                let other = u32::try_from(self.draw.below(limit)).unwrap_or(0);
                let other = self.b.token(other);
                self.b.compare(f, token, other)?
            }
        };
        self.b.select(condition, x, y)
    }

    fn joined(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        if size < 2 {
            return self.leaf(scope, size);
        }
        let first = 1 + self.draw.below(size - 1);
        let x = self.vector(scope, first, depth - 1)?;
        let y = self.vector(scope, size - first, depth - 1)?;
        self.b.concat(vec![x, y], 0)
    }

    fn cut(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let (before, after) = (self.draw.below(3), self.draw.below(3));
        if self.draw.once_in(2) {
            let x = self.vector(scope, before + size + after, depth - 1)?;
            return self.b.slice(x, 0, dim(before), dim(size));
        }
        let inner = 1 + self.draw.below(size);
        let x = self.vector(scope, inner, depth - 1)?;
        let before = self.draw.below(size - inner + 1);
        self.b.pad(x, 0, dim(before), dim(size - inner - before))
    }

    // A row of a table: by a token, by a number, or by where a vector is largest.
    fn table_row(&mut self, scope: &Scope, size: usize) -> Built {
        if self.draw.once_in(3) {
            let rows = self.size();
            let index = self.counted(scope, rows)?;
            let table = self.matrix(rows, size)?;
            return self.b.gather(table, index);
        }
        let (index, rows) = match scope.tokens.as_slice() {
            [] => {
                let rows = self.size();
                let x = self.leaf(scope, rows)?;
                (self.b.argmax(x)?, rows)
            }
            tokens => *self.draw.pick(tokens),
        };
        let table = self.matrix(rows, size)?;
        self.b.gather(table, index)
    }

    // An index below `rows`, of a number: min(t, rows) - 1/2, or one of two by whether a token is another.
    fn counted(&mut self, scope: &Scope, rows: usize) -> Built {
        // Exact in single precision, and never a whole number, where the last bit would decide.
        let last = self.number(f64::from(u32::try_from(rows).unwrap_or(1)) - 0.5);
        let number = match (scope.axis, scope.tokens.as_slice()) {
            (Some(axis), tokens) if tokens.is_empty() || self.draw.once_in(2) => {
                let (step, half) = (self.b.step(axis)?, self.number(0.5));
                let step = self.b.sub(step, half)?;
                self.b.binary(Binary::Min, step, last)?
            }
            (_, []) => last,
            (_, tokens) => {
                let (token, limit) = *self.draw.pick(tokens);
                let other = u32::try_from(self.draw.below(limit)).unwrap_or(0);
                let (other, below) = (self.b.token(other), self.number(-0.5));
                let is = self.b.compare(Compare::Eq, token, other)?;
                self.b.select(is, last, below)?
            }
        };
        self.b.whole(number)
    }

    // A scalar, or one row of a matrix that is then summed, in a place that a token says.
    fn put_in_zeros(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let Some((token, limit)) = scope.tokens.first().copied() else {
            return self.scaled_by_a_scalar(scope, size, depth);
        };
        if self.draw.once_in(2) {
            let x = self.scalar(scope, depth)?;
            let x = self.b.scatter(token, x, dim(limit))?;
            let w = self.matrix(size, limit)?;
            let y = self.b.matmul(w, x)?;
            return self.tame(y);
        }
        let x = self.vector(scope, size, depth - 1)?;
        let rows = self.b.scatter(token, x, dim(limit))?;
        self.b.reduce(Reduction::Sum, rows, 0)
    }

    // A number between -2 and 2.
    fn scalar(&mut self, scope: &Scope, depth: usize) -> Built {
        let size = self.size();
        let x = self.vector(scope, size, depth - 1)?;
        match self.draw.below(4) {
            0 => {
                let w = self.param(vector(size))?;
                let y = self.b.matmul(w, x)?;
                self.tame(y)
            }
            1 => self.b.reduce_last(Reduction::Max, x),
            2 => {
                let y = self.b.reduce_last(Reduction::LogSumExp, x)?;
                self.tame(y)
            }
            _ => {
                let index = self.b.argmax(x)?;
                self.b.gather(x, index)
            }
        }
    }

    fn scaled_by_a_scalar(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let x = self.vector(scope, size, depth - 1)?;
        let y = self.scalar(scope, depth)?;
        let y = self.b.mul(x, y)?;
        self.tame(y)
    }

    // A matrix of each example and step, times a vector, from the left or the right, or times another.
    fn through_a_matrix(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let width = self.size();
        let x = self.vector(scope, size, depth - 1)?;
        let y = self.vector(scope, width, 0)?;
        let outer = self.b.outer(x, y)?;
        let z = match self.draw.below(3) {
            0 => self.b.matmul(outer, y)?,
            1 => {
                let outer = self.b.transpose(outer)?;
                self.b.matmul(y, outer)?
            }
            _ => {
                let w = self.matrix(width, width)?;
                let product = self.b.matmul(outer, w)?;
                self.b.reduce(Reduction::Sum, product, 1)?
            }
        };
        let z = self.mean_of(z, width)?;
        self.tame(z)
    }

    // A matrix reduced along either axis.
    fn reduced(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let width = self.size();
        let x = self.vector(scope, size, depth - 1)?;
        let w = self.matrix(size, width)?;
        let kind = *self.draw.pick(&Reduction::ALL);
        let x = self.b.expand(x, 1, dim(width))?;
        let sum = self.b.add(x, w)?;
        let y = if self.draw.once_in(2) {
            self.b.reduce(kind, sum, 1)?
        } else {
            let turned = self.b.transpose(sum)?;
            self.b.reduce(kind, turned, 0)?
        };
        let y = match kind {
            Reduction::Sum => self.mean_of(y, width)?,
            Reduction::Max | Reduction::LogSumExp => y,
        };
        self.tame(y)
    }

    fn distribution(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let x = self.vector(scope, size, depth - 1)?;
        if self.draw.once_in(2) {
            return self.b.softmax(x);
        }
        let y = self.b.log_softmax(x)?;
        self.tame(y)
    }

    fn stopped(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let x = self.vector(scope, size, depth - 1)?;
        let y = self.vector(scope, size, 0)?;
        let y = self.b.stop_gradient(y)?;
        let z = self.b.mul(x, y)?;
        self.tame(z)
    }

    // x * t / (T + 1)
    fn by_step(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let x = self.vector(scope, size, depth - 1)?;
        let Some(axis) = scope.axis else { return Ok(x) };
        let (step, length, one) = (self.b.step(axis)?, self.b.length(axis)?, self.number(1.0));
        let length = self.b.add(length, one)?;
        let part = self.b.div(step, length)?;
        self.b.mul(x, part)
    }

    // Dropped out, zoned out, or with noise.
    fn at_random(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let x = self.vector(scope, size, depth - 1)?;
        let per = *self.draw.pick(&[Per::Step, Per::Step, Per::Sequence]);
        match self.draw.below(4) {
            0 => {
                let y = self.vector(scope, size, 0)?;
                let p = self.number(0.5);
                self.b.zoneout(x, y, p, per)
            }
            1 => {
                let std = self.number(0.125);
                self.b.noise(x, std, per)
            }
            2 => {
                // A probability that is only known when the model runs.
                let p = self.param(Shape::scalar())?;
                let p = self.b.unary(Unary::Sigmoid, p)?;
                let half = self.number(0.5);
                let p = self.b.mul(half, p)?;
                self.b.dropout(x, p, per)
            }
            _ => {
                let p = self.number(0.25);
                self.b.dropout(x, p, per)
            }
        }
    }

    /// A vector that varies over an axis and is defined already; `None` where there is none.
    fn settled(
        &mut self,
        scope: &Scope,
        size: usize,
        depth: usize,
    ) -> Result<Option<(NodeId, AxisId)>, TypeError> {
        let Some(axis) = scope.axis.filter(|_| scope.settled) else {
            return Ok(None);
        };
        let x = self.vector(scope, size, depth - 1)?;
        let domain = Domain::of(axis);
        Ok(Some((self.b.broadcast(x, domain)?, axis)))
    }

    // A value for where there is no step: a parameter, or something of each example.
    fn boundary(&mut self, scope: &Scope, size: usize) -> Result<Option<NodeId>, TypeError> {
        let axes = scope.axis.map_or(Domain::NONE, Domain::of);
        let constant =
            scope.vectors.iter().copied().filter(|id| {
                self.b.ty(*id).domain.intersect(axes).is_empty() && self.len(*id) == size
            });
        let constant: Vec<NodeId> = constant.collect();
        Ok(match self.draw.below(3) {
            0 => None,
            1 if !constant.is_empty() => Some(*self.draw.pick(&constant)),
            _ => Some(self.param(vector(size))?),
        })
    }

    fn other_steps(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let Some((x, axis)) = self.settled(scope, size, depth)? else {
            return self.leaf(scope, size);
        };
        let by = *self.draw.pick(&[-3, -2, -1, -1, 1, 1, 2]);
        let boundary = match by {
            -1 | 1 => self.boundary(scope, size)?,
            _ => None,
        };
        self.b.shift(x, axis, by, boundary)
    }

    // x at one step, used at all of them or placed at another.
    fn an_end(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let Some((x, axis)) = self.settled(scope, size, depth)? else {
            return self.leaf(scope, size);
        };
        let positions = [
            Position::First,
            Position::Last,
            Position::Step(2),
            Position::Step(3),
        ];
        let boundary = self.boundary(scope, size)?;
        let x = self.b.at(x, axis, *self.draw.pick(&positions), boundary)?;
        match self.draw.below(3) {
            0 => Ok(x),
            1 => self.b.broadcast(x, Domain::of(axis)),
            _ => self.b.place(x, axis, *self.draw.pick(&positions)),
        }
    }

    fn over_the_sequence(&mut self, scope: &Scope, size: usize, depth: usize) -> Built {
        let Some((x, axis)) = self.settled(scope, size, depth)? else {
            return self.leaf(scope, size);
        };
        let y = match self.draw.below(5) {
            0 => self.b.mean_over(x, axis)?,
            1 => {
                let y = self.b.max_over(x, axis)?;
                self.unless_empty(y, axis)?
            }
            2 => {
                let y = self.b.logsumexp_over(x, axis)?;
                self.unless_empty(y, axis)?
            }
            3 => {
                let weights = self.b.softmax_over(x, axis)?;
                let weighted = self.b.mul(weights, x)?;
                self.b.sum_over(weighted, axis)?
            }
            _ => self.b.sum_over(x, axis)?,
        };
        self.tame(y)
    }
}
