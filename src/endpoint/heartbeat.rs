//! Signs of life: pings, pongs, and what happens without them.

use super::events::Ending;
use super::work::Phase;
use super::Endpoint;
use crate::engine::MAX_DRIFT_MS;
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::id::EngineSessionId;
use crate::priority::Priority;

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

    /// A `POST` is only now being read, so late that its session's pong is overdue: a client has one `POST` under way at a time, and
    /// may not have been able to send the pong before this one is answered.
    pub(super) fn allow_for_lateness(&mut self, key: EngineSessionId) {
        let late_since_ms = self.clock.now_ms().saturating_sub(MAX_DRIFT_MS);
        let session = self.sessions.session(key);
        let by_ms = session.and_then(|session| session.pong_by_ms());
        if by_ms.is_some_and(|by_ms| by_ms <= late_since_ms) {
            self.await_pong(key, self.config.ping_timeout_ms);
        }
    }

    /// A session's sign of life is awaited in so many milliseconds.
    pub(super) fn await_pong(&mut self, key: EngineSessionId, after_ms: u64) {
        if let Some(session) = self.sessions.session_mut(key) {
            session.await_pong(&mut self.clock, key, after_ms);
        }
    }

    /// The session's time to send a ping has come.
    pub(super) fn ping(&mut self, id: EngineSessionId, scheduled_ms: u64) {
        let ping = self.codec.ping.clone();
        // Of many clients, most pings are due at about the same time.
        if !self.send(id, ping, Priority::Bulk) {
            return;
        }
        self.tally.packets_out.pings += 1;
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
        self.await_pong(id, silent_ms);
        self.tally.packets_out.pongs += 1;
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
