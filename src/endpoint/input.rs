//! What comes in: connections, and bytes on them.

use std::net::SocketAddr;

use super::Endpoint;
use crate::connection::{Connection, Phase, Protocol, Sink};
use crate::ready::cost;
use crate::slots::Key;
use crate::timer::Timer;

/// How handling a piece of input went on.
pub(super) enum Step {
    /// So many bytes are done with.
    Consumed(usize),
    /// More has to come before anything can be done.
    NeedMore,
    /// Nothing can be done before something else has happened.
    Blocked,
}

/// How it is with what is left of a piece of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// It is empty, or the beginning of something.
    Incomplete,
    /// It waits for something else than bytes.
    Waits,
    /// It waits because the connection has used up its share.
    UsedUp,
}

impl Endpoint {
    /// A connection has been accepted. `None` when there are as many as allowed, or the server is shutting
    /// down: close it at once.
    pub fn open(&mut self, peer: SocketAddr) -> Option<Key> {
        if self.is_shutting_down || self.connections.count() >= self.config.max_connections {
            return None;
        }
        let key = self.connections.insert(Connection::new(peer));
        self.ready.open(key);
        self.arm(key, Timer::Request(key), self.config.request_timeout_ms);
        Some(key)
    }

    /// Bytes have arrived on a connection, or their end: [`Endpoint::next_work`] names it in its turn.
    pub fn on_readable(&mut self, key: Key) {
        self.ready.on_readable(key);
    }

    /// The connection that was named last has nothing more to read, or takes nothing more: it is not named for that again before
    /// [`Endpoint::on_readable`], or [`Endpoint::on_writable`].
    pub fn would_block(&mut self, key: Key) {
        if self.ready.written() == Some(key) {
            self.ready.write_would_block(key);
        } else {
            self.ready.would_block(key);
        }
    }

    /// Goes on with input that had to wait, and names the next connection to read from, and how many bytes at most. What
    /// comes of it is told by [`Endpoint::feed`], [`Endpoint::would_block`], [`Endpoint::read_closed`] or
    /// [`Endpoint::hang_up`].
    ///
    /// `None` when nobody has anything to read, or when this turn has had its share of work: then the next turn goes on
    /// where this one stopped ([`Endpoint::has_work`]).
    pub(super) fn next_read(&mut self) -> Option<(Key, usize)> {
        loop {
            if let Some(key) = self.ready.visited() {
                if let Some(bytes) = self.bytes_wanted(key) {
                    return Some((key, bytes));
                }
                let can_go_on = self.wants_input(key);
                self.ready.end_visit(can_go_on);
                if !can_go_on && self.ready.is_half_closed(key) {
                    self.abandoned(key);
                }
            }
            if self.has_full_queue() {
                return None;
            }
            let key = self.ready.next_visit()?;
            if self.ready.take_more(key) {
                self.resume(key);
            }
        }
    }

    /// How many bytes to read from the connection that is visited; `None` when its visit is over.
    fn bytes_wanted(&mut self, key: Key) -> Option<usize> {
        if !self.ready.is_readable(key) || self.ready.is_share_used_up() || self.has_full_queue() {
            return None;
        }
        self.wants_input(key).then(|| self.ready.read_bytes())
    }

    /// Whether bytes of this connection are wanted now.
    pub(super) fn wants_input(&self, key: Key) -> bool {
        let connection = self.connections.get(key);
        connection.is_some_and(Connection::can_take_input)
    }

    /// Bytes have come in on a connection. They are unmasked in place; what cannot be handled yet is kept.
    pub fn feed(&mut self, key: Key, bytes: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let is_unasked = self.ready.visited() != Some(key);
        if is_unasked {
            self.ready.visit_unasked(key);
        }
        self.ready.charge(cost::READ + bytes.len() / cost::COPIES);
        if connection.phase == Phase::Open {
            let rest = if connection.unread.is_empty() {
                let (consumed, rest) = self.handle_input(key, bytes);
                if let Some(connection) = self.open_connection(key) {
                    let is_incomplete = rest == Rest::Incomplete;
                    connection.unread.push(&bytes[consumed..], is_incomplete);
                }
                rest
            } else {
                connection.unread.push(bytes, false);
                self.resume(key)
            };
            // Small reads of those who send more than can be handled at a time.
            let is_all_handled = rest != Rest::UsedUp;
            self.ready.adapt_reads(key, bytes.len(), is_all_handled);
        } else {
            self.linger(key, bytes.len());
        }
        if is_unasked {
            let can_go_on = self.wants_input(key);
            self.ready.end_visit(can_go_on);
        }
    }

    /// Goes on with input that had to wait.
    fn resume(&mut self, key: Key) -> Rest {
        let Some(connection) = self.connections.get_mut(key) else {
            return Rest::Waits;
        };
        let mut unread = std::mem::take(&mut connection.unread);
        let (consumed, rest) = self.handle_input(key, unread.bytes());
        let Some(connection) = self.connections.get_mut(key) else {
            return rest;
        };
        if connection.phase == Phase::Open {
            unread.advance(consumed, rest == Rest::Incomplete);
            connection.unread = unread;
        }
        if connection.unread.is_empty() && connection.is_read_closed {
            self.read_closed(key);
        }
        rest
    }

    /// The peer will send nothing more, but may still read.
    pub fn read_closed(&mut self, key: Key) {
        self.ready.would_block(key);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        // A peer that closes its side after a request still wants the answer, unless that answer may never come.
        if connection.phase == Phase::Open && self.awaits_answer(key) {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_read_closed = true;
            }
            return;
        }
        let is_finishing = |connection: &Connection| connection.phase == Phase::Finishing;
        if self.connections.get(key).is_some_and(is_finishing) {
            return;
        }
        self.hang_up(key);
    }

    /// The peer has closed its side, though bytes that it sent before may not have been read: these are read first.
    pub fn on_half_close(&mut self, key: Key) {
        self.ready.on_half_close(key);
    }

    /// The peer has closed its side, and is not read from now: ends a poll that waits, and a handshake that the host has not
    /// decided about, as nobody is there to read the answer. All others find out when they have read everything.
    fn abandoned(&mut self, key: Key) {
        let is_waiting = |connection: &mut Connection| {
            connection.exchange().is_some_and(|e| {
                matches!(e.sink, Sink::Poll { .. } | Sink::Admission(_)) && !e.is_answered
            })
        };
        if self.connections.get_mut(key).is_some_and(is_waiting) {
            self.hang_up(key);
        }
    }

    /// The connection is gone, in both directions.
    pub fn hang_up(&mut self, key: Key) {
        self.detach(key);
        self.close_now(key);
    }

    /// Has a connection visited though nothing new has arrived on it.
    pub(super) fn input_due(&mut self, key: Key) {
        self.ready.on_more(key);
    }

    /// Whether as many events wait for the host as may.
    pub(super) fn has_full_queue(&self) -> bool {
        self.events.len() >= self.config.max_pending_events
    }

    fn open_connection(&mut self, key: Key) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(key)?;
        (connection.phase == Phase::Open).then_some(connection)
    }

    /// Handles input from its start as far as the share of this connection goes, and says how many bytes of it are done
    /// with, and how it is with the rest.
    fn handle_input(&mut self, key: Key, input: &mut [u8]) -> (usize, Rest) {
        let mut at = 0;
        loop {
            let Some(connection) = self.connections.get(key) else {
                return (input.len(), Rest::Waits);
            };
            if connection.phase != Phase::Open {
                return (input.len(), Rest::Waits);
            }
            let speaks_frames = matches!(connection.protocol, Protocol::WebSocket(_));
            if speaks_frames && at == input.len() {
                return (at, Rest::Incomplete);
            }
            if self.is_share_used_up() {
                self.input_due(key);
                return (at, Rest::UsedUp);
            }
            self.ready.charge(cost::STEP);
            let step = match connection.protocol {
                Protocol::Http(_) => self.http_input(key, &input[at..]),
                Protocol::WebSocket(_) => self.websocket_input(key, &mut input[at..]),
            };
            match step {
                Step::Consumed(bytes) => {
                    self.ready.charge(bytes);
                    at += bytes;
                }
                Step::NeedMore => return (at, Rest::Incomplete),
                Step::Blocked => return (at, Rest::Waits),
            }
        }
    }

    /// Whether nothing more of the connection that is visited can be handled in this visit.
    pub(super) fn is_share_used_up(&self) -> bool {
        self.has_full_queue() || self.ready.is_share_used_up()
    }
}
