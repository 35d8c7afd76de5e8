//! When a finding was seen, as files write it.
//!
//! `03/04/2024` is one of two days. Which, is decided for a file by all of its dates:
//! until its end both readings are kept.

use crate::import::spelling::{self, Spelled};
use crate::store::{Seen, Times};

/// Scan times so far in the future are no faults of a clock.
const CLOCK_SKEW_MS: i64 = 5 * 60 * 1000;

/// What the dates of a file have told so far.
#[derive(Clone, Debug, Default)]
pub struct Dates {
    /// Dates that can only be read with the month first, such as `03/18/2024`.
    month_first: u64,
    /// Dates that can only be read with the day first.
    day_first: u64,
    counts: [Counts; 2],
}

/// What was made of the dates of a file, by one order of day and month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows whose dates could not be as they stand: first seen after last seen, or in
    /// the future.
    pub corrected: u64,
    /// Cells that are no date that is known.
    pub unread: u64,
}

impl Dates {
    /// Reads the cells of a row. Dates in the future become `now_ms`.
    pub fn read(&mut self, first: &str, last: &str, now_ms: i64) -> Seen {
        let (first, last) = (self.note(first), self.note(last));
        let mut both = [Times::default(); 2];
        for (order, times) in both.iter_mut().enumerate() {
            let counts = &mut self.counts[order];
            let mut is_corrected = false;
            let mut time = |date: &Option<Result<Spelled, ()>>| match date {
                None => None,
                Some(Err(())) => {
                    counts.unread += 1;
                    None
                }
                Some(Ok(spelled)) => {
                    let ms = spelled.by_order(order == 1);
                    counts.unread += u64::from(ms.is_none());
                    is_corrected |= ms.is_some_and(|ms| ms > now_ms + CLOCK_SKEW_MS);
                    ms.map(|ms| ms.min(now_ms))
                }
            };
            let (mut first_ms, last_ms) = (time(&first), time(&last));
            if last_ms.is_some() && first_ms > last_ms {
                first_ms = last_ms;
                is_corrected = true;
            }
            counts.corrected += u64::from(is_corrected);
            *times = Times {
                first_ms: first_ms.or(last_ms),
                last_ms,
            };
        }
        let [month_first, day_first] = both;
        Seen {
            month_first,
            day_first,
        }
    }

    fn note(&mut self, cell: &str) -> Option<Result<Spelled, ()>> {
        let date = spelling::read(cell)?;
        if let Ok(Spelled::OneOrder { is_day_first, .. }) = date {
            if is_day_first {
                self.day_first += 1;
            } else {
                self.month_first += 1;
            }
        }
        Some(date)
    }

    /// Whether days come before months in this file, as far as its dates tell; if they
    /// do not tell, months come first.
    pub fn is_day_first(&self) -> bool {
        self.day_first > self.month_first
    }

    /// What was made of the dates, by the order of the file.
    pub fn counts(&self) -> Counts {
        self.counts[usize::from(self.is_day_first())]
    }
}

/// The times by the order of the file.
pub fn by_order(seen: Seen, is_day_first: bool) -> Times {
    if is_day_first {
        seen.day_first
    } else {
        seen.month_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const NOW_MS: i64 = 1_800_000_000_000; // 2027-01-15

    fn day(ms: Option<i64>) -> String {
        ms.map(clock::date).unwrap_or_default()
    }

    /// Last seen by the order that is found, and the counts.
    fn read(cells: &[&str]) -> (Vec<String>, Counts) {
        let mut dates = Dates::default();
        let seen: Vec<Seen> = cells
            .iter()
            .map(|cell| dates.read("", cell, NOW_MS))
            .collect();
        let order = dates.is_day_first();
        let days = seen.iter().map(|seen| day(by_order(*seen, order).last_ms));
        (days.collect(), dates.counts())
    }

    #[test]
    fn i53_the_order_of_day_and_month_is_that_of_the_whole_file() {
        let table: [(&[&str], &[&str], u64); 6] = [
            (
                &["03/04/2024", "13/04/2024"],
                &["2024-04-03", "2024-04-13"],
                0,
            ),
            (
                &["03/04/2024", "04/13/2024"],
                &["2024-03-04", "2024-04-13"],
                0,
            ),
            (&["03/04/2024"], &["2024-03-04"], 0),
            (&["03.04.2024"], &["2024-04-03"], 0),
            (
                &["13/04/2024", "14/04/2024", "04/15/2024"],
                &["2024-04-13", "2024-04-14", ""],
                1,
            ),
            (
                &["05/04/2024 10:00", "2024-05-06", "31/12/2023 23:59"],
                &["2024-04-05", "2024-05-06", "2023-12-31"],
                0,
            ),
        ];
        for (cells, expected, unread) in table {
            let (days, counts) = read(cells);
            assert_eq!(days, expected, "{cells:?}");
            assert_eq!((counts.unread, counts.corrected), (unread, 0), "{cells:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_counted_and_the_future_is_cut() {
        let mut dates = Dates::default();
        assert_eq!(
            dates.read("", "some day", NOW_MS).month_first,
            Times::default()
        );
        assert_eq!(
            dates.counts(),
            Counts {
                corrected: 0,
                unread: 1
            }
        );
        let future = dates.read("2026-01-01", "2099-01-01", NOW_MS).month_first;
        assert_eq!(
            (day(future.first_ms), future.last_ms),
            ("2026-01-01".to_owned(), Some(NOW_MS))
        );
        let inverted = dates.read("2026-02-01", "2026-01-01", NOW_MS).month_first;
        assert_eq!(
            (day(inverted.first_ms), day(inverted.last_ms)),
            ("2026-01-01".to_owned(), "2026-01-01".to_owned())
        );
        assert_eq!(
            dates.counts(),
            Counts {
                corrected: 2,
                unread: 1
            }
        );
        let lone = dates.read("2026-02-01", "", NOW_MS).month_first;
        assert_eq!(
            (day(lone.first_ms), lone.last_ms),
            ("2026-02-01".to_owned(), None)
        );
        assert_eq!(
            dates.read("", "never", NOW_MS).month_first,
            Times::default()
        );
        assert_eq!(
            dates.counts().unread,
            1,
            "a word for no date is none that is unread"
        );
    }
}
