use super::*;
use crate::socket::Parser;
use crate::Args;

fn config() -> Config {
    Config {
        parser: Parser::Msgpack,
        progress: None,
        ..Config::default()
    }
}

const CONNECT: &[u8] = b"\x82\xa4type\0\xa3nsp\xa1/";

#[test]
fn packets_are_binary_messages_and_values_stay_what_they_are() {
    let mut world = World::new(config());
    let key = world.open_websocket();
    world.feed(key, masked(0x82, CONNECT));
    let events = world.take_events();
    let [Event::Connected { socket, auth, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(auth.raw(0), Some("{}"));
    assert!(world.take(key).windows(4).any(|part| part == b"\xa3sid"));
    let message = b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x05\xa4data\x92\xa1x\xc4\x02\x08\x09";
    world.feed(key, masked(0x82, message));
    match world.take_events().pop() {
        Some(Event::Message(message)) => {
            assert_eq!(message.args.binary(0), Some(&[8, 9][..]));
            world
                .endpoint
                .acknowledge(message.ack.unwrap(), &message.args)
                .unwrap();
        }
        other => panic!("{other:?}"),
    }
    world.turn();
    assert_eq!(
        world.take(key)[2..],
        b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\x05\xa4data\x91\xc4\x02\x08\x09"[..]
    );
    world
        .endpoint
        .emit_to(*socket, "e", &Args::one(&1).unwrap())
        .unwrap();
    world.turn();
    assert_eq!(
        world.take(key)[2..],
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\x01"[..]
    );
}

#[test]
fn text_packets_and_undecodable_bytes_close_the_connection() {
    for frame in [
        masked(0x81, b"40"),
        masked(0x82, b"\xc1"),
        masked(0x82, b""),
    ] {
        let mut world = World::new(config());
        let key = world.open_websocket();
        world.feed(key, frame);
        assert_eq!(world.frames(key), ["close"]);
    }
}

#[test]
fn over_polling_packets_travel_as_base64() {
    let mut world = World::new(config());
    let sid = world.open_polling();
    assert_eq!(world.post(&sid, "bgqR0eXBlAKNuc3ChLw=="), 200);
    assert!(matches!(world.take_events()[..], [Event::Connected { .. }]));
    assert!(world.poll(&sid).1.starts_with('b'));
}
