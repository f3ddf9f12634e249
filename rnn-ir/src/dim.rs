//! Sizes of feature axes: polynomials with integer coefficients over a model's size parameters.
//!
//! `4*H` and `E + 2*H` are dims. Two dims are equal exactly when they are the same polynomial, so shapes can be
//! compared before any size is known.
//!
//! **Invariant:** terms are sorted by monomial, monomials are sorted by name, and no coefficient is zero.

use std::collections::BTreeMap;
use std::fmt;

/// A symbolic size, in canonical form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dim {
    terms: Vec<(Vec<String>, i64)>,
}

/// Why a dim has no value for the sizes given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DimError {
    /// A size parameter has no value.
    #[error("size `{name}` has no value")]
    Unbound {
        /// The parameter.
        name: String,
    },
    /// The value does not fit into the machine's index type.
    #[error("size `{dim}` overflows")]
    Overflow {
        /// The dim that overflows.
        dim: String,
    },
    /// The value is below one.
    #[error("size `{dim}` is {value}, expected at least 1")]
    NotPositive {
        /// The dim.
        dim: String,
        /// Its value.
        value: i64,
    },
}

impl Dim {
    /// A known size.
    pub fn constant(value: i64) -> Self {
        Self::from_terms(BTreeMap::from([(Vec::new(), value)]))
    }

    /// A size parameter.
    pub fn size(name: impl Into<String>) -> Self {
        Self {
            terms: vec![(vec![name.into()], 1)],
        }
    }

    fn from_terms(terms: BTreeMap<Vec<String>, i64>) -> Self {
        Self {
            terms: terms
                .into_iter()
                .filter(|(_, coefficient)| *coefficient != 0)
                .collect(),
        }
    }

    fn combine(&self, other: &Self, sign: i64) -> Option<Self> {
        let mut terms: BTreeMap<_, _> = self.terms.iter().cloned().collect();
        for (monomial, coefficient) in &other.terms {
            let entry = terms.entry(monomial.clone()).or_insert(0i64);
            *entry = entry.checked_add(coefficient.checked_mul(sign)?)?;
        }
        Some(Self::from_terms(terms))
    }

    /// `self + other`, or `None` when a coefficient overflows.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        self.combine(other, 1)
    }

    /// `self - other`, or `None` when a coefficient overflows.
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        self.combine(other, -1)
    }

    /// `self * other`, or `None` when a coefficient overflows.
    pub fn checked_mul(&self, other: &Self) -> Option<Self> {
        let mut terms: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        for (left, a) in &self.terms {
            for (right, b) in &other.terms {
                let mut monomial: Vec<String> = left.iter().chain(right).cloned().collect();
                monomial.sort();
                let entry = terms.entry(monomial).or_insert(0);
                *entry = entry.checked_add(a.checked_mul(*b)?)?;
            }
        }
        Some(Self::from_terms(terms))
    }

    /// The sum of dims whose overflow was ruled out by [`bind`](Self::bind) or by their origin in source text.
    pub fn sum<'a>(dims: impl IntoIterator<Item = &'a Self>) -> Self {
        dims.into_iter().fold(Self::constant(0), |total, dim| {
            total
                .checked_add(dim)
                .unwrap_or_else(|| Self::constant(i64::MAX))
        })
    }

    /// The value, when the dim has no size parameter.
    pub fn as_constant(&self) -> Option<i64> {
        match self.terms.as_slice() {
            [] => Some(0),
            [(monomial, value)] if monomial.is_empty() => Some(*value),
            _ => None,
        }
    }

    /// Whether the value is at least zero whatever the sizes, none of which is below one. `false` means unknown.
    pub fn is_never_negative(&self) -> bool {
        let named =
            |(monomial, coefficient): &(Vec<String>, i64)| !monomial.is_empty() && *coefficient < 0;
        // Every monomial is at least one, so the value is at least the sum of the coefficients.
        let least = self
            .terms
            .iter()
            .try_fold(0i64, |sum, (_, coefficient)| sum.checked_add(*coefficient));
        !self.terms.iter().any(named) && least.is_some_and(|least| least >= 0)
    }

    /// The size parameters it mentions, each once, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .terms
            .iter()
            .flat_map(|(monomial, _)| monomial.iter().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Replaces every size parameter by a dim.
    pub fn substitute(&self, value_of: &dyn Fn(&str) -> Option<Self>) -> Option<Self> {
        let mut total = Self::constant(0);
        for (monomial, coefficient) in &self.terms {
            let mut term = Self::constant(*coefficient);
            for name in monomial {
                term =
                    term.checked_mul(&value_of(name).unwrap_or_else(|| Self::size(name.clone())))?;
            }
            total = total.checked_add(&term)?;
        }
        Some(total)
    }

    /// The value for given sizes.
    ///
    /// # Errors
    /// A name without a size, or a value that does not fit into `i64`.
    pub fn evaluate(&self, size_of: &dyn Fn(&str) -> Option<usize>) -> Result<i64, DimError> {
        let overflow = || DimError::Overflow {
            dim: self.to_string(),
        };
        let mut total = 0i64;
        for (monomial, coefficient) in &self.terms {
            let mut term = *coefficient;
            for name in monomial {
                let size = size_of(name).ok_or_else(|| DimError::Unbound { name: name.clone() })?;
                let size = i64::try_from(size).map_err(|_| overflow())?;
                term = term.checked_mul(size).ok_or_else(overflow)?;
            }
            total = total.checked_add(term).ok_or_else(overflow)?;
        }
        Ok(total)
    }

    /// The value for given sizes, as a constant dim of at least one.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate), and a value below one.
    pub fn bind(&self, size_of: &dyn Fn(&str) -> Option<usize>) -> Result<Self, DimError> {
        let value = self.evaluate(size_of)?;
        if value < 1 {
            return Err(DimError::NotPositive {
                dim: self.to_string(),
                value,
            });
        }
        Ok(Self::constant(value))
    }
}

impl From<i64> for Dim {
    fn from(value: i64) -> Self {
        Self::constant(value)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("0");
        }
        // Named terms first: `E + 1`, not `1 + E`.
        let named = self
            .terms
            .iter()
            .filter(|(monomial, _)| !monomial.is_empty());
        let plain = self
            .terms
            .iter()
            .filter(|(monomial, _)| monomial.is_empty());
        for (position, (monomial, coefficient)) in named.chain(plain).enumerate() {
            match (position, *coefficient < 0) {
                (0, true) => f.write_str("-")?,
                (0, false) => {}
                (_, true) => f.write_str(" - ")?,
                (_, false) => f.write_str(" + ")?,
            }
            let size = coefficient.unsigned_abs();
            if monomial.is_empty() {
                write!(f, "{size}")?;
            } else {
                if size != 1 {
                    write!(f, "{size}*")?;
                }
                f.write_str(&monomial.join("*"))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_canonical() {
        let (h, e) = (Dim::size("H"), Dim::size("E"));
        let twice = h.checked_add(&h).expect("small");
        assert_eq!(twice, Dim::constant(2).checked_mul(&h).expect("small"));
        let sum = e.checked_add(&twice).expect("small");
        assert_eq!(sum.to_string(), "E + 2*H");
        assert_eq!(sum.checked_sub(&sum).expect("small").as_constant(), Some(0));
        assert_eq!(h.checked_mul(&e), e.checked_mul(&h));
        assert_eq!(
            e.checked_sub(&Dim::constant(1)).expect("small").to_string(),
            "E - 1"
        );
    }

    #[test]
    fn signs_are_known_where_they_do_not_depend_on_sizes() {
        let (h, one) = (Dim::size("H"), Dim::constant(1));
        assert!(h.checked_sub(&one).expect("small").is_never_negative());
        let two = Dim::constant(2);
        assert!(!h.checked_sub(&two).expect("small").is_never_negative());
        let e = Dim::size("E");
        assert!(!e.checked_sub(&h).expect("small").is_never_negative());
    }

    #[test]
    fn binding_checks_names_sign_and_overflow() {
        let dim = Dim::size("H").checked_mul(&Dim::size("H")).expect("small");
        assert_eq!(
            dim.bind(&|_| Some(3)).expect("bound").as_constant(),
            Some(9)
        );
        assert_eq!(
            dim.bind(&|_| None),
            Err(DimError::Unbound { name: "H".into() })
        );
        assert!(matches!(
            dim.bind(&|_| Some(usize::MAX)),
            Err(DimError::Overflow { .. })
        ));
        assert!(matches!(
            dim.bind(&|_| Some(1 << 40)),
            Err(DimError::Overflow { .. })
        ));
        assert!(matches!(
            dim.bind(&|_| Some(0)),
            Err(DimError::NotPositive { .. })
        ));
    }
}
