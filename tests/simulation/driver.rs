//! The turn of the loop, over the made-up kernel instead of sockets.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use pulsewheel::{checks, ConnectionId, Endpoint, Event, Now, Readiness, Work};

use super::held::outside;
use super::link::LinkId;
use super::net::Net;
use super::trace::Trace;

const ACCEPTS_PER_TURN: usize = 32;
const READ_BUFFER_BYTES: usize = 64 * 1024;
const ACCEPT_RETRY_MS: u64 = 100;

/// An endpoint, and what the loop knows of its connections.
pub struct Driver {
    pub endpoint: Endpoint,
    pub turns: u64,
    /// Sockets whose readiness one poll tells.
    ready_per_turn: usize,
    connections: BTreeMap<ConnectionId, Connected>,
    by_link: BTreeMap<LinkId, ConnectionId>,
    is_listener_ready: bool,
    accept_again_at_ms: Option<u64>,
    buffer: Vec<u8>,
    /// How many sockets have been told of as ready since we first asked which are.
    told: usize,
    /// All connections have been accepted that had come by this time.
    accepted_until_ms: u64,
    now_ms: u64,
    /// Whether this turn has done something that anybody sees, and how many have not although there was more to do.
    is_seen: bool,
    pub hollow_turns: u64,
    pub read_bytes: u64,
}

struct Connected {
    link: LinkId,
}

impl Driver {
    pub fn new(endpoint: Endpoint, ready_per_turn: usize) -> Driver {
        Driver {
            endpoint,
            turns: 0,
            ready_per_turn,
            connections: BTreeMap::new(),
            by_link: BTreeMap::new(),
            is_listener_ready: true,
            accept_again_at_ms: None,
            buffer: vec![0; READ_BUFFER_BYTES],
            told: 0,
            accepted_until_ms: 0,
            now_ms: 0,
            is_seen: false,
            hollow_turns: 0,
            read_bytes: 0,
        }
    }

    /// Whether the loop would not sleep at this time.
    pub fn is_due(&self, net: &Net, now_ms: u64) -> bool {
        let is_accepting = self.accept_again_at_ms.is_none() && self.is_listener_ready;
        net.has_news()
            || is_accepting
            || checks::has_work(&self.endpoint)
            || self.next_ms().is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// Why the loop would not sleep, in words.
    pub fn why_due(&self, net: &Net, now_ms: u64) -> String {
        format!(
            "sockets are ready: {}, listening: {}, work: {}, deadline: {:?} at {now_ms}",
            net.has_news(),
            self.is_listener_ready,
            checks::has_work(&self.endpoint),
            self.next_ms(),
        )
    }

    /// Until when the loop would sleep.
    pub fn next_ms(&self) -> Option<u64> {
        let deadlines = checks::next_deadline(&self.endpoint).into_iter();
        deadlines.chain(self.accept_again_at_ms).min()
    }

    /// One turn, and the host's answer to what it tells.
    pub fn turn(
        &mut self,
        now: Now,
        net: &mut Net,
        trace: &mut Trace,
        mut host: impl FnMut(&mut Endpoint, Event, &mut Trace),
    ) {
        self.turns += 1;
        self.is_seen = false;
        self.now_ms = now.mono_ms;
        for (key, connected) in &self.connections {
            net.begin_turn(
                connected.link,
                checks::output_bytes(&self.endpoint, *key) > 0,
            );
        }
        self.endpoint.begin_turn(now);
        // What the world has done by verbs since, in the turn that is not over yet.
        self.work(net, trace, &mut host);
        self.accept(net, trace);
        self.take_readiness(net, trace);
        self.work(net, trace, &mut host);
        self.hollow_turns += u64::from(!self.is_seen && checks::has_work(&self.endpoint));
    }

    /// Does what is to be done, until nothing is left or the turn is over.
    pub fn work(
        &mut self,
        net: &mut Net,
        trace: &mut Trace,
        mut host: impl FnMut(&mut Endpoint, Event, &mut Trace),
    ) {
        loop {
            match self.endpoint.next_work(self.endpoint.now()) {
                Work::Read(key, bytes) => self.read(key, bytes, net, trace),
                Work::Events => {
                    while let Some(event) = self.endpoint.poll_event() {
                        self.is_seen = true;
                        outside(|| host(&mut self.endpoint, event, trace));
                    }
                }
                Work::Write(key) => self.write_to(key, net, trace),
                Work::ShutdownWrite(key) => {
                    self.is_seen = true;
                    if let Some(connected) = self.connections.get(&key) {
                        outside(|| {
                            trace.note(|| format!("link {} is closed: Write", connected.link))
                        });
                        if outside(|| net.shut_down_writing(connected.link)).is_err() {
                            self.endpoint.on_ready(key, Readiness::broken());
                        }
                    }
                }
                Work::Close(key) => {
                    self.is_seen = true;
                    if let Some(connected) = self.connections.remove(&key) {
                        let link = connected.link;
                        outside(|| {
                            trace.note(|| format!("link {link} is closed: Both"));
                            self.by_link.remove(&link);
                            net.close(link, self.now_ms);
                        });
                    }
                }
                Work::Wait(_) => return,
            }
        }
    }

    fn take_readiness(&mut self, net: &mut Net, trace: &mut Trace) {
        let (is_listener_ready, told) = outside(|| net.poll(self.ready_per_turn));
        self.is_listener_ready |= is_listener_ready;
        // As many as there are: whoever was ready when we first asked has been told of.
        self.told += told.len();
        let connections = self.endpoint.counts().connections;
        let is_complete = told.len() < self.ready_per_turn || self.told >= connections;
        if is_complete {
            self.told = 0;
        } else {
            // It was spent on asking for the rest.
            self.is_seen = true;
        }
        for (link, readiness) in told {
            let Some(&key) = self.by_link.get(&link) else {
                continue;
            };
            let is_broken =
                readiness.is_error || readiness.is_read_closed && readiness.is_write_closed;
            if is_broken {
                outside(|| trace.note(|| format!("link {link} is broken")));
            }
            let readiness = Readiness {
                is_readable: readiness.is_readable,
                is_writable: readiness.is_writable,
                is_half_closed: readiness.is_read_closed,
                is_broken,
            };
            self.endpoint.on_ready(key, readiness);
        }
        if !self.is_listener_ready {
            self.accepted_until_ms = self.now_ms;
        }
        self.endpoint.on_polled(self.accepted_until_ms, is_complete);
    }

    fn read(&mut self, key: ConnectionId, bytes: usize, net: &mut Net, trace: &mut Trace) {
        let Some(connected) = self.connections.get(&key) else {
            return self.endpoint.on_ready(key, Readiness::broken());
        };
        let read = outside(|| net.read(connected.link, &mut self.buffer[..bytes], self.now_ms));
        match read {
            Ok(0) => outside(|| trace.note(|| format!("link {} has ended", connected.link))),
            Ok(length) => {
                self.is_seen = true;
                self.read_bytes += length as u64;
                outside(|| trace.bytes("read", connected.link, &self.buffer[..length]));
            }
            Err(_) => {}
        }
        self.endpoint.on_read(key, &mut self.buffer[..bytes], read);
    }

    fn write_to(&mut self, key: ConnectionId, net: &mut Net, trace: &mut Trace) {
        let Some(connected) = self.connections.get(&key) else {
            return self.endpoint.on_ready(key, Readiness::broken());
        };
        let (is_seen, now_ms) = (&mut self.is_seen, self.now_ms);
        self.endpoint.write(key, |slices| {
            let written = outside(|| net.write(connected.link, slices, now_ms));
            if let Ok(bytes) = written {
                *is_seen = true;
                outside(|| trace.slices("write", connected.link, slices, bytes));
            }
            written
        });
    }

    fn accept(&mut self, net: &mut Net, trace: &mut Trace) {
        if self
            .accept_again_at_ms
            .is_some_and(|at_ms| at_ms > self.now_ms)
        {
            self.accepted_until_ms = self.now_ms;
            return;
        }
        self.accept_again_at_ms = None;
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.is_listener_ready {
                return;
            }
            match outside(|| net.accept(self.now_ms)) {
                Ok(link) => {
                    self.is_seen = true;
                    let peer = SocketAddr::from(([127, 0, 0, 1], 1024 + (link % 60_000) as u16));
                    let Some(key) = self.endpoint.open(peer.into()) else {
                        outside(|| net.close(link, self.now_ms));
                        continue;
                    };
                    outside(|| {
                        trace.note(|| format!("link {link} is accepted"));
                        self.by_link.insert(link, key);
                        self.connections.insert(key, Connected { link });
                    });
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.is_listener_ready = false;
                        self.accepted_until_ms = self.now_ms;
                    }
                    io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        outside(|| trace.note(|| "accepting is refused".to_owned()));
                        self.accepted_until_ms = self.now_ms;
                        self.accept_again_at_ms = Some(self.now_ms + ACCEPT_RETRY_MS);
                        return;
                    }
                },
            }
        }
    }
}
