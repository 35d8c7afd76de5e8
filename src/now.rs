//! The time as the core sees it: a value that is handed in, never a clock that is asked.

use std::fmt::Write as _;
use std::time::Duration;

/// One reading of both clocks, taken once per turn of the loop by whoever drives the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Milliseconds of a clock that never goes back; its zero is arbitrary. All deadlines are in these.
    pub mono_ms: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z; may jump when somebody sets the clock. Only shown to people.
    pub unix_ms: u64,
}

impl Now {
    /// The wall clock as RFC 3339 text in UTC with three digits of a second, such as `2025-01-12T10:30:00.123Z`.
    pub fn rfc3339(&self) -> String {
        rfc3339_ms(self.unix_ms)
    }
}

/// Milliseconds, rounded up: nothing comes too early.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Milliseconds since the Unix epoch as RFC 3339 text in UTC, always 24 characters up to the year 9999.
pub fn rfc3339_ms(unix_ms: u64) -> String {
    // Beyond the year 9999 the format has no text; the last instant it can write stands in.
    let unix_ms = unix_ms.min(253_402_300_799_999);
    instant_text(unix_ms as i64)
}

/// Milliseconds since the Unix epoch as JavaScript writes a date in JSON: as [`rfc3339_ms`] in the years 0 to 9999, and with a
/// sign and six digits in others. `None` where JavaScript has no such date.
#[cfg(feature = "msgpack")]
pub fn javascript_date(unix_ms: i64) -> Option<String> {
    const MOST_MS: u64 = 8_640_000_000_000_000;
    (unix_ms.unsigned_abs() <= MOST_MS).then(|| instant_text(unix_ms))
}

fn instant_text(unix_ms: i64) -> String {
    let (year, month, day) = civil_from_days(unix_ms.div_euclid(86_400_000));
    let ms = unix_ms.rem_euclid(86_400_000);
    let mut text = String::with_capacity(27);
    match year {
        0..=9999 => write!(text, "{year:04}"),
        _ => write!(text, "{year:+07}"),
    }
    .expect("writing to a String cannot fail");
    write!(
        text,
        "-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
    .expect("writing to a String cannot fail");
    text
}

/// Year, month and day of a count of days since 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March here, so that the leap day is the last day of a year and needs no case of its own.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const DAYS_TO_1970: i64 = 719_468; // from 0000-03-01
    const DAYS_PER_ERA: i64 = 146_097; // 400 years
    let days = days + DAYS_TO_1970;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_known_instants() {
        assert_eq!(rfc3339_ms(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339_ms(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339_ms(1_736_677_800_123), "2025-01-12T10:30:00.123Z");
        assert_eq!(rfc3339_ms(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
        assert_eq!(rfc3339_ms(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn stays_at_the_last_instant_it_can_write() {
        assert_eq!(rfc3339_ms(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[cfg(feature = "msgpack")]
    #[test]
    fn dates_are_written_as_javascript_writes_them() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (-2_208_988_800_000, "1900-01-01T00:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
        ] {
            assert_eq!(javascript_date(unix_ms).as_deref(), Some(text));
        }
        for beyond in [8_640_000_000_000_001, i64::MAX, i64::MIN] {
            assert_eq!(javascript_date(beyond), None);
        }
    }

    #[test]
    fn every_day_follows_its_neighbour() {
        let mut last = String::new();
        for day in 0..60_000 {
            let text = rfc3339_ms(day * 86_400_000);
            assert!(text > last, "{text} after {last}");
            last = text;
        }
    }
}
