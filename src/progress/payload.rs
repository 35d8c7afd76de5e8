//! The JSON of a session and of its events, written straight from what the session holds.
//!
//! The order of the struct fields here is the order of the documented events.

use serde::Serialize;
use serde::Serializer;
use uuid::Uuid;

use super::metadata::{Metadata, CURRENT_STEP, ETA_SECONDS, OPERATION, PROCESSED_ROWS, TOTAL_ROWS};
use super::object::{Object, Ordered, Text};
use super::session::{Outcome, Session, Status};
use super::shown::Shown;
use crate::now::Now;

/// Parts of a given result that stand at the top level of `import_complete`.
const IMPORT_ID: &str = "import_id";
const TOTAL_PROCESSED: &str = "total_processed";
const PROCESSING_TIME_MS: &str = "processing_time_ms";
const SUMMARY: &str = "summary";
const PERFORMANCE: &str = "performance";
const TOP_LEVEL: [&str; 5] = [
    IMPORT_ID,
    TOTAL_PROCESSED,
    PROCESSING_TIME_MS,
    SUMMARY,
    PERFORMANCE,
];

#[derive(Serialize)]
struct SessionCreated<'a> {
    #[serde(rename = "sessionId")]
    session_id: Id,
    metadata: &'a Metadata,
    timestamp: String,
    seq: u64,
}

#[derive(Serialize)]
struct ImportProgress<'a> {
    #[serde(rename = "sessionId")]
    session_id: Id,
    operation: Option<&'a Text>,
    progress: f64,
    current_step: Option<&'a Text>,
    processed_rows: Option<&'a Text>,
    total_rows: Option<&'a Text>,
    eta_seconds: Eta<'a>,
    status: Status,
    metadata: Shown<'a>,
    timestamp: String,
    seq: u64,
}

#[derive(Serialize)]
struct Terminal<'a> {
    #[serde(rename = "sessionId")]
    session_id: Id,
    #[serde(flatten)]
    details: Details<'a>,
    /// What a given result holds beyond the parts that stand at the top level; left out when that is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Rest<'a>>,
    status: Status,
    seq: u64,
}

/// What a terminal event says beyond what every one says.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Details<'a> {
    Complete {
        operation: Option<&'a Text>,
        success: bool,
        import_id: Option<&'a Text>,
        total_processed: Option<&'a Text>,
        processing_time_ms: Measured<'a>,
        summary: Option<&'a Text>,
        performance: Option<&'a Text>,
        timestamp: String,
    },
    Error {
        operation: Option<&'a Text>,
        success: bool,
        error: Ordered<'a>,
        partial_results: Ordered<'a>,
        timestamp: String,
    },
    Cancelled {
        operation: Option<&'a Text>,
        cancelled: bool,
        reason: &'a str,
        partial_results: Ordered<'a>,
        cleanup_performed: bool,
        timestamp: String,
    },
}

/// A figure that was given, or else the one that was measured.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Measured<'a> {
    Given(&'a Text),
    Here(u64),
}

/// Time left: given, or else computed, or else null.
#[derive(Serialize)]
#[serde(untagged)]
enum Eta<'a> {
    Given(&'a Text),
    Computed(Option<u64>),
}

/// A UUID in lower case with hyphens.
struct Id(Uuid);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

/// A given result without the parts that stand at the top level.
struct Rest<'a>(&'a Object);

impl<'a> Rest<'a> {
    fn of(result: &'a Object) -> Option<Self> {
        let rest = Rest(result);
        let is_empty = rest.entries().next().is_none();
        (!is_empty).then_some(rest)
    }

    fn entries(&self) -> impl Iterator<Item = (&str, &Text)> {
        let entries = self.0.iter();
        entries.filter(|(key, _)| !TOP_LEVEL.contains(key))
    }
}

impl Serialize for Rest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries())
    }
}

impl Session {
    /// The payload of `session_created`.
    pub(super) fn created_payload(&self) -> String {
        to_json(&SessionCreated {
            session_id: Id(self.id),
            metadata: &self.metadata,
            timestamp: self.times.created.rfc3339(),
            seq: self.seq,
        })
    }

    /// The payload of `import_progress`.
    pub(super) fn progress_payload(&self, now: Now, stalled_after_ms: u64) -> String {
        let eta_seconds = self.eta_seconds(now, stalled_after_ms);
        to_json(&ImportProgress {
            session_id: Id(self.id),
            operation: self.metadata.field(&OPERATION),
            progress: self.progress,
            current_step: self.metadata.field(&CURRENT_STEP),
            processed_rows: self.metadata.field(&PROCESSED_ROWS),
            total_rows: self.metadata.field(&TOTAL_ROWS),
            eta_seconds: self.eta(eta_seconds),
            status: self.status(),
            metadata: Shown {
                metadata: &self.metadata,
                computed: &self.computed(now, eta_seconds),
            },
            timestamp: now.rfc3339(),
            seq: self.seq,
        })
    }

    /// The payload of the terminal event of a session with this outcome.
    pub(super) fn terminal_payload(&self, outcome: &Outcome) -> String {
        to_json(&Terminal {
            session_id: Id(self.id),
            details: self.terminal_details(outcome),
            result: match outcome {
                Outcome::Completed { result } => Rest::of(result),
                Outcome::Failed { .. } | Outcome::Cancelled { .. } => None,
            },
            status: self.status(),
            seq: self.seq,
        })
    }

    fn eta(&self, computed: Option<u64>) -> Eta<'_> {
        let given = self.metadata.field(&ETA_SECONDS);
        given.map_or(Eta::Computed(computed), Eta::Given)
    }

    pub(super) fn terminal_details<'a>(&'a self, outcome: &'a Outcome) -> Details<'a> {
        let operation = self.metadata.field(&OPERATION);
        let timestamp = self.times.last_update.rfc3339();
        match outcome {
            Outcome::Completed { result } => Details::Complete {
                operation,
                success: true,
                import_id: result.get(IMPORT_ID),
                total_processed: result
                    .get_given(TOTAL_PROCESSED)
                    .or_else(|| self.metadata.field(&PROCESSED_ROWS)),
                processing_time_ms: result
                    .get_given(PROCESSING_TIME_MS)
                    .map_or_else(|| Measured::Here(self.times.lasted_ms()), Measured::Given),
                summary: result.get(SUMMARY),
                performance: result.get(PERFORMANCE),
                timestamp,
            },
            Outcome::Failed {
                error,
                partial_results,
            } => Details::Error {
                operation,
                success: false,
                error: Ordered {
                    object: error,
                    first: &["code", "message", "details", "recovery_suggestions"],
                },
                partial_results: Ordered {
                    object: partial_results,
                    first: &["processed_rows", "successful_imports", "failed_rows"],
                },
                timestamp,
            },
            Outcome::Cancelled {
                reason,
                partial_results,
            } => Details::Cancelled {
                operation,
                cancelled: true,
                reason,
                partial_results: Ordered {
                    object: partial_results,
                    first: &["processed_rows", "completion_percentage"],
                },
                // The event is sent once the work has been rolled back, never before.
                cleanup_performed: true,
                timestamp,
            },
        }
    }
}

/// Compact JSON text.
pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("payloads have text keys and finite numbers only")
}
