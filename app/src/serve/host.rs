//! What the program does with the events of the event loop.

use std::sync::Arc;
use std::time::Instant;

use pulsewheel::http::{Cors, Method, Request, Response};
use pulsewheel::{Admission, Endpoint, Event, PeerAddr, RequestId};

use super::access::{
    check_fetcher, check_host, check_origin, check_site, cors_fields, is_preflight,
};
use super::alerts::Alerts;
use super::answer::{json_text, private, ApiError};
use super::auth::{self, Auth, Caller, SWEEP};
use super::bodies::{object, Bodies, Complete};
use super::callers::Callers;
use super::history::HistoryQuery;
use super::idempotency::{body_hash, Again, Answered, Answers, Key, Repeats, Standing};
use super::imports::{Imports, Registry, UploadHead};
use super::limits::MAX_HANDSHAKE_QUERY_BYTES;
use super::numbers::Numbers;
use super::queries::{Queries, Query, OVERDUE_FILES};
use super::query_fields::fields;
use super::route::{options, route, Route, Verb};
use super::service::{Manager, WATCHDOG};
use super::sessions::Around;
use super::{figures, pages, sessions};
use crate::journal::Journaling;

/// The host of the endpoint. Nothing in here waits, for a disk least of all.
pub struct Host {
    pub auth: Arc<Auth>,
    pub manager: Arc<Manager>,
    pub allowed_hosts: Vec<String>,
    pub allowed_origins: Vec<String>,
    /// What the pages of these may read; `None` where there are none.
    pub cors: Option<Cors>,
    pub registry: Arc<Registry>,
    pub imports: Imports,
    pub queries: Queries,
    pub bodies: Bodies,
    pub callers: Callers,
    pub numbers: Numbers,
    pub journal: Journaling,
    pub alerts: Arc<Alerts>,
    pub answers: Arc<Answers>,
    pub repeats: Repeats,
    pub max_upload_bytes: u64,
    pub started: Instant,
}

impl Host {
    pub fn on_event(&mut self, endpoint: &mut Endpoint, event: Event) {
        match event {
            Event::Request {
                request,
                head,
                peer,
            } => {
                log::debug!("{peer} {:?} {}", head.method, head.path);
                if let Some(response) = self.begin(endpoint, request, &head, peer) {
                    match head.method {
                        Method::Delete => respond_when_written(endpoint, request, response),
                        _ => respond(endpoint, request, response),
                    }
                }
            }
            Event::RequestBody { request, data } => match self.bodies.push(request, &data) {
                Ok(()) => match self.repeats.push(endpoint, request, &data) {
                    Ok(()) => self.imports.push(endpoint, request, data),
                    Err(error) => respond(endpoint, request, error.into()),
                },
                Err((request, error)) => respond(endpoint, request, error.into()),
            },
            Event::RequestBodyEnd { request } => {
                self.imports.finish(request);
                self.finish_repeat(endpoint, request);
                self.run_verb(endpoint, request);
            }
            Event::RequestAborted { request } => {
                self.bodies.abort(request);
                self.repeats.abort(request);
                self.imports.abort(request);
                self.registry.forget_asker(request);
                self.queries.abort(request);
            }
            Event::PartWanted { request } => self.queries.go_on(endpoint, request),
            Event::AllowRequest { ticket, head, .. }
                if head.query.len() > MAX_HANDSHAKE_QUERY_BYTES =>
            {
                let _ = endpoint.admit(ticket, Admission::refuse("the query is too long"));
            }
            Event::AllowRequest { ticket, head, peer } => {
                let checked = check_fetcher(&head, &self.allowed_origins);
                self.auth.admit(endpoint, ticket, &head, peer, checked);
            }
            Event::ConnectRequested {
                ticket,
                namespace,
                auth,
                ..
            } => self.auth.connect(endpoint, ticket, &namespace, &auth),
            Event::ProgressCommand {
                ticket,
                socket,
                command,
            } => self.auth.command(endpoint, ticket, socket, &command),
            Event::Timer { token: SWEEP, .. } => self.auth.sweep_due(endpoint),
            Event::Timer {
                token: OVERDUE_FILES,
                ..
            } => self.queries.end_overdue(endpoint),
            Event::ProgressChanged => self.journal.take(endpoint),
            Event::Timer {
                token: WATCHDOG, ..
            } => self.manager.alive(),
            Event::CancelRequested { session, .. } => self.registry.cancel(endpoint, session),
            Event::LimitReached { limit, .. } => self.alerts.limit_reached(endpoint, limit),
            Event::Message(message) => endpoint.recycle(message),
            // Whoever connects only listens, or asks what the endpoint answers itself.
            _ => {}
        }
        self.journal.follow(endpoint);
        self.numbers.watch(endpoint);
    }

    /// The answer to a request by its head; `None` where its body is wanted first, or
    /// another thread answers.
    fn begin(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        head: &Request,
        peer: PeerAddr,
    ) -> Option<Response> {
        if let Some(cors) = &self.cors {
            let _ = endpoint.add_answer_fields(request, cors_fields(head, cors));
        }
        self.dispatch(endpoint, request, head, peer)
            .unwrap_or_else(|error| {
                audit_refusal(&error, &format!("{:?} {}", head.method, head.path), &peer);
                Some(error.into())
            })
    }

    fn dispatch(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        head: &Request,
        peer: PeerAddr,
    ) -> Result<Option<Response>, ApiError> {
        check_host(head, &self.allowed_hosts)?;
        check_site(head, &self.allowed_origins)?;
        self.auth.check_direct(head)?;
        if self.cors.is_some() && is_preflight(head) {
            // Asked before it is known who asks: browsers show no token then.
            return Ok(Some(private(Response::empty(204))));
        }
        let route = match route(head.method, &head.path, pages::is_file) {
            Ok(route) => route,
            Err(response) => return Ok(Some(response)),
        };
        if route.changes_state() {
            check_origin(head, &self.allowed_origins)?;
        }
        if route.has_to_last() && self.journal.is_failing() {
            return Err(not_written());
        }
        let response = match route {
            Route::Options(allow) => options(allow),
            Route::Health => json_text(200, r#"{"status":"ok"}"#.to_owned()),
            Route::File => pages::answer(&head.path, head),
            Route::Login => {
                fields(head, &[])?;
                let is_secure = auth::is_secure(endpoint, head);
                let nobody = Caller::nobody(peer);
                let verb = Verb::Login { is_secure };
                // Its answer is a cookie, which is not kept.
                return self.read_body(endpoint, request, verb, nobody, None, head);
            }
            Route::Logout => {
                fields(head, &[])?;
                return self.auth.log_out(endpoint, request, head, peer);
            }
            route => {
                let caller = self.auth.caller(endpoint, head, peer)?;
                return self.dispatch_known(endpoint, request, head, route, caller);
            }
        };
        Ok(Some(response))
    }

    /// As [`Host::dispatch`], where it has to be known who asks.
    fn dispatch_known(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        head: &Request,
        route: Route,
        caller: Caller,
    ) -> Result<Option<Response>, ApiError> {
        caller.need_for(&route)?;
        let response = match route {
            Route::WhoAmI => {
                fields(head, &[])?;
                self.auth.answer_whoami(&caller)
            }
            Route::ListSessions => sessions::list(endpoint, head, &caller)?,
            Route::ReadSession(id) => {
                fields(head, &[])?;
                auth::seen(endpoint, &caller, id)?;
                sessions::read(endpoint, id)?
            }
            Route::DeleteSession(id) => {
                fields(head, &[])?;
                sessions::delete(endpoint, id)?
            }
            Route::Unshare(id, share) => {
                fields(head, &[])?;
                auth::changed(endpoint, &caller, id)?;
                self.auth.unshare(endpoint, id, share)?
            }
            Route::Verb(verb) => {
                fields(head, &[])?;
                let key = self.key(head, &caller)?;
                return self.read_body(endpoint, request, verb, caller, key, head);
            }
            Route::Import => {
                self.begin_upload(endpoint, request, head, caller)?;
                return Ok(None);
            }
            Route::ListImports => {
                let query = Query::imports(head)?;
                self.queries.submit(endpoint, request, &caller, query);
                return Ok(None);
            }
            Route::ReadImport(id) => {
                let query = Query::import(head, id)?;
                self.queries.submit(endpoint, request, &caller, query);
                return Ok(None);
            }
            Route::UndoImport(id) => {
                fields(head, &[])?;
                self.imports.undo(request, id)?;
                return Ok(None);
            }
            Route::ListHistory => {
                let query = HistoryQuery::sessions(head, caller.clone())?;
                self.queries
                    .submit_history(endpoint, request, &caller, query);
                return Ok(None);
            }
            Route::ReadHistory(id) => {
                let query = HistoryQuery::session(endpoint, head, caller.clone(), id)?;
                self.queries
                    .submit_history(endpoint, request, &caller, query);
                return Ok(None);
            }
            Route::ListAlerts => {
                let query = HistoryQuery::alerts(head)?;
                self.queries
                    .submit_history(endpoint, request, &caller, query);
                return Ok(None);
            }
            Route::Figures => {
                fields(head, &[])?;
                figures::answer(endpoint, self.started.elapsed())
            }
            Route::ListFindings => {
                let query = Query::findings(head)?;
                self.queries.submit(endpoint, request, &caller, query);
                return Ok(None);
            }
            Route::ExportFindings(format) => {
                self.queries
                    .submit_export(endpoint, request, head, &caller, format)?;
                return Ok(None);
            }
            Route::Statistics => {
                let query = Query::statistics(head)?;
                self.queries.submit(endpoint, request, &caller, query);
                return Ok(None);
            }
            Route::Options(_) | Route::Health | Route::File | Route::Login | Route::Logout => {
                return Err(ApiError::not_found());
            }
        };
        Ok(Some(response))
    }

    fn read_body(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        verb: Verb,
        caller: Caller,
        key: Option<Key>,
        head: &Request,
    ) -> Result<Option<Response>, ApiError> {
        let wanted_bytes = self.bodies.begin(request, verb, caller, key, head)?;
        grant(endpoint, request, wanted_bytes);
        Ok(None)
    }

    /// Does a verb whose body is complete, if this request is one, and answers it unless that takes longer.
    fn run_verb(&mut self, endpoint: &mut Endpoint, request: RequestId) {
        let Some(complete) = self.bodies.finish(request) else {
            return;
        };
        let (verb, name) = (complete.verb, complete.caller.name());
        let is_answered_when_written = verb.has_to_last() || complete.key.is_some();
        let done = self.run_once(endpoint, request, complete);
        let answered = done.unwrap_or_else(|error| {
            audit_refusal(&error, &format!("{verb:?}"), &name);
            Some(Response::from(error).into())
        });
        match answered {
            None => {}
            Some(answered) if is_answered_when_written => {
                self.answers.answer(endpoint, request, answered);
            }
            Some(answered) => respond(endpoint, request, answered.told()),
        }
    }

    /// Does a verb, unless its key says that this was done before.
    fn run_once(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        complete: Complete,
    ) -> Result<Option<Answered>, ApiError> {
        let Complete {
            verb,
            caller,
            key,
            body,
        } = complete;
        if let Some(key) = key {
            let body = body_hash(&body);
            let now_ms = endpoint.now().unix_ms;
            let standing = self.answers.begin(request, &key, Some(body), now_ms)?;
            if let Standing::Repeated(repeated) = standing {
                self.answer_again(endpoint, request, caller, repeated.with_body(&body)?);
                return Ok(None);
            }
        }
        let around = Around {
            auth: &self.auth,
            imports: &self.registry,
            callers: &mut self.callers,
        };
        sessions::run(endpoint, around, request, verb, &caller, object(&body)?)
    }

    /// Takes an upload on: a new one, or one that was imported before.
    fn begin_upload(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        head: &Request,
        caller: Caller,
    ) -> Result<(), ApiError> {
        let key = self.key(head, &caller)?;
        let head = UploadHead::read(head, self.max_upload_bytes)?;
        let Some(key) = key else {
            return self.imports.begin(endpoint, request, head, caller, false);
        };
        let now_ms = endpoint.now().unix_ms;
        match self.answers.begin(request, &key, None, now_ms)? {
            Standing::Repeated(repeated) => {
                self.repeats
                    .begin(endpoint, request, &head, caller, repeated);
                Ok(())
            }
            Standing::First => {
                let begun = self.imports.begin(endpoint, request, head, caller, true);
                begun.inspect_err(|_| self.answers.give_up(request))
            }
        }
    }

    /// Answers an upload that was imported before, if this request is one and its body is complete.
    fn finish_repeat(&mut self, endpoint: &mut Endpoint, request: RequestId) {
        let Some((caller, number)) = self.repeats.finish(request) else {
            return;
        };
        match number {
            Ok(number) => self.answer_again(endpoint, request, caller, number),
            Err(error) => respond(endpoint, request, error.into()),
        }
    }

    /// Has a request answered as the one of this number was.
    fn answer_again(
        &self,
        endpoint: &mut Endpoint,
        request: RequestId,
        caller: Caller,
        number: u64,
    ) {
        let again = Again {
            request,
            number,
            caller,
            auth: self.auth.clone(),
        };
        self.queries.submit_again(endpoint, again);
    }

    /// The key of a request. While nothing can be written, none is taken: its answer could not be kept.
    fn key(&self, head: &Request, caller: &Caller) -> Result<Option<Key>, ApiError> {
        let key = Key::of(head, caller)?;
        if key.is_some() && self.journal.is_failing() {
            return Err(not_written());
        }
        Ok(key)
    }
}

/// Why nothing is begun that has to last.
fn not_written() -> ApiError {
    ApiError::overload("the server can't write sessions down at the moment; its log says more")
}

/// Notes who was refused for who he is, or for what he has had already.
fn audit_refusal(error: &ApiError, what: &str, who: &dyn std::fmt::Display) {
    if matches!(error.status, 401 | 403 | 429) {
        log::warn!("refused {} {what} to {who}", error.code);
    }
}

fn respond(endpoint: &mut Endpoint, request: RequestId, response: Response) {
    // Whoever asked may have gone in this very turn.
    let _ = endpoint.respond(request, response);
}

/// Answers when what was done is written down.
fn respond_when_written(endpoint: &mut Endpoint, request: RequestId, response: Response) {
    let _ = endpoint.respond_when_confirmed(request, response);
}

fn grant(endpoint: &mut Endpoint, request: RequestId, bytes: usize) {
    let _ = endpoint.grant_body(request, bytes);
}
