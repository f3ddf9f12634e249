//! The smallest set of values that lies on every path between two sets of values, weighed by their elements: a cut of
//! vertices, by the greatest flow (Ford & Fulkerson 1956; Edmonds & Karp 1972).
//!
//! **Invariant:** what no limit was given is never a part of a cut.

use std::collections::VecDeque;

/// A network whose vertices let so much through.
pub(super) struct Network {
    limits: Vec<u64>,
    steps: Vec<(usize, usize)>,
}

// An arc with what it can still take; the arc back is the next, or the one before.
struct Arc {
    to: usize,
    free: u64,
}

impl Network {
    /// A network of so many vertices, none of them connected.
    pub(super) fn new(vertices: usize) -> Self {
        Self {
            limits: vec![u64::MAX; vertices],
            steps: Vec::new(),
        }
    }

    /// Says how much a vertex lets through.
    pub(super) fn limit(&mut self, vertex: usize, limit: u64) {
        self.limits[vertex] = limit;
    }

    /// Leads from one vertex to another.
    pub(super) fn connect(&mut self, from: usize, to: usize) {
        self.steps.push((from, to));
    }

    /// Which vertices lead to some of `ends`.
    pub(super) fn leads_to(&self, ends: &[usize]) -> Vec<bool> {
        let mut back = vec![Vec::new(); self.limits.len()];
        for (from, to) in &self.steps {
            back[*to].push(*from);
        }
        let mut leads = vec![false; self.limits.len()];
        let mut work = ends.to_vec();
        while let Some(vertex) = work.pop() {
            if !std::mem::replace(&mut leads[vertex], true) {
                work.extend(&back[vertex]);
            }
        }
        leads
    }

    /// The weight of the smallest cut between `starts` and `ends`, both of which may be in it; `None` if there is none of
    /// vertices with a limit.
    pub(super) fn least_cut(&self, starts: &[usize], ends: &[usize]) -> Option<u64> {
        // Vertex `v` is an arc from `2 v` to `2 v + 1`.
        let n = self.limits.len();
        let (source, sink) = (2 * n, 2 * n + 1);
        let mut arcs: Vec<Arc> = Vec::new();
        let mut out = vec![Vec::new(); 2 * n + 2];
        let mut add = |from: usize, to: usize, free: u64| {
            out[from].push(arcs.len());
            arcs.push(Arc { to, free });
            out[to].push(arcs.len());
            arcs.push(Arc { to: from, free: 0 });
        };
        for (vertex, limit) in self.limits.iter().enumerate() {
            add(2 * vertex, 2 * vertex + 1, *limit);
        }
        for (from, to) in &self.steps {
            add(2 * from + 1, 2 * to, u64::MAX);
        }
        starts
            .iter()
            .for_each(|start| add(source, 2 * start, u64::MAX));
        ends.iter().for_each(|end| add(2 * end + 1, sink, u64::MAX));

        let mut flow = 0u64;
        while let Some(path) = shortest(&arcs, &out, source, sink) {
            let least = path.iter().map(|arc| arcs[*arc].free).min()?;
            if least == u64::MAX {
                return None;
            }
            for arc in path {
                // What has no limit keeps none.
                if arcs[arc].free != u64::MAX {
                    arcs[arc].free -= least;
                }
                let back = &mut arcs[arc ^ 1].free;
                *back = back.saturating_add(least);
            }
            flow = flow.checked_add(least)?;
        }
        Some(flow)
    }
}

// The arcs of a shortest path that can take something.
fn shortest(arcs: &[Arc], out: &[Vec<usize>], source: usize, sink: usize) -> Option<Vec<usize>> {
    let mut by: Vec<Option<usize>> = vec![None; out.len()];
    let mut work = VecDeque::from([source]);
    while let Some(vertex) = work.pop_front() {
        for arc in &out[vertex] {
            let Arc { to, free } = arcs[*arc];
            if free == 0 || to == source || by[to].is_some() {
                continue;
            }
            by[to] = Some(*arc);
            work.push_back(to);
        }
    }
    let mut path = Vec::new();
    let mut vertex = sink;
    while vertex != source {
        let arc = by[vertex]?;
        path.push(arc);
        vertex = arcs[arc ^ 1].to;
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(limits: &[u64], steps: &[(usize, usize)]) -> Network {
        let mut network = Network::new(limits.len());
        for (vertex, limit) in limits.iter().enumerate() {
            network.limit(vertex, *limit);
        }
        steps
            .iter()
            .for_each(|(from, to)| network.connect(*from, *to));
        network
    }

    #[test]
    fn a_cut_takes_the_narrow_place() {
        let narrow = network(&[9, 2, 9], &[(0, 1), (1, 2)]);
        assert_eq!(narrow.least_cut(&[0], &[2]), Some(2));
    }

    #[test]
    fn a_cut_may_be_several_values() {
        // 0 -> {1, 2} -> 3, where 1 also leads around 2.
        let two = network(&[9, 3, 4, 9], &[(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]);
        assert_eq!(two.least_cut(&[0], &[3]), Some(7));
        assert_eq!(two.least_cut(&[0, 1], &[3]), Some(7));
    }

    #[test]
    fn flow_goes_back_where_that_helps() {
        // Two units fit only when the first path is led around the second.
        let steps = [
            (0, 1),
            (0, 2),
            (1, 4),
            (2, 3),
            (3, 4),
            (1, 3),
            (4, 5),
            (3, 5),
        ];
        let crossed = network(&[9, 1, 1, 1, 1, 9], &steps);
        assert_eq!(crossed.least_cut(&[0], &[5]), Some(2));
    }

    #[test]
    fn what_has_no_limit_is_not_cut() {
        let open = network(&[u64::MAX, 3, u64::MAX], &[(0, 1), (0, 2), (1, 2)]);
        assert_eq!(open.least_cut(&[0], &[2]), None);
        assert_eq!(open.leads_to(&[1]), [true, true, false]);
    }
}
