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
    let at = *at;
    // A run of neighbouring slices of one value: the value, and where the run starts and ends.
    struct Cut {
        x: NodeId,
        start: Dim,
        end: Dim,
    }
    let cut = |s: &Simplifier<'_>, id: NodeId| match s.op(id) {
        Op::Slice {
            x,
            at: along,
            start,
            len,
        } if *along == at => Some(Cut {
            x: *x,
            start: start.clone(),
            end: Dim::sum([start, len]),
        }),
        _ => None,
    };
    let mut runs: Vec<(NodeId, Option<Cut>, usize)> = Vec::new();
    for part in parts {
        let next = cut(s, *part);
        match (runs.last_mut(), &next) {
            (Some((_, Some(run), count)), Some(next))
                if run.x == next.x && run.end == next.start =>
            {
                run.end = next.end.clone();
                *count += 1;
            }
            _ => runs.push((*part, next, 1)),
        }
    }
    if runs.len() == parts.len() {
        return Ok(None);
    }
    let mut joined = Vec::with_capacity(runs.len());
    for (part, run, count) in runs {
        joined.push(match run {
            Some(Cut { x, start, end }) if count > 1 => match end.checked_sub(&start) {
                Some(len) => s.make(Op::Slice { x, at, start, len })?,
                None => return Ok(None),
            },
            _ => part,
        });
    }
    s.make(Op::Concat { parts: joined, at }).map(Some)
}

/// `[c, c] = c` for neighbouring numbers.
fn join_numbers(s: &mut Simplifier<'_>, op: &Op) -> Rewrite {
    let Op::Concat { parts, at } = op else {
        return Ok(None);
    };
    let at = *at;
    let mut runs: Vec<Vec<NodeId>> = Vec::new();
    for part in parts {
        let value = s.uniform(*part);
        match runs.last_mut() {
            Some(run) if value.is_some() && s.uniform(run[0]) == value => run.push(*part),
            _ => runs.push(vec![*part]),
        }
    }
    if runs.len() == parts.len() {
        return Ok(None);
    }
    let mut joined = Vec::with_capacity(runs.len());
    for parts in runs {
        let first = parts[0];
        let number = s.uniform(first).filter(|_| parts.len() > 1);
        let number = match number {
            Some(number) => s.filled(number, &Op::Concat { parts, at })?,
            None => None,
        };
        joined.push(number.unwrap_or(first));
    }
    s.make(Op::Concat { parts: joined, at }).map(Some)
}
