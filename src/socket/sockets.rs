//! Who is connected to which namespace and sits in which room.

mod acks;
mod away;
mod check;
mod rooms;
#[cfg(test)]
mod tests;

pub use away::Keeping;
pub use rooms::RoomChange;

use acks::OwedAcks;
use rooms::Room;

use std::collections::{HashMap, VecDeque};

use super::{Client, PacketLog, Recovery};
use crate::data::Data;
use crate::id::{EngineSessionId, IdText, Secret};
use crate::slots::{Key, Slots};

/// Names one connected socket: one client in one namespace. Stale once that socket has disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub(crate) Key);

/// Names one namespace of an endpoint. Stale once that namespace is gone, as only dynamic ones ever are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceId(pub(crate) Key);

/// One client in one namespace.
#[derive(Debug)]
pub struct Socket {
    secret: Secret,
    /// The Engine.IO session that carries it.
    pub session: EngineSessionId,
    pub namespace: NamespaceId,
    /// Place in the namespace's list of members.
    member_index: u32,
    stage: Stage,
    /// The rooms it is in, and its place in each one's list. The room of its own id is not stored.
    rooms: Vec<(Key, u32)>,
    cold: Option<Box<ColdState>>,
}

/// How far the end of a socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connected,
    /// It has disconnected, and the host is being told: its rooms are still there.
    Leaving,
    /// It is in no room any more; what is known of it is there until the host has heard of its end.
    Left,
}

/// What many sockets do without.
#[derive(Debug, Default)]
struct ColdState {
    /// Acknowledgements that the client owes.
    pending_acks: OwedAcks,
    /// Where connection state recovery is on.
    recovery: Option<Recovery>,
    /// The auth payload, unless it was empty.
    auth: Option<Box<str>>,
    /// Whatever the host keeps with it.
    data: Data,
}

impl Socket {
    /// Whether its connection is gone, though it may come back.
    pub fn is_away(&self) -> bool {
        self.recovery().is_some_and(|recovery| recovery.is_away)
    }

    fn recovery(&self) -> Option<&Recovery> {
        self.cold.as_ref()?.recovery.as_ref()
    }

    fn recovery_mut(&mut self) -> Option<&mut Recovery> {
        self.cold.as_mut()?.recovery.as_mut()
    }

    fn cold(&mut self) -> &mut ColdState {
        self.cold.get_or_insert_default()
    }
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
    /// It was made for a client that wanted to join it.
    is_child: bool,
    /// Sockets that are not forgotten yet.
    users: u32,
}

/// All namespaces, sockets and rooms.
#[derive(Debug, Default)]
pub struct Sockets {
    namespaces: Slots<Namespace>,
    namespace_names: HashMap<Box<str>, NamespaceId>,
    children: usize,
    sockets: Slots<Socket>,
    /// How many sockets have lost their connection and may come back.
    away: usize,
    /// How many have disconnected and are not forgotten yet.
    leaving: usize,
    /// Bytes that all namespaces' logs keep.
    log_bytes: usize,
    /// What has become of rooms since it was last looked at, where anybody wants to know.
    changes: Option<VecDeque<(NamespaceId, Box<str>, RoomChange)>>,
    /// Memory for the sockets that a broadcast goes to.
    selected: Vec<SocketId>,
}

impl Sockets {
    /// With nobody connected; `notes_rooms` says whether [`Sockets::next_change`] is of use.
    pub fn new(notes_rooms: bool) -> Self {
        Sockets {
            changes: notes_rooms.then(VecDeque::new),
            ..Sockets::default()
        }
    }

    /// From now on [`Sockets::next_change`] is of use.
    pub fn note_rooms(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// All sockets, those included whose end the host has not heard of yet.
    pub fn known(&self) -> impl Iterator<Item = SocketId> + '_ {
        self.sockets.iter().map(|(key, _)| SocketId(key))
    }

    /// Adds a namespace that is not there yet. A child is one that was made for a client.
    pub fn add_namespace(
        &mut self,
        name: &str,
        is_child: bool,
        log: Option<PacketLog>,
    ) -> NamespaceId {
        debug_assert!(self.find_namespace(name).is_none());
        self.children += usize::from(is_child);
        let id = NamespaceId(self.namespaces.insert(Namespace {
            name: name.into(),
            members: Vec::new(),
            rooms: Slots::default(),
            room_names: HashMap::new(),
            next_ack: 0,
            log,
            is_child,
            users: 0,
        }));
        self.namespace_names.insert(name.into(), id);
        id
    }

    /// Removes a child in which nobody is any more.
    pub fn remove_if_deserted(&mut self, id: NamespaceId) {
        let is_deserted = |namespace: &Namespace| namespace.is_child && namespace.users == 0;
        if self.namespaces.get(id.0).is_some_and(is_deserted) {
            if let Some(namespace) = self.namespaces.remove(id.0) {
                self.namespace_names.remove(&namespace.name);
                self.children -= 1;
                self.drop_log(namespace.log);
            }
        }
    }

    /// The namespace of this name.
    pub fn find_namespace(&self, name: &str) -> Option<NamespaceId> {
        self.namespace_names.get(name).copied()
    }

    /// Its name, unless it is gone.
    pub fn namespace_name(&self, id: NamespaceId) -> Option<&str> {
        Some(&self.namespaces.get(id.0)?.name)
    }

    /// All namespaces, oldest slots first.
    pub fn namespaces(&self) -> impl Iterator<Item = (NamespaceId, &str)> {
        let named = |(key, namespace): (Key, _)| -> (NamespaceId, &str) {
            let namespace: &Namespace = namespace;
            (NamespaceId(key), &namespace.name)
        };
        self.namespaces.iter().map(named)
    }

    /// How many namespaces were made for clients.
    pub fn child_count(&self) -> usize {
        self.children
    }

    /// A socket that is connected.
    pub fn get(&self, id: SocketId) -> Option<&Socket> {
        let socket = self.sockets.get(id.0)?;
        (socket.stage == Stage::Connected).then_some(socket)
    }

    /// A socket that is connected, or whose end the host has not heard of yet.
    pub fn get_known(&self, id: SocketId) -> Option<&Socket> {
        self.sockets.get(id.0)
    }

    /// How many sockets are connected.
    pub fn count(&self) -> usize {
        self.sockets.count() - self.away - self.leaving
    }

    /// How many sockets have lost their connection and may come back.
    pub fn away_count(&self) -> usize {
        self.away
    }

    /// A socket's id as clients know it.
    pub fn id_text(&self, id: SocketId) -> Option<IdText> {
        Some(self.get_known(id)?.secret.id(id.0.index))
    }

    /// The socket with this id.
    pub fn find(&self, id_text: &str) -> Option<SocketId> {
        let (secret, index) = Secret::parse(id_text)?;
        let key = self.sockets.key_at(index)?;
        (self.get(SocketId(key))?.secret == secret).then_some(SocketId(key))
    }

    /// Of a client's sockets, the one in the namespace of this name.
    pub fn of_client(&self, client: &Client, namespace: &str) -> Option<SocketId> {
        // Most clients are in one namespace, so comparing names costs less than looking one up.
        let is_there = |id: &SocketId| {
            self.get(*id)
                .and_then(|socket| self.namespace_name(socket.namespace))
                .is_some_and(|name| name == namespace)
        };
        client.sockets().find(is_there)
    }

    /// Adds a socket to a namespace, which has to be there.
    pub fn connect(
        &mut self,
        secret: Secret,
        session: EngineSessionId,
        namespace: NamespaceId,
    ) -> SocketId {
        let place = self.namespaces.get_mut(namespace.0);
        let place = place.expect("whoever joins a namespace has just found it");
        let id = SocketId(self.sockets.insert(Socket {
            secret,
            session,
            namespace,
            member_index: place.members.len() as u32,
            stage: Stage::Connected,
            rooms: Vec::new(),
            cold: None,
        }));
        place.users += 1;
        place.members.push(id);
        self.note_own_room(id, [RoomChange::Created, RoomChange::Joined(id)]);
        id
    }

    /// A socket has disconnected: nothing reaches it any more, though its rooms are still there. False when it was not
    /// connected.
    pub fn begin_leaving(&mut self, id: SocketId) -> bool {
        let Some(socket) = self.sockets.get_mut(id.0) else {
            return false;
        };
        if socket.stage != Stage::Connected {
            return false;
        }
        socket.stage = Stage::Leaving;
        let was_away = socket.is_away();
        if let Some(recovery) = socket.recovery_mut() {
            recovery.is_away = false;
        }
        self.away -= usize::from(was_away);
        self.leaving += 1;
        true
    }

    /// Takes a socket that is leaving out of its rooms and its namespace. False when it is not leaving.
    pub fn leave_all(&mut self, id: SocketId) -> bool {
        let is_leaving = |socket: &Socket| socket.stage == Stage::Leaving;
        if !self.sockets.get(id.0).is_some_and(is_leaving) {
            return false;
        }
        // In the order in which it has joined them, its own first.
        self.note_own_room(id, [RoomChange::Left(id), RoomChange::Deleted]);
        let Some(socket) = self.sockets.get_mut(id.0) else {
            return false;
        };
        let (namespace, rooms) = (socket.namespace, std::mem::take(&mut socket.rooms));
        for (index, (room, member_index)) in rooms.into_iter().enumerate() {
            self.vacate(id, namespace, room, index, member_index);
        }
        let Some(socket) = self.sockets.get_mut(id.0) else {
            return false;
        };
        socket.stage = Stage::Left;
        let (member_index, namespace) = (socket.member_index, socket.namespace);
        let Some(Namespace { members, .. }) = self.namespaces.get_mut(namespace.0) else {
            return false;
        };
        members.swap_remove(member_index as usize);
        if let Some(moved) = members.get(member_index as usize) {
            let moved = self.sockets.get_mut(moved.0);
            moved.expect("members are there").member_index = member_index;
        }
        if members.is_empty() {
            *members = Vec::new();
        }
        true
    }

    /// Forgets a socket that has left.
    pub fn forget(&mut self, id: SocketId) -> Option<NamespaceId> {
        let is_left = |socket: &Socket| socket.stage == Stage::Left;
        if !self.sockets.get(id.0).is_some_and(is_left) {
            return None;
        }
        self.leaving -= 1;
        let socket = self.sockets.remove(id.0)?;
        if let Some(namespace) = self.namespaces.get_mut(socket.namespace.0) {
            namespace.users -= 1;
        }
        Some(socket.namespace)
    }

    /// The auth payload that a socket's client sent, as JSON text.
    pub fn auth(&self, id: SocketId) -> Option<&str> {
        let cold = self.get_known(id)?.cold.as_ref();
        Some(cold.and_then(|cold| cold.auth.as_deref()).unwrap_or("{}"))
    }

    /// Keeps the auth payload of a socket's client, as JSON text.
    pub fn set_auth(&mut self, id: SocketId, auth: &str) {
        if let Some(socket) = self.sockets.get_mut(id.0).filter(|_| auth != "{}") {
            socket.cold().auth = Some(auth.into());
        }
    }

    /// What the host keeps with a socket.
    pub fn data(&self, id: SocketId) -> Option<&Data> {
        Some(&self.get_known(id)?.cold.as_ref()?.data)
    }

    /// What the host keeps with a socket, to change. Looking for the place makes it.
    pub fn data_mut(&mut self, id: SocketId) -> Option<&mut Data> {
        Some(&mut self.sockets.get_mut(id.0)?.cold().data)
    }

    /// The number of the namespace's next question to a client, or to many at a time.
    pub fn next_ack(&mut self, namespace: NamespaceId) -> Option<u64> {
        let next_ack = &mut self.namespaces.get_mut(namespace.0)?.next_ack;
        let ack = *next_ack;
        *next_ack += 1;
        Some(ack)
    }

    /// How many acknowledgements a client owes.
    pub fn pending_acks(&self, id: SocketId) -> usize {
        let cold = self.get(id).and_then(|socket| socket.cold.as_ref());
        cold.map_or(0, |cold| cold.pending_acks.len())
    }

    /// Puts an acknowledgement on the list of those that a client owes.
    pub fn ask_ack(&mut self, id: SocketId, ack: u64) {
        if let Some(socket) = self.sockets.get_mut(id.0) {
            socket.cold().pending_acks.insert(ack);
        }
    }

    /// Takes an acknowledgement off the list of those owed; false when it is not on it.
    pub fn take_ack(&mut self, id: SocketId, ack: u64) -> bool {
        let socket = self.sockets.get_mut(id.0);
        let cold = socket.and_then(|socket| socket.cold.as_mut());
        cold.is_some_and(|cold| cold.pending_acks.take(&ack))
    }
}
