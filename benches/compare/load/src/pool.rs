//! Many clients on one epoll thread.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::client::{Client, Stage};
use crate::{http, Result};

/// Clients that may be between dialling and joined at the same time.
const CONNECTING_MAX: usize = 64;
/// A server that answers nothing for so long is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// All WebSocket clients of this process.
pub struct Pool {
    pub clients: Vec<Client>,
    address: SocketAddr,
    hello: Vec<u8>,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    joined: usize,
    heard_at: Instant,
}

impl Pool {
    pub fn new(address: SocketAddr) -> io::Result<Pool> {
        Ok(Pool {
            clients: Vec::new(),
            address,
            hello: http::upgrade_request(&address.to_string()),
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 64 * 1024],
            joined: 0,
            heard_at: Instant::now(),
        })
    }

    /// Brings the number of joined clients up to `count`.
    pub fn connect(&mut self, count: usize) -> Result<()> {
        self.connect_while(count, || Ok(true))
    }

    /// The same, as long as `go_on` says so; it is asked once a turn.
    pub fn connect_while(
        &mut self,
        count: usize,
        mut go_on: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        while self.joined < count && go_on()? {
            while self.clients.len() < count && self.clients.len() - self.joined < CONNECTING_MAX {
                if !self.dial()? {
                    break;
                }
            }
            self.turn(Duration::from_millis(10), |_, _, _| Ok(()))?;
        }
        Ok(())
    }

    /// Closes all connections.
    pub fn close(&mut self) {
        self.clients.clear();
        self.joined = 0;
    }

    /// Begins a connection. `false` when no port is free: those of closed connections come back within a second.
    fn dial(&mut self) -> Result<bool> {
        let mut stream = match TcpStream::connect(self.address) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => return Ok(false),
            Err(error) => return Err(format!("client {}: {error}", self.clients.len()).into()),
        };
        stream.set_nodelay(true)?;
        self.poll.registry().register(
            &mut stream,
            Token(self.clients.len()),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        self.clients.push(Client::new(stream));
        Ok(true)
    }

    /// Waits for readiness, `timeout` at most, and handles what has come: `on_event` gets the client, its number and the
    /// Socket.IO event as text.
    pub fn turn(
        &mut self,
        timeout: Duration,
        mut on_event: impl FnMut(&mut Client, usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        if let Err(error) = self.poll.poll(&mut self.events, Some(timeout)) {
            if error.kind() != ErrorKind::Interrupted {
                return Err(error.into());
            }
        }
        if !self.events.is_empty() {
            self.heard_at = Instant::now();
        }
        for event in &self.events {
            let index = event.token().0;
            let Some(client) = self.clients.get_mut(index) else {
                return Err(format!("client {index} is not there any more").into());
            };
            let was_joined = client.stage == Stage::Joined;
            if event.is_writable() {
                client.on_writable(&self.hello)?;
            }
            if event.is_readable() {
                client.on_readable(&mut self.buffer, &mut |client: &mut Client, text: &[u8]| {
                    on_event(client, index, text)
                })?;
            }
            self.joined += usize::from(!was_joined && client.stage == Stage::Joined);
        }
        Ok(())
    }

    /// Handles what comes until `done`, which is asked once a turn.
    ///
    /// # Errors
    ///
    /// When nothing comes for half a minute.
    pub fn run(
        &mut self,
        mut done: impl FnMut() -> bool,
        mut on_event: impl FnMut(&mut Client, usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.heard_at = Instant::now();
        while !done() {
            self.turn(Duration::from_millis(100), &mut on_event)?;
            if self.heard_at.elapsed() > SILENCE_MAX {
                return Err("the server has been silent for half a minute".into());
            }
        }
        Ok(())
    }
}
