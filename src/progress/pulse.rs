//! When progress leaves: at pulses, which are the same for all sessions.
//!
//! An update with no pulse in the last `throttle_ms` makes one at once. Otherwise it waits for the next, which is due that long
//! after the last one really happened. So somebody who watches many sessions is written to ten times a second and not
//! ten times a second for each, two events of a session are never closer, and one timer serves all.

use uuid::Uuid;

use super::session::Told;
use super::{elapsed_ms, Output, ProgressTracker, Recipients};
use crate::now::Now;
use crate::slots::Key;
use crate::timer::Timer;
use crate::wheel::{TimerKey, Wheel};

/// The last pulse, and what waits for the next.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// When the last one happened.
    last: Option<Now>,
    /// The timer of the next one. There is one while a session waits.
    timer: Option<TimerKey>,
    /// Sessions with an update that was not told yet, in the order of their first such update. Some may have ended since.
    due: Vec<Key>,
    /// Updates that waited for a pulse.
    throttled: u64,
    /// Of these, those that a newer one took the place of.
    conflated: u64,
}

/// Milliseconds until something may happen again that happened last at this time; 0 for now.
///
/// Both clocks must have moved on, for people compare the timestamps. When somebody sets the wall clock back, the
/// timestamps are apart in the other direction, which is as good.
pub(super) fn wait_ms(last: Option<Now>, now: Now, throttle_ms: u64) -> u64 {
    let Some(last) = last else {
        return 0;
    };
    let mono_ms = throttle_ms.saturating_sub(elapsed_ms(last, now));
    let unix_ms = if now.unix_ms.abs_diff(last.unix_ms) >= throttle_ms {
        0
    } else {
        (last.unix_ms + throttle_ms) - now.unix_ms
    };
    mono_ms.max(unix_ms)
}

impl ProgressTracker {
    /// The payload of `import_progress`: a session as of its last pulse, if it was not updated since. `None` once it has ended.
    ///
    /// Where the event is not sent when its [`Output::Progress`] comes out, this has to be asked before the session's next
    /// update.
    pub fn progress_payload(&self, slot: Key) -> Option<String> {
        let session = self.sessions.get(slot)?;
        let told = session.told.last.filter(|_| session.is_processing())?;
        Some(session.progress_payload(told, self.config.stalled_after_ms))
    }

    /// The place of a session among those held.
    pub fn slot(&self, id: Uuid) -> Option<Key> {
        self.by_id.get(&id).copied()
    }

    /// The sessions that stand as they were told last: all that were told, but those that are due.
    pub fn told_sessions(&self) -> impl Iterator<Item = (Key, Recipients)> + '_ {
        let told = self.sessions.iter().filter(|(_, session)| {
            session.is_processing() && session.told.last.is_some() && !session.told.is_due
        });
        told.map(|(slot, session)| (slot, session.recipients()))
    }

    /// A session was updated: it is told at the next pulse, which may be now.
    pub(super) fn progress_due(&mut self, now: Now, wheel: &mut Wheel<Timer>, key: Key) {
        let session = self.sessions.get_mut(key).expect("callers found it");
        match session.told.is_due {
            true => self.pulse.conflated += 1,
            false => self.pulse.due.push(key),
        }
        session.told.is_due = true;
        let has_timer = self.pulse.timer.is_some();
        if !has_timer || wait_ms(self.pulse.last, now, self.config.throttle_ms) == 0 {
            self.look_for_pulse(now, wheel);
        }
        let waits = self
            .sessions
            .get(key)
            .is_some_and(|session| session.told.is_due);
        self.pulse.throttled += u64::from(waits);
    }

    /// How many updates waited for a pulse so far, and of how many of them a newer one took the place.
    pub(crate) fn held_back(&self) -> (u64, u64) {
        (self.pulse.throttled, self.pulse.conflated)
    }

    /// The time of the next pulse has come.
    pub(super) fn on_pulse(&mut self, now: Now, wheel: &mut Wheel<Timer>) {
        self.pulse.timer = None;
        self.look_for_pulse(now, wheel);
    }

    /// Has a pulse now if one may be, and otherwise when it may be.
    fn look_for_pulse(&mut self, now: Now, wheel: &mut Wheel<Timer>) {
        if let Some(timer) = self.pulse.timer.take() {
            wheel.cancel(timer);
        }
        let throttle_ms = self.config.throttle_ms;
        let mut next_ms = wait_ms(self.pulse.last, now, throttle_ms);
        if next_ms == 0 {
            self.have_pulse(now);
            // Sessions may be left over after a step of the wall clock. Others shall not wait longer for it.
            next_ms = throttle_ms;
        }
        let sessions = &self.sessions;
        let is_due = |key: &Key| {
            sessions
                .get(*key)
                .is_some_and(|session| session.told.is_due)
        };
        self.pulse.due.retain(is_due);
        if !self.pulse.due.is_empty() {
            let at_ms = now.mono_ms.saturating_add(next_ms);
            self.pulse.timer = Some(wheel.insert(at_ms, Timer::Pulse));
        }
    }

    /// Tells all sessions that are due, but those whose timestamps would come too close: the wall clock may have gone back
    /// since a session was told last, which may be several pulses ago.
    fn have_pulse(&mut self, now: Now) {
        let throttle_ms = self.config.throttle_ms;
        let mut due = std::mem::take(&mut self.pulse.due);
        due.retain(|key| {
            let session = self.sessions.get_mut(*key);
            let Some(session) = session.filter(|session| session.told.is_due) else {
                return false;
            };
            if wait_ms(session.told.last, now, throttle_ms) > 0 {
                return true;
            }
            session.told = Told {
                last: Some(now),
                is_due: false,
            };
            self.pulse.last = Some(now);
            let (id, recipients) = (session.id, session.recipients());
            self.outputs.push_back(Output::Progress {
                id,
                slot: *key,
                recipients,
            });
            false
        });
        self.pulse.due = due;
        self.tell_changes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_are_waited_for() {
        let at = |mono_ms, unix_ms| Now { mono_ms, unix_ms };
        assert_eq!(wait_ms(None, at(0, 0), 100), 0);
        let last = Some(at(1_000, 50_000));
        for (now, wanted_ms) in [
            (at(1_000, 50_000), 100),
            (at(1_099, 50_099), 1),
            (at(1_100, 50_100), 0),
            // The wall clock runs slow, or was set back a little: its timestamps must come apart too.
            (at(1_100, 50_095), 5),
            (at(1_100, 49_980), 120),
            // It was set back or on by far: they are apart.
            (at(1_100, 49_900), 0),
            (at(1_100, 10), 0),
            (at(1_100, 90_000), 0),
            (at(1_010, 90_000), 90),
        ] {
            assert_eq!(wait_ms(last, now, 100), wanted_ms, "{now:?}");
        }
    }
}
