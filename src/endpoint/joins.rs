//! How clients get into namespaces, and out of them.

use super::connects::{auth_args, Beginning};
use super::events::{Departure, DepartureStep, Queued};
use super::recovery::Asked;
use super::{Endpoint, Event, Limit};
use crate::engine::{Allowance, Revision};
use crate::error::DisconnectReason;
use crate::http::query_pairs;
use crate::id::{EngineSessionId, Secret};
use crate::priority::Priority;
use crate::progress::ErrorCode;
use crate::socket::{ConnectError, NamespaceId, Packet, PacketLog, RecoveryConfig, SocketId};

/// Longest name of a namespace that is not there yet, with which the host is asked about it.
const MAX_NAME_BYTES: usize = 1024;

impl Endpoint {
    /// Clients of Socket.IO 2 are in `/` without having asked.
    pub(super) fn join_by_default(&mut self, session: EngineSessionId) {
        if self.revision(session) == Some(Revision::V3) && self.config.socket_io {
            // Where there is no such namespace the client hears of it, as of any other.
            self.join_namespace(session, "/", "");
        }
    }

    pub(super) fn connect(&mut self, session: EngineSessionId, packet: &Packet<'_>) {
        if self.revision(session) != Some(Revision::V3) {
            return self.join_namespace(session, packet.namespace, packet.data);
        }
        // Before Socket.IO 3 the payload was the query of the namespace's name.
        let (name, query) = packet
            .namespace
            .split_once('?')
            .unwrap_or((packet.namespace, ""));
        let payload: serde_json::Map<String, serde_json::Value> = query_pairs(query)
            .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
            .collect();
        let payload = serde_json::Value::Object(payload).to_string();
        self.join_namespace(session, name, &payload);
    }

    fn join_namespace(&mut self, session: EngineSessionId, name: &str, payload: &str) {
        let allowance = self.sessions.rates.join(session, self.clock.now_ms());
        match self.heed(session, Limit::Joins, allowance) {
            Allowance::Allowed => {}
            Allowance::Refused => {
                let data = serde_json::json!({ "code": ErrorCode::RateLimitExceeded.as_str() });
                let error = ConnectError::new("Too many connects, try again in a second")
                    .with_data(&data)
                    .expect("a JSON value has a text");
                return self.refuse_join(session, name, &error);
            }
            Allowance::Exceeded => return,
        }
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        // A page that connects, disconnects and connects at once, before it has been answered, asks twice: the answer to the
        // first is that to the second.
        if self.join_under_way(session, name).is_some() {
            return;
        }
        if let Some(socket) = self.sockets.of_client(&entry.client, name) {
            if entry.client.was_just_answered(self.clock.now_ms()) {
                return;
            }
            // One that disconnects before it has been answered says nothing, and misses the answer. When it connects again,
            // long after that, it begins anew.
            self.leave_by_itself(session, socket);
        }
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let namespaces = entry.client.namespace_count();
        let namespace = self.sockets.find_namespace(name);
        let may_be_asked = namespace.is_some() || name.len() <= MAX_NAME_BYTES;
        let is_asked = self.config.connect_requests && may_be_asked;
        let refusal = if namespace.is_none() && !is_asked {
            Some("Invalid namespace")
        } else if namespaces >= self.config.max_namespaces_per_client {
            Some("Too many namespaces")
        } else if payload.len() > self.config.max_auth_bytes {
            Some("The auth payload is too large")
        } else {
            None
        };
        if let Some(message) = refusal {
            self.refuse_join(session, name, &ConnectError::new(message));
            return;
        }
        let skips = |recovery: &RecoveryConfig| !is_asked || recovery.skip_middlewares;
        if let Some(namespace) =
            namespace.filter(|_| self.config.recovery.as_ref().is_some_and(skips))
        {
            let asked = if is_asked { Asked::Before } else { Asked::No };
            if self
                .recover(session, namespace, payload, asked, None)
                .is_some()
            {
                return;
            }
        }
        match namespace {
            Some(namespace) if !is_asked => {
                self.complete_join(session, namespace, payload, false, None);
            }
            _ => self.begin_connect(session, name, payload),
        }
    }

    /// A client leaves a namespace.
    pub(super) fn leave_by_itself(&mut self, session: EngineSessionId, socket: SocketId) {
        if let Some(client) = self.sessions.client_mut(session) {
            client.remove_socket(socket);
        }
        // It may ask for its socket again before the host has heard of this.
        self.sockets.make_unrecoverable(socket);
        let reason = DisconnectReason::ClientNamespaceDisconnect;
        self.events.push(Queued::Leave(socket, reason));
    }

    pub(super) fn make_namespace(&mut self, name: &str, is_child: bool) -> NamespaceId {
        let has_log = self.config.recovery.is_some();
        let log = has_log.then(|| PacketLog::new(&mut *self.outside.environment.random));
        let namespace = self.sockets.add_namespace(name, is_child, log);
        self.push_event(Event::NamespaceCreated { namespace });
        namespace
    }

    pub(super) fn complete_join(
        &mut self,
        session: EngineSessionId,
        namespace: NamespaceId,
        payload: &str,
        is_asked: bool,
        beginning: Option<Box<Beginning>>,
    ) -> SocketId {
        let secret = Secret::draw(&mut *self.outside.environment.random);
        let socket = self.sockets.connect(secret, session, namespace);
        let mut revision = Revision::V4;
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.client.add_socket(socket, self.clock.now_ms());
            entry.session.joined(&mut self.clock);
            revision = entry.session.revision();
        }
        let payload = if payload.is_empty() { "{}" } else { payload };
        self.sockets.set_auth(socket, payload);
        self.begin_with(socket, beginning);
        self.note_unasked(session, socket, is_asked);
        let parser = self.config.parser;
        let name = self.sockets.namespace_name(namespace).unwrap_or_default();
        let answer = match revision {
            Revision::V4 => {
                let name = name.to_owned();
                let pid_secret = Secret::draw(&mut *self.outside.environment.random);
                let rules = self.rules();
                let pid = self.sockets.make_recoverable(socket, pid_secret, rules);
                let id = secret.id(socket.0.index);
                parser.connect(&mut self.codec.frames, &name, Some(id), pid)
            }
            Revision::V3 => {
                // These clients make their id up themselves, of what they know; so that is their room's name.
                let answer = parser.connect(&mut self.codec.frames, name, None, None);
                if let Some(id) = self.old_socket_id(session, socket) {
                    self.sockets.join(socket, &id);
                }
                answer
            }
        };
        self.push_event(Event::Connected {
            socket,
            namespace,
            auth: auth_args(payload),
            is_recovered: false,
        });
        self.count_join(payload, false);
        self.send(session, answer, Priority::Normal);
        socket
    }

    /// Gives a socket what the host wants it to begin with. A recovered one has what it had, unless that is something else, and is
    /// in its rooms as well.
    pub(super) fn begin_with(&mut self, socket: SocketId, beginning: Option<Box<Beginning>>) {
        let Some(beginning) = beginning else {
            return;
        };
        let data = beginning.data;
        let place = (!data.is_empty()).then(|| self.sockets.data_mut(socket));
        if let Some(place) = place.flatten() {
            place.extend(data);
        }
        if let Some(owner) = beginning.owner {
            self.give_to(socket, &owner, true);
        }
        self.give_sight(socket, beginning.sight);
        for room in beginning.rooms {
            // One that is back may be in as many rooms as it may already.
            let _ = self.join(socket, &room);
        }
    }

    pub(super) fn refuse_join(
        &mut self,
        session: EngineSessionId,
        namespace: &str,
        error: &ConnectError,
    ) {
        self.tally.packets_out.connect_errors += 1;
        let is_old = self.revision(session) == Some(Revision::V3);
        let parser = self.config.parser;
        let answer = parser.connect_error(&mut self.codec.frames, namespace, error, is_old);
        self.send(session, answer, Priority::Normal);
    }

    /// A socket's id as a client of Socket.IO 2 knows it: that of its session, behind the namespace's name.
    pub(super) fn old_socket_id(
        &self,
        session: EngineSessionId,
        socket: SocketId,
    ) -> Option<String> {
        let sid = self.sessions.id_text(session)?;
        let namespace = self.sockets.get(socket)?.namespace;
        Some(match self.sockets.namespace_name(namespace)? {
            "/" => sid.to_string(),
            name => format!("{name}#{sid}"),
        })
    }

    /// Begins the end of a socket: nothing reaches it any more. `None` when it has begun already.
    pub(super) fn begin_leaving(
        &mut self,
        socket: SocketId,
        reason: DisconnectReason,
    ) -> Option<Departure> {
        let is_new = self.sockets.begin_leaving(socket);
        is_new.then(|| {
            self.fail_waiters(socket);
            Departure {
                socket,
                reason,
                step: DepartureStep::TellDisconnecting,
            }
        })
    }

    /// The same, for the host to be told behind all that waits for it.
    pub(super) fn forget_socket(&mut self, socket: SocketId, reason: DisconnectReason) {
        let departure = self.begin_leaving(socket, reason);
        self.push_departure(departure);
    }

    /// The host has heard of the end of a socket.
    pub(super) fn drop_socket(&mut self, socket: SocketId) {
        self.let_in(socket);
        self.forget_commands(socket);
        if let Some(namespace) = self.sockets.forget(socket) {
            if self.config.cleanup_empty_child_namespaces {
                self.sockets.remove_if_deserted(namespace);
            }
        }
    }
}
