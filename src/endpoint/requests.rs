//! Where a request goes: to Engine.IO, to the host, or back with an error.

use super::events::Ending;
use super::handshakes::EngineQuery;
use super::{Endpoint, Event};
use crate::engine::{EngineError, PollAction, PostAction, Rejection, Revision, Route, NOOP};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::{
    is_allowed_host, same_origin, BodyDecoder, Field, Framing, Head, Method, Request, Response,
};
use crate::id::{ConnectionId, EngineSessionId, Secret};
use crate::priority::Priority;
use crate::timer::Timeout;
use crate::transport::Sink;

impl Endpoint {
    /// A whole request head has come in.
    pub(super) fn request(&mut self, key: ConnectionId, head: &Head<'_>) {
        let is_ours = head.path.starts_with(&self.config.path);
        let is_reading = matches!(head.method, Method::Get | Method::Head);
        let is_client_file = is_ours && is_reading && !head.upgrade && is_client_file(head.path);
        let is_for_host = match is_ours {
            true => is_client_file && self.config.serve_client,
            false => self.config.host_http || self.has_routes(),
        };
        if is_for_host {
            return self.host_request(key, head);
        }
        if !is_ours {
            self.transport.begin_discarding(&mut self.clock, key, head);
            return self.answer(key, Response::text(404, "Nothing is served at this path."));
        }
        self.engine_request(key, head);
    }

    /// Whether a request for this path that no handler of an [`Io`](crate::Io) has is the host's, who asked for such requests.
    pub(crate) fn leaves_to_host(&self, path: &str) -> bool {
        self.config.host_http || path.starts_with(&self.config.path)
    }

    /// Whether a request may go to a handler of an [`Io`](crate::Io): by the name that it is addressed to, and where it may change
    /// something, by the page that it is sent by. What pages may read is not for us to say: browsers keep it from them.
    pub(crate) fn allows(&self, head: &Request) -> bool {
        let reads = matches!(head.method, Method::Get | Method::Head | Method::Options);
        let origin = head.header("Origin").filter(|_| !reads);
        self.check_host_and_origin(head.host.as_deref(), origin)
            .is_ok()
    }

    /// Hands a request to the host.
    fn host_request(&mut self, key: ConnectionId, head: &Head<'_>) {
        let has_body = !BodyDecoder::new(head.framing).is_done();
        let sink = Sink::Host { credit_bytes: 0 };
        self.transport
            .begin_exchange(&mut self.clock, key, head, sink);
        let request = self.transport.request_id(key);
        let (Some(request), Some(peer)) = (request, self.peer_of(key, head)) else {
            return;
        };
        self.push_event(Event::Request {
            request,
            head: Box::new(Request::from(head)),
            peer,
        });
        if !has_body {
            self.push_event(Event::RequestBodyEnd { request });
        }
        // A handshake has no body, so nothing else needs the connection's one timer.
        if let Some(after_ms) = self
            .config
            .destroy_upgrade_ms
            .filter(|_| head.upgrade && !has_body)
        {
            self.transport
                .arm(&mut self.clock, key, Timeout::Unserved, after_ms);
        }
    }

    fn engine_request(&mut self, key: ConnectionId, head: &Head<'_>) {
        let checked = self.check_host_and_origin(head.host, head.header("Origin"));
        if let Err((name, field, value)) = checked {
            let context = [("name", name), (field, value)];
            return self.refuse(key, head, EngineError::Forbidden, &context);
        }
        if let (Some(cors), Method::Options) = (&self.config.cors, head.method) {
            let asked = head.header("Access-Control-Request-Headers");
            let fields = cors.preflight_fields(head.header("Origin"), asked);
            return self.answer_preflight(key, head, fields);
        }
        let query = EngineQuery::of(head);
        let route = match query.request(head, &self.config).route() {
            Ok(route) => route,
            Err(rejection) => return self.reject(key, head, &query, rejection),
        };
        let (secret, index) = match route {
            Route::OpenPolling | Route::OpenWebSocket => return self.handshake_request(key, head),
            Route::Poll(secret, index)
            | Route::Post(secret, index)
            | Route::Upgrade(secret, index)
            | Route::Misuse(secret, index, _) => (secret, index),
        };
        let Some(session) = self.live_session(secret, index) else {
            return self.reject(key, head, &query, Rejection::Session);
        };
        if let Route::Post(..) = route {
            self.allow_for_lateness(session);
        }
        match route {
            Route::Upgrade(..) => self.open_upgrade(key, session, head),
            Route::Misuse(_, _, error) => self.misuse(key, session, head, error),
            Route::Post(..) => self.post(key, session, head),
            _ => self.poll(key, session, head),
        }
    }

    /// Whether the request is addressed to a name that is ours, and sent by no page that may not; if not, what is wrong: a
    /// name for it, and the header field with its value.
    fn check_host_and_origin<'b>(
        &self,
        host: Option<&'b str>,
        origin: Option<&'b str>,
    ) -> Result<(), (&'static str, &'static str, &'b str)> {
        // HTTP/1.0 may leave the host out, and no browser speaks it.
        let host = host.unwrap_or("localhost");
        let hosts = self.config.allowed_hosts.as_ref();
        if hosts.is_some_and(|allowed| !is_allowed_host(host, allowed)) {
            return Err(("HOST_NOT_ALLOWED", "host", host));
        }
        let origins = self.config.allowed_origins.as_ref();
        if let Some((allowed, origin)) = origins.zip(origin) {
            let mut listed = allowed.iter();
            let is_listed = listed.any(|listed| listed.eq_ignore_ascii_case(origin));
            if !is_listed && !same_origin(origin, host) {
                return Err(("ORIGIN_NOT_ALLOWED", "origin", origin));
            }
        }
        Ok(())
    }

    /// A browser asks whether a page of another origin may ask.
    fn answer_preflight(&mut self, key: ConnectionId, head: &Head<'_>, fields: Vec<Field>) {
        self.transport.begin_discarding(&mut self.clock, key, head);
        self.transport.prepare_answer(key, head, fields);
        self.answer(key, Response::empty(204));
    }

    /// The session that a poll or an upgrade is for.
    pub(super) fn session_asked_for(&self, head: &Head<'_>) -> Option<EngineSessionId> {
        if !head.path.starts_with(&self.config.path) || head.method != Method::Get {
            return None;
        }
        let route = EngineQuery::of(head).request(head, &self.config).route();
        let (Ok(Route::Poll(secret, index)) | Ok(Route::Upgrade(secret, index))) = route else {
            return None;
        };
        self.sessions.find(secret, index)
    }

    /// The session of an id, unless its pong has not come in time: then it ends here, however late the timer is.
    fn live_session(&mut self, secret: Secret, index: u32) -> Option<EngineSessionId> {
        let id = self.sessions.find(secret, index)?;
        if self.is_pong_missed(id) {
            self.pong_timed_out(id);
            return None;
        }
        Some(id)
    }

    fn poll(&mut self, key: ConnectionId, session: EngineSessionId, head: &Head<'_>) {
        let left_bytes = self.config.max_discarded_bytes;
        let declared = head.framing.content_length();
        if declared.is_some_and(|length| length > left_bytes) {
            return self.refuse_with_status(key, head, Response::empty(413));
        }
        let sink = Sink::Poll {
            session,
            left_bytes,
        };
        self.begin_engine_exchange(key, head, sink);
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let priority = Priority::Normal;
        let is_draining = entry.session.is_draining();
        match entry.session.poll(key, entry.client.has_news()) {
            PollAction::WrongTransport => self.mismatch(key, head, "polling", "websocket"),
            PollAction::Wait if is_draining => self.flush_poll(session, priority),
            PollAction::Wait => {}
            PollAction::Answer => self.flush_poll(session, priority),
            PollAction::Noop => {
                let noop = [Frame::text(NOOP)];
                self.answer_packets(key, session, &noop, Vec::new(), priority);
            }
            PollAction::Overlap(_) => {
                self.answer(key, Response::empty(400));
                self.end(session, Ending::Discard(DisconnectReason::TransportError));
            }
        }
    }

    fn post(&mut self, key: ConnectionId, session: EngineSessionId, head: &Head<'_>) {
        let Some(state) = self.sessions.session_mut(session) else {
            return;
        };
        if state.is_draining() {
            let query = EngineQuery::of(head);
            return self.reject(key, head, &query, Rejection::Session);
        }
        match state.post(key) {
            PostAction::WrongTransport => self.mismatch(key, head, "polling", "websocket"),
            PostAction::Overlap => self.refuse_post(key, session, head, 400),
            PostAction::Read => {
                let is_binary = head.header("Content-Type").is_some_and(|kind| {
                    kind.trim()
                        .to_ascii_lowercase()
                        .starts_with("application/octet-stream")
                });
                let is_octets = is_binary && state.revision() == Revision::V3;
                let declared = head.framing.content_length();
                if is_binary && !is_octets || head.framing == Framing::None || declared == Some(0) {
                    return self.refuse_post(key, session, head, 400);
                }
                if head.content_encoded {
                    return self.refuse_post(key, session, head, 415);
                }
                if declared.is_some_and(|length| length > self.config.max_payload_bytes as u64) {
                    return self.refuse_post(key, session, head, 413);
                }
                let sink = Sink::Post {
                    session,
                    payload: Box::default(),
                    at: 0,
                    is_octets,
                    is_complete: false,
                };
                self.begin_engine_exchange(key, head, sink);
                self.transport.send_continue(key);
            }
        }
    }

    /// A `POST` that breaks the protocol, by its head alone: the session ends with it.
    fn refuse_post(
        &mut self,
        key: ConnectionId,
        session: EngineSessionId,
        head: &Head<'_>,
        status: u16,
    ) {
        self.refuse_with_status(key, head, Response::empty(status));
        self.end_post(session, key);
        self.end(session, Ending::Discard(DisconnectReason::TransportError));
    }

    /// What every answer to a request of Engine.IO says, by what the request says.
    fn extra_fields(&self, head: &Head<'_>) -> Vec<Field> {
        let cors = self.config.cors.as_ref();
        let mut fields =
            cors.map_or_else(Vec::new, |cors| cors.answer_fields(head.header("Origin")));
        if head.header("User-Agent").is_some_and(is_old_explorer) {
            fields.push(("X-XSS-Protection".into(), "0".into()));
        }
        fields.extend(self.hook_fields(head));
        fields
    }

    /// What the host wants every answer to a request of Engine.IO to say.
    pub(super) fn hook_fields<'h>(
        &'h self,
        head: &'h Head<'_>,
    ) -> impl Iterator<Item = Field> + 'h {
        let hook = self.config.headers.iter();
        hook.flat_map(|hook| hook.fields(head))
    }

    /// Begins the exchange of a request of Engine.IO that is answered later.
    fn begin_engine_exchange(&mut self, key: ConnectionId, head: &Head<'_>, sink: Sink) {
        self.transport
            .begin_exchange(&mut self.clock, key, head, sink);
        let fields = self.extra_fields(head);
        self.transport.prepare_answer(key, head, fields);
    }

    /// Begins the exchange of a request of Engine.IO that is answered at once, whatever its body says.
    pub(super) fn begin_discarding(&mut self, key: ConnectionId, head: &Head<'_>) {
        self.transport.begin_discarding(&mut self.clock, key, head);
        let fields = self.extra_fields(head);
        self.transport.prepare_answer(key, head, fields);
    }

    pub(super) fn answer_error(&mut self, key: ConnectionId, error: EngineError) {
        self.answer(key, Response::json(error.status(), error.body()));
    }
}

/// Whether a browser is Internet Explorer, whose own filter against cross-site scripting damages polling answers.
fn is_old_explorer(user_agent: &str) -> bool {
    user_agent.contains(";MSIE") || user_agent.contains("Trident/")
}

/// Whether a path under Engine.IO's names a file of the browser client.
fn is_client_file(path: &str) -> bool {
    path.ends_with(".js") || path.ends_with(".map")
}
