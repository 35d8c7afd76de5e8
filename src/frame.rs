//! One encoded packet in one shared allocation, ready for every kind of transport.
//!
//! The bytes are a WebSocket frame (RFC 6455 section 5.2, unmasked as servers send them): WebSocket clients get all
//! of them, polling clients the payload behind the frame header. However many clients a packet goes to, it is encoded
//! once and what every queue holds is a reference count.

use std::sync::Arc;

use crate::websocket::{frame_header, Data, OpCode};

/// Longest header of a frame that a server sends.
pub(crate) const MAX_HEADER_BYTES: usize = 10;

/// What a place in a queue of packets takes, and their bytes come to beside it.
pub(crate) const PLACE_BYTES: usize = 32;

/// First byte of a binary message in one frame.
const BINARY: u8 = 0x82;

/// One Engine.IO packet: a text message with its type digit in front, or a binary message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    bytes: Arc<[u8]>,
    payload_at: u8,
    is_uncompressed: bool,
}

impl Frame {
    /// A frame around this text.
    pub fn text(text: &str) -> Frame {
        FrameBuilder::default().text(|out| out.extend_from_slice(text.as_bytes()))
    }

    /// A frame around these bytes.
    pub fn binary(bytes: &[u8]) -> Frame {
        FrameBuilder::default().binary(|out| out.extend_from_slice(bytes))
    }

    /// The same frame, which asks for no compression: an answer to a poll is compressed if any of its packets wants that.
    pub fn without_compression(mut self) -> Frame {
        self.is_uncompressed = true;
        self
    }

    /// Whether an answer to a poll may be compressed for its sake.
    pub fn wants_compression(&self) -> bool {
        !self.is_uncompressed
    }

    /// The whole WebSocket frame.
    pub fn websocket(&self) -> &[u8] {
        &self.bytes
    }

    /// What is in the frame; valid UTF-8 unless [`Frame::is_binary`].
    pub fn payload(&self) -> &[u8] {
        &self.bytes[usize::from(self.payload_at)..]
    }

    /// Whether this is a binary message.
    pub fn is_binary(&self) -> bool {
        self.bytes[0] == BINARY
    }
}

impl Frame {
    /// The part of its memory that this reference stands for.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.len() / Arc::strong_count(&self.bytes)
    }
}

/// Makes frames in a buffer that is used again and again, so that each costs the one allocation that it lives in.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    scratch: Vec<u8>,
}

impl FrameBuilder {
    /// The largest buffer that is kept between two frames; what one huge packet made it grow to is given back.
    const KEPT_BYTES: usize = 64 * 1024;

    /// A text frame around what `write` appends, which must be UTF-8.
    pub fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        self.build(Data::Text, write)
    }

    /// A binary frame around what `write` appends.
    pub fn binary(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        self.build(Data::Binary, write)
    }

    /// Hands over a text frame around what `write` appends, for those who want its bytes and nothing to share.
    pub(crate) fn text_bytes<T>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>),
        take: impl FnOnce(&[u8]) -> T,
    ) -> T {
        let start = self.lay_out(Data::Text, write);
        let taken = take(&self.scratch[start..]);
        self.tidy();
        taken
    }

    fn build(&mut self, kind: Data, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        let start = self.lay_out(kind, write);
        let frame = Frame {
            bytes: Arc::from(&self.scratch[start..]),
            payload_at: (MAX_HEADER_BYTES - start) as u8,
            is_uncompressed: false,
        };
        self.tidy();
        frame
    }

    /// Makes a frame in the buffer and says where it begins.
    fn lay_out(&mut self, kind: Data, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        // The payload's length decides the header's, so the header is written last, right-aligned before the payload.
        self.scratch.clear();
        self.scratch.resize(MAX_HEADER_BYTES, 0);
        write(&mut self.scratch);
        let length = self.scratch.len() - MAX_HEADER_BYTES;
        let (header, header_bytes) = frame_header(OpCode::Data(kind), length);
        let start = MAX_HEADER_BYTES - header_bytes;
        self.scratch[start..MAX_HEADER_BYTES].copy_from_slice(&header[..header_bytes]);
        start
    }

    fn tidy(&mut self) {
        if self.scratch.capacity() > Self::KEPT_BYTES {
            self.scratch = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_fits_the_length() {
        for (length, header) in [
            (0, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (65_535, vec![0x82, 126, 0xff, 0xff]),
            (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload = vec![7; length];
            let frame = Frame::binary(&payload);
            assert_eq!(frame.payload(), payload);
            assert_eq!(frame.websocket(), [header, payload].concat());
            assert!(frame.is_binary());
        }
    }

    #[test]
    fn a_text_frame_is_known_as_one() {
        let frame = Frame::text("2");
        assert_eq!(frame.websocket(), [0x81, 1, b'2']);
        assert!(!frame.is_binary());
    }

    #[test]
    fn compression_is_a_matter_of_each_handle() {
        let frame = Frame::text("4x");
        let plain = frame.clone().without_compression();
        assert!(frame.wants_compression() && !plain.wants_compression());
        assert_eq!(plain.websocket().as_ptr(), frame.websocket().as_ptr());
        assert_eq!(std::mem::size_of::<Frame>(), 24);
    }

    #[test]
    fn a_builder_keeps_no_large_buffer() {
        let mut builder = FrameBuilder::default();
        builder.binary(|out| out.resize(1_000_000, 0));
        assert_eq!(builder.scratch.capacity(), 0);
        builder.text(|out| out.push(b'x'));
        assert!(builder.scratch.capacity() > 0);
    }
}
