//! A Socket.IO server for the test suites of client libraries: it answers what such suites ask of the server beside them.
//!
//! `cargo run --example suite_host -- --listen 127.0.0.1:3210`

#[path = "../../examples/common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Flags;
use pulsewheel::http::query_pairs;
use pulsewheel::{
    Admission, AdmissionId, Args, Bytes, Config, Endpoint, Error, Event, Handlers, HandshakeDetail,
    Io, Message, RecoveryConfig, Server, Socket, Verdict,
};
use serde::Serialize;
use serde_json::{json, Value};

/// How long a session's opening is held up, so that clients with less patience notice.
const ADMISSION_DELAY: Duration = Duration::from_millis(10);

/// What every binary event of this server carries.
const BYTES: &[u8] = b"asdfasdf";

/// Requests that wait to be let in, by the token of their timer.
type Waiting = Arc<Mutex<HashMap<u64, AdmissionId>>>;

fn main() {
    let flags = Flags::parse("suite_host", &[]);
    let mut io = Io::new();
    let waiting = Waiting::default();
    let_in_later(&mut io, waiting.clone());
    register_root(io.namespace("/"));
    for name in ["/timeout_socket", "/valid", "/asd"] {
        io.namespace(name);
    }
    io.namespace("/foo").on("getId", acknowledge_id);
    io.namespace("/abc").on_connect(|socket, _| {
        let handshake = one(&handshake(socket));
        socket.emit("handshake", &handshake)
    });
    io.namespace("/no")
        .middleware(|_| Err("Auth failed (custom namespace)".into()));
    let config = Config {
        progress: None,
        ping_interval_ms: 2_000,
        handshake: HandshakeDetail::Full,
        ..flags.apply_to(Config::default())
    };
    let config = Config {
        recovery: Some(RecoveryConfig::default()),
        ..config
    };
    common::run_io(
        Server::bind_io(io, config, &*flags.listen),
        move |endpoint, event| admit_due(endpoint, &waiting, event),
    );
}

/// Has each request that opens a session wait for a moment.
fn let_in_later(io: &mut Io, waiting: Waiting) {
    let mut next_token = 0;
    io.allow_request(move |endpoint, ticket, _, _| {
        next_token += 1;
        waiting.lock().expect("no panic").insert(next_token, ticket);
        endpoint.schedule(ADMISSION_DELAY, next_token);
        None
    });
}

fn admit_due(endpoint: &mut Endpoint, waiting: &Waiting, event: Event) {
    if let Event::Timer { token, .. } = event {
        let due = waiting.lock().expect("no panic").remove(&token);
        if let Some(ticket) = due {
            // Its sender may have lost its patience.
            let _ = endpoint.admit(ticket, Admission::accept());
        }
    }
}

fn register_root(root: &mut Handlers) {
    root.middleware(|joining| {
        let request = joining.request().ok_or("gone")?;
        let mut query = query_pairs(request.client.query);
        match query.any(|(name, value)| name == "fail" && !value.is_empty()) {
            true => Err("Auth failed (main namespace)".into()),
            false => Ok(Verdict::Next),
        }
    })
    .on("hi", |socket, _| socket.emit("hi", &Args::none()))
    .on("echo", |socket, message| {
        let first: Value = message.args.get(0).unwrap_or_default();
        socket.acknowledge(message.ack, &one(&first))
    })
    .on("ack", |socket, _| {
        socket.emit_with_ack("ack", &Args::none(), |socket, answer| {
            match answer.get_all::<(u64, Value)>() {
                Ok((5, object)) if object["test"] == true => socket.emit("got it", &Args::none()),
                _ => Ok(()),
            }
        })
    })
    .on("false", |socket, _| socket.emit("false", &one(&false)))
    .on("getUtf8", |socket, _| {
        for text in [
            "てすと",
            "Я Б Г Д Ж Й",
            "Ä ä Ü ü ß",
            "utf8 — string",
            "utf8 — string",
        ] {
            socket.emit("takeUtf8", &one(text))?;
        }
        Ok(())
    })
    .on("getHandshake", |socket, message| {
        let handshake = one(&handshake(socket));
        socket.acknowledge(message.ack, &handshake)
    })
    .on("getId", acknowledge_id);
    register_dates(root);
    register_binary(root);
}

fn register_dates(root: &mut Handlers) {
    root.on("getAckDate", |socket, message| {
        let now = now(socket);
        socket.acknowledge(message.ack, &one(&now))
    })
    .on("getDate", |socket, _| {
        let now = now(socket);
        socket.emit("takeDate", &one(&now))
    })
    .on("getDateObj", |socket, _| {
        let now = now(socket);
        socket.emit("takeDateObj", &one(&json!({ "date": now })))
    });
}

/// The events of which this client's next ones make sense.
#[derive(Clone, Copy, Default)]
struct Seen {
    abuff1: bool,
    blob1: bool,
    blob2: bool,
}

fn register_binary(root: &mut Handlers) {
    root.on_connect(|socket, _| socket.set_data(Seen::default()))
        .on("doge", |socket, _| socket.emit("doge", &bytes()))
        .on("getbin", |socket, _| socket.emit("takebin", &bytes()))
        .on("buffa", |socket, message| {
            reply_if(socket, is_binary(message), "buffack")
        })
        .on("blob", |socket, message| {
            reply_if(socket, is_binary(message), "back")
        })
        .on("jsonbuff", |socket, message| {
            reply_if(socket, is_mixed(message), "jsonbuff-ack")
        })
        .on("jsonblob", |socket, message| {
            reply_if(socket, is_mixed(message), "jsonblob-ack")
        })
        .on("abuff1", |socket, message| {
            note(socket, |seen| seen.abuff1 = is_binary(message))
        })
        .on("abuff2", |socket, _| {
            reply_if(socket, seen(socket).abuff1, "abuff2-ack")
        })
        .on("blob1", |socket, message| {
            note(socket, |seen| seen.blob1 = is_binary(message))
        })
        .on("blob2", |socket, message| {
            let text: Result<String, _> = message.args.get(0);
            let is_second = text.is_ok_and(|text| text == "second");
            note(socket, |seen| seen.blob2 = seen.blob1 && is_second)
        })
        .on("blob3", |socket, message| {
            let is_third = seen(socket).blob2 && is_binary(message);
            reply_if(socket, is_third, "blob3-ack")
        });
}

fn seen(socket: &Socket<'_>) -> Seen {
    socket.data().copied().unwrap_or_default()
}

fn note(socket: &mut Socket<'_>, change: impl FnOnce(&mut Seen)) -> Result<(), Error> {
    if let Some(seen) = socket.data_mut() {
        change(seen);
    }
    Ok(())
}

fn reply_if(socket: &mut Socket<'_>, condition: bool, event: &str) -> Result<(), Error> {
    match condition {
        true => socket.emit(event, &Args::none()),
        false => Ok(()),
    }
}

fn is_binary(message: &Message) -> bool {
    message.args.binary(0).is_some()
}

/// Whether the argument is an object with two texts and, between them, bytes.
fn is_mixed(message: &Message) -> bool {
    #[derive(serde::Deserialize)]
    struct Mixed {
        hello: String,
        message: Bytes,
        goodbye: String,
    }
    let mixed: Result<Mixed, _> = message.args.get(0);
    mixed.is_ok_and(|mixed| {
        mixed.hello == "lol" && !mixed.message.is_empty() && mixed.goodbye == "gotcha"
    })
}

fn acknowledge_id(socket: &mut Socket<'_>, message: &Message) -> Result<(), Error> {
    let id = socket.id_text().map(|id| id.to_string());
    socket.acknowledge(message.ack, &one(&id))
}

/// What is known of the request that opened the client's session, under the names of the Socket.IO documentation.
fn handshake(socket: &Socket<'_>) -> Value {
    let Some(client) = socket.client() else {
        return Value::Null;
    };
    let query: HashMap<_, _> = query_pairs(client.query).collect();
    let mut handshake = json!({
        "address": client.address.ip().to_string(),
        "query": query,
        "auth": socket.auth::<Value>().unwrap_or_default(),
    });
    if let Some(details) = client.details {
        let headers: HashMap<String, &str> = details
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
            .collect();
        handshake["headers"] = json!(headers);
        handshake["url"] = json!(details.url);
        handshake["issued"] = json!(details.issued_ms);
        handshake["secure"] = json!(details.secure);
        handshake["xdomain"] = json!(details.xdomain);
    }
    handshake
}

/// The time as JavaScript writes a date.
fn now(socket: &mut Socket<'_>) -> String {
    socket.endpoint().now().rfc3339()
}

fn bytes() -> Args {
    one(&Bytes::from(BYTES))
}

fn one(value: &(impl Serialize + ?Sized)) -> Args {
    Args::one(value).expect("it has a JSON text")
}
