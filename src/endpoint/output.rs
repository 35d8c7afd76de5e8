//! What goes out: bytes to write, polls to answer, connections to close.

use std::io::{self, IoSlice};

use super::{Endpoint, Event};
use crate::id::ConnectionId;
use crate::priority::Priority;

/// Of so many connections that are written to, one is due for a broadcast to many, while there are such.
const BULK_EVERY: u32 = 8;
/// Buffers gathered for one write.
const SLICES_PER_WRITE: usize = 64;

impl Endpoint {
    /// The next connection that has something to write.
    ///
    /// Answers and what is sent to few come before broadcasts to many, which a driver may spread over several turns; but
    /// every eighth connection is one of those, so that a steady flow of answers does not hold them up for ever.
    pub(super) fn next_output(&mut self) -> Option<ConnectionId> {
        self.turn.outputs = self.turn.outputs.wrapping_add(1);
        let order = match self.turn.outputs.is_multiple_of(BULK_EVERY) {
            true => [Priority::Bulk, Priority::Normal],
            false => [Priority::Normal, Priority::Bulk],
        };
        order
            .into_iter()
            .find_map(|priority| self.next_output_of(priority))
    }

    /// The next connection of one kind of list. One poll is answered each time, so that neither polls nor other connections
    /// wait until there are no more of the others.
    fn next_output_of(&mut self, priority: Priority) -> Option<ConnectionId> {
        loop {
            let session = self.sessions.next_poll(priority);
            if let Some(session) = session {
                // The answer to a poll that is due with the broadcasts goes out with them.
                self.flush_poll(session, priority);
            }
            match self.transport.take_write(priority) {
                Some(Some(key)) => {
                    self.fill_with_news(key);
                    return Some(key);
                }
                Some(None) => {}
                None if session.is_none() => return None,
                None => {}
            }
        }
    }

    /// Does [`Work::Write`](super::Work::Write): has what waits for a connection written by one call, up to 64 buffers of it, and
    /// takes note of what came of that. A write that takes less than it was offered counts as having filled the socket.
    pub fn write(
        &mut self,
        id: ConnectionId,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) {
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let count = self.transport.gather(id, &mut slices);
        let offered: usize = slices[..count].iter().map(|slice| slice.len()).sum();
        match write(&slices[..count]) {
            Ok(bytes) => {
                self.wrote(id, bytes);
                if bytes < offered {
                    self.transport.ready.write_would_block(id);
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => self.transport.ready.write_would_block(id),
                io::ErrorKind::Interrupted => {}
                _ => self.hang_up(id),
            },
        }
    }

    /// So many bytes have been written to a connection.
    pub(super) fn wrote(&mut self, key: ConnectionId, bytes: usize) {
        if self.transport.wrote(&mut self.clock, key, bytes) && self.news_reader(key).is_some() {
            // Behind answers, as the news of a slow client are in no hurry.
            self.transport.queue_write(key, Priority::Bulk);
        }
        if let Some(request) = self.transport.take_wanted_part(key) {
            self.push_event(Event::PartWanted { request });
        }
    }

    /// How many bytes wait for a connection.
    pub(crate) fn output_bytes(&self, key: ConnectionId) -> usize {
        self.transport.output_bytes(key)
    }

    /// Whether bytes wait for a connection.
    pub(super) fn has_output(&self, key: ConnectionId) -> bool {
        self.transport.has_output(key)
    }
}
