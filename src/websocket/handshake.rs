//! The opening handshake (RFC 6455 section 4.2).

use std::fmt;

use tungstenite::handshake::derive_accept_key;

/// The header values on which a handshake depends, each `None` when the request does not have the header.
///
/// That the request is a `GET` in HTTP/1.1 without a body has been checked before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handshake<'a> {
    /// `Upgrade`: names `websocket`.
    pub upgrade: Option<&'a str>,
    /// `Connection`: names `Upgrade`.
    pub connection: Option<&'a str>,
    /// `Sec-WebSocket-Version`: 13.
    pub version: Option<&'a str>,
    /// `Sec-WebSocket-Key`: 16 bytes in base64.
    pub key: Option<&'a str>,
    /// `Sec-WebSocket-Protocol`: the subprotocols that the client would speak, best first.
    pub protocol: Option<&'a str>,
}

/// What the answer to a good handshake depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept_key: String,
    /// The first subprotocol that the client asked for, to be echoed: some clients give up when none is. `None` when it
    /// asked for none, or what it asked for is not a token.
    pub protocol: Option<&'a str>,
}

/// Why a handshake is refused. The answer is a 400, and the connection ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeRefusal {
    /// `Upgrade` is missing or does not name `websocket`.
    Upgrade,
    /// `Connection` is missing or does not name `Upgrade`.
    Connection,
    /// `Sec-WebSocket-Key` is missing or not the base64 of 16 bytes.
    Key,
    /// `Sec-WebSocket-Version` is missing or not 13. The answer names the right one ([`HandshakeRefusal::header`]).
    Version,
}

impl HandshakeRefusal {
    /// The body of the answer, plain text.
    pub fn message(self) -> &'static str {
        match self {
            HandshakeRefusal::Upgrade => "The Upgrade header must name websocket",
            HandshakeRefusal::Connection => "The Connection header must name Upgrade",
            HandshakeRefusal::Key => "The Sec-WebSocket-Key header must be 16 bytes in base64",
            HandshakeRefusal::Version => "The Sec-WebSocket-Version header must be 13",
        }
    }

    /// A header that the answer needs: name and value.
    pub fn header(self) -> Option<(&'static str, &'static str)> {
        (self == HandshakeRefusal::Version).then_some(("Sec-WebSocket-Version", "13"))
    }
}

impl fmt::Display for HandshakeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for HandshakeRefusal {}

/// Judges an opening handshake.
pub fn accept<'a>(handshake: &Handshake<'a>) -> Result<Accepted<'a>, HandshakeRefusal> {
    if !names(handshake.upgrade, "websocket") {
        return Err(HandshakeRefusal::Upgrade);
    }
    if !names(handshake.connection, "upgrade") {
        return Err(HandshakeRefusal::Connection);
    }
    let key = handshake.key.map(str::trim).filter(|key| is_key(key));
    let key = key.ok_or(HandshakeRefusal::Key)?;
    if handshake.version.map(str::trim) != Some("13") {
        return Err(HandshakeRefusal::Version);
    }
    let asked = handshake.protocol.and_then(|list| list.split(',').next());
    Ok(Accepted {
        accept_key: derive_accept_key(key.as_bytes()),
        protocol: asked.map(str::trim).filter(|protocol| is_token(protocol)),
    })
}

/// Appends the answer to a good handshake, after which both sides speak WebSocket.
///
/// `extra_headers` come from the host, which has made sure that they are a name and a value and no line of their own.
pub fn write_switching_protocols(
    out: &mut Vec<u8>,
    accepted: &Accepted<'_>,
    extra_headers: &[(&str, &str)],
) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    );
    let mut header = |name: &str, value: &str| {
        debug_assert!(is_token(name) && !value.bytes().any(|byte| byte.is_ascii_control()));
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    };
    header("Sec-WebSocket-Accept", &accepted.accept_key);
    if let Some(protocol) = accepted.protocol {
        header("Sec-WebSocket-Protocol", protocol);
    }
    for (name, value) in extra_headers {
        header(name, value);
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a comma-separated list has this member, in any letter case.
fn names(list: Option<&str>, wanted: &str) -> bool {
    let mut members = list.unwrap_or_default().split(',');
    members.any(|member| member.trim().eq_ignore_ascii_case(wanted))
}

/// Whether this is how base64 writes 16 bytes. What the last bits before the padding are is of no interest: nobody
/// decodes the key, and the reference server does not look at them either.
fn is_key(key: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with("==") && key.bytes().take(22).all(is_digit)
}

/// Whether this is a token of HTTP (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_token_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Handshake<'static> = Handshake {
        upgrade: Some("websocket"),
        connection: Some("Upgrade"),
        version: Some("13"),
        key: Some("dGhlIHNhbXBsZSBub25jZQ=="),
        protocol: None,
    };

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let accepted = accept(&GOOD).unwrap();
        assert_eq!(accepted.accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accepted.protocol, None);
    }

    #[test]
    fn lists_letter_case_and_spaces_do_not_matter() {
        let handshake = Handshake {
            upgrade: Some("h2c, WebSocket"),
            connection: Some("keep-alive,\tUPGRADE "),
            version: Some(" 13"),
            ..GOOD
        };
        assert!(accept(&handshake).is_ok());
    }

    #[test]
    fn each_header_is_checked() {
        use HandshakeRefusal::*;
        let cases = [
            (
                Handshake {
                    upgrade: None,
                    ..GOOD
                },
                Upgrade,
            ),
            (
                Handshake {
                    upgrade: Some("websockets"),
                    ..GOOD
                },
                Upgrade,
            ),
            (
                Handshake {
                    upgrade: Some(""),
                    ..GOOD
                },
                Upgrade,
            ),
            (
                Handshake {
                    connection: None,
                    ..GOOD
                },
                Connection,
            ),
            (
                Handshake {
                    connection: Some("keep-alive"),
                    ..GOOD
                },
                Connection,
            ),
            (
                Handshake {
                    connection: Some("upgrade-insecure"),
                    ..GOOD
                },
                Connection,
            ),
            (Handshake { key: None, ..GOOD }, Key),
            (
                Handshake {
                    key: Some(""),
                    ..GOOD
                },
                Key,
            ),
            (
                Handshake {
                    key: Some("dGhlIHNhbXBsZSBub25jZQ="),
                    ..GOOD
                },
                Key,
            ),
            (
                Handshake {
                    key: Some("dGhlIHNhbXBsZSBub25jZQ=a"),
                    ..GOOD
                },
                Key,
            ),
            (
                Handshake {
                    key: Some("dGhlIHNhbXBsZSBub25jZSE="),
                    ..GOOD
                },
                Key,
            ),
            (
                Handshake {
                    key: Some("dGhlIHNhbXBsZSBub2!jZQ=="),
                    ..GOOD
                },
                Key,
            ),
            (
                Handshake {
                    key: Some("ééééééééééé=="),
                    ..GOOD
                },
                Key,
            ),
            (
                Handshake {
                    version: None,
                    ..GOOD
                },
                Version,
            ),
            (
                Handshake {
                    version: Some("8"),
                    ..GOOD
                },
                Version,
            ),
            (
                Handshake {
                    version: Some("99"),
                    ..GOOD
                },
                Version,
            ),
            (
                Handshake {
                    version: Some("13, 8"),
                    ..GOOD
                },
                Version,
            ),
        ];
        for (handshake, refusal) in cases {
            assert_eq!(accept(&handshake), Err(refusal), "{handshake:?}");
        }
    }

    #[test]
    fn only_a_wrong_version_is_told_the_right_one() {
        assert_eq!(
            HandshakeRefusal::Version.header(),
            Some(("Sec-WebSocket-Version", "13"))
        );
        assert_eq!(HandshakeRefusal::Key.header(), None);
        assert!(HandshakeRefusal::Key
            .to_string()
            .contains("Sec-WebSocket-Key"));
    }

    #[test]
    fn the_first_subprotocol_is_echoed_if_it_is_a_token() {
        let cases = [
            ("chat", Some("chat")),
            (" v1.chat , v2", Some("v1.chat")),
            ("", None),
            (", chat", None),
            ("two words", None),
            ("smuggled\r\nX-Header: 1", None),
            ("grün", None),
            ("constructor", Some("constructor")),
        ];
        for (asked, echoed) in cases {
            let handshake = Handshake {
                protocol: Some(asked),
                ..GOOD
            };
            assert_eq!(accept(&handshake).unwrap().protocol, echoed, "{asked:?}");
        }
    }

    #[test]
    fn the_answer_has_what_it_needs_and_what_the_host_adds() {
        let accepted = accept(&Handshake {
            protocol: Some("chat"),
            ..GOOD
        })
        .unwrap();
        let mut out = b"before".to_vec();
        write_switching_protocols(&mut out, &accepted, &[("Set-Cookie", "io=1; Path=/")]);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "beforeHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
             Set-Cookie: io=1; Path=/\r\n\r\n"
        );
    }

    #[test]
    fn tungstenites_client_takes_the_answer() {
        let request = std::cell::RefCell::new(Vec::new());
        let stream = Peer {
            request: &request,
            answer: Vec::new(),
        };
        let (_, response) =
            tungstenite::client("ws://127.0.0.1/socket.io/", stream).expect("it is a good answer");
        assert_eq!(response.status(), 101);
    }

    /// The stream of a client, with this server at its other end.
    struct Peer<'r> {
        request: &'r std::cell::RefCell<Vec<u8>>,
        answer: Vec<u8>,
    }

    impl std::io::Write for Peer<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut request = self.request.borrow_mut();
            request.extend_from_slice(bytes);
            if request.ends_with(b"\r\n\r\n") {
                let mut headers = [httparse::EMPTY_HEADER; 16];
                let mut parsed = httparse::Request::new(&mut headers);
                parsed.parse(&request).expect("it is a good request");
                let find = |name: &str| {
                    let header = parsed
                        .headers
                        .iter()
                        .find(|header| header.name.eq_ignore_ascii_case(name))?;
                    std::str::from_utf8(header.value).ok()
                };
                let accepted = accept(&Handshake {
                    upgrade: find("Upgrade"),
                    connection: find("Connection"),
                    version: find("Sec-WebSocket-Version"),
                    key: find("Sec-WebSocket-Key"),
                    protocol: find("Sec-WebSocket-Protocol"),
                });
                write_switching_protocols(
                    &mut self.answer,
                    &accepted.expect("it is a good handshake"),
                    &[],
                );
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl std::io::Read for Peer<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            let length = bytes.len().min(self.answer.len());
            bytes[..length].copy_from_slice(&self.answer[..length]);
            self.answer.drain(..length);
            Ok(length)
        }
    }
}
