//! Index expressions: a variable or an end of an axis, plus or minus a constant.
//!
//! **Invariant:** [`linear`] gives `base + offset` with the same value as the expression, or nothing.

use proc_macro2::Ident;

use super::Elaborator;
use super::scope::{Entity, ScopeId};
use crate::ast::{BinaryOp, Expr, ExprKind};

/// `base + offset`; without a base, a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear<'e> {
    pub(super) base: Option<&'e Ident>,
    pub(super) offset: i64,
}

impl Elaborator<'_, '_> {
    /// An index of a family, in which a size that is a number counts as one: the last of `index l in 1..=L` is `h[L, t]`.
    pub(super) fn counted<'e>(
        &self,
        scope: ScopeId,
        expr: &'e Expr,
        statics: &[(String, i64)],
    ) -> Option<Linear<'e>> {
        let linear = linear(expr, statics)?;
        let size = linear.base.and_then(|base| {
            match self.system.scopes[scope].lookup(&base.to_string()) {
                Some(Entity::Size(size)) => size.as_constant(),
                _ => None,
            }
        });
        match size {
            Some(size) => Some(Linear {
                base: None,
                offset: linear.offset.checked_add(size)?,
            }),
            None => Some(linear),
        }
    }
}

/// Reads `t`, `t-1`, `T`, `0`, `l+1`. Static indices with a known value count as numbers.
pub(super) fn linear<'e>(expr: &'e Expr, statics: &[(String, i64)]) -> Option<Linear<'e>> {
    match &expr.kind {
        ExprKind::Number(number) => Some(Linear {
            base: None,
            offset: number.integer.and_then(|value| i64::try_from(value).ok())?,
        }),
        ExprKind::Name(path) => {
            let name = path.as_ident()?;
            Some(match statics.iter().find(|(known, _)| name == known) {
                Some((_, value)) => Linear {
                    base: None,
                    offset: *value,
                },
                None => Linear {
                    base: Some(name),
                    offset: 0,
                },
            })
        }
        ExprKind::Negate(inner) => match linear(inner, statics)? {
            Linear { base: None, offset } => Some(Linear {
                base: None,
                offset: offset.checked_neg()?,
            }),
            Linear { base: Some(_), .. } => None,
        },
        ExprKind::Binary(op @ (BinaryOp::Add | BinaryOp::Sub), left, right) => {
            let (left, right) = (linear(left, statics)?, linear(right, statics)?);
            let (base, offset) = match (op, left.base, right.base) {
                (BinaryOp::Add, base, None) | (BinaryOp::Add, None, base) => {
                    (base, left.offset.checked_add(right.offset)?)
                }
                (BinaryOp::Sub, base, None) => (base, left.offset.checked_sub(right.offset)?),
                _ => return None,
            };
            Some(Linear { base, offset })
        }
        _ => None,
    }
}
