//! The head of a request: request line and header fields (RFC 9112 sections 3 and 5).

use std::mem::MaybeUninit;

use super::fields::Fields;
use super::{parse_host, Framing, HeadLimits, Refusal};

/// The request methods that anything here or in a usual host distinguishes (RFC 9110 section 9; names are case-sensitive).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`: as `GET`, answered without the body.
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// `PATCH`
    Patch,
    /// Any other token.
    Other,
}

impl Method {
    pub(crate) fn from_token(token: &str) -> Method {
        match token {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            "PATCH" => Method::Patch,
            _ => Method::Other,
        }
    }

    /// The token, in capitals; `OTHER` for any other.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Patch => "PATCH",
            Method::Other => "OTHER",
        }
    }
}

/// The head of one request, borrowed from the bytes it came in.
///
/// Leniency: a target may hold every visible ASCII character but `#`, more than RFC 3986 allows, since browsers leave some
/// of them bare in a query. Its meaning does not depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'b> {
    /// The method.
    pub method: Method,
    /// The path as sent, escapes included; begins with `/`, or is `*` in `OPTIONS *`.
    pub path: &'b str,
    /// The query as sent, without its `?`; see [`query_pairs`](super::query_pairs).
    pub query: &'b str,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    /// Whom the request is addressed to, as `name[:port]`, which [`parse_host`] takes apart: the authority of an absolute
    /// target, else the `Host` field. Only HTTP/1.0 may leave it out.
    pub host: Option<&'b str>,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the peer wants to send another request after this one (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// Whether the peer waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    pub expect_continue: bool,
    /// Whether the peer asks for WebSocket: `Connection` with `upgrade` and `Upgrade` with `websocket`, in HTTP/1.1.
    pub upgrade: bool,
    /// Whether the body is compressed or otherwise encoded: a `Content-Encoding` that is not `identity`.
    pub content_encoded: bool,
    /// The header lines, each with its CR LF.
    lines: &'b [u8],
    /// All of it, as it came.
    bytes: &'b [u8],
}

impl<'b> Head<'b> {
    /// The value of the first header field with this name, which is looked for without regard to letter case.
    ///
    /// Leniency: values may hold bytes from 0x80 on, which "a recipient SHOULD treat [...] as opaque data" (RFC 9110 section
    /// 5.5). A value that is no UTF-8 reads as `"\u{fffd}"`, so that it is never taken for an absent one.
    pub fn header(&self, name: &str) -> Option<&'b str> {
        let is_named = |line: &&[u8]| {
            line.get(name.len()) == Some(&b':')
                && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
        };
        let line = self.lines().find(is_named)?;
        let value = line[name.len() + 1..].trim_ascii();
        Some(std::str::from_utf8(value).unwrap_or("\u{fffd}"))
    }

    /// All header fields in their order, names as sent, values without the white space around them.
    pub fn headers(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        self.lines().map(|line| {
            let colon = line.iter().position(|&b| b == b':').unwrap_or(0);
            let name = std::str::from_utf8(&line[..colon]).unwrap_or_default();
            let value = line.get(colon + 1..).unwrap_or_default();
            (name, value.trim_ascii())
        })
    }

    /// The header lines. Parsing has made sure of their shape: `token ":" value CR LF`, with no other CR, LF or NUL in it.
    fn lines(&self) -> impl Iterator<Item = &'b [u8]> {
        let mut rest = self.lines;
        std::iter::from_fn(move || {
            let end = memchr::memchr(b'\n', rest)?;
            let line;
            (line, rest) = rest.split_at(end + 1);
            Some(line)
        })
    }

    /// The bytes that it was parsed from: whoever keeps them has the same head again by [`parse_head`](super::parse_head).
    pub fn as_bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// Parses a head of which the scan has found the end.
    pub(super) fn parse(bytes: &'b [u8]) -> Result<Head<'b>, Refusal> {
        let mut places = [const { MaybeUninit::uninit() }; HeadLimits::MOST_HEADERS];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, &mut places) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(Refusal::RequestLine),
            Err(error) => return Err(refusal_for(error, bytes)),
        }
        let (Some(method), Some(target), Some(minor_version)) =
            (request.method, request.path, request.version)
        else {
            return Err(Refusal::RequestLine);
        };
        let method = Method::from_token(method);
        let (authority, path, query) = split_target(method, target)?;
        let fields = Fields::collect(request.headers, minor_version)?;
        let framing = fields.framing();
        Ok(Head {
            method,
            path,
            query,
            minor_version,
            // "The origin server MUST ignore the received Host header field (if any) and instead use the host information
            // of the request-target" (RFC 9112 section 3.2.2).
            host: authority.or(fields.host),
            framing,
            keep_alive: !fields.close && (minor_version == 1 || fields.keep_alive),
            // HTTP/1.0 has no interim answers, and nobody waits before sending nothing.
            expect_continue: fields.expect_continue
                && minor_version == 1
                && framing.content_length() != Some(0),
            upgrade: fields.connection_upgrade && fields.websocket && minor_version == 1,
            content_encoded: fields.content_encoded,
            lines: header_lines(bytes),
            bytes,
        })
    }
}

/// Authority (of an absolute target), path and query (RFC 9112 section 3.2).
fn split_target(method: Method, target: &str) -> Result<(Option<&str>, &str, &str), Refusal> {
    if !target.is_ascii() || target.contains('#') {
        return Err(Refusal::Target);
    }
    if target == "*" && method == Method::Options {
        return Ok((None, target, ""));
    }
    let (authority, path_and_query) = match split_absolute(target) {
        Some((authority, rest)) => {
            let host = parse_host(authority).ok_or(Refusal::HostInvalid)?;
            if host.name.is_empty() {
                return Err(Refusal::HostInvalid);
            }
            (Some(authority), rest)
        }
        None => (None, target),
    };
    let (path, query) = path_and_query
        .split_once('?')
        .unwrap_or((path_and_query, ""));
    match path {
        // Only an absolute target may leave the path out.
        "" if authority.is_some() => Ok((authority, "/", query)),
        path if path.starts_with('/') => Ok((authority, path, query)),
        _ => Err(Refusal::Target),
    }
}

/// Splits `http://authority/rest`, which "a server MUST accept" although only proxies should see it.
fn split_absolute(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    Some(rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())))
}

/// The header lines of a parsed head: what lies between the request line and the empty line at the end.
fn header_lines(bytes: &[u8]) -> &[u8] {
    let request_line = bytes.trim_ascii_start();
    let end = request_line.iter().position(|&byte| byte == b'\n');
    let after = end.map_or(&[][..], |end| &request_line[end + 1..]);
    after.strip_suffix(b"\r\n").unwrap_or_default()
}

fn refusal_for(error: httparse::Error, bytes: &[u8]) -> Refusal {
    match error {
        httparse::Error::HeaderName => Refusal::HeaderName,
        httparse::Error::HeaderValue => Refusal::HeaderValue,
        httparse::Error::NewLine => Refusal::LineEnd,
        httparse::Error::TooManyHeaders => Refusal::TooManyHeaders,
        httparse::Error::Version if names_a_version(bytes) => Refusal::Version,
        httparse::Error::Version | httparse::Error::Token | httparse::Error::Status => {
            Refusal::RequestLine
        }
    }
}

/// Whether the third word of the request line is `HTTP/` with two digits: a version, if not one of ours.
fn names_a_version(bytes: &[u8]) -> bool {
    let mut words = bytes.trim_ascii_start().splitn(3, |&byte| byte == b' ');
    let digits = words.nth(2).and_then(|word| word.strip_prefix(b"HTTP/"));
    matches!(
        digits,
        Some([b'0'..=b'9', b'.', b'0'..=b'9', b'\r', b'\n', ..])
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{parse_head, Parsed};

    fn parse(text: &str) -> Result<Head<'_>, Refusal> {
        match parse_head(text.as_bytes(), &HeadLimits::default())? {
            Parsed::Complete { head, length } => {
                assert_eq!(length, text.len());
                Ok(head)
            }
            Parsed::Partial => panic!("{text:?} is not a whole head"),
        }
    }

    /// The head of a request with these header lines besides `Host`.
    fn with_lines(lines: &str) -> String {
        format!("POST /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
    }

    #[test]
    fn takes_the_request_line_apart() {
        for (line, method, path, query, minor_version) in [
            ("GET / HTTP/1.1", Method::Get, "/", "", 1),
            ("HEAD /a?b HTTP/1.0", Method::Head, "/a", "b", 0),
            (
                "POST /a%20b?c?d=/ HTTP/1.1",
                Method::Post,
                "/a%20b",
                "c?d=/",
                1,
            ),
            ("PUT //a/../b HTTP/1.1", Method::Put, "//a/../b", "", 1),
            ("DELETE /? HTTP/1.1", Method::Delete, "/", "", 1),
            (
                "PATCH /{|}^~\"<> HTTP/1.1",
                Method::Patch,
                "/{|}^~\"<>",
                "",
                1,
            ),
            ("OPTIONS * HTTP/1.1", Method::Options, "*", "", 1),
            ("get / HTTP/1.1", Method::Other, "/", "", 1),
            ("M-SEARCH / HTTP/1.1", Method::Other, "/", "", 1),
        ] {
            let text = format!("{line}\r\nHost: a\r\n\r\n");
            let head = parse(&text).expect(line);
            assert_eq!(
                (head.method, head.path, head.query, head.minor_version),
                (method, path, query, minor_version),
                "{line}"
            );
            assert_eq!(head.host, Some("a"), "{line}");
            assert!(method == Method::Other || line.starts_with(method.as_str()));
            assert_eq!(head.as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn an_absolute_target_names_the_host_itself() {
        for (target, host, path, query) in [
            ("http://b.example:1/c?d", "b.example:1", "/c", "d"),
            ("HTTP://b.example", "b.example", "/", ""),
            ("https://[::1]?d=http://e", "[::1]", "/", "d=http://e"),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let head = parse(&text).expect(target);
            assert_eq!(
                (head.host, head.path, head.query),
                (Some(host), path, query)
            );
            assert_eq!(head.header("host"), Some("a"));
        }
    }

    #[test]
    fn refuses_other_request_lines() {
        for (line, refusal) in [
            ("GET", Refusal::RequestLine),
            ("GET /", Refusal::RequestLine),
            ("GET  / HTTP/1.1", Refusal::RequestLine),
            ("GET /a b HTTP/1.1", Refusal::RequestLine),
            ("GET /\t HTTP/1.1", Refusal::RequestLine),
            ("GET /\0 HTTP/1.1", Refusal::RequestLine),
            ("G(T / HTTP/1.1", Refusal::RequestLine),
            (" GET / HTTP/1.1", Refusal::RequestLine),
            ("GET / http/1.1", Refusal::RequestLine),
            ("GET / HTTP/1.11", Refusal::LineEnd),
            ("GET / HTTP/1.1 ", Refusal::LineEnd),
            ("GET / HTTP/1.1\r", Refusal::LineEnd),
            ("GET / HTTP/2.0", Refusal::Version),
            ("GET / HTTP/1.2", Refusal::Version),
            ("GET / HTTP/0.9", Refusal::Version),
            ("GET a HTTP/1.1", Refusal::Target),
            ("GET * HTTP/1.1", Refusal::Target),
            ("GET ?a HTTP/1.1", Refusal::Target),
            ("GET /a#b HTTP/1.1", Refusal::Target),
            ("GET /ä HTTP/1.1", Refusal::Target),
            ("GET ftp://a/ HTTP/1.1", Refusal::Target),
            ("CONNECT a:443 HTTP/1.1", Refusal::Target),
            ("GET http:/// HTTP/1.1", Refusal::HostInvalid),
            ("GET http://u@a/ HTTP/1.1", Refusal::HostInvalid),
            ("GET http://a:b/ HTTP/1.1", Refusal::HostInvalid),
        ] {
            let text = format!("{line}\r\nHost: a\r\n\r\n");
            assert_eq!(parse(&text), Err(refusal), "{line:?}");
        }
    }

    #[test]
    fn other_protocols_are_told_so() {
        let limits = HeadLimits::default();
        let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        assert_eq!(parse_head(http2, &limits), Err(Refusal::Version));
        assert_eq!(Refusal::Version.status(), 505);
        let tls = b"\x16\x03\x01\x02\x00\x01";
        assert_eq!(parse_head(tls, &limits), Err(Refusal::TlsHandshake));
        assert_eq!(parse_head(b"\x80\x2e", &limits), Err(Refusal::RequestLine));
    }

    #[test]
    fn header_fields_are_found_and_listed() {
        let text = with_lines("A: 1\r\na:2 \r\nEmpty:\r\nColons:\t a: b,\u{b}c \t\r\n");
        assert_eq!(parse(&text), Err(Refusal::HeaderValue));
        let text = with_lines("A: 1\r\na:2 \r\nEmpty:\r\nColons:\t a: b \t\r\nU: ä\r\n");
        let head = parse(&text).unwrap();
        assert_eq!(head.header("a"), Some("1"));
        assert_eq!(head.header("EMPTY"), Some(""));
        assert_eq!(head.header("colons"), Some("a: b"));
        assert_eq!(head.header("u"), Some("ä"));
        assert_eq!(head.header("b"), None);
        let headers: Vec<_> = head.headers().map(|(name, _)| name).collect();
        assert_eq!(headers, ["Host", "A", "a", "Empty", "Colons", "U"]);
        let bare = parse("GET / HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!(bare.headers().count(), 0);
    }

    #[test]
    fn a_value_in_another_encoding_is_not_taken_for_absent() {
        let limits = HeadLimits::default();
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: \xff\r\n\r\n";
        let Ok(Parsed::Complete { head, .. }) = parse_head(bytes, &limits) else {
            panic!("the head is whole");
        };
        assert_eq!(head.header("origin"), Some("\u{fffd}"));
        assert_eq!(head.headers().nth(1), Some(("Origin", &b"\xff"[..])));
    }

    #[test]
    fn refuses_malformed_header_lines() {
        for (lines, refusal) in [
            ("A : b\r\n", Refusal::HeaderName),
            ("A\t: b\r\n", Refusal::HeaderName),
            (" A: b\r\n", Refusal::HeaderName),
            ("A: b\r\n folded\r\n", Refusal::HeaderName),
            (": b\r\n", Refusal::HeaderName),
            ("A\r\n", Refusal::HeaderName),
            ("Ä: b\r\n", Refusal::HeaderName),
            ("A\0: b\r\n", Refusal::HeaderName),
            ("A: b\0\r\n", Refusal::HeaderValue),
            ("A: b\x7f\r\n", Refusal::HeaderValue),
            ("A: \x1b[2J\r\n", Refusal::HeaderValue),
            ("A: b\rContent-Length: 5\r\n", Refusal::HeaderValue),
            ("A: b\r\r\n", Refusal::HeaderValue),
            ("A: b\n", Refusal::LineEnd),
        ] {
            assert_eq!(parse(&with_lines(lines)), Err(refusal), "{lines:?}");
        }
    }
}
