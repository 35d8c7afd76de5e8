//! Signs of life: pings, pongs, and what happens without them.

use super::{Ending, Endpoint, Peer};
use crate::engine::{Heartbeat, Session};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::slots::Key;
use crate::timer::Timer;

impl Endpoint {
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
