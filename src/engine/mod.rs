//! Engine.IO protocol 4, and 3 for old clients: packets, polling payloads, what a request asks for, and the state of one session.
//!
//! Source: the Engine.IO protocol page (v4) of the Socket.IO project. Nothing here knows of HTTP connections,
//! WebSocket frames or Socket.IO: functions take text and return what it says, and the session's state answers each thing that
//! happens to it with what is to be done.

mod base64;
mod handshake;
mod packet;
mod payload;
pub mod payload3;
mod request;
mod session;

pub use handshake::{HandshakeDetail, HandshakeDetails};
pub use packet::Packet;
pub(crate) use payload::encode_as_text;
pub use payload::{decode_payload, encode_payload, Part};
pub use request::{Ask, EngineError, Rejection, Revision, Route, Transports};
pub(crate) use session::{
    Heartbeat, PacketAction, PollAction, PostAction, ProbeAction, Session, Transport, MAX_DRIFT_MS,
};
