use super::*;
use crate::progress::{Audience, CancelRequest, ErrorCode, SessionOptions};
use serde_json::{json, Value};
use uuid::Uuid;

pub(super) fn object(value: Value) -> crate::progress::JsonObject {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

pub(super) fn create(world: &mut World, options: SessionOptions) -> Uuid {
    let id = world.endpoint.progress().create_session(options).unwrap();
    world.turn();
    id
}

/// As [`create`], under an id of its own, of which there may be any number.
fn create_numbered(world: &mut World, number: u128, metadata: Value, audience: Audience) -> Uuid {
    let options = SessionOptions {
        audience: Some(audience),
        metadata: object(metadata),
        ..SessionOptions::default()
    };
    create_as(world, number, options)
}

pub(super) fn create_as(world: &mut World, number: u128, options: SessionOptions) -> Uuid {
    let id = Uuid::from_u128(number);
    world
        .endpoint
        .progress()
        .create_session_with_id(id, options)
        .unwrap();
    world.turn();
    id
}

/// Events received on a WebSocket as (name, payload), heartbeats left out.
pub(super) fn events(world: &mut World, key: ConnectionId) -> Vec<(String, Value)> {
    let frames = world.frames(key);
    let events = frames.iter().filter_map(|frame| {
        let (name, payload) = serde_json::from_str(frame.strip_prefix("42")?).unwrap();
        Some((name, payload))
    });
    events.filter(|(name, _)| name != "heartbeat").collect()
}

/// What a command is acknowledged with.
pub(super) fn command(world: &mut World, key: ConnectionId, text: &str) -> Value {
    world.send(key, &format!("421{text}"));
    let frame = world.frames(key).pop().expect("an answer");
    let answer: Vec<Value> =
        serde_json::from_str(frame.strip_prefix("431").expect("an ack")).unwrap();
    answer.into_iter().next().unwrap()
}

#[test]
fn everybody_sees_a_session_from_its_creation_to_its_end() {
    let mut world = World::new(Config::default());
    let websocket = world.join_by_websocket();
    let sid = world.open_polling();
    world.post(&sid, "40");
    world.poll(&sid);
    let id = create(&mut world, SessionOptions::default());
    assert_eq!(events(&mut world, websocket)[0].0, "session_created");
    assert!(world.poll(&sid).1.starts_with("42[\"session_created\","));
    world
        .endpoint
        .progress()
        .update_progress(id, 0.25, Default::default())
        .unwrap();
    world.turn();
    world
        .endpoint
        .progress()
        .update_progress(id, 0.5, Default::default())
        .unwrap();
    world
        .endpoint
        .progress()
        .update_progress(id, 0.75, Default::default())
        .unwrap();
    world.turn();
    let seen = events(&mut world, websocket);
    assert_eq!(
        (seen.len(), &seen[0].1["progress"]),
        (1, &json!(0.25)),
        "the first at once"
    );
    world.pass_ms(100);
    let seen = events(&mut world, websocket);
    assert_eq!(
        (seen.len(), &seen[0].1["progress"]),
        (1, &json!(0.75)),
        "the newest when the window ends"
    );
    world
        .endpoint
        .progress()
        .update_progress(id, 0.9, Default::default())
        .unwrap();
    world
        .endpoint
        .progress()
        .complete_session(id, object(json!({"import_id": 7})))
        .unwrap();
    world.pass_ms(1_000);
    let seen = events(&mut world, websocket);
    assert_eq!(seen.len(), 1, "nothing overtakes the end: {seen:?}");
    assert_eq!(
        (seen[0].0.as_str(), &seen[0].1["import_id"]),
        ("import_complete", &json!(7))
    );
}

#[test]
fn tracking_joins_and_answers_with_the_state_at_once() {
    let mut world = World::new(Config::default());
    let tracker = world.join_by_websocket();
    let other = world.join_by_websocket();
    let options = SessionOptions {
        audience: Some(Audience::Trackers),
        ..SessionOptions::default()
    };
    let id = create(&mut world, options);
    assert!(events(&mut world, tracker).is_empty());
    let answer = command(
        &mut world,
        tracker,
        &format!("[\"track_session\",\"{id}\"]"),
    );
    assert_eq!(
        (&answer["ok"], &answer["session"]["id"]),
        (&json!(true), &json!(id.to_string()))
    );
    world
        .endpoint
        .progress()
        .update_progress(id, 0.5, Default::default())
        .unwrap();
    world.turn();
    assert_eq!(events(&mut world, tracker).len(), 1);
    assert!(events(&mut world, other).is_empty());
    let answer = command(
        &mut world,
        tracker,
        &format!("[\"untrack_session\",{{\"sessionId\":\"{id}\"}}]"),
    );
    assert_eq!(answer, json!({"ok": true}));
    world
        .endpoint
        .progress()
        .complete_session(id, Default::default())
        .unwrap();
    world.turn();
    assert!(events(&mut world, tracker).is_empty());
}

#[test]
fn commands_are_answered_with_an_error_where_they_are_wrong() {
    let mut world = World::new(Config::default());
    let key = world.join_by_websocket();
    let unknown = Uuid::nil();
    let answer = command(
        &mut world,
        key,
        &format!("[\"track_session\",\"{unknown}\"]"),
    );
    assert_eq!(answer["error"]["code"], "SESSION_NOT_FOUND");
    let answer = command(&mut world, key, "[\"track_session\"]");
    assert_eq!(answer["error"]["code"], "INVALID_ARGUMENT");
    let answer = command(
        &mut world,
        key,
        "[\"list_sessions\",{\"status\":\"sleeping\"}]",
    );
    assert_eq!(answer["ok"], false);
    assert!(world.take_events().is_empty(), "the host need not know");
    world.send(key, "42[\"list_sessions\"]");
    assert!(world.frames(key).is_empty(), "nobody asked for an answer");
}

#[test]
fn a_client_cancels_a_session_that_nobody_manages() {
    let mut world = World::new(Config::default());
    let key = world.join_by_websocket();
    let id = create(&mut world, SessionOptions::default());
    world.take(key);
    world.send(
        key,
        &format!("421[\"cancel_session\",{{\"sessionId\":\"{id}\",\"reason\":\"enough\"}}]"),
    );
    let frames = world.frames(key);
    assert!(
        frames[0].contains("import_cancelled") && frames[0].contains("enough"),
        "{frames:?}"
    );
    assert!(
        frames[1].starts_with("431[{\"ok\":true,\"session\":"),
        "{frames:?}"
    );
    assert_eq!(
        world.endpoint.progress().session(id).unwrap_err().code,
        ErrorCode::SessionCancelled
    );
}

#[test]
fn the_host_of_a_managed_session_rolls_back_before_anybody_is_answered() {
    let mut world = World::new(Config::default());
    let key = world.join_by_websocket();
    let managed = SessionOptions {
        managed: true,
        ..SessionOptions::default()
    };
    let id = create(&mut world, managed);
    world.take(key);
    world.send(key, &format!("421[\"cancel_session\",\"{id}\"]"));
    assert!(world.frames(key).is_empty());
    assert!(
        matches!(&world.take_events()[..], [Event::CancelRequested { session, reason }]
        if *session == id && reason == "user_requested")
    );
    assert_eq!(
        world.endpoint.progress().request_cancel(id, None),
        Ok(CancelRequest::Asked)
    );
    world
        .endpoint
        .progress()
        .cancel_session(id, None, None)
        .unwrap();
    world.turn();
    let frames = world.frames(key);
    assert!(frames[0].contains("import_cancelled"), "{frames:?}");
    assert!(frames[1].starts_with("431[{\"ok\":true,"), "{frames:?}");
}

#[test]
fn the_heartbeat_tells_time_sessions_and_memory() {
    let mut world = World::new(Config {
        ping_interval_ms: 100_000,
        ..Config::default()
    });
    let key = world.join_by_websocket();
    create(&mut world, SessionOptions::default());
    world.take(key);
    world.pass_ms(30_000);
    let frames = world.frames(key);
    assert_eq!(
        frames,
        [
            r#"42["heartbeat",{"server_time":"2025-01-12T10:30:30.000Z","active_sessions":1,"server_uptime":"30s","memory_usage":{"used_mb":10,"available_mb":54}}]"#
        ]
    );
    world.pass_ms(30_000);
    assert!(world.frames(key)[0].contains("\"server_uptime\":\"1m 0s\""));
}

#[test]
fn a_server_without_progress_sessions_passes_the_commands_to_its_host() {
    let mut world = World::new(Config {
        progress: None,
        ..Config::default()
    });
    let key = world.join_by_websocket();
    world.send(key, "42[\"list_sessions\"]");
    assert!(matches!(world.take_events()[..], [Event::Message(_)]));
    assert!(world
        .endpoint
        .progress()
        .create_session(SessionOptions::default())
        .is_err());
    world.pass_ms(100_000);
    assert!(!world
        .frames(key)
        .iter()
        .any(|frame| frame.contains("heartbeat")));
}

#[test]
fn a_list_comes_in_pages_and_none_is_too_large_to_be_sent() {
    let mut world = World::new(Config::default());
    let key = world.join_by_websocket();
    for number in 0..300 {
        let metadata = json!({"note": "x".repeat(15_000)});
        create_numbered(&mut world, number, metadata, Audience::Everybody);
        world.take(key);
    }
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let argument = json!({"limit": 1_000, "cursor": cursor});
        let answer = command(&mut world, key, &format!("[\"list_sessions\",{argument}]"));
        assert_eq!(answer["ok"], true);
        assert!(answer.to_string().len() <= 257 * 1024);
        let sessions = answer["sessions"].as_array().unwrap();
        seen.extend(sessions.iter().map(|session| session["id"].to_string()));
        cursor = answer["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen.len(), 300);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 300);
}

#[test]
fn an_answer_that_could_never_wait_for_its_client_is_an_error() {
    let mut world = World::new(Config {
        max_queued_bytes: 8 * 1024,
        ..Config::default()
    });
    let key = world.join_by_websocket();
    let metadata = json!({"note": "x".repeat(9_000)});
    let large = create_numbered(&mut world, 1, metadata, Audience::Trackers);
    for text in [
        format!("[\"track_session\",\"{large}\"]"),
        "[\"list_sessions\"]".to_owned(),
    ] {
        let answer = command(&mut world, key, &text);
        assert_eq!(answer["error"]["code"], "PAYLOAD_TOO_LARGE", "{text}");
    }
    let small = create_numbered(&mut world, 2, json!({}), Audience::Trackers);
    let answer = command(&mut world, key, &format!("[\"track_session\",\"{small}\"]"));
    assert_eq!(answer["ok"], true, "its client is still there");
    let answer = command(&mut world, key, "[\"list_sessions\"]");
    assert_eq!(answer["sessions"].as_array().unwrap().len(), 1);
}
