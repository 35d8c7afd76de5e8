//! What the tests of both clients share: the example server `echo`, and what a client heard.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::time::Duration;

use rust_socketio::{Event, Payload, TransportType};
use serde_json::Value;

/// Long enough for any machine; only what hangs waits for it.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The ways in which the client gets to the server.
pub const WAYS: [(&str, TransportType); 3] = [
    ("polling", TransportType::Polling),
    ("WebSocket", TransportType::Websocket),
    ("upgrade", TransportType::WebsocketUpgrade),
];

/// The example server, until the end of a test.
pub struct Server {
    process: Child,
    pub url: String,
}

impl Server {
    pub fn start() -> Server {
        let binary = std::env::var("PULSEWHEEL_ECHO")
            .expect("PULSEWHEEL_ECHO names the built example \"echo\"");
        let mut process = Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--ping-interval", "500"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example runs");
        let stdout = process.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("a first line");
        let url = line.trim().strip_prefix("listening on ");
        Server {
            url: url.expect("its address").to_owned(),
            process,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose, and it may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a client heard: the event's name and its arguments, binary ones as a list of numbers.
pub struct Heard(Receiver<(String, Vec<Value>)>);

/// Where a client's callbacks put what they hear.
#[derive(Clone)]
pub struct Ear(Sender<(String, Vec<Value>)>);

/// An ear, and what it heard.
pub fn ear() -> (Ear, Heard) {
    let (sender, receiver) = channel();
    (Ear(sender), Heard(receiver))
}

impl Ear {
    pub fn hear(&self, event: &Event, payload: Payload) {
        // The test may be over.
        let _ = self.0.send((event.as_str().to_owned(), values(payload)));
    }
}

/// The arguments of an event, binary ones as a list of numbers.
pub fn values(payload: Payload) -> Vec<Value> {
    match payload {
        Payload::Text(values) => values,
        Payload::Binary(bytes) => vec![bytes.iter().copied().collect()],
        #[allow(deprecated)]
        Payload::String(text) => vec![Value::String(text)],
    }
}

impl Heard {
    /// The arguments of the next event of this name; others are passed over.
    pub fn next(&self, name: &str) -> Vec<Value> {
        loop {
            let heard = self.0.recv_timeout(LIMIT);
            let (event, args) = heard.unwrap_or_else(|_| panic!("no \"{name}\" in time"));
            if event == name {
                return args;
            }
        }
    }
}
