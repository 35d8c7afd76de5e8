//! What the host hears of limits that peers reach.

use super::*;
use crate::{Io, Limit};

/// The limits that the host was told of, how often they were reached, and by whom.
fn told(world: &mut World) -> Vec<(Limit, u64, String)> {
    let events = world.take_events().into_iter();
    let told = events.filter_map(|event| match event {
        Event::LimitReached { limit, times, peer } => Some((limit, times, peer.to_string())),
        _ => None,
    });
    told.collect()
}

#[test]
fn the_host_is_told_of_a_limit_once_in_a_second_and_how_often_it_was_reached() {
    let mut world = World::new(Config {
        max_connections_per_address: Some(1),
        limit_events: true,
        ..Config::default()
    });
    let knock = |world: &mut World, from: &str| {
        assert_eq!(world.open_from(from), None);
        world.turn();
        told(world)
    };
    world.open_from("192.0.2.1:1").expect("room");
    let once = [(Limit::ConnectionsPerAddress, 1, "192.0.2.1:2".to_owned())];
    assert_eq!(knock(&mut world, "192.0.2.1:2"), once);
    for _ in 0..5 {
        assert_eq!(knock(&mut world, "192.0.2.1:3"), []);
    }
    world.pass_ms(1_000);
    let six = [(Limit::ConnectionsPerAddress, 6, "192.0.2.1:4".to_owned())];
    assert_eq!(knock(&mut world, "192.0.2.1:4"), six);
    let limits = world.endpoint.stats().limits;
    assert_eq!(limits.of(Limit::ConnectionsPerAddress), 7);
    assert_eq!(limits.iter().map(|(_, times)| times).sum::<u64>(), 7);
}

#[test]
fn each_limit_is_told_by_its_name() {
    let mut world = World::new(Config {
        max_connections: 3,
        max_sessions: 2,
        max_queued_bytes: 1_000,
        max_messages_per_second: Some(2),
        max_commands_per_second: Some(1),
        limit_events: true,
        ..Config::default()
    });
    let (key, socket) = world.enter("40");
    world.pass_ms(1_000);
    world.feed(key, masked(0x81, br#"421["list_sessions",{}]"#).repeat(2));
    let limits: Vec<Limit> = told(&mut world).into_iter().map(|told| told.0).collect();
    assert_eq!(limits, [Limit::Messages, Limit::Commands]);
    let (_, _) = world.enter("40");
    world.request(&get("EIO=4&transport=polling"));
    assert_eq!(told(&mut world)[0].0, Limit::Sessions);
    assert_eq!(world.open_from("192.0.2.1:1"), None);
    world.turn();
    assert_eq!(told(&mut world)[0].0, Limit::Connections);
    world.slow.push(key);
    let args = crate::Args::one(&"x".repeat(2_000)).unwrap();
    world.endpoint.emit_to(socket, "large", &args).unwrap();
    world.turn();
    assert_eq!(told(&mut world)[0].0, Limit::QueuedBytes);
}

#[test]
fn a_host_that_does_not_ask_is_told_nothing_and_one_with_a_handler_is() {
    let mut world = World::new(Config {
        max_connections: 0,
        ..Config::default()
    });
    assert_eq!(world.open_from("192.0.2.1:1"), None);
    world.turn();
    assert_eq!(told(&mut world), []);
    let mut io = Io::with_state(Vec::new());
    io.on_limit(|reached: &mut Vec<String>, _, limit, times, peer| {
        reached.push(format!("{limit} {times} {peer}"));
    });
    let mut world = World::new(io.configure(world.endpoint.config().clone()));
    assert_eq!(world.open_from("192.0.2.1:1"), None);
    world.turn();
    for event in world.take_events() {
        io.dispatch(&mut world.endpoint, event).unwrap();
    }
    assert_eq!(*io.state(), ["connections 1 192.0.2.1:1"]);
}
