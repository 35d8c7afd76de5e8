//! The numbers of changes: `seq` over reuse of an id, over restarts, and where the wall clock goes back.

use serde_json::json;

use super::*;

fn reuse(world: &mut World, id: Uuid) -> u64 {
    let (now, wheel) = (world.now, &mut world.wheel);
    let options = SessionOptions::default();
    world
        .tracker
        .create_session_with_id(now, wheel, id, options)
        .unwrap();
    let seq = world.event("session_created")["seq"].as_u64().unwrap();
    assert_eq!(world.session(id)["seq"], seq);
    seq
}

/// Seqs of all events since the last call.
fn seqs(world: &mut World) -> Vec<u64> {
    let events = world.events();
    let seqs = events.iter().map(|(_, payload)| payload["seq"].as_u64());
    seqs.map(Option::unwrap).collect()
}

#[test]
fn every_change_has_the_time_or_the_next_number() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.update(id, 0.1, json!({})).unwrap();
    world.update(id, 0.2, json!({})).unwrap();
    assert_eq!(world.session(id)["seq"], START_UNIX_MS + 2);
    world.advance(100);
    assert_eq!(
        seqs(&mut world),
        [START_UNIX_MS, START_UNIX_MS + 1, START_UNIX_MS + 2]
    );
    world.advance(900);
    world.fail(id, json!("x")).unwrap();
    assert_eq!(seqs(&mut world), [START_UNIX_MS + 1_000]);
}

#[test]
fn a_refused_change_and_a_look_take_no_number() {
    let mut world = World::new();
    let id = world.create(json!({}));
    assert!(world.update(id, f64::NAN, json!({})).is_err());
    assert!(world.update(id, 0.5, json!({"operation": 7})).is_err());
    world.session(id);
    assert_eq!(world.session(id)["seq"], START_UNIX_MS);
}

#[test]
fn a_reused_id_goes_on_above_its_old_numbers() {
    let mut world = World::new();
    let id = world.create(json!({}));
    // More changes than milliseconds.
    for step in 0..500 {
        world.update(id, 0.0, json!({"step": step})).unwrap();
    }
    world.complete(id, json!({})).unwrap();
    let last = *seqs(&mut world).last().unwrap();
    assert_eq!(last, START_UNIX_MS + 501);
    world.tracker.cleanup(&mut world.wheel, id).unwrap();
    assert!(reuse(&mut world, id) > last, "after DELETE");

    world.cancel(id).unwrap();
    let last = seqs(&mut world)[0];
    world.now.unix_ms -= 3_600_000;
    world.advance(300_000);
    assert!(reuse(&mut world, id) > last, "the clock went back an hour");
}

#[test]
fn the_highest_time_ever_seen_counts_also_where_nothing_happened_then() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.now.unix_ms += 50_000;
    world.tracker.see(world.now);
    world.now.unix_ms -= 50_000;
    world.update(id, 0.5, json!({})).unwrap();
    assert_eq!(world.session(id)["seq"], START_UNIX_MS + 50_000);
}

#[test]
fn a_restart_goes_on_above_what_was_reserved() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.advance(5_000);
    world.update(id, 0.5, json!({})).unwrap();
    let last = *seqs(&mut world).last().unwrap();
    assert_eq!(world.tracker.seq_state().highest, last);

    let mut world = World::with(ProgressConfig {
        first_seq: last + 1,
        reserved_seq: last + 1_000,
        ..ProgressConfig::default()
    });
    assert_eq!(reuse(&mut world, id), last + 1);
    world.advance(60_000);
    world.update(id, 0.5, json!({})).unwrap();
    assert_eq!(world.session(id)["seq"], last + 1_000);
    world.tracker.reserve_seq(u64::MAX);
    world.update(id, 0.5, json!({})).unwrap();
    assert_eq!(world.session(id)["seq"], world.now.unix_ms);
}

#[test]
fn cursors_of_before_a_restart_lead_to_nothing_that_was_seen() {
    let mut world = World::new();
    for _ in 0..3 {
        world.create(json!({}));
    }
    let mut query = ListQuery {
        limit: 1,
        ..ListQuery::default()
    };
    query.cursor = world.page(&query).next;
    let mut world = World::with(ProgressConfig {
        first_seq: world.tracker.seq_state().highest + 1,
        ..ProgressConfig::default()
    });
    world.create(json!({}));
    assert_eq!(world.page(&query), SessionPage::empty());
}
