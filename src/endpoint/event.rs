//! What an endpoint tells its host.

use std::borrow::Cow;

use uuid::Uuid;

use super::{AdmissionId, CommandId, Limit, TimerId};
use crate::error::DisconnectReason;
use crate::frame::Frame;
use crate::http::Request;
use crate::id::EngineSessionId;
use crate::peer::PeerAddr;
use crate::progress::Command;
use crate::slots::Key;
use crate::socket::{Args, NamespaceId, RemoteSocket, RoomChange, SocketId, Target};
use crate::transport::RequestId;

/// An acknowledgement that a client has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckId {
    pub(crate) socket: SocketId,
    pub(crate) id: u64,
}

/// Names a client that wants to join a namespace and waits for the host's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectId(pub(crate) Key);

/// Names a question to several: clients, or the other servers of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub(crate) Key);

impl AskId {
    /// The same as a number, for messages to other servers.
    pub fn to_number(self) -> u64 {
        u64::from(self.0.generation) << 32 | u64::from(self.0.index)
    }

    /// The name that this number stands for.
    pub fn from_number(number: u64) -> AskId {
        AskId(Key {
            index: number as u32,
            generation: (number >> 32) as u32,
        })
    }
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
#[non_exhaustive]
pub enum Event {
    /// A client wants to join a namespace ([`Config::connect_requests`](crate::Config::connect_requests) is on). Let it in with
    /// [`Endpoint::accept_connect`](crate::Endpoint::accept_connect) or answer it with
    /// [`Endpoint::refuse_connect`](crate::Endpoint::refuse_connect), now or later.
    ConnectRequested {
        /// Names it in the answer.
        ticket: ConnectId,
        /// The namespace's name, which need not be there yet.
        namespace: String,
        /// One argument: the auth payload that the client sent, or `{}`.
        auth: Args,
        /// How often [`Endpoint::pass_connect`](crate::Endpoint::pass_connect) has been called for it.
        passed: u32,
    },
    /// A namespace has been added, for a client or by the host; those of [`Config::namespaces`](crate::Config::namespaces) are
    /// there from the start.
    NamespaceCreated {
        /// The new namespace.
        namespace: NamespaceId,
    },
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
    /// A client has not acknowledged in time what [`Endpoint::emit_with_ack_within`](crate::Endpoint::emit_with_ack_within)
    /// numbered `id`.
    AckTimedOut {
        /// Who was asked.
        socket: SocketId,
        /// The number of the question.
        id: u64,
    },
    /// What [`Endpoint::broadcast_with_ack`](crate::Endpoint::broadcast_with_ack) or
    /// [`Endpoint::server_side_ask`](crate::Endpoint::server_side_ask) has asked is answered by all, or its time is over.
    Answered {
        /// The question.
        ask: AskId,
        /// The answers in the order in which they came.
        answers: Vec<Args>,
        /// Whether everybody has answered in time.
        is_complete: bool,
    },
    /// What [`Endpoint::fetch_cluster`](crate::Endpoint::fetch_cluster) has asked for.
    Fetched {
        /// The question.
        ask: AskId,
        /// The sockets, those of this server first.
        sockets: Vec<RemoteSocket>,
        /// Whether all servers have answered in time.
        is_complete: bool,
    },
    /// Another server of the cluster has emitted an event to this one.
    ServerSide {
        /// The name and the arguments.
        args: Args,
        /// In which namespace.
        namespace: NamespaceId,
        /// Where an answer is wanted: what to give [`Endpoint::reply_server_side`](crate::Endpoint::reply_server_side).
        reply: Option<u64>,
    },
    /// Something has become of a room ([`Config::room_events`](crate::Config::room_events) is on).
    Room {
        /// The room's namespace.
        namespace: NamespaceId,
        /// Its name.
        room: String,
        /// What has become of it.
        change: RoomChange,
    },
    /// Something has been emitted ([`Config::emitted_events`](crate::Config::emitted_events) is on).
    Emitted {
        /// To whom.
        target: Target,
        /// The name and the arguments.
        args: Args,
    },
    /// A client is about to leave a namespace, or is gone: nothing reaches it any more, but its rooms are still there. When the
    /// next event is asked for it leaves them, and [`Event::Disconnected`] follows.
    Disconnecting {
        /// The socket.
        socket: SocketId,
        /// What it leaves.
        namespace: NamespaceId,
        /// Why.
        reason: DisconnectReason,
    },
    /// A client has left a namespace, or is gone.
    Disconnected {
        /// The socket that was. It is in no room any more; its id and its data can be asked for until the next event is. After
        /// that it finds nothing, unless it comes back ([`Config::recovery`](crate::Config::recovery)).
        socket: SocketId,
        /// What it has left.
        namespace: NamespaceId,
        /// Why.
        reason: DisconnectReason,
    },

    /// A socket that had lost its connection did not come back in time, or the host has disconnected it meanwhile; its
    /// [`Event::Disconnected`] came long before.
    RecoveryExpired {
        /// The socket that was.
        socket: SocketId,
        /// Where it was.
        namespace: NamespaceId,
    },

    /// Peers have reached a limit ([`Config::limit_events`](crate::Config::limit_events) is on). Of each limit this is told once in a
    /// second at the most; [`EndpointStats::limits`](crate::EndpointStats::limits) counts them all.
    LimitReached {
        /// Which limit.
        limit: Limit,
        /// How often since the last time that this was told of it.
        times: u64,
        /// Who was the last to reach it; `PeerAddr::Unknown` where it was nobody in particular.
        peer: PeerAddr,
    },

    /// A timer that the host has set is due: [`Endpoint::schedule`](crate::Endpoint::schedule) and
    /// [`Endpoint::schedule_every`](crate::Endpoint::schedule_every).
    Timer {
        /// Which timer; one that comes once is gone by now.
        timer: TimerId,
        /// What the host calls it.
        token: u64,
    },

    /// A bare Engine.IO session has opened ([`Config::socket_io`](crate::Config::socket_io) is off).
    EngineOpened {
        /// The new session.
        session: EngineSessionId,
    },
    /// It has sent a message.
    EngineMessage {
        /// Who sent it.
        session: EngineSessionId,
        /// Text, or binary where [`Frame::is_binary`] says so.
        message: Frame,
    },
    /// It has ended.
    EngineClosed {
        /// The session that was.
        session: EngineSessionId,
        /// Why it ended.
        reason: DisconnectReason,
    },

    /// A request would open a session ([`Config::allow_request`](crate::Config::allow_request) is on): answer it with
    /// [`Endpoint::admit`](crate::Endpoint::admit), now or later. Only the version of its protocol is judged after that.
    AllowRequest {
        /// Names the decision.
        ticket: AdmissionId,
        /// Method, path, query and headers.
        head: Box<Request>,
        /// The address of its sender.
        peer: PeerAddr,
    },
    /// A request has been refused with a code ([`Config::connection_errors`](crate::Config::connection_errors) is on).
    ConnectionError {
        /// Method, path, query and headers.
        head: Box<Request>,
        /// The address of its sender.
        peer: PeerAddr,
        /// The code, see [`EngineError`](crate::engine::EngineError).
        code: u8,
        /// What the code stands for.
        message: String,
        /// More about it, by the names of the reference: `transport` for code 0, `sid` for 1, `method` for 2, `name` for 3
        /// (`TRANSPORT_MISMATCH` with `transport` and `previousTransport`, `INVALID_ORIGIN` with `origin`,
        /// `TRANSPORT_HANDSHAKE_ERROR`), `message` for a 4 of the host's (`name` `HOST_NOT_ALLOWED` with `host`, or
        /// `ORIGIN_NOT_ALLOWED` with `origin`, for one of the settings'), `protocol` for 5.
        context: Vec<(&'static str, String)>,
    },

    /// A request that is not Socket.IO's. Answer it with [`Endpoint::respond`](crate::Endpoint::respond). No byte of its
    /// body comes before [`Endpoint::grant_body`](crate::Endpoint::grant_body) asks for it.
    Request {
        /// Names it in what follows.
        request: RequestId,
        /// Method, path, query and headers.
        head: Box<Request>,
        /// The address of its sender.
        peer: PeerAddr,
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
    /// Its sender is gone, or has broken the framing of the body; there is nobody to answer any more. Also said of a request
    /// whose answer has come in part.
    RequestAborted {
        /// The request.
        request: RequestId,
    },
    /// All that has been said in answer to a request has been written, and more of it may come: it is answered by
    /// [`Endpoint::respond_in_parts`](crate::Endpoint::respond_in_parts). Comes once for each time that something was said.
    PartWanted {
        /// The request.
        request: RequestId,
    },

    /// A client wants to list, track or cancel progress sessions
    /// ([`Config::progress_commands`](crate::Config::progress_commands) is on): decide with
    /// [`ProgressView::decide`](crate::ProgressView::decide), now or later.
    ProgressCommand {
        /// Names it in the decision.
        ticket: CommandId,
        /// Who wants it.
        socket: SocketId,
        /// What.
        command: Command,
    },
    /// Progress sessions have changed ([`ProgressConfig::changes`](crate::progress::ProgressConfig::changes) is on): take that with
    /// [`ProgressView::take_changes`](crate::ProgressView::take_changes) and write it down. Comes at once for what has to last, at
    /// the next pulse for progress, and not again before it was taken. In the next turn for what a host has left.
    ProgressChanged,
    /// A client wants a managed progress session cancelled: roll back, then call
    /// [`ProgressView::cancel_session`](crate::ProgressView::cancel_session).
    CancelRequested {
        /// The session.
        session: Uuid,
        /// The reason given, `user_requested` if none was.
        reason: String,
    },
}
