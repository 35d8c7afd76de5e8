//! Answers in JSON, and the errors among them.

use pulsewheel::http::Response;
use pulsewheel::progress::ProgressError;
use serde_json::json;
use uuid::Uuid;

use crate::import::RequestError;

/// When to come back to a server that has too much to do, in seconds.
const RETRY_AFTER_S: &str = "5";

/// Why a request is refused; becomes `{"error":{"code","message"}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    /// When to come back, in seconds; `None` for what is usual with the status.
    retry_after_s: Option<u64>,
}

impl ApiError {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError {
            status,
            code,
            message: message.into(),
            retry_after_s: None,
        }
    }

    pub fn auth_required() -> ApiError {
        ApiError::new(
            401,
            "AUTH_REQUIRED",
            "this takes a token; the one that was sent, if any, is not known here or has expired",
        )
    }

    pub fn rate_limit(message: impl Into<String>, retry_after_s: u64) -> ApiError {
        ApiError {
            retry_after_s: Some(retry_after_s),
            ..ApiError::new(429, "RATE_LIMIT_EXCEEDED", message)
        }
    }

    /// A key that was sent before; where the first request is still under way, with when to come back.
    pub fn idempotency_conflict(
        message: impl Into<String>,
        retry_after_s: Option<u64>,
    ) -> ApiError {
        ApiError {
            retry_after_s,
            ..ApiError::new(409, "IDEMPOTENCY_CONFLICT", message)
        }
    }

    /// What is told of a session that is not there, and of one that is not for whoever asks.
    pub fn no_session(id: Uuid) -> ApiError {
        ApiError::new(
            404,
            "SESSION_NOT_FOUND",
            format!("there is no session {id}, or it ended long ago"),
        )
    }

    pub fn invalid(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "INVALID_ARGUMENT", message)
    }

    pub fn forbidden(message: impl Into<String>) -> ApiError {
        ApiError::new(403, "FORBIDDEN", message)
    }

    pub fn not_found() -> ApiError {
        ApiError::new(404, "NOT_FOUND", "nothing is served at this path")
    }

    pub fn no_import(id: i64) -> ApiError {
        ApiError::new(404, "NOT_FOUND", format!("there is no import {id}"))
    }

    pub fn too_large(what: &str, max_bytes: u64) -> ApiError {
        ApiError::new(
            413,
            "PAYLOAD_TOO_LARGE",
            format!("{what} may have at most {}", size(max_bytes)),
        )
    }

    pub fn media_type(message: impl Into<String>) -> ApiError {
        ApiError::new(415, "UNSUPPORTED_MEDIA_TYPE", message)
    }

    pub fn overload(message: impl Into<String>) -> ApiError {
        ApiError::new(503, "SERVER_OVERLOAD", message)
    }

    pub fn storage() -> ApiError {
        ApiError::new(
            500,
            "STORAGE_ERROR",
            "the database could not be read; the server's log says more",
        )
    }
}

impl From<ProgressError> for ApiError {
    fn from(error: ProgressError) -> ApiError {
        ApiError::new(error.code.http_status(), error.code.as_str(), error.message)
    }
}

impl From<&RequestError> for ApiError {
    fn from(error: &RequestError) -> ApiError {
        ApiError::new(error.status(), error.code(), error.to_string())
    }
}

impl From<ApiError> for Response {
    fn from(error: ApiError) -> Response {
        let body = json!({ "error": { "code": error.code, "message": error.message } });
        let response = json_text(error.status, body.to_string());
        match (error.status, error.retry_after_s) {
            (_, Some(seconds)) => response.with_header("Retry-After", seconds.to_string()),
            (429 | 503, None) => response.with_header("Retry-After", RETRY_AFTER_S),
            (401, None) => response.with_header("WWW-Authenticate", "Bearer"),
            _ => response,
        }
    }
}

/// A number of bytes as people read it: in MiB or KiB where that is a whole number.
fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    match bytes {
        bytes if bytes >= MIB && bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        bytes if bytes >= KIB && bytes % KIB == 0 => format!("{} KiB", bytes / KIB),
        bytes => format!("{bytes} bytes"),
    }
}

/// An answer of the interface: nobody shall keep it, or take it for something
/// other than JSON.
pub fn json_text(status: u16, text: String) -> Response {
    private(Response::json(status, text))
}

/// What every answer of the interface carries.
pub fn private(response: Response) -> Response {
    response
        .with_header("Cache-Control", "no-store")
        .with_header("X-Content-Type-Options", "nosniff")
        .with_header("Cross-Origin-Resource-Policy", "same-origin")
}

/// `{"session": ...}` around a session's JSON text.
pub fn session(status: u16, session: &str) -> Response {
    json_text(status, format!("{{\"session\":{session}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulsewheel::progress::ErrorCode;

    #[test]
    fn an_error_has_code_and_message_and_says_when_to_come_back() {
        let response = Response::from(ApiError::overload("busy \"now\""));
        assert_eq!(response.status, 503);
        assert_eq!(
            &*response.body,
            br#"{"error":{"code":"SERVER_OVERLOAD","message":"busy \"now\""}}"#
        );
        assert!(response
            .headers
            .iter()
            .any(|(name, value)| name == "Retry-After" && value == "5"));
        let response = Response::from(ApiError::not_found());
        assert!(response
            .headers
            .iter()
            .all(|(name, _)| name != "Retry-After"));
    }

    #[test]
    fn a_limit_is_told_as_people_read_it() {
        for (bytes, wanted) in [
            (104_857_600, "an upload may have at most 100 MiB"),
            (65_536, "an upload may have at most 64 KiB"),
            (100_000_000, "an upload may have at most 100000000 bytes"),
            (0, "an upload may have at most 0 bytes"),
        ] {
            assert_eq!(ApiError::too_large("an upload", bytes).message, wanted);
        }
    }

    #[test]
    fn errors_of_sessions_and_uploads_keep_their_codes() {
        let error = ApiError::from(ProgressError::new(ErrorCode::SessionCancelled, "gone"));
        assert_eq!((error.status, error.code), (410, "SESSION_CANCELLED"));
        let error = ApiError::from(&RequestError::NoFile);
        assert_eq!((error.status, error.code), (400, "INVALID_ARGUMENT"));
    }
}
