//! Identities of slices and joins.
//!
//! Sizes are symbols: `s <= t` holds where `t - s` is at least zero for all sizes.
//!
//! **Invariant:** a slice only moves towards a smaller value, and a join only loses parts.

use super::{Rewrite, Rule, Simplifier};
use crate::dim::Dim;
use crate::node::NodeId;
use crate::op::Op;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "slice_whole",
        apply: slice_whole,
    },
    Rule {
        name: "slice_slice",
        apply: slice_slice,
    },
    Rule {
        name: "slice_join",
        apply: slice_join,
    },
    Rule {
        name: "slice_padded",
        apply: slice_padded,
    },
    Rule {
        name: "slice_repeated",
        apply: slice_repeated,
    },
    Rule {
        name: "join_one",
        apply: join_one,
    },
    Rule {
        name: "join_joined",
        apply: join_joined,
    },
    Rule {
        name: "join_slices",
        apply: join_slices,
    },
    Rule {
        name: "join_numbers",
        apply: join_numbers,
    },
];

/// Whether `a <= b` for all sizes.
pub(super) fn at_most(a: &Dim, b: &Dim) -> bool {
    b.checked_sub(a)
        .is_some_and(|rest| rest.is_never_negative())
}

/// `x{0..n} = x` for `n` features.
fn slice_whole(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Slice { x, at, start, len } = op else {
        return Ok(None);
    };
    let whole = start.as_constant() == Some(0) && s.shape(*x).0.get(*at) == Some(len);
    Ok(whole.then_some(*x))
}

/// `x{a..}{b..} = x{a + b..}`
fn slice_slice(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Slice { x, at, start, len } = op else {
        return Ok(None);
    };
    let Op::Slice {
        x,
        at: inner,
        start: first,
        ..
    } = s.op(*x).clone()
    else {
        return Ok(None);
    };
    let Some(start) = first.checked_add(start).filter(|_| inner == *at) else {
        return Ok(None);
    };
    let (at, len) = (*at, len.clone());
    s.make(Op::Slice { x, at, start, len }).map(Some)
}

/// `[x, y, z]{..}` is one part, a slice of one part, or the join of some.
fn slice_join(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Slice { x, at, start, len } = op else {
        return Ok(None);
    };
    let Op::Concat { parts, at: along } = s.op(*x).clone() else {
        return Ok(None);
    };
    if along != *at {
        return Ok(None);
    }
    let Some(end) = start.checked_add(len) else {
        return Ok(None);
    };
    let mut offset = Dim::constant(0);
    let mut covered: Option<Vec<NodeId>> = None;
    for part in parts {
        let size = s.shape(part).0[*at].clone();
        let after = Dim::sum([&offset, &size]);
        if at_most(&offset, start)
            && at_most(&end, &after)
            && let Some(start) = start.checked_sub(&offset)
        {
            let (x, at, len) = (part, *at, len.clone());
            return s.make(Op::Slice { x, at, start, len }).map(Some);
        }
        if offset == *start {
            covered = Some(Vec::new());
        }
        if let Some(covered) = &mut covered {
            covered.push(part);
            if after == end {
                let (parts, at) = (covered.clone(), *at);
                return s.make(Op::Concat { parts, at }).map(Some);
            }
        }
        offset = after;
    }
    Ok(None)
}

/// A slice of a padded value is a slice of the value, or zero.
fn slice_padded(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Slice { x, at, start, len } = op else {
        return Ok(None);
    };
    let Op::Pad {
        x,
        at: along,
        before,
        ..
    } = s.op(*x).clone()
    else {
        return Ok(None);
    };
    let inside = Dim::sum([&before, &s.shape(x).0[along]]);
    let Some(end) = start.checked_add(len).filter(|_| along == *at) else {
        return Ok(None);
    };
    if at_most(&end, &before) || at_most(&inside, start) {
        return s.filled(0.0, op);
    }
    match start.checked_sub(&before) {
        Some(first) if at_most(&before, start) && at_most(&end, &inside) => {
            let (at, start, len) = (*at, first, len.clone());
            s.make(Op::Slice { x, at, start, len }).map(Some)
        }
        _ => Ok(None),
    }
}

/// A slice along the axis of a repetition is a shorter repetition.
fn slice_repeated(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Slice { x, at, len, .. } = op else {
        return Ok(None);
    };
    match *s.op(*x) {
        Op::Expand { x, at: along, .. } if along == *at => {
            let (at, dim) = (*at, len.clone());
            s.make(Op::Expand { x, at, dim }).map(Some)
        }
        _ => Ok(None),
    }
}

/// `[x] = x`
fn join_one(_: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    Ok(match op {
        Op::Concat { parts, .. } if parts.len() == 1 => parts.first().copied(),
        _ => None,
    })
}

/// `[[x, y], z] = [x, y, z]`
fn join_joined(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Concat { parts, at } = op else {
        return Ok(None);
    };
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match s.op(*part) {
            Op::Concat { parts, at: inner } if inner == at => flat.extend(parts),
            _ => flat.push(*part),
        }
    }
    if flat.len() == parts.len() {
        return Ok(None);
    }
    let (parts, at) = (flat, *at);
    s.make(Op::Concat { parts, at }).map(Some)
}

/// `[x{a..b}, x{b..c}] = x{a..c}`
fn join_slices(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Concat { parts, at } = op else {
        return Ok(None);
    };
    let cut = |id: NodeId| match s.op(id) {
        Op::Slice {
            x,
            at: along,
            start,
            len,
        } if along == at => Some((*x, start.clone(), Dim::sum([start, len]))),
        _ => None,
    };
    for (position, pair) in parts.windows(2).enumerate() {
        if let (Some((x, start, middle)), Some((y, from, end))) = (cut(pair[0]), cut(pair[1]))
            && x == y
            && middle == from
            && let Some(len) = end.checked_sub(&start)
        {
            let at = *at;
            let joined = s.make(Op::Slice { x, at, start, len })?;
            return replace_pair(s, parts, position, joined, at);
        }
    }
    Ok(None)
}

/// `[c, c] = c` for neighbouring numbers.
fn join_numbers(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Concat { parts, at } = op else {
        return Ok(None);
    };
    for (position, pair) in parts.windows(2).enumerate() {
        let value = s.uniform(pair[0]);
        if let Some(value) = value.filter(|_| s.uniform(pair[1]) == value) {
            let parts_of = pair.to_vec();
            let joined = s.filled(
                value,
                &Op::Concat {
                    parts: parts_of,
                    at: *at,
                },
            )?;
            if let Some(joined) = joined {
                return replace_pair(s, parts, position, joined, *at);
            }
        }
    }
    Ok(None)
}

fn replace_pair(
    s: &mut Simplifier<'_>,
    parts: &[NodeId],
    position: usize,
    joined: NodeId,
    at: usize,
) -> Rewrite {
    let mut parts = parts.to_vec();
    parts.splice(position..position + 2, [joined]);
    s.make(Op::Concat { parts, at }).map(Some)
}
