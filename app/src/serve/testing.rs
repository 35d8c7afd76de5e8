//! What the unit tests of this module share.

use pulsewheel::http::{Framing, Method, Request, Response};
use pulsewheel::{Config, Endpoint, Environment, Now};

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
    let mut next = 0u8;
    let environment = Environment {
        random: Box::new(move |bytes| {
            next = next.wrapping_add(1);
            bytes.fill(next);
        }),
        memory: Box::new(Default::default),
    };
    let now = Now {
        mono_ms: 1,
        unix_ms: 1,
    };
    Endpoint::new(Config::default(), environment, now)
}
