//! Rooms, their events, and what is done to all sockets of a target.

use super::*;
use crate::error::Error;
use crate::socket::{Args, RoomChange};

fn config() -> Config {
    Config {
        room_events: true,
        namespaces: vec!["/".to_owned(), "/custom".to_owned()],
        progress: None,
        ..Config::default()
    }
}

/// What has become of rooms, in the reference's words: `create-room a`, `join-room a`, ...
fn changes(world: &mut World) -> Vec<String> {
    let events = world.take_events().into_iter();
    let changes = events.map(|event| match event {
        Event::Room { room, change, .. } => match change {
            RoomChange::Created => format!("create-room {room}"),
            RoomChange::Joined(_) => format!("join-room {room}"),
            RoomChange::Left(_) => format!("leave-room {room}"),
            RoomChange::Deleted => format!("delete-room {room}"),
        },
        Event::Connected { .. } => "connect".to_owned(),
        Event::Disconnected { .. } => "disconnect".to_owned(),
        other => panic!("{other:?}"),
    });
    changes.collect()
}

fn id(world: &World, socket: SocketId) -> String {
    world.endpoint.socket_id(socket).unwrap().to_string()
}

fn rooms(world: &World, socket: SocketId) -> Vec<&str> {
    world.endpoint.rooms(socket).collect()
}

#[test]
fn rooms_come_and_go_in_the_order_of_the_reference() {
    let mut world = World::new(config());
    let key = world.open_websocket();
    world.send(key, "40");
    let Some(Event::Connected { socket, .. }) = world.events.last() else {
        panic!("connected")
    };
    let socket = *socket;
    let own = id(&world, socket);
    assert_eq!(
        changes(&mut world),
        [
            &*format!("create-room {own}"),
            &format!("join-room {own}"),
            "connect"
        ]
    );
    let (_, other) = world.enter("40");
    for (who, room) in [(socket, "a"), (other, "a"), (socket, "b"), (socket, "b")] {
        world.endpoint.join(who, room).unwrap();
    }
    world.endpoint.leave(other, "b").unwrap();
    world.turn();
    assert_eq!(
        changes(&mut world),
        [
            "create-room a",
            "join-room a",
            "join-room a",
            "create-room b",
            "join-room b"
        ]
    );
    world.endpoint.leave(other, "a").unwrap();
    world.turn();
    assert_eq!(changes(&mut world), ["leave-room a"]);
    world.endpoint.hang_up(key);
    world.turn();
    assert_eq!(world.left_rooms.pop().unwrap(), ["a", "b"]);
    assert_eq!(
        changes(&mut world),
        [
            &*format!("leave-room {own}"),
            &format!("delete-room {own}"),
            "leave-room a",
            "delete-room a",
            "leave-room b",
            "delete-room b",
            "disconnect"
        ]
    );
}

#[test]
fn nobody_is_told_of_rooms_who_does_not_want_to_know() {
    let mut world = World::new(Config {
        room_events: false,
        ..config()
    });
    let (_, socket) = world.enter("40");
    world.endpoint.join(socket, "a").unwrap();
    world.turn();
    assert!(world.take_events().is_empty());
}

#[test]
fn a_socket_is_in_the_room_of_its_own_id_and_cannot_join_it_twice() {
    let mut world = World::new(config());
    let (key, socket) = world.enter("40");
    let own = id(&world, socket);
    world.endpoint.join(socket, &own).unwrap();
    world.endpoint.leave(socket, &own).unwrap();
    let target = world.everybody().to(own.as_str());
    world.endpoint.emit(&target, "once", &Args::none()).unwrap();
    world.turn();
    assert_eq!(world.frames(key), ["42[\"once\"]"]);
    assert!(changes(&mut world).is_empty());
    assert!(rooms(&world, socket).is_empty());
}

#[test]
fn targets_say_which_sockets_join_leave_and_are_fetched() {
    let mut world = World::new(config());
    let sockets: Vec<SocketId> = (0..4).map(|_| world.enter("40").1).collect();
    let (_, custom) = world.enter("40/custom,");
    let everybody = world.everybody();
    let first = everybody
        .clone()
        .to(id(&world, sockets[0]))
        .to(id(&world, sockets[1]));
    world.endpoint.sockets_join(&first, &["a", "b"]).unwrap();
    assert_eq!(rooms(&world, sockets[0]), ["a", "b"]);
    assert_eq!(rooms(&world, sockets[1]), ["a", "b"]);
    assert!(rooms(&world, sockets[2]).is_empty());
    let others = everybody
        .clone()
        .except("a")
        .except_socket(sockets[2])
        .local();
    assert_eq!(world.endpoint.fetch_sockets(&others), [sockets[3]]);
    world.endpoint.sockets_join(&others, &["c"]).unwrap();
    let mut fetched = world
        .endpoint
        .fetch_sockets(&everybody.clone().to("b").to("c"));
    fetched.sort_unstable();
    assert_eq!(fetched, [sockets[0], sockets[1], sockets[3]]);
    let kept = everybody.clone().except(id(&world, sockets[0]));
    world.endpoint.sockets_leave(&kept, &["a", "c", "nobody's"]);
    assert_eq!(rooms(&world, sockets[0]), ["a", "b"]);
    assert_eq!(rooms(&world, sockets[1]), ["b"]);
    assert!(rooms(&world, sockets[3]).is_empty());
    assert!(
        rooms(&world, custom).is_empty(),
        "it is in another namespace"
    );
    assert_eq!(
        world
            .endpoint
            .fetch_sockets(&everybody.clone().to(id(&world, custom))),
        []
    );
    let all: Vec<&str> = world.endpoint.all_rooms(everybody.namespace_id()).collect();
    assert_eq!(all, ["a", "b"]);
    world.endpoint.check_invariants();
}

#[test]
fn namespaces_have_rooms_of_their_own() {
    let mut world = World::new(config());
    let (root_key, root) = world.enter("40");
    let (custom_key, custom) = world.enter("40/custom,");
    for socket in [root, custom] {
        world.endpoint.join(socket, "a").unwrap();
    }
    let namespace = world.endpoint.namespace("/custom").unwrap();
    let target = Target::namespace(namespace).to("a");
    world.endpoint.emit(&target, "x", &Args::none()).unwrap();
    world.turn();
    assert!(world.frames(root_key).is_empty());
    assert_eq!(world.frames(custom_key), ["42/custom,[\"x\"]"]);
    world.endpoint.sockets_leave(&target, &["a"]);
    assert_eq!(rooms(&world, root), ["a"]);
    world
        .endpoint
        .disconnect_sockets(&Target::namespace(namespace), true);
    world.turn();
    assert_eq!(world.endpoint.counts().sockets, 1);
}

#[test]
fn disconnecting_a_target_says_so_to_its_clients_alone() {
    for close in [false, true] {
        let mut world = World::new(config());
        let clients: Vec<(ConnectionId, SocketId)> = (0..3).map(|_| world.enter("40")).collect();
        world.endpoint.join(clients[0].1, "a").unwrap();
        world.endpoint.join(clients[1].1, "a").unwrap();
        let target = world.everybody().to("a").except_socket(clients[1].1);
        world.endpoint.disconnect_sockets(&target, close);
        world.turn();
        let wanted: &[&str] = if close { &["41", "close"] } else { &["41"] };
        assert_eq!(world.frames(clients[0].0), wanted);
        assert!(world.frames(clients[1].0).is_empty() && world.frames(clients[2].0).is_empty());
        assert_eq!(world.endpoint.counts().sockets, 2);
        assert_eq!(world.endpoint.counts().sessions, if close { 2 } else { 3 });
    }
}

#[test]
fn one_client_in_several_namespaces_is_closed_once() {
    let mut world = World::new(config());
    let (key, _) = world.enter("40");
    world.send(key, "40/custom,");
    world.take(key);
    world.take_events();
    let everybody = world.everybody();
    world.endpoint.disconnect_sockets(&everybody, true);
    world.turn();
    assert_eq!(world.frames(key), ["41", "41/custom,", "close"]);
}

#[test]
fn a_socket_is_in_no_more_rooms_than_allowed() {
    let mut world = World::new(Config {
        max_rooms_per_socket: 2,
        ..config()
    });
    let (_, full) = world.enter("40");
    let (_, empty) = world.enter("40");
    world.endpoint.join(full, "a").unwrap();
    world.endpoint.join(full, "b").unwrap();
    assert_eq!(world.endpoint.join(full, "c"), Err(Error::TooManyRooms));
    assert_eq!(
        world.endpoint.join(full, "a"),
        Ok(()),
        "it is there already"
    );
    let everybody = world.everybody();
    let joined = world.endpoint.sockets_join(&everybody, &["c"]);
    assert_eq!(joined, Err(Error::TooManyRooms));
    assert_eq!(rooms(&world, full), ["a", "b"]);
    assert_eq!(rooms(&world, empty), ["c"]);
    world.endpoint.leave(full, "a").unwrap();
    world.endpoint.join(full, "c").unwrap();
    assert_eq!(rooms(&world, full), ["b", "c"]);
}

#[test]
fn a_room_has_no_longer_name_than_allowed() {
    let mut world = World::new(Config {
        max_room_name_bytes: 3,
        ..config()
    });
    let (_, socket) = world.enter("40");
    world.endpoint.join(socket, "abc").unwrap();
    assert_eq!(
        world.endpoint.join(socket, "abcd"),
        Err(Error::RoomNameTooLong)
    );
    assert_eq!(rooms(&world, socket), ["abc"]);
}

#[test]
fn a_room_is_not_left_before_it_is_joined() {
    let mut world = World::new(config());
    let (key, socket) = world.enter("40");
    let own = id(&world, socket);
    // It leaves before the host has handled what it sent before.
    let bytes = [masked(0x81, b"42[\"join\"]"), masked(0x81, b"41")];
    world.endpoint.feed(key, &mut bytes.concat());
    assert!(matches!(
        world.endpoint.poll_event(),
        Some(Event::Message(_))
    ));
    world.endpoint.join(socket, "a").unwrap();
    assert!(world.endpoint.has_work());
    world.turn();
    assert_eq!(
        changes(&mut world),
        [
            "create-room a",
            "join-room a",
            &*format!("leave-room {own}"),
            &format!("delete-room {own}"),
            "leave-room a",
            "delete-room a",
            "disconnect"
        ]
    );
}
