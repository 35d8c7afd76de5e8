//! Where a request goes: to Engine.IO, to the host, or back with an error.

use super::handshakes::EngineQuery;
use super::{Ending, Endpoint, Event};
use crate::connection::{Connection, Sink};
use crate::engine::{EngineError, PollAction, PostAction, Rejection, Revision, Route};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::{
    is_allowed_host, same_origin, BodyDecoder, Field, Framing, Head, HeadOptions, Method, Request,
    Response,
};
use crate::id::Secret;
use crate::slots::Key;
use crate::timer::Timer;

impl Endpoint {
    /// A whole request head has come in.
    pub(super) fn request(&mut self, key: Key, head: &Head<'_>) {
        let is_ours = head.path.starts_with(&self.config.path);
        let is_reading = matches!(head.method, Method::Get | Method::Head);
        let is_client_file = is_ours && is_reading && !head.upgrade && is_client_file(head.path);
        if is_client_file && self.config.serve_client || !is_ours && self.config.host_http {
            return self.host_request(key, head);
        }
        if !is_ours {
            self.begin_discarding(key, head);
            return self.answer(key, Response::text(404, "Nothing is served at this path."));
        }
        self.engine_request(key, head);
    }

    /// Hands a request to the host.
    fn host_request(&mut self, key: Key, head: &Head<'_>) {
        let has_body = !BodyDecoder::new(head.framing).is_done();
        self.begin_exchange(key, head, Sink::Host { credit_bytes: 0 }, options(head));
        let (Some(request), Some(connection)) = (self.request_id(key), self.connections.get(key))
        else {
            return;
        };
        self.push_event(Event::Request {
            request,
            head: Box::new(Request::from(head)),
            peer: connection.peer,
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
            self.arm(key, Timer::Unserved(key), after_ms);
        }
    }

    fn engine_request(&mut self, key: Key, head: &Head<'_>) {
        if let Err((name, field, value)) = self.check_welcome(head) {
            let context = [("name", name), (field, value)];
            return self.refuse(key, head, EngineError::Forbidden, &context);
        }
        if let (Some(cors), Method::Options) = (&self.config.cors, head.method) {
            let asked = head.header("Access-Control-Request-Headers");
            let fields = cors.preflight_fields(head.header("Origin"), asked);
            return self.answer_preflight(key, head, fields);
        }
        let query = EngineQuery::of(head);
        let route = match query.ask(head, &self.config).route() {
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
    fn check_welcome<'b>(
        &self,
        head: &Head<'b>,
    ) -> Result<(), (&'static str, &'static str, &'b str)> {
        // HTTP/1.0 may leave the host out, and no browser speaks it.
        let host = head.host.unwrap_or("localhost");
        let hosts = self.config.allowed_hosts.as_ref();
        if hosts.is_some_and(|allowed| !is_allowed_host(host, allowed)) {
            return Err(("HOST_NOT_ALLOWED", "host", host));
        }
        let origins = self.config.allowed_origins.as_ref();
        if let Some((allowed, origin)) = origins.zip(head.header("Origin")) {
            let mut listed = allowed.iter();
            let is_listed = listed.any(|listed| listed.eq_ignore_ascii_case(origin));
            if !is_listed && !same_origin(origin, host) {
                return Err(("ORIGIN_NOT_ALLOWED", "origin", origin));
            }
        }
        Ok(())
    }

    /// A browser asks whether a page of another origin may ask.
    fn answer_preflight(&mut self, key: Key, head: &Head<'_>, fields: Vec<Field>) {
        self.begin_discarding(key, head);
        if let Some(exchange) = self.connections.get_mut(key).and_then(Connection::exchange) {
            exchange.extra_fields = fields;
        }
        self.answer(key, Response::empty(204));
    }

    /// The session that a poll or an upgrade is for.
    pub(super) fn session_asked_for(&self, head: &Head<'_>) -> Option<Key> {
        if !head.path.starts_with(&self.config.path) || head.method != Method::Get {
            return None;
        }
        let route = EngineQuery::of(head).ask(head, &self.config).route();
        let (Ok(Route::Poll(secret, index)) | Ok(Route::Upgrade(secret, index))) = route else {
            return None;
        };
        let session = self.sessions.key_at(index)?;
        let peer = self.sessions.get(session)?;
        (peer.session.secret == secret && !peer.is_ending).then_some(session)
    }

    /// The session of an id, unless its pong has not come in time: then it ends here, however late the timer is.
    fn live_session(&mut self, secret: Secret, index: u32) -> Option<Key> {
        let session = self.sessions.key_at(index)?;
        let peer = self.sessions.get(session)?;
        if peer.session.secret != secret || peer.is_ending {
            return None;
        }
        if peer.session.is_overdue(self.heard_until_ms()) {
            self.pong_timed_out(session);
            return None;
        }
        Some(session)
    }

    fn poll(&mut self, key: Key, session: Key, head: &Head<'_>) {
        let left_bytes = self.config.max_discarded_bytes;
        let declared = head.framing.content_length();
        if declared.is_some_and(|length| length > left_bytes) {
            return self.turn_away(key, head, Response::empty(413));
        }
        let sink = Sink::Poll {
            session,
            left_bytes,
        };
        self.begin_engine_exchange(key, head, sink);
        let Some(peer) = self.sessions.get_mut(session) else {
            return;
        };
        let is_closing = peer.session.is_closing;
        match peer.session.poll(key, peer.client.has_news()) {
            PollAction::WrongTransport => self.mismatch(key, head, "polling", "websocket"),
            PollAction::Wait if is_closing => self.flush_poll(session),
            PollAction::Wait => {}
            PollAction::Answer => self.flush_poll(session),
            PollAction::Noop => self.answer_packets(key, session, &[Frame::text("6")], Vec::new()),
            PollAction::Overlap(_) => {
                self.answer(key, Response::empty(400));
                self.end(session, Ending::Drop(DisconnectReason::TransportError));
            }
        }
    }

    fn post(&mut self, key: Key, session: Key, head: &Head<'_>) {
        let Some(peer) = self.sessions.get_mut(session) else {
            return;
        };
        if peer.session.is_closing {
            let query = EngineQuery::of(head);
            return self.reject(key, head, &query, Rejection::Session);
        }
        match peer.session.post(key) {
            PostAction::WrongTransport => self.mismatch(key, head, "polling", "websocket"),
            PostAction::Overlap => self.refuse_post(key, session, head, 400),
            PostAction::Read => {
                let is_binary = head.header("Content-Type").is_some_and(|kind| {
                    kind.trim()
                        .to_ascii_lowercase()
                        .starts_with("application/octet-stream")
                });
                let is_octets = is_binary && peer.session.revision == Revision::V3;
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
                self.send_continue(key);
            }
        }
    }

    /// A `POST` that breaks the protocol, by its head alone: the session ends with it.
    fn refuse_post(&mut self, key: Key, session: Key, head: &Head<'_>, status: u16) {
        self.turn_away(key, head, Response::empty(status));
        self.end_post(session, key);
        self.end(session, Ending::Drop(DisconnectReason::TransportError));
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
    fn begin_engine_exchange(&mut self, key: Key, head: &Head<'_>, sink: Sink) {
        self.begin_exchange(key, head, sink, options(head));
        self.prepare_answer(key, head);
    }

    /// Notes what the answer to a request of Engine.IO will have to say, and how.
    pub(super) fn prepare_answer(&mut self, key: Key, head: &Head<'_>) {
        let fields = self.extra_fields(head);
        #[cfg(feature = "compression")]
        let coding = self.accepted_coding(head);
        if let Some(exchange) = self.connections.get_mut(key).and_then(Connection::exchange) {
            exchange.extra_fields = fields;
            #[cfg(feature = "compression")]
            {
                exchange.coding = coding;
            }
        }
    }

    pub(super) fn answer_error(&mut self, key: Key, error: EngineError) {
        self.answer(key, Response::json(error.status(), error.body()));
    }

    /// Begins the exchange of a request that is answered at once, whatever its body says.
    pub(super) fn begin_discarding(&mut self, key: Key, head: &Head<'_>) {
        let left_bytes = self.config.max_discarded_bytes;
        self.begin_answered_by_head(key, head, Sink::Discard { left_bytes });
    }

    /// Begins the exchange of a request whose answer does not depend on its body.
    pub(super) fn begin_answered_by_head(&mut self, key: Key, head: &Head<'_>, sink: Sink) {
        let mut options = options(head);
        // Whoever asked for another protocol does not expect this one to go on.
        options.keep_alive &= !head.upgrade;
        if head
            .framing
            .content_length()
            .is_some_and(|length| length > self.config.max_discarded_bytes)
        {
            options.keep_alive = false;
        }
        self.begin_exchange(key, head, sink, options);
    }
}

fn options(head: &Head<'_>) -> HeadOptions {
    HeadOptions {
        keep_alive: head.keep_alive,
        head_request: head.method == Method::Head,
        http10: head.minor_version == 0,
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
