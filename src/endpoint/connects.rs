//! How clients get into namespaces: at once, or when the host has let them in.

use std::any::Any;

use super::events::{Departure, DepartureStep, Queued};
use super::recovery::Asked;
use super::{ClientInfo, ConnectId, Endpoint, Event, Limit, Sight};
use crate::data::Data;
use crate::engine::{Allowance, Revision};
use crate::error::{DisconnectReason, Error};
use crate::http::query_pairs;
use crate::id::{EngineSessionId, Secret};
use crate::panics::Verb;
use crate::priority::Priority;
use crate::progress::ErrorCode;
use crate::slots::Key;
use crate::socket::{
    with_slash, Args, ConnectError, NamespaceId, Packet, PacketLog, RecoveryConfig, SocketId,
};

/// A client that waits for the host to let it into a namespace.
pub(super) struct PendingConnect {
    session: EngineSessionId,
    namespace: Box<str>,
    /// The auth payload, as JSON text, or nothing.
    payload: Box<str>,
    /// How often the host has passed it on.
    passed: u32,
    /// The handlers that decide have heard of it.
    pub(super) is_asked: bool,
    /// Where the host has said something of it.
    beginning: Option<Box<Beginning>>,
}

/// What a socket is to begin with.
#[derive(Default)]
pub(super) struct Beginning {
    /// What the host keeps with it.
    data: Data,
    /// The rooms that it is to be in.
    rooms: Vec<Box<str>>,
    /// Whose it is to be, as far as anybody has said so.
    pub owner: Option<Box<str>>,
    /// How much of progress sessions it is to see.
    pub sight: Sight,
}

/// What is known of a client that wants to join a namespace.
#[derive(Clone, Copy, Debug)]
pub struct ConnectRequest<'a> {
    /// The namespace's name, its query part included.
    pub namespace: &'a str,
    /// The auth payload as JSON text, `{}` where there was none.
    pub auth: &'a str,
    /// The request that opened the client's session.
    pub client: ClientInfo<'a>,
}

/// Longest name of a namespace that is not there yet, with which the host is asked about it.
const MAX_NAME_BYTES: usize = 1024;

impl Endpoint {
    /// Lets a client into the namespace that it has asked for, which is made where it is not there yet.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTicket`] when that was decided before, or too late, or the client is gone; [`Error::BadNamespace`] when
    /// there are as many namespaces as may be made for clients, who hears of that.
    pub fn accept_connect(&mut self, ticket: ConnectId) -> Result<SocketId, Error> {
        let _verb = Verb::begin();
        let join = self.take_connect(ticket.0).ok_or(Error::NoSuchTicket)?;
        let namespace = match self.sockets.find_namespace(&join.namespace) {
            Some(namespace) => namespace,
            None if self.sockets.child_count() < self.config.max_child_namespaces => {
                self.make_namespace(&join.namespace, true)
            }
            None => {
                let error = ConnectError::new("Too many namespaces");
                self.refuse_join(join.session, &join.namespace, &error);
                return Err(Error::BadNamespace(join.namespace.into()));
            }
        };
        let asked = if join.is_asked { Asked::Yes } else { Asked::No };
        let beginning = join.beginning.as_deref();
        if let Some(socket) = self.recover(join.session, namespace, &join.payload, asked, beginning)
        {
            self.begin_with(socket, join.beginning);
            return Ok(socket);
        }
        Ok(self.complete_join(
            join.session,
            namespace,
            &join.payload,
            join.is_asked,
            join.beginning,
        ))
    }

    /// Answers a client that it may not join: its `connect_error` handler is called, and it may try again.
    pub fn refuse_connect(&mut self, ticket: ConnectId, error: &ConnectError) -> Result<(), Error> {
        let _verb = Verb::begin();
        let join = self.take_connect(ticket.0).ok_or(Error::NoSuchTicket)?;
        self.refuse_join(join.session, &join.namespace, error);
        Ok(())
    }

    /// Has the host asked once more, with [`Event::ConnectRequested`]'s `passed` one higher: for decisions of several steps.
    pub fn pass_connect(&mut self, ticket: ConnectId) -> Result<(), Error> {
        let _verb = Verb::begin();
        let join = self.connects.get_mut(ticket.0).ok_or(Error::NoSuchTicket)?;
        join.passed += 1;
        self.push_join(ticket.0);
        Ok(())
    }

    /// Says how many steps of a decision are done where the host has taken several in one turn: after
    /// [`Endpoint::pass_connect`] `passed` is one more than this.
    pub fn set_passed(&mut self, ticket: ConnectId, passed: u32) -> Result<(), Error> {
        let _verb = Verb::begin();
        let join = self.connects.get_mut(ticket.0).ok_or(Error::NoSuchTicket)?;
        join.passed = passed;
        Ok(())
    }

    /// What is known of a client that waits to be let in.
    pub fn connect_request(&self, ticket: ConnectId) -> Option<ConnectRequest<'_>> {
        let join = self.connects.get(ticket.0)?;
        Some(ConnectRequest {
            namespace: &join.namespace,
            auth: if join.payload.is_empty() {
                "{}"
            } else {
                &join.payload
            },
            client: self.session_info(join.session)?,
        })
    }

    /// Keeps something that the client's socket is to begin with ([`Endpoint::data`]) once it has been let in. There is one value
    /// of each type.
    pub fn set_connect_data<T: Any + Send>(
        &mut self,
        ticket: ConnectId,
        data: T,
    ) -> Result<(), Error> {
        let _verb = Verb::begin();
        let beginning = self.beginning(ticket).ok_or(Error::NoSuchTicket)?;
        beginning.data.insert(data);
        Ok(())
    }

    pub(super) fn beginning(&mut self, ticket: ConnectId) -> Option<&mut Beginning> {
        let join = self.connects.get_mut(ticket.0)?;
        Some(join.beginning.get_or_insert_default())
    }

    pub(super) fn known_beginning(&self, ticket: ConnectId) -> Option<&Beginning> {
        self.connects.get(ticket.0)?.beginning.as_deref()
    }

    /// What the host has kept with the session of a client that waits to be let in, if there is something of this type.
    pub fn connect_session_data<T: Any + Send>(&self, ticket: ConnectId) -> Option<&T> {
        let session = self.connects.get(ticket.0)?.session;
        self.sessions.get(session)?.client.data()?.get()
    }

    /// Has the client's socket be in a room as soon as it has been let in; a client that is refused was never there. Joining twice
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTicket`]; [`Error::RoomNameTooLong`], [`Error::ReservedRoom`] and [`Error::TooManyRooms`] as of
    /// [`Endpoint::join`].
    pub fn join_once_connected(&mut self, ticket: ConnectId, room: &str) -> Result<(), Error> {
        let _verb = Verb::begin();
        let join = self.connects.get(ticket.0).ok_or(Error::NoSuchTicket)?;
        if room.len() > self.config.max_room_name_bytes {
            return Err(Error::RoomNameTooLong);
        }
        let namespace = self.sockets.find_namespace(&join.namespace);
        if namespace.is_some_and(|namespace| self.is_reserved_room(namespace, room)) {
            return Err(Error::ReservedRoom(room.to_owned()));
        }
        let join = self.connects.get_mut(ticket.0).ok_or(Error::NoSuchTicket)?;
        let rooms = &mut join.beginning.get_or_insert_default().rooms;
        if rooms.iter().any(|known| &**known == room) {
            return Ok(());
        }
        if rooms.len() >= self.config.max_rooms_per_socket {
            return Err(Error::TooManyRooms);
        }
        rooms.push(room.into());
        Ok(())
    }

    /// Adds a namespace for clients to join, with a slash in front of its name where there is none. Whoever asks for one that
    /// is not there gets `Invalid namespace`.
    ///
    /// # Errors
    ///
    /// [`Error::BadNamespace`] when there is one of this name.
    pub fn add_namespace(&mut self, name: &str) -> Result<NamespaceId, Error> {
        let _verb = Verb::begin();
        let name = with_slash(name);
        if self.sockets.find_namespace(&name).is_some() {
            return Err(Error::BadNamespace(name.into_owned()));
        }
        Ok(self.make_namespace(&name, false))
    }

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

    /// What a client that wants to join this namespace waits for.
    fn join_under_way(&self, session: EngineSessionId, name: &str) -> Option<Key> {
        let mut connects = self.sessions.get(session)?.client.connects().iter();
        let is_named = |join: &&Key| {
            self.connects
                .get(**join)
                .is_some_and(|j| &*j.namespace == name)
        };
        connects.find(is_named).copied()
    }

    /// A client does not want any more to join what it waits for; false where it waits for nothing of this name.
    pub(super) fn withdraw(&mut self, session: EngineSessionId, name: &str) -> bool {
        let join = self.join_under_way(session, name);
        join.and_then(|join| self.take_connect(join)).is_some()
    }

    fn begin_connect(&mut self, session: EngineSessionId, name: &str, payload: &str) {
        let key = self.connects.insert(PendingConnect {
            session,
            namespace: name.into(),
            payload: payload.into(),
            passed: 0,
            is_asked: false,
            beginning: None,
        });
        if let Some(client) = self.sessions.client_mut(session) {
            client.begin_connect(key);
        }
        self.push_join(key);
    }

    fn push_join(&mut self, key: Key) {
        if let Some(join) = self.connects.get(key) {
            let event = Event::ConnectRequested {
                ticket: ConnectId(key),
                namespace: join.namespace.to_string(),
                auth: auth_args(&join.payload),
                passed: join.passed,
            };
            self.push_event(event);
        }
    }

    /// Drops what a client waits for.
    pub(super) fn abandon_connects(&mut self, connects: Vec<Key>) {
        for join in connects {
            self.connects.remove(join);
        }
    }

    fn take_connect(&mut self, key: Key) -> Option<PendingConnect> {
        let join = self.connects.remove(key)?;
        if let Some(client) = self.sessions.client_mut(join.session) {
            client.end_connect(key);
        }
        Some(join)
    }

    pub(super) fn make_namespace(&mut self, name: &str, is_child: bool) -> NamespaceId {
        let has_log = self.config.recovery.is_some();
        let log = has_log.then(|| PacketLog::new(&mut *self.outside.environment.random));
        let namespace = self.sockets.add_namespace(name, is_child, log);
        self.push_event(Event::NamespaceCreated { namespace });
        namespace
    }

    fn complete_join(
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
    fn begin_with(&mut self, socket: SocketId, beginning: Option<Box<Beginning>>) {
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

    fn refuse_join(&mut self, session: EngineSessionId, namespace: &str, error: &ConnectError) {
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

fn auth_args(payload: &str) -> Args {
    let payload = if payload.is_empty() { "{}" } else { payload };
    Args::received(format!("[{payload}]"), 1, Vec::new())
}
