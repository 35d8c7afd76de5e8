//! Few events that ask for much work: it is spread over turns, or has a bound, and everybody else is served meanwhile.

use super::crowded::{echo_turn, TURN_LIMIT};
use super::{masked, pid, status, Flood, World};
use crate::config::Config;
use crate::id::ConnectionId;
use crate::socket::{Args, RecoveryConfig, SocketId, Target};
use crate::Event;

fn config() -> Config {
    Config {
        progress: None,
        ..Config::default()
    }
}

/// How many times a client that sends a small event in each turn is answered while `goes_on` says so, and how many turns that was.
fn echoes_while(
    world: &mut World,
    (client, socket): (ConnectionId, SocketId),
    goes_on: impl Fn(&World) -> bool,
) -> (usize, usize) {
    let (mut turns, mut echoes) = (0, 0);
    while goes_on(world) {
        world
            .endpoint
            .feed(client, &mut masked(0x81, b"42[\"echo\"]"));
        echo_turn(world, socket);
        let units = world.endpoint.transport.ready.used_units();
        assert!(units <= TURN_LIMIT, "{units} units");
        echoes += world.frames(client).len();
        turns += 1;
        assert!(turns <= 1_000, "it never ends");
    }
    (turns, echoes)
}

fn join_rooms(world: &mut World, socket: SocketId, rooms: usize) {
    for number in 0..rooms {
        let joined = world.endpoint.join(socket, &format!("room {number}"));
        joined.expect("a room more");
    }
}

#[test]
fn sockets_with_a_thousand_shared_rooms_that_are_reset_at_once_leave_over_turns() {
    const SOCKETS: usize = 12;
    for is_recoverable in [false, true] {
        let mut world = World::new(Config {
            recovery: is_recoverable.then(|| RecoveryConfig {
                max_disconnection_ms: 1_000,
                ..RecoveryConfig::default()
            }),
            ..config()
        });
        let healthy = world.enter("40");
        let others: Vec<_> = (0..SOCKETS).map(|_| world.enter("40")).collect();
        for (_, socket) in &others {
            join_rooms(&mut world, *socket, 1_000);
        }
        for (key, _) in &others {
            world.endpoint.hang_up(*key);
        }
        if is_recoverable {
            world.turn();
            // They may come back until then, and so have their rooms.
            assert_eq!(world.endpoint.counts().away, SOCKETS);
            world.oversleep_ms(1_000);
        }
        let namespace = world.endpoint.namespace("/").expect("it is served");
        let has_rooms = |world: &World| world.endpoint.all_rooms(namespace).next().is_some();
        let (turns, echoes) = echoes_while(&mut world, healthy, has_rooms);
        assert!((SOCKETS..=2 * SOCKETS).contains(&turns), "{turns} turns");
        assert!(echoes + 1 >= turns, "{echoes} echoes in {turns} turns");
    }
}

#[test]
fn a_namespace_that_is_emptied_by_the_host_is_left_over_turns() {
    let mut world = World::new(Config {
        namespaces: vec!["/".to_owned(), "/swept".to_owned()],
        ..config()
    });
    let healthy = world.enter("40");
    for _ in 0..8 {
        let (_, socket) = world.enter("40/swept,");
        join_rooms(&mut world, socket, 1_000);
    }
    let swept = world.endpoint.namespace("/swept").expect("it is served");
    let target = Target::namespace(swept);
    world.endpoint.disconnect_sockets(&target, false);
    assert!(world.endpoint.fetch_sockets(&target).is_empty());
    let has_rooms = |world: &World| world.endpoint.all_rooms(swept).next().is_some();
    let (turns, echoes) = echoes_while(&mut world, healthy, has_rooms);
    assert!((8..=16).contains(&turns), "{turns} turns");
    assert!(echoes + 1 >= turns, "{echoes} echoes in {turns} turns");
}

#[test]
fn who_comes_back_with_a_thousand_rooms_to_a_full_log_is_told_all_in_order() {
    let mut world = World::new(Config {
        recovery: Some(RecoveryConfig::default()),
        ..config()
    });
    let healthy = world.enter("40");
    let key = world.open_websocket();
    world.send(key, "40");
    let answer = world.frames(key).concat();
    let pid = pid(&answer);
    let Some(Event::Connected { socket, .. }) = world.take_events().pop() else {
        panic!("connected")
    };
    join_rooms(&mut world, socket, 1_000);
    world.endpoint.hang_up(key);
    world.turn();
    // As many as the log keeps, and all that were sent since the connection was lost.
    let namespace = world.endpoint.namespace("/").expect("it is served");
    let everybody = Target::namespace(namespace);
    let mut sent = Vec::new();
    for number in 0..15_000 {
        let room = match number % 50 {
            0 => format!("room {}", number % 1_000),
            _ => format!("another room {number}"),
        };
        let args = Args::one(&number).expect("a number");
        let target = everybody.clone().to(room.as_str());
        let emitted = world.endpoint.emit(&target, "tick", &args);
        emitted.expect("a good name");
        if number % 50 == 0 {
            sent.push(format!("42[\"tick\",{number},"));
        }
    }
    let kept = world.endpoint.sockets.kept_packets(namespace);
    assert_eq!(kept, 15_000);
    let key = world.open_websocket();
    let connect = format!("40{{\"pid\":\"{pid}\"}}");
    let mut flood = Flood::new(key, masked(0x81, connect.as_bytes()));
    flood.left_bytes = masked(0x81, connect.as_bytes()).len();
    world.floods.push(flood);
    let goes_on =
        |world: &World| world.floods[0].left_bytes > 0 || world.endpoint.transport.has_output(key);
    let (turns, echoes) = echoes_while(&mut world, healthy, goes_on);
    assert!(echoes + 1 >= turns, "{echoes} echoes in {turns} turns");
    let frames = world.frames(key);
    assert!(frames[sent.len()].starts_with("40{\"sid\":"));
    for (frame, sent) in frames.iter().zip(&sent) {
        assert!(frame.starts_with(sent), "{frame} in place of {sent}");
    }
}

#[cfg(feature = "compression")]
#[test]
fn answers_to_polls_that_are_long_are_not_compressed_in_one_piece() {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    let Some(Event::EngineOpened { session }) = world.take_events().pop() else {
        panic!("opened")
    };
    let message = crate::Frame::text(&"x".repeat(900_000));
    let sent = world.endpoint.engine_send(session, &message);
    sent.expect("it is there");
    let key = world.open();
    let request = super::get(&format!("EIO=4&transport=polling&sid={sid}"));
    let request = request.replace("Host: a", "Host: a\r\nAccept-Encoding: gzip");
    world.endpoint.feed(key, &mut request.into_bytes());
    world.one_turn();
    let units = world.endpoint.transport.ready.used_units();
    assert!(units <= TURN_LIMIT, "{units} units");
    world.turn();
    let answer = world.take_text(key);
    assert!(!answer.contains("Content-Encoding"));
    assert!(answer.len() > 900_000);
}

#[test]
fn a_body_in_chunks_of_one_byte_holds_nobody_up() {
    let mut world = World::new(config());
    let healthy = world.enter("40");
    let sid = world.open_polling();
    let key = world.open();
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    world.feed(key, head);
    let mut flood = Flood::new(key, *b"1\r\n6\r\n1\r\n\x1e\r\n");
    flood.left_bytes = 1_200_000;
    world.floods.push(flood);
    let goes_on = |world: &World| {
        world.floods[0].left_bytes > 0 || world.endpoint.transport.ready.is_listed(key)
    };
    let (turns, echoes) = echoes_while(&mut world, healthy, goes_on);
    assert!(turns >= 20, "all in {turns} turns");
    assert!(echoes + 2 >= turns, "{echoes} echoes in {turns} turns");
    // All of it has been taken, and nothing of it waits.
    world.feed(key, b"1\r\n6\r\n0\r\n\r\n");
    assert_eq!(status(&world.take_text(key)), 200);
}

#[test]
fn what_is_unread_of_four_hundred_that_send_tiny_pieces_stays_small() {
    let mut world = World::new(config());
    let healthy = world.enter("40");
    let keys: Vec<ConnectionId> = (0..400).map(|_| world.join_by_websocket()).collect();
    for key in keys {
        world.floods.push(Flood::new(key, masked(0x8a, b"")));
    }
    let mut most = 0;
    for _ in 0..60 {
        world
            .endpoint
            .feed(healthy.0, &mut masked(0x81, b"42[\"echo\"]"));
        echo_turn(&mut world, healthy.1);
        let connections = world.endpoint.transport.iter();
        let unread: usize = connections.map(|(_, it)| it.unread.len()).sum();
        most = most.max(unread);
    }
    assert!(world.frames(healthy.0).len() >= 58);
    assert!(most <= 8 * 1024 * 1024, "{most} bytes");
}
