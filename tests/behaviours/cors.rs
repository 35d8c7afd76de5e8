//! What pages of other origins are told.

use pulsewheel::http::{Cors, Origins};
use pulsewheel::Config;

use crate::support::{ask, get, run_echo, Answer, Client, Polling, Running, UPGRADE};

const QUERY: &str = "EIO=4&transport=polling";
const APP: &str = "https://app.example";
const OTHER: &str = "https://other.example";

fn server(cors: Option<Cors>) -> Running {
    run_echo(Config {
        cors,
        ..Config::default()
    })
}

fn preflight(server: &Running, origin: &str) -> Answer {
    let fields = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type,x-token"),
    ];
    let target = format!("/socket.io/?{QUERY}");
    ask(server.address, "OPTIONS", &target, &fields, b"")
}

#[test]
fn b32_without_cors_no_answer_speaks_of_it() {
    let server = server(None);
    let opened = get(server.address, QUERY, &[("Origin", APP)]);
    assert_eq!(opened.status, 200);
    let refused = preflight(&server, APP);
    assert_eq!((refused.status, refused.error().0), (400, 2));
    for answer in [opened, refused] {
        assert!(answer.names("access-control-").is_empty());
        assert_eq!(answer.field("vary"), None);
    }
}

#[test]
fn b33_any_origin_may_read() {
    let server = server(Some(Cors::default()));
    let answer = preflight(&server, APP);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.field("access-control-allow-methods"),
        Some("GET,HEAD,PUT,PATCH,POST,DELETE")
    );
    assert_eq!(
        answer.field("access-control-allow-headers"),
        Some("content-type,x-token")
    );
    assert_eq!(answer.field("vary"), Some("Access-Control-Request-Headers"));
    let opened = get(server.address, QUERY, &[("Origin", APP)]);
    assert_eq!(
        opened.names("access-control-"),
        ["access-control-allow-origin"]
    );
    assert_eq!(opened.field("access-control-allow-origin"), Some("*"));
}

#[test]
fn b34_listed_origins_may_read_and_others_are_served_unread() {
    let server = server(Some(Cors {
        credentials: true,
        methods: "GET,POST".to_owned(),
        allowed_headers: Some("x-token".to_owned()),
        exposed_headers: Some("x-seen".to_owned()),
        max_age_s: Some(600),
        ..Cors::list([APP])
    }));
    for (origin, named) in [(APP, Some(APP)), (OTHER, None)] {
        let opened = get(server.address, QUERY, &[("Origin", origin)]);
        assert_eq!(opened.status, 200, "the session is opened for {origin}");
        let asked = preflight(&server, origin);
        assert_eq!(asked.status, 204);
        for answer in [&opened, &asked] {
            assert_eq!(answer.field("access-control-allow-origin"), named);
            assert_eq!(
                answer.field("access-control-allow-credentials"),
                Some("true")
            );
            assert_eq!(
                answer.field("access-control-expose-headers"),
                Some("x-seen")
            );
            assert_eq!(answer.field("vary"), Some("Origin"));
        }
        assert_eq!(
            asked.field("access-control-allow-methods"),
            Some("GET,POST")
        );
        assert_eq!(asked.field("access-control-allow-headers"), Some("x-token"));
        assert_eq!(asked.field("access-control-max-age"), Some("600"));
        assert_eq!(opened.field("access-control-allow-methods"), None);
    }
}

#[test]
fn b35_refusals_may_be_read_too_and_websockets_need_no_leave() {
    let server = server(Some(Cors::list([APP])));
    let refused = get(server.address, "EIO=4", &[("Origin", APP)]);
    assert_eq!(refused.status, 400);
    assert_eq!(refused.field("access-control-allow-origin"), Some(APP));
    let session = Polling::open(server.address);
    let fields = [("Origin", APP)];
    let over = ask(server.address, "POST", &session.target(), &fields, b"junk");
    assert_eq!(over.status, 400);
    assert_eq!(over.field("access-control-allow-origin"), Some(APP));
    let client = Client::session(server.address);
    let names: Vec<_> = client
        .answer
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(
        !names.iter().any(|name| name.starts_with("access-control-")),
        "{names:?}"
    );
    let mut fields = UPGRADE.to_vec();
    fields.push(("Origin", OTHER));
    let target = "/socket.io/?EIO=4&transport=websocket";
    let answer = ask(server.address, "GET", target, &fields, b"");
    assert_eq!(answer.status, 101);
}

#[test]
fn b36_a_reflected_origin_is_named_as_it_is() {
    let server = server(Some(Cors {
        origins: Origins::Reflect,
        ..Cors::default()
    }));
    for origin in [APP, OTHER] {
        let opened = get(server.address, QUERY, &[("Origin", origin)]);
        assert_eq!(opened.field("access-control-allow-origin"), Some(origin));
        assert_eq!(opened.field("vary"), Some("Origin"));
        let asked = preflight(&server, origin);
        assert_eq!(asked.field("access-control-allow-origin"), Some(origin));
        assert_eq!(
            asked.field("vary"),
            Some("Origin, Access-Control-Request-Headers")
        );
    }
}
