//! What the program does with the events of the event loop.

use std::sync::Arc;

use pulsewheel::http::{Request, Response};
use pulsewheel::{Endpoint, Event, RequestId};

use super::access::{check_host, check_origin};
use super::answer::{json_text, ApiError};
use super::bodies::{object, Bodies};
use super::imports::{Imports, Registry};
use super::numbers::Numbers;
use super::queries::{Queries, Query};
use super::query_fields::fields;
use super::route::{options, route, Route};
use super::{pages, sessions};

/// The host of the endpoint. Nothing in here waits, for a disk least of all.
pub struct Host {
    pub allowed_hosts: Vec<String>,
    pub registry: Arc<Registry>,
    pub imports: Imports,
    pub queries: Queries,
    pub bodies: Bodies,
    pub numbers: Numbers,
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
                if let Some(response) = self.begin(endpoint, request, &head) {
                    respond(endpoint, request, response);
                }
            }
            Event::RequestBody { request, data } => match self.bodies.push(request, &data) {
                Ok(()) => self.imports.push(endpoint, request, data),
                Err(error) => respond(endpoint, request, error.into()),
            },
            Event::RequestBodyEnd { request } => {
                self.imports.finish(request);
                if let Some(response) = self.run_verb(endpoint, request) {
                    respond(endpoint, request, response);
                }
            }
            Event::RequestAborted { request } => {
                self.bodies.abort(request);
                self.imports.abort(request);
                self.registry.forget_asker(request);
            }
            Event::CancelRequested { session, .. } => self.registry.cancel(endpoint, session),
            Event::Message(message) => endpoint.recycle(message),
            // Whoever connects only listens, or asks what the endpoint answers itself.
            _ => {}
        }
        self.numbers.watch(endpoint);
    }

    /// The answer to a request by its head; `None` where its body is wanted first, or
    /// another thread answers.
    fn begin(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        head: &Request,
    ) -> Option<Response> {
        self.dispatch(endpoint, request, head)
            .unwrap_or_else(|error| Some(error.into()))
    }

    fn dispatch(
        &mut self,
        endpoint: &mut Endpoint,
        request: RequestId,
        head: &Request,
    ) -> Result<Option<Response>, ApiError> {
        check_host(head, &self.allowed_hosts)?;
        let route = match route(head.method, &head.path, pages::is_file) {
            Ok(route) => route,
            Err(response) => return Ok(Some(response)),
        };
        if route.changes_state() {
            check_origin(head)?;
        }
        let response = match route {
            Route::Options(allow) => options(allow),
            Route::Health => json_text(200, r#"{"status":"ok"}"#.to_owned()),
            Route::File => pages::answer(&head.path, head),
            Route::ListSessions => sessions::list(endpoint, head)?,
            Route::ReadSession(id) => {
                fields(head, &[])?;
                sessions::read(endpoint, id)?
            }
            Route::DeleteSession(id) => {
                fields(head, &[])?;
                sessions::delete(endpoint, id)?
            }
            Route::Verb(verb) => {
                fields(head, &[])?;
                let wanted_bytes = self.bodies.begin(request, verb, head)?;
                grant(endpoint, request, wanted_bytes);
                return Ok(None);
            }
            Route::Import => {
                self.imports.begin(endpoint, request, head)?;
                return Ok(None);
            }
            Route::ListImports => {
                self.queries.submit(request, Query::imports(head)?)?;
                return Ok(None);
            }
            Route::ReadImport(id) => {
                self.queries.submit(request, Query::import(head, id)?)?;
                return Ok(None);
            }
            Route::UndoImport(id) => {
                fields(head, &[])?;
                self.imports.undo(request, id)?;
                return Ok(None);
            }
            Route::ListFindings => {
                self.queries.submit(request, Query::findings(head)?)?;
                return Ok(None);
            }
            Route::ExportFindings(format) => {
                self.queries.submit(request, Query::export(head, format)?)?;
                return Ok(None);
            }
            Route::Statistics => {
                self.queries.submit(request, Query::statistics(head)?)?;
                return Ok(None);
            }
        };
        Ok(Some(response))
    }

    /// Does a verb whose body is complete, if this request is one.
    fn run_verb(&mut self, endpoint: &mut Endpoint, request: RequestId) -> Option<Response> {
        let (verb, body) = self.bodies.finish(request)?;
        object(&body)
            .and_then(|body| sessions::run(endpoint, &self.registry, request, verb, body))
            .unwrap_or_else(|error| Some(error.into()))
    }
}

fn respond(endpoint: &mut Endpoint, request: RequestId, response: Response) {
    // Whoever asked may have gone in this very turn.
    let _ = endpoint.respond(request, response);
}

fn grant(endpoint: &mut Endpoint, request: RequestId, bytes: usize) {
    let _ = endpoint.grant_body(request, bytes);
}
