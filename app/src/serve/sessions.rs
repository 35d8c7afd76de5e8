//! The verbs of progress sessions over HTTP, and the events that come from outside.

use pulsewheel::http::{Request, Response};
use pulsewheel::progress::{
    object_argument, progress_argument, session_id_argument, Audience, CancelRequest, Cursor,
    JsonObject, ListQuery, SessionInfo, SessionOptions, Status,
};
use pulsewheel::{Endpoint, RequestId};
use serde_json::Value;
use uuid::Uuid;

use super::answer::{json_text, private, session, ApiError};
use super::auth::{changed, Auth, Caller};
use super::callers::Callers;
use super::idempotency::Answered;
use super::imports::Registry;
use super::query_fields::fields;
use super::route::Verb;

/// `GET /api/sessions`.
pub fn list(
    endpoint: &mut Endpoint,
    head: &Request,
    caller: &Caller,
) -> Result<Response, ApiError> {
    let mut query = ListQuery::default();
    for (name, value) in fields(head, &["status", "limit", "cursor"])? {
        match name {
            "status" => query.status = Some(Status::parse(&value)?),
            "limit" => query.limit = ListQuery::limit_argument(&value)?,
            _ => query.cursor = Some(Cursor::parse(&value)?),
        }
    }
    let sees = |session: &SessionInfo| caller.sees(session, true);
    let page = endpoint.progress().sessions_seen(&query, sees);
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

/// What verbs need beside the endpoint.
pub struct Around<'a> {
    pub auth: &'a Auth,
    pub imports: &'a Registry,
    pub callers: &'a mut Callers,
}

/// Does a verb. `None` where the answer comes later: when an import has rolled back.
pub fn run(
    endpoint: &mut Endpoint,
    around: Around<'_>,
    request: RequestId,
    verb: Verb,
    caller: &Caller,
    mut body: JsonObject,
) -> Result<Option<Answered>, ApiError> {
    let Around {
        auth,
        imports,
        callers,
    } = around;
    callers.begin(caller, &verb)?;
    if let Some(id) = verb.session() {
        changed(endpoint, caller, id)?;
    }
    let response: Response = match verb {
        Verb::Login { is_secure } => {
            let Some(Value::String(token)) = body.get("token") else {
                return Err(ApiError::invalid("token must be text"));
            };
            let answer = auth.log_in(endpoint, request, token, caller.peer, is_secure)?;
            return Ok(answer.map(Into::into));
        }
        Verb::CreateSession => {
            return create(endpoint, auth, callers, caller, body).map(Some);
        }
        Verb::Share(id) => {
            let expires_in_s = match body.remove("expiresIn") {
                None | Some(Value::Null) => None,
                Some(value) => Some(value.as_u64().ok_or_else(|| {
                    ApiError::invalid("expiresIn must be a whole number of seconds")
                })?),
            };
            return auth.share(endpoint, id, expires_in_s).map(Some);
        }
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
    Ok(Some(response.into()))
}

fn create(
    endpoint: &mut Endpoint,
    auth: &Auth,
    callers: &mut Callers,
    caller: &Caller,
    mut body: JsonObject,
) -> Result<Answered, ApiError> {
    let metadata = object_argument(body.remove("metadata"), "metadata")?;
    let audience = match body.remove("audience") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(audience(&text).map_err(ApiError::invalid)?),
        Some(_) => return Err(ApiError::invalid("audience must be text")),
    };
    let options = SessionOptions {
        metadata,
        audience,
        owner: caller.owner.as_deref().map(str::to_owned),
        ..SessionOptions::default()
    };
    let wanted = match body.remove("sessionId") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(session_id_argument(&text)?),
        Some(_) => return Err(ApiError::invalid("sessionId must be text")),
    };
    let surplus = callers.surplus(endpoint, caller)?;
    let id = match wanted {
        None => endpoint.progress().create_session(options)?,
        Some(id) => {
            endpoint.progress().create_session_with_id(id, options)?;
            id
        }
    };
    callers.created(endpoint, caller, id, surplus);
    let secret = auth.issue_owner(endpoint, id)?;
    let session = endpoint.progress().session(id)?;
    let text = format!("{{\"sessionId\":\"{id}\",\"session\":{session}}}");
    let response = json_text(201, text).with_header("Location", format!("/api/sessions/{id}"));
    Ok(Answered::with_secret(response, secret))
}

/// Reads whom a session is for.
///
/// # Errors
/// What would be right, for any other text.
pub fn audience(text: &str) -> Result<Audience, &'static str> {
    match text {
        "everybody" => Ok(Audience::Everybody),
        "trackers" => Ok(Audience::Trackers),
        "owner" => Ok(Audience::Owner),
        _ => Err("audience must be everybody, trackers or owner"),
    }
}

fn reason(value: Option<Value>) -> Result<Option<String>, ApiError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(reason)) => Ok(Some(reason)),
        Some(_) => Err(ApiError::invalid("reason must be text")),
    }
}
