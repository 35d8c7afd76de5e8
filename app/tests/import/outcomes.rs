//! Imports that are completed: what they report and what they change.

use pulsewheel_app::import::{STEP_MERGING, STEP_READING};
use pulsewheel_app::severity::Severity;
use pulsewheel_app::store::{FindingFilter, ImportStatus};

use crate::harness::{
    form, part, sample, scan, world_with_findings, Recorder, Told, World, SESSION,
};

#[test]
fn reports_come_in_their_order_and_progress_never_falls() {
    let world = World::new();
    let recorder = world.import(&scan(5_000));
    assert!(matches!(recorder.told.first(), Some(Told::FileStarted(_))));
    assert!(matches!(recorder.told.last(), Some(Told::Completed(_))));
    let mut last = (0.0, 0);
    let mut was_taken_in = false;
    for told in &recorder.told[1..recorder.told.len() - 1] {
        match told {
            Told::Progress {
                fraction,
                step,
                rows,
                total,
                scan_date,
            } => {
                assert!(*fraction >= last.0 && *fraction < 1.0);
                assert!(*rows >= last.1 && *rows <= 5_000);
                assert_eq!(*step == STEP_MERGING, was_taken_in);
                assert!(total.is_none() || *total == Some(5_000));
                assert!(*rows == 0 || scan_date.is_some());
                last = (*fraction, *rows);
            }
            Told::TakenIn(answer) => {
                assert!(answer.is_ok());
                was_taken_in = true;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(was_taken_in);
    assert_eq!(last.1, 5_000);
}

#[test]
fn without_a_declared_length_progress_stays_zero_until_the_merge_and_rows_count() {
    let world = World::new();
    let recorder = world.import_form(&form(&scan(2_000), ""), false);
    let mut rows_seen = 0;
    for told in &recorder.told {
        if let Told::Progress {
            fraction,
            rows,
            step,
            ..
        } = told
        {
            assert!(*fraction == 0.0 || *step == STEP_MERGING);
            rows_seen = *rows;
        }
    }
    assert_eq!(rows_seen, 2_000);
    assert_eq!(recorder.completed_import().total_processed, 2_000);
}

#[test]
fn a_completed_import_tells_its_figures() {
    let world = World::new();
    let recorder = world.import(&sample("tenable.csv"));
    let completed = recorder.completed_import();
    let accepted = recorder.answer().as_ref().unwrap();
    assert_eq!(accepted.import_id, completed.import_id);
    assert_eq!(
        (accepted.session_id.as_str(), accepted.filename.as_str()),
        (SESSION, "scan.csv")
    );
    assert_eq!(accepted.vendor, "tenable");
    assert_eq!(completed.performance.peak_memory_mb, 12);
    assert!(completed.performance.database_operations > 20);
    assert_eq!(completed.change.count, 6);
    assert_eq!(completed.change.hosts, ["web-01", "db-01", "app-01"]);
    let changes: Vec<(&str, u64)> = completed
        .change
        .severity_changes
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    assert_eq!(
        changes,
        [("new_critical", 4), ("new_high", 1), ("new_low", 1)]
    );
    let entry = &world.history()[0];
    assert_eq!(
        (Some(entry.import_id), entry.status),
        (completed.import_id, ImportStatus::Completed)
    );
    assert_eq!(entry.summary.as_ref().unwrap()["new_vulnerabilities"], 6);
    assert!(entry.finished_at.is_some());
}

fn import_labelled(world: &World, file: &str) -> Recorder<'static> {
    world.import_form(&form(file.as_bytes(), &part("vendor", "lab")), true)
}

#[test]
fn i100_i101_i102_i103_i105_what_changes_between_two_scans_is_counted() {
    let world = World::new();
    let first =
        "host,title,severity,port\na,same,Low,1\na,worse,Low,2\na,gone,High,3\nb,elsewhere,Low,4\n";
    let second = "host,title,severity,port\nA,same,Low,1\na,worse,Critical,2\na,new,Medium,5\n";
    import_labelled(&world, first);
    let recorder = import_labelled(&world, second);
    let completed = recorder.completed_import();
    let summary = &completed.summary;
    assert_eq!(
        (summary.new_vulnerabilities, summary.updated_vulnerabilities),
        (1, 1)
    );
    assert_eq!(
        (
            summary.unchanged,
            summary.resolved_vulnerabilities,
            summary.reopened
        ),
        (1, 1, 0)
    );
    let changes: Vec<(&str, u64)> = completed
        .change
        .severity_changes
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    assert_eq!(changes, [("new_medium", 1), ("resolved_high", 1)]);

    let third = import_labelled(&world, first);
    let summary = &third.completed_import().summary;
    assert_eq!(
        (
            summary.reopened,
            summary.resolved_vulnerabilities,
            summary.updated_vulnerabilities
        ),
        (1, 1, 1)
    );
    let statuses: Vec<(String, &str)> = world
        .findings()
        .into_iter()
        .map(|f| (f.title, f.status))
        .collect();
    let expected = [
        ("same", "active"),
        ("worse", "active"),
        ("gone", "active"),
        ("elsewhere", "active"),
        ("new", "resolved"),
    ];
    assert_eq!(
        statuses,
        expected.map(|(title, status)| (title.to_owned(), status))
    );
}

#[test]
fn a_fixed_finding_resolves_what_was_active() {
    let world = World::new();
    let header = "asset.name,definition.id,severity,state\n";
    world.import(format!("{header}a,1,Low,ACTIVE\na,2,Low,ACTIVE\n").as_bytes());
    let recorder = world.import(format!("{header}a,1,Low,FIXED\na,2,Low,RESURFACED\n").as_bytes());
    let completed = recorder.completed_import();
    assert_eq!(completed.total_processed, 2);
    assert_eq!(
        (
            completed.summary.resolved_vulnerabilities,
            completed.summary.updated_vulnerabilities
        ),
        (1, 1)
    );
}

#[test]
fn vendors_do_not_touch_each_others_findings() {
    let world = World::new();
    let file = b"host,title,severity\na,one,Low\n";
    world.import_form(&form(file, &part("vendor", "one")), true);
    let recorder = world.import_form(
        &form(b"host,title,severity\na,two,Low\n", &part("vendor", "two")),
        true,
    );
    let summary = &recorder.completed_import().summary;
    assert_eq!(
        (
            summary.new_vulnerabilities,
            summary.resolved_vulnerabilities
        ),
        (1, 0)
    );
}

#[test]
fn a_reader_sees_nothing_of_an_import_before_its_commit() {
    let (world, before) = world_with_findings();
    let reader = world.store.reader().unwrap();
    let mut looks = 0;
    let mut recorder = Recorder {
        on_progress: Some(Box::new(|progress| {
            if progress.step == STEP_MERGING {
                let page = reader
                    .vulnerabilities(&FindingFilter::default(), 1000, 0)
                    .unwrap();
                assert_eq!(page.total, 6);
                looks += 1;
            }
        })),
        ..Recorder::default()
    };
    world.import_with(&form(&scan(5_000), ""), true, &mut recorder, |_| {});
    recorder.completed_import();
    drop(recorder);
    assert!(looks > 0, "{before}");
    assert!(
        reader
            .vulnerabilities(&FindingFilter::default(), 1, 0)
            .unwrap()
            .total
            > 5_000
    );
}

#[test]
fn lists_have_pages_and_filters() {
    let (world, _) = world_with_findings();
    let reader = world.store.reader().unwrap();
    let count = |filter: &FindingFilter| reader.vulnerabilities(filter, 100, 0).unwrap().total;
    let by_host = |host: &str| FindingFilter {
        host: Some(host.to_owned()),
        ..FindingFilter::default()
    };
    assert_eq!(count(&by_host("WEB-01")), 4);
    assert_eq!(count(&by_host("10.20.0.11")), 4);
    assert_eq!(count(&by_host("3F1D6A10-0b7e-4c1e-9a55-000000000011")), 4);
    assert_eq!(count(&by_host("web")), 0);
    assert_eq!(
        count(&FindingFilter {
            severities: vec![Severity::Critical],
            ..by_host("web-01")
        }),
        3
    );
    assert_eq!(
        count(&FindingFilter {
            active: Some(false),
            ..FindingFilter::default()
        }),
        0
    );
    let page = reader
        .vulnerabilities(&FindingFilter::default(), 4, 4)
        .unwrap();
    assert_eq!(
        (page.total, page.limit, page.offset, page.items.len()),
        (6, 4, 4, 2)
    );
    let page = reader
        .vulnerabilities(&FindingFilter::default(), 5_000, u64::MAX)
        .unwrap();
    assert_eq!((page.limit, page.items.len()), (1_000, 0));
    world.import(&sample("bom.csv"));
    let page = reader.imports(1, 0).unwrap();
    assert_eq!((page.total, page.items[0].vendor.as_str()), (2, "generic"));
}

#[test]
fn a_small_file_makes_one_report_of_its_reading_with_all_rows() {
    let recorder = World::new().import(&sample("tenable.csv"));
    let readings: Vec<_> = recorder
        .told
        .iter()
        .filter(|told| matches!(told, Told::Progress { step, .. } if *step == STEP_READING))
        .collect();
    let Some(Told::Progress {
        fraction,
        rows,
        total,
        ..
    }) = readings.first()
    else {
        panic!("{:?}", recorder.told);
    };
    assert_eq!((*rows, *total), (5, Some(5)));
    assert!(*fraction > 0.0 && *fraction < 1.0);
}
