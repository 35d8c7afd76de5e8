//! What waits to be written: of each session the newest state.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pulsewheel::progress::{Changes, SentAlert, SessionChange};

use super::answers::AnswerChange;

/// Sessions of which something may wait before nothing more is begun: some more than the server holds at a time.
const MAX_SESSIONS: usize = 4_000;
/// Alerts that wait; beyond that the oldest are left out.
const MAX_ALERTS: usize = 1_000;

/// Shared by the loop and the thread that writes; held for moments only.
#[derive(Default)]
pub struct Waiting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    batch: Batch,
    has_some: bool,
    is_closed: bool,
    is_failing: bool,
}

/// What is written in one go.
#[derive(Default)]
pub struct Batch {
    /// By their places in the order of creation.
    pub sessions: BTreeMap<u64, SessionChange>,
    pub alerts: VecDeque<SentAlert>,
    /// By the numbers of their requests.
    pub answers: BTreeMap<u64, AnswerChange>,
    /// What is confirmed when all of this is written.
    pub number: u64,
    /// Whether it has to be synced to the disk.
    pub is_urgent: bool,
}

impl Waiting {
    /// Adds what has changed, and the answers that go with it.
    pub fn push(&self, changes: Changes, answers: Vec<AnswerChange>) {
        let has_some = !changes.sessions.is_empty() || !changes.alerts.is_empty();
        if !has_some && answers.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.has_some = true;
        let batch = &mut state.batch;
        batch.number = batch.number.max(changes.number);
        batch.is_urgent |= changes.is_urgent;
        for change in changes.sessions {
            batch.add_newer(change);
        }
        batch.alerts.extend(changes.alerts);
        batch.bound_alerts();
        let numbered = answers.into_iter().map(|change| (change.number(), change));
        batch.answers.extend(numbered);
        drop(state);
        self.changed.notify_one();
    }

    /// All that waits, when there is something; `None` when there will be no more.
    pub fn next(&self) -> Option<Batch> {
        let state = self.lock();
        let idle = |state: &mut State| !state.has_some && !state.is_closed;
        let mut state = self
            .changed
            .wait_while(state, idle)
            .unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut state.has_some) {
            return None;
        }
        Some(std::mem::take(&mut state.batch))
    }

    /// Puts back what could not be written, below what has come since, and waits for a while before the next attempt. False
    /// where there is to be no other.
    pub fn give_back(&self, older: Batch, pause: Duration) -> bool {
        let mut state = self.lock();
        state.has_some = true;
        state.is_failing = true;
        let batch = &mut state.batch;
        batch.number = batch.number.max(older.number);
        batch.is_urgent |= older.is_urgent;
        for (number, change) in older.sessions {
            match batch.sessions.entry(number) {
                Entry::Vacant(place) => drop(place.insert(change)),
                Entry::Occupied(mut newer) => {
                    let newer = newer.get_mut();
                    if newer.record.is_none() {
                        newer.record = change.record;
                    }
                }
            }
        }
        for (number, change) in older.answers {
            batch.answers.entry(number).or_insert(change);
        }
        for alert in older.alerts.into_iter().rev() {
            batch.alerts.push_front(alert);
        }
        batch.bound_alerts();
        let waited = self
            .changed
            .wait_timeout_while(state, pause, |state| !state.is_closed);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.is_closed
    }

    /// Something was written. True where that had failed before.
    pub fn has_recovered(&self) -> bool {
        std::mem::take(&mut self.lock().is_failing)
    }

    pub fn is_failing(&self) -> bool {
        let state = self.lock();
        state.is_failing || state.batch.sessions.len() > MAX_SESSIONS
    }

    /// There will be no more.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done in here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn add_newer(&mut self, change: SessionChange) {
        match self.sessions.entry(change.number) {
            Entry::Vacant(place) => drop(place.insert(change)),
            Entry::Occupied(mut older) => {
                let older = older.get_mut();
                older.is_forgotten |= change.is_forgotten;
                if change.record.is_some() {
                    older.record = change.record;
                }
            }
        }
    }

    fn bound_alerts(&mut self) {
        let surplus = self.alerts.len().saturating_sub(MAX_ALERTS);
        self.alerts.drain(..surplus);
    }
}
