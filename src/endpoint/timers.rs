//! What happens at deadlines.

use super::Endpoint;
use crate::socket::SocketId;
use crate::timer::{Timeout, Timer};
use crate::transport::ready::{cost, TIMERS_UNITS};

impl Endpoint {
    /// The monotonic time in milliseconds at which the next timer is due.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let timers = self.clock.wheel.next_deadline().into_iter();
        timers.chain(self.turn.unheard.look_again_ms()).min()
    }

    /// Does what is due at the time of this turn, as far as its units for that go.
    pub(crate) fn handle_timeouts(&mut self) {
        self.judge_overdue();
        let mut left = TIMERS_UNITS;
        while left > 0 {
            let all_moves = left / cost::MOVE;
            let mut moves = all_moves;
            let now_ms = self.clock.now_ms();
            let Some((deadline_ms, key)) = self.clock.wheel.due_within(now_ms, &mut moves) else {
                self.turn.has_timers_left = moves == 0;
                return;
            };
            left = left.saturating_sub((all_moves - moves) * cost::MOVE + cost::TIMER);
            self.expire(key, deadline_ms);
        }
        self.turn.has_timers_left = true;
    }

    pub(super) fn fire(&mut self, timer: Timer, deadline_ms: u64) {
        match timer {
            Timer::Connection(key, Timeout::Request) => self.request_timed_out(key),
            Timer::Connection(key, Timeout::Admission) => self.admission_timed_out(key),
            Timer::Connection(key, _) => self.hang_up(key),
            Timer::Connect(key) => self.connect_timed_out(key),
            Timer::Attachments(key) => self.attachments_timed_out(key),
            Timer::Ping(key) => self.ping(key, deadline_ms),
            Timer::Pong(key) => self.pong_timed_out(key),
            Timer::Upgrade(key) => self.abandon_upgrade(key),
            Timer::Resume(key) => self.resume_session(key),
            Timer::Ask(key) => self.ask_timed_out(key),
            Timer::Command(key) => self.command_timed_out(key),
            Timer::Away(key) => self.recovery_expired(SocketId(key)),
            Timer::Drain => self.continue_drain(),
            Timer::Host(key) => self.host_timer_fired(key, deadline_ms),
            Timer::Pulse | Timer::Stale(_) | Timer::Forget(_) | Timer::Heartbeat => {
                self.progress_timer(timer);
            }
        }
    }
}
