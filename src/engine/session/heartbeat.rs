//! Pings, the pongs that are awaited, and the timer of what comes next.

use crate::clock::Clock;
use crate::id::EngineSessionId;
use crate::timer::Timer;
use crate::wheel::TimerKey;

/// Milliseconds by which the loop may be late without anybody being given more time for that.
pub const MAX_DRIFT_MS: u64 = 5;

/// Where the heartbeat of a session stands.
#[derive(Debug)]
pub(super) struct Heartbeat {
    next: Next,
    /// Fires at the time of that.
    timer: TimerKey,
}

/// What comes next, and when.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// The next ping goes out then.
    PingAt(u64),
    /// A pong has to be here by then.
    PongBy(u64),
}

impl Heartbeat {
    /// One that begins with a ping.
    pub fn ping_at(clock: &mut Clock, id: EngineSessionId, at_ms: u64) -> Heartbeat {
        Heartbeat::new(clock, id, Next::PingAt(at_ms))
    }

    /// One that begins with a pong, or another sign of life.
    pub fn pong_by(clock: &mut Clock, id: EngineSessionId, by_ms: u64) -> Heartbeat {
        Heartbeat::new(clock, id, Next::PongBy(by_ms))
    }

    fn new(clock: &mut Clock, id: EngineSessionId, next: Next) -> Heartbeat {
        let timer = match next {
            Next::PingAt(at_ms) => clock.arm(at_ms, Timer::Ping(id)),
            Next::PongBy(by_ms) => clock.arm(by_ms, Timer::Pong(id)),
        };
        Heartbeat { next, timer }
    }

    /// The ping that was due at `scheduled_ms` goes out: its pong is awaited.
    ///
    /// Its time counts from when the ping was due, so that what clients see does not drift by the milliseconds that a turn takes; a
    /// ping that goes out later than that gives its client the whole time all the same.
    pub fn sent_ping(
        &mut self,
        clock: &mut Clock,
        id: EngineSessionId,
        scheduled_ms: u64,
        timeout_ms: u64,
    ) {
        let by_ms = pong_deadline(scheduled_ms, clock.now_ms(), timeout_ms);
        self.await_pong_by(clock, id, by_ms);
    }

    /// A sign of life is awaited by this time.
    pub fn await_pong_by(&mut self, clock: &mut Clock, id: EngineSessionId, by_ms: u64) {
        self.cancel(clock);
        *self = Heartbeat::pong_by(clock, id, by_ms);
    }

    /// The next ping goes out at this time.
    pub fn await_ping_at(&mut self, clock: &mut Clock, id: EngineSessionId, at_ms: u64) {
        self.cancel(clock);
        *self = Heartbeat::ping_at(clock, id, at_ms);
    }

    /// Takes back its timer.
    pub fn cancel(&mut self, clock: &mut Clock) {
        clock.cancel(self.timer);
    }

    /// Whether a pong is awaited.
    pub fn awaits_pong(&self) -> bool {
        matches!(self.next, Next::PongBy(_))
    }

    /// By when a pong has to be here, if one is awaited.
    pub fn pong_by_ms(&self) -> Option<u64> {
        match self.next {
            Next::PongBy(by_ms) => Some(by_ms),
            Next::PingAt(_) => None,
        }
    }
}

/// When the pong of a ping has to be here that was due at `scheduled_ms` and goes out at `now_ms`.
fn pong_deadline(scheduled_ms: u64, now_ms: u64, ping_timeout_ms: u64) -> u64 {
    let is_late = now_ms.saturating_sub(scheduled_ms) > MAX_DRIFT_MS;
    let sent_ms = if is_late { now_ms } else { scheduled_ms };
    sent_ms.saturating_add(ping_timeout_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_ping_leaves_the_client_its_whole_time() {
        assert_eq!(pong_deadline(300, 301, 200), 500);
        assert_eq!(pong_deadline(300, 400, 200), 600);
        assert_eq!(pong_deadline(300, 9_000, 200), 9_200);
    }
}
