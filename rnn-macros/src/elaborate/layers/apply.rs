//! Layers are applied where an equation calls them.
//!
//! **Invariant:** a layer is applied at most once; one that cannot be applied is broken, and its uses keep silent.

use super::Source;
use crate::ast::{Argument, Expr, ExprKind, ItemKind};
use crate::diagnostics::{Diagnostic, Extent, Reported, counted};
use crate::elaborate::Elaborator;
use crate::elaborate::index::{Linear, linear};
use crate::elaborate::scope::{Along, Entity, LayerId, Run, Tree};
use crate::elaborate::system::{Context, DefId, DefKind, Output, Right};

impl<'a> Elaborator<'a, '_> {
    /// Applies every layer that is called in the right sides of these definitions.
    pub(in crate::elaborate) fn apply_layers(&mut self, mut next: usize) {
        while next < self.system.defs.len() {
            let id = <DefId as rnn_ir::id::Id>::from_index(next);
            if let DefKind::Equation {
                right: Right::Written { expr, context },
                ..
            } = &self.system.defs[id].kind
            {
                let (expr, context) = (*expr, context.clone());
                self.apply_in(expr, &context);
            }
            next += 1;
        }
    }

    /// Applies every layer that is called in an expression. The arguments of a layer become definitions, so what is called
    /// in them is found there.
    fn apply_in(&mut self, expr: &'a Expr, context: &Context) {
        if let ExprKind::Call {
            callee,
            axes,
            arguments,
        } = &expr.kind
            && let Some(name) = callee.as_ident()
            && let Some(Entity::Layer(layer)) = self.system.scopes[context.scope]
                .lookup(&name.to_string())
                .cloned()
            && self.apply(layer, axes, arguments, expr.extent, context)
        {
            return;
        }
        for child in expr.kind.children() {
            self.apply_in(child, context);
        }
    }

    /// Applies a layer; false if it cannot be.
    fn apply(
        &mut self,
        layer: LayerId,
        axes: &'a [Expr],
        arguments: &'a [Argument],
        extent: Extent,
        context: &Context,
    ) -> bool {
        let Some(key) = self.layer_key(layer, axes, extent, &context.statics) else {
            return false;
        };
        let name = self.system.layers[layer].declaration.name.to_string();
        let Some(instance) = self.system.layers[layer].instances.get(&key) else {
            let error = Diagnostic::new(extent, format!("`{name}` has no such member"));
            let help = self.members_help(layer);
            self.report(error.help(help));
            return false;
        };
        if let Some((first, _)) = instance.applied {
            let inside = self.value_inside(layer);
            self.report(
                Diagnostic::new(extent, format!("the layer `{name}` is applied twice"))
                    .label(first, "first application")
                    .help(format!("the names inside it, such as `{inside}`, would have two meanings: declare a second layer")),
            );
            return false;
        }
        let tree = instance.tree.clone();
        let output = self.apply_tree_checked(&tree, &name, arguments, extent, context);
        let Some(instance) = self.system.layers[layer].instances.get_mut(&key) else {
            return false;
        };
        match output {
            Ok(output) => {
                instance.applied = Some((extent, output));
                true
            }
            Err(_) => {
                // The uses of the layer keep silent.
                instance.tree = Tree::Broken;
                false
            }
        }
    }

    /// Which members a family of layers has.
    pub(super) fn members_help(&self, layer: LayerId) -> String {
        let ends = self.system.layers[layer].statics.iter();
        let ends: Vec<String> = ends
            .map(|(name, end)| format!("`{name}` is 1 to {end}"))
            .collect();
        format!("a member is named by numbers: {}", ends.join(", "))
    }

    /// Static indices of a layer from the brackets of its call.
    pub(in crate::elaborate) fn layer_key(
        &mut self,
        layer: LayerId,
        axes: &[Expr],
        extent: Extent,
        statics: &[(String, i64)],
    ) -> Option<Vec<i64>> {
        let declared = self.system.layers[layer].statics.clone();
        let name = self.system.layers[layer].declaration.name.to_string();
        if declared.len() != axes.len() {
            let indices: Vec<&str> = declared.iter().map(|(name, _)| name.as_str()).collect();
            let what = if indices.is_empty() {
                "has no index".to_owned()
            } else {
                format!("is indexed by `[{}]`", indices.join(", "))
            };
            let usage: String = indices.iter().map(|index| format!("[{index}]")).collect();
            self.report(
                Diagnostic::new(extent, format!("the layer `{name}` {what}"))
                    .label(
                        &self.system.layers[layer].declaration.name.clone(),
                        "its declaration",
                    )
                    .help(format!("call it as `{name}{usage}(x[t])`")),
            );
            return None;
        }
        let mut key = Vec::new();
        for index in axes {
            match linear(index, statics) {
                Some(Linear { base: None, offset }) => key.push(offset),
                _ => {
                    let error = Diagnostic::new(
                        index.extent,
                        format!("`{index}` is no member of a static family"),
                    );
                    self.report(error.help(format!(
                        "the layer `{name}` is one of a family: write a number, or its index where that is on the left"
                    )));
                    return None;
                }
            }
        }
        Some(key)
    }

    fn apply_tree_checked(
        &mut self,
        tree: &Tree,
        name: &str,
        arguments: &'a [Argument],
        extent: Extent,
        context: &Context,
    ) -> Result<Output, Option<Reported>> {
        let Some(scope) = tree.first_cell() else {
            return Err(None);
        };
        let item = self.system.scopes[scope].item;
        let ItemKind::Cell(cell) = &item.kind else {
            return Err(None);
        };
        let wanted: Vec<String> = cell
            .inputs
            .iter()
            .map(|input| input.name.to_string())
            .collect();
        if let Some(named) = arguments.iter().find_map(|argument| argument.name.as_ref()) {
            let error = Diagnostic::new(
                named,
                format!("the inputs of `{name}` have no names in a call"),
            );
            return Err(Some(self.report(
                error.help(format!("write `{name}({})`", wanted.join(", "))),
            )));
        }
        if arguments.len() != wanted.len() {
            let error = Diagnostic::new(
                extent,
                format!(
                    "`{name}` takes {}, found {}",
                    counted(wanted.len(), "input"),
                    arguments.len()
                ),
            );
            return Err(Some(self.report(
                error.help(format!("write `{name}({})`", wanted.join(", "))),
            )));
        }
        let run = match context.axes.as_slice() {
            [] => Run::Nowhere,
            [along] => Run::Along(*along),
            [_, second, ..] => {
                let axis = self.system.axis(second.axis).name.clone();
                let error = Diagnostic::new(
                    extent,
                    format!("`{name}` is applied in an equation over two time axes"),
                );
                return Err(Some(self.report(error.help(format!(
                    "a cell runs along one axis: apply it in an equation without `{axis}`"
                )))));
            }
        };
        let mut inputs = Vec::new();
        let several = !tree.is_one_cell();
        for (input, argument) in cell.inputs.iter().zip(arguments) {
            inputs.push(self.argument(input, &argument.value, context, several.then_some(name))?);
        }
        self.apply_tree(tree, run, inputs, extent)
    }

    fn apply_tree(
        &mut self,
        tree: &Tree,
        run: Run,
        inputs: Vec<Source<'a>>,
        extent: Extent,
    ) -> Result<Output, Option<Reported>> {
        match tree {
            Tree::Broken => Err(None),
            Tree::Cell(scope) => self.apply_cell(*scope, run, inputs, extent),
            Tree::Reverse(inner) => {
                let run = match run {
                    Run::Along(along) => Run::Along(Along {
                        reversed: !along.reversed,
                        ..along
                    }),
                    Run::Nowhere => Run::Nowhere,
                };
                self.apply_tree(inner, run, inputs, extent)
            }
            Tree::Bi(forward, backward) => {
                let against = Tree::Reverse(backward.clone());
                let forward = self.apply_tree(forward, run, inputs.clone(), extent)?;
                let backward = self.apply_tree(&against, run, inputs, extent)?;
                Ok(Output::Joined(Box::new(forward), Box::new(backward)))
            }
            Tree::Stack(trees) => {
                let mut inputs = inputs;
                let mut output = None;
                for tree in trees {
                    let value = self.apply_tree(tree, run, inputs.clone(), extent)?;
                    if let Some(first) = inputs.first_mut() {
                        first.right = Right::Passed(value.clone());
                    }
                    output = Some(value);
                }
                output.ok_or(None)
            }
            Tree::Residual(inner, written) => {
                let input = match inputs.first().map(|input| &input.right) {
                    Some(Right::Passed(input)) => input.clone(),
                    _ => return Err(None),
                };
                let output = self.apply_tree(inner, run, inputs, extent)?;
                Ok(Output::Added(Box::new(output), Box::new(input), *written))
            }
        }
    }
}
