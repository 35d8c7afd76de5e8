//! What waits to be written: of each session the newest state.
//!
//! It is so much at the most as is written in one go. The loop takes no more from the library before the thread has taken that; there
//! only the names of sessions wait.

use std::collections::btree_map::Entry;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pulsewheel::progress::{Changes, SentAlert, SessionChange};
use pulsewheel::Endpoint;

use super::answers::AnswerChange;
use crate::serve::Answers;

/// Bytes that wait at the most; one change more may.
const MAX_BYTES: usize = 128 * 1024;

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
    /// The loop has left something, as there was no room for it.
    has_left: bool,
    /// Since when a batch is being written.
    writing_since: Option<Instant>,
    /// How long the last one took.
    last_took: Duration,
}

/// What is written in one go.
#[derive(Default)]
pub struct Batch {
    /// By their places in the order of creation.
    pub sessions: BTreeMap<u64, SessionChange>,
    pub alerts: Vec<SentAlert>,
    /// Memory for both.
    bytes: usize,
    /// By the numbers of their requests.
    pub answers: BTreeMap<u64, AnswerChange>,
    /// What is confirmed when all of this is written.
    pub number: u64,
    /// Whether it has to be synced to the disk.
    pub is_urgent: bool,
}

impl Waiting {
    /// Takes what has changed, as far as there is room, and the answers that go with it. On the loop.
    pub fn take(&self, endpoint: &mut Endpoint, answers: &Answers) {
        let mut state = self.lock();
        let room = MAX_BYTES.saturating_sub(state.batch.bytes);
        state.has_left |= room == 0;
        drop(state);
        if room > 0 {
            self.take_some(endpoint, answers, room);
        }
    }

    /// Takes all that has changed. On the loop, when that has come to its end.
    pub fn take_all(&self, endpoint: &mut Endpoint, answers: &Answers) {
        self.take_some(endpoint, answers, usize::MAX);
    }

    fn take_some(&self, endpoint: &mut Endpoint, answers: &Answers, max_bytes: usize) {
        let changes = endpoint.progress().take_changes(max_bytes);
        let answers = answers.take(changes.number);
        self.push(changes, answers);
    }

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
        let alert_bytes = changes.alerts.iter().map(SentAlert::memory_bytes);
        batch.bytes += alert_bytes.sum::<usize>();
        batch.alerts.extend(changes.alerts);
        let numbered = answers.into_iter().map(|change| (change.number(), change));
        batch.answers.extend(numbered);
        drop(state);
        self.changed.notify_one();
    }

    /// All that waits, when there is something; `None` when there will be no more. And whether the loop has left something,
    /// for which there is room now.
    pub fn next(&self) -> Option<(Batch, bool)> {
        let state = self.lock();
        let idle = |state: &mut State| !state.has_some && !state.is_closed;
        let mut state = self
            .changed
            .wait_while(state, idle)
            .unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut state.has_some) {
            return None;
        }
        state.writing_since = Some(Instant::now());
        let has_left = std::mem::take(&mut state.has_left);
        Some((std::mem::take(&mut state.batch), has_left))
    }

    /// The write of the batch that [`Waiting::next`] gave has come to its end, good or bad.
    pub fn write_ended(&self) {
        let mut state = self.lock();
        if let Some(since) = state.writing_since.take() {
            state.last_took = since.elapsed();
        }
    }

    /// How long the last write took, or the one that goes on takes if that is longer by now.
    pub fn write_time(&self, now: Instant) -> Duration {
        let state = self.lock();
        let so_far = state
            .writing_since
            .map(|since| now.saturating_duration_since(since));
        state.last_took.max(so_far.unwrap_or_default())
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
            batch.add_older(number, change);
        }
        for (number, change) in older.answers {
            batch.answers.entry(number).or_insert(change);
        }
        let newer = std::mem::replace(&mut batch.alerts, older.alerts);
        let older_bytes = batch.alerts.iter().map(SentAlert::memory_bytes);
        batch.bytes += older_bytes.sum::<usize>();
        batch.alerts.extend(newer);
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
        self.lock().is_failing
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
            Entry::Vacant(place) => {
                self.bytes += change.memory_bytes();
                place.insert(change);
            }
            Entry::Occupied(mut older) => {
                let older = older.get_mut();
                self.bytes -= older.memory_bytes();
                older.is_forgotten |= change.is_forgotten;
                if change.record.is_some() {
                    older.record = change.record;
                }
                self.bytes += older.memory_bytes();
            }
        }
    }

    fn add_older(&mut self, number: u64, change: SessionChange) {
        match self.sessions.entry(number) {
            Entry::Vacant(place) => {
                self.bytes += change.memory_bytes();
                place.insert(change);
            }
            Entry::Occupied(mut newer) => {
                let newer = newer.get_mut();
                self.bytes -= newer.memory_bytes();
                if newer.record.is_none() {
                    newer.record = change.record;
                }
                self.bytes += newer.memory_bytes();
            }
        }
    }
}
