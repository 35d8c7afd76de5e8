//! What happens to peers when the whole loop has stood still: they get their time once more.

use super::*;
use crate::endpoint::Work;

const TIMEOUT_MS: u64 = 1_000;
/// Longer than everything that a peer has time for.
const STALL_MS: u64 = 5_000;

fn config() -> Config {
    Config {
        ping_interval_ms: 300,
        ping_timeout_ms: 200,
        request_timeout_ms: TIMEOUT_MS,
        keep_alive_ms: TIMEOUT_MS,
        upgrade_timeout_ms: TIMEOUT_MS,
        ..Config::engine_only("/socket.io")
    }
}

/// One whose clients need no pong for longer than the stall.
fn patient_config() -> Config {
    Config {
        ping_interval_ms: 60_000,
        connect_timeout_ms: TIMEOUT_MS,
        attachment_timeout_ms: TIMEOUT_MS,
        progress: None,
        ..Config::default()
    }
}

/// The loop begins to wait, as it was told to, and does nothing for longer than that.
fn stand_still(world: &mut World) {
    let now = world.endpoint.now();
    while !matches!(world.endpoint.next_work(now), Work::Wait(_)) {}
    world.oversleep_ms(STALL_MS);
    // From here on it wakes whenever it should.
    world.endpoint.turn.stalls.sleep_until(None);
    world.turn();
}

#[test]
fn a_pong_has_its_whole_time_once_more() {
    let mut world = World::new(config());
    let prompt = world.open_websocket();
    let silent = world.open_websocket();
    world.pass_ms(300);
    stand_still(&mut world);
    assert_eq!(world.endpoint.counts().sessions, 2);
    world.pass_ms(199);
    world.send(prompt, "3");
    world.pass_ms(1);
    assert_eq!(world.endpoint.counts().sessions, 1);
    assert!(world.shut.contains(&silent));
}

#[test]
fn a_request_under_way_has_its_whole_time_once_more() {
    let mut world = World::new(config());
    let key = world.open();
    let (beginning, rest) = ("GET /socket.io/?EIO=4&trans", "port=polling");
    world.feed(key, beginning);
    let silent = world.open();
    world.feed(silent, beginning);
    stand_still(&mut world);
    world.pass_ms(TIMEOUT_MS - 1);
    world.feed(key, format!("{rest} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(status(&world.take_text(key)), 200);
    world.pass_ms(1);
    assert_eq!(status(&world.take_text(silent)), 408);
}

#[test]
fn a_connection_between_requests_has_its_whole_time_once_more() {
    let mut world = World::new(config());
    let key = world.open();
    world.feed(key, get("EIO=4&transport=polling"));
    assert_eq!(status(&world.take_text(key)), 200);
    stand_still(&mut world);
    world.pass_ms(TIMEOUT_MS - 1);
    world.feed(key, get("EIO=4&transport=polling"));
    assert_eq!(status(&world.take_text(key)), 200);
}

#[test]
fn a_peer_that_is_slow_to_take_its_answer_has_its_whole_time_once_more() {
    let mut world = World::new(config());
    let key = world.open();
    world.slow.push(key);
    world.feed(key, get("EIO=4&transport=polling"));
    stand_still(&mut world);
    world.pass_ms(TIMEOUT_MS - 1);
    assert_eq!(world.read_some(key, 10), 10);
    assert!(world.closed.is_empty());
    world.pass_ms(TIMEOUT_MS);
    assert_eq!(world.closed, [key]);
}

#[test]
fn an_upgrade_has_its_whole_time_once_more() {
    let mut world = World::new(Config {
        ping_interval_ms: 60_000,
        ..config()
    });
    let sid = world.open_polling();
    let websocket = world.open();
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    world.feed(websocket, upgrade(&query));
    world.take(websocket);
    stand_still(&mut world);
    world.pass_ms(TIMEOUT_MS - 1);
    world.send(websocket, "2probe");
    assert_eq!(world.frames(websocket), ["3probe"]);
    world.pass_ms(1);
    assert_eq!(world.frames(websocket), ["close"]);
}

#[test]
fn a_client_in_no_namespace_has_its_whole_time_once_more() {
    let mut world = World::new(patient_config());
    let key = world.open_websocket();
    let silent = world.open_websocket();
    stand_still(&mut world);
    world.pass_ms(TIMEOUT_MS - 1);
    world.send(key, "40");
    assert!(world.frames(key)[0].starts_with("40{"));
    world.pass_ms(1);
    assert_eq!(world.frames(silent), ["close"]);
    assert_eq!(world.endpoint.counts().sessions, 1);
}

#[test]
fn attachments_have_their_whole_time_once_more() {
    let mut world = World::new(patient_config());
    let header = r#"451-["x",{"_placeholder":true,"num":0}]"#;
    let key = world.join_by_websocket();
    let silent = world.join_by_websocket();
    world.send(key, header);
    world.send(silent, header);
    stand_still(&mut world);
    world.pass_ms(TIMEOUT_MS - 1);
    world.feed(key, masked(0x82, b"here"));
    assert!(matches!(world.take_events()[..], [Event::Message(_)]));
    world.pass_ms(1);
    assert_eq!(world.frames(silent), ["close"]);
    world.endpoint.hang_up(key);
    world.pass_ms(10_000);
    assert_eq!(world.endpoint.counts(), Default::default());
}

/// One turn in which the host takes a single event.
fn hesitant_turn(world: &mut World, ms: u64) {
    world.oversleep_ms(ms);
    let now_ms = world.endpoint.now().mono_ms;
    world.endpoint.on_polled(now_ms, true);
    assert_eq!(world.endpoint.next_read(), None, "all has been fed");
    world.endpoint.handle_timeouts();
    world.endpoint.poll_event();
    world.endpoint.check_invariants();
}

#[test]
fn a_pong_behind_events_that_the_host_has_no_room_for_is_waited_for_once_more() {
    for (messages, is_kept) in [(60, true), (200, false)] {
        let mut world = World::new(Config {
            max_pending_events: 1,
            ..config()
        });
        let key = world.open_websocket();
        world.pass_ms(300);
        let mut bytes = masked(0x81, b"4x").repeat(messages);
        bytes.extend(masked(0x81, b"3"));
        world.endpoint.feed(key, &mut bytes);
        for _ in 0..90 {
            hesitant_turn(&mut world, 5);
        }
        world.turn();
        assert_eq!(world.endpoint.counts().sessions, usize::from(is_kept));
    }
}
