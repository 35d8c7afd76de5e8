//! Answers of HTTP, and the end of an exchange.

use super::{Chunk, Connection, Going, Sink, Transport};
use crate::clock::Clock;
use crate::http::{Field, Head, HeadOptions, Response, ResponseBody};
use crate::id::ConnectionId;
use crate::priority::Priority;
use crate::timer::Timeout;

impl Transport {
    /// Notes what the answer to the request under way will have to say beside itself, and how it may be compressed.
    pub fn prepare_answer(&mut self, key: ConnectionId, head: &Head<'_>, fields: Vec<Field>) {
        #[cfg(feature = "compression")]
        let coding = self.accepted_coding(head);
        #[cfg(not(feature = "compression"))]
        let _ = head;
        if let Some(exchange) = self.exchange(key) {
            exchange.extra_fields = fields;
            #[cfg(feature = "compression")]
            {
                exchange.coding = coding;
            }
        }
    }

    /// Answers the request under way on a connection.
    pub fn answer(
        &mut self,
        clock: &mut Clock,
        key: ConnectionId,
        mut response: Response,
        priority: Priority,
    ) {
        let max_discarded_bytes = self.limits.max_discarded_bytes;
        let is_last = self.is_last_answer(key);
        let Some(connection) = self.get_mut(key) else {
            return;
        };
        let is_open = connection.is_open();
        let Some(exchange) = connection.exchange() else {
            return;
        };
        debug_assert!(
            is_open && !exchange.is_answered && exchange.parts.is_none(),
            "a request is answered once, and before its connection ends"
        );
        if !is_open || exchange.is_answered || exchange.parts.is_some() {
            return;
        }
        exchange.is_answered = true;
        // A peer that still waits to be asked for its body sends none, and one whose body is long is not worth reading.
        let is_unwanted = exchange.expects_continue && exchange.body.is_some();
        if exchange.body.is_some() {
            exchange.sink = Sink::Discard {
                left_bytes: max_discarded_bytes,
            };
            exchange.options.keep_alive &= !is_unwanted;
        }
        exchange.options.keep_alive &= !is_last;
        response.headers.append(&mut exchange.extra_fields);
        let (options, has_body) = (exchange.options, exchange.body.is_some());
        self.grown_bytes += push_response(connection, response, options);
        self.queue_write(key, priority);
        if !options.keep_alive {
            self.finish(clock, key);
        } else {
            if has_body {
                self.arm(clock, key, Timeout::Request, self.limits.request_timeout_ms);
            }
            self.end_exchange(clock, key);
        }
    }

    /// Whether no other request is taken on a connection once the one under way has its answer.
    pub(super) fn is_last_answer(&self, key: ConnectionId) -> bool {
        let is_kept = |it: &Connection| match self.going {
            Going::No => true,
            Going::Leaving => it.has_session_request(),
            Going::ShuttingDown => false,
        };
        self.get(key)
            .is_none_or(|it| it.is_read_closed || !is_kept(it))
    }

    /// Answers whatever is under way, if anything is, and ends the connection.
    pub fn answer_finally(&mut self, clock: &mut Clock, key: ConnectionId, mut response: Response) {
        let options = HeadOptions {
            keep_alive: false,
            head_request: false,
            http10: false,
        };
        if let Some(connection) = self.get_mut(key).filter(|it| it.is_open()) {
            if let Some(exchange) = connection.exchange() {
                response.headers.append(&mut exchange.extra_fields);
            }
            self.grown_bytes += push_response(connection, response, options);
            self.finish(clock, key);
        }
    }

    /// Makes room for the next request once both the request and its answer are complete.
    pub fn end_exchange(&mut self, clock: &mut Clock, key: ConnectionId) {
        let Some(http) = self.http(key) else {
            return;
        };
        let exchange = http.exchange.as_deref();
        if exchange.is_some_and(|exchange| exchange.is_answered && exchange.body.is_none()) {
            http.exchange = None;
            self.await_request(clock, key);
            self.input_wanted(key);
        }
    }

    /// Sets the time for the next request, which begins when the last answer has been written; until then the peer has to
    /// take some of it from time to time.
    pub(super) fn await_request(&mut self, clock: &mut Clock, key: ConnectionId) {
        if self.has_output(key) {
            self.arm(clock, key, Timeout::Output, self.limits.request_timeout_ms);
        } else {
            self.arm(clock, key, Timeout::KeepAlive, self.limits.keep_alive_ms);
        }
    }

    /// Whether the request under way on a connection has its answer.
    pub fn is_answered(&mut self, key: ConnectionId) -> bool {
        self.exchange(key)
            .is_some_and(|exchange| exchange.is_answered)
    }
}

/// Appends an answer to what waits for a connection: one buffer where the body is small, two where copying would cost. Gives how
/// many bytes it has.
fn push_response(connection: &mut Connection, response: Response, options: HeadOptions) -> usize {
    let mut head = Vec::with_capacity(256);
    let body = match response.encode(&mut head, options) {
        Ok(body) => body,
        Err(invalid) => {
            // The host's mistake; the peer still gets an answer, and nothing of the faulty one.
            let apology = Response::text(500, format!("The answer could not be sent: {invalid}"));
            apology
                .encode(&mut head, options)
                .expect("an answer without foreign headers is valid")
        }
    };
    push_behind(connection, head, body)
}

/// Appends a body with what stands before it.
pub(super) fn push_behind(
    connection: &mut Connection,
    mut before: Vec<u8>,
    body: ResponseBody,
) -> usize {
    const COPIED_BYTES: usize = 4096;
    let bytes = before.len() + body.len();
    if body.len() <= COPIED_BYTES {
        before.extend_from_slice(&body);
        connection.outbox.push(Chunk::Owned(before));
        return bytes;
    }
    connection.outbox.push(Chunk::Owned(before));
    connection.outbox.push(match body {
        ResponseBody::Static(bytes) => Chunk::Static(bytes),
        ResponseBody::Owned(bytes) => Chunk::Owned(bytes),
        ResponseBody::Shared(bytes) => Chunk::Shared(bytes),
    });
    bytes
}
