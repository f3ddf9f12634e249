//! Equations as a textbook prints them, for people.
//!
//! ```text
//! a[t] = W_xh @ x[t] + W_hh @ h[t-1] + b_h
//! h[t] = tanh(a[t])
//! d_W_hh = sum[t, batch](outer(d_a[t], h[t-1]))
//! ```
//!
//! An equation is that of one example, so values have no index of the batch; `sum[batch](x)` adds up those of all examples.
//! Repeating a scalar or a value that does not vary is not shown. Values outside an axis are zero unless a line such as `h[0] = ...` says otherwise. `x{0..H}` is a slice,
//! `E[y[t]]` a row, `[t = T] x` is `x` at the last step and zero elsewhere, `stop(x)` is `x` without a derivative.
//!
//! **Invariant:** the lines define every value they name; a subexpression stands in one line only, unless it is a name
//! with an index or a number.

mod boundary;
mod diagram;
mod drawn;
mod naming;
mod render;
mod summary;
mod table;
mod view;
mod zero;

#[cfg(test)]
mod tests;

pub use diagram::{Arrow, Diagram, Figure, FigureKind};
pub use summary::{Count, EquationRow, InputRow, ParamRow, Summary, count_text, each_of, summary};

use crate::graph::Graph;
use crate::node::NodeId;
use naming::Naming;
use render::{Scope, Strength};
use view::resolve;

/// Prints single expressions of a graph, by the names that [`equations`] has.
pub struct Expressions<'g>(Naming<'g>);

impl<'g> Expressions<'g> {
    /// Names the equations.
    pub fn of(graph: &'g Graph) -> Self {
        Self(Naming::of(graph))
    }

    /// A value where it is used: by its name if it has one.
    pub fn value(&self, id: NodeId) -> String {
        self.0.render(id, &Scope::default(), Strength::Loosest)
    }

    /// How a value is computed.
    pub fn formula(&self, id: NodeId) -> String {
        let id = resolve(self.0.graph, id);
        self.0.expression(id, &Scope::default(), Strength::Loosest)
    }
}

/// One line per equation of a verified graph, in the order of its nodes.
pub fn equations(graph: &Graph) -> String {
    let naming = Naming::of(graph);
    let mut out = String::new();
    for id in graph.nodes.ids() {
        for (boundary, value) in naming.boundaries_of(id) {
            let place = naming.reference(id, &boundary.scope());
            let value = naming.render(value, &Scope::default(), Strength::Loosest);
            // The value may have its own line already, under this name.
            if place != value {
                out.push_str(&format!("{place} = {value}\n"));
            }
        }
        if naming.is_equation(id) {
            out.push_str(&naming.reference(id, &Scope::default()));
            out.push_str(" = ");
            out.push_str(&naming.expression(id, &Scope::default(), Strength::Loosest));
            out.push('\n');
        }
    }
    out
}
