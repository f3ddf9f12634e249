//! A model at a glance: its inputs, its parameters with their counts, its equations with their shapes and what they cost.
//!
//! **Invariant:** counts are polynomials in the sizes, exact for all of them; a parameter counts with the first equation that
//! reads it, so that the column of parameters adds up to all that are read.

use super::naming::Naming;
use super::render::Scope;
use super::table::write_table;
use super::view::resolve;
use crate::dim::Dim;
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::{DType, NodeId, Shape};
use crate::op::{Op, ParamKind, Role};
use crate::work::{elements, multiply_adds};
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of an element.
const ELEMENT: i64 = 4;

/// A number of something as a polynomial in the sizes; `None` for one whose coefficients are too large.
pub type Count = Option<Dim>;

/// An input of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct InputRow {
    /// Its name with the indices of its axes: `x[t]`.
    pub name: String,
    /// Its features: `[I]`, or `token`.
    pub shape: String,
    /// What it is to the model.
    pub role: &'static str,
}

/// A parameter of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamRow {
    /// Its dotted name.
    pub name: String,
    /// Its shape.
    pub shape: String,
    /// Its scalars.
    pub count: Count,
    /// Whether it is trained, fixed, or a running average.
    pub kind: ParamKind,
}

/// An equation of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct EquationRow {
    /// Its left side: `h[t]`.
    pub name: String,
    /// The features of its value.
    pub shape: String,
    /// The scalars of the parameters that it is the first to read.
    pub params: Count,
    /// The multiply-adds of its products, for one example at one place of the axes of its name.
    pub multiply_adds: Count,
    /// The bytes of its value there.
    pub bytes: Count,
    /// The results that it is: `output logits`.
    pub results: Vec<String>,
    /// The names of the time axes that it varies over.
    pub axes: Vec<String>,
}

/// A model at a glance. It prints as tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The model's name.
    pub model: String,
    /// Its size parameters without a value.
    pub sizes: Vec<String>,
    /// Its inputs.
    pub inputs: Vec<InputRow>,
    /// Its parameters.
    pub params: Vec<ParamRow>,
    /// Its equations, in order.
    pub equations: Vec<EquationRow>,
}

/// What a verified graph looks like at a glance.
pub fn summary(graph: &Graph) -> Summary {
    let naming = Naming::of(graph);
    let mut summary = Summary {
        model: graph.name.clone(),
        sizes: graph.sizes.clone(),
        inputs: Vec::new(),
        params: Vec::new(),
        equations: Vec::new(),
    };
    let mut counted = SideTable::filled(false, graph.nodes.len());
    for (id, node) in graph.nodes.iter() {
        let shape = shape_text(&node.ty.shape, node.ty.dtype);
        let reference = || naming.reference(id, &Scope::default());
        match &node.op {
            Op::Input { role, .. } => summary.inputs.push(InputRow {
                name: reference(),
                shape,
                role: role_text(*role),
            }),
            Op::Param { name, kind, .. } => summary.params.push(ParamRow {
                name: name.clone(),
                shape,
                count: elements(&node.ty.shape),
                kind: *kind,
            }),
            _ if naming.is_equation(id) => {
                let results = graph
                    .results
                    .iter()
                    .filter(|result| resolve(graph, result.node) == id)
                    .map(|result| format!("{} {}", result.kind.name(), result.name))
                    .collect();
                let (params, multiply_adds) = cost(&naming, id, &mut counted);
                let axes = node.ty.domain.time_axes();
                summary.equations.push(EquationRow {
                    name: reference(),
                    shape,
                    params,
                    multiply_adds,
                    bytes: elements(&node.ty.shape)
                        .and_then(|count| count.checked_mul(&Dim::constant(ELEMENT))),
                    results,
                    axes: axes.map(|axis| graph.axes[axis].name.clone()).collect(),
                });
            }
            _ => {}
        }
    }
    summary
}

// Parameters that are not counted yet, and multiply-adds, of an equation down to what has a name of its own.
fn cost(
    naming: &Naming<'_>,
    equation: NodeId,
    counted: &mut SideTable<NodeId, bool>,
) -> (Count, Count) {
    let graph = naming.graph;
    let (mut params, mut work) = (zero(), zero());
    let mut below = vec![equation];
    while let Some(id) = below.pop() {
        let node = &graph.nodes[id];
        let named = id != equation && naming.is_equation(id);
        if named || std::mem::replace(&mut counted[id], true) {
            continue;
        }
        if matches!(node.op, Op::Param { .. }) {
            params = add(params, elements(&node.ty.shape));
        }
        work = add(work, multiply_adds(graph, id));
        below.extend(node.op.operands());
    }
    (params, work)
}

fn zero() -> Count {
    Some(Dim::constant(0))
}

fn add(total: Count, more: Count) -> Count {
    total?.checked_add(&more?)
}

impl Summary {
    /// The scalars of all parameters of a kind.
    pub fn count(&self, kind: ParamKind) -> Count {
        let rows = self.params.iter().filter(|row| row.kind == kind);
        rows.fold(zero(), |total, row| add(total, row.count.clone()))
    }

    /// The bytes of all parameters.
    pub fn param_bytes(&self) -> Count {
        let kinds = ParamKind::ALL.into_iter();
        let all = kinds.fold(zero(), |total, kind| add(total, self.count(kind)))?;
        all.checked_mul(&Dim::constant(ELEMENT))
    }

    /// Multiply-adds and bytes of all equations over each combination of time axes: of one example, each time.
    pub fn totals(&self) -> Vec<(Vec<String>, Count, Count)> {
        let mut totals: BTreeMap<&[String], (Count, Count)> = BTreeMap::new();
        for row in &self.equations {
            let total = totals.entry(&row.axes).or_insert_with(|| (zero(), zero()));
            total.0 = add(total.0.take(), row.multiply_adds.clone());
            total.1 = add(total.1.take(), row.bytes.clone());
        }
        let totals = totals.into_iter();
        totals
            .map(|(axes, (work, bytes))| (axes.to_vec(), work, bytes))
            .collect()
    }
}

/// What a total of [`Summary::totals`] is of: `once`, or `each t, j`.
pub fn each_of(axes: &[String]) -> String {
    match axes {
        [] => "once".to_owned(),
        axes => format!("each {}", axes.join(", ")),
    }
}

/// A count as text.
pub fn count_text(count: &Count) -> String {
    count
        .as_ref()
        .map_or("more than 2^63".into(), ToString::to_string)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.model.clone();
        if !self.sizes.is_empty() {
            out.push_str(&format!("<{}>", self.sizes.join(", ")));
        }
        out.push('\n');
        let inputs = self.inputs.iter();
        let inputs: Vec<_> = inputs
            .map(|row| [row.name.clone(), row.shape.clone(), row.role.to_owned()])
            .collect();
        write_table(&mut out, ["input", "shape", "role"], [false; 3], &inputs);

        let params = self.params.iter();
        let mut params: Vec<_> = params
            .map(|row| [row.name.clone(), row.shape.clone(), count_text(&row.count)])
            .collect();
        if !params.is_empty() {
            let total = |name: &str, count: &Count| [name.into(), String::new(), count_text(count)];
            for kind in ParamKind::ALL {
                let (word, count) = match kind {
                    ParamKind::Trained => ("trained", self.count(kind)),
                    ParamKind::Orthonormal | ParamKind::Fixed | ParamKind::Running => {
                        (kind.name(), self.count(kind))
                    }
                };
                let any = count.as_ref().and_then(Dim::as_constant) != Some(0);
                if any || kind == ParamKind::Trained {
                    params.push(total(word, &count));
                }
            }
            params.push(total("bytes", &self.param_bytes()));
        }
        write_table(
            &mut out,
            ["parameter", "shape", "count"],
            [false; 3],
            &params,
        );

        let equations = self.equations.iter();
        let mut equations: Vec<_> = equations
            .map(|row| {
                let (params, work) = (count_text(&row.params), count_text(&row.multiply_adds));
                let results = row.results.join(", ");
                let (name, shape) = (row.name.clone(), row.shape.clone());
                [name, shape, params, work, count_text(&row.bytes), results]
            })
            .collect();
        for (axes, work, bytes) in self.totals() {
            let (work, bytes) = (count_text(&work), count_text(&bytes));
            let none = String::new();
            equations.push([
                each_of(&axes),
                none.clone(),
                none.clone(),
                work,
                bytes,
                none,
            ]);
        }
        let head = [
            "equation",
            "shape",
            "parameters",
            "multiply-adds",
            "bytes",
            "result",
        ];
        let numbers = [
            false,
            false,
            self.sizes.is_empty(),
            self.sizes.is_empty(),
            self.sizes.is_empty(),
            false,
        ];
        write_table(&mut out, head, numbers, &equations);
        f.write_str(&out)
    }
}

fn shape_text(shape: &Shape, dtype: DType) -> String {
    match dtype {
        DType::Real => shape.to_string(),
        DType::Index if shape.is_scalar() => "token".into(),
        DType::Index => format!("{shape} of tokens"),
        DType::Bool => format!("{shape} of truth values"),
    }
}

fn role_text(role: Role) -> &'static str {
    match role {
        Role::Input => "input",
        Role::Target => "target",
        Role::State => "carried state",
        Role::Fresh => "whether the example starts here",
        Role::Teacher => "whether the step reads the target",
        Role::Weight => "weight of the example's loss",
        Role::Seed(_) => "what random numbers are drawn from",
        Role::Training => "whether the model is trained",
    }
}
