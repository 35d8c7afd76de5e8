//! The handlers of one namespace.

use std::collections::{BTreeMap, BTreeSet};

use super::{Joining, Socket};
use crate::{
    Args, ConnectError, DisconnectReason, Door, Endpoint, Error, Message, SocketId, Target,
};

/// What a handler's work comes to.
pub(super) type Outcome = Result<(), Error>;

type Middleware = Box<dyn FnMut(&mut Joining<'_>) -> Result<Verdict, ConnectError> + Send>;
type PacketMiddleware = Box<dyn FnMut(&mut Socket<'_>, &mut Message) -> Result<(), String> + Send>;
type ConnectHandler = Box<dyn FnMut(&mut Socket<'_>, &Args) -> Outcome + Send>;
type EventHandler = Box<dyn FnMut(&mut Socket<'_>, &Message) -> Outcome + Send>;
type ErrorHandler = Box<dyn FnMut(&mut Socket<'_>, &str) -> Outcome + Send>;
type OutgoingHandler = Box<dyn FnMut(&mut Endpoint, &Target, &Args) -> Outcome + Send>;
type ExpiryHandler = Box<dyn FnMut(&mut Socket<'_>) -> Outcome + Send>;
pub(super) type DisconnectHandler =
    Box<dyn FnMut(&mut Socket<'_>, DisconnectReason) -> Outcome + Send>;

/// What a middleware says of a client that wants to join, unless it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// On to the next middleware; the last one's lets the client in.
    Next,
    /// The decision comes later: by [`Endpoint::pass_connect`], which goes on with the next middleware,
    /// [`Endpoint::accept_connect`], which leaves out the others, or [`Endpoint::refuse_connect`].
    Later,
}

/// Handlers of one namespace, or of all that a pattern stands for.
pub struct Handlers {
    /// Told of everything that clients or events have to pass.
    door: Door,
    pub(super) middlewares: Vec<Middleware>,
    packet_middlewares: Vec<PacketMiddleware>,
    pub(super) on_connect: Option<ConnectHandler>,
    pub(super) on_disconnecting: Option<DisconnectHandler>,
    pub(super) on_disconnect: Option<DisconnectHandler>,
    pub(super) on_recovery_expired: Option<ExpiryHandler>,
    on: BTreeMap<String, EventHandler>,
    once: BTreeMap<String, Once>,
    on_any: Option<EventHandler>,
    on_error: Option<ErrorHandler>,
    pub(super) on_any_outgoing: Option<OutgoingHandler>,
}

/// A handler that each client reaches once.
struct Once {
    handler: EventHandler,
    used: BTreeSet<SocketId>,
}

impl Handlers {
    pub(super) fn new(door: Door) -> Self {
        Handlers {
            door,
            middlewares: Vec::new(),
            packet_middlewares: Vec::new(),
            on_connect: None,
            on_disconnecting: None,
            on_disconnect: None,
            on_recovery_expired: None,
            on: BTreeMap::new(),
            once: BTreeMap::new(),
            on_any: None,
            on_error: None,
            on_any_outgoing: None,
        }
    }

    /// Before a client joins, after the middlewares that were added earlier: `use` of the Socket.IO documentation. An error is
    /// what the client's `connect_error` handler gets. Whenever it is added, whoever comes from then on has to pass it; who is
    /// in already stays.
    pub fn middleware(
        &mut self,
        middleware: impl FnMut(&mut Joining<'_>) -> Result<Verdict, ConnectError> + Send + 'static,
    ) -> &mut Self {
        self.middlewares.push(Box::new(middleware));
        self.door.demand(|demands| {
            demands.connect_requests = true;
            demands.rules += 1;
        });
        self
    }

    /// Before an event of a client reaches its handlers, and with the right to change it, by [`Args::named`]: `socket.use` of
    /// the Socket.IO documentation. On an error the event goes no further, and [`Handlers::on_error`] is called; the client
    /// hears nothing.
    pub fn packet_middleware(
        &mut self,
        middleware: impl FnMut(&mut Socket<'_>, &mut Message) -> Result<(), String> + Send + 'static,
    ) -> &mut Self {
        self.packet_middlewares.push(Box::new(middleware));
        self
    }

    /// When a packet middleware has refused an event.
    pub fn on_error(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, &str) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_error = Some(Box::new(handler));
        self
    }

    /// When a client has joined. The arguments are one: the auth payload that it sent, or `{}`.
    pub fn on_connect(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, &Args) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_connect = Some(Box::new(handler));
        self
    }

    /// When a client is about to leave or is gone, and is still in its rooms. Nothing reaches it any more.
    pub fn on_disconnecting(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, DisconnectReason) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_disconnecting = Some(Box::new(handler));
        self
    }

    /// When a client has left or is gone. It is in no room any more; what was kept with it is still there.
    pub fn on_disconnect(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, DisconnectReason) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_disconnect = Some(Box::new(handler));
        self
    }

    /// When a client whose connection was lost can come back no longer. What was kept with it is still there.
    pub fn on_recovery_expired(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_recovery_expired = Some(Box::new(handler));
        self
    }

    /// When a client has emitted this event. An event without a handler is ignored.
    pub fn on(
        &mut self,
        event: &str,
        handler: impl FnMut(&mut Socket<'_>, &Message) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on.insert(event.to_owned(), Box::new(handler));
        self
    }

    /// When a client has emitted this event for the first time.
    pub fn once(
        &mut self,
        event: &str,
        handler: impl FnMut(&mut Socket<'_>, &Message) -> Outcome + Send + 'static,
    ) -> &mut Self {
        let once = Once {
            handler: Box::new(handler),
            used: BTreeSet::new(),
        };
        self.once.insert(event.to_owned(), once);
        self
    }

    /// No longer when a client has emitted this event.
    pub fn off(&mut self, event: &str) -> &mut Self {
        self.on.remove(event);
        self.once.remove(event);
        self
    }

    /// When a client has emitted any event, before that event's own handler. Acknowledgements are not seen here.
    pub fn on_any(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, &Message) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_any = Some(Box::new(handler));
        self
    }

    /// When anything has been emitted in this namespace, to one or to many: to whom, with name and arguments.
    /// Acknowledgements are not seen here. What this handler itself emits in the namespace is, so it must not always do that.
    pub fn on_any_outgoing(
        &mut self,
        handler: impl FnMut(&mut Endpoint, &Target, &Args) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_any_outgoing = Some(Box::new(handler));
        self.door.demand(|demands| demands.emitted_events = true);
        self
    }

    /// Hands an event to all that want it.
    pub(super) fn handle(&mut self, socket: &mut Socket<'_>, message: &mut Message) -> Outcome {
        for middleware in &mut self.packet_middlewares {
            if let Err(error) = middleware(socket, message) {
                return match &mut self.on_error {
                    Some(handler) => handler(socket, &error),
                    None => Ok(()),
                };
            }
        }
        if let Some(handler) = &mut self.on_any {
            handler(socket, message)?;
        }
        if self.on.is_empty() && self.once.is_empty() {
            return Ok(());
        }
        let name = message.name();
        if let Some(once) = self.once.get_mut(&*name) {
            if once.used.insert(socket.id()) {
                (once.handler)(socket, message)?;
            }
        }
        match self.on.get_mut(&*name) {
            Some(handler) => handler(socket, message),
            None => Ok(()),
        }
    }

    /// A client is gone for good.
    pub(super) fn forget(&mut self, socket: SocketId) {
        for once in self.once.values_mut() {
            once.used.remove(&socket);
        }
    }
}
