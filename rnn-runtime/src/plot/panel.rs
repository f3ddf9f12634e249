//! What a panel of curves holds.
//!
//! **Invariant:** what is added later is drawn over what was added before, save bands and what is in the background.

use super::thin::thinned;

/// Size of the numbers that have a place of their own.
const LARGEST: f64 = 1e300;

/// A curve: a value at each of some places.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is called.
    pub name: String,
    /// Places, in increasing order, and values.
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub stroke: Stroke,
    /// What is shaded around it: places, in increasing order, with the lower and the upper value.
    pub band: Vec<(f64, f64, f64)>,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stroke {
    /// A line.
    #[default]
    Solid,
    /// A fine pale line in the background of others.
    Faint,
    /// A dashed line.
    Dashed,
}

/// Curves over a count, such as training steps, with a scale of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub(super) title: String,
    pub(super) count: String,
    pub(super) logarithmic: bool,
    pub(super) curves: Vec<Curve>,
    /// Dashed lines from edge to edge.
    pub(super) levels: Vec<(String, f64)>,
}

impl Panel {
    /// No curves yet: what their values are, and what they are counted by.
    pub fn new(title: impl Into<String>, count: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            count: count.into(),
            logarithmic: false,
            curves: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// With powers of ten on the vertical axis. Values that are not positive have no place there.
    #[must_use]
    pub fn logarithmic(mut self) -> Self {
        self.logarithmic = true;
        self
    }

    /// With one more curve, whose values are counted from 1.
    #[must_use]
    pub fn curve(self, name: impl Into<String>, values: Vec<f64>) -> Self {
        let points = (1_u32..).zip(values);
        let points = points.map(|(count, value)| (f64::from(count), value));
        self.points(name, points.collect())
    }

    /// With one more curve: places in increasing order, and values.
    #[must_use]
    pub fn points(self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.with(name, points, Stroke::Solid)
    }

    /// With one more curve, in the background of those that follow.
    #[must_use]
    pub fn background(self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.with(name, points, Stroke::Faint)
    }

    /// With one more curve, dashed: places in increasing order, and values.
    #[must_use]
    pub fn dashed(self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.with(name, points, Stroke::Dashed)
    }

    /// With a dashed line from edge to edge, at the value of something that does not learn.
    #[must_use]
    pub fn baseline(mut self, name: impl Into<String>, value: f64) -> Self {
        self.levels.push((name.into(), value));
        self
    }

    /// Shades what is between two values around the curve that was added last, such as an interval or the spread of some runs: places
    /// in increasing order, with the lower and the upper value. Without a curve there is nothing to shade.
    #[must_use]
    pub fn band(mut self, between: Vec<(f64, f64, f64)>) -> Self {
        if let Some(curve) = self.curves.last_mut() {
            curve.band = between;
        }
        self
    }

    fn with(mut self, name: impl Into<String>, points: Vec<(f64, f64)>, stroke: Stroke) -> Self {
        self.curves.push(Curve {
            name: name.into(),
            points,
            stroke,
            band: Vec::new(),
        });
        self
    }

    /// What its values are.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its curves.
    pub fn all(&self) -> &[Curve] {
        &self.curves
    }

    /// The place of a value on the vertical axis; not finite where it has none.
    pub(super) fn place(&self, value: f64) -> f64 {
        match self.logarithmic {
            true if value > 0.0 => value.log10(),
            true => f64::NAN,
            // Room around the largest numbers is a number, too.
            false if value.is_finite() => value.clamp(-LARGEST, LARGEST),
            false => value,
        }
    }

    /// What is drawn of a curve: places, and values or their logarithms; what has no place there is not finite.
    pub(super) fn drawn(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let finite = points.iter().filter(|(at, _)| at.is_finite());
        let points: Vec<_> = finite.map(|(at, own)| (*at, self.place(*own))).collect();
        thinned(&points)
    }

    /// The outline of a band: along its lower values, and back along its upper ones. Where one has no place, there is no band.
    pub(super) fn outline(&self, band: &[(f64, f64, f64)]) -> Vec<(f64, f64)> {
        let edge = |of: fn(&(f64, f64, f64)) -> f64| {
            let own = |own| (self.place(of(own)), own);
            let edge: Vec<_> = (band.iter().map(own))
                .filter(|(_, (at, low, high))| {
                    at.is_finite() && self.place(*low).is_finite() && self.place(*high).is_finite()
                })
                .map(|(value, (at, ..))| (*at, value))
                .collect();
            thinned(&edge)
        };
        let (lower, mut upper) = (edge(|own| own.1), edge(|own| own.2));
        upper.reverse();
        [lower, upper].concat()
    }

    /// The names of the curves, then those of the dashed lines.
    pub(super) fn names(&self) -> Vec<&str> {
        let curves = self.curves.iter().map(|curve| curve.name.as_str());
        let levels = self.levels.iter().map(|(name, _)| name.as_str());
        let all: Vec<&str> = curves.chain(levels).collect();
        // One curve that is called as its panel needs no name.
        match all.as_slice() {
            [name] if *name == self.title => Vec::new(),
            _ => all,
        }
    }
}
