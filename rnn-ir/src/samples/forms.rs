//! Forms of recurrence other than a cell: lags, skips, two indices, semirings, matrices, tokens fed back.
//!
//! **Invariant:** between them these use every primitive, and both kinds of extent.

use super::sketch::{Sketch, built, every, vector};
use crate::axis::{AxisId, Domain, Extent};
use crate::dim::Dim;
use crate::graph::Graph;
use crate::node::{DType, Shape, Type};
use crate::op::{Binary, Compare, Over, Position, Reduction, Role, Unary};

/// Leaky integrate-and-fire units over an axis of fixed length: a threshold, a reset, a stopped gradient.
pub fn spiking() -> Graph {
    built((|| {
        let mut m = Sketch::new("Spiking");
        let (i, h) = (m.b.size("I"), m.b.size("H"));
        let t = m.b.axis("t", Extent::Fixed(6));
        let x = m.input("x", &[t], &i)?;
        let y = m.target("y", &[], &h)?;
        let w = m.weight("W", &[&h, &i])?;
        let b = m.bias("b", &h)?;
        let ty = vector(every(&[t]), &h);
        let v_before = m.b.open_shift(&ty, t, -1, None)?;
        let s_before = m.b.open_shift(&ty, t, -1, None)?;
        let (decay, one) = (
            m.b.constant(0.9, Shape::scalar()),
            m.b.constant(1.0, Shape::scalar()),
        );
        let zero = m.b.constant(0.0, Shape::scalar());
        let drive = m.affine(&[(w, x)], b)?;
        let spent = m.b.stop_gradient(s_before)?;
        let rest = m.b.sub(one, spent)?;
        let kept = m.b.mul(decay, v_before)?;
        let kept = m.b.mul(kept, rest)?;
        let v = m.b.add(kept, drive)?;
        let v = m.equation("v", v);
        m.b.close(v_before, v)?;
        let fires = m.b.compare(Compare::Gt, v, one)?;
        let surrogate = m.b.binary(Binary::Max, v, zero)?;
        let s = m.b.select(fires, surrogate, zero)?;
        let s = m.equation("s", s);
        m.b.close(s_before, s)?;
        let count = m.b.sum_over(s, t)?;
        let count = m.equation("count", count);
        m.output("count", count);
        let loss = m.b.squared_error(count, y)?;
        m.loss(loss);
        Ok(m.finish())
    })())
}

/// Many to one: softmax over time, largest over time, and the last value, of one recurrence.
pub fn pooling() -> Graph {
    built((|| {
        let mut m = Sketch::new("Pooling");
        let (v, h, k) = (m.b.size("V"), m.b.size("H"), m.b.size("K"));
        let t = m.time("t", "T");
        let words = m.tokens("words", Role::Input, &[t])?;
        let label = m.tokens("label", Role::Target, &[])?;
        let embed = m.draw("embed", &[&v, &h], "normal", &[0.0, 0.5])?;
        let u = m.draw("U", &[&h, &h], "orthogonal", &[])?;
        let w = m.draw("w", &[&h], "normal", &[0.0, 0.5])?;
        let start = m.bias("h_0", &h)?;
        let w_y = m.weight(
            "W_y",
            &[&k, &Dim::constant(3).checked_mul(&h).unwrap_or(h.clone())],
        )?;
        let b_y = m.bias("b_y", &k)?;
        let x = m.b.gather(embed, words)?;
        let ty = vector(every(&[t]), &h);
        let before = m.b.open_shift(&ty, t, -1, Some(start))?;
        let state = m.affine(&[(u, before)], x)?;
        let state = m.b.unary(Unary::Tanh, state)?;
        let state = m.equation("h", state);
        m.b.close(before, state)?;
        let score = m.b.matmul(w, state)?;
        let a = m.b.softmax_over(score, t)?;
        let a = m.equation("a", a);
        let weighted = m.b.mul(a, state)?;
        let c = m.b.sum_over(weighted, t)?;
        let c = m.equation("c", c);
        let largest = m.b.max_over(state, t)?;
        let last = m.b.at(state, t, Position::Last, Some(start))?;
        let all = m.b.concat(vec![c, largest, last], 0)?;
        let y = m.affine(&[(w_y, all)], b_y)?;
        let y = m.equation("y", y);
        m.output("y", y);
        let loss = m.b.cross_entropy(y, label)?;
        m.loss(loss);
        Ok(m.finish())
    })())
}

/// Two lags of the output, and a convolution over the input that looks both ways; no activation.
pub fn lags() -> Graph {
    built((|| {
        let mut m = Sketch::new("Lags");
        let (i, h) = (m.b.size("I"), m.b.size("H"));
        let t = m.time("t", "T");
        let x = m.input("x", &[t], &i)?;
        let target = m.target("target", &[t], &h)?;
        let k = ["K0", "K1", "K2"].map(|name| m.weight(name, &[&h, &i]));
        let [k0, k1, k2] = k;
        let (a1, a2) = (m.weight("A1", &[&h, &h])?, m.weight("A2", &[&h, &h])?);
        let b = m.bias("b", &h)?;
        let (back, ahead) = (m.b.shift(x, t, -1, None)?, m.b.shift(x, t, 1, None)?);
        let z = m.affine(&[(k0?, back), (k1?, x), (k2?, ahead)], b)?;
        let z = m.equation("z", z);
        let ty = vector(every(&[t]), &h);
        let one = m.b.open_shift(&ty, t, -1, None)?;
        let two = m.b.open_shift(&ty, t, -2, None)?;
        let y = m.affine(&[(a1, one), (a2, two)], z)?;
        let y = m.equation("y", y);
        m.b.close(one, y)?;
        m.b.close(two, y)?;
        m.output("y", y);
        let loss = m.b.squared_error(y, target)?;
        m.mean_loss(loss, t)?;
        Ok(m.finish())
    })())
}

/// One to many, with a skip through time: the input has no time index, the state starts from it.
pub fn skip() -> Graph {
    built((|| {
        let mut m = Sketch::new("Skip");
        let (i, h) = (m.b.size("I"), m.b.size("H"));
        let t = m.time("t", "T");
        let v = m.input("v", &[], &i)?;
        let target = m.target("target", &[t], &h)?;
        let w = m.weight("W", &[&h, &i])?;
        let u = m.draw("U", &[&h, &h], "orthogonal", &[])?;
        let b = m.bias("b", &h)?;
        let alpha = m.draw("alpha", &[], "constant", &[0.3])?;
        let start = m.affine(&[(w, v)], b)?;
        let start = m.b.unary(Unary::Tanh, start)?;
        let before =
            m.b.open_shift(&vector(every(&[t]), &h), t, -1, Some(start))?;
        let a = m.b.matmul(u, before)?;
        let squashed = m.b.unary(Unary::Tanh, a)?;
        let kept = m.b.mul(alpha, before)?;
        let state = m.b.add(squashed, kept)?;
        let state = m.equation("h", state);
        m.b.close(before, state)?;
        m.output("h", state);
        let loss = m.b.squared_error(state, target)?;
        m.mean_loss(loss, t)?;
        Ok(m.finish())
    })())
}

/// A recurrence over two axes at once, read at their last corner (Graves, Fernandez & Schmidhuber 2007).
pub fn grid() -> Graph {
    built((|| {
        let mut m = Sketch::new("Grid");
        let (i, h) = (m.b.size("I"), m.b.size("H"));
        let (r, c) = (m.time("r", "R"), m.time("c", "C"));
        let x = m.input("x", &[r, c], &i)?;
        let target = m.target("target", &[], &h)?;
        let w = m.weight("W", &[&h, &i])?;
        let (u_r, u_c) = (m.weight("U_r", &[&h, &h])?, m.weight("U_c", &[&h, &h])?);
        let b = m.bias("b", &h)?;
        let ty = vector(every(&[r, c]), &h);
        let up = m.b.open_shift(&ty, r, -1, None)?;
        let left = m.b.open_shift(&ty, c, -1, None)?;
        let state = m.affine(&[(w, x), (u_r, up), (u_c, left)], b)?;
        let state = m.b.unary(Unary::Tanh, state)?;
        let state = m.equation("h", state);
        m.b.close(up, state)?;
        m.b.close(left, state)?;
        let row = m.b.at(state, r, Position::Last, None)?;
        let corner = m.b.at(row, c, Position::Last, None)?;
        m.output("corner", corner);
        let loss = m.b.squared_error(corner, target)?;
        m.loss(loss);
        Ok(m.finish())
    })())
}

/// A matrix as the state: erase, write, read (Graves, Wayne & Danihelka 2014, eq. 2 to 4).
pub fn matrix_memory() -> Graph {
    built((|| {
        let mut m = Sketch::new("MatrixMemory");
        let (i, n, k) = (m.b.size("I"), m.b.size("N"), m.b.size("K"));
        let t = m.time("t", "T");
        let x = m.input("x", &[t], &i)?;
        let target = m.target("target", &[t], &k)?;
        let w_w = m.weight("W_w", &[&n, &i])?;
        let (w_e, w_v) = (m.weight("W_e", &[&k, &i])?, m.weight("W_v", &[&k, &i])?);
        let w = m.b.matmul(w_w, x)?;
        let w = m.b.softmax(w)?;
        let w = m.equation("w", w);
        let e = m.b.matmul(w_e, x)?;
        let e = m.b.unary(Unary::Sigmoid, e)?;
        let e = m.equation("e", e);
        let v = m.b.matmul(w_v, x)?;
        let v = m.b.unary(Unary::Tanh, v)?;
        let v = m.equation("v", v);
        let ty = Type::real(every(&[t]), Shape::matrix(n.clone(), k.clone()));
        let before = m.b.open_shift(&ty, t, -1, None)?;
        let one = m.b.constant(1.0, Shape::scalar());
        let erase = m.b.outer(w, e)?;
        let keep = m.b.sub(one, erase)?;
        let kept = m.b.mul(before, keep)?;
        let write = m.b.outer(w, v)?;
        let memory = m.b.add(kept, write)?;
        let memory = m.equation("M", memory);
        m.b.close(before, memory)?;
        let read = m.b.matmul(w, memory)?;
        let read = m.equation("r", read);
        m.output("r", read);
        let loss = m.b.squared_error(read, target)?;
        m.mean_loss(loss, t)?;
        Ok(m.finish())
    })())
}

/// The normaliser of a linear-chain CRF: a recurrence in the log semiring, less the score of the tags given.
pub fn crf() -> Graph {
    built((|| {
        let mut m = Sketch::new("Crf");
        let (i, k) = (m.b.size("I"), m.b.size("K"));
        let t = m.time("t", "T");
        let x = m.input("x", &[t], &i)?;
        let tags = m.tokens("tags", Role::Target, &[t])?;
        let w = m.weight("W", &[&k, &i])?;
        let a = m.draw("A", &[&k, &k], "normal", &[0.0, 0.5])?;
        let u = m.b.matmul(w, x)?;
        let u = m.equation("u", u);
        let start = m.bias("alpha_0", &k)?;
        let before =
            m.b.open_shift(&vector(every(&[t]), &k), t, -1, Some(start))?;
        let turned = m.b.transpose(a)?;
        let rows = m.b.expand(before, 0, k.clone())?;
        let paths = m.b.add(rows, turned)?;
        let paths = m.b.reduce_last(Reduction::LogSumExp, paths)?;
        let alpha = m.b.add(paths, u)?;
        let alpha = m.equation("alpha", alpha);
        m.b.close(before, alpha)?;
        let last = m.b.at(alpha, t, Position::Last, Some(start))?;
        let total = m.b.reduce_last(Reduction::LogSumExp, last)?;
        let total = m.equation("total", total);
        m.output("total", total);
        let own = m.b.gather(u, tags)?;
        let score = m.b.sum_over(own, t)?;
        let loss = m.b.sub(total, score)?;
        m.loss(loss);
        Ok(m.finish())
    })())
}

/// Free running: the token with the largest logit is the next input. A cycle of indices, with nothing to differentiate
/// through it.
pub fn greedy() -> Graph {
    built((|| {
        let mut m = Sketch::new("Greedy");
        let (i, v, h) = (m.b.size("I"), m.b.size("V"), m.b.size("H"));
        let t = m.time("t", "T");
        let x = m.input("x", &[t], &i)?;
        let next = m.tokens("next", Role::Target, &[t])?;
        let embed = m.draw("embed", &[&v, &h], "normal", &[0.0, 0.5])?;
        let (w, u) = (m.weight("W", &[&h, &i])?, m.weight("U", &[&h, &h])?);
        let (w_y, b_y) = (m.weight("W_y", &[&v, &h])?, m.bias("b_y", &v)?);
        let token = Type {
            domain: every(&[t]),
            shape: Shape::scalar(),
            dtype: DType::Index,
        };
        let start = m.b.token(1);
        let fed = m.b.open_shift(&token, t, -1, Some(start))?;
        let before = m.b.open_shift(&vector(every(&[t]), &h), t, -1, None)?;
        let row = m.b.gather(embed, fed)?;
        let state = m.affine(&[(w, x), (u, before)], row)?;
        let state = m.b.unary(Unary::Tanh, state)?;
        let state = m.equation("h", state);
        m.b.close(before, state)?;
        let logits = m.affine(&[(w_y, state)], b_y)?;
        let logits = m.equation("logits", logits);
        let best = m.b.argmax(logits)?;
        let best = m.equation("y", best);
        m.b.close(fed, best)?;
        m.output("y", best);
        let loss = m.b.cross_entropy(logits, next)?;
        m.mean_loss(loss, t)?;
        Ok(m.finish())
    })())
}

/// An LSTM whose four gates are slices of one product over `[x[t], h[t-1]]`, as frameworks lay it out.
pub fn fused_lstm() -> Graph {
    built((|| {
        let mut m = Sketch::new("FusedLstm");
        let (i, h) = (m.b.size("I"), m.b.size("H"));
        let t = m.time("t", "T");
        let x = m.input("x", &[t], &i)?;
        let target = m.target("target", &[t], &h)?;
        let four = Dim::sum([&h; 4]);
        let w = m.weight("W", &[&four, &Dim::sum([&i, &h])])?;
        let b = m.bias("b", &four)?;
        let ty = vector(every(&[t]), &h);
        let h_before = m.b.open_shift(&ty, t, -1, None)?;
        let c_before = m.b.open_shift(&ty, t, -1, None)?;
        let joined = m.b.concat(vec![x, h_before], 0)?;
        let a = m.affine(&[(w, joined)], b)?;
        let a = m.equation("a", a);
        let mut start = Dim::constant(0);
        let mut gates = Vec::new();
        for (name, function) in [
            ("i", Unary::Sigmoid),
            ("f", Unary::Sigmoid),
            ("g", Unary::Tanh),
            ("o", Unary::Sigmoid),
        ] {
            let part = m.b.slice(a, 0, start.clone(), h.clone())?;
            let gate = m.b.unary(function, part)?;
            gates.push(m.equation(name, gate));
            start = Dim::sum([&start, &h]);
        }
        let [i, f, g, o] = gates[..] else {
            unreachable!("four gates")
        };
        let (kept, added) = (m.b.mul(f, c_before)?, m.b.mul(i, g)?);
        let c = m.b.add(kept, added)?;
        let c = m.equation("c", c);
        m.b.close(c_before, c)?;
        let squashed = m.b.unary(Unary::Tanh, c)?;
        let state = m.b.mul(o, squashed)?;
        let state = m.equation("h", state);
        m.b.close(h_before, state)?;
        m.output("h", state);
        let loss = m.b.squared_error(state, target)?;
        m.mean_loss(loss, t)?;
        Ok(m.finish())
    })())
}

/// Every primitive at least once, in one model of no other meaning; all of it is differentiable almost everywhere.
pub fn primitives() -> Graph {
    built((|| {
        let mut m = Sketch::new("Primitives");
        let (i, h) = (m.b.size("I"), m.b.size("H"));
        let t = m.time("t", "T");
        let x = m.input("x", &[t], &h)?;
        let tag = m.tokens("tag", Role::Target, &[])?;
        let table = m.draw("table", &[&i, &h], "normal", &[0.0, 0.5])?;
        let bias = m.bias("bias", &h)?;

        let mut sum = m.b.add(x, bias)?;
        for unary in Unary::ALL {
            // Positive operands, so that `ln` and `sqrt` have values.
            let positive = m.b.unary(Unary::Exp, x)?;
            let value = m.b.unary(unary, positive)?;
            sum = m.b.add(sum, value)?;
        }
        let one = m.b.constant(1.0, Shape::scalar());
        let safe = m.b.unary(Unary::Sigmoid, sum)?;
        for binary in Binary::ALL {
            let divisor = m.b.add(safe, one)?;
            sum = m.b.binary(binary, sum, divisor)?;
        }
        for compare in Compare::ALL {
            let holds = m.b.compare(compare, sum, bias)?;
            let then = m.b.mul(sum, bias)?;
            sum = m.b.select(holds, then, sum)?;
        }
        let stopped = m.b.stop_gradient(sum)?;
        let sum = m.b.add(sum, stopped)?;
        // Brought back to the order of one, where no later function is saturated.
        let small = m.b.constant(0.02, Shape::scalar());
        let sum = m.b.mul(small, sum)?;
        let sum = m.equation("pointwise", sum);

        let square = m.b.outer(sum, x)?;
        let turned = m.b.transpose(square)?;
        let mut parts = Vec::new();
        for kind in Reduction::ALL {
            parts.push(m.b.reduce(kind, turned, 0)?);
        }
        let joined = m.b.concat(parts, 0)?;
        let middle = m.b.slice(joined, 0, h.clone(), h.clone())?;
        let weights = m.b.softmax(middle)?;
        let weights = m.equation("weights", weights);

        let best = m.b.argmax(x)?;
        let best = m.b.at(best, t, Position::Step(2), None)?;
        let row = m.b.gather(table, tag)?;
        let column = m.b.transpose(table)?;
        let cell = m.b.gather(column, best)?;
        let mixed = m.b.matmul(table, row)?;
        let mixed = m.b.add(mixed, cell)?;
        let spread = m.b.scatter(tag, mixed, i.clone())?;
        let gram = m.b.matmul(spread, table)?;
        let gram = m.b.matmul(gram, weights)?;
        let padded = m.b.pad(gram, 0, h.clone(), Dim::constant(2))?;
        let padded = m.equation("padded", padded);

        let (step, length) = (m.b.step(t)?, m.b.length(t)?);
        let progress = m.b.div(step, length)?;
        let pulse = m.b.place(mixed, t, Position::First)?;
        let pulse = m.b.reduce_last(Reduction::Max, pulse)?;
        let scaled = m.b.mul(progress, pulse)?;
        let ones = m.b.broadcast(one, Domain::of(t).with(AxisId::BATCH))?;
        let repeated = m.b.expand(scaled, 0, h.clone())?;
        let scaled = m.b.reduce(Reduction::Sum, repeated, 0)?;
        let scaled = m.b.add(scaled, ones)?;
        let next = m.b.shift(scaled, t, 1, None)?;
        let total = m.b.sum_features(padded)?;
        let step_loss = m.b.mul(total, next)?;
        let largest = m.b.axis_reduce(Over::Max, step_loss, Domain::of(t))?;
        let loss = m.b.sum_over(step_loss, t)?;
        let loss = m.b.sub(loss, largest)?;
        m.output("padded", padded);
        m.loss(loss);
        Ok(m.finish())
    })())
}
