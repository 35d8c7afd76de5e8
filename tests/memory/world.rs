//! Drives an endpoint without sockets, for tests that count what it allocates.

use std::io::ErrorKind;

use pulsewheel::{
    checks, Config, ConnectionId, Endpoint, Environment, Event, Now, Readiness, Work,
};

/// An endpoint, the time, and buffers that are used again, so that driving it allocates nothing.
pub struct World {
    pub endpoint: Endpoint,
    now_ms: u64,
    /// What is still to be read of a client's input, and where it is read into.
    input: Vec<u8>,
    buffer: Vec<u8>,
    /// The beginning of what was written last.
    written: Vec<u8>,
    /// Clients that take nothing any more.
    pub deaf: Vec<ConnectionId>,
}

impl World {
    pub fn new(config: Config) -> World {
        let mut seed = 0_u64;
        let environment = Environment {
            random: Box::new(move |bytes| {
                for byte in bytes {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    *byte = (seed >> 56) as u8;
                }
            }),
            memory: Box::new(Default::default),
        };
        World {
            endpoint: Endpoint::new(config, environment, at(0)),
            now_ms: 0,
            input: Vec::with_capacity(4096),
            buffer: vec![0; 64 * 1024],
            written: Vec::with_capacity(4096),
            deaf: Vec::new(),
        }
    }

    /// A turn: input on one connection, what the host does with the events, and all output written.
    pub fn turn(
        &mut self,
        connection: ConnectionId,
        input: &[u8],
        host: impl FnMut(&mut Endpoint, Event),
    ) {
        self.offer(connection, input, host);
        assert!(self.input.is_empty(), "all of it has been read");
    }

    /// The same for a connection that may end meanwhile, so that not all of it is read.
    pub fn offer(
        &mut self,
        connection: ConnectionId,
        input: &[u8],
        host: impl FnMut(&mut Endpoint, Event),
    ) {
        self.endpoint.begin_turn(at(self.now_ms));
        self.input.clear();
        self.input.extend_from_slice(input);
        self.endpoint.on_ready(connection, Readiness::readable());
        self.endpoint.on_polled(self.now_ms, true);
        self.work(host);
    }

    /// Lets time pass until the next deadline, does what is due, and writes all output.
    pub fn sleep_until_next_deadline(&mut self) {
        self.now_ms = checks::next_deadline(&self.endpoint).expect("a timer is pending");
        self.endpoint.on_polled(self.now_ms, true);
        self.work(ignore);
    }

    /// A client that has joined the namespace `/` by WebSocket.
    pub fn join_by_websocket(&mut self) -> ConnectionId {
        let connection = self.open();
        self.turn(connection, UPGRADE.as_bytes(), ignore);
        self.turn(connection, &masked_text("40"), ignore);
        connection
    }

    /// A polling session and its connection; how requests of it name it in their query.
    pub fn open_polling(&mut self) -> (ConnectionId, String) {
        let connection = self.open();
        self.turn(connection, get("").as_bytes(), ignore);
        let answer = String::from_utf8_lossy(&self.written).into_owned();
        let (_, behind) = answer.split_once("\"sid\":\"").expect("an open packet");
        (connection, format!("&sid={}", &behind[..20]))
    }

    /// A client that has joined the namespace `/` by polling and waits for the next event: the connection of that poll.
    pub fn join_by_polling(&mut self) -> ConnectionId {
        let (connection, sid) = self.open_polling();
        let connect = format!("{}40", post_head(&sid, 2));
        self.turn(connection, connect.as_bytes(), ignore);
        // The first poll brings the answer to CONNECT, the second one waits.
        self.turn(connection, get(&sid).as_bytes(), ignore);
        self.turn(connection, get(&sid).as_bytes(), ignore);
        connection
    }

    pub fn open(&mut self) -> ConnectionId {
        let peer = "127.0.0.1:5000".parse().expect("an address");
        self.endpoint.open(peer).expect("room for one more")
    }

    pub fn write(&mut self) {
        self.work(ignore);
    }

    /// Does all that is to be done.
    fn work(&mut self, mut host: impl FnMut(&mut Endpoint, Event)) {
        self.written.clear();
        loop {
            match self.endpoint.next_work(at(self.now_ms)) {
                Work::Read(connection, bytes) => {
                    let length = bytes.min(self.input.len());
                    self.buffer[..length].copy_from_slice(&self.input[..length]);
                    self.input.drain(..length);
                    let read = match length {
                        0 => Err(ErrorKind::WouldBlock.into()),
                        length => Ok(length),
                    };
                    self.endpoint
                        .on_read(connection, &mut self.buffer[..bytes], read);
                }
                Work::Events => {
                    while let Some(event) = self.endpoint.poll_event() {
                        host(&mut self.endpoint, event);
                    }
                }
                Work::Write(connection) => self.write_to(connection),
                Work::ShutdownWrite(connection) => {
                    self.endpoint.on_ready(connection, Readiness::broken());
                }
                Work::Close(_) => {}
                Work::Wait(_) if checks::has_work(&self.endpoint) => {
                    self.endpoint.on_polled(self.now_ms, true);
                }
                Work::Wait(_) => return,
            }
        }
    }

    fn write_to(&mut self, connection: ConnectionId) {
        let is_deaf = self.deaf.contains(&connection);
        self.endpoint.write(connection, |slices| {
            if is_deaf {
                return Err(ErrorKind::WouldBlock.into());
            }
            for slice in slices {
                let room = self.written.capacity() - self.written.len();
                self.written
                    .extend_from_slice(&slice[..slice.len().min(room)]);
            }
            Ok(slices.iter().map(|slice| slice.len()).sum())
        });
    }
}

/// A binary frame of so many bytes, at least 64 KiB, as clients send it.
pub fn masked_binary(bytes: usize) -> Vec<u8> {
    let mut frame = vec![0x82, 0xff];
    frame.extend_from_slice(&(bytes as u64).to_be_bytes());
    frame.resize(frame.len() + 4 + bytes, 0);
    frame
}

/// A frame with a text as clients send it: masked, here with zeros, and shorter than 64 KiB.
pub fn masked_text(text: &str) -> Vec<u8> {
    let length = text.len() as u16;
    let mut frame = vec![0x81];
    match length {
        0..=125 => frame.push(0x80 | length as u8),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.bytes());
    frame
}

/// The head of a `POST` of a polling session, for a body of so many bytes.
pub fn post_head(sid: &str, bytes: usize) -> String {
    format!(
        "POST /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n"
    )
}

pub fn ignore(_: &mut Endpoint, _: Event) {}

pub const UPGRADE: &str =
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost:3000\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn get(sid: &str) -> String {
    format!("GET /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn at(mono_ms: u64) -> Now {
    Now {
        mono_ms,
        unix_ms: 1_736_677_800_000 + mono_ms,
    }
}
