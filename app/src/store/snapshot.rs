//! The findings as they are at one moment, read piece by piece however long that takes.

use rusqlite::{params, Connection};

use super::filter::{Conditions, FindingFilter, Sort};
use super::query::{finding, values, FindingRow, FINDING_COLUMNS};
use super::StoreError;

/// A piece ends behind so many findings, or the one with which its texts come to so much: pieces of several files may be on their
/// way.
const MAX_PIECE_FINDINGS: usize = 256;
const MAX_PIECE_TEXT_BYTES: usize = 64 * 1024;
/// Memory for pages of the database, and as much for the list: each finding is read once.
pub(super) const CACHE_KIB: i64 = 32;

/// Findings that match, in an order, on a connection of their own. Its read transaction lasts as long as this: whatever is
/// written meanwhile is not seen, and stays in the database's write-ahead log for as long.
#[derive(Debug)]
pub struct Snapshot {
    connection: Connection,
    /// How many have been read.
    read: usize,
}

impl Snapshot {
    /// The ids are put into a list of their own in that order, so that no piece has to look for its findings.
    pub(super) fn new(
        connection: Connection,
        filter: &FindingFilter,
        sort: Sort,
    ) -> Result<Snapshot, StoreError> {
        connection.execute_batch(&format!(
            "PRAGMA temp.cache_size = -{CACHE_KIB};
             BEGIN;
             CREATE TEMP TABLE listed (place INTEGER PRIMARY KEY, finding INTEGER NOT NULL);"
        ))?;
        let conditions = Conditions::of(filter);
        let list = format!(
            "INSERT INTO listed (finding)
             SELECT f.id FROM findings AS f JOIN hosts AS h ON h.id = f.host_id {} ORDER BY {}",
            conditions.clause(),
            sort.order_by()
        );
        connection.execute(&list, values(&conditions.values))?;
        Ok(Snapshot {
            connection,
            read: 0,
        })
    }

    /// The next findings; behind the last ones there are none.
    pub fn next_piece(&mut self) -> Result<Vec<FindingRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&piece_sql())?;
        let mut found = statement.query(params![self.read as i64, MAX_PIECE_FINDINGS as i64])?;
        let mut findings = Vec::new();
        let mut text_bytes = 0;
        while text_bytes < MAX_PIECE_TEXT_BYTES {
            let Some(row) = found.next()? else { break };
            let finding = finding(row)?;
            text_bytes += finding.text_bytes();
            findings.push(finding);
        }
        self.read += findings.len();
        Ok(findings)
    }
}

/// The list comes first: it is walked along, and each finding looked up.
fn piece_sql() -> String {
    format!(
        "SELECT {FINDING_COLUMNS} FROM listed AS l CROSS JOIN findings AS f ON f.id = l.finding
         CROSS JOIN hosts AS h ON h.id = f.host_id WHERE l.place > ?1 ORDER BY l.place LIMIT ?2"
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::filter::SortKey;
    use super::super::{
        Ending, ImportStatus, MergePlan, NewImport, Record, Resolve, Seen, StagedHost, Store,
    };
    use super::*;
    use crate::severity::Severity;

    /// Imports findings of one host, which are all that it has from then on.
    fn import(store: &Store, numbers: std::ops::Range<u32>, title: impl Fn(u32) -> String) {
        let new = NewImport {
            session_id: "s",
            filename: "f",
            vendor: "v",
            started_ms: 1,
        };
        let mut writer = store.begin_import(&new).unwrap();
        let key = StagedHost {
            key: "h",
            ..StagedHost::default()
        };
        let host = writer.stage_host(&key).unwrap();
        for number in numbers {
            let record = Record {
                host,
                check_key: &number.to_string(),
                check: "c",
                cve: "",
                port: "",
                protocol: "",
                title: &title(number),
                solution: "",
                severity: Severity::High,
                state: "",
                cvss: None,
                seen: Seen::default(),
            };
            writer.stage(&record).unwrap();
        }
        let plan = MergePlan {
            vendor: "v",
            site: "",
            now_ms: 1,
            scan_ms: 1,
            resolve: Resolve::Hosts,
            allow_older: false,
            is_recognised: false,
        };
        writer.merge(&plan, |_, _| true).unwrap();
        let ending = Ending {
            status: ImportStatus::Completed,
            vendor: "v",
            format: None,
            summary: None,
            error: None,
        };
        writer.commit(&ending).unwrap();
    }

    fn snapshot(store: &Store, key: SortKey) -> Snapshot {
        let sort = Sort {
            key,
            is_descending: false,
        };
        let reader = store.reader().unwrap();
        reader.snapshot(&FindingFilter::default(), sort).unwrap()
    }

    #[test]
    fn what_is_merged_between_the_pieces_is_not_seen() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        import(&store, 0..600, |number| format!("{:03}", 599 - number));
        for key in [SortKey::Title, SortKey::Id, SortKey::LastSeen] {
            let reader = store.reader().unwrap();
            let filter = FindingFilter::default();
            let before = reader.vulnerabilities(&filter, 1_000, 0).unwrap().items;
            let mut snapshot = snapshot(&store, key);
            let mut found = snapshot.next_piece().unwrap();
            assert_eq!(found.len(), MAX_PIECE_FINDINGS);
            // Some go, others come, and all have another place in the order.
            import(&store, 300..900, |number| format!("{number:03}"));
            import(&store, 0..600, |number| format!("{:03}", 599 - number));
            loop {
                let piece = snapshot.next_piece().unwrap();
                if piece.is_empty() {
                    break;
                }
                found.extend(piece);
            }
            if key == SortKey::Title {
                assert!(found.is_sorted_by_key(|finding| &finding.title));
            }
            found.sort_by_key(|finding| -finding.id);
            assert_eq!(found, before, "{key:?}");
        }
    }

    #[test]
    fn the_steps_of_all_pieces_rise_with_the_findings_and_no_faster() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        let steps_for = |count: u32| {
            import(&store, 0..count, |number| number.to_string());
            let mut snapshot = snapshot(&store, SortKey::Title);
            let mut found = 0;
            let mut piece = snapshot.next_piece().unwrap();
            while !piece.is_empty() {
                found += piece.len();
                piece = snapshot.next_piece().unwrap();
            }
            assert_eq!(found, count as usize);
            let sql = piece_sql();
            let statement = snapshot.connection.prepare_cached(&sql).unwrap();
            statement.get_status(StatementStatus::VmStep)
        };
        let (few, many) = (steps_for(1_000), steps_for(8_000));
        assert!(few > 1_000 && many <= 8 * few, "{few} and {many}");
    }
}
