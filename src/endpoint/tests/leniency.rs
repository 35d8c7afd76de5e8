//! What some clients do that is not by the book, and is taken all the same.

use super::*;
use crate::error::DisconnectReason;
use crate::{AckId, Args, Message};

fn config() -> Config {
    Config {
        allow_eio3: true,
        namespaces: ["/", "/a", "/b"].map(str::to_owned).to_vec(),
        progress: None,
        ..Config::default()
    }
}

fn message(world: &mut World) -> Message {
    match world.take_events().pop() {
        Some(Event::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// A client on a WebSocket of this version that is in `/`.
fn join(world: &mut World, query: &str) -> ConnectionId {
    let key = world.open_websocket_of(query);
    if query.starts_with("EIO=4") {
        world.send(key, "40");
    }
    world.take(key);
    world.take_events();
    key
}

const HEADER: &str = r#"451-["bin",{"_placeholder":true,"num":0}]"#;

/// Has the host send an event back, with its binary values.
fn echo(world: &mut World) -> Args {
    let received = message(world);
    let args = received.args.clone();
    world
        .endpoint
        .emit_to(received.socket, "bin", &args)
        .unwrap();
    world.turn();
    args
}

#[test]
fn b150_binary_messages_may_travel_as_text_on_a_websocket() {
    for (version, mark, plain) in [(4, "b", "binary:[1, 2]"), (3, "b4", "binary:[4, 1, 2]")] {
        let attachment = format!("{mark}AQI=");
        for (flag, answer) in [
            ("", plain),
            ("&b64=", plain),
            ("&b64=1", &*attachment),
            ("&b64=true", &*attachment),
        ] {
            let mut world = World::new(config());
            let query = format!("EIO={version}&transport=websocket{flag}");
            let key = join(&mut world, &query);
            world.send(key, HEADER);
            world.send(key, &attachment);
            assert_eq!(echo(&mut world).binary(0), Some(&[1, 2][..]));
            assert_eq!(world.frames(key), [HEADER, answer], "{query}");
            let everybody = world.everybody();
            let mut args = Args::builder();
            args.push_binary(&[1, 2]);
            let emitted = world.endpoint.emit(&everybody, "bin", &args.build());
            emitted.unwrap();
            world.turn();
            assert_eq!(world.frames(key), [HEADER, answer], "to many as to one");
        }
        for digits in ["!", "A", "AQ*="] {
            let damaged = format!("{mark}{digits}");
            let mut world = World::new(config());
            let key = join(&mut world, &format!("EIO={version}&transport=websocket"));
            world.send(key, HEADER);
            world.send(key, &damaged);
            assert_eq!(world.frames(key), ["close"], "{damaged}");
            assert!(world.take_events().iter().any(|event| matches!(
                event,
                Event::Disconnected {
                    reason: DisconnectReason::ParseError,
                    ..
                }
            )));
        }
    }
}

#[test]
fn b150_each_transport_of_a_session_says_for_itself_what_its_client_reads() {
    for (version, mark, plain) in [(4, "b", "binary:[1, 2]"), (3, "b4", "binary:[4, 1, 2]")] {
        let attachment = format!("{mark}AQI=");
        for (flag, answer) in [("", plain), ("&b64=1", &*attachment)] {
            let mut world = World::new(Config {
                allow_eio3: true,
                ..Config::engine_only("/socket.io")
            });
            let opened = world.request(&get(&format!("EIO={version}&transport=polling{flag}")));
            let Some(Event::EngineOpened { session }) = world.take_events().pop() else {
                panic!("opened")
            };
            let key = world.open();
            let sid = sid(&opened);
            let query = format!("EIO={version}&transport=websocket&sid={sid}{flag}");
            world.feed(key, upgrade(&query));
            world.take(key);
            world.send(key, "2probe");
            let binary = crate::Frame::binary(&[1, 2]);
            world.endpoint.engine_send(session, &binary).unwrap();
            world.send(key, "5");
            world.endpoint.engine_send(session, &binary).unwrap();
            world.turn();
            assert_eq!(world.frames(key), ["3probe", answer, answer], "{query}");
            world.send(key, &attachment);
            let events = world.take_events();
            assert!(
                matches!(&events[..], [Event::EngineMessage { message, .. }] if *message == binary)
            );
        }
    }
}

#[test]
fn b151_base64_has_line_breaks_no_padding_or_the_alphabet_of_urls() {
    const BYTES: [u8; 5] = [0xfb, 0xff, 0xfe, 1, 2];
    for digits in [
        "+//+AQI=",
        "+//+AQI=\n",
        "+//+\r\nAQI=\r\n",
        " +/ /+\tAQ I = ",
        "+//+AQI",
        "-__-AQI=",
        "-__-AQI\n",
    ] {
        let mut world = World::new(config());
        for version in [4, 3] {
            let query = format!("EIO={version}&transport=polling");
            let sid = sid(body(&world.request(&get(&query))));
            let packets = match version {
                4 => vec!["40".to_owned(), HEADER.to_owned(), format!("b{digits}")],
                _ => vec![HEADER.to_owned(), format!("b4{digits}")],
            };
            let payload = match version {
                4 => packets.join("\x1e"),
                _ => packets
                    .iter()
                    .map(|packet| format!("{}:{packet}", packet.len()))
                    .collect(),
            };
            let request = post(&sid, &payload).replace("EIO=4", &format!("EIO={version}"));
            assert_eq!(status(&world.request(&request)), 200, "{payload:?}");
            assert_eq!(message(&mut world).args.binary(0), Some(&BYTES[..]));
            let key = join(&mut world, &query.replace("polling", "websocket"));
            world.send(key, HEADER);
            let mark = if version == 4 { "b" } else { "b4" };
            world.send(key, &format!("{mark}{digits}"));
            assert_eq!(message(&mut world).args.binary(0), Some(&BYTES[..]));
        }
    }
}

#[test]
fn b151_what_is_no_base64_is_answered_400() {
    for digits in ["!", "AQ*=", "AQID=AQI", "A", "AQIDB", "{}", "ä"] {
        for version in [4, 3] {
            let mut world = World::new(config());
            let query = format!("EIO={version}&transport=polling");
            let sid = sid(body(&world.request(&get(&query))));
            let payload = match version {
                4 => format!("b{digits}"),
                _ => format!("{}:b4{digits}", digits.chars().count() + 2),
            };
            let request = post(&sid, &payload).replace("EIO=4", &format!("EIO={version}"));
            assert_eq!(status(&world.request(&request)), 400, "{payload:?}");
            assert_eq!(world.endpoint.counts().sessions, 0);
        }
    }
}

#[test]
fn b152_a_websocket_handshake_may_say_that_its_body_is_empty() {
    let fields = |fields: &str, query: &str| {
        upgrade(query).replace("\r\n\r\n", &format!("\r\n{fields}\r\n\r\n"))
    };
    for decides in [false, true] {
        let mut world = World::new(Config {
            allow_request: decides,
            ..config()
        });
        let open = |world: &mut World, handshake: &str| {
            let key = world.open();
            world.feed(key, handshake);
            for event in world.take_events() {
                if let Event::AllowRequest { ticket, .. } = event {
                    let accepted = crate::Admission::accept();
                    world.endpoint.admit(ticket, accepted).unwrap();
                }
            }
            world.turn();
            let answer = String::from_utf8_lossy(&world.take(key)).into_owned();
            (key, status(&answer))
        };
        for version in [4, 3] {
            let query = format!("EIO={version}&transport=websocket");
            let (_, status) = open(&mut world, &fields("Content-Length: 0", &query));
            assert_eq!(status, 101);
            for body in ["Content-Length: 1", "Transfer-Encoding: chunked"] {
                let (_, status) = open(&mut world, &fields(body, &query));
                assert_eq!(status, 400, "{body}");
            }
        }
    }
    let mut world = World::new(config());
    let sid = world.open_polling();
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    let key = world.open();
    world.feed(key, fields("Content-Length: 0", &query));
    world.take(key);
    world.send(key, "2probe");
    assert_eq!(world.frames(key), ["3probe"], "an upgrade too");
}

#[test]
fn b159_an_empty_sid_opens_a_session() {
    let mut world = World::new(config());
    for query in [
        "EIO=4&transport=polling&sid=",
        "EIO=4&transport=polling&sid",
        "sid=&EIO=3&transport=polling",
    ] {
        let answer = world.request(&get(query));
        assert_eq!(status(&answer), 200, "{query}");
        assert!(answer.contains("\"sid\":\""));
    }
    world.open_websocket_of("EIO=4&transport=websocket&sid=");
    let answer = world.request(&get("EIO=4&transport=polling&sid=").replace("GET", "POST"));
    assert_eq!(
        body(&answer),
        r#"{"code":2,"message":"Bad handshake method"}"#
    );
}

#[test]
fn b160_jsonp_is_of_no_concern_to_websockets() {
    let mut world = World::new(config());
    world.open_websocket_of("EIO=4&transport=websocket&j=5");
    world.open_websocket_of("EIO=3&transport=websocket&j=0");
    let sid = world.open_polling();
    let key = world.open_websocket_of(&format!("EIO=4&transport=websocket&j=5&sid={sid}"));
    world.send(key, "2probe");
    assert_eq!(world.frames(key), ["3probe"]);
    let answer = world.request(&get("EIO=4&transport=polling&j=5"));
    assert_eq!(body(&answer), r#"{"code":3,"message":"Bad request"}"#);
}

fn acknowledge(world: &mut World, ack: Option<AckId>) {
    let ack = ack.expect("it was asked for");
    world.endpoint.acknowledge(ack, &Args::none()).unwrap();
    world.turn();
}

#[test]
fn b153_an_event_named_by_a_number_has_the_text_of_that_number() {
    for (name, text) in [
        ("2", "2"),
        ("1.5", "1.5"),
        ("-0", "0"),
        ("1e21", "1e+21"),
        ("100000000000000000000", "100000000000000000000"),
        ("9007199254740993", "9007199254740992"),
        ("-1E-7", "-1e-7"),
    ] {
        for version in [4, 3] {
            let mut world = World::new(config());
            let key = join(&mut world, &format!("EIO={version}&transport=websocket"));
            world.send(key, &format!(r#"4217[ {name} ,"x",3]"#));
            let received = message(&mut world);
            assert_eq!(received.name(), text);
            assert_eq!(
                received.args.get_all::<(String, u8)>().unwrap(),
                ("x".into(), 3)
            );
            acknowledge(&mut world, received.ack);
            assert_eq!(world.frames(key), ["4317[]"]);
            world.send(
                key,
                &format!(r#"451-18[{name},{{"_placeholder":true,"num":0}}]"#),
            );
            world.feed(
                key,
                match version {
                    4 => masked(0x82, &[7]),
                    _ => masked(0x82, &[4, 7]),
                },
            );
            let received = message(&mut world);
            assert_eq!(received.name(), text);
            assert_eq!(received.args.binary(0), Some(&[7][..]));
            acknowledge(&mut world, received.ack);
            assert_eq!(world.frames(key), ["4318[]"]);
        }
    }
}

#[test]
fn b154_a_second_connect_to_a_namespace_is_ignored() {
    for is_asked in [false, true] {
        let mut world = World::new(Config {
            connect_requests: is_asked,
            ..config()
        });
        let websocket = world.open_websocket();
        let sid = world.open_polling();
        let let_in = |world: &mut World| {
            let mut asked = Vec::new();
            for event in world.take_events() {
                match event {
                    Event::ConnectRequested { ticket, .. } => {
                        world.endpoint.accept_connect(ticket).unwrap();
                        asked.push(ticket);
                    }
                    Event::Connected { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
            world.turn();
            asked.len()
        };
        let send = |world: &mut World, packet: &str| {
            world.send(websocket, packet);
            assert_eq!(world.post(&sid, packet), 200);
        };
        send(&mut world, "40/b,");
        assert_eq!(let_in(&mut world), 2 * usize::from(is_asked));
        // The first waits, where the host decides; it is just answered otherwise.
        send(&mut world, "40/a,");
        send(&mut world, r#"40/a,{"token":"another"}"#);
        assert_eq!(let_in(&mut world), 2 * usize::from(is_asked));
        send(&mut world, "40/a,");
        send(&mut world, "40/b,");
        assert_eq!(let_in(&mut world), 0);
        let frames = world.frames(websocket);
        let polled = world.poll(&sid).1;
        let polled: Vec<String> = polled.split('|').map(str::to_owned).collect();
        for answers in [&frames, &polled] {
            let heads: Vec<&str> = answers.iter().map(|answer| &answer[..5]).collect();
            assert_eq!(heads, ["40/b,", "40/a,"], "each is answered once");
        }
        assert_eq!(world.endpoint.counts().sockets, 4);
        for namespace in ["/a", "/b"] {
            send(&mut world, &format!(r#"42{namespace},["still here"]"#));
        }
        let messages = world.take_events();
        assert_eq!(messages.len(), 4, "{messages:?}");
        // It may go and come again.
        send(&mut world, "41/a,");
        world.take_events();
        send(&mut world, "40/a,");
        let_in(&mut world);
        assert_eq!(world.endpoint.counts().sockets, 4);
    }
}

#[test]
fn b154_a_client_that_waits_may_think_better_of_it() {
    let mut world = World::new(Config {
        connect_requests: true,
        ..config()
    });
    let key = world.open_websocket();
    let tickets = |world: &mut World| {
        let events = world.take_events().into_iter();
        let tickets = events.filter_map(|event| match event {
            Event::ConnectRequested { ticket, .. } => Some(ticket),
            _ => None,
        });
        tickets.collect::<Vec<_>>()
    };
    for packet in ["40/a,", "41/a,", "40/a,"] {
        world.send(key, packet);
    }
    let [first, second] = tickets(&mut world)[..] else {
        panic!("two requests")
    };
    assert!(world.endpoint.accept_connect(first).is_err(), "it has left");
    world.endpoint.accept_connect(second).unwrap();
    world.turn();
    assert_eq!(world.frames(key).len(), 1);
    assert_eq!(world.endpoint.counts().sockets, 1);
}

#[test]
fn b154_a_client_that_has_missed_the_answer_begins_anew() {
    let mut world = World::new(config());
    let key = join(&mut world, "EIO=4&transport=websocket");
    world.send(key, "40/a,");
    let first = sid(&world.frames(key)[0]);
    for pause_ms in [0, 1_000, 3_000] {
        world.pass_ms(pause_ms);
        world.send(key, "40/a,");
        assert!(world.frames(key).is_empty(), "it may be on its way");
    }
    world.take_events();
    world.pass_ms(10_000);
    world.send(key, "40/a,");
    let second = sid(&world.frames(key)[0]);
    assert_ne!(first, second);
    let events = world.take_events();
    let [Event::Disconnected { reason, .. }, Event::Connected { .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*reason, DisconnectReason::ClientNamespaceDisconnect);
    assert_eq!(world.endpoint.counts().sockets, 2);
    world.send(key, r#"42/a,["hi"]"#);
    assert_eq!(message(&mut world).name(), "hi");
    assert!(world.endpoint.find_socket(&first).is_none());
}

#[test]
fn b154_clients_of_version_3_are_in_the_root_already() {
    let mut world = World::new(config());
    let key = join(&mut world, "EIO=3&transport=websocket");
    for packet in ["40", "40/", "40/a?x=1", "40/a?x=2", "40/a"] {
        world.send(key, packet);
    }
    assert_eq!(world.frames(key), ["40/a,"]);
    assert_eq!(world.endpoint.counts().sockets, 2);
}

#[test]
fn b155_an_acknowledgement_without_a_payload_is_ignored() {
    for version in [4, 3] {
        let mut world = World::new(config());
        let key = join(&mut world, &format!("EIO={version}&transport=websocket"));
        let socket = world.endpoint.fetch_sockets(&world.everybody())[0];
        let id = world
            .endpoint
            .emit_with_ack(socket, "question", &Args::none())
            .unwrap();
        world.turn();
        world.take(key);
        for packet in [
            format!("43{id}"),
            "43".into(),
            "4399".into(),
            format!("460-{id}"),
        ] {
            world.send(key, &packet);
            assert!(world.frames(key).is_empty(), "{packet}");
        }
        world.send(key, &format!("461-{id}"));
        world.feed(key, masked(0x82, &[4, 1]));
        assert!(world.frames(key).is_empty(), "its attachment belongs to it");
        assert!(world.take_events().is_empty());
        world.send(key, &format!(r#"43{id}["now"]"#));
        assert!(matches!(
            world.take_events()[..],
            [Event::Acknowledged { .. }]
        ));
    }
    let mut world = World::new(config());
    let sid = world.open_polling();
    world.post(&sid, "40");
    assert_eq!(world.post(&sid, "430\x1e43\x1e42[\"after\"]"), 200);
    assert_eq!(message(&mut world).name(), "after");
    for bad in ["430{}", "430null", "430\"x\"", "430[", "43/a,0"] {
        let mut world = World::new(config());
        let key = join(&mut world, "EIO=4&transport=websocket");
        world.send(key, bad);
        assert_eq!(world.frames(key), ["close"], "{bad}");
    }
}

#[cfg(feature = "msgpack")]
mod msgpack {
    use super::*;
    use crate::socket::Parser;

    const CONNECT: &[u8] = b"\x82\xa4type\x00\xa3nsp\xa1/";

    fn world() -> World {
        World::new(Config {
            parser: Parser::Msgpack,
            ..config()
        })
    }

    fn event(name: &[u8]) -> Vec<u8> {
        let head = &b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x05\xa4data\x92"[..];
        [head, name, b"\x01"].concat()
    }

    #[test]
    fn b150_packets_may_travel_as_text() {
        let mut world = world();
        let key = world.open_websocket_of("EIO=4&transport=websocket&b64=1");
        world.send(key, "bgqR0eXBlAKNuc3ChLw==");
        let frames = world.frames(key);
        assert!(frames[0].starts_with("bg6R0eXBl"), "{frames:?}");
    }

    #[test]
    fn b153_events_may_be_named_by_numbers() {
        for (name, text) in [
            (&b"\x02"[..], "2"),
            (&b"\xff"[..], "-1"),
            (&b"\xcb\x3f\xf8\0\0\0\0\0\0"[..], "1.5"),
            (&b"\xcb\x80\0\0\0\0\0\0\0"[..], "0"),
            (&b"\xca\x40\0\0\0"[..], "2"),
            (&b"\xcb\x44\x4b\x1a\xe4\xd6\xe2\xef\x50"[..], "1e+21"),
            (
                &b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"[..],
                "18446744073709552000",
            ),
        ] {
            let mut world = world();
            let key = world.open_websocket();
            world.feed(key, masked(0x82, CONNECT));
            world.take(key);
            world.feed(key, masked(0x82, &event(name)));
            let received = message(&mut world);
            assert_eq!(received.name(), text);
            assert_eq!(received.args.raw(0), Some("1"));
            acknowledge(&mut world, received.ack);
            assert!(world.take(key).ends_with(b"\xa2id\x05\xa4data\x90"));
        }
    }

    #[test]
    fn b154_b155_what_is_ignored_is_so_with_either_parser() {
        let mut world = world();
        let key = world.open_websocket();
        world.feed(key, masked(0x82, CONNECT));
        world.take(key);
        world.feed(key, masked(0x82, CONNECT));
        for ack in [
            &b"\x83\xa4type\x03\xa3nsp\xa1/\xa2id\x00"[..],
            b"\x82\xa4type\x03\xa3nsp\xa1/",
            b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\x00\xa4data\xc0",
        ] {
            world.feed(key, masked(0x82, ack));
        }
        assert!(world.frames(key).is_empty());
        assert_eq!(world.endpoint.counts().sockets, 1);
    }
}
