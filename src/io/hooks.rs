//! What handlers hear that is about no socket: requests before a session opens or that are refused, namespaces, rooms, and other
//! servers.

use super::answer::IntoAnswer;
use super::decisions::{Next, Opening, Refusal};
use super::questions::{done, Done};
use super::{Context, Io};
use crate::http::Request;
use crate::{Args, Limit, NamespaceId, PeerAddr, RoomChange};

type AllowRequest<S> = Box<dyn FnMut(&mut S, &mut Opening<'_>) -> Result<Next, Refusal> + Send>;
type ConnectionErrorHandler<S> = Box<dyn FnMut(&mut S, &ConnectionError<'_>) -> Done + Send>;
type NamespaceHandler<S> = Box<dyn FnMut(&mut S, &mut Context<'_, S>, NamespaceId) -> Done + Send>;
type RoomHandler<S> =
    Box<dyn FnMut(&mut S, &mut Context<'_, S>, NamespaceId, &str, &RoomChange) -> Done + Send>;
type LimitHandler<S> =
    Box<dyn FnMut(&mut S, &mut Context<'_, S>, Limit, u64, PeerAddr) -> Done + Send>;
type ServerSideHandler<S> =
    Box<dyn FnMut(&mut S, &mut Context<'_, S>, NamespaceId, &Args, Option<u64>) -> Done + Send>;

/// A request that was refused with a code; see [`Event::ConnectionError`](crate::Event::ConnectionError).
#[derive(Clone, Copy, Debug)]
pub struct ConnectionError<'a> {
    /// Method, path, query and headers.
    pub head: &'a Request,
    /// The address of its sender.
    pub peer: PeerAddr,
    /// The code.
    pub code: u8,
    /// What the code stands for.
    pub message: &'a str,
    /// More about it, by the names of the reference.
    pub context: &'a [(&'static str, String)],
}

/// All of these handlers, each kind in the order of registration.
pub(super) struct Hooks<S: 'static> {
    pub allow_request: Vec<AllowRequest<S>>,
    pub on_connection_error: Vec<ConnectionErrorHandler<S>>,
    pub on_namespace: Vec<NamespaceHandler<S>>,
    pub on_room: Vec<RoomHandler<S>>,
    pub on_limit: Vec<LimitHandler<S>>,
    pub on_server_side: Vec<ServerSideHandler<S>>,
}

impl<S: 'static> Default for Hooks<S> {
    fn default() -> Self {
        Hooks {
            allow_request: Vec::new(),
            on_connection_error: Vec::new(),
            on_namespace: Vec::new(),
            on_room: Vec::new(),
            on_limit: Vec::new(),
            on_server_side: Vec::new(),
        }
    }
}

impl<S: 'static> Io<S> {
    /// Before a session opens: says what becomes of the request. Without such a handler every request may open one; where there
    /// are several, each of them has to let it in, and the first that does not decides. Whenever it is registered, whoever
    /// joins a namespace from then on must have been asked about.
    ///
    /// ```
    /// use pulsewheel::{Io, Next};
    ///
    /// struct User(String);
    ///
    /// let mut io = Io::new();
    /// io.allow_request(|_, opening| {
    ///     let token = opening.request().query("token").ok_or("no token")?.into_owned();
    ///     // Verified once; middlewares find it, and so do handlers, by `session_data`.
    ///     opening.set_data(User(token))?;
    ///     Ok(Next::Go)
    /// });
    /// io.of("/").middleware(|_, connecting| match connecting.session_data::<User>() {
    ///     Some(User(name)) if name == "Eve" => Err("not you".into()),
    ///     _ => Ok(Next::Go),
    /// });
    /// ```
    #[doc(alias = "allowRequest")]
    pub fn allow_request(
        &mut self,
        decide: impl FnMut(&mut S, &mut Opening<'_>) -> Result<Next, Refusal> + Send + 'static,
    ) -> &mut Self {
        self.hooks.allow_request.push(Box::new(decide));
        self.door.demand(|demands| {
            demands.allow_request = true;
            demands.rules += 1;
        });
        self
    }

    /// When a request has been refused with a code.
    #[doc(alias = "connection_error")]
    pub fn on_connection_error<R: IntoAnswer>(
        &mut self,
        mut handler: impl FnMut(&mut S, &ConnectionError<'_>) -> R + Send + 'static,
    ) -> &mut Self {
        let handler: ConnectionErrorHandler<S> =
            Box::new(move |state, error| done(handler(state, error)));
        self.hooks.on_connection_error.push(handler);
        self.door.demand(|demands| demands.connection_errors = true);
        self
    }

    /// When a namespace has been added, be it for a client or by the host.
    #[doc(alias = "new_namespace")]
    pub fn on_new_namespace<R: IntoAnswer>(
        &mut self,
        mut handler: impl FnMut(&mut S, &mut Context<'_, S>, NamespaceId) -> R + Send + 'static,
    ) -> &mut Self {
        let handler: NamespaceHandler<S> =
            Box::new(move |state, context, namespace| done(handler(state, context, namespace)));
        self.hooks.on_namespace.push(handler);
        self
    }

    /// When something has become of a room.
    pub fn on_room<R: IntoAnswer>(
        &mut self,
        mut handler: impl FnMut(&mut S, &mut Context<'_, S>, NamespaceId, &str, &RoomChange) -> R
            + Send
            + 'static,
    ) -> &mut Self {
        let handler: RoomHandler<S> = Box::new(move |state, context, namespace, room, change| {
            done(handler(state, context, namespace, room, change))
        });
        self.hooks.on_room.push(handler);
        self.door.demand(|demands| demands.room_events = true);
        self
    }

    /// When peers have reached a limit: which one, how often since this was told of it for the last time, and who was the last. Of
    /// each limit this is told once in a second at the most.
    ///
    /// ```
    /// let mut io = pulsewheel::Io::new();
    /// io.on_limit(|_, _, limit, times, peer| {
    ///     eprintln!("limit reached: {limit}, {times} times, last by {peer}");
    /// });
    /// ```
    pub fn on_limit<R: IntoAnswer>(
        &mut self,
        mut handler: impl FnMut(&mut S, &mut Context<'_, S>, Limit, u64, PeerAddr) -> R + Send + 'static,
    ) -> &mut Self {
        let handler: LimitHandler<S> = Box::new(move |state, context, limit, times, peer| {
            done(handler(state, context, limit, times, peer))
        });
        self.hooks.on_limit.push(handler);
        self.door.demand(|demands| demands.limit_events = true);
        self
    }

    /// When another server of the cluster has emitted an event to this one: its name and arguments, and where an answer is
    /// wanted what to give
    /// [`Endpoint::reply_server_side`](crate::Endpoint::reply_server_side).
    #[doc(alias = "serverSideEmit")]
    pub fn on_server_side<R: IntoAnswer>(
        &mut self,
        mut handler: impl FnMut(&mut S, &mut Context<'_, S>, NamespaceId, &Args, Option<u64>) -> R
            + Send
            + 'static,
    ) -> &mut Self {
        let handler: ServerSideHandler<S> =
            Box::new(move |state, context, namespace, args, reply| {
                done(handler(state, context, namespace, args, reply))
            });
        self.hooks.on_server_side.push(handler);
        self
    }
}
