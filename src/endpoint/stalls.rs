//! Times when the whole loop stood still, and what peers get for them: nobody is given up because we did not run.

use super::heartbeat::LateConnection;
use super::Endpoint;
use crate::engine::{Revision, Transport};
use crate::id::{ConnectionId, EngineSessionId};
use crate::timer::{Timeout, Timer};
use crate::transport::Phase;

/// Milliseconds by which a turn may begin late before that is called a stall.
const MAX_LATE_MS: u64 = 100;
/// After a stall nobody is judged for so many times as long as it took, so that a loop that stands still again and again does not
/// keep for ever who is gone.
const GRACE: u64 = 10;
/// A peer of whom input waits to be read is looked at again so many milliseconds later.
const LOOK_AGAIN_MS: u64 = 100;

/// The newest stall.
#[derive(Debug)]
pub(super) struct Stalls {
    /// The loop was told that it may sleep until then.
    sleep_until_ms: u64,
    ended_ms: u64,
    grace_until_ms: u64,
}

impl Default for Stalls {
    fn default() -> Self {
        Stalls {
            sleep_until_ms: u64::MAX,
            ended_ms: 0,
            grace_until_ms: 0,
        }
    }
}

impl Stalls {
    /// The loop waits, and may do so until this monotonic time in milliseconds; without one, for ever.
    pub(super) fn sleep_until(&mut self, at_ms: Option<u64>) {
        self.sleep_until_ms = at_ms.unwrap_or(u64::MAX);
    }

    /// A turn begins at this time, the one before at that time.
    pub(super) fn begin_turn(&mut self, before_ms: u64, now_ms: u64) {
        let awake_ms = before_ms.max(self.sleep_until_ms.min(now_ms));
        let stood_ms = now_ms - awake_ms;
        if stood_ms > MAX_LATE_MS {
            let grace_until_ms = now_ms.saturating_add(stood_ms.saturating_mul(GRACE));
            self.ended_ms = now_ms;
            self.grace_until_ms = self.grace_until_ms.max(grace_until_ms);
        }
    }

    /// Until when a peer is not judged that is given so long for something: it gets its whole time once more.
    fn spared_until_ms(&self, patience_ms: u64) -> u64 {
        let whole_ms = self.ended_ms.saturating_add(patience_ms);
        whole_ms.min(self.grace_until_ms)
    }
}

impl Endpoint {
    /// Puts off the judgement that a timer stands for, if the loop has stood still in the time of its peer, or has not read what
    /// that peer has sent. False when it may fall.
    pub(super) fn puts_off(&mut self, timer: Timer, deadline_ms: u64) -> bool {
        match timer {
            Timer::Connection(key, timeout) => self.puts_off_connection(key, timeout, deadline_ms),
            Timer::Connect(id) => self.puts_off_connect(id),
            Timer::Upgrade(id) => self.puts_off_upgrade(id),
            // Attachments and pongs are judged elsewhere too, and spared where they are.
            _ => false,
        }
    }

    /// Until when a peer is spared that is given so long for something, if that time is still to come.
    fn spared_until_ms(&self, patience_ms: u64) -> Option<u64> {
        let until_ms = self.turn.stalls.spared_until_ms(patience_ms);
        (until_ms > self.clock.now_ms()).then_some(until_ms)
    }

    /// Whether a session's pong has not come though all has been read that had arrived in its time. A session gets a whole time
    /// more after a stall, and at most one while input on its own connection waits for us.
    pub(super) fn is_pong_missed(&mut self, id: EngineSessionId) -> bool {
        let heard_until_ms = self.heard_until_ms();
        let Some(session) = self.sessions.session(id) else {
            return false;
        };
        if !session.is_overdue(heard_until_ms) {
            return false;
        }
        let patience_ms = self.patience_ms(session.revision());
        let is_long_overdue = session.is_overdue(heard_until_ms.saturating_sub(patience_ms));
        let has_input = self.has_input_on(session.transport());
        if let Some(by_ms) = self.spared_until_ms(patience_ms) {
            let after_ms = by_ms - self.clock.now_ms();
            if let Some(session) = self.sessions.session_mut(id) {
                session.await_pong(&mut self.clock, id, after_ms);
            }
            return false;
        }
        is_long_overdue || !has_input
    }

    /// Whether the attachments of a session's packet have not come, by the same rules.
    pub(super) fn is_packet_missed(&mut self, id: EngineSessionId) -> bool {
        let heard_until_ms = self.heard_until_ms();
        let patience_ms = self.config.attachment_timeout_ms;
        let spared_until_ms = self.spared_until_ms(patience_ms);
        let Some(entry) = self.sessions.get_mut(id) else {
            return false;
        };
        let client = &mut entry.client;
        if !client.has_overdue_packet(heard_until_ms) {
            return false;
        }
        if let Some(by_ms) = spared_until_ms {
            let timer = self.clock.arm(by_ms, Timer::Attachments(id));
            if let Some(old) = client.put_off_packet(by_ms, timer) {
                self.clock.cancel(old);
            }
            return false;
        }
        let is_long_overdue = client.has_overdue_packet(heard_until_ms.saturating_sub(patience_ms));
        let transport = entry.session.transport();
        is_long_overdue || !self.has_input_on(transport)
    }

    /// How long the client of a session may be silent when something is expected of it.
    fn patience_ms(&self, revision: Revision) -> u64 {
        let timeout_ms = self.config.ping_timeout_ms;
        match revision {
            Revision::V4 => timeout_ms,
            Revision::V3 => timeout_ms.saturating_add(self.config.ping_interval_ms),
        }
    }

    /// Whether something waits to be read, or handled, on the connection by which a client sends.
    fn has_input_on(&self, transport: Transport) -> bool {
        let connection = match transport {
            Transport::WebSocket(connection) => Some(connection),
            Transport::Polling { post, .. } => post,
        };
        connection.is_some_and(|connection| self.transport.ready.is_listed(connection))
    }

    fn puts_off_connection(
        &mut self,
        key: ConnectionId,
        timeout: Timeout,
        deadline_ms: u64,
    ) -> bool {
        let config = &self.config;
        let connection = self.transport.get(key);
        let is_finishing = connection.is_some_and(|it| it.phase == Phase::Finishing);
        let patience_ms = match timeout {
            Timeout::Request | Timeout::Output => config.request_timeout_ms,
            Timeout::KeepAlive => config.keep_alive_ms,
            Timeout::Linger if is_finishing => config.request_timeout_ms,
            Timeout::Linger => config.linger_ms,
            // It is the host that is waited for.
            Timeout::Admission | Timeout::Unserved => return false,
        };
        let waits_for_input = matches!(timeout, Timeout::Request | Timeout::KeepAlive);
        let is_unread = waits_for_input && self.transport.ready.is_listed(key);
        let spared_ms = self.spared_until_ms(patience_ms);
        let spared_ms = spared_ms.map(|until_ms| until_ms - self.clock.now_ms());
        let is_unheard = waits_for_input && self.heard_until_ms() < deadline_ms;
        let unread_ms = is_unread.then_some(LOOK_AGAIN_MS);
        let unheard_ms = is_unheard.then_some(patience_ms);
        let Some(after_ms) = spared_ms.or(unread_ms).or(unheard_ms) else {
            return false;
        };
        let timer = self.transport.arm(&mut self.clock, key, timeout, after_ms);
        let is_judged_when_heard = is_unheard && spared_ms.is_none();
        if let Some(timer) = timer.filter(|_| is_judged_when_heard) {
            self.turn.unheard.push_connection(LateConnection {
                key,
                timeout,
                timer,
                deadline_ms,
            });
        }
        true
    }

    fn puts_off_connect(&mut self, id: EngineSessionId) -> bool {
        let until_ms = self.spared_until_ms(self.config.connect_timeout_ms);
        let (Some(until_ms), Some(session)) = (until_ms, self.sessions.session_mut(id)) else {
            return false;
        };
        session.put_off_connect(&mut self.clock, id, until_ms);
        true
    }

    fn puts_off_upgrade(&mut self, id: EngineSessionId) -> bool {
        let until_ms = self.spared_until_ms(self.config.upgrade_timeout_ms);
        let (Some(until_ms), Some(session)) = (until_ms, self.sessions.session_mut(id)) else {
            return false;
        };
        session.put_off_upgrade(&mut self.clock, id, until_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_sleeps_as_long_as_it_may_has_not_stood_still() {
        let mut stalls = Stalls::default();
        stalls.begin_turn(1_000, 60_000);
        stalls.sleep_until(Some(90_000));
        stalls.begin_turn(60_000, 90_000 + MAX_LATE_MS);
        stalls.sleep_until(None);
        stalls.begin_turn(90_100, 900_000);
        assert_eq!(stalls.spared_until_ms(20_000), 0);
    }

    #[test]
    fn a_long_stall_gives_the_whole_time_and_a_short_one_no_more_than_ten_times_its_own() {
        let mut stalls = Stalls::default();
        stalls.sleep_until(Some(1_000));
        stalls.begin_turn(900, 6_000);
        assert_eq!(stalls.spared_until_ms(20_000), 26_000);
        assert_eq!(stalls.spared_until_ms(100_000), 56_000);
        stalls.sleep_until(Some(60_000));
        stalls.begin_turn(6_000, 60_200);
        assert_eq!(stalls.spared_until_ms(20_000), 62_200);
    }

    #[test]
    fn a_turn_with_work_left_may_not_sleep_at_all() {
        let mut stalls = Stalls::default();
        stalls.sleep_until(Some(500));
        stalls.begin_turn(500, 601);
        assert_eq!(stalls.spared_until_ms(700), 1_301);
    }
}
