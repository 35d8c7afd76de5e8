//! Handlers registered by event name, in the words of the Socket.IO documentation.
//!
//! The core yields events and takes verbs; people who know Socket.IO think in `on("event", handler)`. This layer is
//! nothing but the table between the two, outside of the core and built on its public interface alone.

mod dispatch;
mod handlers;
mod pattern;
mod questions;
mod socket;

pub use handlers::{Handlers, Verdict};
pub use questions::{AckTimeout, Answers};
pub use socket::{Joining, Socket};

use std::collections::BTreeMap;
use std::net::SocketAddr;

use self::handlers::Outcome;
use self::pattern::Pattern;
use self::questions::Questions;
use crate::http::Request;
use crate::{
    Admission, AdmissionId, Args, Config, Endpoint, NamespaceId, RemoteSocket, RoomChange, Target,
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
/// [`Handle`](crate::Handle). A handler's error comes back from [`Io::dispatch`]; a client that has gone meanwhile is none.
#[derive(Default)]
pub struct Io {
    served: Vec<Served>,
    /// Which of them serves a namespace.
    by_namespace: BTreeMap<NamespaceId, usize>,
    pub(crate) questions: Questions,
    allow_request: Option<AllowRequest>,
    on_connection_error: Option<ConnectionErrorHandler>,
    on_namespace: Option<NamespaceHandler>,
    on_room: Option<RoomHandler>,
    on_server_side: Option<ServerSideHandler>,
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

    /// The handlers of a namespace, such as `"/"` or `"/custom"`, to add to.
    pub fn namespace(&mut self, name: &str) -> &mut Handlers {
        self.serve(Pattern::Name(name.to_owned()))
    }

    /// The handlers of all namespaces whose names are like this, where `*` stands for any characters: `"/workspace-*"`. Each is
    /// made when the first client asks for it.
    pub fn namespaces_like(&mut self, pattern: &str) -> &mut Handlers {
        self.serve(Pattern::Like(pattern.to_owned()))
    }

    /// The handlers of all namespaces that a decision, given the name and the auth payload, lets clients join. The label
    /// names them in [`Io::children`]; with one that is known already the decision is replaced. It may be asked several times
    /// about one client, where a middleware takes its time.
    pub fn namespaces_if(
        &mut self,
        label: &str,
        decide: impl FnMut(&str, &Args) -> bool + Send + 'static,
    ) -> &mut Handlers {
        self.serve(Pattern::Decision(label.to_owned(), Box::new(decide)))
    }

    /// Before a session opens: says what becomes of the request, or `None` when that is said later, by [`Endpoint::admit`]
    /// with the same ticket. Without this handler every request may open one.
    pub fn allow_request(
        &mut self,
        decide: impl FnMut(&mut Endpoint, AdmissionId, &Request, SocketAddr) -> Option<Admission>
            + Send
            + 'static,
    ) -> &mut Self {
        self.allow_request = Some(Box::new(decide));
        self
    }

    /// When a request has been refused with a code.
    pub fn on_connection_error(
        &mut self,
        handler: impl FnMut(&ConnectionError<'_>) + Send + 'static,
    ) -> &mut Self {
        self.on_connection_error = Some(Box::new(handler));
        self
    }

    /// When a namespace has been added, be it for a client or by the host.
    pub fn on_new_namespace(
        &mut self,
        handler: impl FnMut(&mut Endpoint, NamespaceId) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_namespace = Some(Box::new(handler));
        self
    }

    /// When something has become of a room.
    pub fn on_room(
        &mut self,
        handler: impl FnMut(&mut Endpoint, NamespaceId, &str, &RoomChange) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_room = Some(Box::new(handler));
        self
    }

    /// When another server of the cluster has emitted an event to this one: its name and arguments, and where an answer is
    /// wanted what to give [`Endpoint::reply_server_side`].
    pub fn on_server_side(
        &mut self,
        handler: impl FnMut(&mut Endpoint, NamespaceId, &Args, Option<u64>) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_server_side = Some(Box::new(handler));
        self
    }

    /// The settings with all that these handlers need beside what is there: namespaces, and which decisions and news the host
    /// wants. Clients can join `/` also where nothing is registered for it, unless [`Config::namespaces`] leaves it out.
    pub fn configure(&self, mut config: Config) -> Config {
        for name in self.served.iter().filter_map(|it| it.pattern.name()) {
            if !config.namespaces.iter().any(|known| known == name) {
                config.namespaces.push(name.to_owned());
            }
        }
        let has = |has: fn(&Served) -> bool| self.served.iter().any(has);
        let is_asked = |served: &Served| {
            !served.handlers.middlewares.is_empty() || served.pattern.name().is_none()
        };
        Config {
            connect_requests: config.connect_requests || has(is_asked),
            emitted_events: config.emitted_events
                || has(|served| served.handlers.on_any_outgoing.is_some()),
            allow_request: config.allow_request || self.allow_request.is_some(),
            connection_errors: config.connection_errors || self.on_connection_error.is_some(),
            room_events: config.room_events || self.on_room.is_some(),
            ..config
        }
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

    fn serve(&mut self, pattern: Pattern) -> &mut Handlers {
        let known = |served: &Served| served.pattern.is_same(&pattern);
        let index = match self.served.iter().position(known) {
            Some(index) => {
                self.served[index].pattern = pattern;
                index
            }
            None => {
                self.served.push(Served {
                    pattern,
                    handlers: Handlers::default(),
                });
                self.served.len() - 1
            }
        };
        &mut self.served[index].handlers
    }
}
