//! The mechanics of HTTP on a connection: heads, bodies, answers, and the end of an exchange.

use super::input::Step;
use super::{Endpoint, Event, RequestId};
use crate::connection::{Connection, Exchange, Http, Payload, Phase, Protocol, Sink};
use crate::http::{
    BodyDecoder, BodyPart, Head, HeadOptions, Parsed, Refusal, Response, ResponseBody, CONTINUE,
};
use crate::outbox::Chunk;
use crate::ready::cost;
use crate::slots::Key;
use crate::timer::Timer;
use crate::unread::Unread;

impl Endpoint {
    /// Handles input of a connection that speaks HTTP.
    pub(super) fn http_input(&mut self, key: Key, input: &[u8]) -> Step {
        let Some(connection) = self.connections.get_mut(key) else {
            return Step::Blocked;
        };
        match connection.exchange() {
            None => self.head_input(key, input),
            Some(Exchange { body: Some(_), .. }) => self.body_input(key, input),
            Some(Exchange {
                sink: Sink::Post {
                    is_complete: true, ..
                },
                is_answered: false,
                ..
            }) => {
                self.continue_post(key);
                Step::Blocked
            }
            Some(_) => Step::Blocked,
        }
    }

    fn head_input(&mut self, key: Key, input: &[u8]) -> Step {
        if input.is_empty() {
            return Step::NeedMore;
        }
        let limits = self.head_limits;
        // Answers that nobody reads do not pile up: the next request is not begun before the last answer is gone.
        if self.has_output(key) {
            return Step::Blocked;
        }
        let Some(http) = self.http(key) else {
            return Step::Blocked;
        };
        let mut scan = http.scan;
        let is_first_piece = scan == Default::default();
        let parsed = scan.parse(input, &limits);
        http.scan = scan;
        match parsed {
            Ok(Parsed::Complete { head, .. }) if self.is_unheard(&head) => {
                if let Some(http) = self.http(key) {
                    http.scan = Default::default();
                }
                self.hold_request(key);
                Step::Blocked
            }
            Ok(Parsed::Complete { head, length }) => {
                if let Some(http) = self.http(key) {
                    http.serial = http.serial.wrapping_add(1);
                }
                self.disarm(key);
                self.ready.charge(cost::REQUEST);
                self.request(key, &head);
                Step::Consumed(length)
            }
            Ok(Parsed::Partial) => {
                if is_first_piece {
                    // Not armed anew by later pieces: a head that drips has as long as one that comes at once.
                    self.arm(key, Timer::Request(key), self.config.request_timeout_ms);
                }
                Step::NeedMore
            }
            Err(refusal) => {
                self.answer_finally(key, Response::from(refusal));
                Step::Blocked
            }
        }
    }

    fn body_input(&mut self, key: Key, input: &[u8]) -> Step {
        let Some(exchange) = self.connections.get_mut(key).and_then(Connection::exchange) else {
            return Step::Blocked;
        };
        let Some(body) = &mut exchange.body else {
            return Step::Blocked;
        };
        // What the host has not asked for stays unread; the framing is only looked at as far as the data is taken.
        let mut window = input;
        if let Sink::Admission(_) = exchange.sink {
            return Step::Blocked;
        }
        if let Sink::Host { credit_bytes } = exchange.sink {
            if credit_bytes == 0 {
                // All of it has come: that news is not held back.
                if body.is_done() {
                    self.body_end(key);
                }
                return Step::Blocked;
            }
            window = &input[..input.len().min(credit_bytes)];
        }
        match body.decode(window) {
            Err(refusal) => {
                self.body_failed(key, refusal);
                Step::Blocked
            }
            Ok((consumed, BodyPart::Data(data))) => {
                self.body_data(key, data);
                Step::Consumed(consumed)
            }
            Ok((consumed, BodyPart::End)) => {
                self.body_end(key);
                Step::Consumed(consumed)
            }
            Ok((0, BodyPart::NeedMore)) => Step::NeedMore,
            Ok((consumed, BodyPart::NeedMore)) => Step::Consumed(consumed),
        }
    }

    fn body_data(&mut self, key: Key, data: &[u8]) {
        let max_payload_bytes = self.config.max_payload_bytes;
        let Some(request) = self.request_id(key) else {
            return;
        };
        let Some(exchange) = self.connections.get_mut(key).and_then(Connection::exchange) else {
            return;
        };
        match &mut exchange.sink {
            Sink::Discard { left_bytes } => match left_bytes.checked_sub(data.len() as u64) {
                Some(left) => *left_bytes = left,
                None => self.finish(key),
            },
            Sink::Poll { left_bytes, .. } => match left_bytes.checked_sub(data.len() as u64) {
                Some(left) => *left_bytes = left,
                None => {
                    self.detach(key);
                    self.answer_finally(key, Response::empty(413));
                }
            },
            Sink::Post {
                payload, session, ..
            } => {
                let Payload::Incoming(payload) = &mut **payload else {
                    return;
                };
                if payload.len() + data.len() > max_payload_bytes {
                    let session = *session;
                    return self.post_too_large(key, session);
                }
                payload.extend_from_slice(data);
                self.arm(key, Timer::Request(key), self.config.request_timeout_ms);
            }
            Sink::Host { credit_bytes } => {
                *credit_bytes -= data.len();
                let is_awaited = *credit_bytes > 0;
                let data = data.to_vec();
                self.push_event(Event::RequestBody { request, data });
                if is_awaited {
                    self.arm(key, Timer::Request(key), self.config.request_timeout_ms);
                } else {
                    // The host holds the sender back, which therefore is not late.
                    self.disarm(key);
                }
            }
            Sink::Admission(_) => {}
        }
    }

    fn body_end(&mut self, key: Key) {
        self.disarm(key);
        let Some(request) = self.request_id(key) else {
            return;
        };
        let Some(exchange) = self.connections.get_mut(key).and_then(Connection::exchange) else {
            return;
        };
        exchange.body = None;
        match &mut exchange.sink {
            Sink::Host { .. } => self.push_event(Event::RequestBodyEnd { request }),
            Sink::Post { is_complete, .. } => {
                *is_complete = true;
                self.continue_post(key);
            }
            Sink::Discard { .. } | Sink::Poll { .. } | Sink::Admission(_) => {}
        }
        self.end_exchange(key);
    }

    /// The framing of a body is broken: nobody knows where the next request would begin. A request that has its answer gets no
    /// second one, which its sender would take for that of the next.
    fn body_failed(&mut self, key: Key, refusal: Refusal) {
        if self.is_answered(key) {
            return self.finish(key);
        }
        self.detach(key);
        self.answer_finally(key, Response::from(refusal));
    }

    /// Whether the request under way on a connection has its answer.
    fn is_answered(&mut self, key: Key) -> bool {
        let exchange = self.connections.get_mut(key).and_then(Connection::exchange);
        exchange.is_some_and(|exchange| exchange.is_answered)
    }

    /// Begins an exchange for a request whose answer is still to come.
    pub(super) fn begin_exchange(
        &mut self,
        key: Key,
        head: &Head<'_>,
        sink: Sink,
        options: HeadOptions,
    ) {
        let body = BodyDecoder::new(head.framing);
        let body = if body.is_done() { None } else { Some(body) };
        if body.is_some() && !matches!(sink, Sink::Host { .. }) {
            self.arm(key, Timer::Request(key), self.config.request_timeout_ms);
        }
        if let Some(http) = self.http(key) {
            http.exchange = Some(Box::new(Exchange {
                body,
                sink,
                is_answered: false,
                options,
                expects_continue: head.expect_continue,
                extra_fields: Vec::new(),
                #[cfg(feature = "compression")]
                coding: None,
            }));
        }
    }

    /// Asks for the body where the peer waits to be asked.
    pub(super) fn send_continue(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            if let Some(exchange) = connection.exchange() {
                if std::mem::take(&mut exchange.expects_continue) {
                    connection.outbox.push(Chunk::Static(CONTINUE));
                    self.output_due(key);
                }
            }
        }
    }

    /// Answers the request under way on a connection.
    pub(super) fn answer(&mut self, key: Key, mut response: Response) {
        let max_discarded_bytes = self.config.max_discarded_bytes;
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let is_last = connection.is_read_closed || self.is_shutting_down;
        let is_open = connection.phase == Phase::Open;
        let Some(exchange) = connection.exchange() else {
            return;
        };
        debug_assert!(
            is_open && !exchange.is_answered,
            "a request is answered once, and before its connection ends"
        );
        if !is_open || exchange.is_answered {
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
        push_response(connection, response, options);
        self.output_due(key);
        if !options.keep_alive {
            self.finish(key);
        } else {
            if has_body {
                self.arm(key, Timer::Request(key), self.config.request_timeout_ms);
            }
            self.end_exchange(key);
        }
    }

    /// Answers outside of any exchange, and ends the connection.
    pub(super) fn answer_finally(&mut self, key: Key, response: Response) {
        let options = HeadOptions {
            keep_alive: false,
            head_request: false,
            http10: false,
        };
        let open = |connection: &&mut Connection| connection.phase == Phase::Open;
        if let Some(connection) = self.connections.get_mut(key).filter(open) {
            push_response(connection, response, options);
            self.finish(key);
        }
    }

    /// Makes room for the next request once both the request and its answer are complete.
    pub(super) fn end_exchange(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.phase != Phase::Open {
            return;
        }
        match connection.exchange() {
            Some(exchange) if exchange.is_answered && exchange.body.is_none() => {}
            _ => return,
        }
        if let Protocol::Http(http) = &mut connection.protocol {
            http.exchange = None;
        }
        self.await_request(key);
        self.input_wanted(key);
    }

    /// Input of this connection can be handled again: goes on with it if some was turned away or kept meanwhile.
    pub(super) fn input_wanted(&mut self, key: Key) {
        let has_unread = |connection: &Connection| !connection.unread.is_empty();
        let has_unread = self.connections.get(key).is_some_and(has_unread);
        if has_unread || self.ready.is_readable(key) {
            self.input_due(key);
        }
    }

    /// Ends a connection when all that waits for it has been written.
    pub(super) fn finish(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            if connection.phase != Phase::Open {
                return;
            }
            connection.phase = Phase::Finishing;
            connection.unread = Unread::default();
            // Also bounds how long a peer that does not read can keep what waits for it.
            self.arm(key, Timer::Linger(key), self.config.request_timeout_ms);
            self.output_due(key);
        }
    }

    /// Input has come in on a connection that has been answered for the last time, and is thrown away. A peer that goes on
    /// sending after as much as may still have been under way is not reading the answer.
    pub(super) fn linger(&mut self, key: Key, bytes: usize) {
        let max_bytes = self.config.max_linger_bytes;
        let is_too_much =
            |connection: &mut Connection| connection.count_lingered(bytes) > max_bytes;
        if self.connections.get_mut(key).is_some_and(is_too_much) {
            self.hang_up(key);
        }
    }

    /// The head or a piece of the body has not come in time.
    pub(super) fn request_timed_out(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.timer = None;
        let has_begun = !connection.unread.is_empty() || connection.exchange().is_some();
        let is_answered = self.is_answered(key);
        self.detach(key);
        if has_begun && !is_answered {
            let response = Response::text(408, "The request did not arrive in time.");
            self.answer_finally(key, response);
        } else {
            self.close_now(key);
        }
    }

    /// Whether the peer's closed side leaves a request that will be answered without further input.
    pub(super) fn awaits_answer(&mut self, key: Key) -> bool {
        let exchange = self.connections.get_mut(key).and_then(Connection::exchange);
        exchange.is_some_and(|exchange| {
            let is_answerable = match &exchange.sink {
                Sink::Host { .. } => true,
                Sink::Post { is_complete, .. } => *is_complete,
                Sink::Poll { .. } | Sink::Discard { .. } | Sink::Admission(_) => false,
            };
            is_answerable && exchange.body.is_none() && !exchange.is_answered
        })
    }

    /// Part of [`Endpoint::check_invariants`]: without a timer, an open connection waits for somebody who knows of it.
    pub(super) fn check_exchange(&self, key: Key, connection: &Connection) {
        let Protocol::Http(http) = &connection.protocol else {
            return;
        };
        if connection.phase != Phase::Open || connection.timer.is_some() {
            return;
        }
        let exchange = http.exchange.as_deref();
        let exchange = exchange.expect("what is awaited of a peer has its time");
        assert!(!exchange.is_answered);
        match exchange.sink {
            Sink::Discard { .. } => panic!("such a request is answered at once"),
            Sink::Admission(_) => panic!("such a decision has its time"),
            Sink::Host { .. } => {}
            Sink::Post { is_complete, .. } => assert!(is_complete && self.ready.is_listed(key)),
            Sink::Poll { session, .. } => {
                let peer = self.sessions.get(session).expect("polls end with sessions");
                assert!(peer.session.uses(key), "and sessions know of their polls");
            }
        }
    }

    pub(super) fn request_id(&self, connection: Key) -> Option<RequestId> {
        match &self.connections.get(connection)?.protocol {
            Protocol::Http(http) => Some(RequestId {
                connection,
                serial: http.serial,
            }),
            Protocol::WebSocket(_) => None,
        }
    }

    fn http(&mut self, key: Key) -> Option<&mut Http> {
        match &mut self.connections.get_mut(key)?.protocol {
            Protocol::Http(http) => Some(http),
            Protocol::WebSocket(_) => None,
        }
    }
}

/// Appends an answer to what waits for a connection: one buffer where the body is small, two where copying would cost.
fn push_response(connection: &mut Connection, response: Response, options: HeadOptions) {
    const COPIED_BYTES: usize = 4096;
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
    if body.len() <= COPIED_BYTES {
        head.extend_from_slice(&body);
        connection.outbox.push(Chunk::Owned(head));
        return;
    }
    connection.outbox.push(Chunk::Owned(head));
    connection.outbox.push(match body {
        ResponseBody::Static(bytes) => Chunk::Static(bytes),
        ResponseBody::Owned(bytes) => Chunk::Owned(bytes),
        ResponseBody::Shared(bytes) => Chunk::Shared(bytes),
    });
}
