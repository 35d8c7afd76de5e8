//! How far an import is and how long it will still take.
//!
//! Reading is measured by bytes, the merge by records. Half of the bar shall be half of
//! the time, so the two are weighed by what they take: reading by how fast this upload
//! comes, the merge by what a record took in earlier imports.

use std::sync::{Mutex, PoisonError};

/// Before this, nothing is said of the time that is left.
const SILENT_S: f64 = 2.0;
/// How quickly the rate of an upload forgets: in this time, about two thirds.
const MEMORY_S: f64 = 5.0;
/// What a record takes in the merge, in seconds, before any was measured.
const FIRST_MERGE_S: f64 = 15e-6;
/// What the commit takes, in time of the merge before it.
const COMMIT_PER_MERGE: f64 = 0.1;
/// How much the newest import counts among the earlier ones.
const NEWEST_WEIGHT: f64 = 0.5;
/// Fewer records tell nothing of the rate.
const MIN_MEASURED: u64 = 1_000;

/// What a record takes in the merge, over all imports of the program.
#[derive(Debug)]
pub struct Rates {
    merge_s: Mutex<f64>,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            merge_s: Mutex::new(FIRST_MERGE_S),
        }
    }
}

impl Rates {
    pub fn merge_s(&self) -> f64 {
        *self.merge_s.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A merge of so many records took so long, its commit included.
    pub fn note_merge(&self, records: u64, seconds: f64) {
        if records >= MIN_MEASURED {
            let newest = seconds / records as f64 / (1.0 + COMMIT_PER_MERGE);
            let mut merge_s = self.merge_s.lock().unwrap_or_else(PoisonError::into_inner);
            *merge_s += (newest - *merge_s) * NEWEST_WEIGHT;
        }
    }
}

/// Progress and time left of one import. Times are seconds since its file began.
#[derive(Debug)]
pub struct Pace {
    merge_s: f64,
    /// 0 to 1, never falling.
    pub fraction: f64,
    last_at_s: f64,
    last_share: f64,
    /// Growth of the share that has been read, and the time it took, both fading.
    growth: f64,
    growth_s: f64,
    merge: Option<MergeBegin>,
}

#[derive(Clone, Copy, Debug)]
struct MergeBegin {
    at_s: f64,
    fraction: f64,
    /// How long the merge and the commit should take.
    expected_s: f64,
}

impl Pace {
    pub fn new(rates: &Rates) -> Pace {
        Pace {
            merge_s: rates.merge_s(),
            fraction: 0.0,
            last_at_s: 0.0,
            last_share: 0.0,
            growth: 0.0,
            growth_s: 0.0,
            merge: None,
        }
    }

    /// While reading: this share of the body has been read (`None` if its length is not
    /// known), and so many records were found in it. Gives the seconds left.
    pub fn read(&mut self, at_s: f64, share: Option<f64>, records: u64) -> Option<u64> {
        let share = share?.clamp(0.0, 1.0);
        let passed_s = (at_s - self.last_at_s).max(0.0);
        let fade = (-passed_s / MEMORY_S).exp();
        self.growth = self.growth * fade + (share - self.last_share).max(0.0);
        self.growth_s = self.growth_s * fade + passed_s;
        (self.last_at_s, self.last_share) = (at_s, share);
        if share <= 0.0 || self.growth <= 0.0 {
            return None;
        }
        let merge_s = self.merge_s_of(records as f64 / share);
        let reading_left_s = (1.0 - share) * self.growth_s / self.growth;
        let whole_s = at_s + reading_left_s + merge_s;
        if whole_s > 0.0 {
            // It begins lower than it would be by bytes, and grows with what is known.
            let now = (at_s / whole_s).min(share);
            self.fraction = self.fraction.max(now);
        }
        seconds_left(at_s, reading_left_s + merge_s)
    }

    /// The file has been read to its end and gave so many records.
    pub fn begin_merge(&mut self, at_s: f64, records: u64) {
        self.merge = Some(MergeBegin {
            at_s,
            fraction: self.fraction,
            expected_s: self.merge_s_of(records as f64),
        });
    }

    /// While merging: this share of the work is done. Gives the seconds left.
    pub fn merged(&mut self, at_s: f64, share: f64) -> Option<u64> {
        let merge = self.merge?;
        // The commit behind the merge has its part of the bar.
        let done = share.clamp(0.0, 1.0) / (1.0 + COMMIT_PER_MERGE);
        let now = merge.fraction + (1.0 - merge.fraction) * done;
        self.fraction = self.fraction.max(now);
        let taken_s = (at_s - merge.at_s).max(0.0);
        // The more has been merged, the more that tells of the rest.
        let trust = (done * 4.0).min(1.0);
        let measured_s = if done > 0.0 {
            taken_s / done
        } else {
            merge.expected_s
        };
        let whole_s = merge.expected_s * (1.0 - trust) + measured_s * trust;
        seconds_left(at_s, whole_s - taken_s)
    }

    fn merge_s_of(&self, records: f64) -> f64 {
        records * self.merge_s * (1.0 + COMMIT_PER_MERGE)
    }
}

fn seconds_left(at_s: f64, left_s: f64) -> Option<u64> {
    (at_s >= SILENT_S && left_s.is_finite()).then(|| left_s.max(0.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An import of 100,000 records. Gives (share of its time, progress, seconds left,
    /// estimate) for moments of it.
    fn moments(reading_s: f64, merge_s: f64, rates: &Rates) -> Vec<(f64, f64, f64, Option<u64>)> {
        let mut pace = Pace::new(rates);
        let whole_s = reading_s + merge_s;
        let mut moments = Vec::new();
        for step in 1..=100 {
            let share = f64::from(step) / 100.0;
            let at_s = share * reading_s;
            let said = pace.read(at_s, Some(share), step as u64 * 1_000);
            moments.push((at_s / whole_s, pace.fraction, whole_s - at_s, said));
        }
        pace.begin_merge(reading_s, 100_000);
        for step in 0..=100 {
            let share = f64::from(step) / 100.0;
            let at_s = reading_s + share * merge_s / (1.0 + COMMIT_PER_MERGE);
            let said = pace.merged(at_s, share);
            moments.push((at_s / whole_s, pace.fraction, whole_s - at_s, said));
        }
        moments
    }

    #[test]
    fn half_of_the_bar_is_half_of_the_time_once_the_rates_are_known() {
        for (reading_s, merge_s) in [(10.0, 10.0), (100.0, 2.0), (5.0, 20.0)] {
            let rates = Rates::default();
            for _ in 0..10 {
                rates.note_merge(100_000, merge_s);
            }
            for (time, fraction, left_s, said) in moments(reading_s, merge_s, &rates) {
                assert!((time - fraction).abs() < 0.05, "{time} {fraction}");
                if let Some(said) = said {
                    let error = (said as f64 - left_s).abs();
                    assert!(
                        error <= 0.05 * (reading_s + merge_s) + 1.0,
                        "{said} {left_s}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_wrong_rate_is_made_good_in_the_merge_and_progress_never_falls() {
        let rates = Rates::default(); // too fast
        let moments = moments(10.0, 30.0, &rates);
        assert!(moments.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        let (_, fraction, left_s, said) = moments[150];
        assert!(fraction < 1.0 && (said.unwrap() as f64 - left_s).abs() < 3.0);
    }

    #[test]
    fn nothing_is_said_at_first_nor_without_a_length() {
        let rates = Rates::default();
        for (time, _, _, said) in moments(10.0, 10.0, &rates) {
            assert_eq!(said.is_some(), time * 20.0 >= SILENT_S, "{time}");
        }
        let mut pace = Pace::new(&rates);
        assert_eq!(pace.read(10.0, None, 5), None);
        assert_eq!(pace.fraction, 0.0);
        pace.begin_merge(10.0, 5);
        pace.merged(10.0, 0.55);
        assert!((pace.fraction - 0.5).abs() < 1e-9);
    }
}
