//! Socket.IO protocol 5: packets, arguments, namespaces, rooms and who is in them.
//!
//! Source: the Socket.IO protocol page (v5) of the Socket.IO project. Nothing here knows how packets travel: text comes
//! in, frames go out, and `Sockets` keeps who belongs where.

mod adapter;
mod arg_list;
mod args;
mod binary;
mod client;
mod connect_error;
#[cfg(feature = "msgpack")]
mod msgpack;
mod news;
mod packet;
mod parser;
mod recovery;
mod sockets;
mod target;
mod values;

pub use adapter::{AckRequest, Adapter, Audience, InMemory, RemoteSocket};
pub use args::{Args, ArgsBuilder, ArgsError};
pub use binary::Binary;
pub(crate) use client::{Client, PendingPacket};
pub use connect_error::ConnectError;
#[cfg(feature = "msgpack")]
pub use msgpack::MsgpackPacket;
pub(crate) use news::NewsSet;
pub use packet::{
    encode_ack, encode_connect, encode_connect_error, encode_disconnect, encode_event, is_reserved,
    with_slash, Encoded, Kind, Limits, Packet, PacketError,
};
pub(crate) use packet::{write_ack, write_event};
pub use parser::Parser;
pub use recovery::RecoveryConfig;
pub(crate) use recovery::{PacketLog, Recovery};
pub(crate) use sockets::{Keeping, Sockets};
pub use sockets::{NamespaceId, RoomChange, SocketId};
pub use target::{IntoRooms, Target};
pub use values::{FromArgs, IntoArgs};
