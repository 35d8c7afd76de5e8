//! A server on a thread of its own, and clients whose every packet the test chooses.

mod http;
mod polling;
mod websocket;

pub use http::{ask, get, Answer, Http};
pub use polling::Polling;
pub use websocket::Client;

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pulsewheel::{Args, Config, Endpoint, Event, Handle, Io, Server, Target};

/// Header fields of a WebSocket handshake.
pub const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Long enough for any machine; only what hangs waits for it.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A server until the end of its test.
pub struct Running {
    pub address: SocketAddr,
    pub handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Runs a server whose events go to this function.
pub fn run(config: Config, on_event: impl FnMut(&mut Endpoint, Event) + Send + 'static) -> Running {
    let config = Config {
        progress: None,
        ..config
    };
    run_whole(config, on_event)
}

/// The same, with progress sessions where the settings say so.
pub fn run_whole(
    config: Config,
    on_event: impl FnMut(&mut Endpoint, Event) + Send + 'static,
) -> Running {
    let mut server = Server::bind(config, "127.0.0.1:0").expect("a free port");
    let address = server.local_addrs().expect("bound")[0];
    let handle = server.handle();
    let thread = thread::spawn(move || server.run(on_event).expect("the loop runs"));
    Running {
        address,
        handle,
        thread: Some(thread),
    }
}

/// Runs a server with these handlers.
pub fn run_io(config: Config, mut io: Io) -> Running {
    run(io.configure(config), move |endpoint, event| {
        io.dispatch(endpoint, event).expect("no handler fails");
    })
}

/// Runs a server that answers `echo` and lets clients join rooms, in `/`.
pub fn run_echo(config: Config) -> Running {
    let mut io = Io::new();
    add_echo(&mut io);
    run_io(config, io)
}

pub fn add_echo(io: &mut Io) {
    io.of("/")
        .on_raw("echo", |_, socket, message| {
            socket.emit("echo", &message.args)
        })
        .on_raw("join", |_, socket, message| {
            let room: String = message.args.get(0).expect("a room");
            socket.join(&room)?;
            socket.acknowledge(message.ack, &Args::none())
        });
}

impl Running {
    /// Does something to the endpoint, in its thread, and waits for it.
    pub fn call<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Endpoint) -> T + Send + 'static,
    ) -> T {
        let pending = self.handle.call(verb).expect("the server runs");
        pending.wait().expect("the server runs")
    }

    /// Emits one text to what a function makes of everybody in `/`.
    pub fn emit(
        &self,
        to: impl FnOnce(Target) -> Target + Send + 'static,
        event: &str,
        text: &str,
    ) {
        let (event, args) = (event.to_owned(), Args::one(text).expect("text"));
        self.call(move |endpoint| {
            let everybody = Target::namespace(endpoint.namespace("/").expect("served"));
            endpoint
                .emit(&to(everybody), &event, &args)
                .expect("a good name");
        });
    }

    /// Asks the server to end, as SIGTERM would.
    pub fn shut_down(&self) {
        self.handle.shut_down().expect("the server runs");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test may have shut it down already.
        let _ = self.handle.shut_down();
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended
                .expect("joined once")
                .expect("the server did not panic");
        }
    }
}

/// What handlers noted, in order.
pub struct Notes(Receiver<String>);

/// A way to note things, and the notes.
pub fn notes() -> (Sender<String>, Notes) {
    let (sender, receiver) = mpsc::channel();
    (sender, Notes(receiver))
}

impl Notes {
    /// The next note, which has to come.
    pub fn next(&self) -> String {
        self.0.recv_timeout(LIMIT).expect("a note in time")
    }

    /// What was noted so far.
    pub fn so_far(&self) -> Vec<String> {
        self.0.try_iter().collect()
    }
}

/// Waits until something is true.
pub fn until(mut condition: impl FnMut() -> bool, what: &str) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "no {what} in time");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that so much time has passed. The server takes the time once a turn, in whole milliseconds, so what comes in during a
/// turn counts from its beginning.
pub fn assert_passed_ms(begin: Instant, ms: u64) {
    const SLACK_MS: u64 = 20;
    let passed = begin.elapsed();
    assert!(
        passed >= Duration::from_millis(ms - SLACK_MS),
        "{passed:?} instead of {ms} ms"
    );
}
