//! WebSocket frames as a client sends and receives them (RFC 6455, section 5).

/// The masking key of every frame. Masking protects proxies, not the peer, so that one key serves a load generator; it is
/// not zero, for that would spare the server its unmasking.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The bit of the first byte that ends a message.
pub const FIN: u8 = 0x80;
/// Opcodes (RFC 6455, section 11.8).
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

/// A masked frame with this payload, final and not fragmented.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FIN | opcode];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

/// One frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub opcode: u8,
    pub payload: &'a [u8],
    /// Bytes of the whole frame, head included.
    pub size: usize,
}

/// The first frame in `bytes`; `None` until all of it has arrived.
///
/// # Errors
///
/// A server must not mask, and none of those measured here has a reason to fragment or compress 300 bytes.
pub fn parse(bytes: &[u8]) -> Result<Option<Frame<'_>>, String> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0xf0 != 0x80 || second & 0x80 != 0 {
        return Err(format!(
            "a frame starts with {first:#04x} {second:#04x}: fragmented, compressed or masked"
        ));
    }
    let (length, head) = match (second, rest) {
        (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
        }
        (126 | 127, _) => return Ok(None),
        (short, _) => (u64::from(short), 2),
    };
    let size = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_add(head))
        .ok_or("a frame is larger than memory")?;
    Ok(bytes.get(head..size).map(|payload| Frame {
        opcode: first & 0x0f,
        payload,
        size,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..=125 => frame.push(length as u8),
            length @ 126..=0xffff => {
                frame.push(126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    #[test]
    fn a_masked_frame_unmasks_to_its_payload() {
        for length in [0, 1, 125, 126, 300, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let frame = masked(TEXT, &payload);
            let head = frame.len() - length;
            assert_eq!(frame[0], 0x81);
            assert_eq!(frame[1] & 0x80, 0x80);
            let mask = &frame[head - 4..head];
            let clear: Vec<u8> = frame[head..]
                .iter()
                .zip(mask.iter().cycle())
                .map(|(a, b)| a ^ b)
                .collect();
            assert_eq!(clear, payload);
        }
    }

    #[test]
    fn a_frame_is_parsed_when_its_last_byte_is_there() {
        for length in [0, 1, 125, 126, 300, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let bytes = unmasked(TEXT, &payload);
            let head = bytes.len() - length;
            for cut in (0..head).chain([bytes.len() - 1]) {
                assert_eq!(
                    parse(&bytes[..cut]),
                    Ok(None),
                    "{length} bytes cut at {cut}"
                );
            }
            let frame = parse(&bytes).unwrap().unwrap();
            assert_eq!((frame.opcode, frame.size), (TEXT, bytes.len()));
            assert_eq!(frame.payload, payload);
        }
    }

    #[test]
    fn only_the_first_of_two_frames_is_parsed() {
        let mut bytes = unmasked(TEXT, b"2");
        bytes.extend(unmasked(CLOSE, b""));
        let first = parse(&bytes).unwrap().unwrap();
        assert_eq!((first.payload, first.size), (&b"2"[..], 3));
        let second = parse(&bytes[first.size..]).unwrap().unwrap();
        assert_eq!(second.opcode, CLOSE);
    }

    #[test]
    fn fragments_compression_and_masks_are_refused() {
        for bytes in [[0x01, 0x01], [0xc1, 0x01], [0x81, 0x81]] {
            assert!(parse(&bytes).is_err(), "{bytes:x?}");
        }
    }
}
