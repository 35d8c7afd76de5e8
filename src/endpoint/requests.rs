//! Where a request goes: to Engine.IO, to the host, or back with an error.

use std::borrow::Cow;

use super::sessions::Opening;
use super::{Ending, Endpoint, Event};
use crate::connection::{Connection, Protocol, Sink, WebSocket};
use crate::engine::{
    Ask, EngineError, PollAction, PostAction, Revision, Route, Transport, Transports,
};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::{
    is_allowed_host, query_pairs, same_origin, BodyDecoder, Field, Framing, Head, HeadOptions,
    Method, Request, Response,
};
use crate::id::Secret;
use crate::outbox::Chunk;
use crate::slots::Key;
use crate::timer::Timer;
use crate::websocket::{accept, write_switching_protocols, Decoder, Handshake};

impl Endpoint {
    /// A whole request head has come in.
    pub(super) fn request(&mut self, key: Key, head: &Head<'_>) {
        let is_ours = head.path.starts_with(&self.config.path);
        let is_reading = matches!(head.method, Method::Get | Method::Head);
        let is_client_file = is_ours && is_reading && is_client_file(head.path);
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
    }

    fn engine_request(&mut self, key: Key, head: &Head<'_>) {
        if !self.is_welcome(head) {
            return self.refuse_engine_request(key, head, EngineError::Forbidden);
        }
        let mut transport = None;
        let mut protocol = None;
        let mut sid = None;
        let mut is_jsonp = false;
        let mut wants_base64 = false;
        for (name, value) in query_pairs(head.query) {
            match &*name {
                "transport" => transport = transport.or(Some(value)),
                "EIO" => protocol = protocol.or(Some(value)),
                "sid" => sid = sid.or(Some(value)),
                "j" => is_jsonp = true,
                "b64" => wants_base64 = true,
                _ => {}
            }
        }
        let as_text = |value: &Option<Cow<'_, str>>| value.as_deref().map(str::to_owned);
        let (transport, protocol, sid) = (as_text(&transport), as_text(&protocol), as_text(&sid));
        let ask = Ask {
            is_get: head.method == Method::Get,
            is_post: head.method == Method::Post,
            is_upgrade: head.upgrade,
            has_bad_origin: head.header("Origin") == Some("\u{fffd}"),
            transport: transport.as_deref(),
            protocol: protocol.as_deref(),
            sid: sid.as_deref(),
            is_jsonp,
            allow_eio3: self.config.allow_eio3,
            transports: self.config.transports,
        };
        if let (Some(cors), Method::Options) = (&self.config.cors, head.method) {
            let asked = head.header("Access-Control-Request-Headers");
            let fields = cors.preflight_fields(head.header("Origin"), asked);
            return self.answer_preflight(key, head, fields);
        }
        let refusal = match ask.route() {
            Ok(Route::OpenPolling(revision)) => {
                return self.open_polling(key, head, revision, !wants_base64)
            }
            Ok(Route::OpenWebSocket(revision)) => return self.open_websocket(key, head, revision),
            Ok(Route::Poll(secret, index)) => match self.live_session(secret, index) {
                Some(session) => return self.poll(key, session, head),
                None => EngineError::UnknownSession,
            },
            Ok(Route::Post(secret, index)) => match self.live_session(secret, index) {
                Some(session) => return self.post(key, session, head),
                None => EngineError::UnknownSession,
            },
            Ok(Route::Upgrade(secret, index)) => match self.live_session(secret, index) {
                Some(session) => return self.open_upgrade(key, session, head),
                None => EngineError::UnknownSession,
            },
            Err(refusal) => refusal,
        };
        self.refuse_engine_request(key, head, refusal);
    }

    /// Whether the request is addressed to a name that is ours, and sent by no page that may not.
    fn is_welcome(&self, head: &Head<'_>) -> bool {
        // HTTP/1.0 may leave the host out, and no browser speaks it.
        let host = head.host.unwrap_or("localhost");
        let hosts = self.config.allowed_hosts.as_ref();
        let is_our_host = hosts.is_none_or(|allowed| is_allowed_host(host, allowed));
        let origins = self
            .config
            .allowed_origins
            .as_ref()
            .zip(head.header("Origin"));
        is_our_host
            && origins.is_none_or(|(allowed, origin)| {
                let is_listed = allowed
                    .iter()
                    .any(|listed| listed.eq_ignore_ascii_case(origin));
                is_listed || same_origin(origin, host)
            })
    }

    /// A browser asks whether a page of another origin may ask.
    fn answer_preflight(&mut self, key: Key, head: &Head<'_>, fields: Vec<Field>) {
        self.begin_discarding(key, head);
        if let Some(exchange) = self.connections.get_mut(key).and_then(Connection::exchange) {
            exchange.extra_fields = fields;
        }
        self.answer(key, Response::empty(204));
    }

    /// The session of an id, unless its pong is overdue: then it ends here, however late the timer is.
    fn live_session(&mut self, secret: Secret, index: u32) -> Option<Key> {
        let session = self.sessions.key_at(index)?;
        let peer = self.sessions.get(session)?;
        if peer.session.secret != secret || peer.is_ending {
            return None;
        }
        if peer.session.is_overdue(self.now.mono_ms) {
            self.pong_timed_out(session);
            return None;
        }
        Some(session)
    }

    fn refuse_engine_request(&mut self, key: Key, head: &Head<'_>, error: EngineError) {
        if head.upgrade {
            return self.refuse_upgrade(key, error.message(), None);
        }
        self.begin_discarding(key, head);
        self.add_extra_fields(key, head);
        self.answer(key, Response::json(error.status(), error.body()));
    }

    /// Refusals of WebSocket handshakes are plain text and end the connection, as browsers never show them anyway.
    fn refuse_upgrade(
        &mut self,
        key: Key,
        message: &'static str,
        header: Option<(&'static str, &'static str)>,
    ) {
        let mut response = Response::new(400, "text/html", message.as_bytes());
        if let Some((name, value)) = header {
            response = response.with_header(name, value);
        }
        self.answer_finally(key, response);
    }

    fn open_polling(&mut self, key: Key, head: &Head<'_>, revision: Revision, reads_octets: bool) {
        self.begin_discarding(key, head);
        self.add_extra_fields(key, head);
        let Some(peer) = self.connections.get(key).map(|connection| connection.peer) else {
            return;
        };
        let transport = Transport::Polling {
            poll: None,
            post: None,
        };
        let opening = Opening {
            transport,
            revision,
            reads_octets,
            address: peer,
            query: head.query,
        };
        let session = self.open_session(opening);
        let can_upgrade =
            self.config.allow_upgrades && self.config.transports != Transports::PollingOnly;
        let upgrades = if can_upgrade { "[\"websocket\"]" } else { "[]" };
        let handshake = Frame::text(&self.handshake(session, upgrades));
        let mut response = self.poll_response(session, &[handshake]);
        if let (Some(cookie), Some(sid)) = (&self.config.cookie, self.session_id(session)) {
            response = response.with_header("Set-Cookie", cookie.set(sid.as_str()));
        }
        self.answer_engine(key, response);
        self.join_by_default(session);
    }

    fn poll(&mut self, key: Key, session: Key, head: &Head<'_>) {
        self.begin_engine_exchange(key, head, Sink::Poll { session });
        let Some(peer) = self.sessions.get_mut(session) else {
            return;
        };
        let is_closing = peer.session.is_closing;
        match peer.session.poll(key) {
            PollAction::Wait if is_closing => self.flush_poll(session),
            PollAction::Wait => {}
            PollAction::Answer => self.flush_poll(session),
            PollAction::Noop => {
                let response = self.poll_response(session, &[Frame::text("6")]);
                self.answer_engine(key, response);
            }
            PollAction::WrongTransport => self.answer_error(key, EngineError::BadRequest),
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
        let action = if peer.session.is_closing {
            return self.refuse_engine_request(key, head, EngineError::UnknownSession);
        } else {
            peer.session.post(key)
        };
        match action {
            PostAction::WrongTransport => {
                self.refuse_engine_request(key, head, EngineError::BadRequest)
            }
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
                    payload: Vec::new(),
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
        self.begin_discarding(key, head);
        self.add_extra_fields(key, head);
        self.answer(key, Response::empty(status));
        self.end_post(session, key);
        self.end(session, Ending::Drop(DisconnectReason::TransportError));
    }

    fn open_websocket(&mut self, key: Key, head: &Head<'_>, revision: Revision) {
        let Some(peer) = self.connections.get(key).map(|connection| connection.peer) else {
            return;
        };
        let Some(response) = self.accept_websocket(key, head) else {
            return;
        };
        let session = self.open_session(Opening {
            transport: Transport::WebSocket(key),
            revision,
            reads_octets: true,
            address: peer,
            query: head.query,
        });
        self.switch_protocols(key, session, response);
        let handshake = self.handshake(session, "[]");
        self.send_raw(key, Frame::text(&handshake));
        self.join_by_default(session);
    }

    fn open_upgrade(&mut self, key: Key, session: Key, head: &Head<'_>) {
        let Some(peer) = self.sessions.get(session) else {
            return;
        };
        let can_upgrade = self.config.allow_upgrades
            && matches!(peer.session.transport, Transport::Polling { .. })
            && peer.session.upgrade.is_none()
            && peer.takes_input();
        let Some(response) = self.accept_websocket(key, head) else {
            return;
        };
        self.switch_protocols(key, session, response);
        if can_upgrade {
            let deadline_ms = self
                .now
                .mono_ms
                .saturating_add(self.config.upgrade_timeout_ms);
            let timer = self.wheel.insert(deadline_ms, Timer::Upgrade(session));
            if let Some(peer) = self.sessions.get_mut(session) {
                peer.session.begin_upgrade(key, timer);
            }
        } else {
            // One that is running, or done, is not disturbed.
            self.close_websocket(key, None);
        }
    }

    /// The answer to a WebSocket handshake, or `None` when it has been refused.
    fn accept_websocket(&mut self, key: Key, head: &Head<'_>) -> Option<Vec<u8>> {
        if head.framing != Framing::None {
            self.refuse_upgrade(key, EngineError::BadRequest.message(), None);
            return None;
        }
        let handshake = Handshake {
            // The head has looked for these two in all fields of the name; here only one of each would be seen.
            upgrade: Some("websocket"),
            connection: Some("Upgrade"),
            version: head.header("Sec-WebSocket-Version"),
            key: head.header("Sec-WebSocket-Key"),
            protocol: head.header("Sec-WebSocket-Protocol"),
        };
        match accept(&handshake) {
            Ok(accepted) => {
                let mut response = Vec::with_capacity(192);
                write_switching_protocols(&mut response, &accepted, &[]);
                Some(response)
            }
            Err(refusal) => {
                self.refuse_upgrade(key, refusal.message(), refusal.header());
                None
            }
        }
    }

    fn switch_protocols(&mut self, key: Key, session: Key, response: Vec<u8>) {
        self.disarm(key);
        if let Some(connection) = self.connections.get_mut(key) {
            connection.protocol = Protocol::WebSocket(WebSocket {
                decoder: Decoder::default(),
                session,
            });
            connection.outbox.push(Chunk::Owned(response));
            self.output_due(key);
        }
    }

    /// Answers a poll or a post that went well.
    pub(super) fn answer_engine(&mut self, key: Key, response: Response) {
        self.answer(key, response.with_header("cache-control", "no-store"));
    }

    /// What every answer to a request of Engine.IO says, by what the request says.
    fn extra_fields(&self, head: &Head<'_>) -> Vec<Field> {
        let cors = self.config.cors.as_ref();
        let mut fields =
            cors.map_or_else(Vec::new, |cors| cors.answer_fields(head.header("Origin")));
        if head.header("User-Agent").is_some_and(is_old_explorer) {
            fields.push(("X-XSS-Protection".into(), "0".into()));
        }
        fields
    }

    /// Begins the exchange of a request of Engine.IO that is answered later.
    fn begin_engine_exchange(&mut self, key: Key, head: &Head<'_>, sink: Sink) {
        self.begin_exchange(key, head, sink, options(head));
        self.add_extra_fields(key, head);
    }

    fn add_extra_fields(&mut self, key: Key, head: &Head<'_>) {
        let fields = self.extra_fields(head);
        if let Some(exchange) = self.connections.get_mut(key).and_then(Connection::exchange) {
            exchange.extra_fields = fields;
        }
    }

    pub(super) fn answer_error(&mut self, key: Key, error: EngineError) {
        self.answer(key, Response::json(error.status(), error.body()));
    }

    /// Begins the exchange of a request that is answered at once, whatever its body says.
    fn begin_discarding(&mut self, key: Key, head: &Head<'_>) {
        let left_bytes = self.config.max_discarded_bytes;
        let mut options = options(head);
        // Whoever asked for another protocol does not expect this one to go on.
        options.keep_alive &= !head.upgrade;
        if head
            .framing
            .content_length()
            .is_some_and(|length| length > left_bytes)
        {
            options.keep_alive = false;
        }
        self.begin_exchange(key, head, Sink::Discard { left_bytes }, options);
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
