//! An endpoint, driven as a server drives it, with connections that are buffers and a clock that is a number.

use std::collections::VecDeque;
use std::io::ErrorKind;

use pulsewheel::http::{Cookie, Cors, HeaderHook, Origins};
use pulsewheel::progress::{MemoryUsage, ProgressConfig};
use pulsewheel::socket::{Parser, RecoveryConfig};
use pulsewheel::{
    checks, Config, ConnectionId, Counts, Endpoint, Environment, HandshakeDetail, Now, Readiness,
    Work,
};

use super::client::{Client, Told};
use super::host::Host;

/// Connections that a script can name. One more belongs to the witness, a client that behaves well all the time.
const CONNECTIONS: usize = 6;
const WITNESS: usize = CONNECTIONS;

/// Bytes that may wait for one client.
const MAX_QUEUED_BYTES: usize = 64 * 1024;
/// Bytes that may wait at a connection: what is queued becomes one answer in base64 at the worst, and a last packet and an
/// answer of the host may come on top.
const MAX_WAITING_BYTES: usize = 2 * MAX_QUEUED_BYTES + 64 * 1024;
/// Rounds that a turn may take until there is nothing left to do, if nothing is sent again and again.
const MAX_ROUNDS: usize = 1000;
/// Of so many rounds, one is followed by a check of everything, as is the last one of a turn.
const ROUNDS_PER_CHECK: usize = 16;
/// Bytes that are sent again in one script, and how many of them make one round more: a few events of the smallest kind.
const MAX_REPEATED_BYTES: usize = 1_000_000;
const BYTES_PER_ROUND: usize = 8;

/// Everything around the endpoint.
pub struct World {
    pub endpoint: Endpoint,
    pub host: Host,
    /// How much comes from each client in one step.
    pub taken_bytes: usize,
    /// How much each client takes in one step.
    pub written_bytes: usize,
    /// Of Engine.IO, as clients speak it: 3, or 4 by any other number.
    pub revision: usize,
    now: Now,
    /// What was sent last, and on which connection.
    last_sent: (usize, Vec<u8>),
    repeated_bytes: usize,
    links: [Option<Link>; CONNECTIONS + 1],
    told: Told,
}

/// One connection, and its client behind it.
struct Link {
    key: ConnectionId,
    /// Sent by the client and not yet taken by the server.
    incoming: VecDeque<u8>,
    /// The client sends nothing more.
    is_side_closed: bool,
    /// The server knows.
    is_side_closed_known: bool,
    /// The server writes nothing more.
    is_shut: bool,
    may_take_bytes: usize,
    may_write_bytes: usize,
    client: Client,
}

impl Link {
    fn is_at_end(&self) -> bool {
        self.is_side_closed && !self.is_side_closed_known
    }
}

impl World {
    pub fn new(mode: u8) -> World {
        let mut seed = 0_u64;
        let environment = Environment {
            random: Box::new(move |bytes| {
                for byte in bytes {
                    // The multiplier of Knuth's MMIX; its upper bits are random enough.
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    *byte = (seed >> 56) as u8;
                }
            }),
            memory: Box::new(MemoryUsage::default),
        };
        let now = Now {
            mono_ms: 1_000_000,
            unix_ms: 1_736_677_800_000,
        };
        let mut world = World {
            endpoint: Endpoint::new(config(mode), environment, now),
            host: Host::default(),
            taken_bytes: usize::MAX,
            written_bytes: usize::MAX,
            now,
            last_sent: Default::default(),
            repeated_bytes: 0,
            links: [const { None }; CONNECTIONS + 1],
            told: Told::default(),
            revision: 4,
        };
        if world.endpoint.config().socket_io {
            world.connect_witness();
        }
        world
    }

    fn connect_witness(&mut self) {
        self.send_on_link(WITNESS, &super::upgrade(&self.query("websocket")));
        let connect = match self.endpoint.config().parser {
            Parser::Json => super::masked(0x81, b"40"),
            Parser::Msgpack => super::masked(0x82, b"\x82\xa4type\x00\xa3nsp\xa1/"),
        };
        self.send_on_link(WITNESS, &connect);
        self.turn();
        if self.endpoint.config().allow_request {
            self.with_host(|host, endpoint| host.decide(endpoint, 0));
            self.turn();
        }
        self.host.adopt_witness();
        self.told = Told::default();
    }

    pub fn open(&mut self, number: usize) {
        self.open_link(number % CONNECTIONS);
    }

    fn open_link(&mut self, number: usize) {
        if self.links[number].is_some() {
            return;
        }
        let peer = "127.0.0.1:5000".parse().expect("an address");
        let key = self.endpoint.open(peer);
        let config = self.endpoint.config();
        let is_read_as_text = config.socket_io && config.parser == Parser::Json;
        assert_eq!(key.is_none(), self.endpoint.is_shutting_down());
        self.links[number] = key.map(|key| Link {
            key,
            incoming: VecDeque::new(),
            is_side_closed: false,
            is_side_closed_known: false,
            is_shut: false,
            may_take_bytes: 0,
            may_write_bytes: 0,
            client: Client::new(is_read_as_text),
        });
    }

    /// The client sends something; it opens a connection for it where it has none.
    pub fn send(&mut self, number: usize, bytes: &[u8]) {
        self.send_on_link(number % CONNECTIONS, bytes);
        self.last_sent = (number % CONNECTIONS, bytes.to_vec());
    }

    /// The client sends the same again, so many times: more than a turn has units for.
    pub fn repeat(&mut self, times: usize) {
        let (number, bytes) = std::mem::take(&mut self.last_sent);
        let left = MAX_REPEATED_BYTES - self.repeated_bytes;
        let times = times.min(left / bytes.len().max(1));
        self.repeated_bytes += times * bytes.len();
        self.send_on_link(number, &bytes.repeat(times));
        self.last_sent = (number, bytes);
    }

    fn send_on_link(&mut self, number: usize, bytes: &[u8]) {
        self.open_link(number);
        if let Some(link) = &mut self.links[number] {
            if !link.is_side_closed {
                link.incoming.extend(bytes);
            }
        }
    }

    /// The client will send nothing more.
    pub fn close_side(&mut self, number: usize) {
        if let Some(link) = &mut self.links[number % CONNECTIONS] {
            link.is_side_closed = true;
        }
    }

    /// The client is gone.
    pub fn hang_up(&mut self, number: usize) {
        self.hang_up_link(number % CONNECTIONS);
    }

    fn hang_up_link(&mut self, number: usize) {
        if let Some(link) = &self.links[number] {
            self.endpoint.on_ready(link.key, Readiness::broken());
        }
    }

    /// The query of a request for a session.
    pub fn query(&self, transport: &str) -> String {
        let revision = if self.revision == 3 { 3 } else { 4 };
        format!("EIO={revision}&transport={transport}")
    }

    /// The query of a request of a session that there is.
    pub fn query_of(&self, transport: &str, session: usize) -> String {
        let sid = self.told.sid(session);
        format!("{}&sid={sid}", self.query(transport))
    }

    /// The packet by which a client says that it has been here before.
    pub fn recovering_connect(&self, number: usize) -> String {
        let (pid, offset) = (self.told.pid(number), &self.told.offset);
        format!("40{{\"pid\":\"{pid}\",\"offset\":\"{offset}\"}}")
    }

    pub fn pass_ms(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms;
    }

    pub fn pass_to_deadline(&mut self) {
        if let Some(deadline_ms) = checks::next_deadline(&self.endpoint) {
            self.pass_ms(deadline_ms.saturating_sub(self.now.mono_ms));
        }
    }

    pub fn with_host(&mut self, act: impl FnOnce(&mut Host, &mut Endpoint)) {
        self.endpoint.begin_turn(self.now);
        act(&mut self.host, &mut self.endpoint);
    }

    /// One turn, in the order of the server's, again and again until there is nothing to do without news from outside.
    pub fn turn(&mut self) {
        self.begin_shares();
        let mut rounds = 0;
        loop {
            self.tell();
            self.work();
            if rounds % ROUNDS_PER_CHECK == 0 {
                checks::check_invariants(&self.endpoint);
            }
            if !checks::has_work(&self.endpoint) && !self.answer_as_witness() {
                break;
            }
            rounds += 1;
            let most = MAX_ROUNDS + self.repeated_bytes / BYTES_PER_ROUND;
            assert!(rounds < most, "a turn comes to its end");
        }
        checks::check_invariants(&self.endpoint);
        let deadline_ms = checks::next_deadline(&self.endpoint);
        assert!(deadline_ms.is_none_or(|deadline_ms| deadline_ms > self.now.mono_ms));
        self.check();
    }

    /// Sends everybody away, lets time pass until all is forgotten, and checks that it is.
    pub fn end(mut self) {
        for number in 0..self.links.len() {
            self.hang_up_link(number);
        }
        self.turn();
        assert_eq!(self.endpoint.counts().connections, 0);
        // The one timer is the heartbeat's.
        let timers = usize::from(self.endpoint.config().progress.is_some());
        let nothing = Counts {
            timers,
            ..Counts::default()
        };
        for _ in 0..MAX_ROUNDS {
            if self.endpoint.counts() == nothing {
                break;
            }
            self.pass_to_deadline();
            self.turn();
        }
        assert_eq!(self.endpoint.counts(), nothing);
        assert!(!checks::has_work(&self.endpoint));
        self.host.check_all_gone();
    }

    fn begin_shares(&mut self) {
        for (number, link) in self.links.iter_mut().enumerate() {
            let Some(link) = link else { continue };
            let is_witness = number == WITNESS;
            link.may_take_bytes = if is_witness {
                usize::MAX
            } else {
                self.taken_bytes
            };
            link.may_write_bytes = if is_witness {
                usize::MAX
            } else {
                self.written_bytes
            };
            self.endpoint.on_ready(link.key, Readiness::writable());
        }
    }

    /// Tells who has something to be read.
    fn tell(&mut self) {
        for link in self.links.iter().flatten() {
            if !link.incoming.is_empty() || link.is_at_end() {
                self.endpoint.on_ready(link.key, Readiness::readable());
            }
        }
        self.endpoint.on_polled(self.now.mono_ms, true);
    }

    /// Does what is to be done, until nothing is left or the turn is over.
    fn work(&mut self) {
        loop {
            match self.endpoint.next_work(self.now) {
                Work::Read(key, bytes) => self.read(key, bytes),
                Work::Events => {
                    while let Some(event) = self.endpoint.poll_event() {
                        self.host.handle(&mut self.endpoint, event);
                    }
                }
                Work::Write(key) => self.write(key),
                Work::ShutdownWrite(key) => {
                    assert_eq!(checks::output_bytes(&self.endpoint, key), 0);
                    let link = self.link(key);
                    assert!(!link.is_shut);
                    link.is_shut = true;
                }
                Work::Close(key) => {
                    let is_it = |link: &Option<Link>| link.as_ref().is_some_and(|l| l.key == key);
                    let slot = self.links.iter_mut().find(|link| is_it(link));
                    *slot.expect("connections are closed once") = None;
                }
                Work::Wait(_) => return,
            }
        }
    }

    fn link(&mut self, key: ConnectionId) -> &mut Link {
        let mut links = self.links.iter_mut().flatten();
        let link = links.find(|link| link.key == key);
        link.expect("work is for connections that are open")
    }

    /// Hands over what has come from a client.
    fn read(&mut self, key: ConnectionId, bytes: usize) {
        let link = self.link(key);
        if link.incoming.is_empty() && link.is_at_end() {
            link.is_side_closed_known = true;
            return self.endpoint.on_read(key, &mut [], Ok(0));
        }
        let count = bytes.min(link.incoming.len()).min(link.may_take_bytes);
        link.may_take_bytes -= count;
        let mut buffer: Vec<u8> = link.incoming.drain(..count).collect();
        buffer.resize(bytes, 0);
        let read = match count {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        };
        self.endpoint.on_read(key, &mut buffer, read);
    }

    fn write(&mut self, key: ConnectionId) {
        let mut links = self.links.iter_mut().flatten();
        let link = links.find(|link| link.key == key);
        let link = link.expect("work is for connections that are open");
        self.endpoint.write(key, |slices| {
            let offered: Vec<u8> = slices.iter().flat_map(|it| it.to_vec()).collect();
            assert!(!link.is_shut || offered.is_empty(), "nothing after the end");
            let count = offered.len().min(link.may_write_bytes);
            link.may_write_bytes -= count;
            link.client.receive(&offered[..count], &mut self.told);
            Ok(count)
        });
    }

    /// Pongs where the witness has been pinged.
    fn answer_as_witness(&mut self) -> bool {
        let Some(witness) = &mut self.links[WITNESS] else {
            return false;
        };
        let is_pinged = std::mem::take(&mut witness.client.is_pinged);
        if is_pinged {
            witness.incoming.extend(super::masked(0x81, b"3"));
        }
        is_pinged
    }

    fn check(&mut self) {
        for link in self.links.iter().flatten() {
            let waiting_bytes = checks::output_bytes(&self.endpoint, link.key);
            assert!(waiting_bytes <= MAX_WAITING_BYTES, "{waiting_bytes} wait");
        }
        let received = self.links[WITNESS]
            .as_ref()
            .map(|link| link.client.broadcasts);
        self.host.check_witness(&self.endpoint, received);
    }
}

/// Low limits, which a short script can reach.
fn config(mode: u8) -> Config {
    let socket_io = mode != b'e';
    let is_asked = mode == b'a';
    let is_asking = matches!(mode, b'c' | b'C');
    Config {
        socket_io,
        parser: if mode == b'm' {
            Parser::Msgpack
        } else {
            Parser::Json
        },
        connect_requests: is_asking,
        room_events: is_asking,
        emitted_events: is_asking,
        cleanup_empty_child_namespaces: is_asking,
        max_child_namespaces: 2,
        max_answer_bytes: 300,
        max_auth_bytes: 300,
        recovery: matches!(mode, b'r' | b'C').then(|| RecoveryConfig {
            skip_middlewares: mode == b'r',
            max_away: 2,
            max_bytes: 20_000,
            max_bytes_per_session: 5_000,
            ..RecoveryConfig::default()
        }),
        allow_request: is_asked,
        connection_errors: is_asked,
        handshake: if is_asked {
            HandshakeDetail::Full
        } else {
            HandshakeDetail::Minimal
        },
        headers: is_asked.then(|| HeaderHook::new(|_| vec![("X-Every".into(), "1".into())])),
        max_sessions: if is_asked { 4 } else { 1000 },
        allow_eio3: true,
        cors: Some(Cors {
            origins: Origins::Reflect,
            ..Cors::default()
        }),
        cookie: Some(Cookie::default()),
        namespaces: ["/", "/custom", "/third"].map(str::to_owned).to_vec(),
        progress: socket_io.then(|| ProgressConfig {
            stale_after_ms: 60_000,
            retention_ms: 5_000,
            max_sessions: 4,
            ..ProgressConfig::default()
        }),
        host_http: true,
        serve_client: true,
        max_payload_bytes: 1000,
        max_namespaces_per_client: 2,
        max_rooms_per_socket: 2,
        max_pending_acks: 3,
        max_queued_bytes: MAX_QUEUED_BYTES,
        max_connections: CONNECTIONS + 1,
        max_head_bytes: 1024,
        max_discarded_bytes: 500,
        max_pending_events: 8,
        ..Config::default()
    }
}
