//! The table of models, and what each is like.

use super::models::*;
use super::subject::{Of, Subject};

/// How likely each draw of a random model is, by the parameter that holds it.
pub(crate) const DRAWS: [(&str, &str); 7] = [
    ("p_x", "dropout per step"),
    ("p_h", "dropout per sequence"),
    ("p_u", "dropped weights"),
    ("p_a", "dropped candidate"),
    ("p_z", "zoneout"),
    ("s_x", "noise"),
    ("s_u", "noise of weights"),
];

/// What a model is like beside its equations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traits {
    /// Whether it runs step by step.
    pub(crate) streams: bool,
    /// Whether what it computes of a piece is what it computes of the whole there.
    pub(crate) in_pieces: bool,
    /// Fewest steps of an example along each axis: what a softmax or a maximum runs over has one.
    pub(crate) least: [usize; 2],
}

/// The three forms of one recurrence.
pub(crate) struct Base {
    pub(crate) name: &'static str,
    pub(crate) traits: Traits,
    pub(crate) plain: fn(usize) -> Box<dyn Subject>,
    pub(crate) fixed: fn(usize) -> Box<dyn Subject>,
    pub(crate) drawn: fn(usize) -> Box<dyn Subject>,
}

macro_rules! base {
    ($plain:ident, $fixed:ident, $drawn:ident { $($size:ident: $value:expr),* }, $streams:literal, $in_pieces:literal, $least:expr) => {
        Base {
            name: stringify!($plain),
            traits: Traits { streams: $streams, in_pieces: $in_pieces, least: $least },
            plain: |_width| Box::new(Of($plain { $($size: $value(_width)),* })),
            fixed: |_width| Box::new(Of($fixed { $($size: $value(_width)),* })),
            drawn: |_width| Box::new(Of($drawn { $($size: $value(_width)),* })),
        }
    };
}

fn few(width: usize) -> usize {
    if width < 64 { 3 } else { width / 2 }
}

fn width(width: usize) -> usize {
    width
}

/// All of them.
#[rustfmt::skip]
pub(crate) const BASES: [Base; 14] = [
    base!(Dense, DenseFixed, DenseDrawn { I: few, H: width }, true, true, [0, 0]),
    base!(Diagonal, DiagonalFixed, DiagonalDrawn { I: few, H: width }, true, true, [0, 0]),
    base!(Matrix, MatrixFixed, MatrixDrawn { I: few, H: width }, true, true, [0, 0]),
    base!(LogSemiring, LogSemiringFixed, LogSemiringDrawn { I: few, H: width }, true, true, [0, 0]),
    base!(MaxPlus, MaxPlusFixed, MaxPlusDrawn { I: few, H: width }, true, true, [1, 0]),
    base!(Attention, AttentionFixed, AttentionDrawn { I: few, M: few, H: width }, false, false, [1, 0]),
    base!(Decoder, DecoderFixed, DecoderDrawn { I: few, H: width, V: width }, true, true, [0, 0]),
    base!(Series, SeriesFixed, SeriesDrawn { I: few, H: width }, true, true, [0, 0]),
    base!(Deep, DeepFixed, DeepDrawn { I: few, H: width }, true, true, [0, 0]),
    base!(Normalised, NormalisedFixed, NormalisedDrawn { I: few, H: width }, true, true, [0, 0]),
    base!(Both, BothFixed, BothDrawn { I: few, H: width }, false, false, [0, 0]),
    base!(Clocked, ClockedFixed, ClockedDrawn { I: few, H: width }, true, true, [0, 0]),
    base!(Grid, GridFixed, GridDrawn { I: few, H: width }, false, false, [0, 0]),
    base!(Scalars, ScalarsFixed, ScalarsDrawn {}, false, false, [0, 0]),
];
