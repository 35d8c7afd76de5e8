//! Frames as a server sends them: whole and unmasked (RFC 6455 section 5.2).

use tungstenite::protocol::frame::coding::{Control, OpCode};
use tungstenite::protocol::frame::FrameHeader;

/// The longest payload of a control frame.
pub(super) const MAX_CONTROL_BYTES: usize = 125;

/// The header of a whole unmasked frame: a buffer, and how many of its bytes are the header.
///
/// A message for many clients is encoded once, header and payload in one allocation that all of them share.
pub fn frame_header(opcode: OpCode, payload_bytes: usize) -> ([u8; 10], usize) {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    let mut bytes = [0; 10];
    let mut unwritten = &mut bytes[..];
    let written = header.format(payload_bytes as u64, &mut unwritten);
    debug_assert!(written.is_ok(), "an unmasked header has at most ten bytes");
    (bytes, header.len(payload_bytes as u64))
}

/// A close frame with a code and a reason, or, as this server usually closes, with neither: the peer then sees 1005.
///
/// The reason is cut, between two characters, to the 123 bytes that fit.
pub fn close_frame(code: Option<u16>, reason: &str) -> Vec<u8> {
    let Some(code) = code else {
        return control_frame(Control::Close, &[]);
    };
    let code = code.to_be_bytes();
    let mut end = reason.len().min(MAX_CONTROL_BYTES - code.len());
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    control_frame(Control::Close, &[&code, &reason.as_bytes()[..end]])
}

/// The answer to a ping, which has the payload of that ping: at most 125 bytes, as the decoder has made sure.
pub fn pong_frame(payload: &[u8]) -> Vec<u8> {
    control_frame(Control::Pong, &[payload])
}

fn control_frame(control: Control, payload: &[&[u8]]) -> Vec<u8> {
    let payload_bytes = payload.iter().map(|part| part.len()).sum();
    debug_assert!(payload_bytes <= MAX_CONTROL_BYTES);
    let (header, header_bytes) = frame_header(OpCode::Control(control), payload_bytes);
    let mut frame = Vec::with_capacity(header_bytes + payload_bytes);
    frame.extend_from_slice(&header[..header_bytes]);
    for part in payload {
        frame.extend_from_slice(part);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use tungstenite::protocol::frame::coding::{CloseCode, Data};
    use tungstenite::protocol::{CloseFrame, Role};
    use tungstenite::{Message, WebSocket};

    /// What tungstenite's client makes of these bytes.
    fn read(bytes: &[u8]) -> Message {
        let mut client =
            WebSocket::from_raw_socket(Cursor::new(bytes.to_vec()), Role::Client, None);
        client.read().expect("it is a good frame")
    }

    #[test]
    fn the_header_takes_the_fewest_bytes_possible() {
        let text = OpCode::Data(Data::Text);
        for (payload_bytes, expected) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (
                0x1234_5678,
                &[0x81, 127, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78],
            ),
        ] {
            let (header, header_bytes) = frame_header(text, payload_bytes);
            assert_eq!(&header[..header_bytes], expected);
        }
    }

    #[test]
    fn a_client_reads_the_messages() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; length];
            for opcode in [Data::Text, Data::Binary] {
                let (header, header_bytes) = frame_header(OpCode::Data(opcode), length);
                let message = read(&[&header[..header_bytes], &payload].concat());
                assert_eq!(message.is_text(), opcode == Data::Text);
                assert_eq!(message.into_data(), payload);
            }
        }
    }

    #[test]
    fn a_client_reads_the_control_frames() {
        assert_eq!(read(&pong_frame(b"back")), Message::Pong("back".into()));
        assert_eq!(
            read(&pong_frame(&[7; 125])),
            Message::Pong(vec![7; 125].into())
        );
        assert_eq!(read(&close_frame(None, "never sent")), Message::Close(None));
        let close = CloseFrame {
            code: CloseCode::Size,
            reason: "too long".into(),
        };
        assert_eq!(
            read(&close_frame(Some(1009), "too long")),
            Message::Close(Some(close))
        );
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        for reason in [
            "x".repeat(500),
            "ä".repeat(100),
            "€".repeat(42),
            "🙂".repeat(31),
        ] {
            let frame = close_frame(Some(1000), &reason);
            assert!(frame.len() <= 127 && frame.len() > 120);
            let Message::Close(Some(close)) = read(&frame) else {
                panic!("it is a close frame");
            };
            assert!(reason.starts_with(close.reason.as_str()));
        }
    }
}
