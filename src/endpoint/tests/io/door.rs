//! Every way to forget the door, and that nobody comes in by it.

use super::*;
use crate::endpoint::Admission;
use crate::io::{Next, Refusal};
use crate::socket::RecoveryConfig;

/// Settings that nobody has configured.
fn raw() -> Config {
    Config {
        progress: None,
        ..Config::default()
    }
}

/// Handlers of `/` that note whom they hear of, and a middleware that lets nobody in without the word.
fn guarded() -> (Io, Log) {
    let (log, note) = log();
    let mut io = Io::new();
    guard(io.of("/"), note);
    (io, log)
}

fn guard(handlers: &mut crate::Namespace, note: impl Fn(String) + Clone + Send + 'static) {
    let (connected, said, leaving, left) = (note.clone(), note.clone(), note.clone(), note);
    ask_for_word(handlers)
        .on_connect(move |_, _| {
            connected("connected".to_owned());
        })
        .on_raw("hi", move |_, _, _| {
            said("hi".to_owned());
        })
        .on_disconnecting(move |_, _, _| {
            leaving("leaving".to_owned());
        })
        .on_disconnect(move |_, _, _| {
            left("left".to_owned());
        });
}

#[derive(serde::Deserialize)]
struct Words {
    word: String,
}

fn ask_for_word(handlers: &mut crate::Namespace) -> &mut crate::Namespace {
    handlers.middleware(|_, connecting| match connecting.auth::<Words>() {
        Ok(words) if words.word == "wheel" => Ok(Next::Go),
        _ => Err("the word?".into()),
    })
}

/// A client that asks to come in without the word; what it got, and what the host was told.
fn try_it(world: &mut World, io: &mut Io, connect: &str) -> (Vec<String>, Vec<Error>) {
    let key = world.open_websocket();
    let errors = tell(world, io, key, connect);
    (world.frames(key), errors)
}

/// Feeds a packet and has each event handled before the next one is asked for, as a server does.
fn tell(world: &mut World, io: &mut Io, key: ConnectionId, packet: &str) -> Vec<Error> {
    world.endpoint.begin_turn(now(world.now_ms));
    world
        .endpoint
        .feed(key, &mut masked(0x81, packet.as_bytes()));
    let mut errors = Vec::new();
    while let Some(event) = world.endpoint.poll_event() {
        errors.extend(io.dispatch(&mut world.endpoint, event).err());
    }
    world.turn();
    errors
}

fn refusal(namespace: &str) -> String {
    format!("44{namespace}{{\"message\":\"the word?\"}}")
}

/// Whoever came in past the door is out again, with all of its connection, and nothing of it was heard.
fn assert_thrown_out(world: &World, frames: &[String], errors: &[Error], namespace: &str) {
    assert_eq!(errors, [Error::NotAsked(namespace.to_owned())]);
    assert!(frames.iter().any(|frame| frame.starts_with("41")));
    assert!(frames
        .last()
        .is_some_and(|frame| frame.starts_with("close")));
    assert_eq!(world.endpoint.counts().sockets, 0);
}

#[test]
fn a_middleware_that_is_registered_after_the_settings_were_made_is_asked() {
    let mut io = Io::new();
    let mut world = World::new(io.configure(raw()));
    ask_for_word(io.of("/"));
    let (frames, errors) = try_it(&mut world, &mut io, "40");
    assert_eq!((frames, errors), (vec![refusal("")], vec![]));
    let key = enter(&mut world, &mut io, "40{\"word\":\"wheel\"}");
    assert!(world.frames(key)[0].starts_with("40{"));
    assert_eq!(io.turned_away(), 0);
}

#[test]
fn a_middleware_that_is_registered_between_settings_and_server_is_asked() {
    let mut io = Io::new();
    let config = io.configure(raw());
    ask_for_word(io.of("/"));
    let mut world = World::new(config);
    let (frames, errors) = try_it(&mut world, &mut io, "40");
    assert_eq!((frames, errors), (vec![refusal("")], vec![]));
}

#[test]
fn settings_that_were_never_configured_let_nobody_in() {
    let (mut io, log) = guarded();
    let mut world = World::new(raw());
    let (frames, errors) = try_it(&mut world, &mut io, "40");
    assert_thrown_out(&world, &frames, &errors, "/");
    assert_eq!(io.turned_away(), 1);
    // From the first event on the endpoint knows whom it has to ask.
    let (frames, errors) = try_it(&mut world, &mut io, "40");
    assert_eq!((frames, errors), (vec![refusal("")], vec![]));
    let key = enter(&mut world, &mut io, "40{\"word\":\"wheel\"}");
    assert!(world.frames(key)[0].starts_with("40{"));
    assert_eq!(taken(&log), ["connected"]);
}

#[test]
fn middlewares_of_one_namespace_throw_nobody_out_of_another() {
    let (mut io, _) = guarded();
    io.of("/open");
    let config = Config {
        namespaces: vec!["/".to_owned(), "/open".to_owned()],
        ..raw()
    };
    let mut world = World::new(config);
    let (frames, errors) = try_it(&mut world, &mut io, "40/open,");
    assert!(frames[0].starts_with("40/open,{") && errors.is_empty());
}

#[test]
fn whoever_the_host_lets_in_past_the_middlewares_is_thrown_out() {
    let (mut io, log) = guarded();
    let mut world = World::new(io.configure(raw()));
    let key = world.open_websocket();
    world.send(key, "40");
    // The host decides by itself and passes on only what comes of it.
    let events = world.take_events();
    let [Event::ConnectRequested { ticket, .. }] = events[..] else {
        panic!("{events:?}")
    };
    world.endpoint.accept_connect(ticket).unwrap();
    let errors = tell(&mut world, &mut io, key, "42[\"hi\"]");
    let frames = world.frames(key);
    assert_thrown_out(&world, &frames, &errors, "/");
    assert!(taken(&log).is_empty());
}

#[test]
fn whose_messages_alone_are_dispatched_is_thrown_out_at_the_first() {
    let (mut io, log) = guarded();
    for configured in [false, true] {
        let mut world = World::new(if configured {
            io.configure(raw())
        } else {
            raw()
        });
        let key = world.open_websocket();
        world.send(key, "40");
        for event in world.take_events() {
            if let Event::ConnectRequested { ticket, .. } = event {
                world.endpoint.accept_connect(ticket).unwrap();
                world.turn();
            }
        }
        // What has happened so far is not passed on.
        world.take_events();
        let errors = tell(&mut world, &mut io, key, "42[\"hi\"]");
        let frames = world.frames(key);
        assert_thrown_out(&world, &frames, &errors, "/");
        assert!(taken(&log).is_empty());
    }
}

#[test]
fn whoever_the_host_does_not_ask_about_waits_and_is_refused() {
    let (io, _) = guarded();
    let mut world = World::new(io.configure(Config {
        connect_timeout_ms: 5_000,
        ..raw()
    }));
    let key = world.open_websocket();
    world.send(key, "40{\"word\":\"wheel\"}");
    // Its event goes nowhere.
    world.take_events();
    let everybody = world.everybody();
    let news = Args::none();
    world.endpoint.emit(&everybody, "news", &news).unwrap();
    world.turn();
    assert!(world.frames(key).is_empty());
    assert!(world.endpoint.fetch_sockets(&everybody).is_empty());
    world.pass_ms(5_000);
    let frames = world.frames(key);
    assert!(frames.concat().contains("close") && !frames.concat().contains("40{"));
    assert_eq!(world.endpoint.counts().sockets, 0);
}

#[test]
fn another_io_than_the_configured_one_lets_nobody_in() {
    // One of both has a middleware: that which made the settings, or that which gets the events; before or after that.
    for is_first in [true, false] {
        for is_late in [true, false] {
            let (mut first, mut second) = (Io::new(), Io::new());
            let register = |first: &mut Io, second: &mut Io| {
                let guarded = if is_first { first } else { second };
                ask_for_word(guarded.of("/"));
            };
            if !is_late {
                register(&mut first, &mut second);
            }
            let mut world = World::new(second.configure(first.configure(raw())));
            if is_late {
                register(&mut first, &mut second);
            }
            let (frames, errors) = try_it(&mut world, &mut second, "40{\"word\":\"wheel\"}");
            if is_first || !is_late {
                assert_eq!(frames, [r#"44{"message":"Not allowed"}"#]);
                assert_eq!(errors, [Error::OtherIo]);
            } else {
                assert_thrown_out(&world, &frames, &errors, "/");
            }
            assert_eq!(world.endpoint.counts().sockets, 0);
            assert_eq!(second.turned_away(), 1);
        }
    }
}

#[test]
fn another_io_is_as_good_where_nothing_was_to_be_asked() {
    let (first, mut second) = (Io::new(), Io::new());
    second.of("/").on_connect(|_, socket| socket.join("a"));
    let mut world = World::new(first.configure(raw()));
    let (frames, errors) = try_it(&mut world, &mut second, "40");
    assert!(frames[0].starts_with("40{") && errors.is_empty());
}

#[test]
fn an_allow_request_that_is_registered_late_is_asked() {
    let mut io = Io::new();
    let mut world = World::new(io.configure(raw()));
    let old = world.open_websocket();
    let (inside, _) = world.enter("40");
    io.allow_request(
        |_, opening| match opening.request().query("word").as_deref() {
            Some("wheel") => Ok(Next::Go),
            _ => Err("the word?".into()),
        },
    );
    let ask = |world: &mut World, io: &mut Io, query: &str| {
        let key = world.open();
        world.feed(key, get(query));
        assert_eq!(dispatch(world, io), []);
        status(&world.take_text(key))
    };
    assert_eq!(ask(&mut world, &mut io, "EIO=4&transport=polling"), 403);
    let query = "EIO=4&transport=polling&word=wheel";
    assert_eq!(ask(&mut world, &mut io, query), 200);
    // Whose session opened before, but who comes in only now, was not asked about.
    let errors = tell(&mut world, &mut io, old, "40");
    assert_eq!(errors, [Error::NotAsked("/".to_owned())]);
    assert!(world.frames(old).concat().contains("close"));
    // Who was in stays.
    world.send(inside, "42[\"hi\"]");
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert_eq!(world.endpoint.counts().sockets, 1);
}

#[test]
fn an_allow_request_that_nobody_asks_lets_nobody_in() {
    let mut io = Io::new();
    io.allow_request(|_, _| Ok(Next::Go));
    let mut world = World::new(raw());
    let (frames, errors) = try_it(&mut world, &mut io, "40");
    assert_thrown_out(&world, &frames, &errors, "/");

    // The host decides by itself.
    let mut world = World::new(io.configure(raw()));
    let key = world.open();
    world.feed(key, upgrade("EIO=4&transport=websocket"));
    let events = world.take_events();
    let [Event::AllowRequest { ticket, .. }] = events[..] else {
        panic!("{events:?}")
    };
    world.endpoint.admit(ticket, Admission::accept()).unwrap();
    world.turn();
    world.take(key);
    let errors = tell(&mut world, &mut io, key, "40");
    let frames = world.frames(key);
    assert_thrown_out(&world, &frames, &errors, "/");
}

#[test]
fn an_allow_request_that_decides_later_has_been_asked() {
    let mut io = Io::new();
    let tickets = Arc::<Mutex<Vec<_>>>::default();
    let into = tickets.clone();
    io.allow_request(move |_, opening| {
        into.lock().unwrap().push(opening.id());
        Ok(Next::Later)
    });
    let mut world = World::new(io.configure(raw()));
    let key = world.open();
    world.feed(key, upgrade("EIO=4&transport=websocket"));
    assert_eq!(dispatch(&mut world, &mut io), []);
    let ticket = tickets.lock().unwrap().pop().unwrap();
    world.endpoint.admit(ticket, Admission::accept()).unwrap();
    world.turn();
    world.take(key);
    say(&mut world, &mut io, key, "40");
    assert!(world.frames(key)[0].starts_with("40{"));
}

#[test]
fn each_of_several_allow_requests_has_to_accept() {
    // What the first and the second say, and which of them the host gives its acceptance for later; whether that is enough.
    type Say = fn() -> Result<Next, Refusal>;
    let accept: Say = || Ok(Next::Go);
    let refuse: Say = || Err("no".into());
    let later: Say = || Ok(Next::Later);
    for (first, second, acceptances, expected) in [
        (accept, accept, 0, Some(200)),
        (accept, refuse, 0, Some(403)),
        (refuse, accept, 0, Some(403)),
        (later, refuse, 0, Some(403)),
        (later, accept, 0, None),
        (later, accept, 1, Some(200)),
        (accept, later, 1, Some(200)),
        (later, later, 1, None),
        (later, later, 2, Some(200)),
    ] {
        let mut io = Io::new();
        let tickets = Arc::<Mutex<Vec<_>>>::default();
        for say in [first, second] {
            let into = tickets.clone();
            io.allow_request(move |_, opening| {
                into.lock().unwrap().push(opening.id());
                opening.header("X-Seen", "yes");
                say()
            });
        }
        let mut world = World::new(io.configure(raw()));
        let key = world.open();
        world.feed(key, get("EIO=4&transport=polling"));
        assert_eq!(dispatch(&mut world, &mut io), []);
        let ticket = tickets.lock().unwrap()[0];
        for _ in 0..acceptances {
            world.endpoint.admit(ticket, Admission::accept()).unwrap();
        }
        world.turn();
        let answer = world.take_text(key);
        let given = (!answer.is_empty()).then(|| status(&answer));
        assert_eq!(given, expected);
        let seen = [first(), second()];
        let seen = seen
            .iter()
            .filter(|said| matches!(said, Ok(Next::Go)))
            .count();
        if expected == Some(200) {
            assert_eq!(answer.matches("X-Seen: yes").count(), seen);
        }
    }
}

#[test]
fn bare_sessions_that_allow_request_was_not_asked_about_are_closed() {
    let mut io = Io::new();
    io.allow_request(|_, _| Ok(Next::Go));
    let mut world = World::new(Config::engine_only("/socket.io/"));
    let key = world.open_websocket();
    let errors = dispatch(&mut world, &mut io);
    assert_eq!(errors, [Error::NotAsked(String::new())]);
    assert!(world.frames(key).concat().contains("close"));
    assert_eq!((world.endpoint.counts().sessions, io.turned_away()), (0, 1));
    // From then on it is asked.
    let key = world.open();
    world.feed(key, upgrade("EIO=4&transport=websocket"));
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert!(world.take(key).starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn middlewares_of_a_pattern_guard_namespaces_of_the_settings_and_of_the_host() {
    for is_configured in [true, false] {
        let mut io = Io::new();
        let config = Config {
            namespaces: vec!["/room-1".to_owned()],
            ..raw()
        };
        let mut world = World::new(if is_configured {
            io.configure(config)
        } else {
            config
        });
        world.endpoint.add_namespace("/room-2").unwrap();
        ask_for_word(io.of_pattern("/room-*"));
        for name in ["/room-1", "/room-2"] {
            let (frames, errors) = try_it(&mut world, &mut io, &format!("40{name},"));
            if is_configured || name == "/room-2" {
                let expected = (vec![refusal(&format!("{name},"))], vec![]);
                assert_eq!((frames, errors), expected, "{name}");
            } else {
                assert_thrown_out(&world, &frames, &errors, name);
            }
        }
    }
}

#[test]
fn a_pattern_or_a_decision_that_is_registered_late_is_asked() {
    for is_decision in [true, false] {
        let mut io = Io::new();
        let mut world = World::new(io.configure(raw()));
        let (frames, errors) = try_it(&mut world, &mut io, "40/team-1,");
        let unknown = r#"44/team-1,{"message":"Invalid namespace"}"#;
        assert_eq!((frames, errors), (vec![unknown.to_owned()], vec![]));
        ask_for_word(match is_decision {
            true => io.of_dynamic("teams", |_, name, _| name.starts_with("/team-")),
            false => io.of_pattern("/team-*"),
        });
        let (frames, errors) = try_it(&mut world, &mut io, "40/team-1,");
        assert_eq!((frames, errors), (vec![refusal("/team-1,")], vec![]));
        let key = enter(&mut world, &mut io, "40/team-1,{\"word\":\"wheel\"}");
        assert!(world.frames(key)[0].starts_with("40/team-1,{"));
    }
}

#[test]
fn a_middleware_added_to_a_pattern_guards_the_children_that_live() {
    let mut io = Io::new();
    io.of_pattern("/team-*");
    let mut world = World::new(io.configure(raw()));
    let inside = enter(&mut world, &mut io, "40/team-1,");
    ask_for_word(io.of_pattern("/team-*"));
    let (frames, errors) = try_it(&mut world, &mut io, "40/team-1,");
    assert_eq!((frames, errors), (vec![refusal("/team-1,")], vec![]));
    say(&mut world, &mut io, inside, "42/team-1,[\"hi\"]");
    assert_eq!(world.endpoint.counts().sockets, 1);
}

#[test]
fn a_namespace_that_is_registered_late_is_there_with_its_middlewares() {
    let mut io = Io::new();
    let mut world = World::new(io.configure(raw()));
    io.of("/open");
    ask_for_word(io.of("/closed"));
    let (frames, errors) = try_it(&mut world, &mut io, "40/open,");
    assert!(frames[0].starts_with("40/open,{") && errors.is_empty());
    let (frames, errors) = try_it(&mut world, &mut io, "40/closed,");
    assert_eq!((frames, errors), (vec![refusal("/closed,")], vec![]));
}

#[test]
fn handlers_of_a_name_come_instead_of_a_patterns_for_whoever_asks_from_then_on() {
    let (log, note) = log();
    let mut io = Io::new();
    io.of_pattern("/team-*");
    let mut world = World::new(io.configure(raw()));
    enter(&mut world, &mut io, "40/team-1,");
    guard(io.of("/team-1"), note);
    let (frames, errors) = try_it(&mut world, &mut io, "40/team-1,");
    assert_eq!((frames, errors), (vec![refusal("/team-1,")], vec![]));
    let key = enter(&mut world, &mut io, "40/team-1,{\"word\":\"wheel\"}");
    say(&mut world, &mut io, key, "42/team-1,[\"hi\"]");
    assert_eq!(taken(&log), ["connected", "hi"]);
}

#[test]
fn a_middleware_for_events_that_is_registered_late_sees_the_next_one() {
    let (mut io, log) = guarded();
    let mut world = World::new(io.configure(raw()));
    let key = enter(&mut world, &mut io, "40{\"word\":\"wheel\"}");
    io.of("/")
        .packet_middleware(|_, _, _| Err("not that".into()));
    say(&mut world, &mut io, key, "42[\"hi\"]");
    assert_eq!(taken(&log), ["connected"]);
}

#[test]
fn who_comes_back_is_let_in_by_the_rules_of_today() {
    // Nothing has changed; a middleware was added, for somebody else; one that refuses was.
    for (added, is_let_in) in [(None, true), (Some("/other"), true), (Some("/"), false)] {
        let mut io = Io::new();
        io.of("/").middleware(|_, _| Ok(Next::Go));
        let mut world = World::new(io.configure(Config {
            recovery: Some(RecoveryConfig::default()),
            ..raw()
        }));
        let key = enter(&mut world, &mut io, "40");
        let answer = world.frames(key).concat();
        let pid = pid(&answer);
        world.endpoint.hang_up(key);
        world.turn();
        dispatch(&mut world, &mut io);
        if let Some(name) = added {
            ask_for_word(io.of(name));
        }
        let back = format!("40{{\"pid\":\"{pid}\"}}");
        let (frames, errors) = try_it(&mut world, &mut io, &back);
        let asked: Vec<&str> = frames.iter().map(|frame| &frame[..2]).collect();
        let expected = if is_let_in { "40" } else { "44" };
        assert_eq!((asked, errors), (vec![expected], vec![]), "{added:?}");
        assert_eq!(
            world.endpoint.counts().sockets,
            usize::from(is_let_in),
            "{added:?}"
        );
    }
}

#[test]
fn who_was_let_in_unasked_does_not_come_back_by_skipping_the_middlewares() {
    let (mut io, log) = guarded();
    let mut world = World::new(Config {
        recovery: Some(RecoveryConfig::default()),
        ..raw()
    });
    let key = world.open_websocket();
    world.send(key, "40");
    let answer = world.frames(key).concat();
    let pid = pid(&answer);
    world.endpoint.hang_up(key);
    world.turn();
    world.take_events();
    let back = format!("40{{\"pid\":\"{pid}\"}}");
    let (frames, errors) = try_it(&mut world, &mut io, &back);
    assert_thrown_out(&world, &frames, &errors, "/");
    assert!(taken(&log).is_empty());
}

#[test]
fn what_is_wanted_beside_decisions_may_be_wanted_late_too() {
    let (log, note) = log();
    let mut io = Io::new();
    let mut world = World::new(io.configure(raw()));
    let (emitted, rooms, refused) = (note.clone(), note.clone(), note);
    io.of("/")
        .on_connect(|_, socket| socket.join("a"))
        .on_any_outgoing(move |_, _, _, args| {
            emitted(args.event_name().into_owned());
        });
    io.on_room(move |_, _, _, room, _| rooms(room.to_owned()));
    io.on_connection_error(move |_, error| refused(error.message.to_owned()));
    enter(&mut world, &mut io, "40");
    assert!(taken(&log).contains(&"a".to_owned()));
    let everybody = world.everybody();
    world.endpoint.emit(&everybody, "x", &Args::none()).unwrap();
    world.turn();
    dispatch(&mut world, &mut io);
    assert_eq!(taken(&log), ["x"]);
    world.request(&get("EIO=2&transport=polling"));
    dispatch(&mut world, &mut io);
    assert_eq!(taken(&log), ["Unsupported protocol version"]);
}
