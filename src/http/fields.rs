//! The header fields that say something about the message itself: where its body ends and what becomes of the connection.

use super::{parse_host, Refusal};

/// Where the body of a request ends (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// This many bytes, as `Content-Length` says; they may never come.
    Length(u64),
    /// Chunks, until the last one.
    Chunked,
}

impl Framing {
    /// The declared length in bytes: 0 without a body, unknown with chunks.
    pub fn content_length(self) -> Option<u64> {
        match self {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        }
    }
}

/// What the header fields say about the message as such.
#[derive(Default)]
pub(super) struct Fields<'b> {
    pub(super) host: Option<&'b str>,
    content_length: Option<u64>,
    chunked: bool,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) connection_upgrade: bool,
    pub(super) websocket: bool,
    pub(super) expect_continue: bool,
    pub(super) content_encoded: bool,
}

impl<'b> Fields<'b> {
    pub(super) fn collect(
        headers: &[httparse::Header<'b>],
        minor_version: u8,
    ) -> Result<Fields<'b>, Refusal> {
        let mut fields = Fields::default();
        for header in headers {
            fields.add(header.name, header.value)?;
        }
        if fields.host.is_none() && minor_version == 1 {
            return Err(Refusal::HostMissing);
        }
        if fields.chunked && minor_version == 0 {
            return Err(Refusal::TransferEncodingInHttp10);
        }
        if fields.chunked && fields.content_length.is_some() {
            return Err(Refusal::ContentLengthAndTransferEncoding);
        }
        Ok(fields)
    }

    fn add(&mut self, name: &str, value: &'b [u8]) -> Result<(), Refusal> {
        let is = |field: &str| name.eq_ignore_ascii_case(field);
        if is("host") {
            let host = std::str::from_utf8(value).map_err(|_| Refusal::HostInvalid)?;
            parse_host(host).ok_or(Refusal::HostInvalid)?;
            if self.host.replace(host).is_some() {
                return Err(Refusal::HostRepeated);
            }
        } else if is("content-length") {
            let length = parse_length(value)?;
            if self.content_length.replace(length).is_some() {
                return Err(Refusal::ContentLengthRepeated);
            }
        } else if is("transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::TransferEncoding);
            }
            self.chunked = true;
        } else if is("connection") {
            self.close |= list_has(value, "close");
            self.keep_alive |= list_has(value, "keep-alive");
            self.connection_upgrade |= list_has(value, "upgrade");
        } else if is("upgrade") {
            self.websocket |= list_has(value, "websocket");
        } else if is("expect") {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Refusal::Expectation);
            }
            self.expect_continue = true;
        } else if is("content-encoding") {
            self.content_encoded |= !value.eq_ignore_ascii_case(b"identity");
        }
        Ok(())
    }

    pub(super) fn framing(&self) -> Framing {
        match (self.chunked, self.content_length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::None,
        }
    }
}

/// `1*DIGIT` and nothing else: no sign, no list, no blank.
fn parse_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::ContentLength);
    }
    let digits = std::str::from_utf8(value).map_err(|_| Refusal::ContentLength)?;
    digits.parse().map_err(|_| Refusal::BodyTooLarge)
}

/// Whether a comma-separated list holds a token, in any letter case.
fn list_has(value: &[u8], token: &str) -> bool {
    let mut items = value.split(|&byte| byte == b',');
    items.any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{parse_head, Head, HeadLimits, Parsed};

    /// Parses a request with these header lines and hands its head to `check`.
    fn with_head<T>(
        minor_version: u8,
        lines: &str,
        check: impl FnOnce(Head<'_>) -> T,
    ) -> Result<T, Refusal> {
        let text = format!("POST /a HTTP/1.{minor_version}\r\n{lines}\r\n");
        match parse_head(text.as_bytes(), &HeadLimits::default())? {
            Parsed::Complete { head, .. } => Ok(check(head)),
            Parsed::Partial => panic!("{text:?} is not a whole head"),
        }
    }

    #[test]
    fn the_framing_follows_from_the_fields() {
        for (minor_version, lines, framing) in [
            (1, "", Framing::None),
            (1, "Content-Length: 0\r\n", Framing::Length(0)),
            (1, "content-length:007 \r\n", Framing::Length(7)),
            (
                0,
                "Content-Length: 18446744073709551615\r\n",
                Framing::Length(u64::MAX),
            ),
            (1, "Transfer-Encoding: chunked\r\n", Framing::Chunked),
            (1, "TRANSFER-ENCODING:\tChunked\t\r\n", Framing::Chunked),
        ] {
            let lines = format!("Host: a\r\n{lines}");
            let got = with_head(minor_version, &lines, |head| head.framing);
            assert_eq!(got, Ok(framing), "{lines:?}");
        }
    }

    #[test]
    fn ambiguous_and_unknown_framings_are_refused() {
        for (minor_version, lines, refusal) in [
            (1, "Content-Length: +5\r\n", Refusal::ContentLength),
            (1, "Content-Length: -5\r\n", Refusal::ContentLength),
            (1, "Content-Length: 5,5\r\n", Refusal::ContentLength),
            (1, "Content-Length: 5 5\r\n", Refusal::ContentLength),
            (1, "Content-Length: 0x5\r\n", Refusal::ContentLength),
            (1, "Content-Length:\r\n", Refusal::ContentLength),
            (1, "Content-Length: ٥\r\n", Refusal::ContentLength),
            (
                1,
                "Content-Length: 18446744073709551616\r\n",
                Refusal::BodyTooLarge,
            ),
            (
                1,
                "Content-Length: 5\r\nContent-Length: 5\r\n",
                Refusal::ContentLengthRepeated,
            ),
            (
                1,
                "Content-Length: 5\r\ncontent-length: 6\r\n",
                Refusal::ContentLengthRepeated,
            ),
            (
                1,
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                Refusal::ContentLengthAndTransferEncoding,
            ),
            (
                1,
                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                Refusal::ContentLengthAndTransferEncoding,
            ),
            (
                0,
                "Transfer-Encoding: chunked\r\n",
                Refusal::TransferEncodingInHttp10,
            ),
            (
                1,
                "Transfer-Encoding: gzip, chunked\r\n",
                Refusal::TransferEncoding,
            ),
            (
                1,
                "Transfer-Encoding: chunked, chunked\r\n",
                Refusal::TransferEncoding,
            ),
            (
                1,
                "Transfer-Encoding: identity\r\n",
                Refusal::TransferEncoding,
            ),
            (
                1,
                "Transfer-Encoding: \"chunked\"\r\n",
                Refusal::TransferEncoding,
            ),
            (
                1,
                "Transfer-Encoding: chunked;a=b\r\n",
                Refusal::TransferEncoding,
            ),
            (1, "Transfer-Encoding:\r\n", Refusal::TransferEncoding),
            (
                1,
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Refusal::TransferEncoding,
            ),
        ] {
            let lines = format!("Host: a\r\n{lines}");
            let got = with_head(minor_version, &lines, |head| head.framing);
            assert_eq!(got, Err(refusal), "{lines:?}");
        }
    }

    #[test]
    fn exactly_one_host_that_is_one() {
        for (minor_version, lines, host) in [
            (0, "", Ok(None)),
            (0, "Host: a:80\r\n", Ok(Some("a:80"))),
            (1, "host: [::1]:8988\r\n", Ok(Some("[::1]:8988"))),
            (1, "Host:\r\n", Ok(Some(""))),
            (1, "", Err(Refusal::HostMissing)),
            (1, "Host: a\r\nHost: a\r\n", Err(Refusal::HostRepeated)),
            (0, "Host: a\r\nhost: b\r\n", Err(Refusal::HostRepeated)),
            (1, "Host: a, b\r\n", Err(Refusal::HostInvalid)),
            (1, "Host: a/b\r\n", Err(Refusal::HostInvalid)),
            (1, "Host: user@a\r\n", Err(Refusal::HostInvalid)),
            (0, "Host: ä\r\n", Err(Refusal::HostInvalid)),
        ] {
            let got = with_head(minor_version, lines, |head| head.host.map(str::to_owned));
            assert_eq!(got, host.map(|host| host.map(str::to_owned)), "{lines:?}");
        }
    }

    #[test]
    fn the_connection_goes_on_unless_somebody_says_otherwise() {
        for (minor_version, lines, keep_alive) in [
            (1, "", true),
            (1, "Connection: keep-alive\r\n", true),
            (1, "Connection: Close\r\n", false),
            (1, "Connection: keep-alive, close\r\n", false),
            (1, "Connection: x\r\nConnection: ,close ,\r\n", false),
            (1, "Connection: closed\r\n", true),
            (0, "", false),
            (0, "Connection: Keep-Alive\r\n", true),
            (0, "Connection: keep-alive, close\r\n", false),
        ] {
            let lines = format!("Host: a\r\n{lines}");
            let got = with_head(minor_version, &lines, |head| head.keep_alive);
            assert_eq!(got, Ok(keep_alive), "1.{minor_version} {lines:?}");
        }
    }

    #[test]
    fn an_upgrade_needs_both_fields_and_http11() {
        for (minor_version, lines, upgrade) in [
            (1, "Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
            (
                1,
                "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n",
                true,
            ),
            (
                1,
                "Upgrade: h2c, websocket\r\nConnection: upgrade\r\n",
                true,
            ),
            (1, "Upgrade: websocket\r\n", false),
            (1, "Connection: Upgrade\r\n", false),
            (1, "Connection: Upgrade\r\nUpgrade: h2c\r\n", false),
            (0, "Connection: Upgrade\r\nUpgrade: websocket\r\n", false),
        ] {
            let lines = format!("Host: a\r\n{lines}");
            let got = with_head(minor_version, &lines, |head| head.upgrade);
            assert_eq!(got, Ok(upgrade), "1.{minor_version} {lines:?}");
        }
    }

    #[test]
    fn continue_is_expected_only_where_it_can_be_given() {
        let length = "Expect: 100-Continue\r\nContent-Length: 5\r\n";
        let chunked = "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n";
        for (minor_version, lines, expected) in [
            (1, length, Ok(true)),
            (1, chunked, Ok(true)),
            (0, length, Ok(false)),
            (1, "Expect: 100-continue\r\n", Ok(false)),
            (
                1,
                "Expect: 100-continue\r\nContent-Length: 0\r\n",
                Ok(false),
            ),
            (1, "Expect: 200-ok\r\n", Err(Refusal::Expectation)),
            (1, "Expect: 100-continue, x\r\n", Err(Refusal::Expectation)),
            (1, "Expect:\r\n", Err(Refusal::Expectation)),
        ] {
            let lines = format!("Host: a\r\n{lines}");
            let got = with_head(minor_version, &lines, |head| head.expect_continue);
            assert_eq!(got, expected, "1.{minor_version} {lines:?}");
        }
    }

    #[test]
    fn an_encoded_body_is_noticed() {
        for (lines, encoded) in [
            ("", false),
            ("Content-Encoding: identity\r\n", false),
            ("Content-Encoding: gzip\r\n", true),
            (
                "Content-Encoding: identity\r\nContent-Encoding: br\r\n",
                true,
            ),
        ] {
            let lines = format!("Host: a\r\n{lines}");
            let got = with_head(1, &lines, |head| head.content_encoded);
            assert_eq!(got, Ok(encoded), "{lines:?}");
        }
    }
}
