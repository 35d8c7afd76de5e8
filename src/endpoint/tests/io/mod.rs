//! Handlers by event name.

mod connecting;
mod door;
mod panics;
mod progress;
mod questions;
mod routes;
mod talking;
mod timers;
mod typed;

use std::sync::{Arc, Mutex};

use super::*;
use crate::error::{AckError, Error};
use crate::io::{HttpRequest, Io};
use crate::socket::Args;

type Log = Arc<Mutex<Vec<String>>>;

/// What a client has answered.
type Answer = Result<Args, AckError>;

/// Handlers that note what they are called for.
fn noting() -> (Io, Log) {
    let log = Log::default();
    let note = |log: &Log| {
        let log = log.clone();
        move |text: String| log.lock().unwrap().push(text)
    };
    let mut io = Io::new();
    let (connected, gone, any, answered) = (note(&log), note(&log), note(&log), note(&log));
    io.of("/")
        .on_connect(move |_, socket| {
            let auth: serde_json::Value = socket.auth().unwrap();
            connected(format!("connected {auth}"));
            socket.emit("welcome", auth)
        })
        .on_disconnect(move |_, _, reason| {
            gone(format!("gone: {reason}"));
        })
        .on_any(move |_, _, message| {
            any(format!("any {}", message.name()));
        })
        .on_raw("ask me", move |_, socket, _| {
            let answered = answered.clone();
            socket.ask("question", (), move |_, socket, answer: Answer| {
                let answer = answer.map(|args| args.raw(0).unwrap().to_owned());
                answered(format!("answer {answer:?}"));
                socket.emit("thanks", ())
            })
        })
        .on_raw("echo", |_, socket, message| {
            socket.acknowledge(message.ack, &message.args)
        })
        .on_raw("others", |_, socket, message| {
            socket.others().emit("news", &message.args)
        })
        .on("mistake", |_, socket, ()| socket.emit("connect", ()));
    (io, log)
}

fn world<S: Send + 'static>(io: &Io<S>) -> World {
    World::new(io.configure(Config {
        progress: None,
        ..Config::default()
    }))
}

/// Hands all events to their handlers, those that come of it too, and gives the errors of handlers.
fn dispatch<S: Send + 'static>(world: &mut World, io: &mut Io<S>) -> Vec<Error> {
    let mut errors = Vec::new();
    loop {
        let events = world.take_events();
        if events.is_empty() {
            return errors;
        }
        for event in events {
            errors.extend(io.dispatch(&mut world.endpoint, event).err());
        }
        world.turn();
    }
}

/// Hands each event to its handlers before the next one is asked for, as a server does.
fn dispatch_at_once(world: &mut World, io: &mut Io) {
    while let Some(event) = world.endpoint.poll_event() {
        io.dispatch(&mut world.endpoint, event).unwrap();
    }
    world.turn();
}

/// Sends a packet on a session of its own and hands all events to their handlers.
fn enter(world: &mut World, io: &mut Io, connect: &str) -> ConnectionId {
    let key = world.open_websocket();
    say(world, io, key, connect);
    key
}

/// Sends a packet and hands all events to their handlers, who make no mistake.
fn say(world: &mut World, io: &mut Io, key: ConnectionId, packet: &str) {
    world.send(key, packet);
    assert_eq!(dispatch(world, io), []);
}

/// A list, and what adds to it.
fn log() -> (Log, impl Fn(String) + Clone + Send + 'static) {
    let log = Log::default();
    let into = log.clone();
    (log, move |text| into.lock().unwrap().push(text))
}

fn join(world: &mut World, io: &mut Io) -> ConnectionId {
    let key = world.open_websocket();
    world.send(key, "40{\"a\":1}");
    assert_eq!(dispatch(world, io), []);
    assert_eq!(world.frames(key)[1], "42[\"welcome\",{\"a\":1}]");
    key
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

#[test]
fn events_find_their_handlers_and_others_are_ignored() {
    let (mut io, log) = noting();
    let mut world = world(&io);
    let (one, other) = (join(&mut world, &mut io), join(&mut world, &mut io));
    taken(&log);
    world.send(one, "427[\"echo\",5]");
    world.send(one, "42[\"nobody listens\"]");
    world.send(one, "42[\"others\",6]");
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert_eq!(world.frames(one), ["437[5]"]);
    assert_eq!(world.frames(other), ["42[\"news\",6]"]);
    assert_eq!(
        taken(&log),
        ["any echo", "any nobody listens", "any others"]
    );
    io.of("/").off("others");
    world.send(one, "42[\"others\",7]");
    dispatch(&mut world, &mut io);
    assert!(world.frames(other).is_empty());
}

#[test]
fn an_acknowledgement_finds_who_asked_for_it() {
    let (mut io, log) = noting();
    let mut world = world(&io);
    let key = join(&mut world, &mut io);
    taken(&log);
    world.send(key, "42[\"ask me\"]");
    dispatch(&mut world, &mut io);
    assert_eq!(world.frames(key), ["420[\"question\"]"]);
    world.send(key, "430[\"because\"]");
    dispatch(&mut world, &mut io);
    assert_eq!(world.frames(key), ["42[\"thanks\"]"]);
    assert_eq!(
        taken(&log),
        ["any ask me", "answer Ok(\"\\\"because\\\"\")"]
    );
}

#[test]
fn whoever_leaves_is_told_of_and_owes_nothing_any_more() {
    let (mut io, log) = noting();
    let mut world = world(&io);
    let key = join(&mut world, &mut io);
    world.send(key, "42[\"ask me\"]");
    dispatch(&mut world, &mut io);
    taken(&log);
    world.send(key, "41");
    dispatch(&mut world, &mut io);
    assert_eq!(
        taken(&log),
        [
            "answer Err(Disconnected)",
            "gone: client namespace disconnect"
        ]
    );
    assert!(io.questions.is_empty());
}

#[test]
fn a_mistake_of_a_handler_comes_back_and_harms_nobody() {
    let (mut io, _) = noting();
    let mut world = world(&io);
    let key = join(&mut world, &mut io);
    world.send(key, "42[\"mistake\"]");
    assert_eq!(
        dispatch(&mut world, &mut io),
        [Error::ReservedEvent("connect".to_owned())]
    );
    world.send(key, "427[\"echo\"]");
    dispatch(&mut world, &mut io);
    assert_eq!(world.frames(key), ["437[]"]);
}

#[test]
fn events_that_are_not_socket_io_come_back() {
    let (mut io, _) = noting();
    let mut world = World::new(Config {
        host_http: true,
        ..Config::default()
    });
    world.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let event = world.take_events().remove(0);
    let back = io.dispatch(&mut world.endpoint, event);
    assert!(matches!(back, Ok(Some(Event::Request { .. }))));
}
