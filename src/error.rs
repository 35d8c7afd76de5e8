//! What a host can do wrong, and why a peer is gone.

use std::fmt;

/// Why a socket or an Engine.IO session ended, in the words of the Socket.IO documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The connection is gone: the peer closed it, or the network did.
    TransportClose,
    /// The peer broke the rules of HTTP or WebSocket, or did not read what waited for it.
    TransportError,
    /// The peer sent an Engine.IO packet that is none.
    ParseError,
    /// The peer did not answer a ping in time.
    PingTimeout,
    /// The peer broke the rules of Socket.IO, or joined no namespace in time.
    ForcedClose,
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// The host disconnected the socket.
    ServerNamespaceDisconnect,
    /// The server is going down.
    ServerShuttingDown,
    /// The memory for all peers together was used up, and this one held the most of it.
    MemoryLimit,
    /// The client went on with what it had been refused for doing it too often.
    RateLimit,
}

impl DisconnectReason {
    /// All of them, in their order.
    pub(crate) const ALL: [DisconnectReason; 10] = [
        DisconnectReason::TransportClose,
        DisconnectReason::TransportError,
        DisconnectReason::ParseError,
        DisconnectReason::PingTimeout,
        DisconnectReason::ForcedClose,
        DisconnectReason::ClientNamespaceDisconnect,
        DisconnectReason::ServerNamespaceDisconnect,
        DisconnectReason::ServerShuttingDown,
        DisconnectReason::MemoryLimit,
        DisconnectReason::RateLimit,
    ];

    /// The documentation's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            DisconnectReason::TransportClose => "transport close",
            DisconnectReason::TransportError => "transport error",
            DisconnectReason::ParseError => "parse error",
            DisconnectReason::PingTimeout => "ping timeout",
            DisconnectReason::ForcedClose => "forced close",
            DisconnectReason::ClientNamespaceDisconnect => "client namespace disconnect",
            DisconnectReason::ServerNamespaceDisconnect => "server namespace disconnect",
            DisconnectReason::ServerShuttingDown => "server shutting down",
            DisconnectReason::MemoryLimit => "memory limit",
            DisconnectReason::RateLimit => "rate limit",
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a client that was asked has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckError {
    /// Its time was over.
    TimedOut,
    /// It is gone, or was before it could be asked.
    Disconnected,
    /// It has answered something else than what is wanted; this says which argument is not what it should be.
    Mismatch(String),
    /// It could not be asked.
    Refused(Error),
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AckError::TimedOut => f.write_str("operation has timed out"),
            AckError::Disconnected => f.write_str("the client is gone"),
            AckError::Mismatch(why) => write!(f, "the answer is not what it should be: {why}"),
            AckError::Refused(error) => write!(f, "the client could not be asked: {error}"),
        }
    }
}

impl std::error::Error for AckError {}

/// What a host asked for and cannot have. Peers never cause one, unless the host asks in their words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The socket is gone, or never was.
    NoSuchSocket,
    /// The namespace is not served.
    NoSuchNamespace,
    /// A namespace of this name is there already, or there are as many as may be made for clients.
    BadNamespace(String),
    /// The request is gone, or has been answered.
    NoSuchRequest,
    /// The event's name is one of Socket.IO's own, such as `connect`.
    ReservedEvent(String),
    /// The arguments have no JSON text.
    Unserializable(String),
    /// There are more binary values than one packet may have.
    TooManyAttachments,
    /// The socket is in as many rooms as one may be.
    TooManyRooms,
    /// The room's name is longer than one may be.
    RoomNameTooLong,
    /// The room belongs to progress sessions: [`ProgressView::track`](crate::ProgressView::track) and
    /// [`Endpoint::set_owner`](crate::Endpoint::set_owner) lead there.
    ReservedRoom(String),
    /// The client owes as many acknowledgements as one may.
    TooManyAcks,
    /// The decision has been taken already, came too late, or the client is gone.
    NoSuchTicket,
    /// A client was in this namespace (or, by bare Engine.IO, had a session, which goes without a name) without its middlewares
    /// or the `allow_request` having been asked, because of how the host has wired its [`Io`](crate::Io). It has been
    /// disconnected.
    NotAsked(String),
    /// A handler that is about no client has failed, with an error of the host's own: its text.
    Failed(String),
    /// A handler has panicked, with this message. The client whose event it was about has been disconnected; a client about
    /// which a middleware or `allow_request` panicked has been refused.
    Panicked(String),
    /// These events belong to another [`Io`](crate::Io), by which the settings of the endpoint were configured, and one of both
    /// has middlewares or an `allow_request`. The client has been refused.
    OtherIo,
    /// So much of the answer waits for its reader that no more may: see [`Event::PartWanted`](crate::Event::PartWanted).
    TooMuchWaits,
    /// There are no other servers: this one has no cluster adapter.
    NoCluster,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoSuchSocket => f.write_str("the socket is not connected"),
            Error::NoSuchNamespace => f.write_str("the namespace is not served"),
            Error::BadNamespace(name) => {
                write!(f, "there is a namespace \"{name}\", or no room for it")
            }
            Error::NoSuchRequest => f.write_str("the request is gone or already answered"),
            Error::ReservedEvent(name) => write!(f, "\"{name}\" is a reserved event name"),
            Error::Unserializable(why) => {
                write!(f, "the arguments cannot be written as JSON: {why}")
            }
            Error::NoSuchTicket => {
                f.write_str("the decision was taken before, came too late, or the client is gone")
            }
            Error::TooMuchWaits => f.write_str("too much of the answer waits for its reader"),
            Error::NoCluster => f.write_str("this server has no adapter to reach others by"),
            Error::TooManyAcks => {
                f.write_str("the client owes as many acknowledgements as one may")
            }
            Error::TooManyAttachments => {
                f.write_str("there are more binary values than one packet may have")
            }
            Error::ReservedRoom(name) => {
                write!(f, "the room \"{name}\" belongs to progress sessions")
            }
            Error::RoomNameTooLong => f.write_str("the room's name is longer than one may be"),
            Error::NotAsked(namespace) => write!(
                f,
                "a client got into \"{namespace}\" past middlewares or allow_request, and was disconnected: \
                 use Server::bind_io, or settings of Io::configure, and dispatch every event"
            ),
            Error::Failed(text) => f.write_str(text),
            Error::Panicked(message) => write!(f, "a handler panicked: {message}"),
            Error::OtherIo => f.write_str(
                "a client was refused: the server's settings were configured by another Io than the one that gets its events",
            ),
            Error::TooManyRooms => f.write_str("the socket is in as many rooms as one may be"),
        }
    }
}

impl std::error::Error for Error {}

/// The arguments of the host have no JSON text.
pub(crate) fn unserializable(error: serde_json::Error) -> Error {
    Error::Unserializable(error.to_string())
}
