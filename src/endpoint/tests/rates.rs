//! How much one session may do in a second, beside others that are not concerned.

use super::*;
use crate::error::DisconnectReason;

/// A client that has sent so many events, of which one a second is handled, 100 ms before a ping that it has 1.5 s to answer.
pub(super) fn held_back(events: usize) -> (World, ConnectionId) {
    let mut world = World::new(Config {
        max_messages_per_second: Some(1),
        ping_interval_ms: 1_000,
        ping_timeout_ms: 1_500,
        progress: None,
        ..Config::default()
    });
    let (key, _) = world.enter("40");
    world.pass_ms(900);
    world.feed(key, masked(0x81, b"42[\"a\"]").repeat(events));
    (world, key)
}

fn messages(world: &mut World) -> usize {
    let events = world.take_events().into_iter();
    events
        .filter(|event| matches!(event, Event::Message(_)))
        .count()
}

#[test]
fn a_websocket_that_sends_too_many_messages_is_held_back_and_loses_nothing() {
    let mut world = World::new(Config {
        max_messages_per_second: Some(10),
        progress: None,
        ..Config::default()
    });
    let (key, _) = world.enter("40");
    let (other, _) = world.enter("40");
    world.pass_ms(1_000);
    world.take_events();
    world.feed(key, masked(0x81, b"42[\"a\"]").repeat(25));
    assert_eq!(messages(&mut world), 10);
    assert!(!world.endpoint.transport.wants_input(key), "it is not read");
    world.send(other, r#"42["b"]"#);
    assert_eq!(messages(&mut world), 1);
    let each_100_ms = [(); 16].map(|()| {
        world.pass_ms(100);
        messages(&mut world)
    });
    assert_eq!(each_100_ms.iter().sum::<usize>(), 15);
    assert!(
        each_100_ms.iter().all(|count| *count <= 1),
        "{each_100_ms:?}"
    );
    assert!(world.endpoint.transport.wants_input(key));
    world.endpoint.check_invariants();
}

#[test]
fn a_large_message_has_its_session_wait_for_as_long_as_it_is_worth() {
    let mut world = World::new(Config {
        max_bytes_per_second: Some(10_000),
        progress: None,
        ..Config::default()
    });
    let (key, _) = world.enter("40");
    world.pass_ms(1_000);
    world.take_events();
    let large = format!(r#"42["a","{}"]"#, "x".repeat(40_000));
    world.send(key, &large);
    world.send(key, r#"42["b"]"#);
    assert_eq!(messages(&mut world), 1);
    world.pass_ms(2_900);
    assert_eq!(messages(&mut world), 0);
    world.pass_ms(200);
    assert_eq!(messages(&mut world), 1);
}

#[test]
fn a_polling_client_that_posts_too_much_is_answered_later() {
    let mut world = World::new(Config {
        max_messages_per_second: Some(4),
        progress: None,
        ..Config::default()
    });
    let sid = world.open_polling();
    assert_eq!(world.post(&sid, "40"), 200);
    world.pass_ms(1_000);
    world.take_events();
    let key = world.open();
    world.feed(key, post(&sid, &[r#"42["a"]"#; 7].join("\u{1e}")));
    assert_eq!(messages(&mut world), 4);
    assert_eq!(world.take_text(key), "");
    world.pass_ms(700);
    assert_eq!(messages(&mut world), 2);
    assert_eq!(world.take_text(key), "");
    world.pass_ms(100);
    assert_eq!(messages(&mut world), 1);
    assert_eq!(status(&world.take_text(key)), 200);
}

#[test]
fn a_client_that_is_held_back_is_not_taken_for_a_silent_one() {
    // The pong stands behind two events, and is later by that than it may be.
    let (mut world, key) = held_back(2);
    world.pass_ms(200);
    assert_eq!(world.frames(key).last().map(String::as_str), Some("2"));
    world.send(key, "3");
    for _ in 0..27 {
        world.pass_ms(100);
    }
    assert!(world.take_reasons().is_empty());
    assert_eq!(world.endpoint.counts().sessions, 1);
    // One that says nothing is found out all the same.
    world.pass_ms(10_000);
    assert_eq!(world.take_reasons(), [DisconnectReason::PingTimeout]);
    world.endpoint.check_invariants();
}

#[test]
fn commands_beyond_the_rate_are_refused_and_who_goes_on_is_disconnected() {
    let mut world = World::new(Config {
        max_commands_per_second: Some(3),
        ..Config::default()
    });
    let (key, _) = world.enter("40");
    let id = "1f0a8f6e-5d7b-4a7c-9c3e-0d6f2a1b3c4d";
    for number in 0..5 {
        world.send(key, &format!(r#"42{number}["untrack_session","{id}"]"#));
    }
    world.send(key, &format!(r#"42["untrack_session","{id}"]"#));
    let frames = world.frames(key);
    let refusal = r#"[{"ok":false,"error":{"code":"RATE_LIMIT_EXCEEDED","message":"too many commands, try again in a second"}}]"#;
    assert_eq!(frames[2], r#"432[{"ok":true}]"#);
    assert_eq!(frames[3], format!("433{refusal}"));
    assert_eq!(frames[4], format!("434{refusal}"));
    assert!(frames[5].starts_with(r#"42["error",{"code":"RATE_LIMIT_EXCEEDED""#));
    // Events that are no commands are not concerned.
    world.take_events();
    world.send(key, r#"42["other"]"#);
    assert_eq!(messages(&mut world), 1);
    world.send(key, &format!(r#"427["untrack_session","{id}"]"#));
    assert_eq!(world.take_reasons(), [DisconnectReason::RateLimit]);
    assert_eq!(world.frames(key), ["close"]);
}

#[test]
fn who_waits_after_a_refusal_may_go_on() {
    let mut world = World::new(Config {
        max_commands_per_second: Some(2),
        ..Config::default()
    });
    let (key, _) = world.enter("40");
    for second in 0..5 {
        for number in 0..3 {
            world.send(key, &format!(r#"42{number}["list_sessions",{{}}]"#));
        }
        let frames = world.frames(key);
        let refused = frames
            .iter()
            .filter(|it| it.contains("RATE_LIMIT_EXCEEDED"));
        assert_eq!(refused.count(), 1, "{second}: {frames:?}");
        world.pass_ms(1_500);
    }
    assert!(world.take_reasons().is_empty());
}

#[test]
fn connects_beyond_the_rate_are_refused_and_who_goes_on_is_disconnected() {
    let mut world = World::new(Config {
        max_joins_per_second: Some(2),
        ..Config::default()
    });
    let (key, _) = world.enter("40");
    world.send(key, "40/none,");
    world.send(key, "40/none,");
    assert_eq!(
        world.frames(key),
        [
            r#"44/none,{"message":"Invalid namespace"}"#,
            r#"44/none,{"message":"Too many connects, try again in a second","data":{"code":"RATE_LIMIT_EXCEEDED"}}"#
        ]
    );
    world.send(key, "40/none,");
    world.send(key, "40/none,");
    assert_eq!(world.take_reasons(), [DisconnectReason::RateLimit]);
    world.endpoint.check_invariants();
}
