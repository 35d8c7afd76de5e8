//! Requests and frames as clients write them, answers and frames as they read them.

/// The head of a request, and what it is for.
pub fn get(query: &str) -> Vec<u8> {
    format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

pub fn upgrade(query: &str) -> Vec<u8> {
    format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").into_bytes()
}

pub fn post(query: &str, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let head =
        format!("POST /socket.io/?{query} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), payload].concat()
}

/// A frame as clients send it.
pub fn masked(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x51, 0, 0xa7, 3];
    let mut frame = vec![first_byte];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// An answer of HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub is_last: bool,
}

/// Takes a whole answer off the front of what has come.
pub fn take_answer(unread: &mut Vec<u8>) -> Option<Answer> {
    let head_length = unread.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&unread[..head_length]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let status_line = lines.next().expect("a first line");
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    let status: u16 = status
        .and_then(|status| status.parse().ok())
        .expect("a status");
    let field = |wanted: &str| {
        head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted)
                .then(|| value.trim().to_owned())
        })
    };
    let body_length = match (status, field("content-length")) {
        (101 | 204 | 304, _) => 0,
        (_, Some(length)) => length.parse().expect("a length"),
        (100, None) => 0,
        (_, None) => panic!("an answer without a length: {head}"),
    };
    if unread.len() < head_length + body_length {
        return None;
    }
    let is_last = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let body = unread[head_length..head_length + body_length].to_vec();
    unread.drain(..head_length + body_length);
    Some(Answer {
        status,
        body,
        is_last,
    })
}

/// Takes a whole frame off the front of what has come, which a server never masks nor cuts into fragments.
pub fn take_frame(unread: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (&first, &second) = (unread.first()?, unread.get(1)?);
    assert!(
        matches!(first, 0x81 | 0x82 | 0x88 | 0x89 | 0x8a),
        "a server sends no frame {first:#x}"
    );
    let (length, at) = match second {
        126 => {
            let bytes = unread.get(2..4)?;
            (usize::from(u16::from_be_bytes([bytes[0], bytes[1]])), 4)
        }
        127 => {
            let bytes: [u8; 8] = unread.get(2..10)?.try_into().expect("eight bytes");
            (u64::from_be_bytes(bytes) as usize, 10)
        }
        length => {
            assert!(length < 126, "a server's frame has no mask");
            (usize::from(length), 2)
        }
    };
    let payload = unread.get(at..at + length)?.to_vec();
    unread.drain(..at + length);
    Some((first, payload))
}
