//! Ranges of counts.
//!
//! **Invariant:** every count is in exactly one bucket, and buckets are in rising order.

use std::ops::RangeInclusive;

/// Ranges that cover all counts from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// The first count of each bucket but the first, rising.
    edges: Vec<usize>,
}

impl Buckets {
    /// Buckets that begin at 0 and at each of these, in any order.
    ///
    /// ```
    /// use rnn_runtime::metrics::Buckets;
    ///
    /// let buckets = Buckets::from([5, 10]);
    /// assert_eq!((buckets.len(), buckets.of(4), buckets.of(5), buckets.of(99)), (3, 0, 1, 2));
    /// assert_eq!(buckets.name(1), "5..=9");
    /// ```
    pub fn new(edges: impl IntoIterator<Item = usize>) -> Self {
        let mut edges: Vec<usize> = edges.into_iter().filter(|edge| *edge > 0).collect();
        edges.sort_unstable();
        edges.dedup();
        Self { edges }
    }

    /// 0, 1, 2 to 3, 4 to 7, and so on to `last`, and all above it.
    pub fn doubling(last: usize) -> Self {
        let powers = (0..usize::BITS).map(|bit| 1_usize << bit);
        Self::new(powers.take_while(|edge| *edge <= last))
    }

    /// `count` buckets of `width` counts, the last of which has all above it too.
    pub fn even(width: usize, count: usize) -> Self {
        Self::new((1..count).map_while(|bucket| width.checked_mul(bucket)))
    }

    /// Number of buckets.
    pub fn len(&self) -> usize {
        self.edges.len() + 1
    }

    /// There is always a bucket.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The bucket of a count.
    pub fn of(&self, count: usize) -> usize {
        self.edges.partition_point(|edge| *edge <= count)
    }

    /// The counts of a bucket; the last one has all to the largest there is.
    ///
    /// # Panics
    /// There is no such bucket.
    pub fn range(&self, bucket: usize) -> RangeInclusive<usize> {
        assert!(bucket < self.len(), "bucket {bucket} of {}", self.len());
        let start = bucket.checked_sub(1).map_or(0, |before| self.edges[before]);
        let end = self.edges.get(bucket).map_or(usize::MAX, |edge| edge - 1);
        start..=end
    }

    /// The counts of a bucket as text: `7`, `8..=15`, `16..`.
    ///
    /// # Panics
    /// There is no such bucket.
    pub fn name(&self, bucket: usize) -> String {
        let (start, end) = self.range(bucket).into_inner();
        match end {
            usize::MAX => format!("{start}.."),
            end if end == start => start.to_string(),
            end => format!("{start}..={end}"),
        }
    }
}

impl<const N: usize> From<[usize; N]> for Buckets {
    fn from(edges: [usize; N]) -> Self {
        Self::new(edges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_in_one_bucket() {
        for buckets in [
            Buckets::new([]),
            Buckets::from([9, 0, 3, 3]),
            Buckets::doubling(20),
            Buckets::even(4, 3),
        ] {
            for count in (0..40).chain([usize::MAX]) {
                let inside = |bucket: &usize| buckets.range(*bucket).contains(&count);
                let found: Vec<usize> = (0..buckets.len()).filter(inside).collect();
                assert_eq!(found, [buckets.of(count)]);
            }
        }
    }

    #[test]
    fn buckets_are_named_by_their_counts() {
        let names = |buckets: Buckets| {
            (0..buckets.len())
                .map(|bucket| buckets.name(bucket))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(Buckets::doubling(8)),
            ["0", "1", "2..=3", "4..=7", "8.."]
        );
        assert_eq!(names(Buckets::even(5, 3)), ["0..=4", "5..=9", "10.."]);
        assert_eq!(names(Buckets::even(usize::MAX, 3)).len(), 2);
    }
}
