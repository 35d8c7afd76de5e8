//! A Socket.IO server for hosts with little to spare, made for telling people live how far their long work has come.
//!
//! pulsewheel speaks Engine.IO 4 and Socket.IO 5 to every client of those protocols, by HTTP long-polling and by WebSocket, on
//! one thread and without an async runtime; clients of Socket.IO 2 too, where that is switched on. On top it keeps *progress sessions*: whoever does the work says
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
//! **With handlers by event name**, as in the Socket.IO documentation: middlewares, rooms, questions with a time limit. They
//! share a state, which is the first argument of each, and run one at a time, so that it needs no lock.
//!
//! ```
//! use std::time::Duration;
//! use pulsewheel::{AckError, Binary, Config, Io, Next, Server};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Pass {
//!     name: String,
//! }
//!
//! #[derive(Default)]
//! struct App {
//!     uploads: Vec<(String, Binary)>,
//! }
//!
//! let mut io = Io::with_state(App::default());
//! io.of("/")
//!     // A refusal is what the client's `connect_error` handler gets.
//!     .middleware(|_, connecting| {
//!         let Pass { name } = connecting.auth().map_err(|_| "a name is needed")?;
//!         connecting.set_data(name)?;
//!         connecting.join("lobby")?;
//!         Ok(Next::Go)
//!     })
//!     // Arguments are read by their types. What a handler returns is acknowledged: nothing, a value, or an error.
//!     .on("say", |_, socket, text: String| socket.to("lobby").emit("said", text))
//!     .on("uploads", |app, _, ()| app.uploads.len())
//!     // Several arguments are a tuple; binary ones are `Binary`.
//!     .on("upload", |_, socket, (name, contents): (String, Binary)| {
//!         let soon = socket.timeout(Duration::from_secs(5));
//!         soon.ask("keep it?", (), |app, socket, answer: Result<bool, AckError>| {
//!             if let Ok(true) = answer {
//!                 app.uploads.push((name, contents));
//!                 return socket.emit("kept", app.uploads.len());
//!             }
//!             Ok(()) // No, something else than yes or no, no answer within five seconds, or gone.
//!         })
//!     });
//! // Each namespace of such a name is made when its first client is let in.
//! io.of_pattern("/team-*").on("say", |_, socket, text: String| socket.everybody().emit("said", text));
//! io.every(Duration::from_secs(60), |app, server| server.of("/").volatile().emit("total", app.uploads.len()));
//! let mut server = Server::bind_io(io, Config::default(), "127.0.0.1:0")?;
//! server.on_error(|error| eprintln!("a handler failed: {error}"));
//! # server.handle().shut_down()?;
//! server.run()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Server::bind_io`] owns both the handlers and the settings that they need, so that nothing can be forgotten in between. A host
//! that drives an [`Io`] itself makes its settings with [`Io::configure`] and passes every event to [`Io::dispatch`]. Should
//! it forget one of both, nobody comes in for that: who reaches a namespace without its middlewares and the `allow_request`
//! having been asked is disconnected, counted ([`Io::turned_away`]), and told of as [`Error::NotAsked`].
//!
//! **By events alone**, without that layer. What the host decides is an event with a ticket, for which the answer may come at
//! once or later, from another thread too; who waits costs nobody anything.
//!
//! ```
//! use pulsewheel::{Admission, Config, Event, Server, Target};
//!
//! let config = Config { allow_request: true, connect_requests: true, ..Config::default() };
//! let mut server = Server::bind(config, "127.0.0.1:0")?;
//! let handle = server.handle();
//! # handle.shut_down()?;
//! server.run(|endpoint, event| match event {
//!     Event::AllowRequest { ticket, peer, .. } => {
//!         let admission = match peer.is_local() {
//!             true => Admission::accept(),
//!             false => Admission::refuse("from this host only"),
//!         };
//!         // An error says that its sender is gone already.
//!         let _ = endpoint.admit(ticket, admission);
//!     }
//!     Event::ConnectRequested { ticket, .. } => {
//!         let handle = handle.clone();
//!         std::thread::spawn(move || {
//!             // Ask a database here.
//!             handle.call(move |endpoint| endpoint.accept_connect(ticket))
//!         });
//!     }
//!     Event::Message(message) => {
//!         let everybody = Target::namespace(message.namespace);
//!         let _ = endpoint.emit(&everybody, &message.name(), &message.args);
//!     }
//!     _ => {}
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **In a loop that the host already has**: watch the descriptor of the [`Server`] for readability, come back after
//! [`Server::next_timeout`] at the latest, and call [`Server::poll_once`] and [`Server::poll_event`] then. The other way about,
//! [`Server::add_peripheral`] has our loop watch something of the host's.
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
//! **With an I/O of the host's own**, or without any, as in tests: ask the [`Endpoint`] for the next [`Work`], do it, and say what
//! came of it. These are the lines that every driver has; here the sockets are two buffers.
//!
//! ```
//! use std::io::{Read, Write};
//! use pulsewheel::{progress::MemoryUsage, Config, Endpoint, Environment, Now, Readiness, Work};
//!
//! let environment = Environment {
//!     random: Box::new(|bytes| bytes.fill(7)), // In earnest: bytes that nobody can guess.
//!     memory: Box::new(MemoryUsage::default),
//! };
//! let start = Now { mono_ms: 0, unix_ms: 1_700_000_000_000 };
//! let mut endpoint = Endpoint::new(Config::default(), environment, start);
//!
//! let client = endpoint.open("127.0.0.1:4000".parse()?).expect("there is room");
//! let mut arrived = &b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n"[..];
//! let mut sent = Vec::new();
//! endpoint.on_ready(client, Readiness::readable());
//! let mut buffer = vec![0; 64 * 1024];
//! loop {
//!     match endpoint.next_work(start) {
//!         Work::Read(id, bytes) => {
//!             let read = arrived.read(&mut buffer[..bytes]);
//!             endpoint.on_read(id, &mut buffer[..bytes], read);
//!         }
//!         Work::Events => while let Some(_event) = endpoint.poll_event() {}, // The host answers with verbs here.
//!         Work::Write(id) => endpoint.write(id, |slices| sent.write_vectored(slices)),
//!         Work::ShutdownWrite(_) | Work::Close(_) => break,
//!         // In earnest: sleep, `begin_turn`, tell what has happened meanwhile by `open` and `on_ready`, and then `on_polled`.
//!         Work::Wait(_until_ms) => break,
//!     }
//! }
//! assert!(sent.starts_with(b"HTTP/1.1 200 OK\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors and limits
//!
//! Nothing that a peer sends makes the library panic or return an error to its host: it becomes a status, a close code or a
//! [`DisconnectReason`]. Every limit is a field of [`Config`] with its unit, its default and what happens beyond it. What a
//! host does wrong is an [`Error`], a [`ProgressError`](progress::ProgressError) or a [`HandleError`].
//!
//! A panic of the host's code stays where it happened, as far as that can be: in a handler of [`Io`] it costs the client that
//! the handler was called for ([`Error::Panicked`]), in a closure of [`Handle::call`] its caller ([`HandleError::Panicked`]), and
//! the server goes on. Both may have changed half of what they wanted to, and a handler that is called again finds what it left
//! behind. A panic in the host's own loop or its closure for [`Server::run`], and one out of a verb of [`Endpoint`], which would be a
//! fault of this library, ends the server. Where the host is built with `panic = "abort"`, every panic ends the process.
//!
//! # Cargo features
//!
//! Both are on by default; `default-features = false` is the small library.
//!
//! - `compression`: answers to polls of 1,024 bytes and more are compressed for whoever accepts gzip or deflate, see
//!   `Config::http_compression`. It brings `flate2` with its Rust backend.
//! - `msgpack`: the parser of `socket.io-msgpack-parser`, see [`Parser`]. It brings `rmp`.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod addresses;
mod buckets;
#[doc(hidden)]
pub mod checks;
mod clock;
mod config;
mod data;
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
mod panics;
mod peer;
mod priority;
pub mod progress;
mod slots;
pub mod socket;
mod timer;
mod transport;
pub mod websocket;
pub mod wheel;

pub use addresses::{Network, NotANetwork};
pub use config::Config;
pub use endpoint::{
    AckId, Admission, AdmissionId, AskId, ClientInfo, ClusterView, CommandId, ConnectId,
    ConnectRequest, Counts, DisconnectCounts, Door, Endpoint, EndpointStats, Environment, Event,
    HandshakeCounts, Limit, LimitCounts, Message, PacketCounts, ProgressView, Random, Readiness,
    Sight, TimerId, Work,
};
pub use engine::{HandshakeDetail, HandshakeDetails};
pub use error::{AckError, DisconnectReason, Error};
pub use frame::{Frame, FrameBuilder};
pub use id::{ConnectionId, EngineSessionId, IdText};
pub use io::{
    BroadcastOperator, Connecting, ConnectionError, Context, Failure, HttpRequest, IntoAnswer, Io,
    IoTimer, Namespace, Next, Opening, ProgressRules, Refusal, Reply, Responses, Socket,
    SocketOperator, Ticket,
};
/// What stands in signatures here, in the version that is used: [`mio`] with [`Stream`] and [`Listener`], [`serde_json`] with values,
/// [`uuid`] with the ids of progress sessions.
pub use {mio, serde_json, uuid};

pub use net::{
    inlet, memory_usage, Accepted, BroadcastHandle, Files, Handle, HandleError, Histogram, Inlet,
    InletListener, IoServer, Job, JobBar, JobIo, JobIter, JobOptions, Listener, Pending,
    Peripheral, ProgressHandle, Server, SocketHandle, SocketRef, Stats, Stream,
};
pub use now::Now;
pub use peer::PeerAddr;
pub use socket::{
    AckRequest, Adapter, Args, ArgsBuilder, ArgsError, Audience, Binary, ConnectError, FromArgs,
    InMemory, IntoArgs, IntoRooms, NamespaceId, Parser, RecoveryConfig, RemoteSocket, RoomChange,
    SocketId, Target,
};
pub use transport::RequestId;
