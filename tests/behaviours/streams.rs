//! Connections of other kinds than TCP: the contract of `Stream`.

use std::io::{self, IoSlice, Read, Write};
use std::net::{self, SocketAddr};
use std::os::unix::net as net_unix;
use std::sync::mpsc;
use std::thread;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener};
use mio::{Interest, Registry, Token};
use pulsewheel::{
    Accepted, Admission, Config, Event, Handle, Listener, PeerAddr, Server, Stream, Target,
};
use tungstenite::{Message, WebSocket};

use crate::support::{Client, Polling, LIMIT};

/// What a type around a socket does with its bytes.
trait Way: Default + Send + 'static {
    fn read(&mut self, socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize>;
    fn flush(&mut self, socket: &mut TcpStream) -> io::Result<()>;
}

/// Passes everything on.
#[derive(Default)]
struct Plain;

impl Way for Plain {
    fn read(&mut self, socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        socket.read(buffer)
    }

    fn write(&mut self, socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        socket.write(bytes)
    }

    fn flush(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        socket.flush()
    }
}

/// Reads and takes a few bytes at a time, and keeps all of them back until it is flushed, as a cipher may.
#[derive(Default)]
struct Holding {
    held: Vec<u8>,
}

impl Way for Holding {
    fn read(&mut self, socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        let few = buffer.len().min(7);
        socket.read(&mut buffer[..few])
    }

    fn write(&mut self, _: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        if self.held.len() > 1_000 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let few = bytes.len().min(100);
        self.held.extend(&bytes[..few]);
        Ok(few)
    }

    fn flush(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        while !self.held.is_empty() {
            let written = socket.write(&self.held)?;
            self.held.drain(..written);
        }
        Ok(())
    }
}

struct Wrapped<W> {
    socket: TcpStream,
    way: W,
}

impl<W: Way> Read for Wrapped<W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.way.read(&mut self.socket, buffer)
    }
}

impl<W: Way> Write for Wrapped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.way.write(&mut self.socket, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.way.flush(&mut self.socket)
    }

    // As a type that only passes on `write` has it.
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        self.write(first.map_or(&[], |buffer| buffer))
    }
}

impl<W: Way> Source for Wrapped<W> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.socket.register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.socket.reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.socket.deregister(registry)
    }
}

impl<W: Way> Stream for Wrapped<W> {}

struct Wrapping<W>(TcpListener, std::marker::PhantomData<fn() -> W>);

impl<W: Way> Source for Wrapping<W> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.0.register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.0.reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.0.deregister(registry)
    }
}

impl<W: Way> Listener for Wrapping<W> {
    fn accept(&mut self) -> io::Result<Accepted> {
        let (socket, peer) = self.0.accept()?;
        let way = W::default();
        Ok(Accepted::new(Wrapped { socket, way }, peer.into()))
    }
}

/// A server whose connections go this way, which sends back what it gets.
fn run<W: Way>() -> (SocketAddr, Handle, thread::JoinHandle<io::Result<()>>) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = TcpListener::bind(any).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let config = Config {
        progress: None,
        ..Config::default()
    };
    let mut server = Server::new(config).expect("a poller");
    let listener = Wrapping::<W>(listener, std::marker::PhantomData);
    server.add_listener(listener).expect("it can be watched");
    let handle = server.handle();
    let thread = thread::spawn(move || {
        server.run(|endpoint, event| {
            if let Event::Message(message) = event {
                let everybody = Target::namespace(message.namespace);
                let _ = endpoint.emit(&everybody, &message.name(), &message.args);
            }
        })
    });
    (address, handle, thread)
}

fn both_transports_work<W: Way>() {
    let (address, handle, thread) = run::<W>();
    let mut client = Client::joined(address);
    let long = format!("42[\"echo\",\"{}\"]", "long ".repeat(20_000));
    for text in ["42[\"echo\",1]", &long, "42[\"echo\",2]"] {
        client.send(text);
        assert_eq!(client.text(), text);
    }
    // Several packets wait at once, and go out in one gathered write.
    let pending: Vec<_> = (0..50)
        .map(|number| handle.of("/").emit("many", (number, "x".repeat(500))))
        .collect();
    for (number, emitted) in pending.into_iter().enumerate() {
        emitted.expect("queued");
        assert!(client.text().starts_with(&format!("42[\"many\",{number},")));
    }
    let polling = Polling::join(address);
    assert_eq!(polling.post("42[\"echo\",3]").text(), "ok");
    assert_eq!(polling.poll().text(), "42[\"echo\",3]");
    assert_eq!(client.text(), "42[\"echo\",3]");
    client.close();
    handle.shut_down().expect("it runs");
    thread.join().expect("no panic").expect("the loop runs");
}

#[test]
fn a_type_that_only_passes_on_reading_and_writing_works() {
    both_transports_work::<Plain>();
}

#[test]
fn a_stream_that_reads_little_takes_little_and_keeps_bytes_back_works() {
    both_transports_work::<Holding>();
}

/// A WebSocket whose session has joined `/`, over a stream of any kind.
fn joined<S: Read + Write>(stream: S) -> WebSocket<S> {
    let target = "ws://localhost/socket.io/?EIO=4&transport=websocket";
    let opened = tungstenite::client(target, stream);
    let (mut socket, _) = opened.unwrap_or_else(|error| panic!("an upgrade: {error}"));
    assert!(text(&mut socket).starts_with("0{\"sid\":"));
    socket.send(Message::text("40")).expect("sent");
    assert!(text(&mut socket).starts_with("40{\"sid\":"));
    socket
}

fn text<S: Read + Write>(socket: &mut WebSocket<S>) -> String {
    match socket.read().expect("a message in time") {
        Message::Text(text) => text.as_str().to_owned(),
        other => panic!("text: {other:?}"),
    }
}

fn dial(address: SocketAddr) -> net::TcpStream {
    let stream = net::TcpStream::connect(address).expect("the server accepts");
    stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
    stream
}

#[test]
fn one_server_has_listeners_of_several_kinds_and_tells_where_each_client_comes_from() {
    let any = "127.0.0.1:0".parse().expect("an address");
    let path = std::env::temp_dir().join(format!("pulsewheel-{}.sock", std::process::id()));
    let wrapped = TcpListener::bind(any).expect("a free port");
    let wrapped_address = wrapped.local_addr().expect("bound");
    let config = Config {
        progress: None,
        allow_request: true,
        ..Config::default()
    };
    let mut server = Server::bind(config, any).expect("a free port");
    server
        .add_listener(UnixListener::bind(&path).expect("a path of its own"))
        .expect("it can be watched");
    let wrapping = Wrapping::<Holding>(wrapped, std::marker::PhantomData);
    server.add_listener(wrapping).expect("it can be watched");
    // Only of TCP sockets by themselves is an address known.
    let addresses = server.local_addrs().expect("bound");
    let &[address] = &addresses[..] else {
        panic!("{addresses:?}")
    };
    let handle = server.handle();
    let (sender, peers) = mpsc::channel();
    let thread = thread::spawn(move || {
        server.run(|endpoint, event| match event {
            Event::AllowRequest { ticket, peer, .. } => {
                let _ = sender.send(peer);
                let _ = endpoint.admit(ticket, Admission::accept());
            }
            Event::Message(message) => {
                let everybody = Target::namespace(message.namespace);
                let _ = endpoint.emit(&everybody, &message.name(), &message.args);
            }
            _ => {}
        })
    });
    let peer = || peers.recv_timeout(LIMIT).expect("a request");
    let (by_tcp, by_wrapped) = (dial(address), dial(wrapped_address));
    let names = [&by_tcp, &by_wrapped].map(|stream| stream.local_addr().expect("connected"));
    let by_unix = net_unix::UnixStream::connect(&path).expect("the server accepts");
    by_unix.set_read_timeout(Some(LIMIT)).expect("a time limit");

    let mut by_tcp = joined(by_tcp);
    assert_eq!(peer(), PeerAddr::Tcp(names[0]));
    let mut by_wrapped = joined(by_wrapped);
    assert_eq!(peer(), PeerAddr::Tcp(names[1]));
    let mut by_unix = joined(by_unix);
    assert_eq!(peer(), PeerAddr::Unix);
    let long = format!("42[\"echo\",\"{}\"]", "long ".repeat(100_000));
    by_unix.send(Message::text(long.clone())).expect("sent");
    assert_eq!(text(&mut by_unix), long);
    assert_eq!(text(&mut by_tcp), long);
    assert_eq!(text(&mut by_wrapped), long);

    // A plain request, answered and closed.
    let mut polling = net_unix::UnixStream::connect(&path).expect("the server accepts");
    polling.set_read_timeout(Some(LIMIT)).expect("a time limit");
    let request =
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    polling.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    polling.read_to_string(&mut answer).expect("an end");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    by_unix.close(None).expect("sent");
    let ended = loop {
        match by_unix.read() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, tungstenite::Error::ConnectionClosed));
    handle.shut_down().expect("it runs");
    thread.join().expect("no panic").expect("the loop runs");
    std::fs::remove_file(&path).expect("the socket is there");
}
