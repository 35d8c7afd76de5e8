//! Times as the program stores them (milliseconds since the Unix epoch) and as
//! people read them.

use jiff::Timestamp;

/// The current time, in milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// RFC 3339 in UTC with three digits of a second: `2025-01-12T10:30:00.123Z`.
pub fn rfc3339(unix_ms: i64) -> String {
    let time = Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// The UTC date alone: `2025-01-12`.
pub fn date(unix_ms: i64) -> String {
    let mut text = rfc3339(unix_ms);
    text.truncate("2025-01-12".len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_three_digits_and_dates_without_any() {
        assert_eq!(rfc3339(1_736_677_800_123), "2025-01-12T10:30:00.123Z");
        assert_eq!(rfc3339(1_736_677_800_000), "2025-01-12T10:30:00.000Z");
        assert_eq!(date(1_736_677_800_123), "2025-01-12");
    }
}
