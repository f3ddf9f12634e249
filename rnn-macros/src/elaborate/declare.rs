//! Statements to definitions: axes, inputs, parameters, layers, equations and their boundaries.
//!
//! An equation whose indices are all index variables defines its name; one with a number or an end among them gives the
//! value outside an axis.
//!
//! **Invariant:** a name is defined once. A declaration with an error leaves [`Entity::Broken`], so that its uses are not reported too.

use proc_macro2::Ident;
use rnn_ir::axis::{AxisId, Domain, Extent as Length, MAX_AXES};
use rnn_ir::dim::Dim;
use rnn_ir::id::Id;
use rnn_ir::node::Shape;
use rnn_ir::op::{Init, Number, Role};

use super::Elaborator;
use super::function::{INITIALISERS, OF_A_MATRIX, initialiser_usage, is_function};
use super::index::{Linear, linear};
use super::scope::{Along, Entity, IndexAxis, IndexKind, Layer, Run, ScopeId, Value, ValueId};
use super::system::{Boundary, Context, Def, DefId, DefKind, MAX_DEFS, Outside, Right, TimeAxis};
use crate::ast::{
    self, AxisDecl, AxisKind, Equation, Expr, InputKind, Param, ParamKind, Statement, StatementKind,
};
use crate::diagnostics::{Diagnostic, Extent, Reported, nearest};

/// Names that running a model in pieces adds to it: whether a sequence starts here, and the states it continues from.
const RESERVED: [&str; 2] = [rnn_ir::state::FRESH, "state"];

/// Longest static family.
const MAX_FAMILY: i64 = 1_000;

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

    /// `time` and `index` statements.
    pub(super) fn declare_axes(&mut self, scope: ScopeId, body: &'a [Statement]) {
        for statement in body {
            if let StatementKind::Axis(axis) = &statement.kind {
                match axis.kind {
                    AxisKind::Time => self.declare_time(scope, axis),
                    AxisKind::Index => self.declare_index(scope, axis),
                }
            }
        }
    }

    fn declare_time(&mut self, scope: ScopeId, axis: &'a AxisDecl) {
        if self.in_cell(scope) {
            let error = Diagnostic::new(&axis.name, "a cell has no time axis of its own");
            let name = &axis.name;
            self.report(error.help(format!(
                "`t` is the axis of the equation that applies the cell; another one comes with an input: `memory[{name}]: [M]`"
            )));
            return self.define(scope, &axis.name, Entity::Broken);
        }
        let length = match &axis.end.kind {
            ast::DimKind::Name(name) => Length::Length(name.to_string()),
            ast::DimKind::Int(0) => {
                self.report(Diagnostic::new(
                    axis.end.extent,
                    "an axis has at least one step",
                ));
                return self.define(scope, &axis.name, Entity::Broken);
            }
            ast::DimKind::Int(steps) if u32::try_from(*steps).is_ok() => {
                Length::Fixed(u32::try_from(*steps).unwrap_or(u32::MAX))
            }
            ast::DimKind::Error => return self.define(scope, &axis.name, Entity::Broken),
            ast::DimKind::Int(_) | ast::DimKind::Binary(..) => {
                let error = Diagnostic::new(
                    axis.end.extent,
                    "the end of a time axis is a name or a number",
                );
                self.report(error.help(
                    "write `1..=T` for a length that each example has, `1..=16` for a fixed one",
                ));
                return self.define(scope, &axis.name, Entity::Broken);
            }
        };
        let Some(id) = self.new_axis(&axis.name.to_string(), length, (&axis.name).into()) else {
            return self.define(scope, &axis.name, Entity::Broken);
        };
        let run = Run::Along(Along {
            axis: id,
            reversed: false,
        });
        self.define(scope, &axis.name, Entity::Time(run));
        if let ast::DimKind::Name(name) = &axis.end.kind {
            if let Some(Entity::Size(_)) = self.system.scopes[scope].lookup(&name.to_string()) {
                let error = Diagnostic::new(
                    name,
                    format!("`{name}` is a size of the model, not the length of an axis"),
                );
                self.report(error.help(format!(
                    "take `{name}` out of `<..>`: a length comes with the data"
                )));
            } else {
                self.define(scope, name, Entity::Length(run));
            }
        }
    }

    /// Adds a time axis.
    pub(super) fn new_axis(
        &mut self,
        name: &str,
        length: Length,
        extent: Extent,
    ) -> Option<AxisId> {
        let index = self.system.axes.len() + 1;
        if index >= MAX_AXES {
            self.report(Diagnostic::new(
                extent,
                format!("a model has at most {} time axes", MAX_AXES - 1),
            ));
            return None;
        }
        let id = AxisId::from_index(index);
        self.system.axes.push(TimeAxis {
            id,
            name: name.to_owned(),
            length,
        });
        Some(id)
    }

    fn declare_index(&mut self, scope: ScopeId, axis: &'a AxisDecl) {
        let end = self.dim(scope, &axis.end).and_then(|dim| match dim.as_constant() {
            Some(end) if (1..=MAX_FAMILY).contains(&end) => Some(end),
            Some(_) => {
                let error = Diagnostic::new(axis.end.extent, format!("a static family has 1 to {MAX_FAMILY} members"));
                self.report(error.help("declare `time` for an axis that the data determines"));
                None
            }
            None => {
                let error = Diagnostic::new(axis.end.extent, format!("`{dim}` is not known when the model is written"));
                self.report(error.help("an `index` is written out member by member: give it a number, as in `1..=3`"));
                None
            }
        });
        self.define(
            scope,
            &axis.name,
            end.map_or(Entity::Broken, Entity::Static),
        );
    }

    /// `param`, `fixed` and `layer` statements, which are there once per instance.
    pub(super) fn declare_owned(&mut self, scope: ScopeId, body: &'a [Statement]) {
        for statement in body {
            match &statement.kind {
                StatementKind::Params(params) => params
                    .iter()
                    .for_each(|param| self.declare_param(scope, param)),
                StatementKind::Layer(layer) => self.declare_layer(scope, layer),
                StatementKind::Inputs(inputs) if !self.in_cell(scope) => {
                    inputs
                        .iter()
                        .for_each(|input| self.declare_input(scope, input));
                }
                _ => self.refuse_in_cell(scope, statement),
            }
        }
    }

    fn refuse_in_cell(&mut self, scope: ScopeId, statement: &'a Statement) {
        if !self.in_cell(scope) {
            return;
        }
        let (what, help) = match &statement.kind {
            StatementKind::Inputs(inputs) => {
                for input in inputs {
                    self.define(scope, &input.name, Entity::Broken);
                }
                (
                    "`input` or `target`",
                    "name what comes in between the parentheses: `cell C<I>(x: [I]) -> ..`",
                )
            }
            StatementKind::Outputs(_) => (
                "`output`",
                "name what goes out behind the arrow: `-> h: [H]`",
            ),
            StatementKind::Loss(_) => ("`loss`", "a loss belongs to the model that uses the cell"),
            _ => return,
        };
        self.report(Diagnostic::new(statement.extent, format!("a cell has no {what}")).help(help));
    }

    fn declare_input(&mut self, scope: ScopeId, input: &'a ast::Input) {
        let mut axes = Vec::new();
        let mut indices = Vec::new();
        for name in &input.axes {
            match self.system.scopes[scope].lookup(&name.to_string()).cloned() {
                Some(Entity::Time(Run::Along(along))) => {
                    axes.push(along.axis);
                    indices.push(IndexAxis {
                        name: name.to_string(),
                        kind: IndexKind::Time(Run::Along(along)),
                    });
                }
                Some(Entity::Broken) => return self.define(scope, &input.name, Entity::Broken),
                Some(Entity::Static(_)) => {
                    let error = Diagnostic::new(
                        name,
                        format!("`{name}` is a static family, and an input varies over time"),
                    );
                    self.report(error.help("declare one input per member"));
                    return self.define(scope, &input.name, Entity::Broken);
                }
                _ => {
                    self.unknown_axis(scope, name);
                    return self.define(scope, &input.name, Entity::Broken);
                }
            }
        }
        let role = match input.kind {
            InputKind::Input => Role::Input,
            InputKind::Target => Role::Target,
        };
        let (shape, vocabulary) = self.input_type(scope, &input.ty);
        let is_token = vocabulary.is_some();
        let Some(shape) = shape else {
            return self.define(scope, &input.name, Entity::Broken);
        };
        let name = input.name.to_string();
        let def = Def {
            text: indexed_text(&name, &input.axes),
            name: name.clone(),
            axes,
            kind: DefKind::Input { role, is_token },
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

    /// Shape and vocabulary of a declared type.
    pub(super) fn input_type(
        &mut self,
        scope: ScopeId,
        ty: &ast::Type,
    ) -> (Option<Shape>, Option<Dim>) {
        match &ty.kind {
            ast::TypeKind::Real(shape) => (self.shape(scope, shape), None),
            ast::TypeKind::Token(size) => match self.dim(scope, size) {
                Some(size) => (Some(Shape::scalar()), Some(size)),
                None => (None, None),
            },
        }
    }

    /// Reports an axis that is not declared.
    pub(super) fn unknown_axis(&mut self, scope: ScopeId, name: &Ident) {
        let near = self.system.scopes[scope].nearest(&name.to_string(), |entity| {
            matches!(entity, Entity::Time(_) | Entity::Static(_))
        });
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.in_cell(scope) => {
                "in a cell the axis is `t`, besides those that inputs bring".to_owned()
            }
            None => format!("declare it: `time {name} in 1..=T;`"),
        };
        self.report(Diagnostic::new(name, format!("unknown axis `{name}`")).help(help));
    }

    /// Static indices of a declaration: `W[l]`.
    fn static_axes(
        &mut self,
        scope: ScopeId,
        what: &str,
        axes: &[Ident],
    ) -> Option<Vec<(String, i64)>> {
        let mut statics = Vec::new();
        for name in axes {
            match self.system.scopes[scope].lookup(&name.to_string()).cloned() {
                Some(Entity::Static(end)) => statics.push((name.to_string(), end)),
                Some(Entity::Broken) => return None,
                Some(Entity::Time(_)) => {
                    let error = Diagnostic::new(name, format!("a {what} does not vary over time"));
                    self.report(
                        error.help("its index is a static family, declared as `index l in 1..=3;`"),
                    );
                    return None;
                }
                _ => {
                    self.unknown_axis(scope, name);
                    return None;
                }
            }
        }
        Some(statics)
    }

    fn declare_param(&mut self, scope: ScopeId, param: &'a Param) {
        let (statics, shape) = (
            self.static_axes(scope, "parameter", &param.axes),
            self.shape(scope, &param.shape),
        );
        let init = self.init(&param.init, shape.as_ref(), &param.name);
        let (Some(statics), Some(shape)) = (statics, shape) else {
            return self.define(scope, &param.name, Entity::Broken);
        };
        let prefix = self.system.scopes[scope].prefix.clone();
        let local = param.name.to_string();
        let mut instances = Vec::new();
        for key in keys(&statics) {
            let name = format!("{prefix}{}", member_name(&local, &key));
            // One with a broken initial value is still a parameter, and a field.
            let zero = || Init {
                kind: "constant".to_owned(),
                args: vec![Number(0.0)],
            };
            let kind = DefKind::Param {
                init: init.clone().unwrap_or_else(zero),
                trained: param.kind == ParamKind::Trained,
            };
            let def = Def {
                text: name.clone(),
                name,
                axes: Vec::new(),
                kind,
                extent: (&param.name).into(),
                declared: Some((shape.clone(), param.shape.extent)),
                vocabulary: None,
                boundaries: Vec::new(),
                of: None,
            };
            let Ok(def) = self.add(def) else { return };
            instances.push((key, def));
        }
        let indices = statics.into_iter().map(|(name, end)| IndexAxis {
            name,
            kind: IndexKind::Static(end),
        });
        let value = self.new_value(local, &param.name, indices.collect(), instances);
        self.define(scope, &param.name, Entity::Value(value));
    }

    fn init(&mut self, init: &ast::Init, shape: Option<&Shape>, name: &Ident) -> Option<Init> {
        match init {
            ast::Init::Fill(value) if value.has_error() => None,
            ast::Init::Fill(value) => {
                let value = self.constant(value)?;
                Some(Init {
                    kind: "constant".to_owned(),
                    args: vec![Number(value)],
                })
            }
            ast::Init::Missing => None,
            ast::Init::Draw {
                name: kind,
                arguments,
            } => {
                let Some((known, options)) = INITIALISERS.iter().find(|(known, _)| *kind == *known)
                else {
                    let text = kind.to_string();
                    let error = Diagnostic::new(kind, format!("unknown initialiser `{text}`"));
                    let near = nearest(&text, INITIALISERS.iter().map(|(name, _)| *name));
                    let help = match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "some are `glorot_uniform`, `orthogonal`, `normal(mean, std)`, `uniform(low, high)`".to_owned(),
                    };
                    self.report(error.help(help));
                    return None;
                };
                if let Some(shape) =
                    shape.filter(|shape| OF_A_MATRIX.contains(known) && shape.rank() != 2)
                {
                    let error = Diagnostic::new(
                        kind,
                        format!("`{known}` draws a matrix, and `{name}` is {shape}"),
                    );
                    self.report(
                        error.help("draw a vector with `normal(mean, std)` or fill it with `= 0`"),
                    );
                    return None;
                }
                let args =
                    self.options(kind, arguments, options, &initialiser_usage(known, options))?;
                Some(Init {
                    kind: (*known).to_owned(),
                    args: args.into_iter().map(Number).collect(),
                })
            }
        }
    }

    /// Declares a layer and opens its cells.
    fn declare_layer(&mut self, scope: ScopeId, declaration: &'a ast::Layer) {
        let Some(statics) = self.static_axes(scope, "layer", &declaration.axes) else {
            return self.define(scope, &declaration.name, Entity::Broken);
        };
        let layer = self.system.layers.push(Layer {
            declaration,
            statics: statics.clone(),
            instances: Default::default(),
        });
        self.define(scope, &declaration.name, Entity::Layer(layer));
        let prefix = self.system.scopes[scope].prefix.clone();
        for key in keys(&statics) {
            let name = member_name(&declaration.name.to_string(), &key);
            let instance = self.open(scope, &declaration.cell, &format!("{prefix}{name}."), None);
            self.system.layers[layer].instances.insert(key, instance);
        }
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

    /// Equations with plain names on the left: first those that define, then those that give boundaries. Equations with
    /// dotted names are left for [`Elaborator::declare_inner_boundaries`].
    pub(super) fn declare_equations(&mut self, scope: ScopeId, body: &'a [Statement]) {
        let mut partial = Vec::new();
        for equation in equations(body) {
            let Some(name) = equation.left.name.as_ident() else {
                continue;
            };
            match self.left_axes(scope, equation) {
                Left::Whole(indices) => self.declare_whole(scope, name, indices, equation),
                Left::Partial => partial.push((name, equation)),
                Left::Broken => {
                    if self.system.scopes[scope]
                        .lookup(&name.to_string())
                        .is_none()
                    {
                        self.define(scope, name, Entity::Broken);
                    }
                }
            }
        }
        for (name, equation) in partial {
            match self.system.scopes[scope].lookup(&name.to_string()).cloned() {
                Some(Entity::Value(value)) => self.declare_partial(scope, value, equation, &[]),
                Some(Entity::Broken) => {}
                _ => {
                    let left = &equation.left;
                    let error = Diagnostic::new(
                        left.extent,
                        format!(
                            "`{left}` is given, but no equation defines `{name}` for every step"
                        ),
                    );
                    self.report(error.help(format!("add an equation `{name}[t] = ..;`")));
                    self.define(scope, name, Entity::Broken);
                }
            }
        }
    }

    fn left_axes(&mut self, scope: ScopeId, equation: &'a Equation) -> Left {
        let mut indices: Vec<IndexAxis> = Vec::new();
        for index in &equation.left.indices {
            if index.has_error() {
                return Left::Broken;
            }
            let Some(name) = index.as_ident() else {
                if let Some(gap) = self.offset_on_the_left(scope, index) {
                    let error = Diagnostic::new(
                        index.extent,
                        format!("`{}` is defined at an offset", equation.left),
                    );
                    self.report(error.help(format!("an equation holds for every step: write `{gap}` on the left and shift the right side")));
                    return Left::Broken;
                }
                return Left::Partial;
            };
            let text = name.to_string();
            let kind = match self.system.scopes[scope].lookup(&text) {
                Some(Entity::Time(run)) => IndexKind::Time(*run),
                Some(Entity::Static(end)) => IndexKind::Static(*end),
                Some(Entity::Length(_)) => return Left::Partial,
                Some(Entity::Broken) => return Left::Broken,
                _ => {
                    self.unknown_axis(scope, name);
                    return Left::Broken;
                }
            };
            if indices.iter().any(|seen| seen.name == text) {
                self.report(
                    Diagnostic::new(
                        name,
                        format!("`{text}` is an index of `{}` twice", equation.left.name),
                    )
                    .help("declare a second axis for the second index"),
                );
                return Left::Broken;
            }
            indices.push(IndexAxis { name: text, kind });
        }
        Left::Whole(indices)
    }

    /// The index variable of `t-1` or `t+1`.
    fn offset_on_the_left(&self, scope: ScopeId, index: &Expr) -> Option<String> {
        let Linear { base, offset } = linear(index, &[])?;
        let base = base?.to_string();
        let is_index = matches!(
            self.system.scopes[scope].lookup(&base),
            Some(Entity::Time(_) | Entity::Static(_))
        );
        (is_index && offset != 0).then_some(base)
    }

    /// `h[t] = ..`, once per combination of static indices.
    fn declare_whole(
        &mut self,
        scope: ScopeId,
        name: &Ident,
        indices: Vec<IndexAxis>,
        equation: &'a Equation,
    ) {
        let declared = self.declared_shape(scope, name, equation);
        let prefix = self.system.scopes[scope].prefix.clone();
        let local = name.to_string();
        let statics: Vec<(String, i64)> = indices
            .iter()
            .filter_map(|index| match index.kind {
                IndexKind::Static(end) => Some((index.name.clone(), end)),
                IndexKind::Time(_) => None,
            })
            .collect();
        let alongs: Vec<Along> = indices.iter().filter_map(along_of).collect();
        let second = self.system.scopes[scope].lookup(&local).is_some();
        let mut instances = Vec::new();
        for key in keys(&statics) {
            if second {
                break;
            }
            let context = Context {
                scope,
                statics: statics
                    .iter()
                    .map(|(name, _)| name.clone())
                    .zip(key.iter().copied())
                    .collect(),
                axes: alongs.clone(),
            };
            let def = Def {
                name: format!("{prefix}{}", member_name(&local, &key)),
                text: format!("{prefix}{}", equation.left),
                axes: alongs.iter().map(|along| along.axis).collect(),
                kind: DefKind::Equation {
                    right: Right::Written {
                        expr: &equation.right,
                        context,
                    },
                    term: None,
                },
                extent: equation.left.extent,
                declared: declared.clone(),
                vocabulary: None,
                boundaries: Vec::new(),
                of: None,
            };
            let Ok(def) = self.add(def) else { return };
            instances.push((key, def));
        }
        let value = self.new_value(local, name, indices, instances);
        self.define(scope, name, Entity::Value(value));
    }

    /// The shape an equation is declared with: its own, or that of the cell's output.
    fn declared_shape(
        &mut self,
        scope: ScopeId,
        name: &Ident,
        equation: &'a Equation,
    ) -> Option<(Shape, Extent)> {
        let own = equation
            .shape
            .as_ref()
            .and_then(|shape| Some((self.shape(scope, shape)?, shape.extent)));
        let item = self.system.scopes[scope].item;
        let ast::ItemKind::Cell(cell) = &item.kind else {
            return own;
        };
        let output = cell.outputs.iter().find(|output| output.name == *name)?;
        let promised = self
            .shape(scope, &output.shape)
            .map(|shape| (shape, output.shape.extent));
        if let (Some((own, at)), Some((promised, by))) = (&own, &promised)
            && own != promised
        {
            self.report(
                Diagnostic::new(
                    *at,
                    format!("`{name}` is {own} here and {promised} in the signature of the cell"),
                )
                .label(*by, "the signature"),
            );
        }
        own.or(promised)
    }

    /// `h[0] = ..`, `b[T+1] = ..`, `h[0, t] = ..`. `leading` are the static indices of layers on the way to the value.
    pub(super) fn declare_partial(
        &mut self,
        scope: ScopeId,
        value: ValueId,
        equation: &'a Equation,
        leading: &[i64],
    ) {
        let left = &equation.left;
        let (declared, name) = (
            self.system.values[value].indices.clone(),
            self.system.values[value].name.clone(),
        );
        let written = &left.indices[leading.len().min(left.indices.len())..];
        if written.len() != declared.len() {
            let first = self.system.values[value].extent;
            let indices: Vec<&str> = declared.iter().map(|index| index.name.as_str()).collect();
            self.report(
                Diagnostic::new(
                    left.extent,
                    format!(
                        "`{name}` is indexed by `[{}]`, found `{left}`",
                        indices.join(", ")
                    ),
                )
                .label(first, "its definition"),
            );
            return;
        }
        let mut statics: Vec<(String, i64)> = Vec::new();
        let mut fixed: Vec<Option<i64>> = Vec::new();
        let mut axes = Vec::new();
        let mut outside: Option<(AxisId, Outside)> = None;
        for (index, axis) in written.iter().zip(&declared) {
            match axis.kind {
                IndexKind::Static(end) => match linear(index, &[]) {
                    Some(Linear { base: None, offset }) => fixed.push(Some(offset)),
                    Some(Linear {
                        base: Some(base),
                        offset: 0,
                    }) if *base == axis.name => {
                        statics.push((axis.name.clone(), end));
                        fixed.push(None);
                    }
                    _ => {
                        let error = Diagnostic::new(
                            index.extent,
                            format!("expected `{}` or a number, found `{index}`", axis.name),
                        );
                        self.report(error);
                        return;
                    }
                },
                IndexKind::Time(run) => match self.left_index(scope, index, run) {
                    Ok(LeftIndex::Whole(along)) => axes.extend(along),
                    Ok(LeftIndex::Outside(at, place)) if outside.is_none() => {
                        outside = Some((at, place))
                    }
                    Ok(LeftIndex::Outside(..)) => {
                        let error = Diagnostic::new(
                            index.extent,
                            format!("`{left}` lies outside two axes"),
                        );
                        self.report(error.help("give the values outside one axis at a time"));
                        return;
                    }
                    Err(Reported { .. }) => return,
                },
            }
        }
        for key in keys(&statics) {
            let mut free = key.iter().copied();
            let members: Vec<i64> = fixed
                .iter()
                .map(|member| member.or_else(|| free.next()).unwrap_or_default())
                .collect();
            let context = Context {
                scope,
                statics: statics
                    .iter()
                    .map(|(name, _)| name.clone())
                    .zip(key.iter().copied())
                    .collect(),
                axes: axes.clone(),
            };
            self.declare_outside(value, members, outside, equation, context);
        }
    }

    fn declare_outside(
        &mut self,
        value: ValueId,
        members: Vec<i64>,
        outside: Option<(AxisId, Outside)>,
        equation: &'a Equation,
        context: Context,
    ) {
        let left = &equation.left;
        let prefix = self.system.scopes[context.scope].prefix.clone();
        let existing = self.system.values[value].instances.get(&members).copied();
        let declared = equation
            .shape
            .as_ref()
            .and_then(|shape| Some((self.shape(context.scope, shape)?, shape.extent)));
        let suffix: String = context
            .statics
            .iter()
            .map(|(_, member)| format!("_{member}"))
            .collect();
        let mut def = Def {
            name: format!("{prefix}{left}{suffix}"),
            text: format!("{prefix}{left}"),
            axes: context.axes.iter().map(|along| along.axis).collect(),
            kind: DefKind::Equation {
                right: Right::Written {
                    expr: &equation.right,
                    context,
                },
                term: None,
            },
            extent: left.extent,
            declared,
            vocabulary: None,
            boundaries: Vec::new(),
            of: None,
        };
        match (outside, existing) {
            (Some((axis, place)), Some(of)) => {
                if let Some(first) = self.system.boundary(of, axis, place) {
                    let first = self.system.defs[first].extent;
                    self.report(
                        Diagnostic::new(left.extent, format!("two definitions of `{left}`"))
                            .label(first, "first definition"),
                    );
                    return;
                }
                def.of = Some(of);
                let Ok(def) = self.add(def) else { return };
                self.system.defs[of]
                    .boundaries
                    .push(Boundary { axis, place, def });
                self.boundaries.push((def, left.extent));
            }
            (Some(_), None) => {
                self.report(Diagnostic::new(
                    left.extent,
                    format!("`{left}` is outside a member that no equation defines"),
                ));
            }
            (None, Some(first)) => {
                let first = self.system.defs[first].extent;
                self.report(
                    Diagnostic::new(left.extent, format!("two definitions of `{left}`"))
                        .label(first, "first definition covers the whole axis")
                        .help("choose by step with `where(t == 1, a, b)`, or give a value outside the axis, as in `h[0] = ..;`"),
                );
            }
            (None, None) => {
                // A member outside the family: `h[0, t] = x[t]` of `index l in 1..=3`.
                let name = self.system.values[value].name.clone();
                def.name = format!("{prefix}{}", member_name(&name, &members));
                let Ok(def) = self.add(def) else { return };
                self.system.values[value].instances.insert(members, def);
                self.boundaries.push((def, left.extent));
            }
        }
    }

    /// One index on the left of a boundary.
    fn left_index(
        &mut self,
        scope: ScopeId,
        index: &Expr,
        run: Run,
    ) -> Result<LeftIndex, Reported> {
        let Run::Along(along) = run else {
            let error = Diagnostic::new(index.extent, "a boundary needs a time axis");
            return Err(self.report(
                error.help("the equation that applies the cell has none: apply it in one over `t`"),
            ));
        };
        let reversed = self.system.scopes[scope].is_reversed(along.axis);
        let shown = self.system.axis(along.axis).name.clone();
        let place = match linear(index, &[]) {
            Some(Linear {
                base: Some(base),
                offset,
            }) => match self.system.scopes[scope].lookup(&base.to_string()) {
                Some(Entity::Time(Run::Along(found)))
                    if found.axis == along.axis && offset == 0 =>
                {
                    return Ok(LeftIndex::Whole(Some(*found)));
                }
                Some(Entity::Length(Run::Along(found)))
                    if found.axis == along.axis && offset > 0 =>
                {
                    Some(Outside::After(saturate(offset - 1)))
                }
                _ => None,
            },
            Some(Linear { base: None, offset }) if offset <= 0 => {
                Some(Outside::Before(saturate(-offset)))
            }
            Some(Linear { base: None, offset }) => match self.system.axis(along.axis).length {
                Length::Fixed(steps) if offset > i64::from(steps) => {
                    Some(Outside::After(saturate(offset - i64::from(steps) - 1)))
                }
                _ => None,
            },
            None => None,
        };
        match place {
            Some(Outside::Before(by)) if reversed => {
                Ok(LeftIndex::Outside(along.axis, Outside::After(by)))
            }
            Some(Outside::After(by)) if reversed => {
                Ok(LeftIndex::Outside(along.axis, Outside::Before(by)))
            }
            Some(place) => Ok(LeftIndex::Outside(along.axis, place)),
            None => {
                let error = Diagnostic::new(
                    index.extent,
                    format!("`{index}` is no step outside the axis `{shown}`"),
                );
                Err(self.report(error.help(
                    "values are given outside the axis, `h[0]` or `h[T+1]`; choose inside it with `where(t == 1, a, b)`",
                )))
            }
        }
    }
}

/// The left side of an equation.
enum Left {
    /// Index variables only: it defines its name.
    Whole(Vec<IndexAxis>),
    /// A number or an end among the indices: it gives values outside an axis.
    Partial,
    Broken,
}

enum LeftIndex {
    Whole(Option<Along>),
    Outside(AxisId, Outside),
}

fn along_of(index: &IndexAxis) -> Option<Along> {
    match index.kind {
        IndexKind::Time(Run::Along(along)) => Some(along),
        _ => None,
    }
}

fn saturate(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The equations of a body, in source order.
pub(super) fn equations(body: &[Statement]) -> impl Iterator<Item = &Equation> {
    body.iter().filter_map(|statement| match &statement.kind {
        StatementKind::Equation(equation) => Some(equation),
        _ => None,
    })
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
