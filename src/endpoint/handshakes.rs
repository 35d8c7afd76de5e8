//! Requests that open a session, or a WebSocket for one.

use std::borrow::Cow;
use std::net::IpAddr;

use super::events::Ending;
use super::{ClientInfo, Endpoint, Limit};
use crate::config::Config;
use crate::data::Data;
use crate::engine::{
    EngineError, EngineRequest, HandshakeDetail, HandshakeDetails, Opening, Transport, Transports,
};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::{
    forwarded_for, query_pairs, BodyDecoder, Field, Head, Method, Request, Response,
};
use crate::id::{ConnectionId, EngineSessionId, Secret};
use crate::peer::PeerAddr;
use crate::priority::Priority;
use crate::socket::Client;
use crate::timer::Timer;
use crate::websocket::{accept, write_switching_protocols, Accepted, Handshake};

/// The part of a query that Engine.IO looks at: the first value of each parameter.
#[derive(Default)]
pub(super) struct EngineQuery<'a> {
    pub transport: Option<Cow<'a, str>>,
    pub protocol: Option<Cow<'a, str>>,
    pub sid: Option<Cow<'a, str>>,
    pub is_jsonp: bool,
    pub wants_base64: bool,
}

impl<'a> EngineQuery<'a> {
    pub fn of(head: &Head<'a>) -> EngineQuery<'a> {
        let mut query = EngineQuery::default();
        for (name, value) in query_pairs(head.query) {
            match &*name {
                "transport" => query.transport = query.transport.or(Some(value)),
                "EIO" => query.protocol = query.protocol.or(Some(value)),
                // An empty one counts as missing.
                "sid" if value.is_empty() => {}
                "sid" => query.sid = query.sid.or(Some(value)),
                "j" => query.is_jsonp = true,
                "b64" => query.wants_base64 |= !value.is_empty(),
                _ => {}
            }
        }
        query
    }

    pub fn request(&self, head: &Head<'_>, config: &Config) -> EngineRequest<'_> {
        EngineRequest {
            is_get: head.method == Method::Get,
            is_post: head.method == Method::Post,
            is_upgrade: head.upgrade,
            has_bad_origin: head.header("Origin") == Some("\u{fffd}"),
            transport: self.transport.as_deref(),
            protocol: self.protocol.as_deref(),
            sid: self.sid.as_deref(),
            is_jsonp: self.is_jsonp,
            allow_eio3: config.allow_eio3,
            transports: config.transports,
        }
    }
}

impl Endpoint {
    /// What is known of the request that opened an Engine.IO session.
    #[doc(alias = "protocol")]
    pub fn session_info(&self, session: EngineSessionId) -> Option<ClientInfo<'_>> {
        let session = self.sessions.session(session)?;
        Some(ClientInfo {
            address: session.peer_addr(),
            query: session.query(),
            details: session.details(),
        })
    }

    /// Who has sent a request: the other end of its connection, or the client for whom a proxy that is trusted has passed it on.
    pub(super) fn peer_of(&self, key: ConnectionId, head: &Head<'_>) -> Option<PeerAddr> {
        let peer = self.transport.get(key)?.peer_addr;
        let proxies = &self.config.trusted_proxies;
        let is_proxy = |ip: IpAddr| proxies.iter().any(|network| network.contains(ip));
        if !peer.ip().is_some_and(is_proxy) {
            return Some(peer);
        }
        let client = forwarded_for(head, is_proxy);
        Some(client.map_or(peer, PeerAddr::from))
    }

    /// A request that would open a session, good but for the version of its protocol.
    pub(super) fn handshake_request(&mut self, key: ConnectionId, head: &Head<'_>) {
        let peer_addr = self.peer_of(key, head);
        let now_ms = self.clock.now_ms();
        if peer_addr.is_some_and(|peer| !self.sessions.may_begin(peer, now_ms)) {
            self.tally.handshakes.limited += 1;
            self.limit_reached(Limit::Handshakes, peer_addr);
            return self.server_full(key, head, "Too many handshakes from this address");
        }
        if !self.config.allow_request {
            self.open_engine(key, head, Vec::new(), false, None);
        } else if !head.upgrade || self.accept_websocket(key, head).is_some() {
            self.ask_host(key, head);
        }
    }

    /// Opens a session for a request that may have one; these fields go with its first answer.
    pub(super) fn open_engine(
        &mut self,
        key: ConnectionId,
        head: &Head<'_>,
        mut fields: Vec<Field>,
        is_asked: bool,
        data: Option<Box<Data>>,
    ) {
        if self.is_leaving() {
            self.tally.handshakes.full += 1;
            return self.server_full(key, head, "The server is going down");
        }
        let query = EngineQuery::of(head);
        let Some(revision) = query.request(head, &self.config).revision() else {
            let error = EngineError::UnsupportedProtocolVersion;
            return self.refuse(key, head, error, &[("protocol", "3")]);
        };
        if self.sessions.count() >= self.config.max_sessions {
            self.limit_reached(Limit::Sessions, self.peer_of(key, head));
            if !self.end_oldest_unjoined() {
                self.tally.handshakes.full += 1;
                return self.server_full(key, head, "Too many sessions");
            }
        }
        if self.is_short_of_memory() {
            self.tally.handshakes.full += 1;
            self.limit_reached(Limit::MemoryBytes, self.peer_of(key, head));
            return self.server_full(key, head, "Short of memory");
        }
        let Some(peer_addr) = self.peer_of(key, head) else {
            return;
        };
        if !self.sessions.has_room_for(peer_addr) {
            self.tally.handshakes.limited += 1;
            self.limit_reached(Limit::SessionsPerAddress, Some(peer_addr));
            return self.server_full(key, head, "Too many sessions from this address");
        }
        if let Some(hook) = &self.config.initial_headers {
            fields.extend(hook.fields(head));
        }
        let opening = Opening {
            secret: Secret::draw(&mut *self.outside.environment.random),
            transport: if head.upgrade {
                Transport::WebSocket(key)
            } else {
                Transport::Polling {
                    poll: None,
                    post: None,
                }
            },
            revision,
            reads_binary: !query.wants_base64,
            peer_addr,
            query: head.query,
            details: self.handshake_details(head),
            admitted: self.admitted(is_asked),
            data,
        };
        if head.upgrade {
            self.open_websocket(key, head, opening, &fields);
        } else {
            self.open_polling(key, head, opening, fields);
        }
    }

    /// Ends the session that has joined no namespace for the longest time. Whose decision the host takes its time for stays. False
    /// where there is none.
    fn end_oldest_unjoined(&mut self) -> bool {
        let asks_nothing = |client: &Client| client.connects().is_empty();
        let oldest = self.sessions.oldest_unjoined(asks_nothing);
        if let Some(oldest) = oldest {
            self.end_now(oldest, Ending::Discard(DisconnectReason::ForcedClose));
        }
        oldest.is_some()
    }

    /// There is no room for this session now.
    fn server_full(&mut self, key: ConnectionId, head: &Head<'_>, message: &'static str) {
        let response = if head.upgrade {
            Response::new(503, "text/html", message)
        } else {
            Response::json(503, format!("{{\"message\":\"{message}\"}}"))
        };
        // By chance, so that not all who were refused together come back together.
        let mut drawn = [0];
        (self.outside.environment.random)(&mut drawn);
        let seconds = (1 + drawn[0] % 4).to_string();
        self.refuse_with_status(key, head, response.with_header("Retry-After", seconds));
    }

    fn handshake_details(&self, head: &Head<'_>) -> Option<Box<HandshakeDetails>> {
        if self.config.handshake == HandshakeDetail::Minimal {
            return None;
        }
        Some(Box::new(HandshakeDetails {
            headers: Request::from(head).headers,
            url: match head.query {
                "" => head.path.to_owned(),
                query => format!("{}?{query}", head.path),
            },
            issued_ms: self.clock.now.unix_ms,
            secure: false,
            xdomain: head.header("Origin").is_some(),
        }))
    }

    fn open_polling(
        &mut self,
        key: ConnectionId,
        head: &Head<'_>,
        opening: Opening<'_>,
        mut fields: Vec<Field>,
    ) {
        self.begin_discarding(key, head);
        let session = self.open_session(opening);
        let can_upgrade =
            self.config.allow_upgrades && self.config.transports != Transports::PollingOnly;
        let upgrades = if can_upgrade { "[\"websocket\"]" } else { "[]" };
        let mut frames = vec![Frame::text(&self.handshake(session, upgrades))];
        frames.extend(self.codec.initial_packet.clone());
        if let (Some(cookie), Some(sid)) = (&self.config.cookie, self.sessions.id_text(session)) {
            fields.push(("Set-Cookie".into(), cookie.set(sid.as_str()).into()));
        }
        self.answer_packets(key, session, &frames, fields, Priority::Normal);
        self.join_by_default(session);
    }

    fn open_websocket(
        &mut self,
        key: ConnectionId,
        head: &Head<'_>,
        opening: Opening<'_>,
        fields: &[Field],
    ) {
        let Some(accepted) = self.accept_websocket(key, head) else {
            return;
        };
        let session = self.open_session(opening);
        self.switch_protocols(key, session, head, &accepted, fields);
        let handshake = self.handshake(session, "[]");
        let initial_packet = self.codec.initial_packet.clone();
        for packet in std::iter::once(Frame::text(&handshake)).chain(initial_packet) {
            self.transport.send(key, packet, Priority::Normal);
        }
        self.join_by_default(session);
    }

    pub(super) fn open_upgrade(
        &mut self,
        key: ConnectionId,
        session: EngineSessionId,
        head: &Head<'_>,
    ) {
        let Some(upgraded) = self.sessions.session(session) else {
            return;
        };
        let can_upgrade = self.config.allow_upgrades && upgraded.can_upgrade();
        let Some(accepted) = self.accept_websocket(key, head) else {
            return;
        };
        self.switch_protocols(key, session, head, &accepted, &[]);
        if can_upgrade {
            let by_ms = self.clock.in_ms(self.config.upgrade_timeout_ms);
            let timer = self.clock.arm(by_ms, Timer::Upgrade(session));
            let reads_binary = !EngineQuery::of(head).wants_base64;
            if let Some(upgraded) = self.sessions.session_mut(session) {
                upgraded.begin_upgrade(key, reads_binary, timer);
            }
        } else {
            // One that is running, or done, is not disturbed.
            self.close_websocket(key, None);
        }
    }

    /// Judges a WebSocket handshake; `None` when it has been refused.
    fn accept_websocket<'b>(&mut self, key: ConnectionId, head: &Head<'b>) -> Option<Accepted<'b>> {
        // A length of zero is no body, and there are clients that send it with every request.
        if !BodyDecoder::new(head.framing).is_done() {
            let context = [("name", "TRANSPORT_HANDSHAKE_ERROR")];
            self.refuse(key, head, EngineError::BadRequest, &context);
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
            Ok(accepted) => Some(accepted),
            Err(refusal) => {
                let mut response = Response::new(400, "text/html", refusal.message());
                if let Some((name, value)) = refusal.header() {
                    response = response.with_header(name, value);
                }
                self.refuse_with_status(key, head, response);
                None
            }
        }
    }

    fn switch_protocols(
        &mut self,
        key: ConnectionId,
        session: EngineSessionId,
        head: &Head<'_>,
        accepted: &Accepted<'_>,
        fields: &[Field],
    ) {
        let hook_fields: Vec<Field> = self.hook_fields(head).collect();
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .chain(&hook_fields)
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let mut response = Vec::with_capacity(192);
        write_switching_protocols(&mut response, accepted, &fields);
        self.transport
            .switch_protocols(&mut self.clock, key, session, response);
    }
}
