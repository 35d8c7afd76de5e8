//! What an endpoint has counted.

use super::progress::{create, object};
use super::*;
use crate::error::DisconnectReason;
use crate::progress::SessionOptions;
use crate::socket::{Args, RecoveryConfig};
use serde_json::json;

#[test]
fn handshakes_are_counted_by_what_became_of_them() {
    let mut world = World::new(Config {
        max_sessions: 2,
        ..Config::default()
    });
    // Who has joined nothing would give way.
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.join_by_websocket();
    for query in [
        "EIO=4&transport=pigeon",
        "EIO=3&transport=polling",
        "EIO=4&transport=polling",
        "EIO=4&transport=polling&sid=gone",
    ] {
        world.request(&get(query));
    }
    let stats = world.endpoint.stats();
    let handshakes = stats.handshakes;
    assert_eq!((handshakes.polling, handshakes.websocket), (1, 1));
    // A request with a session's id opens none.
    assert_eq!((handshakes.refused, handshakes.full), (3, 1));
    assert_eq!(stats.refusals, [1, 1, 0, 0, 0, 1]);
    assert_eq!((stats.polling, stats.websockets), (1, 1));
    assert_eq!(stats.counts, world.endpoint.counts());
}

#[test]
fn packets_are_counted_by_their_kind_both_ways() {
    let mut world = World::new(Config {
        progress: None,
        namespaces: vec!["/".to_owned()],
        ..Config::default()
    });
    let (one, socket) = world.enter("40");
    let (other, _) = world.enter("40");
    world.send(other, "40/nowhere,");
    world.send(one, "421[\"hi\"]");
    let ack = match &world.take_events()[..] {
        [Event::Message(message)] => message.ack.unwrap(),
        other => panic!("{other:?}"),
    };
    world.endpoint.acknowledge(ack, &Args::none()).unwrap();
    let everybody = world.everybody();
    let binary = Args::one(&crate::Binary::from(vec![1, 2])).unwrap();
    world.endpoint.emit(&everybody, "e", &Args::none()).unwrap();
    world.endpoint.emit(&everybody, "e", &binary).unwrap();
    world.endpoint.emit_to(socket, "e", &Args::none()).unwrap();
    world.send(other, "41");
    world.endpoint.disconnect(socket, false).unwrap();
    world.turn();
    let stats = world.endpoint.stats();
    let (came, went) = (stats.packets_in, stats.packets_out);
    assert_eq!((came.connects, came.events, came.disconnects), (3, 1, 1));
    assert_eq!((went.connects, went.connect_errors, went.acks), (2, 1, 1));
    assert_eq!((went.events, went.binary_events), (3, 2));
    assert_eq!((went.all_events(), went.disconnects), (5, 1));
    assert_eq!(stats.emits, 3);
    let reasons: Vec<_> = stats
        .disconnects
        .iter()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(
        reasons,
        [
            (DisconnectReason::ClientNamespaceDisconnect, 1),
            (DisconnectReason::ServerNamespaceDisconnect, 1)
        ]
    );
}

#[test]
fn pings_pongs_and_upgrades_are_counted() {
    let mut world = World::new(Config::default());
    let sid = world.open_polling();
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    let key = world.open_websocket_of(&query);
    world.send(key, "2probe");
    world.send(key, "5");
    world.pass_ms(25_000);
    world.send(key, "3");
    let stats = world.endpoint.stats();
    assert_eq!((stats.upgrades, stats.websockets), (1, 1));
    assert_eq!((stats.packets_out.pings, stats.packets_in.pongs), (1, 1));
}

#[test]
fn who_comes_back_is_counted_where_it_says_so_and_where_it_is_recovered() {
    let mut world = World::new(Config {
        recovery: Some(RecoveryConfig::default()),
        ..Config::default()
    });
    let key = world.open_websocket();
    world.send(key, "40");
    let pid = pid(&world.frames(key).concat());
    world.endpoint.hang_up(key);
    world.turn();
    world.enter(&format!("40{{\"pid\":\"{pid}\"}}"));
    world.enter("40{\"reconnect\":true}");
    let stats = world.endpoint.stats();
    assert_eq!((stats.reconnections, stats.recoveries), (2, 1));
    assert_eq!(stats.disconnects.of(DisconnectReason::TransportClose), 1);
}

#[test]
fn what_waits_what_is_held_and_what_is_dropped_is_counted() {
    let mut world = World::new(Config {
        progress: None,
        max_queued_bytes: 1_000,
        ..Config::default()
    });
    let (slow, socket) = world.enter("40");
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.poll(&sid);
    world.slow.push(slow);
    let text = Args::one(&"x".repeat(100)).unwrap();
    let everybody = world.everybody();
    world.endpoint.emit(&everybody, "e", &text).unwrap();
    world.turn();
    let stats = world.endpoint.stats();
    assert!(stats.queued_bytes > 200, "{}", stats.queued_bytes);
    world.endpoint.emit_volatile(socket, "e", &text).unwrap();
    let volatile = everybody.clone().volatile();
    world.endpoint.emit(&volatile, "e", &text).unwrap();
    assert_eq!(world.endpoint.stats().dropped, 3);
    // Half of a frame.
    let key = world.open_websocket();
    let frame = masked(0x81, &[b'4'; 100]);
    world.feed(key, &frame[..50]);
    let held = world.endpoint.stats().held_bytes;
    assert!((40..=100).contains(&held), "{held}");
    let long = Args::one(&"x".repeat(1_000)).unwrap();
    world.endpoint.emit_to(socket, "e", &long).unwrap();
    world.turn();
    assert_eq!(world.endpoint.stats().overfull, 1);
}

#[test]
fn progress_that_waits_and_that_is_overtaken_is_counted() {
    let mut world = World::new(Config::default());
    let key = world.join_by_websocket();
    let options = SessionOptions {
        metadata: object(json!({"operation": "copy"})),
        ..SessionOptions::default()
    };
    let id = create(&mut world, options);
    for step in 1..=4 {
        let mut sessions = world.endpoint.progress();
        let progress = f64::from(step) / 10.0;
        sessions
            .update_progress(id, progress, Default::default())
            .unwrap();
        world.turn();
    }
    world.pass_ms(100);
    let stats = world.endpoint.stats();
    // The first was told at once, the last at the next pulse.
    assert_eq!((stats.throttled, stats.conflated), (3, 2));
    assert_eq!(stats.active_sessions, 1);
    assert_eq!(world.frames(key).len(), 3);
    assert_eq!((stats.packets_out.events, stats.emits), (3, 3));
}
