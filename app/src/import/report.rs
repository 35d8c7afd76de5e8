//! What an import tells its host, in the shapes that go over the wire.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::{ImportError, RequestError};
use super::rejection::RejectedRows;
use super::upload::Options;
use crate::severity::Severity;
use crate::store::MergeCounts;

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

/// What is known of an upload when its file begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FormHead {
    /// From the field or the query, in lower case with hyphens.
    pub session_id: Option<String>,
    /// `None` if missing, empty or `generic`: then the format gives the label.
    pub vendor: Option<String>,
    /// The last part of the name that was sent; `upload.csv` if there is none.
    pub filename: String,
    pub options: Options,
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
    /// 0 to 1: by bytes, then by findings compared, weighed by what the two take. Stays
    /// 0 until the merge if the length of the body is not known.
    pub fraction: f64,
    /// One of the `STEP_` texts.
    pub step: &'static str,
    /// Data rows read, rejected ones included.
    pub processed_rows: u64,
    /// `None` until the file has been read to its end.
    pub total_rows: Option<u64>,
    /// `None` in the first seconds, while waiting, and if the length is not known.
    pub eta_seconds: Option<u64>,
    /// Of the step that runs; `None` while that is not known.
    pub rows_per_second: Option<u64>,
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
    /// Rows whose dates could not be: first seen after last seen, or in the future.
    pub dates_corrected: u64,
    /// Cells that hold no date that is known.
    pub dates_unread: u64,
    /// What somebody should know, in sentences.
    pub warnings: Vec<String>,
    /// Nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Of a dry run: the names of the file's columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns_found: Option<Vec<String>>,
    /// Of a dry run: which of them are read, by field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns_read: Option<BTreeMap<&'static str, Vec<String>>>,
    /// What was rejected.
    #[serde(flatten)]
    pub rejected: RejectedRows,
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

impl DataChange {
    /// What a merge has changed.
    pub fn of(counts: MergeCounts) -> DataChange {
        let mut severity_changes = BTreeMap::new();
        for severity in Severity::ALL {
            let rank = usize::from(severity.rank());
            let name = severity.name().to_lowercase();
            for (kind, count) in [
                ("new", counts.new_by_severity[rank]),
                ("resolved", counts.resolved_by_severity[rank]),
            ] {
                if count > 0 {
                    severity_changes.insert(format!("{kind}_{name}"), count);
                }
            }
        }
        DataChange {
            count: counts.new,
            hosts: counts.changed_hosts,
            severity_changes,
        }
    }
}

/// A completed import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// `None` for a dry run.
    pub import_id: Option<i64>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i99_i106_a_summary_has_the_agreed_keys() {
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
            "dates_unread",
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
            "warnings",
        ];
        assert_eq!(keys, agreed);
    }
}
