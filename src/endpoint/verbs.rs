//! What a host can do with sockets, sessions and requests.

use std::any::Any;

use super::events::Ending;
use super::{AckId, Endpoint, Event, Message};
use crate::engine::HandshakeDetails;
use crate::error::{DisconnectReason, Error};
use crate::frame::Frame;
use crate::http::{is_addable, Field, Response};
use crate::id::{ConnectionId, EngineSessionId, IdText};
use crate::panics::Verb;
use crate::peer::PeerAddr;
use crate::priority::Priority;
use crate::socket::{
    is_reserved, with_slash, write_ack, write_event, Args, Encoded, Kind, NamespaceId, Parser,
    SocketId, Target,
};
use crate::transport::{cost, Phase, RequestId, Sink};

/// How much is known of the request that opened a client's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientInfo<'a> {
    /// The peer's address.
    pub address: PeerAddr,
    /// The query as it came, without its `?`.
    pub query: &'a str,
    /// More of it, where [`Config::handshake`](crate::Config::handshake) says so.
    pub details: Option<&'a HandshakeDetails>,
}

impl Endpoint {
    /// Emits an event to all sockets that a target means. Encoded once, however many they are.
    pub fn emit(&mut self, target: &Target, event: &str, args: &Args) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.check_event(event, args)?;
        self.emit_unchecked(target, event, args);
        Ok(())
    }

    /// As [`Endpoint::emit`], for names that are known to be good.
    pub(super) fn emit_unchecked(&mut self, target: &Target, event: &str, args: &Args) {
        self.tally.emits += 1;
        self.note_emitted(target, event, args);
        self.publish(target, |adapter, audience| {
            adapter.emit(audience, event, args, None)
        });
        let Some(name) = self.sockets.namespace_name(target.namespace_id()) else {
            return;
        };
        let parser = self.config.parser;
        // Volatile events are not sent again, so they need no offset.
        if self.config.recovery.is_some() && !target.is_volatile() {
            return self.emit_recoverable(target, event, args);
        }
        let packet = parser.event(&mut self.codec.frames, name, None, event, args);
        self.broadcast(target, &packet.compressed(target.is_compressed()));
    }

    /// Emits an event to one socket.
    pub fn emit_to(&mut self, socket: SocketId, event: &str, args: &Args) -> Result<(), Error> {
        let _verb = Verb::begin();
        if self.config.recovery.is_none() {
            return self.emit_packet(socket, None, event, args);
        }
        let found = self.sockets.get(socket).ok_or(Error::NoSuchSocket)?;
        let namespace = found.namespace;
        let own_room = self.sockets.id_text(socket).ok_or(Error::NoSuchSocket)?;
        let target = Target::namespace(namespace).to(own_room.as_str());
        self.emit(&target.only(socket), event, args)
    }

    /// Emits an event to one socket unless it would have to wait: then it is dropped.
    pub fn emit_volatile(
        &mut self,
        socket: SocketId,
        event: &str,
        args: &Args,
    ) -> Result<(), Error> {
        let _verb = Verb::begin();
        let session = self.sockets.get(socket).ok_or(Error::NoSuchSocket)?.session;
        if self.is_writable(session) {
            self.emit_packet(socket, None, event, args)
        } else {
            self.tally.dropped += 1;
            self.check_event(event, args)
        }
    }

    /// Answers an event whose sender asked for an acknowledgement. Only the first answer counts with clients.
    pub fn acknowledge(&mut self, ack: AckId, args: &Args) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.check_attachments(args)?;
        let socket = self.sockets.get(ack.socket).ok_or(Error::NoSuchSocket)?;
        let (session, namespace) = (socket.session, socket.namespace);
        let name = self.sockets.namespace_name(namespace).unwrap_or_default();
        let parser = self.config.parser;
        if let Some(key) = self.websocket(session).filter(|_| is_text(parser, args)) {
            let waiting_bytes = self.codec.frames.text_bytes(
                |out| write_ack(out, name, ack.id, args),
                |bytes| self.transport.send_bytes(key, bytes),
            );
            self.tally.packets_out.add(Kind::Ack, 1);
            self.check_queue(session, waiting_bytes);
            return Ok(());
        }
        let packet = parser.ack(&mut self.codec.frames, name, ack.id, args);
        let kind = match packet.attachments.is_empty() {
            true => Kind::Ack,
            false => Kind::BinaryAck,
        };
        self.tally.packets_out.add(kind, 1);
        self.send_packet(session, &packet, Priority::Normal);
        Ok(())
    }

    /// Disconnects a socket from its namespace; with `close`, its client from all namespaces, and ends the connection.
    pub fn disconnect(&mut self, socket: SocketId, close: bool) -> Result<(), Error> {
        let _verb = Verb::begin();
        let reason = DisconnectReason::ServerNamespaceDisconnect;
        let session = self.sockets.get(socket).ok_or(Error::NoSuchSocket)?.session;
        if self.is_away(socket) {
            // The host has heard of its disconnection; now it shall not come back. Its old session may still be there, for a
            // polling client that fetches what was queued.
            self.recovery_expired(socket);
            return Ok(());
        }
        let Some(client) = self.sessions.client_mut(session) else {
            self.forget_socket(socket, reason);
            return Ok(());
        };
        // A client that has left the namespace by itself may be back in it already, on a socket that this is not about.
        let has_left = !client.sockets().any(|known| known == socket);
        let leaving = if close {
            client.take_sockets()
        } else if has_left {
            Vec::new()
        } else {
            client.remove_socket(socket);
            vec![socket]
        };
        if has_left {
            self.forget_socket(socket, reason);
        }
        for socket in leaving {
            let namespace = self.sockets.get(socket).map(|socket| socket.namespace);
            let name = namespace.and_then(|namespace| self.sockets.namespace_name(namespace));
            if let Some(name) = name {
                let packet = self.config.parser.disconnect(&mut self.codec.frames, name);
                self.forget_socket(socket, reason);
                self.tally.packets_out.disconnects += 1;
                self.send(session, packet, Priority::Normal);
            }
        }
        if close {
            self.end_now(session, Ending::AfterFlush(reason));
        }
        Ok(())
    }

    /// A socket's id as clients know it; also the name of its own room.
    pub fn socket_id(&self, socket: SocketId) -> Option<IdText> {
        self.sockets.id_text(socket)
    }

    /// The socket with this id.
    pub fn find_socket(&self, id: &str) -> Option<SocketId> {
        self.sockets.find(id)
    }

    /// Whether a socket's client is there to hear something.
    pub fn is_connected(&self, socket: SocketId) -> bool {
        self.sockets
            .get(socket)
            .is_some_and(|socket| !socket.is_away())
    }

    /// Whether a socket has lost its connection and may come back.
    pub fn is_away(&self, socket: SocketId) -> bool {
        self.sockets
            .get(socket)
            .is_some_and(|socket| socket.is_away())
    }

    /// The namespace with this name, whose slash may be left out.
    pub fn namespace(&self, name: &str) -> Result<NamespaceId, Error> {
        self.sockets
            .find_namespace(&with_slash(name))
            .ok_or(Error::NoSuchNamespace)
    }

    /// All namespaces and their names.
    pub fn namespaces(&self) -> impl Iterator<Item = (NamespaceId, &str)> {
        self.sockets.namespaces()
    }

    /// The name of a namespace, unless it is gone.
    pub fn namespace_name(&self, namespace: NamespaceId) -> Option<&str> {
        self.sockets.namespace_name(namespace)
    }

    /// The namespace that a socket is in, or was in until the event that is being handled.
    pub fn namespace_of(&self, socket: SocketId) -> Result<NamespaceId, Error> {
        let socket = self.sockets.get_known(socket);
        Ok(socket.ok_or(Error::NoSuchSocket)?.namespace)
    }

    /// What is known of the request that opened a socket's session, while that session lives.
    pub fn client_info(&self, socket: SocketId) -> Option<ClientInfo<'_>> {
        self.session_info(self.sockets.get_known(socket)?.session)
    }

    /// The auth payload that a socket's client sent, as JSON text; `{}` where it sent none.
    pub fn auth(&self, socket: SocketId) -> Option<&str> {
        self.sockets.auth(socket)
    }

    /// What the host keeps with a socket, if there is something of this type.
    pub fn data<T: Any + Send>(&self, socket: SocketId) -> Option<&T> {
        self.sockets.data(socket)?.get()
    }

    /// What the host keeps with a socket, to change.
    pub fn data_mut<T: Any + Send>(&mut self, socket: SocketId) -> Option<&mut T> {
        self.sockets.data(socket)?.get::<T>()?;
        self.sockets.data_mut(socket)?.get_mut()
    }

    /// Keeps something with a socket until the host has heard of that socket's end. There is one value of each type: a new one
    /// replaces that of its own type, and no other.
    pub fn set_data<T: Any + Send>(&mut self, socket: SocketId, data: T) -> Result<(), Error> {
        let _verb = Verb::begin();
        let kept = self.sockets.data_mut(socket).ok_or(Error::NoSuchSocket)?;
        kept.insert(data);
        Ok(())
    }

    /// What the host has kept with the session of a socket ([`Endpoint::set_request_data`]), if there is something of this type.
    pub fn session_data<T: Any + Send>(&self, socket: SocketId) -> Option<&T> {
        let session = self.sockets.get_known(socket)?.session;
        self.sessions.get(session)?.client.data()?.get()
    }

    /// Takes back the memory of a message that has been handled, for the next one.
    pub fn recycle(&mut self, message: Message) {
        const KEPT_TEXTS: usize = 16;
        const KEPT_BYTES: usize = 4096;
        let mut text = message.args.into_text();
        if self.codec.spare_texts.len() < KEPT_TEXTS && text.capacity() <= KEPT_BYTES {
            text.clear();
            self.codec.spare_texts.push(text);
        }
    }

    /// Sends a message on a bare Engine.IO session.
    pub fn engine_send(&mut self, session: EngineSessionId, message: &Frame) -> Result<(), Error> {
        let _verb = Verb::begin();
        let frame = if message.is_binary() {
            message.clone()
        } else {
            self.codec.frames.text(|out| {
                out.push(b'4');
                out.extend_from_slice(message.payload());
            })
        };
        if self.send(session, frame, Priority::Normal) {
            self.tally.packets_out.messages += 1;
            Ok(())
        } else {
            Err(Error::NoSuchSocket)
        }
    }

    /// The id of an Engine.IO session as its client knows it.
    pub fn engine_session_id(&self, session: EngineSessionId) -> Option<IdText> {
        self.sessions.id_text(session)
    }

    /// Closes an Engine.IO session; what is queued for it still arrives.
    pub fn engine_close(&mut self, session: EngineSessionId) {
        let _verb = Verb::begin();
        self.end_now(session, Ending::AfterFlush(DisconnectReason::ForcedClose));
    }

    /// Ends every session with the reason `server shutting down`, and every connection once its output is written.
    ///
    /// No further connection is accepted. [`Endpoint::is_drained`] says when everything has been written.
    #[doc(alias = "close")]
    pub fn shut_down(&mut self) {
        let _verb = Verb::begin();
        self.transport.begin_shutdown();
        let sessions: Vec<EngineSessionId> = self.sessions.iter().map(|(id, _)| id).collect();
        for session in sessions {
            self.end_now(
                session,
                Ending::Discard(DisconnectReason::ServerShuttingDown),
            );
        }
        let connections: Vec<ConnectionId> = self.transport.iter().map(|(id, _)| id).collect();
        for connection in connections {
            let has_time = self.transport.awaits_answer(connection);
            if !has_time || self.transport.is_in_parts(connection) {
                self.cut(connection);
                self.finish(connection);
            }
        }
    }

    /// Whether [`Endpoint::shut_down`] has been called.
    pub fn is_shutting_down(&self) -> bool {
        self.transport.is_shutting_down()
    }

    /// Whether nothing is left to be written to anybody, and no request to be answered.
    pub fn is_drained(&self) -> bool {
        let mut connections = self.transport.iter();
        connections.all(|(_, connection)| connection.phase == Phase::Lingering)
    }

    /// Answers a request. What the host has not read of its body is thrown away.
    pub fn respond(&mut self, request: RequestId, response: Response) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.check_request(request)?;
        self.answer(request.connection, response);
        Ok(())
    }

    /// Adds header fields to whatever answers a request: the host's own answer, and what the endpoint says by itself, as of a
    /// body that does not come in time. A field that would change the message it travels in is left out, as with a
    /// [`HeaderHook`](crate::http::HeaderHook).
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchRequest`] when it has been answered, and when its sender is gone.
    pub fn add_answer_fields(
        &mut self,
        request: RequestId,
        fields: impl IntoIterator<Item = Field>,
    ) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.check_request(request)?;
        let fields = fields.into_iter();
        let fields = fields.filter(|(name, value)| is_addable(name, value));
        if let Some(exchange) = self.transport.exchange(request.connection) {
            exchange.extra_fields.extend(fields);
        }
        Ok(())
    }

    /// Lets up to `bytes` more of a request's body come in. The first call also answers `Expect: 100-continue`.
    ///
    /// What has been granted is an upper bound of what [`Event::RequestBody`](super::Event::RequestBody) can make the host
    /// hold; a sender that is faster than the host is held back through its connection.
    pub fn grant_body(&mut self, request: RequestId, bytes: usize) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.check_request(request)?;
        self.transport
            .grant_body(&mut self.clock, request.connection, bytes);
        Ok(())
    }

    /// Whether the host still has to answer a request.
    pub(super) fn check_request(&mut self, request: RequestId) -> Result<(), Error> {
        let is_current = self.transport.request_id(request.connection) == Some(request);
        let exchange = self.transport.exchange(request.connection);
        let is_open = exchange.is_some_and(|exchange| {
            let is_hosts = matches!(exchange.sink, Sink::Host { .. });
            is_hosts && !exchange.is_answered && exchange.parts.is_none()
        });
        match is_current && is_open {
            true => Ok(()),
            false => Err(Error::NoSuchRequest),
        }
    }

    pub(super) fn emit_packet(
        &mut self,
        socket: SocketId,
        id: Option<u64>,
        event: &str,
        args: &Args,
    ) -> Result<(), Error> {
        self.check_event(event, args)?;
        let found = self.sockets.get(socket).ok_or(Error::NoSuchSocket)?;
        let (session, namespace) = (found.session, found.namespace);
        self.tally.emits += 1;
        if self.config.emitted_events {
            let own_room = self.sockets.id_text(socket).ok_or(Error::NoSuchSocket)?;
            let target = Target::namespace(namespace).to(own_room.as_str());
            self.note_emitted(&target, event, args);
        }
        let name = self.sockets.namespace_name(namespace).unwrap_or_default();
        let parser = self.config.parser;
        if let Some(key) = self.websocket(session).filter(|_| is_text(parser, args)) {
            // Nobody else gets it, so it goes where it waits without a frame of its own.
            let waiting_bytes = self.codec.frames.text_bytes(
                |out| write_event(out, name, id, event, args),
                |bytes| self.transport.send_bytes(key, bytes),
            );
            self.tally.packets_out.events += 1;
            self.check_queue(session, waiting_bytes);
            return Ok(());
        }
        let packet = parser.event(&mut self.codec.frames, name, id, event, args);
        self.count_event(&packet, 1);
        self.send_packet(session, &packet, Priority::Normal);
        Ok(())
    }

    /// The connection of a session that is on a WebSocket.
    fn websocket(&self, session: EngineSessionId) -> Option<ConnectionId> {
        let session = self.sessions.session(session)?;
        session.websocket()
    }

    pub(super) fn note_emitted(&mut self, target: &Target, event: &str, args: &Args) {
        if self.config.emitted_events {
            self.push_event(Event::Emitted {
                target: target.clone(),
                args: args.named(event),
            });
        }
    }

    pub(super) fn broadcast(&mut self, target: &Target, packet: &Encoded) {
        let mut selected = self.sockets.take_selected(target);
        let priority = Priority::of(selected.len());
        let ready = &mut self.transport.ready;
        ready.charge(cost::ELEMENT * selected.len());
        let mut dropped = 0;
        let count = selected.len() as u64;
        for socket in selected.drain(..) {
            let session = self.sockets.get(socket).map(|socket| socket.session);
            let takes = |it: &_| !target.is_volatile() || self.is_writable(*it);
            match session.filter(takes) {
                Some(session) => self.send_packet(session, packet, priority),
                None => dropped += 1,
            }
        }
        self.count_event(packet, count - dropped);
        self.tally.dropped += if target.is_volatile() { dropped } else { 0 };
        self.sockets.keep_selected(selected);
    }

    pub(super) fn send_packet(
        &mut self,
        session: EngineSessionId,
        packet: &Encoded,
        priority: Priority,
    ) {
        self.send(session, packet.text.clone(), priority);
        for attachment in &packet.attachments {
            self.send(session, attachment.clone(), priority);
        }
    }

    /// Whether this can be emitted: clients hang up on more attachments than they take.
    pub(super) fn check_event(&self, event: &str, args: &Args) -> Result<(), Error> {
        if is_reserved(event) {
            return Err(Error::ReservedEvent(event.to_owned()));
        }
        self.check_attachments(args)
    }

    fn check_attachments(&self, args: &Args) -> Result<(), Error> {
        let has_attachments = matches!(self.config.parser, Parser::Json);
        if has_attachments && args.attachments().len() > self.config.max_attachments {
            return Err(Error::TooManyAttachments);
        }
        Ok(())
    }
}

/// Whether the packet is one text message.
fn is_text(parser: Parser, args: &Args) -> bool {
    matches!(parser, Parser::Json) && args.attachments().is_empty()
}
