//! Answers whose bodies come in parts, as fast as the peer takes them.
//!
//! The parts are chunks (RFC 9112 section 7.1). A peer that speaks HTTP/1.0 knows none: its body ends with the connection.

use super::answer::push_behind;
use super::{Chunk, RequestId, Sink, Transport};
use crate::clock::Clock;
use crate::http::{BodyFraming, Response, ResponseBody};
use crate::id::ConnectionId;
use crate::priority::Priority;
use crate::timer::Timeout;

/// How an answer in parts is sent, and whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    is_chunked: bool,
    /// The host is to hear of it when all that waits has been written.
    is_awaited: bool,
}

impl Transport {
    /// Begins the answer to the request under way on a connection; its body is the first part. What has not come of the
    /// request's body is not read any more.
    pub fn begin_parts(&mut self, clock: &mut Clock, key: ConnectionId, mut response: Response) {
        let is_last = self.is_last_answer(key);
        let Some(connection) = self.get_mut(key) else {
            return;
        };
        let Some(exchange) = connection.exchange() else {
            return;
        };
        let is_chunked = !exchange.options.http10;
        let keeps_alive = is_chunked && !is_last && exchange.body.is_none();
        exchange.options.keep_alive &= keeps_alive;
        let options = exchange.options;
        response.headers.append(&mut exchange.extra_fields);
        let framing = match is_chunked {
            true => BodyFraming::Chunked,
            false => BodyFraming::Unsaid,
        };
        let mut head = Vec::with_capacity(256);
        let can_have_parts = response.can_have_body();
        if !can_have_parts || response.encode_head(&mut head, options, framing).is_err() {
            return self.answer(clock, key, response, Priority::Normal);
        }
        if let Sink::Host { credit_bytes } = &mut exchange.sink {
            *credit_bytes = 0;
        }
        exchange.parts = Some(Parts {
            is_chunked: is_chunked && !options.head_request,
            is_awaited: true,
        });
        let bytes = head.len();
        connection.outbox.push(Chunk::Owned(head));
        self.grown_bytes += bytes;
        self.await_reader(clock, key);
        self.queue_write(key, Priority::Normal);
        match options.head_request {
            true => self.end_parts(clock, key),
            false => self.send_part(clock, key, response.body),
        }
    }

    /// Sends a part of the answer that has begun. One without bytes is nothing.
    pub fn send_part(&mut self, clock: &mut Clock, key: ConnectionId, part: ResponseBody) {
        let Some(connection) = self.get_mut(key).filter(|_| !part.is_empty()) else {
            return;
        };
        let was_idle = connection.outbox.is_empty();
        let Some(parts) = connection.exchange().and_then(|it| it.parts.as_mut()) else {
            return;
        };
        parts.is_awaited = true;
        let is_chunked = parts.is_chunked;
        let before = match is_chunked {
            true => format!("{:x}\r\n", part.len()).into_bytes(),
            false => Vec::new(),
        };
        let mut bytes = push_behind(connection, before, part);
        if is_chunked {
            connection.outbox.push(Chunk::Static(b"\r\n"));
            bytes += 2;
        }
        self.grown_bytes += bytes;
        if was_idle {
            self.await_reader(clock, key);
        }
        self.queue_write(key, Priority::Normal);
    }

    /// The last part has been sent.
    pub fn end_parts(&mut self, clock: &mut Clock, key: ConnectionId) {
        let is_last = self.is_last_answer(key);
        let Some(connection) = self.get_mut(key) else {
            return;
        };
        let Some(exchange) = connection.exchange() else {
            return;
        };
        let Some(parts) = exchange.parts.take() else {
            return;
        };
        exchange.is_answered = true;
        let keep_alive = exchange.options.keep_alive && !is_last;
        if parts.is_chunked {
            connection.outbox.push(Chunk::Static(b"0\r\n\r\n"));
            self.queue_write(key, Priority::Normal);
        }
        match keep_alive {
            true => self.end_exchange(clock, key),
            false => self.finish(clock, key),
        }
    }

    /// Whether the request under way on a connection is being answered in parts.
    pub fn is_in_parts(&self, key: ConnectionId) -> bool {
        self.get(key).is_some_and(|it| it.parts().is_some())
    }

    /// The request whose host is to give the next part, as all before it have been written. Tells that once.
    pub fn take_wanted_part(&mut self, key: ConnectionId) -> Option<RequestId> {
        let request = self.request_id(key)?;
        let connection = self.get_mut(key)?;
        let is_written = connection.is_open() && connection.outbox.is_empty();
        let parts = connection.exchange()?.parts.as_mut()?;
        let is_wanted = is_written && std::mem::take(&mut parts.is_awaited);
        is_wanted.then_some(request)
    }

    /// Gives the peer its time to take some of what waits for it, if anything does; else it is the host's turn, which has no limit
    /// of time.
    pub(super) fn await_reader(&mut self, clock: &mut Clock, key: ConnectionId) {
        match self.has_output(key) {
            true => {
                self.arm(clock, key, Timeout::Output, self.limits.request_timeout_ms);
            }
            false => self.disarm(clock, key),
        }
    }
}
