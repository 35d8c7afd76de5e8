//! How far an import is and how long it will still take.
//!
//! Reading is measured by bytes, the merge by its steps. Half of the bar shall be half of
//! the time, so the two are weighed by what they take: reading by how fast this upload
//! comes, the merge by how fast this machine was at reading so far, as busy as it is now.

/// Before this, nothing is said of the time that is left.
const SILENT_S: f64 = 2.0;
/// How quickly the rate of an upload forgets: in this time, about two thirds.
const MEMORY_S: f64 = 5.0;
/// What the commit takes, in time of the merge before it.
const COMMIT_PER_MERGE: f64 = 0.12;
/// How much the newest import counts among the earlier ones.
const NEWEST_WEIGHT: f64 = 0.5;
/// Fewer records tell nothing of the rate.
const MIN_MEASURED: u64 = 1_000;
/// A merge may take so much longer or shorter than reading lets expect, and no more.
const FACTORS: std::ops::RangeInclusive<f64> = 0.1..=10.0;
/// Reading of so many seconds is thought to have been of usual speed beforehand.
const PRIOR_S: f64 = 0.05;

/// What there is in a file, or in the part of it that has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub bytes: u64,
    pub rows: u64,
    pub records: u64,
    /// What the merge has to do, in steps.
    pub steps: u64,
}

impl Amount {
    /// What reading takes where one step of the merge takes [`STEP_S`](Self::STEP_S), as
    /// measured with files of short and long rows, with many and with few records.
    fn reading_s(&self) -> f64 {
        self.bytes as f64 * 3.7e-9 + self.rows as f64 * 2.3e-6 + self.records as f64 * 2.0e-6
    }

    fn merge_s(&self) -> f64 {
        self.steps as f64 * Self::STEP_S * (1.0 + COMMIT_PER_MERGE)
    }

    const STEP_S: f64 = 4.6e-6;
}

/// Progress and time left of one import. Times are seconds since its file began.
#[derive(Debug)]
pub struct Pace {
    /// How much longer earlier merges took than their reading let expect.
    factor: f64,
    /// How much longer reading takes than usual, waiting for bytes left out: the machine
    /// may be slow, or busy. The more of the time is waiting, the less it is believed.
    slowness: f64,
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
    /// `factor` is what [`factor`](Self::factor) gave in earlier imports, 1 if there are
    /// none.
    pub fn new(factor: f64) -> Pace {
        Pace {
            factor: factor.clamp(*FACTORS.start(), *FACTORS.end()),
            slowness: 1.0,
            fraction: 0.0,
            last_at_s: 0.0,
            last_share: 0.0,
            growth: 0.0,
            growth_s: 0.0,
            merge: None,
        }
    }

    /// While reading: this share of the body has been read (`None` if its length is not
    /// known), this was found in it, and so long the reader had to wait for bytes. Gives
    /// the seconds left.
    pub fn read(
        &mut self,
        at_s: f64,
        waited_s: f64,
        share: Option<f64>,
        amount: &Amount,
    ) -> Option<u64> {
        let busy_s = (at_s - waited_s).max(0.0);
        let slowness = (busy_s + PRIOR_S) / (amount.reading_s() + PRIOR_S);
        // Who waits for each piece is woken for each: that takes its time, and tells nothing of the merge.
        self.slowness = slowness.powf(busy_s / at_s.max(PRIOR_S));
        let share = share?.clamp(0.0, 1.0);
        let passed_s = (at_s - self.last_at_s).max(0.0);
        let fade = (-passed_s / MEMORY_S).exp();
        self.growth = self.growth * fade + (share - self.last_share).max(0.0);
        self.growth_s = self.growth_s * fade + passed_s;
        (self.last_at_s, self.last_share) = (at_s, share);
        if share <= 0.0 || self.growth <= 0.0 {
            return None;
        }
        let merge_s = self.merge_s(amount) / share;
        let reading_left_s = (1.0 - share) * self.growth_s / self.growth;
        let whole_s = at_s + reading_left_s + merge_s;
        if whole_s > 0.0 {
            // It begins lower than it would be by bytes, and grows with what is known.
            let now = (at_s / whole_s).min(share);
            self.fraction = self.fraction.max(now);
        }
        seconds_left(at_s, reading_left_s + merge_s)
    }

    /// The file has been read to its end and held this.
    pub fn begin_merge(&mut self, at_s: f64, amount: &Amount) {
        self.merge = Some(MergeBegin {
            at_s,
            fraction: self.fraction,
            expected_s: self.merge_s(amount),
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

    /// The factor for later imports, after a merge that took so long, its commit included;
    /// `None` if it tells nothing.
    pub fn factor(&self, amount: &Amount, seconds: f64) -> Option<f64> {
        let usual_s = amount.merge_s() * self.slowness;
        if amount.records < MIN_MEASURED || usual_s <= 0.0 {
            return None;
        }
        let newest = (seconds / usual_s).clamp(*FACTORS.start(), *FACTORS.end());
        Some(self.factor + (newest - self.factor) * NEWEST_WEIGHT)
    }

    fn merge_s(&self, amount: &Amount) -> f64 {
        amount.merge_s() * self.slowness * self.factor
    }
}

fn seconds_left(at_s: f64, left_s: f64) -> Option<u64> {
    (at_s >= SILENT_S && left_s.is_finite()).then(|| left_s.max(0.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Amount = Amount {
        bytes: 30_000_000,
        rows: 100_000,
        records: 100_000,
        steps: 120_000,
    };

    fn part(share: f64) -> Amount {
        let of = |whole: u64| (whole as f64 * share) as u64;
        Amount {
            bytes: of(WHOLE.bytes),
            rows: of(WHOLE.rows),
            records: of(WHOLE.records),
            steps: of(WHOLE.steps),
        }
    }

    /// Share of the time, progress, seconds left, and the estimate of these.
    type Moment = (f64, f64, f64, Option<u64>);

    /// How an import goes: what reading takes, how much of that is waiting, and the merge.
    #[derive(Clone, Copy, Debug)]
    struct Course {
        reading_s: f64,
        waited_s: f64,
        merge_s: f64,
    }

    impl Course {
        /// On a machine so many times as slow as usual, with an upload that is faster.
        fn usual(slowness: f64) -> Course {
            Course {
                reading_s: WHOLE.reading_s() * slowness,
                waited_s: 0.0,
                merge_s: WHOLE.merge_s() * slowness,
            }
        }

        /// Moments of it, and the factor for the next one.
        fn moments(self, factor: f64) -> (Vec<Moment>, f64) {
            let mut pace = Pace::new(factor);
            let whole_s = self.reading_s + self.merge_s;
            let mut moments = Vec::new();
            for step in 1..=100 {
                let share = f64::from(step) / 100.0;
                let at_s = share * self.reading_s;
                let said = pace.read(at_s, share * self.waited_s, Some(share), &part(share));
                moments.push((at_s / whole_s, pace.fraction, whole_s - at_s, said));
            }
            pace.begin_merge(self.reading_s, &WHOLE);
            for step in 0..=100 {
                let share = f64::from(step) / 100.0;
                let at_s = self.reading_s + share * self.merge_s / (1.0 + COMMIT_PER_MERGE);
                let said = pace.merged(at_s, share);
                moments.push((at_s / whole_s, pace.fraction, whole_s - at_s, said));
            }
            (moments, pace.factor(&WHOLE, self.merge_s).unwrap())
        }

        /// The factor after ten such imports.
        fn known(self) -> f64 {
            (0..10).fold(1.0, |factor, _| self.moments(factor).1)
        }
    }

    #[test]
    fn half_of_the_bar_is_half_of_the_time_and_estimates_are_right() {
        let slow_upload = Course {
            reading_s: 60.0,
            waited_s: 60.0 - WHOLE.reading_s() * 5.0,
            merge_s: WHOLE.merge_s() * 5.0,
        };
        let slow_merge = Course {
            merge_s: 100.0,
            ..Course::usual(20.0)
        };
        // What a first import cannot know, later ones do.
        for (course, factor) in [
            (Course::usual(0.5), 1.0),
            (Course::usual(20.0), 1.0),
            (slow_upload, 1.0),
            (slow_merge, slow_merge.known()),
        ] {
            let whole_s = course.reading_s + course.merge_s;
            for (time, fraction, left_s, said) in course.moments(factor).0 {
                // The first moments are those of a machine of which nothing is known.
                assert!(
                    (time - fraction).abs() < 0.1,
                    "{course:?} {time} {fraction}"
                );
                if let Some(said) = said.filter(|_| time >= 1.0 / 3.0) {
                    let error = (said as f64 - left_s).abs();
                    assert!(error <= 0.05 * whole_s + 0.5, "{course:?} {said} {left_s}");
                }
            }
        }
    }

    #[test]
    fn what_waking_up_for_each_piece_takes_is_not_expected_of_the_merge() {
        let trickle = Course {
            reading_s: 10.0,
            waited_s: 8.0,
            merge_s: 0.7,
        };
        assert!(2.0 / WHOLE.reading_s() > 3.0 * trickle.merge_s / WHOLE.merge_s());
        for (time, _, left_s, said) in trickle.moments(1.0).0 {
            if let Some(said) = said.filter(|_| time >= 1.0 / 3.0) {
                assert!((said as f64 - left_s).abs() <= 1.0, "{said} {left_s}");
            }
        }
    }

    #[test]
    fn a_wrong_factor_is_made_good_in_the_merge_and_progress_never_falls() {
        let course = Course {
            reading_s: 10.0,
            waited_s: 0.0,
            merge_s: 60.0,
        };
        let (moments, factor) = course.moments(0.2);
        assert!(moments.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        let (_, fraction, left_s, said) = moments[150];
        assert!(fraction < 1.0 && (said.unwrap() as f64 - left_s).abs() < 3.0);
        assert!(factor > 0.2);
    }

    #[test]
    fn nothing_is_said_at_first_nor_without_a_length() {
        for (time, _, left_s, said) in Course::usual(20.0).moments(1.0).0 {
            let at_s = left_s * time / (1.0 - time);
            assert_eq!(said.is_some(), at_s >= SILENT_S, "{at_s}");
        }
        let mut pace = Pace::new(1.0);
        assert_eq!(pace.read(10.0, 0.0, None, &part(0.5)), None);
        assert_eq!(pace.fraction, 0.0);
        pace.begin_merge(10.0, &WHOLE);
        pace.merged(10.0, 0.56);
        assert!((pace.fraction - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_small_import_tells_nothing_of_the_next_one() {
        let small = Amount {
            records: MIN_MEASURED - 1,
            ..WHOLE
        };
        assert_eq!(Pace::new(1.0).factor(&small, 5.0), None);
    }
}
