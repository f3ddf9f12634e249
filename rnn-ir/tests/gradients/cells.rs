//! The textbook cells in every arrangement: forward, reversed, bidirectional, stacked twice, residual; ragged, with
//! initial states and biases that are not zero, all sizes different.

use crate::second::twice;
use rnn_ir::autodiff::check::{check_direction, check_elements};
use rnn_ir::autodiff::{Wrt, differentiate};
use rnn_ir::axis::{AxisId, Domain, Extent};
use rnn_ir::builder::{Builder, Built};
use rnn_ir::dim::Dim;
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::{ResultKind, Verified};
use rnn_ir::node::{DType, NodeId, Shape, Type};
use rnn_ir::op::{Init, ParamKind, Position, Role, Unary};
use rnn_ir::state::carry_state;
use rnn_ir::verify::verify;

struct Net {
    b: Builder,
    t: AxisId,
    layers: usize,
}

type Cell = fn(&mut Net, NodeId, i64, i32) -> Built;

fn vector(size: i64) -> Shape {
    Shape::vector(Dim::constant(size))
}

impl Net {
    fn param(&mut self, name: &str, shape: Shape) -> Built {
        let init = Init {
            kind: "normal".into(),
            args: Vec::new(),
        };
        let name = format!("l{}.{name}", self.layers);
        self.b.param(name, shape, init, ParamKind::Trained)
    }

    // W @ x + b
    fn affine(&mut self, name: &str, x: NodeId, size: i64) -> Built {
        let width = self.b.shape(x).0[0].clone();
        let w = Shape::matrix(Dim::constant(size), width);
        let w = self.param(&format!("W_{name}"), w)?;
        let b = self.param(&format!("b_{name}"), vector(size))?;
        let product = self.b.matmul(w, x)?;
        self.b.add(product, b)
    }

    // A gate of the input and the state before, each through its own matrix.
    fn gate(&mut self, name: &str, f: Unary, x: NodeId, before: NodeId, size: i64) -> Built {
        let a = self.affine(name, x, size)?;
        let u = Shape::matrix(Dim::constant(size), Dim::constant(size));
        let u = self.param(&format!("U_{name}"), u)?;
        let product = self.b.matmul(u, before)?;
        let a = self.b.add(a, product)?;
        let gate = self.b.unary(f, a)?;
        Ok(self.b.name(gate, format!("l{}.{name}", self.layers)))
    }

    // A state that starts from an input of each example.
    fn state(&mut self, name: &str, size: i64, by: i32) -> Built {
        let start = Type::real(Domain::BATCH, vector(size));
        let name = format!("l{}.{name}0", self.layers);
        let start = self.b.input(name, Role::Input, start)?;
        let ty = Type::real(Domain::BATCH.with(self.t), vector(size));
        self.b.open_shift(&ty, self.t, by, Some(start))
    }
}

fn vanilla(net: &mut Net, x: NodeId, size: i64, by: i32) -> Built {
    net.layers += 1;
    let before = net.state("h", size, by)?;
    let h = net.gate("h", Unary::Tanh, x, before, size)?;
    net.b.close(before, h)?;
    Ok(h)
}

fn lstm(net: &mut Net, x: NodeId, size: i64, by: i32) -> Built {
    net.layers += 1;
    let h_before = net.state("h", size, by)?;
    let c_before = net.state("c", size, by)?;
    let i = net.gate("i", Unary::Sigmoid, x, h_before, size)?;
    let f = net.gate("f", Unary::Sigmoid, x, h_before, size)?;
    let g = net.gate("g", Unary::Tanh, x, h_before, size)?;
    let o = net.gate("o", Unary::Sigmoid, x, h_before, size)?;
    let kept = net.b.mul(f, c_before)?;
    let added = net.b.mul(i, g)?;
    let c = net.b.add(kept, added)?;
    net.b.close(c_before, c)?;
    let squashed = net.b.unary(Unary::Tanh, c)?;
    let h = net.b.mul(o, squashed)?;
    net.b.close(h_before, h)?;
    Ok(h)
}

fn gru(net: &mut Net, x: NodeId, size: i64, by: i32) -> Built {
    net.layers += 1;
    let before = net.state("h", size, by)?;
    let r = net.gate("r", Unary::Sigmoid, x, before, size)?;
    let z = net.gate("z", Unary::Sigmoid, x, before, size)?;
    let kept = net.b.mul(r, before)?;
    let n = net.gate("n", Unary::Tanh, x, kept, size)?;
    let one = net.b.constant(1.0, Shape::scalar());
    let rest = net.b.sub(one, z)?;
    let (old, new) = (net.b.mul(z, before)?, net.b.mul(rest, n)?);
    let h = net.b.add(old, new)?;
    net.b.close(before, h)?;
    Ok(h)
}

fn forward(net: &mut Net, cell: Cell, x: NodeId) -> Built {
    cell(net, x, 3, -1)
}

fn reversed(net: &mut Net, cell: Cell, x: NodeId) -> Built {
    cell(net, x, 3, 1)
}

fn bidirectional(net: &mut Net, cell: Cell, x: NodeId) -> Built {
    let (there, back) = (cell(net, x, 3, -1)?, cell(net, x, 5, 1)?);
    net.b.concat(vec![there, back], 0)
}

fn stacked(net: &mut Net, cell: Cell, x: NodeId) -> Built {
    let below = cell(net, x, 3, -1)?;
    cell(net, below, 5, -1)
}

fn residual(net: &mut Net, cell: Cell, x: NodeId) -> Built {
    let below = cell(net, x, 3, -1)?;
    let above = cell(net, below, 3, -1)?;
    net.b.add(below, above)
}

// A token to predict at each step, and a vector to hit with the last state.
fn model(arrange: fn(&mut Net, Cell, NodeId) -> Built, cell: Cell) -> Verified {
    let mut b = Builder::new("Cell");
    let t = b.axis("t", Extent::Length("T".into()));
    let mut net = Net { b, t, layers: 0 };
    let every = Domain::BATCH.with(t);
    let x = Type::real(every, vector(2));
    let x = net.b.input("x", Role::Input, x).unwrap();
    let token = Type {
        domain: every,
        shape: Shape::scalar(),
        dtype: DType::Index,
    };
    let y = net.b.input("y", Role::Target, token).unwrap();
    let h = arrange(&mut net, cell, x).unwrap();
    net.layers += 1;
    let o = net.affine("o", h, 4).unwrap();
    let per_step = net.b.cross_entropy(o, y).unwrap();
    let per_step = net.b.mean_over(per_step, t).unwrap();
    let last = net.b.at(h, t, Position::Last, None).unwrap();
    let square = net.b.mul(last, last).unwrap();
    let square = net.b.sum_features(square).unwrap();
    let loss = net.b.add(per_step, square).unwrap();
    net.b.result(ResultKind::Loss, "loss", loss);
    verify(net.b.finish()).unwrap()
}

const CELLS: [(&str, Cell); 3] = [("vanilla", vanilla), ("lstm", lstm), ("gru", gru)];

type Arrange = fn(&mut Net, Cell, NodeId) -> Built;

const ARRANGEMENTS: [(&str, Arrange); 5] = [
    ("forward", forward),
    ("reversed", reversed),
    ("bidirectional", bidirectional),
    ("stacked", stacked),
    ("residual", residual),
];

// Lengths 1, 2, 3 and 7, one example and three; the longest first, last, in the middle; none at all.
const LENGTHS: [&[usize]; 7] = [
    &[1],
    &[2],
    &[7],
    &[3, 1, 2],
    &[2, 7, 3],
    &[1, 1, 1],
    &[0, 3, 1],
];

fn check(name: &str, model: &Verified) {
    let graph = differentiate(model, &Wrt::everything(model)).unwrap();
    for (seed, lengths) in LENGTHS.iter().enumerate() {
        let mut draw = Draw::new(seed as u64);
        let axes = [("T", lengths.to_vec())];
        let env = surroundings(&graph, &mut draw, lengths.len(), &axes).unwrap();
        check_direction(&graph, &env, 1).unwrap_or_else(|e| panic!("{name} {lengths:?}: {e}"));
        if lengths.len() == 1 || lengths[0] == 3 {
            check_elements(&graph, &env).unwrap_or_else(|e| panic!("{name} {lengths:?}: {e}"));
        }
    }
}

/// Every cell in every arrangement.
pub(crate) fn models() -> Vec<(String, Verified)> {
    let mut models = Vec::new();
    for (cell_name, cell) in CELLS {
        for (name, arrange) in ARRANGEMENTS {
            models.push((format!("{cell_name} {name}"), model(arrange, cell)));
        }
    }
    models
}

#[test]
fn cells_in_every_arrangement() {
    for (name, model) in models() {
        check(&name, &model);
    }
}

#[test]
fn carried_states_have_gradients() {
    for (name, cell) in CELLS {
        for arrange in [forward as Arrange, stacked] {
            let graph = carry_state(&model(arrange, cell)).unwrap();
            let graph = verify(graph).unwrap();
            let states = graph.inputs().filter(|(.., role)| *role == Role::State);
            let wrt = states.fold(Wrt::default(), |wrt, (_, name, _)| wrt.and_input(name));
            assert!(!wrt.inputs.is_empty());
            let graph = differentiate(&graph, &wrt).unwrap();
            let mut draw = Draw::new(3);
            let env = surroundings(&graph, &mut draw, 3, &[("T", vec![2, 3, 1])]).unwrap();
            check_elements(&graph, &env).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn second_derivatives_of_cells() {
    for (name, model) in models() {
        let graph = twice(&model);
        let mut draw = Draw::new(5);
        let env = surroundings(&graph, &mut draw, 2, &[("T", vec![2, 3])]).unwrap();
        check_direction(&graph, &env, 1).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}
