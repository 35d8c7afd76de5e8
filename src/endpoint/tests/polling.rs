use super::*;
use crate::error::DisconnectReason;

#[test]
fn a_handshake_names_session_and_times_in_the_documented_order() {
    let mut world = World::new(Config::default());
    let answer = world.request(&get("EIO=4&transport=polling"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(answer.contains("Content-Type: text/plain; charset=UTF-8\r\n"));
    assert!(answer.contains("cache-control: no-store\r\n"));
    let sid = sid(&answer);
    assert_eq!(
        body(&answer),
        format!(
            r#"0{{"sid":"{sid}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}"#
        )
    );
}

#[test]
fn errors_carry_a_numeric_code() {
    let mut world = World::new(Config::default());
    for (request, status_wanted, code) in [
        (get("EIO=4&transport=bad"), 400, 0),
        (get("EIO=4&transport=polling&sid=nobody"), 400, 1),
        (post("", "").replace("&sid=", ""), 400, 2),
        (get("EIO=4&transport=websocket"), 400, 3),
        (get("EIO=3&transport=polling"), 400, 5),
        (
            get("EIO=4&transport=polling").replace("GET", "OPTIONS"),
            400,
            2,
        ),
    ] {
        let answer = world.request(&request);
        assert_eq!(status(&answer), status_wanted, "{request}");
        assert!(
            body(&answer).starts_with(&format!("{{\"code\":{code},\"message\":")),
            "{answer}"
        );
        assert!(answer.contains("Content-Type: application/json\r\n"));
    }
}

#[test]
fn several_packets_come_back_in_one_answer_and_no_more_than_sixteen() {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    assert_eq!(world.post(&sid, "4a\x1e4b\x1ebAQID"), 200);
    for event in world.take_events() {
        if let Event::EngineMessage { session, message } = event {
            world.endpoint.engine_send(session, &message).unwrap();
        }
    }
    assert_eq!(world.poll(&sid).1, "4a|4b|bAQID");
    let many: Vec<String> = (0..40).map(|number| format!("4{number}")).collect();
    world.post(&sid, &many.join("\x1e"));
    for event in world.take_events() {
        if let Event::EngineMessage { session, message } = event {
            world.endpoint.engine_send(session, &message).unwrap();
        }
    }
    let polls = [world.poll(&sid).1, world.poll(&sid).1, world.poll(&sid).1];
    assert_eq!(polls.join("|"), many.join("|"));
    assert_eq!(polls[0].split('|').count(), 16);
}

#[test]
fn a_waiting_poll_is_answered_by_what_comes_later() {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    let Some(Event::EngineOpened { session }) = world.take_events().pop() else {
        panic!("opened")
    };
    let (waiting, payload) = world.poll(&sid);
    assert_eq!(payload, "");
    world
        .endpoint
        .engine_send(session, &crate::Frame::text("x"))
        .unwrap();
    world.turn();
    assert_eq!(world.polled(waiting), "4x");
}

#[test]
fn a_second_poll_ends_both_and_the_session() {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    let (first, _) = world.poll(&sid);
    assert_eq!(world.poll(&sid).1, "400");
    assert_eq!(world.polled(first), "1");
    assert_eq!(world.poll(&sid).1, "400");
    assert!(matches!(
        world.take_events()[..],
        [
            _,
            Event::EngineClosed {
                reason: DisconnectReason::TransportError,
                ..
            }
        ]
    ));
}

#[test]
fn a_close_packet_ends_the_waiting_poll_with_a_noop() {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    let (waiting, _) = world.poll(&sid);
    assert_eq!(world.post(&sid, "1"), 200);
    assert_eq!(world.polled(waiting), "6");
    assert_eq!(world.poll(&sid).1, "400");
}

#[test]
fn a_cut_poll_or_post_ends_the_session() {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    let (waiting, _) = world.poll(&sid);
    let half_closed = Readiness {
        is_half_closed: true,
        ..Readiness::default()
    };
    world.endpoint.on_ready(waiting, half_closed);
    world.endpoint.next_read();
    world.turn();
    assert_eq!(world.poll(&sid).1, "400");

    let sid = world.open_polling();
    let key = world.open();
    let whole = post(&sid, "4hello");
    world.feed(key, &whole[..whole.len() - 2]);
    world.endpoint.read_closed(key);
    world.turn();
    assert_eq!(world.poll(&sid).1, "400");
    assert_eq!(world.endpoint.counts().sessions, 0);
}

#[test]
fn posts_that_break_the_protocol_end_the_session() {
    let octets = |sid: &str| post(sid, "4a").replace("text/plain", "application/octet-stream");
    let junk = |sid: &str| post(sid, "nonsense");
    let empty = |sid: &str| post(sid, "");
    let base64 = |sid: &str| post(sid, "b???");
    let requests: [&dyn Fn(&str) -> String; 4] = [&octets, &junk, &empty, &base64];
    for request in requests {
        let mut world = World::new(Config::default());
        let sid = world.open_polling();
        let answer = world.request(&request(&sid));
        assert_eq!(status(&answer), 400, "{}", request(&sid));
        assert_eq!(world.poll(&sid).1, "400");
    }
}

#[test]
fn a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let config = || Config {
        max_payload_bytes: 100,
        ..Config::engine_only("/socket.io")
    };
    let message = "4".repeat(100);
    let mut world = World::new(config());
    let sid = world.open_polling();
    assert_eq!(world.post(&sid, &message), 200);
    assert_eq!(world.post(&sid, &format!("{message}4")), 413);
    assert_eq!(world.poll(&sid).1, "400");

    let mut world = World::new(config());
    let sid = world.open_polling();
    let key = world.open();
    let head = post(&sid, "").replace("Content-Length: 0", "Transfer-Encoding: chunked");
    world.feed(key, format!("{head}64\r\n{message}\r\n1\r\n"));
    assert_eq!(world.take_text(key), "");
    world.feed(key, "4");
    assert_eq!(status(&world.take_text(key)), 413);
}

#[test]
fn a_pong_that_is_overdue_is_noticed_by_the_next_request_too() {
    let mut world = World::new(Config {
        ping_interval_ms: 300,
        ping_timeout_ms: 200,
        ..Config::default()
    });
    let sid = world.open_polling();
    world.pass_ms(300);
    assert_eq!(world.poll(&sid).1, "2");
    // Nobody looks at the timer in time, yet the request finds the session over.
    world.oversleep_ms(200);
    assert_eq!(world.poll(&sid).1, "400");
}

#[test]
fn pings_come_one_interval_after_the_pong_and_traffic_is_no_pong() {
    let mut world = World::new(Config {
        ping_interval_ms: 300,
        ping_timeout_ms: 200,
        ..Config::engine_only("/socket.io")
    });
    let sid = world.open_polling();
    world.pass_ms(299);
    let (waiting, payload) = world.poll(&sid);
    assert_eq!(payload, "");
    world.pass_ms(1);
    assert_eq!(world.polled(waiting), "2");
    world.pass_ms(100);
    world.post(&sid, "3");
    let (waiting, _) = world.poll(&sid);
    world.pass_ms(299);
    assert_eq!(world.polled(waiting), "");
    world.pass_ms(1);
    assert_eq!(world.polled(waiting), "2");
    for _ in 0..3 {
        world.pass_ms(50);
        assert_eq!(world.post(&sid, "4traffic"), 200);
    }
    world.pass_ms(50);
    assert_eq!(world.post(&sid, "4traffic"), 400);
}

#[test]
fn requests_may_follow_each_other_on_one_connection_at_once() {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    let key = world.open();
    let poll = get(&format!("EIO=4&transport=polling&sid={sid}"));
    world.feed(
        key,
        format!("{}{}{}", post(&sid, "4a"), post(&sid, "4b"), poll),
    );
    let answers = world.take_text(key);
    assert_eq!(answers.matches("\r\n\r\nok").count(), 2);
    let messages = world
        .take_events()
        .into_iter()
        .filter(|event| matches!(event, Event::EngineMessage { .. }));
    assert_eq!(messages.count(), 2);
}

#[test]
fn a_request_is_the_same_wherever_its_bytes_are_cut() {
    for cut in 1..post("01234567890123456789", "4hello").len() {
        let mut world = World::new(Config::engine_only("/socket.io"));
        let sid = world.open_polling();
        let request = post(&sid, "4hello");
        let key = world.open();
        world.feed(key, &request[..cut]);
        world.feed(key, &request[cut..]);
        assert_eq!(status(&world.take_text(key)), 200, "cut at {cut}");
    }
}

#[test]
fn a_request_that_does_not_arrive_in_time_is_answered_408() {
    let mut world = World::new(Config::default());
    let silent = world.open();
    let slow = world.open();
    world.feed(slow, "GET / HT");
    for _ in 0..9 {
        world.pass_ms(1_000);
        world.feed(slow, "T");
    }
    world.pass_ms(1_000);
    assert!(world.closed.contains(&silent));
    assert_eq!(status(&world.take_text(slow)), 408);
    world.pass_ms(10_000);
    assert_eq!(world.endpoint.counts().connections, 0);
    assert!(
        world.endpoint.counts().timers <= 1,
        "only the heartbeat event is left"
    );
}

#[test]
fn a_payload_of_very_many_packets_does_not_fill_the_queue_of_events() {
    let mut world = World::new(Config {
        max_pending_events: 10,
        ..Config::engine_only("/socket.io")
    });
    let sid = world.open_polling();
    world.take_events();
    let key = world.open();
    let payload = vec!["4x"; 1000].join("\x1e");
    let mut request = post(&sid, &payload).into_bytes();
    world.endpoint.feed(key, &mut request);
    let mut most = 0;
    let mut count = 0;
    while world.endpoint.has_work() {
        let mut waiting = 0;
        while world.endpoint.poll_event().is_some() {
            waiting += 1;
        }
        most = most.max(waiting);
        count += waiting;
        world.work(|_, _| Vec::new());
        world.endpoint.begin_turn(world.endpoint.now());
        world.endpoint.next_read();
    }
    assert_eq!(count, 1000);
    assert!(most <= 10, "{most} events waited");
    assert_eq!(status(&world.take_text(key)), 200);
}

#[test]
fn a_host_that_is_not_allowed_is_forbidden() {
    let mut world = World::new(Config {
        allowed_hosts: Some(vec!["nas.lan".to_owned()]),
        ..Config::default()
    });
    let request = get("EIO=4&transport=polling");
    for (host, wanted) in [
        ("nas.lan:80", 200),
        ("localhost", 200),
        ("evil.example", 403),
    ] {
        let answer = world.request(&request.replace("Host: a", &format!("Host: {host}")));
        assert_eq!(status(&answer), wanted, "{host}");
    }
}

#[test]
fn without_cors_no_answer_speaks_of_it_and_with_it_all_do() {
    let asked = |world: &mut World, request: &str| {
        let request = request.replace("Host: a", "Host: a\r\nOrigin: https://a.example");
        world.request(&request)
    };
    let mut world = World::new(Config::default());
    assert!(!asked(&mut world, &get("EIO=4&transport=polling")).contains("Access-Control"));
    let mut world = World::new(Config {
        cors: Some(crate::http::Cors::list(["https://a.example"])),
        ..Config::default()
    });
    let leave = "Access-Control-Allow-Origin: https://a.example\r\n";
    let opened = asked(&mut world, &get("EIO=4&transport=polling"));
    assert!(opened.contains(leave), "{opened}");
    let sid = sid(&opened);
    assert!(asked(&mut world, &get("EIO=4&transport=nothing")).contains(leave));
    assert!(asked(&mut world, &post(&sid, "40")).contains(leave));
    let poll = get(&format!("EIO=4&transport=polling&sid={sid}"));
    assert!(asked(&mut world, &poll).contains(leave));
    let preflight = asked(&mut world, &poll.replace("GET", "OPTIONS"));
    assert_eq!(status(&preflight), 204);
    assert!(preflight.contains(leave) && preflight.contains("Access-Control-Allow-Methods: "));
}

#[test]
fn the_cookie_comes_with_the_open_packet_of_a_polling_session_alone() {
    let mut world = World::new(Config {
        cookie: Some(crate::http::Cookie::default()),
        ..Config::default()
    });
    let opened = world.request(&get("EIO=4&transport=polling"));
    let sid = sid(&opened);
    assert!(opened.contains(&format!(
        "Set-Cookie: io={sid}; Path=/; HttpOnly; SameSite=Lax\r\n"
    )));
    assert!(!world.request(&post(&sid, "40")).contains("Set-Cookie"));
    let key = world.open();
    world.feed(key, upgrade("EIO=4&transport=websocket"));
    assert!(!String::from_utf8_lossy(&world.take(key)).contains("Set-Cookie"));
}

#[test]
fn no_upgrade_is_offered_where_none_is_allowed() {
    let mut world = World::new(Config {
        allow_upgrades: false,
        ..Config::default()
    });
    let opened = world.request(&get("EIO=4&transport=polling"));
    assert!(opened.contains("\"upgrades\":[]"));
    let key = world.open();
    let sid = sid(&opened);
    world.feed(
        key,
        upgrade(&format!("EIO=4&transport=websocket&sid={sid}")),
    );
    assert!(world.shut.contains(&key));
    let mut world = World::new(Config {
        transports: crate::engine::Transports::PollingOnly,
        ..Config::default()
    });
    let answer = world.request(&upgrade("EIO=4&transport=websocket"));
    assert_eq!(body(&answer), "Transport unknown");
}

#[test]
fn a_second_poll_while_the_session_closes_leaves_none_waiting() {
    let mut world = World::new(Config::default());
    let sid = world.open_polling();
    let (waiting, _) = world.poll(&sid);
    let (poster, second) = (world.open(), world.open());
    let poll = get(&format!("EIO=4&transport=polling&sid={sid}"));
    // In one turn: what ends the session, and the poll.
    world
        .endpoint
        .feed(poster, &mut post(&sid, "4{").into_bytes());
    world.endpoint.feed(second, &mut poll.into_bytes());
    world.turn();
    assert_eq!(world.polled(waiting), "1");
    assert_eq!(world.polled(second), "400");
    assert_eq!(world.endpoint.counts().sessions, 0);
}

#[test]
fn a_session_that_ends_behind_events_is_polled_empty_or_forgotten() {
    for is_polled in [true, false] {
        let mut world = World::new(Config::default());
        let sid = world.open_polling();
        assert_eq!(world.post(&sid, "40\x1e42[\"x\"]\x1e4{"), 200);
        if is_polled {
            assert!(world.poll(&sid).1.starts_with("40{"));
            assert_eq!(world.poll(&sid).1, "1");
        } else {
            // Its time is over while the host has not got round to another event.
            let other = world.open_websocket();
            world.oversleep_ms(20_000);
            world.endpoint.feed(other, &mut masked(0x81, b"40"));
            world.turn();
        }
        let left = usize::from(!is_polled);
        assert_eq!(world.endpoint.counts().sessions, left, "{is_polled}");
    }
}

#[test]
fn a_session_that_closes_is_forgotten_though_it_is_late_for_something_else() {
    let mut world = World::new(Config::default());
    let sid = world.open_polling();
    world.pass_ms(26_000);
    // No packet of Socket.IO: closed from our side, though nobody comes to hear of it.
    assert_eq!(world.post(&sid, "4"), 200);
    // In one turn, behind an event: it has joined no namespace in time, and has not been polled in time.
    let other = world.open_websocket();
    world.oversleep_ms(21_000);
    world.endpoint.feed(other, &mut masked(0x81, b"40"));
    world.turn();
    // Since we have overslept, it has the whole time once more.
    world.pass_ms(21_000);
    assert_eq!(world.endpoint.counts().sessions, 1);
}

#[test]
fn answers_that_nobody_reads_do_not_pile_up() {
    let mut world = World::new(Config::default());
    let key = world.open();
    let handshake = get("EIO=4&transport=polling");
    world
        .endpoint
        .feed(key, &mut handshake.repeat(100).into_bytes());
    assert_eq!(world.endpoint.counts().sessions, 1);
    assert!(!world.endpoint.transport.wants_input(key));
    world.turn();
    assert_eq!(world.endpoint.counts().sessions, 100);
    let answers = world.take_text(key);
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 100);
}

#[test]
fn pages_of_other_origins_are_forbidden_where_they_are_not_allowed() {
    let mut world = World::new(Config {
        allowed_origins: Some(vec!["https://app.example".to_owned()]),
        ..Config::default()
    });
    let polling = get("EIO=4&transport=polling");
    let websocket = upgrade("EIO=4&transport=websocket");
    for (origin, is_allowed) in [
        ("http://a", true),
        ("https://app.example", true),
        ("http://a:81", false),
        ("https://evil.example", false),
        ("null", false),
    ] {
        let with_origin =
            |request: &str| request.replace("Host: a", &format!("Host: a\r\nOrigin: {origin}"));
        let answer = world.request(&with_origin(&polling));
        assert_eq!(
            status(&answer),
            if is_allowed { 200 } else { 403 },
            "{origin}"
        );
        let key = world.open();
        world.feed(key, with_origin(&websocket));
        let answer = String::from_utf8_lossy(&world.take(key)).into_owned();
        assert_eq!(
            status(&answer),
            if is_allowed { 101 } else { 400 },
            "{origin}"
        );
    }
    assert_eq!(status(&world.request(&polling)), 200, "no page sent this");
}
