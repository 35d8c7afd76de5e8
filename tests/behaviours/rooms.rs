//! Whom events reach.

use pulsewheel::{AckError, Args, Config, Error, Io, RoomChange, Target};

use crate::support::{add_echo, notes, run_echo, run_io, Client, Polling, Running};

/// A client that has joined these rooms.
fn member(server: &Running, rooms: &[&str]) -> (Client, String) {
    let mut client = Client::session(server.address);
    let id = client.join("/", "")["sid"]
        .as_str()
        .expect("an id")
        .to_owned();
    for room in rooms {
        client.send(&format!("421[\"join\",\"{room}\"]"));
        assert_eq!(client.text(), "431[]");
    }
    (client, id)
}

fn event(text: &str) -> String {
    format!("42[\"news\",\"{text}\"]")
}

#[test]
fn b101_a_socket_is_in_its_own_room_before_its_handlers_run() {
    let mut io = Io::new();
    io.of("/").on_connect(|_, socket| {
        let id = socket.id_text().expect("there");
        socket.everybody().to(id.as_str()).emit("welcome", ())
    });
    let server = run_io(Config::default(), io);
    let mut client = Client::session(server.address);
    client.send("40");
    assert!(client.text().starts_with("40{\"sid\":"));
    assert_eq!(client.text(), "42[\"welcome\"]");
}

#[test]
fn b102_several_rooms_make_a_union() {
    let server = run_echo(Config::default());
    let (mut both, _) = member(&server, &["a", "b"]);
    let (mut one, _) = member(&server, &["b"]);
    let (mut none, _) = member(&server, &["c"]);
    server.emit(|all| all.to("a").to("b"), "news", "union");
    server.emit(|all| all, "news", "end");
    for client in [&mut both, &mut one] {
        assert_eq!(client.text(), event("union"));
        assert_eq!(client.text(), event("end"), "each client once");
    }
    assert_eq!(none.text(), event("end"));
}

#[test]
fn b103_excepted_rooms_and_ids_are_left_out() {
    let server = run_echo(Config::default());
    let (mut plain, _) = member(&server, &["a"]);
    let (mut muted, _) = member(&server, &["a", "muted"]);
    let (mut named, id) = member(&server, &["a"]);
    server.emit(|all| all.to("a").except("muted").except(id), "news", "some");
    server.emit(|all| all, "news", "end");
    assert_eq!(plain.text(), event("some"));
    for client in [&mut plain, &mut muted, &mut named] {
        assert_eq!(client.text(), event("end"));
    }
}

#[test]
fn b104_a_sender_does_not_hear_itself() {
    let mut io = Io::new();
    add_echo(&mut io);
    io.of("/")
        .on_raw("tell all", |_, socket, message| {
            socket.others().emit("news", &message.args)
        })
        .on_raw("tell room", |_, socket, message| {
            socket.to("a").emit("news", &message.args)
        });
    let server = run_io(Config::default(), io);
    let (mut sender, _) = member(&server, &["a"]);
    let (mut other, _) = member(&server, &["a"]);
    sender.send("42[\"tell all\",\"one\"]");
    sender.send("42[\"tell room\",\"two\"]");
    assert!(sender.settled().is_empty());
    server.emit(|all| all.to("a"), "news", "three");
    assert_eq!(sender.text(), event("three"));
    for text in ["one", "two", "three"] {
        assert_eq!(other.text(), event(text));
    }
}

#[test]
fn b105_an_empty_room_is_no_error() {
    let server = run_echo(Config::default());
    let (mut client, _) = member(&server, &[]);
    server.emit(|all| all.to("nobody"), "news", "lost");
    assert!(client.settled().is_empty());
}

#[test]
fn b106_a_narrower_target_leaves_its_origin_as_it_was() {
    let server = run_echo(Config::default());
    let (mut client, _) = member(&server, &["a"]);
    server.call(|endpoint| {
        let everybody = Target::namespace(endpoint.namespace("/").expect("served"));
        let before = everybody.clone();
        let nobody = everybody.clone().to("a").except("a");
        let text = Args::one("x").expect("text");
        endpoint.emit(&nobody, "news", &text).expect("a name");
        assert_eq!(everybody, before);
        endpoint.emit(&everybody, "news", &text).expect("a name");
    });
    assert_eq!(client.settled(), [event("x")]);
}

#[test]
fn b107_the_host_hears_what_becomes_of_rooms() {
    let (sender, notes) = notes();
    let mut io = Io::new();
    add_echo(&mut io);
    io.of("/").on_raw("leave", |_, socket, _| socket.leave("a"));
    io.on_room(move |_, _, _, room, change| {
        let what = match change {
            RoomChange::Created => "created",
            RoomChange::Joined(_) => "joined",
            RoomChange::Left(_) => "left",
            RoomChange::Deleted => "deleted",
        };
        if room == "a" {
            let _ = sender.send(what.to_owned());
        }
    });
    let server = run_io(Config::default(), io);
    let (mut one, _) = member(&server, &["a"]);
    assert_eq!([notes.next(), notes.next()], ["created", "joined"]);
    let (two, _) = member(&server, &["a"]);
    assert_eq!(notes.next(), "joined");
    one.send("42[\"leave\"]");
    assert_eq!(notes.next(), "left");
    two.cut();
    assert_eq!([notes.next(), notes.next()], ["left", "deleted"]);
    let rooms = server.call(|endpoint| {
        let namespace = endpoint.namespace("/").expect("served");
        endpoint.all_rooms(namespace).count()
    });
    assert_eq!(rooms, 0);
    assert!(notes.so_far().is_empty());
}

#[test]
fn b114_on_any_outgoing_sees_what_is_emitted() {
    let (sender, notes) = notes();
    let mut io = Io::new();
    add_echo(&mut io);
    io.of("/")
        .on_raw("ask", |_, socket, _| {
            socket.ask("question", (), |_, _, _: Result<(), AckError>| ())
        })
        .on_any_outgoing(move |_, _, target, args| {
            let _ = sender.send(format!("{} {}", args.event_name(), target.rooms().len()));
        });
    let server = run_io(Config::default(), io);
    let (mut client, _) = member(&server, &["a"]);
    client.send("42[\"echo\",1]");
    assert_eq!(notes.next(), "echo 1");
    client.send("42[\"ask\"]");
    assert_eq!(notes.next(), "question 1");
    server.emit(|all| all, "news", "x");
    assert_eq!(notes.next(), "news 0");
    assert!(notes.so_far().is_empty(), "the acknowledgement is not seen");
}

#[test]
fn b115_a_handler_may_be_for_once_and_may_be_taken_away() {
    let (sender, notes) = notes();
    let mut io = Io::new();
    let gone = sender.clone();
    io.of("/")
        .once("first", move |_, _, first: String| {
            let _ = sender.send(first);
        })
        .on_raw("gone", move |_, _, _| {
            let _ = gone.send("gone".to_owned());
        })
        .off("gone");
    let server = run_io(Config::default(), io);
    for name in ["one", "two"] {
        let mut client = Client::joined(server.address);
        for number in 0..3 {
            client.send(&format!("42[\"first\",\"{name} {number}\"]"));
            client.send("42[\"gone\"]");
        }
        assert!(client.settled().is_empty());
        assert_eq!(notes.so_far(), [format!("{name} 0")]);
    }
}

#[test]
fn b109_a_volatile_event_is_dropped_where_it_would_have_to_wait() {
    let mut io = Io::new();
    io.of("/").on_raw("go", |_, socket, _| {
        socket.volatile().emit("v", 1)?;
        socket.volatile().emit("v", 2)?;
        socket.emit("normal", ())?;
        socket.volatile().emit("v", 3)
    });
    let server = run_io(Config::default(), io);

    let mut websocket = Client::joined(server.address);
    websocket.send("42[\"go\"]");
    assert_eq!(websocket.text(), "42[\"v\",1]");
    assert_eq!(websocket.text(), "42[\"normal\"]");
    assert!(websocket.settled().is_empty());
    server.emit(Target::volatile, "news", "idle");
    assert_eq!(websocket.settled(), [event("idle")]);

    let polling = Polling::join(server.address);
    polling.post("42[\"go\"]");
    assert_eq!(
        polling.poll().packets(),
        ["42[\"normal\"]"],
        "no poll was there"
    );
    let mut waiting = polling.start_poll();
    // The poll is there once a later request has been answered.
    assert_eq!(polling.post("6").text(), "ok");
    server.emit(Target::volatile, "news", "waiting");
    assert_eq!(waiting.answer().packets(), [event("waiting")]);
}

#[test]
fn b111_all_receivers_of_a_broadcast_get_the_same_bytes() {
    let server = run_echo(Config::default());
    let mut clients: Vec<_> = (0..5).map(|_| member(&server, &["a"]).0).collect();
    server.call(|endpoint| {
        let room = Target::namespace(endpoint.namespace("/").expect("served")).to("a");
        let mut args = Args::builder();
        args.push(&"x").expect("text").push_binary(&[1, 2]);
        endpoint.emit(&room, "news", &args.build()).expect("a name");
    });
    for client in &mut clients {
        let header = r#"451-["news","x",{"_placeholder":true,"num":0}]"#;
        assert_eq!(client.text(), header);
        assert_eq!(client.binary(), [1, 2]);
    }
}

#[test]
fn b41_a_waiting_poll_gets_all_that_came_in_the_same_turn() {
    let server = run_echo(Config::default());
    let session = Polling::join(server.address);
    let mut waiting = session.start_poll();
    // The poll is there once a later request has been answered.
    assert_eq!(session.post("6").text(), "ok");
    server.call(|endpoint| {
        let all = Target::namespace(endpoint.namespace("/").expect("served"));
        for text in ["one", "two", "three"] {
            let args = Args::one(text).expect("text");
            endpoint.emit(&all, "news", &args).expect("a name");
        }
    });
    assert_eq!(
        waiting.answer().packets(),
        [event("one"), event("two"), event("three")]
    );
}

#[test]
fn b87_no_more_attachments_are_sent_than_clients_take() {
    let server = run_echo(Config::default());
    let (mut client, id) = member(&server, &["a"]);
    let emit = |count: usize| {
        let id = id.clone();
        server.call(move |endpoint| {
            let all = Target::namespace(endpoint.namespace("/").expect("served"));
            let mut args = Args::builder();
            for _ in 0..count {
                args.push_binary(&[7]);
            }
            let args = args.build();
            let socket = endpoint.find_socket(&id).expect("there");
            [
                endpoint.emit(&all, "bytes", &args),
                endpoint.emit_to(socket, "bytes", &args),
                endpoint.emit_with_ack(socket, "bytes", &args).map(|_| ()),
            ]
        })
    };
    assert_eq!(emit(10), [Ok(()), Ok(()), Ok(())]);
    for _ in 0..3 {
        assert!(client.text().starts_with("4510-"));
        for _ in 0..10 {
            assert_eq!(client.binary(), [7]);
        }
    }
    let refused = || Err(Error::TooManyAttachments);
    assert_eq!(emit(11), [refused(), refused(), refused()]);
    assert!(client.settled().is_empty());
}

#[test]
fn b112_reserved_names_are_the_hosts_mistake() {
    let server = run_echo(Config::default());
    let (mut client, _) = member(&server, &[]);
    for name in [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ] {
        let result = server.call(move |endpoint| {
            let everybody = Target::namespace(endpoint.namespace("/").expect("served"));
            endpoint.emit(&everybody, name, &Args::none())
        });
        let error = result.expect_err("refused");
        assert_eq!(error, Error::ReservedEvent(name.to_owned()));
        let text = format!("\"{name}\" is a reserved event name");
        assert_eq!(error.to_string(), text);
    }
    assert!(client.settled().is_empty());
}

#[test]
fn b113_on_any_sees_every_event_and_no_acknowledgement() {
    let (sender, notes) = notes();
    let mut io = Io::new();
    io.of("/")
        .on_any(move |_, _, message| {
            let _ = sender.send(message.name().into_owned());
        })
        .on_raw("ask", |_, socket, _| {
            socket.ask(
                "question",
                (),
                |_, socket, answer: Result<Args, AckError>| {
                    socket.emit("answer", answer.expect("it is there"))
                },
            )
        });
    let server = run_io(Config::default(), io);
    let mut client = Client::joined(server.address);
    client.send("42[\"ask\"]");
    assert_eq!(client.text(), "420[\"question\"]");
    client.send("430[1]");
    assert_eq!(client.text(), "42[\"answer\",1]");
    client.send("42[\"unhandled\"]");
    assert!(client.settled().is_empty());
    assert_eq!(notes.next(), "ask");
    assert_eq!(notes.next(), "unhandled");
    assert!(notes.so_far().is_empty());
}
