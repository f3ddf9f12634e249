//! Gradient clipping (Pascanu, Mikolov & Bengio 2013).
//!
//! ```text
//! global norm   g <- g theta / |g|  where |g| = sqrt(sum over all trained tensors of g^2) > theta
//! adaptive      the same with theta_t = alpha theta_{t-1} + (1 - alpha) |g_t|
//! value         g <- max(-theta, min(theta, g))
//! ```
//!
//! Norms are summed in `f64` over eight interleaved lanes per tensor, in declaration order, so they depend on neither
//! strides nor threads. They are of whole gradients: of a parameter that stays orthonormal, too, of whose gradient a step then uses
//! only what lies along such matrices ([`crate::optim`]).
//!
//! **Invariant:** a gradient that is not finite is an error and changes nothing.

use std::fmt;
use std::str::FromStr;

use ndarray::{ArrayViewD, ArrayViewMutD};

use crate::error::{ClipError, StateTextError};
use crate::tensors::{ParamSpec, Tensors, check_specs};

/// Independent partial sums, so that the additions pipeline.
const LANES: usize = 8;

/// Euclidean norm over all trained tensors.
///
/// # Errors
/// [`ClipError::NonFinite`] names the first trained tensor with a NaN or an infinity, [`ClipError::Params`] tells that
/// `grads` and `specs` differ.
pub fn global_norm<P: Tensors>(grads: &P, specs: &[ParamSpec]) -> Result<f64, ClipError> {
    check_specs(grads, specs)?;
    let mut total = 0.0;
    let mut index = 0;
    let mut bad = None;
    grads.visit(&mut |_, view| {
        if specs[index].is_trained() {
            let square = sum_of_squares(&view);
            // Squares of finite f32 cannot overflow an f64 sum, so only the gradient itself can be at fault.
            if !square.is_finite() && bad.is_none() {
                bad = Some(index);
            }
            total += square;
        }
        index += 1;
    });
    match bad {
        Some(index) => Err(ClipError::NonFinite {
            name: specs[index].name.clone(),
        }),
        None => Ok(total.sqrt()),
    }
}

/// Scales all trained gradients so that their global norm is at most `max_norm`; returns the norm before.
///
/// # Errors
/// As [`global_norm`], and [`ClipError::Threshold`] unless `max_norm` is positive and finite.
pub fn clip_global_norm<P: Tensors>(
    grads: &mut P,
    specs: &[ParamSpec],
    max_norm: f32,
) -> Result<f64, ClipError> {
    check_threshold(f64::from(max_norm))?;
    let norm = global_norm(grads, specs)?;
    scale_to(grads, specs, norm, f64::from(max_norm));
    Ok(norm)
}

/// Limits every trained gradient to `-limit..=limit`; returns how many scalars were cut.
///
/// # Errors
/// As [`global_norm`], and [`ClipError::Threshold`] unless `limit` is positive and finite.
pub fn clip_values<P: Tensors>(
    grads: &mut P,
    specs: &[ParamSpec],
    limit: f32,
) -> Result<usize, ClipError> {
    check_threshold(f64::from(limit))?;
    global_norm(grads, specs)?;
    let mut cut = 0;
    visit_trained(grads, specs, &mut |mut view| {
        view.map_inplace(|g| {
            cut += usize::from(g.abs() > limit);
            *g = g.clamp(-limit, limit);
        });
    });
    Ok(cut)
}

/// Global-norm clipping whose threshold follows the norms seen.
///
/// Its text form, `threshold/smoothing` as bits in hexadecimal, restores it exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveClip {
    threshold: f64,
    smoothing: f64,
}

impl AdaptiveClip {
    /// The share of the old threshold that is kept.
    pub fn smoothing(&self) -> f64 {
        self.smoothing
    }

    /// Starts at `threshold`; `smoothing` is the share `alpha` of the old threshold that is kept.
    ///
    /// # Errors
    /// [`ClipError::Threshold`] unless `threshold` is positive and finite, [`ClipError::Smoothing`] unless `smoothing`
    /// is in `0..1`.
    pub fn new(threshold: f64, smoothing: f64) -> Result<Self, ClipError> {
        check_threshold(threshold)?;
        if !(0.0..1.0).contains(&smoothing) {
            return Err(ClipError::Smoothing { found: smoothing });
        }
        Ok(Self {
            threshold,
            smoothing,
        })
    }

    /// The current threshold.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Updates the threshold from the norm of `grads`, clips them to it, and returns the norm before.
    ///
    /// # Errors
    /// As [`global_norm`]; the threshold is unchanged then.
    pub fn clip<P: Tensors>(
        &mut self,
        grads: &mut P,
        specs: &[ParamSpec],
    ) -> Result<f64, ClipError> {
        let norm = global_norm(grads, specs)?;
        self.threshold = self.smoothing * self.threshold + (1.0 - self.smoothing) * norm;
        scale_to(grads, specs, norm, self.threshold);
        Ok(norm)
    }
}

impl fmt::Display for AdaptiveClip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:x}/{:x}",
            self.threshold.to_bits(),
            self.smoothing.to_bits()
        )
    }
}

impl FromStr for AdaptiveClip {
    type Err = StateTextError;

    fn from_str(text: &str) -> Result<Self, StateTextError> {
        let bad =
            || StateTextError::new("clipping state `threshold/smoothing` in hexadecimal", text);
        let (threshold, smoothing) = text.split_once('/').ok_or_else(bad)?;
        let number = |text| {
            u64::from_str_radix(text, 16)
                .map(f64::from_bits)
                .map_err(|_| bad())
        };
        let clip = Self {
            threshold: number(threshold)?,
            smoothing: number(smoothing)?,
        };
        let valid = clip.threshold.is_finite()
            && clip.threshold >= 0.0
            && (0.0..1.0).contains(&clip.smoothing);
        if valid { Ok(clip) } else { Err(bad()) }
    }
}

fn check_threshold(found: f64) -> Result<(), ClipError> {
    if found.is_finite() && found > 0.0 {
        Ok(())
    } else {
        Err(ClipError::Threshold { found })
    }
}

fn scale_to<P: Tensors>(grads: &mut P, specs: &[ParamSpec], norm: f64, max_norm: f64) {
    if norm > max_norm {
        let scale = (max_norm / norm) as f32;
        visit_trained(grads, specs, &mut |mut view| {
            view.map_inplace(|g| *g *= scale)
        });
    }
}

fn visit_trained<P: Tensors>(
    grads: &mut P,
    specs: &[ParamSpec],
    visitor: &mut dyn FnMut(ArrayViewMutD<'_, f32>),
) {
    let mut index = 0;
    grads.visit_mut(&mut |_, view| {
        if specs[index].is_trained() {
            visitor(view);
        }
        index += 1;
    });
}

/// Sum of squares of one tensor in row-major order: scalar `k` goes to lane `k % LANES`.
pub(crate) fn sum_of_squares(view: &ArrayViewD<'_, f32>) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    if let Some(slice) = view.as_slice() {
        let (chunks, rest) = slice.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &g) in lanes.iter_mut().zip(chunk) {
                *lane += f64::from(g) * f64::from(g);
            }
        }
        for (lane, &g) in lanes.iter_mut().zip(rest) {
            *lane += f64::from(g) * f64::from(g);
        }
    } else {
        for (k, &g) in view.iter().enumerate() {
            lanes[k % LANES] += f64::from(g) * f64::from(g);
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Many, Tiny, tiny_specs};

    /// The trained part of `Tiny::counting` is 1..=10, whose squares sum to 385; `scale` (11) is fixed.
    const NORM_SQUARED: f64 = 385.0;

    #[test]
    fn norm_is_over_trained_tensors_and_returned_from_before_clipping() {
        let mut grads = Tiny::counting();
        let norm = clip_global_norm(&mut grads, &tiny_specs(), 1.0).unwrap();
        assert_eq!(norm, NORM_SQUARED.sqrt());
        assert_eq!(grads.scale[()], 11.0);
        let after = global_norm(&grads, &tiny_specs()).unwrap();
        assert!((after - 1.0).abs() <= 2e-7, "{after}");
        assert_eq!(
            grads.cell.w[[0, 1]],
            2.0 * (1.0 / NORM_SQUARED.sqrt()) as f32
        );
    }

    #[test]
    fn small_gradients_are_left_alone() {
        let mut grads = Tiny::counting();
        clip_global_norm(&mut grads, &tiny_specs(), 19.63).unwrap();
        assert_eq!(grads, Tiny::counting());
        let mut zeros = grads.zeros_like();
        assert_eq!(clip_global_norm(&mut zeros, &tiny_specs(), 1.0), Ok(0.0));
    }

    #[test]
    fn strides_do_not_change_the_norm() {
        let rows = Tiny::waving(0.25);
        let mut columns = rows.clone();
        columns.cell.w = rows
            .cell
            .w
            .t()
            .as_standard_layout()
            .into_owned()
            .reversed_axes();
        assert!(columns.cell.w.as_slice().is_none());
        assert_eq!(
            global_norm(&rows, &tiny_specs()),
            global_norm(&columns, &tiny_specs())
        );
    }

    #[test]
    fn huge_gradients_do_not_overflow() {
        let mut grads = Many::new(40);
        grads.fill(f32::MAX);
        let specs = grads.specs();
        let norm = clip_global_norm(&mut grads, &specs, 1.0).unwrap();
        let expected = f64::from(f32::MAX) * (grads.count() as f64).sqrt();
        assert!((norm / expected - 1.0).abs() < 1e-12);
        assert!(global_norm(&grads, &specs).unwrap() <= 1.0 + 2e-7);
    }

    #[test]
    fn gradients_that_are_not_finite_are_named_and_untouched() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut grads = Tiny::counting();
            grads.cell.b[1] = bad;
            let before: Vec<u32> = grads.cell.w.iter().map(|g| g.to_bits()).collect();
            let error = clip_global_norm(&mut grads, &tiny_specs(), 1.0).unwrap_err();
            assert_eq!(
                error,
                ClipError::NonFinite {
                    name: "cell.b".to_owned()
                }
            );
            assert!(clip_values(&mut grads, &tiny_specs(), 1.0).is_err());
            assert_eq!(
                grads.cell.w.iter().map(|g| g.to_bits()).collect::<Vec<_>>(),
                before
            );
        }
        let mut grads = Tiny::counting();
        grads.scale[()] = f32::NAN;
        assert!(clip_global_norm(&mut grads, &tiny_specs(), 1.0).is_ok());
    }

    #[test]
    fn values_are_limited_and_counted() {
        let mut grads = Tiny::counting();
        grads.cell.w[[0, 0]] = -9.0;
        assert_eq!(clip_values(&mut grads, &tiny_specs(), 4.0), Ok(7));
        assert_eq!(
            grads.cell.w.as_slice().unwrap(),
            [-4.0, 2.0, 3.0, 4.0, 4.0, 4.0]
        );
        assert_eq!(grads.scale[()], 11.0);
    }

    #[test]
    fn adaptive_threshold_follows_the_norm_and_restores() {
        let mut clip = AdaptiveClip::new(1.0, 0.75).unwrap();
        let mut grads = Tiny::counting();
        let norm = clip.clip(&mut grads, &tiny_specs()).unwrap();
        let threshold = 0.75 + 0.25 * NORM_SQUARED.sqrt();
        assert_eq!((norm, clip.threshold()), (NORM_SQUARED.sqrt(), threshold));
        assert!((global_norm(&grads, &tiny_specs()).unwrap() / threshold - 1.0).abs() < 2e-7);
        assert_eq!(clip.to_string().parse(), Ok(clip));
        for bad in ["", "0", "zz/0", "7ff8000000000000/0", "0/3ff0000000000000"] {
            assert!(bad.parse::<AdaptiveClip>().is_err(), "{bad}");
        }
    }

    #[test]
    fn thresholds_out_of_range_are_refused() {
        let mut grads = Tiny::counting();
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(matches!(
                clip_global_norm(&mut grads, &tiny_specs(), bad),
                Err(ClipError::Threshold { .. })
            ));
            assert!(matches!(
                clip_values(&mut grads, &tiny_specs(), bad),
                Err(ClipError::Threshold { .. })
            ));
        }
        assert!(matches!(
            AdaptiveClip::new(1.0, 1.0),
            Err(ClipError::Smoothing { .. })
        ));
    }
}
