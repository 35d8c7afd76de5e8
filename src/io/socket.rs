//! What handlers get to see of a client.

use std::any::Any;
use std::time::Duration;

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::answer::IntoAnswer;
use super::operators::{BroadcastOperator, SocketOperator};
use super::questions::Questions;
use super::Context;
use crate::error::AckError;
use crate::progress::ProgressError;
use crate::{
    AckId, Args, ClientInfo, Endpoint, Error, FromArgs, Handle, IdText, IntoArgs, IntoRooms,
    SocketId, Target,
};

/// What a verb's work comes to.
pub(super) type Outcome = Result<(), Error>;

/// One client in one namespace, as a handler sees it, behind the state.
///
/// The client may be gone: it is, in a handler of its end, and in any handler that has disconnected it. As in Socket.IO, verbs
/// for it do nothing then, so that the rest of the handler runs; who wants to know asks [`Socket::is_connected`].
pub struct Socket<'a, S: 'static = ()> {
    pub(super) endpoint: &'a mut Endpoint,
    pub(super) questions: &'a mut Questions<S>,
    id: SocketId,
    pub(super) is_recovered: bool,
}

impl<'a, S: 'static> Socket<'a, S> {
    pub(super) fn new(
        endpoint: &'a mut Endpoint,
        questions: &'a mut Questions<S>,
        id: SocketId,
    ) -> Self {
        Socket {
            endpoint,
            questions,
            id,
            is_recovered: false,
        }
    }

    /// Which socket this is.
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// Whether its client is there to hear something. One that may come back (recovery) is not there.
    #[doc(alias = "connected")]
    pub fn is_connected(&self) -> bool {
        self.endpoint.is_connected(self.id)
    }

    /// Its id as its client knows it; also the name of its own room.
    pub fn id_text(&self) -> Option<IdText> {
        self.endpoint.socket_id(self.id)
    }

    /// In a handler of [`on_connect`](super::Namespace::on_connect): whether it is a socket that was lost and has come back.
    #[doc(alias = "recovered")]
    pub fn is_recovered(&self) -> bool {
        self.is_recovered
    }

    /// The request that opened the client's session.
    #[doc(alias = "handshake")]
    #[doc(alias = "request")]
    pub fn client(&self) -> Option<ClientInfo<'_>> {
        self.endpoint.client_info(self.id)
    }

    /// The auth payload that the client sent, as a value of this type.
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.endpoint.auth(self.id).unwrap_or("{}"))
    }

    /// What is kept with it, if there is something of this type.
    pub fn data<T: Any + Send>(&self) -> Option<&T> {
        self.endpoint.data(self.id)
    }

    /// What is kept with it, to change.
    pub fn data_mut<T: Any + Send>(&mut self) -> Option<&mut T> {
        self.endpoint.data_mut(self.id)
    }

    /// Keeps something with it. There is one value of each type, and one of another type stays.
    pub fn set_data<T: Any + Send>(&mut self, data: T) -> Outcome {
        unless_gone(self.endpoint.set_data(self.id, data))
    }

    /// What was kept with its session ([`Opening::set_data`](super::Opening::set_data)), if there is something of this type.
    #[doc(alias = "conn")]
    pub fn session_data<T: Any + Send>(&self) -> Option<&T> {
        self.endpoint.session_data(self.id)
    }

    /// Whose it is, if it is anybody's: the owner of progress sessions that it sees.
    pub fn owner(&self) -> Option<&str> {
        self.endpoint.owner(self.id)
    }

    /// Says whose it is: see [`Endpoint::set_owner`], and [`Connecting::set_owner`](super::Connecting::set_owner), which keeps it
    /// over lost connections.
    pub fn set_owner(&mut self, owner: &str) -> Outcome {
        unless_gone(self.endpoint.set_owner(self.id, owner))
    }

    /// Has it hear of a progress session from now on, whatever its audience: see
    /// [`ProgressView::track`](crate::ProgressView::track).
    pub fn track(&mut self, session: Uuid) -> Result<(), ProgressError> {
        self.endpoint.progress().track(self.id, session)
    }

    /// Has it hear no more of a session than its audience does.
    pub fn untrack(&mut self, session: Uuid) {
        self.endpoint.progress().untrack(self.id, session);
    }

    /// Emits an event to this client, with what [`IntoArgs`] makes of the value as its arguments.
    pub fn emit(&mut self, event: &str, args: impl IntoArgs) -> Outcome {
        self.operator().emit(event, args)
    }

    /// Emits the event `message` to this client.
    #[doc(alias = "write")]
    pub fn send(&mut self, args: impl IntoArgs) -> Outcome {
        self.emit("message", args)
    }

    /// Emits an event to this client and has its answer handled: see [`SocketOperator::ask`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use pulsewheel::{AckError, Io};
    ///
    /// let mut io = Io::new();
    /// io.of("/").on("delete", |_, socket, name: String| {
    ///     let soon = socket.timeout(Duration::from_secs(30));
    ///     soon.ask("sure?", name.clone(), |_, socket, answer: Result<bool, AckError>| {
    ///         match answer {
    ///             Ok(true) => socket.emit("deleted", name),
    ///             // No, no boolean, no answer in time, or nobody there any more.
    ///             _ => Ok(()),
    ///         }
    ///     })
    /// });
    /// ```
    #[doc(alias = "emitWithAck")]
    pub fn ask<T: FromArgs, R: IntoAnswer>(
        &mut self,
        event: &str,
        args: impl IntoArgs,
        handler: impl FnOnce(&mut S, &mut Socket<'_, S>, Result<T, AckError>) -> R + Send + 'static,
    ) -> Outcome {
        self.operator().ask(event, args, handler)
    }

    /// This client, unless what is emitted would have to wait.
    pub fn volatile(&mut self) -> SocketOperator<'_, S> {
        self.operator().volatile()
    }

    /// This client, who is to answer within this time.
    pub fn timeout(&mut self, timeout: Duration) -> SocketOperator<'_, S> {
        self.operator().timeout(timeout)
    }

    /// This client, and whether its answers to polls may be compressed.
    pub fn compress(&mut self, compress: bool) -> SocketOperator<'_, S> {
        self.operator().compress(compress)
    }

    /// Acknowledges a message; does nothing where that was not asked for. What a handler returns is acknowledged by itself: this
    /// is for [`Namespace::on_raw`](super::Namespace::on_raw).
    pub fn acknowledge(&mut self, ack: Option<AckId>, args: &Args) -> Outcome {
        match ack {
            Some(ack) => unless_gone(self.endpoint.acknowledge(ack, args)),
            None => Ok(()),
        }
    }

    /// Joins a room, or several.
    pub fn join(&mut self, rooms: impl IntoRooms) -> Outcome {
        unless_gone(rooms.try_each(|room| self.endpoint.join(self.id, room)))
    }

    /// Leaves a room, or several.
    pub fn leave(&mut self, rooms: impl IntoRooms) -> Outcome {
        unless_gone(rooms.try_each(|room| self.endpoint.leave(self.id, room)))
    }

    /// The rooms that it has joined, its own not among them.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        self.endpoint.rooms(self.id)
    }

    /// Disconnects the client from this namespace; with `close`, from all of them, and closes the connection.
    pub fn disconnect(&mut self, close: bool) -> Outcome {
        unless_gone(self.endpoint.disconnect(self.id, close))
    }

    /// Everybody else who is in one of these rooms. The client itself need not be in them.
    pub fn to(&mut self, rooms: impl IntoRooms) -> BroadcastOperator<'_, S> {
        self.others().to(rooms)
    }

    /// Another word for [`Socket::to`].
    #[doc(alias = "in")]
    pub fn in_room(&mut self, rooms: impl IntoRooms) -> BroadcastOperator<'_, S> {
        self.to(rooms)
    }

    /// Everybody else in the namespace who is in none of these rooms.
    pub fn except(&mut self, rooms: impl IntoRooms) -> BroadcastOperator<'_, S> {
        self.others().except(rooms)
    }

    /// Everybody else in the namespace whose client this server has.
    pub fn local(&mut self) -> BroadcastOperator<'_, S> {
        self.others().local()
    }

    /// Everybody else in the namespace.
    #[doc(alias = "broadcast")]
    pub fn others(&mut self) -> BroadcastOperator<'_, S> {
        self.operator().others()
    }

    /// Everybody in the namespace, this client too.
    #[doc(alias = "nsp")]
    pub fn everybody(&mut self) -> BroadcastOperator<'_, S> {
        let target = self.endpoint.namespace_of(self.id).map(Target::namespace);
        BroadcastOperator::new(self.endpoint, self.questions, target)
    }

    /// Everybody in another namespace, or in this one.
    pub fn of(&mut self, namespace: &str) -> BroadcastOperator<'_, S> {
        let target = self.endpoint.namespace(namespace).map(Target::namespace);
        BroadcastOperator::new(self.endpoint, self.questions, target)
    }

    /// Calls a handler once, after so long, whether the client is still there or not.
    pub fn after<R: IntoAnswer>(
        &mut self,
        delay: Duration,
        handler: impl FnOnce(&mut S, &mut Context<'_, S>) -> R + Send + 'static,
    ) {
        self.context().after(delay, handler);
    }

    /// The whole server, as other handlers see it.
    pub fn context(&mut self) -> Context<'_, S> {
        Context {
            endpoint: self.endpoint,
            questions: self.questions,
        }
    }

    /// The server's verbs.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.endpoint
    }

    /// The way back to the server for another thread, to which long work belongs.
    pub fn handle(&self) -> Handle {
        self.endpoint.handle()
    }

    pub(super) fn everybody_but_it(&self) -> Result<Target, Error> {
        let namespace = self.endpoint.namespace_of(self.id)?;
        Ok(Target::namespace(namespace).except_socket(self.id))
    }

    fn operator(&mut self) -> SocketOperator<'_, S> {
        SocketOperator::new(Socket::new(self.endpoint, self.questions, self.id))
    }
}

/// What a verb's work comes to, where one for a client that is gone does nothing.
pub(super) fn unless_gone(outcome: Outcome) -> Outcome {
    match outcome {
        Err(Error::NoSuchSocket) => Ok(()),
        outcome => outcome,
    }
}
