//! Counting values by size, in constant memory.

use std::fmt;

/// Linear steps in each power of two: what a quantile says is at most an eighth too much.
const STEPS: usize = 8;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Larger values count as this much; in microseconds it is more than an hour.
const MAX_VALUE: u64 = (1 << 32) - 1;
const BUCKETS: usize = (32 - STEP_BITS as usize + 1) * STEPS;

/// How often values of each size have been seen. Takes about 2 KiB, however many they are.
#[derive(Clone)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: Box::new([0; BUCKETS]),
            count: 0,
            sum: 0,
            max: 0,
        }
    }
}

impl Histogram {
    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        self.counts[bucket(value.min(MAX_VALUE))] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    /// How many values have been counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them added up.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many values there were of each size: the largest value that is counted here, and how many are larger than that of the entry
    /// before it and not than this. Sizes of which there were none are left out.
    ///
    /// ```
    /// use pulsewheel::Histogram;
    ///
    /// let mut histogram = Histogram::default();
    /// for value in [1, 1, 100] {
    ///     histogram.record(value);
    /// }
    /// assert_eq!(histogram.buckets().collect::<Vec<_>>(), [(1, 2), (103, 1)]);
    /// assert_eq!((histogram.count(), histogram.sum()), (3, 102));
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let buckets = self.counts.iter().enumerate();
        let seen = buckets.filter(|(_, count)| **count > 0);
        seen.map(|(index, count)| (largest(index), *count))
    }

    /// The largest of them, or 0.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that this part of all, 0.0 to 1.0, does not exceed: 0.5 for the median, 0.999 for the slowest in a
    /// thousand. At most an eighth too much; 0 when nothing has been counted.
    pub fn quantile(&self, part: f64) -> u64 {
        let wanted = (part.clamp(0.0, 1.0) * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return largest(index).min(self.max);
            }
        }
        self.max
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("p999", &self.quantile(0.999))
            .field("max", &self.max)
            .finish()
    }
}

/// Values below 8 have a bucket each; above, each power of two has eight.
fn bucket(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    if bits <= STEP_BITS {
        return value as usize;
    }
    let shift = bits - STEP_BITS - 1;
    let step = (value >> shift) as usize - STEPS;
    (shift as usize + 1) * STEPS + step
}

/// The largest value of a bucket.
fn largest(index: usize) -> u64 {
    if index < STEPS {
        return index as u64;
    }
    let shift = index / STEPS - 1;
    let step = (index % STEPS + STEPS) as u64;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_of_small_values_are_exact() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0);
        for value in [1, 2, 3, 4] {
            histogram.record(value);
        }
        assert_eq!(histogram.quantile(0.0), 1);
        assert_eq!(histogram.quantile(0.5), 2);
        assert_eq!(histogram.quantile(0.75), 3);
        assert_eq!(histogram.quantile(1.0), 4);
        assert_eq!((histogram.count(), histogram.max()), (4, 4));
    }

    #[test]
    fn values_beyond_the_end_count_as_the_largest() {
        let mut histogram = Histogram::default();
        histogram.record(u64::MAX);
        assert_eq!(histogram.max(), u64::MAX);
        assert!(histogram.quantile(1.0) >= MAX_VALUE);
    }

    proptest! {
        #[test]
        fn every_value_is_in_a_bucket_that_ends_at_most_an_eighth_above_it(value in 0..=MAX_VALUE) {
            let end = largest(bucket(value));
            prop_assert!(end >= value && end - value <= value / 8, "{} {}", value, end);
            prop_assert!(value == 0 || bucket(value - 1) <= bucket(value));
        }
    }
}
