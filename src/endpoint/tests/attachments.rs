//! Packets whose attachments come late, or never.

use super::*;
use crate::error::DisconnectReason;

const TIMEOUT_MS: u64 = 2_000;
/// A part that is small enough for the wire and large enough to be missed.
const PART_BYTES: usize = 50_000;

fn config() -> Config {
    Config {
        attachment_timeout_ms: TIMEOUT_MS,
        allow_eio3: true,
        progress: None,
        ..Config::default()
    }
}

fn header(attachments: usize) -> String {
    let places: Vec<String> = (0..attachments)
        .map(|number| format!(r#"{{"_placeholder":true,"num":{number}}}"#))
        .collect();
    format!(r#"45{attachments}-["parts",{}]"#, places.join(","))
}

fn ends(events: Vec<Event>) -> Vec<DisconnectReason> {
    let reasons = events.into_iter().filter_map(|event| match event {
        Event::Disconnected { reason, .. } => Some(reason),
        _ => None,
    });
    reasons.collect()
}

fn awaits_attachment(world: &World) -> bool {
    let mut sessions = world.endpoint.sessions.iter();
    sessions.any(|(_, peer)| peer.client.awaits_attachment())
}

#[test]
fn b149_a_packet_that_does_not_come_whole_in_time_ends_its_connection() {
    for drip_ms in [TIMEOUT_MS, 300] {
        let mut world = World::new(config());
        let healthy = world.join_by_websocket();
        let key = world.join_by_websocket();
        let timers = world.endpoint.counts().timers;
        world.send(key, &header(10));
        // The time counts from the first part: those that follow do not prolong it.
        for _ in 0..TIMEOUT_MS / drip_ms {
            world.feed(key, masked(0x82, &[7; PART_BYTES]));
            assert!(world.frames(key).is_empty());
            world.pass_ms(drip_ms - 1);
        }
        assert!(awaits_attachment(&world));
        assert!(ends(world.take_events()).is_empty());
        world.pass_ms(TIMEOUT_MS);
        assert_eq!(world.frames(key), ["close"]);
        assert_eq!(ends(world.take_events()), [DisconnectReason::ForcedClose]);
        assert!(!awaits_attachment(&world));
        assert_eq!(world.endpoint.counts().sessions, 1);
        // That of the connection's end has taken the place of the ping's.
        assert_eq!(world.endpoint.counts().timers, timers);
        world.send(healthy, r#"42["hi"]"#);
        assert!(matches!(world.take_events()[..], [Event::Message(_)]));
    }
}

#[test]
fn b149_over_polling_too_in_both_versions() {
    for version in [4, 3] {
        let mut world = World::new(config());
        let query = format!("EIO={version}&transport=polling");
        let sid = sid(body(&world.request(&get(&query))));
        let send = |world: &mut World, packet: &str| {
            let payload = match version {
                3 => format!("{}:{packet}", packet.len()),
                _ => packet.to_owned(),
            };
            let request = post(&sid, &payload).replace("EIO=4", &format!("EIO={version}"));
            status(&world.request(&request))
        };
        if version == 4 {
            assert_eq!(send(&mut world, "40"), 200);
        }
        let attachment = if version == 4 { "bBwcH" } else { "b4BwcH" };
        assert_eq!(send(&mut world, &header(3)), 200);
        world.pass_ms(TIMEOUT_MS - 1);
        assert_eq!(send(&mut world, attachment), 200);
        assert!(ends(world.take_events()).is_empty());
        world.pass_ms(1);
        assert_eq!(ends(world.take_events()), [DisconnectReason::ForcedClose]);
        assert!(!awaits_attachment(&world));
        assert_eq!(send(&mut world, attachment), 400);
    }
}

#[test]
fn a_packet_that_is_whole_or_whose_client_has_gone_leaves_no_timer() {
    let mut world = World::new(config());
    let key = world.join_by_websocket();
    let timers = world.endpoint.counts().timers;
    for _ in 0..3 {
        world.send(key, &header(2));
        assert_eq!(world.endpoint.counts().timers, timers + 1);
        world.feed(key, masked(0x82, b"one"));
        world.feed(key, masked(0x82, b"two"));
        assert_eq!(world.endpoint.counts().timers, timers);
        world.pass_ms(TIMEOUT_MS / 2);
    }
    assert!(ends(world.take_events()).is_empty());
    world.send(key, &header(2));
    world.endpoint.hang_up(key);
    world.turn();
    assert_eq!(
        ends(world.take_events()),
        [DisconnectReason::TransportClose]
    );
    assert_eq!(world.endpoint.counts(), Default::default());
}

#[test]
fn a_packet_that_is_broken_off_by_another_leaves_no_timer() {
    let mut world = World::new(config());
    let key = world.join_by_websocket();
    world.send(key, &header(2));
    world.send(key, r#"42["between"]"#);
    assert_eq!(ends(world.take_events()), [DisconnectReason::ForcedClose]);
    world.endpoint.hang_up(key);
    world.turn();
    assert_eq!(world.endpoint.counts(), Default::default());
}
