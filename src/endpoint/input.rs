//! What comes in: connections, and bytes on them.

use std::io;

use super::events::Ending;
use super::{Endpoint, Event, Limit};
use crate::error::DisconnectReason;
use crate::http::Response;
use crate::id::ConnectionId;
use crate::peer::PeerAddr;
use crate::priority::Priority;
use crate::transport::{cost, Connection, Failure, Sink, Step, Use};
use crate::websocket::Decoder;

/// What the operating system has told of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There is something to read: bytes, or their end.
    pub is_readable: bool,
    /// It takes bytes that it did not take before.
    pub is_writable: bool,
    /// The peer has closed its side, behind bytes that may still have to be read.
    pub is_half_closed: bool,
    /// It is gone, in both directions.
    pub is_broken: bool,
}

impl Readiness {
    /// There is something to read.
    pub fn readable() -> Readiness {
        Readiness {
            is_readable: true,
            ..Readiness::default()
        }
    }

    /// It takes bytes that it did not take before.
    pub fn writable() -> Readiness {
        Readiness {
            is_writable: true,
            ..Readiness::default()
        }
    }

    /// It is gone, in both directions.
    pub fn broken() -> Readiness {
        Readiness {
            is_broken: true,
            ..Readiness::default()
        }
    }
}

/// How handling a piece of input went on.
enum Progress {
    /// So many bytes are done with.
    Consumed(usize),
    /// It ends here for now.
    Stopped(Rest),
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
    /// A connection has been accepted. `None` when there are as many as allowed, or the server is
    /// going: close it at once.
    pub fn open(&mut self, peer: PeerAddr) -> Option<ConnectionId> {
        let opened = self.transport.open(&mut self.clock, peer);
        if opened.is_none() {
            self.tally.refused_connections += 1;
            match self.transport.count() >= self.config.max_connections {
                _ if self.transport.is_leaving() => {}
                true => self.limit_reached(Limit::Connections, Some(peer)),
                false => self.limit_reached(Limit::ConnectionsPerAddress, Some(peer)),
            }
        }
        opened
    }

    /// The operating system has told this of a connection. It is told once of each change, and remembered here.
    pub fn on_ready(&mut self, id: ConnectionId, readiness: Readiness) {
        if readiness.is_broken {
            return self.hang_up(id);
        }
        if readiness.is_writable && self.transport.ready.on_writable(id) {
            self.transport.queue_write(id, Priority::Normal);
        }
        if readiness.is_half_closed {
            self.transport.ready.on_half_close(id);
        } else if readiness.is_readable {
            self.transport.ready.on_readable(id);
        }
    }

    /// What came of [`Work::Read`](super::Work::Read): `buffer` is as long as was asked for, and `read` says how much of it has been filled, as
    /// [`Read`](std::io::Read) does: nothing at the end of the input.
    ///
    /// The bytes are unmasked in place; what cannot be handled yet is kept. A read that leaves room in the buffer counts as having
    /// drained the socket, unless the peer has closed its side.
    pub fn on_read(&mut self, id: ConnectionId, buffer: &mut [u8], read: io::Result<usize>) {
        match read {
            Ok(0) => self.read_closed(id),
            Ok(bytes) => {
                let bytes = bytes.min(buffer.len());
                if bytes < buffer.len() && !self.transport.ready.is_half_closed(id) {
                    self.transport.ready.would_block(id);
                }
                self.feed(id, &mut buffer[..bytes]);
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => self.transport.ready.would_block(id),
                io::ErrorKind::Interrupted => {}
                _ => self.hang_up(id),
            },
        }
    }

    /// Goes on with input that had to wait, and names the next connection to read from, and how many bytes at most.
    ///
    /// `None` when nobody has anything to read, or when this turn has had its share of work: then the next turn goes on
    /// where this one stopped ([`Endpoint::has_work`]).
    pub(super) fn next_read(&mut self) -> Option<(ConnectionId, usize)> {
        loop {
            if let Some(key) = self.transport.ready.visited() {
                if let Some(bytes) = self.bytes_wanted(key) {
                    return Some((key, bytes));
                }
                let can_go_on = self.transport.wants_input(key);
                self.transport.ready.end_visit(can_go_on);
                // A poll that waits, and a handshake that the host has not decided about, end with their peer's side, as nobody is
                // there to read the answer. All others find out when they have read everything.
                let is_half_closed = self.transport.ready.is_half_closed(key);
                if !can_go_on && is_half_closed && self.transport.is_waiting(key) {
                    self.hang_up(key);
                }
            }
            if self.has_full_queue() {
                return None;
            }
            let key = self.transport.ready.next_visit()?;
            if self.transport.ready.take_more(key) {
                self.resume(key);
                self.bound_memory();
            }
        }
    }

    /// How many bytes to read from the connection that is visited; `None` when its visit is over.
    fn bytes_wanted(&mut self, key: ConnectionId) -> Option<usize> {
        if !self.transport.ready.is_readable(key)
            || self.transport.ready.is_share_used_up()
            || self.has_full_queue()
        {
            return None;
        }
        self.transport
            .wants_input(key)
            .then(|| self.transport.ready.read_bytes())
    }

    /// Bytes have come in on a connection, whoever has asked for them.
    pub(crate) fn feed(&mut self, key: ConnectionId, bytes: &mut [u8]) {
        let Some(connection) = self.transport.get(key) else {
            return;
        };
        let (is_open, is_first) = (connection.is_open(), connection.unread.is_empty());
        let ready = &mut self.transport.ready;
        let is_unasked = ready.visited() != Some(key);
        if is_unasked {
            ready.visit_unasked(key);
        }
        ready.charge(cost::READ + bytes.len() / cost::COPIES);
        if is_open {
            let rest = if is_first {
                let (consumed, rest) = self.handle_input(key, bytes);
                let is_incomplete = rest == Rest::Incomplete;
                self.transport
                    .push_unread(key, &bytes[consumed..], is_incomplete);
                rest
            } else {
                self.transport.push_unread(key, bytes, false);
                self.resume(key)
            };
            // Small reads of a connection that sends more than can be handled at a time.
            let is_all_handled = rest != Rest::UsedUp;
            let ready = &mut self.transport.ready;
            ready.adapt_reads(key, bytes.len(), is_all_handled);
        } else {
            self.transport.linger(key, bytes.len());
        }
        self.bound_memory();
        if is_unasked {
            let can_go_on = self.transport.wants_input(key);
            self.transport.ready.end_visit(can_go_on);
        }
    }

    /// Goes on with input that had to wait.
    fn resume(&mut self, key: ConnectionId) -> Rest {
        let mut unread = self.transport.take_unread(key);
        let (consumed, rest) = self.handle_input(key, unread.bytes());
        unread.advance(consumed, rest == Rest::Incomplete);
        self.transport.keep_unread(key, unread);
        let is_at_end = |it: &Connection| it.unread.is_empty() && it.is_read_closed;
        if self.transport.get(key).is_some_and(is_at_end) {
            self.read_closed(key);
        }
        rest
    }

    /// The peer will send nothing more, but may still read.
    pub(super) fn read_closed(&mut self, key: ConnectionId) {
        if self.transport.close_read(key) {
            return;
        }
        // A request that was broken off may have its answer already, which its sender is to get.
        let is_answer_waiting = self.transport.is_answered(key) && self.has_output(key);
        match is_answer_waiting {
            true => self.finish(key),
            false => self.hang_up(key),
        }
    }

    /// The connection is gone, in both directions.
    pub(super) fn hang_up(&mut self, key: ConnectionId) {
        self.cut(key);
        self.transport.close(&mut self.clock, key);
    }

    /// A connection ends: tells that to whoever has used it.
    pub(super) fn cut(&mut self, key: ConnectionId) {
        match self.transport.cut(key) {
            None => {}
            Some(Use::WebSocket(session)) => self.websocket_gone(session, key),
            Some(Use::Polling(session)) => self.polling_gone(session, key),
            Some(Use::Host(request)) => {
                self.tracking.held.abort(request);
                self.push_event(Event::RequestAborted { request });
            }
        }
    }

    /// Whether the session on a WebSocket has sent more than it may, so that its input waits.
    fn is_paused(&self, key: ConnectionId) -> bool {
        if !self.sessions.rates.has_paused() {
            return false;
        }
        let session = self.transport.session_of(key);
        session.is_some_and(|session| {
            self.sessions.rates.is_paused(session) && self.is_transport(session, key)
        })
    }

    /// Whether as many events wait for the host as may.
    pub(super) fn has_full_queue(&self) -> bool {
        self.events.len() >= self.config.max_pending_events
    }

    /// Handles input from its start as far as the share of this connection goes, and says how many bytes of it are done
    /// with, and how it is with the rest.
    fn handle_input(&mut self, key: ConnectionId, input: &mut [u8]) -> (usize, Rest) {
        let mut at = 0;
        loop {
            let connection = self.transport.get(key);
            let Some(connection) = connection.filter(|it| it.is_open()) else {
                return (input.len(), Rest::Waits);
            };
            if connection.speaks_frames() && at == input.len() {
                return (at, Rest::Incomplete);
            }
            if self.is_paused(key) {
                return (at, Rest::Waits);
            }
            if self.is_share_used_up() {
                self.transport.ready.on_more(key);
                return (at, Rest::UsedUp);
            }
            self.transport.ready.charge(cost::STEP);
            match self.step(key, &mut input[at..]) {
                Progress::Consumed(bytes) => {
                    self.transport.ready.charge(bytes);
                    at += bytes;
                }
                Progress::Stopped(rest) => return (at, rest),
            }
        }
    }

    /// Takes one thing out of the input, and does what it asks for.
    fn step(&mut self, key: ConnectionId, input: &mut [u8]) -> Progress {
        let session = self.transport.session_of(key);
        if session.is_some_and(|session| self.has_packets_before(session, key)) {
            return Progress::Stopped(Rest::Waits);
        }
        let mut decoder = Decoder::default();
        let step = self
            .transport
            .step(&mut self.clock, key, input, &mut decoder);
        let progress = match step {
            Step::Head { head, .. } if self.is_unheard(&head) => {
                self.hold_request(key);
                Progress::Stopped(Rest::Waits)
            }
            Step::Head { head, bytes } => {
                self.transport.begin_request(&mut self.clock, key);
                self.transport.ready.charge(cost::REQUEST);
                self.request(key, &head);
                Progress::Consumed(bytes)
            }
            Step::Body { data, bytes } => {
                if let Some(request) = self.transport.request_id(key) {
                    let data = data.to_vec();
                    self.push_event(Event::RequestBody { request, data });
                }
                Progress::Consumed(bytes)
            }
            Step::BodyEnd { bytes } => {
                self.body_ended(key);
                Progress::Consumed(bytes)
            }
            Step::BodyLeft => {
                self.continue_post(key);
                Progress::Stopped(Rest::Waits)
            }
            Step::Message { message, bytes } => {
                if let Some(session) = session {
                    if self.is_transport(session, key) {
                        self.spend(session, bytes);
                    }
                    self.websocket_message(key, session, message);
                }
                Progress::Consumed(bytes)
            }
            Step::Other { bytes } => Progress::Consumed(bytes),
            Step::NeedMore => Progress::Stopped(Rest::Incomplete),
            Step::Blocked => Progress::Stopped(Rest::Waits),
            Step::Failed(failure) => {
                self.input_failed(key, failure);
                Progress::Stopped(Rest::Waits)
            }
        };
        self.transport.keep_decoder(key, decoder);
        progress
    }

    /// All of a request's body has come.
    fn body_ended(&mut self, key: ConnectionId) {
        match self.transport.exchange(key).map(|exchange| &exchange.sink) {
            Some(Sink::Host { .. }) => {
                if let Some(request) = self.transport.request_id(key) {
                    self.push_event(Event::RequestBodyEnd { request });
                }
            }
            Some(Sink::Post { .. }) => self.continue_post(key),
            _ => {}
        }
        self.transport.end_exchange(&mut self.clock, key);
    }

    fn input_failed(&mut self, key: ConnectionId, failure: Failure) {
        match failure {
            Failure::Head(refusal) => self.answer_finally(key, Response::from(refusal)),
            Failure::Body(refusal) => self.body_failed(key, Response::from(refusal)),
            Failure::BodyTooLong => self.body_too_long(key),
            Failure::Frame(failure) => {
                if let Some(session) = self.transport.session_of(key) {
                    self.websocket_failed(key, session, failure.close_code());
                }
            }
        }
    }

    /// The rest of a request will not be read, as when the framing of its body is broken. A request that has its answer gets
    /// no second one, which its sender would take for that of the next.
    pub(super) fn body_failed(&mut self, key: ConnectionId, response: Response) {
        if self.transport.is_answered(key) {
            return self.finish(key);
        }
        if self.transport.is_in_parts(key) {
            return self.hang_up(key);
        }
        self.cut(key);
        self.answer_finally(key, response);
    }

    /// A body is longer than what is taken of it.
    fn body_too_long(&mut self, key: ConnectionId) {
        match self.transport.exchange(key).map(|exchange| &exchange.sink) {
            Some(Sink::Poll { .. }) => {
                self.cut(key);
                self.answer_finally(key, Response::empty(413));
            }
            Some(Sink::Post { session, .. }) => {
                let session = *session;
                self.answer(key, Response::empty(413));
                self.end_post(session, key);
                self.end(session, Ending::Discard(DisconnectReason::TransportError));
                self.finish(key);
            }
            _ => self.finish(key),
        }
    }

    /// The head or a piece of the body has not come in time.
    pub(super) fn request_timed_out(&mut self, key: ConnectionId) {
        self.transport.timer_fired(key);
        let is_answerable =
            self.transport.has_begun_request(key) && !self.transport.is_answered(key);
        self.cut(key);
        if is_answerable {
            let response = Response::text(408, "The request did not arrive in time.");
            self.answer_finally(key, response);
        } else {
            self.transport.close(&mut self.clock, key);
        }
    }

    /// Whether nothing more of the connection that is visited can be handled in this visit.
    pub(super) fn is_share_used_up(&self) -> bool {
        self.has_full_queue() || self.transport.ready.is_share_used_up()
    }

    /// Answers the request under way on a connection.
    pub(super) fn answer(&mut self, key: ConnectionId, response: Response) {
        let priority = Priority::Normal;
        self.transport
            .answer(&mut self.clock, key, response, priority);
    }

    /// Answers outside of any exchange, and ends the connection.
    pub(super) fn answer_finally(&mut self, key: ConnectionId, response: Response) {
        self.transport
            .answer_finally(&mut self.clock, key, response);
    }

    /// Ends a connection when all that waits for it has been written.
    pub(super) fn finish(&mut self, key: ConnectionId) {
        self.transport.finish(&mut self.clock, key);
    }

    /// Starts the closing handshake of a WebSocket from our side and ends its connection.
    pub(super) fn close_websocket(&mut self, key: ConnectionId, code: Option<u16>) {
        self.transport.close_websocket(&mut self.clock, key, code);
    }
}
