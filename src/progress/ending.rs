//! The ways in which a session ends, and how it is forgotten.

use serde_json::Value;
use uuid::Uuid;

use super::clean::{clean_object, clean_text};
use super::metadata::{Metadata, PROCESSED_ROWS};
use super::object::{Limits, Object, Text};
use super::session::{Outcome, Phase, Session};
use super::{CancelRequest, ErrorCode, JsonObject, Output, ProgressError, ProgressTracker};
use crate::now::Now;
use crate::slots::Key;
use crate::timer::Timer;
use crate::wheel::Wheel;

const USER_REQUESTED: &str = "user_requested";
/// Why a session ends that gives way to a new one.
const EVICTED: &str = "evicted";
const UNKNOWN_ERROR: &str = "UNKNOWN_ERROR";

impl ProgressTracker {
    /// Ends a session well, and sends `import_complete`. Its progress is 1 from now on.
    ///
    /// `import_id`, `total_processed`, `processing_time_ms`, `summary` and `performance` of the result stand at the top
    /// level of the event, all else under `result`. A missing `total_processed` is the last `processed_rows`, a missing
    /// `processing_time_ms` the session's age.
    ///
    /// # Errors
    ///
    /// `PAYLOAD_TOO_LARGE` or `INVALID_ARGUMENT` (too deep) for the result.
    pub fn complete_session(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        id: Uuid,
        result: JsonObject,
    ) -> Result<(), ProgressError> {
        let key = self.processing(id)?;
        let result = Object::new(result, "the result", self.result_limits())?;
        self.end(now, wheel, key, Outcome::Completed { result });
        Ok(())
    }

    /// Ends a session with an error, and sends `import_error`.
    ///
    /// The error is a text, which gets the code `UNKNOWN_ERROR`, or an object with `code` and `message`, and optionally
    /// `details` and `recovery_suggestions` (a list of texts). Without partial results the event tells the last
    /// `processed_rows`.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for an error of another shape; `PAYLOAD_TOO_LARGE` for both together.
    pub fn error_session(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        id: Uuid,
        error: Value,
        partial_results: Option<JsonObject>,
    ) -> Result<(), ProgressError> {
        let key = self.processing(id)?;
        let limits = self.result_limits();
        let error = Object::new(error_object(error, limits)?, "the error", limits)?;
        let partial_results = match partial_results {
            Some(given) => Object::new(given, "partial_results", limits)?,
            None => self.measured_results(key),
        };
        let bytes = error.json_bytes() + partial_results.json_bytes();
        if bytes > limits.max_bytes {
            return Err(ProgressError::too_large(
                "the error with its partial results",
                bytes,
                limits.max_bytes,
            ));
        }
        let outcome = Outcome::Failed {
            error,
            partial_results,
        };
        self.end(now, wheel, key, outcome);
        Ok(())
    }

    /// Cancels a session at once, sends `import_cancelled`, and returns the session as JSON text, since it cannot be
    /// asked for any more. Of a managed session this is the call of its host, once all has been rolled back; what comes
    /// from others goes to [`ProgressTracker::request_cancel`].
    ///
    /// The reason is the given one, or else that of the request, or else `user_requested`. `partial_results` are merged
    /// over the last `processed_rows` and `completion_percentage` (the progress from 0 to 1).
    ///
    /// # Errors
    ///
    /// `PAYLOAD_TOO_LARGE` for the reason or the partial results.
    pub fn cancel_session(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        id: Uuid,
        reason: Option<String>,
        partial_results: Option<JsonObject>,
    ) -> Result<String, ProgressError> {
        let key = self.processing(id)?;
        let reason = self.clean_reason(reason)?;
        let given = Object::new(
            partial_results.unwrap_or_default(),
            "partial_results",
            self.result_limits(),
        )?;
        Ok(self.cancel(now, wheel, key, reason, given))
    }

    /// Takes a request to cancel a session from somebody who does not manage it.
    ///
    /// A managed session is not cancelled yet: its host is asked with [`Output::CancelAsked`], once, and whoever asked
    /// is answered with [`Output::CancelAnswered`] when the session has ended, in whichever way.
    ///
    /// # Errors
    ///
    /// `PAYLOAD_TOO_LARGE` for the reason.
    pub fn request_cancel(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        id: Uuid,
        reason: Option<String>,
    ) -> Result<CancelRequest, ProgressError> {
        let key = self.processing(id)?;
        let reason = self.clean_reason(reason)?;
        let session = self.sessions.get(key).expect("processing() found it");
        if !session.access.is_managed {
            let view = self.cancel(now, wheel, key, reason, Object::default());
            return Ok(CancelRequest::Done(view));
        }
        self.ask_host(key, reason);
        Ok(CancelRequest::Asked)
    }

    /// Refuses an update, a completion or a failure that comes from outside, where the session is fed by its host. Hosts that
    /// pass on what strangers say ask here first.
    ///
    /// # Errors
    ///
    /// `SESSION_MANAGED` for a managed session that is processing.
    pub fn check_unmanaged(&self, id: Uuid) -> Result<(), ProgressError> {
        let key = self.processing(id)?;
        let session = self.sessions.get(key).expect("processing() found it");
        if session.access.is_managed {
            return Err(ProgressError::new(
                ErrorCode::SessionManaged,
                format!("the session {id} is fed by the server itself: it can only be cancelled"),
            ));
        }
        Ok(())
    }

    /// Makes the host the manager of a session: it is asked before a cancellation takes effect, so that it can roll its
    /// work back first. A session that goes stale is asked for in the same way.
    pub fn manage(&mut self, id: Uuid) -> Result<(), ProgressError> {
        let key = self.processing(id)?;
        self.sessions
            .get_mut(key)
            .expect("processing() found it")
            .access
            .is_managed = true;
        self.note_change(key, true);
        Ok(())
    }

    /// Forgets a session that has ended, before its time and without an event.
    ///
    /// # Errors
    ///
    /// `SESSION_ACTIVE` for one that is processing: it has to be ended first, for nobody would hear of its end.
    pub fn cleanup(&mut self, wheel: &mut Wheel<Timer>, id: Uuid) -> Result<(), ProgressError> {
        let (key, session) = self.remembered(id)?;
        if session.is_processing() {
            return Err(ProgressError::new(
                ErrorCode::SessionActive,
                format!("the session {id} is processing: complete, fail or cancel it first"),
            ));
        }
        self.forget(wheel, key, true);
        Ok(())
    }

    /// Cancels with reason `stale` all sessions that have gone without an update for too long, and tells how many there
    /// were. Timers do the same for each session when its time has come; this is for hosts that sleep through timers.
    pub fn cleanup_stale_sessions(&mut self, now: Now, wheel: &mut Wheel<Timer>) -> usize {
        let stale: Vec<Key> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.is_silent_for(now, self.config.stale_after_ms))
            .filter(|(_, session)| session.cancel_reason().is_none())
            .map(|(key, _)| key)
            .collect();
        for key in &stale {
            self.give_up(now, wheel, *key);
        }
        stale.len()
    }

    /// Where as many sessions are held as may be, has one give way: the oldest that has ended, since it has been told of, else the
    /// oldest that was never updated and is not fed by its host.
    pub(super) fn make_room(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
    ) -> Result<(), ProgressError> {
        let held = self.sessions.count();
        if held < self.config.max_sessions {
            return Ok(());
        }
        let oldest = |tracker: &Self, gives_way: fn(&Session) -> bool| {
            let keys = tracker.by_number.values().copied();
            let gives_way = |key: &Key| tracker.sessions.get(*key).is_some_and(gives_way);
            keys.into_iter().find(gives_way)
        };
        if let Some(key) = oldest(self, |session| !session.is_processing()) {
            self.forget(wheel, key, false);
            return Ok(());
        }
        let unused = oldest(self, |it| !it.times.was_updated && !it.access.is_managed);
        let Some(key) = unused else {
            let message = format!("{held} sessions are at work already, try again later");
            return Err(ProgressError::new(ErrorCode::ServerOverload, message));
        };
        self.cancel(now, wheel, key, Some(EVICTED.to_owned()), Object::default());
        self.forget(wheel, key, false);
        Ok(())
    }

    /// Cancels a session that went silent, or asks its host to.
    pub(super) fn give_up(&mut self, now: Now, wheel: &mut Wheel<Timer>, key: Key) {
        let session = self.sessions.get(key).expect("callers found it");
        let reason = Some("stale".to_owned());
        if session.access.is_managed {
            self.ask_host(key, reason);
        } else {
            self.cancel(now, wheel, key, reason, Object::default());
        }
    }

    /// Asks the host of a managed session to cancel it, unless that has been done.
    fn ask_host(&mut self, key: Key, reason: Option<String>) {
        let session = self.sessions.get_mut(key).expect("callers found it");
        let id = session.id;
        if let Phase::Processing { cancel_reason } = &mut session.phase {
            if cancel_reason.is_some() {
                return;
            }
            let reason = reason.unwrap_or_else(|| USER_REQUESTED.to_owned());
            *cancel_reason = Some(reason.clone());
            self.outputs.push_back(Output::CancelAsked { id, reason });
        }
    }

    fn cancel(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        key: Key,
        reason: Option<String>,
        given: Object,
    ) -> String {
        let mut partial_results = self.measured_results(key);
        let session = self.sessions.get_mut(key).expect("callers found it");
        partial_results.insert("completion_percentage", session.progress.into());
        partial_results.extend(given);
        let reason = reason
            .or_else(|| session.cancel_reason().map(str::to_owned))
            .unwrap_or_else(|| USER_REQUESTED.to_owned());
        let outcome = Outcome::Cancelled {
            reason,
            partial_results,
        };
        let view = self.end(now, wheel, key, outcome);
        view.expect("the end of a cancelled session gives its last view")
    }

    /// Ends a session: tells everybody, and the host's waiting askers, and starts the time of forgetting. A cancelled
    /// one is looked at for the last time here.
    fn end(
        &mut self,
        now: Now,
        wheel: &mut Wheel<Timer>,
        key: Key,
        outcome: Outcome,
    ) -> Option<String> {
        let session = self.sessions.get_mut(key).expect("callers found it");
        if let Some(timer) = session.timer.take() {
            wheel.cancel(timer);
        }
        let was_asked = session.cancel_reason().is_some();
        let forget_at_ms = now.mono_ms.saturating_add(self.config.retention_ms);
        session.timer = Some(wheel.insert(forget_at_ms, Timer::Forget(key)));
        self.seqs.see(now);
        session.end(now, self.seqs.next(Some(session.seq)), &outcome);
        let (id, recipients) = (session.id, session.recipients());
        let payload = session.terminal_payload(&outcome);
        // The text of the object has taken over what the metadata said.
        session.metadata = Metadata::default();
        self.grown_bytes += session.memory_bytes();
        let (event, view) = match outcome {
            Outcome::Completed { .. } => ("import_complete", None),
            Outcome::Failed { .. } => ("import_error", None),
            Outcome::Cancelled { .. } => {
                let mut view = String::new();
                if let Phase::Ended { view: ended, .. } = &mut session.phase {
                    if let Some(ended) = ended {
                        ended.write(true, &mut view);
                    }
                    if !self.changes.is_kept {
                        *ended = None;
                    }
                }
                ("import_cancelled", Some(view))
            }
        };
        self.active -= 1;
        self.emit(event, Some(id), recipients, payload);
        self.note_change(key, true);
        if was_asked {
            let answer = view.clone().ok_or_else(|| ProgressError::ended(id));
            self.outputs
                .push_back(Output::CancelAnswered { id, answer });
        }
        view
    }

    /// Lets go of a session; nothing is left to be said about it. Urgent where somebody waits for that to be written.
    pub(super) fn forget(&mut self, wheel: &mut Wheel<Timer>, key: Key, is_urgent: bool) {
        let Some(session) = self.sessions.remove(key) else {
            return;
        };
        if let Some(timer) = session.timer {
            wheel.cancel(timer);
        }
        self.seqs.forget(session.seq);
        self.by_id.remove(&session.id);
        self.by_number.remove(&session.number);
        self.note_forgotten(&session, is_urgent);
        self.outputs.push_back(Output::Forgotten { id: session.id });
    }

    /// The partial results as far as the tracker knows them.
    fn measured_results(&self, key: Key) -> Object {
        let session = self.sessions.get(key).expect("callers found it");
        let mut measured = Object::default();
        let rows = session.metadata.field(&PROCESSED_ROWS).cloned();
        measured.set(
            "processed_rows".into(),
            Some(rows.unwrap_or_else(|| Text::of(&Value::Null))),
        );
        measured
    }

    fn clean_reason(&self, reason: Option<String>) -> Result<Option<String>, ProgressError> {
        let Some(mut reason) = reason else {
            return Ok(None);
        };
        clean_text(&mut reason);
        let max_bytes = self.config.max_reason_bytes;
        if reason.len() > max_bytes {
            return Err(ProgressError::too_large(
                "the reason",
                reason.len(),
                max_bytes,
            ));
        }
        Ok((!reason.trim().is_empty()).then_some(reason))
    }
}

/// The error of `import_error` from what a producer gave.
fn error_object(error: Value, limits: Limits) -> Result<JsonObject, ProgressError> {
    match error {
        Value::String(message) => {
            let code = Value::from(UNKNOWN_ERROR);
            let entries = [("code", code), ("message", Value::String(message))];
            Ok(entries
                .map(|(key, value)| (key.to_owned(), value))
                .into_iter()
                .collect())
        }
        Value::Object(mut error) => {
            clean_object(&mut error, "the error", limits.max_depth)?;
            for key in ["code", "message"] {
                let text = error.get(key).and_then(Value::as_str);
                if text.is_none_or(str::is_empty) {
                    return Err(ProgressError::invalid(format!(
                        "error.{key} must be text that is not empty"
                    )));
                }
            }
            let is_list_of_texts = match error.get("recovery_suggestions") {
                None | Some(Value::Null) => true,
                Some(Value::Array(items)) => items.iter().all(Value::is_string),
                Some(_) => false,
            };
            if !is_list_of_texts {
                return Err(ProgressError::invalid(
                    "error.recovery_suggestions must be a list of texts",
                ));
            }
            Ok(error)
        }
        _ => Err(ProgressError::invalid(
            "error must be text or an object with code and message",
        )),
    }
}
