//! Polls and posts of sessions: answering the one with what is queued, taking packets out of the other.

use std::collections::VecDeque;

use super::{Ending, Endpoint, Peer};
use crate::connection::{Connection, Payload, Sink};
use crate::engine::{
    decode_payload, encode_payload, payload3, EngineError, Packet, Part, Revision, Transport,
};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::{Field, Response};
use crate::outbox::Due;
use crate::ready::cost;
use crate::slots::Key;

impl Endpoint {
    /// Answers the waiting poll of a session with what is queued.
    pub(super) fn flush_poll(&mut self, key: Key) {
        let max_packets = self.config.max_packets_per_poll;
        let Some(Peer { session, .. }) = self.sessions.get_mut(key) else {
            return;
        };
        session.flush_due = Due::No;
        let Transport::Polling {
            poll: Some(connection),
            ..
        } = session.transport
        else {
            return;
        };
        let is_closing = session.is_closing;
        let count = session.queue.len().min(max_packets);
        let mut frames: Vec<Frame> = session.queue.drain(..count).collect();
        let taken_bytes: usize = frames.iter().map(|frame| frame.payload().len()).sum();
        session.queued_bytes -= taken_bytes;
        if session.queue.is_empty() {
            session.queue = VecDeque::new();
        }
        while !is_closing && frames.len() < max_packets {
            match self.next_news(key) {
                Some(frame) => frames.push(frame),
                None => break,
            }
        }
        if frames.is_empty() && !is_closing {
            // An upgrade that waits for this poll to end does not wait longer because all news was old.
            if self.is_probed(key) {
                self.answer_poll(key, "6");
            }
            return;
        }
        self.take_poll(key);
        // The close packet goes alone: the JavaScript client handles it before the packets in front of it, which would
        // then look like a connection that was lost.
        let is_last = is_closing && count == 0;
        if is_last {
            frames.push(Frame::text("1"));
        }
        self.answer_packets(connection, key, &frames, Vec::new());
        if is_last {
            self.remove_session(key);
        }
    }

    /// Whether a WebSocket that is about to take a session over waits for its poll to end.
    fn is_probed(&self, key: Key) -> bool {
        let upgrade = self
            .sessions
            .get(key)
            .and_then(|peer| peer.session.upgrade.as_ref());
        upgrade.is_some_and(|upgrade| upgrade.is_probed)
    }

    /// The waiting poll of a session is about to be answered.
    fn take_poll(&mut self, key: Key) -> Option<Key> {
        let peer = self.sessions.get_mut(key)?;
        match &mut peer.session.transport {
            Transport::Polling { poll, .. } => poll.take(),
            Transport::WebSocket(_) => None,
        }
    }

    /// Answers a request of a session with packets.
    pub(super) fn answer_packets(
        &mut self,
        connection: Key,
        session: Key,
        frames: &[Frame],
        fields: Vec<Field>,
    ) {
        let mut response = self.poll_response(session, frames);
        response.headers.extend(fields);
        #[cfg(feature = "compression")]
        if frames.iter().any(Frame::wants_compression) {
            self.compress(connection, &mut response);
        }
        self.answer_engine(connection, response);
    }

    /// Answers a poll or a post that went well.
    fn answer_engine(&mut self, key: Key, response: Response) {
        self.answer(key, response.with_header("cache-control", "no-store"));
    }

    /// The answer to a poll, in the format of the session's protocol.
    fn poll_response(&self, session: Key, frames: &[Frame]) -> Response {
        let session = self.sessions.get(session).map(|peer| &peer.session);
        let revision = session.map_or(Revision::V4, |session| session.revision);
        let reads_binary = session.is_some_and(|session| session.reads_binary);
        let bytes: usize = frames.iter().map(|frame| frame.payload().len()).sum();
        let mut payload = Vec::with_capacity(bytes + 8 * frames.len());
        let is_octets =
            revision == Revision::V3 && reads_binary && frames.iter().any(Frame::is_binary);
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

    /// Answers the waiting poll, if there is one, with this packet alone.
    pub(super) fn answer_poll(&mut self, key: Key, packet: &str) {
        if let Some(connection) = self.take_poll(key) {
            self.answer_packets(connection, key, &[Frame::text(packet)], Vec::new());
        }
    }

    /// Handles the packets of a `POST` as far as the share of its connection goes.
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
        let (session, mut at) = (*session, *at);
        let payload = std::mem::take(&mut **payload).complete(*is_octets);
        let is_on_polling = |peer: &Peer| {
            peer.takes_input() && matches!(peer.session.transport, Transport::Polling { .. })
        };
        if !self.sessions.get(session).is_some_and(is_on_polling) {
            self.end_post(session, key);
            return self.answer_error(key, EngineError::BadRequest);
        }
        let revision = self.sessions.get(session).map(|peer| peer.session.revision);
        let packets = match &payload {
            Payload::Octets(octets) => Some(Packets::Octets3(octets)),
            Payload::Text(text) if revision == Some(Revision::V3) => Some(Packets::Text3(text)),
            Payload::Text(text) => Some(Packets::Text4(text)),
            Payload::Incoming(_) => None,
        };
        let is_valid = if let Some(packets) = packets {
            loop {
                if self.is_share_used_up() {
                    return self.pause_post(key, payload, at);
                }
                let (part, next) = packets.at(at);
                let end = next.unwrap_or(packets.bytes());
                self.ready.charge(cost::STEP + end - at);
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
            if let Some(upgrade) = &session.upgrade {
                let websocket = upgrade.connection;
                self.input_wanted(websocket);
            }
        }
    }

    /// Whether all of the `POST` that comes in on a connection has come, and its packets are being handled.
    pub(super) fn is_post_complete(&mut self, connection: Key) -> bool {
        let exchange = self
            .connections
            .get_mut(connection)
            .and_then(Connection::exchange);
        exchange.is_some_and(|exchange| match exchange.sink {
            Sink::Post { is_complete, .. } => is_complete && !exchange.is_answered,
            _ => false,
        })
    }

    fn pause_post(&mut self, key: Key, rest: Payload, done: usize) {
        if let Some(exchange) = self.connections.get_mut(key).and_then(Connection::exchange) {
            if let Sink::Post { payload, at, .. } = &mut exchange.sink {
                **payload = rest;
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
        self.end_post(session, key);
        self.end(session, Ending::Drop(DisconnectReason::TransportError));
        self.finish(key);
    }
}

/// The body of a `POST`, in one of three formats.
enum Packets<'a> {
    Text4(&'a str),
    Text3(&'a str),
    Octets3(&'a [u8]),
}

impl<'a> Packets<'a> {
    /// Length of all in bytes.
    fn bytes(&self) -> usize {
        match self {
            Packets::Text4(text) | Packets::Text3(text) => text.len(),
            Packets::Octets3(octets) => octets.len(),
        }
    }

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
