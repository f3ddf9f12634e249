//! Syntax tree to graph: names, axes, cells inlined, types, causality.
//!
//! ```text
//! item --declare, layers--> System --resolve--> terms --order--> --infer--> types --build--> Graph --check-->
//! ```
//!
//! Each stage reports what it can and goes on with what it understood.
//!
//! **Invariant:** without reports the graph passes [`rnn_ir::verify`]; with reports there is none.

mod causality;
mod check;
mod declare;
mod evaluate;
mod function;
mod index;
mod interface;
mod layers;
mod library;
mod remarks;
mod resolve;
mod scope;
mod sizes;
mod system;
mod term;
#[cfg(test)]
pub(crate) mod tests;
mod type_error;

use std::collections::BTreeSet;

use rnn_ir::axis::Extent as Length;
use rnn_ir::graph::{Graph, ResultKind};
use rnn_ir::id::Id;
use rnn_ir::op::Role;

pub(crate) use interface::{Interface, Kind, Tensor};
pub(crate) use library::{Known, Library, Origin};

use crate::ast::{AxisKind, Indexed, Item, ItemKind, StatementKind};
use crate::diagnostics::{Diagnostic, Diagnostics, Extent, Reported};
use check::Declared;
use declare::{indexed_text, keys, member_name};
use evaluate::Built;
use scope::{Along, Entity, IndexKind, Run, Scope, ScopeId};
use system::{Context, Def, DefId, DefKind, Right, System};

/// What a model became.
pub(crate) struct Elaborated {
    /// Nothing if an error was reported.
    pub(crate) graph: Option<Graph>,
    /// Names and types of what goes in and out, as far as they are known.
    pub(crate) interface: Interface,
}

/// Elaborates a model.
pub(crate) fn elaborate_model(
    item: &Item,
    library: &Library<'_>,
    diagnostics: &mut Diagnostics,
) -> Elaborated {
    let errors = diagnostics.count();
    let mut elaborator = Elaborator::new(library, diagnostics);
    let scope = elaborator.open_root(item, Library::HERE);
    elaborator.declare_axes(scope, &item.body);
    elaborator.declare_owned(scope, &item.body);
    elaborator.declare_equations(scope, &item.body);
    elaborator.finish(item, scope, errors)
}

/// How many members the families of a cell have while it is checked by itself and a size says how many: the fewest that
/// differ.
const MEMBERS: i64 = 2;

/// Checks a cell by itself, with all its sizes open but those that count a family. Returns whether nothing was reported.
pub(crate) fn check_cell(
    item: &Item,
    library: &Library<'_>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let ItemKind::Cell(cell) = &item.kind else {
        return true;
    };
    let errors = diagnostics.count();
    let mut elaborator = Elaborator::new(library, diagnostics);
    let scope = elaborator.open_root(item, Library::HERE);
    elaborator.opening.push(item);
    if let Some(axis) =
        elaborator.new_axis("t", Length::Length("T".to_owned()), (&item.name).into())
    {
        elaborator.bind_time(
            scope,
            Run::Along(Along {
                axis,
                reversed: false,
            }),
            item,
        );
    }
    elaborator.declare_axes(scope, &item.body);
    elaborator.declare_owned(scope, &item.body);
    elaborator.declare_cell_inputs(scope, cell);
    elaborator.declare_equations(scope, &item.body);
    elaborator.check_cell_outputs(scope, item, cell);
    elaborator.finish(item, scope, errors).graph.is_some()
}

/// Whether a size is in the end of an `index`, so that it must be a number where the cell is used.
fn counts_a_family(item: &Item, size: &proc_macro2::Ident) -> bool {
    item.body.iter().any(|statement| match &statement.kind {
        StatementKind::Axis(axis) => axis.kind == AxisKind::Index && axis.end.mentions(size),
        _ => false,
    })
}

/// The stages over one item.
struct Elaborator<'a, 'd> {
    library: &'d Library<'a>,
    system: System<'a>,
    /// Cells that are being opened, outermost first.
    opening: Vec<&'a Item>,
    /// Boundaries that were given.
    boundaries: Vec<(DefId, Extent)>,
    /// Sizes and axes that were reported to be unknown.
    unknown: BTreeSet<(ScopeId, String)>,
    diagnostics: &'d mut Diagnostics,
}

impl<'a, 'd> Elaborator<'a, 'd> {
    fn new(library: &'d Library<'a>, diagnostics: &'d mut Diagnostics) -> Self {
        Self {
            library,
            system: System::default(),
            opening: Vec::new(),
            boundaries: Vec::new(),
            unknown: BTreeSet::new(),
            diagnostics,
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        self.diagnostics.report(diagnostic)
    }

    /// Whether an unknown size or axis was not reported yet: one mistake is one error, however often the name is read.
    fn is_news(&mut self, scope: ScopeId, name: &str) -> bool {
        self.unknown.insert((scope, name.to_owned()))
    }

    /// Whether a scope is that of a cell.
    fn in_cell(&self, scope: ScopeId) -> bool {
        matches!(self.system.scopes[scope].item.kind, ItemKind::Cell(_))
    }

    /// The scope of the item itself, with its sizes.
    fn open_root(&mut self, item: &'a Item, origin: Origin) -> ScopeId {
        let scope = self
            .system
            .scopes
            .push(Scope::new(item, String::new(), origin));
        for name in &item.sizes {
            if self.in_cell(scope) && counts_a_family(item, name) {
                let members = rnn_ir::dim::Dim::constant(MEMBERS);
                self.define(scope, name, Entity::Size(members));
                continue;
            }
            self.define(
                scope,
                name,
                Entity::Size(rnn_ir::dim::Dim::size(name.to_string())),
            );
            self.system.sizes.push(name.to_string());
        }
        scope
    }

    /// The inputs of a cell that stands for itself.
    fn declare_cell_inputs(&mut self, scope: ScopeId, cell: &'a crate::ast::Cell) {
        for input in &cell.inputs {
            let mut own = Vec::new();
            for name in &input.axes {
                let text = name.to_string();
                let run = match self.system.scopes[scope].lookup(&text) {
                    Some(Entity::Time(Run::Along(along))) => Some(*along),
                    _ => self
                        .new_axis(&text, Length::Length(format!("T_{text}")), name.into())
                        .map(|axis| Along {
                            axis,
                            reversed: false,
                        }),
                };
                let Some(along) = run else { continue };
                self.system.scopes[scope].imply(
                    &text,
                    Entity::Time(Run::Along(along)),
                    name.into(),
                );
                own.push(along);
            }
            let run = match self.system.scopes[scope].lookup("t") {
                Some(Entity::Time(run)) => *run,
                _ => Run::Nowhere,
            };
            let (shape, vocabulary) = self.input_type(scope, &input.ty);
            let Some(shape) = shape else {
                self.define(scope, &input.name, Entity::Broken);
                continue;
            };
            let (indices, axes) = layers::input_indices(input, run, &own);
            let name = input.name.to_string();
            let def = Def {
                name: name.clone(),
                text: if input.axes.is_empty() {
                    format!("{name}[t]")
                } else {
                    indexed_text(&name, &input.axes)
                },
                axes,
                kind: DefKind::Input {
                    role: Role::Input,
                    is_token: vocabulary.is_some(),
                },
                extent: (&input.name).into(),
                declared: Some((shape, input.ty.extent)),
                vocabulary,
                boundaries: Vec::new(),
                of: None,
            };
            let Ok(def) = self.add(def) else { return };
            let value = self.new_value(name, &input.name, indices, [(Vec::new(), def)]);
            self.define(scope, &input.name, Entity::Value(value));
        }
    }

    fn check_cell_outputs(&mut self, scope: ScopeId, item: &Item, cell: &crate::ast::Cell) {
        for output in &cell.outputs {
            if self.system.scopes[scope]
                .lookup(&output.name.to_string())
                .is_none()
            {
                let error = Diagnostic::new(
                    &output.name,
                    format!(
                        "no equation defines the output `{}` of `{}`",
                        output.name, item.name
                    ),
                );
                self.report(error.help(format!("add an equation `{}[t] = ..;`", output.name)));
            }
        }
    }

    /// From declared equations to the checked graph.
    fn finish(mut self, item: &'a Item, scope: ScopeId, errors: usize) -> Elaborated {
        self.declare_loss(item, scope);
        self.apply_layers(0);
        self.declare_inner_boundaries(scope, item);
        self.resolve();
        // An error in a cell was reported where the cell is written; here it leaves a gap, and what follows is no news.
        let has_gaps = item.broken || self.system.has_gaps();
        let order = causality::order(&self.system, self.diagnostics);
        let known = evaluate::infer(&self.system, &order);
        let Built {
            builder,
            nodes,
            brought,
            diagnostics,
        } = evaluate::build(
            &self.system,
            &order,
            &known,
            &item.name.to_string(),
            self.diagnostics.count() == errors && !has_gaps,
        );
        self.diagnostics.append(diagnostics);
        let outputs = self.outputs(item, scope);
        let mut interface = Interface::of(&self.system, item, &known);
        let mut graph = builder.finish();

        if self.diagnostics.count() == errors && !has_gaps {
            // What is unused because of another error is no news.
            self.check_applied();
            check::check_corners(&self.system, self.diagnostics);
            check::check_boundaries(&self.system, &self.boundaries, &order, self.diagnostics);
            check::check_parameters(&self.system, &order, self.diagnostics);
            check::check_running(&self.system, &brought, self.diagnostics);
            remarks::remark_on_dropout(&self.system, &order, item, self.diagnostics);
        }
        let mut declared = Vec::new();
        for (name, def, extent) in &outputs {
            let (def, extent) = (*def, *extent);
            let ty = known[def.index()].as_ref().map(|known| known.ty.clone());
            interface.add_output(name, ty.as_ref(), &self.system, extent);
            if let Some(node) = nodes[def.index()] {
                let name = name.clone();
                declared.push(Declared { name, node, extent });
            }
        }
        if let Some(loss) = self.system.names.get("loss").copied()
            && let (Some(node), false) = (nodes[loss.index()], self.in_cell(scope))
            && !graph.nodes[node]
                .name
                .as_deref()
                .is_some_and(|name| name.starts_with("error."))
        {
            let extent = self.system.defs[loss].extent;
            let loss = Declared {
                name: "loss".to_owned(),
                node,
                extent,
            };
            if self.diagnostics.count() == errors && !has_gaps {
                check::check_loss(&graph, &loss, &self.system, self.diagnostics);
            }
            declared.push(loss);
        }
        if self.diagnostics.count() == errors && !has_gaps {
            let results: Vec<&Declared> = declared
                .iter()
                .filter(|result| result.name != "loss")
                .collect();
            check::check_leaks(&graph, &results, &self.system, self.diagnostics);
        }
        if declared.is_empty()
            && !self.in_cell(scope)
            && self.diagnostics.count() == errors
            && !has_gaps
        {
            let name = &item.name;
            let error = Diagnostic::new(name, format!("`{name}` has no output and no loss"));
            self.report(error.help("name what inference returns, `output h;`, and what is minimised, `loss mean[t](..);`"));
        }
        for result in declared {
            let kind = if result.name == "loss" {
                ResultKind::Loss
            } else {
                ResultKind::Output
            };
            graph.results.push(rnn_ir::graph::GraphResult {
                kind,
                name: result.name,
                node: result.node,
            });
        }
        if self.diagnostics.count() == errors && !has_gaps {
            let returned: Vec<DefId> = outputs.iter().map(|(_, def, _)| *def).collect();
            check::check_inputs(&self.system, &order, &returned, item, self.diagnostics);
            check::check_sizes(item, self.diagnostics);
        }
        if self.diagnostics.count() == errors && !has_gaps {
            self.verify(&graph, item);
        }
        let failed = self.diagnostics.count() > errors || has_gaps;
        Elaborated {
            graph: (!failed).then_some(graph),
            interface,
        }
    }

    /// The contract of the graph, which covers what no check here does: names and sizes that the text form cannot hold.
    fn verify(&mut self, graph: &Graph, item: &Item) {
        for violation in rnn_ir::verify::violations(graph) {
            let def = violation
                .equation
                .as_ref()
                .and_then(|name| self.system.names.get(name));
            let extent = def.map_or((&item.name).into(), |def| self.system.defs[*def].extent);
            // Backstop: what no check finds is a gap in the checks.
            self.report(Diagnostic::new(
                extent,
                format!("no valid model: {violation}"),
            ));
        }
    }

    /// The loss is a definition without axes, called `loss`.
    fn declare_loss(&mut self, item: &'a Item, scope: ScopeId) {
        if self.in_cell(scope) {
            return;
        }
        let mut first: Option<Extent> = None;
        for statement in &item.body {
            let StatementKind::Loss(expr) = &statement.kind else {
                continue;
            };
            if let Some(first) = first {
                self.report(
                    Diagnostic::new(statement.extent, "two losses")
                        .label(first, "first loss")
                        .help("a model has one loss: write their sum"),
                );
                continue;
            }
            first = Some(statement.extent);
            let context = Context {
                scope,
                statics: Vec::new(),
                axes: Vec::new(),
            };
            let def = Def {
                name: "loss".to_owned(),
                text: "loss".to_owned(),
                axes: Vec::new(),
                kind: DefKind::Equation {
                    right: Right::Written { expr, context },
                    term: None,
                },
                extent: expr.extent,
                declared: None,
                vocabulary: None,
                boundaries: Vec::new(),
                of: None,
            };
            let _ = self.add(def);
        }
    }

    /// The definitions that `output` names.
    fn outputs(&mut self, item: &'a Item, scope: ScopeId) -> Vec<(String, DefId, Extent)> {
        let mut outputs: Vec<(String, DefId, Extent)> = Vec::new();
        for statement in &item.body {
            let StatementKind::Outputs(names) = &statement.kind else {
                continue;
            };
            for written in names {
                for (name, def) in self.output(scope, written) {
                    if let Some((_, _, first)) = outputs.iter().find(|(known, ..)| *known == name) {
                        let first = *first;
                        self.report(
                            Diagnostic::new(written.extent, format!("two outputs `{name}`"))
                                .label(first, "first output"),
                        );
                    } else {
                        outputs.push((name, def, written.extent));
                    }
                }
            }
        }
        outputs
    }

    fn output(&mut self, scope: ScopeId, written: &'a Indexed) -> Vec<(String, DefId)> {
        if !written.indices.is_empty() {
            let error = Diagnostic::new(
                written.extent,
                format!("an output is named without indices, found `{written}`"),
            );
            let name = &written.name;
            self.report(error.help(format!(
                "write `output {name};` for all steps, or name one step first: `last = {name}[T];`"
            )));
            return Vec::new();
        }
        let value = match written.name.as_ident() {
            Some(name) => match self.system.scopes[scope].lookup(&name.to_string()).cloned() {
                Some(Entity::Value(value)) => value,
                Some(Entity::Broken) => return Vec::new(),
                Some(Entity::Layer(layer)) => {
                    let error = Diagnostic::new(name, format!("`{name}` is a layer, not a value"));
                    let inside = self.value_inside(layer);
                    self.report(error.help(format!(
                        "name a value inside, such as `{inside}`, or the equation that applies it"
                    )));
                    return Vec::new();
                }
                Some(Entity::Size(_) | Entity::Time(_) | Entity::Length(_) | Entity::Static(_)) => {
                    self.report(Diagnostic::new(
                        name,
                        format!("`{name}` has no value to return"),
                    ));
                    return Vec::new();
                }
                None => {
                    self.unknown_value(scope, name);
                    return Vec::new();
                }
            },
            None => match self.inner_value(scope, &written.name, &[], written.extent) {
                Some((value, _)) => value,
                None => return Vec::new(),
            },
        };
        let value = &self.system.values[value];
        let statics: Vec<(String, i64)> = value
            .indices
            .iter()
            .filter_map(|index| match index.kind {
                IndexKind::Static(end) => Some((index.name.clone(), end)),
                IndexKind::Time(_) => None,
            })
            .collect();
        let named = |key: Vec<i64>| {
            Some((
                member_name(&written.name.to_string(), &key),
                *value.instances.get(&key)?,
            ))
        };
        keys(&statics).into_iter().filter_map(named).collect()
    }
}
