//! Functions, of features and along static families.
//!
//! **Invariant:** [`super::super::function`] has checked the number of operands.

use super::{Evaluated, Evaluator, Item};
use crate::diagnostics::Diagnostic;
use crate::elaborate::function::{AxisFunction, Function};
use crate::elaborate::term::Term;
use rnn_ir::builder::Builder;
use rnn_ir::dim::Dim;
use rnn_ir::node::{DType, NodeId, Shape};
use rnn_ir::op::{Binary, Compare, Reduction, Unary};
use rnn_ir::typing::TypeError;

impl<'s, 'a> Evaluator<'s, 'a> {
    pub(super) fn family(
        &mut self,
        term: &Term<'a>,
        function: AxisFunction,
        members: &[Term<'a>],
        own: usize,
    ) -> Option<NodeId> {
        let nodes: Vec<Option<NodeId>> = members.iter().map(|member| self.real(member)).collect();
        let nodes: Vec<NodeId> = nodes.into_iter().collect::<Option<_>>()?;
        let built = self.fold_family(function, &nodes, own);
        let operands: Vec<_> = members.iter().zip(nodes).take(2).collect();
        self.built(term, &operands, built)
    }

    fn fold_family(
        &mut self,
        function: AxisFunction,
        nodes: &[NodeId],
        own: usize,
    ) -> Result<NodeId, TypeError> {
        let fold = |builder: &mut Builder, binary: Binary, nodes: &[NodeId]| {
            let mut total = nodes[0];
            for node in &nodes[1..] {
                total = builder.binary(binary, total, *node)?;
            }
            Ok(total)
        };
        match function {
            AxisFunction::Concat => {
                unreachable!("the members of a family are listed when names are resolved")
            }
            AxisFunction::Sum => fold(&mut self.builder, Binary::Add, nodes),
            AxisFunction::Max => fold(&mut self.builder, Binary::Max, nodes),
            AxisFunction::Mean => {
                let sum = fold(&mut self.builder, Binary::Add, nodes)?;
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a family has at most a thousand members"
                )]
                let count = self.builder.constant(nodes.len() as f64, Shape::scalar());
                self.builder.div(sum, count)
            }
            AxisFunction::LogSumExp | AxisFunction::Softmax | AxisFunction::LogSoftmax => {
                let largest = fold(&mut self.builder, Binary::Max, nodes)?;
                let largest = self.builder.stop_gradient(largest)?;
                let mut powers = Vec::new();
                for node in nodes {
                    let shifted = self.builder.sub(*node, largest)?;
                    powers.push(self.builder.unary(Unary::Exp, shifted)?);
                }
                let sum = fold(&mut self.builder, Binary::Add, &powers)?;
                if function == AxisFunction::Softmax {
                    return self.builder.div(powers[own], sum);
                }
                let ln = self.builder.unary(Unary::Ln, sum)?;
                let total = self.builder.add(ln, largest)?;
                if function == AxisFunction::LogSumExp {
                    Ok(total)
                } else {
                    self.builder.sub(nodes[own], total)
                }
            }
        }
    }

    pub(super) fn call(
        &mut self,
        term: &Term<'a>,
        function: Function,
        operands: &[Term<'a>],
        options: &[f64],
        sizes: &[Dim],
    ) -> Evaluated {
        let option = options.first().copied().unwrap_or_default();
        match (function, operands) {
            (Function::Feedback, [target, own]) => self.feedback(target, own),
            (Function::Where, [condition, a, b]) => {
                let holds = self.condition(condition);
                let ([yes, no], vocabulary) = self.alike([a, b])?;
                let Some(holds) = holds else {
                    return self.guess(&[Some(yes), Some(no)]);
                };
                let built = self.builder.select(holds, yes, no);
                let node = self.built(term, &[(condition, holds), (a, yes), (b, no)], built)?;
                Some(Item { node, vocabulary })
            }
            (Function::Dropout(per) | Function::Noise(per), [x, amount]) => {
                let (node, by) = (self.real(x), self.real(amount));
                let (node, by) = (node?, by?);
                let built = match function {
                    Function::Noise(_) => self.builder.noise(node, by, per),
                    _ => self.builder.dropout(node, by, per),
                };
                let drawn = self.built(term, &[(x, node), (amount, by)], built)?;
                self.weaken(drawn, &[node]);
                Some(drawn.into())
            }
            (Function::Zoneout(per), [new, old, p]) => {
                let (a, b, c) = (self.real(new), self.real(old), self.real(p));
                let (Some(a), Some(b)) = (a, b) else {
                    return self.guess(&[a, b]);
                };
                let c = c?;
                let built = self.builder.zoneout(a, b, c, per);
                let drawn = self.built(term, &[(new, a), (old, b), (p, c)], built)?;
                self.weaken(drawn, &[a, b]);
                Some(drawn.into())
            }
            (Function::OneHot, [token]) => {
                let index = self.index(token)?;
                let one = self.builder.constant(1.0, Shape::scalar());
                let built = self
                    .builder
                    .scatter(index.node, one, sizes.first()?.clone());
                self.built(term, &[(token, index.node)], built)
                    .map(Into::into)
            }
            (Function::CrossEntropy, [logits, target]) => {
                let (x, at) = (self.real(logits), self.index(target));
                let (x, at) = (x?, at?);
                let size = self.builder.shape(x).0.last().cloned();
                if let (Some(size), Some(vocabulary)) = (&size, &at.vocabulary)
                    && size != vocabulary
                {
                    self.diagnostics.report(
                        Diagnostic::new(
                            target.extent,
                            format!(
                                "{} is a token below {vocabulary}, and {} has {size} logits",
                                target.text(),
                                logits.text()
                            ),
                        )
                        .label(logits.extent, format!("[{size}]"))
                        .help("there is one logit for each token"),
                    );
                    return None;
                }
                let built = self.builder.smoothed_cross_entropy(x, at.node, option);
                self.built(term, &[(logits, x), (target, at.node)], built)
                    .map(Into::into)
            }
            (Function::Diag, [operand]) => {
                self.real(operand)?;
                let text = term.text();
                let error =
                    Diagnostic::new(term.extent, format!("{text} is a factor of `@` alone"));
                self.diagnostics.report(error.help(
                    "`diag(v) @ M` multiplies the rows of a matrix by a vector, `M @ diag(v)` its columns",
                ));
                None
            }
            (Function::ArgMax, [operand]) => {
                let x = self.real(operand)?;
                let vocabulary = self.builder.shape(x).0.last().cloned();
                let built = self.builder.argmax(x);
                let node = self.built(term, &[(operand, x)], built)?;
                Some(Item { node, vocabulary })
            }
            (_, [operand]) => {
                let x = self.real(operand)?;
                let built = self.of_one(function, x, option, sizes);
                let node = self.built(term, &[(operand, x)], built)?;
                self.weaken(node, &[x]);
                Some(node.into())
            }
            (_, [left, right]) => {
                let (a, b) = (self.real(left), self.real(right));
                let (Some(a), Some(b)) = (a, b) else {
                    let elementwise =
                        matches!(function, Function::Min | Function::Max | Function::Modulo);
                    return if elementwise {
                        self.guess(&[a, b])
                    } else {
                        None
                    };
                };
                let built = match function {
                    Function::Min => self.builder.binary(Binary::Min, a, b),
                    Function::Max => self.builder.binary(Binary::Max, a, b),
                    Function::Modulo => self.builder.modulo(a, b),
                    Function::Outer => self.builder.outer(a, b),
                    Function::SquaredError => self.builder.squared_error(a, b),
                    Function::BinaryCrossEntropy => self.builder.binary_cross_entropy(a, b),
                    _ => unreachable!("{function:?} has another number of operands"),
                };
                self.built(term, &[(left, a), (right, b)], built)
                    .map(Into::into)
            }
            (_, [x, low, high]) => {
                let (a, b, c) = (self.real(x), self.real(low), self.real(high));
                let (Some(a), Some(b), Some(c)) = (a, b, c) else {
                    return self.guess(&[a, b, c]);
                };
                let built = self.builder.clamp(a, b, c);
                self.built(term, &[(x, a), (low, b), (high, c)], built)
                    .map(Into::into)
            }
            _ => unreachable!("{function:?} has another number of operands"),
        }
    }

    /// A function of one operand.
    fn of_one(
        &mut self,
        function: Function,
        x: NodeId,
        option: f64,
        sizes: &[Dim],
    ) -> Result<NodeId, TypeError> {
        let builder = &mut self.builder;
        match function {
            Function::Elementwise(unary) => builder.unary(unary, x),
            Function::Square => builder.mul(x, x),
            Function::Pow => power(builder, x, option),
            Function::LeakyRelu => builder.leaky_relu(x, option),
            Function::Elu => builder.elu(x, option),
            Function::Gelu => builder.gelu(x),
            Function::Silu => builder.silu(x),
            Function::Softsign => builder.softsign(x),
            Function::HardSigmoid => builder.hard_sigmoid(x),
            Function::HardTanh => builder.hard_tanh(x),
            Function::StopGradient => builder.stop_gradient(x),
            Function::LayerNorm => builder.layer_norm(x, option),
            Function::RmsNorm => builder.rms_norm(x, option),
            Function::Slice => match sizes {
                [start, len] => builder.slice(x, 0, start.clone(), len.clone()),
                _ => unreachable!("a slice has two sizes"),
            },
            Function::Last(AxisFunction::Sum) => builder.reduce_last(Reduction::Sum, x),
            Function::Last(AxisFunction::Mean) => builder.mean_last(x),
            Function::Last(AxisFunction::Max) => builder.reduce_last(Reduction::Max, x),
            Function::Last(AxisFunction::LogSumExp) => builder.reduce_last(Reduction::LogSumExp, x),
            Function::Last(AxisFunction::Softmax) => builder.softmax(x),
            Function::Last(AxisFunction::LogSoftmax) => builder.log_softmax(x),
            _ => unreachable!("{function:?} has another number of operands"),
        }
    }

    /// A condition: a comparison, or a number that is not zero.
    fn condition(&mut self, term: &Term<'a>) -> Option<NodeId> {
        let item = self.term(term)?;
        if self.dtype(&item) == DType::Bool {
            return Some(item.node);
        }
        let number = if self.dtype(&item) == DType::Index {
            self.real(term)?
        } else {
            item.node
        };
        let zero = self.builder.constant(0.0, Shape::scalar());
        self.builder.compare(Compare::Ne, number, zero).ok()
    }
}

/// `x^n`: products for a small whole number, else `e^(n ln x)`.
fn power(builder: &mut Builder, x: NodeId, n: f64) -> Result<NodeId, TypeError> {
    if n.fract() == 0.0 && (1.0..=16.0).contains(&n) {
        let mut product = x;
        let mut left = n;
        while left > 1.0 {
            product = builder.mul(product, x)?;
            left -= 1.0;
        }
        return Ok(product);
    }
    let ln = builder.unary(Unary::Ln, x)?;
    let n = builder.constant(n, Shape::scalar());
    let scaled = builder.mul(n, ln)?;
    builder.unary(Unary::Exp, scaled)
}
