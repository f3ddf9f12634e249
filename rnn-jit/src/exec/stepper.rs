//! One step again and again: a program called with one shape, on memory of its own.
//!
//! A [`Stepper`] owns everything that the code touches: parameters, inputs, carried values, weights in packed order and the
//! arena. So addresses are written once, and a step is a call of the code and a copy of what is carried.
//!
//! **Invariant:** no buffer of a stepper grows after it was made, and the code is called only when each is where the
//! context says.

use super::arguments::{Arguments, CallShape, Value};
use super::buffer::Buffer;
use super::shape::{extents, too_large};
use super::{Executable, Workspace};
use crate::error::JitError;
use crate::lower::Part;
use crate::storage::{ELEMENT, Owner, SlotId};
use rnn_ir::axis::AxisId;
use rnn_ir::id::SideTable;
use rnn_ir::node::{DType, NodeId};
use rnn_ir::schedule::sizes;

/// What goes from one step to the next. A pass may have dropped either end.
#[derive(Clone, Copy, Debug)]
pub struct Carried {
    /// The input that a step reads it from.
    pub input: Option<NodeId>,
    /// The result that a step leaves it in; without one it stays as it is.
    pub result: Option<NodeId>,
    /// Elements of an example.
    pub width: usize,
}

/// Where the elements of an input or a carried value lie: `[B if it varies over the batch, features..]`.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    offset: usize,
    elements: usize,
}

/// Where the rows of a result lie.
#[derive(Clone, Copy, Debug)]
pub struct Computed {
    /// In the arena, or with what outlives a call.
    arena: bool,
    offset: usize,
    /// Elements between two rows.
    stride: usize,
    width: usize,
    rows: usize,
}

impl Computed {
    /// Elements of an example.
    #[inline]
    pub fn width(&self) -> usize {
        self.width
    }
    /// Examples: one, if it does not vary over the batch.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// A program with memory for one step of a number of examples, all in one place.
#[derive(Debug)]
pub struct Stepper {
    workspace: Workspace,
    /// Parameters, inputs and carried values.
    given: Buffer,
    /// Bytes into `given`, for the slots that lie there.
    offsets: SideTable<SlotId, Option<usize>>,
    carried: Vec<Given>,
    /// Results that are carried, each with where to.
    moves: Vec<(Computed, Given)>,
    /// Where the buffers were when the context was written.
    bases: [u64; 3],
}

impl Executable {
    /// A stepper for `batch` examples, with a copy of the parameters. Inputs and carried values are zeros.
    ///
    /// # Errors
    /// A parameter that is missing or of another size, a result that is not in memory, a carried value of another size,
    /// more memory than there is.
    pub fn stepper(
        &self,
        batch: usize,
        params: &dyn Arguments,
        carried: &[Carried],
    ) -> Result<Stepper, JitError> {
        self.stepper_of(self.one_step(batch), params, carried)
    }

    /// As [`stepper`](Self::stepper), for steps that read whole sequences along other axes. Examples come longest first along
    /// the first time axis of the program.
    ///
    /// # Errors
    /// As [`stepper`](Self::stepper), and examples in another order.
    pub fn stepper_of(
        &self,
        shape: CallShape,
        params: &dyn Arguments,
        carried: &[Carried],
    ) -> Result<Stepper, JitError> {
        let batch = shape.batch;
        let mut workspace = self.workspace()?;
        if !self.in_order(&shape) {
            return Err(super::shape::argument(
                "shape",
                "examples that come longest first".to_owned(),
                "another order".to_owned(),
            ));
        }
        self.reshape(&mut workspace, None, &shape)?;
        let mut room = Room(0);
        let offsets = self.given_offsets(&shape, &mut room)?;
        let mut stepper = Stepper {
            workspace,
            given: Buffer::default(),
            offsets,
            carried: Vec::new(),
            moves: Vec::new(),
            bases: [0; 3],
        };
        for carried in carried {
            let place = match carried.input.and_then(|node| stepper.input(self, node)) {
                Some(place) => place,
                None => Given {
                    offset: room.take(batch, carried.width)?,
                    elements: batch * carried.width,
                },
            };
            stepper.carried.push(place);
            let Some(node) = carried.result else { continue };
            let from = stepper.result(self, node)?;
            if from.rows * from.width != place.elements {
                let dtype = self.schedule.graph.nodes[node].ty.dtype;
                return Err(self.mismatch(node, place.elements, dtype, None));
            }
            stepper.moves.push((from, place));
        }
        stepper.given.reserve(room.0)?;
        for (id, slot) in self.storage.slots.iter() {
            let (Owner::Param(node), Some(offset)) = (slot.owner, stepper.offsets[id]) else {
                continue;
            };
            let dtype = self.schedule.graph.nodes[node].ty.dtype;
            match params.value(node) {
                Some(Value::Real(values)) if values.len() == slot.row => {
                    let to = stepper.given.reals_mut(offset, slot.row);
                    to.copy_from_slice(values);
                }
                Some(Value::Index(words)) if dtype == DType::Index && words.len() == slot.row => {
                    let to = stepper.given.reals_mut(offset, slot.row);
                    for (to, word) in to.iter_mut().zip(words) {
                        *to = f32::from_bits(*word);
                    }
                }
                other => return Err(self.mismatch(node, slot.row, dtype, other)),
            }
        }
        stepper.point(self);
        self.count(&mut stepper.workspace, Part::Prepare);
        stepper.workspace.start_lap();
        // SAFETY: `point` has set every slot to memory as large as it needs: what is given was measured by the slots, the
        // rest by the plan of the workspace's shape.
        unsafe { self.code.prepare(&stepper.workspace.context) };
        stepper.workspace.prepared = true;
        Ok(stepper)
    }
}

impl Executable {
    /// Bytes that a [`stepper`](Self::stepper) takes.
    ///
    /// # Errors
    /// Sizes beyond the address space.
    pub fn stepper_bytes(&self, batch: usize, carried: &[Carried]) -> Result<usize, JitError> {
        self.stepper_bytes_of(&self.one_step(batch), carried)
    }

    /// Bytes that a [`stepper_of`](Self::stepper_of) takes.
    ///
    /// # Errors
    /// Sizes beyond the address space.
    pub fn stepper_bytes_of(
        &self,
        shape: &CallShape,
        carried: &[Carried],
    ) -> Result<usize, JitError> {
        let batch = shape.batch;
        let mut room = Room(0);
        self.given_offsets(shape, &mut room)?;
        for carried in carried {
            let given = carried.input.and_then(|node| self.storage.places[node]);
            if given.is_none() {
                room.take(batch, carried.width)?;
            }
        }
        // Inputs are where they are given.
        let workspace = self.memory_needed(shape)? - self.copied_bytes(shape);
        workspace
            .checked_add(room.0)
            .ok_or_else(|| too_large("a stream", format!("a batch of {batch}")))
    }

    fn one_step(&self, batch: usize) -> CallShape {
        CallShape {
            batch,
            steps: vec![1; self.time_axes().count()],
            ..CallShape::default()
        }
    }

    // Where inputs and parameters lie among what is given.
    fn given_offsets(
        &self,
        shape: &CallShape,
        room: &mut Room,
    ) -> Result<SideTable<SlotId, Option<usize>>, JitError> {
        let mut offsets = SideTable::filled(None, self.storage.slots.len());
        for (id, slot) in self.storage.slots.iter() {
            let node = match slot.owner {
                Owner::Input(node) | Owner::Param(node) => node,
                _ => continue,
            };
            let (outer, rows) = extents(self.schedule.graph.nodes[node].ty.domain, shape);
            offsets[id] = Some(room.take(outer * rows, slot.row)?);
        }
        Ok(offsets)
    }
}

impl Stepper {
    /// Where an input lies, if the program has it and the stepper is the program's.
    pub fn input(&self, executable: &Executable, node: NodeId) -> Option<Given> {
        executable.check_owner(&self.workspace).ok()?;
        let place = executable.storage.places[node]?;
        let slot = &executable.storage.slots[place.slot];
        let offset = self.offsets[place.slot].filter(|_| slot.owner == Owner::Input(node))?;
        let ty = &executable.schedule.graph.nodes[node].ty;
        let (outer, rows) = extents(ty.domain, self.shape()?);
        Some(Given {
            offset,
            elements: outer * rows * slot.row,
        })
    }

    /// Where a result lies.
    ///
    /// # Errors
    /// No such result.
    pub fn result(&self, executable: &Executable, node: NodeId) -> Result<Computed, JitError> {
        executable.check_owner(&self.workspace)?;
        let ty = &executable.schedule.graph.nodes[node].ty;
        let missing = || executable.mismatch(node, 0, ty.dtype, None);
        let place = executable.storage.places[node].ok_or_else(missing)?;
        let slot = &executable.storage.slots[place.slot];
        let plan = self.workspace.plan.as_ref().ok_or_else(missing)?;
        let (arena, offset) = match slot.owner {
            Owner::Computed(_) => (true, plan.offsets[place.slot].ok_or_else(missing)?),
            Owner::Prepared(_) | Owner::Const(_) => {
                (false, self.workspace.persistent_offsets[place.slot])
            }
            _ => return Err(missing()),
        };
        let by_row = ty.domain.contains(AxisId::BATCH);
        Ok(Computed {
            arena,
            offset: offset + place.offset * ELEMENT,
            stride: slot.row,
            width: sizes(ty).iter().product(),
            rows: if by_row { self.batch() } else { 1 },
        })
    }

    /// Where a carried value lies, by its position among those the stepper was made with.
    pub fn carried(&self, at: usize) -> Option<Given> {
        self.carried.get(at).copied()
    }

    /// Examples.
    pub fn batch(&self) -> usize {
        self.shape().map_or(0, |shape| shape.batch)
    }

    /// The shape of every step.
    pub fn shape(&self) -> Option<&CallShape> {
        self.workspace.shape.as_ref()
    }

    /// The elements of an input or a carried value; tokens and truth values as their bits.
    #[inline]
    pub fn given(&self, place: Given) -> &[f32] {
        self.given.reals(place.offset, place.elements)
    }

    /// As [`given`](Self::given), to be written.
    #[inline]
    pub fn given_mut(&mut self, place: Given) -> &mut [f32] {
        self.given.reals_mut(place.offset, place.elements)
    }

    /// A row of a result of the last step; tokens as their bits.
    #[inline]
    pub fn row(&self, place: Computed, row: usize) -> &[f32] {
        row_of(&self.workspace, place, row)
    }

    /// Runs the program on what is given, and carries over.
    ///
    /// # Errors
    /// A stepper of another program.
    pub fn step(&mut self, executable: &Executable) -> Result<(), JitError> {
        executable.check_owner(&self.workspace)?;
        let [given, persistent, arena] = self.here();
        // One by one: as an array they would go through memory.
        let [old_given, old_persistent, old_arena] = self.bases;
        if given != old_given || persistent != old_persistent || arena != old_arena {
            self.point(executable);
        }
        executable.count(&mut self.workspace, Part::Run);
        // SAFETY: the context was written by `point`, with the stepper's buffers alone, which are where they were then,
        // checked just now, and have not been resized since; their sizes are those of the shape, which does not change.
        unsafe { executable.code.run(&self.workspace.context, &|_| None) };
        self.workspace.done = true;
        for (from, to) in &self.moves {
            let to = self.given.reals_mut(to.offset, to.elements);
            for row in 0..from.rows {
                let to = &mut to[row * from.width..][..from.width];
                to.copy_from_slice(row_of(&self.workspace, *from, row));
            }
        }
        Ok(())
    }

    /// The memory that steps run in, for what it has measured.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// As [`workspace`](Self::workspace), to end laps in.
    #[inline]
    pub fn workspace_mut(&mut self) -> &mut Workspace {
        &mut self.workspace
    }

    fn here(&mut self) -> [u64; 3] {
        let Workspace {
            persistent, arena, ..
        } = &mut self.workspace;
        [&mut self.given, persistent, arena].map(|buffer| buffer.as_mut_ptr() as u64)
    }

    fn point(&mut self, executable: &Executable) {
        self.bases = self.here();
        executable.point_persistent(&mut self.workspace);
        for id in executable.storage.slots.ids() {
            if let Some(offset) = self.offsets[id] {
                let address = self.bases[0] + offset as u64;
                executable
                    .layout
                    .set_slot(&mut self.workspace.context, id, address);
            }
        }
    }
}

#[inline]
fn row_of(workspace: &Workspace, place: Computed, row: usize) -> &[f32] {
    let buffer = if place.arena {
        &workspace.arena
    } else {
        &workspace.persistent
    };
    buffer.reals(place.offset + row * place.stride * ELEMENT, place.width)
}

// Bytes taken so far, each piece from the start of a cache line.
struct Room(usize);

impl Room {
    fn take(&mut self, rows: usize, width: usize) -> Result<usize, JitError> {
        let at = self.0;
        let bytes = (rows.checked_mul(width))
            .and_then(|elements| elements.checked_mul(ELEMENT))
            .and_then(|bytes| bytes.checked_next_multiple_of(64));
        self.0 = (bytes.and_then(|bytes| at.checked_add(bytes)))
            .filter(|total| isize::try_from(*total).is_ok())
            .ok_or_else(|| too_large("the inputs of a step", format!("{rows} rows of {width}")))?;
        Ok(at)
    }
}
