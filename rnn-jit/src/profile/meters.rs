//! The meters of a program.
//!
//! **Invariant:** a kernel has a meter in each function that computes some of it, and nowhere else.

use super::{Kind, Stage};
use crate::kernels::lap::{HEAD, METER};
use crate::lower::Part;
use crate::storage::Storage;
use rnn_ir::node::NodeId;
use rnn_ir::op::Op;
use rnn_ir::schedule::{Kernel, Schedule};
use std::collections::BTreeSet;

/// What a meter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// What the caller's code does.
    Stage(Stage),
    /// A kernel, by its position among all; the members that a part computes.
    Kernel(usize, Part),
    /// Packing of the weights of a product.
    Pack(NodeId),
}

/// A meter before anything is measured.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pub(crate) task: Task,
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// The meters of a program, in the order of their counters.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    pub(crate) all: Vec<Meter>,
}

impl Meters {
    pub(crate) fn new(schedule: &Schedule, storage: &Storage) -> Self {
        let stages = [
            (Stage::CopyIn, Kind::CopyIn, "inputs"),
            (Stage::CopyOut, Kind::CopyOut, "results"),
            (Stage::Rest, Kind::Rest, "calls"),
        ];
        let mut all: Vec<Meter> = stages
            .into_iter()
            .map(|(stage, kind, name)| Meter {
                task: Task::Stage(stage),
                name: name.to_owned(),
                kind,
            })
            .collect();
        for part in [Part::Prepare, Part::Run] {
            for (order, (_, kernel)) in schedule.kernels().into_iter().enumerate() {
                if let Some(kernel) = part.members(storage, kernel) {
                    all.push(Meter {
                        task: Task::Kernel(order, part),
                        name: name(schedule, &kernel),
                        kind: kind(schedule, &kernel),
                    });
                }
            }
        }
        for id in schedule.graph.nodes.ids() {
            let Some(weights) = storage.weights[id].as_ref().filter(|_| storage.needed[id]) else {
                continue;
            };
            let sources: Vec<String> = (weights.blocks.iter())
                .map(|block| schedule.name_of(block.source))
                .collect();
            all.push(Meter {
                task: Task::Pack(id),
                name: format!("{} for {}", sources.join(" "), schedule.name_of(id)),
                kind: Kind::Packing,
            });
        }
        Self { all }
    }

    /// Where the words of a meter are.
    pub(crate) fn word(&self, task: Task) -> usize {
        let at = self.all.iter().position(|meter| meter.task == task);
        word(at.unwrap_or_else(|| unreachable!("{task:?} has a meter")))
    }

    /// Words of all counters.
    pub(crate) fn words(&self) -> usize {
        HEAD + METER * self.all.len()
    }
}

/// Where the words of the meter at a position are.
fn word(at: usize) -> usize {
    HEAD + METER * at
}

impl Stage {
    /// Where the words of its meter are: the same in every program.
    pub(crate) fn word(self) -> usize {
        word(match self {
            Self::CopyIn => 0,
            Self::CopyOut => 1,
            Self::Rest => 2,
        })
    }
}

// What a kernel computes and reads; where no equation has that name, also the next ones that have, which it is for.
fn name(schedule: &Schedule, kernel: &Kernel) -> String {
    /// Names that are shown.
    const MOST: usize = 8;
    let graph = &schedule.graph;
    let mut name = schedule.label(kernel);
    if kernel
        .nodes
        .iter()
        .any(|id| graph.nodes[*id].name.is_some())
    {
        return name;
    }
    let mut from: BTreeSet<NodeId> = kernel.nodes.iter().copied().collect();
    let mut users: Vec<String> = Vec::new();
    // One walk in order: what is found only through a value of another step is not what it is for.
    for (id, node) in graph.nodes.iter() {
        if node
            .op
            .operands()
            .iter()
            .any(|operand| from.contains(operand))
        {
            match &node.name {
                Some(user) => users.push(user.clone()),
                None => {
                    from.insert(id);
                }
            }
        }
    }
    users.truncate(MOST);
    if !users.is_empty() {
        name.push_str(" for ");
        name.push_str(&users.join(" "));
    }
    name
}

fn kind(schedule: &Schedule, kernel: &Kernel) -> Kind {
    if kernel.pointwise {
        return Kind::Pointwise;
    }
    let nodes = &schedule.graph.nodes;
    match &nodes[kernel.nodes[0]].op {
        Op::MatMul(..) => Kind::Product,
        Op::Outer(..) => Kind::Outer,
        Op::Gather { .. } | Op::Scatter { .. } => Kind::Gather,
        Op::Concat { .. } | Op::Pad { .. } => Kind::Join,
        Op::AxisReduce { x, .. } => {
            let inlined = schedule.forms[*x] == rnn_ir::schedule::Form::Inlined;
            match nodes[*x].op {
                Op::Outer(..) if inlined => Kind::WeightGradient,
                Op::Scatter { .. } if inlined => Kind::Gather,
                _ => Kind::Reduction,
            }
        }
        _ => Kind::Reduction,
    }
}
