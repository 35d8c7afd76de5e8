//! Rooms, and what is done to all sockets of a target.

use super::Endpoint;
use crate::error::Error;
use crate::panics::Verb;
use crate::socket::{NamespaceId, SocketId, Target};

impl Endpoint {
    /// Puts a socket into a room, which thereby exists. Joining twice changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchSocket`], also for one that has disconnected and may come back, which has its rooms of before then;
    /// [`Error::ReservedRoom`] in `/` for names that begin with `progress:`, where there are progress sessions;
    /// [`Error::RoomNameTooLong`] and [`Error::TooManyRooms`] beyond
    /// [`Config::max_room_name_bytes`](crate::Config::max_room_name_bytes) and
    /// [`Config::max_rooms_per_socket`](crate::Config::max_rooms_per_socket).
    pub fn join(&mut self, socket: SocketId, room: &str) -> Result<(), Error> {
        let _verb = Verb::begin();
        let namespace = self.namespace_of(socket)?;
        if self.is_reserved_room(namespace, room) {
            return Err(Error::ReservedRoom(room.to_owned()));
        }
        self.enter(socket, room)
    }

    /// As [`Endpoint::join`], rooms of the library's own included.
    pub(super) fn enter(&mut self, socket: SocketId, room: &str) -> Result<(), Error> {
        let connected = self.sockets.get(socket);
        connected
            .filter(|socket| !socket.is_away())
            .ok_or(Error::NoSuchSocket)?;
        if room.len() > self.config.max_room_name_bytes {
            return Err(Error::RoomNameTooLong);
        }
        let is_full = self.sockets.room_count(socket) >= self.config.max_rooms_per_socket;
        if is_full && !self.sockets.rooms(socket).any(|joined| joined == room) {
            return Err(Error::TooManyRooms);
        }
        self.sockets.join(socket, room);
        Ok(())
    }

    /// Takes a socket out of a room. Leaving a room that it is not in changes nothing.
    pub fn leave(&mut self, socket: SocketId, room: &str) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.sockets.get(socket).ok_or(Error::NoSuchSocket)?;
        self.sockets.leave(socket, room);
        Ok(())
    }

    /// The rooms that a socket has joined, its own and those of progress sessions not among them.
    pub fn rooms(&self, socket: SocketId) -> impl Iterator<Item = &str> {
        let namespace = self.namespace_of(socket).ok();
        let is_reserved = move |room: &str| {
            namespace.is_some_and(|namespace| self.is_reserved_room(namespace, room))
        };
        let rooms = self.sockets.rooms(socket);
        rooms.filter(move |room| !is_reserved(room))
    }

    /// All rooms of a namespace that somebody has joined; those of sockets' own ids and of progress sessions are not among them.
    #[doc(alias = "sids")]
    pub fn all_rooms(&self, namespace: NamespaceId) -> impl Iterator<Item = &str> {
        let rooms = self.sockets.room_names(namespace);
        rooms.filter(move |room| !self.is_reserved_room(namespace, room))
    }

    /// The connected sockets of this server that a target means, each once; those that have lost their connection are not
    /// among them. [`Endpoint::fetch_cluster`] asks other servers too.
    pub fn fetch_sockets(&self, target: &Target) -> Vec<SocketId> {
        let mut selected = self.fetch_sockets_and_away(target);
        selected.retain(|socket| !self.is_away(*socket));
        selected
    }

    /// As [`Endpoint::fetch_sockets`], and those that have lost their connection and may come back: whoever an event reaches
    /// sooner or later.
    pub fn fetch_sockets_and_away(&self, target: &Target) -> Vec<SocketId> {
        let mut selected = Vec::new();
        self.sockets.select(target, &mut selected);
        selected.retain(|socket| self.sockets.get(*socket).is_some());
        selected
    }

    /// Puts all sockets that a target means into rooms.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::join`], of the first that cannot join; the others have joined all the same.
    pub fn sockets_join(&mut self, target: &Target, rooms: &[&str]) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.publish(target, |adapter, audience| adapter.join(audience, rooms));
        let mut outcome = Ok(());
        for socket in self.fetch_sockets(target) {
            for room in rooms {
                outcome = outcome.and(self.join(socket, room));
            }
        }
        outcome
    }

    /// Takes all sockets that a target means out of rooms.
    pub fn sockets_leave(&mut self, target: &Target, rooms: &[&str]) {
        let _verb = Verb::begin();
        self.publish(target, |adapter, audience| adapter.leave(audience, rooms));
        for socket in self.fetch_sockets(target) {
            for room in rooms {
                self.sockets.leave(socket, room);
            }
        }
    }

    /// Disconnects all sockets that a target means; with `close`, their clients from all namespaces.
    pub fn disconnect_sockets(&mut self, target: &Target, close: bool) {
        let _verb = Verb::begin();
        self.publish(target, |adapter, audience| {
            adapter.disconnect(audience, close)
        });
        for socket in self.fetch_sockets(target) {
            // One of them may have gone with another one's connection.
            let _ = self.disconnect(socket, close);
        }
    }
}
