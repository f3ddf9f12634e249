//! Plans, storage and programs of the samples made wrong on purpose: the checker of plans refuses each, or the program
//! computes the same.

use super::fork::Fork;
use super::{Arguments, CallShape, Executable, Workspace, corpus, oracle};
use crate::kernels::Isa;
use crate::plan::{self, ALIGNMENT, Plan, PlanViolation};
use crate::storage::{Owner, Segment, SlotId, Storage};
use rnn_ir::axis::AxisId;
use rnn_ir::generate::Draw;
use rnn_ir::id::Id;
use rnn_ir::node::NodeId;
use rnn_ir::schedule::{Item, Schedule};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Most pairs of slots that are tried of one model.
const PAIRS: usize = 300;

/// How many wrong plans of each class were refused, and how many were found to do no harm.
type Tally = BTreeMap<&'static str, (usize, usize)>;

fn check(
    schedule: &Schedule,
    storage: &Storage,
    plan: &Plan,
    shape: &CallShape,
) -> Result<(), PlanViolation> {
    plan::check(schedule, storage, plan, &|axis| match axis {
        AxisId::BATCH => shape.batch,
        axis => shape.steps[axis.index() - 1],
    })
}

// The bits of every result of the last call.
fn results(executable: &Executable, workspace: &Workspace) -> Vec<u32> {
    let mut out = Vec::new();
    for result in &executable.graph().results {
        let len = executable.elements(workspace, result.node).expect("there");
        let at = out.len();
        out.resize(at + len, 0);
        executable
            .read(workspace, result.node, &mut out[at..])
            .expect("there");
    }
    out
}

// Slots of the arena that hold something.
fn slots(storage: &Storage, plan: &Plan) -> Vec<SlotId> {
    let all = storage.slots.ids();
    all.filter(|id| plan.offsets[*id].is_some() && plan.bytes[*id] > 0)
        .collect()
}

// Plans that no program can run on.
fn broken(storage: &Storage, plan: &Plan) -> Vec<(&'static str, Plan)> {
    let mut out = Vec::new();
    for id in slots(storage, plan) {
        let mut with = |what, change: &dyn Fn(&mut Plan)| {
            let mut plan = plan.clone();
            change(&mut plan);
            out.push((what, plan));
        };
        with("a slot is a line too small", &|plan| {
            plan.bytes[id] -= ALIGNMENT
        });
        with("a slot has no place", &|plan| plan.offsets[id] = None);
        with("a slot is off its line", &|plan| {
            plan.offsets[id] = plan.offsets[id].map(|at| at + 4);
        });
        with("a slot is past the end", &|plan| {
            plan.offsets[id] = Some(plan.total)
        });
    }
    if plan.total > 0 {
        let mut short = plan.clone();
        short.total -= ALIGNMENT;
        out.push(("the arena is a line too small", short));
    }
    out
}

// Plans in which two slots meet, or change places.
fn moved(storage: &Storage, plan: &Plan, draw: &mut Draw) -> Vec<(&'static str, Plan)> {
    let slots = slots(storage, plan);
    let mut pairs: Vec<(SlotId, SlotId)> = slots
        .iter()
        .flat_map(|a| slots.iter().map(move |b| (*a, *b)))
        .filter(|(a, b)| plan.offsets[*a] != plan.offsets[*b])
        .collect();
    while pairs.len() > PAIRS {
        pairs.swap_remove(draw.below(pairs.len()));
    }
    let mut out = Vec::new();
    for (a, b) in pairs {
        let mut overlapped = plan.clone();
        overlapped.offsets[a] = plan.offsets[b];
        out.push(("a slot lies where another does", overlapped));
        let mut swapped = plan.clone();
        (swapped.offsets[a], swapped.offsets[b]) = (plan.offsets[b], plan.offsets[a]);
        out.push(("two slots change places", swapped));
    }
    out
}

// Each class of wrong plan is refused, or run and found to give the same bits.
fn mutate_plans(
    executable: &Executable,
    workspace: &mut Workspace,
    [params, inputs]: [&dyn Arguments; 2],
    shape: &CallShape,
    tally: &mut Tally,
) {
    let expected = results(executable, workspace);
    let plan = workspace.plan.clone().expect("after a call");
    let refused = |plan: &Plan| check(&executable.schedule, &executable.storage, plan, shape);
    refused(&plan).expect("the plan is sound");
    for (what, plan) in broken(&executable.storage, &plan) {
        assert!(refused(&plan).is_err(), "{what}");
        tally.entry(what).or_default().0 += 1;
    }
    for (what, plan) in moved(&executable.storage, &plan, &mut Draw::new(11)) {
        if refused(&plan).is_err() {
            tally.entry(what).or_default().0 += 1;
            continue;
        }
        let total = plan.total;
        workspace.plan = Some(plan);
        workspace.arena.reals_mut(0, total / 4).fill(f32::NAN);
        executable
            .run(workspace, params, inputs, shape)
            .expect("runs");
        assert!(
            results(executable, workspace) == expected,
            "{}: {what}",
            executable.graph().name
        );
        tally.entry(what).or_default().1 += 1;
    }
    workspace.plan = Some(plan);
}

// Plans in which something of one branch lies over something of another, and programs that fork where an item needs what the
// one before it computes. The check before a call must see what the checker sees.
fn mutate_forks(executable: &Executable, plan: &Plan, shape: &CallShape, tally: &mut Tally) {
    let (schedule, storage) = (&executable.schedule, &executable.storage);
    for fork in &executable.forks {
        assert!(fork.is_apart(storage, plan), "forks are used");
    }
    let forks = schedule.items.iter().filter_map(|item| match item {
        Item::Fork(branches) => Some(branches),
        _ => None,
    });
    for (at, branches) in forks.enumerate() {
        let written = |body: &Vec<Item>| {
            let mut nodes: Vec<NodeId> = body.iter().flat_map(Item::nodes).collect();
            nodes.retain(|id| plan::is_computed(schedule, storage, *id));
            let slots = nodes.into_iter().filter_map(|id| storage.places[id]);
            let slots = slots.map(|place| place.slot);
            let slots = slots.filter(|slot| plan.offsets[*slot].is_some() && plan.bytes[*slot] > 0);
            slots.collect::<BTreeSet<SlotId>>()
        };
        for (a, b) in written(&branches[0])
            .iter()
            .flat_map(|a| written(&branches[1]).into_iter().map(move |b| (*a, b)))
            .filter(|(a, b)| a != b)
        {
            let mut met = plan.clone();
            met.offsets[a] = plan.offsets[b];
            met.total = met.total.max(plan.total + plan.bytes[a]);
            let what = "branches of a fork meet in memory";
            let found = check(schedule, storage, &met, shape).expect_err(what);
            assert!(!executable.forks[at].is_apart(storage, &met), "{what}");
            // Others are lost to a later reader even if branches run one after the other.
            if matches!(found, PlanViolation::Raced { .. }) {
                tally.entry(what).or_default().0 += 1;
            }
        }
        let mut fewer = storage.clone();
        fewer.scratch.truncate(branches.len() - 1);
        let what = "branches of a fork have tiles in one place";
        assert!(check(schedule, &fewer, plan, shape).is_err(), "{what}");
        assert!(!Fork::all(schedule, &fewer)[at].is_apart(&fewer, plan));
        tally.entry(what).or_default().0 += 1;
    }
    for at in 1..schedule.items.len() {
        let [first, second] = [&schedule.items[at - 1], &schedule.items[at]];
        let forks = [first, second].map(|item| matches!(item, Item::Fork(_)));
        if forks.contains(&true) || !needs(schedule, storage, first, second) {
            continue;
        }
        let mut schedule = schedule.clone();
        let second = schedule.items.remove(at);
        let first = schedule.items.remove(at - 1);
        (schedule.items).insert(at - 1, Item::Fork(vec![vec![first], vec![second]]));
        let mut storage = storage.clone();
        while storage.scratch.len() < 2 {
            // Any slot will do: none of it is looked at.
            let other = storage.slots.ids().find(|id| !storage.scratch.contains(id));
            storage.scratch.extend(other);
        }
        let what = "a branch needs what another computes";
        assert!(check(&schedule, &storage, plan, shape).is_err(), "{what}");
        let forks = Fork::all(&schedule, &storage);
        assert!(forks.iter().any(|fork| !fork.is_apart(&storage, plan)));
        tally.entry(what).or_default().0 += 1;
    }
}

// Whether an item reads what the one before it computes in a call.
fn needs(schedule: &Schedule, storage: &Storage, before: &Item, item: &Item) -> bool {
    let of = [before.nodes(), item.nodes()];
    of[1].iter().any(|reader| {
        let runs = plan::is_computed(schedule, storage, *reader);
        runs && storage.reads(schedule, *reader).iter().any(|read| {
            of[0].contains(&read.node) && plan::is_computed(schedule, storage, read.node)
        })
    })
}

// Storage and programs that lose a value.
fn mutate_programs(executable: &Executable, plan: &Plan, shape: &CallShape, tally: &mut Tally) {
    let (schedule, storage) = (&executable.schedule, &executable.storage);
    let nodes = || schedule.graph.nodes.ids();
    let mut refuse = |what, schedule: &Schedule, storage: &Storage| {
        let found = check(schedule, storage, plan, shape);
        assert!(found.is_err(), "{what}");
        tally.entry(what).or_default().0 += 1;
    };
    let placed =
        |id: NodeId| storage.places[id].filter(|place| storage.slots[place.slot].in_arena());
    for id in nodes() {
        let Some(place) = placed(id) else { continue };
        let mut storage = storage.clone();
        storage.places[id] = Some(crate::storage::Place {
            offset: place.offset + storage.slots[place.slot].row,
            ..place
        });
        refuse("a value ends past its row", schedule, &storage);
    }
    for a in nodes() {
        for b in nodes().filter(|b| *b > a) {
            let (Some(first), Some(second)) = (placed(a), placed(b)) else {
                continue;
            };
            let part = first.slot == second.slot && first.offset != second.offset;
            let whole = |id| storage.slots[first.slot].owner == crate::storage::Owner::Computed(id);
            if part && !whole(a) && !whole(b) {
                let mut storage = storage.clone();
                storage.places[a] = Some(second);
                refuse("two parts lie in one place", schedule, &storage);
            }
        }
    }
    for id in nodes() {
        let Some(place) = placed(id) else { continue };
        for (_, read) in &storage.readers[id] {
            let varies = schedule.graph.nodes[id].ty.domain;
            for axis in read.elsewhere().intersect(varies).axes() {
                let mut storage = storage.clone();
                let slot = &mut storage.slots[place.slot];
                slot.stored = slot.stored.without(axis);
                refuse("a step that is read later is not kept", schedule, &storage);
            }
        }
    }
    for at in 1..schedule.items.len() {
        let of = [at - 1, at].map(|at| schedule.items[at].nodes());
        let needs = of[1].iter().any(|reader| {
            let runs = storage.needed[*reader];
            runs && storage.reads(schedule, *reader).iter().any(|read| {
                storage.places[read.node].is_some()
                    && of[0].contains(&read.node)
                    && storage.prepared[read.node] == storage.prepared[*reader]
            })
        });
        if needs {
            let mut schedule = schedule.clone();
            schedule.items.swap(at - 1, at);
            refuse("a value is read before it is computed", &schedule, storage);
        }
    }
    for id in nodes() {
        let Some(weights) = storage.weights[id].as_ref().filter(|_| storage.needed[id]) else {
            continue;
        };
        // A block that is computed in the call is not there when weights are packed.
        let computed = nodes().find(|other| placed(*other).is_some());
        if let Some(computed) = computed {
            let mut storage = storage.clone();
            let mut weights = weights.clone();
            weights.blocks[0].source = computed;
            storage.weights[id] = Some(weights);
            refuse(
                "weights are packed before they are there",
                schedule,
                &storage,
            );
        }
    }
}

// Programs in segments that lose what a segment needs of another.
fn mutate_segments(executable: &Executable, plan: &Plan, shape: &CallShape, tally: &mut Tally) {
    let (schedule, storage) = (&executable.schedule, &executable.storage);
    let mut refuse = |what, schedule: &Schedule, storage: &Storage, plan: &Plan| {
        let found = check(schedule, storage, plan, shape);
        assert!(found.is_err(), "{}: {what}", schedule.graph.name);
        tally.entry(what).or_default().0 += 1;
    };
    for (id, slot) in storage.slots.iter() {
        let Some(kept) = slot.segment else { continue };
        let mut with = |what, change: &dyn Fn(&mut Segment)| {
            let mut storage = storage.clone();
            change(storage.slots[id].segment.as_mut().expect("it has one"));
            refuse(what, schedule, &storage, plan);
        };
        if matches!(slot.owner, Owner::Borders(_)) {
            let mut storage = storage.clone();
            storage.slots[id].owner = Owner::Scratch;
            refuse(
                "the borders of a segment are not saved",
                schedule,
                &storage,
                plan,
            );
            continue;
        }
        if kept.before > 0 {
            with("a step in front of a segment is not kept", &|kept| {
                kept.before -= 1;
            });
        }
        if kept.after > 0 {
            with("a step behind a segment is not kept", &|kept| {
                kept.after -= 1;
            });
        }
        if kept.before.max(kept.after) > 0 {
            let mut plan = plan.clone();
            plan.segments[kept.axis] = 0;
            refuse(
                "a segment is shorter than what it hands on",
                schedule,
                storage,
                &plan,
            );
        }
    }
    for at in 0..schedule.items.len() {
        let Item::Segments { again, axis, .. } = &schedule.items[at] else {
            continue;
        };
        for left_out in 0..again.len() {
            // Of what is stored whole, nothing is lost.
            let lost = again[left_out].nodes().into_iter().any(|id| {
                let kept = storage.places[id].map(|place| &storage.slots[place.slot]);
                let gone = kept.is_some_and(|slot| slot.segment.is_some() || slot.block.is_some());
                gone && storage.readers[id].iter().any(|(reader, _)| {
                    let site = storage.sites[*reader].as_ref();
                    site.is_some_and(|site| site.segment == Some(*axis) && site.top == at)
                })
            });
            let mut schedule = schedule.clone();
            if let Item::Segments { again, .. } = &mut schedule.items[at] {
                again.remove(left_out);
            }
            if lost {
                refuse("a value is not computed again", &schedule, storage, plan);
            }
        }
    }
}

#[test]
fn a_wrong_plan_is_refused_or_does_no_harm() {
    let tally = RefCell::new(Tally::new());
    let shape = corpus::SHAPES[2];
    for (name, graph) in corpus::graphs() {
        let env = corpus::env(&graph, shape);
        let call = |executable: &Executable,
                    workspace: &mut Workspace,
                    params: &dyn Arguments,
                    inputs: &dyn Arguments,
                    shape: &CallShape| {
            executable.run(workspace, params, inputs, shape)?;
            let mut tally = tally.borrow_mut();
            mutate_plans(executable, workspace, [params, inputs], shape, &mut tally);
            let plan = workspace.plan.clone().expect("after a call");
            mutate_programs(executable, &plan, shape, &mut tally);
            mutate_forks(executable, &plan, shape, &mut tally);
            mutate_segments(executable, &plan, shape, &mut tally);
            executable.run(workspace, params, inputs, shape)
        };
        if let Err(error) = oracle::compare(&graph, &env, Isa::detect(), &call) {
            panic!("{name}: {error}");
        }
    }
    let tally = tally.into_inner();
    for (what, (refused, harmless)) in &tally {
        println!("{what}: {refused} refused, {harmless} harmless");
    }
    assert_eq!(tally.len(), 20, "every class has its case");
    assert!(tally.values().all(|(refused, _)| *refused > 0), "{tally:?}");
}
