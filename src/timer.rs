//! Every deadline of the program in one list.

use crate::id::{ConnectionId, EngineSessionId};
use crate::slots::Key;

/// What is to happen at a deadline. The wheel holds these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// When a connection's time for something is over.
    Connection(ConnectionId, Timeout),
    /// When to close an Engine.IO session that has joined no namespace.
    Connect(EngineSessionId),
    /// When to close an Engine.IO session that has not sent all attachments of a packet.
    Attachments(EngineSessionId),
    /// When to send the next ping of an Engine.IO session.
    Ping(EngineSessionId),
    /// When to close an Engine.IO session whose pong has not come.
    Pong(EngineSessionId),
    /// When to drop a WebSocket that began an upgrade and does not finish it.
    Upgrade(EngineSessionId),
    /// When to go on with the input of an Engine.IO session that has sent more than it may in a second.
    Resume(EngineSessionId),
    /// When to go on without the acknowledgements that have not come.
    Ask(Key),
    /// When to refuse a client's command that the host has not decided on.
    Command(Key),
    /// When to forget a socket that lost its connection and has not come back.
    Away(Key),
    /// When a timer of the host's is due.
    Host(Key),
    /// When to send more clients away, as the server goes.
    Drain,
    /// When to send the newest progress of all progress sessions that have news.
    Pulse,
    /// When to look whether a progress session has gone 30 s without an update, and after that 30 minutes.
    Stale(Key),
    /// When to forget a progress session that has ended.
    Forget(Key),
    /// When to send the next `heartbeat` event to everybody.
    Heartbeat,
}

/// What a connection has a time for: one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timeout {
    /// The head of a request, or a piece of its body, is to arrive.
    Request,
    /// The next request is to begin.
    KeepAlive,
    /// The peer is to take some of its answer.
    Output,
    /// The host is to decide whether a session may open.
    Admission,
    /// The host is to serve somebody who asks for another protocol.
    Unserved,
    /// The peer, which has been answered for the last time, is to read that and to close.
    Linger,
}
