//! Who is connected to which namespace and sits in which room.

use std::collections::{HashMap, VecDeque};

use super::{Client, Encoded, PacketLog, Recovery, Target};
use crate::id::{IdText, Secret};
use crate::slots::{Key, Slots};

/// Names one connected socket: one client in one namespace. Stale once that socket has disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub(crate) Key);

/// Names one namespace of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceId(pub(crate) u16);

/// One client in one namespace.
#[derive(Debug)]
pub struct Socket {
    secret: Secret,
    /// The Engine.IO session that carries it.
    pub session: Key,
    pub namespace: NamespaceId,
    /// Place in the namespace's list of members.
    seat: u32,
    /// The rooms it is in, and its place in each one's list. The room of its own id is not stored.
    rooms: Vec<(Key, u32)>,
    /// Acknowledgements that the client owes, oldest first.
    pending_acks: VecDeque<u64>,
    /// Where connection state recovery is on.
    recovery: Option<Box<Recovery>>,
}

impl Socket {
    /// Whether its connection is gone, though it may come back.
    pub fn is_away(&self) -> bool {
        self.recovery
            .as_ref()
            .is_some_and(|recovery| recovery.is_away)
    }
}

#[derive(Debug)]
struct Room {
    name: Box<str>,
    members: Vec<SocketId>,
}

#[derive(Debug)]
struct Namespace {
    name: Box<str>,
    members: Vec<SocketId>,
    rooms: Slots<Room>,
    room_names: HashMap<Box<str>, Key>,
    /// Acknowledgements are numbered per namespace, over all of its sockets.
    next_ack: u64,
    /// What was sent, where connection state recovery is on.
    log: Option<PacketLog>,
}

/// All namespaces, sockets and rooms.
#[derive(Debug)]
pub struct Sockets {
    namespaces: Vec<Namespace>,
    sockets: Slots<Socket>,
    /// How many sockets have lost their connection and may come back.
    away: usize,
}

impl Sockets {
    /// With these namespaces and nobody in them.
    pub fn new(names: &[String], mut make_log: impl FnMut() -> Option<PacketLog>) -> Self {
        let namespaces = names
            .iter()
            .map(|name| Namespace {
                name: name.as_str().into(),
                members: Vec::new(),
                rooms: Slots::default(),
                room_names: HashMap::new(),
                next_ack: 0,
                log: make_log(),
            })
            .collect();
        Sockets {
            namespaces,
            sockets: Slots::default(),
            away: 0,
        }
    }

    /// The namespace of this name.
    pub fn find_namespace(&self, name: &str) -> Option<NamespaceId> {
        let index = self
            .namespaces
            .iter()
            .position(|namespace| &*namespace.name == name)?;
        Some(NamespaceId(index as u16))
    }

    /// Its name.
    pub fn namespace_name(&self, id: NamespaceId) -> &str {
        &self.namespaces[usize::from(id.0)].name
    }

    /// A socket that is connected.
    pub fn get(&self, id: SocketId) -> Option<&Socket> {
        self.sockets.get(id.0)
    }

    /// How many sockets are connected.
    pub fn count(&self) -> usize {
        self.sockets.count() - self.away
    }

    /// How many sockets have lost their connection and may come back.
    pub fn away_count(&self) -> usize {
        self.away
    }

    /// A socket's id as clients know it.
    pub fn id_text(&self, id: SocketId) -> Option<IdText> {
        Some(self.get(id)?.secret.id(id.0.index))
    }

    /// The socket with this id.
    pub fn find(&self, id_text: &str) -> Option<SocketId> {
        let (secret, index) = Secret::parse(id_text)?;
        let key = self.sockets.key_at(index)?;
        (self.sockets.get(key)?.secret == secret).then_some(SocketId(key))
    }

    /// Of a client's sockets, the one in this namespace.
    pub fn of_client(&self, client: &Client, namespace: NamespaceId) -> Option<SocketId> {
        let is_there = |id: &&SocketId| self.get(**id).is_some_and(|s| s.namespace == namespace);
        client.sockets.iter().find(is_there).copied()
    }

    /// Adds a socket to a namespace.
    pub fn connect(&mut self, secret: Secret, session: Key, namespace: NamespaceId) -> SocketId {
        let members = &mut self.namespaces[usize::from(namespace.0)].members;
        let seat = members.len() as u32;
        let id = SocketId(self.sockets.insert(Socket {
            secret,
            session,
            namespace,
            seat,
            rooms: Vec::new(),
            pending_acks: VecDeque::new(),
            recovery: None,
        }));
        members.push(id);
        id
    }

    /// Takes a socket out of its rooms and its namespace.
    pub fn disconnect(&mut self, id: SocketId) -> Option<Socket> {
        while let Some((room, _)) = self.get(id)?.rooms.last().copied() {
            self.leave_seat(id, room);
        }
        let socket = self.sockets.remove(id.0)?;
        self.away -= usize::from(socket.is_away());
        let members = &mut self.namespaces[usize::from(socket.namespace.0)].members;
        members.swap_remove(socket.seat as usize);
        if let Some(moved) = members.get(socket.seat as usize) {
            let moved = self
                .sockets
                .get_mut(moved.0)
                .expect("members are connected");
            moved.seat = socket.seat;
        }
        if members.is_empty() {
            *members = Vec::new();
        }
        Some(socket)
    }

    /// Puts a socket into a room; false when it was there already, or is gone.
    pub fn join(&mut self, id: SocketId, name: &str) -> bool {
        let Some(socket) = self.sockets.get_mut(id.0) else {
            return false;
        };
        let namespace = &mut self.namespaces[usize::from(socket.namespace.0)];
        let room = match namespace.room_names.get(name) {
            Some(room) => *room,
            None => {
                let room = namespace.rooms.insert(Room {
                    name: name.into(),
                    members: Vec::new(),
                });
                namespace.room_names.insert(name.into(), room);
                room
            }
        };
        if socket.rooms.iter().any(|(joined, _)| *joined == room) {
            return false;
        }
        let members = &mut namespace
            .rooms
            .get_mut(room)
            .expect("names lead to rooms")
            .members;
        socket.rooms.push((room, members.len() as u32));
        members.push(id);
        true
    }

    /// Takes a socket out of a room; false when it was not there.
    pub fn leave(&mut self, id: SocketId, name: &str) -> bool {
        let Some(socket) = self.get(id) else {
            return false;
        };
        let namespace = &self.namespaces[usize::from(socket.namespace.0)];
        match namespace.room_names.get(name) {
            Some(room) => self.leave_seat(id, *room),
            None => false,
        }
    }

    /// Takes everybody out of a room, which thereby is gone.
    pub fn clear_room(&mut self, namespace: &str, name: &str) {
        let room = self
            .namespaces
            .iter()
            .find(|known| &*known.name == namespace)
            .and_then(|namespace| {
                let key = *namespace.room_names.get(name)?;
                Some((key, namespace.rooms.get(key)?.members.clone()))
            });
        if let Some((key, members)) = room {
            for member in members {
                self.leave_seat(member, key);
            }
        }
    }

    /// The rooms a socket has joined, its own not among them.
    pub fn rooms(&self, id: SocketId) -> impl Iterator<Item = &str> {
        self.get(id).into_iter().flat_map(|socket| {
            let namespace = &self.namespaces[usize::from(socket.namespace.0)];
            socket.rooms.iter().map(|(room, _)| {
                let room = namespace.rooms.get(*room).expect("joined rooms exist");
                &*room.name
            })
        })
    }

    /// How many rooms a socket has joined.
    pub fn room_count(&self, id: SocketId) -> usize {
        self.get(id).map_or(0, |socket| socket.rooms.len())
    }

    /// Appends the sockets that a target means, each once.
    pub fn select(&self, target: &Target, out: &mut Vec<SocketId>) {
        let namespace = &self.namespaces[usize::from(target.namespace_id().0)];
        let start = out.len();
        match target.rooms() {
            [] => out.extend_from_slice(&namespace.members),
            rooms => {
                for room in rooms {
                    self.extend_from_room(target.namespace_id(), room, out);
                }
                if rooms.len() > 1 {
                    out[start..].sort_unstable();
                    out.dedup();
                }
            }
        }
        if let Some(except) = target.excepted_socket() {
            out.retain(|id| *id != except);
        }
        if !target.excepted_rooms().is_empty() {
            let mut excluded = Vec::new();
            for room in target.excepted_rooms() {
                self.extend_from_room(target.namespace_id(), room, &mut excluded);
            }
            excluded.sort_unstable();
            out.retain(|id| excluded.binary_search(id).is_err());
        }
    }

    /// Numbers an acknowledgement that a client is asked for; `None` when it owes `max_pending` already or is gone.
    pub fn ask_ack(&mut self, id: SocketId, max_pending: usize) -> Option<u64> {
        let socket = self.sockets.get_mut(id.0)?;
        if socket.pending_acks.len() >= max_pending {
            return None;
        }
        let next_ack = &mut self.namespaces[usize::from(socket.namespace.0)].next_ack;
        let ack = *next_ack;
        *next_ack += 1;
        socket.pending_acks.push_back(ack);
        Some(ack)
    }

    /// Takes an acknowledgement off the list of those owed; false when it is not on it.
    pub fn take_ack(&mut self, id: SocketId, ack: u64) -> bool {
        let Some(socket) = self.sockets.get_mut(id.0) else {
            return false;
        };
        // Acknowledgements mostly come in the order in which they were asked for, so the search ends at once.
        match socket
            .pending_acks
            .iter()
            .position(|pending| *pending == ack)
        {
            Some(index) => {
                socket.pending_acks.remove(index);
                true
            }
            None => false,
        }
    }

    /// Makes a socket one that can come back, and gives its `pid`. `None` where recovery is off.
    pub fn make_recoverable(&mut self, id: SocketId, secret: Secret) -> Option<IdText> {
        let socket = self.sockets.get_mut(id.0)?;
        let log = self.namespaces[usize::from(socket.namespace.0)]
            .log
            .as_ref()?;
        socket.recovery = Some(Box::new(Recovery::new(secret, log.last())));
        Some(secret.id(id.0.index))
    }

    /// A socket has lost its connection: true when it stays, in its rooms, and may come back.
    pub fn go_away(&mut self, id: SocketId, max_away: usize) -> bool {
        let has_room = self.away < max_away;
        let socket = self.sockets.get_mut(id.0);
        match socket.and_then(|socket| socket.recovery.as_mut()) {
            Some(recovery) if has_room && !recovery.is_away => {
                recovery.is_away = true;
                self.away += 1;
                true
            }
            _ => false,
        }
    }

    /// The socket that a returning client means.
    pub fn find_recoverable(&self, pid: &str, namespace: NamespaceId) -> Option<SocketId> {
        let (secret, index) = Secret::parse(pid)?;
        let key = self.sockets.key_at(index)?;
        let socket = self.sockets.get(key)?;
        let is_it = socket.recovery.as_ref()?.secret == secret && socket.namespace == namespace;
        is_it.then_some(SocketId(key))
    }

    /// What a socket has missed; `None` when that cannot be told any more.
    pub fn missed(
        &self,
        id: SocketId,
        offset: Option<&str>,
        max_bytes: usize,
    ) -> Option<Vec<Encoded>> {
        let socket = self.get(id)?;
        let log = self.namespaces[usize::from(socket.namespace.0)]
            .log
            .as_ref()?;
        let own = socket.secret.id(id.0.index);
        let is_in =
            |room: &str| room == own.as_str() || self.rooms(id).any(|joined| joined == room);
        log.missed(socket.recovery.as_ref()?, offset, max_bytes, |target| {
            target.means(id, is_in)
        })
    }

    /// A socket is back, on another session.
    pub fn come_back(&mut self, id: SocketId, session: Key) {
        if let Some(socket) = self.sockets.get_mut(id.0) {
            self.away -= usize::from(socket.is_away());
            socket.session = session;
            if let Some(recovery) = &mut socket.recovery {
                recovery.is_away = false;
            }
        }
    }

    /// The log of a namespace, where recovery is on.
    pub fn log(&mut self, namespace: NamespaceId) -> Option<&mut PacketLog> {
        self.namespaces[usize::from(namespace.0)].log.as_mut()
    }

    /// A ping is sent to a socket's client.
    pub fn note_ping(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.get_mut(id.0) {
            let log = &self.namespaces[usize::from(socket.namespace.0)].log;
            if let (Some(recovery), Some(log)) = (&mut socket.recovery, log) {
                recovery.pinged(log.last());
            }
        }
    }

    /// What is known of a socket for the case that it loses its connection.
    pub fn recovery(&mut self, id: SocketId) -> Option<&mut Recovery> {
        self.sockets.get_mut(id.0)?.recovery.as_deref_mut()
    }

    /// Checks that every list agrees with every other; panics where it does not. For tests.
    pub fn check_invariants(&self) {
        let mut seats = 0;
        for (index, namespace) in self.namespaces.iter().enumerate() {
            seats += namespace.members.len();
            for (seat, id) in namespace.members.iter().enumerate() {
                let socket = self.get(*id).expect("members are connected");
                assert_eq!(usize::from(socket.namespace.0), index);
                assert_eq!(socket.seat as usize, seat);
            }
            assert_eq!(namespace.rooms.count(), namespace.room_names.len());
            for (key, room) in namespace.rooms.iter() {
                assert!(!room.members.is_empty(), "empty rooms are gone");
                assert_eq!(namespace.room_names.get(&room.name), Some(&key));
                for (seat, id) in room.members.iter().enumerate() {
                    let socket = self.get(*id).expect("members are connected");
                    assert!(socket.rooms.contains(&(key, seat as u32)));
                }
            }
        }
        assert_eq!(seats, self.sockets.count());
        let is_away = |(_, socket): &(Key, &Socket)| socket.is_away();
        assert_eq!(self.away, self.sockets.iter().filter(is_away).count());
        for (_, socket) in self.sockets.iter() {
            let namespace = &self.namespaces[usize::from(socket.namespace.0)];
            for (room, _) in &socket.rooms {
                assert!(namespace.rooms.get(*room).is_some());
            }
        }
    }

    fn extend_from_room(&self, namespace_id: NamespaceId, name: &str, out: &mut Vec<SocketId>) {
        let namespace = &self.namespaces[usize::from(namespace_id.0)];
        if let Some(room) = namespace.room_names.get(name) {
            let room = namespace.rooms.get(*room).expect("names lead to rooms");
            out.extend_from_slice(&room.members);
        }
        if let Some(id) = self.find(name) {
            if self
                .get(id)
                .is_some_and(|socket| socket.namespace == namespace_id)
            {
                out.push(id);
            }
        }
    }

    fn leave_seat(&mut self, id: SocketId, room_key: Key) -> bool {
        let Some(socket) = self.sockets.get_mut(id.0) else {
            return false;
        };
        let Some(index) = socket.rooms.iter().position(|(room, _)| *room == room_key) else {
            return false;
        };
        let (_, seat) = socket.rooms.swap_remove(index);
        let namespace = &mut self.namespaces[usize::from(socket.namespace.0)];
        let room = namespace
            .rooms
            .get_mut(room_key)
            .expect("joined rooms exist");
        room.members.swap_remove(seat as usize);
        if let Some(moved) = room.members.get(seat as usize) {
            let moved = self
                .sockets
                .get_mut(moved.0)
                .expect("members are connected");
            let place = moved.rooms.iter_mut().find(|(room, _)| *room == room_key);
            place.expect("members know their room").1 = seat;
        }
        if room.members.is_empty() {
            let room = namespace.rooms.remove(room_key).expect("it was just there");
            namespace.room_names.remove(&room.name);
        }
        true
    }
}

#[cfg(test)]
mod tests;
