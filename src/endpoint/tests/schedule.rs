//! Timers of the host.

use std::time::Duration;

use super::*;

fn tokens(world: &mut World) -> Vec<u64> {
    let events = world.take_events().into_iter();
    let tokens = events.map(|event| match event {
        Event::Timer { token, .. } => token,
        other => panic!("{other:?}"),
    });
    tokens.collect()
}

fn world() -> World {
    World::new(Config {
        progress: None,
        ..Config::default()
    })
}

#[test]
fn a_timer_comes_once_in_its_time_and_not_before() {
    let mut world = world();
    world.endpoint.schedule(Duration::from_micros(1_500), 1);
    world.endpoint.schedule(Duration::from_secs(3_600), 2);
    world.endpoint.schedule(Duration::ZERO, 3);
    world.turn();
    assert_eq!(tokens(&mut world), [3]);
    world.pass_ms(1);
    assert!(tokens(&mut world).is_empty());
    world.pass_ms(1);
    assert_eq!(tokens(&mut world), [1]);
    world.pass_ms(3_600_000);
    assert_eq!(tokens(&mut world), [2]);
    assert_eq!(world.endpoint.counts().timers, 0);
}

#[test]
fn a_repeated_timer_keeps_its_rhythm_and_does_not_make_up_for_what_it_missed() {
    let mut world = world();
    let start_ms = world.now_ms;
    let timer = world.endpoint.schedule_every(Duration::from_millis(100), 5);
    world.pass_ms(350);
    assert_eq!(tokens(&mut world), [5, 5, 5]);
    world.oversleep_ms(1_200);
    world.turn();
    assert_eq!(tokens(&mut world), [5]);
    assert_eq!(world.endpoint.next_deadline(), Some(start_ms + 1_600));
    assert!(world.endpoint.unschedule(timer));
    assert!(!world.endpoint.unschedule(timer));
    world.pass_ms(1_000);
    assert!(tokens(&mut world).is_empty());
    // A period of nothing is one of a millisecond.
    world.endpoint.schedule_every(Duration::ZERO, 6);
    world.pass_ms(3);
    assert_eq!(tokens(&mut world), [6, 6, 6]);
}

#[test]
fn what_is_due_and_taken_back_does_not_come_and_a_slow_host_gets_one_event() {
    let mut world = world();
    let once = world.endpoint.schedule(Duration::from_millis(10), 1);
    let often = world.endpoint.schedule_every(Duration::from_millis(10), 2);
    for _ in 0..5 {
        world.oversleep_ms(10);
        world.endpoint.handle_timeouts();
    }
    assert!(world.endpoint.unschedule(once));
    world.turn();
    assert_eq!(tokens(&mut world), [2]);
    assert!(world.endpoint.unschedule(often));
    assert_eq!(world.endpoint.counts().timers, 0);
}
