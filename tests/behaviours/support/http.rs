//! A hand-held HTTP/1.1 connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::LIMIT;

pub struct Http {
    pub stream: TcpStream,
    received: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header field, by its name in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Names of the header fields that begin with this, in lower case and sorted.
    pub fn names(&self, start: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .fields
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.starts_with(start))
            .collect();
        names.sort_unstable();
        names
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The packets of a payload.
    pub fn packets(&self) -> Vec<&str> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.text().split('\x1e').collect()
    }

    /// Code and message of an error answer.
    pub fn error(&self) -> (u64, String) {
        let error: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(error.as_object().expect("an object").len(), 2);
        let message = error["message"].as_str().expect("a text").to_owned();
        (error["code"].as_u64().expect("a number"), message)
    }
}

impl Http {
    pub fn connect(address: SocketAddr) -> Http {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
        stream.set_nodelay(true).expect("no delay");
        Http {
            stream,
            received: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("sent");
    }

    /// Sends a request; a body gets its length.
    pub fn request(&mut self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.send([head.as_bytes(), body].concat());
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.received.extend_from_slice(&buffer[..length]);
                true
            }
            // What the server has not read any more can cost a reset; that is an end too.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("an answer in time: {error}"),
        }
    }

    /// The next answer, or `None` where the server closed instead.
    pub fn try_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self
                .received
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
            {
                break end;
            }
            if !self.fill() {
                return None;
            }
        };
        let head = String::from_utf8(self.received[..end].to_vec()).expect("a head of text");
        self.received.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status_line = lines.next().expect("a first line");
        let status = status_line[9..12].parse().expect("a status");
        let fields: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').expect("a colon"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            fields,
            body: Vec::new(),
        };
        let length = answer.field("content-length").map(|length| length.parse());
        let length: usize = length.transpose().expect("a number").unwrap_or(0);
        while self.received.len() < length {
            assert!(self.fill(), "the whole body");
        }
        answer.body = self.received.drain(..length).collect();
        Some(answer)
    }

    pub fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    /// Waits until the server has closed; the bytes that came before.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.received)
    }
}

/// One request on a connection of its own.
pub fn ask(
    address: SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut http = Http::connect(address);
    http.request(method, target, fields, body);
    http.answer()
}

/// One `GET` under the path of Socket.IO, by query.
pub fn get(address: SocketAddr, query: &str, fields: &[(&str, &str)]) -> Answer {
    ask(address, "GET", &format!("/socket.io/?{query}"), fields, b"")
}
