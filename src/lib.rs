//! A Socket.IO server for hosts with little to spare, made for telling people live how far their long work has come.
//!
//! pulsewheel speaks Engine.IO 4 and Socket.IO 5 to every client of those protocols, by HTTP long-polling and by
//! WebSocket, on one thread and without an async runtime. On top it keeps *progress sessions*: whoever does the work says
//! how far it is, and everybody concerned sees it, at most ten times a second and without ever missing the last value.
//!
//! # The way of a byte
//!
//! ```text
//!          bytes                  request, message             packet                packet              event
//! socket ────────▶ connection ───────────────────▶ engine ───────────────▶ socket ──────────────▶ host, progress
//!                  http | websocket                 session, transport       namespace, room, ack
//!
//! socket ◀──────── outbox ◀────────────────────── session queue ◀────────── rooms, Frame ◀──────── emit(target, event, args)
//!          writev   frames as slices                current transport         encoded once
//! ```
//!
//! [`Endpoint`] is all of that without sockets and without a clock: bytes and the time go in, bytes, [`Event`]s and the next
//! deadline come out. [`Server`] is the mio loop around it.
//!
//! # Ways to run it
//!
//! **On a thread of its own**, reached from others by a [`Handle`]:
//!
//! ```
//! use pulsewheel::{progress::SessionOptions, Config, Server};
//!
//! let mut server = Server::bind(Config::default(), "127.0.0.1:0")?;
//! let handle = server.handle();
//! let thread = std::thread::spawn(move || server.run(|_endpoint, _event| {}));
//!
//! // Every client hears of the session, of its progress and of its end.
//! let (id, _) = handle.create_session(SessionOptions::default())?;
//! handle.update_progress(id, 0.5, Default::default())?;
//! handle.complete_session(id, Default::default())?.wait()??;
//!
//! handle.shut_down()?;
//! thread.join().expect("the server does not panic")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **With handlers by event name**, as in the Socket.IO documentation:
//!
//! ```
//! use pulsewheel::{Config, Io, Server};
//!
//! let mut io = Io::new();
//! io.namespace("/")
//!     .on_connect(|socket, auth| socket.emit("welcome", auth))
//!     .on("chat", |socket, message| {
//!         let others = socket.broadcast()?;
//!         socket.emit_to(&others, "chat", &message.args)
//!     });
//! let mut server = Server::bind(io.configure(Config::default()), "127.0.0.1:0")?;
//! # server.handle().shut_down()?;
//! server.run(|endpoint, event| {
//!     if let Err(error) = io.dispatch(endpoint, event) {
//!         eprintln!("a handler failed: {error}");
//!     }
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **In a loop that the host already has**: watch the descriptor of the [`Server`] for readability, come back after
//! [`Server::next_timeout`] at the latest, and call [`Server::poll_once`] and [`Server::poll_event`] then.
//!
//! ```
//! use std::time::Duration;
//! use pulsewheel::{http::Response, Config, Event, Server};
//!
//! let mut server = Server::bind(Config { host_http: true, ..Config::default() }, "127.0.0.1:0")?;
//! for _ in 0..3 {
//!     server.poll_once(Some(Duration::from_millis(1)))?;
//!     while let Some(event) = server.poll_event() {
//!         if let Event::Request { request, .. } = event {
//!             server.endpoint().respond(request, Response::text(200, "hello"))?;
//!         }
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **With an I/O of the host's own**: drive the [`Endpoint`]; the page of that type lists the steps.
//!
//! # Errors and limits
//!
//! Nothing that a peer sends makes the library panic or return an error to its host: it becomes a status, a close code or a
//! [`DisconnectReason`]. Every limit is a field of [`Config`] with its unit, its default and what happens beyond it. What a
//! host does wrong is an [`Error`], a [`ProgressError`](progress::ProgressError) or a [`HandleError`].
//!
//! # Cargo features
//!
//! Both are on by default; `default-features = false` is the small library.
//!
//! - `compression`: answers to polls are compressed for whoever accepts it, see `Config::http_compression`.
//! - `msgpack`: the parser `socket.io-msgpack-parser`, see [`Parser`].

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
    AckId, Admission, AdmissionId, AskId, ClientInfo, Closing, ConnectRequest, Counts, Endpoint,
    Environment, Event, JoinId, Message, Random, RequestId, SessionId,
};
pub use engine::{HandshakeDetail, HandshakeDetails};
pub use error::{DisconnectReason, Error};
pub use frame::{Frame, FrameBuilder};
pub use id::IdText;
pub use io::{AckTimeout, Answers, ConnectionError, Handlers, Io, Joining, Socket, Verdict};
pub use net::{Handle, HandleError, Histogram, Listener, Pending, Server, Stats, Stream};
pub use now::Now;
pub use slots::Key as ConnectionId;
pub use socket::{
    AckRequest, Adapter, Args, ArgsBuilder, ArgsError, Audience, Bytes, ConnectError, InMemory,
    NamespaceId, Parser, RecoveryConfig, RemoteSocket, RoomChange, SocketId, Target,
};
