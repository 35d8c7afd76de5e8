//! The endpoint without sockets and with made-up time.

mod addresses;
mod admission;
mod asks;
mod attachments;
mod cluster;
mod commands;
#[cfg(feature = "compression")]
mod compression;
mod confirmed;
mod connects;
mod crowded;
mod drain;
mod figures;
mod handshakes;
mod host_requests;
mod incomplete;
mod io;
mod large;
mod leaving;
mod leniency;
mod limits;
mod memory;
#[cfg(feature = "msgpack")]
mod msgpack;
mod news;
mod one_answer;
mod output;
mod overdue;
mod owners;
mod parts;
mod polling;
mod progress;
mod random;
mod rates;
mod recovery;
mod refusals;
mod revision_3;
mod rooms;
mod schedule;
mod sizes;
mod slow_readers;
mod socket_io;
mod stalls;
mod upgrade;
mod websocket;

use std::io::ErrorKind;

use super::{Endpoint, Environment, Event, Readiness, Work};
use crate::config::Config;
use crate::error::DisconnectReason;
use crate::id::ConnectionId;
use crate::now::Now;
use crate::priority::Priority;
use crate::progress::MemoryUsage;
use crate::socket::{SocketId, Target};
use crate::transport::RequestId;

/// An endpoint and the time, driven as a server drives it.
pub(super) struct World {
    pub endpoint: Endpoint,
    pub events: Vec<Event>,
    /// The rooms that each socket was in when it began to leave.
    pub left_rooms: Vec<Vec<String>>,
    now_ms: u64,
    /// Where each connection's bytes went, by slot.
    received: Vec<(ConnectionId, Vec<u8>)>,
    pub shut: Vec<ConnectionId>,
    pub closed: Vec<ConnectionId>,
    /// Connections whose peers take nothing by themselves; see [`World::read_some`].
    pub slow: Vec<ConnectionId>,
    /// Connections on which there is always something to read.
    pub floods: Vec<Flood>,
}

/// A peer that sends the same again and again, as fast as it is read.
pub(super) struct Flood {
    pub key: ConnectionId,
    pattern: Vec<u8>,
    pub read_bytes: usize,
    /// It will send so much more.
    pub left_bytes: usize,
}

impl Flood {
    pub fn new(key: ConnectionId, pattern: impl Into<Vec<u8>>) -> Flood {
        Flood {
            key,
            pattern: pattern.into(),
            read_bytes: 0,
            left_bytes: usize::MAX,
        }
    }

    fn next(&mut self, bytes: usize) -> Vec<u8> {
        let bytes = bytes.min(self.left_bytes);
        self.left_bytes -= bytes;
        let mut sent = Vec::with_capacity(bytes);
        while sent.len() < bytes {
            let rest = &self.pattern[(self.read_bytes + sent.len()) % self.pattern.len()..];
            sent.extend_from_slice(&rest[..rest.len().min(bytes - sent.len())]);
        }
        self.read_bytes += bytes;
        sent
    }
}

/// Well within reach of the wheel and far from zero, as a real clock is.
const START_MS: u64 = 1_000_000;
/// 2025-01-12T10:30:00Z
const START_UNIX_MS: u64 = 1_736_677_800_000;

impl World {
    pub fn new(config: Config) -> World {
        let mut seed = 0_u8;
        let environment = Environment {
            random: Box::new(move |bytes| {
                for byte in bytes {
                    seed = seed.wrapping_mul(31).wrapping_add(17);
                    *byte = seed;
                }
            }),
            memory: Box::new(|| MemoryUsage {
                used_mb: Some(10),
                available_mb: Some(54),
            }),
        };
        World {
            endpoint: Endpoint::new(config, environment, now(START_MS)),
            events: Vec::new(),
            left_rooms: Vec::new(),
            now_ms: START_MS,
            received: Vec::new(),
            shut: Vec::new(),
            closed: Vec::new(),
            slow: Vec::new(),
            floods: Vec::new(),
        }
    }

    /// Lets time pass, deadline by deadline, as a loop that sleeps until the next one would.
    pub fn pass_ms(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while let Some(next_ms) = self
            .endpoint
            .next_deadline()
            .filter(|next_ms| *next_ms <= until_ms)
        {
            self.now_ms = self.now_ms.max(next_ms);
            self.turn();
        }
        self.now_ms = until_ms;
        self.turn();
    }

    /// Lets time pass without anybody looking at it, as on a host that was suspended.
    pub fn oversleep_ms(&mut self, ms: u64) {
        self.now_ms += ms;
        self.endpoint.begin_turn(now(self.now_ms));
    }

    /// Lets time pass until nothing has come for so long; events that this brings are still to be taken.
    pub fn expire_in_ms(&mut self, ms: u64) {
        self.oversleep_ms(ms);
        self.endpoint.on_polled(self.now_ms, true);
        self.oversleep_ms(0);
        self.endpoint.handle_timeouts();
    }

    pub fn open(&mut self) -> ConnectionId {
        let peer = "127.0.0.1:5000".parse().expect("an address");
        self.endpoint.open(peer).expect("room for one more")
    }

    /// Opens a connection from this address, if it may.
    pub fn open_from(&mut self, address: &str) -> Option<ConnectionId> {
        self.endpoint.open(address.parse().expect("an address"))
    }

    /// Feeds bytes and finishes the turn.
    pub fn feed(&mut self, key: ConnectionId, bytes: impl AsRef<[u8]>) {
        self.endpoint.begin_turn(now(self.now_ms));
        self.endpoint.feed(key, &mut bytes.as_ref().to_vec());
        self.turn();
    }

    /// A whole request on a connection of its own, and what came back by the end of the turn.
    pub fn request(&mut self, text: &str) -> String {
        let key = self.open();
        self.feed(key, text);
        self.take_text(key)
    }

    /// Turns until nothing is left to be done.
    pub fn turn(&mut self) {
        loop {
            self.one_turn();
            if !self.endpoint.has_work() {
                break;
            }
        }
    }

    /// One turn of a loop, which has an end however much there is to do.
    pub fn one_turn(&mut self) {
        self.endpoint.begin_turn(now(self.now_ms));
        for flood in self.floods.iter().filter(|flood| flood.left_bytes > 0) {
            self.endpoint.on_ready(flood.key, Readiness::readable());
        }
        self.endpoint.on_polled(self.now_ms, true);
        let mut floods = std::mem::take(&mut self.floods);
        self.work(|key, bytes| {
            let flood = floods.iter_mut().find(|flood| flood.key == key);
            let flood = flood.expect("only they are read from, others are fed");
            flood.next(bytes)
        });
        self.floods = floods;
        self.endpoint.check_invariants();
    }

    /// Does what is to be done in this turn; `read` gives what has come on a connection, so many bytes at most.
    fn work(&mut self, mut read: impl FnMut(ConnectionId, usize) -> Vec<u8>) {
        loop {
            match self.endpoint.next_work(now(self.now_ms)) {
                Work::Read(key, bytes) => {
                    let mut buffer = read(key, bytes);
                    let read = match buffer.len() {
                        0 => Err(ErrorKind::WouldBlock.into()),
                        length => Ok(length),
                    };
                    buffer.resize(bytes, 0);
                    self.endpoint.on_read(key, &mut buffer, read);
                }
                Work::Events => self.take_all_events(),
                Work::Write(key) => self.write_to(key),
                Work::ShutdownWrite(key) => self.shut.push(key),
                Work::Close(key) => self.closed.push(key),
                Work::Wait(_) => return,
            }
        }
    }

    fn take_all_events(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Disconnecting { socket, .. } => {
                    let rooms = self.endpoint.rooms(socket).map(str::to_owned);
                    self.left_rooms.push(rooms.collect());
                }
                event => self.events.push(event),
            }
        }
    }

    fn write_to(&mut self, key: ConnectionId) {
        let mut bytes = Vec::new();
        let is_slow = self.slow.contains(&key);
        self.endpoint.write(key, |slices| {
            if !is_slow {
                slices.iter().for_each(|it| bytes.extend_from_slice(it));
            }
            Ok(bytes.len())
        });
        match self.received.iter_mut().find(|(known, _)| *known == key) {
            Some((_, received)) => received.extend_from_slice(&bytes),
            None => self.received.push((key, bytes)),
        }
    }

    /// Has a slow peer take up to so many bytes; how many it took.
    pub fn read_some(&mut self, key: ConnectionId, bytes: usize) -> usize {
        self.endpoint.begin_turn(now(self.now_ms));
        let taken = self.endpoint.output_bytes(key).min(bytes);
        self.endpoint.wrote(key, taken);
        self.turn();
        taken
    }

    /// What has been written to a connection since it was last asked.
    pub fn take(&mut self, key: ConnectionId) -> Vec<u8> {
        let received = self.received.iter_mut().find(|(known, _)| *known == key);
        received.map_or_else(Vec::new, |(_, bytes)| std::mem::take(bytes))
    }

    pub fn take_text(&mut self, key: ConnectionId) -> String {
        String::from_utf8(self.take(key)).expect("text")
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The first request among the events, which are taken with it.
    pub fn take_request(&mut self) -> RequestId {
        let request = self
            .take_events()
            .into_iter()
            .find_map(|event| match event {
                Event::Request { request, .. } => Some(request),
                _ => None,
            });
        request.expect("a request")
    }

    /// Why sockets have disconnected, of all that has happened since events were taken last.
    pub fn take_reasons(&mut self) -> Vec<DisconnectReason> {
        let events = self.take_events().into_iter();
        let reasons = events.filter_map(|event| match event {
            Event::Disconnected { reason, .. } => Some(reason),
            _ => None,
        });
        reasons.collect()
    }

    /// Opens a polling session and gives its id.
    pub fn open_polling(&mut self) -> String {
        let answer = self.request(&get("EIO=4&transport=polling"));
        let body = body(&answer);
        sid(body)
    }

    /// Sends packets by `POST`; the answer's status.
    pub fn post(&mut self, sid: &str, payload: &str) -> u16 {
        let answer = self.request(&post(sid, payload));
        status(&answer)
    }

    /// Polls; the payload, or the answer's status where that is not 200. Empty while the poll waits.
    pub fn poll(&mut self, sid: &str) -> (ConnectionId, String) {
        let key = self.open();
        self.feed(key, get(&format!("EIO=4&transport=polling&sid={sid}")));
        let answer = self.take_text(key);
        (key, payload_of(&answer))
    }

    /// What the poll on this connection has been answered since.
    pub fn polled(&mut self, key: ConnectionId) -> String {
        let answer = self.take_text(key);
        payload_of(&answer)
    }

    /// Opens a session by WebSocket.
    pub fn open_websocket(&mut self) -> ConnectionId {
        self.open_websocket_of("EIO=4&transport=websocket")
    }

    /// Opens a session by WebSocket with this query.
    pub fn open_websocket_of(&mut self, query: &str) -> ConnectionId {
        let key = self.open();
        self.feed(key, upgrade(query));
        let answer = self.take(key);
        assert!(
            answer.starts_with(b"HTTP/1.1 101 "),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        key
    }

    /// A client on a WebSocket that has joined `/`, and the events of that taken.
    pub fn join_by_websocket(&mut self) -> ConnectionId {
        let key = self.open_websocket();
        self.send(key, "40");
        assert!(self.frames(key)[0].starts_with("40{\"sid\":"));
        self.take_events();
        key
    }

    /// A client on a WebSocket that has joined by this packet, its socket, and the events of that taken.
    pub fn enter(&mut self, connect: &str) -> (ConnectionId, SocketId) {
        let key = self.open_websocket();
        self.send(key, connect);
        self.take(key);
        let connected = self
            .take_events()
            .into_iter()
            .find_map(|event| match event {
                Event::Connected { socket, .. } => Some(socket),
                _ => None,
            });
        (key, connected.expect("it was let in"))
    }

    /// Everybody in `/`.
    pub fn everybody(&self) -> Target {
        Target::namespace(self.endpoint.namespace("/").expect("it is served"))
    }

    /// Sends one text frame.
    pub fn send(&mut self, key: ConnectionId, text: &str) {
        self.feed(key, masked(0x81, text.as_bytes()));
    }

    /// Frames received on a WebSocket: text as it is, others as `binary:…`, `close:…`, `pong:…`.
    pub fn frames(&mut self, key: ConnectionId) -> Vec<String> {
        let bytes = self.take(key);
        let mut rest = bytes.as_slice();
        let mut frames = Vec::new();
        while rest.len() >= 2 {
            let (length, at) = match rest[1] {
                126 => (usize::from(u16::from_be_bytes([rest[2], rest[3]])), 4),
                127 => (
                    u64::from_be_bytes(rest[2..10].try_into().expect("eight")) as usize,
                    10,
                ),
                length => (usize::from(length), 2),
            };
            let payload = &rest[at..at + length];
            frames.push(match rest[0] {
                0x81 => String::from_utf8(payload.to_vec()).expect("text"),
                0x82 => format!("binary:{payload:?}"),
                0x88 if payload.is_empty() => "close".to_owned(),
                0x88 => format!("close:{}", u16::from_be_bytes([payload[0], payload[1]])),
                0x8a => format!("pong:{}", String::from_utf8_lossy(payload)),
                other => panic!("frame {other:#x}"),
            });
            rest = &rest[at + length..];
        }
        assert!(rest.is_empty());
        frames
    }
}

fn now(mono_ms: u64) -> Now {
    Now {
        mono_ms,
        unix_ms: START_UNIX_MS + (mono_ms - START_MS),
    }
}

pub(super) fn get(query: &str) -> String {
    format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: a\r\n\r\n")
}

pub(super) fn post(sid: &str, payload: &str) -> String {
    let length = payload.len();
    format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{payload}"
    )
}

pub(super) fn upgrade(query: &str) -> String {
    format!(
        "GET /socket.io/?{query} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A frame as a client sends it.
pub(super) fn masked(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    let mut frame = vec![first_byte];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

pub(super) fn status(answer: &str) -> u16 {
    let status = answer
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("an answer: {answer:?}"));
    status.parse().expect("a number")
}

pub(super) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a whole head").1
}

pub(super) fn sid(text: &str) -> String {
    let (_, rest) = text.split_once("\"sid\":\"").expect("an id");
    rest[..20].to_owned()
}

/// What a recoverable client comes back with, from the answer to its CONNECT.
pub(super) fn pid(answer: &str) -> String {
    let (_, behind) = answer.split_once(r#""pid":""#).expect("a pid");
    behind[..20].to_owned()
}

fn payload_of(answer: &str) -> String {
    if answer.is_empty() {
        return String::new();
    }
    match status(answer) {
        200 => body(answer).replace('\x1e', "|"),
        other => other.to_string(),
    }
}
