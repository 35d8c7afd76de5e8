//! The server goes: nobody new is let in, and clients are sent away a few at a time, so that they do not all come back at once.

use super::events::Ending;
use super::Endpoint;
use crate::error::DisconnectReason;
use crate::id::EngineSessionId;
use crate::panics::Verb;
use crate::timer::Timer;

/// How often some clients are sent away.
const EVERY_MS: u64 = 50;
/// How long polling clients have to fetch what waits for them when all have been sent away. Those who have to open a connection for
/// that cannot.
const LAST_POLL_MS: u64 = 500;
/// How many are sent away at a time at the least: few clients need not wait.
const LEAST: usize = 5;

/// A server that goes.
#[derive(Default)]
pub(super) struct Drain {
    /// By when all clients are to have been sent away, and until when requests may be answered.
    times: Option<(u64, u64)>,
    /// When all had been sent away.
    gone_ms: Option<u64>,
}

impl Endpoint {
    /// Lets nobody in any more: no connection is accepted, no session opened, and no connection kept for another request, but for
    /// those of polling clients. Who is there stays. A [`Server`](crate::Server) closes its listeners; where another process has
    /// them too, as a successor or a service manager, whoever connects from now on gets to that one.
    pub fn stop_accepting(&mut self) {
        let _verb = Verb::begin();
        self.transport.stop_accepting();
    }

    /// Whether [`Endpoint::stop_accepting`], [`Endpoint::drain`] or [`Endpoint::shut_down`] has been called.
    pub fn is_leaving(&self) -> bool {
        self.transport.is_leaving()
    }

    /// Goes without a rush, within `grace_ms` milliseconds: nobody is let in any more ([`Endpoint::stop_accepting`]), and clients
    /// are sent away in equal parts over half of that time, over less where they are few. What is queued for them still
    /// arrives, where they come for it. WebSockets are closed with 1001, polling clients by a close packet, and nobody by a DISCONNECT packet, so that all of
    /// them come back by themselves, to whoever listens then. Requests under way are answered. When nobody is left, or the
    /// time is over, the server ends: [`Endpoint::shut_down`].
    ///
    /// Calling it again sets the time anew.
    pub fn drain(&mut self, grace_ms: u64) {
        let _verb = Verb::begin();
        self.transport.stop_accepting();
        let gone_by_ms = self.clock.in_ms(grace_ms / 2);
        let is_new = self.drain.times.is_none();
        self.drain.times = Some((gone_by_ms, self.clock.in_ms(grace_ms)));
        if is_new {
            self.send_some_away(true);
        }
    }

    /// The monotonic time in milliseconds by which a server that goes is to have ended.
    pub(crate) fn drained_by_ms(&self) -> Option<u64> {
        self.drain.times.map(|(_, ended_by_ms)| ended_by_ms)
    }

    /// Sends some clients away, or ends.
    pub(super) fn continue_drain(&mut self) {
        self.send_some_away(false);
    }

    fn send_some_away(&mut self, is_first: bool) {
        let Some((gone_by_ms, ended_by_ms)) = self.drain.times else {
            return;
        };
        if self.is_shutting_down() {
            return;
        }
        let now_ms = self.clock.now_ms();
        let there = |id: &EngineSessionId| {
            let session = self.sessions.session(*id);
            session.is_some_and(|session| session.takes_input())
        };
        let mut left: Vec<EngineSessionId> = self.sessions.iter().map(|(id, _)| id).collect();
        left.retain(there);
        // Not at once: what somebody has just connected for is on its way.
        if left.is_empty() && !is_first {
            let gone_ms = *self.drain.gone_ms.get_or_insert(now_ms);
            let has_polled =
                self.sessions.count() == 0 || now_ms >= gone_ms.saturating_add(LAST_POLL_MS);
            let is_idle = has_polled && !self.transport.has_host_requests();
            if is_idle || now_ms >= ended_by_ms {
                return self.shut_down();
            }
        }
        let times_left = gone_by_ms.saturating_sub(now_ms) / EVERY_MS + 1;
        let times_left = usize::try_from(times_left).unwrap_or(usize::MAX);
        let share = left.len().div_ceil(times_left).max(LEAST);
        for id in left.into_iter().take(share) {
            self.end(id, Ending::AfterFlush(DisconnectReason::ServerShuttingDown));
        }
        // In a later turn: what has been said to them is to go out first.
        let soon_ms = self.clock.in_ms(1);
        let at_ms = self.clock.in_ms(EVERY_MS).min(ended_by_ms).max(soon_ms);
        self.clock.arm(at_ms, Timer::Drain);
    }
}
