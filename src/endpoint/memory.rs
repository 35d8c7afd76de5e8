//! What is held for peers, and who gives way when it is too much.
//!
//! Each peer may have as much as its own limits say. Of all peers together there are two limits: one for what has come in part and
//! waits for its rest, and, where the host sets one, one for everything. Beyond each of them those give way who hold most.

use uuid::Uuid;

use super::events::Ending;
use super::{Endpoint, Limit};
use crate::error::DisconnectReason;
use crate::http::Response;
use crate::id::{ConnectionId, EngineSessionId};
use crate::progress::{ErrorCode, ProgressError};
use crate::transport::{cost, Sink};

/// "Try Again Later", in the registry of close codes of RFC 6455.
const TRY_AGAIN_LATER: u16 = 1013;
/// Seconds after which somebody whose request was given up may try again.
const RETRY_AFTER_S: &str = "5";
/// All is counted when such a part of the limit has been added since the last time, so that counting costs little beside reading
/// and writing.
const COUNTED_PARTS: usize = 8;
/// While memory is short, it is counted again after so many milliseconds.
const COUNT_AGAIN_MS: u64 = 100;

/// Who holds something.
#[derive(Clone, Copy)]
enum Holder {
    /// A connection: the beginning of a head, a body or a message, input that waits for its turn, and what waits to be written.
    Connection(ConnectionId),
    /// A session: a packet without all of its attachments, and what waits for polls.
    Session(EngineSessionId),
}

/// What was found when memory was counted last.
#[derive(Default)]
pub(super) struct Memory {
    /// Nothing new is begun: more than seven eighths of what may be held is.
    is_short: bool,
    /// No progress session may grow: they have more than half of what may be held.
    is_sessions_share_full: bool,
    /// When it is counted again because one of these is so.
    count_again_ms: Option<u64>,
}

impl Endpoint {
    /// Ends those who hold most, where all together hold more than they may.
    pub(super) fn bound_memory(&mut self) {
        self.bound_incomplete();
        let Some(max_bytes) = self.config.max_memory_bytes else {
            return;
        };
        if let Some(tracker) = &mut self.tracking.tracker {
            self.transport.grown_bytes += tracker.take_grown_bytes();
        }
        let now_ms = self.clock.now_ms();
        let count_again_ms = self.turn.memory.count_again_ms;
        let has_grown = self.transport.grown_bytes > max_bytes / COUNTED_PARTS;
        if !has_grown && count_again_ms.is_none_or(|at_ms| now_ms < at_ms) {
            return;
        }
        self.transport.grown_bytes = 0;
        let is_sessions_share_full = self.bound_sessions(max_bytes / 2);
        let holders = self.holders(true);
        let others = self.shared_bytes();
        let bytes = self.give_way(holders, max_bytes.saturating_sub(others), |endpoint, it| {
            endpoint.end_largest(it)
        });
        let is_short = bytes + others > max_bytes / COUNTED_PARTS * (COUNTED_PARTS - 1);
        let is_to_count = is_short || is_sessions_share_full;
        self.turn.memory = Memory {
            is_short,
            is_sessions_share_full,
            count_again_ms: is_to_count.then_some(now_ms + COUNT_AGAIN_MS),
        };
    }

    /// Whether so much memory is held that nothing new is begun. See
    /// [`Config::max_memory_bytes`](crate::Config::max_memory_bytes).
    pub fn is_short_of_memory(&self) -> bool {
        self.turn.memory.is_short
    }

    /// Refuses to begin something new while memory is short, or progress sessions have their share of it.
    pub(super) fn check_memory(&mut self) -> Result<(), ProgressError> {
        let memory = &self.turn.memory;
        match memory.is_short || memory.is_sessions_share_full {
            true => Err(self.overload()),
            false => Ok(()),
        }
    }

    /// Refuses to have a progress session grow while they have their share of memory. Those of the host may: what they tell has an end.
    pub(super) fn check_growth(&mut self, id: Uuid) -> Result<(), ProgressError> {
        let session = self.turn.memory.is_sessions_share_full.then_some(id);
        let session = session.and_then(|id| self.session_info_of(id));
        match session.is_some_and(|session| !session.is_managed) {
            true => Err(self.overload()),
            false => Ok(()),
        }
    }

    fn overload(&mut self) -> ProgressError {
        self.limit_reached(Limit::MemoryBytes, None);
        ProgressError::new(
            ErrorCode::ServerOverload,
            "the server is short of memory, try again later",
        )
    }

    /// Has progress sessions forget what can be made again where they hold more than this, and says whether they still do.
    fn bound_sessions(&mut self, max_bytes: usize) -> bool {
        let Some(tracker) = &mut self.tracking.tracker else {
            return false;
        };
        if tracker.memory_bytes() > max_bytes {
            tracker.forget_views();
        }
        tracker.memory_bytes() > max_bytes
    }

    fn bound_incomplete(&mut self) {
        let max_bytes = self.config.max_incomplete_bytes;
        let max_bytes = max_bytes.min(self.config.max_memory_bytes.unwrap_or(max_bytes));
        let added_bytes = usize::try_from(self.transport.added_bytes).unwrap_or(0);
        if added_bytes <= max_bytes / COUNTED_PARTS {
            return;
        }
        self.transport.added_bytes = 0;
        let holders = self.holders(false);
        self.give_way(holders, max_bytes, |endpoint, holder| {
            endpoint.gave_way(Limit::IncompleteBytes, holder);
            match holder {
                Holder::Connection(key) => endpoint.end_incomplete(key),
                Holder::Session(id) => endpoint.end(id, Ending::Protocol(TRY_AGAIN_LATER)),
            }
        });
    }

    /// Ends the largest of these until the others hold no more than `max_bytes`, and gives how much those hold.
    fn give_way(
        &mut self,
        mut holders: Vec<(usize, Holder)>,
        max_bytes: usize,
        mut end: impl FnMut(&mut Endpoint, Holder),
    ) -> usize {
        let looked_at = self.transport.count() + self.sessions.count();
        self.transport.ready.charge(cost::ELEMENT * looked_at);
        let mut bytes: usize = holders.iter().map(|(bytes, _)| bytes).sum();
        if bytes > max_bytes {
            holders.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        }
        for (held, holder) in holders {
            if bytes <= max_bytes {
                break;
            }
            bytes -= held;
            end(self, holder);
        }
        bytes
    }

    fn gave_way(&mut self, limit: Limit, holder: Holder) {
        match holder {
            Holder::Session(id) => self.limit_reached_by(limit, id),
            Holder::Connection(key) => {
                let peer = self.transport.get(key).map(|it| it.peer_addr);
                self.limit_reached(limit, peer);
            }
        }
    }

    /// How many bytes of what has come in part all of them keep.
    pub(super) fn held_bytes(&self) -> usize {
        self.holders(false).iter().map(|(bytes, _)| bytes).sum()
    }

    /// How many bytes are held for everybody and everything.
    pub(super) fn memory_bytes(&self) -> usize {
        let holders = self.holders(true);
        holders.iter().map(|(bytes, _)| bytes).sum::<usize>() + self.shared_bytes()
    }

    /// Everybody who holds something, and how many bytes: of what has come in part alone, or of `everything`.
    fn holders(&self, everything: bool) -> Vec<(usize, Holder)> {
        let connections = self.transport.iter();
        let connections = connections.map(|(key, it)| {
            let bytes = match everything {
                true => it.memory_bytes(),
                false => it.incomplete_bytes(),
            };
            (bytes, Holder::Connection(key))
        });
        let sessions = self.sessions.iter();
        let sessions = sessions.map(|(id, it)| {
            let queue_bytes = everything.then(|| it.session.queue_memory_bytes());
            let bytes = it.client.incomplete_bytes() + queue_bytes.unwrap_or(0);
            (bytes, Holder::Session(id))
        });
        let all = connections.chain(sessions);
        all.filter(|(bytes, _)| *bytes > 0).collect()
    }

    /// What belongs to no peer: progress sessions, and packets kept for those who may come back.
    fn shared_bytes(&self) -> usize {
        let tracker = self.tracking.tracker.as_ref();
        tracker.map_or(0, |tracker| tracker.memory_bytes()) + self.sockets.log_bytes()
    }

    /// Ends a connection for what it has sent in part, and gives the memory of that back.
    fn end_incomplete(&mut self, key: ConnectionId) {
        match self.transport.session_of(key) {
            Some(session) => {
                self.close_websocket(key, Some(TRY_AGAIN_LATER));
                self.websocket_failed(key, session, TRY_AGAIN_LATER);
            }
            None => {
                let exchange = self.transport.exchange(key);
                let post = exchange.and_then(|it| match it.sink {
                    Sink::Post { session, .. } => Some(session),
                    _ => None,
                });
                if let Some(session) = post {
                    self.end(session, Ending::Discard(DisconnectReason::MemoryLimit));
                }
                let response = Response::text(503, "Too many requests are incomplete.");
                self.body_failed(key, response.with_header("Retry-After", RETRY_AFTER_S));
            }
        }
    }

    /// Ends the one who holds most, and gives the memory of that back: what waits for it is lost.
    fn end_largest(&mut self, holder: Holder) {
        self.gave_way(Limit::MemoryBytes, holder);
        let session = match holder {
            Holder::Session(id) => Some(id),
            Holder::Connection(key) => self.transport.session_of(key),
        };
        match (session, holder) {
            (Some(id), _) => {
                if let Some(session) = self.sessions.session_mut(id) {
                    session.set_overfull();
                    session.forget_queue();
                }
                if let Holder::Connection(key) = holder {
                    self.transport.forget_output(key);
                }
                self.end(id, Ending::Protocol(TRY_AGAIN_LATER));
            }
            (None, Holder::Connection(key)) => match self.transport.has_output(key) {
                // An answer that is given up in the middle can only be cut.
                true => self.hang_up(key),
                false => self.end_incomplete(key),
            },
            (None, Holder::Session(_)) => {}
        }
    }
}

impl Ending {
    /// Why a session ends whose WebSocket is closed with this code.
    pub(super) fn reason_of_code(code: u16) -> DisconnectReason {
        match code {
            TRY_AGAIN_LATER => DisconnectReason::MemoryLimit,
            _ => DisconnectReason::TransportError,
        }
    }
}
