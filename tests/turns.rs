//! What the loop costs in system calls, and that nobody's turn grows with the number of clients: counted, never timed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use pulsewheel::{Args, Config, Event, Server, Stats, Target};

/// Long enough for any machine; only what hangs waits for it.
const LIMIT: Duration = Duration::from_secs(20);

/// A server without a thread: it runs when the test says so.
struct Driven {
    server: Server,
    address: SocketAddr,
}

impl Driven {
    fn new() -> Driven {
        let config = Config {
            progress: None,
            ..Config::default()
        };
        let mut server = Server::bind(config, "127.0.0.1:0").expect("a free port");
        let address = server.local_addrs().expect("bound")[0];
        // What listening costs is not what is counted here.
        server.poll_once(Some(Duration::ZERO)).expect("a turn");
        Driven { server, address }
    }

    /// One turn, in which every event of a client is echoed.
    fn turn(&mut self) {
        let wait = Some(Duration::from_millis(1));
        self.server.poll_once(wait).expect("a turn");
        while let Some(event) = self.server.poll_event() {
            if let Event::Message(message) = event {
                let endpoint = self.server.endpoint();
                let echoed = endpoint.emit_to(message.socket, "echo", &message.args);
                echoed.expect("its sender is there");
            }
        }
    }

    /// Turns until a client has received so many bytes.
    fn turn_until_received(&mut self, client: &mut TcpStream, bytes: usize) -> Vec<u8> {
        client.set_nonblocking(true).expect("a mode");
        let mut received = vec![0; bytes];
        let mut at = 0;
        let end = std::time::Instant::now() + LIMIT;
        while at < bytes {
            assert!(
                std::time::Instant::now() < end,
                "{at} of {bytes} bytes came"
            );
            match client.read(&mut received[at..]) {
                Ok(length) => at += length,
                Err(_) => self.turn(),
            }
        }
        received
    }

    /// A client that has joined `/` by WebSocket and read all that comes with that.
    fn join(&mut self) -> TcpStream {
        let mut client = TcpStream::connect(self.address).expect("the server accepts");
        client.write_all(UPGRADE.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\"maxPayload\":1000000}") {
            answer.extend(self.turn_until_received(&mut client, 1));
        }
        client.write_all(&masked("40")).expect("sent");
        self.turn_until_received(&mut client, 2 + "40{\"sid\":\"\"}".len() + 20);
        client
    }

    fn stats(&self) -> Stats {
        self.server.stats().clone()
    }
}

const UPGRADE: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A short text as clients send it, masked with zeros.
fn masked(text: &str) -> Vec<u8> {
    [
        &[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0],
        text.as_bytes(),
    ]
    .concat()
}

#[test]
fn an_echo_is_one_read_and_one_write_and_nothing_is_registered_again() {
    let mut driven = Driven::new();
    let mut client = driven.join();
    let before = driven.stats();
    for _ in 0..50 {
        client.write_all(&masked("42[\"echo\",1]")).expect("sent");
        driven.turn_until_received(&mut client, 2 + "42[\"echo\",1]".len());
    }
    let after = driven.stats();
    assert_eq!(after.reads - before.reads, 50);
    assert_eq!(after.writes - before.writes, 50);
    assert_eq!(after.registrations, 1);
    assert_eq!(after.accepted, 1);
}

#[test]
fn what_comes_together_is_read_and_answered_together() {
    let mut driven = Driven::new();
    let mut client = driven.join();
    let before = driven.stats();
    let eight: Vec<u8> = (0..8).flat_map(|_| masked("42[\"echo\",1]")).collect();
    client.write_all(&eight).expect("sent");
    driven.turn_until_received(&mut client, 8 * (2 + "42[\"echo\",1]".len()));
    let after = driven.stats();
    assert_eq!(after.reads - before.reads, 1);
    assert_eq!(after.writes - before.writes, 1);
}

#[test]
fn a_broadcast_is_one_write_per_client_spread_over_turns() {
    const CLIENTS: usize = 300;
    let mut driven = Driven::new();
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| driven.join()).collect();
    let before = driven.stats();
    let endpoint = driven.server.endpoint();
    let everybody = Target::namespace(endpoint.namespace("/").expect("it is served"));
    let args = Args::one("tick").expect("a text");
    // Ten events: each client gets them in one write.
    for _ in 0..10 {
        endpoint
            .emit(&everybody, "tick", &args)
            .expect("a good name");
    }
    for client in &mut clients {
        driven.turn_until_received(client, 10 * (2 + "42[\"tick\",\"tick\"]".len()));
    }
    let after = driven.stats();
    assert_eq!(after.writes - before.writes, CLIENTS as u64);
    assert_eq!(after.reads, before.reads);
    assert_eq!(after.registrations, CLIENTS as u64);
    assert_eq!(after.max_writes_per_turn, 128);
    assert!(after.turns - before.turns >= 3);
    assert!(after.turn_us.count() >= after.turns - 1);
}

#[test]
fn an_idle_server_sleeps_until_its_next_deadline() {
    let mut driven = Driven::new();
    let _client = driven.join();
    let before = driven.stats();
    assert!(driven.server.next_timeout() > Some(Duration::from_secs(20)));
    driven.turn();
    let after = driven.stats();
    assert_eq!(after.turns - before.turns, 1);
    assert_eq!(after.lag_us.count(), 0, "nobody has commanded anything");
    assert_eq!((after.reads, after.writes), (before.reads, before.writes));
}
