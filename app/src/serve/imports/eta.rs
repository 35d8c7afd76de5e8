//! The time that an import has left. `progress` follows the bytes of the upload up
//! to 0.95, whatever share of the time the merge behind them takes, so no estimate
//! can be had from progress alone.

/// Share of the progress that reading the upload takes.
const READING_SHARE: f64 = 0.95;

/// Before this, nothing is said.
const SILENT_MS: f64 = 2_000.0;

/// How quickly the rate of the upload forgets: in this time, about two thirds.
const MEMORY_MS: f64 = 5_000.0;

/// What the merge takes, in processor time of reading the same file. Between 0.9
/// (nothing has changed) and 1.4 (everything is new) where it was measured.
const MERGE_PER_READING: f64 = 1.2;

/// What the commit takes, in time of the merge before it.
const COMMIT_PER_MERGE: f64 = 0.1;

/// How far an import has come at some moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Time since the session was made, or was taken for the import.
    pub at_ms: f64,
    /// Processor time of the import's thread, or the time itself where that is not known.
    pub cpu_ms: f64,
    /// Progress, 0 to 1.
    pub fraction: f64,
    pub is_merging: bool,
}

/// Estimates the time left from one moment to the next.
#[derive(Debug, Default)]
pub struct Eta {
    start: Option<Moment>,
    last: Option<Moment>,
    /// Growth of the share that has been read, and the time it took, both fading.
    growth: f64,
    growth_ms: f64,
    /// When the merge began, and how long it was thought to take.
    merge: Option<(f64, f64)>,
}

impl Eta {
    /// Seconds left; `None` in the first two seconds, and while the length of the
    /// upload is not known.
    pub fn seconds_left(&mut self, now: Moment) -> Option<u64> {
        let start = *self.start.get_or_insert(now);
        let last = self.last.replace(now).unwrap_or(now);
        let left_ms = if now.is_merging {
            self.merge_left_ms(start, now)
        } else {
            self.reading_left_ms(start, last, now)
        };
        let left_ms = left_ms.filter(|ms| ms.is_finite() && now.at_ms >= SILENT_MS)?;
        Some((left_ms.max(0.0) / 1000.0).round() as u64)
    }

    fn reading_left_ms(&mut self, start: Moment, last: Moment, now: Moment) -> Option<f64> {
        let fade = (-(now.at_ms - last.at_ms) / MEMORY_MS).exp();
        self.growth = self.growth * fade + read_share(now) - read_share(last);
        self.growth_ms = self.growth_ms * fade + now.at_ms - last.at_ms;
        let grown = read_share(now) - read_share(start);
        if self.growth <= 0.0 || grown <= 0.0 {
            return None;
        }
        let reading_ms = (1.0 - read_share(now)) * self.growth_ms / self.growth;
        let reading_cpu_ms = (now.cpu_ms - start.cpu_ms) / grown;
        Some(reading_ms + reading_cpu_ms * MERGE_PER_READING * (1.0 + COMMIT_PER_MERGE))
    }

    fn merge_left_ms(&mut self, start: Moment, now: Moment) -> Option<f64> {
        let thought_ms = (now.cpu_ms - start.cpu_ms) * MERGE_PER_READING;
        let (begin_ms, thought_ms) = *self.merge.get_or_insert((now.at_ms, thought_ms));
        if now.fraction <= 0.0 {
            return None;
        }
        let merged = ((now.fraction - READING_SHARE) / (1.0 - READING_SHARE)).clamp(0.0, 1.0);
        let taken_ms = now.at_ms - begin_ms;
        // The more has been merged, the more that tells of the rest.
        let trust = (merged * 4.0).min(1.0);
        let measured_ms = if merged > 0.0 {
            taken_ms / merged
        } else {
            thought_ms
        };
        let whole_ms = thought_ms * (1.0 - trust) + measured_ms * trust;
        Some((whole_ms - taken_ms).max(0.0) + whole_ms * COMMIT_PER_MERGE)
    }
}

fn read_share(moment: Moment) -> f64 {
    (moment.fraction / READING_SHARE).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An import whose upload takes `reading_ms`, of which the thread works
    /// `busy_ms`, and whose merge takes `merge_ms`. Gives (seconds left, estimate).
    fn estimates(reading_ms: f64, busy_ms: f64, merge_ms: f64) -> Vec<(f64, Option<u64>)> {
        let mut eta = Eta::default();
        let whole_ms = reading_ms + merge_ms * (1.0 + COMMIT_PER_MERGE);
        let reading = (0..=100).map(|step| {
            let share = f64::from(step) / 100.0;
            Moment {
                at_ms: share * reading_ms,
                cpu_ms: share * busy_ms,
                fraction: share * READING_SHARE,
                is_merging: false,
            }
        });
        let merging = (0..=100).map(|step| {
            let share = f64::from(step) / 100.0;
            Moment {
                at_ms: reading_ms + share * merge_ms,
                cpu_ms: busy_ms + share * merge_ms,
                fraction: READING_SHARE + share * (1.0 - READING_SHARE),
                is_merging: true,
            }
        });
        let moments: Vec<Moment> = reading.chain(merging).collect();
        moments
            .into_iter()
            .map(|now| ((whole_ms - now.at_ms) / 1000.0, eta.seconds_left(now)))
            .collect()
    }

    #[test]
    fn nothing_is_said_in_the_first_two_seconds() {
        for (left, said) in estimates(10_000.0, 8_000.0, 9_600.0) {
            assert_eq!(said.is_none(), left > 18.57, "{left}");
        }
    }

    #[test]
    fn estimates_are_close_whether_the_network_or_the_thread_is_slow() {
        for (reading_ms, busy_ms, merge_ms) in [
            (10_000.0, 10_000.0, 12_000.0),
            (100_000.0, 2_000.0, 2_400.0),
            (20_000.0, 18_000.0, 16_000.0),
            (20_000.0, 18_000.0, 25_000.0),
        ] {
            let whole = (reading_ms + merge_ms) / 1000.0;
            for (left, said) in estimates(reading_ms, busy_ms, merge_ms) {
                if let Some(said) = said {
                    let error = (said as f64 - left).abs();
                    assert!(
                        error <= 0.2 * whole,
                        "{said} s instead of {left} s of {whole} s"
                    );
                }
            }
        }
    }

    #[test]
    fn without_a_length_nothing_is_said() {
        let mut eta = Eta::default();
        for (second, is_merging) in [(0, false), (5, false), (10, false), (15, true), (20, true)] {
            let at_ms = f64::from(second) * 1000.0;
            assert_eq!(
                eta.seconds_left(Moment {
                    at_ms,
                    cpu_ms: at_ms,
                    fraction: 0.0,
                    is_merging
                }),
                None
            );
        }
    }
}
