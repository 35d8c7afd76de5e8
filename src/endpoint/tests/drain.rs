//! A server that goes without a rush.

use super::*;
use crate::error::Error;
use crate::http::Response;
use crate::socket::Args;
use crate::RequestId;

const GET_PAGE: &str = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";

fn world() -> World {
    World::new(Config {
        host_http: true,
        progress: None,
        ..Config::default()
    })
}

fn request(world: &mut World) -> RequestId {
    let events = world.take_events();
    let request = events.iter().find_map(|event| match event {
        Event::Request { request, .. } => Some(*request),
        _ => None,
    });
    request.expect("a request")
}

/// How many of these WebSockets have been closed as by a server that goes, and nothing else said to them.
fn sent_away(world: &mut World, keys: &[ConnectionId]) -> usize {
    let frames = keys.iter().map(|key| world.frames(*key));
    frames.filter(|frames| frames == &["close:1001"]).count()
}

#[test]
fn few_clients_are_sent_away_at_once_and_many_a_few_at_a_time() {
    for (clients, grace_ms, steps) in [
        (3, 60_000, &[3][..]),
        (12, 60_000, &[5, 5, 2]),
        (60, 400, &[12, 12, 12, 12, 12]),
        (7, 0, &[7]),
    ] {
        let mut world = world();
        let keys: Vec<ConnectionId> = (0..clients).map(|_| world.enter("40").0).collect();
        world.endpoint.drain(grace_ms);
        world.turn();
        assert_eq!(sent_away(&mut world, &keys), steps[0]);
        for step in &steps[1..] {
            world.pass_ms(50);
            assert_eq!(sent_away(&mut world, &keys), *step);
        }
        let reasons = world.take_reasons();
        assert_eq!(reasons.len(), clients);
        assert!(reasons
            .iter()
            .all(|reason| *reason == DisconnectReason::ServerShuttingDown));
        world.pass_ms(50);
        assert!(world.endpoint.is_shutting_down());
        assert!(world.endpoint.is_drained());
        world.endpoint.check_invariants();
    }
}

#[test]
fn a_polling_client_gets_what_waits_for_it_and_then_the_close_packet() {
    let mut world = world();
    let sid = world.open_polling();
    assert_eq!(world.post(&sid, "40"), 200);
    let (key, answer) = world.poll(&sid);
    assert!(answer.starts_with("40"), "{answer}");
    let args = Args::one("soon").unwrap();
    let everybody = world.everybody();
    world.endpoint.emit(&everybody, "going", &args).unwrap();
    world.endpoint.drain(10_000);
    world.turn();
    world.feed(key, get(&format!("EIO=4&transport=polling&sid={sid}")));
    let answer = world.take_text(key);
    assert_eq!(body(&answer), r#"42["going","soon"]"#);
    assert!(!answer.contains("Connection: close"), "{answer}");
    world.feed(key, get(&format!("EIO=4&transport=polling&sid={sid}")));
    assert_eq!(body(&world.take_text(key)), "1");
    world.pass_ms(50);
    assert!(world.endpoint.is_drained());
}

#[test]
fn a_polling_client_that_does_not_come_back_is_not_waited_for() {
    let mut world = world();
    world.open_polling();
    world.endpoint.drain(10_000);
    world.pass_ms(550);
    assert!(world.endpoint.is_shutting_down());
    assert_eq!(world.endpoint.counts().sessions, 0);
}

#[test]
fn nobody_new_is_let_in() {
    let mut world = world();
    world.open_polling();
    let kept = world.open();
    world.endpoint.stop_accepting();
    assert!(world.endpoint.is_leaving());
    assert!(world.open_from("192.0.2.1:1").is_none());
    world.feed(kept, get("EIO=4&transport=polling"));
    let answer = world.take_text(kept);
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    world.pass_ms(1_000);
    assert_eq!(world.endpoint.counts().sessions, 1, "who is there stays");
    assert!(!world.endpoint.is_shutting_down());
}

#[test]
fn requests_under_way_are_answered_and_no_more_come_on_their_connections() {
    let mut world = world();
    let key = world.open();
    world.feed(key, GET_PAGE);
    let asked = request(&mut world);
    let sender = world.open();
    world.feed(
        sender,
        "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
    );
    let upload = request(&mut world);
    world.endpoint.drain(10_000);
    world.pass_ms(4_000);
    for (connection, request, bytes) in [(key, asked, ""), (sender, upload, "body")] {
        assert!(!world.endpoint.is_shutting_down());
        world.endpoint.grant_body(request, 4).unwrap();
        world.feed(connection, bytes);
        let response = Response::text(200, "done");
        world.endpoint.respond(request, response).unwrap();
        world.turn();
        let answer = world.take_text(connection);
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    }
    world.pass_ms(50);
    assert!(world.endpoint.is_drained());
}

#[test]
fn requests_that_are_not_answered_in_the_time_are_aborted() {
    let mut world = world();
    let sender = world.open();
    world.feed(
        sender,
        "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
    );
    let upload = request(&mut world);
    world.endpoint.drain(2_000);
    world.pass_ms(1_900);
    assert!(world.take_events().is_empty());
    world.pass_ms(100);
    let aborted = world.take_events();
    assert!(
        matches!(aborted[..], [Event::RequestAborted { request }] if request == upload),
        "{aborted:?}"
    );
    let late = world.endpoint.respond(upload, Response::empty(204));
    assert_eq!(late, Err(Error::NoSuchRequest));
}
