//! A Socket.IO server that gives everything back: the fixture that client libraries are tried against.
//!
//! `cargo run --release --example echo -- --listen 127.0.0.1:3000`

mod common;

use common::{Flags, Limit};
use pulsewheel::{Args, Config, Error, Io, Message, Server, Socket};

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
    io.namespace(namespace)
        .on_connect(|socket, auth| socket.emit("auth", auth))
        .on("message", |socket, message| {
            socket.emit("message-back", &message.args)
        })
        .on("message-with-ack", |socket, message| {
            socket.acknowledge(message.ack, &message.args)
        })
        // What clients call 7, as a number.
        .on("7", |socket, message| {
            socket.acknowledge(message.ack, &message.args)
        })
        .on("echo", |socket, message| socket.emit("echo", &message.args))
        .on("broadcast", |socket, message| {
            let everybody = socket.everybody()?;
            socket.emit_to(&everybody, "broadcast", &message.args)
        })
        .on("join", |socket, message| {
            socket.join(&room(message))?;
            socket.acknowledge(message.ack, &Args::none())
        })
        .on("leave", |socket, message| {
            socket.leave(&room(message))?;
            socket.acknowledge(message.ack, &Args::none())
        })
        .on("to-room", |socket, message| {
            let others = socket.to(room(message))?;
            socket.emit_to(&others, "room-message", &message.args.clone().skip(1))
        })
        .on("ask", |socket, message| {
            socket.emit_with_ack("question", &message.args, |socket, answer| {
                socket.emit("answer", answer)
            })
        })
        .on("flood", flood)
        .on("tick-all", tick_all)
        .on("volatile", volatile)
        .on("kick", |socket, message| {
            socket.disconnect(message.args.get(0).unwrap_or(false))
        });
}

/// `flood` (n, from): n events in one go.
fn flood(socket: &mut Socket<'_>, message: &Message) -> Result<(), Error> {
    let count: u64 = message.args.get(0).unwrap_or(0);
    let first: u64 = message.args.get(1).unwrap_or(0);
    for number in first..first.saturating_add(count) {
        socket.emit("flood-message", &argument(number))?;
    }
    Ok(())
}

/// `tick-all` (n, size): n events with a text of that size to everybody.
fn tick_all(socket: &mut Socket<'_>, message: &Message) -> Result<(), Error> {
    let count: u64 = message.args.get(0).unwrap_or(0);
    let size: usize = message.args.get(1).unwrap_or(0);
    let text = argument("x".repeat(size.min(MAX_QUEUED_BYTES)));
    let everybody = socket.everybody()?;
    for _ in 0..count {
        socket.emit_to(&everybody, "tick", &text)?;
    }
    Ok(())
}

/// `volatile` (n): n events that may be dropped, then one that may not.
fn volatile(socket: &mut Socket<'_>, message: &Message) -> Result<(), Error> {
    let count: u64 = message.args.get(0).unwrap_or(0);
    for number in 0..count {
        socket.emit_volatile("volatile-message", &argument(number))?;
    }
    socket.emit("volatile-done", &argument(count))
}

fn room(message: &Message) -> String {
    // A room may be named by any value; what is not a string goes by its JSON text.
    let raw = message.args.raw(0).unwrap_or_default();
    message.args.get(0).unwrap_or_else(|_| raw.to_owned())
}

fn argument(value: impl serde::Serialize) -> Args {
    Args::one(&value).expect("numbers and strings have JSON text")
}
