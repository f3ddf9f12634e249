//! Places of figures (Sugiyama, Tagawa & Toda 1981): layers by longest paths, an order within each by the mean place of neighbours,
//! and coordinates by least squares.
//!
//! **Invariant:** an arrow goes from a layer to a later one, through one place in each layer between.

/// Room between figures of a layer.
const GAP: f64 = 22.0;
/// Room between layers.
const BETWEEN: f64 = 54.0;
/// Times that orders and coordinates are made better.
const ROUNDS: usize = 12;

/// Where everything is.
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Middles of figures, and their sizes.
    pub(super) boxes: Vec<(f64, f64, f64, f64)>,
    /// Points of arrows: from the lower edge of a figure to the upper edge of another.
    pub(super) arrows: Vec<Vec<(f64, f64)>>,
}

/// A figure, or a place that an arrow passes.
struct Place {
    layer: usize,
    width: f64,
    above: Vec<usize>,
    below: Vec<usize>,
    x: f64,
}

/// Arranges figures of some sizes; `None` when arrows pass more than `most` places, or form a cycle.
pub(super) fn arrange(
    sizes: &[(f64, f64)],
    arrows: &[(usize, usize)],
    most: usize,
) -> Option<Layout> {
    let ranks = ranks(sizes.len(), arrows)?;
    let mut places: Vec<Place> = (sizes.iter().zip(&ranks))
        .map(|((width, _), layer)| Place {
            layer: *layer,
            width: *width,
            above: Vec::new(),
            below: Vec::new(),
            x: 0.0,
        })
        .collect();
    let mut paths = Vec::new();
    for (from, to) in arrows {
        let mut path = vec![*from];
        for layer in ranks[*from] + 1..ranks[*to] {
            path.push(places.len());
            places.push(Place {
                layer,
                width: 6.0,
                above: Vec::new(),
                below: Vec::new(),
                x: 0.0,
            });
            if places.len() > most {
                return None;
            }
        }
        path.push(*to);
        for pair in path.windows(2) {
            places[pair[0]].below.push(pair[1]);
            places[pair[1]].above.push(pair[0]);
        }
        paths.push(path);
    }
    let depth = ranks.iter().max().map_or(0, |deepest| deepest + 1);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); depth];
    for (at, place) in places.iter().enumerate() {
        layers[place.layer].push(at);
    }
    order(&mut layers, &mut places);
    spread(&layers, &mut places);
    Some(finish(sizes, &layers, &places, &paths))
}

// The layer of each figure: one below the lowest that it reads. What only feeds others is right above them.
fn ranks(count: usize, arrows: &[(usize, usize)]) -> Option<Vec<usize>> {
    let mut open = vec![0usize; count];
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, to) in arrows {
        open[*to] += 1;
        below[*from].push(*to);
    }
    let sources: Vec<bool> = open.iter().map(|open| *open == 0).collect();
    let mut ranks = vec![0_usize; count];
    let mut ready: Vec<usize> = (0..count).filter(|at| open[*at] == 0).collect();
    let mut done = 0;
    while let Some(at) = ready.pop() {
        done += 1;
        for to in &below[at] {
            ranks[*to] = ranks[*to].max(ranks[at] + 1);
            open[*to] -= 1;
            if open[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    for at in (0..count).filter(|at| sources[*at]) {
        let nearest = below[at].iter().map(|to| ranks[*to]).min();
        ranks[at] = nearest.map_or(0, |nearest| nearest.saturating_sub(1));
    }
    (done == count).then_some(ranks)
}

// Orders each layer by the mean position of neighbours in the layer before, downwards and upwards.
fn order(layers: &mut [Vec<usize>], places: &mut [Place]) {
    let number = |layers: &[Vec<usize>], places: &mut [Place]| {
        for layer in layers {
            for (position, at) in layer.iter().enumerate() {
                places[*at].x = position as f64 / layer.len() as f64;
            }
        }
    };
    number(layers, places);
    for round in 0..ROUNDS {
        let down = round % 2 == 0;
        let count = layers.len();
        for step in 0..count {
            let layer = if down { step } else { count - 1 - step };
            let middle = |at: usize| {
                let place = &places[at];
                let near = if down { &place.above } else { &place.below };
                match near.len() {
                    0 => place.x,
                    found => near.iter().map(|near| places[*near].x).sum::<f64>() / found as f64,
                }
            };
            let mut keyed: Vec<(f64, usize)> =
                layers[layer].iter().map(|at| (middle(*at), *at)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            let size = keyed.len() as f64;
            for (position, (_, at)) in keyed.iter().enumerate() {
                places[*at].x = (position as f64 + 0.5) / size;
                layers[layer][position] = *at;
            }
        }
    }
}

// Coordinates: each as near to the mean of its neighbours as those beside it leave room.
fn spread(layers: &[Vec<usize>], places: &mut [Place]) {
    for layer in layers {
        let mut x = 0.0;
        for at in layer {
            places[*at].x = x + places[*at].width / 2.0;
            x += places[*at].width + GAP;
        }
        for at in layer {
            places[*at].x -= x / 2.0;
        }
    }
    for round in 0..ROUNDS {
        let down = round % 2 == 0;
        for step in 0..layers.len() {
            let layer = &layers[if down { step } else { layers.len() - 1 - step }];
            let mut offset = 0.0;
            let mut wanted = Vec::with_capacity(layer.len());
            let mut offsets = Vec::with_capacity(layer.len());
            for (position, at) in layer.iter().enumerate() {
                if position > 0 {
                    let before = &places[layer[position - 1]];
                    offset += (before.width + places[*at].width) / 2.0 + GAP;
                }
                let place = &places[*at];
                let near = || place.above.iter().chain(&place.below);
                let target = match near().count() {
                    0 => place.x,
                    found => near().map(|near| places[*near].x).sum::<f64>() / found as f64,
                };
                offsets.push(offset);
                wanted.push(target - offset);
            }
            for ((at, x), offset) in layer.iter().zip(increasing(&wanted)).zip(offsets) {
                places[*at].x = x + offset;
            }
        }
    }
}

// The numbers that do not fall, nearest to some numbers by least squares: neighbours that fall become their mean.
fn increasing(wanted: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for value in wanted {
        pools.push((*value, 1));
        while let [.., before, last] = pools.as_slice()
            && before.0 > last.0
        {
            let count = before.1 + last.1;
            let mean = (before.0 * before.1 as f64 + last.0 * last.1 as f64) / count as f64;
            pools.truncate(pools.len() - 2);
            pools.push((mean, count));
        }
    }
    let values = pools.into_iter();
    values
        .flat_map(|(mean, count)| std::iter::repeat_n(mean, count))
        .collect()
}

fn finish(
    sizes: &[(f64, f64)],
    layers: &[Vec<usize>],
    places: &[Place],
    paths: &[Vec<usize>],
) -> Layout {
    let height = |at: usize| sizes.get(at).map_or(0.0, |(_, height)| *height);
    let left = places
        .iter()
        .map(|place| place.x - place.width / 2.0)
        .fold(f64::INFINITY, f64::min);
    let right = places
        .iter()
        .map(|place| place.x + place.width / 2.0)
        .fold(f64::NEG_INFINITY, f64::max);
    let (left, right) = if places.is_empty() {
        (0.0, 0.0)
    } else {
        (left, right)
    };
    let mut middles = Vec::with_capacity(layers.len());
    let mut y = GAP;
    for layer in layers {
        let tallest = layer.iter().map(|at| height(*at)).fold(0.0, f64::max);
        middles.push(y + tallest / 2.0);
        y += tallest + BETWEEN;
    }
    let x_of = |at: usize| places[at].x - left + GAP;
    let y_of = |at: usize| middles[places[at].layer];
    let boxes = sizes
        .iter()
        .enumerate()
        .map(|(at, (width, height))| (x_of(at), y_of(at), *width, *height));
    let arrows = paths.iter().map(|path| {
        let last = path.len() - 1;
        let points = path.iter().enumerate().map(|(position, at)| {
            let half = height(*at) / 2.0;
            let y = match position {
                0 => y_of(*at) + half,
                position if position == last => y_of(*at) - half,
                _ => y_of(*at),
            };
            (x_of(*at), y)
        });
        points.collect()
    });
    Layout {
        width: right - left + 2.0 * GAP,
        height: (y - BETWEEN).max(0.0) + GAP,
        boxes: boxes.collect(),
        arrows: arrows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_layer_do_not_overlap_and_arrows_go_down() {
        let sizes: Vec<(f64, f64)> = (0..40)
            .map(|at| (30.0 + 7.0 * f64::from(at % 5), 20.0 + f64::from(at % 3)))
            .collect();
        let arrows: Vec<(usize, usize)> = (0..40)
            .flat_map(|from| [(from, from + 1 + from % 4), (from, from + 7)])
            .filter(|(_, to)| *to < 40)
            .collect();
        let layout = arrange(&sizes, &arrows, 10_000).unwrap();
        for (at, a) in layout.boxes.iter().enumerate() {
            assert!(
                a.0 - a.2 / 2.0 >= 0.0
                    && a.0 + a.2 / 2.0 <= layout.width
                    && a.1 + a.3 / 2.0 <= layout.height
            );
            for b in &layout.boxes[..at] {
                let apart = (a.0 - b.0).abs() >= (a.2 + b.2) / 2.0
                    || (a.1 - b.1).abs() >= (a.3 + b.3) / 2.0;
                assert!(apart, "{a:?} {b:?}");
            }
        }
        for path in &layout.arrows {
            assert!(path.is_sorted_by(|a, b| a.1 < b.1), "{path:?}");
        }
    }

    #[test]
    fn a_cycle_and_too_many_places_are_refused() {
        let sizes = [(10.0, 10.0); 3];
        assert!(arrange(&sizes, &[(0, 1), (1, 0)], 100).is_none());
        assert!(arrange(&sizes, &[(0, 1), (1, 2), (0, 2)], 3).is_none());
        assert!(arrange(&sizes, &[(0, 1), (1, 2), (0, 2)], 4).is_some());
        assert!(arrange(&[], &[], 4).is_some());
    }

    #[test]
    fn what_falls_becomes_its_mean() {
        assert_eq!(increasing(&[1.0, 3.0, 2.0, 4.0]), [1.0, 2.5, 2.5, 4.0]);
        assert_eq!(increasing(&[3.0, 2.0, 1.0]), [2.0; 3]);
    }
}
