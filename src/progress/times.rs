//! When a session began and was heard of last, over restarts too.

use super::elapsed_ms;
use crate::now::Now;

/// The times of one session.
///
/// After a restart the clock of the process begins anew, so time before it is known by the wall clock alone and is kept apart.
#[derive(Debug)]
pub(super) struct Times {
    pub created: Now,
    /// When it was last updated; once ended, when it ended.
    pub last_update: Now,
    /// Whether it was ever updated: who creates sessions and does nothing with them is to give way first.
    pub was_updated: bool,
    /// How old it was when it was restored; 0 if it was not.
    age_before_ms: u64,
    /// How long nothing had come when it was restored; 0 if it was not, and from its next update on.
    silent_before_ms: u64,
}

impl Times {
    /// Those of a session that begins now.
    pub(super) fn new(now: Now) -> Self {
        Times {
            created: now,
            last_update: now,
            was_updated: false,
            age_before_ms: 0,
            silent_before_ms: 0,
        }
    }

    /// Those of a session that is restored now, from times in ms since the epoch.
    pub(super) fn restored(now: Now, created_ms: u64, updated_ms: u64, was_updated: bool) -> Self {
        let at = |unix_ms| Now { unix_ms, ..now };
        Times {
            created: at(created_ms),
            last_update: at(updated_ms),
            was_updated,
            age_before_ms: now.unix_ms.saturating_sub(created_ms),
            silent_before_ms: now.unix_ms.saturating_sub(updated_ms),
        }
    }

    pub(super) fn update(&mut self, now: Now) {
        self.last_update = now;
        self.was_updated = true;
        self.silent_before_ms = 0;
    }

    pub(super) fn end(&mut self, now: Now) {
        self.last_update = now;
    }

    pub(super) fn silent_ms(&self, now: Now) -> u64 {
        elapsed_ms(self.last_update, now) + self.silent_before_ms
    }

    /// When it will have been silent for so long, by the clock of the process, if nothing comes until then.
    pub(super) fn silent_at_ms(&self, silent_ms: u64) -> u64 {
        self.last_update
            .mono_ms
            .saturating_add(silent_ms)
            .saturating_sub(self.silent_before_ms)
    }

    /// From its beginning to its last update or its end.
    pub(super) fn lasted_ms(&self) -> u64 {
        elapsed_ms(self.created, self.last_update) + self.age_before_ms
    }
}
