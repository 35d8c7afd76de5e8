//! The little HTTP/1.1 that a client of Engine.IO needs.

/// The WebSocket upgrade of a new session. The key is the sample of RFC 6455, section 1.3.
pub fn upgrade_request(host: &str) -> Vec<u8> {
    format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// A polling request; a `sid` of `None` opens a session, a body makes it a POST.
pub fn polling_request(host: &str, sid: Option<&str>, body: Option<&str>) -> Vec<u8> {
    let sid = sid.map(|sid| format!("&sid={sid}")).unwrap_or_default();
    let path = format!("/socket.io/?EIO=4&transport=polling{sid}");
    match body {
        None => format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        Some(body) => format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    }
    .into_bytes()
}

/// A POST whose body comes in chunks of one byte (RFC 9112, section 7.1).
pub fn chunked_post(host: &str, sid: &str, body: &str) -> Vec<u8> {
    let mut bytes = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: {host}\r\n\
         Content-Type: text/plain;charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for byte in body.bytes() {
        bytes.extend([b'1', b'\r', b'\n', byte, b'\r', b'\n']);
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// A response that has arrived in full.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
    /// Bytes of the whole response, head included.
    pub size: usize,
}

/// The first response in `bytes`; `None` until all of it has arrived. A 101 ends with its head.
///
/// # Errors
///
/// When the bytes are no HTTP response or its length is not told.
pub fn parse(bytes: &[u8]) -> Result<Option<Response>, String> {
    let Some(head_size) = find(bytes, b"\r\n\r\n").map(|end| end + 4) else {
        return Ok(None);
    };
    let head =
        std::str::from_utf8(&bytes[..head_size]).map_err(|_| "a response head is not text")?;
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| format!("not a response: {head:?}"))?;
    let rest = &bytes[head_size..];
    let body = if status == 101 {
        Some((Vec::new(), 0))
    } else if let Some(length) = header(head, "content-length") {
        let length: usize = length
            .parse()
            .map_err(|_| format!("Content-Length: {length}"))?;
        rest.get(..length).map(|body| (body.to_vec(), length))
    } else if header(head, "transfer-encoding") == Some("chunked") {
        dechunk(rest)?
    } else {
        return Err(format!("a response does not tell its length: {head:?}"));
    };
    Ok(body.map(|(body, size)| Response {
        status,
        body,
        size: head_size + size,
    }))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The body of a chunked response and its size on the wire (RFC 9112, section 7.1); no trailers.
fn dechunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let digits = std::str::from_utf8(&bytes[at..at + line]).unwrap_or_default();
        let length = usize::from_str_radix(digits.trim(), 16)
            .map_err(|_| format!("a chunk of size {digits:?}"))?;
        at += line + 2;
        let Some(chunk) = bytes.get(at..at + length + 2) else {
            return Ok(None);
        };
        body.extend(&chunk[..length]);
        at += length + 2;
        if length == 0 {
            return Ok(Some((body, at)));
        }
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing comes of any part of `bytes`, and the response of all of them.
    fn parsed_only_when_complete(bytes: &[u8]) -> Response {
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        parse(bytes).unwrap().unwrap()
    }

    #[test]
    fn a_response_with_a_length_is_parsed() {
        let bytes = b"HTTP/1.1 200 OK\r\nCONTENT-LENGTH: 2\r\nconnection: keep-alive\r\n\r\nok";
        let response = parsed_only_when_complete(bytes);
        assert_eq!((response.status, &*response.body), (200, &b"ok"[..]));
        assert_eq!(response.size, bytes.len());
    }

    #[test]
    fn a_chunked_response_is_put_together() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n42[\r\nA\r\n\"echo\",\"x\"\r\n1\r\n]\r\n0\r\n\r\n";
        let response = parsed_only_when_complete(bytes);
        assert_eq!(response.body, b"42[\"echo\",\"x\"]");
        assert_eq!(response.size, bytes.len());
    }

    #[test]
    fn an_upgrade_ends_with_its_head() {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
        let response = parse(&[&head[..], b"\x81\x01"].concat()).unwrap().unwrap();
        assert_eq!((response.status, response.size), (101, head.len()));
    }

    #[test]
    fn what_is_no_response_is_refused() {
        assert!(parse(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").is_err());
    }

    #[test]
    fn requests_carry_what_the_session_needs() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let open = text(polling_request("h:1", None, None));
        assert!(
            open.starts_with("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h:1\r\n")
        );
        let post = text(polling_request("h:1", Some("abc"), Some("40")));
        assert!(post.starts_with("POST /socket.io/?EIO=4&transport=polling&sid=abc HTTP/1.1\r\n"));
        assert!(post.ends_with("Content-Length: 2\r\n\r\n40"));
        assert!(text(upgrade_request("h:1")).ends_with("\r\n\r\n"));
        let chunked = text(chunked_post("h:1", "abc", "6x"));
        assert!(chunked.ends_with("\r\n\r\n1\r\n6\r\n1\r\nx\r\n0\r\n\r\n"));
    }
}
