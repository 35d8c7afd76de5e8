//! The protocol of this project's `echo` example, served by socketioxide on hyper and a single-threaded tokio runtime.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use lexopt::prelude::*;
use serde_json::{json, Value};
use socketioxide::extract::{Data, SocketRef, TryData};
use socketioxide::SocketIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, SignalKind};

type Error = Box<dyn std::error::Error>;

struct Flags {
    listen: SocketAddr,
    ping_interval: Duration,
    ping_timeout: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let flags = parse_flags()?;
    let (service, io) = SocketIo::builder()
        .ping_interval(flags.ping_interval)
        .ping_timeout(flags.ping_timeout)
        .max_payload(1_000_000)
        // Packets that may wait for one client; more are dropped, and the fixture drops none.
        .max_buffer_size(10_000)
        .build_svc();
    io.ns("/", on_connect);
    io.ns("/custom", on_connect);

    let listener = TcpListener::bind(flags.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => return Ok(()),
        };
        stream.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            // A client that goes away is none of the others' business.
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await
                .ok();
        });
    }
}

fn parse_flags() -> Result<Flags, lexopt::Error> {
    let mut listen = None;
    let mut ping_interval_ms = 25_000;
    let mut ping_timeout_ms = 20_000;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("listen") => listen = Some(parser.value()?.parse()?),
            Long("ping-interval") => ping_interval_ms = parser.value()?.parse()?,
            Long("ping-timeout") => ping_timeout_ms = parser.value()?.parse()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Flags {
        listen: listen.ok_or("--listen ADDR:PORT is required")?,
        ping_interval: Duration::from_millis(ping_interval_ms),
        ping_timeout: Duration::from_millis(ping_timeout_ms),
    })
}

/// Emitting fails when the client has just gone, which needs no answer.
async fn on_connect(socket: SocketRef, TryData(auth): TryData<Value>) {
    socket
        .emit("auth", &auth.unwrap_or_else(|_| json!({})))
        .ok();
    socket.on(
        "echo",
        async |socket: SocketRef, Data(text): Data<Value>| {
            socket.emit("echo", &text).ok();
        },
    );
    socket.on(
        "broadcast",
        async |io: SocketIo, socket: SocketRef, Data(text): Data<Value>| {
            if let Some(namespace) = io.of(socket.ns()) {
                namespace.emit("broadcast", &text).await.ok();
            }
        },
    );
    socket.on(
        "tick-all",
        async |io: SocketIo, socket: SocketRef, Data((count, size)): Data<(usize, usize)>| {
            let text = "x".repeat(size);
            for _ in 0..count {
                if let Some(namespace) = io.of(socket.ns()) {
                    namespace.emit("tick", &text).await.ok();
                }
            }
        },
    );
}
