//! Answers whose bodies come in parts.

use super::*;
use crate::error::Error;
use crate::http::Response;

const GET: &str = "GET /file HTTP/1.1\r\nHost: a\r\n\r\n";

fn config() -> Config {
    Config {
        host_http: true,
        max_queued_bytes: 100_000,
        ..Config::default()
    }
}

/// A world in which a request of this text is being answered in parts; the head has been taken out.
fn begun(request: &str) -> (World, ConnectionId, RequestId, String) {
    let mut world = World::new(config());
    let key = world.open();
    let (request, head) = begin(&mut world, key, request);
    (world, key, request, head)
}

fn begin(world: &mut World, key: ConnectionId, text: &str) -> (RequestId, String) {
    world.feed(key, text);
    let request = world.take_request();
    let response = Response::new(200, "text/plain", "");
    world.endpoint.respond_in_parts(request, response).unwrap();
    world.turn();
    (request, world.take_text(key))
}

/// Which requests are told to want their next part, and which to be gone.
fn told(world: &mut World) -> (Vec<RequestId>, Vec<RequestId>) {
    let (mut wanted, mut gone) = (Vec::new(), Vec::new());
    for event in world.take_events() {
        match event {
            Event::PartWanted { request } => wanted.push(request),
            Event::RequestAborted { request } => gone.push(request),
            other => panic!("{other:?}"),
        }
    }
    (wanted, gone)
}

fn send(world: &mut World, request: RequestId, part: &'static str) {
    world.endpoint.send_part(request, part).unwrap();
    world.turn();
}

#[test]
fn parts_are_chunks_and_the_next_is_asked_for_when_one_is_written() {
    let (mut world, key, request, head) = begun(GET);
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(told(&mut world), (vec![request], vec![]));
    send(&mut world, request, "hello world, hello");
    assert_eq!(world.take_text(key), "12\r\nhello world, hello\r\n");
    assert_eq!(told(&mut world), (vec![request], vec![]));
    send(&mut world, request, "");
    assert_eq!(world.take_text(key), "", "that would be the last chunk");
    assert_eq!(told(&mut world), (vec![], vec![]));
    let large = vec![b'x'; 70_000];
    world.endpoint.send_part(request, large).unwrap();
    world.endpoint.end_parts(request).unwrap();
    world.turn();
    let answer = world.take_text(key);
    assert!(answer.starts_with("11170\r\nxxx"), "{}", &answer[..20]);
    assert!(answer.ends_with("xxx\r\n0\r\n\r\n"));
    assert_eq!(told(&mut world), (vec![], vec![]));
    // The connection goes on.
    let (_, head) = begin(&mut world, key, GET);
    assert!(head.starts_with("HTTP/1.1 200 "));
}

#[test]
fn the_body_of_the_response_is_the_first_part() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(key, GET);
    let request = world.take_request();
    let response = Response::text(200, "first");
    world.endpoint.respond_in_parts(request, response).unwrap();
    world.endpoint.end_parts(request).unwrap();
    world.turn();
    let answer = world.take_text(key);
    assert!(
        answer.ends_with("\r\n\r\n5\r\nfirst\r\n0\r\n\r\n"),
        "{answer}"
    );
}

#[test]
fn a_request_is_answered_once_in_parts_or_as_a_whole() {
    let (mut world, _, request, _) = begun(GET);
    let endpoint = &mut world.endpoint;
    let no_request = Err(Error::NoSuchRequest);
    assert_eq!(endpoint.respond(request, Response::empty(200)), no_request);
    let again = endpoint.respond_in_parts(request, Response::empty(200));
    assert_eq!(again, no_request);
    assert_eq!(endpoint.grant_body(request, 1), no_request);
    assert_eq!(endpoint.add_answer_fields(request, []), no_request);
    endpoint.end_parts(request).unwrap();
    assert_eq!(endpoint.end_parts(request), no_request);
    assert_eq!(endpoint.break_off(request), no_request);
    assert_eq!(endpoint.send_part(request, "late"), no_request);

    let key = world.open();
    world.feed(key, GET);
    let whole = world.take_request();
    assert_eq!(world.endpoint.send_part(whole, "early"), no_request);
    assert_eq!(world.endpoint.end_parts(whole), no_request);
}

#[test]
fn to_head_the_head_is_all_and_the_connection_goes_on() {
    let (mut world, key, request, head) = begun("HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.ends_with("\r\nTransfer-Encoding: chunked\r\n\r\n"));
    assert_eq!(told(&mut world), (vec![], vec![]));
    let late = world.endpoint.send_part(request, "body");
    assert_eq!(late, Err(Error::NoSuchRequest));
    let (request, _) = begin(&mut world, key, GET);
    send(&mut world, request, "body");
    assert_eq!(world.take_text(key), "4\r\nbody\r\n");
}

#[test]
fn what_can_have_no_body_and_what_cannot_be_sent_is_answered_as_a_whole() {
    let split = Response::empty(200).with_header("X", "a\r\nb");
    for (response, wanted) in [
        (Response::empty(204), 204),
        (Response::empty(304), 304),
        (split, 500),
    ] {
        let mut world = World::new(config());
        let key = world.open();
        world.feed(key, GET);
        let request = world.take_request();
        world.endpoint.respond_in_parts(request, response).unwrap();
        world.turn();
        let answer = world.take_text(key);
        assert_eq!(status(&answer), wanted);
        assert!(!answer.contains("chunked"), "{answer}");
        let late = world.endpoint.send_part(request, "body");
        assert_eq!(late, Err(Error::NoSuchRequest));
    }
}

#[test]
fn a_client_of_http_1_0_gets_bytes_until_its_connection_ends() {
    let (mut world, key, request, head) =
        begun("GET /file HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    assert!(!head.contains("chunked") && !head.contains("Content-Length"));
    assert!(head.ends_with("\r\nConnection: close\r\n\r\n"), "{head}");
    send(&mut world, request, "one");
    send(&mut world, request, "two");
    world.endpoint.end_parts(request).unwrap();
    world.turn();
    assert_eq!(world.take_text(key), "onetwo");
    assert_eq!(world.shut, [key]);
}

#[test]
fn nothing_more_is_asked_for_while_a_slow_peer_takes_what_waits() {
    let (mut world, key, request, _) = begun(GET);
    told(&mut world);
    world.slow.push(key);
    world
        .endpoint
        .send_part(request, vec![b'x'; 50_000])
        .unwrap();
    world.turn();
    // For longer than all times of the settings, in steps shorter than the one that holds.
    for _ in 0..20 {
        world.pass_ms(9_000);
        assert_eq!(world.read_some(key, 1_000), 1_000);
    }
    assert_eq!(told(&mut world), (vec![], vec![]));
    world.read_some(key, 100_000);
    assert_eq!(told(&mut world), (vec![request], vec![]));
    // The host takes its time.
    world.pass_ms(1_000_000);
    assert!(world.closed.is_empty());
    world.endpoint.send_part(request, "more").unwrap();
    world.pass_ms(10_000);
    assert_eq!(world.closed, [key], "it has taken nothing of that");
    assert_eq!(told(&mut world), (vec![], vec![request]));
    let late = world.endpoint.send_part(request, "late");
    assert_eq!(late, Err(Error::NoSuchRequest));
}

#[test]
fn a_host_that_does_not_wait_for_its_reader_meets_a_limit() {
    let (mut world, key, request, _) = begun(GET);
    world.slow.push(key);
    let mut parts = 0;
    let refused = loop {
        match world.endpoint.send_part(request, vec![b'x'; 9_000]) {
            Ok(()) => parts += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((parts, refused), (12, Error::TooMuchWaits));
    world.turn();
    world.read_some(key, usize::MAX);
    world.endpoint.send_part(request, "more").unwrap();
}

#[test]
fn the_host_hears_of_a_reader_that_is_gone() {
    let (mut world, key, request, _) = begun(GET);
    told(&mut world);
    world.endpoint.hang_up(key);
    world.turn();
    assert_eq!(told(&mut world), (vec![], vec![request]));
    let late = world.endpoint.end_parts(request);
    assert_eq!(late, Err(Error::NoSuchRequest));
}

#[test]
fn a_reader_that_only_closes_its_side_gets_the_rest() {
    let (mut world, key, request, _) = begun(GET);
    world.endpoint.read_closed(key);
    world.turn();
    send(&mut world, request, "rest");
    world.endpoint.end_parts(request).unwrap();
    world.turn();
    assert_eq!(world.take_text(key), "4\r\nrest\r\n0\r\n\r\n");
    assert_eq!(world.shut, [key]);
}

#[test]
fn what_breaks_off_has_no_last_chunk() {
    let (mut world, key, request, _) = begun(GET);
    send(&mut world, request, "part");
    told(&mut world);
    world.endpoint.break_off(request).unwrap();
    world.turn();
    assert_eq!(world.take_text(key), "4\r\npart\r\n");
    assert_eq!(world.closed, [key]);
    assert_eq!(told(&mut world), (vec![], vec![request]));
}

#[test]
fn the_next_request_waits_for_the_last_part() {
    let (mut world, key, request, _) = begun(GET);
    told(&mut world);
    world.feed(key, GET);
    assert_eq!(told(&mut world), (vec![], vec![]));
    world.endpoint.end_parts(request).unwrap();
    world.turn();
    world.take_request();
}

#[test]
fn a_body_that_has_not_been_read_is_not_read_any_more() {
    let (mut world, key, request, head) =
        begun("POST /file HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12345");
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    assert_eq!(told(&mut world), (vec![request], vec![]));
    world.feed(key, "6789");
    send(&mut world, request, "part");
    assert_eq!(told(&mut world), (vec![request], vec![]));
    world.endpoint.end_parts(request).unwrap();
    world.turn();
    assert_eq!(world.take_text(key), "4\r\npart\r\n0\r\n\r\n");
    assert_eq!(world.shut, [key]);
}

#[test]
fn a_server_that_goes_waits_for_the_last_part_and_one_that_ends_does_not() {
    let (mut world, key, request, _) = begun(GET);
    world.endpoint.drain(1_000);
    world.pass_ms(500);
    assert!(!world.endpoint.is_shutting_down());
    send(&mut world, request, "part");
    assert_eq!(world.take_text(key), "4\r\npart\r\n");
    world.endpoint.end_parts(request).unwrap();
    world.pass_ms(100);
    assert!(world.endpoint.is_shutting_down());
    assert_eq!(world.take_text(key), "0\r\n\r\n");

    let (mut world, key, request, _) = begun(GET);
    told(&mut world);
    world.endpoint.drain(1_000);
    world.pass_ms(1_000);
    assert_eq!(told(&mut world), (vec![], vec![request]));
    assert_eq!(world.take_text(key), "", "the last chunk is missing");
    assert!(world.endpoint.is_drained());
}

#[test]
fn parts_that_nobody_takes_count_as_memory_and_the_largest_gives_way() {
    let mut world = World::new(Config {
        max_memory_bytes: Some(100_000),
        ..config()
    });
    let requests = [30_000, 30_000, 90_000].map(|bytes| {
        let key = world.open();
        let (request, _) = begin(&mut world, key, GET);
        told(&mut world);
        world.slow.push(key);
        world
            .endpoint
            .send_part(request, vec![b'x'; bytes])
            .unwrap();
        world.turn();
        request
    });
    world.turn();
    assert_eq!(told(&mut world), (vec![], vec![requests[2]]));
}
