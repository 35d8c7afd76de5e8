//! What an endpoint tells its host.

use std::borrow::Cow;

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
    /// A client has joined a namespace; its CONNECT is answered already. `auth` has one argument: the payload that the
    /// client sent, or `{}`.
    Connected {
        socket: SocketId,
        namespace: NamespaceId,
        auth: Args,
    },
    /// A client has emitted an event.
    Message(Message),
    /// A client has acknowledged what [`Endpoint::emit_with_ack`](crate::Endpoint::emit_with_ack) numbered `id`.
    Acknowledged {
        socket: SocketId,
        id: u64,
        args: Args,
    },
    /// A client has left a namespace, or is gone.
    Disconnected {
        socket: SocketId,
        namespace: NamespaceId,
        reason: DisconnectReason,
    },

    /// A bare Engine.IO session has opened ([`Config::socket_io`](crate::Config::socket_io) is off).
    EngineOpened { session: SessionId },
    /// It has sent a message: text, or binary where [`Frame::is_binary`] says so.
    EngineMessage { session: SessionId, message: Frame },
    /// It has ended.
    EngineClosed {
        session: SessionId,
        reason: DisconnectReason,
    },

    /// A request that is not Socket.IO's. Answer it with [`Endpoint::respond`](crate::Endpoint::respond). No byte of its
    /// body comes before [`Endpoint::grant_body`](crate::Endpoint::grant_body) asks for it.
    Request {
        request: RequestId,
        head: Box<Request>,
        peer: std::net::SocketAddr,
    },
    /// Bytes of its body, never more than granted.
    RequestBody { request: RequestId, data: Vec<u8> },
    /// Its body is complete. Also said of a request without a body.
    RequestBodyEnd { request: RequestId },
    /// Its sender is gone, or has broken the framing of the body; there is nobody to answer any more.
    RequestAborted { request: RequestId },

    /// A client wants a managed progress session cancelled: roll back, then call
    /// [`Endpoint::cancel_session`](crate::Endpoint::cancel_session).
    CancelRequested {
        session: Uuid,
        reason: String,
    },
}
