//! The list of findings as a file to save, in pieces: each is what the list was when it was read.

use pulsewheel::http::Response;
use serde_json::{json, Value};

use super::answer::private;
use crate::store::{Cursor, FindingFilter, FindingRow, Reader, Sort, StoreError};

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
    /// Behind which finding the next piece begins; `None` at the beginning.
    behind: Option<Cursor>,
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
            behind: None,
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

    /// Makes the next piece. Only the last may be empty.
    pub fn next(&mut self, reader: &Reader) -> Result<Piece, StoreError> {
        let behind = self.behind.take();
        let is_first = behind.is_none();
        let (findings, next) = reader.findings_of_piece(&self.filter, self.sort, behind)?;
        let mut text = String::new();
        if is_first {
            text.push_str(&self.format.begin());
        }
        for (index, finding) in findings.iter().enumerate() {
            let is_first = is_first && index == 0;
            text.push_str(&self.format.line(finding, is_first));
        }
        let is_last = next.is_none();
        if is_last {
            text.push_str(self.format.end());
        }
        self.behind = next;
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
