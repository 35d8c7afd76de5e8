//! One Socket.IO client over WebSocket.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use mio::net::TcpStream;

use crate::{frame, http, Result};

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The TCP connection is not there yet.
    Dialling,
    /// The WebSocket upgrade has been asked for.
    Upgrading,
    /// The Engine.IO open packet is awaited, then the answer to CONNECT and the `auth` event.
    Joining,
    Joined,
}

/// A client, and what of its bytes waits.
pub struct Client {
    pub stream: TcpStream,
    pub stage: Stage,
    pub pings: u64,
    /// When it sent what it awaits the answer to.
    pub sent_at: Instant,
    /// Answers that it awaits.
    pub awaited: usize,
    /// The beginning of a frame whose end has not arrived.
    partial: Vec<u8>,
    unsent: Vec<u8>,
}

impl Client {
    pub fn new(stream: TcpStream) -> Client {
        Client {
            stream,
            stage: Stage::Dialling,
            pings: 0,
            sent_at: Instant::now(),
            awaited: 0,
            partial: Vec::new(),
            unsent: Vec::new(),
        }
    }

    /// Sends ready bytes; what the socket does not take now goes when it is writable.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend(bytes);
            return Ok(());
        }
        let written = write_some(&mut self.stream, bytes)?;
        self.unsent.extend(&bytes[written..]);
        Ok(())
    }

    /// The socket takes bytes: begins the upgrade on a new connection, goes on where [`Client::send`] had to stop.
    pub fn on_writable(&mut self, hello: &[u8]) -> io::Result<()> {
        if self.stage == Stage::Dialling {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            self.stage = Stage::Upgrading;
            return self.send(hello);
        }
        if !self.unsent.is_empty() {
            let written = write_some(&mut self.stream, &self.unsent)?;
            self.unsent.drain(..written);
        }
        Ok(())
    }

    /// Reads what is there; pings and the handshake are answered here, events of a joined client go to `on_event`.
    pub fn on_readable(
        &mut self,
        buffer: &mut [u8],
        on_event: &mut impl FnMut(&mut Client, &[u8]) -> Result<()>,
    ) -> Result<()> {
        loop {
            let size = match self.stream.read(buffer) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(size) => size,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if self.partial.is_empty() {
                let used = self.consume(&buffer[..size], on_event)?;
                self.partial.extend(&buffer[used..size]);
            } else {
                let mut bytes = std::mem::take(&mut self.partial);
                bytes.extend(&buffer[..size]);
                let used = self.consume(&bytes, on_event)?;
                bytes.drain(..used);
                self.partial = bytes;
            }
            // A read that did not fill the buffer has emptied the socket; what comes later raises an event of its own.
            if size < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Handles all that is complete and returns how many bytes that was.
    fn consume(
        &mut self,
        bytes: &[u8],
        on_event: &mut impl FnMut(&mut Client, &[u8]) -> Result<()>,
    ) -> Result<usize> {
        let mut used = 0;
        if self.stage == Stage::Upgrading {
            let Some(response) = http::parse(bytes)? else {
                return Ok(0);
            };
            if response.status != 101 {
                return Err(format!("the upgrade was answered {}", response.status).into());
            }
            self.stage = Stage::Joining;
            used = response.size;
        }
        while let Some(received) = frame::parse(&bytes[used..])? {
            used += received.size;
            match received.opcode {
                frame::TEXT => self.on_text(received.payload, on_event)?,
                frame::PING => self.send(&frame::masked(frame::PONG, received.payload))?,
                frame::PONG => {}
                frame::CLOSE => return Err("the server closed a WebSocket".into()),
                other => return Err(format!("a frame with opcode {other}").into()),
            }
        }
        Ok(used)
    }

    fn on_text(
        &mut self,
        text: &[u8],
        on_event: &mut impl FnMut(&mut Client, &[u8]) -> Result<()>,
    ) -> Result<()> {
        match (self.stage, text) {
            (_, b"2") => {
                self.pings += 1;
                self.send(&frame::masked(frame::TEXT, b"3"))?;
            }
            (Stage::Joined, [b'4', b'2', ..]) => on_event(self, text)?,
            (Stage::Joining, [b'0', ..]) => self.send(&frame::masked(frame::TEXT, b"40"))?,
            (Stage::Joining, [b'4', b'0', ..]) => {}
            (Stage::Joining, _) if text.starts_with(b"42[\"auth\"") => self.stage = Stage::Joined,
            // Broadcasts to the namespace may come before the greeting.
            (Stage::Joining, [b'4', b'2', ..]) => {}
            _ => {
                let text = String::from_utf8_lossy(text);
                return Err(
                    format!("the server sent {text:?} to a client {:?}", self.stage).into(),
                );
            }
        }
        Ok(())
    }
}

/// Writes as much as the socket takes.
fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(size) => written += size,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
