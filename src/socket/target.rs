//! Whom an event goes to.

use super::{NamespaceId, SocketId};

/// Whom an event goes to: sockets of one namespace.
///
/// Without rooms it is everybody there; with several rooms whoever is in any of them, once. A socket's id counts as the
/// name of a room that holds that socket. Each method makes another target and leaves the one before as it was, if that
/// was cloned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    namespace: NamespaceId,
    rooms: Vec<String>,
    except_rooms: Vec<String>,
    one: One,
    is_volatile: bool,
    is_local: bool,
    is_uncompressed: bool,
}

/// What a target says of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum One {
    None,
    /// That it is left out.
    Except(SocketId),
    /// That it is meant, and nobody else.
    Only(SocketId),
}

impl Target {
    /// Names of the rooms, or nothing for everybody.
    pub fn rooms(&self) -> &[String] {
        &self.rooms
    }

    /// Names of the rooms whose members are left out.
    pub fn excepted_rooms(&self) -> &[String] {
        &self.except_rooms
    }

    /// The socket that is left out.
    pub fn excepted_socket(&self) -> Option<SocketId> {
        match self.one {
            One::Except(socket) => Some(socket),
            _ => None,
        }
    }

    /// Everybody in this namespace.
    pub fn namespace(namespace: NamespaceId) -> Target {
        Target {
            namespace,
            rooms: Vec::new(),
            except_rooms: Vec::new(),
            one: One::None,
            is_volatile: false,
            is_local: false,
            is_uncompressed: false,
        }
    }

    /// Whoever is in this room too.
    pub fn to(mut self, room: impl Into<String>) -> Target {
        self.rooms.push(room.into());
        self
    }

    /// Another word for [`Target::to`].
    pub fn within(self, room: impl Into<String>) -> Target {
        self.to(room)
    }

    /// Nobody of this room.
    pub fn except(mut self, room: impl Into<String>) -> Target {
        self.except_rooms.push(room.into());
        self
    }

    /// Not this socket.
    pub fn except_socket(mut self, socket: SocketId) -> Target {
        self.one = One::Except(socket);
        self
    }

    /// Nobody but this socket of this server, though others may be in a room that has its id for a name.
    pub(crate) fn only(mut self, socket: SocketId) -> Target {
        self.one = One::Only(socket);
        self.local()
    }

    /// The one socket that is meant, where it is one.
    pub(crate) fn only_socket(&self) -> Option<SocketId> {
        match self.one {
            One::Only(socket) => Some(socket),
            _ => None,
        }
    }

    /// Only those that can take it at once: whose client waits for it and has nothing else waiting.
    pub fn volatile(mut self) -> Target {
        self.is_volatile = true;
        self
    }

    /// Only sockets of this server, not those of others in a cluster.
    pub fn local(mut self) -> Target {
        self.is_local = true;
        self
    }

    /// Whether answers to polls may be compressed for what goes to this target. Default true.
    pub fn compress(mut self, compress: bool) -> Target {
        self.is_uncompressed = !compress;
        self
    }

    /// Whether it is dropped where it would have to wait.
    pub fn is_volatile(&self) -> bool {
        self.is_volatile
    }

    /// The namespace of the sockets.
    pub fn namespace_id(&self) -> NamespaceId {
        self.namespace
    }

    /// Whether only sockets of this server are meant.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether what goes to it may be compressed.
    pub fn is_compressed(&self) -> bool {
        !self.is_uncompressed
    }
}

/// Rooms by their names: one, or several.
///
/// ```
/// use pulsewheel::IntoRooms;
///
/// assert_eq!("ops".into_rooms(), ["ops"]);
/// assert_eq!(["ops", "sre"].into_rooms(), ["ops", "sre"]);
/// ```
pub trait IntoRooms: Sized {
    /// Their names.
    fn into_rooms(self) -> Vec<String>;

    /// Does something with each of them, until that fails.
    fn try_each<E>(self, act: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        let mut act = act;
        self.into_rooms().iter().try_for_each(|room| act(room))
    }
}

impl IntoRooms for &str {
    fn into_rooms(self) -> Vec<String> {
        vec![self.to_owned()]
    }

    fn try_each<E>(self, mut act: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        act(self)
    }
}

impl IntoRooms for String {
    fn into_rooms(self) -> Vec<String> {
        vec![self]
    }
}

impl IntoRooms for &String {
    fn into_rooms(self) -> Vec<String> {
        vec![self.clone()]
    }

    fn try_each<E>(self, act: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        self.as_str().try_each(act)
    }
}

impl<T: Into<String>, const N: usize> IntoRooms for [T; N] {
    fn into_rooms(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: Into<String>> IntoRooms for Vec<T> {
    fn into_rooms(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: AsRef<str>> IntoRooms for &[T] {
    fn into_rooms(self) -> Vec<String> {
        self.iter().map(|room| room.as_ref().to_owned()).collect()
    }
}
