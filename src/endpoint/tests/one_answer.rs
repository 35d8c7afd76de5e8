//! Each request is answered once, whatever its sender does with the rest of it; and what is thrown away has its limit.

use super::*;
use crate::endpoint::Admission;
use crate::http::Response;

const BROKEN_CHUNK: &str = "zz\r\n";

fn answers(world: &mut World, key: ConnectionId) -> Vec<u16> {
    let text = world.take_text(key);
    let lines = text.lines();
    lines
        .filter(|line| line.starts_with("HTTP/1.1 "))
        .map(status)
        .collect()
}

fn chunked(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
}

#[test]
fn a_body_that_breaks_behind_the_hosts_answer_gets_none_of_its_own() {
    let mut world = World::new(Config {
        host_http: true,
        ..Config::default()
    });
    let key = world.open();
    world.feed(key, chunked("POST", "/upload"));
    let request = world.take_request();
    let answer = Response::text(404, "There is no such place.");
    world.endpoint.respond(request, answer).unwrap();
    world.feed(key, "3\r\nabc\r\n");
    world.feed(key, BROKEN_CHUNK);
    assert_eq!(answers(&mut world, key), [404]);
    assert_eq!(world.shut, [key], "the connection ends");
    assert!(world.take_events().is_empty());
}

#[test]
fn a_body_that_breaks_behind_a_refusal_gets_no_second_one() {
    let mut world = World::new(Config {
        cors: Some(crate::http::Cors::default()),
        ..Config::default()
    });
    let sid = world.open_polling();
    for (method, target, status) in [
        ("POST", "/nowhere".to_owned(), 404),
        ("OPTIONS", "/socket.io/".to_owned(), 204),
        ("POST", "/socket.io/?EIO=4&transport=none".to_owned(), 400),
        (
            "POST",
            "/socket.io/?EIO=4&transport=polling".to_owned(),
            400,
        ),
        ("GET", "/socket.io/?EIO=3&transport=polling".to_owned(), 400),
        ("GET", "/socket.io/?EIO=4&transport=polling".to_owned(), 200),
        (
            "PUT",
            format!("/socket.io/?EIO=4&transport=polling&sid={sid}"),
            400,
        ),
    ] {
        let key = world.open();
        world.feed(key, chunked(method, &target));
        world.feed(key, BROKEN_CHUNK);
        assert_eq!(answers(&mut world, key), [status], "{method} {target}");
        assert!(world.shut.contains(&key));
    }
    assert_eq!(world.post(&sid, "3"), 200, "the session is unharmed");
}

#[test]
fn a_peer_that_breaks_a_refused_request_off_and_closes_its_side_gets_the_refusal() {
    let mut world = World::new(Config::default());
    let key = world.open();
    let begun = "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    world.endpoint.begin_turn(now(world.now_ms));
    world.endpoint.feed(key, &mut begun.as_bytes().to_vec());
    world.endpoint.read_closed(key);
    assert!(world.closed.is_empty());
    world.turn();
    assert_eq!(answers(&mut world, key), [404]);
    assert_eq!(world.shut, [key]);
    world.endpoint.read_closed(key);
    world.turn();
    assert_eq!(world.endpoint.counts().connections, 0);
}

#[test]
fn a_poll_that_has_its_answer_gets_none_for_what_follows_it() {
    let mut world = World::new(Config::default());
    let sid = world.open_polling();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let key = world.open();
    world.feed(key, chunked("GET", &target));
    assert_eq!(world.post(&sid, "40"), 200);
    world.feed(key, BROKEN_CHUNK);
    assert_eq!(answers(&mut world, key), [200]);
    assert_eq!(world.post(&sid, "41"), 200, "the session is unharmed");
}

#[test]
fn a_post_that_is_too_large_is_answered_once_and_the_session_does_not_know_it_any_more() {
    for is_host_busy in [false, true] {
        let mut world = World::new(Config {
            max_payload_bytes: 10,
            ..Config::default()
        });
        let sid = world.open_polling();
        world.post(&sid, "40");
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let key = world.open();
        world.feed(key, chunked("POST", &target));
        world.endpoint.begin_turn(now(world.now_ms));
        if is_host_busy {
            // With an event in front of it, the end of the session has to wait.
            world.endpoint.add_namespace("/new").unwrap();
        }
        let mut piece = b"b\r\n42[1234567]\r\n".to_vec();
        world.endpoint.feed(key, &mut piece);
        world.endpoint.check_invariants();
        world.turn();
        world.feed(key, BROKEN_CHUNK);
        world.feed(key, "1\r\nx\r\n0\r\n\r\n");
        assert_eq!(answers(&mut world, key), [413]);
        assert_eq!(world.poll(&sid).1, "400");
    }
}

#[test]
fn a_session_that_ends_answers_its_post_once() {
    let mut world = World::new(Config::default());
    let sid = world.open_polling();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let key = world.open();
    world.feed(key, chunked("POST", &target));
    let second = world.open();
    world.feed(second, chunked("POST", &target));
    world.feed(second, BROKEN_CHUNK);
    world.feed(key, "1\r\n6\r\n0\r\n\r\n");
    world.feed(key, BROKEN_CHUNK);
    assert_eq!(answers(&mut world, key), [400]);
    assert_eq!(answers(&mut world, second), [400]);
}

#[test]
fn a_request_that_was_decided_about_late_is_answered_once() {
    for admission in [
        Admission::accept(),
        Admission::refuse("no"),
        Admission::respond(Response::text(402, "pay")),
    ] {
        let mut world = World::new(Config {
            allow_request: true,
            connect_timeout_ms: 500,
            request_timeout_ms: 1_000,
            ..Config::default()
        });
        let key = world.open();
        world.feed(key, chunked("GET", "/socket.io/?EIO=4&transport=polling"));
        world.pass_ms(400);
        let ticket = world
            .take_events()
            .into_iter()
            .find_map(|event| match event {
                Event::AllowRequest { ticket, .. } => Some(ticket),
                _ => None,
            });
        let ticket = ticket.expect("a request to decide about");
        world.endpoint.admit(ticket, admission.clone()).unwrap();
        assert!(world.endpoint.admit(ticket, admission).is_err());
        world.turn();
        // The time for the decision is over, then that for the body.
        world.pass_ms(300);
        world.pass_ms(2_000);
        world.feed(key, BROKEN_CHUNK);
        assert_eq!(answers(&mut world, key).len(), 1);
        assert!(world.closed.contains(&key));
    }
}

#[test]
fn a_request_that_has_its_answer_is_not_told_that_it_is_late() {
    let mut world = World::new(Config {
        host_http: true,
        request_timeout_ms: 1_000,
        ..Config::default()
    });
    let key = world.open();
    world.feed(key, chunked("POST", "/upload"));
    let request = world.take_request();
    world
        .endpoint
        .respond(request, Response::empty(204))
        .unwrap();
    world.turn();
    world.pass_ms(5_000);
    assert_eq!(answers(&mut world, key), [204]);
    assert_eq!(world.closed, [key]);
}

#[test]
fn what_is_thrown_away_behind_the_last_answer_has_a_limit() {
    const LIMIT: usize = 10_000;
    let mut world = World::new(Config {
        max_linger_bytes: LIMIT as u32,
        ..Config::default()
    });
    let head = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n";
    let close = masked(0x88, b"");
    let key = world.open();
    world.feed(key, head);
    assert_eq!(answers(&mut world, key), [400]);
    let websocket = world.open_websocket();
    world.feed(websocket, close);
    assert_eq!(world.frames(websocket), ["close"]);
    for key in [key, websocket] {
        assert!(world.shut.contains(&key));
        for _ in 0..10 {
            world.feed(key, vec![b'x'; LIMIT / 10]);
            assert!(world.endpoint.transport.wants_input(key));
        }
        world.feed(key, "x");
        assert!(!world.endpoint.transport.wants_input(key));
        assert!(!world.closed.contains(&key), "it may read its answer");
    }
    world.pass_ms(2_000);
    assert_eq!(world.endpoint.counts().connections, 0);
}

#[test]
fn the_body_of_a_poll_has_a_limit() {
    let mut world = World::new(Config {
        max_discarded_bytes: 1_000,
        ..Config::default()
    });
    let sid = world.open_polling();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let head = |length: usize| {
        format!("GET {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
    };
    let key = world.open();
    world.feed(key, head(1_001));
    assert_eq!(answers(&mut world, key), [413]);
    assert_eq!(world.post(&sid, "3"), 200, "the session is unharmed");
    let key = world.open();
    world.feed(key, head(1_000));
    world.feed(key, vec![b'x'; 1_000]);
    world.post(&sid, "40");
    assert_eq!(answers(&mut world, key), [200]);
    let key = world.open();
    world.feed(key, chunked("GET", &target));
    let piece = format!("64\r\n{}\r\n", "x".repeat(100));
    for _ in 0..11 {
        world.feed(key, &piece);
    }
    assert_eq!(answers(&mut world, key), [413]);
    assert_eq!(world.poll(&sid).1, "400", "its poll was cut");
}
