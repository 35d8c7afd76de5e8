//! Finding the end of a request head in bytes that arrive in pieces (RFC 9112 section 2).

use super::body::is_token_byte;
use super::{Head, Refusal};

/// How much of a request head is taken. Beyond it comes a [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The whole head in bytes, its final empty line included; default 16 KiB, as in Node. Beyond: 431.
    pub max_bytes: usize,
    /// The request line in bytes; default 16 KiB, as much as the whole head (RFC 9112 section 3 recommends at least 8000).
    /// Beyond: 414.
    pub max_request_line_bytes: usize,
    /// Header fields; default 100, where browsers send about 20, and proxies add theirs. More than [`HeadLimits::MOST_HEADERS`] has no effect. Beyond: 431.
    pub max_headers: usize,
}

impl HeadLimits {
    /// The highest number of header fields that can be allowed: their places are on the stack while a head is parsed.
    pub const MOST_HEADERS: usize = 256;
}

impl Default for HeadLimits {
    fn default() -> Self {
        HeadLimits {
            max_bytes: 16 * 1024,
            max_request_line_bytes: 16 * 1024,
            max_headers: 100,
        }
    }
}

/// What the bytes of a connection hold so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'b> {
    /// Not yet a whole head: come again with the same bytes and more.
    Partial,
    /// A whole head.
    Complete {
        /// The head, borrowing from the bytes.
        head: Head<'b>,
        /// How many bytes it took; the body, or the next request, begins here.
        length: usize,
    },
}

/// Parses the head at the start of `buf`, for a caller that has it in one piece; see [`HeadScan`] for others.
pub fn parse_head<'b>(buf: &'b [u8], limits: &HeadLimits) -> Result<Parsed<'b>, Refusal> {
    HeadScan::default().parse(buf, limits)
}

/// The search for the end of a head that arrives in pieces: eight bytes that a connection keeps beside its unread bytes.
///
/// A head is parsed once, when its last byte is there. Until then each new byte is looked at once, so a head that comes in
/// drips costs no more than one that comes at once. The outcome is the same however the bytes are cut.
///
/// Leniency: up to two empty lines before the request line are skipped, because "a server that is expecting to receive and
/// parse a request-line SHOULD ignore at least one empty line (CRLF) received prior to the request-line" (RFC 9112 section
/// 2.2). A bare LF as the end of a line, which the same section permits to recognise, is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadScan {
    /// How many bytes have been looked at.
    scanned: u32,
    /// How many lines have ended, empty ones before the request line not counted.
    lines: u32,
}

/// How many empty lines may come before a request line.
const MAX_EMPTY_LINES: usize = 2;

impl HeadScan {
    /// Goes on with the search in `buf`, which holds what it held at the last try and more, and parses the head when it is whole.
    ///
    /// After [`Parsed::Complete`] the search begins anew, for the next head. After a refusal the connection is at its end.
    pub fn parse<'b>(&mut self, buf: &'b [u8], limits: &HeadLimits) -> Result<Parsed<'b>, Refusal> {
        let Some(length) = self.find_end(buf, limits)? else {
            return Ok(Parsed::Partial);
        };
        *self = HeadScan::default();
        let head = Head::parse(&buf[..length])?;
        Ok(Parsed::Complete { head, length })
    }

    /// Where the head ends. Refuses as early as the bytes allow what can be told without parsing.
    fn find_end(&mut self, buf: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Refusal> {
        if self.scanned == 0 {
            check_first_byte(buf)?;
        }
        let max_bytes = limits.max_bytes.min(u32::MAX as usize);
        let window = &buf[..buf.len().min(max_bytes)];
        let mut at = (self.scanned as usize).min(window.len());
        while let Some(distance) = window[at..].iter().position(|&byte| byte == b'\n') {
            let newline = at + distance;
            if self.end_line(window, newline, limits)? {
                return Ok(Some(newline + 1));
            }
            at = newline + 1;
        }
        self.scanned = window.len() as u32;
        let first_line = self.lines == 0;
        if first_line && window.len() >= limits.max_request_line_bytes.min(max_bytes) {
            return Err(Refusal::RequestLineTooLong);
        }
        if window.len() == max_bytes {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(None)
    }

    /// Counts the line that ends with the LF at `newline`, and says whether it is the empty line at the end of the head.
    fn end_line(
        &mut self,
        buf: &[u8],
        newline: usize,
        limits: &HeadLimits,
    ) -> Result<bool, Refusal> {
        if self.lines == 0 && newline >= limits.max_request_line_bytes {
            return Err(Refusal::RequestLineTooLong);
        }
        if newline == 0 || buf[newline - 1] != b'\r' {
            return Err(Refusal::LineEnd);
        }
        let empty = newline == 1 || buf[newline - 2] == b'\n';
        if !empty {
            // The first line is the request line.
            if self.lines as usize > limits.max_headers.min(HeadLimits::MOST_HEADERS) {
                return Err(Refusal::TooManyHeaders);
            }
            self.lines += 1;
        } else if self.lines == 0 && newline >= 2 * MAX_EMPTY_LINES {
            return Err(Refusal::EmptyLines);
        }
        Ok(empty && self.lines > 0)
    }
}

/// Peers that speak something else altogether might never send an LF and are told at once.
fn check_first_byte(buf: &[u8]) -> Result<(), Refusal> {
    const TLS_HANDSHAKE_RECORD: u8 = 0x16;
    match buf.first() {
        Some(&TLS_HANDSHAKE_RECORD) => Err(Refusal::TlsHandshake),
        Some(&byte) if !is_token_byte(byte) && !b"\r\n".contains(&byte) => {
            Err(Refusal::RequestLine)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        max_bytes: 200,
        max_request_line_bytes: 100,
        max_headers: 3,
    };

    /// The outcome of a head that comes byte by byte: the first that is not partial, and after how many bytes it came.
    fn drip(bytes: &[u8]) -> (Result<Parsed<'_>, Refusal>, usize) {
        let mut scan = HeadScan::default();
        for end in 0..bytes.len() {
            match scan.parse(&bytes[..end], &LIMITS) {
                Ok(Parsed::Partial) => {}
                outcome => return (outcome, end),
            }
        }
        (scan.parse(bytes, &LIMITS), bytes.len())
    }

    fn get(lines: &str) -> Vec<u8> {
        format!("GET / HTTP/1.1\r\n{lines}\r\n").into_bytes()
    }

    #[test]
    fn every_cut_gives_partial_and_then_the_same_head() {
        for request in [
            get("Host: a\r\n"),
            get("Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"),
            b"\r\n\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n".to_vec(),
            b"GET / HTTP/1.0\r\n\r\n".to_vec(),
        ] {
            let whole = parse_head(&request, &LIMITS);
            assert!(
                matches!(whole, Ok(Parsed::Complete { length, .. }) if length == request.len())
            );
            for cut in 0..request.len() {
                let mut scan = HeadScan::default();
                let part = scan.parse(&request[..cut], &LIMITS);
                assert_eq!(part, Ok(Parsed::Partial), "cut at {cut}");
                assert_eq!(scan.parse(&request, &LIMITS), whole, "cut at {cut}");
                assert_eq!(scan, HeadScan::default());
            }
            assert_eq!(drip(&request), (whole, request.len()));
        }
    }

    #[test]
    fn what_follows_the_head_is_left_alone() {
        let request = get("Host: a\r\n");
        let pipelined = [&request[..], b"\x16\n\n\0", &request[..]].concat();
        let outcome = parse_head(&pipelined, &LIMITS);
        assert_eq!(outcome, parse_head(&request, &LIMITS));
    }

    #[test]
    fn a_refusal_does_not_depend_on_the_cuts() {
        let long = |length| "x".repeat(length);
        let header = |length| format!("Host: a\r\nA: {}\r\n", long(length));
        for (request, refusal) in [
            (b"\n".to_vec(), Refusal::LineEnd),
            (b"GET / HTTP/1.1\n".to_vec(), Refusal::LineEnd),
            (
                b"GET / HTTP/1.1\r\nHost: a\n\r\n".to_vec(),
                Refusal::LineEnd,
            ),
            (
                b"GET / HTTP/1.1\r\nHost: a\r\n\n".to_vec(),
                Refusal::LineEnd,
            ),
            (b"\r\n\r\n\r\n".to_vec(), Refusal::EmptyLines),
            (b"\x16\x03\x01\n".to_vec(), Refusal::TlsHandshake),
            (
                format!("GET /{}", long(95)).into_bytes(),
                Refusal::RequestLineTooLong,
            ),
            (
                format!("GET /{}\n", long(95)).into_bytes(),
                Refusal::RequestLineTooLong,
            ),
            (get(&header(200)), Refusal::HeadTooLarge),
            (get(&header(169)), Refusal::HeadTooLarge),
            (
                get("Host: a\r\nA: b\r\nA: b\r\nA: b\r\n"),
                Refusal::TooManyHeaders,
            ),
            (get("Host: a\r\nA : b\r\n"), Refusal::HeaderName),
        ] {
            let shown = String::from_utf8_lossy(&request);
            assert_eq!(parse_head(&request, &LIMITS), Err(refusal), "{shown:?}");
            assert_eq!(drip(&request).0, Err(refusal), "{shown:?}");
        }
    }

    #[test]
    fn the_limits_themselves_are_allowed() {
        let exactly = get(&format!("Host: a\r\nA: {}\r\n", "x".repeat(168)));
        assert_eq!(exactly.len(), 200);
        let most = get("Host: a\r\nA: b\r\nA: b\r\n");
        let line = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(84));
        for request in [&exactly[..], &most[..], line.as_bytes()] {
            assert!(matches!(drip(request).0, Ok(Parsed::Complete { .. })));
        }
    }

    #[test]
    fn an_endless_line_is_refused_at_the_limit_and_not_later() {
        let target = [b"GET /", &[b'x'; 1000][..]].concat();
        assert_eq!(drip(&target), (Err(Refusal::RequestLineTooLong), 100));
        let header = get(&"x".repeat(1000));
        assert_eq!(drip(&header), (Err(Refusal::HeadTooLarge), 200));
    }

    #[test]
    fn more_headers_than_there_are_places_for_are_refused() {
        let limits = HeadLimits {
            max_headers: usize::MAX,
            ..HeadLimits::default()
        };
        let most = HeadLimits::MOST_HEADERS;
        let request = |count: usize| get(&format!("Host: a\r\n{}", "A: b\r\n".repeat(count - 1)));
        let taken = request(most);
        let Ok(Parsed::Complete { head, .. }) = parse_head(&taken, &limits) else {
            panic!("{most} headers are allowed");
        };
        assert_eq!(head.headers().count(), most);
        let refused = request(most + 1);
        assert_eq!(parse_head(&refused, &limits), Err(Refusal::TooManyHeaders));
    }

    #[test]
    fn a_scan_is_small_enough_to_keep_beside_every_partial_head() {
        assert_eq!(std::mem::size_of::<HeadScan>(), 8);
    }
}
