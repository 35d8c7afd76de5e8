//! A Socket.IO server for hosts with little to spare, made for telling people live how far long work has come.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod config;
mod connection;
mod endpoint;
pub mod engine;
mod error;
mod frame;
pub mod http;
mod id;
mod io;
mod json;
mod net;
mod now;
mod outbox;
pub mod progress;
mod slots;
pub mod socket;
mod timer;
pub mod websocket;
pub mod wheel;

pub use config::Config;
pub use endpoint::{
    AckId, ClientInfo, Closing, Counts, Endpoint, Environment, Event, Message, Random, RequestId,
    SessionId,
};
pub use error::{DisconnectReason, Error};
pub use frame::{Frame, FrameBuilder};
pub use id::IdText;
pub use io::{Handlers, Io, Socket};
pub use net::{Handle, HandleError, Listener, Pending, Server, Stream};
pub use now::Now;
pub use slots::Key as ConnectionId;
pub use socket::{Args, ArgsBuilder, ArgsError, NamespaceId, SocketId, Target};
