//! Events on their way to handlers and to clients.

use super::*;

#[test]
fn packet_middlewares_change_events_or_refuse_them() {
    let (log, note) = log();
    let mut io = Io::new();
    let (failed, any, heard, renamed) = (note.clone(), note.clone(), note.clone(), note);
    io.namespace("/")
        .packet_middleware(|_, message| match &*message.name() {
            "forbidden" => Err("not that".to_owned()),
            _ => Ok(()),
        })
        .packet_middleware(|_, message| {
            if message.name() == "raw" {
                message.args = message.args.named("cooked");
            }
            Ok(())
        })
        .on_error(move |_, error| {
            failed(format!("error {error}"));
            Ok(())
        })
        .on_any(move |_, message| {
            any(format!("any {}", message.name()));
            Ok(())
        })
        .on("forbidden", move |_, _| {
            heard("heard".to_owned());
            Ok(())
        })
        .on("cooked", move |_, message| {
            renamed(format!("cooked {}", message.args.raw(0).unwrap()));
            Ok(())
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
    io.namespace("/")
        .once("x", move |_, message| {
            once(format!("once {}", message.args.raw(0).unwrap()));
            Ok(())
        })
        .on("x", move |_, _| {
            always("on".to_owned());
            Ok(())
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
    io.namespace("/").off("x");
    say(&mut world, &mut io, two, "42[\"x\",0]");
    assert!(taken(&log).is_empty());
}

#[test]
fn everything_emitted_is_seen_but_acknowledgements_are_not() {
    let (log, note) = log();
    let mut io = Io::new();
    io.namespace("/")
        .on("go", |socket, message| {
            socket.acknowledge(message.ack, &Args::none())?;
            socket.emit("one", &Args::one(&1).unwrap())?;
            let everybody = socket.everybody()?;
            socket.emit_to(&everybody, "all", &Args::none())?;
            let room = socket.to("room")?;
            socket.emit_to(&room, "room", &Args::none())?;
            socket.send(&Args::none())?;
            socket.emit_with_ack("asked", &Args::none(), |_, _| Ok(()))?;
            socket.emit_to_with_ack_within(9, &everybody, "all asked", &Args::none(), |_, _| Ok(()))
        })
        .on_any_outgoing(move |_, target, args| {
            let rooms = target.rooms().len();
            note(format!("{} {rooms} {}", args.event_name(), args.len()));
            Ok(())
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
    io.namespace("/")
        .on_connect(|socket, _| socket.join("room"))
        .on("leave", |socket, _| socket.leave("room"))
        .on("tell", |socket, _| {
            let (room, others) = (socket.to("room")?, socket.broadcast()?);
            socket.emit_to(&room, "room", &Args::none())?;
            socket.emit_to(&others.except("room"), "outside", &Args::none())?;
            socket.emit_volatile("me", &Args::none())
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
    io.namespace("/")
        .on("out", |socket, _| {
            socket.disconnect(false)?;
            socket.emit("too late", &Args::none())
        })
        .on("ask", |socket, _| {
            let everybody = socket.everybody()?;
            let id = socket.id();
            socket.emit_to_with_ack_within(5, &everybody, "q", &Args::none(), move |endpoint, _| {
                endpoint.disconnect(id, false)?;
                endpoint.emit_to(id, "too late", &Args::none())
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
        io.namespace("/")
            .on_connect(move |socket, _| {
                connect();
                socket.emit("connect", &Args::none())
            })
            .on_any(move |_, _| {
                any();
                Ok(())
            })
            .on("x", move |socket, _| {
                on();
                // A mistake, which is no matter of the others.
                socket.emit("connect_error", &Args::none())
            })
            .once("x", move |socket, _| {
                once();
                socket.emit("y", &Args::none())
            })
            .on("x", move |_, _| {
                later();
                Ok(())
            })
            .on_any_outgoing(move |_, _, _| {
                sent();
                Ok(())
            })
            .on_disconnecting(move |_, _| {
                leave();
                Ok(())
            })
            .on_disconnect(move |_, _| {
                left();
                Ok(())
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
    io.namespace("/")
        .on_connect(|socket, _| {
            assert!(socket.is_connected());
            socket.join("lobby")
        })
        .on("bye", |socket, message| {
            socket.disconnect(false)?;
            assert!(!socket.is_connected());
            socket.acknowledge(message.ack, &Args::none())
        })
        .on_disconnect(move |socket, reason| {
            let none = Args::none();
            socket.emit("too late", &none)?;
            socket.emit_volatile("too late", &none)?;
            socket.emit_with_ack("too late", &none, |_, _| panic!("nobody answers"))?;
            let unanswered = note.clone();
            socket.emit_with_ack_within(5_000, "too late", &none, move |_, answer| {
                unanswered(format!("{answer:?}"));
                Ok(())
            })?;
            socket.join("elsewhere")?;
            socket.leave("lobby")?;
            socket.disconnect(true)?;
            let others = socket.to("lobby")?;
            socket.emit_to(&others, "left", &none)?;
            note(reason.to_string());
            Ok(())
        });
    let mut world = world(&io);
    let one = enter(&mut world, &mut io, "40");
    let other = enter(&mut world, &mut io, "40");
    world.frames(other);
    world.endpoint.begin_turn(now(world.now_ms));
    let mut bye = masked(0x81, b"421[\"bye\"]");
    world.endpoint.feed(one, &mut bye);
    dispatch_at_once(&mut world, &mut io);
    assert_eq!(
        taken(&log),
        ["Err(AckTimeout)", "server namespace disconnect"]
    );
    assert_eq!(world.frames(other), ["42[\"left\"]"]);
    assert!(io.questions.is_empty());
}
