//! Throttle, estimates and heartbeat.

use serde_json::json;

use super::*;

#[test]
fn the_first_update_goes_out_at_once_and_the_newest_suppressed_one_when_the_window_ends() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.outputs();
    let start_ms = world.now.mono_ms;
    for step in 1..=9 {
        world
            .update(id, step as f64 / 10.0, json!({"step": step}))
            .unwrap();
        world.advance(10);
    }
    world.drain();
    assert_eq!(world.outputs.len(), 1);
    world.advance(1_000);
    world.drain();
    let sent: Vec<_> = world
        .outputs
        .iter()
        .map(|(now, output)| match output {
            Output::Emit { payload, .. } => {
                let payload: Value = serde_json::from_str(payload).unwrap();
                (
                    now.mono_ms - start_ms,
                    payload["progress"].clone(),
                    payload["seq"].clone(),
                )
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        sent,
        [
            (0, json!(0.1), json!(START_UNIX_MS + 1)),
            (100, json!(0.9), json!(START_UNIX_MS + 80))
        ]
    );
}

#[test]
fn a_suppressed_update_costs_no_event_and_one_timer_however_many_there_are() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.update(id, 0.0, json!({})).unwrap();
    world.outputs();
    let timers = world.wheel.len();
    for step in 0..10_000 {
        world
            .update(id, step as f64 / 10_000.0, json!({"processed_rows": step}))
            .unwrap();
    }
    assert!(world.outputs().is_empty());
    assert_eq!(world.wheel.len(), timers + 1);
}

#[test]
fn an_update_after_the_window_goes_out_at_once_even_if_the_timer_is_late() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.update(id, 0.1, json!({})).unwrap();
    world.update(id, 0.2, json!({})).unwrap();
    world.outputs();
    let late_ms = world.now.mono_ms + 150;
    world.step_to(late_ms);
    world.update(id, 0.3, json!({})).unwrap();
    assert_eq!(world.event("import_progress")["progress"], 0.3);
    world.advance(1_000);
    assert!(world.outputs().is_empty(), "nothing waits any more");
}

#[test]
fn timestamps_are_apart_even_when_the_wall_clock_is_set_back() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.update(id, 0.1, json!({})).unwrap();
    world.outputs();
    world.advance(60);
    world.now.unix_ms -= 50;
    world.update(id, 0.2, json!({})).unwrap();
    world.advance(1_000);
    world.drain();
    let [(sent, Output::Emit { .. })] = &world.outputs[..] else {
        panic!("{:?}", world.outputs)
    };
    assert_eq!(sent.unix_ms, START_UNIX_MS + 100);
}

#[test]
fn a_clock_set_back_by_an_hour_holds_nothing_up() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.update(id, 0.1, json!({})).unwrap();
    world.outputs();
    world.now.unix_ms -= 3_600_000;
    world.advance(100);
    world.update(id, 0.2, json!({})).unwrap();
    assert_eq!(
        world.event("import_progress")["timestamp"],
        "2025-01-12T09:30:00.100Z"
    );
}

#[test]
fn all_sessions_are_told_at_the_same_pulses() {
    let mut world = World::new();
    let ids: Vec<Uuid> = (0..3).map(|_| world.create(json!({}))).collect();
    world.outputs();
    let start_ms = world.now.mono_ms;
    for id in &ids {
        world.update(*id, 0.1, json!({})).unwrap();
        world.advance(10);
    }
    world.update(ids[0], 0.2, json!({})).unwrap();
    world.advance(1_000);
    world.drain();
    let told: Vec<(u64, Uuid)> = world
        .outputs
        .iter()
        .map(|(now, output)| match output {
            Output::Emit { session, .. } => (now.mono_ms - start_ms, session.unwrap()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [(0, ids[0]), (100, ids[1]), (100, ids[2]), (100, ids[0])]
    );
}

#[test]
fn fifty_independent_producers_make_eleven_pulses_a_second_at_the_most_and_nothing_is_old() {
    let mut world = World::new();
    let ids: Vec<Uuid> = (0..50).map(|_| world.create(json!({}))).collect();
    world.outputs();
    let start_ms = world.now.mono_ms;
    // Each has an interval and a phase of its own; times of updates that were not told yet, by session.
    let mut untold: Vec<Vec<u64>> = vec![Vec::new(); ids.len()];
    let mut pulses = Vec::new();
    let mut events = 0;
    for ms in 0..3_000u64 {
        for (n, id) in ids.iter().enumerate() {
            let interval_ms = 20 + 7 * n as u64;
            if (ms + 13 * n as u64).is_multiple_of(interval_ms) {
                world.update(*id, 0.0, json!({"at": ms})).unwrap();
                untold[n].push(ms);
            }
        }
        world.advance(1);
        world.drain();
        for (now, output) in std::mem::take(&mut world.outputs) {
            let Output::Emit {
                session, payload, ..
            } = output
            else {
                panic!("{output:?}")
            };
            let at_ms = now.mono_ms - start_ms;
            let n = ids.iter().position(|id| Some(*id) == session).unwrap();
            let payload: Value = serde_json::from_str(&payload).unwrap();
            assert_eq!(payload["metadata"]["at"], *untold[n].last().unwrap());
            assert!(at_ms - untold[n][0] <= 100, "{n} waited too long");
            untold[n].clear();
            events += 1;
            if pulses.last() != Some(&at_ms) {
                pulses.push(at_ms);
            }
        }
    }
    for second in 0..3 {
        let of_second = |at_ms: &&u64| **at_ms / 1_000 == second;
        assert!(pulses.iter().filter(of_second).count() <= 11);
    }
    assert!(pulses.windows(2).all(|pair| pair[1] - pair[0] >= 100));
    assert!(events > 500, "{events} events at {} pulses", pulses.len());
}

#[test]
fn a_pulse_that_came_late_is_the_one_that_the_next_keeps_its_distance_from() {
    let mut world = World::new();
    let [first, second] = [world.create(json!({})), world.create(json!({}))];
    world.update(first, 0.1, json!({})).unwrap();
    world.update(second, 0.1, json!({})).unwrap();
    let late_ms = world.now.mono_ms + 170;
    world.step_to(late_ms);
    world.fire();
    world.outputs();
    world.update(first, 0.2, json!({})).unwrap();
    assert_eq!(world.wheel.next_deadline(), Some(late_ms + 100));
    world.advance(99);
    assert!(world.outputs().is_empty());
    world.advance(1);
    assert_eq!(world.event("import_progress")["progress"], 0.2);
}

#[test]
fn timestamps_of_a_session_are_apart_though_the_clock_went_back_between_pulses_of_others() {
    let mut world = World::new();
    let [seldom, often] = [world.create(json!({})), world.create(json!({}))];
    world.outputs();
    world.update(seldom, 0.1, json!({})).unwrap();
    let first = world.event("import_progress")["timestamp"].clone();
    for _ in 0..3 {
        world.advance(100);
        world.update(often, 0.1, json!({})).unwrap();
    }
    world.outputs();
    // The next pulse is 400 ms behind the first event, and by the wall clock 50.
    world.now.unix_ms -= 350;
    world.advance(100);
    world.update(seldom, 0.2, json!({})).unwrap();
    world.update(often, 0.2, json!({})).unwrap();
    world.advance(1_000);
    let events = world.events();
    let [others, own] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(others.1["sessionId"], often.to_string());
    assert_eq!(own.1["sessionId"], seldom.to_string());
    assert_eq!(
        (&first, &own.1["progress"]),
        (&json!("2025-01-12T10:30:00.000Z"), &json!(0.2))
    );
    assert!(own.1["timestamp"].as_str().unwrap() >= "2025-01-12T10:30:00.100Z");
}

#[test]
fn the_time_left_is_null_in_the_first_two_seconds_and_then_believable() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.update(id, 0.0, json!({})).unwrap();
    world.outputs();
    let mut told = 0;
    for tenth in 1..=600 {
        world.advance(100);
        world.update(id, tenth as f64 / 600.0, json!({})).unwrap();
        let event = world.event("import_progress");
        let eta = &event["eta_seconds"];
        let end = &event["metadata"]["estimatedCompletion"];
        if tenth < 20 {
            assert_eq!((eta, end), (&json!(null), &json!(null)));
        } else {
            let left = (600 - tenth) as f64 / 10.0;
            let seconds = eta.as_u64().unwrap();
            let error = seconds as f64 - left;
            assert!(error.abs() <= 0.6, "{eta} instead of {left}");
            let end_ms = world.now.unix_ms + seconds * 1000;
            assert_eq!(*end, crate::now::rfc3339_ms(end_ms));
            told += 1;
        }
    }
    assert_eq!(told, 581);
}

#[test]
fn work_that_resumes_is_judged_by_what_it_gains() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.advance(4_000);
    world
        .update(id, 0.5, json!({"processed_rows": 5_000}))
        .unwrap();
    world.advance(10_000);
    assert_eq!(world.session(id)["eta_seconds"], json!(null), "one value");
    world.update(id, 0.5, json!({})).unwrap();
    for second in 1..=10 {
        world.advance(1_000);
        let rows = 5_000 + 50 * second;
        let progress = 0.5 + 0.005 * second as f64;
        world
            .update(id, progress, json!({"processed_rows": rows}))
            .unwrap();
        let session = world.session(id);
        let wanted = if second < 2 {
            json!(null)
        } else {
            json!(100 - second)
        };
        assert_eq!(session["eta_seconds"], wanted);
    }
    world.advance(100);
    world.update(id, 0.551, json!({})).unwrap();
    let speed = &world.session(id)["metadata"]["processing_speed"];
    assert!(speed.as_str().unwrap().ends_with("rows/sec"), "{speed}");
}

#[test]
fn silence_makes_the_time_left_longer_until_the_session_is_stalled() {
    let mut world = World::new();
    let id = world.create(json!({}));
    for step in 0..=10 {
        world.update(id, 0.01 * step as f64, json!({})).unwrap();
        world.advance(1_000);
    }
    let left = |world: &World| world.session(id)["eta_seconds"].as_u64();
    let mut last = left(&world).unwrap();
    assert_eq!(last, 90);
    for _ in 1..29 {
        world.advance(1_000);
        let now = left(&world).unwrap();
        assert!(now > last, "{now} after {last}");
        last = now;
    }
    world.advance(1_000);
    assert_eq!(left(&world), None);
    assert_eq!(world.session(id)["stalled"], true);
}

#[test]
fn an_ended_session_has_no_estimated_completion() {
    let mut world = World::new();
    let id = world.create(json!({"processed_rows": 0}));
    world.update(id, 0.0, json!({})).unwrap();
    world.advance(10_000);
    world
        .update(id, 0.5, json!({"processed_rows": 50}))
        .unwrap();
    assert!(world.session(id)["metadata"]["estimatedCompletion"].is_string());
    world.complete(id, json!({})).unwrap();
    let metadata = json!({"processed_rows": 50, "processing_speed": "5 rows/sec"});
    assert_eq!(world.session(id)["metadata"], metadata);
}

#[test]
fn the_heartbeat_beats_every_30_seconds() {
    let mut world = World::with(ProgressConfig::default());
    world.create(json!({}));
    world.outputs();
    world.advance(29_999);
    assert!(world.outputs().is_empty());
    world.advance(1);
    assert_eq!(
        world.event("heartbeat"),
        json!({
            "server_time": "2025-01-12T10:30:30.000Z", "active_sessions": 1, "server_uptime": "30s",
            "memory_usage": {"used_mb": 156, "available_mb": 356},
        })
    );
    world.advance(90_000);
    assert_eq!(world.events().len(), 3);
}

#[test]
fn a_late_heartbeat_does_not_shift_the_next_one_and_a_missed_one_is_not_made_up_for() {
    let mut world = World::with(ProgressConfig::default());
    let start_ms = world.now.mono_ms;
    for (fired_ms, next_ms) in [(30_500, 60_000), (200_000, 230_000)] {
        world.step_to(start_ms + fired_ms);
        world.fire();
        assert_eq!(world.events().len(), 1);
        assert_eq!(world.wheel.next_deadline(), Some(start_ms + next_ms));
    }
}

#[test]
fn timers_of_sessions_that_have_ended_or_gone_do_nothing() {
    for is_gone in [false, true] {
        let mut world = World::new();
        let id = world.create(json!({}));
        world.update(id, 0.1, json!({})).unwrap();
        world.update(id, 0.2, json!({})).unwrap();
        // Taken out of the wheel in the same turn in which the session ends.
        let at_ms = world.now.mono_ms + 40 * 60_000;
        let mut fired = Vec::new();
        while let Some((_, timer)) = world.wheel.expire(at_ms) {
            fired.push(timer);
        }
        assert_eq!(fired, [Timer::Pulse, fired[1]]);
        world.complete(id, json!({})).unwrap();
        if is_gone {
            world.tracker.cleanup(&mut world.wheel, id).unwrap();
        }
        world.outputs();
        let timers = world.wheel.len();
        for timer in fired {
            world
                .tracker
                .on_timer(world.now, &mut world.wheel, timer, MEMORY);
        }
        assert!(world.outputs().is_empty());
        assert_eq!(world.wheel.len(), timers);
    }
}
