//! The blocks that models are made of: each reads what there is so far and adds to it.
//!
//! **Invariant:** every recurrence looks one way along each of its axes, so that it can be evaluated.

use super::sketch::{Scope, Sketch, dim, vector};
use crate::axis::{AxisId, Domain};
use crate::node::{DType, NodeId, Shape, Type};
use crate::op::Reduction;
use crate::typing::TypeError;

type Block = Result<(), TypeError>;

impl Sketch<'_> {
    /// Adds one block.
    pub(super) fn block(&mut self) -> Block {
        let axis = *self.draw.pick(&self.axes.clone());
        match self.draw.below(10) {
            0..=3 => self.recurrence(axis),
            4 => self.matrix_recurrence(axis),
            5 => self.fed_back(axis),
            6 if self.axes.len() > 1 => self.attention(),
            7 if self.axes.len() > 1 => self.grid(),
            _ => self.map(axis),
        }
    }

    fn keep(&mut self, name: &str, value: NodeId) {
        let name = self.fresh(name);
        self.b.name(value, name);
        self.vectors.push(value);
    }

    // An expression of each step.
    fn map(&mut self, axis: AxisId) -> Block {
        let (scope, size) = (self.along(axis), self.size());
        let value = self.vector(&scope, size, 3)?;
        self.keep("m", value);
        Ok(())
    }

    fn start(&mut self, size: usize) -> Result<Option<NodeId>, TypeError> {
        let given = self
            .vectors
            .iter()
            .copied()
            .filter(|id| Domain::BATCH.covers(self.b.ty(*id).domain) && self.len(*id) == size);
        let given: Vec<NodeId> = given.collect();
        Ok(match self.draw.below(3) {
            0 => None,
            1 if !given.is_empty() => Some(*self.draw.pick(&given)),
            _ => Some(self.param(vector(size))?),
        })
    }

    // States that read each other, one step before or after, sometimes two.
    fn recurrence(&mut self, axis: AxisId) -> Block {
        let by = if self.draw.once_in(2) { -1 } else { 1 };
        let every = Domain::BATCH.with(axis);
        let settled = self.along(axis);
        let mut scope = Scope {
            settled: false,
            ..settled.clone()
        };
        // A simple input keeps most models small enough to see through.
        if self.draw.once_in(2) {
            scope.vectors = settled.vectors.last().copied().into_iter().collect();
        }
        let count = 1 + self.draw.below(3);
        let mut states = Vec::new();
        for _ in 0..count {
            let size = self.size();
            let ty = Type::real(every, vector(size));
            let (by, start) = match self.draw.once_in(6) {
                true => (2 * by, None),
                false => (by, self.start(size)?),
            };
            let before = self.b.open_shift(&ty, axis, by, start)?;
            scope.vectors.push(before);
            states.push((before, size));
        }
        for (before, size) in states {
            let read = Scope {
                vectors: vec![before, *self.draw.pick(&scope.vectors)],
                ..scope.clone()
            };
            let own = self.vector(&read, size, 1)?;
            let other = self.vector(&scope, size, 2)?;
            let sum = self.b.add(own, other)?;
            let state = self.tame(sum)?;
            let state = self.b.broadcast(state, every)?;
            self.b.close(before, state)?;
            // Later states may read this one at the same step.
            scope.vectors.push(state);
            self.keep("h", state);
        }
        Ok(())
    }

    // M[t] = f(M[t-1] * g + outer(a, b)),  y[t] = M[t] @ c
    fn matrix_recurrence(&mut self, axis: AxisId) -> Block {
        let by = if self.draw.once_in(2) { -1 } else { 1 };
        let scope = self.along(axis);
        let (rows, columns) = (self.size(), self.size());
        let shape = Shape::matrix(dim(rows), dim(columns));
        let start = match self.draw.once_in(2) {
            true => Some(self.param(shape.clone())?),
            false => None,
        };
        let every = Domain::BATCH.with(axis);
        let before = self
            .b
            .open_shift(&Type::real(every, shape), axis, by, start)?;
        let a = self.vector(&scope, rows, 1)?;
        let c = self.vector(&scope, columns, 1)?;
        let read = self.b.matmul(before, c)?;
        let read = self.mean_of(read, columns)?;
        let read = self.tame(read)?;
        let a = self.b.sub(a, read)?;
        let write = self.b.outer(a, c)?;
        let decay = self.matrix(rows, columns)?;
        let kept = self.b.mul(before, decay)?;
        let sum = self.b.add(kept, write)?;
        let memory = self.tame(sum)?;
        let memory = self.b.broadcast(memory, every)?;
        self.b.close(before, memory)?;
        let y = match self.draw.below(3) {
            0 => {
                let y = self.b.matmul(memory, c)?;
                self.mean_of(y, columns)?
            }
            1 => {
                let y = self.b.matmul(a, memory)?;
                self.mean_of(y, rows)?
            }
            _ => self.b.reduce(Reduction::LogSumExp, memory, 0)?,
        };
        let y = self.tame(y)?;
        self.keep("r", y);
        Ok(())
    }

    // h[t] = f(h[t-1], E[k[t-1]], x[t]),  k[t] = argmax(W @ h[t])
    fn fed_back(&mut self, axis: AxisId) -> Block {
        let every = Domain::BATCH.with(axis);
        let mut scope = self.along(axis);
        scope.settled = false;
        let (size, words) = (self.size(), self.size());
        let token = Type {
            domain: every,
            shape: Shape::scalar(),
            dtype: DType::Index,
        };
        let first = u32::try_from(self.draw.below(words)).unwrap_or(0);
        let first = self.b.token(first);
        let said = self.b.open_shift(&token, axis, -1, Some(first))?;
        let start = self.start(size)?;
        let state = Type::real(every, vector(size));
        let before = self.b.open_shift(&state, axis, -1, start)?;
        let table = self.matrix(words, size)?;
        let word = self.b.gather(table, said)?;
        let u = self.matrix(size, size)?;
        let moved = self.b.matmul(u, before)?;
        let input = self.vector(&scope, size, 1)?;
        let sum = self.b.add(moved, word)?;
        let sum = self.b.add(sum, input)?;
        let state = self.tame(sum)?;
        let state = self.b.broadcast(state, every)?;
        self.b.close(before, state)?;
        let w = self.matrix(words, size)?;
        let scores = self.b.matmul(w, state)?;
        let says = self.b.argmax(scores)?;
        self.b.close(said, says)?;
        self.tokens.push((says, words));
        self.keep("s", state);
        let scores = self.tame(scores)?;
        self.keep("w", scores);
        Ok(())
    }

    // a[t, j] = softmax over j of v @ tanh(q[t] + k[j]),  c[t] = sum over j of a[t, j] * m[j]
    fn attention(&mut self) -> Block {
        let (t, j) = (self.axes[0], self.axes[1]);
        let (size, width) = (self.size(), self.size());
        let (queries, memories) = (self.along(t), self.along(j));
        let query = self.vector(&queries, size, 1)?;
        let key = self.vector(&memories, size, 1)?;
        let memory = self.vector(&memories, width, 1)?;
        let both = self.b.add(query, key)?;
        let both = self.b.broadcast(both, Domain::of(j))?;
        let both = self.tame(both)?;
        let v = self.param(vector(size))?;
        let score = self.b.matmul(v, both)?;
        let weights = self.b.softmax_over(score, j)?;
        let weighted = self.b.mul(weights, memory)?;
        let context = self.b.sum_over(weighted, j)?;
        self.keep("c", context);
        Ok(())
    }

    // h[t, j] = f(W @ x[t] + V @ y[j] + U @ h[t-1, j] + R @ h[t, j-1]), read at an end or summed over one axis.
    fn grid(&mut self) -> Block {
        let (t, j) = (self.axes[0], self.axes[1]);
        let every = Domain::BATCH.with(t).with(j);
        let size = self.size();
        let (rows, columns) = (self.along(t), self.along(j));
        let x = self.vector(&rows, size, 1)?;
        let y = self.vector(&columns, size, 1)?;
        let ty = Type::real(every, vector(size));
        let (down, across) = (*self.draw.pick(&[-1, 1]), *self.draw.pick(&[-1, 1]));
        let start = self.start(size)?;
        let above = self.b.open_shift(&ty, t, down, start)?;
        let beside = self.b.open_shift(&ty, j, across, None)?;
        let (u, r) = (self.matrix(size, size)?, self.matrix(size, size)?);
        let (u, r) = (self.b.matmul(u, above)?, self.b.matmul(r, beside)?);
        let mut sum = self.b.add(x, y)?;
        for part in [u, r] {
            sum = self.b.add(sum, part)?;
        }
        let state = self.tame(sum)?;
        let state = self.b.broadcast(state, every)?;
        self.b.close(above, state)?;
        self.b.close(beside, state)?;
        let name = self.fresh("g");
        self.b.name(state, name);
        let value = match self.draw.below(3) {
            0 => self.b.at(state, j, crate::op::Position::Last, None)?,
            1 => self.b.mean_over(state, t)?,
            _ => {
                let sum = self.b.sum_over(state, j)?;
                self.tame(sum)?
            }
        };
        self.keep("e", value);
        Ok(())
    }
}
