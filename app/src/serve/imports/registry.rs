//! Which sessions have an import, and who waits for one to end.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pulsewheel::http::Response;
use pulsewheel::progress::{ErrorCode, JsonObject, ProgressError, SessionOptions, Status};
use pulsewheel::{Endpoint, RequestId};
use uuid::Uuid;

use super::going_down;
use crate::import::{Canceller, RequestError};
use crate::serve::alerts::{Alerts, Concern, Condition};
use crate::serve::answer::{self, ApiError};
use crate::serve::auth::{changed, Caller};
use crate::serve::idempotency::Answers;

/// Shared by the loop, the imports' threads and the one that hears signals. Held
/// for moments only, so that the loop never waits.
#[derive(Default)]
pub struct Registry {
    alerts: Arc<Alerts>,
    answers: Arc<Answers>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Sessions with an import that has not ended.
    active: BTreeMap<Uuid, Canceller>,
    /// Requests to cancel that are answered when the session has ended.
    askers: Vec<(Uuid, RequestId)>,
    /// No import begins any more.
    is_closing: bool,
    /// Those that run are rolled back.
    is_cancelling: bool,
}

/// How an import ended, as far as its session is concerned.
#[derive(Clone, Debug)]
pub enum Outcome {
    Completed {
        result: JsonObject,
        /// `None` if no data changed.
        data_updated: Option<JsonObject>,
    },
    Failed {
        error: serde_json::Value,
        partial_results: JsonObject,
    },
    Cancelled {
        partial_results: JsonObject,
    },
}

impl Registry {
    /// People hear through `alerts` of imports that can't be written.
    pub fn new(alerts: Arc<Alerts>, answers: Arc<Answers>) -> Registry {
        Registry {
            alerts,
            answers,
            ..Registry::default()
        }
    }

    /// Takes a session for an import: a new one, under the wanted id if there is
    /// one, or a processing one that has none yet.
    pub fn claim(
        &self,
        endpoint: &mut Endpoint,
        caller: &Caller,
        wanted: Option<Uuid>,
        options: SessionOptions,
        canceller: Canceller,
    ) -> Result<Uuid, RequestError> {
        if self.is_cancelling() {
            return Err(refused_as(going_down()));
        }
        let id = match wanted {
            None => endpoint
                .progress()
                .create_session(options)
                .map_err(refused)?,
            Some(id) => {
                changed(endpoint, caller, id).map_err(refused_as)?;
                self.claim_id(endpoint, id, options)?;
                id
            }
        };
        let mut state = self.lock();
        if state.is_cancelling {
            canceller.cancel();
        }
        state.active.insert(id, canceller);
        Ok(id)
    }

    fn claim_id(
        &self,
        endpoint: &mut Endpoint,
        id: Uuid,
        options: SessionOptions,
    ) -> Result<(), RequestError> {
        if self.lock().active.contains_key(&id) {
            let message = format!("the session {id} is used by another import");
            return Err(refused(ProgressError::new(
                ErrorCode::SessionExists,
                message,
            )));
        }
        match endpoint.progress().session_status(id) {
            Ok(Status::Processing) => endpoint.progress().manage_session(id),
            Err(error) if error.code == ErrorCode::SessionNotFound => {
                endpoint.progress().create_session_with_id(id, options)
            }
            // A cancelled one too: whoever uploads uses no session that was.
            Ok(_) | Err(_) => Err(session_ended(id)),
        }
        .map_err(refused)
    }

    /// A client wants a session cancelled whose work is managed by this program.
    pub fn cancel(&self, endpoint: &mut Endpoint, id: Uuid) {
        let canceller = self.lock().active.get(&id).cloned();
        match canceller {
            // Where it comes too late the import ends in its own way.
            Some(canceller) => drop(canceller.cancel()),
            // Ended a moment ago, or never begun: nothing is there to be rolled back.
            None => drop(endpoint.progress().cancel_session(id, None, None)),
        }
    }

    /// Answers a request to cancel when the import of this session has ended.
    pub fn answer_when_ended(&self, id: Uuid, request: RequestId) {
        self.lock().askers.push((id, request));
    }

    /// A request is gone. With a key it is answered all the same, for when it comes again.
    pub fn forget_asker(&self, request: RequestId) {
        if self.answers.is_under_way(request) {
            return;
        }
        self.lock().askers.retain(|(_, asker)| *asker != request);
    }

    /// Ends the session of an import that has ended, and answers who waits for that.
    pub fn end(&self, endpoint: &mut Endpoint, id: Uuid, outcome: Outcome) {
        if let Some(condition) = storage(&outcome) {
            self.alerts.observe(endpoint, Concern::Imports, condition);
        }
        let answer = match outcome {
            Outcome::Completed {
                result,
                data_updated,
            } => {
                let ended = endpoint.progress().complete_session(id, result);
                let told = data_updated.map(|change| endpoint.progress().data_updated(change));
                if let Some(Err(error)) = told {
                    log::error!("data_updated could not be sent: {error}");
                }
                ended.and(Err(session_ended(id)))
            }
            Outcome::Failed {
                error,
                partial_results,
            } => endpoint
                .progress()
                .error_session(id, error, Some(partial_results))
                .and(Err(session_ended(id))),
            Outcome::Cancelled { partial_results } => {
                let reason = self.is_cancelling().then(|| "server_shutdown".to_owned());
                endpoint
                    .progress()
                    .cancel_session(id, reason, Some(partial_results))
            }
        };
        let mut state = self.lock();
        state.active.remove(&id);
        let (askers, others) = std::mem::take(&mut state.askers)
            .into_iter()
            .partition(|(asked, _)| *asked == id);
        state.askers = others;
        drop(state);
        self.changed.notify_all();
        let askers: Vec<(Uuid, RequestId)> = askers;
        for (_, request) in askers {
            let response = match &answer {
                Ok(session) => answer::session(200, session),
                Err(error) => Response::from(ApiError::from(error.clone())),
            };
            self.answers.answer(endpoint, request, response.into());
        }
    }

    /// From now on no upload begins.
    pub fn close(&self) {
        self.lock().is_closing = true;
    }

    /// From now on no upload begins, and the imports that run are rolled back.
    pub fn cancel_all(&self) {
        let mut state = self.lock();
        state.is_closing = true;
        state.is_cancelling = true;
        for canceller in state.active.values() {
            canceller.cancel();
        }
    }

    pub fn is_closing(&self) -> bool {
        self.lock().is_closing
    }

    pub fn is_cancelling(&self) -> bool {
        self.lock().is_cancelling
    }

    /// Waits until no session has an import, or for this long.
    pub fn wait_until_idle(&self, patience: Duration) {
        let state = self.lock();
        let waited = self
            .changed
            .wait_timeout_while(state, patience, |state| !state.active.is_empty());
        drop(waited);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done in here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the end of an import tells of the storage, if anything.
fn storage(outcome: &Outcome) -> Option<Condition> {
    match outcome {
        // A dry run has written nothing.
        Outcome::Completed { data_updated, .. } => data_updated.as_ref().map(|_| Condition::Well),
        Outcome::Failed { error, .. } => {
            (error["code"] == "STORAGE_ERROR").then_some(Condition::Bad)
        }
        Outcome::Cancelled { .. } => None,
    }
}

fn session_ended(id: Uuid) -> ProgressError {
    ProgressError::new(
        ErrorCode::SessionEnded,
        format!("the session {id} has ended already"),
    )
}

fn refused_as(error: ApiError) -> RequestError {
    RequestError::SessionRefused {
        status: error.status,
        code: error.code,
        message: error.message,
    }
}

fn refused(error: ProgressError) -> RequestError {
    RequestError::SessionRefused {
        status: error.code.http_status(),
        code: error.code.as_str(),
        message: error.message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::pipe;
    use crate::serve::testing::endpoint;
    use pulsewheel::PeerAddr;

    /// Claims for an admin.
    fn claim(
        registry: &Registry,
        endpoint: &mut Endpoint,
        wanted: Option<Uuid>,
        canceller: Canceller,
    ) -> Result<Uuid, RequestError> {
        let options = SessionOptions {
            managed: true,
            ..SessionOptions::default()
        };
        let caller = Caller::anybody(PeerAddr::Unix);
        registry.claim(endpoint, &caller, wanted, options, canceller)
    }

    fn canceller() -> Canceller {
        pipe(|| {}).1.canceller()
    }

    fn completed() -> Outcome {
        let change = serde_json::json!({ "type": "vulnerabilities", "action": "bulk_update" });
        let data_updated = change.as_object().cloned();
        Outcome::Completed {
            result: JsonObject::new(),
            data_updated,
        }
    }

    fn code(result: Result<Uuid, RequestError>) -> (u16, &'static str) {
        let error = result.unwrap_err();
        (error.status(), error.code())
    }

    #[test]
    fn a_session_is_used_for_one_import_only() {
        let (mut endpoint, registry) = (endpoint(), Registry::default());
        let claim_id =
            |endpoint: &mut Endpoint, id| claim(&registry, endpoint, Some(id), canceller());
        let own = endpoint
            .progress()
            .create_session(SessionOptions::default())
            .unwrap();
        let new = Uuid::from_u128(7);
        for id in [own, new] {
            assert_eq!(claim_id(&mut endpoint, id), Ok(id));
            assert_eq!(code(claim_id(&mut endpoint, id)), (409, "SESSION_EXISTS"));
            registry.end(&mut endpoint, id, completed());
            assert_eq!(code(claim_id(&mut endpoint, id)), (409, "SESSION_ENDED"));
        }
        let cancelled = endpoint
            .progress()
            .create_session(SessionOptions::default())
            .unwrap();
        endpoint
            .progress()
            .cancel_session(cancelled, None, None)
            .unwrap();
        assert_eq!(
            code(claim_id(&mut endpoint, cancelled)),
            (409, "SESSION_ENDED")
        );
    }

    #[test]
    fn cancelling_waits_for_the_import_to_roll_back() {
        let (mut endpoint, registry) = (endpoint(), Registry::default());
        let (_sender, reader) = pipe(|| {});
        let id = claim(&registry, &mut endpoint, None, reader.canceller()).unwrap();
        endpoint.progress().request_cancel(id, None).unwrap();
        registry.cancel(&mut endpoint, id);
        assert!(reader.stopped().is_some());
        assert_eq!(
            endpoint.progress().session_status(id),
            Ok(Status::Processing)
        );
        registry.end(
            &mut endpoint,
            id,
            Outcome::Cancelled {
                partial_results: JsonObject::new(),
            },
        );
        assert_eq!(
            endpoint.progress().session_status(id).unwrap_err().code,
            ErrorCode::SessionCancelled
        );
    }

    #[test]
    fn a_managed_session_without_an_import_is_cancelled_at_once() {
        let (mut endpoint, registry) = (endpoint(), Registry::default());
        let options = SessionOptions {
            managed: true,
            ..SessionOptions::default()
        };
        let id = endpoint.progress().create_session(options).unwrap();
        registry.cancel(&mut endpoint, id);
        assert!(endpoint.progress().session_status(id).is_err());
    }

    #[test]
    fn a_session_with_an_import_takes_nothing_but_a_cancellation_from_outside() {
        let (mut endpoint, registry) = (endpoint(), Registry::default());
        let own = endpoint
            .progress()
            .create_session(SessionOptions::default())
            .unwrap();
        assert_eq!(endpoint.progress().check_unmanaged(own), Ok(()));
        for wanted in [None, Some(own), Some(Uuid::from_u128(7))] {
            let claimed = claim(&registry, &mut endpoint, wanted, canceller());
            let error = endpoint
                .progress()
                .check_unmanaged(claimed.unwrap())
                .unwrap_err();
            assert_eq!(error.code, ErrorCode::SessionManaged);
        }
    }

    #[test]
    fn a_server_that_goes_down_rolls_back_and_takes_no_more() {
        let (mut endpoint, registry) = (endpoint(), Registry::default());
        let (_sender, reader) = pipe(|| {});
        let id = claim(&registry, &mut endpoint, None, reader.canceller()).unwrap();
        registry.close();
        assert!(registry.is_closing());
        assert!(reader.stopped().is_none());
        registry.cancel_all();
        assert!(reader.stopped().is_some());
        let refused = claim(&registry, &mut endpoint, None, canceller());
        assert_eq!(code(refused), (503, "SERVER_OVERLOAD"));
        registry.end(
            &mut endpoint,
            id,
            Outcome::Cancelled {
                partial_results: JsonObject::new(),
            },
        );
        registry.wait_until_idle(Duration::from_secs(60));
    }
}
