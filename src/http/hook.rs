//! Header fields that a host adds to answers.

use std::fmt;
use std::sync::Arc;

use super::{check_header, Field, Head};

/// Names header fields for an answer by the head of the request that it answers.
///
/// It is called in the loop, so it must not wait for anything. A field that would change the message it travels in is left
/// out: a name that is no token, a value with a control character, and the names that the server writes itself
/// (`Connection`, `Content-Encoding`, `Content-Length`, `Content-Type`, `Transfer-Encoding`, `Upgrade`, `Sec-WebSocket-*`).
///
/// ```
/// use pulsewheel::{http::HeaderHook, Config};
///
/// let config = Config {
///     headers: Some(HeaderHook::new(|_head| vec![("X-Served-By".to_owned(), "a".to_owned())])),
///     ..Config::default()
/// };
/// ```
#[derive(Clone)]
pub struct HeaderHook(Arc<Hook>);

type Hook = dyn Fn(&Head<'_>) -> Vec<(String, String)> + Send + Sync;

impl HeaderHook {
    /// A hook that calls this.
    pub fn new(
        hook: impl Fn(&Head<'_>) -> Vec<(String, String)> + Send + Sync + 'static,
    ) -> HeaderHook {
        HeaderHook(Arc::new(hook))
    }

    /// The fields for the answer to this request, those left out that cannot be sent.
    pub(crate) fn fields(&self, head: &Head<'_>) -> impl Iterator<Item = Field> {
        let fields = (self.0)(head).into_iter();
        fields
            .filter(|(name, value)| is_addable(name, value))
            .map(|(name, value)| (name.into(), value.into()))
    }
}

impl fmt::Debug for HeaderHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderHook")
    }
}

/// Whether a host may add this field to an answer of Engine.IO, be it the answer to a poll or to a WebSocket handshake.
pub(crate) fn is_addable(name: &str, value: &str) -> bool {
    const OURS: [&str; 3] = ["content-encoding", "content-type", "upgrade"];
    let lower = name.to_ascii_lowercase();
    check_header(name, value).is_ok()
        && !value.bytes().any(|byte| byte.is_ascii_control())
        && !OURS.contains(&&*lower)
        && !lower.starts_with("sec-websocket-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{parse_head, HeadLimits, Parsed};

    #[test]
    fn the_hook_sees_the_request() {
        let request = b"GET /a HTTP/1.1\r\nHost: a\r\nX-Mine: b\r\n\r\n";
        let Ok(Parsed::Complete { head, .. }) = parse_head(request, &HeadLimits::default()) else {
            panic!("the head is whole");
        };
        let hook = HeaderHook::new(|head| {
            let value = head.header("X-Mine").unwrap_or_default().to_owned();
            vec![("X-Yours".to_owned(), value)]
        });
        let fields: Vec<Field> = hook.clone().fields(&head).collect();
        assert_eq!(fields, [("X-Yours".into(), "b".into())]);
        assert_eq!(format!("{hook:?}"), "HeaderHook");
    }

    #[test]
    fn what_would_change_the_message_is_left_out() {
        for (name, value) in [
            ("A", "b\r\nC: d"),
            ("A\r\nC", "d"),
            ("", "d"),
            ("A B", "d"),
            ("A", "tab\there"),
            ("Content-Length", "1"),
            ("CONTENT-TYPE", "text/html"),
            ("Content-Encoding", "gzip"),
            ("Connection", "close"),
            ("Upgrade", "h2c"),
            ("Sec-WebSocket-Accept", "x"),
        ] {
            assert!(!is_addable(name, value), "{name}: {value}");
        }
        assert!(is_addable("Set-Cookie", "a=b; Path=/"));
    }
}
