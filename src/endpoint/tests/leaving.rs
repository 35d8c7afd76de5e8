//! Sockets that leave: what is still there at which moment, and what reaches whom.

use super::*;
use crate::endpoint::Counts;
use crate::error::{DisconnectReason, Error};
use crate::socket::{Args, RecoveryConfig};

fn config() -> Config {
    Config {
        namespaces: vec!["/".to_owned(), "/custom".to_owned()],
        progress: None,
        ..Config::default()
    }
}

fn recovering() -> Config {
    Config {
        recovery: Some(RecoveryConfig::default()),
        ..config()
    }
}

#[test]
fn a_socket_keeps_its_rooms_until_disconnecting_and_all_else_until_disconnected() {
    let mut world = World::new(config());
    let (key, socket) = world.enter("40{\"a\":1}");
    let id = world.endpoint.socket_id(socket).unwrap();
    world.endpoint.join(socket, "room").unwrap();
    world.endpoint.set_data(socket, 7_u64).unwrap();
    world.endpoint.feed(key, &mut masked(0x81, b"41"));
    let Some(Event::Disconnecting {
        reason: DisconnectReason::ClientNamespaceDisconnect,
        ..
    }) = world.endpoint.poll_event()
    else {
        panic!("disconnecting first")
    };
    assert_eq!(world.endpoint.rooms(socket).collect::<Vec<_>>(), ["room"]);
    let known = |world: &World| {
        assert_eq!(world.endpoint.data(socket), Some(&7_u64));
        assert_eq!(world.endpoint.socket_id(socket), Some(id));
        assert_eq!(world.endpoint.auth(socket), Some("{\"a\":1}"));
        assert!(world.endpoint.client_info(socket).is_some());
        assert!(world.endpoint.namespace_of(socket).is_ok());
        assert_eq!(world.endpoint.find_socket(id.as_str()), None);
        assert_eq!(world.endpoint.counts().sockets, 0);
        world.endpoint.check_invariants();
    };
    known(&world);
    assert!(matches!(
        world.endpoint.poll_event(),
        Some(Event::Disconnected { .. })
    ));
    assert_eq!(world.endpoint.rooms(socket).count(), 0);
    assert_eq!(
        world
            .endpoint
            .all_rooms(world.everybody().namespace_id())
            .count(),
        0
    );
    known(&world);
    assert!(world.endpoint.poll_event().is_none());
    assert_eq!(world.endpoint.data::<u64>(socket), None);
    assert_eq!(world.endpoint.socket_id(socket), None);
    assert_eq!(world.endpoint.auth(socket), None);
    assert!(world.endpoint.client_info(socket).is_none());
    assert_eq!(
        world.endpoint.namespace_of(socket),
        Err(Error::NoSuchSocket)
    );
}

#[test]
fn nothing_reaches_a_socket_that_is_leaving_but_the_others_in_its_rooms() {
    let mut world = World::new(config());
    let (key, socket) = world.enter("40");
    let (other_key, other) = world.enter("40");
    for member in [socket, other] {
        world.endpoint.join(member, "room").unwrap();
    }
    world.endpoint.feed(key, &mut masked(0x81, b"41"));
    let room = world.everybody().to("room");
    for moment in ["disconnecting", "disconnected"] {
        assert!(world.endpoint.poll_event().is_some(), "{moment}");
        let args = Args::one(moment).unwrap();
        world.endpoint.emit(&room, "bye", &args).unwrap();
        assert_eq!(world.endpoint.fetch_sockets(&room), [other]);
        let gone = Err(Error::NoSuchSocket);
        assert_eq!(world.endpoint.emit_to(socket, "bye", &args), gone);
        assert_eq!(world.endpoint.emit_volatile(socket, "bye", &args), gone);
        assert_eq!(world.endpoint.join(socket, "other"), gone);
        assert_eq!(world.endpoint.leave(socket, "room"), gone);
        assert_eq!(world.endpoint.disconnect(socket, true), gone);
        assert!(world.endpoint.emit_with_ack(socket, "bye", &args).is_err());
        world
            .endpoint
            .disconnect_sockets(&room.clone().to("nobody").except("room"), true);
        world.endpoint.check_invariants();
    }
    world.turn();
    assert!(world.frames(key).is_empty());
    assert_eq!(
        world.frames(other_key),
        [
            r#"42["bye","disconnecting"]"#,
            r#"42["bye","disconnected"]"#
        ]
    );
}

#[test]
fn the_end_of_a_socket_stands_behind_what_it_sent_and_before_what_comes_later() {
    let mut world = World::new(config());
    let (key, _) = world.enter("40");
    let (other, _) = world.enter("40");
    for (from, text) in [(key, "42[\"one\"]"), (key, "41"), (other, "42[\"two\"]")] {
        world
            .endpoint
            .feed(from, &mut masked(0x81, text.as_bytes()));
    }
    let kinds = std::iter::from_fn(|| world.endpoint.poll_event()).map(|event| match event {
        Event::Message(message) => message.name().into_owned(),
        Event::Disconnecting { .. } => "disconnecting".to_owned(),
        Event::Disconnected { .. } => "disconnected".to_owned(),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        ["one", "disconnecting", "disconnected", "two"]
    );
}

#[test]
fn a_client_leaves_all_its_namespaces_with_its_connection() {
    let mut world = World::new(config());
    let (key, root) = world.enter("40");
    world.send(key, "40/custom,");
    world.take_events();
    world.endpoint.hang_up(key);
    let events: Vec<Event> = std::iter::from_fn(|| world.endpoint.poll_event()).collect();
    let left = events.iter().filter_map(|event| match event {
        Event::Disconnected { socket, reason, .. } => Some((*socket == root, *reason)),
        _ => None,
    });
    let reason = DisconnectReason::TransportClose;
    assert_eq!(left.collect::<Vec<_>>(), [(true, reason), (false, reason)]);
    assert_eq!(events.len(), 4);
    assert_eq!(world.endpoint.counts(), Counts::default());
}

#[test]
fn disconnecting_in_a_handler_ends_each_socket_once() {
    let mut world = World::new(config());
    let sockets: Vec<SocketId> = (0..3).map(|_| world.enter("40").1).collect();
    world.endpoint.disconnect(sockets[0], true).unwrap();
    while let Some(event) = world.endpoint.poll_event() {
        if matches!(event, Event::Disconnecting { .. }) {
            let everybody = world.everybody();
            world.endpoint.disconnect_sockets(&everybody, true);
        }
        world.events.push(event);
    }
    world.turn();
    let events = world.take_events();
    let count = |is_it: fn(&Event) -> bool| events.iter().filter(|event| is_it(event)).count();
    assert_eq!(
        count(|event| matches!(event, Event::Disconnecting { .. })),
        3
    );
    assert_eq!(
        count(|event| matches!(event, Event::Disconnected { .. })),
        3
    );
}

#[test]
fn an_away_socket_that_the_host_disconnects_expires_and_cannot_come_back() {
    for close in [true, false] {
        let mut world = World::new(recovering());
        let key = world.open_websocket();
        world.send(key, "40");
        let answer = world.frames(key).concat();
        let Some(Event::Connected { socket, .. }) = world.take_events().pop() else {
            panic!("connected")
        };
        world.endpoint.join(socket, "room").unwrap();
        world.endpoint.set_data(socket, "Ada").unwrap();
        world.endpoint.hang_up(key);
        world.turn();
        assert!(matches!(
            world.take_events()[..],
            [Event::Disconnected { .. }]
        ));
        assert_eq!(
            (world.endpoint.counts().away, world.endpoint.counts().timers),
            (1, 1)
        );
        world.endpoint.disconnect(socket, close).unwrap();
        let event = world.endpoint.poll_event();
        assert!(
            matches!(event, Some(Event::RecoveryExpired { .. })),
            "{event:?}"
        );
        assert_eq!(world.endpoint.data(socket), Some(&"Ada"));
        assert_eq!(world.endpoint.rooms(socket).count(), 0);
        world.turn();
        assert_eq!(world.endpoint.data::<&str>(socket), None);
        assert!(
            world.take_events().is_empty(),
            "its disconnection was told of before"
        );
        assert_eq!(world.endpoint.counts(), Counts::default());
        let pid = pid(&answer);
        let key = world.open_websocket();
        world.send(key, &format!("40{{\"pid\":\"{pid}\"}}"));
        assert!(!world.frames(key)[0].contains(&pid));
    }
}

#[test]
fn a_socket_that_expires_has_its_data_until_the_host_has_heard_of_it() {
    let mut world = World::new(recovering());
    let (key, socket) = world.enter("40");
    world.endpoint.set_data(socket, "Ada").unwrap();
    world.endpoint.hang_up(key);
    world.turn();
    assert_eq!(world.endpoint.data(socket), Some(&"Ada"));
    assert!(world.endpoint.is_away(socket));
    world.take_events();
    world.expire_in_ms(120_000);
    assert!(matches!(
        world.endpoint.poll_event(),
        Some(Event::RecoveryExpired { socket: expired, .. }) if expired == socket
    ));
    assert_eq!(world.endpoint.data(socket), Some(&"Ada"));
    assert!(!world.endpoint.is_away(socket));
    assert!(world.endpoint.poll_event().is_none());
    assert_eq!(world.endpoint.data::<&str>(socket), None);
    assert_eq!(world.endpoint.counts(), Counts::default());
}

#[test]
fn a_client_that_leaves_on_purpose_does_not_get_its_old_socket_back() {
    for is_new_session in [false, true] {
        let mut world = World::new(recovering());
        let key = world.open_websocket();
        world.send(key, "40");
        let answer = world.frames(key).concat();
        let pid = pid(&answer);
        let back = format!("40{{\"pid\":\"{pid}\"}}");
        world.take_events();
        let newer = if is_new_session {
            world.open_websocket()
        } else {
            key
        };
        // All of it before the host hears of anything.
        world.endpoint.feed(key, &mut masked(0x81, b"42[\"x\"]"));
        world.endpoint.feed(key, &mut masked(0x81, b"41"));
        world
            .endpoint
            .feed(newer, &mut masked(0x81, back.as_bytes()));
        world.turn();
        let events = world.take_events();
        assert!(
            matches!(
                events[..],
                [
                    Event::Message(_),
                    Event::Disconnected { .. },
                    Event::Connected {
                        is_recovered: false,
                        ..
                    }
                ]
            ),
            "{events:?}"
        );
        assert!(!world.frames(newer).concat().contains(&pid));
        assert_eq!(world.endpoint.counts().sockets, 1);
    }
}

#[test]
fn a_client_that_left_and_is_back_is_not_put_out_in_place_of_its_old_socket() {
    let mut world = World::new(config());
    let (key, old) = world.enter("40");
    let bytes = [
        masked(0x81, b"42[\"out\"]"),
        masked(0x81, b"41"),
        masked(0x81, b"40"),
    ];
    world.endpoint.feed(key, &mut bytes.concat());
    // The host handles the message when the client has left and come back.
    assert!(matches!(
        world.endpoint.poll_event(),
        Some(Event::Message(message)) if message.socket == old
    ));
    world.endpoint.disconnect(old, false).unwrap();
    world.turn();
    let events = world.take_events();
    let [Event::Connected { socket: new, .. }, Event::Disconnected { socket, .. }] = events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(socket, old);
    assert_eq!(world.frames(key).len(), 1, "the answer to its CONNECT");
    world.endpoint.emit_to(new, "e", &Args::none()).unwrap();
    world.turn();
    assert_eq!(world.frames(key), ["42[\"e\"]"]);
}
