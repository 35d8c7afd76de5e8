//! HTTP on a connection: heads and bodies that come in, and what becomes of the request under way.

use super::connection::Http;
use super::{
    Chunk, Connection, Exchange, Failure, Payload, Phase, Protocol, RequestId, Sink, Step,
    Transport,
};
use crate::clock::Clock;
use crate::http::{
    parse_head, BodyDecoder, BodyPart, Head, HeadOptions, Parsed, Refusal, CONTINUE,
};
use crate::id::{ConnectionId, EngineSessionId};
use crate::priority::Priority;
use crate::timer::Timeout;

impl Transport {
    pub(super) fn http_step<'a>(
        &mut self,
        clock: &mut Clock,
        key: ConnectionId,
        input: &'a [u8],
    ) -> Step<'a> {
        match self.exchange(key) {
            None => self.head_step(clock, key, input),
            Some(exchange) if exchange.parts.is_some() => Step::Blocked,
            Some(Exchange { body: Some(_), .. }) => self.body_step(clock, key, input),
            Some(exchange) if exchange.is_posted() => Step::BodyLeft,
            Some(_) => Step::Blocked,
        }
    }

    fn head_step<'a>(&mut self, clock: &mut Clock, key: ConnectionId, input: &'a [u8]) -> Step<'a> {
        if input.is_empty() {
            return Step::NeedMore;
        }
        // Answers that nobody reads do not pile up: the next request is not begun before the last answer is gone.
        if self.has_output(key) {
            return Step::Blocked;
        }
        let limits = self.limits.head;
        let Some(http) = self.http(key) else {
            return Step::Blocked;
        };
        let is_first_piece = http.scan == Default::default();
        match http.scan.parse(input, &limits) {
            Ok(Parsed::Complete { head, length }) => Step::Head {
                head,
                bytes: length,
            },
            Ok(Parsed::Partial) => {
                if is_first_piece {
                    // Not armed anew by later pieces: a head that drips has as long as one that comes at once.
                    self.arm(clock, key, Timeout::Request, self.limits.request_timeout_ms);
                }
                Step::NeedMore
            }
            Err(refusal) => Step::Failed(Failure::Head(refusal)),
        }
    }

    fn body_step<'a>(&mut self, clock: &mut Clock, key: ConnectionId, input: &'a [u8]) -> Step<'a> {
        let max_payload_bytes = self.limits.max_payload_bytes;
        let Some(exchange) = self.exchange(key) else {
            return Step::Blocked;
        };
        let Some(body) = &mut exchange.body else {
            return Step::Blocked;
        };
        // What the host has not asked for stays unread; the framing is only looked at as far as the data is taken.
        let mut window = input;
        match exchange.sink {
            Sink::Admission(_) => return Step::Blocked,
            Sink::Host { credit_bytes: 0 } if body.is_done() => {
                // All of it has come, and that is not held back.
                self.end_body(clock, key);
                return Step::BodyEnd { bytes: 0 };
            }
            Sink::Host { credit_bytes: 0 } => return Step::Blocked,
            Sink::Host { credit_bytes } => window = &input[..input.len().min(credit_bytes)],
            Sink::Discard { .. } | Sink::Poll { .. } | Sink::Post { .. } => {}
        }
        match body.decode(window) {
            Err(refusal) => Step::Failed(Failure::Body(refusal)),
            Ok((bytes, BodyPart::Data(data))) => match exchange.take(data, max_payload_bytes) {
                Err(TooLong) => Step::Failed(Failure::BodyTooLong),
                Ok(grown_bytes) => {
                    self.note_kept(grown_bytes);
                    self.took(clock, key, data, bytes)
                }
            },
            Ok((bytes, BodyPart::End)) => {
                self.end_body(clock, key);
                Step::BodyEnd { bytes }
            }
            Ok((0, BodyPart::NeedMore)) => Step::NeedMore,
            Ok((bytes, BodyPart::NeedMore)) => Step::Other { bytes },
        }
    }

    /// A piece of a body has been taken, with its framing so many bytes of input.
    fn took<'a>(
        &mut self,
        clock: &mut Clock,
        key: ConnectionId,
        data: &'a [u8],
        bytes: usize,
    ) -> Step<'a> {
        match self.exchange(key).map(|exchange| &exchange.sink) {
            Some(Sink::Host { credit_bytes: 0 }) => {
                // The host holds the sender back, which therefore is not late.
                self.disarm(clock, key);
                Step::Body { data, bytes }
            }
            Some(Sink::Host { .. }) => {
                self.arm(clock, key, Timeout::Request, self.limits.request_timeout_ms);
                Step::Body { data, bytes }
            }
            Some(Sink::Post { .. }) => {
                self.arm(clock, key, Timeout::Request, self.limits.request_timeout_ms);
                Step::Other { bytes }
            }
            _ => Step::Other { bytes },
        }
    }

    fn end_body(&mut self, clock: &mut Clock, key: ConnectionId) {
        self.disarm(clock, key);
        if let Some(exchange) = self.exchange(key) {
            exchange.body = None;
            if let Sink::Post { is_complete, .. } = &mut exchange.sink {
                *is_complete = true;
            }
        }
    }

    /// Parses a head once more that has been kept.
    pub fn parse_head<'b>(&self, bytes: &'b [u8]) -> Result<Parsed<'b>, Refusal> {
        parse_head(bytes, &self.limits.head)
    }

    /// The head that [`Transport::step`] has found is accepted: its request begins.
    pub fn begin_request(&mut self, clock: &mut Clock, key: ConnectionId) {
        if let Some(http) = self.http(key) {
            http.serial = http.serial.wrapping_add(1);
        }
        self.disarm(clock, key);
    }

    /// Begins an exchange for a request whose answer is still to come.
    pub fn begin_exchange(
        &mut self,
        clock: &mut Clock,
        key: ConnectionId,
        head: &Head<'_>,
        sink: Sink,
    ) {
        self.begin_with(clock, key, head, sink, options(head));
    }

    /// As [`Transport::begin_exchange`], for a request whose answer does not depend on its body.
    pub fn begin_answered_by_head(
        &mut self,
        clock: &mut Clock,
        key: ConnectionId,
        head: &Head<'_>,
        sink: Sink,
    ) {
        let declared = head.framing.content_length();
        let is_long = declared.is_some_and(|length| length > self.limits.max_discarded_bytes);
        let mut options = options(head);
        // A client that asked for another protocol does not expect this one to go on.
        options.keep_alive &= !head.upgrade && !is_long;
        self.begin_with(clock, key, head, sink, options);
    }

    /// As [`Transport::begin_answered_by_head`], for a request that is answered at once, whatever its body says.
    pub fn begin_discarding(&mut self, clock: &mut Clock, key: ConnectionId, head: &Head<'_>) {
        let left_bytes = self.limits.max_discarded_bytes;
        self.begin_answered_by_head(clock, key, head, Sink::Discard { left_bytes });
    }

    fn begin_with(
        &mut self,
        clock: &mut Clock,
        key: ConnectionId,
        head: &Head<'_>,
        sink: Sink,
        options: HeadOptions,
    ) {
        let body = BodyDecoder::new(head.framing);
        let body = if body.is_done() { None } else { Some(body) };
        if body.is_some() && !matches!(sink, Sink::Host { .. }) {
            self.arm(clock, key, Timeout::Request, self.limits.request_timeout_ms);
        }
        if let Some(http) = self.http(key) {
            http.exchange = Some(Box::new(Exchange {
                body,
                sink,
                is_answered: false,
                parts: None,
                options,
                expects_continue: head.expect_continue,
                extra_fields: Vec::new(),
                #[cfg(feature = "compression")]
                coding: None,
            }));
        }
    }

    /// Asks for the body where the peer waits to be asked.
    pub fn send_continue(&mut self, key: ConnectionId) {
        if let Some(connection) = self.get_mut(key) {
            if let Some(exchange) = connection.exchange() {
                if std::mem::take(&mut exchange.expects_continue) {
                    connection.outbox.push(Chunk::Static(CONTINUE));
                    self.queue_write(key, Priority::Normal);
                }
            }
        }
    }

    /// Lets so many bytes more of a body come in for the host.
    pub fn grant_body(&mut self, clock: &mut Clock, key: ConnectionId, bytes: usize) {
        let Some(exchange) = self.exchange(key) else {
            return;
        };
        if let Sink::Host { credit_bytes } = &mut exchange.sink {
            *credit_bytes = credit_bytes.saturating_add(bytes);
        }
        let is_incomplete = exchange.body.is_some();
        self.send_continue(key);
        if is_incomplete {
            self.arm(clock, key, Timeout::Request, self.limits.request_timeout_ms);
            self.input_wanted(key);
        }
    }

    /// The exchange under way on a connection.
    pub fn exchange(&mut self, key: ConnectionId) -> Option<&mut Exchange> {
        self.get_mut(key)?.exchange()
    }

    /// Whether a peer has begun to send a request that is not complete, or has sent one that is not answered.
    pub fn has_begun_request(&mut self, key: ConnectionId) -> bool {
        self.get_mut(key).is_some_and(|connection| {
            !connection.unread.is_empty() || connection.exchange().is_some()
        })
    }

    /// Whether all of the `POST` that comes in on a connection has come, and is still to be taken out of memory.
    pub fn is_posted(&self, key: ConnectionId) -> bool {
        match self.get(key).map(|connection| &connection.protocol) {
            Some(Protocol::Http(http)) => http.exchange.as_deref().is_some_and(Exchange::is_posted),
            _ => false,
        }
    }

    /// Whether a body is still coming in, for an answer that is still to come.
    pub fn is_posting(&mut self, key: ConnectionId) -> bool {
        self.exchange(key)
            .is_some_and(|exchange| exchange.body.is_some() && !exchange.is_answered)
    }

    /// Whether the request under way is a poll, or a handshake about which the host is to decide.
    pub fn is_waiting(&mut self, key: ConnectionId) -> bool {
        self.exchange(key).is_some_and(|exchange| {
            matches!(exchange.sink, Sink::Poll { .. } | Sink::Admission(_)) && !exchange.is_answered
        })
    }

    /// The peer will send nothing more, but may still read. False when it has nothing to wait for.
    pub fn close_read(&mut self, key: ConnectionId) -> bool {
        self.ready.would_block(key);
        // A peer that closes its side after a request still wants the answer, unless that answer may never come.
        let awaits_answer = self.awaits_answer(key);
        let Some(connection) = self.get_mut(key) else {
            return true;
        };
        match connection.phase {
            Phase::Open => connection.is_read_closed = awaits_answer,
            Phase::Finishing => return true,
            Phase::Lingering => {}
        }
        connection.is_read_closed && connection.phase == Phase::Open
    }

    /// Whether the peer's closed side leaves a request that will be answered without further input.
    pub fn awaits_answer(&mut self, key: ConnectionId) -> bool {
        self.exchange(key).is_some_and(|exchange| {
            let is_answerable = match &exchange.sink {
                Sink::Host { .. } => true,
                Sink::Post { is_complete, .. } => *is_complete,
                Sink::Poll { .. } | Sink::Discard { .. } | Sink::Admission(_) => false,
            };
            is_answerable && exchange.body.is_none() && !exchange.is_answered
        })
    }

    /// Names the request under way.
    pub fn request_id(&self, connection: ConnectionId) -> Option<RequestId> {
        match &self.get(connection)?.protocol {
            Protocol::Http(http) => Some(RequestId {
                connection,
                serial: http.serial,
            }),
            Protocol::WebSocket(_) => None,
        }
    }

    /// Part of [`Transport::check`]: without a timer, an open connection waits for somebody who knows of it.
    pub(super) fn check_exchange(
        &self,
        key: ConnectionId,
        connection: &Connection,
        is_paused: impl Fn(EngineSessionId) -> bool,
    ) {
        let Protocol::Http(http) = &connection.protocol else {
            return;
        };
        if !connection.is_open() || connection.timer.is_some() {
            return;
        }
        let exchange = http.exchange.as_deref();
        let exchange = exchange.expect("what is awaited of a peer has its time");
        assert!(!exchange.is_answered);
        match exchange.sink {
            Sink::Discard { .. } => panic!("such a request is answered at once"),
            Sink::Admission(_) => panic!("such a decision has its time"),
            Sink::Post {
                session,
                is_complete,
                ..
            } => assert!(is_complete && (self.ready.is_listed(key) || is_paused(session))),
            Sink::Host { .. } | Sink::Poll { .. } => {}
        }
    }

    pub(super) fn http(&mut self, key: ConnectionId) -> Option<&mut Http> {
        match &mut self.get_mut(key)?.protocol {
            Protocol::Http(http) => Some(http),
            Protocol::WebSocket(_) => None,
        }
    }
}

/// A body is longer than what is taken of it.
struct TooLong;

impl Exchange {
    /// Takes a piece of the body in, or throws it away. By how many bytes the memory for the body has grown.
    fn take(&mut self, data: &[u8], max_payload_bytes: usize) -> Result<usize, TooLong> {
        match &mut self.sink {
            Sink::Discard { left_bytes } | Sink::Poll { left_bytes, .. } => {
                let left = left_bytes.checked_sub(data.len() as u64);
                *left_bytes = left.ok_or(TooLong)?;
            }
            Sink::Post { payload, .. } => {
                if let Payload::Incoming(payload) = &mut **payload {
                    if payload.len() + data.len() > max_payload_bytes {
                        return Err(TooLong);
                    }
                    let before = payload.capacity();
                    payload.extend_from_slice(data);
                    return Ok(payload.capacity() - before);
                }
            }
            Sink::Host { credit_bytes } => *credit_bytes -= data.len(),
            Sink::Admission(_) => {}
        }
        Ok(0)
    }

    /// Whether all of a `POST` has come, and is still to be taken out of memory.
    fn is_posted(&self) -> bool {
        matches!(
            self.sink,
            Sink::Post {
                is_complete: true,
                ..
            }
        ) && !self.is_answered
    }
}

fn options(head: &Head<'_>) -> HeadOptions {
    HeadOptions {
        keep_alive: head.keep_alive,
        head_request: head.method == crate::http::Method::Head,
        http10: head.minor_version == 0,
    }
}
