//! What comes in: connections, and bytes on them.

use std::net::SocketAddr;

use super::Endpoint;
use crate::connection::{Connection, Phase, Protocol, Sink};
use crate::slots::Key;
use crate::timer::Timer;

/// Requests and frames of one connection that are handled in one go: nobody keeps others waiting by sending many tiny ones.
const MAX_STEPS: usize = 256;

/// How handling a piece of input went on.
pub(super) enum Step {
    /// So many bytes are done with.
    Consumed(usize),
    /// More has to come before anything can be done.
    NeedMore,
    /// Nothing can be done before something else has happened.
    Blocked,
}

impl Endpoint {
    /// A connection has been accepted. `None` when there are as many as allowed, or the server is shutting
    /// down: close it at once.
    pub fn open(&mut self, peer: SocketAddr) -> Option<Key> {
        if self.is_shutting_down || self.connections.count() >= self.config.max_connections {
            return None;
        }
        let key = self.connections.insert(Connection::new(peer));
        self.arm(key, Timer::Request(key), self.config.request_timeout_ms);
        Some(key)
    }

    /// Whether bytes of this connection are wanted now. Where they are not, [`Endpoint::next_input`] names it when they are.
    pub fn wants_input(&mut self, key: Key) -> bool {
        let is_full = self.events.len() >= self.config.max_pending_events;
        let Some(connection) = self.connections.get_mut(key) else {
            return false;
        };
        if is_full {
            self.input_due(key);
            return false;
        }
        let can_take_input = connection.can_take_input();
        connection.is_starved = !can_take_input;
        can_take_input
    }

    /// Bytes have come in on a connection. They are unmasked in place; what cannot be handled yet is kept.
    pub fn feed(&mut self, key: Key, bytes: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.phase != Phase::Open {
            return self.linger(key, bytes.len());
        }
        if connection.unread.is_empty() {
            let consumed = self.handle_input(key, bytes);
            if let Some(connection) = self.connections.get_mut(key) {
                connection.unread.extend_from_slice(&bytes[consumed..]);
            }
        } else {
            connection.unread.extend_from_slice(bytes);
            self.resume(key);
        }
    }

    /// Goes on with input that had to wait.
    pub fn resume(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let mut input = std::mem::take(&mut connection.unread);
        let consumed = self.handle_input(key, &mut input);
        if let Some(connection) = self.connections.get_mut(key) {
            if consumed < input.len() && connection.phase == Phase::Open {
                input.drain(..consumed);
                connection.unread = input;
            } else if connection.is_read_closed {
                self.read_closed(key);
            }
        }
    }

    /// The peer will send nothing more, but may still read.
    pub fn read_closed(&mut self, key: Key) {
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

    /// The peer has closed its side, though bytes that it sent before may not have been read: ends a poll that waits, and a
    /// handshake that the host has not decided about, as nobody is there to read the answer. All others find out when they
    /// have read everything.
    pub fn read_closing(&mut self, key: Key) {
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

    /// The next connection whose input goes on: [`Endpoint::resume`] it, then read from it if it was readable.
    pub fn next_input(&mut self) -> Option<Key> {
        if self.events.len() >= self.config.max_pending_events {
            return None;
        }
        loop {
            let key = self.input_due.pop_front()?;
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_input_due = false;
                return Some(key);
            }
        }
    }

    /// Puts a connection on the list of those that [`Endpoint::next_input`] names.
    pub fn input_due(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            if !connection.is_input_due {
                connection.is_input_due = true;
                self.input_due.push_back(key);
            }
        }
    }

    /// How many connections [`Endpoint::next_input`] would name.
    pub fn input_due_len(&self) -> usize {
        self.input_due.len()
    }

    /// Handles input from its start and says how many bytes of it are done with.
    fn handle_input(&mut self, key: Key, input: &mut [u8]) -> usize {
        let mut at = 0;
        let mut steps = 0;
        loop {
            let Some(connection) = self.connections.get(key) else {
                return input.len();
            };
            if connection.phase != Phase::Open {
                return input.len();
            }
            if self.events.len() >= self.config.max_pending_events {
                self.input_due(key);
                return at;
            }
            if steps >= MAX_STEPS {
                self.input_due(key);
                return at;
            }
            steps += 1;
            let step = match connection.protocol {
                Protocol::Http(_) => self.http_input(key, &input[at..]),
                Protocol::WebSocket(_) => self.websocket_input(key, &mut input[at..]),
            };
            match step {
                Step::Consumed(bytes) => at += bytes,
                Step::NeedMore | Step::Blocked => return at,
            }
        }
    }
}
