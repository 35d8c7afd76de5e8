//! Socket.IO packets that have come in.

use super::events::Ending;
use super::{AckId, Endpoint, Event, Message};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::id::EngineSessionId;
#[cfg(feature = "msgpack")]
use crate::socket::MsgpackPacket;
use crate::socket::{
    Args, Kind, NamespaceId, Packet, PacketError, Parser, PendingPacket, SocketId,
};
use crate::timer::Timer;

impl Endpoint {
    /// An Engine.IO text message: one Socket.IO packet, or the head of a binary one.
    pub(super) fn text_message(&mut self, session: EngineSessionId, text: &str) {
        let handled = match self.config.parser {
            Parser::Json => self.handle_text(session, text),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => Err(PacketError::UnknownType),
        };
        if handled.is_err() {
            self.end(session, Ending::AfterFlush(DisconnectReason::ForcedClose));
        }
    }

    /// An Engine.IO binary message: a packet of MessagePack, or an attachment of the binary packet before it.
    pub(super) fn binary_part(&mut self, session: EngineSessionId, message: Frame) {
        match self.config.parser {
            Parser::Json => self.attachment(session, message),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => {
                if self.handle_msgpack(session, message.payload()).is_err() {
                    self.end(session, Ending::AfterFlush(DisconnectReason::ForcedClose));
                }
            }
        }
    }

    #[cfg(feature = "msgpack")]
    fn handle_msgpack(
        &mut self,
        session: EngineSessionId,
        message: &[u8],
    ) -> Result<(), PacketError> {
        let mut read = MsgpackPacket::decode(message, &self.codec.packet_limits)?;
        let attachments = std::mem::take(&mut read.attachments);
        let packet = read.packet(&self.codec.packet_limits)?;
        self.handle_packet(session, &packet, attachments)
    }

    fn attachment(&mut self, session: EngineSessionId, attachment: Frame) {
        let Some(client) = self.sessions.client_mut(session) else {
            return;
        };
        self.transport.note_kept(attachment.payload().len());
        let handled = match client.attach(attachment) {
            Err(error) => Err(error),
            Ok(None) => Ok(()),
            Ok(Some((packet, timer))) => {
                self.clock.cancel(timer);
                self.handle_binary(session, packet)
            }
        };
        if handled.is_err() {
            self.end(session, Ending::AfterFlush(DisconnectReason::ForcedClose));
        }
    }

    /// Keeps a packet until its last attachment has come, though not for long: its parts are held in memory, so they have a
    /// time that no part of it prolongs.
    fn await_attachments(&mut self, session: EngineSessionId, packet: PendingPacket) {
        let timeout_ms = self.config.attachment_timeout_ms;
        let by_ms = self.clock.in_ms(timeout_ms);
        if let Some(client) = self.sessions.client_mut(session) {
            let timer = self.clock.arm(by_ms, Timer::Attachments(session));
            client.begin_packet(packet, timer);
        }
    }

    /// Not all attachments of a packet have been read in time.
    pub(super) fn attachments_timed_out(&mut self, session: EngineSessionId) {
        if let Some(client) = self.sessions.client_mut(session) {
            client.drop_packet();
        }
        self.end(session, Ending::AfterFlush(DisconnectReason::ForcedClose));
    }

    fn handle_text(&mut self, session: EngineSessionId, text: &str) -> Result<(), PacketError> {
        let packet = Packet::decode(text, &self.codec.packet_limits)?;
        let Some(entry) = self.sessions.get(session) else {
            return Ok(());
        };
        if entry.client.awaits_attachment() {
            // Nothing may come between a binary packet and its attachments.
            return Err(PacketError::BadPayload);
        }
        self.handle_packet(session, &packet, Vec::new())
    }

    /// A packet, with its attachments where the parser brings them along.
    fn handle_packet(
        &mut self,
        session: EngineSessionId,
        packet: &Packet<'_>,
        attachments: Vec<Frame>,
    ) -> Result<(), PacketError> {
        self.tally.packets_in.add(packet.kind, 1);
        if packet.kind == Kind::Connect {
            self.connect(session, packet);
            return Ok(());
        }
        if packet.kind == Kind::Disconnect && self.withdraw(session, packet.namespace) {
            return Ok(());
        }
        let (socket, namespace) = self.member(session, packet.namespace)?;
        match packet.kind {
            Kind::BinaryEvent | Kind::BinaryAck => {
                let pending = PendingPacket::new(packet)?;
                if packet.attachments == 0 {
                    return self.handle_binary(session, pending);
                }
                self.await_attachments(session, pending);
            }
            Kind::Event => {
                let mut text = self.codec.spare_texts.pop().unwrap_or_default();
                text.push_str(packet.data);
                let args = Args::received(text, packet.args_at, attachments);
                self.event(socket, namespace, packet.id, args);
            }
            // It has no answer in it, so the question stays open.
            Kind::Ack if packet.data.is_empty() => {}
            Kind::Ack => self.acknowledged(socket, packet.id, || {
                Args::received(packet.data.to_owned(), packet.args_at, attachments)
            }),
            Kind::Disconnect => self.leave_by_itself(session, socket),
            Kind::Connect | Kind::ConnectError => return Err(PacketError::BadPayload),
        }
        Ok(())
    }

    fn handle_binary(
        &mut self,
        session: EngineSessionId,
        pending: PendingPacket,
    ) -> Result<(), PacketError> {
        let (socket, namespace) = self.member(session, &pending.namespace)?;
        let id = pending.id;
        match pending.kind {
            Kind::BinaryAck if !pending.has_args() => {}
            Kind::BinaryAck => self.acknowledged(socket, id, || pending.into_args()),
            _ => self.event(socket, namespace, id, pending.into_args()),
        }
        Ok(())
    }

    /// The client's socket in a namespace. A packet for another one breaks the protocol.
    fn member(
        &self,
        session: EngineSessionId,
        namespace: &str,
    ) -> Result<(SocketId, NamespaceId), PacketError> {
        let entry = self.sessions.get(session).ok_or(PacketError::BadPayload)?;
        let socket = self.sockets.of_client(&entry.client, namespace);
        let socket = socket.ok_or(PacketError::BadPayload)?;
        let found = self.sockets.get(socket).ok_or(PacketError::BadPayload)?;
        Ok((socket, found.namespace))
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

    /// A client has acknowledged something; what it was not asked costs no copy.
    fn acknowledged(
        &mut self,
        socket: SocketId,
        id: Option<u64>,
        read_args: impl FnOnce() -> Args,
    ) {
        if let Some(id) = id.filter(|id| self.sockets.take_ack(socket, *id)) {
            self.answered(socket, id, read_args());
        }
    }
}
