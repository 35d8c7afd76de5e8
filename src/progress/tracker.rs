//! All sessions, and the verbs that change them.

use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

use super::changes::ChangeLog;
use super::list::{Cursor, ListQuery, SessionPage};
use super::metadata::Metadata;
use super::object::Limits;
use super::pulse::Pulse;
use super::seq::{SeqState, Seqs};
use super::session::{Access, Session, Status};
use super::{
    elapsed_ms, notice, ErrorCode, JsonObject, MemoryUsage, Output, ProgressConfig, ProgressError,
    Recipients, SessionInfo, SessionOptions,
};
use crate::now::Now;
use crate::slots::{Key, Slots};
use crate::timer::Timer;
use crate::wheel::Wheel;

/// All progress sessions of a server. See the [module](super) for how to drive it.
///
/// Every verb that names a session refuses an unknown one with `SESSION_NOT_FOUND`, a cancelled one with
/// `SESSION_CANCELLED` for as long as it is remembered, and, where it would change the session, one that has completed
/// or failed with `SESSION_ENDED`. A refused verb changes nothing and sends nothing.
#[derive(Debug)]
pub struct ProgressTracker {
    pub(super) config: ProgressConfig,
    started: Now,
    pub(super) sessions: Slots<Session>,
    pub(super) by_id: BTreeMap<Uuid, Key>,
    /// In the order of creation, by [`Session::number`].
    pub(super) by_number: BTreeMap<u64, Key>,
    pub(super) seqs: Seqs,
    pub(super) pulse: Pulse,
    /// How many sessions are processing.
    pub(super) active: usize,
    /// When the next heartbeat is due.
    heartbeat_at_ms: u64,
    pub(super) outputs: VecDeque<Output>,
    /// By how many bytes at the most what sessions remember has grown since somebody asked.
    pub(super) grown_bytes: usize,
    /// What has changed, where somebody writes it down.
    pub(super) changes: ChangeLog,
}

impl ProgressTracker {
    /// A tracker without sessions, up since now. Arms the heartbeat.
    pub fn new(config: ProgressConfig, now: Now, wheel: &mut Wheel<Timer>) -> Self {
        let mut seqs = Seqs::new(&config);
        seqs.see(now);
        let changes = ChangeLog::new(config.changes);
        let mut tracker = ProgressTracker {
            config,
            changes,
            started: now,
            sessions: Slots::default(),
            by_id: BTreeMap::new(),
            by_number: BTreeMap::new(),
            seqs,
            pulse: Pulse::default(),
            active: 0,
            heartbeat_at_ms: now.mono_ms,
            outputs: VecDeque::new(),
            grown_bytes: 0,
        };
        tracker.arm_heartbeat(now, wheel);
        tracker
    }

    /// Takes note of the time: every change from now on gets a `seq` that is no lower than the wall clock. To be called once
    /// per turn of the loop; verbs do it themselves.
    pub fn see(&mut self, now: Now) {
        self.seqs.see(now);
    }

    /// How far `seq` has come.
    pub fn seq_state(&self) -> SeqState {
        self.seqs.state()
    }

    /// Lets the wall clock count for `seq` up to here; see [`ProgressConfig::reserved_seq`].
    pub fn reserve_seq(&mut self, up_to: u64) {
        self.seqs.reserve(up_to);
    }

    /// The next thing to do; `None` when there is nothing until the next verb or timer.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Creates a session under a new id, a UUID of version 4 made from these bytes of the operating system, and sends
    /// `session_created`.
    ///
    /// # Errors
    ///
    /// As for [`ProgressTracker::create_session_with_id`].
    pub fn create_session(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        random: [u8; 16],
        options: SessionOptions,
    ) -> Result<Uuid, ProgressError> {
        let id = uuid::Builder::from_random_bytes(random).into_uuid();
        self.create_session_with_id(now, wheel, id, options)?;
        Ok(id)
    }

    /// Creates a session under an id that the caller has chosen, and sends `session_created`.
    ///
    /// # Errors
    ///
    /// `SESSION_EXISTS` for an id in use, that of a session that has ended and is still remembered included
    /// (`SESSION_CANCELLED` if it was cancelled); `SERVER_OVERLOAD` when there are too many sessions, of which none gives way;
    /// `INVALID_ARGUMENT` or `PAYLOAD_TOO_LARGE` for the metadata.
    pub fn create_session_with_id(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        id: Uuid,
        options: SessionOptions,
    ) -> Result<(), ProgressError> {
        match self.remembered(id) {
            Ok(_) => {
                return Err(ProgressError::new(
                    ErrorCode::SessionExists,
                    format!("the session id {id} is in use"),
                ))
            }
            Err(error) if error.code == ErrorCode::SessionCancelled => return Err(error),
            Err(_) => {}
        }
        let mut metadata = Metadata::default();
        metadata.merge(options.metadata, self.metadata_limits())?;
        self.make_room(now, wheel)?;
        let audience = options.audience.unwrap_or(self.config.audience);
        self.seqs.see(now);
        let seq = self.seqs.next(None);
        let number = self.seqs.place();
        let owner = options.owner.filter(|owner| !owner.is_empty());
        let access = Access {
            audience,
            owner: owner.map(Into::into),
            is_managed: options.managed,
        };
        let mut session = Session::new(id, number, seq, access, now, metadata);
        let payload = session.created_payload();
        self.grown_bytes += session.memory_bytes();
        let recipients = session.recipients();
        let key = self.sessions.insert_with(|key| {
            let stale_at_ms = now.mono_ms.saturating_add(self.config.stale_after_ms);
            session.timer = Some(wheel.insert(stale_at_ms, Timer::Stale(key)));
            session
        });
        self.by_id.insert(id, key);
        self.by_number.insert(number, key);
        self.active += 1;
        self.emit("session_created", Some(id), recipients, payload);
        self.note_change(key, true);
        Ok(())
    }

    /// Takes an update in: progress from 0 to 1 (clamped; lower than before keeps the old value) and metadata (merged
    /// key by key, null removes a key).
    ///
    /// Sends `import_progress` at once if no session's was sent in the last [`ProgressConfig::throttle_ms`]. Otherwise the
    /// newest state is sent when that time is over, and until then an update costs no more than the merge.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` when progress is not finite and for the metadata; `PAYLOAD_TOO_LARGE` for the metadata.
    pub fn update_progress(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        id: Uuid,
        progress: f64,
        metadata: JsonObject,
    ) -> Result<(), ProgressError> {
        let key = self.processing(id)?;
        if !progress.is_finite() {
            return Err(ProgressError::invalid("progress must be a finite number"));
        }
        let limits = self.metadata_limits();
        let session = self.sessions.get_mut(key).expect("processing() found it");
        session.update(now, progress, metadata, limits)?;
        self.grown_bytes += session.memory_bytes();
        self.seqs.see(now);
        session.seq = self.seqs.next(Some(session.seq));
        self.note_change(key, false);
        self.progress_due(now, wheel, key);
        Ok(())
    }

    /// The Session object as of now, as JSON text.
    pub fn session(&self, now: Now, id: Uuid) -> Result<String, ProgressError> {
        let (_, session) = self.remembered(id)?;
        let mut text = String::new();
        session.write_view(now, self.config.stalled_after_ms, true, &mut text);
        Ok(text)
    }

    /// Where a session stands. [`Status::Cancelled`] is not among the answers, but an error.
    pub fn status(&self, id: Uuid) -> Result<Status, ProgressError> {
        Ok(self.remembered(id)?.1.status())
    }

    /// A page of the Session objects of one status, or of all, the newest first. Cancelled sessions are in no list.
    ///
    /// A page ends at the limit of the query, and at [`ProgressConfig::max_page_bytes`], but has at least one session if
    /// there is one.
    pub fn sessions(&self, now: Now, query: &ListQuery) -> SessionPage {
        self.page(now, query, |_| true).0
    }

    /// As [`ProgressTracker::sessions`], of those sessions that somebody sees; and the places of those on the page.
    pub(crate) fn page(
        &self,
        now: Now,
        query: &ListQuery,
        mut sees: impl FnMut(&SessionInfo) -> bool,
    ) -> (SessionPage, Vec<u32>) {
        let found = self.found(query);
        let found = found.filter(|(_, session)| sees(&session.info()));
        let mut listed = Vec::new();
        let mut text = String::from("[");
        let (mut count, mut last) = (0, 0);
        for (key, session) in found {
            if count == query.limit {
                return (close_page(text, Some(Cursor(last))), listed);
            }
            let end = text.len();
            if count > 0 {
                text.push(',');
            }
            session.write_view(now, self.config.stalled_after_ms, false, &mut text);
            if count > 0 && text.len() >= self.config.max_page_bytes {
                text.truncate(end);
                return (close_page(text, Some(Cursor(last))), listed);
            }
            (count, last) = (count + 1, session.number);
            listed.push(key.index);
        }
        (close_page(text, None), listed)
    }

    /// By how many bytes at the most what sessions remember has grown since this was asked for the last time.
    pub(crate) fn take_grown_bytes(&mut self) -> usize {
        std::mem::take(&mut self.grown_bytes)
    }

    /// Memory for what all sessions remember, and for what is to be written down of others.
    pub(crate) fn memory_bytes(&self) -> usize {
        let sessions = self
            .by_id
            .values()
            .filter_map(|key| self.sessions.get(*key));
        sessions.map(Session::memory_bytes).sum::<usize>() + self.changes.memory_bytes()
    }

    /// Forgets the texts of sessions at work, which are made again for whoever reads them.
    pub(crate) fn forget_views(&mut self) {
        for key in self.by_id.values() {
            if let Some(session) = self.sessions.get_mut(*key) {
                session.view.take();
            }
        }
    }

    /// What is known of a session to whoever decides about it; of a cancelled one too, as long as it is remembered.
    pub fn info(&self, id: Uuid) -> Option<SessionInfo> {
        Some(self.sessions.get(*self.by_id.get(&id)?)?.info())
    }

    /// The same of all sessions that a list would have, however long, the newest first.
    pub(crate) fn infos(&self, query: &ListQuery) -> impl Iterator<Item = SessionInfo> + '_ {
        self.found(query).map(|(_, session)| session.info())
    }

    /// The sessions that a list is of, the newest first.
    fn found(&self, query: &ListQuery) -> impl Iterator<Item = (Key, &Session)> {
        let end = query.cursor.map_or(u64::MAX, |cursor| cursor.0);
        let wanted = query.status;
        self.by_number
            .range(..end)
            .rev()
            .filter_map(|(_, key)| Some((*key, self.sessions.get(*key)?)))
            .filter(|(_, session)| session.status() != Status::Cancelled)
            .filter(move |(_, session)| wanted.is_none_or(|status| session.status() == status))
    }

    /// How many sessions are processing.
    pub fn active_sessions(&self) -> usize {
        self.active
    }

    /// How many sessions are held, those that have ended and are still remembered included.
    pub fn held_sessions(&self) -> usize {
        self.sessions.count()
    }

    /// Milliseconds since the tracker was made.
    pub fn uptime_ms(&self, now: Now) -> u64 {
        elapsed_ms(self.started, now)
    }

    /// Sends `data_updated` to everybody.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` when `type` or `action` is missing or a known field has the wrong type; `PAYLOAD_TOO_LARGE`.
    pub fn data_updated(&mut self, now: Now, payload: JsonObject) -> Result<(), ProgressError> {
        let payload = notice::data_updated(now, payload, self.result_limits())?;
        self.emit("data_updated", None, Recipients::Everybody, payload);
        Ok(())
    }

    /// Sends `system_alert` to everybody.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` when `level`, `category` or `message` is missing or a known field has the wrong type or word;
    /// `PAYLOAD_TOO_LARGE`.
    pub fn system_alert(&mut self, now: Now, payload: JsonObject) -> Result<(), ProgressError> {
        let payload = notice::system_alert(now, payload, self.result_limits())?;
        self.note_alert(now, &payload);
        self.emit("system_alert", None, Recipients::Everybody, payload);
        Ok(())
    }

    /// Does what is due when a timer has fired. Timers of other layers and of sessions that are gone do nothing;
    /// `memory` is told by the heartbeat.
    pub fn on_timer(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        timer: Timer,
        memory: MemoryUsage,
    ) {
        self.seqs.see(now);
        match timer {
            Timer::Pulse => self.on_pulse(now, wheel),
            Timer::Stale(key) => self.on_stale(now, wheel, key),
            Timer::Forget(key) => self.forget(wheel, key, false),
            Timer::Heartbeat => {
                let payload = notice::heartbeat(now, self.active, self.uptime_ms(now), memory);
                self.emit("heartbeat", None, Recipients::Everybody, payload);
                self.arm_heartbeat(now, wheel);
            }
            _ => {}
        }
    }

    // A session may have ended or gone since its timer was taken out of the wheel.
    fn on_stale(&mut self, now: Now, wheel: &mut Wheel<Timer>, key: Key) {
        let Some(session) = self
            .sessions
            .get_mut(key)
            .filter(|session| session.is_processing())
        else {
            return;
        };
        session.timer = None;
        if session.is_silent_for(now, self.config.stale_after_ms) {
            self.give_up(now, wheel, key);
        } else {
            // Updates do not touch the timer, so it looks again when the newest one will have grown old.
            let at_ms = session.times.silent_at_ms(self.config.stale_after_ms);
            session.timer = Some(wheel.insert(at_ms, Timer::Stale(key)));
        }
    }

    pub(super) fn emit(
        &mut self,
        event: &'static str,
        session: Option<Uuid>,
        recipients: Recipients,
        payload: String,
    ) {
        self.outputs.push_back(Output::Emit {
            event,
            session,
            recipients,
            payload,
        });
    }

    fn arm_heartbeat(&mut self, now: Now, wheel: &mut Wheel<Timer>) {
        if self.config.heartbeat_ms == 0 {
            return;
        }
        // From due time to due time, so that lateness does not add up; but none is made up for after a long sleep.
        let next_ms = self
            .heartbeat_at_ms
            .saturating_add(self.config.heartbeat_ms);
        self.heartbeat_at_ms = if next_ms > now.mono_ms {
            next_ms
        } else {
            now.mono_ms.saturating_add(self.config.heartbeat_ms)
        };
        wheel.insert(self.heartbeat_at_ms, Timer::Heartbeat);
    }

    /// A session that may be read.
    pub(super) fn remembered(&self, id: Uuid) -> Result<(Key, &Session), ProgressError> {
        let found = self.by_id.get(&id);
        let found = found.and_then(|key| Some((*key, self.sessions.get(*key)?)));
        match found {
            Some((_, session)) if session.status() == Status::Cancelled => Err(ProgressError::new(
                ErrorCode::SessionCancelled,
                format!("the session {id} was cancelled"),
            )),
            Some(found) => Ok(found),
            None => Err(ProgressError::not_found(id)),
        }
    }

    /// A session that may be changed.
    pub(super) fn processing(&self, id: Uuid) -> Result<Key, ProgressError> {
        let (key, session) = self.remembered(id)?;
        if !session.is_processing() {
            return Err(ProgressError::ended(id));
        }
        Ok(key)
    }

    fn metadata_limits(&self) -> Limits {
        Limits {
            max_bytes: self.config.max_metadata_bytes,
            max_depth: self.config.max_metadata_depth,
            max_keys: self.config.max_metadata_keys,
        }
    }

    pub(super) fn result_limits(&self) -> Limits {
        Limits {
            max_bytes: self.config.max_result_bytes,
            max_depth: self.config.max_result_depth,
            max_keys: usize::MAX,
        }
    }
}

fn close_page(mut text: String, next: Option<Cursor>) -> SessionPage {
    text.push(']');
    SessionPage {
        sessions: text,
        next,
    }
}
