//! What the server's machine does to it: it stands still, is slow, or has no descriptors left.

use super::{Actorlike, World};

/// A turn that takes longer than this is a stall.
const LONGEST_TURN_MS: u64 = 99;

/// Times when the machine is not what it should be.
#[derive(Default)]
pub(super) struct Machine {
    /// The loop is busy, or stands still, until then.
    pub busy_until_ms: u64,
    /// When the last stall ends, or has ended.
    pub stall_ended_ms: u64,
    /// Turns take so long until then.
    slow_until_ms: u64,
    turn_ms: u64,
    /// When the last stall and the last slow time end, or the last accept that was refused is tried again.
    pub disturbed_until_ms: u64,
}

impl Machine {
    /// The loop stands still for so long.
    pub fn stall(&mut self, now_ms: u64, for_ms: u64) {
        self.busy_until_ms = self.busy_until_ms.max(now_ms + for_ms);
        self.disturb_until(self.busy_until_ms);
        self.stall_ended_ms = self.busy_until_ms;
    }

    /// Each turn takes so long, for a while.
    pub fn slow_down(&mut self, now_ms: u64, turn_ms: u64, for_ms: u64) {
        self.slow_until_ms = self.slow_until_ms.max(now_ms + for_ms);
        self.turn_ms = turn_ms.min(LONGEST_TURN_MS);
        self.disturb_until(self.slow_until_ms + LONGEST_TURN_MS);
    }

    /// Some accepts fail for want of descriptors.
    pub fn refuse_accepts(&mut self) {
        self.disturbed_until_ms = u64::MAX;
    }

    /// It is as it should be from now on.
    pub fn recover(&mut self) {
        self.busy_until_ms = 0;
        self.slow_until_ms = 0;
    }

    fn disturb_until(&mut self, until_ms: u64) {
        self.disturbed_until_ms = self.disturbed_until_ms.max(until_ms);
    }
}

impl World {
    /// A turn begins.
    pub(super) fn begin_busy(&mut self) {
        let machine = &mut self.machine;
        if machine.disturbed_until_ms == u64::MAX && self.net.refused_accepts == 0 {
            // Unless it stands still, or is slow, for longer.
            machine.disturbed_until_ms = self.now_ms;
            machine.disturb_until(machine.stall_ended_ms);
            machine.disturb_until(machine.slow_until_ms + LONGEST_TURN_MS);
        }
        if self.now_ms < machine.slow_until_ms {
            machine.busy_until_ms = self.now_ms + machine.turn_ms;
            self.excuse_held_up();
            self.excuse_uploads();
        }
    }

    /// A slow server is not to blame where what it awaits has to wait for it before it can be sent: a pong behind a poll, or
    /// anything behind what does not fit into a window. What has arrived has to count.
    fn excuse_held_up(&mut self) {
        let is_pingless = self.setup.is_pingless();
        for client in &self.clients {
            let Actorlike::Client(client) = client else {
                continue;
            };
            let is_blocked = client.links().any(|link| {
                let waits = self.net.get(link).is_some_and(|link| {
                    !link.up.sent.is_empty() || !(is_pingless || link.down.sent.is_empty())
                });
                waits || self.net.unsent_bytes(link) > 0
            });
            let is_polling = !is_pingless && !client.is_on_websocket();
            if !client.is_away() && (is_blocked || is_polling) {
                self.book.excuse(client.number, "the server is slow");
            }
        }
    }

    /// Answers to what is uploaded now may come too late.
    pub(super) fn excuse_uploads(&mut self) {
        for client in &mut self.clients {
            if let Actorlike::Uploader(uploader) = client {
                uploader.excuse();
            }
        }
    }

    /// Connections are accepted late for want of descriptors, which the server cannot make good where a stall came before that.
    pub(super) fn note_refused(&mut self) {
        let has_refused = std::mem::take(&mut self.net.has_refused);
        let is_after_stall = self.now_ms < self.machine.stall_ended_ms + self.setup.ping_timeout;
        if has_refused && is_after_stall {
            for client in self.net.waiting_owners() {
                self.book.excuse(client, "it was not accepted");
            }
        }
    }
}
