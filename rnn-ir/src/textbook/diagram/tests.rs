use super::*;
use crate::samples;
use crate::text::parse;
use crate::verify::verify;

#[test]
fn samples_in_the_language_of_graphviz_and_of_mermaid() {
    let lstm = Diagram::of(&samples::lstm());
    insta::assert_snapshot!(lstm.dot());
    insta::assert_snapshot!(lstm.mermaid());
    insta::assert_snapshot!(Diagram::with_params(&samples::vanilla()).mermaid());
}

#[test]
fn arrows_within_a_step_never_form_a_cycle() {
    for (name, graph) in samples::all() {
        let diagram = Diagram::of(&graph);
        let mut left: BTreeSet<usize> = (0..diagram.figures.len()).collect();
        let read_in = |at: usize, left: &BTreeSet<usize>| {
            let mut arrows = diagram.arrows.iter();
            arrows
                .any(|arrow| arrow.to == at && arrow.label.is_none() && left.contains(&arrow.from))
        };
        while let Some(next) = left.iter().copied().find(|at| !read_in(*at, &left)) {
            left.remove(&next);
        }
        assert!(left.is_empty(), "{name}: {left:?}");
        assert!(!diagram.arrows.is_empty(), "{name}");
    }
}

#[test]
fn an_arrow_says_how_much_time_it_passes() {
    let text = "model M<H>\naxis batch: 1..=B\naxis t: 1..=T\n\
                %0 = input x : [batch, t] [H]\n%1 = param a ~ zeros : [] [H]\n\
                %2 = shift t-1 %4 : [batch, t] [H]\n%3 = shift t-1 %2 : [batch, t] [H]\n\
                %4 \"h\" = add %0, %3 : [batch, t] [H]\n%5 \"last\" = at t=last %4 : [batch] [H]\noutput last = %5";
    let graph = verify(parse(text).unwrap()).unwrap();
    let diagram = Diagram::of(&graph);
    let arrows = diagram.arrows.iter().map(|arrow| {
        let name = |at: usize| diagram.figures[at].name.as_str();
        (name(arrow.from), name(arrow.to), arrow.label.as_deref())
    });
    assert_eq!(
        arrows.collect::<Vec<_>>(),
        [
            ("x[t]", "h[t]", None),
            ("h[t]", "h[t]", Some("t-2")),
            ("h[t]", "last", Some("t = last")),
        ]
    );
}

#[test]
fn names_cannot_leave_their_quotes() {
    let diagram = Diagram {
        name: "a\"b".into(),
        figures: vec![Figure {
            kind: FigureKind::Equation,
            name: "x\"] evil <b>".into(),
            shape: "[H]".into(),
            formula: Some("a \\ b".into()),
        }],
        arrows: Vec::new(),
    };
    assert!(
        diagram
            .dot()
            .contains(r#"label="x\"] evil <b> : [H]\na \\ b""#)
    );
    assert!(
        diagram
            .mermaid()
            .contains(r#"["x#34;] evil #60;b#62; : [H]<br/>a \ b"]"#)
    );
}
