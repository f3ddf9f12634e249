//! The textbook cells over one time axis, and models of one or two of them.
//!
//! **Invariant:** a cell looks one step back (`by = -1`) or ahead (`by = 1`), as its caller says.

use super::sketch::{Sketch, built, every, vector};
use crate::axis::AxisId;
use crate::builder::Built;
use crate::dim::Dim;
use crate::graph::Graph;
use crate::node::NodeId;
use crate::op::{Role, Unary};
use crate::typing::TypeError;

/// Where a cell stands: its name, its time axis, the direction it looks in, and its initial state.
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    pub(super) axis: AxisId,
    pub(super) by: i32,
    pub(super) start: Option<NodeId>,
}

impl<'a> Place<'a> {
    /// Forward from zero.
    pub(super) fn forward(name: &'a str, axis: AxisId) -> Self {
        Self {
            name,
            axis,
            by: -1,
            start: None,
        }
    }

    fn of(&self, name: &str) -> String {
        if self.name.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.name)
        }
    }
}

/// `h[t] = tanh(W_xh @ x[t] + W_hh @ h[t-1] + b_h)` (Elman 1990).
pub(super) fn elman_cell(m: &mut Sketch, place: &Place<'_>, x: NodeId, i: &Dim, h: &Dim) -> Built {
    let w_xh = m.weight(&place.of("W_xh"), &[h, i])?;
    let w_hh = m.draw(&place.of("W_hh"), &[h, h], "orthogonal", &[])?;
    let b_h = m.bias(&place.of("b_h"), h)?;
    let ty = vector(every(&[place.axis]), h);
    let before = m.b.open_shift(&ty, place.axis, place.by, place.start)?;
    let a = m.affine(&[(w_xh, x), (w_hh, before)], b_h)?;
    let a = m.equation(&place.of("a"), a);
    let state = m.b.unary(Unary::Tanh, a)?;
    let state = m.equation(&place.of("h"), state);
    m.b.close(before, state)?;
    Ok(state)
}

/// LSTM with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000).
pub(super) fn lstm_cell(m: &mut Sketch, place: &Place<'_>, x: NodeId, i: &Dim, h: &Dim) -> Built {
    let ty = vector(every(&[place.axis]), h);
    let mut weights = Vec::new();
    for gate in ["i", "f", "g", "o"] {
        let w = m.weight(&place.of(&format!("W_{gate}")), &[h, i])?;
        let u = m.draw(&place.of(&format!("U_{gate}")), &[h, h], "orthogonal", &[])?;
        let b = m.bias(&place.of(&format!("b_{gate}")), h)?;
        weights.push((gate, w, u, b));
    }
    let h_before = m.b.open_shift(&ty, place.axis, place.by, place.start)?;
    let c_before = m.b.open_shift(&ty, place.axis, place.by, None)?;
    let mut gates = Vec::new();
    for (gate, w, u, b) in weights {
        let a = m.affine(&[(w, x), (u, h_before)], b)?;
        let function = if gate == "g" {
            Unary::Tanh
        } else {
            Unary::Sigmoid
        };
        let value = m.b.unary(function, a)?;
        gates.push(m.equation(&place.of(gate), value));
    }
    let [i, f, g, o] = gates[..] else {
        unreachable!("four gates")
    };
    let kept = m.b.mul(f, c_before)?;
    let added = m.b.mul(i, g)?;
    let c = m.b.add(kept, added)?;
    let c = m.equation(&place.of("c"), c);
    m.b.close(c_before, c)?;
    let squashed = m.b.unary(Unary::Tanh, c)?;
    let state = m.b.mul(o, squashed)?;
    let state = m.equation(&place.of("h"), state);
    m.b.close(h_before, state)?;
    Ok(state)
}

/// GRU with the reset before the product (Cho et al. 2014, eq. 5 to 8).
pub(super) fn gru_cell(m: &mut Sketch, place: &Place<'_>, x: NodeId, i: &Dim, h: &Dim) -> Built {
    let ty = vector(every(&[place.axis]), h);
    let mut weights = Vec::new();
    for gate in ["r", "z", "n"] {
        let w = m.weight(&place.of(&format!("W_{gate}")), &[h, i])?;
        let u = m.draw(&place.of(&format!("U_{gate}")), &[h, h], "orthogonal", &[])?;
        let b = m.bias(&place.of(&format!("b_{gate}")), h)?;
        weights.push((w, u, b));
    }
    let [(w_r, u_r, b_r), (w_z, u_z, b_z), (w_n, u_n, b_n)] = weights[..] else {
        unreachable!("three gates")
    };
    let before = m.b.open_shift(&ty, place.axis, place.by, place.start)?;
    let r = m.affine(&[(w_r, x), (u_r, before)], b_r)?;
    let r = m.b.unary(Unary::Sigmoid, r)?;
    let r = m.equation(&place.of("r"), r);
    let z = m.affine(&[(w_z, x), (u_z, before)], b_z)?;
    let z = m.b.unary(Unary::Sigmoid, z)?;
    let z = m.equation(&place.of("z"), z);
    let kept = m.b.mul(r, before)?;
    let n = m.affine(&[(w_n, x), (u_n, kept)], b_n)?;
    let n = m.b.unary(Unary::Tanh, n)?;
    let n = m.equation(&place.of("n"), n);
    let one = m.b.constant(1.0, Default::default());
    let rest = m.b.sub(one, z)?;
    let old = m.b.mul(z, before)?;
    let new = m.b.mul(rest, n)?;
    let state = m.b.add(old, new)?;
    let state = m.equation(&place.of("h"), state);
    m.b.close(before, state)?;
    Ok(state)
}

// `o[t] = W_hy @ h[t] + b_y`, compared with tokens `y[t]`. `name` is that of `o`.
fn classify(
    m: &mut Sketch,
    name: &str,
    states: &[NodeId],
    target: NodeId,
    t: AxisId,
    (width, v): (&Dim, &Dim),
) -> Result<(), TypeError> {
    let w_hy = m.weight("W_hy", &[v, width])?;
    let b_y = m.bias("b_y", v)?;
    let h = match states {
        [h] => *h,
        many => m.b.concat(many.to_vec(), 0)?,
    };
    let o = m.affine(&[(w_hy, h)], b_y)?;
    let o = m.equation(name, o);
    m.output(name, o);
    let loss = m.b.cross_entropy(o, target)?;
    m.mean_loss(loss, t)
}

type Cell = fn(&mut Sketch, &Place<'_>, NodeId, &Dim, &Dim) -> Built;

fn model_of(name: &str, cell: Cell, output: &str) -> Graph {
    built((|| {
        let mut m = Sketch::new(name);
        let (i, h, v) = (m.b.size("I"), m.b.size("H"), m.b.size("V"));
        let t = m.time("t", "T");
        let x = m.input("x", &[t], &i)?;
        let y = m.tokens("y", Role::Target, &[t])?;
        let state = cell(&mut m, &Place::forward("", t), x, &i, &h)?;
        classify(&mut m, output, &[state], y, t, (&h, &v))?;
        Ok(m.finish())
    })())
}

/// The vanilla network: `a`, `h`, `o` as the textbook names them, a token to predict at each step.
pub fn vanilla() -> Graph {
    model_of("Vanilla", elman_cell, "o")
}

/// One LSTM, a token to predict at each step.
pub fn lstm() -> Graph {
    model_of("LstmTagger", lstm_cell, "logits")
}

/// One GRU, a token to predict at each step.
pub fn gru() -> Graph {
    model_of("GruTagger", gru_cell, "logits")
}

/// Two recurrences over one axis, of different widths, in opposite directions, read together.
pub fn bidirectional() -> Graph {
    built((|| {
        let mut m = Sketch::new("Bidirectional");
        let (i, f, r) = (m.b.size("I"), m.b.size("F"), m.b.size("R"));
        let v = m.b.size("V");
        let t = m.time("t", "T");
        let x = m.input("x", &[t], &i)?;
        let y = m.tokens("y", Role::Target, &[t])?;
        let forward = elman_cell(&mut m, &Place::forward("forward", t), x, &i, &f)?;
        let reverse = Place {
            by: 1,
            ..Place::forward("reverse", t)
        };
        let reverse = elman_cell(&mut m, &reverse, x, &i, &r)?;
        let width = Dim::sum([&f, &r]);
        classify(&mut m, "o", &[forward, reverse], y, t, (&width, &v))?;
        Ok(m.finish())
    })())
}

/// A GRU over an LSTM over a vanilla network, of different widths.
pub fn stacked() -> Graph {
    built((|| {
        let mut m = Sketch::new("Stacked");
        let (i, p, q) = (m.b.size("I"), m.b.size("P"), m.b.size("Q"));
        let (h, v) = (m.b.size("H"), m.b.size("V"));
        let t = m.time("t", "T");
        let x = m.input("x", &[t], &i)?;
        let y = m.tokens("y", Role::Target, &[t])?;
        let first = elman_cell(&mut m, &Place::forward("l1", t), x, &i, &p)?;
        let second = lstm_cell(&mut m, &Place::forward("l2", t), first, &p, &q)?;
        let third = gru_cell(&mut m, &Place::forward("l3", t), second, &q, &h)?;
        classify(&mut m, "o", &[third], y, t, (&h, &v))?;
        Ok(m.finish())
    })())
}

/// The character language model: tokens, an embedding, an LSTM, the next token.
pub fn char_lm() -> Graph {
    built((|| {
        let mut m = Sketch::new("CharLm");
        let (v, e, h) = (m.b.size("V"), m.b.size("E"), m.b.size("H"));
        let t = m.time("t", "T");
        let now = m.tokens("now", Role::Input, &[t])?;
        let next = m.tokens("next", Role::Target, &[t])?;
        let embed = m.draw("embed", &[&v, &e], "normal", &[0.0, 0.1])?;
        let w_y = m.weight("W_y", &[&v, &h])?;
        let b_y = m.bias("b_y", &v)?;
        let x = m.b.gather(embed, now)?;
        let state = lstm_cell(&mut m, &Place::forward("lstm", t), x, &e, &h)?;
        let logits = m.affine(&[(w_y, state)], b_y)?;
        let logits = m.equation("logits", logits);
        m.output("logits", logits);
        let loss = m.b.cross_entropy(logits, next)?;
        m.mean_loss(loss, t)?;
        Ok(m.finish())
    })())
}
