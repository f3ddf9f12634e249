//! The linear algebra of orthogonal and spectral-radius initialisation, in `f64`, on one thread.
//!
//! **Invariant:** results do not depend on the number of threads or on settings of the linear algebra crate.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, evd_real, evd_scratch};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_householder,
};
use faer::linalg::qr::no_pivoting::factor::{
    qr_in_place, qr_in_place_scratch, recommended_block_size,
};
use faer::{Conj, Mat, Par};

/// The orthonormal factor of a Gaussian `[m, n]` matrix, both row-major: orthonormal columns when `m >= n`,
/// orthonormal rows otherwise.
///
/// `A = Q R` is unique once the diagonal of `R` is positive, and only then is `Q` uniform over orthogonal matrices
/// (Mezzadri 2007); Householder QR leaves other signs, so column `j` is multiplied by the sign of `R[j, j]`.
pub(super) fn orthonormalise(values: &[f64], m: usize, n: usize) -> Vec<f64> {
    let (rows, columns) = (m.max(n), m.min(n));
    if columns == 0 {
        return Vec::new();
    }
    let source = |i: usize, j: usize| {
        if m >= n {
            values[i * n + j]
        } else {
            values[j * n + i]
        }
    };
    let mut factors = Mat::from_fn(rows, columns, source);
    let block = recommended_block_size::<f64>(rows, columns);
    let mut coefficients = Mat::zeros(block, columns);
    let scratch = qr_in_place_scratch::<f64>(rows, columns, block, Par::Seq, Default::default());
    qr_in_place(
        factors.as_mut(),
        coefficients.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    );
    let mut q = Mat::<f64>::identity(rows, columns);
    apply_householder(
        factors.as_ref(),
        coefficients.as_ref(),
        Conj::No,
        q.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(apply_scratch::<f64>(
            rows, block, columns,
        ))),
    );
    let signed = |i: usize, j: usize| {
        if factors[(j, j)] < 0.0 {
            -q[(i, j)]
        } else {
            q[(i, j)]
        }
    };
    let target = |k: usize| {
        if m >= n {
            signed(k / n, k % n)
        } else {
            signed(k % n, k / n)
        }
    };
    (0..m * n).map(target).collect()
}

/// Largest eigenvalue modulus of a row-major `[n, n]` matrix with `n > 0`; NaN when the iteration fails.
pub(super) fn spectral_radius(values: &[f64], n: usize) -> f64 {
    let matrix = Mat::from_fn(n, n, |i, j| values[i * n + j]);
    let (mut re, mut im) = (Diag::<f64>::zeros(n), Diag::<f64>::zeros(n));
    let none = ComputeEigenvectors::No;
    let scratch = evd_scratch::<f64>(n, none, none, Par::Seq, Default::default());
    let done = evd_real(
        matrix.as_ref(),
        re.as_mut(),
        im.as_mut(),
        None,
        None,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    );
    if done.is_err() {
        return f64::NAN;
    }
    (0..n).map(|k| re[k].hypot(im[k])).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spectral_radius_of_known_matrices() {
        // A rotation by any angle has eigenvalues exp(+-i angle); a triangular matrix has its diagonal.
        let (sin, cos) = 0.3_f64.sin_cos();
        assert!((spectral_radius(&[cos, -sin, sin, cos], 2) - 1.0).abs() < 1e-12);
        assert!((spectral_radius(&[0.5, 9.0, 0.0, -0.75], 2) - 0.75).abs() < 1e-12);
        assert_eq!(spectral_radius(&[-3.0], 1), 3.0);
    }

    #[test]
    fn orthonormal_factor_of_a_triangular_matrix_with_positive_diagonal_is_the_identity() {
        let q = orthonormalise(&[2.0, 5.0, -7.0, 0.0, 3.0, 1.0, 0.0, 0.0, 4.0], 3, 3);
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        assert!(
            q.iter().zip(identity).all(|(q, i)| (q - i).abs() < 1e-14),
            "{q:?}"
        );
    }
}
