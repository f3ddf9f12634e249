//! Feedback that is decided, and loops that are decoded a step at a time, in the interpreter: a decided graph is the undecided one
//! with the choice given, and steps of a decoding one after the other are the whole sequence.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use rnn_ir::axis::{AxisId, Domain, Extent};
use rnn_ir::builder::Builder;
use rnn_ir::decode::{BEFORE, DecodeError, FIRST, LOGITS, Seed, seed, split};
use rnn_ir::dim::Dim;
use rnn_ir::feedback::{Choice, decided, feedbacks};
use rnn_ir::generate::{Draw, surroundings};
use rnn_ir::graph::{Graph, ResultKind, Verified};
use rnn_ir::interp::{Env, Tensor, evaluate};
use rnn_ir::node::{DType, NodeId, Shape, Type};
use rnn_ir::op::{Init, ParamKind, Position, Role};
use rnn_ir::state::carry_state;
use rnn_ir::verify::verify;

const WORDS: usize = 5;
const WIDTH: usize = 3;
const STEPS: usize = 4;
const BATCH: usize = 3;

/// The interpreter is f64, and both ways do the same operations.
const TOLERANCE: f64 = 1e-12;

fn token(domain: Domain) -> Type {
    Type {
        domain,
        shape: Shape::scalar(),
        dtype: DType::Index,
    }
}

fn size(of: usize) -> Dim {
    Dim::constant(i64::try_from(of).unwrap())
}

fn param(b: &mut Builder, name: &str, shape: Shape) -> NodeId {
    let init = Init {
        kind: "zeros".into(),
        args: Vec::new(),
    };
    b.param(name, shape, init, ParamKind::Trained).unwrap()
}

// A decoder: `h[t] = tanh(U @ h[t-1] + E[y[t]] + W @ x[t] + v)` with `y[t] = feedback(tgt[t-1], argmax(logits[t-1]))`,
// `tgt[0] = 1`, `logits[t] = V @ h[t]`, and `v` of the whole of `s`, along another axis; `build` may feed back something else.
fn decoder(
    extent: Extent,
    own: impl Fn(&mut Builder, AxisId, NodeId) -> NodeId,
) -> (Verified, AxisId) {
    let mut b = Builder::new("Decoder");
    let t = b.axis("t", extent);
    let j = b.axis("j", Extent::Length("J".into()));
    let every = Domain::BATCH.with(t);
    let real = |domain| Type::real(domain, Shape::vector(size(WIDTH)));
    let x = b.input("x", Role::Input, real(every)).unwrap();
    let s = b
        .input("s", Role::Input, real(Domain::BATCH.with(j)))
        .unwrap();
    let tgt = b.input("tgt", Role::Target, token(every)).unwrap();
    let ty = Type {
        dtype: DType::Bool,
        ..token(every)
    };
    let teacher = b.input("teacher.tgt", Role::Teacher, ty).unwrap();
    let square = Shape::matrix(size(WIDTH), size(WIDTH));
    let words = Shape::matrix(size(WORDS), size(WIDTH));
    let u = param(&mut b, "U", square.clone());
    let w = param(&mut b, "W", square);
    let e = param(&mut b, "E", words.clone());
    let v = param(&mut b, "V", words);
    let first = b.token(1);
    let said = b.open_shift(&token(every), t, -1, Some(first)).unwrap();
    let h = b.open_shift(&real(every), t, -1, None).unwrap();
    let moved = b.matmul(u, h).unwrap();
    let word = b.gather(e, said).unwrap();
    let input = b.matmul(w, x).unwrap();
    let context = b.sum_over(s, j).unwrap();
    let mut sum = b.add(moved, word).unwrap();
    for part in [input, context] {
        sum = b.add(sum, part).unwrap();
    }
    let state = b.unary(rnn_ir::op::Unary::Tanh, sum).unwrap();
    b.name(state, "h");
    b.close(h, state).unwrap();
    let logits = b.matmul(v, state).unwrap();
    b.name(logits, "logits");
    let own = own(&mut b, t, logits);
    let value = b.select(teacher, tgt, own).unwrap();
    b.name(value, "feedback.tgt");
    b.close(said, value).unwrap();
    b.result(ResultKind::Output, "logits", logits);
    (verify(b.finish()).unwrap(), t)
}

fn argmax(b: &mut Builder, _: AxisId, logits: NodeId) -> NodeId {
    b.argmax(logits).unwrap()
}

fn plain() -> (Verified, AxisId) {
    decoder(Extent::Length("T".into()), argmax)
}

fn env(graph: &Verified, lengths: [usize; BATCH]) -> Env {
    let lengths = [("T", lengths.to_vec()), ("J", vec![2, 1, 3])];
    surroundings(graph, &mut Draw::new(11), BATCH, &lengths).unwrap()
}

fn logits(graph: &Verified, env: &Env) -> Tensor {
    let results = evaluate(graph, env).unwrap();
    results.get(&ResultKind::Output, LOGITS).unwrap().clone()
}

#[track_caller]
fn assert_same(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let same = found.is_nan() && expected.is_nan();
        assert!(
            same || (found - expected).abs() <= TOLERANCE,
            "expected {expected}, found {found}"
        );
    }
}

#[test]
fn a_decided_graph_is_the_undecided_one_with_the_choice_given() {
    let (graph, _) = plain();
    for lengths in [[STEPS; BATCH], [2, 0, STEPS]] {
        let free = env(&graph, lengths);
        let steps = lengths.into_iter().max().unwrap();
        let mut found = Vec::new();
        for (choice, truth) in [(Choice::Target, true), (Choice::Own, false)] {
            let given = Tensor::bool([steps, BATCH], vec![truth; steps * BATCH]);
            let given = free.clone().with_input("teacher.tgt", given);
            let chosen = verify(decided(&graph, choice).unwrap()).unwrap();
            assert!(feedbacks(&chosen).is_empty());
            assert!(chosen.inputs().all(|(.., role)| role != Role::Teacher));
            // Inputs that are not there any more are not looked at.
            let (decided, undecided) = (logits(&chosen, &free), logits(&graph, &given));
            assert_same(decided.reals(), undecided.reals());
            found.push(decided);
        }
        assert_ne!(found[0].reals(), found[1].reals(), "the choice matters");
    }
}

#[test]
fn what_is_not_chosen_is_gone() {
    let (graph, _) = plain();
    let reads = |choice, wanted: &str| {
        let chosen = rnn_ir::rewrite::drop_unreachable(decided(&graph, choice).unwrap());
        let input = chosen.named(wanted).unwrap();
        let mut nodes = chosen.nodes.iter();
        nodes.any(|(_, node)| node.op.operands().contains(&input))
    };
    assert!(reads(Choice::Target, "tgt") && !reads(Choice::Own, "tgt"));
}

// One step after the other, each with the token that `choose` makes of the logits before.
fn decode(graph: &Verified, start: &Env, choose: impl Fn(usize, usize, &[f64]) -> u32) -> Vec<f64> {
    let carried = verify(carry_state(graph).unwrap()).unwrap();
    let found = seed(&carried).unwrap().unwrap();
    let decoding = split(&carried, found).unwrap();
    let (before, step) = (
        verify(decoding.before).unwrap(),
        verify(decoding.step).unwrap(),
    );
    let known = evaluate(&before, &started(&before, start.clone(), true)).unwrap();
    let first = known.get(&ResultKind::Output, FIRST).unwrap().indices();
    let mut tokens: Vec<u32> = (0..BATCH).map(|row| first[row % first.len()]).collect();
    let mut states: Vec<(String, Tensor)> = Vec::new();
    let mut all = Vec::new();
    for at in 0..STEPS {
        let mut env = Env::new(BATCH)
            .with_lengths("T", vec![1; BATCH])
            .with_lengths("J", vec![2, 1, 3])
            .with_input(&decoding.token, Tensor::index([1, BATCH], tokens.clone()));
        env.params = start.params.clone();
        for (id, name, _) in step.inputs() {
            if name.starts_with(BEFORE) {
                let value = known.get(&ResultKind::Output, name).unwrap();
                let along = step.nodes[id].ty.domain.contains(decoding.axis);
                env = env.with_input(
                    name,
                    if along {
                        step_of(value, at)
                    } else {
                        value.clone()
                    },
                );
            }
        }
        env = started(&step, env, at == 0);
        for (name, state) in std::mem::take(&mut states) {
            env = env.with_input(format!("state.{name}"), state);
        }
        let results = evaluate(&step, &env).unwrap();
        let found = results.get(&ResultKind::Output, LOGITS).unwrap().reals();
        for (row, logits) in found.chunks(WORDS).enumerate() {
            tokens[row] = choose(at, row, logits);
        }
        all.extend_from_slice(found);
        for result in step.results_of(ResultKind::State) {
            let value = results.get(&ResultKind::State, &result.name).unwrap();
            states.push((result.name.clone(), value.clone()));
        }
    }
    all
}

// All examples start here, or none; states, which are not read where they start, are nothing.
fn started(graph: &Verified, mut env: Env, fresh: bool) -> Env {
    env = env.with_input("fresh", Tensor::bool([BATCH], vec![fresh; BATCH]));
    for (id, name, _) in graph.inputs().filter(|(.., role)| *role == Role::State) {
        let nothing = match graph.nodes[id].ty.dtype {
            DType::Index => Tensor::index([BATCH], vec![0; BATCH]),
            _ => Tensor::real([BATCH, WIDTH], vec![f64::NAN; BATCH * WIDTH]),
        };
        env = env.with_input(name, nothing);
    }
    env
}

fn step_of(value: &Tensor, step: usize) -> Tensor {
    let row = value.reals().len() / STEPS;
    let mut dims = value.dims().to_vec();
    dims[0] = 1;
    Tensor::real(dims, value.reals()[step * row..(step + 1) * row].to_vec())
}

fn likeliest(logits: &[f64]) -> u32 {
    let mut best = 0;
    for (at, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = at;
        }
    }
    u32::try_from(best).unwrap()
}

#[test]
fn steps_with_the_likeliest_token_are_the_sequence_that_runs_freely() {
    let (graph, _) = plain();
    let start = env(&graph, [STEPS; BATCH]);
    let free = verify(decided(&graph, Choice::Own).unwrap()).unwrap();
    let found = decode(&graph, &start, |_, _, logits| likeliest(logits));
    assert_same(&found, logits(&free, &start).reals());
}

#[test]
fn steps_with_the_targets_are_the_sequence_under_teacher_forcing() {
    let (graph, _) = plain();
    let start = env(&graph, [STEPS; BATCH]);
    let forced = verify(decided(&graph, Choice::Target).unwrap()).unwrap();
    let targets = start.inputs["tgt"].indices().to_vec();
    let found = decode(&graph, &start, |step, row, _| targets[step * BATCH + row]);
    assert_same(&found, logits(&forced, &start).reals());
}

#[test]
fn a_fixed_axis_is_decoded_for_any_number_of_steps() {
    let (fixed, _) = decoder(Extent::Fixed(STEPS as u32), argmax);
    let start = env(&fixed, [STEPS; BATCH]);
    let free = verify(decided(&fixed, Choice::Own).unwrap()).unwrap();
    let carried = verify(carry_state(&fixed).unwrap()).unwrap();
    let decoding = split(&carried, seed(&carried).unwrap().unwrap()).unwrap();
    let axis = &decoding.step.axes[decoding.axis];
    assert!(matches!(axis.extent, Extent::Length(_)), "{axis:?}");
    assert_eq!(logits(&free, &start).reals().len(), STEPS * BATCH * WORDS);
}

fn error_of(graph: &Graph) -> DecodeError {
    let carried = verify(carry_state(graph).unwrap()).unwrap();
    match seed(&carried) {
        Err(error) => error,
        Ok(found) => split(&carried, found.unwrap()).unwrap_err(),
    }
}

#[test]
fn a_value_without_a_distribution_is_refused_by_name() {
    let (graph, _) = decoder(Extent::Length("T".into()), |b, t, logits| {
        let said = b.argmax(logits).unwrap();
        let shift = b.shift(said, t, -1, None);
        shift.unwrap()
    });
    let error = error_of(&graph);
    assert_eq!(
        error.to_string(),
        "`feedback.tgt` feeds back a value that is no `argmax(..)`, so there is no distribution to draw it from"
    );
}

#[test]
fn a_step_that_needs_the_whole_loop_is_refused_by_equation_and_axis() {
    let (graph, t) = plain();
    let carried = verify(carry_state(&graph).unwrap()).unwrap();
    let found = seed(&carried).unwrap().unwrap();
    let mut b = Builder::extend(Graph::clone(&carried));
    let last = b.at(found.logits, t, Position::Last, None).unwrap();
    let spread = b.broadcast(last, Domain::of(t)).unwrap();
    let centred = b.sub(found.logits, spread).unwrap();
    b.name(last, "end");
    let graph = verify(b.finish()).unwrap();
    let seed = Seed {
        logits: centred,
        ..found
    };
    let error = split(&graph, seed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "equation `end` needs more than one step of `t` at a time"
    );
}

#[test]
fn two_values_that_are_fed_back_are_refused() {
    let (graph, t) = plain();
    let every = Domain::BATCH.with(t);
    let mut b = Builder::extend(Graph::clone(&graph));
    let ty = Type {
        dtype: DType::Bool,
        ..token(every)
    };
    let teacher = b.input("teacher.k", Role::Teacher, ty).unwrap();
    let k = b.input("k", Role::Target, token(every)).unwrap();
    let scores = graph.named("logits").unwrap();
    let own = b.argmax(scores).unwrap();
    let value = b.select(teacher, k, own).unwrap();
    b.name(value, "feedback.k");
    b.result(ResultKind::Output, "k", value);
    let error = seed(&verify(b.finish()).unwrap()).unwrap_err();
    assert_eq!(error, DecodeError::Several { count: 2 });
}

#[test]
fn a_system_that_feeds_back_nothing_has_no_seed() {
    let (graph, _) = plain();
    let forced = verify(decided(&graph, Choice::Target).unwrap()).unwrap();
    assert_eq!(seed(&forced).unwrap(), None);
}
