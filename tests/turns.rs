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
        Driven::with(Config::default())
    }

    fn with(config: Config) -> Driven {
        let config = Config {
            progress: None,
            ..config
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
        client.set_nodelay(true).expect("an option");
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
fn what_comes_together_from_each_of_many_is_read_and_answered_together() {
    const CLIENTS: usize = 50;
    let event = format!("42[\"echo\",\"{}\"]", "x".repeat(90));
    let eight: Vec<u8> = (0..8).flat_map(|_| masked(&event)).collect();
    let mut driven = Driven::new();
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| driven.join()).collect();
    let before = driven.stats();
    for client in &mut clients {
        client.write_all(&eight).expect("sent");
    }
    for client in &mut clients {
        driven.turn_until_received(client, 8 * (2 + event.len()));
    }
    let after = driven.stats();
    assert_eq!(after.reads - before.reads, CLIENTS as u64);
    assert_eq!(after.writes - before.writes, CLIENTS as u64);
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

/// A text as clients send it, masked with zeros.
fn masked_large(text: &str) -> Vec<u8> {
    let length = u64::try_from(text.len()).expect("it fits");
    let head = [&[0x81, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
    [&head, text.as_bytes()].concat()
}

/// Peers that send the same again and again, as fast as the server reads.
struct Flood {
    streams: Vec<TcpStream>,
    /// Where in the pattern each of them is.
    at: Vec<usize>,
    pattern: Vec<u8>,
}

impl Flood {
    fn new(driven: &mut Driven, peers: usize, pattern: Vec<u8>) -> Flood {
        let streams: Vec<TcpStream> = (0..peers).map(|_| driven.join()).collect();
        for stream in &streams {
            // Enough to keep the server busy, and not so much that the kernel runs out of memory for all of them.
            let socket = socket2::SockRef::from(stream);
            socket.set_send_buffer_size(128 * 1024).expect("an option");
        }
        Flood {
            at: vec![0; peers],
            streams,
            pattern,
        }
    }

    /// Fills all sockets, and takes what has been answered.
    fn fill(&mut self) {
        let mut answers = [0; 64 * 1024];
        for (stream, at) in self.streams.iter_mut().zip(&mut self.at) {
            let _ = stream.read(&mut answers);
            let rest = &self.pattern[*at..];
            if let Ok(bytes) = stream.write(&rest[..rest.len().min(64 * 1024)]) {
                *at = (*at + bytes) % self.pattern.len();
            }
        }
    }
}

#[test]
fn a_small_echo_is_answered_within_a_few_turns_beside_peers_that_keep_their_sockets_full() {
    let large = format!("42[\"data\",\"{}\"]", "x".repeat(200_000));
    let small_event = masked("42[\"echo\",1]");
    for (peers, pattern) in [
        (16, masked_large(&large)),
        (64, masked_large(&large)),
        (16, masked("6").repeat(10_000)),
        (16, masked("42[1]").repeat(10_000)),
        (16, [0x8a, 0x80, 0, 0, 0, 0].repeat(10_000)),
    ] {
        let mut driven = Driven::new();
        let mut client = driven.join();
        let mut flood = Flood::new(&mut driven, peers, pattern);
        (0..20).for_each(|_| {
            flood.fill();
            driven.turn();
        });
        let mut all_turns = Vec::new();
        for number in 0..30 {
            client.write_all(&small_event).expect("sent");
            let mut answer = [0; 64];
            let mut turns = 0;
            while client.read(&mut answer).is_err() {
                flood.fill();
                driven.turn();
                turns += 1;
                assert!(turns <= 1_000, "echo {number} beside {peers} peers");
            }
            all_turns.push(turns);
        }
        // A busy machine may take its time until it has the message reach us.
        all_turns.sort_unstable();
        assert!(all_turns[20] <= 4, "{all_turns:?} beside {peers} peers");
    }
}

#[test]
fn no_more_is_written_to_one_connection_in_a_turn_than_its_share() {
    let mut driven = Driven::new();
    let mut client = driven.join();
    let text = format!("42[\"echo\",\"{}\"]", "x".repeat(900_000));
    let writer = client.try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || {
        let mut writer = writer;
        writer.set_nonblocking(false).expect("a mode");
        writer.write_all(&masked_large(&text)).expect("sent");
    });
    let mut received = 0;
    let mut buffer = vec![0; 1024 * 1024];
    while received < 900_000 {
        let before = driven.stats().written_bytes;
        driven.turn();
        let written = driven.stats().written_bytes - before;
        assert!(written <= 256 * 1024, "{written} bytes in a turn");
        client.set_nonblocking(true).expect("a mode");
        received += client.read(&mut buffer).unwrap_or(0);
    }
    sender.join().expect("all was sent");
}

#[test]
fn a_connection_that_was_accepted_just_now_does_not_hold_up_the_end() {
    let mut driven = Driven::new();
    let clients: Vec<TcpStream> = (0..5)
        .map(|_| TcpStream::connect(driven.address).expect("the server accepts"))
        .collect();
    while driven.server.endpoint().counts().connections < 5 {
        driven.turn();
    }
    let before = driven.stats().turns;
    driven.server.endpoint().shut_down();
    driven.server.run(|_, _| {}).expect("it ends");
    let turns = driven.stats().turns - before;
    assert!(turns <= 5, "{turns} turns");
    drop(clients);
}

#[test]
fn pongs_that_lie_in_the_kernel_while_the_process_is_held_count() {
    const CLIENTS: usize = 100;
    let mut driven = Driven::with(Config {
        ping_interval_ms: 100,
        ping_timeout_ms: 1_500,
        ..Config::default()
    });
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| driven.join()).collect();
    // Each answers the ping that it gets, and the server does not run again before its time is over.
    for client in &mut clients {
        driven.turn_until_received(client, 2 + "2".len());
    }
    for client in &mut clients {
        client.write_all(&masked("3")).expect("sent");
    }
    std::thread::sleep(Duration::from_millis(1_600));
    (0..5).for_each(|_| driven.turn());
    assert_eq!(driven.server.endpoint().counts().sessions, CLIENTS);
}
