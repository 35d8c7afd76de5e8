//! Upgrades under other settings than the usual ones.

use std::time::Instant;

use pulsewheel::Config;

use crate::support::{assert_passed_ms, run_echo, Client, Polling};

#[test]
fn b65_an_upgrade_that_is_not_completed_in_time_is_given_up() {
    let server = run_echo(Config {
        upgrade_timeout_ms: 300,
        ..Config::default()
    });
    let session = Polling::join(server.address);
    let begin = Instant::now();
    let mut websocket = Client::open(server.address, &session.upgrade_target());
    websocket.send("2probe");
    assert_eq!(websocket.text(), "3probe");
    assert_eq!(websocket.closed(), (1005, Vec::new()));
    assert_passed_ms(begin, 300);
    session.post("42[\"echo\",1]");
    let polled = session.poll();
    assert_eq!(polled.packets().last(), Some(&"42[\"echo\",1]"));
}

#[test]
fn b69_where_no_upgrade_is_allowed_polling_goes_on() {
    let server = run_echo(Config {
        allow_upgrades: false,
        ..Config::default()
    });
    let session = Polling::join(server.address);
    let mut websocket = Client::open(server.address, &session.upgrade_target());
    websocket.send("2probe");
    assert_eq!(websocket.closed(), (1005, Vec::new()));
    session.post("42[\"echo\",1]");
    assert_eq!(session.poll().packets(), ["42[\"echo\",1]"]);
}
