//! Opening a session, and what may be wrong with that.

use std::io::{Read, Write};

use pulsewheel::engine::Transports;
use pulsewheel::http::Response;
use pulsewheel::progress::MemoryUsage;
use pulsewheel::{Config, Endpoint, Environment, Event, Now, Readiness, Work};

use crate::support::{ask, get, run, run_echo, Client, Http, Polling, UPGRADE};

const POLLING: &str = "EIO=4&transport=polling";

#[test]
fn b1_a_refusal_has_a_numeric_code_and_its_message() {
    let server = run_echo(Config {
        allowed_hosts: Some(Vec::new()),
        ..Config::default()
    });
    let get = |query: &str| get(server.address, query, &[]);
    let opening = |method| {
        let target = format!("/socket.io/?{POLLING}");
        ask(server.address, method, &target, &[], b"")
    };
    for (answer, code, message) in [
        (get("EIO=4"), 0, "Transport unknown"),
        (
            get("EIO=4&transport=polling&sid=x"),
            1,
            "Session ID unknown",
        ),
        (opening("POST"), 2, "Bad handshake method"),
        (get("EIO=4&transport=websocket"), 3, "Bad request"),
        (
            get("EIO=2&transport=polling"),
            5,
            "Unsupported protocol version",
        ),
    ] {
        assert_eq!(answer.status, 400, "{message}");
        assert_eq!(answer.error(), (code, message.to_owned()));
        assert_eq!(answer.field("content-type"), Some("application/json"));
    }
    let mut stranger = Http::connect(server.address);
    stranger.send(format!(
        "GET /socket.io/?{POLLING} HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"
    ));
    let answer = stranger.answer();
    assert_eq!(answer.status, 403);
    assert_eq!(answer.error(), (4, "Forbidden".to_owned()));
}

#[test]
fn b3_what_is_wrong_is_looked_for_in_a_fixed_order() {
    let server = run_echo(Config::default());
    // Each request has everything wrong that a later one has, and one thing more.
    let cases: [(&str, &str, &[u8], u64); 5] = [
        ("POST", "EIO=9&transport=pigeon&sid=x", b"http://a\xff", 0),
        ("POST", "EIO=9&transport=polling&sid=x", b"http://a\xff", 3),
        ("POST", "EIO=9&transport=polling&sid=x", b"http://a", 1),
        ("POST", "EIO=9&transport=polling", b"http://a", 2),
        ("GET", "EIO=9&transport=polling", b"http://a", 5),
    ];
    for (method, query, origin, code) in cases {
        let mut http = Http::connect(server.address);
        let line = format!("{method} /socket.io/?{query} HTTP/1.1\r\nHost: a\r\nOrigin: ");
        http.send([line.as_bytes(), origin, b"\r\n\r\n"].concat());
        let answer = http.answer();
        assert_eq!((answer.status, answer.error().0), (400, code), "{query}");
    }
}

#[test]
fn b13_a_slash_at_the_end_of_the_path_is_added() {
    for path in ["/live", "/live/"] {
        let server = run_echo(Config {
            path: path.to_owned(),
            ..Config::default()
        });
        for (target, status) in [
            ("/live/", 200),
            ("/live/deeper", 200),
            ("/live", 404),
            ("/livelier/", 404),
        ] {
            let target = format!("{target}?{POLLING}");
            let answer = ask(server.address, "GET", &target, &[], b"");
            assert_eq!(answer.status, status, "{target} under {path}");
        }
    }
}

#[test]
fn b15_requests_for_other_paths_go_to_the_host_that_wants_them() {
    let server = run(
        Config {
            host_http: true,
            ..Config::default()
        },
        |endpoint, event| {
            if let Event::Request { request, head, .. } = event {
                let answer = Response::text(200, format!("the host's {}", head.path));
                endpoint.respond(request, answer).expect("there");
            }
        },
    );
    let answer = ask(server.address, "GET", "/page?x=1", &[], b"");
    assert_eq!((answer.status, answer.text()), (200, "the host's /page"));
    assert_eq!(get(server.address, POLLING, &[]).status, 200);
    let alone = run_echo(Config::default());
    assert_eq!(ask(alone.address, "GET", "/page", &[], b"").status, 404);
}

/// The first answer of an endpoint whose random bytes are all this one.
fn handshake_made_of(byte: u8) -> String {
    let environment = Environment {
        random: Box::new(move |bytes| bytes.fill(byte)),
        memory: Box::new(MemoryUsage::default),
    };
    let now = Now {
        mono_ms: 0,
        unix_ms: 0,
    };
    let mut endpoint = Endpoint::new(Config::default(), environment, now);
    let peer = "127.0.0.1:5000".parse().expect("an address");
    let connection = endpoint.open(peer).expect("room for one");
    let request = format!("GET /socket.io/?{POLLING} HTTP/1.1\r\nHost: a\r\n\r\n");
    endpoint.on_ready(connection, Readiness::readable());
    loop {
        match endpoint.next_work(now) {
            Work::Read(id, bytes) => {
                let mut buffer = vec![0; bytes];
                let read = request.as_bytes().read(&mut buffer);
                endpoint.on_read(id, &mut buffer, read);
            }
            Work::Write(id) => {
                let mut bytes = Vec::new();
                endpoint.write(id, |slices| bytes.write_vectored(slices));
                return String::from_utf8(bytes).expect("text");
            }
            _ => {}
        }
    }
}

#[test]
fn b19_ids_are_made_of_the_random_bytes_that_were_given() {
    assert!(handshake_made_of(1).contains("\"sid\":\""));
    assert_eq!(handshake_made_of(1), handshake_made_of(1));
    assert_ne!(handshake_made_of(1), handshake_made_of(2));
}

#[test]
fn b21_what_is_not_offered_is_unknown_and_no_upgrade_leads_to_it() {
    let upgrades_of = |config: Config| {
        let server = run_echo(config);
        let opened = Polling::open(server.address).opened;
        let handshake: serde_json::Value =
            serde_json::from_str(&opened.packets()[0][1..]).expect("JSON");
        (server, handshake["upgrades"].to_string())
    };
    let (_server, upgrades) = upgrades_of(Config::default());
    assert_eq!(upgrades, r#"["websocket"]"#);
    let (_server, upgrades) = upgrades_of(Config {
        allow_upgrades: false,
        ..Config::default()
    });
    assert_eq!(upgrades, "[]");
    let (server, upgrades) = upgrades_of(Config {
        transports: Transports::PollingOnly,
        ..Config::default()
    });
    assert_eq!(upgrades, "[]");
    let target = "/socket.io/?EIO=4&transport=websocket";
    let answer = ask(server.address, "GET", target, &UPGRADE, b"");
    assert_eq!((answer.status, answer.text()), (400, "Transport unknown"));

    let server = run_echo(Config {
        transports: Transports::WebSocketOnly,
        ..Config::default()
    });
    assert_eq!(get(server.address, POLLING, &[]).error().0, 0);
    Client::session(server.address).close();
}

#[test]
fn b27_pages_of_origins_that_are_not_allowed_open_no_session() {
    let server = run_echo(Config {
        allowed_origins: Some(vec!["https://app.example".to_owned()]),
        ..Config::default()
    });
    let websocket = |origin: &str| {
        let mut fields = UPGRADE.to_vec();
        fields.push(("Origin", origin));
        let target = "/socket.io/?EIO=4&transport=websocket";
        ask(server.address, "GET", target, &fields, b"")
    };
    let good = [("Origin", "https://app.example")];
    assert_eq!(get(server.address, POLLING, &good).status, 200);
    assert_eq!(websocket("https://app.example").status, 101);
    let bad = get(
        server.address,
        POLLING,
        &[("Origin", "https://bad.example")],
    );
    assert_eq!((bad.status, bad.error().0), (403, 4));
    let refused = websocket("https://bad.example");
    assert_eq!((refused.status, refused.text()), (400, "Forbidden"));
    assert_eq!(refused.field("connection"), Some("close"));
    assert_eq!(get(server.address, POLLING, &[]).status, 200);
    Client::session(server.address).close();
}

#[test]
fn b28_an_encoded_body_is_refused() {
    let server = run_echo(Config::default());
    let session = Polling::open(server.address);
    let post = |encoding| {
        let fields = [("Content-Encoding", encoding)];
        ask(server.address, "POST", &session.target(), &fields, b"40")
    };
    assert_eq!(post("identity").text(), "ok");
    assert!(session.poll().text().starts_with("40{"));
    assert_eq!(post("gzip").status, 415);
    assert!(session.is_over());
}

#[test]
fn b29_jsonp_is_refused() {
    let server = run_echo(Config {
        allow_eio3: true,
        ..Config::default()
    });
    for version in ["3", "4"] {
        let query = format!("EIO={version}&transport=polling&j=0");
        let answer = get(server.address, &query, &[]);
        assert_eq!((answer.status, answer.error().0), (400, 3));
    }
}

#[test]
fn b31_only_internet_explorer_is_told_not_to_filter() {
    let server = run_echo(Config::default());
    for (agent, expected) in [
        (
            "Mozilla/5.0 (compatible;MSIE 10.0; Windows NT 6.2)",
            Some("0"),
        ),
        (
            "Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0)",
            Some("0"),
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0",
            None,
        ),
    ] {
        let answer = get(server.address, POLLING, &[("User-Agent", agent)]);
        assert_eq!(answer.field("x-xss-protection"), expected, "{agent}");
    }
    let answer = get(server.address, POLLING, &[]);
    assert_eq!(answer.field("x-xss-protection"), None);
}

#[test]
fn b12_without_a_4_a_client_speaks_version_3_where_that_is_allowed() {
    let server = run_echo(Config {
        allow_eio3: true,
        ..Config::default()
    });
    for query in [
        "transport=polling",
        "EIO=3&transport=polling",
        "EIO=9&transport=polling",
    ] {
        let answer = get(server.address, &format!("{query}&b64=1"), &[]);
        let payload = answer.text();
        let (length, packet) = payload.split_once(':').expect("a length");
        assert!(packet.starts_with("0{\"sid\":"), "{query}: {payload}");
        assert!(length.parse::<usize>().is_ok(), "{query}: {payload}");
    }
    let answer = get(server.address, POLLING, &[]);
    assert!(answer.text().starts_with("0{"), "{}", answer.text());
}

#[test]
fn b135_files_of_the_client_go_to_the_host_that_serves_them() {
    let config = Config {
        serve_client: true,
        ..Config::default()
    };
    let server = run(config, |endpoint, event| {
        if let Event::Request { request, head, .. } = event {
            let is_known = head.header("If-None-Match") == Some("\"tag\"");
            let answer = if is_known {
                Response::empty(304)
            } else {
                Response::text(200, format!("{} {}", head.path, head.query))
            };
            endpoint.respond(request, answer).expect("there");
        }
    });
    for file in ["socket.io.js", "socket.io.min.js.map"] {
        let target = format!("/socket.io/{file}?v=1");
        let answer = ask(server.address, "GET", &target, &[], b"");
        let expected = format!("/socket.io/{file} v=1");
        assert_eq!((answer.status, answer.text()), (200, expected.as_str()));
        let fields = [("If-None-Match", "\"tag\"")];
        let answer = ask(server.address, "GET", &target, &fields, b"");
        assert_eq!(answer.status, 304);
    }
    assert_eq!(get(server.address, POLLING, &[]).status, 200);
}

#[test]
fn b136_files_of_the_client_are_unknown_where_nobody_serves_them() {
    let server = run_echo(Config::default());
    let answer = ask(server.address, "GET", "/socket.io/socket.io.js", &[], b"");
    assert_eq!((answer.status, answer.error().0), (400, 0));
}
