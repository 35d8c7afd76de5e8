//! Times as the program stores them (milliseconds since the Unix epoch) and as
//! people and scanners write them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
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

/// Formats that scanners and spreadsheets write besides ISO 8601.
const OTHER_FORMATS: [&str; 6] = [
    "%b %d, %Y %H:%M:%S",
    "%b %d, %Y",
    "%a %b %d %H:%M:%S %Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
];

/// Reads a time as it is found in scanner exports: RFC 3339, ISO 8601 without a
/// zone (taken as UTC), a date alone, seconds or milliseconds since the epoch,
/// `Mar 18, 2024 21:29:42 UTC`, `03/18/2024 21:29`. Gives milliseconds since
/// the epoch; `None` for anything else and for years outside 1980 to 2199,
/// which scanners write for "never".
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    // Longer than any known spelling: not worth the attempts below.
    if text.len() < 8 || text.len() > 40 {
        return None;
    }
    let ms = parse_any(text)?;
    let earliest_ms = 315_532_800_000; // 1980-01-01
    let latest_ms = 7_258_118_400_000; // 2200-01-01
    (earliest_ms..latest_ms).contains(&ms).then_some(ms)
}

fn parse_any(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return match text.len() {
            9 | 10 => Some(number * 1000),
            12 | 13 => Some(number),
            _ => None,
        };
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    if let Ok(time) = text.parse::<DateTime>() {
        return utc_ms(time);
    }
    OTHER_FORMATS.iter().find_map(|format| {
        let time = DateTime::strptime(format, text)
            .or_else(|_| Date::strptime(format, text).map(|date| date.at(0, 0, 0, 0)));
        utc_ms(time.ok()?)
    })
}

fn utc_ms(time: DateTime) -> Option<i64> {
    let zoned = time.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scanners_spellings_of_one_moment_agree() {
        let spellings = [
            "2024-03-18T21:29:42Z",
            "2024-03-18T21:29:42.000Z",
            "2024-03-18T22:29:42+01:00",
            "2024-03-18 21:29:42",
            "2024-03-18T21:29:42",
            "2024-03-18 21:29:42 UTC",
            "Mar 18, 2024 21:29:42 UTC",
            "Mon Mar 18 21:29:42 2024",
            "03/18/2024 21:29:42",
            "1710797382",
            "1710797382000",
        ];
        for text in spellings {
            assert_eq!(parse(text), Some(1_710_797_382_000), "{text}");
        }
        for text in ["2024-03-18", "Mar 18, 2024", "03/18/2024"] {
            assert_eq!(
                parse(text).map(rfc3339).unwrap(),
                "2024-03-18T00:00:00.000Z"
            );
        }
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in [
            "",
            "never",
            "0000-00-00",
            "1970-01-01",
            "9999-12-31",
            "12345678",
            "2024-13-45",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"9".repeat(1000)), None);
    }

    #[test]
    fn times_are_written_with_three_digits_and_dates_without_any() {
        assert_eq!(rfc3339(1_736_677_800_123), "2025-01-12T10:30:00.123Z");
        assert_eq!(rfc3339(1_736_677_800_000), "2025-01-12T10:30:00.000Z");
        assert_eq!(date(1_736_677_800_123), "2025-01-12");
    }
}
