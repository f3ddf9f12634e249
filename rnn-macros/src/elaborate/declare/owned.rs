//! What is there once per instance of an item: inputs, parameters, layers.
//!
//! **Invariant:** parameters are defined in the order of their declaration, those of a layer where the layer stands.

use super::{indexed_text, keys, member_name};
use crate::ast::{self, InputKind, Param, Statement, StatementKind};
use crate::diagnostics::{Diagnostic, nearest};
use crate::elaborate::Elaborator;
use crate::elaborate::function::{INITIALISERS, OF_A_MATRIX, initialiser_usage};
use crate::elaborate::scope::{Entity, IndexAxis, IndexKind, Layer, Run, ScopeId};
use crate::elaborate::system::{Def, DefKind};
use proc_macro2::Ident;
use rnn_ir::dim::Dim;
use rnn_ir::node::Shape;
use rnn_ir::op::{Init, Number, ParamKind, Role};

impl<'a> Elaborator<'a, '_> {
    /// `param`, `orthonormal`, `fixed`, `running` and `layer` statements, which are there once per instance.
    pub(in crate::elaborate) fn declare_owned(&mut self, scope: ScopeId, body: &'a [Statement]) {
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
        if self.system.scopes[scope]
            .lookup(&input.name.to_string())
            .is_some()
        {
            return self.define(scope, &input.name, Entity::Broken);
        }
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
    pub(in crate::elaborate) fn input_type(
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

    fn declare_param(&mut self, scope: ScopeId, param: &'a Param) {
        if self.system.scopes[scope]
            .lookup(&param.name.to_string())
            .is_some()
        {
            return self.define(scope, &param.name, Entity::Broken);
        }
        let Some(statics) = self.static_axes(scope, "parameter", &param.axes) else {
            return self.define(scope, &param.name, Entity::Broken);
        };
        let names: Vec<&String> = statics.iter().map(|(name, _)| name).collect();
        let mut shapes = Vec::new();
        for key in keys(&statics) {
            let members = names.iter().map(|name| (*name).clone());
            let member: Vec<(String, i64)> = members.zip(key.iter().copied()).collect();
            let Some(shape) = self.shape_of_member(scope, &param.shape, &member) else {
                self.init(&param.init, None, &param.name);
                return self.define(scope, &param.name, Entity::Broken);
            };
            shapes.push((key, shape));
        }
        let first = shapes.first().map(|(_, shape)| shape);
        let init = match first {
            Some(shape) if param.kind == ParamKind::Orthonormal => {
                self.orthonormal_init(param, shape)
            }
            _ => self.init(&param.init, first, &param.name),
        };
        let prefix = self.system.scopes[scope].prefix.clone();
        let local = param.name.to_string();
        let mut instances = Vec::new();
        for (key, shape) in shapes {
            let name = format!("{prefix}{}", member_name(&local, &key));
            // One with a broken initial value is still a parameter, and a field.
            let zero = || Init {
                kind: "constant".to_owned(),
                args: vec![Number(0.0)],
            };
            let kind = DefKind::Param {
                init: init.clone().unwrap_or_else(zero),
                changed: param.kind,
            };
            let def = Def {
                text: name.clone(),
                name,
                axes: Vec::new(),
                kind,
                extent: (&param.name).into(),
                declared: Some((shape, param.shape.extent)),
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
                        _ if text.starts_with("xavier") => {
                            let kind = if text.ends_with("normal") { "normal" } else { "uniform" };
                            format!("here it is called `glorot_{kind}`")
                        }
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

    /// What stays orthonormal is a matrix, and starts so.
    fn orthonormal_init(&mut self, param: &Param, shape: &Shape) -> Option<Init> {
        let name = &param.name;
        if shape.rank() != 2 {
            let error = Diagnostic::new(
                name,
                format!("`{name}` is orthonormal, which a matrix can be, and is {shape}"),
            );
            self.report(error.help(format!("write `param {name}: {};`", param.shape)));
            return None;
        }
        let init = self.init(&param.init, Some(shape), name)?;
        let starts = matches!(init.kind.as_str(), "orthogonal" | "identity");
        if starts && init.args.iter().all(|gain| gain.0 == 1.0) {
            return Some(init);
        }
        let error = Diagnostic::new(
            name,
            format!("`{name}` stays orthonormal, and does not start so"),
        );
        self.report(error.help(format!(
            "`orthonormal {name}: {};` draws it, `~ identity` starts from the identity",
            param.shape
        )));
        None
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
}
