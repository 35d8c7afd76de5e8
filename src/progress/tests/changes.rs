//! Changes that are taken, written down and restored from.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::property::{steps, Step};
use super::*;

fn keeping() -> ProgressConfig {
    ProgressConfig {
        heartbeat_ms: 0,
        changes: true,
        ..ProgressConfig::default()
    }
}

impl World {
    /// Whether it was told since the last call that there is something to take.
    fn is_told(&mut self) -> bool {
        let outputs = self.outputs();
        outputs.contains(&Output::Changed)
    }

    /// The records of what has changed, with the numbers of the sessions; taken part by part.
    fn taken(&mut self) -> Vec<(u64, Option<SessionRecord>, bool)> {
        let mut taken = Vec::new();
        loop {
            let changes = self.tracker.take_changes(600);
            let sessions = changes.sessions.into_iter();
            taken.extend(sessions.map(|it| (it.number, it.record, it.is_forgotten)));
            if !self.tracker.resume_changes() {
                taken.sort_by_key(|(number, ..)| *number);
                return taken;
            }
        }
    }

    fn record(&mut self) -> SessionRecord {
        let mut taken = self.taken();
        assert_eq!(taken.len(), 1, "{taken:?}");
        taken.remove(0).1.expect("a record")
    }

    /// A world after a restart that took so long, with these sessions.
    fn restarted(&self, down_ms: u64, records: &[SessionRecord]) -> World {
        let mut world = World::with(ProgressConfig {
            first_seq: self.tracker.seq_state().highest + 1,
            ..keeping()
        });
        world.now.unix_ms = self.now.unix_ms + down_ms;
        for record in records {
            let text = record.to_text();
            let record = SessionRecord::parse(&text).unwrap();
            assert_eq!(record.to_text(), text);
            world
                .tracker
                .restore(world.now, &mut world.wheel, &record)
                .unwrap();
        }
        assert!(world.events().is_empty(), "nobody is told of a restart");
        world
    }
}

#[test]
fn nothing_is_kept_where_nobody_asks_for_it() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.cancel(id).unwrap();
    let changes = world.tracker.take_changes(usize::MAX);
    assert_eq!((changes.number, changes.sessions.len()), (0, 0));
    assert_eq!(world.tracker.unconfirmed(), None);
    assert!(!world.is_told());
}

#[test]
fn what_has_to_last_is_told_at_once_and_progress_with_the_pulse() {
    let mut world = World::with(keeping());
    let id = world.create(json!({"filename": "a.csv"}));
    assert!(world.is_told());
    let record = world.record();
    assert_eq!(record.metadata(), Some(r#"{"filename":"a.csv"}"#));
    assert!(!world.is_told(), "nothing is new");

    // The first update makes a pulse, the next ones wait for one.
    world.update(id, 0.1, json!({})).unwrap();
    assert!(world.is_told());
    assert!(!world.tracker.has_urgent_changes());
    assert_eq!(world.record().progress(), 0.1);
    world.update(id, 0.2, json!({})).unwrap();
    world.update(id, 0.3, json!({})).unwrap();
    assert!(!world.is_told());
    world.advance(100);
    assert!(world.is_told());
    assert!(!world.is_told(), "once is enough");
    assert_eq!(world.record().progress(), 0.3);

    world.complete(id, json!({"rows": 7})).unwrap();
    assert!(world.is_told());
    let record = world.record();
    assert_eq!(record.ended_ms(), Some(world.now.unix_ms));
    let whole: Value = serde_json::from_str(&record.ended_session(true).unwrap()).unwrap();
    assert_eq!(whole, world.session(id));
    assert_eq!(whole["result"], json!({"rows": 7}));
    let listed: Value = serde_json::from_str(&record.ended_session(false).unwrap()).unwrap();
    assert_eq!(listed["result"], json!(null));
}

#[test]
fn something_of_the_hosts_own_is_told_and_confirmed_with_the_sessions() {
    let mut world = World::with(keeping());
    let first = world.tracker.note_host_change();
    assert!(world.is_told());
    assert!(world.tracker.has_urgent_changes());
    assert_eq!(world.tracker.unconfirmed(), Some(first));
    let changes = world.tracker.take_changes(usize::MAX);
    assert!(changes.is_urgent && changes.sessions.is_empty());
    assert_eq!(changes.number, first);
    world.create(json!({}));
    let second = world.tracker.note_host_change();
    assert!(second > first);
    world.tracker.confirm_changes(first);
    assert_eq!(world.tracker.unconfirmed(), Some(second));
    let changes = world.tracker.take_changes(usize::MAX);
    assert_eq!((changes.number, changes.sessions.len()), (second, 1));
    world.tracker.confirm_changes(second);
    assert_eq!(world.tracker.unconfirmed(), None);
    assert_eq!(World::new().tracker.note_host_change(), 0);
}

#[test]
fn changes_are_confirmed_by_their_numbers() {
    let mut world = World::with(keeping());
    let id = world.create(json!({}));
    let first = world.tracker.unconfirmed().expect("it is not written");
    let changes = world.tracker.take_changes(usize::MAX);
    assert!(changes.is_urgent && changes.number >= first);
    world.update(id, 0.5, json!({})).unwrap();
    assert_eq!(world.tracker.unconfirmed(), Some(first), "not for progress");
    world.tracker.confirm_changes(changes.number);
    assert_eq!(world.tracker.unconfirmed(), None);
    world.cancel(id).unwrap();
    assert!(world.tracker.unconfirmed().is_some());
    let number = world.tracker.take_changes(usize::MAX).number;
    world.tracker.confirm_changes(number);
    assert_eq!(world.tracker.unconfirmed(), None);
}

#[test]
fn the_end_of_a_session_is_told_though_it_is_forgotten_before_anybody_looks() {
    let mut world = World::with(keeping());
    let id = world.create(json!({}));
    world.complete(id, json!({})).unwrap();
    world.tracker.cleanup(&mut world.wheel, id).unwrap();
    let again = Uuid::from_u128(1);
    assert_ne!(id, again);
    let (now, wheel) = (world.now, &mut world.wheel);
    world
        .tracker
        .create_session_with_id(now, wheel, id, SessionOptions::default())
        .unwrap();
    let taken = world.taken();
    assert_eq!(taken.len(), 2, "two sessions of one id");
    let statuses = taken
        .iter()
        .map(|(_, record, gone)| (record.as_ref().unwrap().info().status, *gone));
    assert_eq!(
        statuses.collect::<Vec<_>>(),
        [(Status::Completed, true), (Status::Processing, false)]
    );
    // Of one that was written before, only that it is gone.
    world.complete(id, json!({})).unwrap();
    world.taken();
    world.advance(5 * 60_000);
    assert!(matches!(world.taken()[..], [(_, None, true)]));
}

#[test]
fn a_cancelled_session_is_written_down_whole_and_restored_as_cancelled() {
    let mut world = World::with(keeping());
    let id = world.create(json!({"filename": "a.csv"}));
    world.cancel(id).unwrap();
    let record = world.record();
    let session: Value = serde_json::from_str(&record.ended_session(true).unwrap()).unwrap();
    assert_eq!(session["status"], "cancelled");
    assert_eq!(session["metadata"]["filename"], "a.csv");
    let mut world = world.restarted(60_000, &[record]);
    assert_eq!(
        code(world.tracker.session(world.now, id)),
        ErrorCode::SessionCancelled
    );
    world.advance(4 * 60_000);
    assert_eq!(
        code(world.tracker.session(world.now, id)),
        ErrorCode::SessionNotFound
    );
}

#[test]
fn a_session_goes_on_where_it_was() {
    let mut world = World::with(keeping());
    let options = SessionOptions {
        metadata: object(json!({"filename": "a.csv", "processed_rows": 5})),
        managed: true,
        ..SessionOptions::default().private_to("Ann")
    };
    let (now, wheel) = (world.now, &mut world.wheel);
    let id = world
        .tracker
        .create_session(now, wheel, [1; 16], options)
        .unwrap();
    world.advance(1_000);
    world.update(id, 0.4, json!({})).unwrap();
    world
        .tracker
        .set_host_text(id, Some("kept".to_owned()))
        .unwrap();
    let (before, info) = (world.session(id), world.tracker.info(id).unwrap());
    let record = world.record();
    assert_eq!(record.host_text(), Some("kept"));

    let mut world = world.restarted(10_000, &[record]);
    assert_eq!(world.tracker.info(id), Some(info));
    let after = world.session(id);
    for name in ["progress", "metadata", "createdAt", "lastUpdate", "stalled"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert!(after["seq"].as_u64() > before["seq"].as_u64());
    world.advance(20_000);
    assert_eq!(world.session(id)["stalled"], true, "by the wall clock");
    world.update(id, 0.3, json!({"processed_rows": 9})).unwrap();
    let event = world.event("import_progress");
    assert_eq!(
        (&event["progress"], &event["eta_seconds"]),
        (&json!(0.4), &json!(null))
    );
    assert_eq!(world.session(id)["stalled"], false);
    assert_eq!(world.record().host_text(), Some("kept"));
    world.complete(id, json!({})).unwrap();
    let event = world.event("import_complete");
    assert_eq!(event["processing_time_ms"], 1_000 + 10_000 + 20_000);
}

#[test]
fn times_pass_while_nobody_is_there() {
    let mut world = World::with(keeping());
    let (working, ended) = (world.create(json!({})), world.create(json!({})));
    world.complete(ended, json!({})).unwrap();
    let mut records: Vec<SessionRecord> = Vec::new();
    for (_, record, _) in world.taken() {
        records.extend(record);
    }

    let mut soon = world.restarted(4 * 60_000, &records);
    assert_eq!(soon.tracker.held_sessions(), 2);
    soon.advance(60_000);
    assert_eq!(soon.tracker.held_sessions(), 1);
    soon.advance(25 * 60_000);
    let event = soon.event("import_cancelled");
    assert_eq!(
        (&event["sessionId"], &event["reason"]),
        (&json!(working.to_string()), &json!("stale"))
    );

    let mut late = world.restarted(3_600_000, &records);
    assert_eq!(late.tracker.held_sessions(), 1);
    assert!(matches!(late.taken()[..], [(_, None, true)]));
    late.advance(1);
    assert_eq!(late.event("import_cancelled")["reason"], "stale");
}

#[test]
fn places_and_numbers_go_on_above_those_that_were_restored() {
    let mut world = World::with(keeping());
    let first = world.create(json!({}));
    let record = world.record();
    let mut again = World::with(keeping());
    let restored = again.tracker.restore(again.now, &mut again.wheel, &record);
    assert_eq!(restored, Ok(true));
    let seq = again.session(first)["seq"].as_u64();
    assert!(seq > Some(record.seq()));
    let twice = again.tracker.restore(again.now, &mut again.wheel, &record);
    assert_eq!(code(twice), ErrorCode::SessionExists);
    again.created = 1;
    let second = again.create(json!({}));
    assert_eq!(again.listed(None), [second.to_string(), first.to_string()]);
}

#[test]
fn an_alert_is_a_change() {
    let mut world = World::with(keeping());
    let alert = json!({"level": "info", "category": "system", "message": "hello"});
    for _ in 0..1_001 {
        let sent = world.tracker.system_alert(world.now, object(alert.clone()));
        sent.unwrap();
    }
    assert!(world.is_told());
    let changes = world.tracker.take_changes(usize::MAX);
    assert!(changes.is_urgent);
    assert_eq!(changes.alerts.len(), 1_000, "the newest");
    assert_eq!(changes.alerts[0].at_ms, world.now.unix_ms);
    let payload: Value = serde_json::from_str(&changes.alerts[0].payload).unwrap();
    assert_eq!(payload["message"], "hello");
}

#[test]
fn of_large_alerts_the_newest_are_kept() {
    let mut world = World::with(keeping());
    for number in 0..20 {
        let alert = json!({"level": "info", "category": "system", "message": "large", "number": number, "text": "x".repeat(50_000)});
        world
            .tracker
            .system_alert(world.now, object(alert))
            .unwrap();
    }
    let alerts = world.tracker.take_changes(usize::MAX).alerts;
    let bytes: usize = alerts.iter().map(SentAlert::memory_bytes).sum();
    assert!((200_000..=256 * 1024).contains(&bytes), "{bytes}");
    let last: Value = serde_json::from_str(&alerts.last().unwrap().payload).unwrap();
    assert_eq!(last["number"], 19);
}

#[test]
fn a_turn_takes_a_part_and_others_the_rest_whoever_goes_on_changing() {
    const PART: usize = 8 * 1024;
    let mut world = World::with(keeping());
    let ids: Vec<Uuid> = (0..100)
        .map(|_| world.create(json!({"text": "x".repeat(1_000)})))
        .collect();
    assert!(world.is_told() && world.tracker.unconfirmed().is_some());
    let mut places = std::collections::BTreeSet::new();
    let mut turns = 0;
    while places.len() < ids.len() {
        turns += 1;
        let changes = world.tracker.take_changes(PART);
        let bytes = changes.sessions.iter().map(SessionChange::memory_bytes);
        let (bytes, most) = (bytes.clone().sum::<usize>(), bytes.max().unwrap());
        assert!(bytes < PART + most, "{bytes}");
        places.extend(changes.sessions.iter().map(|change| change.number));
        world.tracker.confirm_changes(changes.number);
        let is_done = world.tracker.unconfirmed().is_none();
        assert_eq!(is_done, places.len() == ids.len(), "{turns}");
        assert!(is_done || world.tracker.has_changes_left());
        assert!(!world.tracker.has_urgent_changes(), "not in this turn");
        // The first of them are never done.
        for id in &ids[..5] {
            world
                .update(*id, turns as f64 / 1_000.0, json!({}))
                .unwrap();
        }
        assert!(world.tracker.resume_changes() || is_done);
    }
    assert!((12..=20).contains(&turns), "{turns}");
    world.advance(100);
    assert_eq!(world.taken().len(), 5, "the newest of those");
}

#[test]
fn what_waits_of_sessions_that_are_gone_counts_as_memory() {
    let mut world = World::with(keeping());
    let empty = world.tracker.memory_bytes();
    let id = world.create(json!({"text": "x".repeat(5_000)}));
    world.complete(id, json!({})).unwrap();
    world.tracker.cleanup(&mut world.wheel, id).unwrap();
    assert!(world.tracker.memory_bytes() > empty + 5_000);
    assert_eq!(world.taken().len(), 1);
    assert_eq!(world.tracker.memory_bytes(), empty);
}

#[test]
fn what_is_no_record_is_refused() {
    let mut world = World::with(keeping());
    let id = world.create(json!({}));
    let running = world.record().to_text();
    world.complete(id, json!({"a": 1})).unwrap();
    let ended = world.record().to_text();
    for text in [
        String::new(),
        "{}".to_owned(),
        running.replace("processing", "completed"),
        running.replace("\"metadata\":{}", "\"metadata\":[]"),
        running.replace("everybody", "somebody"),
        ended.replace("\"resultAt\":", "\"resultAt\":1"),
        ended[..ended.len() - 9].to_owned(),
    ] {
        let read = SessionRecord::parse(&text).and_then(|record| {
            let mut world = World::with(keeping());
            world.tracker.restore(world.now, &mut world.wheel, &record)
        });
        assert_eq!(code(read), ErrorCode::InvalidArgument, "{text}");
    }
}

/// A list and its sessions as they are before and after a restart: without what is measured anew, and without what says when
/// that was.
fn lasting(world: &World) -> Vec<Value> {
    let page = world.page(&ListQuery::default());
    let mut listed = sessions(&page);
    for session in &mut listed {
        let id = session["id"].as_str().unwrap().parse().unwrap();
        *session = world.session(id);
        session.as_object_mut().unwrap().remove("seq");
        if session["status"] == "processing" {
            for name in ["timestamp", "eta_seconds"] {
                session.as_object_mut().unwrap().remove(name);
            }
            let metadata = session["metadata"].as_object_mut().unwrap();
            metadata.remove("processing_speed");
            metadata.remove("estimatedCompletion");
        }
    }
    listed
}

proptest! {
    #[test]
    fn whatever_was_done_is_there_again(
        steps in steps(),
        restarts in prop::collection::vec(0..120usize, 0..4),
    ) {
        let mut world = World::with(keeping());
        let mut written: BTreeMap<u64, SessionRecord> = BTreeMap::new();
        let mut seqs: BTreeMap<String, u64> = BTreeMap::new();
        for (place, step) in steps.into_iter().enumerate() {
            // A clock that goes back makes sessions younger; that is none of what is looked at here.
            if !matches!(step, Step::SetClock(_)) {
                world.do_step(&step);
            }
            world.drain();
            if restarts.contains(&place) {
                for (number, record, is_forgotten) in world.taken() {
                    match record {
                        _ if is_forgotten => { written.remove(&number); }
                        Some(record) => { written.insert(number, record); }
                        None => {}
                    }
                }
                let records: Vec<SessionRecord> = written.values().cloned().collect();
                let next = world.restarted(0, &records);
                prop_assert_eq!(lasting(&next), lasting(&world));
                prop_assert_eq!(next.tracker.active_sessions(), world.tracker.active_sessions());
                prop_assert_eq!(next.tracker.held_sessions(), world.tracker.held_sessions());
                world = next;
            }
            for session in sessions(&world.page(&ListQuery::default())) {
                let seq = session["seq"].as_u64().unwrap();
                let last = seqs.insert(session["id"].to_string(), seq);
                prop_assert!(last.is_none_or(|last| seq >= last));
            }
        }
        world.advance(40 * 60_000);
        let hosts = sessions(&world.page(&ListQuery::default()));
        let are_managed = hosts.iter().all(|session| {
            let id = session["id"].as_str().unwrap().parse().unwrap();
            world.tracker.info(id).unwrap().is_managed
        });
        prop_assert!(are_managed, "others have gone stale and were forgotten");
    }
}
