//! The life of an Engine.IO session: opening, sending and receiving, upgrade, end.

use super::events::{Departure, Ending, Queued};
use super::{Endpoint, Event, Limit};
use crate::engine::{
    Allowance, EngineError, Opening, Packet, PacketAction, Transport, CLOSE, NOOP,
};
use crate::error::DisconnectReason;
use crate::frame::{Frame, PLACE_BYTES};
use crate::http::Response;
use crate::id::{ConnectionId, EngineSessionId};
use crate::priority::Priority;
use crate::socket::Client;
use crate::transport::cost;

/// The close code of a server that goes.
const GOING_AWAY: u16 = 1001;

impl Endpoint {
    pub(super) fn open_session(&mut self, mut opening: Opening<'_>) -> EngineSessionId {
        let handshakes = &mut self.tally.handshakes;
        match opening.transport {
            Transport::WebSocket(_) => handshakes.websocket += 1,
            Transport::Polling { .. } => handshakes.polling += 1,
        }
        let mut client = Client::default();
        client.set_data(opening.data.take());
        let session = self.sessions.open(&mut self.clock, opening, client);
        if !self.config.socket_io {
            self.push_event(Event::EngineOpened { session });
        }
        session
    }

    /// The open packet of a session.
    pub(super) fn handshake(&self, session: EngineSessionId, upgrades: &str) -> String {
        let sid = self.sessions.id_text(session);
        let sid = sid.expect("the session was just opened");
        format!(
            "0{{\"sid\":\"{sid}\",\"upgrades\":{upgrades},\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":{}}}",
            self.config.ping_interval_ms, self.config.ping_timeout_ms, self.config.max_payload_bytes
        )
    }

    /// Sends a packet on whatever transport the session has. False when it does not reach its client: the session has ended, or
    /// is about to because too much waits for it. Nothing ends here; that it is to end is noted.
    pub(super) fn send(&mut self, id: EngineSessionId, frame: Frame, priority: Priority) -> bool {
        let bytes = frame.payload().len();
        let Some(session) = self.sessions.session_mut(id) else {
            return false;
        };
        let waiting_bytes = if let Some(connection) = session.websocket() {
            let frame = session.for_websocket(frame);
            self.transport.send(connection, frame, priority)
        } else if let Some(queued) = session.queue(frame) {
            self.transport.grown_bytes += bytes + PLACE_BYTES;
            if queued.can_go {
                self.sessions.queue_poll(id, priority);
            }
            queued.waiting_bytes
        } else {
            return false;
        };
        self.transport
            .ready
            .charge(cost::SEND + bytes / cost::COPIES);
        self.check_queue(id, waiting_bytes)
    }

    /// Notes the end of a session for which too much waits. True when that is not so.
    pub(super) fn check_queue(&mut self, id: EngineSessionId, waiting_bytes: usize) -> bool {
        let has_room = waiting_bytes <= self.config.max_queued_bytes;
        if !has_room {
            self.tally.overfull += 1;
            self.limit_reached_by(Limit::QueuedBytes, id);
            if let Some(session) = self.sessions.session_mut(id) {
                session.set_overfull();
            }
            self.end(id, Ending::Discard(DisconnectReason::TransportError));
        }
        has_room
    }

    /// Whether a packet sent now would go out at once.
    pub(super) fn is_writable(&self, id: EngineSessionId) -> bool {
        self.sessions.session(id).is_some_and(|session| {
            let websocket = session.websocket();
            let is_outbox_empty = websocket.is_some_and(|it| !self.transport.has_output(it));
            session.is_writable(is_outbox_empty)
        })
    }

    /// A packet has come in on the session's transport.
    pub(super) fn packet(&mut self, id: EngineSessionId, packet: Option<Packet<'_>>) {
        let session = self.sessions.session(id);
        let Some(session) = session.filter(|session| session.takes_input()) else {
            return;
        };
        match session.receive(packet) {
            PacketAction::Ignore => {}
            PacketAction::Alive => {
                self.tally.packets_in.pongs += 1;
                self.rearm_ping(id);
            }
            PacketAction::AnswerPing(data) => {
                self.tally.packets_in.pings += 1;
                self.answer_ping(id, data);
            }
            PacketAction::Message(text) if self.config.socket_io => self.text_message(id, text),
            PacketAction::Message(text) => self.engine_message(id, Frame::text(text)),
            PacketAction::Asked => self.end(id, Ending::ByPeer),
            PacketAction::Close(reason) => self.end(id, Ending::Discard(reason)),
        }
    }

    /// A binary message has come in on the session's transport.
    pub(super) fn binary_message(&mut self, session: EngineSessionId, bytes: &[u8]) {
        if !self.takes_input(session) {
            return;
        }
        let message = self.codec.frames.binary(|out| out.extend_from_slice(bytes));
        if self.config.socket_io {
            self.binary_part(session, message);
        } else {
            self.engine_message(session, message);
        }
    }

    fn engine_message(&mut self, session: EngineSessionId, message: Frame) {
        self.tally.packets_in.messages += 1;
        self.push_event(Event::EngineMessage { session, message });
    }

    /// Whether packets from a session's client still count.
    pub(super) fn takes_input(&self, id: EngineSessionId) -> bool {
        let session = self.sessions.session(id);
        session.is_some_and(|session| session.takes_input())
    }

    /// Notes the end of a session. It ends when the host has handled what came from it before.
    pub(super) fn end(&mut self, id: EngineSessionId, ending: Ending) {
        let Some(session) = self.sessions.session_mut(id) else {
            return;
        };
        if session.is_draining() {
            // The host has heard of its end already, so nothing has to wait for the host.
            self.end_now(id, ending);
        } else if session.queue_end() {
            self.abandon(id);
            self.events.push(Queued::End(id, ending));
        }
    }

    /// Ends a session.
    pub(super) fn end_now(&mut self, id: EngineSessionId, ending: Ending) {
        let Some(session) = self.sessions.session(id) else {
            return;
        };
        let websocket = session.transport().websocket();
        if session.is_draining() {
            if !matches!(ending, Ending::AfterFlush(_)) {
                self.answer_poll(id, CLOSE);
                self.remove_session(id);
            }
            return;
        }
        for departure in self.lose_sockets(id, ending.reason()) {
            self.events.push(Queued::Departure(departure));
        }
        if !self.config.socket_io {
            let reason = ending.reason();
            self.count_disconnect(reason);
            self.push_event(Event::EngineClosed {
                session: id,
                reason,
            });
        }
        match (websocket, ending) {
            (Some(connection), Ending::Protocol(code)) => {
                self.close_websocket(connection, Some(code))
            }
            (Some(connection), Ending::AfterFlush(DisconnectReason::ServerShuttingDown)) => {
                self.close_websocket(connection, Some(GOING_AWAY))
            }
            (Some(connection), _) => self.close_websocket(connection, None),
            (None, Ending::AfterFlush(_)) => return self.drain_session(id),
            (None, Ending::ByPeer) => self.answer_poll(id, NOOP),
            (None, _) => self.answer_poll(id, CLOSE),
        }
        self.remove_session(id);
    }

    /// Lets a polling client fetch what is queued for it, and the close packet behind that.
    fn drain_session(&mut self, id: EngineSessionId) {
        self.abandon_upgrade(id);
        let by_ms = self.clock.in_ms(self.config.ping_timeout_ms);
        if let Some(session) = self.sessions.session_mut(id) {
            if session.begin_draining(&mut self.clock, id, by_ms) {
                self.sessions.queue_poll(id, Priority::Normal);
            }
        }
    }

    /// Drops the WebSocket of an unfinished upgrade; the session goes on by polling.
    pub(super) fn abandon_upgrade(&mut self, id: EngineSessionId) {
        let session = self.sessions.session_mut(id);
        let websocket = session.and_then(|session| session.abandon_upgrade(&mut self.clock));
        if let Some(websocket) = websocket {
            self.close_websocket(websocket, None);
        }
    }

    /// The WebSocket of an upgrade takes over.
    pub(super) fn complete_upgrade(&mut self, id: EngineSessionId, websocket: ConnectionId) {
        self.tally.upgrades += 1;
        self.answer_poll(id, NOOP);
        if let Some(session) = self.sessions.session_mut(id) {
            for frame in session.complete_upgrade(&mut self.clock, websocket) {
                self.transport.send(websocket, frame, Priority::Normal);
            }
            // Where nothing was queued, there may be news.
            self.transport.queue_write(websocket, Priority::Normal);
        }
    }

    /// A poll or a post of a session has been cut.
    pub(super) fn polling_gone(&mut self, id: EngineSessionId, connection: ConnectionId) {
        let session = self.sessions.session_mut(id);
        if session.is_some_and(|session| session.cut(connection)) {
            self.end(id, Ending::Discard(DisconnectReason::TransportError));
        }
    }

    /// The last trace of a session.
    pub(super) fn remove_session(&mut self, id: EngineSessionId) {
        self.abandon_upgrade(id);
        let Some(mut entry) = self.sessions.remove(id) else {
            return;
        };
        self.forget_news(&entry.client);
        entry.session.cancel_timers(&mut self.clock);
        self.sessions.rates.forget(&mut self.clock, id);
        // What is still coming in is for nobody.
        let post = entry.session.incoming_post();
        if let Some(post) = post.filter(|post| self.transport.is_posting(*post)) {
            let error = EngineError::UnknownSession;
            self.answer(post, Response::json(400, error.body()));
            self.finish(post);
        }
    }

    /// A session has sent a message of so many bytes.
    pub(super) fn spend(&mut self, id: EngineSessionId, bytes: usize) {
        if self.sessions.rates.spend(&mut self.clock, id, bytes) {
            self.limit_reached_by(Limit::Messages, id);
        }
    }

    /// What becomes of something that a session wants: one that goes on although it has been refused ends.
    pub(super) fn heed(
        &mut self,
        id: EngineSessionId,
        limit: Limit,
        allowance: Allowance,
    ) -> Allowance {
        if allowance != Allowance::Allowed {
            self.limit_reached_by(limit, id);
        }
        if allowance == Allowance::Exceeded {
            self.end(id, Ending::AfterFlush(DisconnectReason::RateLimit));
        }
        allowance
    }

    /// A session has reached a limit.
    pub(super) fn limit_reached_by(&mut self, limit: Limit, id: EngineSessionId) {
        let session = self.sessions.session(id);
        let peer = session.map(|session| session.peer_addr());
        self.limit_reached(limit, peer);
    }

    /// The input of a session that has sent more than it may in a second goes on.
    pub(super) fn resume_session(&mut self, id: EngineSessionId) {
        self.sessions.rates.resume(id);
        let session = self.sessions.session(id);
        let carrier = session.and_then(|session| session.input_carrier());
        if let Some(connection) = carrier {
            self.transport.ready.on_more(connection);
        }
    }

    /// Gives up on what a client that is about to go has begun: it is let in nowhere any more, and no packet of it is completed.
    fn abandon(&mut self, id: EngineSessionId) {
        if let Some(client) = self.sessions.client_mut(id) {
            if let Some(timer) = client.drop_packet() {
                self.clock.cancel(timer);
            }
            let connects = client.abandon_connects();
            self.abandon_connects(connects);
        }
    }

    /// A session ends, and its sockets with it. Nothing reaches them any more from here on.
    pub(super) fn lose_sockets(
        &mut self,
        id: EngineSessionId,
        reason: DisconnectReason,
    ) -> Vec<Departure> {
        let Some(client) = self.sessions.client_mut(id) else {
            return Vec::new();
        };
        let sockets = client.take_sockets().into_iter();
        self.abandon(id);
        let departures = sockets.filter_map(|socket| self.lose_socket(socket, reason));
        departures.collect()
    }

    /// Part of [`Endpoint::check_invariants`].
    pub(super) fn check_sessions(&self) {
        for (id, entry) in self.sessions.iter() {
            let session = &entry.session;
            session.check();
            let is_end =
                |queued: &Queued| matches!(queued, Queued::End(ending, _) if *ending == id);
            assert!(!session.end_queued() || self.events.iter().any(is_end));
            for socket in entry.client.sockets() {
                let socket = self.sockets.get(socket);
                let socket = socket.expect("a client's sockets are connected");
                assert_eq!(socket.session, id);
            }
            for connection in session.carriers() {
                let is_there = self.transport.get(connection).is_some();
                assert!(is_there || session.end_queued());
            }
        }
    }
}
