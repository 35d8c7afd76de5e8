//! What an endpoint tells its host.

use std::borrow::Cow;
use std::net::SocketAddr;

use uuid::Uuid;

use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::Request;
use crate::slots::Key;
use crate::socket::{Args, NamespaceId, SocketId};

/// Names one Engine.IO session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(crate) Key);

/// Names one HTTP request that the host is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId {
    pub(crate) connection: Key,
    pub(crate) serial: u32,
}

/// An acknowledgement that a client has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckId {
    pub(crate) socket: SocketId,
    pub(crate) id: u64,
}

/// An event that a client has emitted.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who emitted it.
    pub socket: SocketId,
    /// In which namespace.
    pub namespace: NamespaceId,
    /// With which arguments.
    pub args: Args,
    /// What to acknowledge it with, where that was asked for.
    pub ack: Option<AckId>,
}

impl Message {
    /// The event's name.
    pub fn name(&self) -> Cow<'_, str> {
        self.args.event_name()
    }
}

/// What has happened. Events come in the order in which things happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client has joined a namespace; its CONNECT is answered already.
    Connected {
        /// The new socket.
        socket: SocketId,
        /// What it has joined.
        namespace: NamespaceId,
        /// One argument: the auth payload that the client sent, or `{}`.
        auth: Args,
        /// Whether this is a socket that had lost its connection: it has its id and its rooms from before, and has been sent
        /// what it missed.
        is_recovered: bool,
    },
    /// A client has emitted an event.
    Message(Message),
    /// A client has acknowledged what [`Endpoint::emit_with_ack`](crate::Endpoint::emit_with_ack) numbered `id`.
    Acknowledged {
        /// Who was asked.
        socket: SocketId,
        /// The number of the question.
        id: u64,
        /// The answer.
        args: Args,
    },
    /// A client has left a namespace, or is gone.
    Disconnected {
        /// The socket that was; its id finds nothing any more, unless it comes back ([`Config::recovery`](crate::Config::recovery)).
        socket: SocketId,
        /// What it has left.
        namespace: NamespaceId,
        /// Why.
        reason: DisconnectReason,
    },

    /// A socket that had lost its connection did not come back in time; its [`Event::Disconnected`] came long before.
    RecoveryExpired {
        /// The socket that was.
        socket: SocketId,
        /// Where it was.
        namespace: NamespaceId,
    },

    /// A bare Engine.IO session has opened ([`Config::socket_io`](crate::Config::socket_io) is off).
    EngineOpened {
        /// The new session.
        session: SessionId,
    },
    /// It has sent a message.
    EngineMessage {
        /// Who sent it.
        session: SessionId,
        /// Text, or binary where [`Frame::is_binary`] says so.
        message: Frame,
    },
    /// It has ended.
    EngineClosed {
        /// The session that was.
        session: SessionId,
        /// Why it ended.
        reason: DisconnectReason,
    },

    /// A request that is not Socket.IO's. Answer it with [`Endpoint::respond`](crate::Endpoint::respond). No byte of its
    /// body comes before [`Endpoint::grant_body`](crate::Endpoint::grant_body) asks for it.
    Request {
        /// Names it in what follows.
        request: RequestId,
        /// Method, path, query and headers.
        head: Box<Request>,
        /// The address of its sender.
        peer: SocketAddr,
    },
    /// Bytes of its body, never more than granted.
    RequestBody {
        /// The request.
        request: RequestId,
        /// The bytes, out of their framing.
        data: Vec<u8>,
    },
    /// Its body is complete. Also said of a request without a body.
    RequestBodyEnd {
        /// The request.
        request: RequestId,
    },
    /// Its sender is gone, or has broken the framing of the body; there is nobody to answer any more.
    RequestAborted {
        /// The request.
        request: RequestId,
    },

    /// A client wants a managed progress session cancelled: roll back, then call
    /// [`Endpoint::cancel_session`](crate::Endpoint::cancel_session).
    CancelRequested {
        /// The session.
        session: Uuid,
        /// The reason given, `user_requested` if none was.
        reason: String,
    },
}
