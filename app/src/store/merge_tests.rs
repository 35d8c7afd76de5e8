//! Tests of the merge.

use super::*;
use crate::severity::Severity;
use crate::store::{
    Ending, FindingFilter, FindingRow, ImportStatus, NewImport, Record, Seen, StagedHost, Store,
    Times,
};

const NEW: NewImport<'_> = NewImport {
    session_id: "s",
    filename: "f",
    vendor: "v",
    started_ms: 1,
};

fn ending(status: ImportStatus) -> Ending<'static> {
    Ending {
        status,
        vendor: "v",
        format: None,
        summary: None,
        error: None,
    }
}

fn plan(now_ms: i64) -> MergePlan<'static> {
    MergePlan {
        vendor: "v",
        site: "",
        now_ms,
        scan_ms: now_ms,
        resolve: Resolve::Hosts,
        allow_older: false,
        is_recognised: false,
    }
}

fn host<'a>(key: &'a str, ip: &'a str, name: &'a str) -> StagedHost<'a> {
    StagedHost {
        key,
        ip,
        name,
        ..StagedHost::default()
    }
}

fn seen(first_ms: Option<i64>, last_ms: Option<i64>) -> Seen {
    let times = Times { first_ms, last_ms };
    Seen {
        month_first: times,
        day_first: times,
    }
}

fn record(host: i64, check: &str) -> Record<'_> {
    Record {
        host,
        check_key: check,
        check,
        cve: "",
        port: "",
        protocol: "",
        title: "title",
        solution: "",
        severity: Severity::High,
        state: "",
        cvss: None,
        seen: Seen::default(),
    }
}

fn findings(store: &Store) -> Vec<FindingRow> {
    store
        .reader()
        .unwrap()
        .vulnerabilities(&FindingFilter::default(), 1000, 0)
        .unwrap()
        .items
}

/// Imports one record seen at the given times, at the time `now_ms`.
fn import_seen(
    store: &Store,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    now_ms: i64,
) -> FindingRow {
    let mut writer = store.begin_import(&NEW).unwrap();
    let id = writer.stage_host(&host("h", "", "")).unwrap();
    writer
        .stage(&Record {
            seen: seen(first_ms, last_ms),
            ..record(id, "c")
        })
        .unwrap();
    writer.merge(&plan(now_ms), |_, _| true).unwrap();
    writer.commit(&ending(ImportStatus::Completed)).unwrap();
    findings(store).remove(0)
}

#[test]
fn times_of_the_rows_count_and_those_of_the_import_stand_in() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path()).unwrap();
    let times = |row: FindingRow| (row.first_seen, row.last_seen);
    let text = |ms| crate::clock::rfc3339(ms);
    assert_eq!(
        times(import_seen(&store, None, None, 5_000)),
        (text(5_000), text(5_000))
    );
    assert_eq!(
        times(import_seen(&store, Some(3_000), Some(4_000), 6_000)),
        (text(3_000), text(5_000))
    );
    assert_eq!(
        times(import_seen(&store, Some(4_000), None, 7_000)),
        (text(3_000), text(7_000))
    );
}

#[test]
fn what_a_later_scan_leaves_empty_of_a_host_stays() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path()).unwrap();
    for (ip, hostname) in [("10.0.0.1", "old"), ("", "new"), ("", "")] {
        let mut writer = store.begin_import(&NEW).unwrap();
        let id = writer.stage_host(&host("h", ip, hostname)).unwrap();
        writer.stage(&record(id, "c")).unwrap();
        writer.merge(&plan(1), |_, _| true).unwrap();
        writer.commit(&ending(ImportStatus::Completed)).unwrap();
    }
    let row = findings(&store).remove(0);
    assert_eq!(
        (row.ip.as_deref(), row.hostname.as_deref()),
        (Some("10.0.0.1"), Some("new"))
    );
}

#[test]
fn a_merge_that_fills_the_disk_leaves_the_findings_as_they_were() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path()).unwrap();
    import_seen(&store, None, None, 1);
    let before = findings(&store);
    let mut writer = store.begin_import(&NEW).unwrap();
    let id = writer.stage_host(&host("h", "", "")).unwrap();
    for number in 0..5_000 {
        writer.stage(&record(id, &number.to_string())).unwrap();
    }
    let pages: i64 = writer
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    writer
        .connection
        .pragma_update_and_check(None, "max_page_count", pages + 20, |_| Ok(()))
        .unwrap();
    let stop = writer.merge(&plan(1), |_, _| true).unwrap_err();
    assert!(matches!(stop, MergeStop::Store(_)), "{stop:?}");
    writer.abandon(&ending(ImportStatus::Error));
    store.write_endings();
    assert_eq!(findings(&store), before);
    assert_eq!(
        store.reader().unwrap().imports(1, 0).unwrap().items[0].status,
        ImportStatus::Error
    );
}

#[test]
fn a_merge_stops_where_it_is_told_to() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path()).unwrap();
    // The host, its two records, and what it has no more.
    let steps = [0, 1, 2, 2 + STEPS_PER_HOST].map(|steps| steps + STEPS_PER_HOST);
    for stop_at in 1..=4 {
        let mut writer = store.begin_import(&NEW).unwrap();
        let id = writer.stage_host(&host("h", "", "")).unwrap();
        assert!(writer.stage(&record(id, "1")).unwrap());
        assert!(writer.stage(&record(id, "2")).unwrap());
        assert!(!writer.stage(&record(id, "2")).unwrap());
        let mut calls = 0;
        let result = writer.merge(&plan(1), |done, total| {
            calls += 1;
            assert_eq!((done, total), (steps[calls - 1], steps[3]));
            calls < stop_at
        });
        assert!(matches!(result, Err(MergeStop::Cancelled)));
        assert_eq!(calls, stop_at);
        writer.abandon(&ending(ImportStatus::Cancelled));
        assert!(findings(&store).is_empty());
    }
}
