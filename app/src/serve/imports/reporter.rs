//! What an import's thread has to say, done on the event loop.

use std::sync::Arc;

use pulsewheel::http::Response;
use pulsewheel::progress::{JsonObject, SessionOptions};
use pulsewheel::{Handle, Pending, RequestId};
use serde_json::{json, Value};
use uuid::Uuid;

use super::going_down;
use super::registry::{Outcome, Registry};
use crate::import::{
    Accepted, Cancelled, Canceller, Completed, Failed, FailedRows, FormHead, ImportError, Progress,
    Reporter, RequestError,
};
use crate::serve::answer::{json_text, ApiError};
use crate::serve::auth::Caller;
use crate::serve::call::call_surely;
use crate::serve::idempotency::Answers;

const OPERATION: &str = "vulnerability_import";

/// Reports one import to its session, and answers its request.
pub struct LoopReporter {
    handle: Handle,
    registry: Arc<Registry>,
    answers: Arc<Answers>,
    request: RequestId,
    caller: Caller,
    canceller: Canceller,
    session: Option<Uuid>,
    was_answered: bool,
    /// The request is answered when the import has ended, with its outcome.
    answers_at_end: bool,
    accepted: Option<Accepted>,
    outcome: Option<(u16, Value)>,
}

impl LoopReporter {
    pub fn new(
        handle: Handle,
        registry: Arc<Registry>,
        answers: Arc<Answers>,
        request: RequestId,
        caller: Caller,
        canceller: Canceller,
    ) -> LoopReporter {
        LoopReporter {
            handle,
            registry,
            answers,
            request,
            caller,
            canceller,
            session: None,
            was_answered: false,
            answers_at_end: false,
            accepted: None,
            outcome: None,
        }
    }

    /// The import has come to an end that it knows nothing of itself.
    pub fn broke_off(&mut self) {
        let error = ImportError::storage("the import broke off by a fault of this program");
        let partial_results = FailedRows {
            processed_rows: 0,
            successful_imports: 0,
            failed_rows: 0,
            rolled_back: true,
        };
        self.failed(&Failed {
            import_id: None,
            error,
            partial_results,
        });
        if !self.was_answered {
            let message = "the import broke off by a fault of this program";
            self.answer(ApiError::new(500, "STORAGE_ERROR", message).into());
        }
    }

    fn end(&mut self, outcome: Outcome) {
        let Some(id) = self.session.take() else {
            return;
        };
        let registry = self.registry.clone();
        // Fails only where the server has ended, and all sessions with it.
        let _ = call_surely(&self.handle, move |endpoint| {
            registry.end(endpoint, id, outcome.clone())
        });
    }

    /// Answers a request that waits, once its body has been read and its import ended: as
    /// others are answered, and how the import ended.
    fn answer_outcome(&mut self) {
        let (Some(accepted), false) = (&self.accepted, self.was_answered) else {
            return;
        };
        let Some((status, outcome)) = self.outcome.take() else {
            return;
        };
        let mut body = accepted_body(accepted);
        body["success"] = (status == 200).into();
        for (name, value) in object(outcome) {
            if name != "import_id" {
                body[name] = value;
            }
        }
        self.answer(json_text(status, body.to_string()));
    }

    fn answer(&mut self, response: Response) {
        self.was_answered = true;
        let request = self.request;
        // Fails only where the server has ended.
        let answers = self.answers.clone();
        let _ = call_surely(&self.handle, move |endpoint| {
            answers.answer(endpoint, request, response.clone().into());
        });
    }
}

impl Reporter for LoopReporter {
    fn file_started(&mut self, head: &FormHead) -> Result<String, RequestError> {
        let wanted = head.session_id.as_deref().map(Uuid::try_parse).transpose();
        let wanted = wanted.map_err(|_| RequestError::InvalidSessionId)?;
        let mut metadata = object(json!({ "operation": OPERATION, "filename": head.filename }));
        if let Some(vendor) = &head.vendor {
            metadata.insert("vendor".to_owned(), vendor.as_str().into());
        }
        if head.options.dry_run {
            metadata.insert("dry_run".to_owned(), true.into());
        }
        self.answers_at_end = head.options.wait;
        let (registry, canceller) = (self.registry.clone(), self.canceller.clone());
        let caller = self.caller.clone();
        let options = SessionOptions {
            metadata,
            audience: head.options.audience,
            owner: caller.owner.as_deref().map(str::to_owned),
            managed: true,
        };
        let claimed = call_surely(&self.handle, move |endpoint| {
            registry.claim(
                endpoint,
                &caller,
                wanted,
                options.clone(),
                canceller.clone(),
            )
        });
        let id = claimed
            .and_then(Pending::wait)
            .map_err(|_| RequestError::Aborted)??;
        log::info!("session {id}: importing {:?}", head.filename);
        self.session = Some(id);
        Ok(id.to_string())
    }

    fn progress(&mut self, progress: &Progress<'_>) {
        let Some(id) = self.session else {
            return;
        };
        let mut metadata = object(json!({
            "operation": OPERATION,
            "filename": progress.filename,
            "current_step": progress.step,
            "processed_rows": progress.processed_rows,
            "total_rows": progress.total_rows,
            "eta_seconds": progress.eta_seconds,
        }));
        if let Some(rate) = progress.rows_per_second {
            metadata.insert(
                "processing_speed".to_owned(),
                format!("{rate} rows/sec").into(),
            );
        }
        if let Some(vendor) = progress.vendor {
            metadata.insert("vendor".to_owned(), vendor.into());
        }
        if let Some(date) = &progress.scan_date {
            metadata.insert("scan_date".to_owned(), date.as_str().into());
        }
        // Where the queue is full, the next report tells more than this one; and metadata that does not fit any more does no
        // harm to the import.
        let _ = self.handle.update_progress(id, progress.fraction, metadata);
    }

    fn completed(&mut self, completed: &Completed) {
        match completed.import_id {
            Some(id) => log::info!(
                "import {id}: {} rows in {} ms",
                completed.total_processed,
                completed.processing_time_ms
            ),
            None => log::info!("dry run: {} rows", completed.total_processed),
        }
        let change = &completed.change;
        let result = json!({
            "import_id": completed.import_id,
            "total_processed": completed.total_processed,
            "processing_time_ms": completed.processing_time_ms,
            "summary": completed.summary,
            "performance": completed.performance,
        });
        let data_updated = json!({
            "type": "vulnerabilities",
            "action": "bulk_update",
            "count": change.count,
            "affected_entities": { "hosts": change.hosts, "severity_changes": change.severity_changes },
            "source": { "import_id": completed.import_id, "operation": "csv_import" },
        });
        self.outcome = Some((200, result.clone()));
        self.end(Outcome::Completed {
            result: object(result),
            // A dry run has changed nothing.
            data_updated: completed.import_id.map(|_| object(data_updated)),
        });
        self.answer_outcome();
    }

    fn failed(&mut self, failed: &Failed) {
        if let Some(id) = self.session {
            log::warn!(
                "session {id}: the import failed: {}: {}",
                failed.error.code,
                failed.error.message
            );
        }
        let (error, partial_results) = (json!(failed.error), json!(failed.partial_results));
        let told = json!({ "error": error, "partial_results": partial_results });
        self.outcome = Some((422, told));
        self.end(Outcome::Failed {
            error,
            partial_results: object(partial_results),
        });
        self.answer_outcome();
    }

    fn cancelled(&mut self, cancelled: &Cancelled) {
        if let Some(id) = self.session {
            log::info!("session {id}: the import was cancelled and rolled back");
        }
        let partial_results = json!({
            "processed_rows": cancelled.processed_rows,
            "completion_percentage": cancelled.completion_percentage,
        });
        let error = json!({ "code": "SESSION_CANCELLED", "message": "the import was cancelled" });
        self.outcome = Some((410, json!({ "error": error })));
        self.end(Outcome::Cancelled {
            partial_results: object(partial_results),
        });
        if self.registry.is_cancelling() && !self.was_answered {
            // A server that goes does not wait for the rest of the upload.
            self.answer(going_down().into());
        }
        self.answer_outcome();
    }

    fn taken_in(&mut self, answer: Result<&Accepted, &RequestError>) {
        if self.was_answered {
            return;
        }
        match answer {
            Ok(accepted) if self.answers_at_end => {
                self.accepted = Some(accepted.clone());
                self.answer_outcome();
            }
            Ok(accepted) => self.answer(json_text(202, accepted_body(accepted).to_string())),
            Err(error) => self.answer(ApiError::from(error).into()),
        }
    }
}

fn accepted_body(accepted: &Accepted) -> Value {
    json!({
        "success": true,
        "sessionId": accepted.session_id,
        "importId": accepted.import_id,
        "filename": accepted.filename,
        "vendor": accepted.vendor,
    })
}

/// The object that a `json!({...})` is.
pub fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}
