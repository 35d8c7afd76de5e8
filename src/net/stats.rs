//! What the loop has done and how long its turns took.

use std::time::Duration;

use super::histogram::Histogram;

/// What a [`Server`](super::Server) has done since it was made: system calls and bytes counted, and its turns timed.
///
/// Every count is of calls, successful or not.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Turns of the loop.
    pub turns: u64,
    /// Waits for readiness: one a turn.
    pub polls: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Calls to accept, those that found nobody included.
    pub accepts: u64,
    /// Reads.
    pub reads: u64,
    /// Bytes that came in.
    pub read_bytes: u64,
    /// Gathered writes.
    pub writes: u64,
    /// Bytes that went out.
    pub written_bytes: u64,
    /// Registrations with the operating system's poller: one a connection, and none for a read or a write.
    pub registrations: u64,
    /// Closures of [`Handle::call`](super::Handle::call) that panicked.
    pub panics: u64,
    /// Most connections written to in one turn.
    pub max_writes_per_turn: u64,
    /// How long turns took, in microseconds, the wait for something to happen left out and the host's handling of events
    /// included.
    pub turn_us: Histogram,
    /// How late timers fired, in milliseconds.
    pub timer_lateness_ms: Histogram,
    /// How long commands of other threads ([`Handle`](super::Handle)) waited for the loop, in microseconds: its lag, as
    /// whoever wants something of it sees it.
    pub lag_us: Histogram,
}

impl Stats {
    /// A turn is over that began to work so long ago.
    pub(super) fn turn_took(&mut self, worked: Duration) {
        self.turn_us.record(micros(worked));
    }

    /// A command is taken that was given so long ago.
    pub(super) fn commanded(&mut self, waited: Duration) {
        self.lag_us.record(micros(waited));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
