//! Echoes by HTTP long-polling: every client has one connection, posts an event and polls until it has come back.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::Value;

use crate::args::Args;
use crate::http::{self, polling_request};
use crate::modes::{Measure, WARM_UP};
use crate::stats::Latencies;
use crate::Result;

/// What divides the packets of a payload (Engine.IO 4).
const SEPARATOR: u8 = 0x1e;

/// What a client's last request was for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Dial,
    Open,
    PostConnect,
    PollAuth,
    PostEcho,
    PollEcho,
}

/// What all clients have in common.
struct Setting {
    host: String,
    /// The packet that is echoed.
    echo: String,
}

struct Client {
    stream: TcpStream,
    step: Step,
    sid: String,
    received: Vec<u8>,
    has_ping: bool,
    sent_at: Instant,
}

/// Round trips of all clients, one at a time each.
pub fn run(args: &Args) -> Result<Value> {
    let setting = Setting {
        host: args.address.to_string(),
        echo: format!("42[\"echo\",\"{}\"]", args.text()),
    };
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut clients = Vec::new();
    for index in 0..args.clients {
        let mut client = Client::dial(args)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut client.stream, Token(index), interest)?;
        clients.push(client);
    }
    let mut buffer = vec![0; 64 * 1024];
    let mut phase = |clients: &mut [Client], duration: Duration| -> Result<(u64, Latencies)> {
        let mut count = 0;
        let mut latencies = Latencies::default();
        let end = Instant::now() + duration;
        while Instant::now() < end {
            poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            for event in &events {
                let client = &mut clients[event.token().0];
                if event.is_writable() && client.step == Step::Dial {
                    client.request(&setting, Step::Open, None)?;
                }
                if event.is_readable() && client.on_readable(&setting, &mut buffer)? {
                    count += 1;
                    latencies.add(client.sent_at.elapsed());
                    client.post_echo(&setting)?;
                }
            }
        }
        Ok((count, latencies))
    };
    let give_up = Instant::now() + Duration::from_secs(30);
    while clients.iter().any(|client| client.step < Step::PostEcho) {
        phase(&mut clients, Duration::from_millis(50))?;
        if Instant::now() > give_up {
            return Err("not all clients joined within half a minute".into());
        }
    }
    phase(&mut clients, WARM_UP)?;
    let measure = Measure::start(args)?;
    let (count, latencies) = phase(&mut clients, args.duration)?;
    measure.end(count, Some(latencies))
}

impl Client {
    fn dial(args: &Args) -> io::Result<Client> {
        let stream = TcpStream::connect(args.address)?;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream,
            step: Step::Dial,
            sid: String::new(),
            received: Vec::new(),
            has_ping: false,
            sent_at: Instant::now(),
        })
    }

    /// Sends a GET, or a POST with this body. The requests are small and one at a time, so that the socket takes them.
    fn request(&mut self, setting: &Setting, step: Step, body: Option<&str>) -> io::Result<()> {
        self.step = step;
        let sid = (!self.sid.is_empty()).then_some(&*self.sid);
        self.stream
            .write_all(&polling_request(&setting.host, sid, body))
    }

    /// Begins a round trip.
    fn post_echo(&mut self, setting: &Setting) -> io::Result<()> {
        self.sent_at = Instant::now();
        if std::mem::take(&mut self.has_ping) {
            let body = format!("3{}{}", SEPARATOR as char, setting.echo);
            return self.request(setting, Step::PostEcho, Some(&body));
        }
        self.request(setting, Step::PostEcho, Some(&setting.echo))
    }

    /// Reads what is there and makes the next request. `true` when an echo has come back and the next may begin.
    fn on_readable(&mut self, setting: &Setting, buffer: &mut [u8]) -> Result<bool> {
        match self.stream.read(buffer) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(size) => self.received.extend(&buffer[..size]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let Some(response) = http::parse(&self.received)? else {
            return Ok(false);
        };
        if response.status != 200 {
            let body = String::from_utf8_lossy(&response.body);
            return Err(format!("a request was answered {}: {body}", response.status).into());
        }
        self.received.drain(..response.size);
        self.on_response(setting, &response.body)
    }

    fn on_response(&mut self, setting: &Setting, body: &[u8]) -> Result<bool> {
        let packets = || body.split(|byte| *byte == SEPARATOR);
        let has = |start: &[u8]| packets().any(|packet| packet.starts_with(start));
        match self.step {
            Step::Dial => return Err("an answer came before the request".into()),
            Step::Open => {
                self.sid = session_id(body).ok_or("no session id in the handshake")?;
                self.request(setting, Step::PostConnect, Some("40"))?;
            }
            Step::PostConnect => self.request(setting, Step::PollAuth, None)?,
            Step::PostEcho => self.request(setting, Step::PollEcho, None)?,
            Step::PollAuth | Step::PollEcho => {
                self.has_ping |= has(b"2");
                if self.step == Step::PollEcho && has(b"42[\"echo\"") {
                    return Ok(true);
                }
                if self.step == Step::PollAuth && has(b"42[\"auth\"") {
                    self.post_echo(setting)?;
                } else {
                    self.request(setting, self.step, None)?;
                }
            }
        }
        Ok(false)
    }
}

/// The value of `sid` in an Engine.IO handshake; ids have no characters that JSON would escape.
pub fn session_id(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("\"sid\":\"")?;
    let (sid, _) = rest.split_once('"')?;
    Some(sid.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_id_of_a_handshake_is_found() {
        let body =
            br#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000}"#;
        assert_eq!(session_id(body).as_deref(), Some("lv_VI97HAXpY6yYWAAAC"));
        assert_eq!(session_id(b"ok"), None);
    }
}
