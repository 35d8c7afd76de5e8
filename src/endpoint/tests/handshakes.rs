use super::*;
use crate::engine::HandshakeDetail;
use crate::http::{HeaderHook, Response};
use crate::Frame;

/// A hook that names the method of each request, and tries to split the answer.
fn hook(name: &'static str) -> Option<HeaderHook> {
    Some(HeaderHook::new(move |head| {
        vec![
            (name.to_owned(), head.method.as_str().to_owned()),
            ("X-Split".to_owned(), "a\r\nX-Smuggled: b".to_owned()),
            ("X-Split\r\nX-Smuggled".to_owned(), "b".to_owned()),
        ]
    }))
}

#[test]
fn b161_heads_have_limits_that_can_be_set() {
    let request = |fields: usize, query_bytes: usize| {
        let query = "x".repeat(query_bytes);
        let fields = "X-Field: 1\r\n".repeat(fields - 1);
        format!(
            "GET /socket.io/?EIO=4&transport=polling&{query} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"
        )
    };
    let without = request(1, 0).len();
    let line = request(1, 0).find('\r').expect("a line");
    for (max_header_fields, max_head_bytes, max_request_line_bytes) in [
        (100, 16 * 1024, 16 * 1024),
        (200, 64 * 1024, 32 * 1024),
        (10, 1_000, 900),
    ] {
        let config = Config {
            max_header_fields,
            max_head_bytes,
            max_request_line_bytes,
            ..Config::default()
        };
        let mut world = World::new(config.clone());
        if max_header_fields == 100 {
            let default = Config::default();
            assert_eq!(default.max_header_fields, max_header_fields);
            assert_eq!(default.max_head_bytes, max_head_bytes);
            assert_eq!(default.max_request_line_bytes, max_request_line_bytes);
        }
        let longest = (max_request_line_bytes - line - 2).min(max_head_bytes - without);
        for (fields, query_bytes, answer) in [
            (max_header_fields, 0, 200),
            (max_header_fields + 1, 0, 431),
            (1, longest, 200),
            (1, max_request_line_bytes, 414),
        ] {
            let text = request(fields, query_bytes);
            assert_eq!(
                status(&world.request(&text)),
                answer,
                "{fields} {query_bytes}"
            );
        }
        let padding = "x".repeat(max_head_bytes);
        let large = format!("GET /socket.io/ HTTP/1.1\r\nHost: a\r\nX: {padding}\r\n\r\n");
        assert_eq!(status(&world.request(&large)), 431);
    }
}

#[test]
fn hooks_add_fields_to_the_first_answer_or_to_every_one() {
    let mut world = World::new(Config {
        initial_headers: hook("X-First"),
        headers: hook("X-Every"),
        ..Config::engine_only("/socket.io")
    });
    let opened = world.request(&get("EIO=4&transport=polling"));
    assert!(opened.contains("X-First: GET\r\n") && opened.contains("X-Every: GET\r\n"));
    let sid = sid(&opened);
    let posted = world.request(&post(&sid, "4x"));
    assert!(posted.contains("X-Every: POST\r\n") && !posted.contains("X-First"));
    let polled = world.request(&get(&format!("EIO=4&transport=polling&sid={sid}")));
    assert!(polled.is_empty(), "it waits");
    let refused = world.request(&get("transport=none"));
    assert!(refused.contains("X-Every: GET\r\n") && !refused.contains("X-First"));

    let is_initial = [
        ("EIO=4&transport=websocket".to_owned(), true),
        (format!("EIO=4&transport=websocket&sid={sid}"), false),
    ];
    for (query, is_initial) in is_initial {
        let key = world.open();
        world.feed(key, upgrade(&query));
        let bytes = world.take(key);
        let switched = String::from_utf8_lossy(&bytes).into_owned();
        assert!(switched.starts_with("HTTP/1.1 101 "));
        assert!(switched.contains("X-Every: GET\r\n"));
        assert_eq!(switched.contains("X-First: GET\r\n"), is_initial);
        assert!(!switched.contains("X-Smuggled"));
    }
    let refused = world.request(&upgrade("transport=none"));
    assert!(refused.contains("X-Every: GET\r\n"));
    for answer in [opened, posted, refused] {
        assert!(!answer.contains("X-Smuggled"), "{answer}");
    }
}

#[test]
fn an_initial_packet_rides_with_the_open_packet() {
    let mut world = World::new(Config {
        initial_packet: Some("hello".to_owned()),
        ..Config::engine_only("/socket.io")
    });
    let opened = world.request(&get("EIO=4&transport=polling"));
    assert!(body(&opened).ends_with("}\u{1e}4hello"), "{opened}");
    let key = world.open();
    world.feed(key, upgrade("EIO=4&transport=websocket"));
    let bytes = world.take(key);
    assert!(bytes.ends_with(b"}\x81\x064hello"));
}

#[test]
fn the_path_is_served_with_its_slash_unless_told_otherwise() {
    let with_path = |path: &str| {
        let request = get("EIO=4&transport=polling");
        request.replace("/socket.io/?", &format!("{path}?"))
    };
    for (path, add_trailing_slash, with_slash, without, below) in [
        ("/socket.io/", true, 200, 404, 200),
        ("/socket.io", true, 200, 404, 200),
        ("/socket.io/", false, 200, 200, 200),
        ("/socket.io", false, 200, 200, 200),
    ] {
        let mut world = World::new(Config {
            add_trailing_slash,
            ..Config::engine_only(path)
        });
        for (asked, wanted) in [
            ("/socket.io/", with_slash),
            ("/socket.io", without),
            ("/socket.io/foo", below),
            ("/other", 404),
        ] {
            assert_eq!(status(&world.request(&with_path(asked))), wanted, "{asked}");
        }
    }
}

#[test]
fn an_upgrade_that_nobody_serves_is_closed_in_a_moment() {
    let foreign =
        upgrade("EIO=4&transport=websocket").replace("GET /socket.io/", "GET /elsewhere/");
    let mut world = World::new(Config::default());
    assert_eq!(status(&world.request(&foreign)), 404, "no host takes it");

    let mut world = World::new(Config {
        host_http: true,
        ..Config::engine_only("/socket.io")
    });
    let key = world.open();
    world.feed(key, &foreign);
    world.pass_ms(999);
    assert!(world.closed.is_empty());
    world.pass_ms(1);
    assert_eq!(world.closed, [key]);
    let events = world.take_events();
    assert!(matches!(
        events[..],
        [
            Event::Request { .. },
            Event::RequestBodyEnd { .. },
            Event::RequestAborted { .. }
        ]
    ));
    assert_eq!(world.endpoint.counts().timers, 0);

    // One that the host answers in time is left alone, and so are plain requests.
    let key = world.open();
    world.feed(key, &foreign);
    let Some(Event::Request { request, .. }) = world.take_events().first().cloned() else {
        panic!("a request")
    };
    world.pass_ms(500);
    world
        .endpoint
        .respond(request, Response::text(426, "not here"))
        .unwrap();
    world.turn();
    assert_eq!(status(&world.take_text(key)), 426);
    let plain = world.open();
    world.feed(plain, "GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass_ms(60_000);
    assert!(!world.closed.contains(&plain));

    let mut world = World::new(Config {
        destroy_upgrade_ms: None,
        ..world.endpoint.config().clone()
    });
    let key = world.open();
    world.feed(key, &foreign);
    world.pass_ms(60_000);
    assert!(!world.closed.contains(&key));
}

#[test]
fn a_file_of_the_client_cannot_be_upgraded_to() {
    let mut world = World::new(Config {
        serve_client: true,
        ..Config::default()
    });
    let request = upgrade("EIO=4").replace("/socket.io/?", "/socket.io/socket.io.js?");
    assert_eq!(body(&world.request(&request)), "Transport unknown");
}

#[test]
fn the_handshake_is_kept_as_far_as_is_wanted() {
    for (handshake, is_kept) in [
        (HandshakeDetail::Minimal, false),
        (HandshakeDetail::Full, true),
    ] {
        let mut world = World::new(Config {
            handshake,
            ..Config::default()
        });
        let key = world.open();
        let query = "EIO=4&transport=websocket&token=a%20b";
        world.feed(
            key,
            upgrade(query).replace("Host: a", "Host: a\r\nOrigin: https://b.example"),
        );
        world.send(key, "40");
        let events = world.take_events();
        let [Event::Connected { socket, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        let info = world.endpoint.client_info(*socket).expect("connected");
        assert_eq!(info.query, query);
        assert_eq!(info.details.is_some(), is_kept);
        if let Some(details) = info.details {
            assert_eq!(details.url, format!("/socket.io/?{query}"));
            assert_eq!(details.header("origin"), Some("https://b.example"));
            assert_eq!(details.headers[0], ("Host".to_owned(), "a".to_owned()));
            assert_eq!(details.issued_ms, START_UNIX_MS);
            assert!(details.xdomain && !details.secure);
        }
    }
}

#[test]
fn bare_sessions_have_a_handshake_too() {
    let mut world = World::new(Config {
        handshake: HandshakeDetail::Full,
        ..Config::engine_only("/socket.io")
    });
    let sid = world.open_polling();
    let Some(Event::EngineOpened { session }) = world.take_events().pop() else {
        panic!("opened")
    };
    let info = world.endpoint.session_info(session).expect("open");
    assert_eq!(info.query, "EIO=4&transport=polling");
    assert!(!info.details.expect("kept").xdomain);
    world.post(&sid, "1");
    assert_eq!(world.endpoint.session_info(session), None);
}

#[test]
fn there_are_no_more_sessions_than_allowed() {
    let mut world = World::new(Config {
        max_sessions: 2,
        ..Config::engine_only("/socket.io")
    });
    let key = world.open();
    world.feed(key, get("EIO=4&transport=polling").repeat(4));
    let answers = world.take_text(key);
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2);
    assert_eq!(answers.matches("HTTP/1.1 503 ").count(), 2);
    assert!((1..=4).contains(&retry_after_s(&answers)));
    assert!(answers.ends_with(r#"{"message":"Too many sessions"}"#));
    let websocket = world.open();
    world.feed(websocket, upgrade("EIO=4&transport=websocket"));
    let refused = world.take_text(websocket);
    assert_eq!(
        (status(&refused), body(&refused)),
        (503, "Too many sessions")
    );
    assert!((1..=4).contains(&retry_after_s(&refused)));
    assert!(world.shut.contains(&websocket));
    // Those that are there go on, and one that ends makes room.
    let sid = sid(&answers);
    assert_eq!(world.post(&sid, "4x"), 200);
    assert_eq!(world.post(&sid, "1"), 200);
    world.open_polling();
}

#[test]
fn sessions_that_join_nothing_give_way_the_oldest_first_and_others_do_not() {
    let mut world = World::new(Config {
        max_sessions: 4,
        ..Config::default()
    });
    let joined = world.open_polling();
    assert_eq!(world.post(&joined, "40"), 200);
    let websocket = world.open_websocket();
    let waiting = world.open_polling();
    let (poll, packets) = world.poll(&waiting);
    assert_eq!(packets, "");
    let mut newest = String::new();
    for _ in 0..100 {
        newest = world.open_polling();
        assert!(world.endpoint.counts().sessions <= 4);
    }
    assert!(world.shut.contains(&websocket));
    assert_eq!(world.polled(poll), "1");
    assert_eq!(world.post(&waiting, "40"), 400);
    // Who has just come, and joins, is let in; so is who has joined before.
    assert_eq!(world.post(&newest, "40"), 200);
    assert_eq!(world.post(&joined, "42[1]"), 200);
    let stats = world.endpoint.stats();
    assert_eq!((stats.counts.sessions, stats.handshakes.full), (4, 0));
    // Where all have joined, there is no room.
    let rest = [(); 2].map(|()| world.open_polling());
    for sid in &rest {
        assert_eq!(world.post(sid, "40"), 200);
    }
    let answer = world.request(&get("EIO=4&transport=polling"));
    assert_eq!(status(&answer), 503);
    assert_eq!(world.post(&rest[0], "1"), 200);
    world.open_polling();
}

#[test]
fn what_a_new_session_is_sent_comes_behind_its_initial_packet() {
    let mut world = World::new(Config {
        initial_packet: Some("first".to_owned()),
        ..Config::engine_only("/socket.io")
    });
    let key = world.open();
    world.feed(key, get("EIO=4&transport=polling"));
    let Some(Event::EngineOpened { session }) = world.take_events().pop() else {
        panic!("opened")
    };
    world
        .endpoint
        .engine_send(session, &Frame::text("second"))
        .unwrap();
    let opened = world.take_text(key);
    assert!(opened.ends_with("4first"));
    assert_eq!(world.poll(&sid(&opened)).1, "4second");
}

/// Of the first answer that says so.
fn retry_after_s(answers: &str) -> u32 {
    let (_, behind) = answers
        .split_once("Retry-After: ")
        .expect("when to come back");
    behind
        .lines()
        .next()
        .and_then(|it| it.parse().ok())
        .expect("seconds")
}
