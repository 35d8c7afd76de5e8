//! A Socket.IO server for hosts with little to spare, made for telling people live how far long work has come.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod config;
mod connection;
mod endpoint;
mod engine;
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
mod socket;
mod timer;
mod websocket;
mod wheel;

pub use config::Config;
pub use endpoint::{
    AckId, ClientInfo, Closing, Counts, Endpoint, Environment, Event, Message, RequestId, SessionId,
};
pub use error::{DisconnectReason, Error};
pub use frame::Frame;
pub use id::IdText;
pub use io::{Handlers, Io, Socket};
pub use net::{Handle, HandleError, Listener, Pending, Server, Stream};
pub use now::Now;
pub use slots::Key as ConnectionId;
pub use socket::{Args, ArgsBuilder, ArgsError, NamespaceId, SocketId, Target};
