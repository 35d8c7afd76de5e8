//! What the unit tests of this module share.

use pulsewheel::http::{Framing, Method, Request, Response};
use pulsewheel::progress::ProgressConfig;
use pulsewheel::{
    Config, ConnectionId, Endpoint, Environment, Event, Now, PeerAddr, Readiness, RequestId, Work,
};

use super::idempotency::Key;

/// A `GET` of nothing in particular with these header fields.
pub fn get(headers: &[(&str, &str)]) -> Request {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Request {
        method: Method::Get,
        path: "/".to_owned(),
        query: String::new(),
        minor_version: 1,
        host: Some("localhost".to_owned()),
        headers: headers.collect(),
        framing: Framing::None,
        expect_continue: false,
        content_encoded: false,
    }
}

/// The key of this number of a caller.
pub fn key(caller: u8, number: u16) -> Key {
    let mut hash = [caller; 16];
    hash[..2].copy_from_slice(&number.to_be_bytes());
    Key {
        hash,
        caller: [caller; 16],
    }
}

/// The value of a header of an answer.
pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| &**value)
}

/// A server without sockets.
pub fn endpoint() -> Endpoint {
    endpoint_with(Config::default())
}

/// A server without sockets whose sessions are written down.
pub fn keeping_endpoint() -> Endpoint {
    endpoint_with(Config {
        host_http: true,
        progress: Some(ProgressConfig {
            changes: true,
            ..ProgressConfig::default()
        }),
        ..Config::default()
    })
}

fn endpoint_with(config: Config) -> Endpoint {
    let mut next = 0u8;
    let environment = Environment {
        random: Box::new(move |bytes| {
            next = next.wrapping_add(1);
            bytes.fill(next);
        }),
        memory: Box::new(Default::default),
    };
    Endpoint::new(config, environment, NOW)
}

const NOW: Now = Now {
    mono_ms: 1,
    unix_ms: 1,
};

/// A request that waits for the host, and its connection.
pub fn ask(endpoint: &mut Endpoint) -> (ConnectionId, RequestId) {
    let connection = endpoint.open(PeerAddr::Unix).unwrap();
    endpoint.on_ready(connection, Readiness::readable());
    let request = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for _ in 0..100 {
        match endpoint.next_work(NOW) {
            Work::Read(id, bytes) => {
                let mut buffer = vec![0; bytes];
                buffer[..request.len()].copy_from_slice(request);
                endpoint.on_read(id, &mut buffer, Ok(request.len()));
            }
            Work::Write(id) => {
                endpoint.write(id, |slices| {
                    Ok(slices.iter().map(|slice| slice.len()).sum())
                });
            }
            Work::Wait(_) => endpoint.on_polled(NOW.mono_ms, true),
            _ => {}
        }
        while let Some(event) = endpoint.poll_event() {
            if let Event::Request { request, .. } = event {
                return (connection, request);
            }
        }
    }
    panic!("no request");
}

/// What a connection is sent by the end of the turn.
pub fn told(endpoint: &mut Endpoint, connection: ConnectionId) -> String {
    let mut text = String::new();
    loop {
        match endpoint.next_work(NOW) {
            Work::Write(id) => endpoint.write(id, |slices| {
                let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
                if id == connection {
                    text.push_str(std::str::from_utf8(&bytes).unwrap());
                }
                Ok(bytes.len())
            }),
            Work::Wait(_) => return text,
            _ => {}
        }
    }
}
