use super::*;
use crate::error::Error;
use crate::http::{Method, Response};

fn config() -> Config {
    Config {
        host_http: true,
        serve_client: true,
        ..Config::default()
    }
}

fn upload(length: &str, more: &str) -> String {
    format!("POST /upload?a=b HTTP/1.1\r\nHost: a\r\n{length}\r\n{more}\r\n")
}

/// The bytes of the body that have been handed over, and whether that was all.
fn body_events(world: &mut World) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let mut is_complete = false;
    for event in world.take_events() {
        match event {
            Event::RequestBody { data, .. } => bytes.extend(data),
            Event::RequestBodyEnd { .. } => is_complete = true,
            other => panic!("{other:?}"),
        }
    }
    (bytes, is_complete)
}

#[test]
fn requests_for_other_paths_go_to_the_host_and_are_answered_by_it() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(
        key,
        "GET /page?x=1 HTTP/1.1\r\nHost: a\r\nX-Test: yes\r\n\r\n",
    );
    let events = world.take_events();
    let [Event::Request { request, head, .. }, Event::RequestBodyEnd { .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (head.method, head.path.as_str(), head.query.as_str()),
        (Method::Get, "/page", "x=1")
    );
    assert_eq!(head.header("x-test"), Some("yes"));
    world
        .endpoint
        .respond(*request, Response::text(200, "hello"))
        .unwrap();
    world.turn();
    assert_eq!(body(&world.take_text(key)), "hello");
    let again = world
        .endpoint
        .respond(*request, Response::text(200, "again"));
    assert_eq!(again, Err(Error::NoSuchRequest));
}

#[test]
fn fields_are_added_to_the_hosts_answer_and_to_what_the_endpoint_says_itself() {
    let mut world = World::new(config());
    let fields = || {
        [
            ("Vary", "Origin"),
            ("Content-Length", "9"),
            ("A", "b\r\nC: d"),
        ]
    };
    let fields = || fields().map(|(name, value)| (name.into(), value.into()));
    let key = world.open();
    world.feed(key, "GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    let asked = world.take_request();
    world.endpoint.add_answer_fields(asked, fields()).unwrap();
    let response = Response::text(200, "hello");
    world.endpoint.respond(asked, response).unwrap();
    world.turn();
    let answer = world.take_text(key);
    assert!(answer.contains("\r\nVary: Origin\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Length: 5\r\n"), "{answer}");
    assert!(!answer.contains("C: d"), "{answer}");
    let again = world.endpoint.add_answer_fields(asked, fields());
    assert_eq!(again, Err(Error::NoSuchRequest));

    world.feed(key, upload("Transfer-Encoding: chunked\r\n", "oops\r\n"));
    let asked = world.take_request();
    world.endpoint.add_answer_fields(asked, fields()).unwrap();
    world.endpoint.grant_body(asked, 10).unwrap();
    world.turn();
    let answer = world.take_text(key);
    assert_eq!(status(&answer), 400);
    assert!(answer.contains("\r\nVary: Origin\r\n"), "{answer}");
}

#[test]
fn without_a_host_other_paths_are_not_found() {
    let mut world = World::new(Config::default());
    assert_eq!(
        status(&world.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
        404
    );
    assert_eq!(
        status(&world.request("GET /socket.io HTTP/1.1\r\nHost: a\r\n\r\n")),
        404
    );
}

#[test]
fn files_of_the_client_go_to_the_host_where_it_serves_them() {
    let file = "GET /socket.io/socket.io.js?v=1 HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut world = World::new(config());
    world.request(file);
    world.take_request();
    let mut world = World::new(Config::default());
    let answer = world.request(file);
    assert_eq!(body(&answer), r#"{"code":0,"message":"Transport unknown"}"#);
}

#[test]
fn no_byte_of_a_body_comes_unasked_and_none_beyond_what_was_asked_for() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(
        key,
        upload("Content-Length: 10\r\n", "0123456789").trim_end(),
    );
    let request = world.take_request();
    assert!(!world.endpoint.transport.wants_input(key));
    world.endpoint.grant_body(request, 4).unwrap();
    world.turn();
    assert_eq!(body_events(&mut world), (b"0123".to_vec(), false));
    assert!(!world.endpoint.transport.wants_input(key));
    world.endpoint.grant_body(request, 6).unwrap();
    world.turn();
    assert_eq!(
        body_events(&mut world),
        (b"456789".to_vec(), true),
        "the end is told though nothing more was asked for"
    );
}

#[test]
fn a_sender_that_asks_first_is_told_to_go_on_when_the_host_wants_its_body() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(
        key,
        upload("Content-Length: 4\r\nExpect: 100-continue\r\n", "")
            .trim_end_matches("\r\n")
            .to_owned()
            + "\r\n\r\n",
    );
    let wanted = world.take_request();
    assert_eq!(world.take_text(key), "");
    world.endpoint.grant_body(wanted, 10).unwrap();
    world.turn();
    assert_eq!(world.take_text(key), "HTTP/1.1 100 Continue\r\n\r\n");
    world.feed(key, "body");
    assert_eq!(body_events(&mut world), (b"body".to_vec(), true));

    let key = world.open();
    world.feed(
        key,
        upload("Content-Length: 400\r\nExpect: 100-continue\r\n", "")
            .trim_end_matches("\r\n")
            .to_owned()
            + "\r\n\r\n",
    );
    let unwanted = world.take_request();
    world
        .endpoint
        .respond(unwanted, Response::empty(413))
        .unwrap();
    world.turn();
    let answer = world.take_text(key);
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("Connection: close"),
        "{answer}"
    );
}

#[test]
fn an_early_answer_has_a_short_rest_of_the_body_thrown_away_and_ends_a_long_one() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(key, upload("Content-Length: 8\r\n", "0123").trim_end());
    let early = world.take_request();
    world.endpoint.respond(early, Response::empty(204)).unwrap();
    world.turn();
    assert_eq!(status(&world.take_text(key)), 204);
    world.feed(key, format!("4567{}", get("EIO=4&transport=polling")));
    assert_eq!(status(&world.take_text(key)), 200);

    let key = world.open();
    world.feed(
        key,
        upload("Transfer-Encoding: chunked\r\n", "")
            .trim_end_matches("\r\n")
            .to_owned()
            + "\r\n\r\n",
    );
    let early = world.take_request();
    world.endpoint.respond(early, Response::empty(400)).unwrap();
    world.turn();
    for _ in 0..9 {
        world.feed(key, format!("10000\r\n{}\r\n", "x".repeat(65_536)));
    }
    assert!(world.shut.contains(&key));
}

#[test]
fn a_sender_that_was_held_back_is_read_on_behind_the_answer() {
    for last in ["Connection: close\r\n", ""] {
        let mut world = World::new(config());
        let key = world.open();
        let head = format!("Content-Length: 1000000\r\n{last}");
        world.feed(
            key,
            upload(&head, "").trim_end_matches("\r\n").to_owned() + "\r\n\r\n",
        );
        let held_back = world.take_request();
        // That there are bytes is said once: as long as they fill the buffers of the operating system, nothing new comes.
        world.endpoint.on_ready(key, Readiness::readable());
        world.turn();
        world
            .endpoint
            .respond(held_back, Response::empty(413))
            .unwrap();
        let mut read_from = Vec::new();
        for _ in 0..2 {
            world.work(|key, _| {
                read_from.push(key);
                Vec::new()
            });
            world.endpoint.on_polled(world.now_ms, true);
        }
        assert_eq!(read_from, [key], "{last:?}");
        assert_eq!(status(&world.take_text(key)), 413);
    }
}

#[test]
fn the_host_hears_of_a_sender_that_is_gone() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(key, upload("Content-Length: 10\r\n", "012").trim_end());
    let request = world.take_request();
    world.endpoint.grant_body(request, 100).unwrap();
    world.turn();
    world.take_events();
    world.endpoint.read_closed(key);
    world.turn();
    assert!(
        matches!(world.take_events()[..], [Event::RequestAborted { request: gone }] if gone == request)
    );
    assert_eq!(
        world.endpoint.grant_body(request, 1),
        Err(Error::NoSuchRequest)
    );
}

#[test]
fn a_sender_that_only_closes_its_side_still_gets_its_answer() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(key, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    let request = world.take_request();
    world.endpoint.read_closed(key);
    world.turn();
    world
        .endpoint
        .respond(request, Response::text(200, "late"))
        .unwrap();
    world.turn();
    let answer = world.take_text(key);
    assert_eq!(body(&answer), "late");
    assert!(answer.contains("Connection: close"));
}

#[test]
fn a_sender_that_the_host_holds_back_is_not_late() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(key, upload("Content-Length: 10\r\n", "01234").trim_end());
    let request = world.take_request();
    world.endpoint.grant_body(request, 5).unwrap();
    world.turn();
    world.pass_ms(60_000);
    assert_eq!(world.endpoint.counts().connections, 1);
    world.endpoint.grant_body(request, 5).unwrap();
    world.pass_ms(10_000);
    assert_eq!(status(&world.take_text(key)), 408);
}

#[test]
fn an_answer_that_cannot_be_sent_becomes_a_500() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(key, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let request = world.take_request();
    let split = Response::empty(200).with_header("X", "a\r\nSet-Cookie: b");
    world.endpoint.respond(request, split).unwrap();
    world.turn();
    let answer = world.take_text(key);
    assert_eq!(status(&answer), 500);
    assert!(!answer.contains("Set-Cookie: b\r\n"));
}

#[test]
fn shutting_down_waits_for_answers_and_aborts_what_has_not_come() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(key, "GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    let asked = world.take_request();
    let sender = world.open();
    world.feed(sender, upload("Content-Length: 9", ""));
    let incomplete = world.take_request();
    world.endpoint.shut_down();
    world.turn();
    let events = world.take_events();
    assert!(
        matches!(events[..], [Event::RequestAborted { request }] if request == incomplete),
        "{events:?}"
    );
    assert_eq!(
        world.endpoint.respond(incomplete, Response::empty(204)),
        Err(Error::NoSuchRequest)
    );
    assert!(!world.endpoint.is_drained());
    world
        .endpoint
        .respond(asked, Response::text(200, "late"))
        .unwrap();
    world.turn();
    assert!(world.take_text(key).contains("\r\nConnection: close\r\n"));
    assert!(world.endpoint.is_drained());
}

#[test]
fn a_post_for_a_session_that_closes_leaves_its_connection_to_the_next_request() {
    let mut world = World::new(Config {
        connect_timeout_ms: 5_000,
        ..config()
    });
    let sid = world.open_polling();
    let key = world.open();
    world.pass_ms(4_000);
    let (head, packets) = (post(&sid, "40"), "40");
    world.feed(key, &head[..head.len() - packets.len()]);
    world.pass_ms(1_000);
    world.feed(key, packets);
    assert_eq!(status(&world.take_text(key)), 400, "the session closes");
    world.feed(key, upload("Content-Length: 5", ""));
    let id = world.take_request();
    assert_eq!(world.poll(&sid).1, "1");
    assert_eq!(
        world.take_text(key),
        "",
        "the end of the session is not its"
    );
    world.endpoint.grant_body(id, 5).unwrap();
    world.feed(key, "hello");
    assert_eq!(body_events(&mut world), (b"hello".to_vec(), true));
}
