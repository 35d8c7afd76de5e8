//! Socket.IO packets that have come in.

use super::{AckId, Ending, Endpoint, Event, Message, Queued};
use crate::engine::Revision;
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::query_pairs;
use crate::id::Secret;
use crate::slots::Key;
#[cfg(feature = "msgpack")]
use crate::socket::MsgpackPacket;
use crate::socket::{
    Args, Kind, NamespaceId, Packet, PacketError, Parser, PendingPacket, SocketId,
};

impl Endpoint {
    /// An Engine.IO text message: one Socket.IO packet, or the head of a binary one.
    pub(super) fn text_message(&mut self, session: Key, text: &str) {
        let handled = match self.config.parser {
            Parser::Json => self.handle_text(session, text),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => Err(PacketError::UnknownType),
        };
        if handled.is_err() {
            self.end(session, Ending::Flush(DisconnectReason::ForcedClose));
        }
    }

    /// An Engine.IO binary message: a packet of MessagePack, or an attachment of the binary packet before it.
    pub(super) fn binary_part(&mut self, session: Key, message: Frame) {
        match self.config.parser {
            Parser::Json => self.attachment(session, message),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => {
                if self.handle_msgpack(session, message.payload()).is_err() {
                    self.end(session, Ending::Flush(DisconnectReason::ForcedClose));
                }
            }
        }
    }

    #[cfg(feature = "msgpack")]
    fn handle_msgpack(&mut self, session: Key, message: &[u8]) -> Result<(), PacketError> {
        let mut read = MsgpackPacket::decode(message, &self.packet_limits)?;
        let attachments = std::mem::take(&mut read.attachments);
        let packet = read.packet(&self.packet_limits)?;
        self.handle_packet(session, &packet, attachments)
    }

    fn attachment(&mut self, session: Key, attachment: Frame) {
        let Some(peer) = self.sessions.get_mut(session) else {
            return;
        };
        let Some(pending) = &mut peer.client.pending else {
            return self.end(session, Ending::Flush(DisconnectReason::ForcedClose));
        };
        if pending.add(attachment) {
            if let Some(pending) = peer.client.pending.take() {
                if self.handle_binary(session, *pending).is_err() {
                    self.end(session, Ending::Flush(DisconnectReason::ForcedClose));
                }
            }
        }
    }

    fn handle_text(&mut self, session: Key, text: &str) -> Result<(), PacketError> {
        let packet = Packet::decode(text, &self.packet_limits)?;
        let Some(peer) = self.sessions.get_mut(session) else {
            return Ok(());
        };
        if peer.client.pending.is_some() {
            // Nothing may come between a binary packet and its attachments.
            return Err(PacketError::BadPayload);
        }
        self.handle_packet(session, &packet, Vec::new())
    }

    /// A packet, with its attachments where the parser brings them along.
    fn handle_packet(
        &mut self,
        session: Key,
        packet: &Packet<'_>,
        attachments: Vec<Frame>,
    ) -> Result<(), PacketError> {
        if packet.kind == Kind::Connect {
            return self.connect(session, packet);
        }
        let (socket, namespace) = self.member(session, packet.namespace)?;
        match packet.kind {
            Kind::BinaryEvent | Kind::BinaryAck => {
                let pending = PendingPacket::new(packet)?;
                if packet.attachments == 0 {
                    return self.handle_binary(session, pending);
                }
                if let Some(peer) = self.sessions.get_mut(session) {
                    peer.client.pending = Some(Box::new(pending));
                }
            }
            Kind::Event if packet.name.is_some() => {
                let mut text = self.spare_texts.pop().unwrap_or_default();
                text.push_str(packet.data);
                let args = Args::received(text, packet.args_at, attachments);
                self.event(socket, namespace, packet.id, args);
            }
            Kind::Ack => {
                let args = Args::received(packet.data.to_owned(), packet.args_at, attachments);
                self.acknowledged(socket, packet.id, args);
            }
            Kind::Disconnect => {
                if let Some(peer) = self.sessions.get_mut(session) {
                    peer.client.sockets.retain(|joined| *joined != socket);
                }
                let reason = DisconnectReason::ClientNamespaceDisconnect;
                self.events.push_back(Queued::Leave(socket, reason));
            }
            // An event with a number as its name, which nobody can listen for.
            Kind::Event => {}
            Kind::Connect | Kind::ConnectError => return Err(PacketError::BadPayload),
        }
        Ok(())
    }

    fn handle_binary(&mut self, session: Key, pending: PendingPacket) -> Result<(), PacketError> {
        let (socket, namespace) = self.member(session, &pending.namespace)?;
        let (kind, id, has_name) = (pending.kind, pending.id, pending.name.is_some());
        let args = pending.into_args();
        match kind {
            Kind::BinaryAck => self.acknowledged(socket, id, args),
            _ if has_name => self.event(socket, namespace, id, args),
            _ => {}
        }
        Ok(())
    }

    /// The client's socket in a namespace. A packet for another one breaks the protocol.
    fn member(
        &self,
        session: Key,
        namespace: &str,
    ) -> Result<(SocketId, NamespaceId), PacketError> {
        let peer = self.sessions.get(session).ok_or(PacketError::BadPayload)?;
        let namespace = self
            .sockets
            .find_namespace(namespace)
            .ok_or(PacketError::BadPayload)?;
        let socket = self
            .sockets
            .of_client(&peer.client, namespace)
            .ok_or(PacketError::BadPayload)?;
        Ok((socket, namespace))
    }

    /// Clients of Socket.IO 2 are in `/` without having asked.
    pub(super) fn join_by_default(&mut self, session: Key) {
        let revision = self.sessions.get(session).map(|peer| peer.session.revision);
        if revision == Some(Revision::V3) && self.config.socket_io {
            // Where there is no such namespace the client hears of it, as of any other.
            let _ = self.join_namespace(session, "/", "");
        }
    }

    fn connect(&mut self, session: Key, packet: &Packet<'_>) -> Result<(), PacketError> {
        let revision = self.sessions.get(session).map(|peer| peer.session.revision);
        if revision != Some(Revision::V3) {
            return self.join_namespace(session, packet.namespace, packet.data);
        }
        // Before Socket.IO 3 the payload was the query of the namespace's name.
        let (name, query) = packet
            .namespace
            .split_once('?')
            .unwrap_or((packet.namespace, ""));
        let payload: serde_json::Map<String, serde_json::Value> = query_pairs(query)
            .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
            .collect();
        let payload = serde_json::Value::Object(payload).to_string();
        self.join_namespace(session, name, &payload)
    }

    fn join_namespace(
        &mut self,
        session: Key,
        name: &str,
        payload: &str,
    ) -> Result<(), PacketError> {
        let Some(peer) = self.sessions.get(session) else {
            return Ok(());
        };
        let revision = peer.session.revision;
        let Some(namespace) = self.sockets.find_namespace(name) else {
            return self.refuse_connect(session, name, "Invalid namespace");
        };
        if self.sockets.of_client(&peer.client, namespace).is_some() {
            return Err(PacketError::BadPayload);
        }
        if peer.client.sockets.len() >= self.config.max_namespaces_per_client {
            return self.refuse_connect(session, name, "Too many namespaces");
        }
        if self.recover(session, namespace, payload) {
            return Ok(());
        }
        let secret = Secret::draw(&mut *self.environment.random);
        let socket = self.sockets.connect(secret, session, namespace);
        if let Some(peer) = self.sessions.get_mut(session) {
            peer.client.sockets.push(socket);
            if let Some(timer) = peer.session.connect_timer.take() {
                self.wheel.cancel(timer);
            }
        }
        let parser = self.config.parser;
        let answer = match revision {
            Revision::V4 => {
                let pid_secret = Secret::draw(&mut *self.environment.random);
                let pid = self.sockets.make_recoverable(socket, pid_secret);
                let id = secret.id(socket.0.index);
                parser.connect(&mut self.frames, name, Some(id), pid)
            }
            Revision::V3 => {
                // These clients make their id up themselves, of what they know; so that is their room's name.
                if let Some(id) = self.old_socket_id(session, name) {
                    self.sockets.join(socket, &id);
                }
                parser.connect(&mut self.frames, name, None, None)
            }
        };
        self.send(session, answer);
        let payload = if payload.is_empty() { "{}" } else { payload };
        self.push_event(Event::Connected {
            socket,
            namespace,
            auth: Args::received(format!("[{payload}]"), 1, Vec::new()),
            is_recovered: false,
        });
        Ok(())
    }

    fn refuse_connect(
        &mut self,
        session: Key,
        namespace: &str,
        message: &str,
    ) -> Result<(), PacketError> {
        let peer = self.sessions.get(session);
        let is_old = peer.is_some_and(|peer| peer.session.revision == Revision::V3);
        let parser = self.config.parser;
        let answer = parser.connect_error(&mut self.frames, namespace, message, is_old);
        self.send(session, answer);
        Ok(())
    }

    /// A socket's id as a client of Socket.IO 2 knows it: that of its session, behind the namespace's name.
    pub(super) fn old_socket_id(&self, session: Key, namespace: &str) -> Option<String> {
        let sid = self.session_id(session)?;
        Some(match namespace {
            "/" => sid.to_string(),
            name => format!("{name}#{sid}"),
        })
    }

    fn event(&mut self, socket: SocketId, namespace: NamespaceId, id: Option<u64>, args: Args) {
        let message = Message {
            socket,
            namespace,
            args,
            ack: id.map(|id| AckId { socket, id }),
        };
        if let Some(message) = self.progress_command(message) {
            self.push_event(Event::Message(message));
        }
    }

    fn acknowledged(&mut self, socket: SocketId, id: Option<u64>, args: Args) {
        let Some(id) = id else {
            return;
        };
        if self.sockets.take_ack(socket, id) {
            self.push_event(Event::Acknowledged { socket, id, args });
        }
    }

    /// Takes a socket out of everything and tells the host.
    pub(super) fn forget_socket(&mut self, socket: SocketId, reason: DisconnectReason) {
        if let Some(gone) = self.sockets.disconnect(socket) {
            self.push_event(Event::Disconnected {
                socket,
                namespace: gone.namespace,
                reason,
            });
        }
    }
}
