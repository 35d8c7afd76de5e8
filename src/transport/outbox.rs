//! What waits to be written to one connection: a queue of buffers, counted in bytes, gathered for one `writev`.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use crate::frame::{Frame, PLACE_BYTES};

/// One buffer of the queue. Nothing is copied into the queue but what was made for this connection alone.
#[derive(Clone, Debug)]
pub enum Chunk {
    /// A packet, as a whole WebSocket frame.
    Frame(Frame),
    /// The same, which does not count as waiting; it stands in front of everything else.
    News(Frame),
    /// Bytes made for this connection.
    Owned(Vec<u8>),
    /// Bytes that several connections may share.
    Shared(Arc<[u8]>),
    /// Bytes of the program itself.
    Static(&'static [u8]),
}

impl Chunk {
    /// The bytes to write.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Frame(frame) | Chunk::News(frame) => frame.websocket(),
            Chunk::Owned(bytes) => bytes,
            Chunk::Shared(bytes) => bytes,
            Chunk::Static(bytes) => bytes,
        }
    }

    fn memory_bytes(&self) -> usize {
        let bytes = match self {
            Chunk::Frame(frame) | Chunk::News(frame) => frame.memory_bytes(),
            Chunk::Owned(bytes) => bytes.capacity(),
            Chunk::Shared(bytes) => bytes.len() / Arc::strong_count(bytes),
            Chunk::Static(_) => 0,
        };
        bytes + PLACE_BYTES
    }
}

/// No more news go into an outbox at a time than these and one packet: what does not wait here is told as it is when its turn
/// comes.
const MAX_NEWS_BYTES: usize = 64 * 1024;

/// Size of the buffers that small packets of one connection are put together in.
const SPARE_BYTES: usize = 4 * 1024;

/// Buffers that have been written, for the next ones: no more than a turn of the loop needs.
#[derive(Debug, Default)]
pub struct Spares(Vec<Vec<u8>>);

impl Spares {
    /// How many are kept: 256 KiB of them at most.
    const KEPT: usize = 64;

    fn buffer_with(&mut self, bytes: &[u8]) -> Vec<u8> {
        if bytes.len() > SPARE_BYTES {
            return bytes.to_vec();
        }
        let spare = self.0.pop();
        let mut buffer = spare.unwrap_or_else(|| Vec::with_capacity(SPARE_BYTES));
        buffer.extend_from_slice(bytes);
        buffer
    }

    fn take_back(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() == SPARE_BYTES && self.0.len() < Self::KEPT {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

/// Buffers in the order in which they go out. Empty, and with one buffer in it, it holds no memory outside of itself: what
/// mostly waits for a client is one packet.
#[derive(Debug, Default)]
pub struct Outbox {
    first: Option<Chunk>,
    /// What is behind the first one.
    #[allow(
        clippy::box_collection,
        reason = "that it is 8 bytes when there is nothing is the point of it"
    )]
    rest: Option<Box<VecDeque<Chunk>>>,
    /// How much of the first chunk has been written.
    written_bytes: usize,
    /// Sum of what is still to be written.
    bytes: usize,
}

impl Outbox {
    /// Appends a buffer.
    pub fn push(&mut self, chunk: Chunk) {
        let length = chunk.bytes().len();
        if length == 0 {
            return;
        }
        self.bytes += length;
        if self.first.is_none() {
            self.first = Some(chunk);
        } else {
            let rest = self.rest.get_or_insert_with(|| {
                // A burst is seldom longer, and growing step by step would cost more than a little room.
                Box::new(VecDeque::with_capacity(15))
            });
            rest.push_back(chunk);
        }
    }

    /// Appends bytes that are for this connection alone; small ones behind each other share a buffer, which comes from `spares`.
    pub fn extend(&mut self, bytes: &[u8], spares: &mut Spares) {
        let last = match self.rest.as_deref_mut().and_then(VecDeque::back_mut) {
            Some(last) => Some(last),
            None => self.first.as_mut(),
        };
        match last {
            Some(Chunk::Owned(last)) if last.len() + bytes.len() <= SPARE_BYTES => {
                last.extend_from_slice(bytes);
                self.bytes += bytes.len();
            }
            _ => self.push(Chunk::Owned(spares.buffer_with(bytes))),
        }
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// What waits, places in the queue included: very many tiny buffers hold more than their bytes. News do not count.
    pub fn held_bytes(&self) -> usize {
        let places = self.rest.as_ref().map_or(0, |rest| rest.len());
        match &self.first {
            Some(Chunk::News(_)) => self.held_behind_news(places),
            _ => self.bytes + places * PLACE_BYTES,
        }
    }

    fn held_behind_news(&self, mut places: usize) -> usize {
        let mut bytes = self.bytes;
        let mut written_bytes = self.written_bytes;
        for news in self.chunks().take_while(|chunk| is_news(chunk)) {
            bytes -= news.bytes().len() - written_bytes;
            written_bytes = 0;
            places = places.saturating_sub(1);
        }
        bytes + places * PLACE_BYTES
    }

    /// Memory for what waits. What several connections share counts in parts, as it is there once.
    pub fn memory_bytes(&self) -> usize {
        self.chunks().map(Chunk::memory_bytes).sum()
    }

    /// Forgets what waits, but for the rest of a buffer of which a part has been written.
    pub fn forget(&mut self) {
        self.rest = None;
        if self.written_bytes == 0 {
            self.first = None;
        }
        let first_bytes = self.first.as_ref().map_or(0, |first| first.bytes().len());
        self.bytes = first_bytes - self.written_bytes;
    }

    /// Whether more news may be appended to those that were put into the empty outbox.
    pub fn takes_more_news(&self) -> bool {
        self.bytes < MAX_NEWS_BYTES
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Fills `slices` with what waits, from the front, at most so many bytes, and returns how many it filled.
    pub fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>], max_bytes: usize) -> usize {
        let mut count = 0;
        let mut skip = self.written_bytes;
        let mut left_bytes = max_bytes;
        for (slice, chunk) in slices.iter_mut().zip(self.chunks()) {
            if left_bytes == 0 {
                break;
            }
            let bytes = &chunk.bytes()[skip..];
            let bytes = &bytes[..bytes.len().min(left_bytes)];
            *slice = IoSlice::new(bytes);
            skip = 0;
            left_bytes -= bytes.len();
            count += 1;
        }
        count
    }

    /// Takes `bytes` off the front, as written.
    pub fn advance(&mut self, bytes: usize, spares: &mut Spares) {
        debug_assert!(bytes <= self.bytes, "no more is written than was there");
        self.bytes -= bytes;
        self.written_bytes += bytes;
        while let Some(first) = &self.first {
            let length = first.bytes().len();
            if self.written_bytes < length {
                break;
            }
            self.written_bytes -= length;
            if let Some(Chunk::Owned(written)) = self.first.take() {
                spares.take_back(written);
            }
            self.first = self.rest.as_mut().and_then(|rest| rest.pop_front());
        }
        if self.first.is_none() {
            // What a burst made it grow to goes back.
            self.rest = None;
        }
    }

    fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        let rest = self.rest.as_deref().into_iter().flatten();
        self.first.iter().chain(rest)
    }
}

fn is_news(chunk: &Chunk) -> bool {
    matches!(chunk, Chunk::News(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(outbox: &Outbox, slices: usize) -> Vec<u8> {
        let mut buffers = [IoSlice::new(&[]); 8];
        let count = outbox.gather(&mut buffers[..slices], usize::MAX);
        buffers[..count].iter().flat_map(|b| b.to_vec()).collect()
    }

    #[test]
    fn gathers_in_order_and_goes_on_in_the_middle_of_a_chunk() {
        let mut outbox = Outbox::default();
        outbox.push(Chunk::Static(b"abc"));
        outbox.push(Chunk::Owned(Vec::new()));
        outbox.push(Chunk::Owned(b"defg".to_vec()));
        outbox.push(Chunk::Frame(Frame::text("h")));
        assert_eq!(outbox.bytes, 10);
        assert_eq!(gathered(&outbox, 8), b"abcdefg\x81\x01h");
        assert_eq!(gathered(&outbox, 2), b"abcdefg");
        outbox.advance(5, &mut Spares::default());
        assert_eq!(gathered(&outbox, 8), b"fg\x81\x01h");
        outbox.advance(5, &mut Spares::default());
        assert!(outbox.is_empty());
        assert_eq!(gathered(&outbox, 8), b"");
    }

    #[test]
    fn no_more_is_gathered_than_asked_for() {
        let mut outbox = Outbox::default();
        outbox.push(Chunk::Static(b"abc"));
        outbox.push(Chunk::Static(b"defg"));
        outbox.advance(1, &mut Spares::default());
        for (max_bytes, wanted) in [(0, vec![]), (2, vec![2]), (3, vec![2, 1]), (9, vec![2, 4])] {
            let mut buffers = [IoSlice::new(&[]); 8];
            let count = outbox.gather(&mut buffers, max_bytes);
            let lengths: Vec<usize> = buffers[..count].iter().map(|b| b.len()).collect();
            assert_eq!(lengths, wanted);
        }
    }

    #[test]
    fn small_buffers_of_one_connection_are_put_together() {
        let mut outbox = Outbox::default();
        let spares = &mut Spares::default();
        outbox.extend(b"ab", spares);
        outbox.extend(b"cd", spares);
        assert!(outbox.rest.is_none());
        outbox.advance(1, &mut Spares::default());
        outbox.push(Chunk::Frame(Frame::text("x")));
        outbox.extend(b"e", spares);
        outbox.extend(b"f", spares);
        assert_eq!(outbox.chunks().count(), 3);
        assert_eq!(gathered(&outbox, 8), b"bcd\x81\x01xef");
        assert_eq!(outbox.bytes, 8);
        outbox.extend(&[b'z'; SPARE_BYTES + 1], spares);
        assert_eq!(outbox.chunks().count(), 4);
        outbox.advance(outbox.bytes, spares);
        assert_eq!(spares.0.len(), 2, "the large one is not kept");
    }

    #[test]
    fn tiny_buffers_count_for_the_places_that_they_take() {
        let mut outbox = Outbox::default();
        for _ in 0..11 {
            outbox.push(Chunk::Static(b"x"));
        }
        assert_eq!(outbox.bytes, 11);
        assert_eq!(outbox.held_bytes(), 11 + 10 * PLACE_BYTES);
    }

    #[test]
    fn news_do_not_count_and_stand_in_front() {
        let mut outbox = Outbox::default();
        for _ in 0..3 {
            assert!(outbox.takes_more_news());
            outbox.push(Chunk::News(Frame::text("four")));
        }
        assert_eq!((outbox.bytes, outbox.held_bytes()), (18, 0));
        outbox.advance(8, &mut Spares::default());
        outbox.push(Chunk::Static(b"abc"));
        outbox.push(Chunk::Static(b"d"));
        assert_eq!(outbox.held_bytes(), 4 + PLACE_BYTES);
        outbox.advance(10, &mut Spares::default());
        assert_eq!(outbox.held_bytes(), 4 + PLACE_BYTES);
        outbox.advance(4, &mut Spares::default());
        outbox.push(Chunk::News(Frame::text(&"x".repeat(MAX_NEWS_BYTES))));
        assert!(!outbox.takes_more_news());
        assert_eq!(outbox.held_bytes(), 0);
    }

    #[test]
    fn gives_its_memory_back_after_a_burst() {
        let mut outbox = Outbox::default();
        for _ in 0..1000 {
            outbox.push(Chunk::Static(b"x"));
        }
        outbox.advance(1000, &mut Spares::default());
        assert!(outbox.first.is_none() && outbox.rest.is_none());
    }
}
