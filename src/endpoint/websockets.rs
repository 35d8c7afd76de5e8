//! What comes in on WebSockets: messages of sessions, probes of upgrades, the closing handshake.

use super::events::Ending;
use super::Endpoint;
use crate::engine::{Packet, Part, ProbeAction, Revision, NOOP};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::id::{ConnectionId, EngineSessionId};
use crate::priority::Priority;
use crate::websocket::{pong_frame, Message};

impl Endpoint {
    /// Whether this WebSocket is about to take over from polling while packets of a `POST` are still being handled, which were
    /// sent before whatever comes on it.
    pub(super) fn has_packets_before(&self, session: EngineSessionId, key: ConnectionId) -> bool {
        let session = self.sessions.session(session);
        let session = session.filter(|session| session.upgrading_to() == Some(key));
        let post = session.and_then(|session| session.incoming_post());
        post.is_some_and(|post| self.transport.is_posted(post))
    }

    pub(super) fn websocket_message(
        &mut self,
        key: ConnectionId,
        session: EngineSessionId,
        message: Message<'_>,
    ) {
        let is_transport = self.is_transport(session, key);
        match message {
            Message::Text(text) if is_transport => self.text_frame(session, text),
            Message::Text(text) => self.probe_packet(key, session, Packet::decode(text)),
            Message::Binary(bytes) if is_transport => self.binary_frame(session, bytes),
            Message::Binary(_) => self.probe_packet(key, session, None),
            Message::Ping(payload) => self.push_to_websocket(key, &pong_frame(payload)),
            Message::Pong(_) => {}
            Message::Close(reason) => {
                self.close_websocket(key, reason.map(|reason| reason.code));
                self.websocket_gone(session, key);
            }
        }
    }

    /// A packet, or a binary message of a client that sends no binary frames.
    fn text_frame(&mut self, session: EngineSessionId, text: &str) {
        if !text.starts_with('b') {
            return self.packet(session, Packet::decode(text));
        }
        let Some(revision) = self.revision(session) else {
            return;
        };
        match Part::of_text(text, revision) {
            Part::Binary(message) => self.binary_message(session, &message),
            Part::Text(_) | Part::Damaged => self.packet(session, None),
        }
    }

    /// In revision 3 a binary frame has a type in front too, and only messages are sent as such.
    fn binary_frame(&mut self, session: EngineSessionId, bytes: &[u8]) {
        match (self.revision(session), bytes.split_first()) {
            (Some(Revision::V3), Some((4, message))) => self.binary_message(session, message),
            (Some(Revision::V3), _) => self.packet(session, None),
            _ => self.binary_message(session, bytes),
        }
    }

    pub(super) fn websocket_failed(
        &mut self,
        key: ConnectionId,
        session: EngineSessionId,
        close_code: u16,
    ) {
        if self.is_transport(session, key) {
            self.end(session, Ending::Protocol(close_code));
        } else {
            // The close frame first: giving up the upgrade would send one without a code.
            self.close_websocket(key, Some(close_code));
            self.abandon_upgrade_of(session, key);
        }
    }

    fn probe_packet(
        &mut self,
        key: ConnectionId,
        session: EngineSessionId,
        packet: Option<Packet<'_>>,
    ) {
        let Some(state) = self.sessions.session_mut(session) else {
            return self.close_websocket(key, None);
        };
        match state.receive_probe(packet) {
            ProbeAction::Answer => {
                self.transport
                    .send(key, Frame::text("3probe"), Priority::Normal);
                // The client stops polling to upgrade, and so the poll that waits must end.
                self.answer_poll(session, NOOP);
            }
            ProbeAction::Complete => self.complete_upgrade(session, key),
            ProbeAction::Refuse => self.abandon_upgrade_of(session, key),
        }
    }

    /// A WebSocket has ended, or its connection has.
    pub(super) fn websocket_gone(&mut self, session: EngineSessionId, key: ConnectionId) {
        if self.is_transport(session, key) {
            self.end(session, Ending::Discard(DisconnectReason::TransportClose));
        } else {
            self.abandon_upgrade_of(session, key);
        }
    }

    /// Queues what the peer provoked on this WebSocket alone, within the same limit as everything else.
    fn push_to_websocket(&mut self, key: ConnectionId, bytes: &[u8]) {
        if self.transport.send_bytes(key, bytes) > self.config.max_queued_bytes {
            self.hang_up(key);
        }
    }

    pub(super) fn is_transport(&self, session: EngineSessionId, key: ConnectionId) -> bool {
        let session = self.sessions.session(session);
        session.is_some_and(|session| session.transport().websocket() == Some(key))
    }

    /// Drops the upgrade of a session if it is this WebSocket's; closes the WebSocket in any case.
    fn abandon_upgrade_of(&mut self, session: EngineSessionId, key: ConnectionId) {
        let upgrading = self.sessions.session(session);
        if upgrading.is_some_and(|session| session.upgrading_to() == Some(key)) {
            self.abandon_upgrade(session);
        }
        self.close_websocket(key, None);
    }
}
