//! What a host has of its own in the loop: the contract of `Peripheral`.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use mio::event::Source;
use mio::unix::pipe;
use mio::{Interest, Registry, Token};
use pulsewheel::{Args, Config, Endpoint, Handle, Peripheral, Server, Target};

use crate::support::{Client, LIMIT};

fn tell_everybody(endpoint: &mut Endpoint, event: &str, what: &str) {
    let everybody = endpoint.namespace("/").map(Target::namespace);
    let args = Args::one(&what).expect("a text");
    let told = endpoint.emit(&everybody.expect("it is there"), event, &args);
    told.expect("a good name");
}

/// Passes the registration on to a field.
macro_rules! watch {
    ($owner:ty, $field:ident) => {
        impl Source for $owner {
            fn register(
                &mut self,
                registry: &Registry,
                token: Token,
                interest: Interest,
            ) -> io::Result<()> {
                self.$field.register(registry, token, interest)
            }

            fn reregister(
                &mut self,
                registry: &Registry,
                token: Token,
                interest: Interest,
            ) -> io::Result<()> {
                self.$field.reregister(registry, token, interest)
            }

            fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
                self.$field.deregister(registry)
            }
        }
    };
}

/// Answers each datagram, and tells everybody what it said.
struct Datagrams {
    socket: mio::net::UdpSocket,
}

watch!(Datagrams, socket);

impl Peripheral for Datagrams {
    fn ready(&mut self, endpoint: &mut Endpoint, is_readable: bool, is_writable: bool) {
        assert!(is_readable || is_writable, "it has no deadline");
        let mut bytes = [0; 100];
        while let Ok((length, sender)) = self.socket.recv_from(&mut bytes) {
            let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
            tell_everybody(endpoint, "datagram", &said);
            self.socket.send_to(b"told", sender).expect("there is room");
        }
    }
}

/// Hears of the end of a pipe, and else counts its deadlines.
struct Deadlines {
    pipe: pipe::Receiver,
    next_ms: Option<u64>,
    called: u64,
    notes: Sender<&'static str>,
}

watch!(Deadlines, pipe);

impl Peripheral for Deadlines {
    fn ready(&mut self, endpoint: &mut Endpoint, is_readable: bool, _is_writable: bool) {
        let now_ms = endpoint.now().mono_ms;
        if is_readable {
            let _ = self.notes.send("pipe");
            // Asked for by a time that has passed, and called in the next turn though nothing has happened.
            self.next_ms = Some(0);
            return;
        }
        assert!(self.next_ms.expect("its deadline") <= now_ms, "too early");
        self.called += 1;
        let _ = self.notes.send("deadline");
        self.next_ms = (self.called < 3).then_some(now_ms + 5);
    }

    fn next_deadline(&self) -> Option<u64> {
        self.next_ms
    }
}

type Running = (SocketAddr, Handle, thread::JoinHandle<io::Result<()>>);

fn run(peripherals: impl FnOnce(&mut Server)) -> Running {
    let config = Config {
        progress: None,
        ..Config::default()
    };
    let mut server = Server::bind(config, "127.0.0.1:0").expect("a free port");
    peripherals(&mut server);
    let address = server.local_addrs().expect("bound")[0];
    let handle = server.handle();
    let thread = thread::spawn(move || server.run(|_, _| {}));
    (address, handle, thread)
}

fn end((_, handle, thread): Running) {
    handle.shut_down().expect("it runs");
    thread.join().expect("no panic").expect("the loop runs");
}

#[test]
fn a_socket_of_the_hosts_own_is_served_in_the_loop_beside_the_clients() {
    let any = "127.0.0.1:0".parse().expect("an address");
    let sockets = [(); 2].map(|()| mio::net::UdpSocket::bind(any).expect("a free port"));
    let ports = [0, 1].map(|index: usize| sockets[index].local_addr().expect("bound"));
    let running = run(|server| {
        for socket in sockets {
            let added = server.add_peripheral(Datagrams { socket });
            added.expect("it can be watched");
        }
    });
    let mut client = Client::joined(running.0);
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    sender.set_read_timeout(Some(LIMIT)).expect("a time limit");
    for round in 0..3 {
        for port in ports {
            let said = format!("{round}");
            sender.send_to(said.as_bytes(), port).expect("sent");
            assert_eq!(client.text(), format!("42[\"datagram\",\"{said}\"]"));
            let mut answer = [0; 10];
            let (length, from) = sender.recv_from(&mut answer).expect("an answer in time");
            assert_eq!((&answer[..length], from), (&b"told"[..], port));
        }
    }
    client.close();
    end(running);
}

fn heard(notes: &Receiver<&'static str>) -> &'static str {
    notes.recv_timeout(LIMIT).expect("a note in time")
}

#[test]
fn it_is_called_at_its_deadlines_and_at_once_when_it_says_so_and_else_never() {
    let (sender, receiver) = pipe::new().expect("a pipe");
    let (notes_sender, notes) = mpsc::channel();
    let running = run(|server| {
        let deadlines = Deadlines {
            pipe: receiver,
            next_ms: None,
            called: 0,
            notes: notes_sender,
        };
        server.add_peripheral(deadlines).expect("it can be watched");
    });
    let mut client = Client::joined(running.0);
    client.settled();
    assert!(notes.recv_timeout(Duration::ZERO).is_err());
    drop(sender);
    assert_eq!(heard(&notes), "pipe");
    for _ in 0..3 {
        assert_eq!(heard(&notes), "deadline");
    }
    client.settled();
    assert!(notes.recv_timeout(Duration::ZERO).is_err());
    client.close();
    end(running);
}
