//! Handlers that panic.

use std::panic::{catch_unwind, AssertUnwindSafe};

use super::*;
use crate::io::Next;
use crate::socket::{Adapter, Audience};

fn panicked(text: &str) -> Vec<Error> {
    vec![Error::Panicked(text.to_owned())]
}

#[test]
fn a_handler_that_panics_costs_its_client_and_nobody_else() {
    let (mut io, _) = noting();
    io.of("/").on_raw("panic", |_, _, message| -> () {
        let text: String = message.args.get(0).expect("a text");
        panic!("{text}");
    });
    let mut world = world(&io);
    let (one, other) = (join(&mut world, &mut io), join(&mut world, &mut io));
    world.send(one, "42[\"panic\",\"dear me\"]");
    assert_eq!(dispatch(&mut world, &mut io), panicked("dear me"));
    assert_eq!(io.panics(), 1);
    let frames = world.frames(one);
    assert_eq!(frames[0], "41");
    assert!(frames[1].starts_with("close"));
    // The handler goes on for others, and panics again for them.
    say(&mut world, &mut io, other, "427[\"echo\",5]");
    assert_eq!(world.frames(other), ["437[5]"]);
    world.send(other, "42[\"panic\",\"again\"]");
    assert_eq!(dispatch(&mut world, &mut io), panicked("again"));
    assert_eq!(world.endpoint.counts().sockets, 0);
    let key = join(&mut world, &mut io);
    say(&mut world, &mut io, key, "427[\"echo\",6]");
    assert_eq!(world.frames(key), ["437[6]"]);
}

#[test]
fn handlers_of_coming_answering_and_going_may_panic_too() {
    let mut io = Io::new();
    io.of("/connect")
        .on_connect(|_, _| -> () { panic!("connect") });
    io.of("/ack").on_raw("ask", |_, socket, _| {
        socket.ask("question", (), |_, _, _: Answer| -> () { panic!("ack") })
    });
    io.of("/gone")
        .on_disconnecting(|_, _, _| -> () { panic!("disconnecting") })
        .on_disconnect(|_, _, _| -> () { panic!("disconnect") });
    let mut world = world(&io);
    let connect = enter_and_tell(&mut world, &mut io, &["40/connect,"]);
    assert_eq!(connect, panicked("connect"));
    let ack = ["40/ack,", "42/ack,[\"ask\"]", "43/ack,0[]"];
    assert_eq!(enter_and_tell(&mut world, &mut io, &ack), panicked("ack"));
    let gone = enter_and_tell(&mut world, &mut io, &["40/gone,", "41/gone,"]);
    assert_eq!(
        gone,
        [panicked("disconnecting"), panicked("disconnect")].concat()
    );
    assert_eq!(io.panics(), 4);
    assert_eq!(world.endpoint.counts().sockets, 0);
}

/// What handlers fail with while a client of its own sends these packets, each handled before the next one.
fn enter_and_tell(world: &mut World, io: &mut Io, packets: &[&str]) -> Vec<Error> {
    let key = world.open_websocket();
    let mut errors = Vec::new();
    for packet in packets {
        world.endpoint.begin_turn(now(world.now_ms));
        let mut frame = masked(0x81, packet.as_bytes());
        world.endpoint.feed(key, &mut frame);
        while let Some(event) = world.endpoint.poll_event() {
            errors.extend(io.dispatch(&mut world.endpoint, event).err());
        }
        world.turn();
    }
    errors
}

#[test]
fn whoever_a_middleware_or_a_decision_panics_about_is_refused() {
    let (log, note) = log();
    let mut io = Io::new();
    io.of("/")
        .middleware(|_, _| panic!("middleware"))
        .middleware(move |_, _| {
            note("the next one".to_owned());
            Ok(Next::Go)
        });
    io.of_dynamic("some", |_, _, _| panic!("decision"));
    let mut world = world(&io);
    for (connect, answer, message) in [
        ("40", "44", "middleware"),
        ("40/child,", "44/child,", "decision"),
    ] {
        let key = world.open_websocket();
        world.send(key, connect);
        assert_eq!(dispatch(&mut world, &mut io), panicked(message));
        let refusal = format!("{answer}{{\"message\":\"Internal error\"}}");
        assert_eq!(world.frames(key), [refusal]);
    }
    assert!(taken(&log).is_empty());
    assert_eq!(world.endpoint.counts().sockets, 0);
}

#[test]
fn a_request_that_allow_request_panics_about_is_refused() {
    let mut io = Io::new();
    io.allow_request(|_, opening| {
        assert!(opening.request().query("word").is_some(), "no word");
        Ok(Next::Go)
    });
    let mut world = world(&io);
    for (query, expected, errors) in [
        ("EIO=4&transport=polling", 403, panicked("no word")),
        ("EIO=4&transport=polling&word=1", 200, vec![]),
    ] {
        let key = world.open();
        world.feed(key, get(query));
        assert_eq!(dispatch(&mut world, &mut io), errors);
        assert_eq!(status(&world.take_text(key)), expected);
    }
}

/// Reaches nobody, and has a fault.
#[derive(Debug)]
struct Faulty;

impl Adapter for Faulty {
    fn is_cluster(&self) -> bool {
        true
    }

    fn emit(&mut self, _: &Audience, _: &str, _: &Args, _: Option<crate::AckRequest>) {
        panic!("in the middle of a verb");
    }
}

#[test]
fn a_panic_out_of_a_verb_goes_on() {
    let (mut io, _) = noting();
    let mut world = world(&io);
    let key = join(&mut world, &mut io);
    world.endpoint.set_adapter(Box::new(Faulty));
    world.endpoint.begin_turn(now(world.now_ms));
    let others = masked(0x81, b"42[\"others\",6]");
    world.endpoint.feed(key, &mut others.clone());
    let event = world.endpoint.poll_event().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| io.dispatch(&mut world.endpoint, event)));
    assert!(outcome.is_err());
    assert_eq!(io.panics(), 0);
}
