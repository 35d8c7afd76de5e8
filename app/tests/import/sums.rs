//! The counts of random scans against a model that fits on a page: what each
//! record is follows from two maps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use proptest::prelude::*;

use crate::harness::{Told, World};

#[derive(Clone, Debug)]
struct ScanRow {
    /// 0 has no host, 9 in `severity` is no word that is known.
    host: u8,
    check: u8,
    cves: Vec<u8>,
    severity: u8,
    is_fixed: bool,
}

impl ScanRow {
    fn is_rejected(&self) -> bool {
        self.host == 0 || self.severity == 9
    }
}

type Key = (u8, u8, u8);

/// Findings by key: severity and whether they are active.
#[derive(Default)]
struct Model {
    known: BTreeMap<Key, (u8, bool)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    accepted: u64,
    rejected: u64,
    new: u64,
    updated: u64,
    reopened: u64,
    unchanged: u64,
    duplicates: u64,
    resolved: u64,
    /// Records of accepted rows.
    records: u64,
}

impl Model {
    fn import(&mut self, rows: &[ScanRow]) -> Counts {
        let mut counts = Counts::default();
        let mut hosts = BTreeSet::new();
        let mut protected = BTreeSet::new();
        let mut may_be_any_host = false;
        let mut present: BTreeMap<Key, u8> = BTreeMap::new();
        for row in rows {
            if row.is_rejected() {
                counts.rejected += 1;
                may_be_any_host |= row.host == 0;
                protected.insert((row.host, row.check));
                continue;
            }
            counts.accepted += 1;
            hosts.insert(row.host);
            if row.is_fixed {
                continue;
            }
            let mut cves: BTreeSet<u8> = row.cves.iter().copied().collect();
            if cves.is_empty() {
                cves.insert(0);
            }
            for cve in cves {
                counts.records += 1;
                let key = (row.host, row.check, cve);
                counts.duplicates += u64::from(present.contains_key(&key));
                let highest = present.entry(key).or_default();
                *highest = row.severity.max(*highest);
            }
        }
        self.continue_without_cve(&present);
        for (key, severity) in &present {
            match self.known.insert(*key, (*severity, true)) {
                None => counts.new += 1,
                Some((_, false)) => counts.reopened += 1,
                Some((known, true)) if known != *severity => counts.updated += 1,
                Some(_) => counts.unchanged += 1,
            }
        }
        for (key, (_, is_active)) in &mut self.known {
            let is_absent = hosts.contains(&key.0) && !present.contains_key(key);
            let is_protected = may_be_any_host || protected.contains(&(key.0, key.1));
            if *is_active && is_absent && !is_protected {
                *is_active = false;
                counts.resolved += 1;
            }
        }
        counts
    }
}

impl Model {
    /// An active finding without a CVE (0) that is absent goes on as the lowest new CVE.
    fn continue_without_cve(&mut self, present: &BTreeMap<Key, u8>) {
        let without: Vec<Key> = self
            .known
            .keys()
            .copied()
            .filter(|key| key.2 == 0)
            .collect();
        for (host, check, _) in without {
            let old = (host, check, 0);
            let mut cves = present.range((host, check, 1)..=(host, check, u8::MAX));
            let lowest = cves.find(|(key, _)| !self.known.contains_key(key));
            if let (Some((key, _)), false, true) =
                (lowest, present.contains_key(&old), self.known[&old].1)
            {
                self.known.remove(&old);
                // No severity that a file may have: it counts as updated.
                self.known.insert(*key, (u8::MAX, true));
            }
        }
    }
}

fn csv(rows: &[ScanRow]) -> String {
    let mut file = "asset.name;definition.id;definition.cve;severity;state\n".to_owned();
    for row in rows {
        let host = if row.host == 0 {
            String::new()
        } else {
            format!("Host-{}", row.host)
        };
        let cves: Vec<String> = row
            .cves
            .iter()
            .map(|cve| format!("CVE-2025-{cve}"))
            .collect();
        let severity = match row.severity {
            9 => "Grave".to_owned(),
            number => number.to_string(),
        };
        let state = if row.is_fixed { "FIXED" } else { "ACTIVE" };
        writeln!(
            file,
            "{host};{};{};{severity};{state}",
            row.check,
            cves.join(","),
        )
        .unwrap();
    }
    file
}

fn scan_rows() -> impl Strategy<Value = Vec<ScanRow>> {
    let severity = prop_oneof![9 => 0..5u8, 1 => Just(9u8)];
    let row = (
        0..5u8,
        0..4u8,
        prop::collection::vec(1..4u8, 0..4),
        severity,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(host, check, cves, severity, is_fixed)| ScanRow {
            host,
            check,
            cves,
            severity,
            is_fixed,
        });
    prop::collection::vec(row, 1..30)
}

/// The same rows twice, the second time in any order.
fn rows_in_two_orders() -> impl Strategy<Value = (Vec<ScanRow>, Vec<ScanRow>)> {
    scan_rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
}

/// Severity and status of all findings by host, check and CVE.
fn findings(world: &World) -> BTreeMap<[String; 3], [&'static str; 2]> {
    let findings = world.findings().into_iter().map(|finding| {
        let key = [finding.host, finding.check, finding.cve.unwrap_or_default()];
        (key, [finding.severity, finding.status])
    });
    findings.collect()
}

impl ScanRow {
    /// Whether the row says, or may say, that this finding is there.
    fn may_name(&self, [host, check, cve]: &[String; 3]) -> bool {
        if self.host == 0 {
            return true;
        }
        let is_about = *host == format!("host-{}", self.host) && *check == self.check.to_string();
        let has_id = match self.cves.as_slice() {
            [] => cve.is_empty(),
            ids => ids.iter().any(|id| *cve == format!("CVE-2025-{id}")),
        };
        is_about && (self.is_rejected() || has_id && !self.is_fixed)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i109_i110_counts_agree_with_the_model_and_add_up(scans in prop::collection::vec(scan_rows(), 1..5)) {
        let world = World::new();
        let mut model = Model::default();
        for rows in &scans {
            let recorder = world.import(csv(rows).as_bytes());
            if rows.iter().all(ScanRow::is_rejected) {
                prop_assert_eq!(recorder.failed_import().error.code, "NO_VALID_ROWS");
                continue;
            }
            let expected = model.import(rows);
            let completed = recorder.completed_import();
            let summary = &completed.summary;
            let counts = Counts {
                accepted: completed.total_processed,
                rejected: summary.validation_errors,
                new: summary.new_vulnerabilities,
                updated: summary.updated_vulnerabilities,
                reopened: summary.reopened,
                unchanged: summary.unchanged,
                duplicates: summary.skipped_duplicates,
                resolved: summary.resolved_vulnerabilities,
                records: expected.records,
            };
            prop_assert_eq!(&counts, &expected);
            prop_assert_eq!(counts.accepted + counts.rejected, rows.len() as u64);
            let sum = counts.new + counts.updated + counts.reopened + counts.unchanged + counts.duplicates;
            prop_assert_eq!(sum, expected.records);
        }
        let active = world.findings().iter().filter(|finding| finding.status == "active").count();
        prop_assert_eq!(active, model.known.values().filter(|(_, is_active)| *is_active).count());
    }

    #[test]
    fn i79_the_order_of_rows_makes_no_difference_and_what_a_file_names_is_not_resolved(
        first in scan_rows(),
        (rows, shuffled) in rows_in_two_orders(),
    ) {
        let outcomes = [&rows, &shuffled].map(|rows| {
            let world = World::new();
            world.import(csv(&first).as_bytes());
            let before = findings(&world);
            world.import(csv(rows).as_bytes());
            (before, findings(&world))
        });
        let (before, after) = &outcomes[0];
        for (key, [_, status]) in after.iter() {
            let was_active = before.get(key).is_some_and(|[_, before]| *before == "active");
            let is_resolved = was_active && *status == "resolved";
            prop_assert!(!is_resolved || !rows.iter().any(|row| row.may_name(key)), "{:?}", key);
        }
        prop_assert_eq!(&outcomes[0].1, &outcomes[1].1);
    }

    /// Pieces that matter to CSV, multipart and decoding, in any order.
    #[test]
    fn any_bytes_end_in_one_outcome_and_one_answer(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    &b"host,title,severity,cve\n"[..], b"asset.name;definition.id;severity\n", b"a,b,Low,CVE-2025-1\n",
                    b"\"", b",", b";", b"\t", b"\n", b"\r\n", b"\r", b"\xff", b"\xef\xbb\xbf", b"\xe2\x82", b"\0",
                    b"\r\n------pulsewheel-test\r\n", b"\r\n------pulsewheel-test--\r\n",
                ]).prop_map(<[u8]>::to_vec),
                prop::collection::vec(any::<u8>(), 0..40),
            ],
            0..40,
        ),
    ) {
        let recorder = World::new().import(&pieces.concat());
        let ends = recorder.told.iter().filter(|told| {
            matches!(told, Told::Completed(_) | Told::Failed(_) | Told::Cancelled(_))
        });
        prop_assert_eq!(ends.count(), 1, "{:?}", &recorder.told);
        let _ = recorder.answer();
    }
}
