use rnn::ir::samples;
use rnn::ir::textbook::Diagram;

use super::*;

#[test]
fn a_value_of_another_step_is_a_figure_of_its_own() {
    assert_eq!(at_step("h[t]", "t-1"), "h[t-1]");
    assert_eq!(at_step("e[j, t]", "t+2"), "e[j, t+2]");
    assert_eq!(at_step("h[t]", "t = last"), "h[t] at t = last");
    assert_eq!(at_step("h[t]", "boundary"), "h[t] at boundary");
    let svg = draw(&Diagram::of(&samples::lstm())).unwrap();
    for part in [
        "h[t-1]",
        "c[t-1]",
        "sigmoid(W_i @ x[t]",
        "class=\"box result\"",
    ] {
        assert!(svg.contains(part), "{part}");
    }
    assert_eq!(svg.matches("h[t-1]</text>").count(), 1);
}

#[test]
fn every_sample_is_drawn_and_painted() {
    for (name, graph) in samples::all() {
        for diagram in [Diagram::of(&graph), Diagram::with_params(&graph)] {
            let svg = draw(&diagram).unwrap();
            assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{name}");
            assert_eq!(
                rnn::plot::png(&svg, 0.2).unwrap()[..4],
                *b"\x89PNG",
                "{name}"
            );
        }
    }
}

#[test]
fn long_formulas_are_wrapped_and_cut() {
    let long = "a + ".repeat(200);
    let lines = wrapped(&long);
    assert_eq!(lines.len(), LINES);
    assert!(lines.iter().all(|line| line.chars().count() <= LINE));
    assert!(
        wrapped(&"x".repeat(100))
            .iter()
            .all(|line| line.chars().count() <= LINE)
    );
}
