//! Models over two time axes: a source and a target.
//!
//! **Invariant:** the decoder starts from the encoder, so the two axes meet in a boundary.

use super::cells::{Place, elman_cell, gru_cell};
use super::sketch::{Sketch, built, every, vector};
use crate::dim::Dim;
use crate::graph::Graph;
use crate::op::{Position, Role, Unary};

/// Encoder and decoder (Sutskever, Vinyals & Le 2014): the last state of one is the initial state of the other.
pub fn seq2seq() -> Graph {
    built((|| {
        let mut m = Sketch::new("Seq2Seq");
        let (i, h, g) = (m.b.size("I"), m.b.size("H"), m.b.size("G"));
        let (v, e) = (m.b.size("V"), m.b.size("E"));
        let (j, t) = (m.time("j", "S"), m.time("t", "T"));
        let src = m.input("src", &[j], &i)?;
        let tgt = m.tokens("tgt", Role::Target, &[t])?;
        let embed = m.draw("embed", &[&v, &e], "normal", &[0.0, 0.1])?;
        let w_0 = m.weight("W_0", &[&g, &h])?;
        let b_0 = m.bias("b_0", &g)?;
        let w_s = m.weight("W_s", &[&v, &g])?;
        let b_s = m.bias("b_s", &v)?;

        let encoded = elman_cell(&mut m, &Place::forward("enc", j), src, &i, &h)?;
        let last = m.b.at(encoded, j, Position::Last, None)?;
        let start = m.affine(&[(w_0, last)], b_0)?;
        let start = m.b.unary(Unary::Tanh, start)?;
        let start_token = m.b.token(1);
        let before = m.b.shift(tgt, t, -1, Some(start_token))?;
        let x = m.b.gather(embed, before)?;
        let decoder = Place {
            start: Some(start),
            ..Place::forward("dec", t)
        };
        let s = gru_cell(&mut m, &decoder, x, &e, &g)?;
        let logits = m.affine(&[(w_s, s)], b_s)?;
        let logits = m.equation("logits", logits);
        m.output("logits", logits);
        let loss = m.b.cross_entropy(logits, tgt)?;
        m.mean_loss(loss, t)?;
        Ok(m.finish())
    })())
}

/// Additive attention inside the decoder's recurrence (Bahdanau, Cho & Bengio 2015, sec. 3).
pub fn attention() -> Graph {
    built((|| {
        let mut m = Sketch::new("Translate");
        let (vs, vt) = (m.b.size("Vs"), m.b.size("Vt"));
        let (d, e) = (m.b.size("D"), m.b.size("E"));
        let (h, g, a) = (m.b.size("H"), m.b.size("G"), m.b.size("A"));
        let (j, t) = (m.time("j", "S"), m.time("t", "T"));
        let src = m.tokens("src", Role::Input, &[j])?;
        let tgt = m.tokens("tgt", Role::Target, &[t])?;
        let both = Dim::sum([&h, &h]);
        let read = Dim::sum([&e, &both]);
        let e_s = m.draw("E_s", &[&vs, &d], "normal", &[0.0, 0.1])?;
        let e_t = m.draw("E_t", &[&vt, &e], "normal", &[0.0, 0.1])?;
        let w_a = m.weight("W_a", &[&a, &g])?;
        let u_a = m.weight("U_a", &[&a, &both])?;
        let v_a = m.draw("v_a", &[&a], "normal", &[0.0, 0.1])?;
        let w_0 = m.weight("W_0", &[&g, &h])?;
        let b_0 = m.bias("b_0", &g)?;
        let w_s = m.weight("W_s", &[&vt, &g])?;
        let b_s = m.bias("b_s", &vt)?;

        let x = m.b.gather(e_s, src)?;
        let forward = gru_cell(&mut m, &Place::forward("enc.forward", j), x, &d, &h)?;
        let backward = Place {
            by: 1,
            ..Place::forward("enc.backward", j)
        };
        let backward = gru_cell(&mut m, &backward, x, &d, &h)?;
        let memory = m.b.concat(vec![forward, backward], 0)?;
        let memory = m.equation("m", memory);
        let first = m.b.at(backward, j, Position::First, None)?;
        let start = m.affine(&[(w_0, first)], b_0)?;
        let start = m.b.unary(Unary::Tanh, start)?;

        // Read here and by the cell below, whose own shift of `s` is another node.
        let ty = vector(every(&[t]), &g);
        let before = m.b.open_shift(&ty, t, -1, Some(start))?;
        let query = m.b.matmul(w_a, before)?;
        let key = m.b.matmul(u_a, memory)?;
        let sum = m.b.add(query, key)?;
        let sum = m.b.unary(Unary::Tanh, sum)?;
        let score = m.b.matmul(v_a, sum)?;
        let score = m.equation("e", score);
        let weight = m.b.softmax_over(score, j)?;
        let weight = m.equation("a", weight);
        let weighted = m.b.mul(weight, memory)?;
        let context = m.b.sum_over(weighted, j)?;
        let context = m.equation("c", context);
        let start_token = m.b.token(1);
        let y = m.b.shift(tgt, t, -1, Some(start_token))?;
        let y = m.equation("y", y);
        let embedded = m.b.gather(e_t, y)?;
        let x = m.b.concat(vec![embedded, context], 0)?;
        let decoder = Place {
            start: Some(start),
            ..Place::forward("dec", t)
        };
        let s = gru_cell(&mut m, &decoder, x, &read, &g)?;
        m.b.close(before, s)?;
        let logits = m.affine(&[(w_s, s)], b_s)?;
        let logits = m.equation("logits", logits);
        m.output("logits", logits);
        m.output("a", weight);
        let loss = m.b.cross_entropy(logits, tgt)?;
        m.mean_loss(loss, t)?;
        Ok(m.finish())
    })())
}
