//! How packets are written: as text with attachments, or as MessagePack.

#[cfg(feature = "msgpack")]
use super::msgpack;
use super::packet::{self, Encoded};
use super::{Args, ConnectError};
use crate::frame::{Frame, FrameBuilder};
use crate::id::IdText;

/// The encoding of Socket.IO packets. Server and clients must agree on it beforehand; there is no negotiation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parser {
    /// The default one: JSON text, binary values as attachments behind it.
    #[default]
    Json,
    /// That of the package `socket.io-msgpack-parser`. What clients send is read as JSON: `undefined` in an object is left out,
    /// and elsewhere null; NaN, the infinities and unknown extensions are null; dates are their RFC 3339 text; keys that are no
    /// text become it. Extensions of type 0, as which typed arrays come, are binary values.
    #[cfg(feature = "msgpack")]
    Msgpack,
}

impl Parser {
    /// `CONNECT` to a client that has joined; without an id to clients of Socket.IO 2, which have their own idea of it, and
    /// with a `pid` to clients that can recover.
    pub fn connect(
        self,
        frames: &mut FrameBuilder,
        namespace: &str,
        id: Option<IdText>,
        pid: Option<IdText>,
    ) -> Frame {
        match self {
            Parser::Json => packet::encode_connect(frames, namespace, id, pid),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => msgpack::encode_connect(frames, namespace, id, pid),
        }
    }

    /// `CONNECT_ERROR` to a client that may not join; bare for clients of Socket.IO 2.
    pub fn connect_error(
        self,
        frames: &mut FrameBuilder,
        namespace: &str,
        error: &ConnectError,
        is_bare: bool,
    ) -> Frame {
        match self {
            Parser::Json => packet::encode_connect_error(frames, namespace, error, is_bare),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => msgpack::encode_connect_error(frames, namespace, error, is_bare),
        }
    }

    /// `DISCONNECT` to a client that is put out of a namespace.
    pub fn disconnect(self, frames: &mut FrameBuilder, namespace: &str) -> Frame {
        match self {
            Parser::Json => packet::encode_disconnect(frames, namespace),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => msgpack::encode_disconnect(frames, namespace),
        }
    }

    /// An event, with a number when an acknowledgement is wanted.
    pub fn event(
        self,
        frames: &mut FrameBuilder,
        namespace: &str,
        id: Option<u64>,
        name: &str,
        args: &Args,
    ) -> Encoded {
        match self {
            Parser::Json => packet::encode_event(frames, namespace, id, name, args),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => Encoded::alone(msgpack::encode_message(
                frames,
                namespace,
                id,
                Some(name),
                args,
            )),
        }
    }

    /// An acknowledgement.
    pub fn ack(self, frames: &mut FrameBuilder, namespace: &str, id: u64, args: &Args) -> Encoded {
        match self {
            Parser::Json => packet::encode_ack(frames, namespace, id, args),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => Encoded::alone(msgpack::encode_message(
                frames,
                namespace,
                Some(id),
                None,
                args,
            )),
        }
    }
}
