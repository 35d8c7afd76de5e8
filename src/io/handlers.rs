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
///
/// Nothing is ever replaced: where there are several handlers for the same, all are called, in the order in which they were
/// registered, and an error of one does not keep the others from it. The first error is the one that is told.
pub struct Handlers {
    /// Told of everything that clients or events have to pass.
    door: Door,
    pub(super) middlewares: Vec<Middleware>,
    packet_middlewares: Vec<PacketMiddleware>,
    pub(super) on_connect: Vec<ConnectHandler>,
    pub(super) on_disconnecting: Vec<DisconnectHandler>,
    pub(super) on_disconnect: Vec<DisconnectHandler>,
    pub(super) on_recovery_expired: Vec<ExpiryHandler>,
    on: BTreeMap<String, Vec<Listener>>,
    on_any: Vec<EventHandler>,
    on_error: Vec<ErrorHandler>,
    pub(super) on_any_outgoing: Vec<OutgoingHandler>,
}

/// A handler of one event.
struct Listener {
    handler: EventHandler,
    /// Who has reached it, where each client does that once.
    used: Option<BTreeSet<SocketId>>,
}

/// Calls all handlers, whatever becomes of one of them; the first error that is one.
pub(super) fn call_all<H>(handlers: &mut [H], mut call: impl FnMut(&mut H) -> Outcome) -> Outcome {
    let mut outcome = Ok(());
    for handler in handlers {
        let result = call(handler);
        if matches!(outcome, Ok(()) | Err(Error::NoSuchSocket)) {
            outcome = result.and(outcome);
        }
    }
    outcome
}

impl Handlers {
    pub(super) fn new(door: Door) -> Self {
        Handlers {
            door,
            middlewares: Vec::new(),
            packet_middlewares: Vec::new(),
            on_connect: Vec::new(),
            on_disconnecting: Vec::new(),
            on_disconnect: Vec::new(),
            on_recovery_expired: Vec::new(),
            on: BTreeMap::new(),
            on_any: Vec::new(),
            on_error: Vec::new(),
            on_any_outgoing: Vec::new(),
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
        self.on_error.push(Box::new(handler));
        self
    }

    /// When a client has joined. The arguments are one: the auth payload that it sent, or `{}`.
    pub fn on_connect(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, &Args) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_connect.push(Box::new(handler));
        self
    }

    /// When a client is about to leave or is gone, and is still in its rooms. Nothing reaches it any more.
    pub fn on_disconnecting(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, DisconnectReason) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_disconnecting.push(Box::new(handler));
        self
    }

    /// When a client has left or is gone. It is in no room any more; what was kept with it is still there.
    pub fn on_disconnect(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, DisconnectReason) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_disconnect.push(Box::new(handler));
        self
    }

    /// When a client whose connection was lost can come back no longer. What was kept with it is still there.
    pub fn on_recovery_expired(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_recovery_expired.push(Box::new(handler));
        self
    }

    /// When a client has emitted this event. An event may have several handlers, which are called in the order in which they were
    /// registered; one without any is ignored.
    pub fn on(
        &mut self,
        event: &str,
        handler: impl FnMut(&mut Socket<'_>, &Message) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.listen(event, Box::new(handler), None);
        self
    }

    /// When a client has emitted this event for the first time, since the handler is there. It has its place in the order of all
    /// handlers of the event.
    pub fn once(
        &mut self,
        event: &str,
        handler: impl FnMut(&mut Socket<'_>, &Message) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.listen(event, Box::new(handler), Some(BTreeSet::new()));
        self
    }

    /// No longer when a client has emitted this event: all handlers of it go.
    pub fn off(&mut self, event: &str) -> &mut Self {
        self.on.remove(event);
        self
    }

    /// When a client has emitted any event, before that event's own handler. Acknowledgements are not seen here.
    pub fn on_any(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, &Message) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_any.push(Box::new(handler));
        self
    }

    /// When anything has been emitted in this namespace, to one or to many: to whom, with name and arguments.
    /// Acknowledgements are not seen here. What this handler itself emits in the namespace is, so it must not always do that.
    pub fn on_any_outgoing(
        &mut self,
        handler: impl FnMut(&mut Endpoint, &Target, &Args) -> Outcome + Send + 'static,
    ) -> &mut Self {
        self.on_any_outgoing.push(Box::new(handler));
        self.door.demand(|demands| demands.emitted_events = true);
        self
    }

    /// Hands an event to all that want it.
    pub(super) fn handle(&mut self, socket: &mut Socket<'_>, message: &mut Message) -> Outcome {
        for middleware in &mut self.packet_middlewares {
            if let Err(error) = middleware(socket, message) {
                return call_all(&mut self.on_error, |handler| handler(socket, &error));
            }
        }
        let any = call_all(&mut self.on_any, |handler| handler(socket, message));
        if self.on.is_empty() {
            return any;
        }
        let Some(listeners) = self.on.get_mut(&*message.name()) else {
            return any;
        };
        let own = call_all(listeners, |listener| {
            let is_used = |used: &mut BTreeSet<SocketId>| !used.insert(socket.id());
            if listener.used.as_mut().is_some_and(is_used) {
                return Ok(());
            }
            (listener.handler)(socket, message)
        });
        any.and(own)
    }

    /// A client is gone for good.
    pub(super) fn forget(&mut self, socket: SocketId) {
        for listener in self.on.values_mut().flatten() {
            if let Some(used) = &mut listener.used {
                used.remove(&socket);
            }
        }
    }

    fn listen(&mut self, event: &str, handler: EventHandler, used: Option<BTreeSet<SocketId>>) {
        let listeners = self.on.entry(event.to_owned()).or_default();
        listeners.push(Listener { handler, used });
    }
}
