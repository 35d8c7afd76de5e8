//! Where the layers meet: the one place that knows more than one of them.

mod admission;
mod asks;
mod check;
mod cluster;
mod codec;
mod commands;
mod confirmed;
mod connects;
pub(crate) mod door;
mod drain;
mod event;
mod events;
mod figures;
mod handshakes;
mod heartbeat;
mod input;
mod joins;
mod limits;
mod memory;
mod messages;
mod news;
mod output;
mod overdue;
mod owners;
mod parts;
mod polling;
mod progress;
mod progress_view;
mod recovery;
mod refusals;
mod requests;
mod rooms;
mod schedule;
mod sessions;
mod stalls;
#[cfg(test)]
mod tests;
mod timers;
mod verbs;
mod websockets;
mod work;

pub use admission::{Admission, AdmissionId};
pub use cluster::ClusterView;
pub use commands::CommandId;
pub use connects::ConnectRequest;
pub use door::Door;
pub use event::{AckId, AskId, ConnectId, Event, Message};
pub use figures::{DisconnectCounts, EndpointStats, HandshakeCounts, PacketCounts};
pub use input::Readiness;
pub use limits::{Limit, LimitCounts};
pub use owners::Sight;
pub use progress_view::ProgressView;
pub use schedule::TimerId;
pub use verbs::ClientInfo;
pub use work::Work;

use crate::addresses::{CallerCounts, CallerRates};
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{Revision, SessionRates, Sessions, Times};
use crate::id::EngineSessionId;
use crate::net::{Handle, Stats};
use crate::now::Now;
use crate::progress::MemoryUsage;
use crate::slots::Slots;
use crate::socket::{Adapter, Client, InMemory, Sockets};
use crate::transport::Transport;

/// Fills a buffer with random bytes.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// What only the operating system knows, handed in so that the core never asks for it itself.
pub struct Environment {
    /// Random bytes that nobody can guess; ids are made of them.
    #[doc(alias = "generateId")]
    pub random: Random,
    /// The memory figures of the `heartbeat` event.
    pub memory: Box<dyn FnMut() -> MemoryUsage + Send>,
}

/// The whole server without sockets and without a clock.
///
/// Bytes and the time go in; bytes, closings, events and the next deadline come out. [`Server`](crate::Server) drives it with
/// mio; tests, simulations and hosts with an I/O of their own drive it themselves, by asking again and again for the
/// [`next_work`](Endpoint::next_work): read from this connection, write to that one, close it, have the host take the events, wait.
/// Who is served when, and how much of it, is decided here, so that it is the same for all of them.
pub struct Endpoint {
    config: Config,
    outside: Outside,
    clock: Clock,
    transport: Transport,
    sessions: Sessions<Client>,
    sockets: Sockets,
    /// Clients that wait for the host to let them into a namespace.
    connects: Slots<connects::PendingConnect>,
    asks: asks::Asks,
    schedule: schedule::Schedule,
    /// What clients have to come in by, where an `Io` has handlers for them.
    door: Option<door::Attached>,
    drain: drain::Drain,
    tracking: progress::Tracking,
    events: events::Events,
    codec: codec::Codec,
    turn: work::Turn,
    /// What has been counted so far.
    tally: EndpointStats,
}

/// What leads out of the endpoint.
struct Outside {
    environment: Environment,
    /// Leads back here from other threads, where a server drives this.
    handle: Option<Handle>,
    /// What the loop around this has done.
    loop_stats: Stats,
    /// Leads to other servers.
    adapter: Box<dyn Adapter>,
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
        let exempt = &config.exempt_addresses;
        let mut endpoint = Endpoint {
            outside: Outside {
                environment,
                handle: None,
                loop_stats: Stats::default(),
                adapter: Box::new(InMemory),
            },
            transport: Transport::new(&config),
            sessions: Sessions::new(
                Times {
                    ping_interval_ms: config.ping_interval_ms,
                    ping_timeout_ms: config.ping_timeout_ms,
                    connect_timeout_ms: config.socket_io.then_some(config.connect_timeout_ms),
                },
                CallerCounts::new(config.max_sessions_per_address, exempt),
                CallerRates::new(config.max_handshakes_per_second, exempt),
                SessionRates::new(&config),
            ),
            sockets: Sockets::new(config.room_events),
            connects: Slots::default(),
            asks: asks::Asks::default(),
            schedule: Slots::default(),
            door: config.door.clone().map(door::Attached::new),
            drain: drain::Drain::default(),
            tracking: progress::Tracking::new(&config, &mut clock),
            events: events::Events::default(),
            codec: codec::Codec::new(&config),
            turn: work::Turn::default(),
            tally: EndpointStats::default(),
            clock,
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
        self.outside.handle.clone().unwrap_or_else(Handle::closed)
    }

    pub(crate) fn set_handle(&mut self, handle: Handle) {
        self.outside.handle = Some(handle);
    }

    /// The time of this turn.
    pub fn now(&self) -> Now {
        self.clock.now
    }

    /// How many connections are open, sessions alive and sockets connected.
    #[doc(alias = "clientsCount")]
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
