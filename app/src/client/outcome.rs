//! What came of an import: sentences and the exit status.

use std::io::{self, Write};

use serde_json::Value;

use super::http::Server;
use crate::import::clean;

/// Exit statuses.
const COMPLETED: u8 = 0;
const ERROR: u8 = 1;
pub const USAGE: u8 = 2;
const IMPORT_FAILED: u8 = 3;
const CANCELLED: u8 = 4;
const NO_SUCH_SESSION: u8 = 5;
pub const SERVER_UNREACHABLE: u8 = 6;
const TOO_MANY_REJECTED: u8 = 7;

/// Longest text of the server that is shown, in characters.
const MAX_TEXT_CHARS: usize = 1000;

/// How the import of one file ended, as far as it was waited for.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// The server has the file.
    TakenIn(Accepted),
    Completed(Counts),
    /// The import failed: code and message, the rows that were rejected, and what to do.
    Failed {
        reason: String,
        /// As the server gave them.
        rejections: Value,
        suggestions: Vec<String>,
    },
    Cancelled,
    /// The server does not know the session any more.
    Forgotten,
    /// It did not get as far as an import.
    Broken(String),
    Unreachable(String),
}

/// What the server said when it had the file.
#[derive(Debug, Default, PartialEq)]
pub struct Accepted {
    import_id: Option<u64>,
    session_id: String,
    vendor: String,
}

/// What an import has done.
#[derive(Debug, Default, PartialEq)]
pub struct Counts {
    import_id: Option<u64>,
    vendor: String,
    /// Its summary, as the server gave it.
    summary: Value,
}

impl Accepted {
    /// `None` where the answer is none of this server, but of a proxy perhaps.
    pub fn from_json(body: &Value) -> Option<Accepted> {
        body["sessionId"].is_string().then(|| Accepted {
            import_id: body["importId"].as_u64(),
            session_id: text(&body["sessionId"]),
            vendor: text(&body["vendor"]),
        })
    }
}

impl Outcome {
    /// Of a session that has completed.
    pub fn completed(session: &Value) -> Outcome {
        Outcome::Completed(Counts {
            import_id: session["import_id"].as_u64(),
            vendor: text(&session["metadata"]["vendor"]),
            summary: session["summary"].clone(),
        })
    }

    /// Of the error of a session that has failed.
    pub fn failed(error: &Value) -> Outcome {
        let suggestions = error["recovery_suggestions"].as_array();
        Outcome::Failed {
            reason: format!("{}: {}", text(&error["code"]), text(&error["message"])),
            rejections: error["details"]["rejections"].clone(),
            suggestions: suggestions.into_iter().flatten().map(text).collect(),
        }
    }

    pub fn unreachable(server: &Server, error: &io::Error) -> Outcome {
        Outcome::Unreachable(format!(
            "the server {} cannot be reached: {error}",
            server.name()
        ))
    }

    /// The exit status, where so many rows may have been rejected.
    pub fn status(&self, max_rejected: Option<u64>) -> u8 {
        match self {
            Outcome::Completed(counts)
                if max_rejected.is_some_and(|max| counts.count("validation_errors") > max) =>
            {
                TOO_MANY_REJECTED
            }
            Outcome::TakenIn(_) | Outcome::Completed(_) => COMPLETED,
            Outcome::Failed { .. } => IMPORT_FAILED,
            Outcome::Cancelled => CANCELLED,
            Outcome::Forgotten => NO_SUCH_SESSION,
            Outcome::Broken(_) => ERROR,
            Outcome::Unreachable(_) => SERVER_UNREACHABLE,
        }
    }

    /// Tells the outcome for `name`: what went well on `out`, everything else on `err`.
    pub fn write(&self, name: &str, out: &mut impl Write, err: &mut impl Write) -> io::Result<()> {
        match self {
            Outcome::TakenIn(accepted) => {
                let Accepted {
                    session_id, vendor, ..
                } = accepted;
                let import = import_name(accepted.import_id);
                writeln!(out, "{name}: taken in as {import} of {vendor}, session {session_id}")
            }
            Outcome::Completed(counts) => counts.write(name, out),
            Outcome::Failed {
                reason,
                rejections,
                suggestions,
            } => {
                writeln!(err, "{name}: {reason}")?;
                write_rejections(rejections, err)?;
                for suggestion in suggestions {
                    writeln!(err, "  - {suggestion}")?;
                }
                Ok(())
            }
            Outcome::Cancelled => writeln!(err, "{name}: the import was cancelled"),
            Outcome::Forgotten => writeln!(
                err,
                "{name}: the server does not know the import's session any more; its history tells the outcome"
            ),
            Outcome::Broken(message) | Outcome::Unreachable(message) => {
                writeln!(err, "{name}: {message}")
            }
        }
    }
}

impl Counts {
    fn count(&self, name: &str) -> u64 {
        self.summary[name].as_u64().unwrap_or_default()
    }

    fn write(&self, name: &str, out: &mut impl Write) -> io::Result<()> {
        let what = match self.summary["dry_run"] == Value::Bool(true) {
            true => "dry run, nothing was stored".to_owned(),
            false => import_name(self.import_id),
        };
        writeln!(out, "{name}: {what}, {}", self.vendor)?;
        let changes = [
            ("new_vulnerabilities", "new"),
            ("updated_vulnerabilities", "updated"),
            ("reopened", "reopened"),
            ("unchanged", "unchanged"),
            ("resolved_vulnerabilities", "resolved"),
        ];
        let changes = changes.map(|(field, word)| format!("{} {word}", self.count(field)));
        writeln!(out, "  findings: {}", changes.join(", "))?;
        for (field, what) in [
            ("skipped_duplicates", "records came before in the file"),
            ("skipped_rows", "rows were skipped: they are no findings"),
            ("validation_errors", "rows were rejected"),
        ] {
            let count = self.count(field);
            if count > 0 {
                writeln!(out, "  {count} {what}")?;
            }
        }
        write_rejections(&self.summary["rejections"], out)?;
        let warnings = self.summary["warnings"].as_array();
        for warning in warnings.into_iter().flatten() {
            writeln!(out, "  {}", text(warning))?;
        }
        Ok(())
    }
}

/// A line for each row that was rejected.
fn write_rejections(rejections: &Value, to: &mut impl Write) -> io::Result<()> {
    for rejection in rejections.as_array().into_iter().flatten() {
        writeln!(
            to,
            "    line {}: {}, {} is {:?}",
            rejection["line_number"],
            text(&rejection["reason"]),
            text(&rejection["column"]),
            text(&rejection["received_value"]),
        )?;
    }
    Ok(())
}

fn import_name(id: Option<u64>) -> String {
    id.map_or("an import".to_owned(), |id| format!("import {id}"))
}

/// A text of the server, harmless on a terminal.
fn text(value: &Value) -> String {
    clean(value.as_str().unwrap_or_default(), MAX_TEXT_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(outcome: &Outcome) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        outcome.write("scan.csv", &mut out, &mut err).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(out), text(err))
    }

    fn completed(summary: Value) -> Outcome {
        Outcome::completed(
            &json!({ "import_id": 7, "metadata": { "vendor": "nessus" }, "summary": summary }),
        )
    }

    #[test]
    fn counts_rejections_and_warnings_are_told() {
        let outcome = completed(json!({
            "new_vulnerabilities": 2, "updated_vulnerabilities": 1, "reopened": 0, "unchanged": 40,
            "resolved_vulnerabilities": 3, "skipped_duplicates": 5, "skipped_rows": 0, "validation_errors": 1,
            "rejections": [{ "line_number": 17, "column": "severity", "received_value": "Xy\u{1b}[2Jzzy", "reason": "unknown_severity" }],
            "warnings": ["Nothing was resolved"],
        }));
        let wanted = "scan.csv: import 7, nessus
  findings: 2 new, 1 updated, 0 reopened, 40 unchanged, 3 resolved
  5 records came before in the file
  1 rows were rejected
    line 17: unknown_severity, severity is \"Xy[2Jzzy\"
  Nothing was resolved
";
        assert_eq!(told(&outcome), (wanted.to_owned(), String::new()));
        let dry = completed(json!({ "dry_run": true }));
        assert!(told(&dry)
            .0
            .starts_with("scan.csv: dry run, nothing was stored, nessus\n"));
    }

    #[test]
    fn a_failure_tells_what_to_do_on_standard_error() {
        let error = json!({ "code": "CSV_EMPTY", "message": "The file is empty", "recovery_suggestions": ["Export it again"] });
        let (out, err) = told(&Outcome::failed(&error));
        assert_eq!(out, "");
        assert_eq!(
            err,
            "scan.csv: CSV_EMPTY: The file is empty\n  - Export it again\n"
        );
    }

    #[test]
    fn a_failure_tells_the_rows_that_were_rejected() {
        let rejection = json!({ "line_number": 2, "column": "host", "received_value": "", "reason": "missing_host" });
        let error = json!({ "code": "NO_VALID_ROWS", "message": "Not a row", "details": { "rejections": [rejection] } });
        let (_, err) = told(&Outcome::failed(&error));
        assert_eq!(
            err,
            "scan.csv: NO_VALID_ROWS: Not a row\n    line 2: missing_host, host is \"\"\n"
        );
    }

    #[test]
    fn i125_i126_i128_i129_i130_i131_i132_every_outcome_has_its_exit_status() {
        let two_rejected = completed(json!({ "validation_errors": 2 }));
        assert_eq!(two_rejected.status(None), 0);
        assert_eq!(two_rejected.status(Some(2)), 0);
        assert_eq!(two_rejected.status(Some(1)), 7);
        for (outcome, status) in [
            (Outcome::TakenIn(Accepted::default()), 0),
            (Outcome::Broken(String::new()), 1),
            (Outcome::failed(&Value::Null), 3),
            (Outcome::Cancelled, 4),
            (Outcome::Forgotten, 5),
            (Outcome::Unreachable(String::new()), 6),
        ] {
            assert_eq!(outcome.status(Some(0)), status, "{outcome:?}");
        }
    }
}
