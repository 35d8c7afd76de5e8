//! Lists of sessions, page by page.

use std::fmt::{self, Write as _};

use super::{ProgressError, Status};

/// Sessions on a page where no number is asked for.
const DEFAULT_LIMIT: usize = 100;
/// Most sessions that a page may have.
const MAX_LIMIT: usize = 1000;

/// Which sessions a page is to hold. The default is the first page of all sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Only sessions of this status.
    pub status: Option<Status>,
    /// Most sessions on the page, from 1 to 1,000; see [`ListQuery::limit_argument`]. Default 100.
    pub limit: usize,
    /// Where the page begins; `None` for the newest session.
    pub cursor: Option<Cursor>,
}

impl Default for ListQuery {
    fn default() -> Self {
        ListQuery {
            status: None,
            limit: DEFAULT_LIMIT,
            cursor: None,
        }
    }
}

impl ListQuery {
    /// Reads a limit given as text.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for anything but a whole number from 1 to 1,000.
    pub fn limit_argument(text: &str) -> Result<usize, ProgressError> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let limit = text.parse().ok().filter(|_| is_number);
        limit
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| {
                ProgressError::invalid(format!(
                    "limit must be a whole number from 1 to {MAX_LIMIT}"
                ))
            })
    }
}

/// A place in the list of sessions: behind one session, whether that is still there or not.
///
/// Sessions that come and go move nobody else: on the way from page to page each session that stays is listed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub(super) u64);

impl Cursor {
    /// Reads a cursor as [`SessionPage::next`] gives it out.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for any other text.
    pub fn parse(text: &str) -> Result<Self, ProgressError> {
        let number = u64::from_str_radix(text, 16).ok().map(Cursor);
        number
            .filter(|cursor| cursor.to_string() == text)
            .ok_or_else(|| {
                ProgressError::invalid("cursor must be the next of a page that was read before")
            })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// One page of a list of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPage {
    /// A JSON array of Session objects, the newest first, their `result` null.
    pub sessions: String,
    /// Where the next page begins; `None` when there is nothing behind this one.
    pub next: Option<Cursor>,
}

impl SessionPage {
    /// A page without sessions.
    pub fn empty() -> Self {
        SessionPage {
            sessions: "[]".to_owned(),
            next: None,
        }
    }

    /// `"sessions":[…],"next":…`, to be put into an object.
    pub fn fields(&self) -> String {
        let mut text = format!("\"sessions\":{},\"next\":", self.sessions);
        match self.next {
            Some(cursor) => write!(text, "\"{cursor}\"").expect("writing to a String cannot fail"),
            None => text.push_str("null"),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_whole_numbers_up_to_a_thousand() {
        assert_eq!(ListQuery::limit_argument("1"), Ok(1));
        assert_eq!(ListQuery::limit_argument("1000"), Ok(1000));
        for text in [
            "0",
            "1001",
            "",
            "-1",
            "+1",
            "1.5",
            "x",
            " 1",
            "99999999999999999999",
        ] {
            assert!(ListQuery::limit_argument(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cursors_are_read_as_they_are_written() {
        for number in [0, 255, u64::MAX] {
            let cursor = Cursor(number);
            assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        }
        for text in ["", "x", "FF", "0ff", "+1", "-1", "1ffffffffffffffff", "1 "] {
            assert!(Cursor::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_says_where_the_next_one_begins() {
        let mut page = SessionPage::empty();
        assert_eq!(page.fields(), r#""sessions":[],"next":null"#);
        page.next = Some(Cursor(255));
        assert_eq!(page.fields(), r#""sessions":[],"next":"ff""#);
    }
}
