//! The host's account of what it has asked, of what it is asked, and of rooms.

use std::collections::{BTreeMap, BTreeSet};

use pulsewheel::{
    Args, AskId, ConnectError, Endpoint, Error, Event, ConnectId, NamespaceId, RoomChange, SocketId,
    Target,
};

/// What is open, and must not be at the end.
#[derive(Default)]
pub struct Ledger {
    /// Clients that wait to be let in, or have gone.
    tickets: Vec<ConnectId>,
    /// Acknowledgements that come or time out.
    timed: BTreeSet<(SocketId, u64)>,
    asks: BTreeSet<AskId>,
    rooms: BTreeMap<(NamespaceId, String), BTreeSet<SocketId>>,
    data: BTreeMap<SocketId, usize>,
}

impl Ledger {
    /// Takes the events that are its business, and gives back the others.
    pub fn handle(&mut self, endpoint: &mut Endpoint, event: Event) -> Option<Event> {
        match event {
            Event::ConnectRequested {
                ticket,
                namespace,
                auth,
                passed,
            } => self.connect_requested(endpoint, ticket, &namespace, &auth, passed),
            Event::Acknowledged { socket, id, .. } if self.timed.remove(&(socket, id)) => {}
            Event::AckTimedOut { socket, id } => {
                assert!(self.timed.remove(&(socket, id)), "once, if not answered");
            }
            Event::Answered { ask, .. } => assert!(self.asks.remove(&ask), "once"),
            Event::Fetched {
                ask, is_complete, ..
            } => assert!(self.asks.remove(&ask) && is_complete, "there is one server"),
            Event::Room {
                namespace,
                room,
                change,
            } => self.room_changed((namespace, room), &change),
            Event::NamespaceCreated { namespace } => {
                let name = endpoint.namespace_name(namespace);
                // Whoever made it may be gone again.
                assert!(name.is_none_or(|name| name.starts_with('/')));
            }
            Event::Emitted { args, .. } => assert!(!args.event_name().starts_with("connect")),
            Event::Disconnecting { socket, .. } => {
                self.check_data(endpoint, socket);
                return Some(event);
            }
            Event::Disconnected { socket, .. } => {
                self.check_data(endpoint, socket);
                // Where it is only away, or back already, it keeps what it has.
                let id = endpoint.socket_id(socket);
                let id = id.expect("it is known until the host has heard of its end");
                if endpoint.find_socket(id.as_str()).is_none() {
                    self.data.remove(&socket);
                }
                return Some(event);
            }
            Event::RecoveryExpired { socket, .. } => {
                self.check_data(endpoint, socket);
                self.data.remove(&socket);
                return Some(event);
            }
            other => return Some(other),
        }
        None
    }

    pub fn check_all_gone(&self) {
        assert!(self.timed.is_empty() && self.asks.is_empty());
        assert!(self.rooms.is_empty() && self.data.is_empty());
    }

    fn check_data(&self, endpoint: &Endpoint, socket: SocketId) {
        assert_eq!(endpoint.data(socket), self.data.get(&socket));
    }

    fn room_changed(&mut self, room: (NamespaceId, String), change: &RoomChange) {
        match change {
            RoomChange::Created => {
                let known = self.rooms.insert(room, BTreeSet::new());
                assert!(known.is_none(), "it was not there");
            }
            RoomChange::Joined(socket) => {
                let members = self.rooms.get_mut(&room).expect("it was created");
                assert!(members.insert(*socket));
            }
            RoomChange::Left(socket) => {
                let members = self.rooms.get_mut(&room).expect("it was created");
                assert!(members.remove(socket));
            }
            RoomChange::Deleted => {
                let members = self.rooms.remove(&room);
                assert!(members.is_some_and(|members| members.is_empty()));
            }
        }
    }

    /// Clients choose by the namespace's name and their payload what is decided.
    fn connect_requested(
        &mut self,
        endpoint: &mut Endpoint,
        ticket: ConnectId,
        namespace: &str,
        auth: &Args,
        passed: u32,
    ) {
        let text = [namespace, auth.raw(0).unwrap_or_default()].concat();
        let wants = |word: &str| text.contains(word);
        if wants("later") && self.tickets.len() < 8 {
            self.tickets.push(ticket);
        } else if wants("refused") {
            self.decide(endpoint, ticket, 1);
        } else if wants("steps") && passed < 3 {
            self.decide(endpoint, ticket, 2);
        } else {
            self.decide(endpoint, ticket, 0);
        }
    }

    fn decide(&mut self, endpoint: &mut Endpoint, ticket: ConnectId, what: usize) {
        let is_open = endpoint.connect_request(ticket).is_some();
        let decided = match what % 4 {
            0 => endpoint.accept_connect(ticket).map(|_| ()),
            1 => {
                let error = ConnectError::new("refused").with_data(&what);
                endpoint.refuse_connect(ticket, &error.expect("a number is JSON"))
            }
            2 => endpoint.pass_connect(ticket),
            _ => {
                let kept = endpoint.set_connect_data(ticket, what);
                let socket = endpoint.accept_connect(ticket);
                self.data
                    .extend(socket.iter().map(|socket| (*socket, what)));
                kept.and(socket.map(|_| ()))
            }
        };
        match decided {
            Ok(()) => assert!(is_open),
            Err(Error::NoSuchTicket) => assert!(!is_open, "only where the client is gone"),
            Err(Error::BadNamespace(_)) => assert!(is_open),
            Err(other) => panic!("{other}"),
        }
    }

    /// Decides on a client that waits.
    pub fn decide_late(&mut self, endpoint: &mut Endpoint, number: usize, what: usize) {
        if !self.tickets.is_empty() {
            let ticket = self.tickets.remove(number % self.tickets.len());
            self.decide(endpoint, ticket, what);
        }
    }

    /// Asks one client and waits no longer than that.
    pub fn ask(&mut self, endpoint: &mut Endpoint, socket: SocketId, timeout_ms: u64) {
        let asked = endpoint.emit_with_ack_within(socket, "timed", &Args::none(), timeout_ms);
        self.timed.extend(asked.ok().map(|id| (socket, id)));
    }

    /// Asks many clients, or for many sockets, and waits no longer than that.
    pub fn ask_many(&mut self, endpoint: &mut Endpoint, target: &Target, timeout_ms: u64) {
        let asked = endpoint.broadcast_with_ack(target, "many", &Args::none(), timeout_ms);
        self.asks.extend(asked.ok());
        self.asks.insert(endpoint.fetch_cluster(target, timeout_ms));
    }

    /// Keeps something with a socket that is connected.
    pub fn keep(&mut self, endpoint: &mut Endpoint, socket: SocketId, what: usize) {
        endpoint
            .set_data(socket, what)
            .expect("the socket is connected");
        self.data.insert(socket, what);
    }
}
