//! What an import tells its host, in the shapes that go over the wire.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{json, Value};

use super::form::FormHead;
use super::record::{Reason, Rejection};

/// Where an import reports to. All calls come from the import's thread, in this
/// order:
///
/// 1. [`file_started`](Self::file_started), once the form's file part begins;
///    never, if the request holds no usable form.
/// 2. [`progress`](Self::progress), at most about fifty times a second.
/// 3. Exactly one of [`completed`](Self::completed), [`failed`](Self::failed)
///    and [`cancelled`](Self::cancelled), after the commit or the roll-back.
///
/// [`taken_in`](Self::taken_in) comes exactly once in every run, when the last
/// byte of the body has been read: before the end of a good import, after the
/// end of one that failed while its body was still arriving.
pub trait Reporter {
    /// The file begins: create or claim the session, and give its id.
    ///
    /// # Errors
    /// [`RequestError::SessionRefused`] ends the run without an import; the rest
    /// of the body is thrown away.
    fn file_started(&mut self, head: &FormHead) -> Result<String, RequestError>;

    /// How far the import has come.
    fn progress(&mut self, progress: &Progress<'_>);

    /// The findings are in the database.
    fn completed(&mut self, completed: &Completed);

    /// Nothing was imported; the findings are as they were.
    fn failed(&mut self, failed: &Failed);

    /// The import was cancelled; the findings are as they were.
    fn cancelled(&mut self, cancelled: &Cancelled);

    /// The request has been read to its end: time to answer it, 202 or an error.
    fn taken_in(&mut self, answer: Result<&Accepted, &RequestError>);
}

/// Step of an import that waits for others.
pub const STEP_WAITING: &str = "Waiting";
/// Step of an import whose file is being read.
pub const STEP_READING: &str = "Processing CSV data";
/// Step of an import whose findings are compared with those known.
pub const STEP_MERGING: &str = "Saving findings";

/// One report of progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress<'a> {
    /// 0 to 1: by bytes up to 0.95, then by findings compared. Stays 0 while the
    /// length of the body is not known.
    pub fraction: f64,
    /// One of the `STEP_` texts.
    pub step: &'static str,
    /// Data rows read, rejected ones included.
    pub processed_rows: u64,
    /// `None` until the file has been read to its end.
    pub total_rows: Option<u64>,
    pub filename: &'a str,
    /// The label of the form or the detected format; `None` while neither is known.
    pub vendor: Option<&'a str>,
    /// Newest scan time of the rows so far, date only.
    pub scan_date: Option<String>,
}

/// The body of the 202 answer, but for `success` and the session's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub session_id: String,
    /// `None` if the import ended before it had its turn.
    pub import_id: Option<i64>,
    pub filename: String,
    /// The final label: of the form, else the detected format, else `generic`.
    pub vendor: String,
}

/// The figures of a completed import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Records that were not known.
    pub new_vulnerabilities: u64,
    /// Known and active, with another severity, state, CVSS, title or solution.
    pub updated_vulnerabilities: u64,
    /// Known and active before, on a host of this file, and not in it.
    pub resolved_vulnerabilities: u64,
    /// Records whose key came before in the same file.
    pub skipped_duplicates: u64,
    /// Rows that were rejected.
    pub validation_errors: u64,
    /// Known, and resolved until now.
    pub reopened: u64,
    /// Known and active, and the same as before.
    pub unchanged: u64,
    /// Bytes that were not UTF-8 and were read as Windows-1252.
    pub encoding_replacements: u64,
    /// Rows that are no vulnerabilities, such as checks that were passed.
    pub skipped_rows: u64,
    /// Dates that could not be (first seen after last seen) and were corrected.
    pub dates_corrected: u64,
    /// What was rejected.
    #[serde(flatten)]
    pub rejected: RejectedRows,
}

/// The rows that were rejected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RejectedRows {
    /// The first 20: `line_number`, `column`, `received_value`, `reason`.
    pub rejections: Vec<Value>,
    /// How many there were in all, by reason.
    pub rejections_by_reason: BTreeMap<Reason, u64>,
}

/// What an import took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Performance {
    pub rows_per_second: u64,
    /// Highest resident size sampled, in MiB.
    pub peak_memory_mb: u64,
    /// SQL statements executed.
    pub database_operations: u64,
}

/// What changed, for the event `data_updated`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DataChange {
    /// Number of new vulnerabilities.
    pub count: u64,
    /// Display names of hosts with a change, at most 20.
    pub hosts: Vec<String>,
    /// `new_critical`, `resolved_high` and so on; zeros left out.
    pub severity_changes: BTreeMap<String, u64>,
}

/// A completed import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    pub import_id: i64,
    /// Rows accepted.
    pub total_processed: u64,
    /// From the first byte of the file to the commit.
    pub processing_time_ms: u64,
    pub summary: Summary,
    pub performance: Performance,
    pub change: DataChange,
}

/// A failed import.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// `None` if it failed before it was written to the history.
    pub import_id: Option<i64>,
    pub error: ImportError,
    pub partial_results: FailedRows,
}

/// How far a failed import had come: `processed_rows` is the sum of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedRows {
    pub processed_rows: u64,
    /// Rows that had been accepted.
    pub successful_imports: u64,
    pub failed_rows: u64,
    /// Always true: nothing of a failed import stays.
    pub rolled_back: bool,
}

/// A cancelled import.
#[derive(Clone, Debug, PartialEq)]
pub struct Cancelled {
    /// `None` if it was cancelled before it had its turn.
    pub import_id: Option<i64>,
    pub processed_rows: u64,
    /// 0 to 1, the last fraction of progress.
    pub completion_percentage: f64,
}

/// Why an import failed, as it goes into `import_error` and into the history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportError {
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    pub recovery_suggestions: Vec<&'static str>,
}

impl ImportError {
    /// `CSV_EMPTY`: no header or no row below it.
    pub fn empty(message: &str) -> ImportError {
        ImportError {
            code: "CSV_EMPTY",
            message: message.to_owned(),
            details: None,
            recovery_suggestions: vec![
                "Check that the scan has finished and that its export holds findings",
                "Export the findings again and upload the new file",
            ],
        }
    }

    /// `CSV_UNKNOWN_FORMAT`: no line looks like the header of a known format.
    pub fn unknown_format(columns_found: Vec<String>, columns_wanted: Value) -> ImportError {
        ImportError {
            code: "CSV_UNKNOWN_FORMAT",
            message: "No line at the head of the file names the columns of a known export".to_owned(),
            details: Some(json!({ "columns_found": columns_found, "columns_wanted": columns_wanted })),
            recovery_suggestions: vec![
                "Export the findings as CSV from Tenable, Nessus or OpenVAS with their usual columns",
                "Or name the columns host, plugin_id or title, and severity",
                "Lists without hosts, such as catalogues of vulnerabilities, cannot be imported",
            ],
        }
    }

    /// `CSV_PARSING_ERROR`: the text is not CSV to its end.
    pub fn parsing(message: &str, details: Option<Value>) -> ImportError {
        ImportError {
            code: "CSV_PARSING_ERROR",
            message: message.to_owned(),
            details,
            recovery_suggestions: vec![
                "Check that the file is complete and was not changed after its export",
                "Open the named line in a text editor and look for a quote that is never closed",
                "Export the findings again as CSV in UTF-8",
            ],
        }
    }

    /// `NO_VALID_ROWS`: rows were rejected and none was accepted.
    pub fn no_valid_rows(rows: u64, first: &Rejection, rejected: &RejectedRows) -> ImportError {
        ImportError {
            code: "NO_VALID_ROWS",
            message: format!("None of the {rows} rows could be imported"),
            details: Some(rejection_details(first, rejected)),
            recovery_suggestions: vec![
                "Look at the named rows and the reasons: most likely all of them have one in common",
                "Use the severities Critical, High, Medium, Low and Info, or give a CVSS score",
                "Export the findings again with all columns",
            ],
        }
    }

    /// `TOO_MANY_INVALID_ROWS`: more than 100 rows and more than 5 % rejected.
    pub fn too_many_invalid_rows(
        count: u64,
        rows: u64,
        first: &Rejection,
        rejected: &RejectedRows,
    ) -> ImportError {
        ImportError {
            code: "TOO_MANY_INVALID_ROWS",
            message: format!(
                "{count} of {rows} rows have no host, no finding or no severity that is known"
            ),
            details: Some(rejection_details(first, rejected)),
            recovery_suggestions: vec![
                "Look at the named row: it is the first of those that were rejected",
                "Use the severities Critical, High, Medium, Low and Info",
                "Export the findings again with all columns",
            ],
        }
    }

    /// `PAYLOAD_TOO_LARGE`: the body grew beyond the limit.
    pub fn too_large() -> ImportError {
        ImportError {
            code: "PAYLOAD_TOO_LARGE",
            message: "The upload is larger than this server takes".to_owned(),
            details: None,
            recovery_suggestions: vec![
                "Export fewer hosts or a shorter time at once and import the parts one by one",
                "Leave out long columns such as the plugin output",
            ],
        }
    }

    /// `STORAGE_ERROR`: the database could not be written.
    pub fn storage(cause: impl fmt::Display) -> ImportError {
        ImportError {
            code: "STORAGE_ERROR",
            message: format!("The findings could not be stored: {cause}"),
            details: None,
            recovery_suggestions: vec![
                "Check that the data directory is writable and its disk has space left",
                "Import the file again once that is mended; nothing of it was stored",
            ],
        }
    }

    /// A form that turns out to be unusable when its file has begun already.
    pub fn bad_request(error: &RequestError) -> ImportError {
        ImportError {
            code: "INVALID_ARGUMENT",
            message: error.to_string(),
            details: None,
            recovery_suggestions: vec![
                "Send one csvFile, and the fields sessionId and vendor before it",
                "Upload the file again",
            ],
        }
    }
}

/// The first rejection, and all that is told of the others.
fn rejection_details(first: &Rejection, rejected: &RejectedRows) -> Value {
    let mut details = first.details();
    details["rejections"] = json!(rejected.rejections);
    details["rejections_by_reason"] = json!(rejected.rejections_by_reason);
    details
}

/// Why a request is not answered with 202.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The content type is not `multipart/form-data`.
    NotMultipart,
    /// The form is broken; the text says how.
    Malformed(String),
    /// The form has no part `csvFile`.
    NoFile,
    /// `sessionId` is not a UUID.
    InvalidSessionId,
    /// `sessionId` comes after the file, when the session exists already.
    SessionIdAfterFile,
    /// The host does not let the session be used; its own words.
    SessionRefused {
        status: u16,
        code: &'static str,
        message: String,
    },
    /// The body has grown beyond the limit.
    TooLarge,
    /// The peer went away: there is nobody to answer.
    Aborted,
}

impl RequestError {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            RequestError::NotMultipart => 415,
            RequestError::SessionRefused { status, .. } => *status,
            RequestError::TooLarge => 413,
            _ => 400,
        }
    }

    /// The code in the answer's error object.
    pub fn code(&self) -> &'static str {
        match self {
            RequestError::NotMultipart => "UNSUPPORTED_MEDIA_TYPE",
            RequestError::SessionRefused { code, .. } => code,
            RequestError::TooLarge => "PAYLOAD_TOO_LARGE",
            _ => "INVALID_ARGUMENT",
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::NotMultipart => f.write_str("an import is sent as multipart/form-data"),
            RequestError::Malformed(how) => write!(f, "the form cannot be read: {how}"),
            RequestError::NoFile => f.write_str("the form has no part named csvFile"),
            RequestError::InvalidSessionId => f.write_str("sessionId must be a UUID"),
            RequestError::SessionIdAfterFile => f.write_str("sessionId must come before csvFile"),
            RequestError::SessionRefused { message, .. } => f.write_str(message),
            RequestError::TooLarge => f.write_str("the upload is larger than this server takes"),
            RequestError::Aborted => f.write_str("the upload broke off"),
        }
    }
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_the_agreed_keys() {
        let value = serde_json::to_value(Summary::default()).unwrap();
        let mut keys: Vec<&str> = value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        let agreed = [
            "dates_corrected",
            "encoding_replacements",
            "new_vulnerabilities",
            "rejections",
            "rejections_by_reason",
            "reopened",
            "resolved_vulnerabilities",
            "skipped_duplicates",
            "skipped_rows",
            "unchanged",
            "updated_vulnerabilities",
            "validation_errors",
        ];
        assert_eq!(keys, agreed);
    }

    #[test]
    fn every_error_tells_how_to_go_on() {
        let rejection = Rejection {
            line: 2,
            column: "host",
            received: String::new(),
            reason: Reason::MissingHost,
            host: Default::default(),
            check: String::new(),
        };
        let errors = [
            ImportError::empty("nothing"),
            ImportError::unknown_format(vec![], json!({})),
            ImportError::parsing("broken", None),
            ImportError::no_valid_rows(1, &rejection, &RejectedRows::default()),
            ImportError::too_many_invalid_rows(101, 200, &rejection, &RejectedRows::default()),
            ImportError::too_large(),
            ImportError::storage("disk full"),
            ImportError::bad_request(&RequestError::SessionIdAfterFile),
        ];
        for error in errors {
            assert!(!error.recovery_suggestions.is_empty(), "{}", error.code);
            assert!(!error.message.is_empty(), "{}", error.code);
        }
    }

    #[test]
    fn refusals_have_statuses_and_codes() {
        assert_eq!(
            (
                RequestError::NotMultipart.status(),
                RequestError::NotMultipart.code()
            ),
            (415, "UNSUPPORTED_MEDIA_TYPE")
        );
        assert_eq!(
            (RequestError::NoFile.status(), RequestError::NoFile.code()),
            (400, "INVALID_ARGUMENT")
        );
        assert_eq!(
            (
                RequestError::TooLarge.status(),
                RequestError::TooLarge.code()
            ),
            (413, "PAYLOAD_TOO_LARGE")
        );
        let used = RequestError::SessionRefused {
            status: 409,
            code: "SESSION_EXISTS",
            message: "in use".into(),
        };
        assert_eq!(
            (used.status(), used.code(), used.to_string().as_str()),
            (409, "SESSION_EXISTS", "in use")
        );
    }
}
