//! JSON bodies on their way in: collected up to a limit, then read.

use std::collections::BTreeMap;

use pulsewheel::http::{Framing, Request};
use pulsewheel::progress::JsonObject;
use pulsewheel::RequestId;
use serde_json::Value;

use super::answer::ApiError;
use super::auth::Caller;
use super::idempotency::Key;
use super::route::Verb;

/// Largest JSON body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Levels of a JSON body: those of the deepest value that is taken, and some around it. Deeper ones are refused before they are
/// read, which takes stack for each.
const MAX_NESTING: usize = 72;

/// The requests whose bodies are not complete yet.
pub struct Bodies {
    incomplete: BTreeMap<RequestId, Incomplete>,
    held_bytes: usize,
    max_held_bytes: usize,
}

struct Incomplete {
    verb: Verb,
    caller: Caller,
    key: Option<Key>,
    bytes: Vec<u8>,
}

/// A request whose body is complete.
pub struct Complete {
    /// What it was sent for.
    pub verb: Verb,
    /// Who has sent it.
    pub caller: Caller,
    pub key: Option<Key>,
    pub body: Vec<u8>,
}

impl Bodies {
    /// Holds so many bytes of incomplete bodies at a time, of all requests together. Where
    /// there are more, those give way who hold the most: whoever sends little gets through
    /// beside a crowd of senders who never finish.
    pub fn new(max_held_bytes: usize) -> Bodies {
        Bodies {
            incomplete: BTreeMap::new(),
            held_bytes: 0,
            max_held_bytes,
        }
    }

    /// Takes a request on whose head allows a JSON body. Gives the number of bytes
    /// to let in.
    pub fn begin(
        &mut self,
        request: RequestId,
        verb: Verb,
        caller: Caller,
        key: Option<Key>,
        head: &Request,
    ) -> Result<usize, ApiError> {
        check_head(head)?;
        self.incomplete.insert(
            request,
            Incomplete {
                verb,
                caller,
                key,
                bytes: Vec::new(),
            },
        );
        // One more than allowed, so that too long a body is seen to be one.
        Ok(MAX_BODY_BYTES + 1)
    }

    /// Adds bytes to a body, if it is one of these.
    ///
    /// # Errors
    /// The request that is given up for that, and why: this one or another.
    pub fn push(&mut self, request: RequestId, data: &[u8]) -> Result<(), (RequestId, ApiError)> {
        let Some(incomplete) = self.incomplete.get_mut(&request) else {
            return Ok(());
        };
        if incomplete.bytes.len() + data.len() > MAX_BODY_BYTES {
            self.remove(request);
            return Err((request, body_too_large()));
        }
        let before = incomplete.bytes.capacity();
        incomplete.bytes.extend_from_slice(data);
        self.held_bytes += incomplete.bytes.capacity() - before;
        if self.held_bytes <= self.max_held_bytes {
            return Ok(());
        }
        let sizes = self.incomplete.iter();
        let largest = sizes.max_by_key(|(_, incomplete)| incomplete.bytes.capacity());
        let largest = largest.map_or(request, |(request, _)| *request);
        self.remove(largest);
        let error = ApiError::overload("too many requests are being sent at once");
        Err((largest, error))
    }

    /// The body is complete, if it is one of these.
    pub fn finish(&mut self, request: RequestId) -> Option<Complete> {
        let incomplete = self.remove(request)?;
        Some(Complete {
            verb: incomplete.verb,
            caller: incomplete.caller,
            key: incomplete.key,
            body: incomplete.bytes,
        })
    }

    /// The request is gone.
    pub fn abort(&mut self, request: RequestId) {
        self.remove(request);
    }

    fn remove(&mut self, request: RequestId) -> Option<Incomplete> {
        let incomplete = self.incomplete.remove(&request)?;
        self.held_bytes -= incomplete.bytes.capacity();
        Some(incomplete)
    }
}

/// Reads a body: a JSON object, or nothing at all for the empty one.
pub fn object(body: &[u8]) -> Result<JsonObject, ApiError> {
    if body.is_empty() {
        return Ok(JsonObject::new());
    }
    if nesting(body) > MAX_NESTING {
        return Err(ApiError::invalid("the body is nested too deep"));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::invalid("the body must be a JSON object")),
        Err(error) => Err(ApiError::invalid(format!("the body is not JSON: {error}"))),
    }
}

/// How deep the brackets of a JSON text are nested.
fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn check_head(head: &Request) -> Result<(), ApiError> {
    let declared_bytes = head.framing.content_length();
    if declared_bytes.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) {
        return Err(body_too_large());
    }
    if head.content_encoded {
        return Err(ApiError::media_type(
            "compressed bodies are not read; send it without Content-Encoding",
        ));
    }
    let has_body = head.framing != Framing::None && declared_bytes != Some(0);
    if has_body && !head.header("Content-Type").is_some_and(is_json) {
        return Err(ApiError::media_type(
            "the body must be JSON; send it with Content-Type: application/json",
        ));
    }
    Ok(())
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn body_too_large() -> ApiError {
    ApiError::too_large("a JSON body", MAX_BODY_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::super::testing::get;
    use super::*;

    fn head(framing: Framing, headers: &[(&str, &str)]) -> Request {
        let content_encoded = headers.iter().any(|(name, _)| *name == "Content-Encoding");
        Request {
            framing,
            content_encoded,
            ..get(headers)
        }
    }

    #[test]
    fn brackets_count_outside_of_texts_alone() {
        for (json, levels) in [
            ("1", 0),
            ("{}", 1),
            (r#"{"a":[{}],"b":[[]]}"#, 3),
            (r#"{"[[[":"\"{{{"}"#, 1),
            (r#"["\\",[1]]"#, 2),
            ("]]]]{", 1),
        ] {
            assert_eq!(nesting(json.as_bytes()), levels, "{json}");
        }
        let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(object(deep.as_bytes()).unwrap_err().status, 400);
    }

    #[test]
    fn a_body_has_to_be_json_and_short() {
        let json = ("Content-Type", "Application/JSON; charset=utf-8");
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        for (framing, headers, wanted) in [
            (Framing::Length(2), &[json][..], None),
            (Framing::Chunked, &[json], None),
            (Framing::None, &[], None),
            (Framing::Length(0), &[form], None),
            (Framing::Length(2), &[form], Some(415)),
            (Framing::Chunked, &[], Some(415)),
            (
                Framing::Length(2),
                &[json, ("Content-Encoding", "gzip")],
                Some(415),
            ),
            (Framing::Length(65_536), &[json], None),
            (Framing::Length(65_537), &[json], Some(413)),
        ] {
            let refused = check_head(&head(framing, headers))
                .err()
                .map(|error| error.status);
            assert_eq!(refused, wanted, "{framing:?} {headers:?}");
        }
    }

    #[test]
    fn a_body_is_an_object_or_nothing() {
        assert_eq!(object(b"").unwrap(), JsonObject::new());
        assert_eq!(object(b" {\"a\":1} ").unwrap().len(), 1);
        for wrong in [&b"[]"[..], b"\"text\"", b"{broken", b"1e999", b"\xff", b" "] {
            assert_eq!(object(wrong).unwrap_err().status, 400);
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(60_000), "]".repeat(5_000));
        assert_eq!(object(deep.as_bytes()).unwrap_err().status, 400);
    }
}
