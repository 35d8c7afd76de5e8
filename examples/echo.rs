//! A Socket.IO server that gives everything back: the fixture that client libraries are tried against.
//!
//! `cargo run --release --example echo -- --listen 127.0.0.1:3000`

mod common;

use common::{Flags, Limit};
use pulsewheel::{AckError, Args, Config, Error, Io, Server, Socket};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::Value;

/// Bytes that may wait for one client, 5,000 echoes among them.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;

fn main() {
    let flags = Flags::parse("echo", &[Limit::Ping, Limit::Connect, Limit::Payload]);
    let mut io = Io::new();
    for namespace in ["/", "/custom"] {
        register(&mut io, namespace);
    }
    let config = Config {
        progress: None,
        max_queued_bytes: MAX_QUEUED_BYTES,
        ..flags.apply_to(Config::default())
    };
    common::run_io(Server::bind_io(io, config, &*flags.listen), |_, _| {});
}

fn register(io: &mut Io, namespace: &str) {
    io.of(namespace)
        .on_connect(|_, socket| {
            let auth: Option<Box<RawValue>> = socket.auth().ok();
            socket.emit("auth", auth)
        })
        .on_raw("message", |_, socket, message| {
            socket.emit("message-back", &message.args)
        })
        .on_raw("message-with-ack", |_, socket, message| {
            socket.acknowledge(message.ack, &message.args)
        })
        // What clients call 7, as a number.
        .on("7", |_, _, args: Args| args)
        .on_raw("echo", |_, socket, message| {
            socket.emit("echo", &message.args)
        })
        .on_raw("broadcast", |_, socket, message| {
            socket.everybody().emit("broadcast", &message.args)
        })
        .on("join", |_, socket, name: Name| socket.join(name.0))
        .on("leave", |_, socket, name: Name| socket.leave(name.0))
        .on_raw("to-room", |_, socket, message| {
            let Name(room) = message.args.get(0).unwrap_or_default();
            let args = message.args.clone().skip(1);
            socket.to(room).emit("room-message", args)
        })
        .on_raw("ask", |_, socket, message| {
            socket.ask("question", &message.args, |_, socket, answer: Answer| {
                answer.map_or(Ok(()), |answer| socket.emit("answer", answer))
            })
        })
        .on("flood", flood)
        .on("tick-all", tick_all)
        .on("volatile", volatile)
        .on("kick", |_, socket, close: Option<bool>| {
            socket.disconnect(close.unwrap_or(false))
        });
}

/// What a client has answered, if it has.
type Answer = Result<Args, AckError>;

/// `flood` (n, from): n events in one go.
fn flood(_: &mut (), socket: &mut Socket<'_>, (count, first): (u64, Option<u64>)) -> Outcome {
    let first = first.unwrap_or(0);
    (first..first.saturating_add(count)).try_for_each(|number| socket.emit("flood-message", number))
}

/// `tick-all` (n, size): n events with a text of that size to everybody.
fn tick_all(_: &mut (), socket: &mut Socket<'_>, (count, size): (u64, usize)) -> Outcome {
    let text = "x".repeat(size.min(MAX_QUEUED_BYTES));
    (0..count).try_for_each(|_| socket.everybody().emit("tick", &text))
}

/// `volatile` (n): n events that may be dropped, then one that may not.
fn volatile(_: &mut (), socket: &mut Socket<'_>, count: u64) -> Outcome {
    (0..count).try_for_each(|number| socket.volatile().emit("volatile-message", number))?;
    socket.emit("volatile-done", count)
}

type Outcome = Result<(), Error>;

/// The name of a room. It may be any value; what is not a string goes by its JSON text.
#[derive(Default)]
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        Ok(Name(match Value::deserialize(deserializer)? {
            Value::String(name) => name,
            other => other.to_string(),
        }))
    }
}
