//! Taking an import back, as somebody asked for by HTTP.

use pulsewheel::http::Response;
use pulsewheel::progress::JsonObject;
use pulsewheel::{Handle, RequestId};
use serde_json::json;

use super::reporter::object;
use crate::import::Turn;
use crate::serve::answer::{json_text, ApiError};
use crate::serve::call::call_surely;
use crate::store::{Store, UndoError, Undone};

/// Waits until no import is merged, takes one back, tells everybody, and answers.
pub fn run(import_id: i64, store: &Store, turn: &Turn, handle: &Handle, request: RequestId) {
    turn.wait(|| false);
    let (response, change) = match store.undo(import_id) {
        Ok(undone) => {
            log::info!("import {import_id} was undone");
            let change = data_updated(import_id, &undone);
            let body = json!({ "undone": undone });
            (json_text(200, body.to_string()), Some(change))
        }
        Err(error) => (refusal(import_id, error), None),
    };
    // Fails only where the server has ended.
    let _ = call_surely(handle, move |endpoint| {
        let told = change
            .clone()
            .map(|change| endpoint.progress().data_updated(change));
        if let Some(Err(error)) = told {
            log::error!("data_updated could not be sent: {error}");
        }
        endpoint.respond(request, response.clone())
    });
}

fn data_updated(import_id: i64, undone: &Undone) -> JsonObject {
    object(json!({
        "type": "vulnerabilities",
        "action": "bulk_update",
        "count": undone.removed + undone.reactivated + undone.resolved + undone.restored,
        "affected_entities": { "hosts": undone.hosts },
        "source": { "import_id": import_id, "operation": "import_undo" },
    }))
}

fn refusal(import_id: i64, error: UndoError) -> Response {
    match error {
        UndoError::Unknown => ApiError::no_import(import_id).into(),
        UndoError::NotNewest => {
            let message = format!(
                "import {import_id} is not the newest that changed findings of its label, or was undone before"
            );
            ApiError::new(409, "IMPORT_NOT_NEWEST", message).into()
        }
        UndoError::Store(error) => {
            log::error!("import {import_id} could not be undone: {error}");
            ApiError::storage().into()
        }
    }
}
