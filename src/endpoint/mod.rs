//! Where the layers meet: the one place that knows more than one of them.

mod admission;
mod asks;
mod check;
mod cluster;
pub(crate) mod door;
mod event;
mod events;
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
pub use event::{AckId, AskId, Event, JoinId, Message};
pub use joins::ConnectRequest;
pub use schedule::TimerId;
pub use verbs::ClientInfo;
pub use work::Work;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{Revision, Sessions, Times};
use crate::frame::{Frame, FrameBuilder};
use crate::id::EngineSessionId;
use crate::net::Handle;
use crate::now::Now;
use crate::progress::{Memory, ProgressTracker};
use crate::slots::Slots;
use crate::socket::{Adapter, Client, InMemory, Limits, SocketId, Sockets};
use crate::timer::{Timeout, Timer};
use crate::transport::ready::{cost, TIMERS_UNITS};
use crate::transport::Transport;

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
    packet_limits: Limits,
    environment: Environment,
    /// Leads back here from other threads, where a server drives this.
    handle: Option<Handle>,
    clock: Clock,
    transport: Transport,
    sessions: Sessions<Client>,
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
    events: events::Events,
    /// How far this turn has come.
    phase: work::Phase,
    /// More timers are due than a turn has units for.
    has_timers_left: bool,
    /// Sessions and requests that wait until everything has been read that may have come for them.
    unheard: heartbeat::Unheard,
    /// Counts connections that are named to be written to, by which the lists take turns.
    outputs: u32,
    /// Memory of handled messages, for the next ones.
    spare_texts: Vec<String>,
    /// Memory for the sockets that a broadcast goes to.
    selected: Vec<SocketId>,
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
        let mut clock = Clock::new(now);
        let tracker = config.progress.clone().map(|mut settings| {
            // A page is an answer, and has to have room where answers wait.
            let max_bytes = config.max_queued_bytes / 2;
            settings.max_page_bytes = settings.max_page_bytes.min(max_bytes);
            ProgressTracker::new(settings, now, &mut clock.wheel)
        });
        let mut endpoint = Endpoint {
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
            clock,
            transport: Transport::new(&config),
            sessions: Sessions::new(Times {
                ping_interval_ms: config.ping_interval_ms,
                ping_timeout_ms: config.ping_timeout_ms,
                connect_timeout_ms: config.socket_io.then_some(config.connect_timeout_ms),
            }),
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
            events: events::Events::default(),
            phase: work::Phase::default(),
            has_timers_left: false,
            unheard: heartbeat::Unheard::default(),
            outputs: 0,
            spare_texts: Vec::new(),
            selected: Vec::new(),
            config,
        };
        for name in endpoint.config.namespaces.clone() {
            // One that is named twice is there once.
            let _ = endpoint.add_namespace(&name);
        }
        endpoint.take_demands();
        // The host, which has named them, need not be told of them.
        endpoint.events.clear();
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
        self.clock.now
    }

    /// Begins a turn: all that happens until the next one happens at this time.
    pub fn begin_turn(&mut self, now: Now) {
        debug_assert!(
            now.mono_ms >= self.clock.now_ms(),
            "the monotonic clock went back"
        );
        self.clock.now = now;
        self.transport.ready.begin_turn();
        self.look_at_door();
        if let Some(tracker) = &mut self.tracker {
            tracker.see(now);
        }
    }

    /// Whether there is something to do without waiting for input or a deadline.
    pub fn has_work(&self) -> bool {
        !self.events.is_empty()
            || self.sockets.has_changes()
            || self.has_timers_left
            || self.transport.has_work()
            || !self.unheard.is_empty()
            || self.sessions.has_polls_due()
    }

    /// The monotonic time in milliseconds at which the next timer is due.
    pub fn next_deadline(&self) -> Option<u64> {
        self.clock.wheel.next_deadline()
    }

    /// Does what is due at the time of this turn, as far as its units for that go.
    pub(crate) fn handle_timeouts(&mut self) {
        self.judge_overdue();
        let mut left = TIMERS_UNITS;
        while left > 0 {
            let all_moves = left / cost::MOVE;
            let mut moves = all_moves;
            let Some((deadline_ms, timer)) = self
                .clock
                .wheel
                .expire_within(self.clock.now_ms(), &mut moves)
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
            Timer::Connection(key, Timeout::Request) => self.request_timed_out(key),
            Timer::Connection(key, Timeout::Admission) => self.admission_timed_out(key),
            Timer::Connection(key, _) => self.hang_up(key),
            Timer::Connect(key) => self.connect_timed_out(key),
            Timer::Attachments(key) => self.attachments_due(key),
            Timer::Ping(key) => self.ping(key, deadline_ms),
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

    /// How many connections are open, sessions alive and sockets connected.
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.transport.count(),
            sessions: self.sessions.count(),
            sockets: self.sockets.count(),
            away: self.sockets.away_count(),
            timers: self.clock.wheel.len(),
        }
    }

    /// The revision of Engine.IO that a session's client speaks.
    fn revision(&self, session: EngineSessionId) -> Option<Revision> {
        Some(self.sessions.session(session)?.revision())
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
