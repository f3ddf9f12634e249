//! Calls: functions, functions along an axis, layers.
//!
//! **Invariant:** a call in the tree of terms has the operands, sizes and constants that its signature asks for.

use super::Place;
use crate::ast::{Argument, Expr, NamePath};
use crate::diagnostics::{Diagnostic, counted, nearest};
use crate::elaborate::Elaborator;
use crate::elaborate::function::{
    self, AXIS_FUNCTIONS, AxisFunction, Function, PERIODS, axis_function, function_names,
    is_function,
};
use crate::elaborate::scope::{Along, Entity, Run};
use crate::elaborate::term::{Term, TermKind};
use proc_macro2::Ident;
use rnn_ir::axis::AxisId;
use rnn_ir::random::draw::Per;

impl<'a> Elaborator<'a, '_> {
    /// A function, or a layer.
    pub(super) fn call(
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
            if axis_function(&text).is_some() {
                let error = Diagnostic::new(
                    expr.extent,
                    format!("`{text}` takes 1 operand, found {}", arguments.len()),
                );
                self.report(error.help(format!(
                    "along an axis it is written `{text}[t](x[t])`, along the last feature axis `{text}(x)`, along the first of a matrix `{text}(x.T)`"
                )));
                return None;
            }
            let scope = &self.system.scopes[place.context.scope];
            let layers = scope.names(|entity| matches!(entity, Entity::Layer(_)));
            let functions: Vec<&str> = function_names().collect();
            let near = nearest(&text, layers.into_iter().chain(functions)).map(str::to_owned);
            let help = match near {
                _ if let Some(written) = function::written_here(&text) => {
                    format!("here it is written {written}")
                }
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("a layer is declared before it is called: `layer {text} = Cell<..>;`")
                }
            };
            self.report(Diagnostic::new(name, format!("unknown function `{text}`")).help(help));
            for argument in arguments {
                self.term(&argument.value, place);
            }
            return None;
        };
        let (function, arguments) = self.how_often(signature.function, arguments)?;
        let count = signature.operands.len();
        let (operands, rest) = arguments.split_at(count.min(arguments.len()));
        let most = count + signature.sizes.len() + signature.options.len();
        let misnamed = (operands.iter().zip(signature.operands))
            .find(|(operand, known)| is_misnamed(operand, known, function));
        if let Some((operand, _)) = misnamed {
            let error = misnamed_operand(&text, operand, function.draws());
            self.report(error.help(signature.usage()));
            return None;
        }
        if operands.len() < count || arguments.len() > most {
            let takes = match operands.len() < count || most == count {
                true => counted(count, "operand"),
                false => format!("at most {}", counted(most, "argument")),
            };
            let message = format!("`{text}` takes {takes}, found {}", arguments.len());
            let smallest = (signature.function == Function::Min && arguments.len() == 1)
                .then(|| "the smallest element is `-max(-x)`".to_owned());
            let error = Diagnostic::new(expr.extent, message).help(signature.usage());
            self.report(error.help_if(smallest));
            return None;
        }
        let (sizes, options) = rest.split_at(signature.sizes.len().min(rest.len()));
        if sizes.len() < signature.sizes.len() {
            let error = Diagnostic::new(expr.extent, format!("`{text}` needs a size"));
            self.report(error.help(signature.usage()));
            return None;
        }
        let was_idle = place.is_idle;
        let mut terms: Vec<Term<'a>> = Vec::new();
        for (at, operand) in operands.iter().enumerate() {
            // A condition on the number of a member is decided here: the equation of the member has one branch.
            let taken = match signature.function {
                Function::Where => terms.first().and_then(Term::decided),
                _ => None,
            };
            place.is_idle = was_idle || taken.is_some_and(|holds| at != if holds { 1 } else { 2 });
            terms.push(self.term(&operand.value, place));
        }
        place.is_idle = was_idle;
        let operands = terms;
        let sizes: Vec<_> = sizes
            .iter()
            .map(|size| self.dim_of_expr(place.context.scope, &size.value, &place.statics))
            .collect();
        let options = self.options(name, options, signature.options, &signature.usage());
        self.check_chance(function, &operands);
        if let (Function::CrossEntropy, Some([smoothing])) = (function, options.as_deref())
            && !(0.0..1.0).contains(smoothing)
        {
            let message = format!("expected a smoothing from 0 to below 1, found {smoothing}");
            let error = Diagnostic::new(expr.extent, message);
            self.report(
                error.help("it is the share of the label that all tokens have in equal parts"),
            );
            return None;
        }
        if signature.function == Function::Where
            && let Some(holds) = operands.first().and_then(Term::decided)
        {
            let branch = operands.into_iter().nth(if holds { 1 } else { 2 });
            return branch.map(|branch| branch.kind);
        }
        if signature.function == Function::Feedback {
            self.check_feedback(&operands)?;
        }
        if let Function::BatchNorm(per) = function {
            return self.batch_norm(operands, per, &options?, place);
        }
        Some(TermKind::Call {
            function,
            operands,
            options: options?,
            sizes: sizes.into_iter().collect::<Option<_>>()?,
        })
    }

    /// `per = sequence`, among the options of a function that draws or normalises: the function that it makes, and the other arguments.
    fn how_often(
        &mut self,
        function: Function,
        arguments: &'a [Argument],
    ) -> Option<(Function, Vec<&'a Argument>)> {
        let mut others: Vec<&Argument> = arguments.iter().collect();
        let is_period =
            |argument: &&Argument| (argument.name.as_ref()).is_some_and(|name| name == "per");
        let at = match function.each(Per::Step) {
            Some(_) => others.iter().position(is_period),
            None => None,
        };
        let Some(at) = at else {
            return Some((function, others));
        };
        let period = others.remove(at);
        let written = period.value.to_string();
        let known = PERIODS.iter().find(|(name, _)| *name == written);
        if let Some((_, per)) = known {
            return Some((function.each(*per)?, others));
        }
        let names = PERIODS.map(|(name, _)| name);
        let help = match nearest(&written, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let (each, once) = match function.draws() {
                    true => ("draws at every step", "once for all of them"),
                    false => ("normalises every step", "all of them together"),
                };
                format!("`per = step` {each}, `per = sequence` {once}")
            }
        };
        let message = format!("expected `step` or `sequence`, found `{written}`");
        self.report(Diagnostic::new(period.value.extent, message).help(help));
        None
    }

    /// A probability that is written as a number is below 1, a standard deviation not negative.
    fn check_chance(&mut self, function: Function, operands: &[Term<'a>]) {
        let Some(term) = operands.last().filter(|_| function.draws()) else {
            return;
        };
        let Some(value) = term.number() else { return };
        if matches!(function, Function::Noise(_)) {
            if value < 0.0 {
                let message = format!("a standard deviation is not negative, found {value}");
                self.report(Diagnostic::new(term.extent, message));
            }
        } else if !(0.0..1.0).contains(&value) {
            let message = format!("expected a probability from 0 to below 1, found {value}");
            let error = Diagnostic::new(term.extent, message);
            self.report(error.help("it is the share that is dropped, not the one that is kept"));
        }
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
        let value = match arguments {
            [Argument { name: None, value }] => value,
            [named] => {
                let error = misnamed_operand(&name.to_string(), named, false);
                self.report(error.help(format!("write `{name}[t](x[t])`")));
                return None;
            }
            _ => {
                let message = format!("`{name}` takes one operand, found {}", arguments.len());
                self.report(Diagnostic::new(expr.extent, message));
                return None;
            }
        };
        let Some((axis, inner)) = axes.split_first() else {
            if function == AxisFunction::Concat {
                let error = Diagnostic::new(expr.extent, "`concat` joins the members of a family");
                self.report(error.help(
                    "write `concat[l](h[l, t])` for a family over `l`, `[a, b]` for single values",
                ));
                return None;
            }
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
            Some(Entity::Time(Run::Along(_))) if function == AxisFunction::Concat => {
                let error = Diagnostic::new(
                    ident,
                    format!("`concat` joins the members of a family, and `{ident}` is a time axis"),
                );
                self.report(error.help("a vector has a size that does not depend on the data"));
                None
            }
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
                if function == AxisFunction::Concat {
                    return Some(TermKind::Concat(members));
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
                let error = Diagnostic::new(
                    ident,
                    format!("`{ident}` is no axis here: the cell is applied without a time axis"),
                );
                self.report(error.help("apply it in an equation over `t`"));
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

/// Whether an operand has a name; that of its place is fine where something is drawn: `dropout(x, p = 0.5)`.
fn is_misnamed(operand: &Argument, known: &str, function: Function) -> bool {
    let named = operand.name.as_ref();
    named.is_some_and(|name| !function.draws() || name != known)
}

/// The error of an operand with a name.
fn misnamed_operand(function: &str, operand: &Argument, draws: bool) -> Diagnostic {
    let name = operand
        .name
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let message = match draws {
        true => format!("`{function}` has no operand `{name}`"),
        false => format!("operands of `{function}` are given by their places, found `{name} = ..`"),
    };
    Diagnostic::new(operand.value.extent, message)
}
