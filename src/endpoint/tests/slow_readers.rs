use super::*;
use crate::http::Response;

/// A world with a slow peer that has been answered with a large body.
fn download(bytes: usize) -> (World, ConnectionId) {
    let mut world = World::new(Config {
        host_http: true,
        ..Config::engine_only("/socket.io")
    });
    let key = world.open();
    world.slow.push(key);
    world.feed(key, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    let Some(Event::Request { request, .. }) = world.take_events().first().cloned() else {
        panic!("a request")
    };
    let body = vec![b'x'; bytes];
    let response = Response::new(200, "text/plain", body);
    world.endpoint.respond(request, response).unwrap();
    world.turn();
    (world, key)
}

#[test]
fn a_download_may_take_longer_than_a_connection_may_idle() {
    let (mut world, key) = download(100_000);
    // Longer than both times of the settings, in steps shorter than either.
    for _ in 0..20 {
        world.pass_ms(9_000);
        assert_eq!(world.read_some(key, 1_000), 1_000);
    }
    assert!(world.closed.is_empty());
    assert!(world.read_some(key, 1_000_000) > 70_000);
    // From now on the connection is idle.
    world.pass_ms(74_999);
    assert!(world.closed.is_empty());
    world.pass_ms(1);
    assert_eq!(world.closed, [key]);
}

#[test]
fn a_peer_that_takes_nothing_is_disconnected() {
    let (mut world, key) = download(100_000);
    world.pass_ms(9_999);
    world.read_some(key, 1);
    world.pass_ms(9_999);
    assert!(world.closed.is_empty());
    world.pass_ms(1);
    assert_eq!(world.closed, [key]);
    let counts = world.endpoint.counts();
    assert_eq!((counts.connections, counts.timers), (0, 0));
}

#[test]
fn the_next_request_waits_for_the_end_of_the_answer() {
    let (mut world, key) = download(1_000);
    world.feed(key, get("transport=none"));
    world.read_some(key, 500);
    assert!(!world.endpoint.transport.wants_input(key));
    world.slow.clear();
    world.endpoint.on_ready(key, Readiness::writable());
    world.turn();
    let rest = world.take_text(key);
    assert!(rest.ends_with(r#"{"code":0,"message":"Transport unknown"}"#));
}
