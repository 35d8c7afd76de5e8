//! HTTP/1.1 without sockets: request heads, bodies and answers, as pure functions and small state machines (RFC 9112).
//!
//! ```text
//! bytes ──▶ HeadScan::parse ──▶ Head (borrowed) ──▶ Request (owned, for hosts)
//!                                 │ framing
//!                                 ▼
//! bytes ──▶ BodyDecoder::decode ──▶ Data, Data, ..., End
//!
//! Response ──▶ encode ──▶ head bytes, and the body to send after them
//! ```
//!
//! What is not allowed is a [`Refusal`]: a status code with one sentence. After a refusal nobody knows where the next
//! request would begin, so the only thing to do is to send the answer with `Connection: close` and to close.
//!
//! Strictness is the default, since two readers that understand a message differently are how requests get smuggled
//! (RFC 9112 section 11.2). The leniencies that remain are named where they are granted:
//!
//! - up to two empty lines before a request line are skipped ([`HeadScan`]);
//! - a request target may hold any visible ASCII character except `#`, since browsers send `{`, `|` and others bare ([`Head`]);
//! - a field value may hold bytes from 0x80 on, as opaque data ([`Head::header`]);
//! - "bad whitespace" before a chunk extension is skipped ([`BodyDecoder`]).
//!
//! No size that a peer claims ever allocates anything. There is no clock in here, so answers carry no `Date`: RFC 9110
//! section 6.6.1 asks it only of servers with a clock, and a host that wants one adds the header.

mod body;
#[cfg(feature = "compression")]
mod compression;
mod content;
mod cookie;
mod cors;
mod fields;
mod forwarded;
mod head;
mod hook;
mod origin;
mod query;
mod refusal;
mod request;
mod response;
mod response_body;
mod scan;

pub use body::{BodyDecoder, BodyPart, MAX_CHUNK_EXTRA_BYTES};
#[cfg(feature = "compression")]
pub(crate) use compression::Coding;
#[cfg(feature = "compression")]
pub use compression::HttpCompression;
pub use content::{content_type, safe_path};
pub use cookie::{Cookie, SameSite};
pub use cors::{Cors, Field, Origins};
pub use fields::Framing;
pub(crate) use forwarded::forwarded_for;
pub use head::{Head, Method};
pub(crate) use hook::is_addable;
pub use hook::HeaderHook;
pub use origin::{is_allowed_host, parse_host, parse_origin, same_origin, HostPort, Origin};
pub use query::{query_pairs, query_value};
pub use refusal::Refusal;
pub use request::Request;
pub(crate) use response::BodyFraming;
pub use response::{check_header, reason_phrase, HeadOptions, InvalidResponse, Response, CONTINUE};
pub use response_body::ResponseBody;
pub use scan::{parse_head, HeadLimits, HeadScan, Parsed};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a server would see of one request.
    #[derive(Debug, PartialEq)]
    struct Seen {
        request: Request,
        body: Vec<u8>,
    }

    /// Reads requests from bytes that arrive in pieces of `step`: those that were whole, and why it stopped before the end.
    fn converse(bytes: &[u8], step: usize) -> (Vec<Seen>, Option<Refusal>) {
        let mut seen = Vec::new();
        let mut begun: Option<(Seen, BodyDecoder)> = None;
        let mut scan = HeadScan::default();
        let (mut at, mut end) = (0, 0);
        loop {
            let input = &bytes[at..end];
            let more = match &mut begun {
                None => match scan.parse(input, &HeadLimits::default()) {
                    Ok(Parsed::Complete { head, length }) => {
                        at += length;
                        let decoder = BodyDecoder::new(head.framing);
                        let request = Request::from(&head);
                        let body = Vec::new();
                        begun = Some((Seen { request, body }, decoder));
                        false
                    }
                    Ok(Parsed::Partial) => true,
                    Err(refusal) => return (seen, Some(refusal)),
                },
                Some((current, decoder)) => match decoder.decode(input) {
                    Ok((consumed, part)) => {
                        at += consumed;
                        match part {
                            BodyPart::Data(data) => current.body.extend_from_slice(data),
                            BodyPart::End => seen.extend(begun.take().map(|(seen, _)| seen)),
                            BodyPart::NeedMore => {}
                        }
                        part == BodyPart::NeedMore
                    }
                    Err(refusal) => return (seen, Some(refusal)),
                },
            };
            if more && end == bytes.len() {
                return (seen, None);
            }
            if more {
                end = (end + step).min(bytes.len());
            }
        }
    }

    /// The bytes of a request, and what a server must see of it.
    fn any_request() -> impl Strategy<Value = (Vec<u8>, Seen)> {
        let method = prop::sample::select(vec![
            ("GET", Method::Get),
            ("POST", Method::Post),
            ("BREW", Method::Other),
        ]);
        let header = ("X-[A-Za-z0-9_~-]{1,8}", "[!-~]([ -~]{0,12}[!-~])?");
        let headers = prop::collection::vec(header, 0..6);
        let body = prop::collection::vec(any::<u8>(), 0..60);
        let framing = 0..3;
        (
            method,
            "/[!\"$->@-~]{0,12}",
            "[!\"$-~]{0,12}",
            headers,
            body,
            framing,
        )
            .prop_map(
                |((token, method), path, query, mut headers, body, framing)| {
                    let body = if framing == 0 { Vec::new() } else { body };
                    headers.push(("Host".to_owned(), "localhost:8988".to_owned()));
                    let framing = match framing {
                        0 => Framing::None,
                        1 => Framing::Length(body.len() as u64),
                        _ => Framing::Chunked,
                    };
                    match framing {
                        Framing::None => {}
                        Framing::Length(length) => {
                            headers.push(("Content-Length".to_owned(), length.to_string()));
                        }
                        Framing::Chunked => {
                            headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
                        }
                    }
                    let mut bytes = format!("{token} {path}?{query} HTTP/1.1\r\n").into_bytes();
                    for (name, value) in &headers {
                        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                    }
                    bytes.extend_from_slice(b"\r\n");
                    if framing == Framing::Chunked {
                        for chunk in body.chunks(7) {
                            bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                            bytes.extend_from_slice(chunk);
                            bytes.extend_from_slice(b"\r\n");
                        }
                        bytes.extend_from_slice(b"0\r\n\r\n");
                    } else {
                        bytes.extend_from_slice(&body);
                    }
                    let request = Request {
                        method,
                        path,
                        query,
                        minor_version: 1,
                        host: Some("localhost:8988".to_owned()),
                        headers,
                        framing,
                        expect_continue: false,
                        content_encoded: false,
                    };
                    (bytes, Seen { request, body })
                },
            )
    }

    proptest! {
        #[test]
        fn pipelined_requests_come_back_however_they_are_cut(
            requests in prop::collection::vec(any_request(), 1..5),
            step in 1usize..200,
        ) {
            let (bytes, expected): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
            prop_assert_eq!(converse(&bytes.concat(), step), (expected, None));
        }

        #[test]
        fn a_damaged_request_means_the_same_however_it_is_cut(
            (mut bytes, _) in any_request(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            step in 1usize..50,
        ) {
            for (index, byte) in damage {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            prop_assert_eq!(converse(&bytes, step), converse(&bytes, bytes.len()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            converse(&bytes, 7);
        }
    }
}
