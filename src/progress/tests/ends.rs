//! Completing and failing, and what is left afterwards.

use serde_json::json;

use super::*;

#[test]
fn a_completion_lifts_the_known_parts_of_the_result_and_keeps_the_rest_beside() {
    let mut world = World::new();
    let id = world.create(json!({"operation": "vulnerability_import"}));
    world.outputs();
    let result = json!({
        "import_id": 47, "total_processed": 1500, "processing_time_ms": 4250,
        "summary": {"new_vulnerabilities": 78}, "performance": {"rows_per_second": 353}, "note": "fine",
    });
    world.complete(id, result.clone()).unwrap();
    let [Output::Emit { payload, .. }] = &world.outputs()[..] else {
        panic!("one event was expected")
    };
    assert_eq!(
        *payload,
        format!(
            concat!(
                r#"{{"sessionId":"{}","operation":"vulnerability_import","success":true,"import_id":47,"#,
                r#""total_processed":1500,"processing_time_ms":4250,"summary":{{"new_vulnerabilities":78}},"#,
                r#""performance":{{"rows_per_second":353}},"timestamp":"2025-01-12T10:30:00.000Z","#,
                r#""result":{{"note":"fine"}},"status":"completed","seq":{}}}"#
            ),
            id,
            START_UNIX_MS + 1
        )
    );

    let session = world.session(id);
    assert_eq!(session["result"], result);
    assert_eq!(session["progress"], 1.0);
    for (name, value) in [
        ("status", json!("completed")),
        ("success", json!(true)),
        ("import_id", json!(47)),
        ("summary", json!({"new_vulnerabilities": 78})),
        ("timestamp", json!("2025-01-12T10:30:00.000Z")),
        ("lastUpdate", json!(START_UNIX_MS)),
        ("createdAt", json!(START_UNIX_MS)),
        ("endedAt", json!(START_UNIX_MS)),
        ("stalled", json!(false)),
        ("seq", json!(START_UNIX_MS + 1)),
    ] {
        assert_eq!(session[name], value, "{name}");
    }
    assert!(session.get("eta_seconds").is_none());
}

#[test]
fn what_a_result_lacks_is_measured_or_null() {
    let mut world = World::new();
    let id = world.create(json!({"processedRows": 5}));
    world.outputs();
    world.advance(1_234);
    world
        .complete(id, json!({"total_processed": null}))
        .unwrap();
    let event = world.event("import_complete");
    assert_eq!(
        event,
        json!({
            "sessionId": id.to_string(), "operation": null, "success": true, "import_id": null,
            "total_processed": 5, "processing_time_ms": 1234, "summary": null, "performance": null,
            "timestamp": "2025-01-12T10:30:01.234Z", "status": "completed", "seq": START_UNIX_MS + 1_234,
        })
    );
    assert_eq!(
        world.session(id)["result"],
        json!({"total_processed": null})
    );
}

#[test]
fn a_progress_that_waits_is_dropped_and_the_terminal_event_carries_the_last_figures() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.update(id, 0.1, json!({"processed_rows": 1})).unwrap();
    world.update(id, 0.9, json!({"processed_rows": 9})).unwrap();
    world.complete(id, json!({})).unwrap();
    world.advance(1_000);
    let events = world.events();
    let names: Vec<_> = events.iter().map(|(event, _)| *event).collect();
    assert_eq!(
        names,
        ["session_created", "import_progress", "import_complete"]
    );
    assert_eq!(events[2].1["total_processed"], 9);
    assert_eq!(events[2].1["seq"], START_UNIX_MS + 3);
}

#[test]
fn an_error_may_be_a_text() {
    let mut world = World::new();
    let id = world.create(json!({"processed_rows": 3}));
    world.outputs();
    world.fail(id, json!("the disk is full")).unwrap();
    let [Output::Emit { payload, .. }] = &world.outputs()[..] else {
        panic!("one event was expected")
    };
    assert_eq!(
        *payload,
        format!(
            concat!(
                r#"{{"sessionId":"{}","operation":null,"success":false,"#,
                r#""error":{{"code":"UNKNOWN_ERROR","message":"the disk is full"}},"#,
                r#""partial_results":{{"processed_rows":3}},"timestamp":"2025-01-12T10:30:00.000Z","#,
                r#""status":"error","seq":{}}}"#
            ),
            id,
            START_UNIX_MS + 1
        )
    );
}

#[test]
fn an_error_may_be_told_in_full() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.outputs();
    let error = json!({
        "code": "CSV_PARSING_ERROR", "message": "Invalid CSV format detected",
        "details": {"line_number": 157}, "recovery_suggestions": ["Check the file"],
    });
    let partial = json!({"processed_rows": 156, "successful_imports": 145, "failed_rows": 11});
    world
        .tracker
        .error_session(
            world.now,
            &mut world.wheel,
            id,
            error.clone(),
            Some(object(partial.clone())),
        )
        .unwrap();
    let event = world.event("import_error");
    assert_eq!(event["error"], error);
    assert_eq!(event["partial_results"], partial);
    let session = world.session(id);
    assert_eq!(session["error"], error);
    assert_eq!(session["partial_results"], partial);
    assert_eq!(session["success"], false);
    assert_eq!(session["status"], "error");
    assert_eq!(session["result"], json!(null));
}

#[test]
fn errors_of_another_shape_are_refused() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.outputs();
    for (error, message) in [
        (
            json!(null),
            "error must be text or an object with code and message",
        ),
        (
            json!(["x"]),
            "error must be text or an object with code and message",
        ),
        (
            json!({"message": "x"}),
            "error.code must be text that is not empty",
        ),
        (
            json!({"code": "X", "message": 7}),
            "error.message must be text that is not empty",
        ),
        (
            json!({"code": "X", "message": "x", "recovery_suggestions": "pray"}),
            "error.recovery_suggestions must be a list of texts",
        ),
    ] {
        assert_eq!(world.fail(id, error).unwrap_err().message, message);
    }
    assert!(world.outputs().is_empty());
    assert_eq!(world.tracker.status(id), Ok(Status::Processing));
}

#[test]
fn results_and_errors_have_64_kib() {
    let mut world = World::new();
    let id = world.create(json!({}));
    let result = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
    assert_eq!(
        code(world.complete(id, result(65_537))),
        ErrorCode::PayloadTooLarge
    );
    let too_long = json!("x".repeat(65_536));
    assert_eq!(code(world.fail(id, too_long)), ErrorCode::PayloadTooLarge);
    let half = result(40_000);
    let error = json!({"code": "X", "message": "x".repeat(40_000)});
    let both =
        world
            .tracker
            .error_session(world.now, &mut world.wheel, id, error, Some(object(half)));
    assert_eq!(code(both), ErrorCode::PayloadTooLarge);
    world.complete(id, result(65_536)).unwrap();
}

#[test]
fn nothing_changes_a_session_that_has_ended() {
    let mut world = World::new();
    for ending in [Status::Completed, Status::Error] {
        let id = world.create(json!({}));
        match ending {
            Status::Completed => world.complete(id, json!({})).unwrap(),
            _ => world.fail(id, json!("x")).unwrap(),
        }
        let before = world.session(id);
        world.outputs();
        let now = world.now;
        assert_eq!(
            code(world.update(id, 0.5, json!({}))),
            ErrorCode::SessionEnded
        );
        assert_eq!(code(world.complete(id, json!({}))), ErrorCode::SessionEnded);
        assert_eq!(code(world.fail(id, json!("x"))), ErrorCode::SessionEnded);
        assert_eq!(code(world.cancel(id)), ErrorCode::SessionEnded);
        let asked = world
            .tracker
            .request_cancel(now, &mut world.wheel, id, None);
        assert_eq!(code(asked), ErrorCode::SessionEnded);
        assert_eq!(code(world.tracker.manage(id)), ErrorCode::SessionEnded);
        assert_eq!(
            code(world.tracker.check_unmanaged(id)),
            ErrorCode::SessionEnded
        );
        assert_eq!(world.session(id), before);
        assert_eq!(world.tracker.status(id), Ok(ending));
        assert!(world.outputs().is_empty());
    }
}

#[test]
fn ended_sessions_stay_readable_for_5_minutes() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.complete(id, json!({})).unwrap();
    world.outputs();
    world.advance(299_999);
    assert_eq!(world.listed(None).len(), 1);
    assert_eq!(world.session(id)["status"], "completed");
    world.advance(1);
    assert_eq!(world.outputs(), [Output::Forgotten { id }]);
    assert_eq!(
        code(world.tracker.session(world.now, id)),
        ErrorCode::SessionNotFound
    );
    assert_eq!(
        code(world.update(id, 0.5, json!({}))),
        ErrorCode::SessionNotFound
    );
    assert_eq!(world.tracker.held_sessions(), 0);
    assert!(world.wheel.is_empty(), "no timer of the session is left");
}

#[test]
fn results_and_errors_are_cleaned_at_every_level() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.outputs();
    for wrong in [
        json!({"__proto__": 1}),
        json!({"summary": [{"constructor": {}}]}),
    ] {
        let refused = world.complete(id, wrong.clone());
        assert_eq!(code(refused), ErrorCode::InvalidArgument);
        let error = json!({"code": "X", "message": "x", "details": wrong});
        assert_eq!(code(world.fail(id, error)), ErrorCode::InvalidArgument);
        let partial = Some(object(wrong));
        let (now, wheel) = (world.now, &mut world.wheel);
        let refused = world
            .tracker
            .error_session(now, wheel, id, json!("x"), partial.clone());
        assert_eq!(code(refused), ErrorCode::InvalidArgument);
        let refused = world.tracker.cancel_session(now, wheel, id, None, partial);
        assert_eq!(code(refused), ErrorCode::InvalidArgument);
    }
    let empty = json!({"code": "\u{7}", "message": "x"});
    assert_eq!(
        world.fail(id, empty).unwrap_err().message,
        "error.code must be text that is not empty"
    );
    let error =
        json!({"code": "X", "message": "a\u{202e}b\u{1b}", "details": {"c": ["\u{2066}d"]}});
    world.fail(id, error).unwrap();
    let wanted = json!({"code": "X", "message": "ab", "details": {"c": ["d"]}});
    assert_eq!(world.event("import_error")["error"], wanted);
    assert_eq!(world.session(id)["error"], wanted);
}

#[test]
fn an_ended_session_says_the_same_for_as_long_as_it_is_remembered() {
    let mut world = World::new();
    let id = world.create(json!({"processed_rows": 0, "note": "kept"}));
    world.advance(3_000);
    world
        .update(id, 0.5, json!({"processed_rows": 30}))
        .unwrap();
    world.complete(id, json!({"summary": {"a": 1}})).unwrap();
    let read = world.session(id);
    assert_eq!(read["metadata"]["processing_speed"], "10 rows/sec");
    assert_eq!(read["metadata"]["note"], "kept");
    world.advance(299_000);
    assert_eq!(world.session(id), read);
}
