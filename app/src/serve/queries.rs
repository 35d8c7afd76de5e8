//! Looking things up in the database, on a thread of its own: the event loop never
//! waits for a disk.

use std::fmt;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender, TrySendError};
use std::sync::{Mutex, PoisonError};
use std::thread;

use pulsewheel::http::{Request, Response};
use pulsewheel::{Handle, Pending, RequestId};
use serde::Serialize;
use serde_json::json;

use super::answer::{json_text, ApiError};
use super::call::call_surely;
use super::export::{self, ExportFormat};
use super::history::HistoryQuery;
use super::idempotency::Again;
use super::query_fields::{fields, fields_with_lists};
use crate::journal::JournalReader;
use crate::severity::Severity;
use crate::store::{
    self, Cursor, FindingFilter, FindingPage, FindingRow, HistoryEntry, Reader, Sort, SortKey,
    StoreError, MAX_PAGE,
};

/// Queries that may wait; more are turned away.
const MAX_WAITING: usize = 64;

/// Items on a page where none are asked for.
const DEFAULT_LIMIT: u64 = 100;

/// Hands queries to the thread that answers them. The thread ends with this.
pub struct Queries {
    waiting: SyncSender<Task>,
}

enum Question {
    Findings(Query),
    History(HistoryQuery),
}

/// What the thread has to do.
enum Task {
    Answer(RequestId, Question),
    AnswerAgain(Again),
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
    /// All findings that match, as a file.
    Export {
        filter: FindingFilter,
        sort: Sort,
        format: ExportFormat,
    },
    Statistics,
}

impl Queries {
    /// Starts the thread; a file of findings has at most so many bytes.
    pub fn start(
        findings: Reader,
        journal: JournalReader,
        handle: Handle,
        file_bytes: usize,
    ) -> std::io::Result<Queries> {
        let (waiting, queries) = sync_channel(MAX_WAITING);
        thread::Builder::new()
            .name("queries".to_owned())
            .spawn(move || answer_all(queries, &findings, &journal, &handle, file_bytes))?;
        Ok(Queries { waiting })
    }

    /// Answers a request, later.
    pub fn submit(&self, request: RequestId, query: Query) -> Result<(), ApiError> {
        self.send(Task::Answer(request, Question::Findings(query)))
    }

    /// The same, from the journal.
    pub fn submit_history(&self, request: RequestId, query: HistoryQuery) -> Result<(), ApiError> {
        self.send(Task::Answer(request, Question::History(query)))
    }

    /// Answers a request as it was answered before.
    pub fn submit_again(&self, again: Again) -> Result<(), ApiError> {
        self.send(Task::AnswerAgain(again))
    }

    fn send(&self, task: Task) -> Result<(), ApiError> {
        self.waiting.try_send(task).map_err(|error| match error {
            TrySendError::Full(_) => ApiError::overload("too many queries wait for the database"),
            TrySendError::Disconnected(_) => ApiError::storage(),
        })
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

    /// `GET /api/vulnerabilities.csv` and `.json`.
    pub fn export(head: &Request, format: ExportFormat) -> Result<Query, ApiError> {
        let (mut filter, mut sort) = (FindingFilter::default(), Sort::default());
        for (name, value) in fields_with_lists(head, &FILTER_FIELDS, &LIST_FIELDS)? {
            narrow(&mut filter, &mut sort, name, &value)?;
        }
        Ok(Query::Export {
            filter,
            sort,
            format,
        })
    }

    fn answer(&self, reader: &Reader, file_bytes: usize) -> Result<Response, StoreError> {
        match self {
            Query::Imports { limit, offset } => {
                let page = reader.imports(*limit, *offset)?;
                Ok(json_answer(&page))
            }
            Query::Import(id) => Ok(match reader.import(*id)? {
                Some(entry) => import_answer(&entry),
                None => ApiError::no_import(*id).into(),
            }),
            Query::Findings {
                filter,
                sort,
                limit,
                offset,
                cursor,
            } => {
                let page = reader.findings(filter, *sort, *limit, *offset, cursor.clone())?;
                Ok(page_answer(&page, *sort))
            }
            Query::Export {
                filter,
                sort,
                format,
            } => export::answer(reader, filter, *sort, *format, file_bytes),
            Query::Statistics => Ok(json_answer(&reader.statistics()?)),
        }
    }
}

impl fmt::Debug for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queries")
    }
}

fn answer_all(
    tasks: Receiver<Task>,
    findings: &Reader,
    journal: &JournalReader,
    handle: &Handle,
    file_bytes: usize,
) {
    for task in tasks {
        let (request, question) = match task {
            Task::Answer(request, question) => (request, question),
            Task::AnswerAgain(again) => {
                again.answer(journal, handle);
                continue;
            }
        };
        let answer = match question {
            Question::Findings(query) => query.answer(findings, file_bytes),
            Question::History(query) => query.answer(journal),
        };
        let response = answer.unwrap_or_else(|error| {
            log::error!("a query failed: {error}");
            ApiError::storage().into()
        });
        // It may be large, so that it is moved on and not copied.
        let response = Mutex::new(Some(response));
        let answered = call_surely(handle, move |endpoint| {
            let response = response
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            // Whoever asked may have gone.
            response.map(|response| endpoint.respond(request, response))
        });
        // The next answer is made when this one counts as held.
        let _ = answered.and_then(Pending::wait);
    }
}

/// A page of findings, written without a tree of its values, which would be several times as large.
#[derive(Serialize)]
struct PageAnswer<'a> {
    #[serde(flatten)]
    page: &'a store::Page<FindingRow>,
    next: Option<String>,
}

fn page_answer(found: &FindingPage, sort: Sort) -> Response {
    json_answer(&PageAnswer {
        page: &found.page,
        next: found.next.as_ref().map(|next| next.text(sort)),
    })
}

/// An import, with what was rejected beside its outcome.
fn import_answer(entry: &HistoryEntry) -> Response {
    let mut import = json!(entry);
    let details = entry.error.as_ref().map(|error| &error["details"]);
    let told = entry.summary.as_ref().or(details);
    for (name, default) in [
        ("rejections", json!([])),
        ("rejections_by_reason", json!({})),
    ] {
        let value = told.and_then(|told| told.get(name)).cloned();
        import[name] = value.unwrap_or(default);
    }
    json_answer(&json!({ "import": import }))
}

fn json_answer<T: Serialize>(value: &T) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => json_text(200, text),
        Err(error) => {
            log::error!("an answer has no JSON: {error}");
            ApiError::storage().into()
        }
    }
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
        assert!(Query::export(&query("limit=1"), ExportFormat::Csv).is_err());
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
