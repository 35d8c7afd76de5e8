//! Figures out of samples.

use serde_json::{json, Value};
use std::time::Duration;

/// Durations of one measurement.
#[derive(Default)]
pub struct Latencies {
    nanos: Vec<u64>,
}

impl Latencies {
    pub fn add(&mut self, latency: Duration) {
        self.nanos.push(latency.as_nanos() as u64);
    }

    /// Median, 99th and 99.9th percentile, maximum in microseconds, and how many samples there were.
    pub fn summary(mut self) -> Value {
        self.nanos.sort_unstable();
        let us = |per_mille| percentile(&self.nanos, per_mille).map(|nanos| nanos as f64 / 1000.0);
        json!({
            "samples": self.nanos.len(),
            "p50_us": us(500),
            "p99_us": us(990),
            "p999_us": us(999),
            "max_us": us(1000),
        })
    }
}

/// The smallest sample that at least `per_mille` of the sorted samples do not exceed (nearest rank); `None` without samples.
pub fn percentile(sorted: &[u64], per_mille: usize) -> Option<u64> {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample_by_nearest_rank() {
        let samples: Vec<u64> = (1..=1000).collect();
        assert_eq!(percentile(&samples, 500), Some(500));
        assert_eq!(percentile(&samples, 990), Some(990));
        assert_eq!(percentile(&samples, 999), Some(999));
        assert_eq!(percentile(&samples, 1000), Some(1000));
        assert_eq!(percentile(&[1, 2, 3], 500), Some(2));
        assert_eq!(percentile(&[1, 2, 3], 0), Some(1));
    }

    #[test]
    fn one_sample_is_every_percentile_and_none_is_none() {
        assert_eq!(percentile(&[7], 500), Some(7));
        assert_eq!(percentile(&[7], 999), Some(7));
        assert_eq!(percentile(&[], 999), None);
    }

    #[test]
    fn a_summary_sorts_its_samples() {
        let mut latencies = Latencies::default();
        for us in [30, 10, 20] {
            latencies.add(Duration::from_micros(us));
        }
        let summary = latencies.summary();
        assert_eq!(summary["samples"], 3);
        assert_eq!(summary["p50_us"], 20.0);
        assert_eq!(summary["max_us"], 30.0);
    }
}
