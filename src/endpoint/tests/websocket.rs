use super::*;
use crate::error::DisconnectReason;

fn engine_world() -> (World, ConnectionId) {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let key = world.open_websocket();
    world.take_events();
    (world, key)
}

/// What the session's end said, if it has ended.
fn closed(world: &mut World) -> Option<DisconnectReason> {
    world
        .take_events()
        .into_iter()
        .find_map(|event| match event {
            Event::EngineClosed { reason, .. } => Some(reason),
            _ => None,
        })
}

#[test]
fn the_open_packet_is_the_first_frame_and_offers_no_upgrade() {
    let mut world = World::new(Config::default());
    let key = world.open();
    world.feed(key, upgrade("EIO=4&transport=websocket"));
    let answer = world.take(key);
    let head_end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, frames) = answer.split_at(head_end.expect("a whole head") + 4);
    let head = std::str::from_utf8(head).unwrap();
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(!head.contains("Sec-WebSocket-Extensions"));
    assert!(frames.windows(14).any(|part| part == b"\"upgrades\":[],"));
    assert_eq!(frames[..2], [0x81, (frames.len() - 2) as u8]);
    assert!(frames[2..].starts_with(b"0{\"sid\":\""));
}

#[test]
fn refused_handshakes_are_plain_text_and_end_the_connection() {
    let good = upgrade("EIO=4&transport=websocket");
    for (request, message) in [
        (upgrade("EIO=4&transport=polling"), "Bad request"),
        (
            upgrade("EIO=3&transport=websocket"),
            "Unsupported protocol version",
        ),
        (
            upgrade("EIO=4&transport=websocket&sid=nobody"),
            "Session ID unknown",
        ),
        (
            good.replace("Version: 13", "Version: 99"),
            "The Sec-WebSocket-Version header must be 13",
        ),
        (
            good.replace("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: short"),
            "The Sec-WebSocket-Key header must be 16 bytes in base64",
        ),
    ] {
        let mut world = World::new(Config::default());
        let answer = world.request(&request);
        assert_eq!(status(&answer), 400);
        assert!(answer.contains("Content-Type: text/html\r\n"));
        assert!(answer.contains("Connection: close\r\n"));
        assert_eq!(body(&answer), message);
        assert_eq!(world.shut.len(), 1);
        assert_eq!(world.endpoint.counts().sessions, 0);
    }
}

#[test]
fn messages_come_through_fragments_pings_and_any_cut() {
    let mut stream = Vec::new();
    stream.extend(masked(0x01, b"4one"));
    stream.extend(masked(0x89, b"between"));
    stream.extend(masked(0x80, b"two"));
    stream.extend(masked(0x82, &[1, 2, 3]));
    for cut in 0..stream.len() {
        let (mut world, key) = engine_world();
        world.feed(key, &stream[..cut]);
        world.feed(key, &stream[cut..]);
        assert_eq!(world.frames(key), ["pong:between"]);
        let messages: Vec<Vec<u8>> = world
            .take_events()
            .into_iter()
            .filter_map(|event| match event {
                Event::EngineMessage { message, .. } => Some(message.payload().to_vec()),
                _ => None,
            })
            .collect();
        assert_eq!(
            messages,
            [b"onetwo".to_vec(), vec![1, 2, 3]],
            "cut at {cut}"
        );
    }
}

#[test]
fn packets_that_end_the_session_close_without_a_code() {
    for (packet, reason_wanted) in [
        ("1", DisconnectReason::TransportClose),
        ("2", DisconnectReason::TransportError),
        ("7", DisconnectReason::ParseError),
    ] {
        let (mut world, key) = engine_world();
        world.send(key, packet);
        assert_eq!(world.frames(key), ["close"], "{packet}");
        assert_eq!(closed(&mut world), Some(reason_wanted));
        assert_eq!(world.shut, [key]);
    }
}

#[test]
fn frames_that_break_the_rules_close_with_their_code() {
    let unmasked = vec![0x81, 1, b'4'];
    let too_long = masked(0x81, &[b'4'; 101]);
    for (frame, code) in [
        (unmasked, 1002),
        (masked(0xc1, b"4x"), 1002),
        (masked(0x83, b"4x"), 1002),
        (masked(0x81, &[b'4', 0xff]), 1007),
        (too_long, 1009),
    ] {
        let mut world = World::new(Config {
            max_payload_bytes: 100,
            ..Config::engine_only("/socket.io")
        });
        let key = world.open_websocket();
        world.take_events();
        world.feed(key, frame);
        assert_eq!(world.frames(key), [format!("close:{code}")]);
        assert_eq!(closed(&mut world), Some(DisconnectReason::TransportError));
    }
}

#[test]
fn messages_before_a_bad_frame_are_still_answered() {
    let (mut world, key) = engine_world();
    let mut bytes = [masked(0x81, b"4first"), masked(0x81, &[b'4', 0xff])].concat();
    world.endpoint.feed(key, &mut bytes);
    while let Some(event) = world.endpoint.poll_event() {
        if let Event::EngineMessage { session, message } = event {
            world.endpoint.engine_send(session, &message).unwrap();
        }
    }
    world.turn();
    assert_eq!(world.frames(key), ["4first", "close:1007"]);
}

#[test]
fn the_clients_close_code_is_echoed() {
    let (mut world, key) = engine_world();
    world.feed(key, masked(0x88, &4001_u16.to_be_bytes()));
    assert_eq!(world.frames(key), ["close:4001"]);
    assert_eq!(closed(&mut world), Some(DisconnectReason::TransportClose));
}

#[test]
fn a_closed_connection_lingers_until_its_peer_closes_too_or_time_is_over() {
    let (mut world, key) = engine_world();
    world.send(key, "1");
    assert_eq!(world.shut, [key]);
    world.feed(key, masked(0x81, b"4ignored"));
    assert!(world
        .take_events()
        .iter()
        .all(|event| matches!(event, Event::EngineClosed { .. })));
    world.endpoint.read_closed(key);
    world.turn();
    assert_eq!(world.closed, [key]);

    let other = world.open_websocket();
    world.send(other, "1");
    world.pass_ms(2_000);
    assert_eq!(world.closed, [key, other]);
}

#[test]
fn a_client_that_does_not_read_is_disconnected_at_the_limit() {
    let mut world = World::new(Config {
        max_queued_bytes: 1_000,
        ..Config::engine_only("/socket.io")
    });
    let key = world.open_websocket();
    let Some(Event::EngineOpened { session }) = world.take_events().pop() else {
        panic!("opened")
    };
    let message = crate::Frame::text(&"x".repeat(99));
    let sent = (0..20).take_while(|_| world.endpoint.engine_send(session, &message).is_ok());
    assert_eq!(sent.count(), 7, "102 bytes, and 32 for each place");
    world.turn();
    assert_eq!(closed(&mut world), Some(DisconnectReason::TransportError));
    assert_eq!(world.frames(key).last().map(String::as_str), Some("close"));
}

#[test]
fn unread_pongs_count_too() {
    let mut world = World::new(Config {
        max_queued_bytes: 1_000,
        ..Config::engine_only("/socket.io")
    });
    let key = world.open_websocket();
    let mut flood = masked(0x89, &[b'x'; 100]).repeat(20);
    world.endpoint.feed(key, &mut flood);
    world.turn();
    assert_eq!(world.endpoint.counts().sessions, 0);
    assert_eq!(world.closed, [key]);
}

#[test]
fn nothing_goes_out_behind_a_close_frame() {
    let (mut world, key) = engine_world();
    let mut bytes = [masked(0x81, b"4last words"), masked(0x88, b"")].concat();
    world.endpoint.feed(key, &mut bytes);
    while let Some(event) = world.endpoint.poll_event() {
        if let Event::EngineMessage { session, message } = event {
            world.endpoint.engine_send(session, &message).unwrap();
        }
    }
    world.turn();
    assert_eq!(world.frames(key), ["close"]);
}
