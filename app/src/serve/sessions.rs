//! The verbs of progress sessions over HTTP, and the events that come from outside.

use pulsewheel::http::{Request, Response};
use pulsewheel::progress::{
    object_argument, progress_argument, session_id_argument, CancelRequest, Cursor, JsonObject,
    ListQuery, SessionOptions, Status,
};
use pulsewheel::{Endpoint, RequestId};
use serde_json::Value;
use uuid::Uuid;

use super::answer::{json_text, private, session, ApiError};
use super::imports::Registry;
use super::query_fields::fields;
use super::route::Verb;

/// `GET /api/sessions`.
pub fn list(endpoint: &mut Endpoint, head: &Request) -> Result<Response, ApiError> {
    let mut query = ListQuery::default();
    for (name, value) in fields(head, &["status", "limit", "cursor"])? {
        match name {
            "status" => query.status = Some(Status::parse(&value)?),
            "limit" => query.limit = ListQuery::limit_argument(&value)?,
            _ => query.cursor = Some(Cursor::parse(&value)?),
        }
    }
    let page = endpoint.progress().sessions(&query);
    Ok(json_text(200, format!("{{{}}}", page.fields())))
}

/// `GET /api/sessions/{id}`.
pub fn read(endpoint: &mut Endpoint, id: Uuid) -> Result<Response, ApiError> {
    Ok(session(200, &endpoint.progress().session(id)?))
}

/// `DELETE /api/sessions/{id}`.
pub fn delete(endpoint: &mut Endpoint, id: Uuid) -> Result<Response, ApiError> {
    endpoint.progress().cleanup(id)?;
    Ok(private(Response::empty(204)))
}

/// Does a verb. `None` where the answer comes later: when an import has rolled back.
pub fn run(
    endpoint: &mut Endpoint,
    imports: &Registry,
    request: RequestId,
    verb: Verb,
    mut body: JsonObject,
) -> Result<Option<Response>, ApiError> {
    let response = match verb {
        Verb::CreateSession => create(endpoint, body)?,
        Verb::UpdateProgress(id) => {
            endpoint.progress().check_unmanaged(id)?;
            let progress = progress_argument(body.get("progress"))?;
            let metadata = object_argument(body.remove("metadata"), "metadata")?;
            endpoint
                .progress()
                .update_progress(id, progress, metadata)?;
            session(202, &endpoint.progress().session(id)?)
        }
        Verb::Complete(id) => {
            endpoint.progress().check_unmanaged(id)?;
            let result = object_argument(body.remove("result"), "result")?;
            endpoint.progress().complete_session(id, result)?;
            session(200, &endpoint.progress().session(id)?)
        }
        Verb::Fail(id) => {
            endpoint.progress().check_unmanaged(id)?;
            let error = body.remove("error").unwrap_or_default();
            let partial_results = match body.remove("partial_results") {
                None | Some(Value::Null) => None,
                given => Some(object_argument(given, "partial_results")?),
            };
            endpoint
                .progress()
                .error_session(id, error, partial_results)?;
            session(200, &endpoint.progress().session(id)?)
        }
        Verb::Cancel(id) => match endpoint
            .progress()
            .request_cancel(id, reason(body.remove("reason"))?)?
        {
            CancelRequest::Done(text) => session(200, &text),
            CancelRequest::Asked => {
                imports.answer_when_ended(id, request);
                return Ok(None);
            }
        },
        Verb::DataUpdated => {
            endpoint.progress().data_updated(body)?;
            json_text(202, "{}".to_owned())
        }
        Verb::SystemAlert => {
            endpoint.progress().system_alert(body)?;
            json_text(202, "{}".to_owned())
        }
    };
    Ok(Some(response))
}

fn create(endpoint: &mut Endpoint, mut body: JsonObject) -> Result<Response, ApiError> {
    let metadata = object_argument(body.remove("metadata"), "metadata")?;
    let options = SessionOptions {
        metadata,
        ..SessionOptions::default()
    };
    let id = match body.remove("sessionId") {
        None | Some(Value::Null) => endpoint.progress().create_session(options)?,
        Some(Value::String(text)) => {
            let id = session_id_argument(&text)?;
            endpoint.progress().create_session_with_id(id, options)?;
            id
        }
        Some(_) => return Err(ApiError::invalid("sessionId must be text")),
    };
    let text = format!(
        "{{\"sessionId\":\"{id}\",\"session\":{}}}",
        endpoint.progress().session(id)?
    );
    Ok(json_text(201, text).with_header("Location", format!("/api/sessions/{id}")))
}

fn reason(value: Option<Value>) -> Result<Option<String>, ApiError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(reason)) => Ok(Some(reason)),
        Some(_) => Err(ApiError::invalid("reason must be text")),
    }
}
