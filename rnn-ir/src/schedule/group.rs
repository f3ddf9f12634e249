//! Groups the nodes of each region into kernels.
//!
//! Pointwise nodes of one shape and domain form a cluster when no path between two of them leaves it. Nodes get a level:
//! one more than an operand's across every edge that needs the operand in memory (either end is no pointwise node, the
//! shapes or domains differ, or it is read at another step), the same along other edges. One level, shape and domain is
//! one cluster.
//!
//! A level counts from what a node reads, so what adds a bias to a product from before the loop would be a cluster of its own, before the
//! product of the step, and leave its sum in memory for the cluster after it. Such nodes come down to the level of their reader.
//!
//! **Invariant:** kernels are sorted by level, so each comes after those it reads.

use super::decompose::Tree;
use super::forms::{Form, Forms, viewed};
use super::{Item, Kernel};
use crate::axis::Domain;
use crate::graph::Verified;
use crate::id::SideTable;
use crate::node::NodeId;

struct Member {
    level: usize,
    order: usize,
    item: Item,
}

/// Groups a region inside loops over the axes of `bound`, and the bodies of its loops.
pub(super) fn group(
    graph: &Verified,
    forms: &Forms,
    bound: Domain,
    region: Vec<Tree>,
) -> Vec<Item> {
    let mut place: SideTable<NodeId, Option<usize>> = SideTable::filled(None, graph.nodes.len());
    for (at, tree) in region.iter().enumerate() {
        each_node(tree, &mut |id| place[id] = Some(at));
    }
    let mut levels: Vec<usize> = vec![0; region.len()];
    // By reader: what it reads, and whether both may be in one cluster.
    let mut edges: Vec<Vec<(usize, bool)>> = vec![Vec::new(); region.len()];
    for (at, tree) in region.iter().enumerate() {
        let mut level = 0;
        each_node(tree, &mut |id| {
            for read in forms.operands(graph, id) {
                let Some(from) = place[read.node].filter(|from| *from != at) else {
                    continue;
                };
                if !read.back.union(read.ahead).intersect(bound).is_empty() {
                    continue; // of an earlier turn of a loop around this region
                }
                let (reader, operand) = (&graph.nodes[id].ty, &graph.nodes[read.node].ty);
                let together = matches!((&region[from], tree), (Tree::Node(_), Tree::Node(_)))
                    && forms[id] == Form::Pointwise
                    && forms[read.node] == Form::Pointwise
                    && reader.shape == operand.shape
                    && reader.domain == operand.domain
                    && read.elsewhere().is_empty()
                    && direct(graph, forms, id, read.node);
                level = level.max(levels[from] + usize::from(!together));
                edges[at].push((from, together));
            }
        });
        levels[at] = level;
    }
    join_readers(&edges, &mut levels);
    let mut members: Vec<Member> = Vec::new();
    for (order, (tree, level)) in region.into_iter().zip(levels).enumerate() {
        match tree {
            Tree::Loop {
                axis,
                direction,
                body,
            } => {
                let body = group(graph, forms, bound.with(axis), body);
                members.push(Member {
                    level,
                    order,
                    item: Item::Loop {
                        axis,
                        direction,
                        body,
                    },
                });
            }
            Tree::Node(id) => {
                let pointwise = forms[id] == Form::Pointwise;
                let domain = graph.nodes[id].ty.domain;
                let home = members
                    .iter_mut()
                    .find_map(|member| match &mut member.item {
                        Item::Kernel(kernel)
                            if pointwise
                                && kernel.pointwise
                                && member.level == level
                                && kernel.domain == domain
                                && graph.nodes[kernel.nodes[0]].ty.shape
                                    == graph.nodes[id].ty.shape =>
                        {
                            Some(kernel)
                        }
                        _ => None,
                    });
                match home {
                    Some(kernel) => kernel.nodes.push(id),
                    None => {
                        let item = Item::Kernel(Kernel {
                            nodes: vec![id],
                            domain,
                            pointwise,
                        });
                        members.push(Member { level, order, item });
                    }
                }
            }
        }
    }
    members.sort_by_key(|member| (member.level, member.order));
    members.into_iter().map(|member| member.item).collect()
}

// Brings what is read by a cluster of a later level, and by nobody before, to that level, where it leaves no more values behind than
// the one that it saves. Readers come after what they read, so their levels are final.
fn join_readers(edges: &[Vec<(usize, bool)>], levels: &mut [usize]) {
    // By operand: the last level that its readers leave it, and whether one there may be in its cluster.
    let mut limits: Vec<Option<(usize, bool)>> = vec![None; levels.len()];
    for (at, reads) in edges.iter().enumerate().rev() {
        // Values that the cluster hands on in registers, and would have to store.
        let beside = reads.iter().filter(|(_, together)| *together).count();
        if let Some((limit, true)) = limits[at].filter(|_| beside <= 1) {
            levels[at] = levels[at].max(limit);
        }
        for (from, together) in reads {
            // What is read elsewhere is of a lower level.
            let own = (levels[at] - usize::from(!together), *together);
            limits[*from] = Some(match limits[*from] {
                Some(known) if known.0 < own.0 => known,
                Some(known) if known.0 == own.0 => (known.0, known.1 || own.1),
                _ => own,
            });
        }
    }
}

fn each_node(tree: &Tree, f: &mut impl FnMut(NodeId)) {
    match tree {
        Tree::Node(id) => f(*id),
        Tree::Loop { body, .. } => body.iter().for_each(|tree| each_node(tree, f)),
    }
}

// Whether a pointwise node uses another's value as it is, so that it can stay in a register.
fn direct(graph: &Verified, forms: &Forms, id: NodeId, read: NodeId) -> bool {
    if viewed(&graph.nodes[id].op).is_some() && !passes_through(graph, id) {
        return false;
    }
    let mut work = graph.nodes[id].op.operands();
    while let Some(operand) = work.pop() {
        if operand == read || forms[operand] != Form::View {
            continue;
        }
        if !passes_through(graph, operand) && forms.root(graph, operand) == read {
            return false;
        }
        work.extend(graph.nodes[operand].op.earlier_operands());
    }
    true
}

/// Whether a view shows exactly its operand: same elements, same places.
fn passes_through(graph: &Verified, id: NodeId) -> bool {
    matches!(graph.nodes[id].op, crate::op::Op::StopGradient(_))
}

#[cfg(test)]
mod tests {
    use super::join_readers;

    const TOGETHER: bool = true;
    const APART: bool = false;

    // Levels after those counted from what each node reads.
    fn joined(edges: &[Vec<(usize, bool)>], mut levels: Vec<usize>) -> Vec<usize> {
        join_readers(edges, &mut levels);
        for (at, reads) in edges.iter().enumerate() {
            for (from, together) in reads {
                assert!(
                    levels[at] >= levels[*from] + usize::from(!together),
                    "{at} comes before {from}"
                );
            }
        }
        levels
    }

    #[test]
    fn a_sum_from_before_the_loop_joins_the_cluster_behind_the_product() {
        // 0: what adds a bias; 1: the product of the step; 2: their sum.
        let edges = [vec![], vec![], vec![(0, TOGETHER), (1, APART)]];
        assert_eq!(joined(&edges, vec![0, 0, 1]), [1, 0, 1]);
        // A chain comes as a whole.
        let edges = [
            vec![],
            vec![(0, TOGETHER)],
            vec![],
            vec![(1, TOGETHER), (2, APART)],
        ];
        assert_eq!(joined(&edges, vec![0, 0, 0, 1]), [1, 1, 0, 1]);
    }

    #[test]
    fn what_a_kernel_reads_stays_before_it() {
        // 2: a product of 0; 3: the sum of 0 and 1.
        let edges = [
            vec![],
            vec![],
            vec![(0, APART)],
            vec![(0, TOGETHER), (1, APART), (2, APART)],
        ];
        assert_eq!(joined(&edges, vec![0, 0, 1, 2]), [0, 0, 1, 2]);
    }

    #[test]
    fn a_node_stays_that_would_leave_more_values_behind_than_it_saves() {
        // 2: of 0 and 1, which a product reads too; 4: the sum of 2 and the product.
        let edges = [
            vec![],
            vec![],
            vec![(0, TOGETHER), (1, TOGETHER)],
            vec![(0, APART), (1, APART)],
            vec![(2, TOGETHER), (3, APART)],
        ];
        assert_eq!(joined(&edges, vec![0, 0, 0, 1, 2]), [0, 0, 0, 1, 2]);
    }
}
