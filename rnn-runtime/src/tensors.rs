//! Named tensors: the one interface that initialisation, optimisers, clipping and checkpoints need.
//!
//! The macro writes a struct per model, with an `Array0/1/2<f32>` field per tensor and a nested struct per layer, and
//! implements [`Tensors`] for it. A tensor has one dotted name (`lstm.W_i`) in the DSL, the IR, the Rust field path and
//! the checkpoint key. Gradients are a second value of the same type. Carried states are a struct of the same kind.
//!
//! **Invariant:** `visit` and `visit_mut` of one type give the same names in the same order, whatever the sizes.

use std::collections::BTreeMap;

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Zip};
pub use rnn_ir::op::ParamKind;

use crate::error::ParamsError;
use crate::init::Init;

/// What a model says about one of its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Dotted name, such as `lstm.W_i`.
    pub name: String,
    /// Sizes, row-major; `[m, n]` maps `n` inputs to `m` outputs.
    pub shape: Vec<usize>,
    /// How the first value is drawn.
    pub init: Init,
    /// What changes it: optimisers and clipping leave alone what is not trained.
    pub kind: ParamKind,
}

impl ParamSpec {
    /// A trained tensor.
    pub fn trained(name: impl Into<String>, shape: impl Into<Vec<usize>>, init: Init) -> Self {
        Self {
            name: name.into(),
            shape: shape.into(),
            init,
            kind: ParamKind::Trained,
        }
    }

    /// A trained matrix that stays orthonormal: its columns, or its rows where these are fewer.
    pub fn orthonormal(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self {
            kind: ParamKind::Orthonormal,
            ..Self::trained(name, shape, Init::Orthogonal { gain: 1.0 })
        }
    }

    /// A tensor that training leaves alone.
    pub fn fixed(name: impl Into<String>, shape: impl Into<Vec<usize>>, init: Init) -> Self {
        Self {
            kind: ParamKind::Fixed,
            ..Self::trained(name, shape, init)
        }
    }

    /// Whether optimisers change it.
    pub fn is_trained(&self) -> bool {
        self.kind.is_trained()
    }
}

/// Tensors visited while two models are walked side by side, between two passes over their names.
const WINDOW: usize = 32;

/// Takes the name of a tensor, the tensor, and the one it is paired with.
pub type PairVisitor<'v> = dyn FnMut(&str, ArrayViewMutD<'_, f32>, ArrayViewD<'_, f32>) + 'v;

/// The tensors of a model, their gradients, or its carried states.
///
/// Implementations are written by the macro; by hand, list the fields:
///
/// ```
/// use ndarray::{Array1, Array2, ArrayD, ArrayViewD, ArrayViewMutD};
/// use rnn_runtime::tensors::Tensors;
///
/// #[derive(Clone)]
/// struct Readout { w: Array2<f32>, b: Array1<f32> }
///
/// impl Tensors for Readout {
///     fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
///         visitor("w", self.w.view().into_dyn());
///         visitor("b", self.b.view().into_dyn());
///     }
///     fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
///         visitor("w", self.w.view_mut().into_dyn());
///         visitor("b", self.b.view_mut().into_dyn());
///     }
///     fn from_tensors(take: &mut dyn FnMut(&str) -> ArrayD<f32>) -> Self {
///         Self {
///             w: take("w").into_dimensionality().expect("a matrix"),
///             b: take("b").into_dimensionality().expect("a vector"),
///         }
///     }
/// }
///
/// let readout = Readout { w: Array2::ones((2, 3)), b: Array1::zeros(2) };
/// assert_eq!(readout.count(), 8);
/// assert_eq!(readout.names(), ["w", "b"]);
/// ```
pub trait Tensors: Clone + Send + Sync {
    /// Visits every tensor in declaration order with its dotted name.
    ///
    /// Training visits all tensors several times per step: pass literal names (`"lstm.W_i"`), built ones would allocate.
    fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&str, ArrayViewD<'a, f32>));

    /// Visits every tensor in declaration order with its dotted name, to be changed in place.
    fn visit_mut<'a>(&'a mut self, visitor: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>));

    /// Builds a value by asking for every tensor in declaration order by its dotted name.
    ///
    /// # Panics
    /// `take` answers with a tensor of another rank than the field it is for.
    fn from_tensors(take: &mut dyn FnMut(&str) -> ArrayD<f32>) -> Self;

    /// Visits the tensors of `self` and `other` pairwise, in declaration order.
    ///
    /// Allocates nothing for tensors of up to four axes. Shapes are not compared; see [`Tensors::check_shapes_of`].
    fn zip_mut(&mut self, other: &Self, visitor: &mut PairVisitor<'_>) {
        let mut start = 0;
        loop {
            let mut window: [Option<ArrayViewD<'_, f32>>; WINDOW] = [const { None }; WINDOW];
            let mut total = 0_usize;
            other.visit(&mut |_, view| {
                if let Some(place) = total.checked_sub(start).and_then(|i| window.get_mut(i)) {
                    *place = Some(view);
                }
                total += 1;
            });
            let mut index = 0_usize;
            self.visit_mut(&mut |name, view| {
                let place = index.checked_sub(start).and_then(|i| window.get_mut(i));
                if let Some(paired) = place.and_then(Option::take) {
                    visitor(name, view, paired);
                }
                index += 1;
            });
            start += WINDOW;
            if start >= total {
                return;
            }
        }
    }

    /// Number of scalars over all tensors.
    fn count(&self) -> usize {
        let mut count = 0;
        self.visit(&mut |_, view| count += view.len());
        count
    }

    /// Names in declaration order.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.visit(&mut |name, _| names.push(name.to_owned()));
        names
    }

    /// Names and shapes in declaration order.
    fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Vec::new();
        self.visit(&mut |name, view| shapes.push((name.to_owned(), view.shape().to_vec())));
        shapes
    }

    /// The tensor called `name`, if there is one.
    fn tensor(&self, name: &str) -> Option<ArrayViewD<'_, f32>> {
        let mut found = None;
        self.visit(&mut |candidate, view| {
            if candidate == name {
                found = Some(view);
            }
        });
        found
    }

    /// The tensor called `name`, to be changed in place, if there is one.
    fn tensor_mut(&mut self, name: &str) -> Option<ArrayViewMutD<'_, f32>> {
        let mut found = None;
        self.visit_mut(&mut |candidate, view| {
            if candidate == name {
                found = Some(view);
            }
        });
        found
    }

    /// Sets every scalar to `value`.
    fn fill(&mut self, value: f32) {
        self.visit_mut(&mut |_, mut view| view.fill(value));
    }

    /// A value of the same shapes filled with zeros, for gradients.
    fn zeros_like(&self) -> Self {
        let mut zeros = self.clone();
        zeros.fill(0.0);
        zeros
    }

    /// Copies of all tensors by name.
    fn to_map(&self) -> BTreeMap<String, ArrayD<f32>> {
        let mut map = BTreeMap::new();
        self.visit(&mut |name, view| {
            map.insert(name.to_owned(), view.to_owned());
        });
        map
    }

    /// Adds `scale * other` in place, for gradient accumulation.
    ///
    /// # Errors
    /// [`ParamsError::Shape`] when a pair of tensors differs in shape; nothing is changed then.
    fn add_scaled(&mut self, scale: f32, other: &Self) -> Result<(), ParamsError> {
        self.check_shapes_of(other)?;
        self.zip_mut(other, &mut |_, mut left, right| {
            Zip::from(&mut left)
                .and(&right)
                .for_each(|left, &right| *left += scale * right);
        });
        Ok(())
    }

    /// Compares the shapes of two values of this type.
    ///
    /// # Errors
    /// [`ParamsError::Shape`] names the first tensor whose shapes differ.
    fn check_shapes_of(&self, other: &Self) -> Result<(), ParamsError> {
        let expected = self.shapes();
        let mut index = 0;
        let mut error = None;
        other.visit(&mut |name, view| {
            let shape = expected
                .get(index)
                .map(|(_, shape)| shape.as_slice())
                .unwrap_or_default();
            if error.is_none() && shape != view.shape() {
                error = Some(ParamsError::Shape {
                    name: name.to_owned(),
                    expected: shape.to_vec(),
                    found: view.shape().to_vec(),
                });
            }
            index += 1;
        });
        error.map_or(Ok(()), Err)
    }
}

/// Compares the names and shapes of `params` with `specs`, position by position, without allocating on success.
///
/// # Errors
/// [`ParamsError`] names the first tensor that differs.
pub fn check_specs<P: Tensors>(params: &P, specs: &[ParamSpec]) -> Result<(), ParamsError> {
    let mut index = 0;
    let mut error = None;
    params.visit(&mut |name, view| {
        if error.is_none() {
            error = match specs.get(index) {
                Some(spec) if spec.name == name && spec.shape == view.shape() => None,
                Some(spec) if spec.name == name => Some(ParamsError::Shape {
                    name: name.to_owned(),
                    expected: spec.shape.clone(),
                    found: view.shape().to_vec(),
                }),
                spec => Some(ParamsError::Name {
                    index,
                    expected: spec.map(|spec| spec.name.clone()),
                    found: Some(name.to_owned()),
                }),
            };
        }
        index += 1;
    });
    if let Some(error) = error {
        return Err(error);
    }
    match specs.get(index) {
        None => Ok(()),
        Some(spec) => Err(ParamsError::Name {
            index,
            expected: Some(spec.name.clone()),
            found: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Many, Tiny, tiny_specs};

    #[test]
    fn names_are_dotted_and_in_declaration_order() {
        let tiny = Tiny::counting();
        assert_eq!(tiny.names(), ["cell.W", "cell.b", "readout", "scale"]);
        assert_eq!(tiny.count(), 6 + 2 + 2 + 1);
        assert_eq!(tiny.to_map()["cell.W"].shape(), [2, 3]);
        assert_eq!(tiny.tensor("readout").map(|view| view.len()), Some(2));
        assert!(tiny.tensor("cell").is_none());
    }

    #[test]
    fn zip_pairs_every_tensor_once_beyond_one_window() {
        for tensors in [
            0,
            1,
            WINDOW - 1,
            WINDOW,
            WINDOW + 1,
            3 * WINDOW,
            3 * WINDOW + 5,
        ] {
            let mut left = Many::new(tensors);
            let right = left.clone();
            let mut names = Vec::new();
            left.zip_mut(&right, &mut |name, left, right| {
                assert_eq!(left, right);
                names.push(name.to_owned());
            });
            assert_eq!(names, right.names());
        }
    }

    #[test]
    fn add_scaled_refuses_other_shapes_and_changes_nothing() {
        let mut tiny = Tiny::counting();
        let before = tiny.clone();
        let mut other = Tiny::counting();
        other.readout = ndarray::Array1::zeros(3);
        let error = tiny.add_scaled(1.0, &other).unwrap_err();
        assert_eq!(
            error.to_string(),
            "shapes of `readout` differ: expected [2], found [3]"
        );
        assert_eq!(tiny, before);

        tiny.add_scaled(-1.0, &before).unwrap();
        assert_eq!(tiny, before.zeros_like());
    }

    #[test]
    fn specs_are_compared_by_name_and_shape() {
        let tiny = Tiny::counting();
        let mut specs = tiny_specs();
        check_specs(&tiny, &specs).unwrap();
        specs[1].shape = vec![7];
        assert!(matches!(
            check_specs(&tiny, &specs),
            Err(ParamsError::Shape { .. })
        ));
        specs.truncate(1);
        assert!(matches!(
            check_specs(&tiny, &specs),
            Err(ParamsError::Name { index: 1, .. })
        ));
        let mut specs = tiny_specs();
        specs.push(specs[0].clone());
        assert!(matches!(
            check_specs(&tiny, &specs),
            Err(ParamsError::Name { index: 4, .. })
        ));
    }
}
