//! Progress as news: what slow clients get, and that it does them no harm.

use std::collections::BTreeMap;

use super::*;
use crate::progress::{Audience, SessionOptions};
use crate::socket::RecoveryConfig;
use serde_json::{json, Value};
use uuid::Uuid;

fn config() -> Config {
    Config {
        ping_interval_ms: 1_000_000,
        ..Config::default()
    }
}

fn create(world: &mut World, number: u128, metadata: Value, audience: Audience) -> Uuid {
    let id = Uuid::from_u128(number);
    let options = SessionOptions {
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        audience: Some(audience),
        ..SessionOptions::default()
    };
    world
        .endpoint
        .progress()
        .create_session_with_id(id, options)
        .unwrap();
    world.turn();
    id
}

fn create_many(world: &mut World, count: u128, metadata_bytes: usize) -> Vec<Uuid> {
    let metadata = json!({"note": "x".repeat(metadata_bytes)});
    let numbers = 1..=count;
    numbers
        .map(|number| create(world, number, metadata.clone(), Audience::Everybody))
        .collect()
}

fn update(world: &mut World, id: Uuid, progress: f64) {
    world
        .endpoint
        .progress()
        .update_progress(id, progress, Default::default())
        .unwrap();
}

/// The events in these packets.
fn events<'a>(packets: impl IntoIterator<Item = &'a str>) -> Vec<(String, Value)> {
    let events = packets
        .into_iter()
        .filter_map(|packet| packet.strip_prefix("42"))
        .map(|text| serde_json::from_str(text).unwrap());
    events.collect()
}

fn received(world: &mut World, key: ConnectionId) -> Vec<(String, Value)> {
    let frames = world.frames(key);
    events(frames.iter().map(String::as_str))
}

/// A WebSocket whose peer reads again: all that comes until it has read everything.
fn read_all(world: &mut World, key: ConnectionId) -> Vec<(String, Value)> {
    world.slow.retain(|slow| *slow != key);
    world.endpoint.on_ready(key, Readiness::writable());
    world.turn();
    received(world, key)
}

fn polled(world: &mut World, sid: &str) -> Vec<(String, Value)> {
    let (_, payload) = world.poll(sid);
    events(payload.split('|'))
}

#[test]
fn a_slow_client_gets_the_newest_figure_of_each_session_and_not_all_that_were() {
    let mut world = World::new(config());
    let slow = world.join_by_websocket();
    let fast = world.join_by_websocket();
    let ids = create_many(&mut world, 3, 10);
    world.take(slow);
    world.take(fast);
    world.slow.push(slow);
    for step in 1..=50 {
        for id in &ids {
            update(&mut world, *id, step as f64 / 100.0);
        }
        world.pass_ms(100);
    }
    assert!(received(&mut world, fast).len() >= 3 * 50);
    let seen = read_all(&mut world, slow);
    let newest = seen.iter().filter(|(_, event)| event["progress"] == 0.5);
    assert_eq!(newest.count(), 3);
    // Each may have been on its way already when its client stopped reading.
    assert!(seen.len() <= 6, "{seen:?}");
    let mut seqs: BTreeMap<String, u64> = BTreeMap::new();
    for (_, event) in &seen {
        let seq = event["seq"].as_u64().unwrap();
        let last = seqs.insert(event["sessionId"].to_string(), seq);
        assert!(last.is_none_or(|last| seq > last));
    }
}

#[test]
fn no_amount_of_progress_disconnects_a_client_that_reads_slowly_or_not_at_all() {
    let mut world = World::new(config());
    let ids = create_many(&mut world, 300, 16_000);
    let reading = world.join_by_websocket();
    let deaf = world.join_by_websocket();
    let polling = world.open_polling();
    world.post(&polling, "40");
    world.poll(&polling);
    world.take(reading);
    world.slow.extend([reading, deaf]);
    let mut read_bytes = 0;
    for turn in 0..20 {
        for id in &ids {
            update(&mut world, *id, 0.0);
        }
        world.pass_ms(100);
        read_bytes += world.read_some(reading, 80_000);
        if turn % 5 == 0 {
            world.poll(&polling);
        }
    }
    assert!(world.closed.is_empty() && world.shut.is_empty());
    assert_eq!(world.endpoint.counts().sessions, 3);
    assert!(read_bytes > 500_000);
    // An answer still has its place, whatever news there is.
    world.send(deaf, "421[\"list_sessions\",{\"limit\":1}]");
    let seen = read_all(&mut world, deaf);
    assert_eq!(world.endpoint.counts().sessions, 3);
    let told: std::collections::BTreeSet<String> = seen
        .iter()
        .map(|(_, event)| event["sessionId"].to_string())
        .collect();
    assert_eq!(told.len(), 300);
}

#[test]
fn a_polling_client_sees_each_of_a_hundred_busy_sessions_within_seven_polls() {
    let mut world = World::new(config());
    let ids = create_many(&mut world, 100, 10);
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.poll(&sid);
    let mut step = 0;
    // Ten updates a second of each session, and a poll every 50 ms.
    let mut tick = |world: &mut World| {
        step += 1;
        for (n, id) in ids.iter().enumerate() {
            if n % 10 == step % 10 {
                update(world, *id, step as f64 / 10_000.0);
            }
        }
        world.pass_ms(10);
    };
    for _ in 0..30 {
        tick(&mut world);
    }
    for _ in 0..5 {
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..7 {
            for _ in 0..5 {
                tick(&mut world);
            }
            let packets = polled(&mut world, &sid);
            assert!(packets.len() <= 16);
            for (_, event) in packets {
                let at = event["seq"].as_u64().unwrap();
                seen.insert(event["sessionId"].to_string(), at);
            }
        }
        assert_eq!(seen.len(), 100);
    }
    assert_eq!(world.endpoint.counts().sessions, 1);
}

#[test]
fn a_terminal_event_is_the_last_of_its_session_however_slow_its_reader_is() {
    let mut world = World::new(config());
    let slow = world.join_by_websocket();
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.poll(&sid);
    world.slow.push(slow);
    let ids = create_many(&mut world, 40, 10);
    for step in 1..=5 {
        for id in &ids {
            update(&mut world, *id, step as f64 / 10.0);
        }
        world.pass_ms(100);
    }
    for id in &ids[..20] {
        update(&mut world, *id, 0.9);
        world
            .endpoint
            .progress()
            .complete_session(*id, Default::default())
            .unwrap();
    }
    world.pass_ms(1_000);
    let by_socket = read_all(&mut world, slow);
    let mut by_polls = Vec::new();
    for _ in 0..8 {
        by_polls.extend(polled(&mut world, &sid));
    }
    for seen in [by_socket, by_polls] {
        for (n, id) in ids.iter().enumerate() {
            let of_session = seen
                .iter()
                .filter(|(_, event)| event["sessionId"] == id.to_string());
            let names: Vec<&str> = of_session.map(|(name, _)| name.as_str()).collect();
            assert_eq!(names[0], "session_created");
            let is_end = |name: &&str| **name == *"import_complete";
            let ends = names.iter().filter(|name| is_end(name)).count();
            assert_eq!(ends, usize::from(n < 20));
            let last = *names.last().unwrap();
            let wanted = if n < 20 {
                "import_complete"
            } else {
                "import_progress"
            };
            assert_eq!(last, wanted);
        }
    }
}

#[test]
fn what_is_told_late_is_told_as_of_the_last_pulse() {
    let mut world = World::new(config());
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.poll(&sid);
    let id = create_many(&mut world, 1, 10)[0];
    world.poll(&sid);
    update(&mut world, id, 0.1);
    world.turn();
    let seq = |world: &mut World| -> Value {
        let session = world.endpoint.progress().session(id).unwrap();
        serde_json::from_str::<Value>(&session).unwrap()["seq"].clone()
    };
    let told = seq(&mut world);
    world.pass_ms(40);
    update(&mut world, id, 0.2);
    let seen = polled(&mut world, &sid);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].1["progress"], 0.1);
    assert_eq!(seen[0].1["seq"], told);
    assert_eq!(seen[0].1["timestamp"], "2025-01-12T10:30:00.000Z");
    world.pass_ms(60);
    let seen = polled(&mut world, &sid);
    assert_eq!(seen[0].1["progress"], 0.2);
    assert_eq!(seen[0].1["seq"], seq(&mut world));
}

#[test]
fn nothing_older_follows_the_answer_to_a_command() {
    for text in ["[\"track_session\",\"ID\"]", "[\"list_sessions\"]"] {
        let mut world = World::new(config());
        let sid = world.open_polling();
        world.post(&sid, "40");
        world.poll(&sid);
        let id = create_many(&mut world, 1, 10)[0];
        world.poll(&sid);
        update(&mut world, id, 0.1);
        world.pass_ms(40);
        update(&mut world, id, 0.2);
        world.post(&sid, &format!("421{}", text.replace("ID", &id.to_string())));
        let (_, answer) = world.poll(&sid);
        // What was told of the session at the pulse comes ahead of the answer: who listens for events alone misses nothing.
        let (event, answer) = answer.split_once('|').expect("two packets");
        assert!(event.starts_with("42[\"import_progress\"") && event.contains("\"progress\":0.1"));
        assert!(answer.starts_with("431[") && answer.contains("\"progress\":0.2"));
        assert!(!answer.contains("import_progress"), "{answer}");
        world.pass_ms(60);
        assert_eq!(polled(&mut world, &sid)[0].1["progress"], 0.2);
    }
}

#[test]
fn news_goes_over_to_the_websocket_of_an_upgrade() {
    let mut world = World::new(config());
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.poll(&sid);
    let ids = create_many(&mut world, 3, 10);
    world.poll(&sid);
    let websocket = world.open();
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    world.feed(websocket, upgrade(&query));
    world.take(websocket);
    world.send(websocket, "2probe");
    world.frames(websocket);
    for id in &ids {
        update(&mut world, *id, 0.5);
    }
    world.pass_ms(100);
    world.send(websocket, "5");
    let seen = received(&mut world, websocket);
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen.iter().all(|(_, event)| event["progress"] == 0.5));
}

#[test]
fn a_poll_that_an_upgrade_waits_for_ends_also_where_all_news_is_old() {
    let mut world = World::new(config());
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.poll(&sid);
    let id = create(&mut world, 1, json!({}), Audience::Trackers);
    world.post(&sid, &format!("42[\"track_session\",\"{id}\"]"));
    update(&mut world, id, 0.5);
    world.turn();
    world.post(&sid, &format!("42[\"untrack_session\",\"{id}\"]"));
    let websocket = world.open();
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    world.feed(websocket, upgrade(&query));
    world.take(websocket);
    world.send(websocket, "2probe");
    assert_eq!(world.poll(&sid).1, "6");
    // Without an upgrade under way, a poll waits where all news is old.
    world.send(websocket, "5");
    assert!(received(&mut world, websocket).is_empty());
}

#[test]
fn news_that_is_old_when_a_poll_comes_leaves_the_poll_waiting() {
    let mut world = World::new(config());
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.poll(&sid);
    let id = create(&mut world, 1, json!({}), Audience::Trackers);
    world.post(&sid, &format!("42[\"track_session\",\"{id}\"]"));
    update(&mut world, id, 0.5);
    world.turn();
    world
        .endpoint
        .progress()
        .complete_session(id, Default::default())
        .unwrap();
    let (_, end) = world.poll(&sid);
    assert!(end.contains("import_complete") && !end.contains("import_progress"));
    let other = create(&mut world, 2, json!({}), Audience::Trackers);
    world.post(&sid, &format!("42[\"track_session\",\"{other}\"]"));
    update(&mut world, other, 0.5);
    world.pass_ms(100);
    world.post(&sid, &format!("42[\"untrack_session\",\"{other}\"]"));
    let (waiting, payload) = world.poll(&sid);
    assert_eq!(payload, "");
    create(&mut world, 3, json!({}), Audience::Everybody);
    assert!(world.polled(waiting).contains("session_created"));
}

#[test]
fn a_recovered_client_gets_the_newest_figure_of_each_session_it_may_see() {
    let mut world = World::new(Config {
        recovery: Some(RecoveryConfig::default()),
        namespaces: vec!["/".to_owned(), "/custom".to_owned()],
        ..config()
    });
    let key = world.open_websocket();
    world.send(key, "40");
    let answer = world.frames(key).concat();
    let root_pid = pid(&answer);
    let ids = create_many(&mut world, 3, 10);
    let hidden = create(&mut world, 9, json!({}), Audience::Trackers);
    let created = world.frames(key);
    let offset = serde_json::from_str::<Value>(&created[2][2..]).unwrap()[2].clone();
    update(&mut world, ids[0], 0.1);
    update(&mut world, hidden, 0.1);
    world.pass_ms(100);
    let seen = world.frames(key);
    assert_eq!(seen.len(), 1);
    assert!(seen[0].ends_with("}]"), "no offset: {}", seen[0]);
    world.endpoint.hang_up(key);
    world.turn();
    for step in 2..5 {
        update(&mut world, ids[0], step as f64 / 10.0);
        update(&mut world, ids[1], step as f64 / 10.0);
        world.pass_ms(100);
    }
    let back = world.open_websocket();
    world.send(
        back,
        &format!("40{{\"pid\":\"{root_pid}\",\"offset\":{offset}}}"),
    );
    let frames = world.frames(back);
    assert!(frames[0].starts_with("40{"), "{frames:?}");
    let told: Vec<(String, Value)> = events(frames.iter().map(String::as_str));
    let told: Vec<(String, Value)> = told
        .into_iter()
        .map(|(name, event)| {
            (
                name + &event["sessionId"].to_string(),
                event["progress"].clone(),
            )
        })
        .collect();
    let wanted = |id: Uuid| (format!("import_progress\"{id}\""), json!(0.4));
    assert_eq!(told, [wanted(ids[0]), wanted(ids[1])]);
    // Recovery in another namespace tells nothing of progress.
    world.send(back, "40/custom,");
    let answer = world.frames(back).concat();
    let pid = pid(&answer);
    let connects = [
        format!("40{{\"pid\":\"{}\"}}", "x".repeat(20)),
        format!("40/custom,{{\"pid\":\"{pid}\"}}"),
    ];
    world.endpoint.hang_up(back);
    world.turn();
    let again = world.open_websocket();
    for connect in connects {
        world.send(again, &connect);
    }
    let frames = world.frames(again).concat();
    assert!(frames.contains("40/custom,{"), "{frames}");
    assert!(!frames.contains("import_progress"), "{frames}");
}

#[test]
fn fifty_busy_sessions_cost_a_viewer_eleven_writes_a_second_at_the_most() {
    let mut world = World::new(config());
    let ids = create_many(&mut world, 50, 100);
    let viewer = world.join_by_websocket();
    world.take(viewer);
    let (mut writes, mut events) = (0, 0);
    for ms in 0..3_000u64 {
        for (n, id) in ids.iter().enumerate() {
            if (ms + 13 * n as u64).is_multiple_of(20 + 7 * n as u64) {
                update(&mut world, *id, ms as f64 / 3_000.0);
            }
        }
        world.pass_ms(1);
        let seen = received(&mut world, viewer);
        writes += usize::from(!seen.is_empty());
        events += seen.len();
    }
    assert!(writes <= 33, "{writes} writes");
    assert!(events > 500, "{events} events");
}

#[test]
fn clients_share_one_packet_and_nothing_is_kept_when_all_have_it() {
    let mut world = World::new(config());
    let id = create_many(&mut world, 1, 1_000)[0];
    let keys = [(); 3].map(|()| world.join_by_websocket());
    world.slow.extend(keys);
    update(&mut world, id, 0.5);
    world.turn();
    let waiting: Vec<*const u8> = keys
        .iter()
        .map(|key| {
            let mut slices = [std::io::IoSlice::new(&[]); 2];
            assert_eq!(world.endpoint.transport.gather(*key, &mut slices), 1);
            slices[0].as_ptr()
        })
        .collect();
    assert!(waiting.iter().all(|bytes| *bytes == waiting[0]));
    // The invariants hold that no packet is kept for nobody.
    world.endpoint.check_invariants();
    for key in keys {
        assert_eq!(read_all(&mut world, key).len(), 1);
    }
}

#[test]
fn a_client_that_goes_with_news_waiting_leaves_nothing_behind() {
    let mut world = World::new(config());
    let ids = create_many(&mut world, 5, 10);
    let gone = world.join_by_websocket();
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.poll(&sid);
    world.slow.push(gone);
    for step in 1..4 {
        for id in &ids {
            update(&mut world, *id, step as f64 / 10.0);
        }
        world.pass_ms(100);
    }
    world.endpoint.hang_up(gone);
    world.post(&sid, "1");
    world.pass_ms(1_000);
    assert_eq!(world.endpoint.counts().sessions, 0);
    world.endpoint.check_invariants();
}
