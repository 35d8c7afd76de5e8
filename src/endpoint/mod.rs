//! Where the layers meet: the one place that knows more than one of them.

mod admission;
mod asks;
mod check;
mod cluster;
#[cfg(feature = "compression")]
mod compression;
pub(crate) mod door;
mod event;
mod exchange;
mod handshakes;
mod heartbeat;
mod input;
mod joins;
mod messages;
mod news;
mod output;
mod polling;
mod progress;
mod recovery;
mod refusals;
mod requests;
mod rooms;
mod schedule;
mod sessions;
#[cfg(test)]
mod tests;
mod verbs;
mod websockets;
mod work;

pub use admission::{Admission, AdmissionId};
pub use door::Door;
pub use event::{AckId, AskId, Event, JoinId, Message, RequestId, SessionId};
pub use joins::ConnectRequest;
use output::Closing;
pub use schedule::TimerId;
pub use verbs::ClientInfo;
pub use work::Work;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use uuid::Uuid;

use crate::config::Config;
use crate::connection::Connection;
use crate::engine::Session;
use crate::error::DisconnectReason;
use crate::frame::{Frame, FrameBuilder};
use crate::http::HeadLimits;
use crate::net::Handle;
use crate::now::Now;
use crate::outbox::Spares;
use crate::progress::{Memory, ProgressTracker};
use crate::ready::{cost, Ready, TIMERS_UNITS};
use crate::slots::{Key, Slots};
use crate::socket::{Adapter, Client, InMemory, Limits, SocketId, Sockets};
use crate::timer::Timer;
use crate::wheel::Wheel;

/// Fills a buffer with random bytes.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// What only the operating system knows, handed in so that the core never asks for it itself.
pub struct Environment {
    /// Random bytes that nobody can guess; ids are made of them.
    pub random: Random,
    /// The memory figures of the `heartbeat` event.
    pub memory: Box<dyn FnMut() -> Memory + Send>,
}

/// The whole server without sockets and without a clock.
///
/// Bytes and the time go in; bytes, closings, events and the next deadline come out. [`Server`](crate::Server) drives it with
/// mio; tests, simulations and hosts with an I/O of their own drive it themselves, by asking again and again for the
/// [`next_work`](Endpoint::next_work): read from this connection, write to that one, close it, have the host take the events, wait.
/// Who is served when, and how much of it, is decided here, so that it is the same for all of them.
pub struct Endpoint {
    config: Config,
    head_limits: HeadLimits,
    packet_limits: Limits,
    environment: Environment,
    /// Leads back here from other threads, where a server drives this.
    handle: Option<Handle>,
    now: Now,
    wheel: Wheel<Timer>,
    connections: Slots<Connection>,
    sessions: Slots<Peer>,
    sockets: Sockets,
    /// Clients that wait for the host to let them into a namespace.
    joins: Slots<joins::Join>,
    asks: asks::Asks,
    schedule: schedule::Schedule,
    adapter: Box<dyn Adapter>,
    /// What clients have to come in by, where an `Io` has handlers for them.
    door: Option<door::Attached>,
    tracker: Option<ProgressTracker>,
    /// Who is to be told when a session shall be cancelled, instead of the host.
    cancel_hooks: BTreeMap<Uuid, progress::CancelHook>,
    /// What there is to tell of progress sessions.
    news: news::News,
    /// Acknowledgements of `cancel_session` that wait for the host to roll back.
    cancel_acks: Vec<progress::CancelAck>,
    frames: FrameBuilder,
    ping: Frame,
    /// What sessions begin with, if anything.
    initial_packet: Option<Frame>,
    events: VecDeque<Queued>,
    /// Connections with something to write, each once.
    output_due: VecDeque<Key>,
    /// Those for which there are only broadcasts to many.
    bulk_output_due: VecDeque<Key>,
    /// Whose input is worked on next.
    ready: Ready,
    /// How far this turn has come.
    phase: work::Phase,
    /// More timers are due than a turn has units for.
    has_timers_left: bool,
    /// Sessions and requests that wait until everything has been read that may have come for them.
    unheard: heartbeat::Unheard,
    /// Polling sessions that have both a packet and a poll to answer with it.
    flush_due: VecDeque<Key>,
    bulk_flush_due: VecDeque<Key>,
    /// What is sent now goes to many.
    is_bulk: bool,
    /// Counts connections that are named to be written to, by which the lists take turns.
    outputs: u32,
    closings: VecDeque<(Key, Closing)>,
    is_shutting_down: bool,
    /// Memory of handled messages, for the next ones.
    spare_texts: Vec<String>,
    /// Memory of output that has been written.
    spare_outputs: Spares,
    /// Memory for the sockets that a broadcast goes to.
    selected: Vec<SocketId>,
}

/// What waits for the host. The ends of sessions and sockets stand in the same queue as their messages: the host may
/// still answer what a client sent right before it left, and only then does the client leave.
enum Queued {
    Event(Event),
    /// A timer of the host's is due.
    Timer(Key),
    /// A session ends.
    End(Key, Ending),
    /// A client leaves a namespace.
    Leave(SocketId, DisconnectReason),
    /// A socket has disconnected, which the host is told.
    Leaving(SocketId, DisconnectReason),
    /// The host has been told: the socket leaves its rooms.
    Left(SocketId, DisconnectReason),
    /// The host has heard of a socket's end, and it is forgotten.
    Gone(SocketId),
}

/// Why and how a session ends.
#[derive(Clone, Copy)]
enum Ending {
    /// Its transport is of no more use: what is queued for it is lost.
    Drop(DisconnectReason),
    /// Its client has sent a close packet.
    Asked,
    /// From our side: its client still gets what is queued, and then the news.
    Flush(DisconnectReason),
    /// Its WebSocket broke the rules in a way that has this close code.
    Failed(u16),
}

impl Ending {
    fn reason(self) -> DisconnectReason {
        match self {
            Ending::Drop(reason) | Ending::Flush(reason) => reason,
            Ending::Asked => DisconnectReason::TransportClose,
            Ending::Failed(_) => DisconnectReason::TransportError,
        }
    }
}

/// One Engine.IO session and what it has of Socket.IO.
struct Peer {
    session: Session,
    client: Client,
    address: SocketAddr,
    admitted: door::Admitted,
    /// Its end is in the queue, behind what it sent before: nothing more is taken from it.
    is_ending: bool,
}

impl Endpoint {
    /// A server with nobody connected.
    pub fn new(mut config: Config, environment: Environment, now: Now) -> Endpoint {
        if config.path.ends_with('/') {
            config.path.pop();
        }
        if config.add_trailing_slash {
            config.path.push('/');
        }
        let mut wheel = Wheel::new(now.mono_ms);
        let tracker = config.progress.clone().map(|mut settings| {
            // A page is an answer, and has to have room where answers wait.
            let max_bytes = config.max_queued_bytes / 2;
            settings.max_page_bytes = settings.max_page_bytes.min(max_bytes);
            ProgressTracker::new(settings, now, &mut wheel)
        });
        let mut endpoint = Endpoint {
            head_limits: HeadLimits {
                max_bytes: config.max_head_bytes,
                max_request_line_bytes: config.max_request_line_bytes,
                max_headers: config.max_header_fields,
            },
            packet_limits: Limits {
                max_attachments: config.max_attachments,
                max_json_depth: config.max_json_depth,
            },
            sockets: Sockets::new(config.room_events),
            joins: Slots::default(),
            asks: asks::Asks::default(),
            schedule: Slots::default(),
            adapter: Box::new(InMemory),
            door: config.door.clone().map(door::Attached::new),
            environment,
            handle: None,
            now,
            wheel,
            connections: Slots::default(),
            sessions: Slots::default(),
            tracker,
            cancel_hooks: BTreeMap::new(),
            news: news::News::default(),
            cancel_acks: Vec::new(),
            frames: FrameBuilder::default(),
            ping: Frame::text("2"),
            initial_packet: config
                .initial_packet
                .as_ref()
                .map(|message| Frame::text(&format!("4{message}"))),
            events: VecDeque::new(),
            output_due: VecDeque::new(),
            bulk_output_due: VecDeque::new(),
            ready: Ready::default(),
            phase: work::Phase::default(),
            has_timers_left: false,
            unheard: heartbeat::Unheard::default(),
            flush_due: VecDeque::new(),
            bulk_flush_due: VecDeque::new(),
            is_bulk: false,
            outputs: 0,
            closings: VecDeque::new(),
            is_shutting_down: false,
            spare_texts: Vec::new(),
            spare_outputs: Spares::default(),
            selected: Vec::new(),
            config,
        };
        for name in endpoint.config.namespaces.clone() {
            // One that is named twice is there once.
            let _ = endpoint.add_namespace(&name);
        }
        endpoint.take_demands();
        // Whoever has named them need not be told of them.
        endpoint.events.clear();
        endpoint.ready.begin_turn();
        endpoint
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The way back here for other threads: that of the [`Server`](crate::Server) around this, for handlers that have something
    /// done elsewhere. Where there is none, one whose every verb says [`HandleError::Closed`](crate::HandleError::Closed).
    pub fn handle(&self) -> Handle {
        self.handle.clone().unwrap_or_else(Handle::closed)
    }

    pub(crate) fn set_handle(&mut self, handle: Handle) {
        self.handle = Some(handle);
    }

    /// The time of this turn.
    pub fn now(&self) -> Now {
        self.now
    }

    /// Begins a turn: all that happens until the next one happens at this time.
    pub fn begin_turn(&mut self, now: Now) {
        debug_assert!(
            now.mono_ms >= self.now.mono_ms,
            "the monotonic clock went back"
        );
        self.now = now;
        self.ready.begin_turn();
        self.look_at_door();
        if let Some(tracker) = &mut self.tracker {
            tracker.see(now);
        }
    }

    /// Whether there is something to do without waiting for input or a deadline.
    pub fn has_work(&self) -> bool {
        !(self.events.is_empty()
            && !self.sockets.has_changes()
            && !self.has_timers_left
            && !self.ready.has_large()
            && self.output_due.is_empty()
            && self.bulk_output_due.is_empty()
            && !self.ready.has_work()
            && self.unheard.is_empty()
            && self.flush_due.is_empty()
            && self.bulk_flush_due.is_empty()
            && self.closings.is_empty())
    }

    /// The monotonic time in milliseconds at which the next timer is due.
    pub fn next_deadline(&self) -> Option<u64> {
        self.wheel.next_deadline()
    }

    /// Does what is due at the time of this turn, as far as its units for that go.
    pub(crate) fn handle_timeouts(&mut self) {
        self.judge_overdue();
        let mut left = TIMERS_UNITS;
        while left > 0 {
            let all_moves = left / cost::MOVE;
            let mut moves = all_moves;
            let Some((deadline_ms, timer)) = self.wheel.expire_within(self.now.mono_ms, &mut moves)
            else {
                self.has_timers_left = moves == 0;
                return;
            };
            left = left.saturating_sub((all_moves - moves) * cost::MOVE + cost::TIMER);
            self.fire(timer, deadline_ms);
        }
        self.has_timers_left = true;
    }

    fn fire(&mut self, timer: Timer, deadline_ms: u64) {
        match timer {
            Timer::Request(key) => self.request_timed_out(key),
            Timer::KeepAlive(key)
            | Timer::Linger(key)
            | Timer::Output(key)
            | Timer::Unserved(key) => self.hang_up(key),
            Timer::Admission(key) => self.admission_timed_out(key),
            Timer::Connect(key) => self.connect_timed_out(key),
            Timer::Attachments(key) => self.attachments_due(key),
            // Of many clients, most pings are due at about the same time.
            Timer::Ping(key) => self.in_bulk(usize::MAX, |it| it.ping(key, deadline_ms)),
            Timer::Pong(key) => self.pong_due(key),
            Timer::Upgrade(key) => self.abandon_upgrade(key),
            Timer::Ask(key) => self.ask_timed_out(key),
            Timer::Away(key) => self.recovery_expired(SocketId(key)),
            Timer::Host(key) => self.host_timer_fired(key, deadline_ms),
            Timer::Pulse | Timer::Stale(_) | Timer::Forget(_) | Timer::Heartbeat => {
                self.progress_timer(timer);
            }
        }
    }

    /// The next thing that the host should know.
    ///
    /// Ask for it when the one before has been handled: where a client is about to leave, this is what makes it leave.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            // Before all that waits, as what waits may go on with those rooms.
            if let Some((namespace, room, change)) = self.sockets.next_change() {
                return Some(Event::Room {
                    namespace,
                    room: room.into(),
                    change,
                });
            }
            let Some(queued) = self.events.pop_front() else {
                if self.events.capacity() > 2 * self.config.max_pending_events {
                    self.events = VecDeque::new();
                }
                return None;
            };
            match queued {
                // The host has disconnected its sender meanwhile. Acknowledgements that have come are told of all the same:
                // somebody may wait for them.
                Queued::Event(Event::Message(Message { socket, .. }))
                    if self.sockets.get(socket).is_none() => {}
                Queued::Event(event) => return Some(event),
                Queued::Timer(key) => match self.timer_event(key) {
                    None => {}
                    event => return event,
                },
                Queued::End(session, ending) => {
                    self.with_events_first(|endpoint| endpoint.end_now(session, ending))
                }
                Queued::Leave(socket, reason) => {
                    self.with_events_first(|endpoint| endpoint.forget_socket(socket, reason))
                }
                Queued::Leaving(socket, reason) => {
                    let found = self.sockets.get_known(socket);
                    let Some(namespace) = found.map(|socket| socket.namespace) else {
                        continue;
                    };
                    self.events.push_front(Queued::Left(socket, reason));
                    return Some(Event::Disconnecting {
                        socket,
                        namespace,
                        reason,
                    });
                }
                Queued::Left(socket, reason) => {
                    self.with_events_first(|endpoint| endpoint.leave_rooms(socket, reason))
                }
                Queued::Gone(socket) => self.drop_socket(socket),
            }
        }
    }

    /// How many connections are open, sessions alive and sockets connected.
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.count(),
            sessions: self.sessions.count(),
            sockets: self.sockets.count(),
            away: self.sockets.away_count(),
            timers: self.wheel.len(),
        }
    }

    fn push_event(&mut self, event: Event) {
        self.ready.charge(cost::EVENT);
        self.events.push_back(Queued::Event(event));
    }

    /// Does something whose events belong before all that wait.
    fn with_events_first(&mut self, act: impl FnOnce(&mut Self)) {
        let waiting = self.events.len();
        act(self);
        self.events.rotate_right(self.events.len() - waiting);
    }

    /// Sets the connection's one timer.
    fn arm(&mut self, key: Key, timer: Timer, after_ms: u64) {
        if let Some(connection) = self.connections.get_mut(key) {
            if let Some(old) = connection.timer.take() {
                self.wheel.cancel(old);
            }
            let deadline_ms = self.now.mono_ms.saturating_add(after_ms);
            connection.timer = Some(self.wheel.insert(deadline_ms, timer));
        }
    }

    /// Clears the connection's timer.
    fn disarm(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            if let Some(old) = connection.timer.take() {
                self.wheel.cancel(old);
            }
        }
    }
}

/// What is alive in an [`Endpoint`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// TCP connections.
    pub connections: usize,
    /// Engine.IO sessions.
    pub sessions: usize,
    /// Socket.IO sockets.
    pub sockets: usize,
    /// Sockets that have lost their connection and may come back.
    pub away: usize,
    /// Pending timers.
    pub timers: usize,
}
