//! WebSocket connections: messages in, frames out, probes of upgrades, the closing handshake.

use super::input::Step;
use super::{Ending, Endpoint, Peer};
use crate::connection::{Phase, Protocol};
use crate::engine::{Packet, Part, ProbeAction, Revision, Transport};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::outbox::Chunk;
use crate::slots::Key;
use crate::websocket::{close_frame, pong_frame, Decoded, Failure, Message};

impl Endpoint {
    /// Handles input of a connection that speaks WebSocket: at most one frame.
    pub(super) fn websocket_input(&mut self, key: Key, input: &mut [u8]) -> Step {
        let max_bytes = self.config.max_payload_bytes;
        let Some(Protocol::WebSocket(websocket)) =
            self.connections.get_mut(key).map(|c| &mut c.protocol)
        else {
            return Step::Blocked;
        };
        let session = websocket.session;
        if self.has_packets_before(session, key) {
            return Step::Blocked;
        }
        let Some(Protocol::WebSocket(websocket)) =
            self.connections.get_mut(key).map(|c| &mut c.protocol)
        else {
            return Step::Blocked;
        };
        // Taken out for the time of the call: a message borrows from it while the rest of the endpoint handles it.
        let mut decoder = std::mem::take(&mut websocket.decoder);
        let step = match decoder.decode(input, max_bytes) {
            Ok(Decoded::Incomplete { .. }) => Step::NeedMore,
            Ok(Decoded::Complete { consumed, message }) => {
                if let Some(message) = message {
                    self.websocket_message(key, session, message);
                }
                Step::Consumed(consumed)
            }
            Err(failure) => {
                self.websocket_failed(key, session, failure);
                Step::Blocked
            }
        };
        decoder.release();
        if let Some(Protocol::WebSocket(websocket)) =
            self.connections.get_mut(key).map(|c| &mut c.protocol)
        {
            websocket.decoder = decoder;
        }
        step
    }

    /// Whether this WebSocket is about to take over from polling while packets of a `POST` are still being handled, which were
    /// sent before whatever comes on it.
    fn has_packets_before(&mut self, session: Key, key: Key) -> bool {
        let Some(Peer { session, .. }) = self.sessions.get(session) else {
            return false;
        };
        let (Some(upgrade), Transport::Polling { post, .. }) =
            (&session.upgrade, session.transport)
        else {
            return false;
        };
        upgrade.connection == key && post.is_some_and(|post| self.is_post_complete(post))
    }

    fn websocket_message(&mut self, key: Key, session: Key, message: Message<'_>) {
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
    fn text_frame(&mut self, session: Key, text: &str) {
        if !text.starts_with('b') {
            return self.packet(session, Packet::decode(text));
        }
        let Some(peer) = self.sessions.get(session) else {
            return;
        };
        match Part::of_text(text, peer.session.revision) {
            Part::Binary(message) => self.binary_message(session, &message),
            Part::Text(_) | Part::Damaged => self.packet(session, None),
        }
    }

    /// In revision 3 a binary frame has a type in front too, and only messages are sent as such.
    fn binary_frame(&mut self, session: Key, bytes: &[u8]) {
        let revision = self.sessions.get(session).map(|peer| peer.session.revision);
        match (revision, bytes.split_first()) {
            (Some(Revision::V3), Some((4, message))) => self.binary_message(session, message),
            (Some(Revision::V3), _) => self.packet(session, None),
            _ => self.binary_message(session, bytes),
        }
    }

    fn websocket_failed(&mut self, key: Key, session: Key, failure: Failure) {
        if self.is_transport(session, key) {
            self.end(session, Ending::Failed(failure.close_code()));
        } else {
            // The close frame first: giving up the upgrade would send one without a code.
            self.close_websocket(key, Some(failure.close_code()));
            self.abandon_upgrade_of(session, key);
        }
    }

    fn probe_packet(&mut self, key: Key, session: Key, packet: Option<Packet<'_>>) {
        let Some(peer) = self.sessions.get_mut(session) else {
            return self.close_websocket(key, None);
        };
        match peer.session.receive_probe(packet) {
            ProbeAction::Answer => {
                self.send_raw(key, Frame::text("3probe"));
                // The client stops polling to upgrade, and so the poll that waits must end.
                self.answer_poll(session, "6");
            }
            ProbeAction::Complete => self.complete_upgrade(session, key),
            ProbeAction::Refuse => self.abandon_upgrade_of(session, key),
        }
    }

    /// A WebSocket has ended, or its connection has.
    pub(super) fn websocket_gone(&mut self, session: Key, key: Key) {
        if self.is_transport(session, key) {
            self.end(session, Ending::Drop(DisconnectReason::TransportClose));
        } else {
            self.abandon_upgrade_of(session, key);
        }
    }

    /// Starts the closing handshake from our side and ends the connection; without a code the peer sees 1005.
    pub(super) fn close_websocket(&mut self, key: Key, code: Option<u16>) {
        if let Some(connection) = self.connections.get_mut(key) {
            if connection.phase == Phase::Open {
                connection.outbox.push(Chunk::Owned(close_frame(code, "")));
                self.finish(key);
            }
        }
    }

    /// Queues a frame for one WebSocket; none goes out behind a close frame (RFC 6455 section 5.5.1).
    pub(super) fn send_raw(&mut self, key: Key, frame: Frame) {
        if let Some(connection) = self.connections.get_mut(key) {
            if connection.phase == Phase::Open {
                connection.outbox.push(Chunk::Frame(frame));
                self.output_due(key);
            }
        }
    }

    /// Queues what the peer provoked on this WebSocket alone, within the same limit as everything else.
    fn push_to_websocket(&mut self, key: Key, bytes: &[u8]) {
        let max_queued_bytes = self.config.max_queued_bytes;
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.outbox.extend(bytes, &mut self.spare_outputs);
        let is_too_much = connection.outbox.held_bytes() > max_queued_bytes;
        self.output_due(key);
        if is_too_much {
            self.hang_up(key);
        }
    }

    fn is_transport(&self, session: Key, key: Key) -> bool {
        let peer = self.sessions.get(session);
        peer.is_some_and(|peer| peer.session.transport == Transport::WebSocket(key))
    }

    /// Drops the upgrade of a session if it is this WebSocket's; closes the WebSocket in any case.
    fn abandon_upgrade_of(&mut self, session: Key, key: Key) {
        let upgrade = self
            .sessions
            .get(session)
            .and_then(|peer| peer.session.upgrade.as_ref());
        if upgrade.is_some_and(|upgrade| upgrade.connection == key) {
            self.abandon_upgrade(session);
        }
        self.close_websocket(key, None);
    }
}
