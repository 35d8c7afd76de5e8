//! Round trips over real sockets on the loopback: a [`Server`] on a thread of its own, blocking clients on this one.
//!
//! `cargo bench --bench echo`; the time shown is that of server and clients together, `thrpt` counts round trips.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;

use common::{masked, HANDSHAKE, JOIN};
use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use pulsewheel::{Config, Event, Handle, Server};

/// What is sent: an event with 300 bytes of text.
fn event() -> String {
    format!("42[\"echo\",\"{}\"]", "x".repeat(300))
}

/// A server that sends every event back to where it came from.
struct Echo {
    address: SocketAddr,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Echo {
    fn start() -> Echo {
        let mut server = Server::bind(Config::default(), "127.0.0.1:0").expect("a free port");
        let addresses = server.local_addrs().expect("it is bound");
        let handle = server.handle();
        let thread = std::thread::spawn(move || {
            let run = server.run(|endpoint, event| {
                if let Event::Message(message) = event {
                    // A client that has gone meanwhile gets nothing.
                    let _ = endpoint.emit_to(message.socket, &message.name(), &message.args);
                    endpoint.recycle(message);
                }
            });
            run.expect("the loop runs until it is told to end");
        });
        Echo {
            address: addresses[0],
            handle,
            thread,
        }
    }

    fn end(self) {
        let ended = self.handle.shut_down();
        ended.expect("the server runs");
        self.thread.join().expect("the server ends well");
    }
}

/// A client in the namespace `/`.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a TCP option");
        let mut client = Client {
            stream,
            buffer: vec![0; 64 * 1024],
        };
        client.send(&[HANDSHAKE, &masked(JOIN)].concat());
        let mut answer = Vec::new();
        while !answer.windows(9).any(|part| part == b"40{\"sid\":") {
            let count = client.stream.read(&mut client.buffer).expect("an answer");
            assert!(count > 0, "the server goes on");
            answer.extend_from_slice(&client.buffer[..count]);
        }
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    fn receive(&mut self, bytes: usize) {
        let answer = &mut self.buffer[..bytes];
        self.stream.read_exact(answer).expect("an echo");
        assert_eq!(answer[0], 0x81, "frames begin where they should");
    }
}

/// Each client sends `in_flight` events at once and then waits for all of them.
fn echo(c: &mut Criterion, name: &str, clients: usize, in_flight: usize) {
    let server = Echo::start();
    let mut clients: Vec<Client> = (0..clients)
        .map(|_| Client::connect(server.address))
        .collect();
    let request = masked(&event()).repeat(in_flight);
    // The same frame without a mask.
    let answer_bytes = request.len() - 4 * in_flight;
    let mut group = c.benchmark_group("echo");
    group.throughput(Throughput::Elements((clients.len() * in_flight) as u64));
    group.bench_function(name, |b| {
        b.iter(|| {
            for client in &mut clients {
                client.send(&request);
            }
            for client in &mut clients {
                client.receive(answer_bytes);
            }
        });
    });
    group.finish();
    drop(clients);
    server.end();
}

fn benches(c: &mut Criterion) {
    echo(c, "1 client", 1, 1);
    echo(c, "100 clients, 8 in flight", 100, 8);
}

criterion_group! {
    name = over_sockets;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(std::time::Duration::from_secs(1))
        .measurement_time(std::time::Duration::from_secs(4));
    targets = benches
}
criterion_main!(over_sockets);
