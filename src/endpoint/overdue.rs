//! Deadlines by which a peer was to send or to take something: nobody is given up while what has come in time lies unread, or
//! because the loop stood still.

use super::Endpoint;
use crate::engine::Revision;
use crate::http::Head;
use crate::id::{ConnectionId, EngineSessionId};
use crate::timer::{Timeout, Timer};
use crate::transport::Phase;
use crate::wheel::TimerKey;

/// Milliseconds after which a peer is looked at again of whom input waits to be handled.
const LOOK_AGAIN_MS: u64 = 100;

/// What waits for the end of a round of reading, in which may come what is missed.
#[derive(Default)]
pub(super) struct Unheard {
    late: Vec<Late>,
    /// Connections with a request for a session whose pong is overdue.
    requests: Vec<ConnectionId>,
    /// Everything that had arrived by this monotonic time in milliseconds has been read, and the host has been told of it.
    heard_until_ms: u64,
    /// Up to which time all of these have been looked at.
    judged_until_ms: u64,
    /// When to look again at those who are late, whatever happens until then.
    look_again_ms: u64,
}

/// A deadline that has passed. Its timer stays in the wheel, so that whoever has set it can take it back.
struct Late {
    timer: TimerKey,
    deadline_ms: u64,
}

impl Unheard {
    /// Whether something is to be looked at as soon as a round has ended.
    pub fn is_waiting(&self) -> bool {
        let is_unheard = |late: &Late| late.deadline_ms > self.heard_until_ms;
        !self.requests.is_empty() || self.late.iter().any(is_unheard)
    }

    /// When to look again at those who are late, if anybody is.
    pub fn look_again_ms(&self) -> Option<u64> {
        (!self.late.is_empty()).then_some(self.look_again_ms)
    }

    /// Notes who is late. The first one says when all of them are looked at again.
    fn push(&mut self, late: Late, now_ms: u64) {
        if self.late.is_empty() {
            self.look_again_ms = now_ms.saturating_add(LOOK_AGAIN_MS);
        }
        self.late.push(late);
    }
}

impl Endpoint {
    /// Notes how far reading has come. The host has been told of all that has been read when the next turn begins.
    pub(super) fn note_heard(&mut self) {
        let heard_until_ms = self.transport.ready.heard_until_ms();
        self.turn.unheard.heard_until_ms = heard_until_ms.min(self.clock.now_ms());
    }

    /// A deadline has come: what it stands for happens, unless it is about a peer that must not be judged yet.
    pub(super) fn expire(&mut self, key: TimerKey, deadline_ms: u64) {
        let Some(&timer) = self.clock.wheel.get(key) else {
            return;
        };
        if !self.puts_off(key, timer, deadline_ms) {
            self.clock.cancel(key);
            self.fire(timer, deadline_ms);
        }
    }

    /// Judges those who are late once more when more has been read or their time has come, and has the requests go on that waited
    /// for that.
    pub(super) fn judge_overdue(&mut self) {
        let now_ms = self.clock.now_ms();
        let unheard = &mut self.turn.unheard;
        let is_time = unheard.look_again_ms().is_some_and(|at_ms| at_ms <= now_ms);
        if unheard.judged_until_ms == unheard.heard_until_ms && !is_time {
            return;
        }
        unheard.judged_until_ms = unheard.heard_until_ms;
        for key in std::mem::take(&mut unheard.requests) {
            self.transport.ready.on_more(key);
        }
        for late in std::mem::take(&mut self.turn.unheard.late) {
            self.expire(late.timer, late.deadline_ms);
        }
    }

    /// Whether a session's pong has not come though all has been read that had arrived in its time.
    pub(super) fn is_pong_missed(&self, id: EngineSessionId) -> bool {
        let session = self.sessions.session(id);
        let by_ms = session.and_then(|session| session.pong_by_ms());
        by_ms.is_some_and(|by_ms| {
            let timer = Timer::Pong(id);
            let patience_ms = self.patience_ms(timer).unwrap_or(0);
            self.spared_until_ms(patience_ms).is_none()
                && !self.may_have_come(timer, by_ms, patience_ms)
        })
    }

    /// Whether a request is for a session whose pong is overdue, but may lie somewhere unread. A `POST` may bring that pong.
    pub(super) fn is_unheard(&self, head: &Head<'_>) -> bool {
        let now_ms = self.clock.now_ms();
        let deadline = self.clock.wheel.next_deadline();
        if deadline.is_none_or(|at_ms| at_ms > now_ms) && self.turn.unheard.late.is_empty() {
            return false;
        }
        let session = self.session_asked_for(head);
        let session = session.and_then(|session| self.sessions.session(session));
        let by_ms = session.and_then(|session| session.pong_by_ms());
        by_ms.is_some_and(|by_ms| by_ms <= now_ms && by_ms > self.turn.unheard.heard_until_ms)
    }

    /// Has the request on a connection wait for the end of a round of reading.
    pub(super) fn hold_request(&mut self, key: ConnectionId) {
        self.turn.unheard.requests.push(key);
    }

    /// Puts off what a timer stands for if that is about a peer, and the loop has stood still in the time of that peer, or may not
    /// have read what it has sent. False when it may happen.
    fn puts_off(&mut self, key: TimerKey, timer: Timer, deadline_ms: u64) -> bool {
        let Some(patience_ms) = self.patience_ms(timer) else {
            return false;
        };
        if let Some(until_ms) = self.spared_until_ms(patience_ms) {
            let after_ms = until_ms - self.clock.now_ms();
            match timer {
                Timer::Pong(id) => self.await_pong(id, after_ms),
                _ => _ = self.clock.wheel.rearm(key, until_ms),
            }
            return true;
        }
        let is_late = self.may_have_come(timer, deadline_ms, patience_ms);
        if is_late {
            self.clock.wheel.rearm(key, u64::MAX);
            let late = Late {
                timer: key,
                deadline_ms,
            };
            self.turn.unheard.push(late, self.clock.now_ms());
        }
        is_late
    }

    /// Whether that for which a timer was set may lie unread, or waits for us: for that a peer gets at most its whole time once more,
    /// except for a request, which has an end.
    fn may_have_come(&self, timer: Timer, deadline_ms: u64, patience_ms: u64) -> bool {
        if deadline_ms > self.turn.unheard.heard_until_ms {
            return true;
        }
        let is_bounded = !matches!(timer, Timer::Connection(..));
        let is_long_overdue = self.clock.now_ms() >= deadline_ms.saturating_add(patience_ms);
        !(is_bounded && is_long_overdue) && self.waits_for_us(timer)
    }

    /// How long a peer has for that for which this timer was set, and once more after the loop has stood still; `None` where it
    /// is no peer that is waited for. An answer to the host, and a return, have their time just once.
    fn patience_ms(&self, timer: Timer) -> Option<u64> {
        let config = &self.config;
        Some(match timer {
            Timer::Connection(key, timeout) => {
                let connection = self.transport.get(key);
                match timeout {
                    Timeout::Request | Timeout::Output => config.request_timeout_ms,
                    Timeout::KeepAlive => config.keep_alive_ms,
                    Timeout::Linger
                        if connection.is_some_and(|it| it.phase == Phase::Finishing) =>
                    {
                        config.request_timeout_ms
                    }
                    Timeout::Linger => config.linger_ms,
                    Timeout::Admission | Timeout::Unserved => return None,
                }
            }
            Timer::Connect(_) => config.connect_timeout_ms,
            Timer::Attachments(_) => config.attachment_timeout_ms,
            Timer::Upgrade(_) => config.upgrade_timeout_ms,
            Timer::Pong(id) => match self.revision(id) {
                Some(Revision::V3) => config
                    .ping_timeout_ms
                    .saturating_add(config.ping_interval_ms),
                _ => config.ping_timeout_ms,
            },
            Timer::Ask(_) | Timer::Away(_) => 0,
            _ => return None,
        })
    }

    /// Until when a peer is spared that is given so long for something, if that time is still to come.
    fn spared_until_ms(&self, patience_ms: u64) -> Option<u64> {
        let until_ms = self.turn.stalls.spared_until_ms(patience_ms);
        (until_ms > self.clock.now_ms()).then_some(until_ms)
    }

    /// Whether input waits to be read or handled, or output to be written, that concerns what this timer was set for.
    fn waits_for_us(&self, timer: Timer) -> bool {
        let ready = &self.transport.ready;
        match timer {
            Timer::Connection(key, Timeout::Request | Timeout::KeepAlive) => ready.is_listed(key),
            Timer::Connection(key, Timeout::Output) => {
                ready.is_writable(key) && self.transport.has_output(key)
            }
            Timer::Upgrade(id) => {
                let session = self.sessions.session(id);
                let websocket = session.and_then(|session| session.upgrading_to());
                websocket.is_some_and(|it| ready.is_listed(it) || self.has_packets_before(id, it))
            }
            Timer::Connect(id) | Timer::Attachments(id) | Timer::Pong(id) => {
                let session = self.sessions.session(id);
                let carrier = session.and_then(|session| session.input_carrier());
                self.sessions.rates.is_paused(id)
                    || carrier.is_some_and(|connection| ready.is_listed(connection))
            }
            _ => false,
        }
    }
}
