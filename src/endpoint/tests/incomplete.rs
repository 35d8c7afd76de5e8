//! Messages, bodies and packets of which the rest does not come, of more peers than there is room for.

use super::*;
use crate::error::DisconnectReason;

const MAX_BYTES: usize = 200_000;

fn config() -> Config {
    Config {
        max_payload_bytes: 100_000,
        max_incomplete_bytes: MAX_BYTES,
        progress: None,
        ..Config::default()
    }
}

/// A packet that waits for attachments.
const HEADER: &str = r#"452-["parts",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;

/// A message of so many bytes without its last one, as one frame or as two.
fn message_part(bytes: usize, is_fragmented: bool) -> Vec<u8> {
    let first_byte = if is_fragmented { 0x02 } else { 0x82 };
    let mut frame = masked(first_byte, &vec![7; bytes]);
    if !is_fragmented {
        frame.pop();
    }
    frame
}

#[test]
fn who_holds_most_back_gives_way_and_the_others_go_on() {
    for is_fragmented in [true, false] {
        let mut world = World::new(config());
        let clients: Vec<ConnectionId> = (0..4).map(|_| world.join_by_websocket()).collect();
        for (client, bytes) in clients.iter().zip([40_000, 90_000, 50_000, 60_000]) {
            world.feed(*client, message_part(bytes, is_fragmented));
        }
        assert_eq!(world.frames(clients[1]), ["close:1013"]);
        assert_eq!(world.take_reasons(), [DisconnectReason::MemoryLimit]);
        // There is room for another one, and those who have stayed may go on.
        let another = world.join_by_websocket();
        world.feed(another, message_part(45_000, is_fragmented));
        for client in [clients[0], clients[2], clients[3], another] {
            assert!(world.frames(client).is_empty());
        }
        assert_eq!(world.endpoint.counts().sessions, 4);
    }
}

#[test]
fn large_messages_that_wait_for_their_turn_count_too() {
    let max_bytes = 2_000_000;
    let mut world = World::new(Config {
        max_payload_bytes: 1_000_000,
        max_incomplete_bytes: max_bytes,
        ..config()
    });
    let clients: Vec<ConnectionId> = (0..10).map(|_| world.join_by_websocket()).collect();
    let flood = |key: &ConnectionId| Flood::new(*key, masked(0x82, &[7; 900_000]));
    world.floods = clients.iter().map(flood).collect();
    let mut most_bytes = 0;
    while world.endpoint.counts().sessions > 1 {
        world.one_turn();
        let waiting = world.endpoint.transport.iter();
        most_bytes = most_bytes.max(waiting.map(|(_, it)| it.unread.len()).sum());
    }
    assert!(most_bytes > max_bytes / 2, "{most_bytes}");
    assert!(most_bytes <= max_bytes / 8 * 9 + 64 * 1024, "{most_bytes}");
}

#[test]
fn a_packet_without_all_of_its_attachments_counts_by_websocket_and_by_polling() {
    let mut world = World::new(config());
    let small = world.join_by_websocket();
    world.send(small, HEADER);
    world.feed(small, masked(0x82, &[7; 30_000]));
    let polling = world.open_polling();
    assert_eq!(world.post(&polling, "40"), 200);
    let attachment = format!("b{}", "B".repeat(96_000));
    assert_eq!(
        world.post(&polling, &format!("{HEADER}\u{1e}{attachment}")),
        200
    );
    world.poll(&polling);
    let (waiting_poll, _) = world.poll(&polling);
    let large = world.join_by_websocket();
    world.send(large, HEADER);
    world.feed(large, masked(0x82, &[7; 99_000]));
    assert_eq!(world.frames(large), ["close:1013"]);
    assert_eq!(world.take_reasons(), [DisconnectReason::MemoryLimit]);
    let larger = world.join_by_websocket();
    world.send(larger, HEADER);
    world.feed(larger, masked(0x82, &[7; 70_000]));
    world.feed(larger, message_part(70_000, false));
    // The packet of the polling client, which is the largest now.
    assert_eq!(world.polled(waiting_poll), "1");
    assert_eq!(world.post(&polling, "3"), 400);
    assert_eq!(world.take_reasons(), [DisconnectReason::MemoryLimit]);
    world.feed(small, masked(0x82, b"the last"));
    assert!(matches!(world.take_events()[..], [Event::Message(_)]));
}

#[test]
fn a_body_that_gives_way_is_answered_and_ends_its_session() {
    let mut world = World::new(config());
    let posts: Vec<(String, ConnectionId)> = [60_000, 95_000, 70_000]
        .into_iter()
        .map(|bytes| {
            let sid = world.open_polling();
            world.post(&sid, "40");
            let key = world.open();
            let request = post(&sid, &format!("4{}", "x".repeat(bytes)));
            world.feed(key, &request.as_bytes()[..request.len() - 1]);
            (sid, key)
        })
        .collect();
    let answer = world.take_text(posts[1].1);
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("Retry-After: 5\r\n"));
    assert_eq!(world.take_reasons(), [DisconnectReason::MemoryLimit]);
    assert_eq!(world.post(&posts[1].0, "3"), 400);
    for index in [0, 2] {
        let (sid, key) = &posts[index];
        assert_eq!(world.take_text(*key), "");
        world.feed(*key, b"x");
        assert_eq!(status(&world.take_text(*key)), 200);
        // Such a text is no packet of Socket.IO.
        assert_eq!(world.post(sid, "3"), 400);
    }
}

#[test]
fn what_a_peer_has_sent_before_reaches_the_host_though_the_peer_gives_way() {
    let mut world = World::new(config());
    let clients: Vec<ConnectionId> = (0..3).map(|_| world.join_by_websocket()).collect();
    for client in &clients {
        let event = masked(0x81, br#"42["before"]"#);
        world.feed(*client, [event, message_part(80_000, true)].concat());
    }
    let events = world.take_events().into_iter();
    let messages = events.filter(|event| matches!(event, Event::Message(_)));
    assert_eq!(messages.count(), 3);
    assert_eq!(world.endpoint.counts().sessions, 2);
}

#[test]
fn an_upgrade_that_gives_way_leaves_its_session_to_polling() {
    let mut world = World::new(config());
    let sid = world.open_polling();
    world.post(&sid, "40");
    let websocket = world.open_websocket_of(&format!("EIO=4&transport=websocket&sid={sid}"));
    world.feed(websocket, message_part(99_000, false));
    let other = world.join_by_websocket();
    world.send(other, HEADER);
    world.feed(other, masked(0x82, &[7; 98_000]));
    world.feed(other, message_part(50_000, false));
    assert_eq!(world.frames(websocket), ["close:1013"]);
    assert!(world.take_reasons().is_empty());
    assert_eq!(world.post(&sid, "3"), 200);
}

#[test]
fn many_small_beginnings_beyond_the_limit_end_as_few_as_possible() {
    let mut world = World::new(config());
    let keys: Vec<ConnectionId> = (0..30).map(|_| world.open()).collect();
    for key in &keys {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(8_000));
        world.feed(*key, head);
    }
    let refused = keys
        .iter()
        .filter(|key| world.take_text(**key).starts_with("HTTP/1.1 503 "))
        .count();
    let held: usize = world
        .endpoint
        .transport
        .iter()
        .map(|(_, connection)| connection.incomplete_bytes())
        .sum();
    assert!((3..=6).contains(&refused), "{refused} of 30");
    assert!(held <= MAX_BYTES + MAX_BYTES / 8 + 8_100, "{held} bytes");
    assert!(held > MAX_BYTES / 2, "{held} bytes");
}
