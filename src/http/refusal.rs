//! Why a request is not taken.

use std::fmt;

/// Why a request is not taken: what the peer did, as a status code and a sentence.
///
/// After any of these the connection has to be closed: where the next request would begin is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The first byte is that of a TLS handshake record.
    TlsHandshake,
    /// Not `method SP target SP version` (RFC 9112 section 3).
    RequestLine,
    /// More empty lines before the request line than anybody needs.
    EmptyLines,
    /// A line ends in a bare LF, or holds a bare CR, or something follows the version.
    LineEnd,
    /// The target is none of the forms of RFC 9112 section 3.2 that are served, or holds `#` or a non-ASCII character.
    Target,
    /// A well-formed version that is neither HTTP/1.0 nor HTTP/1.1, the HTTP/2 preface included.
    Version,
    /// The request line is longer than [`HeadLimits::max_request_line_bytes`](super::HeadLimits::max_request_line_bytes).
    RequestLineTooLong,
    /// The head is longer than [`HeadLimits::max_bytes`](super::HeadLimits::max_bytes).
    HeadTooLarge,
    /// More header fields than [`HeadLimits::max_headers`](super::HeadLimits::max_headers).
    TooManyHeaders,
    /// Not a token followed at once by a colon: a space before the colon or a folded line, for example.
    HeaderName,
    /// A control character in a field value.
    HeaderValue,
    /// No `Host` in an HTTP/1.1 request.
    HostMissing,
    /// More than one `Host`.
    HostRepeated,
    /// A `Host`, or the authority of an absolute target, that is no `name[:port]`.
    HostInvalid,
    /// `Content-Length` is not a plain row of digits.
    ContentLength,
    /// More than one `Content-Length`, even when they agree.
    ContentLengthRepeated,
    /// Both `Content-Length` and `Transfer-Encoding`.
    ContentLengthAndTransferEncoding,
    /// `Transfer-Encoding` in an HTTP/1.0 request.
    TransferEncodingInHttp10,
    /// `Transfer-Encoding` is something else than `chunked`, once.
    TransferEncoding,
    /// `Expect` is something else than `100-continue`.
    Expectation,
    /// The size line of a chunk is malformed or its number has more than 16 digits.
    ChunkSize,
    /// A chunk is not followed by CR LF.
    ChunkEnd,
    /// A trailer line after the last chunk is malformed.
    Trailer,
    /// Chunk extensions and trailers together exceed [`MAX_CHUNK_EXTRA_BYTES`](super::MAX_CHUNK_EXTRA_BYTES).
    ChunkExtraTooLarge,
    /// The body is larger than the caller takes, or than 64 bits can say.
    BodyTooLarge,
}

impl Refusal {
    /// The status code of the answer.
    pub fn status(self) -> u16 {
        match self {
            Refusal::BodyTooLarge | Refusal::ChunkExtraTooLarge => 413,
            Refusal::RequestLineTooLong => 414,
            Refusal::Expectation => 417,
            Refusal::HeadTooLarge | Refusal::TooManyHeaders => 431,
            Refusal::TransferEncoding => 501,
            Refusal::Version => 505,
            _ => 400,
        }
    }

    /// One sentence for the person at the other end.
    pub fn message(self) -> &'static str {
        match self {
            Refusal::TlsHandshake => "This port speaks plain HTTP, not TLS.",
            Refusal::RequestLine => "The request line is malformed.",
            Refusal::EmptyLines => "There are too many empty lines before the request line.",
            Refusal::LineEnd => "Lines of a request must end in CR LF.",
            Refusal::Target => "The request target must be a path in ASCII or an http URL.",
            Refusal::Version => "Only HTTP/1.0 and HTTP/1.1 are spoken here.",
            Refusal::RequestLineTooLong => "The request line is too long.",
            Refusal::HeadTooLarge => "The request head is too large.",
            Refusal::TooManyHeaders => "The request has too many header fields.",
            Refusal::HeaderName => {
                "A header line must be a name, at once a colon, and a value on the same line."
            }
            Refusal::HeaderValue => "A header value holds a control character.",
            Refusal::HostMissing => "An HTTP/1.1 request needs a Host header.",
            Refusal::HostRepeated => "The request has more than one Host header.",
            Refusal::HostInvalid => "The Host is not a name with an optional port.",
            Refusal::ContentLength => "Content-Length must be a number.",
            Refusal::ContentLengthRepeated => "The request has more than one Content-Length.",
            Refusal::ContentLengthAndTransferEncoding => {
                "Content-Length and Transfer-Encoding exclude each other."
            }
            Refusal::TransferEncodingInHttp10 => "HTTP/1.0 has no Transfer-Encoding.",
            Refusal::TransferEncoding => "The only Transfer-Encoding known here is chunked.",
            Refusal::Expectation => "The only expectation known here is 100-continue.",
            Refusal::ChunkSize => "The size line of a chunk is malformed.",
            Refusal::ChunkEnd => "A chunk must be followed by CR LF.",
            Refusal::Trailer => "A trailer line is malformed.",
            Refusal::ChunkExtraTooLarge => "There are too many chunk extensions or trailers.",
            Refusal::BodyTooLarge => "The request body is too large.",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Refusal {}
