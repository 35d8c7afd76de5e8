//! Whose a client is, and which progress sessions it may see for that.
//!
//! An owner is a text that the host gives a client, most often in a middleware, which does so again for a client that comes back. What
//! is private reaches clients by two rooms, of those who track a session and of those who are of one owner, and so finds its way
//! through broadcasts, recovery and clusters as everything else does. Nobody can be put into these rooms by their names.

use uuid::Uuid;

use super::progress::NAMESPACE;
use super::{ConnectId, Endpoint};
use crate::error::Error;
use crate::panics::Verb;
use crate::progress::{Audience, SessionInfo};
use crate::socket::{NamespaceId, SocketId};

/// How much of progress sessions a client sees, beside what is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// What is for everybody.
    #[default]
    Usual,
    /// Every session, whatever its audience: for those who look after the server.
    Everything,
    /// This session, and no other, whatever its audience; neither `data_updated` nor `system_alert`. Of events that hosts emit
    /// by themselves nothing is kept from it.
    Only(Uuid),
}

/// What the names of rooms begin with that belong to progress sessions.
const RESERVED: &str = "progress:";

/// Whose a socket is, kept with it as hosts keep what is theirs.
struct Owner {
    /// Nobody, where it is empty.
    name: Box<str>,
    /// A middleware has said so, and says it again when its client comes back.
    is_by_middleware: bool,
}

/// The sight of a socket, kept with it where it is not the usual one.
struct Sighted(Sight);

/// What one client sees of progress sessions where the host has no rule.
pub(super) struct Viewer<'a> {
    owner: Option<&'a str>,
    sight: Sight,
    /// What it tracks, in order; of one that sees one session alone, that one as long as it is remembered.
    tracked: Vec<Uuid>,
}

impl Viewer<'_> {
    /// Whether it may know of a session by its id; where it `is_listed`, whether it finds it in lists.
    pub fn sees(&self, session: &SessionInfo, is_listed: bool) -> bool {
        let is_its_own =
            || session.is_owned_by(self.owner) || self.tracked.binary_search(&session.id).is_ok();
        match self.sight {
            Sight::Everything => return true,
            Sight::Only(_) => return self.tracked.contains(&session.id),
            Sight::Usual => {}
        }
        match session.audience {
            Audience::Everybody => true,
            Audience::Trackers => !is_listed || is_its_own(),
            Audience::Owner => is_its_own(),
        }
    }
}

impl Endpoint {
    /// Says whose a client is: the owner of progress sessions ([`SessionOptions::owner`](crate::progress::SessionOptions::owner))
    /// whose events reach it and that it may list, track and cancel. An empty text says that it is nobody's. A client that is
    /// given to another owner tracks no private session any more.
    ///
    /// It holds for this socket, in this namespace; progress sessions are spoken of in `/`. To say it before a client joins, and again when it
    /// comes back, is the work of a middleware: [`Endpoint::set_connect_owner`].
    pub fn set_owner(&mut self, socket: SocketId, owner: &str) -> Result<(), Error> {
        let _verb = Verb::begin();
        self.sockets.get(socket).ok_or(Error::NoSuchSocket)?;
        self.give_to(socket, owner, false);
        Ok(())
    }

    /// Whose a client is, if it is anybody's.
    pub fn owner(&self, socket: SocketId) -> Option<&str> {
        let owner = &*self.data::<Owner>(socket)?.name;
        (!owner.is_empty()).then_some(owner)
    }

    /// Says whose a client will be once it has been let in.
    ///
    /// A client that comes back (recovery), and of whom middlewares say something else this time, gets a new socket: it does not
    /// hear what was meant for another owner.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTicket`].
    pub fn set_connect_owner(&mut self, ticket: ConnectId, owner: &str) -> Result<(), Error> {
        let _verb = Verb::begin();
        let beginning = self.beginning(ticket).ok_or(Error::NoSuchTicket)?;
        beginning.owner = Some(owner.into());
        Ok(())
    }

    /// Whose a client will be, as far as middlewares have said so.
    pub fn connect_owner(&self, ticket: ConnectId) -> Option<&str> {
        let owner = self.known_beginning(ticket)?.owner.as_deref();
        owner.filter(|owner| !owner.is_empty())
    }

    /// Says how much of progress sessions a client sees once it has been let in. A client that comes back (recovery), and of whom
    /// something else is said this time, gets a new socket.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchTicket`].
    pub fn set_connect_sight(&mut self, ticket: ConnectId, sight: Sight) -> Result<(), Error> {
        let _verb = Verb::begin();
        let beginning = self.beginning(ticket).ok_or(Error::NoSuchTicket)?;
        beginning.sight = sight;
        Ok(())
    }

    /// How much of progress sessions a client sees.
    pub fn sight(&self, socket: SocketId) -> Sight {
        let sighted = self.data::<Sighted>(socket);
        sighted.map_or(Sight::Usual, |sighted| sighted.0)
    }

    /// A socket begins with a sight.
    pub(super) fn give_sight(&mut self, socket: SocketId, sight: Sight) {
        if sight == Sight::Usual || !self.speaks_of_progress(socket) {
            return;
        }
        if let Some(data) = self.sockets.data_mut(socket) {
            data.insert(Sighted(sight));
        }
        match sight {
            Sight::Usual => {}
            Sight::Everything => drop(self.sockets.join(socket, OVERSEERS)),
            Sight::Only(id) => {
                self.sockets.join(socket, CONFINED);
                self.sockets.join(socket, &confined_room(id));
            }
        }
    }

    /// Whether a middleware has said of a socket, when it joined, something else than middlewares say of its client now.
    pub(super) fn has_changed_hands(&self, socket: SocketId, owner: Option<&str>) -> bool {
        let known = self.data::<Owner>(socket);
        match owner {
            Some(owner) => known.map_or("", |known| &*known.name) != owner,
            None => known.is_some_and(|known| known.is_by_middleware && !known.name.is_empty()),
        }
    }

    pub(super) fn give_to(&mut self, socket: SocketId, owner: &str, is_by_middleware: bool) {
        let before = self.owner(socket).unwrap_or_default().to_owned();
        if let Some(data) = self.sockets.data_mut(socket) {
            data.insert(Owner {
                name: owner.into(),
                is_by_middleware,
            });
        }
        if before == owner || !self.speaks_of_progress(socket) {
            return;
        }
        for id in self.tracked_by(socket) {
            if self
                .session_info_of(id)
                .is_some_and(|session| session.audience == Audience::Owner)
            {
                self.sockets.leave(socket, &room(id));
            }
        }
        self.sockets.leave(socket, &owners_room(&before));
        if !owner.is_empty() {
            self.sockets.join(socket, &owners_room(owner));
        }
    }

    /// What a client sees of progress sessions where the host has no rule.
    pub(super) fn viewer(&self, socket: SocketId) -> Viewer<'_> {
        let sight = self.sight(socket);
        let mut tracked = match sight {
            // A session that has its id later is another one.
            Sight::Only(id) => {
                let name = confined_room(id);
                let is_there = self.sockets.rooms(socket).any(|joined| joined == name);
                is_there.then_some(id).into_iter().collect()
            }
            Sight::Usual | Sight::Everything => self.tracked_by(socket),
        };
        tracked.sort_unstable();
        Viewer {
            owner: self.owner(socket),
            sight,
            tracked,
        }
    }

    pub(super) fn session_info_of(&self, id: Uuid) -> Option<SessionInfo> {
        self.tracking.tracker.as_ref()?.info(id)
    }

    /// Whether a room's name belongs to progress sessions, so that nobody is put into it by that.
    pub(super) fn is_reserved_room(&self, namespace: NamespaceId, room: &str) -> bool {
        room.starts_with(RESERVED)
            && self.tracking.tracker.is_some()
            && self.sockets.namespace_name(namespace) == Some(NAMESPACE)
    }

    pub(super) fn speaks_of_progress(&self, socket: SocketId) -> bool {
        let namespace = self.sockets.get(socket).map(|socket| socket.namespace);
        namespace.is_some_and(|namespace| self.is_reserved_room(namespace, RESERVED))
    }

    /// The sessions that a client tracks.
    pub(super) fn tracked_by(&self, socket: SocketId) -> Vec<Uuid> {
        let ids = self.sockets.rooms(socket).filter_map(|room| {
            let id = room.strip_prefix(RESERVED)?;
            Uuid::parse_str(id).ok()
        });
        ids.collect()
    }
}

/// The room of those who see everything.
pub(super) const OVERSEERS: &str = "progress:overseers";

/// The room of all those who see one session alone.
pub(super) const CONFINED: &str = "progress:confined";

/// The room of those who see this session alone.
pub(super) fn confined_room(id: Uuid) -> String {
    format!("{RESERVED}only:{id}")
}

/// The room of those who track a session.
pub(super) fn room(id: Uuid) -> String {
    format!("{RESERVED}{id}")
}

/// The room of all clients of one owner.
pub(super) fn owners_room(owner: &str) -> String {
    format!("{RESERVED}owner:{owner}")
}
