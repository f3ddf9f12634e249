//! Dense tensors of the reference interpreter: row-major, one kind of element, reals in `f64`.
//!
//! **Invariant:** the number of elements is the product of the dims; a scalar has no dims and one element.

use crate::node::DType;

/// The elements of a [`Tensor`].
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Real numbers.
    Real(Vec<f64>),
    /// Tokens.
    Index(Vec<u32>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// A dense array, the last dim running fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    dims: Vec<usize>,
    data: Data,
}

impl Tensor {
    fn new(dims: Vec<usize>, data: Data) -> Self {
        let tensor = Self { dims, data };
        let expected: usize = tensor.dims.iter().product();
        assert_eq!(
            tensor.len(),
            expected,
            "a tensor of dims {:?} has {expected} elements",
            tensor.dims
        );
        tensor
    }

    /// Real elements.
    ///
    /// # Panics
    /// The number of elements is not the product of the dims.
    pub fn real(dims: impl Into<Vec<usize>>, data: impl Into<Vec<f64>>) -> Self {
        Self::new(dims.into(), Data::Real(data.into()))
    }

    /// Tokens.
    ///
    /// # Panics
    /// The number of elements is not the product of the dims.
    pub fn index(dims: impl Into<Vec<usize>>, data: impl Into<Vec<u32>>) -> Self {
        Self::new(dims.into(), Data::Index(data.into()))
    }

    /// Truth values.
    ///
    /// # Panics
    /// The number of elements is not the product of the dims.
    pub fn bool(dims: impl Into<Vec<usize>>, data: impl Into<Vec<bool>>) -> Self {
        Self::new(dims.into(), Data::Bool(data.into()))
    }

    /// A real scalar.
    pub fn scalar(value: f64) -> Self {
        Self::real([], [value])
    }

    /// Zeros: `0.0`, token `0`, false.
    pub fn zeros(dtype: DType, dims: impl Into<Vec<usize>>) -> Self {
        let dims = dims.into();
        let len = dims.iter().product();
        let data = match dtype {
            DType::Real => Data::Real(vec![0.0; len]),
            DType::Index => Data::Index(vec![0; len]),
            DType::Bool => Data::Bool(vec![false; len]),
        };
        Self { dims, data }
    }

    /// Its dims.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Its elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Real(data) => data.len(),
            Data::Index(data) => data.len(),
            Data::Bool(data) => data.len(),
        }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kind of its elements.
    pub fn dtype(&self) -> DType {
        match self.data {
            Data::Real(_) => DType::Real,
            Data::Index(_) => DType::Index,
            Data::Bool(_) => DType::Bool,
        }
    }

    /// Its real elements.
    ///
    /// # Panics
    /// Its elements are not real.
    pub fn reals(&self) -> &[f64] {
        match &self.data {
            Data::Real(data) => data,
            Data::Index(_) | Data::Bool(_) => panic!("expected reals, found {}", self.dtype()),
        }
    }

    /// Its real elements, to be changed.
    ///
    /// # Panics
    /// Its elements are not real.
    pub fn reals_mut(&mut self) -> &mut [f64] {
        match &mut self.data {
            Data::Real(data) => data,
            Data::Index(_) | Data::Bool(_) => panic!("expected reals, found another kind"),
        }
    }

    /// Its tokens.
    ///
    /// # Panics
    /// Its elements are not tokens.
    pub fn indices(&self) -> &[u32] {
        match &self.data {
            Data::Index(data) => data,
            Data::Real(_) | Data::Bool(_) => panic!("expected tokens, found {}", self.dtype()),
        }
    }

    /// Its truth values.
    ///
    /// # Panics
    /// Its elements are not truth values.
    pub fn bools(&self) -> &[bool] {
        match &self.data {
            Data::Bool(data) => data,
            Data::Real(_) | Data::Index(_) => panic!("expected bools, found {}", self.dtype()),
        }
    }

    /// The block of elements of the last `dims`, the `position`-th of them.
    pub(crate) fn block(&self, dims: Vec<usize>, position: usize) -> Self {
        let len: usize = dims.iter().product();
        let range = position * len..(position + 1) * len;
        let data = match &self.data {
            Data::Real(data) => Data::Real(data[range].to_vec()),
            Data::Index(data) => Data::Index(data[range].to_vec()),
            Data::Bool(data) => Data::Bool(data[range].to_vec()),
        };
        Self { dims, data }
    }

    /// Overwrites the `position`-th block of elements.
    pub(crate) fn set_block(&mut self, position: usize, block: &Self) {
        let start = position * block.len();
        let range = start..start + block.len();
        match (&mut self.data, &block.data) {
            (Data::Real(data), Data::Real(block)) => data[range].copy_from_slice(block),
            (Data::Index(data), Data::Index(block)) => data[range].copy_from_slice(block),
            (Data::Bool(data), Data::Bool(block)) => data[range].copy_from_slice(block),
            _ => unreachable!("a block has the kind of the tensor it is put into"),
        }
    }

    /// A tensor of elements of several others: for each, which tensor and which of its elements.
    pub(crate) fn pick(dims: Vec<usize>, from: &[&Self], picks: &[(usize, usize)]) -> Self {
        let first = from.first().expect("something to pick from");
        let data = match first.dtype() {
            DType::Real => Data::Real(picks.iter().map(|&(t, i)| from[t].reals()[i]).collect()),
            DType::Index => Data::Index(picks.iter().map(|&(t, i)| from[t].indices()[i]).collect()),
            DType::Bool => Data::Bool(picks.iter().map(|&(t, i)| from[t].bools()[i]).collect()),
        };
        Self::new(dims, data)
    }
}
