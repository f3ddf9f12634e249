use super::*;
use crate::axis::Axis;
use crate::bind::{BindError, bind};
use crate::dim::DimError;
use crate::graph::GraphResult;
use crate::node::Shape;
use crate::op::{Init, Number, Over, ParamKind, Unary};
use crate::samples;
use crate::text::parse;

const HEAD: &str = "model M<H, E>\naxis batch: 1..=B\naxis t: 1..=T\naxis j: 1..=S\n";

fn graph(body: &str) -> Graph {
    parse(&format!("{HEAD}{body}")).expect("a graph")
}

fn found(graph: &Graph) -> Vec<String> {
    violations(graph).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn refuses(body: &str, expected: &str) {
    assert_eq!(found(&graph(body)), [expected], "{body}");
}

#[track_caller]
fn accepts(body: &str) {
    assert_eq!(found(&graph(body)), [""; 0], "{body}");
}

#[test]
fn samples_are_valid() {
    for (name, graph) in samples::all() {
        assert_eq!(found(&graph), [""; 0], "{name}");
    }
}

#[test]
fn names_of_sizes_and_axes_are_identifiers_used_once() {
    let mut graph = Graph::new("M");
    graph.sizes = vec!["H".into(), "2".into(), "H".into()];
    for (name, extent) in [
        ("t", Extent::Length("T T".into())),
        ("t", Extent::Fixed(0)),
        ("", Extent::Fixed(1)),
    ] {
        let name = name.into();
        graph.axes.push(Axis { name, extent });
    }
    let rules: Vec<Rule> = violations(&graph)
        .into_iter()
        .map(|found| found.rule)
        .collect();
    let identifier = |what, name: &str| {
        let name = name.to_owned();
        Rule::NotAnIdentifier { what, name }
    };
    assert_eq!(
        rules,
        [
            identifier("size", "2"),
            Rule::DuplicateSize { name: "H".into() },
            identifier("axis", "T T"),
            Rule::DuplicateAxis { name: "t".into() },
            Rule::EmptyAxis { name: "t".into() },
            identifier("axis", ""),
        ]
    );
}

#[test]
fn the_first_axis_is_the_batch() {
    let text = "model: expected `batch` of no fixed extent as the first axis, found ";
    let axis = |text: &str| found(&parse(text).expect("a graph"));
    assert_eq!(axis("model M"), [format!("{text}no axis")]);
    assert_eq!(axis("model M\naxis t: 1..=T"), [format!("{text}axis `t`")]);
    let fixed = axis("model M\naxis batch: 1..=3");
    assert_eq!(fixed, [format!("{text}axis `batch`")]);
}

#[test]
fn a_graph_of_too_many_axes_is_refused() {
    let mut graph = Graph::new("M");
    for index in 0..MAX_AXES {
        let name = format!("a{index}");
        let extent = Extent::Fixed(1);
        graph.axes.push(Axis { name, extent });
    }
    assert_eq!(found(&graph), ["model: expected at most 32 axes, found 33"]);
}

#[test]
fn inputs_and_parameters_have_names_of_their_own() {
    refuses(
        "%0 = input x : [batch] []\n%1 = param x ~ zeros : [] [H] @ 3:5",
        "equation `x` (%1, line 3, column 5): `x` is the name of an earlier input or parameter too (%0); rename one",
    );
}

#[test]
fn operands_exist_and_come_first() {
    refuses(
        "%0 = tanh %7 : [] []",
        "equation without a name (%0): operand %7 does not exist, the model has 1 nodes",
    );
    refuses(
        "%0 \"h\" = tanh %0 : [] []",
        "equation `h` (%0): operand %0 is defined here or later: a value cannot need itself at the same step; read it \
         at another step",
    );
    // Both operands are at fault, and both are reported.
    assert_eq!(found(&graph("%0 = add %0, %9 : [] []")).len(), 2);
    refuses(
        "%0 = step t : [t] []\n%1 \"h\" = shift t-1 %4294967295 : [t] []",
        "equation `h` (%1): the shifted value is never defined; give it an equation",
    );
    refuses(
        "%0 = shift t-1 %0 else %1 : [t] []\n%1 = const 1 : [] []",
        "equation without a name (%0): operand %1 is defined here or later: a value cannot need itself at the same \
         step; read it at another step",
    );
}

#[test]
fn a_violation_names_the_equation_that_the_node_is_part_of() {
    refuses(
        "%0 = step t : [t] []\n%1 = tanh %0 : [t] [H]\n%2 = neg %1 : [t] [H]\n%3 \"h\" = neg %2 : [t] [H] @ 7:1",
        "equation `h` (%1, line 7, column 1): declared as `[t] [H]`, but its operands make it `[t] []`",
    );
}

#[test]
fn axes_are_the_graphs_and_time_is_not_the_batch() {
    let mut graph = graph("%0 = step t : [t] []\n%1 = sum[t] %0 : [batch] []");
    let (step, sum) = (NodeId::from_index(0), NodeId::from_index(1));
    graph.nodes[step].op = Op::Step(AxisId::from_index(3));
    graph.nodes[sum].ty.domain = Domain::of(AxisId::from_index(31));
    assert_eq!(
        found(&graph),
        [
            "equation without a name (%0): axis3 is not an axis of the model",
            "equation without a name (%1): axis31 is not an axis of the model",
        ]
    );
    // No arithmetic on an axis that no domain can hold.
    graph.nodes[step].op = Op::Step(AxisId::from_index(77));
    graph.nodes[sum].op = Op::AxisReduce {
        kind: Over::Sum,
        x: step,
        axes: Domain::of(AxisId::from_index(30)),
    };
    assert_eq!(found(&graph).len(), 3);
    refuses(
        "%0 = step batch : [batch] []",
        "equation without a name (%0): expected a time axis, found `batch`: examples have no order",
    );
}

#[test]
fn a_reduction_is_over_something() {
    let text = "equation without a name (%1): expected at least one axis to reduce or to broadcast over, found none";
    refuses("%0 = step t : [t] []\n%1 = sum[] %0 : [batch, t] []", text);
    refuses("%0 = step t : [t] []\n%1 = broadcast[] %0 : [t] []", text);
}

#[test]
fn steps_are_counted_from_one_and_shifts_are_bounded() {
    refuses(
        "%0 = step t : [t] []\n%1 = at t=0 %0 : [batch] []",
        "equation without a name (%1): steps are counted from 1, found step 0; a value before the first step is a \
         boundary",
    );
    for by in [-2_147_483_648i64, 2_147_483_647, 1_048_577] {
        let text = format!("%0 = step t : [t] []\n%1 = shift t{by:+} %0 : [batch, t] []");
        refuses(
            &text,
            &format!(
                "equation without a name (%1): a shift by {by} steps is too far, expected at most 1048576"
            ),
        );
    }
}

#[test]
fn types_are_those_of_the_operands() {
    refuses(
        "%0 = param W ~ zeros : [] [H, E]\n%1 = param x ~ zeros : [] [H]\n%2 \"y\" = matmul %0, %1 : [] [H]",
        "equation `y` (%2): `@` contracts the last size of [H, E] with the first of [H]: expected E, found H",
    );
    refuses(
        "%0 = param x ~ zeros : [] [H]\n%1 = sum[t] %0 : [batch] [H]",
        "equation without a name (%1): `sum` needs a value that varies over its axis, found one that does not (axis `t`)",
    );
    refuses(
        "%0 = input x : [batch, t] [H]\n%1 = neg %0 : [batch, t, j] [H] index",
        "equation without a name (%1): declared as `[batch, t, j] [H] index`, but its operands make it `[batch, t] [H]`",
    );
}

#[test]
fn a_shift_may_vary_over_more_than_its_operands() {
    let start = "%0 = step t : [t] []\n%1 = const 1 : [] []\n";
    accepts(&format!("{start}%2 = shift t-1 %0 else %1 : [t] []"));
    accepts(&format!(
        "{start}%2 = shift t-1 %0 else %1 : [batch, t, j] []"
    ));
    // Beyond the end is beyond the example's own end.
    refuses(
        &format!("{start}%2 = shift t+1 %0 : [t] []"),
        "equation without a name (%2): declared as `[t] []`, but its operands make it `[batch, t] []`",
    );
    refuses(
        &format!("{start}%2 = shift t-1 %0 : [batch] []"),
        "equation without a name (%2): declared as `[batch] []`, but its operands make it `[t] []`",
    );
    refuses(
        &format!("{start}%2 = shift t-1 %1 : [t] []"),
        "equation without a name (%2): `shift` needs a value that varies over its axis, found one that does not (axis `t`)",
    );
    refuses(
        &format!("{start}%2 = shift t-1 %0 : [t] [H]"),
        "equation without a name (%2): declared as `[t] [H]`, but its operands make it `[t] []`",
    );
    refuses(
        &format!("{start}%2 = shift t-2 %0 else %1 : [t] []"),
        "equation without a name (%2): a shift by -2 steps has no single boundary",
    );
    refuses(
        &format!("{start}%2 = shift t+0 %0 : [t] []"),
        "equation without a name (%2): a shift by 0 steps is the value itself",
    );
}

#[test]
fn sizes_are_declared_and_positive() {
    refuses(
        "%0 = const 1 : [] [2*H*K]",
        "equation without a name (%0): size `2*H*K` mentions `K`, which is not declared; declare it or use one that is",
    );
    refuses(
        "%0 = const 1 : [] [H, 0]",
        "equation without a name (%0): expected a size of at least 1, found 0",
    );
    refuses(
        "%0 = const 1 : [] [H]\n%1 = pad %0 at 0 by 1, -1 : [] [H]",
        "equation without a name (%1): expected a size of at least 0, found -1",
    );
    accepts("%0 = const 1 : [] [H]\n%1 = pad %0 at 0 by 0, 0 : [] [H]");
}

#[test]
fn constants_are_values_of_their_kind() {
    accepts(
        "%0 = const 4294967295 : [] [] index\n%1 = const 1 : [] [H] bool\n%2 = const nan : [] []",
    );
    for (value, kind) in [
        ("4294967296", "index"),
        ("0.5", "index"),
        ("-1", "index"),
        ("inf", "index"),
        ("2", "bool"),
    ] {
        refuses(
            &format!("%0 = const {value} : [] [] {kind}"),
            &format!("equation without a name (%0): {value} is not a value of kind {kind}"),
        );
    }
}

#[test]
fn inputs_of_special_roles_are_scalars() {
    accepts("%0 = fresh f : [batch] [] bool\n%1 = weight w : [batch] []");
    refuses(
        "%0 = fresh f : [batch] []",
        "equation `f` (%0): input `f` is a scalar of kind bool by its role, found [batch] []",
    );
    refuses(
        "%0 = weight w : [batch] [H]",
        "equation `w` (%0): input `w` is a scalar of kind real by its role, found [batch] [H]",
    );
}

#[test]
fn results_have_names_values_and_one_loss() {
    let text = "%0 = input x : [batch] []\n%1 = input z : [batch, t] []\n";
    accepts(&format!(
        "{text}output x = %0\nstate x = %0\nloss loss = %0"
    ));
    refuses(
        &format!("{text}output x = %0\noutput x = %1"),
        "model: output `x` is declared twice; rename one or drop it",
    );
    refuses(
        &format!("{text}loss a = %0\nloss b = %0"),
        "model: expected at most one loss, found `b` too; add the two up",
    );
    refuses(
        &format!("{text}loss a = %1"),
        "equation `z` (%1): a loss is a real scalar that varies over no time axis, found `[batch, t] []`; reduce it, \
         as `mean[t]` and `sum` do",
    );
    refuses(
        &format!("{text}batch_loss a = %0"),
        "equation `x` (%0): a batch_loss is a real scalar that varies over no time axis, found `[batch] []`; reduce \
         it, as `mean[t]` and `sum` do",
    );
    let mut graph = graph(text);
    graph.results.push(GraphResult {
        kind: ResultKind::Output,
        name: "y".into(),
        node: NodeId::OPEN,
    });
    assert_eq!(
        found(&graph),
        ["model: result `y` is the value of %4294967295, which does not exist"]
    );
}

#[test]
fn a_cycle_that_needs_its_past_and_its_future_is_refused() {
    refuses(
        "%0 = shift t-1 %3 : [batch, t] []\n%1 = shift t+1 %2 : [batch, t] []\n\
         %2 \"b\" = tanh %0 : [batch, t] []\n%3 \"f\" = tanh %1 : [batch, t] []",
        "equation `b` (%0): no order of evaluation exists: `b` needs `f[t-1]`, `f` needs `b[t+1]`; along some time \
         axis, all of these must look the same way, and every equation between them must vary over it",
    );
    // The same along two axes, either of which is enough.
    accepts(
        "%0 = shift j-1 %3 : [batch, t, j] []\n%1 = shift t+1 %2 : [batch, t, j] []\n\
         %2 \"b\" = tanh %0 : [batch, t, j] []\n%3 \"f\" = tanh %1 : [batch, t, j] []",
    );
    // Back and ahead along `t`, but always back along `j`.
    accepts(
        "%0 = shift j-1 %4 : [batch, t, j] []\n%1 = shift t-1 %0 : [batch, t, j] []\n\
         %2 = shift t+1 %0 : [batch, t, j] []\n%3 = add %1, %2 : [batch, t, j] []\n\
         %4 \"u\" = tanh %3 : [batch, t, j] []",
    );
}

#[test]
fn a_recurrence_that_needs_its_own_last_value_is_refused() {
    let found = found(&graph(
        "%0 = shift t-1 %4 : [batch, t] []\n%1 = at t=last %0 : [batch] []\n%2 = step t : [t] []\n\
         %3 = add %1, %2 : [batch, t] []\n%4 \"h\" = tanh %3 : [batch, t] []",
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`h` needs `h[t-1]`"), "{found:?}");
}

#[test]
fn all_violations_are_reported() {
    let found = found(&graph(
        "%0 = const 0.5 : [] [0] index\n%1 = tanh %0 : [] [K]\noutput x = %9\nloss l = %0",
    ));
    assert_eq!(found.len(), 6, "{found:#?}");
}

fn sizes_of(graph: &Graph) -> Vec<(&str, usize)> {
    let primes = [2, 3, 5, 7, 11, 13, 17];
    let names = graph.sizes.iter().map(String::as_str);
    names.zip(primes).collect()
}

#[test]
fn bound_samples_have_constant_sizes() {
    for (name, graph) in samples::all() {
        let sizes = sizes_of(&graph);
        let bound = bind(&verify(graph.clone()).expect("valid"), &sizes).expect(name);
        for (_, node) in bound.nodes.iter() {
            assert!(node.ty.shape.sizes().is_some(), "{name}");
        }
        assert_eq!(bound.nodes.len(), graph.nodes.len());
    }
}

#[test]
fn binding_names_the_size_at_fault() {
    let graph = verify(samples::vanilla()).expect("valid");
    let fails = |sizes: &[(&str, usize)]| bind(&graph, sizes).expect_err("refused").to_string();
    assert_eq!(
        fails(&[("I", 2), ("V", 3)]),
        "size `H` of model `Vanilla` has no value; give it one"
    );
    assert_eq!(
        fails(&[("I", 2), ("H", 5), ("V", 3), ("W", 1)]),
        "model `Vanilla` has no size `W`, expected one of `I`, `H`, `V`"
    );
    assert_eq!(
        fails(&[("I", 2), ("I", 3)]),
        "size `I` is given twice, as 2 and as 3"
    );
    assert_eq!(
        fails(&[("I", 2), ("H", 0), ("V", 3)]),
        "size `H` is 0, expected at least 1"
    );
}

#[test]
fn sizes_too_large_are_refused_with_the_equation() {
    let graph = verify(samples::vanilla()).expect("valid");
    for huge in [usize::MAX, usize::MAX / 2, 1 << 40] {
        let error = bind(&graph, &[("I", 2), ("H", huge), ("V", 3)]).expect_err("refused");
        let text = error.to_string();
        assert!(text.contains("equation `W_"), "{text}");
    }
    let graph = verify(graph_of_four()).expect("valid");
    let sizes = [("H", usize::MAX / 2), ("E", 1)];
    assert!(matches!(
        bind(&graph, &sizes),
        Err(BindError::Dim {
            error: DimError::Overflow { .. },
            ..
        })
    ));
}

fn graph_of_four() -> Graph {
    graph("%0 = const 1 : [] [4*H]")
}

#[test]
fn slices_are_checked_when_sizes_are_known() {
    let text = "%0 = param x ~ zeros : [] [H]\n%1 \"y\" = slice %0 at 0 from E take 2 : [] [2]";
    let graph = verify(graph(text)).expect("valid for some sizes");
    assert!(bind(&graph, &[("H", 5), ("E", 3)]).is_ok());
    assert_eq!(
        bind(&graph, &[("H", 5), ("E", 4)])
            .expect_err("refused")
            .to_string(),
        "with these sizes the model is not valid: equation `y` (%1): entries 4 to 4 + 2 are outside a size of 5"
    );
    let shrunk = verify(super::tests::graph(
        "%0 = param x ~ zeros : [] [H]\n%1 \"y\" = slice %0 at 0 from 0 take H - E : [] [H - E]",
    ))
    .expect("valid for some sizes");
    assert_eq!(
        bind(&shrunk, &[("H", 5), ("E", 5)])
            .expect_err("refused")
            .to_string(),
        "equation `y` (%1): size `-E + H` is 0, expected at least 1"
    );
}

#[test]
fn places_are_in_files_that_are_declared() {
    let mut graph =
        parse("model M\naxis batch: 1..=B\nfile0 = \"a.rs\"\n%0 = const 1 : [] [] @ 3:9 in file0")
            .expect("a graph");
    assert!(verify(graph.clone()).is_ok());
    graph.files = crate::id::Arena::default();
    assert_eq!(
        found(&graph),
        [
            "equation without a name (%0, line 3, column 9): its place is in `file0`, which is not declared; the graph has 0 files"
        ]
    );
    let undeclared = parse("model M\naxis batch: 1..=B\n%0 = const 1 : [] [] @ 3:9 in file0");
    let error = undeclared.expect_err("no such file").to_string();
    assert!(
        error.contains("expected a declared file, found `file0`"),
        "{error}"
    );
}

#[test]
fn rules_hold_for_graphs_built_by_hand() {
    let mut graph = Graph::new("M");
    let ty = Type::real(Domain::NONE, Shape::scalar());
    let node = |op| Node {
        op,
        ty: ty.clone(),
        name: None,
        loc: None,
    };
    let one = graph.nodes.push(node(Op::Const(Number(1.0))));
    let init = Init {
        kind: "zeros".into(),
        args: Vec::new(),
    };
    graph.nodes.push(node(Op::Param {
        name: "w".into(),
        init,
        kind: ParamKind::Trained,
    }));
    graph.nodes.push(node(Op::Unary(Unary::Tanh, one)));
    assert!(verify(graph).is_ok());
}

#[test]
fn tokens_are_below_what_they_index_where_both_are_known() {
    let table = "%0 = param E ~ zeros : [] [3, 2]\n%1 = param w ~ zeros : [] [4]\n%2 = param v ~ zeros : [] [H]\n";
    let body = |token: &str| format!("{table}{token}\n%4 \"y\" = gather %0, %3 : [] [2]");
    accepts(&body("%3 = const 2 : [] [] index"));
    refuses(
        &body("%3 = const 3 : [] [] index"),
        "equation `y` (%3): token 3 is looked up in `E`, which has 3; make it one below 3, or the size larger",
    );
    refuses(
        &body("%3 \"k\" = argmax %1 : [] [] index"),
        "equation `k` (%3): a position up to 3 is looked up in `E`, which has 3; make it one below 3, or the size larger",
    );
    // Sizes that are not known yet are asked when they are.
    accepts(&body("%3 = argmax %2 : [] [] index"));
}
