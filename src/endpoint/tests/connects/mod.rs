//! Clients that the host lets into namespaces, or does not.

mod children;
mod waiting;

use super::*;
use crate::endpoint::ConnectId;
use crate::error::{DisconnectReason, Error};
use crate::socket::{Args, ConnectError, RecoveryConfig};

fn config() -> Config {
    Config {
        connect_requests: true,
        progress: None,
        ..Config::default()
    }
}

/// The ticket of the newest request, and how often it was passed on.
fn ticket(world: &mut World) -> (ConnectId, u32) {
    match world.take_events().pop() {
        Some(Event::ConnectRequested { ticket, passed, .. }) => (ticket, passed),
        other => panic!("{other:?}"),
    }
}

/// A client that has sent this CONNECT, and its ticket.
fn ask(world: &mut World, connect: &str) -> (ConnectionId, ConnectId) {
    let key = world.open_websocket();
    world.send(key, connect);
    assert_eq!(world.frames(key), [""; 0], "the answer comes later");
    (key, ticket(world).0)
}

fn accept(world: &mut World, ticket: ConnectId) -> SocketId {
    let socket = world.endpoint.accept_connect(ticket);
    world.turn();
    socket.expect("it is not too late")
}

fn refuse(world: &mut World, ticket: ConnectId, error: ConnectError) {
    let refused = world.endpoint.refuse_connect(ticket, &error);
    refused.expect("it is not too late");
    world.turn();
}

fn detailed() -> ConnectError {
    let error = ConnectError::new("nope");
    error.with_data(&serde_json::json!({"code": 7})).unwrap()
}

fn names(world: &World) -> Vec<String> {
    let namespaces = world.endpoint.namespaces();
    namespaces.map(|(_, name)| name.to_owned()).collect()
}

#[test]
fn a_client_is_in_once_the_host_says_so_and_may_be_asked_about_until_then() {
    let mut world = World::new(config());
    let key = world.open_websocket_of("EIO=4&transport=websocket&a=b");
    world.send(key, r#"40{"token":"x"}"#);
    let Some(Event::ConnectRequested {
        ticket,
        namespace,
        auth,
        passed: 0,
    }) = world.take_events().pop()
    else {
        panic!("asked")
    };
    assert_eq!((&*namespace, auth.raw(0)), ("/", Some(r#"{"token":"x"}"#)));
    let request = world.endpoint.connect_request(ticket).unwrap();
    assert_eq!((request.namespace, request.auth), ("/", r#"{"token":"x"}"#));
    assert_eq!(request.client.query, "EIO=4&transport=websocket&a=b");
    assert_eq!(world.endpoint.counts().sockets, 0);
    world.pass_ms(10_000);
    let socket = accept(&mut world, ticket);
    assert!(world.frames(key)[0].starts_with("40{\"sid\":"));
    assert!(matches!(
        world.take_events()[..],
        [Event::Connected { socket: connected, is_recovered: false, .. }] if connected == socket
    ));
    assert_eq!(world.endpoint.auth(socket), Some(r#"{"token":"x"}"#));
    assert!(world.endpoint.connect_request(ticket).is_none());
    assert_eq!(
        world.endpoint.accept_connect(ticket),
        Err(Error::NoSuchTicket)
    );
    assert_eq!(
        world
            .endpoint
            .refuse_connect(ticket, &ConnectError::new("late")),
        Err(Error::NoSuchTicket)
    );
    assert_eq!(
        world.endpoint.pass_connect(ticket),
        Err(Error::NoSuchTicket)
    );
    assert_eq!(
        world.endpoint.set_connect_data(ticket, 1),
        Err(Error::NoSuchTicket)
    );
    world.pass_ms(1);
    assert!(world.frames(key).is_empty());
}

#[test]
fn a_refused_client_hears_why_and_may_try_again() {
    let mut world = World::new(config());
    let (key, first) = ask(&mut world, "40");
    refuse(&mut world, first, ConnectError::new("say \"please\""));
    assert_eq!(world.frames(key), [r#"44{"message":"say \"please\""}"#]);
    world.send(key, "40");
    let (second, _) = ticket(&mut world);
    refuse(&mut world, second, detailed());
    assert_eq!(
        world.frames(key),
        [r#"44{"message":"nope","data":{"code":7}}"#]
    );
    world.send(key, "40/x,");
    let (third, _) = ticket(&mut world);
    refuse(&mut world, third, detailed());
    assert_eq!(
        world.frames(key),
        [r#"44/x,{"message":"nope","data":{"code":7}}"#]
    );
    world.send(key, "40");
    let (fourth, _) = ticket(&mut world);
    accept(&mut world, fourth);
    assert!(world.frames(key)[0].starts_with("40{"));
}

#[test]
fn clients_of_socket_io_2_are_refused_with_the_data_or_else_the_message_alone() {
    let mut world = World::new(Config {
        allow_eio3: true,
        ..config()
    });
    let key = world.open_websocket_of("EIO=3&transport=websocket");
    let (root, _) = ticket(&mut world);
    refuse(&mut world, root, ConnectError::new("nope"));
    assert_eq!(world.frames(key), [r#"44"nope""#]);
    world.send(key, "40/x?token=a%20b,");
    let Some(Event::ConnectRequested {
        ticket,
        namespace,
        auth,
        ..
    }) = world.take_events().pop()
    else {
        panic!("asked")
    };
    assert_eq!(
        (&*namespace, auth.raw(0)),
        ("/x", Some(r#"{"token":"a b"}"#))
    );
    refuse(&mut world, ticket, detailed());
    assert_eq!(world.frames(key), [r#"44/x,{"code":7}"#]);
}

#[test]
fn clients_of_socket_io_2_are_let_into_the_root_namespace_when_the_host_says_so() {
    let mut world = World::new(Config {
        allow_eio3: true,
        ..config()
    });
    let key = world.open_websocket_of("EIO=3&transport=websocket");
    let (root, _) = ticket(&mut world);
    assert!(world.frames(key).is_empty());
    accept(&mut world, root);
    assert_eq!(world.frames(key), ["40"]);
}

#[cfg(feature = "msgpack")]
#[test]
fn a_refusal_in_messagepack_is_a_map_too() {
    let mut world = World::new(Config {
        parser: crate::Parser::Msgpack,
        ..config()
    });
    let key = world.open_websocket();
    world.feed(key, masked(0x82, b"\x82\xa4type\0\xa3nsp\xa1/"));
    let (ticket, _) = ticket(&mut world);
    refuse(&mut world, ticket, detailed());
    let mut wanted = b"\x83\xa4type\x04\xa3nsp\xa1/\xa4data\x82".to_vec();
    wanted.extend_from_slice(b"\xa4data\x81\xa4code\x07\xa7message\xa4nope");
    assert_eq!(world.take(key)[2..], wanted);
}

#[test]
fn a_decision_may_take_several_steps_and_bring_data_along() {
    let mut world = World::new(config());
    let (key, first) = ask(&mut world, "40");
    world.endpoint.set_connect_data(first, 1_u8).unwrap();
    for step in 1..=3 {
        world.endpoint.pass_connect(first).unwrap();
        world.turn();
        assert_eq!(ticket(&mut world), (first, step));
    }
    world.endpoint.set_passed(first, 7).unwrap();
    world.endpoint.pass_connect(first).unwrap();
    world.turn();
    assert_eq!(ticket(&mut world), (first, 8));
    world
        .endpoint
        .set_connect_data(first, "Ada".to_owned())
        .unwrap();
    let socket = accept(&mut world, first);
    assert_eq!(world.endpoint.data::<String>(socket).unwrap(), "Ada");
    assert_eq!(world.endpoint.data(socket), Some(&1_u8), "of another type");
    assert_eq!(world.frames(key).len(), 1);
}

#[test]
fn the_session_closes_by_the_connect_timeout_though_a_decision_is_pending() {
    let mut world = World::new(Config {
        connect_timeout_ms: 300,
        ..config()
    });
    let key = world.open_websocket();
    world.pass_ms(100);
    world.send(key, "40");
    let (ticket, _) = ticket(&mut world);
    world.pass_ms(199);
    assert!(world.frames(key).is_empty());
    world.pass_ms(1);
    assert_eq!(world.frames(key), ["close"]);
    assert_eq!(
        world.endpoint.accept_connect(ticket),
        Err(Error::NoSuchTicket)
    );
    assert!(world.take_events().is_empty(), "nobody was there");
    world.endpoint.hang_up(key);
    world.turn();
    assert_eq!(world.endpoint.counts(), Default::default());
}

#[test]
fn nothing_happens_when_the_client_is_gone_before_the_decision() {
    for is_let_in in [true, false] {
        let mut world = World::new(config());
        let (key, ticket) = ask(&mut world, "40");
        world.endpoint.hang_up(key);
        world.turn();
        let decided = if is_let_in {
            world.endpoint.accept_connect(ticket).map(|_| ())
        } else {
            world
                .endpoint
                .refuse_connect(ticket, &ConnectError::new("no"))
        };
        assert_eq!(decided, Err(Error::NoSuchTicket));
        world.turn();
        assert!(world.take_events().is_empty());
        assert_eq!(world.endpoint.counts(), Default::default());
    }
}

#[test]
fn a_client_that_asks_and_leaves_at_once_is_not_let_in_any_more() {
    for farewell in [masked(0x81, b"1"), masked(0x88, b"")] {
        let mut world = World::new(config());
        let key = world.open_websocket();
        let mut bytes = [masked(0x81, b"40"), farewell].concat();
        world.endpoint.feed(key, &mut bytes);
        let Some(Event::ConnectRequested { ticket, .. }) = world.endpoint.poll_event() else {
            panic!("asked")
        };
        assert!(world.endpoint.connect_request(ticket).is_none());
        assert_eq!(
            world.endpoint.accept_connect(ticket),
            Err(Error::NoSuchTicket)
        );
        world.turn();
        assert!(
            world.take_events().is_empty(),
            "who never came does not leave"
        );
    }
}

#[test]
fn what_a_client_may_not_do_before_it_is_let_in_closes_its_session() {
    for packet in [r#"42["too early"]"#, "430[]"] {
        let mut world = World::new(config());
        let (key, ticket) = ask(&mut world, "40");
        world.send(key, packet);
        assert_eq!(world.frames(key), ["close"], "{packet}");
        assert_eq!(
            world.endpoint.accept_connect(ticket),
            Err(Error::NoSuchTicket)
        );
        assert!(world.take_events().is_empty());
    }
}

#[test]
fn other_namespaces_go_on_while_one_is_pending() {
    let mut world = World::new(config());
    let (key, root) = ask(&mut world, "40");
    world.send(key, "40/x,");
    let (other, _) = ticket(&mut world);
    accept(&mut world, other);
    assert!(world.frames(key)[0].starts_with("40/x,{"));
    world.take_events();
    world.send(key, "42/x,[\"hi\"]");
    assert!(matches!(world.take_events()[..], [Event::Message(_)]));
    accept(&mut world, root);
    assert!(world.frames(key)[0].starts_with("40{"));
}

#[test]
fn an_auth_payload_has_a_limit() {
    let mut world = World::new(Config {
        max_auth_bytes: 10,
        ..Config::default()
    });
    let key = world.open_websocket();
    world.send(key, r#"40{"a":12345}"#);
    assert_eq!(
        world.frames(key),
        [r#"44{"message":"The auth payload is too large"}"#]
    );
    world.send(key, r#"40{"a":1234}"#);
    assert!(world.frames(key)[0].starts_with("40{"));
}

#[test]
fn pending_namespaces_count_among_those_of_a_client() {
    let mut world = World::new(Config {
        max_namespaces_per_client: 2,
        ..config()
    });
    let (key, root) = ask(&mut world, "40");
    accept(&mut world, root);
    world.frames(key);
    world.send(key, "40/a,");
    let (pending, _) = ticket(&mut world);
    world.send(key, "40/b,");
    assert_eq!(
        world.frames(key),
        [r#"44/b,{"message":"Too many namespaces"}"#]
    );
    refuse(&mut world, pending, ConnectError::new("no"));
    world.take(key);
    world.send(key, "40/b,");
    let (free, _) = ticket(&mut world);
    accept(&mut world, free);
    assert!(world.frames(key)[0].starts_with("40/b,{"));
}

#[test]
fn a_client_that_comes_back_is_asked_about_again_where_that_is_wanted() {
    for skip_middlewares in [true, false] {
        let mut world = World::new(Config {
            connect_timeout_ms: 300,
            recovery: Some(RecoveryConfig {
                skip_middlewares,
                ..RecoveryConfig::default()
            }),
            ..config()
        });
        let (key, first) = ask(&mut world, "40{\"token\":1}");
        world.endpoint.set_connect_data(first, "first").unwrap();
        let socket = accept(&mut world, first);
        let answer = world.frames(key).concat();
        let pid = pid(&answer);
        world.endpoint.hang_up(key);
        world.turn();
        let missed = Args::one("missed").unwrap();
        world.endpoint.emit_to(socket, "e", &missed).unwrap();
        world.turn();
        world.take_events();
        let key = world.open_websocket();
        world.send(key, &format!("40{{\"pid\":\"{pid}\"}}"));
        if !skip_middlewares {
            assert!(world.frames(key).is_empty());
            let (second, _) = ticket(&mut world);
            world.endpoint.set_connect_data(second, "second").unwrap();
            assert_eq!(accept(&mut world, second), socket);
        }
        let frames = world.frames(key);
        assert!(frames[0].starts_with(r#"42["e","missed","#), "{frames:?}");
        assert_eq!(frames[1], answer);
        assert!(matches!(
            world.take_events()[..],
            [Event::Connected {
                is_recovered: true,
                ..
            }]
        ));
        let data = if skip_middlewares { "first" } else { "second" };
        assert_eq!(world.endpoint.data(socket), Some(&data));
        world.pass_ms(1_000);
        assert!(world.frames(key).is_empty(), "the connect timeout is over");
    }
}

#[test]
fn the_end_of_a_client_that_reads_nothing_comes_after_its_beginning() {
    let mut world = World::new(Config {
        max_queued_bytes: 10,
        ..config()
    });
    let sid = world.open_polling();
    world.post(&sid, "40");
    let (ticket, _) = ticket(&mut world);
    accept(&mut world, ticket);
    let events = world.take_events();
    assert!(
        matches!(
            events[..],
            [
                Event::Connected { .. },
                Event::Disconnected {
                    reason: DisconnectReason::TransportError,
                    ..
                }
            ]
        ),
        "{events:?}"
    );
    assert_eq!(world.endpoint.counts().sessions, 0);
}
