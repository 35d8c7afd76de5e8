//! Progress sessions as a host sees them.

use serde_json::Value;
use uuid::Uuid;

use super::progress::switched_off;
use super::Endpoint;
use crate::panics::Verb;
use crate::progress::{
    CancelRequest, JsonObject, ListQuery, ProgressError, ProgressTracker, SeqState, SessionInfo,
    SessionOptions, SessionPage, Status,
};

/// The progress sessions of an endpoint ([`Endpoint::progress`]).
pub struct ProgressView<'e> {
    pub(super) endpoint: &'e mut Endpoint,
}

impl Endpoint {
    /// The progress sessions.
    pub fn progress(&mut self) -> ProgressView<'_> {
        ProgressView { endpoint: self }
    }
}

impl ProgressView<'_> {
    /// Creates a progress session and gives its id. Emits `session_created`.
    pub fn create_session(&mut self, options: SessionOptions) -> Result<Uuid, ProgressError> {
        let _verb = Verb::begin();
        self.endpoint.check_memory()?;
        let mut random = [0; 16];
        (self.endpoint.outside.environment.random)(&mut random);
        self.endpoint
            .track(|tracker, now, wheel| tracker.create_session(now, wheel, random, options))
    }

    /// As [`ProgressView::create_session`], with an id of the caller's.
    pub fn create_session_with_id(
        &mut self,
        id: Uuid,
        options: SessionOptions,
    ) -> Result<(), ProgressError> {
        let _verb = Verb::begin();
        self.endpoint.check_memory()?;
        self.endpoint
            .track(|tracker, now, wheel| tracker.create_session_with_id(now, wheel, id, options))
    }

    /// Says how far a session has come, 0.0 to 1.0. Emits `import_progress`, at most every 100 ms; the newest value is
    /// never lost.
    ///
    /// # Errors
    ///
    /// `SERVER_OVERLOAD` where metadata comes with it while all sessions together have half of
    /// [`Config::max_memory_bytes`](crate::Config::max_memory_bytes), unless the session is managed.
    pub fn update_progress(
        &mut self,
        id: Uuid,
        progress: f64,
        metadata: JsonObject,
    ) -> Result<(), ProgressError> {
        let _verb = Verb::begin();
        if !metadata.is_empty() {
            self.endpoint.check_growth(id)?;
        }
        self.endpoint.keep_story(id);
        self.endpoint.track(|tracker, now, wheel| {
            tracker.update_progress(now, wheel, id, progress, metadata)
        })
    }

    /// Ends a session well. Emits `import_complete`. A result is refused as metadata is by [`ProgressView::update_progress`].
    pub fn complete_session(&mut self, id: Uuid, result: JsonObject) -> Result<(), ProgressError> {
        let _verb = Verb::begin();
        if !result.is_empty() {
            self.endpoint.check_growth(id)?;
        }
        self.endpoint
            .track(|tracker, now, wheel| tracker.complete_session(now, wheel, id, result))
    }

    /// Ends a session with an error: a text, or an object with `code` and `message`. Emits `import_error`. Objects and partial
    /// results are refused as metadata is by [`ProgressView::update_progress`].
    pub fn error_session(
        &mut self,
        id: Uuid,
        error: Value,
        partial_results: Option<JsonObject>,
    ) -> Result<(), ProgressError> {
        let _verb = Verb::begin();
        if partial_results.is_some() || error.is_object() {
            self.endpoint.check_growth(id)?;
        }
        self.endpoint.track(|tracker, now, wheel| {
            tracker.error_session(now, wheel, id, error, partial_results)
        })
    }

    /// Cancels a session and gives it back as JSON text for the last time. Emits `import_cancelled`.
    pub fn cancel_session(
        &mut self,
        id: Uuid,
        reason: Option<String>,
        partial_results: Option<JsonObject>,
    ) -> Result<String, ProgressError> {
        let _verb = Verb::begin();
        self.endpoint.track(|tracker, now, wheel| {
            tracker.cancel_session(now, wheel, id, reason, partial_results)
        })
    }

    /// Asks for a session to be cancelled: at once, or by the host where the session is managed. That host hears of it by
    /// [`Event::CancelRequested`](super::Event::CancelRequested).
    pub fn request_cancel(
        &mut self,
        id: Uuid,
        reason: Option<String>,
    ) -> Result<CancelRequest, ProgressError> {
        let _verb = Verb::begin();
        self.endpoint
            .track(|tracker, now, wheel| tracker.request_cancel(now, wheel, id, reason))
    }

    /// From now on the host rolls a session back before it is cancelled; see [`Event::CancelRequested`](super::Event::CancelRequested).
    pub fn manage_session(&mut self, id: Uuid) -> Result<(), ProgressError> {
        let _verb = Verb::begin();
        self.endpoint.track(|tracker, _, _| tracker.manage(id))
    }

    /// Forgets a session that has ended. Emits nothing.
    pub fn cleanup(&mut self, id: Uuid) -> Result<(), ProgressError> {
        let _verb = Verb::begin();
        self.endpoint
            .track(|tracker, _, wheel| tracker.cleanup(wheel, id))
    }

    /// Cancels, with the reason `stale`, all sessions that have not been updated for long, and says how many those were.
    /// Happens by itself for each session in its time.
    pub fn cleanup_stale_sessions(&mut self) -> usize {
        let _verb = Verb::begin();
        self.endpoint
            .track(|tracker, now, wheel| Ok(tracker.cleanup_stale_sessions(now, wheel)))
            .unwrap_or(0)
    }

    /// A session as JSON text.
    pub fn session(&self, id: Uuid) -> Result<String, ProgressError> {
        self.tracker()?.session(self.endpoint.clock.now, id)
    }

    /// Where a session stands.
    pub fn session_status(&self, id: Uuid) -> Result<Status, ProgressError> {
        self.tracker()?.status(id)
    }

    /// A page of all sessions, or of those of one status, the newest first. Cancelled ones are in no list.
    pub fn sessions(&self, query: &ListQuery) -> SessionPage {
        self.sessions_seen(query, |_| true)
    }

    /// As [`ProgressView::sessions`], of those sessions alone of which the function says that somebody sees them.
    pub fn sessions_seen(
        &self,
        query: &ListQuery,
        sees: impl FnMut(&SessionInfo) -> bool,
    ) -> SessionPage {
        let tracker = self.endpoint.tracking.tracker.as_ref();
        tracker.map_or_else(SessionPage::empty, |tracker| {
            tracker.page(self.endpoint.clock.now, query, sees).0
        })
    }

    /// What is known of a session to whoever decides about it; of a cancelled one too, as long as it is remembered.
    pub fn info(&self, id: Uuid) -> Option<SessionInfo> {
        self.endpoint.session_info_of(id)
    }

    /// Refuses what comes from outside for a session that its host feeds, but for a cancellation: `SESSION_MANAGED`. To be
    /// asked by hosts that pass on updates, completions and failures of strangers.
    pub fn check_unmanaged(&self, id: Uuid) -> Result<(), ProgressError> {
        self.tracker()?.check_unmanaged(id)
    }

    /// How far the numbers of changes have come; see [`ProgressConfig`](crate::progress::ProgressConfig) for what hosts that
    /// restart do with it.
    pub fn seq_state(&self) -> SeqState {
        let tracker = self.tracker();
        tracker.map_or_else(|_| SeqState::default(), ProgressTracker::seq_state)
    }

    /// Lets the wall clock count for `seq` up to here; see
    /// [`ProgressConfig::reserved_seq`](crate::progress::ProgressConfig::reserved_seq).
    pub fn reserve_seq(&mut self, up_to: u64) {
        let _verb = Verb::begin();
        if let Some(tracker) = &mut self.endpoint.tracking.tracker {
            tracker.reserve_seq(up_to);
        }
    }

    /// Tells everybody that data has changed. Emits `data_updated`.
    pub fn data_updated(&mut self, payload: JsonObject) -> Result<(), ProgressError> {
        let _verb = Verb::begin();
        self.endpoint
            .track(|tracker, now, _| tracker.data_updated(now, payload))
    }

    /// Tells everybody something about the system. Emits `system_alert`.
    pub fn system_alert(&mut self, payload: JsonObject) -> Result<(), ProgressError> {
        let _verb = Verb::begin();
        self.endpoint
            .track(|tracker, now, _| tracker.system_alert(now, payload))
    }

    fn tracker(&self) -> Result<&ProgressTracker, ProgressError> {
        let tracker = self.endpoint.tracking.tracker.as_ref();
        tracker.ok_or_else(switched_off)
    }
}
