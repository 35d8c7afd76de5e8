//! Signs of life: pings, pongs, and what happens without them.

use super::work::Phase;
use super::{Ending, Endpoint, Peer};
use crate::engine::{Heartbeat, Session, MAX_DRIFT_MS};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::Head;
use crate::slots::Key;
use crate::timer::Timer;

/// What waits for the end of a round of reading, in which the pongs may come that are missed.
#[derive(Default)]
pub(super) struct Unheard {
    /// Sessions whose pong is overdue.
    sessions: Vec<Key>,
    /// Sessions whose packet lacks attachments that are overdue.
    packets: Vec<Key>,
    /// Connections with a request for a session whose pong is overdue.
    requests: Vec<Key>,
    /// Up to which time sessions have been judged.
    judged_until_ms: u64,
}

impl Unheard {
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.packets.is_empty() && self.requests.is_empty()
    }
}

impl Endpoint {
    /// The operating system was asked at this monotonic time in milliseconds what is ready, and all that it told has been noted
    /// by [`Endpoint::on_readable`]; `is_complete` says whether that was all there is, or more may be told the next time.
    ///
    /// A session whose pong is overdue ends when everything has been read that had arrived in its time, or has at least been
    /// read from once. A driver that never calls this says that it always has.
    pub fn on_polled(&mut self, asked_ms: u64, is_complete: bool) {
        self.ready.on_polled(asked_ms, is_complete);
        if self.phase == Phase::Waiting {
            self.phase = Phase::Begin;
        }
    }

    /// Everything that had arrived by this time has been read.
    pub(super) fn heard_until_ms(&self) -> u64 {
        self.ready.heard_until_ms().min(self.now.mono_ms)
    }

    /// Whether a request is for a session whose pong is overdue, but may lie somewhere unread. A `POST` may bring that pong.
    pub(super) fn is_unheard(&self, head: &Head<'_>) -> bool {
        let now_ms = self.now.mono_ms;
        let is_something_due = self.wheel.next_deadline().is_some_and(|at| at <= now_ms);
        if !is_something_due && self.unheard.is_empty() {
            return false;
        }
        let Some(session) = self.session_asked_for(head) else {
            return false;
        };
        let peer = self.sessions.get(session);
        peer.is_some_and(|Peer { session, .. }| {
            session.is_overdue(now_ms) && !session.is_overdue(self.heard_until_ms())
        })
    }

    /// Has the request on a connection wait for the end of a round of reading.
    pub(super) fn hold_request(&mut self, key: Key) {
        self.unheard.requests.push(key);
    }

    /// The time for a session's pong is over.
    pub(super) fn pong_due(&mut self, key: Key) {
        let heard_until_ms = self.heard_until_ms();
        let peer = self.sessions.get(key);
        if peer.is_some_and(|peer| peer.session.is_overdue(heard_until_ms)) {
            self.pong_timed_out(key);
        } else {
            self.unheard.sessions.push(key);
        }
    }

    /// A `POST` is only now being read, so late that its session's pong is overdue: a client has one `POST` under way at a time, and
    /// may not have been able to send the pong before this one is answered.
    pub(super) fn allow_for_lateness(&mut self, key: Key) {
        let (now_ms, timeout_ms) = (self.now.mono_ms, self.config.ping_timeout_ms);
        let late_since_ms = now_ms.saturating_sub(MAX_DRIFT_MS);
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            if session.is_overdue(late_since_ms) {
                let by_ms = now_ms.saturating_add(timeout_ms);
                self.wheel.cancel(session.heartbeat_timer);
                session.heartbeat = Heartbeat::PongBy(by_ms);
                session.heartbeat_timer = self.wheel.insert(by_ms, Timer::Pong(key));
            }
        }
    }

    /// The time for the attachments of a session's packet is over.
    pub(super) fn attachments_due(&mut self, key: Key) {
        let heard_until_ms = self.heard_until_ms();
        let peer = self.sessions.get(key);
        if peer.is_some_and(|peer| peer.client.has_overdue_packet(heard_until_ms)) {
            self.attachments_timed_out(key);
        } else {
            self.unheard.packets.push(key);
        }
    }

    /// Ends the sessions whose pong or attachments have not come though everything has been read that had arrived in their time,
    /// and has the requests go on that waited for that.
    pub(super) fn judge_overdue(&mut self) {
        let heard_until_ms = self.heard_until_ms();
        if self.unheard.is_empty() || self.unheard.judged_until_ms == heard_until_ms {
            return;
        }
        self.unheard.judged_until_ms = heard_until_ms;
        let now_ms = self.now.mono_ms;
        for key in std::mem::take(&mut self.unheard.sessions) {
            let Some(Peer { session, .. }) = self.sessions.get(key) else {
                continue;
            };
            if session.is_overdue(heard_until_ms) {
                self.pong_timed_out(key);
            } else if session.is_overdue(now_ms) {
                self.unheard.sessions.push(key);
            }
        }
        for key in std::mem::take(&mut self.unheard.packets) {
            let Some(Peer { client, .. }) = self.sessions.get(key) else {
                continue;
            };
            if client.has_overdue_packet(heard_until_ms) {
                self.attachments_timed_out(key);
            } else if client.has_overdue_packet(now_ms) {
                self.unheard.packets.push(key);
            }
        }
        for key in std::mem::take(&mut self.unheard.requests) {
            self.input_due(key);
        }
    }

    /// The session's time to send a ping has come.
    pub(super) fn ping(&mut self, key: Key, scheduled_ms: u64) {
        let now_ms = self.now.mono_ms;
        let ping_timeout_ms = self.config.ping_timeout_ms;
        let ping = self.ping.clone();
        if !self.send(key, ping) {
            return;
        }
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            let by_ms = Session::pong_deadline(scheduled_ms, now_ms, ping_timeout_ms);
            session.heartbeat = Heartbeat::PongBy(by_ms);
            session.heartbeat_timer = self.wheel.insert(by_ms, Timer::Pong(key));
        }
        self.note_heartbeat(key, false);
    }

    /// A ping of revision 3: its client is alive, and wants to hear that we are.
    pub(super) fn answer_ping(&mut self, key: Key, data: &str) {
        let silent_ms = self
            .config
            .ping_interval_ms
            .saturating_add(self.config.ping_timeout_ms);
        let by_ms = self.now.mono_ms.saturating_add(silent_ms);
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            self.wheel.cancel(session.heartbeat_timer);
            session.heartbeat = Heartbeat::PongBy(by_ms);
            session.heartbeat_timer = self.wheel.insert(by_ms, Timer::Pong(key));
        }
        self.send(key, Frame::text(&format!("3{data}")));
    }

    pub(super) fn rearm_ping(&mut self, key: Key) {
        let at_ms = self
            .now
            .mono_ms
            .saturating_add(self.config.ping_interval_ms);
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            self.wheel.cancel(session.heartbeat_timer);
            session.heartbeat = Heartbeat::PingAt(at_ms);
            session.heartbeat_timer = self.wheel.insert(at_ms, Timer::Ping(key));
        }
        self.note_heartbeat(key, true);
    }

    pub(super) fn pong_timed_out(&mut self, key: Key) {
        self.end(key, Ending::Drop(DisconnectReason::PingTimeout));
    }

    pub(super) fn connect_timed_out(&mut self, key: Key) {
        if let Some(Peer { session, .. }) = self.sessions.get_mut(key) {
            session.connect_timer = None;
        }
        self.end(key, Ending::Flush(DisconnectReason::ForcedClose));
    }
}
