//! Expressions to terms: every name looked up, every index understood.
//!
//! **Invariant:** a term without [`TermKind::Error`] reads only definitions whose axes are axes of the equation or bound by
//! a function along that axis.

use proc_macro2::Ident;
use rnn_ir::axis::{AxisId, Extent as Length};
use rnn_ir::op::Position;

use super::Elaborator;
use super::function::{
    self, AXIS_FUNCTIONS, AxisFunction, Function, RANDOM, axis_function, function_names,
    is_function,
};
use super::index::{Linear, linear};
use super::scope::{Along, Entity, IndexKind, Run, ScopeId, Value, ValueId};
use super::system::{Context, DefId, DefKind, Output, Outside, Right};
use super::term::{Offset, Read, Term, TermKind};
use crate::ast::{Argument, Expr, ExprKind, NamePath};
use crate::diagnostics::{Diagnostic, Extent, counted, nearest};

/// Where a term is being resolved.
struct Place<'p> {
    context: &'p Context,
    /// The left side, for messages.
    left: &'p str,
    /// Axes bound by functions along them.
    bound: Vec<AxisId>,
    /// Members bound by functions along static families, and those of the equation.
    statics: Vec<(String, i64)>,
}

impl<'a> Elaborator<'a, '_> {
    /// Resolves the right sides of all equations.
    pub(super) fn resolve(&mut self) {
        let ids: Vec<DefId> = self.system.defs.ids().collect();
        for id in ids {
            let DefKind::Equation { right, .. } = &self.system.defs[id].kind else {
                continue;
            };
            let right = right.clone();
            let resolved = match right {
                Right::Written { expr, context } => {
                    let left = self.system.defs[id].text.clone();
                    let statics = context.statics.clone();
                    self.term(
                        expr,
                        &mut Place {
                            context: &context,
                            left: &left,
                            bound: Vec::new(),
                            statics,
                        },
                    )
                }
                Right::Passed(output) => {
                    self.output_term(&output, self.system.defs[id].extent, None)
                }
            };
            if let DefKind::Equation { term, .. } = &mut self.system.defs[id].kind {
                *term = Some(resolved);
            }
        }
    }

    fn output_term(&self, output: &Output, extent: Extent, source: Option<&'a Expr>) -> Term<'a> {
        let kind = match output {
            Output::Of(def) => TermKind::Read(Read {
                def: *def,
                offsets: self.system.defs[*def]
                    .axes
                    .iter()
                    .map(|axis| (*axis, Offset::By(0)))
                    .collect(),
            }),
            Output::Joined(a, b) => TermKind::Concat(vec![
                self.output_term(a, extent, None),
                self.output_term(b, extent, None),
            ]),
            Output::Added(a, b) => TermKind::Binary(
                crate::ast::BinaryOp::Add,
                Box::new(self.output_term(a, extent, None)),
                Box::new(self.output_term(b, extent, None)),
            ),
        };
        Term {
            kind,
            extent,
            source,
        }
    }

    fn term(&mut self, expr: &'a Expr, place: &mut Place<'_>) -> Term<'a> {
        let kind = self.term_kind(expr, place).unwrap_or(TermKind::Error);
        Term {
            kind,
            extent: expr.extent,
            source: Some(expr),
        }
    }

    fn boxed(&mut self, expr: &'a Expr, place: &mut Place<'_>) -> Box<Term<'a>> {
        Box::new(self.term(expr, place))
    }

    /// Nothing stands for a reported error.
    fn term_kind(&mut self, expr: &'a Expr, place: &mut Place<'_>) -> Option<TermKind<'a>> {
        Some(match &expr.kind {
            ExprKind::Error => return None,
            ExprKind::Number(number) => TermKind::Number {
                value: number.value,
                integer: number.integer.and_then(|value| i64::try_from(value).ok()),
            },
            ExprKind::Negate(inner) => TermKind::Negate(self.boxed(inner, place)),
            ExprKind::Transpose(inner) => TermKind::Transpose(self.boxed(inner, place)),
            ExprKind::Binary(op, left, right) => {
                TermKind::Binary(*op, self.boxed(left, place), self.boxed(right, place))
            }
            ExprKind::Concat(parts) => {
                TermKind::Concat(parts.iter().map(|part| self.term(part, place)).collect())
            }
            ExprKind::Name(path) => return self.name(expr, path, &[], place),
            ExprKind::Index(base, indices) => match &base.kind {
                ExprKind::Name(path) => return self.name(expr, path, indices, place),
                _ => {
                    let table = self.term(base, place);
                    return self.gathers(table, indices, place);
                }
            },
            ExprKind::Call {
                callee,
                axes,
                arguments,
            } => return self.call(expr, callee, axes, arguments, place),
        })
    }

    /// `table[i][j]`, one row after the other.
    fn gathers(
        &mut self,
        table: Term<'a>,
        indices: &'a [Expr],
        place: &mut Place<'_>,
    ) -> Option<TermKind<'a>> {
        let (extent, source) = (table.extent, table.source);
        let mut kind = table.kind;
        for index in indices {
            let table = Term {
                kind,
                extent,
                source,
            };
            kind = TermKind::Gather(Box::new(table), self.boxed(index, place));
        }
        Some(kind)
    }

    /// A name with the list in its brackets.
    fn name(
        &mut self,
        expr: &'a Expr,
        path: &'a NamePath,
        indices: &'a [Expr],
        place: &mut Place<'_>,
    ) -> Option<TermKind<'a>> {
        let scope = place.context.scope;
        let Some(name) = path.as_ident() else {
            let statics = place.statics.clone();
            let (value, leading) =
                self.inner_value_of(scope, path, indices, expr.extent, &statics)?;
            let rest = indices.get(leading.len()..).unwrap_or_default();
            return self.value(expr, value, rest, place);
        };
        let text = name.to_string();
        let entity = self.system.scopes[scope].lookup(&text).cloned();
        if let Some(Entity::Value(value)) = entity {
            return self.value(expr, value, indices, place);
        }
        if let (Some(first), Some(entity)) = (indices.first(), &entity)
            && !matches!(entity, Entity::Layer(_) | Entity::Broken)
        {
            let what = if matches!(entity, Entity::Size(_)) {
                "a size"
            } else {
                "an axis"
            };
            self.report(Diagnostic::new(
                first.extent,
                format!("`{text}` is {what} and has no index"),
            ));
            return None;
        }
        match entity {
            Some(Entity::Value(_) | Entity::Broken) => None,
            Some(Entity::Size(dim)) => Some(TermKind::Size(dim)),
            Some(Entity::Length(Run::Along(along))) => Some(TermKind::Length(along.axis)),
            Some(Entity::Time(Run::Along(along))) => {
                self.require_axis(name.into(), along.axis, &text, place)?;
                Some(TermKind::Step {
                    axis: along.axis,
                    reversed: along.reversed,
                })
            }
            Some(Entity::Time(Run::Nowhere) | Entity::Length(Run::Nowhere)) => {
                self.report(Diagnostic::new(
                    name,
                    format!("`{text}` has no value: the cell is applied without a time axis"),
                ));
                None
            }
            Some(Entity::Static(_)) => match place.statics.iter().find(|(known, _)| *known == text)
            {
                Some((_, member)) => {
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "a family has at most a thousand members"
                    )]
                    let value = *member as f64;
                    Some(TermKind::Number {
                        value,
                        integer: Some(*member),
                    })
                }
                None => {
                    let error = Diagnostic::new(
                        name,
                        format!("`{text}` has no value in the equation of `{}`", place.left),
                    );
                    self.report(error.help(format!(
                        "put `{text}` on the left, or reduce over it with `sum[{text}](..)`"
                    )));
                    None
                }
            },
            Some(Entity::Layer(layer)) => {
                let error = Diagnostic::new(name, format!("`{text}` is a layer, not a value"));
                let inner = self.system.layers[layer]
                    .instances
                    .values()
                    .find_map(|it| it.tree.first_cell());
                let help = self.layer_help(name, inner);
                self.report(error.help(help));
                None
            }
            None => {
                self.unknown_value(scope, name);
                None
            }
        }
    }

    /// What to do with a layer that stands where a value is needed.
    pub(super) fn layer_help(&self, name: &Ident, inner: Option<ScopeId>) -> String {
        let is_value = |entity: &Entity| matches!(entity, Entity::Value(_));
        let names = inner
            .map(|inner| self.system.scopes[inner].names(is_value))
            .unwrap_or_default();
        let inside: Vec<String> = names
            .iter()
            .take(8)
            .map(|inside| format!("`{name}.{inside}`"))
            .collect();
        if inside.is_empty() {
            format!("call it: `{name}(x[t])`")
        } else {
            format!(
                "call it, `{name}(x[t])`, or name a value inside, such as {}",
                inside.join(", ")
            )
        }
    }

    /// Reports a name that has no meaning.
    pub(super) fn unknown_value(&mut self, scope: ScopeId, name: &Ident) {
        let text = name.to_string();
        let error = Diagnostic::new(name, format!("unknown name `{text}`"));
        let error = if is_function(&text) {
            error.help(format!("`{text}` is a function: call it, `{text}(x)`"))
        } else if let Some(near) = self.system.scopes[scope].nearest(&text, |_| true) {
            error.help(format!("did you mean `{near}`?"))
        } else {
            error.help(format!(
                "define it by an equation, `{text}[t] = ..;`, or declare it as `input` or `param`"
            ))
        };
        self.report(error);
    }

    /// Reports an axis that the equation does not have.
    fn require_axis(
        &mut self,
        extent: Extent,
        axis: AxisId,
        shown: &str,
        place: &Place<'_>,
    ) -> Option<()> {
        if place.bound.contains(&axis) || place.context.axes.iter().any(|along| along.axis == axis)
        {
            return Some(());
        }
        let left = place.left;
        let error = Diagnostic::new(
            extent,
            format!("the right side varies over `{shown}`, and `{left}` does not"),
        );
        self.report(error.help(format!("reduce it with `sum[{shown}](..)`, read one step such as `[T]`, or put `{shown}` on the left")));
        None
    }

    /// A value at the steps that its indices name; what is left over picks rows.
    fn value(
        &mut self,
        expr: &'a Expr,
        value: ValueId,
        indices: &'a [Expr],
        place: &mut Place<'_>,
    ) -> Option<TermKind<'a>> {
        let Value {
            name,
            extent: defined,
            indices: declared,
            ..
        } = &self.system.values[value];
        let (name, defined, declared) = (name.clone(), *defined, declared.clone());
        if indices.iter().any(Expr::has_error) {
            return None;
        }
        if indices.len() < declared.len() {
            let text = self.system.values[value].index_text();
            self.report(
                Diagnostic::new(
                    expr.extent,
                    format!("`{name}` is indexed by `{text}`, found `{expr}`"),
                )
                .label(defined, "its definition")
                .help(format!("write `{name}{text}`")),
            );
            return None;
        }
        let mut key = Vec::new();
        let mut steps: Vec<(AxisId, Step)> = Vec::new();
        for (index, axis) in indices.iter().zip(&declared) {
            match axis.kind {
                IndexKind::Static(_) => match linear(index, &place.statics) {
                    Some(Linear { base: None, offset }) => key.push(offset),
                    _ => {
                        let error = Diagnostic::new(
                            index.extent,
                            format!("`{index}` is no member of the family `{}`", axis.name),
                        );
                        self.report(error.help(format!(
                            "use `{0}`, `{0}-1` or a number; `{0}` must be on the left or reduced over",
                            axis.name
                        )));
                        return None;
                    }
                },
                IndexKind::Time(run) => {
                    steps.extend(self.step(&name, index, &axis.name, run, place)?)
                }
            }
        }
        let rest = &indices[declared.len()..];
        let Some(def) = self.system.values[value].instances.get(&key).copied() else {
            let any = self.system.values[value]
                .instances
                .values()
                .next()
                .copied()?;
            return self.gathers(
                Term {
                    kind: TermKind::Zero(any),
                    extent: expr.extent,
                    source: Some(expr),
                },
                rest,
                place,
            );
        };
        if let Some(index) = rest.first() {
            self.check_row(expr, &name, def, index, place)?;
        }
        let kind = self.read(def, &steps);
        if let (ExprKind::Index(base, _), true) = (&expr.kind, declared.is_empty()) {
            let table = Term {
                kind,
                extent: base.extent,
                source: Some(base),
            };
            return self.gathers(table, rest, place);
        }
        self.gathers(
            Term {
                kind,
                extent: expr.extent,
                source: Some(expr),
            },
            rest,
            place,
        )
    }

    /// An index too many that is no row.
    fn check_row(
        &mut self,
        expr: &Expr,
        name: &str,
        def: DefId,
        index: &Expr,
        place: &Place<'_>,
    ) -> Option<()> {
        let scope = place.context.scope;
        let is_axis = linear(index, &[])
            .and_then(|index| index.base)
            .is_some_and(|base| {
                matches!(
                    self.system.scopes[scope].lookup(&base.to_string()),
                    Some(Entity::Time(_) | Entity::Length(_) | Entity::Static(_))
                )
            });
        let is_number = linear(index, &place.statics).is_some_and(|index| index.base.is_none());
        let is_param = matches!(self.system.defs[def].kind, DefKind::Param { .. });
        if !is_axis && (!is_number || is_param) {
            return Some(());
        }
        let what = if self.system.defs[def].axes.is_empty() {
            "has no index"
        } else {
            "has fewer indices"
        };
        let text = self.system.defs[def].text.clone();
        let extent = self.system.defs[def].extent;
        self.report(
            Diagnostic::new(index.extent, format!("`{name}` {what}, found `{expr}`"))
                .label(extent, "its definition")
                .help(format!(
                    "write `{text}`; rows are picked by tokens, as in `embed[now[t]]`"
                )),
        );
        None
    }

    /// One index over time. Nothing is read where the cell has no axis.
    fn step(
        &mut self,
        name: &str,
        index: &Expr,
        axis_name: &str,
        run: Run,
        place: &Place<'_>,
    ) -> Option<Option<(AxisId, Step)>> {
        let scope = place.context.scope;
        let written = linear(index, &place.statics);
        let base = written.and_then(|index| index.base).map(|base| {
            (
                base,
                self.system.scopes[scope].lookup(&base.to_string()).cloned(),
            )
        });
        let offset = written.map_or(0, |index| index.offset);
        let Run::Along(along) = run else {
            return if offset == 0 && matches!(base, Some((_, Some(Entity::Time(_))))) {
                Some(None)
            } else {
                let item = self.system.scopes[scope].item.name.to_string();
                let error = Diagnostic::new(
                    index.extent,
                    format!(
                        "the cell `{item}` looks along time, and the equation that applies it has no time axis"
                    ),
                );
                self.report(error.help("apply it in an equation over `t`"));
                None
            };
        };
        let reversed = self.system.scopes[scope].is_reversed(along.axis);
        let shown = self.system.scopes[scope]
            .index_of(along.axis)
            .unwrap_or(axis_name)
            .to_owned();
        let place_of = match (written, base) {
            (Some(_), Some((_, Some(Entity::Broken)))) => return None,
            (Some(_), Some((ident, Some(Entity::Time(Run::Along(found)))))) => {
                if found.axis != along.axis {
                    let error = Diagnostic::new(
                        ident,
                        format!("`{name}` varies over `{shown}`, not over `{ident}`"),
                    );
                    self.report(
                        error.help(format!("write `{shown}`: two axes have no common steps")),
                    );
                    return None;
                }
                self.require_axis(index.extent, along.axis, &shown, place)?;
                let by = if found.reversed {
                    offset.checked_neg()?
                } else {
                    offset
                };
                match i32::try_from(by) {
                    Ok(by) if by.unsigned_abs() <= MAX_LAG => {
                        return Some(Some((along.axis, Step::By(by))));
                    }
                    _ => {
                        let error = Diagnostic::new(
                            index.extent,
                            format!("`{index}` is more than {MAX_LAG} steps away"),
                        );
                        self.report(error.help("each step back is carried as a state of its own"));
                        return None;
                    }
                }
            }
            (Some(_), Some((ident, Some(Entity::Length(Run::Along(found)))))) => {
                if found.axis != along.axis {
                    let own = match &self.system.axis(along.axis).length {
                        Length::Length(own) => own.clone(),
                        Length::Fixed(steps) => steps.to_string(),
                    };
                    let error = Diagnostic::new(
                        ident,
                        format!(
                            "`{name}` varies over `{shown}`, whose end is `{own}`, not `{ident}`"
                        ),
                    );
                    self.report(error);
                    return None;
                }
                End::Last(offset)
            }
            (Some(Linear { base: None, offset }), None) => {
                match self.system.axis(along.axis).length {
                    Length::Fixed(steps) if offset >= i64::from(steps) => {
                        End::Last(offset - i64::from(steps))
                    }
                    _ => End::First(offset.checked_sub(1)?),
                }
            }
            _ => {
                let error = Diagnostic::new(
                    index.extent,
                    format!("`{index}` is no step of the axis `{shown}`"),
                );
                self.report(error.help(format!(
                    "an index is `{shown}`, `{shown}-1`, a number or an end of the axis"
                )));
                return None;
            }
        };
        let place_of = if reversed {
            place_of.mirrored()
        } else {
            place_of
        };
        let step = match place_of {
            End::First(0) => Step::At(Position::First, 0),
            End::First(offset) if offset > 0 => match u32::try_from(offset + 1) {
                Ok(step) => Step::At(Position::Step(step), 0),
                Err(_) => Step::Outside(Outside::After(u32::MAX)),
            },
            End::First(offset) => Step::Outside(Outside::Before(
                u32::try_from(-1 - offset).unwrap_or(u32::MAX),
            )),
            End::Last(offset) if offset > 0 => Step::Outside(Outside::After(
                u32::try_from(offset - 1).unwrap_or(u32::MAX),
            )),
            End::Last(offset) => match i32::try_from(offset) {
                Ok(by) if by.unsigned_abs() <= MAX_LAG => Step::At(Position::Last, by),
                _ => {
                    self.report(Diagnostic::new(
                        index.extent,
                        format!("`{index}` is more than {MAX_LAG} steps from the end"),
                    ));
                    return None;
                }
            },
        };
        Some(Some((along.axis, step)))
    }

    /// Reads a definition at these steps. A step outside an axis is the boundary there, or zero.
    fn read(&self, def: DefId, steps: &[(AxisId, Step)]) -> TermKind<'a> {
        let outside = steps.iter().find_map(|(axis, step)| match step {
            Step::Outside(place) => Some((*axis, *place)),
            _ => None,
        });
        if let Some((axis, place)) = outside {
            return match self.system.boundary(def, axis, place) {
                Some(boundary) => {
                    let rest: Vec<(AxisId, Step)> = steps
                        .iter()
                        .filter(|(other, _)| *other != axis)
                        .cloned()
                        .collect();
                    self.read(boundary, &rest)
                }
                None => TermKind::Zero(def),
            };
        }
        let offsets = steps.iter().map(|(axis, step)| {
            let offset = match *step {
                Step::By(by) => Offset::By(by),
                Step::At(position, by) => Offset::At { position, by },
                Step::Outside(_) => unreachable!("steps outside were taken away above"),
            };
            (*axis, offset)
        });
        TermKind::Read(Read {
            def,
            offsets: offsets.collect(),
        })
    }

    /// A function, or a layer.
    fn call(
        &mut self,
        expr: &'a Expr,
        callee: &'a NamePath,
        axes: &'a [Expr],
        arguments: &'a [Argument],
        place: &mut Place<'_>,
    ) -> Option<TermKind<'a>> {
        let Some(name) = callee.as_ident() else {
            let error = Diagnostic::new(callee.extent(), format!("`{callee}` cannot be called"));
            self.report(error.help("a layer is called by the name it was declared with"));
            return None;
        };
        let text = name.to_string();
        match self.system.scopes[place.context.scope]
            .lookup(&text)
            .cloned()
        {
            Some(Entity::Layer(layer)) => {
                let statics = place.statics.clone();
                let key = self.layer_key(layer, axes, expr.extent, &statics)?;
                let (_, output) = self.system.layers[layer]
                    .instances
                    .get(&key)?
                    .applied
                    .clone()?;
                return Some(self.output_term(&output, expr.extent, Some(expr)).kind);
            }
            Some(Entity::Broken) => return None,
            Some(Entity::Value(_)) if !is_function(&text) => {
                let error =
                    Diagnostic::new(name, format!("`{text}` is a value and cannot be called"));
                self.report(
                    error.help(format!("a product is written `{text} * x` or `{text} @ x`")),
                );
                return None;
            }
            _ => {}
        }
        if RANDOM.contains(&text.as_str()) {
            let error = Diagnostic::new(
                name,
                format!("`{text}` draws at random, which equations cannot do yet"),
            );
            self.report(error.help("leave it out"));
            return None;
        }
        if let Some(function) = axis_function(&text)
            && (!axes.is_empty() || arguments.len() == 1)
        {
            return self.axis_call(expr, name, function, axes, arguments, place);
        }
        if let Some(first) = axes.first() {
            let known: Vec<String> = AXIS_FUNCTIONS
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            let error =
                Diagnostic::new(first.extent, format!("`{text}` does not run along an axis"));
            self.report(error.help(format!("along an axis run {}", known.join(", "))));
            return None;
        }
        let Some(signature) = function::signature(&text, arguments.len()) else {
            let scope = &self.system.scopes[place.context.scope];
            let layers = scope.names(|entity| matches!(entity, Entity::Layer(_)));
            let functions: Vec<&str> = function_names().collect();
            let near = nearest(&text, layers.into_iter().chain(functions)).map(str::to_owned);
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("a layer is declared before it is called: `layer {text} = Cell<..>;`")
                }
            };
            self.report(Diagnostic::new(name, format!("unknown function `{text}`")).help(help));
            return None;
        };
        let count = signature.operands.len();
        let (operands, rest) = arguments.split_at(count.min(arguments.len()));
        let most = count + signature.sizes.len() + signature.options.len();
        if operands.len() < count
            || operands.iter().any(|operand| operand.name.is_some())
            || arguments.len() > most
        {
            let takes = counted(count, "operand");
            let message = format!("`{text}` takes {takes}, found {}", arguments.len());
            self.report(Diagnostic::new(expr.extent, message).help(signature.usage()));
            return None;
        }
        let (sizes, options) = rest.split_at(signature.sizes.len().min(rest.len()));
        if sizes.len() < signature.sizes.len() {
            let error = Diagnostic::new(expr.extent, format!("`{text}` needs a size"));
            self.report(error.help(signature.usage()));
            return None;
        }
        let operands: Vec<Term<'a>> = operands
            .iter()
            .map(|operand| self.term(&operand.value, place))
            .collect();
        let sizes: Vec<_> = sizes
            .iter()
            .map(|size| self.dim_of_expr(place.context.scope, &size.value))
            .collect();
        let options = self.options(name, options, signature.options, &signature.usage());
        Some(TermKind::Call {
            function: signature.function,
            operands,
            options: options?,
            sizes: sizes.into_iter().collect::<Option<_>>()?,
        })
    }

    /// `sum[j](..)`, `sum(..)`
    fn axis_call(
        &mut self,
        expr: &'a Expr,
        name: &'a Ident,
        function: AxisFunction,
        axes: &'a [Expr],
        arguments: &'a [Argument],
        place: &mut Place<'_>,
    ) -> Option<TermKind<'a>> {
        let [Argument { name: None, value }] = arguments else {
            let error = Diagnostic::new(
                expr.extent,
                format!("`{name}` takes one operand, found {}", arguments.len()),
            );
            self.report(error);
            return None;
        };
        let Some((axis, inner)) = axes.split_first() else {
            return Some(TermKind::Call {
                function: Function::Last(function),
                operands: vec![self.term(value, place)],
                options: Vec::new(),
                sizes: Vec::new(),
            });
        };
        let Some(ident) = axis.as_ident() else {
            if !axis.has_error() {
                self.report(Diagnostic::new(
                    axis.extent,
                    format!("expected the name of an axis, found `{axis}`"),
                ));
            }
            return None;
        };
        let scope = place.context.scope;
        match self.system.scopes[scope]
            .lookup(&ident.to_string())
            .cloned()
        {
            Some(Entity::Time(Run::Along(Along { axis, .. }))) => {
                if function.keeps_axis() {
                    self.require_kept(ident, axis, name, place)?;
                }
                place.bound.push(axis);
                let operand = self.nested(expr, name, function, inner, arguments, value, place);
                place.bound.pop();
                Some(TermKind::Along {
                    function,
                    axis,
                    operand: Box::new(operand),
                })
            }
            Some(Entity::Static(end)) => {
                let mut members = Vec::new();
                let own = place
                    .statics
                    .iter()
                    .find(|(known, _)| ident == known)
                    .map(|(_, member)| *member);
                for member in 1..=end {
                    place.statics.insert(0, (ident.to_string(), member));
                    let term = self.nested(expr, name, function, inner, arguments, value, place);
                    place.statics.remove(0);
                    let failed = matches!(term.kind, TermKind::Error);
                    members.push(term);
                    if failed {
                        return None;
                    }
                }
                if function.keeps_axis() {
                    let Some(own) = own.and_then(|own| usize::try_from(own - 1).ok()) else {
                        let error = Diagnostic::new(
                            ident,
                            format!(
                                "`{name}[{ident}]` has a value for each `{ident}`, and the left side has no `{ident}`"
                            ),
                        );
                        self.report(error.help(format!("put `{ident}` on the left")));
                        return None;
                    };
                    return Some(TermKind::Family {
                        function,
                        members,
                        own,
                    });
                }
                Some(TermKind::Family {
                    function,
                    members,
                    own: 0,
                })
            }
            Some(Entity::Time(Run::Nowhere)) => {
                self.report(Diagnostic::new(
                    ident,
                    format!("`{ident}` is no axis here: the cell is applied without a time axis"),
                ));
                None
            }
            Some(Entity::Broken) => None,
            _ => {
                self.unknown_axis(scope, ident);
                None
            }
        }
    }

    /// The operand of a function along an axis, which may run along more axes.
    #[expect(clippy::too_many_arguments, reason = "the parts of one call")]
    fn nested(
        &mut self,
        expr: &'a Expr,
        name: &'a Ident,
        function: AxisFunction,
        axes: &'a [Expr],
        arguments: &'a [Argument],
        value: &'a Expr,
        place: &mut Place<'_>,
    ) -> Term<'a> {
        if axes.is_empty() {
            return self.term(value, place);
        }
        let kind = self
            .axis_call(expr, name, function, axes, arguments, place)
            .unwrap_or(TermKind::Error);
        Term {
            kind,
            extent: expr.extent,
            source: Some(expr),
        }
    }

    fn require_kept(
        &mut self,
        ident: &Ident,
        axis: AxisId,
        name: &Ident,
        place: &Place<'_>,
    ) -> Option<()> {
        if place.bound.contains(&axis) || place.context.axes.iter().any(|along| along.axis == axis)
        {
            return Some(());
        }
        let left = place.left;
        let error = Diagnostic::new(
            ident,
            format!(
                "`{name}[{ident}]` has a value for each `{ident}`, and `{left}` has no `{ident}`"
            ),
        );
        self.report(error.help(format!(
            "put `{ident}` on the left, or reduce the product with `sum[{ident}](..)`"
        )));
        None
    }
}

/// Most steps between an equation and what it reads.
const MAX_LAG: u32 = 64;

/// A step of an axis, before boundaries are looked up.
#[derive(Clone, Copy, Debug)]
enum Step {
    By(i32),
    At(Position, i32),
    Outside(Outside),
}

/// A step counted from an end: `First(0)` is `1`, `Last(0)` is `T`.
#[derive(Clone, Copy)]
enum End {
    First(i64),
    Last(i64),
}

impl End {
    /// The same step counted against time.
    fn mirrored(self) -> Self {
        match self {
            Self::First(offset) => Self::Last(offset.saturating_neg()),
            Self::Last(offset) => Self::First(offset.saturating_neg()),
        }
    }
}
