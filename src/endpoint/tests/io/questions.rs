//! Acknowledgements and other answers, and who waits for them.

use std::time::Duration;

use super::*;
use crate::io::Responses;

const SOON: Duration = Duration::from_millis(50);

/// A question to each client that says `ask`, with a time limit of 100 milliseconds.
fn asking(note: impl Fn(String) + Clone + Send + 'static) -> Io {
    let mut io = Io::new();
    io.of("/")
        .on_raw("ask", move |_, socket, _| {
            let (note, limit) = (note.clone(), Duration::from_millis(100));
            let soon = socket.timeout(limit);
            soon.ask("q", (), move |_, socket, answer: Result<String, _>| {
                let is_there = socket.is_connected();
                match answer {
                    Ok(answer) => note(format!("{answer} {is_there}")),
                    Err(error) => note(format!("{error} {is_there}")),
                }
                socket.emit("thanks", ())
            })
        })
        .on_raw("out", |_, socket, _| socket.disconnect(false));
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
    assert_eq!(taken(&log), ["yes true"]);
    assert_eq!(world.frames(key)[2], "42[\"thanks\"]");

    say(&mut world, &mut io, key, "42[\"ask\"]");
    world.pass_ms(100);
    dispatch(&mut world, &mut io);
    say(&mut world, &mut io, key, "431[\"late\"]");
    assert_eq!(taken(&log), ["operation has timed out true"]);

    say(&mut world, &mut io, key, "42[\"ask\"]");
    say(&mut world, &mut io, key, "432[7]");
    let mismatch = "the answer is not what it should be: argument 0: invalid type: integer `7`, \
                    expected a string at line 1 column 1 true";
    assert_eq!(taken(&log), [mismatch]);

    say(&mut world, &mut io, key, "42[\"ask\"]");
    say(&mut world, &mut io, key, "41");
    assert_eq!(taken(&log), ["the client is gone false"]);
    assert!(io.questions.is_empty());
    world.pass_ms(100);
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert!(taken(&log).is_empty());
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
    assert_eq!(taken(&log), ["yes false"]);
    assert!(io.questions.is_empty());
}

#[test]
fn what_many_answer_comes_together() {
    let (log, note) = log();
    let mut io = Io::new();
    io.of("/").on_raw("ask", move |_, socket, message| {
        let note = note.clone();
        let limit = Duration::from_millis(message.args.get(0).unwrap());
        let soon = socket.others().timeout(limit);
        soon.ask("q", (), move |_, _, answers: Responses| {
            let texts: Vec<&str> = answers
                .answers
                .iter()
                .filter_map(|args| args.raw(0))
                .collect();
            note(format!("{} {}", texts.join(" "), answers.all().is_ok()));
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
    io.of("/").on_connect(|_, socket| socket.join("room"));
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40{\"a\":1}");
    let asked = note.clone();
    let mut server = io.context(&mut world.endpoint);
    let room = server.of("/").to("room").timeout(SOON);
    room.ask("q", (), move |_, _, answers| {
        asked(format!("{:?}", answers.all().map(<[Args]>::len)));
    })
    .unwrap();
    let room = server.of("/").in_room(["room"]).timeout(SOON);
    room.fetch_sockets(move |_, _, sockets| {
        note(format!("{} {:?}", sockets[0].auth, sockets[0].rooms));
    })
    .unwrap();
    world.turn();
    dispatch(&mut world, &mut io);
    assert_eq!(taken(&log), ["{\"a\":1} [\"room\"]"]);
    world.send(key, "430[]");
    dispatch(&mut world, &mut io);
    assert_eq!(taken(&log), ["Ok(1)"]);
    let mut server = io.context(&mut world.endpoint);
    let asked = server.of("/").ask("connect", (), |_, _, _| ());
    assert_eq!(asked, Err(Error::ReservedEvent("connect".to_owned())));
    let asked = server.of("/nope").ask("q", (), |_, _, _| ());
    assert_eq!(asked, Err(Error::NoSuchNamespace));
    assert!(io.questions.is_empty());
}

#[test]
fn answers_that_nobody_here_waits_for_come_back() {
    let mut io = Io::new();
    io.of("/");
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
fn whoever_is_asked_while_away_is_gone_and_leaves_nothing_behind() {
    let (log, note) = log();
    let mut io = Io::new();
    io.of("/").on_disconnect(move |_, socket, _| {
        let note = note.clone();
        socket.ask("still there?", (), move |_, _, answer: Answer| {
            note(format!("{answer:?}"));
        })
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
    assert_eq!(taken(&log), ["Err(Disconnected)"]);
    assert!(io.questions.is_empty());
}
