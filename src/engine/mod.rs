//! Engine.IO protocol 4, and 3 for old clients: packets, polling payloads, what a request asks for, and the state of one session.
//!
//! Source: the Engine.IO protocol page (v4) of the Socket.IO project. Nothing here knows of Socket.IO, and of
//! connections nothing but their names: functions take text and return what it says, and the session's state answers each thing
//! that happens to it with what is to be done.

mod base64;
mod handshake;
mod packet;
mod payload;
pub mod payload3;
mod rates;
mod request;
mod session;
mod sessions;

pub use handshake::{HandshakeDetail, HandshakeDetails};
pub use packet::Packet;
pub(crate) use payload::encode_as_text;
pub use payload::{decode_payload, encode_payload, Part};
pub(crate) use rates::{Allowance, SessionRates};
pub use request::{EngineError, EngineRequest, Rejection, Revision, Route, Transports};
pub(crate) use session::{
    Admitted, Opening, PacketAction, PollAction, PostAction, ProbeAction, Transport, CLOSE,
    MAX_DRIFT_MS, NOOP,
};
#[cfg(test)]
pub(crate) use sessions::SessionEntry;
pub(crate) use sessions::Sessions;

/// The times of all sessions, of the settings of the same names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    /// For the first CONNECT, where there are namespaces.
    pub connect_timeout_ms: Option<u64>,
}
