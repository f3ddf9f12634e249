//! Where the state of each trained tensor lies, and the loop that updates parameters from it.
//!
//! A slot (a momentum, a second moment) is one flat buffer over all trained scalars in declaration order, each tensor
//! row-major.
//!
//! **Invariant:** trained tensors cover `0..layout.len()` without gaps; nothing is written before every shape agrees.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, IxDyn};

use super::group::{ParamGroup, WeightDecay};
use super::orthonormal::Orthonormal;
use super::state::{OptimizerState, StateTensor};
use crate::error::{NameMismatch, OptimError, ParamsError, ShapeMismatch, quoted_list};
use crate::tensors::{ParamKind, ParamSpec, Tensors, check_specs};

/// Scalars updated at a time.
const BLOCK: usize = 16;

/// Settings of one tensor.
#[derive(Clone, Debug)]
struct Rule {
    rate_scale: f32,
    decay: WeightDecay,
    /// First scalar in every slot; `None` when the tensor is not trained.
    offset: Option<usize>,
    /// Rows and columns of a matrix that stays orthonormal.
    orthonormal: Option<[usize; 2]>,
}

/// The tensors an optimiser was made for.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    algorithm: &'static str,
    specs: Vec<ParamSpec>,
    rules: Vec<Rule>,
    len: usize,
    orthonormal: Orthonormal,
}

impl Layout {
    /// Lays out `specs`; each tensor takes the first matching group, or `decay`.
    pub(super) fn new(
        algorithm: &'static str,
        specs: &[ParamSpec],
        decay: WeightDecay,
        groups: &[ParamGroup],
    ) -> Result<Self, OptimError> {
        let setting = |setting, found: f32| {
            if found.is_finite() && found >= 0.0 {
                return Ok(());
            }
            let expected = "finite and not negative";
            Err(OptimError::Setting {
                algorithm,
                setting,
                expected,
                found: f64::from(found),
            })
        };
        setting("weight decay", decay.strength())?;
        for group in groups {
            setting("rate scale", group.rate_scale)?;
            setting(
                "weight decay",
                group.weight_decay.unwrap_or_default().strength(),
            )?;
            if !specs
                .iter()
                .any(|spec| spec.is_trained() && group.matches(&spec.name))
            {
                let trained = specs.iter().filter(|spec| spec.is_trained());
                let known: Vec<String> = trained.map(|spec| spec.name.clone()).collect();
                return Err(OptimError::EmptyGroup {
                    pattern: group.pattern.clone(),
                    known: quoted_list(&known),
                });
            }
        }
        let mut len = 0_usize;
        let mut rules = Vec::with_capacity(specs.len());
        for spec in specs {
            let group = groups.iter().find(|group| group.matches(&spec.name));
            let offset = spec.is_trained().then_some(len);
            if spec.is_trained() {
                let size = spec
                    .shape
                    .iter()
                    .try_fold(1_usize, |size, &axis| size.checked_mul(axis));
                let end = size
                    .and_then(|size| len.checked_add(size))
                    .filter(|&end| end <= isize::MAX as usize / 4);
                len = end.ok_or_else(|| OptimError::Setting {
                    algorithm,
                    setting: "number of trained scalars",
                    expected: "to fit the address space",
                    found: spec.shape.iter().map(|&axis| axis as f64).product(),
                })?;
            }
            let orthonormal = match (spec.kind, spec.shape.as_slice()) {
                (ParamKind::Orthonormal, &[rows, columns]) => Some([rows, columns]),
                (ParamKind::Orthonormal, shape) => {
                    return Err(OptimError::Setting {
                        algorithm,
                        setting: "number of axes of an orthonormal parameter",
                        expected: "2",
                        found: shape.len() as f64,
                    });
                }
                _ => None,
            };
            let decay = group.and_then(|group| group.weight_decay).unwrap_or(decay);
            rules.push(Rule {
                rate_scale: group.map_or(1.0, |group| group.rate_scale),
                decay: match orthonormal {
                    Some(_) => WeightDecay::None,
                    None => decay,
                },
                offset,
                orthonormal,
            });
        }
        let orthonormal = Orthonormal::new(rules.iter().filter_map(|rule| rule.orthonormal));
        Ok(Self {
            algorithm,
            specs: specs.to_vec(),
            rules,
            len,
            orthonormal,
        })
    }

    /// Settings of the algorithm, and those of each parameter that a group gives others.
    pub(super) fn settings(
        &self,
        config: &dyn std::fmt::Debug,
        decay: WeightDecay,
    ) -> Vec<(String, String)> {
        let mut all = vec![(self.algorithm.to_owned(), format!("{config:?}"))];
        for (spec, rule) in self.specs.iter().zip(&self.rules) {
            let own = (rule.rate_scale, rule.decay);
            let usual = match rule.orthonormal {
                Some(_) => WeightDecay::None,
                None => decay,
            };
            if rule.offset.is_some() && own != (1.0, usual) {
                let text = format!("rate scale {}, weight decay {:?}", own.0, own.1);
                all.push((format!("group.{}", spec.name), text));
            }
        }
        all
    }

    /// A slot filled with zeros.
    pub(super) fn zero_slot(&self) -> Vec<f32> {
        vec![0.0; self.len]
    }

    /// Applies `p <- keep p - rate u`, where `direction(g + l2 p, state)` gives `u` and the new state of one scalar.
    pub(super) fn update<P: Tensors, const N: usize>(
        &mut self,
        params: &mut P,
        grads: &P,
        learning_rate: f32,
        mut slots: [&mut [f32]; N],
        direction: impl Fn(f32, [f32; N]) -> (f32, [f32; N]),
    ) -> Result<(), OptimError> {
        let mut index = 0;
        self.check(params, grads, learning_rate)?;
        let Self {
            rules, orthonormal, ..
        } = self;
        params.zip_mut(grads, &mut |_, mut param, grad| {
            let rule = &rules[index];
            index += 1;
            let Some(offset) = rule.offset else { return };
            let rate = learning_rate * rule.rate_scale;
            let (l2, keep) = rule.decay.terms(rate);
            let count = param.len();
            let parts = slots
                .each_mut()
                .map(|slot| &mut slot[offset..offset + count]);
            let element = |p, g, state| {
                let (u, state) = direction(g + l2 * p, state);
                (keep * p - rate * u, state)
            };
            match rule.orthonormal {
                None => update_tensor(param, grad, parts, element),
                Some(shape) => {
                    let along = orthonormal.tangent(param.view(), grad, shape);
                    update_tensor(param.view_mut(), along, parts, element);
                    // What does not move is left alone, orthonormal or not.
                    if rate != 0.0 {
                        orthonormal.retract(param, shape);
                    }
                }
            }
        });
        Ok(())
    }

    /// Refuses a step whose inputs do not fit.
    pub(super) fn check<P: Tensors>(
        &self,
        params: &P,
        grads: &P,
        learning_rate: f32,
    ) -> Result<(), OptimError> {
        if !(learning_rate.is_finite() && learning_rate >= 0.0) {
            return Err(OptimError::Setting {
                algorithm: self.algorithm,
                setting: "learning rate",
                expected: "finite and not negative",
                found: f64::from(learning_rate),
            });
        }
        let differ = |what| move |source: ParamsError| OptimError::Params { what, source };
        check_specs(params, &self.specs).map_err(differ("parameters"))?;
        check_specs(grads, &self.specs).map_err(differ("gradients"))
    }

    /// Copies the slots by name.
    pub(super) fn export(&self, steps: u64, slots: &[(&str, &[f32])]) -> OptimizerState {
        let mut tensors = Vec::new();
        for &(slot, values) in slots {
            for (spec, offset) in self.trained() {
                let count: usize = spec.shape.iter().product();
                let part = values[offset..offset + count].to_vec();
                let values = ArrayD::from_shape_vec(IxDyn(&spec.shape), part);
                let values =
                    values.unwrap_or_else(|_| unreachable!("a slot has the shape of its tensor"));
                tensors.push(StateTensor {
                    slot: slot.to_owned(),
                    name: spec.name.clone(),
                    values,
                });
            }
        }
        OptimizerState {
            algorithm: self.algorithm.to_owned(),
            steps,
            tensors,
        }
    }

    /// Copies an exported state into the slots, or lists all that does not fit and changes nothing.
    pub(super) fn import(
        &self,
        state: &OptimizerState,
        slots: &mut [(&str, &mut [f32])],
    ) -> Result<u64, OptimError> {
        if state.algorithm != self.algorithm {
            let (expected, found) = (self.algorithm.to_owned(), state.algorithm.clone());
            return Err(OptimError::Algorithm { expected, found });
        }
        let mut mismatch = NameMismatch::default();
        let mut used = vec![false; state.tensors.len()];
        let mut sources = Vec::new();
        for (index, (slot, _)) in slots.iter().enumerate() {
            for (spec, offset) in self.trained() {
                let is_it = |tensor: &StateTensor| tensor.slot == *slot && tensor.name == spec.name;
                let key = format!("{slot}/{}", spec.name);
                let Some(at) = state.tensors.iter().position(is_it) else {
                    mismatch.missing.push(key);
                    continue;
                };
                used[at] = true;
                let values = &state.tensors[at].values;
                if values.shape() == spec.shape {
                    sources.push((index, offset, values));
                } else {
                    let (expected, found) = (spec.shape.clone(), values.shape().to_vec());
                    mismatch.misshaped.push(ShapeMismatch {
                        name: key,
                        expected,
                        found,
                    });
                }
            }
        }
        let unused = state.tensors.iter().zip(&used).filter(|(_, used)| !**used);
        mismatch.unexpected = unused
            .map(|(tensor, _)| format!("{}/{}", tensor.slot, tensor.name))
            .collect();
        if !mismatch.is_empty() {
            return Err(OptimError::State(mismatch));
        }
        for (index, offset, values) in sources {
            let part = &mut slots[index].1[offset..offset + values.len()];
            part.iter_mut()
                .zip(values)
                .for_each(|(place, &value)| *place = value);
        }
        Ok(state.steps)
    }

    fn trained(&self) -> impl Iterator<Item = (&ParamSpec, usize)> {
        self.specs
            .iter()
            .zip(&self.rules)
            .filter_map(|(spec, rule)| Some((spec, rule.offset?)))
    }
}

/// Runs `element` over one tensor in row-major order: over blocks when both views are contiguous, so that the loop
/// vectorises.
fn update_tensor<const N: usize>(
    mut param: ArrayViewMutD<'_, f32>,
    grad: ArrayViewD<'_, f32>,
    mut slots: [&mut [f32]; N],
    element: impl Fn(f32, f32, [f32; N]) -> (f32, [f32; N]),
) {
    let (Some(params), Some(grads)) = (param.as_slice_mut(), grad.as_slice()) else {
        for (index, (param, &grad)) in param.iter_mut().zip(&grad).enumerate() {
            update_scalar(index, param, grad, &mut slots, &element);
        }
        return;
    };
    if N == 0 {
        // Without state the plain loop vectorises by itself, and faster.
        for (param, &grad) in params.iter_mut().zip(grads) {
            update_scalar(0, param, grad, &mut slots, &element);
        }
        return;
    }
    let (param_blocks, params_left) = params.as_chunks_mut::<BLOCK>();
    let (grad_blocks, grads_left) = grads.as_chunks::<BLOCK>();
    let tail = param_blocks.len() * BLOCK;
    for (block, (param, grad)) in param_blocks.iter_mut().zip(grad_blocks).enumerate() {
        let places = slots
            .each_mut()
            .map(|slot| &mut slot.as_chunks_mut::<BLOCK>().0[block]);
        update_block(param, grad, places, &element);
    }
    for (index, (param, &grad)) in params_left.iter_mut().zip(grads_left).enumerate() {
        update_scalar(tail + index, param, grad, &mut slots, &element);
    }
}

/// Updates one block by way of local copies, which the compiler knows not to overlap.
#[inline]
fn update_block<const N: usize>(
    param: &mut [f32; BLOCK],
    grad: &[f32; BLOCK],
    slots: [&mut [f32; BLOCK]; N],
    element: impl Fn(f32, f32, [f32; N]) -> (f32, [f32; N]),
) {
    let mut values = *param;
    let mut states = slots.each_ref().map(|slot| **slot);
    for lane in 0..BLOCK {
        let state = states.each_ref().map(|state| state[lane]);
        let (value, state) = element(values[lane], grad[lane], state);
        values[lane] = value;
        for (states, state) in states.iter_mut().zip(state) {
            states[lane] = state;
        }
    }
    *param = values;
    for (slot, state) in slots.into_iter().zip(states) {
        *slot = state;
    }
}

fn update_scalar<const N: usize>(
    index: usize,
    param: &mut f32,
    grad: f32,
    slots: &mut [&mut [f32]; N],
    element: impl Fn(f32, f32, [f32; N]) -> (f32, [f32; N]),
) {
    let state = slots.each_ref().map(|slot| slot[index]);
    let (value, state) = element(*param, grad, state);
    *param = value;
    for (slot, state) in slots.iter_mut().zip(state) {
        slot[index] = state;
    }
}

#[cfg(test)]
mod tests;
