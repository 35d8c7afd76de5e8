//! Looking things up in the database, on a thread of its own: the event loop never
//! waits for a disk.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pulsewheel::http::{Method, Request};
use pulsewheel::{Endpoint, Handle, RequestId};

use super::answer::ApiError;
use super::answering::Answering;
use super::auth::Caller;
use super::callers::CallerId;
use super::export::{Export, ExportFormat};
use super::exports::Exports;
use super::fair::{FairQueue, Lane};
use super::history::HistoryQuery;
use super::idempotency::Again;
use super::query_fields::{fields, fields_with_lists};
use crate::journal::JournalReader;
use crate::severity::Severity;
use crate::store::{Cursor, FindingFilter, Reader, Sort, SortKey, MAX_PAGE};

/// Items on a page where none are asked for.
const DEFAULT_LIMIT: u64 = 100;
/// Whoever wants a page behind so many others may have to wait for those who do not: all before it is read.
const DEEP_OFFSET: u64 = 10_000;
/// The timer by which files are looked at that have been on their way for too long, and how often.
pub const OVERDUE_FILES: u64 = 3;
const OVERDUE_EVERY: Duration = Duration::from_secs(60);

/// Hands queries to the thread that answers them. The thread ends with this.
pub struct Queries {
    waiting: Arc<FairQueue<(RequestId, Question)>>,
    exports: Arc<Exports>,
}

/// What waits for the thread.
pub enum Question {
    Findings(Query),
    History(HistoryQuery),
    /// What was answered before.
    Again(Again),
    /// The next piece of a file.
    Piece,
    /// A file that nobody waits for any more, to be closed.
    Left(Box<Export>),
}

/// A question about the database.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    Imports {
        limit: u64,
        offset: u64,
    },
    Import(i64),
    Findings {
        filter: FindingFilter,
        sort: Sort,
        limit: u64,
        offset: u64,
        cursor: Option<Cursor>,
    },
    Statistics,
}

impl Queries {
    /// Starts the thread.
    pub fn start(
        endpoint: &mut Endpoint,
        findings: Reader,
        journal: JournalReader,
        handle: Handle,
    ) -> std::io::Result<Queries> {
        endpoint.schedule_every(OVERDUE_EVERY, OVERDUE_FILES);
        let waiting = Arc::new(FairQueue::default());
        let exports = Arc::new(Exports::default());
        let of_thread = Answering {
            waiting: waiting.clone(),
            exports: exports.clone(),
            findings,
            journal,
            handle,
        };
        thread::Builder::new()
            .name("queries".to_owned())
            .spawn(move || of_thread.answer_all())?;
        Ok(Queries { waiting, exports })
    }

    /// Answers a request of somebody, later.
    pub fn submit(
        &self,
        endpoint: &mut Endpoint,
        request: RequestId,
        caller: &Caller,
        query: Query,
    ) {
        let lane = query.lane();
        self.send(endpoint, request, caller, lane, Question::Findings(query));
    }

    /// The same, from the journal.
    pub fn submit_history(
        &self,
        endpoint: &mut Endpoint,
        request: RequestId,
        caller: &Caller,
        query: HistoryQuery,
    ) {
        let question = Question::History(query);
        self.send(endpoint, request, caller, Lane::Quick, question);
    }

    /// Answers a request as it was answered before.
    pub fn submit_again(&self, endpoint: &mut Endpoint, again: Again) {
        let (request, caller) = (again.request, again.caller.clone());
        let question = Question::Again(again);
        self.send(endpoint, request, &caller, Lane::Quick, question);
    }

    /// Answers a request with a file, piece by piece.
    pub fn submit_export(
        &self,
        endpoint: &mut Endpoint,
        request: RequestId,
        head: &Request,
        caller: &Caller,
        format: ExportFormat,
    ) -> Result<(), ApiError> {
        let export = export(head, format)?;
        if head.method == Method::Head {
            let _ = endpoint.respond_in_parts(request, export.response());
            return Ok(());
        }
        let now_ms = endpoint.now().mono_ms;
        let caller = CallerId::of(caller);
        self.exports.begin(now_ms, request, caller, export)?;
        self.go_on(endpoint, request);
        Ok(())
    }

    /// The next piece of a file is wanted.
    pub fn go_on(&self, endpoint: &mut Endpoint, request: RequestId) {
        if let Some(caller) = self.exports.caller(request) {
            let piece = (request, Question::Piece);
            let pushed = self.waiting.push(caller, Lane::Begun, piece);
            self.refuse(endpoint, pushed);
        }
    }

    /// Whoever asked has gone.
    pub fn abort(&self, request: RequestId) {
        self.waiting.retain(|(waiting, _)| *waiting != request);
        let caller = self.exports.caller(request);
        let export = self.exports.end(request);
        if let (Some(caller), Some(export)) = (caller, export) {
            let left = (request, Question::Left(Box::new(export)));
            // Nothing is ever refused in this lane.
            let _ = self.waiting.push(caller, Lane::Begun, left);
        }
    }

    /// Ends files that have been on their way for too long.
    pub fn end_overdue(&self, endpoint: &mut Endpoint) {
        for request in self.exports.overdue(endpoint.now().mono_ms) {
            if endpoint.break_off(request).is_ok() {
                log::warn!("a file of findings was taken too slowly and has been cut");
                self.abort(request);
            }
        }
    }

    fn send(
        &self,
        endpoint: &mut Endpoint,
        request: RequestId,
        caller: &Caller,
        lane: Lane,
        question: Question,
    ) {
        let caller = CallerId::of(caller);
        let pushed = self.waiting.push(caller, lane, (request, question));
        self.refuse(endpoint, pushed);
    }

    /// Answers the request that has given way, if one has.
    fn refuse(&self, endpoint: &mut Endpoint, pushed: Result<(), (RequestId, Question)>) {
        if let Err((request, _)) = pushed {
            let error = ApiError::overload("too many queries wait for the database");
            let _ = endpoint.respond(request, error.into());
        }
    }
}

impl Drop for Queries {
    fn drop(&mut self) {
        self.waiting.close();
    }
}

impl Query {
    /// `GET /api/imports`.
    pub fn imports(head: &Request) -> Result<Query, ApiError> {
        let mut page = Page::default();
        for (name, value) in fields(head, &["limit", "offset"])? {
            page.set(name, &value)?;
        }
        let Page { limit, offset } = page;
        Ok(Query::Imports { limit, offset })
    }

    /// `GET /api/imports/{id}`.
    pub fn import(head: &Request, id: i64) -> Result<Query, ApiError> {
        fields(head, &[])?;
        Ok(Query::Import(id))
    }

    /// `GET /api/vulnerabilities/stats`.
    pub fn statistics(head: &Request) -> Result<Query, ApiError> {
        fields(head, &[])?;
        Ok(Query::Statistics)
    }

    /// `GET /api/vulnerabilities`.
    pub fn findings(head: &Request) -> Result<Query, ApiError> {
        let mut known = vec!["limit", "offset", "cursor"];
        known.extend(FILTER_FIELDS);
        let (mut filter, mut sort, mut page) =
            (FindingFilter::default(), Sort::default(), Page::default());
        let mut cursor = None;
        let mut has_offset = false;
        for (name, value) in fields_with_lists(head, &known, &LIST_FIELDS)? {
            match name {
                "cursor" => cursor = Some(value.into_owned()),
                "limit" | "offset" => {
                    has_offset |= name == "offset";
                    page.set(name, &value)?;
                }
                _ => narrow(&mut filter, &mut sort, name, &value)?,
            }
        }
        if cursor.is_some() && has_offset {
            return Err(ApiError::invalid("cursor and offset exclude each other"));
        }
        let cursor = cursor.map(|text| {
            Cursor::from_text(&text, sort)
                .ok_or_else(|| ApiError::invalid("cursor is none of this list and order"))
        });
        Ok(Query::Findings {
            filter,
            sort,
            limit: page.limit,
            offset: page.offset,
            cursor: cursor.transpose()?,
        })
    }

    /// Where it waits.
    fn lane(&self) -> Lane {
        match self {
            Query::Findings { offset, .. } if *offset >= DEEP_OFFSET => Lane::Slow,
            _ => Lane::Quick,
        }
    }
}

impl fmt::Debug for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queries")
    }
}

/// `GET /api/vulnerabilities.csv` and `.json`.
fn export(head: &Request, format: ExportFormat) -> Result<Export, ApiError> {
    let (mut filter, mut sort) = (FindingFilter::default(), Sort::default());
    for (name, value) in fields_with_lists(head, &FILTER_FIELDS, &LIST_FIELDS)? {
        narrow(&mut filter, &mut sort, name, &value)?;
    }
    Ok(Export::new(filter, sort, format))
}

/// The fields that narrow and order findings.
const FILTER_FIELDS: [&str; 7] = ["severity", "host", "status", "vendor", "cve", "q", "sort"];
/// Those of which any may hold.
const LIST_FIELDS: [&str; 2] = ["severity", "vendor"];

fn narrow(
    filter: &mut FindingFilter,
    sort: &mut Sort,
    name: &str,
    value: &str,
) -> Result<(), ApiError> {
    match name {
        "severity" => {
            let severity = Severity::from_name(value).ok_or_else(|| {
                ApiError::invalid("severity must be Critical, High, Medium, Low or Info")
            })?;
            filter.severities.push(severity);
        }
        "vendor" => filter.vendors.push(value.to_owned()),
        "host" => filter.host = Some(value.to_owned()),
        "cve" => filter.cve = Some(value.to_owned()),
        "q" => filter.text = Some(value.to_owned()),
        "sort" => {
            *sort = Sort::from_text(value).ok_or_else(|| {
                let names = SortKey::names().join(", ");
                ApiError::invalid(format!(
                    "sort must be one of {names}, or one of them behind a -"
                ))
            })?;
        }
        _ => {
            filter.active = Some(match value {
                "active" => true,
                "resolved" => false,
                _ => return Err(ApiError::invalid("status must be active or resolved")),
            });
        }
    }
    Ok(())
}

/// `limit` and `offset`. A limit beyond the largest page counts as that.
struct Page {
    limit: u64,
    offset: u64,
}

impl Default for Page {
    fn default() -> Page {
        Page {
            limit: DEFAULT_LIMIT,
            offset: 0,
        }
    }
}

impl Page {
    fn set(&mut self, name: &str, text: &str) -> Result<(), ApiError> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number);
        let number = number
            .ok_or_else(|| ApiError::invalid(format!("{name} must be a whole number from 0")))?;
        match name {
            "limit" => self.limit = MAX_PAGE.min(number),
            _ => self.offset = number,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::get;
    use super::*;

    fn query(query: &str) -> Request {
        Request {
            query: query.to_owned(),
            ..get(&[])
        }
    }

    #[test]
    fn a_query_has_a_hundred_items_unless_it_says_otherwise() {
        for (text, limit, offset) in [
            ("", 100, 0),
            ("offset=7&limit=0", 0, 7),
            ("limit=5000", 1000, 0),
        ] {
            assert_eq!(
                Query::imports(&query(text)),
                Ok(Query::Imports { limit, offset }),
                "{text}"
            );
        }
    }

    #[test]
    fn findings_can_be_narrowed_and_ordered() {
        let found = Query::findings(&query(
            "severity=critical&severity=High&host=web+1&status=resolved&vendor=a&cve=CVE-1&q=tls&sort=-cvss&limit=2",
        ));
        let filter = FindingFilter {
            severities: vec![Severity::Critical, Severity::High],
            vendors: vec!["a".to_owned()],
            host: Some("web 1".to_owned()),
            active: Some(false),
            cve: Some("CVE-1".to_owned()),
            text: Some("tls".to_owned()),
        };
        let sort = Sort {
            key: SortKey::Cvss,
            is_descending: true,
        };
        let wanted = Query::Findings {
            filter,
            sort,
            limit: 2,
            offset: 0,
            cursor: None,
        };
        assert_eq!(found, Ok(wanted));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "limit=x",
            "limit=-1",
            "limit=+1",
            "limit=",
            "limit=1.5",
            "offset=-1",
            "offset=99999999999999999999",
            "severity=Apocalyptic",
            "severity=",
            "status=gone",
            "host=",
            "hosts=a",
            "host=a&host=b",
            "sort=colour",
            "sort=--id",
            "cursor=xyz",
            "q=",
        ] {
            let refused = Query::findings(&query(text)).unwrap_err();
            assert_eq!(
                (refused.status, refused.code),
                (400, "INVALID_ARGUMENT"),
                "{text}"
            );
        }
        assert!(export(&query("limit=1"), ExportFormat::Csv).is_err());
        assert!(Query::statistics(&query("limit=1")).is_err());
    }

    #[test]
    fn a_cursor_goes_on_in_its_own_order_only() {
        let sort = Sort::from_text("severity").unwrap();
        let cursor = Cursor {
            value: rusqlite::types::Value::Integer(3),
            id: 7,
        };
        let text = cursor.text(sort);
        assert_eq!(Cursor::from_text(&text, sort), Some(cursor));
        assert_eq!(Cursor::from_text(&text, Sort::default()), None);
        let sorted = Query::findings(&query(&format!("sort=severity&cursor={text}")));
        assert!(sorted.is_ok(), "{sorted:?}");
        assert!(Query::findings(&query(&format!("sort=severity&offset=1&cursor={text}"))).is_err());
    }
}
