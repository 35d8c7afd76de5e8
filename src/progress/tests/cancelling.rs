//! Cancelling: by anybody, by the managing host, by silence.

use serde_json::json;

use super::*;

fn request(
    world: &mut World,
    id: Uuid,
    reason: Option<&str>,
) -> Result<CancelRequest, ProgressError> {
    let reason = reason.map(str::to_owned);
    world
        .tracker
        .request_cancel(world.now, &mut world.wheel, id, reason)
}

fn managed(world: &mut World) -> Uuid {
    let id = world.create(json!({}));
    world.tracker.manage(id).unwrap();
    world.outputs();
    id
}

#[test]
fn a_cancellation_tells_how_far_the_work_had_come() {
    let mut world = World::new();
    let id = world.create(json!({"operation": "copy"}));
    world
        .update(id, 0.349, json!({"processed_rows": 523}))
        .unwrap();
    world.outputs();
    let session = world.cancel(id).unwrap();
    let [Output::Emit { payload, .. }] = &world.outputs()[..] else {
        panic!("one event was expected")
    };
    assert_eq!(
        *payload,
        format!(
            concat!(
                r#"{{"sessionId":"{}","operation":"copy","cancelled":true,"reason":"user_requested","#,
                r#""partial_results":{{"processed_rows":523,"completion_percentage":0.349}},"#,
                r#""cleanup_performed":true,"timestamp":"2025-01-12T10:30:00.000Z","status":"cancelled","seq":{}}}"#
            ),
            id,
            START_UNIX_MS + 2
        )
    );
    let session: Value = serde_json::from_str(&session).unwrap();
    assert_eq!(session["status"], "cancelled");
    assert_eq!(session["cancelled"], true);
    assert_eq!(session["progress"], 0.349);
    assert_eq!(session["endedAt"], START_UNIX_MS);
    assert_eq!(session["metadata"]["operation"], "copy");
}

#[test]
fn every_verb_on_a_cancelled_session_says_so_until_it_is_forgotten() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.cancel(id).unwrap();
    world.outputs();
    for wanted in [ErrorCode::SessionCancelled, ErrorCode::SessionNotFound] {
        let now = world.now;
        assert_eq!(code(world.tracker.session(now, id)), wanted);
        assert_eq!(code(world.tracker.status(id)), wanted);
        assert_eq!(code(world.update(id, 0.5, json!({}))), wanted);
        assert_eq!(code(world.complete(id, json!({}))), wanted);
        assert_eq!(code(world.fail(id, json!("x"))), wanted);
        assert_eq!(code(world.cancel(id)), wanted);
        assert_eq!(code(request(&mut world, id, None)), wanted);
        assert_eq!(code(world.tracker.manage(id)), wanted);
        assert_eq!(code(world.tracker.cleanup(&mut world.wheel, id)), wanted);
        if wanted == ErrorCode::SessionCancelled {
            let again = world.tracker.create_session_with_id(
                now,
                &mut world.wheel,
                id,
                SessionOptions::default(),
            );
            assert_eq!(code(again), wanted);
        }
        assert!(world.listed(None).is_empty());
        assert_eq!(world.tracker.active_sessions(), 0);
        assert!(world.events().is_empty());
        world.advance(300_000);
    }
    assert!(world.wheel.is_empty());
}

#[test]
fn reasons_are_cleaned_and_limited() {
    let mut world = World::new();
    for (given, told) in [
        ("wrong\r\nfile\u{1b}", "wrong file"),
        ("", "user_requested"),
        ("\u{0}\n", "user_requested"),
    ] {
        let id = world.create(json!({}));
        world.outputs();
        request(&mut world, id, Some(given)).unwrap();
        assert_eq!(world.event("import_cancelled")["reason"], told);
    }
    let id = world.create(json!({}));
    let refused = request(&mut world, id, Some(&"x".repeat(1_025)));
    assert_eq!(code(refused), ErrorCode::PayloadTooLarge);
    request(&mut world, id, Some(&"x".repeat(1_024))).unwrap();
}

#[test]
fn a_session_that_nobody_manages_is_cancelled_on_request() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.outputs();
    let CancelRequest::Done(session) = request(&mut world, id, Some("enough")).unwrap() else {
        panic!("nobody is there to be asked")
    };
    assert!(session.contains(r#""reason":"enough""#));
    assert_eq!(world.event("import_cancelled")["reason"], "enough");
}

#[test]
fn the_managing_host_is_asked_once_and_its_answer_is_for_all_who_asked() {
    let mut world = World::new();
    let id = managed(&mut world);
    assert_eq!(
        request(&mut world, id, Some("enough")),
        Ok(CancelRequest::Asked)
    );
    assert_eq!(
        request(&mut world, id, Some("me too")),
        Ok(CancelRequest::Asked)
    );
    let reason = "enough".to_owned();
    assert_eq!(world.outputs(), [Output::CancelAsked { id, reason }]);
    // Work goes on until the host has come to a stop.
    world
        .update(id, 0.5, json!({"processed_rows": 40}))
        .unwrap();
    world.event("import_progress");

    let rolled_back = json!({"processed_rows": 41, "rolled_back": true});
    let session = world
        .tracker
        .cancel_session(
            world.now,
            &mut world.wheel,
            id,
            None,
            Some(object(rolled_back)),
        )
        .unwrap();
    let outputs = world.outputs();
    assert_eq!(outputs.len(), 2);
    let Output::Emit { payload, .. } = &outputs[0] else {
        panic!("the event comes before the answers")
    };
    assert!(payload.contains(
        r#""reason":"enough","partial_results":{"processed_rows":41,"completion_percentage":0.5,"rolled_back":true}"#
    ));
    let answer = Ok(session);
    assert_eq!(outputs[1], Output::CancelAnswered { id, answer });
}

#[test]
fn who_asked_too_late_is_told_that_the_session_has_ended() {
    for fails in [false, true] {
        let mut world = World::new();
        let id = managed(&mut world);
        request(&mut world, id, None).unwrap();
        world.outputs();
        if fails {
            world.fail(id, json!("x")).unwrap();
        } else {
            world.complete(id, json!({})).unwrap();
        }
        let outputs = world.outputs();
        let Output::CancelAnswered { answer, .. } = &outputs[1] else {
            panic!("{outputs:?}")
        };
        assert_eq!(code(answer.clone()), ErrorCode::SessionEnded);
    }
}

#[test]
fn nobody_is_answered_when_nobody_asked() {
    let mut world = World::new();
    let id = managed(&mut world);
    world.cancel(id).unwrap();
    assert_eq!(world.outputs().len(), 1);
}

#[test]
fn a_session_without_update_for_30_minutes_ends_as_stale() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.advance(10 * 60_000);
    world.update(id, 0.5, json!({})).unwrap();
    world.outputs();
    assert_eq!(world.wheel.len(), 1, "updates arm no timer");
    world.advance(30 * 60_000 - 1);
    assert!(world.outputs().is_empty());
    world.advance(1);
    let event = world.event("import_cancelled");
    assert_eq!(event["reason"], "stale");
    assert_eq!(event["partial_results"]["completion_percentage"], 0.5);
    assert_eq!(event["cleanup_performed"], true);
    assert_eq!(
        code(world.tracker.session(world.now, id)),
        ErrorCode::SessionCancelled
    );
}

#[test]
fn the_host_of_a_stale_session_is_asked_and_ends_it() {
    let mut world = World::new();
    let options = SessionOptions {
        managed: true,
        ..SessionOptions::default()
    };
    let id = world
        .tracker
        .create_session(world.now, &mut world.wheel, [1; 16], options)
        .unwrap();
    world.outputs();
    world.advance(30 * 60_000);
    let reason = "stale".to_owned();
    assert_eq!(world.outputs(), [Output::CancelAsked { id, reason }]);
    assert_eq!(
        world
            .tracker
            .cleanup_stale_sessions(world.now, &mut world.wheel),
        0
    );
    world.cancel(id).unwrap();
    assert_eq!(world.events()[0].1["reason"], "stale");
}

#[test]
fn stale_sessions_can_be_cleaned_up_by_hand() {
    let mut world = World::new();
    let old = world.create(json!({}));
    let deadline_ms = world.now.mono_ms + 30 * 60_000;
    // A host whose timers do not fire.
    world.step_to(deadline_ms);
    let young = world.create(json!({}));
    world.outputs();
    assert_eq!(
        world
            .tracker
            .cleanup_stale_sessions(world.now, &mut world.wheel),
        1
    );
    let event = world.event("import_cancelled");
    assert_eq!(event["sessionId"], old.to_string());
    assert_eq!(event["reason"], "stale");
    assert_eq!(world.listed(None), [young.to_string()]);
    assert_eq!(
        world
            .tracker
            .cleanup_stale_sessions(world.now, &mut world.wheel),
        0
    );
}

#[test]
fn a_managed_session_takes_nothing_but_a_cancellation_from_outside() {
    let mut world = World::new();
    let id = world.create(json!({}));
    assert_eq!(world.tracker.check_unmanaged(id), Ok(()));
    world.tracker.manage(id).unwrap();
    assert_eq!(
        code(world.tracker.check_unmanaged(id)),
        ErrorCode::SessionManaged
    );
    assert_eq!(request(&mut world, id, None), Ok(CancelRequest::Asked));
    // Its host goes on as before.
    world.update(id, 0.5, json!({})).unwrap();
    world.complete(id, json!({})).unwrap();
}
