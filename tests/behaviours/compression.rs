//! Compressed answers to polls.

use std::io::Read as _;

use flate2::read::{GzDecoder, ZlibDecoder};
use pulsewheel::{Args, Config, Target};

use crate::support::{ask, run_echo, Answer, Polling, Running};

/// Queues an event of so many bytes for the only client, and polls it.
fn poll(server: &Running, accepted: &str, bytes: usize, compress: bool) -> Answer {
    let session = Polling::join(server.address);
    let text = "x".repeat(bytes - "42[\"news\",\"\"]".len());
    server.call(move |endpoint| {
        let all = Target::namespace(endpoint.namespace("/").expect("served"));
        let args = Args::one(&text).expect("text");
        let sent = endpoint.emit(&all.compress(compress), "news", &args);
        sent.expect("a good name");
    });
    let fields = [("Accept-Encoding", accepted)];
    let answer = ask(server.address, "GET", &session.target(), &fields, b"");
    assert_eq!(answer.status, 200);
    answer
}

/// The length of the body once it is unpacked.
fn unpacked(answer: &Answer) -> usize {
    let mut text = String::new();
    let read = match answer.field("content-encoding") {
        Some("gzip") => GzDecoder::new(&*answer.body).read_to_string(&mut text),
        Some("deflate") => ZlibDecoder::new(&*answer.body).read_to_string(&mut text),
        other => panic!("{other:?}"),
    };
    assert!(text.starts_with("42[\"news\",\"x"));
    read.expect("a whole stream")
}

#[test]
fn b137_long_answers_are_compressed_and_short_ones_are_not() {
    let server = run_echo(Config::default());
    for (accepted, coding) in [
        ("gzip, deflate", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0.5, deflate;q=0.9", "deflate"),
    ] {
        let answer = poll(&server, accepted, 1024, true);
        assert_eq!(answer.field("content-encoding"), Some(coding));
        assert_eq!(unpacked(&answer), 1024);
        assert!(answer.body.len() < 200, "{} bytes", answer.body.len());
    }
    let short = poll(&server, "gzip", 1023, true);
    assert_eq!(short.field("content-encoding"), None);
    assert_eq!(short.body.len(), 1023);

    let off = run_echo(Config {
        http_compression: None,
        ..Config::default()
    });
    let plain = poll(&off, "gzip", 5000, true);
    assert_eq!(plain.field("content-encoding"), None);
    assert_eq!(plain.body.len(), 5000);
}

#[test]
fn b138_whoever_accepts_nothing_that_is_offered_gets_plain_answers() {
    let server = run_echo(Config::default());
    for accepted in ["br", "gzip;q=0", "identity", ""] {
        let answer = poll(&server, accepted, 5000, true);
        assert_eq!(answer.field("content-encoding"), None, "{accepted}");
        assert_eq!(answer.body.len(), 5000);
    }
    let both = poll(&server, "br, gzip", 5000, true);
    assert_eq!(both.field("content-encoding"), Some("gzip"));
}

#[test]
fn b110_a_packet_may_be_left_uncompressed() {
    let server = run_echo(Config::default());
    let plain = poll(&server, "gzip", 5000, false);
    assert_eq!(plain.field("content-encoding"), None);
    assert_eq!(plain.body.len(), 5000);
}
