//! The flat system of equations a model or cell stands for: layers inlined, families written out.
//!
//! [`super::declare`] and [`super::layers`] fill it, [`super::resolve`] turns right sides into terms, and the stages
//! behind read it.
//!
//! **Invariant:** a [`Def`] has one value per step of its axes: indices over static families are gone.

use std::collections::BTreeMap;

use rnn_ir::axis::{AxisId, Extent as Length};
use rnn_ir::define_id;
use rnn_ir::dim::Dim;
use rnn_ir::id::Arena;
use rnn_ir::node::Shape;
use rnn_ir::op::{Init, ParamKind, Role};

use super::scope::{Along, Layer, LayerId, Scope, ScopeId, Value, ValueId};
use super::term::Term;
use crate::ast::Expr;
use crate::diagnostics::Extent;

define_id!(
    /// Names a [`Def`].
    DefId,
    "def"
);

/// Most definitions a model may stand for; families and cells inside cells multiply them.
pub(super) const MAX_DEFS: usize = 5_000;

/// One definition: an input, a parameter, an equation or a boundary.
#[derive(Debug)]
pub(super) struct Def<'a> {
    /// Its name in the graph: `lstm.c`.
    pub(super) name: String,
    /// As the user writes it: `lstm.c[t]`.
    pub(super) text: String,
    /// The time axes it varies over, in the order of its indices.
    pub(super) axes: Vec<AxisId>,
    pub(super) kind: DefKind<'a>,
    /// Where its name was written.
    pub(super) extent: Extent,
    /// The shape it was declared with, and where.
    pub(super) declared: Option<(Shape, Extent)>,
    /// Below what number its tokens are, if it holds tokens.
    pub(super) vocabulary: Option<Dim>,
    /// Its values outside its axes.
    pub(super) boundaries: Vec<Boundary>,
    /// What it is the value outside an axis of.
    pub(super) of: Option<DefId>,
}

/// What a definition is.
#[derive(Debug)]
pub(super) enum DefKind<'a> {
    /// Given by the caller.
    Input { role: Role, is_token: bool },
    /// Owned by the caller.
    Param { init: Init, changed: ParamKind },
    /// Computed; the term is there once the right side is resolved.
    Equation {
        right: Right<'a>,
        term: Option<Term<'a>>,
    },
}

/// The right side of an equation before its names are looked up.
#[derive(Clone, Debug)]
pub(super) enum Right<'a> {
    /// An expression and where its names are looked up.
    Written { expr: &'a Expr, context: Context },
    /// The value of a layer, fed to another one.
    Passed(Output),
    /// Zero, since no equation gives it.
    Zero,
}

/// Where names in an expression are looked up.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) scope: ScopeId,
    /// Values of the static indices of the equation.
    pub(super) statics: Vec<(String, i64)>,
    /// Time axes of the left side.
    pub(super) axes: Vec<Along>,
}

/// What applying a layer gives, over the axes of the calling equation.
#[derive(Clone, Debug)]
pub(super) enum Output {
    /// The output of a cell.
    Of(DefId),
    /// `[forward, backward]` of `bi`.
    Joined(Box<Output>, Box<Output>),
    /// Output and input of `residual`, and where it is written.
    Added(Box<Output>, Box<Output>, Extent),
}

/// A value given outside an axis: `h[0] = ..`, `b[T+1] = ..`.
#[derive(Clone, Debug)]
pub(super) struct Boundary {
    pub(super) axis: AxisId,
    pub(super) place: Outside,
    pub(super) def: DefId,
}

/// What no equation gives, between two boundaries that equations give.
#[derive(Clone, Debug)]
pub(super) struct OpenCorner {
    /// `g[0, 0]`
    pub(super) text: String,
    /// `g[0, c]` and `g[r, 0]`
    pub(super) beside: [DefId; 2],
}

/// A step that is no step of the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outside {
    /// `0` is `Before(0)`, `-1` is `Before(1)`.
    Before(u32),
    /// `T+1` is `After(0)`.
    After(u32),
}

/// A declared time axis.
#[derive(Clone, Debug)]
pub(super) struct TimeAxis {
    pub(super) id: AxisId,
    pub(super) name: String,
    pub(super) length: Length,
}

/// A model or cell as a flat system.
#[derive(Debug, Default)]
pub(super) struct System<'a> {
    pub(super) axes: Vec<TimeAxis>,
    pub(super) sizes: Vec<String>,
    pub(super) defs: Arena<DefId, Def<'a>>,
    pub(super) scopes: Arena<ScopeId, Scope<'a>>,
    pub(super) values: Arena<ValueId, Value>,
    pub(super) layers: Arena<LayerId, Layer<'a>>,
    /// Definitions by name, to find two of one name.
    pub(super) names: BTreeMap<String, DefId>,
}

impl System<'_> {
    /// Whether the right side of an equation is not known for an error in it, or in a cell that it applies.
    pub(super) fn has_gaps(&self) -> bool {
        self.defs.iter().any(|(_, def)| match &def.kind {
            DefKind::Equation { term, .. } => term.as_ref().is_none_or(Term::has_error),
            DefKind::Input { .. } | DefKind::Param { .. } => false,
        })
    }

    /// The declared axis.
    pub(super) fn axis(&self, id: AxisId) -> &TimeAxis {
        self.axes
            .iter()
            .find(|axis| axis.id == id)
            .unwrap_or_else(|| unreachable!("every axis id comes from a declaration"))
    }

    /// What lies outside some axes of a definition, if the model gives it; without any axes, the definition.
    pub(super) fn at_corner(&self, of: DefId, outside: &[(AxisId, Outside)]) -> Option<DefId> {
        let mut outside = outside.iter();
        outside.try_fold(of, |def, (axis, place)| self.boundary(def, *axis, *place))
    }

    /// Whether a boundary is there for the sake of its corner alone.
    pub(super) fn is_implied(&self, def: DefId) -> bool {
        let kind = &self.defs[def].kind;
        matches!(
            kind,
            DefKind::Equation {
                right: Right::Zero,
                ..
            }
        )
    }

    /// The corner of two boundaries that are given, where none is.
    pub(super) fn open_corner(
        &self,
        of: DefId,
        outside: [(AxisId, Outside); 2],
    ) -> Option<OpenCorner> {
        let [one, other] = outside;
        let beside = [
            self.boundary(of, one.0, one.1)?,
            self.boundary(of, other.0, other.1)?,
        ];
        let given = self.at_corner(of, &outside).is_some();
        if given || beside.iter().any(|def| self.is_implied(*def)) {
            return None;
        }
        let text = self.corner_text(&self.defs[of].text, of, &outside);
        Some(OpenCorner { text, beside })
    }

    /// `g[0, c]`, of the name or text of a definition.
    pub(super) fn corner_text(
        &self,
        text: &str,
        of: DefId,
        outside: &[(AxisId, Outside)],
    ) -> String {
        let index = |axis: &AxisId| {
            let place = outside.iter().find(|(left, _)| left == axis);
            let TimeAxis { name, length, .. } = self.axis(*axis);
            match (place.map(|(_, place)| *place), length) {
                (None, _) => name.clone(),
                (Some(Outside::Before(by)), _) => (-i64::from(by)).to_string(),
                (Some(Outside::After(by)), Length::Length(end)) => {
                    format!("{end}+{}", i64::from(by) + 1)
                }
                (Some(Outside::After(by)), Length::Fixed(end)) => {
                    (i64::from(*end) + i64::from(by) + 1).to_string()
                }
            }
        };
        let name = text.split('[').next().unwrap_or(text);
        let indices: Vec<String> = self.defs[of].axes.iter().map(index).collect();
        format!("{name}[{}]", indices.join(", "))
    }

    /// The definition of a boundary, if the model gives one.
    pub(super) fn boundary(&self, def: DefId, axis: AxisId, place: Outside) -> Option<DefId> {
        let found = |boundary: &&Boundary| boundary.axis == axis && boundary.place == place;
        self.defs[def]
            .boundaries
            .iter()
            .find(found)
            .map(|boundary| boundary.def)
    }
}
