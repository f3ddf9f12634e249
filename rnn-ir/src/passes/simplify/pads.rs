//! Identities of padding: the adjoint of cutting a value into parts is one join of the parts' adjoints.
//!
//! **Invariant:** entries keep their place; only zeros that are added to something else go away.

use super::layouts::at_most;
use super::{Rewrite, Rule, Simplifier};
use crate::builder::Built;
use crate::dim::Dim;
use crate::node::{NodeId, Shape};
use crate::op::{Binary, Op};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "pad_nothing",
        apply: pad_nothing,
    },
    Rule {
        name: "pad_padded",
        apply: pad_padded,
    },
    Rule {
        name: "join_zeros",
        apply: join_zeros,
    },
    Rule {
        name: "add_padded",
        apply: add_padded,
    },
    Rule {
        name: "add_padded_twice",
        apply: add_padded_twice,
    },
];

// A value that is zero along feature axis `at` except in some pieces, which are in order.
struct Sparse {
    at: usize,
    total: Dim,
    pieces: Vec<Piece>,
}

struct Piece {
    start: Dim,
    end: Dim,
    value: NodeId,
}

/// `pad(x, 0, 0) = x`
fn pad_nothing(_: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Pad {
        x, before, after, ..
    } = op
    else {
        return Ok(None);
    };
    let nothing = before.as_constant() == Some(0) && after.as_constant() == Some(0);
    Ok(nothing.then_some(*x))
}

/// `pad(pad(x, a, b), c, d) = pad(x, a + c, b + d)`
fn pad_padded(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Pad {
        x,
        at,
        before,
        after,
    } = op
    else {
        return Ok(None);
    };
    match s.op(*x).clone() {
        Op::Pad {
            x,
            at: inner,
            before: first,
            after: last,
        } if inner == *at => {
            let (at, before, after) = (*at, Dim::sum([&first, before]), Dim::sum([&last, after]));
            let pad = Op::Pad {
                x,
                at,
                before,
                after,
            };
            s.make(pad).map(Some)
        }
        _ => Ok(None),
    }
}

/// `[0, x, 0] = pad(x)`
fn join_zeros(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Concat { parts, at } = op else {
        return Ok(None);
    };
    let Some(sparse) = sparse_join(s, parts, *at) else {
        return Ok(None);
    };
    if sparse.pieces.len() == 1 {
        make(s, sparse).map(Some)
    } else {
        Ok(None)
    }
}

/// `pad(x) + pad(y) = [x, y]` where they do not overlap, `pad(x + y)` where they are in one place; zeros stay between.
fn add_padded(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Binary(Binary::Add, a, b) = *op else {
        return Ok(None);
    };
    match (sparse(s, a), sparse(s, b)) {
        (Some(a), Some(b)) => add(s, a, b),
        _ => Ok(None),
    }
}

/// `(x + pad(y)) + pad(z) = x + (pad(y) + pad(z))` where these become one value.
fn add_padded_twice(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Binary(Binary::Add, a, b) = *op else {
        return Ok(None);
    };
    for (sum, other) in [(a, b), (b, a)] {
        let Op::Binary(Binary::Add, c, d) = *s.op(sum) else {
            continue;
        };
        for (rest, term) in [(c, d), (d, c)] {
            if let (Some(term), Some(other)) = (sparse(s, term), sparse(s, other))
                && let Some(merged) = add(s, term, other)?
            {
                let sum = Op::Binary(Binary::Add, rest, merged);
                return s.make(sum).map(Some);
            }
        }
    }
    Ok(None)
}

fn sparse(s: &Simplifier<'_>, id: NodeId) -> Option<Sparse> {
    match s.op(id) {
        Op::Pad { x, at, before, .. } => {
            let end = Dim::sum([before, &s.shape(*x).0[*at]]);
            let piece = Piece {
                start: before.clone(),
                end,
                value: *x,
            };
            Some(Sparse {
                at: *at,
                total: s.shape(id).0[*at].clone(),
                pieces: vec![piece],
            })
        }
        Op::Concat { parts, at } => sparse_join(s, parts, *at),
        _ => None,
    }
}

// A join that has a part of zeros.
fn sparse_join(s: &Simplifier<'_>, parts: &[NodeId], at: usize) -> Option<Sparse> {
    let mut pieces = Vec::new();
    let mut start = Dim::constant(0);
    for part in parts {
        let end = Dim::sum([&start, &s.shape(*part).0[at]]);
        if !s.is_zero(*part) {
            pieces.push(Piece {
                start,
                end: end.clone(),
                value: *part,
            });
        }
        start = end;
    }
    (pieces.len() < parts.len()).then_some(Sparse {
        at,
        total: start,
        pieces,
    })
}

fn add(s: &mut Simplifier<'_>, a: Sparse, b: Sparse) -> Rewrite {
    if a.at != b.at || a.total != b.total {
        return Ok(None);
    }
    let mut plan: Vec<(Piece, Option<NodeId>)> =
        a.pieces.into_iter().map(|piece| (piece, None)).collect();
    for piece in b.pieces {
        // The first piece that does not end before this one: where this one goes, or what it is added to.
        let position = plan
            .iter()
            .position(|(other, _)| !at_most(&other.end, &piece.start))
            .unwrap_or(plan.len());
        match plan.get_mut(position) {
            Some((other, added))
                if added.is_none() && other.start == piece.start && other.end == piece.end =>
            {
                *added = Some(piece.value);
            }
            Some((other, _)) if !at_most(&piece.end, &other.start) => return Ok(None),
            _ => plan.insert(position, (piece, None)),
        }
    }
    let mut pieces = Vec::with_capacity(plan.len());
    for (piece, added) in plan {
        let value = match added {
            None => piece.value,
            Some(added) => s.make(Op::Binary(Binary::Add, piece.value, added))?,
        };
        pieces.push(Piece { value, ..piece });
    }
    let (at, total) = (a.at, a.total);
    make(s, Sparse { at, total, pieces }).map(Some)
}

// One piece is padded; several are joined, with zeros where there is none.
fn make(s: &mut Simplifier<'_>, sparse: Sparse) -> Built {
    let Sparse { at, total, pieces } = sparse;
    let gap = |from: &Dim, to: &Dim| to.checked_sub(from).unwrap_or_else(|| Dim::constant(0));
    if let [piece] = pieces.as_slice() {
        let (x, before, after) = (piece.value, piece.start.clone(), gap(&piece.end, &total));
        return s.make(Op::Pad {
            x,
            at,
            before,
            after,
        });
    }
    let mut parts = Vec::new();
    let mut position = Dim::constant(0);
    let zeros = |s: &mut Simplifier<'_>, like: NodeId, parts: &mut Vec<NodeId>, dim: Dim| {
        if dim.as_constant() != Some(0) {
            let Shape(mut dims) = s.shape(like).clone();
            dims[at] = dim;
            parts.push(s.new.constant(0.0, Shape(dims)));
        }
    };
    for piece in &pieces {
        zeros(s, piece.value, &mut parts, gap(&position, &piece.start));
        parts.push(piece.value);
        position = piece.end.clone();
    }
    if let Some(piece) = pieces.last() {
        zeros(s, piece.value, &mut parts, gap(&position, &total));
    }
    s.make(Op::Concat { parts, at })
}
