//! Peers that send as fast as they are read, or very many tiny things: they get their share of each turn, and so does everybody
//! else.

use super::{get, masked, post, sid, status, Flood, World};
use crate::config::Config;
use crate::id::ConnectionId;
use crate::transport::ready::TURN_UNITS;
use crate::Event;

/// A turn ends with the first piece of work that goes beyond its units.
pub(super) const TURN_LIMIT: i64 = TURN_UNITS + 300_000;

fn config() -> Config {
    Config {
        progress: None,
        ..Config::default()
    }
}

/// What somebody sends who has joined `/` by WebSocket.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let large = format!("42[\"data\",\"{}\"]", "x".repeat(200_000));
    vec![
        ("large events", masked(0x81, large.as_bytes())),
        ("pongs", masked(0x8a, b"")),
        ("pings", masked(0x89, b"")),
        ("noops", masked(0x81, b"6")),
        (
            "empty continuations",
            [
                masked(0x01, b"6"),
                masked(0x00, b"").repeat(1_000),
                masked(0x80, b""),
            ]
            .concat(),
        ),
        ("events without a name", masked(0x81, b"42[1]")),
        ("unknown namespaces", masked(0x81, b"40/unknown,")),
        ("small events", masked(0x81, b"42[\"tick\"]")),
        ("frames of one byte", masked(0x81, b"3")),
    ]
}

fn flooded(pattern: &[u8], attackers: usize) -> (World, ConnectionId) {
    let mut world = World::new(config());
    let client = world.join_by_websocket();
    let keys: Vec<ConnectionId> = (0..attackers).map(|_| world.join_by_websocket()).collect();
    world.floods = keys
        .into_iter()
        .map(|key| Flood::new(key, pattern))
        .collect();
    (world, client)
}

/// One turn, in which the events of this client are echoed and those of others are not.
pub(super) fn echo_turn(world: &mut World, socket: crate::SocketId) {
    world.one_turn();
    for event in world.take_events() {
        if let Event::Message(message) = event {
            if message.socket == socket {
                world
                    .endpoint
                    .emit_to(socket, "echo", &message.args)
                    .expect("it is there");
            }
        }
    }
}

#[test]
fn a_small_message_is_answered_within_two_turns_however_many_keep_their_sockets_full() {
    for (name, pattern) in floods() {
        for attackers in [1, 64] {
            let mut world = World::new(config());
            let (client, socket) = world.enter("40");
            let keys: Vec<ConnectionId> =
                (0..attackers).map(|_| world.join_by_websocket()).collect();
            world.floods = keys
                .into_iter()
                .map(|key| Flood::new(key, &*pattern))
                .collect();
            (0..5).for_each(|_| echo_turn(&mut world, socket));
            let message = masked(0x81, b"42[\"echo\"]");
            let bytes = message.len();
            world.floods.push(Flood::new(client, message));
            for round in 0..10 {
                world.floods[attackers].left_bytes = bytes;
                let mut turns = 0;
                while world.frames(client).is_empty() {
                    echo_turn(&mut world, socket);
                    let units = world.endpoint.transport.ready.used_units();
                    assert!(units <= TURN_LIMIT, "{name} × {attackers}: {units} units");
                    turns += 1;
                    assert!(turns <= 2, "{name} × {attackers}, message {round}");
                }
            }
        }
    }
}

#[test]
fn nobody_is_passed_over_while_others_are_read() {
    for (name, pattern) in floods() {
        let (mut world, _) = flooded(&pattern, 60);
        let mut before = vec![0; 60];
        // Each turn goes on where the last one stopped: in so many, everybody gets on.
        for _ in 0..3 {
            for _ in 0..40 {
                world.one_turn();
                world.take_events();
            }
            let done = work_done(&world);
            let is_more = |(done, before): (&usize, &usize)| done > before;
            assert!(done.iter().zip(&before).all(is_more), "{name}: {done:?}");
            before = done;
        }
        let (least, most) = (before.iter().min().unwrap(), before.iter().max().unwrap());
        assert!(
            most - least <= 3 * 200_000,
            "{name}: {least} to {most} bytes"
        );
    }
}

/// How much of what each flood has sent has been read, and how much of that has been handled, together.
fn work_done(world: &World) -> Vec<usize> {
    let done = |flood: &Flood| {
        let connection = world.endpoint.transport.get(flood.key);
        2 * flood.read_bytes - connection.expect("it is open").unread.len()
    };
    world.floods.iter().map(done).collect()
}

#[test]
fn what_is_unread_is_bounded_and_gone_when_the_sender_falls_silent() {
    for (name, pattern) in floods() {
        let (mut world, _) = flooded(&pattern, 16);
        for _ in 0..100 {
            // Which checks that nothing grows beyond one read and one frame.
            world.one_turn();
            world.take_events();
        }
        world
            .floods
            .iter_mut()
            .for_each(|flood| flood.left_bytes = 0);
        let mut turns = 0;
        while world.endpoint.has_work() {
            world.one_turn();
            turns += 1;
        }
        assert!(turns <= 100, "{name}: {turns} turns after the last byte");
    }
}

#[test]
fn the_packets_of_a_large_post_are_handled_over_turns() {
    for packet in ["6", "3", "42[1]", "430[]", "42[\"tick\"]"] {
        let mut world = World::new(config());
        let (client, socket) = world.enter("40");
        let poster = world.open_polling();
        world.post(&poster, "40");
        world.take_events();
        let count = 1_000_000 / (packet.len() + 1);
        let payload = vec![packet; count].join("\x1e");
        let key = world.open();
        let mut request = post(&poster, &payload).into_bytes();
        for piece in request.chunks_mut(64 * 1024) {
            world.endpoint.feed(key, piece);
            world.one_turn();
        }
        let (mut turns, mut answers) = (0, 0);
        while world.take(key).is_empty() {
            world
                .endpoint
                .feed(client, &mut masked(0x81, b"42[\"echo\"]"));
            echo_turn(&mut world, socket);
            let units = world.endpoint.transport.ready.used_units();
            assert!(units <= TURN_LIMIT, "{packet}: {units} units");
            answers += world.frames(client).len();
            turns += 1;
        }
        assert!(turns >= 20, "{packet}: all in {turns} turns");
        assert!(
            answers + 3 >= turns,
            "{packet}: {answers} answers in {turns} turns"
        );
    }
}

#[test]
fn all_packets_of_a_large_post_are_handled_in_their_order_before_it_is_answered() {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    world.take_events();
    let packets: Vec<String> = (0..10_000).map(|number| format!("4{number}")).collect();
    assert_eq!(world.post(&sid, &packets.join("\x1e")), 200);
    let numbers = world.take_events().into_iter().map(|event| match event {
        Event::EngineMessage { message, .. } => {
            String::from_utf8(message.payload().to_vec()).unwrap()
        }
        other => panic!("{other:?}"),
    });
    let expected = packets.iter().map(|packet| packet[1..].to_owned());
    assert!(numbers.eq(expected));
}

/// A session whose `POST` of noops is being handled, with this packet at its end.
fn half_handled(last: &str) -> (World, String, ConnectionId) {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    world.take_events();
    let key = world.open();
    let payload = format!("{}{last}", "6\x1e".repeat(100_000));
    world
        .endpoint
        .feed(key, &mut post(&sid, &payload).into_bytes());
    world.one_turn();
    assert!(world.take(key).is_empty() && world.endpoint.has_work());
    (world, sid, key)
}

#[test]
fn a_fault_at_the_end_of_a_large_post_ends_the_session() {
    for (last, wanted) in [("4", 200), ("1", 200), ("7", 400), ("", 400), ("b!", 400)] {
        let (mut world, sid, key) = half_handled(last);
        world.turn();
        assert_eq!(status(&world.take_text(key)), wanted, "{last:?}");
        let goes_on = last == "4";
        assert_eq!(world.post(&sid, "6") == 200, goes_on, "{last:?}");
        assert_eq!(world.endpoint.counts().sessions, usize::from(goes_on));
    }
}

#[test]
fn a_second_post_while_one_is_handled_ends_the_session() {
    let (mut world, sid, key) = half_handled("4last");
    let second = world.open();
    world
        .endpoint
        .feed(second, &mut post(&sid, "4x").into_bytes());
    world.turn();
    assert_eq!(status(&world.take_text(second)), 400);
    assert_eq!(status(&world.take_text(key)), 400);
    assert_eq!(world.endpoint.counts().sessions, 0);
    assert!(matches!(
        world.take_events()[..],
        [Event::EngineClosed { .. }]
    ));
}

#[test]
fn a_peer_that_hangs_up_while_its_post_is_handled_ends_its_session() {
    let (mut world, _, key) = half_handled("4last");
    world.endpoint.hang_up(key);
    world.turn();
    assert!(matches!(
        world.take_events()[..],
        [Event::EngineClosed { .. }]
    ));
    assert_eq!(world.endpoint.counts().sessions, 0);
}

#[test]
fn a_peer_that_closes_its_side_behind_a_large_post_gets_its_answer() {
    let (mut world, _, key) = half_handled("4last");
    world.endpoint.read_closed(key);
    world.turn();
    assert_eq!(status(&world.take_text(key)), 200);
    assert!(matches!(
        world.take_events()[..],
        [Event::EngineMessage { .. }]
    ));
}

#[test]
fn an_upgrade_completes_behind_the_packets_of_a_post() {
    let (mut world, sid, key) = half_handled("4first");
    let websocket = world.open();
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    let frames = [
        masked(0x81, b"2probe"),
        masked(0x81, b"5"),
        masked(0x81, b"4second"),
    ];
    let mut bytes = [super::upgrade(&query).into_bytes(), frames.concat()].concat();
    world.endpoint.feed(websocket, &mut bytes);
    world.turn();
    assert_eq!(status(&world.take_text(key)), 200);
    let texts: Vec<String> = world
        .take_events()
        .into_iter()
        .map(|event| match event {
            Event::EngineMessage { message, .. } => {
                String::from_utf8(message.payload().to_vec()).unwrap()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, ["first", "second"]);
}

#[test]
fn requests_behind_each_other_are_answered_one_a_turn_and_others_between() {
    let mut world = World::new(config());
    let mut handshakes = get("EIO=4&transport=polling").repeat(300).into_bytes();
    let key = world.open();
    world.endpoint.feed(key, &mut handshakes);
    world.one_turn();
    let other = world.request(&get("EIO=4&transport=polling"));
    assert_eq!(sid(&other).len(), 20);
    world.turn();
    assert_eq!(world.take_text(key).matches("HTTP/1.1 200 OK").count(), 300);
}

/// A world with as many progress sessions as may be, all with much metadata.
fn world_with_sessions() -> World {
    let mut world = World::new(Config::default());
    for number in 1..=1_000 {
        let mut metadata = crate::progress::JsonObject::new();
        metadata.insert("text".to_owned(), "x".repeat(15_000).into());
        let options = crate::progress::SessionOptions {
            metadata,
            ..Default::default()
        };
        let id = uuid::Uuid::from_u128(number);
        let created = world
            .endpoint
            .progress()
            .create_session_with_id(id, options);
        created.expect("a place");
    }
    world.turn();
    world
}

#[test]
fn commands_whose_answer_nobody_can_get_build_none() {
    let mut world = world_with_sessions();
    let client = world.join_by_websocket();
    let poster = world.open_polling();
    world.post(&poster, "40");
    world.poll(&poster);
    let command = "42[\"list_sessions\"]";
    let key = world.open();
    let payload = vec![command; 500].join("\x1e");
    world
        .endpoint
        .feed(key, &mut post(&poster, &payload).into_bytes());
    world
        .endpoint
        .feed(client, &mut masked(0x81, command.as_bytes()).repeat(500));
    world.one_turn();
    // Two floods of 500 packets, and not one list.
    assert!(world.endpoint.transport.ready.used_units() < 2 * 500 * 300);
    world.turn();
    assert_eq!(status(&world.take_text(key)), 200);
    assert!(world.frames(client).is_empty());
}

#[test]
fn a_command_without_an_ack_changes_what_it_changes() {
    let mut world = World::new(Config::default());
    let (client, socket) = world.enter("40");
    let id = world
        .endpoint
        .progress()
        .create_session(Default::default())
        .unwrap();
    let rooms = |world: &World| world.endpoint.sockets.rooms(socket).count();
    world.send(client, &format!("42[\"track_session\",\"{id}\"]"));
    assert_eq!(rooms(&world), 1);
    world.send(client, &format!("42[\"untrack_session\",\"{id}\"]"));
    assert_eq!(rooms(&world), 0);
    let unknown = uuid::Uuid::from_u128(7);
    world.send(client, &format!("42[\"track_session\",\"{unknown}\"]"));
    assert_eq!(rooms(&world), 0);
    world.send(client, &format!("42[\"cancel_session\",\"{id}\"]"));
    assert!(world.endpoint.progress().session_status(id).is_err());
}

#[test]
fn a_client_gets_one_list_a_turn_and_others_are_served_meanwhile() {
    for by_polling in [true, false] {
        let mut world = world_with_sessions();
        let (client, socket) = world.enter("40");
        let asked: Vec<String> = (0..40)
            .map(|number| format!("42{number}[\"list_sessions\"]"))
            .collect();
        let lister = if by_polling {
            let sid = world.open_polling();
            world.post(&sid, "40");
            world.poll(&sid);
            let key = world.open();
            let request = post(&sid, &asked.join("\x1e"));
            world.endpoint.feed(key, &mut request.into_bytes());
            key
        } else {
            let key = world.join_by_websocket();
            let frames: Vec<u8> = asked
                .iter()
                .flat_map(|text| masked(0x81, text.as_bytes()))
                .collect();
            world.endpoint.feed(key, &mut frames.clone());
            key
        };
        let (mut turns, mut echoes) = (0, 0);
        while world.endpoint.transport.ready.is_listed(lister) {
            world
                .endpoint
                .feed(client, &mut masked(0x81, b"42[\"echo\"]"));
            echo_turn(&mut world, socket);
            assert!(world.endpoint.transport.ready.used_units() <= TURN_LIMIT);
            echoes += world.frames(client).len();
            turns += 1;
        }
        assert!(turns >= 10, "{turns} turns");
        assert!(echoes + 2 >= turns, "{echoes} echoes in {turns} turns");
    }
}

#[test]
fn very_many_pings_that_are_due_at_once_are_spread_over_turns() {
    let mut world = World::new(config());
    let clients: Vec<ConnectionId> = (0..1_500).map(|_| world.open_websocket()).collect();
    world.oversleep_ms(25_000);
    world.one_turn();
    assert!(world.endpoint.has_work(), "more are due");
    let pinged = |world: &mut World| {
        clients
            .iter()
            .filter(|key| !world.frames(**key).is_empty())
            .count()
    };
    pinged(&mut world);
    world.turn();
    assert!(!world.endpoint.has_work());
    let after = pinged(&mut world);
    assert!(
        (500..1_500).contains(&after),
        "{after} behind the first turn"
    );
    world.pass_ms(19_999);
    assert_eq!(world.endpoint.counts().sessions, 1_500);
}
