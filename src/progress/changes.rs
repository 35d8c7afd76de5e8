//! What has changed since somebody wrote it down, and how sessions come back from what was written.
//!
//! Nothing of this is kept unless [`ProgressConfig::changes`](super::ProgressConfig::changes) says so. Of each session only
//! the newest state waits to be taken, so what waits is bounded by the sessions that are held. What waits of those that are gone counts
//! as their memory. One turn takes a part of it, and the next one goes on.

use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

use super::record::SessionRecord;
use super::session::{Phase, Session};
use super::{ErrorCode, Output, ProgressError, ProgressTracker, Status};
use crate::now::Now;
use crate::slots::Key;
use crate::timer::Timer;
use crate::wheel::Wheel;

/// Alerts that wait to be taken, at the most, and their bytes; beyond that the oldest are left out.
const MAX_ALERTS: usize = 1_000;
const MAX_ALERT_BYTES: usize = 256 * 1024;

/// What has changed since the last time, or a part of it, to be written down.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// To be confirmed when all of this, and all that was taken before, is where it shall be.
    pub number: u64,
    /// Whether something in it has to last from now on: that a session was created, has ended, was given to its host to manage
    /// or was deleted, a text of the host's, an alert, or something else of the host's. What is left is progress, of which a
    /// little may be lost.
    pub is_urgent: bool,
    /// The sessions that have changed, in the order of their creation.
    pub sessions: Vec<SessionChange>,
    /// The alerts that were sent, the oldest first.
    pub alerts: Vec<SentAlert>,
}

/// The newest state of a session.
#[derive(Clone, Debug)]
pub struct SessionChange {
    /// Its place in the order of creation; of all sessions that ever had its id it is the only one with this.
    pub number: u64,
    /// Its id.
    pub id: Uuid,
    /// Its state. `None` where nothing but `is_forgotten` is new.
    pub record: Option<SessionRecord>,
    /// Whether it is not remembered any more: it is not to be restored.
    pub is_forgotten: bool,
}

/// A `system_alert` that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentAlert {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The event's one argument, as JSON text.
    pub payload: String,
}

impl SessionChange {
    /// About how many bytes of memory it takes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.record.as_ref().map_or(0, SessionRecord::text_bytes)
    }
}

impl SentAlert {
    /// About how many bytes of memory it takes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.payload.len()
    }
}

/// What has changed and was not taken.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    pub is_kept: bool,
    /// How many changes there were.
    last: u64,
    /// The newest change that has to last.
    last_urgent: u64,
    /// All changes up to here were taken.
    taken: u64,
    /// All changes up to here are written.
    confirmed: u64,
    changed: BTreeMap<u64, Changed>,
    /// Where in that to go on, so that those in front are not taken again and again before the others.
    next_place: u64,
    /// What those have to be remembered for that are gone.
    gone_bytes: usize,
    /// Each with the number of its change.
    alerts: VecDeque<(u64, SentAlert)>,
    alert_bytes: usize,
    /// Whether somebody knows that there is something to take.
    is_told: bool,
    /// A part was taken; the rest is for the next turn.
    is_put_off: bool,
}

#[derive(Debug)]
struct Changed {
    id: Uuid,
    /// `None` where the session is gone.
    key: Option<Key>,
    /// What a session that is gone had come to, if nobody has taken that before.
    record: Option<SessionRecord>,
    /// The first change that was not taken.
    since: u64,
}

impl Changed {
    /// What is remembered of a session that is gone.
    fn gone_bytes(&self) -> usize {
        match self.key {
            Some(_) => 0,
            None => size_of::<Self>() + self.record.as_ref().map_or(0, SessionRecord::text_bytes),
        }
    }
}

impl ChangeLog {
    pub(super) fn new(is_kept: bool) -> Self {
        ChangeLog {
            is_kept,
            ..ChangeLog::default()
        }
    }

    /// A session has changed. Whether that is to be told at once.
    fn note(&mut self, number: u64, mut changed: Changed, is_urgent: bool) -> bool {
        let since = self.count(is_urgent);
        let older = self.remove(number);
        changed.since = older.map_or(since, |older| older.since);
        self.gone_bytes += changed.gone_bytes();
        self.changed.insert(number, changed);
        is_urgent && self.tell()
    }

    /// An alert was sent. Whether that is to be told.
    fn note_alert(&mut self, alert: SentAlert) -> bool {
        let number = self.count(true);
        self.alert_bytes += alert.memory_bytes();
        self.alerts.push_back((number, alert));
        while self.alerts.len() > MAX_ALERTS || self.alert_bytes > MAX_ALERT_BYTES {
            self.next_alert();
        }
        self.tell()
    }

    /// Gives the next change its number.
    fn count(&mut self, is_urgent: bool) -> u64 {
        self.last += 1;
        if is_urgent {
            self.last_urgent = self.last;
        }
        self.last
    }

    fn tell(&mut self) -> bool {
        let has_some = self.has_some() || self.is_urgent();
        !self.is_put_off && has_some && !std::mem::replace(&mut self.is_told, true)
    }

    fn has_some(&self) -> bool {
        !self.changed.is_empty() || !self.alerts.is_empty()
    }

    fn next_alert(&mut self) -> Option<SentAlert> {
        let (_, alert) = self.alerts.pop_front()?;
        self.alert_bytes -= alert.memory_bytes();
        Some(alert)
    }

    /// The next session whose change is to be taken, one after the other around.
    fn next_changed(&mut self) -> Option<(u64, Changed)> {
        let mut rest = self.changed.range(self.next_place..);
        let next = rest.next().or_else(|| self.changed.first_key_value());
        let number = *next?.0;
        self.next_place = number + 1;
        Some((number, self.remove(number)?))
    }

    fn remove(&mut self, number: u64) -> Option<Changed> {
        let changed = self.changed.remove(&number)?;
        self.gone_bytes -= changed.gone_bytes();
        Some(changed)
    }

    /// A part, or all, was taken.
    fn note_taken(&mut self) {
        let sessions = self.changed.values().map(|changed| changed.since);
        let alerts = self.alerts.front().map(|(number, _)| *number);
        let first_left = sessions.chain(alerts).min();
        self.taken = first_left.map_or(self.last, |number| number - 1);
        self.is_told = false;
        self.is_put_off = first_left.is_some();
    }

    /// Whether changes that have to last were not taken, or not all before them.
    fn is_urgent(&self) -> bool {
        self.last_urgent > self.taken
    }

    /// Memory for what would be forgotten otherwise.
    pub(super) fn memory_bytes(&self) -> usize {
        self.gone_bytes + self.alert_bytes
    }
}

impl ProgressTracker {
    /// What has changed since this was called last; empty where nothing has, or where
    /// [`ProgressConfig::changes`](super::ProgressConfig::changes) is off. It takes about so many bytes, or less, and one change
    /// more; what is left is for the next turn ([`ProgressTracker::resume_changes`]).
    pub fn take_changes(&mut self, max_bytes: usize) -> Changes {
        let log = &mut self.changes;
        let mut left_bytes = max_bytes;
        let mut changes = Changes {
            is_urgent: log.is_urgent(),
            ..Changes::default()
        };
        while left_bytes > 0 {
            let Some(alert) = log.next_alert() else { break };
            left_bytes = left_bytes.saturating_sub(alert.memory_bytes());
            changes.alerts.push(alert);
        }
        while left_bytes > 0 {
            let Some((number, changed)) = self.changes.next_changed() else {
                break;
            };
            let session = changed.key.and_then(|key| self.sessions.get_mut(key));
            let record = session.and_then(|session| {
                let record = session.record();
                session.let_go_of_cancelled();
                record
            });
            let change = SessionChange {
                number,
                id: changed.id,
                record: record.or(changed.record),
                is_forgotten: changed.key.is_none(),
            };
            left_bytes = left_bytes.saturating_sub(change.memory_bytes());
            changes.sessions.push(change);
        }
        changes
            .sessions
            .sort_unstable_by_key(|change| change.number);
        self.changes.note_taken();
        changes.number = self.changes.taken;
        changes
    }

    /// A turn begins: what was left in the one before may be taken. Whether there is such a rest.
    pub fn resume_changes(&mut self) -> bool {
        let log = &mut self.changes;
        std::mem::take(&mut log.is_put_off) && log.tell()
    }

    /// Whether there is something for the next turn to take.
    pub fn has_changes_left(&self) -> bool {
        self.changes.is_put_off
    }

    /// All changes up to this number are written; see [`Changes::number`].
    pub fn confirm_changes(&mut self, number: u64) {
        self.changes.confirmed = self.changes.confirmed.max(number);
    }

    /// Counts something of the host's own that it writes down together with the sessions, and that has to last: answers that wait
    /// until changes are confirmed wait for it, too. Gives its number: it is to be written with the first [`Changes`] whose
    /// [`number`](Changes::number) is no lower.
    pub fn note_host_change(&mut self) -> u64 {
        if self.changes.is_kept {
            self.changes.count(true);
            if self.changes.tell() {
                self.outputs.push_back(Output::Changed);
            }
        }
        self.changes.last
    }

    /// The number of the newest change that has to last and is not confirmed.
    pub fn unconfirmed(&self) -> Option<u64> {
        let log = &self.changes;
        (log.last_urgent > log.confirmed).then_some(log.last_urgent)
    }

    /// The number up to which all changes are confirmed.
    pub(crate) fn confirmed(&self) -> u64 {
        self.changes.confirmed
    }

    /// Whether there are changes to take in this turn that have to last.
    pub fn has_urgent_changes(&self) -> bool {
        !self.changes.is_put_off && self.changes.is_urgent()
    }

    /// Brings back a session that was held when its record was taken: under its id, with its audience, owner and text, and with a
    /// `seq` above the record's. Sends nothing. A session at work that was silent for too long is given up when timers
    /// fire next; one that has ended is remembered for what is left of its time.
    ///
    /// To be called before anything else; limits of numbers and sizes were held when the session was made. Where a number was
    /// given out behind the newest record, [`ProgressConfig::first_seq`](super::ProgressConfig::first_seq) has to be above it.
    ///
    /// Gives false where that time is over: the session is forgotten, which is a change.
    ///
    /// # Errors
    ///
    /// `SESSION_EXISTS` where the id is in use; `INVALID_ARGUMENT` for damaged metadata.
    pub fn restore(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        record: &SessionRecord,
    ) -> Result<bool, ProgressError> {
        let (id, number) = (record.info().id, record.info().number);
        if self.by_id.contains_key(&id) {
            return Err(ProgressError::new(
                ErrorCode::SessionExists,
                format!("the session id {id} is in use"),
            ));
        }
        self.seqs.see(now);
        self.seqs.take_place(number);
        let silent_ms = now.unix_ms.saturating_sub(record.updated_ms());
        let (config, is_processing) = (&self.config, record.ended_ms().is_none());
        let left_ms = match is_processing {
            true => config.stale_after_ms.saturating_sub(silent_ms),
            false => config.retention_ms.saturating_sub(silent_ms),
        };
        if !is_processing && left_ms == 0 {
            self.seqs.forget(record.seq());
            self.note_gone(number, id, None, false);
            return Ok(false);
        }
        let seq = self.seqs.next(Some(record.seq()));
        let mut session = Session::restored(record, seq, now)?;
        self.grown_bytes += session.memory_bytes();
        let at_ms = now.mono_ms.saturating_add(left_ms);
        let key = self.sessions.insert_with(|key| {
            let timer = match is_processing {
                true => Timer::Stale(key),
                false => Timer::Forget(key),
            };
            session.timer = Some(wheel.insert(at_ms, timer));
            session
        });
        self.by_id.insert(id, key);
        self.by_number.insert(number, key);
        self.active += usize::from(is_processing);
        Ok(true)
    }

    /// Keeps a text of the host's with a session, or with `None` none any more: a part of its record that clients never see.
    ///
    /// # Errors
    ///
    /// `SESSION_NOT_FOUND` and `SESSION_CANCELLED`.
    pub fn set_host_text(&mut self, id: Uuid, text: Option<String>) -> Result<(), ProgressError> {
        let (key, _) = self.remembered(id)?;
        let session = self.sessions.get_mut(key).expect("remembered() found it");
        session.host_text = text.map(Into::into);
        self.grown_bytes += session.memory_bytes();
        self.note_change(key, true);
        Ok(())
    }

    /// A session has changed.
    pub(super) fn note_change(&mut self, key: Key, is_urgent: bool) {
        let Some(session) = self.sessions.get(key).filter(|_| self.changes.is_kept) else {
            return;
        };
        let changed = Changed {
            id: session.id,
            key: Some(key),
            record: None,
            since: 0,
        };
        if self.changes.note(session.number, changed, is_urgent) {
            self.outputs.push_back(Output::Changed);
        }
    }

    /// A session that was just removed is forgotten.
    pub(super) fn note_forgotten(&mut self, session: &Session, is_urgent: bool) {
        // Its end, where nobody has taken that.
        let untaken = self.changes.changed.contains_key(&session.number);
        let record = if untaken { session.record() } else { None };
        self.note_gone(session.number, session.id, record, is_urgent);
    }

    fn note_gone(&mut self, number: u64, id: Uuid, record: Option<SessionRecord>, is_urgent: bool) {
        if !self.changes.is_kept {
            return;
        }
        let changed = Changed {
            id,
            key: None,
            record,
            since: 0,
        };
        self.grown_bytes += changed.gone_bytes();
        if self.changes.note(number, changed, is_urgent) {
            self.outputs.push_back(Output::Changed);
        }
    }

    /// An alert was sent.
    pub(super) fn note_alert(&mut self, now: Now, payload: &str) {
        if !self.changes.is_kept {
            return;
        }
        let alert = SentAlert {
            at_ms: now.unix_ms,
            payload: payload.to_owned(),
        };
        self.grown_bytes += alert.memory_bytes();
        if self.changes.note_alert(alert) {
            self.outputs.push_back(Output::Changed);
        }
    }

    /// There was a pulse: what has changed by then is to be taken.
    pub(super) fn tell_changes(&mut self) {
        if self.changes.tell() {
            self.outputs.push_back(Output::Changed);
        }
    }
}

impl Session {
    /// Lets go of what a cancelled session was, which is kept for its record alone.
    fn let_go_of_cancelled(&mut self) {
        if let Phase::Ended {
            status: Status::Cancelled,
            view,
        } = &mut self.phase
        {
            *view = None;
        }
    }
}
