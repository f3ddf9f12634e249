//! Statements to definitions: axes, inputs, parameters, layers, equations and their boundaries.
//!
//! An equation whose indices are all index variables defines its name; one with a number or an end among them gives the
//! value outside an axis.
//!
//! **Invariant:** a name is defined once. A declaration with an error leaves [`Entity::Broken`], so that its uses are not reported too.

mod axes;
mod boundaries;
mod equations;
mod owned;

pub(super) use equations::{equations, fixed_indices};

use super::Elaborator;
use super::function::is_function;
use super::scope::{Entity, IndexAxis, ScopeId, Value, ValueId};
use super::system::{Def, DefId, MAX_DEFS};
use crate::diagnostics::{Diagnostic, Reported};
use proc_macro2::Ident;
use rnn_ir::axis::{AxisId, Domain};

/// Names that running a model in pieces adds to it: whether a sequence starts here, and the states it continues from.
pub(super) const RESERVED: [&str; 2] = [rnn_ir::state::FRESH, "state"];

impl<'a> Elaborator<'a, '_> {
    /// Gives a name its meaning in a scope; a second meaning is an error.
    pub(super) fn define(&mut self, scope: ScopeId, name: &Ident, entity: Entity) {
        let text = name.to_string();
        if is_function(&text) {
            let error = Diagnostic::new(
                name,
                format!("`{text}` is a function of the language and cannot be a name"),
            );
            self.report(error.help(format!("choose another name, such as `{text}_1`")));
        }
        if RESERVED.contains(&text.as_str())
            && self.system.scopes[scope].prefix.is_empty()
            && !self.in_cell(scope)
        {
            let error = Diagnostic::new(
                name,
                format!("`{text}` is the name of a value that every compiled model has"),
            );
            self.report(error.help(format!("choose another name, such as `{text}_1`")));
        }
        if let Err(first) = self.system.scopes[scope].define(name, entity) {
            self.report(
                Diagnostic::new(name, format!("two definitions of `{text}`"))
                    .label(first, "first definition")
                    .help("a name has one meaning: rename one of them"),
            );
        }
    }

    /// Adds a definition, unless there are too many.
    pub(super) fn add(&mut self, def: Def<'a>) -> Result<DefId, Reported> {
        if self.system.defs.len() >= MAX_DEFS {
            let error = Diagnostic::new(
                def.extent,
                format!("the model stands for more than {MAX_DEFS} equations"),
            );
            return Err(self.report(
                error.help("use fewer members of static families, or fewer cells inside cells"),
            ));
        }
        let (name, extent) = (def.name.clone(), def.extent);
        let id = self.system.defs.push(def);
        if let Some(first) = self.system.names.get(&name).copied() {
            let first = self.system.defs[first].extent;
            let error = Diagnostic::new(
                extent,
                format!("two definitions are called `{name}` in the compiled model"),
            );
            self.report(
                error
                    .label(first, "first definition")
                    .help("rename one of them"),
            );
        }
        self.system.names.entry(name).or_insert(id);
        Ok(id)
    }

    /// Adds a value with its instances.
    pub(super) fn new_value(
        &mut self,
        name: String,
        ident: &Ident,
        indices: Vec<IndexAxis>,
        instances: impl IntoIterator<Item = (Vec<i64>, DefId)>,
    ) -> ValueId {
        let instances = instances.into_iter().collect();
        self.system.values.push(Value {
            name,
            extent: ident.into(),
            indices,
            instances,
        })
    }

    /// Reports an axis that is not declared.
    pub(super) fn unknown_axis(&mut self, scope: ScopeId, name: &Ident) {
        let text = name.to_string();
        if !self.is_news(scope, &text) {
            return;
        }
        let near = self.system.scopes[scope].nearest(&text, |entity| {
            matches!(entity, Entity::Time(_) | Entity::Static(_))
        });
        let is_size = matches!(
            self.system.scopes[scope].lookup(&text),
            Some(Entity::Size(_))
        );
        let help = match near {
            _ if is_size => {
                format!("`{text}` is a size: a shape stands behind a colon, `: [{text}]`")
            }
            Some(near) => format!("did you mean `{near}`?"),
            None if self.in_cell(scope) => {
                "in a cell the axis is `t`, besides those that inputs bring".to_owned()
            }
            None => format!("declare it: `time {text} in 1..={};`", text.to_uppercase()),
        };
        self.report(Diagnostic::new(name, format!("unknown axis `{name}`")).help(help));
    }
}

/// Every combination of static indices, in order.
pub(super) fn keys(statics: &[(String, i64)]) -> Vec<Vec<i64>> {
    let mut keys = vec![Vec::new()];
    for (_, end) in statics {
        keys = keys
            .into_iter()
            .flat_map(|key: Vec<i64>| {
                (1..=*end).map(move |member| [key.as_slice(), &[member]].concat())
            })
            .take(MAX_DEFS)
            .collect();
    }
    keys
}

/// `W` of member 2 is `W_2`: a name that can be a field.
pub(super) fn member_name(name: &str, key: &[i64]) -> String {
    key.iter()
        .fold(name.to_owned(), |name, member| format!("{name}_{member}"))
}

/// `x[t]`
pub(super) fn indexed_text(name: &str, axes: &[Ident]) -> String {
    if axes.is_empty() {
        return name.to_owned();
    }
    let axes: Vec<String> = axes.iter().map(Ident::to_string).collect();
    format!("{name}[{}]", axes.join(", "))
}

/// The axes of a definition as a domain, without the batch.
pub(super) fn domain(axes: &[AxisId]) -> Domain {
    axes.iter().copied().collect()
}
