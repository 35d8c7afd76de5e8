//! What goes out: bytes to write, polls to answer, connections to close.

use std::io::IoSlice;

use super::{Endpoint, Peer};
use crate::connection::{Connection, Phase, Protocol};
use crate::outbox::Due;
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

/// What goes to more receivers than this counts as a broadcast to many.
const MAX_FEW: usize = 64;
/// Of so many connections that are written to, one is due for a broadcast to many, while there are such.
const BULK_EVERY: u32 = 8;

impl Endpoint {
    /// The next connection that has something to write: [`gather`](Endpoint::gather) it, then say what was
    /// [`wrote`](Endpoint::wrote). A connection that could not take all of it is not named again before
    /// [`Endpoint::output_due`].
    ///
    /// Answers and what is sent to few come before broadcasts to many, which a driver may spread over several turns; but
    /// every eighth connection is one of those, so that a steady flow of answers does not hold them up for ever.
    pub(super) fn next_output(&mut self) -> Option<Key> {
        self.outputs = self.outputs.wrapping_add(1);
        if self.outputs.is_multiple_of(BULK_EVERY) {
            let bulk = self.next_output_of(Due::Bulk);
            return bulk.or_else(|| self.next_output_of(Due::Now));
        }
        let now = self.next_output_of(Due::Now);
        now.or_else(|| self.next_output_of(Due::Bulk))
    }

    /// The next connection of one kind of list. One poll is answered each time, so that neither polls nor other connections
    /// wait until there are no more of the others.
    fn next_output_of(&mut self, list: Due) -> Option<Key> {
        loop {
            let session = match list {
                Due::Bulk => self.bulk_flush_due.pop_front(),
                _ => self.flush_due.pop_front(),
            };
            if let Some(session) = session {
                // The answer to a poll that is due with the broadcasts goes out with them.
                self.is_bulk = list == Due::Bulk;
                self.flush_poll(session);
                self.is_bulk = false;
            }
            let key = match list {
                Due::Bulk => self.bulk_output_due.pop_front(),
                _ => self.output_due.pop_front(),
            };
            match key.map(|key| self.take_output(key, list)) {
                Some(Some(key)) => return Some(key),
                None if session.is_none() => return None,
                _ => {}
            }
        }
    }

    /// Puts a connection on the list of those that have something to write.
    pub(super) fn output_due(&mut self, key: Key) {
        let due = self.due_of_output();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.output_due < due {
            connection.output_due = due;
            match due {
                Due::Bulk => self.bulk_output_due.push_back(key),
                _ => self.output_due.push_back(key),
            }
        }
    }

    /// Puts a session on the list of those whose poll is to be answered.
    pub(super) fn flush_due(&mut self, key: Key) {
        let due = self.due_of_output();
        let Some(Peer { session, .. }) = self.sessions.get_mut(key) else {
            return;
        };
        if session.flush_due < due {
            session.flush_due = due;
            match due {
                Due::Bulk => self.bulk_flush_due.push_back(key),
                _ => self.flush_due.push_back(key),
            }
        }
    }

    /// Does something whose output goes to so many that others must not wait behind it.
    pub(super) fn in_bulk(&mut self, receivers: usize, send: impl FnOnce(&mut Self)) {
        self.is_bulk = receivers > MAX_FEW;
        send(self);
        self.is_bulk = false;
    }

    fn due_of_output(&self) -> Due {
        if self.is_bulk {
            Due::Bulk
        } else {
            Due::Now
        }
    }

    /// Takes a connection off the list that it was found on, unless it has changed lists or was written to since.
    fn take_output(&mut self, key: Key, list: Due) -> Option<Key> {
        let connection = self.connections.get_mut(key)?;
        if connection.output_due != list {
            return None;
        }
        connection.output_due = Due::No;
        self.fill_with_news(key);
        Some(key)
    }

    /// Fills `slices` with what waits for a connection and returns how many it filled; 0 when nothing waits.
    pub fn gather<'a>(&'a self, key: Key, slices: &mut [IoSlice<'a>]) -> usize {
        let max_bytes = self.ready.bytes_left(key);
        match self.connections.get(key) {
            Some(connection) => connection.outbox.gather(slices, max_bytes),
            None => 0,
        }
    }

    /// So many bytes have been written to a connection.
    pub fn wrote(&mut self, key: Key, bytes: usize) {
        self.ready.wrote(key, bytes);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.outbox.advance(bytes, &mut self.spare_outputs);
        if connection.phase == Phase::Finishing && connection.outbox.is_empty() {
            connection.phase = Phase::Lingering;
            self.closings.push_back((key, Closing::Write));
            self.arm(key, Timer::Linger(key), self.config.linger_ms);
        } else if connection.phase == Phase::Finishing && bytes > 0 {
            // As long as the peer takes something, it may have the rest.
            self.arm(key, Timer::Linger(key), self.config.request_timeout_ms);
        } else if let Protocol::WebSocket(_) = &connection.protocol {
            if connection.outbox.is_empty() {
                self.news_due(key);
            }
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

    /// Sets the time for the next request, which begins when the last answer has been written; until then the peer has to
    /// take some of it from time to time.
    pub(super) fn await_request(&mut self, key: Key) {
        if self.has_output(key) {
            self.arm(key, Timer::Output(key), self.config.request_timeout_ms);
        } else {
            self.arm(key, Timer::KeepAlive(key), self.config.keep_alive_ms);
        }
    }

    /// Whether bytes wait for a connection.
    pub fn has_output(&self, key: Key) -> bool {
        let has_bytes = |connection: &Connection| !connection.outbox.is_empty();
        self.connections.get(key).is_some_and(has_bytes)
    }

    /// How many bytes wait for a connection.
    pub(super) fn output_bytes(&self, key: Key) -> usize {
        let connection = self.connections.get(key);
        connection.map_or(0, |connection| connection.outbox.len())
    }

    /// The next connection to close, and how.
    pub(super) fn next_closing(&mut self) -> Option<(Key, Closing)> {
        self.closings.pop_front()
    }

    /// Forgets a connection and has its socket closed, whatever waits for it.
    pub(super) fn close_now(&mut self, key: Key) {
        self.disarm(key);
        if self.connections.remove(key).is_some() {
            self.ready.close(key);
            self.closings.push_back((key, Closing::Both));
        }
    }
}
