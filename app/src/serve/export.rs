//! The list of findings as a file to save, in pieces: what the list was when the first was made.

use pulsewheel::http::Response;
use serde_json::{json, Value};

use super::answer::private;
use crate::store::{FindingFilter, FindingRow, Reader, Snapshot, Sort, StoreError};

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Csv,
    Json,
}

/// The columns, which an import reads again.
const COLUMNS: [&str; 21] = [
    "id",
    "vendor",
    "site",
    "host",
    "ip",
    "hostname",
    "check",
    "title",
    "cve",
    "port",
    "protocol",
    "severity",
    "cvss",
    "status",
    "firstSeen",
    "lastSeen",
    "resolvedAt",
    "reopenedAt",
    "solution",
    "scannerState",
    "importId",
];

/// A file of all findings that match, which is made while it is sent.
#[derive(Debug)]
pub struct Export {
    filter: FindingFilter,
    sort: Sort,
    format: ExportFormat,
    /// `None` before the first piece.
    snapshot: Option<Snapshot>,
    /// The next finding is the first of the file.
    is_empty: bool,
}

/// The next piece of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub is_last: bool,
}

impl Export {
    pub fn new(filter: FindingFilter, sort: Sort, format: ExportFormat) -> Export {
        Export {
            filter,
            sort,
            format,
            snapshot: None,
            is_empty: true,
        }
    }

    /// The answer that the pieces are the body of.
    pub fn response(&self) -> Response {
        let (content_type, name) = match self.format {
            ExportFormat::Csv => ("text/csv; charset=utf-8", "vulnerabilities.csv"),
            ExportFormat::Json => ("application/json", "vulnerabilities.json"),
        };
        private(Response::new(200, content_type, "")).with_header(
            "Content-Disposition",
            format!("attachment; filename=\"{name}\""),
        )
    }

    /// Makes the next piece. The last has no finding.
    pub fn next(&mut self, reader: &Reader) -> Result<Piece, StoreError> {
        let mut text = String::new();
        let snapshot = match &mut self.snapshot {
            Some(snapshot) => snapshot,
            None => {
                text.push_str(&self.format.begin());
                let snapshot = reader.snapshot(&self.filter, self.sort)?;
                self.snapshot.insert(snapshot)
            }
        };
        let findings = snapshot.next_piece()?;
        for finding in &findings {
            let is_first = std::mem::replace(&mut self.is_empty, false);
            text.push_str(&self.format.line(finding, is_first));
        }
        let is_last = findings.is_empty();
        if is_last {
            text.push_str(self.format.end());
        }
        Ok(Piece { text, is_last })
    }
}

impl ExportFormat {
    fn begin(self) -> String {
        match self {
            ExportFormat::Csv => format!("{}\r\n", COLUMNS.join(",")),
            ExportFormat::Json => "[".to_owned(),
        }
    }

    fn line(self, finding: &FindingRow, is_first: bool) -> String {
        let finding = json!(finding);
        match self {
            ExportFormat::Csv => {
                let cells = COLUMNS.map(|column| cell(&finding[column]));
                format!("{}\r\n", cells.join(","))
            }
            ExportFormat::Json => {
                let separator = if is_first { "\n" } else { ",\n" };
                format!("{separator}{finding}")
            }
        }
    }

    fn end(self) -> &'static str {
        match self {
            ExportFormat::Csv => "",
            ExportFormat::Json => "\n]\n",
        }
    }
}

/// A cell of a CSV file. What a spreadsheet would take for a formula gets an apostrophe
/// in front of it, by which it stays text.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.as_str(),
        number => return number.to_string(),
    };
    let begins_formula = text.trim_start().starts_with([
        '=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let mark = if begins_formula { "'" } else { "" };
    if mark.is_empty() && !text.contains([',', '"', '\n', '\r', ';']) {
        return text.to_owned();
    }
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_stay_text() {
        let table = [
            (json!("plain"), "plain"),
            (json!(null), ""),
            (json!(443), "443"),
            (json!(-1.5), "-1.5"),
            (json!("a, b"), "\"a, b\""),
            (json!("say \"hi\""), "\"say \"\"hi\"\"\""),
            (json!("two\nlines"), "\"two\nlines\""),
            (json!("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\""),
            (json!("+1"), "\"'+1\""),
            (json!("-1"), "\"'-1\""),
            (json!("@SUM(1)"), "\"'@SUM(1)\""),
            (json!(" =1"), "\"' =1\""),
            (json!("\t=1"), "\"'\t=1\""),
            (json!("a=1"), "a=1"),
        ];
        for (value, expected) in table {
            assert_eq!(cell(&value), expected);
        }
    }
}
