//! Layers: their cells are opened where the layer is declared and fed where it is applied.
//!
//! Opening gives a cell its sizes and its parameters; applying gives it its time axis, its inputs and its equations. In
//! between, combinators arrange the cells:
//!
//! | written | stands for | names inside |
//! |---|---|---|
//! | `c` | one cell | `l.h` |
//! | `reverse(c)` | against time | `l.h` |
//! | `bi(c)` | along and against time, `[forward, backward]` | `l.forward.h`, `l.backward.h` |
//! | `stack(n, c)` | each fed by the one before, which also sets its input size | `l.l1.h`, `l.l2.h` |
//! | `residual(c)` | input plus output | `l.h` |
//!
//! **Invariant:** a layer is applied at most once, so the names inside it have one meaning.

use std::collections::BTreeMap;

use rnn_ir::axis::AxisId;
use rnn_ir::dim::Dim;
use rnn_ir::node::Shape;

use super::Elaborator;
use super::declare::{equations, indexed_text};
use super::scope::{
    Along, Entity, IndexAxis, IndexKind, Instance, LayerId, Run, Scope, ScopeId, Tree, Value,
};
use super::system::{Context, Def, DefId, DefKind, MAX_DEFS, Output, Right};
use crate::ast::{
    self, Argument, CellExpr, CellExprKind, Combinator, DimKind, Expr, ExprKind, Item, ItemKind,
    TypeKind,
};
use crate::diagnostics::{Diagnostic, Extent, Reported, counted, nearest};

/// Most cells in one stack.
const MAX_STACK: u64 = 100;

impl<'a> Elaborator<'a, '_> {
    /// Opens the cells of a layer. `input` is the size of what a stack feeds it, which overrides the size that is written.
    pub(super) fn open(
        &mut self,
        scope: ScopeId,
        cell: &'a CellExpr,
        prefix: &str,
        input: Option<&Dim>,
    ) -> Instance {
        let tree = self
            .open_tree(scope, cell, prefix, input)
            .map_or(Tree::Broken, |(tree, _)| tree);
        Instance {
            tree,
            applied: None,
        }
    }

    fn open_tree(
        &mut self,
        scope: ScopeId,
        cell: &'a CellExpr,
        prefix: &str,
        input: Option<&Dim>,
    ) -> Option<(Tree, Option<Dim>)> {
        match &cell.kind {
            CellExprKind::Error => None,
            CellExprKind::Instance { path, sizes } => {
                self.open_cell(scope, cell.extent, path, sizes, prefix, input)
            }
            CellExprKind::Combined {
                combinator: Combinator::Reverse,
                inner,
                ..
            } => {
                let (tree, size) = self.open_tree(scope, inner, prefix, input)?;
                Some((Tree::Reverse(Box::new(tree)), size))
            }
            CellExprKind::Combined {
                combinator: Combinator::Residual,
                inner,
                ..
            } => {
                let (tree, size) = self.open_tree(scope, inner, prefix, input)?;
                Some((Tree::Residual(Box::new(tree)), size))
            }
            CellExprKind::Combined {
                combinator: Combinator::Bi,
                inner,
                ..
            } => {
                let forward = self.open_tree(scope, inner, &format!("{prefix}forward."), input);
                let backward = self.open_tree(scope, inner, &format!("{prefix}backward."), input);
                let ((forward, size), (backward, other)) = (forward?, backward?);
                let both = size
                    .zip(other)
                    .and_then(|(size, other)| size.checked_add(&other));
                Some((Tree::Bi(Box::new(forward), Box::new(backward)), both))
            }
            CellExprKind::Combined {
                combinator: Combinator::Stack(count),
                inner,
                ..
            } => {
                let DimKind::Int(number @ 1..=MAX_STACK) = count.kind else {
                    if !matches!(count.kind, DimKind::Error | DimKind::Int(0)) {
                        self.report(Diagnostic::new(
                            count.extent,
                            format!("a stack has 1 to {MAX_STACK} cells, found `{count}`"),
                        ));
                    }
                    return None;
                };
                let mut size = input.cloned();
                let mut trees = Vec::new();
                for number in 1..=number {
                    let (tree, output) = self.open_tree(
                        scope,
                        inner,
                        &format!("{prefix}l{number}."),
                        size.as_ref(),
                    )?;
                    size = output;
                    trees.push(tree);
                }
                Some((Tree::Stack(trees), size))
            }
        }
    }

    fn open_cell(
        &mut self,
        scope: ScopeId,
        extent: Extent,
        path: &'a ast::Path,
        sizes: &'a [ast::Dim],
        prefix: &str,
        input: Option<&Dim>,
    ) -> Option<(Tree, Option<Dim>)> {
        let origin = self.system.scopes[scope].origin;
        let text = path.to_string();
        let Some(known) = self.library.find(origin, &text) else {
            if self.library.tolerates(origin, &text) {
                return None;
            }
            let near = nearest(&text, self.library.paths(origin))
                .map(|near| format!("did you mean `{near}`?"));
            self.report(
                Diagnostic::new(path.extent(), format!("unknown cell `{text}`")).help_if(near),
            );
            return None;
        };
        let dims: Vec<Option<Dim>> = sizes.iter().map(|size| self.dim(scope, size)).collect();
        if known.broken {
            return None;
        }
        let item = known.item;
        let ItemKind::Cell(cell) = &item.kind else {
            return None;
        };
        if dims.len() != item.sizes.len() {
            let names: Vec<String> = item.sizes.iter().map(ToString::to_string).collect();
            let error = Diagnostic::new(
                extent,
                format!(
                    "`{}` has {}, found {}",
                    item.name,
                    counted(names.len(), "size"),
                    dims.len()
                ),
            );
            self.report(error.help(format!(
                "write `{text}<{}>` with a size for each",
                names.join(", ")
            )));
            return None;
        }
        let mut dims: Vec<Dim> = dims.into_iter().collect::<Option<_>>()?;
        if self.opening.iter().any(|open| std::ptr::eq(*open, item))
            || self.system.scopes.len() > MAX_DEFS
        {
            let error = Diagnostic::new(
                path.extent(),
                format!("the cell `{}` contains itself", item.name),
            );
            self.report(error.help("repeat a cell with `stack(n, c)`, or over time with `[t-1]`"));
            return None;
        }
        if let Some(input) = input {
            self.override_input(extent, item, cell, &mut dims, input)?;
        }

        let inner = self
            .system
            .scopes
            .push(Scope::new(item, prefix.to_owned(), known.origin));
        for (name, dim) in item.sizes.iter().zip(dims) {
            self.define(inner, name, Entity::Size(dim));
        }
        self.opening.push(item);
        self.declare_axes(inner, &item.body);
        self.declare_owned(inner, &item.body);
        self.opening.pop();
        let output = cell
            .outputs
            .first()
            .and_then(|output| self.shape(inner, &output.shape));
        let size = output
            .filter(|shape| shape.rank() == 1)
            .map(|shape| shape.0[0].clone());
        Some((Tree::Cell(inner), size))
    }

    /// Gives the size of the first input the value that the cell before has put out.
    fn override_input(
        &mut self,
        extent: Extent,
        item: &Item,
        cell: &ast::Cell,
        dims: &mut [Dim],
        input: &Dim,
    ) -> Option<()> {
        let first = cell.inputs.first()?;
        let named = match &first.ty.kind {
            TypeKind::Real(shape) => match shape.dims.as_slice() {
                [
                    ast::Dim {
                        kind: DimKind::Name(name),
                        ..
                    },
                ] => item.sizes.iter().position(|size| size == name),
                _ => None,
            },
            TypeKind::Token(_) => None,
        };
        match named {
            Some(at) => {
                dims[at] = input.clone();
                Some(())
            }
            None => {
                let error = Diagnostic::new(
                    extent,
                    format!(
                        "`{}` cannot be stacked: `{}` is {}, not a size of its own",
                        item.name, first.name, first.ty
                    ),
                );
                self.report(error.help("write the layers one by one, each with its own sizes"));
                None
            }
        }
    }

    /// Applies every layer that is called in the right sides of these definitions.
    pub(super) fn apply_layers(&mut self, mut next: usize) {
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
            self.report(Diagnostic::new(
                extent,
                format!("`{name}` has no such member"),
            ));
            return false;
        };
        if let Some((first, _)) = instance.applied {
            self.report(
                Diagnostic::new(extent, format!("the layer `{name}` is applied twice"))
                    .label(first, "first application")
                    .help(format!("the names inside it, such as `{name}.h`, would have two meanings: declare a second layer")),
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

    /// Static indices of a layer from the brackets of its call.
    pub(super) fn layer_key(
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
            self.report(
                Diagnostic::new(extent, format!("the layer `{name}` {what}")).label(
                    &self.system.layers[layer].declaration.name.clone(),
                    "its declaration",
                ),
            );
            return None;
        }
        let mut key = Vec::new();
        for index in axes {
            match super::index::linear(index, statics) {
                Some(super::index::Linear { base: None, offset }) => key.push(offset),
                _ => {
                    self.report(Diagnostic::new(
                        index.extent,
                        format!("`{index}` is no member of a static family"),
                    ));
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

    /// What an argument is to the cells of a layer. One that several cells read is a definition of its own.
    fn argument(
        &mut self,
        input: &'a ast::CellInput,
        value: &'a Expr,
        context: &Context,
        shared: Option<&str>,
    ) -> Result<Source<'a>, Option<Reported>> {
        let axes = if input.axes.is_empty() {
            context.axes.clone()
        } else {
            self.sequence_axes(input, value, context)?
        };
        let own = if input.axes.is_empty() {
            Vec::new()
        } else {
            axes.clone()
        };
        if !input.axes.is_empty()
            && let ExprKind::Name(path) = &value.kind
            && let Some(Entity::Value(whole)) = path
                .as_ident()
                .and_then(|name| self.system.scopes[context.scope].lookup(&name.to_string()))
            && let Some(def) = self.system.values[*whole].instances.get(&Vec::new())
        {
            return Ok(Source {
                right: Right::Passed(Output::Of(*def)),
                own,
                extent: value.extent,
            });
        }
        let inner = Context {
            axes: axes.clone(),
            ..context.clone()
        };
        let right = Right::Written {
            expr: value,
            context: inner,
        };
        let Some(layer) = shared else {
            return Ok(Source {
                right,
                own,
                extent: value.extent,
            });
        };
        let prefix = self.system.scopes[context.scope].prefix.clone();
        let suffix: String = context
            .statics
            .iter()
            .map(|(_, member)| format!("_{member}"))
            .collect();
        // `input` is a word of the language, so no cell defines it.
        let position = if input.axes.is_empty() {
            "input".to_owned()
        } else {
            format!("input_{}", input.name)
        };
        let name = format!("{prefix}{layer}{suffix}.{position}");
        let def = Def {
            text: name.clone(),
            name,
            axes: axes.iter().map(|along| along.axis).collect(),
            kind: DefKind::Equation { right, term: None },
            extent: value.extent,
            declared: None,
            vocabulary: None,
            boundaries: Vec::new(),
            of: None,
        };
        let def = self.add(def).map_err(Some)?;
        Ok(Source {
            right: Right::Passed(Output::Of(def)),
            own,
            extent: value.extent,
        })
    }

    /// The axes of a whole sequence that is passed to an input such as `memory[j]`.
    fn sequence_axes(
        &mut self,
        input: &ast::CellInput,
        value: &Expr,
        context: &Context,
    ) -> Result<Vec<Along>, Option<Reported>> {
        let mut axes: Vec<Along> = Vec::new();
        if let ExprKind::Name(path) = &value.kind
            && let Some(name) = path.as_ident()
        {
            match self.system.scopes[context.scope].lookup(&name.to_string()) {
                Some(Entity::Broken) => return Err(None),
                Some(Entity::Value(whole)) => {
                    axes.extend(
                        self.system.values[*whole]
                            .indices
                            .iter()
                            .filter_map(|index| match index.kind {
                                IndexKind::Time(Run::Along(along)) => Some(along),
                                _ => None,
                            }),
                    );
                }
                _ => {}
            }
        } else {
            let mut found = Vec::new();
            self.free_axes(value, context.scope, &mut found);
            axes.extend(
                found
                    .into_iter()
                    .filter(|along| !context.axes.contains(along)),
            );
        }
        if axes.len() == input.axes.len() {
            return Ok(axes);
        }
        let wanted = indexed_text(&input.name.to_string(), &input.axes);
        let error = Diagnostic::new(
            value.extent,
            format!("`{wanted}` takes a whole sequence, found `{value}`"),
        );
        Err(Some(self.report(error.help(format!(
            "pass the name of a value over {} axis without its index",
            input.axes.len()
        )))))
    }

    fn free_axes(&self, expr: &Expr, scope: ScopeId, found: &mut Vec<Along>) {
        if let Some(name) = expr.as_ident()
            && let Some(Entity::Time(Run::Along(along))) =
                self.system.scopes[scope].lookup(&name.to_string())
            && !found.contains(along)
        {
            found.push(*along);
        }
        for child in expr.kind.children() {
            self.free_axes(child, scope, found);
        }
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
            Tree::Residual(inner) => {
                let input = match inputs.first().map(|input| &input.right) {
                    Some(Right::Passed(input)) => input.clone(),
                    _ => return Err(None),
                };
                let output = self.apply_tree(inner, run, inputs, extent)?;
                Ok(Output::Added(Box::new(output), Box::new(input)))
            }
        }
    }

    /// Gives a cell its axis, its inputs and its equations.
    fn apply_cell(
        &mut self,
        scope: ScopeId,
        run: Run,
        inputs: Vec<Source<'a>>,
        extent: Extent,
    ) -> Result<Output, Option<Reported>> {
        let item = self.system.scopes[scope].item;
        let ItemKind::Cell(cell) = &item.kind else {
            return Err(None);
        };
        self.bind_time(scope, run, item);
        let mut bound: BTreeMap<String, AxisId> = BTreeMap::new();
        for (input, source) in cell.inputs.iter().zip(inputs) {
            for (name, along) in input.axes.iter().zip(&source.own) {
                let first = *bound.entry(name.to_string()).or_insert(along.axis);
                if first != along.axis {
                    let (first, second) = (
                        self.system.axis(first).name.clone(),
                        self.system.axis(along.axis).name.clone(),
                    );
                    let error = Diagnostic::new(
                        source.extent,
                        format!(
                            "the inputs over `{name}` of `{}` run over different axes: `{first}` and `{second}`",
                            item.name
                        ),
                    );
                    return Err(Some(
                        self.report(error.help("pass sequences over the same axis")),
                    ));
                }
                self.system.scopes[scope].imply(
                    &name.to_string(),
                    Entity::Time(Run::Along(*along)),
                    name.into(),
                );
            }
            self.bind_input(scope, run, input, source)?;
        }
        self.declare_equations(scope, &item.body);
        let Some(output) = cell.outputs.first() else {
            return Err(None);
        };
        match self.system.scopes[scope].lookup(&output.name.to_string()) {
            Some(Entity::Value(value)) => {
                let def = self.system.values[*value]
                    .instances
                    .get(&Vec::new())
                    .copied();
                def.map(Output::Of).ok_or(None)
            }
            Some(Entity::Broken) => Err(None),
            _ => {
                let error = Diagnostic::new(
                    &output.name,
                    format!(
                        "no equation defines the output `{}` of `{}`",
                        output.name, item.name
                    ),
                );
                let help = format!("add an equation `{}[t] = ..;`", output.name);
                Err(Some(
                    self.report(error.label(extent, "applied here").help(help)),
                ))
            }
        }
    }

    /// Binds `t` and `T` of a cell.
    pub(super) fn bind_time(&mut self, scope: ScopeId, run: Run, item: &Item) {
        self.system.scopes[scope].imply("t", Entity::Time(run), (&item.name).into());
        self.system.scopes[scope].imply("T", Entity::Length(run), (&item.name).into());
    }

    fn bind_input(
        &mut self,
        scope: ScopeId,
        run: Run,
        input: &'a ast::CellInput,
        source: Source<'a>,
    ) -> Result<(), Option<Reported>> {
        let (shape, vocabulary) = self.input_type(scope, &input.ty);
        let prefix = self.system.scopes[scope].prefix.clone();
        let name = input.name.to_string();
        let (indices, axes) = input_indices(input, run, &source.own);
        let def = Def {
            name: format!("{prefix}{name}"),
            text: format!("{prefix}{name}"),
            axes,
            kind: DefKind::Equation {
                right: source.right,
                term: None,
            },
            extent: source.extent,
            declared: shape.map(|shape: Shape| (shape, input.ty.extent)),
            vocabulary,
            boundaries: Vec::new(),
            of: None,
        };
        let def = self.add(def).map_err(Some)?;
        let value = self.new_value(name, &input.name, indices, [(Vec::new(), def)]);
        self.define(scope, &input.name, Entity::Value(value));
        Ok(())
    }

    /// `dec.h[0] = ..`: values outside the axis of a cell, from outside the cell.
    pub(super) fn declare_inner_boundaries(&mut self, scope: ScopeId, item: &'a Item) {
        for equation in equations(&item.body) {
            if equation.left.name.as_ident().is_some() {
                continue;
            }
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
    pub(super) fn inner_value(
        &mut self,
        scope: ScopeId,
        path: &ast::NamePath,
        indices: &[Expr],
        extent: Extent,
    ) -> Option<(super::scope::ValueId, Vec<i64>)> {
        self.inner_value_of(scope, path, indices, extent, &[])
    }

    /// As [`Elaborator::inner_value`], with the static indices of an equation.
    pub(super) fn inner_value_of(
        &mut self,
        mut scope: ScopeId,
        path: &ast::NamePath,
        indices: &[Expr],
        extent: Extent,
        statics: &[(String, i64)],
    ) -> Option<(super::scope::ValueId, Vec<i64>)> {
        let mut leading = Vec::new();
        let mut segments = path.segments.iter().peekable();
        while let Some(segment) = segments.next() {
            let text = segment.to_string();
            match self.system.scopes[scope].lookup(&text).cloned() {
                Some(Entity::Value(value)) => {
                    if let Some(next) = segments.peek() {
                        self.report(Diagnostic::new(
                            *next,
                            format!("`{text}` is a value and has nothing inside"),
                        ));
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
                        self.report(Diagnostic::new(
                            segment,
                            format!("`{text}` has no such member"),
                        ));
                        return None;
                    };
                    leading.extend(key);
                    let mut tree = &instance.tree;
                    while let Some(part) = tree.named_part() {
                        match part {
                            Part::Broken => return None,
                            Part::Same(inner) => tree = inner,
                            Part::Parts(parts) => {
                                let Some(next) = segments.next() else {
                                    self.missing_part(segment, &parts);
                                    return None;
                                };
                                match parts.iter().find(|(name, _)| next == name) {
                                    Some((_, inner)) => tree = inner,
                                    None => {
                                        self.missing_part(next, &parts);
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
                }
                Some(Entity::Broken) => return None,
                _ => {
                    self.unknown_value(scope, segment);
                    return None;
                }
            }
        }
        let last = path.segments.last()?;
        let help = self.layer_help(last, Some(scope));
        self.report(Diagnostic::new(last, format!("`{path}` is a layer, not a value")).help(help));
        None
    }

    fn missing_part(&mut self, at: &proc_macro2::Ident, parts: &[(String, &Tree)]) {
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
                "write one of them before the value: `layer.{}.h[t]`",
                parts[0].0
            )),
        );
    }

    /// Layers that are declared and never applied.
    pub(super) fn check_applied(&mut self) {
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

/// The indices and axes of an input of a cell.
pub(super) fn input_indices(
    input: &ast::CellInput,
    run: Run,
    own: &[Along],
) -> (Vec<IndexAxis>, Vec<AxisId>) {
    if input.axes.is_empty() {
        let index = IndexAxis {
            name: "t".to_owned(),
            kind: IndexKind::Time(run),
        };
        let axes = match run {
            Run::Along(along) => vec![along.axis],
            Run::Nowhere => Vec::new(),
        };
        return (vec![index], axes);
    }
    let index = |(name, along): (&proc_macro2::Ident, &Along)| IndexAxis {
        name: name.to_string(),
        kind: IndexKind::Time(Run::Along(*along)),
    };
    (
        input.axes.iter().zip(own).map(index).collect(),
        own.iter().map(|along| along.axis).collect(),
    )
}

/// What is passed to an input.
#[derive(Clone)]
struct Source<'a> {
    right: Right<'a>,
    /// The axes it brings, for an input that has its own.
    own: Vec<Along>,
    extent: Extent,
}

/// What names lead on in a tree of cells.
enum Part<'t> {
    Same(&'t Tree),
    Parts(Vec<(String, &'t Tree)>),
    Broken,
}

impl Tree {
    /// The scope of the first cell.
    pub(super) fn first_cell(&self) -> Option<ScopeId> {
        match self {
            Self::Cell(scope) => Some(*scope),
            Self::Reverse(inner) | Self::Residual(inner) | Self::Bi(inner, _) => inner.first_cell(),
            Self::Stack(trees) => trees.first().and_then(Self::first_cell),
            Self::Broken => None,
        }
    }

    /// Whether an input is read by one cell only.
    fn is_one_cell(&self) -> bool {
        match self {
            Self::Cell(_) => true,
            Self::Reverse(inner) => inner.is_one_cell(),
            Self::Bi(..) | Self::Stack(_) | Self::Residual(_) | Self::Broken => false,
        }
    }

    fn named_part(&self) -> Option<Part<'_>> {
        match self {
            Self::Cell(_) => None,
            Self::Broken => Some(Part::Broken),
            Self::Reverse(inner) | Self::Residual(inner) => Some(Part::Same(inner)),
            Self::Bi(forward, backward) => Some(Part::Parts(vec![
                ("forward".to_owned(), forward),
                ("backward".to_owned(), backward),
            ])),
            Self::Stack(trees) => Some(Part::Parts(
                trees
                    .iter()
                    .enumerate()
                    .map(|(at, tree)| (format!("l{}", at + 1), tree))
                    .collect(),
            )),
        }
    }
}

impl Value {
    /// `[l, t]`, empty without indices.
    pub(super) fn index_text(&self) -> String {
        let names: Vec<&str> = self
            .indices
            .iter()
            .map(|index| index.name.as_str())
            .collect();
        if names.is_empty() {
            String::new()
        } else {
            format!("[{}]", names.join(", "))
        }
    }
}
