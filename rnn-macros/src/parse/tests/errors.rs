//! Errors of wrong sources: one mistake each, the message and the underlined source as a snapshot.

use super::parse_text;
use crate::ast::outline::Outline;

fn errors(source: &str) -> String {
    let (_, diagnostics) = parse_text(source);
    assert!(!diagnostics.is_empty(), "no error in\n{source}");
    diagnostics.underlined(source)
}

/// Errors of statements in the body of a model.
fn in_model(statements: &str) -> String {
    errors(&format!("model M<H> {{\n{statements}\n}}"))
}

// One test per snapshot, and a list of them all.
macro_rules! snapshots {
    ($($show:ident { $($name:ident: $source:expr;)* })*) => {
        $($(
            #[test]
            fn $name() {
                insta::assert_snapshot!($show($source));
            }
        )*)*

        /// Makes every error that has a snapshot here.
        pub(crate) fn show_all() {
            $($($show($source);)*)*
        }
    };
}

snapshots! {
    in_model {
        statement_with_a_slip: "parm b: [H] = 0;\ntaget y[t]: [H];\nouput h;\nloop x = 1;";
        outputs_that_are_no_names: "output 2 * h;\noutput { h };";
        conditions_of_other_languages: "y = where(a > 0 && b > 0, 1, 0);\nz = f32::tanh(x);";
        functions_as_methods: "y[t] = h[t].tanh();\nz[t] = W.T() @ x[t];";
        declarations_without_a_colon: "param b = 0;\nparam c [H] = 0;\ninput x[t];";
        chain_that_is_too_long: &format!("y = {};", vec!["x"; 300].join(" + "));
        brackets_that_are_too_deep: &format!("y = {}x{};", "(".repeat(70), ")".repeat(70));
        size_of_too_many_terms: &format!("param W: [{}] = 0;\nparam U: [{}] = 0;", vec!["H"; 300].join(" + "), vec!["H"; 300].join("*"));
        word_of_the_language_as_a_name: "param input: [H] = 0;\nparam _: [H] = 0;";
        statement_of_rust: "if x { y = 1; }\nz = * 2;";
        attribute_in_the_wrong_place: "#[inline] y = 1;\n#[\"a\"] z = 2;";
        two_values_of_one_equation: "h[t], c[t] = lstm(x[t]);\ny[t] = h[t] + * 2;";
        operand_missing: "h[t] = tanh(W @ );";
        operators_in_a_row: "h[t] = W * * x;";
        plus_in_front: "h[t] = +x;";
        semicolon_missing_before_an_equation: "a[t] = b[t]\nc[t] = a[t] @ ;";
        semicolon_missing_before_a_declaration: "param W: [H] = 0\ninput x[t]: [H]";
        operator_missing: "a[t] = 2 x[t];\nb[t] = * 3;";
        power: "y[t] = x[t]^2;";
        range_as_an_index: "y = h[1..=T];";
        index_before_the_field: "y[t] = lstm[t].c;";
        index_of_an_expression: "y[t] = (a + b)[t];";
        method_call: "y[t] = (a + b).tanh();";
        call_of_an_expression: "y[t] = (a + b)(x);\nz = W.T(x);\nw = E[i][j](x);";
        tuple: "y[t] = f((a, b));";
        empty_brackets: "y[] = []; z = sum[](x);";
        chained_comparison: "y = where(a < b < c, 1, 0);";
        number_with_suffix: "y = 1.5f32 * 0x10;";
        text_as_a_number: "y = \"a\";";
        number_too_large: "y = 1e999 + 9007199254740993;";
        assignment_operator: "h[t] += x[t];";
        two_equals_signs: "h[t] == x[t];";
        draw_without_param: "W: [H, H] ~ orthogonal;";
        let_statement: "let mut h[t] = x[t];";
        for_loop: "for t in 1..=T { h[t] = x[t]; }\ny = * 2;";
        if_expression: "h[t] = if x > 0 { x } else { 0 };\nstate h = 0;";
        keyword_as_a_name: "input[t] = 3;\nloss = mean[t](x[t]);\nparam type: [H] = 0;\nr#fn[t] = 1;";
        divided_size: "param W: [H/2, 2.5, -1] = 0;";
        shape_without_brackets: "param W: H = 0;";
        parameter_without_a_value: "param W: [H, H];\nparam b: [H] orthogonal;";
        token_without_a_size: "input x[t]: token;\ninput y[t]: Token<V>;\ninput z[t]: f32;";
        axis_from_zero: "time t in 0..T;\nindex l 1..=3;";
        declared_at_an_offset: "input x[t-1]: [H];";
        unknown_combinator: "layer a = bidi(Gru<H, H>);\nlayer b = stack(Gru<H, H>, 2);\nlayer c = Gru(H, H);\nlayer d = stack(0, Gru<H>);";
        documentation_without_a_statement: "y = 1;\n/// nothing";
        several_errors_in_one_statement: "y = f(a b, c @, d) + g(* 2) + ;";
    }
    errors {
        not_an_item: "struct M;\nmodule N {}\nh[t] = 2;\nmodel O { y = ; }";
        model_with_arguments: "model M<H>(x: [H]) { y = * 2; }";
        cell_without_outputs: "cell C<H>(x: [H]) { y = * 2; }\ncell D<H> -> h: [H] {}";
        cell_output_with_an_index: "cell C<H>(x[t+1]: [H], y) -> h[t]: [H] {}";
        sizes_with_bounds: "model M<const H: usize> {}\nmodel N<H = 3> {}\nmodel O<'a> {}";
        body_missing: "model M<H>;\nmodel N { y = ; }";
        name_missing: "pub model <H> { y = 2; }";
        brackets_around_an_item: "(model M {})";
    }
}

#[test]
fn empty_input_is_an_empty_program() {
    let (program, diagnostics) = parse_text("");
    assert!(program.items.is_empty() && diagnostics.is_empty());
}

#[test]
fn deep_nesting_is_refused_at_the_bracket_that_is_too_deep() {
    let nested = |depth: usize| {
        format!(
            "model M {{ y = {}x{}; z = ; }}",
            "(".repeat(depth),
            ")".repeat(depth)
        )
    };
    insta::assert_snapshot!(errors(&nested(64)));
    let (_, allowed) = parse_text(&nested(63));
    assert_eq!(allowed.count(), 1, "only the missing operand of `z`");
}

#[test]
fn nesting_of_any_depth_is_refused_everywhere() {
    let depth = 3_000;
    let wrapped = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    for source in [
        wrapped("[", "", "]"),
        wrapped("{", "", "}"),
        format!("model M {{ y = {}; }}", wrapped("[", "x", "]")),
        format!("model M {{ y = {}; }}", wrapped("f(", "x", ")")),
        format!("model M {{ y = {}; }}", wrapped("h[", "x", "]")),
        format!("model M {{ y = {}; }}", wrapped("sum[j](-", "x", ")")),
        format!("model M {{ param W: [{}] = 0; }}", wrapped("(", "H", ")")),
        format!("model M {{ layer l = {}; }}", wrapped("bi(", "C<H>", ")")),
        format!("cell C(x: {}) -> h: [H] {{}}", wrapped("[", "x", "]")),
    ] {
        let (_, diagnostics) = parse_text(&source);
        assert!(!diagnostics.is_empty());
    }
}

#[test]
fn chains_of_any_length_are_refused_or_read() {
    let terms = |count: usize| vec!["x"; count].join(" + ");
    let (_, short) = parse_text(&format!("model M {{ y = {}; }}", terms(256)));
    assert!(short.is_empty());
    for chain in [
        terms(257),
        terms(50_000),
        format!("{}x", "-".repeat(50_000)),
        format!("x{}", ".T".repeat(50_000)),
        format!("x{}", "[t]".repeat(50_000)),
        format!("x{}", "(t)".repeat(50_000)),
    ] {
        let (_, diagnostics) = parse_text(&format!("model M {{ y = {chain}; }}"));
        assert_eq!(diagnostics.count(), 1);
    }
    for size in [vec!["H"; 50_000].join(" + "), vec!["H"; 50_000].join("*")] {
        let (_, diagnostics) = parse_text(&format!("model M {{ param W: [{size}] = 0; }}"));
        assert_eq!(diagnostics.count(), 1);
    }
}

#[test]
fn a_broken_item_keeps_its_name_and_its_whole_statements() {
    let (program, _) = parse_text(
        "pub model M<H> { time t in 1..=T; x[t] = W @ ; y[t] = x[t]; param W: [H]; z[t] 3; }",
    );
    insta::assert_snapshot!(Outline(&program), @"
    pub model M<H> (broken)
      time t in 1..=T;
      x[t] = ?;
      y[t] = x[t];
      param W: [H];
    ");
}
