//! Limits that peers have reached: counted, and told to a host that wants to know.

use super::events::Queued;
use super::{Endpoint, Event};
use crate::peer::PeerAddr;

/// The host is told of one limit once in so many milliseconds at the most, however often it is reached.
const TOLD_AGAIN_MS: u64 = 1_000;

/// A limit that a peer, or all of them together, can reach; each is a field of [`Config`](crate::Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Config::max_connections`](crate::Config::max_connections).
    Connections,
    /// [`Config::max_connections_per_address`](crate::Config::max_connections_per_address).
    ConnectionsPerAddress,
    /// [`Config::max_sessions`](crate::Config::max_sessions).
    Sessions,
    /// [`Config::max_sessions_per_address`](crate::Config::max_sessions_per_address).
    SessionsPerAddress,
    /// [`Config::max_handshakes_per_second`](crate::Config::max_handshakes_per_second).
    Handshakes,
    /// [`Config::max_queued_bytes`](crate::Config::max_queued_bytes).
    QueuedBytes,
    /// [`Config::max_incomplete_bytes`](crate::Config::max_incomplete_bytes): a peer has given way.
    IncompleteBytes,
    /// [`Config::max_memory_bytes`](crate::Config::max_memory_bytes): a peer has given way, or something new was refused.
    MemoryBytes,
    /// [`Config::max_messages_per_second`](crate::Config::max_messages_per_second) or
    /// [`Config::max_bytes_per_second`](crate::Config::max_bytes_per_second): a session has to wait.
    Messages,
    /// [`Config::max_joins_per_second`](crate::Config::max_joins_per_second).
    Joins,
    /// [`Config::max_commands_per_second`](crate::Config::max_commands_per_second).
    Commands,
}

impl Limit {
    const ALL: [Limit; 11] = [
        Limit::Connections,
        Limit::ConnectionsPerAddress,
        Limit::Sessions,
        Limit::SessionsPerAddress,
        Limit::Handshakes,
        Limit::QueuedBytes,
        Limit::IncompleteBytes,
        Limit::MemoryBytes,
        Limit::Messages,
        Limit::Joins,
        Limit::Commands,
    ];

    /// The limit in words, such as `sessions per address`.
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::Connections => "connections",
            Limit::ConnectionsPerAddress => "connections per address",
            Limit::Sessions => "sessions",
            Limit::SessionsPerAddress => "sessions per address",
            Limit::Handshakes => "handshakes",
            Limit::QueuedBytes => "queued bytes",
            Limit::IncompleteBytes => "incomplete bytes",
            Limit::MemoryBytes => "memory bytes",
            Limit::Messages => "messages",
            Limit::Joins => "joins",
            Limit::Commands => "commands",
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often each limit was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitCounts([u64; Limit::ALL.len()]);

impl LimitCounts {
    /// How often this one was.
    pub fn of(&self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }

    /// All limits, and how often each was reached.
    pub fn iter(&self) -> impl Iterator<Item = (Limit, u64)> + '_ {
        Limit::ALL.into_iter().map(|limit| (limit, self.of(limit)))
    }
}

/// What the host knows of each limit.
#[derive(Default)]
pub(super) struct Told([Untold; Limit::ALL.len()]);

/// What it has not been told of one limit.
#[derive(Clone, Copy, Default)]
struct Untold {
    times: u64,
    peer: Option<PeerAddr>,
    is_queued: bool,
    not_before_ms: u64,
}

impl Endpoint {
    /// A limit has been reached, by this peer where it is known.
    pub(super) fn limit_reached(&mut self, limit: Limit, peer: Option<PeerAddr>) {
        self.tally.limits.0[limit as usize] += 1;
        if !self.config.limit_events {
            return;
        }
        let now_ms = self.clock.now_ms();
        let untold = &mut self.events.limits.0[limit as usize];
        untold.times += 1;
        untold.peer = peer.or(untold.peer);
        if !untold.is_queued && now_ms >= untold.not_before_ms {
            untold.is_queued = true;
            untold.not_before_ms = now_ms.saturating_add(TOLD_AGAIN_MS);
            self.events.push(Queued::Limit(limit));
        }
    }

    /// What is told of a limit.
    pub(super) fn limit_event(&mut self, limit: Limit) -> Event {
        let untold = &mut self.events.limits.0[limit as usize];
        let event = Event::LimitReached {
            limit,
            times: untold.times,
            peer: untold.peer.unwrap_or(PeerAddr::Unknown),
        };
        *untold = Untold {
            not_before_ms: untold.not_before_ms,
            ..Untold::default()
        };
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_its_count_and_its_words() {
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, index);
            assert!(!limit.as_str().is_empty());
        }
        assert_eq!(LimitCounts::default().iter().count(), Limit::ALL.len());
    }
}
