//! Socket.IO packets by hand, over a WebSocket.

use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use tungstenite::{Bytes, Message, WebSocket};

use super::LIMIT;

pub struct Client {
    socket: WebSocket<TcpStream>,
    /// The names of the header fields of the answer 101, in lower case.
    pub answer: Vec<(String, String)>,
}

impl Client {
    /// Opens a WebSocket and takes nothing in.
    pub fn open(address: SocketAddr, target: &str) -> Client {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
        stream.set_nodelay(true).expect("no delay");
        let (socket, answer) = tungstenite::client(format!("ws://{address}{target}"), stream)
            .unwrap_or_else(|error| panic!("an upgrade: {error}"));
        let fields = answer.headers().iter();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let answer = fields.map(|(name, value)| (name.to_string(), text(value.as_bytes())));
        Client {
            answer: answer.collect(),
            socket,
        }
    }

    /// Opens a session of version 4 and takes its open packet in.
    pub fn session(address: SocketAddr) -> Client {
        let mut client = Client::open(address, "/socket.io/?EIO=4&transport=websocket");
        assert!(client.text().starts_with("0{\"sid\":"));
        client
    }

    /// A session that has joined `/`.
    pub fn joined(address: SocketAddr) -> Client {
        let mut client = Client::session(address);
        client.join("/", "");
        client
    }

    /// Joins a namespace; the payload of the answer.
    pub fn join(&mut self, namespace: &str, auth: &str) -> Value {
        let prefix = match namespace {
            "/" => String::new(),
            other => format!("{other},"),
        };
        self.send(&format!("40{prefix}{auth}"));
        let answer = self.text();
        let payload = answer.strip_prefix(&format!("40{prefix}"));
        let payload = payload.unwrap_or_else(|| panic!("a CONNECT: {answer}"));
        serde_json::from_str(payload).expect("JSON")
    }

    pub fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("sent");
    }

    pub fn message(&mut self) -> Message {
        self.socket.read().expect("a message in time")
    }

    /// The next message, which has to be text.
    pub fn text(&mut self) -> String {
        match self.message() {
            Message::Text(text) => text.as_str().to_owned(),
            other => panic!("text: {other:?}"),
        }
    }

    /// The next message, which has to be binary.
    pub fn binary(&mut self) -> Vec<u8> {
        match self.message() {
            Message::Binary(bytes) => bytes.to_vec(),
            other => panic!("binary: {other:?}"),
        }
    }

    /// What comes before the server has worked through all that was sent to it.
    pub fn settled(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        // A ping is answered before the handlers of that turn run, the next one in a later turn.
        for _ in 0..2 {
            let ping = Message::Ping(Bytes::from_static(b"settled"));
            self.socket.send(ping).expect("sent");
            loop {
                match self.message() {
                    Message::Pong(_) => break,
                    Message::Text(text) => texts.push(text.as_str().to_owned()),
                    other => panic!("text: {other:?}"),
                }
            }
        }
        texts
    }

    /// Waits until the server has closed: its close code, 1005 without one, and the texts that came before.
    pub fn closed(&mut self) -> (u16, Vec<String>) {
        let mut texts = Vec::new();
        let mut code = 1006;
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => texts.push(text.as_str().to_owned()),
                Ok(Message::Close(None)) => code = 1005,
                Ok(Message::Close(Some(frame))) => code = frame.code.into(),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if error.kind() == std::io::ErrorKind::WouldBlock =>
                {
                    panic!("no end in time, after {texts:?}")
                }
                Err(_) => return (code, texts),
            }
        }
    }

    /// Says goodbye by a close frame and waits for the end.
    pub fn close(mut self) {
        self.socket.close(None).expect("sent");
        self.closed();
    }

    /// The connection breaks.
    pub fn cut(self) {
        drop(self);
    }
}
