//! Handlers registered by event name, in the words of the Socket.IO documentation.
//!
//! The core yields events and takes verbs; people who know Socket.IO think in `on("event", handler)`. This layer is
//! nothing but the table between the two, outside of the core and built on its public interface alone.

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
    Admission, AdmissionId, Args, Config, ConnectError, DisconnectReason, Endpoint, Error, Event,
    JoinId, Message, NamespaceId, RemoteSocket, RoomChange, SocketId, Target,
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

/// A request that was refused with a code; see [`Event::ConnectionError`].
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

    /// Hands an event to its handler. An event that is not Socket.IO's, or is not awaited here, comes back.
    pub fn dispatch(
        &mut self,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Result<Option<Event>, Error> {
        let result = match event {
            Event::AllowRequest { ticket, head, peer } => {
                let admission = match &mut self.allow_request {
                    Some(decide) => decide(endpoint, ticket, &head, peer),
                    None => Some(Admission::accept()),
                };
                match admission.map(|admission| endpoint.admit(ticket, admission)) {
                    // It has been decided already, or its sender is gone.
                    Some(Err(Error::NoSuchRequest)) | None => Ok(()),
                    Some(outcome) => outcome,
                }
            }
            Event::ConnectionError {
                head,
                peer,
                code,
                message,
                context,
            } => {
                if let Some(handler) = &mut self.on_connection_error {
                    handler(&ConnectionError {
                        head: &head,
                        peer,
                        code,
                        message: &message,
                        context: &context,
                    });
                }
                Ok(())
            }
            Event::ConnectRequested {
                ticket,
                namespace,
                auth,
                passed,
            } => self.connect_requested(endpoint, ticket, &namespace, &auth, passed),
            Event::NamespaceCreated { namespace } => match &mut self.on_namespace {
                Some(handler) => handler(endpoint, namespace),
                None => Ok(()),
            },
            Event::Connected {
                socket,
                namespace,
                auth,
                is_recovered,
            } => self.connected(endpoint, socket, namespace, &auth, is_recovered),
            Event::Message(message) => self.message(endpoint, message),
            Event::Acknowledged { socket, id, args } => {
                self.questions.acknowledged(endpoint, socket, id, Ok(&args))
            }
            Event::AckTimedOut { socket, id } => {
                self.questions
                    .acknowledged(endpoint, socket, id, Err(AckTimeout))
            }
            Event::Answered {
                ask,
                answers,
                is_complete,
            } => match self.questions.take_ask(ask) {
                Some(handler) => {
                    let answers = Answers {
                        answers: &answers,
                        is_complete,
                    };
                    handler(endpoint, answers)
                }
                None => {
                    return Ok(Some(Event::Answered {
                        ask,
                        answers,
                        is_complete,
                    }))
                }
            },
            Event::Fetched {
                ask,
                sockets,
                is_complete,
            } => match self.questions.take_fetch(ask) {
                Some(handler) => handler(endpoint, &sockets),
                None => {
                    return Ok(Some(Event::Fetched {
                        ask,
                        sockets,
                        is_complete,
                    }))
                }
            },
            Event::Room {
                namespace,
                room,
                change,
            } => match &mut self.on_room {
                Some(handler) => handler(endpoint, namespace, &room, &change),
                None => Ok(()),
            },
            Event::Emitted { target, args } => self.emitted(endpoint, &target, &args),
            Event::ServerSide {
                args,
                namespace,
                reply,
            } => match &mut self.on_server_side {
                Some(handler) => handler(endpoint, namespace, &args, reply),
                None => Ok(()),
            },
            Event::Disconnecting {
                socket,
                namespace,
                reason,
            } => self.leaving(endpoint, socket, namespace, reason, |handlers| {
                &mut handlers.on_disconnecting
            }),
            Event::Disconnected {
                socket,
                namespace,
                reason,
            } => {
                self.questions.forget(socket);
                let outcome = self.leaving(endpoint, socket, namespace, reason, |handlers| {
                    &mut handlers.on_disconnect
                });
                self.forget(endpoint, socket, namespace);
                outcome
            }
            Event::RecoveryExpired { socket, namespace } => {
                let outcome = self.expired(endpoint, socket, namespace);
                self.forget(endpoint, socket, namespace);
                outcome
            }
            other => return Ok(Some(other)),
        };
        match result {
            Ok(()) | Err(Error::NoSuchSocket | Error::NoSuchTicket) => Ok(None),
            Err(error) => Err(error),
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
                self.served.push(Served {
                    pattern,
                    handlers: Handlers::default(),
                });
                self.served.len() - 1
            }
        };
        &mut self.served[index].handlers
    }

    /// Which handlers serve a namespace of this name, as far as that has been settled or needs no decision.
    fn find(&mut self, endpoint: &Endpoint, name: &str) -> Option<usize> {
        let is_named = |served: &Served| served.pattern.name() == Some(name);
        self.served.iter().position(is_named).or_else(|| {
            let namespace = endpoint.namespace(name).ok()?;
            self.by_namespace.get(&namespace).copied()
        })
    }

    fn connect_requested(
        &mut self,
        endpoint: &mut Endpoint,
        ticket: JoinId,
        name: &str,
        auth: &Args,
        passed: u32,
    ) -> Outcome {
        let found = self.find(endpoint, name).or_else(|| {
            let mut served = self.served.iter_mut();
            served.position(|served| served.pattern.matches(name, auth))
        });
        let Some(index) = found else {
            return match endpoint.namespace(name) {
                Ok(_) => endpoint.accept_connect(ticket).map(|_| ()),
                Err(_) => endpoint.refuse_connect(ticket, &ConnectError::new("Invalid namespace")),
            };
        };
        let middlewares = &mut self.served[index].handlers.middlewares;
        for (middleware, number) in middlewares.iter_mut().zip(0..).skip(passed as usize) {
            // Where this one decides later, the client is passed on to the one behind it. A client that is gone by now, or has
            // been decided on, is none of the others' business.
            endpoint.set_passed(ticket, number)?;
            match middleware(&mut Joining { endpoint, ticket }) {
                Ok(Verdict::Next) => {}
                Ok(Verdict::Later) => return Ok(()),
                Err(error) => return endpoint.refuse_connect(ticket, &error),
            }
        }
        match endpoint.accept_connect(ticket) {
            // There are as many namespaces as may be, which the client has been told.
            Err(Error::BadNamespace(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(socket) => {
                let namespace = endpoint.namespace_of(socket)?;
                self.settle(endpoint, namespace, index);
                Ok(())
            }
        }
    }

    /// Remembers which handlers serve a namespace, and forgets namespaces that are gone.
    fn settle(&mut self, endpoint: &Endpoint, namespace: NamespaceId, index: usize) {
        self.by_namespace.insert(namespace, index);
        if self.by_namespace.len() > 2 * endpoint.namespaces().count() {
            self.by_namespace
                .retain(|known, _| endpoint.namespace_name(*known).is_some());
        }
    }

    fn connected(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
        auth: &Args,
        is_recovered: bool,
    ) -> Outcome {
        if self.of(endpoint, namespace).is_none() {
            // Its first client was let in later, by somebody else than the middlewares.
            let name = endpoint.namespace_name(namespace).unwrap_or_default();
            let mut served = self.served.iter_mut();
            if let Some(index) = served.position(|served| served.pattern.matches(name, auth)) {
                self.settle(endpoint, namespace, index);
            }
        }
        let Some((handlers, questions)) = self.of(endpoint, namespace) else {
            return Ok(());
        };
        match &mut handlers.on_connect {
            Some(handler) => {
                let mut socket = Socket::new(endpoint, questions, id);
                socket.is_recovered = is_recovered;
                handler(&mut socket, auth)
            }
            None => Ok(()),
        }
    }

    fn message(&mut self, endpoint: &mut Endpoint, mut message: Message) -> Outcome {
        let result = match self.of(endpoint, message.namespace) {
            Some((handlers, questions)) => {
                let mut socket = Socket::new(endpoint, questions, message.socket);
                handlers.handle(&mut socket, &mut message)
            }
            None => Ok(()),
        };
        endpoint.recycle(message);
        result
    }

    fn emitted(&mut self, endpoint: &mut Endpoint, target: &Target, args: &Args) -> Outcome {
        let Some((handlers, _)) = self.of(endpoint, target.namespace_id()) else {
            return Ok(());
        };
        match &mut handlers.on_any_outgoing {
            Some(handler) => handler(endpoint, target, args),
            None => Ok(()),
        }
    }

    fn leaving(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
        reason: DisconnectReason,
        which: impl FnOnce(&mut Handlers) -> &mut Option<handlers::DisconnectHandler>,
    ) -> Outcome {
        let Some((handlers, questions)) = self.of(endpoint, namespace) else {
            return Ok(());
        };
        match which(handlers) {
            Some(handler) => handler(&mut Socket::new(endpoint, questions, id), reason),
            None => Ok(()),
        }
    }

    fn expired(
        &mut self,
        endpoint: &mut Endpoint,
        id: SocketId,
        namespace: NamespaceId,
    ) -> Outcome {
        let Some((handlers, questions)) = self.of(endpoint, namespace) else {
            return Ok(());
        };
        match &mut handlers.on_recovery_expired {
            Some(handler) => handler(&mut Socket::new(endpoint, questions, id)),
            None => Ok(()),
        }
    }

    /// A client is gone, though it may come back where it is only away, or be back already.
    fn forget(&mut self, endpoint: &Endpoint, id: SocketId, namespace: NamespaceId) {
        let text = endpoint.socket_id(id);
        if text.is_none_or(|text| endpoint.find_socket(text.as_str()).is_none()) {
            if let Some((handlers, _)) = self.of(endpoint, namespace) {
                handlers.forget(id);
            }
        }
    }

    fn of(
        &mut self,
        endpoint: &Endpoint,
        namespace: NamespaceId,
    ) -> Option<(&mut Handlers, &mut Questions)> {
        let index = match self.by_namespace.get(&namespace) {
            Some(index) => *index,
            None => {
                let name = endpoint.namespace_name(namespace)?;
                let is_named = |served: &Served| served.pattern.name() == Some(name);
                let index = self.served.iter().position(is_named)?;
                self.settle(endpoint, namespace, index);
                index
            }
        };
        Some((&mut self.served[index].handlers, &mut self.questions))
    }
}
