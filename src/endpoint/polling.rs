//! Polls and posts of sessions: answering the one with what is queued, taking packets out of the other.

use super::events::Ending;
use super::Endpoint;
use crate::engine::{
    decode_payload, encode_payload, payload3, EngineError, Packet, Part, Revision, CLOSE, NOOP,
};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::{Field, Response};
use crate::id::{ConnectionId, EngineSessionId};
use crate::priority::Priority;
use crate::transport::{cost, Payload, Sink};

/// An answer to a poll takes no further packets beyond so many bytes: what a slow client makes wait is not compressed in one piece.
const MAX_POLL_BYTES: usize = 64 * 1024;

impl Endpoint {
    /// Answers the waiting poll of a session with what is queued.
    pub(super) fn flush_poll(&mut self, id: EngineSessionId, priority: Priority) {
        let max_packets = self.config.max_packets_per_poll;
        let Some(session) = self.sessions.session_mut(id) else {
            return;
        };
        if session.waiting_poll().is_none() {
            return;
        }
        let is_draining = session.is_draining();
        let mut frames = session.take_queue(max_packets, MAX_POLL_BYTES);
        // The close packet goes alone: the JavaScript client handles it before the packets in front of it, which would
        // then look like a connection that was lost.
        let is_last = is_draining && frames.is_empty();
        while !is_draining && frames.len() < max_packets {
            match self.next_news(id) {
                Some(frame) => frames.push(frame),
                None => break,
            }
        }
        if is_last {
            self.answer_poll(id, CLOSE);
            self.remove_session(id);
        } else if frames.is_empty() {
            // An upgrade that waits for this poll to end does not wait longer because all news was old.
            let session = self.sessions.session(id);
            if session.is_some_and(|session| session.is_probed()) {
                self.answer_poll(id, NOOP);
            }
        } else {
            self.answer_poll_with(id, &frames, priority);
        }
    }

    /// Answers the waiting poll of a session, if there is one.
    fn answer_poll_with(&mut self, id: EngineSessionId, frames: &[Frame], priority: Priority) {
        let session = self.sessions.session_mut(id);
        if let Some(connection) = session.and_then(|session| session.take_poll()) {
            self.answer_packets(connection, id, frames, Vec::new(), priority);
        }
    }

    /// The same, with this packet alone.
    pub(super) fn answer_poll(&mut self, id: EngineSessionId, packet: &str) {
        self.answer_poll_with(id, &[Frame::text(packet)], Priority::Normal);
    }

    /// Answers a request of a session with packets.
    pub(super) fn answer_packets(
        &mut self,
        connection: ConnectionId,
        session: EngineSessionId,
        frames: &[Frame],
        fields: Vec<Field>,
        priority: Priority,
    ) {
        let mut response = self.poll_response(session, frames);
        response.headers.extend(fields);
        #[cfg(feature = "compression")]
        if frames.iter().any(Frame::wants_compression) {
            self.transport.compress(connection, &mut response);
        }
        self.answer_engine(connection, response, priority);
    }

    /// Answers a poll or a post that went well.
    fn answer_engine(&mut self, key: ConnectionId, response: Response, priority: Priority) {
        let response = response.with_header("cache-control", "no-store");
        self.transport
            .answer(&mut self.clock, key, response, priority);
    }

    /// The answer to a poll, in the format of the session's protocol.
    fn poll_response(&self, id: EngineSessionId, frames: &[Frame]) -> Response {
        let session = self.sessions.session(id);
        let revision = session.map_or(Revision::V4, |session| session.revision());
        let reads_binary = session.is_some_and(|session| session.reads_binary());
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

    /// Handles the packets of a `POST` as far as the share of its connection goes.
    pub(super) fn continue_post(&mut self, key: ConnectionId) {
        let Some(exchange) = self.transport.exchange(key) else {
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
        let on_polling = self.sessions.session(session);
        let on_polling = on_polling.filter(|it| it.takes_input() && it.is_on_polling());
        let Some(revision) = on_polling.map(|session| session.revision()) else {
            self.end_post(session, key);
            return self.answer_error(key, EngineError::BadRequest);
        };
        let packets = match &payload {
            Payload::Octets(octets) => Some(Packets::Octets3(octets)),
            Payload::Text(text) if revision == Revision::V3 => Some(Packets::Text3(text)),
            Payload::Text(text) => Some(Packets::Text4(text)),
            Payload::Incoming(_) => None,
        };
        let is_valid = if let Some(packets) = packets {
            loop {
                if self.sessions.rates.is_paused(session) {
                    return self.pause_post(key, payload, at);
                }
                if self.is_share_used_up() {
                    self.transport.ready.on_more(key);
                    return self.pause_post(key, payload, at);
                }
                let (part, next) = packets.at(at);
                let end = next.unwrap_or(packets.bytes());
                self.transport.ready.charge(cost::STEP + end - at);
                let is_valid = self.post_part(session, part);
                self.spend(session, end - at);
                match next {
                    Some(next) if is_valid && self.takes_input(session) => at = next,
                    _ => break is_valid,
                }
            }
        } else {
            self.end(session, Ending::Discard(DisconnectReason::ParseError));
            false
        };
        self.end_post(session, key);
        if is_valid {
            let response = Response::new(200, "text/html", &b"ok"[..]);
            self.answer_engine(key, response, Priority::Normal);
        } else {
            self.answer_error(key, EngineError::BadRequest);
        }
    }

    /// The session has nothing more to do with this `POST`: what comes next on its connection may be for somebody else.
    pub(super) fn end_post(&mut self, id: EngineSessionId, connection: ConnectionId) {
        if let Some(session) = self.sessions.session_mut(id) {
            session.end_post(connection);
            if let Some(websocket) = session.upgrading_to() {
                self.transport.input_wanted(websocket);
            }
        }
    }

    fn pause_post(&mut self, key: ConnectionId, rest: Payload, done: usize) {
        if let Some(exchange) = self.transport.exchange(key) {
            if let Sink::Post { payload, at, .. } = &mut exchange.sink {
                **payload = rest;
                *at = done;
            }
        }
    }

    /// One packet of a `POST`; false when it is not one.
    fn post_part(&mut self, session: EngineSessionId, part: Part<'_>) -> bool {
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
                self.end(session, Ending::Discard(DisconnectReason::ParseError));
                false
            }
        }
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
