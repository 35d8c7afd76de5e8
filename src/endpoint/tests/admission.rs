use super::*;
use crate::endpoint::{Admission, AdmissionId};
use crate::error::Error;
use crate::http::Response;

fn world() -> World {
    World::new(Config {
        allow_request: true,
        ..Config::engine_only("/socket.io")
    })
}

/// The one decision that is asked for.
fn ticket(world: &mut World) -> AdmissionId {
    let events = world.take_events();
    let [Event::AllowRequest { ticket, .. }] = events[..] else {
        panic!("{events:?}")
    };
    ticket
}

fn decide(world: &mut World, ticket: AdmissionId, admission: Admission) {
    world.endpoint.admit(ticket, admission).expect("it waits");
    world.turn();
}

const POLLING: &str = "EIO=4&transport=polling";
const WEBSOCKET: &str = "EIO=4&transport=websocket";

#[test]
fn a_session_opens_when_the_host_says_so_and_not_before() {
    let mut world = world();
    let key = world.open();
    world.feed(
        key,
        get(POLLING).replace("Host: a", "Host: a\r\nX-Token: t"),
    );
    let events = world.take_events();
    let [Event::AllowRequest { ticket, head, peer }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(head.header("x-token"), Some("t"));
    assert_eq!(head.query("EIO").as_deref(), Some("4"));
    assert_eq!(peer.port(), Some(5000));
    world.pass_ms(5_000);
    assert!(world.take(key).is_empty());
    assert_eq!(world.endpoint.counts().sessions, 0);
    let yes = Admission::accept()
        .header("X-Seen", "yes")
        .header("X-Split", "a\r\nb: c")
        .header("Content-Length", "0");
    decide(&mut world, *ticket, yes.clone());
    let answer = world.take_text(key);
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("X-Seen: yes\r\n") && !answer.contains("X-Split"));
    assert_eq!(answer.matches("Content-Length").count(), 1);
    assert!(body(&answer).starts_with("0{"));
    assert!(matches!(
        world.take_events()[..],
        [Event::EngineOpened { .. }]
    ));
    let again = world.endpoint.admit(*ticket, yes);
    assert_eq!(again, Err(Error::NoSuchRequest));
}

#[test]
fn a_websocket_waits_too_and_what_it_sent_meanwhile_is_not_lost() {
    let mut world = world();
    let key = world.open();
    world.feed(
        key,
        [upgrade(WEBSOCKET).into_bytes(), masked(0x81, b"4early")].concat(),
    );
    let ticket = ticket(&mut world);
    assert!(!world.endpoint.transport.wants_input(key));
    assert!(world.take(key).is_empty());
    decide(
        &mut world,
        ticket,
        Admission::accept().header("Set-Cookie", "a=b"),
    );
    let bytes = world.take(key);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
    assert!(text.contains("Set-Cookie: a=b\r\n"));
    assert!(text.contains("\"upgrades\":[]"));
    let events = world.take_events();
    let [Event::EngineOpened { .. }, Event::EngineMessage { message, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(message.payload(), b"early");
    world.pass_ms(60_000 - 45_000 - 1);
    assert!(world.closed.is_empty() && world.shut.is_empty());
}

#[test]
fn a_refusal_carries_the_words_of_the_host() {
    let mut world = world();
    let polling = world.open();
    world.feed(polling, get(POLLING));
    let ask = ticket(&mut world);
    decide(&mut world, ask, Admission::refuse("say \"please\""));
    let answer = world.take_text(polling);
    assert_eq!(status(&answer), 403);
    assert_eq!(body(&answer), r#"{"code":4,"message":"say \"please\""}"#);
    assert!(!world.shut.contains(&polling), "it may ask again");

    let websocket = world.open();
    world.feed(websocket, upgrade(WEBSOCKET));
    let ask = ticket(&mut world);
    decide(&mut world, ask, Admission::refuse("say \"please\""));
    let answer = world.take_text(websocket);
    assert_eq!(status(&answer), 400);
    assert!(answer.contains("Content-Type: text/html\r\n"));
    assert!(answer.contains("Connection: close\r\n"));
    assert_eq!(body(&answer), "say \"please\"");
    assert!(world.shut.contains(&websocket));
    assert_eq!(world.endpoint.counts().sessions, 0);
}

#[test]
fn the_host_may_answer_itself_and_a_websocket_gets_nothing_then() {
    let mut world = World::new(Config {
        cors: Some(crate::http::Cors::default()),
        ..world().endpoint.config().clone()
    });
    let polling = world.open();
    world.feed(polling, get(POLLING));
    let ask = ticket(&mut world);
    let answer = Response::text(503, "later");
    decide(
        &mut world,
        ask,
        Admission::respond(answer.clone()).header("Retry-After", "9"),
    );
    let answered = world.take_text(polling);
    assert_eq!((status(&answered), body(&answered)), (503, "later"));
    assert!(answered.contains("Retry-After: 9\r\n"));
    assert!(answered.contains("Access-Control-Allow-Origin: *\r\n"));

    let websocket = world.open();
    world.feed(websocket, upgrade(WEBSOCKET));
    let ask = ticket(&mut world);
    decide(&mut world, ask, Admission::respond(answer));
    assert!(world.take(websocket).is_empty());
    assert!(world.shut.contains(&websocket));
}

#[test]
fn what_is_not_decided_in_time_is_refused() {
    let mut world = world();
    let key = world.open();
    world.feed(key, get(POLLING));
    let ticket = ticket(&mut world);
    world.pass_ms(44_999);
    assert!(world.take(key).is_empty());
    world.pass_ms(1);
    let answer = world.take_text(key);
    assert_eq!(status(&answer), 403);
    assert_eq!(
        body(&answer),
        r#"{"code":4,"message":"No decision in time"}"#
    );
    let late = world.endpoint.admit(ticket, Admission::accept());
    assert_eq!(late, Err(Error::NoSuchRequest));
    world.pass_ms(100_000);
    let counts = world.endpoint.counts();
    assert_eq!((counts.sessions, counts.timers), (0, 0));
}

#[test]
fn whoever_has_gone_is_not_decided_about() {
    type Leave = fn(&mut Endpoint, ConnectionId);
    let ways: [Leave; 3] = [
        |endpoint, key| endpoint.hang_up(key),
        |endpoint, key| endpoint.read_closed(key),
        |endpoint, key| {
            let half_closed = Readiness {
                is_half_closed: true,
                ..Readiness::default()
            };
            endpoint.on_ready(key, half_closed);
        },
    ];
    for request in [get(POLLING), upgrade(WEBSOCKET)] {
        for leave in ways {
            let mut world = world();
            let key = world.open();
            world.feed(key, &request);
            let ticket = ticket(&mut world);
            leave(&mut world.endpoint, key);
            world.turn();
            let late = world.endpoint.admit(ticket, Admission::accept());
            assert_eq!(late, Err(Error::NoSuchRequest));
            world.turn();
            assert!(world.take_events().is_empty() && world.take(key).is_empty());
            let counts = world.endpoint.counts();
            assert_eq!(
                (counts.connections, counts.sessions, counts.timers),
                (0, 0, 0)
            );
        }
    }
}

#[test]
fn a_ticket_is_for_one_request_and_not_for_the_next_on_its_connection() {
    let mut world = world();
    let key = world.open();
    world.feed(key, get(POLLING).repeat(2));
    let first = ticket(&mut world);
    decide(&mut world, first, Admission::refuse("no"));
    let second = ticket(&mut world);
    assert_ne!(first, second);
    let stale = world.endpoint.admit(first, Admission::accept());
    assert_eq!(stale, Err(Error::NoSuchRequest));
    assert_eq!(world.endpoint.counts().sessions, 0);
    decide(&mut world, second, Admission::accept());
    assert_eq!(world.take_text(key).matches("HTTP/1.1 ").count(), 2);
}

#[test]
fn the_body_of_a_waiting_request_is_passed_over_afterwards() {
    for framing in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let body_bytes = framing.split_once("\r\n\r\n").expect("a body").1.len();
        for cut in [0, 3, body_bytes] {
            let mut world = world();
            let key = world.open();
            let request = get(POLLING).trim_end().to_owned() + "\r\n" + framing;
            let both = request.clone() + &get("transport=none");
            let (start, rest) = both.split_at(request.len() - cut);
            world.feed(key, start);
            let ticket = ticket(&mut world);
            assert!(!world.endpoint.transport.wants_input(key));
            decide(&mut world, ticket, Admission::accept());
            world.feed(key, rest);
            let answers = world.take_text(key);
            assert!(answers.contains("\r\n\r\n0{"), "{answers}");
            assert!(answers.ends_with(r#"{"code":0,"message":"Transport unknown"}"#));
            assert_eq!(answers.matches("HTTP/1.1 ").count(), 2);
        }
    }
}

#[test]
fn only_what_is_otherwise_good_is_asked_about() {
    let mut world = world();
    let no_key = upgrade(WEBSOCKET).replace("dGhlIHNhbXBsZSBub25jZQ==", "short");
    for (request, wanted) in [
        (get("EIO=4&transport=bad"), 400),
        (get("EIO=4&transport=polling&sid=nobody"), 400),
        (get(POLLING).replace("GET", "PUT"), 400),
        (get(WEBSOCKET), 400),
        (no_key, 400),
        (
            upgrade(WEBSOCKET).replace("Version: 13", "Version: 99"),
            400,
        ),
    ] {
        assert_eq!(status(&world.request(&request)), wanted, "{request}");
        assert!(world.take_events().is_empty(), "{request}");
    }
    let key = world.open();
    world.feed(key, get("EIO=3&transport=polling"));
    let ask = ticket(&mut world);
    decide(&mut world, ask, Admission::accept());
    let answer = world.take_text(key);
    assert!(
        body(&answer).starts_with("{\"code\":5,"),
        "the version is judged after the host: {answer}"
    );
}

#[test]
fn what_belongs_to_a_session_is_not_asked_about_again() {
    let mut world = world();
    let key = world.open();
    world.feed(key, get(POLLING));
    let ask = ticket(&mut world);
    decide(&mut world, ask, Admission::accept());
    let sid = sid(&world.take_text(key));
    world.take_events();
    assert_eq!(world.post(&sid, "4x"), 200);
    let websocket = world.open_websocket_of(&format!("{WEBSOCKET}&sid={sid}"));
    world.send(websocket, "2probe");
    world.send(websocket, "5");
    assert_eq!(world.frames(websocket), ["3probe"]);
    let is_asked = |event: &Event| matches!(event, Event::AllowRequest { .. });
    assert!(!world.take_events().iter().any(is_asked));
}

#[test]
fn a_server_that_shuts_down_decides_nothing_more() {
    let mut world = world();
    let key = world.open();
    world.feed(key, get(POLLING));
    let ticket = ticket(&mut world);
    world.endpoint.shut_down();
    world.turn();
    assert!(world.endpoint.is_drained());
    let late = world.endpoint.admit(ticket, Admission::accept());
    assert_eq!(late, Err(Error::NoSuchRequest));
    assert_eq!(world.endpoint.counts().sessions, 0);
}
