//! Linear least squares.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// The `w` that minimises `|X w - y|^2`, for `X: [n, k]` of full column rank, by Householder reflections (Golub & Van Loan 2013,
/// algorithm 5.3.2); `None` where a column depends on those before it, or there are fewer rows than columns.
pub(crate) fn least_squares(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Option<Array1<f64>> {
    let (n, k) = x.dim();
    if n < k || y.len() != n {
        return None;
    }
    let (mut r, mut y): (Array2<f64>, Array1<f64>) = (x.to_owned(), y.to_owned());
    for j in 0..k {
        let mut v = r.slice(ndarray::s![j.., j]).to_owned();
        let norm = v.dot(&v).sqrt();
        let column = x.column(j);
        if norm <= 1e-10 * column.dot(&column).sqrt() {
            return None;
        }
        v[0] += norm.copysign(v[0]);
        let square = v.dot(&v);
        for i in j..k {
            let mut column = r.slice_mut(ndarray::s![j.., i]);
            let share = 2.0 * v.dot(&column) / square;
            column.scaled_add(-share, &v);
        }
        let mut rest = y.slice_mut(ndarray::s![j..]);
        let share = 2.0 * v.dot(&rest) / square;
        rest.scaled_add(-share, &v);
    }
    let mut w = Array1::zeros(k);
    for j in (0..k).rev() {
        let known: f64 = (j + 1..k).map(|i| r[[j, i]] * w[i]).sum();
        w[j] = (y[j] - known) / r[[j, j]];
    }
    Some(w)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_rest_is_orthogonal_to_the_columns() {
        let x = array![[1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [1.0, 4.0]];
        let y = array![6.0, 5.0, 7.0, 10.0];
        // 3.5 + 1.4 x, the textbook example.
        let w = least_squares(x.view(), y.view()).unwrap();
        assert!(
            (w[0] - 3.5).abs() < 1e-12 && (w[1] - 1.4).abs() < 1e-12,
            "{w}"
        );
        let rest = x.t().dot(&(&y - x.dot(&w)));
        assert!(rest.iter().all(|own| own.abs() < 1e-12), "{rest}");
        let same = array![[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]];
        assert_eq!(
            least_squares(same.view(), array![1.0, 2.0, 3.0].view()),
            None
        );
    }
}
