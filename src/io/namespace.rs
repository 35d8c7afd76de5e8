//! The handlers of one namespace.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{error_args, Failure, IntoAnswer, Reply};
use super::decisions::{Connecting, Next, Refusal};
use super::questions::{done, Done};
use super::{Context, Socket};
use crate::error::unserializable;
use crate::{Args, DisconnectReason, Door, Error, FromArgs, IntoArgs, Message, SocketId, Target};

type Middleware<S> = Box<dyn FnMut(&mut S, &mut Connecting<'_>) -> Result<Next, Refusal> + Send>;
type PacketMiddleware<S> =
    Box<dyn FnMut(&mut S, &mut Socket<'_, S>, &mut Message) -> Result<(), Refusal> + Send>;
pub(super) type SocketHandler<S> = Box<dyn FnMut(&mut S, &mut Socket<'_, S>) -> Done + Send>;
type EventHandler<S> =
    Box<dyn FnMut(&mut S, &mut Socket<'_, S>, &mut Message) -> Result<Ack, Failure> + Send>;
type ErrorHandler<S> = Box<dyn FnMut(&mut S, &mut Socket<'_, S>, &str) -> Done + Send>;
type OutgoingHandler<S> =
    Box<dyn FnMut(&mut S, &mut Context<'_, S>, &Target, &Args) -> Done + Send>;
pub(super) type DisconnectHandler<S> =
    Box<dyn FnMut(&mut S, &mut Socket<'_, S>, DisconnectReason) -> Done + Send>;

/// Handlers of one namespace, or of all that a pattern stands for. The state of the [`Io`](super::Io) is the first argument of
/// each.
///
/// Nothing is ever replaced: where there are several handlers for the same, all are called, in the order in which they were
/// registered, and an error of one does not keep the others from it. The first mistake of the host is the one that is told.
pub struct Namespace<S: 'static = ()> {
    /// Told of everything that clients or events have to pass.
    door: Door,
    pub(super) middlewares: Vec<Middleware<S>>,
    packet_middlewares: Vec<PacketMiddleware<S>>,
    pub(super) on_connect: Vec<SocketHandler<S>>,
    pub(super) on_disconnecting: Vec<DisconnectHandler<S>>,
    pub(super) on_disconnect: Vec<DisconnectHandler<S>>,
    pub(super) on_recovery_expired: Vec<SocketHandler<S>>,
    on: BTreeMap<String, Vec<Listener<S>>>,
    on_any: Vec<EventHandler<S>>,
    on_error: Vec<ErrorHandler<S>>,
    pub(super) on_any_outgoing: Vec<OutgoingHandler<S>>,
}

/// What a handler has done about the acknowledgement.
enum Ack {
    /// It has given it, or has nothing to do with it.
    Done,
    /// It has no more to say than that all is well, if nobody else says more.
    Empty,
}

/// A handler of one event.
struct Listener<S: 'static> {
    handler: EventHandler<S>,
    /// Who has reached it, where each client does that once.
    used: Option<BTreeSet<SocketId>>,
}

impl<S: 'static> Namespace<S> {
    pub(super) fn new(door: Door) -> Self {
        Namespace {
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

    /// Before a client joins, after the middlewares that were added earlier. A refusal is what the client's `connect_error`
    /// handler gets. Whenever it is added, whoever comes from then on has to pass it; who is in already stays.
    ///
    /// ```
    /// use pulsewheel::{Io, Next};
    ///
    /// let mut io = Io::new();
    /// io.of("/").middleware(|_, connecting| {
    ///     let name: String = connecting.auth()?;
    ///     connecting.set_data(name)?;
    ///     connecting.join("everybody")?;
    ///     Ok(Next::Go)
    /// });
    /// ```
    #[doc(alias = "use")]
    pub fn middleware(
        &mut self,
        middleware: impl FnMut(&mut S, &mut Connecting<'_>) -> Result<Next, Refusal> + Send + 'static,
    ) -> &mut Self {
        self.middlewares.push(Box::new(middleware));
        self.door.demand(|demands| {
            demands.connect_requests = true;
            demands.rules += 1;
        });
        self
    }

    /// Before an event of a client reaches its handlers, and with the right to change it, by [`Args::named`]: `socket.use` of
    /// the Socket.IO documentation. A refused event goes no further, and [`Namespace::on_error`] is called; the client hears
    /// nothing.
    pub fn packet_middleware(
        &mut self,
        middleware: impl FnMut(&mut S, &mut Socket<'_, S>, &mut Message) -> Result<(), Refusal>
            + Send
            + 'static,
    ) -> &mut Self {
        self.packet_middlewares.push(Box::new(middleware));
        self
    }

    /// When a client has joined.
    #[doc(alias = "connection")]
    pub fn on_connect<R: IntoAnswer>(
        &mut self,
        handler: impl FnMut(&mut S, &mut Socket<'_, S>) -> R + Send + 'static,
    ) -> &mut Self {
        self.on_connect.push(socket_handler(handler));
        self
    }

    /// When a client is about to leave or is gone, and is still in its rooms. Nothing reaches it any more.
    pub fn on_disconnecting<R: IntoAnswer>(
        &mut self,
        handler: impl FnMut(&mut S, &mut Socket<'_, S>, DisconnectReason) -> R + Send + 'static,
    ) -> &mut Self {
        self.on_disconnecting.push(disconnect_handler(handler));
        self
    }

    /// When a client has left or is gone. It is in no room any more; what was kept with it is still there.
    pub fn on_disconnect<R: IntoAnswer>(
        &mut self,
        handler: impl FnMut(&mut S, &mut Socket<'_, S>, DisconnectReason) -> R + Send + 'static,
    ) -> &mut Self {
        self.on_disconnect.push(disconnect_handler(handler));
        self
    }

    /// When a client whose connection was lost can come back no longer. What was kept with it is still there.
    pub fn on_recovery_expired<R: IntoAnswer>(
        &mut self,
        handler: impl FnMut(&mut S, &mut Socket<'_, S>) -> R + Send + 'static,
    ) -> &mut Self {
        self.on_recovery_expired.push(socket_handler(handler));
        self
    }

    /// When a client has emitted this event. Its arguments are read as [`FromArgs`] does: one `T`, or a tuple of several; where
    /// that fails, the handler is not called and the client is acknowledged `{"error": …}`, which names the argument. What the
    /// handler returns is acknowledged too, see [`IntoAnswer`].
    ///
    /// An event may have several handlers, which are called in the order in which they were registered. It is acknowledged once:
    /// by the first that has something to say, an error included, or empty where all are content with `()`. An event without
    /// a handler is ignored.
    ///
    /// ```
    /// use pulsewheel::Io;
    ///
    /// let mut io = Io::with_state(Vec::<String>::new());
    /// io.of("/")
    ///     .on("note", |notes, _, text: String| {
    ///         notes.push(text);
    ///         notes.len()
    ///     })
    ///     .on("copy", |notes, _, (from, to): (usize, usize)| -> Result<(), &str> {
    ///         let text = notes.get(from).cloned().ok_or("no such note")?;
    ///         *notes.get_mut(to).ok_or("no place for it")? = text;
    ///         Ok(())
    ///     })
    ///     .on("clear", |notes, _, ()| notes.clear());
    /// ```
    #[doc(alias = "addListener")]
    pub fn on<T: FromArgs, R: IntoAnswer>(
        &mut self,
        event: &str,
        handler: impl FnMut(&mut S, &mut Socket<'_, S>, T) -> R + Send + 'static,
    ) -> &mut Self {
        self.listen(event, typed(handler), None);
        self
    }

    /// As [`Namespace::on`], for the first time that each client emits the event since the handler is there. It has its place in
    /// the order of all handlers of the event.
    pub fn once<T: FromArgs, R: IntoAnswer>(
        &mut self,
        event: &str,
        handler: impl FnMut(&mut S, &mut Socket<'_, S>, T) -> R + Send + 'static,
    ) -> &mut Self {
        self.listen(event, typed(handler), Some(BTreeSet::new()));
        self
    }

    /// As [`Namespace::on`], with an acknowledgement that is given later, by any thread.
    ///
    /// ```
    /// use pulsewheel::{Io, Reply};
    ///
    /// let mut io = Io::new();
    /// io.of("/").on_later("report", |_, _, year: u16, reply: Reply<String>| {
    ///     std::thread::spawn(move || reply.ok(format!("All about {year}")));
    /// });
    /// ```
    pub fn on_later<T: FromArgs, A: IntoArgs>(
        &mut self,
        event: &str,
        mut handler: impl FnMut(&mut S, &mut Socket<'_, S>, T, Reply<A>) + Send + 'static,
    ) -> &mut Self {
        let handler: EventHandler<S> = Box::new(move |state, socket, message| {
            let value = match T::from_args(&message.args) {
                Ok(value) => value,
                Err(error) => return refuse(socket, message, Failure::new(error)),
            };
            let reply = Reply::new(socket.handle(), message.ack.take());
            handler(state, socket, value, reply);
            Ok(Ack::Done)
        });
        self.listen(event, handler, None);
        self
    }

    /// When a client has emitted this event, with its message as it came. Nothing is acknowledged by itself: that is done by
    /// [`Socket::acknowledge`].
    pub fn on_raw<R: IntoAnswer>(
        &mut self,
        event: &str,
        mut handler: impl FnMut(&mut S, &mut Socket<'_, S>, &Message) -> R + Send + 'static,
    ) -> &mut Self {
        let handler = raw(move |state, socket, message| handler(state, socket, message));
        self.listen(event, handler, None);
        self
    }

    /// No longer when a client has emitted this event: all handlers of it go.
    #[doc(alias = "removeAllListeners")]
    #[doc(alias = "removeListener")]
    pub fn off(&mut self, event: &str) -> &mut Self {
        self.on.remove(event);
        self
    }

    /// When a client has emitted any event, before that event's own handlers. Acknowledgements are not seen here.
    pub fn on_any<R: IntoAnswer>(
        &mut self,
        mut handler: impl FnMut(&mut S, &mut Socket<'_, S>, &Message) -> R + Send + 'static,
    ) -> &mut Self {
        let handler = raw(move |state, socket, message| handler(state, socket, message));
        self.on_any.push(handler);
        self
    }

    /// When a packet middleware has refused an event, its arguments were not those that a handler wants, or a handler has
    /// failed, and no acknowledgement could say so.
    #[doc(alias = "error")]
    pub fn on_error<R: IntoAnswer>(
        &mut self,
        mut handler: impl FnMut(&mut S, &mut Socket<'_, S>, &str) -> R + Send + 'static,
    ) -> &mut Self {
        let handler: ErrorHandler<S> =
            Box::new(move |state, socket, error| done(handler(state, socket, error)));
        self.on_error.push(handler);
        self
    }

    /// When anything has been emitted in this namespace, to one or to many: to whom, with name and arguments.
    /// Acknowledgements are not seen here. What this handler itself emits in the namespace is, so it must not always do that.
    pub fn on_any_outgoing<R: IntoAnswer>(
        &mut self,
        mut handler: impl FnMut(&mut S, &mut Context<'_, S>, &Target, &Args) -> R + Send + 'static,
    ) -> &mut Self {
        let handler: OutgoingHandler<S> = Box::new(move |state, context, target, args| {
            done(handler(state, context, target, args))
        });
        self.on_any_outgoing.push(handler);
        self.door.demand(|demands| demands.emitted_events = true);
        self
    }

    /// Hands an event to all that want it.
    pub(super) fn handle(
        &mut self,
        state: &mut S,
        socket: &mut Socket<'_, S>,
        message: &mut Message,
    ) -> Result<(), Error> {
        for middleware in &mut self.packet_middlewares {
            if let Err(refusal) = middleware(state, socket, message) {
                let failure = Failure::new(refusal.message().to_owned());
                return self.failed(state, socket, failure);
            }
        }
        let mut outcome = Outcome::default();
        let mut is_content = false;
        for handler in &mut self.on_any {
            outcome.add(handler(state, socket, message).map(|_| ()));
        }
        let listeners = match self.on.is_empty() {
            true => None,
            false => self.on.get_mut(&*message.name()),
        };
        for listener in listeners.into_iter().flatten() {
            let is_used = |used: &mut BTreeSet<SocketId>| !used.insert(socket.id());
            if !listener.used.as_mut().is_some_and(is_used) {
                let ack = (listener.handler)(state, socket, message);
                is_content |= matches!(ack, Ok(Ack::Empty));
                outcome.add(ack.map(|_| ()));
            }
        }
        if is_content {
            socket.acknowledge(message.ack.take(), &Args::none())?;
        }
        match outcome.failures.is_empty() {
            true => Ok(()),
            false => self.tell(state, socket, outcome),
        }
    }

    /// Has the handlers of errors told what others have failed with; the first mistake of the host comes back.
    pub(super) fn tell(
        &mut self,
        state: &mut S,
        socket: &mut Socket<'_, S>,
        outcome: Outcome,
    ) -> Result<(), Error> {
        let mut first = Ok(());
        for failure in outcome.failures {
            first = first.and(self.failed(state, socket, failure));
        }
        first
    }

    fn failed(
        &mut self,
        state: &mut S,
        socket: &mut Socket<'_, S>,
        failure: Failure,
    ) -> Result<(), Error> {
        if let Some(mistake) = failure.mistake() {
            return heard(mistake.clone());
        }
        let mut first = Ok(());
        for handler in &mut self.on_error {
            // What fails here has nobody left to hear of it but the host.
            let outcome = handler(state, socket, failure.text());
            first = first.and(outcome.or_else(|failure| heard(failure.into_error())));
        }
        first
    }

    /// A client is gone for good.
    pub(super) fn forget(&mut self, socket: SocketId) {
        for listener in self.on.values_mut().flatten() {
            if let Some(used) = &mut listener.used {
                used.remove(&socket);
            }
        }
    }

    fn listen(&mut self, event: &str, handler: EventHandler<S>, used: Option<BTreeSet<SocketId>>) {
        let listeners = self.on.entry(event.to_owned()).or_default();
        listeners.push(Listener { handler, used });
    }
}

/// What several handlers have come to.
#[derive(Default)]
pub(super) struct Outcome {
    failures: Vec<Failure>,
}

impl Outcome {
    pub fn add(&mut self, done: Done) {
        self.failures.extend(done.err());
    }
}

fn socket_handler<S: 'static, R: IntoAnswer>(
    mut handler: impl FnMut(&mut S, &mut Socket<'_, S>) -> R + Send + 'static,
) -> SocketHandler<S> {
    Box::new(move |state, socket| done(handler(state, socket)))
}

fn disconnect_handler<S: 'static, R: IntoAnswer>(
    mut handler: impl FnMut(&mut S, &mut Socket<'_, S>, DisconnectReason) -> R + Send + 'static,
) -> DisconnectHandler<S> {
    Box::new(move |state, socket, reason| done(handler(state, socket, reason)))
}

fn raw<S: 'static, R: IntoAnswer>(
    mut handler: impl FnMut(&mut S, &mut Socket<'_, S>, &Message) -> R + Send + 'static,
) -> EventHandler<S> {
    Box::new(move |state, socket, message| {
        done(handler(state, socket, message))?;
        Ok(Ack::Done)
    })
}

/// A handler that gets its arguments read and its answer acknowledged.
fn typed<S: 'static, T: FromArgs, R: IntoAnswer>(
    mut handler: impl FnMut(&mut S, &mut Socket<'_, S>, T) -> R + Send + 'static,
) -> EventHandler<S> {
    Box::new(move |state, socket, message| {
        let value = match T::from_args(&message.args) {
            Ok(value) => value,
            Err(error) => return refuse(socket, message, Failure::new(error)),
        };
        let answer = match handler(state, socket, value).into_answer() {
            Ok(answer) => answer,
            Err(failure) => return refuse(socket, message, failure),
        };
        if message.ack.is_none() {
            return Ok(Ack::Done);
        }
        let ack = &mut message.ack;
        let sent = answer.with_args(|args| match args.is_empty() {
            true => Ok(Ack::Empty),
            false => socket.acknowledge(ack.take(), args).map(|()| Ack::Done),
        });
        Ok(sent.map_err(unserializable)??)
    })
}

/// Has a client know why it is not answered, or else the handlers of such errors.
fn refuse<S>(
    socket: &mut Socket<'_, S>,
    message: &mut Message,
    failure: Failure,
) -> Result<Ack, Failure> {
    let ack = message.ack.take();
    if ack.is_none() {
        return Err(failure);
    }
    socket.acknowledge(ack, &error_args(&failure))?;
    match failure.mistake() {
        Some(_) => Err(failure),
        None => Ok(Ack::Done),
    }
}

/// A mistake of the host. That a client has gone meanwhile is none.
pub(super) fn heard(error: Error) -> Result<(), Error> {
    match error {
        Error::NoSuchSocket | Error::NoSuchTicket => Ok(()),
        mistake => Err(mistake),
    }
}
