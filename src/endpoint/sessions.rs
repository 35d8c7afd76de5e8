//! The life of an Engine.IO session: opening, sending, polls and posts, heartbeat, end.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::{Ending, Endpoint, Event, Peer, Queued, SessionId};
use crate::connection::{Connection, Phase, Protocol, Sink};
use crate::engine::{
    decode_payload, encode_payload, payload3, EngineError, Heartbeat, Packet, PacketAction, Part,
    Revision, Session, Transport,
};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::Response;
use crate::id::{IdText, Secret};
use crate::outbox::Chunk;
use crate::slots::Key;
use crate::socket::Client;
use crate::timer::Timer;

/// What a new session begins with.
pub(super) struct Opening<'a> {
    pub transport: Transport,
    pub revision: Revision,
    /// Of revision 3: whether answers to polls may be binary.
    pub reads_octets: bool,
    pub address: SocketAddr,
    pub query: &'a str,
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
                    reads_octets: opening.reads_octets,
                    transport: opening.transport,
                    upgrade: None,
                    heartbeat,
                    heartbeat_timer,
                    connect_timer: has_namespaces
                        .then(|| wheel.insert(connect_by_ms, Timer::Connect(key))),
                    queue: VecDeque::new(),
                    queued_bytes: 0,
                    is_closing: false,
                    is_flush_due: false,
                    query: opening.query.into(),
                },
                client: Client::default(),
                address: opening.address,
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
                let frame = for_websocket(session.revision, frame);
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
        let count = session.queue.len().min(max_packets);
        let mut frames: Vec<Frame> = session.queue.drain(..count).collect();
        let taken_bytes: usize = frames.iter().map(|frame| frame.payload().len()).sum();
        session.queued_bytes -= taken_bytes;
        if session.queue.is_empty() {
            session.queue = VecDeque::new();
        }
        // The close packet goes alone: the JavaScript client handles it before the packets in front of it, which would
        // then look like a connection that was lost.
        let is_last = session.is_closing && count == 0;
        if is_last {
            frames.push(Frame::text("1"));
        }
        let response = self.poll_response(key, &frames);
        self.answer_engine(connection, response);
        if is_last {
            self.remove_session(key);
        }
    }

    /// The answer to a poll, in the format of the session's protocol.
    pub(super) fn poll_response(&self, session: Key, frames: &[Frame]) -> Response {
        let session = self.sessions.get(session).map(|peer| &peer.session);
        let revision = session.map_or(Revision::V4, |session| session.revision);
        let reads_octets = session.is_some_and(|session| session.reads_octets);
        let bytes: usize = frames.iter().map(|frame| frame.payload().len()).sum();
        let mut payload = Vec::with_capacity(bytes + 8 * frames.len());
        let is_octets =
            revision == Revision::V3 && reads_octets && frames.iter().any(Frame::is_binary);
        let encode = match revision {
            Revision::V4 => encode_payload,
            Revision::V3 if is_octets => payload3::encode_octets,
            Revision::V3 => payload3::encode_text,
        };
        for frame in frames {
            encode(&mut payload, frame);
        }
        let content_type = if is_octets {
            "application/octet-stream"
        } else {
            "text/plain; charset=UTF-8"
        };
        Response::new(200, content_type, payload)
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
            is_octets,
            ..
        } = &mut exchange.sink
        else {
            return;
        };
        let (session, payload, mut at, is_octets) =
            (*session, std::mem::take(payload), *at, *is_octets);
        let is_on_polling = |peer: &Peer| {
            peer.takes_input() && matches!(peer.session.transport, Transport::Polling { .. })
        };
        if !self.sessions.get(session).is_some_and(is_on_polling) {
            self.end_post(session, key);
            return self.answer_error(key, EngineError::BadRequest);
        }
        let revision = self.sessions.get(session).map(|peer| peer.session.revision);
        let packets = match (is_octets, std::str::from_utf8(&payload)) {
            (true, _) => Some(Packets::Octets3(&payload)),
            (false, Ok(text)) if revision == Some(Revision::V3) => Some(Packets::Text3(text)),
            (false, Ok(text)) => Some(Packets::Text4(text)),
            (false, Err(_)) => None,
        };
        let is_valid = if let Some(packets) = packets {
            loop {
                if self.events.len() >= self.config.max_pending_events {
                    return self.pause_post(key, payload, at);
                }
                let (part, next) = packets.at(at);
                let is_valid = self.post_part(session, part);
                let is_alive = self.sessions.get(session).is_some_and(Peer::takes_input);
                match next {
                    Some(next) if is_valid && is_alive => at = next,
                    _ => break is_valid,
                }
            }
        } else {
            self.end(session, Ending::Drop(DisconnectReason::ParseError));
            false
        };
        self.end_post(session, key);
        if is_valid {
            self.answer_engine(key, Response::new(200, "text/html", &b"ok"[..]));
        } else {
            self.answer_error(key, EngineError::BadRequest);
        }
    }

    /// The session has nothing more to do with this `POST`: what comes next on its connection may be for somebody else.
    pub(super) fn end_post(&mut self, session: Key, connection: Key) {
        if let Some(Peer { session, .. }) = self.sessions.get_mut(session) {
            if let Transport::Polling { post, .. } = &mut session.transport {
                if *post == Some(connection) {
                    *post = None;
                }
            }
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
        self.note_heartbeat(key, false);
    }

    /// A ping of revision 3: its client is alive, and wants to hear that we are.
    fn answer_ping(&mut self, key: Key, data: &str) {
        let silent_ms = self
            .config
            .ping_interval_ms
            .saturating_add(self.config.ping_timeout_ms);
        let by_ms = self.now.mono_ms.saturating_add(silent_ms);
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            self.wheel.cancel(session.heartbeat_timer);
            session.heartbeat = Heartbeat::PongBy(by_ms);
            session.heartbeat_timer = self.wheel.insert(by_ms, Timer::Pong(key));
        }
        self.send(key, Frame::text(&format!("3{data}")));
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
        self.note_heartbeat(key, true);
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
        self.answer_poll(key, "6");
        let Some(Peer { session, .. }) = self.sessions.get_mut(key) else {
            return;
        };
        if let Some(upgrade) = session.upgrade.take() {
            self.wheel.cancel(upgrade.timer);
        }
        session.transport = Transport::WebSocket(websocket);
        let revision = session.revision;
        session.queued_bytes = 0;
        let queue = std::mem::take(&mut session.queue);
        if let Some(connection) = self.connections.get_mut(websocket) {
            for frame in queue {
                let frame = for_websocket(revision, frame);
                connection.outbox.push(Chunk::Frame(frame));
            }
            self.output_due(websocket);
        }
    }

    /// Answers the waiting poll, if there is one, with this packet alone.
    pub(super) fn answer_poll(&mut self, key: Key, packet: &str) {
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            if let Transport::Polling { poll, .. } = &mut session.transport {
                if let Some(connection) = poll.take() {
                    let response = self.poll_response(key, &[Frame::text(packet)]);
                    self.answer_engine(connection, response);
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
            self.lose_socket(socket, reason);
        }
        if !self.config.socket_io {
            let session = SessionId(key);
            self.push_event(Event::EngineClosed { session, reason });
        }
    }
}

/// A frame as clients of this revision read it on a WebSocket: in revision 3 binary messages have a type byte too.
fn for_websocket(revision: Revision, frame: Frame) -> Frame {
    if revision == Revision::V4 || !frame.is_binary() {
        return frame;
    }
    Frame::binary(&[&[4], frame.payload()].concat())
}

/// The body of a `POST`, in one of three formats.
enum Packets<'a> {
    Text4(&'a str),
    Text3(&'a str),
    Octets3(&'a [u8]),
}

impl<'a> Packets<'a> {
    /// The packet that begins at this byte, and where the next one begins.
    fn at(&self, at: usize) -> (Part<'a>, Option<usize>) {
        let (part, rest_bytes, all_bytes) = match self {
            Packets::Text4(text) => {
                let (part, rest) = decode_payload(&text[at..]);
                (part, rest.map(str::len), text.len())
            }
            Packets::Text3(text) => {
                let (part, rest) = payload3::decode_text(&text[at..]);
                (part, rest.map(str::len), text.len())
            }
            Packets::Octets3(octets) => {
                let (part, rest) = payload3::decode_octets(&octets[at..]);
                (part, rest.map(<[u8]>::len), octets.len())
            }
        };
        (part, rest_bytes.map(|rest_bytes| all_bytes - rest_bytes))
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
        let is_end = |queued: &Queued| matches!(queued, Queued::End(session, _) if *session == key);
        assert!(!self.is_ending || endpoint.events.iter().any(is_end));
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
