//! Private messages between named people: a middleware that asks for a name and a password, a room per person, and
//! connection state recovery, so that what is sent while somebody's connection is gone still arrives.
//!
//! `make web && cargo run --example private_messaging -- --listen 127.0.0.1:3000`, then open <http://127.0.0.1:3000/> twice.
//! The password of everybody is `wheel`.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{page, Flags};
use pulsewheel::{
    Args, Config, Connecting, Error, Io, Next, RecoveryConfig, Refusal, Server, Socket, SocketId,
};
use serde::Deserialize;
use serde_json::{json, Value};

/// The names of everybody, of those too who may come back in a moment: what is sent to them arrives then.
type People = BTreeMap<SocketId, String>;

/// What a client says of itself when it connects.
#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

fn main() {
    let flags = Flags::parse("private_messaging", &[]);
    let mut io = Io::with_state(People::new());
    io.of("/")
        .middleware(authenticate)
        .on_connect(|people, socket| {
            people.extend(
                socket
                    .data()
                    .map(|name: &String| (socket.id(), name.clone())),
            );
            tell_who_is_there(people, socket)
        })
        .on("private message", private_message)
        .on_disconnect(|people, socket, _| {
            let id = socket.id();
            if !socket.endpoint().is_away(id) {
                people.remove(&id);
            }
            tell_who_is_there(people, socket)
        })
        .on_recovery_expired(|people, socket| {
            people.remove(&socket.id());
            tell_who_is_there(people, socket)
        });
    page::serve(&mut io, include_str!("private_messaging.html"));
    let config = Config {
        recovery: Some(RecoveryConfig::default()),
        ..flags.apply_to(page::config())
    };
    let server = Server::bind_io(io, config, &*flags.listen);
    common::run_io(server, |_, _| {});
}

/// Lets in whoever has a name and knows the password, with one room for all the windows of one person.
fn authenticate(_: &mut People, connecting: &mut Connecting<'_>) -> Result<Next, Refusal> {
    let refused = |message: &str, field: &str| {
        Err(Refusal::new(message).with_data(json!({ "field": field })))
    };
    let Ok(Credentials { name, password }) = connecting.auth() else {
        return refused("A name and a password are needed", "name");
    };
    let name = name.trim();
    if name.is_empty() {
        return refused("The name is empty", "name");
    }
    if password != "wheel" {
        return refused("The password is wrong", "password");
    }
    connecting.join(room_of(name))?;
    connecting.set_data(name.to_owned())?;
    Ok(Next::Go)
}

/// `private message` ({to, text}): goes to all windows of that person, and to the sender's other ones.
fn private_message(
    people: &mut People,
    socket: &mut Socket<'_, People>,
    args: Args,
) -> Result<Value, Box<dyn std::error::Error>> {
    #[derive(Deserialize)]
    struct Letter {
        to: String,
        text: String,
    }
    const WHAT: &str = "A letter is {to, text}.";
    let Letter { to, text } = args.get(0).map_err(|_| WHAT)?;
    let from = people.get(&socket.id()).ok_or(WHAT)?;
    if !people.values().any(|name| *name == to) {
        return Err("Nobody of that name is here.".into());
    }
    let letter = json!({ "from": from, "to": to, "text": text });
    let both = socket.to([room_of(&to), room_of(from)]);
    both.emit("private message", letter)?;
    Ok(json!({ "sent": true }))
}

/// Everybody gets the names of everybody.
fn tell_who_is_there(people: &People, socket: &mut Socket<'_, People>) -> Result<(), Error> {
    let names: BTreeSet<&String> = people.values().collect();
    socket.everybody().emit("people", json!(names))
}

fn room_of(name: &str) -> String {
    format!("person:{name}")
}
