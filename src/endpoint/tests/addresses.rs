//! What one address may have, beside others that are not concerned.

use super::*;
use crate::Admission;

const POLLING: &str = "EIO=4&transport=polling";

/// The status of the answer to a handshake on a connection of its own.
fn handshake_from(world: &mut World, address: &str) -> u16 {
    let key = world.open_from(address).expect("room for one more");
    world.feed(key, get(POLLING));
    status(&world.take_text(key))
}

#[test]
fn an_address_has_no_more_connections_than_it_may_and_others_have_theirs() {
    let mut world = World::new(Config {
        max_connections_per_address: Some(2),
        exempt_addresses: vec!["198.51.100.0/24".parse().unwrap()],
        ..Config::default()
    });
    let keys = [(); 2].map(|()| world.open_from("192.0.2.1:1"));
    assert!(keys.iter().all(Option::is_some));
    assert_eq!(world.open_from("192.0.2.1:2"), None);
    assert!(world.open_from("192.0.2.2:1").is_some());
    assert!((0..9).all(|_| world.open_from("198.51.100.1:1").is_some()));
    assert_eq!(world.endpoint.stats().refused_connections, 1);
    world
        .endpoint
        .on_ready(keys[0].unwrap(), Readiness::broken());
    world.turn();
    assert!(world.open_from("192.0.2.1:2").is_some());
    assert_eq!(world.open_from("192.0.2.1:3"), None);
}

#[test]
fn an_address_has_no_more_sessions_than_it_may_and_gets_one_back_when_one_ends() {
    let mut world = World::new(Config {
        max_sessions_per_address: Some(2),
        ..Config::default()
    });
    let key = world.open_from("[2001:db8::1]:1").expect("room");
    world.feed(key, get(POLLING));
    let answer = world.take_text(key);
    let sid = sid(body(&answer));
    assert_eq!(handshake_from(&mut world, "[2001:db8::2]:1"), 200);
    let refused = world.open_from("[2001:db8::3]:1").expect("room");
    world.feed(refused, get(POLLING));
    let refused = world.take_text(refused);
    assert_eq!(
        (status(&refused), body(&refused)),
        (503, r#"{"message":"Too many sessions from this address"}"#)
    );
    assert!(refused.contains("Retry-After: "));
    assert_eq!(handshake_from(&mut world, "[2001:db8:1::1]:1"), 200);
    // The first one ends.
    assert_eq!(world.post(&sid, "1"), 200);
    assert_eq!(handshake_from(&mut world, "[2001:db8::3]:1"), 200);
    assert_eq!(handshake_from(&mut world, "[2001:db8::3]:1"), 503);
    assert_eq!(world.endpoint.stats().handshakes.limited, 2);
}

#[test]
fn handshakes_of_an_address_are_limited_by_the_second_and_its_sessions_go_on() {
    let mut world = World::new(Config {
        max_handshakes_per_second: Some(3),
        ..Config::default()
    });
    let sid = world.open_polling();
    let from_it = (0..5).map(|_| handshake_from(&mut world, "127.0.0.1:9"));
    assert_eq!(from_it.collect::<Vec<u16>>(), [200, 200, 503, 503, 503]);
    let websocket = world.open();
    world.feed(websocket, upgrade("EIO=4&transport=websocket"));
    let refused = world.take_text(websocket);
    assert_eq!(
        (status(&refused), body(&refused)),
        (503, "Too many handshakes from this address")
    );
    assert_eq!(handshake_from(&mut world, "192.0.2.1:1"), 200);
    assert_eq!(world.post(&sid, "40"), 200, "it is no handshake");
    world.pass_ms(334);
    assert_eq!(handshake_from(&mut world, "127.0.0.1:9"), 200);
    assert_eq!(handshake_from(&mut world, "127.0.0.1:9"), 503);
}

#[test]
fn behind_a_proxy_that_is_trusted_each_client_counts_by_itself() {
    let mut world = World::new(Config {
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        max_connections_per_address: Some(1),
        max_sessions_per_address: Some(1),
        allow_request: true,
        ..Config::default()
    });
    let mut ask = |from: &str, forwarded_for: &str| {
        let key = world.open_from(from).expect("room for one more");
        let head = format!(
            "GET /socket.io/?{POLLING} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {forwarded_for}\r\n\r\n"
        );
        world.feed(key, head);
        let asked = world.take_events().pop();
        let Some(Event::AllowRequest { ticket, peer, .. }) = asked else {
            panic!("{asked:?}");
        };
        world.endpoint.admit(ticket, Admission::accept()).unwrap();
        world.turn();
        (peer.to_string(), status(&world.take_text(key)))
    };
    for (from, forwarded_for, seen) in [
        ("10.0.0.1:1", "192.0.2.1", ("192.0.2.1:0", 200)),
        ("10.0.0.1:1", "192.0.2.2, 10.0.0.9", ("192.0.2.2:0", 200)),
        (
            "10.0.0.1:1",
            "198.51.100.1, 192.0.2.1",
            ("192.0.2.1:0", 503),
        ),
        ("10.0.0.1:1", "nobody", ("10.0.0.1:1", 200)),
        // Somebody else may say what he likes.
        ("192.0.2.3:1", "192.0.2.4", ("192.0.2.3:1", 200)),
    ] {
        let (peer, status) = ask(from, forwarded_for);
        assert_eq!((peer.as_str(), status), seen, "{from} {forwarded_for}");
    }
}
