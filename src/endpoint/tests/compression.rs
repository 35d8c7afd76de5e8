use std::io::Read as _;

use super::*;
use crate::http::HttpCompression;
use crate::Frame;

/// What a poll of a session with these messages queued is answered: its head, and its body as it came.
fn poll_of(config: Config, accepted: &str, messages: &[Frame]) -> (String, Vec<u8>) {
    let mut world = World::new(config);
    let sid = world.open_polling();
    let Some(Event::EngineOpened { session }) = world.take_events().pop() else {
        panic!("opened")
    };
    for message in messages {
        assert!(world
            .endpoint
            .send(session, message.clone(), Priority::Normal));
    }
    let key = world.open();
    let request = get(&format!("EIO=4&transport=polling&sid={sid}"));
    world.feed(
        key,
        request.replace(
            "Host: a",
            &format!("Host: a\r\nAccept-Encoding: {accepted}"),
        ),
    );
    let answer = world.take(key);
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let end = end.expect("a whole head") + 4;
    let head = String::from_utf8(answer[..end].to_vec()).expect("text");
    let length = format!("Content-Length: {}\r\n", answer.len() - end);
    assert!(head.contains(&length), "{head}");
    (head, answer[end..].to_vec())
}

fn config() -> Config {
    Config::engine_only("/socket.io")
}

/// A message of this many bytes.
fn message(bytes: usize) -> Frame {
    Frame::text(&format!("4{}", "x".repeat(bytes - 1)))
}

#[test]
fn long_answers_are_compressed_as_their_client_accepts() {
    let (head, body) = poll_of(config(), "gzip, deflate, br", &[message(1024)]);
    assert!(head.contains("Content-Encoding: gzip\r\n"));
    assert!(head.contains("Content-Type: text/plain; charset=UTF-8\r\n"));
    let mut read = Vec::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_end(&mut read)
        .unwrap();
    assert_eq!(read, message(1024).payload());
    assert!(body.len() < 100);

    let (head, body) = poll_of(config(), "gzip;q=0, deflate", &[message(1024)]);
    assert!(head.contains("Content-Encoding: deflate\r\n"));
    read.clear();
    flate2::read::ZlibDecoder::new(&body[..])
        .read_to_end(&mut read)
        .unwrap();
    assert_eq!(read, message(1024).payload());
}

#[test]
fn short_and_very_long_answers_and_those_to_clients_that_do_not_accept_it_are_plain() {
    let off = Config {
        http_compression: None,
        ..config()
    };
    let higher = Config {
        http_compression: Some(HttpCompression {
            threshold_bytes: 5000,
            ..HttpCompression::default()
        }),
        ..config()
    };
    for (config, accepted, bytes) in [
        (config(), "gzip", 1023),
        (config(), "gzip", 64 * 1024 + 1),
        (config(), "gzip", 900_000),
        (config(), "br", 5000),
        (config(), "gzip;q=0", 5000),
        (config(), "identity", 5000),
        (off, "gzip", 5000),
        (higher, "gzip", 4999),
    ] {
        let (head, body) = poll_of(config, accepted, &[message(bytes)]);
        assert!(!head.contains("Content-Encoding"), "{accepted}, {bytes}");
        assert_eq!(body, message(bytes).payload());
    }
}

#[test]
fn one_packet_that_wants_it_is_enough() {
    let plain = message(2000).without_compression();
    let (head, _) = poll_of(config(), "gzip", &[plain.clone(), plain.clone()]);
    assert!(!head.contains("Content-Encoding"));
    let (head, _) = poll_of(config(), "gzip", &[plain, message(2)]);
    assert!(head.contains("Content-Encoding: gzip\r\n"));
}

#[test]
fn what_does_not_shrink_is_sent_as_it_is() {
    // Nothing that a general compressor finds a pattern in.
    let mut state = 1_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // One of 128 characters of one byte each, as the payload is text.
        (state >> 57) as u8
    })
    .filter(|byte| *byte != 0x1e)
    .take(1100)
    .collect();
    let noise = Frame::text(&format!("4{}", String::from_utf8(bytes).expect("ASCII")));
    let (head, body) = poll_of(config(), "gzip", std::slice::from_ref(&noise));
    let is_smaller = body.len() < noise.payload().len();
    assert_eq!(head.contains("Content-Encoding"), is_smaller);
    let (head, body) = poll_of(
        Config {
            http_compression: Some(HttpCompression {
                threshold_bytes: 1,
                ..HttpCompression::default()
            }),
            ..config()
        },
        "gzip",
        &[message(3)],
    );
    assert!(!head.contains("Content-Encoding"));
    assert_eq!(body, b"4xx");
}

#[test]
fn the_open_packet_is_an_answer_like_any_other() {
    let mut world = World::new(Config {
        initial_packet: Some("x".repeat(2000)),
        ..config()
    });
    let key = world.open();
    world.feed(
        key,
        get("EIO=4&transport=polling").replace("Host: a", "Host: a\r\nAccept-Encoding: gzip"),
    );
    let answer = world.take(key);
    assert!(String::from_utf8_lossy(&answer).contains("Content-Encoding: gzip\r\n"));
    assert!(answer.len() < 1000);
}
