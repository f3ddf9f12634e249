//! The type rules: the type of every primitive from the types of its operands, and nowhere else.
//!
//! Only scalars broadcast over features, and the builder makes that explicit with [`Op::Expand`]; here both operands of
//! an elementwise op have one shape. Over the domain (time, batch) broadcasting is implicit: a result varies over every
//! axis that an operand varies over.
//!
//! **Invariant:** a rule looks at types alone, never at sizes, so a model that is well typed is so for all sizes.

use crate::axis::{AxisId, Domain};
use crate::dim::Dim;
use crate::node::{DType, NodeId, Shape, Type};
use crate::op::{Op, Role};

/// Why a primitive cannot be applied to its operands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// Two operands whose shapes must be equal are not.
    #[error("`{op}` needs operands of one shape, found {left} and {right}")]
    ShapeMismatch {
        /// The primitive.
        op: &'static str,
        /// Shape on the left.
        left: Shape,
        /// Shape on the right.
        right: Shape,
    },
    /// The contracted sizes of `@` differ.
    #[error(
        "`@` contracts the last size of {left} with the first of {right}: expected {expected}, found {found}"
    )]
    Contraction {
        /// Shape on the left.
        left: Shape,
        /// Shape on the right.
        right: Shape,
        /// Last size on the left.
        expected: Dim,
        /// First size on the right.
        found: Dim,
    },
    /// An operand has the wrong number of feature axes.
    #[error("`{op}` needs {expected}, found {found}")]
    Rank {
        /// The primitive.
        op: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        found: Shape,
    },
    /// An operand is of the wrong kind.
    #[error("`{op}` needs a value of kind {expected}, found {found}")]
    Kind {
        /// The primitive.
        op: &'static str,
        /// The kind it takes.
        expected: DType,
        /// The kind it was given.
        found: DType,
    },
    /// An operand does not vary over the axis that the primitive is about.
    #[error("`{op}` needs a value that varies over its axis, found one that does not")]
    MissingAxis {
        /// The primitive.
        op: &'static str,
        /// The axis.
        axis: AxisId,
    },
    /// An operand varies over an axis that it must not vary over.
    #[error("`{op}` needs a value that does not vary over its axis, found one that does")]
    ExtraAxis {
        /// The primitive.
        op: &'static str,
        /// The axis.
        axis: AxisId,
    },
    /// A slice that ends past the end, or starts before the start.
    #[error("entries {start} to {start} + {len} are outside a size of {dim}")]
    OutOfRange {
        /// First entry.
        start: Dim,
        /// How many.
        len: Dim,
        /// Size of the axis.
        dim: Dim,
    },
    /// A shift of zero steps, or a boundary on a shift of several.
    #[error("a shift by {by} steps {reason}")]
    Shift {
        /// The steps.
        by: i32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The declared type is missing or not one the source may have.
    #[error("`{op}` {reason}")]
    Declaration {
        /// The primitive.
        op: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
}

fn real<'t>(op: &'static str, ty: &'t Type) -> Result<&'t Type, TypeError> {
    kind(op, ty, DType::Real)
}

fn kind<'t>(op: &'static str, ty: &'t Type, expected: DType) -> Result<&'t Type, TypeError> {
    if ty.dtype == expected {
        Ok(ty)
    } else {
        Err(TypeError::Kind {
            op,
            expected,
            found: ty.dtype,
        })
    }
}

fn scalar<'t>(op: &'static str, ty: &'t Type) -> Result<&'t Type, TypeError> {
    if ty.shape.is_scalar() {
        Ok(ty)
    } else {
        Err(TypeError::Rank {
            op,
            expected: "a scalar",
            found: ty.shape.clone(),
        })
    }
}

fn rank<'t>(
    op: &'static str,
    ty: &'t Type,
    rank: usize,
    expected: &'static str,
) -> Result<&'t Type, TypeError> {
    if ty.shape.rank() == rank {
        Ok(ty)
    } else {
        Err(TypeError::Rank {
            op,
            expected,
            found: ty.shape.clone(),
        })
    }
}

fn same_shape(op: &'static str, left: &Type, right: &Type) -> Result<(), TypeError> {
    if left.shape == right.shape {
        Ok(())
    } else {
        Err(TypeError::ShapeMismatch {
            op,
            left: left.shape.clone(),
            right: right.shape.clone(),
        })
    }
}

fn feature(op: &'static str, ty: &Type, at: usize) -> Result<Dim, TypeError> {
    ty.shape.0.get(at).cloned().ok_or_else(|| TypeError::Rank {
        op,
        expected: "one feature axis more",
        found: ty.shape.clone(),
    })
}

fn has_axes(op: &'static str, ty: &Type, axes: Domain) -> Result<(), TypeError> {
    match axes.minus(ty.domain).axes().next() {
        None => Ok(()),
        Some(axis) => Err(TypeError::MissingAxis { op, axis }),
    }
}

fn lacks_axes(op: &'static str, ty: &Type, axes: Domain) -> Result<(), TypeError> {
    match axes.intersect(ty.domain).axes().next() {
        None => Ok(()),
        Some(axis) => Err(TypeError::ExtraAxis { op, axis }),
    }
}

fn boundary_of<'t>(
    op: &'static str,
    x: &Type,
    axis: AxisId,
    boundary: Option<&'t Type>,
) -> Result<Option<&'t Type>, TypeError> {
    if let Some(boundary) = boundary {
        kind(op, boundary, x.dtype)?;
        same_shape(op, x, boundary)?;
        lacks_axes(op, boundary, Domain::of(axis))?;
    }
    Ok(boundary)
}

/// The type of `op`. `declared` is the type of sources (inputs, parameters, constants) and of shifts.
///
/// # Errors
/// The rule that the operands break.
pub fn infer<'t>(
    op: &Op,
    declared: Option<&Type>,
    type_of: &dyn Fn(NodeId) -> &'t Type,
) -> Result<Type, TypeError> {
    let ty = |id: &NodeId| type_of(*id);
    match op {
        Op::Input { role, .. } => {
            let ty = declared.ok_or(TypeError::Declaration {
                op: "input",
                reason: "has no declared type",
            })?;
            let (fits, reason) = match role {
                Role::Input | Role::Target | Role::Teacher => (true, ""),
                Role::State | Role::Fresh | Role::Weight => (
                    ty.domain == Domain::BATCH,
                    "of this role varies over the batch alone",
                ),
                Role::Seed(_) => (
                    Domain::BATCH.covers(ty.domain),
                    "of this role varies over the batch or over nothing",
                ),
                Role::Training => (ty.domain.is_empty(), "of this role varies over nothing"),
            };
            if !fits {
                return Err(TypeError::Declaration {
                    op: "input",
                    reason,
                });
            }
            Ok(ty.clone())
        }
        Op::Param { .. } => {
            let ty = declared.ok_or(TypeError::Declaration {
                op: "param",
                reason: "has no declared type",
            })?;
            real("param", ty)?;
            if !ty.domain.is_empty() {
                return Err(TypeError::Declaration {
                    op: "param",
                    reason: "varies over nothing",
                });
            }
            Ok(ty.clone())
        }
        Op::Const(_) => {
            let ty = declared.ok_or(TypeError::Declaration {
                op: "const",
                reason: "has no declared type",
            })?;
            if !ty.domain.is_empty() {
                return Err(TypeError::Declaration {
                    op: "const",
                    reason: "varies over nothing",
                });
            }
            Ok(ty.clone())
        }
        Op::Step(axis) => Ok(Type::real(Domain::of(*axis), Shape::scalar())),
        Op::Length(_) => Ok(Type::real(Domain::BATCH, Shape::scalar())),
        Op::Entries => {
            let ty = declared.ok_or(TypeError::Declaration {
                op: "entries",
                reason: "has no declared type",
            })?;
            kind("entries", ty, DType::Index)?;
            if !ty.domain.is_empty() {
                return Err(TypeError::Declaration {
                    op: "entries",
                    reason: "varies over nothing",
                });
            }
            Ok(ty.clone())
        }

        Op::Unary(unary, x) => real(unary.name(), ty(x)).cloned(),
        Op::Binary(binary, a, b) => {
            let (a, b) = (real(binary.name(), ty(a))?, real(binary.name(), ty(b))?);
            same_shape(binary.name(), a, b)?;
            Ok(Type::real(a.domain.union(b.domain), a.shape.clone()))
        }
        Op::Compare(compare, a, b) => {
            let (a, b) = (ty(a), ty(b));
            let op = compare.name();
            if a.dtype == DType::Bool {
                return Err(TypeError::Kind {
                    op,
                    expected: DType::Real,
                    found: DType::Bool,
                });
            }
            kind(op, b, a.dtype)?;
            same_shape(op, a, b)?;
            Ok(Type {
                domain: a.domain.union(b.domain),
                shape: a.shape.clone(),
                dtype: DType::Bool,
            })
        }
        Op::Select(condition, then, otherwise) => {
            let (condition, then, otherwise) = (ty(condition), ty(then), ty(otherwise));
            kind("where", condition, DType::Bool)?;
            kind("where", otherwise, then.dtype)?;
            same_shape("where", condition, then)?;
            same_shape("where", then, otherwise)?;
            let domain = condition.domain.union(then.domain).union(otherwise.domain);
            Ok(Type {
                domain,
                shape: then.shape.clone(),
                dtype: then.dtype,
            })
        }
        Op::StopGradient(x) => real("stop_gradient", ty(x)).cloned(),
        Op::Mix(a, b) => {
            let (a, b) = (kind("mix", ty(a), DType::Index)?, ty(b));
            if b.dtype == DType::Bool {
                return Err(TypeError::Kind {
                    op: "mix",
                    expected: DType::Index,
                    found: DType::Bool,
                });
            }
            same_shape("mix", a, b)?;
            Ok(Type {
                domain: a.domain.union(b.domain),
                ..a.clone()
            })
        }
        Op::Uniform(x) => {
            let x = kind("random", ty(x), DType::Index)?;
            Ok(Type::real(x.domain, x.shape.clone()))
        }

        Op::Token(x) => Ok(Type {
            dtype: DType::Index,
            ..real("token", ty(x))?.clone()
        }),

        Op::MatMul(a, b) => {
            let (a, b) = (real("@", ty(a))?, real("@", ty(b))?);
            for side in [a, b] {
                if side.shape.is_scalar() || side.shape.rank() > 2 {
                    let expected = "vectors or matrices";
                    return Err(TypeError::Rank {
                        op: "@",
                        expected,
                        found: side.shape.clone(),
                    });
                }
            }
            let (last, first) = (&a.shape.0[a.shape.rank() - 1], &b.shape.0[0]);
            if last != first {
                return Err(TypeError::Contraction {
                    left: a.shape.clone(),
                    right: b.shape.clone(),
                    expected: last.clone(),
                    found: first.clone(),
                });
            }
            let kept = a.shape.0[..a.shape.rank() - 1]
                .iter()
                .chain(&b.shape.0[1..])
                .cloned()
                .collect();
            Ok(Type::real(a.domain.union(b.domain), Shape(kept)))
        }
        Op::Outer(a, b) => {
            let (a, b) = (real("outer", ty(a))?, real("outer", ty(b))?);
            rank("outer", a, 1, "vectors")?;
            rank("outer", b, 1, "vectors")?;
            Ok(Type::real(
                a.domain.union(b.domain),
                Shape::matrix(a.shape.0[0].clone(), b.shape.0[0].clone()),
            ))
        }
        Op::Transpose(x) => {
            let x = rank(".T", real(".T", ty(x))?, 2, "a matrix")?;
            Ok(Type::real(
                x.domain,
                Shape::matrix(x.shape.0[1].clone(), x.shape.0[0].clone()),
            ))
        }

        Op::Expand { x, at, dim } => {
            let mut ty = ty(x).clone();
            if *at > ty.shape.rank() {
                return Err(TypeError::Rank {
                    op: "expand",
                    expected: "more feature axes",
                    found: ty.shape,
                });
            }
            ty.shape.0.insert(*at, dim.clone());
            Ok(ty)
        }
        Op::Reduce { kind, x, at } => {
            let mut ty = real(kind.name(), ty(x))?.clone();
            feature(kind.name(), &ty, *at)?;
            ty.shape.0.remove(*at);
            Ok(ty)
        }
        Op::Softmax(x) => {
            let ty = real("softmax", ty(x))?;
            feature("softmax", ty, ty.shape.rank().wrapping_sub(1))?;
            Ok(ty.clone())
        }
        Op::Concat { parts, at } => {
            let Some(first) = parts.first().map(ty) else {
                return Err(TypeError::Rank {
                    op: "concat",
                    expected: "at least one part",
                    found: Shape::scalar(),
                });
            };
            feature("concat", first, *at)?;
            let mut domain = Domain::NONE;
            for part in parts.iter().map(ty) {
                kind("concat", part, first.dtype)?;
                let mut aligned = part.shape.clone();
                if let Some(dim) = aligned.0.get_mut(*at) {
                    *dim = first.shape.0[*at].clone();
                }
                if aligned != first.shape {
                    let (left, right) = (first.shape.clone(), part.shape.clone());
                    return Err(TypeError::ShapeMismatch {
                        op: "concat",
                        left,
                        right,
                    });
                }
                domain = domain.union(part.domain);
            }
            let mut shape = first.shape.clone();
            shape.0[*at] = Dim::sum(parts.iter().map(|part| &ty(part).shape.0[*at]));
            Ok(Type {
                domain,
                shape,
                dtype: first.dtype,
            })
        }
        Op::Slice { x, at, start, len } => {
            let mut ty = ty(x).clone();
            let dim = feature("slice", &ty, *at)?;
            let end = Dim::sum([start, len]);
            let outside = start.as_constant().is_some_and(|start| start < 0)
                || dim
                    .checked_sub(&end)
                    .and_then(|rest| rest.as_constant())
                    .is_some_and(|rest| rest < 0);
            if outside {
                return Err(TypeError::OutOfRange {
                    start: start.clone(),
                    len: len.clone(),
                    dim,
                });
            }
            ty.shape.0[*at] = len.clone();
            Ok(ty)
        }
        Op::Pad {
            x,
            at,
            before,
            after,
        } => {
            let mut ty = real("pad", ty(x))?.clone();
            let dim = feature("pad", &ty, *at)?;
            ty.shape.0[*at] = Dim::sum([before, &dim, after]);
            Ok(ty)
        }

        Op::Gather { table, index } => {
            let table = ty(table);
            feature("gather", table, 0)?;
            let index = scalar("gather", kind("gather", ty(index), DType::Index)?)?;
            let shape = Shape(table.shape.0[1..].to_vec());
            Ok(Type {
                domain: table.domain.union(index.domain),
                shape,
                dtype: table.dtype,
            })
        }
        Op::Scatter { index, x, dim } => {
            let index = scalar("scatter", kind("scatter", ty(index), DType::Index)?)?;
            let x = real("scatter", ty(x))?;
            let shape = Shape(std::iter::once(dim).chain(&x.shape.0).cloned().collect());
            Ok(Type::real(index.domain.union(x.domain), shape))
        }
        Op::ArgMax(x) => {
            let x = real("argmax", ty(x))?;
            let last = x.shape.rank().wrapping_sub(1);
            if x.shape.is_scalar() {
                return Err(TypeError::Rank {
                    op: "argmax",
                    expected: "a vector or a matrix",
                    found: x.shape.clone(),
                });
            }
            Ok(Type {
                domain: x.domain,
                shape: Shape(x.shape.0[..last].to_vec()),
                dtype: DType::Index,
            })
        }

        Op::Broadcast { x, axes } => {
            let mut ty = ty(x).clone();
            lacks_axes("broadcast", &ty, *axes)?;
            ty.domain = ty.domain.union(*axes);
            Ok(ty)
        }
        Op::AxisReduce { kind, x, axes } => {
            let x = real(kind.name(), ty(x))?;
            has_axes(kind.name(), x, *axes)?;
            // How many steps an example has is its own.
            let own = if axes.contains(AxisId::BATCH) {
                Domain::NONE
            } else {
                Domain::BATCH
            };
            Ok(Type::real(
                x.domain.union(own).minus(*axes),
                x.shape.clone(),
            ))
        }
        Op::Shift {
            axis,
            by,
            x,
            boundary,
        } => {
            if *by == 0 {
                return Err(TypeError::Shift {
                    by: *by,
                    reason: "is the value itself",
                });
            }
            if by.abs() != 1 && boundary.is_some() {
                return Err(TypeError::Shift {
                    by: *by,
                    reason: "has no single boundary",
                });
            }
            let x = match declared {
                Some(declared) if *x == NodeId::OPEN => declared,
                _ => ty(x),
            };
            has_axes("shift", x, Domain::of(*axis))?;
            let boundary = boundary_of("shift", x, *axis, boundary.as_ref().map(ty))?;
            // Beyond the end is beyond the example's own end; what comes in there may differ between examples too.
            let mut domain = boundary.map_or(x.domain, |boundary| x.domain.union(boundary.domain));
            if *by > 0 {
                domain = domain.union(Domain::BATCH);
            }
            Ok(Type {
                domain,
                ..x.clone()
            })
        }
        Op::At {
            axis,
            position: _,
            x,
            boundary,
        } => {
            let x = ty(x);
            has_axes("at", x, Domain::of(*axis))?;
            let boundary = boundary_of("at", x, *axis, boundary.as_ref().map(ty))?;
            let domain = boundary
                .map_or(x.domain, |boundary| x.domain.union(boundary.domain))
                .union(Domain::BATCH);
            Ok(Type {
                domain: domain.without(*axis),
                ..x.clone()
            })
        }
        Op::Place {
            axis,
            position: _,
            x,
        } => {
            let x = real("place", ty(x))?;
            lacks_axes("place", x, Domain::of(*axis))?;
            Ok(Type::real(
                x.domain.union(Domain::BATCH).with(*axis),
                x.shape.clone(),
            ))
        }
    }
}
