use super::*;
use crate::error::{DisconnectReason, Error};
use crate::socket::{Args, SocketId, Target};
use crate::Message;

fn config() -> Config {
    Config {
        namespaces: vec!["/".to_owned(), "/custom".to_owned()],
        progress: None,
        ..Config::default()
    }
}

/// A client on a WebSocket and its socket in `/`.
fn join(world: &mut World) -> (ConnectionId, SocketId) {
    let key = world.open_websocket();
    world.send(key, "40");
    world.take(key);
    match world.take_events().pop() {
        Some(Event::Connected { socket, .. }) => (key, socket),
        other => panic!("{other:?}"),
    }
}

fn message(world: &mut World) -> Message {
    match world.take_events().pop() {
        Some(Event::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn everybody(world: &World) -> Target {
    Target::namespace(world.endpoint.namespace("/").unwrap())
}

#[test]
fn a_client_joins_with_its_auth_payload_and_gets_an_id_of_its_own() {
    let mut world = World::new(config());
    let key = world.open_websocket();
    world.send(key, r#"40{"token":12345678901234567890}"#);
    let answer = world.frames(key).concat();
    let Some(Event::Connected { socket, auth, .. }) = world.take_events().pop() else {
        panic!("connected")
    };
    let id = world.endpoint.socket_id(socket).unwrap();
    assert_eq!(answer, format!(r#"40{{"sid":"{id}"}}"#));
    assert_eq!(auth.raw(0), Some(r#"{"token":12345678901234567890}"#));
    assert_eq!(world.endpoint.find_socket(id.as_str()), Some(socket));
    assert_eq!(
        world.endpoint.client_info(socket).unwrap().query,
        "EIO=4&transport=websocket"
    );
    world.send(key, "40/custom,");
    assert!(world.frames(key)[0].starts_with("40/custom,{\"sid\":\""));
    world.send(key, "40/nope?a=b,{}");
    assert_eq!(
        world.frames(key),
        [r#"44/nope?a=b,{"message":"Invalid namespace"}"#]
    );
}

#[test]
fn events_and_acknowledgements_go_both_ways() {
    let mut world = World::new(config());
    let (key, socket) = join(&mut world);
    world.send(key, r#"427["ask",1,{"b":[2.50]}]"#);
    let asked = message(&mut world);
    assert_eq!(asked.name(), "ask");
    assert_eq!(asked.args.len(), 2);
    world
        .endpoint
        .acknowledge(asked.ack.unwrap(), &asked.args)
        .unwrap();
    world.turn();
    assert_eq!(world.frames(key), [r#"437[1,{"b":[2.50]}]"#]);

    let number = world
        .endpoint
        .emit_with_ack(socket, "question", &Args::one("?").unwrap())
        .unwrap();
    world.turn();
    assert_eq!(world.frames(key), [r#"420["question","?"]"#]);
    world.send(key, "431[\"unknown\"]");
    world.send(key, "43[\"no number\"]");
    assert!(world.take_events().is_empty());
    world.send(key, "430[\"answer\"]");
    match world.take_events().pop() {
        Some(Event::Acknowledged { id, args, .. }) => {
            assert_eq!((id, args.raw(0)), (number, Some("\"answer\"")));
        }
        other => panic!("{other:?}"),
    }
    world.send(key, "430[\"again\"]");
    assert!(world.take_events().is_empty());
}

#[test]
fn binary_values_travel_as_attachments() {
    let mut world = World::new(config());
    let (key, socket) = join(&mut world);
    world.send(key, r#"451-["bin",{"_placeholder":true,"num":0},"x"]"#);
    assert!(world.take_events().is_empty(), "not before the attachment");
    world.feed(key, masked(0x82, &[7, 8]));
    let received = message(&mut world);
    assert_eq!(received.args.binary(0), Some(&[7, 8][..]));
    world
        .endpoint
        .emit_to(socket, "back", &received.args)
        .unwrap();
    world.turn();
    assert_eq!(
        world.frames(key),
        [
            r#"451-["back",{"_placeholder":true,"num":0},"x"]"#,
            "binary:[7, 8]"
        ]
    );
}

#[test]
fn what_breaks_the_protocol_ends_the_session() {
    for bad in [
        "4",
        "49",
        "42{",
        "42{}",
        "42[]",
        "42[null]",
        r#"42["connect"]"#,
        "44{}",
        "42/custom,[\"x\"]",
        r#"4511-["x"]"#,
        r#"451-["x",{"_placeholder":true,"num":1}]"#,
    ] {
        let mut world = World::new(config());
        let (key, _) = join(&mut world);
        world.send(key, bad);
        assert_eq!(world.frames(key), ["close"], "{bad}");
        assert!(matches!(
            world.take_events()[..],
            [Event::Disconnected {
                reason: DisconnectReason::ForcedClose,
                ..
            }]
        ));
    }
    for first in ["42[\"x\"]", "40[]", "41", "40\"x\"", "40{"] {
        let mut world = World::new(config());
        let key = world.open_websocket();
        world.send(key, first);
        assert_eq!(world.frames(key), ["close"], "{first}");
    }
    let mut world = World::new(config());
    let (key, _) = join(&mut world);
    world.feed(key, masked(0x82, b"unasked"));
    assert_eq!(world.frames(key), ["close"]);
    let (key, _) = join(&mut world);
    world.send(key, r#"451-["x",{"_placeholder":true,"num":0}]"#);
    world.send(key, r#"42["between"]"#);
    assert_eq!(world.frames(key), ["close"]);
}

#[test]
fn deeply_nested_json_ends_the_session_and_nothing_else() {
    let mut world = World::new(config());
    let (key, _) = join(&mut world);
    let (other, _) = join(&mut world);
    world.send(
        key,
        &format!("42[\"x\",{}{}]", "[".repeat(100_000), "]".repeat(100_000)),
    );
    assert_eq!(world.frames(key), ["close"]);
    world.send(other, r#"42["fine"]"#);
    assert_eq!(world.endpoint.counts().sockets, 1);
}

#[test]
fn rooms_and_broadcasts_reach_whom_they_name() {
    let mut world = World::new(config());
    let clients: Vec<(ConnectionId, SocketId)> = (0..3).map(|_| join(&mut world)).collect();
    world.endpoint.join(clients[0].1, "room").unwrap();
    world.endpoint.join(clients[1].1, "room").unwrap();
    let target = everybody(&world).to("room").except_socket(clients[0].1);
    world
        .endpoint
        .emit(&target, "hello", &Args::none())
        .unwrap();
    world
        .endpoint
        .emit(&everybody(&world).to("empty"), "hello", &Args::none())
        .unwrap();
    world.turn();
    let heard: Vec<usize> = clients
        .iter()
        .map(|(key, _)| world.frames(*key).len())
        .collect();
    assert_eq!(heard, [0, 1, 0]);
    assert_eq!(
        world.endpoint.rooms(clients[0].1).collect::<Vec<_>>(),
        ["room"]
    );
    world.endpoint.leave(clients[1].1, "room").unwrap();
    world
        .endpoint
        .emit(&target, "hello", &Args::none())
        .unwrap();
    world.turn();
    assert!(world.frames(clients[1].0).is_empty());
}

#[test]
fn volatile_events_are_dropped_where_they_would_have_to_wait() {
    let mut world = World::new(config());
    let (key, socket) = join(&mut world);
    world
        .endpoint
        .emit_volatile(socket, "first", &Args::none())
        .unwrap();
    world
        .endpoint
        .emit_volatile(socket, "second", &Args::none())
        .unwrap();
    world
        .endpoint
        .emit_to(socket, "normal", &Args::none())
        .unwrap();
    world
        .endpoint
        .emit(&everybody(&world).volatile(), "third", &Args::none())
        .unwrap();
    world.turn();
    assert_eq!(world.frames(key), [r#"42["first"]"#, r#"42["normal"]"#]);
}

#[test]
fn reserved_names_are_the_hosts_mistake() {
    let mut world = World::new(config());
    let (_, socket) = join(&mut world);
    let error = world
        .endpoint
        .emit_to(socket, "disconnect", &Args::none())
        .unwrap_err();
    assert_eq!(error.to_string(), "\"disconnect\" is a reserved event name");
    let error = world
        .endpoint
        .emit(&everybody(&world), "connect", &Args::none());
    assert_eq!(error, Err(Error::ReservedEvent("connect".to_owned())));
}

#[test]
fn disconnecting_one_namespace_leaves_the_others() {
    let mut world = World::new(config());
    let (key, socket) = join(&mut world);
    world.send(key, "40/custom,");
    world.take(key);
    world.take_events();
    world.endpoint.disconnect(socket, false).unwrap();
    world.turn();
    assert_eq!(world.frames(key), ["41"]);
    assert!(matches!(
        world.take_events()[..],
        [Event::Disconnected {
            reason: DisconnectReason::ServerNamespaceDisconnect,
            ..
        }]
    ));
    assert_eq!(
        world.endpoint.emit_to(socket, "x", &Args::none()),
        Err(Error::NoSuchSocket)
    );
    world.send(key, "42/custom,[\"still\"]");
    assert_eq!(message(&mut world).name(), "still");
    world.send(key, "40");
    assert!(world.frames(key)[0].starts_with("40{"));
}

#[test]
fn closing_says_so_in_every_namespace_first() {
    let mut world = World::new(config());
    let (key, socket) = join(&mut world);
    world.send(key, "40/custom,");
    world.take(key);
    world.endpoint.disconnect(socket, true).unwrap();
    world.turn();
    assert_eq!(world.frames(key), ["41", "41/custom,", "close"]);
    assert_eq!(world.endpoint.counts().sockets, 0);
}

#[test]
fn a_polling_client_fetches_what_was_queued_before_it_was_closed() {
    let mut world = World::new(config());
    let sid = world.open_polling();
    world.post(&sid, "40");
    let Some(Event::Connected { socket, .. }) = world.take_events().pop() else {
        panic!("connected")
    };
    world.poll(&sid);
    world
        .endpoint
        .emit_to(socket, "last", &Args::none())
        .unwrap();
    world.endpoint.disconnect(socket, true).unwrap();
    world.turn();
    assert_eq!(world.poll(&sid).1, "42[\"last\"]|41");
    assert_eq!(world.poll(&sid).1, "1");
    assert_eq!(world.poll(&sid).1, "400");
    assert_eq!(world.endpoint.counts().sessions, 0);
}

#[test]
fn what_a_client_sent_right_before_it_left_is_handled_while_it_is_still_there() {
    for farewell in [masked(0x81, b"41"), masked(0x81, b"1"), masked(0x88, b"")] {
        let mut world = World::new(config());
        let (key, socket) = join(&mut world);
        let (listener, _) = join(&mut world);
        let mut bytes = [masked(0x81, br#"42["news"]"#), farewell].concat();
        world.endpoint.feed(key, &mut bytes);
        let Some(Event::Message(news)) = world.endpoint.poll_event() else {
            panic!("the news first")
        };
        assert_eq!(world.endpoint.namespace_of(socket), Ok(news.namespace));
        world
            .endpoint
            .emit(&everybody(&world), "news", &news.args)
            .unwrap();
        world.turn();
        assert_eq!(world.frames(listener), [r#"42["news"]"#]);
        assert!(matches!(
            world.take_events()[..],
            [Event::Disconnected { .. }]
        ));
        assert_eq!(world.endpoint.counts().sockets, 1);
    }
}

#[test]
fn what_a_client_sent_after_it_was_disconnected_is_not_heard() {
    let mut world = World::new(config());
    let (key, socket) = join(&mut world);
    let mut bytes = [masked(0x81, br#"42["one"]"#), masked(0x81, br#"42["two"]"#)].concat();
    world.endpoint.feed(key, &mut bytes);
    assert!(matches!(
        world.endpoint.poll_event(),
        Some(Event::Message(_))
    ));
    world.endpoint.disconnect(socket, false).unwrap();
    assert!(matches!(
        world.endpoint.poll_event(),
        Some(Event::Disconnecting { .. })
    ));
    assert!(matches!(
        world.endpoint.poll_event(),
        Some(Event::Disconnected { .. })
    ));
    assert!(world.endpoint.poll_event().is_none());
}

#[test]
fn a_client_may_leave_and_join_again_at_once() {
    let mut world = World::new(config());
    let (key, _) = join(&mut world);
    let bytes = [
        masked(0x81, br#"42["x"]"#),
        masked(0x81, b"41"),
        masked(0x81, b"40"),
    ]
    .concat();
    world.feed(key, bytes);
    let events = world.take_events();
    assert!(
        matches!(
            events[..],
            [
                Event::Message(_),
                Event::Disconnected { .. },
                Event::Connected { .. }
            ]
        ),
        "{events:?}"
    );
    assert_eq!(world.endpoint.counts().sockets, 1);
}

#[test]
fn whoever_joins_nothing_in_time_is_closed_and_a_refusal_does_not_count() {
    let mut world = World::new(Config {
        connect_timeout_ms: 300,
        ..config()
    });
    let silent = world.open_websocket();
    let refused = world.open_websocket();
    let joined = world.open_websocket();
    world.send(refused, "40/nope,");
    world.send(joined, "40");
    world.take(refused);
    world.pass_ms(299);
    assert!(world.frames(silent).is_empty());
    world.pass_ms(1);
    assert_eq!(world.frames(silent), ["close"]);
    assert_eq!(world.frames(refused), ["close"]);
    assert_eq!(world.endpoint.counts().sockets, 1);
}

#[test]
fn shutting_down_tells_everybody_and_accepts_nobody() {
    let mut world = World::new(config());
    let (key, _) = join(&mut world);
    let sid = world.open_polling();
    let (waiting, _) = world.poll(&sid);
    world.endpoint.shut_down();
    world.turn();
    assert_eq!(world.frames(key), ["close"]);
    assert_eq!(world.polled(waiting), "1");
    assert!(matches!(
        world.take_events()[..],
        [Event::Disconnected {
            reason: DisconnectReason::ServerShuttingDown,
            ..
        }]
    ));
    assert!(world.endpoint.is_drained());
    assert_eq!(world.endpoint.open("127.0.0.1:1".parse().unwrap()), None);
}
