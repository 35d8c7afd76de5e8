//! Constant answers, and the little that must be known of a frame.

/// The answer to the upgrade, for the one key that the load generator sends (the sample of RFC 6455, section 1.3), and the
/// Engine.IO open packet behind it.
pub const OPEN: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\
\x81\x65\
0{\"sid\":\"AAAAAAAAAAAAAAAAAAAA\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1}";
/// The answer to CONNECT and the `auth` event.
pub const JOINED: &[u8] = b"\x81\x2040{\"sid\":\"BBBBBBBBBBBBBBBBBBBB\"}\x81\x0d42[\"auth\",{}]";
/// An Engine.IO ping.
pub const PING: &[u8] = b"\x81\x012";

/// What a client wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    Upgrade,
    Join,
    Pong,
    /// Events with a text of this size to everybody.
    TickAll {
        count: usize,
        size: usize,
    },
    /// The answer now stands in place of the request, from here on.
    Echo {
        answer_at: usize,
    },
}

/// The first request in `bytes` and its size; `None` until all of it has arrived. Echoes are answered in place: the head of
/// the answer is four bytes shorter for want of a mask.
pub fn parse(bytes: &mut [u8]) -> Option<(Request, usize)> {
    match *bytes {
        [b'G', ..] => {
            let is_complete = bytes.ends_with(b"\r\n\r\n");
            is_complete.then_some((Request::Upgrade, bytes.len()))
        }
        [_, second, ..] if second & 0x7f < 126 => {
            let size = 6 + usize::from(second & 0x7f);
            let frame = bytes.get_mut(..size)?;
            unmask(&mut frame[2..]);
            Some((short_request(&frame[6..]), size))
        }
        [_, _, a, b, ..] => {
            let size = 8 + usize::from(u16::from_be_bytes([a, b]));
            let frame = bytes.get_mut(..size)?;
            unmask(&mut frame[4..]);
            frame[4..8].copy_from_slice(&[0x81, 126, a, b]);
            Some((Request::Echo { answer_at: 4 }, size))
        }
        _ => None,
    }
}

/// The frame of a `tick` event.
pub fn tick(size: usize) -> Vec<u8> {
    let event = format!("42[\"tick\",\"{}\"]", "x".repeat(size));
    let mut frame = vec![0x81];
    match event.len() {
        length @ 0..=125 => frame.push(length as u8),
        length => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend(event.as_bytes());
    frame
}

/// Unmasks what follows the four bytes of the mask, eight bytes at a time as any server would.
fn unmask(masked: &mut [u8]) {
    let (mask, payload) = masked.split_at_mut(4);
    let mask = [
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3],
    ];
    for chunk in payload.chunks_mut(8) {
        for (byte, mask) in chunk.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

fn short_request(payload: &[u8]) -> Request {
    match payload {
        b"3" => Request::Pong,
        b"40" => Request::Join,
        _ => {
            let text = std::str::from_utf8(payload).unwrap_or_default();
            let mut numbers = text
                .trim_end_matches(']')
                .split(',')
                .skip(1)
                .filter_map(|number| number.parse().ok());
            let count = numbers.next().unwrap_or(0);
            Request::TickAll {
                count,
                size: numbers.next().unwrap_or(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![0x81];
        if payload.len() < 126 {
            frame.push(0x80 | payload.len() as u8);
        } else {
            frame.push(0x80 | 126);
            frame.extend((payload.len() as u16).to_be_bytes());
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        frame
    }

    #[test]
    fn short_frames_are_commands() {
        let request = |payload: &[u8]| parse(&mut masked(payload)).unwrap().0;
        assert_eq!(request(b"40"), Request::Join);
        assert_eq!(request(b"3"), Request::Pong);
        let ticks = request(b"42[\"tick-all\",10,300]");
        assert_eq!(
            ticks,
            Request::TickAll {
                count: 10,
                size: 300
            }
        );
    }

    #[test]
    fn a_long_frame_becomes_its_own_answer() {
        let event = format!("42[\"echo\",\"{}\"]", "x".repeat(300));
        let mut bytes = masked(event.as_bytes());
        let cut = bytes.len() - 1;
        assert_eq!(parse(&mut bytes[..cut]), None);
        let (request, size) = parse(&mut bytes).unwrap();
        assert_eq!(request, Request::Echo { answer_at: 4 });
        let answer = &bytes[4..size];
        assert_eq!(&answer[..2], &[0x81, 126]);
        assert_eq!(&answer[4..], event.as_bytes());
    }

    #[test]
    fn constant_frames_have_the_length_they_say() {
        let open = OPEN.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(OPEN.len() - open, 2 + usize::from(OPEN[open + 1]));
        let second = 2 + usize::from(JOINED[1]);
        assert_eq!(JOINED.len() - second, 2 + usize::from(JOINED[second + 1]));
        assert_eq!(tick(300).len(), 4 + "42[\"tick\",\"\"]".len() + 300);
    }
}
