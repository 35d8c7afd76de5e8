//! The state of one Engine.IO session: its transport, its upgrade, its heartbeat and what waits for its client.
//!
//! ```text
//!   handshake ──▶ open ──▶ its end stands in the queue of events ──▶ gone
//!                  │         (its input counts no more)              ▲
//!                  │                                                 │
//!                  └──────▶ draining: a last poll gets what waits ───┘
//!
//!   polling ──▶ upgrading ──▶ probed ──▶ WebSocket
//!      ▲            │            │
//!      └────────────┴────────────┘  the WebSocket is given up
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::{encode_as_text, HandshakeDetails, Packet, Revision};
use crate::clock::Clock;
use crate::data::Data;
use crate::error::DisconnectReason;
use crate::frame::{Frame, PLACE_BYTES};
use crate::id::{ConnectionId, EngineSessionId, Secret};
use crate::priority::Priority;
use crate::timer::Timer;
use crate::wheel::TimerKey;

/// The packet that ends a session, the last of it.
pub const CLOSE: &str = "1";
/// The packet that answers a poll when there is nothing to say.
pub const NOOP: &str = "6";

/// What carries a session's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling: at most one waiting `GET` and one `POST` that is being received.
    Polling {
        poll: Option<ConnectionId>,
        post: Option<ConnectionId>,
    },
    /// One WebSocket.
    WebSocket(ConnectionId),
}

impl Transport {
    /// The WebSocket, if it is one.
    pub fn websocket(self) -> Option<ConnectionId> {
        match self {
            Transport::WebSocket(connection) => Some(connection),
            Transport::Polling { .. } => None,
        }
    }
}

/// A WebSocket that is about to take over from polling.
#[derive(Clone, Copy, Debug)]
struct Upgrade {
    connection: ConnectionId,
    /// Whether its probe has been answered: from then on polls end at once.
    is_probed: bool,
    /// What [`Session::reads_binary`] is from then on.
    reads_binary: bool,
    timer: TimerKey,
}

/// Where the heartbeat stands; the instant is the one at which the timer of the state fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heartbeat {
    /// The next ping goes out then.
    PingAt(u64),
    /// A pong has to be here by then.
    PongBy(u64),
}

/// How far the end of a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// Its end is in the queue of events, behind what its client sent before.
    EndQueued,
    /// It has ended, and its client may still fetch what is queued by polls.
    Draining,
}

/// Whether a session came in by the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// `allow_request` was asked about it.
    Asked,
    /// There was no `allow_request` to ask.
    Freely,
    /// There was no door.
    Unseen,
}

/// Milliseconds by which the loop may be late without anybody being given more time for that.
pub const MAX_DRIFT_MS: u64 = 5;

/// What a session begins with.
pub struct Opening<'a> {
    pub secret: Secret,
    pub transport: Transport,
    pub revision: Revision,
    /// Whether its client reads binary messages as such.
    pub reads_binary: bool,
    pub peer_addr: SocketAddr,
    pub query: &'a str,
    pub details: Option<Box<HandshakeDetails>>,
    pub admitted: Admitted,
    /// What the host keeps with it, for the layer above.
    pub data: Option<Box<Data>>,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    secret: Secret,
    revision: Revision,
    /// Whether its client reads binary frames and, in revision 3, binary answers to polls; otherwise it gets base64.
    reads_binary: bool,
    transport: Transport,
    upgrade: Option<Box<Upgrade>>,
    heartbeat: Heartbeat,
    heartbeat_timer: TimerKey,
    /// Pending while no namespace has been joined.
    connect_timer: Option<TimerKey>,
    /// What waits for a poll. On a WebSocket, packets wait in the connection's outbox instead.
    queue: VecDeque<Frame>,
    queued_bytes: usize,
    stage: Stage,
    /// More waited for its client than may, and so nothing more is queued.
    is_overfull: bool,
    /// In which list of those whose poll is to be answered it is.
    pub(super) listed: Option<Priority>,
    origin: Origin,
}

/// What is known of the request that opened a session.
#[derive(Debug)]
struct Origin {
    peer_addr: SocketAddr,
    admitted: Admitted,
    /// The query, as it came.
    query: Box<str>,
    /// More of it, where that is wanted.
    details: Option<Box<HandshakeDetails>>,
}

/// What becomes of a packet that is sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nothing: nothing reaches this client any more.
    No,
    /// It waits for a poll, with so many bytes in all. `can_go` says whether there is one.
    Queued { waiting_bytes: usize, can_go: bool },
    /// It goes to this WebSocket, in this form.
    ToWebSocket(ConnectionId, Frame),
}

/// What a `GET` leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollAction {
    /// There is something to answer with, now.
    Answer,
    /// It waits.
    Wait,
    /// An upgrade is under way and nothing is queued: answer a noop.
    Noop,
    /// Another poll waits already: both end, and the session too.
    Overlap(ConnectionId),
    /// The session is not on polling.
    WrongTransport,
}

/// What a `POST` leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostAction {
    /// Its body is read.
    Read,
    /// Another one is being read: the session ends.
    Overlap,
    /// The session is not on polling.
    WrongTransport,
}

/// What a packet leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketAction<'a> {
    /// Nothing.
    Ignore,
    /// The awaited pong: the next ping is to be scheduled.
    Alive,
    /// A ping of revision 3, to be answered with the same data.
    AnswerPing(&'a str),
    /// A message for the layer above.
    Message(&'a str),
    /// The client wants the session to end.
    Asked,
    /// The session ends.
    Close(DisconnectReason),
}

/// What a packet on an upgrading WebSocket leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// `3probe` is the answer.
    Answer,
    /// This WebSocket is the transport from now on.
    Complete,
    /// It is closed; the session goes on by polling.
    Refuse,
}

impl Session {
    /// A session that begins now, with the timers of its heartbeat and, where there are namespaces, of its first CONNECT.
    pub fn new(
        clock: &mut Clock,
        id: EngineSessionId,
        opening: Opening<'_>,
        times: &super::Times,
    ) -> Session {
        let ping_at_ms = clock.in_ms(times.ping_interval_ms);
        let heartbeat = match opening.revision {
            Revision::V4 => Heartbeat::PingAt(ping_at_ms),
            // Its client sends the pings; what is awaited is the next of them.
            Revision::V3 => Heartbeat::PongBy(ping_at_ms.saturating_add(times.ping_timeout_ms)),
        };
        let connect_by_ms = times.connect_timeout_ms.map(|ms| clock.in_ms(ms));
        Session {
            secret: opening.secret,
            revision: opening.revision,
            reads_binary: opening.reads_binary,
            transport: opening.transport,
            upgrade: None,
            heartbeat,
            heartbeat_timer: heartbeat.arm(clock, id),
            connect_timer: connect_by_ms.map(|by_ms| clock.arm(by_ms, Timer::Connect(id))),
            queue: VecDeque::new(),
            queued_bytes: 0,
            stage: Stage::Open,
            is_overfull: false,
            listed: None,
            origin: Origin {
                peer_addr: opening.peer_addr,
                admitted: opening.admitted,
                query: opening.query.into(),
                details: opening.details,
            },
        }
    }

    /// The secret part of its id.
    pub fn secret(&self) -> Secret {
        self.secret
    }

    pub fn revision(&self) -> Revision {
        self.revision
    }

    pub fn reads_binary(&self) -> bool {
        self.reads_binary
    }

    pub fn peer_addr(&self) -> SocketAddr {
        self.origin.peer_addr
    }

    pub fn admitted(&self) -> Admitted {
        self.origin.admitted
    }

    pub fn query(&self) -> &str {
        &self.origin.query
    }

    pub fn details(&self) -> Option<&HandshakeDetails> {
        self.origin.details.as_deref()
    }

    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Whether packets from its client still count.
    pub fn takes_input(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether packets still reach its client.
    pub fn takes_output(&self) -> bool {
        self.stage != Stage::Draining && !self.is_overfull
    }

    /// Whether its end stands in the queue of events.
    pub fn end_queued(&self) -> bool {
        self.stage == Stage::EndQueued
    }

    /// Whether it has ended, and its client may still fetch what is queued.
    pub fn is_draining(&self) -> bool {
        self.stage == Stage::Draining
    }

    /// Its end is put into the queue of events. False when it is there already.
    pub fn queue_end(&mut self) -> bool {
        let is_new = self.stage != Stage::EndQueued;
        self.stage = Stage::EndQueued;
        is_new
    }

    /// More waits for its client than may: nothing more is queued.
    pub fn set_overfull(&mut self) {
        self.is_overfull = true;
    }

    /// It has ended, and its client has until `by_ms` to fetch what is queued. True when there is a poll to answer.
    pub fn begin_draining(&mut self, clock: &mut Clock, id: EngineSessionId, by_ms: u64) -> bool {
        self.stage = Stage::Draining;
        // A client that polls no more is forgotten like one that pongs no more.
        self.set_heartbeat(clock, id, Heartbeat::PongBy(by_ms));
        matches!(self.transport, Transport::Polling { poll: Some(_), .. })
    }

    /// Takes back its timers.
    pub fn cancel_timers(&mut self, clock: &mut Clock) {
        clock.cancel(self.heartbeat_timer);
        self.joined(clock);
    }

    /// It has joined a namespace, for which it has a limited time no longer.
    pub fn joined(&mut self, clock: &mut Clock) {
        if let Some(timer) = self.connect_timer.take() {
            clock.cancel(timer);
        }
    }

    /// Gives it until `by_ms` to join a namespace, as its timer has fired.
    pub fn put_off_connect(&mut self, clock: &mut Clock, id: EngineSessionId, by_ms: u64) {
        self.connect_timer = Some(clock.arm(by_ms, Timer::Connect(id)));
    }

    /// Gives its upgrade until `by_ms`, as the timer of that has fired.
    pub fn put_off_upgrade(&mut self, clock: &mut Clock, id: EngineSessionId, by_ms: u64) {
        if let Some(upgrade) = &mut self.upgrade {
            upgrade.timer = clock.arm(by_ms, Timer::Upgrade(id));
        }
    }

    /// Queues a packet, or says where it goes at once.
    pub fn send(&mut self, frame: Frame) -> Sent {
        if !self.takes_output() {
            return Sent::No;
        }
        match self.transport {
            Transport::WebSocket(connection) => {
                Sent::ToWebSocket(connection, self.for_websocket(frame))
            }
            Transport::Polling { poll, .. } => {
                self.queued_bytes += frame.payload().len();
                self.queue.push_back(frame);
                Sent::Queued {
                    waiting_bytes: self.queued_bytes + self.queue.len() * PLACE_BYTES,
                    can_go: poll.is_some(),
                }
            }
        }
    }

    /// A frame as its client reads it on a WebSocket: in revision 3 binary messages have a type byte too, and there are clients
    /// that want them as text.
    pub fn for_websocket(&self, frame: Frame) -> Frame {
        match (frame.is_binary(), self.revision) {
            (false, _) => frame,
            (true, revision) if !self.reads_binary => encode_as_text(&frame, revision),
            (true, Revision::V4) => frame,
            (true, Revision::V3) => Frame::binary(&[&[4], frame.payload()].concat()),
        }
    }

    /// Takes what is queued for a poll: so many packets at the most, and no further one beyond so many bytes.
    pub fn take_queue(&mut self, max_packets: usize, max_bytes: usize) -> Vec<Frame> {
        let mut bytes = 0;
        let fits = |frame: &&Frame| {
            let has_room = bytes < max_bytes;
            bytes += if has_room { frame.payload().len() } else { 0 };
            has_room
        };
        let count = self.queue.iter().take(max_packets).take_while(fits).count();
        let frames = self.queue.drain(..count).collect();
        self.queued_bytes -= bytes;
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        frames
    }

    /// The WebSocket that carries it, if one does and it takes packets.
    pub fn websocket(&self) -> Option<ConnectionId> {
        match self.transport {
            Transport::WebSocket(connection) if self.takes_output() => Some(connection),
            _ => None,
        }
    }

    /// Whether it is on polling.
    pub fn is_on_polling(&self) -> bool {
        matches!(self.transport, Transport::Polling { .. })
    }

    /// The `GET` that waits for packets.
    pub fn waiting_poll(&self) -> Option<ConnectionId> {
        match self.transport {
            Transport::Polling { poll, .. } => poll,
            Transport::WebSocket(_) => None,
        }
    }

    /// The waiting `GET` is about to be answered.
    pub fn take_poll(&mut self) -> Option<ConnectionId> {
        match &mut self.transport {
            Transport::Polling { poll, .. } => poll.take(),
            Transport::WebSocket(_) => None,
        }
    }

    /// The `POST` that is being received.
    pub fn incoming_post(&self) -> Option<ConnectionId> {
        match self.transport {
            Transport::Polling { post, .. } => post,
            Transport::WebSocket(_) => None,
        }
    }

    /// The `POST` on this connection is done with: what comes next on it may be for somebody else.
    pub fn end_post(&mut self, connection: ConnectionId) {
        if let Transport::Polling { post, .. } = &mut self.transport {
            if *post == Some(connection) {
                *post = None;
            }
        }
    }

    /// A connection has been cut. True when its poll or its `POST` was on it.
    pub fn cut(&mut self, connection: ConnectionId) -> bool {
        let Transport::Polling { poll, post } = &mut self.transport else {
            return false;
        };
        let request = match *poll == Some(connection) {
            true => poll,
            false => post,
        };
        let is_its = *request == Some(connection);
        if is_its {
            *request = None;
        }
        is_its
    }

    /// A `GET` with this session's id has come in on `connection`. `has_news` says whether there is more to answer with than what is
    /// queued here.
    pub fn poll(&mut self, connection: ConnectionId, has_news: bool) -> PollAction {
        let has_output = has_news || !self.queue.is_empty();
        let is_probed = self.is_probed();
        match &mut self.transport {
            Transport::WebSocket(_) => PollAction::WrongTransport,
            Transport::Polling {
                poll: Some(first), ..
            } => PollAction::Overlap(*first),
            Transport::Polling { poll, .. } => {
                if !has_output && is_probed {
                    return PollAction::Noop;
                }
                *poll = Some(connection);
                if has_output {
                    PollAction::Answer
                } else {
                    PollAction::Wait
                }
            }
        }
    }

    /// The head of a `POST` with this session's id has come in on `connection`.
    pub fn post(&mut self, connection: ConnectionId) -> PostAction {
        match &mut self.transport {
            Transport::WebSocket(_) => PostAction::WrongTransport,
            Transport::Polling { post: Some(_), .. } => PostAction::Overlap,
            Transport::Polling { post, .. } => {
                *post = Some(connection);
                PostAction::Read
            }
        }
    }

    /// Whether a WebSocket that is opened now can take over.
    pub fn can_upgrade(&self) -> bool {
        self.is_on_polling() && self.upgrade.is_none() && self.takes_input()
    }

    /// A WebSocket with this session's id has been opened.
    pub fn begin_upgrade(&mut self, connection: ConnectionId, reads_binary: bool, timer: TimerKey) {
        self.upgrade = Some(Box::new(Upgrade {
            connection,
            is_probed: false,
            reads_binary,
            timer,
        }));
    }

    /// The WebSocket that is about to take over.
    pub fn upgrading_to(&self) -> Option<ConnectionId> {
        self.upgrade.as_ref().map(|upgrade| upgrade.connection)
    }

    /// Whether the WebSocket that is about to take over waits for polls to end.
    pub fn is_probed(&self) -> bool {
        self.upgrade
            .as_ref()
            .is_some_and(|upgrade| upgrade.is_probed)
    }

    /// Gives up on the WebSocket that was to take over, and names it.
    pub fn abandon_upgrade(&mut self, clock: &mut Clock) -> Option<ConnectionId> {
        let upgrade = self.upgrade.take()?;
        clock.cancel(upgrade.timer);
        Some(upgrade.connection)
    }

    /// A WebSocket takes over: what was queued for polls goes there.
    pub fn complete_upgrade(&mut self, clock: &mut Clock, websocket: ConnectionId) -> Vec<Frame> {
        if let Some(upgrade) = self.upgrade.take() {
            clock.cancel(upgrade.timer);
            self.reads_binary = upgrade.reads_binary;
        }
        let queue = self.take_queue(usize::MAX, usize::MAX);
        self.transport = Transport::WebSocket(websocket);
        let queue = queue.into_iter();
        queue.map(|frame| self.for_websocket(frame)).collect()
    }

    /// The connections that carry the session now.
    pub fn carriers(&self) -> impl Iterator<Item = ConnectionId> {
        let carriers = match self.transport {
            Transport::WebSocket(websocket) => [Some(websocket), None],
            Transport::Polling { poll, post } => [poll, post],
        };
        carriers.into_iter().flatten()
    }

    /// Whether this connection carries the session now, or is about to.
    pub fn uses(&self, connection: ConnectionId) -> bool {
        self.upgrading_to() == Some(connection) || self.carriers().any(|it| it == connection)
    }

    /// Whether a packet emitted now would go out at once: the rule by which volatile ones are kept or dropped.
    pub fn is_writable(&self, websocket_outbox_is_empty: bool) -> bool {
        match self.transport {
            _ if !self.takes_output() => false,
            Transport::WebSocket(_) => websocket_outbox_is_empty,
            Transport::Polling { poll, .. } => poll.is_some() && self.queue.is_empty(),
        }
    }

    /// A packet has come in on the session's transport.
    pub fn receive<'a>(&self, packet: Option<Packet<'a>>) -> PacketAction<'a> {
        match packet {
            None => PacketAction::Close(DisconnectReason::ParseError),
            Some(Packet::Message(data)) => PacketAction::Message(data),
            Some(Packet::Close) => PacketAction::Asked,
            Some(Packet::Ping(data)) if self.revision == Revision::V3 => {
                PacketAction::AnswerPing(data)
            }
            Some(Packet::Pong(_)) if self.revision == Revision::V3 => {
                PacketAction::Close(DisconnectReason::TransportError)
            }
            // Heartbeats come from the server in revision 4; a client that pings speaks another one.
            Some(Packet::Ping(_)) => PacketAction::Close(DisconnectReason::TransportError),
            Some(Packet::Pong(_)) => match self.heartbeat {
                Heartbeat::PongBy(_) => PacketAction::Alive,
                Heartbeat::PingAt(_) => PacketAction::Ignore,
            },
            Some(Packet::Open | Packet::Upgrade | Packet::Noop) => PacketAction::Ignore,
        }
    }

    /// A packet has come in on the WebSocket that is to take over.
    pub fn receive_probe(&mut self, packet: Option<Packet<'_>>) -> ProbeAction {
        match packet {
            Some(Packet::Ping("probe")) => {
                if let Some(upgrade) = &mut self.upgrade {
                    upgrade.is_probed = true;
                }
                ProbeAction::Answer
            }
            Some(Packet::Upgrade) if self.is_probed() => ProbeAction::Complete,
            _ => ProbeAction::Refuse,
        }
    }

    /// The ping that was due at `scheduled_ms` goes out: its pong is awaited.
    ///
    /// Its time counts from when the ping was due, so that what clients see does not drift by the milliseconds that a turn takes; a
    /// ping that goes out later than that gives its client the whole time all the same.
    pub fn sent_ping(
        &mut self,
        clock: &mut Clock,
        id: EngineSessionId,
        scheduled_ms: u64,
        timeout_ms: u64,
    ) {
        let by_ms = pong_deadline(scheduled_ms, clock.now_ms(), timeout_ms);
        self.set_heartbeat(clock, id, Heartbeat::PongBy(by_ms));
    }

    /// A sign of life is awaited in so many milliseconds.
    pub fn await_pong(&mut self, clock: &mut Clock, id: EngineSessionId, timeout_ms: u64) {
        let by_ms = clock.in_ms(timeout_ms);
        self.set_heartbeat(clock, id, Heartbeat::PongBy(by_ms));
    }

    /// The next ping goes out in so many milliseconds.
    pub fn await_ping(&mut self, clock: &mut Clock, id: EngineSessionId, interval_ms: u64) {
        let at_ms = clock.in_ms(interval_ms);
        self.set_heartbeat(clock, id, Heartbeat::PingAt(at_ms));
    }

    fn set_heartbeat(&mut self, clock: &mut Clock, id: EngineSessionId, heartbeat: Heartbeat) {
        clock.cancel(self.heartbeat_timer);
        self.heartbeat = heartbeat;
        self.heartbeat_timer = heartbeat.arm(clock, id);
    }

    /// Part of the endpoint's check of its invariants.
    pub fn check(&self) {
        let bytes = self.queue.iter().map(|frame| frame.payload().len());
        assert_eq!(bytes.sum::<usize>(), self.queued_bytes);
        if !self.is_on_polling() {
            assert!(self.queue.is_empty(), "packets wait in the outbox");
        }
    }

    /// Whether the pong is overdue, whatever the timer has done so far.
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        matches!(self.heartbeat, Heartbeat::PongBy(deadline) if deadline <= now_ms)
    }
}

impl Heartbeat {
    fn arm(self, clock: &mut Clock, id: EngineSessionId) -> TimerKey {
        match self {
            Heartbeat::PingAt(at_ms) => clock.arm(at_ms, Timer::Ping(id)),
            Heartbeat::PongBy(by_ms) => clock.arm(by_ms, Timer::Pong(id)),
        }
    }
}

/// When the pong of a ping has to be here that was due at `scheduled_ms` and goes out at `now_ms`.
fn pong_deadline(scheduled_ms: u64, now_ms: u64, ping_timeout_ms: u64) -> u64 {
    let is_late = now_ms.saturating_sub(scheduled_ms) > MAX_DRIFT_MS;
    let sent_ms = if is_late { now_ms } else { scheduled_ms };
    sent_ms.saturating_add(ping_timeout_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Times;
    use crate::now::Now;
    use crate::slots::Slots;

    fn session() -> (Session, ConnectionId, ConnectionId) {
        let mut slots = Slots::default();
        let mut key = || slots.insert(());
        let (a, b, id) = (
            ConnectionId(key()),
            ConnectionId(key()),
            EngineSessionId(key()),
        );
        let opening = Opening {
            secret: Secret::draw(&mut |bytes| bytes.fill(1)),
            transport: Transport::Polling {
                poll: None,
                post: None,
            },
            revision: Revision::V4,
            reads_binary: true,
            peer_addr: ([127, 0, 0, 1], 80).into(),
            query: "",
            details: None,
            admitted: Admitted::Freely,
            data: None,
        };
        let times = Times {
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            connect_timeout_ms: None,
        };
        let now = Now {
            mono_ms: 0,
            unix_ms: 0,
        };
        let session = Session::new(&mut Clock::new(now), id, opening, &times);
        (session, a, b)
    }

    #[test]
    fn a_poll_waits_until_there_is_something() {
        let (mut session, a, b) = session();
        assert_eq!(session.poll(a, false), PollAction::Wait);
        assert_eq!(session.poll(b, false), PollAction::Overlap(a));
        session.transport = Transport::Polling {
            poll: None,
            post: None,
        };
        session.queue.push_back(Frame::text("4x"));
        assert_eq!(session.poll(b, false), PollAction::Answer);
    }

    #[test]
    fn a_poll_takes_no_further_packet_beyond_its_bytes() {
        let (mut session, _, _) = session();
        for text in ["4aaaa", "4bbbb", "4cccc"] {
            session.send(Frame::text(text));
        }
        assert_eq!(session.take_queue(10, 6).len(), 2);
        session.check();
        assert_eq!(session.take_queue(10, 1).len(), 1);
        session.check();
    }

    #[test]
    fn one_post_at_a_time() {
        let (mut session, a, b) = session();
        assert_eq!(session.post(a), PostAction::Read);
        assert_eq!(session.post(b), PostAction::Overlap);
        session.transport = Transport::WebSocket(a);
        assert_eq!(session.post(b), PostAction::WrongTransport);
        assert_eq!(session.poll(b, false), PollAction::WrongTransport);
    }

    #[test]
    fn polls_end_at_once_between_probe_and_upgrade() {
        let (mut session, a, b) = session();
        session.begin_upgrade(a, true, session.heartbeat_timer);
        assert_eq!(
            session.receive_probe(Packet::decode("4x")),
            ProbeAction::Refuse
        );
        assert_eq!(
            session.receive_probe(Packet::decode("2")),
            ProbeAction::Refuse
        );
        assert_eq!(
            session.receive_probe(Packet::decode("5")),
            ProbeAction::Refuse,
            "it has not been probed"
        );
        assert_eq!(
            session.receive_probe(Packet::decode("2probe")),
            ProbeAction::Answer
        );
        assert_eq!(session.poll(b, false), PollAction::Noop);
        session.queue.push_back(Frame::text("4x"));
        assert_eq!(session.poll(b, false), PollAction::Answer);
        assert_eq!(
            session.receive_probe(Packet::decode("5")),
            ProbeAction::Complete
        );
    }

    #[test]
    fn only_an_awaited_pong_counts() {
        let (mut session, _, _) = session();
        assert_eq!(session.receive(Packet::decode("3")), PacketAction::Ignore);
        session.heartbeat = Heartbeat::PongBy(5);
        assert_eq!(
            session.receive(Packet::decode("4x")),
            PacketAction::Message("x")
        );
        assert_eq!(session.receive(Packet::decode("3")), PacketAction::Alive);
        assert!(session.is_overdue(5) && !session.is_overdue(4));
    }

    #[test]
    fn wrong_packets_end_the_session_with_their_reason() {
        let (session, _, _) = session();
        for (text, reason) in [
            ("7", DisconnectReason::ParseError),
            ("", DisconnectReason::ParseError),
            ("2", DisconnectReason::TransportError),
            ("2probe", DisconnectReason::TransportError),
        ] {
            assert_eq!(
                session.receive(Packet::decode(text)),
                PacketAction::Close(reason)
            );
        }
        assert_eq!(session.receive(Packet::decode("1")), PacketAction::Asked);
        for text in ["0x", "5", "6"] {
            assert_eq!(session.receive(Packet::decode(text)), PacketAction::Ignore);
        }
    }

    #[test]
    fn in_revision_3_clients_send_the_pings() {
        let (mut session, _, _) = session();
        session.revision = Revision::V3;
        assert_eq!(
            session.receive(Packet::decode("2x")),
            PacketAction::AnswerPing("x")
        );
        assert_eq!(
            session.receive(Packet::decode("3")),
            PacketAction::Close(DisconnectReason::TransportError)
        );
    }

    #[test]
    fn a_late_ping_leaves_the_client_its_whole_time() {
        assert_eq!(pong_deadline(300, 301, 200), 500);
        assert_eq!(pong_deadline(300, 400, 200), 600);
        assert_eq!(pong_deadline(300, 9_000, 200), 9_200);
    }
}
