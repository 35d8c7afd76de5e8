//! Why an import fails, and why a request is refused, in the shapes that go over the
//! wire.

use std::fmt;

use serde::Serialize;
use serde_json::{json, Value};

use super::rejection::{RejectedRows, Rejection};

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
                "Or name the columns host, plugin_id or title, and severity, or say in the field mapping which columns these are",
                "Separate the columns by commas, semicolons, tabs or |",
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
                "Use the severities Critical, High, Medium, Low and Info, give a CVSS score, or say in the field severityMap what your words mean",
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
                "Use the severities Critical, High, Medium, Low and Info, or say in the field severityMap what your words mean",
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

    /// `OLDER_SCAN`: a newer scan of these hosts is known.
    pub fn older_scan(hosts: &[String]) -> ImportError {
        ImportError {
            code: "OLDER_SCAN",
            message: format!("A newer scan of {} is known", and_others(hosts)),
            details: Some(json!({ "hosts": hosts })),
            recovery_suggestions: vec![
                "Import the newest scan of these hosts",
                "Or give allowOlder=true: then nothing on these hosts is resolved or reopened",
            ],
        }
    }

    /// `UNSUPPORTED_FILE_TYPE`: the file is no text in CSV.
    pub fn unsupported_file_type(name: &str, suggestion: &'static str, kind: &str) -> ImportError {
        ImportError {
            code: "UNSUPPORTED_FILE_TYPE",
            message: format!("The file is {name}, and no CSV"),
            details: Some(json!({ "type": kind })),
            recovery_suggestions: vec![suggestion, "Export the findings as CSV in UTF-8"],
        }
    }

    /// `INVALID_ARGUMENT`: what was asked for is not possible with this file.
    pub fn invalid_argument(message: &str, suggestion: &'static str) -> ImportError {
        ImportError {
            code: "INVALID_ARGUMENT",
            message: message.to_owned(),
            details: None,
            recovery_suggestions: vec![suggestion],
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

fn and_others(names: &[String]) -> String {
    match names {
        [] => "these hosts".to_owned(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first} and {} more", others.len()),
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
    /// A field has a value that makes no sense, or comes after the file; the text says
    /// which.
    InvalidField(String),
    /// The body has grown beyond the limit.
    TooLarge,
    /// The body comes more slowly than is waited for.
    TooSlow,
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
            RequestError::TooSlow => 408,
            _ => 400,
        }
    }

    /// The code in the answer's error object.
    pub fn code(&self) -> &'static str {
        match self {
            RequestError::NotMultipart => "UNSUPPORTED_MEDIA_TYPE",
            RequestError::SessionRefused { code, .. } => code,
            RequestError::TooLarge => "PAYLOAD_TOO_LARGE",
            RequestError::TooSlow => "REQUEST_TIMEOUT",
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
            RequestError::InvalidField(how) => f.write_str(how),
            RequestError::TooLarge => f.write_str("the upload is larger than this server takes"),
            RequestError::TooSlow => {
                f.write_str("the upload came too slowly: less than 1 KiB a second")
            }
            RequestError::Aborted => f.write_str("the upload broke off"),
        }
    }
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests {
    use super::super::rejection::Reason;
    use super::*;

    #[test]
    fn every_error_tells_how_to_go_on() {
        let rejection = Rejection {
            line: 2,
            column: "host",
            received: String::new(),
            reason: Reason::MissingHost,
            host: Default::default(),
            check_key: String::new(),
        };
        let errors = [
            ImportError::empty("nothing"),
            ImportError::unknown_format(vec![], json!({})),
            ImportError::parsing("broken", None),
            ImportError::no_valid_rows(1, &rejection, &RejectedRows::default()),
            ImportError::too_many_invalid_rows(101, 200, &rejection, &RejectedRows::default()),
            ImportError::older_scan(&["a".to_owned(), "b".to_owned()]),
            ImportError::unsupported_file_type("a PDF document", "Export it anew", "pdf"),
            ImportError::invalid_argument("no", "Do otherwise"),
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
