//! Creating, updating, reading and forgetting sessions.

use serde_json::json;

use super::*;

#[test]
fn a_created_session_is_announced_and_has_an_id_of_version_4() {
    let mut world = World::new();
    let id = world.create(json!({"operation": "vulnerability_import", "filename": "data.csv"}));
    assert_eq!(id.get_version_num(), 4);
    let [Output::Emit {
        event,
        session,
        recipients,
        payload,
    }] = &world.outputs()[..]
    else {
        panic!("one event was expected")
    };
    assert_eq!(
        (*event, *session, *recipients),
        ("session_created", Some(id), Recipients::Everybody)
    );
    assert_eq!(
        *payload,
        format!(
            concat!(
                r#"{{"sessionId":"{}","#,
                r#""metadata":{{"filename":"data.csv","operation":"vulnerability_import"}},"#,
                r#""timestamp":"2025-01-12T10:30:00.000Z","seq":{}}}"#
            ),
            id, START_UNIX_MS
        )
    );
}

#[test]
fn an_id_of_ones_own_is_given_out_in_lower_case_and_never_overwritten() {
    let mut world = World::new();
    let id = session_id_argument("1B4E28BA-2FA1-11D2-883F-0016D3CCA427").unwrap();
    let create = |world: &mut World| {
        let options = options(json!({"a": 1}));
        world
            .tracker
            .create_session_with_id(world.now, &mut world.wheel, id, options)
    };
    create(&mut world).unwrap();
    let created = world.event("session_created");
    assert_eq!(created["sessionId"], "1b4e28ba-2fa1-11d2-883f-0016d3cca427");

    world.update(id, 0.5, json!({})).unwrap();
    assert_eq!(code(create(&mut world)), ErrorCode::SessionExists);
    assert_eq!(world.session(id)["progress"], 0.5);
    world.complete(id, json!({})).unwrap();
    assert_eq!(code(create(&mut world)), ErrorCode::SessionExists);
    world.advance(300_000);
    create(&mut world).unwrap();
}

#[test]
fn progress_tells_the_documented_fields_in_their_order() {
    let mut world = World::new();
    let id = world.create(json!({
        "operation": "vulnerability_import", "filename": "scan.csv", "totalRows": 1500, "vendor": "tenable",
    }));
    world.update(id, 0.0, json!({"processed_rows": 0})).unwrap();
    world.outputs();
    world.advance(15_000);
    let metadata = json!({"current_step": "Processing CSV data", "processed_rows": 975});
    world.update(id, 0.65, metadata).unwrap();
    let [Output::Emit { payload, .. }] = &world.outputs()[..] else {
        panic!("one event was expected")
    };
    assert_eq!(
        *payload,
        format!(
            concat!(
                r#"{{"sessionId":"{}","operation":"vulnerability_import","progress":0.65,"#,
                r#""current_step":"Processing CSV data","processed_rows":975,"total_rows":1500,"#,
                r#""eta_seconds":8,"status":"processing","metadata":{{"filename":"scan.csv","vendor":"tenable","#,
                r#""processing_speed":"65 rows/sec","estimatedCompletion":"2025-01-12T10:30:23.000Z"}},"#,
                r#""timestamp":"2025-01-12T10:30:15.000Z","seq":1736677815000}}"#
            ),
            id
        )
    );
}

#[test]
fn what_is_not_known_is_null() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.outputs();
    world.update(id, 0.5, json!({})).unwrap();
    let event = world.event("import_progress");
    for name in [
        "operation",
        "current_step",
        "processed_rows",
        "total_rows",
        "eta_seconds",
    ] {
        assert_eq!(event.get(name), Some(&json!(null)), "{name}");
    }
    let metadata = json!({"processing_speed": null, "estimatedCompletion": null});
    assert_eq!(event["metadata"], metadata);
}

#[test]
fn the_producers_own_estimate_counts() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.outputs();
    world.advance(10_000);
    world.update(id, 0.5, json!({"etaSeconds": 90})).unwrap();
    let event = world.event("import_progress");
    assert_eq!(event["eta_seconds"], 90);
    assert_eq!(
        event["metadata"]["estimatedCompletion"],
        "2025-01-12T10:31:40.000Z"
    );
}

#[test]
fn progress_is_clamped_and_never_goes_back_while_metadata_is_still_taken() {
    let mut world = World::new();
    let id = world.create(json!({}));
    for (given, kept) in [
        (-3.0, 0.0),
        (-0.0, 0.0),
        (0.4, 0.4),
        (0.2, 0.4),
        (7.0, 1.0),
        (0.9, 1.0),
    ] {
        world.update(id, given, json!({"given": given})).unwrap();
        let session = world.session(id);
        assert_eq!(
            session["progress"].to_string(),
            json!(kept).to_string(),
            "{given}"
        );
        assert_eq!(session["metadata"]["given"], given);
    }
}

#[test]
fn a_progress_that_is_no_finite_number_changes_nothing() {
    let mut world = World::new();
    let id = world.create(json!({}));
    let before = world.session(id);
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = world.update(id, wrong, json!({"a": 1}));
        assert_eq!(code(refused), ErrorCode::InvalidArgument);
    }
    assert_eq!(world.session(id), before);
}

#[test]
fn metadata_over_its_limits_changes_nothing() {
    let mut world = World::new();
    let id = world.create(json!({"a": "x".repeat(16_000)}));
    let before = world.session(id);
    let refused = world.update(id, 0.5, json!({"b": "x".repeat(1_000)}));
    assert_eq!(code(refused), ErrorCode::PayloadTooLarge);
    let mut deep = json!(1);
    for _ in 0..15 {
        deep = json!([deep]);
    }
    let refused = world.update(id, 0.5, json!({"a": null, "deep": [deep.clone()]}));
    assert_eq!(code(refused), ErrorCode::InvalidArgument);
    assert_eq!(world.session(id), before);
    world
        .update(id, 0.5, json!({"a": null, "deep": deep}))
        .unwrap();
}

#[test]
fn the_session_object_carries_everything() {
    let mut world = World::new();
    let id = world.create(json!({"operation": "copy", "processedRows": 0}));
    world.advance(1_000);
    world.update(id, 0.25, json!({"processedRows": 7})).unwrap();
    world.advance(30_000);
    assert_eq!(
        world.session(id),
        json!({
            "id": id.to_string(), "sessionId": id.to_string(), "progress": 0.25,
            "lastUpdate": START_UNIX_MS + 1_000,
            "metadata": {"operation": "copy", "processedRows": 7, "processing_speed": "0.2 rows/sec"},
            "status": "processing", "result": null, "seq": START_UNIX_MS + 1_000,
            "createdAt": START_UNIX_MS, "endedAt": null, "stalled": true,
            "operation": "copy", "current_step": null, "processed_rows": 7, "total_rows": null,
            "eta_seconds": null, "timestamp": "2025-01-12T10:30:31.000Z",
        })
    );
}

#[test]
fn a_session_is_stalled_after_30_seconds_without_an_update() {
    let mut world = World::new();
    let id = world.create(json!({}));
    world.advance(29_999);
    assert_eq!(world.session(id)["stalled"], false);
    world.advance(1);
    assert_eq!(world.session(id)["stalled"], true);
    world.update(id, 0.1, json!({})).unwrap();
    assert_eq!(world.session(id)["stalled"], false);
    world.complete(id, json!({})).unwrap();
    world.advance(40_000);
    assert_eq!(world.session(id)["stalled"], false);
}

#[test]
fn lists_have_the_newest_first_and_can_be_filtered() {
    let mut world = World::new();
    let ids: Vec<Uuid> = (0..4).map(|_| world.create(json!({}))).collect();
    world.complete(ids[0], json!({})).unwrap();
    world.tracker.cleanup(&mut world.wheel, ids[0]).unwrap();
    world.complete(ids[1], json!({})).unwrap();
    world.fail(ids[2], json!("no disk")).unwrap();
    // Takes the place of the first one, and is still the newest.
    let newest = world.create(json!({}));
    world.cancel(ids[3]).unwrap();

    let text = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect::<Vec<_>>();
    assert_eq!(world.listed(None), text(&[newest, ids[2], ids[1]]));
    assert_eq!(world.listed(Some(Status::Completed)), text(&[ids[1]]));
    assert_eq!(world.listed(Some(Status::Error)), text(&[ids[2]]));
    assert_eq!(world.listed(Some(Status::Processing)), text(&[newest]));
    assert!(world.listed(Some(Status::Cancelled)).is_empty());
    assert_eq!(world.tracker.active_sessions(), 1);
    assert_eq!(world.tracker.held_sessions(), 4);
}

#[test]
fn one_session_more_than_allowed_takes_the_place_of_one_that_ended_or_was_never_used() {
    let mut world = World::with(ProgressConfig {
        max_sessions: 3,
        ..ProgressConfig::default()
    });
    let create = |world: &mut World, number: u8| {
        let options = SessionOptions::default();
        let created =
            world
                .tracker
                .create_session(world.now, &mut world.wheel, [number; 16], options);
        created.map_err(|error| error.code)
    };
    let [used, managed, idle, second, third] =
        [1, 2, 3, 4, 5].map(|number| uuid::Builder::from_random_bytes([number; 16]).into_uuid());
    for number in [1, 2, 3] {
        create(&mut world, number).unwrap();
    }
    world.update(used, 0.1, json!({})).unwrap();
    world.tracker.manage(managed).unwrap();
    world.outputs();

    // The one that was never used is told of, and forgotten.
    create(&mut world, 4).unwrap();
    let told = world.outputs();
    assert!(
        matches!(&told[0], Output::Emit { event: "import_cancelled", session: Some(id), payload, .. }
        if *id == idle && payload.contains(r#""reason":"evicted""#))
    );
    assert_eq!(told[1], Output::Forgotten { id: idle });
    // Where all are in use, one more is too many.
    world.update(second, 0.1, json!({})).unwrap();
    assert_eq!(create(&mut world, 5), Err(ErrorCode::ServerOverload));
    // What has ended goes before its time.
    world.complete(used, json!({})).unwrap();
    create(&mut world, 5).unwrap();
    assert_eq!(
        code(world.tracker.session(world.now, used)),
        ErrorCode::SessionNotFound
    );
    assert_eq!(world.tracker.active_sessions(), 3);
    assert!(world.tracker.session(world.now, third).is_ok());
}

#[test]
fn cleanup_forgets_an_ended_session_without_an_event() {
    let mut world = World::new();
    let id = world.create(json!({}));
    assert_eq!(
        code(world.tracker.cleanup(&mut world.wheel, id)),
        ErrorCode::SessionActive
    );
    world.complete(id, json!({})).unwrap();
    world.outputs();
    world.tracker.cleanup(&mut world.wheel, id).unwrap();
    assert_eq!(world.outputs(), [Output::Forgotten { id }]);
    assert_eq!(
        code(world.tracker.session(world.now, id)),
        ErrorCode::SessionNotFound
    );
    assert_eq!(
        code(world.tracker.cleanup(&mut world.wheel, id)),
        ErrorCode::SessionNotFound
    );
    assert!(world.wheel.is_empty());
}

#[test]
fn the_audience_of_server_and_session_governs_all_events_of_a_session() {
    for (server, own, private) in [
        (Audience::Everybody, None, false),
        (Audience::Everybody, Some(Audience::Trackers), true),
        (Audience::Trackers, None, true),
        (Audience::Trackers, Some(Audience::Everybody), false),
    ] {
        let mut world = World::with(ProgressConfig {
            audience: server,
            heartbeat_ms: 0,
            ..ProgressConfig::default()
        });
        let options = SessionOptions {
            audience: own,
            ..SessionOptions::default()
        };
        let id = world
            .tracker
            .create_session(world.now, &mut world.wheel, [1; 16], options)
            .unwrap();
        world.update(id, 0.5, json!({})).unwrap();
        world.complete(id, json!({})).unwrap();
        let outputs = world.outputs();
        assert_eq!(outputs.len(), 3);
        let wanted = if private {
            Recipients::Session(id)
        } else {
            Recipients::Everybody
        };
        for output in outputs {
            assert!(matches!(output, Output::Emit { recipients, .. } if recipients == wanted));
        }
    }
}

#[test]
fn notices_go_to_everybody() {
    let mut world = World::with(ProgressConfig {
        audience: Audience::Trackers,
        ..ProgressConfig::default()
    });
    let alert = object(json!({"level": "info", "category": "system", "message": "hello"}));
    world.tracker.system_alert(world.now, alert).unwrap();
    let update = object(json!({"type": "tickets", "action": "created"}));
    world.tracker.data_updated(world.now, update).unwrap();
    let refused = world.tracker.data_updated(world.now, JsonObject::new());
    assert_eq!(code(refused), ErrorCode::InvalidArgument);
    let outputs = world.outputs();
    let sent: Vec<_> = outputs
        .iter()
        .map(|output| match output {
            Output::Emit {
                event,
                session: None,
                recipients: Recipients::Everybody,
                ..
            } => *event,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sent, ["system_alert", "data_updated"]);
}
