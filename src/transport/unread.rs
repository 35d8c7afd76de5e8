//! What has come in on one connection and has not been handled yet.

use super::ready::MAX_READ_BYTES;

/// Bytes with a cursor: what has been handled is passed over, and moved away only when more is appended or when most of the
/// memory is no longer needed. Empty, it holds no memory outside of itself, and is as small as a pointer.
#[derive(Debug, Default)]
pub(crate) struct Unread(Option<Box<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// So many bytes at the beginning have been handled, fewer than all.
    handled: usize,
    is_incomplete: bool,
}

impl Unread {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |waiting| waiting.bytes.len() - waiting.handled)
    }

    /// Whether nothing can be done before more bytes are here: there are none, or those that are here are the beginning of
    /// something. Otherwise they wait for their turn, or for something else than bytes.
    pub fn wants_more(&self) -> bool {
        self.0.as_ref().is_none_or(|waiting| waiting.is_incomplete)
    }

    /// Bytes of memory for the beginning of something, or for something large that is whole and waits for its turn.
    pub fn kept_bytes(&self) -> usize {
        let kept = self
            .0
            .as_ref()
            .filter(|waiting| waiting.is_incomplete || waiting.bytes.capacity() > MAX_READ_BYTES);
        kept.map_or(0, |waiting| waiting.bytes.capacity())
    }

    /// Bytes of memory for whatever waits.
    pub fn memory_bytes(&self) -> usize {
        let waiting = self.0.as_ref();
        waiting.map_or(0, |waiting| waiting.bytes.capacity())
    }

    /// The bytes that wait.
    pub fn bytes(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Some(waiting) => &mut waiting.bytes[waiting.handled..],
            None => &mut [],
        }
    }

    /// Appends bytes, and says by how many the memory for them has grown. Few are moved for that: only the beginning of one
    /// frame or head.
    pub fn push(&mut self, bytes: &[u8], is_incomplete: bool) -> usize {
        if bytes.is_empty() {
            return 0;
        }
        let waiting = self.0.get_or_insert_default();
        let before = waiting.bytes.capacity();
        waiting.bytes.drain(..waiting.handled);
        waiting.handled = 0;
        waiting.bytes.extend_from_slice(bytes);
        waiting.is_incomplete = is_incomplete;
        waiting.bytes.capacity() - before
    }

    /// So many bytes have been handled, and the rest is the beginning of something, or waits. Memory goes back when nothing
    /// is left, and most of it when little is.
    pub fn advance(&mut self, bytes: usize, is_incomplete: bool) {
        let Some(waiting) = &mut self.0 else {
            return;
        };
        waiting.handled += bytes;
        waiting.is_incomplete = is_incomplete;
        let left = &waiting.bytes[waiting.handled..];
        if left.is_empty() {
            self.0 = None;
        } else if left.len() <= waiting.bytes.capacity() / 4 {
            waiting.bytes = left.to_vec();
            waiting.handled = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_wait_until_they_are_handled_and_nothing_is_held_then() {
        let mut unread = Unread::default();
        assert!(unread.is_empty() && unread.wants_more());
        unread.push(b"abcdef", false);
        assert!(!unread.wants_more());
        unread.advance(2, true);
        assert!(unread.wants_more());
        assert_eq!(unread.bytes(), b"cdef");
        unread.push(b"gh", false);
        assert_eq!(unread.bytes(), b"cdefgh");
        unread.advance(6, true);
        assert!(unread.is_empty() && unread.bytes().is_empty());
    }

    #[test]
    fn what_is_handled_in_small_steps_is_moved_a_constant_number_of_times() {
        let mut unread = Unread::default();
        unread.push(&[7; 64 * 1024], false);
        let mut moves = 0;
        while let Some(waiting) = &unread.0 {
            let before = waiting.bytes.as_ptr();
            unread.advance(6.min(unread.len()), false);
            let Some(waiting) = &unread.0 else { break };
            moves += usize::from(waiting.bytes.as_ptr() != before);
            assert!(waiting.bytes.capacity() < 4 * unread.len() + 4);
        }
        assert!(moves <= 20, "moved {moves} times");
    }

    #[test]
    fn the_memory_of_something_large_goes_back_although_something_small_follows() {
        let mut unread = Unread::default();
        unread.push(&[0; 1_000_000], true);
        unread.push(b"small", false);
        unread.advance(1_000_000, true);
        assert_eq!(unread.bytes(), b"small");
        let waiting = unread.0.expect("it waits");
        assert_eq!(waiting.bytes.capacity(), 5);
    }
}
