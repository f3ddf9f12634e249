//! Fewer points than there are, of the same outline.
//!
//! **Invariant:** the first, the last, the smallest and the largest point stay, and so does that there was one without a place.

/// Points that a curve keeps at most, about: more than the picture is wide.
pub(super) const MOST: usize = 1600;

/// A point, whose value may not be finite.
type Point = (f64, f64);

/// The smallest and the largest of each of some hundred pieces, in order; all where there are few.
pub(super) fn thinned(points: &[Point]) -> Vec<Point> {
    if points.len() <= MOST {
        return points.to_vec();
    }
    let piece = points.len().div_ceil(MOST / 2);
    let mut kept = Vec::with_capacity(MOST + 3);
    for piece in points.chunks(piece) {
        let finite = || piece.iter().enumerate().filter(|(_, (_, y))| y.is_finite());
        let by_value = |a: &(usize, &Point), b: &(usize, &Point)| a.1.1.total_cmp(&b.1.1);
        let mut wanted: Vec<usize> = [finite().min_by(by_value), finite().max_by(by_value)]
            .into_iter()
            .flatten()
            .map(|(at, _)| at)
            .collect();
        wanted.extend(piece.iter().position(|(_, y)| !y.is_finite()));
        wanted.sort_unstable();
        wanted.dedup();
        kept.extend(wanted.into_iter().map(|at| piece[at]));
    }
    for end in [points.first(), points.last()].into_iter().flatten() {
        let known = |kept: &Point| kept.0 == end.0;
        if !kept.iter().any(known) {
            kept.push(*end);
        }
    }
    kept.sort_by(|a, b| a.0.total_cmp(&b.0));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_stays() {
        let mut points: Vec<Point> = (0..100_000)
            .map(|at| (f64::from(at), f64::from(at % 100)))
            .collect();
        points[1234].1 = -7.0;
        points[50_000].1 = 1e3;
        points[60_000].1 = f64::NAN;
        let kept = thinned(&points);
        assert!(kept.len() <= MOST + 3, "{}", kept.len());
        for at in [0, 1234, 50_000, 99_999] {
            assert!(kept.contains(&points[at]), "{at}");
        }
        assert!(kept.iter().any(|(x, y)| *x == 60_000.0 && y.is_nan()));
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(thinned(&points[..9]), points[..9]);
    }
}
