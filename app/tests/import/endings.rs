//! Imports that are not completed: failed, cancelled, refused, killed.

use std::cell::RefCell;
use std::thread;

use bytes::Bytes;
use pulsewheel_app::import::{
    pipe, run, Canceller, RequestError, Upload, STEP_MERGING, STEP_READING, STEP_WAITING,
};
use pulsewheel_app::severity::Severity;
use pulsewheel_app::store::{
    ImportStatus, MergePlan, NewImport, Record, Resolve, Seen, StagedHost, Store,
};

use serde_json::json;

use crate::harness::{
    form, form_with_part_behind, part, scan, world_with_findings, Recorder, Told, World, BOUNDARY,
    SESSION,
};

#[test]
fn i70_i71_too_many_invalid_rows_fail_the_import_at_its_end() {
    let (world, before) = world_with_findings();
    let bad = "x,bad,Terrible\n".repeat(101);
    let file = format!("host,title,severity\n{bad}{}", "y,good,Low\n".repeat(1_918));
    let recorder = world.import(file.as_bytes());
    let failed = recorder.failed_import();
    assert_eq!(failed.error.code, "TOO_MANY_INVALID_ROWS");
    let details = failed.error.details.as_ref().unwrap();
    assert_eq!(
        (
            details["line_number"].as_u64(),
            details["received_value"].as_str()
        ),
        (Some(2), Some("Terrible"))
    );
    let partial = &failed.partial_results;
    assert_eq!(
        (
            partial.processed_rows,
            partial.successful_imports,
            partial.failed_rows
        ),
        (2_019, 1_918, 101)
    );
    assert!(partial.rolled_back);
    assert_eq!(format!("{:?}", world.findings()), before);

    let at_the_limit = format!("host,title,severity\n{bad}{}", "y,good,Low\n".repeat(1_919));
    assert_eq!(
        world
            .import(at_the_limit.as_bytes())
            .completed_import()
            .summary
            .validation_errors,
        101
    );
}

#[test]
fn i68_i69_i71_a_file_without_a_valid_row_fails_and_says_why() {
    let (world, before) = world_with_findings();
    let bad = "x,bad,Terrible\n".repeat(23);
    let file = format!("host,title,severity\n,lost,High\n{bad}x,,Low\n");
    let recorder = world.import(file.as_bytes());
    let failed = recorder.failed_import();
    assert_eq!(failed.error.code, "NO_VALID_ROWS");
    let details = failed.error.details.as_ref().unwrap();
    assert_eq!(details["rejections"].as_array().unwrap().len(), 20);
    assert_eq!(
        details["rejections"][1],
        json!({ "line_number": 3, "column": "severity", "received_value": "Terrible", "reason": "unknown_severity" })
    );
    assert_eq!(
        details["rejections_by_reason"],
        json!({ "missing_host": 1, "unknown_severity": 23, "missing_finding": 1 })
    );
    assert_eq!(failed.partial_results.failed_rows, 25);
    assert_eq!(
        world.history()[0].error.as_ref().unwrap()["details"],
        *details
    );
    assert_eq!(format!("{:?}", world.findings()), before);

    let passed = world.import(b"host,title,severity\nx,one,PASSED\n");
    assert_eq!(passed.completed_import().summary.skipped_rows, 1);
    let header = world.import(b"host,title,severity\n");
    assert_eq!(header.failed_import().error.code, "CSV_EMPTY");
}

#[test]
fn i68_a_value_that_was_rejected_is_told_up_to_200_characters() {
    let long = "ß".repeat(300);
    let file = format!("host,title,severity\na,x,{long}\na,y,Low\n");
    let summary = serde_json::to_value(
        &World::new()
            .import(file.as_bytes())
            .completed_import()
            .summary,
    );
    let rejection = &summary.unwrap()["rejections"][0];
    assert_eq!(rejection["received_value"], long[..400]);
}

#[test]
fn a_cancelled_import_leaves_the_findings_as_they_were_in_whatever_step() {
    for step in [STEP_READING, STEP_MERGING] {
        let (world, before) = world_with_findings();
        let canceller: RefCell<Option<Canceller>> = RefCell::new(None);
        let rows_at_cancel = RefCell::new(None);
        let mut recorder = Recorder {
            on_progress: Some(Box::new(|progress| {
                if progress.step == step
                    && rows_at_cancel.borrow().is_none()
                    && progress.processed_rows > 0
                {
                    assert!(canceller.borrow().as_ref().unwrap().cancel());
                    *rows_at_cancel.borrow_mut() = Some(progress.processed_rows);
                }
            })),
            ..Recorder::default()
        };
        world.import_with(&form(&scan(20_000), ""), true, &mut recorder, |c| {
            *canceller.borrow_mut() = Some(c)
        });
        let cancelled = recorder.cancelled_import().clone();
        assert!(recorder.answer().is_ok());
        drop(recorder);
        let asked_at = rows_at_cancel.borrow().unwrap();
        assert!(
            cancelled.processed_rows - asked_at < 1_000,
            "{step}: {asked_at}, {}",
            cancelled.processed_rows
        );
        assert!(cancelled.completion_percentage < 1.0);
        assert_eq!(format!("{:?}", world.findings()), before, "{step}");
        let entry = &world.history()[0];
        assert_eq!(
            (entry.status, &entry.summary, &entry.error),
            (ImportStatus::Cancelled, &None, &None)
        );
        assert_eq!(Some(entry.import_id), cancelled.import_id);
        assert_eq!(
            world.import(&scan(100)).completed_import().total_processed,
            100,
            "the next import is none the worse"
        );
    }
}

#[test]
fn a_cancellation_takes_effect_while_the_upload_stands_still() {
    let world = World::new();
    let (sender, body) = pipe(|| {});
    let upload = form(&scan(1_000), "");
    sender.push(Bytes::copy_from_slice(&upload[..upload.len() / 2]));
    let job = Upload {
        body,
        boundary: BOUNDARY.to_owned(),
        declared_bytes: Some(upload.len() as u64),
        query: Vec::new(),
    };
    let turn = world
        .queue
        .join("", pulsewheel_app::import::MAX_IMPORTS)
        .unwrap();
    thread::scope(|scope| {
        let import = scope.spawn(|| {
            let mut recorder = Recorder::default();
            run(job, turn, &world.store, &|| None, &mut recorder);
            recorder.told
        });
        assert!(sender.canceller().cancel());
        // What still arrives is thrown away, and the request is answered after it.
        sender.push(Bytes::copy_from_slice(&upload[upload.len() / 2..]));
        sender.finish();
        let told = import.join().unwrap();
        let cancelled = told
            .iter()
            .position(|told| matches!(told, Told::Cancelled(_)));
        // The cancellation may come before the form was begun: then there is no import.
        match cancelled {
            Some(_) => assert!(matches!(told.last(), Some(Told::TakenIn(Ok(_))))),
            None => assert_eq!(told, [Told::TakenIn(Err(RequestError::Aborted))]),
        }
    });
    assert!(world.findings().is_empty());
}

#[test]
fn an_upload_that_breaks_off_or_grows_too_large_fails_the_import() {
    for (too_large, code, error) in [
        (true, "PAYLOAD_TOO_LARGE", RequestError::TooLarge),
        (false, "CSV_PARSING_ERROR", RequestError::Aborted),
    ] {
        let world = World::new();
        let (sender, body) = pipe(|| {});
        let upload = form(&scan(3_000), "");
        let job = Upload {
            body,
            boundary: BOUNDARY.to_owned(),
            declared_bytes: None,
            query: Vec::new(),
        };
        let turn = world
            .queue
            .join("", pulsewheel_app::import::MAX_IMPORTS)
            .unwrap();
        sender.push(Bytes::copy_from_slice(&upload[..upload.len() / 2]));
        let mut recorder = Recorder {
            on_file_started: Some(Box::new(|| {
                if too_large {
                    sender.too_large()
                } else {
                    sender.abort()
                }
            })),
            ..Recorder::default()
        };
        run(job, turn, &world.store, &|| None, &mut recorder);
        assert_eq!(recorder.failed_import().error.code, code);
        assert_eq!(recorder.answer(), &Err(error));
        drop(recorder);
        assert!(world.findings().is_empty());
        assert_eq!(world.history()[0].status, ImportStatus::Error);
    }
}

#[test]
fn a_form_that_turns_out_bad_behind_its_file_fails_the_import_and_the_request() {
    let world = World::new();
    let late = form_with_part_behind(&scan(10), &part("sessionId", SESSION));
    let recorder = world.import_form(&late, true);
    assert_eq!(recorder.answer(), &Err(RequestError::SessionIdAfterFile));
    assert_eq!(recorder.failed_import().error.code, "INVALID_ARGUMENT");

    let whole = form(&scan(10), "");
    let recorder = world.import_form(&whole[..whole.len() - 40], true);
    assert!(
        matches!(recorder.answer(), Err(RequestError::Malformed(_))),
        "{:?}",
        recorder.answer()
    );
    assert!(world.findings().is_empty());
}

#[test]
fn a_session_that_the_host_refuses_ends_the_request_without_an_import() {
    let world = World::new();
    let refusal = RequestError::SessionRefused {
        status: 409,
        code: "SESSION_EXISTS",
        message: "in use".into(),
    };
    let mut recorder = Recorder {
        refusal: Some(refusal.clone()),
        ..Recorder::default()
    };
    world.import_with(
        &form(&scan(10), &part("sessionId", SESSION)),
        true,
        &mut recorder,
        |_| {},
    );
    assert_eq!(recorder.answer(), &Err(refusal));
    assert_eq!(recorder.told.len(), 2);
    assert!(world.history().is_empty());
}

#[test]
fn an_import_that_was_read_waits_for_the_one_before_it_and_can_be_cancelled_there() {
    let world = World::new();
    let running = world
        .queue
        .join("", pulsewheel_app::import::MAX_IMPORTS)
        .unwrap();
    assert!(running.line_up());
    let canceller: RefCell<Option<Canceller>> = RefCell::new(None);
    let mut recorder = Recorder {
        on_progress: Some(Box::new(|progress| {
            if progress.step == STEP_WAITING {
                canceller.borrow().as_ref().unwrap().cancel();
            }
        })),
        ..Recorder::default()
    };
    world.import_with(&form(&scan(10), ""), true, &mut recorder, |c| {
        *canceller.borrow_mut() = Some(c)
    });
    assert_eq!(recorder.cancelled_import().processed_rows, 10);
    assert!(recorder.answer().is_ok());
    drop(recorder);
    assert_eq!(world.history()[0].status, ImportStatus::Cancelled);
    drop(running);
    assert_eq!(
        world.import(&scan(10)).completed_import().total_processed,
        10
    );
}

#[test]
fn an_import_that_was_killed_is_interrupted_after_the_next_start() {
    let (world, before) = world_with_findings();
    let new = NewImport {
        session_id: SESSION,
        filename: "killed.csv",
        vendor: "tenable",
        started_ms: 1_750_000_000_000,
    };
    let mut writer = world.store.begin_import(&new).unwrap();
    let host = StagedHost {
        key: "h",
        ..StagedHost::default()
    };
    let host = writer.stage_host(&host).unwrap();
    let record = Record {
        host,
        check_key: "1",
        check: "1",
        cve: "",
        port: "",
        protocol: "",
        title: "t",
        solution: "",
        severity: Severity::Low,
        state: "",
        cvss: None,
        seen: Seen::default(),
    };
    assert!(writer.stage(&record).unwrap());
    let plan = MergePlan {
        vendor: "tenable",
        site: "",
        now_ms: 1_750_000_000_000,
        scan_ms: 1_750_000_000_000,
        resolve: Resolve::Hosts,
        allow_older: false,
        is_recognised: true,
    };
    writer.merge(&plan, |_, _| true).unwrap();
    assert_eq!(world.history()[0].status, ImportStatus::Running);
    let World {
        store, directory, ..
    } = world;
    drop(writer); // neither committed nor abandoned, as when the process dies
    drop(store);
    let world = World {
        store: Store::open(directory.path()).unwrap(),
        queue: Default::default(),
        directory,
    };
    let entry = &world.history()[0];
    assert_eq!(
        (entry.status, entry.filename.as_str()),
        (ImportStatus::Interrupted, "killed.csv")
    );
    assert_eq!(entry.started_at, "2025-06-15T15:06:40.000Z");
    assert_eq!(format!("{:?}", world.findings()), before);
}

#[test]
fn a_disk_that_cannot_be_written_fails_the_import_as_storage_error() {
    let (world, before) = world_with_findings();
    // A directory in the place of the staging file: not to be removed, not to be opened.
    std::fs::create_dir_all(world.directory.path().join("staging-1.sqlite/in-the-way")).unwrap();
    let recorder = world.import(&scan(10));
    assert_eq!(recorder.failed_import().error.code, "STORAGE_ERROR");
    assert!(recorder.answer().is_ok());
    assert_eq!(format!("{:?}", world.findings()), before);
    assert_eq!(world.history()[0].status, ImportStatus::Error);
}
