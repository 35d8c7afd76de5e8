//! Where the host has a say before and while sessions open.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use pulsewheel::http::{HeaderHook, Response};
use pulsewheel::{Admission, Config, Error, Event, HandshakeDetail, Io, Next, Refusal};

use crate::support::{
    add_echo, ask, assert_passed_ms, get, notes, run, run_io, until, Client, Http, Polling, LIMIT,
    UPGRADE,
};

const POLLING: &str = "EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

#[test]
fn b14_without_its_slash_the_path_may_be_served_too() {
    for (add_trailing_slash, status) in [(true, 404), (false, 200)] {
        let config = Config {
            path: "/live".to_owned(),
            add_trailing_slash,
            ..Config::default()
        };
        let server = run(config, |_, _| {});
        let target = format!("/live?{POLLING}");
        assert_eq!(ask(server.address, "GET", &target, &[], b"").status, status);
        let target = format!("/live/?{POLLING}");
        assert_eq!(ask(server.address, "GET", &target, &[], b"").status, 200);
    }
}

#[test]
fn b16_an_upgrade_that_nobody_serves_is_closed() {
    let host = |destroy_upgrade_ms| Config {
        host_http: true,
        destroy_upgrade_ms,
        ..Config::default()
    };
    let target = "/elsewhere";
    let server = run(host(Some(300)), |_, _| {});
    let begin = Instant::now();
    let mut http = Http::connect(server.address);
    http.request("GET", target, &UPGRADE, b"");
    assert!(http.rest().is_empty(), "nothing is answered");
    assert_passed_ms(begin, 300);

    // One that the host answers is the host's, and without the timer it has all the time.
    let (sender, requests) = channel();
    let patient = run(host(None), move |_, event| {
        if let Event::Request { request, .. } = event {
            let _ = sender.send(request);
        }
    });
    let mut http = Http::connect(patient.address);
    http.request("GET", target, &UPGRADE, b"");
    let request = requests.recv_timeout(LIMIT).expect("a request");
    std::thread::sleep(Duration::from_millis(400));
    let answer = patient.call(move |endpoint| endpoint.respond(request, Response::text(418, "no")));
    assert_eq!(answer, Ok(()));
    assert_eq!(http.answer().status, 418);
}

#[test]
fn b22_an_initial_packet_rides_with_the_open_packet() {
    let config = Config {
        initial_packet: Some("hello".to_owned()),
        ..Config::engine_only("/engine.io")
    };
    let server = run(config, |_, _| {});
    let target = format!("/engine.io/?{POLLING}");
    let answer = ask(server.address, "GET", &target, &[], b"");
    let packets = answer.packets();
    assert!(packets[0].starts_with("0{\"sid\":"), "{packets:?}");
    assert_eq!(packets[1..], ["4hello"]);
    let target = "/engine.io/?EIO=4&transport=websocket";
    let mut client = Client::open(server.address, target);
    assert!(client.text().starts_with("0{\"sid\":"));
    assert_eq!(client.text(), "4hello");
}

#[test]
fn b23_the_handshake_tells_what_is_known_of_a_client() {
    for detail in [HandshakeDetail::Minimal, HandshakeDetail::Full] {
        let (sender, notes) = notes();
        let mut io = Io::new();
        io.of("/").on_connect(move |_, socket| {
            let client = socket.client().expect("there");
            let _ = sender.send(client.address.ip().expect("of TCP").to_string());
            let _ = sender.send(client.query.to_owned());
            let auth: serde_json::Value = socket.auth().expect("JSON");
            let _ = sender.send(auth.to_string());
            let details = client.details.map(|details| {
                let origin = details.header("ORIGIN").map(str::to_owned);
                let is_recent = details.issued_ms > 1_700_000_000_000;
                (
                    origin,
                    details.url.clone(),
                    details.xdomain,
                    details.secure,
                    is_recent,
                )
            });
            let _ = sender.send(format!("{details:?}"));
        });
        let config = Config {
            handshake: detail,
            ..Config::default()
        };
        let server = run_io(config, io);
        let query = format!("{POLLING}&token=a%20b");
        let opened = get(server.address, &query, &[("Origin", "http://page.example")]);
        let handshake: serde_json::Value = serde_json::from_str(&opened.text()[1..]).expect("JSON");
        let sid = handshake["sid"].as_str().expect("an id");
        let target = format!("/socket.io/?{POLLING}&sid={sid}");
        ask(server.address, "POST", &target, &[], b"40");
        assert_eq!(notes.next(), "127.0.0.1");
        assert_eq!(notes.next(), query);
        assert_eq!(notes.next(), "{}");
        let expected = match detail {
            HandshakeDetail::Minimal => "None".to_owned(),
            HandshakeDetail::Full => format!(
                "{:?}",
                Some((
                    Some("http://page.example"),
                    format!("/socket.io/?{query}"),
                    true,
                    false,
                    true
                ))
            ),
        };
        assert_eq!(notes.next(), expected);
    }
}

#[test]
fn b24_the_host_hears_why_requests_are_refused() {
    let (sender, notes) = notes();
    let mut io = Io::new();
    add_echo(&mut io);
    io.on_connection_error(move |_, error| {
        let context: Vec<String> = error
            .context
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let (code, message) = (error.code, error.message);
        let _ = sender.send(format!(
            "{} {code} {message} {}",
            error.head.path,
            context.join(" ")
        ));
    });
    let server = run_io(Config::default(), io);
    let client = Client::session(server.address);
    let polled = |sid: &str| format!("{POLLING}&sid={sid}");
    for (query, expected) in [
        (
            "EIO=4&transport=pigeon".to_owned(),
            "0 Transport unknown transport=pigeon",
        ),
        (
            polled("AAAAAAAAAAAAAAAAAAAA"),
            "1 Session ID unknown sid=AAAAAAAAAAAAAAAAAAAA",
        ),
        (
            "EIO=4&transport=websocket".to_owned(),
            "3 Bad request name=TRANSPORT_HANDSHAKE_ERROR",
        ),
        (
            "EIO=7&transport=polling".to_owned(),
            "5 Unsupported protocol version protocol=3",
        ),
    ] {
        let answer = get(server.address, &query, &[]);
        assert_eq!(answer.status, 400);
        assert_eq!(notes.next(), format!("/socket.io/ {expected}"));
    }
    let target = format!("/socket.io/?{POLLING}");
    ask(server.address, "PUT", &target, &[], b"");
    let expected = "/socket.io/ 2 Bad handshake method method=PUT";
    assert_eq!(notes.next(), expected);

    let session = Polling::join(server.address);
    let mut websocket = Client::open(server.address, &session.upgrade_target());
    websocket.send("2probe");
    websocket.send("5");
    assert_eq!(websocket.settled(), ["3probe"]);
    assert_eq!(session.poll().status, 400);
    let note = notes.next();
    for part in [
        "3 Bad request",
        "name=TRANSPORT_MISMATCH",
        "transport=polling",
        "previousTransport=websocket",
    ] {
        assert!(note.contains(part), "{note}");
    }
    client.close();
    assert!(notes.so_far().is_empty());
}

#[test]
fn b25_the_host_refuses_in_its_own_words() {
    let mut io = Io::new();
    add_echo(&mut io);
    io.allow_request(
        |_, opening| match opening.request().query("token").as_deref() {
            Some("good") => Ok(Next::Go),
            Some("busy") => Err(Refusal::respond(Response::text(503, "come back later"))),
            _ => Err("no token, no session".into()),
        },
    );
    let server = run_io(Config::default(), io);
    let polling = |token: &str| get(server.address, &format!("{POLLING}&token={token}"), &[]);
    let websocket = |token: &str| {
        let mut http = Http::connect(server.address);
        http.request("GET", &format!("{WEBSOCKET}&token={token}"), &UPGRADE, b"");
        http.try_answer()
    };
    assert_eq!(polling("good").status, 200);
    assert_eq!(websocket("good").map(|answer| answer.status), Some(101));
    let refused = polling("bad");
    assert_eq!(refused.status, 403);
    assert_eq!(refused.error(), (4, "no token, no session".to_owned()));
    let refused = websocket("bad").expect("an answer");
    assert_eq!(refused.status, 400);
    assert_eq!(refused.text(), "no token, no session");
    assert_eq!(refused.field("content-type"), Some("text/html"));
    let own = polling("busy");
    assert_eq!((own.status, own.text()), (503, "come back later"));
    assert!(websocket("busy").is_none(), "closed without an answer");
}

#[test]
fn b26_the_host_may_decide_later() {
    let (sender, tickets) = channel();
    let mut io = Io::new();
    add_echo(&mut io);
    io.allow_request(move |_, opening| {
        let _ = sender.send(opening.id());
        Ok(Next::Later)
    });
    let config = Config {
        connect_timeout_ms: 2_000,
        ..Config::default()
    };
    let server = run_io(config, io);
    let begin = |query: &str| {
        let mut http = Http::connect(server.address);
        http.request("GET", &format!("/socket.io/?{query}"), &[], b"");
        let ticket = tickets.recv_timeout(LIMIT).expect("a request");
        (http, ticket)
    };
    let (mut accepted, ticket) = begin(POLLING);
    std::thread::sleep(Duration::from_millis(50));
    let decided = server.call(move |endpoint| endpoint.admit(ticket, Admission::accept()));
    assert_eq!(decided, Ok(()));
    assert_eq!(accepted.answer().status, 200);

    let (gone, ticket) = begin(POLLING);
    drop(gone);
    until(
        || {
            let admission = Admission::refuse("too late");
            let decided = server.call(move |endpoint| endpoint.admit(ticket, admission));
            decided == Err(Error::NoSuchRequest)
        },
        "end of the request",
    );

    let start = Instant::now();
    let (mut forgotten, ticket) = begin(POLLING);
    let answer = forgotten.answer();
    assert_eq!((answer.status, answer.error().0), (403, 4));
    assert_passed_ms(start, 2000);
    let decided = server.call(move |endpoint| endpoint.admit(ticket, Admission::accept()));
    assert_eq!(decided, Err(Error::NoSuchRequest));
}

#[test]
fn b37_the_host_adds_header_fields() {
    let field = |name: &str| {
        let name = name.to_owned();
        HeaderHook::new(move |head| vec![(name.clone(), head.path.to_owned())])
    };
    let config = Config {
        initial_headers: Some(field("X-First")),
        headers: Some(field("X-Each")),
        ..Config::default()
    };
    let server = crate::support::run_echo(config);
    let has = |answer: &crate::support::Answer| {
        (
            answer.field("x-first").is_some(),
            answer.field("x-each").is_some(),
        )
    };
    let session = Polling::open(server.address);
    assert_eq!(session.opened.field("x-each"), Some("/socket.io/"));
    assert_eq!(has(&session.opened), (true, true));
    assert_eq!(has(&session.post("40")), (false, true));
    assert_eq!(has(&session.poll()), (false, true));
    assert_eq!(has(&get(server.address, "EIO=4", &[])), (false, true));
    let opened = ask(server.address, "GET", WEBSOCKET, &UPGRADE, b"");
    assert_eq!(opened.status, 101);
    assert_eq!(has(&opened), (true, true));
    let upgrade = ask(
        server.address,
        "GET",
        &session.upgrade_target(),
        &UPGRADE,
        b"",
    );
    assert_eq!(upgrade.status, 101);
    assert_eq!(has(&upgrade), (false, true));
}
