//! Signs of life: pings, pongs, and what happens without them.

use super::events::Ending;
use super::work::Phase;
use super::Endpoint;
use crate::engine::MAX_DRIFT_MS;
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::Head;
use crate::id::{ConnectionId, EngineSessionId};
use crate::priority::Priority;
use crate::timer::{Timeout, Timer};
use crate::wheel::TimerKey;

/// What waits for the end of a round of reading, in which the pongs may come that are missed.
#[derive(Default)]
pub(super) struct Unheard {
    /// Sessions whose pong is overdue.
    sessions: Vec<EngineSessionId>,
    /// Sessions whose packet lacks attachments that are overdue.
    packets: Vec<EngineSessionId>,
    /// Connections with a request for a session whose pong is overdue.
    requests: Vec<ConnectionId>,
    /// Connections whose request is overdue, or the rest of it.
    connections: Vec<LateConnection>,
    /// Up to which time sessions have been judged.
    judged_until_ms: u64,
}

/// A connection whose peer has not sent in time what it was to send, as far as has been read.
pub(super) struct LateConnection {
    pub key: ConnectionId,
    pub timeout: Timeout,
    /// As long as the connection has this timer, it waits for the same still.
    pub timer: TimerKey,
    pub deadline_ms: u64,
}

impl Unheard {
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
            && self.packets.is_empty()
            && self.requests.is_empty()
            && self.connections.is_empty()
    }

    /// A connection is judged when everything has been read that had arrived by its deadline.
    pub(super) fn push_connection(&mut self, late: LateConnection) {
        self.connections.push(late);
    }
}

impl Endpoint {
    /// The operating system was asked at this monotonic time in milliseconds what is ready, and all that it told has been noted
    /// by [`Endpoint::on_ready`]; `is_complete` says whether that was all there is, or more may be told the next time.
    ///
    /// A session whose pong is overdue ends when everything has been read that had arrived in its time, or has at least been
    /// read from once. A driver that never calls this says that it always has.
    pub fn on_polled(&mut self, asked_ms: u64, is_complete: bool) {
        self.transport.ready.on_polled(asked_ms, is_complete);
        if self.turn.phase == Phase::Waiting {
            self.turn.phase = Phase::Begin;
        }
    }

    /// Everything that had arrived by this time has been read.
    pub(super) fn heard_until_ms(&self) -> u64 {
        let heard_until_ms = self.transport.ready.heard_until_ms();
        heard_until_ms.min(self.clock.now_ms())
    }

    /// Whether a request is for a session whose pong is overdue, but may lie somewhere unread. A `POST` may bring that pong.
    pub(super) fn is_unheard(&self, head: &Head<'_>) -> bool {
        let now_ms = self.clock.now_ms();
        let is_something_due = self
            .clock
            .wheel
            .next_deadline()
            .is_some_and(|at| at <= now_ms);
        if !is_something_due && self.turn.unheard.is_empty() {
            return false;
        }
        let Some(session) = self.session_asked_for(head) else {
            return false;
        };
        let heard_until_ms = self.heard_until_ms();
        let session = self.sessions.session(session);
        session.is_some_and(|it| it.is_overdue(now_ms) && !it.is_overdue(heard_until_ms))
    }

    /// Has the request on a connection wait for the end of a round of reading.
    pub(super) fn hold_request(&mut self, key: ConnectionId) {
        self.turn.unheard.requests.push(key);
    }

    /// The time for a session's pong is over.
    pub(super) fn pong_due(&mut self, key: EngineSessionId) {
        if self.is_pong_missed(key) {
            return self.pong_timed_out(key);
        }
        let now_ms = self.clock.now_ms();
        let session = self.sessions.session(key);
        if session.is_some_and(|session| session.is_overdue(now_ms)) {
            self.turn.unheard.sessions.push(key);
        }
    }

    /// A `POST` is only now being read, so late that its session's pong is overdue: a client has one `POST` under way at a time, and
    /// may not have been able to send the pong before this one is answered.
    pub(super) fn allow_for_lateness(&mut self, key: EngineSessionId) {
        let late_since_ms = self.clock.now_ms().saturating_sub(MAX_DRIFT_MS);
        if let Some(session) = self.sessions.session_mut(key) {
            if session.is_overdue(late_since_ms) {
                session.await_pong(&mut self.clock, key, self.config.ping_timeout_ms);
            }
        }
    }

    /// The time for the attachments of a session's packet is over.
    pub(super) fn attachments_due(&mut self, key: EngineSessionId) {
        if self.is_packet_missed(key) {
            return self.attachments_timed_out(key);
        }
        let now_ms = self.clock.now_ms();
        let entry = self.sessions.get(key);
        if entry.is_some_and(|entry| entry.client.has_overdue_packet(now_ms)) {
            self.turn.unheard.packets.push(key);
        }
    }

    /// Ends the sessions whose pong or attachments, and the connections whose requests, have not come though everything has been
    /// read that had arrived in their time, and has the requests go on that waited for that.
    pub(super) fn judge_overdue(&mut self) {
        let heard_until_ms = self.heard_until_ms();
        if self.turn.unheard.is_empty() || self.turn.unheard.judged_until_ms == heard_until_ms {
            return;
        }
        self.turn.unheard.judged_until_ms = heard_until_ms;
        for key in std::mem::take(&mut self.turn.unheard.sessions) {
            self.pong_due(key);
        }
        for key in std::mem::take(&mut self.turn.unheard.packets) {
            self.attachments_due(key);
        }
        for key in std::mem::take(&mut self.turn.unheard.requests) {
            self.transport.ready.on_more(key);
        }
        for late in std::mem::take(&mut self.turn.unheard.connections) {
            if late.deadline_ms > heard_until_ms {
                self.turn.unheard.connections.push(late);
                continue;
            }
            let timer = self.transport.get(late.key).and_then(|it| it.timer);
            if timer == Some(late.timer) {
                self.clock.cancel(late.timer);
                self.fire(Timer::Connection(late.key, late.timeout), late.deadline_ms);
            }
        }
    }

    /// The session's time to send a ping has come.
    pub(super) fn ping(&mut self, id: EngineSessionId, scheduled_ms: u64) {
        let ping = self.codec.ping.clone();
        // Of many clients, most pings are due at about the same time.
        if !self.send(id, ping, Priority::Bulk) {
            return;
        }
        let timeout_ms = self.config.ping_timeout_ms;
        if let Some(session) = self.sessions.session_mut(id) {
            session.sent_ping(&mut self.clock, id, scheduled_ms, timeout_ms);
        }
        self.note_heartbeat(id, false);
    }

    /// A ping of revision 3: its client is alive, and wants to hear that we are.
    pub(super) fn answer_ping(&mut self, id: EngineSessionId, data: &str) {
        let interval_ms = self.config.ping_interval_ms;
        let silent_ms = interval_ms.saturating_add(self.config.ping_timeout_ms);
        if let Some(session) = self.sessions.session_mut(id) {
            session.await_pong(&mut self.clock, id, silent_ms);
        }
        self.send(id, Frame::text(&format!("3{data}")), Priority::Normal);
    }

    pub(super) fn rearm_ping(&mut self, id: EngineSessionId) {
        if let Some(session) = self.sessions.session_mut(id) {
            session.await_ping(&mut self.clock, id, self.config.ping_interval_ms);
        }
        self.note_heartbeat(id, true);
    }

    pub(super) fn pong_timed_out(&mut self, id: EngineSessionId) {
        self.end(id, Ending::Discard(DisconnectReason::PingTimeout));
    }

    pub(super) fn connect_timed_out(&mut self, id: EngineSessionId) {
        if let Some(session) = self.sessions.session_mut(id) {
            session.joined(&mut self.clock);
        }
        self.end(id, Ending::AfterFlush(DisconnectReason::ForcedClose));
    }
}
