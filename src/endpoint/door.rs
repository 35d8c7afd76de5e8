//! The door: what an [`Io`](crate::Io) demands of everybody who comes in, known to the core however late it is registered.
//!
//! Whether clients are asked about used to be a matter of settings alone, and settings are read once. A host that registered a
//! middleware a line too late would have had an open server. So the demands are shared: the `Io` adds to them, the endpoint
//! looks at the beginning of each turn whether there are more. Whoever comes in unasked all the same, because the host has
//! decided by itself or has wired things in another way, is remembered, and the `Io` disconnects them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{AdmissionId, ConnectId, Endpoint};
use crate::engine::Admitted;
use crate::id::EngineSessionId;
use crate::socket::SocketId;

/// What an [`Io`](crate::Io) demands of everybody who comes in, as [`Io::configure`](crate::Io::configure) puts it into
/// [`Config::door`](crate::Config::door). Cheap to clone: all clones are the same door, and hear of what is registered later.
#[derive(Clone, Default)]
pub struct Door(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// One more with every change.
    version: AtomicU32,
    demands: Mutex<Demands>,
}

/// All that handlers need beside what is there in any case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demands {
    /// Namespaces with handlers of their own.
    pub names: Vec<String>,
    pub connect_requests: bool,
    pub progress_commands: bool,
    pub allow_request: bool,
    pub emitted_events: bool,
    pub room_events: bool,
    pub limit_events: bool,
    pub connection_errors: bool,
    /// There are handlers of plain HTTP requests.
    pub routes: bool,
    /// How many rules there are that may keep somebody out.
    pub rules: u32,
    /// Timers that nobody has set yet.
    timers: Vec<NewTimer>,
}

/// A timer that handlers want: its token, its time, and whether it comes again.
#[derive(Clone, Copy, Debug)]
struct NewTimer {
    token: u64,
    time: Duration,
    is_repeated: bool,
}

impl Door {
    /// Adds to what is demanded.
    pub(crate) fn demand(&self, change: impl FnOnce(&mut Demands)) {
        change(&mut self.lock());
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// Has a timer set as soon as there is an endpoint.
    pub(crate) fn add_timer(&self, token: u64, time: Duration, is_repeated: bool) {
        let timer = NewTimer {
            token,
            time,
            is_repeated,
        };
        self.demand(|demands| demands.timers.push(timer));
    }

    /// What is demanded so far.
    pub(crate) fn demands(&self) -> Demands {
        self.lock().clone()
    }

    /// Whether both are the same door.
    pub(crate) fn is(&self, other: &Door) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn version(&self) -> u32 {
        self.0.version.load(Ordering::Acquire)
    }

    fn has_rules(&self) -> bool {
        self.lock().rules > 0
    }

    fn lock(&self) -> MutexGuard<'_, Demands> {
        // Each change is one step, so what a panic has left is whole.
        let demands = self.0.demands.lock();
        demands.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}

/// Of which questions a socket has been spared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unasked {
    /// Nobody was asked whether its session may open.
    pub allow_request: bool,
    /// No middleware was asked about it.
    pub middlewares: bool,
    /// Nobody was asked about what it may have asked of progress sessions.
    pub commands: bool,
}

/// The door of an endpoint.
pub(super) struct Attached {
    door: Door,
    version: u32,
    connect_requests: bool,
    allow_request: bool,
    /// The `Io` answers plain HTTP requests.
    has_routes: bool,
    /// How many rules there are by now.
    pub rules: u32,
    /// Sockets about which something has not been asked. Where the host makes no mistake there are none.
    unasked: BTreeMap<SocketId, Unasked>,
}

impl Endpoint {
    /// Makes this the door of the endpoint, where it has none yet, and takes over what is demanded by now. False when another
    /// one is in charge, and either of them would keep somebody out.
    pub(crate) fn attach_door(&mut self, door: &Door) -> bool {
        match &self.door {
            Some(attached) if !attached.door.is(door) => {
                !attached.door.has_rules() && !door.has_rules()
            }
            Some(_) => {
                self.look_at_door();
                true
            }
            None => {
                let unasked = Unasked {
                    allow_request: true,
                    middlewares: true,
                    commands: true,
                };
                let sockets = self.sockets.known().map(|socket| (socket, unasked));
                self.door = Some(Attached {
                    unasked: sockets.collect(),
                    ..Attached::new(door.clone())
                });
                self.take_demands();
                true
            }
        }
    }

    /// Takes over what is demanded by now, where that is more than before.
    pub(super) fn look_at_door(&mut self) {
        let is_changed = |attached: &Attached| attached.door.version() != attached.version;
        if self.door.as_ref().is_some_and(is_changed) {
            self.take_demands();
        }
    }

    /// Takes over what the door demands.
    pub(super) fn take_demands(&mut self) {
        let Some(attached) = &mut self.door else {
            return;
        };
        // Before the demands: what comes in between is seen the next time.
        attached.version = attached.door.version();
        let timers = std::mem::take(&mut attached.door.lock().timers);
        let demands = attached.door.demands();
        attached.connect_requests = demands.connect_requests;
        attached.allow_request = demands.allow_request;
        attached.has_routes = demands.routes;
        attached.rules = demands.rules;
        let config = &mut self.config;
        config.connect_requests |= demands.connect_requests;
        config.allow_request |= demands.allow_request;
        config.progress_commands |= demands.progress_commands;
        config.emitted_events |= demands.emitted_events;
        config.connection_errors |= demands.connection_errors;
        config.room_events |= demands.room_events;
        config.limit_events |= demands.limit_events;
        if config.room_events {
            self.sockets.note_rooms();
        }
        for timer in timers {
            match timer.is_repeated {
                true => self.schedule_every(timer.time, timer.token),
                false => self.schedule(timer.time, timer.token),
            };
        }
        for name in demands.names {
            if self.sockets.find_namespace(&name).is_none() {
                self.make_namespace(&name, false);
            }
        }
    }

    /// The `Io` of this door has been asked whether a request may open a session.
    pub(crate) fn note_request_asked(&mut self, ticket: AdmissionId) {
        if let Some(undecided) = self.undecided(ticket.connection()) {
            undecided.is_asked = true;
        }
    }

    /// The `Io` of this door has been asked whether a client may join a namespace.
    pub(crate) fn note_connect_asked(&mut self, ticket: ConnectId) {
        if let Some(join) = self.connects.get_mut(ticket.0) {
            join.is_asked = true;
        }
    }

    /// Whether a session has come in by the door; where `strictly`, also by today's demands.
    pub(crate) fn is_admitted(&self, session: EngineSessionId, strictly: bool) -> bool {
        let session = self.sessions.session(session);
        let admitted = session.map(|session| session.admitted());
        admitted == Some(Admitted::Asked) || !strictly && admitted == Some(Admitted::Freely)
    }

    /// What has not been asked about a socket, if anything.
    pub(crate) fn unasked(&self, socket: SocketId) -> Option<Unasked> {
        self.door.as_ref()?.unasked.get(&socket).copied()
    }

    /// The `Io` of this door has no objections to a socket about which something was not asked.
    pub(crate) fn let_in(&mut self, socket: SocketId) {
        if let Some(attached) = &mut self.door {
            attached.unasked.remove(&socket);
        }
    }

    /// How a session that opens now comes in.
    pub(super) fn admitted(&self, is_asked: bool) -> Admitted {
        match &self.door {
            _ if is_asked => Admitted::Asked,
            Some(attached) if !attached.allow_request => Admitted::Freely,
            _ => Admitted::Unseen,
        }
    }

    /// Remembers what was not asked about a socket that has joined, or come back to, its namespace.
    pub(super) fn note_unasked(
        &mut self,
        session: EngineSessionId,
        socket: SocketId,
        is_asked: bool,
    ) {
        let session = self.sessions.session(session);
        let is_admitted = session.is_some_and(|it| it.admitted() == Admitted::Asked);
        if let Some(attached) = &mut self.door {
            let unasked = Unasked {
                allow_request: attached.allow_request && !is_admitted,
                middlewares: attached.connect_requests && !is_asked,
                commands: false,
            };
            if unasked == Unasked::default() {
                attached.unasked.remove(&socket);
            } else {
                attached.unasked.insert(socket, unasked);
            }
        }
    }

    /// Whether the `Io` of this door answers plain HTTP requests.
    pub(super) fn has_routes(&self) -> bool {
        let attached = self.door.as_ref();
        attached.is_some_and(|attached| attached.has_routes)
    }

    /// How many rules the door has by now.
    pub(super) fn rules(&self) -> u32 {
        self.door.as_ref().map_or(0, |attached| attached.rules)
    }
}

impl Attached {
    pub fn new(door: Door) -> Self {
        Attached {
            door,
            version: 0,
            has_routes: false,
            connect_requests: false,
            allow_request: false,
            rules: 0,
            unasked: BTreeMap::new(),
        }
    }
}
