//! A Socket.IO server for the test suites of client libraries: it answers what such suites ask of the server beside them.
//!
//! `cargo run --example suite_host -- --listen 127.0.0.1:3210`

#[path = "../../examples/common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use common::Flags;
use pulsewheel::http::query_pairs;
use pulsewheel::{
    AckError, Args, Binary, Config, Error, HandshakeDetail, Io, Message, Namespace, Next,
    RecoveryConfig, Server, Socket, SocketId,
};
use serde_json::{json, Value};

/// How long a session's opening is held up, so that clients with less patience notice.
const ADMISSION_DELAY: Duration = Duration::from_millis(10);

/// What every binary event of this server carries.
const BYTES: &[u8] = b"asdfasdf";

/// The events of which a client's next ones make sense.
#[derive(Clone, Copy, Default)]
struct Seen {
    abuff1: bool,
    blob1: bool,
    blob2: bool,
}

/// What has been seen of each client.
type Host = HashMap<SocketId, Seen>;

fn main() {
    let flags = Flags::parse("suite_host", &[]);
    let mut io = Io::with_state(Host::new());
    // Each request that opens a session waits for a moment.
    io.allow_request(|_, opening| {
        let ticket = opening.ticket();
        thread::spawn(move || {
            thread::sleep(ADMISSION_DELAY);
            ticket.go();
        });
        Ok(Next::Later)
    });
    register_root(io.of("/"));
    for name in ["/timeout_socket", "/valid", "/asd"] {
        io.of(name);
    }
    io.of("/foo").on("getId", id_of);
    io.of("/abc").on_connect(|_, socket| {
        let handshake = handshake(socket);
        socket.emit("handshake", handshake)
    });
    io.of("/no")
        .middleware(|_, _| Err("Auth failed (custom namespace)".into()));
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
    common::run_io(Server::bind_io(io, config, &*flags.listen), |_, _| {});
}

fn register_root(root: &mut Namespace<Host>) {
    root.middleware(|_, connecting| {
        let request = connecting.request().ok_or("gone")?;
        let mut query = query_pairs(request.client.query);
        match query.any(|(name, value)| name == "fail" && !value.is_empty()) {
            true => Err("Auth failed (main namespace)".into()),
            false => Ok(Next::Go),
        }
    })
    .on("hi", |_, socket, ()| socket.emit("hi", ()))
    .on("echo", |_, _, first: Option<Value>| first)
    // What asks a question back is not acknowledged itself.
    .on_raw("ack", |_, socket, _| {
        socket.ask(
            "ack",
            (),
            |_, socket, answer: Result<(u64, Value), AckError>| match answer {
                Ok((5, object)) if object["test"] == true => socket.emit("got it", ()),
                _ => Ok(()),
            },
        )
    })
    .on("false", |_, socket, ()| socket.emit("false", false))
    .on("getUtf8", |_, socket, ()| {
        let texts = [
            "てすと",
            "Я Б Г Д Ж Й",
            "Ä ä Ü ü ß",
            "utf8 — string",
            "utf8 — string",
        ];
        texts
            .iter()
            .try_for_each(|text| socket.emit("takeUtf8", text))
    })
    .on("getHandshake", |_, socket, ()| handshake(socket))
    .on("getId", id_of)
    .on("getAckDate", |_, socket, _: Args| now(socket))
    .on("getDate", |_, socket, ()| {
        let now = now(socket);
        socket.emit("takeDate", now)
    })
    .on("getDateObj", |_, socket, ()| {
        let now = now(socket);
        socket.emit("takeDateObj", json!({ "date": now }))
    });
    register_binary(root);
}

fn register_binary(root: &mut Namespace<Host>) {
    root.on("doge", |_, socket, ()| {
        socket.emit("doge", Binary::from(BYTES))
    })
    .on("getbin", |_, socket, ()| {
        socket.emit("takebin", Binary::from(BYTES))
    })
    .on_raw("buffa", |_, socket, message| {
        reply_if(socket, is_binary(message), "buffack")
    })
    .on_raw("blob", |_, socket, message| {
        reply_if(socket, is_binary(message), "back")
    })
    .on_raw("jsonbuff", |_, socket, message| {
        reply_if(socket, is_mixed(message), "jsonbuff-ack")
    })
    .on_raw("jsonblob", |_, socket, message| {
        reply_if(socket, is_mixed(message), "jsonblob-ack")
    })
    .on_raw("abuff1", |host, socket, message| {
        host.entry(socket.id()).or_default().abuff1 = is_binary(message);
    })
    .on_raw("abuff2", |host, socket, _| {
        let seen = host.entry(socket.id()).or_default();
        reply_if(socket, seen.abuff1, "abuff2-ack")
    })
    .on_raw("blob1", |host, socket, message| {
        host.entry(socket.id()).or_default().blob1 = is_binary(message);
    })
    .on_raw("blob2", |host, socket, message| {
        let text: Result<String, _> = message.args.get(0);
        let is_second = text.is_ok_and(|text| text == "second");
        let seen = host.entry(socket.id()).or_default();
        seen.blob2 = seen.blob1 && is_second;
    })
    .on_raw("blob3", |host, socket, message| {
        let seen = host.entry(socket.id()).or_default();
        reply_if(socket, seen.blob2 && is_binary(message), "blob3-ack")
    })
    .on_disconnect(|host, socket, _| {
        host.remove(&socket.id());
    });
}

fn reply_if(socket: &mut Socket<'_, Host>, condition: bool, event: &str) -> Result<(), Error> {
    match condition {
        true => socket.emit(event, ()),
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
        message: Binary,
        goodbye: String,
    }
    let mixed: Result<Mixed, _> = message.args.get(0);
    mixed.is_ok_and(|mixed| {
        mixed.hello == "lol" && !mixed.message.is_empty() && mixed.goodbye == "gotcha"
    })
}

fn id_of(_: &mut Host, socket: &mut Socket<'_, Host>, (): ()) -> Option<String> {
    socket.id_text().map(|id| id.to_string())
}

/// What is known of the request that opened the client's session, under the names of the Socket.IO documentation.
fn handshake(socket: &Socket<'_, Host>) -> Value {
    let Some(client) = socket.client() else {
        return Value::Null;
    };
    let query: HashMap<_, _> = query_pairs(client.query).collect();
    let mut handshake = json!({
        "address": client.address.ip(),
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
fn now(socket: &mut Socket<'_, Host>) -> String {
    socket.endpoint().now().rfc3339()
}
