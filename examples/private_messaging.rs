//! Private messages between named people: a middleware that asks for a name and a password, a room per person, and
//! connection state recovery, so that what is sent while somebody's connection is gone still arrives.
//!
//! `make web && cargo run --example private_messaging -- --listen 127.0.0.1:3000`, then open <http://127.0.0.1:3000/> twice.
//! The password of everybody is `wheel`.

mod common;

use std::collections::BTreeSet;

use common::{page, Flags};
use pulsewheel::{
    Args, Config, ConnectError, Error, Io, Joining, Message, RecoveryConfig, Server, Socket,
    Verdict,
};
use serde::Deserialize;
use serde_json::json;

/// What a client says of itself when it connects.
#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// What is kept with the socket of everybody.
struct Person {
    name: String,
}

fn main() {
    let flags = Flags::parse("private_messaging", &[]);
    let mut io = Io::new();
    io.namespace("/")
        .middleware(authenticate)
        .on_connect(|socket, _auth| {
            let Some(name) = name_of(socket) else {
                return Ok(());
            };
            // One room for all the windows of one person.
            socket.join(&room_of(&name))?;
            tell_who_is_there(socket)
        })
        .on("private message", private_message)
        .on_disconnect(|socket, _reason| tell_who_is_there(socket))
        .on_recovery_expired(tell_who_is_there);
    let config = Config {
        recovery: Some(RecoveryConfig::default()),
        ..flags.apply_to(page::config())
    };
    let server = Server::bind_io(io, config, &*flags.listen);
    common::run_io(server, |endpoint, event| {
        page::serve(endpoint, event, include_str!("private_messaging.html"));
    });
}

/// Lets in whoever has a name and knows the password.
fn authenticate(joining: &mut Joining<'_>) -> Result<Verdict, ConnectError> {
    let refused = |message: &str, field: &str| {
        let error = ConnectError::new(message).with_data(&json!({ "field": field }));
        error.unwrap_or_else(|_| ConnectError::new(message))
    };
    let Ok(Credentials { name, password }) = joining.auth() else {
        return Err(refused("A name and a password are needed", "name"));
    };
    let name = name.trim().to_owned();
    if name.is_empty() {
        return Err(refused("The name is empty", "name"));
    }
    if password != "wheel" {
        return Err(refused("The password is wrong", "password"));
    }
    joining.set_data(Person { name })?;
    Ok(Verdict::Next)
}

/// `private message` ({to, text}): goes to all windows of that person, and to the sender's other ones.
fn private_message(socket: &mut Socket<'_>, message: &Message) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Letter {
        to: String,
        text: String,
    }
    let (Ok(letter), Some(from)) = (message.args.get::<Letter>(0), name_of(socket)) else {
        return refuse(socket, message, "A letter is {to, text}.");
    };
    let theirs = socket.to(room_of(&letter.to))?;
    // Whoever may come back in a moment counts.
    if socket.endpoint().fetch_sockets_and_away(&theirs).is_empty() {
        return refuse(socket, message, "Nobody of that name is here.");
    }
    let both = theirs.to(room_of(&from));
    let delivered = json!({ "from": from, "to": letter.to, "text": letter.text });
    socket.emit_to(&both, "private message", &argument(delivered))?;
    socket.acknowledge(message.ack, &argument(json!({ "sent": true })))
}

fn refuse(socket: &mut Socket<'_>, message: &Message, why: &str) -> Result<(), Error> {
    socket.acknowledge(message.ack, &argument(json!({ "error": why })))
}

/// Everybody gets the names of everybody, also of those who may come back in a moment: what is sent to them arrives then.
fn tell_who_is_there(socket: &mut Socket<'_>) -> Result<(), Error> {
    let everybody = socket.everybody()?;
    let endpoint = socket.endpoint();
    let sockets = endpoint.fetch_sockets_and_away(&everybody).into_iter();
    let people = sockets.filter_map(|socket| endpoint.data::<Person>(socket));
    let names: BTreeSet<String> = people.map(|person| person.name.clone()).collect();
    endpoint.emit(&everybody, "people", &argument(json!(names)))
}

fn name_of(socket: &Socket<'_>) -> Option<String> {
    socket.data().map(|person: &Person| person.name.clone())
}

fn room_of(name: &str) -> String {
    format!("person:{name}")
}

fn argument(value: serde_json::Value) -> Args {
    Args::one(&value).expect("JSON values have JSON text")
}
