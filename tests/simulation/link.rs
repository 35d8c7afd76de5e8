//! One connection between a client and the server, both of its directions and both of its ends.

use super::pipe::{End, Nature, Pipe};
use super::rng::Rng;

/// Names a link; never used again.
pub type LinkId = usize;

/// A connection between a client and the server.
#[derive(Debug)]
pub struct Link {
    /// The client.
    pub owner: usize,
    pub nature: Nature,
    pub rng: Rng,
    /// From the client.
    pub up: Pipe,
    /// To the client.
    pub down: Pipe,
    /// What the client's kernel has not taken yet.
    pub unsent: Vec<u8>,
    pub is_accepted: bool,
    pub accepted_at_ms: Option<u64>,
    /// When the server last read something.
    pub read_at_ms: u64,
    /// Bytes that the client has sent, and the server has read.
    pub sent_bytes: u64,
    read_bytes: u64,
    /// How many of these the client wants to know the time of, and that time.
    pub mark: Option<(u64, Option<u64>)>,
    /// The server's end, once accepted, until it is closed.
    pub is_server_open: bool,
    pub is_client_open: bool,
    /// A reset is on its way to the server, or to the client.
    pub reset_to_server_ms: Option<u64>,
    pub reset_to_client_ms: Option<u64>,
    /// It has arrived there.
    pub is_server_reset: bool,
    pub is_client_reset: bool,
    /// The server was told that its buffer is full, so it is told when there is room.
    pub wants_room: bool,
    /// Something has changed at the server's end since it was last told of.
    pub is_ready: bool,
    /// Since which poll it has been waiting to be told of.
    pub ready_since: Option<u64>,
    /// Turns for which input has lain there unread.
    pub waiting_turns: u64,
    /// The next writes fail.
    pub fails_writing: bool,
    pub is_shut_down: bool,
    pub written_bytes: u64,
    /// Answers to requests that the server has begun to write.
    pub answers: u64,
    /// Bytes that it has read since it shut down its side.
    pub lingered_bytes: u64,
    /// It is a WebSocket on which lists of progress sessions may be asked for.
    pub counts_lists: bool,
    /// Something waited to be written when this turn began.
    pub is_behind: bool,
    /// How many lists the server has written in this turn, if nothing waited before.
    pub lists_in_turn: u64,
    /// Until when the line to the client has had more to carry than it can.
    pub busy_until_ms: u64,
}

/// What the server's poll says about a socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    pub is_readable: bool,
    pub is_writable: bool,
    pub is_read_closed: bool,
    pub is_write_closed: bool,
    pub is_error: bool,
}

impl Link {
    /// A connection that a client has just begun.
    pub fn new(owner: usize, nature: Nature, rng: Rng) -> Link {
        Link {
            owner,
            nature,
            rng,
            up: Pipe::new(nature.send_buffer, nature.receive_buffer),
            down: Pipe::new(nature.send_buffer, nature.receive_buffer),
            unsent: Vec::new(),
            is_accepted: false,
            accepted_at_ms: None,
            read_at_ms: 0,
            sent_bytes: 0,
            read_bytes: 0,
            mark: None,
            is_server_open: true,
            is_client_open: true,
            reset_to_server_ms: None,
            reset_to_client_ms: None,
            is_server_reset: false,
            is_client_reset: false,
            wants_room: false,
            is_ready: false,
            ready_since: None,
            waiting_turns: 0,
            fails_writing: false,
            is_shut_down: false,
            written_bytes: 0,
            answers: 0,
            lingered_bytes: 0,
            counts_lists: false,
            is_behind: false,
            lists_in_turn: 0,
            busy_until_ms: 0,
        }
    }

    /// The server has read so many bytes more.
    pub fn note_read(&mut self, bytes: usize, now_ms: u64) {
        self.read_at_ms = now_ms;
        self.read_bytes += bytes as u64;
        if let Some((upto, at_ms)) = &mut self.mark {
            if self.read_bytes >= *upto {
                at_ms.get_or_insert(now_ms);
            }
        }
    }

    pub fn round(&mut self, now_ms: u64) -> bool {
        let room = self.up.space();
        if room > 0 && !self.unsent.is_empty() {
            let length = room.min(self.unsent.len());
            self.up.sent.extend(self.unsent.drain(..length));
        }
        // What a client sent before it closed its side goes first.
        let is_all_sent = self.unsent.is_empty();
        self.up
            .depart(now_ms, &self.nature, &mut self.rng, is_all_sent);
        let mut has_moved = self.up.arrive(now_ms);
        if has_moved {
            if self.is_server_open {
                self.is_ready = true;
            } else {
                // Bytes for a socket that is closed.
                self.up.received.clear();
                self.reset_to_client_ms
                    .get_or_insert(now_ms + self.nature.latency_ms);
            }
        }
        self.down.depart(now_ms, &self.nature, &mut self.rng, true);
        let carried_ms = self.down.free_at_us / 1000;
        let held_ms = if self.down.sent.is_empty() { 0 } else { now_ms };
        self.busy_until_ms = self.busy_until_ms.max(carried_ms).max(held_ms);
        // As a kernel does it: a little room is not worth waking anybody for.
        if self.wants_room && self.down.space() >= self.nature.send_buffer / 3 {
            self.wake_if_waiting();
        }
        has_moved |= self.arrive_at_client(now_ms);
        if self.reset_to_server_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.reset_to_server_ms = None;
            self.is_server_reset = true;
            self.is_ready = true;
            has_moved = true;
        }
        has_moved
    }

    /// Lets a segment arrive at the client, or a reset behind all that arrives before it. That destroys what nobody has read.
    fn arrive_at_client(&mut self, now_ms: u64) -> bool {
        if self.down.arrive(now_ms) {
            return true;
        }
        let is_reset = self.reset_to_client_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if is_reset {
            self.reset_to_client_ms = None;
            self.is_client_reset = true;
            self.down.received.clear();
        }
        is_reset
    }

    pub fn next_ms(&self) -> Option<u64> {
        let resets = [self.reset_to_server_ms, self.reset_to_client_ms]
            .into_iter()
            .flatten();
        let pipes = [self.up.next_ms(), self.down.next_ms()]
            .into_iter()
            .flatten();
        resets.chain(pipes).min()
    }

    pub fn wake_if_waiting(&mut self) {
        if std::mem::take(&mut self.wants_room) {
            self.is_ready = true;
        }
    }

    pub fn reset_from_client(&mut self, now_ms: u64) {
        self.unsent.clear();
        self.up.sent.clear();
        let at_ms = self.up.free_at_us.max(now_ms * 1000) / 1000 + self.nature.latency_ms;
        self.reset_to_server_ms = Some(at_ms);
    }

    /// As epoll says it: all that is so at this moment, not only what has changed.
    pub fn readiness(&self) -> Readiness {
        let is_read_closed = self.up.end == End::Closed || self.is_server_reset;
        Readiness {
            is_readable: !self.up.received.is_empty() || is_read_closed,
            is_writable: self.down.space() > 0 || self.is_server_reset,
            is_read_closed,
            is_write_closed: self.is_server_reset,
            is_error: self.is_server_reset,
        }
    }
}
