//! Whom an event goes to and how, said one after the other: the broadcast operators of the Socket.IO documentation.

use std::time::Duration;

use super::answer::IntoAnswer;
use super::questions::{Questions, Responses};
use super::socket::{unless_gone, Outcome};
use super::{Context, Socket};
use crate::error::{unserializable, AckError};
use crate::now::millis;
use crate::{Endpoint, Error, FromArgs, IntoArgs, IntoRooms, RemoteSocket, SocketId, Target};

/// How long the answers of many are waited for where nothing else is said.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// Many clients: see [`Socket::to`], [`Socket::others`], [`Context::of`].
#[doc(alias = "broadcast")]
#[must_use = "nothing is sent before `emit` or another verb"]
pub struct BroadcastOperator<'a, S: 'static = ()> {
    endpoint: &'a mut Endpoint,
    questions: &'a mut Questions<S>,
    target: Result<Target, Error>,
    timeout: Duration,
}

impl<'a, S: 'static> BroadcastOperator<'a, S> {
    pub(super) fn new(
        endpoint: &'a mut Endpoint,
        questions: &'a mut Questions<S>,
        target: Result<Target, Error>,
    ) -> Self {
        BroadcastOperator {
            endpoint,
            questions,
            target,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Only who is in one of these rooms, or in those named before.
    pub fn to(self, rooms: impl IntoRooms) -> Self {
        self.map(|target| rooms.into_rooms().into_iter().fold(target, Target::to))
    }

    /// Another word for [`BroadcastOperator::to`].
    #[doc(alias = "in")]
    pub fn in_room(self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// But nobody who is in one of these rooms. A socket's id is the name of its own room.
    pub fn except(self, rooms: impl IntoRooms) -> Self {
        self.map(|target| rooms.into_rooms().into_iter().fold(target, Target::except))
    }

    /// Only who can take it at once.
    pub fn volatile(self) -> Self {
        self.map(Target::volatile)
    }

    /// Only clients of this server, not those of others in a cluster.
    pub fn local(self) -> Self {
        self.map(Target::local)
    }

    /// Whether answers to polls may be compressed for it. Default true.
    pub fn compress(self, compress: bool) -> Self {
        self.map(|target| target.compress(compress))
    }

    /// For how long [`BroadcastOperator::ask`] and [`BroadcastOperator::fetch_sockets`] wait. Default 20 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Emits an event, with what [`IntoArgs`] makes of the value as its arguments.
    pub fn emit(self, event: &str, args: impl IntoArgs) -> Outcome {
        let target = self.target?;
        let sent = args.with_args(|args| self.endpoint.emit(&target, event, args));
        sent.map_err(unserializable)?
    }

    /// Emits an event and gathers what clients acknowledge in time.
    #[doc(alias = "emitWithAck")]
    pub fn ask<R: IntoAnswer>(
        self,
        event: &str,
        args: impl IntoArgs,
        handler: impl FnOnce(&mut S, &mut Context<'_, S>, Responses) -> R + Send + 'static,
    ) -> Outcome {
        let (target, endpoint) = (self.target?, self.endpoint);
        let timeout_ms = millis(self.timeout);
        let asked =
            args.with_args(|args| endpoint.broadcast_with_ack(&target, event, args, timeout_ms));
        self.questions.ask(asked.map_err(unserializable)??, handler);
        Ok(())
    }

    /// Asks all servers of the cluster for the sockets; without a cluster it is [`BroadcastOperator::sockets`].
    #[doc(alias = "fetchSockets")]
    #[doc(alias = "allSockets")]
    pub fn fetch_sockets<R: IntoAnswer>(
        self,
        handler: impl FnOnce(&mut S, &mut Context<'_, S>, Vec<RemoteSocket>) -> R + Send + 'static,
    ) -> Outcome {
        let ask = self
            .endpoint
            .fetch_cluster(&self.target?, millis(self.timeout));
        self.questions.fetch(ask, handler);
        Ok(())
    }

    /// The sockets of this server, each once. Those that are away, and may come back, are left out.
    pub fn sockets(self) -> Vec<SocketId> {
        let found = self
            .target
            .map(|target| self.endpoint.fetch_sockets(&target));
        found.unwrap_or_default()
    }

    /// Whom an event would reach sooner or later: [`BroadcastOperator::sockets`], and those that are away and may come back.
    pub fn sockets_and_away(self) -> Vec<SocketId> {
        let fetch = |target| self.endpoint.fetch_sockets_and_away(&target);
        self.target.map(fetch).unwrap_or_default()
    }

    /// Puts them into rooms.
    #[doc(alias = "socketsJoin")]
    pub fn join(self, rooms: impl IntoRooms) -> Outcome {
        let rooms = rooms.into_rooms();
        let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
        self.endpoint.sockets_join(&self.target?, &rooms)
    }

    /// Takes them out of rooms.
    #[doc(alias = "socketsLeave")]
    pub fn leave(self, rooms: impl IntoRooms) -> Outcome {
        let rooms = rooms.into_rooms();
        let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
        self.endpoint.sockets_leave(&self.target?, &rooms);
        Ok(())
    }

    /// Disconnects them from the namespace; with `close`, their connections too.
    #[doc(alias = "disconnectSockets")]
    pub fn disconnect(self, close: bool) -> Outcome {
        self.endpoint.disconnect_sockets(&self.target?, close);
        Ok(())
    }

    /// Whom it means so far, for verbs of the [`Endpoint`].
    pub fn target(self) -> Result<Target, Error> {
        self.target
    }

    fn map(mut self, change: impl FnOnce(Target) -> Target) -> Self {
        self.target = self.target.map(change);
        self
    }
}

/// One client, with more said about how: see [`Socket::volatile`], [`Socket::timeout`], [`Socket::compress`].
#[must_use = "nothing is sent before `emit` or another verb"]
pub struct SocketOperator<'a, S: 'static = ()> {
    socket: Socket<'a, S>,
    is_volatile: bool,
    is_compressed: bool,
    timeout: Option<Duration>,
}

impl<'a, S: 'static> SocketOperator<'a, S> {
    pub(super) fn new(socket: Socket<'a, S>) -> Self {
        SocketOperator {
            socket,
            is_volatile: false,
            is_compressed: true,
            timeout: None,
        }
    }

    /// Unless it would have to wait.
    pub fn volatile(mut self) -> Self {
        self.is_volatile = true;
        self
    }

    /// For how long [`SocketOperator::ask`] waits. Default: for as long as the client is there.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether answers to polls may be compressed for it. Default true.
    pub fn compress(mut self, compress: bool) -> Self {
        self.is_compressed = compress;
        self
    }

    /// Everybody else who is in one of these rooms.
    pub fn to(self, rooms: impl IntoRooms) -> BroadcastOperator<'a, S> {
        self.others().to(rooms)
    }

    /// Everybody else in the namespace.
    pub fn others(self) -> BroadcastOperator<'a, S> {
        let target = self.socket.everybody_but_it();
        let target = target.map(|target| target.compress(self.is_compressed));
        let Socket {
            endpoint,
            questions,
            ..
        } = self.socket;
        let operator = BroadcastOperator::new(endpoint, questions, target);
        let operator = operator.timeout(self.timeout.unwrap_or(DEFAULT_TIMEOUT));
        match self.is_volatile {
            true => operator.volatile(),
            false => operator,
        }
    }

    /// Emits an event to the client. One that is gone gets nothing.
    pub fn emit(self, event: &str, args: impl IntoArgs) -> Outcome {
        let (id, endpoint) = (self.socket.id(), self.socket.endpoint);
        let (is_volatile, is_compressed) = (self.is_volatile, self.is_compressed);
        let sent = args.with_args(|args| match (is_volatile, is_compressed) {
            (false, true) => endpoint.emit_to(id, event, args),
            (true, _) => endpoint.emit_volatile(id, event, args),
            (false, false) => {
                let own_room = endpoint.socket_id(id).ok_or(Error::NoSuchSocket)?;
                let own = Target::namespace(endpoint.namespace_of(id)?).to(own_room.as_str());
                endpoint.emit(&own.only(id).compress(false), event, args)
            }
        });
        unless_gone(sent.map_err(unserializable)?)
    }

    /// Emits an event to the client and has its answer handled, read as [`FromArgs`] does. The handler is called in any case:
    /// with [`AckError::Disconnected`] when the client goes, or has gone before.
    #[doc(alias = "emitWithAck")]
    pub fn ask<T: FromArgs, R: IntoAnswer>(
        self,
        event: &str,
        args: impl IntoArgs,
        handler: impl FnOnce(&mut S, &mut Socket<'_, S>, Result<T, AckError>) -> R + Send + 'static,
    ) -> Outcome {
        let (id, endpoint, questions) = (
            self.socket.id(),
            self.socket.endpoint,
            self.socket.questions,
        );
        let asked = args.with_args(|args| match (self.timeout, endpoint.is_connected(id)) {
            // Whoever is away is not sent a question when it comes back, and so cannot answer it.
            (_, false) => Err(Error::NoSuchSocket),
            (None, true) => endpoint.emit_with_ack(id, event, args),
            (Some(timeout), true) => {
                endpoint.emit_with_ack_within(id, event, args, millis(timeout))
            }
        });
        match asked.map_err(unserializable)? {
            Ok(ack) => questions.expect(id, ack, handler),
            Err(Error::NoSuchSocket) => {
                // The state is the caller's until it returns.
                let mut context = Context {
                    endpoint,
                    questions,
                };
                context.after(Duration::ZERO, move |state, context| {
                    let gone = Err(AckError::Disconnected);
                    let answer = handler(state, &mut context.socket(id), gone).into_answer();
                    answer.map(|_| ())
                });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
