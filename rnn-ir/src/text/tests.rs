use super::*;
use crate::axis::{Axis, Domain, Extent};
use crate::builder::Builder;
use crate::dim::Dim;
use crate::graph::{Graph, ResultKind};
use crate::id::Id;
use crate::node::{Loc, NodeId, Shape, Type};
use crate::op::{Init, Number, Op, ParamKind, Role};
use crate::samples;
use crate::textbook;
use crate::verify::verify;

fn round_trip(graph: &Graph) {
    let text = print(graph);
    let parsed = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(&parsed, graph, "{text}");
    assert_eq!(print(&parsed), text);
}

#[test]
fn samples_round_trip() {
    for (_, graph) in samples::all() {
        round_trip(&graph);
    }
}

#[test]
fn vanilla_prints() {
    insta::assert_snapshot!(print(&samples::vanilla()));
}

#[test]
fn primitives_print() {
    insta::assert_snapshot!(print(&samples::primitives()));
}

#[test]
fn attention_prints() {
    insta::assert_snapshot!(print(&samples::attention()));
}

#[test]
fn numbers_keep_their_bits() {
    let mut b = Builder::new("numbers");
    let quiet = f64::from_bits(0x7ff8_0000_0000_0001);
    for value in [
        0.0,
        -0.0,
        1.0,
        0.1,
        1.0 / 3.0,
        -2.5e-300,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
        1e16,
        123_456_789.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
        quiet,
    ] {
        b.constant(value, Shape::scalar());
    }
    round_trip(&b.finish());
}

#[test]
fn names_and_places_of_any_kind_round_trip() {
    let mut b = Builder::new("a model; with \"quotes\"\\ and\nlines \u{1} \u{e9}");
    let h = b.size("H");
    let t = b.axis("t", Extent::Length("T".into()));
    b.axis("k", Extent::Fixed(16));
    b.file("src/cells.rs");
    let file = b.file("C:\\a folder\\\"cells\".rs");
    let ty = Type::real(Domain::BATCH.with(t), Shape::vector(h.clone()));
    for name in [
        "x", "", "_", "a.b", "a..b", "1x", "x;y", "%3", " x ", "\u{3b1}",
    ] {
        b.set_loc(Some(Loc {
            file: (name != "x").then_some(file),
            line: u32::MAX,
            column: 1,
        }));
        let id = b.input(name, Role::Input, ty.clone()).expect("typed");
        b.set_loc(None);
        b.result(ResultKind::Output, name, id);
        let init = Init {
            kind: name.into(),
            args: vec![Number(f64::NAN), Number(-1.5)],
        };
        let param = b
            .param(name, Shape::scalar(), init, ParamKind::Fixed)
            .expect("typed");
        let renamed = b.unary(crate::op::Unary::Neg, param).expect("typed");
        b.name(renamed, name);
    }
    let mut graph = b.finish();
    let first = NodeId::from_index(0);
    graph.nodes[first].name = None;
    graph.nodes[NodeId::from_index(1)].name = Some("another".into());
    round_trip(&graph);
}

#[test]
fn sizes_of_any_form_round_trip() {
    let mut b = Builder::new("sizes");
    let (e, h) = (b.size("E"), b.size("H"));
    let product = e.checked_mul(&h).expect("small");
    let dims = [
        Dim::constant(0),
        Dim::constant(i64::MIN),
        Dim::constant(i64::MAX),
        e.checked_sub(&Dim::constant(1)).expect("small"),
        Dim::constant(-1).checked_mul(&h).expect("small"),
        Dim::sum([&product, &product, &e, &Dim::constant(3)]),
        Dim::constant(-7).checked_mul(&product).expect("small"),
    ];
    for dim in dims {
        b.constant(1.0, Shape::vector(dim));
    }
    round_trip(&b.finish());
}

#[test]
fn broken_graphs_round_trip_too() {
    let mut b = Builder::new("open");
    let t = b.axis("t", Extent::Length("T".into()));
    let ty = Type::real(Domain::of(t), Shape::scalar());
    b.open_shift(&ty, t, -1, None).expect("typed");
    round_trip(&b.finish());
    let mut graph = Graph::new("late");
    graph.axes.push(Axis {
        name: "t".into(),
        extent: Extent::Fixed(0),
    });
    round_trip(&graph);
}

#[test]
fn comments_and_blanks_are_skipped() {
    let text = "; a model\n\n  model  M < H >  ; its name\naxis batch : 1..= B\n\
                %0 = param  w~zeros() : [] [H ] ; a parameter\n";
    let error = parse(text).expect_err("`()` has no number");
    assert_eq!(
        error.to_string(),
        "line 5, column 21: expected a number, found `)`"
    );
    let graph = parse(&text.replace("()", "")).expect("a graph");
    assert_eq!(
        print(&graph),
        "model M<H>\naxis batch: 1..=B\n%0 = param w ~ zeros : [] [H]\n"
    );
}

#[test]
fn errors_name_place_expected_and_found() {
    let head = "model M<H>\naxis batch: 1..=B\naxis t: 1..=T\n";
    let cases = [
        "",
        "graph M",
        "model \"M",
        "model M<H, 2>",
        "model M\naxis t: 0..=T",
        "model M\naxis t: 1..=99999999999",
        "model M\naxis t: 1..=T\naxis t: 1..=S",
        "HEAD%1 = step t : [t] []",
        "HEAD%0 = step j : [t] []",
        "HEAD%0 = stepp t : [t] []",
        "HEAD%0 = step t : [t, t] []",
        "HEAD%0 = step t : [t] [H",
        "HEAD%0 = step t : [t] [H ** H]",
        "HEAD%0 = step t : [t] [2*3]",
        "HEAD%0 = step t : [t] [9223372036854775808]",
        "HEAD%0 = step t : [t] [H*H*H*H*H*H*H*H*H]",
        "HEAD%0 = step t : [t] [] float",
        "HEAD%0 = const one : [] []",
        "HEAD%0 = const nan(0000000000000000) : [] []",
        "HEAD%0 = add %1 : [] []",
        "HEAD%0 = sum %1 : [] []",
        "HEAD%0 = tanh 1 : [] []",
        "HEAD%0 = shift t %1 : [] []",
        "HEAD%0 = shift t-4294967296 %1 : [] []",
        "HEAD%0 = shift t-4294967295 %1 : [] []",
        "HEAD%0 = at t=middle %1 : [] []",
        "HEAD%0 \"h\\q\" = step t : [t] []",
        "HEAD%0 \"\\u{d800}\" = step t : [t] []",
        "HEAD%0 = step t : [t] [] @ 3",
        "HEAD%0 = step t : [t] [] %1",
        "HEADoutput h %0",
        "HEADresult h = %0",
        "HEADoutput h = %0\n%0 = step t : [t] []",
        "HEADoutput h = %0\naxis j: 1..=S",
        "HEAD%99999999999 = step t : [t] []",
    ];
    let mut report = String::new();
    for text in cases {
        let text = text.replace("HEAD", head);
        let error = parse(&text).expect_err(&text);
        let line = text.lines().nth(error.line - 1).unwrap_or_default();
        report.push_str(&format!("{line}\n    {error}\n"));
    }
    insta::assert_snapshot!(report);
}

#[test]
fn too_many_axes_terms_or_bytes_are_refused() {
    let axes: String = (0..33).map(|i| format!("axis a{i}: 1..=T\n")).collect();
    assert!(parse(&format!("model M\n{axes}")).is_err());
    let terms = vec!["H"; MAX_TERMS + 1].join(" + ");
    assert!(parse(&format!("model M<H>\n%0 = const 1 : [] [{terms}]")).is_err());
    assert!(parse(&" ".repeat(MAX_TEXT + 1)).is_err());
}

// A small generator of the linear congruential kind (Knuth's MMIX constants), so that a failure can be repeated.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

fn mutate(text: &str, random: &mut Lcg) -> String {
    const PIECES: [&str; 24] = [
        "%0",
        "%4294967295",
        "%99999999999",
        "[",
        "]",
        "-",
        "+",
        "*",
        "1",
        "0",
        ";",
        "\"",
        "\\",
        "\n",
        "t",
        "shift t-1 ",
        " else ",
        "9223372036854775808",
        "\u{e9}",
        ":",
        "=",
        "max",
        "nan",
        "\0",
    ];
    let mut letters: Vec<char> = text.chars().collect();
    // Half of the texts differ in numbers alone: most of those are graphs.
    let digits: Vec<usize> = (0..letters.len())
        .filter(|at| letters[*at].is_ascii_digit())
        .collect();
    if random.below(2) == 0 {
        for _ in 0..1 + random.below(3) {
            let digit = char::from(b"0123456789"[random.below(10)]);
            letters[digits[random.below(digits.len())]] = digit;
        }
        return letters.into_iter().collect();
    }
    for _ in 0..1 + random.below(6) {
        let at = random.below(letters.len() + 1);
        let end = (at + random.below(8)).min(letters.len());
        let piece = PIECES[random.below(PIECES.len())];
        match random.below(4) {
            0 => drop(letters.drain(at..end)),
            1 => drop(letters.splice(at..at, piece.chars())),
            2 => drop(letters.splice(at..end, piece.chars())),
            _ => {
                let from = random.below(letters.len() + 1);
                let copied: Vec<char> = letters[from..].iter().take(40).copied().collect();
                letters.splice(at..at, copied);
            }
        }
    }
    letters.into_iter().collect()
}

#[test]
fn mutated_text_is_a_graph_or_an_error() {
    let mut random = Lcg(7);
    let (mut parsed, mut refused, mut valid, mut invalid) = (0, 0, 0, 0);
    for (_, graph) in samples::all() {
        let text = print(&graph);
        for _ in 0..400 {
            let mutated = mutate(&text, &mut random);
            let Ok(graph) = parse(&mutated) else {
                refused += 1;
                continue;
            };
            parsed += 1;
            // The verifier and the printer stand any graph that the parser makes.
            let printed = print(&graph);
            assert_eq!(parse(&printed).as_ref(), Ok(&graph), "{printed}");
            match verify(graph) {
                Ok(graph) => {
                    valid += 1;
                    assert!(!textbook::equations(&graph).is_empty());
                    assert!(!textbook::summary(&graph).to_string().is_empty());
                }
                Err(violations) => {
                    invalid += 1;
                    for violation in violations {
                        assert!(!violation.to_string().is_empty());
                    }
                }
            }
        }
    }
    println!("{parsed} parsed ({valid} valid, {invalid} invalid), {refused} refused");
    assert!(refused > 0 && valid > 0 && invalid > 0);
}

#[test]
fn a_shift_is_the_only_forward_reference_that_is_printed_so() {
    let graph = samples::vanilla();
    for (id, node) in graph.nodes.iter() {
        let later = node.op.operands().into_iter().any(|operand| operand >= id);
        assert!(!later || matches!(node.op, Op::Shift { .. }), "{id}");
    }
}
