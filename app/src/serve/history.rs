//! What sessions came to, and which alerts there were: read from the journal.

use pulsewheel::http::{Request, Response};
use pulsewheel::progress::{ListQuery, SessionInfo, Status};
use pulsewheel::Endpoint;
use serde_json::json;
use uuid::Uuid;

use super::answer::{json_text, ApiError};
use super::auth::{self, Caller};
use super::query_fields::fields;
use crate::journal::{EndedFilter, EndedPlace, JournalReader};
use crate::store::StoreError;

/// Size of the array of a page, in bytes. A page has one entry at least, however large.
const MAX_PAGE_BYTES: usize = 256 * 1024;

/// A question about the journal. Who asks goes along: he is told of what he may see.
#[derive(Clone, Debug)]
pub enum HistoryQuery {
    Sessions {
        caller: Caller,
        filter: EndedFilter,
        limit: usize,
    },
    Session {
        caller: Caller,
        id: Uuid,
        /// The Session object, if the server holds one of this id, and which of them it is.
        live: Option<(SessionInfo, String)>,
    },
    Alerts {
        since_ms: u64,
        before: Option<i64>,
        limit: usize,
    },
}

impl HistoryQuery {
    /// `GET /api/history`.
    pub fn sessions(head: &Request, caller: Caller) -> Result<HistoryQuery, ApiError> {
        let mut filter = EndedFilter::default();
        let mut limit = ListQuery::default().limit;
        for (name, value) in fields(head, &["since", "status", "limit", "cursor"])? {
            match name {
                "since" => filter.since_ms = since(&value)?,
                "status" => filter.status = Some(ended_status(&value)?),
                "limit" => limit = ListQuery::limit_argument(&value)?,
                _ => filter.behind = Some(place(&value).ok_or_else(wrong_cursor)?),
            }
        }
        Ok(HistoryQuery::Sessions {
            caller,
            filter,
            limit,
        })
    }

    /// `GET /api/history/{id}`.
    pub fn session(
        endpoint: &mut Endpoint,
        head: &Request,
        caller: Caller,
        id: Uuid,
    ) -> Result<HistoryQuery, ApiError> {
        fields(head, &[])?;
        let info = auth::seen(endpoint, &caller, id)?;
        let live = info.and_then(|info| Some((info, endpoint.progress().session(id).ok()?)));
        Ok(HistoryQuery::Session { caller, id, live })
    }

    /// `GET /api/alerts`.
    pub fn alerts(head: &Request) -> Result<HistoryQuery, ApiError> {
        let (mut since_ms, mut before) = (0, None);
        let mut limit = ListQuery::default().limit;
        for (name, value) in fields(head, &["since", "limit", "cursor"])? {
            match name {
                "since" => since_ms = since(&value)?,
                "limit" => limit = ListQuery::limit_argument(&value)?,
                _ => before = Some(alert(&value).ok_or_else(wrong_cursor)?),
            }
        }
        Ok(HistoryQuery::Alerts {
            since_ms,
            before,
            limit,
        })
    }

    pub fn answer(self, journal: &JournalReader) -> Result<Response, StoreError> {
        match self {
            HistoryQuery::Sessions {
                caller,
                filter,
                limit,
            } => sessions(journal, &caller, &filter, limit),
            HistoryQuery::Session { caller, id, live } => session(journal, &caller, id, live),
            HistoryQuery::Alerts {
                since_ms,
                before,
                limit,
            } => {
                // One more tells whether there is a next page.
                let alerts = journal.alerts(since_ms, before, limit + 1)?;
                let mut page = Page::new(limit);
                for alert in alerts {
                    if !page.push(&alert.payload, || format!("{:x}", alert.id)) {
                        break;
                    }
                }
                Ok(page.answer("alerts"))
            }
        }
    }
}

fn sessions(
    journal: &JournalReader,
    caller: &Caller,
    filter: &EndedFilter,
    limit: usize,
) -> Result<Response, StoreError> {
    let mut page = Page::new(limit);
    journal.ended(filter, |place, record| {
        let is_seen = caller.sees(record.info(), true);
        match record.ended_session(false).filter(|_| is_seen) {
            Some(session) => page.push(&session, || place_text(place)),
            None => true,
        }
    })?;
    Ok(page.answer("sessions"))
}

fn session(
    journal: &JournalReader,
    caller: &Caller,
    id: Uuid,
    live: Option<(SessionInfo, String)>,
) -> Result<Response, StoreError> {
    let record = journal.newest(id)?;
    let seen = record.filter(|record| caller.sees(record.info(), false));
    let number = match (&seen, &live) {
        (Some(record), _) => record.info().number,
        (None, Some((info, _))) => info.number,
        (None, None) => return Ok(ApiError::no_session(id).into()),
    };
    // What the server holds is newer, unless it has ended since.
    let ended = seen.and_then(|record| record.ended_session(true));
    let Some(session) = ended.or(live.map(|(_, session)| session)) else {
        return Ok(ApiError::no_session(id).into());
    };
    let changes = json!(journal.changes(number)?);
    Ok(json_text(
        200,
        format!("{{\"session\":{session},\"changes\":{changes}}}"),
    ))
}

/// A page that grows entry by entry.
struct Page {
    entries: String,
    count: usize,
    limit: usize,
    /// The cursor behind the last entry.
    last: String,
    has_more: bool,
}

impl Page {
    fn new(limit: usize) -> Page {
        Page {
            entries: String::new(),
            count: 0,
            limit,
            last: String::new(),
            has_more: false,
        }
    }

    /// Takes an entry, if there is room. False where the page is full.
    fn push(&mut self, entry: &str, cursor: impl FnOnce() -> String) -> bool {
        let is_large = self.entries.len() + entry.len() > MAX_PAGE_BYTES;
        if self.count == self.limit || (self.count > 0 && is_large) {
            self.has_more = true;
            return false;
        }
        if self.count > 0 {
            self.entries.push(',');
        }
        self.entries.push_str(entry);
        self.count += 1;
        self.last = cursor();
        true
    }

    fn answer(self, name: &str) -> Response {
        let next = json!(self.has_more.then_some(self.last));
        let entries = self.entries;
        json_text(200, format!("{{\"{name}\":[{entries}],\"next\":{next}}}"))
    }
}

fn since(text: &str) -> Result<u64, ApiError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let since_ms = text.parse().ok().filter(|_| is_number);
    since_ms.ok_or_else(|| ApiError::invalid("since must be a time in milliseconds since 1970"))
}

fn ended_status(text: &str) -> Result<Status, ApiError> {
    match Status::parse(text) {
        Ok(status) if status != Status::Processing => Ok(status),
        _ => Err(ApiError::invalid(
            "status must be completed, error or cancelled",
        )),
    }
}

fn place_text(place: EndedPlace) -> String {
    format!("{:x}.{:x}", place.ended_ms, place.number)
}

fn place(text: &str) -> Option<EndedPlace> {
    let (ended, number) = text.split_once('.')?;
    let place = EndedPlace {
        ended_ms: u64::from_str_radix(ended, 16).ok()?,
        number: u64::from_str_radix(number, 16).ok()?,
    };
    (place_text(place) == text).then_some(place)
}

/// The number of an alert, as it stands in a cursor.
fn alert(text: &str) -> Option<i64> {
    let id = i64::from_str_radix(text, 16).ok()?;
    (id >= 0 && format!("{id:x}") == text).then_some(id)
}

fn wrong_cursor() -> ApiError {
    ApiError::invalid("cursor must be the next of a page that was read before")
}

#[cfg(test)]
mod tests {
    use super::super::testing::get;
    use super::*;
    use pulsewheel::PeerAddr;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let head = |query: &str| Request {
            query: query.to_owned(),
            ..get(&[])
        };
        let caller = || Caller::anybody(PeerAddr::Unix);
        for query in [
            "",
            "since=0&status=cancelled&limit=3&cursor=1f.a",
            "since=1736677800000",
        ] {
            assert!(HistoryQuery::sessions(&head(query), caller()).is_ok());
        }
        for query in [
            "status=processing",
            "status=gone",
            "since=",
            "since=-1",
            "since=yesterday",
            "cursor=1f",
            "cursor=1F.a",
            "limit=0",
            "id=7",
        ] {
            let refused = HistoryQuery::sessions(&head(query), caller());
            assert_eq!(
                refused.err().map(|error| error.status),
                Some(400),
                "{query}"
            );
        }
        assert!(HistoryQuery::alerts(&head("since=5&limit=2&cursor=1f")).is_ok());
        for query in [
            "cursor=x",
            "cursor=-1",
            "cursor=1F",
            "cursor=01",
            "status=error",
            "since=1.5",
        ] {
            assert!(HistoryQuery::alerts(&head(query)).is_err(), "{query}");
        }
    }

    #[test]
    fn a_page_ends_at_its_limit_and_at_its_size() {
        let mut page = Page::new(2);
        assert!(page.push("1", || "a".to_owned()) && page.push("2", || "b".to_owned()));
        assert!(!page.push("3", || "c".to_owned()));
        let body = page.answer("alerts").body;
        assert_eq!(&*body, br#"{"alerts":[1,2],"next":"b"}"#);
        let mut page = Page::new(100);
        let large = "9".repeat(MAX_PAGE_BYTES + 1);
        assert!(page.push(&large, || "a".to_owned()), "one at least");
        assert!(!page.push("1", || "b".to_owned()));
        let empty = Page::new(5).answer("sessions").body;
        assert_eq!(&*empty, br#"{"sessions":[],"next":null}"#);
    }
}
