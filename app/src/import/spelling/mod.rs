//! The spellings of dates in scanner exports and spreadsheets.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::Timestamp;

mod words;

pub use words::begins_with_month;

/// A date that was read, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelled {
    Exact(i64),
    /// Either of its first two numbers may be the month.
    EitherOrder {
        month_first_ms: i64,
        day_first_ms: i64,
    },
    /// It makes sense in one order only, such as `03/18/2024`.
    OneOrder {
        ms: i64,
        is_day_first: bool,
    },
}

impl Spelled {
    /// The time in milliseconds since the epoch by one of the orders; `None` if it makes
    /// no sense by it.
    pub fn by_order(self, day_first: bool) -> Option<i64> {
        match self {
            Spelled::Exact(ms) => Some(ms),
            Spelled::EitherOrder { day_first_ms, .. } if day_first => Some(day_first_ms),
            Spelled::EitherOrder { month_first_ms, .. } => Some(month_first_ms),
            Spelled::OneOrder { ms, is_day_first } => (is_day_first == day_first).then_some(ms),
        }
    }
}

/// Longer than any known spelling.
const MAX_CHARS: usize = 64;
/// What lies before 1980 or after 2199 is written for "never".
const YEARS: std::ops::Range<i16> = 1980..2200;
/// The same in milliseconds since the epoch.
const YEARS_MS: std::ops::Range<i64> = 315_532_800_000..7_258_118_400_000;

/// Reads a cell; `None` if it holds no date, an error if it holds something else than a
/// date that is known. What has no zone is taken as UTC.
pub fn read(cell: &str) -> Option<Result<Spelled, ()>> {
    let cell = cell.trim();
    let is_word = cell.len() < 8;
    if cell.is_empty() || is_word && words::says_never(cell) {
        return None;
    }
    if cell.len() > MAX_CHARS {
        return Some(Err(()));
    }
    match parse(cell) {
        Some(Parsed::Date(date)) => Some(Ok(date)),
        Some(Parsed::Never) => None,
        None => Some(Err(())),
    }
}

/// The same for a date that must not be one of two: a field of a form.
pub fn read_exact(text: &str) -> Option<i64> {
    match read(text)? {
        Ok(Spelled::Exact(ms)) => Some(ms),
        _ => None,
    }
}

enum Parsed {
    Date(Spelled),
    Never,
}

fn exact(time: Timestamp) -> Parsed {
    let ms = time.as_millisecond();
    if YEARS_MS.contains(&ms) {
        Parsed::Date(Spelled::Exact(ms))
    } else {
        Parsed::Never
    }
}

fn parse(cell: &str) -> Option<Parsed> {
    if cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return from_digits(cell);
    }
    if let Ok(time) = cell.parse::<Timestamp>() {
        return Some(exact(time));
    }
    let tokens = Tokens::of(&cell.to_lowercase())?;
    tokens.date()
}

/// Seconds or milliseconds since the epoch, or a date such as `20240318`.
fn from_digits(cell: &str) -> Option<Parsed> {
    let number: i64 = cell.parse().ok()?;
    let ms = match cell.len() {
        8 => {
            let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
            let date = Date::new(
                year.try_into().ok()?,
                month.try_into().ok()?,
                day.try_into().ok()?,
            );
            return Some(exact(date.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()));
        }
        9 | 10 => number * 1000,
        12 | 13 => number,
        _ => return None,
    };
    Some(exact(Timestamp::from_millisecond(ms).ok()?))
}

/// The parts of a spelled date.
#[derive(Default)]
struct Tokens {
    /// Numbers with the separator before them.
    numbers: Vec<(u32, usize, char)>,
    month: Option<i8>,
    /// How many numbers came before the name of the month.
    before_month: usize,
    time: Option<Time>,
    is_pm: Option<bool>,
    offset_minutes: Option<i32>,
}

impl Tokens {
    fn of(text: &str) -> Option<Tokens> {
        let mut tokens = Tokens::default();
        let mut rest = text;
        let mut separator = ' ';
        while let Some(c) = rest.chars().next() {
            if c.is_ascii_digit() {
                rest = tokens.number(rest, separator)?;
                separator = ' ';
            } else if c.is_alphabetic() {
                let length = rest
                    .find(|c: char| !c.is_alphabetic())
                    .unwrap_or(rest.len());
                let (word, tail) = rest.split_at(length);
                rest = tokens.word(word, tail)?;
                separator = ' ';
            } else {
                if !" ,./-+:()[]'".contains(c) {
                    return None;
                }
                // The last one that is no space.
                separator = if c == ' ' { separator } else { c };
                rest = &rest[c.len_utf8()..];
            }
        }
        Some(tokens)
    }

    /// A number, with all of a time of day or of an offset that begins with it.
    fn number<'a>(&mut self, text: &'a str, separator: char) -> Option<&'a str> {
        let (number, digits, rest) = leading_number(text)?;
        let is_sign = matches!(separator, '+' | '-');
        if is_sign
            && self.offset_minutes.unwrap_or(0) == 0
            && (self.time.is_some() || self.offset_minutes.is_some())
        {
            return self.offset(number, digits, rest, separator == '-');
        }
        if self.time.is_none() && rest.starts_with(':') && digits <= 2 {
            return self.time_of_day(number, rest);
        }
        self.numbers.push((number, digits, separator));
        Some(rest)
    }

    fn offset<'a>(
        &mut self,
        number: u32,
        digits: usize,
        rest: &'a str,
        is_west: bool,
    ) -> Option<&'a str> {
        let (minutes, rest) = match (digits, rest.strip_prefix(':')) {
            (4, _) => (number / 100 * 60 + number % 100, rest),
            (1 | 2, Some(tail)) => {
                let (minutes, _, tail) = leading_number(tail)?;
                (number * 60 + minutes, tail)
            }
            (1 | 2, None) => (number * 60, rest),
            _ => return None,
        };
        let minutes = i32::try_from(minutes)
            .ok()
            .filter(|minutes| *minutes <= 15 * 60)?;
        self.offset_minutes = Some(if is_west { -minutes } else { minutes });
        Some(rest)
    }

    /// `hour` was read; a colon follows.
    fn time_of_day<'a>(&mut self, hour: u32, rest: &'a str) -> Option<&'a str> {
        let (minute, _, mut rest) = leading_number(&rest[1..])?;
        let (mut second, mut nanosecond) = (0, 0);
        if let Some(tail) = rest.strip_prefix(':') {
            let (seconds, _, tail) = leading_number(tail)?;
            (second, rest) = (seconds, tail);
            if let Some(tail) = rest.strip_prefix(['.', ',']) {
                if tail.starts_with(|c: char| c.is_ascii_digit()) {
                    let length = tail
                        .find(|c: char| !c.is_ascii_digit())
                        .unwrap_or(tail.len());
                    let (fraction, tail) = tail.split_at(length);
                    nanosecond = format!("{fraction:0<9}")[..9].parse().ok()?;
                    rest = tail;
                }
            }
        }
        // A leap second is the one before it.
        let (hour, minute, second) = (hour as i8, minute as i8, second.min(59) as i8);
        self.time = Some(Time::new(hour, minute, second, nanosecond).ok()?);
        Some(rest)
    }

    fn word<'a>(&mut self, word: &str, rest: &'a str) -> Option<&'a str> {
        if matches!(word, "am" | "pm") {
            self.is_pm = Some(word == "pm");
        } else if word == "t" && self.time.is_none() {
            // Between date and time of ISO 8601.
        } else if let Some(minutes) = words::zone(word) {
            // Of `EST/EDT` the first counts; an offset counts more than a name.
            self.offset_minutes = self.offset_minutes.or(Some(minutes));
        } else if let (Some(month), None) = (words::month(word), self.month) {
            self.month = Some(month);
            self.before_month = self.numbers.len();
        } else if !words::is_filler(word) {
            return None;
        }
        Some(rest)
    }

    fn date(&self) -> Option<Parsed> {
        match (self.month, self.numbers.as_slice()) {
            (Some(month), [a, b]) => {
                let (day, year) = match self.before_month {
                    // 2024 Mar 18
                    1 if a.1 == 4 => (b, a),
                    _ => (a, b),
                };
                self.exact(year, month, day.0)
            }
            (None, [year, month, day]) if year.1 == 4 => {
                self.exact(year, month.0.try_into().ok()?, day.0)
            }
            (None, [a, b, year]) => self.either_order(a.0, b.0, b.2, year),
            _ => None,
        }
    }

    /// Two numbers, one of which is the month.
    fn either_order(
        &self,
        a: u32,
        b: u32,
        separator: char,
        year: &(u32, usize, char),
    ) -> Option<Parsed> {
        let by_order = |month: u32, day: u32| self.ms(year, month.try_into().ok()?, day);
        let (month_first, day_first) = (by_order(a, b), by_order(b, a));
        let date = match (month_first, day_first) {
            (_, Some(Ok(ms))) if separator == '.' => Spelled::Exact(ms),
            (Some(Ok(month_first_ms)), Some(Ok(day_first_ms)))
                if month_first_ms != day_first_ms =>
            {
                Spelled::EitherOrder {
                    month_first_ms,
                    day_first_ms,
                }
            }
            (Some(Ok(ms)), Some(Ok(_))) => Spelled::Exact(ms),
            (Some(Ok(ms)), None) if separator != '.' => Spelled::OneOrder {
                ms,
                is_day_first: false,
            },
            (None, Some(Ok(ms))) => Spelled::OneOrder {
                ms,
                is_day_first: true,
            },
            (Some(Err(())), _) | (_, Some(Err(()))) => return Some(Parsed::Never),
            _ => return None,
        };
        Some(Parsed::Date(date))
    }

    fn exact(&self, year: &(u32, usize, char), month: i8, day: u32) -> Option<Parsed> {
        match self.ms(year, month, day)? {
            Ok(ms) => Some(Parsed::Date(Spelled::Exact(ms))),
            Err(()) => Some(Parsed::Never),
        }
    }

    /// `None` if there is no such day, an error for a year that stands for "never".
    fn ms(&self, year: &(u32, usize, char), month: i8, day: u32) -> Option<Result<i64, ()>> {
        let year = match year {
            (year, 4, _) => i16::try_from(*year).ok()?,
            (year, 2, _) if *year < 70 => *year as i16 + 2000,
            (year, 2, _) => *year as i16 + 1900,
            _ => return None,
        };
        let mut time = self.time.unwrap_or(Time::midnight());
        if let Some(is_pm) = self.is_pm {
            let hour = time.hour() % 12 + if is_pm { 12 } else { 0 };
            time = Time::new(hour, time.minute(), time.second(), time.subsec_nanosecond()).ok()?;
        }
        if !YEARS.contains(&year) {
            return Some(Err(()));
        }
        let date = Date::new(year, month, day.try_into().ok()?).ok()?;
        let zoned = DateTime::from_parts(date, time)
            .to_zoned(TimeZone::UTC)
            .ok()?;
        let minutes = i64::from(self.offset_minutes.unwrap_or(0));
        Some(Ok(zoned.timestamp().as_millisecond() - minutes * 60_000))
    }
}

fn leading_number(text: &str) -> Option<(u32, usize, &str)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, digits, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::rfc3339;

    #[test]
    fn i51_i52_spellings_of_one_moment_agree() {
        let spellings = [
            "2024-03-18T21:29:42Z",
            "2024-03-18T21:29:42.000Z",
            "2024-03-18T22:29:42+01:00",
            "2024-03-18T21:29:42.000+0000",
            "2024-03-18 21:29:42",
            "2024-03-18T21:29:42",
            "2024-03-18 21:29:42.000000",
            "2024-03-18 21:29:42 UTC",
            "2024-03-18 21:29:42 +0000 UTC",
            "2024/03/18 21:29:42",
            "Mar 18, 2024 21:29:42 UTC",
            "Mar 18, 2024 14:29:42 MST",
            "Mar 18, 2024 16:29:42 EST/EDT",
            "March 18, 2024, 21:29:42 (UTC)",
            "18 Mar 2024 04:29:42PM GMT-0500",
            "Mar 18, 2024 09:29:42 PM",
            "Mon Mar 18 21:29:42 2024",
            "Mon, 18 Mar 2024 21:29:42 GMT",
            "Monday, March 18th, 2024 at 21:29:42",
            "18/Mar/2024:21:29:42 +0000",
            "18-Mar-24 21:29:42",
            "18. März 2024 22:29:42 MEZ",
            "18.03.2024 21:29:42",
            "1710797382",
            "1710797382000",
        ];
        for text in spellings {
            assert_eq!(
                read(text),
                Some(Ok(Spelled::Exact(1_710_797_382_000))),
                "{text}"
            );
        }
    }

    #[test]
    fn dates_alone_begin_at_midnight() {
        for text in [
            "2024-03-18",
            "2024/03/18",
            "Mar 18, 2024",
            "18.03.2024",
            "18.3.24",
            "20240318",
            "18 March 2024",
        ] {
            let Some(Ok(Spelled::Exact(ms))) = read(text) else {
                panic!("{text}: {:?}", read(text));
            };
            assert_eq!(rfc3339(ms), "2024-03-18T00:00:00.000Z", "{text}");
        }
    }

    #[test]
    fn numbers_alone_may_be_read_in_two_orders() {
        let orders = |text| match read(text) {
            Some(Ok(Spelled::EitherOrder {
                month_first_ms,
                day_first_ms,
            })) => (
                rfc3339(month_first_ms)[..16].to_owned(),
                rfc3339(day_first_ms)[..16].to_owned(),
            ),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(
            orders("5/6/26 6:37"),
            ("2026-05-06T06:37".to_owned(), "2026-06-05T06:37".to_owned())
        );
        assert_eq!(
            orders("05-06-2026"),
            ("2026-05-06T00:00".to_owned(), "2026-06-05T00:00".to_owned())
        );
        let one = |text| match read(text) {
            Some(Ok(Spelled::OneOrder { is_day_first, .. })) => is_day_first,
            other => panic!("{text}: {other:?}"),
        };
        assert!(!one("5/27/26 6:37"));
        assert!(one("31/12/2024"));
        assert!(matches!(read("05/05/2024"), Some(Ok(Spelled::Exact(_)))));
    }

    #[test]
    fn nonsense_is_no_date_and_never_is_none() {
        for text in [
            "soon",
            "2024-13-45",
            "12345678",
            "99/99/2024",
            "12:30",
            "1.2.3.4",
            "31.13.2024",
            "2024",
            "-5",
            "Mar 2024",
        ] {
            assert_eq!(read(text), Some(Err(())), "{text}");
        }
        for text in [
            "",
            "  ",
            "never",
            "N/A",
            "-",
            "1970-01-01",
            "9999-12-31",
            "9999-12-31T00:00:00Z",
            "01/01/1970",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&"9".repeat(1000)), Some(Err(())));
        assert_eq!(read_exact("05/06/2026"), None);
        assert_eq!(
            read_exact("2026-06-05").map(rfc3339).unwrap(),
            "2026-06-05T00:00:00.000Z"
        );
    }
}
