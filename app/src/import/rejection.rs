//! Rows that are not accepted: why, and what they may have been about.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{json, Value};

use super::host::Host;
use crate::severity::Severity;

/// Why a row is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No column names a host.
    MissingHost,
    /// No column names what was found.
    MissingFinding,
    /// Neither a severity nor a score that can be read.
    MissingSeverity,
    /// The severity is a word or number without a known meaning.
    UnknownSeverity,
    /// A number that identifies host or finding was rounded by a spreadsheet.
    RoundedNumber,
    /// The CVE cell is longer than what is kept of a cell.
    OversizedCveCell,
}

/// A row that is not accepted, and what it may have been about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The line of the file on which the row begins, from 1.
    pub line: u64,
    /// `host`, `finding`, `severity`, `cvss` or `cve`.
    pub column: &'static str,
    pub received: String,
    pub reason: Reason,
    /// Key, address and name of the host, as far as they can be read.
    pub host: Host,
    /// In normal form; empty if it cannot be read.
    pub check_key: String,
}

impl Reason {
    /// What the cell might have held.
    fn expected(self) -> Value {
        match self {
            Reason::MissingHost => json!(["an address or a name"]),
            Reason::MissingFinding => json!(["a number or a name"]),
            Reason::RoundedNumber => json!(["the whole number, such as 105971"]),
            Reason::OversizedCveCell => json!(["at most 64 KiB of ids"]),
            Reason::MissingSeverity | Reason::UnknownSeverity => {
                let severities = Severity::ALL.iter().rev();
                json!(severities
                    .map(|severity| severity.name())
                    .collect::<Vec<_>>())
            }
        }
    }
}

impl Rejection {
    /// The entry in the list of rejections.
    pub fn told(&self) -> Value {
        json!({
            "line_number": self.line,
            "column": self.column,
            "received_value": self.received,
            "reason": self.reason,
        })
    }

    /// The details of an error about it.
    pub fn details(&self) -> Value {
        let mut details = self.told();
        details["expected_values"] = self.reason.expected();
        details
    }
}

/// The rows that were rejected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RejectedRows {
    /// The first 20: `line_number`, `column`, `received_value`, `reason`.
    pub rejections: Vec<Value>,
    /// How many there were in all, by reason.
    pub rejections_by_reason: BTreeMap<Reason, u64>,
}
