use super::*;
use crate::error::DisconnectReason;

fn config() -> Config {
    Config {
        allow_eio3: true,
        ping_interval_ms: 300,
        ping_timeout_ms: 200,
        namespaces: vec!["/".to_owned(), "/q".to_owned()],
        progress: None,
        ..Config::default()
    }
}

fn poll(world: &mut World, sid: &str) -> String {
    let answer = world.request(&get(&format!("EIO=3&transport=polling&sid={sid}")));
    body(&answer).to_owned()
}

fn send(world: &mut World, sid: &str, payload: &str) -> u16 {
    status(&world.request(&post(sid, payload).replace("EIO=4", "EIO=3")))
}

#[test]
fn a_session_opens_with_lengths_and_is_in_the_root_namespace_by_itself() {
    let mut world = World::new(config());
    let answer = world.request(&get("EIO=3&transport=polling"));
    let (length, packet) = body(&answer).split_once(':').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), packet.len());
    let sid = sid(packet);
    assert!(matches!(world.take_events()[..], [Event::Connected { .. }]));
    assert_eq!(poll(&mut world, &sid), "2:40");
    send(&mut world, &sid, "14:42[\"hi\",\"\u{1f600}\u{20ac}\"]");
    match world.take_events().pop() {
        Some(Event::Message(message)) => {
            assert_eq!(message.args.raw(0), Some("\"\u{1f600}\u{20ac}\""));
            world
                .endpoint
                .emit_to(message.socket, "hi", &message.args)
                .unwrap();
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        poll(&mut world, &sid),
        "14:42[\"hi\",\"\u{1f600}\u{20ac}\"]"
    );
}

#[test]
fn clients_send_the_pings_and_are_gone_without_them() {
    let mut world = World::new(config());
    let key = world.open_websocket_of("EIO=3&transport=websocket");
    for _ in 0..3 {
        world.pass_ms(400);
        world.send(key, "2");
        assert_eq!(world.frames(key), ["3"]);
    }
    world.send(key, "2probe");
    assert_eq!(world.frames(key), ["3probe"]);
    world.take_events();
    world.pass_ms(499);
    assert!(world.frames(key).is_empty());
    world.pass_ms(1);
    assert_eq!(world.frames(key), ["close"]);
    assert!(matches!(
        world.take_events()[..],
        [Event::Disconnected {
            reason: DisconnectReason::PingTimeout,
            ..
        }]
    ));
}

#[test]
fn binary_messages_have_a_type_byte_or_base64() {
    let mut world = World::new(Config {
        allow_eio3: true,
        ..Config::engine_only("/socket.io")
    });
    let key = world.open_websocket_of("EIO=3&transport=websocket");
    world.feed(key, masked(0x82, &[4, 1, 2]));
    let events = world.take_events();
    let [Event::EngineOpened { session }, Event::EngineMessage { message, .. }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(message.payload(), [1, 2]);
    world.endpoint.engine_send(*session, message).unwrap();
    world.turn();
    assert_eq!(world.frames(key), ["binary:[4, 1, 2]"]);
    world.feed(key, masked(0x82, &[5, 1]));
    assert_eq!(world.frames(key), ["close"]);

    for (b64, payload) in [("&b64=1", &b"6:b4AQI="[..]), ("", &[1, 3, 255, 4, 1, 2])] {
        let mut world = World::new(Config {
            allow_eio3: true,
            ..Config::engine_only("/socket.io")
        });
        let answer = world.request(&get(&format!("EIO=3&transport=polling{b64}")));
        let sid = sid(&answer);
        let Some(Event::EngineOpened { session }) = world.take_events().pop() else {
            panic!("opened")
        };
        world
            .endpoint
            .engine_send(session, &crate::Frame::binary(&[1, 2]))
            .unwrap();
        let key = world.open();
        world.feed(key, get(&format!("EIO=3&transport=polling&sid={sid}")));
        assert!(world.take(key).ends_with(payload), "{b64}");
        let key = world.open();
        let head = post(&sid, "").replace("Length: 0", &format!("Length: {}", payload.len()));
        let head = match b64 {
            "" => head.replace("text/plain", "application/octet-stream"),
            _ => head,
        };
        world.feed(key, [head.as_bytes(), payload].concat());
        assert_eq!(status(&world.take_text(key)), 200);
        assert!(
            matches!(&world.take_events()[..], [Event::EngineMessage { message, .. }]
            if message.payload() == [1, 2] && message.is_binary())
        );
    }
}

#[test]
fn the_query_of_a_namespace_is_its_auth_payload() {
    let mut world = World::new(config());
    let key = world.open_websocket_of("EIO=3&transport=websocket");
    assert_eq!(
        world.frames(key),
        Vec::<String>::new(),
        "taken with the handshake"
    );
    world.take_events();
    world.send(key, "40/q?token=1&x=y%20z");
    assert_eq!(world.frames(key), ["40/q,"]);
    match world.take_events().pop() {
        Some(Event::Connected { auth, .. }) => {
            assert_eq!(auth.raw(0), Some(r#"{"token":"1","x":"y z"}"#));
        }
        other => panic!("{other:?}"),
    }
    world.send(key, "40/nope");
    assert_eq!(world.frames(key), ["44/nope,\"Invalid namespace\""]);
}

#[test]
fn an_old_clients_own_idea_of_its_id_names_its_room() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(key, upgrade("EIO=3&transport=websocket"));
    let sid = sid(&String::from_utf8_lossy(&world.take(key)));
    world.send(key, "40/q");
    world.take(key);
    for (namespace, room) in [("/", sid.clone()), ("/q", format!("/q#{sid}"))] {
        let id = world.endpoint.namespace(namespace).unwrap();
        let target = crate::Target::namespace(id).to(room);
        world
            .endpoint
            .emit(&target, "you", &crate::Args::none())
            .unwrap();
    }
    world.turn();
    assert_eq!(world.frames(key), [r#"42["you"]"#, r#"42/q,["you"]"#]);
}

#[test]
fn old_and_new_clients_hear_the_same_broadcast() {
    let mut world = World::new(config());
    let old = world.open_websocket_of("EIO=3&transport=websocket");
    let new = world.join_by_websocket();
    let everybody = crate::Target::namespace(world.endpoint.namespace("/").unwrap());
    let mut args = crate::Args::builder();
    args.push_binary(&[9]);
    world
        .endpoint
        .emit(&everybody, "all", &args.build())
        .unwrap();
    world.turn();
    let text = r#"451-["all",{"_placeholder":true,"num":0}]"#;
    assert_eq!(world.frames(old), [text, "binary:[4, 9]"]);
    assert_eq!(world.frames(new), [text, "binary:[9]"]);
}

#[test]
fn without_leave_an_old_client_is_refused() {
    let mut world = World::new(Config::default());
    let answer = world.request(&get("EIO=3&transport=polling"));
    assert_eq!(
        body(&answer),
        r#"{"code":5,"message":"Unsupported protocol version"}"#
    );
}

#[test]
fn answers_to_very_many_pings_do_not_pile_up() {
    let mut world = World::new(Config {
        max_queued_bytes: 10_000,
        ..config()
    });
    let answer = world.request(&get("EIO=3&transport=polling"));
    let sid = sid(&answer);
    world.take_events();
    // Each is answered with one byte, which costs far more to keep.
    send(&mut world, &sid, &"1:2".repeat(400));
    assert!(matches!(
        world.take_events()[..],
        [Event::Disconnected {
            reason: DisconnectReason::TransportError,
            ..
        }]
    ));
    assert_eq!(world.endpoint.counts().sessions, 0);
}
