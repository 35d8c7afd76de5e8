//! Imports that are taken back.

use pulsewheel_app::store::{UndoError, Undone};

use crate::harness::{form, part, World};

fn import(world: &World, label: &str, rows: &str) -> i64 {
    let file = format!("host,dns name,title,severity,cve\n{rows}");
    let recorder = world.import_form(&form(file.as_bytes(), &part("vendor", label)), true);
    recorder.completed_import().import_id.unwrap()
}

fn state(world: &World) -> String {
    format!("{:#?}", world.findings())
}

#[test]
fn an_import_that_is_undone_leaves_what_was_before() {
    let world = World::new();
    import(&world, "lab", "10.0.0.1,old,same,Low,\n10.0.0.1,old,worse,Low,\n10.0.0.1,old,gone,High,\n10.0.0.1,old,back,Low,\n10.0.0.1,old,cve,Low,\n");
    import(&world, "lab", "10.0.0.1,old,same,Low,\n10.0.0.1,old,worse,Low,\n10.0.0.1,old,gone,High,\n10.0.0.1,old,cve,Low,\n");
    import(&world, "other", "10.0.0.1,,elsewhere,Low,\n");
    let before = state(&world);
    let rows = "10.0.0.1,renamed,same,Low,\n10.0.0.1,,worse,Critical,\n10.0.0.1,,back,Low,\n10.0.0.1,,new,Low,\n10.0.0.1,,cve,Low,CVE-2024-1\n10.0.0.2,,new,Low,\n";
    let id = import(&world, "lab", rows);
    assert_ne!(state(&world), before);
    import(&world, "other", "10.0.0.1,,elsewhere,Low,\n");
    let undone = world.store.undo(id).unwrap();
    let counts = Undone {
        removed: 2,
        reactivated: 1,
        resolved: 1,
        restored: 2,
        hosts: undone.hosts.clone(),
    };
    assert_eq!(undone, counts);
    assert!(!undone.hosts.is_empty());
    // The other label's finding was seen again meanwhile, and nothing else differs.
    let without_times = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.contains("last_seen") && !line.contains("import_id"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_times(&state(&world)), without_times(&before));
    let entry = world
        .history()
        .into_iter()
        .find(|entry| entry.import_id == id)
        .unwrap();
    assert!(entry.undone_at.is_some());
    // The same import is again what it was.
    import(&world, "lab", rows);
}

#[test]
fn only_the_newest_of_a_label_is_undone_and_only_once() {
    let world = World::new();
    let first = import(&world, "lab", "10.0.0.1,,x,Low,\n");
    let second = import(&world, "Lab", "10.0.0.1,,x,High,\n");
    let other = import(&world, "other", "10.0.0.1,,x,Low,\n");
    let failed = world.import(b"host,title,severity\na,x,Grave\n");
    let failed = failed.failed_import().import_id.unwrap();
    assert!(matches!(world.store.undo(first), Err(UndoError::NotNewest)));
    assert!(matches!(
        world.store.undo(failed),
        Err(UndoError::NotNewest)
    ));
    assert!(matches!(world.store.undo(99), Err(UndoError::Unknown)));
    world.store.undo(second).unwrap();
    assert!(matches!(
        world.store.undo(second),
        Err(UndoError::NotNewest)
    ));
    assert!(matches!(world.store.undo(first), Err(UndoError::NotNewest)));
    world.store.undo(other).unwrap();
    assert_eq!(world.findings().len(), 1);
    let third = import(&world, "lab", "10.0.0.1,,y,Low,\n");
    world.store.undo(third).unwrap();
    assert_eq!(world.findings()[0].severity, "Low");
}

#[test]
fn an_older_scan_is_none_any_more_once_the_newer_is_undone() {
    let world = World::new();
    let import = |date: &str| {
        let file = format!("host,title,severity,last seen\na,x,High,{date}\n");
        world.import_form(&form(file.as_bytes(), &part("vendor", "lab")), true)
    };
    import("2024-01-01").completed_import();
    let newer = import("2024-03-01").completed_import().import_id.unwrap();
    import("2024-02-01").failed_import();
    world.store.undo(newer).unwrap();
    import("2024-02-01").completed_import();
}

#[test]
fn what_was_taken_over_goes_back() {
    let world = World::new();
    world.import(b"host,title,severity\n10.1.1.1,105971,Critical\n");
    let before = state(&world);
    let recorder = world.import(b"IP,DNS,QID,Title,Severity\n10.1.1.1,,105971,EOL,4\n");
    let id = recorder.completed_import().import_id.unwrap();
    assert_eq!(world.findings()[0].vendor, "qualys");
    world.store.undo(id).unwrap();
    assert_eq!(state(&world), before);
}
