//! Feedback: what a step reads of the step before, the target or the model's own value.
//!
//! `y[t] = feedback(tgt[t-1], argmax(logits[t-1]))` is, in a graph,
//!
//! ```text
//! feedback.tgt[t] = where(teacher.tgt[t], tgt[t], argmax(logits[t]))
//! y[t]            = feedback.tgt[t-1]        and tgt[0] before the first step
//! ```
//!
//! with an input of role [`Role::Teacher`] that says which of the two a step reads. With it left in, a program mixes
//! (scheduled sampling; Bengio et al. 2015). [`decided`] fixes it for all steps: with targets alone (teacher forcing) nothing that
//! leads to the own value is in the loop any more, with own values alone (free running) no target is read.
//!
//! The boundary is that of the target, so the first step reads the start token in every program, and what is carried from
//! step to step is one token, or one value.
//!
//! **Invariant:** a decided graph has no input of role [`Role::Teacher`].

use crate::axis::Domain;
use crate::graph::Graph;
use crate::id::SideTable;
use crate::node::{DType, NodeId, Shape, Type};
use crate::op::{Number, Op, Role};
use crate::rewrite::Rebuild;
use crate::typing::TypeError;

/// What the names of inputs that choose start with; the name of the target follows.
pub const TEACHER: &str = "teacher.";

/// What the names of values that are fed back start with; the name of the target follows.
pub const FEEDBACK: &str = "feedback.";

/// A value that is fed back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The input that chooses.
    pub teacher: NodeId,
    /// What it chooses: the node that is read one step later.
    pub value: NodeId,
    /// What it chooses where the teacher is true.
    pub target: NodeId,
    /// What it chooses elsewhere.
    pub own: NodeId,
}

/// Which of its two values every feedback of a graph reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The target: teacher forcing.
    Target,
    /// The model's own value: free running.
    Own,
}

/// The input of role [`Role::Teacher`] that a condition repeats, if it does.
pub fn teacher_of(graph: &Graph, condition: NodeId) -> Option<NodeId> {
    let mut id = condition;
    loop {
        match &graph.nodes[id].op {
            Op::Input {
                role: Role::Teacher,
                ..
            } => return Some(id),
            Op::Expand { x, .. } | Op::Broadcast { x, .. } => id = *x,
            _ => return None,
        }
    }
}

/// The feedbacks of a graph, in order.
pub fn feedbacks(graph: &Graph) -> Vec<Feedback> {
    let found = graph.nodes.iter().filter_map(|(id, node)| match node.op {
        Op::Select(condition, target, own) => Some(Feedback {
            teacher: teacher_of(graph, condition)?,
            value: id,
            target,
            own,
        }),
        _ => None,
    });
    found.collect()
}

/// The graph with one choice for all steps.
///
/// # Errors
/// None for a verified graph.
pub fn decided(graph: &Graph, choice: Choice) -> Result<Graph, TypeError> {
    let mut chosen = SideTable::filled(None, graph.nodes.len());
    for feedback in feedbacks(graph) {
        chosen[feedback.value] = Some(match choice {
            Choice::Target => feedback.target,
            Choice::Own => feedback.own,
        });
    }
    let mut r = Rebuild::new(graph);
    for (id, node) in graph.nodes.iter() {
        let new = match (&node.op, chosen[id]) {
            (_, Some(operand)) => r.at(operand),
            // Whatever else reads it.
            (
                Op::Input {
                    role: Role::Teacher,
                    ..
                },
                None,
            ) => {
                let truth = f64::from(u8::from(choice == Choice::Target));
                let ty = Type {
                    domain: Domain::NONE,
                    shape: Shape::scalar(),
                    dtype: DType::Bool,
                };
                r.new.push(Op::Const(Number(truth)), Some(&ty))?
            }
            (_, None) => r.keep(id)?,
        };
        r.put(id, new)?;
    }
    r.close()?;
    Ok(r.finish())
}
