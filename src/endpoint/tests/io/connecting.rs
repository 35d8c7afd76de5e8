//! Middlewares, namespaces that are made for clients, and what is kept with a socket.

use super::*;
use crate::endpoint::ConnectId;
use crate::io::{Next, Refusal};
use crate::socket::{ConnectError, NamespaceId, RecoveryConfig};

#[derive(serde::Deserialize)]
struct Auth {
    name: String,
}

#[test]
fn middlewares_run_in_order_before_the_client_is_in() {
    let (log, note) = log();
    let mut io = Io::new();
    let handlers = io.of("/");
    for number in 1..=3 {
        let note = note.clone();
        handlers.middleware(move |_, connecting| {
            note(format!(
                "{number} {}",
                connecting.auth::<Auth>().unwrap().name
            ));
            assert_eq!(connecting.request().unwrap().namespace, "/");
            Ok(Next::Go)
        });
    }
    handlers.on_connect(move |_, socket| {
        note(format!("in {}", socket.auth::<Auth>().unwrap().name));
    });
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, r#"40{"name":"Ada"}"#);
    assert_eq!(taken(&log), ["1 Ada", "2 Ada", "3 Ada", "in Ada"]);
    assert!(world.frames(key)[0].starts_with("40{"));
}

#[test]
fn a_middleware_that_refuses_is_the_last_one_asked() {
    let (log, note) = log();
    let mut io = Io::new();
    io.of("/")
        .middleware(|_, connecting| match connecting.auth::<Auth>() {
            Ok(_) => Ok(Next::Go),
            Err(_) => Err(Refusal::new("who are you?").with_data(1)),
        })
        .middleware(move |_, _| {
            note("second".to_owned());
            Ok(Next::Go)
        });
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    assert_eq!(
        world.frames(key),
        [r#"44{"message":"who are you?","data":1}"#]
    );
    assert!(taken(&log).is_empty());
    say(&mut world, &mut io, key, r#"40{"name":"Ada"}"#);
    assert!(world.frames(key)[0].starts_with("40{"));
    assert_eq!(taken(&log), ["second"]);
}

#[test]
fn what_a_middleware_cannot_read_refuses_and_says_why() {
    let mut io = Io::new();
    io.of("/").middleware(|_, connecting| {
        let Auth { name } = connecting.auth()?;
        connecting.join(name)?;
        Ok(Next::Go)
    });
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    let [refused] = &world.frames(key)[..] else {
        panic!("one answer");
    };
    assert!(
        refused.starts_with(r#"44{"message":"missing field `name`"#),
        "{refused}"
    );
    say(&mut world, &mut io, key, r#"40{"name":"Ada"}"#);
    assert!(world.frames(key)[0].starts_with("40{"));
}

/// Handlers of which the second middleware decides later; its tickets.
fn deciding_later(
    handlers: &mut crate::Namespace,
    note: impl Fn(String) + Clone + Send + 'static,
) -> Arc<Mutex<Vec<ConnectId>>> {
    let tickets = Arc::<Mutex<Vec<ConnectId>>>::default();
    let into = tickets.clone();
    let (first, second, third, connected) = (note.clone(), note.clone(), note.clone(), note);
    handlers
        .middleware(move |_, connecting| {
            first("first".to_owned());
            connecting.set_data("from a middleware").unwrap();
            Ok(Next::Go)
        })
        .middleware(move |_, connecting| {
            second("second".to_owned());
            into.lock().unwrap().push(connecting.id());
            Ok(Next::Later)
        })
        .middleware(move |_, _| {
            third("third".to_owned());
            Ok(Next::Go)
        })
        .on_connect(move |_, socket| {
            connected(format!("in, {}", socket.data::<&str>().unwrap()));
        });
    tickets
}

#[test]
fn whoever_is_passed_on_later_comes_to_the_next_middleware() {
    let (log, note) = log();
    let mut io = Io::new();
    let tickets = deciding_later(io.of("/"), note);
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    assert_eq!(taken(&log), ["first", "second"]);
    assert!(world.frames(key).is_empty());
    let ticket = tickets.lock().unwrap().pop().unwrap();
    world.endpoint.pass_connect(ticket).unwrap();
    world.turn();
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert_eq!(taken(&log), ["third", "in, from a middleware"]);
    assert!(world.frames(key)[0].starts_with("40{"));
}

#[test]
fn whoever_is_accepted_later_is_asked_no_more() {
    for (name, is_child) in [("/", false), ("/child-1", true), ("/decided", true)] {
        let (log, note) = log();
        let mut io = Io::new();
        let handlers = match name {
            "/" => io.of("/"),
            "/child-1" => io.of_pattern("/child-*"),
            _ => io.of_dynamic("some", |_, name, _| name == "/decided"),
        };
        let tickets = deciding_later(handlers, note);
        let mut world = world(&io);
        let key = enter(&mut world, &mut io, &format!("40{name},"));
        taken(&log);
        let ticket = tickets.lock().unwrap().pop().unwrap();
        world.endpoint.accept_connect(ticket).unwrap();
        world.turn();
        assert_eq!(dispatch(&mut world, &mut io), []);
        assert_eq!(taken(&log), ["in, from a middleware"], "{name}");
        assert_eq!(world.frames(key).len(), 1);
        let children = io.children(&world.endpoint, "/child-*").len()
            + io.children(&world.endpoint, "some").len();
        assert_eq!(children, usize::from(is_child));
    }
}

#[test]
fn whoever_is_refused_later_hears_of_it_and_whoever_is_gone_does_not() {
    let (log, note) = log();
    let mut io = Io::new();
    let tickets = deciding_later(io.of("/"), note);
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    let ticket = tickets.lock().unwrap().pop().unwrap();
    world
        .endpoint
        .refuse_connect(ticket, &ConnectError::new("no"))
        .unwrap();
    world.turn();
    assert_eq!(world.frames(key), [r#"44{"message":"no"}"#]);
    taken(&log);

    // Gone between the question and the middlewares.
    world.send(key, "40");
    world.endpoint.hang_up(key);
    assert_eq!(dispatch(&mut world, &mut io), []);
    assert!(taken(&log).is_empty());
}

#[test]
fn a_middleware_that_decides_by_itself_leaves_out_the_others() {
    let (log, note) = log();
    let mut io = Io::new();
    io.of("/")
        .middleware(|_, connecting| {
            let ticket = connecting.id();
            connecting.endpoint().accept_connect(ticket).unwrap();
            Ok(Next::Go)
        })
        .middleware(move |_, _| {
            note("too late".to_owned());
            Err("no".into())
        });
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    assert!(world.frames(key)[0].starts_with("40{"));
    assert!(taken(&log).is_empty());
}

#[test]
fn namespaces_are_made_where_their_names_match_or_a_decision_says_so() {
    let (log, note) = log();
    let mut io = Io::new();
    let made = note.clone();
    io.on_new_namespace(move |_, server, namespace| {
        made(format!(
            "new {}",
            server.endpoint().namespace_name(namespace).unwrap()
        ));
    });
    let (like, decided) = (note.clone(), note);
    io.of_pattern("/workspace-*").on_raw("hi", move |_, _, _| {
        like("like".to_owned());
    });
    io.of_dynamic("members", |_, name, auth| {
        name.starts_with('/') && auth.get::<Auth>(0).is_ok_and(|auth| auth.name == "Ada")
    })
    .on_raw("hi", move |_, _, _| {
        decided("decided".to_owned());
    });
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40/workspace-1,");
    for packet in [
        "40/workspace-2,",
        r#"40/club,{"name":"Ada"}"#,
        "40/workspace,",
        "40/",
    ] {
        say(&mut world, &mut io, key, packet);
    }
    let answers: Vec<bool> = world
        .frames(key)
        .iter()
        .map(|frame| frame.starts_with("40"))
        .collect();
    // The last one is there in any case.
    assert_eq!(answers, [true, true, true, false, true]);
    assert_eq!(
        taken(&log),
        ["new /workspace-1", "new /workspace-2", "new /club"]
    );
    say(&mut world, &mut io, key, "42/workspace-2,[\"hi\"]");
    say(&mut world, &mut io, key, "42/club,[\"hi\"]");
    assert_eq!(taken(&log), ["like", "decided"]);

    let children = io.children(&world.endpoint, "/workspace-*");
    let names = children
        .iter()
        .map(|child| world.endpoint.namespace_name(child.namespace_id()));
    assert_eq!(
        names.flatten().collect::<Vec<_>>(),
        ["/workspace-1", "/workspace-2"]
    );
    for child in children {
        world.endpoint.emit(&child, "all", &Args::none()).unwrap();
    }
    world.turn();
    assert_eq!(
        world.frames(key),
        ["42/workspace-1,[\"all\"]", "42/workspace-2,[\"all\"]"]
    );
    assert_eq!(io.children(&world.endpoint, "members").len(), 1);
    assert!(io.children(&world.endpoint, "/").is_empty());
}

#[test]
fn a_namespace_that_went_and_came_again_has_its_handlers() {
    let (log, note) = log();
    let mut io = Io::new();
    io.of_pattern("/child-*").on_connect(move |_, socket| {
        note(format!("{:?}", socket.rooms().count()));
    });
    let mut world = World::new(io.configure(Config {
        cleanup_empty_child_namespaces: true,
        progress: None,
        ..Config::default()
    }));
    for _ in 0..5 {
        let key = enter(&mut world, &mut io, "40/child-1,");
        say(&mut world, &mut io, key, "41/child-1,");
    }
    assert_eq!(taken(&log).len(), 5);
    assert!(io.children(&world.endpoint, "/child-*").is_empty());
}

#[test]
fn the_settings_are_those_that_the_handlers_need() {
    let settings = |io: &Io| {
        let config = io.configure(Config::default());
        let flags = [
            config.connect_requests,
            config.emitted_events,
            config.room_events,
        ];
        (config.namespaces, flags)
    };
    let mut io = Io::new();
    io.of("/").on_raw("x", |_, _, _| ());
    assert_eq!(settings(&io), (vec!["/".to_owned()], [false; 3]));
    io.of("/custom").on_any_outgoing(|_, _, _, _| ());
    assert_eq!(settings(&io).1, [false, true, false]);
    io.on_room(|_, _, _, _, _| ());
    assert_eq!(settings(&io).1, [false, true, true]);
    io.of_pattern("/a*");
    let names = vec!["/".to_owned(), "/custom".to_owned()];
    assert_eq!(settings(&io), (names, [true; 3]));
    let mut io = Io::new();
    io.of("/").middleware(|_, _| Ok(Next::Go));
    assert_eq!(settings(&io).1, [true, false, false]);
    let mut io = Io::new();
    io.of_dynamic("label", |_, _, _| true);
    assert_eq!(settings(&io), (vec!["/".to_owned()], [true, false, false]));
    let none = Config {
        namespaces: Vec::new(),
        ..Config::default()
    };
    assert!(io.configure(none).namespaces.is_empty());
    let wanted = Config {
        connect_requests: true,
        emitted_events: true,
        room_events: true,
        ..Config::default()
    };
    let kept = Io::new().configure(wanted);
    assert!(kept.connect_requests && kept.emitted_events && kept.room_events);
}

#[test]
fn data_has_a_type_and_is_there_until_the_client_has_left() {
    let (log, note) = log();
    let mut io = Io::new();
    let (disconnecting, disconnected) = (note.clone(), note);
    io.of("/")
        .on_connect(|_, socket| socket.set_data(vec![1]))
        .on_raw("count", |_, socket, message| {
            let data = socket.data_mut::<Vec<i32>>().unwrap();
            data.push(2);
            let length = Args::one(&data.len()).unwrap();
            socket.acknowledge(message.ack, &length)
        })
        .on_disconnecting(move |_, socket, reason| {
            let (rooms, data) = (socket.rooms().count(), socket.data::<Vec<i32>>());
            disconnecting(format!("disconnecting {reason} {rooms} {data:?}"));
        })
        .on_disconnect(move |_, socket, reason| {
            assert!(socket.data::<String>().is_none() && socket.client().is_some());
            let (rooms, data) = (socket.rooms().count(), socket.data::<Vec<i32>>());
            disconnected(format!("disconnected {reason} {rooms} {data:?}"));
            socket.emit("too late", ())
        });
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    say(&mut world, &mut io, key, "420[\"count\"]");
    assert_eq!(world.frames(key)[1], "430[2]");
    let socket = world.endpoint.fetch_sockets(&world.everybody())[0];
    world.endpoint.join(socket, "room").unwrap();
    world.endpoint.feed(key, &mut masked(0x81, b"41"));
    dispatch_at_once(&mut world, &mut io);
    assert_eq!(
        taken(&log),
        [
            "disconnecting client namespace disconnect 1 Some([1, 2])",
            "disconnected client namespace disconnect 0 Some([1, 2])"
        ]
    );
}

#[test]
fn a_socket_that_comes_back_is_told_from_a_new_one_and_one_that_does_not_expires() {
    let (log, note) = log();
    let mut io = Io::new();
    let (connected, expired) = (note.clone(), note);
    io.of("/")
        .on_connect(move |_, socket| {
            connected(format!(
                "{} {:?}",
                socket.is_recovered(),
                socket.data::<u8>()
            ));
            socket.set_data(7_u8)
        })
        .on_recovery_expired(move |_, socket| {
            expired(format!("expired {:?}", socket.data::<u8>()));
        });
    let mut world = World::new(io.configure(Config {
        recovery: Some(RecoveryConfig::default()),
        progress: None,
        ..Config::default()
    }));
    let key = enter(&mut world, &mut io, "40");
    let answer = world.frames(key).concat();
    let pid = pid(&answer);
    world.endpoint.hang_up(key);
    world.turn();
    dispatch(&mut world, &mut io);
    let back = format!("40{{\"pid\":\"{pid}\"}}");
    let key = enter(&mut world, &mut io, &back);
    world.endpoint.hang_up(key);
    world.turn();
    dispatch(&mut world, &mut io);
    world.expire_in_ms(120_000);
    dispatch_at_once(&mut world, &mut io);
    assert_eq!(
        taken(&log),
        ["false None", "true Some(7)", "expired Some(7)"]
    );
}

#[test]
fn what_becomes_of_rooms_is_told_with_names() {
    let (log, note) = log();
    let mut io = Io::new();
    io.of("/").on_raw("join", |_, socket, _| socket.join("a"));
    io.on_room(move |_, server, namespace: NamespaceId, room, change| {
        let namespace = server
            .endpoint()
            .namespace_name(namespace)
            .unwrap_or_default()
            .to_owned();
        if room == "a" {
            let change = format!("{change:?}");
            let kind: String = change
                .chars()
                .take_while(char::is_ascii_alphabetic)
                .collect();
            note(format!("{namespace} {room} {kind}"));
        }
    });
    let mut world = world(&io);
    let key = enter(&mut world, &mut io, "40");
    say(&mut world, &mut io, key, "42[\"join\"]");
    say(&mut world, &mut io, key, "41");
    assert_eq!(
        taken(&log),
        ["/ a Created", "/ a Joined", "/ a Left", "/ a Deleted"]
    );
}

#[test]
fn b162_handlers_are_found_though_the_slash_of_their_name_is_left_out() {
    let (log, note) = log();
    let mut io = Io::new();
    for name in ["chat", "/chat"] {
        let note = note.clone();
        io.of(name).on_connect(move |_, _| {
            note(format!("{name} in"));
        });
    }
    for pattern in ["dyn-*", "*-any"] {
        let note = note.clone();
        io.of_pattern(pattern).on_connect(move |_, _| {
            note(format!("{pattern} in"));
        });
    }
    let mut world = world(&io);
    for (connect, noted) in [
        ("40/chat,", "/chat in"),
        ("40/dyn-1,", "dyn-* in"),
        ("40/of-any,", "*-any in"),
    ] {
        enter(&mut world, &mut io, connect);
        assert!(taken(&log).contains(&noted.to_owned()), "{connect}");
    }
    for pattern in ["dyn-*", "/dyn-*", "*-any"] {
        assert_eq!(io.children(&world.endpoint, pattern).len(), 1, "{pattern}");
    }
}

#[test]
fn b165_a_middleware_may_have_its_client_join_rooms() {
    let mut io = Io::new();
    io.of("/")
        .middleware(|_, connecting| {
            let auth: Auth = connecting.auth().map_err(|error| error.to_string())?;
            connecting
                .join(&auth.name)
                .map_err(|error| error.to_string())?;
            connecting
                .join("everybody")
                .map_err(|error| error.to_string())?;
            Ok(Next::Go)
        })
        .middleware(|_, connecting| match connecting.auth::<Auth>() {
            Ok(auth) if auth.name == "Eve" => Err("not you".into()),
            _ => Ok(Next::Go),
        })
        .on_connect(|_, socket| {
            let rooms: Vec<&str> = socket.rooms().collect();
            let rooms = Args::one(&rooms).expect("texts");
            socket.emit("rooms", &rooms)
        });
    let mut world = world(&io);
    let eve = enter(&mut world, &mut io, r#"40{"name":"Eve"}"#);
    assert_eq!(world.frames(eve), [r#"44{"message":"not you"}"#]);
    let everybody = world.everybody().to("everybody");
    assert!(world.endpoint.fetch_sockets(&everybody).is_empty());
    let ada = enter(&mut world, &mut io, r#"40{"name":"Ada"}"#);
    let frames = world.frames(ada);
    assert_eq!(frames[1], r#"42["rooms",["Ada","everybody"]]"#);
    assert_eq!(world.endpoint.fetch_sockets(&everybody).len(), 1);
}
