//! Answers: status, header fields and a body that is not copied on its way.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use super::body::{is_field_byte, is_token_byte};
use super::{Refusal, ResponseBody};

/// The interim answer to `Expect: 100-continue` (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// One answer to one request.
///
/// `Content-Length` and `Connection` are written by [`Response::encode`] and must not be among the headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code, 200 to 599.
    pub status: u16,
    /// Header fields, written in this order.
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The body; empty for none.
    pub body: ResponseBody,
}

/// What about an answer depends on the request, and on what the connection is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadOptions {
    /// Whether the connection stays open for another request.
    pub keep_alive: bool,
    /// Whether the request was `HEAD`: the same head, no body.
    pub head_request: bool,
    /// Whether the request was HTTP/1.0, whose clients want to read that the connection stays open.
    pub http10: bool,
}

/// What a head says of where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// Behind so many bytes.
    Length(usize),
    /// Behind its last chunk (RFC 9112 section 7.1).
    Chunked,
    /// Nothing: there is none, or it ends with the connection.
    Unsaid,
}

impl Response {
    /// An answer with a body and its `Content-Type`.
    pub fn new(
        status: u16,
        content_type: impl Into<Cow<'static, str>>,
        body: impl Into<ResponseBody>,
    ) -> Response {
        let mut response = Response::empty(status).with_header("Content-Type", content_type);
        response.body = body.into();
        response
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Response {
        Response {
            status,
            ..Response::default()
        }
    }

    /// An answer in JSON; the text is taken as it is.
    pub fn json(status: u16, json: impl Into<ResponseBody>) -> Response {
        Response::new(status, "application/json", json)
    }

    /// An answer in plain text, UTF-8.
    pub fn text(status: u16, text: impl Into<ResponseBody>) -> Response {
        Response::new(status, "text/plain; charset=utf-8", text)
    }

    /// An answer in HTML, UTF-8.
    pub fn html(status: u16, html: impl Into<ResponseBody>) -> Response {
        Response::new(status, "text/html; charset=utf-8", html)
    }

    /// Adds a header field; whether it can be sent is found out by [`Response::encode`].
    pub fn with_header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Whether the answer can be sent: a final status and headers that cannot change the message they travel in.
    pub fn check(&self) -> Result<(), InvalidResponse> {
        if !(200..600).contains(&self.status) {
            return Err(InvalidResponse::Status(self.status));
        }
        for (name, value) in &self.headers {
            check_header(name, value)?;
        }
        Ok(())
    }

    /// Appends the head to `out` and gives back the body to be sent after it.
    ///
    /// There is no `Content-Length` for 204 and 304, and no body comes back for them and for `HEAD` requests, whose
    /// `Content-Length` is that of the body left out. On an error nothing is appended.
    pub fn encode(
        self,
        out: &mut Vec<u8>,
        options: HeadOptions,
    ) -> Result<ResponseBody, InvalidResponse> {
        let can_have_body = self.can_have_body();
        let framing = match can_have_body {
            true => BodyFraming::Length(self.body.len()),
            false => BodyFraming::Unsaid,
        };
        self.encode_head(out, options, framing)?;
        if options.head_request || !can_have_body {
            return Ok(ResponseBody::default());
        }
        Ok(self.body)
    }

    /// Whether the status allows a body.
    pub(crate) fn can_have_body(&self) -> bool {
        self.status != 204 && self.status != 304
    }

    /// Appends the head to `out`, which says so of the body. On an error nothing is appended.
    pub(crate) fn encode_head(
        &self,
        out: &mut Vec<u8>,
        options: HeadOptions,
        framing: BodyFraming,
    ) -> Result<(), InvalidResponse> {
        self.check()?;
        let reason = reason_phrase(self.status);
        let mut write = |line: fmt::Arguments<'_>| {
            out.write_fmt(line).expect("writing to a Vec cannot fail");
        };
        write(format_args!("HTTP/1.1 {} {reason}\r\n", self.status));
        for (name, value) in &self.headers {
            write(format_args!("{name}: {value}\r\n"));
        }
        match framing {
            BodyFraming::Length(bytes) => write(format_args!("Content-Length: {bytes}\r\n")),
            BodyFraming::Chunked => write(format_args!("Transfer-Encoding: chunked\r\n")),
            BodyFraming::Unsaid => {}
        }
        if !options.keep_alive {
            write(format_args!("Connection: close\r\n"));
        } else if options.http10 {
            write(format_args!("Connection: keep-alive\r\n"));
        }
        write(format_args!("\r\n"));
        Ok(())
    }
}

/// The answer to a request that is not taken: its one sentence as plain text. Send it with `Connection: close`.
impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Response {
        Response::text(refusal.status(), refusal.message())
    }
}

/// An answer of the host that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidResponse {
    /// The status is not in 200 to 599.
    Status(u16),
    /// A header name that is no token.
    HeaderName(String),
    /// The value of the named header holds a control character, such as a line break.
    HeaderValue(String),
    /// The named header is written by the server itself.
    ReservedHeader(String),
}

impl fmt::Display for InvalidResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidResponse::Status(status) => {
                write!(f, "{status} is not the status of a final answer")
            }
            InvalidResponse::HeaderName(name) => write!(f, "{name:?} is not a header name"),
            InvalidResponse::HeaderValue(name) => {
                write!(f, "the value of header {name} holds a control character")
            }
            InvalidResponse::ReservedHeader(name) => {
                write!(f, "header {name} is written by the server itself")
            }
        }
    }
}

impl std::error::Error for InvalidResponse {}

/// Whether a header of the host's can be written into a head without changing the message: a line break in it would end it
/// early (response splitting), and a second `Content-Length` would end the body elsewhere.
pub fn check_header(name: &str, value: &str) -> Result<(), InvalidResponse> {
    const RESERVED: [&str; 3] = ["content-length", "transfer-encoding", "connection"];
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err(InvalidResponse::HeaderName(name.to_owned()));
    }
    if RESERVED
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
    {
        return Err(InvalidResponse::ReservedHeader(name.to_owned()));
    }
    if !value.bytes().all(is_field_byte) {
        return Err(InvalidResponse::HeaderValue(name.to_owned()));
    }
    Ok(())
}

/// The standard words for a status code (RFC 9110 section 15), empty for one that has none, as RFC 9112 section 4 allows.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const KEEP: HeadOptions = HeadOptions {
        keep_alive: true,
        head_request: false,
        http10: false,
    };

    fn encode(response: Response, options: HeadOptions) -> (String, ResponseBody) {
        let mut out = Vec::new();
        let body = response.encode(&mut out, options).expect("a valid answer");
        (String::from_utf8(out).expect("a head in ASCII"), body)
    }

    #[test]
    fn writes_status_headers_and_length() {
        let response = Response::json(201, String::from("{}")).with_header("Vary", "Origin");
        let (head, body) = encode(response, KEEP);
        assert_eq!(
            head,
            "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nVary: Origin\r\nContent-Length: 2\r\n\r\n"
        );
        assert_eq!(&*body, b"{}");
        let (head, _) = encode(Response::text(418, "short"), KEEP);
        assert!(head.starts_with("HTTP/1.1 418 \r\n"));
        let (head, _) = encode(Response::html(200, vec![b'x'; 70_000]), KEEP);
        assert!(head.contains("text/html; charset=utf-8") && head.contains("Length: 70000\r\n"));
    }

    #[test]
    fn says_what_becomes_of_the_connection() {
        let head = |keep_alive, http10| {
            let options = HeadOptions {
                keep_alive,
                http10,
                ..KEEP
            };
            encode(Response::empty(200), options).0
        };
        assert_eq!(
            head(true, false),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        );
        assert!(head(true, true).contains("\r\nConnection: keep-alive\r\n"));
        assert!(head(false, false).contains("\r\nConnection: close\r\n"));
        assert!(head(false, true).contains("\r\nConnection: close\r\n"));
    }

    #[test]
    fn an_answer_to_head_has_the_length_but_not_the_body() {
        let options = HeadOptions {
            head_request: true,
            ..KEEP
        };
        let (head, body) = encode(Response::text(200, "hello"), options);
        assert!(head.contains("Content-Length: 5\r\n"));
        assert!(body.is_empty());
    }

    #[test]
    fn some_statuses_have_neither_length_nor_body() {
        for status in [204, 304] {
            let (head, body) = encode(Response::text(status, "never sent"), KEEP);
            assert!(!head.contains("Content-Length"), "{head}");
            assert!(body.is_empty());
        }
    }

    #[test]
    fn bodies_are_handed_on_and_not_copied() {
        static PAGE: &[u8] = b"page";
        let shared: Arc<[u8]> = Arc::from(PAGE);
        let (_, body) = encode(Response::html(200, shared.clone()), KEEP);
        assert_eq!(body.as_ptr(), shared.as_ptr());
        let (_, body) = encode(Response::html(200, PAGE), KEEP);
        assert_eq!(body.as_ptr(), PAGE.as_ptr());
    }

    #[test]
    fn a_mistake_of_the_host_never_splits_an_answer() {
        let value = |text: &str| InvalidResponse::HeaderValue(text.to_owned());
        let name = |text: &str| InvalidResponse::HeaderName(text.to_owned());
        let reserved = |text: &str| InvalidResponse::ReservedHeader(text.to_owned());
        for (header, expected) in [
            (("A", "b\r\nSet-Cookie: c"), value("A")),
            (("A", "b\nc"), value("A")),
            (("A", "b\rc"), value("A")),
            (("A", "b\0"), value("A")),
            (("A\r\nB", "c"), name("A\r\nB")),
            (("A B", "c"), name("A B")),
            (("A:", "c"), name("A:")),
            (("", "c"), name("")),
            (("content-length", "0"), reserved("content-length")),
            (
                ("Transfer-Encoding", "chunked"),
                reserved("Transfer-Encoding"),
            ),
            (("Connection", "close"), reserved("Connection")),
        ] {
            let response = Response::text(200, "x").with_header(header.0, header.1);
            let mut out = b"before".to_vec();
            assert_eq!(response.encode(&mut out, KEEP), Err(expected));
            assert_eq!(out, b"before");
        }
        for status in [0, 100, 101, 199, 600, u16::MAX] {
            let outcome = Response::empty(status).encode(&mut Vec::new(), KEEP);
            assert_eq!(outcome, Err(InvalidResponse::Status(status)));
        }
        assert_eq!(check_header("X-Name", "tab\tand ü"), Ok(()));
    }

    #[test]
    fn a_refusal_has_an_answer() {
        let (head, body) = encode(Response::from(Refusal::HeadTooLarge), KEEP);
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
        assert_eq!(&*body, Refusal::HeadTooLarge.message().as_bytes());
    }
}
