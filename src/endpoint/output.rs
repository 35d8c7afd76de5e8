//! What goes out: bytes to write, polls to answer, connections to close.

use std::io::IoSlice;

use super::Endpoint;
use crate::connection::{Connection, Phase, Protocol};
use crate::slots::Key;
use crate::timer::Timer;

/// How a connection is to be closed by whoever holds its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Shut down the writing side and go on reading: the peer is to see the end of what it was sent before the
    /// connection vanishes, which a full close with unread input would turn into a reset.
    Write,
    /// Close it; its key is stale.
    Both,
}

impl Endpoint {
    /// The next connection that has something to write: [`gather`](Endpoint::gather) it, then say what was
    /// [`wrote`](Endpoint::wrote). A connection that could not take all of it is not named again before
    /// [`Endpoint::output_due`].
    pub fn next_output(&mut self) -> Option<Key> {
        while let Some(session) = self.flush_due.pop() {
            self.flush_poll(session);
        }
        loop {
            let key = self.output_due.pop_front()?;
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_output_due = false;
                return Some(key);
            }
        }
    }

    /// Puts a connection on the list of those that have something to write.
    pub fn output_due(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            if !connection.is_output_due {
                connection.is_output_due = true;
                self.output_due.push_back(key);
            }
        }
    }

    /// How many connections wait to be written to.
    pub fn output_due_len(&self) -> usize {
        self.output_due.len()
    }

    /// Fills `slices` with what waits for a connection and returns how many it filled; 0 when nothing waits.
    pub fn gather<'a>(&'a self, key: Key, slices: &mut [IoSlice<'a>]) -> usize {
        match self.connections.get(key) {
            Some(connection) => connection.outbox.gather(slices),
            None => 0,
        }
    }

    /// So many bytes have been written to a connection.
    pub fn wrote(&mut self, key: Key, bytes: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.outbox.advance(bytes);
        if connection.phase == Phase::Finishing && connection.outbox.is_empty() {
            connection.phase = Phase::Lingering;
            self.closings.push_back((key, Closing::Write));
            self.arm(key, Timer::Linger(key), self.config.linger_ms);
        } else if connection.phase == Phase::Finishing && bytes > 0 {
            // As long as the peer takes something, it may have the rest.
            self.arm(key, Timer::Linger(key), self.config.request_timeout_ms);
        } else if let Protocol::Http(http) = &connection.protocol {
            let is_between_requests = connection.phase == Phase::Open && http.exchange.is_none();
            let is_written = connection.outbox.is_empty();
            if is_between_requests && bytes > 0 {
                self.await_request(key);
            }
            if is_written {
                self.input_wanted(key);
            }
        }
    }

    /// Whether bytes wait for a connection.
    pub fn has_output(&self, key: Key) -> bool {
        let has_bytes = |connection: &Connection| !connection.outbox.is_empty();
        self.connections.get(key).is_some_and(has_bytes)
    }

    /// The next connection to close, and how.
    pub fn next_closing(&mut self) -> Option<(Key, Closing)> {
        self.closings.pop_front()
    }

    /// Forgets a connection and has its socket closed, whatever waits for it.
    pub(super) fn close_now(&mut self, key: Key) {
        self.disarm(key);
        if self.connections.remove(key).is_some() {
            self.closings.push_back((key, Closing::Both));
        }
    }
}
