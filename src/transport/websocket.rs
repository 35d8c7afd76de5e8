//! WebSockets: frames in, frames out, the closing handshake.

use super::connection::WebSocket;
use super::{Chunk, Failure, Protocol, Step, Transport};
use crate::clock::Clock;
use crate::frame::{Frame, PLACE_BYTES};
use crate::id::{ConnectionId, EngineSessionId};
use crate::priority::Priority;
use crate::websocket::{close_frame, Decoded, Decoder};

impl Transport {
    /// The connection speaks WebSocket from now on, for this session; `response` says so to its peer.
    pub fn switch_protocols(
        &mut self,
        clock: &mut Clock,
        key: ConnectionId,
        session: EngineSessionId,
        response: Vec<u8>,
    ) {
        self.disarm(clock, key);
        if let Some(connection) = self.get_mut(key) {
            connection.protocol = Protocol::WebSocket(WebSocket::new(session));
            connection.outbox.push(Chunk::Owned(response));
            self.queue_write(key, Priority::Normal);
        }
    }

    /// The session that a WebSocket is of.
    pub fn session_of(&self, key: ConnectionId) -> Option<EngineSessionId> {
        match &self.get(key)?.protocol {
            Protocol::WebSocket(websocket) => Some(websocket.session),
            Protocol::Http(_) => None,
        }
    }

    /// The session of an open WebSocket for which nothing waits.
    pub fn idle_session_of(&self, key: ConnectionId) -> Option<EngineSessionId> {
        let connection = self.get(key)?;
        let is_idle = connection.is_open() && connection.outbox.is_empty();
        self.session_of(key).filter(|_| is_idle)
    }

    pub(super) fn websocket_step<'a>(
        &mut self,
        key: ConnectionId,
        input: &'a mut [u8],
        decoder: &'a mut Decoder,
    ) -> Step<'a> {
        let max_bytes = self.limits.max_payload_bytes;
        let Some(websocket) = self.websocket(key) else {
            return Step::Blocked;
        };
        *decoder = std::mem::take(&mut websocket.decoder);
        let kept_bytes = decoder.kept_bytes();
        self.added_bytes = self.added_bytes.saturating_sub_unsigned(kept_bytes);
        match decoder.decode(input, max_bytes) {
            Ok(Decoded::Incomplete { .. }) => Step::NeedMore,
            Ok(Decoded::Complete { consumed, message }) => match message {
                Some(message) => Step::Message {
                    message,
                    bytes: consumed,
                },
                None => Step::Other { bytes: consumed },
            },
            Err(failure) => Step::Failed(Failure::Frame(failure)),
        }
    }

    /// Gives back what [`Transport::step`] has put into the decoder.
    pub fn keep_decoder(&mut self, key: ConnectionId, mut decoder: Decoder) {
        decoder.release();
        let kept_bytes = decoder.kept_bytes();
        if let Some(websocket) = self.websocket(key) {
            websocket.decoder = decoder;
            self.note_kept(kept_bytes);
        }
    }

    /// Queues a frame for a WebSocket, and gives how many bytes wait for it then. Nothing goes out behind a close frame (RFC 6455
    /// section 5.5.1).
    pub fn send(&mut self, key: ConnectionId, frame: Frame, priority: Priority) -> usize {
        let connection = self.connections.get_mut(key.0);
        let Some(connection) = connection.filter(|it| it.is_open()) else {
            return 0;
        };
        self.grown_bytes += frame.websocket().len() + PLACE_BYTES;
        connection.outbox.push(Chunk::Frame(frame));
        self.write_queue.push(key, &mut connection.listed, priority);
        connection.outbox.held_bytes()
    }

    /// As [`Transport::send`], for the bytes of a frame that is for this WebSocket alone; small ones share a buffer.
    pub fn send_bytes(&mut self, key: ConnectionId, frame: &[u8]) -> usize {
        let connection = self.connections.get_mut(key.0);
        let Some(connection) = connection.filter(|it| it.is_open()) else {
            return 0;
        };
        self.grown_bytes += frame.len();
        connection.outbox.extend(frame, &mut self.spares);
        self.write_queue
            .push(key, &mut connection.listed, Priority::Normal);
        connection.outbox.held_bytes()
    }

    /// Appends news to a connection that is about to be written to. True when it takes more.
    pub fn push_news(&mut self, key: ConnectionId, frame: Frame) -> bool {
        self.get_mut(key).is_some_and(|connection| {
            connection.outbox.push(Chunk::News(frame));
            connection.outbox.takes_more_news()
        })
    }

    /// Forgets what waits to be written, but for the rest of a frame of which a part has been.
    pub fn forget_output(&mut self, key: ConnectionId) {
        if let Some(connection) = self.get_mut(key) {
            connection.outbox.forget();
        }
    }

    /// Starts the closing handshake from our side and ends the connection; without a code the peer sees 1005.
    pub fn close_websocket(&mut self, clock: &mut Clock, key: ConnectionId, code: Option<u16>) {
        if let Some(connection) = self.get_mut(key).filter(|it| it.is_open()) {
            connection.outbox.push(Chunk::Owned(close_frame(code, "")));
            self.finish(clock, key);
        }
    }

    fn websocket(&mut self, key: ConnectionId) -> Option<&mut WebSocket> {
        match &mut self.get_mut(key)?.protocol {
            Protocol::WebSocket(websocket) => Some(websocket),
            Protocol::Http(_) => None,
        }
    }
}
