//! What handlers get to see of a client.

use std::any::Any;

use serde::de::DeserializeOwned;

use super::handlers::Outcome;
use super::questions::{AckTimeout, Answers, Questions};
use crate::{
    AckId, Args, ClientInfo, ConnectRequest, Endpoint, Error, Handle, IdText, JoinId, SocketId,
    Target,
};

/// One client in one namespace, as a handler sees it.
///
/// The client may be gone: it is, in a handler of its end, and in any handler that has disconnected it. As in Socket.IO, verbs
/// for it do nothing then, so that the rest of the handler runs; who wants to know asks [`Socket::is_connected`].
pub struct Socket<'a> {
    pub(super) endpoint: &'a mut Endpoint,
    pub(super) questions: &'a mut Questions,
    id: SocketId,
    pub(super) is_recovered: bool,
}

impl<'a> Socket<'a> {
    pub(super) fn new(
        endpoint: &'a mut Endpoint,
        questions: &'a mut Questions,
        id: SocketId,
    ) -> Socket<'a> {
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
    pub fn is_connected(&self) -> bool {
        self.endpoint.is_connected(self.id)
    }

    /// Its id as its client knows it; also the name of its own room.
    pub fn id_text(&self) -> Option<IdText> {
        self.endpoint.socket_id(self.id)
    }

    /// In a handler of [`on_connect`](super::Handlers::on_connect): whether it is a socket that was lost and has come back.
    pub fn is_recovered(&self) -> bool {
        self.is_recovered
    }

    /// The whole server.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.endpoint
    }

    /// The way back to the server for another thread, to which long work belongs.
    ///
    /// ```
    /// use pulsewheel::{Args, Io, Target};
    ///
    /// let mut io = Io::new();
    /// io.namespace("/").on("report", |socket, message| {
    ///     let (handle, ack) = (socket.handle(), message.ack);
    ///     std::thread::spawn(move || {
    ///         let report = Args::one("a long one")?;
    ///         handle.call(move |endpoint| ack.map(|ack| endpoint.acknowledge(ack, &report)))?;
    ///         Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    ///     });
    ///     Ok(())
    /// });
    /// ```
    pub fn handle(&self) -> Handle {
        self.endpoint.handle()
    }

    /// The request that opened the client's session.
    pub fn client(&self) -> Option<ClientInfo<'_>> {
        self.endpoint.client_info(self.id)
    }

    /// The auth payload that the client sent, as a value of this type.
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.endpoint.auth(self.id).unwrap_or("{}"))
    }

    /// What is kept with it, if that is of this type.
    pub fn data<T: Any + Send>(&self) -> Option<&T> {
        self.endpoint.data(self.id)
    }

    /// What is kept with it, to change.
    pub fn data_mut<T: Any + Send>(&mut self) -> Option<&mut T> {
        self.endpoint.data_mut(self.id)
    }

    /// Keeps something with it.
    pub fn set_data<T: Any + Send>(&mut self, data: T) -> Outcome {
        unless_gone(self.endpoint.set_data(self.id, data))
    }

    /// Emits an event to this client.
    pub fn emit(&mut self, event: &str, args: &Args) -> Outcome {
        unless_gone(self.endpoint.emit_to(self.id, event, args))
    }

    /// Emits the event `message` to this client.
    pub fn send(&mut self, args: &Args) -> Outcome {
        self.emit("message", args)
    }

    /// Emits an event to this client unless it would have to wait.
    pub fn emit_volatile(&mut self, event: &str, args: &Args) -> Outcome {
        unless_gone(self.endpoint.emit_volatile(self.id, event, args))
    }

    /// Emits an event to this client and has its acknowledgement handled, if it comes. Where the client is gone it does not.
    pub fn emit_with_ack(
        &mut self,
        event: &str,
        args: &Args,
        handler: impl FnOnce(&mut Socket<'_>, &Args) -> Outcome + Send + 'static,
    ) -> Outcome {
        let ack = match self.endpoint.emit_with_ack(self.id, event, args) {
            Err(Error::NoSuchSocket) => return Ok(()),
            ack => ack?,
        };
        let handler = move |socket: &mut Socket<'_>, answer: Result<&Args, AckTimeout>| {
            answer.map_or(Ok(()), |answer| handler(socket, answer))
        };
        self.questions
            .expect(self.id, ack, false, Box::new(handler));
        Ok(())
    }

    /// As [`Socket::emit_with_ack`]; the handler is called in any case, with [`AckTimeout`] when no acknowledgement has come
    /// within so many milliseconds; at once where the client is gone.
    pub fn emit_with_ack_within(
        &mut self,
        timeout_ms: u64,
        event: &str,
        args: &Args,
        handler: impl FnOnce(&mut Socket<'_>, Result<&Args, AckTimeout>) -> Outcome + Send + 'static,
    ) -> Outcome {
        let endpoint = &mut self.endpoint;
        let ack = match endpoint.emit_with_ack_within(self.id, event, args, timeout_ms) {
            Err(Error::NoSuchSocket) => return handler(self, Err(AckTimeout)),
            ack => ack?,
        };
        self.questions.expect(self.id, ack, true, Box::new(handler));
        Ok(())
    }

    /// Acknowledges a message; does nothing where that was not asked for.
    pub fn acknowledge(&mut self, ack: Option<AckId>, args: &Args) -> Outcome {
        match ack {
            Some(ack) => unless_gone(self.endpoint.acknowledge(ack, args)),
            None => Ok(()),
        }
    }

    /// Joins a room.
    pub fn join(&mut self, room: &str) -> Outcome {
        unless_gone(self.endpoint.join(self.id, room))
    }

    /// Leaves a room.
    pub fn leave(&mut self, room: &str) -> Outcome {
        unless_gone(self.endpoint.leave(self.id, room))
    }

    /// The rooms that it has joined, its own not among them.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        self.endpoint.rooms(self.id)
    }

    /// Disconnects the client from this namespace; with `close`, from all of them, and closes the connection.
    pub fn disconnect(&mut self, close: bool) -> Outcome {
        unless_gone(self.endpoint.disconnect(self.id, close))
    }

    /// Everybody in the namespace, this client too.
    pub fn everybody(&self) -> Result<Target, Error> {
        self.endpoint.namespace_of(self.id).map(Target::namespace)
    }

    /// Everybody in the namespace but this client.
    pub fn broadcast(&self) -> Result<Target, Error> {
        Ok(self.everybody()?.except_socket(self.id))
    }

    /// Everybody in a room but this client, which need not be in it.
    pub fn to(&self, room: impl Into<String>) -> Result<Target, Error> {
        Ok(self.broadcast()?.to(room))
    }

    /// Emits an event to a target.
    pub fn emit_to(&mut self, target: &Target, event: &str, args: &Args) -> Outcome {
        self.endpoint.emit(target, event, args)
    }

    /// Emits an event to a target and has the acknowledgements handled that have come within so many milliseconds, or all.
    pub fn emit_to_with_ack_within(
        &mut self,
        timeout_ms: u64,
        target: &Target,
        event: &str,
        args: &Args,
        handler: impl FnOnce(&mut Endpoint, Answers<'_>) -> Outcome + Send + 'static,
    ) -> Outcome {
        let endpoint = &mut self.endpoint;
        let ask = endpoint.broadcast_with_ack(target, event, args, timeout_ms)?;
        self.questions.ask(ask, Box::new(handler));
        Ok(())
    }
}

/// What a verb's work comes to, where one for a client that is gone does nothing.
fn unless_gone(outcome: Outcome) -> Outcome {
    match outcome {
        Err(Error::NoSuchSocket) => Ok(()),
        outcome => outcome,
    }
}

/// A client that wants to join a namespace, as a middleware sees it.
pub struct Joining<'a> {
    pub(super) endpoint: &'a mut Endpoint,
    pub(super) ticket: JoinId,
}

impl Joining<'_> {
    /// Names it in a decision that comes later.
    pub fn ticket(&self) -> JoinId {
        self.ticket
    }

    /// The namespace, the auth payload, and the request that opened its session; `None` when the client is gone.
    pub fn request(&self) -> Option<ConnectRequest<'_>> {
        self.endpoint.connect_request(self.ticket)
    }

    /// The auth payload as a value of this type.
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.request().map_or("{}", |request| request.auth))
    }

    /// Joins a room, in effect once the client has been let in.
    pub fn join(&mut self, room: &str) -> Outcome {
        self.endpoint.join_once_connected(self.ticket, room)
    }

    /// Keeps something with its socket once it has been let in.
    pub fn set_data<T: Any + Send>(&mut self, data: T) -> Outcome {
        self.endpoint.set_connect_data(self.ticket, data)
    }

    /// The whole server.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        self.endpoint
    }
}
