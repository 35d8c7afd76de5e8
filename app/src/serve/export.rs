//! The list of findings as a file to save.

use std::fmt::Write;

use pulsewheel::http::Response;
use serde_json::{json, Value};

use super::answer::private;
use crate::store::{FindingFilter, FindingRow, Reader, Sort, StoreError, MAX_PAGE};

/// Most findings in a file: it is made in memory.
pub const MAX_FINDINGS: u64 = 100_000;
/// The same for its size in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

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

/// All findings that match, as one file.
pub fn answer(
    reader: &Reader,
    filter: &FindingFilter,
    sort: Sort,
    format: ExportFormat,
) -> Result<Response, StoreError> {
    let mut file = File::new(format);
    let mut cursor = None;
    let mut total = 0;
    while total < MAX_FINDINGS && file.text.len() < MAX_BYTES {
        let found = reader.findings(filter, sort, MAX_PAGE, 0, cursor)?;
        for finding in &found.page.items {
            file.add(finding);
            total += 1;
        }
        cursor = found.next;
        if cursor.is_none() {
            break;
        }
    }
    let is_cut = cursor.is_some();
    let (content_type, name) = match format {
        ExportFormat::Csv => ("text/csv; charset=utf-8", "vulnerabilities.csv"),
        ExportFormat::Json => ("application/json", "vulnerabilities.json"),
    };
    let mut response = private(Response::new(200, content_type, file.finish().into_bytes()))
        .with_header(
            "Content-Disposition",
            format!("attachment; filename=\"{name}\""),
        );
    if is_cut {
        response = response.with_header("X-Truncated", "true".to_owned());
    }
    Ok(response)
}

struct File {
    format: ExportFormat,
    text: String,
    is_first: bool,
}

impl File {
    fn new(format: ExportFormat) -> File {
        let text = match format {
            ExportFormat::Csv => format!("{}\r\n", COLUMNS.join(",")),
            ExportFormat::Json => "[".to_owned(),
        };
        File {
            format,
            text,
            is_first: true,
        }
    }

    fn add(&mut self, finding: &FindingRow) {
        let finding = json!(finding);
        match self.format {
            ExportFormat::Csv => {
                let cells = COLUMNS.map(|column| cell(&finding[column]));
                self.text.push_str(&cells.join(","));
                self.text.push_str("\r\n");
            }
            ExportFormat::Json => {
                let separator = if self.is_first { "\n" } else { ",\n" };
                // Writing to a text does not fail.
                let _ = write!(self.text, "{separator}{finding}");
            }
        }
        self.is_first = false;
    }

    fn finish(mut self) -> String {
        if self.format == ExportFormat::Json {
            self.text.push_str("\n]\n");
        }
        self.text
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
