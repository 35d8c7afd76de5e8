//! Rooms, and who is meant by a target.

use super::{NamespaceId, SocketId, Sockets, Stage};
use crate::slots::Key;
use crate::socket::Target;

/// What becomes of rooms, in the words of the reference's adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomChange {
    /// `create-room`: the room has its first member.
    Created,
    /// `join-room`.
    Joined(SocketId),
    /// `leave-room`.
    Left(SocketId),
    /// `delete-room`: its last member has left.
    Deleted,
}

/// A room, which is there as long as somebody is in it.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: Box<str>,
    pub(super) members: Vec<SocketId>,
}

impl Sockets {
    /// Puts a socket into a room; false when it was there already, as in the room of its own id, or is gone.
    pub fn join(&mut self, id: SocketId, name: &str) -> bool {
        let Some(socket) = self.sockets.get_mut(id.0) else {
            return false;
        };
        let is_own = || socket.secret.id(id.0.index).as_str() == name;
        if socket.stage != Stage::Connected || is_own() {
            return false;
        }
        let namespace_id = socket.namespace;
        let Some(namespace) = self.namespaces.get_mut(namespace_id.0) else {
            return false;
        };
        let known = namespace.room_names.get(name).copied();
        let room = known.unwrap_or_else(|| {
            let room = namespace.rooms.insert(Room {
                name: name.into(),
                members: Vec::new(),
            });
            namespace.room_names.insert(name.into(), room);
            room
        });
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
        if known.is_none() {
            self.note(namespace_id, name, RoomChange::Created);
        }
        self.note(namespace_id, name, RoomChange::Joined(id));
        true
    }

    /// Takes a socket out of a room; false when it was not there.
    pub fn leave(&mut self, id: SocketId, name: &str) -> bool {
        let room = self
            .get(id)
            .and_then(|socket| self.namespaces.get(socket.namespace.0))
            .and_then(|namespace| namespace.room_names.get(name).copied());
        room.is_some_and(|room| self.leave_room(id, room))
    }

    /// Takes everybody out of a room, which thereby is gone.
    pub fn clear_room(&mut self, namespace: &str, name: &str) {
        let namespace = self
            .find_namespace(namespace)
            .and_then(|id| self.namespaces.get(id.0));
        let room = namespace.and_then(|namespace| {
            let key = *namespace.room_names.get(name)?;
            Some((key, namespace.rooms.get(key)?.members.clone()))
        });
        if let Some((key, members)) = room {
            for member in members {
                self.leave_room(member, key);
            }
        }
    }

    /// The rooms a socket has joined, its own not among them.
    pub fn rooms(&self, id: SocketId) -> impl Iterator<Item = &str> {
        self.get_known(id).into_iter().flat_map(|socket| {
            let namespace = self.namespaces.get(socket.namespace.0);
            socket.rooms.iter().filter_map(move |(room, _)| {
                let room = namespace?.rooms.get(*room);
                Some(&*room.expect("joined rooms exist").name)
            })
        })
    }

    /// The names of a namespace's rooms, those of socket ids not among them.
    pub fn room_names(&self, namespace: NamespaceId) -> impl Iterator<Item = &str> {
        let namespace = self.namespaces.get(namespace.0).into_iter();
        namespace.flat_map(|namespace| namespace.rooms.iter().map(|(_, room)| &*room.name))
    }

    /// Whether anybody is in a room of this name.
    pub fn has_room(&self, namespace: NamespaceId, name: &str) -> bool {
        let namespace = self.namespaces.get(namespace.0);
        namespace.is_some_and(|namespace| namespace.room_names.contains_key(name))
    }

    /// How many rooms a socket has joined.
    pub fn room_count(&self, id: SocketId) -> usize {
        self.get(id).map_or(0, |socket| socket.rooms.len())
    }

    /// The sockets that a target means, each once, in memory that is to be given back by [`Sockets::keep_selected`].
    pub fn take_selected(&mut self, target: &Target) -> Vec<SocketId> {
        let mut selected = std::mem::take(&mut self.selected);
        self.select(target, &mut selected);
        selected
    }

    /// Keeps the memory of a selection for the next one.
    pub fn keep_selected(&mut self, mut selected: Vec<SocketId>) {
        selected.clear();
        self.selected = selected;
    }

    /// Appends the sockets that a target means, each once.
    pub fn select(&self, target: &Target, out: &mut Vec<SocketId>) {
        let Some(namespace) = self.namespaces.get(target.namespace_id().0) else {
            return;
        };
        let start = out.len();
        match target.rooms() {
            _ if target.only_socket().is_some() => {
                let is_there = |id: &SocketId| {
                    let socket = self.get(*id);
                    socket.is_some_and(|socket| socket.namespace == target.namespace_id())
                };
                out.extend(target.only_socket().filter(is_there));
            }
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

    /// What has become of a room, oldest first, each change once.
    pub fn next_change(&mut self) -> Option<(NamespaceId, Box<str>, RoomChange)> {
        self.changes.as_mut()?.pop_front()
    }

    /// Whether [`Sockets::next_change`] has something to tell.
    pub fn has_changes(&self) -> bool {
        let changes = self.changes.as_ref();
        changes.is_some_and(|changes| !changes.is_empty())
    }

    fn extend_from_room(&self, namespace_id: NamespaceId, name: &str, out: &mut Vec<SocketId>) {
        let Some(namespace) = self.namespaces.get(namespace_id.0) else {
            return;
        };
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

    pub(super) fn leave_room(&mut self, id: SocketId, room_key: Key) -> bool {
        let Some(socket) = self.sockets.get_mut(id.0) else {
            return false;
        };
        let Some(index) = socket.rooms.iter().position(|(room, _)| *room == room_key) else {
            return false;
        };
        let (_, member_index) = socket.rooms.remove(index);
        let namespace = socket.namespace;
        self.vacate(id, namespace, room_key, index, member_index);
        true
    }

    /// Takes a socket off the members of a room, which has been at `index` of its rooms. The member that takes its place is likely to have
    /// the room at the same index.
    pub(super) fn vacate(
        &mut self,
        id: SocketId,
        namespace_id: NamespaceId,
        room_key: Key,
        index: usize,
        member_index: u32,
    ) {
        let Some(namespace) = self.namespaces.get_mut(namespace_id.0) else {
            return;
        };
        let room = namespace.rooms.get_mut(room_key);
        let room = room.expect("joined rooms exist");
        room.members.swap_remove(member_index as usize);
        if let Some(moved) = room.members.get(member_index as usize) {
            let moved = self.sockets.get_mut(moved.0).expect("members are there");
            let is_it = |(room, _): &(Key, u32)| *room == room_key;
            let index = match moved.rooms.get(index).is_some_and(is_it) {
                true => Some(index),
                false => moved.rooms.iter().position(is_it),
            };
            moved.rooms[index.expect("members know their room")].1 = member_index;
        }
        let is_empty = room.members.is_empty();
        if let Some(changes) = &mut self.changes {
            changes.push_back((namespace_id, room.name.clone(), RoomChange::Left(id)));
            if is_empty {
                changes.push_back((namespace_id, room.name.clone(), RoomChange::Deleted));
            }
        }
        if is_empty {
            let room = namespace.rooms.remove(room_key).expect("it was just there");
            namespace.room_names.remove(&room.name);
        }
    }

    fn note(&mut self, namespace: NamespaceId, room: &str, change: RoomChange) {
        if let Some(changes) = &mut self.changes {
            changes.push_back((namespace, room.into(), change));
        }
    }

    /// The room of a socket's own id is not stored, but it comes and goes like any other.
    pub(super) fn note_own_room(&mut self, id: SocketId, what: [RoomChange; 2]) {
        if self.changes.is_none() {
            return;
        }
        let namespace = self.get_known(id).map(|socket| socket.namespace);
        if let (Some(namespace), Some(name)) = (namespace, self.id_text(id)) {
            for change in what {
                self.note(namespace, name.as_str(), change);
            }
        }
    }
}
