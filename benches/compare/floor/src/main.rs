//! What the kernel alone costs: one epoll thread that answers the load generator with as few system calls as the work needs.
//!
//! It is no Socket.IO server. The handshake is constant bytes; frames are told apart by their length alone (a long one is an
//! echo, a short one a connect, a pong or a request for events to everybody). Every server must do at least this much.

#![forbid(unsafe_code)]

mod clients;
mod wire;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clients::Clients;
use lexopt::prelude::*;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);

struct Flags {
    listen: SocketAddr,
    ping_interval: Duration,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(serve(&parse_flags()?)?)
}

fn parse_flags() -> Result<Flags, lexopt::Error> {
    let mut listen = None;
    let mut ping_interval_ms = 25_000;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("listen") => listen = Some(parser.value()?.parse()?),
            Long("ping-interval") => ping_interval_ms = parser.value()?.parse()?,
            // Taken like every peer's, but a missing pong has no consequence here.
            Long("ping-timeout") => drop(parser.value()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Flags {
        listen: listen.ok_or("--listen ADDR:PORT is required")?,
        ping_interval: Duration::from_millis(ping_interval_ms),
    })
}

/// The loop. Pings are due in the order in which clients came, so that a queue is all the timers it needs.
fn serve(flags: &Flags) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(flags.listen)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(
        io::stdout(),
        "listening on http://{}",
        listener.local_addr()?
    )?;

    let mut clients = Clients::default();
    let mut pings: VecDeque<(Instant, clients::Key)> = VecDeque::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let next_ping = pings.front().map(|(due, _)| *due);
        let wait = next_ping.map(|due| due.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            match event.token() {
                LISTENER => {
                    while let Some(mut stream) = accept(&listener)? {
                        let key = clients.next_key();
                        let interest = Interest::READABLE | Interest::WRITABLE;
                        poll.registry()
                            .register(&mut stream, Token(key.index), interest)?;
                        clients.insert(key, stream);
                        pings.push_back((Instant::now() + flags.ping_interval, key));
                    }
                }
                Token(index) => {
                    if event.is_writable() {
                        clients.flush(index);
                    }
                    if event.is_readable() {
                        clients.on_readable(index, &mut buffer);
                    }
                }
            }
        }
        let now = Instant::now();
        while pings.front().is_some_and(|(due, _)| *due <= now) {
            let (due, key) = pings.pop_front().expect("it has just been seen");
            if clients.is_current(key) {
                clients.send(key.index, wire::PING);
                pings.push_back((due + flags.ping_interval, key));
            }
        }
    }
}

/// The next connection that waits.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => {
            stream.set_nodelay(true)?;
            Ok(Some(stream))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
