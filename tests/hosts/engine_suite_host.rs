//! An Engine.IO server for the test suites of client libraries: it answers what such suites ask of the server beside them.
//!
//! `cargo run --example engine_suite_host -- --listen 127.0.0.1:3000`

#[path = "../../examples/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::Flags;
use pulsewheel::http::{query_pairs, Head, HeaderHook, Method};
use pulsewheel::{Admission, Config, Endpoint, EngineSessionId, Event, Frame, Server};

/// The last post: the id of its session, and its header fields as JSON text. Its messages are answered before the next one comes.
type LastPost = Arc<Mutex<Option<(String, String)>>>;

fn main() {
    let flags = Flags::parse("engine_suite_host", &[]);
    let last_post = LastPost::default();
    let config = Config {
        ping_interval_ms: 500,
        max_payload_bytes: 100,
        allow_request: true,
        initial_headers: Some(HeaderHook::new(|_| cookies())),
        headers: Some(noting(last_post.clone())),
        ..flags.apply_to(Config::engine_only("/engine.io/"))
    };
    common::run(
        Server::bind(config, &*flags.listen),
        move |endpoint, event| answer(endpoint, &last_post, event),
    );
}

fn answer(endpoint: &mut Endpoint, last_post: &LastPost, event: Event) {
    match event {
        Event::AllowRequest { ticket, head, .. } => {
            let admission = match head.query("deny") {
                Some(_) => Admission::refuse("Forbidden"),
                None => Admission::accept(),
            };
            // An error says that its sender is gone already.
            let _ = endpoint.admit(ticket, admission);
        }
        Event::EngineOpened { session } => send(endpoint, session, &Frame::text("hi")),
        Event::EngineMessage { session, message } => {
            let reply = reply_to(endpoint, last_post, session, &message);
            send(endpoint, session, &reply.unwrap_or(message));
        }
        _ => {}
    }
}

/// The answer to what is asked for by name; nothing where a message is to come back as it is.
fn reply_to(
    endpoint: &Endpoint,
    last_post: &LastPost,
    session: EngineSessionId,
    message: &Frame,
) -> Option<Frame> {
    if message.is_binary() {
        return None;
    }
    match message.payload() {
        b"give binary" => Some(Frame::binary(&[0, 1, 2, 3, 4])),
        b"give utf8" => Some(Frame::text("пойду спать всем спокойной ночи")),
        b"sendHeaders" => {
            let id = endpoint.engine_session_id(session)?;
            let last_post = last_post.lock().expect("no panic").take();
            let own = last_post.filter(|(sid, _)| sid == id.as_str());
            own.map(|(_, headers)| Frame::text(&headers))
        }
        _ => None,
    }
}

fn send(endpoint: &mut Endpoint, session: EngineSessionId, message: &Frame) {
    // A session that has closed meanwhile wants no answer.
    let _ = endpoint.engine_send(session, message);
}

/// A cookie that stays for a day, one with every attribute, and two that are over already.
fn cookies() -> Vec<(String, String)> {
    [
        "1=1; Max-Age=86400",
        "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
        "3=3; Max-Age=0",
        "4=4; Expires=Thu, 01 Jan 2015 00:00:00 GMT",
    ]
    .map(|cookie| ("Set-Cookie".to_owned(), cookie.to_owned()))
    .to_vec()
}

/// Adds no field to any answer, but notes those of posts.
fn noting(last_post: LastPost) -> HeaderHook {
    HeaderHook::new(move |head| {
        let mut query = query_pairs(head.query);
        let sid = query.find(|(name, _)| name == "sid");
        if let (Method::Post, Some((_, sid))) = (head.method, sid) {
            *last_post.lock().expect("no panic") = Some((sid.into_owned(), as_json(head)));
        }
        Vec::new()
    })
}

fn as_json(head: &Head<'_>) -> String {
    let fields: BTreeMap<String, String> = head
        .headers()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value).into_owned();
            (name.to_ascii_lowercase(), value)
        })
        .collect();
    serde_json::to_string(&fields).expect("texts have a JSON text")
}
