//! What has come in part and is kept until the rest is here. Each peer may have as much of it as its message, body or packet may
//! be long; of all peers together there is a limit, and beyond it those give way who have most.

use super::events::Ending;
use super::Endpoint;
use crate::http::Response;
use crate::id::{ConnectionId, EngineSessionId};
use crate::transport::cost;

/// "Try Again Later", in the registry of close codes of RFC 6455.
const TRY_AGAIN_LATER: u16 = 1013;
/// Seconds after which somebody whose request was given up may try again.
const RETRY_AFTER_S: &str = "5";
/// All is counted when such a part of the limit has been added since the last time, so that counting costs little beside reading.
const COUNTED_PARTS: usize = 8;

/// Who keeps something.
#[derive(Clone, Copy)]
enum Holder {
    /// A connection: the beginning of a head, a body or a message.
    Connection(ConnectionId),
    /// A session: a packet without all of its attachments.
    Session(EngineSessionId),
}

impl Endpoint {
    /// Ends those who keep most, where all together keep more than they may.
    pub(super) fn bound_incomplete(&mut self) {
        let max_bytes = self.config.max_incomplete_bytes;
        let added_bytes = usize::try_from(self.transport.added_bytes).unwrap_or(0);
        if added_bytes <= max_bytes / COUNTED_PARTS {
            return;
        }
        self.transport.added_bytes = 0;
        let looked_at = self.transport.count() + self.sessions.count();
        self.transport.ready.charge(cost::ELEMENT * looked_at);
        let mut holders = self.holders();
        let mut bytes: usize = holders.iter().map(|(bytes, _)| bytes).sum();
        holders.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (held, holder) in holders {
            if bytes <= max_bytes {
                return;
            }
            bytes -= held;
            match holder {
                Holder::Connection(key) => self.end_incomplete(key),
                Holder::Session(id) => self.end(id, Ending::Protocol(TRY_AGAIN_LATER)),
            }
        }
    }

    /// How many bytes all of them keep.
    pub(super) fn held_bytes(&self) -> usize {
        self.holders().iter().map(|(bytes, _)| bytes).sum()
    }

    /// Everybody who keeps something, and how many bytes.
    fn holders(&self) -> Vec<(usize, Holder)> {
        let connections = self.transport.iter();
        let connections =
            connections.map(|(key, it)| (it.incomplete_bytes(), Holder::Connection(key)));
        let sessions = self.sessions.iter();
        let sessions = sessions.map(|(id, it)| (it.client.incomplete_bytes(), Holder::Session(id)));
        let all = connections.chain(sessions);
        all.filter(|(bytes, _)| *bytes > 0).collect()
    }

    /// Ends a connection for what it has sent in part, and gives the memory of that back.
    fn end_incomplete(&mut self, key: ConnectionId) {
        match self.transport.session_of(key) {
            Some(session) => {
                self.close_websocket(key, Some(TRY_AGAIN_LATER));
                self.websocket_failed(key, session, TRY_AGAIN_LATER);
            }
            None => {
                let response = Response::text(503, "Too many requests are incomplete.");
                self.body_failed(key, response.with_header("Retry-After", RETRY_AFTER_S));
            }
        }
    }
}
