//! Clients that wait for the host to let them into a namespace, and what it decides.

use std::any::Any;

use super::recovery::Asked;
use super::{ClientInfo, ConnectId, Endpoint, Event, Sight};
use crate::data::Data;
use crate::error::Error;
use crate::id::EngineSessionId;
use crate::panics::Verb;
use crate::slots::Key;
use crate::socket::{with_slash, Args, ConnectError, NamespaceId, SocketId};

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
    pub data: Data,
    /// The rooms that it is to be in.
    pub rooms: Vec<Box<str>>,
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

    /// What a client that wants to join this namespace waits for.
    pub(super) fn join_under_way(&self, session: EngineSessionId, name: &str) -> Option<Key> {
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

    /// A client waits for the host to let it into a namespace.
    pub(super) fn begin_connect(&mut self, session: EngineSessionId, name: &str, payload: &str) {
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
}

pub(super) fn auth_args(payload: &str) -> Args {
    let payload = if payload.is_empty() { "{}" } else { payload };
    Args::received(format!("[{payload}]"), 1, Vec::new())
}
