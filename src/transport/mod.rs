//! Bytes to requests and messages, and back: TCP connections that speak HTTP or WebSocket.
//!
//! Nothing here knows what a session is, or a socket, or a host. Where a connection is used by a session, that session's id is
//! kept with it for the layer above, and never looked at. Nothing here calls up: [`Transport::step`] takes one thing out of the
//! input and returns it, and the layer above acts. What a connection was used for when it ended is returned too ([`Use`]).
//!
//! ```text
//!   bytes ──▶ unread ──▶ step ──▶ Head, Body, BodyEnd, Message, Failed …
//!   bytes ◀── outbox ◀── answer, send, close_websocket
//!             ready: whose turn it is to be read from or written to
//! ```

mod answer;
#[cfg(feature = "compression")]
mod compression;
mod connection;
mod exchange;
mod outbox;
mod parts;
pub(crate) mod ready;
mod unread;
mod websocket;

pub(crate) use connection::{Connection, Exchange, Payload, Phase, Protocol, Sink, Undecided};
pub(crate) use outbox::Chunk;
pub(crate) use ready::{cost, Ready};

use std::collections::VecDeque;
use std::io::IoSlice;

use outbox::Spares;
use unread::Unread;

use crate::addresses::CallerCounts;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::{Head, HeadLimits, Refusal};
use crate::id::{ConnectionId, EngineSessionId};
use crate::peer::PeerAddr;
use crate::priority::{Priority, PriorityQueue};
use crate::slots::Slots;
use crate::timer::{Timeout, Timer};
use crate::websocket::{Decoder, Failure as FrameFailure, Message};
use crate::wheel::TimerKey;

/// Names one HTTP request that the host is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId {
    pub(crate) connection: ConnectionId,
    pub(crate) serial: u32,
}

/// All connections.
pub(crate) struct Transport {
    connections: Slots<Connection>,
    /// Whose turn it is.
    pub ready: Ready,
    /// Connections with something to write.
    write_queue: PriorityQueue<ConnectionId>,
    closings: VecDeque<(ConnectionId, Closing)>,
    /// By how many bytes at the most there is more that waits for its rest than when all of it was counted.
    pub added_bytes: isize,
    /// How much has come in part, or was to go out, since all of it was counted.
    pub grown_bytes: usize,
    limits: Limits,
    /// How many connections each address has.
    of_callers: CallerCounts,
    /// Memory of output that has been written, for the next.
    spares: Spares,
    going: Going,
}

/// How far the server is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Going {
    No,
    /// Nobody new is let in.
    Leaving,
    /// Everything is ended.
    ShuttingDown,
}

/// What a connection may take, of the settings of the same names.
#[derive(Clone, Debug)]
struct Limits {
    head: HeadLimits,
    max_connections: usize,
    max_payload_bytes: usize,
    max_discarded_bytes: u64,
    max_linger_bytes: u32,
    request_timeout_ms: u64,
    keep_alive_ms: u64,
    linger_ms: u64,
    #[cfg(feature = "compression")]
    compression: Option<crate::http::HttpCompression>,
}

/// What is at the beginning of a connection's input.
pub(crate) enum Step<'a> {
    /// The head of a request, of so many bytes.
    Head { head: Head<'a>, bytes: usize },
    /// A piece of a body that goes to the host; with its framing it has so many bytes.
    Body { data: &'a [u8], bytes: usize },
    /// The end of a body, behind so many bytes of its framing.
    BodyEnd { bytes: usize },
    /// All of a body has come, and not all of it has been taken out of memory.
    BodyLeft,
    /// A WebSocket frame of so many bytes that completes a message.
    Message { message: Message<'a>, bytes: usize },
    /// Something else of so many bytes.
    Other { bytes: usize },
    /// More has to come before anything can be done.
    NeedMore,
    /// Nothing can be done before something else has happened.
    Blocked,
    /// What has come is wrong.
    Failed(Failure),
}

/// What can be wrong with what comes in.
pub(crate) enum Failure {
    /// A request's head.
    Head(Refusal),
    /// The framing of a body: it cannot be known where the next request would begin.
    Body(Refusal),
    /// A body is longer than what is taken of it.
    BodyTooLong,
    /// A WebSocket frame.
    Frame(FrameFailure),
}

/// What a connection is used for, by whoever is to hear of its end.
pub(crate) enum Use {
    /// It carries a session, or is about to.
    WebSocket(EngineSessionId),
    /// A poll or a `POST` of a session.
    Polling(EngineSessionId),
    /// A request that the host is to answer.
    Host(RequestId),
}

/// How a connection is to be closed by whoever holds its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Shut down the writing side and go on reading: the peer is to see the end of what it was sent before the
    /// connection vanishes, which a full close with unread input would turn into a reset.
    Write,
    /// Close it; its id is stale.
    Both,
}

impl Transport {
    pub fn new(config: &Config) -> Transport {
        let mut ready = Ready::default();
        ready.begin_turn();
        Transport {
            connections: Slots::default(),
            ready,
            write_queue: PriorityQueue::default(),
            closings: VecDeque::new(),
            added_bytes: 0,
            grown_bytes: 0,
            limits: Limits {
                head: HeadLimits {
                    max_bytes: config.max_head_bytes,
                    max_request_line_bytes: config.max_request_line_bytes,
                    max_headers: config.max_header_fields,
                },
                max_connections: config.max_connections,
                max_payload_bytes: config.max_payload_bytes,
                max_discarded_bytes: config.max_discarded_bytes,
                max_linger_bytes: config.max_linger_bytes,
                request_timeout_ms: config.request_timeout_ms,
                keep_alive_ms: config.keep_alive_ms,
                linger_ms: config.linger_ms,
                #[cfg(feature = "compression")]
                compression: config.http_compression,
            },
            of_callers: CallerCounts::new(
                config.max_connections_per_address,
                &[&config.exempt_addresses[..], &config.trusted_proxies].concat(),
            ),
            spares: Spares::default(),
            going: Going::No,
        }
    }

    /// A connection has been accepted. `None` when there are as many as allowed, or no more are taken.
    pub fn open(&mut self, clock: &mut Clock, peer_addr: PeerAddr) -> Option<ConnectionId> {
        let is_full = self.connections.count() >= self.limits.max_connections;
        if self.is_leaving() || is_full || !self.of_callers.has_room(peer_addr) {
            return None;
        }
        self.of_callers.add(peer_addr);
        let key = ConnectionId(self.connections.insert(Connection::new(peer_addr)));
        self.ready.open(key);
        self.arm(clock, key, Timeout::Request, self.limits.request_timeout_ms);
        Some(key)
    }

    /// From now on no connection is taken, and none kept for another request but those of sessions.
    pub fn stop_accepting(&mut self) {
        self.going = self.going.max(Going::Leaving);
    }

    /// From now on no connection is taken, and none kept for another request.
    pub fn begin_shutdown(&mut self) {
        self.going = Going::ShuttingDown;
    }

    pub fn is_leaving(&self) -> bool {
        self.going >= Going::Leaving
    }

    pub fn is_shutting_down(&self) -> bool {
        self.going == Going::ShuttingDown
    }

    /// Whether the host has a request to answer, or is receiving one.
    pub fn has_host_requests(&self) -> bool {
        self.iter()
            .any(|(_, it)| it.is_open() && it.has_host_request())
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.connections.count()
    }

    pub fn get(&self, key: ConnectionId) -> Option<&Connection> {
        self.connections.get(key.0)
    }

    /// All connections, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        let connections = self.connections.iter();
        connections.map(|(key, connection)| (ConnectionId(key), connection))
    }

    /// Whether there is something to read, to write or to close.
    pub fn has_work(&self) -> bool {
        !(self.write_queue.is_empty() && self.closings.is_empty())
            || self.ready.has_large()
            || self.ready.has_work()
    }

    /// What a connection is used for, which from now on it is no more: its end is not told twice.
    pub fn cut(&mut self, key: ConnectionId) -> Option<Use> {
        let connection = self.get_mut(key).filter(|it| it.is_open())?;
        match &mut connection.protocol {
            Protocol::WebSocket(websocket) => Some(Use::WebSocket(websocket.session)),
            Protocol::Http(http) => {
                let serial = http.serial;
                let exchange = http.exchange.as_deref_mut();
                let exchange = exchange.filter(|exchange| !exchange.is_answered)?;
                match exchange.sink {
                    Sink::Discard { .. } => return None,
                    Sink::Poll { .. }
                    | Sink::Post { .. }
                    | Sink::Admission(_)
                    | Sink::Host { .. } => exchange.is_answered = true,
                }
                match exchange.sink {
                    Sink::Poll { session, .. } | Sink::Post { session, .. } => {
                        Some(Use::Polling(session))
                    }
                    Sink::Host { .. } => Some(Use::Host(RequestId {
                        connection: key,
                        serial,
                    })),
                    // The host finds its ticket stale.
                    Sink::Admission(_) | Sink::Discard { .. } => None,
                }
            }
        }
    }

    /// Ends a connection when all that waits for it has been written.
    pub fn finish(&mut self, clock: &mut Clock, key: ConnectionId) {
        if let Some(connection) = self.get_mut(key).filter(|it| it.is_open()) {
            connection.phase = Phase::Finishing;
            connection.forget_input();
            // Also bounds how long a peer that does not read can keep what waits for it.
            self.arm(clock, key, Timeout::Linger, self.limits.request_timeout_ms);
            self.queue_write(key, Priority::Normal);
            // A sender that was held back is let go on, or it would meet a reset in place of the answer.
            self.input_wanted(key);
        }
    }

    /// Forgets a connection and has its socket closed, whatever waits for it.
    pub fn close(&mut self, clock: &mut Clock, key: ConnectionId) {
        self.disarm(clock, key);
        if let Some(connection) = self.connections.remove(key.0) {
            self.of_callers.remove(connection.peer_addr);
            self.ready.close(key);
            self.closings.push_back((key, Closing::Both));
        }
    }

    /// The next connection to close, and how.
    pub fn next_closing(&mut self) -> Option<(ConnectionId, Closing)> {
        self.closings.pop_front()
    }

    /// Sets the connection's one timer, and gives its key, while the connection is there.
    pub fn arm(
        &mut self,
        clock: &mut Clock,
        key: ConnectionId,
        timeout: Timeout,
        after_ms: u64,
    ) -> Option<TimerKey> {
        let connection = self.connections.get_mut(key.0)?;
        if let Some(old) = connection.timer.take() {
            clock.cancel(old);
        }
        let at_ms = clock.in_ms(after_ms);
        connection.timer = Some(clock.arm(at_ms, Timer::Connection(key, timeout)));
        connection.timer
    }

    /// Clears the connection's timer.
    pub fn disarm(&mut self, clock: &mut Clock, key: ConnectionId) {
        if let Some(old) = self.get_mut(key).and_then(|it| it.timer.take()) {
            clock.cancel(old);
        }
    }

    /// The connection's timer has fired.
    pub fn timer_fired(&mut self, key: ConnectionId) {
        if let Some(connection) = self.get_mut(key) {
            connection.timer = None;
        }
    }

    /// Takes one thing out of the input of a connection. It borrows from the input, or from `decoder`, in which a message of
    /// several frames is put together: give that back by [`Transport::keep_decoder`].
    pub fn step<'a>(
        &mut self,
        clock: &mut Clock,
        key: ConnectionId,
        input: &'a mut [u8],
        decoder: &'a mut Decoder,
    ) -> Step<'a> {
        match self.get(key).map(|connection| &connection.protocol) {
            None => Step::Blocked,
            Some(Protocol::Http(_)) => self.http_step(clock, key, input),
            Some(Protocol::WebSocket(_)) => self.websocket_step(key, input, decoder),
        }
    }

    /// Whether bytes of this connection are wanted now.
    pub fn wants_input(&self, key: ConnectionId) -> bool {
        self.get(key).is_some_and(Connection::can_take_input)
    }

    /// Input of this connection can be handled again: goes on with it if some was left or kept meanwhile.
    pub fn input_wanted(&mut self, key: ConnectionId) {
        let has_unread = self.get(key).is_some_and(|it| !it.unread.is_empty());
        if has_unread || self.ready.is_readable(key) {
            self.ready.on_more(key);
        }
    }

    /// What has come in on an open connection and waits; it is put back by [`Transport::keep_unread`].
    pub fn take_unread(&mut self, key: ConnectionId) -> Unread {
        let connection = self.get_mut(key);
        connection.map_or_else(Unread::default, |it| std::mem::take(&mut it.unread))
    }

    /// Keeps what is left of the input, unless the connection has ended meanwhile.
    pub fn keep_unread(&mut self, key: ConnectionId, unread: Unread) {
        if let Some(connection) = self.get_mut(key).filter(|it| it.is_open()) {
            connection.unread = unread;
        }
    }

    /// Appends to what waits, unless the connection has ended meanwhile.
    pub fn push_unread(&mut self, key: ConnectionId, bytes: &[u8], is_incomplete: bool) {
        if let Some(connection) = self.get_mut(key).filter(|it| it.is_open()) {
            let grown_bytes = connection.unread.push(bytes, is_incomplete);
            self.note_kept(grown_bytes);
        }
    }

    /// Memory for what waits for its rest has grown by so many bytes.
    pub fn note_kept(&mut self, bytes: usize) {
        self.added_bytes = self.added_bytes.saturating_add_unsigned(bytes);
        self.grown_bytes = self.grown_bytes.saturating_add(bytes);
    }

    /// Input has come in on a connection that has been answered for the last time, and is thrown away. A peer that goes on
    /// sending after as much as may still have been under way is held back from then on: a reset would destroy the answer, which
    /// it may read as long as the connection lingers.
    pub fn linger(&mut self, key: ConnectionId, bytes: usize) {
        let max_bytes = self.limits.max_linger_bytes;
        if let Some(connection) = self.get_mut(key) {
            connection.count_lingered(bytes, max_bytes);
        }
    }

    /// Puts a connection on the list of those that have something to write.
    pub fn queue_write(&mut self, key: ConnectionId, priority: Priority) {
        if let Some(connection) = self.connections.get_mut(key.0) {
            self.write_queue.push(key, &mut connection.listed, priority);
        }
    }

    /// Takes the first connection off one of these lists: `Some(None)` when it has changed lists or was written to since.
    pub fn take_write(&mut self, priority: Priority) -> Option<Option<ConnectionId>> {
        let key = self.write_queue.pop(priority)?;
        let connection = self.get_mut(key);
        let listed = connection.filter(|it| it.listed == Some(priority));
        Some(listed.map(|connection| {
            connection.listed = None;
            key
        }))
    }

    /// Fills `slices` with what waits for a connection and returns how many it filled; 0 when nothing waits.
    pub fn gather<'a>(&'a self, key: ConnectionId, slices: &mut [IoSlice<'a>]) -> usize {
        let max_bytes = self.ready.bytes_left(key);
        self.get(key)
            .map_or(0, |it| it.outbox.gather(slices, max_bytes))
    }

    /// So many bytes have been written to a connection. True when that was all there was for an open WebSocket.
    pub fn wrote(&mut self, clock: &mut Clock, key: ConnectionId, bytes: usize) -> bool {
        self.ready.wrote(key, bytes);
        let Some(connection) = self.connections.get_mut(key.0) else {
            return false;
        };
        connection.outbox.advance(bytes, &mut self.spares);
        let is_written = connection.outbox.is_empty();
        match (connection.phase, &connection.protocol) {
            (Phase::Finishing, _) if is_written => {
                connection.phase = Phase::Lingering;
                self.closings.push_back((key, Closing::Write));
                self.arm(clock, key, Timeout::Linger, self.limits.linger_ms);
            }
            (Phase::Finishing, _) if bytes > 0 => {
                // As long as the peer takes something, it may have the rest.
                self.arm(clock, key, Timeout::Linger, self.limits.request_timeout_ms);
            }
            (phase, Protocol::WebSocket(_)) => return is_written && phase == Phase::Open,
            (phase, Protocol::Http(http)) => {
                let is_idle = http.exchange.is_none();
                let is_in_parts = connection.parts().is_some();
                if phase == Phase::Open && bytes > 0 {
                    match (is_idle, is_in_parts) {
                        (true, _) => self.await_request(clock, key),
                        (false, true) => self.await_reader(clock, key),
                        (false, false) => {}
                    }
                }
                if is_written {
                    self.input_wanted(key);
                }
            }
        }
        false
    }

    /// Whether bytes wait for a connection.
    pub fn has_output(&self, key: ConnectionId) -> bool {
        self.get(key).is_some_and(|it| !it.outbox.is_empty())
    }

    /// How many bytes wait for a connection.
    pub fn output_bytes(&self, key: ConnectionId) -> usize {
        self.get(key).map_or(0, |it| it.outbox.len())
    }

    /// Part of the endpoint's check of its invariants. `is_paused` says of which sessions no input is handled for now.
    pub fn check(&self, is_paused: impl Fn(EngineSessionId) -> bool) {
        /// What may wait on one connection: one read, and before it the beginning of a request's head or of a frame.
        const FRAME_HEADER_BYTES: usize = 14;
        let frame_bytes = self.limits.max_payload_bytes + FRAME_HEADER_BYTES;
        let max_bytes = ready::MAX_READ_BYTES + frame_bytes.max(self.limits.head.max_bytes);
        for (key, connection) in self.iter() {
            let bytes = connection.unread.len();
            assert!(bytes <= max_bytes, "{bytes} bytes are unread");
            assert!(
                self.write_queue.holds(&key, connection.listed),
                "a connection that is to be written to is in its list"
            );
            self.check_exchange(key, connection, &is_paused);
        }
    }

    fn get_mut(&mut self, key: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(key.0)
    }
}
