//! What the type rules of the graph refuse, in the words of the source.
//!
//! **Invariant:** every message names the operands as they are written and the shapes of both.

use rnn_ir::axis::AxisId;
use rnn_ir::node::Shape;
use rnn_ir::typing::TypeError;

use super::term::Term;
use crate::diagnostics::{Diagnostic, Extent};

/// A report of `error` at `term`. `operands` are the operands with their shapes.
pub(super) fn diagnostic(
    term: &Term<'_>,
    operands: &[(String, Shape, Extent)],
    error: &TypeError,
    axis_name: &dyn Fn(AxisId) -> String,
) -> Diagnostic {
    match error {
        TypeError::ShapeMismatch { op, left, right } => {
            let operator = operator(op);
            let named = |shape: &Shape, not: Option<&String>| {
                let mut texts = operands
                    .iter()
                    .filter(|(_, known, _)| known == shape)
                    .map(|(text, ..)| text);
                texts.find(|text| Some(*text) != not)
            };
            let first = named(left, None);
            let message = match (first, named(right, first)) {
                (Some(a), Some(b)) => format!(
                    "{operator} needs operands of one shape: {a} is {left} and {b} is {right}"
                ),
                _ => format!("{operator} needs operands of one shape, found {left} and {right}"),
            };
            let error = Diagnostic::new(term.extent, message);
            let help = if left.rank() == 2 && right.rank() == 1 && *op == "mul" {
                Some("a matrix times a vector is written `W @ x`, and `W @ diag(x)` multiplies its columns by the elements of one".to_owned())
            } else if left.rank() == 1 && right.rank() == 2 && *op == "mul" {
                Some("`diag(x) @ W` multiplies the rows of a matrix by the elements of a vector, `W @ diag(x)` its columns".to_owned())
            } else if left.rank() == 2 && right.rank() == 1 && *op == "add" {
                Some("a matrix times a vector is written `W @ x`".to_owned())
            } else if left.rank() == 2
                && right.rank() == 2
                && left.0[0] == right.0[1]
                && left.0[1] == right.0[0]
            {
                Some("one of them is transposed: write `.T`".to_owned())
            } else if [left, right].iter().any(|shape| is_one(shape)) && *op != "concat" {
                Some("a vector of one is no number: its element is `sum(v)`, that of a longer one `v[t][0]`".to_owned())
            } else if *op == "concat" {
                Some("`[a, b]` joins vectors, end to end".to_owned())
            } else {
                Some("nothing but a scalar broadcasts: give both one shape".to_owned())
            };
            error.help_if(help)
        }
        TypeError::Contraction {
            left,
            right,
            expected,
            found,
        } => {
            let error = match operands {
                [(a, ..), (b, ..)] => Diagnostic::new(
                    term.extent,
                    format!(
                        "`@` contracts `{expected}` of {a} with `{found}` of {b}: {left} @ {right}"
                    ),
                ),
                // Backstop: a product has two operands.
                _ => Diagnostic::new(
                    term.extent,
                    format!("`@` contracts `{expected}` with `{found}`: {left} @ {right}"),
                ),
            };
            let help = match operands {
                [(a, ..), ..] if left.rank() == 2 && left.0[0] == right.0[0] => {
                    let a = a.trim_matches('`');
                    let is_name = !a.contains([' ', '(']);
                    let a = if is_name {
                        a.to_owned()
                    } else {
                        format!("({a})")
                    };
                    Some(format!(
                        "the sizes meet after a transposition: `{a}.T @ ..`"
                    ))
                }
                [(a, ..), (b, ..)] => {
                    let mut wanted = left.clone();
                    if let Some(last) = wanted.0.last_mut() {
                        last.clone_from(found);
                    }
                    Some(format!("to go before {b}, {a} has to be {wanted}"))
                }
                _ => None,
            };
            error.help_if(help)
        }
        TypeError::Rank {
            op,
            expected,
            found,
        } => {
            let operator = operator(op);
            match operands.iter().find(|(_, shape, _)| shape == found) {
                Some((text, _, extent)) => {
                    let help = match *op {
                        ".T" => Some(
                            "a vector stands on either side of `@` as it is: `a @ b` is a number, `outer(a, b)` a matrix",
                        ),
                        "argmax" => Some(
                            "a token is one of a vector's entries, and of a matrix there is one for each row; one of a family is `argmax([a, b])`",
                        ),
                        "gather" => Some(
                            "a table is read at one token; one of a vector of tokens is `k[t, j[t]]`, `j[t]` a token too",
                        ),
                        "scatter" => Some(
                            "a row is spread for one token; of a vector of tokens, `k[t] == j` says which are `j`",
                        ),
                        "outer" => Some(
                            "`outer(a, b)` is the matrix `a[i] * b[j]` of two vectors; a product with a matrix is written `W @ x`",
                        ),
                        _ => None,
                    };
                    Diagnostic::new(
                        *extent,
                        format!("{operator} needs {expected}, and {text} is {found}"),
                    )
                    .help_if(help.map(str::to_owned))
                }
                // Backstop: what is refused is an operand as it is written.
                None => Diagnostic::new(
                    term.extent,
                    format!("{operator} needs {expected}, found {found}"),
                ),
            }
        }
        TypeError::MissingAxis { axis, .. } => {
            let axis = axis_name(*axis);
            match operands {
                [(text, _, extent)] => Diagnostic::new(
                    *extent,
                    format!("{text} does not vary over `{axis}`, so there is nothing to reduce"),
                )
                .help(format!(
                    "leave `[{axis}]` out to reduce the last feature axis"
                )),
                // Backstop: an end of an axis is read from what varies over it.
                _ => Diagnostic::new(
                    term.extent,
                    format!("{} does not vary over `{axis}`", term.text()),
                ),
            }
        }
        TypeError::OutOfRange { start, len, dim } => Diagnostic::new(
            term.extent,
            format!("entries {start} to {start} + {len} are outside a size of {dim}"),
        ),
        // Backstop: operands are made numbers, tokens or conditions before an operator sees them.
        TypeError::Kind {
            op,
            expected,
            found,
        } => Diagnostic::new(
            term.extent,
            format!(
                "{} needs a value of kind {expected}, found {found}",
                operator(op)
            ),
        ),
        // Backstop: axes and steps are checked where names are looked up.
        TypeError::ExtraAxis { .. } | TypeError::Shift { .. } | TypeError::Declaration { .. } => {
            Diagnostic::new(term.extent, format!("{}: {error}", term.text()))
        }
    }
}

/// Whether a shape is a vector of one element.
fn is_one(shape: &Shape) -> bool {
    matches!(shape.0.as_slice(), [size] if size.as_constant() == Some(1))
}

/// A primitive by the operator it is written with.
fn operator(op: &str) -> String {
    let written = match op {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "lt" => "<",
        "le" => "<=",
        "gt" => ">",
        "ge" => ">=",
        "eq" => "==",
        "ne" => "!=",
        "concat" => "[a, b]",
        other => other,
    };
    format!("`{written}`")
}
