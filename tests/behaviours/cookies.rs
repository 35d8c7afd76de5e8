//! The cookie with the session's id.

use pulsewheel::http::{Cookie, SameSite};
use pulsewheel::Config;

use crate::support::{run_echo, Client, Polling};

fn cookie_of(cookie: Option<Cookie>) -> (Option<String>, String) {
    let server = run_echo(Config {
        cookie,
        ..Config::default()
    });
    let session = Polling::open(server.address);
    let set = session.opened.field("set-cookie").map(str::to_owned);
    (set, session.sid)
}

#[test]
fn b38_a_cookie_comes_with_the_open_packet_of_a_polling_session_alone() {
    assert_eq!(cookie_of(None).0, None);
    let server = run_echo(Config {
        cookie: Some(Cookie::default()),
        ..Config::default()
    });
    let session = Polling::open(server.address);
    let expected = format!("io={}; Path=/; HttpOnly; SameSite=Lax", session.sid);
    assert_eq!(session.opened.field("set-cookie"), Some(expected.as_str()));
    let posted = session.post("40");
    let polled = session.poll();
    assert_eq!((posted.status, polled.status), (200, 200));
    for answer in [posted, polled] {
        assert_eq!(answer.field("set-cookie"), None);
    }
    let client = Client::session(server.address);
    assert!(!client.answer.iter().any(|(name, _)| name == "set-cookie"));
}

#[test]
fn b39_the_attributes_of_the_cookie_are_as_configured() {
    let (full, sid) = cookie_of(Some(Cookie {
        name: "node".to_owned(),
        path: Some("/live".to_owned()),
        http_only: true,
        secure: true,
        same_site: SameSite::Strict,
        max_age_s: Some(60),
        domain: Some("a.example".to_owned()),
    }));
    let expected = format!(
        "node={sid}; Max-Age=60; Domain=a.example; Path=/live; HttpOnly; Secure; SameSite=Strict"
    );
    assert_eq!(full, Some(expected));
    let (bare, sid) = cookie_of(Some(Cookie {
        path: None,
        http_only: false,
        secure: true,
        same_site: SameSite::None,
        ..Cookie::default()
    }));
    assert_eq!(bare, Some(format!("io={sid}; Secure; SameSite=None")));
}
