use super::*;
use crate::samples;
use crate::verify::verify;

fn only(graph: crate::graph::Graph) -> (Verified, Recurrence) {
    let graph = verify(graph).expect("a sample");
    let mut all = recurrences(&graph);
    assert_eq!(all.len(), 1, "{}", report(&graph));
    let one = all.remove(0);
    (graph, one)
}

#[test]
fn a_gated_cell_is_nonlinear_and_dense_and_says_where() {
    let (graph, _) = only(samples::lstm());
    insta::assert_snapshot!(report(&graph));
}

#[test]
fn a_matrix_memory_is_linear_diagonal_and_invertible() {
    let (graph, one) = only(samples::matrix_memory());
    assert_eq!(one.linearity, Linearity::Linear(Semiring::Real));
    assert_eq!(one.structure, Structure::Diagonal);
    let Inverse::Found { nonzero, .. } = &one.inverse else {
        panic!("{}", report(&graph));
    };
    assert!(nonzero.is_empty(), "its gates are below one: {nonzero:?}");
}

#[test]
fn the_forward_algorithm_is_linear_over_logarithms() {
    let (_, one) = only(samples::crf());
    assert_eq!(one.linearity, Linearity::Linear(Semiring::Log));
    assert!(matches!(one.structure, Structure::Dense { .. }));
}

#[test]
fn a_grid_has_a_loop_inside_a_loop() {
    let graph = verify(samples::grid()).expect("a sample");
    insta::assert_snapshot!(report(&graph));
}

#[test]
fn lags_have_names_of_their_own() {
    let (graph, one) = only(samples::lags());
    assert_eq!(one.cycle.names(&graph), ["y", "y_lag2"]);
    assert_eq!(one.linearity, Linearity::Linear(Semiring::Real));
}
