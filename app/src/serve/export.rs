//! The list of findings as a file to save.

use pulsewheel::http::Response;
use serde_json::{json, Value};

use super::answer::private;
use crate::store::{FindingFilter, FindingRow, Reader, Sort, StoreError};

/// Findings that are read at a time.
const PAGE: u64 = 200;

const JSON_END: &str = "\n]\n";

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

/// All findings that match, as one file of at most so many bytes: it is made in memory.
pub fn answer(
    reader: &Reader,
    filter: &FindingFilter,
    sort: Sort,
    format: ExportFormat,
    max_bytes: usize,
) -> Result<Response, StoreError> {
    let mut file = File::new(format, max_bytes);
    let mut cursor = None;
    let mut is_cut = false;
    loop {
        let found = reader.findings(filter, sort, PAGE, 0, cursor)?;
        is_cut |= !found.page.items.iter().all(|finding| file.add(finding));
        cursor = found.next;
        if cursor.is_none() || is_cut {
            break;
        }
    }
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
    max_bytes: usize,
    is_first: bool,
}

impl File {
    fn new(format: ExportFormat, max_bytes: usize) -> File {
        // Room that is not used takes no memory of its own, and growing would take twice as much for a moment.
        let mut text = String::with_capacity(max_bytes);
        match format {
            ExportFormat::Csv => {
                text.push_str(&COLUMNS.join(","));
                text.push_str("\r\n");
            }
            ExportFormat::Json => text.push('['),
        }
        File {
            format,
            text,
            max_bytes,
            is_first: true,
        }
    }

    /// Adds a finding, where it fits.
    fn add(&mut self, finding: &FindingRow) -> bool {
        let finding = json!(finding);
        let line = match self.format {
            ExportFormat::Csv => {
                let cells = COLUMNS.map(|column| cell(&finding[column]));
                format!("{}\r\n", cells.join(","))
            }
            ExportFormat::Json => {
                let separator = if self.is_first { "\n" } else { ",\n" };
                format!("{separator}{finding}")
            }
        };
        let fits = self.text.len() + line.len() + JSON_END.len() <= self.max_bytes;
        if fits {
            self.text.push_str(&line);
            self.is_first = false;
        }
        fits
    }

    fn finish(mut self) -> String {
        if self.format == ExportFormat::Json {
            self.text.push_str(JSON_END);
        }
        self.text.shrink_to_fit();
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
