//! The life of an Engine.IO session: opening, sending, polls and posts, heartbeat, end.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::requests::poll_response;
use super::{Ending, Endpoint, Event, Peer, Queued, SessionId};
use crate::connection::{Connection, Phase, Protocol, Sink};
use crate::engine::{
    decode_payload, encode_payload, EngineError, Heartbeat, Packet, PacketAction, Part, Session,
    Transport,
};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::Response;
use crate::id::Secret;
use crate::outbox::Chunk;
use crate::slots::Key;
use crate::socket::Client;
use crate::timer::Timer;

impl Endpoint {
    pub(super) fn open_session(
        &mut self,
        transport: Transport,
        address: SocketAddr,
        query: &str,
    ) -> Key {
        let now_ms = self.now.mono_ms;
        let ping_at_ms = now_ms.saturating_add(self.config.ping_interval_ms);
        let connect_by_ms = now_ms.saturating_add(self.config.connect_timeout_ms);
        let secret = Secret::draw(&mut *self.environment.random);
        let wheel = &mut self.wheel;
        let has_namespaces = self.config.socket_io;
        let key = self.sessions.insert_with(|key| Peer {
            session: Session {
                secret,
                transport,
                upgrade: None,
                heartbeat: Heartbeat::PingAt(ping_at_ms),
                heartbeat_timer: wheel.insert(ping_at_ms, Timer::Ping(key)),
                connect_timer: has_namespaces
                    .then(|| wheel.insert(connect_by_ms, Timer::Connect(key))),
                queue: VecDeque::new(),
                queued_bytes: 0,
                is_closing: false,
                is_flush_due: false,
                query: query.into(),
            },
            client: Client::default(),
            address,
            is_ending: false,
        });
        if !self.config.socket_io {
            self.push_event(Event::EngineOpened {
                session: SessionId(key),
            });
        }
        key
    }

    /// The open packet of a session.
    pub(super) fn handshake(&self, session: Key, upgrades: &str) -> String {
        let secret = self.sessions.get(session).map(|peer| peer.session.secret);
        let sid = secret
            .expect("the session was just opened")
            .id(session.index);
        format!(
            "0{{\"sid\":\"{sid}\",\"upgrades\":{upgrades},\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":{}}}",
            self.config.ping_interval_ms, self.config.ping_timeout_ms, self.config.max_payload_bytes
        )
    }

    /// Sends a packet on whatever transport the session has. False when there is no such session.
    pub(super) fn send(&mut self, key: Key, frame: Frame) -> bool {
        let Some(Peer { session, .. }) = self.sessions.get_mut(key) else {
            return false;
        };
        if session.is_closing {
            return false;
        }
        let waiting_bytes = match session.transport {
            Transport::WebSocket(connection) => {
                self.send_raw(connection, frame);
                self.connections
                    .get(connection)
                    .map_or(0, |c| c.outbox.bytes())
            }
            Transport::Polling { poll, .. } => {
                session.queued_bytes += frame.payload().len();
                session.queue.push_back(frame);
                if poll.is_some() && !session.is_flush_due {
                    session.is_flush_due = true;
                    self.flush_due.push(key);
                }
                session.queued_bytes
            }
        };
        if waiting_bytes > self.config.max_queued_bytes {
            self.end_now(key, Ending::Drop(DisconnectReason::TransportError));
            return false;
        }
        true
    }

    /// Whether a packet sent now would go out at once.
    pub(super) fn is_writable(&self, key: Key) -> bool {
        self.sessions.get(key).is_some_and(|Peer { session, .. }| {
            let is_outbox_empty = match session.transport {
                Transport::WebSocket(connection) => !self.has_output(connection),
                Transport::Polling { .. } => false,
            };
            !session.is_closing && session.is_writable(is_outbox_empty)
        })
    }

    /// Answers the waiting poll of a session with what is queued.
    pub(super) fn flush_poll(&mut self, key: Key) {
        let max_packets = self.config.max_packets_per_poll;
        let Some(Peer { session, .. }) = self.sessions.get_mut(key) else {
            return;
        };
        session.is_flush_due = false;
        let Transport::Polling { poll, .. } = &mut session.transport else {
            return;
        };
        if session.queue.is_empty() && !session.is_closing {
            return;
        }
        let Some(connection) = poll.take() else {
            return;
        };
        let mut payload = Vec::with_capacity(session.queued_bytes.min(64 * 1024) + 64);
        let count = session.queue.len().min(max_packets);
        for frame in session.queue.drain(..count) {
            session.queued_bytes -= frame.payload().len();
            encode_payload(&mut payload, &frame);
        }
        if session.queue.is_empty() {
            session.queue = VecDeque::new();
        }
        // The close packet goes alone: the JavaScript client handles it before the packets in front of it, which would
        // then look like a connection that was lost.
        let is_last = session.is_closing && count == 0;
        if is_last {
            encode_payload(&mut payload, &Frame::text("1"));
        }
        self.answer_engine(connection, poll_response(payload));
        if is_last {
            self.remove_session(key);
        }
    }

    /// Handles the packets of a `POST` as far as the host's queue of events has room.
    pub(super) fn continue_post(&mut self, key: Key) {
        let Some(exchange) = self.connections.get_mut(key).and_then(Connection::exchange) else {
            return;
        };
        let Sink::Post {
            session,
            payload,
            at,
            ..
        } = &mut exchange.sink
        else {
            return;
        };
        let (session, payload, mut at) = (*session, std::mem::take(payload), *at);
        let is_on_polling = |peer: &Peer| {
            peer.takes_input() && matches!(peer.session.transport, Transport::Polling { .. })
        };
        if !self.sessions.get(session).is_some_and(is_on_polling) {
            return self.answer_error(key, EngineError::BadRequest);
        }
        let is_valid = match std::str::from_utf8(&payload) {
            Err(_) => {
                self.end(session, Ending::Drop(DisconnectReason::ParseError));
                false
            }
            Ok(text) => loop {
                if self.events.len() >= self.config.max_pending_events {
                    return self.pause_post(key, payload, at);
                }
                let (part, rest) = decode_payload(&text[at..]);
                let is_valid = self.post_part(session, part);
                let is_alive = self.sessions.get(session).is_some_and(Peer::takes_input);
                match rest {
                    Some(rest) if is_valid && is_alive => at = text.len() - rest.len(),
                    _ => break is_valid,
                }
            },
        };
        if let Some(Peer { session, .. }) = self.sessions.get_mut(session) {
            if let Transport::Polling { post, .. } = &mut session.transport {
                *post = None;
            }
        }
        if is_valid {
            self.answer_engine(key, Response::new(200, "text/html", &b"ok"[..]));
        } else {
            self.answer_error(key, EngineError::BadRequest);
        }
    }

    fn pause_post(&mut self, key: Key, rest: Vec<u8>, done: usize) {
        if let Some(exchange) = self.connections.get_mut(key).and_then(Connection::exchange) {
            if let Sink::Post { payload, at, .. } = &mut exchange.sink {
                *payload = rest;
                *at = done;
            }
        }
        self.input_due(key);
    }

    /// One packet of a `POST`; false when it is none.
    fn post_part(&mut self, session: Key, part: Part<'_>) -> bool {
        match part {
            Part::Text(text) => {
                let packet = Packet::decode(text);
                self.packet(session, packet);
                packet.is_some()
            }
            Part::Binary(bytes) => {
                self.binary_message(session, &bytes);
                true
            }
            Part::Damaged => {
                self.end(session, Ending::Drop(DisconnectReason::ParseError));
                false
            }
        }
    }

    /// A `POST` has turned out to be larger than allowed.
    pub(super) fn post_too_large(&mut self, key: Key, session: Key) {
        self.answer(key, Response::empty(413));
        self.end(session, Ending::Drop(DisconnectReason::TransportError));
        self.finish(key);
    }

    /// A packet has come in on the session's transport.
    pub(super) fn packet(&mut self, key: Key, packet: Option<Packet<'_>>) {
        let Some(peer) = self.sessions.get(key).filter(|peer| peer.takes_input()) else {
            return;
        };
        match peer.session.receive(packet) {
            PacketAction::Ignore => {}
            PacketAction::Alive => self.rearm_ping(key),
            PacketAction::Message(text) if self.config.socket_io => self.text_message(key, text),
            PacketAction::Message(text) => self.push_event(Event::EngineMessage {
                session: SessionId(key),
                message: Frame::text(text),
            }),
            PacketAction::Asked => self.end(key, Ending::Asked),
            PacketAction::Close(reason) => self.end(key, Ending::Drop(reason)),
        }
    }

    /// A binary message has come in on the session's transport.
    pub(super) fn binary_message(&mut self, key: Key, bytes: &[u8]) {
        if !self.sessions.get(key).is_some_and(Peer::takes_input) {
            return;
        }
        let message = self.frames.binary(|out| out.extend_from_slice(bytes));
        if self.config.socket_io {
            self.attachment(key, message);
        } else {
            let session = SessionId(key);
            self.push_event(Event::EngineMessage { session, message });
        }
    }

    /// Ends a session, once the host has handled what came from it before.
    pub(super) fn end(&mut self, key: Key, ending: Ending) {
        if self.events.is_empty() {
            return self.end_now(key, ending);
        }
        if let Some(peer) = self.sessions.get_mut(key) {
            if !peer.is_ending {
                peer.is_ending = true;
                self.events.push_back(Queued::End(key, ending));
            }
        }
    }

    /// Ends a session.
    pub(super) fn end_now(&mut self, key: Key, ending: Ending) {
        let Some(Peer { session, .. }) = self.sessions.get(key) else {
            return;
        };
        let transport = session.transport;
        if session.is_closing {
            if !matches!(ending, Ending::Flush(_)) {
                self.answer_poll(key, b"1");
                self.remove_session(key);
            }
            return;
        }
        self.leave_all(key, ending.reason());
        match (transport, ending) {
            (Transport::WebSocket(connection), Ending::Failed(code)) => {
                self.close_websocket(connection, Some(code))
            }
            (Transport::WebSocket(connection), _) => self.close_websocket(connection, None),
            (Transport::Polling { .. }, Ending::Flush(_)) => return self.close_after_queue(key),
            (Transport::Polling { .. }, Ending::Asked) => self.answer_poll(key, b"6"),
            (Transport::Polling { .. }, _) => self.answer_poll(key, b"1"),
        }
        self.remove_session(key);
    }

    /// Lets a polling client fetch what is queued for it, and the close packet behind that.
    fn close_after_queue(&mut self, key: Key) {
        self.abandon_upgrade(key);
        let by_ms = self.now.mono_ms.saturating_add(self.config.ping_timeout_ms);
        let Some(Peer { session, .. }) = self.sessions.get_mut(key) else {
            return;
        };
        session.is_closing = true;
        // A client that polls no more is forgotten like one that pongs no more.
        self.wheel.cancel(session.heartbeat_timer);
        session.heartbeat = Heartbeat::PongBy(by_ms);
        session.heartbeat_timer = self.wheel.insert(by_ms, Timer::Pong(key));
        let has_poll = matches!(session.transport, Transport::Polling { poll: Some(_), .. });
        if has_poll && !session.is_flush_due {
            session.is_flush_due = true;
            self.flush_due.push(key);
        }
    }

    /// The session's time to send a ping has come.
    pub(super) fn ping(&mut self, key: Key, scheduled_ms: u64) {
        let now_ms = self.now.mono_ms;
        let ping_timeout_ms = self.config.ping_timeout_ms;
        let ping = self.ping.clone();
        if !self.send(key, ping) {
            return;
        }
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            let by_ms = Session::pong_deadline(scheduled_ms, now_ms, ping_timeout_ms);
            session.heartbeat = Heartbeat::PongBy(by_ms);
            session.heartbeat_timer = self.wheel.insert(by_ms, Timer::Pong(key));
        }
    }

    fn rearm_ping(&mut self, key: Key) {
        let at_ms = self
            .now
            .mono_ms
            .saturating_add(self.config.ping_interval_ms);
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            self.wheel.cancel(session.heartbeat_timer);
            session.heartbeat = Heartbeat::PingAt(at_ms);
            session.heartbeat_timer = self.wheel.insert(at_ms, Timer::Ping(key));
        }
    }

    pub(super) fn pong_timed_out(&mut self, key: Key) {
        self.end(key, Ending::Drop(DisconnectReason::PingTimeout));
    }

    pub(super) fn connect_timed_out(&mut self, key: Key) {
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            session.connect_timer = None;
        }
        self.end(key, Ending::Flush(DisconnectReason::ForcedClose));
    }

    /// Drops the WebSocket of an unfinished upgrade; the session goes on by polling.
    pub(super) fn abandon_upgrade(&mut self, key: Key) {
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            if let Some(upgrade) = session.upgrade.take() {
                self.wheel.cancel(upgrade.timer);
                self.close_websocket(upgrade.connection, None);
            }
        }
    }

    /// The WebSocket of an upgrade takes over.
    pub(super) fn complete_upgrade(&mut self, key: Key, websocket: Key) {
        self.answer_poll(key, b"6");
        let Some(Peer { session, .. }) = self.sessions.get_mut(key) else {
            return;
        };
        if let Some(upgrade) = session.upgrade.take() {
            self.wheel.cancel(upgrade.timer);
        }
        session.transport = Transport::WebSocket(websocket);
        session.queued_bytes = 0;
        let queue = std::mem::take(&mut session.queue);
        if let Some(connection) = self.connections.get_mut(websocket) {
            for frame in queue {
                connection.outbox.push(Chunk::Frame(frame));
            }
            self.output_due(websocket);
        }
    }

    /// Answers the waiting poll, if there is one, with this packet alone.
    pub(super) fn answer_poll(&mut self, key: Key, packet: &[u8]) {
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            if let Transport::Polling { poll, .. } = &mut session.transport {
                if let Some(connection) = poll.take() {
                    self.answer_engine(connection, poll_response(packet.to_vec()));
                }
            }
        }
    }

    /// Cuts every tie between a connection that ends and what it was used for.
    pub(super) fn detach(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.phase != Phase::Open {
            return;
        }
        match &mut connection.protocol {
            Protocol::WebSocket(websocket) => {
                let session = websocket.session;
                self.websocket_gone(session, key);
            }
            Protocol::Http(http) => {
                let serial = http.serial;
                let Some(exchange) = http
                    .exchange
                    .as_deref_mut()
                    .filter(|exchange| !exchange.is_answered)
                else {
                    return;
                };
                match exchange.sink {
                    Sink::Discard { .. } => {}
                    Sink::Host { .. } => {
                        exchange.is_answered = true;
                        let request = super::RequestId {
                            connection: key,
                            serial,
                        };
                        self.push_event(Event::RequestAborted { request });
                    }
                    Sink::Poll { session } | Sink::Post { session, .. } => {
                        exchange.is_answered = true;
                        self.polling_gone(session, key);
                    }
                }
            }
        }
    }

    /// A poll or a post of a session has been cut.
    fn polling_gone(&mut self, session: Key, connection: Key) {
        let Some(peer) = self.sessions.get_mut(session) else {
            return;
        };
        if let Transport::Polling { poll, post } = &mut peer.session.transport {
            if *poll == Some(connection) {
                *poll = None;
            } else if *post == Some(connection) {
                *post = None;
            } else {
                return;
            }
            self.end(session, Ending::Drop(DisconnectReason::TransportError));
        }
    }

    /// The last trace of a session.
    fn remove_session(&mut self, key: Key) {
        self.abandon_upgrade(key);
        let Some(Peer { session, .. }) = self.sessions.remove(key) else {
            return;
        };
        self.wheel.cancel(session.heartbeat_timer);
        if let Some(timer) = session.connect_timer {
            self.wheel.cancel(timer);
        }
        if let Transport::Polling {
            post: Some(post), ..
        } = session.transport
        {
            // Whatever is still coming in is for nobody.
            let is_incomplete = |connection: &mut Connection| {
                connection
                    .exchange()
                    .is_some_and(|exchange| exchange.body.is_some() && !exchange.is_answered)
            };
            if self.connections.get_mut(post).is_some_and(is_incomplete) {
                self.answer(
                    post,
                    Response::json(400, EngineError::UnknownSession.body()),
                );
                self.finish(post);
            }
        }
    }

    fn leave_all(&mut self, key: Key, reason: DisconnectReason) {
        let Some(peer) = self.sessions.get_mut(key) else {
            return;
        };
        peer.client.pending = None;
        let sockets = std::mem::take(&mut peer.client.sockets);
        for socket in sockets {
            self.forget_socket(socket, reason);
        }
        if !self.config.socket_io {
            let session = SessionId(key);
            self.push_event(Event::EngineClosed { session, reason });
        }
    }
}

impl Peer {
    /// Whether packets from its client still count.
    pub(super) fn takes_input(&self) -> bool {
        !self.is_ending && !self.session.is_closing
    }

    /// Part of [`Endpoint::check_invariants`].
    pub(super) fn check(&self, key: Key, endpoint: &Endpoint) {
        let Session {
            queue,
            queued_bytes,
            ..
        } = &self.session;
        let sum: usize = queue.iter().map(|frame| frame.payload().len()).sum();
        assert_eq!(sum, *queued_bytes);
        for socket in &self.client.sockets {
            let socket = endpoint
                .sockets
                .get(*socket)
                .expect("a client's sockets are connected");
            assert_eq!(socket.session, key);
        }
        match self.session.transport {
            Transport::WebSocket(connection) => {
                assert!(queue.is_empty(), "a WebSocket's packets wait in its outbox");
                assert!(self.is_ending || endpoint.connections.get(connection).is_some());
            }
            Transport::Polling { poll, post } => {
                for connection in poll.into_iter().chain(post) {
                    assert!(endpoint.connections.get(connection).is_some());
                }
            }
        }
    }
}
