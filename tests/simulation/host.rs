//! The host: handles what clients send, does what the script says, and keeps account of what it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::book::{padding, Book, Owed};
use super::held::inside;
use super::producer::Work;
use super::script::{Step, Verb};
use pulsewheel::{
    AckId, Admission, AdmissionId, Args, AskId, ConnectError, ConnectId, Endpoint, Error, Event,
    Message, SocketId, Target,
};

/// What a client has missed is chosen by the rooms that it is in when it comes back, as in the reference: the books, which go
/// by the rooms at the time of each packet, can follow only while rooms stay as they are.
const ROOMS_CHANGE_UNDER_RECOVERY: bool = false;
/// The excuse of clients about whom it decides late.
pub const HOST_IS_LATE: &str = "the host takes its time";
const ROOMS: [&str; 4] = ["red", "green", "blue", "a room with a longer name"];

#[derive(Default)]
pub struct Host {
    sockets: BTreeSet<SocketId>,
    /// Of honest clients.
    known: Vec<SocketId>,
    rooms: BTreeMap<SocketId, BTreeSet<&'static str>>,
    acks: VecDeque<(AckId, u64)>,
    /// Acknowledgements that clients owe, for ever or for some time.
    asked: BTreeSet<(SocketId, u64)>,
    timed: BTreeSet<(SocketId, u64)>,
    asks: BTreeSet<AskId>,
    connects: VecDeque<ConnectId>,
    admissions: VecDeque<AdmissionId>,
    gone: Vec<SocketId>,
    spent_acks: Vec<AckId>,
    pub work: Vec<Work>,
    pub decides_late: bool,
    decisions: u64,
}

/// Which client, in which epoch, a query speaks of.
fn tag(query: &str) -> Option<(usize, u64)> {
    let value = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name))
            .and_then(|text| text.parse().ok())
    };
    Some((value("c=")? as usize, value("e=")?))
}

impl Host {
    pub fn handle(&mut self, endpoint: &mut Endpoint, event: Event, book: &mut Book) {
        match event {
            Event::Connected {
                socket,
                namespace,
                is_recovered,
                ..
            } => {
                assert!(self.sockets.insert(socket), "it connects once");
                if !is_recovered {
                    self.rooms.insert(socket, BTreeSet::new());
                }
                if book.may_return && !ROOMS_CHANGE_UNDER_RECOVERY && !is_recovered {
                    let room = ROOMS[self.sockets.len() % 2];
                    inside(|| endpoint.join(socket, room)).expect("it is connected");
                    self.rooms.entry(socket).or_default().insert(room);
                }
                let query = endpoint
                    .client_info(socket)
                    .map(|info| info.query.to_owned());
                let name = endpoint
                    .namespace_name(namespace)
                    .expect("it is there")
                    .to_owned();
                if let Some((client, epoch)) = query.as_deref().and_then(tag) {
                    book.connected(socket, client, epoch, &name, is_recovered);
                    self.known.retain(|known| *known != socket);
                    self.known.push(socket);
                } else {
                    book.connected_stranger(socket, is_recovered);
                }
            }
            Event::Message(message) => {
                self.message(endpoint, &message, book);
                inside(|| endpoint.recycle(message));
            }
            Event::Acknowledged { socket, id, .. } => {
                let place = (socket, id);
                assert!(
                    self.asked.remove(&place) || self.timed.remove(&place),
                    "only what was asked is answered"
                );
            }
            Event::AckTimedOut { socket, id } => {
                assert!(self.timed.remove(&(socket, id)), "a question ends once");
            }
            Event::Answered { ask, .. } => assert!(self.asks.remove(&ask), "a question ends once"),
            Event::Fetched {
                ask, is_complete, ..
            } => assert!(self.asks.remove(&ask) && is_complete),
            Event::Disconnecting { socket, .. } => {
                assert!(self.sockets.contains(&socket), "only who was connected");
            }
            Event::Disconnected { socket, reason, .. } => {
                assert!(self.sockets.remove(&socket), "only who was connected, once");
                self.asked.retain(|(asked, _)| *asked != socket);
                book.disconnected(socket, reason);
                if !book.may_return {
                    self.forget(socket);
                }
                self.gone.push(socket);
            }
            Event::RecoveryExpired { socket, .. } => {
                assert!(!self.sockets.contains(&socket), "only who is away expires");
                book.expired(socket);
                self.forget(socket);
            }
            Event::ConnectRequested { ticket, .. } => {
                self.decisions += 1;
                if self.decides_late && self.decisions.is_multiple_of(3) {
                    if let Some((client, _)) = endpoint
                        .connect_request(ticket)
                        .and_then(|request| tag(request.client.query))
                    {
                        book.excuse(client, HOST_IS_LATE);
                    }
                    self.connects.push_back(ticket);
                } else {
                    let is_there = endpoint.connect_request(ticket).is_some();
                    assert_eq!(
                        inside(|| endpoint.accept_connect(ticket)).is_ok(),
                        is_there,
                        "a ticket is good while its client is there"
                    );
                }
            }
            Event::AllowRequest { ticket, head, .. } => {
                self.decisions += 1;
                if self.decides_late && self.decisions.is_multiple_of(3) {
                    if let Some((client, _)) = tag(&head.query) {
                        book.excuse(client, HOST_IS_LATE);
                    }
                    self.admissions.push_back(ticket);
                } else {
                    // Whoever asked may be gone.
                    let _ = inside(|| endpoint.admit(ticket, Admission::accept()));
                }
            }
            Event::CancelRequested { session, .. } => {
                inside(|| endpoint.progress().cancel_session(session, None, None))
                    .map(drop)
                    .expect("a managed session waits for its host");
                self.work_of(&session.to_string(), |work| work.is_over = true);
            }
            Event::NamespaceCreated { .. } => {}
            other => panic!("nobody asked for {other:?}"),
        }
    }

    fn forget(&mut self, socket: SocketId) {
        self.rooms.remove(&socket);
        self.known.retain(|known| *known != socket);
    }

    fn message(&mut self, endpoint: &mut Endpoint, message: &Message, book: &mut Book) {
        let socket = message.socket;
        assert!(self.sockets.contains(&socket), "only who is connected");
        let mut answer = Args::none();
        if message.name() == "c" && book.owner(socket).is_some() {
            let number: u64 = message.args.get(0).expect("a number");
            let text = match message.args.binary(1) {
                Some(bytes) => String::from_utf8(bytes.to_vec()).expect("text"),
                None => message.args.get(1).expect("a text"),
            };
            assert_eq!(
                text,
                padding(number, text.len() as u64),
                "not a byte is another"
            );
            book.heard(socket, number);
            let (client, namespace) = book
                .owner(socket)
                .map(|(client, name)| (client, name.to_owned()))
                .expect("it is known");
            book.note(client, || {
                format!("heard in {namespace}: {number} {}", text.len())
            });
            answer = Args::one(&number).expect("a number is JSON");
            if let Some(ack) = message.ack {
                match number % 4 {
                    0 => self.acks.push_back((ack, number)),
                    1 => {}
                    _ => self.acknowledge(endpoint, ack, &answer),
                }
            }
            return;
        }
        if message.name() == "echo" {
            // Attackers may ask for output too.
            let _ = inside(|| endpoint.emit_to(socket, "e", &message.args));
            answer = message.args.clone();
        }
        if let Some(ack) = message.ack {
            self.acknowledge(endpoint, ack, &answer);
        }
    }

    fn acknowledge(&mut self, endpoint: &mut Endpoint, ack: AckId, answer: &Args) {
        if inside(|| endpoint.acknowledge(ack, answer)).is_ok() {
            self.spent_acks.push(ack);
        }
    }

    fn socket(&self, number: u64) -> Option<SocketId> {
        let at = number as usize % self.known.len().max(1);
        self.known.get(at).copied()
    }

    /// A step that is the host's.
    pub fn act(&mut self, endpoint: &mut Endpoint, step: &Step, book: &mut Book) {
        let (amount, variant) = (step.amount, step.variant);
        let room = ROOMS[amount as usize % ROOMS.len()];
        let everybody = endpoint
            .namespace("/")
            .map(Target::namespace)
            .expect("it is served");
        match step.verb {
            Verb::Tell => self.tell(endpoint, variant, amount, book),
            Verb::TellAll => self.tell_many(endpoint, &everybody, None, amount, book),
            Verb::TellRoom => {
                let room = ROOMS[variant as usize % ROOMS.len()];
                self.tell_many(endpoint, &everybody.to(room), Some(room), amount, book);
            }
            Verb::TellVolatile => {
                let stamp = book.next_stamp();
                let args = Args::from_values(&(stamp, padding(stamp, amount))).expect("JSON");
                inside(|| endpoint.emit(&everybody.volatile(), "volatile", &args))
                    .expect("the name is free");
            }
            Verb::Join | Verb::Leave => {
                let Some(socket) = self.socket(variant) else {
                    return;
                };
                if book.may_return && !ROOMS_CHANGE_UNDER_RECOVERY {
                    return;
                }
                let is_there = self.sockets.contains(&socket);
                let done = match step.verb {
                    Verb::Join => inside(|| endpoint.join(socket, room)),
                    _ => inside(|| endpoint.leave(socket, room)),
                };
                assert_eq!(
                    done.is_ok(),
                    is_there || endpoint.is_away(socket),
                    "only who is connected can be moved"
                );
                if let (Ok(()), Some(rooms)) = (done, self.rooms.get_mut(&socket)) {
                    if step.verb == Verb::Join {
                        rooms.insert(room);
                    } else {
                        rooms.remove(room);
                    }
                }
            }
            Verb::Kick | Verb::KickOut => {
                let Some(socket) = self.socket(variant) else {
                    return;
                };
                let is_out = step.verb == Verb::KickOut;
                book.kicked(socket, is_out);
                let concerned: Vec<SocketId> = if is_out {
                    self.companions(socket, book)
                } else {
                    Vec::new()
                };
                concerned
                    .into_iter()
                    .for_each(|other| book.kicked(other, true));
                let _ = inside(|| endpoint.disconnect(socket, is_out));
            }
            Verb::Ask => self.ask(endpoint, variant, amount, book),
            Verb::AskAll => {
                self.asks
                    .insert(inside(|| endpoint.fetch_cluster(&everybody, 100)));
                let nobody = everybody.to("nobody at all");
                let asked =
                    inside(|| endpoint.broadcast_with_ack(&nobody, "ask", &Args::none(), amount));
                self.asks.extend(asked.ok());
            }
            Verb::Decide => self.decide(endpoint, variant, amount),
            Verb::Misuse => self.misuse(endpoint, variant),
            _ => self.produce(endpoint, step),
        }
    }

    fn companions(&self, socket: SocketId, book: &Book) -> Vec<SocketId> {
        let client = book.owner(socket).map(|(client, _)| client);
        let is_companion = |other: &&SocketId| {
            **other != socket && book.owner(**other).map(|(client, _)| client) == client
        };
        self.known.iter().filter(is_companion).copied().collect()
    }

    fn tell(&mut self, endpoint: &mut Endpoint, variant: u64, amount: u64, book: &mut Book) {
        let Some(socket) = self.socket(variant) else {
            return;
        };
        let stamp = book.next_stamp();
        let text = padding(stamp, amount);
        let mut args = Args::builder();
        args.push(&stamp).expect("a number is JSON");
        if variant.is_multiple_of(5) {
            args.push_binary(text.as_bytes());
        } else {
            args.push(&text).expect("a text is JSON");
        }
        let is_known = self.sockets.contains(&socket);
        match inside(|| endpoint.emit_to(socket, "tell", &args.build())) {
            Ok(()) => book.owe(socket, Owed::new(stamp, amount, true)),
            Err(error) => assert!(error == Error::NoSuchSocket && !is_known, "{error}"),
        }
    }

    fn tell_many(
        &mut self,
        endpoint: &mut Endpoint,
        target: &Target,
        room: Option<&'static str>,
        amount: u64,
        book: &mut Book,
    ) {
        let stamp = book.next_stamp();
        let args = Args::from_values(&(stamp, padding(stamp, amount))).expect("JSON");
        let reached = endpoint.fetch_sockets_and_away(target);
        for socket in &self.known {
            let is_in = room.is_none_or(|room| {
                self.rooms
                    .get(socket)
                    .is_some_and(|rooms| rooms.contains(room))
            });
            let is_meant = is_in && endpoint.namespace_of(*socket) == Ok(target.namespace_id());
            let is_there = book.is_connected(*socket) || endpoint.is_away(*socket);
            if is_there
                && endpoint
                    .find_socket(endpoint.socket_id(*socket).expect("it is known").as_str())
                    .is_some()
            {
                assert_eq!(
                    reached.contains(socket),
                    is_meant,
                    "a target means who is in its rooms"
                );
            }
        }
        for socket in reached {
            book.owe(socket, Owed::new(stamp, amount, true));
        }
        inside(|| endpoint.emit(target, "tell", &args)).expect("the name is free");
    }

    fn ask(&mut self, endpoint: &mut Endpoint, variant: u64, amount: u64, book: &mut Book) {
        let Some(socket) = self
            .socket(variant)
            .filter(|socket| self.sockets.contains(socket))
        else {
            return;
        };
        if endpoint.is_away(socket) {
            return;
        }
        let stamp = book.next_stamp();
        let args = Args::from_values(&(stamp, padding(stamp, amount))).expect("JSON");
        let asked = match variant % 2 {
            0 => inside(|| endpoint.emit_with_ack(socket, "ask", &args)),
            _ => inside(|| endpoint.emit_with_ack_within(socket, "ask", &args, amount)),
        };
        if let Ok(id) = asked {
            book.owe(socket, Owed::new(stamp, amount, false));
            let list = if variant.is_multiple_of(2) {
                &mut self.asked
            } else {
                &mut self.timed
            };
            assert!(list.insert((socket, id)), "questions are numbered");
        }
    }

    /// What it has put off; the ticket may have gone stale.
    fn decide(&mut self, endpoint: &mut Endpoint, variant: u64, amount: u64) {
        self.decides_late ^= variant.is_multiple_of(7);
        if let Some((ack, number)) = self.acks.pop_front() {
            self.acknowledge(
                endpoint,
                ack,
                &Args::one(&number).expect("a number is JSON"),
            );
        }
        if let Some(ticket) = self.connects.pop_front() {
            let _ = match amount % 3 {
                0 => inside(|| endpoint.refuse_connect(ticket, &ConnectError::new("no"))),
                _ => inside(|| endpoint.accept_connect(ticket)).map(drop),
            };
            assert_eq!(
                inside(|| endpoint.accept_connect(ticket)).err(),
                Some(Error::NoSuchTicket),
                "a decision is made once"
            );
        }
        if let Some(ticket) = self.admissions.pop_front() {
            let admission = if amount.is_multiple_of(3) {
                Admission::refuse("no")
            } else {
                Admission::accept()
            };
            let _ = inside(|| endpoint.admit(ticket, admission));
            assert!(
                inside(|| endpoint.admit(ticket, Admission::accept())).is_err(),
                "a decision is made once"
            );
        }
    }

    /// Verbs about what is not there any more have to be errors, and to harm nobody.
    fn misuse(&mut self, endpoint: &mut Endpoint, variant: u64) {
        let everybody = endpoint
            .namespace("/")
            .map(Target::namespace)
            .expect("it is served");
        let reserved = inside(|| endpoint.emit(&everybody, "disconnect", &Args::none()));
        assert!(matches!(reserved, Err(Error::ReservedEvent(_))));
        if let Some(socket) = self
            .gone
            .get(variant as usize % self.gone.len().max(1))
            .copied()
        {
            if endpoint
                .find_socket(
                    &endpoint
                        .socket_id(socket)
                        .map_or_else(String::new, |id| id.to_string()),
                )
                .is_none()
            {
                assert_eq!(
                    inside(|| endpoint.emit_to(socket, "tell", &Args::none())),
                    Err(Error::NoSuchSocket)
                );
                assert_eq!(
                    inside(|| endpoint.join(socket, "red")),
                    Err(Error::NoSuchSocket)
                );
                assert_eq!(
                    inside(|| endpoint.disconnect(socket, true)),
                    Err(Error::NoSuchSocket)
                );
            }
        }
    }

    /// Makes up for all that it has put off.
    pub fn decide_all(&mut self, endpoint: &mut Endpoint) {
        let waiting = [self.acks.len(), self.connects.len(), self.admissions.len()];
        for number in 0..waiting.into_iter().max().unwrap_or(0) {
            self.decide(endpoint, 1, number as u64);
        }
    }

    /// Whether nobody waits for it to be let into a namespace.
    pub fn has_decided(&self, endpoint: &Endpoint) -> bool {
        let mut tickets = self.connects.iter();
        tickets.all(|ticket| endpoint.connect_request(*ticket).is_none())
    }

    pub fn check_told(&self) {
        assert!(self.sockets.is_empty(), "everybody's end was told");
    }

    pub fn check_all_gone(&self) {
        self.check_told();
        assert!(
            self.asked.is_empty() && self.timed.is_empty() && self.asks.is_empty(),
            "every question has come to its end"
        );
    }
}
