use super::*;

type Context = Vec<(&'static str, String)>;

/// The codes that the host has heard of, with their contexts.
fn reported(world: &mut World) -> Vec<(u8, Context)> {
    let events = world.take_events().into_iter();
    events
        .filter_map(|event| match event {
            Event::ConnectionError { code, context, .. } => Some((code, context)),
            _ => None,
        })
        .collect()
}

fn owned(context: &[(&'static str, &str)]) -> Context {
    context
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

#[test]
fn the_host_hears_why_a_request_was_refused() {
    let mut world = World::new(Config {
        connection_errors: true,
        allowed_hosts: Some(vec!["a".to_owned()]),
        allowed_origins: Some(vec![
            "https://app.example".to_owned(),
            "\u{fffd}".to_owned(),
        ]),
        ..Config::engine_only("/socket.io")
    });
    let sid = world.open_polling();
    let websocket = world.open_websocket();
    let polling = get("EIO=4&transport=polling");
    let of_session = get(&format!("EIO=4&transport=polling&sid={sid}"));
    let handshake_error: &[_] = &[("name", "TRANSPORT_HANDSHAKE_ERROR")];
    let with = |line: &str| polling.replace("Host: a", line);
    for (request, code, context) in [
        (get("EIO=4&transport=x%79z"), 0, &[("transport", "xyz")][..]),
        (get("EIO=4"), 0, &[("transport", "")]),
        (get("transport=polling&sid=nobody"), 1, &[("sid", "nobody")]),
        (
            get("transport=polling&sid=AAAAAAAAAAAAAAAAAAAA"),
            1,
            &[("sid", "AAAAAAAAAAAAAAAAAAAA")],
        ),
        (polling.replace("GET", "POST"), 2, &[("method", "POST")]),
        (
            of_session.replace("GET", "DELETE"),
            2,
            &[("method", "DELETE")],
        ),
        (get("EIO=4&transport=websocket"), 3, handshake_error),
        (upgrade("EIO=4&transport=polling"), 3, handshake_error),
        (get("EIO=4&transport=polling&j=0"), 3, handshake_error),
        (
            of_session.replace("transport=polling", "transport=websocket"),
            3,
            &[
                ("name", "TRANSPORT_MISMATCH"),
                ("transport", "websocket"),
                ("previousTransport", "polling"),
            ],
        ),
        (
            with("Host: evil.example"),
            4,
            &[("name", "HOST_NOT_ALLOWED"), ("host", "evil.example")],
        ),
        (
            with("Host: a\r\nOrigin: https://evil.example"),
            4,
            &[
                ("name", "ORIGIN_NOT_ALLOWED"),
                ("origin", "https://evil.example"),
            ],
        ),
        (get("EIO=3&transport=polling"), 5, &[("protocol", "3")]),
    ] {
        world.request(&request);
        let wanted = vec![(code, owned(context))];
        assert_eq!(reported(&mut world), wanted, "{request}");
    }
    let key = world.open();
    let mut bytes = with("Host: a\r\nOrigin: #").into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'#').expect("there");
    bytes[at] = 0xff;
    world.feed(key, bytes);
    assert_eq!(
        reported(&mut world),
        [(
            3,
            owned(&[("name", "INVALID_ORIGIN"), ("origin", "\u{fffd}")])
        )]
    );
    // Nothing of all this has harmed anybody.
    assert_eq!(world.post(&sid, "4x"), 200);
    world.send(websocket, "4x");
    assert!(world.closed.is_empty());
}

#[test]
fn the_event_names_the_request_and_its_sender() {
    let mut world = World::new(Config {
        connection_errors: true,
        ..Config::default()
    });
    world.request(&get("EIO=4&transport=none").replace("Host: a", "Host: a\r\nX-From: me"));
    let events = world.take_events();
    let [Event::ConnectionError {
        head,
        peer,
        code: 0,
        message,
        ..
    }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(message, "Transport unknown");
    assert_eq!(
        (head.header("x-from"), peer.port()),
        (Some("me"), Some(5000))
    );
}

#[test]
fn a_refusal_by_the_host_comes_with_its_words() {
    let mut world = World::new(Config {
        connection_errors: true,
        allow_request: true,
        ..Config::default()
    });
    world.request(&get("EIO=4&transport=polling"));
    let Some(Event::AllowRequest { ticket, .. }) = world.take_events().pop() else {
        panic!("a question")
    };
    world
        .endpoint
        .admit(ticket, crate::Admission::refuse("not today"))
        .unwrap();
    world.turn();
    assert_eq!(
        reported(&mut world),
        [(4, owned(&[("message", "not today")]))]
    );
}

#[test]
fn nothing_is_said_where_nobody_wants_to_hear_it() {
    let mut world = World::new(Config::default());
    world.request(&get("EIO=4&transport=none"));
    assert!(world.take_events().is_empty());
}

#[test]
fn other_methods_do_not_harm_a_session() {
    let mut world = World::new(Config::engine_only("/socket.io"));
    let sid = world.open_polling();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"] {
        let request = post(&sid, "4x").replace("POST", method);
        let answer = world.request(&request);
        assert_eq!(status(&answer), 400, "{method}");
        let wanted = r#"{"code":2,"message":"Bad handshake method"}"#;
        let has_body = method != "HEAD";
        assert_eq!(body(&answer), if has_body { wanted } else { "" });
    }
    let unknown = post("AAAAAAAAAAAAAAAAAAAA", "4x").replace("POST", "PUT");
    assert!(body(&world.request(&unknown)).starts_with("{\"code\":1,"));
    assert_eq!(world.post(&sid, "4x"), 200);
}

#[test]
fn a_session_on_a_websocket_is_not_harmed_by_polling() {
    let mut world = World::new(Config {
        connection_errors: true,
        ..Config::engine_only("/socket.io")
    });
    let key = world.open();
    world.feed(key, upgrade("EIO=4&transport=websocket"));
    let sid = sid(&String::from_utf8_lossy(&world.take(key)));
    let mismatch = owned(&[
        ("name", "TRANSPORT_MISMATCH"),
        ("transport", "polling"),
        ("previousTransport", "websocket"),
    ]);
    let poll = get(&format!("EIO=4&transport=polling&sid={sid}"));
    for request in [poll.clone(), post(&sid, "4x"), poll.replace("GET", "PUT")] {
        let answer = world.request(&request);
        assert_eq!(body(&answer), r#"{"code":3,"message":"Bad request"}"#);
        assert_eq!(reported(&mut world), [(3, mismatch.clone())]);
    }
    world.send(key, "4x");
    assert!(matches!(
        world.take_events()[..],
        [Event::EngineMessage { .. }]
    ));
}
