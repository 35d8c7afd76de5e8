//! A request that outlives the buffer it came in: what a host gets to see.

use std::borrow::Cow;

use super::{query_pairs, query_value, Framing, Head, Method};

/// The head of a plain HTTP request as a host gets it; the body follows in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent, escapes included; begins with `/`, or is `*` in `OPTIONS *`.
    pub path: String,
    /// The query as sent, without its `?`.
    pub query: String,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    /// Whom the request is addressed to, as `name[:port]`; a valid text for [`parse_host`](super::parse_host). Only HTTP/1.0
    /// may leave it out.
    pub host: Option<String>,
    /// All header fields in their order, names as sent; bytes that are no UTF-8 are U+FFFD.
    pub headers: Vec<(String, String)>,
    /// Where the body ends; [`Framing::content_length`] is the declared length.
    pub framing: Framing,
    /// Whether the peer waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// Whether the body is compressed or otherwise encoded.
    pub content_encoded: bool,
}

impl Request {
    /// The value of the first header field with this name, which is looked for without regard to letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The decoded pairs of the query in their order; see [`query_pairs`].
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        query_pairs(&self.query)
    }

    /// The decoded value of the first pair of the query with this name.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        query_value(&self.query, name)
    }
}

impl From<&Head<'_>> for Request {
    fn from(head: &Head<'_>) -> Request {
        let headers = head.headers().map(|(name, value)| {
            let value = String::from_utf8_lossy(value);
            (name.to_owned(), value.into_owned())
        });
        Request {
            method: head.method,
            path: head.path.to_owned(),
            query: head.query.to_owned(),
            minor_version: head.minor_version,
            host: head.host.map(str::to_owned),
            headers: headers.collect(),
            framing: head.framing,
            expect_continue: head.expect_continue,
            content_encoded: head.content_encoded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{parse_head, HeadLimits, Parsed};

    #[test]
    fn a_request_holds_what_its_head_held() {
        let bytes = b"POST /api/sessions?status=a+b&status=c HTTP/1.1\r\nHost: localhost:1\r\nX-Name: caf\xe9\r\n\
            Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}";
        let Ok(Parsed::Complete { head, .. }) = parse_head(bytes, &HeadLimits::default()) else {
            panic!("the head is whole");
        };
        let request = Request::from(&head);
        assert_eq!(
            (request.method, &request.path[..]),
            (Method::Post, "/api/sessions")
        );
        assert_eq!(request.query("status").as_deref(), Some("a b"));
        assert_eq!(request.query_pairs().count(), 2);
        assert_eq!(request.host.as_deref(), Some("localhost:1"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("x-name"), Some("caf\u{fffd}"));
        assert_eq!(request.header("origin"), None);
        assert_eq!(request.headers.len(), 5);
        assert_eq!(request.framing, Framing::Length(2));
        assert!(request.expect_continue && !request.content_encoded);
    }
}
