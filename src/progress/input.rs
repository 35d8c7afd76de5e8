//! Readers of what arrives as JSON, for hosts that take sessions' calls over HTTP or elsewhere.

use serde_json::Value;
use uuid::Uuid;

use super::{JsonObject, ProgressError};

/// Reads a session id: a hyphenated UUID of any version, in upper or lower case.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for anything else; the text is not repeated in the message, since it may be long or odd.
pub fn session_id_argument(text: &str) -> Result<Uuid, ProgressError> {
    // The length leaves only the hyphenated one of the forms that the parser knows.
    if text.len() == 36 {
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(id);
        }
    }
    Err(ProgressError::invalid(
        "the session id must be a UUID such as 1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b",
    ))
}

/// Reads the `progress` of an update: a finite number, which the tracker clamps to 0..1.
///
/// # Errors
///
/// `INVALID_ARGUMENT` when it is missing, null, text, or anything else that is no number.
pub fn progress_argument(value: Option<&Value>) -> Result<f64, ProgressError> {
    match value {
        Some(Value::Number(number)) => number
            .as_f64()
            .filter(|progress| progress.is_finite())
            .ok_or_else(|| ProgressError::invalid("progress must be a finite number")),
        None => Err(ProgressError::invalid(
            "progress is missing: a number from 0 to 1 is wanted",
        )),
        Some(_) => Err(ProgressError::invalid(
            "progress must be a number from 0 to 1",
        )),
    }
}

/// Reads an optional object (`metadata`, `result`, `partial_results`); missing and null are the empty one.
///
/// # Errors
///
/// `INVALID_ARGUMENT` naming `name` when it is anything but an object.
pub fn object_argument(value: Option<Value>, name: &str) -> Result<JsonObject, ProgressError> {
    match value {
        None | Some(Value::Null) => Ok(JsonObject::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(ProgressError::invalid(format!(
            "{name} must be a JSON object"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn session_ids_are_uuids_of_any_version_and_case() {
        for (text, lower) in [
            (
                "1B4E28BA-2FA1-11D2-883F-0016D3CCA427",
                Some("1b4e28ba-2fa1-11d2-883f-0016d3cca427"),
            ),
            (
                "00000000-0000-0000-0000-000000000000",
                Some("00000000-0000-0000-0000-000000000000"),
            ),
            ("1b4e28ba2fa111d2883f0016d3cca427", None),
            ("{1b4e28ba-2fa1-11d2-883f-0016d3cca427}", None),
            ("urn:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427", None),
            ("1b4e28ba-2fa1-11d2-883f-0016d3cca42x", None),
            ("", None),
        ] {
            let id = session_id_argument(text).ok().map(|id| id.to_string());
            assert_eq!(id.as_deref(), lower, "{text}");
        }
    }

    #[test]
    fn progress_is_a_finite_number() {
        assert_eq!(progress_argument(Some(&json!(0.5))), Ok(0.5));
        assert_eq!(progress_argument(Some(&json!(1))), Ok(1.0));
        assert_eq!(progress_argument(Some(&json!(-3))), Ok(-3.0));
        for wrong in [
            json!(null),
            json!("0.5"),
            json!(true),
            json!([0.5]),
            json!({}),
        ] {
            assert!(progress_argument(Some(&wrong)).is_err(), "{wrong}");
        }
        assert!(progress_argument(None)
            .unwrap_err()
            .message
            .contains("missing"));
    }

    #[test]
    fn objects_may_be_missing_but_not_be_something_else() {
        assert_eq!(object_argument(None, "metadata"), Ok(JsonObject::new()));
        assert_eq!(
            object_argument(Some(json!(null)), "metadata"),
            Ok(JsonObject::new())
        );
        assert_eq!(
            object_argument(Some(json!({"a": 1})), "metadata")
                .unwrap()
                .len(),
            1
        );
        let error = object_argument(Some(json!([1])), "metadata").unwrap_err();
        assert_eq!(error.message, "metadata must be a JSON object");
    }
}
