//! Clients that wait for a decision, and what the host says of them meanwhile.

use super::*;

#[test]
fn b163_a_decision_about_a_second_namespace_may_take_its_time() {
    let mut world = World::new(Config {
        connect_timeout_ms: 300,
        max_namespaces_per_client: 3,
        ..config()
    });
    let (key, root) = ask(&mut world, "40");
    accept(&mut world, root);
    world.frames(key);
    let timers = world.endpoint.counts().timers;
    world.send(key, "40/slow,");
    let (slow, _) = ticket(&mut world);
    assert_eq!(world.endpoint.counts().timers, timers, "no timer is set");
    world.pass_ms(5_000);
    assert!(world.frames(key).is_empty());
    world.take_events();
    // What is undecided counts as what is joined does.
    world.send(key, "40/third,");
    let (third, _) = ticket(&mut world);
    world.send(key, "40/fourth,");
    assert_eq!(
        world.frames(key),
        [r#"44/fourth,{"message":"Too many namespaces"}"#]
    );
    accept(&mut world, slow);
    assert!(world.frames(key)[0].starts_with(r#"40/slow,{"sid":"#));
    world.endpoint.hang_up(key);
    world.turn();
    let late = world.endpoint.accept_connect(third);
    assert_eq!(late, Err(Error::NoSuchTicket), "it ends with its session");
    assert_eq!(world.endpoint.counts(), Default::default());
}

#[test]
fn b163_a_session_in_no_namespace_is_closed_though_it_waits_for_a_decision() {
    let mut world = World::new(Config {
        connect_timeout_ms: 300,
        ..config()
    });
    let (key, first) = ask(&mut world, "40");
    world.pass_ms(299);
    assert!(world.frames(key).is_empty());
    world.pass_ms(1);
    assert_eq!(world.frames(key), ["close"]);
    let late = world.endpoint.accept_connect(first);
    assert_eq!(late, Err(Error::NoSuchTicket));
}

#[test]
fn b165_rooms_that_a_middleware_joins_count_once_the_client_is_let_in() {
    let mut world = World::new(Config {
        max_rooms_per_socket: 2,
        max_room_name_bytes: 10,
        ..config()
    });
    let room = |world: &World, name: &str| {
        let target = world.everybody().to(name);
        world.endpoint.fetch_sockets(&target)
    };
    let (key, first) = ask(&mut world, "40");
    let (other, second) = ask(&mut world, "40");
    for (ticket, name) in [(first, "a"), (first, "b"), (first, "a"), (second, "a")] {
        world.endpoint.join_once_connected(ticket, name).unwrap();
    }
    for (name, error) in [
        ("c", Error::TooManyRooms),
        ("a name too long", Error::RoomNameTooLong),
    ] {
        let joined = world.endpoint.join_once_connected(first, name);
        assert_eq!(joined, Err(error));
    }
    assert!(room(&world, "a").is_empty(), "it is not in yet");
    refuse(&mut world, second, ConnectError::new("no"));
    let socket = accept(&mut world, first);
    assert_eq!(room(&world, "a"), [socket]);
    assert_eq!(room(&world, "b"), [socket]);
    assert_eq!(world.endpoint.rooms(socket).count(), 2);
    let late = world.endpoint.join_once_connected(first, "a");
    assert_eq!(late, Err(Error::NoSuchTicket));
    for key in [key, other] {
        world.endpoint.hang_up(key);
    }
    world.turn();
    assert_eq!(world.endpoint.counts(), Default::default());
}

#[test]
fn b165_a_client_that_comes_back_is_in_the_rooms_of_its_middlewares_too() {
    let mut world = World::new(Config {
        recovery: Some(RecoveryConfig {
            skip_middlewares: false,
            ..RecoveryConfig::default()
        }),
        ..config()
    });
    let (key, first) = ask(&mut world, "40");
    let join = |world: &mut World, ticket, room: &str| {
        world.endpoint.join_once_connected(ticket, room).unwrap();
    };
    join(&mut world, first, "a");
    let socket = accept(&mut world, first);
    world.endpoint.join(socket, "of its own").unwrap();
    let answer = world.frames(key).concat();
    let pid = pid(&answer);
    let connect = format!(r#"40{{"pid":"{pid}"}}"#);
    world.endpoint.hang_up(key);
    world.turn();
    world.take_events();
    let (_, second) = ask(&mut world, &connect);
    join(&mut world, second, "b");
    assert_eq!(accept(&mut world, second), socket);
    let rooms: Vec<&str> = world.endpoint.rooms(socket).collect();
    assert_eq!(rooms, ["a", "of its own", "b"]);
}
