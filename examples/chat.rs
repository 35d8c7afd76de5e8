//! A chat with rooms: who is there, who is typing, and what they say.
//!
//! `make web && cargo run --example chat -- --listen 127.0.0.1:3000`, then open <http://127.0.0.1:3000/> twice.

mod common;

use std::collections::BTreeMap;

use common::{page, Flags};
use pulsewheel::{Args, Error, Io, Server, Socket, SocketId};
use serde_json::{json, Value};

/// Everybody who has entered a room.
type Guests = BTreeMap<SocketId, Guest>;

struct Guest {
    name: String,
    room: String,
}

/// A mistake of the host, or what the client is told.
type Failure = Box<dyn std::error::Error>;

fn main() {
    let flags = Flags::parse("chat", &[]);
    let mut io = Io::with_state(Guests::new());
    io.of("/")
        .on("enter", enter)
        .on("say", say)
        .on("typing", |guests, socket, is_typing: bool| {
            let Some(Guest { name, room }) = guests.get(&socket.id()) else {
                return Ok(());
            };
            let told = json!({ "name": name, "is_typing": is_typing });
            socket.to(room).emit("typing", told)
        })
        .on_disconnecting(|guests, socket, _| leave(guests, socket));
    page::serve(&mut io, include_str!("chat.html"));
    let config = flags.apply_to(page::config());
    let server = Server::bind_io(io, config, &*flags.listen);
    common::run_io(server, |_, _| {});
}

/// `enter` (name, room): goes from the room before to this one; acknowledged with `{"users":[...]}` or `{"error":"..."}`.
fn enter(
    guests: &mut Guests,
    socket: &mut Socket<'_, Guests>,
    args: Args,
) -> Result<Value, Failure> {
    let (name, room) = match args.get_all::<(String, String)>() {
        Ok((name, room)) if !name.trim().is_empty() && !room.trim().is_empty() => {
            // Every socket's id is a room too; with this in front, nobody enters one of those.
            (name.trim().to_owned(), format!("room:{}", room.trim()))
        }
        _ => return Err("Both a name and a room are needed.".into()),
    };
    leave(guests, socket)?;
    socket.to(&room).emit("entered", json!({ "name": name }))?;
    let others = socket.to(&room).sockets();
    let others = others.iter().filter_map(|id| Some(&guests.get(id)?.name));
    let users: Vec<&String> = others.chain([&name]).collect();
    let answer = json!({ "users": users });
    socket.join(&room)?;
    guests.insert(socket.id(), Guest { name, room });
    Ok(answer)
}

/// `say` (text): to everybody else in the room; acknowledged with `{}` or `{"error":"..."}`.
fn say(guests: &mut Guests, socket: &mut Socket<'_, Guests>, args: Args) -> Result<Value, Failure> {
    let Guest { name, room } = guests.get(&socket.id()).ok_or("Enter a room first.")?;
    let text: String = args.get(0).map_err(|_| "What is said is a text.")?;
    socket
        .to(room)
        .emit("said", json!({ "name": name, "text": text }))?;
    Ok(json!({}))
}

/// Leaves the room that the guest is in, if it is in one.
fn leave(guests: &mut Guests, socket: &mut Socket<'_, Guests>) -> Result<(), Error> {
    let Some(Guest { name, room }) = guests.remove(&socket.id()) else {
        return Ok(());
    };
    socket.to(&room).emit("left", json!({ "name": name }))?;
    socket.leave(room)
}
