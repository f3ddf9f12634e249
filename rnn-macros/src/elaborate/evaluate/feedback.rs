//! `feedback(tgt[t-1], own[t-1])`: a shift of what is fed back, which is made when all values are there.
//!
//! What is shifted is one value, `where(teacher[t], tgt[t], own[t])`, so the first step reads the boundary of the target
//! whichever is fed back, and what is carried from step to step is what is fed back.
//!
//! **Invariant:** the type of the shift is that of the target.

use super::{Evaluated, Evaluator, Item};
use crate::diagnostics::Diagnostic;
use crate::elaborate::resolve::delay;
use crate::elaborate::system::{DefId, Outside};
use crate::elaborate::term::{Term, TermKind};
use rnn_ir::axis::Domain;
use rnn_ir::feedback::{FEEDBACK, TEACHER};
use rnn_ir::id::Id;
use rnn_ir::node::{DType, NodeId, Shape, Type};
use rnn_ir::op::Role;

/// A feedback whose value is still to be made.
#[derive(Debug)]
pub(super) struct FedBack<'a> {
    /// The target.
    of: DefId,
    /// What reads the step before.
    shift: NodeId,
    /// Both of the step itself.
    target: Term<'a>,
    own: Term<'a>,
    /// The name of the target; with a number, if it was fed back before.
    name: String,
}

impl<'s, 'a> Evaluator<'s, 'a> {
    pub(super) fn feedback(&mut self, target: &Term<'a>, own: &Term<'a>) -> Evaluated {
        let TermKind::Read(read) = &target.kind else {
            return None;
        };
        let (axis, by) = delay(read)?;
        let known = self.known[read.def.index()].clone()?;
        let name = &self.system.defs[read.def].name;
        let mut boundaries = Vec::new();
        let sign = by.signum();
        for away in 0..by.unsigned_abs() {
            let place = match sign < 0 {
                true => Outside::Before(away),
                false => Outside::After(away),
            };
            let given = self.system.boundary(read.def, axis, place);
            let node = given.and_then(|given| Some(self.values[given.index()].as_ref()?.node));
            boundaries.push(node);
        }
        // The nearest step is the innermost shift; a boundary does not vary over the axis, and is the same for all.
        let mut shift: Option<NodeId> = None;
        let mut first = None;
        for boundary in boundaries {
            let node = match shift {
                None => {
                    let built = self.builder.open_shift(&known.ty, axis, sign, boundary);
                    let node = self.built(target, &[], built)?;
                    first = Some(node);
                    node
                }
                Some(inner) => {
                    let built = self.builder.shift(inner, axis, sign, boundary);
                    self.built(target, &[], built)?
                }
            };
            shift = Some(node);
        }
        let (shift, first) = (shift?, first?);
        let before = self.fed_back.iter().filter(|fed| fed.of == read.def);
        let name = match before.count() {
            0 => name.clone(),
            count => format!("{name}_{}", count + 1),
        };
        self.fed_back.push(FedBack {
            of: read.def,
            shift: first,
            target: target.moved(axis, -by),
            own: own.moved(axis, -by),
            name,
        });
        Some(Item {
            node: shift,
            vocabulary: known.vocabulary,
        })
    }

    /// Makes what is fed back, now that everything it can read is defined.
    pub(super) fn feed_back(&mut self) {
        for fed in std::mem::take(&mut self.fed_back) {
            self.make(&fed);
        }
    }

    fn make(&mut self, fed: &FedBack<'a>) -> Option<()> {
        let FedBack {
            shift,
            target,
            own,
            name,
            ..
        } = fed;
        let place = self.place(target.extent.start);
        self.builder.set_loc(place);
        let ([given, made], _) = self.alike([target, own])?;
        let (given_type, made_type) = (
            self.builder.ty(given).clone(),
            self.builder.ty(made).clone(),
        );
        let describe = |dtype: DType, shape: &Shape| match dtype {
            DType::Index => "a token".to_owned(),
            DType::Real | DType::Bool => shape.to_string(),
        };
        let axes = made_type.domain.minus(given_type.domain);
        let alike = (given_type.dtype, &given_type.shape) == (made_type.dtype, &made_type.shape)
            || (made_type.dtype == DType::Real && made_type.shape.is_scalar());
        if !alike || !axes.is_empty() {
            let own_text = own.text();
            let varies = axes
                .axes()
                .map(|axis| self.builder.graph().axes[axis].name.clone());
            let found = match alike {
                false => describe(made_type.dtype, &made_type.shape),
                true => format!("a value over {}", varies.collect::<Vec<_>>().join(", ")),
            };
            let error = Diagnostic::new(
                own.extent,
                format!(
                    "what is fed back is {} as the target is, found {found}",
                    describe(given_type.dtype, &given_type.shape)
                ),
            );
            let help = match given_type.dtype {
                DType::Index => format!(
                    "a token of the model's own is `argmax({})`",
                    own_text.trim_matches('`')
                ),
                DType::Real | DType::Bool => {
                    format!("{own_text} takes the place of {}", target.text())
                }
            };
            self.diagnostics
                .report(error.label(target.extent, "the target").help(help));
            return None;
        }
        let ty = Type {
            domain: given_type.domain.union(Domain::BATCH),
            shape: Shape::scalar(),
            dtype: DType::Bool,
        };
        let teacher = (self.builder).input(format!("{TEACHER}{name}"), Role::Teacher, ty);
        let teacher = self.built(target, &[], teacher)?;
        let value = self.builder.select(teacher, given, made);
        let value = self.built(own, &[(target, given), (own, made)], value)?;
        self.builder.name(value, format!("{FEEDBACK}{name}"));
        let closed = self.builder.close(*shift, value).map(|()| value);
        self.built(own, &[(target, given), (own, made)], closed)?;
        Some(())
    }
}
