use super::*;
use crate::error::DisconnectReason;
use crate::slots::Slots;
use crate::socket::{Args, NamespaceId, RecoveryConfig, SocketId, Target};

fn config() -> Config {
    Config {
        recovery: Some(RecoveryConfig::default()),
        namespaces: vec!["/".to_owned(), "/custom".to_owned()],
        progress: None,
        ..Config::default()
    }
}

/// A client that can recover.
struct Recoverable {
    key: ConnectionId,
    socket: SocketId,
    id: String,
    pid: String,
}

fn join(world: &mut World) -> Recoverable {
    let key = world.open_websocket();
    world.send(key, "40");
    let answer = world.frames(key).concat();
    let Some(Event::Connected {
        socket,
        is_recovered: false,
        ..
    }) = world.take_events().pop()
    else {
        panic!("connected")
    };
    Recoverable {
        key,
        socket,
        id: sid(&answer),
        pid: pid(&answer),
    }
}

fn drop_connection(world: &mut World, client: &Recoverable) {
    world.endpoint.hang_up(client.key);
    world.turn();
    world.take_events();
}

/// Comes back with an offset, or without, and gives what was received.
fn come_back(world: &mut World, client: &mut Recoverable, offset: Option<&str>) -> Vec<String> {
    client.key = world.open_websocket();
    let offset = offset.map_or_else(String::new, |offset| format!(",\"offset\":\"{offset}\""));
    world.send(
        client.key,
        &format!("40{{\"pid\":\"{}\"{offset}}}", client.pid),
    );
    world.frames(client.key)
}

fn everybody() -> Target {
    // The first slot of all, in every world of these tests.
    Target::namespace(NamespaceId(Slots::default().insert(())))
}

fn emit(world: &mut World, target: &Target, text: &str) {
    world
        .endpoint
        .emit(target, "e", &Args::one(text).unwrap())
        .unwrap();
    world.turn();
}

fn offset_of(frame: &str) -> String {
    let event: Vec<String> = serde_json::from_str(&frame[2..]).unwrap();
    event.last().unwrap().clone()
}

fn was_recovered(world: &mut World) -> bool {
    match world.take_events().pop() {
        Some(Event::Connected { is_recovered, .. }) => is_recovered,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_gets_what_it_missed_and_then_its_old_id() {
    let mut world = World::new(config());
    let mut client = join(&mut world);
    world.endpoint.join(client.socket, "room").unwrap();
    emit(&mut world, &everybody(), "seen");
    let offset = offset_of(&world.frames(client.key)[0]);
    world.endpoint.hang_up(client.key);
    world.turn();
    assert!(matches!(
        world.take_events()[..],
        [Event::Disconnected {
            reason: DisconnectReason::TransportClose,
            ..
        }]
    ));
    assert_eq!(world.endpoint.counts().sockets, 0);
    emit(&mut world, &everybody(), "all");
    emit(&mut world, &everybody().to("room"), "room");
    emit(&mut world, &everybody().to("other room"), "not for me");
    emit(&mut world, &everybody().to(client.id.as_str()), "me");
    let custom = Target::namespace(world.endpoint.namespace("/custom").unwrap());
    emit(&mut world, &custom, "another namespace");
    let frames = come_back(&mut world, &mut client, Some(&offset));
    let texts: Vec<String> = frames[..3]
        .iter()
        .map(|frame| serde_json::from_str::<Vec<String>>(&frame[2..]).unwrap()[1].clone())
        .collect();
    assert_eq!(texts, ["all", "room", "me"]);
    let (id, pid) = (&client.id, &client.pid);
    assert_eq!(
        frames[3],
        format!("40{{\"sid\":\"{id}\",\"pid\":\"{pid}\"}}")
    );
    assert_eq!(frames.len(), 4);
    assert!(was_recovered(&mut world));
    assert_eq!(
        world.endpoint.rooms(client.socket).collect::<Vec<_>>(),
        ["room"]
    );
    world.send(client.key, "42[\"hello\"]");
    assert!(
        matches!(&world.take_events()[..], [Event::Message(message)] if message.socket == client.socket)
    );
}

#[test]
fn a_client_that_has_received_no_event_yet_recovers_too() {
    let mut world = World::new(config());
    emit(&mut world, &everybody(), "before");
    let mut client = join(&mut world);
    drop_connection(&mut world, &client);
    emit(&mut world, &everybody(), "first");
    let frames = come_back(&mut world, &mut client, None);
    assert!(frames[0].contains("\"first\""), "{frames:?}");
    assert_eq!(frames.len(), 2);
    assert!(was_recovered(&mut world));
}

#[test]
fn a_client_recovers_after_it_was_idle_for_long() {
    let mut world = World::new(config());
    let mut client = join(&mut world);
    emit(&mut world, &everybody(), "long ago");
    let offset = offset_of(&world.frames(client.key)[0]);
    for _ in 0..100 {
        world.pass_ms(25_000);
        world.send(client.key, "3");
        emit(&mut world, &everybody().to("others"), "noise");
    }
    world.take(client.key);
    drop_connection(&mut world, &client);
    emit(&mut world, &everybody(), "missed");
    let frames = come_back(&mut world, &mut client, Some(&offset));
    assert!(frames[0].contains("\"missed\""), "{frames:?}");
    assert_eq!(frames.len(), 2);
}

#[test]
fn a_client_recovers_from_every_drop_and_each_recovery_is_used_up() {
    let mut world = World::new(config());
    let mut client = join(&mut world);
    let mut offset = None;
    for round in 0..5 {
        drop_connection(&mut world, &client);
        emit(&mut world, &everybody(), &format!("round {round}"));
        let frames = come_back(&mut world, &mut client, offset.as_deref());
        assert!(frames[0].contains(&format!("round {round}")), "{frames:?}");
        assert_eq!(frames.len(), 2);
        offset = Some(offset_of(&frames[0]));
        assert!(was_recovered(&mut world));
    }
    world.send(client.key, "41");
    world.take_events();
    let frames = come_back(&mut world, &mut client, offset.as_deref());
    assert!(!frames[0].contains(&client.id), "whoever left is gone");
    assert!(!was_recovered(&mut world));
}

#[test]
fn a_client_may_be_back_before_its_old_connection_was_found_dead() {
    let mut world = World::new(config());
    let mut client = join(&mut world);
    let old = client.key;
    let frames = come_back(&mut world, &mut client, None);
    assert!(frames[0].contains(&client.id), "{frames:?}");
    assert_eq!(world.frames(old), ["close"]);
    assert!(matches!(
        world.take_events()[..],
        [
            Event::Disconnected { .. },
            Event::Connected {
                is_recovered: true,
                ..
            }
        ]
    ));
    assert_eq!(world.endpoint.counts().sockets, 1);
}

#[test]
fn a_socket_that_does_not_come_back_in_time_is_forgotten() {
    let mut world = World::new(config());
    let mut client = join(&mut world);
    drop_connection(&mut world, &client);
    world.pass_ms(119_999);
    assert!(world.take_events().is_empty());
    world.pass_ms(1);
    assert!(matches!(
        world.take_events()[..],
        [Event::RecoveryExpired { .. }]
    ));
    let frames = come_back(&mut world, &mut client, None);
    assert!(!frames[0].contains(&client.id));

    let mut late = join(&mut world);
    drop_connection(&mut world, &late);
    world.pass_ms(100_000);
    come_back(&mut world, &mut late, None);
    drop_connection(&mut world, &late);
    world.pass_ms(100_000);
    let frames = come_back(&mut world, &mut late, None);
    assert!(
        frames[0].contains(&late.id),
        "its time begins anew with every drop"
    );
}

#[test]
fn what_cannot_be_recovered_begins_a_new_session() {
    let mut world = World::new(config());
    let client = join(&mut world);
    drop_connection(&mut world, &client);
    for payload in [
        r#"{"pid":"AAAAAAAAAAAAAAAAAAAA"}"#.to_owned(),
        r#"{"pid":"short","offset":"x"}"#.to_owned(),
        r#"{"pid":5}"#.to_owned(),
        format!("{{\"pid\":\"{}\",\"offset\":\"foreign\"}}", client.pid),
    ] {
        let key = world.open_websocket();
        world.send(key, &format!("40{payload}"));
        let frames = world.frames(key);
        assert!(
            frames.len() == 1 && !frames[0].contains(&client.id),
            "{payload}: {frames:?}"
        );
        assert!(!was_recovered(&mut world));
    }
}

#[test]
fn an_explicit_disconnect_is_not_kept() {
    let mut world = World::new(config());
    let mut client = join(&mut world);
    world.endpoint.disconnect(client.socket, true).unwrap();
    world.turn();
    world.take_events();
    let frames = come_back(&mut world, &mut client, None);
    assert!(!frames[0].contains(&client.id));
}

#[test]
fn events_with_a_question_and_volatile_ones_carry_no_offset() {
    let mut world = World::new(config());
    let client = join(&mut world);
    world
        .endpoint
        .emit_with_ack(client.socket, "q", &Args::none())
        .unwrap();
    world.turn();
    assert_eq!(world.frames(client.key), ["420[\"q\"]"]);
    world
        .endpoint
        .emit_volatile(client.socket, "v", &Args::none())
        .unwrap();
    world.turn();
    assert_eq!(world.frames(client.key), ["42[\"v\"]"]);
    let mut binary = Args::builder();
    binary.push_binary(b"x");
    world
        .endpoint
        .emit_to(client.socket, "b", &binary.build())
        .unwrap();
    world.turn();
    let frames = world.frames(client.key);
    assert!(
        frames[0].starts_with(r#"451-["b",{"_placeholder":true,"num":0},""#),
        "{frames:?}"
    );
}

#[test]
fn no_more_sockets_are_away_than_allowed() {
    let mut world = World::new(Config {
        recovery: Some(RecoveryConfig {
            max_away: 1,
            ..RecoveryConfig::default()
        }),
        ..config()
    });
    let mut first = join(&mut world);
    let mut second = join(&mut world);
    drop_connection(&mut world, &first);
    drop_connection(&mut world, &second);
    let frames = come_back(&mut world, &mut second, None);
    assert!(!frames[0].contains(&second.id));
    let frames = come_back(&mut world, &mut first, None);
    assert!(frames[0].contains(&first.id));
}

#[test]
fn a_namespace_that_was_busy_once_leaves_room_for_others() {
    let mut world = World::new(Config {
        recovery: Some(RecoveryConfig {
            max_bytes: 5_000,
            ..RecoveryConfig::default()
        }),
        ..config()
    });
    let custom = Target::namespace(world.endpoint.namespace("/custom").unwrap());
    for _ in 0..20 {
        emit(&mut world, &custom, &"x".repeat(400));
    }
    world.pass_ms(1);
    let mut client = join(&mut world);
    drop_connection(&mut world, &client);
    emit(&mut world, &everybody(), "missed");
    let frames = come_back(&mut world, &mut client, None);
    assert!(was_recovered(&mut world));
    assert!(frames[0].starts_with("42[\"e\",\"missed\""), "{frames:?}");
}

#[test]
fn the_names_of_rooms_count_as_what_is_kept() {
    let mut world = World::new(Config {
        recovery: Some(RecoveryConfig {
            max_bytes: 5_000,
            ..RecoveryConfig::default()
        }),
        ..config()
    });
    let mut client = join(&mut world);
    drop_connection(&mut world, &client);
    emit(&mut world, &everybody(), "missed");
    emit(&mut world, &everybody().to("r".repeat(6_000)), "for nobody");
    let frames = come_back(&mut world, &mut client, None);
    assert!(!was_recovered(&mut world), "what it missed had to go");
    assert_eq!(frames.len(), 1);
}

#[test]
fn b164_a_room_joined_after_the_disconnect_is_not_joined_after_the_return_either() {
    let mut world = World::new(config());
    let mut client = join(&mut world);
    world.endpoint.join(client.socket, "before").unwrap();
    world.endpoint.hang_up(client.key);
    world.turn();
    assert!(matches!(
        world.take_events()[..],
        [Event::Disconnected { .. }]
    ));
    let joined = world.endpoint.join(client.socket, "after");
    assert_eq!(joined, Err(crate::Error::NoSuchSocket));
    let target = everybody();
    world.endpoint.sockets_join(&target, &["after"]).unwrap();
    come_back(&mut world, &mut client, None);
    assert!(was_recovered(&mut world));
    let rooms: Vec<&str> = world.endpoint.rooms(client.socket).collect();
    assert_eq!(rooms, ["before"]);
    world.endpoint.join(client.socket, "now").unwrap();
}

#[test]
fn b166_what_is_emitted_to_a_socket_reaches_nobody_else_in_a_room_of_its_name() {
    for recovery in [None, Some(RecoveryConfig::default())] {
        let has_recovery = recovery.is_some();
        let mut world = World::new(Config {
            recovery,
            ..config()
        });
        let (key, socket) = world.enter("40");
        let (other_key, other) = world.enter("40");
        let id = world.endpoint.socket_id(socket).expect("it is there");
        world.endpoint.join(other, id.as_str()).unwrap();
        let secret = Args::one("secret").unwrap();
        world.endpoint.emit_to(socket, "e", &secret).unwrap();
        world.turn();
        assert!(world.frames(other_key).is_empty());
        assert!(world.frames(key)[0].starts_with(r#"42["e","secret""#));
        // To the room of that name is another matter.
        let target = world.everybody().to(id.as_str());
        emit(&mut world, &target, "room");
        let heard = [key, other_key].map(|key| world.frames(key).len());
        assert_eq!(heard, [1, 1]);
        assert!(!has_recovery || world.endpoint.fetch_sockets(&target).len() == 2);
    }
}

#[test]
fn b166_what_a_socket_missed_is_its_own() {
    let mut world = World::new(config());
    let mut one = join(&mut world);
    let mut other = join(&mut world);
    world.endpoint.join(other.socket, &one.id).unwrap();
    emit(&mut world, &everybody(), "seen");
    let offset = offset_of(&world.frames(one.key)[0]);
    for client in [&one, &other] {
        drop_connection(&mut world, client);
    }
    let secret = Args::one("secret").unwrap();
    world.endpoint.emit_to(one.socket, "e", &secret).unwrap();
    let heard = come_back(&mut world, &mut other, Some(&offset));
    assert_eq!(heard.len(), 1, "CONNECT alone: {heard:?}");
    let heard = come_back(&mut world, &mut one, Some(&offset));
    assert!(heard[0].starts_with(r#"42["e","secret","#), "{heard:?}");
}
