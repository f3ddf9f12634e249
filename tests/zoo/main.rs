//! Every cell of the zoo: its gradients against finite differences, its compiled code against the interpreter, its stream
//! against its batch, its parameters against the formula of its paper, and its equations and loops for the eye.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

mod agreement;
mod closed_forms;
mod drawn;
mod formula;
mod loops;
#[expect(dead_code, reason = "the benchmarks give the same inputs again")]
mod models;
mod recurrences;
mod table;

use agreement::{agree, outputs_of};
use drawn::{of_mode, params, surroundings, values};
use models::Sample;
use ndarray::Axis;
use rnn::ir::autodiff::Wrt;
use rnn::ir::autodiff::check::check_model;
use rnn::ir::random::mode::Mode;
use rnn::ir::textbook::equations;
use rnn::{Options, compile, param_specs};
use table::{Cell, Visitor, WIDTH, visit};

/// Runs a check of every cell and names all that fail it.
struct Each<C>(C, Vec<String>);

trait Check {
    fn check<M: Sample>(&mut self, cell: &Cell, spec: M) -> Result<(), String>;
}

impl<C: Check> Visitor for Each<C> {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, small: M, _: fn(usize) -> M) {
        if let Err(error) = self.0.check(cell, small) {
            self.1.push(format!("{}: {error}", cell.name));
        }
    }
}

fn each(check: impl Check) {
    let mut each = Each(check, Vec::new());
    visit(&mut each);
    assert!(each.1.is_empty(), "{}", each.1.join("\n"));
}

/// Lengths of the examples of a batch: one, the longest twice, and none.
const LENGTHS: [[usize; 3]; 3] = [[1, 1, 1], [2, 3, 0], [7, 2, 7]];

struct Gradients;

impl Check for Gradients {
    #[inline(never)]
    fn check<M: Sample>(&mut self, _: &Cell, spec: M) -> Result<(), String> {
        let lengths = [3, 2, 4];
        let (params, values) = (params(&spec, 1), values(&spec, 4, 3, 2));
        let env = surroundings(&spec, &params, &values, &lengths);
        let graph = of_mode(&spec, Mode::Training);
        let checked = check_model(&graph, &env, &Wrt::params());
        let checked = checked.map_err(|error| error.to_string())?;
        let specs = param_specs(&spec).map_err(|error| error.to_string())?;
        let trained = specs.iter().filter(|spec| spec.is_trained());
        let count: usize = trained
            .map(|spec| spec.shape.iter().product::<usize>())
            .sum();
        (checked == count)
            .then_some(())
            .ok_or(format!("{checked} elements checked of {count}"))
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    each(Gradients);
}

struct CompiledCode;

impl Check for CompiledCode {
    #[inline(never)]
    fn check<M: Sample>(&mut self, cell: &Cell, spec: M) -> Result<(), String> {
        let model = compile(spec, Options::default()).map_err(|error| error.to_string())?;
        for lengths in LENGTHS {
            // A memory of no steps has no weights, and the probability of no symbols is one of no model.
            let empty = cell.name.ends_with("Decoder") || cell.name == "HmmForward";
            let lengths = lengths.map(|length| if empty { length.max(1) } else { length });
            agree(&model, &spec, &lengths)
                .map_err(|error| format!("lengths {lengths:?}: {error}"))?;
        }
        Ok(())
    }
}

#[test]
fn compiled_code_computes_what_the_equations_say() {
    each(CompiledCode);
}

/// Cells that need a whole sequence before their first step.
const NOT_CAUSAL: [&str; 4] = [
    "BahdanauDecoder",
    "LuongDotDecoder",
    "LuongGeneralDecoder",
    "ScaledDotDecoder",
];

struct Streams;

impl Check for Streams {
    #[inline(never)]
    fn check<M: Sample>(&mut self, cell: &Cell, spec: M) -> Result<(), String> {
        let model = compile(spec, Options::default()).map_err(|error| error.to_string())?;
        let (steps, batch) = (6, 3);
        let (params, values) = (params(&spec, 5), values(&spec, steps, batch, 6));
        let stream = model.stream_batch(&params, batch);
        if NOT_CAUSAL.contains(&cell.name) {
            let refused = stream.is_err_and(|error| error.to_string().contains("axes"));
            return refused
                .then_some(())
                .ok_or("streams over a memory".to_owned());
        }
        let mut stream = stream.map_err(|error| error.to_string())?;
        let whole = model.forward(&params, M::inputs(&values));
        let whole = outputs_of(whole.map_err(|error| error.to_string())?);
        for t in 0..steps {
            let step = values.step(t);
            let found = stream
                .step(M::inputs(&step))
                .map_err(|error| error.to_string())?;
            for ((name, found), (_, whole)) in outputs_of(found.clone()).iter().zip(&whole) {
                if found.index_axis(Axis(0), 0) != whole.index_axis(Axis(0), t) {
                    return Err(format!("{name}, step {t}: other bits than in the batch"));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn a_stream_has_the_bits_of_a_batch() {
    each(Streams);
}

/// Counted at both sizes, the small and the large one.
struct Counts(Vec<String>);

impl Visitor for Counts {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, small: M, sized: fn(usize) -> M) {
        for spec in [small, sized(WIDTH)] {
            let specs = param_specs(&spec).unwrap();
            let own = specs
                .iter()
                .filter(|spec| spec.is_trained() && spec.name.starts_with("unit."));
            let count: usize = own.map(|spec| spec.shape.iter().product::<usize>()).sum();
            if count != cell.count(&spec) {
                let (name, formula) = (cell.name, cell.parameters);
                let expected = cell.count(&spec);
                self.0
                    .push(format!("{name}: {formula} is {expected}, found {count}"));
            }
        }
    }
}

#[test]
fn cells_have_as_many_parameters_as_their_papers_say() {
    let mut counts = Counts(Vec::new());
    visit(&mut counts);
    assert!(counts.0.is_empty(), "{}", counts.0.join("\n"));
}

struct Snapshots;

impl Check for Snapshots {
    #[inline(never)]
    fn check<M: Sample>(&mut self, cell: &Cell, spec: M) -> Result<(), String> {
        let model = compile(spec, Options::default()).map_err(|error| error.to_string())?;
        let loops = model
            .schedule(rnn::Program::Forward)
            .map_err(|error| error.to_string())?;
        let text = format!("{}\n{loops}", equations(&of_mode(&spec, Mode::Inference)));
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(cell.name, text));
        Ok(())
    }
}

#[test]
fn equations_and_loops_read_well() {
    each(Snapshots);
}

/// The lines of the documentation's table.
struct Lines(Vec<(&'static str, String)>);

impl Visitor for Lines {
    #[inline(never)]
    fn cell<M: Sample>(&mut self, cell: &Cell, _: M, _: fn(usize) -> M) {
        let Cell {
            name,
            source,
            parameters,
            recurrence,
        } = cell;
        let line = format!("//! | [`{name}`] | {source} | `{parameters}` | `{recurrence}` |");
        self.0.push((name, line));
    }
}

/// Cells that others are made of, and which are checked as a part of them.
const PARTS: [&str; 2] = ["GatesOf", "NtmHead"];

#[test]
fn every_cell_of_the_crate_is_in_the_zoo_and_in_its_documentation() {
    let mut zoo = Lines(Vec::new());
    visit(&mut zoo);
    let source = include_str!("../../src/cells/mod.rs");
    for (_, line) in &zoo.0 {
        assert!(source.lines().any(|found| found == line), "no line\n{line}");
    }
    let exported = source
        .lines()
        .skip_while(|line| !line.starts_with("pub use"));
    let text = exported.collect::<Vec<_>>().join(" ");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let mut cells: Vec<&str> = words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
        .collect();
    cells.sort_unstable();
    let names = zoo.0.iter().map(|(name, _)| *name);
    let mut names: Vec<&str> = names.chain(PARTS).collect();
    names.sort_unstable();
    assert_eq!(names, cells);
}
