//! Answers that wait until changes are written down.

use super::progress::{create_as, object};
use super::*;
use crate::http::Response;
use crate::progress::{ProgressConfig, SessionOptions};
use serde_json::json;
use uuid::Uuid;

fn writing(confirm_changes: bool) -> World {
    World::new(Config {
        host_http: true,
        progress: Some(ProgressConfig {
            changes: true,
            confirm_changes,
            ..ProgressConfig::default()
        }),
        ..Config::default()
    })
}

fn create(world: &mut World) -> Uuid {
    create_as(world, 1, SessionOptions::default())
}

/// A request that waits for the host, and its connection.
fn asked(world: &mut World) -> (ConnectionId, RequestId) {
    let key = world.open();
    world.feed(key, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    (key, world.take_request())
}

fn respond(world: &mut World, request: RequestId, text: &'static str) {
    let response = Response::text(200, text);
    world
        .endpoint
        .respond_when_confirmed(request, response)
        .unwrap();
    world.turn();
}

/// Takes what has changed, and confirms it.
fn write_down(world: &mut World) {
    let number = world.endpoint.progress().take_changes(usize::MAX).number;
    world.endpoint.progress().confirm_changes(number);
    world.turn();
}

fn is_told(world: &mut World) -> bool {
    let events = world.take_events();
    events
        .iter()
        .any(|event| matches!(event, Event::ProgressChanged))
}

#[test]
fn the_host_is_told_that_there_is_something_to_take() {
    let mut world = writing(false);
    let id = create(&mut world);
    create_as(&mut world, 2, SessionOptions::default());
    assert!(is_told(&mut world));
    assert!(!is_told(&mut world));
    assert_eq!(
        world
            .endpoint
            .progress()
            .take_changes(usize::MAX)
            .sessions
            .len(),
        2
    );
    // What no verb has done.
    world.pass_ms(30 * 60_000);
    assert!(world.endpoint.progress().session(id).is_err());
    assert!(is_told(&mut world));
}

#[test]
fn what_a_host_leaves_it_is_told_of_once_in_each_turn() {
    let mut world = writing(false);
    for number in 1..=20 {
        let metadata = object(json!({ "text": "x".repeat(4_000) }));
        let options = SessionOptions {
            metadata,
            ..SessionOptions::default()
        };
        create_as(&mut world, number, options);
    }
    let (mut turns, mut taken) = (0, 0);
    while is_told(&mut world) {
        assert!(!is_told(&mut world), "once");
        let changes = world.endpoint.progress().take_changes(16 * 1024);
        assert!(changes.sessions.len() <= 5);
        taken += changes.sessions.len();
        turns += 1;
        assert_eq!(
            world.endpoint.has_work(),
            taken < 20,
            "the loop does not sleep"
        );
        assert!(!world.endpoint.progress().has_urgent_changes());
        world.turn();
    }
    assert_eq!(taken, 20);
    assert!((4..=7).contains(&turns), "{turns}");
}

#[test]
fn an_answer_waits_for_what_has_changed_before_it_and_for_nothing_else() {
    let mut world = writing(false);
    let (key, request) = asked(&mut world);
    respond(&mut world, request, "nothing to wait for");
    assert!(world.take_text(key).contains("nothing to wait for"));

    let id = create(&mut world);
    let (key, request) = asked(&mut world);
    respond(&mut world, request, "created");
    assert_eq!(world.take_text(key), "");
    let number = world.endpoint.progress().take_changes(usize::MAX).number;
    let (later_key, later) = asked(&mut world);
    world
        .endpoint
        .progress()
        .complete_session(id, object(json!({})))
        .unwrap();
    respond(&mut world, later, "completed");
    world.endpoint.progress().confirm_changes(number);
    world.turn();
    assert!(world.take_text(key).contains("created"));
    assert_eq!(world.take_text(later_key), "");
    write_down(&mut world);
    assert!(world.take_text(later_key).contains("completed"));
}

#[test]
fn an_answer_waits_for_what_the_host_writes_down_beside_sessions() {
    let mut world = writing(false);
    let (key, request) = asked(&mut world);
    let number = world.endpoint.progress().note_host_change();
    respond(&mut world, request, "noted");
    assert!(is_told(&mut world));
    assert_eq!(world.take_text(key), "");
    assert_eq!(
        world.endpoint.progress().take_changes(usize::MAX).number,
        number
    );
    world.endpoint.progress().confirm_changes(number);
    world.turn();
    assert!(world.take_text(key).contains("noted"));
}

#[test]
fn requests_that_are_gone_hold_nothing() {
    let mut world = writing(false);
    create(&mut world);
    let (key, request) = asked(&mut world);
    respond(&mut world, request, "too late");
    world.endpoint.hang_up(key);
    world.turn();
    let again = world
        .endpoint
        .respond_when_confirmed(request, Response::empty(204));
    assert!(again.is_err());
    let (key, request) = asked(&mut world);
    respond(&mut world, request, "first");
    respond(&mut world, request, "second");
    write_down(&mut world);
    let text = world.take_text(key);
    assert!(text.contains("second") && !text.contains("first"));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut world = writing(true);
    let client = world.join_by_websocket();
    let id = create(&mut world);
    let (key, request) = asked(&mut world);
    respond(&mut world, request, "created");
    world.send(client, &format!("421[\"cancel_session\",\"{id}\"]"));
    let mut answers = world.frames(client);
    let refusal = Response::empty(503);
    world.endpoint.progress().refuse_unconfirmed(&refusal);
    world.turn();
    assert!(world.take_text(key).starts_with("HTTP/1.1 503 "));
    answers.extend(world.frames(client));
    let answer = answers.iter().find(|frame| frame.starts_with("431"));
    assert!(answer.unwrap().contains("SERVER_OVERLOAD"), "{answers:?}");
}

#[test]
fn a_cancellation_is_acknowledged_when_it_is_confirmed() {
    for confirms in [false, true] {
        let mut world = writing(confirms);
        let client = world.join_by_websocket();
        let id = create(&mut world);
        write_down(&mut world);
        world.frames(client);
        world.send(client, &format!("421[\"cancel_session\",\"{id}\"]"));
        let frames = world.frames(client);
        let is_acknowledged =
            |frames: &[String]| frames.iter().any(|frame| frame.starts_with("431"));
        let is_event = |frame: &String| frame.contains("import_cancelled");
        assert!(frames.iter().any(is_event), "events do not wait");
        assert_eq!(is_acknowledged(&frames), !confirms);
        write_down(&mut world);
        assert_eq!(is_acknowledged(&world.frames(client)), confirms);
    }
}
