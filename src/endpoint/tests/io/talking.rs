//! Events on their way to handlers and to clients.

use std::time::Duration;

use super::*;
use crate::io::Socket;

#[test]
fn packet_middlewares_change_events_or_refuse_them() {
    let (log, note) = log();
    let mut io = Io::new();
    let (failed, any, heard, renamed) = (note.clone(), note.clone(), note.clone(), note);
    io.of("/")
        .packet_middleware(|_, _, message| match &*message.name() {
            "forbidden" => Err("not that".into()),
            _ => Ok(()),
        })
        .packet_middleware(|_, _, message| {
            if message.name() == "raw" {
                message.args = message.args.named("cooked");
            }
            Ok(())
        })
        .on_error(move |_, _, error| {
            failed(format!("error {error}"));
        })
        .on_any(move |_, _, message| {
            any(format!("any {}", message.name()));
        })
        .on_raw("forbidden", move |_, _, _| {
            heard("heard".to_owned());
        })
        .on_raw("cooked", move |_, _, message| {
            renamed(format!("cooked {}", message.args.raw(0).unwrap()));
        });
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    world.frames(key);
    say(&mut world, &mut io, key, "421[\"forbidden\"]");
    say(&mut world, &mut io, key, "42[\"raw\",5]");
    assert_eq!(taken(&log), ["error not that", "any cooked", "cooked 5"]);
    assert!(world.frames(key).is_empty(), "the client hears nothing");
}

#[test]
fn once_is_once_for_each_client_and_off_is_never() {
    let (log, note) = log();
    let mut io = Io::new();
    let (once, always) = (note.clone(), note);
    io.of("/")
        .once("x", move |_, _, x: u32| once(format!("once {x}")))
        .on_raw("x", move |_, _, _| {
            always("on".to_owned());
        });
    let mut world = world(&io);
    let (one, two) = (
        enter(&mut world, &mut io, "40"),
        enter(&mut world, &mut io, "40"),
    );
    for key in [one, one, two] {
        say(
            &mut world,
            &mut io,
            key,
            &format!("42[\"x\",{}]", key.index()),
        );
    }
    let (one_text, two_text) = (
        format!("once {}", one.index()),
        format!("once {}", two.index()),
    );
    assert_eq!(taken(&log), [&*one_text, "on", "on", &two_text, "on"]);
    // Whoever joins anew is a new socket.
    say(&mut world, &mut io, one, "41");
    say(&mut world, &mut io, one, "40");
    say(&mut world, &mut io, one, "42[\"x\",0]");
    assert_eq!(taken(&log), ["once 0", "on"]);
    io.of("/").off("x");
    say(&mut world, &mut io, two, "42[\"x\",0]");
    assert!(taken(&log).is_empty());
}

#[test]
fn everything_emitted_is_seen_but_acknowledgements_are_not() {
    let (log, note) = log();
    let mut io = Io::new();
    io.of("/")
        .on_raw("go", |_, socket, message| {
            socket.acknowledge(message.ack, &Args::none())?;
            socket.emit("one", 1)?;
            socket.everybody().emit("all", ())?;
            socket.to("room").emit("room", ())?;
            socket.send(())?;
            socket.ask("asked", (), |_, _, _: Answer| ())?;
            let soon = socket.everybody().timeout(Duration::from_millis(9));
            soon.ask("all asked", (), |_, _, _| ())
        })
        .on_any_outgoing(move |_, _, target, args| {
            let rooms = target.rooms().len();
            note(format!("{} {rooms} {}", args.event_name(), args.len()));
        });
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    say(&mut world, &mut io, key, "421[\"go\"]");
    assert_eq!(
        taken(&log),
        [
            "one 1 1",
            "all 0 0",
            "room 1 0",
            "message 1 0",
            "asked 1 0",
            "all asked 0 0"
        ]
    );
    assert_eq!(world.frames(key).len(), 7);
}

#[test]
fn one_clients_broadcast_reaches_the_others() {
    let mut io = Io::new();
    io.of("/")
        .on_connect(|_, socket| socket.join("room"))
        .on_raw("leave", |_, socket, _| socket.leave("room"))
        .on_raw("tell", |_, socket, _| {
            socket.to("room").emit("room", ())?;
            socket.except("room").emit("outside", ())?;
            socket.volatile().emit("me", ())
        });
    let mut world = world(&io);
    let keys = [0; 3].map(|_| enter(&mut world, &mut io, "40"));
    say(&mut world, &mut io, keys[2], "42[\"leave\"]");
    keys.iter().for_each(|key| drop(world.take(*key)));
    say(&mut world, &mut io, keys[0], "42[\"tell\"]");
    assert_eq!(
        keys.map(|key| world.frames(key).concat()),
        ["42[\"me\"]", "42[\"room\"]", "42[\"outside\"]"]
    );
}

#[test]
fn a_handler_that_acts_on_somebody_who_has_just_gone_makes_no_mistake() {
    let mut io = Io::new();
    io.of("/")
        .on_raw("out", |_, socket, _| {
            socket.disconnect(false)?;
            socket.emit("too late", ())
        })
        .on_raw("ask", |_, socket, _| {
            let id = socket.id();
            let soon = socket.everybody().timeout(Duration::from_millis(5));
            soon.ask("q", (), move |_, server, _| {
                server.endpoint().disconnect(id, false)?;
                server.endpoint().emit_to(id, "too late", &Args::none())
            })
        });
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    world.frames(key);
    say(&mut world, &mut io, key, "42[\"out\"]");
    assert_eq!(world.frames(key), ["41"]);
    say(&mut world, &mut io, key, "40");
    say(&mut world, &mut io, key, "42[\"ask\"]");
    world.pass_ms(5);
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert_eq!(world.frames(key).last().unwrap(), "41");
}

#[test]
fn all_handlers_of_an_event_are_called_in_the_order_of_their_registration() {
    let (log, note) = log();
    let mut io = Io::new();
    for module in ["a", "b"] {
        let noting = |what: &'static str| {
            let note = note.clone();
            move || note(format!("{what} {module}"))
        };
        let (connect, any, on, leave, left) = (
            noting("connect"),
            noting("any"),
            noting("on"),
            noting("leave"),
            noting("left"),
        );
        let (once, later, sent) = (noting("once"), noting("later"), noting("sent"));
        // Each module adds its own without knowing of the other.
        io.of("/")
            .on_connect(move |_, socket| {
                connect();
                socket.emit("connect", ())
            })
            .on_any(move |_, _, _| {
                any();
            })
            .on_raw("x", move |_, socket, _| {
                on();
                // A mistake, which is no matter of the others.
                socket.emit("connect_error", ())
            })
            .once("x", move |_, socket, ()| {
                once();
                socket.emit("y", ())
            })
            .on_raw("x", move |_, _, _| {
                later();
            })
            .on_any_outgoing(move |_, _, _, _| {
                sent();
            })
            .on_disconnecting(move |_, _, _| {
                leave();
            })
            .on_disconnect(move |_, _, _| {
                left();
            });
    }
    let mut world = world(&io);
    let mistake = |name: &str| vec![Error::ReservedEvent(name.to_owned())];
    let key = world.open_websocket();
    let mut tell = |packet: &str| {
        world.endpoint.begin_turn(now(world.now_ms));
        let mut frame = masked(0x81, packet.as_bytes());
        world.endpoint.feed(key, &mut frame);
        let mut errors = Vec::new();
        while let Some(event) = world.endpoint.poll_event() {
            errors.extend(io.dispatch(&mut world.endpoint, event).err());
        }
        errors
    };
    assert_eq!(tell("40"), mistake("connect"));
    assert_eq!(taken(&log), ["connect a", "connect b"]);
    assert_eq!(tell("42[\"x\"]"), mistake("connect_error"));
    let first = "any a|any b|on a|once a|later a|on b|once b|later b|sent a|sent b|sent a|sent b";
    assert_eq!(taken(&log).join("|"), first);
    assert_eq!(tell("42[\"x\"]"), mistake("connect_error"));
    let second = "any a|any b|on a|later a|on b|later b";
    assert_eq!(taken(&log).join("|"), second);
    assert_eq!(tell("41"), []);
    assert_eq!(taken(&log), ["leave a", "leave b", "left a", "left b"]);
}

#[test]
fn verbs_for_a_client_that_is_gone_do_nothing_and_the_rest_of_the_handler_runs() {
    let (log, note) = log();
    let mut io = Io::new();
    io.of("/")
        .on_connect(|_, socket| {
            assert!(socket.is_connected());
            socket.join("lobby")
        })
        .on_raw("bye", |_, socket, message| {
            socket.disconnect(false)?;
            assert!(!socket.is_connected());
            socket.acknowledge(message.ack, &Args::none())
        })
        .on_disconnect(move |_, socket, reason| {
            socket.emit("too late", ())?;
            socket.volatile().emit("too late", ())?;
            for timeout in [None, Some(Duration::from_secs(5))] {
                let unanswered = note.clone();
                let asked = move |_: &mut (), _: &mut Socket<'_>, answer: Answer| {
                    unanswered(format!("{answer:?}"));
                };
                match timeout {
                    None => socket.ask("too late", (), asked)?,
                    Some(timeout) => socket.timeout(timeout).ask("too late", (), asked)?,
                }
            }
            socket.join("elsewhere")?;
            socket.leave("lobby")?;
            socket.disconnect(true)?;
            socket.to("lobby").emit("left", ())?;
            note(reason.to_string());
            Ok::<(), Error>(())
        });
    let mut world = world(&io);
    let one = enter(&mut world, &mut io, "40");
    let other = enter(&mut world, &mut io, "40");
    world.frames(other);
    world.endpoint.begin_turn(now(world.now_ms));
    let mut bye = masked(0x81, b"421[\"bye\"]");
    world.endpoint.feed(one, &mut bye);
    dispatch_at_once(&mut world, &mut io);
    // The questions are answered once the handler has returned.
    dispatch(&mut world, &mut io);
    assert_eq!(
        taken(&log),
        [
            "server namespace disconnect",
            "Err(Disconnected)",
            "Err(Disconnected)"
        ]
    );
    assert_eq!(world.frames(other), ["42[\"left\"]"]);
    assert!(io.questions.is_empty());
}
