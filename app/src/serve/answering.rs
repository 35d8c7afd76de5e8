//! The thread that looks things up in the databases, and how it tells what it finds.

use std::sync::{Arc, Mutex, PoisonError};

use pulsewheel::http::Response;
use pulsewheel::{Endpoint, Handle, Pending, RequestId};
use serde::Serialize;
use serde_json::json;

use super::answer::{json_text, ApiError};
use super::call::call_surely;
use super::exports::Exports;
use super::fair::FairQueue;
use super::queries::{Query, Question};
use crate::journal::JournalReader;
use crate::store::{self, FindingPage, FindingRow, HistoryEntry, Reader, Sort, StoreError};

/// What the thread has.
pub struct Answering {
    pub waiting: Arc<FairQueue<(RequestId, Question)>>,
    pub exports: Arc<Exports>,
    pub findings: Reader,
    pub journal: JournalReader,
    pub handle: Handle,
}

impl Answering {
    /// Answers until the queue is closed.
    pub fn answer_all(self) {
        while let Some((request, question)) = self.waiting.pop() {
            let answer = match question {
                Question::Findings(query) => query.answer(&self.findings),
                Question::History(query) => query.answer(&self.journal),
                Question::Again(again) => {
                    again.answer(&self.journal, &self.handle);
                    continue;
                }
                Question::Left(export) => {
                    drop(export);
                    continue;
                }
                Question::Piece => {
                    self.exports
                        .send_piece(request, &self.findings, &self.handle);
                    continue;
                }
            };
            let response = answer.unwrap_or_else(|error| {
                log::error!("a query failed: {error}");
                ApiError::storage().into()
            });
            // Whoever asked may have gone.
            give(&self.handle, response, move |endpoint, response| {
                let _ = endpoint.respond(request, response);
            });
        }
    }
}

impl Query {
    fn answer(&self, reader: &Reader) -> Result<Response, StoreError> {
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
            Query::Statistics => Ok(json_answer(&reader.statistics()?)),
        }
    }
}

/// Has the loop do something with what was made for it, and waits until that is done: the next answer is made when this one
/// counts as held.
pub fn give<T: Send + 'static, R: Send + 'static>(
    handle: &Handle,
    made: T,
    take: impl Fn(&mut Endpoint, T) -> R + Send + Sync + 'static,
) -> Option<R> {
    // It may be large, so that it is moved on and not copied.
    let made = Mutex::new(Some(made));
    let given = call_surely(handle, move |endpoint| {
        let made = made.lock().unwrap_or_else(PoisonError::into_inner).take();
        made.map(|made| take(endpoint, made))
    });
    given.and_then(Pending::wait).ok().flatten()
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
