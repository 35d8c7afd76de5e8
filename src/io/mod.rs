//! Handlers registered by event name, in the words of the Socket.IO documentation.
//!
//! The core yields events and takes verbs; people who know Socket.IO think in `on("event", handler)`. This layer is
//! nothing but the table between the two, outside of the core and built on its public interface; only what clients have to
//! come in by ([`Door`]) is shared with the core.

mod dispatch;
mod door;
mod handlers;
mod pattern;
mod questions;
mod socket;
mod timers;

pub use handlers::{Handlers, Verdict};
pub use questions::{AckTimeout, Answers};
pub use socket::{Joining, Socket};
pub use timers::IoTimer;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use self::handlers::Outcome;
use self::pattern::Pattern;
use self::questions::Questions;
use crate::http::Request;
use crate::{
    Admission, AdmissionId, Args, Config, Door, Endpoint, NamespaceId, RemoteSocket, RoomChange,
    Target,
};

type AllowRequest =
    Box<dyn FnMut(&mut Endpoint, AdmissionId, &Request, SocketAddr) -> Option<Admission> + Send>;
type ConnectionErrorHandler = Box<dyn FnMut(&ConnectionError<'_>) + Send>;
type NamespaceHandler = Box<dyn FnMut(&mut Endpoint, NamespaceId) -> Outcome + Send>;
type RoomHandler = Box<dyn FnMut(&mut Endpoint, NamespaceId, &str, &RoomChange) -> Outcome + Send>;
type ServerSideHandler =
    Box<dyn FnMut(&mut Endpoint, NamespaceId, &Args, Option<u64>) -> Outcome + Send>;

/// Handlers of any number of namespaces.
///
/// Handlers run on the server's thread, one at a time: long work belongs to another thread, which answers through a
/// [`Handle`](crate::Handle). A handler's error comes back from [`Io::dispatch`]; a client that has gone meanwhile is none. A
/// handler's panic harms its own client alone, see there; where panics abort (`panic = "abort"`) it ends the process.
#[derive(Default)]
pub struct Io {
    served: Vec<Served>,
    /// What clients have to come in by; the endpoint knows it too.
    door: Door,
    turned_away: u64,
    panics: u64,
    /// Which of them serves a namespace.
    by_namespace: BTreeMap<NamespaceId, usize>,
    /// Those that may have to take over a namespace that is there.
    new_names: Vec<usize>,
    pub(crate) questions: Questions,
    allow_request: Vec<AllowRequest>,
    on_connection_error: Vec<ConnectionErrorHandler>,
    on_namespace: Vec<NamespaceHandler>,
    on_room: Vec<RoomHandler>,
    on_server_side: Vec<ServerSideHandler>,
}

/// A request that was refused with a code; see [`Event::ConnectionError`](crate::Event::ConnectionError).
#[derive(Clone, Copy, Debug)]
pub struct ConnectionError<'a> {
    /// Method, path, query and headers.
    pub head: &'a Request,
    /// The address of its sender.
    pub peer: SocketAddr,
    /// The code.
    pub code: u8,
    /// What the code stands for.
    pub message: &'a str,
    /// More about it, by the names of the reference.
    pub context: &'a [(&'static str, String)],
}

struct Served {
    pattern: Pattern,
    handlers: Handlers,
}

impl Io {
    /// Without any handler.
    pub fn new() -> Io {
        Io::default()
    }

    /// The handlers of a namespace, such as `"/"` or `"/custom"`, to add to; a slash that is left out is added. They come instead of those of a pattern that the
    /// name is like, middlewares included.
    pub fn namespace(&mut self, name: &str) -> &mut Handlers {
        self.serve(Pattern::of_name(name))
    }

    /// The handlers of all namespaces whose names are like this, where `*` stands for any characters: `"/workspace-*"`. Each is
    /// made when the first client asks for it.
    pub fn namespaces_like(&mut self, pattern: &str) -> &mut Handlers {
        self.serve(Pattern::like(pattern))
    }

    /// The handlers of all namespaces that a decision, given the name and the auth payload, lets clients join. The label
    /// names them in [`Io::children`]; with one that is known already the decision is replaced. It may be asked several times
    /// about one client, where a middleware takes its time.
    pub fn namespaces_if(
        &mut self,
        label: &str,
        decide: impl FnMut(&str, &Args) -> bool + Send + 'static,
    ) -> &mut Handlers {
        self.door.demand(|demands| demands.rules += 1);
        self.serve(Pattern::Decision(label.to_owned(), Box::new(decide)))
    }

    /// Before a session opens: says what becomes of the request, or `None` when that is said later, by [`Endpoint::admit`]
    /// with the same ticket. Without such a handler every request may open one; where there are several, each of them has to
    /// accept, and the first that does not decides. Whenever it is registered, whoever joins a namespace from then on must have
    /// been asked about.
    pub fn allow_request(
        &mut self,
        decide: impl FnMut(&mut Endpoint, AdmissionId, &Request, SocketAddr) -> Option<Admission>
            + Send
            + 'static,
    ) -> &mut Self {
        self.allow_request.push(Box::new(decide));
        self.door.demand(|demands| {
            demands.allow_request = true;
            demands.rules += 1;
        });
        self
    }

    /// When a request has been refused with a code.
    pub fn on_connection_error(
        &mut self,
        handler: impl FnMut(&ConnectionError<'_>) + Send + 'static,
    ) -> &mut Self {
        self.on_connection_error.push(Box::new(handler));
        self.door.demand(|demands| demands.connection_errors = true);
        self
    }

    /// When a namespace has been added, be it for a client or by the host.
    pub fn on_new_namespace(
        &mut self,
        handler: impl FnMut(&mut Endpoint, NamespaceId) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_namespace.push(Box::new(handler));
        self
    }

    /// When something has become of a room.
    pub fn on_room(
        &mut self,
        handler: impl FnMut(&mut Endpoint, NamespaceId, &str, &RoomChange) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_room.push(Box::new(handler));
        self.door.demand(|demands| demands.room_events = true);
        self
    }

    /// When another server of the cluster has emitted an event to this one: its name and arguments, and where an answer is
    /// wanted what to give [`Endpoint::reply_server_side`].
    pub fn on_server_side(
        &mut self,
        handler: impl FnMut(&mut Endpoint, NamespaceId, &Args, Option<u64>) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_server_side.push(Box::new(handler));
        self
    }

    /// The settings with all that these handlers need beside what is there: namespaces, and which decisions and news the host
    /// wants. Clients can join `/` also where nothing is registered for it, unless [`Config::namespaces`] leaves it out.
    ///
    /// What is registered later counts too, from the endpoint's next turn on, as the settings name this `Io`
    /// ([`Config::door`]). Settings that name another one already are left to that one: one server has one `Io`.
    pub fn configure(&self, mut config: Config) -> Config {
        let demands = self.door.demands();
        for name in demands.names {
            if !config.namespaces.contains(&name) {
                config.namespaces.push(name);
            }
        }
        Config {
            connect_requests: config.connect_requests || demands.connect_requests,
            emitted_events: config.emitted_events || demands.emitted_events,
            allow_request: config.allow_request || demands.allow_request,
            connection_errors: config.connection_errors || demands.connection_errors,
            room_events: config.room_events || demands.room_events,
            door: config.door.or_else(|| Some(self.door.clone())),
            ..config
        }
    }

    /// How many handlers have panicked: see [`Error::Panicked`](crate::Error::Panicked).
    pub fn panics(&self) -> u64 {
        self.panics
    }

    /// Whether these settings are this `Io`'s, or nobody's yet.
    pub(crate) fn is_of(&self, config: &Config) -> bool {
        config.door.as_ref().is_none_or(|door| door.is(&self.door))
    }

    /// How many clients have been disconnected or refused because a middleware or `allow_request` of theirs had not been asked:
    /// see [`Error::NotAsked`](crate::Error::NotAsked) and [`Error::OtherIo`](crate::Error::OtherIo). Each is a mistake in how
    /// the host has wired this `Io`, which [`Server::bind_io`](crate::Server::bind_io) makes impossible.
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// Everybody in each of the namespaces that a pattern or a decision's label has brought about: to emit to all of them.
    pub fn children(&self, endpoint: &Endpoint, pattern_or_label: &str) -> Vec<Target> {
        let is_it = |served: &Served| served.pattern.is_called(pattern_or_label);
        let index = self.served.iter().position(is_it);
        let namespaces = endpoint.namespaces();
        namespaces
            .filter(|(id, _)| index.is_some() && self.by_namespace.get(id).copied() == index)
            .map(|(id, _)| Target::namespace(id))
            .collect()
    }

    /// Emits to all that a target means and gathers what they acknowledge within so many milliseconds.
    pub fn broadcast_with_ack(
        &mut self,
        endpoint: &mut Endpoint,
        target: &Target,
        event: &str,
        args: &Args,
        timeout_ms: u64,
        handler: impl FnOnce(&mut Endpoint, Answers<'_>) -> Outcome + Send + 'static,
    ) -> Outcome {
        let ask = endpoint.broadcast_with_ack(target, event, args, timeout_ms)?;
        self.questions.ask(ask, Box::new(handler));
        Ok(())
    }

    /// Asks all servers of the cluster for the sockets that a target means.
    pub fn fetch_sockets(
        &mut self,
        endpoint: &mut Endpoint,
        target: &Target,
        timeout_ms: u64,
        handler: impl FnOnce(&mut Endpoint, &[RemoteSocket]) -> Outcome + Send + 'static,
    ) {
        let ask = endpoint.fetch_cluster(target, timeout_ms);
        self.questions.fetch(ask, Box::new(handler));
    }

    /// Handlers of a name come instead of those by which its namespace may have been made before.
    pub(super) fn settle_new_names(&mut self, endpoint: &Endpoint) {
        for index in std::mem::take(&mut self.new_names) {
            let name = self.served[index].pattern.name();
            let namespace = name.and_then(|name| endpoint.namespace(name).ok());
            if let Some(namespace) = namespace {
                self.by_namespace.insert(namespace, index);
            }
        }
    }

    fn serve(&mut self, pattern: Pattern) -> &mut Handlers {
        let known = |served: &Served| served.pattern.is_same(&pattern);
        let index = match self.served.iter().position(known) {
            Some(index) => {
                self.served[index].pattern = pattern;
                index
            }
            None => {
                self.door.demand(|demands| match pattern.name() {
                    Some(name) => demands.names.push(name.to_owned()),
                    None => demands.connect_requests = true,
                });
                self.new_names.push(self.served.len());
                self.served.push(Served {
                    pattern,
                    handlers: Handlers::new(self.door.clone()),
                });
                self.served.len() - 1
            }
        };
        &mut self.served[index].handlers
    }
}
