//! Dotted names: values inside layers, read and given from outside.
//!
//! **Invariant:** a dotted name leads to a value only in a layer that is applied.

use super::Part;
use crate::ast::{self, Expr, Item, ItemKind};
use crate::diagnostics::{Diagnostic, Extent};
use crate::elaborate::Elaborator;
use crate::elaborate::declare::{equations, fixed_indices};
use crate::elaborate::scope::ValueId;
use crate::elaborate::scope::{Entity, LayerId, ScopeId, Tree};

impl<'a> Elaborator<'a, '_> {
    /// `dec.h[0] = ..`: values outside the axis of a cell, from outside the cell.
    pub(in crate::elaborate) fn declare_inner_boundaries(
        &mut self,
        scope: ScopeId,
        item: &'a Item,
    ) {
        let mut inner: Vec<_> = equations(&item.body)
            .filter(|equation| equation.left.name.as_ident().is_none())
            .collect();
        inner.sort_by_key(|equation| fixed_indices(equation));
        for equation in inner {
            let left = &equation.left;
            let Some((value, statics)) =
                self.inner_value(scope, &left.name, &left.indices, left.extent)
            else {
                continue;
            };
            let count = statics.len();
            let whole = |index: &Expr| index.as_ident().is_some();
            if left.indices.iter().skip(count).all(whole) {
                let first = self.system.values[value].extent;
                self.report(
                    Diagnostic::new(left.extent, format!("`{left}` is defined by the cell"))
                        .label(first, "its definition")
                        .help(
                            "only its values outside the axis can be given, as in `dec.h[0] = ..;`",
                        ),
                );
                continue;
            }
            self.declare_partial(scope, value, equation, &statics);
        }
    }

    /// The value behind a dotted name, and the static indices that lead to it.
    pub(in crate::elaborate) fn inner_value(
        &mut self,
        scope: ScopeId,
        path: &ast::NamePath,
        indices: &[Expr],
        extent: Extent,
    ) -> Option<(ValueId, Vec<i64>)> {
        self.inner_value_of(scope, path, indices, extent, &[])
    }

    /// As [`Elaborator::inner_value`], with the static indices of an equation.
    pub(in crate::elaborate) fn inner_value_of(
        &mut self,
        mut scope: ScopeId,
        path: &ast::NamePath,
        indices: &[Expr],
        extent: Extent,
        statics: &[(String, i64)],
    ) -> Option<(ValueId, Vec<i64>)> {
        let mut leading = Vec::new();
        let mut segments = path.segments.iter().peekable();
        // The path of the layer that the scope is that of.
        let mut walked_to: Option<String> = None;
        while let Some(segment) = segments.next() {
            let text = segment.to_string();
            match self.system.scopes[scope].lookup(&text).cloned() {
                Some(Entity::Value(value)) => {
                    if let Some(next) = segments.peek() {
                        let error = Diagnostic::new(
                            *next,
                            format!("`{text}` is a value and has nothing inside"),
                        );
                        self.report(error.help(if next.to_string().starts_with(['t', 'T']) {
                            format!("its transpose is `{text}.T`")
                        } else {
                            "a path leads into a layer: `layer.name`".to_owned()
                        }));
                        return None;
                    }
                    return Some((value, leading));
                }
                Some(Entity::Layer(layer)) => {
                    let count = self.system.layers[layer].statics.len();
                    let own = indices
                        .get(leading.len()..leading.len() + count)
                        .unwrap_or_default();
                    let key = self.layer_key(layer, own, extent, statics)?;
                    let Some(instance) = self.system.layers[layer].instances.get(&key).cloned()
                    else {
                        let error =
                            Diagnostic::new(segment, format!("`{text}` has no such member"));
                        let help = self.members_help(layer);
                        self.report(error.help(help));
                        return None;
                    };
                    leading.extend(key);
                    let mut tree = &instance.tree;
                    let mut walked = text.clone();
                    while let Some(part) = tree.named_part() {
                        match part {
                            Part::Broken => return None,
                            Part::Same(inner) => tree = inner,
                            Part::Parts(parts) => {
                                let Some(next) = segments.next() else {
                                    self.missing_part(segment, &walked, &parts);
                                    return None;
                                };
                                match parts.iter().find(|(name, _)| next == name) {
                                    Some((name, inner)) => {
                                        walked = format!("{walked}.{name}");
                                        tree = inner;
                                    }
                                    None => {
                                        self.missing_part(next, &walked, &parts);
                                        return None;
                                    }
                                }
                            }
                        }
                    }
                    let Tree::Cell(inner) = tree else { return None };
                    if instance.applied.is_none() {
                        self.report(
                            Diagnostic::new(segment, format!("the layer `{text}` is not applied"))
                                .help(format!("apply it in an equation: `h[t] = {text}(x[t]);`")),
                        );
                        return None;
                    }
                    scope = *inner;
                    walked_to = Some(match walked_to {
                        Some(above) => format!("{above}.{walked}"),
                        None => walked,
                    });
                }
                Some(Entity::Broken) => return None,
                _ => {
                    match walked_to {
                        Some(layer) => self.unknown_inside(scope, &layer, segment),
                        None => self.unknown_value(scope, segment),
                    }
                    return None;
                }
            }
        }
        let last = path.segments.last()?;
        let help = format!("name a value inside it, such as `{path}.h[t]`");
        self.report(Diagnostic::new(last, format!("`{path}` is a layer, not a value")).help(help));
        None
    }

    /// Reports a name that a layer has nothing of.
    fn unknown_inside(&mut self, scope: ScopeId, layer: &str, name: &proc_macro2::Ident) {
        let inner = &self.system.scopes[scope];
        let has_inside = |entity: &Entity| matches!(entity, Entity::Value(_) | Entity::Layer(_));
        let help = match inner.nearest(&name.to_string(), has_inside) {
            Some(near) => format!("did you mean `{layer}.{near}`?"),
            None => {
                let names: Vec<String> = inner
                    .names(has_inside)
                    .iter()
                    .take(8)
                    .map(|inside| format!("`{layer}.{inside}`"))
                    .collect();
                format!("inside it are {}", names.join(", "))
            }
        };
        let error = Diagnostic::new(name, format!("the layer `{layer}` has no `{name}` inside"));
        self.report(error.help(help));
    }

    /// A value inside a layer, by its path: `c.forward.h`.
    pub(in crate::elaborate) fn value_inside(&self, layer: LayerId) -> String {
        let layer = &self.system.layers[layer];
        let name = layer.declaration.name.to_string();
        match layer.instances.values().next() {
            Some(instance) => self.value_below(&name, &instance.tree),
            None => format!("{name}.h"),
        }
    }

    /// The first output of the first cell of a tree, behind the path to the tree.
    fn value_below(&self, path: &str, mut tree: &Tree) -> String {
        let mut path = path.to_owned();
        while let Some(part) = tree.named_part() {
            match part {
                Part::Broken => break,
                Part::Same(inner) => tree = inner,
                Part::Parts(parts) => {
                    let Some((name, inner)) = parts.first() else {
                        break;
                    };
                    path = format!("{path}.{name}");
                    tree = inner;
                }
            }
        }
        let item = tree
            .first_cell()
            .map(|scope| self.system.scopes[scope].item);
        let output = match item.map(|item| &item.kind) {
            Some(ItemKind::Cell(cell)) => cell.outputs.first(),
            _ => None,
        };
        match output {
            Some(output) => format!("{path}.{}", output.name),
            None => format!("{path}.h"),
        }
    }

    fn missing_part(&mut self, at: &proc_macro2::Ident, path: &str, parts: &[(String, &Tree)]) {
        let names: Vec<String> = parts.iter().map(|(name, _)| format!("`{name}`")).collect();
        self.report(
            Diagnostic::new(
                at,
                format!(
                    "`{at}` names no part of a layer that has {}",
                    names.join(" and ")
                ),
            )
            .help(format!(
                "write one of them before the value: `{}[t]`",
                self.value_below(&format!("{path}.{}", parts[0].0), parts[0].1)
            )),
        );
    }

    /// Layers that are declared and never applied.
    pub(in crate::elaborate) fn check_applied(&mut self) {
        let idle: Vec<proc_macro2::Ident> = self
            .system
            .layers
            .iter()
            .filter(|(_, layer)| {
                layer
                    .instances
                    .values()
                    .any(|it| it.applied.is_none() && it.tree.first_cell().is_some())
            })
            .map(|(_, layer)| layer.declaration.name.clone())
            .collect();
        for name in idle {
            let error = Diagnostic::new(&name, format!("the layer `{name}` is never applied"));
            self.report(error.help(format!(
                "apply it in an equation, `h[t] = {name}(x[t]);`, or take it out"
            )));
        }
    }
}
