//! Acknowledgements and other answers, and who waits for them.

use super::*;
use crate::io::AckTimeout;

/// A question to each client that says `ask`, with a time limit of 100 milliseconds.
fn asking(note: impl Fn(String) + Clone + Send + 'static) -> Io {
    let mut io = Io::new();
    io.namespace("/")
        .on("ask", move |socket, _| {
            let note = note.clone();
            socket.emit_with_ack_within(100, "q", &Args::none(), move |socket, answer| {
                let is_there = socket.id_text().is_some();
                match answer {
                    Ok(answer) => note(format!("{} {is_there}", answer.raw(0).unwrap())),
                    Err(error) => note(format!("{error} {is_there}")),
                }
                socket.emit("thanks", &Args::none())
            })
        })
        .on("out", |socket, _| socket.disconnect(false));
    io
}

#[test]
fn a_question_with_a_limit_is_answered_in_any_case_and_once() {
    let (log, note) = log();
    let mut io = asking(note);
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    say(&mut world, &mut io, key, "42[\"ask\"]");
    say(&mut world, &mut io, key, "430[\"yes\"]");
    world.pass_ms(200);
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert_eq!(taken(&log), ["\"yes\" true"]);
    assert_eq!(world.frames(key)[2], "42[\"thanks\"]");

    say(&mut world, &mut io, key, "42[\"ask\"]");
    world.pass_ms(100);
    dispatch(&mut world, &mut io);
    say(&mut world, &mut io, key, "431[\"late\"]");
    assert_eq!(taken(&log), ["operation has timed out true"]);

    say(&mut world, &mut io, key, "42[\"ask\"]");
    say(&mut world, &mut io, key, "41");
    assert!(taken(&log).is_empty());
    world.pass_ms(100);
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert_eq!(taken(&log), ["operation has timed out false"]);
    assert!(io.questions.is_empty());
}

#[test]
fn an_answer_counts_though_its_sender_is_disconnected_in_the_same_turn() {
    let (log, note) = log();
    let mut io = asking(note);
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    say(&mut world, &mut io, key, "42[\"ask\"]");
    let bytes = [masked(0x81, b"42[\"out\"]"), masked(0x81, b"430[\"yes\"]")];
    world.endpoint.feed(key, &mut bytes.concat());
    dispatch_at_once(&mut world, &mut io);
    world.pass_ms(200);
    dispatch(&mut world, &mut io);
    assert_eq!(taken(&log), ["\"yes\" true"]);
    assert!(io.questions.is_empty());
}

#[test]
fn what_many_answer_comes_together() {
    let (log, note) = log();
    let mut io = Io::new();
    io.namespace("/").on("ask", move |socket, message| {
        let others = socket.broadcast()?;
        let note = note.clone();
        let limit_ms = message.args.get(0).unwrap();
        socket.emit_to_with_ack_within(limit_ms, &others, "q", &Args::none(), move |_, answers| {
            let texts: Vec<&str> = answers
                .answers
                .iter()
                .filter_map(|args| args.raw(0))
                .collect();
            note(format!("{} {}", texts.join(" "), answers.all().is_ok()));
            Ok(())
        })
    });
    let mut world = world(&io);
    let alone = enter(&mut world, &mut io, "40");
    say(&mut world, &mut io, alone, "42[\"ask\",50]");
    assert_eq!(taken(&log), [" true"]);
    let others = [0; 2].map(|_| enter(&mut world, &mut io, "40"));
    say(&mut world, &mut io, alone, "42[\"ask\",50]");
    for key in others {
        say(&mut world, &mut io, key, "431[7]");
    }
    assert_eq!(taken(&log), ["7 7 true"]);
    say(&mut world, &mut io, alone, "42[\"ask\",50]");
    say(&mut world, &mut io, others[1], "432[8]");
    world.pass_ms(50);
    dispatch(&mut world, &mut io);
    assert_eq!(taken(&log), ["8 false"]);
    assert!(io.questions.is_empty());
}

#[test]
fn a_host_asks_many_and_fetches_sockets_outside_of_handlers() {
    let (log, note) = log();
    let mut io = Io::new();
    io.namespace("/")
        .on_connect(|socket, _| socket.join("room"));
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40{\"a\":1}");
    let room = world.everybody().to("room");
    let asked = note.clone();
    io.broadcast_with_ack(
        &mut world.endpoint,
        &room,
        "q",
        &Args::none(),
        50,
        move |_, answers| {
            asked(format!("{:?}", answers.all().map(<[Args]>::len)));
            Ok(())
        },
    )
    .unwrap();
    io.fetch_sockets(&mut world.endpoint, &room, 50, move |_, sockets| {
        note(format!("{} {:?}", sockets[0].auth, sockets[0].rooms));
        Ok(())
    });
    world.turn();
    dispatch(&mut world, &mut io);
    assert_eq!(taken(&log), ["{\"a\":1} [\"room\"]"]);
    world.send(key, "430[]");
    dispatch(&mut world, &mut io);
    assert_eq!(taken(&log), ["Ok(1)"]);
    let asked = io.broadcast_with_ack(
        &mut world.endpoint,
        &room,
        "connect",
        &Args::none(),
        50,
        |_, _| Ok(()),
    );
    assert_eq!(asked, Err(Error::ReservedEvent("connect".to_owned())));
    assert!(io.questions.is_empty());
    assert_eq!(AckTimeout.to_string(), "operation has timed out");
}

#[test]
fn answers_that_nobody_here_waits_for_come_back() {
    let mut io = Io::new();
    io.namespace("/");
    let mut world = world(&io);
    let everybody = world.everybody();
    world
        .endpoint
        .broadcast_with_ack(&everybody, "q", &Args::none(), 50)
        .unwrap();
    world.endpoint.fetch_cluster(&everybody, 50);
    world.turn();
    for event in world.take_events() {
        let back = io.dispatch(&mut world.endpoint, event).unwrap();
        assert!(matches!(
            back,
            Some(Event::Answered { .. } | Event::Fetched { .. })
        ));
    }
}

#[test]
fn whoever_is_asked_while_away_and_never_comes_back_leaves_nothing_behind() {
    let mut io = Io::new();
    io.namespace("/").on_disconnect(|socket, _| {
        socket.emit_with_ack("still there?", &Args::none(), |_, _| Ok(()))
    });
    let mut world = World::new(io.configure(Config {
        progress: None,
        recovery: Some(crate::RecoveryConfig::default()),
        ..Config::default()
    }));
    let key = enter(&mut world, &mut io, "40");
    world.endpoint.hang_up(key);
    world.turn();
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert!(!io.questions.is_empty());
    world.pass_ms(120_000);
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert!(io.questions.is_empty());
}
