//! The life of an Engine.IO session: opening, sending and receiving, upgrade, end.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::door::Admitted;
use super::{Ending, Endpoint, Event, Peer, Queued, SessionId};
use crate::connection::{Connection, Phase, Protocol, Sink};
use crate::engine::{
    encode_as_text, EngineError, HandshakeDetails, Heartbeat, Packet, PacketAction, Revision,
    Session, Transport,
};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::Response;
use crate::id::{IdText, Secret};
use crate::outbox::{Chunk, Due, PLACE_BYTES};
use crate::ready::cost;
use crate::slots::Key;
use crate::socket::Client;
use crate::timer::Timer;

/// What a new session begins with.
pub(super) struct Opening<'a> {
    pub transport: Transport,
    pub revision: Revision,
    /// Whether its client reads binary messages as such.
    pub reads_binary: bool,
    pub address: SocketAddr,
    pub query: &'a str,
    pub details: Option<Box<HandshakeDetails>>,
    pub admitted: Admitted,
}

impl Endpoint {
    pub(super) fn open_session(&mut self, opening: Opening<'_>) -> Key {
        let now_ms = self.now.mono_ms;
        let ping_at_ms = now_ms.saturating_add(self.config.ping_interval_ms);
        let silent_until_ms = ping_at_ms.saturating_add(self.config.ping_timeout_ms);
        let connect_by_ms = now_ms.saturating_add(self.config.connect_timeout_ms);
        let secret = Secret::draw(&mut *self.environment.random);
        let wheel = &mut self.wheel;
        let has_namespaces = self.config.socket_io;
        let key = self.sessions.insert_with(|key| {
            let (heartbeat, heartbeat_timer) = match opening.revision {
                Revision::V4 => (
                    Heartbeat::PingAt(ping_at_ms),
                    wheel.insert(ping_at_ms, Timer::Ping(key)),
                ),
                // Its client sends the pings; what is awaited is the next of them.
                Revision::V3 => (
                    Heartbeat::PongBy(silent_until_ms),
                    wheel.insert(silent_until_ms, Timer::Pong(key)),
                ),
            };
            Peer {
                session: Session {
                    secret,
                    revision: opening.revision,
                    reads_binary: opening.reads_binary,
                    transport: opening.transport,
                    upgrade: None,
                    heartbeat,
                    heartbeat_timer,
                    connect_timer: has_namespaces
                        .then(|| wheel.insert(connect_by_ms, Timer::Connect(key))),
                    queue: VecDeque::new(),
                    queued_bytes: 0,
                    is_closing: false,
                    flush_due: Due::No,
                    query: opening.query.into(),
                    details: opening.details,
                },
                client: Client::default(),
                address: opening.address,
                admitted: opening.admitted,
                is_ending: false,
            }
        });
        if !self.config.socket_io {
            self.push_event(Event::EngineOpened {
                session: SessionId(key),
            });
        }
        key
    }

    /// The id of a session as its client knows it.
    pub(super) fn session_id(&self, session: Key) -> Option<IdText> {
        let peer = self.sessions.get(session)?;
        Some(peer.session.secret.id(session.index))
    }

    /// The open packet of a session.
    pub(super) fn handshake(&self, session: Key, upgrades: &str) -> String {
        let sid = self
            .session_id(session)
            .expect("the session was just opened");
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
        let bytes = frame.payload().len();
        self.ready.charge(cost::SEND + bytes / cost::COPIES);
        let waiting_bytes = match session.transport {
            Transport::WebSocket(connection) => {
                let frame = for_websocket(session, frame);
                self.send_raw(connection, frame);
                self.connections
                    .get(connection)
                    .map_or(0, |c| c.outbox.held_bytes())
            }
            Transport::Polling { poll, .. } => {
                session.queued_bytes += frame.payload().len();
                session.queue.push_back(frame);
                let held_bytes = session.queued_bytes + session.queue.len() * PLACE_BYTES;
                if poll.is_some() {
                    self.flush_due(key);
                }
                held_bytes
            }
        };
        self.check_queue(key, waiting_bytes)
    }

    /// Ends a session for which too much waits. True when that is not so.
    pub(super) fn check_queue(&mut self, key: Key, waiting_bytes: usize) -> bool {
        let has_room = waiting_bytes <= self.config.max_queued_bytes;
        if !has_room {
            self.end_now(key, Ending::Drop(DisconnectReason::TransportError));
        }
        has_room
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

    /// A packet has come in on the session's transport.
    pub(super) fn packet(&mut self, key: Key, packet: Option<Packet<'_>>) {
        let Some(peer) = self.sessions.get(key).filter(|peer| peer.takes_input()) else {
            return;
        };
        match peer.session.receive(packet) {
            PacketAction::Ignore => {}
            PacketAction::Alive => self.rearm_ping(key),
            PacketAction::AnswerPing(data) => self.answer_ping(key, data),
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
            self.binary_part(key, message);
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
            // A session that closes already does not begin to close, and must not miss its true end for it.
            let is_closing = peer.session.is_closing && matches!(ending, Ending::Flush(_));
            if !peer.is_ending && !is_closing {
                peer.is_ending = true;
                self.abandon(key);
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
                self.answer_poll(key, "1");
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
            (Transport::Polling { .. }, Ending::Asked) => self.answer_poll(key, "6"),
            (Transport::Polling { .. }, _) => self.answer_poll(key, "1"),
        }
        self.remove_session(key);
    }

    /// Lets a polling client fetch what is queued for it, and the close packet behind that.
    fn close_after_queue(&mut self, key: Key) {
        self.abandon_upgrade(key);
        let by_ms = self.now.mono_ms.saturating_add(self.config.ping_timeout_ms);
        let Some(peer) = self.sessions.get_mut(key) else {
            return;
        };
        // Where its end had to wait in the queue of events, it does so no more: there may be a second one, by the timer.
        peer.is_ending = false;
        let session = &mut peer.session;
        session.is_closing = true;
        // A client that polls no more is forgotten like one that pongs no more.
        self.wheel.cancel(session.heartbeat_timer);
        session.heartbeat = Heartbeat::PongBy(by_ms);
        session.heartbeat_timer = self.wheel.insert(by_ms, Timer::Pong(key));
        let has_poll = matches!(session.transport, Transport::Polling { poll: Some(_), .. });
        if has_poll {
            self.flush_due(key);
        }
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
        self.answer_poll(key, "6");
        let Some(Peer { session, .. }) = self.sessions.get_mut(key) else {
            return;
        };
        if let Some(upgrade) = session.upgrade.take() {
            self.wheel.cancel(upgrade.timer);
            session.reads_binary = upgrade.reads_binary;
        }
        session.transport = Transport::WebSocket(websocket);
        session.queued_bytes = 0;
        let queue = std::mem::take(&mut session.queue);
        if let Some(connection) = self.connections.get_mut(websocket) {
            for frame in queue {
                let frame = for_websocket(session, frame);
                connection.outbox.push(Chunk::Frame(frame));
            }
            self.output_due(websocket);
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
                    // The host finds its ticket stale.
                    Sink::Admission(_) => exchange.is_answered = true,
                    Sink::Host { .. } => {
                        exchange.is_answered = true;
                        let request = super::RequestId {
                            connection: key,
                            serial,
                        };
                        self.push_event(Event::RequestAborted { request });
                    }
                    Sink::Poll { session, .. } | Sink::Post { session, .. } => {
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
    pub(super) fn remove_session(&mut self, key: Key) {
        self.abandon_upgrade(key);
        let Some(peer) = self.sessions.remove(key) else {
            return;
        };
        self.forget_news(&peer);
        let session = peer.session;
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

    /// Gives up on what a client that is about to go has begun: it is let in nowhere any more, and no packet of it is completed.
    fn abandon(&mut self, key: Key) {
        if let Some(peer) = self.sessions.get_mut(key) {
            if let Some(timer) = peer.client.drop_packet() {
                self.wheel.cancel(timer);
            }
            let joins = peer.client.abandon_joins();
            self.abandon_joins(joins);
        }
    }

    fn leave_all(&mut self, key: Key, reason: DisconnectReason) {
        let Some(peer) = self.sessions.get_mut(key) else {
            return;
        };
        let sockets = peer.client.take_sockets();
        self.abandon(key);
        for socket in sockets {
            self.lose_socket(socket, reason);
        }
        if !self.config.socket_io {
            let session = SessionId(key);
            self.push_event(Event::EngineClosed { session, reason });
        }
    }
}

/// A frame as the client of a session reads it on a WebSocket: in revision 3 binary messages have a type byte too, and there are
/// clients that want them as text.
pub(super) fn for_websocket(session: &Session, frame: Frame) -> Frame {
    match (frame.is_binary(), session.revision) {
        (false, _) => frame,
        (true, revision) if !session.reads_binary => encode_as_text(&frame, revision),
        (true, Revision::V4) => frame,
        (true, Revision::V3) => Frame::binary(&[&[4], frame.payload()].concat()),
    }
}

impl Peer {
    /// The WebSocket that carries it, if one does.
    pub(super) fn websocket(&self) -> Option<Key> {
        match self.session.transport {
            Transport::WebSocket(connection) if !self.session.is_closing => Some(connection),
            _ => None,
        }
    }

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
        let is_end = |queued: &Queued| matches!(queued, Queued::End(session, _) if *session == key);
        assert!(!self.is_ending || endpoint.events.iter().any(is_end));
        for socket in self.client.sockets() {
            let socket = endpoint
                .sockets
                .get(socket)
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
