//! A chat with rooms: who is there, who is typing, and what they say.
//!
//! `make web && cargo run --example chat -- --listen 127.0.0.1:3000`, then open <http://127.0.0.1:3000/> twice.

mod common;

use common::{page, Flags};
use pulsewheel::{Args, Error, Io, Message, Server, Socket};
use serde_json::json;

/// What is kept with the socket of everybody who has entered a room.
struct Guest {
    name: String,
    room: String,
}

fn main() {
    let flags = Flags::parse("chat", &[]);
    let mut io = Io::new();
    io.namespace("/")
        .on("enter", enter)
        .on("say", say)
        .on("typing", |guest, message| {
            let is_typing: bool = message.args.get(0).unwrap_or(false);
            tell_others(
                guest,
                "typing",
                |name| json!({ "name": name, "is_typing": is_typing }),
            )
        })
        .on_disconnecting(|guest, _reason| leave(guest));
    let config = flags.apply_to(page::config());
    let server = Server::bind_io(io, config, &*flags.listen);
    common::run_io(server, |endpoint, event| {
        page::serve(endpoint, event, include_str!("chat.html"));
    });
}

/// `enter` (name, room): goes from the room before to this one; acknowledged with `{"users":[...]}` or `{"error":"..."}`.
fn enter(socket: &mut Socket<'_>, message: &Message) -> Result<(), Error> {
    let (name, room) = match message.args.get_all::<(String, String)>() {
        Ok((name, room)) if !name.trim().is_empty() && !room.trim().is_empty() => {
            // Every socket's id is a room too; with this in front, nobody enters one of those.
            (name.trim().to_owned(), format!("room:{}", room.trim()))
        }
        _ => return refuse(socket, message, "Both a name and a room are needed."),
    };
    leave(socket)?;
    socket.join(&room)?;
    let users = users(socket, &room)?;
    socket.set_data(Guest {
        name: name.clone(),
        room,
    })?;
    tell_others(socket, "entered", |name| json!({ "name": name }))?;
    let everybody: Vec<String> = users.into_iter().chain([name]).collect();
    socket.acknowledge(message.ack, &argument(json!({ "users": everybody })))
}

/// `say` (text): to everybody else in the room; acknowledged with `{}` or `{"error":"..."}`.
fn say(guest: &mut Socket<'_>, message: &Message) -> Result<(), Error> {
    if guest.data::<Guest>().is_none() {
        return refuse(guest, message, "Enter a room first.");
    }
    let Ok(text) = message.args.get::<String>(0) else {
        return refuse(guest, message, "What is said is a text.");
    };
    tell_others(guest, "said", |name| json!({ "name": name, "text": text }))?;
    guest.acknowledge(message.ack, &argument(json!({})))
}

/// Leaves the room that the guest is in, if it is in one.
fn leave(socket: &mut Socket<'_>) -> Result<(), Error> {
    tell_others(socket, "left", |name| json!({ "name": name }))?;
    match socket.data().map(|guest: &Guest| guest.room.clone()) {
        Some(room) => socket.leave(&room),
        None => Ok(()),
    }
}

/// Emits to everybody else in the guest's room.
fn tell_others(
    socket: &mut Socket<'_>,
    event: &str,
    tell: impl FnOnce(&str) -> serde_json::Value,
) -> Result<(), Error> {
    let Some(Guest { name, room }) = socket.data() else {
        return Ok(());
    };
    let (told, others) = (tell(name), socket.to(room)?);
    socket.emit_to(&others, event, &argument(told))
}

/// The names of those who are in a room already.
fn users(socket: &mut Socket<'_>, room: &str) -> Result<Vec<String>, Error> {
    let others = socket.to(room)?;
    let endpoint = socket.endpoint();
    let sockets = endpoint.fetch_sockets(&others).into_iter();
    let guests = sockets.filter_map(|socket| endpoint.data::<Guest>(socket));
    Ok(guests.map(|guest| guest.name.clone()).collect())
}

fn refuse(socket: &mut Socket<'_>, message: &Message, why: &str) -> Result<(), Error> {
    socket.acknowledge(message.ack, &argument(json!({ "error": why })))
}

fn argument(value: serde_json::Value) -> Args {
    Args::one(&value).expect("JSON values have JSON text")
}
