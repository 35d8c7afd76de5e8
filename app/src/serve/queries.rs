//! Looking things up in the database, on a thread of its own: the event loop never
//! waits for a disk.

use std::fmt;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender, TrySendError};
use std::thread;

use pulsewheel::http::{Request, Response};
use pulsewheel::{Handle, RequestId};
use serde::Serialize;

use super::answer::{json_text, ApiError};
use super::call::call_surely;
use crate::severity::Severity;
use crate::store::{FindingFilter, Page, Reader, StoreError, MAX_PAGE};

/// Queries that may wait; more are turned away.
const MAX_WAITING: usize = 64;

/// Items on a page where none are asked for.
const DEFAULT_LIMIT: u64 = 100;

/// Hands queries to the thread that answers them. The thread ends with this.
pub struct Queries {
    waiting: SyncSender<(RequestId, Query)>,
}

/// A question about the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    Imports {
        limit: u64,
        offset: u64,
    },
    Findings {
        filter: FindingFilter,
        limit: u64,
        offset: u64,
    },
}

impl Queries {
    pub fn start(reader: Reader, handle: Handle) -> std::io::Result<Queries> {
        let (waiting, queries) = sync_channel(MAX_WAITING);
        thread::Builder::new()
            .name("queries".to_owned())
            .spawn(move || answer_all(&queries, &reader, &handle))?;
        Ok(Queries { waiting })
    }

    /// Answers a request, later.
    pub fn submit(&self, request: RequestId, query: Query) -> Result<(), ApiError> {
        self.waiting
            .try_send((request, query))
            .map_err(|error| match error {
                TrySendError::Full(_) => {
                    ApiError::overload("too many queries wait for the database")
                }
                TrySendError::Disconnected(_) => ApiError::storage(),
            })
    }
}

impl Query {
    /// `GET /api/imports`.
    pub fn imports(head: &Request) -> Result<Query, ApiError> {
        let (limit, offset) = page(head)?;
        Ok(Query::Imports { limit, offset })
    }

    /// `GET /api/vulnerabilities`.
    pub fn findings(head: &Request) -> Result<Query, ApiError> {
        let (limit, offset) = page(head)?;
        let severity = match head.query("severity") {
            None => None,
            Some(name) => Some(Severity::from_name(&name).ok_or_else(|| {
                ApiError::invalid("severity must be Critical, High, Medium, Low or Info")
            })?),
        };
        let active = match head.query("status").as_deref() {
            None => None,
            Some("active") => Some(true),
            Some("resolved") => Some(false),
            Some(_) => return Err(ApiError::invalid("status must be active or resolved")),
        };
        let host = head.query("host").map(|host| host.into_owned());
        Ok(Query::Findings {
            filter: FindingFilter {
                severity,
                host,
                active,
            },
            limit,
            offset,
        })
    }

    fn answer(&self, reader: &Reader) -> Result<Response, StoreError> {
        match self {
            Query::Imports { limit, offset } => reader.imports(*limit, *offset).map(page_answer),
            Query::Findings {
                filter,
                limit,
                offset,
            } => reader
                .vulnerabilities(filter, *limit, *offset)
                .map(page_answer),
        }
    }
}

impl fmt::Debug for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queries")
    }
}

fn answer_all(queries: &Receiver<(RequestId, Query)>, reader: &Reader, handle: &Handle) {
    for (request, query) in queries {
        let response = query.answer(reader).unwrap_or_else(|error| {
            log::error!("a query failed: {error}");
            ApiError::storage().into()
        });
        // Whoever asked may have gone.
        let _ = call_surely(handle, move |endpoint| {
            endpoint.respond(request, response.clone())
        });
    }
}

fn page_answer<T: Serialize>(page: Page<T>) -> Response {
    match serde_json::to_string(&page) {
        Ok(text) => json_text(200, text),
        Err(error) => {
            log::error!("an answer has no JSON: {error}");
            ApiError::storage().into()
        }
    }
}

/// `limit` and `offset`. A limit beyond the largest page counts as that.
fn page(head: &Request) -> Result<(u64, u64), ApiError> {
    let number = |name: &str, default: u64| match head.query(name) {
        None => Ok(default),
        Some(text) => {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| is_number);
            number.ok_or_else(|| ApiError::invalid(format!("{name} must be a whole number from 0")))
        }
    };
    Ok((
        number("limit", DEFAULT_LIMIT)?.min(MAX_PAGE),
        number("offset", 0)?,
    ))
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
        assert_eq!(
            Query::imports(&query("")),
            Ok(Query::Imports {
                limit: 100,
                offset: 0
            })
        );
        assert_eq!(
            Query::imports(&query("offset=7&limit=0")),
            Ok(Query::Imports {
                limit: 0,
                offset: 7
            })
        );
        assert_eq!(
            Query::imports(&query("limit=5000")),
            Ok(Query::Imports {
                limit: 1000,
                offset: 0
            })
        );
    }

    #[test]
    fn findings_can_be_narrowed() {
        let filter = FindingFilter {
            severity: Some(Severity::Critical),
            host: Some("web 1".to_owned()),
            active: Some(false),
        };
        let found = Query::findings(&query(
            "severity=critical&host=web+1&status=resolved&limit=2",
        ));
        assert_eq!(
            found,
            Ok(Query::Findings {
                filter,
                limit: 2,
                offset: 0
            })
        );
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
        ] {
            assert_eq!(
                Query::findings(&query(text)).unwrap_err().status,
                400,
                "{text}"
            );
        }
    }
}
