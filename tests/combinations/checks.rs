//! One combination: what is compiled, called and compared.

use super::case::{Lengths, Setting, direction, given};
use super::models::{BASES, Base, DRAWS, FIXED};
use super::oracle::{self, TOLERANCE, agree, number, product, same_bits};
use super::rows::Row;
use super::subject::{Answered, Answers, Arrays, Given, Refused, Runs, Subject};
use ndarray::{Axis, Slice, concatenate};
use rnn::ir::autodiff::check::check_direction;
use rnn::jit::kernels::Isa;
use rnn::{NonFinite, Options, Reduction};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What is called beside the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Forward,
    Jvp,
    Hessian,
    Inputs,
    States,
    Pieces,
    Stream,
}

/// What is compiled beside the equations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extra {
    Nothing,
    /// `U` is not trained.
    Fixed,
    /// The time that each kernel takes is measured.
    Profile,
}

const EXTRAS: [Extra; 3] = [Extra::Nothing, Extra::Fixed, Extra::Profile];
const ASKS: [Ask; 7] = [
    Ask::Forward,
    Ask::Jvp,
    Ask::Hessian,
    Ask::Inputs,
    Ask::States,
    Ask::Pieces,
    Ask::Stream,
];
const BATCHES: [usize; 4] = [1, 2, 17, 33];
const STEPS: [usize; 4] = [1, 2, 5, 7];
const LENGTHS: [Lengths; 5] = [
    Lengths::Full,
    Lengths::Ragged,
    Lengths::Empty,
    Lengths::Ones,
    Lengths::Spare,
];
/// Of the memory between the least that a call can do with and all that it takes.
const LIMITS: [Option<f64>; 3] = [None, Some(0.0), Some(0.5)];
const ISAS: [Isa; 3] = [Isa::Avx512, Isa::Avx2, Isa::Portable];
const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::Tokens];
const WIDTHS: [usize; 3] = [1, 5, 19];

/// Plain, over fixed steps, one random number of each kind, and all of them.
const FORMS: usize = 2 + DRAWS.len() + 1;

/// How many choices there are of each kind.
pub(crate) const KINDS: [usize; 13] = [
    BASES.len(),
    FORMS,
    ASKS.len(),
    BATCHES.len(),
    STEPS.len(),
    LENGTHS.len(),
    LIMITS.len(),
    ISAS.len(),
    3, // no state, the state of all, of some
    REDUCTIONS.len(),
    WIDTHS.len(),
    2, // targets, own values
    EXTRAS.len(),
];

struct Choice {
    base: &'static Base,
    form: usize,
    ask: Ask,
    batch: usize,
    steps: usize,
    lengths: Lengths,
    limit: Option<f64>,
    isa: Isa,
    carried: usize,
    reduction: Reduction,
    width: usize,
    own: bool,
    extra: Extra,
    /// What is compiled: by the bytes that a call may take.
    models: RefCell<BTreeMap<Option<usize>, Rc<dyn Runs>>>,
}

static TABLE: [Base; BASES.len()] = BASES;

impl Choice {
    fn of(row: &Row) -> Self {
        let at = |kind: usize| row.0[kind];
        Self {
            base: &TABLE[at(0)],
            form: at(1),
            ask: ASKS[at(2)],
            batch: BATCHES[at(3)],
            steps: STEPS[at(4)],
            lengths: LENGTHS[at(5)],
            limit: LIMITS[at(6)],
            isa: ISAS[at(7)],
            carried: at(8),
            reduction: REDUCTIONS[at(9)],
            width: WIDTHS[at(10)],
            own: at(11) == 1,
            extra: EXTRAS[at(12)],
            models: RefCell::default(),
        }
    }

    /// The model, compiled for calls of so many bytes.
    fn model(&self, subject: &dyn Subject, limit: Option<usize>) -> Rc<dyn Runs> {
        let mut models = self.models.borrow_mut();
        let compile = || {
            let options = self.options();
            Rc::from(subject.compile(match limit {
                Some(bytes) => options.memory_limit(bytes),
                None => options,
            }))
        };
        Rc::clone(models.entry(limit).or_insert_with(compile))
    }

    fn subject(&self) -> Box<dyn Subject> {
        match self.form {
            0 => (self.base.plain)(self.width),
            1 => (self.base.fixed)(self.width),
            _ => (self.base.drawn)(self.width),
        }
    }

    fn options(&self) -> Options {
        let options = Options::default().reduction(self.reduction).threads(1);
        let options = options.isa(self.isa).nonfinite(NonFinite::Return);
        match self.extra {
            Extra::Nothing => options,
            Extra::Fixed => options.fixed(FIXED_PARAM),
            Extra::Profile => options.profile(true),
        }
    }

    fn given(&self, subject: &dyn Subject, salt: u64) -> Given {
        self.given_of(subject, self.lengths, salt)
    }

    fn given_of(&self, subject: &dyn Subject, lengths: Lengths, salt: u64) -> Given {
        let fixed = self.form == 1;
        let setting = Setting {
            batch: self.batch,
            steps: if fixed { FIXED } else { self.steps },
            lengths,
            seed: salt,
        };
        let mut given = given(subject, &setting, self.base.traits.least);
        // A random model draws at this rate, where it is the one that is asked for.
        for (at, (name, _)) in DRAWS.iter().enumerate() {
            if let Some(rate) = given.params.get_mut(*name) {
                let all = self.form == 2 + DRAWS.len();
                rate.fill(if all || self.form == 2 + at { 0.3 } else { 0.0 });
            }
        }
        given
    }
}

/// A combination in words.
pub(crate) fn describe(row: &Row) -> String {
    let choice = Choice::of(row);
    let form = match choice.form {
        0 => "plain",
        1 => "fixed steps",
        at if at == 2 + DRAWS.len() => "all draws",
        at => DRAWS[at - 2].1,
    };
    format!(
        "{} of {}, {form}: {:?} and gradient, {} examples, {} steps, {:?}, limit {:?}, {:?}, state {}, {:?}, own {}, {:?}",
        choice.base.name,
        choice.width,
        choice.ask,
        choice.batch,
        choice.steps,
        choice.lengths,
        choice.limit,
        choice.isa,
        choice.carried,
        choice.reduction,
        choice.own,
        choice.extra
    )
}

/// The parameter that is fixed where one is; every model has it.
const FIXED_PARAM: &str = "U";

/// Without what is fixed: it does not move, and nothing is differentiated by it.
fn without_fixed(choice: &Choice, direction: &mut Arrays) {
    if let (Extra::Fixed, Some(own)) = (choice.extra, direction.get_mut(FIXED_PARAM)) {
        own.fill(0.0);
    }
}

/// Zeros by what is fixed.
fn with_fixed(choice: &Choice, expected: &mut oracle::Expected, word: &str) {
    let own = expected.get_mut(&format!("{word} {FIXED_PARAM}"));
    if let (Extra::Fixed, Some((_, values))) = (choice.extra, own) {
        values.fill(0.0);
    }
}

type Called<'c> = &'c dyn Fn(&dyn Runs, &Given) -> Answered;

/// The same call with no number in it that is one, of examples that are all as long as the longest.
fn poisoned(given: &Given) -> Given {
    let mut poisoned = given.clone();
    let states = poisoned.state.iter_mut().flat_map(BTreeMap::values_mut);
    let all = poisoned
        .reals
        .values_mut()
        .chain(poisoned.params.values_mut());
    for array in all {
        array.fill(f32::NAN);
    }
    // Tokens that are carried are numbers too.
    states.for_each(|array| {
        array.mapv_inplace(|own| if own.fract() == 0.0 { own } else { f32::NAN })
    });
    for (_, lengths) in &mut poisoned.lengths {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        lengths.fill(longest);
    }
    for array in poisoned.tokens.values_mut() {
        array.mapv_inplace(|token| if token == u32::MAX { 0 } else { token });
    }
    poisoned
}

/// Runs a call as its options say, and within a limit of memory if there is one. What calls leave behind in memory is NaN before.
fn call(
    subject: &dyn Subject,
    choice: &Choice,
    given: &Given,
    called: Called<'_>,
) -> Result<Answers, String> {
    let after_another = |model: &dyn Runs| {
        let _ = called(model, &poisoned(given));
        called(model, given)
    };
    let whole = after_another(&*choice.model(subject, None)).map_err(|refused| refused.told)?;
    let Some(share) = choice.limit else {
        return Ok(whole);
    };
    let limited = |bytes: usize| after_another(&*choice.model(subject, Some(bytes)));
    let needed = |answer: Answered| match answer {
        Err(Refused {
            needed: Some(needed),
            ..
        }) => Ok(needed),
        Err(refused) => Err(refused.told),
        Ok(_) => Err("runs within one byte".to_owned()),
    };
    let least = needed(limited(1))?;
    let bytes = least + (least as f64 * share) as usize;
    let found = limited(bytes).map_err(|refused| format!("within {bytes}: {}", refused.told))?;
    for name in ["loss"] {
        if let (Some(one), Some(other)) = (whole.get(name), found.get(name)) {
            let near = one
                .iter()
                .zip(other)
                .all(|(a, b)| (a - b).abs() <= 1e-5 * a.abs().max(1.0));
            if !near {
                return Err(format!(
                    "{name}: {one} without a limit, {other} within {bytes}"
                ));
            }
        }
    }
    Ok(found)
}

/// Checks a combination; answers how many numbers were compared.
pub(crate) fn check(row: &Row) -> Result<usize, String> {
    let choice = Choice::of(row);
    let subject = &*choice.subject();
    let salt = row
        .0
        .iter()
        .fold(1, |salt, at| (salt * 31 + *at as u64) % 1_000_003);
    let mut given = choice.given(subject, salt);
    let feeds_back = ["Decoder", "Series"].contains(&choice.base.name);
    given.own = choice.own && feeds_back;
    if choice.carried > 0 {
        let before = choice.given(subject, salt + 1);
        let before = Given {
            params: given.params.clone(),
            ..before
        };
        let state = choice.model(subject, None).forward(&before);
        let state = state.map_err(|refused| refused.told)?;
        let states = state.into_iter().filter_map(|(name, array)| {
            let own = name.strip_prefix("state ")?;
            Some((own.to_owned(), array))
        });
        given.state = Some(states.collect());
        if choice.carried == 2 {
            given.fresh = Some((0..choice.batch).map(|row| row % 3 == 0).collect());
        }
    }
    let mut compared = gradient(subject, &choice, &given)?;
    compared += match choice.ask {
        Ask::Forward => forward(subject, &choice, &given)?,
        Ask::Jvp => jvp(subject, &choice, &given)?,
        Ask::Hessian => hessian(subject, &choice, &given)?,
        Ask::Inputs => inputs(subject, &choice, &given)?,
        Ask::States => states(subject, &choice, &given)?,
        Ask::Pieces if choice.base.traits.in_pieces => pieces(subject, &choice, &given)?,
        Ask::Stream if choice.base.traits.streams => stream(subject, &choice, &given)?,
        Ask::Pieces | Ask::Stream => 0,
    };
    Ok(compared)
}

fn gradient(subject: &dyn Subject, choice: &Choice, given: &Given) -> Result<usize, String> {
    let found = call(subject, choice, given, &|model, given| {
        model.gradient(given)
    })?;
    let (graph, env, mut expected) = oracle::gradient(subject, given, choice.reduction);
    with_fixed(choice, &mut expected, "d");
    let compared =
        agree(&expected, &found, TOLERANCE).map_err(|error| format!("gradient: {error}"))?;
    if choice.batch < 17 {
        check_direction(&graph, &env, 5).map_err(|error| format!("interpreter: {error}"))?;
    }
    // What inference says of the loss.
    let found = call(subject, choice, given, &|model, given| model.loss(given))?;
    let expected = oracle::loss(subject, given, choice.reduction);
    let more = agree(&expected, &found, TOLERANCE).map_err(|error| format!("loss: {error}"))?;
    Ok(compared + more)
}

/// Without what only a loss is told.
fn outputs_given(given: &Given) -> Given {
    Given {
        own: false,
        ..given.clone()
    }
}

fn forward(subject: &dyn Subject, choice: &Choice, given: &Given) -> Result<usize, String> {
    let given = &outputs_given(given);
    let found = call(subject, choice, given, &|model, given| model.forward(given))?;
    let expected = oracle::forward(subject, given);
    let compared =
        agree(&expected, &found, TOLERANCE).map_err(|error| format!("forward: {error}"))?;
    let frozen = call(subject, choice, given, &|model, given| model.frozen(given))?;
    same_bits(&found, &frozen).map_err(|error| format!("frozen: {error}"))?;
    // In another order.
    let batch = choice.batch;
    let order: Vec<usize> = (0..batch).map(|row| (row * 5 + 3) % batch).collect();
    let distinct = order
        .iter()
        .collect::<std::collections::BTreeSet<_>>()
        .len()
        == batch;
    if distinct && subject.name() != "ScalarsFixed" {
        let graph = subject.bound();
        let other = reordered(given, &order, &graph);
        let moved = call(subject, choice, &other, &|model, given| {
            model.forward(given)
        })?;
        let graph_outputs = |name: &str| {
            let result = graph
                .results
                .iter()
                .find(|own| format!("output {}", own.name) == name)?;
            let ty = &graph.nodes[result.node].ty;
            let varies = ty.domain.contains(rnn::ir::axis::AxisId::BATCH);
            varies.then(|| ty.domain.time_axes().count())
        };
        for (name, array) in &found {
            let dim = match name.starts_with("state ") {
                true => Some(0),
                false => graph_outputs(name),
            };
            let Some(dim) = dim else { continue };
            let expected = array.select(Axis(dim), &order);
            let one = Answers::from([(name.clone(), expected)]);
            let other = Answers::from([(name.clone(), moved[name].clone())]);
            same_bits(&one, &other).map_err(|error| format!("in another order: {error}"))?;
        }
    }
    Ok(compared)
}

fn reordered(given: &Given, order: &[usize], graph: &rnn::ir::graph::Graph) -> Given {
    let mut other = given.clone();
    for (id, name, _) in graph.inputs() {
        let dim = Axis(graph.nodes[id].ty.domain.time_axes().count());
        if let Some(array) = other.reals.get_mut(name) {
            *array = array.select(dim, order);
        }
        if let Some(array) = other.tokens.get_mut(name) {
            *array = array.select(dim, order);
        }
    }
    for (_, lengths) in &mut other.lengths {
        *lengths = order.iter().map(|row| lengths[*row]).collect();
    }
    for state in other.state.iter_mut().flat_map(|state| state.values_mut()) {
        *state = state.select(Axis(0), order);
    }
    if let Some(fresh) = &mut other.fresh {
        *fresh = order.iter().map(|row| fresh[*row]).collect();
    }
    other
}

/// The inputs that are real, by which there is a derivative.
fn real_inputs(given: &Given) -> Vec<&str> {
    given.reals.keys().map(String::as_str).collect()
}

fn input_alone<'g>(subject: &dyn Subject, given: &'g Given) -> Vec<&'g str> {
    let graph = subject.bound();
    let of = |name: &&str| {
        graph
            .inputs()
            .any(|(_, own, role)| own == *name && role == rnn::ir::op::Role::Input)
    };
    real_inputs(given).into_iter().filter(of).collect()
}

fn jvp(subject: &dyn Subject, choice: &Choice, given: &Given) -> Result<usize, String> {
    let given = &outputs_given(given);
    let names = input_alone(subject, given);
    let mut along = direction(&subject.bound(), given, &names, 11);
    without_fixed(choice, &mut along);
    let found = call(subject, choice, given, &|model, given| {
        model.jvp(given, &along)
    })?;
    let expected = oracle::jvp(subject, given, &along);
    agree(&expected, &found, TOLERANCE).map_err(|error| format!("jvp: {error}"))
}

fn near(what: &str, one: f64, other: f64, scale: f64) -> Result<(), String> {
    let close = (one - other).abs() <= 3e-4 * scale.max(one.abs()).max(1e-3);
    close
        .then_some(())
        .ok_or_else(|| format!("{what}: {one} and {other}"))
}

fn size(answers: &Answers, word: &str) -> f64 {
    let own = answers.iter().filter(|(name, _)| name.starts_with(word));
    own.flat_map(|(_, array)| array.iter())
        .map(|x| f64::from(*x).abs())
        .sum()
}

/// Products with the Hessian: by the interpreter, and the same from both sides.
fn hessian(subject: &dyn Subject, choice: &Choice, given: &Given) -> Result<usize, String> {
    let given = &outputs_given(given);
    let graph = subject.bound();
    let (mut u, mut v) = (
        direction(&graph, given, &[], 13),
        direction(&graph, given, &[], 17),
    );
    without_fixed(choice, &mut u);
    without_fixed(choice, &mut v);
    let of_v = call(subject, choice, given, &|model, given| model.hvp(given, &v))?;
    let mut expected = oracle::hvp(subject, given, &v, choice.reduction);
    with_fixed(choice, &mut expected, "H");
    let compared =
        agree(&expected, &of_v, 4.0 * TOLERANCE).map_err(|error| format!("hvp: {error}"))?;
    let of_u = call(subject, choice, given, &|model, given| model.hvp(given, &u))?;
    let (one, other) = (product(&of_v, "H", &u), product(&of_u, "H", &v));
    near("the Hessian from both sides", one, other, size(&of_v, "H"))?;
    Ok(compared)
}

/// Derivatives by inputs: by the interpreter, and the slope along a direction both ways.
fn inputs(subject: &dyn Subject, choice: &Choice, given: &Given) -> Result<usize, String> {
    let given = &outputs_given(given);
    let names = real_inputs(given);
    let found = call(subject, choice, given, &|model, given| {
        model.by_inputs(given, &names)
    })?;
    let expected = oracle::by_inputs(subject, given, &names, choice.reduction);
    let compared =
        agree(&expected, &found, TOLERANCE).map_err(|error| format!("by inputs: {error}"))?;
    let mut along: Arrays = direction(&subject.bound(), given, &names, 19);
    along.retain(|name, _| given.reals.contains_key(name));
    let slope = call(subject, choice, given, &|model, given| {
        model.slope(given, &along)
    })?;
    let (forwards, backwards) = (number(&slope, "slope"), product(&found, "d", &along));
    near("slope by inputs", forwards, backwards, size(&found, "d"))?;
    // Along parameters, where the gradient is that of inference.
    if choice.form < 2 && choice.base.name != "Normalised" {
        let grads = call(subject, choice, given, &|model, given| {
            model.gradient(given)
        })?;
        let mut along = direction(&subject.bound(), given, &[], 23);
        without_fixed(choice, &mut along);
        let slope = call(subject, choice, given, &|model, given| {
            model.slope(given, &along)
        })?;
        let (forwards, backwards) = (number(&slope, "slope"), product(&grads, "d", &along));
        near(
            "slope by parameters",
            forwards,
            backwards,
            size(&grads, "d "),
        )?;
    }
    Ok(compared)
}

/// Derivatives by carried states at every step.
fn states(subject: &dyn Subject, choice: &Choice, given: &Given) -> Result<usize, String> {
    let given = &outputs_given(given);
    let found = call(subject, choice, given, &|model, given| {
        model.by_states(given)
    })?;
    let expected = oracle::by_states(subject, given, choice.reduction);
    agree(&expected, &found, TOLERANCE).map_err(|error| format!("by states: {error}"))
}

/// A part of the steps, of inputs that vary over time.
fn piece(subject: &dyn Subject, given: &Given, from: usize, to: usize) -> Given {
    let graph = subject.bound();
    let mut piece = given.clone();
    for (id, name, _) in graph.inputs() {
        if graph.nodes[id].ty.domain.time_axes().next().is_none() {
            continue;
        }
        let cut = |steps: usize| Slice::from(from.min(steps)..to.min(steps));
        if let Some(array) = piece.reals.get_mut(name) {
            *array = array.slice_axis(Axis(0), cut(array.shape()[0])).to_owned();
        }
        if let Some(array) = piece.tokens.get_mut(name) {
            *array = array.slice_axis(Axis(0), cut(array.shape()[0])).to_owned();
        }
    }
    for (_, lengths) in &mut piece.lengths {
        for own in lengths.iter_mut() {
            *own = (*own).min(to).saturating_sub(from);
        }
    }
    piece.says_lengths = true;
    piece
}

/// A sequence in pieces of several lengths, the state going through a file in between; and each piece's own gradient.
fn pieces(subject: &dyn Subject, choice: &Choice, given: &Given) -> Result<usize, String> {
    if choice.form == 1 {
        return Ok(0);
    }
    let given = &outputs_given(given);
    let whole = call(subject, choice, given, &|model, given| model.forward(given))?;
    let steps = given.lengths[0].1.iter().copied().max().unwrap_or(0);
    let mut compared = 0;
    for length in [1, 2, 3, steps + 2] {
        let mut state = given.state.clone();
        let mut fresh = given.fresh.clone();
        let mut outputs: Vec<Answers> = Vec::new();
        for from in (0..steps.max(1)).step_by(length) {
            let mut own = piece(subject, given, from, from + length);
            (own.state, own.fresh) = (state, fresh.take());
            let found = call(subject, choice, &own, &|model, given| model.forward(given))?;
            if length == 2 && choice.batch < 17 {
                // A piece is differentiated from its state on.
                compared += gradient(subject, choice, &own)?;
            }
            let own = found.iter().filter_map(|(name, array)| {
                Some((name.strip_prefix("state ")?.to_owned(), array.clone()))
            });
            state = Some(own.collect());
            outputs.push(found);
        }
        for (name, array) in &whole {
            let joined = match name.starts_with("state ") {
                true => outputs.last().map(|last| last[name].clone()),
                false => {
                    let views: Vec<_> = outputs.iter().map(|own| own[name].view()).collect();
                    concatenate(Axis(0), &views).ok()
                }
            };
            let joined = joined.ok_or_else(|| format!("{name}: pieces do not fit"))?;
            let mut view = array.view();
            if !name.starts_with("state ") {
                view.slice_axis_inplace(Axis(0), Slice::from(..joined.shape()[0]));
            }
            let one = Answers::from([(name.clone(), view.to_owned())]);
            let other = Answers::from([(name.clone(), joined)]);
            same_bits(&one, &other).map_err(|error| format!("pieces of {length}: {error}"))?;
            compared += array.len();
        }
    }
    Ok(compared)
}

/// Step by step, with the bits of the whole.
fn stream(subject: &dyn Subject, choice: &Choice, given: &Given) -> Result<usize, String> {
    if choice.form == 1 {
        return Ok(0);
    }
    // All examples of a stream have all steps, and continue if one does.
    let mut own = choice.given_of(subject, Lengths::Full, 29);
    own.params = given.params.clone();
    own.state = given.state.clone();
    let model = choice.model(subject, None);
    let whole = model.forward(&own).map_err(|refused| refused.told)?;
    let found = model.stream(&own).map_err(|refused| refused.told)?;
    same_bits(&whole, &found).map_err(|error| format!("stream: {error}"))?;
    Ok(whole.values().map(ndarray::ArrayBase::len).sum())
}
