//! Every deadline of the program in one list.

use crate::slots::Key;

/// What is to happen at a deadline. The wheel holds these; `Endpoint::fire` is the one match that fires them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// When to give up on a connection whose request head or request body does not arrive.
    Request(Key),
    /// When to close a connection on which no further request has begun.
    KeepAlive(Key),
    /// When to give up on a peer that takes nothing of its answer.
    Output(Key),
    /// When to refuse a session about which the host has not decided.
    Admission(Key),
    /// When to close a connection that asks for a WebSocket which nobody serves.
    Unserved(Key),
    /// When to stop reading what a peer still sends after its connection has been answered for the last time.
    Linger(Key),
    /// When to close an Engine.IO session that has joined no namespace.
    Connect(Key),
    /// When to close an Engine.IO session that has not sent all attachments of a packet.
    Attachments(Key),
    /// When to send the next ping of an Engine.IO session.
    Ping(Key),
    /// When to close an Engine.IO session whose pong has not come.
    Pong(Key),
    /// When to drop a WebSocket that began an upgrade and does not finish it.
    Upgrade(Key),
    /// When to go on without the acknowledgements that have not come.
    Ask(Key),
    /// When to forget a socket that lost its connection and has not come back.
    Away(Key),
    /// When a timer of the host's is due.
    Host(Key),
    /// When to send the newest progress of all progress sessions that have news.
    Pulse,
    /// When to look whether a progress session has gone 30 s without an update, and after that 30 minutes.
    Stale(Key),
    /// When to forget a progress session that has ended.
    Forget(Key),
    /// When to send the next `heartbeat` event to everybody.
    Heartbeat,
}
