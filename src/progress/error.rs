//! What can be wrong with a call: a code for programs, a sentence for people.

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use uuid::Uuid;

/// Why a call was refused. Travels to clients in the words of [`ErrorCode::as_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// The token that came along is not known, or has expired.
    AuthRequired,
    /// An argument is missing, has the wrong type, or says something that cannot be.
    InvalidArgument,
    /// No session of this id; never was, or its time is over.
    SessionNotFound,
    /// The id is in use.
    SessionExists,
    /// The session has completed or failed and cannot change any more.
    SessionEnded,
    /// The session is still processing and cannot be removed.
    SessionActive,
    /// The session is fed by the server itself: others can only ask to cancel it.
    SessionManaged,
    /// The session was cancelled.
    SessionCancelled,
    /// Whoever asks may see the session, but not do this to it.
    Forbidden,
    /// Metadata, result, error or reason is larger than its limit.
    PayloadTooLarge,
    /// Whoever asks has done so too often; try again later.
    RateLimitExceeded,
    /// The server holds as many sessions as it may; try again later.
    ServerOverload,
}

impl ErrorCode {
    /// The code as clients see it, such as `SESSION_NOT_FOUND`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::AuthRequired => "AUTH_REQUIRED",
            ErrorCode::InvalidArgument => "INVALID_ARGUMENT",
            ErrorCode::SessionNotFound => "SESSION_NOT_FOUND",
            ErrorCode::SessionExists => "SESSION_EXISTS",
            ErrorCode::SessionEnded => "SESSION_ENDED",
            ErrorCode::SessionActive => "SESSION_ACTIVE",
            ErrorCode::SessionManaged => "SESSION_MANAGED",
            ErrorCode::SessionCancelled => "SESSION_CANCELLED",
            ErrorCode::Forbidden => "FORBIDDEN",
            ErrorCode::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            ErrorCode::RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
            ErrorCode::ServerOverload => "SERVER_OVERLOAD",
        }
    }

    /// The HTTP status that goes with the code where sessions are served over HTTP.
    pub fn http_status(self) -> u16 {
        match self {
            ErrorCode::InvalidArgument => 400,
            ErrorCode::AuthRequired => 401,
            ErrorCode::Forbidden => 403,
            ErrorCode::SessionNotFound => 404,
            ErrorCode::SessionExists
            | ErrorCode::SessionEnded
            | ErrorCode::SessionActive
            | ErrorCode::SessionManaged => 409,
            ErrorCode::SessionCancelled => 410,
            ErrorCode::PayloadTooLarge => 413,
            ErrorCode::RateLimitExceeded => 429,
            ErrorCode::ServerOverload => 503,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused call. The session, if there is one, is as it was before.
///
/// Serialises as `{"code": "...", "message": "..."}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what was wrong, and where it helps what would be right.
    pub message: String,
}

impl ProgressError {
    /// An error of this code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        ProgressError {
            code,
            message: message.into(),
        }
    }

    /// An [`ErrorCode::InvalidArgument`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    /// The [`ErrorCode::SessionNotFound`] of this session: the same for one that is not there and for one that is not for whoever
    /// asks.
    pub(crate) fn not_found(id: Uuid) -> Self {
        Self::new(
            ErrorCode::SessionNotFound,
            format!("there is no session {id}, or it ended long ago"),
        )
    }

    /// The [`ErrorCode::SessionEnded`] of this session.
    pub(super) fn ended(id: Uuid) -> Self {
        Self::new(
            ErrorCode::SessionEnded,
            format!("the session {id} has ended already"),
        )
    }

    /// An [`ErrorCode::PayloadTooLarge`] that names what is too large.
    pub(super) fn too_large(what: &str, bytes: usize, max_bytes: usize) -> Self {
        Self::new(
            ErrorCode::PayloadTooLarge,
            format!("{what} takes {bytes} bytes, at most {max_bytes} are allowed"),
        )
    }
}

impl fmt::Display for ProgressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ProgressError {}

impl Serialize for ProgressError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("ProgressError", 2)?;
        body.serialize_field("code", self.code.as_str())?;
        body.serialize_field("message", &self.message)?;
        body.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_well_for_people_and_for_programs() {
        let error = ProgressError::invalid("progress is missing");
        assert_eq!(error.to_string(), "INVALID_ARGUMENT: progress is missing");
        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"code":"INVALID_ARGUMENT","message":"progress is missing"}"#
        );
        assert_eq!(
            ProgressError::too_large("metadata", 17_000, 16_384).message,
            "metadata takes 17000 bytes, at most 16384 are allowed"
        );
    }

    #[test]
    fn every_code_has_its_status() {
        for (code, text, status) in [
            (ErrorCode::InvalidArgument, "INVALID_ARGUMENT", 400),
            (ErrorCode::SessionNotFound, "SESSION_NOT_FOUND", 404),
            (ErrorCode::SessionExists, "SESSION_EXISTS", 409),
            (ErrorCode::SessionEnded, "SESSION_ENDED", 409),
            (ErrorCode::SessionActive, "SESSION_ACTIVE", 409),
            (ErrorCode::SessionManaged, "SESSION_MANAGED", 409),
            (ErrorCode::SessionCancelled, "SESSION_CANCELLED", 410),
            (ErrorCode::PayloadTooLarge, "PAYLOAD_TOO_LARGE", 413),
            (ErrorCode::RateLimitExceeded, "RATE_LIMIT_EXCEEDED", 429),
            (ErrorCode::ServerOverload, "SERVER_OVERLOAD", 503),
        ] {
            assert_eq!(code.as_str(), text);
            assert_eq!(code.http_status(), status);
        }
    }
}
